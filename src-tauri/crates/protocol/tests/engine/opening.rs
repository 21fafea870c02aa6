//! How a session begins: its opening, the handshake, and an agent that stays silent.

use std::time::Duration;

use bytes::Bytes;
use protocol::{
    Event, HandshakeResponse, MessageType, OpenDataChannel, Overdue, PayloadType, RequestedAction,
    SessionKind,
};
use serde_json::{Value, json};

use crate::script::{Script, numbers};

#[test]
fn the_opening_text_is_new_each_time_for_the_same_client() {
    let mut script = Script::new();
    let first = OpenDataChannel::parse(&script.channel.opening("token-1")).unwrap();
    let second = OpenDataChannel::parse(&script.channel.opening("token-2")).unwrap();
    assert_eq!(first.client_id, second.client_id);
    assert_ne!(first.request_id, second.request_id);
    assert_eq!((first.token_value, second.token_value), ("token-1".into(), "token-2".into()));
    assert_eq!(first.client_version.as_deref(), Some("1.2.764.0"));
}

#[test]
fn a_session_without_handshake_is_a_shell_from_its_first_output() {
    let mut script = Script::new();
    script.type_in("ls");
    assert!(script.sent().is_empty(), "keystrokes wait until the session is ready");
    script.output(b"$ ");
    let events = script.events();
    let [Event::Ready(ready), Event::Output(prompt)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&ready.kind, ready.agent_version.is_none()), (&SessionKind::Shell, true));
    assert_eq!(prompt, "$ ");
    let sent = script.sent();
    assert_eq!(sent[0].message_type, MessageType::Acknowledge, "acknowledgements go first");
    assert_eq!((sent[1].sequence, &sent[1].payload[..]), (0, &b"ls"[..]));
}

#[test]
fn a_size_is_sent_early_and_again_when_ready_and_only_the_newest() {
    let mut script = Script::new();
    script.channel.send_size(80, 24);
    script.channel.send_size(120, 40);
    assert_eq!(script.sent_input(), [(0, r#"{"cols":120,"rows":40}"#.to_owned())]);
    script.acknowledge(0);
    script.type_in("x");
    script.output(b"$ ");
    let expected = [(1, r#"{"cols":120,"rows":40}"#.to_owned()), (2, "x".to_owned())];
    assert_eq!(script.sent_input(), expected);
}

#[test]
fn in_a_handshake_nothing_is_sent_but_its_answer() {
    let mut script = Script::new();
    script.channel.send_size(80, 24);
    assert_eq!(numbers(script.sent_input()), [0]);
    script.type_in("x");
    script.request(
        "3.3.1142.0",
        vec![RequestedAction::SessionType {
            session_type: "InteractiveCommands".into(),
            properties: Value::Null,
        }],
    );
    script.channel.send_size(81, 25);
    let sent = script.sent();
    let kinds: Vec<_> = sent.iter().map(|m| (m.payload_type, m.sequence)).collect();
    // The early size precedes the answer in the sequence: it has to be there first.
    let answer = (PayloadType::HandshakeResponse, 1);
    assert_eq!(kinds, [(PayloadType::Undefined, 0), (PayloadType::Size, 0), answer]);
    let response = HandshakeResponse::parse(&sent[2].payload).unwrap();
    assert_eq!(response.client_version, "1.2.764.0");
    script.complete();
    let events = script.events();
    assert!(
        matches!(&events[..], [Event::Ready(ready)] if ready.kind == SessionKind::InteractiveCommand)
    );
    let sent = script.sent_input();
    assert_eq!(sent, [(2, r#"{"cols":81,"rows":25}"#.to_owned()), (3, "x".to_owned())]);
}

#[test]
fn nothing_new_reaches_an_agent_that_is_about_to_complete_its_handshake() {
    let mut script = Script::new();
    let action = RequestedAction::SessionType {
        session_type: "Port".into(),
        properties: json!({"type": "LocalPortForwarding"}),
    };
    script.request("3.3.1142.0", vec![action]);
    script.settle();
    script.complete_now();
    script.type_in("SYN");
    assert!(script.sent_input().is_empty());
    script.pass(Duration::from_millis(49));
    assert!(script.sent_input().is_empty());
    script.pass(Duration::from_millis(1));
    assert_eq!(script.sent_input(), [(1, "SYN".to_owned())]);
}

#[test]
fn a_repeated_handshake_request_is_acknowledged_again_and_nothing_else() {
    let mut script = Script::port();
    script.stream_at(0, PayloadType::HandshakeRequest, &b"not even json"[..]).unwrap();
    assert_eq!(script.acknowledged(), [0, 1]);
    assert!(script.events().is_empty());
}

#[test]
fn input_of_a_command_waits_until_it_is_sure_to_run() {
    let mut script = Script::new();
    script.handshake("3.3.1142.0", "NonInteractiveCommands", Value::Null);
    script.type_in("\u{3}");
    assert!(script.sent().is_empty());
    assert_eq!(script.channel.poll_timeout().unwrap().1, "input held for the agent");
    script.pass(Duration::from_secs(1));
    assert_eq!(script.sent().len(), 1);

    let mut script = Script::new();
    script.handshake("3.3.1142.0", "NonInteractiveCommands", Value::Null);
    script.type_in("\u{3}");
    script.stream(PayloadType::StdErr, &b"started"[..]).unwrap();
    assert_eq!(script.sent_input().len(), 1);
}

#[test]
fn the_far_end_is_overdue_once_and_then_once_more() {
    let mut script = Script::new();
    script.gateway(MessageType::StartPublication, Bytes::new()).unwrap();
    assert_eq!(script.channel.poll_timeout().unwrap().1, "first frame");
    script.pass(Duration::from_secs(30));
    assert_eq!(script.events(), [Event::Overdue(Overdue::FirstFrame)]);
    script.pass(Duration::from_secs(100));
    assert_eq!(script.events(), [Event::Overdue(Overdue::Ready)]);
}

#[test]
fn an_acknowledged_size_is_a_sign_of_the_agent() {
    let mut script = Script::new();
    script.channel.send_size(80, 24);
    script.sent();
    script.acknowledge(0);
    script.pass(Duration::from_secs(35));
    assert!(script.events().is_empty());
}
