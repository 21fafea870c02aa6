//! The far end: the official agent's side of a data channel, as it behaves, not as it should.
//!
//! It looks at its oldest unacknowledged message only, every 100 ms. It acknowledges and forgets
//! what comes during a handshake, rejects without acknowledgement what comes before its plugin
//! is ready, and stops reading its source while paused. What would make the real one fall over
//! is a violation, and fails the run.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use protocol::{
    AcknowledgeBody, ActionStatus, ChallengeBody, DataKey, Flags, HandshakeComplete,
    HandshakeRequest, HandshakeResponse, Message, MessageType, PayloadType, RequestedAction, Seal,
    SessionFlag, SizeBody,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::plan::{AgentPlan, Plan, Work};
use crate::plugin::Plugin;

const TICK: Duration = Duration::from_millis(100);
const PACE: Duration = Duration::from_micros(1100);
const CHALLENGE: &[u8] = &[5; 64];
pub(crate) const DATA_KEY: &[u8] = &[9; 64];

pub(crate) struct Agent {
    plan: AgentPlan,
    now: Duration,
    is_connected: bool,
    is_paused: bool,
    phase: Phase,
    expected: i64,
    early: BTreeMap<i64, (PayloadType, Bytes)>,
    next_sequence: i64,
    unacknowledged: VecDeque<Sent>,
    smoothed: Duration,
    variation: Duration,
    timeout: Duration,
    next_tick: Duration,
    next_read: Duration,
    seal: Option<Seal>,
    /// From here on it takes the handshake to be complete.
    settled_at: Duration,
    pub(crate) plugin: Plugin,
    /// Frames for the gateway.
    pub(crate) out: Vec<Bytes>,
    /// What an honest client never does.
    pub(crate) violations: Vec<String>,
}

enum Phase {
    /// It has not joined the session yet.
    Away,
    Handshake,
    /// The plugin is not there yet.
    Starting {
        ready_at: Duration,
    },
    Ready,
    /// The client refused; the session is given up.
    Failed,
}

struct Sent {
    sequence: i64,
    frame: Bytes,
    sent_at: Duration,
}

/// What becomes of a message whose turn it is.
enum Verdict {
    Done,
    NotReady,
}

impl Agent {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            plan: plan.agent.clone(),
            now: Duration::ZERO,
            is_connected: true,
            is_paused: false,
            phase: Phase::Away,
            expected: 0,
            early: BTreeMap::new(),
            next_sequence: 0,
            unacknowledged: VecDeque::new(),
            smoothed: Duration::from_millis(100),
            variation: Duration::ZERO,
            timeout: Duration::from_millis(200),
            next_tick: Duration::ZERO,
            next_read: Duration::ZERO,
            seal: None,
            settled_at: Duration::ZERO,
            plugin: Plugin::new(plan),
            out: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// The agent gets the session.
    pub(crate) fn join(&mut self, work: &Work) {
        let has_handshake = match work {
            Work::Shell { .. } => self.plan.encryption.is_some(),
            Work::Command { .. } | Work::Mux { .. } | Work::Single { .. } | Work::Stdio { .. } => {
                true
            }
        };
        if !has_handshake {
            self.start_plugin();
            return;
        }
        self.phase = Phase::Handshake;
        let (session_type, properties) = match work {
            Work::Shell { is_interactive_command: false, .. } => ("Standard_Stream", Value::Null),
            Work::Shell { .. } => ("InteractiveCommands", Value::Null),
            Work::Command { .. } => ("NonInteractiveCommands", Value::Null),
            Work::Mux { .. } | Work::Single { .. } => {
                ("Port", json!({"portNumber": "80", "type": "LocalPortForwarding"}))
            }
            Work::Stdio { .. } => ("Port", json!({"portNumber": "22"})),
        };
        let session_type =
            RequestedAction::SessionType { session_type: session_type.into(), properties };
        let challenge = self.plan.challenges().then(|| "c2l4dGVlbg==".to_owned());
        let encryption = self
            .plan
            .encryption
            .map(|_| RequestedAction::KmsEncryption { key_id: "key".into(), challenge });
        let request = HandshakeRequest {
            agent_version: self.plan.version.into(),
            actions: [session_type].into_iter().chain(encryption).collect(),
        };
        self.send(PayloadType::HandshakeRequest, request.encode());
    }

    fn start_plugin(&mut self) {
        self.phase = Phase::Starting { ready_at: self.now + self.plan.ready_after };
    }

    pub(crate) fn is_failed(&self) -> bool {
        matches!(self.phase, Phase::Failed)
    }

    /// Nothing waits for an acknowledgement and nothing to be sent.
    pub(crate) fn is_drained(&self) -> bool {
        self.unacknowledged.is_empty() && !self.plugin.has_output()
    }

    pub(crate) fn connected(&mut self, is_connected: bool) {
        self.is_connected = is_connected;
        self.is_paused = false;
    }

