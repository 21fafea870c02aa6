//! The sending half: what waits, what is in flight, when it is sent again.
//!
//! A message is numbered, stored and handed out in one step, so numbers are never shared or
//! skipped and a broken socket loses nothing. Acknowledgements are exact, one for each message,
//! so a message overtaken by a later one's acknowledgement is a hole and is sent again early, once;
//! after that the pauses double. Nothing is ever given up by count, and nothing is evicted: a
//! full window stops the producer.
//!
//! # Larger payloads
//!
//! Whether the path takes messages larger than any acknowledged so far is found out with a
//! *probe*: a size message, padded. Port sessions acknowledge it and do nothing else with it, in
//! every version of the agent. So it carries no bytes that could be lost or come twice: if the
//! path refuses it, a short message takes its number, whether or not the agent has seen the long
//! one. Data goes on at the proven size meanwhile. Only a transfer that would use larger
//! messages sends a probe.
//!
//! Had data been the probe, a websocket that broke with the probe unanswered would have left two
//! possibilities, sent or refused, that no acknowledgement tells apart.
//!
//! # Agents that do not acknowledge twice
//!
//! Agents before 3.2.1041.0 stay silent on a message they already have. If its acknowledgement
//! was lost with a connection, it would stay in flight for ever and, with a small window, block
//! everything. Such messages, sent on an earlier connection and now unanswered for the third
//! time, are no longer counted by the window, and a flag among them no longer holds back what
//! follows it. They are still sent now and then: they may as well have been lost. Only when the agent is known to be that old, and later messages were
//! acknowledged on this connection, is one dropped in the end.

mod queue;
mod unacknowledged;
mod window;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

pub use self::queue::{Input, InputBuffer};
use self::queue::{Next, Queue};
use self::unacknowledged::{Stored, Unacknowledged};
use self::window::Window;
use crate::channel::config::{ChannelConfig, DEFAULT_PAYLOAD_LIMIT};
use crate::channel::stamp::Stamp;
use crate::message::{Digest, HEADER_LEN, frame_buffer};
use crate::payload::{PayloadType, SessionFlag, SizeBody};
use crate::rtt::RoundTrip;
use crate::seal::{SEAL_OVERHEAD, Seal};

/// First pause after a message was sent twice.
const BACK_OFF_START: Duration = Duration::from_millis(100);

/// Longest pause between two sendings of one message.
const BACK_OFF_CEILING: Duration = Duration::from_secs(2);

/// Longest pause for a message the window no longer counts, once it was sent many times.
const UNCOUNTED_CEILING: Duration = Duration::from_secs(60);

/// The first message after the agent says it is ready may find it not quite so.
const EAGER_TIMEOUT: Duration = Duration::from_millis(50);

/// Unanswered sendings on one connection after which a message counts as received by an agent
/// that would not say so.
const UNCOUNTED_AFTER: u32 = 3;
const DROPPED_AFTER: u32 = 12;

/// Connections that must end with a probe unanswered before it counts as refused. One in a row
/// is an accident; being wrong about two costs speed and nothing else.
const PROBE_CONNECTIONS: u32 = 2;

/// Unanswered sendings on one connection after which it counts as refused, too.
const PROBE_SENDS: u32 = 2;

/// Everything on its way to the agent.
pub(crate) struct Outbox {
    queue: Queue,
    /// Handshake messages: numbered before anything else.
    urgent: VecDeque<(PayloadType, Bytes)>,
    unacknowledged: Unacknowledged,
    next_sequence: i64,
    window: Window,
    trip: RoundTrip,
    /// Counts websockets, ours and the far end's: acknowledgements are lost with either.
    connection: u32,
    is_bulk: bool,
    /// User bytes per message that are wanted, and that are known to pass.
    wanted: usize,
    proven: usize,
    probe: Option<Probe>,
    /// What takes the probe's number if it is refused.
    short_probe: Bytes,
    findings: VecDeque<Finding>,
    /// Flags in flight. Nothing queued is sent until they are acknowledged: the agent must have
    /// closed one connection before the bytes of the next arrive.
    flags: BTreeMap<i64, SessionFlag>,
    /// Whether the agent acknowledges duplicates, if its version is known.
    reacks: Option<bool>,
    /// The highest number acknowledged that was first sent on the present connection.
    newest_acknowledged: i64,
    eager: bool,
    resent_frames: u64,
}

#[derive(Debug)]
struct Probe {
    sequence: i64,
    /// The payload limit it stands for.
    limit: usize,
    lost_connections: u32,
}

/// Something the owner of the channel should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The path takes this payload limit.
    Proven(usize),
    /// It does not.
    Refused(usize),
    /// The agent has acted on a flag.
    FlagAcknowledged(SessionFlag),
}

