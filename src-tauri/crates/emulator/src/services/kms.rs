//! The key service: data keys bound to an encryption context.
//!
//! A ciphertext blob carries everything [`Kms::decrypt`] needs except the secret of the emulator
//! it came from and the context it was made for, so nothing is remembered between calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

mod api;

pub(crate) use api::{OPERATIONS, answer};

use crate::random;

/// What an encryption context is: names and values that must be repeated to decrypt.
pub type EncryptionContext = BTreeMap<String, String>;

/// Leading bytes of every blob, so that foreign ciphertext is recognised.
const MAGIC: &[u8; 8] = b"ADITKMS1";
const NONCE_LEN: usize = 32;
const TAG_LEN: usize = 32;
/// GenerateDataKey's own bound on `NumberOfBytes`.
pub(crate) const DATA_KEY_LIMIT: usize = 1024;

/// One customer key of one account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsKey {
    /// Account the key belongs to.
    pub account: String,
    /// Region the key lives in.
    pub region: String,
    /// Key id, a UUID in text.
    pub id: String,
    /// Alias without the `alias/` in front, when it has one.
    pub alias: Option<String>,
    /// Whether the key may be used.
    pub enabled: bool,
}

impl KmsKey {
    /// Returns the key's ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:aws:kms:{}:{}:key/{}", self.region, self.account, self.id)
    }

    fn alias_arn(&self) -> Option<String> {
        let alias = self.alias.as_ref()?;
        Some(format!("arn:aws:kms:{}:{}:alias/{alias}", self.region, self.account))
    }
}

/// A data key as GenerateDataKey returns it.
#[derive(Clone)]
pub struct GeneratedKey {
    /// ARN of the key that sealed the blob.
    pub key_arn: String,
    /// The key in clear.
    pub plaintext: Vec<u8>,
    /// The key as only [`Kms::decrypt`] can read it.
    pub blob: Vec<u8>,
}

impl std::fmt::Debug for GeneratedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GeneratedKey").field("key_arn", &self.key_arn).finish_non_exhaustive()
    }
}

/// A blob opened again.
#[derive(Clone)]
pub struct DecryptedKey {
    /// ARN of the key the blob was sealed with.
    pub key_arn: String,
    /// The key in clear.
    pub plaintext: Vec<u8>,
}

impl std::fmt::Debug for DecryptedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecryptedKey").field("key_arn", &self.key_arn).finish_non_exhaustive()
    }
}

/// Why the key service refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KmsError {
    /// `NotFoundException`: no such key or alias.
    #[error("{message}")]
    NotFound {
        /// The service's words.
        message: String,
    },
    /// `DisabledException`: the key exists and is switched off.
    #[error("{key_arn} is disabled.")]
    Disabled {
        /// The key's ARN.
        key_arn: String,
    },
    /// `InvalidCiphertextException`: not a blob of ours, or another context.
    #[error("the ciphertext or its encryption context is not valid")]
    InvalidCiphertext,
    /// `IncorrectKeyException`: the blob is valid, and sealed with another key than the named one.
    #[error("The key ID in the request does not identify a CMK that can perform this operation.")]
    IncorrectKey,
}

/// The key service of every account of a scenario.
#[derive(Clone)]
pub struct Kms {
    keys: Arc<Vec<KmsKey>>,
    secret: Arc<[u8; 32]>,
}

