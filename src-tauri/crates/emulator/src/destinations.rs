//! What the nodes can reach: small services that really listen on this machine's loopback.
//!
//! A service is started the first time somebody asks for it, so two hundred nodes cost nothing
//! until they are used. Nothing here ever leads off this machine.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::scenario::{Node, Offer, Scenario};
use crate::sessions::{Address, Network};

mod cache;
mod echo;
mod lines;
mod page;
mod pattern;
#[cfg(test)]
mod testing;

/// Every destination of an emulator. Clones share them; the last one dropped ends them.
#[derive(Clone)]
pub(crate) struct Destinations {
    shared: Arc<Shared>,
}

struct Shared {
    scenario: Arc<Scenario>,
    /// Whether a node's own ports are this machine's when the scenario has nothing there.
    pass_through: bool,
    started: Mutex<HashMap<(String, u16), SocketAddr>>,
    mapped: Mutex<HashMap<Mapping, SocketAddr>>,
    /// Bound and not listening: a connection to it is refused, and nobody else can take it.
    refusing: TcpSocket,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Mapping {
    node: Option<String>,
    host: String,
    port: u16,
}

impl Destinations {
    pub(crate) fn new(scenario: Arc<Scenario>, pass_through: bool) -> io::Result<Self> {
        let refusing = TcpSocket::new_v4()?;
        refusing.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let stop = CancellationToken::new();
        Ok(Self {
            shared: Arc::new(Shared {
                scenario,
                pass_through,
                started: Mutex::default(),
                mapped: Mutex::default(),
                refusing,
                tasks: TaskTracker::new(),
                _stop_on_drop: stop.clone().drop_guard(),
                stop,
            }),
        })
    }

    /// Makes `host:port`, as one node (or any) sees it, lead to `to`.
    pub(crate) fn map(&self, node: Option<&str>, host: &str, port: u16, to: SocketAddr) {
        let mapping =
            Mapping { node: node.map(str::to_owned), host: host.to_ascii_lowercase(), port };
        lock(&self.shared.mapped).insert(mapping, to);
    }

    /// What `node` reaches.
    pub(crate) fn of_node(&self, node: &Arc<Node>) -> NodeNetwork {
        NodeNetwork { destinations: self.clone(), node: Arc::clone(node) }
    }

    fn mapped(&self, node: &Node, host: &str, port: u16) -> Option<SocketAddr> {
        let mapped = lock(&self.shared.mapped);
        [Some(node.id.clone()), None]
            .into_iter()
            .find_map(|node| mapped.get(&Mapping { node, host: host.to_owned(), port }).copied())
    }

    /// Where the offer of that name and port listens; starts it when it does not yet.
    async fn offer(&self, about: About, port: u16, offer: Offer) -> io::Result<SocketAddr> {
        let key = (about.id.clone(), port);
        if let Some(address) = lock(&self.shared.started).get(&key) {
            return Ok(*address);
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        match lock(&self.shared.started).entry(key) {
            // Somebody else was faster; this listener just closes again.
            std::collections::hash_map::Entry::Occupied(other) => return Ok(*other.get()),
            std::collections::hash_map::Entry::Vacant(free) => free.insert(address),
        };
        tracing::debug!(name = about.name, port, ?offer, %address, "destination started");
        let served = Served { about: Arc::new(about), tasks: self.shared.tasks.clone() };
        let stop = self.shared.stop.clone();
        self.shared.tasks.spawn(async move {
            stop.run_until_cancelled(served.accept(listener, offer, &stop)).await;
        });
        Ok(address)
    }

    fn refusing(&self) -> io::Result<SocketAddr> {
        self.shared.refusing.local_addr()
    }

    async fn resolve(&self, node: &Node, host: &str, port: u16) -> io::Result<Vec<Address>> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        let own = host == "localhost"
            || host == node.host_name.to_ascii_lowercase()
            || host == node.private_ip
            || literal.is_some_and(|ip| ip.is_loopback());
        let apparent = match literal {
            Some(ip) => ip,
            None if host == "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            None => self.look_up(node, &host).ok_or_else(|| no_such_host(&host))?,
        };
        let only = |dial| Ok(vec![Address { apparent, dial }]);
        if let Some(dial) = self.mapped(node, &host, port) {
            return only(dial);
        }
        let (about, offers) =
            if own { (Some(About::node(node)), node.offers) } else { self.elsewhere(node, &host) };
        if let (Some(about), Some((_, offer))) =
            (about, offers.iter().find(|(offered, _)| *offered == port))
        {
            return only(self.offer(about, port, *offer).await?);
        }
        if self.shared.pass_through && own {
            // As the node's own resolver would: both families, unless an address was given.
            let dials = match literal.filter(IpAddr::is_loopback) {
                Some(ip) => vec![ip],
                None => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            };
            return Ok(dials
                .into_iter()
                .map(|ip| Address { apparent, dial: SocketAddr::new(ip, port) })
                .collect());
        }
        only(self.refusing()?)
    }

