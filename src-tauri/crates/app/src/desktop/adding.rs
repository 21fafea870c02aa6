//! Adding accounts that no AWS file names.

use std::sync::Arc;

use super::{Answer, Desktop};
use crate::accounts::keys::AccessKey;
use crate::settings::{AddedAccount, Settings};
use crate::view::{AppError, ErrorCode, ProfileId};

impl Desktop {
    pub(super) async fn add_key(
        &self,
        name: String,
        region: String,
        key: AccessKey,
    ) -> Answer<ProfileId> {
        if name.is_empty() || region.is_empty() {
            return Err(invalid("The account needs a name and a region."));
        }
        if key.access_key_id.trim().is_empty() || key.secret_access_key.trim().is_empty() {
            return Err(invalid("The access key needs its id and its secret."));
        }
        self.0.accounts.add_key(&name, &region, key).await?;
        let id = ProfileId(format!("keys:{name}"));
        self.add(AddedAccount::AccessKeys { name, region }).await?;
        Ok(id)
    }

    pub(super) async fn add_sign_in(
        &self,
        start_url: String,
        region: String,
    ) -> Answer<Option<ProfileId>> {
        if !start_url.starts_with("https://") {
            return Err(invalid("The start page must be an https address."));
        }
        if region.is_empty() {
            return Err(invalid("The sign-in needs the region of its Identity Center."));
        }
        let browser = Arc::clone(&self.0.browser);
        let roles = self.0.accounts.sign_in_anew(&start_url, &region, browser).await?;
        let Some(roles) = roles else { return Ok(None) };
        let Some(first) = roles.first() else {
            return Err(AppError {
                code: ErrorCode::AccessDenied,
                message: "The sign-in may use no account. Ask for one.".to_owned(),
                detail: None,
            });
        };
        let id = ProfileId(format!("sso:{start_url}#{}/{}", first.account_id, first.role));
        self.add(AddedAccount::Sso { start_url, region, roles }).await?;
        Ok(Some(id))
    }

    /// Puts an account in the place of the one it is a newer form of.
    pub(super) async fn add(&self, account: AddedAccount) -> Answer<()> {
        let add = move |settings: &mut Settings| {
            settings.added.retain(|known| !is_same(known, &account));
            settings.added.push(account);
        };
        self.0.saved.change_settings(add).await
    }
}

fn is_same(known: &AddedAccount, other: &AddedAccount) -> bool {
    match (known, other) {
        (AddedAccount::ConfigFile { path: one }, AddedAccount::ConfigFile { path: two }) => {
            one == two
        }
        (
            AddedAccount::AccessKeys { name: one, .. },
            AddedAccount::AccessKeys { name: two, .. },
        ) => one == two,
        (AddedAccount::Sso { start_url: one, .. }, AddedAccount::Sso { start_url: two, .. }) => {
            one == two
        }
        (
            AddedAccount::ConfigFile { .. }
            | AddedAccount::AccessKeys { .. }
            | AddedAccount::Sso { .. },
            _,
        ) => false,
    }
}

fn invalid(message: &str) -> AppError {
    AppError { code: ErrorCode::Invalid, message: message.to_owned(), detail: None }
}
