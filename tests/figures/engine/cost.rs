//! What moving bytes costs `adit forward`, a process of its own beside the far end's.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::process::Process;
use super::sink::{self, Sink};
use crate::Measured;
use crate::ground::{Ground, NODE, PATIENCE};
use crate::throughput::{PAGE, get_from};

const MIB: usize = 1024 * 1024;

/// Milliseconds of processor for each MiB sent, with default settings.
pub(crate) async fn up() -> Measured<f64> {
    let mib = 256;
    let ground = Ground::start().await?;
    let _sink = Sink::on(&ground).await?;
    let forward = Forward::open(&ground, sink::PORT).await?;
    let mut stream = forward.connect().await?;
    sink::fill(&mut stream, MIB).await?;
    let before = forward.process()?.cpu()?;
    sink::fill(&mut stream, mib * MIB).await?;
    let used = forward.process()?.cpu()? - before;
    forward.end().await?;
    ground.stop().await;
    Ok(used.as_secs_f64() * 1000.0 / mib as f64)
}

/// The same for each MiB received from an agent at its own pace and with its own small messages.
pub(crate) async fn down() -> Measured<f64> {
    let mib = 12;
    let ground = Ground::start().await?;
    let forward = Forward::open(&ground, PAGE).await?;
    get_from(forward.connect().await?, "/health").await?;
    let before = forward.process()?.cpu()?;
    get_from(forward.connect().await?, &format!("/bytes/{}", mib * MIB)).await?;
    let used = forward.process()?.cpu()? - before;
    forward.end().await?;
    ground.stop().await;
    Ok(used.as_secs_f64() * 1000.0 / mib as f64)
}

struct Forward {
    child: Child,
    port: u16,
    /// What it keeps, it keeps here.
    _folder: TempDir,
}

impl Forward {
    async fn open(ground: &Ground, to: u16) -> Measured<Self> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = free.local_addr()?.port();
        drop(free);
        let mut command = Command::new(adit()?);
        command.args(["forward", NODE, &to.to_string(), &port.to_string()]);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.envs(ground.variables().iter().cloned());
        let folder = TempDir::with_prefix("adit-figures-")?;
        command.env("XDG_STATE_HOME", folder.path()).env("XDG_CONFIG_HOME", folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        let said = child.stderr.take().ok_or("no standard error")?;
        let mut lines = BufReader::new(said).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await??;
        let line = line.ok_or("adit forward said nothing")?;
        if !line.starts_with("Listening") {
            return Err(format!("adit forward said {line:?}").into());
        }
        Ok(Self { child, port, _folder: folder })
    }

    async fn connect(&self) -> Measured<TcpStream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn process(&self) -> Measured<Process> {
        Ok(Process(self.child.id().ok_or("adit forward has ended")?))
    }

    async fn end(mut self) -> Measured<()> {
        Ok(self.child.kill().await?)
    }
}

/// The program built beside this one.
fn adit() -> Measured<PathBuf> {
    let name = format!("adit{}", std::env::consts::EXE_SUFFIX);
    Ok(std::env::current_exe()?.with_file_name(name))
}
