//! Shells and interactive commands: a real program on a real terminal.
//!
//! A terminal is read and written by a thread each, because its file is not made for waiting
//! otherwise. The reader ends with the program; the writer ends with its queue.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use portable_pty::{Child, ChildKiller, CommandBuilder, MasterPty, PtySize, native_pty_system};
use protocol::{PayloadType, SizeBody};
use tokio::sync::{mpsc, oneshot};

use super::input::{Handled, Input};
use super::process::{self, Group, Place};
use super::tempo::Tempo;
use super::text::Characters;
use super::{ERROR_TITLE, TaskResult, Work, ended};
use crate::faults::Faults;
use crate::sessions::{Platform, SessionType};

/// What the agent's buffered reader takes at a time.
const READ_BYTES: usize = 4096;
/// Reads ahead of the agent.
const READS_WAITING: usize = 2;
/// Enough for a thread that only reads or writes.
const STACK_BYTES: usize = 128 * 1024;
/// How long the report of a shell that did not start takes.
const START_FAILURE_DELAY: Duration = Duration::from_secs(2);
/// How long a shell that was hung up may take to end its jobs.
const HANG_UP_LIMIT: Duration = Duration::from_millis(500);

/// A running program and its terminal.
struct Terminal {
    master: Box<dyn MasterPty + Send>,
    output: mpsc::Receiver<Bytes>,
    input: mpsc::Sender<Typing>,
    killer: Box<dyn ChildKiller + Send + Sync>,
    group: Group,
    /// Resolves when the program is gone.
    exited: oneshot::Receiver<()>,
}

/// Bytes for the terminal, and whom to tell that they are in.
struct Typing {
    bytes: Bytes,
    done: oneshot::Sender<io::Result<()>>,
}

/// Runs a shell or an interactive command until it or the session ends.
pub(super) async fn run(work: Work) -> TaskResult {
    let commands = match work.document.session_type {
        SessionType::InteractiveCommands => match process::commands(&work) {
            Ok(commands) => Some(commands),
            Err(error) => return TaskResult::failed(error),
        },
        SessionType::StandardStream | SessionType::NonInteractiveCommands | SessionType::Port => {
            None
        }
    };
    let started = Place::new(work.node.home.as_deref())
        .map_err(|error| error.to_string())
        .and_then(|place| {
            process::check_run_as(&work)?;
            let terminal = start(&work, &place, commands.as_deref())
                .map_err(|error| format!("Failed to start pty: {error}\n"))?;
            Ok((place, terminal))
        });
    let (place, terminal) = match started {
        Ok(started) => started,
        Err(error) => {
            tokio::time::sleep(START_FAILURE_DELAY).await;
            return TaskResult::failed(format!("{ERROR_TITLE}Unable to start command: {error}\n"));
        }
    };
    let Terminal { master, mut output, input, mut killer, group, exited } = terminal;
    if commands.is_none() {
        type_profile(&work, &input).await;
    }
    let terminal_input = TerminalInput {
        master: Mutex::new(master),
        writer: input,
        platform: work.node.platform,
        faults: work.faults.clone(),
        session: work.session_id.clone(),
    };
    // A reader that is gone hears nothing anyway.
    drop(work.ready.send(Input::Terminal(terminal_input)));

    let mut ending = work.ending;
    let over = tokio::select! {
        () = ended(&mut ending) => true,
        () = pump(&work.line, &work.tempo, &mut output) => false,
    };
    if over {
        if let Err(error) = killer.kill() {
            tracing::debug!(%error, "the program is gone already");
        }
        // The reader thread sees the end only when nobody waits for what it still reads.
        drop(output);
        drop(tokio::time::timeout(HANG_UP_LIMIT, exited).await);
    } else {
        work.line.drained().await;
        work.line.tell_state(true).await;
    }
    drop(group);
    drop(place);
    TaskResult::success()
}

/// Reads the terminal and sends what it says.
async fn pump(line: &super::line::Line, tempo: &Tempo, output: &mut mpsc::Receiver<Bytes>) {
    tokio::time::sleep(tempo.shell_delay).await;
    let mut pauses = tempo.pauses();
    let mut characters = Characters::default();
    let mut read = Bytes::new();
    loop {
        line.active().await;
        if read.is_empty() {
            match output.recv().await {
                Some(next) => read = gather(next, tempo, output),
                None => return,
            }
        }
        let chunk = read.split_to(read.len().min(tempo.chunk));
        if line.send(PayloadType::Output, characters.take(chunk)).await.is_err() {
            return;
        }
        pauses.pause().await;
    }
}

/// An unpaced agent takes together what has been read already.
fn gather(first: Bytes, tempo: &Tempo, output: &mut mpsc::Receiver<Bytes>) -> Bytes {
    if tempo.real || first.len() >= tempo.chunk {
        return first;
    }
    let mut whole = BytesMut::from(first);
    while whole.len() < tempo.chunk
        && let Ok(more) = output.try_recv()
    {
        whole.extend_from_slice(&more);
    }
    whole.freeze()
}

/// Types the document's first line into a shell.
async fn type_profile(work: &Work, input: &mpsc::Sender<Typing>) {
    let profile = &work.document.inputs.shell_profile;
    let (line, end) = match work.node.platform {
        Platform::Linux | Platform::MacOs => (&profile.linux, "\n"),
        Platform::Windows => (&profile.windows, "\r"),
    };
    if !line.trim().is_empty() {
        let (done, _) = oneshot::channel();
        drop(input.send(Typing { bytes: format!("{line}{end}").into(), done }).await);
    }
}

