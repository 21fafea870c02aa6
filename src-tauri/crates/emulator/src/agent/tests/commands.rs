use std::time::Duration;

use protocol::{PayloadType, SizeBody, parse_exit_code};

use crate::faults::Side;
use crate::scripted::{Bench, CLIENT_VERSION};

const COMMAND: &str = "AWS-StartNonInteractiveCommand";
const INTERACTIVE: &str = "AWS-StartInteractiveCommand";
const SCRIPT: &str = "sh -c 'echo out; echo err >&2; exit 3'";

#[tokio::test]
async fn combined_output_comes_when_the_command_is_done() {
    let bench = Bench::new();
    let mut client = bench.run(COMMAND, &[("command", SCRIPT)]).await;
    let (request, complete) = client.shake_hands(CLIENT_VERSION).await;
    assert_eq!(request.agent_version, "3.3.1142.0");
    assert_eq!(complete.customer_message, "");
    let size = client.send(PayloadType::Size, SizeBody { cols: 80, rows: 24 }.encode()).await;
    client.acknowledgement_of(size).await;
    assert_eq!(client.closed().await, "");
}

#[tokio::test]
async fn the_kinds_of_messages_are_those_of_the_recordings() {
    use PayloadType::{ExitCode, HandshakeComplete, HandshakeRequest, Output, StdErr};
    let bench = Bench::new();
    let mut client = bench.run(COMMAND, &[("command", SCRIPT)]).await;
    client.shake_hands(CLIENT_VERSION).await;
    assert_eq!(client.payload(Output).await, "out\nerr\n");
    assert_eq!(client.closed().await, "");
    assert_eq!(client.seen, [HandshakeRequest, HandshakeComplete, Output]);

    let separate = [
        ("command", "sh -c 'echo err >&2; sleep 0.2; echo out; echo out2; exit 3'"),
        ("separateOutputStream", "true"),
        ("stdOutSeparatorPrefix", "STDOUT:"),
        ("stdErrSeparatorPrefix", "STDERR:"),
    ];
    let mut client = bench.run(COMMAND, &separate).await;
    client.shake_hands(CLIENT_VERSION).await;
    assert_eq!(client.payload(StdErr).await, "STDERR:err\n");
    let mut out = client.payload(Output).await.to_vec();
    while !out.ends_with(b"out2\n") {
        out.extend(client.payload(Output).await);
    }
    assert!(out.starts_with(b"STDOUT:out\n"));
    assert_eq!(parse_exit_code(&client.payload(ExitCode).await), Some(3));
    assert_eq!(client.closed().await, "");
    client.seen.dedup();
    assert_eq!(client.seen, [HandshakeRequest, HandshakeComplete, StdErr, Output, ExitCode]);
}

#[tokio::test]
async fn an_old_client_is_asked_to_update() {
    let bench = Bench::new();
    let separate = [("command", "true"), ("separateOutputStream", "true")];
    let mut client = bench.run(COMMAND, &separate).await;
    let (_, complete) = client.shake_hands("1.2.295").await;
    assert!(complete.customer_message.contains("minimum required version 1.2.312.0"));
    assert_eq!(parse_exit_code(&client.payload(PayloadType::ExitCode).await), Some(0));
}

#[tokio::test]
async fn commands_that_cannot_start_say_why() {
    let bench = Bench::new();
    let missing = [("command", "no-such-program-anywhere"), ("separateOutputStream", "true")];
    let mut client = bench.run(COMMAND, &missing).await;
    client.shake_hands(CLIENT_VERSION).await;
    assert_eq!(parse_exit_code(&client.payload(PayloadType::ExitCode).await), Some(1));
    assert_eq!(
        client.payload(PayloadType::StdErr).await,
        "Error occurred starting the command: exec: \"no-such-program-anywhere\": executable file not found in $PATH\n"
    );
    assert_eq!(client.closed().await, "");

    let mut client = bench.run(COMMAND, &[("command", "echo 'open")]).await;
    client.shake_hands(CLIENT_VERSION).await;
    let text = "Unable to start command: Failed to parse commands input: EOF found when expecting closing quote\n\n";
    assert_eq!(client.payload(PayloadType::StdErr).await, text);
    assert_eq!(client.closed().await, format!("\n----------ERROR-------\n{text}"));

    let mut client = bench.run(COMMAND, &[("command", " ")]).await;
    client.shake_hands(CLIENT_VERSION).await;
    let text = "Commands cannot be empty for session type NonInteractiveCommands";
    assert_eq!(client.closed().await, text);
}

