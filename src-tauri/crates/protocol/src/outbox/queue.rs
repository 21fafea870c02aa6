//! Input that has no sequence number yet.
//!
//! Numbers are given at the moment of sending. So little is bound to a number that cannot be
//! taken back: an interrupt may overtake what was typed, and a smaller payload limit applies to
//! everything still here.

use std::collections::VecDeque;
use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use crate::message::{Digest, HEADER_LEN, frame_buffer};
use crate::payload::SessionFlag;

/// Bytes to send. Made from [`Bytes`], or from an [`InputBuffer`] to save a copy.
pub struct Input(Repr);

enum Repr {
    Bytes(Bytes),
    /// The header's room, then the payload; the payload's digest, if it is known.
    Frame(BytesMut, Option<Digest>),
}

/// A buffer to write input into, with room in front for the message header.
pub struct InputBuffer {
    frame: BytesMut,
    digest: Option<Digest>,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input({} bytes)", self.len())
    }
}

impl fmt::Debug for InputBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InputBuffer({} bytes)", self.len())
    }
}

impl InputBuffer {
    /// An empty buffer for about `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { frame: frame_buffer(capacity), digest: None }
    }

    /// A payload behind the header's room, whose digest is known.
    pub(crate) fn digested(frame: BytesMut, digest: Digest) -> Self {
        Self { frame, digest: Some(digest) }
    }

    /// Appends bytes.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.tail().extend_from_slice(bytes);
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.frame.len() - HEADER_LEN
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The end of the buffer, for whoever appends through [`BytesMut`].
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        self.digest = None;
        &mut self.frame
    }
}

impl Input {
    /// Bytes of user data.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Bytes(bytes) => bytes.len(),
            Repr::Frame(frame, _) => frame.len() - HEADER_LEN,
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A lone Ctrl-C.
    pub(crate) fn is_interrupt(&self) -> bool {
        match &self.0 {
            Repr::Bytes(bytes) => **bytes == [0x03],
            Repr::Frame(frame, _) => frame.split_at(HEADER_LEN).1 == [0x03],
        }
    }

    /// The bytes themselves, without a copy.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Bytes(bytes) => bytes,
            Repr::Frame(frame, _) => {
                let mut bytes = frame.freeze();
                bytes.advance(HEADER_LEN);
                bytes
            }
        }
    }
}

impl From<Bytes> for Input {
    fn from(bytes: Bytes) -> Self {
        Self(Repr::Bytes(bytes))
    }
}

impl From<&'static [u8]> for Input {
    fn from(bytes: &'static [u8]) -> Self {
        Self(Repr::Bytes(Bytes::from_static(bytes)))
    }
}

impl From<InputBuffer> for Input {
    fn from(buffer: InputBuffer) -> Self {
        Self(Repr::Frame(buffer.frame, buffer.digest))
    }
}

/// What is waiting to be numbered, in order.
#[derive(Default)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    input_bytes: usize,
}

enum Item {
    Input(Input),
    Flag(SessionFlag),
}

/// The next thing to send.
pub(super) enum Next {
    /// Input as a frame whose header is not written; the payload's digest, if it is known.
    Input(BytesMut, Option<Digest>),
    Flag(SessionFlag),
}

impl Queue {
    pub(super) fn push_input(&mut self, input: Input) {
        self.input_bytes += input.len();
        self.items.push_back(Item::Input(input));
    }

    pub(super) fn push_flag(&mut self, flag: SessionFlag) {
        self.items.push_back(Item::Flag(flag));
    }

    /// Forgets all input and returns how much that was; flags stay.
    pub(super) fn discard_input(&mut self) -> usize {
        self.items.retain(|item| matches!(item, Item::Flag(_)));
        std::mem::take(&mut self.input_bytes)
    }

