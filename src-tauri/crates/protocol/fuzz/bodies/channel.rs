//! A data channel and its port, told anything in any order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::{
    AcknowledgeBody, ChannelConfig, DataChannel, DataKey, Event, Flags, HandshakeComplete, Message,
    MessageType, PayloadType, Port, PortConfig, PortEvent, PortTransmit, RateConfig, Seal,
    SessionFlag, SessionKind,
};
use uuid::Uuid;

const KEY: [u8; 64] = [7; 64];

const REQUESTS: [&str; 5] = [
    r#"{"AgentVersion":"3.3.1142.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","Properties":{"type":"LocalPortForwarding"}}}]}"#,
    r#"{"AgentVersion":"3.0.100.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","Properties":{"type":"LocalPortForwarding"}}}]}"#,
    r#"{"AgentVersion":"3.3.1142.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","Properties":{"portNumber":"22"}}}]}"#,
    r#"{"AgentVersion":"3.3.1142.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Standard_Stream","Properties":null}},{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"k","Challenge":"c"}}]}"#,
    r#"{"AgentVersion":"3.1.1511.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"NonInteractiveCommands","Properties":null}}]}"#,
];

/// Takes the bytes as orders.
pub(crate) fn run(data: &[u8]) {
    let mut player = Player::new(data);
    while let Some(order) = player.byte() {
        player.play(order);
        player.check();
    }
}

struct Player<'a> {
    data: &'a [u8],
    now: Instant,
    channel: DataChannel,
    port: Option<Port>,
    seal: Seal,
    next_output: i64,
    sent: BTreeMap<i64, u32>,
}

impl<'a> Player<'a> {
    fn new(data: &'a [u8]) -> Self {
        let now = Instant::now();
        let epoch = (now, 1_700_000_000_000);
        let mut config = ChannelConfig::new("1.2.764.0", Uuid::nil(), [1; 32], epoch);
        config.payload_limit = 4096;
        let mut channel = DataChannel::new(config);
        channel.handle_connected(now);
        let key = DataKey::from_bytes(&KEY).expect("64 bytes");
        let seal = Seal::agent(&key, [0; 12]);
        Self { data, now, channel, port: None, seal, next_output: 0, sent: BTreeMap::new() }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.data.split_first()?;
        self.data = rest;
        Some(*first)
    }

    fn number(&mut self) -> u8 {
        self.byte().unwrap_or(0)
    }

    /// A length, and so many of the bytes.
    fn bytes(&mut self) -> Bytes {
        let len = usize::from(self.number()).min(self.data.len());
        let (bytes, rest) = self.data.split_at(len);
        self.data = rest;
        Bytes::copy_from_slice(bytes)
    }

    fn play(&mut self, order: u8) {
        match order % 24 {
            0 => {
                let raw = self.bytes();
                let _ = self.channel.handle_received(raw, self.now);
            }
            1 => {
                let kind = PayloadType::from(u32::from(self.number() % 16));
                let payload = self.bytes();
                self.stream(self.next_output, kind, payload);
            }
            2 => {
                let sequence = i64::from(self.number()) - 2;
                let payload = self.bytes();
                self.stream(sequence, PayloadType::Output, payload);
            }
            3 => {
                let request = REQUESTS[usize::from(self.number()) % REQUESTS.len()];
                self.stream(self.next_output, PayloadType::HandshakeRequest, request.into());
            }
            4 => {
                let complete = HandshakeComplete::default().encode();
                self.stream(self.next_output, PayloadType::HandshakeComplete, complete);
            }
            5 => {
                let plain = self.bytes();
                let sealed = self.seal.seal(&plain);
                self.stream(self.next_output, PayloadType::Output, sealed);
            }
            6 => {
                let body = AcknowledgeBody::of(
                    &MessageType::InputStreamData,
                    Uuid::nil(),
                    i64::from(self.number()) - 1,
                );
                self.message(MessageType::Acknowledge, 0, PayloadType::Undefined, body.encode());
            }
            7 => {
                self.message(MessageType::PausePublication, 0, PayloadType::Undefined, Bytes::new())
            }
            8 => {
                self.message(MessageType::StartPublication, 0, PayloadType::Undefined, Bytes::new())
            }
            9 => {
                let bytes = self.bytes();
                let _ = self.channel.send_input(bytes);
            }
            10 => {
                let len = usize::from(self.number()) * 64;
                let _ = self.channel.send_input(Bytes::from(vec![7; len]));
            }
            11 => self.channel.send_size(80, 24),
            12 => self.channel.send_flag(SessionFlag::DisconnectToPort),
            13 => self.channel.send_flag(SessionFlag::TerminateSession),
            14 => {
                let key = DataKey::from_bytes(&KEY).expect("64 bytes");
                self.channel.provide_data_key(&key, b"blob");
            }
            15 => self.channel.refuse_data_key("no"),
            16 => self.channel.handle_disconnected(),
            17 => self.channel.handle_connected(self.now),
            18 => self.channel.handle_payload_refused(),
            19 => {
                let bytes = usize::from(self.number()) * 128;
                self.channel.set_payload_limit(bytes);
            }
            20 => {
                let millis = u64::from(self.number()) * 20;
                self.now += Duration::from_millis(millis);
                self.channel.handle_timeout(self.now);
                if let Some(port) = &mut self.port {
                    port.handle_timeout(self.now);
                }
            }
            21 => {
                let frames_per_second = Some(u32::from(self.number())).filter(|rate| *rate > 0);
                self.channel.set_rate(RateConfig { frames_per_second, burst: 3 });
            }
            22 => self.transmit(),
            _ => self.connection(),
        }
    }

