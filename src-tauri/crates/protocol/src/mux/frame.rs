//! smux v1 frames: an 8-byte header and, for data, a payload.
//!
//! `version (1) ‖ command ‖ length le16 ‖ stream le32 ‖ payload`. Frames follow one another in a
//! byte stream; data-channel messages cut them anywhere.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::reader::{Reader, Truncated};

/// Bytes before a frame's payload.
pub const FRAME_HEADER_LEN: usize = 8;

/// The longest payload a sender may put in one frame.
pub const MAX_FRAME_PAYLOAD: usize = 32_768;

const VERSION: u8 = 1;

/// One connection's lane in a mux. The client counts 3, 5, 7, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a frame says about its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// 0: the stream begins.
    Syn,
    /// 1: the stream is over in both directions.
    Fin,
    /// 2: data.
    Psh,
    /// 3: keep-alive; the stream is 0.
    Nop,
}

impl Command {
    fn number(self) -> u8 {
        match self {
            Self::Syn => 0,
            Self::Fin => 1,
            Self::Psh => 2,
            Self::Nop => 3,
        }
    }
}

/// One frame. Prints its header only.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it says.
    pub command: Command,
    /// About which stream.
    pub stream: StreamId,
    /// Data of a [`Command::Psh`]; empty otherwise. At most 65,535 bytes.
    pub payload: Bytes,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} ({} bytes)", self.command, self.stream, self.payload.len())
    }
}

impl Frame {
    /// A frame without payload.
    pub fn bare(command: Command, stream: StreamId) -> Self {
        Self { command, stream, payload: Bytes::new() }
    }

    /// Appends the frame's bytes.
    ///
    /// # Panics
    /// If the payload is longer than 65,535 bytes, the most the length field can say.
    pub fn encode(&self, out: &mut BytesMut) {
        let length = u16::try_from(self.payload.len()).expect("a frame payload fits 16 bits");
        put_header(out, self.command, length, self.stream);
        out.extend_from_slice(&self.payload);
    }
}

/// Appends a frame header alone.
pub(crate) fn put_header(out: &mut BytesMut, command: Command, length: u16, stream: StreamId) {
    out.put_u8(VERSION);
    out.put_u8(command.number());
    out.put_u16_le(length);
    out.put_u32_le(stream.0);
}

/// Why the byte stream is not smux v1. There is no way to find the next frame again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first byte of a frame is not 1.
    #[error("a mux frame has version {version} instead of 1")]
    Version {
        /// The byte.
        version: u8,
    },
    /// The second byte of a frame is no command of version 1.
    #[error("a mux frame has the unknown command {command}")]
    Command {
        /// The byte.
        command: u8,
    },
    /// SYN, FIN or NOP claims a payload.
    #[error("a mux {command:?} frame claims {length} bytes of payload")]
    UnexpectedPayload {
        /// The command.
        command: Command,
        /// The length field.
        length: u16,
    },
}

/// Cuts a byte stream into frames, without copying payloads that arrive whole.
///
/// Holds at most what was pushed and one partial frame (65,543 bytes) as long as the caller
/// drains it after each push.
#[derive(Default)]
pub struct FrameDecoder {
    /// A frame whose end has not arrived.
    partial: BytesMut,
    /// What was pushed and not yet looked at.
    pushed: Bytes,
}

impl fmt::Debug for FrameDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameDecoder({} bytes)", self.partial.len() + self.pushed.len())
    }
}

impl FrameDecoder {
    /// A decoder at the start of a byte stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream. Call [`Self::next`] until it returns `None` before
    /// pushing again; bytes left over are kept, at the price of a copy.
    pub fn push(&mut self, bytes: Bytes) {
        if self.pushed.is_empty() {
            self.pushed = bytes;
        } else {
            let mut joined = BytesMut::with_capacity(self.pushed.len() + bytes.len());
            joined.extend_from_slice(&self.pushed);
            joined.extend_from_slice(&bytes);
            self.pushed = joined.freeze();
        }
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// See [`FrameError`]; the stream cannot be read any further.
    #[expect(clippy::should_implement_trait, reason = "an iterator ends for good, this does not")]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        self.complete_partial(FRAME_HEADER_LEN);
        let source: &[u8] = if self.partial.is_empty() { &self.pushed } else { &self.partial };
        let Some(header) = FrameHeader::read(source)? else {
            return Ok(self.keep_rest());
        };
        let frame_len = FRAME_HEADER_LEN + usize::from(header.length);
        if !self.complete_partial(frame_len) {
            return Ok(None);
        }
        let mut frame = if self.partial.is_empty() {
            if self.pushed.len() < frame_len {
                return Ok(self.keep_rest());
            }
            self.pushed.split_to(frame_len)
        } else {
            self.partial.split_to(frame_len).freeze()
        };
        frame.advance(FRAME_HEADER_LEN);
        Ok(Some(Frame { command: header.command, stream: header.stream, payload: frame }))
    }

    /// Fills a partial frame up to `len` bytes from what was pushed. False while that is not
    /// possible; true too if there is no partial frame at all.
    fn complete_partial(&mut self, len: usize) -> bool {
        if self.partial.is_empty() {
            return true;
        }
        let missing = len.saturating_sub(self.partial.len()).min(self.pushed.len());
        self.partial.extend_from_slice(&self.pushed.split_to(missing));
        self.partial.len() >= len
    }

