//! The product behind the window, on the sandbox.

#![expect(clippy::wildcard_enum_match_arm, reason = "a story waits for one event among many")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app::view::{
    InputEncoding, InventoryState, NodePlatform, NodeView, PingState, ProfileId, ScopeView,
    TargetView, TerminalId, TerminalSize, TerminalState, TunnelBind, TunnelSpec, TunnelState,
    TunnelVia, TunnelView,
};
use app::{
    AppConfig, Browser, Desktop, DesktopOptions, Event, Events, SandboxAccount, SandboxOffer,
    SandboxStarter,
};
use emulator::scenario::MAIN_REGION;
use emulator::{Emulator, EmulatorConfig};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::sync::mpsc;

mod accounts;
mod diagnosis;
mod saved;
mod terminals;
mod tunnels;

/// The longest anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What comes of waiting for something that must happen.
async fn soon<F: Future>(wanted: F) -> F::Output {
    tokio::time::timeout(PATIENCE, wanted).await.expect("it takes too long")
}

/// An emulator that lives as long as the test, and a place for files.
struct World {
    emulator: Arc<Emulator>,
    folder: TempDir,
    /// How often the sandbox was started.
    starts: Arc<Mutex<u32>>,
}

struct Starter {
    variables: Vec<(String, String)>,
    starts: Arc<Mutex<u32>>,
}

impl SandboxStarter for Starter {
    fn start(&self) -> BoxFuture<'static, Result<Vec<(String, String)>, String>> {
        *self.starts.lock().expect("sound") += 1;
        let variables = self.variables.clone();
        async move { Ok(variables) }.boxed()
    }
}

struct NoBrowser;

impl Browser for NoBrowser {
    fn open(&self, _url: &str) {}
}

impl World {
    async fn start() -> Self {
        let emulator = Emulator::start(EmulatorConfig::default()).await.expect("a free port");
        let folder = TempDir::new().expect("a folder");
        Self { emulator: Arc::new(emulator), folder, starts: Arc::default() }
    }

    fn kept(&self) -> &Path {
        self.folder.path()
    }

    /// Opens the product as a person without AWS profiles does.
    fn open(&self) -> (Desktop, Events) {
        self.open_on(AppConfig::given([("HOME", "/nowhere")]))
    }

    fn open_on(&self, config: AppConfig) -> (Desktop, Events) {
        self.open_with(config, Arc::new(NoBrowser))
    }

    fn open_with(&self, config: AppConfig, browser: Arc<dyn Browser>) -> (Desktop, Events) {
        let files = self.emulator.write_profiles(&self.kept().join("sandbox")).expect("written");
        let path = |path: &Path| path.display().to_string();
        let variables = vec![
            ("AWS_CONFIG_FILE".to_owned(), path(&files.0)),
            ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), path(&files.1)),
        ];
        let account = |name: &str| SandboxAccount {
            profile: format!("sandbox-{name}"),
            account_id: self.emulator.scenario().account(name).expect("there").id.clone(),
            regions: vec![MAIN_REGION.to_owned(), "us-east-1".to_owned()],
        };
        let starter = Starter { variables, starts: Arc::clone(&self.starts) };
        Desktop::open(DesktopOptions {
            version: "1.2.3".to_owned(),
            config: config.kept_in(self.kept().join("own")),
            sandbox: Some(SandboxOffer {
                accounts: ["prod", "dev", "data"].map(account).into(),
                starter: Arc::new(starter),
            }),
            opens_in_sandbox: false,
            browser,
        })
    }

    /// A Linux node of the production account that is online.
    fn target(&self) -> TargetView {
        let scenario = self.emulator.scenario();
        let prod = &scenario.account("prod").expect("there").id;
        let nodes = scenario.nodes(prod, MAIN_REGION).iter();
        let is_fit = |node: &&Arc<emulator::scenario::Node>| {
            node.is_online() && node.platform.kind() == "Linux"
        };
        let node = nodes.filter(|node| node.agent.is_some()).find(is_fit).expect("one is online");
        TargetView {
            profile_id: prod_profile(),
            region: MAIN_REGION.to_owned(),
            node_id: node.id.clone(),
            node_name: "node".to_owned(),
        }
    }
}

fn prod_profile() -> ProfileId {
    ProfileId("sandbox:sandbox-prod".to_owned())
}

fn prod_scope() -> ScopeView {
    ScopeView { profile_id: Some(prod_profile()), region: Some(MAIN_REGION.to_owned()) }
}

