//! What the UI may see. Serde and specta only.
//!
//! Times are milliseconds since the Unix epoch, sizes are bytes, rates are bytes per second.

use serde::{Deserialize, Serialize};
use specta::Type;

mod bookmark;
mod inventory;
mod notice;
mod profile;
mod settings;
mod terminal;
mod tunnel;
mod workspace;

pub use bookmark::{BookmarksView, NodeBookmarkView, SavedView};
pub use inventory::{
    CheckOutcome, CheckView, CommandResultView, DiagnosisView, InventoryState, InventoryView,
    NodePlatform, NodeView, PingState, SessionRecordView, TargetView,
};
pub use notice::{IntentView, NoticeView, Severity};
pub use profile::{
    AccountColour, AccountRequest, ProfileChange, ProfileKind, ProfileView, ProfilesView,
    RegionChange, RegionView, SignInPageView, SignInState,
};
pub use settings::{CursorStyle, Density, SettingsView, TerminalSettings, Theme};
pub use terminal::{
    EndReason, InputEncoding, StartStep, TerminalSize, TerminalState, TerminalStateView,
};
pub use tunnel::{
    PortCheckView, TunnelBind, TunnelLogView, TunnelSpec, TunnelState, TunnelTraffic,
    TunnelTrafficView, TunnelVia, TunnelView,
};
pub use workspace::{
    ColumnView, PaneView, ScopeView, SortView, SplitDirection, TabView, WorkspaceView,
};

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Type)]
        pub struct $name(
            /// As it is told apart.
            pub String,
        );
    };
}

id! {
    /// An account in the scope list: one AWS profile, or one sandbox account.
    ProfileId
}
id! {
    /// A terminal. Made by the UI (a UUID), so that a tab can keep it across restarts.
    TerminalId
}
id! {
    /// A tunnel, made by the app when it is first saved.
    TunnelId
}
id! {
    /// A bookmark on a node.
    BookmarkId
}
id! {
    /// A notice.
    NoticeId
}

/// Everything the UI needs to paint its first frame. Asked for once, after subscribing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotView {
    /// Version of the app, for the About line.
    pub version: String,
    /// Decides the modifier key and the words for it.
    pub platform: PlatformView,
    /// Every account.
    pub profiles: ProfilesView,
    /// What is remembered of every region of the saved scope, at once and without the network.
    pub inventories: Vec<InventoryView>,
    /// Favourite nodes, groups and saved views.
    pub bookmarks: BookmarksView,
    /// Every tunnel.
    pub tunnels: Vec<TunnelView>,
    /// The settings.
    pub settings: SettingsView,
    /// How the window was left.
    pub workspace: WorkspaceView,
    /// Notices raised before the window was there, such as a settings file set aside.
    pub notices: Vec<NoticeView>,
}

/// The system Adit runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum PlatformView {
    /// Linux.
    Linux,
    /// macOS.
    Macos,
    /// Windows.
    Windows,
}

/// A failure in words. `message` is whole sentences: what failed, on what, why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct AppError {
    /// Which kind it is.
    pub code: ErrorCode,
    /// Whole sentences.
    pub message: String,
    /// The service's own code, message and request id, one per line. Shown behind a disclosure.
    pub detail: Option<String>,
}

/// A code exists only if the UI acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum ErrorCode {
    /// The Identity Center sign-in of the profile is missing or over.
    SignInExpired,
    /// The profile has no credentials, or AWS does not know them.
    CredentialsInvalid,
    /// The caller may not do this.
    AccessDenied,
    /// AWS asks to slow down.
    Throttled,
    /// No network, no name, no route, a proxy that refuses, a TLS failure.
    Unreachable,
    /// The node's agent is not connected (TargetNotConnected).
    NodeNotConnected,
    /// The session can't be taken up again; a new one can.
    SessionEnded,
    /// The session document is missing or does not fit.
    DocumentInvalid,
    /// The session's encryption key can't be used.
    EncryptionRefused,
    /// The agent is too old for what was asked.
    AgentTooOld,
    /// The far end of a tunnel refused or did not answer.
    RemoteRefused,
    /// The local port is taken by another program.
    PortTaken,
    /// The local port or address may not be used by this user.
    PortForbidden,
    /// The system keyring can't be used.
    KeyringUnavailable,
    /// A file of ours did not parse and was set aside.
    FileSetAside,
    /// A file of ours can't be written.
    FileUnwritable,
    /// The AWS config file can't be read or does not parse.
    ConfigInvalid,
    /// What was asked for is gone: a tunnel, a bookmark, a node.
    NotFound,
    /// An argument does not hold; `message` says which and why.
    Invalid,
    /// The sandbox could not start.
    SandboxUnavailable,
    /// A fault of ours or of the peer.
    Internal,
}

impl AppError {
    /// Says whether nothing but credentials is missing.
    pub fn wants_sign_in(&self) -> bool {
        matches!(self.code, ErrorCode::SignInExpired | ErrorCode::CredentialsInvalid)
    }
}
