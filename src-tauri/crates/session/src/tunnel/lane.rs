//! One port session of a tunnel, and the choice between several.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::DropGuard;

use crate::clock;
use crate::connection::ToPort;
use crate::control_plane::{ControlPlane, StartRequest};
use crate::driver::{self, Setting};
use crate::engine::Shared;
use crate::load::{Load, Totals};
use crate::port_session::{PortRole, PortSettings};
use crate::state::SessionState;

/// A lane without traffic for this long is taken as free even while connections are open on it.
const QUIET: Duration = Duration::from_secs(2);
/// From here on a lane is busy with bulk: half of what agents send through one session.
const BULK_RATE: u64 = 300 * 1024;

/// Names a lane within its tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneId(pub(super) u64);

/// A port session, seen from its tunnel. Dropping it ends the session.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(super) id: LaneId,
    to_port: mpsc::Sender<ToPort>,
    load: Arc<Load>,
    totals: Arc<Totals>,
    states: watch::Receiver<SessionState>,
    born: Instant,
    /// Set once it takes no further connections.
    pub(super) is_draining: bool,
    _guard: DropGuard,
}

impl Lane {
    /// Starts a session for a tunnel.
    pub(super) fn start(
        id: LaneId,
        shared: &Arc<Shared>,
        control: &Arc<dyn ControlPlane>,
        request: &StartRequest,
        settings: PortSettings,
        totals: &Arc<Totals>,
    ) -> Self {
        let stop = shared.stop.child_token();
        let (sender, states) = watch::channel(SessionState::Starting);
        let (role, parts) = Parts::new(settings, shared, totals);
        let setting = Setting {
            shared: Arc::clone(shared),
            control: Arc::clone(control),
            target: request.target.clone(),
        };
        driver::spawn(setting, request.clone(), role, sender, stop.clone());
        parts.into_lane(id, states, stop.drop_guard())
    }

    /// Answers the way to its session.
    pub(super) fn to_port(&self) -> mpsc::Sender<ToPort> {
        self.to_port.clone()
    }

    pub(super) fn load(&self) -> &Arc<Load> {
        &self.load
    }

    pub(super) fn totals(&self) -> &Arc<Totals> {
        &self.totals
    }

    pub(super) fn states(&self) -> watch::Receiver<SessionState> {
        self.states.clone()
    }

    pub(super) fn state(&self) -> SessionState {
        self.states.borrow().clone()
    }

    pub(super) fn down_rate(&self, now: Instant) -> u64 {
        self.load.down_rate(now)
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.born)
    }

    /// Says whether connections given to it now get a stream soon.
    pub(super) fn is_up(&self) -> bool {
        matches!(*self.states.borrow(), SessionState::Ready(_))
            || (matches!(*self.states.borrow(), SessionState::Resuming(_)) && self.load.was_ready())
    }

    /// Says whether nothing on it would slow a newcomer down, nor be slowed down.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        self.load.connections() == 0 || self.load.quiet_for(now) >= QUIET
    }

    /// Orders lanes by how much a newcomer would suffer there.
    pub(super) fn burden(&self, now: Instant) -> (bool, bool, usize) {
        let is_bulk = self.load.down_rate(now) >= BULK_RATE;
        (is_bulk, !self.is_free(now), self.load.connections())
    }
}

/// What a lane is made of, before it has a place in a tunnel.
pub(crate) struct Parts {
    to_port: mpsc::Sender<ToPort>,
    load: Arc<Load>,
    totals: Arc<Totals>,
    born: Instant,
}

impl Parts {
    pub(crate) fn new(
        settings: PortSettings,
        shared: &Shared,
        totals: &Arc<Totals>,
    ) -> (PortRole, Self) {
        let now = clock::now();
        let load = Arc::new(Load::new(now));
        let (role, to_port) = PortRole::new(
            settings,
            &shared.client_version,
            Arc::clone(&load),
            Arc::clone(totals),
            now,
        );
        (role, Self { to_port, load, totals: Arc::clone(totals), born: now })
    }

    /// Makes it the lane a tunnel begins with.
    pub(crate) fn into_first_lane(
        self,
        states: watch::Receiver<SessionState>,
        guard: DropGuard,
    ) -> Lane {
        self.into_lane(LaneId(0), states, guard)
    }

    /// Gives up all but the way to the session.
    pub(crate) fn into_to_port(self) -> mpsc::Sender<ToPort> {
        self.to_port
    }

    fn into_lane(
        self,
        id: LaneId,
        states: watch::Receiver<SessionState>,
        guard: DropGuard,
    ) -> Lane {
        let Self { to_port, load, totals, born } = self;
        Lane { id, to_port, load, totals, states, born, is_draining: false, _guard: guard }
    }
}
