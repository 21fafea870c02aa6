//! The local end of a tunnel: bound before any session is started, kept while sessions come
//! and go.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use super::holder::holder_of;
use crate::error::Error;
use crate::state::LocalEnd;

/// Connections the kernel keeps for us while we are busy.
const BACKLOG: i32 = 1024;
/// How often a port that is free on one address may turn out taken on another.
const FREE_PORT_ATTEMPTS: usize = 32;

/// A connection a local program made to us.
#[derive(Debug)]
pub(crate) enum LocalStream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// The sockets of one local end.
#[derive(Debug)]
pub(super) struct Listener {
    tcp: Vec<TcpListener>,
    #[cfg(unix)]
    unix: Option<UnixEnd>,
    local: LocalEnd,
}

#[cfg(unix)]
#[derive(Debug)]
struct UnixEnd {
    listener: UnixListener,
    path: PathBuf,
}

#[cfg(unix)]
impl Drop for UnixEnd {
    fn drop(&mut self) {
        // Ours alone: a path someone else listened on is never taken over.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Listener {
    /// Binds one port on every address; port 0 finds one that is free on all of them. When the
    /// computer has no IPv6, the other addresses must do.
    ///
    /// # Errors
    /// [`Error::Bind`] naming the address and, where visible, the program that has it.
    pub(super) fn bind_tcp(addresses: &[IpAddr], port: u16) -> Result<Self, Error> {
        let sockets = if port == 0 { bind_free(addresses)? } else { bind_all(addresses, port)? };
        let bound = |error: io::Error| {
            Error::bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), &error, None)
        };
        let mut tcp = Vec::new();
        let mut found = Vec::new();
        for socket in sockets {
            let listener = TcpListener::from_std(socket.into()).map_err(bound)?;
            found.push(listener.local_addr().map_err(bound)?);
            tcp.push(listener);
        }
        Ok(Self {
            tcp,
            #[cfg(unix)]
            unix: None,
            local: LocalEnd::Tcp { addresses: found },
        })
    }

    /// Listens on a unix socket, in place of a stale one.
    ///
    /// # Errors
    /// [`Error::Bind`] when something answers there, or the path cannot be used.
    #[cfg(unix)]
    pub(super) fn bind_unix(path: &Path) -> Result<Self, Error> {
        let failed = |error: &io::Error| Error::Bind {
            address: path.display().to_string(),
            reason: error.to_string(),
            holder: None,
            is_taken: error.kind() == io::ErrorKind::AddrInUse,
        };
        let is_taken = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
        let listener = match UnixListener::bind(path) {
            Err(error) if is_taken(&error) && is_stale(path) => std::fs::remove_file(path)
                .and_then(|()| UnixListener::bind(path))
                .map_err(|error| failed(&error))?,
            bound => bound.map_err(|error| failed(&error))?,
        };
        let unix = Some(UnixEnd { listener, path: path.to_owned() });
        Ok(Self { tcp: Vec::new(), unix, local: LocalEnd::Unix { path: path.to_owned() } })
    }

    /// Unix sockets are not served on this platform.
    #[cfg(not(unix))]
    pub(super) fn bind_unix(path: &Path) -> Result<Self, Error> {
        Err(Error::Unusable {
            reason: format!("{} is a unix socket, which this system has not", path.display()),
        })
    }

    /// Answers where it listens.
    pub(super) fn local(&self) -> &LocalEnd {
        &self.local
    }

    /// Takes the next connection of any of the sockets.
    pub(super) fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(LocalStream, Option<SocketAddr>)>> {
        for listener in &self.tcp {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted.and_then(|(stream, peer)| {
                    stream.set_nodelay(true)?;
                    Ok((LocalStream::Tcp(stream), Some(peer)))
                }));
            }
        }
        #[cfg(unix)]
        if let Some(unix) = &self.unix
            && let Poll::Ready(accepted) = unix.listener.poll_accept(cx)
        {
            return Poll::Ready(accepted.map(|(stream, _)| (LocalStream::Unix(stream), None)));
        }
        Poll::Pending
    }
}

