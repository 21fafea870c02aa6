//! The client's side above the channel: what is typed and what local connections do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::mux::frame::StreamId;
use protocol::{
    AgentVersion, DataChannel, Event, PeerError, Port, PortConfig, PortEvent, PortKind,
    PortTransmit, SessionFlag, SessionKind,
};

use crate::dice::Dice;
use crate::plan::{Plan, StreamEnding, StreamMode, StreamPlan, Work};
use crate::plugin::{PROMPT, echo, source, stream_header};

/// Far longer than any run: half-closed streams wait for their answer.
const LINGER: Duration = Duration::from_secs(3600);

/// Pieces local programs write.
const WRITE: usize = 1500;

pub(crate) struct User {
    work: Work,
    dice: Dice,
    port: Option<Port>,
    is_ready: bool,
    pub(crate) is_closed: bool,
    /// Everything ever typed, and how much of it the channel has taken.
    typed: Vec<u8>,
    taken: usize,
    lines: Vec<usize>,
    next_line: Duration,
    echoed: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: Vec<u8>,
    exit_status: Option<i32>,
    locals: Vec<Local>,
    by_id: BTreeMap<StreamId, usize>,
    is_ending: bool,
    flag_acknowledged: bool,
}

/// A local connection.
struct Local {
    plan: StreamPlan,
    id: Option<StreamId>,
    data: Vec<u8>,
    expected: Vec<u8>,
    sent: usize,
    is_half_closed: bool,
    received: Vec<u8>,
    end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Finished,
    Refused,
    Abandoned,
}

