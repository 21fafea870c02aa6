//! Connections over a port session: muxed, or one at a time, behind one face.

mod single;

use std::time::{Duration, Instant};

use bytes::Bytes;

use self::single::Single;
use crate::error::PeerError;
use crate::event::PortKind;
use crate::mux::Mux;
use crate::mux::frame::StreamId;
use crate::mux::segment::Outgoing;
use crate::outbox::Input;
use crate::payload::SessionFlag;
use crate::version::AgentVersion;

/// How often an agent that expects keep-alive must hear something.
const REQUIRED_KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What a [`Port`] is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// How connections share the session.
    pub kind: PortKind,
    /// How often to send something when there is nothing to send. Counts as activity, so it
    /// defeats the service's idle timeout. Mux only.
    pub keep_alive: Option<Duration>,
    /// How long a stream whose local side has sent its last byte waits for the far side, after
    /// the last byte from there. Zero ends it at once, as the official client does.
    pub linger: Duration,
    /// Bytes a stream queues before [`Port::capacity`] is 0.
    pub send_buffer: usize,
    /// Bytes one stream may have handed out and not yet consumed, while there are others.
    pub stream_budget: usize,
    /// The same over all streams.
    pub total_budget: usize,
}

impl PortConfig {
    /// The defaults for a session, with the keep-alive its agent needs.
    pub fn new(kind: PortKind, agent_version: Option<&AgentVersion>, client_version: &str) -> Self {
        let is_required = kind == PortKind::Mux
            && agent_version.is_none_or(|agent| agent.needs_mux_keep_alive(client_version));
        Self {
            kind,
            keep_alive: is_required.then_some(REQUIRED_KEEP_ALIVE),
            linger: Duration::from_secs(30),
            send_buffer: 256 * 1024,
            stream_budget: 16 * 1024 * 1024,
            total_budget: 64 * 1024 * 1024,
        }
    }

    /// Keeps the session alive at this interval even where the agent does not need it.
    pub fn keep_alive_every(mut self, interval: Duration) -> Self {
        self.keep_alive = Some(self.keep_alive.map_or(interval, |needed| needed.min(interval)));
        self
    }
}

/// Something to give to the data channel.
#[derive(Debug)]
pub enum PortTransmit {
    /// For [`DataChannel::send_input`](crate::DataChannel::send_input).
    Input(Input),
    /// For [`DataChannel::send_flag`](crate::DataChannel::send_flag).
    Flag(SessionFlag),
}

/// Something to do for a local connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortEvent {
    /// Bytes for it. Say [`Port::consumed`] when they are written.
    Data(StreamId, Bytes),
    /// The stream is over, after all its data: close the connection. Its id is not used again.
    Finished(StreamId),
    /// Its destination could not be reached: reset the connection.
    Refused(StreamId),
    /// The connection did not take its bytes and the stream was given up: reset it.
    Overrun(StreamId),
}

/// Why a connection cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The session carries one connection at a time, and there is one.
    #[error("the session carries one connection at a time")]
    Busy,
    /// The session has no stream ids left: a new session is needed.
    #[error("the session has carried all connections it can")]
    Exhausted,
    /// There is no such stream, or no more.
    #[error("there is no stream {id}")]
    Unknown {
        /// The id.
        id: StreamId,
    },
    /// More than [`Port::capacity`].
    #[error("{len} bytes do not fit the {capacity} the stream takes now")]
    Full {
        /// Bytes offered.
        len: usize,
        /// Bytes that would be taken.
        capacity: usize,
    },
}

/// The connections of a port session.
///
/// Output and flags of the [`DataChannel`](crate::DataChannel) go in; what [`Self::poll_transmit`]
/// gives goes to the channel, never more than its
/// [`input_capacity`](crate::DataChannel::input_capacity), so that streams are scheduled late.
#[derive(Debug)]
pub struct Port {
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    Mux(Box<Mux>),
    Single(Box<Single>),
}

impl Port {
    /// The port of a session that just became ready.
    pub fn new(config: PortConfig, now: Instant) -> Self {
        let mode = match config.kind {
            PortKind::Mux => Mode::Mux(Box::new(Mux::new(config, now))),
            PortKind::Single | PortKind::Stdio => Mode::Single(Box::new(Single::new(config))),
        };
        Self { mode }
    }

    /// Begins a stream for a new connection. Queue what the connection has to say before
    /// polling for output: the first bytes then travel with the opening.
    ///
    /// # Errors
    /// [`PortError::Busy`] or [`PortError::Exhausted`].
    pub fn open(&mut self) -> Result<StreamId, PortError> {
        match &mut self.mode {
            Mode::Mux(mux) => mux.open(),
            Mode::Single(single) => single.open(),
        }
    }

    /// Streams that are not over.
    pub fn stream_count(&self) -> usize {
        match &self.mode {
            Mode::Mux(mux) => mux.len(),
            Mode::Single(single) => single.len(),
        }
    }

