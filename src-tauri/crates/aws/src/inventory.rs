//! The inventory: the managed nodes of one profile and region, read page by page.
//!
//! Systems Manager lists the nodes, 50 a page; EC2 lists names, tags and addresses beside it,
//! 1000 a page. Both run at once and nodes are told as soon as they are known: first bare, then
//! again when EC2 has added to them. Instances that Systems Manager does not know come last, as
//! [`PingStatus::Unmanaged`](crate::PingStatus). Without permission for EC2 the nodes stay bare and
//! a notice says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use aws_sdk_ec2::types::Filter;
use aws_sdk_ssm::types::InstanceInformationStringFilter;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::endpoints::Service;
use crate::error::CallError;
use crate::node::{InstanceFacts, ManagedNode, NodeId};
use crate::region::Region;

mod lookup;

/// The service's own limit.
const NODES_PER_PAGE: i32 = 50;
/// The service's own limit.
const INSTANCES_PER_PAGE: i32 = 1000;
/// Pages waiting to be taken; beyond them the reading pauses.
const PAGES_AHEAD: usize = 16;

/// What the reading of an inventory tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InventoryEvent {
    /// Nodes that are new or known better than before; one of the same id replaces the earlier.
    Nodes(Vec<ManagedNode>),
    /// EC2 would not say: names, tags and places are missing from here on.
    WithoutEc2(CallError),
}

/// An inventory being read. Dropping it stops the reading.
#[derive(Debug)]
pub struct Inventory {
    events: mpsc::Receiver<Result<InventoryEvent, CallError>>,
    _reading: JoinSet<()>,
}

impl Inventory {
    /// Answers the next event; none when everything has been told. Safe to drop: nothing is lost.
    ///
    /// # Errors
    ///
    /// [`CallError`] when Systems Manager cannot be read any further; it is the last event.
    pub async fn next(&mut self) -> Option<Result<InventoryEvent, CallError>> {
        self.events.recv().await
    }
}

impl Client {
    /// Reads every managed node of the region, and the instances that could be some.
    pub fn inventory(&self) -> Inventory {
        let (sender, events) = mpsc::channel(PAGES_AHEAD);
        let mut reading = JoinSet::new();
        let client = self.clone();
        reading.spawn(async move { read(&client, &sender).await });
        Inventory { events, _reading: reading }
    }

    /// Reads one page of nodes and the token of the next.
    async fn nodes_page(
        &self,
        filters: &[InstanceInformationStringFilter],
        token: Option<String>,
    ) -> Result<(Vec<ManagedNode>, Option<String>), CallError> {
        let call = self.call(Service::Ssm, "DescribeInstanceInformation").patient();
        let filters = (!filters.is_empty()).then(|| filters.to_vec());
        let output = call
            .run(|| {
                self.ssm()
                    .describe_instance_information()
                    .max_results(NODES_PER_PAGE)
                    .set_filters(filters.clone())
                    .set_next_token(token.clone())
                    .send()
            })
            .await?;
        let nodes = output
            .instance_information_list()
            .iter()
            .filter_map(|info| ManagedNode::from_information(info, self.region()));
        Ok((nodes.collect(), more(output.next_token())))
    }

    /// Reads one page of instances and the token of the next.
    async fn instances_page(
        &self,
        filter: Filter,
        token: Option<String>,
    ) -> Result<(Vec<(NodeId, InstanceFacts)>, Option<String>), CallError> {
        let call = self.call(Service::Ec2, "DescribeInstances").patient();
        let output = call
            .run(|| {
                self.ec2()
                    .describe_instances()
                    .filters(filter.clone())
                    .max_results(INSTANCES_PER_PAGE)
                    .set_next_token(token.clone())
                    .send()
            })
            .await?;
        let instances =
            output.reservations().iter().flat_map(|reservation| reservation.instances());
        Ok((instances.filter_map(InstanceFacts::of).collect(), more(output.next_token())))
    }
}

/// The services end a listing with no token or an empty one.
fn more(token: Option<&str>) -> Option<String> {
    token.filter(|token| !token.is_empty()).map(str::to_owned)
}

/// Instances that are gone for good are listed for an hour more; nobody can reach them.
fn living() -> Filter {
    Filter::builder()
        .name("instance-state-name")
        .values("pending")
        .values("running")
        .values("stopping")
        .values("stopped")
        .build()
}

type Events = mpsc::Sender<Result<InventoryEvent, CallError>>;

/// The one who asked is gone, or has been told the last there is to tell.
struct Stop;

/// Reads both listings at once. One task polls both, so what is told first is sent first.
async fn read(client: &Client, events: &Events) {
    let joined = Mutex::new(Joined::new(client.region().clone()));
    let both = async {
        tokio::try_join!(nodes(client, events, &joined), instances(client, events, &joined))
    };
    if both.await.is_err() {
        tracing::debug!("the reading of the inventory stopped early");
    }
}

async fn nodes(client: &Client, events: &Events, joined: &Mutex<Joined>) -> Result<(), Stop> {
    let mut token = None;
    loop {
        match client.nodes_page(&[], token).await {
            Ok((page, next)) => {
                let told = with(joined, |joined| joined.nodes_came(page, next.is_none()));
                tell(events, told).await?;
                match next {
                    Some(next) => token = Some(next),
                    None => return Ok(()),
                }
            }
            Err(error) => {
                // If nobody listens any more, there is nobody to tell either.
                let _ = events.send(Err(error)).await;
                return Err(Stop);
            }
        }
    }
}

