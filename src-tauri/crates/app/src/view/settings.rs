//! Settings.

use serde::{Deserialize, Serialize};
use specta::Type;

/// Event `settingsEvent`: all of it, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct SettingsView {
    /// Colours of the window.
    pub theme: Theme,
    /// Height of rows.
    pub density: Density,
    /// How terminals look and behave.
    pub terminal: TerminalSettings,
    /// Tabs come back after a restart, ended, with their scrollback.
    pub restore_tabs: bool,
    /// Closing the window keeps tunnels up, in the tray.
    pub close_keeps_tunnels: bool,
    /// Adit starts with the desktop session.
    pub start_at_login: bool,
    /// Tell of tunnels lost and regained.
    pub notify_tunnels: bool,
    /// Tell of a sign-in about to end.
    pub notify_sign_in: bool,
    /// List the sandbox beside one's own accounts.
    pub show_sandbox: bool,
}

/// Colours of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum Theme {
    /// As the system is.
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// Height of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum Density {
    /// Usual rows.
    Comfortable,
    /// Low rows.
    Compact,
}

/// How terminals look and behave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct TerminalSettings {
    /// Empty: the bundled one.
    pub font_family: String,
    /// Pixels, 8 to 32.
    pub font_size: u8,
    /// Lines kept above the screen, 100 to 100 000.
    pub scrollback_lines: u32,
    /// Shape of the cursor.
    pub cursor: CursorStyle,
    /// The cursor blinks.
    pub cursor_blink: bool,
    /// What is selected is copied.
    pub copy_on_select: bool,
    /// Ask before pasting several lines.
    pub warn_multi_line_paste: bool,
    /// The bell marks the tab.
    pub bell: bool,
}

/// Shape of the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum CursorStyle {
    /// A block.
    Block,
    /// A bar.
    Bar,
    /// An underline.
    Underline,
}
