//! The reliable, ordered conversation of one session.
//!
//! ```text
//! Opening ──handshake request──► Handshake ──complete──► Ready ──┐
//!    └──first output (no handshake: a shell)────────────►  │     │
//!                                                          ▼     ▼
//!                        channel_closed, or the peer breaks a rule: Over
//! ```
//!
//! A websocket comes and goes in any of these without changing it.

mod acknowledge;
pub(crate) mod config;
mod patience;
mod pause;
mod receive;
pub(crate) mod stamp;
mod transmit;

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use uuid::Uuid;

use self::acknowledge::Acknowledgements;
use self::config::{ChannelConfig, RateConfig};
use self::patience::Patience;
use self::pause::{Nudge, Pause};
use self::stamp::Stamp;
use crate::event::{Event, SessionKind};
use crate::handshake::Handshake;
use crate::inbox::Inbox;
use crate::outbox::{Finding, Input, Outbox};
use crate::payload::{HandshakeResponse, OpenDataChannel, PayloadType, SessionFlag, SizeBody};
use crate::rate::RateLimit;
use crate::seal::{DataKey, Seal};

/// The client's end of one session's data channel.
///
/// It is told the time and asks for nothing. Bytes and time go in by `handle_*` and the commands;
/// after each of those, take everything from [`Self::poll_transmit`] that the websocket has room
/// for and everything from [`Self::poll_event`], then sleep until [`Self::poll_timeout`].
pub struct DataChannel {
    client_version: String,
    client_id: Uuid,
    phase: Phase,
    is_connected: bool,
    /// There was a websocket before.
    is_resuming: bool,
    stamp: Stamp,
    inbox: Inbox,
    acknowledgements: Acknowledgements,
    outbox: Outbox,
    rate: RateLimit,
    /// When the rate limit stopped us, until when.
    rate_until: Option<Instant>,
    pause: Pause,
    nudge: Nudge,
    patience: Patience,
    size: TerminalSize,
    /// A terminate flag is to be sent before anything else that is queued.
    is_ending: bool,
    /// What is new waits until here: the agent or its command is not quite there.
    input_held_until: Option<Instant>,
    events: VecDeque<Event>,
    /// Bytes in `events`.
    event_bytes: usize,
    /// The owner was told that there is no capacity.
    is_exhausted: bool,
    received_frames: u64,
}

enum Phase {
    /// Nothing is known of the session.
    Opening,
    Handshake(Box<Handshake>),
    Ready {
        kind: ReadyKind,
        seal: Option<Box<Seal>>,
    },
    /// Closed by the gateway, or the peer broke a rule.
    Over,
}

/// What of [`SessionKind`] makes a difference to the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadyKind {
    Terminal,
    NonInteractiveCommand,
    Port,
}

/// The size the owner wants, and whether it still has to be sent.
#[derive(Debug, Default)]
struct TerminalSize {
    wanted: Option<SizeBody>,
    is_pending: bool,
}

/// Why input was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// More than [`DataChannel::input_capacity`]. [`Event::Writable`] tells when to try again.
    #[error("{len} bytes of input do not fit the {capacity} that may be queued now")]
    WindowFull {
        /// Bytes offered.
        len: usize,
        /// Bytes that would be taken.
        capacity: usize,
    },
    /// The session is over.
    #[error("the session is over")]
    Closed,
}

/// What a channel has done and is holding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelStats {
    /// Stream messages numbered and sent, without repetitions.
    pub sent_frames: u64,
    /// Stream messages sent again.
    pub resent_frames: u64,
    /// Acknowledgements sent.
    pub acknowledged_frames: u64,
    /// Messages received, of any kind.
    pub received_frames: u64,
    /// Stream messages received that were known already.
    pub duplicate_frames: u64,
    /// Stream messages received in order.
    pub delivered_frames: u64,
    /// Stream messages held until an earlier one arrives.
    pub held_frames: usize,
    /// Messages sent and not acknowledged.
    pub unacknowledged_frames: usize,
    /// User bytes in flight, as the window counts them.
    pub in_flight_bytes: usize,
    /// Input not sent yet.
    pub queued_bytes: usize,
    /// Bytes the window admits.
    pub window_bytes: usize,
    /// Smoothed round trip, once there was a sample.
    pub round_trip: Option<Duration>,
    /// User bytes per message the path is known to take.
    pub proven_payload: usize,
}

