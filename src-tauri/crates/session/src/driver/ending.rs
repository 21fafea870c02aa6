//! The end of a session: the agent is told, the websocket closed, the service asked to forget it.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use protocol::SessionFlag;
use tokio::time::timeout;

use super::{Driver, Link, Role};
use crate::state::{SessionEnd, SessionState};

/// How long the agent has to acknowledge that we end the session; the service is told anyway.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);
/// How long the state waits for the service to know; the call itself goes on.
const TERMINATE_LIMIT: Duration = Duration::from_secs(2);

impl<R: Role> Driver<R> {
    pub(super) async fn finish(mut self, end: SessionEnd) -> SessionEnd {
        if matches!(end, SessionEnd::Asked) {
            self.say_farewell().await;
        }
        match &end {
            SessionEnd::Asked => tracing::info!(session_id = %self.session_id, "session ended"),
            SessionEnd::Finished { exit_status } => {
                tracing::info!(session_id = %self.session_id, exit_status, "session finished");
            }
            SessionEnd::Failed(error) => {
                tracing::warn!(session_id = %self.session_id, %error, "session failed");
            }
        }
        let rest = self.role.handle_end(&end);
        if let Link::Open(mut transport) = self.link {
            poll_fn(|cx| {
                transport.close(cx);
                Poll::Ready(())
            })
            .await;
        }
        // A refused resume is no proof that nothing is left there.
        if self.is_over {
            self.lease.note_over();
        } else if matches!(end, SessionEnd::Asked) {
            // Whoever asked may go by the state that it is done.
            let _ = timeout(TERMINATE_LIMIT, self.lease.end()).await;
        } else {
            drop(self.lease);
        }
        self.state.send_replace(SessionState::Ended(end.clone()));
        self.setting.shared.stop.run_until_cancelled(rest).await;
        end
    }

    /// Tells the agent, which acts on it sooner than the service lets it know.
    async fn say_farewell(&mut self) {
        let is_told = matches!(self.link, Link::Open(_)) && self.ready.is_some();
        if !is_told || !self.role.ends_by_flag() {
            return;
        }
        self.is_leaving = true;
        self.channel.send_flag(SessionFlag::TerminateSession);
        let acknowledged = poll_fn(|cx| {
            let outcome = self.poll(cx);
            let is_done = outcome.is_ready() || !matches!(self.link, Link::Open(_));
            if is_done || self.channel.is_drained() { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = timeout(FAREWELL_LIMIT, acknowledged).await;
    }
}
