//! A port session, seen from its driver: the seats of its connections, and the mux between them
//! and the channel.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use protocol::mux::frame::StreamId;
use protocol::{
    DataChannel, Event, Outgoing, PeerError, Port, PortConfig, PortError, PortEvent, PortKind,
    PortProperties, PortTransmit, Segment, SessionKind,
};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::clock;
use crate::connection::{Breach, CREDIT_BYTES, Delivery, Key, Place, ToPort};
use crate::driver::{Role, Wish};
use crate::load::{LOAD_SPAN, Load, Totals};
use crate::state::SessionEnd;

/// Messages from connections taken in one turn.
const MESSAGES_A_TURN: usize = 256;
/// Room for what comes besides the bytes of connections: openings, ends, headers.
const SMALL_BYTES: usize = 256;
/// Bytes a connection may have undelivered while it is alone in its session. Then the session
/// is left unread, so that the far side waits; with others it may have more, see
/// [`PortConfig::stream_budget`].
const ALONE_BYTES: usize = 1024 * 1024;
/// Bytes a connection, or all together, may have undelivered before the session is read with
/// pauses. A program that merely needs a moment catches up in them; one that has stopped is
/// reset in the end, while the others keep a multiple of what agents send.
const BEHIND_BYTES: usize = 4 * 1024 * 1024;
const ALL_BEHIND_BYTES: usize = 16 * 1024 * 1024;
/// How much is read between two such pauses, and how long they are at most.
const STRIDE_BYTES: usize = 64 * 1024;
const STRIDE_PAUSE: Duration = Duration::from_millis(20);

/// A connection is held back by the session's pace if it gets at least one part in this many of
/// what arrives.
const SHARE_OF_SPAN: u64 = 8;

/// How a port session treats its connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortSettings {
    /// See [`PortConfig::linger`].
    pub(crate) linger: Duration,
    /// See [`PortConfig::keep_alive`].
    pub(crate) keep_alive: Option<Duration>,
    /// The session is for one connection and ends with it.
    pub(crate) is_for_one: bool,
}

/// A port session, seen from its driver.
pub(crate) struct PortRole {
    settings: PortSettings,
    client_version: String,
    messages: mpsc::Receiver<ToPort>,
    load: Arc<Load>,
    totals: Arc<Totals>,
    port: Option<Port>,
    /// The session is one connection and ends with it.
    is_stdio: bool,
    seats: BTreeMap<Key, Seat>,
    streams: BTreeMap<StreamId, Key>,
    /// Seats that have no stream yet: the session is not ready, or carries one at a time.
    waiting: VecDeque<Key>,
    /// Seats whose bytes have left or may soon: their credit is due.
    indebted: Vec<Key>,
    span_start: Instant,
    span_bytes: u64,
    /// Bytes whose credit has not come back, over all seats.
    owed: usize,
    /// Bytes handed to connections and not written by them yet.
    undelivered: usize,
    /// Until when the session is left unread for a program that is behind.
    paused_until: Option<Instant>,
    /// Bytes read since the last such pause.
    stride: usize,
    had_connection: bool,
    /// Connections can frame their own bytes: nothing is sealed, and streams have headers.
    frames_ahead: bool,
    /// The payload limit that connections know of.
    told_limit: usize,
}

/// One connection's place in the session.
struct Seat {
    place: Place,
    stream: Option<StreamId>,
    /// Bytes that wait for a stream.
    early: VecDeque<Outgoing>,
    /// The program has said all it will.
    is_finished: bool,
    /// What does not fit the connection's queue.
    backlog: VecDeque<Delivery>,
    /// Bytes whose credit has not come back.
    owed: usize,
    /// Bytes handed over and not written yet.
    undelivered: usize,
    /// Bytes that arrived since the load was last measured.
    span_bytes: u64,
}

impl PortRole {
    /// Makes the role of a session to be, and the way to it.
    pub(crate) fn new(
        settings: PortSettings,
        client_version: &str,
        load: Arc<Load>,
        totals: Arc<Totals>,
        now: Instant,
    ) -> (Self, mpsc::Sender<ToPort>) {
        // Its items are bounded by the credit of the connections, whose number the tunnel bounds.
        let (sender, messages) = mpsc::channel(1024);
        let role = Self {
            settings,
            client_version: client_version.to_owned(),
            messages,
            load,
            totals,
            port: None,
            is_stdio: false,
            seats: BTreeMap::new(),
            streams: BTreeMap::new(),
            waiting: VecDeque::new(),
            indebted: Vec::new(),
            span_start: now,
            span_bytes: 0,
            owed: 0,
            undelivered: 0,
            paused_until: None,
            stride: 0,
            had_connection: false,
            frames_ahead: false,
            told_limit: 0,
        };
        (role, sender)
    }

