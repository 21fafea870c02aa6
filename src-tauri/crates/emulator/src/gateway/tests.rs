//! The gateway from the client's side.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use protocol::{MessageType, PayloadType};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Io, Item, Parcel, Relay};
use crate::faults::{Direction, Faults, Impairment, Padding, Side, Unattended};
use crate::scripted::{ACCOUNT, Arrival, Bench, CLIENT_VERSION, Client, REGION};
use crate::sessions::{Entry, NotFound, SessionRecord, SessionState, SessionStatus};

const SHELL: &str = "SSM-SessionManagerRunShell";
const FORWARD: &str = "AWS-StartPortForwardingSession";

async fn close_frame(client: &mut Client) -> Option<(u16, String)> {
    loop {
        match client.arrival().await {
            Arrival::Close(frame) => return frame,
            Arrival::Message(_) | Arrival::Pong => {}
            Arrival::Cut => return None,
        }
    }
}

#[tokio::test]
async fn a_token_is_good_once() {
    let bench = Bench::unpaced();
    let started = bench.start(SHELL, &[]);
    let mut client = bench.join(&started).await;
    client.output_with("$ ").await;
    let mut second = bench.join(&started).await;
    assert_eq!(close_frame(&mut second).await, Some((1008, "the token is not valid".into())));
    // The first is not disturbed by it.
    client.input("echo he''re\n").await;
    client.output_with("here\r\n").await;
}

#[tokio::test]
async fn the_first_message_has_to_open_the_channel_and_in_time() {
    let bench = Bench::unpaced();
    bench.faults.gateway(|rules| rules.open_timeout = Duration::from_millis(100));
    let started = bench.start(SHELL, &[]);
    let mut silent = bench.dial(&started.session_id).await;
    assert_eq!(close_frame(&mut silent).await, Some((1008, "no OpenDataChannel in time".into())));
    let mut binary = bench.dial(&started.session_id).await;
    binary.send_frame(Bytes::from_static(b"hello")).await;
    assert_eq!(close_frame(&mut binary).await.map(|frame| frame.0), Some(1008));
    let mut unknown = bench.connect("nobody-0", &started.token).await;
    assert_eq!(close_frame(&mut unknown).await, Some((1008, "no such session".into())));
    bench.faults.gateway(|rules| rules.refuse_tokens = true);
    let mut refused = bench.join(&started).await;
    assert_eq!(close_frame(&mut refused).await.map(|frame| frame.0), Some(1008));
}

#[tokio::test]
async fn pings_are_answered_even_with_no_agent() {
    let bench = Bench::unpaced();
    bench.faults.agent(|rules| rules.silent = true);
    let mut client = bench.run(SHELL, &[]).await;
    client.send_raw(Message::Ping(Bytes::from_static(b"keepalive"))).await;
    assert!(matches!(client.arrival().await, Arrival::Pong));
    client.input("nobody hears it").await;
    assert!(client.is_quiet_for(Duration::from_millis(200)).await);
}

#[tokio::test]
async fn old_websockets_are_closed_with_bye() {
    let bench = Bench::unpaced();
    bench.faults.gateway(|rules| rules.recycle_after = Some(Duration::from_millis(300)));
    let started = bench.start(SHELL, &[]);
    let mut client = bench.join(&started).await;
    assert_eq!(close_frame(&mut client).await, Some((1000, "Bye".into())));
    let records = bench.sessions.list(ACCOUNT, REGION, SessionState::Active);
    assert_eq!(records[0].status, SessionStatus::Disconnected);
    let mut client = bench.resume(&started.session_id, client).await;
    client.output_with("$ ").await;
}

#[tokio::test]
async fn quiet_and_long_sessions_end_with_a_text() {
    let bench = Bench::unpaced();
    bench.faults.gateway(|rules| rules.idle_timeout = Some(Duration::from_millis(300)));
    let mut client = bench.run(SHELL, &[]).await;
    assert_eq!(client.closed().await, "Session timed out due to inactivity.");
    bench.faults.gateway(|rules| {
        rules.idle_timeout = None;
        rules.max_duration = Some(Duration::from_millis(300));
    });
    let mut client = bench.run(SHELL, &[]).await;
    assert_eq!(client.closed().await, "Session reached its maximum duration.");
}

#[tokio::test]
async fn a_message_over_the_limit_closes_the_websocket_and_not_the_session() {
    let bench = Bench::unpaced();
    bench.faults.gateway(|rules| rules.max_frame_bytes = 2000);
    let started = bench.start(SHELL, &[]);
    let mut client = bench.join(&started).await;
    client.output_with("$ ").await;
    client.input(vec![b' '; 1800]).await;
    client.input(vec![b' '; 1900]).await;
    assert_eq!(close_frame(&mut client).await.map(|frame| frame.0), Some(1009));
    assert_eq!(bench.sessions.active().len(), 1);
}

