//! What a data channel has to tell.

use std::fmt;

use bytes::Bytes;

use crate::payload::SessionFlag;
use crate::version::AgentVersion;

/// Something the owner of a [`DataChannel`](crate::DataChannel) should know.
///
/// Prints no bytes of the session.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// Data may flow from here on.
    Ready(Ready),
    /// The agent wants the session encrypted. Answer with
    /// [`provide_data_key`](crate::DataChannel::provide_data_key) or
    /// [`refuse_data_key`](crate::DataChannel::refuse_data_key) within 10 s: the agent gives up
    /// after 15 s.
    DataKeyWanted {
        /// The KMS key to make the data key with.
        key_id: String,
        /// If there is one, the encryption context must hold it verbatim as
        /// `aws:ssm:RandomChallenge`.
        challenge: Option<String>,
    },
    /// Bytes of the terminal, the command's standard output, the connection or the mux.
    Output(Bytes),
    /// Standard error of a non-interactive command.
    StdErr(Bytes),
    /// Exit status of a non-interactive command.
    ExitCode(i32),
    /// A flag from the agent.
    Flag(SessionFlag),
    /// The agent has acted on a flag of ours.
    FlagAcknowledged(SessionFlag),
    /// The far end is away: nothing new is sent until it is back.
    Paused,
    /// The far end is back.
    Unpaused,
    /// [`input_capacity`](crate::DataChannel::input_capacity) was exhausted and no longer is.
    Writable,
    /// The far end let a time pass. Told once per connection; the channel goes on.
    Overdue(Overdue),
    /// The path takes messages with this many user bytes; they are used from here on.
    PayloadProven {
        /// User bytes.
        bytes: usize,
    },
    /// The path does not take messages with this many user bytes, or two websockets in a row
    /// broke before it answered, or it did not answer at all. The limit is back at what is
    /// proven; nothing is lost.
    PayloadRefused {
        /// User bytes.
        bytes: usize,
    },
    /// The session is over. No event follows.
    Closed {
        /// The service's or agent's words; empty after a normal end.
        output: String,
    },
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(ready) => f.debug_tuple("Ready").field(ready).finish(),
            Self::DataKeyWanted { key_id, .. } => {
                f.debug_struct("DataKeyWanted").field("key_id", key_id).finish_non_exhaustive()
            }
            Self::Output(bytes) => write!(f, "Output({} bytes)", bytes.len()),
            Self::StdErr(bytes) => write!(f, "StdErr({} bytes)", bytes.len()),
            Self::ExitCode(status) => f.debug_tuple("ExitCode").field(status).finish(),
            Self::Flag(flag) => f.debug_tuple("Flag").field(flag).finish(),
            Self::FlagAcknowledged(flag) => f.debug_tuple("FlagAcknowledged").field(flag).finish(),
            Self::Paused => f.write_str("Paused"),
            Self::Unpaused => f.write_str("Unpaused"),
            Self::Writable => f.write_str("Writable"),
            Self::Overdue(overdue) => f.debug_tuple("Overdue").field(overdue).finish(),
            Self::PayloadProven { bytes } => write!(f, "PayloadProven({bytes})"),
            Self::PayloadRefused { bytes } => write!(f, "PayloadRefused({bytes})"),
            Self::Closed { output } => f.debug_struct("Closed").field("output", output).finish(),
        }
    }
}

/// What became known by the end of the opening talk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Absent if there was no handshake.
    pub agent_version: Option<AgentVersion>,
    /// How to behave. Without a handshake: a shell.
    pub kind: SessionKind,
    /// Text for the user, such as a notice about encryption; may be empty.
    pub customer_message: String,
    /// Whether payloads are sealed with a data key.
    pub encrypted: bool,
}

/// The kind of a session, as the agent's handshake says, never the document's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// `Standard_Stream`: a shell on a terminal.
    Shell,
    /// `InteractiveCommands`: a command on a terminal.
    InteractiveCommand,
    /// `NonInteractiveCommands`: a command without a terminal.
    NonInteractiveCommand,
    /// `Port`: bytes to a TCP destination.
    Port(PortProperties),
}

/// What a port session's document resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortProperties {
    /// How connections share the session.
    pub kind: PortKind,
    /// The destination's port, as the document gives it.
    pub port_number: String,
    /// The destination's host; the node itself if absent.
    pub host: Option<String>,
    /// Where the document wants the client to listen.
    pub local: LocalEndpoint,
}

/// How connections share a port session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortKind {
    /// Many at once, in a mux.
    Mux,
    /// One after the other: the agent or the client is too old for a mux.
    Single,
    /// One for the whole session (SSH).
    Stdio,
}

/// Where a port session's document wants the client to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalEndpoint {
    /// A TCP port; 0 for any.
    Tcp(u16),
    /// A unix socket at this path.
    Unix(String),
}

/// What has not happened in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overdue {
    /// No sign of the agent for 30 s after the opening: it may never have got the session.
    FirstFrame,
    /// Not ready 40 s after the opening. An interactive command that prints nothing looks just
    /// like this.
    Ready,
}
