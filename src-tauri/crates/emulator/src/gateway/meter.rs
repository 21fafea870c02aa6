//! Counting a client's messages a second.

use std::time::Duration;

use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// Tells when a client has sent too fast for two seconds on end.
#[derive(Debug)]
pub(super) struct Meter {
    second: Instant,
    count: u32,
    previous_was_over: bool,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self { second: now, count: 0, previous_was_over: false }
    }

    /// Counts one message; true when it is the one too many of a second such second.
    pub(super) fn count(&mut self, limit: u32, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.second);
        if passed >= SECOND {
            self.previous_was_over = self.count > limit && passed < 2 * SECOND;
            self.second = now;
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.previous_was_over && self.count > limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offends(per_second: u32, seconds: u32) -> bool {
        let start = crate::clock::now();
        let mut meter = Meter::new(start);
        let step = SECOND / per_second;
        (0..per_second * seconds).any(|number| meter.count(1000, start + step * number))
    }

    #[test]
    fn only_a_sustained_excess_offends() {
        assert!(!offends(990, 10));
        assert!(!offends(1500, 1));
        assert!(offends(1500, 3));
    }
}
