use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use protocol::mux::frame::{Command, Frame, FrameDecoder, StreamId};
use protocol::{PayloadType, SessionFlag};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::faults::{Dial, Direction, Impairment};
use crate::scripted::{Bench, CLIENT_VERSION, Client};

const FORWARD: &str = "AWS-StartPortForwardingSession";
const REMOTE: &str = "AWS-StartPortForwardingSessionToRemoteHost";
const SSH: &str = "AWS-StartSSHSession";
/// A client that cannot mux.
const OLD_CLIENT: &str = "1.1.61.0";

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A port nobody listens on: bound while the test runs, never listening.
fn refusing() -> (tokio::net::TcpSocket, u16) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

async fn forward(bench: &Bench, port: u16, version: &str) -> Client {
    let mut client = bench.run(FORWARD, &[("portNumber", &port.to_string())]).await;
    client.shake_hands(version).await;
    client
}

fn frames(list: &[(Command, u32, &[u8])]) -> Bytes {
    let mut bytes = BytesMut::new();
    for (command, stream, payload) in list {
        let payload = Bytes::copy_from_slice(payload);
        Frame { command: *command, stream: StreamId(*stream), payload }.encode(&mut bytes);
    }
    bytes.freeze()
}

/// The next frame of the mux.
async fn frame(client: &mut Client, decoder: &mut FrameDecoder) -> Frame {
    loop {
        if let Some(frame) = decoder.next().unwrap() {
            return frame;
        }
        decoder.push(client.payload(PayloadType::Output).await);
    }
}

#[tokio::test]
async fn a_muxed_connection_carries_bytes_both_ways() {
    let bench = Bench::new();
    let (listener, address) = listener().await;
    let mut client = bench.run(FORWARD, &[("portNumber", &address.port().to_string())]).await;
    let (request, _) = client.shake_hands(CLIENT_VERSION).await;
    let protocol::RequestedAction::SessionType { session_type, properties } = &request.actions[0]
    else {
        panic!("a session type comes first");
    };
    assert_eq!(session_type, "Port");
    assert_eq!(properties["type"], "LocalPortForwarding");
    assert_eq!(properties["portNumber"], address.port().to_string());

    client.input(frames(&[(Command::Syn, 3, b""), (Command::Psh, 3, b"hello")])).await;
    let (mut target, _) = listener.accept().await.unwrap();
    let mut read = [0; 5];
    target.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"hello");
    target.write_all(&[7; 3000]).await.unwrap();
    let mut decoder = FrameDecoder::new();
    let mut back = Vec::new();
    while back.len() < 3000 {
        let frame = frame(&mut client, &mut decoder).await;
        assert_eq!((frame.command, frame.stream), (Command::Psh, StreamId(3)));
        back.extend_from_slice(&frame.payload);
    }
    assert_eq!(back, [7; 3000]);

    // The end of either side ends the stream as a whole.
    client.input(frames(&[(Command::Fin, 3, b"")])).await;
    assert_eq!(target.read(&mut read).await.unwrap(), 0);
    let fin = frame(&mut client, &mut decoder).await;
    assert_eq!((fin.command, fin.stream), (Command::Fin, StreamId(3)));

    client.input(frames(&[(Command::Syn, 5, b"")])).await;
    let (target, _) = listener.accept().await.unwrap();
    drop(target);
    let fin = frame(&mut client, &mut decoder).await;
    assert_eq!((fin.command, fin.stream), (Command::Fin, StreamId(5)));

    client.flag(SessionFlag::TerminateSession).await;
    assert_eq!(client.closed().await, "");
}

#[tokio::test]
async fn real_pace_is_a_kilobyte_a_message() {
    let bench = Bench::new();
    let (listener, address) = listener().await;
    let mut client = forward(&bench, address.port(), CLIENT_VERSION).await;
    client.input(frames(&[(Command::Syn, 3, b"")])).await;
    let (mut target, _) = listener.accept().await.unwrap();
    target.write_all(&[1; 5000]).await.unwrap();
    for _ in 0..4 {
        assert_eq!(client.payload(PayloadType::Output).await.len(), 1024);
    }
}

#[tokio::test]
async fn a_refused_destination_is_told_by_flag_and_then_fin() {
    let bench = Bench::new();
    let (_socket, port) = refusing();
    let mut client = forward(&bench, port, CLIENT_VERSION).await;
    client.input(frames(&[(Command::Syn, 3, b""), (Command::Psh, 3, b"GET")])).await;
    // As recorded: the flag without a stream's number, then the stream's end.
    let flag = client.output().await;
    assert_eq!(flag.payload_type, PayloadType::Flag);
    assert_eq!(SessionFlag::decode(&flag.payload), Some(SessionFlag::ConnectToPortError));
    let fin = client.output().await;
    assert_eq!(fin.payload_type, PayloadType::Output);
    assert_eq!(fin.payload, frames(&[(Command::Fin, 3, b"")]));
    // The session stays.
    client.input(frames(&[(Command::Syn, 5, b"")])).await;
    assert_eq!(client.payload(PayloadType::Flag).await.len(), 4);
}

