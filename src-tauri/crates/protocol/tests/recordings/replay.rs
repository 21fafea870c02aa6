//! Our client in the place of the official one.
//!
//! The far end's frames are fed in their order. What the official client's user did is taken
//! from what it sent, at the moment it sent it; then ours must have sent the same.
//!
//! Held to: every frame's message type, flags, payload type and number; every acknowledgement,
//! in order and never later than the official client's; handshake answer, size and flags byte for
//! byte; terminal input byte for byte and message for message; the opening text key for key; and
//! nothing sent beyond that. Not held to, and why:
//!
//! * messages either side sent again: that is timing. Numbers are compared, each once.
//! * where messages cut the mux byte stream: the official client cuts 32 KiB frames into
//!   messages, ours makes a frame a message. The mux frames are compared, with adjacent data of
//!   one stream as one, and the numbers of the messages around them are not.
//! * whether a FIN that answers a FIN comes a moment before the official client's.
//! * what the official client sends while the far end is paused, ours sends when it is back.
//! * frames the official client sent after `channel_closed`.
//! * the order of acknowledgements in `disorder-shell`, where the official client received in an
//!   order that is not recorded.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Debug;
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::mux::frame::{Command, Frame, FrameDecoder, StreamId};
use protocol::{
    AcknowledgeBody, ChannelConfig, DataChannel, Event, Flags, HandshakeResponse, Message,
    MessageType, PayloadType, Port, PortConfig, PortEvent, PortKind, PortTransmit, SessionFlag,
    SessionKind, SizeBody,
};
use uuid::Uuid;

use crate::recording::{Captured, Recording};

/// The official client may send at once when the session is ready; ours waits for the agent to be
/// so, too, or its command.
const HELD: Duration = Duration::from_secs(1);

/// Follows a recording with our client; the error says where it left the path.
pub(crate) fn follow(recording: &Recording) -> Result<(), String> {
    let mut replay = Replay::new(recording);
    for (at, captured) in &recording.events {
        if replay.is_ready && matches!(captured, Captured::FromClient(_)) {
            replay.late = HELD;
        }
        replay.now = replay.start + *at + replay.late;
        replay.channel.handle_timeout(replay.now);
        match captured {
            Captured::Opening(opening, text) => replay.open(opening, text)?,
            Captured::ToClient(frame) => replay.receive(frame.clone())?,
            Captured::FromClient(message) => replay.compare(message)?,
        }
    }
    replay.finish()
}

struct Replay {
    start: Instant,
    now: Instant,
    is_ready: bool,
    /// What is later for ours than it was for the official client.
    late: Duration,
    channel: DataChannel,
    port: Option<OurPort>,
    is_disordered: bool,
    /// What ours sent and the official client has not yet.
    acknowledged: VecDeque<i64>,
    input: VecDeque<Message>,
    /// Numbers already seen, to leave out what is sent again.
    ours_seen: BTreeSet<i64>,
    theirs_seen: BTreeSet<i64>,
    is_paused: bool,
    /// What the official client sent into a pause.
    sent_into_pause: VecDeque<Message>,
    is_closed: bool,
}

struct OurPort {
    port: Port,
    kind: PortKind,
    current: Option<StreamId>,
    theirs: MuxLog,
    ours: MuxLog,
    finished: BTreeSet<StreamId>,
}

/// One direction of a mux, with adjacent data of one stream joined by being taken apart.
#[derive(Default)]
struct MuxLog {
    decoder: FrameDecoder,
    seen: Vec<(Command, StreamId, Option<u8>)>,
}

