//! Version 1 of the files. Frozen: later versions get files of their own.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use crate::view::{
    AccountColour, BookmarkId, NodeBookmarkView, ProfileId, RegionChange, SettingsView, TargetView,
    TerminalSettings, Theme as ThemeView, TunnelBind, TunnelId, TunnelSpec, TunnelVia,
};
use crate::{bookmarks as now, settings};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    version: u32,
    theme: Theme,
    keeps_tunnels: bool,
    shows_sandbox: bool,
    /// Given with every session; later versions leave it to the command line.
    reason: Option<String>,
    terminal: Terminal,
    accounts: BTreeMap<String, Account>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Theme {
    System,
    Light,
    Dark,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Terminal {
    font: Option<String>,
    font_size: f64,
    scrollback_lines: u32,
    warns_of_lines: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Account {
    label: Option<String>,
    colour: Option<String>,
    favourite_regions: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: 1,
            theme: Theme::System,
            keeps_tunnels: true,
            shows_sandbox: true,
            reason: None,
            terminal: Terminal::default(),
            accounts: BTreeMap::new(),
        }
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self { font: None, font_size: 13.0, scrollback_lines: 10_000, warns_of_lines: true }
    }
}

impl From<Settings> for settings::Settings {
    fn from(file: Settings) -> Self {
        let accounts = file.accounts.into_iter().map(|(profile, account)| {
            let regions = account.favourite_regions.into_iter();
            let look = settings::AccountLook {
                label: account.label,
                colour: account.colour.as_deref().and_then(colour),
                is_hidden: false,
                regions: regions.map(|name| RegionChange { name, favourite: true }).collect(),
            };
            (profile, look)
        });
        let settings::WindowSettings(usual) = settings::WindowSettings::default();
        // Sizes lay between 8 and 32 in this version too.
        let font_size = (8..=32u8).find(|size| f64::from(*size) >= file.terminal.font_size);
        let window = settings::WindowSettings(SettingsView {
            theme: match file.theme {
                Theme::System => ThemeView::System,
                Theme::Light => ThemeView::Light,
                Theme::Dark => ThemeView::Dark,
            },
            terminal: TerminalSettings {
                font_family: file.terminal.font.unwrap_or_default(),
                font_size: font_size.unwrap_or(32),
                scrollback_lines: file.terminal.scrollback_lines,
                warn_multi_line_paste: file.terminal.warns_of_lines,
                ..usual.terminal
            },
            close_keeps_tunnels: file.keeps_tunnels,
            show_sandbox: file.shows_sandbox,
            ..usual
        });
        let window = window.within_limits();
        Self { window, accounts: accounts.collect(), added: Vec::new() }
    }
}

