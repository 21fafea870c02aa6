//! Messages the gateway makes itself, and the little it reads of others'.

use bytes::{Bytes, BytesMut};
use protocol::{ChannelClosedBody, Flags, HEADER_LEN, Message, MessageType, PayloadType};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::clock;
use crate::faults::Padding;

/// Where the message type stands.
const TYPE: std::ops::Range<usize> = 4..36;
/// Where the payload type stands, and the payload length behind it.
const PAYLOAD_TYPE: std::ops::Range<usize> = 112..116;
const PAYLOAD_LENGTH: std::ops::Range<usize> = 116..120;
/// The payload type seen on `channel_closed` messages of the real service.
const JUNK_PAYLOAD_TYPE: u32 = 261;

/// Whether a frame is of this type, however it is filled up.
pub(super) fn is_type(frame: &[u8], wanted: &str) -> bool {
    frame
        .get(TYPE)
        .and_then(|field| std::str::from_utf8(field).ok())
        .is_some_and(|field| field.trim_matches(['\0', ' ']) == wanted)
}

/// The number of a frame's payload type.
pub(super) fn payload_type(frame: &[u8]) -> Option<u32> {
    let field = frame.get(PAYLOAD_TYPE)?;
    Some(u32::from_be_bytes(field.try_into().ok()?))
}

/// Whether a frame carries stream data, which counts as activity.
pub(super) fn is_stream_data(frame: &[u8]) -> bool {
    is_type(frame, "input_stream_data") || is_type(frame, "output_stream_data")
}

/// `start_publication` or `pause_publication`.
pub(super) fn publication(paused: bool, junk: bool) -> Bytes {
    let kind = if paused { MessageType::PausePublication } else { MessageType::StartPublication };
    let frame = message(kind, Bytes::new());
    if junk { with_junk(&frame) } else { frame }
}

/// `channel_closed` with the text for the user.
pub(super) fn channel_closed(session: &str, node: &str, output: &str, junk: bool) -> Bytes {
    let body = ChannelClosedBody {
        message_id: Uuid::new_v4().to_string(),
        created_date: OffsetDateTime::from(clock::date()).format(&Rfc3339).unwrap_or_default(),
        destination_id: node.to_owned(),
        session_id: session.to_owned(),
        message_type: MessageType::ChannelClosed.as_str().to_owned(),
        schema_version: 1,
        output: output.to_owned(),
    };
    let frame = message(MessageType::ChannelClosed, body.encode());
    if junk { with_junk_type(&frame) } else { frame }
}

fn message(message_type: MessageType, payload: Bytes) -> Bytes {
    let message = Message {
        message_type,
        created_ms: clock::epoch_ms(),
        sequence: 0,
        flags: Flags::SYN_FIN,
        id: Uuid::new_v4(),
        payload_type: PayloadType::Undefined,
        payload,
    };
    message.encode()
}

/// Publication messages of the real service have nothing sensible in their payload fields.
fn with_junk(frame: &Bytes) -> Bytes {
    let mut junk = BytesMut::from(&with_junk_type(frame)[..]);
    if let Some(length) = junk.get_mut(PAYLOAD_LENGTH) {
        length.copy_from_slice(&0xdead_beef_u32.to_be_bytes());
    }
    if let Some(digest) = junk.get_mut(80..112) {
        digest.fill(0x5a);
    }
    junk.freeze()
}

fn with_junk_type(frame: &Bytes) -> Bytes {
    let mut junk = BytesMut::from(&frame[..]);
    if let Some(field) = junk.get_mut(PAYLOAD_TYPE) {
        field.copy_from_slice(&JUNK_PAYLOAD_TYPE.to_be_bytes());
    }
    junk.freeze()
}

/// The frame with its type filled up in another way.
pub(super) fn padded(frame: Bytes, padding: Padding) -> Bytes {
    let (fill, behind) = match padding {
        Padding::BlanksBehind => return frame,
        Padding::BlanksBefore => (b' ', false),
        Padding::NulsBehind => (0, true),
        Padding::NulsBefore => (0, false),
    };
    if frame.len() < HEADER_LEN {
        return frame;
    }
    let mut changed = BytesMut::from(&frame[..]);
    if let Some(field) = changed.get_mut(TYPE) {
        let name = field.trim_ascii_end().to_vec();
        field.fill(fill);
        let start = if behind { 0 } else { field.len() - name.len() };
        field[start..start + name.len()].copy_from_slice(&name);
    }
    changed.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publications_are_read_through_junk_and_padding() {
        for paused in [false, true] {
            let expected =
                if paused { MessageType::PausePublication } else { MessageType::StartPublication };
            for padding in [
                Padding::BlanksBehind,
                Padding::BlanksBefore,
                Padding::NulsBehind,
                Padding::NulsBefore,
            ] {
                let frame = padded(publication(paused, true), padding);
                assert!(is_type(&frame, expected.as_str()));
                assert_eq!(Message::decode(frame).unwrap().message_type, expected);
            }
        }
    }

    #[test]
    fn channel_closed_carries_its_text() {
        let frame = channel_closed("alice-0", "i-1", "idle", true);
        assert_eq!(payload_type(&frame), Some(JUNK_PAYLOAD_TYPE));
        let message = Message::decode(frame).unwrap();
        let body = ChannelClosedBody::parse(&message.payload).unwrap();
        assert_eq!((body.session_id.as_str(), body.output.as_str()), ("alice-0", "idle"));
    }
}
