//! The agent's end of a data channel: numbers, acknowledgements, resends.
//!
//! The rules are the official agent's, weaknesses included: acknowledgements are exact, only the
//! oldest unacknowledged message is ever sent again, and nothing limits how much is under way.
//! Nothing here is shared with the client's end except the shape of messages.

mod round_trip;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use protocol::{AcknowledgeBody, Flags, Message, MessageType, OpenError, PayloadType, Seal};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng as _;
use tokio::time::Instant;
use uuid::Uuid;

use crate::faults::ResendRule;
use crate::{clock, random};
use round_trip::RoundTrip;

/// How often unacknowledged messages are looked at.
pub(crate) const RESEND_TICK: Duration = Duration::from_millis(100);
/// Messages kept until they are acknowledged; one past this is sent once and never again.
const UNACKNOWLEDGED_KEPT: usize = 100_000;
/// Messages kept that came too early; one past this is not even acknowledged.
const EARLY_KEPT: usize = 100_000;

/// Where the sequence stands, both ways. Does no IO; every method says what to send.
pub(crate) struct DataChannel {
    resend: ResendRule,
    reacks: bool,
    next: i64,
    unacknowledged: VecDeque<Sent>,
    unacknowledged_bytes: usize,
    round_trip: RoundTrip,
    expected: i64,
    early: BTreeMap<i64, Message>,
    paused: bool,
    seal: Option<Seal>,
    ids: ChaCha20Rng,
}

struct Sent {
    sequence: i64,
    frame: Bytes,
    at: Instant,
}

/// Where an arriving message stands in the sequence.
#[derive(Debug)]
pub(crate) enum Place {
    /// It is the one expected.
    Next,
    /// It came early and is kept, or there is no room for it.
    Early {
        /// Whether to acknowledge it.
        acknowledge: bool,
    },
    /// It was there before.
    Behind {
        /// Whether to acknowledge it again.
        acknowledge: bool,
    },
}

impl DataChannel {
    pub(crate) fn new(resend: ResendRule, reacks: bool) -> Self {
        Self {
            resend,
            reacks,
            next: 0,
            unacknowledged: VecDeque::new(),
            unacknowledged_bytes: 0,
            round_trip: RoundTrip::default(),
            expected: 0,
            early: BTreeMap::new(),
            paused: false,
            seal: None,
            ids: random::generator(),
        }
    }

    /// Numbers one payload, keeps it for resending, and returns the message to send now; none
    /// while paused.
    pub(crate) fn send(
        &mut self,
        payload_type: PayloadType,
        payload: Bytes,
        now: Instant,
    ) -> Option<Bytes> {
        let payload = match &mut self.seal {
            Some(seal) if payload_type.is_sealed_when_encrypted() => seal.seal(&payload),
            Some(_) | None => payload,
        };
        let sequence = self.next;
        self.next += 1;
        let message = Message {
            message_type: MessageType::OutputStreamData,
            created_ms: clock::epoch_ms(),
            sequence,
            flags: if sequence == 0 { Flags::SYN } else { Flags::NONE },
            id: self.new_id(),
            payload_type,
            payload,
        };
        let frame = message.encode();
        if self.unacknowledged.len() < UNACKNOWLEDGED_KEPT {
            self.unacknowledged_bytes += frame.len();
            self.unacknowledged.push_back(Sent { sequence, frame: frame.clone(), at: now });
        }
        (!self.paused).then_some(frame)
    }

