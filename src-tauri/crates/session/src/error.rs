//! What can go wrong with a session, and what helps: every message says what failed, why in the
//! service's own terms, and what to do next.

use std::net::SocketAddr;
use std::time::Duration;

use crate::control_plane::{ControlError, SessionId};
use crate::transport::DialError;

/// What helps after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The session lives: open its data channel again.
    Resume,
    /// The session is gone or useless: start a new one.
    Restart,
    /// Sign in, then try again.
    SignIn,
    /// Nothing this program can do.
    GiveUp,
}

/// A session, terminal or tunnel that did not work out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The service gave no session.
    #[error("no session on {target}: {source}")]
    Start {
        /// What it was to be started against.
        target: String,
        /// The service's answer.
        source: Box<ControlError>,
    },
    /// The session's websocket could not be opened.
    #[error("session {session_id} on {target} could not be reached: {source}")]
    Dial {
        /// The target.
        target: String,
        /// The session.
        session_id: SessionId,
        /// What stood in the way.
        source: DialError,
    },
    /// The service will not let the session go on.
    #[error("session {session_id} on {target} could not be resumed: {source}")]
    Resume {
        /// The target.
        target: String,
        /// The session.
        session_id: SessionId,
        /// The service's answer.
        source: Box<ControlError>,
    },
    /// The upgrade could not be signed.
    #[error("the connection to session {session_id} could not be signed: {source}")]
    Sign {
        /// The session.
        session_id: SessionId,
        /// What was missing.
        source: Box<ControlError>,
    },
    /// The agent gave no sign of life.
    #[error(
        "the agent on {target} did not answer within {} s: session {session_id} was accepted by \
         the service but never joined by the agent",
        waited.as_secs()
    )]
    NoAnswer {
        /// The target.
        target: String,
        /// The session.
        session_id: SessionId,
        /// How long it had.
        waited: Duration,
    },
    /// The agent answered but did not get ready.
    #[error(
        "session {session_id} on {target} was not ready within {} s: the agent answered but did \
         not finish opening the session",
        waited.as_secs()
    )]
    NotReady {
        /// The target.
        target: String,
        /// The session.
        session_id: SessionId,
        /// How long it had.
        waited: Duration,
    },
    /// No data key for an encrypted session.
    #[error("session {session_id} cannot be encrypted with {key_id}: {source}")]
    DataKey {
        /// The session.
        session_id: SessionId,
        /// The KMS key of the account's preferences.
        key_id: String,
        /// The answer of KMS.
        source: Box<ControlError>,
    },
    /// The far side ended the session and said why.
    #[error("session {session_id} on {target} was ended by the far side: {text}")]
    Reported {
        /// The target.
        target: String,
        /// The session.
        session_id: SessionId,
        /// What kind of reason it is.
        cause: ReportedCause,
        /// The far side's words.
        text: String,
    },
    /// The far side ended a port session without saying why.
    #[error(
        "session {session_id} on {target} was ended by the service: it was idle, reached its \
         maximum duration or was terminated"
    )]
    Ended {
        /// The target.
        target: String,
        /// The session.
        session_id: SessionId,
    },
    /// The document gives another kind of session than was asked for.
    #[error("the document on {target} opens a {got}, not a {wanted}")]
    WrongKind {
        /// The target.
        target: String,
        /// What the document's handshake announced.
        got: &'static str,
        /// What was wanted of it.
        wanted: &'static str,
    },
    /// The far side broke the protocol's rules.
    #[error(
        "session {session_id} on {target} was ended: the far side sent something wrong: {reason}"
    )]
    Peer {
        /// The target.
        target: String,
        /// The session.
        session_id: SessionId,
        /// What the peer did.
        reason: String,
    },
    /// A local port could not be had.
    #[error("cannot listen on {address}: {reason}{}", holder.as_ref().map(|holder| format!("; {holder} listens there")).unwrap_or_default())]
    Bind {
        /// The address.
        address: String,
        /// What the operating system said.
        reason: String,
        /// The program that has the port, if that can be seen.
        holder: Option<String>,
        /// Whether another port would do, as opposed to another address or permission.
        is_taken: bool,
    },
    /// A tunnel was described with something that cannot be.
    #[error("the tunnel cannot be opened: {reason}")]
    Unusable {
        /// What is wrong with the description.
        reason: String,
    },
    /// The engine is shutting down.
    #[error("the program is ending")]
    ShuttingDown,
}

