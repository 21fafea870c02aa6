//! A tunnel: the lasting wish that a local port reaches a host and port behind a node.
//!
//! What is wanted and what is are two things here. The listener is bound before any session is
//! started and stays until the wish ends; port sessions come and go underneath, each a *lane*.
//! Connections wait, bounded, while there is none.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::control_plane::{ControlPlane, StartRequest};
use crate::engine::Engine;
use crate::error::Error;
use crate::load::Totals;
use crate::port_session::PortSettings;
use crate::state::{LocalEnd, TunnelEvent, TunnelState};

mod holder;
pub(crate) mod lane;
pub(crate) mod listener;
mod supervisor;

use lane::Lane;
use listener::Listener;
use supervisor::{Display, Plan, Supervisor};

/// The document that forwards to a port of the node.
const TO_NODE: &str = "AWS-StartPortForwardingSession";
/// The document that forwards to a host the node can reach.
const TO_HOST: &str = "AWS-StartPortForwardingSessionToRemoteHost";
/// Events kept for a listener that is slow to take them.
const EVENTS_KEPT: usize = 64;
/// Connections a tunnel carries at once unless told otherwise.
const CONNECTION_LIMIT: usize = 1024;
/// Most sessions one tunnel may use at once.
pub const MOST_LANES: u8 = 16;

/// Where a tunnel listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalSpec {
    /// One TCP port on each of these addresses. IPv6's loopback is left out where the computer
    /// has no IPv6.
    Tcp {
        /// The addresses.
        addresses: Vec<IpAddr>,
        /// The port; 0 finds one that is free on all addresses.
        port: u16,
    },
    /// A unix socket.
    Unix {
        /// Its path.
        path: PathBuf,
    },
}

impl LocalSpec {
    /// Both loopback addresses.
    pub fn loopback(port: u16) -> Self {
        let addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        Self::Tcp { addresses, port }
    }
}

impl LocalSpec {
    /// Listens there and lets go at once, to see whether it can be had. Outside of a tokio
    /// runtime it panics.
    ///
    /// # Errors
    /// [`Error::Bind`], as a tunnel would fail.
    pub fn check(&self) -> Result<(), Error> {
        self.bind().map(drop)
    }

    fn bind(&self) -> Result<Listener, Error> {
        match self {
            Self::Tcp { addresses, port } => Listener::bind_tcp(addresses, *port),
            Self::Unix { path } => Listener::bind_unix(path),
        }
    }
}

/// A document of one's own for a tunnel's sessions, in place of the AWS-owned ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelDocument {
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, Vec<String>>,
}

/// What a tunnel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelSpec {
    /// The node.
    pub target: String,
    /// A host the node can reach; the node itself if none.
    pub host: Option<String>,
    /// The port there.
    pub port: u16,
    /// Where it listens.
    pub local: LocalSpec,
    /// A document of one's own.
    pub document: Option<TunnelDocument>,
    /// Words for the audit log.
    pub reason: Option<String>,
    /// How many sessions it may use at once, 1 to 16. Agents send less than a megabyte a second
    /// through each; each is a session in the account's audit log.
    pub lanes: u8,
    /// How long a connection may wait for the far side's last words after its program has
    /// shut down sending, counted from the last byte from there.
    pub linger: Duration,
    /// Keeps sessions from the service's idle timeout by sending something this often.
    pub keep_alive: Option<Duration>,
    /// Connections at once; the next ones wait in the kernel.
    pub connection_limit: usize,
    /// Starts no session before the first connection.
    pub on_demand: bool,
    /// Ends the sessions after so long without a connection; the next one starts another.
    pub idle_stop: Option<Duration>,
}

impl TunnelSpec {
    /// A tunnel to a port of the node, listening on both loopback addresses.
    pub fn new(target: impl Into<String>, port: u16) -> Self {
        Self {
            target: target.into(),
            host: None,
            port,
            local: LocalSpec::loopback(0),
            document: None,
            reason: None,
            lanes: 1,
            linger: Duration::from_secs(30),
            keep_alive: None,
            connection_limit: CONNECTION_LIMIT,
            on_demand: false,
            idle_stop: None,
        }
    }

    /// Names the destination as a user knows it.
    pub fn destination(&self) -> String {
        format!("{}:{}", self.host.as_deref().unwrap_or(&self.target), self.port)
    }

