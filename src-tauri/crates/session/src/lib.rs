//! Sessions that last: terminals, commands, stdio sessions and tunnels over the data channel, on
//! tokio.
//!
//! [`Engine`] is the entry. It opens things through a [`ControlPlane`], the one face of an
//! account this room knows, and answers with a handle at once; the handle's state tells how it
//! goes. [`protocol`] decides, this room moves bytes and timers.
//!
//! What holds here, whatever happens:
//!
//! * A lost websocket is not a lost session. Every interruption is answered by `ResumeSession`,
//!   for as long as that is answered; only the service or the agent ends a session.
//! * Every session started is terminated at the service when its owner is done with it, on every
//!   way out, including a dropped future and a start nobody waited for.
//! * One task owns a session: its websocket, its channel, its timers. Others hold queues to it,
//!   all bounded. A consumer that is slow holds back the far side, not memory.
//! * A tunnel's port is bound before its first session is started and kept until the wish for it
//!   ends. A connection that cannot be served is reset, never ended as if all were said.
//! * What to do after an error is in its [`Remedy`], never in its text.
//! * Nothing here reads credentials, knows the SDK, or logs a payload or a token.

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
pub use tunnel::{LocalSpec, MOST_LANES, TunnelDocument, TunnelHandle, TunnelSpec, TunnelStats};
