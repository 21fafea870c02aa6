//! Times the far end should not let pass before the session is ready.

use std::time::{Duration, Instant};

use crate::event::Overdue;

/// An agent that got the session sends something well before this.
const FIRST_FRAME: Duration = Duration::from_secs(30);

/// The agent's own limits for handshake and challenge add up to 30 s.
const READY: Duration = Duration::from_secs(40);

/// What is awaited on the present connection, and until when.
#[derive(Debug, Default)]
pub(super) struct Patience {
    first_frame: Option<Instant>,
    ready: Option<Instant>,
    has_heard: bool,
    is_ready: bool,
}

impl Patience {
    pub(super) fn connected(&mut self, now: Instant) {
        self.first_frame = (!self.has_heard && !self.is_ready).then(|| now + FIRST_FRAME);
        self.ready = (!self.is_ready).then(|| now + READY);
    }

    pub(super) fn disconnected(&mut self) {
        self.first_frame = None;
        self.ready = None;
    }

    /// The agent gave a sign of itself.
    pub(super) fn heard(&mut self) {
        self.has_heard = true;
        self.first_frame = None;
    }

    /// Nothing is awaited any more.
    pub(super) fn done(&mut self) {
        self.is_ready = true;
        self.disconnected();
    }

    /// What is overdue at `now`, told once.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Option<Overdue> {
        if self.first_frame.take_if(|at| *at <= now).is_some() {
            return Some(Overdue::FirstFrame);
        }
        self.ready.take_if(|at| *at <= now).map(|_| Overdue::Ready)
    }

    pub(super) fn next(&self) -> Option<(Instant, &'static str)> {
        let first_frame = self.first_frame.map(|at| (at, "first frame"));
        let ready = self.ready.map(|at| (at, "ready"));
        first_frame.into_iter().chain(ready).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_overdue_is_told_once_a_connection() {
        let start = Instant::now();
        let mut patience = Patience::default();
        patience.connected(start);
        assert_eq!(patience.next(), Some((start + FIRST_FRAME, "first frame")));
        assert_eq!(patience.take_overdue(start), None);
        assert_eq!(patience.take_overdue(start + FIRST_FRAME), Some(Overdue::FirstFrame));
        assert_eq!(patience.next(), Some((start + READY, "ready")));
        assert_eq!(patience.take_overdue(start + READY), Some(Overdue::Ready));
        assert_eq!(patience.take_overdue(start + READY), None);
        patience.connected(start);
        patience.heard();
        assert_eq!(patience.next(), Some((start + READY, "ready")));
        patience.done();
        patience.connected(start);
        assert_eq!(patience.next(), None);
    }
}
