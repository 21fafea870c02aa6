//! The sandbox accounts: the emulator in this process, started when one of them is first needed.
//! The only place in the shell that knows the emulator.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use app::{SandboxAccount, SandboxOffer, SandboxStarter};
use emulator::{Emulator, EmulatorConfig, Scenario};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// The sandbox, running or not. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sandbox {
    scenario: Arc<Scenario>,
    running: Arc<Mutex<Option<Running>>>,
}

/// What is served, and the folder of the profiles that lead there, which goes with it.
struct Running {
    emulator: Emulator,
    folder: TempDir,
}

impl Sandbox {
    /// The made-up company as it always is, or with `nodes` nodes in one region.
    pub(crate) fn new(nodes: Option<usize>) -> Self {
        let scenario = nodes.map_or_else(Scenario::sandbox, Scenario::with_nodes);
        Self { scenario: Arc::new(scenario), running: Arc::default() }
    }

    /// What there is to be had; nothing is started yet.
    pub(crate) fn offer(&self) -> SandboxOffer {
        SandboxOffer { accounts: accounts(&self.scenario), starter: Arc::new(self.clone()) }
    }

    /// Ends it, if it runs.
    pub(crate) async fn stop(&self) {
        if let Some(Running { emulator, folder }) = self.running.lock().await.take() {
            emulator.stop().await;
            if let Err(error) = folder.close() {
                tracing::warn!(%error, "the sandbox's profiles are left behind");
            }
        }
    }

    /// Serves it unless it is served, and answers the variables that lead there.
    async fn serve(&self) -> io::Result<Vec<(String, String)>> {
        let mut running = self.running.lock().await;
        let Running { emulator, folder } = match running.take() {
            Some(running) => running,
            None => {
                let scenario = Scenario::clone(&self.scenario);
                let config = EmulatorConfig { scenario, ..EmulatorConfig::default() };
                let folder = TempDir::with_prefix("adit-sandbox-")?;
                Running { emulator: Emulator::start(config).await?, folder }
            }
        };
        let written = emulator.write_profiles(folder.path());
        *running = Some(Running { emulator, folder });
        let (config, credentials) = written?;
        Ok(vec![
            ("AWS_CONFIG_FILE".to_owned(), config.display().to_string()),
            ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), credentials.display().to_string()),
        ])
    }
}

impl SandboxStarter for Sandbox {
    fn start(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<(String, String)>, String>> + Send + 'static>> {
        let sandbox = self.clone();
        Box::pin(async move { sandbox.serve().await.map_err(|error| error.to_string()) })
    }
}

/// The accounts with the regions that have nodes, those with most nodes first.
fn accounts(scenario: &Scenario) -> Vec<SandboxAccount> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for node in scenario.all_nodes() {
        *counts.entry((&node.account, &node.region)).or_default() += 1;
    }
    let accounts = scenario.accounts().iter().map(|account| {
        let mut regions: Vec<_> = counts
            .iter()
            .filter(|((of, _), _)| *of == account.id || *of == account.name)
            .map(|((_, region), count)| (*region, *count))
            .collect();
        regions.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        SandboxAccount {
            profile: format!("sandbox-{}", account.name),
            account_id: account.id.clone(),
            regions: regions.into_iter().map(|(region, _)| region.to_owned()).collect(),
        }
    });
    accounts.filter(|account| !account.regions.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_accounts_are_offered_with_their_regions() {
        let offer = Sandbox::new(None).offer();
        let names: Vec<_> = offer.accounts.iter().map(|account| account.profile.as_str()).collect();
        assert_eq!(names, ["sandbox-prod", "sandbox-dev", "sandbox-data"]);
        assert!(offer.accounts.iter().all(|account| !account.regions.is_empty()));
        assert_eq!(offer.accounts[0].regions[0], "eu-central-1");
    }

    #[tokio::test]
    async fn it_is_served_once_and_its_profiles_go_with_it() {
        let sandbox = Sandbox::new(None);
        let first = sandbox.start().await.expect("a free port");
        assert_eq!(sandbox.start().await.as_ref(), Ok(&first));
        let config = std::path::PathBuf::from(&first[0].1);
        let text = std::fs::read_to_string(&config).expect("the profiles");
        assert!(text.contains("[profile sandbox-prod]") && text.contains("http://127.0.0.1:"));
        sandbox.stop().await;
        assert!(!config.exists());
    }
}