impl DataChannel {
    /// A channel before its first websocket.
    pub fn new(config: ChannelConfig) -> Self {
        Self {
            phase: Phase::Opening,
            is_connected: false,
            is_resuming: false,
            stamp: Stamp::new(config.seed, config.start),
            inbox: Inbox::default(),
            acknowledgements: Acknowledgements::default(),
            outbox: Outbox::new(&config),
            rate: RateLimit::new(config.rate),
            rate_until: None,
            pause: Pause::default(),
            nudge: Nudge::default(),
            patience: Patience::default(),
            size: TerminalSize::default(),
            is_ending: false,
            input_held_until: None,
            events: VecDeque::new(),
            event_bytes: 0,
            is_exhausted: false,
            received_frames: 0,
            client_version: config.client_version,
            client_id: config.client_id,
        }
    }

    /// The text to send first on every new websocket, the first as well as a resumed one. It
    /// holds the token: do not log it.
    pub fn opening(&mut self, token: &str) -> String {
        OpenDataChannel {
            message_schema_version: OpenDataChannel::MESSAGE_SCHEMA_VERSION.to_owned(),
            request_id: self.stamp.id().to_string(),
            token_value: token.to_owned(),
            client_instance_id: None,
            client_id: self.client_id.to_string(),
            client_version: Some(self.client_version.clone()),
        }
        .encode()
    }

    /// A websocket is open and the opening text is on its way. Everything unacknowledged is
    /// queued again, in order.
    pub fn handle_connected(&mut self, now: Instant) {
        if self.is_over() {
            return;
        }
        self.is_connected = true;
        self.patience.connected(now);
        self.acknowledgements.connected();
        self.outbox.connected();
        if self.is_resuming {
            self.nudge.begin(now);
            if !self.outbox.has_due() {
                self.repeat_something();
            }
        }
        self.is_resuming = true;
    }

    /// The websocket is gone. Nothing is lost; input is taken as long as the window lasts.
    pub fn handle_disconnected(&mut self) {
        self.is_connected = false;
        self.patience.disconnected();
        self.nudge.end();
        if self.pause.end() {
            self.push_event(Event::Unpaused);
        }
        self.outbox.disconnected();
        self.note_outbox();
    }

    /// The gateway closed the websocket because a message was too long for it (close code 1009).
    /// Call before [`Self::handle_disconnected`]. Does nothing unless a larger payload was being
    /// tried.
    pub fn handle_payload_refused(&mut self) {
        self.outbox.refuse_probe();
        self.note_outbox();
    }

