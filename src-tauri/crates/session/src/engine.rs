//! The entry of this room: one engine per process, from which every session is opened.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::control_plane::{ControlError, ControlPlane, SessionId};
use crate::payloads::{PayloadSize, Payloads};
use crate::registry::{Ledger, LiveSession, NoLedger, Registry};
use crate::surroundings::{Disturbance, Surroundings};
use crate::transport::{Dial, Dialer, Network};

/// What agents and gateways are told our version is. Agents switch features by it: anything
/// above 1.2.331.0 keeps their mux keep-alive off, and 1.2.764.0 is the oldest release AWS
/// supports.
pub const CLIENT_VERSION: &str = "1.2.764.0";

/// How an engine behaves.
#[derive(Clone)]
pub struct EngineConfig {
    /// How to reach the network.
    pub network: Network,
    /// What we say our version is.
    pub client_version: String,
    /// Data frames per second and session; the service is said to cut off clients that send
    /// about 1000. None sends as fast as the far end takes.
    pub frames_per_second: Option<u32>,
    /// How large messages may become in port sessions.
    pub payload_size: PayloadSize,
    /// Where live sessions are remembered beyond this process.
    pub ledger: Arc<dyn Ledger>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            network: Network::default(),
            client_version: CLIENT_VERSION.to_owned(),
            frames_per_second: Some(800),
            payload_size: PayloadSize::default(),
            ledger: Arc::new(NoLedger),
        }
    }
}

impl fmt::Debug for EngineConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EngineConfig")
            .field("client_version", &self.client_version)
            .field("frames_per_second", &self.frames_per_second)
            .field("payload_size", &self.payload_size)
            .finish_non_exhaustive()
    }
}

/// Opens sessions and sees every one of them ended.
///
/// Cheap to clone. Whatever it opens runs on tasks of its own; dropping a handle ends what it
/// stands for. Before the process ends, [`Engine::shutdown`] must have returned, or sessions are
/// left to the service's idle timeout.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// What all sessions of an engine have in common.
pub(crate) struct Shared {
    pub(crate) registry: Registry,
    pub(crate) dialer: Arc<dyn Dial>,
    pub(crate) surroundings: Surroundings,
    pub(crate) payloads: Payloads,
    pub(crate) client_version: String,
    /// 0 is no limit.
    frames_per_second: AtomicU32,
    pub(crate) stop: CancellationToken,
    watchers: TaskTracker,
}

impl Engine {
    /// Makes an engine and starts watching the system for sleep and network changes.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(config: EngineConfig) -> Self {
        let dialer = Arc::new(Dialer::new(config.network.clone()));
        let engine = Self::with_dialer(config, dialer);
        engine.shared.watch_surroundings();
        engine
    }

    /// Makes an engine that reaches its far end through `dialer` and hears of disturbances only
    /// by [`Self::disturb`].
    pub(crate) fn with_dialer(config: EngineConfig, dialer: Arc<dyn Dial>) -> Self {
        let shared = Shared {
            registry: Registry::new(config.ledger),
            dialer,
            surroundings: Surroundings::new(),
            payloads: Payloads::new(config.payload_size),
            client_version: config.client_version,
            frames_per_second: AtomicU32::new(config.frames_per_second.unwrap_or(0)),
            stop: CancellationToken::new(),
            watchers: TaskTracker::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Changes the limit on frames, for sessions opened from now on.
    pub fn set_frames_per_second(&self, limit: Option<u32>) {
        self.shared.frames_per_second.store(limit.unwrap_or(0), Ordering::Relaxed);
    }

    /// Names the sessions that live at the service because of this engine.
    pub fn live_sessions(&self) -> Vec<LiveSession> {
        self.shared.registry.live()
    }

    /// Tells every session that its socket may be dead, as a shell that hears of sleep and
    /// network changes by itself may do. Costs one ping each.
    pub fn disturb(&self, disturbance: Disturbance) {
        self.shared.surroundings.report(disturbance);
    }

    /// Ends a session that an earlier process left behind, found in the ledger.
    ///
    /// # Errors
    /// The service's answer. A session that is gone already counts as ended.
    pub async fn end_leftover(
        &self,
        control: &Arc<dyn ControlPlane>,
        session_id: &SessionId,
    ) -> Result<(), ControlError> {
        self.shared.registry.end_leftover(control, session_id).await
    }

    /// Ends everything and waits, at most `limit`, until the service knows. Answers the sessions
    /// that still live then; the ledger keeps them. Nothing can be opened afterwards.
    pub async fn shutdown(&self, limit: Duration) -> Vec<LiveSession> {
        self.shared.stop.cancel();
        self.shared.registry.finish(limit).await
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Shared {
    /// Answers the limit on frames for a session that is opened now.
    pub(crate) fn frames_per_second(&self) -> Option<u32> {
        Some(self.frames_per_second.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }

    fn watch_surroundings(&self) {
        self.surroundings.watch(&self.watchers, &self.stop);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
