//! The task of one tunnel: brings about what is wanted and shows how it goes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use session::{ControlError, LocalSpec, TunnelEvent, TunnelHandle};
use tokio::sync::{Notify, broadcast, watch};

use super::{Tunnels, Wish, port, state};
use crate::account::Account;
use crate::clock;
use crate::error::Subject;
use crate::view::{
    AppError, ErrorCode, ProfileId, Severity, StartStep, TargetView, TunnelId, TunnelSpec,
    TunnelState, TunnelVia,
};

/// The longest wait before a node is looked for again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

pub(super) struct Run {
    tunnels: Tunnels,
    id: TunnelId,
    wishes: watch::Receiver<Wish>,
    retry: Arc<Notify>,
    ready: broadcast::Receiver<ProfileId>,
    /// What runs; stopped before anything else is started, so that its port is free.
    handle: Option<TunnelHandle>,
    shown: TunnelState,
    /// It has listened since the last try.
    was_up: bool,
}

/// Why a tunnel is not up.
enum Outcome {
    /// The user must act; then it is tried again.
    Wait(AppError),
    /// It is tried again after a while.
    Later(AppError),
    /// The user must change something.
    Failed { error: AppError, free_port: Option<u16> },
    /// It is gone without a reason.
    Gone,
}

impl Run {
    pub(super) fn new(
        tunnels: Tunnels,
        id: TunnelId,
        wishes: watch::Receiver<Wish>,
        retry: Arc<Notify>,
    ) -> Self {
        let ready = tunnels.0.ground.accounts.ready();
        let (handle, shown) = (None, TunnelState::Stopped);
        Self { tunnels, id, wishes, retry, ready, handle, shown, was_up: false }
    }

    pub(super) async fn run(mut self) {
        let mut wishes = self.wishes.clone();
        loop {
            let wish = wishes.borrow_and_update().clone();
            let changed = if wish.is_wanted {
                tokio::select! {
                    biased;
                    changed = wishes.changed() => changed,
                    never = self.keep_up(&wish.spec) => match never {},
                }
            } else {
                wishes.changed().await
            };
            let is_forgotten = changed.is_err();
            if wish.is_wanted {
                self.stop(is_forgotten || !wishes.borrow().is_wanted).await;
            }
            if is_forgotten {
                return;
            }
        }
    }

    async fn stop(&mut self, is_final: bool) {
        self.tunnels.set_handle(&self.id, None);
        if is_final {
            self.show(TunnelState::Stopped, &[]);
        }
        if let Some(handle) = self.handle.take() {
            handle.stop().await;
        }
    }

    /// Keeps a tunnel up for as long as it is wanted.
    async fn keep_up(&mut self, spec: &TunnelSpec) -> std::convert::Infallible {
        let mut tries = 0u32;
        loop {
            // What a retry was asked for before now is about to happen.
            self.show(TunnelState::Starting { step: StartStep::Session }, &[]);
            let outcome = self.attempt(spec).await;
            if let Some(handle) = self.handle.take() {
                self.tunnels.set_handle(&self.id, None);
                handle.stop().await;
            }
            let was_up = std::mem::take(&mut self.was_up);
            tries = if was_up { 1 } else { tries.saturating_add(1) };
            match outcome {
                Outcome::Gone => {}
                Outcome::Wait(error) => {
                    self.tunnels.0.ground.accounts.note_failed(&spec.profile_id, &error);
                    self.show(TunnelState::Waiting { error }, &[]);
                    self.wait(&spec.profile_id, None).await;
                }
                Outcome::Later(error) => {
                    let wait = Duration::from_secs(1 << tries.min(5)).min(LONGEST_WAIT);
                    let subject = self.subject(spec, "");
                    let reconnecting = TunnelState::Reconnecting {
                        attempt: tries,
                        retry_ms: Some(clock::epoch_ms() + clock::length_ms(wait)),
                        cause: state::cause(&error, &subject),
                    };
                    self.show(reconnecting, &[]);
                    self.wait(&spec.profile_id, Some(wait)).await;
                }
                Outcome::Failed { error, free_port } => {
                    self.tunnels.0.ground.accounts.note_failed(&spec.profile_id, &error);
                    self.show(TunnelState::Failed { error, free_port }, &[]);
                    self.retry.notified().await;
                    tries = 0;
                }
            }
        }
    }

