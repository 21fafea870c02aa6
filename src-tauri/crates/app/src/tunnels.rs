//! Tunnels: what is wanted, and what there is of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use session::{Disturbance, TunnelHandle};
use tokio::sync::{Notify, watch};

use crate::bookmarks::SavedTunnel;
use crate::clock;
use crate::desktop::Program;
use crate::event::Event;
use crate::ground::Ground;
use crate::view::{
    AppError, ErrorCode, PortCheckView, Severity, TunnelBind, TunnelId, TunnelLogView, TunnelSpec,
    TunnelState, TunnelVia, TunnelView,
};

pub(crate) mod port;
mod run;
mod state;
mod traffic;

/// Lines of a log that are kept.
const MOST_LINES: usize = 500;
/// How long a program waits for its tunnel.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(30);

/// Every tunnel of a desktop. Clones speak for the same ones.
#[derive(Clone)]
pub(crate) struct Tunnels(Arc<Inner>);

struct Inner {
    ground: Ground,
    /// Somebody has connected to a tunnel.
    stirred: Notify,
    is_seen: AtomicBool,
    tunnels: Mutex<BTreeMap<TunnelId, Tunnel>>,
}

/// What is wanted of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    is_wanted: bool,
    spec: TunnelSpec,
}

/// One tunnel. Its task ends when it is forgotten.
struct Tunnel {
    wish: watch::Sender<Wish>,
    view: watch::Sender<TunnelView>,
    /// Wakes its task from waiting.
    retry: Arc<Notify>,
    handle: Option<TunnelHandle>,
    log: VecDeque<TunnelLogView>,
}

impl Tunnels {
    pub(crate) fn new(ground: Ground) -> Self {
        let tunnels = Self(Arc::new(Inner {
            ground,
            stirred: Notify::new(),
            is_seen: AtomicBool::new(false),
            tunnels: Mutex::default(),
        }));
        tunnels.0.ground.tasks.start(traffic::watch(tunnels.clone()));
        tunnels.0.ground.tasks.start(tunnels.clone().name_nodes());
        tunnels
    }

    fn tunnels(&self) -> MutexGuard<'_, BTreeMap<TunnelId, Tunnel>> {
        self.0.tunnels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what is saved: new ones are added (and, at launch, started if they start with
    /// the program), changed ones restart if they are up, those not named any more stop.
    pub(crate) fn take(&self, saved: &[SavedTunnel], is_launch: bool) {
        let gone: Vec<TunnelId> = {
            let tunnels = self.tunnels();
            let is_saved = |id: &TunnelId| saved.iter().any(|tunnel| tunnel.id == *id);
            tunnels.keys().filter(|id| !is_saved(id)).cloned().collect()
        };
        for id in &gone {
            self.forget(id);
        }
        for tunnel in saved {
            self.put(tunnel.clone(), is_launch && tunnel.spec.start_at_launch);
        }
    }

    /// Adds a tunnel or changes it.
    pub(crate) fn put(&self, saved: SavedTunnel, is_wanted: bool) {
        let SavedTunnel { id, spec } = saved;
        let mut tunnels = self.tunnels();
        if let Some(tunnel) = tunnels.get(&id) {
            let shown = spec.clone();
            let change = |wish: &mut Wish| {
                // Its name and group are nothing a session knows of.
                let is_same = state::leads_alike(&wish.spec, &spec);
                wish.spec = spec;
                !is_same
            };
            tunnel.wish.send_if_modified(change);
            self.show(tunnel, |view| {
                if view.spec.via != shown.via {
                    view.node_name = self.node_name(&shown);
                }
                view.spec = shown;
            });
            return;
        }
        let node_name = self.node_name(&spec);
        let view = TunnelView {
            id: id.clone(),
            spec: spec.clone(),
            wanted: is_wanted,
            state: TunnelState::Stopped,
            node_name,
            listening: Vec::new(),
            connections: 0,
        };
        self.0.ground.outbox.put(Event::Tunnel(view.clone()));
        let (wish, wishes) = watch::channel(Wish { is_wanted, spec });
        let retry = Arc::new(Notify::new());
        let tunnel = Tunnel {
            wish,
            view: watch::Sender::new(view),
            retry: Arc::clone(&retry),
            handle: None,
            log: VecDeque::new(),
        };
        tunnels.insert(id.clone(), tunnel);
        drop(tunnels);
        self.0.ground.tasks.start(run::Run::new(self.clone(), id, wishes, retry).run());
    }

    /// Says what a tunnel's node is called, as far as its inventory was ever read. Which one has
    /// a tag is known only once it is up.
    fn node_name(&self, spec: &TunnelSpec) -> Option<String> {
        let TunnelVia::Node { node_id } = &spec.via else { return None };
        let node = self.0.ground.inventories.node(&spec.profile_id, &spec.region, node_id);
        node.map(|node| node.name.clone())
    }

    /// Calls nodes by what they are called at the end of each reading.
    async fn name_nodes(self) {
        let mut readings = self.0.ground.inventories.readings();
        while readings.changed().await.is_ok() {
            for tunnel in self.tunnels().values() {
                let name = self.node_name(&tunnel.view.borrow().spec);
                if name.is_some() {
                    self.show(tunnel, |view| view.node_name = name);
                }
            }
        }
    }

    /// Stops a tunnel and forgets it.
    pub(crate) fn forget(&self, id: &TunnelId) {
        // Its task ends when nobody can wish any more.
        drop(self.tunnels().remove(id));
    }

    /// Switches a tunnel.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub(crate) fn switch(&self, id: &TunnelId, is_wanted: bool) -> Result<(), AppError> {
        let tunnels = self.tunnels();
        let tunnel = tunnels.get(id).ok_or_else(no_such)?;
        tunnel.wish.send_if_modified(|wish| {
            let is_new = wish.is_wanted != is_wanted;
            wish.is_wanted = is_wanted;
            is_new
        });
        self.show(tunnel, |view| view.wanted = is_wanted);
        Ok(())
    }

