//! Signs the upgrade of a data channel's websocket (SigV4, service `ssmmessages`).

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::{HeaderName, HeaderValue};
use url::Url;

use crate::region::Region;

/// A URL that carries one of these is signed already.
const PRESIGNED: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
];

/// The upgrade cannot be signed.
#[derive(Debug, thiserror::Error)]
#[error("the websocket's upgrade cannot be signed: {0}")]
pub(crate) struct CannotSign(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Says whether a URL carries its own signature.
pub(crate) fn is_presigned(url: &Url) -> bool {
    url.query_pairs().any(|(key, _)| PRESIGNED.iter().any(|name| key.eq_ignore_ascii_case(name)))
}

/// Makes the headers that sign a `GET` of `url` at the moment `now`. The websocket's own headers
/// are not signed: proxies may touch them.
///
/// # Errors
///
/// [`CannotSign`] when the URL cannot be signed, for example because it has no host.
pub(crate) fn upgrade_headers(
    credentials: &Credentials,
    region: &Region,
    url: &Url,
    now: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, CannotSign> {
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region.as_str())
        .name("ssmmessages")
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| CannotSign(error.into()))?
        .into();
    let host = host(url);
    let headers = [("host", host.as_str())];
    let signed =
        SignableRequest::new("GET", url.as_str(), headers.into_iter(), SignableBody::empty())
            .and_then(|request| sign(request, &params))
            .map_err(|error| CannotSign(error.into()))?;
    let (instructions, _signature) = signed.into_parts();
    let headers = instructions.headers().filter_map(|(name, value)| {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
    });
    Ok(headers.collect())
}

/// The `Host` header a websocket client sends: the port only where it is not the scheme's own.
fn host(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// 20240102T030405Z.
    const MOMENT: Duration = Duration::from_secs(1_704_164_645);
    const URL: &str = "wss://ssmmessages.us-east-1.amazonaws.com/v1/data-channel/\
                       alice-0123456789abcdef0?role=publish_subscribe";

    fn signed(token: Option<&str>) -> Vec<(String, String)> {
        let credentials = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            token.map(str::to_owned),
            None,
            "test",
        );
        let url = Url::parse(URL).expect("a URL");
        let region = Region::new("us-east-1");
        let headers = upgrade_headers(&credentials, &region, &url, UNIX_EPOCH + MOMENT);
        headers
            .expect("signed")
            .into_iter()
            .map(|(name, value)| (name.to_string(), value.to_str().expect("plain text").to_owned()))
            .collect()
    }

    fn value<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
        headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str())
    }

    #[test]
    fn long_lived_keys_sign_host_and_date() {
        let headers = signed(None);
        assert_eq!(value(&headers, "x-amz-date"), "20240102T030405Z");
        assert_eq!(
            value(&headers, "authorization"),
            "AWS4-HMAC-SHA256 \
             Credential=AKIDEXAMPLE/20240102/us-east-1/ssmmessages/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=89da7b9fde1127714eb544577913d10dde1ca00697c8aae04a17cba89221d64b"
        );
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn temporary_keys_sign_their_token_too() {
        let headers = signed(Some("EXAMPLETOKEN"));
        assert_eq!(value(&headers, "x-amz-security-token"), "EXAMPLETOKEN");
        assert!(value(&headers, "authorization").ends_with(
            "SignedHeaders=host;x-amz-date;x-amz-security-token, \
             Signature=cfa11ada8ae5080c2bc5187fb81f579736a8b5af5ff4e7e53d247b2f31bfd66e"
        ));
    }

    #[test]
    fn a_presigned_url_is_known() {
        let plain = Url::parse(URL).expect("a URL");
        assert!(!is_presigned(&plain));
        let signed = Url::parse(&format!("{URL}&X-Amz-Signature=00")).expect("a URL");
        assert!(is_presigned(&signed));
    }

    #[test]
    fn the_host_has_a_port_only_where_it_matters() {
        for (url, expected) in [
            ("ws://127.0.0.1:4566/x", "127.0.0.1:4566"),
            ("wss://a.example:443/x", "a.example"),
            ("ws://[::1]:80/x", "[::1]"),
        ] {
            assert_eq!(host(&Url::parse(url).expect("a URL")), expected);
        }
    }
}
