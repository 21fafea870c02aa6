//! The commands of `adit` as scripts and people use them, against the sandbox.

#![cfg(unix)]

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use emulator::{Emulator, EmulatorConfig};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

const NODE: &str = "prod-storefront-01";
/// Far more than anything here takes, on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_commands_outputs_and_status_are_as_if_it_ran_here() {
    let bench = Bench::start().await;
    let done = bench.run(&["run", NODE, "--", "sh", "-c", "echo out; echo err >&2; exit 3"]).await;
    assert_eq!((done.code, &*done.out, &*done.err), (Some(3), "out\n", "err\n"));
    let done = bench.run(&["run", NODE, "printf", "<%s>", "a  b", "it's", "$HOME", ""]).await;
    assert_eq!((done.code, &*done.out), (Some(0), "<a  b><it's><$HOME><>"));
    let done = bench.run(&["run", NODE, "echo $((6*7)) | tr 4 x; exit 5"]).await;
    assert_eq!((done.code, &*done.out), (Some(5), "x2\n"));
    bench.no_session_left();
}

#[tokio::test]
async fn a_command_that_a_signal_ends_is_no_success() {
    let bench = Bench::start().await;
    let done = bench.run(&["run", NODE, "kill -9 $$"]).await;
    assert_eq!(done.code, Some(255));
    assert!(done.err.contains("killed by a signal"), "{done:?}");
}

#[tokio::test]
async fn ctrl_c_reaches_the_command_and_a_plain_kill_ends_the_session() {
    let bench = Bench::start().await;
    let trap = "trap 'echo caught; exit 7' INT; echo up; while :; do sleep 0.05; done";
    let mut program = bench.spawn(&["run", NODE, trap]);
    program.reads("up").await;
    program.signal("INT").await;
    program.reads("caught").await;
    assert_eq!(program.wait().await.code(), Some(7));

    // The agent signals the shell alone; what that has started goes on until the session ends.
    let mut program = bench.spawn(&["run", NODE, "echo up; sleep 60; echo not reached"]);
    program.reads("up").await;
    let mut presses = 0;
    let code = loop {
        presses += 1;
        program.signal("INT").await;
        // Two that come at once may count as one.
        if let Ok(ended) = timeout(Duration::from_millis(500), program.child.wait()).await {
            break ended.expect("waited for").code();
        }
    };
    assert_eq!((code, presses > 1), (Some(130), true));

    let mut program = bench.spawn(&["run", NODE, "echo up; exec sleep 60"]);
    program.reads("up").await;
    program.signal("TERM").await;
    assert_eq!(program.wait().await.code(), Some(143));
    bench.no_session_left();
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_ends_the_command() {
    let bench = Bench::start().await;
    let mut program = bench.spawn(&["run", NODE, "yes"]);
    program.reads("y").await;
    program.close_output();
    program.wait().await;
    bench.no_session_left();
}

#[tokio::test]
async fn a_command_on_a_terminal_reads_its_input() {
    let bench = Bench::start().await;
    let done = bench.feed(&["run", "-t", NODE, "read word; echo got-$word"], "hello\n").await;
    assert!(done.out.contains("got-hello"), "{done:?}");
    assert_eq!(done.code, Some(0));
}

#[tokio::test]
async fn the_table_of_nodes_has_nothing_but_nodes_for_a_program() {
    let bench = Bench::start().await;
    let done = bench.run(&["nodes", "bastion"]).await;
    let names: Vec<_> = done.out.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["prod-bastion-01", "prod-bastion-02"]);
    let done = bench.run(&["nodes", "--json", "bastion"]).await;
    for line in done.out.lines() {
        let node: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(node["id"].as_str().is_some_and(|id| id.starts_with("i-")), "{node}");
    }
    let mut program = bench.spawn(&["nodes"]);
    program.close_output();
    assert!(program.wait().await.success(), "a closed pipe is no failure");
}

#[tokio::test]
async fn what_cannot_be_done_is_told_beside_the_data_with_what_to_do() {
    let bench = Bench::start().await;
    let told = |done: Done, words: &[&str]| {
        assert_eq!((done.code, &*done.out), (Some(255), ""), "{done:?}");
        for word in words {
            assert!(done.err.contains(word), "{word} is not in {}", done.err);
        }
    };
    let several = ["checkout fits 6 nodes", "\n        prod-checkout-01 (i-"];
    told(bench.run(&["shell", "checkout"]).await, &several);
    told(bench.run(&["run", "prod-nowhere", "ls"]).await, &["no managed node", "Did you mean"]);
    told(bench.run(&["proxy", "hamburg-till-02"]).await, &["TargetNotConnected", "role"]);
    let refused = bench.feed(&["proxy", NODE, "9"], "").await;
    told(refused, &["connection refused", "listens on that port"]);
    bench.emulator.faults().expire_credentials(true);
    told(bench.run(&["run", NODE, "ls"]).await, &["expired", "Sign in"]);
    bench.emulator.faults().expire_credentials(false);
    let config = bench.folder.path().join("config");
    std::fs::write(&config, "[profile x\nregion").expect("written");
    told(bench.run(&["nodes", "--profile", "x"]).await, &["config"]);
    bench.no_session_left();
}

