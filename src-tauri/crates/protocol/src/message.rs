//! One unit on the data channel: a 120-byte header and a payload.
//!
//! All integers are big-endian. `HeaderLength` counts the bytes before `PayloadLength`, so it is
//! always 116 and the payload starts at `HeaderLength + 4`. The message id travels with its two
//! halves swapped, and the digest is the SHA-256 of the payload as transmitted, that is after
//! sealing.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::payload::PayloadType;
use crate::reader::{Reader, Truncated};

/// Bytes before the payload of every message we send.
pub const HEADER_LEN: usize = 120;

/// The `HeaderLength` field of every message we send: the offset of `PayloadLength`.
const HEADER_LENGTH_FIELD: u32 = 116;

/// Width of the `MessageType` field.
const TYPE_LEN: usize = 32;

const SCHEMA_VERSION: u32 = 1;

/// A SHA-256.
pub(crate) type Digest = [u8; 32];

/// What a message is, by the text of its `MessageType` field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// `input_stream_data`, client to agent.
    InputStreamData,
    /// `output_stream_data`, agent to client.
    OutputStreamData,
    /// `acknowledge`, both ways, one for each received stream message.
    Acknowledge,
    /// `channel_closed`, from the gateway: the session is over.
    ChannelClosed,
    /// `start_publication`, from the gateway: the far end is there.
    StartPublication,
    /// `pause_publication`, from the gateway: the far end is away.
    PausePublication,
    /// `agent_session_state`, agent to gateway.
    AgentSessionState,
    /// Any other text; both official ends ignore such messages.
    Other(String),
}

impl MessageType {
    /// The text on the wire, without padding.
    pub fn as_str(&self) -> &str {
        match self {
            Self::InputStreamData => "input_stream_data",
            Self::OutputStreamData => "output_stream_data",
            Self::Acknowledge => "acknowledge",
            Self::ChannelClosed => "channel_closed",
            Self::StartPublication => "start_publication",
            Self::PausePublication => "pause_publication",
            Self::AgentSessionState => "agent_session_state",
            Self::Other(text) => text,
        }
    }

