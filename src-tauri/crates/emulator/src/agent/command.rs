//! Commands without a terminal.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use protocol::{PayloadType, encode_exit_code};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::input::{Handled, Input};
use super::line::Line;
use super::process::{self, Group, Place, Signal};
use super::text::Characters;
use super::{ERROR_TITLE, TaskResult, Work, ended, words};
use crate::sessions::SessionType;

/// How long the report of a command without words takes, before the wait of every error.
const START_FAILURE_DELAY: Duration = Duration::from_secs(2);
/// How long an error waits before it goes to the client.
const ERROR_DELAY: Duration = Duration::from_secs(1);
/// The longest prefix of a stream.
const PREFIX_LIMIT: usize = 30;
/// What one read of a stream takes, its prefix included; other messages of an unpaced agent are
/// larger.
const READ_BYTES: usize = 1024;

/// What the client may reach of a command: its signals.
#[derive(Clone)]
enum Stage {
    /// Not started; a control byte now kills the real agent's reader.
    Absent,
    Running(std::sync::Arc<Group>),
    Exited,
}

/// Output in two streams, each with its prefix.
struct Separate {
    stdout_prefix: String,
    stderr_prefix: String,
}

/// Whether the document asks for separate streams, and the agent knows them.
pub(super) fn separates_output(work: &Work) -> bool {
    work.document.session_type == SessionType::NonInteractiveCommands
        && work.capabilities.separate_output
        && process::property(work, "separateOutputStream")
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Runs a command until it or the session ends.
pub(super) async fn run(mut work: Work) -> TaskResult {
    let (stages, stage) = watch::channel(Stage::Absent);
    let (ready, _) = tokio::sync::oneshot::channel();
    let ready = std::mem::replace(&mut work.ready, ready);
    drop(ready.send(Input::Command(CommandInput { stage })));

    let line = work.line.clone();
    let commands = match process::commands(&work) {
        Ok(commands) => commands,
        Err(error) => return TaskResult::failed(error),
    };
    let separate = match separate(&work) {
        Ok(separate) => separate,
        Err(error) => return TaskResult::failed(error),
    };
    let prepared = words::split(&commands)
        .map_err(|error| format!("Failed to parse commands input: {error}\n"))
        .and_then(|words| process::check_run_as(&work).map(|()| words))
        .and_then(|words| {
            let place = Place::new(work.node.home.as_deref()).map_err(|error| error.to_string())?;
            Ok((words, place))
        });
    let (words, place) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            let text = format!("Unable to start command: {error}\n");
            tokio::time::sleep(START_FAILURE_DELAY).await;
            send_error(&line, &text).await;
            return TaskResult::failed(format!("{ERROR_TITLE}{text}"));
        }
    };
    let mut ending = work.ending.clone();
    let result = tokio::select! {
        () = ended(&mut ending) => {
            stages.send_replace(Stage::Exited);
            return TaskResult::success();
        }
        result = async {
            match separate {
                Some(separate) => run_separate(&work, &place, &words, &separate, &stages).await,
                None => run_combined(&work, &place, &words, &stages).await,
            }
        } => result,
    };
    let result = match result {
        Ok(result) => result,
        Err(error) => {
            send_error(&line, &error).await;
            TaskResult::failed("")
        }
    };
    line.drained().await;
    line.tell_state(true).await;
    result
}

fn separate(work: &Work) -> Result<Option<Separate>, String> {
    if !separates_output(work) {
        return Ok(None);
    }
    let prefix = |property, name| {
        let prefix = process::property(work, property).unwrap_or_default();
        let fits = prefix.len() <= PREFIX_LIMIT
            && prefix.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'\r' | b'\n' | b'_' | b':' | b'-')
            });
        if fits { Ok(prefix) } else { Err(format!("invalid {name} {prefix}")) }
    };
    Ok(Some(Separate {
        stdout_prefix: prefix("stdOutSeparatorPrefix", "stdoutSeparatorPrefix")?,
        stderr_prefix: prefix("stdErrSeparatorPrefix", "stderrSeparatorPrefix")?,
    }))
}

async fn send_error(line: &Line, text: &str) {
    tokio::time::sleep(ERROR_DELAY).await;
    // A session that is over needs no error.
    line.send(PayloadType::StdErr, Bytes::copy_from_slice(text.as_bytes())).await.ok();
}

fn command(work: &Work, place: &Place, words: &[String]) -> Command {
    let mut command = Command::new(words.first().map_or("", String::as_str));
    command
        .args(words.iter().skip(1))
        .env_clear()
        .envs(place.environment(work))
        .current_dir(place.home())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    command
}

fn spawn(command: &mut Command, stages: &watch::Sender<Stage>) -> Result<Child, String> {
    let child = command.spawn().map_err(|error| {
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let reason = if error.kind() == std::io::ErrorKind::NotFound {
            format!("exec: \"{program}\": executable file not found in $PATH")
        } else {
            format!("fork/exec {program}: {error}")
        };
        format!("Error occurred starting the command: {reason}\n")
    })?;
    let group = Group::led_by(child.id());
    stages.send_replace(Stage::Running(group.into()));
    Ok(child)
}

