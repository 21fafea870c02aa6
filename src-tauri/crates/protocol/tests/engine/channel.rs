//! What the data channel does, seen from the far end.

use std::time::Duration;

use bytes::Bytes;
use protocol::{
    ChallengeBody, DataKey, Event, HandshakeResponse, MessageType, Overdue, PayloadType,
    RateConfig, RequestedAction, Seal, SendError, SessionFlag, SessionKind,
};
use serde_json::{Value, json};

use crate::script::Script;

const MS: Duration = Duration::from_millis(1);

fn numbers(sent: Vec<(i64, String)>) -> Vec<i64> {
    sent.into_iter().map(|(sequence, _)| sequence).collect()
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
fn every_reception_is_acknowledged_and_order_is_restored() {
    let mut script = Script::shell();
    for sequence in [3, 2, 2, 1, 1, 0] {
        let text = Bytes::from(sequence.to_string());
        script.stream_at(sequence, PayloadType::Output, text).unwrap();
    }
    assert_eq!(script.acknowledged(), [3, 2, 2, 1, 1, 0]);
    let texts: Vec<_> = script
        .events()
        .into_iter()
        .map(|event| if let Event::Output(bytes) = event { bytes } else { panic!("{event:?}") })
        .collect();
    assert_eq!(texts, ["1", "2", "3"]);
}

#[test]
fn an_unacknowledged_message_is_sent_again_byte_for_byte_with_growing_pauses() {
    let mut script = Script::shell();
    script.type_in("x");
    let first = script.sent_frames();
    assert_eq!(first.len(), 1);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let before = script.now;
        let (at, why) = script.channel.poll_timeout().unwrap();
        assert_eq!(why, "resend");
        script.pass(at - before);
        assert_eq!(script.sent_frames(), first);
        pauses.push(at - before);
    }
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert!(pauses[0] >= 150 * MS && pauses[0] <= 250 * MS, "{pauses:?}");
    assert!(pauses[7] >= 2000 * MS && pauses[7] <= 10_000 * MS, "{pauses:?}");
    script.acknowledge(0);
    assert!(script.channel.is_drained());
}

#[test]
fn a_hole_is_filled_once_and_early() {
    let mut script = Script::port();
    for text in ["a", "b", "c", "d"] {
        script.type_in(text);
        assert_eq!(script.sent().len(), 1);
    }
    script.now += 5 * MS;
    for later in [2, 3, 4] {
        script.acknowledge(later);
    }
    let (at, _) = script.channel.poll_timeout().unwrap();
    assert!(at < script.now + 150 * MS, "long before the timeout");
    script.pass(at - script.now);
    assert_eq!(numbers(script.sent_input()), [1]);
    let (at, _) = script.channel.poll_timeout().unwrap();
    assert!(at - script.now >= 100 * MS, "then there is a pause");
}

#[test]
fn a_new_websocket_gets_everything_unacknowledged_at_once_and_in_order() {
    let mut script = Script::port();
    for text in ["a", "b", "c", "d"] {
        script.type_in(text);
        script.sent();
    }
    script.acknowledge(2);
    script.channel.handle_disconnected();
    script.type_in("e");
    assert!(script.sent().is_empty());
    assert_eq!(script.channel.poll_timeout(), None);
    script.channel.handle_connected(script.now);
    assert_eq!(numbers(script.sent_input()), [1, 3, 4, 5]);
}

#[test]
fn acknowledgements_wait_for_the_next_websocket() {
    let mut script = Script::shell();
    script.output(b"x");
    script.reconnect();
    assert_eq!(script.acknowledged(), [1]);
}

#[test]
fn a_shell_has_little_in_flight_and_an_interrupt_overtakes_what_was_typed() {
    let mut script = Script::shell();
    let paste = Bytes::from(vec![b'x'; script.channel.input_capacity()]);
    assert_eq!(paste.len(), 16 * 1024);
    script.channel.send_input(paste).unwrap();
    assert_eq!(
        script.channel.send_input(&b"y"[..]),
        Err(SendError::WindowFull { len: 1, capacity: 0 })
    );
    let sent = script.sent_input();
    assert_eq!(sent.len(), 8);
    assert!(sent.iter().all(|(_, text)| text.len() == 1024));
    script.channel.send_input(&[0x03][..]).unwrap();
    assert!(script.sent().is_empty(), "the window is full");
    script.acknowledge(0);
    assert_eq!(script.sent_input(), [(8, "\u{3}".to_owned())]);
}