/// A socket file nobody answers at any more.
#[cfg(unix)]
fn is_stale(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        && std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn bind_free(addresses: &[IpAddr]) -> Result<Vec<Socket>, Error> {
    let mut outcome = bind_all(addresses, 0);
    for _ in 0..FREE_PORT_ATTEMPTS {
        match outcome {
            Err(Error::Bind { is_taken: true, .. }) => outcome = bind_all(addresses, 0),
            settled => return settled,
        }
    }
    outcome
}

/// Binds every address to one port: the given one, or the one the first address gets.
fn bind_all(addresses: &[IpAddr], port: u16) -> Result<Vec<Socket>, Error> {
    let mut port = port;
    let mut sockets = Vec::new();
    let mut absent = None;
    for address in addresses {
        let wanted = SocketAddr::new(*address, port);
        match bind_one(wanted) {
            Ok(socket) => {
                if port == 0 {
                    port = socket
                        .local_addr()
                        .ok()
                        .and_then(|bound| bound.as_socket())
                        .map_or(0, |bound| bound.port());
                }
                sockets.push(socket);
            }
            Err(error) if is_loopback_v6(address) && is_family_absent(&error) => {
                absent = Some((wanted, error));
            }
            Err(error) => {
                let is_taken = error.kind() == io::ErrorKind::AddrInUse;
                let holder = is_taken.then(|| holder_of(port)).flatten();
                return Err(Error::bind(wanted, &error, holder));
            }
        }
    }
    match (sockets.is_empty(), absent) {
        (true, Some((address, error))) => Err(Error::bind(address, &error, None)),
        (true, None) => Err(Error::Unusable { reason: "it listens on no address".to_owned() }),
        (false, _) => Ok(sockets),
    }
}

fn bind_one(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // On Windows this option would let us share a port with whoever has it.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

fn is_loopback_v6(address: &IpAddr) -> bool {
    *address == IpAddr::V6(Ipv6Addr::LOCALHOST)
}

/// The computer has no IPv6, or has it switched off.
fn is_family_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(AFNOSUPPORT)
}

#[cfg(target_os = "linux")]
const AFNOSUPPORT: i32 = 97;
#[cfg(target_vendor = "apple")]
const AFNOSUPPORT: i32 = 47;
#[cfg(windows)]
const AFNOSUPPORT: i32 = 10047;
#[cfg(not(any(target_os = "linux", target_vendor = "apple", windows)))]
const AFNOSUPPORT: i32 = 47;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const BOTH: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

    #[tokio::test]
    async fn both_families_share_one_free_port_and_both_are_served() {
        let listener = Listener::bind_tcp(&BOTH, 0).expect("a free port");
        let LocalEnd::Tcp { addresses } = listener.local().clone() else { panic!("not TCP") };
        assert_eq!(addresses.len(), 2, "{addresses:?}");
        assert_eq!(addresses[0].port(), addresses[1].port());
        for address in addresses {
            let near = TcpStream::connect(address).await.unwrap();
            let (_, peer) = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
            assert_eq!(peer, Some(near.local_addr().unwrap()));
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_refused_even_when_only_one_family_has_it() {
        let taken = std::net::TcpListener::bind("[::1]:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = Listener::bind_tcp(&BOTH, port).expect_err("taken on ::1");
        let Error::Bind { is_taken: true, ref holder, .. } = error else { panic!("{error}") };
        if cfg!(target_os = "linux") {
            assert!(holder.is_some(), "{error}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_served_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("local.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listener = Listener::bind_unix(&path).expect("in place of the stale one");
        let error = Listener::bind_unix(&path).expect_err("ours answers");
        assert!(matches!(error, Error::Bind { is_taken: true, .. }), "{error}");
        drop(listener);
        assert!(!path.exists());
    }
}