    /// What a tick sends again.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Bytes> {
        if self.paused {
            return Vec::new();
        }
        let timeout = self.round_trip.timeout();
        let looked_at = match self.resend {
            ResendRule::Head => 1,
            ResendRule::All => usize::MAX,
        };
        let old = self.unacknowledged.iter_mut().take(looked_at);
        old.filter(|sent| now.saturating_duration_since(sent.at) > timeout)
            .map(|sent| {
                sent.at = now;
                sent.frame.clone()
            })
            .collect()
    }

    /// Takes an acknowledgement. One for a number that is not waited for changes nothing.
    pub(crate) fn acknowledged(&mut self, sequence: i64, now: Instant) {
        let found = self.unacknowledged.binary_search_by_key(&sequence, |sent| sent.sequence);
        if let Some(sent) = found.ok().and_then(|index| self.unacknowledged.remove(index)) {
            self.unacknowledged_bytes -= sent.frame.len();
            self.round_trip.sample(now.saturating_duration_since(sent.at));
        }
    }

    /// Where `message` stands. An early one is kept here.
    pub(crate) fn place(&mut self, message: &Message) -> Place {
        if message.sequence == self.expected {
            Place::Next
        } else if message.sequence < self.expected {
            Place::Behind { acknowledge: self.reacks }
        } else if self.early.len() < EARLY_KEPT {
            self.early.insert(message.sequence, message.clone());
            Place::Early { acknowledge: true }
        } else {
            Place::Early { acknowledge: false }
        }
    }

    /// The expected message was handled.
    pub(crate) fn advance(&mut self) {
        self.early.remove(&self.expected);
        self.expected += 1;
    }

    /// The message now expected, if it came early. It stays kept until [`Self::advance`].
    pub(crate) fn next_early(&self) -> Option<Message> {
        self.early.get(&self.expected).cloned()
    }

    /// The acknowledgement of `message`: outside the sequence, never kept, never sent again.
    pub(crate) fn acknowledgement(&mut self, message: &Message) -> Bytes {
        let body = AcknowledgeBody::of(&message.message_type, message.id, message.sequence);
        let acknowledgement = Message {
            message_type: MessageType::Acknowledge,
            created_ms: clock::epoch_ms(),
            sequence: 0,
            flags: Flags::SYN_FIN,
            id: self.new_id(),
            payload_type: PayloadType::Undefined,
            payload: body.encode(),
        };
        acknowledgement.encode()
    }

    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    pub(crate) fn set_seal(&mut self, seal: Seal) {
        self.seal = Some(seal);
    }

    /// Seals what goes into a challenge; none before there is a key.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Option<Bytes> {
        self.seal.as_mut().map(|seal| seal.seal(plain))
    }

    /// Opens what the client sealed; none before there is a key.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Result<Bytes, OpenError>> {
        self.seal.as_ref().map(|seal| seal.open(sealed))
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    pub(crate) fn unacknowledged_bytes(&self) -> usize {
        self.unacknowledged_bytes
    }

    fn new_id(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.ids.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(resend: ResendRule) -> DataChannel {
        DataChannel::new(resend, true)
    }

    fn sent(channel: &mut DataChannel, now: Instant) -> Message {
        let frame = channel.send(PayloadType::Output, Bytes::from_static(b"x"), now);
        Message::decode(frame.expect("not paused")).unwrap()
    }

    fn input(sequence: i64) -> Message {
        Message {
            message_type: MessageType::InputStreamData,
            created_ms: 1,
            sequence,
            flags: Flags::NONE,
            id: Uuid::from_u128(7),
            payload_type: PayloadType::Output,
            payload: Bytes::from_static(b"y"),
        }
    }

    #[test]
    fn the_first_message_is_flagged_and_numbers_go_up() {
        let mut channel = channel(ResendRule::Head);
        let now = clock::now();
        let first = sent(&mut channel, now);
        let second = sent(&mut channel, now);
        assert_eq!((first.sequence, first.flags), (0, Flags::SYN));
        assert_eq!((second.sequence, second.flags), (1, Flags::NONE));
    }

    #[test]
    fn only_the_head_is_sent_again_and_as_it_was() {
        let mut channel = channel(ResendRule::Head);
        let start = clock::now();
        let first = sent(&mut channel, start);
        sent(&mut channel, start);
        assert!(channel.tick(start + Duration::from_millis(200)).is_empty());
        let again = channel.tick(start + Duration::from_millis(201));
        assert_eq!(again.len(), 1);
        assert_eq!(Message::decode(again[0].clone()).unwrap(), first);
        assert!(channel.tick(start + Duration::from_millis(300)).is_empty());
        channel.acknowledged(0, start + Duration::from_millis(300));
        let again = channel.tick(start + Duration::from_millis(900));
        assert_eq!(Message::decode(again[0].clone()).unwrap().sequence, 1);
    }

    #[test]
    fn an_unpaced_agent_sends_everything_again() {
        let mut channel = channel(ResendRule::All);
        let start = clock::now();
        for _ in 0..5 {
            sent(&mut channel, start);
        }
        channel.acknowledged(2, start);
        assert_eq!(channel.tick(start + Duration::from_millis(201)).len(), 4);
    }

    #[test]
    fn a_pause_keeps_messages_for_later() {
        let mut channel = channel(ResendRule::Head);
        let start = clock::now();
        channel.set_paused(true);
        assert!(channel.send(PayloadType::Output, Bytes::from_static(b"x"), start).is_none());
        assert!(channel.tick(start + Duration::from_secs(1)).is_empty());
        channel.set_paused(false);
        assert_eq!(channel.tick(start + Duration::from_secs(1)).len(), 1);
        assert!(!channel.is_drained());
        channel.acknowledged(0, start + Duration::from_secs(1));
        assert!(channel.is_drained());
        assert_eq!(channel.unacknowledged_bytes(), 0);
    }

    #[test]
    fn early_messages_wait_and_old_ones_are_known() {
        let mut channel = channel(ResendRule::Head);
        assert!(matches!(channel.place(&input(1)), Place::Early { acknowledge: true }));
        assert!(channel.next_early().is_none());
        assert!(matches!(channel.place(&input(0)), Place::Next));
        channel.advance();
        assert_eq!(channel.next_early().map(|message| message.sequence), Some(1));
        channel.advance();
        assert!(channel.next_early().is_none());
        assert!(matches!(channel.place(&input(0)), Place::Behind { acknowledge: true }));
    }

    #[test]
    fn acknowledgements_name_the_message_they_mean() {
        let mut channel = channel(ResendRule::Head);
        let frame = channel.acknowledgement(&input(41));
        let message = Message::decode(frame).unwrap();
        assert_eq!((message.sequence, message.flags), (0, Flags::SYN_FIN));
        let body = AcknowledgeBody::parse(&message.payload).unwrap();
        assert_eq!(body.acknowledged_message_type, "input_stream_data");
        assert_eq!(body.acknowledged_message_sequence_number, 41);
        assert_eq!(body.acknowledged_message_id, input(41).id.to_string());
    }
}
