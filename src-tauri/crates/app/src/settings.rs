//! What a user has set once for all: the settings of the window, how accounts are shown, and the
//! accounts added here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::migrate;
use crate::store::Stored;
use crate::view::{
    AccountColour, CursorStyle, Density, RegionChange, SettingsView, TerminalSettings, Theme,
};

/// The settings, by default as a new user finds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What the settings page shows.
    pub window: WindowSettings,
    /// How accounts are shown, by profile id.
    pub accounts: BTreeMap<String, AccountLook>,
    /// Accounts added here, beside those of the shared AWS files.
    pub added: Vec<AddedAccount>,
}

/// What the settings page shows, with defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowSettings(pub SettingsView);

/// How an account is shown, so that production never looks like a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountLook {
    /// A short name.
    pub label: Option<String>,
    /// Its colour.
    pub colour: Option<AccountColour>,
    /// Not in the scope list.
    pub is_hidden: bool,
    /// Regions in use, in order; none means the profile's own.
    pub regions: Vec<RegionChange>,
}

/// An account added here. Its secrets are in the system keyring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddedAccount {
    /// The profiles of an AWS config file that lies elsewhere.
    ConfigFile {
        /// The file.
        path: PathBuf,
    },
    /// An access key.
    AccessKeys {
        /// The name it was given.
        name: String,
        /// Its main region.
        region: String,
    },
    /// The accounts and roles of an IAM Identity Center sign-in.
    Sso {
        /// The start page.
        start_url: String,
        /// The region of the Identity Center.
        region: String,
        /// Accounts and roles, as they were last listed.
        roles: Vec<SsoRole>,
    },
}

/// A role in an account, as IAM Identity Center lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsoRole {
    /// Twelve digits.
    pub account_id: String,
    /// The account's name.
    pub account_name: String,
    /// The role's name.
    pub role: String,
}

impl Default for WindowSettings {
    fn default() -> Self {
        Self(SettingsView {
            theme: Theme::System,
            density: Density::Comfortable,
            terminal: TerminalSettings {
                font_family: String::new(),
                font_size: 13,
                scrollback_lines: 10_000,
                cursor: CursorStyle::Block,
                cursor_blink: false,
                copy_on_select: false,
                warn_multi_line_paste: true,
                bell: true,
            },
            restore_tabs: true,
            close_keeps_tunnels: true,
            start_at_login: false,
            notify_tunnels: true,
            notify_sign_in: true,
            show_sandbox: true,
        })
    }
}

impl WindowSettings {
    /// Brings values that a file or a caller set too small or too large within their limits.
    #[must_use]
    pub(crate) fn within_limits(mut self) -> Self {
        let terminal = &mut self.0.terminal;
        terminal.font_size = terminal.font_size.clamp(8, 32);
        terminal.scrollback_lines = terminal.scrollback_lines.clamp(100, 100_000);
        self
    }
}

impl Stored for Settings {
    const FILE: &'static str = "settings.toml";

    fn from_text(text: &str) -> Result<Self, String> {
        migrate::settings(text)
    }

    fn to_text(&self) -> Result<String, String> {
        migrate::settings_text(self)
    }
}