    /// Switches every tunnel off.
    pub(crate) fn stop_all(&self) {
        let ids: Vec<TunnelId> = self.tunnels().keys().cloned().collect();
        for id in ids {
            // One that is gone meanwhile is off.
            let _ = self.switch(&id, false);
        }
    }

    /// Does not wait for the next try.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub(crate) fn retry(&self, id: &TunnelId) -> Result<(), AppError> {
        let tunnels = self.tunnels();
        let tunnel = tunnels.get(id).ok_or_else(no_such)?;
        tunnel.retry.notify_one();
        if tunnel.handle.is_some() {
            self.0.ground.engine.disturb(Disturbance::NetworkChanged);
        }
        Ok(())
    }

    /// Waits until a tunnel listens and says what to open for it.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`], [`ErrorCode::Unreachable`] when it takes too long, or what the
    /// tunnel failed with.
    pub(crate) async fn program(&self, id: &TunnelId) -> Result<Program, AppError> {
        let mut view = self.tunnels().get(id).ok_or_else(no_such)?.view.subscribe();
        let is_settled = |view: &TunnelView| {
            matches!(
                view.state,
                TunnelState::Ready | TunnelState::Listening { .. } | TunnelState::Failed { .. }
            )
        };
        let settled = tokio::time::timeout(PROGRAM_PATIENCE, view.wait_for(is_settled)).await;
        match settled.as_ref().map(Result::as_deref) {
            Ok(Ok(view)) => state::program(view),
            Ok(Err(_)) => Err(no_such()),
            Err(_) => Err(AppError {
                code: ErrorCode::Unreachable,
                message: "The tunnel did not come up within 30 s.".to_owned(),
                detail: None,
            }),
        }
    }

    /// Answers the last lines of a tunnel's log.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`].
    pub(crate) fn log(&self, id: &TunnelId) -> Result<Vec<TunnelLogView>, AppError> {
        let tunnels = self.tunnels();
        let tunnel = tunnels.get(id).ok_or_else(no_such)?;
        Ok(tunnel.log.iter().cloned().collect())
    }

    /// Says whether a port can be listened on, for a tunnel that is being edited or a new one.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Invalid`] for an address that is none.
    pub(crate) fn check_port(
        &self,
        port: u16,
        bind: &TunnelBind,
        edited: Option<&TunnelId>,
    ) -> Result<PortCheckView, AppError> {
        let addresses = port::addresses(bind)?;
        let mut own = None;
        let mut others = Vec::new();
        for (id, tunnel) in &*self.tunnels() {
            let view = tunnel.view.borrow();
            if Some(id) == edited {
                own = Some(view.spec.local_port).filter(|_| !view.listening.is_empty());
            } else if view.spec.local_port != 0 {
                others.push((view.spec.local_port, view.spec.name.clone()));
            }
        }
        Ok(port::check(port, &addresses, own, &others))
    }

    /// Answers every tunnel.
    pub(crate) fn views(&self) -> Vec<TunnelView> {
        self.tunnels().values().map(|tunnel| tunnel.view.borrow().clone()).collect()
    }

    /// Says whether anybody looks: traffic is not told while nobody does.
    pub(crate) fn seen(&self, is_seen: bool) {
        self.0.is_seen.store(is_seen, Ordering::Relaxed);
        self.0.stirred.notify_one();
    }

    // For the tasks.

    /// Changes what is shown of a tunnel and tells it if it is any different.
    fn show(&self, tunnel: &Tunnel, change: impl FnOnce(&mut TunnelView)) {
        let mut told = None;
        tunnel.view.send_if_modified(|view| {
            let before = view.clone();
            change(view);
            let is_new = *view != before;
            told = is_new.then(|| view.clone());
            is_new
        });
        if let Some(view) = told {
            self.0.ground.outbox.put(Event::Tunnel(view));
        }
    }

    fn show_of(&self, id: &TunnelId, change: impl FnOnce(&mut TunnelView)) {
        if let Some(tunnel) = self.tunnels().get(id) {
            self.show(tunnel, change);
        }
    }

    fn set_handle(&self, id: &TunnelId, handle: Option<TunnelHandle>) {
        if let Some(tunnel) = self.tunnels().get_mut(id) {
            tunnel.handle = handle;
        }
    }

    fn note(&self, id: &TunnelId, severity: Severity, text: String) {
        let line = TunnelLogView { id: id.clone(), at_ms: clock::epoch_ms(), severity, text };
        let mut tunnels = self.tunnels();
        let Some(tunnel) = tunnels.get_mut(id) else { return };
        if tunnel.log.len() == MOST_LINES {
            tunnel.log.pop_front();
        }
        tunnel.log.push_back(line.clone());
        self.0.ground.outbox.put(Event::TunnelLog(line));
    }
}

pub(crate) fn no_such() -> AppError {
    let message = "There is no such tunnel.".to_owned();
    AppError { code: ErrorCode::NotFound, message, detail: None }
}