#[tokio::test]
async fn a_proxy_carries_data_only_and_hears_the_last_words() {
    let bench = Bench::start().await;
    let done = bench.feed(&["proxy", NODE, "80"], "GET /health HTTP/1.0\r\n\r\n").await;
    assert!(done.out.starts_with("HTTP/1.0 200") && done.out.ends_with("\r\n\r\nok\n"), "{done:?}");
    assert_eq!((done.code, &*done.err), (Some(0), ""));
    // The echo never ends by itself: what follows the end of the input is waited for.
    let text = "a line\n".repeat(20_000);
    let done = bench.feed(&["proxy", "--linger", "1", NODE, "7"], &text).await;
    assert!(done.out == text, "{} bytes of {}", done.out.len(), text.len());
    assert_eq!((done.code, &*done.err), (Some(0), ""));
    bench.no_session_left();
}

#[tokio::test]
async fn several_ports_are_forwarded_and_every_address_told() {
    let bench = Bench::start().await;
    let mut program =
        bench.spawn(&["forward", NODE, "80", "0", "--also", "orders-db.internal:5432=0"]);
    let mut addresses = Vec::new();
    for _ in 0..2 {
        let v4 = program.line().await;
        assert!(v4.starts_with("127.0.0.1:"), "{v4}");
        addresses.push(v4);
        // There is no second line where the computer has no IPv6.
        if has_ipv6() {
            assert!(program.line().await.starts_with("[::1]:"));
        }
    }
    for (address, sent, expected) in [
        (&addresses[0], "GET /health HTTP/1.0\r\n\r\n", "HTTP/1.0 200"),
        (&addresses[1], "SUM\n", "OK orders-db.internal"),
    ] {
        let mut stream = TcpStream::connect(address).await.expect("listens");
        stream.write_all(sent.as_bytes()).await.expect("sent");
        let mut answer = vec![0; expected.len()];
        timeout(DEADLINE, stream.read_exact(&mut answer)).await.expect("in time").expect("read");
        assert_eq!(String::from_utf8_lossy(&answer), expected);
    }
    program.signal("INT").await;
    assert!(program.wait().await.success());
    bench.no_session_left();
}

#[tokio::test]
async fn what_a_killed_process_left_is_listed_and_ended() {
    let bench = Bench::start().await;
    let mut program = bench.spawn(&["run", NODE, "echo up; exec sleep 60"]);
    program.reads("up").await;
    program.signal("KILL").await;
    program.wait().await;
    assert_eq!(bench.emulator.sessions().active().len(), 1);
    let done = bench.run(&["nodes", "bastion"]).await;
    assert_eq!(done.err, "", "nobody is there to be told");
    let listed = bench.run(&["leftovers"]).await;
    assert!(listed.out.contains("AWS-StartNonInteractiveCommand"), "{listed:?}");
    let ended = bench.run(&["leftovers", "--end"]).await;
    assert!(ended.err.contains("Ended "), "{ended:?}");
    bench.no_session_left();
    assert_eq!(bench.run(&["leftovers"]).await.out, "");
}

/// The sandbox, and a home of one's own.
struct Bench {
    emulator: Emulator,
    folder: TempDir,
}

#[derive(Debug)]
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Bench {
    async fn start() -> Self {
        let emulator = Emulator::start(EmulatorConfig::default()).await.expect("a free port");
        let folder = tempfile::tempdir().expect("a folder");
        emulator.write_profiles(folder.path()).expect("written");
        Self { emulator, folder }
    }

    fn command(&self, words: &[&str]) -> Command {
        let folder = self.folder.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
        command
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder)
            .env("AWS_PROFILE", "sandbox-prod")
            .env("AWS_CONFIG_FILE", folder.join("config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", folder.join("credentials"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, words: &[&str]) -> Done {
        let output = timeout(DEADLINE, self.command(words).output()).await;
        Done::of(output.expect("in time").expect("run"))
    }

    async fn feed(&self, words: &[&str], input: &str) -> Done {
        let mut command = self.command(words);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("started");
        let mut stdin = child.stdin.take().expect("piped");
        let (output, ()) = timeout(DEADLINE, async {
            tokio::join!(child.wait_with_output(), async {
                // One that does not read it says why.
                let _ = stdin.write_all(input.as_bytes()).await;
                drop(stdin);
            })
        })
        .await
        .expect("in time");
        Done::of(output.expect("run"))
    }

    fn spawn(&self, words: &[&str]) -> Program {
        let mut child = self.command(words).stderr(Stdio::inherit()).spawn().expect("started");
        let output = child.stdout.take().map(|output| BufReader::new(output).lines());
        Program { child, output }
    }

    fn no_session_left(&self) {
        let active = self.emulator.sessions().active();
        assert!(active.is_empty(), "still there: {active:?}");
    }
}

impl Done {
    fn of(output: std::process::Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// A running `adit`.
struct Program {
    child: Child,
    output: Option<Lines<BufReader<ChildStdout>>>,
}

impl Program {
    async fn line(&mut self) -> String {
        let output = self.output.as_mut().expect("open");
        let line = timeout(DEADLINE, output.next_line()).await.expect("in time").expect("read");
        line.expect("a line")
    }

    async fn reads(&mut self, expected: &str) {
        assert_eq!(self.line().await, expected);
    }

    fn close_output(&mut self) {
        self.output = None;
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("running").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(sent.expect("run").success());
    }

    async fn wait(&mut self) -> ExitStatus {
        timeout(DEADLINE, self.child.wait()).await.expect("in time").expect("waited for")
    }
}

fn has_ipv6() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
}