    /// Bytes that [`Self::send`] takes now.
    pub fn capacity(&self, id: StreamId) -> usize {
        match &self.mode {
            Mode::Mux(mux) => mux.capacity(id),
            Mode::Single(single) => single.capacity(id),
        }
    }

    /// Queues bytes of a connection, whole or not at all.
    ///
    /// # Errors
    /// [`PortError::Unknown`] or [`PortError::Full`].
    pub fn send(&mut self, id: StreamId, bytes: impl Into<Outgoing>) -> Result<(), PortError> {
        let bytes = bytes.into();
        match &mut self.mode {
            Mode::Mux(mux) => mux.send(id, bytes),
            Mode::Single(single) => single.send(id, bytes.into_bytes()),
        }
    }

    /// A connection was told [`PortError::Busy`] and waits. One that has sent its last byte, and
    /// is kept only for what may still come, then leaves after a second of silence.
    pub fn handle_wanted(&mut self, now: Instant) {
        match &mut self.mode {
            Mode::Mux(_) => {}
            Mode::Single(single) => single.handle_wanted(now),
        }
    }

    /// The connection has sent its last byte. The far side cannot be told without ending its
    /// answer, so it is told after [`PortConfig::linger`] only.
    pub fn finish(&mut self, id: StreamId, now: Instant) {
        match &mut self.mode {
            Mode::Mux(mux) => mux.finish(id, now),
            Mode::Single(single) => single.finish(id, now),
        }
    }

    /// The connection is gone both ways. What it sent and is not on its way is discarded; no
    /// event follows for it.
    pub fn close(&mut self, id: StreamId) {
        match &mut self.mode {
            Mode::Mux(mux) => mux.close(id),
            Mode::Single(single) => single.close(id),
        }
    }

    /// The connection has taken bytes of a [`PortEvent::Data`].
    pub fn consumed(&mut self, id: StreamId, bytes: usize) {
        match &mut self.mode {
            Mode::Mux(mux) => mux.consumed(id, bytes),
            Mode::Single(single) => single.consumed(id, bytes),
        }
    }

    /// Whether reading the websocket should stop for a while: the only connection there is does
    /// not take its bytes. With several, the slow one is given up instead, and this is false.
    ///
    /// While reading is stopped, silence says nothing about the websocket.
    pub fn is_congested(&self) -> bool {
        match &self.mode {
            Mode::Mux(mux) => mux.is_congested(),
            Mode::Single(single) => single.is_congested(),
        }
    }

    /// Takes an [`Event::Output`](crate::Event::Output) of the channel.
    ///
    /// # Errors
    /// [`PeerError::Mux`]: the mux cannot be read any further, the session is of no more use.
    pub fn handle_output(&mut self, bytes: Bytes, now: Instant) -> Result<(), PeerError> {
        match &mut self.mode {
            Mode::Mux(mux) => mux.handle_output(bytes, now),
            Mode::Single(single) => {
                single.handle_output(bytes, now);
                Ok(())
            }
        }
    }

    /// Takes an [`Event::Flag`](crate::Event::Flag) of the channel.
    pub fn handle_flag(&mut self, flag: SessionFlag) {
        match (&mut self.mode, flag) {
            (Mode::Mux(mux), SessionFlag::ConnectToPortError) => mux.handle_refusal(),
            (Mode::Single(single), SessionFlag::ConnectToPortError) => single.handle_refusal(),
            (_, SessionFlag::DisconnectToPort | SessionFlag::TerminateSession) => {}
        }
    }

    /// Takes an [`Event::FlagAcknowledged`](crate::Event::FlagAcknowledged) of the channel.
    pub fn handle_flag_acknowledged(&mut self, flag: SessionFlag) {
        if let (Mode::Single(single), SessionFlag::DisconnectToPort) = (&mut self.mode, flag) {
            single.handle_disconnected();
        }
    }

    /// A time that [`Self::poll_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.mode {
            Mode::Mux(mux) => mux.handle_timeout(now),
            Mode::Single(single) => single.handle_timeout(now),
        }
    }

    /// The next time at which [`Self::handle_timeout`] wants to be called, and what for.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        match &self.mode {
            Mode::Mux(mux) => mux.poll_timeout(),
            Mode::Single(single) => single.poll_timeout(),
        }
    }

    /// The next thing for the channel, with at most `max` bytes of input: the smaller of the
    /// channel's payload limit and its capacity.
    pub fn poll_transmit(&mut self, max: usize) -> Option<PortTransmit> {
        match &mut self.mode {
            Mode::Mux(mux) => {
                mux.poll_transmit(max).map(|buffer| PortTransmit::Input(buffer.into()))
            }
            Mode::Single(single) => single.poll_transmit(max),
        }
    }

    /// The next thing to do for a connection.
    pub fn poll_event(&mut self) -> Option<PortEvent> {
        match &mut self.mode {
            Mode::Mux(mux) => mux.poll_event(),
            Mode::Single(single) => single.poll_event(),
        }
    }
}
