//! Saved nodes and tunnels, each with a name.

use uuid::Uuid;

use crate::migrate;
use crate::store::Stored;
use crate::view::{BookmarkId, BookmarksView, NodeBookmarkView, SavedView, TunnelId, TunnelSpec};

/// The bookmarks, in the user's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bookmarks {
    /// Favourite nodes.
    pub nodes: Vec<NodeBookmarkView>,
    /// Tunnel groups in the order to show.
    pub groups: Vec<String>,
    /// Filters kept under a name.
    pub saved_views: Vec<SavedView>,
    /// Tunnels.
    pub tunnels: Vec<SavedTunnel>,
}

/// A saved tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedTunnel {
    /// Which one it is; stays the same when it is changed.
    pub id: TunnelId,
    /// What it is.
    pub spec: TunnelSpec,
}

impl Bookmarks {
    /// Shows what the UI calls the bookmarks: everything but the tunnels.
    pub fn view(&self) -> BookmarksView {
        BookmarksView {
            nodes: self.nodes.clone(),
            groups: self.groups.clone(),
            saved_views: self.saved_views.clone(),
        }
    }

    /// Takes over what the UI calls the bookmarks.
    pub fn take(&mut self, view: BookmarksView) {
        let BookmarksView { nodes, groups, saved_views } = view;
        self.nodes = nodes;
        self.groups = groups;
        self.saved_views = saved_views;
    }

    /// Finds a tunnel.
    pub fn tunnel(&self, id: &TunnelId) -> Option<&SavedTunnel> {
        self.tunnels.iter().find(|tunnel| tunnel.id == *id)
    }

    /// Puts a tunnel in the place of that with its id, or at the end.
    pub fn put_tunnel(&mut self, tunnel: SavedTunnel) {
        match self.tunnels.iter_mut().find(|known| known.id == tunnel.id) {
            Some(known) => *known = tunnel,
            None => self.tunnels.push(tunnel),
        }
    }

    /// Gives ids to what was written by hand without one, or with one that is taken.
    pub(crate) fn number(&mut self) {
        let mut seen = std::collections::BTreeSet::new();
        for BookmarkId(id) in self.nodes.iter_mut().map(|node| &mut node.id) {
            renew(id, &mut seen);
        }
        seen.clear();
        for TunnelId(id) in self.tunnels.iter_mut().map(|tunnel| &mut tunnel.id) {
            renew(id, &mut seen);
        }
    }
}

fn renew(id: &mut String, seen: &mut std::collections::BTreeSet<String>) {
    if id.is_empty() || !seen.insert(id.clone()) {
        *id = Uuid::new_v4().to_string();
        seen.insert(id.clone());
    }
}

impl Stored for Bookmarks {
    const FILE: &'static str = "bookmarks.toml";

    fn from_text(text: &str) -> Result<Self, String> {
        migrate::bookmarks(text)
    }

    fn to_text(&self) -> Result<String, String> {
        migrate::bookmarks_text(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{ProfileId, TunnelVia};

    fn tunnel(id: &str, name: &str) -> SavedTunnel {
        let profile = ProfileId("acme".to_owned());
        let via = TunnelVia::Node { node_id: "i-01234567".to_owned() };
        let spec = TunnelSpec::new(name, profile, "eu-west-1", via, 80);
        SavedTunnel { id: TunnelId(id.to_owned()), spec }
    }

    #[test]
    fn ids_are_given_once_and_kept() {
        let mut bookmarks = Bookmarks {
            tunnels: vec![tunnel("", "a"), tunnel("x", "b"), tunnel("x", "c")],
            ..Bookmarks::default()
        };
        bookmarks.number();
        let ids: std::collections::BTreeSet<_> =
            bookmarks.tunnels.iter().map(|tunnel| tunnel.id.0.clone()).collect();
        assert_eq!(ids.len(), 3);
        assert_eq!(bookmarks.tunnels[1].id.0, "x");
        let before = bookmarks.clone();
        bookmarks.number();
        assert_eq!(bookmarks, before);
    }

    #[test]
    fn a_changed_tunnel_keeps_its_place() {
        let mut bookmarks =
            Bookmarks { tunnels: vec![tunnel("x", "a"), tunnel("y", "b")], ..Bookmarks::default() };
        bookmarks.put_tunnel(tunnel("x", "new name"));
        bookmarks.put_tunnel(tunnel("z", "c"));
        let names: Vec<_> = bookmarks.tunnels.iter().map(|t| t.spec.name.as_str()).collect();
        assert_eq!(names, ["new name", "b", "c"]);
    }
}