impl std::fmt::Debug for Kms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kms").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Kms {
    /// Creates a key service that holds `keys`; blobs of another instance do not open here.
    #[must_use]
    pub fn new(keys: Vec<KmsKey>) -> Self {
        Self { keys: Arc::new(keys), secret: Arc::new(random::bytes()) }
    }

    /// Makes a data key of `length` bytes under `key`, which is an ARN, a key id, an alias or an alias ARN.
    /// Ids and aliases without an ARN are looked for in every account.
    ///
    /// # Errors
    /// [`KmsError::NotFound`] and [`KmsError::Disabled`].
    pub fn generate_data_key(
        &self,
        key: &str,
        context: &EncryptionContext,
        length: usize,
    ) -> Result<GeneratedKey, KmsError> {
        let key = self.usable(self.find(key, None))?;
        Ok(self.generate(key, context, length))
    }

    /// Opens a blob made by [`Kms::generate_data_key`] for the same context.
    ///
    /// # Errors
    /// [`KmsError::InvalidCiphertext`] when blob or context differ, [`KmsError::Disabled`] when the
    /// key has been switched off.
    pub fn decrypt(
        &self,
        blob: &[u8],
        context: &EncryptionContext,
    ) -> Result<DecryptedKey, KmsError> {
        let blob = Blob::parse(blob).ok_or(KmsError::InvalidCiphertext)?;
        let key_arn =
            std::str::from_utf8(blob.key_arn).map_err(|_| KmsError::InvalidCiphertext)?.to_owned();
        self.mac(b"tag", &key_arn, context, blob.nonce, blob.length)
            .verify_slice(blob.tag)
            .map_err(|_| KmsError::InvalidCiphertext)?;
        self.usable(self.find(&key_arn, None))?;
        let plaintext = self.derive(&key_arn, context, blob.nonce, blob.length);
        Ok(DecryptedKey { key_arn, plaintext })
    }

    /// Finds a key as a caller of `place` (account, region) may name it.
    pub(crate) fn find(&self, key: &str, place: Option<(&str, &str)>) -> Result<&KmsKey, KmsError> {
        let here = |candidate: &&KmsKey| {
            place.is_none_or(|(account, region)| {
                candidate.account == account && candidate.region == region
            })
        };
        let found = if key.starts_with("arn:") {
            self.keys
                .iter()
                .filter(|k| place.is_none_or(|(_, region)| k.region == region))
                .find(|k| k.arn() == key || k.alias_arn().as_deref() == Some(key))
        } else if let Some(alias) = key.strip_prefix("alias/") {
            self.keys.iter().filter(here).find(|k| k.alias.as_deref() == Some(alias))
        } else {
            self.keys.iter().filter(here).find(|k| k.id == key)
        };
        found.ok_or_else(|| KmsError::NotFound { message: not_found(key, place) })
    }

    pub(crate) fn usable<'a>(
        &self,
        key: Result<&'a KmsKey, KmsError>,
    ) -> Result<&'a KmsKey, KmsError> {
        let key = key?;
        if key.enabled { Ok(key) } else { Err(KmsError::Disabled { key_arn: key.arn() }) }
    }

    pub(crate) fn generate(
        &self,
        key: &KmsKey,
        context: &EncryptionContext,
        length: usize,
    ) -> GeneratedKey {
        let length = u16::try_from(length.min(DATA_KEY_LIMIT)).expect("the limit fits 16 bits");
        let key_arn = key.arn();
        let nonce = random::bytes::<NONCE_LEN>();
        let tag = self.mac(b"tag", &key_arn, context, &nonce, length).finalize().into_bytes();
        let blob = Blob { nonce: &nonce, tag: &tag, length, key_arn: key_arn.as_bytes() }.emit();
        let plaintext = self.derive(&key_arn, context, &nonce, length);
        GeneratedKey { key_arn, plaintext, blob }
    }

    fn derive(
        &self,
        key_arn: &str,
        context: &EncryptionContext,
        nonce: &[u8],
        length: u16,
    ) -> Vec<u8> {
        let length = usize::from(length);
        let mut plaintext = Vec::with_capacity(length + 32);
        let mut block = 0u32;
        while plaintext.len() < length {
            let mut mac = self.mac(b"key", key_arn, context, nonce, 0);
            mac.update(&block.to_be_bytes());
            plaintext.extend_from_slice(&mac.finalize().into_bytes());
            block += 1;
        }
        plaintext.truncate(length);
        plaintext
    }

    fn mac(
        &self,
        purpose: &[u8; 3],
        key_arn: &str,
        context: &EncryptionContext,
        nonce: &[u8],
        length: u16,
    ) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_slice())
            .expect("an HMAC key may have any length");
        mac.update(purpose);
        mac.update(nonce);
        mac.update(&length.to_be_bytes());
        let mut field = |bytes: &[u8]| {
            mac.update(&(bytes.len() as u64).to_be_bytes());
            mac.update(bytes);
        };
        field(key_arn.as_bytes());
        for (name, value) in context {
            field(name.as_bytes());
            field(value.as_bytes());
        }
        mac
    }
}

impl KmsError {
    /// The error's name on the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "NotFoundException",
            Self::Disabled { .. } => "DisabledException",
            Self::InvalidCiphertext => "InvalidCiphertextException",
            Self::IncorrectKey => "IncorrectKeyException",
        }
    }
}

