//! Acknowledgements waiting to be sent.

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

/// One acknowledgement for each received stream message, duplicates included.
#[derive(Debug, Default)]
pub(crate) struct Acknowledgements {
    waiting: VecDeque<(Uuid, i64)>,
    last: Option<(Uuid, i64)>,
    pub(crate) sent_frames: u64,
}

impl Acknowledgements {
    pub(crate) fn push(&mut self, id: Uuid, sequence: i64) {
        self.last = Some((id, sequence));
        if self.waiting.len() < LIMIT {
            self.waiting.push_back((id, sequence));
        }
    }

    /// Says the last one again, which means nothing to the agent. False if there was none yet.
    pub(crate) fn repeat_last(&mut self) -> bool {
        if self.waiting.is_empty() {
            self.waiting.extend(self.last);
        }
        self.last.is_some()
    }

    /// The next one as a frame.
    pub(crate) fn pop(&mut self, stamp: &mut Stamp, now: Instant) -> Option<Bytes> {
        let (id, sequence) = self.waiting.pop_front()?;
        self.sent_frames += 1;
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

    #[test]
    fn a_flood_is_not_kept() {
        let mut all = Acknowledgements::default();
        for sequence in 0..100_000 {
            all.push(Uuid::nil(), sequence);
        }
        assert_eq!(all.waiting.len(), LIMIT);
    }
}
