//! What the made-up AWS contains: accounts, people, machines, documents, keys and services.
//!
//! A scenario is a value: built once, deterministic by its seed, never changed while it is played.
//! Times in it are ages counted from the moment the emulator starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::services::kms::KmsKey;
use crate::sessions::Document;

mod account;
mod company;
mod dice;
mod documents;
mod fleet;
mod node;

pub(crate) use account::matches;
pub use account::{Account, Decision, Policy, Role, User};
pub use node::{
    Activation, Agent, Home, Instance, InstanceState, Node, Offer, Ping, Platform, WayOut,
};

use dice::Dice;
use documents::Documents;

/// The seed of [`Scenario::sandbox`].
const SANDBOX_SEED: u64 = 0x00AD_1700;

/// The version a current agent has in this AWS; any other is told as outdated.
pub const LATEST_AGENT: &str = "3.3.3572.0";

/// The region most of the company is in.
pub const MAIN_REGION: &str = company::REGIONS[0];

/// A name that nodes can look up, and what answers there.
#[derive(Clone, Debug)]
pub struct RemoteHost {
    /// Such as `orders-db.internal`.
    pub name: String,
    /// The address the name has inside the company's network.
    pub address: std::net::Ipv4Addr,
    /// What listens, by port.
    pub offers: &'static [(u16, Offer)],
}

/// Everything an emulator plays.
#[derive(Clone, Debug)]
pub struct Scenario {
    accounts: Vec<Account>,
    /// By account and region; the nodes of one place are in the order of their ids.
    places: BTreeMap<(String, String), Vec<Arc<Node>>>,
    hosts: Vec<RemoteHost>,
    documents: Documents,
    keys: Vec<KmsKey>,
}

impl Scenario {
    /// The sandbox: Feldspar Coffee, three accounts, four regions, about 200 nodes.
    #[must_use]
    pub fn sandbox() -> Self {
        Self::seeded(SANDBOX_SEED)
    }

    /// The same company with other chances: ids, addresses, versions and who is offline.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::of_nodes(seed, fleet::sandbox(seed))
    }

    /// The same accounts with `count` nodes in the production account's first region, for tests
    /// of large inventories.
    #[must_use]
    pub fn with_nodes(count: usize) -> Self {
        Self::of_nodes(SANDBOX_SEED, fleet::uniform(SANDBOX_SEED, count))
    }

    /// The same with one document more, or another of that name, in every account and region.
    #[must_use]
    pub fn with_document(mut self, document: Document) -> Self {
        self.documents.add(document);
        self
    }

    fn of_nodes(seed: u64, nodes: Vec<Node>) -> Self {
        let mut places: BTreeMap<(String, String), Vec<Arc<Node>>> = BTreeMap::new();
        for node in nodes {
            let place = (node.account.clone(), node.region.clone());
            places.entry(place).or_default().push(Arc::new(node));
        }
        for nodes in places.values_mut() {
            nodes.sort_by(|a, b| a.id.cmp(&b.id));
        }
        let keys = company::keys(seed);
        Self {
            accounts: company::accounts(seed),
            places,
            hosts: company::hosts(),
            documents: Documents::new(&keys),
            keys,
        }
    }

    /// The accounts, production first.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The account of that id or that name.
    #[must_use]
    pub fn account(&self, id_or_name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id_or_name || account.name == id_or_name)
    }

    /// The nodes of one account and region, in the order of their ids.
    #[must_use]
    pub fn nodes(&self, account: &str, region: &str) -> &[Arc<Node>] {
        self.places.get(&(account.to_owned(), region.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Every node of every account.
    pub fn all_nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.places.values().flatten()
    }

    /// One node of one account and region.
    #[must_use]
    pub fn node(&self, account: &str, region: &str, id: &str) -> Option<&Arc<Node>> {
        let nodes = self.nodes(account, region);
        nodes.binary_search_by(|node| node.id.as_str().cmp(id)).ok().and_then(|at| nodes.get(at))
    }

    /// The first node of that name, the main account and region first; for tests and examples.
    #[must_use]
    pub fn node_named(&self, name: &str) -> Option<&Arc<Node>> {
        let places = self
            .accounts
            .iter()
            .flat_map(|account| company::REGIONS.iter().map(move |region| (account, region)));
        places
            .flat_map(|(account, region)| self.nodes(&account.id, region))
            .find(|node| node.name == name)
    }

    /// The names that nodes can look up.
    #[must_use]
    pub fn hosts(&self) -> &[RemoteHost] {
        &self.hosts
    }

    /// The document of that name as one account and region have it.
    #[must_use]
    pub fn document(&self, account: &str, region: &str, name: &str) -> Option<&Document> {
        self.documents.find(account, region, name)
    }

    /// The keys of every account.
    #[must_use]
    pub fn keys(&self) -> &[KmsKey] {
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sessions::Platform as Family;

    #[test]
    fn the_sandbox_is_a_believable_small_company() {
        let scenario = Scenario::sandbox();
        assert_eq!(scenario.accounts().len(), 3);
        let nodes: Vec<_> = scenario.all_nodes().collect();
        assert!((190..=220).contains(&nodes.len()), "{} nodes", nodes.len());
        let regions: BTreeSet<_> = nodes.iter().map(|node| &node.region).collect();
        assert_eq!(regions.len(), 4);

        let count = |what: &dyn Fn(&Node) -> bool| nodes.iter().filter(|node| what(node)).count();
        assert!(count(&|n| n.platform.family == Family::Windows && n.is_online()) >= 8);
        assert!(count(&|n| matches!(n.home, Home::Hybrid(_))) >= 8);
        assert!(count(&|n| n.agent.is_some() && !n.is_online()) >= 8);
        assert!(count(&|n| n.agent.is_none()) >= 2);
        let stopped = |n: &Node| n.instance().is_some_and(|i| i.state == InstanceState::Stopped);
        assert!(count(&stopped) >= 4);
        assert_eq!(count(&|n| stopped(n) && n.is_online()), 0);
        let versions: BTreeSet<_> =
            nodes.iter().filter_map(|n| n.agent.as_ref()).map(|agent| agent.version).collect();
        assert!(versions.len() >= 6, "{versions:?}");
        assert!(versions.contains("3.0.100.0"), "one without mux");
    }

    #[test]
    fn ids_and_addresses_are_unique_and_every_node_is_found_by_its_id() {
        let scenario = Scenario::sandbox();
        let ids: BTreeSet<_> = scenario.all_nodes().map(|node| &node.id).collect();
        assert_eq!(ids.len(), scenario.all_nodes().count());
        let addresses: BTreeSet<_> = scenario.all_nodes().map(|node| &node.private_ip).collect();
        assert_eq!(addresses.len(), ids.len());
        for node in scenario.all_nodes() {
            let found = scenario.node(&node.account, &node.region, &node.id).unwrap();
            assert!(Arc::ptr_eq(found, node));
            assert!(scenario.account(&node.account).is_some());
        }
    }

    #[test]
    fn a_seed_always_tells_the_same_story() {
        let told = |scenario: &Scenario| format!("{scenario:?}");
        assert_eq!(told(&Scenario::seeded(7)), told(&Scenario::seeded(7)));
        assert_ne!(told(&Scenario::seeded(7)), told(&Scenario::seeded(8)));
    }

    #[test]
    fn large_inventories_have_exactly_the_nodes_asked_for() {
        let scenario = Scenario::with_nodes(10_000);
        assert_eq!(scenario.all_nodes().count(), 10_000);
        let account = &scenario.accounts()[0].id;
        assert_eq!(scenario.nodes(account, company::REGIONS[0]).len(), 10_000);
    }
}