    /// Moves its clock: the resend scheduler, the plugin's start, the paced reading.
    pub(crate) fn advance(&mut self, now: Duration) {
        self.now = now;
        if let Phase::Starting { ready_at } = self.phase
            && ready_at <= now
        {
            self.phase = Phase::Ready;
            self.plugin.ready(now);
        }
        if self.next_tick <= now {
            self.next_tick = now + TICK;
            self.resend_oldest();
        }
        if matches!(self.phase, Phase::Ready) && self.next_read <= now && !self.is_paused {
            self.next_read = now + PACE;
            if let Some((payload_type, bytes)) = self.plugin.read(now) {
                let is_sealed = payload_type.is_sealed_when_encrypted();
                let payload = match &mut self.seal {
                    Some(seal) if is_sealed => seal.seal(&bytes),
                    Some(_) | None => bytes,
                };
                self.send(payload_type, payload);
            }
        }
    }

    /// When it wants [`Self::advance`] next.
    pub(crate) fn wakes_at(&self) -> Option<Duration> {
        let start = match self.phase {
            Phase::Starting { ready_at } => Some(ready_at),
            Phase::Away | Phase::Handshake | Phase::Ready | Phase::Failed => None,
        };
        let is_reading = matches!(self.phase, Phase::Ready) && !self.is_paused;
        let read = self.plugin.reads_at().filter(|_| is_reading).map(|at| at.max(self.next_read));
        let tick = (!self.unacknowledged.is_empty() && !self.is_paused).then_some(self.next_tick);
        start.into_iter().chain(read).chain(tick).min()
    }

