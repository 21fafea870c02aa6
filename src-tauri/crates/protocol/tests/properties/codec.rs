//! Bytes from anywhere are read or refused, never more.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use protocol::mux::frame::{Command, Frame, FrameDecoder, StreamId};
use protocol::{
    AcknowledgeBody, AgentVersion, ChallengeBody, ChannelClosedBody, DataKey, Flags,
    HandshakeComplete, HandshakeRequest, HandshakeResponse, Message, MessageType, OpenDataChannel,
    PayloadType, Seal, SessionFlag, SizeBody, compare_agent_rule, parse_exit_code,
};
use uuid::Uuid;

fn message() -> impl Strategy<Value = Message> {
    let kinds = prop_oneof![
        Just(MessageType::InputStreamData),
        Just(MessageType::OutputStreamData),
        Just(MessageType::Acknowledge),
        Just(MessageType::ChannelClosed),
        "[a-z_]{1,32}".prop_map(|text| MessageType::parse(&text)),
    ];
    let payload = proptest::collection::vec(any::<u8>(), 0..2000);
    let fields = (kinds, 1_u64.., any::<i64>(), any::<u64>(), any::<u128>(), 0_u32..20, payload);
    fields.prop_map(|(message_type, created_ms, sequence, flags, id, kind, payload)| Message {
        message_type,
        created_ms,
        sequence,
        flags: Flags(flags),
        id: Uuid::from_u128(id),
        payload_type: PayloadType::from(kind),
        payload: payload.into(),
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    let payload = proptest::collection::vec(any::<u8>(), 0..3000);
    (0..4_u8, any::<u32>(), payload).prop_map(|(command, stream, payload)| {
        let stream = StreamId(stream);
        match command {
            0 => Frame::bare(Command::Syn, stream),
            1 => Frame::bare(Command::Fin, stream),
            2 => Frame::bare(Command::Nop, stream),
            _ => Frame { command: Command::Psh, stream, payload: payload.into() },
        }
    })
}

proptest! {
    #[test]
    fn a_message_survives_the_wire(message in message()) {
        let frame = message.encode();
        prop_assert_eq!(Message::decode(frame.clone()), Ok(message.clone()));
        prop_assert_eq!(Message::decode_as_agent(frame), Ok(message));
    }

    #[test]
    fn a_changed_byte_is_noticed_or_harmless(
        message in message(),
        place in any::<prop::sample::Index>(),
        change in 1..=255_u8,
    ) {
        let mut frame = message.encode().to_vec();
        let place = place.index(frame.len());
        frame[place] ^= change;
        if let Ok(read) = Message::decode(frame.into()) {
            // Only the header's own fields can change unnoticed: the payload cannot.
            let is_publication = matches!(
                read.message_type,
                MessageType::StartPublication | MessageType::PausePublication
            );
            prop_assert!(read.payload == message.payload || is_publication);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Message::decode(Bytes::copy_from_slice(&bytes));
        let _ = Message::decode_as_agent(Bytes::copy_from_slice(&bytes));
        let _ = AcknowledgeBody::parse(&bytes);
        let _ = AcknowledgeBody::parse_sequence(&bytes);
        let _ = ChannelClosedBody::parse(&bytes);
        let _ = HandshakeRequest::parse(&bytes);
        let _ = HandshakeResponse::parse(&bytes);
        let _ = HandshakeComplete::parse(&bytes);
        let _ = ChallengeBody::parse(&bytes);
        let _ = SizeBody::parse(&bytes);
        let _ = SessionFlag::decode(&bytes);
        let _ = parse_exit_code(&bytes);
        let _ = OpenDataChannel::parse(&String::from_utf8_lossy(&bytes));
        let key = DataKey::from_bytes(&[1; 64]).expect("64 bytes");
        prop_assert!(Seal::client(&key, [0; 12]).open(&bytes).is_err());
    }

    #[test]
    fn any_versions_compare(a in "[0-9.x]{0,12}", b in "[0-9.x]{0,12}") {
        prop_assert_eq!(compare_agent_rule(&a, &b), compare_agent_rule(&b, &a).reverse());
        let version = AgentVersion::from(a.as_str());
        // Whatever is new enough for one thing is new enough for what came before it.
        if version.reacks_duplicates() {
            prop_assert!(version.supports_mux() && version.mux_keep_alive_off());
        }
        if version.supports_mux() {
            prop_assert!(version.supports_terminate_flag());
        }
    }

    #[test]
    fn what_is_sealed_opens_and_nothing_else(
        plain in proptest::collection::vec(any::<u8>(), 0..2000),
        place in any::<prop::sample::Index>(),
        change in 1..=255_u8,
    ) {
        let key = DataKey::from_bytes(&[7; 64]).expect("64 bytes");
        let (mut client, agent) = (Seal::client(&key, [3; 12]), Seal::agent(&key, [4; 12]));
        let sealed = client.seal(&plain);
        prop_assert_eq!(agent.open(&sealed).expect("sealed by the other end"), plain);
        let mut changed = sealed.to_vec();
        let place = place.index(changed.len());
        changed[place] ^= change;
        prop_assert!(agent.open(&changed).is_err());
    }

    #[test]
    fn frames_survive_any_cutting(
        frames in proptest::collection::vec(frame(), 0..8),
        cuts in proptest::collection::vec(1..700_usize, 1..40),
    ) {
        let mut bytes = BytesMut::new();
        for frame in &frames {
            frame.encode(&mut bytes);
        }
        let mut rest = bytes.freeze();
        let mut decoder = FrameDecoder::new();
        let mut seen = Vec::new();
        for cut in cuts.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            decoder.push(rest.split_to(cut.min(rest.len())));
            while let Some(frame) = decoder.next().expect("smux") {
                seen.push(frame);
            }
        }
        prop_assert_eq!(seen, frames);
    }

    #[test]
    fn any_bytes_are_frames_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let mut decoder = FrameDecoder::new();
        let mut seen = 0;
        for part in bytes.chunks(97) {
            decoder.push(Bytes::copy_from_slice(part));
            while let Ok(Some(frame)) = decoder.next() {
                seen += frame.payload.len() + 8;
            }
        }
        prop_assert!(seen <= bytes.len());
    }
}
