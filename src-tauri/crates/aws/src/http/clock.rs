//! The services' clock, as far as their answers tell.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// Less than this is the whole seconds of the `Date` header and the way there and back.
const WORTH_CORRECTING_MS: i64 = 60_000;

/// Answers the current moment of this computer's clock.
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

/// How far this computer's clock is off, so that what we sign ourselves carries the right time.
/// The SDK corrects its own requests in the same way.
#[derive(Debug, Default)]
pub(crate) struct ServiceClock {
    ahead_ms: AtomicI64,
}

impl ServiceClock {
    /// Takes the `Date` of an answer to a request sent and received at these moments of our own
    /// clock.
    pub(super) fn note(&self, date: &str, sent: SystemTime, received: SystemTime) {
        let Some(theirs) = DateTime::from_str(date, Format::HttpDate)
            .ok()
            .and_then(|date| SystemTime::try_from(date).ok())
        else {
            return;
        };
        let half_way = received.duration_since(sent).unwrap_or_default() / 2;
        let ours = sent.checked_add(half_way).unwrap_or(sent);
        let ahead_ms = match theirs.duration_since(ours) {
            Ok(ahead) => whole_ms(ahead),
            Err(behind) => -whole_ms(behind.duration()),
        };
        let ahead_ms = if ahead_ms.abs() < WORTH_CORRECTING_MS { 0 } else { ahead_ms };
        if self.ahead_ms.swap(ahead_ms, Ordering::Relaxed) == 0 && ahead_ms != 0 {
            tracing::info!(ahead_ms, "this computer's clock is off; signatures are corrected");
        }
    }

    /// Corrects a moment of our own clock.
    pub(crate) fn correct(&self, ours: SystemTime) -> SystemTime {
        let ahead_ms = self.ahead_ms.load(Ordering::Relaxed);
        let distance = Duration::from_millis(ahead_ms.unsigned_abs());
        let theirs =
            if ahead_ms < 0 { ours.checked_sub(distance) } else { ours.checked_add(distance) };
        theirs.unwrap_or(ours)
    }
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// Tue, 02 Jan 2024 03:04:05 GMT.
    const THEIRS: Duration = Duration::from_secs(1_704_164_645);

    fn corrected(off_s: i64) -> i64 {
        let clock = ServiceClock::default();
        let theirs = UNIX_EPOCH + THEIRS;
        let distance = Duration::from_secs(off_s.unsigned_abs());
        let ours = if off_s < 0 { theirs - distance } else { theirs + distance };
        clock.note("Tue, 02 Jan 2024 03:04:05 GMT", ours, ours + Duration::from_millis(100));
        let now = clock.correct(ours);
        match now.duration_since(ours) {
            Ok(later) => later.as_secs() as i64,
            Err(earlier) => -(earlier.duration().as_secs() as i64),
        }
    }

    #[test]
    fn a_clock_that_is_off_is_corrected_and_a_good_one_left_alone() {
        assert_eq!(corrected(600), -600);
        assert_eq!(corrected(-3600), 3599);
        assert_eq!(corrected(3), 0);
    }

    #[test]
    fn a_clock_set_right_again_is_believed() {
        let clock = ServiceClock::default();
        let theirs = UNIX_EPOCH + THEIRS;
        let date = "Tue, 02 Jan 2024 03:04:05 GMT";
        let late = theirs + Duration::from_secs(600);
        clock.note(date, late, late);
        assert_ne!(clock.correct(theirs), theirs);
        clock.note(date, theirs, theirs);
        assert_eq!(clock.correct(theirs), theirs);
        clock.note("yesterday", late, late);
        assert_eq!(clock.correct(theirs), theirs);
    }
}
