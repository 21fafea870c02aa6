//! One connection's lane.

use std::collections::VecDeque;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Instant;

use bytes::BytesMut;

use super::frame::{Command, FRAME_HEADER_LEN, StreamId, put_header};
use super::segment::Outgoing;
use crate::outbox::InputBuffer;
use crate::port::PortError;

/// The longest payload of one frame: short enough that a frame of another stream waits little
/// behind it at the far end.
const FRAME_PAYLOAD: usize = 16 * 1024;

/// A frame shorter than this is not begun for data that goes on after it.
const LEAST_FRAGMENT: usize = 64;

/// What the local side of a stream does.
///
/// ```text
/// Open ──local end of input──► Lingering ──nothing comes for a while──► Closing ──FIN sent──► gone
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LocalSide {
    #[default]
    Open,
    /// It sends nothing more, but may still be answered: FIN would end that.
    Lingering { until: Instant },
    /// FIN follows what is queued.
    Closing,
}

#[derive(Default)]
pub(super) struct Stream {
    outgoing: VecDeque<Outgoing>,
    outgoing_bytes: usize,
    /// SYN is on its way.
    pub(super) is_announced: bool,
    /// FIN is on its way.
    is_closed: bool,
    pub(super) local: LocalSide,
    pub(super) has_received: bool,
    /// Bytes handed to the local side and not yet consumed by it.
    pub(super) unconsumed: usize,
}

impl Stream {
    /// Bytes that may be queued now.
    pub(super) fn capacity(&self, limit: usize) -> usize {
        if self.local == LocalSide::Open { limit.saturating_sub(self.outgoing_bytes) } else { 0 }
    }

    pub(super) fn push(&mut self, bytes: Outgoing, limit: usize) -> Result<(), PortError> {
        let (len, capacity) = (bytes.len(), self.capacity(limit));
        if len > capacity {
            return Err(PortError::Full { len, capacity });
        }
        if len > 0 {
            self.outgoing_bytes += len;
            self.outgoing.push_back(bytes);
        }
        Ok(())
    }

    pub(super) fn linger_until(&self) -> Option<Instant> {
        match self.local {
            LocalSide::Lingering { until } => Some(until),
            LocalSide::Open | LocalSide::Closing => None,
        }
    }

    /// Whether a frame could be written.
    pub(super) fn has_more(&self) -> bool {
        self.outgoing_bytes > 0
            || !self.is_announced
            || (self.local == LocalSide::Closing && !self.is_closed)
    }

    /// Whether both SYN and FIN are on their way.
    pub(super) fn is_over(&self) -> bool {
        self.is_closed
    }

    /// What comes first, as the message it is, if its length is `wanted` and nothing has to
    /// precede it.
    pub(super) fn take_message(
        &mut self,
        id: StreamId,
        wanted: RangeInclusive<usize>,
    ) -> Option<InputBuffer> {
        let first = self.outgoing.front().filter(|_| self.is_announced)?;
        first.message_len(id).filter(|len| wanted.contains(len))?;
        let first = self.outgoing.pop_front()?;
        self.outgoing_bytes -= first.len();
        first.into_message().ok()
    }

    /// Appends SYN, one frame of data, and FIN, as far as there is something to say and `room`.
    /// Returns how much was written; `None` if there is no room for anything.
    pub(super) fn write(
        &mut self,
        id: StreamId,
        out: &mut BytesMut,
        mut room: usize,
    ) -> Option<usize> {
        let start = out.len();
        if !self.is_announced {
            room = room.checked_sub(FRAME_HEADER_LEN)?;
            put_header(out, Command::Syn, 0, id);
            self.is_announced = true;
        }
        if self.outgoing_bytes > 0
            && let Some(space) = room.checked_sub(FRAME_HEADER_LEN)
            && let space = space.min(FRAME_PAYLOAD)
            && (space >= LEAST_FRAGMENT || space >= self.outgoing_bytes)
        {
            room -= self.write_data(id, out, space);
        }
        if self.outgoing_bytes == 0
            && self.local == LocalSide::Closing
            && !self.is_closed
            && room >= FRAME_HEADER_LEN
        {
            put_header(out, Command::Fin, 0, id);
            self.is_closed = true;
        }
        Some(out.len() - start).filter(|written| *written > 0)
    }

    fn write_data(&mut self, id: StreamId, out: &mut BytesMut, space: usize) -> usize {
        let mut rest = self.outgoing_bytes.min(space);
        let length = u16::try_from(rest).expect("a frame is at most FRAME_PAYLOAD long");
        put_header(out, Command::Psh, length, id);
        while rest > 0
            && let Some(front) = self.outgoing.pop_front()
        {
            let mut bytes = front.into_bytes();
            let part = bytes.split_to(rest.min(bytes.len()));
            out.extend_from_slice(&part);
            rest -= part.len();
            self.outgoing_bytes -= part.len();
            if !bytes.is_empty() {
                self.outgoing.push_front(bytes.into());
            }
        }
        FRAME_HEADER_LEN + usize::from(length)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("outgoing_bytes", &self.outgoing_bytes)
            .field("is_announced", &self.is_announced)
            .field("local", &self.local)
            .field("has_received", &self.has_received)
            .field("unconsumed", &self.unconsumed)
            .finish_non_exhaustive()
    }
}
