//! What an encrypted session seals, and what a refused data key keeps back.

use std::time::Duration;

use bytes::Bytes;
use protocol::{
    ChallengeBody, DataKey, Event, HandshakeResponse, MessageType, PayloadType, RequestedAction,
    Seal,
};
use serde_json::Value;

use crate::script::Script;

#[test]
fn an_encrypted_session_seals_what_is_to_be_sealed() {
    let key = DataKey::from_bytes(&[9; 64]).unwrap();
    let mut agent = Seal::agent(&key, [0; 12]);
    let mut script = Script::new();
    script.type_in("secret");
    script.request("3.3.1142.0", encryption());
    let events = script.events();
    let [Event::DataKeyWanted { key_id, challenge }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((key_id.as_str(), challenge.as_deref()), ("arn:aws:kms:key", Some("c2l4dGVlbg==")));
    assert!(script.sent_input().is_empty());
    script.channel.provide_data_key(&key, b"blob");
    script.channel.provide_data_key(&key, b"again");
    let sent = script.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].payload_type, PayloadType::HandshakeResponse);
    let challenge = ChallengeBody { challenge: agent.seal(&[5; 64]).to_vec() };
    script.stream(PayloadType::EncChallengeRequest, challenge.encode()).unwrap();
    let sent = script.sent();
    let answer = ChallengeBody::parse(&sent[1].payload).unwrap();
    assert_eq!(sent[1].payload_type, PayloadType::EncChallengeResponse);
    assert_eq!(agent.open(&answer.challenge).unwrap(), &[5; 64][..]);
    script.complete();
    script.channel.send_size(80, 24);
    let sent = script.sent();
    assert_eq!(sent[1].payload_type, PayloadType::Size);
    assert_eq!(&sent[1].payload[..], br#"{"cols":80,"rows":24}"#);
    assert_eq!(agent.open(&sent[2].payload).unwrap(), &b"secret"[..]);
    let sealed = agent.seal(b"$ ");
    script.stream(PayloadType::Output, sealed).unwrap();
    let events = script.events();
    let [Event::Ready(ready), Event::Output(prompt)] = &events[..] else { panic!("{events:?}") };
    assert!(ready.encrypted);
    assert_eq!(prompt, "$ ");
    // Keys survive a new websocket, and messages are resent as they were sealed.
    script.reconnect();
    let again = script.sent();
    assert_eq!(again.last().map(|m| &m.payload), sent.last().map(|m| &m.payload));
}

#[test]
fn a_refused_data_key_is_answered_and_nothing_typed_is_ever_sent() {
    let mut script = Script::new();
    script.type_in("secret");
    script.request("3.3.1142.0", encryption());
    script.channel.refuse_data_key("AccessDenied: kms:GenerateDataKey");
    let sent = script.sent();
    assert_eq!(sent.len(), 2);
    let response = HandshakeResponse::parse(&sent[1].payload).unwrap();
    assert_eq!(response.processed_client_actions[1].error, "AccessDenied: kms:GenerateDataKey");
    script.pass(Duration::from_secs(5));
    assert!(script.sent().iter().all(|m| m.payload_type != PayloadType::Output));
    script.gateway(MessageType::ChannelClosed, Bytes::new()).unwrap();
    assert_eq!(script.events().last(), Some(&Event::Closed { output: String::new() }));
}

fn encryption() -> Vec<RequestedAction> {
    vec![
        RequestedAction::SessionType {
            session_type: "Standard_Stream".into(),
            properties: Value::Null,
        },
        RequestedAction::KmsEncryption {
            key_id: "arn:aws:kms:key".into(),
            challenge: Some("c2l4dGVlbg==".into()),
        },
    ]
}