/// The command runs to its end; then its output is sent.
async fn run_combined(
    work: &Work,
    place: &Place,
    words: &[String],
    stages: &watch::Sender<Stage>,
) -> Result<TaskResult, String> {
    let path = place.file("execOutput");
    let failed =
        |error| format!("Failed to open file for writing command output. error: {error}\n");
    let file = File::create(&path).map_err(failed)?;
    let mut command = command(work, place, words);
    command.stdout(file.try_clone().map_err(failed)?).stderr(file);
    let mut child = spawn(&mut command, stages)?;
    drop(command);
    if let Err(error) = child.wait().await {
        tracing::debug!(%error, "waiting for the command failed");
    }
    stages.send_replace(Stage::Exited);

    let mut file = tokio::fs::File::open(&path).await.map_err(|error| error.to_string())?;
    let mut pauses = work.tempo.pauses();
    let mut characters = Characters::default();
    let mut buffer = BytesMut::new();
    loop {
        work.line.active().await;
        buffer.reserve(work.tempo.chunk);
        match (&mut file).take(work.tempo.chunk as u64).read_buf(&mut buffer).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Ok(TaskResult::success()),
        }
        let text = characters.take(buffer.split().freeze());
        if work.line.send(PayloadType::Output, text).await.is_err() {
            return Ok(TaskResult::success());
        }
        pauses.pause().await;
    }
}

/// Both streams are sent as they come, then the exit code.
async fn run_separate(
    work: &Work,
    place: &Place,
    words: &[String],
    separate: &Separate,
    stages: &watch::Sender<Stage>,
) -> Result<TaskResult, String> {
    let mut command = command(work, place, words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match spawn(&mut command, stages) {
        Ok(child) => child,
        Err(error) => {
            send_exit_code(&work.line, 1).await;
            return Err(error);
        }
    };
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let (out, err) = tokio::join!(
        pump(work, PayloadType::Output, &separate.stdout_prefix, stdout.as_mut()),
        pump(work, PayloadType::StdErr, &separate.stderr_prefix, stderr.as_mut()),
    );
    // The pipes stay open until now: a pump that gave up leaves the command on a full one.
    let status = child.wait().await;
    drop((stdout, stderr));
    stages.send_replace(Stage::Exited);
    let code = status.ok().map_or(1, |status| status.code().unwrap_or(-1));
    send_exit_code(&work.line, code).await;
    Ok(if out && err { TaskResult::success() } else { TaskResult::failed("") })
}

/// Sends one stream; false if it gave up, which it does for good when the channel is paused.
async fn pump(
    work: &Work,
    kind: PayloadType,
    prefix: &str,
    stream: Option<&mut (impl AsyncRead + Unpin)>,
) -> bool {
    let Some(stream) = stream else { return true };
    let mut characters = Characters::default();
    let mut wants_prefix = true;
    let read_bytes = if work.tempo.real { READ_BYTES } else { work.tempo.chunk };
    let room = read_bytes.saturating_sub(prefix.len()).max(1);
    let mut buffer = BytesMut::new();
    loop {
        if work.line.is_paused() {
            return false;
        }
        buffer.reserve(room);
        match (&mut *stream).take(room as u64).read_buf(&mut buffer).await {
            Ok(1..) => {}
            Ok(0) => return true,
            Err(_) => return false,
        }
        if wants_prefix {
            characters.prepend(prefix.as_bytes());
        }
        wants_prefix = buffer.last() == Some(&b'\n');
        let text = characters.take(buffer.split().freeze());
        if work.line.send(kind, text).await.is_err() {
            return false;
        }
    }
}

async fn send_exit_code(line: &Line, code: i32) {
    if !line.is_paused() {
        // A session that is over needs no exit code.
        line.send(PayloadType::ExitCode, encode_exit_code(code)).await.ok();
    }
}

/// The client's way to a command: control bytes, and nothing else.
pub(super) struct CommandInput {
    stage: watch::Receiver<Stage>,
}

impl CommandInput {
    pub(super) async fn handle(&mut self, kind: PayloadType, payload: Bytes) -> Handled {
        if kind != PayloadType::Output {
            return Handled::Done;
        }
        let signal = payload.iter().find_map(|byte| match byte {
            0x03 => Some(Signal::Interrupt),
            0x1c => Some(Signal::Quit),
            _ => None,
        });
        let Some(signal) = signal else { return Handled::Done };
        let stage = self.stage.borrow().clone();
        match stage {
            Stage::Absent => Handled::Dead,
            Stage::Exited => Handled::Failed,
            Stage::Running(group) => {
                group.signal_leader(signal);
                drop(group);
                // The agent's reader waits for the command it signalled, acknowledging nothing.
                drop(self.stage.wait_for(|stage| matches!(stage, Stage::Exited)).await);
                Handled::Done
            }
        }
    }
}
