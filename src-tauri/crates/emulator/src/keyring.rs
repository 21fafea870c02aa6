//! The made-up credentials of a scenario, and the temporary ones it hands out.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use time::OffsetDateTime;

use crate::scenario::Policy;

/// Something that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Who a credential belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) account: String,
    pub(crate) arn: String,
    pub(crate) user_id: String,
    pub(crate) policy: Arc<Policy>,
}

/// One access key.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) access_key: String,
    pub(crate) secret: Secret,
    pub(crate) session_token: Option<Secret>,
    pub(crate) expires: Option<OffsetDateTime>,
    pub(crate) identity: Identity,
}

/// An identity using one region of one service.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) identity: Identity,
    pub(crate) region: String,
}

/// Every credential that is good here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keyring {
    credentials: Arc<Mutex<HashMap<String, Arc<Credential>>>>,
}

impl Keyring {
    pub(crate) fn find(&self, access_key: &str) -> Option<Arc<Credential>> {
        self.lock().get(access_key).cloned()
    }

    pub(crate) fn add(&self, credential: Credential) {
        self.lock().insert(credential.access_key.clone(), Arc::new(credential));
    }

    /// Forgets temporary credentials that ended more than a day before `now`.
    pub(crate) fn forget_expired(&self, now: OffsetDateTime) {
        let limit = now - time::Duration::DAY;
        self.lock().retain(|_, credential| credential.expires.is_none_or(|at| at > limit));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Credential>>> {
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
