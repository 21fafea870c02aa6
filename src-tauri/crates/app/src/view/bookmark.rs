//! Bookmarks.

use serde::{Deserialize, Serialize};
use specta::Type;

use super::{BookmarkId, TargetView};

/// Event `bookmarksEvent`: all of it, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct BookmarksView {
    /// Favourite nodes in the order to show.
    pub nodes: Vec<NodeBookmarkView>,
    /// Tunnel groups in the order to show; groups not named here follow by name.
    pub groups: Vec<String>,
    /// Filters kept under a name.
    pub saved_views: Vec<SavedView>,
}

/// A favourite node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct NodeBookmarkView {
    /// Which one it is.
    pub id: BookmarkId,
    /// The node's name unless the user gave another.
    pub name: String,
    /// The node.
    pub target: TargetView,
    /// Opens a terminal when Adit starts.
    pub start_at_launch: bool,
}

/// A filter kept under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct SavedView {
    /// The name.
    pub name: String,
    /// The filter as typed.
    pub filter: String,
}
