//! One profile in one region, as the product uses it.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::{
    CallError, Client, ControlPlane, Identity, Inventory, InventoryEvent, ManagedNode, NodeId,
    PingStatus, Platform, Region, Regions,
};

use crate::error::Error;
use crate::filter::NodeFilter;

/// Names shown when a wish fits several nodes, or none exactly.
const MOST_SUGGESTIONS: usize = 8;

/// A profile in a region. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Account {
    client: Client,
    control: Arc<ControlPlane>,
}

impl Account {
    pub(crate) fn new(client: Client) -> Self {
        Self::labelled(client, None)
    }

    /// Takes sessions to be found again under `label`, or by region and profile.
    pub(crate) fn labelled(client: Client, label: Option<String>) -> Self {
        let control = ControlPlane::new(client.clone());
        let control = match label {
            Some(label) => control.labelled(label),
            None => control,
        };
        Self { control: Arc::new(control), client }
    }

    /// Shows the client, for calls that need no words of ours.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Shows when the credentials in hand end, if they do and any have been loaded.
    pub(crate) fn credentials_expiry(&self) -> Option<std::time::SystemTime> {
        self.client.credentials_expiry()
    }

    /// Shows the profile; none when the environment's own credentials are used.
    pub fn profile(&self) -> Option<&str> {
        self.client.profile()
    }

    /// Shows the region.
    pub fn region(&self) -> &Region {
        self.client.region()
    }

    /// Shows the calls an engine makes through this account.
    pub fn control(&self) -> Arc<dyn session::ControlPlane> {
        Arc::clone(&self.control) as Arc<dyn session::ControlPlane>
    }

    /// Asks AWS who this profile is.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub async fn identity(&self) -> Result<Identity, Error> {
        self.client.identity().await.map_err(|source| {
            let doing = format!("{} cannot be identified", self.words());
            Error::Call { doing, source: Box::new(source) }
        })
    }

    /// Lists the regions the account can use, guessed when it may not ask.
    pub async fn regions(&self) -> Regions {
        self.client.regions().await
    }

    /// Starts reading the nodes; they are told as they come.
    pub fn inventory(&self) -> Inventory {
        self.client.inventory()
    }

    /// Reads all nodes that fit a filter, by name. Instances that Systems Manager does not know are
    /// among them only for a filter that asks for `ping:`.
    ///
    /// # Errors
    ///
    /// [`Error::Filter`] or [`Error::Call`]. A refusal by EC2 alone is no error: names and tags
    /// are missing then.
    pub async fn fitting(&self, filter: &str) -> Result<Vec<ManagedNode>, Error> {
        let filter = NodeFilter::parse(filter)?;
        let mut nodes = self.all().await?;
        let is_wanted = |node: &ManagedNode| is_managed(node) || filter.asks_for_ping();
        nodes.retain(|node| filter.fits(node) && is_wanted(node));
        Ok(nodes)
    }

    /// Finds the one node a person means: by id, by exact name, by host name or address, or by a
    /// filter that fits one node. Of several, the one that is online.
    ///
    /// An id is taken at its word and nothing is asked: starting a session tells soon enough
    /// whether it is there.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchNode`], [`Error::Ambiguous`], [`Error::Filter`] or [`Error::Call`].
    pub async fn find(&self, wanted: &str) -> Result<ManagedNode, Error> {
        let wanted = wanted.trim();
        if let Ok(id) = wanted.parse::<NodeId>() {
            return Ok(ManagedNode::bare(id, self.region().clone()));
        }
        let filter = NodeFilter::parse(wanted)?;
        if !wanted.contains(':') && !wanted.is_empty() {
            let named = self.client.nodes_named(wanted).await;
            let named = named.map_err(|source| self.unreadable(source))?;
            if !named.is_empty() {
                return choose(wanted, named);
            }
        }
        let mut nodes = self.all().await?;
        nodes.retain(is_managed);
        let exact: Vec<_> = nodes.iter().filter(|node| is_called(node, wanted)).cloned().collect();
        let fitting = match exact.is_empty() && !filter.is_empty() {
            true => nodes.iter().filter(|node| filter.fits(node)).cloned().collect(),
            false => exact,
        };
        if fitting.is_empty() {
            let region = self.region().clone();
            let near = near(wanted, &nodes);
            return Err(Error::NoSuchNode { wanted: wanted.to_owned(), region, near });
        }
        choose(wanted, fitting)
    }

    /// Says whether a node runs Windows. One that was given by its id alone is looked up; what
    /// cannot be found out counts as no.
    pub async fn is_windows(&self, node: &ManagedNode) -> bool {
        if node.platform != Platform::Unknown {
            return node.platform == Platform::Windows;
        }
        let known = self.client.node(&node.id).await.ok().flatten();
        known.is_some_and(|known| known.platform == Platform::Windows)
    }

    async fn all(&self) -> Result<Vec<ManagedNode>, Error> {
        let mut inventory = self.inventory();
        let mut nodes = BTreeMap::new();
        while let Some(event) = inventory.next().await {
            match event {
                Ok(InventoryEvent::Nodes(page)) => {
                    nodes.extend(page.into_iter().map(|node| (node.id.clone(), node)));
                }
                Ok(InventoryEvent::WithoutEc2(error)) => {
                    tracing::warn!(%error, "names, tags and places of nodes are not known");
                }
                Err(error) => return Err(self.unreadable(error)),
            }
        }
        let mut nodes: Vec<_> = nodes.into_values().collect();
        nodes.sort_by_cached_key(|node| (node.label().to_lowercase(), node.id.clone()));
        Ok(nodes)
    }

    pub(crate) fn unreadable(&self, source: CallError) -> Error {
        let doing = format!("the nodes of {} cannot be read", self.words());
        Error::Call { doing, source: Box::new(source) }
    }

    fn words(&self) -> String {
        match self.profile() {
            Some(profile) => format!("{profile} in {}", self.region()),
            None => self.region().to_string(),
        }
    }
}