/// Colours were named by their role.
fn colour(role: &str) -> Option<AccountColour> {
    match role {
        "bad" => Some(AccountColour::Red),
        "warn" => Some(AccountColour::Amber),
        "ok" => Some(AccountColour::Green),
        "accent" => Some(AccountColour::Blue),
        _ => None,
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bookmarks {
    #[serde(default)]
    #[expect(dead_code, reason = "read by whoever chose this version")]
    version: u32,
    #[serde(default)]
    bookmark: Vec<Bookmark>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bookmark {
    #[serde(default)]
    id: u32,
    name: String,
    group: Option<String>,
    profile: Option<String>,
    region: Option<String>,
    node: String,
    #[serde(default)]
    starts_with_app: bool,
    /// A terminal's; together with `tunnel` a contradiction.
    document: Option<String>,
    tunnel: Option<Tunnel>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tunnel {
    host: Option<String>,
    port: u16,
    local_port: Option<u16>,
    #[serde(default)]
    bind: Vec<IpAddr>,
    #[serde(default)]
    lanes: u8,
}

impl TryFrom<Bookmarks> for now::Bookmarks {
    type Error = String;

    fn try_from(file: Bookmarks) -> Result<Self, String> {
        let mut live = Self::default();
        for bookmark in file.bookmark {
            if bookmark.document.is_some() && bookmark.tunnel.is_some() {
                return Err(format!("bookmark {} has both document and tunnel", bookmark.name));
            }
            let id = if bookmark.id == 0 { String::new() } else { bookmark.id.to_string() };
            let profile_id = ProfileId(bookmark.profile.unwrap_or_else(|| "default".to_owned()));
            let region = bookmark.region.unwrap_or_default();
            match bookmark.tunnel {
                Some(tunnel) => live.tunnels.push(now::SavedTunnel {
                    id: TunnelId(id),
                    spec: TunnelSpec {
                        group: bookmark.group,
                        remote_host: tunnel.host,
                        local_port: tunnel.local_port.unwrap_or_default(),
                        bind: bind(&tunnel.bind),
                        start_at_launch: bookmark.starts_with_app,
                        lanes: tunnel.lanes.clamp(1, TunnelSpec::MOST_LANES),
                        ..TunnelSpec::new(
                            bookmark.name,
                            profile_id,
                            region,
                            via(bookmark.node),
                            tunnel.port,
                        )
                    },
                }),
                None => live.nodes.push(NodeBookmarkView {
                    id: BookmarkId(id),
                    target: TargetView {
                        profile_id,
                        region,
                        node_id: bookmark.node,
                        node_name: bookmark.name.clone(),
                    },
                    name: bookmark.name,
                    start_at_launch: bookmark.starts_with_app,
                }),
            }
        }
        live.number();
        Ok(live)
    }
}

/// A node was an id or name, or a filter; only the filter for one tag has a successor.
fn via(node: String) -> TunnelVia {
    let tag = node.strip_prefix("tag:").and_then(|tag| tag.split_once('='));
    match tag {
        Some((key, value)) => TunnelVia::Tag { key: key.to_owned(), value: value.to_owned() },
        None => TunnelVia::Node { node_id: node },
    }
}

fn bind(addresses: &[IpAddr]) -> TunnelBind {
    match addresses.iter().find(|address| !address.is_loopback()) {
        Some(address) => TunnelBind::Address { address: address.to_string() },
        None => TunnelBind::Loopback,
    }
}

#[cfg(test)]
mod tests {
    use crate::migrate::{bookmarks, settings};
    use crate::view::{AccountColour, Theme, TunnelBind, TunnelVia};

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

    #[test]
    fn every_setting_is_taken_over() {
        let read = settings(SETTINGS).expect("read");
        let window = &read.window.0;
        assert_eq!(window.theme, Theme::Dark);
        assert!(!window.close_keeps_tunnels && !window.show_sandbox && window.restore_tabs);
        assert_eq!(
            (window.terminal.font_family.as_str(), window.terminal.font_size),
            ("Iosevka", 15)
        );
        assert_eq!(window.terminal.scrollback_lines, 5000);
        let look = &read.accounts["acme-prod"];
        assert_eq!((look.label.as_deref(), look.colour), (Some("PROD"), Some(AccountColour::Red)));
        assert!(look.regions[0].favourite && look.regions[0].name == "eu-west-1");
    }

    #[test]
    fn every_bookmark_is_taken_over() {
        let read = bookmarks(BOOKMARKS).expect("read");
        assert_eq!(read.nodes.len(), 1);
        assert_eq!(read.nodes[0].target.node_id, "web-1");
        let tunnel = &read.tunnels[0];
        assert_eq!(tunnel.id.0, "1");
        let via = TunnelVia::Tag { key: "Role".to_owned(), value: "jump".to_owned() };
        assert_eq!((&tunnel.spec.via, &tunnel.spec.bind), (&via, &TunnelBind::Loopback));
        assert_eq!((tunnel.spec.remote_port, tunnel.spec.local_port), (5432, 15432));
        assert!(tunnel.spec.start_at_launch);
        assert_eq!(tunnel.spec.lanes, 2);
    }

    #[test]
    fn a_bookmark_is_one_thing() {
        let text = "version = 1\n[[bookmark]]\nname = \"x\"\nnode = \"n\"\ndocument = \"d\"\n\
                    tunnel = { port = 1 }\n";
        let error = bookmarks(text).expect_err("both");
        assert_eq!(error, "bookmark x has both document and tunnel");
    }
}