    /// Says whether a session is of a kind that forwards, and how.
    fn properties(kind: &SessionKind) -> Option<&PortProperties> {
        match kind {
            SessionKind::Port(properties) => Some(properties),
            SessionKind::Shell
            | SessionKind::InteractiveCommand
            | SessionKind::NonInteractiveCommand => None,
        }
    }

    fn handle_message(&mut self, message: ToPort, now: Instant) {
        match message {
            ToPort::Open { key, place, first } => {
                let mut seat = Seat::new(place);
                if let Some(first) = first {
                    seat.take_in(first, &mut self.owed);
                }
                self.seats.insert(key, seat);
                self.had_connection = true;
                self.waiting.push_back(key);
                self.admit(now);
            }
            ToPort::Data { key, bytes } => {
                let Some(seat) = self.seats.get_mut(&key) else { return };
                seat.take_in(bytes, &mut self.owed);
                self.load.note_used(now);
                self.forward(key);
            }
            ToPort::Finish { key } => {
                let Some(seat) = self.seats.get_mut(&key) else { return };
                seat.is_finished = true;
                if let (Some(stream), Some(port)) = (seat.stream, &mut self.port) {
                    port.finish(stream, now);
                }
            }
            ToPort::Consumed { key, bytes } => {
                let Some(seat) = self.seats.get_mut(&key) else { return };
                let bytes = bytes.min(seat.undelivered);
                seat.undelivered -= bytes;
                self.undelivered -= bytes;
                if !is_behind(seat.undelivered, self.undelivered) {
                    self.paused_until = None;
                }
                if let (Some(stream), Some(port)) = (seat.stream, &mut self.port) {
                    port.consumed(stream, bytes);
                }
                seat.flush();
            }
            ToPort::Close { key } => self.close(key, now),
        }
    }

    /// Gives streams to those who wait for one, as far as the session has any.
    fn admit(&mut self, now: Instant) {
        while let Some(key) = self.waiting.front().copied()
            && let Some(port) = &mut self.port
        {
            let Some(seat) = self.seats.get_mut(&key) else {
                self.waiting.pop_front();
                continue;
            };
            let stream = match port.open() {
                Ok(stream) => stream,
                Err(PortError::Busy) => {
                    port.handle_wanted(now);
                    return;
                }
                Err(error) => {
                    tracing::debug!(%error, "no stream for a connection");
                    self.waiting.pop_front();
                    self.leave(key);
                    continue;
                }
            };
            self.waiting.pop_front();
            seat.stream = Some(stream);
            if self.frames_ahead {
                seat.place.framing.set_stream(stream);
                seat.place.framing.set_message_bytes(Segment::longest(self.told_limit));
            }
            let is_finished = seat.is_finished;
            self.streams.insert(stream, key);
            self.totals.connections.fetch_add(1, Ordering::Relaxed);
            self.forward(key);
            if is_finished && let Some(port) = &mut self.port {
                port.finish(stream, now);
            }
        }
    }

    /// Moves a seat's early bytes into its stream. Credit keeps them within its capacity.
    fn forward(&mut self, key: Key) {
        let Some(port) = &mut self.port else { return };
        let Some(seat) = self.seats.get_mut(&key) else { return };
        let Some(stream) = seat.stream else { return };
        while let Some(bytes) = seat.early.pop_front() {
            let len = bytes.len();
            if let Err(error) = port.send(stream, bytes) {
                // The stream is over: the far side discards what still comes.
                tracing::trace!(%error, "bytes for a stream that takes none");
                seat.owed -= len;
                self.owed -= len;
                seat.place.credit.add_permits(len);
            } else {
                self.totals.up_bytes.fetch_add(len as u64, Ordering::Relaxed);
            }
        }
        if seat.owed > 0 && !self.indebted.contains(&key) {
            self.indebted.push(key);
        }
    }

    /// Gives back the credit of what has left for the channel.
    fn repay(&mut self) {
        let Some(port) = &self.port else { return };
        let seats = &mut self.seats;
        self.indebted.retain(|key| {
            let Some(seat) = seats.get_mut(key) else { return false };
            let Some(stream) = seat.stream else { return false };
            let queued = CREDIT_BYTES.saturating_sub(port.capacity(stream));
            let due = seat.owed.saturating_sub(queued);
            if due > 0 {
                seat.owed -= due;
                self.owed -= due;
                seat.place.credit.add_permits(due);
            }
            seat.owed > 0
        });
    }

