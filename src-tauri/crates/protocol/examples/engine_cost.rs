//! Prints what the client's end of a data channel costs, without websocket and network.

use std::io::Write as _;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use protocol::mux::frame::{Command, Frame};
use protocol::{
    AcknowledgeBody, ChannelConfig, DataChannel, Event, Flags, HandshakeComplete, HandshakeRequest,
    Message, MessageType, PayloadType, Port, PortConfig, PortEvent, PortKind, PortTransmit,
    RequestedAction,
};
use serde_json::json;
use uuid::Uuid;

const MIB: usize = 1024 * 1024;
const TOTAL: usize = 64 * MIB;
const PAYLOAD: usize = 1024;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout();
    for payload in [PAYLOAD, 16 * PAYLOAD] {
        let cost = upload(payload);
        writeln!(out, "engine_cost_up_{payload}_byte_payloads {cost:.2} ms/MiB")?;
    }
    writeln!(out, "engine_cost_down_{PAYLOAD}_byte_payloads {:.2} ms/MiB", download())
}

fn message(message_type: MessageType, sequence: i64, kind: PayloadType, payload: Bytes) -> Bytes {
    let id = Uuid::from_u128(u128::from(sequence.unsigned_abs()) + 1);
    let created_ms = 1_700_000_000_000;
    let flags = Flags::NONE;
    Message { message_type, created_ms, sequence, flags, id, payload_type: kind, payload }.encode()
}

fn acknowledgement(sequence: i64) -> Bytes {
    let body = AcknowledgeBody::of(&MessageType::InputStreamData, Uuid::nil(), sequence);
    message(MessageType::Acknowledge, 0, PayloadType::Undefined, body.encode())
}

/// A muxed port session that is ready; its next messages are number 1 up and 2 down.
fn session(now: Instant) -> (DataChannel, Port) {
    let mut config = ChannelConfig::new("1.2.764.0", Uuid::nil(), [3; 32], (now, 1));
    config.rate.frames_per_second = None;
    let mut channel = DataChannel::new(config);
    channel.handle_connected(now);
    let request = HandshakeRequest {
        agent_version: "3.3.1142.0".into(),
        actions: vec![RequestedAction::SessionType {
            session_type: "Port".into(),
            properties: json!({"type": "LocalPortForwarding", "portNumber": "80"}),
        }],
    };
    let steps = [
        (PayloadType::HandshakeRequest, request.encode()),
        (PayloadType::HandshakeComplete, HandshakeComplete::default().encode()),
    ];
    for (sequence, (kind, payload)) in (0..).zip(steps) {
        let frame = message(MessageType::OutputStreamData, sequence, kind, payload);
        channel.handle_received(frame, now).expect("a handshake");
        while channel.poll_transmit(now).is_some() {}
    }
    channel.handle_received(acknowledgement(0), now).expect("an acknowledgement");
    while channel.poll_event().is_some() {}
    let config = PortConfig::new(PortKind::Mux, Some(&"3.3.1142.0".into()), "1.2.764.0");
    (channel, Port::new(config, now))
}

fn upload(payload: usize) -> f64 {
    let now = Instant::now();
    let (mut channel, mut port) = session(now);
    channel.set_payload_limit(payload);
    let frames = 2 * TOTAL / payload + 1000;
    let acknowledgements: Vec<Bytes> =
        (1..=i64::try_from(frames).expect("few frames")).map(acknowledgement).collect();
    let mut next = acknowledgements.into_iter();
    let id = port.open().expect("a stream");
    let chunk = Bytes::from(vec![7; 64 * 1024]);
    let watch = Stopwatch::start();
    let mut sent = 0;
    while sent < TOTAL {
        let now = Instant::now();
        while port.capacity(id) >= chunk.len() {
            port.send(id, chunk.clone()).expect("there is room");
        }
        let mut in_flight = 0;
        loop {
            let max = channel.input_capacity().min(channel.payload_limit());
            match port.poll_transmit(max) {
                Some(PortTransmit::Input(input)) => channel.send_input(input).expect("room"),
                Some(PortTransmit::Flag(_)) | None => {}
            }
            let Some(frame) = channel.poll_transmit(now) else { break };
            sent += frame.len();
            in_flight += 1;
        }
        for frame in next.by_ref().take(in_flight) {
            channel.handle_received(frame, now).expect("an acknowledgement");
        }
        while channel.poll_event().is_some() {}
    }
    watch.ms_per_mib(sent)
}

fn download() -> f64 {
    let now = Instant::now();
    let (mut channel, mut port) = session(now);
    let id = port.open().expect("a stream");
    while port.poll_transmit(PAYLOAD).is_some() {}
    let mut stream = BytesMut::new();
    while stream.len() < TOTAL {
        let payload = Bytes::from(vec![7; 32 * 1024]);
        Frame { command: Command::Psh, stream: id, payload }.encode(&mut stream);
    }
    let frames: Vec<Bytes> = (2..)
        .zip(stream.chunks(PAYLOAD))
        .map(|(sequence, payload)| {
            let payload = Bytes::copy_from_slice(payload);
            message(MessageType::OutputStreamData, sequence, PayloadType::Output, payload)
        })
        .collect();
    let watch = Stopwatch::start();
    let mut received = 0;
    for frame in frames {
        let now = Instant::now();
        channel.handle_received(frame, now).expect("output");
        while let Some(event) = channel.poll_event() {
            if let Event::Output(bytes) = event {
                port.handle_output(bytes, now).expect("a mux");
            }
        }
        while let Some(event) = port.poll_event() {
            if let PortEvent::Data(id, bytes) = event {
                received += bytes.len();
                port.consumed(id, bytes.len());
            }
        }
        while channel.poll_transmit(now).is_some() {}
    }
    watch.ms_per_mib(received)
}

/// The time this thread has used; where the system does not say, the time of day.
struct Stopwatch {
    started: Instant,
    used: Option<Duration>,
}

impl Stopwatch {
    fn start() -> Self {
        Self { started: Instant::now(), used: cpu_time() }
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn ms_per_mib(&self, bytes: usize) -> f64 {
        let used = self.used.zip(cpu_time()).map(|(before, after)| after - before);
        let elapsed = used.unwrap_or_else(|| self.started.elapsed());
        elapsed.as_secs_f64() * 1000.0 / (bytes as f64 / MIB as f64)
    }
}

fn cpu_time() -> Option<Duration> {
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    said.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