    /// The address a name has inside the company's network.
    fn look_up(&self, node: &Node, host: &str) -> Option<IpAddr> {
        if let Some(remote) = self.shared.scenario.hosts().iter().find(|remote| remote.name == host)
        {
            return Some(remote.address.into());
        }
        if lock(&self.shared.mapped).keys().any(|mapping| mapping.host == host) {
            return Some(Ipv4Addr::new(10, 251, 0, 1).into());
        }
        self.neighbour(node, host)?.private_ip.parse().ok()
    }

    fn elsewhere(&self, node: &Node, host: &str) -> (Option<About>, &'static [(u16, Offer)]) {
        let remote = self
            .shared
            .scenario
            .hosts()
            .iter()
            .find(|remote| remote.name == host || remote.address.to_string() == host);
        if let Some(remote) = remote {
            return (Some(About::host(&remote.name)), remote.offers);
        }
        self.neighbour(node, host)
            .filter(|neighbour| neighbour.is_online())
            .map_or((None, &[]), |neighbour| (Some(About::node(neighbour)), neighbour.offers))
    }

    /// Another machine of the same account and region, by name or address.
    fn neighbour(&self, node: &Node, host: &str) -> Option<&Arc<Node>> {
        self.shared.scenario.nodes(&node.account, &node.region).iter().find(|other| {
            other.host_name.eq_ignore_ascii_case(host)
                || other.private_ip == host
                || other.name.eq_ignore_ascii_case(host)
        })
    }
}

fn no_such_host(host: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("lookup {host}: no such host"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The network as one node sees it.
pub(crate) struct NodeNetwork {
    destinations: Destinations,
    node: Arc<Node>,
}

impl Network for NodeNetwork {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<Address>>> {
        self.destinations.resolve(&self.node, host, port).boxed()
    }
}

/// Whose service it is.
#[derive(Clone, Debug)]
struct About {
    id: String,
    name: String,
    /// What a status page tells, in order.
    facts: Vec<(&'static str, String)>,
}

impl About {
    fn node(node: &Node) -> Self {
        let tag = |name: &str| node.tags.get(name).cloned().unwrap_or_default();
        let version = node.agent.as_ref().map_or("none", |agent| agent.version);
        Self {
            id: node.id.clone(),
            name: node.name.clone(),
            facts: vec![
                ("Node", node.id.clone()),
                ("Region", node.region.clone()),
                ("Account", node.account.clone()),
                ("Environment", tag("Env")),
                ("App", tag("App")),
                ("Team", tag("Team")),
                ("Platform", format!("{} {}", node.platform.name, node.platform.version)),
                ("Host name", node.host_name.clone()),
                ("Address", node.private_ip.clone()),
                ("Agent", version.to_owned()),
            ],
        }
    }

    fn host(name: &str) -> Self {
        Self { id: name.to_owned(), name: name.to_owned(), facts: vec![("Host", name.to_owned())] }
    }
}

/// One listener at work.
struct Served {
    about: Arc<About>,
    tasks: TaskTracker,
}

impl Served {
    async fn accept(&self, listener: TcpListener, offer: Offer, stop: &CancellationToken) {
        let store = cache::Store::default();
        let stock = lines::Stock::default();
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "destination cannot accept");
                    tokio::task::yield_now().await;
                    continue;
                }
            };
            // Small answers must not wait for more to say.
            drop(stream.set_nodelay(true));
            let about = Arc::clone(&self.about);
            let served = serve(stream, offer, about, store.clone(), stock.clone());
            let stop = stop.clone();
            self.tasks.spawn(async move {
                if let Some(Err(error)) = stop.run_until_cancelled(served).await {
                    tracing::debug!(%error, "destination's connection broke");
                }
            });
        }
    }
}

