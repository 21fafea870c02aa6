//! Version 2 of the files: what the window knows, written so that it can be edited by hand.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::settings::{self, AddedAccount};
use crate::view::{
    AccountColour, CursorStyle, Density, RegionChange, SettingsView, TerminalSettings, Theme,
};

mod bookmarks;

pub(super) use bookmarks::Bookmarks;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    version: u32,
    theme: Theme,
    density: Density,
    restore_tabs: bool,
    close_keeps_tunnels: bool,
    start_at_login: bool,
    notify_tunnels: bool,
    notify_sign_in: bool,
    show_sandbox: bool,
    terminal: Terminal,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    accounts: BTreeMap<String, Account>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    added: Vec<Added>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Terminal {
    font_family: String,
    font_size: u8,
    scrollback_lines: u32,
    cursor: CursorStyle,
    cursor_blink: bool,
    copy_on_select: bool,
    warn_multi_line_paste: bool,
    bell: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Account {
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    colour: Option<AccountColour>,
    #[serde(skip_serializing_if = "is_false")]
    hidden: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    regions: Vec<Region>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Region {
    name: String,
    #[serde(default, skip_serializing_if = "is_false")]
    favourite: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
enum Added {
    ConfigFile {
        path: PathBuf,
    },
    AccessKeys {
        name: String,
        region: String,
    },
    Sso {
        start_url: String,
        region: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        roles: Vec<Role>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Role {
    account_id: String,
    account_name: String,
    role: String,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Default for Settings {
    fn default() -> Self {
        Self::from(&settings::Settings::default())
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self::from(&settings::WindowSettings::default().0.terminal)
    }
}

impl From<&TerminalSettings> for Terminal {
    fn from(live: &TerminalSettings) -> Self {
        let live = live.clone();
        Self {
            font_family: live.font_family,
            font_size: live.font_size,
            scrollback_lines: live.scrollback_lines,
            cursor: live.cursor,
            cursor_blink: live.cursor_blink,
            copy_on_select: live.copy_on_select,
            warn_multi_line_paste: live.warn_multi_line_paste,
            bell: live.bell,
        }
    }
}

impl From<Settings> for settings::Settings {
    fn from(file: Settings) -> Self {
        let terminal = file.terminal;
        let window = settings::WindowSettings(SettingsView {
            theme: file.theme,
            density: file.density,
            terminal: TerminalSettings {
                font_family: terminal.font_family,
                font_size: terminal.font_size,
                scrollback_lines: terminal.scrollback_lines,
                cursor: terminal.cursor,
                cursor_blink: terminal.cursor_blink,
                copy_on_select: terminal.copy_on_select,
                warn_multi_line_paste: terminal.warn_multi_line_paste,
                bell: terminal.bell,
            },
            restore_tabs: file.restore_tabs,
            close_keeps_tunnels: file.close_keeps_tunnels,
            start_at_login: file.start_at_login,
            notify_tunnels: file.notify_tunnels,
            notify_sign_in: file.notify_sign_in,
            show_sandbox: file.show_sandbox,
        });
        let accounts = file.accounts.into_iter().map(|(id, account)| {
            let regions = account.regions.into_iter();
            let look = settings::AccountLook {
                label: account.label,
                colour: account.colour,
                is_hidden: account.hidden,
                regions: regions
                    .map(|Region { name, favourite }| RegionChange { name, favourite })
                    .collect(),
            };
            (id, look)
        });
        Self {
            window: window.within_limits(),
            accounts: accounts.collect(),
            added: file.added.into_iter().map(AddedAccount::from).collect(),
        }
    }
}

impl From<&settings::Settings> for Settings {
    fn from(live: &settings::Settings) -> Self {
        let window = &live.window.0;
        let accounts = live.accounts.iter().map(|(id, look)| {
            let regions = look.regions.iter().cloned();
            let account = Account {
                label: look.label.clone(),
                colour: look.colour,
                hidden: look.is_hidden,
                regions: regions
                    .map(|RegionChange { name, favourite }| Region { name, favourite })
                    .collect(),
            };
            (id.clone(), account)
        });
        Self {
            version: 2,
            theme: window.theme,
            density: window.density,
            restore_tabs: window.restore_tabs,
            close_keeps_tunnels: window.close_keeps_tunnels,
            start_at_login: window.start_at_login,
            notify_tunnels: window.notify_tunnels,
            notify_sign_in: window.notify_sign_in,
            show_sandbox: window.show_sandbox,
            terminal: Terminal::from(&window.terminal),
            accounts: accounts.collect(),
            added: live.added.iter().map(Added::from).collect(),
        }
    }
}

impl From<Added> for AddedAccount {
    fn from(file: Added) -> Self {
        match file {
            Added::ConfigFile { path } => Self::ConfigFile { path },
            Added::AccessKeys { name, region } => Self::AccessKeys { name, region },
            Added::Sso { start_url, region, roles } => {
                let roles = roles.into_iter().map(|role| settings::SsoRole {
                    account_id: role.account_id,
                    account_name: role.account_name,
                    role: role.role,
                });
                Self::Sso { start_url, region, roles: roles.collect() }
            }
        }
    }
}

impl From<&AddedAccount> for Added {
    fn from(live: &AddedAccount) -> Self {
        match live.clone() {
            AddedAccount::ConfigFile { path } => Self::ConfigFile { path },
            AddedAccount::AccessKeys { name, region } => Self::AccessKeys { name, region },
            AddedAccount::Sso { start_url, region, roles } => {
                let roles = roles.into_iter().map(|role| Role {
                    account_id: role.account_id,
                    account_name: role.account_name,
                    role: role.role,
                });
                Self::Sso { start_url, region, roles: roles.collect() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::migrate::{settings, settings_text};

    /// As version 2 is written; never to be changed.
    const SETTINGS: &str = r#"
version = 2
theme = "dark"
density = "compact"
restore_tabs = false
close_keeps_tunnels = false
start_at_login = true
notify_tunnels = false
notify_sign_in = false
show_sandbox = false

[terminal]
font_family = "Iosevka"
font_size = 14
scrollback_lines = 5000
cursor = "bar"
cursor_blink = true
copy_on_select = true
warn_multi_line_paste = false
bell = false

[accounts.acme-prod]
label = "PROD"
colour = "red"
hidden = true

[[accounts.acme-prod.regions]]
name = "eu-west-1"
favourite = true

[[added]]
kind = "config_file"
path = "/home/ana/other/config"

[[added]]
kind = "access_keys"
name = "lab"
region = "eu-west-1"

[[added]]
kind = "sso"
start_url = "https://acme.awsapps.com/start"
region = "eu-west-1"

[[added.roles]]
account_id = "111122223333"
account_name = "prod"
role = "Admin"
"#;

    #[test]
    fn every_setting_survives() {
        let read = settings(SETTINGS).expect("read");
        let written = settings_text(&read).expect("written");
        let body = written.split_once("\n\n").map_or("", |(_, body)| body);
        assert_eq!(body.trim(), SETTINGS.trim());
    }

    #[test]
    fn values_out_of_bounds_are_brought_within() {
        let read = settings("version = 2\n[terminal]\nfont_size = 3\nscrollback_lines = 1\n");
        let window = read.expect("read").window.0;
        assert_eq!((window.terminal.font_size, window.terminal.scrollback_lines), (8, 100));
    }
}
