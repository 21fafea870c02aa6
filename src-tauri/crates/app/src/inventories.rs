//! The nodes of every region looked at: what is known of them, and the readings that keep it so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws::{InventoryEvent, ManagedNode, Region};
use futures_util::FutureExt as _;
use tokio::sync::{Semaphore, watch};

use crate::account::Account;
use crate::accounts::{Accounts, no_such};
use crate::clock;
use crate::error::{Error, Subject};
use crate::event::{Event, Outbox};
use crate::kept::{Memory, RememberedRegion};
use crate::tasks::Tasks;
use crate::view::{
    AppError, InventoryState, InventoryView, NodeView, PingState, ProfileId, ScopeView, TargetView,
};

mod node;

/// Nodes in one event.
const BATCH: usize = 500;
/// Regions read at once; each is several calls at a time.
const READ_AT_ONCE: usize = 4;
/// What was read within this is fresh enough to be shown as it is.
const FRESH: Duration = Duration::from_secs(60);
/// How often the scope in view is read again.
const REFRESH: Duration = Duration::from_secs(5 * 60);
/// How long the first nodes may wait until the account's number is known, which is part of their
/// names.
const IDENTITY_PATIENCE: Duration = Duration::from_secs(2);

type Place = (ProfileId, String);

/// What is known of the nodes. Clones speak for the same.
#[derive(Clone)]
pub(crate) struct Inventories(Arc<Inner>);

struct Inner {
    accounts: Accounts,
    memory: Memory,
    outbox: Outbox,
    tasks: Tasks,
    turns: Semaphore,
    /// Changes whenever a region has been read to its end.
    readings: watch::Sender<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    scope: Option<ScopeView>,
    is_seen: bool,
    regions: BTreeMap<Place, Known>,
}

/// What is known of one region.
struct Known {
    state: InventoryState,
    nodes: BTreeMap<String, Arc<NodeView>>,
    read_ms: Option<u64>,
    is_reading: bool,
}

impl Known {
    fn remembered(found: Option<RememberedRegion>) -> Self {
        let read_ms = found.as_ref().map(|found| found.read_ms);
        let nodes = found.map(|found| found.nodes).unwrap_or_default();
        let nodes = nodes.into_iter().map(|node| (node.id.clone(), Arc::new(node))).collect();
        Self { state: InventoryState::Ready, nodes, read_ms, is_reading: false }
    }

    /// Counts the nodes that Systems Manager knows.
    fn managed(&self) -> usize {
        self.nodes.values().filter(|node| node.ping != PingState::Unmanaged).count()
    }

    fn is_fresh(&self) -> bool {
        let age = |read: u64| clock::epoch_ms().saturating_sub(read);
        matches!(self.state, InventoryState::Ready)
            && self.read_ms.is_some_and(|read| age(read) < clock::length_ms(FRESH))
    }
}

