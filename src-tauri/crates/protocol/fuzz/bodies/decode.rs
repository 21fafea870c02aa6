//! One websocket message, and every JSON body, from any bytes.

use bytes::Bytes;
use protocol::{
    AcknowledgeBody, AgentVersion, ChallengeBody, ChannelClosedBody, DataKey, HandshakeComplete,
    HandshakeRequest, HandshakeResponse, Message, OpenDataChannel, Seal, SessionFlag, SizeBody,
    parse_exit_code,
};

/// Reads the bytes as everything they could be; what is read must survive being written.
pub(crate) fn run(data: &[u8]) {
    let frame = Bytes::copy_from_slice(data);
    let as_agent = Message::decode_as_agent(frame.clone());
    if let Ok(message) = Message::decode(frame) {
        assert_eq!(as_agent.as_ref(), Ok(&message));
        // A type text may be read from more bytes than it is written with.
        if message.message_type.as_str().len() <= 32 {
            let again = Message::decode_as_agent(message.encode()).expect("it was just written");
            assert_eq!(again.payload, message.payload);
            assert_eq!((again.id, again.sequence), (message.id, message.sequence));
        }
    }
    let payload = as_agent.as_ref().map_or(data, |message| &message.payload[..]);
    bodies(payload);
}

fn bodies(payload: &[u8]) {
    if let Ok(body) = AcknowledgeBody::parse(payload) {
        assert_eq!(AcknowledgeBody::parse(&body.encode()).expect("written"), body);
        let sequence = AcknowledgeBody::parse_sequence(payload).expect("it was read whole");
        assert_eq!(sequence, body.acknowledged_message_sequence_number);
    }
    if let Ok(body) = ChannelClosedBody::parse(payload) {
        assert_eq!(ChannelClosedBody::parse(&body.encode()).expect("written"), body);
    }
    if let Ok(body) = HandshakeRequest::parse(payload) {
        assert_eq!(HandshakeRequest::parse(&body.encode()).expect("written"), body);
    }
    if let Ok(body) = HandshakeResponse::parse(payload) {
        assert_eq!(HandshakeResponse::parse(&body.encode()).expect("written"), body);
    }
    if let Ok(body) = HandshakeComplete::parse(payload) {
        assert_eq!(HandshakeComplete::parse(&body.encode()).expect("written"), body);
    }
    if let Ok(body) = ChallengeBody::parse(payload) {
        assert_eq!(ChallengeBody::parse(&body.encode()).expect("written"), body);
    }
    if let Ok(body) = SizeBody::parse(payload) {
        assert_eq!(SizeBody::parse(&body.encode()).expect("written"), body);
    }
    if let Some(flag) = SessionFlag::decode(payload) {
        assert_eq!(flag.encode(), payload);
    }
    parse_exit_code(payload);
    let text = String::from_utf8_lossy(payload);
    if let Ok(open) = OpenDataChannel::parse(&text) {
        assert_eq!(OpenDataChannel::parse(&open.encode()).expect("written"), open);
    }
    let version = AgentVersion::from(&*text);
    assert!(!version.supports_mux() || version.supports_terminate_flag());
    let key = DataKey::from_bytes(&[7; 64]).expect("64 bytes");
    assert!(Seal::client(&key, [0; 12]).open(payload).is_err());
}
