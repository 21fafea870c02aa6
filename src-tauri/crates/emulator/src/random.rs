//! Random bytes for tokens, ids, nonces and challenges.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use uuid::Uuid;

/// A generator seeded by the operating system, which is asked through the one crate here that
/// does so: a version 4 UUID carries 122 random bits.
pub(crate) fn generator() -> ChaCha20Rng {
    let mut seed = [0; 32];
    let (low, high) = seed.split_at_mut(16);
    low.copy_from_slice(Uuid::new_v4().as_bytes());
    high.copy_from_slice(Uuid::new_v4().as_bytes());
    ChaCha20Rng::from_seed(seed)
}

/// `N` fresh random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    generator().fill_bytes(&mut bytes);
    bytes
}
