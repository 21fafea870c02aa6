//! Version 1 of the files. Frozen: later versions get files of their own.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{bookmarks as now, settings};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    version: u32,
    theme: Theme,
    keeps_tunnels: bool,
    shows_sandbox: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    terminal: Terminal,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    accounts: BTreeMap<String, Account>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Theme {
    System,
    Light,
    Dark,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Terminal {
    #[serde(skip_serializing_if = "Option::is_none")]
    font: Option<String>,
    font_size: f64,
    scrollback_lines: u32,
    warns_of_lines: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Account {
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    colour: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    favourite_regions: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::from(&settings::Settings::default())
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self::from(&settings::TerminalSettings::default())
    }
}

impl From<Settings> for settings::Settings {
    fn from(file: Settings) -> Self {
        let accounts = file.accounts.into_iter().map(|(profile, account)| {
            let Account { label, colour, favourite_regions } = account;
            (profile, settings::AccountLook { label, colour, favourite_regions })
        });
        Self {
            theme: match file.theme {
                Theme::System => settings::Theme::System,
                Theme::Light => settings::Theme::Light,
                Theme::Dark => settings::Theme::Dark,
            },
            terminal: settings::TerminalSettings {
                font: file.terminal.font,
                font_size: file.terminal.font_size,
                scrollback_lines: file.terminal.scrollback_lines,
                warns_of_lines: file.terminal.warns_of_lines,
            },
            keeps_tunnels: file.keeps_tunnels,
            shows_sandbox: file.shows_sandbox,
            reason: file.reason,
            accounts: accounts.collect(),
        }
    }
}

impl From<&settings::Settings> for Settings {
    fn from(live: &settings::Settings) -> Self {
        let accounts = live.accounts.iter().map(|(profile, look)| {
            let account = Account {
                label: look.label.clone(),
                colour: look.colour.clone(),
                favourite_regions: look.favourite_regions.clone(),
            };
            (profile.clone(), account)
        });
        Self {
            version: 1,
            theme: match live.theme {
                settings::Theme::System => Theme::System,
                settings::Theme::Light => Theme::Light,
                settings::Theme::Dark => Theme::Dark,
            },
            keeps_tunnels: live.keeps_tunnels,
            shows_sandbox: live.shows_sandbox,
            reason: live.reason.clone(),
            terminal: Terminal::from(&live.terminal),
            accounts: accounts.collect(),
        }
    }
}

impl From<&settings::TerminalSettings> for Terminal {
    fn from(live: &settings::TerminalSettings) -> Self {
        Self {
            font: live.font.clone(),
            font_size: live.font_size,
            scrollback_lines: live.scrollback_lines,
            warns_of_lines: live.warns_of_lines,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bookmarks {
    #[serde(default = "one")]
    version: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bookmark: Vec<Bookmark>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bookmark {
    #[serde(default)]
    id: u32,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    node: String,
    #[serde(default, skip_serializing_if = "is_false")]
    starts_with_app: bool,
    /// A terminal's; together with `tunnel` a contradiction.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tunnel: Option<Tunnel>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tunnel {
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_port: Option<u16>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bind: Vec<IpAddr>,
    #[serde(default = "one_lane", skip_serializing_if = "is_one")]
    lanes: u8,
}

fn one() -> u32 {
    1
}

fn one_lane() -> u8 {
    1
}

fn is_one(lanes: &u8) -> bool {
    *lanes == 1
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl TryFrom<Bookmarks> for now::Bookmarks {
    type Error = String;

    fn try_from(file: Bookmarks) -> Result<Self, String> {
        let list = file.bookmark.into_iter().map(now::Bookmark::try_from);
        Ok(Self::from_list(list.collect::<Result<_, _>>()?))
    }
}

impl TryFrom<Bookmark> for now::Bookmark {
    type Error = String;

    fn try_from(file: Bookmark) -> Result<Self, String> {
        let kind = match (file.tunnel, file.document) {
            (None, document) => now::BookmarkKind::Terminal { document },
            (Some(_), Some(_)) => {
                return Err(format!("bookmark {} has both document and tunnel", file.name));
            }
            (Some(tunnel), None) => now::BookmarkKind::Tunnel(now::TunnelPlan {
                host: tunnel.host,
                port: tunnel.port,
                local_port: tunnel.local_port,
                bind: tunnel.bind,
                lanes: tunnel.lanes,
            }),
        };
        Ok(Self {
            id: now::BookmarkId(file.id),
            name: file.name,
            group: file.group,
            profile: file.profile,
            region: file.region,
            node: file.node,
            kind,
            starts_with_app: file.starts_with_app,
        })
    }
}

impl From<&now::Bookmarks> for Bookmarks {
    fn from(live: &now::Bookmarks) -> Self {
        Self { version: 1, bookmark: live.list().iter().map(Bookmark::from).collect() }
    }
}

impl From<&now::Bookmark> for Bookmark {
    fn from(live: &now::Bookmark) -> Self {
        let (document, tunnel) = match &live.kind {
            now::BookmarkKind::Terminal { document } => (document.clone(), None),
            now::BookmarkKind::Tunnel(plan) => {
                let tunnel = Tunnel {
                    host: plan.host.clone(),
                    port: plan.port,
                    local_port: plan.local_port,
                    bind: plan.bind.clone(),
                    lanes: plan.lanes,
                };
                (None, Some(tunnel))
            }
        };
        Self {
            id: live.id.0,
            name: live.name.clone(),
            group: live.group.clone(),
            profile: live.profile.clone(),
            region: live.region.clone(),
            node: live.node.clone(),
            starts_with_app: live.starts_with_app,
            document,
            tunnel,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::migrate::{bookmarks, bookmarks_text, settings, settings_text};

    /// As version 1 was written when it was new; never to be changed.
    const SETTINGS: &str = r#"
version = 1
theme = "dark"
keeps_tunnels = false
shows_sandbox = false
reason = "on call"

[terminal]
font = "Iosevka"
font_size = 14.5
scrollback_lines = 5000
warns_of_lines = false

[accounts.acme-prod]
label = "PROD"
colour = "bad"
favourite_regions = ["eu-west-1"]
"#;

    const BOOKMARKS: &str = r#"
version = 1

[[bookmark]]
id = 2
name = "web shell"
node = "web-1"

[[bookmark]]
id = 1
name = "orders"
group = "shop"
profile = "acme-prod"
region = "eu-west-1"
node = "tag:Role=jump"
starts_with_app = true

[bookmark.tunnel]
host = "orders-db"
port = 5432
local_port = 15432
bind = ["127.0.0.1"]
lanes = 2
"#;

    fn body(text: &str) -> &str {
        text.split_once("\n\n").map_or("", |(_, body)| body)
    }

    #[test]
    fn every_setting_survives() {
        let read = settings(SETTINGS).expect("read");
        assert_eq!(read.terminal.font_size, 14.5);
        assert_eq!(read.accounts["acme-prod"].label.as_deref(), Some("PROD"));
        let written = settings_text(&read).expect("written");
        assert_eq!(body(&written).trim(), SETTINGS.trim());
    }

    #[test]
    fn every_bookmark_survives() {
        let read = bookmarks(BOOKMARKS).expect("read");
        assert_eq!(read.list().len(), 2);
        let written = bookmarks_text(&read).expect("written");
        assert_eq!(bookmarks(&written).expect("read again"), read);
        assert_eq!(body(&written).trim(), BOOKMARKS.trim());
    }

    #[test]
    fn a_bookmark_is_one_thing() {
        let text = "[[bookmark]]\nname = \"x\"\nnode = \"n\"\ndocument = \"d\"\n\
                    tunnel = { port = 1 }\n";
        let error = bookmarks(text).expect_err("both");
        assert_eq!(error, "bookmark x has both document and tunnel");
    }
}
