//! Signing in to IAM Identity Center: the page, the wait, and the token in the keyring.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::{Portal, SignInError, SignInToken, SignIns};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::known::{LAST_RESORT, elsewhere};
use super::{Accounts, Origin, no_such};
use crate::clock;
use crate::desktop::Browser;
use crate::error::{Error, sentence};
use crate::secrets::{Secrets, SecretsError};
use crate::settings::SsoRole;
use crate::tasks::Tasks;
use crate::view::{AppError, ErrorCode, ProfileId, SignInPageView, SignInState};

/// The tokens of sign-ins, in the keyring.
#[derive(Clone)]
pub(crate) struct Tokens {
    secrets: Arc<dyn Secrets>,
    tasks: Tasks,
}

impl Tokens {
    pub(crate) fn new(secrets: Arc<dyn Secrets>, tasks: Tasks) -> Self {
        Self { secrets, tasks }
    }

    async fn read(&self, start_url: &str) -> Result<Option<SignInToken>, SecretsError> {
        let (secrets, name) = (Arc::clone(&self.secrets), name_of(start_url));
        let read = self.tasks.off(move || secrets.read(&name)).await;
        let text = read.map_err(|_| ending())??;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    pub(super) async fn keep(
        &self,
        start_url: &str,
        token: &SignInToken,
    ) -> Result<(), SecretsError> {
        let (secrets, name) = (Arc::clone(&self.secrets), name_of(start_url));
        let text = Zeroizing::new(serde_json::to_string(token).unwrap_or_default());
        let kept = self.tasks.off(move || secrets.keep(&name, &text)).await;
        kept.map_err(|_| ending())?
    }
}

fn name_of(start_url: &str) -> String {
    format!("sign-in:{}", start_url.trim_end_matches('/'))
}

fn ending() -> SecretsError {
    SecretsError { reason: "the program is ending".to_owned() }
}

impl SignIns for Tokens {
    fn token<'a>(&'a self, start_url: &'a str) -> BoxFuture<'a, Option<SignInToken>> {
        async move {
            // Without a keyring there are no sign-ins of ours; those of the AWS command line are
            // looked at next.
            let read = self.read(start_url).await;
            read.inspect_err(|error| tracing::debug!(%error, "no token")).unwrap_or_default()
        }
        .boxed()
    }

    fn renewed<'a>(&'a self, start_url: &'a str, token: &'a SignInToken) -> BoxFuture<'a, ()> {
        async move {
            if let Err(error) = self.keep(start_url, token).await {
                tracing::warn!(%error, "a renewed sign-in is not kept");
            }
        }
        .boxed()
    }
}

/// Where an account signs in.
struct Door {
    start_url: String,
    portal: Portal,
}

