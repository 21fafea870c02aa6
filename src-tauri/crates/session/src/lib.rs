//! Engines on tokio: terminals, commands, stdio sessions and tunnels over the data channel.

mod attach;
mod backoff;
mod clock;
mod command;
mod connection;
mod control_plane;
mod driver;
mod engine;
mod error;
mod load;
mod outflow;
mod payloads;
mod port_session;
mod registry;
mod state;
mod stdio;
mod surroundings;
mod terminal;
#[cfg(test)]
mod testing;
mod transport;
mod tunnel;

pub use attach::{AttachSpec, Attached, PortSession};
pub use command::{CommandHandle, CommandOutput, CommandSpec};
pub use control_plane::{
    ControlError, ControlPlane, DataKeyReply, Refusal, Resumed, SessionId, StartRequest, Ticket,
    Token,
};
pub use engine::{CLIENT_VERSION, Engine, EngineConfig};
pub use error::{Error, Remedy, ReportedCause};
pub use outflow::{OutputFlow, Piece, Stream};
pub use payloads::PayloadSize;
pub use registry::{Ledger, LiveSession, NoLedger};
pub use state::{
    Interruption, LocalEnd, Ready, Resuming, SessionEnd, SessionState, TunnelEvent, TunnelState,
};
pub use stdio::{StdioHandle, StdioOutput, StdioSpec};
pub use surroundings::Disturbance;
pub use terminal::{TerminalHandle, TerminalOutput, TerminalSize, TerminalSpec};
pub use transport::{DialError, Network, Proxies};
pub use tunnel::{LocalSpec, TunnelDocument, TunnelHandle, TunnelSpec, TunnelStats};
