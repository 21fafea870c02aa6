//! The receiving half: puts stream data in order, once each.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::payload::PayloadType;

/// How far ahead of the expected number a message may be to be held.
const HELD_FRAMES: i64 = 10_000;

/// Bytes held out of order.
const HELD_BYTES: usize = 16 * 1024 * 1024;

/// Sequence numbers of the agent's stream data, and what came too early.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    expected: i64,
    held: BTreeMap<i64, Piece>,
    held_bytes: usize,
    pub(crate) duplicate_frames: u64,
}

/// The content of one stream message.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) sequence: i64,
    pub(crate) payload_type: PayloadType,
    pub(crate) payload: Bytes,
}

/// What becomes of an arriving message.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// It is the next: handle it, then take what was held after it with [`Inbox::next_held`].
    Next(Piece),
    /// It was kept for later. To be acknowledged.
    Held,
    /// It is known already. To be acknowledged again, since the first acknowledgement may be
    /// lost and the agent would stay at this message for ever.
    Duplicate,
    /// There is no room for it. Not to be acknowledged: the agent sends it again.
    Refused,
}

impl Inbox {
    /// Takes a message in. `is_full` refuses the next in order, too.
    pub(crate) fn accept(&mut self, piece: Piece, is_full: bool) -> Arrival {
        let ahead = piece.sequence.saturating_sub(self.expected);
        if ahead < 0 || self.held.contains_key(&piece.sequence) {
            self.duplicate_frames += 1;
            return Arrival::Duplicate;
        }
        if ahead == 0 {
            if is_full {
                return Arrival::Refused;
            }
            self.expected += 1;
            return Arrival::Next(piece);
        }
        let bytes = self.held_bytes + piece.payload.len();
        if ahead >= HELD_FRAMES || bytes > HELD_BYTES {
            return Arrival::Refused;
        }
        self.held_bytes = bytes;
        // A copy, so that a short payload does not hold a long receive buffer.
        let payload = Bytes::copy_from_slice(&piece.payload);
        self.held.insert(piece.sequence, Piece { payload, ..piece });
        Arrival::Held
    }

    /// What was held and is now the next.
    pub(crate) fn next_held(&mut self) -> Option<Piece> {
        let piece = self.held.remove(&self.expected)?;
        self.held_bytes -= piece.payload.len();
        self.expected += 1;
        Some(piece)
    }

    /// Messages in order so far.
    pub(crate) fn expected(&self) -> i64 {
        self.expected
    }

    /// Messages held out of order.
    pub(crate) fn held_frames(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(sequence: i64) -> Piece {
        Piece { sequence, payload_type: PayloadType::Output, payload: vec![7; 100].into() }
    }

    #[test]
    fn reordered_input_is_delivered_in_order() {
        let mut inbox = Inbox::default();
        assert!(matches!(inbox.accept(piece(2), false), Arrival::Held));
        assert!(matches!(inbox.accept(piece(1), false), Arrival::Held));
        assert!(matches!(inbox.accept(piece(1), false), Arrival::Duplicate));
        assert!(inbox.next_held().is_none());
        assert!(matches!(inbox.accept(piece(0), false), Arrival::Next(Piece { sequence: 0, .. })));
        assert_eq!(inbox.next_held().unwrap().sequence, 1);
        assert_eq!(inbox.next_held().unwrap().sequence, 2);
        assert!(inbox.next_held().is_none());
        assert_eq!((inbox.expected(), inbox.held_frames(), inbox.held_bytes), (3, 0, 0));
        for known in 0..3 {
            assert!(matches!(inbox.accept(piece(known), true), Arrival::Duplicate));
        }
        assert_eq!(inbox.duplicate_frames, 4);
    }

    #[test]
    fn what_is_held_is_bounded_in_frames_and_bytes() {
        let mut inbox = Inbox::default();
        assert!(matches!(inbox.accept(piece(HELD_FRAMES), false), Arrival::Refused));
        assert!(matches!(inbox.accept(piece(i64::MAX), false), Arrival::Refused));
        let long = |sequence| Piece { payload: vec![0; HELD_BYTES / 2].into(), ..piece(sequence) };
        assert!(matches!(inbox.accept(long(1), false), Arrival::Held));
        assert!(matches!(inbox.accept(long(2), false), Arrival::Held));
        assert!(matches!(inbox.accept(piece(3), false), Arrival::Refused));
        assert!(matches!(inbox.accept(long(0), false), Arrival::Next(_)));
    }

    #[test]
    fn a_full_consumer_refuses_the_next_without_losing_it() {
        let mut inbox = Inbox::default();
        assert!(matches!(inbox.accept(piece(0), true), Arrival::Refused));
        assert!(matches!(inbox.accept(piece(0), false), Arrival::Next(_)));
    }
}
