//! Engines on tokio: terminals, commands, stdio sessions and tunnels over the data channel.

mod control_plane;

pub use control_plane::{
    ControlError, ControlPlane, DataKeyReply, Refusal, Resumed, SessionId, StartRequest, Ticket,
    Token,
};
