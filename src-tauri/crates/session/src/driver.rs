//! The one task of a session: it owns the websocket of the moment and the data channel above it.
//!
//! ```text
//!            ┌─────────────── any interruption ───────────────┐
//!            ↓                                                │
//!   Opening (ResumeSession, sign, dial) ──open──→ Open (frames, pings) ──channel_closed──→ over
//!       │        ↑
//!     failed   due, woken, network changed
//!       ↓        │
//!     Waiting (full jitter, 0.25 s to 15 s)          resume refused → over
//! ```
//!
//! Everything is polled in turns: local side, websocket, channel, timers. A turn never waits, so
//! a keystroke leaves in the turn it arrives in, and frames that are ready together share one
//! flush. The role decides what the bytes mean; see [`Role`].

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use protocol::{ChannelConfig, DataChannel, Event, Overdue, RateConfig, SessionKind};
use tokio::sync::watch;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::clock;
use crate::control_plane::{ControlPlane, SessionId, StartRequest, Ticket};
use crate::engine::Shared;
use crate::error::{Error, ReportedCause};
use crate::registry::Lease;
use crate::state::{Interruption, Ready, Resuming, SessionEnd, SessionState};

mod data_key;
mod ending;
mod link;
mod lull;
mod role;
mod websocket;

use data_key::DataKeyRequest;
use link::{Link, Ways};
use lull::Lull;
pub(crate) use role::{Role, Wish};

/// Turns before other tasks get their chance.
const TURNS: usize = 16;

/// What a driver is given besides the session itself.
pub(crate) struct Setting {
    pub(crate) shared: Arc<Shared>,
    pub(crate) control: Arc<dyn ControlPlane>,
    /// What the session was started against: part of the encryption context.
    pub(crate) target: String,
}

/// Starts a session and drives it on a task of its own, until its end or until `stop`.
pub(crate) fn spawn<R: Role>(
    setting: Setting,
    request: StartRequest,
    mut role: R,
    state: watch::Sender<SessionState>,
    stop: CancellationToken,
) {
    let registry = setting.shared.registry.clone();
    registry.clone().spawn(async move {
        let started = stop.run_until_cancelled(registry.start(&setting.control, &request)).await;
        let end = match started {
            Some(Ok((ticket, lease))) => {
                Driver::new(setting, ticket, lease, role, state).run(stop).await;
                return;
            }
            Some(Err(error)) => SessionEnd::failed(error),
            None => SessionEnd::Asked,
        };
        let rest = role.handle_end(&end);
        state.send_replace(SessionState::Ended(end));
        setting.shared.stop.run_until_cancelled(rest).await;
    });
}

/// Runs one session from its ticket to its end.
pub(crate) struct Driver<R> {
    role: R,
    setting: Setting,
    session_id: SessionId,
    url: Url,
    endpoint: String,
    lease: Lease,
    channel: DataChannel,
    ways: Ways,
    link: Link,
    lull: Lull,
    backoff: Backoff,
    state: watch::Sender<SessionState>,
    ready: Option<Ready>,
    /// Set from the loss of a websocket until the next one is open.
    outage: Option<Outage>,
    born: Instant,
    opened_at: Instant,
    /// Messages that had got across, either way, when this websocket was opened.
    across_before: u64,
    data_key: Option<DataKeyRequest>,
    sleep: Pin<Box<Sleep>>,
    armed_for: Option<Instant>,
    exit_status: Option<i32>,
    /// Output the role does not take yet; what the channel has to tell behind it waits too.
    held_event: Option<Event>,
    /// The last websocket was closed over the size of a message.
    is_too_big: bool,
    /// The service has said that the session is over.
    is_over: bool,
    /// We are ending it, and only see it out.
    is_leaving: bool,
    /// Why there was no data key, until the agent has ended the session over it.
    refused_key: Option<Error>,
}

struct Outage {
    since: Instant,
    interruption: Interruption,
    error: Option<Arc<Error>>,
}

