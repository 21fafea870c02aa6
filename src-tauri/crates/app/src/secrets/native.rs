//! The Keychain and the Credential Manager.

use keyring::{Entry, Error};
use zeroize::Zeroizing;

use super::{FILED_UNDER, Secrets, SecretsError};

/// The system's own keyring.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemKeyring;

fn entry(name: &str) -> Result<Entry, SecretsError> {
    if let Err(error) = Entry::store_status() {
        return Err(failed(error));
    }
    Entry::new(FILED_UNDER, name).map_err(|error| failed(&error))
}

fn failed(error: &Error) -> SecretsError {
    SecretsError { reason: error.to_string() }
}

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
