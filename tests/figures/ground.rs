//! The sandbox and the product on it, both in this process.

use std::time::Duration;

use app::{Account, App, AppConfig};
use emulator::{Emulator, EmulatorConfig};
use session::{
    Engine, OutputFlow, StartRequest, TerminalHandle, TerminalOutput, TerminalSize, TerminalSpec,
    TunnelHandle, TunnelSpec, TunnelState, TunnelStats,
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::Measured;

/// Nothing measured here takes longer between two signs of life.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The node that everything is measured on: online, with a current agent and a web page.
pub(crate) const NODE: &str = "prod-storefront-01";

pub(crate) struct Ground {
    pub(crate) emulator: Emulator,
    pub(crate) app: App,
    pub(crate) account: Account,
    pub(crate) node: String,
    variables: Vec<(&'static str, String)>,
    _folder: TempDir,
}

impl Ground {
    pub(crate) async fn start() -> Measured<Self> {
        let emulator = Emulator::start(EmulatorConfig::default()).await?;
        let folder = TempDir::with_prefix("adit-figures-")?;
        let (config, credentials) = emulator.write_profiles(folder.path())?;
        let variables = vec![
            ("AWS_CONFIG_FILE", config.display().to_string()),
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.display().to_string()),
            ("AWS_PROFILE", "sandbox-prod".to_owned()),
        ];
        let app = App::open(AppConfig::given(variables.clone()));
        let account = app.account(None, None)?;
        let node = account.find(NODE).await?.id.to_string();
        Ok(Self { emulator, app, account, node, variables, _folder: folder })
    }

    /// What makes another process use this sandbox.
    pub(crate) fn variables(&self) -> &[(&'static str, String)] {
        &self.variables
    }

    /// Plays a fault, in the words of `POST /_sandbox/faults`.
    pub(crate) fn play(&self, fault: serde_json::Value) -> Measured<()> {
        self.emulator.faults().apply(serde_json::from_value(fault)?)?;
        Ok(())
    }

    pub(crate) fn shell(&self) -> (TerminalHandle, TerminalOutput) {
        let spec = TerminalSpec {
            request: StartRequest { target: self.node.clone(), ..StartRequest::default() },
            size: Some(TerminalSize { cols: 80, rows: 24 }),
            flow: OutputFlow { gather: Duration::ZERO, ..OutputFlow::default() },
        };
        self.app.engine().terminal(self.account.control(), spec)
    }

    pub(crate) fn tunnel(&self, port: u16) -> Measured<Tunnel> {
        self.tunnel_by(self.app.engine(), self.spec(port))
    }

    /// What a tunnel to a port of the node is, for a start.
    pub(crate) fn spec(&self, port: u16) -> TunnelSpec {
        TunnelSpec::new(&self.node, port)
    }

    /// Opens a tunnel with settings of its own.
    pub(crate) fn tunnel_by(&self, engine: &Engine, spec: TunnelSpec) -> Measured<Tunnel> {
        Ok(Tunnel(engine.tunnel(self.account.control(), spec)?))
    }

    pub(crate) async fn stop(self) {
        self.app.shutdown(Duration::from_secs(5)).await;
        self.emulator.stop().await;
    }
}

pub(crate) struct Tunnel(TunnelHandle);

impl Tunnel {
    pub(crate) async fn connect(&self) -> Measured<TcpStream> {
        let port = self.0.local().port().ok_or("the tunnel has no port")?;
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    pub(crate) fn state(&self) -> watch::Receiver<TunnelState> {
        self.0.state()
    }

    pub(crate) fn stats(&self) -> TunnelStats {
        self.0.stats()
    }
}

/// A shell's output, looked through as it comes.
pub(crate) struct Reading {
    output: TerminalOutput,
    terminal: TerminalHandle,
    pub(crate) said: Vec<u8>,
}

impl Reading {
    pub(crate) fn new(terminal: TerminalHandle, output: TerminalOutput) -> Self {
        Self { output, terminal, said: Vec::new() }
    }

    /// Takes the next piece; false at the session's end.
    pub(crate) async fn more(&mut self) -> Measured<bool> {
        let Some(piece) = tokio::time::timeout(PATIENCE, self.output.next()).await? else {
            return Ok(false);
        };
        self.terminal.acknowledge(piece.len());
        self.said.extend_from_slice(&piece);
        Ok(true)
    }

    /// Waits for a text and answers where it ends. What came before stays in `said`.
    pub(crate) async fn until(&mut self, text: &str) -> Measured<usize> {
        let wanted = text.as_bytes();
        let mut from = 0;
        loop {
            let rest = self.said.get(from..).unwrap_or_default();
            if let Some(at) = rest.windows(wanted.len()).position(|window| window == wanted) {
                return Ok(from + at + wanted.len());
            }
            from = self.said.len().saturating_sub(wanted.len() - 1);
            if !self.more().await? {
                return Err(format!("the shell ended without saying {text:?}").into());
            }
        }
    }
}

/// The middle one of an odd number of values.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    percentile(values, 50.0)
}

/// The value that so many percent do not exceed.
pub(crate) fn percentile(values: &mut [f64], percent: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = (last as f64 * percent / 100.0).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}
