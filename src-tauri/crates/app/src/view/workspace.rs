//! How the window was left.

use serde::{Deserialize, Serialize};
use specta::Type;

use super::{ProfileId, TargetView, TerminalId};

/// How the window was left. The UI alone writes it; the app only keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceView {
    /// What was looked at.
    pub scope: ScopeView,
    /// Pixels.
    pub sidebar_width: u16,
    /// The sidebar is folded.
    pub sidebar_collapsed: bool,
    /// The detail drawer is open.
    pub drawer_open: bool,
    /// Columns of the node table in order; the ones not named are not shown.
    pub columns: Vec<ColumnView>,
    /// Order of the node table.
    pub sort: SortView,
    /// The tabs in order.
    pub tabs: Vec<TabView>,
    /// Id of the tab in front, or `nodes` or `tunnels`.
    pub active_tab: String,
    /// Ids of palette entries, last used first, at most 30.
    pub recent: Vec<String>,
    /// One-time hints that were closed.
    pub hints_closed: Vec<String>,
}

/// Which nodes are looked at. Both none: everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct ScopeView {
    /// None: all accounts.
    pub profile_id: Option<ProfileId>,
    /// None: all regions of them.
    pub region: Option<String>,
}

/// A column of the node table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct ColumnView {
    /// A column of the UI, or `tag:<Key>`.
    pub id: String,
    /// Pixels.
    pub width: u16,
}

/// Order of the node table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct SortView {
    /// By which column.
    pub column: String,
    /// Largest first.
    pub descending: bool,
}

/// A tab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct TabView {
    /// Which one.
    pub id: String,
    /// Given by the user; none: the node's name.
    pub title: Option<String>,
    /// Its panes.
    pub root: PaneView,
}

/// A tab's panes: a tree of splits.
#[expect(clippy::use_self, reason = "within what specta derives, Self is something else")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PaneView {
    /// A terminal.
    Terminal {
        /// Which one.
        id: TerminalId,
        /// The node.
        target: TargetView,
    },
    /// Two panes.
    Split {
        /// Where the second is.
        direction: SplitDirection,
        /// Share of the first.
        ratio_percent: u8,
        /// The first.
        first: Box<PaneView>,
        /// The second.
        second: Box<PaneView>,
    },
}

/// Where the second pane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum SplitDirection {
    /// On the right.
    Right,
    /// Below.
    Down,
}