#[tokio::test]
async fn a_client_that_sends_too_fast_is_closed_unless_nobody_counts() {
    for limit in [Some(50), None] {
        let bench = Bench::unpaced();
        bench.faults.gateway(|rules| rules.max_frames_per_second = limit);
        let mut client = bench.run(SHELL, &[]).await;
        client.output_with("$ ").await;
        let mut closed = None;
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        for _ in 0..350 {
            tick.tick().await;
            let message = client.stream_message(0, PayloadType::Output, " ");
            let again = client.stream_message(0, PayloadType::Output, " ");
            // The close frame is only seen by reading; a failed write is as much of a sign.
            client.send_frame_if_open(message.encode()).await;
            client.send_frame_if_open(again.encode()).await;
            if let Some(frame) = client.try_close_frame() {
                closed = Some(frame.0);
                break;
            }
        }
        assert_eq!(closed, limit.map(|_| 1008));
    }
}

#[tokio::test]
async fn types_come_in_every_padding() {
    for padding in [Padding::NulsBehind, Padding::NulsBefore, Padding::BlanksBefore] {
        let bench = Bench::unpaced();
        bench.faults.gateway(|rules| {
            rules.padding = padding;
            rules.junk_headers = true;
        });
        let mut client = bench.run(SHELL, &[]).await;
        assert_eq!(client.message().await.message_type, MessageType::StartPublication);
        client.output_with("$ ").await;
        client.input("exit\n").await;
        assert_eq!(client.closed().await, "");
    }
}

#[tokio::test]
async fn messages_nobody_was_there_for_are_dropped_or_kept() {
    for unattended in [Unattended::Drop, Unattended::Queue] {
        let faults = Faults::new();
        faults.gateway(|rules| rules.unattended = unattended);
        let (entry, sockets) = Entry::new(record());
        let entry = Arc::new(entry);
        let (relay, ends) = Relay::new(Arc::clone(&entry), faults, sockets);
        let mut tasks = JoinSet::new();
        tasks.spawn(relay.run());
        let room = Arc::new(Semaphore::new(1));
        let send = async |text: &'static str| {
            let room = Some(Arc::clone(&room).acquire_owned().await.unwrap());
            let frame = Bytes::from_static(text.as_bytes());
            ends.down.send(Parcel { item: Item::Frame(frame), room }).await.unwrap();
        };
        ends.down.send(Item::State { terminating: false }.into()).await.unwrap();
        send("before").await;
        // The room is free again when the relay has done with the message.
        drop(room.acquire().await.unwrap());
        let (near, far) = tokio::io::duplex(4096);
        let far: Box<dyn Io> = Box::new(far);
        let far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
        assert!(entry.attach(far).await.is_ok());
        let mut ends = ends.client_seen.clone();
        ends.wait_for(|seen| *seen).await.unwrap();
        send("after").await;
        let mut client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
        let mut received = Vec::new();
        while received.last() != Some(&Message::Binary("after".into())) {
            received.push(client.next().await.unwrap().unwrap());
        }
        let kept = unattended == Unattended::Queue;
        assert_eq!(received.contains(&Message::Binary("before".into())), kept);
    }
}

fn record() -> SessionRecord {
    SessionRecord {
        id: "alice-0".into(),
        target: "i-1".into(),
        account: ACCOUNT.into(),
        region: REGION.into(),
        status: SessionStatus::Connecting,
        start: crate::clock::date(),
        end: None,
        document: SHELL.into(),
        owner: "alice".into(),
        reason: None,
        max_duration: None,
    }
}

#[tokio::test]
async fn an_agent_that_is_behind_does_not_keep_its_client_from_the_gateway() {
    let bench = Bench::unpaced();
    bench.faults.gateway(|rules| rules.max_frames_per_second = None);
    bench.faults.agent(|rules| rules.stalled_terminal = true);
    let mut client = bench.run(SHELL, &[]).await;
    client.output_with("$ ").await;
    // More than the gateway keeps for it.
    for _ in 0..9000 {
        client.input(" ").await;
    }
    client.send_raw(Message::Ping(Bytes::new())).await;
    assert!(matches!(client.arrival().await, Arrival::Pong));
}

#[tokio::test]
async fn an_agent_that_was_away_goes_on() {
    let bench = Bench::unpaced();
    let started = bench.start(SHELL, &[]);
    let mut client = bench.join(&started).await;
    client.output_with("$ ").await;
    bench.faults.agent_away(Some(&started.session_id), Duration::from_millis(300));
    assert_eq!(client.message().await.message_type, MessageType::PausePublication);
    let lost = client.stream_message(0, PayloadType::Output, "echo ba''ck\n");
    client.send_frame(lost.encode()).await;
    assert_eq!(client.message().await.message_type, MessageType::StartPublication);
    client.send_frame(lost.encode()).await;
    client.output_with("back\r\n").await;
}

#[tokio::test]
async fn a_frozen_client_side_hears_nothing_and_then_everything() {
    let bench = Bench::unpaced();
    let started = bench.start(SHELL, &[]);
    let mut client = bench.join(&started).await;
    client.output_with("$ ").await;
    bench.faults.freeze(Some(&started.session_id), Side::Client, Duration::from_millis(500));
    client.send_raw(Message::Ping(Bytes::new())).await;
    client.input("echo tha''wed\n").await;
    assert!(client.is_quiet_for(Duration::from_millis(200)).await);
    client.output_with("thawed\r\n").await;
}