#[tokio::test]
async fn a_destination_that_never_answers_holds_up_later_ones_only() {
    let bench = Bench::unpaced();
    let (listener, address) = listener().await;
    let mut client = forward(&bench, address.port(), CLIENT_VERSION).await;
    client.input(frames(&[(Command::Syn, 3, b"")])).await;
    let (mut target, _) = listener.accept().await.unwrap();
    bench.faults.agent(|rules| rules.dial = Dial::BlackHole);
    client.input(frames(&[(Command::Syn, 5, b""), (Command::Syn, 7, b"")])).await;
    client.input(frames(&[(Command::Psh, 3, b"still here")])).await;
    let mut read = [0; 10];
    target.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"still here");
    let waiting = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
    assert!(waiting.is_err());
}

#[tokio::test]
async fn one_stalled_stream_stops_all_at_four_mebibytes() {
    let bench = Bench::unpaced();
    bench.faults.agent(|rules| rules.stalled_targets = true);
    let (_listener, address) = listener().await;
    let mut client = forward(&bench, address.port(), CLIENT_VERSION).await;
    client.input(frames(&[(Command::Syn, 3, b"")])).await;
    let full = vec![0; 32 * 1024];
    // 128 of them fill the budget; the one that finds it empty is not handled any more.
    let mut last = 0;
    for _ in 0..130 {
        last = client.input(frames(&[(Command::Psh, 3, &full)])).await;
    }
    client.acknowledgement_of(last - 2).await;
    assert!(client.is_quiet_for(Duration::from_millis(300)).await);
}

#[tokio::test]
async fn bytes_that_are_no_frame_break_the_mux_at_its_next_word() {
    let bench = Bench::unpaced();
    let (listener, address) = listener().await;
    let mut client = forward(&bench, address.port(), CLIENT_VERSION).await;
    client.input(frames(&[(Command::Syn, 3, b"")])).await;
    let (mut target, _) = listener.accept().await.unwrap();
    let sent = client.input(vec![9; 8]).await;
    client.acknowledgement_of(sent).await;
    target.write_all(b"anything").await.unwrap();
    assert_eq!(client.closed().await, "");
}

#[tokio::test(start_paused = true)]
async fn a_mux_is_kept_alive_by_both_or_neither() {
    let bench = Bench::new();
    let mut client = forward(&bench, 9, CLIENT_VERSION).await;
    assert!(client.is_quiet_for(Duration::from_secs(600)).await);

    let start = crate::clock::now();
    let mut client = forward(&bench, 9, "1.2.331.0").await;
    let nop = frames(&[(Command::Nop, 0, b"")]);
    assert_eq!(client.payload(PayloadType::Output).await, nop);
    client.input(nop.clone()).await;
    assert_eq!(client.payload(PayloadType::Output).await, nop);
    // From here on the client is silent: the second look finds nothing.
    assert_eq!(client.closed().await, "");
    assert!(start.elapsed() >= Duration::from_secs(60));
}

#[tokio::test]
async fn two_mebibytes_come_back_whole_over_a_bad_line() {
    let bench = Bench::unpaced();
    let (listener, address) = listener().await;
    let mut client = forward(&bench, address.port(), CLIENT_VERSION).await;
    let bad =
        Impairment { drop: 0.02, repeat: 0.05, reorder: 0.05, seed: 9, ..Impairment::default() };
    bench.faults.impair(None, Direction::Down, bad);
    client.input(frames(&[(Command::Syn, 3, b"")])).await;
    let (mut target, _) = listener.accept().await.unwrap();
    let sent: Vec<u8> = (0..2 * 1024 * 1024_u32).map(|number| ((number * 31) >> 7) as u8).collect();
    let expected = sent.clone();
    let writer = tokio::spawn(async move { target.write_all(&sent).await });
    let mut decoder = FrameDecoder::new();
    let mut received = Vec::new();
    while received.len() < expected.len() {
        received.extend_from_slice(&frame(&mut client, &mut decoder).await.payload);
    }
    assert!(received == expected);
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn one_connection_after_the_other() {
    let bench = Bench::new();
    let (listener, address) = listener().await;
    let mut client = forward(&bench, address.port(), OLD_CLIENT).await;
    let (mut first, _) = listener.accept().await.unwrap();
    let mut read = [0; 3];
    client.input("one").await;
    first.read_exact(&mut read).await.unwrap();
    first.write_all(b"ONE").await.unwrap();
    assert_eq!(client.output_bytes(3).await, "ONE");

    let sent = client.flag(SessionFlag::DisconnectToPort).await;
    client.acknowledgement_of(sent).await;
    assert_eq!(first.read(&mut read).await.unwrap(), 0);
    // The connection is made anew by the next input; sent again until it is.
    let two = client.stream_message(sent + 1, PayloadType::Output, "two");
    let again = async {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tick.tick().await;
            client.send_frame(two.encode()).await;
        }
    };
    let (mut second, _) = tokio::select! {
        accepted = listener.accept() => accepted.unwrap(),
        () = again => unreachable!("it never ends"),
    };
    second.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"two");
    client.flag(SessionFlag::TerminateSession).await;
    let flag =
        client.stream_message(sent + 2, PayloadType::Flag, SessionFlag::TerminateSession.encode());
    client.send_frame(flag.encode()).await;
    assert_eq!(client.closed().await, "");
}

