//! AWS Signature Version 4, header form, checked from the receiving end.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::keyring::{Caller, Keyring};
pub(crate) use canonical::unescape;
use canonical::{canonical_path, canonical_query, canonical_request};

mod canonical;
#[cfg(test)]
pub(crate) mod sign;
#[cfg(test)]
mod tests;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far a request's date may be from ours, as most services have it.
const SKEW: time::Duration = time::Duration::minutes(5);
const AMZ_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// What is wrong with a request's signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error("Missing Authentication Token")]
    Missing,
    /// A part of the signature is absent or cannot be read.
    #[error("{0}")]
    Incomplete(String),
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    #[error("The security token included in the request is expired")]
    TokenExpired,
    /// The scope names another service or no region.
    #[error("{0}")]
    WrongScope(String),
    #[error(
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details."
    )]
    Mismatch,
    #[error("Signature expired: {signed} is now earlier than {limit} ({now} - 5 min.)")]
    Expired { signed: String, limit: String, now: String },
    #[error("Signature not yet current: {signed} is still later than {limit} ({now} + 5 min.)")]
    NotYetCurrent { signed: String, limit: String, now: String },
}

impl SignatureError {
    /// One word for counting.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Incomplete(_) => "incomplete",
            Self::UnknownKey => "unknown_key",
            Self::TokenExpired => "token_expired",
            Self::WrongScope(_) => "wrong_scope",
            Self::Mismatch => "mismatch",
            Self::Expired { .. } => "expired",
            Self::NotYetCurrent { .. } => "not_yet_current",
        }
    }
}

/// Tells whether a request claims to be signed at all. Another scheme in the header, such as the
/// `Bearer` of some clients that do not sign, claims nothing.
pub(crate) fn is_signed(headers: &HeaderMap) -> bool {
    let header = headers.get(http::header::AUTHORIZATION);
    header.is_some_and(|header| header.as_bytes().starts_with(b"AWS4-"))
}

/// Reads the service a request claims to be signed for, before anything is checked.
pub(crate) fn claimed_service(headers: &HeaderMap) -> Option<String> {
    Authorization::parse(headers).ok().map(|authorization| authorization.service)
}

/// Checks that a request was signed for `service` by a credential of `keyring` around `now`.
pub(crate) fn verify(
    parts: &Parts,
    body: &[u8],
    service: &str,
    keyring: &Keyring,
    now: OffsetDateTime,
) -> Result<Caller, SignatureError> {
    let authorization = Authorization::parse(&parts.headers)?;
    let signed_at = signed_at(&parts.headers)?;
    let credential = keyring.find(&authorization.access_key).ok_or(SignatureError::UnknownKey)?;
    check_scope(&authorization, service, &signed_at.text)?;
    check_token(&parts.headers, credential.session_token.as_ref().map(|t| t.expose()))?;
    check_date(&signed_at, now)?;

    let body_digest = body_digest(&parts.headers, body)?;
    let query = canonical_query(parts.uri.query().unwrap_or(""));
    // Clients differ in whether a path that is already escaped is escaped again.
    let paths = [canonical_path(parts.uri.path(), true), canonical_path(parts.uri.path(), false)];
    let genuine = paths.iter().any(|path| {
        let request = canonical_request(
            parts.method.as_str(),
            path,
            &query,
            &parts.headers,
            &authorization.signed_headers,
            &body_digest,
        );
        let key = signing_key(credential.secret.expose(), &authorization);
        let mut mac = keyed(&key);
        mac.update(string_to_sign(&signed_at.text, &authorization.scope(), &request).as_bytes());
        mac.verify_slice(&authorization.signature).is_ok()
    });
    if !genuine {
        return Err(SignatureError::Mismatch);
    }
    // Said only to one who holds the secret: a stranger learns nothing about the key.
    if credential.expires.is_some_and(|at| at <= now) {
        return Err(SignatureError::TokenExpired);
    }
    Ok(Caller { identity: credential.identity.clone(), region: authorization.region })
}

/// The `Authorization` header, taken apart.
struct Authorization {
    access_key: String,
    date: String,
    region: String,
    service: String,
    signed_headers: Vec<String>,
    signature: Vec<u8>,
}

