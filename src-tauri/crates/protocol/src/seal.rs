//! AES-256-GCM on payloads of a session encrypted with a KMS data key.
//!
//! A sealed payload is `nonce (12) ‖ ciphertext ‖ tag (16)` without additional data. Of the
//! 64-byte data key the first half seals what the agent sends, the second what the client sends.

use std::fmt;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use bytes::{Bytes, BytesMut};
use zeroize::{Zeroize, ZeroizeOnDrop};

const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
const HALF_KEY_LEN: usize = 32;

/// Bytes a sealed payload is longer than the plain one.
pub const SEAL_OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// Length of a data key.
pub const DATA_KEY_LEN: usize = 2 * HALF_KEY_LEN;

/// The plaintext data key of one session. Prints nothing and wipes itself.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DataKey {
    agent_to_client: [u8; HALF_KEY_LEN],
    client_to_agent: [u8; HALF_KEY_LEN],
}

/// A data key was not [`DATA_KEY_LEN`] bytes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a data key has {DATA_KEY_LEN} bytes, this one {len}")]
pub struct DataKeyLength {
    /// The length given.
    pub len: usize,
}

impl DataKey {
    /// Takes the plaintext of a KMS data key.
    ///
    /// # Errors
    /// [`DataKeyLength`] unless it has exactly [`DATA_KEY_LEN`] bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DataKeyLength> {
        let wrong = DataKeyLength { len: bytes.len() };
        let (agent, client) = bytes.split_first_chunk().ok_or(wrong)?;
        let client = client.try_into().map_err(|_| wrong)?;
        Ok(Self { agent_to_client: *agent, client_to_agent: client })
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

/// Both directions of one end of an encrypted session.
///
/// The key schedules live as long as the session; they wipe themselves on drop.
pub struct Seal {
    sealing: Aes256Gcm,
    opening: Aes256Gcm,
    next_nonce: [u8; NONCE_LEN],
}

/// Why a sealed payload cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Shorter than a nonce and a tag.
    #[error("a sealed payload of {len} bytes has no room for nonce and tag")]
    TooShort {
        /// Length of the payload.
        len: usize,
    },
    /// The tag does not match: another key, or changed on the way.
    #[error("a sealed payload does not open with the session's data key")]
    Forged,
}

impl Seal {
    /// The client's end. `nonce_seed` must be random: it is the first nonce, later ones count on.
    pub fn client(key: &DataKey, nonce_seed: [u8; NONCE_LEN]) -> Self {
        Self::new(&key.client_to_agent, &key.agent_to_client, nonce_seed)
    }

    /// The agent's end. `nonce_seed` must be random: it is the first nonce, later ones count on.
    pub fn agent(key: &DataKey, nonce_seed: [u8; NONCE_LEN]) -> Self {
        Self::new(&key.agent_to_client, &key.client_to_agent, nonce_seed)
    }

    fn new(
        sealing: &[u8; HALF_KEY_LEN],
        opening: &[u8; HALF_KEY_LEN],
        nonce_seed: [u8; NONCE_LEN],
    ) -> Self {
        Self {
            sealing: Aes256Gcm::new(sealing.into()),
            opening: Aes256Gcm::new(opening.into()),
            next_nonce: nonce_seed,
        }
    }

    /// Seals one payload.
    pub fn seal(&mut self, plain: &[u8]) -> Bytes {
        let mut sealed = BytesMut::with_capacity(plain.len() + SEAL_OVERHEAD);
        self.seal_into(&mut sealed, |buffer| buffer.extend_from_slice(plain));
        sealed.freeze()
    }

    /// Seals, in place, whatever `write_plain` appends to `out`.
    pub(crate) fn seal_into(
        &mut self,
        out: &mut BytesMut,
        write_plain: impl FnOnce(&mut BytesMut),
    ) {
        let nonce = self.take_nonce();
        out.extend_from_slice(&nonce);
        let plain_start = out.len();
        write_plain(out);
        let (_, plain) = out.split_at_mut(plain_start);
        let tag = self
            .sealing
            .encrypt_inout_detached(&nonce.into(), &[], InOutBuf::from(plain))
            .expect("payloads are far below AES-GCM's limit of 64 GiB");
        out.extend_from_slice(&tag);
    }