/// Says whether a node goes by exactly this name or address.
fn is_called(node: &ManagedNode, wanted: &str) -> bool {
    let same = |name: &Option<String>| {
        name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(wanted))
    };
    let addresses = node.private_ip.iter().chain(&node.public_ip);
    same(&node.name)
        || same(&node.computer_name)
        || addresses.into_iter().any(|address| address.to_string() == wanted)
}

fn choose(wanted: &str, mut nodes: Vec<ManagedNode>) -> Result<ManagedNode, Error> {
    if nodes.len() > 1 && nodes.iter().filter(|node| is_online(node)).count() == 1 {
        nodes.retain(is_online);
    }
    match nodes.as_slice() {
        [node] => Ok(node.clone()),
        several => {
            let shown = several.iter().take(MOST_SUGGESTIONS);
            Err(Error::Ambiguous {
                wanted: wanted.to_owned(),
                count: several.len(),
                nodes: shown.map(described).collect(),
            })
        }
    }
}

fn is_managed(node: &ManagedNode) -> bool {
    node.ping != PingStatus::Unmanaged
}

fn is_online(node: &ManagedNode) -> bool {
    node.ping == PingStatus::Online
}

fn described(node: &ManagedNode) -> String {
    format!("{} ({}, {})", node.label(), node.id, node.ping.words())
}

/// Names that a person may have meant: those that begin alike.
fn near(wanted: &str, nodes: &[ManagedNode]) -> Vec<String> {
    let start: String = wanted.chars().take(3).collect::<String>().to_lowercase();
    if start.is_empty() {
        return Vec::new();
    }
    let alike = nodes.iter().filter(|node| node.label().to_lowercase().starts_with(&start));
    alike.take(MOST_SUGGESTIONS).map(|node| node.label().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(digit: u8, name: &str, ping: PingStatus) -> ManagedNode {
        let id = format!("i-0000000{digit}").parse().expect("an id");
        let mut node = ManagedNode::bare(id, Region::new("eu-west-1"));
        node.name = Some(name.to_owned());
        node.ping = ping;
        node
    }

    #[test]
    fn of_several_the_one_online_is_meant() {
        let nodes =
            vec![node(1, "web", PingStatus::ConnectionLost), node(2, "web", PingStatus::Online)];
        assert_eq!(choose("web", nodes).expect("one").id.as_str(), "i-00000002");
    }

    #[test]
    fn several_online_are_named() {
        let nodes = vec![node(1, "web", PingStatus::Online), node(2, "web", PingStatus::Online)];
        let error = choose("web", nodes).expect_err("two");
        assert_eq!(error.to_string(), "web fits 2 nodes");
        assert!(error.advice().contains("i-00000001") && error.advice().contains("i-00000002"));
    }

    #[test]
    fn names_that_begin_alike_are_offered() {
        let nodes = vec![node(1, "web-1", PingStatus::Online), node(2, "db-1", PingStatus::Online)];
        assert_eq!(near("web-9", &nodes), ["web-1"]);
        assert!(near("", &nodes).is_empty());
    }

    #[test]
    fn a_node_is_called_by_name_host_name_or_address_in_any_case() {
        let mut web = node(1, "Web-1", PingStatus::Online);
        web.computer_name = Some("ip-10-0-0-1".to_owned());
        web.private_ip = "10.0.0.1".parse().ok();
        for name in ["web-1", "IP-10-0-0-1", "10.0.0.1"] {
            assert!(is_called(&web, name), "{name}");
        }
        assert!(!is_called(&web, "web"));
    }
}