    /// Copies the beginning of a frame out of the message it came in, which is then free.
    fn keep_rest(&mut self) -> Option<Frame> {
        self.partial.extend_from_slice(&std::mem::take(&mut self.pushed));
        None
    }
}

struct FrameHeader {
    command: Command,
    length: u16,
    stream: StreamId,
}

impl FrameHeader {
    /// Reads a header; `None` if it has not arrived whole. A wrong byte is reported as soon as
    /// it is there.
    fn read(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let mut reader = Reader::new(bytes);
        let Ok(version) = reader.u8() else { return Ok(None) };
        if version != VERSION {
            return Err(FrameError::Version { version });
        }
        let Ok(command) = reader.u8() else { return Ok(None) };
        let command = match command {
            0 => Command::Syn,
            1 => Command::Fin,
            2 => Command::Psh,
            3 => Command::Nop,
            _ => return Err(FrameError::Command { command }),
        };
        let fields = reader.le_u16().and_then(|length| Ok((length, reader.le_u32()?)));
        let (length, stream) = match fields {
            Ok(fields) => fields,
            Err(Truncated) => return Ok(None),
        };
        if length > 0 && command != Command::Psh {
            return Err(FrameError::UnexpectedPayload { command, length });
        }
        Ok(Some(Self { command, length, stream: StreamId(stream) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::unhex;

    fn psh(stream: u32, payload: &'static [u8]) -> Frame {
        Frame {
            command: Command::Psh,
            stream: StreamId(stream),
            payload: Bytes::from_static(payload),
        }
    }

    fn encoded(frames: &[Frame]) -> Bytes {
        let mut out = BytesMut::new();
        for frame in frames {
            frame.encode(&mut out);
        }
        out.freeze()
    }

    #[test]
    fn frames_are_the_known_bytes() {
        let known = [
            (Frame::bare(Command::Syn, StreamId(3)), "01 00 00 00 03 00 00 00"),
            (psh(3, b"GET"), "01 02 03 00 03 00 00 00 47 45 54"),
            (Frame::bare(Command::Fin, StreamId(3)), "01 01 00 00 03 00 00 00"),
            (Frame::bare(Command::Nop, StreamId(0)), "01 03 00 00 00 00 00 00"),
            (Frame::bare(Command::Syn, StreamId(5)), "01 00 00 00 05 00 00 00"),
        ];
        for (frame, bytes) in known {
            assert_eq!(encoded(std::slice::from_ref(&frame)), unhex(bytes));
        }
        let long = psh(3, &[7; MAX_FRAME_PAYLOAD]);
        assert_eq!(encoded(&[long])[..8], unhex("01 02 00 80 03 00 00 00"));
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_frames() {
        let frames = [
            Frame::bare(Command::Syn, StreamId(3)),
            psh(3, b"GET / HTTP/1.1"),
            Frame::bare(Command::Nop, StreamId(0)),
            psh(5, b""),
            Frame::bare(Command::Fin, StreamId(3)),
        ];
        let bytes = encoded(&frames);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut decoder = FrameDecoder::new();
                let mut seen = Vec::new();
                for part in [0..first, first..second, second..bytes.len()] {
                    drain(&mut decoder, bytes.slice(part), &mut seen);
                }
                assert_eq!(seen, frames, "cut at {first} and {second}");
            }
        }
    }

    fn drain(decoder: &mut FrameDecoder, part: Bytes, seen: &mut Vec<Frame>) {
        decoder.push(part);
        while let Some(frame) = decoder.next().unwrap() {
            seen.push(frame);
        }
    }

    #[test]
    fn pushing_without_draining_loses_nothing() {
        let mut decoder = FrameDecoder::new();
        for byte in encoded(&[psh(3, b"abc"), psh(5, b"de")]) {
            decoder.push(Bytes::copy_from_slice(&[byte]));
        }
        assert_eq!(decoder.next(), Ok(Some(psh(3, b"abc"))));
        assert_eq!(decoder.next(), Ok(Some(psh(5, b"de"))));
        assert_eq!(decoder.next(), Ok(None));
    }

    #[test]
    fn a_payload_that_arrives_whole_is_not_copied() {
        let bytes = encoded(&[psh(3, b"payload")]);
        let mut decoder = FrameDecoder::new();
        decoder.push(bytes.clone());
        let frame = decoder.next().unwrap().unwrap();
        assert_eq!(frame.payload.as_ptr(), bytes[FRAME_HEADER_LEN..].as_ptr());
    }

    #[test]
    fn bytes_that_are_no_smux_are_named() {
        let mut decoder = FrameDecoder::new();
        decoder.push(Bytes::from_static(&[2]));
        assert_eq!(decoder.next(), Err(FrameError::Version { version: 2 }));
        let mut decoder = FrameDecoder::new();
        decoder.push(Bytes::from_static(&[1, 4, 8, 0]));
        assert_eq!(decoder.next(), Err(FrameError::Command { command: 4 }));
        let mut decoder = FrameDecoder::new();
        decoder.push(Bytes::from_static(&[1, 1, 8, 0, 3, 0, 0, 0]));
        assert_eq!(
            decoder.next(),
            Err(FrameError::UnexpectedPayload { command: Command::Fin, length: 8 })
        );
    }
}
