//! Round trip times, and from them the time after which a message is sent again.

use std::time::Duration;

/// The estimator of both official ends, with this client's own floor and back-off on top.
#[derive(Clone, Debug)]
pub(crate) struct RoundTrip {
    smoothed: Duration,
    variation: Duration,
    estimate: Duration,
    least: Option<Duration>,
    is_measured: bool,
    doublings: u32,
}

const INITIAL_SMOOTHED: Duration = Duration::from_millis(100);
const INITIAL_TIMEOUT: Duration = Duration::from_millis(200);
const GRANULARITY: Duration = Duration::from_millis(10);

/// An agent under load answers late more often than a websocket loses messages.
const FLOOR: Duration = Duration::from_millis(150);
const CEILING: Duration = Duration::from_secs(10);

impl RoundTrip {
    pub(crate) fn new() -> Self {
        Self {
            smoothed: INITIAL_SMOOTHED,
            variation: Duration::ZERO,
            estimate: INITIAL_TIMEOUT,
            least: None,
            is_measured: false,
            doublings: 0,
        }
    }

    /// Takes the time between a message sent once and its acknowledgement.
    pub(crate) fn sample(&mut self, sample: Duration) {
        self.variation = (self.variation * 3 + self.smoothed.abs_diff(sample)) / 4;
        self.smoothed = (self.smoothed * 7 + sample) / 8;
        self.estimate = self.smoothed + GRANULARITY.max(self.variation * 4);
        self.least = Some(self.least.map_or(sample, |least| least.min(sample)));
        self.is_measured = true;
        self.doublings = 0;
    }

    /// Notes that the timeout ran out, which makes it twice as long until the next sample.
    ///
    /// Without this a path slower than the timeout would never give a sample, since none is
    /// taken from messages sent twice (Karn).
    pub(crate) fn back_off(&mut self) {
        if self.resend_timeout() < CEILING {
            self.doublings += 1;
        }
    }

    /// The path may be another one now: its shortest round trip is not known.
    pub(crate) fn forget_least(&mut self) {
        self.least = None;
    }

    pub(crate) fn smoothed(&self) -> Duration {
        self.smoothed
    }

    /// The smoothed round trip, if it rests on any sample.
    pub(crate) fn measured(&self) -> Option<Duration> {
        self.is_measured.then_some(self.smoothed)
    }

    /// The shortest sample so far: the path without any queue.
    pub(crate) fn least(&self) -> Option<Duration> {
        self.least
    }

    /// How long to wait for an acknowledgement before sending again.
    pub(crate) fn resend_timeout(&self) -> Duration {
        self.estimate.max(FLOOR).saturating_mul(1 << self.doublings.min(16)).min(CEILING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(duration: Duration) -> f64 {
        duration.as_secs_f64() * 1000.0
    }

    #[test]
    fn estimates_are_those_of_the_official_ends() {
        let mut trip = RoundTrip::new();
        let known = [
            (80, 97.5, 117.5),
            (80, 95.3125, 127.8125),
            (80, 93.3984, 133.0859),
            (300, 119.2236, 355.5908),
            (80, 114.3207, 330.8197),
        ];
        for (sample, smoothed, timeout) in known {
            trip.sample(Duration::from_millis(sample));
            assert!((micros(trip.smoothed) - smoothed).abs() < 0.001, "{smoothed}");
            assert!((micros(trip.estimate) - timeout).abs() < 0.001, "{timeout}");
        }
        assert_eq!(trip.least(), Some(Duration::from_millis(80)));
    }

    #[test]
    fn the_timeout_has_a_floor_and_a_ceiling() {
        let mut trip = RoundTrip::new();
        assert_eq!(trip.resend_timeout(), INITIAL_TIMEOUT);
        for _ in 0..100 {
            trip.sample(Duration::from_millis(1));
        }
        assert_eq!(trip.resend_timeout(), FLOOR);
        trip.back_off();
        assert_eq!(trip.resend_timeout(), FLOOR * 2);
        for _ in 0..100 {
            trip.back_off();
        }
        assert_eq!(trip.resend_timeout(), CEILING);
        trip.sample(Duration::from_millis(1));
        assert_eq!(trip.resend_timeout(), FLOOR);
    }
}