    fn close(&mut self, key: Key, now: Instant) {
        let Some(seat) = self.leave(key) else { return };
        if let (Some(stream), Some(port)) = (seat.stream, &mut self.port)
            && self.streams.remove(&stream).is_some()
        {
            port.close(stream);
        }
        self.admit(now);
    }

    fn handle_port_events(&mut self, now: Instant) -> bool {
        let mut has_moved = false;
        while let Some(event) = self.port.as_mut().and_then(Port::poll_event) {
            has_moved = true;
            match event {
                PortEvent::Data(stream, bytes) => {
                    self.load.note_answered();
                    self.deliver(stream, bytes, now);
                }
                PortEvent::Finished(stream) => {
                    if let Some(key) = self.streams.remove(&stream)
                        && let Some(seat) = self.seats.get_mut(&key)
                    {
                        seat.stream = None;
                        seat.deliver(Delivery::Finished);
                    }
                }
                PortEvent::Refused(stream) => {
                    self.load.note_refused();
                    self.breach(stream, Breach::Refused);
                }
                PortEvent::Overrun(stream) => self.breach(stream, Breach::ReaderTooSlow),
            }
        }
        has_moved
    }

    fn deliver(&mut self, stream: StreamId, bytes: Bytes, now: Instant) {
        let len = bytes.len();
        let seat = self.streams.get(&stream).and_then(|key| self.seats.get_mut(key));
        let Some(seat) = seat else { return };
        seat.undelivered += len;
        seat.span_bytes += len as u64;
        seat.deliver(Delivery::Data(bytes));
        self.undelivered += len;
        if is_behind(seat.undelivered, self.undelivered) {
            self.stride += len;
        }
        if self.stride >= STRIDE_BYTES {
            self.stride = 0;
            self.paused_until = Some(now + STRIDE_PAUSE);
        }
    }

    fn breach(&mut self, stream: StreamId, breach: Breach) {
        if let Some(seat) = self.streams.remove(&stream).and_then(|key| self.leave(key)) {
            let _ = seat.place.breach.send(breach);
        }
    }

    fn leave(&mut self, key: Key) -> Option<Seat> {
        let seat = self.seats.remove(&key)?;
        self.undelivered -= seat.undelivered;
        self.owed -= seat.owed;
        Some(seat)
    }

    fn measure(&mut self, bytes: usize, now: Instant) {
        self.totals.down_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.load.note_used(now);
        self.span_bytes += bytes as u64;
        let span = now.saturating_duration_since(self.span_start);
        if span < LOAD_SPAN {
            return;
        }
        let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let worth_counting = (self.span_bytes / SHARE_OF_SPAN).max(1);
        let shares = self.seats.values_mut().map(|seat| std::mem::take(&mut seat.span_bytes));
        let receiving = shares.filter(|bytes| *bytes >= worth_counting).count();
        self.load.note_down_rate(self.span_bytes * 1000 / span_ms.max(1), receiving, now);
        self.span_start = now;
        self.span_bytes = 0;
    }
}

/// Says whether a program, or all together, should be given a moment to catch up.
fn is_behind(one: usize, all: usize) -> bool {
    one > BEHIND_BYTES || all > ALL_BEHIND_BYTES
}

impl Seat {
    fn new(place: Place) -> Self {
        Self {
            place,
            stream: None,
            early: VecDeque::new(),
            is_finished: false,
            backlog: VecDeque::new(),
            owed: 0,
            undelivered: 0,
            span_bytes: 0,
        }
    }

    /// Takes bytes in and counts them as owed, here and in all.
    fn take_in(&mut self, bytes: Outgoing, owed: &mut usize) {
        self.owed += bytes.len();
        *owed += bytes.len();
        self.early.push_back(bytes);
    }

    /// Hands to the connection what its queue takes; the rest follows as it consumes.
    fn deliver(&mut self, delivery: Delivery) {
        self.backlog.push_back(delivery);
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(delivery) = self.backlog.pop_front() {
            match self.place.deliveries.try_send(delivery) {
                Ok(()) => {}
                Err(TrySendError::Full(delivery)) => {
                    self.backlog.push_front(delivery);
                    return;
                }
                // The connection is gone and will say so.
                Err(TrySendError::Closed(_)) => self.backlog.clear(),
            }
        }
    }
}

