//! What a node can reach.

use std::io;
use std::net::{IpAddr, SocketAddr};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

/// One place a node may connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address the node believes in; the agent's deny list looks at this one.
    pub apparent: IpAddr,
    /// Where the connection really goes. Never leaves the machine the emulator runs on, unless
    /// the one who started it says so.
    pub dial: SocketAddr,
}

/// The name service and routes of a node.
pub trait Network: Send + Sync {
    /// Looks up `host`, as the node would, for a connection to `port`.
    ///
    /// # Errors
    ///
    /// The lookup's failure, such as an unknown name.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<Address>>>;
}

/// This machine's own resolver, loopback addresses only.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalNetwork;

impl Network for LocalNetwork {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<Address>>> {
        async move {
            let found = tokio::net::lookup_host((host, port)).await?;
            Ok(found
                .filter(|address| address.ip().is_loopback())
                .map(|dial| Address { apparent: dial.ip(), dial })
                .collect())
        }
        .boxed()
    }
}
