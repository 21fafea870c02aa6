//! The calls an engine needs from the account, as a trait the `aws` room implements.
//!
//! Engines never see the SDK: they hold an `Arc<dyn ControlPlane>` bound to one identity and one
//! region, and decide what to do next by the variant of [`ControlError`] alone.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

/// Names one session as the service counts it, for example `alice-0123456789abcdef0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(String);

impl SessionId {
    /// Takes the id as the service wrote it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Shows the id as the service wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Holds the bearer secret that opens a data channel once; prints nothing, wiped when dropped.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Takes the secret as the service wrote it.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// Shows the secret, for the one frame it belongs in. Never to be logged.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token")
    }
}

/// Asks for a session: a target, and the document that fixes its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartRequest {
    /// A node id, or an `ecs:` target.
    pub target: String,
    /// The document; none means the account's default shell.
    pub document: Option<String>,
    /// The document's parameters.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// Words for the audit log, 1 to 256 characters.
    pub reason: Option<String>,
}

/// Admits one client to a session that was just started.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The session.
    pub session_id: SessionId,
    /// Where its data channel is dialled; opaque, possibly presigned.
    pub stream_url: Url,
    /// The secret of the first frame.
    pub token: Token,
}

/// Admits the client to a running session again.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// The new secret; the earlier one is void.
    pub token: Token,
    /// Where to dial now, when the service says so.
    pub stream_url: Option<Url>,
}

/// A data key for one session: 64 bytes in the clear, and the same bytes sealed by KMS.
pub struct DataKeyReply {
    /// The 64 plain bytes; wiped when dropped.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// The blob the agent hands to `kms:Decrypt`.
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for DataKeyReply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DataKeyReply")
    }
}

/// Speaks for one identity in one region.
///
/// Every future may be dropped at any time; the engine gives each call its own deadline, so an
/// implementation retries at most what its SDK retries anyway. Terminating is idempotent.
pub trait ControlPlane: Send + Sync + 'static {
    /// Starts a session (`StartSession`).
    fn start_session<'a>(
        &'a self,
        request: &'a StartRequest,
    ) -> BoxFuture<'a, Result<Ticket, ControlError>>;

    /// Asks for a new token (`ResumeSession`). `DoesNotExistException` and an answer without a
    /// token are both [`ControlError::SessionGone`].
    fn resume_session<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Resumed, ControlError>>;

    /// Ends a session (`TerminateSession`). A session already gone counts as success.
    fn terminate_session<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<(), ControlError>>;

    /// Makes a 64-byte data key under a context (`kms:GenerateDataKey`, `NumberOfBytes` 64).
    fn data_key<'a>(
        &'a self,
        key_id: &'a str,
        context: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<DataKeyReply, ControlError>>;

    /// Names the account side, so that a session found in the ledger later can be ended through
    /// the same one: profile and region, in the implementation's own spelling.
    fn label(&self) -> String {
        String::new()
    }

    /// Signs the websocket's upgrade (SigV4 header form, service `ssmmessages`, `GET`, empty
    /// body). Answers no headers when there is nothing to sign with or the URL is presigned.
    fn sign_upgrade<'a>(
        &'a self,
        url: &'a Url,
    ) -> BoxFuture<'a, Result<Vec<(HeaderName, HeaderValue)>, ControlError>>;
}

/// The service's own words about a request it did not grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The operation, for example `StartSession`.
    pub operation: String,
    /// The error's code, for example `AccessDeniedException`.
    pub code: String,
    /// The error's message; may be empty.
    pub message: String,
    /// The id to quote to AWS support.
    pub request_id: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} answered {}", self.operation, self.code)?;
        if !self.message.is_empty() {
            write!(formatter, ": {}", self.message)?;
        }
        if let Some(id) = &self.request_id {
            write!(formatter, " (request {id})")?;
        }
        Ok(())
    }
}