    /// Recognises a type by its text, ignoring the padding of any known sender: NUL or blank, or
    /// both, on either side.
    pub fn parse(text: &str) -> Self {
        match text.trim_matches(|letter: char| letter == '\0' || letter.is_whitespace()) {
            "input_stream_data" => Self::InputStreamData,
            "output_stream_data" => Self::OutputStreamData,
            "acknowledge" => Self::Acknowledge,
            "channel_closed" => Self::ChannelClosed,
            "start_publication" => Self::StartPublication,
            "pause_publication" => Self::PausePublication,
            "agent_session_state" => Self::AgentSessionState,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Gateway-made publication messages carry junk in `PayloadLength`, `PayloadType` and digest.
    fn has_junk_payload_fields(&self) -> bool {
        matches!(self, Self::StartPublication | Self::PausePublication)
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The `Flags` field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u64);

impl Flags {
    /// No bit set: ordinary data.
    pub const NONE: Self = Self(0);
    /// Bit 0: the agent sets it on its sequence 0.
    pub const SYN: Self = Self(1);
    /// Bit 1: never used alone.
    pub const FIN: Self = Self(2);
    /// Both bits: acknowledgements and agent states.
    pub const SYN_FIN: Self = Self(3);
}

/// A decoded message. Prints its header only: payloads are the user's own.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub message_type: MessageType,
    /// `CreatedDate`, milliseconds since the Unix epoch; never 0 on the wire.
    pub created_ms: u64,
    /// Position in its direction's sequence; 0 for messages that are not stream data.
    pub sequence: i64,
    /// `Flags`.
    pub flags: Flags,
    /// `MessageId` in its normal textual order.
    pub id: Uuid,
    /// What the payload of stream data is; junk on gateway messages.
    pub payload_type: PayloadType,
    /// The payload as transmitted.
    pub payload: Bytes,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("message_type", &self.message_type.as_str())
            .field("sequence", &self.sequence)
            .field("flags", &self.flags.0)
            .field("id", &self.id)
            .field("payload_type", &self.payload_type)
            .field("payload_len", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than a header.
    #[error("a frame of {len} bytes is shorter than the {HEADER_LEN}-byte header")]
    TooShort {
        /// Length of the frame.
        len: usize,
    },
    /// `HeaderLength` is below 116 or points past the end of the frame.
    #[error("HeaderLength {claimed} does not fit a frame of {len} bytes")]
    HeaderLength {
        /// The field's value.
        claimed: u32,
        /// Length of the frame.
        len: usize,
    },
    /// `MessageType` is nothing but padding.
    #[error("MessageType is empty")]
    EmptyMessageType,
    /// `CreatedDate` is 0, which both official ends refuse.
    #[error("CreatedDate of {message_type} is 0")]
    ZeroCreatedDate {
        /// The message's type.
        message_type: MessageType,
    },
    /// `PayloadLength` of stream data differs from what follows the header.
    #[error("PayloadLength of {message_type} is {claimed}, but {actual} bytes follow the header")]
    PayloadLength {
        /// The message's type.
        message_type: MessageType,
        /// The field's value.
        claimed: u32,
        /// Bytes after the header.
        actual: usize,
    },
    /// The digest is not the SHA-256 of the payload.
    #[error("PayloadDigest of {message_type} {sequence} does not match its payload")]
    Digest {
        /// The message's type.
        message_type: MessageType,
        /// Its sequence number.
        sequence: i64,
    },
}

impl Message {
    /// The bytes of this message with a correct digest, as one websocket message.
    ///
    /// A type text of more than 32 bytes is cut.
    pub fn encode(&self) -> Bytes {
        let mut frame = frame_buffer(self.payload.len());
        frame.extend_from_slice(&self.payload);
        let header = Header {
            message_type: self.message_type.as_str(),
            created_ms: self.created_ms,
            sequence: self.sequence,
            flags: self.flags,
            id: self.id,
            payload_type: self.payload_type,
        };
        header.finish(frame)
    }

    /// Decodes one websocket message, checking the digest of any payload that is not empty.
    ///
    /// `start_publication` and `pause_publication` come from the gateway with junk in the payload
    /// fields, so theirs are not looked at.
    ///
    /// # Errors
    /// See [`DecodeError`]; the frame is then no message of the peer's.
    pub fn decode(frame: Bytes) -> Result<Self, DecodeError> {
        let (message, fields) = Self::parse(frame)?;
        if message.message_type.has_junk_payload_fields() {
            return Ok(message);
        }
        if message.message_type == MessageType::OutputStreamData
            && usize::try_from(fields.payload_length) != Ok(message.payload.len())
        {
            return Err(DecodeError::PayloadLength {
                message_type: message.message_type,
                claimed: fields.payload_length,
                actual: message.payload.len(),
            });
        }
        if !message.payload.is_empty() && Sha256::digest(&message.payload)[..] != fields.digest {
            return Err(DecodeError::Digest {
                message_type: message.message_type,
                sequence: message.sequence,
            });
        }
        Ok(message)
    }

    /// Decodes one websocket message the way the official agent does: neither `PayloadLength` nor
    /// the digest is looked at. Independent clients in use send wrong ones.
    ///
    /// # Errors
    /// See [`DecodeError`]; never `PayloadLength` or `Digest`.
    pub fn decode_as_agent(frame: Bytes) -> Result<Self, DecodeError> {
        Self::parse(frame).map(|(message, _)| message)
    }

    fn parse(mut frame: Bytes) -> Result<(Self, PayloadFields), DecodeError> {
        let len = frame.len();
        let header = RawHeader::read(&frame).map_err(|Truncated| DecodeError::TooShort { len })?;
        let payload_start = usize::try_from(header.header_length)
            .ok()
            .and_then(|before_length| before_length.checked_add(4))
            .filter(|start| (HEADER_LEN..=len).contains(start))
            .ok_or(DecodeError::HeaderLength { claimed: header.header_length, len })?;
        let message_type = MessageType::parse(&String::from_utf8_lossy(&header.message_type));
        if message_type.as_str().is_empty() {
            return Err(DecodeError::EmptyMessageType);
        }
        if header.created_ms == 0 {
            return Err(DecodeError::ZeroCreatedDate { message_type });
        }
        let message = Self {
            message_type,
            created_ms: header.created_ms,
            sequence: header.sequence,
            flags: Flags(header.flags),
            id: Uuid::from_u128(header.swapped_id.rotate_left(64)),
            payload_type: PayloadType::from(header.payload_type),
            payload: frame.split_off(payload_start),
        };
        let fields = PayloadFields { digest: header.digest, payload_length: header.payload_length };
        Ok((message, fields))
    }
}

/// The two fields that describe the payload and are checked only by some receivers.
struct PayloadFields {
    digest: [u8; 32],
    payload_length: u32,
}

struct RawHeader {
    header_length: u32,
    message_type: [u8; TYPE_LEN],
    created_ms: u64,
    sequence: i64,
    flags: u64,
    swapped_id: u128,
    digest: [u8; 32],
    payload_type: u32,
    payload_length: u32,
}

impl RawHeader {
    fn read(frame: &[u8]) -> Result<Self, Truncated> {
        let mut reader = Reader::new(frame);
        let header_length = reader.be_u32()?;
        let message_type = reader.array()?;
        let _schema_version = reader.be_u32()?;
        Ok(Self {
            header_length,
            message_type,
            created_ms: reader.be_u64()?,
            sequence: reader.be_i64()?,
            flags: reader.be_u64()?,
            swapped_id: reader.array().map(u128::from_be_bytes)?,
            digest: reader.array()?,
            payload_type: reader.be_u32()?,
            payload_length: reader.be_u32()?,
        })
    }
}

/// Everything of a header that the payload does not determine.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    pub(crate) message_type: &'a str,
    pub(crate) created_ms: u64,
    pub(crate) sequence: i64,
    pub(crate) flags: Flags,
    pub(crate) id: Uuid,
    pub(crate) payload_type: PayloadType,
}

impl Header<'_> {
    /// Fills the header room that [`frame_buffer`] left in front of the payload.
    pub(crate) fn finish(&self, frame: BytesMut) -> Bytes {
        let (_, payload) = frame.split_at(HEADER_LEN);
        let digest = digest(payload);
        self.finish_digested(frame, digest)
    }

    /// The same where the payload's digest is known.
    pub(crate) fn finish_digested(&self, mut frame: BytesMut, digest: Digest) -> Bytes {
        let (mut head, payload) = frame.split_at_mut(HEADER_LEN);
        let payload_length =
            u32::try_from(payload.len()).expect("payloads are cut far below 4 GiB by every caller");
        let mut padded_type = [b' '; TYPE_LEN];
        for (slot, byte) in padded_type.iter_mut().zip(self.message_type.bytes()) {
            *slot = byte;
        }
        head.put_u32(HEADER_LENGTH_FIELD);
        head.put_slice(&padded_type);
        head.put_u32(SCHEMA_VERSION);
        head.put_u64(self.created_ms);
        head.put_i64(self.sequence);
        head.put_u64(self.flags.0);
        head.put_u128(self.id.as_u128().rotate_left(64));
        head.put_slice(&digest);
        head.put_u32(self.payload_type.into());
        head.put_u32(payload_length);
        frame.freeze()
    }
}

/// What the header says of a payload as it is transmitted.
pub(crate) fn digest(payload: &[u8]) -> Digest {
    Sha256::digest(payload).into()
}

/// A buffer whose first [`HEADER_LEN`] bytes await the header; the payload is appended to it.
pub(crate) fn frame_buffer(payload_capacity: usize) -> BytesMut {
    let mut frame = BytesMut::with_capacity(HEADER_LEN + payload_capacity);
    frame.put_bytes(0, HEADER_LEN);
    frame
}

#[cfg(test)]
mod tests {
    use uuid::uuid;

