//! Accounts.

use serde::{Deserialize, Serialize};
use specta::Type;

use super::{AppError, ProfileId};

/// Event `profilesEvent`: every account, whole, in the order to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct ProfilesView {
    /// In the order to show.
    pub profiles: Vec<ProfileView>,
    /// Set when the AWS config files exist and could not be read.
    pub problem: Option<AppError>,
    /// The sign-in that is to bring new accounts, while it waits for the browser.
    pub new_sign_in: Option<SignInPageView>,
}

/// A page that waits for the user. It was opened; the code is shown to compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct SignInPageView {
    /// To compare with the page.
    pub user_code: String,
    /// The page to sign in on.
    pub url: String,
    /// When the page stops working.
    pub expires_ms: u64,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct ProfileView {
    /// Which one it is.
    pub id: ProfileId,
    /// The profile's name in the config file.
    pub name: String,
    /// Short label set by the user; the name until then.
    pub label: String,
    /// The colour that marks it everywhere.
    pub colour: AccountColour,
    /// Where it comes from.
    pub kind: ProfileKind,
    /// Caption it is listed under: an SSO session's name, "Sandbox", or none.
    pub group: Option<String>,
    /// Twelve digits, once known.
    pub account_id: Option<String>,
    /// Who the credentials speak for, short: `dev@acme` or a role's session name.
    pub principal: Option<String>,
    /// Whether there are credentials.
    pub sign_in: SignInState,
    /// Regions in use, favourites first.
    pub regions: Vec<RegionView>,
    /// Every region that could be added.
    pub available_regions: Vec<String>,
    /// Not in the scope list, by the user's wish.
    pub hidden: bool,
}

/// Where an account comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum ProfileKind {
    /// IAM Identity Center.
    Sso,
    /// Any other entry of an AWS config file.
    ConfigFile,
    /// Keys in the system keyring.
    AccessKeys,
    /// Made up.
    Sandbox,
}

/// A colour by role; the UI owns its light and dark values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum AccountColour {
    /// Red.
    Red,
    /// Amber.
    Amber,
    /// Green.
    Green,
    /// Teal.
    Teal,
    /// Blue.
    Blue,
    /// Violet.
    Violet,
    /// Pink.
    Pink,
    /// Grey.
    Grey,
}

/// `unknown → ready | needed | failed`; `needed → asking → ready | needed | failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SignInState {
    /// Not asked yet.
    Unknown,
    /// There are credentials.
    Ready {
        /// When the sign-in ends; none when it does not end or can't be known.
        expires_ms: Option<u64>,
    },
    /// The user must sign in.
    Needed,
    /// Waits for the browser.
    Asking(SignInPageView),
    /// There are no credentials, for this reason.
    Failed {
        /// What went wrong.
        error: AppError,
    },
}

/// A region in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct RegionView {
    /// The name.
    pub name: String,
    /// Shown first.
    pub favourite: bool,
    /// Nodes that Systems Manager knew at the last reading; none before the first.
    pub nodes: Option<u32>,
}

/// What the user may change of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct ProfileChange {
    /// Short label.
    pub label: String,
    /// The colour that marks it everywhere.
    pub colour: AccountColour,
    /// Not in the scope list, by the user's wish.
    pub hidden: bool,
    /// Regions in use, in the order to show them.
    pub regions: Vec<RegionChange>,
}

/// A region to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct RegionChange {
    /// The name.
    pub name: String,
    /// Shown first.
    pub favourite: bool,
}

/// A way to one's own accounts.
#[derive(Clone, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum AccountRequest {
    /// Signs in at once; every account and role the sign-in lists becomes a profile.
    Sso {
        /// The start page of the sign-in.
        start_url: String,
        /// The region.
        region: String,
    },
    /// Kept in the system keyring, never in a file.
    AccessKeys {
        /// The name.
        name: String,
        /// `AKIA…`.
        access_key_id: String,
        /// Its secret.
        secret_access_key: String,
        /// The region.
        region: String,
    },
    /// Asks for the file with the system's own dialog.
    ConfigFile,
}
