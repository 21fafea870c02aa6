//! A far end that asks for silence, and how it is found to be back.

use std::time::Duration;

use bytes::Bytes;
use protocol::{Event, MessageType};

use crate::script::{Script, numbers};

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
