//! Bytes of a connection on their way into a mux.
//!
//! The task that owns a session frames and digests all its messages, so it bounds how fast a
//! transfer gets. A [`Segment`] takes from it what costs most: whoever reads the local socket
//! reads into the message to be, and takes its digest there.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::frame::{Command, FRAME_HEADER_LEN, MAX_FRAME_PAYLOAD, StreamId, put_header};
use crate::message::{Digest, HEADER_LEN, digest, frame_buffer};
use crate::outbox::InputBuffer;

/// Room in front of the bytes of a segment: the message's header, then the mux frame's.
const HEAD: usize = HEADER_LEN + FRAME_HEADER_LEN;

/// Bytes of one stream, with room in front for all that makes a message of them.
pub struct Segment {
    frame: BytesMut,
    framed: Option<(StreamId, Digest)>,
}

impl Segment {
    /// The most bytes that make one message of at most `payload_limit` bytes: 0 if that is too
    /// short for any.
    pub fn longest(payload_limit: usize) -> usize {
        payload_limit.saturating_sub(FRAME_HEADER_LEN).min(MAX_FRAME_PAYLOAD)
    }

    /// An empty segment with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut frame = frame_buffer(FRAME_HEADER_LEN + capacity);
        frame.put_bytes(0, FRAME_HEADER_LEN);
        Self { frame, framed: None }
    }

    /// The buffer to append the bytes to; what it has already is not to be touched.
    pub fn tail(&mut self) -> &mut BytesMut {
        self.framed = None;
        &mut self.frame
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.frame.get(HEAD..).unwrap_or_default()
    }

    /// Forgets the bytes and keeps the room.
    pub fn clear(&mut self) {
        self.framed = None;
        self.frame.truncate(HEAD);
    }

    /// Makes one frame of `stream` of the bytes, and takes its digest. Without effect on more
    /// bytes than [`MAX_FRAME_PAYLOAD`].
    pub fn frame_for(&mut self, stream: StreamId) {
        let Ok(length) = u16::try_from(self.bytes().len()) else { return };
        if usize::from(length) > MAX_FRAME_PAYLOAD {
            return;
        }
        let mut header = BytesMut::with_capacity(FRAME_HEADER_LEN);
        put_header(&mut header, Command::Psh, length, stream);
        if let Some(room) = self.frame.get_mut(HEADER_LEN..HEAD) {
            room.copy_from_slice(&header);
        }
        let payload = self.frame.get(HEADER_LEN..).unwrap_or_default();
        self.framed = Some((stream, digest(payload)));
    }

    /// The bytes as they are, without a copy.
    pub fn into_bytes(self) -> Bytes {
        let mut bytes = self.frame.freeze();
        bytes.advance(HEAD);
        bytes
    }
}

/// Prints lengths only.
impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segment({} bytes)", self.bytes().len())
    }
}

/// Bytes for [`Port::send`](crate::Port::send).
pub enum Outgoing {
    /// To be put into messages.
    Bytes(Bytes),
    /// To be a message as they are, where that is possible.
    Segment(Segment),
}

impl Outgoing {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Segment(segment) => segment.bytes().len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes as they are, without a copy.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Segment(segment) => segment.into_bytes(),
        }
    }

    /// Payload bytes of the message that this can be as it is on `stream`.
    pub(super) fn message_len(&self, stream: StreamId) -> Option<usize> {
        match self {
            Self::Segment(Segment { frame, framed: Some((framed_for, _)) })
                if *framed_for == stream =>
            {
                Some(frame.len() - HEADER_LEN)
            }
            Self::Segment(_) | Self::Bytes(_) => None,
        }
    }

    /// The message itself.
    pub(super) fn into_message(self) -> Result<InputBuffer, Self> {
        match self {
            Self::Segment(Segment { frame, framed: Some((_, digest)) }) => {
                Ok(InputBuffer::digested(frame, digest))
            }
            other @ (Self::Segment(_) | Self::Bytes(_)) => Err(other),
        }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outgoing({} bytes)", self.len())
    }
}

impl From<Bytes> for Outgoing {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Segment> for Outgoing {
    fn from(segment: Segment) -> Self {
        Self::Segment(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_framed_segment_is_the_message_without_a_copy() {
        let mut segment = Segment::with_capacity(64);
        segment.tail().extend_from_slice(b"abc");
        let place = segment.bytes().as_ptr();
        segment.frame_for(StreamId(3));
        let known = segment.framed.map(|(_, digest)| digest);
        assert_eq!(known, Some(digest(b"\x01\x02\x03\x00\x03\x00\x00\x00abc")));
        let outgoing = Outgoing::from(segment);
        assert_eq!(outgoing.message_len(StreamId(3)), Some(FRAME_HEADER_LEN + 3));
        assert_eq!(outgoing.message_len(StreamId(5)), None, "framed for another stream");
        let message = outgoing.into_message().expect("framed");
        let bytes = crate::Input::from(message).into_bytes();
        assert_eq!(&bytes[..], b"\x01\x02\x03\x00\x03\x00\x00\x00abc");
        assert_eq!(bytes[FRAME_HEADER_LEN..].as_ptr(), place);
    }

    #[test]
    fn what_is_appended_later_undoes_the_framing() {
        let mut segment = Segment::with_capacity(64);
        segment.tail().extend_from_slice(b"abc");
        segment.frame_for(StreamId(3));
        segment.tail().extend_from_slice(b"d");
        let outgoing = Outgoing::from(segment);
        assert_eq!(outgoing.message_len(StreamId(3)), None);
        assert_eq!(outgoing.into_bytes(), "abcd");
    }

    #[test]
    fn a_frame_longer_than_peers_take_is_not_made() {
        let mut segment = Segment::with_capacity(0);
        segment.tail().put_bytes(7, MAX_FRAME_PAYLOAD + 1);
        segment.frame_for(StreamId(3));
        assert_eq!(Outgoing::from(segment).message_len(StreamId(3)), None);
        assert_eq!(Segment::longest(usize::MAX), MAX_FRAME_PAYLOAD);
        assert_eq!(Segment::longest(3), 0);
    }
}