impl User {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut dice = Dice::new(plan.seed ^ 0x05e4);
        let stream_plans = match &plan.work {
            Work::Mux { streams } => streams.clone(),
            Work::Single { connections } => connections.iter().map(|len| echoing(*len)).collect(),
            Work::Stdio { bytes } => vec![echoing(*bytes)],
            Work::Shell { .. } | Work::Command { .. } => Vec::new(),
        };
        let locals =
            (0..).zip(stream_plans).map(|(at, plan)| Local::new(plan, at, &mut dice)).collect();
        let lines = match &plan.work {
            Work::Shell { lines, .. } => lines.clone(),
            Work::Command { .. } | Work::Mux { .. } | Work::Single { .. } | Work::Stdio { .. } => {
                Vec::new()
            }
        };
        Self {
            work: plan.work.clone(),
            dice,
            port: None,
            is_ready: false,
            is_closed: false,
            typed: Vec::new(),
            taken: 0,
            lines,
            next_line: Duration::ZERO,
            echoed: PROMPT.to_vec(),
            output: Vec::new(),
            errors: Vec::new(),
            exit_status: None,
            locals,
            by_id: BTreeMap::new(),
            is_ending: false,
            flag_acknowledged: false,
        }
    }

    /// When it does something by itself next.
    pub(crate) fn wakes_at(&self, now: Duration) -> Option<Duration> {
        let line = (!self.lines.is_empty()).then_some(self.next_line);
        let open = self.locals.iter().map(|local| local.plan.at).filter(|_| self.is_ready);
        line.into_iter().chain(open).filter(|at| *at > now).min()
    }

    pub(crate) fn port_wakes_at(&self) -> Option<Instant> {
        Some(self.port.as_ref()?.poll_timeout()?.0)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some(port) = &mut self.port {
            port.handle_timeout(now);
        }
    }

    /// Takes an event of the channel. Key requests are not for it.
    pub(crate) fn handle(
        &mut self,
        event: Event,
        plan: &Plan,
        now: Instant,
    ) -> Result<(), PeerError> {
        match event {
            Event::Ready(ready) => {
                self.is_ready = true;
                if let SessionKind::Port(properties) = ready.kind {
                    let version = AgentVersion::from(plan.agent.version);
                    let mut config =
                        PortConfig::new(properties.kind, Some(&version), crate::CLIENT_VERSION);
                    config.linger = LINGER;
                    self.port = Some(Port::new(config, now));
                }
            }
            Event::Output(bytes) => match &mut self.port {
                Some(port) => port.handle_output(bytes, now)?,
                None => self.output.extend_from_slice(&bytes),
            },
            Event::StdErr(bytes) => self.errors.extend_from_slice(&bytes),
            Event::ExitCode(status) => self.exit_status = Some(status),
            Event::Flag(flag) => {
                if let Some(port) = &mut self.port {
                    port.handle_flag(flag);
                }
            }
            Event::FlagAcknowledged(flag) => {
                self.flag_acknowledged |= flag == SessionFlag::TerminateSession;
                if let Some(port) = &mut self.port {
                    port.handle_flag_acknowledged(flag);
                }
            }
            Event::Closed { .. } => self.is_closed = true,
            Event::DataKeyWanted { .. }
            | Event::Paused
            | Event::Unpaused
            | Event::Writable
            | Event::Overdue(_)
            | Event::PayloadProven { .. }
            | Event::PayloadRefused { .. } => {}
        }
        Ok(())
    }

    /// Types, opens, writes and closes whatever it is time for.
    pub(crate) fn act(&mut self, channel: &mut DataChannel, now: Duration, instant: Instant) {
        while !self.lines.is_empty() && self.next_line <= now {
            let len = self.lines.remove(0);
            let line = self.dice.bytes(len);
            // An interrupt would discard what was typed, on purpose.
            let line = line.into_iter().map(|byte| byte.max(4));
            self.typed.extend(line.clone());
            self.echoed.extend(line.map(echo));
            self.next_line = now + self.dice.millis(0, 1500);
        }
        while self.taken < self.typed.len() {
            let room = channel.input_capacity().min(self.typed.len() - self.taken);
            if room == 0 {
                break;
            }
            let part = Bytes::copy_from_slice(&self.typed[self.taken..self.taken + room]);
            channel.send_input(part).expect("there is room");
            self.taken += room;
        }
        if self.is_ready {
            self.act_locally(now, instant);
            self.pump(channel);
        }
    }

    fn act_locally(&mut self, now: Duration, instant: Instant) {
        let Some(port) = &mut self.port else { return };
        while let Some(event) = port.poll_event() {
            let (id, end) = match event {
                PortEvent::Data(id, bytes) => {
                    let local = &mut self.locals[self.by_id[&id]];
                    if local.end.is_none() {
                        local.received.extend_from_slice(&bytes);
                        port.consumed(id, bytes.len());
                    }
                    continue;
                }
                PortEvent::Finished(id) => (id, End::Finished),
                PortEvent::Refused(id) => (id, End::Refused),
                PortEvent::Overrun(id) => panic!("stream {id} was taken from at once"),
            };
            self.locals[self.by_id[&id]].end.get_or_insert(end);
        }
        let is_mux = matches!(self.work, Work::Mux { .. });
        for (index, local) in self.locals.iter_mut().enumerate() {
            if local.id.is_none() && local.plan.at <= now {
                let Ok(id) = port.open() else { break };
                local.id = Some(id);
                self.by_id.insert(id, index);
            }
            let Some(id) = local.id.filter(|_| local.end.is_none()) else { continue };
            local.act(id, port, is_mux, instant);
        }
    }

    fn pump(&mut self, channel: &mut DataChannel) {
        let Some(port) = &mut self.port else { return };
        loop {
            let max = channel.input_capacity().min(channel.payload_limit());
            match port.poll_transmit(max) {
                Some(PortTransmit::Input(input)) => {
                    channel.send_input(input).expect("the port keeps to the capacity");
                }
                Some(PortTransmit::Flag(flag)) => channel.send_flag(flag),
                None => return,
            }
        }
    }

    /// Ends the session from this side, where this side does.
    pub(crate) fn end(&mut self, channel: &mut DataChannel) {
        if !std::mem::replace(&mut self.is_ending, true) && self.port.is_some() {
            channel.send_flag(SessionFlag::TerminateSession);
        }
    }

    /// Whether the end was asked for and the agent has acted on it.
    pub(crate) fn has_ended(&self) -> bool {
        self.is_ending && (self.port.is_none() || self.flag_acknowledged)
    }

    /// Whether everything has arrived that will; wrong bytes are an error at once.
    pub(crate) fn is_satisfied(&self, received: &[Vec<u8>]) -> Result<bool, String> {
        match &self.work {
            Work::Shell { .. } => {
                let expected = &self.echoed;
                prefix("terminal output", expected, &self.output)?;
                prefix("terminal input", &self.typed, &received[0])?;
                Ok(self.lines.is_empty()
                    && self.output.len() == expected.len()
                    && received[0].len() == self.typed.len())
            }
            Work::Command { chunks } => self.is_command_done(chunks),
            Work::Mux { .. } | Work::Stdio { .. } => self.are_streams_done(),
            Work::Single { .. } => {
                for (local, received) in self.locals.iter().zip(received) {
                    prefix("connection input", &local.data, received)?;
                }
                self.are_streams_done()
            }
        }
    }

    fn is_command_done(&self, chunks: &[(bool, usize)]) -> Result<bool, String> {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        for (place, (is_error, len)) in chunks.iter().enumerate() {
            let bytes = (0..*len).map(|at| source(place as u32, at));
            if *is_error { errors.extend(bytes) } else { output.extend(bytes) }
        }
        prefix("standard output", &output, &self.output)?;
        prefix("standard error", &errors, &self.errors)?;
        if self.exit_status.is_some_and(|status| status != 3) {
            return Err("a wrong exit status".to_owned());
        }
        let is_whole = output.len() == self.output.len() && errors.len() == self.errors.len();
        if self.exit_status.is_some() && !is_whole {
            return Err("the exit status came before the output".to_owned());
        }
        Ok(self.exit_status.is_some())
    }

    fn are_streams_done(&self) -> Result<bool, String> {
        let mut are_done = true;
        for (index, local) in self.locals.iter().enumerate() {
            let is_done =
                local.is_done().map_err(|error| format!("connection {index}: {error}"))?;
            are_done &= is_done;
        }
        Ok(are_done)
    }

    pub(crate) fn describe(&self, kind: Option<PortKind>) -> String {
        let locals: Vec<_> = self
            .locals
            .iter()
            .map(|local| (local.plan, local.sent, local.received.len(), local.end))
            .collect();
        format!(
            "typed {} taken {} output {} errors {} {kind:?} {locals:?}",
            self.typed.len(),
            self.taken,
            self.output.len(),
            self.errors.len()
        )
    }
}