impl Outbox {
    pub(crate) fn new(config: &ChannelConfig) -> Self {
        Self {
            queue: Queue::default(),
            urgent: VecDeque::new(),
            unacknowledged: Unacknowledged::default(),
            next_sequence: 0,
            window: Window::new(config.window),
            trip: RoundTrip::new(),
            connection: 0,
            is_bulk: false,
            wanted: config.payload_limit.max(1),
            proven: DEFAULT_PAYLOAD_LIMIT,
            probe: None,
            short_probe: Bytes::new(),
            findings: VecDeque::new(),
            flags: BTreeMap::new(),
            reacks: None,
            newest_acknowledged: -1,
            eager: false,
            resent_frames: 0,
        }
    }

    /// The session is a port session: wide window, any payload limit.
    pub(crate) fn become_bulk(&mut self) {
        self.is_bulk = true;
        self.eager = true;
        self.window.widen();
    }

    pub(crate) fn agent_reacks(&mut self, reacks: bool) {
        self.reacks = Some(reacks);
    }

    pub(crate) fn set_payload_limit(&mut self, limit: usize) {
        self.wanted = limit.max(1);
    }

    /// User bytes the next message may have. Terminals stay at the size their line discipline
    /// digests.
    pub(crate) fn payload_limit(&self) -> usize {
        let passing = if self.is_bulk { self.proven } else { DEFAULT_PAYLOAD_LIMIT };
        self.wanted.min(passing)
    }

    pub(crate) fn proven(&self) -> usize {
        self.proven
    }

    /// Bytes of input that may be queued now.
    ///
    /// A port session queues two messages' worth and no more, so that its own scheduling of
    /// streams decides late, and is not offered room for less than a message: that would fill
    /// the path with fragments.
    pub(crate) fn capacity(&self) -> usize {
        let queued = self.queue.input_bytes();
        let room = self.window.room_bytes().saturating_sub(queued);
        if !self.is_bulk {
            return room;
        }
        let limit = self.payload_limit();
        let room = room.min((2 * limit).saturating_sub(queued));
        if room < limit && queued + self.window.in_flight_bytes() > 0 { 0 } else { room }
    }

    pub(crate) fn push_input(&mut self, input: Input) {
        self.queue.push_input(input);
    }

    /// Queues a flag after the input queued before it.
    pub(crate) fn push_flag(&mut self, flag: SessionFlag) {
        self.queue.push_flag(flag);
    }

    /// Queues a message that is numbered before everything else queued.
    pub(crate) fn push_urgent(&mut self, payload_type: PayloadType, payload: Bytes) {
        self.urgent.push_back((payload_type, payload));
    }

    /// Forgets input that was not sent yet and returns how much that was.
    pub(crate) fn discard_input(&mut self) -> usize {
        self.queue.discard_input()
    }

