//! What can go wrong with a verb, and how it crosses to the UI.

use std::sync::Arc;
use std::time::Duration;

use aws::{CallError, CredentialsError, Reason, RefusedKind, Region, SetupError};
use session::{ControlError, DialError, ReportedCause};

use crate::clock;
use crate::filter::BadFilter;
use crate::store::StoreError;
use crate::view::{AppError, ErrorCode};

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

impl Error {
    /// Crosses to the UI: what failed and why in sentences, and the service's own words beside.
    pub fn view(&self) -> AppError {
        AppError { code: self.code(), message: sentence(&self.to_string()), detail: self.detail() }
    }

    /// Crosses to the UI as [`Error::view`] does, with a node's name in place of its id.
    pub(crate) fn view_of(&self, subject: &Subject) -> AppError {
        let mut view = self.view();
        let not_started = match self {
            Self::Session(error) => subject.not_started(error),
            Self::Setup(_)
            | Self::Call { .. }
            | Self::NoSuchNode { .. }
            | Self::Ambiguous { .. }
            | Self::Filter(_)
            | Self::Store(_)
            | Self::Leftover { .. }
            | Self::LeftoverTimedOut => None,
        };
        view.message =
            not_started.unwrap_or_else(|| view.message.replace(&subject.id, &subject.name));
        view
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Call { source, .. } => call_detail(source),
            Self::Session(error) => session_detail(error),
            Self::Leftover { source } => control_detail(source),
            Self::Setup(_)
            | Self::NoSuchNode { .. }
            | Self::Ambiguous { .. }
            | Self::Filter(_)
            | Self::Store(_)
            | Self::LeftoverTimedOut => None,
        }
    }
}

/// A node, as far as words about it need.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    id: String,
    name: String,
    last_ping_ms: Option<u64>,
}

impl Subject {
    pub(crate) fn new(id: &str, name: &str, last_ping_ms: Option<u64>) -> Self {
        Self { id: id.to_owned(), name: name.to_owned(), last_ping_ms }
    }

    /// Shows what people call the node.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Says that the node is not connected, if that is what an error says.
    fn not_started(&self, error: &session::Error) -> Option<String> {
        let session::Error::Start { source, .. } = error else { return None };
        let ControlError::NotConnected(refusal) = &**source else { return None };
        let ping = self.last_ping_ms.map(|at| {
            let ago = clock::epoch_ms().saturating_sub(at);
            format!(" Its agent last pinged {} ago.", length(Duration::from_millis(ago)))
        });
        let ping = ping.unwrap_or_default();
        Some(format!("{} is not connected ({}).{ping}", self.name, refusal.code))
    }
}