/// What kind of reason the far side gave, as far as its words tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportedCause {
    /// The handshake or the challenge took too long.
    HandshakeTimedOut,
    /// The node could not decrypt the data key.
    DataKeyRefused,
    /// The node demands the random challenge.
    ChallengeRequired,
    /// The agent is too old for this kind of session.
    AgentTooOld,
    /// The destination did not take the connection.
    DestinationRefused,
    /// The destination is one the agent never connects to.
    DestinationForbidden,
    /// The shell or command could not be started.
    CommandNotStarted,
    /// The account demands log encryption that is not set up.
    LogEncryption,
    /// Anything else.
    Unclassified,
}

impl ReportedCause {
    /// Reads the agent's words. This is the only place that does: they are all there is.
    pub(crate) fn classify(text: &str) -> Self {
        let has = |part: &str| text.contains(part);
        if has("Handshake timed out") || has("Timed out waiting for encryption challenge") {
            Self::HandshakeTimedOut
        } else if has("random challenge") || has("RandomChallenge") {
            Self::ChallengeRequired
        } else if has("Fetching data key failed") {
            Self::DataKeyRefused
        } else if has("is not supported by this version of ssm agent") {
            Self::AgentTooOld
        } else if has("Unable to connect to specified port") {
            Self::DestinationRefused
        } else if has("is forbidden") {
            Self::DestinationForbidden
        } else if has("Unable to start command") {
            Self::CommandNotStarted
        } else if (has("CloudWatch") || has("S3")) && has("ncrypt") {
            Self::LogEncryption
        } else {
            Self::Unclassified
        }
    }

    fn remedy(self) -> Remedy {
        match self {
            Self::HandshakeTimedOut | Self::DestinationRefused | Self::Unclassified => {
                Remedy::Restart
            }
            Self::DataKeyRefused
            | Self::ChallengeRequired
            | Self::AgentTooOld
            | Self::DestinationForbidden
            | Self::CommandNotStarted
            | Self::LogEncryption => Remedy::GiveUp,
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::HandshakeTimedOut => "Try again; if it stays, look at how fast KMS answers.",
            Self::DataKeyRefused => {
                "Give the node's role kms:Decrypt on the key in the session preferences."
            }
            Self::ChallengeRequired => "Update the agent on the node, or its KMS settings.",
            Self::AgentTooOld => "Update the agent on the node.",
            Self::DestinationRefused => {
                "Check that the destination listens on that port and that the node can reach it."
            }
            Self::DestinationForbidden => "Choose a destination the agent may connect to.",
            Self::CommandNotStarted => {
                "Check the run-as user and shell of the session preferences."
            }
            Self::LogEncryption => {
                "Check the log group or bucket of the session preferences, and their encryption."
            }
            Self::Unclassified => "Start a new session.",
        }
    }
}

