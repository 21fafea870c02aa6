//! The gateway and the wires: what becomes of a frame on its way.

use std::time::Duration;

use bytes::Bytes;
use protocol::{Flags, Message, MessageType, PayloadType};
use uuid::Uuid;

use crate::dice::Dice;
use crate::plan::{PathPlan, Plan, Refusal};

/// Something that arrives at one end.
#[derive(Debug)]
pub(crate) enum Parcel {
    ToAgent { websocket: u32, frame: Bytes },
    ToClient { websocket: u32, frame: Bytes },
}

/// Loss, delay, repetition and reordering, and which websockets are open.
pub(crate) struct Path {
    plan: PathPlan,
    /// Acknowledgements of such an agent must not be lost one by one: no client could tell.
    spares_acknowledgements: bool,
    calm_after: Duration,
    dice: Dice,
    /// Earliest arrival of the next frame, up and down, on a path that keeps the order.
    earliest: (Duration, Duration),
    /// Counts the websockets of client and agent.
    pub(crate) client_websocket: u32,
    pub(crate) agent_websocket: u32,
    pub(crate) is_client_there: bool,
    pub(crate) is_agent_there: bool,
}

/// What the gateway does with a frame of the client.
pub(crate) enum Fate {
    /// It arrives at these times.
    Arrives(Vec<Duration>),
    /// The websocket is closed for it.
    Refused(Refusal),
}

impl Path {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            plan: plan.path.clone(),
            spares_acknowledgements: !plan.agent.reacks(),
            calm_after: plan.calm_after,
            dice: Dice::new(plan.seed ^ 0x5eed),
            earliest: (Duration::ZERO, Duration::ZERO),
            client_websocket: 0,
            agent_websocket: 0,
            is_client_there: true,
            is_agent_there: true,
        }
    }

    pub(crate) fn take_up(&mut self, frame: &Bytes, now: Duration) -> Fate {
        let payload = frame.len() - protocol::HEADER_LEN;
        if let Some((limit, refusal)) = self.plan.limit
            && payload > limit
        {
            return Fate::Refused(refusal);
        }
        Fate::Arrives(self.journey(now, self.plan.loss.0, true))
    }

    pub(crate) fn take_down(&mut self, frame: &Bytes, now: Duration) -> Vec<Duration> {
        // Byte 4 begins the message type.
        let is_acknowledgement = frame.get(4) == Some(&b'a');
        let is_spared = is_acknowledgement && self.spares_acknowledgements;
        self.journey(now, if is_spared { 0 } else { self.plan.loss.1 }, false)
    }

    fn journey(&mut self, now: Duration, loss: u64, is_up: bool) -> Vec<Duration> {
        let is_calm = now > self.calm_after;
        if !is_calm && self.dice.chance(loss) {
            return Vec::new();
        }
        let copies = if !is_calm && self.dice.chance(self.plan.repeats) { 2 } else { 1 };
        (0..copies).map(|_| now + self.delay(now, is_up)).collect()
    }

    fn delay(&mut self, now: Duration, is_up: bool) -> Duration {
        let jitter = u64::try_from(self.plan.jitter.as_millis()).expect("jitter is short");
        let at = now + self.plan.latency + self.dice.millis(0, jitter);
        let earliest = if is_up { &mut self.earliest.0 } else { &mut self.earliest.1 };
        let at =
            if self.plan.is_reordering && now <= self.calm_after { at } else { at.max(*earliest) };
        *earliest = at;
        at - now
    }

    /// Whether a frame that was on its way when its websocket broke arrives all the same.
    pub(crate) fn survives(&mut self) -> bool {
        self.dice.chance(500)
    }

    pub(crate) fn millis(&mut self, low: u64, high: u64) -> Duration {
        self.dice.millis(low, high)
    }
}

/// A message of the gateway's own.
pub(crate) fn gateway_message(message_type: MessageType, payload: Bytes) -> Bytes {
    Message {
        message_type,
        created_ms: 1_700_000_000_000,
        sequence: 0,
        flags: Flags::SYN_FIN,
        id: Uuid::from_u128(3),
        payload_type: PayloadType::Undefined,
        payload,
    }
    .encode()
}