impl Role for PortRole {
    fn handle_ready(&mut self, ready: &protocol::Ready, now: Instant) -> Result<(), &'static str> {
        let properties = Self::properties(&ready.kind).ok_or("port session")?;
        let agent_version = ready.agent_version.as_ref();
        let mut config = PortConfig::new(properties.kind, agent_version, &self.client_version);
        config.linger = self.settings.linger;
        config.send_buffer = CREDIT_BYTES;
        if let Some(interval) = self.settings.keep_alive {
            config = config.keep_alive_every(interval);
        }
        self.frames_ahead = properties.kind == PortKind::Mux && !ready.encrypted;
        self.is_stdio = properties.kind == PortKind::Stdio;
        self.settings.is_for_one |= self.is_stdio;
        self.port = Some(Port::new(config, now));
        self.load.note_ready();
        self.admit(now);
        Ok(())
    }

    fn handle_event(
        &mut self,
        event: Event,
        _channel: &mut DataChannel,
        now: Instant,
    ) -> Result<(), PeerError> {
        let Some(port) = &mut self.port else { return Ok(()) };
        if let Event::Output(bytes) = event {
            let len = bytes.len();
            port.handle_output(bytes, now)?;
            self.measure(len, now);
            // At once, so that the next frame is read only if there is room for it.
            self.handle_port_events(now);
        } else if let Event::Flag(flag) = event {
            port.handle_flag(flag);
        } else if let Event::FlagAcknowledged(flag) = event {
            port.handle_flag_acknowledged(flag);
        }
        Ok(())
    }

    fn poll_local(
        &mut self,
        cx: &mut Context<'_>,
        _channel: &mut DataChannel,
        now: Instant,
    ) -> Poll<Wish> {
        let mut has_moved = false;
        for _ in 0..MESSAGES_A_TURN {
            match self.messages.poll_recv(cx) {
                Poll::Ready(Some(message)) => {
                    self.handle_message(message, now);
                    has_moved = true;
                }
                // The tunnel is gone; its session ends by its token.
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        has_moved |= self.handle_port_events(now);
        self.repay();
        if self.settings.is_for_one && self.had_connection && self.seats.is_empty() {
            return Poll::Ready(Wish::End);
        }
        if has_moved { Poll::Ready(Wish::Again) } else { Poll::Pending }
    }

    fn feed(&mut self, channel: &mut DataChannel) -> bool {
        let limit = channel.payload_limit();
        if self.frames_ahead && limit != self.told_limit {
            self.told_limit = limit;
            for seat in self.seats.values().filter(|seat| seat.stream.is_some()) {
                seat.place.framing.set_message_bytes(Segment::longest(limit));
            }
        }
        let Some(port) = &mut self.port else { return false };
        let room = limit.min(channel.input_capacity());
        if room == 0 {
            return false;
        }
        // The piece's buffer is as large as what is asked for and lives until it is
        // acknowledged: a keystroke should not hold the largest message's worth.
        let ample = self.owed + SMALL_BYTES;
        match port.poll_transmit(room.min(ample)) {
            None => return false,
            Some(PortTransmit::Flag(flag)) => channel.send_flag(flag),
            Some(PortTransmit::Input(input)) => {
                if let Err(error) = channel.send_input(input) {
                    tracing::error!(%error, "a piece cut to fit did not fit");
                    return false;
                }
            }
        }
        true
    }

    fn takes_output(&self) -> bool {
        let is_held = self.seats.len() == 1 && self.undelivered >= ALONE_BYTES;
        !is_held
            && self.paused_until.is_none()
            && !self.port.as_ref().is_some_and(Port::is_congested)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let port = self.port.as_ref().and_then(Port::poll_timeout).map(|(at, _)| at);
        port.into_iter().chain(self.paused_until).min()
    }

    fn handle_timeout(&mut self, _channel: &mut DataChannel, now: Instant) {
        self.paused_until.take_if(|at| *at <= now);
        if let Some(port) = &mut self.port {
            port.handle_timeout(now);
        }
    }

    fn may_stay_silent(&self) -> bool {
        false
    }

    fn may_finish(&self) -> bool {
        self.is_stdio
    }

    fn ends_by_flag(&self) -> bool {
        true
    }

    fn handle_end(&mut self, end: &SessionEnd) -> BoxFuture<'static, ()> {
        self.messages.close();
        self.handle_port_events(clock::now());
        let seats = std::mem::take(&mut self.seats);
        if matches!(end, SessionEnd::Finished { .. }) {
            // The far side has said all it will; that must still be heard.
            return Box::pin(async move {
                for (_, seat) in seats {
                    for delivery in seat.backlog.into_iter().chain([Delivery::Finished]) {
                        let _ = seat.place.deliveries.send(delivery).await;
                    }
                }
            });
        }
        for (_, seat) in seats {
            let _ = seat.place.breach.send(Breach::Lost);
        }
        Box::pin(std::future::ready(()))
    }
}
