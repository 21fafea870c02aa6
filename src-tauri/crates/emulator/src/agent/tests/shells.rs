use std::time::Duration;

use protocol::{Flags, MessageType, PayloadType, SizeBody};

use crate::clock;
use crate::faults::{Direction, Impairment, Side};
use crate::scripted::{ACCOUNT, Arrival, Bench, REGION};
use crate::sessions::{Document, Inputs, SessionState, SessionStatus};

const SHELL: &str = "SSM-SessionManagerRunShell";

#[tokio::test]
async fn a_shell_speaks_first_and_without_a_handshake() {
    let bench = Bench::new();
    let start = clock::now();
    let mut client = bench.run(SHELL, &[]).await;
    // The order of a recorded session: the agent's coming, then its first output.
    let joined = client.message().await;
    assert_eq!(joined.message_type, MessageType::StartPublication);
    let first = client.message().await;
    assert_eq!(first.message_type, MessageType::OutputStreamData);
    assert_eq!((first.sequence, first.flags), (0, Flags::SYN));
    assert_eq!(first.payload_type, PayloadType::Output);
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(first.payload, "[ssm-user@web-1 ~]$ ");
    client.acknowledge(&first).await;
}

#[tokio::test]
async fn typed_commands_run_and_exit_ends_the_session() {
    let bench = Bench::unpaced();
    let started = bench.start(SHELL, &[]);
    let mut client = bench.join(&started).await;
    client.output_with("$ ").await;
    client.send(PayloadType::Size, SizeBody { cols: 123, rows: 45 }.encode()).await;
    client.input("stty size; echo $((6*7)) $USER z\u{fc}rich \u{20ac}\n").await;
    let output = client.output_with("42 ssm-user z\u{fc}rich \u{20ac}\r\n").await;
    assert!(output.contains("45 123\r\n"), "{output}");
    client.input("exit\n").await;
    assert_eq!(client.closed().await, "");
    let history = bench.sessions.list(ACCOUNT, REGION, SessionState::History);
    assert_eq!(history[0].id, started.session_id);
    assert_eq!(history[0].status, SessionStatus::Terminated);
    assert!(bench.sessions.list(ACCOUNT, REGION, SessionState::Active).is_empty());
}

#[tokio::test]
async fn control_c_reaches_the_program() {
    let bench = Bench::unpaced();
    let mut client = bench.run(SHELL, &[]).await;
    client.output_with("$ ").await;
    // Once this is out the terminal is the program's, and edits lines.
    client.input("echo rea''dy; cat\n").await;
    client.output_with("ready\r\n").await;
    client.input("abc\u{7f}d\n").await;
    client.output_with("abd\r\n").await;
    client.input("\u{3}").await;
    client.output_with("^C").await;
    client.output_with("$ ").await;
}

#[tokio::test]
async fn input_before_the_program_is_ready_is_sent_again() {
    let mut bench = Bench::unpaced();
    bench.node.agent_version = "3.3.1142.0".into();
    let mut client = bench.run(SHELL, &[]).await;
    // Whether the first try is taken depends on who is faster; the second surely is.
    let size =
        client.stream_message(0, PayloadType::Size, SizeBody { cols: 80, rows: 24 }.encode());
    client.send_frame(size.encode()).await;
    client.output_with("$ ").await;
    client.send_frame(size.encode()).await;
    client.acknowledgement_of(0).await;
}

#[tokio::test]
async fn duplicates_are_acknowledged_again_unless_the_agent_is_old() {
    for (version, times) in [("3.3.1142.0", 3), ("3.2.985.0", 1)] {
        let mut bench = Bench::unpaced();
        bench.node.agent_version = version.into();
        let mut client = bench.run(SHELL, &[]).await;
        client.output_with("$ ").await;
        let echo = client.stream_message(0, PayloadType::Output, "echo on''ce\n");
        for _ in 0..3 {
            client.send_frame(echo.encode()).await;
        }
        let marker = client.stream_message(1, PayloadType::Output, "echo end''ed\n");
        client.send_frame(marker.encode()).await;
        let (mut acknowledged, mut text) = (0, String::new());
        while !text.contains("ended\r\n") {
            let message = client.message().await;
            if message.message_type == MessageType::Acknowledge {
                acknowledged += 1;
            } else if message.message_type == MessageType::OutputStreamData {
                text.push_str(&String::from_utf8_lossy(&message.payload));
                client.acknowledge(&message).await;
            }
        }
        assert_eq!(text.matches("\nonce\r\n").count(), 1, "{text}");
        // The marker's acknowledgement may come behind its output.
        assert!((times..=times + 1).contains(&acknowledged), "{version}: {acknowledged}");
    }
}

#[tokio::test]
async fn input_is_put_in_order() {
    let bench = Bench::unpaced();
    let mut client = bench.run(SHELL, &[]).await;
    client.output_with("$ ").await;
    let parts = ["echo a", "b", "c''d\n"];
    for index in [2, 1, 0] {
        let part = client.stream_message(index as i64, PayloadType::Output, parts[index]);
        client.send_frame(part.encode()).await;
    }
    client.output_with("abcd\r\n").await;
}

