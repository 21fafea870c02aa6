//! Version 2 of the bookmarks.

use serde::{Deserialize, Serialize};

use super::is_false;
use crate::bookmarks as now;
use crate::view::{
    BookmarkId, NodeBookmarkView, ProfileId, SavedView, TargetView, TunnelBind, TunnelId,
    TunnelSpec, TunnelVia,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::migrate) struct Bookmarks {
    #[serde(default)]
    version: u32,
    /// Tunnel groups in the order to show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    node: Vec<Node>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    view: Vec<View>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tunnel: Vec<Tunnel>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    #[serde(default)]
    id: String,
    name: String,
    profile: String,
    region: String,
    node: String,
    #[serde(default)]
    node_name: String,
    #[serde(default, skip_serializing_if = "is_false")]
    start_at_launch: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct View {
    name: String,
    filter: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tunnel {
    #[serde(default)]
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    profile: String,
    region: String,
    /// A node's id; together with `tag` a contradiction.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// `Key=value`: any online node with this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_host: Option<String>,
    remote_port: u16,
    #[serde(default)]
    local_port: u16,
    /// None: both loopback addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    bind: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    start_at_launch: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    on_demand: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_stop_minutes: Option<u16>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    lanes: u8,
}

fn one() -> u8 {
    1
}

fn is_one(lanes: &u8) -> bool {
    *lanes == 1
}

impl TryFrom<Bookmarks> for now::Bookmarks {
    type Error = String;

    fn try_from(file: Bookmarks) -> Result<Self, String> {
        let nodes = file.node.into_iter().map(|node| NodeBookmarkView {
            id: BookmarkId(node.id),
            target: TargetView {
                profile_id: ProfileId(node.profile),
                region: node.region,
                node_name: if node.node_name.is_empty() {
                    node.name.clone()
                } else {
                    node.node_name
                },
                node_id: node.node,
            },
            name: node.name,
            start_at_launch: node.start_at_launch,
        });
        let views = file.view.into_iter().map(|View { name, filter }| SavedView { name, filter });
        let tunnels = file.tunnel.into_iter().map(now::SavedTunnel::try_from);
        let mut live = Self {
            nodes: nodes.collect(),
            groups: file.groups,
            saved_views: views.collect(),
            tunnels: tunnels.collect::<Result<_, _>>()?,
        };
        live.number();
        Ok(live)
    }
}

impl TryFrom<Tunnel> for now::SavedTunnel {
    type Error = String;

    fn try_from(file: Tunnel) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("tunnel {} {what}", file.name));
        let via = match (file.node, &file.tag) {
            (Some(node_id), None) => TunnelVia::Node { node_id },
            (None, Some(tag)) => match tag.split_once('=') {
                Some((key, value)) => {
                    TunnelVia::Tag { key: key.to_owned(), value: value.to_owned() }
                }
                None => return wrong("has a tag without ="),
            },
            (Some(_), Some(_)) => return wrong("has both node and tag"),
            (None, None) => return wrong("has neither node nor tag"),
        };
        let spec = TunnelSpec {
            name: file.name,
            group: file.group,
            profile_id: ProfileId(file.profile),
            region: file.region,
            via,
            remote_host: file.remote_host,
            remote_port: file.remote_port,
            local_port: file.local_port,
            bind: match file.bind {
                Some(address) => TunnelBind::Address { address },
                None => TunnelBind::Loopback,
            },
            start_at_launch: file.start_at_launch,
            on_demand: file.on_demand,
            idle_stop_minutes: file.idle_stop_minutes,
            lanes: file.lanes.clamp(1, TunnelSpec::MOST_LANES),
        };
        Ok(Self { id: TunnelId(file.id), spec })
    }
}

impl From<&now::Bookmarks> for Bookmarks {
    fn from(live: &now::Bookmarks) -> Self {
        let nodes = live.nodes.iter().cloned().map(|bookmark| Node {
            id: bookmark.id.0,
            name: bookmark.name,
            profile: bookmark.target.profile_id.0,
            region: bookmark.target.region,
            node: bookmark.target.node_id,
            node_name: bookmark.target.node_name,
            start_at_launch: bookmark.start_at_launch,
        });
        let views = live.saved_views.iter().cloned();
        Self {
            version: 2,
            groups: live.groups.clone(),
            node: nodes.collect(),
            view: views.map(|SavedView { name, filter }| View { name, filter }).collect(),
            tunnel: live.tunnels.iter().map(Tunnel::from).collect(),
        }
    }
}

impl From<&now::SavedTunnel> for Tunnel {
    fn from(live: &now::SavedTunnel) -> Self {
        let spec = live.spec.clone();
        let (node, tag) = match spec.via {
            TunnelVia::Node { node_id } => (Some(node_id), None),
            TunnelVia::Tag { key, value } => (None, Some(format!("{key}={value}"))),
        };
        Self {
            id: live.id.0.clone(),
            name: spec.name,
            group: spec.group,
            profile: spec.profile_id.0,
            region: spec.region,
            node,
            tag,
            remote_host: spec.remote_host,
            remote_port: spec.remote_port,
            local_port: spec.local_port,
            bind: match spec.bind {
                TunnelBind::Loopback => None,
                TunnelBind::Address { address } => Some(address),
            },
            start_at_launch: spec.start_at_launch,
            on_demand: spec.on_demand,
            idle_stop_minutes: spec.idle_stop_minutes,
            lanes: spec.lanes,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::migrate::{bookmarks, bookmarks_text};

    /// As version 2 is written; never to be changed.
    const BOOKMARKS: &str = r#"
version = 2
groups = ["shop"]

[[node]]
id = "b-1"
name = "jump"
profile = "acme-prod"
region = "eu-west-1"
node = "i-0123456789abcdef0"
node_name = "db-jump"
start_at_launch = true

[[view]]
name = "Linux only"
filter = "platform:linux"

[[tunnel]]
id = "t-1"
name = "orders"
group = "shop"
profile = "acme-prod"
region = "eu-west-1"
tag = "Role=jump"
remote_host = "orders-db"
remote_port = 5432
local_port = 15432
bind = "192.168.1.5"
start_at_launch = true
on_demand = true
idle_stop_minutes = 10
lanes = 4
"#;

    #[test]
    fn every_bookmark_survives() {
        let read = bookmarks(BOOKMARKS).expect("read");
        let written = bookmarks_text(&read).expect("written");
        let body = written.split_once("\n\n").map_or("", |(_, body)| body);
        assert_eq!(body.trim(), BOOKMARKS.trim());
    }

    #[test]
    fn lanes_out_of_bounds_are_brought_within() {
        for (written, read) in [("", 1), ("lanes = 0\n", 1), ("lanes = 99\n", 16)] {
            let text = format!(
                "[[tunnel]]\nname = \"x\"\nprofile = \"p\"\nregion = \"r\"\nremote_port = 1\n\
                 node = \"i\"\n{written}"
            );
            assert_eq!(bookmarks(&text).expect("read").tunnels[0].spec.lanes, read, "{written}");
        }
    }

    #[test]
    fn a_tunnel_leads_through_one_thing() {
        let tunnel = |more: &str| {
            format!(
                "[[tunnel]]\nname = \"x\"\nprofile = \"p\"\nregion = \"r\"\nremote_port = 1\n{more}"
            )
        };
        let error = bookmarks(&tunnel("node = \"i\"\ntag = \"a=b\"\n")).expect_err("both");
        assert_eq!(error, "tunnel x has both node and tag");
        let error = bookmarks(&tunnel("")).expect_err("neither");
        assert_eq!(error, "tunnel x has neither node nor tag");
    }
}
