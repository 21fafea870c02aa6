//! Whether the far end of a websocket is still there. Pure: told the time, asks for nothing.

use std::time::{Duration, Instant};

/// Time between pings. Under the half minute many middle boxes forget an idle connection in.
pub(super) const INTERVAL: Duration = Duration::from_secs(25);
/// A ping with nothing at all arriving for this long means a dead peer: at most 50 s after its
/// last sign of life, under the minute promised.
const PATIENCE: Duration = Duration::from_secs(25);
/// The same after a wake or a network change, when a dead socket is likely and a user waits.
pub(super) const SHORT_PATIENCE: Duration = Duration::from_secs(3);

/// What the heartbeat asks of its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Send a ping now.
    Ping,
    /// The peer is dead.
    Dead,
}

/// Asks for pings and tells when they stay without any answer.
#[derive(Debug)]
pub(super) struct Heartbeat {
    next_ping: Instant,
    /// When to give up; set while a ping is outstanding.
    verdict: Option<Instant>,
    /// Set while we do not read, when silence is our own doing.
    is_suspended: bool,
}

impl Heartbeat {
    pub(super) fn new(now: Instant) -> Self {
        Self { next_ping: now + INTERVAL, verdict: None, is_suspended: false }
    }

    /// Anything arrived: data, ping or pong.
    pub(super) fn handle_received(&mut self) {
        self.verdict = None;
    }

    /// Doubts the peer: a ping goes out at once and has only [`SHORT_PATIENCE`].
    pub(super) fn probe(&mut self, now: Instant) {
        self.next_ping = now;
        let verdict = now + SHORT_PATIENCE;
        self.verdict = Some(self.verdict.map_or(verdict, |earlier| earlier.min(verdict)));
    }

    /// Reading stopped, or started again; in between, silence proves nothing.
    pub(super) fn suspend(&mut self, is_suspended: bool, now: Instant) {
        if self.is_suspended && !is_suspended && self.verdict.is_some() {
            self.verdict = Some(now + PATIENCE);
        }
        self.is_suspended = is_suspended;
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        match self.verdict {
            Some(verdict) if !self.is_suspended => verdict.min(self.next_ping),
            Some(_) | None => self.next_ping,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Beat> {
        if !self.is_suspended && self.verdict.is_some_and(|verdict| verdict <= now) {
            return Some(Beat::Dead);
        }
        if self.next_ping > now {
            return None;
        }
        self.next_ping = now + INTERVAL;
        self.verdict.get_or_insert(now + PATIENCE);
        Some(Beat::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs every timer up to `end`; answers the moments of pings and of the verdict.
    fn run(heart: &mut Heartbeat, end: Instant) -> (Vec<Instant>, Option<Instant>) {
        let mut pings = Vec::new();
        loop {
            let at = heart.poll_timeout();
            if at > end {
                return (pings, None);
            }
            match heart.handle_timeout(at) {
                Some(Beat::Ping) => pings.push(at),
                Some(Beat::Dead) => return (pings, Some(at)),
                None => {}
            }
        }
    }

    #[test]
    fn a_silent_peer_is_dead_within_a_minute() {
        let start = Instant::now();
        let (pings, dead) = run(&mut Heartbeat::new(start), start + Duration::from_secs(60));
        assert!(!pings.is_empty());
        assert!(dead.expect("a verdict") < start + Duration::from_secs(60));
    }

    #[test]
    fn any_arrival_clears_the_doubt() {
        let mut now = Instant::now();
        let mut heart = Heartbeat::new(now);
        for _ in 0..10 {
            now += INTERVAL;
            assert_eq!(heart.handle_timeout(now), Some(Beat::Ping));
            heart.handle_received();
        }
    }

    #[test]
    fn a_probe_has_three_seconds() {
        let start = Instant::now();
        let mut heart = Heartbeat::new(start);
        heart.probe(start);
        let (pings, dead) = run(&mut heart, start + Duration::from_secs(10));
        assert_eq!(pings, [start]);
        assert_eq!(dead, Some(start + SHORT_PATIENCE));
    }

    #[test]
    fn silence_proves_nothing_while_we_do_not_read() {
        let start = Instant::now();
        let mut heart = Heartbeat::new(start);
        heart.suspend(true, start);
        let later = start + Duration::from_secs(600);
        let (pings, dead) = run(&mut heart, later);
        assert_eq!((pings.len(), dead), (24, None));
        heart.suspend(false, later);
        let (_, dead) = run(&mut heart, later + Duration::from_secs(60));
        assert_eq!(dead, Some(later + PATIENCE));
    }
}
