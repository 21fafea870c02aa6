//! What goes wrong on purpose.
//!
//! [`Faults`] is one shared set of switches. The HTTP side asks it before it answers a call
//! ([`Faults::api`]), the gateway and the agent read their rules from it, and what happens once
//! (a cut, a freeze, a forged frame) travels from here to the sessions it names. Nothing is wrong
//! until somebody asks for it.

mod command;
mod rules;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, watch};

pub use command::{Fault, FaultError};
pub use rules::{
    AgentRules, Dial, Direction, GatewayRules, Impairment, JoinRule, Pacing, Padding, ResendRule,
    Side, Unattended,
};

/// How many acts may wait for a session that is busy; an older one is then forgotten.
const ACTS_KEPT: usize = 256;

/// The switches. Clones share them.
#[derive(Clone)]
pub struct Faults {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Counts changes, so that a reader of rules can tell that its copy is old.
    changes: watch::Sender<u64>,
    acts: broadcast::Sender<Act>,
}

#[derive(Default)]
struct State {
    api: Vec<ApiRule>,
    credentials_expired: bool,
    null_resumes: u32,
    upgrade_refusals: Vec<u16>,
    everywhere: Rules,
    sessions: BTreeMap<String, Rules>,
}

/// The rules of one session, or of every session that has none of its own.
#[derive(Clone, Default)]
struct Rules {
    gateway: GatewayRules,
    agent: AgentRules,
    up: Vec<Impairment>,
    down: Vec<Impairment>,
}

struct ApiRule {
    operation: String,
    left: u32,
    fault: ApiFault,
}

/// What a call is answered with instead of its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiFault {
    /// This error.
    Refuse {
        /// The `__type`, such as `AccessDeniedException`.
        code: String,
        /// The message beside it.
        message: String,
        /// The HTTP status.
        status: u16,
    },
    /// `ThrottlingException`.
    Throttle,
    /// No answer for this long, or never; then the connection closes.
    Hang(Option<Duration>),
    /// `ExpiredTokenException`.
    ExpiredToken,
}

/// Something that happens once, now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Act {
    /// The session it happens to; all when absent.
    pub(crate) session: Option<String>,
    pub(crate) kind: ActKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ActKind {
    /// The client's websocket breaks: with this close frame, or with none.
    Cut(Option<(u16, String)>),
    /// One side neither reads nor writes for this long.
    Freeze(Side, Duration),
    /// `pause_publication` to that side.
    Pause(Side),
    /// `start_publication` to that side.
    Start(Side),
    /// The agent's own websocket is gone for this long.
    AgentAway(Duration),
    /// The service ends the session with this text.
    Close(String),
    /// These bytes reach the client as one binary websocket message.
    Inject(bytes::Bytes),
    /// The same, as a text message.
    InjectText(String),
}

impl Default for Faults {
    fn default() -> Self {
        Self::new()
    }
}

