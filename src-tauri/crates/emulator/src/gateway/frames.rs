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
const DIGEST: std::ops::Range<usize> = 80..112;
/// What stands for a payload type in messages of the real service, as its clients have seen it.
/// One of them takes 17 for the sign to tell its size.
const START_PAYLOAD_TYPE: u32 = 17;
const CLOSED_PAYLOAD_TYPE: u32 = 261;

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

/// `start_publication` or `pause_publication`, with nothing sensible in its payload fields if so
/// wished: the real service's have not.
pub(super) fn publication(paused: bool, junk: bool) -> Bytes {
    let frame = if paused {
        message(MessageType::PausePublication, 0, Bytes::new())
    } else {
        message(MessageType::StartPublication, START_PAYLOAD_TYPE, Bytes::new())
    };
    if !junk {
        return frame;
    }
    let mut junk = BytesMut::from(&frame[..]);
    if let Some(length) = junk.get_mut(PAYLOAD_LENGTH) {
        length.copy_from_slice(&0xdead_beef_u32.to_be_bytes());
    }
    if let Some(digest) = junk.get_mut(DIGEST) {
        digest.fill(0x5a);
    }
    junk.freeze()
}

/// `channel_closed` with the text for the user.
pub(super) fn channel_closed(session: &str, node: &str, output: &str) -> Bytes {
    let body = ChannelClosedBody {
        message_id: Uuid::new_v4().to_string(),
        created_date: OffsetDateTime::from(clock::date()).format(&Rfc3339).unwrap_or_default(),
        destination_id: node.to_owned(),
        session_id: session.to_owned(),
        message_type: MessageType::ChannelClosed.as_str().to_owned(),
        schema_version: 1,
        output: output.to_owned(),
    };
    message(MessageType::ChannelClosed, CLOSED_PAYLOAD_TYPE, body.encode())
}

fn message(message_type: MessageType, payload_type: u32, payload: Bytes) -> Bytes {
    let message = Message {
        message_type,
        created_ms: clock::epoch_ms(),
        sequence: 0,
        flags: Flags::SYN_FIN,
        id: Uuid::new_v4(),
        payload_type: PayloadType::from(payload_type),
        payload,
    };
    message.encode()
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
        let frame = channel_closed("alice-0", "i-1", "idle");
        assert_eq!(payload_type(&frame), Some(CLOSED_PAYLOAD_TYPE));
        let message = Message::decode(frame).unwrap();
        let body = ChannelClosedBody::parse(&message.payload).unwrap();
        assert_eq!((body.session_id.as_str(), body.output.as_str()), ("alice-0", "idle"));
    }
}
