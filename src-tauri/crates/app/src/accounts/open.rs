//! The way to an account: clients with its credentials, from wherever those come.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws::{Clients, Environment, Region, SignInSettings};

use super::keys::AccessKey;
use super::{Accounts, Origin, known, no_such};
use crate::account::Account;
use crate::error::{Error, sentence};
use crate::view::{AppError, ErrorCode, ProfileId};

/// Accounts that are none of the shared files'.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Other {
    /// A config file that lies elsewhere.
    File(PathBuf),
    /// A key of the keyring, by name.
    Keys(String),
}

impl Accounts {
    /// Opens an account in a region; nothing is sent, but the sandbox is started if it is one of
    /// its accounts.
    pub(crate) async fn open(&self, id: &ProfileId, region: &str) -> Result<Account, AppError> {
        let origin = self.origin(id).ok_or_else(|| no_such(id))?;
        let region = Region::new(region);
        let (clients, profile) = match &origin {
            Origin::Environment | Origin::Sso { .. } => (Arc::clone(&self.0.user), None),
            Origin::Shared { profile } => (Arc::clone(&self.0.user), Some(profile)),
            Origin::Sandbox { profile } => (self.sandbox().await?, Some(profile)),
            Origin::File { path, profile } => (self.file(path), Some(profile)),
            Origin::Keys { name } => (self.keys(name).await?, None),
        };
        let client = match role_of(&origin) {
            Some(role) => clients.open_role(&id.0, &role, &region),
            None => clients.open(profile.map(String::as_str), Some(&region)),
        };
        let client = client.map_err(|error| Error::from(error).view())?;
        let label = match origin {
            // As the command line writes it, so that each can end what the other left.
            Origin::Environment | Origin::Shared { .. } => None,
            Origin::Sandbox { .. }
            | Origin::File { .. }
            | Origin::Keys { .. }
            | Origin::Sso { .. } => Some(format!("{region} {}", id.0)),
        };
        Ok(Account::labelled(client, label))
    }

    pub(super) fn origin(&self, id: &ProfileId) -> Option<Origin> {
        let state = self.state();
        state.known.iter().find(|known| known.id == *id).map(|known| known.origin.clone())
    }

    pub(super) fn file(&self, path: &Path) -> Arc<Clients> {
        let mut state = self.state();
        let clients = state.others.entry(Other::File(path.to_owned())).or_insert_with(|| {
            let clients = Clients::new(known::elsewhere(self.environment(), path));
            Arc::new(clients.with_sign_ins(Arc::new(self.0.tokens.clone())))
        });
        Arc::clone(clients)
    }

    async fn keys(&self, name: &str) -> Result<Arc<Clients>, AppError> {
        let other = Other::Keys(name.to_owned());
        if let Some(clients) = self.state().others.get(&other) {
            return Ok(Arc::clone(clients));
        }
        let (secrets, account) = (Arc::clone(&self.0.secrets), name.to_owned());
        let read = self.0.tasks.off(move || AccessKey::read(&*secrets, &account)).await;
        let key = read.map_err(|error| Error::from(error).view())??;
        let key = key.ok_or_else(|| AppError {
            code: ErrorCode::CredentialsInvalid,
            message: format!("The keyring has no access key for {name} any more."),
            detail: None,
        })?;
        let clients = key.clients(self.environment());
        self.state().others.insert(other, Arc::clone(&clients));
        Ok(clients)
    }

    /// Asks AWS whether it knows an access key, and keeps it if so.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::CredentialsInvalid`], [`ErrorCode::KeyringUnavailable`],
    /// [`ErrorCode::Unreachable`].
    pub(crate) async fn add_key(
        &self,
        name: &str,
        region: &str,
        key: AccessKey,
    ) -> Result<(), AppError> {
        let clients = key.clients(self.environment());
        let client = clients.open(None, Some(&Region::new(region)));
        let client = client.map_err(|error| Error::from(error).view())?;
        Account::new(client).identity().await.map_err(|error| error.view())?;
        let (secrets, account) = (Arc::clone(&self.0.secrets), name.to_owned());
        let kept = self.0.tasks.off(move || key.keep(&*secrets, &account)).await;
        kept.map_err(|error| Error::from(error).view())??;
        self.state().others.insert(Other::Keys(name.to_owned()), clients);
        Ok(())
    }

    async fn sandbox(&self) -> Result<Arc<Clients>, AppError> {
        let unavailable = |message: String| AppError {
            code: ErrorCode::SandboxUnavailable,
            message,
            detail: None,
        };
        let Some(sandbox) = &self.0.sandbox else {
            return Err(unavailable("There is no sandbox in this program.".to_owned()));
        };
        let start = || async {
            let variables = sandbox.starter.start().await?;
            Ok(Arc::new(Clients::new(Environment::given(variables))))
        };
        let clients = sandbox.clients.get_or_try_init(start).await;
        clients.cloned().map_err(|reason: String| {
            unavailable(sentence(&format!("the sandbox could not start: {reason}")))
        })
    }

    /// Starts the sandbox before anybody needs it.
    pub(crate) async fn prepare_sandbox(&self) {
        if let Err(error) = self.sandbox().await {
            tracing::warn!(message = %error.message, "no sandbox");
        }
    }
}

/// Tells the role of a sign-in made here.
fn role_of(origin: &Origin) -> Option<SignInSettings> {
    let Origin::Sso { start_url, region, account_id, role } = origin else { return None };
    Some(SignInSettings {
        session: None,
        start_url: start_url.clone(),
        region: region.clone(),
        account_id: Some(account_id.clone()),
        role_name: Some(role.clone()),
    })
}
