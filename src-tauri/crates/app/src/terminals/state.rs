//! What a session's state means to whoever looks at its terminal.

use std::sync::Arc;
use std::time::Duration;

use session::{Remedy, Resuming, SessionEnd, SessionState};

use crate::clock;
use crate::error::{Error, Subject};
use crate::view::{EndReason, StartStep, TerminalState};

/// An idle end is told from others by its time; the service is not that exact.
const IDLE_SLACK: Duration = Duration::from_secs(10);

/// Says whether a terminal needs to be opened anew.
pub(super) fn is_over(state: &TerminalState) -> bool {
    matches!(state, TerminalState::Ended { .. } | TerminalState::Failed { .. })
}

pub(super) fn word(state: &TerminalState) -> &'static str {
    match state {
        TerminalState::Starting { .. } => "starting",
        TerminalState::Connected => "connected",
        TerminalState::Reconnecting { .. } => "reconnecting",
        TerminalState::Waiting { .. } => "waiting",
        TerminalState::Ended { .. } => "ended",
        TerminalState::Failed { .. } => "failed",
    }
}

/// Shows a session that lives; none once it is over.
pub(super) fn living(state: &SessionState, subject: &Subject) -> Option<TerminalState> {
    match state {
        SessionState::Starting => Some(TerminalState::Starting { step: StartStep::Session }),
        SessionState::Opening { .. } => Some(TerminalState::Starting { step: StartStep::Agent }),
        SessionState::Ready(_) => Some(TerminalState::Connected),
        SessionState::Resuming(resuming) => Some(reconnecting(resuming, subject)),
        SessionState::Ended(_) => None,
    }
}

fn reconnecting(resuming: &Resuming, subject: &Subject) -> TerminalState {
    if let Some(error) = &resuming.error
        && error.remedy() == Remedy::SignIn
    {
        return TerminalState::Waiting { error: view(error, subject) };
    }
    TerminalState::Reconnecting {
        attempt: resuming.attempt,
        retry_ms: resuming.retry_at.map(clock::epoch_ms_at),
        cause: crate::error::phrase(&resuming.interruption.to_string()),
    }
}

/// Shows how a session ended. `quiet` is how long nothing had come from it, and how long the
/// service lets that be.
pub(super) fn ended(
    end: &SessionEnd,
    was_ready: bool,
    quiet: (Duration, Option<Duration>),
    subject: &Subject,
) -> TerminalState {
    let (quiet_for, limit) = quiet;
    let reason = match end {
        SessionEnd::Asked => EndReason::Exited,
        SessionEnd::Finished { .. } => match limit {
            Some(limit) if quiet_for + IDLE_SLACK >= limit => EndReason::IdleTimeout {
                minutes: u32::try_from(limit.as_secs() / 60).unwrap_or(u32::MAX),
            },
            Some(_) | None => EndReason::Exited,
        },
        SessionEnd::Failed(error) if is_lost(error) => EndReason::Lost,
        SessionEnd::Failed(error) if was_ready && is_ended_from_outside(error) => {
            EndReason::Terminated
        }
        SessionEnd::Failed(error) if error.remedy() == Remedy::SignIn => {
            return TerminalState::Waiting { error: view(error, subject) };
        }
        SessionEnd::Failed(error) => {
            return TerminalState::Failed { error: view(error, subject) };
        }
    };
    TerminalState::Ended { reason }
}

/// Says whether a session can't be taken up again.
fn is_lost(error: &session::Error) -> bool {
    let session::Error::Resume { source, .. } = error else { return false };
    matches!(**source, session::ControlError::SessionGone)
}

/// Says whether the service ended a session for a reason that is nobody's fault.
fn is_ended_from_outside(error: &session::Error) -> bool {
    matches!(
        error,
        session::Error::Ended { .. }
            | session::Error::Reported { cause: session::ReportedCause::Unclassified, .. }
    )
}

fn view(error: &Arc<session::Error>, subject: &Subject) -> crate::view::AppError {
    Error::Session(Arc::clone(error)).view_of(subject)
}

#[cfg(test)]
mod tests {
    use session::SessionId;

    use super::*;

    fn subject() -> Subject {
        Subject::new("i-1", "web-1", None)
    }

    #[test]
    fn an_end_after_a_long_quiet_is_the_idle_timeout() {
        let finished = SessionEnd::Finished { exit_status: None };
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let state = |quiet, limit| ended(&finished, true, (quiet, limit), &subject());
        let exited = TerminalState::Ended { reason: EndReason::Exited };
        assert_eq!(state(minutes(1), Some(minutes(20))), exited);
        assert_eq!(state(minutes(60), None), exited);
        let idle = TerminalState::Ended { reason: EndReason::IdleTimeout { minutes: 20 } };
        assert_eq!(state(minutes(20), Some(minutes(20))), idle);
    }

    #[test]
    fn a_session_that_cannot_be_taken_up_again_is_lost() {
        let lost = session::Error::Resume {
            target: "i-1".into(),
            session_id: SessionId::new("s-1"),
            source: Box::new(session::ControlError::SessionGone),
        };
        let end = SessionEnd::Failed(Arc::new(lost));
        let state = ended(&end, true, (Duration::ZERO, None), &subject());
        assert_eq!(state, TerminalState::Ended { reason: EndReason::Lost });
    }
}