fn echoing(bytes: usize) -> StreamPlan {
    let (mode, ending) = (StreamMode::Echo, StreamEnding::Far);
    StreamPlan { at: Duration::ZERO, mode, bytes, ending }
}

impl Local {
    fn new(plan: StreamPlan, place: u32, dice: &mut Dice) -> Self {
        let data = match plan.mode {
            StreamMode::Source => Vec::new(),
            StreamMode::Echo | StreamMode::Sink | StreamMode::Refused => dice.bytes(plan.bytes),
        };
        // Streams are opened in the order of their plans.
        let id = 2 * place + 3;
        let expected = match plan.mode {
            StreamMode::Echo => data.iter().copied().map(echo).collect(),
            StreamMode::Source => (0..plan.bytes).map(|place| source(id, place)).collect(),
            StreamMode::Sink => plan.bytes.to_be_bytes().to_vec(),
            StreamMode::Refused => Vec::new(),
        };
        Self {
            plan,
            id: None,
            data,
            expected,
            sent: 0,
            is_half_closed: false,
            received: Vec::new(),
            end: None,
        }
    }

    fn act(&mut self, id: StreamId, port: &mut Port, is_mux: bool, now: Instant) {
        let header = stream_header(self.plan.mode, self.plan.bytes);
        if self.sent == 0 && is_mux && port.capacity(id) >= header.len() {
            port.send(id, Bytes::copy_from_slice(&header)).expect("there is room");
            self.sent = header.len();
        }
        let offset = if is_mux { header.len() } else { 0 };
        while self.sent >= offset && self.sent - offset < self.data.len() {
            let place = self.sent - offset;
            let len = WRITE.min(port.capacity(id)).min(self.data.len() - place);
            if len == 0 {
                break;
            }
            let part = Bytes::copy_from_slice(&self.data[place..place + len]);
            port.send(id, part).expect("there is room");
            self.sent += len;
        }
        let has_sent_all = self.sent == offset + self.data.len();
        if is_mux {
            match self.plan.ending {
                StreamEnding::HalfClosed if has_sent_all && !self.is_half_closed => {
                    self.is_half_closed = true;
                    port.finish(id, now);
                }
                StreamEnding::Abandoned if has_sent_all && !self.received.is_empty() => {
                    self.end = Some(End::Abandoned);
                    port.close(id);
                }
                StreamEnding::Far | StreamEnding::HalfClosed | StreamEnding::Abandoned => {}
            }
        } else if self.received.len() == self.data.len() {
            self.end = Some(End::Finished);
            port.close(id);
        }
    }

    fn is_done(&self) -> Result<bool, String> {
        let expected = &self.expected;
        prefix("answer", expected, &self.received)?;
        match (self.end, self.plan.mode) {
            (None, _) => Ok(false),
            (Some(End::Refused), StreamMode::Refused) | (Some(End::Abandoned), _) => Ok(true),
            (Some(End::Finished), StreamMode::Refused) => {
                Err("a refused destination looks like a clean end".to_owned())
            }
            (Some(End::Finished), _) if self.received.len() == expected.len() => Ok(true),
            (Some(end), _) => {
                Err(format!("{end:?} after {} of {} bytes", self.received.len(), expected.len()))
            }
        }
    }
}

fn prefix(what: &str, expected: &[u8], actual: &[u8]) -> Result<(), String> {
    if expected.starts_with(actual) {
        return Ok(());
    }
    let place = expected.iter().zip(actual).take_while(|(a, b)| a == b).count();
    let (expected, actual) = (expected.len(), actual.len());
    Err(format!("{what} is wrong at byte {place} of {expected} ({actual} arrived)"))
}
