//! The service's limit on frames per second, as a token bucket.

use std::time::{Duration, Instant};

use crate::channel::config::RateConfig;

/// Says when the next data frame may be sent.
#[derive(Clone, Debug)]
pub(crate) struct RateLimit {
    limit: Option<Limit>,
    /// The instant at which the bucket will be full again.
    full_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    interval: Duration,
    /// How far ahead of a steady rate one may be.
    ahead: Duration,
}

impl RateLimit {
    pub(crate) fn new(config: RateConfig) -> Self {
        Self { limit: Limit::of(config), full_at: None }
    }

    /// Changes the limit; what was already sent counts on.
    pub(crate) fn set(&mut self, config: RateConfig) {
        self.limit = Limit::of(config);
    }

    /// `None` if a frame may be sent at `now`, else when.
    pub(crate) fn blocked_until(&self, now: Instant) -> Option<Instant> {
        let (limit, full_at) = (self.limit?, self.full_at?);
        let ahead = full_at.saturating_duration_since(now);
        (ahead > limit.ahead).then(|| now + (ahead - limit.ahead))
    }

    /// Counts one frame.
    pub(crate) fn spend(&mut self, now: Instant) {
        if let Some(limit) = self.limit {
            let full_at = self.full_at.map_or(now, |full_at| full_at.max(now));
            self.full_at = Some(full_at + limit.interval);
        }
    }
}

impl Limit {
    fn of(config: RateConfig) -> Option<Self> {
        let interval = Duration::from_secs(1) / config.frames_per_second?.max(1);
        let ahead = interval.saturating_mul(config.burst.max(1) - 1);
        Some(Self { interval, ahead })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_steady_rate() {
        let start = Instant::now();
        let mut rate = RateLimit::new(RateConfig { frames_per_second: Some(100), burst: 10 });
        let mut now = start;
        let mut sent = 0;
        while now < start + Duration::from_secs(2) {
            match rate.blocked_until(now) {
                None => {
                    rate.spend(now);
                    sent += 1;
                    assert!(sent > 10 || now == start);
                }
                Some(later) => {
                    assert!(later > now);
                    now = later;
                }
            }
        }
        assert_eq!(sent, 10 + 199);
    }

    #[test]
    fn an_idle_bucket_fills_only_to_its_burst() {
        let start = Instant::now();
        let mut rate = RateLimit::new(RateConfig { frames_per_second: Some(100), burst: 2 });
        rate.spend(start);
        let later = start + Duration::from_secs(60);
        for _ in 0..2 {
            assert_eq!(rate.blocked_until(later), None);
            rate.spend(later);
        }
        assert!(rate.blocked_until(later).is_some());
    }

    #[test]
    fn no_limit_never_blocks() {
        let now = Instant::now();
        let mut rate = RateLimit::new(RateConfig { frames_per_second: None, burst: 0 });
        for _ in 0..10_000 {
            assert_eq!(rate.blocked_until(now), None);
            rate.spend(now);
        }
    }
}
