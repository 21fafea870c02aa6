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
use crate::port_session::{PortSettings, Totals};
use crate::state::{LocalEnd, TunnelEvent, TunnelState};

mod holder;
mod lane;
pub(crate) mod listener;
mod supervisor;

use listener::Listener;
use supervisor::{Display, Plan, Supervisor};

/// The document that forwards to a port of the node.
const TO_NODE: &str = "AWS-StartPortForwardingSession";
/// The document that forwards to a host the node can reach.
const TO_HOST: &str = "AWS-StartPortForwardingSessionToRemoteHost";
/// Events kept for a listener that is slow to take them.
const EVENTS_KEPT: usize = 64;
/// Most sessions one tunnel may use at once.
const MOST_LANES: u8 = 16;

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
            connection_limit: 1024,
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
        let listener = match &spec.local {
            LocalSpec::Tcp { addresses, port } => Listener::bind_tcp(addresses, *port)?,
            LocalSpec::Unix { path } => Listener::bind_unix(path)?,
        };
        let plan = Plan {
            request: spec.request(listener.local()),
            destination: spec.destination(),
            is_remote_host: spec.host.is_some(),
            lanes: usize::from(spec.lanes),
            connection_limit: spec.connection_limit,
            settings: PortSettings { linger: spec.linger, keep_alive: spec.keep_alive },
            restarts: true,
        };
        Ok(TunnelHandle::start(self, control, plan, listener, None))
    }
}

impl TunnelHandle {
    fn start(
        engine: &Engine,
        control: Arc<dyn ControlPlane>,
        plan: Plan,
        listener: Listener,
        first: Option<lane::Lane>,
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
