//! One connection at a time: old agents, and SSH.
//!
//! There is no framing: output is the connection's bytes. The agent dials when the session
//! starts, and again on the first input after a disconnect flag. It does not tell when the
//! destination closes. Whatever arrives between a disconnect and the first input after it
//! belongs to a connection that is gone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{PortConfig, PortError, PortEvent, PortTransmit};
use crate::event::PortKind;
use crate::mux::frame::StreamId;
use crate::payload::SessionFlag;

/// How long a connection that sends nothing more may wait for the far side while another waits for
/// its turn. The agent never tells that the destination has closed, so waiting is all there is.
const LINGER_WHEN_WANTED: Duration = Duration::from_secs(1);

pub(super) struct Single {
    config: PortConfig,
    last_id: u32,
    current: Option<Connection>,
    /// Another connection waits for the current one to end.
    is_wanted: bool,
    far_side: FarSide,
    /// The flag that says that a connection is gone waits to be sent.
    pending_flag: Option<SessionFlag>,
    events: VecDeque<PortEvent>,
}

struct Connection {
    id: StreamId,
    outgoing: VecDeque<Bytes>,
    outgoing_bytes: usize,
    unconsumed: usize,
    local: Local,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Local {
    Open,
    /// It sends nothing more, but may still be answered.
    Lingering {
        until: Instant,
    },
    /// To be disconnected after what is queued.
    Closing,
}

/// What the agent's connection is.
///
/// ```text
/// Greeting ──open──► Connected ──closed──► Disconnecting ──flag acknowledged──► Idle
///                        ▲                                                       │
///                        └──────────────────── first input ──────────────────────┘
/// ```
enum FarSide {
    /// Dialled by the agent on its own; what it says before anyone is here to listen is kept.
    Greeting {
        bytes: VecDeque<Bytes>,
        len: usize,
    },
    Connected,
    /// The agent was told to close it. Nothing is sent until it has.
    Disconnecting,
    /// The agent will dial on the next input.
    Idle,
}

impl Single {
    pub(super) fn new(config: PortConfig) -> Self {
        Self {
            config,
            last_id: 1,
            current: None,
            is_wanted: false,
            far_side: FarSide::Greeting { bytes: VecDeque::new(), len: 0 },
            pending_flag: None,
            events: VecDeque::new(),
        }
    }

    pub(super) fn open(&mut self) -> Result<StreamId, PortError> {
        if self.current.is_some() {
            return Err(PortError::Busy);
        }
        if self.config.kind == PortKind::Stdio && self.last_id > 1 {
            return Err(PortError::Exhausted);
        }
        self.last_id = self.last_id.checked_add(2).ok_or(PortError::Exhausted)?;
        self.is_wanted = false;
        let id = StreamId(self.last_id);
        let mut unconsumed = 0;
        if let FarSide::Greeting { bytes, len } = &mut self.far_side {
            unconsumed = *len;
            self.events.extend(bytes.drain(..).map(|bytes| PortEvent::Data(id, bytes)));
            self.far_side = FarSide::Connected;
        }
        self.current = Some(Connection {
            id,
            outgoing: VecDeque::new(),
            outgoing_bytes: 0,
            unconsumed,
            local: Local::Open,
        });
        Ok(id)
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.current.is_some())
    }

    pub(super) fn capacity(&self, id: StreamId) -> usize {
        self.current
            .as_ref()
            .filter(|current| current.id == id && current.local == Local::Open)
            .map_or(0, |current| self.config.send_buffer.saturating_sub(current.outgoing_bytes))
    }

    pub(super) fn send(&mut self, id: StreamId, bytes: Bytes) -> Result<(), PortError> {
        let (len, capacity) = (bytes.len(), self.capacity(id));
        let current = self.current_mut(id).ok_or(PortError::Unknown { id })?;
        if len > capacity {
            return Err(PortError::Full { len, capacity });
        }
        if len > 0 {
            current.outgoing_bytes += len;
            current.outgoing.push_back(bytes);
        }
        Ok(())
    }

    /// Another connection waits: one that lingers does so briefly.
    pub(super) fn handle_wanted(&mut self, now: Instant) {
        self.is_wanted = true;
        let brief = now + self.linger();
        if let Some(Connection { local: Local::Lingering { until }, .. }) = &mut self.current {
            *until = brief.min(*until);
        }
    }

