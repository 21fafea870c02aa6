//! Saved targets and tunnels, each with a name.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::migrate;
use crate::store::Stored;

/// The bookmarks, in the user's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bookmarks {
    bookmarks: Vec<Bookmark>,
}

/// Tells bookmarks apart; stays the same when one is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BookmarkId(pub u32);

impl fmt::Display for BookmarkId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A saved target or tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bookmark {
    /// Which one it is; given by [`Bookmarks::add`].
    pub id: BookmarkId,
    /// What the user calls it.
    pub name: String,
    /// The group it is shown in.
    pub group: Option<String>,
    /// The profile; none means the one the AWS command line would take.
    pub profile: Option<String>,
    /// The region; none means the profile's.
    pub region: Option<String>,
    /// The node, as [`crate::Account::find`] takes it: an id, a name, or a filter.
    pub node: String,
    /// What it opens.
    pub kind: BookmarkKind,
    /// Whether it opens with the app.
    pub starts_with_app: bool,
}

/// What a bookmark opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookmarkKind {
    /// A terminal.
    Terminal {
        /// A document other than the account's default shell.
        document: Option<String>,
    },
    /// A tunnel.
    Tunnel(TunnelPlan),
}

/// Where a tunnel leads and where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelPlan {
    /// The host beyond the node; none means the node itself.
    pub host: Option<String>,
    /// The port over there.
    pub port: u16,
    /// The port here; none means any that is free.
    pub local_port: Option<u16>,
    /// The addresses to listen on; none means loopback.
    pub bind: Vec<IpAddr>,
    /// Sessions that parallel connections are spread over.
    pub lanes: u8,
}

impl Bookmarks {
    /// Takes a list; ids that are missing (0) or taken twice are given anew.
    pub(crate) fn from_list(list: Vec<Bookmark>) -> Self {
        let mut given: BTreeSet<BookmarkId> = list.iter().map(|bookmark| bookmark.id).collect();
        let mut seen = BTreeSet::new();
        let renumber = |mut bookmark: Bookmark| {
            if bookmark.id.0 == 0 || !seen.insert(bookmark.id) {
                bookmark.id = free_id(&given);
                given.insert(bookmark.id);
                seen.insert(bookmark.id);
            }
            bookmark
        };
        Self { bookmarks: list.into_iter().map(renumber).collect() }
    }

    /// Shows the bookmarks in the user's order.
    pub fn list(&self) -> &[Bookmark] {
        &self.bookmarks
    }

    /// Finds one.
    pub fn find(&self, id: BookmarkId) -> Option<&Bookmark> {
        self.bookmarks.iter().find(|bookmark| bookmark.id == id)
    }

    /// Adds one at the end, under a new id.
    pub fn add(&mut self, bookmark: Bookmark) -> BookmarkId {
        let id = free_id(&self.bookmarks.iter().map(|bookmark| bookmark.id).collect());
        self.bookmarks.push(Bookmark { id, ..bookmark });
        id
    }

    /// Puts one in the place of that with its id; answers whether there was one.
    pub fn replace(&mut self, bookmark: Bookmark) -> bool {
        let known = self.bookmarks.iter_mut().find(|known| known.id == bookmark.id);
        known.map(|known| *known = bookmark).is_some()
    }

    /// Removes one; answers it, so that it can be put back.
    pub fn remove(&mut self, id: BookmarkId) -> Option<Bookmark> {
        let index = self.bookmarks.iter().position(|bookmark| bookmark.id == id)?;
        Some(self.bookmarks.remove(index))
    }

    /// Moves one to a place in the order; beyond the end means last.
    pub fn place(&mut self, id: BookmarkId, index: usize) {
        if let Some(bookmark) = self.remove(id) {
            self.bookmarks.insert(index.min(self.bookmarks.len()), bookmark);
        }
    }
}

/// The number after the highest, so that those of removed bookmarks rest; after the last number
/// there is, the lowest free.
fn free_id(given: &BTreeSet<BookmarkId>) -> BookmarkId {
    let highest = given.last().map_or(0, |id| id.0);
    let after = highest.checked_add(1).map(BookmarkId);
    let free = || (1..u32::MAX).map(BookmarkId).find(|id| !given.contains(id));
    after.or_else(free).expect("there are fewer bookmarks than numbers")
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

    fn bookmark(id: u32, name: &str) -> Bookmark {
        Bookmark {
            id: BookmarkId(id),
            name: name.into(),
            group: None,
            profile: None,
            region: None,
            node: "web-1".into(),
            kind: BookmarkKind::Terminal { document: None },
            starts_with_app: false,
        }
    }

    fn names(bookmarks: &Bookmarks) -> Vec<&str> {
        bookmarks.list().iter().map(|bookmark| bookmark.name.as_str()).collect()
    }

    #[test]
    fn ids_are_given_once_and_kept() {
        let list = vec![bookmark(0, "a"), bookmark(3, "b"), bookmark(3, "c")];
        let mut bookmarks = Bookmarks::from_list(list);
        let ids: Vec<_> = bookmarks.list().iter().map(|b| b.id.0).collect();
        assert_eq!(ids, [4, 3, 5]);
        assert_eq!(bookmarks.add(bookmark(0, "d")), BookmarkId(6));
    }

    #[test]
    fn the_last_number_there_is_may_be_taken() {
        let mut bookmarks = Bookmarks::from_list(vec![bookmark(u32::MAX, "a"), bookmark(0, "b")]);
        let ids: Vec<_> = bookmarks.list().iter().map(|b| b.id.0).collect();
        assert_eq!(ids, [u32::MAX, 1]);
        assert_eq!(bookmarks.add(bookmark(0, "c")), BookmarkId(2));
    }

    #[test]
    fn the_order_is_the_user_s() {
        let mut bookmarks =
            Bookmarks::from_list(vec![bookmark(1, "a"), bookmark(2, "b"), bookmark(3, "c")]);
        bookmarks.place(BookmarkId(3), 0);
        assert_eq!(names(&bookmarks), ["c", "a", "b"]);
        bookmarks.place(BookmarkId(3), 9);
        assert_eq!(names(&bookmarks), ["a", "b", "c"]);
        assert!(bookmarks.replace(bookmark(2, "B")));
        assert!(!bookmarks.replace(bookmark(9, "x")));
        assert_eq!(bookmarks.remove(BookmarkId(1)).map(|b| b.name), Some("a".into()));
        assert_eq!(names(&bookmarks), ["B", "c"]);
    }
}