    /// Waits until the user says so, the account's credentials work again, or the time is up.
    async fn wait(&mut self, profile: &ProfileId, time: Option<Duration>) {
        let time_is_up = async {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(time_is_up);
        loop {
            tokio::select! {
                () = self.retry.notified() => return,
                () = &mut time_is_up => return,
                ready = self.ready.recv() => match ready {
                    Ok(ready) if ready != *profile => {}
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                },
            }
        }
    }

    fn subject(&self, spec: &TunnelSpec, node_id: &str) -> Subject {
        let target = TargetView {
            profile_id: spec.profile_id.clone(),
            region: spec.region.clone(),
            node_id: node_id.to_owned(),
            node_name: String::new(),
        };
        self.tunnels.0.ground.inventories.subject(&target)
    }

    async fn attempt(&mut self, spec: &TunnelSpec) -> Outcome {
        let account =
            match self.tunnels.0.ground.accounts.open(&spec.profile_id, &spec.region).await {
                Ok(account) => account,
                Err(error) => return refused(error),
            };
        let node_id = match self.node(spec, &account).await {
            Ok(node_id) => node_id,
            Err(outcome) => return outcome,
        };
        let subject = self.subject(spec, &node_id);
        self.tunnels.show_of(&self.id, |view| view.node_name = Some(subject.name().to_owned()));
        let addresses = match port::addresses(&spec.bind) {
            Ok(addresses) => addresses,
            Err(error) => return Outcome::Failed { error, free_port: None },
        };
        let wanted = wanted(spec, node_id, addresses.clone());
        match self.tunnels.0.ground.engine.tunnel(account.control(), wanted) {
            Ok(handle) => {
                self.handle = Some(handle.clone());
                self.tunnels.set_handle(&self.id, Some(handle.clone()));
                self.follow(spec, &account, &handle, &subject).await
            }
            Err(error) => {
                let is_bind = matches!(error, session::Error::Bind { .. });
                let free_port = is_bind.then(|| port::free_above(spec.local_port, &addresses, &[]));
                let error = state::not_bound(error, &subject);
                Outcome::Failed { error, free_port: free_port.flatten() }
            }
        }
    }

    /// Names the node: the one of the description, or one that is online and has the tag.
    async fn node(&self, spec: &TunnelSpec, account: &Account) -> Result<String, Outcome> {
        let (key, value) = match &spec.via {
            TunnelVia::Node { node_id } => return Ok(node_id.clone()),
            TunnelVia::Tag { key, value } => (key, value),
        };
        let found = account.client().nodes_tagged(key, value).await;
        let nodes = found.map_err(|error| refused(account.unreadable(error).view()))?;
        let online = nodes.iter().find(|node| node.ping == aws::PingStatus::Online);
        online.map(|node| node.id.to_string()).ok_or_else(|| {
            let message = match nodes.len() {
                0 => format!("No node in {} has the tag {key}={value}.", spec.region),
                count => format!("None of the {count} nodes with the tag {key}={value} is online."),
            };
            Outcome::Later(AppError { code: ErrorCode::NotFound, message, detail: None })
        })
    }

    async fn follow(
        &mut self,
        spec: &TunnelSpec,
        account: &Account,
        handle: &TunnelHandle,
        subject: &Subject,
    ) -> Outcome {
        let listening = state::addresses(handle.local());
        let mut states = handle.state();
        let mut events = handle.events();
        states.mark_changed();
        loop {
            tokio::select! {
                biased;
                changed = states.changed() => {
                    let state = states.borrow_and_update().clone();
                    let shown = state::show(&state, &self.shown, subject);
                    match &shown {
                        TunnelState::Listening { .. } => {
                            self.was_up = true;
                            self.tunnels.0.ground.accounts.note_answered(&spec.profile_id, account);
                        }
                        TunnelState::Waiting { error } => {
                            self.tunnels.0.ground.accounts.note_failed(&spec.profile_id, error);
                        }
                        TunnelState::Failed { error, .. } => {
                            return Outcome::Failed { error: error.clone(), free_port: None };
                        }
                        TunnelState::Stopped
                        | TunnelState::Starting { .. }
                        | TunnelState::Ready
                        | TunnelState::Reconnecting { .. } => {}
                    }
                    if changed.is_err() {
                        return Outcome::Gone;
                    }
                    if let Some(error) = away(spec, &state) {
                        return Outcome::Later(state::view(error, subject));
                    }
                    self.show(shown, &listening);
                }
                event = events.recv() => self.handle_event(event),
                () = self.retry.notified() => {}
                ready = self.ready.recv() => {
                    if ready.is_ok_and(|profile| profile == spec.profile_id) {
                        self.tunnels.0.ground.engine.disturb(session::Disturbance::NetworkChanged);
                    }
                }
            }
        }
    }

    fn handle_event(&self, event: Result<TunnelEvent, broadcast::error::RecvError>) {
        let who = |peer: Option<SocketAddr>| match peer {
            Some(peer) => peer.to_string(),
            None => "a program".to_owned(),
        };
        let (severity, text) = match event {
            Ok(TunnelEvent::Accepted { peer }) => {
                self.tunnels.0.stirred.notify_one();
                (Severity::Info, format!("Connection from {}", who(peer)))
            }
            Ok(TunnelEvent::Refused { destination, peer }) => {
                (Severity::Warn, format!("{destination} refused the connection of {}", who(peer)))
            }
            Ok(TunnelEvent::ReaderTooSlow { peer }) => (
                Severity::Warn,
                format!("{} did not read, and others needed the session", who(peer)),
            ),
            Ok(TunnelEvent::ConnectionLost { peer }) => {
                (Severity::Warn, format!("{} lost its connection with the session", who(peer)))
            }
            Ok(TunnelEvent::NoSession { peer }) => {
                (Severity::Warn, format!("No session came up in time for {}", who(peer)))
            }
            Ok(TunnelEvent::CustomerMessage { text }) => (Severity::Info, text),
            Ok(TunnelEvent::PacedByAgent { connections }) => {
                let held = format!("The agent's pace holds {connections} connections back");
                let lanes = self.wishes.borrow().spec.lanes;
                let more = if lanes < TunnelSpec::MOST_LANES {
                    "; more lanes would carry them"
                } else {
                    ""
                };
                (Severity::Info, format!("{held}{more}"))
            }
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                self.tunnels.0.stirred.notify_one();
                (Severity::Info, format!("{missed} lines were left out"))
            }
            Err(broadcast::error::RecvError::Closed) => return,
        };
        self.tunnels.note(&self.id, severity, text);
    }