impl MuxLog {
    fn push(&mut self, bytes: Bytes) -> Result<Vec<Frame>, String> {
        self.decoder.push(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = self.decoder.next().map_err(|error| error.to_string())? {
            if frame.command != Command::Psh {
                self.seen.push((frame.command, frame.stream, None));
            }
            let data = frame.payload.iter().map(|byte| (Command::Psh, frame.stream, Some(*byte)));
            self.seen.extend(data);
            frames.push(frame);
        }
        Ok(frames)
    }
}

impl Replay {
    fn new(recording: &Recording) -> Self {
        let start = Instant::now();
        // What the official client called itself is only in its opening and its answer.
        let client_version = recording
            .events
            .iter()
            .find_map(|(_, captured)| match captured {
                Captured::FromClient(message)
                    if message.payload_type == PayloadType::HandshakeResponse =>
                {
                    Some(HandshakeResponse::parse(&message.payload).ok()?.client_version)
                }
                Captured::Opening(opening, _) => opening.client_version.clone(),
                Captured::FromClient(_) | Captured::ToClient(_) => None,
            })
            .unwrap_or_else(|| "1.2.677.0".to_owned());
        let epoch = (start, 1_700_000_000_000);
        let mut config = ChannelConfig::new(&client_version, Uuid::nil(), [1; 32], epoch);
        config.rate.frames_per_second = None;
        Self {
            start,
            now: start,
            is_ready: false,
            late: Duration::ZERO,
            channel: DataChannel::new(config),
            port: None,
            is_disordered: recording.name == "disorder-shell",
            acknowledged: VecDeque::new(),
            input: VecDeque::new(),
            ours_seen: BTreeSet::new(),
            theirs_seen: BTreeSet::new(),
            is_paused: false,
            sent_into_pause: VecDeque::new(),
            is_closed: false,
        }
    }

    fn open(&mut self, theirs: &protocol::OpenDataChannel, text: &str) -> Result<(), String> {
        let ours = self.channel.opening(&theirs.token_value);
        let keys = |text: &str| -> Vec<String> {
            text.split('"').skip(1).step_by(4).map(str::to_owned).collect()
        };
        // Clients before 1.2.677.0 left their version out of the opening.
        let mut expected = keys(text);
        if theirs.client_version.is_none() {
            expected.push("ClientVersion".to_owned());
        }
        same("keys of the opening", &expected, &keys(&ours))?;
        self.channel.handle_connected(self.now);
        self.collect()
    }

    fn receive(&mut self, frame: Bytes) -> Result<(), String> {
        self.channel.handle_received(frame, self.now).map_err(|error| error.to_string())?;
        while let Some(event) = self.channel.poll_event() {
            self.handle(event)?;
        }
        self.collect()?;
        while !self.is_paused
            && let Some(theirs) = self.sent_into_pause.pop_front()
        {
            self.compare_input(&theirs)?;
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Ready(ready) => {
                self.is_ready = true;
                if let SessionKind::Port(properties) = ready.kind {
                    let version = ready.agent_version.as_ref();
                    let mut config = PortConfig::new(properties.kind, version, "1.2.677.0");
                    config.linger = Duration::ZERO;
                    self.port = Some(OurPort {
                        port: Port::new(config, self.now),
                        kind: properties.kind,
                        current: None,
                        theirs: MuxLog::default(),
                        ours: MuxLog::default(),
                        finished: BTreeSet::new(),
                    });
                }
            }
            Event::Closed { .. } => self.is_closed = true,
            Event::Paused => self.is_paused = true,
            Event::Unpaused => self.is_paused = false,
            Event::Output(bytes) => {
                if let Some(port) = &mut self.port {
                    port.port.handle_output(bytes, self.now).map_err(|error| error.to_string())?;
                    port.take_events();
                }
            }
            Event::Flag(flag) => {
                if let Some(port) = &mut self.port {
                    port.port.handle_flag(flag);
                }
            }
            Event::FlagAcknowledged(flag) => {
                if let Some(port) = &mut self.port {
                    port.port.handle_flag_acknowledged(flag);
                }
            }
            Event::DataKeyWanted { .. }
            | Event::StdErr(_)
            | Event::ExitCode(_)
            | Event::Writable
            | Event::Overdue(_)
            | Event::PayloadProven { .. }
            | Event::PayloadRefused { .. } => {}
        }
        Ok(())
    }

