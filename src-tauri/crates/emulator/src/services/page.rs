//! Paging: opaque tokens that are only good for the listing they came from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Cuts one page out of `rows` and returns it with the token of the next.
///
/// `listing` describes the question (operation, place, filters): a token made for another
/// question is refused, as is anything that was never a token.
pub(crate) fn cut<T>(
    mut rows: Vec<T>,
    listing: &str,
    token: Option<&str>,
    most: usize,
) -> Result<(Vec<T>, Option<String>), NotAToken> {
    let from = token.map_or(Ok(0), |token| read(token, listing))?;
    if from > rows.len() {
        return Err(NotAToken);
    }
    let mut page = rows.split_off(from);
    let more = page.len() > most;
    page.truncate(most);
    let next = more.then(|| write(from + most, listing));
    Ok((page, next))
}

/// The text is not a token of this listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAToken;

fn write(from: usize, listing: &str) -> String {
    let from = (from as u64).to_be_bytes();
    let mut token = from.to_vec();
    token.extend_from_slice(&seal(&from, listing));
    STANDARD.encode(token)
}

fn read(token: &str, listing: &str) -> Result<usize, NotAToken> {
    let bytes = STANDARD.decode(token).map_err(|_| NotAToken)?;
    let (from, mark) = bytes.split_first_chunk::<8>().ok_or(NotAToken)?;
    if mark != seal(from, listing) {
        return Err(NotAToken);
    }
    usize::try_from(u64::from_be_bytes(*from)).map_err(|_| NotAToken)
}

fn seal(from: &[u8; 8], listing: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(listing.as_bytes())
        .expect("an HMAC key may have any length");
    mac.update(from);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_everything_once() {
        let rows: Vec<u32> = (0..123).collect();
        let mut seen = Vec::new();
        let mut token = None;
        loop {
            let (page, next) = cut(rows.clone(), "list", token.as_deref(), 50).unwrap();
            assert!(page.len() <= 50);
            seen.extend(page);
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, rows);
    }

    #[test]
    fn an_exact_fit_has_no_next_page() {
        let (page, next) = cut(vec![1, 2], "list", None, 2).unwrap();
        assert_eq!((page, next), (vec![1, 2], None));
    }

    #[test]
    fn foreign_tokens_are_refused() {
        let (_, next) = cut(vec![1, 2, 3], "list", None, 2).unwrap();
        let next = next.unwrap();
        assert!(cut(vec![1, 2, 3], "list", Some(&next), 2).is_ok());
        assert_eq!(cut(vec![1, 2, 3], "other", Some(&next), 2), Err(NotAToken));
        for token in ["", "1", "AAAA", "not base64!"] {
            assert_eq!(cut(vec![1, 2, 3], "list", Some(token), 2), Err(NotAToken), "{token}");
        }
    }
}
