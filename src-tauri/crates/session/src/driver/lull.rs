//! A steady trickle is read in sips.
//!
//! An agent sends a kilobyte every millisecond or so. To wake for each costs several times what
//! the kilobyte does, and nothing waits for it: the agent sends at its pace whatever we do. So
//! after some time of that the socket is left alone for a few milliseconds at a time. Never while
//! we say anything ourselves, since what comes may be the answer to it, and never when more comes
//! than a trickle.

use std::time::{Duration, Instant};

/// Messages of a trickle before it counts as one.
const STEADY: usize = 64;
/// A pause longer than this ends it.
const GAP: Duration = Duration::from_millis(12);
/// How long the socket is left alone.
const LULL: Duration = Duration::from_millis(5);
/// More at once is no trickle: whoever sends so much may be waiting for us.
const MOST: usize = 8;

/// Says when a socket need not be read yet.
#[derive(Debug, Default)]
pub(super) struct Lull {
    messages: usize,
    /// How much we had said by then.
    said: u64,
    last: Option<Instant>,
    until: Option<Instant>,
}

impl Lull {
    /// Everything there was has been read, so many messages; `said` counts what we ever said.
    pub(super) fn note_read(&mut self, messages: usize, said: u64, now: Instant) {
        if messages == 0 {
            return;
        }
        let has_paused = self.last.is_none_or(|last| now.saturating_duration_since(last) > GAP);
        self.last = Some(now);
        let has_spoken = std::mem::replace(&mut self.said, said) != said;
        if has_paused || has_spoken || messages > MOST {
            self.messages = 0;
        } else {
            self.messages += messages;
        }
        self.until = (self.messages >= STEADY).then(|| now + LULL);
    }

    /// Whether the socket is to be left alone.
    pub(super) fn is_on(&mut self, said: u64, now: Instant) -> bool {
        let has_spoken = self.said != said;
        self.until.take_if(|until| *until <= now || has_spoken);
        self.until.is_some()
    }

    pub(super) fn end(&self) -> Option<Instant> {
        self.until
    }

    /// Another socket: whatever comes is read at once.
    pub(super) fn stop(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_trickle_is_left_alone_between_sips() {
        let mut now = Instant::now();
        let mut lull = Lull::default();
        let mut read_at_once = 0;
        while !lull.is_on(0, now) {
            lull.note_read(1, 0, now);
            read_at_once += 1;
            now += MS;
        }
        assert_eq!(read_at_once, STEADY + 1);
        now = lull.end().expect("an end");
        assert!(!lull.is_on(0, now));
        lull.note_read(4, 0, now);
        assert_eq!(lull.end(), Some(now + LULL));
        assert!(lull.is_on(0, now));
        assert!(!lull.is_on(1, now), "what was asked may be answered now");
    }

    #[test]
    fn answers_floods_and_what_comes_now_and_then_are_read_at_once() {
        for (messages, says, every) in [(1, 1, MS), (9, 0, MS), (1, 0, GAP + MS)] {
            let mut now = Instant::now();
            let mut lull = Lull::default();
            let mut said = 0;
            for _ in 0..1000 {
                said += says;
                lull.note_read(messages, said, now);
                assert!(!lull.is_on(said, now));
                now += every;
            }
        }
    }

    #[test]
    fn a_stopped_lull_begins_anew() {
        let now = Instant::now();
        let mut lull = Lull::default();
        (0..=STEADY).for_each(|_| lull.note_read(1, 0, now));
        assert!(lull.is_on(0, now));
        lull.stop();
        assert!(!lull.is_on(0, now));
        lull.note_read(1, 0, now);
        assert!(!lull.is_on(0, now));
    }
}
