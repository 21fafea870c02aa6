//! What can go wrong with a verb, and the closed list of codes the UI acts on.

use std::sync::Arc;

use aws::{CallError, CredentialsError, Reason, RefusedKind, Region, SetupError};
use serde::Serialize;
use session::{ControlError, DialError, ReportedCause};

use crate::filter::BadFilter;
use crate::store::StoreError;

/// Why a verb was not carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A profile, region or endpoint cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// AWS could not be asked, or refused.
    #[error("{doing}: {source}")]
    Call {
        /// What was not done, as the beginning of a sentence.
        doing: String,
        /// Why not.
        source: Box<CallError>,
    },
    /// A session, terminal or tunnel did not work out.
    #[error(transparent)]
    Session(#[from] Arc<session::Error>),
    /// No node fits.
    #[error("there is no managed node {wanted} in {region}")]
    NoSuchNode {
        /// What was asked for.
        wanted: String,
        /// Where.
        region: Region,
        /// Names that begin alike.
        near: Vec<String>,
    },
    /// Several nodes fit.
    #[error("{wanted} fits {count} nodes")]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// How many fit.
        count: usize,
        /// The first of them, by name, id and state.
        nodes: Vec<String>,
    },
    /// A filter makes no sense.
    #[error(transparent)]
    Filter(#[from] BadFilter),
    /// A file of ours could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A session of a killed process could not be ended.
    #[error("a session left by an earlier run could not be ended: {source}")]
    Leftover {
        /// The service's answer.
        source: ControlError,
    },
    /// A session of a killed process could not be ended in time.
    #[error("a session left by an earlier run could not be ended in time")]
    LeftoverTimedOut,
}

/// What the UI tells errors apart by. A code exists only if the UI does something with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Offer to sign in.
    SignInNeeded,
    /// Offer to choose or make a profile.
    NoCredentials,
    /// Show what permission is missing.
    AccessDenied,
    /// Show the file and line.
    ProfileMalformed,
    /// Offer the profiles there are.
    ProfileMissing,
    /// Offer the regions.
    RegionMissing,
    /// Offer to diagnose the node.
    NodeNotConnected,
    /// Offer to search again.
    NodeNotFound,
    /// Offer a choice.
    NodeAmbiguous,
    /// Offer another port.
    PortTaken,
    /// Offer to retry now.
    Unreachable,
    /// Say that it is tried again.
    Busy,
    /// Offer to restart.
    SessionEnded,
    /// Offer to diagnose the agent.
    AgentSilent,
    /// Point at the destination.
    DestinationRefused,
    /// Point at the KMS key.
    EncryptionFailed,
    /// Point at the field that is wrong.
    InvalidInput,
    /// Say that a change is not kept.
    NotSaved,
    /// Show the words and nothing else.
    Other,
}

/// An error as it crosses to the UI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppError {
    /// What kind it is.
    pub code: ErrorCode,
    /// What failed and why, as one sentence.
    pub message: String,
    /// What the user can do about it.
    pub detail: String,
}

impl From<&Error> for AppError {
    fn from(error: &Error) -> Self {
        Self { code: error.code(), message: error.to_string(), detail: error.advice() }
    }
}

impl Error {
    /// Says what the user can do about it, as one sentence or two.
    pub fn advice(&self) -> String {
        match self {
            Self::Setup(error) => error.advice(),
            Self::Call { source, .. } => source.advice(),
            Self::Session(error) => error.advice(),
            Self::NoSuchNode { near, .. } if near.is_empty() => {
                "Check the name, the region and the profile; `adit nodes` lists what there is."
                    .to_owned()
            }
            Self::NoSuchNode { near, .. } => format!("Did you mean {}?", near.join(", ")),
            Self::Ambiguous { nodes, count, .. } => {
                let more = if *count > nodes.len() { ", …" } else { "" };
                format!("Use an id or a closer filter: {}{more}.", nodes.join(", "))
            }
            Self::Filter(_) => "Correct the filter.".to_owned(),
            Self::Store(error) => error.advice().to_owned(),
            Self::Leftover { source } => source.advice(),
            Self::LeftoverTimedOut => "It is tried again at the next start.".to_owned(),
        }
    }

    /// Tells what kind it is.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Setup(error) => of_setup(error),
            Self::Call { source, .. } => of_call(source),
            Self::Session(error) => of_session(error),
            Self::NoSuchNode { .. } => ErrorCode::NodeNotFound,
            Self::Ambiguous { .. } => ErrorCode::NodeAmbiguous,
            Self::Filter(_) => ErrorCode::InvalidInput,
            Self::Store(_) => ErrorCode::NotSaved,
            Self::Leftover { source } => of_control(source),
            Self::LeftoverTimedOut => ErrorCode::Unreachable,
        }
    }
}

fn of_setup(error: &SetupError) -> ErrorCode {
    match error {
        SetupError::MalformedProfile { .. }
        | SetupError::UnusableProfile { .. }
        | SetupError::BadEndpoint { .. } => ErrorCode::ProfileMalformed,
        SetupError::NoSuchProfile { .. } => ErrorCode::ProfileMissing,
        SetupError::NoRegion { .. } => ErrorCode::RegionMissing,
    }
}

