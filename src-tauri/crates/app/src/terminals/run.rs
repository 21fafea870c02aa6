//! The task of one terminal: starts its session, hands over what it prints, shows how it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use session::{
    Disturbance, OutputFlow, SessionState, StartRequest, TerminalHandle, TerminalOutput,
    TerminalSpec,
};
use tokio::sync::{Notify, broadcast, watch};

use super::{Line, Terminals, state};
use crate::account::Account;
use crate::clock;
use crate::desktop::OutputSink;
use crate::view::{AppError, ProfileId, StartStep, TargetView, TerminalId, TerminalState};

/// The time left is shown in minutes: it need not be told more often.
const IDLE_TOLD_EVERY: Duration = Duration::from_secs(15);

pub(super) struct Run {
    terminals: Terminals,
    id: TerminalId,
    line: watch::Sender<Line>,
    output: OutputSink,
    retry: Arc<Notify>,
    ready: broadcast::Receiver<ProfileId>,
}

/// What one session came to.
enum Outcome {
    /// The user must act; then it is started again.
    Wait(AppError),
    Over,
}

impl Run {
    pub(super) fn new(
        terminals: Terminals,
        id: TerminalId,
        line: watch::Sender<Line>,
        output: OutputSink,
        retry: Arc<Notify>,
    ) -> Self {
        let ready = terminals.0.ground.accounts.ready();
        Self { terminals, id, line, output, retry, ready }
    }

    pub(super) async fn run(mut self) {
        let Some(target) = self.terminals.target(&self.id) else { return };
        while let Outcome::Wait(error) = self.session(&target).await {
            self.line.send_replace(Line::Coming);
            self.show(TerminalState::Waiting { error });
            self.wait(&target.profile_id).await;
        }
        self.line.send_replace(Line::Over);
    }

    /// Waits until the account's credentials work again, or the user says so.
    async fn wait(&mut self, profile: &ProfileId) {
        loop {
            tokio::select! {
                () = self.retry.notified() => return,
                ready = self.ready.recv() => match ready {
                    Ok(ready) if ready != *profile => {}
                    // After a lag it is better to try than to miss it.
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                },
            }
        }
    }

    async fn session(&mut self, target: &TargetView) -> Outcome {
        self.show(TerminalState::Starting { step: StartStep::Session });
        let accounts = self.terminals.0.ground.accounts.clone();
        let account = match accounts.open(&target.profile_id, &target.region).await {
            Ok(account) => account,
            Err(error) => return self.refused(error),
        };
        let size = self.terminals.size(&self.id);
        let spec = TerminalSpec {
            request: StartRequest { target: target.node_id.clone(), ..StartRequest::default() },
            size: size.map(|size| session::TerminalSize { cols: size.cols, rows: size.rows }),
            flow: OutputFlow::default(),
        };
        let (handle, output) = self.terminals.0.ground.engine.terminal(account.control(), spec);
        self.line.send_replace(Line::Open(handle.clone()));
        // A size that came before there was anybody to tell it to.
        if let Some(size) = self.terminals.size(&self.id) {
            handle.resize(session::TerminalSize { cols: size.cols, rows: size.rows });
        }
        self.follow(target, &account, &handle, output).await
    }

    fn refused(&self, error: AppError) -> Outcome {
        if error.wants_sign_in() {
            return Outcome::Wait(error);
        }
        self.show(TerminalState::Failed { error });
        Outcome::Over
    }

