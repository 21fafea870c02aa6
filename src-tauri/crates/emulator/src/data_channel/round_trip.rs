//! The agent's estimate of how long an acknowledgement takes.

use std::time::Duration;

/// The most a message waits before it is sent again, in seconds.
const LONGEST: f64 = 1.0;
/// The least the timeout lies above the round trip, in seconds.
const GRANULARITY: f64 = 0.010;

/// Smoothed round trip, its variation, and the timeout they give. The variation is updated first,
/// from the old round trip.
#[derive(Debug)]
pub(super) struct RoundTrip {
    smoothed: f64,
    variation: f64,
    timeout: f64,
}

impl Default for RoundTrip {
    fn default() -> Self {
        Self { smoothed: 0.100, variation: 0.0, timeout: 0.200 }
    }
}

impl RoundTrip {
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout)
    }

    /// Takes the time since a message was last sent: for one sent twice that is too short, as it
    /// is at the real agent.
    pub(super) fn sample(&mut self, time: Duration) {
        let time = time.as_secs_f64();
        self.variation = 0.75 * self.variation + 0.25 * (self.smoothed - time).abs();
        self.smoothed = 0.875 * self.smoothed + 0.125 * time;
        self.timeout = LONGEST.min(self.smoothed + GRANULARITY.max(4.0 * self.variation));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_samples_give_the_known_timeouts() {
        let mut estimate = RoundTrip::default();
        let expected = [117.5, 127.8125, 133.0859, 355.5908, 330.8197];
        for (sample, expected) in [80, 80, 80, 300, 80].into_iter().zip(expected) {
            estimate.sample(Duration::from_millis(sample));
            assert!((estimate.timeout().as_secs_f64() * 1000.0 - expected).abs() < 0.001);
        }
    }

    #[test]
    fn the_timeout_has_a_ceiling() {
        let mut estimate = RoundTrip::default();
        estimate.sample(Duration::from_secs(30));
        assert_eq!(estimate.timeout(), Duration::from_secs(1));
    }
}
