//! Which stream may send next: deficit round robin, with streams that just woke up first.
//!
//! A stream that had nothing to send and now has goes before those that send all the time, for
//! one share; a keystroke or a small request so never waits behind a bulk transfer. Streams that
//! keep sending take turns by bytes.

use std::collections::VecDeque;

use super::frame::StreamId;

/// Bytes a stream may send before the next has its turn.
const SHARE: usize = 4 * 1024;

/// After so many messages led by woken streams, one is led by the others.
const WOKEN_MESSAGES: u32 = 4;

#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// Streams that just got something to send.
    woken: VecDeque<Turn>,
    /// Streams that have used up a share.
    busy: VecDeque<Turn>,
    /// Messages in a row led by a woken stream while busy ones waited.
    streak: u32,
    /// Whose turn it is at present.
    current: Queue,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Queue {
    #[default]
    Woken,
    Busy,
}

#[derive(Debug)]
struct Turn {
    id: StreamId,
    /// Bytes left of its share; what was sent beyond it is owed.
    left: usize,
    owed: usize,
}

impl Schedule {
    pub(super) fn is_idle(&self) -> bool {
        self.woken.is_empty() && self.busy.is_empty()
    }

    /// A stream has something to send.
    pub(super) fn wake(&mut self, id: StreamId) {
        let is_known = self.woken.iter().chain(&self.busy).any(|turn| turn.id == id);
        if !is_known {
            self.woken.push_back(Turn { id, left: SHARE, owed: 0 });
        }
    }

    /// A stream has nothing more to send, for now or for ever.
    pub(super) fn sleep(&mut self, id: StreamId) {
        self.woken.retain(|turn| turn.id != id);
        self.busy.retain(|turn| turn.id != id);
    }

    /// A new message is begun.
    pub(super) fn begin_turn(&mut self) {
        let is_woken_turn = !self.woken.is_empty();
        if is_woken_turn && !self.busy.is_empty() && self.streak >= WOKEN_MESSAGES {
            self.streak = 0;
            self.current = Queue::Busy;
        } else {
            self.streak = if is_woken_turn { self.streak + 1 } else { 0 };
            self.current = Queue::Woken;
        }
    }

    /// The stream that may write a frame.
    pub(super) fn next(&mut self) -> Option<StreamId> {
        if self.current == Queue::Woken && self.woken.is_empty() {
            self.current = Queue::Busy;
        } else if self.current == Queue::Busy && self.busy.is_empty() {
            self.current = Queue::Woken;
        }
        match self.current {
            Queue::Woken => self.woken.front().map(|turn| turn.id),
            Queue::Busy => self.next_busy(),
        }
    }

    /// Turns the round until a stream has something left of its share.
    fn next_busy(&mut self) -> Option<StreamId> {
        loop {
            let turn = self.busy.front_mut()?;
            if turn.left > 0 {
                return Some(turn.id);
            }
            let paid = turn.owed.min(SHARE);
            turn.owed -= paid;
            turn.left = SHARE - paid;
            self.busy.rotate_left(1);
        }
    }

    /// The stream that [`Self::next`] named has written this much.
    pub(super) fn spent(&mut self, bytes: usize) {
        let front = match self.current {
            Queue::Woken => self.woken.front_mut(),
            Queue::Busy => self.busy.front_mut(),
        };
        let Some(turn) = front else { return };
        turn.owed += bytes.saturating_sub(turn.left);
        turn.left = turn.left.saturating_sub(bytes);
        if turn.left == 0
            && self.current == Queue::Woken
            && let Some(turn) = self.woken.pop_front()
        {
            self.busy.push_back(turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BULK: StreamId = StreamId(3);
    const OTHER: StreamId = StreamId(5);
    const KEYS: StreamId = StreamId(7);

    /// Who leads each of the next messages of `len` bytes.
    fn leaders(schedule: &mut Schedule, messages: usize, len: usize) -> Vec<StreamId> {
        (0..messages)
            .map(|_| {
                schedule.begin_turn();
                let id = schedule.next().unwrap();
                schedule.spent(len);
                id
            })
            .collect()
    }

    #[test]
    fn streams_that_keep_sending_take_turns_by_bytes() {
        let mut schedule = Schedule::default();
        schedule.wake(BULK);
        schedule.wake(OTHER);
        let order = leaders(&mut schedule, 1000, 1000);
        let of_bulk = order.iter().filter(|id| **id == BULK).count();
        assert!((490..=510).contains(&of_bulk), "{of_bulk}");
        let longest_run = order.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap();
        assert!(longest_run <= 10, "{longest_run}");
    }

    #[test]
    fn long_frames_are_paid_back() {
        let mut schedule = Schedule::default();
        schedule.wake(BULK);
        schedule.wake(OTHER);
        let mut sent = [0, 0];
        for _ in 0..1000 {
            schedule.begin_turn();
            let id = schedule.next().unwrap();
            let (slot, len) = if id == BULK { (0, 16_000) } else { (1, 1000) };
            schedule.spent(len);
            sent[slot] += len;
        }
        let difference = usize::abs_diff(sent[0], sent[1]);
        assert!(difference <= 2 * 16_000, "{sent:?}");
    }

    #[test]
    fn a_stream_that_wakes_up_goes_first_but_never_starves_the_rest() {
        let mut schedule = Schedule::default();
        schedule.wake(BULK);
        leaders(&mut schedule, 10, 1000);
        let mut bulk_led = 0;
        for _ in 0..100 {
            schedule.wake(KEYS);
            let leader = leaders(&mut schedule, 1, 10)[0];
            if leader == KEYS { schedule.sleep(KEYS) } else { bulk_led += 1 }
        }
        assert_eq!(bulk_led, 20);
    }

    #[test]
    fn a_sleeping_stream_has_no_turn() {
        let mut schedule = Schedule::default();
        schedule.wake(BULK);
        schedule.wake(OTHER);
        schedule.sleep(BULK);
        assert_eq!(leaders(&mut schedule, 10, 9000), [OTHER; 10]);
        schedule.sleep(OTHER);
        assert!(schedule.is_idle());
        assert_eq!(schedule.next(), None);
    }
}
