//! smux version 1: many connections in one byte stream.
//!
//! Version 1 has no flow control of its own and no half-close: a FIN ends a stream both ways.
//! So this end keeps a budget for what arrives faster than it is consumed, and holds a FIN back
//! while the far side may still answer.

pub mod frame;
mod schedule;
pub(crate) mod segment;
mod stream;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use self::frame::{Command, FRAME_HEADER_LEN, Frame, FrameDecoder, StreamId, put_header};
use self::schedule::Schedule;
use self::segment::Outgoing;
use self::stream::{LocalSide, Stream};
use crate::error::PeerError;
use crate::outbox::InputBuffer;
use crate::port::{PortConfig, PortError, PortEvent};

/// The client's end of a mux.
#[derive(Debug)]
pub(crate) struct Mux {
    config: PortConfig,
    streams: BTreeMap<StreamId, Stream>,
    last_id: u32,
    schedule: Schedule,
    decoder: FrameDecoder,
    /// Bare frames that wait to be sent, ahead of all data.
    bare: VecDeque<Frame>,
    events: VecDeque<PortEvent>,
    /// Bytes handed out as events and not yet consumed, over all streams.
    unconsumed: usize,
    /// Refused destinations whose stream is not known yet.
    refusals: usize,
    keep_alive: Option<KeepAlive>,
}

#[derive(Debug)]
struct KeepAlive {
    at: Instant,
    /// Something was sent since the last look.
    was_busy: bool,
}

/// The stream of frames that concern the whole mux.
const NO_STREAM: StreamId = StreamId(0);

impl Mux {
    pub(crate) fn new(config: PortConfig, now: Instant) -> Self {
        let keep_alive =
            config.keep_alive.map(|interval| KeepAlive { at: now + interval, was_busy: false });
        Self {
            config,
            streams: BTreeMap::new(),
            last_id: 1,
            schedule: Schedule::default(),
            decoder: FrameDecoder::new(),
            bare: VecDeque::new(),
            events: VecDeque::new(),
            unconsumed: 0,
            refusals: 0,
            keep_alive,
        }
    }

    pub(crate) fn open(&mut self) -> Result<StreamId, PortError> {
        self.last_id = self.last_id.checked_add(2).ok_or(PortError::Exhausted)?;
        let id = StreamId(self.last_id);
        self.streams.insert(id, Stream::default());
        self.schedule.wake(id);
        Ok(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }

    pub(crate) fn capacity(&self, id: StreamId) -> usize {
        self.streams.get(&id).map_or(0, |stream| stream.capacity(self.config.send_buffer))
    }

    pub(crate) fn send(&mut self, id: StreamId, bytes: Outgoing) -> Result<(), PortError> {
        let stream = self.streams.get_mut(&id).ok_or(PortError::Unknown { id })?;
        stream.push(bytes, self.config.send_buffer)?;
        self.schedule.wake(id);
        Ok(())
    }

    /// The local side will send nothing more.
    pub(crate) fn finish(&mut self, id: StreamId, now: Instant) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.local == LocalSide::Open {
            if self.config.linger.is_zero() {
                stream.local = LocalSide::Closing;
                self.schedule.wake(id);
            } else {
                stream.local = LocalSide::Lingering { until: now + self.config.linger };
            }
        }
    }

    /// The local side is gone: what it sent and is not on its way is discarded.
    pub(crate) fn close(&mut self, id: StreamId) {
        if let Some(stream) = self.forget(id)
            && stream.is_announced
        {
            self.bare.push_back(Frame::bare(Command::Fin, id));
        }
    }

    pub(crate) fn consumed(&mut self, id: StreamId, bytes: usize) {
        if let Some(stream) = self.streams.get_mut(&id) {
            let bytes = bytes.min(stream.unconsumed);
            stream.unconsumed -= bytes;
            self.unconsumed -= bytes;
        }
    }

    /// Whether the only stream has as much waiting as it may: to read on would only make it more.
    pub(crate) fn is_congested(&self) -> bool {
        self.streams.len() == 1 && self.unconsumed >= self.config.stream_budget
    }

    pub(crate) fn handle_output(&mut self, bytes: Bytes, now: Instant) -> Result<(), PeerError> {
        self.decoder.push(bytes);
        while let Some(frame) = self.decoder.next()? {
            match frame.command {
                Command::Psh => self.handle_data(frame.stream, frame.payload, now),
                Command::Fin => self.handle_fin(frame.stream),
                // The agent opens no streams, and its keep-alive asks for nothing.
                Command::Syn | Command::Nop => {}
            }
        }
        Ok(())
    }

