//! Signatures checked against worked examples that come from elsewhere, and against our signer.

use std::sync::Arc;

use http::Request;
use http::request::Parts;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::sign::Signer;
use super::{SignatureError, verify};
use crate::keyring::{Credential, Identity, Keyring, Secret};
use crate::scenario::Policy;

/// AWS's own example key.
const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

#[test]
fn the_worked_upgrade_example_is_genuine() {
    let now = datetime!(2024-01-02 03:04:30 UTC);
    let parts = upgrade(
        "host;x-amz-date",
        "89da7b9fde1127714eb544577913d10dde1ca00697c8aae04a17cba89221d64b",
        None,
    );
    let caller = verify(&parts, b"", "ssmmessages", &keyring(None, None), now).unwrap();
    assert_eq!((caller.region.as_str(), caller.identity.account.as_str()), ("us-east-1", "1"));

    let parts = upgrade(
        "host;x-amz-date;x-amz-security-token",
        "cfa11ada8ae5080c2bc5187fb81f579736a8b5af5ff4e7e53d247b2f31bfd66e",
        Some("EXAMPLETOKEN"),
    );
    let keyring = keyring(Some("EXAMPLETOKEN"), None);
    assert!(verify(&parts, b"", "ssmmessages", &keyring, now).is_ok());
}

#[test]
fn anything_changed_after_signing_is_noticed() {
    let now = datetime!(2024-01-02 03:04:30 UTC);
    let keyring = keyring(None, None);
    let genuine = || {
        upgrade(
            "host;x-amz-date",
            "89da7b9fde1127714eb544577913d10dde1ca00697c8aae04a17cba89221d64b",
            None,
        )
    };
    let check = |parts: &Parts, body: &[u8]| {
        verify(parts, body, "ssmmessages", &keyring, now).map(|_| ()).unwrap_err()
    };
    assert_eq!(check(&genuine(), b"body"), SignatureError::Mismatch);
    let mut parts = genuine();
    parts.uri = "/v1/data-channel/other?role=publish_subscribe".parse().unwrap();
    assert_eq!(check(&parts, b""), SignatureError::Mismatch);
    let mut parts = genuine();
    parts.headers.insert("host", "elsewhere".parse().unwrap());
    assert_eq!(check(&parts, b""), SignatureError::Mismatch);
    let mut parts = genuine();
    parts.headers.insert("x-amz-date", "20240102T030406Z".parse().unwrap());
    assert_eq!(check(&parts, b""), SignatureError::Mismatch);
    let mut parts = genuine();
    parts.headers.insert("x-amz-content-sha256", "0".repeat(64).parse().unwrap());
    assert_eq!(check(&parts, b""), SignatureError::Mismatch);
}

#[test]
fn keys_tokens_and_scopes_are_checked() {
    let now = datetime!(2024-01-02 03:04:05 UTC);
    let check = |signer: Signer, keyring: &Keyring| {
        let parts = signed(&signer, b"{}");
        verify(&parts, b"{}", "ssm", keyring, now).map(|_| ())
    };
    let plain = keyring(None, None);
    let temporary = keyring(Some("token"), None);
    assert_eq!(check(signer(now), &plain), Ok(()));
    assert_eq!(check(Signer { token: Some("token".into()), ..signer(now) }, &temporary), Ok(()));

    let unknown = Signer { access_key: "AKIDNOBODY".into(), ..signer(now) };
    assert_eq!(check(unknown, &plain), Err(SignatureError::UnknownKey));
    let wrong = Signer { secret: "wrong".into(), ..signer(now) };
    assert_eq!(check(wrong, &plain), Err(SignatureError::Mismatch));
    assert_eq!(check(signer(now), &temporary), Err(SignatureError::UnknownKey));
    let other = Signer { token: Some("other".into()), ..signer(now) };
    assert_eq!(check(other, &temporary), Err(SignatureError::UnknownKey));
    let service = Signer { service: "ec2".into(), ..signer(now) };
    assert!(matches!(check(service, &plain), Err(SignatureError::WrongScope(_))));
    let region = Signer { region: "mars-north-1".into(), ..signer(now) };
    assert!(matches!(check(region, &plain), Err(SignatureError::WrongScope(_))));
}