    /// Opens one payload.
    ///
    /// # Errors
    /// [`OpenError::TooShort`] or [`OpenError::Forged`].
    pub fn open(&self, sealed: &[u8]) -> Result<Bytes, OpenError> {
        let too_short = OpenError::TooShort { len: sealed.len() };
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(too_short)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(too_short)?;
        let mut plain = BytesMut::from(ciphertext);
        self.opening
            .decrypt_inout_detached(nonce.into(), &[], InOutBuf::from(&mut plain[..]), tag.into())
            .map_err(|_| OpenError::Forged)?;
        Ok(plain.freeze())
    }

    /// Counts the whole nonce as one little-endian number, so none repeats under one key.
    fn take_nonce(&mut self) -> [u8; NONCE_LEN] {
        let nonce = self.next_nonce;
        for byte in &mut self.next_nonce {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        nonce
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::unhex;

    fn key() -> DataKey {
        let bytes: Vec<u8> = (0..64).collect();
        DataKey::from_bytes(&bytes).unwrap()
    }

    fn nonce(first: u8) -> [u8; NONCE_LEN] {
        let mut nonce = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        nonce[0] = first;
        nonce
    }

    #[test]
    fn seals_the_known_vectors() {
        assert_eq!(
            Seal::client(&key(), nonce(0)).seal(b"ls\r"),
            unhex("000102030405060708090a0b 302150 796b6ce92de9e02938ee56f3d16b8741")
        );
        assert_eq!(
            Seal::agent(&key(), nonce(0)).seal(b"$ "),
            unhex("000102030405060708090a0b 6322 5dd1694d3a5e9c0d49f6df095a51f0cb")
        );
    }

    #[test]
    fn each_end_opens_what_the_other_sealed() {
        let mut client = Seal::client(&key(), nonce(0));
        let mut agent = Seal::agent(&key(), nonce(9));
        assert_eq!(agent.open(&client.seal(b"up")).unwrap(), &b"up"[..]);
        assert_eq!(client.open(&agent.seal(b"down")).unwrap(), &b"down"[..]);
        assert_eq!(client.open(&client.next_and_seal()), Err(OpenError::Forged));
    }

    impl Seal {
        fn next_and_seal(&self) -> Bytes {
            Self {
                sealing: self.sealing.clone(),
                opening: self.opening.clone(),
                next_nonce: self.next_nonce,
            }
            .seal(b"mine")
        }
    }

    #[test]
    fn nonces_never_repeat_across_a_carry() {
        let mut seal = Seal::client(&key(), nonce(255));
        let first = seal.seal(b"a");
        let second = seal.seal(b"a");
        assert_eq!(&first[..2], &[255, 1]);
        assert_eq!(&second[..2], &[0, 2]);
    }

    #[test]
    fn short_and_changed_payloads_do_not_open() {
        let mut client = Seal::client(&key(), nonce(0));
        let agent = Seal::agent(&key(), nonce(0));
        for len in [0, 11, 27] {
            assert_eq!(agent.open(&vec![0; len]), Err(OpenError::TooShort { len }));
        }
        let mut sealed = client.seal(b"text").to_vec();
        sealed[13] ^= 1;
        assert_eq!(agent.open(&sealed), Err(OpenError::Forged));
    }

    #[test]
    fn a_key_of_another_length_is_refused_and_nothing_is_printed() {
        assert_eq!(DataKey::from_bytes(&[0; 63]).unwrap_err(), DataKeyLength { len: 63 });
        assert_eq!(DataKey::from_bytes(&[0; 65]).unwrap_err(), DataKeyLength { len: 65 });
        assert_eq!(format!("{:?}", key()), "DataKey");
    }
}
