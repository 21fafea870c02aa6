//! A channel that is told anything, in any order, neither panics nor grows without bound, and
//! what it delivers is what was sent, once and in order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use protocol::{
    AcknowledgeBody, ChannelConfig, DataChannel, DataKey, Event, Flags, HandshakeComplete,
    HandshakeRequest, Message, MessageType, PayloadType, RequestedAction, SessionFlag,
};
use serde_json::Value;
use uuid::Uuid;

#[derive(Clone, Debug)]
enum Step {
    Frame(Message),
    Garbage(Vec<u8>),
    Input(usize),
    Size,
    Flag(SessionFlag),
    Key,
    NoKey,
    Limit(usize),
    Wait(u64),
    Connect,
    Disconnect,
    PayloadRefused,
    Transmit(usize),
    Acknowledge(i64),
    Events,
}

fn frame() -> impl Strategy<Value = Message> {
    let types = prop_oneof![
        8 => Just(MessageType::OutputStreamData),
        1 => Just(MessageType::StartPublication),
        1 => Just(MessageType::PausePublication),
        1 => Just(MessageType::AgentSessionState),
    ];
    let request = |encrypted: bool| {
        let session_type = "Standard_Stream".to_owned();
        let shell = RequestedAction::SessionType { session_type, properties: Value::Null };
        let key = RequestedAction::KmsEncryption { key_id: "key".into(), challenge: None };
        let actions = if encrypted { vec![shell, key] } else { vec![shell] };
        HandshakeRequest { agent_version: "3.3.1142.0".into(), actions }.encode()
    };
    let payloads = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..200)
            .prop_map(|bytes| (PayloadType::Output, Bytes::from(bytes))),
        1 => any::<bool>().prop_map(move |key| (PayloadType::HandshakeRequest, request(key))),
        1 => Just((PayloadType::HandshakeComplete, HandshakeComplete::default().encode())),
        1 => (0..20_u32, proptest::collection::vec(any::<u8>(), 0..50))
            .prop_map(|(kind, bytes)| (PayloadType::from(kind), Bytes::from(bytes))),
    ];
    (types, -1..12_i64, payloads).prop_map(|(message_type, sequence, (payload_type, payload))| {
        let (created_ms, flags, id) = (1, Flags::NONE, Uuid::nil());
        Message { message_type, created_ms, sequence, flags, id, payload_type, payload }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => frame().prop_map(Step::Frame),
        1 => proptest::collection::vec(any::<u8>(), 0..300).prop_map(Step::Garbage),
        4 => (0..3000_usize).prop_map(Step::Input),
        1 => Just(Step::Size),
        1 => Just(Step::Flag(SessionFlag::TerminateSession)),
        1 => Just(Step::Flag(SessionFlag::DisconnectToPort)),
        1 => Just(Step::Key),
        1 => Just(Step::NoKey),
        1 => (0..40_000_usize).prop_map(Step::Limit),
        4 => (0..5000_u64).prop_map(Step::Wait),
        1 => Just(Step::Connect),
        1 => Just(Step::Disconnect),
        1 => Just(Step::PayloadRefused),
        6 => (0..30_usize).prop_map(Step::Transmit),
        6 => (-1..30_i64).prop_map(Step::Acknowledge),
        3 => Just(Step::Events),
    ]
}

fn channel(now: Instant) -> DataChannel {
    let epoch = (now, 1_700_000_000_000);
    DataChannel::new(ChannelConfig::new("1.2.764.0", Uuid::nil(), [3; 32], epoch))
}

/// Checks what goes out: numbers in order, a number always the same bytes, except that a probe
/// may be replaced once.
#[derive(Default)]
struct Outward {
    by_number: BTreeMap<i64, Vec<Bytes>>,
}

impl Outward {
    fn check(&mut self, frame: &Bytes) {
        let message = Message::decode(frame.clone()).expect("the channel sends messages");
        assert!(!message.payload.is_empty(), "an empty payload is never sent");
        if message.message_type == MessageType::Acknowledge {
            return;
        }
        let next = self.by_number.last_key_value().map_or(0, |(last, _)| last + 1);
        assert!((0..=next).contains(&message.sequence), "{} skips", message.sequence);
        let versions = self.by_number.entry(message.sequence).or_default();
        if versions.last() != Some(frame) {
            versions.push(frame.clone());
            let is_probe = message.payload_type == PayloadType::Size;
            assert!(versions.len() == 1 || (is_probe && versions.len() == 2));
        }
    }
}