    /// Takes everything ours has to send.
    fn collect(&mut self) -> Result<(), String> {
        loop {
            if let Some(port) = &mut self.port {
                loop {
                    let max = self.channel.input_capacity().min(self.channel.payload_limit());
                    match port.port.poll_transmit(max) {
                        Some(PortTransmit::Input(input)) => {
                            self.channel.send_input(input).map_err(|error| error.to_string())?;
                        }
                        Some(PortTransmit::Flag(flag)) => self.channel.send_flag(flag),
                        None => break,
                    }
                }
                port.take_events();
            }
            let Some(frame) = self.channel.poll_transmit(self.now) else { return Ok(()) };
            let message = Message::decode(frame).map_err(|error| error.to_string())?;
            if message.message_type == MessageType::Acknowledge {
                same("flags of an acknowledgement", &Flags::SYN_FIN, &message.flags)?;
                same("number of an acknowledgement", &0, &message.sequence)?;
                self.acknowledged.push_back(acknowledged_number(&message)?);
            } else if self.ours_seen.insert(message.sequence) {
                match &mut self.port {
                    Some(port) if port.is_mux_data(&message) => {
                        port.ours.push(message.payload)?;
                    }
                    Some(_) | None => self.input.push_back(message),
                }
            }
        }
    }

    /// The official client sent this: ours must have, or must now.
    fn compare(&mut self, theirs: &Message) -> Result<(), String> {
        if self.is_closed {
            return Ok(());
        }
        if theirs.message_type == MessageType::Acknowledge {
            return self.compare_acknowledgement(acknowledged_number(theirs)?);
        }
        if !self.theirs_seen.insert(theirs.sequence) {
            return Ok(());
        }
        if let Some(port) = &mut self.port
            && port.is_mux_data(theirs)
        {
            port.act(theirs.payload.clone(), self.now)?;
            self.collect()?;
            return self.compare_mux(false);
        }
        self.act(theirs)?;
        self.collect()?;
        if self.is_paused {
            self.sent_into_pause.push_back(theirs.clone());
            return Ok(());
        }
        self.compare_input(theirs)
    }

    fn compare_input(&mut self, theirs: &Message) -> Result<(), String> {
        let ours = self.input.pop_front().ok_or_else(|| format!("ours did not send {theirs:?}"))?;
        same("message type", &theirs.message_type, &ours.message_type)?;
        same("flags", &theirs.flags, &ours.flags)?;
        same("payload type", &theirs.payload_type, &ours.payload_type)?;
        if !self.port.as_ref().is_some_and(|port| port.kind == PortKind::Mux) {
            same("number", &theirs.sequence, &ours.sequence)?;
        }
        same("payload", &theirs.payload, &ours.payload)
    }

    /// What the official client's user must have done to have this sent.
    fn act(&mut self, theirs: &Message) -> Result<(), String> {
        match (theirs.payload_type, &mut self.port) {
            (PayloadType::Size, _) => {
                let size = SizeBody::parse(&theirs.payload).map_err(|error| error.to_string())?;
                self.channel.send_size(size.cols, size.rows);
            }
            (PayloadType::Output, None) => {
                let typed = theirs.payload.clone();
                self.channel.send_input(typed).map_err(|error| error.to_string())?;
            }
            (PayloadType::Output, Some(port)) => port.send(theirs.payload.clone())?,
            (PayloadType::Flag, port) => match (SessionFlag::decode(&theirs.payload), port) {
                (Some(SessionFlag::DisconnectToPort), Some(port)) => port.disconnect(self.now),
                (Some(flag), _) => self.channel.send_flag(flag),
                (None, _) => return Err("the official client sent an unknown flag".to_owned()),
            },
            // Answers come by themselves.
            _ => {}
        }
        Ok(())
    }

