//! The account side against a whole AWS: nodes, identities, the control plane, and what is said
//! when something is wrong.

use std::path::PathBuf;
use std::sync::Arc;

use app::{Account, App, AppConfig};
use emulator::scenario::{MAIN_REGION, Node};
use emulator::{Emulator, EmulatorConfig, Scenario};
use tempfile::TempDir;

mod control_plane;
mod failures;
mod inventory;
mod leftovers;
mod proxy;

/// An emulator and the product on it.
struct Sandbox {
    emulator: Emulator,
    folder: TempDir,
    config: PathBuf,
    app: App,
}

impl Sandbox {
    async fn start() -> Self {
        Self::of(Scenario::sandbox()).await
    }

    async fn of(scenario: Scenario) -> Self {
        let config = EmulatorConfig { scenario, ..EmulatorConfig::default() };
        let emulator = Emulator::start(config).await.expect("a free port");
        let folder = TempDir::new().expect("a folder");
        let (config, credentials) = emulator.write_profiles(folder.path()).expect("written");
        let app = App::open(AppConfig::given([
            ("AWS_CONFIG_FILE", config.display().to_string()),
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.display().to_string()),
        ]));
        Self { emulator, folder, config, app }
    }

    /// Opens a made-up profile in the company's main region.
    fn account(&self, profile: &str) -> Account {
        self.app.account(Some(profile), None).expect("a sandbox profile opens")
    }

    /// The nodes of the production account's main region that Systems Manager knows.
    fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        let prod = self.emulator.scenario().account("prod").expect("there is one").id.clone();
        let nodes = self.emulator.scenario().nodes(&prod, MAIN_REGION);
        nodes.iter().filter(|node| node.agent.is_some())
    }

    /// A node of the production account, online.
    fn online(&self) -> &Arc<Node> {
        self.nodes().find(|node| node.is_online()).expect("one is online")
    }

    /// How often an operation was asked for.
    fn asked(&self, operation: &str) -> u64 {
        self.emulator.counts().requests.get(operation).copied().unwrap_or_default()
    }
}
