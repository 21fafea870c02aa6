//! Messages that were sent and are kept, byte for byte, until they are acknowledged.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// A message in flight.
pub(super) struct Stored {
    pub(super) frame: Bytes,
    /// User bytes, as the window counts them.
    pub(super) user_bytes: usize,
    /// Whether the window still counts it.
    pub(super) is_counted: bool,
    /// The connection on which it was first sent.
    pub(super) first_connection: u32,
    /// Times sent on the present connection.
    pub(super) sends: u32,
    /// Sent exactly once in its life: its acknowledgement tells a round trip.
    pub(super) is_sample: bool,
    pub(super) sent_at: Instant,
    /// A later message was acknowledged first.
    pub(super) is_hole: bool,
    /// When it is to be sent again; `None` once it is due.
    deadline: Option<Instant>,
}

/// All messages in flight, by sequence number.
#[derive(Default)]
pub(super) struct Unacknowledged {
    /// `None` where a later message was acknowledged first.
    slots: VecDeque<Option<Stored>>,
    /// Sequence number of the first slot.
    base: i64,
    waiting: BTreeSet<(Instant, i64)>,
    due: BTreeSet<i64>,
    /// Everything below was already looked at for holes on this connection.
    scanned: i64,
    stored_frames: usize,
}

impl Unacknowledged {
    /// Keeps a message that is being sent for the first time. Numbers must follow one another.
    pub(super) fn store(&mut self, sequence: i64, mut stored: Stored, deadline: Instant) {
        if self.slots.is_empty() {
            self.base = sequence;
        }
        debug_assert_eq!(self.index(sequence), Some(self.slots.len()));
        stored.deadline = Some(deadline);
        self.waiting.insert((deadline, sequence));
        self.slots.push_back(Some(stored));
        self.stored_frames += 1;
    }

    /// Forgets an acknowledged message.
    pub(super) fn settle(&mut self, sequence: i64) -> Option<Stored> {
        let index = self.index(sequence)?;
        let stored = self.slots.get_mut(index)?.take()?;
        match stored.deadline {
            Some(deadline) => self.waiting.remove(&(deadline, sequence)),
            None => self.due.remove(&sequence),
        };
        self.stored_frames -= 1;
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.base += 1;
        }
        Some(stored)
    }

    /// A message was acknowledged: earlier ones that were sent once are holes. Each gets its new
    /// deadline `after` its sending, if that is earlier.
    pub(super) fn mark_holes(&mut self, acknowledged: i64, after: Duration) {
        let from = self.scanned.max(self.base);
        self.scanned = self.scanned.max(acknowledged);
        for sequence in from..acknowledged {
            let Some(stored) = self.slot_mut(sequence) else { continue };
            if stored.sends != 1 || stored.is_hole {
                continue;
            }
            stored.is_hole = true;
            let deadline = stored.sent_at + after;
            if let Some(old) = stored.deadline
                && deadline < old
            {
                stored.deadline = Some(deadline);
                self.waiting.remove(&(old, sequence));
                self.waiting.insert((deadline, sequence));
            }
        }
    }

    /// Everything is to be sent again, in order, as on a new connection.
    pub(super) fn all_due(&mut self) {
        self.waiting.clear();
        self.scanned = self.base;
        for (sequence, slot) in (self.base..).zip(&mut self.slots) {
            if let Some(stored) = slot {
                stored.sends = 0;
                stored.is_sample = false;
                stored.is_hole = false;
                stored.deadline = None;
                self.due.insert(sequence);
            }
        }
    }

    /// Moves what has waited long enough to what is due. True if the oldest message of all is
    /// among it and nobody had noticed a hole there: the path went silent.
    pub(super) fn promote(&mut self, now: Instant) -> bool {
        let mut silent = false;
        while let Some(&(deadline, sequence)) = self.waiting.first()
            && deadline <= now
        {
            self.waiting.pop_first();
            self.due.insert(sequence);
            let is_oldest = sequence == self.base;
            if let Some(stored) = self.slot_mut(sequence) {
                stored.deadline = None;
                silent |= is_oldest && !stored.is_hole;
            }
        }
        silent
    }

    /// The first message due, without taking it.
    pub(super) fn first_due(&self) -> Option<i64> {
        self.due.first().copied()
    }

    /// Notes that a due message was sent again and when it is due next.
    pub(super) fn resent(&mut self, sequence: i64, now: Instant, next: Instant) -> Option<Bytes> {
        self.due.remove(&sequence);
        let stored = self.slot_mut(sequence)?;
        stored.sends = stored.sends.saturating_add(1);
        stored.is_sample = false;
        stored.sent_at = now;
        stored.deadline = Some(next);
        let frame = stored.frame.clone();
        self.waiting.insert((next, sequence));
        Some(frame)
    }

    /// Makes the message due that would be next, whatever its deadline. False if nothing is in
    /// flight.
    pub(super) fn hasten(&mut self) -> bool {
        if !self.due.is_empty() {
            return true;
        }
        let Some((_, sequence)) = self.waiting.pop_first() else { return false };
        self.due.insert(sequence);
        if let Some(stored) = self.slot_mut(sequence) {
            stored.deadline = None;
        }
        true
    }

    pub(super) fn get_mut(&mut self, sequence: i64) -> Option<&mut Stored> {
        self.slot_mut(sequence)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.first().map(|(deadline, _)| *deadline)
    }

    pub(super) fn len(&self) -> usize {
        self.stored_frames
    }

    fn slot_mut(&mut self, sequence: i64) -> Option<&mut Stored> {
        let index = self.index(sequence)?;
        self.slots.get_mut(index)?.as_mut()
    }

    fn index(&self, sequence: i64) -> Option<usize> {
        usize::try_from(sequence.checked_sub(self.base)?).ok()
    }
}