#[test]
fn writable_is_told_once_room_is_back() {
    let mut script = Script::shell();
    let capacity = script.channel.input_capacity();
    script.channel.send_input(Bytes::from(vec![b'x'; capacity])).unwrap();
    script.sent();
    assert!(script.events().is_empty());
    script.acknowledge(0);
    assert_eq!(script.events(), [Event::Writable]);
    script.acknowledge(1);
    assert!(script.events().is_empty());
}

#[test]
fn a_port_session_queues_little_and_its_window_grows_with_the_path() {
    let mut script = Script::port();
    script.channel.set_rate(RateConfig { frames_per_second: None, burst: 0 });
    assert_eq!(script.channel.input_capacity(), 2 * 1024);
    let start = script.channel.stats().window_bytes;
    assert_eq!(start, 128 * 1024);
    // The handshake took no time at all; on another path that no longer counts.
    script.reconnect();
    let mut next = 1;
    for _ in 0..40 {
        let mut in_flight = 0;
        loop {
            while script.channel.input_capacity() >= 1024 {
                script.channel.send_input(Bytes::from(vec![7; 1024])).unwrap();
            }
            let sent = script.sent_input().len();
            if sent == 0 {
                break;
            }
            in_flight += sent;
        }
        script.now += 20 * MS;
        for _ in 0..in_flight {
            script.acknowledge(next);
            next += 1;
        }
    }
    assert_eq!(script.channel.stats().window_bytes, 4 * 1024 * 1024);
    assert_eq!(script.channel.stats().resent_frames, 0);
}

#[test]
fn data_frames_keep_to_the_rate_and_acknowledgements_do_not_count() {
    let mut script = Script::port();
    script.channel.set_rate(RateConfig { frames_per_second: Some(100), burst: 10 });
    script.pass(Duration::from_secs(1));
    let mut sent = 0;
    for _ in 0..200 {
        while script.channel.input_capacity() >= 1024 {
            script.channel.send_input(Bytes::from(vec![7; 1024])).unwrap();
        }
        let messages = script.sent();
        sent += messages.len();
        for message in messages {
            script.acknowledge(message.sequence);
        }
        script.pass(10 * MS);
    }
    assert!((200..=211).contains(&sent), "{sent}");
    assert_eq!(script.channel.poll_timeout().map(|(_, why)| why), None);
    for _ in 0..50 {
        script.output(b"x");
    }
    assert_eq!(script.acknowledged().len(), 50);
}

#[test]
fn a_paused_far_end_gets_nothing_but_a_probe_until_it_is_back() {
    let mut script = Script::port();
    script.type_in("a");
    assert_eq!(numbers(script.sent_input()), [1]);
    script.gateway(MessageType::PausePublication, Bytes::new()).unwrap();
    script.gateway(MessageType::PausePublication, Bytes::new()).unwrap();
    script.type_in("b");
    assert!(script.sent().is_empty());
    assert_eq!(script.events(), [Event::Paused]);
    assert_eq!(script.channel.poll_timeout().map(|(_, why)| why), Some("probe"));
    script.pass(Duration::from_secs(3));
    assert_eq!(numbers(script.sent_input()), [1], "one message, to see if it is back");
    script.pass(Duration::from_secs(2));
    assert!(script.sent().is_empty());
    script.gateway(MessageType::StartPublication, Bytes::new()).unwrap();
    assert_eq!(script.events(), [Event::Unpaused]);
    assert_eq!(numbers(script.sent_input()), [1, 2]);
}

#[test]
fn a_paused_far_end_with_nothing_in_flight_is_probed_with_something_new() {
    let mut script = Script::port();
    script.gateway(MessageType::PausePublication, Bytes::new()).unwrap();
    script.type_in("a");
    script.pass(Duration::from_secs(4));
    assert_eq!(numbers(script.sent_input()), [1]);
    script.acknowledge(1);
    assert_eq!(script.events(), [Event::Paused, Event::Unpaused]);
}

