//! Bytes of any length whose every piece shows where it belongs, so that a lost, repeated or
//! swapped piece changes the digest.

use bytes::{Bytes, BytesMut};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest, Sha256};

/// The size of the pieces [`pieces`] yields.
const PIECE: u64 = 64 * 1024;

/// The first `length` bytes, in pieces.
pub(super) fn pieces(length: u64) -> impl Iterator<Item = Bytes> + Send {
    let whole = length / PIECE;
    let rest = length % PIECE;
    (0..whole).map(|number| piece(number, PIECE)).chain((rest > 0).then(move || piece(whole, rest)))
}

/// The SHA-256 of the first `length` bytes.
pub(super) fn digest(length: u64) -> Sha256 {
    pieces(length).fold(Sha256::new(), |mut digest, piece| {
        digest.update(&piece);
        digest
    })
}

fn piece(number: u64, length: u64) -> Bytes {
    let length = usize::try_from(length).unwrap_or(0);
    let mut bytes = BytesMut::zeroed(length);
    // Cheap, and no two pieces are alike.
    ChaCha8Rng::seed_from_u64(number).fill_bytes(&mut bytes);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_exact_and_a_longer_text_begins_with_the_shorter() {
        for length in [0, 1, 7, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let all: usize = pieces(length).map(|piece| piece.len()).sum();
            assert_eq!(all as u64, length);
        }
        let short: Vec<u8> = pieces(PIECE + 100).flatten().collect();
        let long: Vec<u8> = pieces(2 * PIECE).flatten().collect();
        assert!(long.starts_with(&short));
        assert_ne!(long[..100], long[PIECE as usize..PIECE as usize + 100]);
    }
}
