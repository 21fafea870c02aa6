//! Flags, the end of a command and the end of a session.

use bytes::Bytes;
use protocol::{ChannelClosedBody, Event, MessageType, PayloadType, SendError, SessionFlag};
use serde_json::Value;

use crate::script::Script;

#[test]
fn a_command_has_two_outputs_and_an_exit_status() {
    let mut script = Script::new();
    script.handshake("3.3.1142.0", "NonInteractiveCommands", Value::Null);
    script.output(b"out");
    script.stream(PayloadType::StdErr, &b"err"[..]).unwrap();
    script.stream(PayloadType::ExitCode, &b"EXIT_CODE: 3"[..]).unwrap();
    assert_eq!(
        script.events(),
        [
            Event::Output(Bytes::from_static(b"out")),
            Event::StdErr(Bytes::from_static(b"err")),
            Event::ExitCode(3)
        ]
    );
}

#[test]
fn a_terminate_flag_overtakes_everything_queued() {
    let mut script = Script::port();
    for text in ["a", "b"] {
        script.type_in(text);
    }
    script.channel.send_flag(SessionFlag::TerminateSession);
    assert!(!script.channel.is_drained());
    let sent = script.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (sent[0].payload_type, &sent[0].payload[..]),
        (PayloadType::Flag, &[0, 0, 0, 2][..])
    );
    script.acknowledge(1);
    assert!(script.channel.is_drained());
    assert_eq!(script.events(), [Event::FlagAcknowledged(SessionFlag::TerminateSession)]);
}

#[test]
fn after_a_disconnect_flag_nothing_is_sent_until_it_is_acknowledged() {
    let mut script = Script::port_of("3.0.100.0");
    script.type_in("first");
    script.channel.send_flag(SessionFlag::DisconnectToPort);
    script.type_in("second");
    let sent = script.sent();
    let kinds: Vec<_> = sent.iter().map(|m| m.payload_type).collect();
    assert_eq!(kinds, [PayloadType::Output, PayloadType::Flag]);
    script.acknowledge(1);
    assert!(script.sent().is_empty());
    script.acknowledge(2);
    assert_eq!(script.sent_input(), [(3, "second".to_owned())]);
}

#[test]
fn closed_is_the_last_event_and_its_text_is_kept() {
    let mut script = Script::shell();
    script.output(b"bye");
    let body =
        ChannelClosedBody { output: "idle for too long".into(), ..ChannelClosedBody::default() };
    script.gateway(MessageType::ChannelClosed, body.encode()).unwrap();
    assert_eq!(
        script.events(),
        [
            Event::Output(Bytes::from_static(b"bye")),
            Event::Closed { output: "idle for too long".into() }
        ]
    );
    assert_eq!(script.channel.send_input(&b"x"[..]), Err(SendError::Closed));
    script.output(b"more");
    assert!(script.events().is_empty());
    assert!(script.sent().is_empty());
    assert_eq!(script.channel.poll_timeout(), None);
}