#[test]
fn time_is_checked_on_both_sides_and_expiry_only_for_the_holder() {
    let now = datetime!(2024-01-02 03:04:05 UTC);
    let check = |signer: &Signer, keyring: &Keyring| {
        verify(&signed(signer, b""), b"", "ssm", keyring, now).map(|_| ())
    };
    let plain = keyring(None, None);
    for minutes in [-4, 4] {
        assert_eq!(check(&signer(now + Duration::minutes(minutes)), &plain), Ok(()));
    }
    let early = check(&signer(now - Duration::minutes(6)), &plain).unwrap_err();
    assert_eq!(
        early.to_string(),
        "Signature expired: 20240102T025805Z is now earlier than 20240102T025905Z \
         (20240102T030405Z - 5 min.)"
    );
    let late = check(&signer(now + Duration::minutes(6)), &plain).unwrap_err();
    assert!(matches!(late, SignatureError::NotYetCurrent { .. }));

    let ended = keyring(None, Some(now));
    assert_eq!(check(&signer(now), &ended), Err(SignatureError::TokenExpired));
    let wrong = Signer { secret: "wrong".into(), ..signer(now) };
    assert_eq!(check(&wrong, &ended), Err(SignatureError::Mismatch));
    let running = keyring(None, Some(now + Duration::SECOND));
    assert_eq!(check(&signer(now), &running), Ok(()));
}

#[test]
fn what_cannot_be_read_is_incomplete_and_nothing_panics() {
    let now = datetime!(2024-01-02 03:04:05 UTC);
    let keyring = keyring(None, None);
    let good = signed(&signer(now), b"");
    let header = good.headers["authorization"].to_str().unwrap().to_owned();
    let check = |authorization: &str| {
        let mut parts = signed(&signer(now), b"");
        parts.headers.insert("authorization", authorization.parse().unwrap());
        verify(&parts, b"", "ssm", &keyring, now).map(|_| ()).unwrap_err()
    };
    for broken in [
        "",
        "Basic abc",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a",
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential, SignedHeaders=host, Signature=00",
        &header.replace("host;", ""),
    ] {
        let error = check(broken);
        assert!(matches!(error, SignatureError::Incomplete(_)), "{broken}: {error:?}");
    }
    for cut in 0..header.len() {
        check(&header[..cut]);
    }
    assert_eq!(check(&format!("{header}zz")), SignatureError::Mismatch);
    let mut parts = signed(&signer(now), b"");
    parts.headers.insert("x-amz-date", "yesterday".parse().unwrap());
    let error = verify(&parts, b"", "ssm", &keyring, now).map(|_| ()).unwrap_err();
    assert!(matches!(error, SignatureError::Incomplete(_)));
    parts.headers.remove("authorization");
    let error = verify(&parts, b"", "ssm", &keyring, now).map(|_| ()).unwrap_err();
    assert_eq!(error, SignatureError::Missing);
}

fn upgrade(headers: &str, signature: &str, token: Option<&str>) -> Parts {
    let mut request = Request::get(
        "/v1/data-channel/alice-0123456789abcdef0?role=publish_subscribe",
    )
    .header("host", "ssmmessages.us-east-1.amazonaws.com")
    .header("x-amz-date", "20240102T030405Z")
    .header("upgrade", "websocket")
    .header(
        "authorization",
        format!(
            "AWS4-HMAC-SHA256 Credential={KEY}/20240102/us-east-1/ssmmessages/aws4_request, \
             SignedHeaders={headers}, Signature={signature}"
        ),
    );
    if let Some(token) = token {
        request = request.header("x-amz-security-token", token);
    }
    request.body(()).unwrap().into_parts().0
}

fn signer(at: OffsetDateTime) -> Signer {
    Signer {
        access_key: KEY.into(),
        secret: SECRET.into(),
        token: None,
        region: "us-east-1".into(),
        service: "ssm".into(),
        at,
    }
}

fn signed(signer: &Signer, body: &[u8]) -> Parts {
    let mut request = Request::post("/").header("host", "127.0.0.1");
    for (name, value) in signer.sign("POST", "/", "", &[("host", "127.0.0.1")], body) {
        request = request.header(name, value);
    }
    request.body(()).unwrap().into_parts().0
}

fn keyring(token: Option<&str>, expires: Option<OffsetDateTime>) -> Keyring {
    let keyring = Keyring::default();
    keyring.add(Credential {
        access_key: KEY.into(),
        secret: Secret::new(SECRET),
        session_token: token.map(Secret::new),
        expires,
        identity: Identity {
            account: "1".into(),
            arn: "arn:aws:iam::1:user/alice".into(),
            user_id: "AIDA".into(),
            policy: Arc::new(Policy::full()),
        },
    });
    keyring
}
