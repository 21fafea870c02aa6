//! A far end that says what a test tells it to, and a clock that moves when told.

use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::{
    AcknowledgeBody, ChannelConfig, DataChannel, Event, Flags, HandshakeComplete, HandshakeRequest,
    Message, MessageType, PayloadType, PeerError, RequestedAction,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// A millisecond, to be counted.
pub(crate) const MS: Duration = Duration::from_millis(1);

/// Milliseconds since the epoch at the start of every test.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

/// A channel, and everything around it.
pub(crate) struct Script {
    pub(crate) channel: DataChannel,
    pub(crate) now: Instant,
    next_output: i64,
    ids: u128,
}

impl Script {
    /// A channel on its first websocket.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same, with some of the configuration changed.
    pub(crate) fn with(change: impl FnOnce(&mut ChannelConfig)) -> Self {
        let now = Instant::now();
        let mut config = ChannelConfig::new("1.2.764.0", Uuid::nil(), [7; 32], (now, START_MS));
        change(&mut config);
        let mut channel = DataChannel::new(config);
        channel.handle_connected(now);
        Self { channel, now, next_output: 0, ids: 0 }
    }

    /// A shell that has shown its prompt.
    pub(crate) fn shell() -> Self {
        let mut script = Self::new();
        script.output(b"$ ");
        script.settle();
        script
    }

    /// A muxed port session.
    pub(crate) fn port() -> Self {
        Self::port_of("3.3.1142.0")
    }

    /// The same with an agent of this version.
    pub(crate) fn port_of(agent_version: &str) -> Self {
        let mut script = Self::new();
        script.handshake(agent_version, "Port", json!({"type": "LocalPortForwarding"}));
        script
    }

    /// A handshake without encryption, to its end.
    pub(crate) fn handshake(&mut self, agent_version: &str, session_type: &str, properties: Value) {
        self.request(
            agent_version,
            vec![RequestedAction::SessionType { session_type: session_type.into(), properties }],
        );
        self.complete();
        self.settle();
    }

    pub(crate) fn request(&mut self, agent_version: &str, actions: Vec<RequestedAction>) {
        let request = HandshakeRequest { agent_version: agent_version.into(), actions };
        self.stream(PayloadType::HandshakeRequest, request.encode()).expect("a request");
    }

    /// Completes the handshake and waits until the agent is sure to know.
    pub(crate) fn complete(&mut self) {
        self.complete_now();
        self.pass(Duration::from_millis(50));
    }

    pub(crate) fn complete_now(&mut self) {
        let complete = HandshakeComplete::default();
        self.stream(PayloadType::HandshakeComplete, complete.encode()).expect("a completion");
    }

    /// Takes and acknowledges everything the channel says and forgets its events.
    pub(crate) fn settle(&mut self) {
        for message in self.sent() {
            if message.message_type == MessageType::InputStreamData {
                self.acknowledge(message.sequence);
            }
        }
        self.events();
    }

    /// The next stream data of the agent.
    pub(crate) fn stream(
        &mut self,
        payload_type: PayloadType,
        payload: impl Into<Bytes>,
    ) -> Result<(), PeerError> {
        let sequence = self.next_output;
        self.next_output += 1;
        self.stream_at(sequence, payload_type, payload)
    }

    /// Stream data of the agent with a number of the test's choice.
    pub(crate) fn stream_at(
        &mut self,
        sequence: i64,
        payload_type: PayloadType,
        payload: impl Into<Bytes>,
    ) -> Result<(), PeerError> {
        let message = self.message(MessageType::OutputStreamData, sequence, payload_type, payload);
        self.receive(message.encode())
    }

    pub(crate) fn output(&mut self, bytes: &'static [u8]) {
        self.stream(PayloadType::Output, bytes).expect("output");
    }

    pub(crate) fn acknowledge(&mut self, sequence: i64) {
        let body = AcknowledgeBody::of(&MessageType::InputStreamData, Uuid::nil(), sequence);
        self.gateway(MessageType::Acknowledge, body.encode()).expect("an acknowledgement");
    }

    /// A message that is not stream data.
    pub(crate) fn gateway(
        &mut self,
        message_type: MessageType,
        payload: impl Into<Bytes>,
    ) -> Result<(), PeerError> {
        let message = self.message(message_type, 0, PayloadType::Undefined, payload);
        self.receive(message.encode())
    }

    pub(crate) fn message(
        &mut self,
        message_type: MessageType,
        sequence: i64,
        payload_type: PayloadType,
        payload: impl Into<Bytes>,
    ) -> Message {
        self.ids += 1;
        Message {
            message_type,
            created_ms: START_MS,
            sequence,
            flags: Flags::NONE,
            id: Uuid::from_u128(self.ids),
            payload_type,
            payload: payload.into(),
        }
    }

    pub(crate) fn receive(&mut self, frame: Bytes) -> Result<(), PeerError> {
        self.channel.handle_received(frame, self.now)
    }

    /// Everything the channel has to send now.
    pub(crate) fn sent(&mut self) -> Vec<Message> {
        self.sent_frames()
            .into_iter()
            .map(|frame| Message::decode(frame).expect("the channel sends messages"))
            .collect()
    }

    /// The same as bytes.
    pub(crate) fn sent_frames(&mut self) -> Vec<Bytes> {
        std::iter::from_fn(|| self.channel.poll_transmit(self.now)).collect()
    }

    /// The numbers and texts of the stream data the channel has to send now.
    pub(crate) fn sent_input(&mut self) -> Vec<(i64, String)> {
        self.sent()
            .into_iter()
            .filter(|message| message.message_type == MessageType::InputStreamData)
            .map(|message| {
                (message.sequence, String::from_utf8_lossy(&message.payload).into_owned())
            })
            .collect()
    }

    /// The numbers the channel acknowledges now.
    pub(crate) fn acknowledged(&mut self) -> Vec<i64> {
        self.sent()
            .into_iter()
            .filter(|message| message.message_type == MessageType::Acknowledge)
            .map(|message| {
                let body = AcknowledgeBody::parse(&message.payload).expect("an acknowledgement");
                body.acknowledged_message_sequence_number
            })
            .collect()
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.channel.poll_event()).collect()
    }

    pub(crate) fn type_in(&mut self, text: &'static str) {
        self.channel.send_input(text.as_bytes()).expect("there is room");
    }

    /// Moves the clock, stopping at every time the channel asked for.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.channel.poll_timeout()
            && at <= end
        {
            assert!(at >= self.now, "a time that has passed is not asked for");
            self.now = at;
            self.channel.handle_timeout(at);
        }
        self.now = end;
        self.channel.handle_timeout(end);
    }

    /// A new websocket in place of the old.
    pub(crate) fn reconnect(&mut self) {
        self.channel.handle_disconnected();
        self.channel.handle_connected(self.now);
    }
}

/// The sequence numbers of what was sent.
pub(crate) fn numbers(sent: Vec<(i64, String)>) -> Vec<i64> {
    sent.into_iter().map(|(sequence, _)| sequence).collect()
}