    use super::*;
    use crate::hex::unhex;

    fn input(
        sequence: i64,
        created_ms: u64,
        id: Uuid,
        kind: PayloadType,
        payload: &[u8],
    ) -> Message {
        Message {
            message_type: MessageType::InputStreamData,
            created_ms,
            sequence,
            flags: Flags::NONE,
            id,
            payload_type: kind,
            payload: Bytes::copy_from_slice(payload),
        }
    }

    fn keystroke_message() -> Message {
        let id = uuid!("00112233-4455-6677-8899-aabbccddeeff");
        input(7, 1_700_000_000_123, id, PayloadType::Output, b"ls -la\r")
    }

    const KEYSTROKE: &str = "00000074696e7075745f73747265616d5f646174612020202020202020202020
        2020202000000001 0000018bcfe5687b 0000000000000007 0000000000000000
        8899aabbccddeeff0011223344556677
        bee73bd50eb0edee3592c11e8d8f965d45e0ec95e7659a7a9b35c42f864a3e75
        00000001 00000007 6c73202d6c610d";

    #[test]
    fn a_keystroke_is_the_known_bytes_both_ways() {
        let frame = unhex(KEYSTROKE);
        assert_eq!(keystroke_message().encode(), frame);
        assert_eq!(Message::decode(frame), Ok(keystroke_message()));
    }

    #[test]
    fn a_terminate_flag_is_the_known_bytes_both_ways() {
        let frame = unhex(
            "00000074696e7075745f73747265616d5f64617461202020202020202020202020202020000000010000018bcfe56be8
             00000000000000090000000000000000a456426614174000123e4567e89b42d3
             433ebf5bc03dffa38536673207a21281612cef5faa9bc7a4d5b9be2fdb12cf1a0000000a0000000400000002",
        );
        let id = uuid!("123e4567-e89b-42d3-a456-426614174000");
        let message = input(9, 1_700_000_001_000, id, PayloadType::Flag, &[0, 0, 0, 2]);
        assert_eq!(message.encode(), frame);
        assert_eq!(Message::decode(frame), Ok(message));
    }