impl Error {
    /// Says what helps.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Start { source, .. } | Self::DataKey { source, .. } => {
                if source.wants_sign_in() {
                    Remedy::SignIn
                } else if source.is_transient() || matches!(**source, ControlError::NotConnected(_))
                {
                    Remedy::Restart
                } else {
                    Remedy::GiveUp
                }
            }
            Self::Resume { source, .. } | Self::Sign { source, .. } => {
                if matches!(**source, ControlError::SessionGone) {
                    Remedy::Restart
                } else if source.wants_sign_in() {
                    Remedy::SignIn
                } else if source.is_transient() {
                    Remedy::Resume
                } else {
                    Remedy::GiveUp
                }
            }
            Self::Dial { source, .. } => {
                if source.is_refusal() {
                    Remedy::GiveUp
                } else {
                    Remedy::Restart
                }
            }
            Self::Reported { cause, .. } => cause.remedy(),
            Self::NoAnswer { .. }
            | Self::NotReady { .. }
            | Self::Ended { .. }
            | Self::Peer { .. } => Remedy::Restart,
            Self::WrongKind { .. }
            | Self::Bind { .. }
            | Self::Unusable { .. }
            | Self::ShuttingDown => Remedy::GiveUp,
        }
    }

    /// Says what the user can do about it, as one sentence or two.
    pub fn advice(&self) -> String {
        match self {
            Self::Start { source, .. }
            | Self::Resume { source, .. }
            | Self::Sign { source, .. }
            | Self::DataKey { source, .. } => source.advice(),
            Self::Dial { source, .. } => source.advice().to_owned(),
            Self::NoAnswer { .. } => "Try again; a node that has just started often needs a \
                                      minute. If it stays, restart the agent on the node."
                .to_owned(),
            Self::NotReady { .. } => {
                "Try again; if it stays, look at the agent's log on the node.".to_owned()
            }
            Self::Reported { cause, .. } => cause.advice().to_owned(),
            Self::Ended { .. } => "Start a new session.".to_owned(),
            Self::WrongKind { got, .. } => format!("Open it as a {got}, or use another document."),
            Self::Peer { .. } => {
                "Start a new session; if it happens again, report it with this message.".to_owned()
            }
            Self::Bind { is_taken: true, .. } => {
                "Choose another local port, or 0 for a free one.".to_owned()
            }
            Self::Bind { .. } => {
                "Choose a local port above 1023 and an address of this computer.".to_owned()
            }
            Self::Unusable { .. } => "Correct the tunnel's description.".to_owned(),
            Self::ShuttingDown => "Start the program again.".to_owned(),
        }
    }

    pub(crate) fn bind(
        address: SocketAddr,
        error: &std::io::Error,
        holder: Option<String>,
    ) -> Self {
        Self::Bind {
            address: address.to_string(),
            reason: error.to_string(),
            holder,
            is_taken: error.kind() == std::io::ErrorKind::AddrInUse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control_plane::Refusal;

    #[test]
    fn the_remedy_follows_the_variant() {
        let start =
            |source| Error::Start { target: "i-1".into(), source: Box::new(source) }.remedy();
        assert_eq!(start(ControlError::NotConnected(Refusal::default())), Remedy::Restart);
        assert_eq!(start(ControlError::CredentialsExpired(Refusal::default())), Remedy::SignIn);
        assert_eq!(start(ControlError::AccessDenied(Refusal::default())), Remedy::GiveUp);
        let resume = |source| {
            let session_id = SessionId::new("s");
            let source = Box::new(source);
            Error::Resume { target: "i-1".into(), session_id, source }.remedy()
        };
        assert_eq!(resume(ControlError::SessionGone), Remedy::Restart);
        assert_eq!(resume(ControlError::Throttled(Refusal::default())), Remedy::Resume);
    }

    #[test]
    fn the_agents_words_are_told_apart() {
        for (text, cause) in [
            ("Handshake timed out. Please ensure…", ReportedCause::HandshakeTimedOut),
            ("Fetching data key failed: AccessDenied", ReportedCause::DataKeyRefused),
            ("Unable to connect to specified port: refused", ReportedCause::DestinationRefused),
            (
                "Forwarding to IP address 169.254.169.254 is forbidden.",
                ReportedCause::DestinationForbidden,
            ),
            ("Unable to start command: no user", ReportedCause::CommandNotStarted),
            ("the CloudWatch log group is not encrypted", ReportedCause::LogEncryption),
            ("something else", ReportedCause::Unclassified),
        ] {
            assert_eq!(ReportedCause::classify(text), cause, "{text}");
        }
    }

    #[test]
    fn a_taken_port_names_its_holder() {
        let error = Error::bind(
            "127.0.0.1:8080".parse().unwrap(),
            &std::io::ErrorKind::AddrInUse.into(),
            Some("nginx (process 4711)".to_owned()),
        );
        let text = error.to_string();
        assert!(text.contains("127.0.0.1:8080") && text.contains("nginx (process 4711)"), "{text}");
        assert!(error.advice().contains("another local port"));
    }
}
