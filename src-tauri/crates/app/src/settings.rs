//! What a user has set once for all.

use std::collections::BTreeMap;

use crate::migrate;
use crate::store::Stored;

/// The settings, by default as a new user finds them.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Light, dark, or as the system is.
    pub theme: Theme,
    /// How terminals look.
    pub terminal: TerminalSettings,
    /// Whether tunnels go on when the window is closed.
    pub keeps_tunnels: bool,
    /// Whether the sandbox is listed beside the user's own accounts.
    pub shows_sandbox: bool,
    /// Words for the audit log of every session, unless others are given.
    pub reason: Option<String>,
    /// How each profile's account is marked.
    pub accounts: BTreeMap<String, AccountLook>,
}

/// The colours of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system is.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// How terminals look.
#[derive(Clone, Debug, PartialEq)]
pub struct TerminalSettings {
    /// The font; none means the one that comes with the program.
    pub font: Option<String>,
    /// Its size in pixels.
    pub font_size: f64,
    /// Lines kept above the screen.
    pub scrollback_lines: u32,
    /// Whether a paste of several lines asks first.
    pub warns_of_lines: bool,
}

/// How an account is marked, so that production never looks like a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountLook {
    /// A short name.
    pub label: Option<String>,
    /// A colour by its role in the palette.
    pub colour: Option<String>,
    /// Regions shown first.
    pub favourite_regions: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: Theme::default(),
            terminal: TerminalSettings::default(),
            keeps_tunnels: true,
            shows_sandbox: true,
            reason: None,
            accounts: BTreeMap::new(),
        }
    }
}

impl Default for TerminalSettings {
    fn default() -> Self {
        Self { font: None, font_size: 13.0, scrollback_lines: 10_000, warns_of_lines: true }
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