    /// Nothing waits and nothing is in flight.
    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty() && self.urgent.is_empty() && self.unacknowledged.len() == 0
    }

    /// A new websocket is open, here or at the far end: everything in flight is sent again, in
    /// order.
    pub(crate) fn connected(&mut self) {
        self.connection += 1;
        self.newest_acknowledged = -1;
        self.trip.forget_least();
        self.unacknowledged.all_due();
    }

    /// The far end may have missed everything in flight, it was not there yet.
    pub(crate) fn send_all_again(&mut self) {
        self.unacknowledged.all_due();
    }

    /// The websocket is gone.
    pub(crate) fn disconnected(&mut self) {
        if let Some(probe) = &mut self.probe {
            probe.lost_connections += 1;
            if probe.lost_connections >= PROBE_CONNECTIONS {
                self.refuse_probe();
            }
        }
    }

    /// The path refused the probe for its size, if there is one: a short message takes its
    /// number.
    pub(crate) fn refuse_probe(&mut self) {
        let Some(probe) = self.probe.take() else { return };
        self.wanted = self.wanted.min(self.proven);
        self.findings.push_back(Finding::Refused(probe.limit));
        if let Some(stored) = self.unacknowledged.get_mut(probe.sequence) {
            if stored.is_counted {
                self.window.settled(stored.user_bytes);
                self.window.sent(0);
            }
            stored.user_bytes = 0;
            stored.frame = std::mem::take(&mut self.short_probe);
        }
    }

    /// The next thing the owner should know.
    pub(crate) fn poll_finding(&mut self) -> Option<Finding> {
        self.findings.pop_front()
    }

    /// Takes an acknowledgement. Unknown numbers mean nothing, as at the official ends.
    pub(crate) fn acknowledged(&mut self, sequence: i64, now: Instant) {
        let Some(stored) = self.unacknowledged.settle(sequence) else { return };
        if stored.is_counted {
            self.window.settled(stored.user_bytes);
        }
        if stored.is_sample {
            let sample = now.saturating_duration_since(stored.sent_at);
            self.trip.sample(sample);
            let least = self.trip.least().unwrap_or(sample);
            self.window.follow(stored.user_bytes, sample, least);
        }
        if stored.first_connection == self.connection {
            self.newest_acknowledged = self.newest_acknowledged.max(sequence);
        }
        self.unacknowledged.mark_holes(sequence, self.trip.smoothed() * 5 / 4);
        if let Some(probe) = self.probe.take_if(|probe| probe.sequence == sequence) {
            self.proven = self.proven.max(probe.limit);
            self.findings.push_back(Finding::Proven(probe.limit));
        }
        self.flag_acknowledged(sequence);
    }

    fn flag_acknowledged(&mut self, sequence: i64) {
        if let Some(flag) = self.flags.remove(&sequence) {
            self.findings.push_back(Finding::FlagAcknowledged(flag));
        }
    }

    /// Moves what has waited long enough to what is due.
    pub(crate) fn promote(&mut self, now: Instant) {
        if self.unacknowledged.promote(now) {
            self.trip.back_off();
            self.window.shrink();
        }
    }

    /// Makes a message due, whatever its deadline. False if nothing is in flight.
    pub(crate) fn hasten(&mut self) -> bool {
        self.unacknowledged.hasten()
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.unacknowledged.next_deadline()
    }

    pub(crate) fn has_due(&self) -> bool {
        self.unacknowledged.first_due().is_some()
    }

    /// The first message that is due again, byte for byte.
    pub(crate) fn resend(&mut self, now: Instant) -> Option<Bytes> {
        loop {
            let sequence = self.unacknowledged.first_due()?;
            self.doubt_probe(sequence);
            if self.reacks != Some(true) {
                self.doubt_silence(sequence);
            }
            let Some(stored) = self.unacknowledged.get_mut(sequence) else { continue };
            let unanswered = stored.sends;
            let is_patient = !stored.is_counted && unanswered >= DROPPED_AFTER;
            let ceiling = if is_patient { UNCOUNTED_CEILING } else { BACK_OFF_CEILING };
            let timeout = self.trip.resend_timeout();
            let pause = BACK_OFF_START
                .saturating_mul(1 << unanswered.saturating_sub(1).min(16))
                .clamp(timeout.min(ceiling), ceiling.max(timeout));
            self.resent_frames += 1;
            return self.unacknowledged.resent(sequence, now, now + pause);
        }
    }

    /// A path may drop what is too long for it without a word, and the agent hands nothing on
    /// that follows.
    fn doubt_probe(&mut self, sequence: i64) {
        let is_probe = self.probe.as_ref().is_some_and(|probe| probe.sequence == sequence);
        let sends = self.unacknowledged.get_mut(sequence).map_or(0, |stored| stored.sends);
        if is_probe && sends >= PROBE_SENDS {
            self.refuse_probe();
        }
    }

    /// A message that an agent may have and not say so: see the notes on such agents above.
    fn doubt_silence(&mut self, sequence: i64) {
        let Some(stored) = self.unacknowledged.get_mut(sequence) else { return };
        if stored.first_connection >= self.connection || stored.sends < UNCOUNTED_AFTER {
            return;
        }
        let sends = stored.sends;
        if std::mem::take(&mut stored.is_counted) {
            self.window.settled(stored.user_bytes);
        }
        self.flag_acknowledged(sequence);
        if self.reacks == Some(false)
            && sends >= DROPPED_AFTER
            && sequence < self.newest_acknowledged
        {
            tracing::debug!(sequence, "an old agent must have this message by now");
            self.unacknowledged.settle(sequence);
        }
    }

    /// Whether a handshake message waits to be numbered.
    pub(crate) fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// The next handshake message, numbered.
    pub(crate) fn send_urgent(&mut self, stamp: &mut Stamp, now: Instant) -> Option<Bytes> {
        let (payload_type, payload) = self.urgent.pop_front()?;
        Some(self.send_control(payload_type, &payload, stamp, now))
    }

    /// Whether a control outside the queue may be sent.
    pub(crate) fn admits_control(&self) -> bool {
        self.window.admits_control()
    }

    /// Numbers, stores and returns one message that is not input.
    pub(crate) fn send_control(
        &mut self,
        payload_type: PayloadType,
        payload: &[u8],
        stamp: &mut Stamp,
        now: Instant,
    ) -> Bytes {
        let mut frame = frame_buffer(payload.len());
        frame.extend_from_slice(payload);
        self.number(payload_type, frame, payload.len(), stamp, now)
    }

    /// Numbers, stores and returns a flag.
    pub(crate) fn send_flag(
        &mut self,
        flag: SessionFlag,
        stamp: &mut Stamp,
        now: Instant,
    ) -> Bytes {
        self.flags.insert(self.next_sequence, flag);
        self.send_control(PayloadType::Flag, &flag.encode(), stamp, now)
    }

    /// Whether there is a transfer going on that a larger payload would serve.
    fn wants_probe(&self) -> bool {
        self.is_bulk
            && self.wanted > self.proven
            && self.probe.is_none()
            && self.queue.input_bytes() >= self.payload_limit()
    }

    /// Numbers, stores and returns a message as long as a larger payload would make it.
    fn send_probe(&mut self, stamp: &mut Stamp, now: Instant) -> Bytes {
        let (limit, sequence) = (self.wanted, self.next_sequence);
        self.probe = Some(Probe { sequence, limit, lost_connections: 0 });
        let size = SizeBody { cols: 80, rows: 24 }.encode();
        let mut short = frame_buffer(size.len());
        short.extend_from_slice(&size);
        self.short_probe = stamp.input(sequence, PayloadType::Size, now).finish(short);
        // As long as it would be sealed.
        let len = limit + SEAL_OVERHEAD;
        let mut frame = frame_buffer(len);
        frame.extend_from_slice(&size);
        frame.resize(HEADER_LEN + len, b' ');
        self.number(PayloadType::Size, frame, len, stamp, now)
    }

    /// Whether something queued may be sent now, as far as flags and window go.
    pub(crate) fn has_sendable(&self) -> bool {
        if !self.flags.is_empty() {
            return false;
        }
        let limit = self.payload_limit();
        self.queue.next_len(limit).is_some_and(|len| self.window.admits(len))
    }

    /// The next message from the queue, numbered. Call after [`Self::has_sendable`] said yes.
    pub(crate) fn send(
        &mut self,
        seal: Option<&mut Seal>,
        stamp: &mut Stamp,
        now: Instant,
    ) -> Option<Bytes> {
        if self.wants_probe() {
            return Some(self.send_probe(stamp, now));
        }
        let limit = self.payload_limit();
        match self.queue.take(limit)? {
            Next::Flag(flag) => Some(self.send_flag(flag, stamp, now)),
            Next::Input(frame, digest) => {
                let user_bytes = frame.len() - HEADER_LEN;
                let (frame, digest) = match seal {
                    Some(seal) => (sealed(seal, &frame), None),
                    None => (frame, digest),
                };
                let kind = PayloadType::Output;
                Some(self.number_digested(kind, frame, digest, user_bytes, stamp, now))
            }
        }
    }

    fn number(
        &mut self,
        payload_type: PayloadType,
        frame: BytesMut,
        user_bytes: usize,
        stamp: &mut Stamp,
        now: Instant,
    ) -> Bytes {
        self.number_digested(payload_type, frame, None, user_bytes, stamp, now)
    }

    /// The same for a payload whose digest may be known.
    fn number_digested(
        &mut self,
        payload_type: PayloadType,
        frame: BytesMut,
        known_digest: Option<Digest>,
        user_bytes: usize,
        stamp: &mut Stamp,
        now: Instant,
    ) -> Bytes {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let header = stamp.input(sequence, payload_type, now);
        let frame = match known_digest {
            Some(digest) => header.finish_digested(frame, digest),
            None => header.finish(frame),
        };
        let stored = Stored::new(frame.clone(), user_bytes, self.connection, now);
        let mut timeout = self.trip.resend_timeout();
        if std::mem::take(&mut self.eager) {
            let round_trip = self.trip.least().unwrap_or_default() * 2;
            timeout = timeout.min(EAGER_TIMEOUT.max(round_trip));
        }
        self.unacknowledged.store(sequence, stored, now + timeout);
        self.window.sent(user_bytes);
        frame
    }

    pub(crate) fn figures(&self) -> OutboxFigures {
        OutboxFigures {
            unacknowledged_frames: self.unacknowledged.len(),
            in_flight_bytes: self.window.in_flight_bytes(),
            queued_bytes: self.queue.input_bytes(),
            window_bytes: self.window.limit_bytes(),
            round_trip: self.trip.measured(),
            sent_frames: self.next_sequence.unsigned_abs(),
            resent_frames: self.resent_frames,
        }
    }
}

/// Numbers for [`ChannelStats`](crate::ChannelStats).
pub(crate) struct OutboxFigures {
    pub(crate) unacknowledged_frames: usize,
    pub(crate) in_flight_bytes: usize,
    pub(crate) queued_bytes: usize,
    pub(crate) window_bytes: usize,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) sent_frames: u64,
    pub(crate) resent_frames: u64,
}

fn sealed(seal: &mut Seal, plain_frame: &[u8]) -> BytesMut {
    let (_, plain) = plain_frame.split_at(HEADER_LEN);
    let mut frame = frame_buffer(plain.len() + SEAL_OVERHEAD);
    seal.seal_into(&mut frame, |out| out.extend_from_slice(plain));
    frame
}