    /// What to ask the service for, once it is known where we listen.
    fn request(&self, local: &LocalEnd) -> StartRequest {
        let (document, parameters) = match &self.document {
            Some(document) => (document.name.clone(), document.parameters.clone()),
            None => {
                let one = |value: String| vec![value];
                let mut parameters =
                    BTreeMap::from([("portNumber".to_owned(), one(self.port.to_string()))]);
                if let Some(port) = local.port() {
                    parameters.insert("localPortNumber".to_owned(), one(port.to_string()));
                }
                if let Some(host) = &self.host {
                    parameters.insert("host".to_owned(), one(host.clone()));
                }
                let document = if self.host.is_some() { TO_HOST } else { TO_NODE };
                (document.to_owned(), parameters)
            }
        };
        StartRequest {
            target: self.target.clone(),
            document: Some(document),
            parameters,
            reason: self.reason.clone(),
        }
    }

    fn check(&self) -> Result<(), Error> {
        let problem = if self.target.is_empty() {
            "it has no target".to_owned()
        } else if self.port == 0 && self.document.is_none() {
            "its destination has no port".to_owned()
        } else if !(1..=MOST_LANES).contains(&self.lanes) {
            format!("it may use 1 to {MOST_LANES} sessions, not {}", self.lanes)
        } else if self.connection_limit == 0 {
            "it may carry no connection".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::Unusable { reason: problem })
    }
}

/// A running tunnel. It stops when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct TunnelHandle {
    local: LocalEnd,
    state: watch::Receiver<TunnelState>,
    events: broadcast::Sender<TunnelEvent>,
    totals: Arc<Totals>,
    stop: CancellationToken,
    _guard: Arc<DropGuard>,
}

/// A tunnel's figures so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunnelStats {
    /// Bytes from local programs.
    pub up_bytes: u64,
    /// Bytes to local programs, with what the mux adds.
    pub down_bytes: u64,
    /// Connections open now, those that wait for a session included.
    pub open_connections: u64,
    /// Connections that were given a stream, ever.
    pub total_connections: u64,
}

impl Engine {
    /// Opens a tunnel: binds at once, then starts its first session in the background.
    ///
    /// # Errors
    /// [`Error::Bind`] when the local end cannot be had, [`Error::Unusable`] when the
    /// description makes no sense. No session has been started then.
    pub fn tunnel(
        &self,
        control: Arc<dyn ControlPlane>,
        spec: TunnelSpec,
    ) -> Result<TunnelHandle, Error> {
        spec.check()?;
        let listener = spec.local.bind()?;
        let plan = Plan {
            request: spec.request(listener.local()),
            destination: spec.destination(),
            is_remote_host: spec.host.is_some(),
            lanes: usize::from(spec.lanes),
            connection_limit: spec.connection_limit,
            settings: PortSettings {
                linger: spec.linger,
                keep_alive: spec.keep_alive,
                is_for_one: false,
            },
            restarts: true,
            on_demand: spec.on_demand,
            idle_stop: spec.idle_stop,
        };
        Ok(TunnelHandle::start(self, control, plan, listener, None))
    }
}

/// A session that is up already, on its way into a tunnel.
pub(crate) struct Adopted {
    pub(crate) request: StartRequest,
    pub(crate) destination: String,
    pub(crate) settings: PortSettings,
    pub(crate) lane: Lane,
}

impl TunnelHandle {
    /// Listens for a session that is up already, for as long as it lives.
    pub(crate) fn adopt(
        engine: &Engine,
        control: Arc<dyn ControlPlane>,
        local: &LocalSpec,
        adopted: Adopted,
    ) -> Result<Self, Error> {
        let Adopted { request, destination, settings, lane } = adopted;
        let listener = local.bind()?;
        let plan = Plan {
            request,
            destination,
            is_remote_host: false,
            lanes: 1,
            connection_limit: CONNECTION_LIMIT,
            settings,
            restarts: false,
            on_demand: false,
            idle_stop: None,
        };
        Ok(Self::start(engine, control, plan, listener, Some(lane)))
    }

