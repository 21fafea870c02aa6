//! Opening a session without knowing what kind it is: the agent's handshake tells, never the
//! document's name. The drop-in for the official client starts this way.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use protocol::{DataChannel, Event, LocalEndpoint, PeerError, PortKind, SessionKind};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::command::{CommandHandle, CommandOutput};
use crate::control_plane::{ControlPlane, StartRequest};
use crate::driver::{self, Role, Setting, Wish};
use crate::engine::Engine;
use crate::error::Error;
use crate::load::Totals;
use crate::outflow::{OutputFlow, Piece};
use crate::port_session::{PortRole, PortSettings};
use crate::state::{SessionEnd, SessionState};
use crate::stdio::{StdioHandle, StdioOutput, halves};
use crate::terminal::{Expected, TerminalHandle, TerminalOutput, TerminalRole, TerminalSize};
use crate::tunnel::lane::Parts;
use crate::tunnel::{Adopted, LocalSpec, TunnelHandle};

/// What to open, whatever it turns out to be.
#[derive(Clone, Debug)]
pub struct AttachSpec {
    /// The session to start.
    pub request: StartRequest,
    /// The terminal's size, should it be one.
    pub size: Option<TerminalSize>,
    /// How output is handed over.
    pub flow: OutputFlow,
    /// See [`TunnelSpec::linger`](crate::TunnelSpec::linger).
    pub linger: Duration,
}

/// What it turned out to be.
#[derive(Debug)]
pub enum Attached {
    /// A shell, or a command on a terminal.
    Terminal(TerminalHandle, TerminalOutput),
    /// A command without a terminal.
    Command(CommandHandle, CommandOutput),
    /// A port session for one connection through standard input and output.
    Stdio(StdioHandle, StdioOutput),
    /// A port session to listen for.
    Port(PortSession),
}

/// A port session that is up and has no listener yet. It ends when dropped.
pub struct PortSession {
    engine: Engine,
    control: Arc<dyn ControlPlane>,
    request: StartRequest,
    parts: Parts,
    settings: PortSettings,
    states: watch::Receiver<SessionState>,
    guard: DropGuard,
    local: LocalSpec,
    destination: String,
}

impl std::fmt::Debug for PortSession {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PortSession")
            .field("local", &self.local)
            .field("destination", &self.destination)
            .finish_non_exhaustive()
    }
}

impl PortSession {
    /// Answers where the session's document wants us to listen.
    pub fn local(&self) -> &LocalSpec {
        &self.local
    }

    /// Answers the destination as the document names it.
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// Answers the session's state, now and as it changes.
    pub fn state(&self) -> watch::Receiver<SessionState> {
        self.states.clone()
    }

    /// Listens, and forwards through this session for as long as it lives. No other is started
    /// after it.
    ///
    /// # Errors
    /// [`Error::Bind`]; the session is ended then.
    pub fn listen(self, local: &LocalSpec) -> Result<TunnelHandle, Error> {
        let Self { engine, control, request, parts, settings, states, guard, .. } = self;
        let lane = parts.into_first_lane(states, guard);
        let adopted = Adopted { request, destination: self.destination, settings, lane };
        TunnelHandle::adopt(&engine, control, local, adopted)
    }
}

