//! Local ports: which can be had, who holds one, which is free.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use session::LocalSpec;

use crate::view::{AppError, ErrorCode, PortCheckView, TunnelBind, TunnelSpec, TunnelVia};

const _: () = assert!(TunnelSpec::MOST_LANES == session::MOST_LANES, "the engine's own limit");

/// Ports tried for a free one before any will do.
const MOST_TRIED: u16 = 200;
/// Where the search for a free port begins when none was named.
const FIRST_TRIED: u16 = 10_000;

/// Lists the addresses of a bind.
///
/// # Errors
///
/// [`ErrorCode::Invalid`] for an address that is none.
pub(crate) fn addresses(bind: &TunnelBind) -> Result<Vec<IpAddr>, AppError> {
    match bind {
        TunnelBind::Loopback => Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        TunnelBind::Address { address } => match address.trim().parse() {
            Ok(address) => Ok(vec![address]),
            Err(_) => Err(invalid(format!("{address} is not an address of this computer."))),
        },
    }
}

/// Says what is wrong with a tunnel, if anything is.
///
/// # Errors
///
/// [`ErrorCode::Invalid`].
pub(crate) fn check_spec(spec: &TunnelSpec) -> Result<(), AppError> {
    let wrong = |message: &str| Err(invalid(message.to_owned()));
    if spec.name.trim().is_empty() {
        return wrong("The tunnel needs a name.");
    }
    if spec.remote_port == 0 {
        return wrong("The remote port must be between 1 and 65535.");
    }
    if spec.region.trim().is_empty() {
        return wrong("The tunnel needs a region.");
    }
    if spec.idle_stop_minutes == Some(0) {
        return wrong("The idle stop must be at least one minute.");
    }
    if !(1..=TunnelSpec::MOST_LANES).contains(&spec.lanes) {
        let most = TunnelSpec::MOST_LANES;
        return Err(invalid(format!("A tunnel may use 1 to {most} sessions at once.")));
    }
    let is_host = |host: &str| !host.is_empty() && !host.contains(char::is_whitespace);
    if spec.remote_host.as_deref().is_some_and(|host| !is_host(host)) {
        return wrong("The remote host must be a name or an address without blanks.");
    }
    match &spec.via {
        TunnelVia::Node { node_id } if node_id.trim().is_empty() => {
            return wrong("The tunnel needs a node.");
        }
        TunnelVia::Tag { key, .. } if key.trim().is_empty() => {
            return wrong("The tag needs a key.");
        }
        TunnelVia::Node { .. } | TunnelVia::Tag { .. } => {}
    }
    addresses(&spec.bind).map(drop)
}

fn invalid(message: String) -> AppError {
    AppError { code: ErrorCode::Invalid, message, detail: None }
}

/// Looks whether a port can be had. `own` is the one the edited tunnel has at the moment, and
/// `others` those of other tunnels by name, whether they are up or not.
pub(super) fn check(
    port: u16,
    addresses: &[IpAddr],
    own: Option<u16>,
    others: &[(u16, String)],
) -> PortCheckView {
    if port != 0 && own == Some(port) {
        return PortCheckView { free: true, holder: None, proposed: port };
    }
    let other = others.iter().find(|(taken, _)| *taken == port).map(|(_, name)| name.clone());
    if let Some(name) = other {
        return PortCheckView {
            free: false,
            holder: Some(name),
            proposed: free_above(port, addresses, others).unwrap_or(0),
        };
    }
    if port == 0 {
        let proposed = free_above(FIRST_TRIED, addresses, others).unwrap_or(0);
        return PortCheckView { free: true, holder: None, proposed };
    }
    match try_listen(port, addresses) {
        Ok(()) => PortCheckView { free: true, holder: None, proposed: port },
        Err(error) => PortCheckView {
            free: false,
            holder: if let session::Error::Bind { holder, .. } = error { holder } else { None },
            proposed: free_above(port, addresses, others).unwrap_or(0),
        },
    }
}

/// Finds the nearest free port above one; ports that anybody may use at the least.
pub(super) fn free_above(port: u16, addresses: &[IpAddr], others: &[(u16, String)]) -> Option<u16> {
    let first = port.saturating_add(1).max(1024);
    let last = first.saturating_add(MOST_TRIED);
    (first..=last).find(|port| {
        others.iter().all(|(taken, _)| taken != port) && try_listen(*port, addresses).is_ok()
    })
}

fn try_listen(port: u16, addresses: &[IpAddr]) -> Result<(), session::Error> {
    LocalSpec::Tcp { addresses: addresses.to_vec(), port }.check()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> Vec<IpAddr> {
        addresses(&TunnelBind::Loopback).expect("addresses")
    }

    #[tokio::test]
    async fn a_taken_port_is_told_with_the_next_free_one() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("bound").port();
        let found = check(port, &loopback(), None, &[]);
        assert!(!found.free);
        assert!(found.proposed != port && found.proposed != 0);
        drop(taken);
        let found = check(port, &loopback(), None, &[]);
        assert_eq!((found.free, found.proposed), (true, port));
    }

    #[tokio::test]
    async fn another_tunnel_s_port_is_taken_and_one_s_own_is_not() {
        let others = [(45_432, "orders".to_owned())];
        let found = check(45_432, &loopback(), None, &others);
        assert_eq!((found.free, found.holder.as_deref()), (false, Some("orders")));
        assert!(found.proposed > 45_432);
        assert!(check(45_432, &loopback(), Some(45_432), &[]).free);
    }

    #[test]
    fn an_address_is_checked() {
        assert!(addresses(&TunnelBind::Address { address: "10.0.0.1".to_owned() }).is_ok());
        let error = addresses(&TunnelBind::Address { address: "here".to_owned() });
        assert_eq!(error.expect_err("no address").code, ErrorCode::Invalid);
    }
}
