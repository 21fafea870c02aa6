//! What belongs to no place on screen.

use serde::{Deserialize, Serialize};
use specta::Type;

use super::{AppError, NoticeId, ProfileId, TargetView, TerminalId, TunnelId};

/// Event `noticeEvent`: something to say that belongs to no place on screen. A notice with the
/// id of an earlier one takes its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct NoticeView {
    /// Which one it is.
    pub id: NoticeId,
    /// How much it matters.
    pub severity: Severity,
    /// The words.
    pub text: String,
    /// Chooses the title, the advice and the button; none: plain words.
    pub error: Option<AppError>,
    /// The account the error is about, for Sign in.
    pub profile_id: Option<ProfileId>,
}

/// How much something matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Went well.
    Good,
    /// Needs a look.
    Warn,
    /// Went wrong.
    Bad,
}

/// Event `intentEvent`: the tray, a notification's button or a second start asks for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum IntentView {
    /// Open a terminal.
    OpenTerminal {
        /// What it leads to.
        target: TargetView,
    },
    /// Show a terminal.
    ShowTerminal {
        /// Which one it is.
        id: TerminalId,
    },
    /// Show a tunnel.
    ShowTunnel {
        /// Which one it is.
        id: TunnelId,
    },
    /// Show the settings.
    ShowSettings,
    /// Start a sign-in.
    SignIn {
        /// The account.
        profile_id: ProfileId,
    },
}