    /// A time that [`Self::poll_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(overdue) = self.patience.take_overdue(now) {
            tracing::info!(?overdue, "the far end is overdue");
            self.push_event(Event::Overdue(overdue));
        }
        self.rate_until.take_if(|at| *at <= now);
        self.input_held_until.take_if(|at| *at <= now);
        if self.nudge.take_due(now) && !self.pause.is_away() {
            self.repeat_something();
        }
        if self.pause.is_away() {
            self.pause.is_probe_due(now);
        } else if self.is_connected {
            self.outbox.promote(now);
        }
    }

    /// The next time at which [`Self::handle_timeout`] wants to be called if nothing happens
    /// before, and what for. Only meaningful after [`Self::poll_transmit`] was followed as far
    /// as the websocket allowed.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        if self.is_over() || !self.is_connected {
            return None;
        }
        let held = self.input_held_until.map(|at| (at, "input held for the agent"));
        let sending = if self.pause.is_away() {
            [self.pause.next_probe().map(|at| (at, "probe")), None]
        } else {
            [
                self.outbox.next_deadline().map(|at| (at, "resend")),
                self.rate_until.map(|at| (at, "rate limit")),
            ]
        };
        let nudge = self.nudge.next().map(|at| (at, "nudge"));
        self.patience
            .next()
            .into_iter()
            .chain(held)
            .chain(nudge)
            .chain(sending.into_iter().flatten())
            .min()
    }

    /// The next thing the owner should know.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.event_bytes -= event_bytes(&event);
        Some(event)
    }

    /// Bytes that [`Self::send_input`] takes now. Before the session is ready that is a
    /// terminal's window: keystrokes are queued until then.
    pub fn input_capacity(&self) -> usize {
        if self.is_over() { 0 } else { self.outbox.capacity() }
    }

    /// Queues input, whole or not at all. What is queued together travels together; nothing is
    /// delayed to gather more.
    ///
    /// An interrupt (a lone Ctrl-C) towards a terminal discards what was typed before and not
    /// sent yet, and is always taken.
    ///
    /// # Errors
    /// [`SendError`]; the input was not taken.
    pub fn send_input(&mut self, input: impl Into<Input>) -> Result<(), SendError> {
        let input = input.into();
        if self.is_over() {
            return Err(SendError::Closed);
        }
        if input.is_empty() {
            return Ok(());
        }
        let is_terminal = match &self.phase {
            Phase::Opening | Phase::Handshake(_) => true,
            Phase::Ready { kind, .. } => *kind == ReadyKind::Terminal,
            Phase::Over => false,
        };
        if is_terminal && input.is_interrupt() {
            let bytes = self.outbox.discard_input();
            tracing::debug!(bytes, "an interrupt discards what was not sent yet");
        } else {
            let (len, capacity) = (input.len(), self.outbox.capacity());
            if len > capacity {
                self.is_exhausted = true;
                return Err(SendError::WindowFull { len, capacity });
            }
        }
        self.outbox.push_input(input);
        self.note_outbox();
        Ok(())
    }

    /// Tells the terminal's size. Only the newest is sent, ahead of queued input. It is sent as
    /// soon as the channel is open, and again when it is ready, since an agent that is not there
    /// yet acknowledges and forgets it. Port sessions have none.
    pub fn send_size(&mut self, cols: u32, rows: u32) {
        self.size.wanted = Some(SizeBody { cols, rows });
        self.size.is_pending = self.phase.takes_size();
    }

    /// Sends a flag: `TerminateSession` ahead of everything queued, which is discarded;
    /// `DisconnectToPort` after the input queued before it, and nothing after it until it is
    /// acknowledged.
    pub fn send_flag(&mut self, flag: SessionFlag) {
        if self.is_over() {
            return;
        }
        if flag == SessionFlag::TerminateSession {
            self.outbox.discard_input();
            self.is_ending = true;
        } else {
            self.outbox.push_flag(flag);
        }
    }

    /// Answers [`Event::DataKeyWanted`] with the key and its KMS ciphertext blob.
    pub fn provide_data_key(&mut self, key: &DataKey, ciphertext: &[u8]) {
        let nonce_seed = self.stamp.bytes();
        if let Phase::Handshake(handshake) = &mut self.phase
            && let Some(response) = handshake.provide(key, ciphertext, nonce_seed)
        {
            self.respond(&response);
        }
    }

    /// Answers [`Event::DataKeyWanted`] with the reason why there is no key. The session then
    /// ends with [`Event::Closed`]; it never goes on in clear text.
    pub fn refuse_data_key(&mut self, reason: &str) {
        if let Phase::Handshake(handshake) = &mut self.phase
            && let Some(response) = handshake.refuse(reason)
        {
            tracing::info!(reason, "no data key: the session is refused");
            self.respond(&response);
        }
    }

    /// Has something sent that the agent has been told before. A word from the client ends a
    /// pause of the agent's that nobody else ended, and to hear the same thing twice does no harm.
    fn repeat_something(&mut self) {
        if !self.acknowledgements.repeat_last() {
            self.size.is_pending = self.size.wanted.is_some() && self.phase.takes_size();
        }
    }

    fn respond(&mut self, response: &HandshakeResponse) {
        self.outbox.push_urgent(PayloadType::HandshakeResponse, response.encode());
    }

    /// Changes how many user bytes a message may have. Applies to what is not numbered yet;
    /// terminals stay at [`DEFAULT_PAYLOAD_LIMIT`](crate::DEFAULT_PAYLOAD_LIMIT).
    ///
    /// A size above what is proven is first tried with a message that carries nothing, as soon
    /// as a transfer could use it: [`Event::PayloadProven`] puts it to use. If the path refuses
    /// it ([`Event::PayloadRefused`], after [`Self::handle_payload_refused`] or two lost
    /// websockets), nothing is lost and the limit is back at what is proven.
    pub fn set_payload_limit(&mut self, bytes: usize) {
        self.outbox.set_payload_limit(bytes);
        self.note_outbox();
    }

    /// User bytes the next message may have.
    pub fn payload_limit(&self) -> usize {
        self.outbox.payload_limit()
    }

    /// Changes the limit on frames per second.
    pub fn set_rate(&mut self, rate: RateConfig) {
        self.rate.set(rate);
        self.rate_until = None;
    }

    /// Whether everything given to the channel was sent and acknowledged.
    pub fn is_drained(&self) -> bool {
        !self.is_ending && !self.size.is_pending && self.outbox.is_drained()
    }

    /// Whether the session is over, by the gateway's word or the peer's fault.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// What the channel has done and is holding.
    pub fn stats(&self) -> ChannelStats {
        let figures = self.outbox.figures();
        ChannelStats {
            sent_frames: figures.sent_frames,
            resent_frames: figures.resent_frames,
            acknowledged_frames: self.acknowledgements.sent_frames,
            received_frames: self.received_frames,
            duplicate_frames: self.inbox.duplicate_frames,
            delivered_frames: self.inbox.expected().unsigned_abs(),
            held_frames: self.inbox.held_frames(),
            unacknowledged_frames: figures.unacknowledged_frames,
            in_flight_bytes: figures.in_flight_bytes,
            queued_bytes: figures.queued_bytes,
            window_bytes: figures.window_bytes,
            round_trip: figures.round_trip,
            proven_payload: self.outbox.proven(),
        }
    }

    fn push_event(&mut self, event: Event) {
        self.event_bytes += event_bytes(&event);
        self.events.push_back(event);
    }

    /// Tells the owner what the outbox found out, and when capacity comes back after it was
    /// exhausted.
    fn note_outbox(&mut self) {
        while let Some(finding) = self.outbox.poll_finding() {
            tracing::debug!(?finding, "outbox");
            self.push_event(match finding {
                Finding::Proven(bytes) => Event::PayloadProven { bytes },
                Finding::Refused(bytes) => Event::PayloadRefused { bytes },
                Finding::FlagAcknowledged(flag) => Event::FlagAcknowledged(flag),
            });
        }
        let capacity = self.input_capacity();
        if capacity == 0 {
            self.is_exhausted = true;
        } else if self.is_exhausted && capacity >= self.payload_limit() {
            self.is_exhausted = false;
            self.push_event(Event::Writable);
        }
    }
}

