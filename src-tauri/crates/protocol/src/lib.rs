//! The data channel of AWS Session Manager: its wire and its rules.
//!
//! A [`DataChannel`] is the client's end of one session. It survives its websocket: what is
//! unacknowledged is kept, and sent again on the next one. A [`Port`] carries local connections
//! over a port session's channel. Around them lies the wire, for both ends: [`Message`], the
//! payload bodies, [`Seal`] for encrypted sessions, [`mux::frame`].
//!
//! There is no IO here, no clock, no randomness, no async. Time is an argument, random bytes are
//! the [`ChannelConfig::seed`], and the data key of an encrypted session is asked for by event
//! and given by command. So a run repeats exactly, and two ends can be stepped through hours of
//! faults in a millisecond (`tests/simulation`).
//!
//! Every method is one of four kinds: getters; `handle_*`, which says what happened outside;
//! commands, which say what the user wants; and `poll_*`, which asks what to do next. After any
//! of the second and third kind, everything is polled again:
//!
//! ```
//! use std::time::Instant;
//!
//! use protocol::{ChannelConfig, DataChannel, Event};
//!
//! # let (uuid, seed) = (uuid::Uuid::nil(), [0; 32]);
//! # fn websocket_send(_: &[u8]) {}
//! # fn websocket_has_room() -> bool { true }
//! # let now = Instant::now();
//! let config = ChannelConfig::new("1.2.764.0", uuid, seed, (now, 1_700_000_000_000));
//! let mut channel = DataChannel::new(config);
//!
//! // A websocket is open: the opening text goes first, then whatever the channel has to send.
//! websocket_send(channel.opening("the token").as_bytes());
//! channel.handle_connected(now);
//! channel.send_size(80, 24);
//! while websocket_has_room() {
//!     let Some(frame) = channel.poll_transmit(now) else { break };
//!     websocket_send(&frame);
//! }
//! while let Some(event) = channel.poll_event() {
//!     match event {
//!         Event::Output(bytes) => println!("{} bytes for the terminal", bytes.len()),
//!         Event::Closed { output } => println!("the session is over: {output}"),
//!         _ => {}
//!     }
//! }
//! if let Some((at, why)) = channel.poll_timeout() {
//!     println!("call handle_timeout at {at:?}, for {why}");
//! }
//! ```
//!
//! # What holds
//!
//! * What goes in comes out once and in order, whatever the path loses, repeats, delays, reorders
//!   or cuts. Nothing is given up by count and nothing is evicted.
//! * Every reception of stream data is acknowledged, a duplicate's too: the agent stays at its
//!   oldest unacknowledged message for ever. Only what there is no room for is not.
//! * A number is given to a message at the moment it is sent, and belongs to those bytes from
//!   then on; the one exception is described at [`DataChannel::set_payload_limit`].
//! * Everything held is bounded in bytes and in number, and whoever is in front of a full buffer
//!   is told ([`SendError`], [`PortError`]) or asked to send again (the agent).
//! * No byte from outside can cause a panic. A peer that breaks the protocol ends its session with
//!   a [`PeerError`] that names what it did.
//! * Between a handshake request and its completion nothing is sent but the answers to it, and
//!   never an empty payload: agents fall over both.
//! * An encrypted session never goes on in clear text, and keys are wiped when it ends. Nothing
//!   prints payloads, tokens or keys.
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
pub use mux::segment::{Outgoing, Segment};
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
