//! From the command to the first prompt, less what the far end takes.

use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::ground::{Ground, NODE, median};
use crate::{Measured, bare, tell};

const RUNS: usize = 9;

/// The medians' difference in milliseconds: `adit shell` as a whole process on a terminal of its
/// own, and a bare client, taking turns. The agent waits its usual second in both.
pub(crate) async fn overhead() -> Measured<f64> {
    let ground = Ground::start().await?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(milliseconds(first_prompt(&ground).await?));
        bare.push(milliseconds(bare::first_output(&ground).await?));
    }
    ground.stop().await;
    let (ours, bare) = (median(&mut ours), median(&mut bare));
    tell(&format!("medians: adit shell {ours:.1} ms, a bare client {bare:.1} ms"));
    Ok(ours - bare)
}

async fn first_prompt(ground: &Ground) -> Measured<Duration> {
    let mut command = CommandBuilder::new(adit()?);
    command.args(["shell", NODE]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    for (name, value) in ground.variables() {
        command.env(name, value);
    }
    tokio::task::spawn_blocking(move || timed(command)).await?
}

fn timed(command: CommandBuilder) -> Measured<Duration> {
    let pty = native_pty_system().openpty(PtySize { rows: 24, cols: 80, ..PtySize::default() })?;
    let mut screen = pty.master.try_clone_reader()?;
    let start = Instant::now();
    let mut child = pty.slave.spawn_command(command)?;
    drop(pty.slave);
    let seen = prompt(&mut screen, start);
    // A hang-up, as when the window is closed: the session is ended at the service too.
    drop(screen);
    drop(pty.master);
    child.wait()?;
    seen
}

/// When the screen ends with what prompts end with.
fn prompt(screen: &mut dyn Read, start: Instant) -> Measured<Duration> {
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = screen.read(&mut piece)?;
        let seen = start.elapsed();
        said.extend_from_slice(piece.get(..read).unwrap_or_default());
        if said.ends_with(b"$ ") || said.ends_with(b"# ") {
            return Ok(seen);
        }
        if read == 0 {
            let said = String::from_utf8_lossy(&said).into_owned();
            return Err(format!("adit shell ended without a prompt: {said}").into());
        }
    }
}

/// The program built beside this one.
fn adit() -> Measured<PathBuf> {
    let name = format!("adit{}", std::env::consts::EXE_SUFFIX);
    Ok(std::env::current_exe()?.with_file_name(name))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
