//! A signer for tests: it puts requests together on its own and shares only the key derivation's
//! primitives with the checking side.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::amz_date;

/// Whose key signs, for what.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) access_key: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) at: OffsetDateTime,
}

impl Signer {
    /// The headers that sign a request, beside those in `headers` (lower case, sorted).
    pub(crate) fn sign(
        &self,
        method: &str,
        path: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Vec<(String, String)> {
        let date = amz_date(self.at);
        let mut signed: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        signed.push(("x-amz-date".into(), date.clone()));
        if let Some(token) = &self.token {
            signed.push(("x-amz-security-token".into(), token.clone()));
        }
        signed.sort();
        let names: Vec<&str> = signed.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let lines: String =
            signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let request =
            format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{}", hex(&Sha256::digest(body)));
        let scope = format!("{}/{}/{}/aws4_request", &date[..8], self.region, self.service);
        let text = format!(
            "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
            hex(&Sha256::digest(request.as_bytes()))
        );
        let key = [&date[..8], &self.region, &self.service, "aws4_request"]
            .into_iter()
            .fold(format!("AWS4{}", self.secret).into_bytes(), |key, part| mac(&key, part));
        let signature = hex(&mac(&key, &text));
        let mut added: Vec<(String, String)> =
            signed.into_iter().filter(|(name, _)| name.starts_with("x-amz-")).collect();
        added.retain(|(name, _)| !headers.iter().any(|(given, _)| given == name));
        added.push((
            "authorization".into(),
            format!(
                "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, \
                 Signature={signature}",
                self.access_key
            ),
        ));
        added
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