async fn serve(
    stream: TcpStream,
    offer: Offer,
    about: Arc<About>,
    store: cache::Store,
    stock: lines::Stock,
) -> io::Result<()> {
    match offer {
        Offer::Page => page::serve(stream, about).await,
        Offer::Echo => echo::serve(stream).await,
        Offer::Lines => lines::serve(stream, &about.name, &stock).await,
        Offer::Cache => cache::serve(stream, &about.name, &store).await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_node_reaches_its_own_services_and_those_of_the_company() {
        let (destinations, node) = one();
        let network = destinations.of_node(&node);
        for (host, port) in [
            ("localhost", 80),
            ("127.0.0.1", 80),
            (node.private_ip.as_str(), 8080),
            (node.host_name.as_str(), 80),
            ("orders-db.internal", 5432),
            ("ORDERS-DB.internal.", 5432),
            ("10.250.0.11", 5432),
            ("prod-bastion-01", 8080),
        ] {
            let found = network.resolve(host, port).await.unwrap();
            assert_eq!(found.len(), 1);
            assert!(found[0].dial.ip().is_loopback());
            TcpStream::connect(found[0].dial).await.unwrap_or_else(|e| panic!("{host} {e}"));
        }
        let found = network.resolve("orders-db.internal", 5432).await.unwrap();
        assert_eq!(found[0].apparent.to_string(), "10.250.0.11");
    }

    #[tokio::test]
    async fn what_nobody_offers_is_refused_and_unknown_names_are_unknown() {
        let (destinations, node) = one();
        let network = destinations.of_node(&node);
        for host in ["localhost", "orders-db.internal", "192.0.2.1", "169.254.169.254"] {
            let found = network.resolve(host, 9).await.unwrap();
            let error = TcpStream::connect(found[0].dial).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{host}");
        }
        let found = network.resolve("169.254.169.254", 80).await.unwrap();
        assert_eq!(found[0].apparent.to_string(), "169.254.169.254", "the deny list sees this");
        let error = network.resolve("nowhere.internal", 80).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_mapped_port_leads_where_it_was_told_for_one_node_or_for_all() {
        let (destinations, node) = one();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        destinations.map(Some(&node.id), "localhost", 2222, there);
        destinations.map(None, "new.internal", 1, there);
        let network = destinations.of_node(&node);
        assert_eq!(network.resolve("localhost", 2222).await.unwrap()[0].dial, there);
        assert_eq!(network.resolve("new.internal", 1).await.unwrap()[0].dial, there);
        let scenario = Scenario::sandbox();
        let other = scenario.node_named("prod-orders-01").unwrap();
        let other = destinations.of_node(other);
        assert_ne!(other.resolve("localhost", 2222).await.unwrap()[0].dial, there);
        assert_eq!(other.resolve("new.internal", 1).await.unwrap()[0].dial, there);
    }

    #[tokio::test]
    async fn pass_through_leads_to_this_machine_and_only_for_the_nodes_own_ports() {
        let scenario = Arc::new(Scenario::sandbox());
        let node = Arc::clone(scenario.node_named("prod-storefront-01").unwrap());
        let destinations = Destinations::new(scenario, true).unwrap();
        let network = destinations.of_node(&node);
        let dials = |found: Vec<Address>| -> Vec<String> {
            found.iter().map(|address| address.dial.to_string()).collect()
        };
        let found = network.resolve("localhost", 4567).await.unwrap();
        assert_eq!(dials(found), ["127.0.0.1:4567", "[::1]:4567"]);
        let found = network.resolve("127.0.0.3", 4567).await.unwrap();
        assert_eq!(dials(found), ["127.0.0.3:4567"]);
        let found = network.resolve("192.0.2.1", 4567).await.unwrap();
        assert!(TcpStream::connect(found[0].dial).await.is_err());
    }

    #[tokio::test]
    async fn the_echo_sends_back_what_it_gets_until_the_end() {
        let (destinations, node) = one();
        let found = destinations.of_node(&node).resolve("localhost", 7).await.unwrap();
        let mut stream = TcpStream::connect(found[0].dial).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"hello");
    }

    fn one() -> (Destinations, Arc<Node>) {
        let scenario = Arc::new(Scenario::sandbox());
        let node = Arc::clone(scenario.node_named("prod-storefront-01").unwrap());
        (Destinations::new(scenario, false).unwrap(), node)
    }
}