#[tokio::test]
async fn a_frozen_agent_leaves_the_websocket_alive() {
    let bench = Bench::unpaced();
    let started = bench.start(SHELL, &[]);
    let mut client = bench.join(&started).await;
    client.output_with("$ ").await;
    bench.faults.freeze(Some(&started.session_id), Side::Agent, Duration::from_millis(500));
    client.input("echo tha''wed\n").await;
    client.send_raw(Message::Ping(Bytes::new())).await;
    assert!(matches!(client.arrival().await, Arrival::Pong));
    client.output_with("thawed\r\n").await;
}

#[tokio::test]
async fn websockets_are_cut_on_schedule_and_by_count() {
    let bench = Bench::unpaced();
    bench.faults.gateway(|rules| rules.cut_after_frames = Some(10));
    let started = bench.start(SHELL, &[]);
    let mut client = bench.join(&started).await;
    let mut messages = 0;
    loop {
        match client.arrival().await {
            Arrival::Message(message) => {
                messages += 1;
                if message.message_type == MessageType::OutputStreamData {
                    // The cut may come between a message and its answer.
                    client.acknowledge_if_open(&message).await;
                    client.input_if_open("\n").await;
                }
            }
            Arrival::Cut => break,
            other @ (Arrival::Close(_) | Arrival::Pong) => {
                panic!("a cut has no close frame: {other:?}")
            }
        }
    }
    assert!(messages > 2);
    bench.faults.gateway(|rules| {
        rules.cut_after_frames = None;
        rules.cut_every = Some(Duration::from_millis(200));
    });
    let mut client = bench.resume(&started.session_id, client).await;
    while !matches!(client.arrival().await, Arrival::Cut) {}
}

#[tokio::test]
async fn forged_messages_reach_the_client_as_they_are() {
    let bench = Bench::unpaced();
    let started = bench.start(SHELL, &[]);
    let mut client = bench.join(&started).await;
    client.output_with("$ ").await;
    bench.faults.inject(Some(&started.session_id), Bytes::from_static(b"\x00junk"));
    bench.faults.inject_text(Some(&started.session_id), "words");
    assert_eq!(client.raw().await, Message::Binary(Bytes::from_static(b"\x00junk")));
    assert_eq!(client.raw().await, Message::Text("words".into()));
}

#[tokio::test]
async fn lost_acknowledgements_are_asked_for_again() {
    let bench = Bench::unpaced();
    let mut client = bench.run(SHELL, &[]).await;
    client.output_with("$ ").await;
    let loss = Impairment {
        message_type: Some("acknowledge".into()),
        drop: 1.0,
        times: Some(2),
        ..Impairment::default()
    };
    bench.faults.impair(None, Direction::Down, loss);
    let message = client.stream_message(0, PayloadType::Output, "echo on''ce\n");
    for _ in 0..3 {
        client.send_frame(message.encode()).await;
    }
    client.acknowledgement_of(0).await;
}

#[tokio::test]
async fn sessions_belong_to_their_account_and_region() {
    let bench = Bench::unpaced();
    let started = bench.start(SHELL, &[]);
    let id = started.session_id.as_str();
    assert!(id.starts_with("alice-0") && id.len() == "alice-0123456789abcdef0".len());
    assert_eq!(bench.sessions.resume(id, "222222222222", REGION), Err(NotFound));
    assert_eq!(bench.sessions.terminate(id, ACCOUNT, "us-east-1"), Err(NotFound));
    assert_eq!(bench.sessions.terminate(id, ACCOUNT, REGION), Ok(()));
    assert_eq!(bench.sessions.terminate(id, ACCOUNT, REGION), Ok(()));
    // A client that comes late learns that it is over.
    let mut late = bench.join(&started).await;
    assert_eq!(late.closed().await, "");
}

#[tokio::test]
async fn a_resume_may_be_answered_without_a_token() {
    let bench = Bench::unpaced();
    let started = bench.start(SHELL, &[]);
    bench.faults.resume_without_token(1);
    assert_eq!(bench.sessions.resume(&started.session_id, ACCOUNT, REGION), Ok(None));
    assert!(matches!(bench.sessions.resume(&started.session_id, ACCOUNT, REGION), Ok(Some(_))));
}

#[tokio::test]
async fn another_version_and_silence_can_be_asked_of_an_agent() {
    let bench = Bench::unpaced();
    bench.faults.agent(|rules| rules.version = Some("3.0.100.0".into()));
    let mut client = bench.run(FORWARD, &[("portNumber", "9")]).await;
    let (request, _) = client.shake_hands(CLIENT_VERSION).await;
    assert_eq!(request.agent_version, "3.0.100.0");
    // Too old to mux: it dials at once.
    assert!(client.closed().await.starts_with("Unable to connect to specified port: dial tcp"));
}
