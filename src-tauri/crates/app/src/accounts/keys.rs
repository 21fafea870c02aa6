//! Access keys, kept in the keyring.

use std::sync::Arc;

use aws::{Clients, Environment};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::secrets::{Secrets, SecretsError};

/// An access key and its secret. Prints nothing of itself.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct AccessKey {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
}

fn name_of(account: &str) -> String {
    format!("keys:{account}")
}

impl AccessKey {
    /// Opens clients that sign with this key, in the user's set-up otherwise.
    pub(super) fn clients(&self, environment: &Environment) -> Arc<Clients> {
        let environment = environment.with([
            ("AWS_ACCESS_KEY_ID", self.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_access_key.clone()),
            ("AWS_SESSION_TOKEN", String::new()),
            ("AWS_PROFILE", String::new()),
        ]);
        Arc::new(Clients::new(environment))
    }

    /// Keeps the key of an account.
    pub(crate) fn keep(&self, secrets: &dyn Secrets, account: &str) -> Result<(), SecretsError> {
        let text = Zeroizing::new(serde_json::to_string(self).unwrap_or_default());
        secrets.keep(&name_of(account), &text)
    }

    /// Reads the key of an account; none if there is none any more.
    pub(super) fn read(secrets: &dyn Secrets, account: &str) -> Result<Option<Self>, SecretsError> {
        let text = secrets.read(&name_of(account))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::FleetingSecrets;

    #[test]
    fn a_key_is_found_again_by_its_account() {
        let secrets = FleetingSecrets::default();
        let key = AccessKey {
            access_key_id: "AKIAEXAMPLE".to_owned(),
            secret_access_key: "very secret".to_owned(),
        };
        key.keep(&secrets, "lab").expect("kept");
        let read = AccessKey::read(&secrets, "lab").expect("read").expect("there");
        assert_eq!(read.access_key_id, "AKIAEXAMPLE");
        assert!(AccessKey::read(&secrets, "other").expect("read").is_none());
        let clients = read.clients(&Environment::given([("HOME", "/nowhere")]));
        let shown = format!("{clients:?}");
        assert!(shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains("very secret"));
    }
}