#[tokio::test]
async fn a_control_byte_interrupts_the_command() {
    let bench = Bench::new();
    let command =
        [("command", "sh -c 'echo ready; exec sleep 1000'"), ("separateOutputStream", "true")];
    let mut client = bench.run(COMMAND, &command).await;
    client.shake_hands(CLIENT_VERSION).await;
    assert_eq!(client.payload(PayloadType::Output).await, "ready\n");
    client.input("xyz\u{3}").await;
    assert_eq!(parse_exit_code(&client.payload(PayloadType::ExitCode).await), Some(-1));
    assert_eq!(client.closed().await, "");
}

#[tokio::test]
async fn ending_a_session_ends_its_command() {
    let bench = Bench::new();
    let marker = format!("adit-{}", uuid::Uuid::new_v4());
    let command = format!("sh -c 'echo ready; sleep 1000; echo {marker}'");
    let separate = [("command", command.as_str()), ("separateOutputStream", "true")];
    let started = bench.start(COMMAND, &separate);
    let mut client = bench.join(&started).await;
    client.shake_hands(CLIENT_VERSION).await;
    assert_eq!(client.payload(PayloadType::Output).await, "ready\n");
    bench.faults.close(Some(&started.session_id), "Session timed out.");
    assert_eq!(client.closed().await, "Session timed out.");
    gone(&marker).await;
}

#[tokio::test]
async fn stopping_the_emulator_ends_its_shells() {
    let bench = Bench::unpaced();
    let marker = format!("adit-{}", uuid::Uuid::new_v4());
    let mut client = bench.run("SSM-SessionManagerRunShell", &[]).await;
    client.output_with("$ ").await;
    client.input(format!("sh -c 'echo rea\"\"dy; sleep 1000; : {marker}'\n")).await;
    client.output_with("ready\r\n").await;
    bench.sessions.stop().await;
    gone(&marker).await;
}

/// Waits until no process has `marker` among its words. The process table is the only one to ask.
async fn gone(marker: &str) {
    let looks = async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while processes().iter().any(|line| line.contains(marker)) {
            tick.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looks).await.expect("the process is gone");
}

fn processes() -> Vec<String> {
    let read = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    let folder = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    folder.filter_map(read).map(|line| String::from_utf8_lossy(&line).into_owned()).collect()
}

#[tokio::test]
async fn a_paused_command_with_two_streams_gives_up_on_them() {
    let bench = Bench::new();
    let command =
        [("command", "sh -c 'echo ready; sleep 0.5; echo lost'"), ("separateOutputStream", "true")];
    let started = bench.start(COMMAND, &command);
    let mut client = bench.join(&started).await;
    client.shake_hands(CLIENT_VERSION).await;
    assert_eq!(client.payload(PayloadType::Output).await, "ready\n");
    // Once this is acknowledged the agent has heard everything, and nothing unpauses it.
    let size = client.send(PayloadType::Size, SizeBody { cols: 80, rows: 24 }.encode()).await;
    client.acknowledgement_of(size).await;
    bench.faults.pause(Some(&started.session_id), Side::Agent);
    // Only `lost` was read after the pause, so neither stream's end was; the exit code is not sent.
    assert_eq!(client.closed().await, "");
    assert!(!client.seen.contains(&PayloadType::ExitCode));
}

#[tokio::test]
async fn an_interactive_command_has_a_terminal_and_no_handshake() {
    let bench = Bench::new();
    let command = [("command", "read -p 'name? ' n; echo hello $n; exit 3")];
    let mut client = bench.run(INTERACTIVE, &command).await;
    // Debian's sh does not know `read -p`; what matters is that it runs on a terminal.
    let first = client.output().await;
    assert_eq!((first.sequence, first.payload_type), (0, PayloadType::Output));
    let bench = Bench::unpaced();
    let command = [("command", "printf 'name? '; read n; echo hello $n; tty; exit 3")];
    let mut client = bench.run(INTERACTIVE, &command).await;
    client.output_with("name? ").await;
    client.input("bob\n").await;
    let output = client.output_with("/dev/").await;
    assert!(output.contains("bob\r\nhello bob\r\n"), "{output}");
    assert_eq!(client.closed().await, "");
}

#[tokio::test]
async fn an_agent_too_old_for_a_plugin_says_so() {
    let mut bench = Bench::new();
    bench.node.agent_version = "3.0.1001.0".into();
    let mut client = bench.run(COMMAND, &[("command", "true")]).await;
    assert_eq!(
        client.closed().await,
        "Plugin with name NonInteractiveCommands is not supported by this version of ssm agent, please update to latest version. Step name: NonInteractiveCommands"
    );
}