impl Engine {
    /// Opens a session and waits until it is known what it is. Dropping the future ends it.
    ///
    /// # Errors
    /// Whatever kept it from becoming ready.
    pub async fn attach(
        &self,
        control: Arc<dyn ControlPlane>,
        spec: AttachSpec,
    ) -> Result<Attached, Arc<Error>> {
        let AttachSpec { request, size, flow, linger } = spec;
        let stop = self.shared.stop.child_token();
        let (sender, mut states) = watch::channel(SessionState::Starting);
        let kind = Arc::new(OnceLock::new());
        let settings = PortSettings { linger, keep_alive: None, is_for_one: false };
        let (port, parts) = Parts::new(settings, &self.shared, &Arc::new(Totals::default()));
        let (terminal, handle, pieces) =
            TerminalRole::new(Expected::Either, size, flow, states.clone(), stop.clone());
        let role = AnyRole { terminal, port, kind: Arc::clone(&kind) };
        let target = request.target.clone();
        let setting =
            Setting { shared: Arc::clone(&self.shared), control: Arc::clone(&control), target };
        driver::spawn(setting, request.clone(), role, sender, stop.clone());

        let is_settled =
            |state: &SessionState| kind.get().is_some() || matches!(state, SessionState::Ended(_));
        let last = states.wait_for(is_settled).await.map(|state| state.clone()).ok();
        let Some(kind) = kind.get() else {
            let error = match last {
                Some(SessionState::Ended(SessionEnd::Failed(error))) => error,
                _ => Arc::new(Error::ShuttingDown),
            };
            return Err(error);
        };
        let faces = Faces { handle, pieces, parts, states, stop };
        Ok(self.settle(kind, control, request, settings, faces))
    }

    fn settle(
        &self,
        kind: &SessionKind,
        control: Arc<dyn ControlPlane>,
        request: StartRequest,
        settings: PortSettings,
        faces: Faces,
    ) -> Attached {
        let Faces { handle, pieces, parts, states, stop } = faces;
        let properties = match kind {
            SessionKind::Shell | SessionKind::InteractiveCommand => {
                return Attached::Terminal(handle, TerminalOutput::new(pieces));
            }
            SessionKind::NonInteractiveCommand => {
                return Attached::Command(CommandHandle::new(handle), CommandOutput::new(pieces));
            }
            SessionKind::Port(properties) => properties,
        };
        // Dropping the terminal's handle must not end the session.
        handle.disarm();
        if properties.kind == PortKind::Stdio {
            let (handle, output) = halves(parts.into_to_port(), states, stop);
            return Attached::Stdio(handle, output);
        }
        let host = properties.host.as_deref().unwrap_or(&request.target);
        Attached::Port(PortSession {
            engine: self.clone(),
            destination: format!("{host}:{}", properties.port_number),
            local: match &properties.local {
                LocalEndpoint::Tcp(port) => LocalSpec::loopback(*port),
                LocalEndpoint::Unix(path) => LocalSpec::Unix { path: PathBuf::from(path) },
            },
            control,
            request,
            parts,
            settings,
            states,
            guard: stop.drop_guard(),
        })
    }
}

/// Everything a session of unknown kind may need.
struct Faces {
    handle: TerminalHandle,
    pieces: mpsc::Receiver<Piece>,
    parts: Parts,
    states: watch::Receiver<SessionState>,
    stop: CancellationToken,
}

/// A session of any kind, seen from its driver: a terminal until it turns out to be a port
/// session.
struct AnyRole {
    terminal: TerminalRole,
    port: PortRole,
    kind: Arc<OnceLock<SessionKind>>,
}

impl AnyRole {
    fn is_port(&self) -> bool {
        matches!(self.kind.get(), Some(SessionKind::Port(_)))
    }
}