impl Stored {
    /// A message sent for the first time.
    pub(super) fn new(frame: Bytes, user_bytes: usize, connection: u32, now: Instant) -> Self {
        Self {
            frame,
            user_bytes,
            is_counted: true,
            first_connection: connection,
            sends: 1,
            is_sample: true,
            sent_at: now,
            is_hole: false,
            deadline: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(200);
    const HOLE: Duration = Duration::from_millis(20);

    fn three(start: Instant) -> Unacknowledged {
        let mut all = Unacknowledged::default();
        for sequence in 5..8 {
            let stored = Stored::new(Bytes::from(sequence.to_string()), 1, 0, start);
            all.store(sequence, stored, start + TIMEOUT);
        }
        all
    }

    #[test]
    fn settling_out_of_order_keeps_the_rest() {
        let mut all = three(Instant::now());
        assert!(all.settle(6).is_some());
        assert!(all.settle(6).is_none(), "a second acknowledgement is nothing");
        assert!(all.settle(5).is_some());
        assert_eq!((all.base, all.len()), (7, 1));
        for unknown in [i64::MIN, -1, 4, 8, i64::MAX] {
            assert!(all.settle(unknown).is_none());
        }
        assert!(all.settle(7).is_some());
        assert_eq!(all.next_deadline(), None);
        assert_eq!(all.len(), 0);
    }

    #[test]
    fn a_hole_is_due_early_but_only_once() {
        let start = Instant::now();
        let mut all = three(start);
        all.settle(7);
        all.mark_holes(7, HOLE);
        assert_eq!(all.next_deadline(), Some(start + HOLE));
        assert!(!all.promote(start + HOLE), "a hole is no silence");
        assert_eq!(all.first_due(), Some(5));
        assert_eq!(all.resent(5, start + HOLE, start + TIMEOUT).unwrap(), "5");
        assert_eq!(all.first_due(), Some(6));
        all.mark_holes(7, HOLE);
        assert_eq!(all.next_deadline(), Some(start + TIMEOUT));
        assert!(!all.get_mut(5).unwrap().is_sample);
    }

    #[test]
    fn a_silent_path_is_told_by_the_oldest_message() {
        let start = Instant::now();
        let mut all = three(start);
        assert!(all.promote(start + TIMEOUT));
        assert_eq!(all.next_deadline(), None);
        assert_eq!(all.first_due(), Some(5));
    }

    #[test]
    fn after_a_new_connection_all_are_due_in_order() {
        let start = Instant::now();
        let mut all = three(start);
        all.settle(6);
        all.all_due();
        let mut seen = Vec::new();
        while let Some(sequence) = all.first_due() {
            all.resent(sequence, start, start + TIMEOUT);
            seen.push(sequence);
        }
        assert_eq!(seen, [5, 7]);
    }
}
