//! Acknowledgements waiting to be sent, and those that may have to be sent again.
//!
//! The agent repeats its oldest unacknowledged message, one every 100 ms, and looks at no other:
//! whatever was really lost waits behind every message whose acknowledgement was lost. That
//! happens to many at once. A websocket that breaks takes all that were on their way with it,
//! and an agent that is short of time stores a message after it has sent it, when a quick
//! acknowledgement has already come and been ignored. So a message that comes again is taken as
//! the agent's word that it may have missed the rest, too: all later ones are said again, once.

use std::collections::VecDeque;
use std::io::Write as _;
use std::time::Instant;

use bytes::{BufMut, Bytes};
use uuid::Uuid;

use super::stamp::Stamp;
use crate::message::frame_buffer;

/// More than this many are not kept: whoever floods us so is asked to send again.
const LIMIT: usize = 16_384;

const UP_TO_ID: &[u8] =
    br#"{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":""#;
const UP_TO_SEQUENCE: &[u8] = br#"","AcknowledgedMessageSequenceNumber":"#;
const AFTER_SEQUENCE: &[u8] = br#","IsSequentialMessage":true}"#;

/// Longest text of a sequence number.
const SEQUENCE_LEN: usize = 20;

/// Acknowledgements that can be said again: more than a second of what an agent sends, little
/// enough that the service does not take them for a flood.
const REPEATABLE: usize = 1024;

/// One acknowledgement for each received stream message, duplicates included.
#[derive(Debug)]
pub(crate) struct Acknowledgements {
    waiting: VecDeque<Acknowledgement>,
    /// What was said before, the newest last.
    said: VecDeque<(Uuid, i64)>,
    /// The highest number of what was said again on this connection.
    repeated: i64,
    pub(crate) sent_frames: u64,
}

#[derive(Debug)]
struct Acknowledgement {
    id: Uuid,
    sequence: i64,
    /// It was never said before.
    is_first: bool,
}

impl Default for Acknowledgements {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), said: VecDeque::new(), repeated: -1, sent_frames: 0 }
    }
}

impl Acknowledgements {
    /// A message has come for the first time.
    pub(crate) fn push(&mut self, id: Uuid, sequence: i64) {
        self.wait(Acknowledgement { id, sequence, is_first: true });
    }

    /// A message has come that was acknowledged before: so is, once more, every later one.
    pub(crate) fn push_again(&mut self, id: Uuid, sequence: i64) {
        self.wait(Acknowledgement { id, sequence, is_first: false });
        let from = sequence.max(self.repeated);
        let room = LIMIT.saturating_sub(self.waiting.len());
        let later = self.said.iter().filter(|(_, said)| *said > from).take(room);
        for (id, sequence) in later.copied() {
            self.waiting.push_back(Acknowledgement { id, sequence, is_first: false });
            self.repeated = self.repeated.max(sequence);
        }
    }

    fn wait(&mut self, acknowledgement: Acknowledgement) {
        if self.waiting.len() < LIMIT {
            self.waiting.push_back(acknowledgement);
        }
    }

    /// A new websocket is open: what was said again on the last one may be lost as well.
    pub(crate) fn connected(&mut self) {
        self.repeated = -1;
    }

    /// Says the last one again, which means nothing to the agent. False if there was none yet.
    pub(crate) fn repeat_last(&mut self) -> bool {
        if self.waiting.is_empty()
            && let Some((id, sequence)) = self.said.back().copied()
        {
            self.wait(Acknowledgement { id, sequence, is_first: false });
        }
        !self.waiting.is_empty()
    }

    /// The next one as a frame.
    pub(crate) fn pop(&mut self, stamp: &mut Stamp, now: Instant) -> Option<Bytes> {
        let Acknowledgement { id, sequence, is_first } = self.waiting.pop_front()?;
        self.sent_frames += 1;
        if is_first {
            if self.said.len() >= REPEATABLE {
                self.said.pop_front();
            }
            self.said.push_back((id, sequence));
        }
        let body_len =
            UP_TO_ID.len() + 36 + UP_TO_SEQUENCE.len() + SEQUENCE_LEN + AFTER_SEQUENCE.len();
        let mut frame = frame_buffer(body_len);
        frame.put_slice(UP_TO_ID);
        frame.put_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        frame.put_slice(UP_TO_SEQUENCE);
        let mut writer = frame.writer();
        write!(writer, "{sequence}").expect("writing to memory cannot fail");
        frame = writer.into_inner();
        frame.put_slice(AFTER_SEQUENCE);
        Some(stamp.acknowledgement(now).finish(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Flags, Message, MessageType};
    use crate::payload::{AcknowledgeBody, PayloadType};

    #[test]
    fn the_template_says_what_the_body_says() {
        let now = Instant::now();
        let mut stamp = Stamp::new([7; 32], (now, 1_700_000_000_456));
        let mut all = Acknowledgements::default();
        let id = stamp.id();
        for sequence in [0, 41, i64::MAX] {
            all.push(id, sequence);
            let message = Message::decode(all.pop(&mut stamp, now).unwrap()).unwrap();
            assert_eq!(message.message_type, MessageType::Acknowledge);
            assert_eq!(message.flags, Flags::SYN_FIN);
            assert_eq!((message.sequence, message.payload_type), (0, PayloadType::Undefined));
            assert_eq!(message.created_ms, 1_700_000_000_456);
            let body = AcknowledgeBody::of(&MessageType::OutputStreamData, id, sequence);
            assert_eq!(message.payload, body.encode());
        }
        assert!(all.pop(&mut stamp, now).is_none());
    }

    fn told(all: &mut Acknowledgements) -> Vec<i64> {
        let now = Instant::now();
        let mut stamp = Stamp::new([7; 32], (now, 1));
        std::iter::from_fn(|| all.pop(&mut stamp, now))
            .map(|frame| AcknowledgeBody::parse_sequence(&Message::decode(frame).unwrap().payload))
            .collect::<Result<_, _>>()
            .unwrap()
    }

    #[test]
    fn a_repeated_message_has_all_later_ones_acknowledged_once_more() {
        let mut all = Acknowledgements::default();
        (0..6).for_each(|sequence| all.push(Uuid::nil(), sequence));
        assert_eq!(told(&mut all), [0, 1, 2, 3, 4, 5]);
        all.push_again(Uuid::nil(), 2);
        assert_eq!(told(&mut all), [2, 3, 4, 5]);
        all.push_again(Uuid::nil(), 4);
        assert_eq!(told(&mut all), [4], "the rest was said twice");
        all.push(Uuid::nil(), 6);
        all.push_again(Uuid::nil(), 0);
        assert_eq!(told(&mut all), [6, 0]);
        all.connected();
        all.push_again(Uuid::nil(), 4);
        assert_eq!(told(&mut all), [4, 5, 6]);
    }

    #[test]
    fn what_can_be_said_again_is_bounded() {
        let mut all = Acknowledgements::default();
        for sequence in 0..10_000 {
            all.push(Uuid::nil(), sequence);
            told(&mut all);
        }
        assert_eq!(all.said.len(), REPEATABLE);
        all.push_again(Uuid::nil(), 3);
        assert_eq!(told(&mut all).len(), 1 + REPEATABLE);
    }

    #[test]
    fn a_flood_is_not_kept() {
        let mut all = Acknowledgements::default();
        for sequence in 0..100_000 {
            all.push(Uuid::nil(), sequence);
        }
        assert_eq!(all.waiting.len(), LIMIT);
    }
}