    fn start(
        engine: &Engine,
        control: Arc<dyn ControlPlane>,
        plan: Plan,
        listener: Listener,
        first: Option<Lane>,
    ) -> Self {
        let local = listener.local().clone();
        let stop = engine.shared.stop.child_token();
        let (state, states) = watch::channel(TunnelState::Starting { local: local.clone() });
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        let totals = first.as_ref().map_or_else(Arc::default, |lane| Arc::clone(lane.totals()));
        let display = Display { state, events: events.clone(), totals: Arc::clone(&totals) };
        let shared = Arc::clone(&engine.shared);
        let mut supervisor = Supervisor::new(shared, control, plan, listener, display);
        if let Some(lane) = first {
            supervisor.adopt(lane);
        }
        engine.shared.registry.spawn(supervisor.run(stop.clone()));
        Self {
            local,
            state: states,
            events,
            totals,
            stop: stop.clone(),
            _guard: Arc::new(stop.drop_guard()),
        }
    }

    /// Answers where it listens; known from the start and never changing.
    pub fn local(&self) -> &LocalEnd {
        &self.local
    }

    /// Answers the tunnel's state, now and as it changes.
    pub fn state(&self) -> watch::Receiver<TunnelState> {
        self.state.clone()
    }

    /// Hears of what no state shows, from now on.
    pub fn events(&self) -> broadcast::Receiver<TunnelEvent> {
        self.events.subscribe()
    }

    /// Answers the figures so far.
    pub fn stats(&self) -> TunnelStats {
        TunnelStats {
            up_bytes: self.totals.up_bytes.load(Ordering::Relaxed),
            down_bytes: self.totals.down_bytes.load(Ordering::Relaxed),
            open_connections: self.totals.open.load(Ordering::Relaxed),
            total_connections: self.totals.connections.load(Ordering::Relaxed),
        }
    }

