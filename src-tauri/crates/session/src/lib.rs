//! Engines on tokio: terminals, commands, stdio sessions and tunnels over the data channel.

mod backoff;
mod clock;
mod control_plane;
mod error;
mod state;
mod surroundings;
mod transport;

pub use control_plane::{
    ControlError, ControlPlane, DataKeyReply, Refusal, Resumed, SessionId, StartRequest, Ticket,
    Token,
};
pub use error::{Error, Remedy, ReportedCause};
pub use state::{
    Interruption, LocalEnd, Ready, Resuming, SessionEnd, SessionState, TunnelEvent, TunnelState,
};
pub use surroundings::Disturbance;
pub use transport::{DialError, Network, Proxies};
