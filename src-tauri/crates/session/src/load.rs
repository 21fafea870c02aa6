//! What port sessions show of themselves while they run: figures set by the driver's task and
//! read by the tunnel's, each for itself and none exact to the moment.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Over how long the load of a lane is measured.
pub(crate) const LOAD_SPAN: Duration = Duration::from_millis(250);

/// What a port session shows of itself while it runs.
#[derive(Debug)]
pub(crate) struct Load {
    start: Instant,
    connections: AtomicUsize,
    /// Bytes a second from the far side, and when that was measured.
    down_rate: AtomicU64,
    measured_ms: AtomicU64,
    /// Connections that shared it then.
    receiving: AtomicUsize,
    /// When there last was traffic, or a connection on its way here.
    used_ms: AtomicU64,
    /// Refused connections since one was not.
    refusals: AtomicUsize,
    was_ready: AtomicBool,
}

impl Load {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            start: now,
            connections: AtomicUsize::new(0),
            down_rate: AtomicU64::new(0),
            measured_ms: AtomicU64::new(0),
            receiving: AtomicUsize::new(0),
            used_ms: AtomicU64::new(0),
            refusals: AtomicUsize::new(0),
            was_ready: AtomicBool::new(false),
        }
    }

    /// Answers the connections it carries, or is about to.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts a connection on its way here.
    pub(crate) fn expect(&self, now: Instant) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.note_used(now);
    }

    /// Uncounts one that is done.
    pub(crate) fn release(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Answers how many connections in a row the far side has refused.
    pub(crate) fn refusals(&self) -> usize {
        self.refusals.load(Ordering::Relaxed)
    }

    /// Says whether the session ever was ready.
    pub(crate) fn was_ready(&self) -> bool {
        self.was_ready.load(Ordering::Relaxed)
    }

    /// Answers how long there has been no traffic.
    pub(crate) fn quiet_for(&self, now: Instant) -> Duration {
        self.age_of(&self.used_ms, now)
    }

    /// Answers bytes a second from the far side, as of late.
    pub(crate) fn down_rate(&self, now: Instant) -> u64 {
        let is_old = self.age_of(&self.measured_ms, now) > 2 * LOAD_SPAN;
        if is_old { 0 } else { self.down_rate.load(Ordering::Relaxed) }
    }

    /// Answers how many connections share what comes from the far side, as of late.
    pub(crate) fn receiving(&self) -> usize {
        self.receiving.load(Ordering::Relaxed)
    }

    /// Notes traffic.
    pub(crate) fn note_used(&self, now: Instant) {
        self.used_ms.store(self.since_start_ms(now), Ordering::Relaxed);
    }

    /// Notes bytes a second from the far side, and how many connections shared them.
    pub(crate) fn note_down_rate(&self, rate: u64, receiving: usize, now: Instant) {
        self.receiving.store(receiving, Ordering::Relaxed);
        self.down_rate.store(rate, Ordering::Relaxed);
        self.measured_ms.store(self.since_start_ms(now), Ordering::Relaxed);
    }

    /// Notes that the session is ready.
    pub(crate) fn note_ready(&self) {
        self.was_ready.store(true, Ordering::Relaxed);
    }

    /// Notes that a connection was refused.
    pub(crate) fn note_refused(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a connection was not.
    pub(crate) fn note_answered(&self) {
        self.refusals.store(0, Ordering::Relaxed);
    }

    fn age_of(&self, moment_ms: &AtomicU64, now: Instant) -> Duration {
        let age_ms = self.since_start_ms(now).saturating_sub(moment_ms.load(Ordering::Relaxed));
        Duration::from_millis(age_ms)
    }

    fn since_start_ms(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Bytes through all sessions of a tunnel, and its connections.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) up_bytes: AtomicU64,
    pub(crate) down_bytes: AtomicU64,
    /// Connections that were given a stream, ever.
    pub(crate) connections: AtomicU64,
    /// Connections open now.
    pub(crate) open: AtomicU64,
}
