//! The one place that asks what time it is.
//!
//! Engines live on tokio's clock, so that tests can stop it. That clock stands still while the
//! computer sleeps; [`Reading`] tells afterwards how long it did.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Less than this is scheduling, not sleep.
const LEAST_SLEEP: Duration = Duration::from_secs(2);

/// Answers the current moment of tokio's clock.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Answers milliseconds since the Unix epoch.
pub(crate) fn epoch_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Waits until a moment of [`now`]'s clock.
pub(crate) async fn sleep_until(moment: Instant) {
    tokio::time::sleep_until(moment.into()).await;
}

/// Two clocks read together: one that counts system sleep and one that does not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    awake: Instant,
    elapsed: Duration,
}

impl Reading {
    pub(crate) fn take() -> Self {
        Self { awake: Instant::now(), elapsed: counting_sleep() }
    }

    /// Answers how long the computer slept since `earlier`, if it did.
    pub(crate) fn slept_since(self, earlier: Self) -> Option<Duration> {
        let elapsed = self.elapsed.checked_sub(earlier.elapsed)?;
        let awake = self.awake.checked_duration_since(earlier.awake)?;
        elapsed.checked_sub(awake).filter(|slept| *slept >= LEAST_SLEEP)
    }
}

#[cfg(target_os = "linux")]
fn counting_sleep() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Elsewhere the wall clock stands in: setting it looks like sleep, which costs one ping.
#[cfg(not(target_os = "linux"))]
fn counting_sleep() -> Duration {
    Duration::from_millis(epoch_ms())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_what_one_clock_counts_and_the_other_does_not() {
        let start = Instant::now();
        let reading = |awake, elapsed| Reading {
            awake: start + Duration::from_secs(awake),
            elapsed: Duration::from_secs(elapsed),
        };
        let slept = |later: Reading| later.slept_since(reading(100, 1000));
        assert_eq!(slept(reading(160, 1060)), None);
        assert_eq!(slept(reading(110, 1310)), Some(Duration::from_secs(300)));
        assert_eq!(slept(reading(110, 900)), None, "a clock set back is not sleep");
    }

    #[test]
    fn two_readings_in_a_row_show_no_sleep() {
        let earlier = Reading::take();
        assert_eq!(Reading::take().slept_since(earlier), None);
    }
}