async fn instances(client: &Client, events: &Events, joined: &Mutex<Joined>) -> Result<(), Stop> {
    let mut token = None;
    loop {
        match client.instances_page(living(), token).await {
            Ok((page, next)) => {
                let told = with(joined, |joined| joined.instances_came(page));
                tell(events, told).await?;
                match next {
                    Some(next) => token = Some(next),
                    None => return Ok(()),
                }
            }
            Err(error) => {
                tracing::info!(%error, "the inventory goes on without EC2");
                let told = events.send(Ok(InventoryEvent::WithoutEc2(error))).await;
                return told.map_err(|_| Stop);
            }
        }
    }
}

async fn tell(events: &Events, nodes: Vec<ManagedNode>) -> Result<(), Stop> {
    if nodes.is_empty() {
        return Ok(());
    }
    events.send(Ok(InventoryEvent::Nodes(nodes))).await.map_err(|_| Stop)
}

fn with<T>(joined: &Mutex<Joined>, change: impl FnOnce(&mut Joined) -> T) -> T {
    change(&mut joined.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Both listings as far as they have come.
#[derive(Debug)]
struct Joined {
    region: Region,
    /// Every node so far.
    managed: BTreeSet<NodeId>,
    /// EC2 nodes that still lack what EC2 knows.
    bare: BTreeMap<NodeId, ManagedNode>,
    /// Instances whose node has not come yet.
    waiting: BTreeMap<NodeId, InstanceFacts>,
    all_nodes_came: bool,
}

impl Joined {
    fn new(region: Region) -> Self {
        Self {
            region,
            managed: BTreeSet::new(),
            bare: BTreeMap::new(),
            waiting: BTreeMap::new(),
            all_nodes_came: false,
        }
    }

    /// Takes a page of nodes and tells what is known of them; with the last, also what is none.
    fn nodes_came(&mut self, page: Vec<ManagedNode>, last: bool) -> Vec<ManagedNode> {
        self.all_nodes_came |= last;
        let mut told = Vec::new();
        for mut node in page {
            self.managed.insert(node.id.clone());
            match self.waiting.remove(&node.id) {
                Some(facts) => node.join(&facts),
                None if node.id.is_hybrid() => {}
                None => drop(self.bare.insert(node.id.clone(), node.clone())),
            }
            told.push(node);
        }
        if last {
            let strangers = std::mem::take(&mut self.waiting).into_iter();
            told.extend(strangers.map(|(id, facts)| self.unmanaged(id, &facts)));
        }
        told
    }

    /// Takes a page of instances and tells the nodes now known better, and what is known to be
    /// none.
    fn instances_came(&mut self, page: Vec<(NodeId, InstanceFacts)>) -> Vec<ManagedNode> {
        let mut told = Vec::new();
        for (id, facts) in page {
            if let Some(mut node) = self.bare.remove(&id) {
                node.join(&facts);
                told.push(node);
            } else if self.managed.contains(&id) {
                // Listed twice: instances come and go between the pages.
            } else if self.all_nodes_came {
                told.push(self.unmanaged(id, &facts));
            } else {
                self.waiting.insert(id, facts);
            }
        }
        told
    }

    fn unmanaged(&self, id: NodeId, facts: &InstanceFacts) -> ManagedNode {
        ManagedNode::unmanaged(id, facts, self.region.clone())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{Instance, Tag};
    use aws_sdk_ssm::types::InstanceInformation;

    use super::*;
    use crate::node::PingStatus;

    fn node(id: &str) -> ManagedNode {
        let info = InstanceInformation::builder().instance_id(id).build();
        ManagedNode::from_information(&info, &Region::new("eu-west-1")).expect("a node")
    }

    fn instance(id: &str, name: &str) -> (NodeId, InstanceFacts) {
        let tag = Tag::builder().key("Name").value(name).build();
        let instance = Instance::builder().instance_id(id).tags(tag).build();
        InstanceFacts::of(&instance).expect("an instance")
    }

    fn labels(nodes: &[ManagedNode]) -> Vec<&str> {
        nodes.iter().map(ManagedNode::label).collect()
    }

    fn unmanaged(nodes: &[ManagedNode]) -> Vec<&str> {
        let strangers = nodes.iter().filter(|node| node.ping == PingStatus::Unmanaged);
        strangers.map(ManagedNode::label).collect()
    }

    fn joined() -> Joined {
        Joined::new(Region::new("eu-west-1"))
    }

    #[test]
    fn nodes_first_are_told_twice() {
        let mut joined = joined();
        let told = joined.nodes_came(vec![node("i-00000001"), node("mi-00000002")], true);
        assert_eq!(labels(&told), ["i-00000001", "mi-00000002"]);
        let told =
            joined.instances_came(vec![instance("i-00000001", "web"), instance("i-00000009", "x")]);
        assert_eq!((labels(&told), unmanaged(&told)), (vec!["web", "x"], vec!["x"]));
        // A page that overlaps the one before makes no stranger of a node.
        let told = joined.instances_came(vec![instance("i-00000001", "web")]);
        assert!(told.is_empty());
    }

    #[test]
    fn instances_first_are_told_once() {
        let mut joined = joined();
        let page = vec![instance("i-00000001", "web"), instance("i-00000009", "x")];
        assert!(joined.instances_came(page).is_empty());
        let told = joined.nodes_came(vec![node("i-00000001")], false);
        assert_eq!((labels(&told), unmanaged(&told)), (vec!["web"], vec![]));
        let told = joined.nodes_came(Vec::new(), true);
        assert_eq!((labels(&told), unmanaged(&told)), (vec!["x"], vec!["x"]));
    }
}
