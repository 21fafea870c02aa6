//! The one form of a request that both ends sign.

use std::fmt::Write as _;

use http::HeaderMap;

/// Joins the parts of the canonical request.
pub(super) fn canonical_request(
    method: &str,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    signed_headers: &[String],
    body_digest: &str,
) -> String {
    let mut request = format!("{method}\n{path}\n{query}\n");
    for name in signed_headers {
        let values: Vec<String> = headers
            .get_all(name.as_str())
            .iter()
            .map(|value| {
                let text = String::from_utf8_lossy(value.as_bytes());
                text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
            })
            .collect();
        let _ = writeln!(request, "{name}:{}", values.join(","));
    }
    let _ = write!(request, "\n{}\n{body_digest}", signed_headers.join(";"));
    request
}

/// Escapes a path; `again` escapes one that is escaped already, as the rules for most services say.
pub(super) fn canonical_path(path: &str, again: bool) -> String {
    if path.is_empty() {
        return "/".to_owned();
    }
    let segments: Vec<String> = path
        .split('/')
        .map(|segment| if again { escape(segment.as_bytes()) } else { escape(&unescape(segment)) })
        .collect();
    segments.join("/")
}

/// Sorts and escapes a query.
pub(super) fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (escape(&unescape(name)), escape(&unescape(value)))
        })
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(*byte));
            }
            other => {
                let _ = write!(text, "%{other:02X}");
            }
        }
    }
    text
}

/// Undoes percent escapes; a stray `%` stands for itself.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| tail.split_at_checked(2)).flatten().and_then(
            |(digits, after)| {
                let digits = std::str::from_utf8(digits).ok()?;
                Some((u8::from_str_radix(digits, 16).ok()?, after))
            },
        );
        match escaped {
            Some((byte, after)) => {
                bytes.push(byte);
                rest = after;
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_sorted_and_escaped_once() {
        assert_eq!(canonical_query("b=2&a=x%20y&a=1&c"), "a=1&a=x%20y&b=2&c=");
        assert_eq!(canonical_query("role=publish_subscribe"), "role=publish_subscribe");
    }

    #[test]
    fn paths_are_escaped_once_or_twice() {
        assert_eq!(canonical_path("", true), "/");
        assert_eq!(canonical_path("/a%20b/c", true), "/a%2520b/c");
        assert_eq!(canonical_path("/a%20b/c", false), "/a%20b/c");
        assert_eq!(canonical_path("/a@b", false), "/a%40b");
    }

    #[test]
    fn stray_percent_signs_stay() {
        assert_eq!(unescape("100%"), b"100%");
        assert_eq!(unescape("%zz%41"), b"%zzA");
    }
}