#[test]
fn an_agent_that_may_be_paused_hears_from_a_client_that_only_listens() {
    let mut script = Script::shell();
    script.reconnect();
    assert_eq!(script.acknowledged(), [0], "the last one again");
    script.pass(Duration::from_secs(2));
    assert_eq!(script.acknowledged(), [0]);
    script.output(b"x");
    assert_eq!(script.acknowledged(), [1]);
    script.pass(Duration::from_secs(60));
    assert!(script.acknowledged().is_empty(), "it was heard");
}

#[test]
fn a_paused_agent_that_never_spoke_is_sent_the_size_again() {
    let mut script = Script::new();
    script.channel.send_size(80, 24);
    script.sent();
    script.acknowledge(0);
    script.gateway(MessageType::PausePublication, Bytes::new()).unwrap();
    script.pass(Duration::from_secs(3));
    assert_eq!(script.sent_input(), [(1, r#"{"cols":80,"rows":24}"#.to_owned())]);
}

#[test]
fn a_round_trip_longer_than_the_timeout_is_learned() {
    let mut script = Script::shell();
    for next in 0..12 {
        script.type_in("x");
        script.sent();
        script.pass(700 * MS);
        script.sent();
        script.acknowledge(next);
    }
    let before = script.channel.stats().resent_frames;
    for next in 12..20 {
        script.type_in("x");
        script.sent();
        script.pass(700 * MS);
        script.sent();
        script.acknowledge(next);
    }
    assert_eq!(script.channel.stats().resent_frames, before);
    assert!(script.channel.stats().round_trip.unwrap() > 400 * MS);
}

/// Numbers, payload types and lengths of what the channel sends now.
fn shapes(script: &mut Script) -> Vec<(i64, PayloadType, usize)> {
    let sent = script.sent().into_iter();
    sent.map(|message| (message.sequence, message.payload_type, message.payload.len())).collect()
}

fn fill(script: &mut Script) {
    let room = script.channel.input_capacity();
    script.channel.send_input(Bytes::from(vec![7; room])).expect("there is room");
}

#[test]
fn a_larger_payload_is_tried_with_a_message_that_carries_nothing() {
    let mut script = Script::port();
    script.channel.set_payload_limit(8192);
    script.type_in("a lone request");
    assert_eq!(shapes(&mut script), [(1, PayloadType::Output, 14)], "no transfer, no probe");
    fill(&mut script);
    let expected = [
        (2, PayloadType::Size, 8192 + 28),
        (3, PayloadType::Output, 1024),
        (4, PayloadType::Output, 1024),
    ];
    assert_eq!(shapes(&mut script), expected, "data goes on meanwhile");
    assert_eq!(script.channel.payload_limit(), 1024);
    script.events();
    script.acknowledge(2);
    assert!(script.events().contains(&Event::PayloadProven { bytes: 8192 }));
    assert_eq!(script.channel.payload_limit(), 8192);
    fill(&mut script);
    assert_eq!(
        shapes(&mut script),
        [(5, PayloadType::Output, 8192), (6, PayloadType::Output, 8192)]
    );
}

#[test]
fn a_refused_payload_leaves_a_short_message_in_its_place() {
    let mut script = Script::port();
    script.channel.set_payload_limit(4096);
    fill(&mut script);
    shapes(&mut script);
    script.channel.handle_payload_refused();
    script.reconnect();
    assert!(script.events().contains(&Event::PayloadRefused { bytes: 4096 }));
    let expected = [
        (1, PayloadType::Size, 21),
        (2, PayloadType::Output, 1024),
        (3, PayloadType::Output, 1024),
    ];
    assert_eq!(shapes(&mut script), expected);
    assert_eq!(script.channel.payload_limit(), 1024);
    for number in 1..=3 {
        script.acknowledge(number);
    }
    assert!(script.channel.is_drained());
    assert_eq!(script.channel.stats().in_flight_bytes, 0);
    fill(&mut script);
    assert_eq!(shapes(&mut script).len(), 2, "it is not tried again by itself");
}

#[test]
fn a_payload_lost_with_two_websockets_counts_as_refused() {
    let mut script = Script::port();
    script.channel.set_payload_limit(2048);
    fill(&mut script);
    let first = script.sent_frames();
    script.reconnect();
    assert_eq!(script.sent_frames(), first, "one lost websocket says nothing");
    script.reconnect();
    assert_eq!(shapes(&mut script)[0], (1, PayloadType::Size, 21));
    script.channel.set_payload_limit(2048);
    fill(&mut script);
    assert_eq!(shapes(&mut script)[0], (4, PayloadType::Size, 2048 + 28), "a new try");
}

#[test]
fn a_payload_that_vanishes_counts_as_refused() {
    let mut script = Script::port();
    script.channel.set_payload_limit(2048);
    fill(&mut script);
    assert_eq!(shapes(&mut script).len(), 3);
    for number in [2, 3] {
        script.acknowledge(number);
    }
    let mut sent = Vec::new();
    for _ in 0..10 {
        script.pass(50 * MS);
        sent.extend(shapes(&mut script));
    }
    let expected = [(1, PayloadType::Size, 2048 + 28), (1, PayloadType::Size, 21)];
    assert_eq!(sent[..2], expected);
    assert!(script.events().contains(&Event::PayloadRefused { bytes: 2048 }));
}

#[test]
fn a_terminal_never_has_large_payloads() {
    let mut script = Script::shell();
    script.channel.set_payload_limit(8192);
    fill(&mut script);
    assert!(shapes(&mut script).iter().all(|(_, _, len)| *len == 1024));
}

#[test]
fn an_old_agent_that_stays_silent_on_duplicates_does_not_fill_the_window() {
    let mut script = Script::port_of("3.1.1511.0");
    for text in ["a", "b"] {
        script.type_in(text);
        script.sent();
    }
    let before = script.channel.stats().in_flight_bytes;
    assert_eq!(before, 2);
    // Both were received; their acknowledgements died with the websocket.
    script.reconnect();
    for _ in 0..100 {
        script.sent();
        script.pass(500 * MS);
    }
    assert_eq!(script.channel.stats().in_flight_bytes, 0);
    assert_eq!(script.channel.stats().unacknowledged_frames, 2, "they may as well be lost");
    script.type_in("c");
    for _ in 0..2000 {
        for (sequence, _) in script.sent_input() {
            if sequence == 3 {
                script.acknowledge(3);
            }
        }
        script.pass(500 * MS);
    }
    assert!(script.channel.is_drained(), "later ones came through: they are there");
}

#[test]
fn a_shell_of_unknown_age_never_loses_its_window_to_silent_duplicates() {
    let mut script = Script::shell();
    let mut received = -1;
    for _ in 0..30 {
        for _ in 0..8 {
            script.type_in("x");
            received = numbers(script.sent_input()).into_iter().max().unwrap_or(received);
        }
        script.reconnect();
        for _ in 0..20 {
            script.sent();
            script.pass(500 * MS);
        }
    }
    assert_eq!(received, 30 * 8 - 1, "typing goes on for ever");
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

#[test]
fn closed_is_the_last_event_and_its_text_is_kept() {
    let mut script = Script::shell();
    script.output(b"bye");
    let body = protocol::ChannelClosedBody {
        output: "idle for too long".into(),
        ..protocol::ChannelClosedBody::default()
    };
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

#[test]
fn output_nobody_takes_is_refused_before_it_fills_the_memory() {
    let mut script = Script::shell();
    let chunk = Bytes::from(vec![7; 64 * 1024]);
    let mut accepted = 0;
    for sequence in 1..1000 {
        script.stream_at(sequence, PayloadType::Output, chunk.clone()).unwrap();
        accepted += script.acknowledged().len();
    }
    assert!((60..400).contains(&accepted), "{accepted}");
    assert!(script.events().len() >= 60);
    let next = i64::try_from(accepted).unwrap() + 1;
    script.stream_at(next.min(65), PayloadType::Output, chunk).unwrap();
    assert_eq!(script.acknowledged().len(), 1);
}

#[test]
fn the_opening_text_is_new_each_time_for_the_same_client() {
    let mut script = Script::new();
    let first = protocol::OpenDataChannel::parse(&script.channel.opening("token-1")).unwrap();
    let second = protocol::OpenDataChannel::parse(&script.channel.opening("token-2")).unwrap();
    assert_eq!(first.client_id, second.client_id);
    assert_ne!(first.request_id, second.request_id);
    assert_eq!((first.token_value, second.token_value), ("token-1".into(), "token-2".into()));
    assert_eq!(first.client_version.as_deref(), Some("1.2.764.0"));
}