impl Accounts {
    /// Starts the sign-in of an account; its progress is told with the accounts. Where nobody
    /// signs in, because the credentials come from elsewhere, they are tried again.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub(crate) fn sign_in(
        &self,
        id: &ProfileId,
        browser: Arc<dyn Browser>,
    ) -> Result<(), AppError> {
        let door = match self.door(id) {
            Ok(door) => door,
            Err(error) if error.code == ErrorCode::Invalid => {
                self.try_credentials(id);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let stop = CancellationToken::new();
        let earlier = self.state().asking.insert(door.start_url.clone(), stop.clone());
        if let Some(earlier) = earlier {
            earlier.cancel();
        }
        let (this, id) = (self.clone(), id.clone());
        self.0.tasks.start(async move {
            let sisters = this.sisters(Some(&id), &door.start_url);
            let show = |page| this.set_sign_in(&sisters, &SignInState::Asking(page));
            let signed_in = stop.run_until_cancelled(this.ask(&door, show, browser)).await;
            // Cancelled: whoever did so has told.
            let Some(signed_in) = signed_in else { return };
            this.state().asking.remove(&door.start_url);
            match signed_in {
                Ok(token) => this.signed_in(&sisters, &token),
                Err(error) => this.set_sign_in(&sisters, &SignInState::Failed { error }),
            }
        });
        Ok(())
    }

    /// Stops waiting for the page.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub(crate) fn sign_in_cancel(&self, id: &ProfileId) -> Result<(), AppError> {
        let door = self.door(id)?;
        let asking = self.state().asking.remove(&door.start_url);
        if let Some(asking) = asking {
            asking.cancel();
            self.set_sign_in(&self.sisters(Some(id), &door.start_url), &SignInState::Needed);
        }
        Ok(())
    }

    /// Signs in to a start page; answers the roles found there, or none when the user gave up
    /// waiting. Its page is told with the accounts.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::KeyringUnavailable`], [`ErrorCode::Unreachable`], [`ErrorCode::Invalid`].
    pub(crate) async fn sign_in_anew(
        &self,
        start_url: &str,
        region: &str,
        browser: Arc<dyn Browser>,
    ) -> Result<Option<Vec<SsoRole>>, AppError> {
        let portal = self.0.user.portal(None, region).map_err(|error| Error::from(error).view())?;
        // Better known before the user has gone through the page.
        self.0.tokens.read(start_url).await?;
        let door = Door { start_url: start_url.to_owned(), portal };
        let stop = CancellationToken::new();
        let earlier = self.state().adding.replace((stop.clone(), None));
        if let Some((earlier, _)) = earlier {
            earlier.cancel();
        }
        let show = |page| self.show_new(page);
        let signed_in = stop.run_until_cancelled(self.ask(&door, show, browser)).await;
        // Cancelled: whoever did so has told.
        let Some(signed_in) = signed_in else { return Ok(None) };
        self.give_up_new();
        let token = signed_in?;
        self.signed_in(&self.sisters(None, start_url), &token);
        let roles = door.portal.roles(&token).await.map_err(|source| {
            let doing = "the accounts of the sign-in cannot be listed".to_owned();
            Error::Call { doing, source: Box::new(source) }.view()
        })?;
        let role = |role: aws::Role| SsoRole {
            account_id: role.account_id,
            account_name: role.account_name,
            role: role.name,
        };
        Ok(Some(roles.into_iter().map(role).collect()))
    }

    fn show_new(&self, page: SignInPageView) {
        let mut state = self.state();
        if let Some((_, shown)) = &mut state.adding {
            *shown = Some(page);
        }
        self.tell(&state);
    }

    /// Waits no longer for the page of a sign-in that is to bring new accounts.
    pub(crate) fn give_up_new(&self) {
        let mut state = self.state();
        if let Some((stop, _)) = state.adding.take() {
            stop.cancel();
            self.tell(&state);
        }
    }

    async fn ask(
        &self,
        door: &Door,
        show: impl FnOnce(SignInPageView),
        browser: Arc<dyn Browser>,
    ) -> Result<SignInToken, AppError> {
        let asking = door.portal.ask(&door.start_url).await.map_err(|source| {
            let doing = format!("the sign-in at {} cannot begin", door.start_url);
            Error::Call { doing, source: Box::new(source) }.view()
        })?;
        show(SignInPageView {
            user_code: asking.user_code.clone(),
            url: asking.url.clone(),
            expires_ms: clock::ms(asking.expires),
        });
        browser.open(&asking.url);
        let token = door.portal.wait(&asking).await.map_err(|error| match error {
            SignInError::Late | SignInError::Refused => AppError {
                code: ErrorCode::SignInExpired,
                message: sentence(&error.to_string()),
                detail: None,
            },
            SignInError::Call(source) => {
                let doing = format!("the sign-in at {} failed", door.start_url);
                Error::Call { doing, source: Box::new(source) }.view()
            }
        })?;
        self.0.tokens.keep(&door.start_url, &token).await?;
        Ok(token)
    }

    fn signed_in(&self, sisters: &[ProfileId], token: &SignInToken) {
        self.0.user.forget();
        self.state().others.clear();
        let expires_ms = (!token.is_renewable()).then(|| clock::ms(token.expires()));
        self.set_sign_in(sisters, &SignInState::Ready { expires_ms });
        for id in sisters {
            // Nobody waiting is no fault.
            let _ = self.0.ready.send(id.clone());
        }
    }

    fn set_sign_in(&self, ids: &[ProfileId], sign_in: &SignInState) {
        let mut state = self.state();
        for id in ids {
            state.facts.entry(id.clone()).or_default().sign_in = Some(sign_in.clone());
        }
        if !ids.is_empty() {
            self.tell(&state);
        }
    }

    /// Reads an account's credentials anew and asks AWS whether they are good.
    fn try_credentials(&self, id: &ProfileId) {
        self.0.user.forget();
        self.state().others.clear();
        self.prove(id.clone());
    }

    /// Asks AWS whether an account's credentials are good.
    pub(super) fn prove(&self, id: ProfileId) {
        let this = self.clone();
        self.0.tasks.start(async move {
            let answer = match this.open(&id, &this.first_region(&id)).await {
                Ok(account) => match account.identity().await {
                    Ok(_) => Ok(account),
                    Err(error) => Err(error.view()),
                },
                Err(error) => Err(error),
            };
            match answer {
                Ok(account) => this.note_answered(&id, &account),
                Err(error) if error.code == ErrorCode::SignInExpired => {
                    this.set_sign_in(&[id], &SignInState::Needed);
                }
                Err(error) => this.set_sign_in(&[id], &SignInState::Failed { error }),
            }
        });
    }

    fn first_region(&self, id: &ProfileId) -> String {
        let state = self.state();
        let known = state.known.iter().find(|known| known.id == *id);
        let region = known.and_then(|known| known.regions.first().cloned());
        region.unwrap_or_else(|| LAST_RESORT.to_owned())
    }

    fn door(&self, id: &ProfileId) -> Result<Door, AppError> {
        let origin = self.origin(id).ok_or_else(|| no_such(id))?;
        let nobody = || AppError {
            code: ErrorCode::Invalid,
            message: "Nobody signs in to this account: its credentials come from elsewhere."
                .to_owned(),
            detail: None,
        };
        let (clients, profile) = match &origin {
            Origin::Sso { start_url, region, .. } => {
                let portal = self.0.user.portal(None, region);
                let portal = portal.map_err(|error| Error::from(error).view())?;
                return Ok(Door { start_url: start_url.clone(), portal });
            }
            Origin::Shared { profile } => (Arc::clone(&self.0.user), profile),
            Origin::File { path, profile } => (self.file(path), profile),
            Origin::Environment | Origin::Sandbox { .. } | Origin::Keys { .. } => {
                return Err(nobody());
            }
        };
        let profiles = aws::Profiles::read(clients.environment());
        let kind = profiles.find(profile).map(aws::Profile::kind).ok_or_else(|| no_such(id))?;
        let aws::ProfileKind::SignIn(settings) = kind else { return Err(nobody()) };
        let portal = clients.portal(Some(profile), &settings.region);
        let portal = portal.map_err(|error| Error::from(error).view())?;
        Ok(Door { start_url: settings.start_url.clone(), portal })
    }

    /// Names the accounts that a sign-in is good for, with the one that asked first.
    fn sisters(&self, asker: Option<&ProfileId>, start_url: &str) -> Vec<ProfileId> {
        let is_same = |other: &str| other.trim_end_matches('/') == start_url.trim_end_matches('/');
        let known = self.state().known.clone();
        let mut files = BTreeMap::new();
        let mut signs_in_there = |origin: &Origin| {
            let (file, profile) = match origin {
                Origin::Sso { start_url: other, .. } => return is_same(other),
                Origin::Shared { profile } => (None, profile.clone()),
                Origin::File { path, profile } => (Some(path.clone()), profile.clone()),
                Origin::Environment | Origin::Sandbox { .. } | Origin::Keys { .. } => return false,
            };
            let profiles = files.entry(file).or_insert_with_key(|file| match file {
                Some(file) => aws::Profiles::read(&elsewhere(self.environment(), file)),
                None => aws::Profiles::read(self.environment()),
            });
            let kind = profiles.find(&profile).map(aws::Profile::kind);
            let Some(aws::ProfileKind::SignIn(settings)) = kind else { return false };
            is_same(&settings.start_url)
        };
        let others = known.iter().filter(|account| Some(&account.id) != asker);
        let others = others.filter(|account| signs_in_there(&account.origin));
        asker.into_iter().chain(others.map(|account| &account.id)).cloned().collect()
    }
}
