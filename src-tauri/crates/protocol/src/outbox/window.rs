//! How much may be unacknowledged, growing with the path.

use std::time::Duration;

use crate::channel::config::WindowConfig;

/// Counts what is in flight against a limit of bytes and of frames.
#[derive(Debug)]
pub(super) struct Window {
    config: WindowConfig,
    bulk: bool,
    limit_bytes: usize,
    in_flight_bytes: usize,
    in_flight_frames: usize,
    /// It was full since it was last half empty: more of it would be used.
    is_limiting: bool,
    round: Round,
}

/// About one window's worth of acknowledgements: the shortest round trip among them had only the
/// queue that never empties before it.
#[derive(Debug, Default)]
struct Round {
    acknowledged_bytes: usize,
    shortest: Option<Duration>,
}

/// Frames that are not input may go this far past the window, so that a terminal's size or the
/// end of a session need not wait for it.
const RESERVE_FRAMES: usize = 2;

/// Queueing delay, beyond one more round trip, up to which the path is taken to have room for
/// more.
const QUEUE_ALLOWANCE: Duration = Duration::from_millis(4);

/// The same for a queue that stands there for a whole round: what is too much goes, or every
/// keystroke beside the transfer would wait behind it.
const STANDING_ALLOWANCE: Duration = Duration::from_millis(7);

impl Window {
    pub(super) fn new(config: WindowConfig) -> Self {
        Self {
            config,
            bulk: false,
            limit_bytes: config.shell_bytes,
            in_flight_bytes: 0,
            in_flight_frames: 0,
            is_limiting: false,
            round: Round::default(),
        }
    }

    /// Opens to the size of a port session.
    pub(super) fn widen(&mut self) {
        self.bulk = true;
        self.limit_bytes = self.config.bulk_start_bytes;
    }

    pub(super) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    pub(super) fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes
    }

    /// Bytes that may still be sent.
    pub(super) fn room_bytes(&self) -> usize {
        self.limit_bytes.saturating_sub(self.in_flight_bytes)
    }

    /// Whether a message of input may go out. One may always, however long.
    pub(super) fn admits(&self, bytes: usize) -> bool {
        self.in_flight_frames == 0
            || (self.in_flight_frames < self.limit_frames() && bytes <= self.room_bytes())
    }

    /// Whether a message that is not input may go out.
    pub(super) fn admits_control(&self) -> bool {
        self.in_flight_frames < self.limit_frames() + RESERVE_FRAMES
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.in_flight_bytes += bytes;
        self.in_flight_frames += 1;
        self.is_limiting |=
            self.room_bytes() < bytes || self.in_flight_frames >= self.limit_frames();
    }

    /// A message is no longer in flight.
    pub(super) fn settled(&mut self, bytes: usize) {
        self.in_flight_bytes -= bytes;
        self.in_flight_frames -= 1;
        if self.in_flight_bytes < self.limit_bytes / 2 {
            self.is_limiting = false;
        }
    }

    /// Grows by what was acknowledged while the window is what limits and the path shows no
    /// queue, and gives way where one stands: compares with the shortest round trip seen.
    pub(super) fn follow(&mut self, bytes: usize, round_trip: Duration, least: Duration) {
        if !self.bulk {
            return;
        }
        if self.is_limiting && round_trip <= least * 2 + QUEUE_ALLOWANCE {
            self.limit_bytes = (self.limit_bytes + bytes).min(self.config.bulk_max_bytes);
        }
        self.round.acknowledged_bytes += bytes;
        let shortest = self.round.shortest.map_or(round_trip, |known| known.min(round_trip));
        self.round.shortest = Some(shortest);
        if self.round.acknowledged_bytes >= self.limit_bytes {
            self.round = Round::default();
            let bound = least * 2 + STANDING_ALLOWANCE;
            if shortest > bound {
                let part = bound.as_secs_f64() / shortest.as_secs_f64();
                self.shrink_to(part.max(0.5));
            }
        }
    }

    /// Halves after a silence, down to where it started.
    pub(super) fn shrink(&mut self) {
        if self.bulk {
            self.shrink_to(0.5);
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a part of a few MiB"
    )]
    fn shrink_to(&mut self, part: f64) {
        let limit = (self.limit_bytes as f64 * part) as usize;
        self.limit_bytes = limit.max(self.config.bulk_start_bytes);
    }

    fn limit_frames(&self) -> usize {
        if self.bulk { self.config.bulk_frames } else { self.config.shell_frames }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Duration = Duration::from_millis(10);

    #[test]
    fn a_shell_has_eight_frames_and_never_grows() {
        let mut window = Window::new(WindowConfig::default());
        for _ in 0..8 {
            assert!(window.admits(1024));
            window.sent(1024);
        }
        assert!(!window.admits(1));
        assert!(window.admits_control());
        window.settled(1024);
        window.follow(1024, LEAST, LEAST);
        assert_eq!(window.limit_bytes(), 16 * 1024);
    }

    #[test]
    fn a_bulk_window_grows_while_it_limits_and_the_path_is_empty() {
        let mut window = Window::new(WindowConfig::default());
        window.widen();
        let start = window.limit_bytes();
        window.follow(1024, LEAST, LEAST);
        assert_eq!(window.limit_bytes(), start, "it did not limit");
        while window.admits(1024) {
            window.sent(1024);
        }
        window.settled(1024);
        window.follow(1024, LEAST * 3, LEAST);
        assert_eq!(window.limit_bytes(), start, "the path has a queue");
        window.follow(1024, LEAST, LEAST);
        assert_eq!(window.limit_bytes(), start + 1024);
        window.follow(usize::MAX / 2, LEAST, LEAST);
        assert_eq!(window.limit_bytes(), 4 * 1024 * 1024);
        window.shrink();
        assert_eq!(window.limit_bytes(), 2 * 1024 * 1024);
        for _ in 0..9 {
            window.shrink();
        }
        assert_eq!(window.limit_bytes(), start);
    }

    #[test]
    fn a_bulk_window_gives_way_to_a_queue_that_stays() {
        let mut window = Window::new(WindowConfig::default());
        window.widen();
        while window.admits(1024) {
            window.sent(1024);
        }
        window.follow(4 * 1024 * 1024, LEAST, LEAST);
        window.follow(0, LEAST, LEAST);
        let full = window.limit_bytes();
        assert_eq!(full, 4 * 1024 * 1024);
        // One slow answer, or all but one, are no queue.
        for _ in 0..full / 1024 - 1 {
            window.follow(1024, LEAST * 10, LEAST);
        }
        window.follow(1024, LEAST * 2, LEAST);
        assert_eq!(window.limit_bytes(), full);
        for _ in 0..full / 1024 {
            window.follow(1024, LEAST * 3, LEAST);
        }
        assert_eq!(window.limit_bytes(), full * 9 / 10);
        for _ in 0..100 {
            window.follow(full, LEAST * 10, LEAST);
        }
        assert_eq!(window.limit_bytes(), 128 * 1024);
    }

    #[test]
    fn one_message_is_admitted_however_long() {
        let mut window = Window::new(WindowConfig::default());
        assert!(window.admits(1024 * 1024));
        window.sent(1024 * 1024);
        assert!(!window.admits(1));
        assert_eq!(window.room_bytes(), 0);
    }
}
