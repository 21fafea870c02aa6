//! What the client's stream data goes into.

use bytes::Bytes;
use protocol::PayloadType;

use super::basic::BasicInput;
use super::command::CommandInput;
use super::mux::MuxInput;
use super::terminal::TerminalInput;

/// How a message fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handled {
    /// Taken; to be acknowledged.
    Done,
    /// The program is not there yet; the client sends it again.
    NotReady,
    /// It cannot be taken, now or later; never acknowledged.
    Failed,
    /// The real agent's reader does not survive it.
    Dead,
}

/// The input of the program a session runs.
pub(super) enum Input {
    Terminal(TerminalInput),
    Command(CommandInput),
    Basic(BasicInput),
    Mux(MuxInput),
}

impl Input {
    /// Handles one payload; waits while the program takes nothing.
    pub(super) async fn handle(&mut self, kind: PayloadType, payload: Bytes) -> Handled {
        match self {
            Self::Terminal(input) => input.handle(kind, payload).await,
            Self::Command(input) => input.handle(kind, payload).await,
            Self::Basic(input) => input.handle(kind, payload).await,
            Self::Mux(input) => input.handle(kind, payload).await,
        }
    }
}
