//! What runs behind the agent: an echoing shell, a command, a mux server, an echoing connection.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use protocol::mux::frame::{Command, Frame, FrameDecoder, StreamId};
use protocol::{PayloadType, SessionFlag, encode_exit_code};

use crate::plan::{Plan, StreamMode, Work};

/// Bytes the agent reads at a time.
const READ: usize = 1024;

/// The agent reads a terminal only a second after its start.
const TERMINAL_DELAY: Duration = Duration::from_secs(1);

/// A mux that hears nothing for this long is closed, by agents that do so.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(30);

/// The prompt of the shell.
pub(crate) const PROMPT: &[u8] = b"$ ";

/// What the far side makes of a byte it gets.
pub(crate) fn echo(byte: u8) -> u8 {
    byte ^ 0x5a
}

/// What a source sends at a place.
pub(crate) fn source(stream: u32, place: usize) -> u8 {
    (place.wrapping_mul(31) ^ stream as usize).to_le_bytes()[0]
}

pub(crate) struct Plugin {
    kind: Kind,
    /// Bytes to be read by the agent, in order.
    output: VecDeque<(PayloadType, BytesMut)>,
    readable_at: Duration,
    pub(crate) is_terminated: bool,
    /// Everything that came in, by connection.
    pub(crate) received: Vec<Vec<u8>>,
}

enum Kind {
    Terminal,
    Command {
        chunks: Vec<(bool, usize)>,
    },
    Mux(MuxServer),
    /// Whether a connection is open.
    Connection {
        is_open: bool,
    },
}

struct MuxServer {
    decoder: FrameDecoder,
    streams: BTreeMap<StreamId, Option<FarStream>>,
    refused: Vec<bool>,
    opened: usize,
    keeps_alive: bool,
    heard_at: Duration,
}

#[derive(Default)]
struct FarStream {
    header: Vec<u8>,
    taken: usize,
}

impl Plugin {
    pub(crate) fn new(plan: &Plan) -> Self {
        let kind = match &plan.work {
            Work::Shell { .. } => Kind::Terminal,
            Work::Command { chunks } => Kind::Command { chunks: chunks.clone() },
            Work::Mux { streams } => Kind::Mux(MuxServer {
                decoder: FrameDecoder::new(),
                streams: BTreeMap::new(),
                refused: streams.iter().map(|s| s.mode == StreamMode::Refused).collect(),
                opened: 0,
                keeps_alive: plan.agent.keeps_alive(),
                heard_at: Duration::ZERO,
            }),
            Work::Single { .. } | Work::Stdio { .. } => Kind::Connection { is_open: true },
        };
        Self {
            kind,
            output: VecDeque::new(),
            readable_at: Duration::ZERO,
            is_terminated: false,
            received: vec![Vec::new()],
        }
    }