    fn handle_data(&mut self, id: StreamId, bytes: Bytes, now: Instant) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !stream.is_announced || bytes.is_empty() {
            return;
        }
        stream.has_received = true;
        stream.unconsumed += bytes.len();
        if let LocalSide::Lingering { until } = &mut stream.local {
            *until = now + self.config.linger;
        }
        self.unconsumed += bytes.len();
        let is_over = stream.unconsumed > self.config.stream_budget;
        self.events.push_back(PortEvent::Data(id, bytes));
        if is_over && self.streams.len() > 1 {
            self.overrun(id);
        } else if self.unconsumed > self.config.total_budget
            && let Some(id) = self.slowest()
        {
            self.overrun(id);
        }
    }

    /// The stream whose local side has the most to catch up with.
    fn slowest(&self) -> Option<StreamId> {
        self.streams.iter().max_by_key(|(_, stream)| stream.unconsumed).map(|(id, _)| *id)
    }

    /// The local side of a stream does not keep up: the stream is given up, so that the others
    /// go on.
    fn overrun(&mut self, id: StreamId) {
        tracing::warn!(stream = %id, "the local side does not keep up: the stream is reset");
        self.close(id);
        self.events.push_back(PortEvent::Overrun(id));
    }

    fn handle_fin(&mut self, id: StreamId) {
        if !self.streams.get(&id).is_some_and(|stream| stream.is_announced) {
            return;
        }
        let Some(stream) = self.forget(id) else { return };
        self.bare.push_back(Frame::bare(Command::Fin, id));
        let is_refused = !stream.has_received && self.refusals > 0;
        self.events.push_back(if is_refused {
            self.refusals -= 1;
            PortEvent::Refused(id)
        } else {
            PortEvent::Finished(id)
        });
    }

    /// A destination was refused. The flag names no stream, but dials complete in the order of
    /// their SYNs and the flag precedes the FIN: the next FIN of a stream that never received
    /// anything is the one.
    pub(crate) fn handle_refusal(&mut self) {
        let candidates = self
            .streams
            .values()
            .filter(|stream| stream.is_announced && !stream.has_received)
            .count();
        self.refusals = (self.refusals + 1).min(candidates);
    }

    fn forget(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.streams.remove(&id)?;
        self.unconsumed -= stream.unconsumed;
        self.schedule.sleep(id);
        Some(stream)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let lingered: Vec<StreamId> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.linger_until().is_some_and(|until| until <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in lingered {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.local = LocalSide::Closing;
                self.schedule.wake(id);
            }
        }
        if let (Some(keep_alive), Some(interval)) = (&mut self.keep_alive, self.config.keep_alive)
            && keep_alive.at <= now
        {
            keep_alive.at = now + interval;
            if !std::mem::take(&mut keep_alive.was_busy) {
                self.bare.push_back(Frame::bare(Command::Nop, NO_STREAM));
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let keep_alive = self.keep_alive.as_ref().map(|keep_alive| (keep_alive.at, "keep-alive"));
        let linger = self.streams.values().filter_map(Stream::linger_until).min();
        linger.map(|at| (at, "linger")).into_iter().chain(keep_alive).min()
    }

    pub(crate) fn poll_event(&mut self) -> Option<PortEvent> {
        self.events.pop_front()
    }

    /// The next part of the byte stream, at most `max` bytes: bare frames, then what the
    /// schedule says.
    pub(crate) fn poll_transmit(&mut self, max: usize) -> Option<InputBuffer> {
        if max < FRAME_HEADER_LEN || (self.bare.is_empty() && self.schedule.is_idle()) {
            return None;
        }
        self.schedule.begin_turn();
        if self.bare.is_empty()
            && let Some(message) = self.take_message(max)
        {
            return Some(message);
        }
        let mut buffer = InputBuffer::with_capacity(max);
        while buffer.len() + FRAME_HEADER_LEN <= max
            && let Some(frame) = self.bare.pop_front()
        {
            put_header(buffer.tail(), frame.command, 0, frame.stream);
        }
        self.fill(&mut buffer, max);
        if buffer.is_empty() {
            return None;
        }
        self.note_busy();
        Some(buffer)
    }

    fn note_busy(&mut self) {
        if let Some(keep_alive) = &mut self.keep_alive {
            keep_alive.was_busy = true;
        }
    }

    /// What the stream whose turn it is has ready as a whole message, if that is about as long as
    /// it may be: shorter ones travel together.
    fn take_message(&mut self, max: usize) -> Option<InputBuffer> {
        let id = self.schedule.next()?;
        let stream = self.streams.get_mut(&id)?;
        let message = stream.take_message(id, max - max / 8..=max)?;
        self.spent(id, message.len());
        self.note_busy();
        Some(message)
    }

    fn fill(&mut self, buffer: &mut InputBuffer, max: usize) {
        while let Some(id) = self.schedule.next() {
            let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.has_more()) else {
                self.schedule.sleep(id);
                continue;
            };
            let room = max - buffer.len();
            let Some(sent) = stream.write(id, buffer.tail(), room) else { return };
            self.spent(id, sent);
        }
    }

    /// The stream whose turn it was has sent this much.
    fn spent(&mut self, id: StreamId, bytes: usize) {
        self.schedule.spent(bytes);
        let Some(stream) = self.streams.get(&id).filter(|stream| !stream.has_more()) else {
            return;
        };
        if stream.is_over() {
            self.forget(id);
            self.events.push_back(PortEvent::Finished(id));
        } else {
            self.schedule.sleep(id);
        }
    }
}
