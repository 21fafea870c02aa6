//! The task of a tunnel: takes connections, keeps lanes, gives the one to the other.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::lane::{Lane, LaneId};
use super::listener::{Listener, LocalStream};
use crate::backoff::Backoff;
use crate::clock;
use crate::connection::{self, Breach, Key, Seat, ToPort};
use crate::control_plane::{ControlPlane, SessionId, StartRequest};
use crate::engine::Shared;
use crate::error::{Error, Remedy};
use crate::load::Totals;
use crate::port_session::PortSettings;
use crate::state::{SessionEnd, SessionState, TunnelEvent, TunnelState};

/// How long a connection may wait for a session before it is reset.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections that may wait; more wait in the kernel.
const WAITING_LIMIT: usize = 256;
/// A session unused for this long that the service then ends is not missed: the next connection
/// starts another.
const UNUSED: Duration = Duration::from_secs(60);
/// A lane beyond the first is let go after being unused for this long.
const SPARE_KEPT: Duration = Duration::from_secs(60);
/// A session that was up this long was a good one: its successor is started at once.
const PROVEN_AFTER: Duration = Duration::from_secs(30);
/// Refusals in a row by which a remote host counts as moved: agents resolve its name only once.
const REFUSALS_TO_REPLACE: usize = 3;
/// How old a session must be for its name to be out of date.
const STALE_NAME: Duration = Duration::from_secs(30);
/// How often lanes are looked over while connections are open.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes a second through one session at which the agent's pacing is what limits.
const PACED_RATE: u64 = 560 * 1024;
/// More than the pacing lets through: something else limits.
const MOST_PACED_RATE: u64 = 1100 * 1024;
/// Looks in a row that must find so.
const PACED_LOOKS: u32 = 3;
/// After an accept failed, most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How long connections and sessions have to end when the tunnel stops.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// What the supervisor has to bring about.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) request: StartRequest,
    pub(super) destination: String,
    pub(super) is_remote_host: bool,
    pub(super) lanes: usize,
    pub(super) connection_limit: usize,
    pub(super) settings: PortSettings,
    /// Whether a session that ended is followed by another.
    pub(super) restarts: bool,
    /// Whether the first session waits for the first connection.
    pub(super) on_demand: bool,
    /// Sessions end after so long without a connection.
    pub(super) idle_stop: Option<Duration>,
}

/// A connection that was accepted and has no lane yet, or one that is not up.
struct Waiting {
    stream: LocalStream,
    peer: Option<SocketAddr>,
    until: Instant,
    lane: Option<LaneId>,
}

/// A connection's end.
struct Served {
    peer: Option<SocketAddr>,
    outcome: Result<(), Breach>,
    lane: LaneId,
}

type LaneNews = (LaneId, watch::Receiver<SessionState>);

/// What a supervisor shows of itself.
pub(super) struct Display {
    pub(super) state: watch::Sender<TunnelState>,
    pub(super) events: broadcast::Sender<TunnelEvent>,
    pub(super) totals: Arc<Totals>,
}

pub(super) struct Supervisor {
    shared: Arc<Shared>,
    control: Arc<dyn ControlPlane>,
    plan: Plan,
    listener: Listener,
    display: Display,
    lanes: Vec<Lane>,
    news: FuturesUnordered<BoxFuture<'static, LaneNews>>,
    waiting: VecDeque<Waiting>,
    connections: JoinSet<Served>,
    next_id: u64,
    backoff: Backoff,
    /// When to start the next session, while there is none.
    retry_at: Option<Instant>,
    /// Why there is none.
    trouble: Option<Arc<Error>>,
    /// Nothing is accepted before this.
    accept_at: Option<Instant>,
    look_at: Option<Instant>,
    last_used: Instant,
    paced_looks: u32,
    has_told_message: bool,
}