    pub(super) fn input_bytes(&self) -> usize {
        self.input_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Length of the next payload if it may hold `limit` bytes of input.
    pub(super) fn next_len(&self, limit: usize) -> Option<usize> {
        match self.items.front()? {
            Item::Flag(flag) => Some(flag.encode().len()),
            Item::Input(_) => {
                let mut len = 0;
                for item in &self.items {
                    let Item::Input(input) = item else { break };
                    len += input.len();
                    if len >= limit {
                        return Some(limit);
                    }
                }
                Some(len)
            }
        }
    }

    /// Takes a flag, or as much of the input before the next flag as `limit` allows.
    pub(super) fn take(&mut self, limit: usize) -> Option<Next> {
        let first = match self.items.pop_front()? {
            Item::Flag(flag) => return Some(Next::Flag(flag)),
            Item::Input(input) => input,
        };
        let (mut frame, mut digest) = match first.0 {
            Repr::Frame(frame, digest) if frame.len() - HEADER_LEN <= limit => {
                self.input_bytes -= frame.len() - HEADER_LEN;
                (frame, digest)
            }
            longer @ Repr::Frame(..) => (self.start_frame(Input(longer).into_bytes(), limit), None),
            Repr::Bytes(bytes) => (self.start_frame(bytes, limit), None),
        };
        while let room @ 1.. = limit - (frame.len() - HEADER_LEN)
            && let Some(Item::Input(_)) = self.items.front()
            && let Some(Item::Input(next)) = self.items.pop_front()
        {
            digest = None;
            self.append(&mut frame, next.into_bytes(), room);
        }
        Some(Next::Input(frame, digest))
    }

    fn start_frame(&mut self, bytes: Bytes, limit: usize) -> BytesMut {
        let mut frame = frame_buffer(limit.min(self.input_bytes));
        self.append(&mut frame, bytes, limit);
        frame
    }

    /// Copies at most `room` bytes; the rest goes back in front.
    fn append(&mut self, frame: &mut BytesMut, mut bytes: Bytes, room: usize) {
        let part = bytes.split_to(room.min(bytes.len()));
        frame.extend_from_slice(&part);
        self.input_bytes -= part.len();
        if !bytes.is_empty() {
            self.items.push_front(Item::Input(bytes.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(queue: &mut Queue, limit: usize) -> Option<String> {
        match queue.take(limit)? {
            Next::Input(frame, _) => Some(String::from_utf8(frame[HEADER_LEN..].to_vec()).unwrap()),
            Next::Flag(flag) => Some(format!("{flag:?}")),
        }
    }

    fn flag(queue: &mut Queue) {
        queue.push_flag(SessionFlag::DisconnectToPort);
    }

    #[test]
    fn queued_keystrokes_travel_together() {
        let mut queue = Queue::default();
        for key in [&b"l"[..], b"s", b"\r"] {
            queue.push_input(key.into());
        }
        assert_eq!(queue.next_len(1024), Some(3));
        assert_eq!(taken(&mut queue, 1024).unwrap(), "ls\r");
        assert!(queue.is_empty());
        assert_eq!(queue.input_bytes(), 0);
    }

    #[test]
    fn long_input_is_cut_and_flags_keep_their_place() {
        let mut queue = Queue::default();
        queue.push_input((&b"abcdef"[..]).into());
        queue.push_input((&b"gh"[..]).into());
        flag(&mut queue);
        queue.push_input((&b"i"[..]).into());
        assert_eq!(queue.next_len(4), Some(4));
        let mut seen = Vec::new();
        while let Some(next) = taken(&mut queue, 4) {
            seen.push(next);
        }
        assert_eq!(seen, ["abcd", "efgh", "DisconnectToPort", "i"]);
        assert_eq!(queue.input_bytes(), 0);
    }

    #[test]
    fn a_buffer_is_sent_without_a_copy_and_cut_when_too_long() {
        let mut queue = Queue::default();
        let mut buffer = InputBuffer::with_capacity(8);
        buffer.extend_from_slice(b"abcdef");
        let place = buffer.frame.as_ptr();
        queue.push_input(buffer.into());
        let Some(Next::Input(frame, _)) = queue.take(6) else { panic!("input was queued") };
        assert_eq!(frame.as_ptr(), place);

        let mut buffer = InputBuffer::with_capacity(8);
        buffer.extend_from_slice(b"abcdef");
        queue.push_input(buffer.into());
        assert_eq!(taken(&mut queue, 4).unwrap(), "abcd");
        assert_eq!(taken(&mut queue, 4).unwrap(), "ef");
    }

    #[test]
    fn input_is_discarded_without_touching_flags() {
        let mut queue = Queue::default();
        queue.push_input((&b"typed"[..]).into());
        flag(&mut queue);
        assert_eq!(queue.discard_input(), 5);
        assert_eq!(queue.input_bytes(), 0);
        assert_eq!(taken(&mut queue, 9).unwrap(), "DisconnectToPort");
        assert!(taken(&mut queue, 9).is_none());
    }
}