proptest! {


    #[test]
    fn nothing_makes_it_panic_or_grow(steps in proptest::collection::vec(step(), 0..150)) {
        let mut now = Instant::now();
        let mut channel = channel(now);
        let mut outward = Outward::default();
        channel.handle_connected(now);
        let key = DataKey::from_bytes(&[1; 64]).expect("64 bytes");
        for step in steps {
            match step {
                Step::Frame(message) => {
                    let _ = channel.handle_received(message.encode(), now);
                }
                Step::Garbage(bytes) => {
                    let _ = channel.handle_received(bytes.into(), now);
                }
                Step::Input(len) => {
                    let capacity = channel.input_capacity();
                    let is_taken = channel.send_input(Bytes::from(vec![7; len])).is_ok();
                    prop_assert_eq!(is_taken, !channel.is_over() && len <= capacity);
                }
                Step::Size => channel.send_size(80, 24),
                Step::Flag(flag) => channel.send_flag(flag),
                Step::Key => channel.provide_data_key(&key, b"blob"),
                Step::NoKey => channel.refuse_data_key("no"),
                Step::Limit(bytes) => channel.set_payload_limit(bytes),
                Step::Wait(millis) => {
                    now += Duration::from_millis(millis);
                    channel.handle_timeout(now);
                }
                Step::Connect => channel.handle_connected(now),
                Step::Disconnect => channel.handle_disconnected(),
                Step::PayloadRefused => channel.handle_payload_refused(),
                Step::Transmit(frames) => {
                    for _ in 0..frames {
                        let Some(frame) = channel.poll_transmit(now) else { break };
                        outward.check(&frame);
                    }
                }
                Step::Acknowledge(sequence) => {
                    let kind = MessageType::InputStreamData;
                    let payload = AcknowledgeBody::of(&kind, Uuid::nil(), sequence).encode();
                    let message = Message {
                        message_type: MessageType::Acknowledge,
                        created_ms: 1,
                        sequence: 0,
                        flags: Flags::SYN_FIN,
                        id: Uuid::nil(),
                        payload_type: PayloadType::Undefined,
                        payload,
                    };
                    let _ = channel.handle_received(message.encode(), now);
                }
                Step::Events => while channel.poll_event().is_some() {},
            }
            let stats = channel.stats();
            prop_assert!(stats.in_flight_bytes <= stats.window_bytes + 41_000);
            prop_assert!(stats.queued_bytes <= stats.window_bytes);
            prop_assert!(stats.held_frames < 10_000);
            if let Some((at, why)) = channel.poll_timeout() {
                prop_assert!(at <= now + Duration::from_secs(61), "{} is far away", why);
            }
        }
    }

    #[test]
    fn what_arrives_in_any_order_is_delivered_in_order(
        count in 1..60_i64,
        order in proptest::collection::vec(0..60_i64, 0..300),
    ) {
        let now = Instant::now();
        let mut channel = channel(now);
        channel.handle_connected(now);
        let all = order.into_iter().chain(0..count).filter(|sequence| *sequence < count);
        let mut received = 0;
        for sequence in all {
            received += 1;
            let message = Message {
                message_type: MessageType::OutputStreamData,
                created_ms: 1,
                sequence,
                flags: Flags::NONE,
                id: Uuid::nil(),
                payload_type: PayloadType::Output,
                payload: sequence.to_string().into(),
            };
            channel.handle_received(message.encode(), now).expect("output");
        }
        let delivered: Vec<_> = std::iter::from_fn(|| channel.poll_event())
            .filter_map(|event| if let Event::Output(bytes) = event { Some(bytes) } else { None })
            .collect();
        let expected: Vec<_> = (0..count).map(|sequence| Bytes::from(sequence.to_string())).collect();
        prop_assert_eq!(delivered, expected);
        let acknowledged = std::iter::from_fn(|| channel.poll_transmit(now)).count();
        prop_assert_eq!(acknowledged, received, "one for each reception");
    }
}