#[tokio::test]
async fn lost_messages_are_sent_again_one_by_one() {
    let bench = Bench::unpaced();
    bench.faults.agent(|rules| rules.resend = Some(crate::faults::ResendRule::Head));
    let loss = Impairment {
        message_type: Some("output_stream_data".into()),
        drop: 1.0,
        times: Some(3),
        ..Impairment::default()
    };
    let mut client = bench.run(SHELL, &[]).await;
    client.output_with("$ ").await;
    bench.faults.impair(None, Direction::Down, loss);
    client.input("for i in 1 2 3 4; do echo $((i*11)); sleep 0.05; done; echo do''ne\n").await;
    let output = client.output_with("done\r\n").await;
    assert!(output.contains("11\r\n22\r\n33\r\n44\r\ndone\r\n"), "{output}");
}

#[tokio::test]
async fn a_resumed_session_goes_on_where_it_was() {
    let bench = Bench::unpaced();
    let started = bench.start(SHELL, &[]);
    let mut client = bench.join(&started).await;
    client.output_with("$ ").await;
    client.input("x=kept\n").await;
    client.output_with("$ ").await;
    bench.faults.cut(Some(&started.session_id), None);
    while !matches!(client.arrival().await, Arrival::Cut) {}
    let mut client = bench.resume(&started.session_id, client).await;
    client.input("echo $x\n").await;
    client.output_with("kept\r\n").await;
    // A second resume replaces the first websocket, and says so.
    let mut third = bench
        .connect(
            &started.session_id,
            &bench.sessions.resume(&started.session_id, ACCOUNT, REGION).unwrap().unwrap(),
        )
        .await;
    loop {
        match client.arrival().await {
            Arrival::Close(frame) => {
                assert_eq!(frame, Some((1000, "Bye".to_owned())));
                break;
            }
            Arrival::Message(_) | Arrival::Pong => {}
            Arrival::Cut => panic!("the old websocket is closed politely"),
        }
    }
    bench.sessions.terminate(&started.session_id, ACCOUNT, REGION).unwrap();
    assert_eq!(third.closed().await, "");
    assert_eq!(bench.sessions.resume(&started.session_id, ACCOUNT, REGION), Ok(None));
}

#[tokio::test]
async fn a_full_terminal_stops_the_whole_session_and_no_other() {
    let bench = Bench::unpaced();
    let started = bench.start(SHELL, &[]);
    bench.faults.session_agent(&started.session_id, |rules| rules.stalled_terminal = true);
    let mut stalled = bench.join(&started).await;
    let mut other = bench.run(SHELL, &[]).await;
    stalled.output_with("$ ").await;
    other.output_with("$ ").await;
    stalled.input("echo never\n").await;
    stalled.send(PayloadType::Size, SizeBody { cols: 1, rows: 1 }.encode()).await;
    other.input("echo al''ways\n").await;
    other.output_with("always\r\n").await;
    assert!(stalled.is_quiet_for(Duration::from_millis(300)).await);
}

#[tokio::test]
async fn a_paused_agent_stops_reading_until_it_hears_something() {
    let bench = Bench::unpaced();
    let started = bench.start(SHELL, &[]);
    let mut client = bench.join(&started).await;
    client.output_with("$ ").await;
    client.input("echo rea''dy; read; sleep 0.2; echo la''te\n").await;
    client.output_with("ready\r\n").await;
    let sent = client.input("\n").await;
    client.acknowledgement_of(sent).await;
    client.output_with("\r\n").await;
    // Once this is acknowledged the agent has heard everything; nothing unpauses it from here on.
    let size = client.send(PayloadType::Size, SizeBody { cols: 80, rows: 24 }.encode()).await;
    client.acknowledgement_of(size).await;
    bench.faults.pause(Some(&started.session_id), Side::Agent);
    assert!(client.is_quiet_for(Duration::from_millis(600)).await);
    bench.faults.start(Some(&started.session_id), Side::Agent);
    client.output_with("late\r\n").await;
}

#[tokio::test]
async fn the_profile_is_typed_and_a_user_that_does_not_exist_is_refused() {
    let bench = Bench::unpaced();
    let mut inputs = Inputs::default();
    inputs.shell_profile.linux = "echo pro''file".into();
    let document = Document::named(SHELL).unwrap().with_inputs(inputs);
    let mut client = bench.join(&bench.start_document(document, &[])).await;
    client.output_with("profile\r\n").await;

    let inputs = Inputs {
        run_as_enabled: true,
        run_as_default_user: "nobody-of-that-name".into(),
        ..Inputs::default()
    };
    let document = Document::named(SHELL).unwrap().with_inputs(inputs);
    let mut client = bench.join(&bench.start_document(document, &[])).await;
    assert_eq!(
        client.closed().await,
        "\n----------ERROR-------\nUnable to start command: failed to start pty since RunAs user nobody-of-that-name does not exist\n"
    );
}

#[tokio::test]
async fn eight_mebibytes_of_output_come_whole_through_a_bad_line() {
    let bench = Bench::unpaced();
    let mut client = bench.run(SHELL, &[]).await;
    client.output_with("$ ").await;
    let bad =
        Impairment { drop: 0.02, repeat: 0.02, reorder: 0.05, seed: 3, ..Impairment::default() };
    bench.faults.impair(None, Direction::Down, bad);
    client.input("stty -echo -opost; clear >/dev/null; seq 1000000 1200000; echo e''nd\n").await;
    let mut text = client.output_with("end\n").await;
    let from = text.find("1000000\n").expect("the first number");
    text = text.split_off(from);
    let expected: String = (1_000_000..=1_200_000).map(|number| format!("{number}\n")).collect();
    assert!(text.starts_with(&expected), "{} of {} bytes", text.len(), expected.len());
}
