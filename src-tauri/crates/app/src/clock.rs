//! The one place that asks what time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Answers milliseconds since the Unix epoch.
pub(crate) fn epoch_ms() -> u64 {
    ms(SystemTime::now())
}

/// Tells a date in milliseconds since the Unix epoch.
pub(crate) fn ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Answers the current moment of tokio's clock, which tests can move.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Tells the date of a moment of [`now`]'s clock that is still to come.
pub(crate) fn epoch_ms_at(moment: Instant) -> u64 {
    epoch_ms().saturating_add(length_ms(moment.saturating_duration_since(now())))
}

/// Tells a length in milliseconds.
pub(crate) fn length_ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