    pub(crate) fn ready(&mut self, now: Duration) {
        self.readable_at = now;
        match &mut self.kind {
            Kind::Terminal => {
                self.readable_at = now + TERMINAL_DELAY;
                self.say(PROMPT);
            }
            Kind::Command { chunks } => {
                for (place, (is_error, len)) in std::mem::take(chunks).into_iter().enumerate() {
                    let bytes: Vec<u8> = (0..len).map(|at| source(place as u32, at)).collect();
                    let kind = if is_error { PayloadType::StdErr } else { PayloadType::Output };
                    self.output.push_back((kind, bytes[..].into()));
                }
                self.output.push_back((PayloadType::ExitCode, encode_exit_code(3)[..].into()));
            }
            Kind::Mux(mux) => mux.heard_at = now,
            Kind::Connection { .. } => {}
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        match self.output.back_mut() {
            Some((PayloadType::Output, last)) => last.extend_from_slice(bytes),
            _ => self.output.push_back((PayloadType::Output, bytes.into())),
        }
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// When there is something to read.
    pub(crate) fn reads_at(&self) -> Option<Duration> {
        self.has_output().then_some(self.readable_at)
    }

    /// One read of the agent.
    pub(crate) fn read(&mut self, now: Duration) -> Option<(PayloadType, Bytes)> {
        if now < self.readable_at {
            return None;
        }
        let (payload_type, bytes) = self.output.front_mut()?;
        let part = bytes.split_to(READ.min(bytes.len())).freeze();
        let payload_type = *payload_type;
        if bytes.is_empty() {
            self.output.pop_front();
        }
        Some((payload_type, part))
    }

    /// Input whose turn it is.
    pub(crate) fn input(&mut self, bytes: &Bytes, now: Duration) -> Result<(), String> {
        match &mut self.kind {
            Kind::Command { .. } => {}
            Kind::Terminal => {
                self.received[0].extend_from_slice(bytes);
                let echoed: Vec<u8> = bytes.iter().copied().map(echo).collect();
                self.say(&echoed);
            }
            Kind::Connection { is_open } => {
                if !std::mem::replace(is_open, true) {
                    self.received.push(Vec::new());
                }
                self.received.last_mut().expect("a connection").extend_from_slice(bytes);
                let echoed: Vec<u8> = bytes.iter().copied().map(echo).collect();
                self.say(&echoed);
            }
            Kind::Mux(mux) => {
                let mut answers = BytesMut::new();
                let mut refusals = Vec::new();
                mux.input(bytes, now, &mut answers, &mut refusals)?;
                for refused in refusals {
                    // The flag goes past the mux, and so comes first.
                    let flag = SessionFlag::ConnectToPortError.encode()[..].into();
                    self.output.push_front((PayloadType::Flag, flag));
                    Frame::bare(Command::Fin, refused).encode(&mut answers);
                }
                if !answers.is_empty() {
                    self.say(&answers);
                }
            }
        }
        Ok(())
    }

    /// The connection is closed; what it had still to say is gone.
    pub(crate) fn disconnect(&mut self) {
        if let Kind::Connection { is_open } = &mut self.kind {
            *is_open = false;
            self.output.clear();
        }
    }

    pub(crate) fn terminate(&mut self) {
        self.is_terminated = true;
        self.output.clear();
    }

    /// An agent that expects keep-alive would have closed the mux by now.
    pub(crate) fn is_silent_too_long(&self, now: Duration) -> bool {
        match &self.kind {
            Kind::Mux(mux) => mux.keeps_alive && now > mux.heard_at + KEEP_ALIVE_TIMEOUT * 2,
            Kind::Terminal | Kind::Command { .. } | Kind::Connection { .. } => false,
        }
    }
}

/// Mode and length, in front of everything a stream sends.
pub(crate) fn stream_header(mode: StreamMode, bytes: usize) -> [u8; 5] {
    let [a, b, c, d] = u32::try_from(bytes).expect("streams are short").to_be_bytes();
    let mode = match mode {
        StreamMode::Echo | StreamMode::Refused => 0,
        StreamMode::Source => 1,
        StreamMode::Sink => 2,
    };
    [mode, a, b, c, d]
}

impl MuxServer {
    fn input(
        &mut self,
        bytes: &Bytes,
        now: Duration,
        answers: &mut BytesMut,
        refusals: &mut Vec<StreamId>,
    ) -> Result<(), String> {
        self.heard_at = now;
        self.decoder.push(bytes.clone());
        while let Some(frame) = self.decoder.next().map_err(|error| error.to_string())? {
            let id = frame.stream;
            match frame.command {
                Command::Nop => {}
                Command::Syn => {
                    let expected = StreamId(u32::try_from(self.opened).expect("few") * 2 + 3);
                    if id != expected || self.streams.contains_key(&id) {
                        return Err(format!("stream {id} opened out of turn"));
                    }
                    let is_refused = self.refused.get(self.opened).copied().unwrap_or(false);
                    self.opened += 1;
                    if is_refused {
                        refusals.push(id);
                        self.streams.insert(id, None);
                    } else {
                        self.streams.insert(id, Some(FarStream::default()));
                    }
                }
                Command::Fin => {
                    if !self.streams.contains_key(&id) {
                        return Err(format!("FIN of unknown stream {id}"));
                    }
                    self.streams.insert(id, None);
                }
                Command::Psh => match self.streams.get_mut(&id) {
                    None => return Err(format!("data of unknown stream {id}")),
                    Some(None) => {}
                    Some(slot @ Some(_)) => {
                        let is_over = slot
                            .as_mut()
                            .is_some_and(|stream| stream.take(id, &frame.payload, answers));
                        if is_over {
                            *slot = None;
                        }
                    }
                },
            }
        }
        Ok(())
    }
}

impl FarStream {
    /// Takes data and answers; true once the far side is done and has said FIN.
    fn take(&mut self, id: StreamId, mut bytes: &[u8], answers: &mut BytesMut) -> bool {
        let missing = 5 - self.header.len().min(5);
        let (header, rest) = bytes.split_at(missing.min(bytes.len()));
        self.header.extend_from_slice(header);
        bytes = rest;
        let &[mode, a, b, c, d] = &self.header[..] else { return false };
        let total = u32::from_be_bytes([a, b, c, d]) as usize;
        let answer: Vec<u8> = match mode {
            0 => bytes.iter().copied().map(echo).collect(),
            1 => (0..total).map(|place| source(id.0, place)).collect(),
            _ if self.taken + bytes.len() >= total => {
                (self.taken + bytes.len()).to_be_bytes().to_vec()
            }
            _ => Vec::new(),
        };
        self.taken += bytes.len();
        for part in answer.chunks(32_768) {
            let payload = Bytes::copy_from_slice(part);
            Frame { command: Command::Psh, stream: id, payload }.encode(answers);
        }
        let is_over = mode == 1 || self.taken >= total;
        if is_over {
            Frame::bare(Command::Fin, id).encode(answers);
        }
        is_over
    }
}