    /// Stops the tunnel and waits until its port is free and the service knows that its
    /// sessions are over, or will not be told. Cancel safe: it stops all the same.
    pub async fn stop(&self) {
        self.stop.cancel();
        let is_over = |state: &TunnelState| {
            matches!(state, TunnelState::Stopped | TunnelState::Failed { .. })
        };
        // An error means that the supervisor is gone, which is as good.
        let _ = self.state.clone().wait_for(is_over).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use bytes::{Bytes, BytesMut};
    use protocol::mux::frame::{Command, Frame, FrameDecoder, StreamId};
    use protocol::{PayloadType, SessionFlag};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::control_plane::{ControlError, Refusal};
    use crate::error::Remedy;
    use crate::testing::{Account, Agent, Door, bench, soon};

    /// An agent that speaks the mux.
    struct Far {
        agent: Agent,
        decoder: FrameDecoder,
    }

    impl Far {
        async fn join(door: &mut Door) -> Self {
            let mut agent = door.agent().await;
            agent.shake("Port", r#"{"portNumber":"80","type":"LocalPortForwarding"}"#).await;
            Self { agent, decoder: FrameDecoder::new() }
        }

        async fn next(&mut self) -> Frame {
            loop {
                if let Some(frame) = self.decoder.next().expect("a frame") {
                    return frame;
                }
                let message = self.agent.input().await;
                assert_eq!(message.payload_type, PayloadType::Output);
                self.decoder.push(message.payload);
            }
        }

        async fn opened(&mut self) -> StreamId {
            let frame = self.next().await;
            assert_eq!(frame.command, Command::Syn);
            frame.stream
        }

        async fn data(&mut self, count: usize) -> Vec<u8> {
            let mut data = Vec::new();
            while data.len() < count {
                let frame = self.next().await;
                assert_eq!(frame.command, Command::Psh);
                data.extend_from_slice(&frame.payload);
            }
            data
        }

        async fn send(&mut self, command: Command, stream: StreamId, payload: &[u8]) {
            let mut frame = BytesMut::new();
            Frame { command, stream, payload: Bytes::copy_from_slice(payload) }.encode(&mut frame);
            self.agent.print(frame.freeze()).await;
        }
    }

    struct Bench {
        engine: Engine,
        account: Arc<Account>,
        door: Door,
    }

    fn open(spec: TunnelSpec) -> (Bench, TunnelHandle) {
        let (engine, account, door) = bench();
        let tunnel = engine.tunnel(account.plane(), spec).expect("a free port");
        (Bench { engine, account, door }, tunnel)
    }

    fn addresses(tunnel: &TunnelHandle) -> Vec<SocketAddr> {
        let LocalEnd::Tcp { addresses } = tunnel.local().clone() else { panic!("not TCP") };
        addresses
    }

    /// Waits for something that went wrong.
    async fn trouble(events: &mut broadcast::Receiver<TunnelEvent>) -> TunnelEvent {
        loop {
            let event = soon(events.recv()).await.expect("an event");
            if !matches!(event, TunnelEvent::Accepted { .. }) {
                return event;
            }
        }
    }

    async fn connect(tunnel: &TunnelHandle) -> TcpStream {
        TcpStream::connect(addresses(tunnel)[0]).await.expect("a listener")
    }

    async fn listening(tunnel: &TunnelHandle) {
        let is_up = |state: &TunnelState| matches!(state, TunnelState::Listening { sessions, .. } if !sessions.is_empty());
        soon(tunnel.state().wait_for(is_up)).await.expect("a state");
    }

    async fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
        let mut read = vec![0; count];
        soon(stream.read_exact(&mut read)).await.expect("bytes");
        read
    }

    #[tokio::test]
    async fn both_families_carry_bytes_both_ways() {
        let (mut bench, tunnel) = open(TunnelSpec::new("i-1", 80));
        let mut far = Far::join(&mut bench.door).await;
        listening(&tunnel).await;
        let request = bench.account.with(|calls| calls.started[0].clone());
        assert_eq!(request.document.as_deref(), Some(TO_NODE));
        assert_eq!(request.parameters["portNumber"], ["80"]);
        assert_eq!(addresses(&tunnel).len(), 2);
        for address in addresses(&tunnel) {
            let mut near = TcpStream::connect(address).await.expect("a listener");
            near.write_all(b"GET").await.unwrap();
            let stream = far.opened().await;
            assert_eq!(far.data(3).await, b"GET");
            far.send(Command::Psh, stream, b"200").await;
            assert_eq!(read(&mut near, 3).await, b"200");
            far.send(Command::Fin, stream, b"").await;
            assert_eq!(soon(near.read(&mut [0; 8])).await.unwrap(), 0);
            assert_eq!(far.next().await.command, Command::Fin);
        }
        assert_eq!(tunnel.stats().total_connections, 2);
        assert_eq!(bench.account.with(|calls| calls.started.len()), 1);
    }

    #[tokio::test]
    async fn on_demand_a_session_comes_with_the_first_connection_and_goes_after_the_last() {
        let idle_stop = Some(Duration::from_millis(50));
        let spec = TunnelSpec { on_demand: true, idle_stop, ..TunnelSpec::new("i-1", 80) };
        let (mut bench, tunnel) = open(spec);
        let is_dormant = |state: &TunnelState| matches!(state, TunnelState::Listening { sessions, .. } if sessions.is_empty());
        soon(tunnel.state().wait_for(is_dormant)).await.expect("a state");
        assert_eq!(bench.account.with(|calls| calls.started.len()), 0);
        for round in 1..=2 {
            let mut near = connect(&tunnel).await;
            let mut far = Far::join(&mut bench.door).await;
            near.write_all(b"GET").await.unwrap();
            let stream = far.opened().await;
            assert_eq!(far.data(3).await, b"GET");
            far.send(Command::Fin, stream, b"").await;
            assert_eq!(soon(near.read(&mut [0; 8])).await.unwrap(), 0);
            drop(near);
            bench.account.until(|calls| calls.terminated.len() == round).await;
            soon(tunnel.state().wait_for(is_dormant)).await.expect("a state");
            assert_eq!(bench.account.with(|calls| calls.started.len()), round);
        }
    }

    #[tokio::test]
    async fn a_program_that_shuts_down_sending_still_hears_the_answer() {
        let (mut bench, tunnel) = open(TunnelSpec::new("i-1", 80));
        let mut far = Far::join(&mut bench.door).await;
        let mut near = connect(&tunnel).await;
        near.write_all(b"question").await.unwrap();
        near.shutdown().await.unwrap();
        let stream = far.opened().await;
        assert_eq!(far.data(8).await, b"question");
        for _ in 0..100 {
            far.send(Command::Psh, stream, &[7; 1000]).await;
        }
        far.send(Command::Fin, stream, b"").await;
        let mut answer = Vec::new();
        soon(near.read_to_end(&mut answer)).await.expect("a clean end");
        assert_eq!(answer, [7; 100_000]);
    }

    #[tokio::test]
    async fn after_the_linger_the_far_side_learns_that_nothing_more_comes() {
        let linger = Duration::from_millis(50);
        let (mut bench, tunnel) = open(TunnelSpec { linger, ..TunnelSpec::new("i-1", 80) });
        let mut far = Far::join(&mut bench.door).await;
        let mut near = connect(&tunnel).await;
        near.write_all(b"last words").await.unwrap();
        near.shutdown().await.unwrap();
        far.opened().await;
        assert_eq!(far.data(10).await, b"last words");
        assert_eq!(far.next().await.command, Command::Fin);
    }

    #[tokio::test]
    async fn a_refused_destination_resets_the_program_and_is_named() {
        let spec = TunnelSpec { host: Some("db.test".into()), ..TunnelSpec::new("i-1", 5432) };
        let (mut bench, tunnel) = open(spec);
        let mut events = tunnel.events();
        let mut far = Far::join(&mut bench.door).await;
        let mut near = connect(&tunnel).await;
        let stream = far.opened().await;
        let flag = SessionFlag::ConnectToPortError.encode();
        far.agent.send(PayloadType::Flag, flag).await;
        far.send(Command::Fin, stream, b"").await;
        let error = soon(near.read(&mut [0; 8])).await.expect_err("a reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let event = trouble(&mut events).await;
        let TunnelEvent::Refused { destination, peer } = event else { panic!("{event:?}") };
        assert_eq!(destination, "db.test:5432");
        assert_eq!(peer, Some(near.local_addr().unwrap()));
        let request = bench.account.with(|calls| calls.started[0].clone());
        assert_eq!(request.document.as_deref(), Some(TO_HOST));
        assert_eq!(request.parameters["host"], ["db.test"]);
    }

    #[tokio::test]
    async fn bytes_cross_cuts_unharmed() {
        let (mut bench, tunnel) = open(TunnelSpec::new("i-1", 80));
        let mut far = Far::join(&mut bench.door).await;
        let near = connect(&tunnel).await;
        let (mut reader, mut writer) = near.into_split();
        let sent: Vec<u8> = (0..1_000_000_u32).map(|count| (count % 251) as u8).collect();
        let to_send = sent.clone();
        let upload = tokio::spawn(async move { writer.write_all(&to_send).await.map(|()| writer) });
        let stream = far.opened().await;
        let mut received = Vec::new();
        let mut down = Vec::new();
        for round in 0..8 {
            let share = far.data(100_000).await;
            received.extend_from_slice(&share);
            let text = format!("round {round};");
            far.send(Command::Psh, stream, text.as_bytes()).await;
            down.extend_from_slice(text.as_bytes());
            far.agent.cut();
            far.agent.rejoin(&mut bench.door).await;
        }
        received.extend(far.data(sent.len() - received.len()).await);
        assert!(received == sent, "the far side got other bytes");
        let mut heard = vec![0; down.len()];
        soon(reader.read_exact(&mut heard)).await.unwrap();
        assert_eq!(heard, down);
        soon(upload).await.unwrap().expect("no error at the program");
        assert_eq!(bench.account.with(|calls| (calls.started.len(), calls.resumed)), (1, 8));
    }

    #[tokio::test]
    async fn the_listener_outlives_its_session() {
        let (mut bench, tunnel) = open(TunnelSpec::new("i-1", 80));
        let mut events = tunnel.events();
        let mut first = Far::join(&mut bench.door).await;
        let mut near = connect(&tunnel).await;
        first.opened().await;
        first.agent.end("").await;
        let error = soon(near.read(&mut [0; 8])).await.expect_err("a reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let event = trouble(&mut events).await;
        assert!(matches!(event, TunnelEvent::ConnectionLost { .. }), "{event:?}");
        // Made while there is no session: it waits and is served by the next.
        let mut near = connect(&tunnel).await;
        near.write_all(b"hello").await.unwrap();
        let mut second = Far::join(&mut bench.door).await;
        let stream = second.opened().await;
        assert_eq!(second.data(5).await, b"hello");
        second.send(Command::Psh, stream, b"again").await;
        assert_eq!(read(&mut near, 5).await, b"again");
        assert_eq!(bench.account.with(|calls| calls.terminated.len()), 0);
    }

    #[tokio::test]
    async fn stopping_tells_the_agent_and_the_service_and_frees_the_port() {
        let (mut bench, tunnel) = open(TunnelSpec::new("i-1", 80));
        let mut far = Far::join(&mut bench.door).await;
        let mut near = connect(&tunnel).await;
        far.opened().await;
        let far_end = tokio::spawn(async move { far.agent.flag().await });
        soon(tunnel.stop()).await;
        assert_eq!(soon(far_end).await.unwrap(), Some(SessionFlag::TerminateSession));
        assert_eq!(bench.account.with(|calls| calls.terminated.clone()), ["session-1"]);
        assert!(soon(near.read(&mut [0; 8])).await.is_err(), "a reset");
        std::net::TcpListener::bind(addresses(&tunnel)[0]).expect("a free port");
        assert!(matches!(*tunnel.state().borrow(), TunnelState::Stopped));
        assert!(bench.engine.live_sessions().is_empty());
    }

    #[tokio::test]
    async fn a_taken_port_costs_no_session() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let (engine, account, _door) = bench();
        let spec = TunnelSpec { local: LocalSpec::loopback(port), ..TunnelSpec::new("i-1", 80) };
        let error = engine.tunnel(account.plane(), spec).expect_err("taken");
        assert!(matches!(error, Error::Bind { is_taken: true, .. }), "{error}");
        tokio::task::yield_now().await;
        assert!(account.with(|calls| calls.started.is_empty()));
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_is_waited_out_unless_nobody_can() {
        let (engine, account, mut door) = bench();
        account.with(|calls| {
            let away = ControlError::NotConnected(Refusal::default());
            calls.start_answers.extend(std::iter::repeat_n(away, 10));
            calls.start_answers.push_back(ControlError::CredentialsExpired(Refusal::default()));
        });
        let tunnel = engine.tunnel(account.plane(), TunnelSpec::new("i-1", 80)).unwrap();
        let wants_sign_in = |state: &TunnelState| {
            matches!(state, TunnelState::Restarting { error, .. }
                if error.remedy() == Remedy::SignIn)
        };
        soon(tunnel.state().wait_for(wants_sign_in)).await.unwrap();
        let _far = Far::join(&mut door).await;
        listening(&tunnel).await;
        assert_eq!(account.with(|calls| calls.started.len()), 12);

        account.with(|calls| {
            calls.start_answers.push_back(ControlError::AccessDenied(Refusal::default()));
        });
        let denied = engine.tunnel(account.plane(), TunnelSpec::new("i-1", 80)).unwrap();
        let has_failed = |state: &TunnelState| matches!(state, TunnelState::Failed { .. });
        soon(denied.state().wait_for(has_failed)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_session_that_ends_is_started_again_by_the_next_connection() {
        let (mut bench, tunnel) = open(TunnelSpec::new("i-1", 80));
        let mut far = Far::join(&mut bench.door).await;
        listening(&tunnel).await;
        far.agent.drain().await;
        tokio::time::sleep(Duration::from_secs(90)).await;
        // The silence has cost a websocket by now, not the session.
        far.agent.rejoin(&mut bench.door).await;
        far.agent.end("").await;
        let is_dormant = |state: &TunnelState| matches!(state, TunnelState::Listening { sessions, .. } if sessions.is_empty());
        soon(tunnel.state().wait_for(is_dormant)).await.unwrap();
        assert_eq!(bench.account.with(|calls| calls.started.len()), 1);
        let mut near = connect(&tunnel).await;
        near.write_all(b"wake").await.unwrap();
        let mut far = Far::join(&mut bench.door).await;
        far.opened().await;
        assert_eq!(far.data(4).await, b"wake");
    }

    #[tokio::test]
    async fn a_slow_program_alone_holds_back_the_far_side_only() {
        let (mut bench, tunnel) = open(TunnelSpec::new("i-1", 80));
        let mut far = Far::join(&mut bench.door).await;
        let mut near = connect(&tunnel).await;
        let stream = far.opened().await;
        let sender = tokio::spawn(async move {
            for _ in 0..32 * 1024 {
                far.send(Command::Psh, stream, &[7; 1016]).await;
            }
            far
        });
        let mut total = 0;
        let mut buffer = vec![0; 65536];
        while total < 32 * 1024 * 1016 {
            total += soon(near.read(&mut buffer)).await.expect("bytes");
        }
        soon(sender).await.unwrap();
        assert_eq!(tunnel.stats().open_connections, 1);
    }

    #[tokio::test]
    async fn connections_at_once_spread_over_the_lanes_they_may_use() {
        let (mut bench, tunnel) = open(TunnelSpec { lanes: 2, ..TunnelSpec::new("i-1", 80) });
        let mut first = Far::join(&mut bench.door).await;
        let _one = connect(&tunnel).await;
        first.opened().await;
        let mut two = connect(&tunnel).await;
        two.write_all(b"second").await.unwrap();
        let mut second = Far::join(&mut bench.door).await;
        second.opened().await;
        assert_eq!(second.data(6).await, b"second");
        // A lane that dies takes only its own.
        first.agent.end("").await;
        two.write_all(b"still").await.unwrap();
        assert_eq!(second.data(5).await, b"still");
    }

    /// Keeps an agent answering pings and acknowledging until its websocket ends.
    fn attend(mut far: Far) -> tokio::task::JoinHandle<Far> {
        tokio::spawn(async move {
            while far.agent.listen().await {}
            far
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_refuses_again_and_again_is_resolved_anew() {
        let spec = TunnelSpec { host: Some("db.test".into()), ..TunnelSpec::new("i-1", 5432) };
        let (mut bench, tunnel) = open(spec);
        let mut stale = Far::join(&mut bench.door).await;
        listening(&tunnel).await;
        tokio::time::sleep(Duration::from_secs(31)).await;
        for _ in 0..3 {
            let mut near = connect(&tunnel).await;
            let stream = stale.opened().await;
            stale.agent.send(PayloadType::Flag, SessionFlag::ConnectToPortError.encode()).await;
            stale.send(Command::Fin, stream, b"").await;
            soon(near.read(&mut [0; 8])).await.expect_err("a reset");
            assert_eq!(stale.next().await.command, Command::Fin);
        }
        let mut fresh = Far::join(&mut bench.door).await;
        let _stale = attend(stale);
        bench.account.until(|calls| calls.terminated == ["session-1"]).await;
        let mut near = connect(&tunnel).await;
        near.write_all(b"hello").await.unwrap();
        fresh.opened().await;
        assert_eq!(fresh.data(5).await, b"hello");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_nobody_needs_is_let_go() {
        let (mut bench, tunnel) = open(TunnelSpec { lanes: 2, ..TunnelSpec::new("i-1", 80) });
        let mut first = Far::join(&mut bench.door).await;
        let one = connect(&tunnel).await;
        first.opened().await;
        let two = connect(&tunnel).await;
        let mut second = Far::join(&mut bench.door).await;
        second.opened().await;
        drop((one, two));
        let _ends = (attend(first), attend(second));
        bench.account.until(|calls| calls.terminated.len() == 1).await;
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(bench.account.with(|calls| calls.terminated.len()), 1, "the last is kept");
    }

    #[tokio::test(start_paused = true)]
    async fn pacing_is_mentioned_only_when_it_holds_several_connections_back() {
        let (mut bench, tunnel) = open(TunnelSpec::new("i-1", 80));
        let mut events = tunnel.events();
        let mut far = Far::join(&mut bench.door).await;
        let mut nears = Vec::new();
        let mut streams = Vec::new();
        for _ in 0..2 {
            nears.push(connect(&tunnel).await);
            streams.push(far.opened().await);
        }
        let readers: Vec<_> = nears
            .into_iter()
            .map(|mut near| tokio::spawn(async move { near.read_to_end(&mut Vec::new()).await }))
            .collect();
        // As much as an agent sends: to one while the other is idle, then to both.
        for (receivers, is_mentioned) in [(&streams[..1], false), (&streams[..], true)] {
            for turn in 0..600 {
                let stream = receivers[turn % receivers.len()];
                far.send(Command::Psh, stream, &[7; 8000]).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let told = std::iter::from_fn(|| events.try_recv().ok())
                .filter(|event| matches!(event, TunnelEvent::PacedByAgent { connections: 2 }))
                .count();
            assert_eq!(told == 1, is_mentioned, "{told}");
        }
        drop(tunnel);
        drop(readers);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_unix_socket_serves_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("local.sock");
        let local = LocalSpec::Unix { path: path.clone() };
        let (mut bench, tunnel) = open(TunnelSpec { local, ..TunnelSpec::new("i-1", 80) });
        let mut far = Far::join(&mut bench.door).await;
        listening(&tunnel).await;
        let mut near = tokio::net::UnixStream::connect(&path).await.unwrap();
        near.write_all(b"hi").await.unwrap();
        far.opened().await;
        assert_eq!(far.data(2).await, b"hi");
        soon(tunnel.stop()).await;
        assert!(!path.exists());
    }
}
