//! The emulator's time: read here and nowhere else.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Now, for measuring; stands still where a test has paused tokio's time.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Now, for people.
pub(crate) fn date() -> SystemTime {
    SystemTime::now()
}

/// Now as `CreatedDate` counts it: milliseconds since 1970, never 0.
pub(crate) fn epoch_ms() -> u64 {
    let since = date().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1)
}
