//! What a tunnel's state means to whoever looks at it.

use std::net::SocketAddr;
use std::sync::Arc;

use session::{LocalEnd, Remedy};

use crate::clock;
use crate::desktop::Program;
use crate::error::{Error, Subject, phrase};
use crate::view::{AppError, ErrorCode, Severity, StartStep, TunnelSpec, TunnelState, TunnelView};

/// The port of remote desktops.
const REMOTE_DESKTOP: u16 = 3389;
/// Ports behind which https is spoken.
const SECURE: [u16; 2] = [443, 8443];

/// Says whether two descriptions lead the same way, whatever they are called.
pub(super) fn leads_alike(one: &TunnelSpec, other: &TunnelSpec) -> bool {
    let nameless = |spec: &TunnelSpec| TunnelSpec {
        name: String::new(),
        group: None,
        start_at_launch: false,
        ..spec.clone()
    };
    nameless(one) == nameless(other)
}

/// Shows an engine's state. `before` is what was shown until now.
pub(super) fn show(
    state: &session::TunnelState,
    before: &TunnelState,
    subject: &Subject,
) -> TunnelState {
    use session::TunnelState as State;
    match state {
        State::Stopped => TunnelState::Stopped,
        State::Starting { .. } => TunnelState::Starting { step: StartStep::Session },
        State::Listening { sessions, .. } if sessions.is_empty() => TunnelState::Ready,
        State::Listening { .. } => match before {
            TunnelState::Listening { since_ms } => TunnelState::Listening { since_ms: *since_ms },
            TunnelState::Stopped
            | TunnelState::Starting { .. }
            | TunnelState::Ready
            | TunnelState::Reconnecting { .. }
            | TunnelState::Waiting { .. }
            | TunnelState::Failed { .. } => TunnelState::Listening { since_ms: clock::epoch_ms() },
        },
        State::Resuming { resuming, .. } => match &resuming.error {
            Some(error) if error.remedy() == Remedy::SignIn => {
                TunnelState::Waiting { error: view(error, subject) }
            }
            Some(_) | None => TunnelState::Reconnecting {
                attempt: resuming.attempt,
                retry_ms: resuming.retry_at.map(clock::epoch_ms_at),
                cause: phrase(&resuming.interruption.to_string()),
            },
        },
        State::Restarting { error, .. } if error.remedy() == Remedy::SignIn => {
            TunnelState::Waiting { error: view(error, subject) }
        }
        State::Restarting { attempt, retry_at, error, .. } => TunnelState::Reconnecting {
            attempt: *attempt,
            retry_ms: retry_at.map(clock::epoch_ms_at),
            cause: cause(&view(error, subject), subject),
        },
        State::Failed { error } => {
            TunnelState::Failed { error: view(error, subject), free_port: None }
        }
    }
}

/// Says why in a few words; the log has all of them.
pub(super) fn cause(error: &AppError, subject: &Subject) -> String {
    const WORDS: &[(ErrorCode, &str)] = &[
        (ErrorCode::Unreachable, "AWS can't be reached"),
        (ErrorCode::Throttled, "AWS asks to slow down"),
        (ErrorCode::SessionEnded, "Session ended"),
        (ErrorCode::RemoteRefused, "Destination refused the connection"),
    ];
    if error.code == ErrorCode::NodeNotConnected {
        return format!("{} is not connected", subject.name());
    }
    let known = WORDS.iter().find(|(code, _)| *code == error.code);
    known.map_or_else(
        || error.message.trim_end_matches('.').to_owned(),
        |(_, words)| (*words).to_owned(),
    )
}

pub(super) fn view(error: &Arc<session::Error>, subject: &Subject) -> AppError {
    Error::Session(Arc::clone(error)).view_of(subject)
}

/// Says that a local end can't be had.
pub(super) fn not_bound(error: session::Error, subject: &Subject) -> AppError {
    let session::Error::Bind { address, reason, holder, is_taken } = &error else {
        return view(&Arc::new(error), subject);
    };
    let address: Option<SocketAddr> = address.parse().ok();
    let port = address.map(|address| address.port()).unwrap_or_default();
    let (code, message) = if *is_taken {
        let holder = holder.as_deref().unwrap_or("another program");
        (ErrorCode::PortTaken, format!("Port {port} on this computer is taken by {holder}."))
    } else {
        let place = address.map_or_else(String::new, |address| address.to_string());
        (ErrorCode::PortForbidden, format!("{place} can't be listened on: {reason}."))
    };
    AppError { code, message, detail: Some(reason.clone()) }
}

/// Lists where a tunnel listens.
pub(super) fn addresses(local: &LocalEnd) -> Vec<String> {
    match local {
        LocalEnd::Tcp { addresses } => addresses.iter().map(SocketAddr::to_string).collect(),
        LocalEnd::Unix { path } => vec![path.display().to_string()],
    }
}

/// Says what to open for a tunnel.
///
/// # Errors
///
/// What the tunnel failed with.
pub(super) fn program(view: &TunnelView) -> Result<Program, AppError> {
    if let TunnelState::Failed { error, .. } = &view.state {
        return Err(error.clone());
    }
    let address = view.listening.first().cloned().ok_or_else(super::no_such)?;
    let port = view.spec.remote_port;
    if port == REMOTE_DESKTOP {
        return Ok(Program::RemoteDesktop { address });
    }
    let scheme = if SECURE.contains(&port) { "https" } else { "http" };
    Ok(Program::Browser { url: format!("{scheme}://{address}/") })
}

/// The line that tells of a state in the log; none for what is told otherwise.
pub(super) fn line(state: &TunnelState, listening: &[String]) -> Option<(Severity, String)> {
    Some(match state {
        TunnelState::Stopped => (Severity::Info, "Stopped".to_owned()),
        TunnelState::Starting { .. } => (Severity::Info, "Starting session".to_owned()),
        TunnelState::Ready => (
            Severity::Info,
            format!("Listening on {}; the first connection starts a session", listening.join(", ")),
        ),
        TunnelState::Listening { .. } => {
            (Severity::Good, format!("Listening on {}", listening.join(", ")))
        }
        TunnelState::Reconnecting { attempt, cause, .. } if *attempt <= 1 => {
            (Severity::Warn, format!("{cause}. Reconnecting"))
        }
        TunnelState::Reconnecting { .. } => return None,
        TunnelState::Waiting { error } => (Severity::Warn, error.message.clone()),
        TunnelState::Failed { error, .. } => (Severity::Bad, error.message.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_told_with_its_holder() {
        let taken = session::Error::Bind {
            address: "127.0.0.1:5432".into(),
            reason: "Address already in use".into(),
            holder: Some("postgres (process 812)".into()),
            is_taken: true,
        };
        let error = not_bound(taken, &Subject::new("i-1", "web-1", None));
        assert_eq!(error.code, ErrorCode::PortTaken);
        let words = "Port 5432 on this computer is taken by postgres (process 812).";
        assert_eq!(error.message, words);
    }
}