    #[test]
    fn a_size_is_the_known_bytes_both_ways() {
        let frame = unhex(
            "00000074696e7075745f73747265616d5f64617461202020202020202020202020202020000000010000018bcfe56800
             00000000000000000000000000000000a5670e02b2c3d479f47ac10b58cc4372
             edf7359c89077b608a6b3e8b19e63bbfc7aa724989a05ea371a9966a6e9db7cc0000000300000016
             7b22636f6c73223a3132302c22726f7773223a34307d",
        );
        let id = uuid!("f47ac10b-58cc-4372-a567-0e02b2c3d479");
        let message =
            input(0, 1_700_000_000_000, id, PayloadType::Size, br#"{"cols":120,"rows":40}"#);
        assert_eq!(message.encode(), frame);
        assert_eq!(Message::decode(frame), Ok(message));
    }

    #[test]
    fn type_padding_of_any_sender_is_accepted() {
        for field in [
            "acknowledge                     ",
            "                     acknowledge",
            "acknowledge\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0acknowledge",
        ] {
            assert_eq!(MessageType::parse(field), MessageType::Acknowledge, "{field:?}");
        }
        assert_eq!(
            MessageType::parse("data_channel_ready"),
            MessageType::Other("data_channel_ready".into())
        );
    }

    #[test]
    fn a_frame_shorter_than_a_header_is_refused() {
        let frame = unhex(KEYSTROKE).slice(..119);
        assert_eq!(Message::decode(frame), Err(DecodeError::TooShort { len: 119 }));
        assert_eq!(Message::decode(Bytes::new()), Err(DecodeError::TooShort { len: 0 }));
    }

    #[test]
    fn a_header_length_outside_the_frame_is_refused() {
        for claimed in [0_u32, 115, 124, u32::MAX] {
            let mut frame = unhex(KEYSTROKE).to_vec();
            frame.splice(0..4, claimed.to_be_bytes());
            assert_eq!(
                Message::decode(frame.into()),
                Err(DecodeError::HeaderLength { claimed, len: 127 })
            );
        }
    }

    #[test]
    fn a_created_date_of_zero_and_an_empty_type_are_refused() {
        let mut message = keystroke_message();
        message.created_ms = 0;
        assert_eq!(
            Message::decode(message.encode()),
            Err(DecodeError::ZeroCreatedDate { message_type: MessageType::InputStreamData })
        );
        message.message_type = MessageType::Other(String::new());
        assert_eq!(Message::decode(message.encode()), Err(DecodeError::EmptyMessageType));
    }

    #[test]
    fn a_wrong_digest_is_refused_by_us_and_passed_by_the_agent() {
        let mut frame = keystroke_message().encode().to_vec();
        frame.splice(80..84, *b"0123");
        let frame = Bytes::from(frame);
        assert_eq!(
            Message::decode(frame.clone()),
            Err(DecodeError::Digest { message_type: MessageType::InputStreamData, sequence: 7 })
        );
        assert_eq!(Message::decode_as_agent(frame), Ok(keystroke_message()));
    }

    #[test]
    fn a_payload_length_that_lies_is_refused_on_output_only() {
        let mut message = keystroke_message();
        message.message_type = MessageType::OutputStreamData;
        let mut frame = message.encode().to_vec();
        frame.splice(116..120, 8_u32.to_be_bytes());
        assert_eq!(
            Message::decode(frame.into()),
            Err(DecodeError::PayloadLength {
                message_type: MessageType::OutputStreamData,
                claimed: 8,
                actual: 7
            })
        );
    }

    #[test]
    fn junk_on_publication_messages_is_ignored() {
        let mut message = keystroke_message();
        message.message_type = MessageType::PausePublication;
        let mut frame = message.encode().to_vec();
        frame.splice(80..84, *b"junk");
        frame.splice(116..120, 4_000_000_000_u32.to_be_bytes());
        assert_eq!(Message::decode(frame.into()), Ok(message));
    }

    #[test]
    fn an_empty_payload_is_decoded_without_a_digest() {
        let mut message = keystroke_message();
        message.payload = Bytes::new();
        let mut frame = message.encode().to_vec();
        frame.splice(80..84, *b"junk");
        assert_eq!(Message::decode(frame.into()), Ok(message));
    }
}