/// Why a call to the account did not succeed; one variant per thing an engine does differently.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The target is not connected to Systems Manager (`TargetNotConnected`).
    #[error("{0}")]
    NotConnected(Refusal),
    /// The identity may not do this (`AccessDeniedException`, `UnauthorizedOperation`).
    #[error("{0}")]
    AccessDenied(Refusal),
    /// The credentials were good once and are no longer (`ExpiredTokenException`, or a
    /// sign-in that ran out before any request was made).
    #[error("{0}")]
    CredentialsExpired(Refusal),
    /// There is nothing to sign with, or the service does not know the key.
    #[error("no usable credentials: {reason}")]
    NoCredentials {
        /// What the search for credentials found.
        reason: String,
    },
    /// Too many requests (`ThrottlingException` and its kin).
    #[error("{0}")]
    Throttled(Refusal),
    /// The session has ended: idle, too old, or terminated.
    #[error("the session no longer exists at the service")]
    SessionGone,
    /// The document does not exist or is not for sessions (`InvalidDocument`).
    #[error("{0}")]
    InvalidDocument(Refusal),
    /// The request is not well formed (`ValidationException`, `BadRequest`).
    #[error("{0}")]
    Validation(Refusal),
    /// The KMS key cannot be used: absent, disabled, or being deleted.
    #[error("{0}")]
    KeyUnusable(Refusal),
    /// The service failed on its side (5xx, `InternalServerError`).
    #[error("{0}")]
    Service(Refusal),
    /// The request got no answer: no route, no name, a timeout, a TLS failure.
    #[error("{endpoint} cannot be reached: {reason}")]
    Unreachable {
        /// The host or URL that was tried.
        endpoint: String,
        /// What went wrong on the way there.
        reason: String,
    },
    /// The service refused for a reason none of the above names.
    #[error("{0}")]
    Refused(Refusal),
    /// This control plane cannot make that call at all.
    #[error("{reason}")]
    Unsupported {
        /// Why not.
        reason: String,
    },
}

impl ControlError {
    /// Says whether the same request may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Throttled(_) | Self::Service(_) | Self::Unreachable { .. })
    }

    /// Says whether signing in again is what helps.
    pub fn wants_sign_in(&self) -> bool {
        matches!(self, Self::CredentialsExpired(_) | Self::NoCredentials { .. })
    }

    /// Says what the user can do about it, as one sentence.
    pub fn advice(&self) -> String {
        match self {
            Self::NotConnected(_) => {
                "Check that the node is running, that its agent is up with a role that allows \
                 Systems Manager, and that this is its region and account."
                    .to_owned()
            }
            Self::AccessDenied(refusal) => {
                format!("Ask for permission to call {} on this resource.", refusal.operation)
            }
            Self::CredentialsExpired(_) => "Sign in again.".to_owned(),
            Self::NoCredentials { .. } => {
                "Sign in, or choose a profile that has credentials.".to_owned()
            }
            Self::Throttled(_) | Self::Service(_) => "Wait a moment; it is tried again.".to_owned(),
            Self::SessionGone => "Start a new session.".to_owned(),
            Self::InvalidDocument(_) => {
                "Check the document's name, and that it is a session document of this region."
                    .to_owned()
            }
            Self::Validation(_) => "Check the target and the document's parameters.".to_owned(),
            Self::KeyUnusable(_) => {
                "Check the KMS key named in the account's session preferences.".to_owned()
            }
            Self::Unreachable { .. } => {
                "Check the network, the proxy and any endpoint override.".to_owned()
            }
            Self::Refused(_) => "See the service's message.".to_owned(),
            Self::Unsupported { .. } => "Start the session another way.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_prints_nothing() {
        let ticket = Ticket {
            session_id: SessionId::new("alice-01"),
            stream_url: Url::parse("wss://example.invalid/v1").expect("a plain URL"),
            token: Token::new("very secret"),
        };
        assert!(!format!("{ticket:?}").contains("very secret"));
    }

    #[test]
    fn a_refusal_reads_as_one_sentence() {
        let refusal = Refusal {
            operation: "StartSession".into(),
            code: "TargetNotConnected".into(),
            message: "i-1 is not connected.".into(),
            request_id: Some("r-1".into()),
        };
        assert_eq!(
            ControlError::NotConnected(refusal).to_string(),
            "StartSession answered TargetNotConnected: i-1 is not connected. (request r-1)"
        );
    }
}
