//! What tunnels cost that nobody uses.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use session::{TunnelHandle, TunnelSpec, TunnelState};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use super::process::Process;
use crate::Measured;
use crate::ground::{Ground, PATIENCE};
use crate::throughput::PAGE;

const TUNNELS: u32 = 500;
/// Starting so many takes this long at most.
const STARTING: Duration = Duration::from_secs(120);
/// What starting has left to do is done by then; the first pings are still to come.
const SETTLING: Duration = Duration::from_secs(2);
/// The window that the cost of idling is measured over: two pings of each.
const WATCHED: Duration = Duration::from_secs(60);

pub(crate) struct Idle {
    pub(crate) kib_each: f64,
    pub(crate) cpu_percent: f64,
}

/// Looks at a process that holds one tunnel, then all. The far end is this process.
pub(crate) async fn tunnels() -> Measured<Idle> {
    let ground = Ground::start().await?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["hold", &ground.node]).envs(ground.variables().iter().cloned());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut said = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let process = Process(child.id().ok_or("the process has ended")?);

    tokio::time::timeout(PATIENCE, said.next_line()).await??.ok_or("not even one tunnel")?;
    let one = process.resident_kib()?;
    // It goes on when it is told to.
    let mut orders = child.stdin.take().ok_or("no input")?;
    tokio::io::AsyncWriteExt::write_all(&mut orders, b"\n").await?;
    tokio::time::timeout(STARTING, said.next_line()).await??.ok_or("not all tunnels")?;
    tokio::time::sleep(SETTLING).await;
    let all = process.resident_kib()?;
    let before = process.cpu()?;
    tokio::time::sleep(WATCHED).await;
    let used = process.cpu()? - before;
    let kib_each = (all - one) / f64::from(TUNNELS - 1);
    let cpu_percent = used.as_secs_f64() / WATCHED.as_secs_f64() * 100.0;
    drop(orders);
    child.wait().await?;
    ground.stop().await;
    Ok(Idle { kib_each, cpu_percent })
}

/// The process that is looked at: says a line when it has one tunnel, waits for one, says a line
/// when it has them all, and ends with its input.
pub(crate) async fn hold(node: &str) -> Measured<()> {
    let app = app::App::open(app::AppConfig::given(
        std::env::vars().filter(|(name, _)| name.starts_with("AWS_")),
    ));
    let account = app.account(None, None)?;
    let open = || app.engine().tunnel(account.control(), TunnelSpec::new(node, PAGE));
    let mut input = BufReader::new(tokio::io::stdin());
    let mut tunnels = vec![open()?];
    ready(&tunnels).await?;
    say("one")?;
    input.read_line(&mut String::new()).await?;
    while tunnels.len() < TUNNELS as usize {
        // Not all at once: no user does that, and the service would not take it.
        for _ in 0..20.min(TUNNELS as usize - tunnels.len()) {
            tunnels.push(open()?);
        }
        ready(&tunnels).await?;
    }
    say("all")?;
    input.read_to_end(&mut Vec::new()).await?;
    drop(tunnels);
    app.shutdown(Duration::from_secs(30)).await;
    Ok(())
}

async fn ready(tunnels: &[TunnelHandle]) -> Measured<()> {
    for tunnel in tunnels {
        let is_up = |state: &TunnelState| match state {
            TunnelState::Listening { sessions, .. } => !sessions.is_empty(),
            TunnelState::Failed { .. } => true,
            TunnelState::Stopped
            | TunnelState::Starting { .. }
            | TunnelState::Resuming { .. }
            | TunnelState::Restarting { .. } => false,
        };
        let mut states = tunnel.state();
        let state = tokio::time::timeout(STARTING, states.wait_for(is_up)).await??;
        if let TunnelState::Failed { error } = &*state {
            return Err(error.to_string().into());
        }
    }
    Ok(())
}

fn say(word: &str) -> Measured<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word}")?;
    Ok(out.flush()?)
}