fn of_call(error: &CallError) -> ErrorCode {
    match &error.reason {
        Reason::Refused(refused) => match refused.kind {
            RefusedKind::AccessDenied => ErrorCode::AccessDenied,
            RefusedKind::CredentialsExpired => ErrorCode::SignInNeeded,
            RefusedKind::CredentialsUnknown => ErrorCode::NoCredentials,
            RefusedKind::Throttled | RefusedKind::ServiceFailure => ErrorCode::Busy,
            RefusedKind::Invalid => ErrorCode::InvalidInput,
            RefusedKind::ClockSkew | RefusedKind::Other => ErrorCode::Other,
        },
        Reason::Credentials(error) => match error {
            CredentialsError::SignInNeeded { .. } => ErrorCode::SignInNeeded,
            CredentialsError::Source { .. } | CredentialsError::NoneFound => {
                ErrorCode::NoCredentials
            }
            CredentialsError::Unreachable { .. } => ErrorCode::Unreachable,
            CredentialsError::Setup(error) => of_setup(error),
        },
        Reason::Unreachable { .. } | Reason::TimedOut { .. } => ErrorCode::Unreachable,
        Reason::Malformed { .. } => ErrorCode::Other,
    }
}

fn of_control(error: &ControlError) -> ErrorCode {
    match error {
        ControlError::NotConnected(_) => ErrorCode::NodeNotConnected,
        ControlError::AccessDenied(_) => ErrorCode::AccessDenied,
        ControlError::CredentialsExpired(_) => ErrorCode::SignInNeeded,
        ControlError::NoCredentials { .. } => ErrorCode::NoCredentials,
        ControlError::Throttled(_) | ControlError::Service(_) => ErrorCode::Busy,
        ControlError::SessionGone => ErrorCode::SessionEnded,
        ControlError::InvalidDocument(_) | ControlError::Validation(_) => ErrorCode::InvalidInput,
        ControlError::KeyUnusable(_) => ErrorCode::EncryptionFailed,
        ControlError::Unreachable { .. } => ErrorCode::Unreachable,
        ControlError::Refused(_) | ControlError::Unsupported { .. } => ErrorCode::Other,
    }
}

fn of_session(error: &session::Error) -> ErrorCode {
    use session::Error as Session;
    match error {
        Session::Start { source, .. }
        | Session::Resume { source, .. }
        | Session::Sign { source, .. } => of_control(source),
        Session::DataKey { source, .. } if source.wants_sign_in() => ErrorCode::SignInNeeded,
        Session::DataKey { .. } => ErrorCode::EncryptionFailed,
        Session::Dial { source, .. } => of_dial(source),
        Session::NoAnswer { .. } | Session::NotReady { .. } => ErrorCode::AgentSilent,
        Session::Reported { cause, .. } => of_report(*cause),
        Session::Ended { .. } | Session::Peer { .. } => ErrorCode::SessionEnded,
        Session::Bind { is_taken: true, .. } => ErrorCode::PortTaken,
        Session::Bind { .. } | Session::Unusable { .. } | Session::WrongKind { .. } => {
            ErrorCode::InvalidInput
        }
        Session::ShuttingDown => ErrorCode::Other,
    }
}

fn of_dial(error: &DialError) -> ErrorCode {
    if error.is_refusal() { ErrorCode::AccessDenied } else { ErrorCode::Unreachable }
}

fn of_report(cause: ReportedCause) -> ErrorCode {
    match cause {
        ReportedCause::DestinationRefused | ReportedCause::DestinationForbidden => {
            ErrorCode::DestinationRefused
        }
        ReportedCause::DataKeyRefused | ReportedCause::ChallengeRequired => {
            ErrorCode::EncryptionFailed
        }
        ReportedCause::HandshakeTimedOut => ErrorCode::AgentSilent,
        ReportedCause::AgentTooOld
        | ReportedCause::CommandNotStarted
        | ReportedCause::LogEncryption
        | ReportedCause::Unclassified => ErrorCode::SessionEnded,
    }
}

#[cfg(test)]
mod tests {
    use session::Refusal;

    use super::*;

    #[test]
    fn an_error_crosses_with_code_words_and_what_to_do() {
        let source = ControlError::NotConnected(Refusal {
            operation: "StartSession".into(),
            code: "TargetNotConnected".into(),
            message: "i-1 is not connected.".into(),
            request_id: None,
        });
        let error = Error::from(Arc::new(session::Error::Start {
            target: "i-1".into(),
            source: Box::new(source),
        }));
        let crossed = AppError::from(&error);
        assert_eq!(crossed.code, ErrorCode::NodeNotConnected);
        assert!(crossed.message.contains("TargetNotConnected"));
        assert!(crossed.detail.contains("agent"));
    }

    #[test]
    fn a_node_that_is_not_there_offers_names() {
        let error = Error::NoSuchNode {
            wanted: "wev".into(),
            region: Region::new("eu-west-1"),
            near: vec!["web-1".into()],
        };
        assert_eq!(error.advice(), "Did you mean web-1?");
        assert_eq!(error.code(), ErrorCode::NodeNotFound);
    }
}
