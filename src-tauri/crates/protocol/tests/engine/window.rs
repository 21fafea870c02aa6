//! How much may be under way, and how much may wait at either side.

use std::time::Duration;

use bytes::Bytes;
use protocol::{Event, PayloadType, RateConfig, SendError};

use crate::script::{MS, Script};

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
