//! The states a user can see, and why a websocket was lost.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::control_plane::SessionId;
use crate::error::Error;

/// Where a session stands. Terminals, commands and stdio sessions show this.
///
/// ```text
/// Starting ─StartSession→ Opening ─handshake or first output→ Ready ⇄ Resuming
///     │                      │  ⇄ Resuming                      │        │
///     └──────────────────────┴───────────── Ended ──────────────┴────────┘
/// ```
#[derive(Clone, Debug)]
pub enum SessionState {
    /// The service has been asked for a session.
    Starting,
    /// The session exists; its data channel is being opened.
    Opening {
        /// The session.
        session_id: SessionId,
    },
    /// Bytes flow both ways.
    Ready(Ready),
    /// The websocket was lost. Nothing else is: input waits, and output follows.
    Resuming(Resuming),
    /// The session is over, for the reason kept here.
    Ended(SessionEnd),
}

/// What is known of a session once bytes flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The session.
    pub session_id: SessionId,
    /// The agent's version, which plain shells never tell.
    pub agent_version: Option<String>,
    /// The account's message to its users; empty when there is none.
    pub customer_message: String,
    /// Whether payloads are sealed with a KMS data key.
    pub is_encrypted: bool,
    /// Whether the agent's own end is away for the moment, so that output stands still.
    pub is_paused: bool,
}

/// A session whose websocket was lost.
#[derive(Clone, Debug)]
pub struct Resuming {
    /// The session.
    pub session_id: SessionId,
    /// Since when, on tokio's clock.
    pub since: Instant,
    /// How many attempts have been made.
    pub attempt: u32,
    /// When the next attempt is made, or none while one is under way.
    pub retry_at: Option<Instant>,
    /// What broke the websocket.
    pub interruption: Interruption,
    /// Why the last attempt failed. Its remedy says whether the user is needed.
    pub error: Option<Arc<Error>>,
}

impl Resuming {
    /// Says why it has not resumed yet: the last attempt's error, or else what broke the
    /// websocket.
    pub fn cause(&self) -> String {
        match &self.error {
            Some(error) => error.to_string(),
            None => self.interruption.to_string(),
        }
    }
}

/// Why a websocket is no longer of use. Never the end of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The gateway closed it, as it does about once an hour.
    Closed {
        /// The close code, if it gave one.
        code: Option<u16>,
        /// Its words.
        reason: String,
    },
    /// The connection broke.
    Broken {
        /// What the operating system or the library said.
        reason: String,
    },
    /// Nothing arrived while a ping was outstanding.
    Silent,
    /// It could not be opened in the first place.
    Undialled,
}

impl fmt::Display for Interruption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { code: Some(code), reason } if reason.is_empty() => {
                write!(formatter, "the service closed the connection ({code})")
            }
            Self::Closed { code: Some(code), reason } => {
                write!(formatter, "the service closed the connection ({code} {reason})")
            }
            Self::Closed { code: None, .. } => {
                formatter.write_str("the service closed the connection")
            }
            Self::Broken { reason } => write!(formatter, "the connection broke: {reason}"),
            Self::Silent => formatter.write_str("the service stopped answering"),
            Self::Undialled => formatter.write_str("the connection could not be opened"),
        }
    }
}

/// How a session ended.
#[derive(Clone, Debug)]
pub enum SessionEnd {
    /// We were asked to end it.
    Asked,
    /// The far side finished, with an exit status if its document gives one.
    Finished {
        /// The command's exit status.
        exit_status: Option<i32>,
    },
    /// It failed; the error's remedy says what can be done.
    Failed(Arc<Error>),
}

impl SessionEnd {
    pub(crate) fn failed(error: impl Into<Arc<Error>>) -> Self {
        Self::Failed(error.into())
    }

    /// Answers the error, if it ended with one.
    pub fn error(&self) -> Option<&Arc<Error>> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Asked | Self::Finished { .. } => None,
        }
    }
}

/// Where a tunnel listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalEnd {
    /// TCP, the same port on each address.
    Tcp {
        /// The addresses, IPv4 first.
        addresses: Vec<SocketAddr>,
    },
    /// A unix socket.
    Unix {
        /// Its path.
        path: PathBuf,
    },
}

impl LocalEnd {
    /// Answers the port, when it is TCP.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp { addresses } => addresses.first().map(SocketAddr::port),
            Self::Unix { .. } => None,
        }
    }
}

impl fmt::Display for LocalEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { addresses } => match addresses.first() {
                Some(address) => address.fmt(formatter),
                None => formatter.write_str("nowhere"),
            },
            Self::Unix { path } => path.display().fmt(formatter),
        }
    }
}

/// Where a tunnel stands.
///
/// ```text
/// Starting ─bound, port session ready→ Listening ⇄ Resuming
///    │  ↑                                 │           │
///    │  └──────── Restarting ←────────────┴───────────┘
///    └→ Failed ←─────┘         (stop, from anywhere) → Stopped
/// ```
#[derive(Clone, Debug)]
pub enum TunnelState {
    /// Not wanted, or wanted no longer.
    Stopped,
    /// Bound; its first port session is on its way.
    Starting {
        /// Where it will listen.
        local: LocalEnd,
    },
    /// Taking connections.
    Listening {
        /// Where it listens.
        local: LocalEnd,
        /// The port session of each lane that is up; none while the tunnel is dormant after
        /// the service ended an unused session. The next connection starts one.
        sessions: Vec<SessionId>,
    },
    /// Every port session has lost its websocket; connections stand still and lose nothing.
    Resuming {
        /// Where it listens.
        local: LocalEnd,
        /// The first lane's state.
        resuming: Resuming,
    },
    /// The last port session ended and a new one is on its way; new connections wait.
    Restarting {
        /// Where it listens.
        local: LocalEnd,
        /// How many attempts have been made.
        attempt: u32,
        /// When the next attempt is made, or none while one is under way.
        retry_at: Option<Instant>,
        /// Why the last session ended or the last attempt failed. Its remedy says whether the
        /// user is needed.
        error: Arc<Error>,
    },
    /// It could not be opened, or an error nobody can wait out ended it.
    Failed {
        /// What happened.
        error: Arc<Error>,
    },
}

/// What happened on a tunnel that no state shows.
#[derive(Clone, Debug)]
pub enum TunnelEvent {
    /// A local program has connected.
    Accepted {
        /// The local program's address.
        peer: Option<SocketAddr>,
    },
    /// The node could not reach the destination for one connection, which was reset.
    Refused {
        /// The destination as the node sees it.
        destination: String,
        /// The local program's address.
        peer: Option<SocketAddr>,
    },
    /// A connection was reset because its program did not read and others needed the session.
    ReaderTooSlow {
        /// The local program's address.
        peer: Option<SocketAddr>,
    },
    /// A connection was reset because its port session ended.
    ConnectionLost {
        /// The local program's address.
        peer: Option<SocketAddr>,
    },
    /// A connection was reset because no port session came up for it in time.
    NoSession {
        /// The local program's address.
        peer: Option<SocketAddr>,
    },
    /// The account has a message for users of this session.
    CustomerMessage {
        /// The text.
        text: String,
    },
    /// The agent's pacing holds several connections back; more lanes would help.
    PacedByAgent {
        /// How many connections share what comes through one session.
        connections: usize,
    },
}
