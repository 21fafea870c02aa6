//! What the peer did wrong.

use crate::message::DecodeError;
use crate::mux::frame::FrameError;
use crate::payload::{BodyError, PayloadType};
use crate::seal::OpenError;

/// The peer broke the protocol. The session cannot go on: its streams can no longer be trusted.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// A websocket message is longer than any end has reason to send.
    #[error("a frame of {len} bytes is longer than {limit}")]
    Oversized {
        /// Its length.
        len: usize,
        /// The longest accepted.
        limit: usize,
    },
    /// A websocket message is no data-channel message.
    #[error("a frame is no message: {0}")]
    Frame(#[from] DecodeError),
    /// Stream data carries a sequence number below 0.
    #[error("stream data has the sequence number {sequence}")]
    NegativeSequence {
        /// The number.
        sequence: i64,
    },
    /// A JSON payload is malformed.
    #[error("{0}")]
    Body(#[from] BodyError),
    /// A payload type that is not allowed at this point of the session.
    #[error("{payload_type:?} arrived while {phase}")]
    OutOfState {
        /// The payload type.
        payload_type: PayloadType,
        /// What the session was doing.
        phase: &'static str,
    },
    /// A handshake request names no session type.
    #[error("the handshake request names no session type")]
    NoSessionType,
    /// A handshake request asks for one thing twice.
    #[error("the handshake request asks for {action} twice")]
    RepeatedAction {
        /// The action.
        action: &'static str,
    },
    /// A port session's properties are not usable.
    #[error("the port session's property {property} is malformed")]
    Property {
        /// The property's key.
        property: &'static str,
    },
    /// An encrypted payload does not open.
    #[error("{payload_type:?} {sequence}: {source}")]
    Seal {
        /// The payload type.
        payload_type: PayloadType,
        /// Its sequence number.
        sequence: i64,
        /// Why.
        source: OpenError,
    },
    /// An `ExitCode` payload is not `EXIT_CODE: <n>`.
    #[error("an exit status is not of the form `EXIT_CODE: <n>`")]
    ExitCode,
    /// The mux byte stream is broken.
    #[error("{0}")]
    Mux(#[from] FrameError),
}