impl Inventories {
    pub(crate) fn new(accounts: Accounts, memory: Memory, outbox: Outbox, tasks: Tasks) -> Self {
        let inventories = Self(Arc::new(Inner {
            accounts,
            memory,
            outbox,
            tasks,
            turns: Semaphore::new(READ_AT_ONCE),
            readings: watch::Sender::new(()),
            state: Mutex::default(),
        }));
        inventories.0.tasks.start(inventories.clone().refresh_now_and_then());
        inventories.0.tasks.start(inventories.clone().read_after_sign_in());
        inventories
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers what is known of a scope, whole; what was never read in this run is remembered
    /// from the last.
    pub(crate) fn known(&self, scope: &ScopeView) -> Vec<InventoryView> {
        let places = self.0.accounts.regions_of(scope);
        places.into_iter().map(|place| self.whole(place)).collect()
    }

    fn whole(&self, place: Place) -> InventoryView {
        self.recall(&place);
        let state = self.state();
        let known = state.regions.get(&place);
        let (profile_id, region) = place;
        InventoryView {
            profile_id,
            region,
            state: match known {
                Some(known) if known.is_reading || known.read_ms.is_none() => {
                    InventoryState::Reading
                }
                Some(known) => known.state.clone(),
                None => InventoryState::Reading,
            },
            read_ms: known.and_then(|known| known.read_ms),
            whole: true,
            nodes: known
                .map(|known| known.nodes.values().map(|node| NodeView::clone(node)).collect())
                .unwrap_or_default(),
            gone: Vec::new(),
        }
    }

    /// Remembers a region from the last run, once.
    fn recall(&self, place: &Place) {
        if self.state().regions.contains_key(place) {
            return;
        }
        let found = Known::remembered(self.0.memory.region(&place.0, &place.1));
        let (count, is_known) = (found.managed(), found.read_ms.is_some());
        self.state().regions.entry(place.clone()).or_insert(found);
        if is_known {
            self.0.accounts.note_count(&place.0, &place.1, count);
        }
    }

    /// Looks at a scope: answers what is known and reads what is old.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorCode::NotFound`].
    pub(crate) fn open(&self, scope: &ScopeView) -> Result<Vec<InventoryView>, AppError> {
        self.check(scope)?;
        self.state().scope = Some(scope.clone());
        for place in self.0.accounts.regions_of(scope) {
            self.recall(&place);
            if !self.state().regions.get(&place).is_some_and(Known::is_fresh) {
                self.read(place);
            }
        }
        Ok(self.known(scope))
    }

    /// Reads a scope now.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorCode::NotFound`].
    pub(crate) fn refresh(&self, scope: &ScopeView) -> Result<(), AppError> {
        self.check(scope)?;
        for place in self.0.accounts.regions_of(scope) {
            self.read(place);
        }
        Ok(())
    }

    fn check(&self, scope: &ScopeView) -> Result<(), AppError> {
        match &scope.profile_id {
            Some(id) if !self.0.accounts.has(id) => Err(no_such(id)),
            Some(_) | None => Ok(()),
        }
    }

    /// Says whether anybody looks. What has become old meanwhile is read when somebody does.
    pub(crate) fn seen(&self, is_seen: bool) {
        let scope = {
            let mut state = self.state();
            let is_back = is_seen && !std::mem::replace(&mut state.is_seen, is_seen);
            state.scope.clone().filter(|_| is_back)
        };
        if let Some(scope) = scope {
            // It was open before, so it can be opened; if its account is gone there is nothing
            // to do.
            let _ = self.open(&scope);
        }
    }

    async fn refresh_now_and_then(self) {
        loop {
            tokio::time::sleep(REFRESH).await;
            if let Some(scope) = self.scope_in_view() {
                let _ = self.open(&scope);
            }
        }
    }

    fn scope_in_view(&self) -> Option<ScopeView> {
        let state = self.state();
        state.scope.clone().filter(|_| state.is_seen)
    }

    async fn read_after_sign_in(self) {
        let mut ready = self.0.accounts.ready();
        while let Ok(profile) = ready.recv().await {
            let scope = self.state().scope.clone();
            let places = scope.map(|scope| self.0.accounts.regions_of(&scope)).unwrap_or_default();
            for place in places.into_iter().filter(|(id, _)| *id == profile) {
                self.read(place);
            }
        }
    }

    /// Hears whenever a region has been read to its end.
    pub(crate) fn readings(&self) -> watch::Receiver<()> {
        self.0.readings.subscribe()
    }

    /// Answers a node as it is known, now or from an earlier run, without asking AWS.
    pub(crate) fn node(
        &self,
        profile: &ProfileId,
        region: &str,
        id: &str,
    ) -> Option<Arc<NodeView>> {
        let place = (profile.clone(), region.to_owned());
        self.recall(&place);
        self.state().regions.get(&place)?.nodes.get(id).cloned()
    }

    /// Answers what is known of a target, for words about it.
    pub(crate) fn subject(&self, target: &TargetView) -> Subject {
        let node = self.node(&target.profile_id, &target.region, &target.node_id);
        let named = node.as_ref().map_or(target.node_name.as_str(), |node| node.name.as_str());
        let name = if named.is_empty() { target.node_id.as_str() } else { named };
        Subject::new(&target.node_id, name, node.as_ref().and_then(|node| node.last_ping_ms))
    }

    // Reading.

    fn read(&self, place: Place) {
        {
            let mut state = self.state();
            let known =
                state.regions.entry(place.clone()).or_insert_with(|| Known::remembered(None));
            if std::mem::replace(&mut known.is_reading, true) {
                return;
            }
        }
        let this = self.clone();
        self.0.tasks.start(async move {
            let Ok(_turn) = this.0.turns.acquire().await else { return };
            this.tell(&place, InventoryState::Reading, Vec::new(), Vec::new());
            match this.read_through(&place).await {
                Ok(seen) => this.complete(&place, &seen),
                Err(error) => this.fail(&place, error),
            }
        });
    }

    /// Reads a region, telling what is new as it comes. Answers the ids of all nodes there are.
    async fn read_through(&self, place: &Place) -> Result<BTreeSet<String>, AppError> {
        let (profile, region) = place;
        let account = self.0.accounts.open(profile, region).await?;
        let mut inventory = account.inventory();
        let identity = self.0.accounts.identify(profile, &account);
        let identity = tokio::time::timeout(IDENTITY_PATIENCE, identity);
        let (mut event, account_id) = tokio::join!(inventory.next(), identity);
        let account_id = account_id.ok().flatten();
        let mut seen = BTreeSet::new();
        while let Some(first) = event {
            let mut nodes = Self::nodes_of(first, &account)?;
            // What has come meanwhile goes into the same batch.
            while nodes.len() < BATCH
                && let Some(Some(more)) = inventory.next().now_or_never()
            {
                nodes.extend(Self::nodes_of(more, &account)?);
            }
            seen.extend(nodes.iter().map(|node| node.id.as_str().to_owned()));
            self.0.accounts.note_answered(profile, &account);
            self.take(place, account_id.as_deref(), nodes).await;
            event = inventory.next().await;
        }
        Ok(seen)
    }

    fn nodes_of(
        event: Result<InventoryEvent, aws::CallError>,
        account: &Account,
    ) -> Result<Vec<ManagedNode>, AppError> {
        match event {
            Ok(InventoryEvent::Nodes(nodes)) => Ok(nodes),
            Ok(InventoryEvent::WithoutEc2(error)) => {
                tracing::info!(%error, "names, tags and places of nodes are not known");
                Ok(Vec::new())
            }
            Err(error) => Err(Error::view(&account.unreadable(error))),
        }
    }

    /// Takes nodes in and tells those that are new or changed, in batches the UI can take.
    async fn take(&self, place: &Place, account_id: Option<&str>, nodes: Vec<ManagedNode>) {
        let region = Region::new(&place.1);
        let mut changed = Vec::new();
        for node in nodes {
            changed.extend(self.change(place, &region, account_id, node));
            if changed.len() == BATCH {
                let batch = std::mem::take(&mut changed);
                self.0.outbox.room().await;
                self.tell(place, InventoryState::Reading, batch, Vec::new());
            }
        }
        if !changed.is_empty() {
            self.0.outbox.room().await;
            self.tell(place, InventoryState::Reading, changed, Vec::new());
        }
    }

    /// Takes a node in; answers it if it is new or changed.
    fn change(
        &self,
        place: &Place,
        region: &Region,
        account_id: Option<&str>,
        node: ManagedNode,
    ) -> Option<NodeView> {
        let mut state = self.state();
        let known = state.regions.get_mut(place)?;
        let before = known.nodes.get(node.id.as_str());
        let view = node::view(node, region, account_id, before.map(Arc::as_ref));
        if before.is_some_and(|before| **before == view) {
            return None;
        }
        known.nodes.insert(view.id.clone(), Arc::new(view.clone()));
        Some(view)
    }

    fn complete(&self, place: &Place, seen: &BTreeSet<String>) {
        let mut state = self.state();
        let Some(known) = state.regions.get_mut(place) else { return };
        let is_gone = |id: &&String| !seen.contains(*id);
        let gone: Vec<String> = known.nodes.keys().filter(is_gone).cloned().collect();
        known.nodes.retain(|id, _| seen.contains(id));
        known.is_reading = false;
        known.state = InventoryState::Ready;
        let read_ms = clock::epoch_ms();
        known.read_ms = Some(read_ms);
        let count = known.managed();
        let nodes: Vec<Arc<NodeView>> = known.nodes.values().cloned().collect();
        drop(state);
        self.tell(place, InventoryState::Ready, Vec::new(), gone);
        self.0.accounts.note_count(&place.0, &place.1, count);
        self.0.readings.send_replace(());
        let (memory, place) = (self.0.memory.clone(), place.clone());
        let tasks = self.0.tasks.clone();
        self.0.tasks.start(async move {
            let keep = move || {
                let nodes = nodes.iter().map(|node| NodeView::clone(node)).collect();
                memory.keep_region(&RememberedRegion::new(place.0, place.1, read_ms, nodes));
            };
            // Nothing depends on it being remembered.
            let _ = tasks.off(keep).await;
        });
    }

    fn fail(&self, place: &Place, error: AppError) {
        tracing::warn!(profile = %place.0.0, region = place.1, message = %error.message, "nodes cannot be read");
        self.0.accounts.note_failed(&place.0, &error);
        let state = InventoryState::Failed { error };
        if let Some(known) = self.state().regions.get_mut(place) {
            known.is_reading = false;
            known.state = state.clone();
        }
        self.tell(place, state, Vec::new(), Vec::new());
    }

    fn tell(&self, place: &Place, state: InventoryState, nodes: Vec<NodeView>, gone: Vec<String>) {
        let read_ms = self.state().regions.get(place).and_then(|known| known.read_ms);
        let (profile_id, region) = place.clone();
        let whole = false;
        let view = InventoryView { profile_id, region, state, read_ms, whole, nodes, gone };
        self.0.outbox.put(Event::Inventory(view));
    }
}