/// Says a length of time as people do: in one unit.
pub(crate) fn length(length: Duration) -> String {
    let minutes = length.as_secs() / 60;
    match minutes {
        0 => format!("{} s", length.as_secs()),
        1..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

/// Makes a short phrase of an error's words: it begins with a capital and has no full stop. What
/// stands behind a colon is for the log.
pub(crate) fn phrase(words: &str) -> String {
    let words = words.split_once(": ").map_or(words, |(first, _)| first);
    let words = words.strip_prefix("the ").unwrap_or(words);
    sentence(words).trim_end_matches('.').to_owned()
}

/// Makes a sentence of an error's words, which begin small and end without a full stop.
pub(crate) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let mut text: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    // Names are not to be changed: only a word of small letters alone is one of ours.
    let first = words.split_whitespace().next().unwrap_or_default();
    if !first.chars().all(|letter| letter.is_ascii_lowercase()) {
        text = words.chars().next().map(String::from).unwrap_or_default();
    }
    text.push_str(letters.as_str());
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

fn lines(code: &str, message: &str, request_id: Option<&str>) -> String {
    let request = request_id.map(|id| format!("Request id: {id}"));
    let all = [code.to_owned(), message.to_owned()].into_iter().chain(request);
    all.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn call_detail(error: &CallError) -> Option<String> {
    match &error.reason {
        Reason::Refused(refused) => {
            Some(lines(&refused.code, &refused.message, refused.request_id.as_deref()))
        }
        Reason::Credentials(_)
        | Reason::Unreachable { .. }
        | Reason::TimedOut { .. }
        | Reason::Malformed { .. } => None,
    }
}

fn control_detail(error: &ControlError) -> Option<String> {
    match error {
        ControlError::NotConnected(refusal)
        | ControlError::AccessDenied(refusal)
        | ControlError::CredentialsExpired(refusal)
        | ControlError::Throttled(refusal)
        | ControlError::InvalidDocument(refusal)
        | ControlError::Validation(refusal)
        | ControlError::KeyUnusable(refusal)
        | ControlError::Service(refusal)
        | ControlError::Refused(refusal) => {
            Some(lines(&refusal.code, &refusal.message, refusal.request_id.as_deref()))
        }
        ControlError::NoCredentials { .. }
        | ControlError::SessionGone
        | ControlError::Unreachable { .. }
        | ControlError::Unsupported { .. } => None,
    }
}

fn session_detail(error: &session::Error) -> Option<String> {
    use session::Error as Session;
    match error {
        Session::Start { source, .. }
        | Session::Resume { source, .. }
        | Session::Sign { source, .. }
        | Session::DataKey { source, .. } => control_detail(source),
        Session::Reported { text, session_id, .. } => {
            Some(format!("{text}\nSession: {session_id}"))
        }
        Session::Dial { session_id, .. }
        | Session::NoAnswer { session_id, .. }
        | Session::NotReady { session_id, .. }
        | Session::Ended { session_id, .. }
        | Session::Peer { session_id, .. } => Some(format!("Session: {session_id}")),
        Session::WrongKind { .. }
        | Session::Bind { .. }
        | Session::Unusable { .. }
        | Session::ShuttingDown => None,
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
            Self::NoSuchNode { .. } => ErrorCode::NotFound,
            Self::Ambiguous { .. } | Self::Filter(_) => ErrorCode::Invalid,
            Self::Store(_) => ErrorCode::FileUnwritable,
            Self::Leftover { source } => of_control(source),
            Self::LeftoverTimedOut => ErrorCode::Unreachable,
        }
    }
}

fn of_setup(error: &SetupError) -> ErrorCode {
    match error {
        SetupError::MalformedProfile { .. }
        | SetupError::UnusableProfile { .. }
        | SetupError::NoRegion { .. }
        | SetupError::BadEndpoint { .. } => ErrorCode::ConfigInvalid,
        SetupError::NoSuchProfile { .. } => ErrorCode::NotFound,
    }
}

fn of_call(error: &CallError) -> ErrorCode {
    match &error.reason {
        Reason::Refused(refused) => match refused.kind {
            RefusedKind::AccessDenied => ErrorCode::AccessDenied,
            RefusedKind::CredentialsExpired => ErrorCode::SignInExpired,
            RefusedKind::CredentialsUnknown => ErrorCode::CredentialsInvalid,
            RefusedKind::Throttled => ErrorCode::Throttled,
            RefusedKind::Invalid => ErrorCode::Invalid,
            RefusedKind::ServiceFailure => ErrorCode::Unreachable,
            RefusedKind::ClockSkew | RefusedKind::Other => ErrorCode::Internal,
        },
        Reason::Credentials(error) => of_credentials(error),
        Reason::Unreachable { .. } | Reason::TimedOut { .. } => ErrorCode::Unreachable,
        Reason::Malformed { .. } => ErrorCode::Internal,
    }
}

fn of_credentials(error: &CredentialsError) -> ErrorCode {
    match error {
        CredentialsError::SignInNeeded { .. } => ErrorCode::SignInExpired,
        CredentialsError::Source { .. } | CredentialsError::NoneFound => {
            ErrorCode::CredentialsInvalid
        }
        CredentialsError::Unreachable { .. } => ErrorCode::Unreachable,
        CredentialsError::Setup(error) => of_setup(error),
    }
}

fn of_control(error: &ControlError) -> ErrorCode {
    match error {
        ControlError::NotConnected(_) => ErrorCode::NodeNotConnected,
        ControlError::AccessDenied(_) => ErrorCode::AccessDenied,
        ControlError::CredentialsExpired(_) => ErrorCode::SignInExpired,
        ControlError::NoCredentials { .. } => ErrorCode::CredentialsInvalid,
        ControlError::Throttled(_) => ErrorCode::Throttled,
        ControlError::SessionGone => ErrorCode::SessionEnded,
        ControlError::InvalidDocument(_) => ErrorCode::DocumentInvalid,
        ControlError::Validation(_) => ErrorCode::Invalid,
        ControlError::KeyUnusable(_) => ErrorCode::EncryptionRefused,
        ControlError::Unreachable { .. } | ControlError::Service(_) => ErrorCode::Unreachable,
        ControlError::Refused(_) | ControlError::Unsupported { .. } => ErrorCode::Internal,
    }
}

fn of_session(error: &session::Error) -> ErrorCode {
    use session::Error as Session;
    match error {
        Session::Start { source, .. }
        | Session::Resume { source, .. }
        | Session::Sign { source, .. } => of_control(source),
        Session::DataKey { source, .. } if source.wants_sign_in() => of_control(source),
        Session::DataKey { .. } => ErrorCode::EncryptionRefused,
        Session::Dial { source, .. } => of_dial(source),
        Session::NoAnswer { .. } | Session::NotReady { .. } => ErrorCode::NodeNotConnected,
        Session::Reported { cause, .. } => of_report(*cause),
        Session::Ended { .. } | Session::Peer { .. } => ErrorCode::SessionEnded,
        Session::Bind { is_taken: true, .. } => ErrorCode::PortTaken,
        Session::Bind { .. } => ErrorCode::PortForbidden,
        Session::Unusable { .. } => ErrorCode::Invalid,
        Session::WrongKind { .. } => ErrorCode::DocumentInvalid,
        Session::ShuttingDown => ErrorCode::Internal,
    }
}

fn of_dial(error: &DialError) -> ErrorCode {
    if error.is_refusal() { ErrorCode::AccessDenied } else { ErrorCode::Unreachable }
}

fn of_report(cause: ReportedCause) -> ErrorCode {
    match cause {
        ReportedCause::DestinationRefused | ReportedCause::DestinationForbidden => {
            ErrorCode::RemoteRefused
        }
        ReportedCause::DataKeyRefused
        | ReportedCause::ChallengeRequired
        | ReportedCause::LogEncryption => ErrorCode::EncryptionRefused,
        ReportedCause::AgentTooOld => ErrorCode::AgentTooOld,
        ReportedCause::HandshakeTimedOut
        | ReportedCause::CommandNotStarted
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
        let crossed = error.view();
        assert_eq!(crossed.code, ErrorCode::NodeNotConnected);
        assert!(crossed.message.starts_with("No session on i-1: "), "{}", crossed.message);
        assert!(crossed.message.contains("TargetNotConnected"));
        assert_eq!(crossed.detail.as_deref(), Some("TargetNotConnected\ni-1 is not connected."));
        assert!(error.advice().contains("agent"));
    }

    #[test]
    fn a_node_is_called_by_its_name_and_its_last_ping_is_told() {
        let refusal = Refusal {
            operation: "StartSession".into(),
            code: "TargetNotConnected".into(),
            ..Refusal::default()
        };
        let error = Error::from(Arc::new(session::Error::Start {
            target: "i-1".into(),
            source: Box::new(ControlError::NotConnected(refusal)),
        }));
        let three_hours = clock::epoch_ms() - 3 * 60 * 60 * 1000;
        let view = error.view_of(&Subject::new("i-1", "web-1", Some(three_hours)));
        let expected =
            "web-1 is not connected (TargetNotConnected). Its agent last pinged 3 h ago.";
        assert_eq!(view.message, expected);
    }

    #[test]
    fn words_become_sentences_and_phrases() {
        assert_eq!(sentence("no session on i-1: gone"), "No session on i-1: gone.");
        assert_eq!(sentence("web-1 is away."), "web-1 is away.");
        assert_eq!(phrase("the service stopped answering"), "Service stopped answering");
        assert_eq!(phrase("the connection broke: protocol error: reset"), "Connection broke");
    }

    #[test]
    fn a_node_that_is_not_there_offers_names() {
        let error = Error::NoSuchNode {
            wanted: "wev".into(),
            region: Region::new("eu-west-1"),
            near: vec!["web-1".into()],
        };
        assert_eq!(error.advice(), "Did you mean web-1?");
        assert_eq!(error.code(), ErrorCode::NotFound);
    }
}