    fn stream(&mut self, sequence: i64, kind: PayloadType, payload: Bytes) {
        if sequence == self.next_output {
            self.next_output += 1;
        }
        self.message(MessageType::OutputStreamData, sequence, kind, payload);
    }

    fn message(
        &mut self,
        message_type: MessageType,
        sequence: i64,
        payload_type: PayloadType,
        payload: Bytes,
    ) {
        let (created_ms, flags, id) = (1, Flags::NONE, Uuid::nil());
        let message =
            Message { message_type, created_ms, sequence, flags, id, payload_type, payload };
        let _ = self.channel.handle_received(message.encode(), self.now);
    }

    fn transmit(&mut self) {
        for _ in 0..self.number() {
            let Some(frame) = self.channel.poll_transmit(self.now) else { break };
            let message = Message::decode(frame).expect("the channel sends messages");
            assert!(!message.payload.is_empty());
            if message.message_type == MessageType::InputStreamData {
                let next = self.sent.last_key_value().map_or(0, |(last, _)| last + 1);
                assert!((0..=next).contains(&message.sequence), "a number is skipped");
                *self.sent.entry(message.sequence).or_default() += 1;
            }
        }
    }

    /// Something of a local connection.
    fn connection(&mut self) {
        let (what, id) = (self.number(), self.number());
        let Some(port) = &mut self.port else { return };
        let id = protocol::mux::frame::StreamId(u32::from(id % 16));
        match what % 6 {
            0 => {
                let _ = port.open();
            }
            1 => {
                let _ = port.send(id, Bytes::from_static(&[7; 300]));
            }
            2 => port.finish(id, self.now),
            3 => port.close(id),
            4 => port.consumed(id, 100),
            _ => {}
        }
    }

    fn check(&mut self) {
        while let Some(event) = self.channel.poll_event() {
            match (event, &mut self.port) {
                (Event::Ready(ready), None) => {
                    if let SessionKind::Port(properties) = ready.kind {
                        let version = ready.agent_version.as_ref();
                        let config = PortConfig::new(properties.kind, version, "1.2.764.0");
                        self.port = Some(Port::new(config, self.now));
                    }
                }
                (Event::Ready(_), Some(_)) => panic!("ready twice"),
                (Event::Output(bytes), Some(port)) => {
                    let is_broken = port.handle_output(bytes, self.now).is_err();
                    if is_broken {
                        self.port = None;
                        return;
                    }
                }
                (Event::Flag(flag), Some(port)) => port.handle_flag(flag),
                (Event::FlagAcknowledged(flag), Some(port)) => port.handle_flag_acknowledged(flag),
                _ => {}
            }
        }
        if let Some(port) = &mut self.port {
            while let Some(event) = port.poll_event() {
                if let PortEvent::Data(_, bytes) = event {
                    assert!(!bytes.is_empty());
                }
            }
            let max = self.channel.input_capacity().min(self.channel.payload_limit());
            match port.poll_transmit(max) {
                Some(PortTransmit::Input(input)) => {
                    assert!(input.len() <= max);
                    self.channel.send_input(input).expect("it fits");
                }
                Some(PortTransmit::Flag(flag)) => self.channel.send_flag(flag),
                None => {}
            }
            port.poll_timeout();
        }
        let stats = self.channel.stats();
        assert!(stats.in_flight_bytes <= stats.window_bytes + 41_000, "{stats:?}");
        assert!(stats.held_frames < 10_000);
        if let Some((at, why)) = self.channel.poll_timeout() {
            assert!(at <= self.now + Duration::from_secs(61), "{why}");
        }
    }
}
