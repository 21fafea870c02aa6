//! How the agent reads what programs print: as UTF-8, whether it is or not.

use bytes::{Buf as _, Bytes, BytesMut};

/// The longest a character can be.
const LONGEST: usize = 4;
/// U+FFFD, which the agent takes for a sign of broken text and cuts to its first byte.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Keeps up to three bytes at the end of a read that are no whole character until more comes.
/// What is kept at the end of output is lost.
#[derive(Debug, Default)]
pub(super) struct Characters {
    kept: BytesMut,
}

impl Characters {
    /// The bytes to send for one read.
    pub(super) fn take(&mut self, read: Bytes) -> Bytes {
        let bytes = if self.kept.is_empty() {
            read
        } else {
            let mut whole = std::mem::take(&mut self.kept);
            whole.extend_from_slice(&read);
            whole.freeze()
        };
        if is_plain(&bytes) { bytes } else { self.sort(bytes) }
    }

    /// Puts bytes in front of the next read.
    pub(super) fn prepend(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
    }

    fn sort(&mut self, mut rest: Bytes) -> Bytes {
        let mut out = BytesMut::with_capacity(rest.len());
        while !rest.is_empty() {
            let whole = match std::str::from_utf8(&rest) {
                Ok(text) => text.find('\u{fffd}').unwrap_or(text.len()),
                Err(error) => {
                    let valid = error.valid_up_to();
                    rest[..valid]
                        .windows(REPLACEMENT.len())
                        .position(|window| window == REPLACEMENT)
                        .unwrap_or(valid)
                }
            };
            out.extend_from_slice(&rest.split_to(whole));
            if rest.is_empty() {
                break;
            }
            if rest.len() < LONGEST {
                self.kept.extend_from_slice(&rest);
                break;
            }
            out.extend_from_slice(&rest[..1]);
            let broken = if rest.starts_with(REPLACEMENT) { REPLACEMENT.len() } else { 1 };
            rest.advance(broken);
        }
        out.freeze()
    }
}

fn is_plain(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\u{fffd}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(characters: &mut Characters, bytes: &[u8]) -> Vec<u8> {
        characters.take(Bytes::copy_from_slice(bytes)).to_vec()
    }

    #[test]
    fn text_passes_and_split_characters_wait() {
        let mut characters = Characters::default();
        assert_eq!(take(&mut characters, "zürich".as_bytes()), "zürich".as_bytes());
        assert_eq!(take(&mut characters, b"\xe2\x82"), b"");
        assert_eq!(take(&mut characters, b"\xac 5"), "€ 5".as_bytes());
    }

    #[test]
    fn broken_bytes_pass_unless_they_are_among_the_last_three() {
        let mut characters = Characters::default();
        assert_eq!(take(&mut characters, b"\xff\xfeabcd"), b"\xff\xfeabcd");
        assert_eq!(take(&mut characters, b"ab\xff"), b"ab");
        assert_eq!(take(&mut characters, b"abcd"), b"\xffabcd");
    }

    #[test]
    fn the_replacement_character_is_cut_to_its_first_byte() {
        let mut characters = Characters::default();
        assert_eq!(take(&mut characters, "a\u{fffd}bcde".as_bytes()), b"a\xefbcde");
        assert_eq!(take(&mut characters, "a\u{fffd}".as_bytes()), b"a");
        assert_eq!(take(&mut characters, b"b"), b"\xefb");
    }
}
