//! Mistakes a client could make, made on purpose between the engine and its websocket. The
//! simulation is worth something only if it fails with each of them.

use std::collections::BTreeSet;

use bytes::Bytes;
use protocol::{AcknowledgeBody, Message, MessageType};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// The engine as it is.
    None,
    /// A duplicate is not acknowledged again.
    NoReacknowledgement,
    /// What was in flight when the websocket broke is not sent again.
    NoResendAfterResume,
    /// When more than a few messages are in flight, the oldest is forgotten.
    EvictOnOverflow,
    /// A message that comes early is acknowledged and forgotten.
    ForgetEarly,
    /// A message lost on a healthy websocket is never sent again.
    NoResend,
}

pub(crate) const ALL: [Mutation; 5] = [
    Mutation::NoReacknowledgement,
    Mutation::NoResendAfterResume,
    Mutation::EvictOnOverflow,
    Mutation::ForgetEarly,
    Mutation::NoResend,
];

/// Messages in flight that the evicting client keeps.
const EVICTION_LIMIT: usize = 4;

/// Stands between the engine and its websocket.
pub(crate) struct Mutant {
    mutation: Mutation,
    acknowledged: BTreeSet<i64>,
    sent: BTreeSet<i64>,
    /// Sent on an earlier websocket and never to be sent again.
    buried: BTreeSet<i64>,
    in_flight: BTreeSet<i64>,
    expected: i64,
}

impl Mutant {
    pub(crate) fn new(mutation: Mutation) -> Self {
        Self {
            mutation,
            acknowledged: BTreeSet::new(),
            sent: BTreeSet::new(),
            buried: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            expected: 0,
        }
    }

    pub(crate) fn resumed(&mut self) {
        if self.mutation == Mutation::NoResendAfterResume {
            self.buried.extend(self.in_flight.iter());
        }
    }

    /// Whether a frame of the engine reaches the websocket.
    pub(crate) fn lets_out(&mut self, frame: &Bytes) -> bool {
        if self.mutation == Mutation::None {
            return true;
        }
        let message = Message::decode(frame.clone()).expect("the engine sends messages");
        if message.message_type == MessageType::Acknowledge {
            let body = AcknowledgeBody::parse(&message.payload).expect("an acknowledgement");
            let is_first = self.acknowledged.insert(body.acknowledged_message_sequence_number);
            return is_first || self.mutation != Mutation::NoReacknowledgement;
        }
        let sequence = message.sequence;
        let is_first = self.sent.insert(sequence);
        if is_first {
            self.in_flight.insert(sequence);
            if self.mutation == Mutation::EvictOnOverflow
                && self.in_flight.len() > EVICTION_LIMIT
                && let Some(oldest) = self.in_flight.pop_first()
            {
                self.buried.insert(oldest);
            }
        }
        let is_dropped = !is_first && self.mutation == Mutation::NoResend;
        !is_dropped && !self.buried.contains(&sequence)
    }

    /// Whether a frame of the far end reaches the engine; if not, it may still be acknowledged.
    pub(crate) fn lets_in(&mut self, frame: &Bytes) -> Inward {
        if self.mutation == Mutation::None {
            return Inward::Pass;
        }
        let message = Message::decode(frame.clone()).expect("the far end sends messages");
        if message.message_type == MessageType::Acknowledge {
            let body = AcknowledgeBody::parse(&message.payload).expect("an acknowledgement");
            self.in_flight.remove(&body.acknowledged_message_sequence_number);
        }
        if message.message_type == MessageType::OutputStreamData {
            if message.sequence == self.expected {
                self.expected += 1;
            } else if message.sequence > self.expected && self.mutation == Mutation::ForgetEarly {
                let kind = MessageType::OutputStreamData;
                let body = AcknowledgeBody::of(&kind, message.id, message.sequence);
                return Inward::AcknowledgeOnly(body.encode());
            }
        }
        Inward::Pass
    }
}

pub(crate) enum Inward {
    Pass,
    AcknowledgeOnly(Bytes),
}