/// Waits for an event that gives an answer.
async fn next<T>(events: &mut Events, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    soon(async {
        loop {
            let event = events.next().await.expect("an event");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    })
    .await
}

/// Reads a region to its end.
async fn read_region(events: &mut Events) -> Vec<NodeView> {
    let mut nodes = std::collections::BTreeMap::new();
    next(events, |event| {
        let Event::Inventory(view) = event else { return None };
        assert!(view.nodes.len() <= 500);
        nodes.extend(view.nodes.into_iter().map(|node| (node.id.clone(), node)));
        match view.state {
            InventoryState::Reading => None,
            InventoryState::Ready => Some(()),
            InventoryState::Failed { error } => panic!("{error:?}"),
        }
    })
    .await;
    nodes.into_values().collect()
}

async fn terminal_state(
    events: &mut Events,
    mut wanted: impl FnMut(&TerminalState) -> bool,
) -> TerminalState {
    next(events, |event| match event {
        Event::Terminal(view) if wanted(&view.state) => Some(view.state),
        _ => None,
    })
    .await
}

async fn tunnel_state(
    events: &mut Events,
    mut wanted: impl FnMut(&TunnelState) -> bool,
) -> TunnelView {
    next(events, |event| match event {
        Event::Tunnel(view) if wanted(&view.state) => Some(view),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn without_profiles_the_sandbox_opens_and_its_rows_arrive() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    let snapshot = desktop.snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.version, "1.2.3");
    let ids: Vec<_> = snapshot.profiles.profiles.iter().map(|p| p.id.0.as_str()).collect();
    let expected = ["sandbox:sandbox-prod", "sandbox:sandbox-dev", "sandbox:sandbox-data"];
    assert_eq!(ids, expected);
    assert_eq!(snapshot.workspace.scope, prod_scope());
    assert!(snapshot.settings.show_sandbox && snapshot.notices.is_empty());

    let known = desktop.scope_open(snapshot.workspace.scope).await.expect("opened");
    assert!(known[0].whole && known[0].nodes.is_empty());
    let nodes = read_region(&mut events).await;
    let prod = &world.emulator.scenario().account("prod").expect("there").id;
    let there = world.emulator.scenario().nodes(prod, MAIN_REGION);
    let managed = there.iter().filter(|node| node.agent.is_some()).count();
    let strangers = nodes.iter().filter(|node| node.ping == PingState::Unmanaged);
    let strangers: Vec<_> = strangers.map(|node| node.name.as_str()).collect();
    assert_eq!(strangers, ["prod-metrics-02"]);
    assert_eq!(nodes.len(), managed + strangers.len());
    assert!(nodes.iter().any(|node| node.ping == PingState::Online));
    assert!(nodes.iter().any(|node| node.platform == NodePlatform::Linux));
    assert!(nodes.iter().all(|node| node.arn.contains(prod.as_str())));
    let counted = next(&mut events, |event| match event {
        Event::Profiles(view) => view.profiles[0].regions[0].nodes,
        _ => None,
    });
    assert_eq!(usize::try_from(counted.await).expect("few"), managed);
    assert_eq!(*world.starts.lock().expect("sound"), 1);
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn nodes_are_remembered_and_shown_before_anybody_is_asked() {
    let world = World::start().await;
    let (desktop, mut events) = world.open();
    desktop.scope_open(prod_scope()).await.expect("opened");
    let nodes = read_region(&mut events).await;
    soon(desktop.quit()).await;

    let asked = world.emulator.counts().requests;
    let (desktop, mut events) = world.open();
    let snapshot = desktop.snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.inventories[0].nodes.len(), nodes.len());
    assert!(snapshot.inventories[0].read_ms.is_some());
    assert_eq!(world.emulator.counts().requests, asked);
    // What is as it was is not told again, but agents that are up have pinged meanwhile.
    desktop.scope_refresh(prod_scope()).await.expect("asked");
    let again = read_region(&mut events).await;
    assert!(again.iter().all(|node| node.ping == PingState::Online));
    assert!(again.len() < nodes.len());
    soon(desktop.quit()).await;
}

/// A terminal as the window holds one.
struct Screen {
    id: TerminalId,
    output: mpsc::Receiver<bytes::Bytes>,
    seen: String,
}

impl Screen {
    async fn open(desktop: &Desktop, target: TargetView) -> Self {
        let id = TerminalId("11111111-1111-4111-8111-111111111111".to_owned());
        let output = Self::attach(desktop, &id, target).await;
        Self { id, output, seen: String::new() }
    }

    async fn attach(
        desktop: &Desktop,
        id: &TerminalId,
        target: TargetView,
    ) -> mpsc::Receiver<bytes::Bytes> {
        let (sender, output) = mpsc::channel(4096);
        let sink = Box::new(move |bytes| sender.try_send(bytes).is_ok());
        let size = TerminalSize { cols: 80, rows: 24 };
        desktop.terminal_open(id.clone(), target, size, sink).await.expect("opened");
        output
    }

    async fn type_in(&self, desktop: &Desktop, text: &str) {
        let typed = desktop.terminal_write(self.id.clone(), text.to_owned(), InputEncoding::Utf8);
        soon(typed).await.expect("typed");
    }

    async fn wait_for(&mut self, desktop: &Desktop, wanted: &str) {
        soon(async {
            while !self.seen.contains(wanted) {
                let piece = self.output.recv().await.expect("output");
                self.seen.push_str(&String::from_utf8_lossy(&piece));
                let drawn = u32::try_from(piece.len()).expect("a piece");
                desktop.terminal_ack(self.id.clone(), drawn).await.expect("taken");
            }
        })
        .await;
    }
}

/// A tunnel to the storefront's page on the node itself.
fn tunnel_spec(target: &TargetView, remote_port: u16) -> TunnelSpec {
    let via = TunnelVia::Node { node_id: target.node_id.clone() };
    TunnelSpec {
        remote_host: Some("wiki.internal".to_owned()),
        ..TunnelSpec::new(
            "page",
            target.profile_id.clone(),
            target.region.as_str(),
            via,
            remote_port,
        )
    }
}