    fn linger(&self) -> Duration {
        if self.is_wanted { self.config.linger.min(LINGER_WHEN_WANTED) } else { self.config.linger }
    }

    pub(super) fn finish(&mut self, id: StreamId, now: Instant) {
        let linger = self.linger();
        if let Some(current) = self.current_mut(id)
            && current.local == Local::Open
        {
            current.local = if linger.is_zero() {
                Local::Closing
            } else {
                Local::Lingering { until: now + linger }
            };
        }
    }

    pub(super) fn close(&mut self, id: StreamId) {
        if self.current_mut(id).is_some() {
            self.disconnect();
        }
    }

    /// Lets the connection go and has the agent do the same.
    fn disconnect(&mut self) {
        self.current = None;
        // An agent that has not dialled again yet has nothing to close.
        if !matches!(self.far_side, FarSide::Idle | FarSide::Disconnecting) {
            self.far_side = FarSide::Disconnecting;
            self.pending_flag = Some(match self.config.kind {
                PortKind::Stdio => SessionFlag::TerminateSession,
                PortKind::Mux | PortKind::Single => SessionFlag::DisconnectToPort,
            });
        }
    }

    /// The agent has closed its connection.
    pub(super) fn handle_disconnected(&mut self) {
        if matches!(self.far_side, FarSide::Disconnecting) {
            self.far_side = FarSide::Idle;
        }
    }

    pub(super) fn handle_refusal(&mut self) {
        if let Some(current) = self.current.take() {
            self.events.push_back(PortEvent::Refused(current.id));
            self.far_side = FarSide::Idle;
        }
    }

    pub(super) fn consumed(&mut self, id: StreamId, bytes: usize) {
        if let Some(current) = self.current_mut(id) {
            current.unconsumed = current.unconsumed.saturating_sub(bytes);
        }
    }

    pub(super) fn is_congested(&self) -> bool {
        let waiting = match (&self.current, &self.far_side) {
            (Some(current), _) => current.unconsumed,
            (None, FarSide::Greeting { len, .. }) => *len,
            (None, FarSide::Connected | FarSide::Disconnecting | FarSide::Idle) => 0,
        };
        waiting >= self.config.stream_budget
    }

    pub(super) fn handle_output(&mut self, payload: Bytes, now: Instant) {
        let linger = self.linger();
        match (&mut self.far_side, &mut self.current) {
            (FarSide::Greeting { bytes, len }, _) => {
                *len += payload.len();
                bytes.push_back(payload);
            }
            (FarSide::Connected, Some(current)) => {
                current.unconsumed += payload.len();
                if let Local::Lingering { until } = &mut current.local {
                    *until = now + linger;
                }
                self.events.push_back(PortEvent::Data(current.id, payload));
            }
            (FarSide::Connected, None) | (FarSide::Disconnecting | FarSide::Idle, _) => {
                tracing::debug!(len = payload.len(), "bytes of a connection that is gone");
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(current) = &mut self.current
            && let Local::Lingering { until } = current.local
            && until <= now
        {
            current.local = Local::Closing;
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        match self.current.as_ref()?.local {
            Local::Lingering { until } => Some((until, "linger")),
            Local::Open | Local::Closing => None,
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<PortEvent> {
        self.events.pop_front()
    }

    pub(super) fn poll_transmit(&mut self, max: usize) -> Option<PortTransmit> {
        if let Some(flag) = self.pending_flag.take() {
            return Some(PortTransmit::Flag(flag));
        }
        if matches!(self.far_side, FarSide::Disconnecting) || max == 0 {
            return None;
        }
        let current = self.current.as_mut()?;
        if let Some(front) = current.outgoing.front_mut() {
            let part = front.split_to(max.min(front.len()));
            if front.is_empty() {
                current.outgoing.pop_front();
            }
            current.outgoing_bytes -= part.len();
            self.far_side = FarSide::Connected;
            return Some(PortTransmit::Input(part.into()));
        }
        if current.local == Local::Closing {
            self.events.push_back(PortEvent::Finished(current.id));
            self.disconnect();
            return self.pending_flag.take().map(PortTransmit::Flag);
        }
        None
    }

    fn current_mut(&mut self, id: StreamId) -> Option<&mut Connection> {
        self.current.as_mut().filter(|current| current.id == id)
    }
}

impl std::fmt::Debug for Single {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Single")
            .field("current", &self.current.as_ref().map(|current| current.id))
            .finish_non_exhaustive()
    }
}