impl ReadyKind {
    fn of(kind: &SessionKind) -> Self {
        match kind {
            SessionKind::Shell | SessionKind::InteractiveCommand => Self::Terminal,
            SessionKind::NonInteractiveCommand => Self::NonInteractiveCommand,
            SessionKind::Port(_) => Self::Port,
        }
    }
}

/// Bytes an event keeps in memory, roughly.
fn event_bytes(event: &Event) -> usize {
    const EVENT: usize = size_of::<Event>();
    match event {
        Event::Output(bytes) | Event::StdErr(bytes) => EVENT + bytes.len(),
        Event::Closed { output } => EVENT + output.len(),
        Event::Ready(_)
        | Event::DataKeyWanted { .. }
        | Event::ExitCode(_)
        | Event::Flag(_)
        | Event::FlagAcknowledged(_)
        | Event::Paused
        | Event::Unpaused
        | Event::Writable
        | Event::Overdue(_)
        | Event::PayloadProven { .. }
        | Event::PayloadRefused { .. } => EVENT,
    }
}

impl Phase {
    /// Whether a size may be sent now. One that may not is sent when the session is ready.
    fn takes_size(&self) -> bool {
        match self {
            Self::Opening => true,
            Self::Ready { kind, .. } => *kind != ReadyKind::Port,
            Self::Handshake(_) | Self::Over => false,
        }
    }

    /// What the session is doing, for an error.
    fn name(&self) -> &'static str {
        match self {
            Self::Opening => "waiting for the first message",
            Self::Handshake(handshake) => handshake.phase(),
            Self::Ready { .. } => "ready",
            Self::Over => "over",
        }
    }
}

impl fmt::Debug for DataChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataChannel")
            .field("client_id", &self.client_id)
            .field("phase", &self.phase.name())
            .field("is_connected", &self.is_connected)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