impl Faults {
    /// Nothing wrong yet, the service's usual limits, the agent's usual pace.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                changes: watch::Sender::new(0),
                acts: broadcast::Sender::new(ACTS_KEPT),
            }),
        }
    }

    /// The fault to play for one call of `operation` (such as `StartSession`), if any. A rule
    /// with a count is used up by this.
    #[must_use]
    pub fn api(&self, operation: &str) -> Option<ApiFault> {
        let mut state = self.lock();
        let found = state
            .api
            .iter_mut()
            .find(|rule| rule.left > 0 && (rule.operation == operation || rule.operation == "*"));
        let fault = found.map(|rule| {
            rule.left -= 1;
            rule.fault.clone()
        });
        state.api.retain(|rule| rule.left > 0);
        fault.or_else(|| state.credentials_expired.then_some(ApiFault::ExpiredToken))
    }

    /// Refuses the next `times` calls of `operation` (`*`: of any) with an error.
    pub fn refuse(&self, operation: &str, code: &str, message: &str, status: u16, times: u32) {
        let fault = ApiFault::Refuse { code: code.into(), message: message.into(), status };
        self.add_api(operation, fault, times);
    }

    /// Throttles the next `times` calls of `operation`.
    pub fn throttle(&self, operation: &str, times: u32) {
        self.add_api(operation, ApiFault::Throttle, times);
    }

    /// Leaves the next `times` calls of `operation` unanswered for `time`, or for ever.
    pub fn hang(&self, operation: &str, time: Option<Duration>, times: u32) {
        self.add_api(operation, ApiFault::Hang(time), times);
    }

    /// Makes every credential expired, or valid again.
    pub fn expire_credentials(&self, expired: bool) {
        self.lock().credentials_expired = expired;
        self.changed();
    }

    /// Answers the next `times` calls of `ResumeSession` without a token.
    pub fn resume_without_token(&self, times: u32) {
        self.lock().null_resumes = times;
    }

    pub(crate) fn take_null_resume(&self) -> bool {
        let mut state = self.lock();
        let taken = state.null_resumes > 0;
        state.null_resumes = state.null_resumes.saturating_sub(1);
        taken
    }

    /// Refuses the next `times` websocket upgrades with this HTTP status.
    pub fn refuse_upgrades(&self, status: u16, times: u32) {
        let count = usize::try_from(times).unwrap_or(usize::MAX).min(100_000);
        self.lock().upgrade_refusals.extend(std::iter::repeat_n(status, count));
    }

    /// The HTTP status to refuse this websocket upgrade with, if it is to be refused.
    #[must_use]
    pub fn take_upgrade_refusal(&self) -> Option<u16> {
        self.lock().upgrade_refusals.pop()
    }

    /// Changes the gateway's rules for every session without rules of its own.
    pub fn gateway(&self, change: impl FnOnce(&mut GatewayRules)) {
        self.change(None, |rules| change(&mut rules.gateway));
    }

    /// Changes the agents' rules for every session without rules of its own. Most of them count
    /// from the next session on.
    pub fn agent(&self, change: impl FnOnce(&mut AgentRules)) {
        self.change(None, |rules| change(&mut rules.agent));
    }

    /// Changes the gateway's rules for one session.
    pub fn session_gateway(&self, session: &str, change: impl FnOnce(&mut GatewayRules)) {
        self.change(Some(session), |rules| change(&mut rules.gateway));
    }

    /// Changes the agent's rules for one session.
    pub fn session_agent(&self, session: &str, change: impl FnOnce(&mut AgentRules)) {
        self.change(Some(session), |rules| change(&mut rules.agent));
    }

    /// Disturbs one direction of one session, or of all. Rules are tried in the order they came;
    /// the first that fits a message decides.
    pub fn impair(&self, session: Option<&str>, direction: Direction, impairment: Impairment) {
        self.change(session, |rules| {
            if direction.is_up() {
                rules.up.push(impairment.clone());
            }
            if direction.is_down() {
                rules.down.push(impairment);
            }
        });
    }

    /// Ends every disturbance of one session, or of all.
    pub fn clear_impairments(&self, session: Option<&str>) {
        {
            let mut state = self.lock();
            match session {
                Some(id) => {
                    if let Some(rules) = state.sessions.get_mut(id) {
                        rules.up.clear();
                        rules.down.clear();
                    }
                }
                None => {
                    state.everywhere.up.clear();
                    state.everywhere.down.clear();
                    for rules in state.sessions.values_mut() {
                        rules.up.clear();
                        rules.down.clear();
                    }
                }
            }
        }
        self.changed();
    }

    /// Breaks the client's websocket of one session, or of all: with a close frame, or with none.
    pub fn cut(&self, session: Option<&str>, close: Option<(u16, &str)>) {
        let close = close.map(|(code, reason)| (code, reason.to_owned()));
        self.act(session, ActKind::Cut(close));
    }

    /// Makes one side of one session, or of all, neither read nor write for a time.
    pub fn freeze(&self, session: Option<&str>, side: Side, time: Duration) {
        self.act(session, ActKind::Freeze(side, time));
    }

    /// Sends `pause_publication` to one side. Nothing follows it by itself.
    pub fn pause(&self, session: Option<&str>, side: Side) {
        self.act(session, ActKind::Pause(side));
    }

    /// Sends `start_publication` to one side.
    pub fn start(&self, session: Option<&str>, side: Side) {
        self.act(session, ActKind::Start(side));
    }

    /// Takes the agent's own websocket away for a time: what either end sends meanwhile is lost,
    /// and the client is told of both the going and the coming back.
    pub fn agent_away(&self, session: Option<&str>, time: Duration) {
        self.act(session, ActKind::AgentAway(time));
    }

    /// Ends one session, or all, from the service's side with a text.
    pub fn close(&self, session: Option<&str>, output: &str) {
        self.act(session, ActKind::Close(output.to_owned()));
    }

    /// Sends bytes of any kind to the client as one binary websocket message.
    pub fn inject(&self, session: Option<&str>, frame: bytes::Bytes) {
        self.act(session, ActKind::Inject(frame));
    }

    /// Sends a text websocket message to the client.
    pub fn inject_text(&self, session: Option<&str>, text: &str) {
        self.act(session, ActKind::InjectText(text.to_owned()));
    }

    /// Forgets every rule and count. What already happened stays happened.
    pub fn reset(&self) {
        *self.lock() = State::default();
        self.changed();
    }

    pub(crate) fn gateway_rules(&self, session: &str) -> GatewayRules {
        self.read(session, |rules| rules.gateway.clone())
    }

    pub(crate) fn agent_rules(&self, session: &str) -> AgentRules {
        self.read(session, |rules| rules.agent.clone())
    }

    pub(crate) fn impairments(&self, session: &str, up: bool) -> Vec<Impairment> {
        self.read(session, |rules| if up { rules.up.clone() } else { rules.down.clone() })
    }

    /// Becomes changed whenever a rule does.
    pub(crate) fn subscribe_changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    pub(crate) fn subscribe_acts(&self) -> broadcast::Receiver<Act> {
        self.shared.acts.subscribe()
    }

    pub(crate) fn forget(&self, session: &str) {
        self.lock().sessions.remove(session);
    }

    fn add_api(&self, operation: &str, fault: ApiFault, times: u32) {
        self.lock().api.push(ApiRule { operation: operation.to_owned(), left: times, fault });
    }

    fn act(&self, session: Option<&str>, kind: ActKind) {
        // With no session running there is nobody for it to happen to.
        drop(self.shared.acts.send(Act { session: session.map(str::to_owned), kind }));
    }

    fn change(&self, session: Option<&str>, change: impl FnOnce(&mut Rules)) {
        {
            let mut state = self.lock();
            match session {
                None => change(&mut state.everywhere),
                Some(id) => {
                    let start = state.everywhere.clone();
                    change(state.sessions.entry(id.to_owned()).or_insert(start));
                }
            }
        }
        self.changed();
    }

    fn read<T>(&self, session: &str, read: impl FnOnce(&Rules) -> T) -> T {
        let state = self.lock();
        read(state.sessions.get(session).unwrap_or(&state.everywhere))
    }

    fn changed(&self) {
        self.shared.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_faults_are_used_up() {
        let faults = Faults::new();
        faults.throttle("StartSession", 2);
        assert_eq!(faults.api("ResumeSession"), None);
        assert_eq!(faults.api("StartSession"), Some(ApiFault::Throttle));
        assert_eq!(faults.api("StartSession"), Some(ApiFault::Throttle));
        assert_eq!(faults.api("StartSession"), None);
    }

    #[test]
    fn expired_credentials_touch_every_call_until_renewed() {
        let faults = Faults::new();
        faults.expire_credentials(true);
        assert_eq!(faults.api("DescribeInstances"), Some(ApiFault::ExpiredToken));
        faults.expire_credentials(false);
        assert_eq!(faults.api("DescribeInstances"), None);
    }

    #[test]
    fn a_session_of_its_own_starts_from_the_rules_of_all() {
        let faults = Faults::new();
        faults.agent(|rules| rules.silent = true);
        faults.session_agent("one", |rules| rules.requires_challenge = Some(true));
        faults.agent(|rules| rules.silent = false);
        assert!(faults.agent_rules("one").silent);
        assert!(!faults.agent_rules("two").silent);
        faults.forget("one");
        assert!(!faults.agent_rules("one").silent);
    }
}
