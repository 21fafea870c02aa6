//! Chance that falls the same way every time.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest, Sha256};

/// A seeded source of believable detail.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// Throws of one purpose do not disturb those of another.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update(seed.to_be_bytes());
        digest.update(purpose.as_bytes());
        Self(ChaCha8Rng::from_seed(digest.finalize().into()))
    }

    /// A number from 0 up to, not including, `end`.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        // The bias of a remainder does not matter to a story.
        self.0.next_u32() % end.max(1)
    }

    pub(crate) fn between(&mut self, least: u32, most: u32) -> u32 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(u32::try_from(choices.len()).unwrap_or(1)) as usize]
    }

    pub(crate) fn percent(&mut self, chance: u32) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn hex(&mut self, digits: usize) -> String {
        self.letters(b"0123456789abcdef", digits)
    }

    /// Capital letters and digits as in AWS's unique ids.
    pub(crate) fn capitals(&mut self, count: usize) -> String {
        self.letters(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", count)
    }

    /// Letters and digits as in AWS's secret keys.
    pub(crate) fn mixed(&mut self, count: usize) -> String {
        self.letters(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", count)
    }

    pub(crate) fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    fn letters(&mut self, alphabet: &[u8], count: usize) -> String {
        (0..count).map(|_| char::from(self.pick(alphabet))).collect()
    }
}
