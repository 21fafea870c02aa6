//! The data channel of AWS Session Manager: its wire and its rules, with no IO, no clock, no
//! randomness of its own and no async.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![cfg_attr(
    test,
    expect(clippy::indexing_slicing, reason = "a test that goes out of bounds has failed")
)]

mod channel;
mod error;
mod event;
mod handshake;
#[cfg(test)]
mod hex;
mod inbox;
mod message;
pub mod mux;
mod outbox;
mod payload;
mod port;
mod rate;
mod reader;
mod rtt;
mod seal;
mod version;

pub use channel::config::{ChannelConfig, DEFAULT_PAYLOAD_LIMIT, RateConfig, WindowConfig};
pub use channel::{ChannelStats, DataChannel, SendError};
pub use error::PeerError;
pub use event::{Event, LocalEndpoint, Overdue, PortKind, PortProperties, Ready, SessionKind};
pub use message::{DecodeError, Flags, HEADER_LEN, Message, MessageType};
pub use outbox::{Input, InputBuffer};
pub use payload::{
    AcknowledgeBody, ActionStatus, AgentSessionStateBody, BodyError, ChallengeBody,
    ChannelClosedBody, HandshakeComplete, HandshakeRequest, HandshakeResponse, KmsEncryptionResult,
    OpenDataChannel, PayloadType, ProcessedAction, RequestedAction, SessionFlag, SizeBody,
    encode_exit_code, parse_exit_code,
};
pub use port::{Port, PortConfig, PortError, PortEvent, PortTransmit};
pub use seal::{DATA_KEY_LEN, DataKey, DataKeyLength, OpenError, SEAL_OVERHEAD, Seal};
pub use version::{AgentVersion, compare_agent_rule};