    fn send(&mut self, payload_type: PayloadType, payload: Bytes) {
        if payload.is_empty() {
            return;
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let flags = if sequence == 0 { Flags::SYN } else { Flags::NONE };
        let frame =
            self.frame(MessageType::OutputStreamData, sequence, flags, payload_type, payload);
        if !self.is_paused {
            self.out.push(frame.clone());
        }
        self.unacknowledged.push_back(Sent { sequence, frame, sent_at: self.now });
    }

    fn frame(
        &self,
        message_type: MessageType,
        sequence: i64,
        flags: Flags,
        payload_type: PayloadType,
        payload: Bytes,
    ) -> Bytes {
        let created_ms = 1_700_000_000_000;
        let id = Uuid::from_u128(u128::from(sequence.unsigned_abs()) + 7);
        Message { message_type, created_ms, sequence, flags, id, payload_type, payload }.encode()
    }

    fn resend_oldest(&mut self) {
        if self.is_paused {
            return;
        }
        let (now, timeout) = (self.now, self.timeout);
        if let Some(oldest) = self.unacknowledged.front_mut()
            && now - oldest.sent_at > timeout
        {
            oldest.sent_at = now;
            self.out.push(oldest.frame.clone());
        }
    }

    pub(crate) fn receive(&mut self, frame: Bytes) {
        if !self.is_connected || matches!(self.phase, Phase::Away) {
            return;
        }
        let message = match Message::decode(frame) {
            Ok(message) => message,
            Err(error) => return self.violation(format!("malformed frame: {error}")),
        };
        match message.message_type {
            MessageType::Acknowledge => {
                self.is_paused = false;
                let body = AcknowledgeBody::parse(&message.payload).expect("an acknowledgement");
                self.acknowledged(body.acknowledged_message_sequence_number);
            }
            MessageType::InputStreamData => {
                self.is_paused = false;
                self.receive_stream(&message);
            }
            MessageType::PausePublication => self.is_paused = true,
            MessageType::StartPublication => self.is_paused = false,
            MessageType::OutputStreamData
            | MessageType::ChannelClosed
            | MessageType::AgentSessionState
            | MessageType::Other(_) => {
                self.violation(format!("{} from a client", message.message_type));
            }
        }
    }

    fn violation(&mut self, what: String) {
        self.violations.push(what);
    }

    /// Samples from the last sending, as the real one does.
    fn acknowledged(&mut self, sequence: i64) {
        let Some(place) = self.unacknowledged.iter().position(|sent| sent.sequence == sequence)
        else {
            return;
        };
        let Some(sent) = self.unacknowledged.remove(place) else { return };
        let sample = self.now - sent.sent_at;
        self.variation = (self.variation * 3 + self.smoothed.abs_diff(sample)) / 4;
        self.smoothed = (self.smoothed * 7 + sample) / 8;
        let slack = Duration::from_millis(10).max(self.variation * 4);
        self.timeout = (self.smoothed + slack).min(Duration::from_secs(1));
    }

    fn receive_stream(&mut self, message: &Message) {
        let (sequence, id) = (message.sequence, message.id);
        if message.payload.is_empty() {
            self.violation(format!("empty payload in {sequence}"));
        }
        if sequence < self.expected {
            if self.plan.reacks() {
                self.acknowledge(id, sequence);
            }
            return;
        }
        if sequence > self.expected {
            if self.early.len() < 100_000 {
                self.early.insert(sequence, (message.payload_type, message.payload.clone()));
                self.acknowledge(id, sequence);
            }
            return;
        }
        match self.process(message.payload_type, &message.payload) {
            Verdict::NotReady => return,
            Verdict::Done => self.acknowledge(id, sequence),
        }
        self.expected += 1;
        while let Some((payload_type, payload)) = self.early.remove(&self.expected) {
            match self.process(payload_type, &payload) {
                Verdict::Done => self.expected += 1,
                // It keeps the message, acknowledged as it is, and nothing makes it look again.
                Verdict::NotReady => {
                    self.violation(format!("{} held where it cannot be taken", self.expected));
                    return;
                }
            }
        }
    }

    fn acknowledge(&mut self, id: Uuid, sequence: i64) {
        let body = AcknowledgeBody::of(&MessageType::InputStreamData, id, sequence);
        let kind = PayloadType::Undefined;
        let frame = self.frame(MessageType::Acknowledge, 0, Flags::SYN_FIN, kind, body.encode());
        self.out.push(frame);
    }

    fn process(&mut self, payload_type: PayloadType, payload: &Bytes) -> Verdict {
        if self.now < self.settled_at {
            // An early size may be late; it is told again.
            if payload_type == PayloadType::Size {
                return Verdict::Done;
            }
            self.violation(format!("{payload_type:?} before the handshake is over is lost"));
            return Verdict::Done;
        }
        match &self.phase {
            Phase::Handshake => self.handshake(payload_type, payload),
            Phase::Starting { .. } if self.plan.rejects_when_not_ready() => {
                return Verdict::NotReady;
            }
            Phase::Away | Phase::Starting { .. } | Phase::Failed => {}
            Phase::Ready => self.take(payload_type, payload),
        }
        Verdict::Done
    }

    fn handshake(&mut self, payload_type: PayloadType, payload: &Bytes) {
        match payload_type {
            PayloadType::HandshakeResponse => {
                let response = HandshakeResponse::parse(payload).expect("a handshake response");
                self.take_response(&response);
            }
            PayloadType::EncChallengeResponse => {
                let body = ChallengeBody::parse(payload).expect("a challenge response");
                let opened = self.seal.as_ref().map(|seal| seal.open(&body.challenge));
                if !matches!(opened, Some(Ok(plain)) if plain == CHALLENGE) {
                    self.violation("the challenge was not met".to_owned());
                }
                self.complete();
            }
            // Acknowledged and forgotten.
            PayloadType::Size => {}
            PayloadType::Output if self.plan.encryption.is_some() => {
                self.violation("output before there is a key: the reader dies".to_owned());
            }
            other => self.violation(format!("{other:?} during the handshake is lost")),
        }
    }

    fn take_response(&mut self, response: &HandshakeResponse) {
        let is_refused = response
            .processed_client_actions
            .iter()
            .any(|action| action.action_status != ActionStatus::Success);
        if is_refused {
            self.phase = Phase::Failed;
            return;
        }
        if self.plan.encryption.is_none() {
            return self.complete();
        }
        let key = DataKey::from_bytes(DATA_KEY).expect("64 bytes");
        let mut seal = Seal::agent(&key, [1; 12]);
        let challenge = ChallengeBody { challenge: seal.seal(CHALLENGE).to_vec() };
        self.seal = Some(seal);
        self.send(PayloadType::EncChallengeRequest, challenge.encode());
    }

    fn complete(&mut self) {
        self.send(PayloadType::HandshakeComplete, HandshakeComplete::default().encode());
        self.settled_at = self.now + self.plan.settles_after;
        self.start_plugin();
    }

    fn take(&mut self, payload_type: PayloadType, payload: &Bytes) {
        match payload_type {
            PayloadType::Output => {
                let plain = match &self.seal {
                    None => payload.clone(),
                    Some(seal) => match seal.open(payload) {
                        Ok(plain) => plain,
                        Err(error) => return self.violation(format!("sealed wrongly: {error}")),
                    },
                };
                if let Err(error) = self.plugin.input(&plain, self.now) {
                    self.violation(error);
                }
            }
            PayloadType::Size => {
                if SizeBody::parse(payload).is_err() {
                    self.violation("a malformed size blocks the input for good".to_owned());
                }
            }
            PayloadType::Flag => match SessionFlag::decode(payload) {
                Some(SessionFlag::DisconnectToPort) => self.plugin.disconnect(),
                Some(SessionFlag::TerminateSession) => self.plugin.terminate(),
                Some(SessionFlag::ConnectToPortError) | None => {
                    self.violation("a flag clients do not send".to_owned());
                }
            },
            other => self.violation(format!("{other:?} in a running session")),
        }
    }
}