fn start(work: &Work, place: &Place, commands: Option<&str>) -> io::Result<Terminal> {
    // The kernel's own default until the client tells its size; Windows needs one.
    let (cols, rows) = match work.node.platform {
        Platform::Windows => (200, 60),
        Platform::Linux | Platform::MacOs => {
            (if cfg!(windows) { 80 } else { 0 }, if cfg!(windows) { 24 } else { 0 })
        }
    };
    let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).map_err(io::Error::other)?;
    let mut command = program(commands);
    command.env_clear();
    for (name, value) in place.environment(work) {
        command.env(name, value);
    }
    command.cwd(place.home());
    let child = pair.slave.spawn_command(command).map_err(io::Error::other)?;
    drop(pair.slave);
    let reader = pair.master.try_clone_reader().map_err(io::Error::other)?;
    let writer = pair.master.take_writer().map_err(io::Error::other)?;
    let killer = child.clone_killer();
    let group = Group::led_by(child.process_id());
    let (output, exited) = read_in_thread(reader, child)?;
    let input = write_in_thread(writer)?;
    Ok(Terminal { master: pair.master, output, input, killer, group, exited })
}

/// The program on the terminal: a shell without anybody's start-up files, or `sh -c`.
fn program(commands: Option<&str>) -> CommandBuilder {
    if cfg!(windows) {
        let mut command = CommandBuilder::new("cmd.exe");
        if let Some(commands) = commands {
            command.args(["/C", commands]);
        }
        return command;
    }
    match commands {
        Some(commands) => {
            let mut command = CommandBuilder::new("sh");
            command.args(["-c", commands]);
            command
        }
        None => {
            match ["/bin/bash", "/usr/bin/bash"].into_iter().find(|path| Path::new(path).exists()) {
                Some(bash) => {
                    let mut command = CommandBuilder::new(bash);
                    command.args(["--noprofile", "--norc"]);
                    command
                }
                None => CommandBuilder::new("sh"),
            }
        }
    }
}

type Reading = (mpsc::Receiver<Bytes>, oneshot::Receiver<()>);

fn read_in_thread(
    mut reader: Box<dyn Read + Send>,
    mut child: Box<dyn Child + Send + Sync>,
) -> io::Result<Reading> {
    let (send, output) = mpsc::channel(READS_WAITING);
    let (gone, exited) = oneshot::channel();
    let read = move || {
        let mut buffer = vec![0; READ_BYTES];
        // Linux reports the end of a terminal as an error.
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if send.blocking_send(Bytes::copy_from_slice(&buffer[..count])).is_err() {
                break;
            }
        }
        drop(send);
        // Reaps it; how it ended is told to nobody.
        drop(child.wait());
        gone.send(()).ok();
    };
    thread::Builder::new().name("terminal-read".into()).stack_size(STACK_BYTES).spawn(read)?;
    Ok((output, exited))
}

fn write_in_thread(mut writer: Box<dyn Write + Send>) -> io::Result<mpsc::Sender<Typing>> {
    let (input, mut queue) = mpsc::channel::<Typing>(1);
    let write = move || {
        while let Some(Typing { bytes, done }) = queue.blocking_recv() {
            // Nobody waits for it when the session is over.
            drop(done.send(writer.write_all(&bytes).and_then(|()| writer.flush())));
        }
    };
    thread::Builder::new().name("terminal-write".into()).stack_size(STACK_BYTES).spawn(write)?;
    Ok(input)
}

/// The client's way into a terminal.
pub(super) struct TerminalInput {
    master: Mutex<Box<dyn MasterPty + Send>>,
    writer: mpsc::Sender<Typing>,
    platform: Platform,
    faults: Faults,
    session: String,
}

impl TerminalInput {
    pub(super) async fn handle(&mut self, kind: PayloadType, payload: Bytes) -> Handled {
        if kind == PayloadType::Output {
            self.write(payload).await
        } else if kind == PayloadType::Size {
            self.resize(&payload)
        } else {
            Handled::Done
        }
    }

    async fn write(&self, payload: Bytes) -> Handled {
        let rules = self.faults.agent_rules(&self.session);
        if rules.stalled_terminal {
            std::future::pending::<()>().await;
        }
        if !rules.terminal_write_delay.is_zero() {
            tokio::time::sleep(rules.terminal_write_delay).await;
        }
        let bytes = match self.platform {
            Platform::Linux | Platform::MacOs => payload,
            Platform::Windows => windows_lines(payload),
        };
        let (done, written) = oneshot::channel();
        if self.writer.send(Typing { bytes, done }).await.is_err() {
            return Handled::Failed;
        }
        match written.await {
            Ok(Ok(())) => Handled::Done,
            Ok(Err(_)) | Err(_) => Handled::Failed,
        }
    }

    fn resize(&self, payload: &[u8]) -> Handled {
        let Ok(SizeBody { cols, rows }) = SizeBody::parse(payload) else { return Handled::Failed };
        // Cut to 16 bits, as the agent does.
        let cut = |number: u32| (number & 0xffff) as u16;
        let size = PtySize { rows: cut(rows), cols: cut(cols), pixel_width: 0, pixel_height: 0 };
        let master = self.master.lock().unwrap_or_else(PoisonError::into_inner);
        if master.resize(size).is_ok() { Handled::Done } else { Handled::Failed }
    }
}

/// The rule of Windows agents: a payload without CR LF has its line feeds made carriage returns.
fn windows_lines(payload: Bytes) -> Bytes {
    if !payload.contains(&b'\n') || payload.windows(2).any(|pair| pair == b"\r\n") {
        return payload;
    }
    payload.iter().map(|byte| if *byte == b'\n' { b'\r' } else { *byte }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_input_has_carriage_returns() {
        assert_eq!(windows_lines("dir\n".into()), "dir\r");
        assert_eq!(windows_lines("a\r\nb\n".into()), "a\r\nb\n");
        assert_eq!(windows_lines("dir\r".into()), "dir\r");
    }
}