impl Authorization {
    fn parse(headers: &HeaderMap) -> Result<Self, SignatureError> {
        let header = headers.get(http::header::AUTHORIZATION).ok_or(SignatureError::Missing)?;
        let header =
            header.to_str().map_err(|_| incomplete("Authorization header is not text."))?;
        let Some(rest) = header.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with([' ', ',']))
        else {
            return Err(incomplete(format!(
                "Unsupported AWS 'algorithm': '{}'.",
                header.split_whitespace().next().unwrap_or("")
            )));
        };
        let mut found: [Option<&str>; 3] = [None; 3];
        const NAMES: [&str; 3] = ["Credential", "Signature", "SignedHeaders"];
        for part in rest.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or_else(|| {
                incomplete(format!(
                    "'{}' not a valid key=value pair (missing equal-sign) in Authorization header: \
                     '{header}'.",
                    part.trim()
                ))
            })?;
            if let Some(slot) = NAMES.iter().position(|known| *known == name) {
                found[slot] = Some(value.trim()).filter(|value| !value.is_empty());
            }
        }
        let [Some(credential), Some(signature), Some(signed_headers)] = found else {
            let mut message = String::new();
            for (name, value) in NAMES.iter().zip(found) {
                if value.is_none() {
                    let _ = write!(message, "Authorization header requires '{name}' parameter. ");
                }
            }
            let _ = write!(message, "Authorization={header}");
            return Err(incomplete(message));
        };
        let scope: Vec<&str> = credential.split('/').collect();
        let [access_key, date, region, service, "aws4_request"] = scope[..] else {
            return Err(incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term, got '{credential}'"
            )));
        };
        let signed_headers: Vec<String> =
            signed_headers.split(';').map(str::to_ascii_lowercase).collect();
        if !signed_headers.iter().any(|name| name == "host") {
            return Err(incomplete(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
            ));
        }
        Ok(Self {
            access_key: access_key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers,
            // A signature that is no hexadecimal text is simply a wrong one.
            signature: decode_hex(signature).unwrap_or_default(),
        })
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

struct SignedAt {
    text: String,
    at: OffsetDateTime,
}

fn signed_at(headers: &HeaderMap) -> Result<SignedAt, SignatureError> {
    let header =
        headers.get("x-amz-date").or_else(|| headers.get(http::header::DATE)).ok_or_else(|| {
            incomplete(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' \
                 header.",
            )
        })?;
    let text = header.to_str().unwrap_or("");
    let at = time::PrimitiveDateTime::parse(text, AMZ_DATE).map_err(|_| {
        incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{text}'. See \
             http://en.wikipedia.org/wiki/ISO_8601"
        ))
    })?;
    Ok(SignedAt { text: text.to_owned(), at: at.assume_utc() })
}

fn check_scope(
    authorization: &Authorization,
    service: &str,
    signed_at: &str,
) -> Result<(), SignatureError> {
    if authorization.service != service {
        return Err(SignatureError::WrongScope(format!(
            "Credential should be scoped to correct service: '{service}'. "
        )));
    }
    if !crate::region::is_known(&authorization.region) {
        return Err(SignatureError::WrongScope(
            "Credential should be scoped to a valid region. ".to_owned(),
        ));
    }
    if !signed_at.starts_with(&authorization.date) {
        return Err(SignatureError::WrongScope(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '{}' != '{}', from '{signed_at}'.",
            authorization.date,
            signed_at.get(..8).unwrap_or(signed_at),
        )));
    }
    Ok(())
}

fn check_token(headers: &HeaderMap, expected: Option<&str>) -> Result<(), SignatureError> {
    let given = headers.get("x-amz-security-token").map(|value| value.as_bytes());
    if given == expected.map(str::as_bytes) { Ok(()) } else { Err(SignatureError::UnknownKey) }
}

fn check_date(signed: &SignedAt, now: OffsetDateTime) -> Result<(), SignatureError> {
    let words = |limit: OffsetDateTime| (signed.text.clone(), amz_date(limit), amz_date(now));
    if signed.at < now - SKEW {
        let (signed, limit, now) = words(now - SKEW);
        return Err(SignatureError::Expired { signed, limit, now });
    }
    if signed.at > now + SKEW {
        let (signed, limit, now) = words(now + SKEW);
        return Err(SignatureError::NotYetCurrent { signed, limit, now });
    }
    Ok(())
}

/// The digest the signature covers; a declared one has to be that of the body.
fn body_digest(headers: &HeaderMap, body: &[u8]) -> Result<String, SignatureError> {
    let digest = encode_hex(&Sha256::digest(body));
    match headers.get("x-amz-content-sha256") {
        Some(declared) if declared.as_bytes() != digest.as_bytes() => Err(SignatureError::Mismatch),
        _ => Ok(digest),
    }
}

/// Renders a point in time as `X-Amz-Date` does.
pub(crate) fn amz_date(at: OffsetDateTime) -> String {
    at.format(AMZ_DATE).expect("a UTC date formats")
}

fn string_to_sign(date: &str, scope: &str, canonical_request: &str) -> String {
    let digest = encode_hex(&Sha256::digest(canonical_request.as_bytes()));
    format!("{ALGORITHM}\n{date}\n{scope}\n{digest}")
}

fn signing_key(secret: &str, authorization: &Authorization) -> Vec<u8> {
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [&authorization.date, &authorization.region, &authorization.service] {
        key = sign_part(&key, part);
    }
    sign_part(&key, "aws4_request")
}

fn sign_part(key: &[u8], part: &str) -> Vec<u8> {
    let mut mac = keyed(key);
    mac.update(part.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("an HMAC key may have any length")
}

fn incomplete(message: impl Into<String>) -> SignatureError {
    SignatureError::Incomplete(message.into())
}

fn encode_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}