    async fn follow(
        &mut self,
        target: &TargetView,
        account: &Account,
        handle: &TerminalHandle,
        mut output: TerminalOutput,
    ) -> Outcome {
        let subject = self.terminals.0.ground.inventories.subject(target);
        let accounts = self.terminals.0.ground.accounts.clone();
        let terminals = self.terminals.clone();
        let preferences = &terminals.0.preferences;
        let preferred = preferences.of(&target.profile_id, &target.region, account);
        tokio::pin!(preferred);
        let mut idle = Idle::new();
        let mut has_asked = false;
        let mut states = handle.state();
        states.mark_changed();
        let mut was_ready = false;
        // No call has been answered yet, or none since one was refused.
        let mut is_unheard = true;
        let mut has_output = true;
        let end = loop {
            tokio::select! {
                biased;
                Ok(()) = states.changed() => {
                    let state = states.borrow_and_update().clone();
                    let Some(shown) = state::living(&state, &subject) else {
                        if let SessionState::Ended(end) = state && !has_output {
                            break end;
                        }
                        continue;
                    };
                    if let SessionState::Ready(_) = &state && std::mem::take(&mut is_unheard) {
                        accounts.note_answered(&target.profile_id, account);
                    }
                    if let SessionState::Ready(ready) = &state && !was_ready {
                        was_ready = true;
                        if !ready.customer_message.is_empty() {
                            let message = format!("{}\r\n", ready.customer_message);
                            (self.output)(Bytes::from(message));
                        }
                    }
                    if let TerminalState::Waiting { error } = &shown {
                        is_unheard = true;
                        accounts.note_failed(&target.profile_id, error);
                    }
                    let session_id = session_id(&state);
                    terminals.show(&self.id, &self.line, |view| {
                        view.state = shown;
                        view.session_id = session_id.or(view.session_id.take());
                    });
                }
                piece = output.next(), if has_output => match piece {
                    Some(piece) => {
                        if !(self.output)(piece) {
                            handle.end();
                        }
                        if let Some(end_ms) = idle.heard() {
                            terminals.show(&self.id, &self.line, |view| view.idle_end_ms = Some(end_ms));
                        }
                    }
                    None => {
                        has_output = false;
                        states.mark_changed();
                    }
                },
                found = &mut preferred, if was_ready && !has_asked => {
                    has_asked = true;
                    let user = found.as_ref().and_then(|found| found.user(terminals.platform(target)));
                    let end_ms = idle.limited(found.map(|found| found.idle_timeout));
                    terminals.show(&self.id, &self.line, |view| {
                        view.user = user.map(str::to_owned);
                        view.idle_end_ms = end_ms.or(view.idle_end_ms);
                    });
                }
                ready = self.ready.recv() => {
                    // What waits for a sign-in in the middle of a session tries again at once.
                    if ready.is_ok_and(|profile| profile == target.profile_id) {
                        terminals.0.ground.engine.disturb(Disturbance::NetworkChanged);
                    }
                }
            }
        };
        let over = state::ended(&end, was_ready, idle.quiet(), &subject);
        if let TerminalState::Waiting { error } | TerminalState::Failed { error } = &over {
            accounts.note_failed(&target.profile_id, error);
        }
        if let TerminalState::Waiting { error } = over {
            return Outcome::Wait(error);
        }
        self.terminals.show(&self.id, &self.line, |view| {
            view.state = over;
            view.idle_end_ms = None;
        });
        Outcome::Over
    }

    fn show(&self, state: TerminalState) {
        self.terminals.show(&self.id, &self.line, |view| {
            view.state = state;
            view.user = None;
            view.idle_end_ms = None;
            view.session_id = None;
        });
    }
}

fn session_id(state: &SessionState) -> Option<String> {
    match state {
        SessionState::Opening { session_id } => Some(session_id.to_string()),
        SessionState::Ready(ready) => Some(ready.session_id.to_string()),
        SessionState::Resuming(resuming) => Some(resuming.session_id.to_string()),
        SessionState::Starting | SessionState::Ended(_) => None,
    }
}

/// When a session was last heard of, and when the service will end it for being quiet.
struct Idle {
    heard: Instant,
    told: Option<Instant>,
    limit: Option<Duration>,
}

impl Idle {
    fn new() -> Self {
        Self { heard: clock::now(), told: None, limit: None }
    }

    /// Takes the limit in; answers the end to tell.
    fn limited(&mut self, limit: Option<Duration>) -> Option<u64> {
        self.limit = limit;
        self.tell()
    }

    /// Something was printed; answers the end to tell, if it is time.
    fn heard(&mut self) -> Option<u64> {
        self.heard = clock::now();
        let is_due = self
            .told
            .is_none_or(|told| self.heard.saturating_duration_since(told) >= IDLE_TOLD_EVERY);
        if is_due { self.tell() } else { None }
    }

    fn tell(&mut self) -> Option<u64> {
        let limit = self.limit?;
        self.told = Some(self.heard);
        let quiet = clock::now().saturating_duration_since(self.heard);
        Some(clock::epoch_ms() + clock::length_ms(limit.saturating_sub(quiet)))
    }

    /// Answers how long it has been quiet, and how long it may be.
    fn quiet(&self) -> (Duration, Option<Duration>) {
        (clock::now().saturating_duration_since(self.heard), self.limit)
    }
}