    fn compare_acknowledgement(&mut self, theirs: i64) -> Result<(), String> {
        if self.is_disordered {
            let place = self.acknowledged.iter().position(|ours| *ours == theirs);
            place.and_then(|place| self.acknowledged.remove(place));
            return Ok(());
        }
        match self.acknowledged.pop_front() {
            Some(ours) => same("acknowledged number", &theirs, &ours),
            None => Err(format!("ours did not acknowledge {theirs} in time")),
        }
    }

    /// What they said must be what ours said, so far or in all.
    fn compare_mux(&self, is_end: bool) -> Result<(), String> {
        let Some(port) = &self.port else { return Ok(()) };
        let (theirs, ours) = (&port.theirs.seen, &port.ours.seen);
        let is_followed = if is_end { theirs == ours } else { ours.starts_with(theirs) };
        if is_followed {
            return Ok(());
        }
        let place = theirs.iter().zip(ours).take_while(|(a, b)| a == b).count();
        Err(format!(
            "the mux differs at {place} of {} (ours {}): {:?} {:?}",
            theirs.len(),
            ours.len(),
            theirs.get(place),
            ours.get(place)
        ))
    }

    fn finish(self) -> Result<(), String> {
        self.compare_mux(true)?;
        if let Some(theirs) = self.sent_into_pause.front() {
            return Err(format!("ours never sent {theirs:?}"));
        }
        if let Some(extra) = self.input.front() {
            return Err(format!("ours sent {extra:?} on its own"));
        }
        if !self.acknowledged.is_empty() {
            return Err(format!("ours acknowledged {:?} on its own", self.acknowledged));
        }
        Ok(())
    }
}

impl OurPort {
    fn is_mux_data(&self, message: &Message) -> bool {
        self.kind == PortKind::Mux && message.payload_type == PayloadType::Output
    }

    /// Does with our port what the official client's local connections did.
    fn act(&mut self, theirs: Bytes, now: Instant) -> Result<(), String> {
        for frame in self.theirs.push(theirs)? {
            match frame.command {
                Command::Syn => {
                    let id = self.port.open().map_err(|error| error.to_string())?;
                    same("stream id", &frame.stream, &id)?;
                }
                Command::Psh => {
                    self.port
                        .send(frame.stream, frame.payload)
                        .map_err(|error| error.to_string())?;
                }
                Command::Fin if self.finished.contains(&frame.stream) => {}
                Command::Fin => self.port.finish(frame.stream, now),
                Command::Nop => return Err("the official client sent a keep-alive".to_owned()),
            }
        }
        Ok(())
    }

    fn send(&mut self, bytes: Bytes) -> Result<(), String> {
        let id = match self.current {
            Some(id) => id,
            None => self.port.open().map_err(|error| error.to_string())?,
        };
        self.current = Some(id);
        self.port.send(id, bytes).map_err(|error| error.to_string())
    }

    fn disconnect(&mut self, now: Instant) {
        if let Some(id) = self.current.take() {
            self.port.finish(id, now);
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.port.poll_event() {
            match event {
                PortEvent::Data(id, bytes) => self.port.consumed(id, bytes.len()),
                PortEvent::Finished(id) | PortEvent::Refused(id) | PortEvent::Overrun(id) => {
                    self.finished.insert(id);
                }
            }
        }
    }
}

fn acknowledged_number(message: &Message) -> Result<i64, String> {
    let body = AcknowledgeBody::parse(&message.payload).map_err(|error| error.to_string())?;
    Ok(body.acknowledged_message_sequence_number)
}

fn same<T: PartialEq + Debug>(what: &str, theirs: &T, ours: &T) -> Result<(), String> {
    if theirs == ours {
        Ok(())
    } else {
        Err(format!("{what}: the official client's {theirs:?}, ours {ours:?}"))
    }
}