    fn show(&mut self, state: TunnelState, listening: &[String]) {
        let is_other = std::mem::discriminant(&self.shown) != std::mem::discriminant(&state);
        if is_other || matches!(state, TunnelState::Failed { .. }) {
            if let Some((severity, text)) = state::line(&state, listening) {
                self.tunnels.note(&self.id, severity, text);
            }
            tracing::info!(tunnel = %self.id.0, ?state, "tunnel");
        }
        self.shown = state.clone();
        let is_down = matches!(state, TunnelState::Stopped | TunnelState::Failed { .. });
        self.tunnels.show_of(&self.id, |view| {
            view.state = state;
            view.listening = listening.to_vec();
            if is_down {
                view.connections = 0;
            }
        });
    }
}

/// Tells the engine what a tunnel is.
fn wanted(spec: &TunnelSpec, node_id: String, addresses: Vec<IpAddr>) -> session::TunnelSpec {
    let idle_stop = spec.idle_stop_minutes.filter(|_| spec.on_demand);
    session::TunnelSpec {
        host: spec.remote_host.clone(),
        local: LocalSpec::Tcp { addresses, port: spec.local_port },
        lanes: spec.lanes,
        on_demand: spec.on_demand,
        idle_stop: idle_stop.map(|minutes| Duration::from_secs(u64::from(minutes) * 60)),
        ..session::TunnelSpec::new(node_id, spec.remote_port)
    }
}

/// Says why a node chosen by its tag has gone away: a sister may have the same tag.
fn away<'a>(spec: &TunnelSpec, state: &'a session::TunnelState) -> Option<&'a Arc<session::Error>> {
    let TunnelVia::Tag { .. } = spec.via else { return None };
    let session::TunnelState::Restarting { error, .. } = state else { return None };
    let session::Error::Start { source, .. } = &**error else { return None };
    matches!(**source, ControlError::NotConnected(_)).then_some(error)
}

fn refused(error: AppError) -> Outcome {
    if error.wants_sign_in() {
        Outcome::Wait(error)
    } else if matches!(error.code, ErrorCode::Unreachable | ErrorCode::Throttled) {
        Outcome::Later(error)
    } else {
        Outcome::Failed { error, free_port: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_reaches_the_engine() {
        let via = TunnelVia::Node { node_id: "i-1".to_owned() };
        let plain = TunnelSpec::new("db", ProfileId("p".to_owned()), "r", via, 5432);
        let engine = |spec: &TunnelSpec| wanted(spec, "i-1".to_owned(), Vec::new());
        let few = engine(&TunnelSpec { idle_stop_minutes: Some(5), ..plain.clone() });
        assert_eq!((few.lanes, few.on_demand, few.idle_stop), (1, false, None));
        let all = engine(&TunnelSpec {
            remote_host: Some("orders-db".to_owned()),
            local_port: 15_432,
            on_demand: true,
            idle_stop_minutes: Some(5),
            lanes: 4,
            ..plain
        });
        assert_eq!((all.lanes, all.on_demand), (4, true));
        assert_eq!(all.idle_stop, Some(Duration::from_secs(300)));
        assert_eq!(all.destination(), "orders-db:5432");
        assert_eq!(all.local, LocalSpec::Tcp { addresses: Vec::new(), port: 15_432 });
    }
}