impl<R: Role> Driver<R> {
    /// Makes the driver of a session that was just started. `state` is kept current.
    pub(crate) fn new(
        setting: Setting,
        ticket: Ticket,
        lease: Lease,
        role: R,
        state: watch::Sender<SessionState>,
    ) -> Self {
        let now = clock::now();
        let ways = Ways {
            control: Arc::clone(&setting.control),
            dialer: Arc::clone(&setting.shared.dialer),
        };
        let Ticket { session_id, stream_url, token } = ticket;
        let link = ways.first(stream_url.clone(), token);
        state.send_replace(SessionState::Opening { session_id: session_id.clone() });
        Self {
            role,
            channel: DataChannel::new(channel_config(&setting.shared, now)),
            endpoint: endpoint_of(&stream_url),
            url: stream_url,
            session_id,
            lease,
            ways,
            link,
            lull: Lull::default(),
            backoff: Backoff::new(random_word()),
            state,
            ready: None,
            outage: None,
            born: now,
            opened_at: now,
            across_before: 0,
            data_key: None,
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            armed_for: None,
            exit_status: None,
            held_event: None,
            is_too_big: false,
            is_over: false,
            is_leaving: false,
            refused_key: None,
            setting,
        }
    }

    /// Drives the session to its end, or to `stop`. Dropping the future ends it at the service
    /// too.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> SessionEnd {
        let mut disturbed = self.setting.shared.surroundings.subscribe();
        let mut stopped = pin!(stop.cancelled());
        let end = loop {
            tokio::select! {
                biased;
                () = &mut stopped => break SessionEnd::Asked,
                Ok(()) = disturbed.changed() => self.handle_disturbance(),
                end = poll_fn(|cx| self.poll(cx)) => break end,
            }
        };
        self.finish(end).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<SessionEnd> {
        for _ in 0..TURNS {
            match self.turn(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(end) => return Poll::Ready(end),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Looks at everything once; says whether another look is due, as nothing else will wake us
    /// for what moved.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, SessionEnd> {
        let now = clock::now();
        let mut has_moved = false;
        match self.role.poll_local(cx, &mut self.channel, now) {
            Poll::Ready(Wish::End) if !self.is_leaving => return Err(SessionEnd::Asked),
            Poll::Ready(Wish::Again) => has_moved = true,
            Poll::Ready(Wish::End) => {}
            Poll::Pending => {}
        }
        has_moved |= self.poll_data_key(cx);
        has_moved |= self.poll_link(cx, now)?;
        has_moved |= self.handle_events(now)?;
        if let Err(interruption) = self.poll_send(cx, now) {
            self.handle_interruption(interruption, now);
            has_moved = true;
        }
        has_moved |= self.poll_timers(cx, now)?;
        Ok(has_moved)
    }

    // The channel.

    /// Takes what the channel has to tell, as far as the role takes output: a hole that is
    /// filled at last may set free megabytes at once.
    fn handle_events(&mut self, now: Instant) -> Result<bool, SessionEnd> {
        let mut has_moved = false;
        while let Some(event) = self.held_event.take().or_else(|| self.channel.poll_event()) {
            if matches!(event, Event::Output(_) | Event::StdErr(_)) && !self.role.takes_output() {
                self.held_event = Some(event);
                break;
            }
            has_moved = true;
            self.handle_event(event, now)?;
        }
        Ok(has_moved)
    }

    fn handle_event(&mut self, event: Event, now: Instant) -> Result<(), SessionEnd> {
        match event {
            Event::Ready(ready) => return self.handle_ready(&ready, now),
            Event::Closed { output } => return Err(self.closed(&output)),
            Event::DataKeyWanted { key_id, challenge } => self.ask_data_key(key_id, challenge),
            Event::Overdue(overdue) => return self.handle_overdue(overdue),
            Event::Paused => self.set_paused(true),
            Event::Unpaused => self.set_paused(false),
            Event::PayloadProven { bytes } => {
                self.setting.shared.payloads.note_proven(&self.endpoint, bytes);
                self.set_payload_limit(now);
            }
            Event::PayloadRefused { bytes } => {
                let payloads = &self.setting.shared.payloads;
                payloads.note_refused(&self.endpoint, bytes, self.is_too_big, now);
            }
            Event::ExitCode(status) => {
                self.exit_status = Some(status);
            }
            event @ (Event::FlagAcknowledged(_)
            | Event::Output(_)
            | Event::StdErr(_)
            | Event::Flag(_)
            | Event::Writable) => {
                self.role
                    .handle_event(event, &mut self.channel, now)
                    .map_err(|error| self.peer_failed(&error))?;
            }
        }
        Ok(())
    }

    fn handle_ready(&mut self, ready: &protocol::Ready, now: Instant) -> Result<(), SessionEnd> {
        tracing::info!(
            session_id = %self.session_id,
            agent_version = ready.agent_version.as_ref().map(|version| version.as_str()),
            encrypted = ready.encrypted,
            "session ready"
        );
        self.role.handle_ready(ready, now).map_err(|wanted| {
            SessionEnd::failed(Error::WrongKind {
                target: self.setting.target.clone(),
                got: kind_name(&ready.kind),
                wanted,
            })
        })?;
        self.set_payload_limit(now);
        self.ready = Some(Ready {
            session_id: self.session_id.clone(),
            agent_version: ready.agent_version.as_ref().map(|version| version.as_str().to_owned()),
            customer_message: ready.customer_message.clone(),
            is_encrypted: ready.encrypted,
            is_paused: false,
        });
        self.show();
        Ok(())
    }

    /// Lets messages grow to what the endpoint takes, or may take; terminals stay small by
    /// themselves.
    fn set_payload_limit(&mut self, now: Instant) {
        let limit = self.setting.shared.payloads.next(&self.endpoint, now);
        self.channel.set_payload_limit(limit);
    }

    fn handle_overdue(&self, overdue: Overdue) -> Result<(), SessionEnd> {
        if self.ready.is_some() {
            return Ok(());
        }
        let (target, session_id) = (self.setting.target.clone(), self.session_id.clone());
        match overdue {
            Overdue::FirstFrame => Err(SessionEnd::failed(Error::NoAnswer {
                target,
                session_id,
                waited: Duration::from_secs(30),
            })),
            Overdue::Ready if self.role.may_stay_silent() => Ok(()),
            Overdue::Ready => Err(SessionEnd::failed(Error::NotReady {
                target,
                session_id,
                waited: Duration::from_secs(40),
            })),
        }
    }

    /// The service or the agent has ended the session.
    fn closed(&mut self, output: &str) -> SessionEnd {
        self.is_over = true;
        if let Some(error) = self.refused_key.take() {
            return SessionEnd::failed(error);
        }
        let text = output.trim().to_owned();
        let (target, session_id) = (self.setting.target.clone(), self.session_id.clone());
        if text.is_empty() && self.role.may_finish() {
            return SessionEnd::Finished { exit_status: self.exit_status };
        }
        if text.is_empty() {
            return SessionEnd::failed(Error::Ended { target, session_id });
        }
        SessionEnd::failed(Error::Reported {
            target,
            session_id,
            cause: ReportedCause::classify(&text),
            text,
        })
    }

    fn peer_failed(&self, error: &protocol::PeerError) -> SessionEnd {
        SessionEnd::failed(Error::Peer {
            target: self.setting.target.clone(),
            session_id: self.session_id.clone(),
            reason: error.to_string(),
        })
    }

    fn set_paused(&mut self, is_paused: bool) {
        if let Some(ready) = &mut self.ready
            && ready.is_paused != is_paused
        {
            tracing::debug!(session_id = %self.session_id, is_paused, "the agent's end");
            ready.is_paused = is_paused;
            self.show();
        }
    }

    // Time.

    fn poll_timers(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, SessionEnd> {
        let Some(next) = self.next_timeout() else { return Ok(false) };
        if next <= now {
            self.handle_timeouts(now)?;
            return Ok(true);
        }
        // An alarm that rings too early costs one look; moving it with every message would cost
        // more.
        if self.armed_for.is_none_or(|armed| armed > next || armed <= now) {
            self.sleep.as_mut().reset(next.into());
            self.armed_for = Some(next);
        }
        if self.sleep.as_mut().poll(cx).is_ready() {
            self.armed_for = None;
            return Ok(true);
        }
        Ok(false)
    }

    fn next_timeout(&self) -> Option<Instant> {
        let channel = self.channel.poll_timeout().map(|(at, _)| at);
        let link = match &self.link {
            Link::Open(transport) => {
                let beat = transport.poll_timeout();
                Some(self.lull.end().map_or(beat, |end| beat.min(end)))
            }
            Link::Waiting(until) => Some(*until),
            Link::Opening(_) => None,
        };
        [channel, link, self.role.poll_timeout()].into_iter().flatten().min()
    }

    fn handle_timeouts(&mut self, now: Instant) -> Result<(), SessionEnd> {
        self.channel.handle_timeout(now);
        if self.role.poll_timeout().is_some_and(|at| at <= now) {
            self.role.handle_timeout(&mut self.channel, now);
        }
        match &mut self.link {
            Link::Open(transport) => {
                if let Err(interruption) = transport.handle_timeout(now) {
                    self.handle_interruption(interruption, now);
                }
            }
            Link::Waiting(until) if *until <= now => {
                self.resume();
                self.show();
            }
            Link::Waiting(_) | Link::Opening(_) => {}
        }
        self.handle_events(now).map(drop)
    }

    // What others see.

    fn show(&self) {
        let state = match (&self.outage, &self.ready) {
            (Some(outage), _) => SessionState::Resuming(Resuming {
                session_id: self.session_id.clone(),
                since: outage.since,
                attempt: self.backoff.attempt(),
                retry_at: match &self.link {
                    Link::Waiting(until) => Some(*until),
                    Link::Opening(_) | Link::Open(_) => None,
                },
                interruption: outage.interruption.clone(),
                error: outage.error.clone(),
            }),
            (None, Some(ready)) => SessionState::Ready(ready.clone()),
            (None, None) => SessionState::Opening { session_id: self.session_id.clone() },
        };
        self.state.send_replace(state);
    }
}

fn channel_config(shared: &Shared, now: Instant) -> ChannelConfig {
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    seed[16..].copy_from_slice(Uuid::new_v4().as_bytes());
    let start = (now, clock::epoch_ms());
    let mut config = ChannelConfig::new(&shared.client_version, Uuid::new_v4(), seed, start);
    config.rate = RateConfig { frames_per_second: shared.frames_per_second(), ..config.rate };
    config
}

fn random_word() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}

/// Sizes are learned by host and port: behind one name stands one kind of gateway.
fn endpoint_of(url: &Url) -> String {
    format!(
        "{}:{}",
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or_default()
    )
}

fn kind_name(kind: &SessionKind) -> &'static str {
    match kind {
        SessionKind::Shell => "shell",
        SessionKind::InteractiveCommand => "command on a terminal",
        SessionKind::NonInteractiveCommand => "command without a terminal",
        SessionKind::Port(_) => "port session",
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use protocol::{ChallengeBody, DataKey, MessageType, PayloadType, Seal};

    use super::*;
    use crate::Engine;
    use crate::control_plane::{ControlError, Refusal};
    use crate::error::Remedy;
    use crate::surroundings::Disturbance;
    use crate::terminal::{TerminalHandle, TerminalOutput, TerminalSpec};
    use crate::testing::{Account, Agent, Door, bench, reach, soon};
    use crate::transport::DialError;

    fn spec() -> TerminalSpec {
        let request = StartRequest { target: "i-1".into(), ..StartRequest::default() };
        TerminalSpec { request, ..TerminalSpec::default() }
    }

    struct Shell {
        engine: Engine,
        account: Arc<Account>,
        door: Door,
        agent: Agent,
        handle: TerminalHandle,
        output: TerminalOutput,
        states: watch::Receiver<SessionState>,
    }

    /// A shell that has printed its prompt.
    async fn shell() -> Shell {
        let (engine, account, mut door) = bench();
        let (handle, mut output) = engine.terminal(account.plane(), spec());
        let mut agent = door.agent().await;
        agent.print("$ ").await;
        assert_eq!(soon(output.next()).await.unwrap(), "$ ");
        agent.drain().await;
        let mut states = handle.state();
        reach(&mut states, |state| matches!(state, SessionState::Ready(_))).await;
        Shell { engine, account, door, agent, handle, output, states }
    }

    impl Shell {
        async fn read(&mut self, count: usize) -> Vec<u8> {
            let mut read = Vec::new();
            while read.len() < count {
                let bytes = soon(self.output.next()).await.expect("more output");
                self.handle.acknowledge(bytes.len());
                read.extend_from_slice(&bytes);
            }
            read
        }

        async fn ended(&mut self) -> SessionEnd {
            let is_over = |state: &SessionState| matches!(state, SessionState::Ended(_));
            let SessionState::Ended(end) = reach(&mut self.states, is_over).await else {
                unreachable!()
            };
            end
        }

        async fn failure(&mut self) -> Arc<Error> {
            self.ended().await.error().cloned().expect("an error")
        }

        async fn resuming(&mut self) -> Resuming {
            let is_away = |state: &SessionState| matches!(state, SessionState::Resuming(_));
            let SessionState::Resuming(resuming) = reach(&mut self.states, is_away).await else {
                unreachable!()
            };
            resuming
        }
    }

    fn refusal() -> Refusal {
        Refusal { operation: "ResumeSession".into(), ..Refusal::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn keys_and_output_cross_a_cut_once_and_in_order() {
        let mut shell = shell().await;
        assert!(shell.agent.opening.contains(r#""TokenValue":"first""#));
        shell.agent.is_acknowledging = false;
        assert!(shell.handle.write(Bytes::from_static(b"make\r")).await);
        soon(shell.agent.listen()).await;
        shell.agent.cut();
        shell.agent.is_acknowledging = true;
        assert!(shell.handle.write(Bytes::from_static(b"test\r")).await);
        shell.agent.rejoin(&mut shell.door).await;
        assert!(shell.agent.opening.contains(r#""TokenValue":"again""#));
        assert_eq!(shell.agent.typed(10).await, b"make\rtest\r");
        shell.agent.print("done").await;
        assert_eq!(shell.read(4).await, b"done");
        assert_eq!(shell.account.with(|calls| calls.resumed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn output_lost_with_the_websocket_is_delivered_after_it() {
        let mut shell = shell().await;
        for round in 0..20 {
            shell.agent.print(format!("{round:04}")).await;
            shell.agent.cut();
            shell.agent.print_into_the_void(format!("lost {round:03}"));
            shell.agent.rejoin(&mut shell.door).await;
            let expected = format!("{round:04}lost {round:03}");
            assert_eq!(shell.read(expected.len()).await, expected.as_bytes());
            shell.agent.drain().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_hourly_goodbye_is_a_resume() {
        let mut shell = shell().await;
        shell.agent.close(1000, "Bye").await;
        shell.agent.rejoin(&mut shell.door).await;
        shell.agent.print("still here").await;
        assert_eq!(shell.read(10).await, b"still here");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_resume_ends_the_session_here_and_there() {
        let mut shell = shell().await;
        shell.account.with(|calls| calls.resume_answers.push_back(ControlError::SessionGone));
        shell.agent.cut();
        let error = shell.failure().await;
        assert!(matches!(*error, Error::Resume { .. }), "{error}");
        assert_eq!(error.remedy(), Remedy::Restart);
        assert!(shell.engine.shutdown(Duration::from_secs(5)).await.is_empty());
        assert_eq!(shell.account.with(|calls| calls.terminated.clone()), ["session-1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_and_expired_credentials_are_waited_out_in_sight() {
        let mut shell = shell().await;
        shell.account.with(|calls| {
            let throttled = std::iter::repeat_n(ControlError::Throttled(refusal()), 8);
            calls.resume_answers.extend(throttled);
            calls.resume_answers.push_back(ControlError::CredentialsExpired(refusal()));
        });
        shell.agent.cut();
        let is_expired = |state: &SessionState| {
            matches!(state, SessionState::Resuming(Resuming { error: Some(error), .. })
                if error.remedy() == Remedy::SignIn)
        };
        reach(&mut shell.states, is_expired).await;
        shell.agent.rejoin(&mut shell.door).await;
        shell.agent.print("back").await;
        assert_eq!(shell.read(4).await, b"back");
        let is_ready = |state: &SessionState| matches!(state, SessionState::Ready(_));
        reach(&mut shell.states, is_ready).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_that_only_opens_and_closes_is_not_hammered() {
        let mut shell = shell().await;
        let before = clock::now();
        for _ in 0..12 {
            shell.agent.say(MessageType::StartPublication, Bytes::new()).await;
            shell.agent.close(1000, "Bye").await;
            shell.agent.rejoin(&mut shell.door).await;
        }
        assert!(clock::now() - before > Duration::from_secs(5));
        shell.agent.print("back").await;
        assert_eq!(shell.read(4).await, b"back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_websocket_is_left_within_a_minute() {
        let mut shell = shell().await;
        shell.account.with(|calls| {
            calls.resume_answers.push_back(ControlError::Throttled(refusal()));
        });
        let before = clock::now();
        // Nobody reads the far end: no pong comes.
        let resuming = shell.resuming().await;
        assert_eq!(resuming.interruption, Interruption::Silent);
        assert!(clock::now() - before < Duration::from_secs(60));
        shell.agent.rejoin(&mut shell.door).await;
        shell.agent.print("back").await;
        assert_eq!(shell.read(4).await, b"back");
    }

    #[tokio::test(start_paused = true)]
    async fn waking_up_doubts_the_websocket_at_once() {
        let mut shell = shell().await;
        shell.account.with(|calls| {
            calls.resume_answers.push_back(ControlError::Throttled(refusal()));
        });
        let before = clock::now();
        shell.engine.disturb(Disturbance::Woke);
        assert_eq!(shell.resuming().await.interruption, Interruption::Silent);
        assert!(clock::now() - before <= Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_network_ends_the_wait_for_the_next_attempt() {
        let mut shell = shell().await;
        let down = DialError::Name { host: "ssmmessages.test".into(), reason: "no route".into() };
        shell.door.fail(std::iter::repeat_n(down, 12));
        shell.agent.cut();
        let is_far = |state: &SessionState| {
            matches!(state, SessionState::Resuming(Resuming { attempt: 12, retry_at: Some(_), .. }))
        };
        reach(&mut shell.states, is_far).await;
        let before = clock::now();
        shell.engine.disturb(Disturbance::NetworkChanged);
        shell.agent.rejoin(&mut shell.door).await;
        assert_eq!(clock::now(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_never_joins_is_told_and_the_session_terminated() {
        let (engine, account, mut door) = bench();
        let (handle, _output) = engine.terminal(account.plane(), spec());
        let mut agent = door.agent().await;
        tokio::spawn(async move { while agent.listen().await {} });
        let mut states = handle.state();
        let is_over = |state: &SessionState| matches!(state, SessionState::Ended(_));
        let SessionState::Ended(end) = reach(&mut states, is_over).await else { unreachable!() };
        let error = end.error().expect("an error");
        assert!(matches!(**error, Error::NoAnswer { .. }), "{error}");
        account.until(|calls| calls.terminated == ["session-1"]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_upgrade_is_final_and_an_unreachable_endpoint_soon_is() {
        let refused =
            DialError::Upgrade { host: "h".into(), status: 403, body: "clock skew".into() };
        let down = DialError::Connect { host: "h".into(), port: 443, reason: "no route".into() };
        for failures in [vec![refused], vec![down; 1000]] {
            let (engine, account, door) = bench();
            let before = clock::now();
            door.fail(failures);
            let (handle, _output) = engine.terminal(account.plane(), spec());
            let mut states = handle.state();
            let is_over = |state: &SessionState| matches!(state, SessionState::Ended(_));
            let SessionState::Ended(end) = reach(&mut states, is_over).await else {
                unreachable!()
            };
            let error = end.error().expect("an error");
            assert!(matches!(**error, Error::Dial { .. }), "{error}");
            assert!(clock::now() - before < Duration::from_secs(30));
            account.until(|calls| calls.terminated == ["session-1"]).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_way_out_terminates() {
        // By asking.
        let shell1 = shell().await;
        shell1.handle.end();
        shell1.account.until(|calls| calls.terminated == ["session-1"]).await;
        // By dropping the handle.
        let shell2 = shell().await;
        drop(shell2.handle);
        shell2.account.until(|calls| calls.terminated == ["session-1"]).await;
        // By dropping it while the service still thinks.
        let (engine, account, _door) = bench();
        account.with(|calls| calls.hangs_on_start = true);
        let (handle, _output) = engine.terminal(account.plane(), spec());
        account.until(|calls| calls.started.len() == 1).await;
        drop(handle);
        account.with(|calls| calls.hangs_on_start = false);
        account.until(|calls| calls.terminated == ["session-1"]).await;
        // By shutting down.
        let shell3 = shell().await;
        assert_eq!(shell3.engine.live_sessions().len(), 1);
        assert!(shell3.engine.shutdown(Duration::from_secs(5)).await.is_empty());
        assert_eq!(shell3.account.with(|calls| calls.terminated.clone()), ["session-1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_refused_is_told_with_its_remedy() {
        let (engine, account, _door) = bench();
        account.with(|calls| {
            calls.start_answers.push_back(ControlError::NotConnected(Refusal::default()));
        });
        let (handle, mut output) = engine.terminal(account.plane(), spec());
        let mut states = handle.state();
        let is_over = |state: &SessionState| matches!(state, SessionState::Ended(_));
        let SessionState::Ended(end) = reach(&mut states, is_over).await else { unreachable!() };
        assert_eq!(end.error().expect("an error").remedy(), Remedy::Restart);
        assert_eq!(soon(output.next()).await, None);
        assert!(!handle.write(Bytes::from_static(b"x")).await);
    }

    #[tokio::test(start_paused = true)]
    async fn the_far_sides_words_are_kept() {
        let mut shell = shell().await;
        shell.agent.print("last words").await;
        shell.agent.end("Unable to start command: no such user").await;
        let error = shell.failure().await;
        assert!(
            matches!(*error, Error::Reported { cause: ReportedCause::CommandNotStarted, .. }),
            "{error}"
        );
        assert_eq!(shell.read(10).await, b"last words");
        assert_eq!(soon(shell.output.next()).await, None);
        assert!(shell.account.with(|calls| calls.terminated.is_empty()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_resumed_session_goes_where_the_service_says_and_stays_there() {
        let mut shell = shell().await;
        let elsewhere = Url::parse("wss://elsewhere.test/v1/data-channel/s").unwrap();
        shell.account.with(|calls| calls.moves_to = Some(elsewhere));
        for _ in 0..2 {
            shell.agent.cut();
            shell.agent.rejoin(&mut shell.door).await;
        }
        let dialled = shell.account.with(|calls| calls.dialled.clone());
        assert_eq!(dialled, ["ssmmessages.test", "elsewhere.test", "elsewhere.test"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_malformed_frame_ends_this_session_only() {
        let mut broken = shell().await;
        let mut whole = shell().await;
        broken.agent.transmit(Bytes::from_static(b"\0\0\0\x74 not a frame")).await;
        let error = broken.failure().await;
        assert!(matches!(*error, Error::Peer { .. }), "{error}");
        assert!(error.to_string().contains("shorter than the 120-byte header"), "{error}");
        broken.account.until(|calls| calls.terminated == ["session-1"]).await;
        whole.agent.print("fine").await;
        assert_eq!(whole.read(4).await, b"fine");
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_no_memory_should_hold_ends_the_session_and_is_named() {
        for (mib, words) in [(2, "longer than 1048576"), (17, "longer than 16777216")] {
            let mut shell = shell().await;
            let Shell { agent, states, .. } = &mut shell;
            let is_over = |state: &SessionState| matches!(state, SessionState::Ended(_));
            let frame = Bytes::from(vec![0; mib << 20]);
            let (_, state) = tokio::join!(agent.transmit(frame), reach(states, is_over));
            let SessionState::Ended(end) = state else { unreachable!() };
            let error = end.error().cloned().expect("an error");
            assert!(matches!(*error, Error::Peer { .. }), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    const ENCRYPTED: &str = r#"{"AgentVersion":"3.3.1142.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Standard_Stream","Properties":null}},{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"key-1","Challenge":"c2FsdA=="}}]}"#;

    #[tokio::test(start_paused = true)]
    async fn an_encrypted_session_opens_with_a_key_bound_to_it() {
        let (engine, account, mut door) = bench();
        let (handle, mut output) = engine.terminal(account.plane(), spec());
        let mut agent = door.agent().await;
        agent.send(PayloadType::HandshakeRequest, ENCRYPTED).await;
        let response = agent.input().await;
        let text = String::from_utf8(response.payload.to_vec()).unwrap();
        assert!(text.contains(r#""ChallengeAcknowledgement":true"#), "{text}");
        let context = account.with(|calls| calls.data_keys.pop()).expect("a call");
        let pairs = [
            ("aws:ssm:SessionId", "session-1"),
            ("aws:ssm:TargetId", "i-1"),
            ("aws:ssm:RandomChallenge", "c2FsdA=="),
        ];
        assert_eq!(context, pairs.map(|(key, value)| (key.into(), value.into())).into());

        let plain: Vec<u8> = (0..64).collect();
        let mut seal = Seal::agent(&DataKey::from_bytes(&plain).unwrap(), [7; 12]);
        let challenge = ChallengeBody { challenge: seal.seal(b"prove it").to_vec() };
        agent.send(PayloadType::EncChallengeRequest, challenge.encode()).await;
        let answer = ChallengeBody::parse(&agent.input().await.payload).unwrap();
        assert_eq!(seal.open(&answer.challenge).unwrap(), "prove it");
        agent.complete("This session is encrypted.").await;
        agent.print(seal.seal(b"secret prompt")).await;
        assert_eq!(soon(output.next()).await.unwrap(), "secret prompt");
        let state = handle.state().borrow().clone();
        let SessionState::Ready(ready) = state else { panic!("{state:?}") };
        assert!(ready.is_encrypted && ready.customer_message.contains("encrypted"));
        assert!(handle.write(Bytes::from_static(b"ls\r")).await);
        let typed = agent.input().await.payload;
        assert_eq!(seal.open(&typed).unwrap(), "ls\r");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_key_the_session_is_refused_and_the_reason_is_ours() {
        let (engine, account, mut door) = bench();
        account.with(|calls| {
            let denied = Refusal { code: "AccessDeniedException".into(), ..Refusal::default() };
            calls.data_key_answers.push_back(ControlError::AccessDenied(denied));
        });
        let (handle, _output) = engine.terminal(account.plane(), spec());
        let mut agent = door.agent().await;
        agent.send(PayloadType::HandshakeRequest, ENCRYPTED).await;
        let response = agent.input().await;
        let text = String::from_utf8(response.payload.to_vec()).unwrap();
        assert!(text.contains("AccessDeniedException"), "{text}");
        agent.end("Encountered error while initiating handshake").await;
        let mut states = handle.state();
        let is_over = |state: &SessionState| matches!(state, SessionState::Ended(_));
        let SessionState::Ended(end) = reach(&mut states, is_over).await else { unreachable!() };
        let error = end.error().expect("an error");
        assert!(matches!(**error, Error::DataKey { .. }), "{error}");
        assert_eq!(error.remedy(), Remedy::GiveUp);
    }
}