impl Supervisor {
    pub(super) fn new(
        shared: Arc<Shared>,
        control: Arc<dyn ControlPlane>,
        plan: Plan,
        listener: Listener,
        display: Display,
    ) -> Self {
        Self {
            shared,
            control,
            plan,
            listener,
            display,
            lanes: Vec::new(),
            news: FuturesUnordered::new(),
            waiting: VecDeque::new(),
            connections: JoinSet::new(),
            next_id: 0,
            backoff: Backoff::new(Uuid::new_v4().as_u64_pair().0),
            retry_at: None,
            trouble: None,
            accept_at: None,
            look_at: None,
            last_used: clock::now(),
            paced_looks: 0,
            has_told_message: false,
        }
    }

    /// Takes a session that is up already as the first lane.
    pub(super) fn adopt(&mut self, lane: Lane) {
        self.follow(&lane);
        self.lanes.push(lane);
    }

    /// Keeps the tunnel up until `stop`, or until an error nobody can wait out.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut disturbed = self.shared.surroundings.subscribe();
        if self.lanes.is_empty() && !self.plan.on_demand {
            self.start_lane();
        }
        let failure = loop {
            self.show();
            let may_accept = self.may_accept();
            let timer = self.next_timer();
            let outcome = tokio::select! {
                biased;
                () = stop.cancelled() => break None,
                Some(news) = self.news.next() => self.handle_news(news),
                Some(served) = self.connections.join_next() => {
                    if let Ok(served) = served {
                        self.handle_served(&served);
                    }
                    Ok(())
                }
                accepted = poll_fn(|cx| self.listener.poll_accept(cx)), if may_accept => {
                    self.handle_accepted(accepted);
                    Ok(())
                }
                Ok(()) = disturbed.changed() => {
                    self.handle_disturbance();
                    Ok(())
                }
                () = wait_until(timer) => {
                    self.handle_timers();
                    Ok(())
                }
            };
            if let Err(error) = outcome {
                break Some(error);
            }
        };
        self.finish(failure).await;
    }

    // Connections.

    fn may_accept(&self) -> bool {
        let open = self.waiting.len() + self.connections.len();
        self.accept_at.is_none()
            && self.waiting.len() < WAITING_LIMIT
            && open < self.plan.connection_limit
    }

    fn handle_accepted(&mut self, accepted: io::Result<(LocalStream, Option<SocketAddr>)>) {
        let now = clock::now();
        self.last_used = now;
        match accepted {
            Ok((stream, peer)) => {
                self.display.totals.open.fetch_add(1, Ordering::Relaxed);
                self.tell(TunnelEvent::Accepted { peer });
                let until = now + PATIENCE;
                self.waiting.push_back(Waiting { stream, peer, until, lane: None });
                self.place_waiting(now);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                self.accept_at = Some(now + ACCEPT_PAUSE);
            }
        }
    }

    /// Gives every waiting connection a lane, and serves those whose lane is up.
    fn place_waiting(&mut self, now: Instant) {
        for waiting in std::mem::take(&mut self.waiting) {
            let lane = waiting.lane.or_else(|| self.choose(now));
            if waiting.lane.is_none()
                && let Some(lane) = self.lanes.iter().find(|known| Some(known.id) == lane)
            {
                lane.load().expect(now);
            }
            let up = self.lanes.iter().find(|known| Some(known.id) == lane && known.is_up());
            match up {
                Some(lane) => {
                    let (id, to_port) = (lane.id, lane.to_port());
                    self.serve(waiting, id, to_port);
                }
                None => self.waiting.push_back(Waiting { lane, ..waiting }),
            }
        }
    }

    /// Chooses a lane for one more connection, adding one if all have something to do.
    fn choose(&mut self, now: Instant) -> Option<LaneId> {
        let usable = || self.lanes.iter().filter(|lane| !lane.is_draining);
        let best =
            usable().min_by_key(|lane| lane.burden(now)).map(|lane| (lane.id, lane.is_free(now)));
        match best {
            Some((id, true)) => Some(id),
            Some((id, false)) if usable().count() >= self.plan.lanes => Some(id),
            Some(_) => Some(self.start_lane()),
            // Dormant: the connection wakes the tunnel. Otherwise a start is on its way.
            None if self.retry_at.is_none() && self.plan.restarts => Some(self.start_lane()),
            None => None,
        }
    }

    fn serve(&mut self, waiting: Waiting, lane: LaneId, to_port: mpsc::Sender<ToPort>) {
        let Waiting { stream, peer, .. } = waiting;
        let key = Key(self.next_id());
        let (seat, place) = Seat::new(key, to_port);
        self.connections.spawn(async move {
            let outcome = connection::serve(stream, seat, place).await;
            Served { peer, outcome, lane }
        });
        self.look_at.get_or_insert_with(|| clock::now() + LOOK_INTERVAL);
    }

    fn handle_served(&mut self, served: &Served) {
        let Served { peer, outcome, lane } = *served;
        self.last_used = clock::now();
        self.display.totals.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(lane) = self.lanes.iter().find(|known| known.id == lane) {
            lane.load().release();
        }
        let Err(breach) = outcome else { return };
        tracing::debug!(?breach, ?peer, "a connection was reset");
        self.tell(match breach {
            Breach::Refused => {
                TunnelEvent::Refused { destination: self.plan.destination.clone(), peer }
            }
            Breach::ReaderTooSlow => TunnelEvent::ReaderTooSlow { peer },
            Breach::Lost => TunnelEvent::ConnectionLost { peer },
        });
        if breach == Breach::Refused {
            self.replace_if_stale(lane);
        }
    }

    /// A remote host that refuses again and again may have moved: agents resolve its name once
    /// a session. A fresh session takes over while the old one serves what it has.
    fn replace_if_stale(&mut self, id: LaneId) {
        let now = clock::now();
        let is_stale = |lane: &Lane| {
            lane.id == id
                && !lane.is_draining
                && lane.load().refusals() >= REFUSALS_TO_REPLACE
                && lane.age(now) >= STALE_NAME
        };
        if !self.plan.is_remote_host || !self.plan.restarts || !self.lanes.iter().any(is_stale) {
            return;
        }
        tracing::info!(destination = %self.plan.destination, "refused repeatedly; resolving anew");
        for lane in self.lanes.iter_mut().filter(|lane| lane.id == id) {
            lane.is_draining = true;
        }
        self.start_lane();
    }

    // Lanes.

    fn start_lane(&mut self) -> LaneId {
        let id = LaneId(self.next_id());
        self.retry_at = None;
        let lane = Lane::start(
            id,
            &self.shared,
            &self.control,
            &self.plan.request,
            self.plan.settings,
            &self.display.totals,
        );
        self.follow(&lane);
        self.lanes.push(lane);
        id
    }

    fn follow(&self, lane: &Lane) {
        self.news.push(next_news(lane.id, lane.states()));
    }

    /// A lane's session changed its state.
    fn handle_news(&mut self, news: LaneNews) -> Result<(), Arc<Error>> {
        let (id, mut states) = news;
        let state = states.borrow_and_update().clone();
        let now = clock::now();
        match state {
            SessionState::Ended(end) => return self.handle_lane_ended(id, &end, now),
            SessionState::Ready(ready) => {
                self.trouble = None;
                if !ready.customer_message.is_empty() && !self.has_told_message {
                    self.has_told_message = true;
                    self.tell(TunnelEvent::CustomerMessage { text: ready.customer_message });
                }
                self.place_waiting(now);
            }
            SessionState::Starting | SessionState::Opening { .. } | SessionState::Resuming(_) => {}
        }
        self.news.push(next_news(id, states));
        Ok(())
    }

    fn handle_lane_ended(
        &mut self,
        id: LaneId,
        end: &SessionEnd,
        now: Instant,
    ) -> Result<(), Arc<Error>> {
        let Some(at) = self.lanes.iter().position(|lane| lane.id == id) else { return Ok(()) };
        let lane = self.lanes.swap_remove(at);
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.lane == Some(id)) {
            waiting.lane = None;
        }
        // A lane that was let go is no longer known; what is left is the engine's shutdown.
        let error = end.error().cloned().unwrap_or_else(|| Arc::new(Error::ShuttingDown));
        if self.lanes.iter().any(|lane| !lane.is_draining) {
            self.place_waiting(now);
            return Ok(());
        }
        if error.remedy() == Remedy::GiveUp || !self.plan.restarts {
            return Err(error);
        }
        let is_unused = self.waiting.is_empty()
            && self.connections.is_empty()
            && now.saturating_duration_since(self.last_used) >= UNUSED;
        if is_unused && lane.load().was_ready() {
            tracing::info!("an unused session ended; the next connection starts another");
            self.trouble = None;
            return Ok(());
        }
        if lane.load().was_ready() && lane.age(now) >= PROVEN_AFTER {
            self.backoff.reset();
        }
        self.retry_at = Some(now + self.backoff.next_delay());
        self.trouble = Some(error);
        Ok(())
    }

    fn handle_disturbance(&mut self) {
        if self.retry_at.is_some() {
            self.backoff.reset();
            self.start_lane();
            self.place_waiting(clock::now());
        }
    }

    // Time.

    fn next_timer(&self) -> Option<Instant> {
        let patience = self.waiting.front().map(|waiting| waiting.until);
        [self.retry_at, self.accept_at, self.look_at, patience, self.idle_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the sessions end for want of connections.
    fn idle_at(&self) -> Option<Instant> {
        let is_idle = self.connections.is_empty() && self.waiting.is_empty();
        let idle_stop = self.plan.idle_stop.filter(|_| is_idle && !self.lanes.is_empty())?;
        Some(self.last_used + idle_stop)
    }

    fn handle_timers(&mut self) {
        let now = clock::now();
        self.accept_at.take_if(|at| *at <= now);
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            self.start_lane();
            self.place_waiting(now);
        }
        while let Some(waiting) = self.waiting.pop_front_if(|waiting| waiting.until <= now) {
            self.give_up(waiting);
        }
        if self.look_at.take_if(|at| *at <= now).is_some() {
            self.look_over(now);
        }
        if self.idle_at().is_some_and(|at| at <= now) {
            tracing::info!("an unused session is ended; the next connection starts another");
            self.lanes.clear();
            self.trouble = None;
        }
    }

    fn give_up(&mut self, waiting: Waiting) {
        connection::refuse(&waiting.stream);
        self.display.totals.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(lane) = self.lanes.iter().find(|lane| Some(lane.id) == waiting.lane) {
            lane.load().release();
        }
        self.tell(TunnelEvent::NoSession { peer: waiting.peer });
    }

    /// Lets go of lanes that are not needed, and notices when the agent's pacing is felt.
    fn look_over(&mut self, now: Instant) {
        let is_spare = |lane: &Lane| {
            lane.load().connections() == 0
                && (lane.is_draining || lane.load().quiet_for(now) >= SPARE_KEPT)
        };
        while self.lanes.len() > 1
            && let Some(at) = self.lanes.iter().rposition(is_spare)
        {
            tracing::debug!("a lane is let go");
            self.lanes.swap_remove(at);
        }
        let paced = self
            .lanes
            .iter()
            .filter(|lane| (PACED_RATE..=MOST_PACED_RATE).contains(&lane.down_rate(now)))
            .map(|lane| lane.load().receiving())
            .max()
            .filter(|connections| *connections > 1);
        self.paced_looks = paced.map_or(0, |_| self.paced_looks + 1);
        if self.paced_looks == PACED_LOOKS
            && let Some(connections) = paced
        {
            self.tell(TunnelEvent::PacedByAgent { connections });
        }
        if !self.connections.is_empty() || self.lanes.len() > 1 {
            self.look_at = Some(now + LOOK_INTERVAL);
        }
    }

    // What others see.

    fn tell(&self, event: TunnelEvent) {
        // Nobody listening is no fault.
        let _ = self.display.events.send(event);
    }

    fn show(&self) {
        let state = self.state();
        self.display.state.send_if_modified(|shown| {
            let is_new = !is_same(shown, &state);
            *shown = state;
            is_new
        });
    }

    fn state(&self) -> TunnelState {
        let local = self.listener.local().clone();
        let states: Vec<SessionState> = self.lanes.iter().map(Lane::state).collect();
        let sessions: Vec<SessionId> = states
            .iter()
            .filter_map(|state| match state {
                SessionState::Ready(ready) => Some(ready.session_id.clone()),
                SessionState::Starting
                | SessionState::Opening { .. }
                | SessionState::Resuming(_)
                | SessionState::Ended(_) => None,
            })
            .collect();
        if !sessions.is_empty() || (self.lanes.is_empty() && self.trouble.is_none()) {
            return TunnelState::Listening { local, sessions };
        }
        if let Some(error) = &self.trouble {
            let attempt = self.backoff.attempt();
            let (retry_at, error) = (self.retry_at, Arc::clone(error));
            return TunnelState::Restarting { local, attempt, retry_at, error };
        }
        let resuming = states.into_iter().find_map(|state| match state {
            SessionState::Resuming(resuming) => Some(resuming),
            SessionState::Starting
            | SessionState::Opening { .. }
            | SessionState::Ready(_)
            | SessionState::Ended(_) => None,
        });
        match resuming {
            Some(resuming) => TunnelState::Resuming { local, resuming },
            None => TunnelState::Starting { local },
        }
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    // The end.

    /// Frees the port, resets what is open, and sees the sessions ended.
    async fn finish(self, failure: Option<Arc<Error>>) {
        let Self { listener, lanes, waiting, mut connections, display, .. } = self;
        drop(listener);
        for waiting in waiting {
            connection::refuse(&waiting.stream);
        }
        let endings: Vec<_> = lanes.iter().map(Lane::states).collect();
        // Ends the sessions, which breaks their connections.
        drop(lanes);
        let ended = async {
            for mut states in endings {
                let is_over = |state: &SessionState| matches!(state, SessionState::Ended(_));
                let _ = states.wait_for(is_over).await;
            }
            while connections.join_next().await.is_some() {}
        };
        if tokio::time::timeout(STOP_LIMIT, ended).await.is_err() {
            tracing::debug!("a tunnel's sessions are still ending");
        }
        display.totals.open.store(0, Ordering::Relaxed);
        display.state.send_replace(match failure {
            Some(error) => TunnelState::Failed { error },
            None => TunnelState::Stopped,
        });
    }
}

fn next_news(
    id: LaneId,
    mut states: watch::Receiver<SessionState>,
) -> BoxFuture<'static, LaneNews> {
    Box::pin(async move {
        // An error means that the driver is gone; its last state says why.
        if states.changed().await.is_err() {
            states.mark_changed();
        }
        (id, states)
    })
}

async fn wait_until(timer: Option<Instant>) {
    match timer {
        Some(at) => clock::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Says whether a state shows nothing new.
fn is_same(shown: &TunnelState, state: &TunnelState) -> bool {
    match (shown, state) {
        (TunnelState::Stopped, TunnelState::Stopped)
        | (TunnelState::Starting { .. }, TunnelState::Starting { .. }) => true,
        (
            TunnelState::Listening { sessions: before, .. },
            TunnelState::Listening { sessions: after, .. },
        ) => before == after,
        (
            TunnelState::Resuming { resuming: before, .. },
            TunnelState::Resuming { resuming: after, .. },
        ) => before.attempt == after.attempt && before.retry_at == after.retry_at,
        (
            TunnelState::Restarting { attempt: before, retry_at: then, .. },
            TunnelState::Restarting { attempt: after, retry_at: now, .. },
        ) => before == after && then == now,
        _ => false,
    }
}