#[tokio::test]
async fn a_single_connection_that_is_refused_fails_the_session() {
    let bench = Bench::new();
    let (_socket, port) = refusing();
    let mut client = forward(&bench, port, OLD_CLIENT).await;
    let expected = format!(
        "Unable to connect to specified port: dial tcp 127.0.0.1:{port}: connect: connection refused"
    );
    assert_eq!(client.closed().await, expected);
}

#[tokio::test]
async fn the_ssh_form_ends_with_its_connection() {
    let bench = Bench::new();
    let (listener, address) = listener().await;
    let mut client = bench.run(SSH, &[("portNumber", &address.port().to_string())]).await;
    let (request, _) = client.shake_hands(CLIENT_VERSION).await;
    let protocol::RequestedAction::SessionType { properties, .. } = &request.actions[0] else {
        panic!("a session type comes first");
    };
    assert!(properties.get("type").is_none());
    let (mut target, _): (TcpStream, _) = listener.accept().await.unwrap();
    target.write_all(b"SSH-2.0-x\r\n\n").await.unwrap();
    assert_eq!(client.output_bytes(12).await, "SSH-2.0-x\r\n\n");
    client.input("\n").await;
    let mut read = [0; 1];
    target.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"\n");
    drop(target);
    assert_eq!(client.closed().await, "");
}

#[tokio::test]
async fn a_remote_host_is_looked_up_by_the_node() {
    let (listener, address) = listener().await;
    let bench = Bench::new().with_host("db.internal", "10.0.3.7", address);
    let mut client = bench.run(REMOTE, &[("host", "db.internal"), ("portNumber", "5432")]).await;
    client.shake_hands(CLIENT_VERSION).await;
    client.input(frames(&[(Command::Syn, 3, b""), (Command::Psh, 3, b"?")])).await;
    listener.accept().await.unwrap();

    // A name nobody knows is no failure of the session, only of each connection.
    let mut client = bench.run(REMOTE, &[("host", "no.such.host"), ("portNumber", "5432")]).await;
    client.shake_hands(CLIENT_VERSION).await;
    client.input(frames(&[(Command::Syn, 3, b"")])).await;
    assert_eq!(client.output().await.payload_type, PayloadType::Flag);
}

#[tokio::test]
async fn the_services_of_the_instance_are_forbidden() {
    let dial = SocketAddr::from(([127, 0, 0, 1], 9));
    let bench = Bench::new().with_host("metadata", "169.254.169.254", dial);
    let mut client = bench.run(REMOTE, &[("host", "metadata"), ("portNumber", "80")]).await;
    client.shake_hands(CLIENT_VERSION).await;
    assert_eq!(client.closed().await, "Forwarding to IP address metadata is forbidden.");
}

#[tokio::test]
async fn input_before_the_handshake_is_acknowledged_and_lost() {
    let bench = Bench::new();
    let (listener, address) = listener().await;
    let started = bench.start(FORWARD, &[("portNumber", &address.port().to_string())]);
    let mut client = bench.join(&started).await;
    client.output().await;
    let early = client.input(frames(&[(Command::Syn, 3, b"")])).await;
    client.acknowledgement_of(early).await;
    let accept = protocol::ProcessedAction::session_type_accepted();
    client.respond(CLIENT_VERSION, accept).await;
    client.payload(PayloadType::HandshakeComplete).await;
    client.input(frames(&[(Command::Syn, 5, b""), (Command::Psh, 5, b"five")])).await;
    let (mut target, _) = listener.accept().await.unwrap();
    let mut read = [0; 4];
    target.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"five");
}

#[tokio::test]
async fn the_answer_to_the_handshake_is_acknowledged_before_it_goes_on() {
    let bench = Bench::new();
    let (_listener, address) = listener().await;
    let mut client = bench.run(FORWARD, &[("portNumber", &address.port().to_string())]).await;
    client.output().await;
    client.respond(CLIENT_VERSION, protocol::ProcessedAction::session_type_accepted()).await;
    let first = client.message().await;
    assert_eq!(first.message_type, protocol::MessageType::Acknowledge);
    let second = client.message().await;
    assert_eq!(second.payload_type, PayloadType::HandshakeComplete);
    assert!(client.is_quiet_for(Duration::from_millis(60)).await);
}