impl Role for AnyRole {
    fn handle_ready(&mut self, ready: &protocol::Ready, now: Instant) -> Result<(), &'static str> {
        // A session gets ready once.
        let _ = self.kind.set(ready.kind.clone());
        if self.is_port() {
            self.port.handle_ready(ready, now)
        } else {
            self.terminal.handle_ready(ready, now)
        }
    }

    fn handle_event(
        &mut self,
        event: Event,
        channel: &mut DataChannel,
        now: Instant,
    ) -> Result<(), PeerError> {
        if self.is_port() {
            self.port.handle_event(event, channel, now)
        } else {
            self.terminal.handle_event(event, channel, now)
        }
    }

    fn poll_local(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut DataChannel,
        now: Instant,
    ) -> Poll<Wish> {
        if self.is_port() {
            self.port.poll_local(cx, channel, now)
        } else {
            self.terminal.poll_local(cx, channel, now)
        }
    }

    fn feed(&mut self, channel: &mut DataChannel) -> bool {
        if self.is_port() { self.port.feed(channel) } else { self.terminal.feed(channel) }
    }

    fn takes_output(&self) -> bool {
        if self.is_port() { self.port.takes_output() } else { self.terminal.takes_output() }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.is_port() { self.port.poll_timeout() } else { self.terminal.poll_timeout() }
    }

    fn handle_timeout(&mut self, channel: &mut DataChannel, now: Instant) {
        if self.is_port() {
            self.port.handle_timeout(channel, now);
        } else {
            self.terminal.handle_timeout(channel, now);
        }
    }

    fn may_stay_silent(&self) -> bool {
        self.terminal.may_stay_silent()
    }

    fn may_finish(&self) -> bool {
        if self.is_port() { self.port.may_finish() } else { self.terminal.may_finish() }
    }

    fn ends_by_flag(&self) -> bool {
        self.is_port()
    }

    fn handle_end(&mut self, end: &SessionEnd) -> BoxFuture<'static, ()> {
        let (terminal, port) = (self.terminal.handle_end(end), self.port.handle_end(end));
        Box::pin(async move {
            terminal.await;
            port.await;
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::state::TunnelState;
    use crate::testing::{Agent, bench, soon};

    fn spec() -> AttachSpec {
        AttachSpec {
            request: StartRequest { target: "i-1".into(), ..StartRequest::default() },
            size: None,
            flow: OutputFlow::default(),
            linger: Duration::from_secs(1),
        }
    }

    /// Attaches to an agent that opens as `open` says.
    async fn attach<Opened: Future<Output = Agent>>(
        open: impl FnOnce(Agent) -> Opened,
    ) -> (Engine, Attached, Agent) {
        let (engine, account, mut door) = bench();
        let attaching = {
            let engine = engine.clone();
            tokio::spawn(async move { engine.attach(account.plane(), spec()).await })
        };
        let agent = open(door.agent().await).await;
        (engine, soon(attaching).await.unwrap().expect("a session"), agent)
    }

    #[tokio::test]
    async fn the_handshake_decides_what_it_is() {
        let (_engine, attached, mut agent) = attach(|mut agent| async {
            agent.print("$ ").await;
            agent
        })
        .await;
        let Attached::Terminal(handle, mut output) = attached else { panic!("{attached:?}") };
        assert_eq!(soon(output.next()).await.expect("a prompt"), "$ ");
        assert!(handle.write(Bytes::from_static(b"x")).await);
        assert_eq!(agent.typed(1).await, b"x");

        let (_engine, attached, _agent) = attach(|mut agent| async {
            agent.shake("NonInteractiveCommands", "null").await;
            agent
        })
        .await;
        assert!(matches!(attached, Attached::Command(..)), "{attached:?}");

        let (_engine, attached, mut agent) = attach(|mut agent| async {
            agent.shake("Port", r#"{"portNumber":"22"}"#).await;
            agent
        })
        .await;
        let Attached::Stdio(handle, _output) = attached else { panic!("{attached:?}") };
        assert!(handle.write(Bytes::from_static(b"SSH")).await);
        assert_eq!(agent.typed(3).await, b"SSH");
    }

    #[tokio::test]
    async fn a_port_session_listens_where_it_is_told_and_ends_with_its_session() {
        let (_engine, attached, mut agent) = attach(|mut agent| async {
            let properties =
                r#"{"portNumber":"80","localPortNumber":"0","type":"LocalPortForwarding"}"#;
            agent.shake("Port", properties).await;
            agent
        })
        .await;
        let Attached::Port(session) = attached else { panic!("{attached:?}") };
        assert_eq!((session.local(), session.destination()), (&LocalSpec::loopback(0), "i-1:80"));
        let local = session.local().clone();
        let tunnel = session.listen(&local).expect("a free port");
        let port = tunnel.local().port().expect("TCP");
        let mut near = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        near.write_all(b"GET").await.unwrap();
        assert!(agent.typed(8 + 8 + 3).await.ends_with(b"GET"));
        agent.end("").await;
        let has_failed = |state: &TunnelState| matches!(state, TunnelState::Failed { .. });
        soon(tunnel.state().wait_for(has_failed)).await.unwrap();
    }
}
