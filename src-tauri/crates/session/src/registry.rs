//! Every session we started and have not seen the end of, and the promise that each is
//! terminated at the service, whichever way its owner goes.
//!
//! A [`Lease`] is that promise for one session. It exists from the moment `StartSession` is
//! answered, also when whoever asked has stopped waiting, and terminates when it is dropped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::clock;
use crate::control_plane::{ControlError, ControlPlane, SessionId, StartRequest, Ticket};
use crate::error::Error;

/// A start that is not answered within this is given up by whoever asked for it.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long one session's termination is tried.
const TERMINATE_LIMIT: Duration = Duration::from_secs(20);

/// A session that lives at the service because of us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveSession {
    /// The session.
    pub session_id: SessionId,
    /// What it was started against.
    pub target: String,
    /// The document, if one was named.
    pub document: Option<String>,
    /// The account side it was started through, as [`ControlPlane::label`] names it.
    pub label: String,
    /// When, in milliseconds since the Unix epoch.
    pub started_ms: u64,
}

/// Remembers live sessions beyond this process, so that the next start can find what a killed
/// one left behind. Called from engine tasks: must not block for long.
pub trait Ledger: Send + Sync + 'static {
    /// A session was started.
    fn session_started(&self, session: &LiveSession);
    /// A session is over at the service.
    fn session_ended(&self, session_id: &SessionId);
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLedger;

impl Ledger for NoLedger {
    fn session_started(&self, _session: &LiveSession) {}
    fn session_ended(&self, _session_id: &SessionId) {}
}

/// Starts sessions and sees them ended.
#[derive(Clone)]
pub(crate) struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    ledger: Arc<dyn Ledger>,
    /// Held for the length of a map operation only.
    live: Mutex<BTreeMap<SessionId, LiveSession>>,
    tasks: TaskTracker,
}

