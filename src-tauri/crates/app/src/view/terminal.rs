//! Terminals.

use serde::{Deserialize, Serialize};
use specta::Type;

use super::{AppError, TargetView, TerminalId};

/// Event `terminalStateEvent`: one terminal, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct TerminalStateView {
    /// Which one it is.
    pub id: TerminalId,
    /// The node.
    pub target: TargetView,
    /// Where it stands.
    pub state: TerminalState,
    /// Whom the shell runs as on the node: `ssm-user`, once the account's preferences say that it
    /// is nobody else. None where they leave that to tags of the caller.
    pub user: Option<String>,
    /// When AWS will end the session if nothing is typed or printed.
    pub idle_end_ms: Option<u64>,
    /// The Session Manager session of the moment.
    pub session_id: Option<String>,
}

/// `starting → connected ⇄ reconnecting`, any → `waiting | ended | failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TerminalState {
    /// On its way.
    Starting {
        /// How far it has come.
        step: StartStep,
    },
    /// Bytes flow both ways.
    Connected,
    /// Same session; what is typed is kept.
    Reconnecting {
        /// How many tries were made.
        attempt: u32,
        /// When the next try is made; none while one is under way.
        retry_ms: Option<u64>,
        /// Short cause without a full stop: `Network changed`.
        cause: String,
    },
    /// The user must act (sign in); goes on by itself after that.
    Waiting {
        /// What went wrong.
        error: AppError,
    },
    /// Over, and nothing is wrong.
    Ended {
        /// Why.
        reason: EndReason,
    },
    /// It could not be started, or broke.
    Failed {
        /// What went wrong.
        error: AppError,
    },
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum StartStep {
    /// StartSession is under way.
    Session,
    /// The session is there, the agent has not answered yet.
    Agent,
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EndReason {
    /// The shell ended.
    Exited,
    /// Nobody typed or printed for so long.
    IdleTimeout {
        /// The limit.
        minutes: u32,
    },
    /// The longest duration allowed was reached.
    MaxDuration,
    /// Ended by someone else, at the console or by an API call.
    Terminated,
    /// The session was lost and can't be taken up again.
    Lost,
}

/// Size in character cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct TerminalSize {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// How `data` of `terminal_write` becomes bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum InputEncoding {
    /// As text.
    Utf8,
    /// Each UTF-16 unit is one byte (old mouse reports).
    Binary,
}
