//! How larger payloads are tried, proven and given up.

use bytes::Bytes;
use protocol::{Event, PayloadType};

use crate::script::{MS, Script};

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

/// Numbers, payload types and lengths of what the channel sends now.
fn shapes(script: &mut Script) -> Vec<(i64, PayloadType, usize)> {
    let sent = script.sent().into_iter();
    sent.map(|message| (message.sequence, message.payload_type, message.payload.len())).collect()
}

fn fill(script: &mut Script) {
    let room = script.channel.input_capacity();
    script.channel.send_input(Bytes::from(vec![7; room])).expect("there is room");
}