impl Registry {
    pub(crate) fn new(ledger: Arc<dyn Ledger>) -> Self {
        let shared =
            Shared { ledger, live: Mutex::new(BTreeMap::new()), tasks: TaskTracker::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Names the sessions that live at the service because of us.
    pub(crate) fn live(&self) -> Vec<LiveSession> {
        self.shared.live().values().cloned().collect()
    }

    /// Runs a task whose end [`Self::finish`] waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.shared.tasks.spawn(task);
    }

    /// Starts a session. Dropping the future ends whatever the service makes of the request.
    ///
    /// # Errors
    /// [`Error::Start`] with the service's answer.
    pub(crate) async fn start(
        &self,
        control: &Arc<dyn ControlPlane>,
        request: &StartRequest,
    ) -> Result<(Ticket, Lease), Error> {
        let (answer, answered) = oneshot::channel();
        let (registry, control) = (self.clone(), Arc::clone(control));
        let asked = request.clone();
        self.spawn(async move {
            let outcome = control.start_session(&asked).await.map(|ticket| {
                let lease = registry.lease(&control, &ticket.session_id, &asked);
                (ticket, lease)
            });
            // If nobody waits any more, the lease comes back in the error and is dropped.
            let _ = answer.send(outcome);
        });
        // The call itself goes on: what it starts too late is a session all the same.
        let outcome = match timeout(START_LIMIT, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => return Err(Error::ShuttingDown),
            Err(_) => Err(unanswered("StartSession", START_LIMIT)),
        };
        let target = request.target.clone();
        outcome.map_err(|source| Error::Start { target, source: Box::new(source) })
    }

    fn lease(
        &self,
        control: &Arc<dyn ControlPlane>,
        session_id: &SessionId,
        request: &StartRequest,
    ) -> Lease {
        let session = LiveSession {
            session_id: session_id.clone(),
            target: request.target.clone(),
            document: request.document.clone(),
            label: control.label(),
            started_ms: clock::epoch_ms(),
        };
        tracing::info!(%session_id, target = %session.target, "session started");
        self.shared.ledger.session_started(&session);
        self.shared.live().insert(session_id.clone(), session);
        Lease {
            registry: self.clone(),
            control: Arc::clone(control),
            session_id: session_id.clone(),
            is_over: false,
        }
    }

    fn note_ended(&self, session_id: &SessionId) {
        if self.shared.live().remove(session_id).is_some() {
            self.shared.ledger.session_ended(session_id);
        }
    }

    /// Waits until every task is done, for at most `limit`; answers what still lives then.
    pub(crate) async fn finish(&self, limit: Duration) -> Vec<LiveSession> {
        self.shared.tasks.close();
        if timeout(limit, self.shared.tasks.wait()).await.is_err() {
            tracing::warn!("sessions remain after {limit:?}");
        }
        self.live()
    }

    /// Ends a session that an earlier process left behind.
    pub(crate) async fn end_leftover(
        &self,
        control: &Arc<dyn ControlPlane>,
        session_id: &SessionId,
    ) -> Result<(), ControlError> {
        terminate(control.as_ref(), session_id).await?;
        self.note_ended(session_id);
        self.shared.ledger.session_ended(session_id);
        Ok(())
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Shared {
    fn live(&self) -> MutexGuard<'_, BTreeMap<SessionId, LiveSession>> {
        // The map is whole whatever a panicking task was doing.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Owns one session at the service; terminates it when dropped.
pub(crate) struct Lease {
    registry: Registry,
    control: Arc<dyn ControlPlane>,
    session_id: SessionId,
    is_over: bool,
}

impl Lease {
    /// Terminates the session and waits until the service knows. Cancel safe: the call goes on.
    pub(crate) async fn end(mut self) {
        self.is_over = true;
        // An error means that the runtime ends, and the call with it.
        let _ = self.terminate().await;
    }

    fn terminate(&self) -> JoinHandle<()> {
        let registry = self.registry.clone();
        let control = Arc::clone(&self.control);
        let session_id = self.session_id.clone();
        self.registry.shared.tasks.spawn(async move {
            match terminate(control.as_ref(), &session_id).await {
                Ok(()) => {
                    tracing::info!(%session_id, "session terminated");
                    registry.note_ended(&session_id);
                }
                Err(error) => tracing::warn!(%session_id, %error, "session not terminated"),
            }
        })
    }

    /// The service has said that the session is over.
    pub(crate) fn note_over(mut self) {
        self.is_over = true;
        self.registry.note_ended(&self.session_id);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if tokio::runtime::Handle::try_current().is_err() {
            tracing::warn!(session_id = %self.session_id, "nothing left to terminate with");
            return;
        }
        self.terminate();
    }
}

async fn terminate(control: &dyn ControlPlane, session_id: &SessionId) -> Result<(), ControlError> {
    let mut backoff = Backoff::new(clock::epoch_ms());
    let give_up = clock::now() + TERMINATE_LIMIT;
    loop {
        tokio::time::sleep(backoff.next_delay()).await;
        let asked = timeout(TERMINATE_LIMIT, control.terminate_session(session_id)).await;
        match asked.unwrap_or_else(|_| Err(unanswered("TerminateSession", TERMINATE_LIMIT))) {
            Ok(()) | Err(ControlError::SessionGone) => return Ok(()),
            Err(error) if error.is_transient() && clock::now() < give_up => {
                tracing::debug!(%session_id, %error, "terminating again");
            }
            Err(error) => return Err(error),
        }
    }
}

fn unanswered(call: &str, limit: Duration) -> ControlError {
    let reason = format!("no answer within {} s", limit.as_secs());
    ControlError::Unreachable { endpoint: call.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::SessionState;
    use crate::testing::{Account, bench_with, reach, soon};
    use crate::{EngineConfig, TerminalSpec};

    #[derive(Default)]
    struct Book {
        lines: Mutex<Vec<String>>,
    }

    impl Book {
        fn lines(&self) -> Vec<String> {
            self.lines.lock().unwrap().clone()
        }
    }

    impl Ledger for Book {
        fn session_started(&self, session: &LiveSession) {
            self.lines.lock().unwrap().push(format!("+{}", session.session_id));
        }

        fn session_ended(&self, session_id: &SessionId) {
            self.lines.lock().unwrap().push(format!("-{session_id}"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_ledger_knows_every_session_from_start_to_end() {
        let book = Arc::new(Book::default());
        let ledger = Arc::clone(&book) as Arc<dyn Ledger>;
        let (engine, account, mut door) =
            bench_with(EngineConfig { ledger, ..EngineConfig::default() });
        let (handle, _output) = engine.terminal(account.plane(), TerminalSpec::default());
        let _agent = door.agent().await;
        assert_eq!(book.lines(), ["+session-1"]);
        handle.end();
        assert!(soon(engine.shutdown(Duration::from_secs(30))).await.is_empty());
        assert_eq!(book.lines(), ["+session-1", "-session-1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_terminated_stays_in_the_ledger() {
        let book = Arc::new(Book::default());
        let ledger = Arc::clone(&book) as Arc<dyn Ledger>;
        let (engine, account, mut door) =
            bench_with(EngineConfig { ledger, ..EngineConfig::default() });
        let denied = ControlError::AccessDenied(crate::Refusal::default());
        account.with(|calls| calls.terminate_answers.push_back(denied));
        let (handle, _output) = engine.terminal(account.plane(), TerminalSpec::default());
        let _agent = door.agent().await;
        drop(handle);
        let left = soon(engine.shutdown(Duration::from_secs(30))).await;
        assert_eq!(left.len(), 1);
        assert_eq!(book.lines(), ["+session-1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_leftover_of_an_earlier_process_is_ended() {
        let book = Arc::new(Book::default());
        let ledger = Arc::clone(&book) as Arc<dyn Ledger>;
        let (engine, account, _door) =
            bench_with(EngineConfig { ledger, ..EngineConfig::default() });
        let leftover = SessionId::new("left-1");
        engine.end_leftover(&account.plane(), &leftover).await.expect("it can be ended");
        assert_eq!(account.with(|calls| calls.terminated.clone()), ["left-1"]);
        assert_eq!(book.lines(), ["-left-1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_answered_too_late_is_given_up_and_its_session_ended() {
        let (engine, account, _door) = bench_with(EngineConfig::default());
        account.with(|calls| calls.hangs_on_start = true);
        let (handle, _output) = engine.terminal(account.plane(), TerminalSpec::default());
        let is_over = |state: &SessionState| matches!(state, SessionState::Ended(_));
        let SessionState::Ended(end) = reach(&mut handle.state(), is_over).await else {
            unreachable!()
        };
        let error = end.error().expect("it failed");
        assert!(matches!(&**error, Error::Start { .. }), "{error}");
        assert!(account.with(|calls| calls.terminated.is_empty()));
        account.with(|calls| calls.hangs_on_start = false);
        account.until(|calls| calls.terminated == ["session-1"]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_termination_is_made_again() {
        let account = Arc::new(Account::default());
        account.with(|calls| {
            let throttled = ControlError::Throttled(crate::Refusal::default());
            calls.terminate_answers.extend([throttled.clone(), throttled]);
        });
        let plane = account.plane();
        soon(terminate(plane.as_ref(), &SessionId::new("s"))).await.expect("in the end");
        assert_eq!(account.with(|calls| calls.terminated.len()), 3);
    }
}