fn not_found(key: &str, place: Option<(&str, &str)>) -> String {
    let (account, region) = place.unwrap_or(("000000000000", "us-east-1"));
    if key.starts_with("arn:") {
        return if key.contains(":alias/") {
            format!("Alias {key} is not found.")
        } else {
            format!("Key '{key}' does not exist")
        };
    }
    if let Some(alias) = key.strip_prefix("alias/") {
        return format!("Alias arn:aws:kms:{region}:{account}:alias/{alias} is not found.");
    }
    if uuid::Uuid::try_parse(key).is_ok() {
        return format!("Key 'arn:aws:kms:{region}:{account}:key/{key}' does not exist");
    }
    format!("Invalid keyId '{key}'")
}

struct Blob<'a> {
    nonce: &'a [u8],
    tag: &'a [u8],
    length: u16,
    key_arn: &'a [u8],
}

impl<'a> Blob<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (nonce, rest) = rest.split_at_checked(NONCE_LEN)?;
        let (tag, rest) = rest.split_at_checked(TAG_LEN)?;
        let (length, key_arn) = rest.split_first_chunk::<2>()?;
        Some(Self { nonce, tag, length: u16::from_be_bytes(*length), key_arn })
    }

    fn emit(&self) -> Vec<u8> {
        [&MAGIC[..], self.nonce, self.tag, &self.length.to_be_bytes(), self.key_arn].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_key_opens_only_with_its_context() {
        let kms = Kms::new(vec![key("a")]);
        let context = context(&[("aws:ssm:SessionId", "s-1"), ("aws:ssm:TargetId", "i-1")]);
        let made = kms.generate_data_key("alias/a", &context, 64).unwrap();
        assert_eq!(made.plaintext.len(), 64);
        let opened = kms.decrypt(&made.blob, &context).unwrap();
        assert_eq!(opened.plaintext, made.plaintext);
        assert_eq!(opened.key_arn, key("a").arn());

        let mut other = context;
        other.insert("aws:ssm:TargetId".into(), "i-2".into());
        assert_eq!(kms.decrypt(&made.blob, &other).unwrap_err(), KmsError::InvalidCiphertext);
        assert_eq!(
            kms.decrypt(&made.blob, &EncryptionContext::new()).unwrap_err(),
            KmsError::InvalidCiphertext
        );
    }

    #[test]
    fn any_changed_byte_is_refused() {
        let kms = Kms::new(vec![key("a")]);
        let made = kms.generate_data_key("alias/a", &EncryptionContext::new(), 64).unwrap();
        for at in 0..made.blob.len() {
            let mut blob = made.blob.clone();
            blob[at] ^= 1;
            assert!(kms.decrypt(&blob, &EncryptionContext::new()).is_err(), "byte {at}");
        }
        assert!(kms.decrypt(&made.blob[..20], &EncryptionContext::new()).is_err());
    }

    #[test]
    fn two_keys_never_repeat_and_lengths_are_kept() {
        let kms = Kms::new(vec![key("a")]);
        let none = EncryptionContext::new();
        let one = kms.generate_data_key("alias/a", &none, 33).unwrap();
        let two = kms.generate_data_key("alias/a", &none, 33).unwrap();
        assert_eq!(one.plaintext.len(), 33);
        assert_ne!(one.plaintext, two.plaintext);
        assert_ne!(one.blob, two.blob);
    }

    #[test]
    fn unknown_and_disabled_keys_are_told_apart() {
        let mut off = key("off");
        off.enabled = false;
        let kms = Kms::new(vec![key("a"), off.clone()]);
        let none = EncryptionContext::new();
        assert!(matches!(
            kms.generate_data_key("alias/b", &none, 64),
            Err(KmsError::NotFound { message }) if message.starts_with("Alias arn:aws:kms:")
        ));
        assert_eq!(
            kms.generate_data_key(&off.arn(), &none, 64).unwrap_err(),
            KmsError::Disabled { key_arn: off.arn() }
        );
    }

    fn key(alias: &str) -> KmsKey {
        KmsKey {
            account: "111122223333".into(),
            region: "eu-central-1".into(),
            id: format!("00000000-0000-4000-8000-{alias:0>12}"),
            alias: Some(alias.into()),
            enabled: true,
        }
    }

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }
}
