//! Secrets of the user's, kept where the system keeps secrets and nowhere else.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use keyring::{Entry, Error};
use zeroize::Zeroizing;

use crate::view::{AppError, ErrorCode};

/// What our entries are filed under.
const FILED_UNDER: &str = "Adit";

/// A place for secrets. Its calls may block.
pub trait Secrets: Send + Sync + 'static {
    /// Answers a secret; none if there is none of that name.
    ///
    /// # Errors
    ///
    /// [`SecretsError`] when the place can't be used.
    fn read(&self, name: &str) -> Result<Option<Zeroizing<String>>, SecretsError>;

    /// Keeps a secret in the place of the one before.
    ///
    /// # Errors
    ///
    /// [`SecretsError`] when the place can't be used.
    fn keep(&self, name: &str, secret: &str) -> Result<(), SecretsError>;
}

/// The place for secrets can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system keyring can't be used: {reason}")]
pub struct SecretsError {
    /// What the system said.
    pub reason: String,
}

impl From<SecretsError> for AppError {
    fn from(error: SecretsError) -> Self {
        let message = crate::error::sentence(&error.to_string());
        Self { code: ErrorCode::KeyringUnavailable, message, detail: None }
    }
}

/// The system's own keyring: the Secret Service, the Keychain or the Credential Manager.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemKeyring;

impl Secrets for SystemKeyring {
    fn read(&self, name: &str) -> Result<Option<Zeroizing<String>>, SecretsError> {
        match entry(name)?.get_password() {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    fn keep(&self, name: &str, secret: &str) -> Result<(), SecretsError> {
        entry(name)?.set_password(secret).map_err(|error| failed(&error))
    }
}

fn entry(name: &str) -> Result<Entry, SecretsError> {
    if let Err(error) = Entry::store_status() {
        return Err(failed(error));
    }
    Entry::new(FILED_UNDER, name).map_err(|error| failed(&error))
}

fn failed(error: &Error) -> SecretsError {
    SecretsError { reason: error.to_string() }
}

/// Keeps secrets for as long as the process lives.
#[derive(Debug, Default)]
pub struct FleetingSecrets {
    secrets: Mutex<BTreeMap<String, Zeroizing<String>>>,
}

impl Secrets for FleetingSecrets {
    fn read(&self, name: &str) -> Result<Option<Zeroizing<String>>, SecretsError> {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(secrets.get(name).cloned())
    }

    fn keep(&self, name: &str, secret: &str) -> Result<(), SecretsError> {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.insert(name.to_owned(), Zeroizing::new(secret.to_owned()));
        Ok(())
    }
}
