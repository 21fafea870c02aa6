//! What is acknowledged, put in order and sent again, over as many websockets as it takes.

use bytes::Bytes;
use protocol::{Event, PayloadType};

use crate::script::{MS, Script, numbers};

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
fn a_round_trip_longer_than_the_timeout_is_learned() {
    let mut script = Script::shell();
    let key = |script: &mut Script, number| {
        script.type_in("x");
        script.sent();
        script.pass(700 * MS);
        script.sent();
        script.acknowledge(number);
    };
    (0..12).for_each(|number| key(&mut script, number));
    let before = script.channel.stats().resent_frames;
    (12..20).for_each(|number| key(&mut script, number));
    assert_eq!(script.channel.stats().resent_frames, before);
    assert!(script.channel.stats().round_trip.unwrap() > 400 * MS);
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
