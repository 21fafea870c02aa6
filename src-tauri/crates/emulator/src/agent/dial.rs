//! Port sessions: which destination, and how it is reached.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde_json::Value;
use tokio::net::TcpStream;

use super::{TaskResult, Work, basic, mux};
use crate::faults::{Dial, Faults};
use crate::sessions::{Address, Network};
use protocol::compare_agent_rule;

/// The type of port sessions that may be muxed; others are of the SSH form.
const LOCAL_PORT_FORWARDING: &str = "LocalPortForwarding";
/// The first client that can mux.
const FIRST_MUX_CLIENT: &str = "1.1.70";
/// What no agent forwards to: the instance's own services.
const DENIED: [&str; 9] = [
    "169.254.169.254",
    "fd00:ec2::254",
    "169.254.169.253",
    "fd00:ec2::253",
    "169.254.169.123",
    "fd00:ec2::123",
    "169.254.169.250",
    "169.254.169.251",
    "fd00:ec2::240",
];

/// Runs a port session until it ends.
pub(super) async fn run(work: Work) -> TaskResult {
    let dialer = match Dialer::new(&work).await {
        Ok(dialer) => dialer,
        Err(error) => return TaskResult::failed(error),
    };
    let forwarding = property(&work, "type").as_deref() == Some(LOCAL_PORT_FORWARDING);
    let client_muxes = compare_agent_rule(&work.client_version, FIRST_MUX_CLIENT).is_ge();
    if forwarding && client_muxes && work.capabilities.mux {
        mux::run(work, dialer).await
    } else {
        basic::run(work, dialer, forwarding).await
    }
}

fn property(work: &Work, name: &str) -> Option<String> {
    work.document.properties.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// Connects to the one destination of a session.
pub(super) struct Dialer {
    network: Arc<dyn Network>,
    faults: Faults,
    session: String,
    /// Empty for the node itself.
    host: String,
    port: String,
    /// The addresses found at the start of the session, by agents that look only once.
    resolved: Option<Vec<Address>>,
}

impl Dialer {
    /// Looks up the destination and checks it against what is forbidden. A name that is not
    /// found is no error yet: every connection fails then.
    async fn new(work: &Work) -> Result<Self, String> {
        let port = property(work, "portNumber").unwrap_or_default();
        if port.is_empty() {
            let properties = &work.document.properties;
            return Err(format!("Port number is empty in session properties. {properties}"));
        }
        let host = property(work, "host").filter(|_| work.capabilities.remote_host);
        let mut dialer = Self {
            network: Arc::clone(&work.network),
            faults: work.faults.clone(),
            session: work.session_id.clone(),
            host: host.unwrap_or_default(),
            port,
            resolved: None,
        };
        if !dialer.host.is_empty() {
            let found = dialer.look_up(&dialer.host).await.unwrap_or_default();
            if found.iter().any(|address| is_denied(address.apparent)) {
                return Err(format!("Forwarding to IP address {} is forbidden.", dialer.host));
            }
            dialer.resolved = work.capabilities.resolves_once.then_some(found);
        }
        Ok(dialer)
    }

    /// Connects, trying the addresses in order; the first failure is the one told.
    pub(super) async fn dial(&self) -> io::Result<TcpStream> {
        let fault = self.faults.agent_rules(&self.session).dial;
        if fault == Dial::BlackHole {
            std::future::pending::<()>().await;
        }
        let addresses = match &self.resolved {
            Some(addresses) => addresses.clone(),
            None if self.host.is_empty() => self.look_up("localhost").await?,
            None => self.look_up(&self.host).await?,
        };
        let mut first_error = None;
        for address in addresses {
            let connected = match fault {
                Dial::Refuse => Err(io::ErrorKind::ConnectionRefused.into()),
                Dial::Real | Dial::BlackHole => TcpStream::connect(address.dial).await,
            };
            match connected {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => {
                    let apparent = SocketAddr::new(address.apparent, self.number());
                    let text = format!("dial tcp {apparent}: connect: {}", reason(&error));
                    first_error.get_or_insert(io::Error::new(error.kind(), text));
                }
            }
        }
        Err(first_error.unwrap_or_else(|| io::Error::other("missing address")))
    }

    /// Whether connected destinations take nothing.
    pub(super) fn is_stalled(&self) -> bool {
        self.faults.agent_rules(&self.session).stalled_targets
    }

    async fn look_up(&self, host: &str) -> io::Result<Vec<Address>> {
        self.network.resolve(host, self.number()).await
    }

    fn number(&self) -> u16 {
        self.port.parse().unwrap_or(0)
    }
}

fn is_denied(address: IpAddr) -> bool {
    DENIED.iter().any(|denied| denied.parse() == Ok(address))
}

/// The words of a failure as the agent's language has them.
fn reason(error: &io::Error) -> String {
    let known = [
        (io::ErrorKind::ConnectionRefused, "connection refused"),
        (io::ErrorKind::TimedOut, "connection timed out"),
        (io::ErrorKind::HostUnreachable, "no route to host"),
        (io::ErrorKind::NetworkUnreachable, "network is unreachable"),
    ];
    let found = known.into_iter().find(|(kind, _)| *kind == error.kind());
    found.map_or_else(|| error.to_string(), |(_, words)| words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_of_an_instance_are_denied() {
        assert!(is_denied("169.254.169.254".parse().unwrap()));
        assert!(is_denied("fd00:ec2::254".parse().unwrap()));
        assert!(!is_denied("10.0.0.12".parse().unwrap()));
    }
}
