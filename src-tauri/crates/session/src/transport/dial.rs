//! Opening a websocket: name, TCP, proxy, TLS, upgrade, each with its own error.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::{HeaderName, HeaderValue, Request};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use url::{Host, Url};

use super::proxy::{Proxies, connect_through, shown};
use super::tls;
use super::{Transport, Wire, websocket_config};

/// The whole dial, the official client's figure.
const DIAL_LIMIT: Duration = Duration::from_secs(45);
/// TCP to all of a host's addresses together.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// How long one address has before the next is tried beside it (RFC 8305's figure).
const HEAD_START: Duration = Duration::from_millis(250);
/// Bytes the kernel may hold unsent: more would queue keystrokes behind bulk where nothing can
/// reorder them.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_LIMIT: u32 = 128 * 1024;
/// As much of a refusal's body as is worth showing.
const SHOWN_BODY_CHARS: usize = 300;

/// Why a websocket could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The stream URL is not one a websocket can be opened to.
    #[error("{url} is not a websocket address: {reason}")]
    Address {
        /// The address, without its query.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The host's name does not resolve.
    #[error("the name {host} does not resolve: {reason}")]
    Name {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// No address of the host took the connection.
    #[error("{host} port {port} cannot be reached: {reason}")]
    Connect {
        /// The host, or the proxy that stands before it.
        host: String,
        /// Its port.
        port: u16,
        /// The last attempt's error.
        reason: String,
    },
    /// The proxy did not connect us.
    #[error("the proxy {proxy} did not connect us: {reason}")]
    Proxy {
        /// The proxy, without its password.
        proxy: String,
        /// Its status line, or what went wrong.
        reason: String,
    },
    /// There is nothing to check certificates against.
    #[error("no trusted certificates: {reason}")]
    Roots {
        /// What could not be read.
        reason: String,
    },
    /// TLS failed, most often because the certificate is not trusted.
    #[error("TLS with {host} failed: {reason}")]
    Tls {
        /// The host whose certificate was asked for.
        host: String,
        /// What failed.
        reason: String,
    },
    /// The host answered the upgrade with an HTTP error.
    #[error("{host} refused the websocket with HTTP {status}{}{body}", if body.is_empty() { "" } else { ": " })]
    Upgrade {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The start of the answer's body.
        body: String,
    },
    /// The host's answer is not that of a websocket server.
    #[error("{host} did not answer as a websocket does: {reason}")]
    Handshake {
        /// The host.
        host: String,
        /// What was wrong.
        reason: String,
    },
    /// The host took the connection and then said nothing.
    #[error("{host} did not answer within {} s", waited.as_secs())]
    TimedOut {
        /// The host.
        host: String,
        /// How long it had.
        waited: Duration,
    },
}

impl DialError {
    /// Says whether the host understood us and said no, so that the same attempt is pointless.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Upgrade { status, .. } => (400..500).contains(status) && *status != 429,
            Self::Address { .. } | Self::Roots { .. } => true,
            Self::Name { .. }
            | Self::Connect { .. }
            | Self::Proxy { .. }
            | Self::Tls { .. }
            | Self::Handshake { .. }
            | Self::TimedOut { .. } => false,
        }
    }

    /// Says what the user can do about it, as one sentence.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Address { .. } => "Check any override of the stream address.",
            Self::Name { .. } => "Check the network and its DNS, and any endpoint override.",
            Self::Connect { .. } | Self::TimedOut { .. } => {
                "Check the network, firewall and VPN, and whether a proxy is needed."
            }
            Self::Proxy { .. } => "Check HTTPS_PROXY and NO_PROXY, and the proxy's credentials.",
            Self::Roots { .. } => "Check AWS_CA_BUNDLE and SSL_CERT_FILE.",
            Self::Tls { .. } => {
                "If a proxy inspects TLS here, add its certificate through AWS_CA_BUNDLE."
            }
            Self::Upgrade { status: 401 | 403, .. } => {
                "Check this computer's clock, the permissions of the identity, and the \
                 endpoint's policy."
            }
            Self::Upgrade { .. } | Self::Handshake { .. } => {
                "Check what stands between this computer and the service."
            }
        }
    }
}

/// Opens websockets. Tests put a pair of pipes in its place.
pub(crate) trait Dial: Send + Sync + 'static {
    /// Opens one; dropping the future leaves nothing behind.
    fn dial<'a>(
        &'a self,
        url: &'a Url,
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> BoxFuture<'a, Result<Transport, DialError>>;
}

/// How to reach the network: proxies and trust.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// The proxies to go through.
    pub proxies: Proxies,
    /// PEM files trusted beside the platform's roots.
    pub bundles: Vec<PathBuf>,
}

impl Network {
    /// Reads the variables that name proxies and bundles, through `variable`.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            proxies: Proxies::from_environment(&variable),
            bundles: tls::bundles_from_environment(&variable),
        }
    }
}

/// Dials over the real network.
pub(crate) struct Dialer {
    network: Network,
    connector: OnceLock<TlsConnector>,
}

impl Dialer {
    pub(crate) fn new(network: Network) -> Self {
        Self { network, connector: OnceLock::new() }
    }

    async fn open(
        &self,
        url: &Url,
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Transport, DialError> {
        let is_secure = match url.scheme() {
            "wss" => true,
            "ws" => false,
            scheme => return Err(bad_address(url, format!("its scheme is {scheme}"))),
        };
        let request = upgrade_request(url, headers)?;
        let near: Box<dyn Wire> = match self.network.proxies.for_url(url) {
            Some(proxy) => self.tunnel(proxy, url).await?,
            None => Box::new(connect(url).await?),
        };
        let stream = if is_secure { self.secure(near, url).await? } else { near };
        let host = url.host_str().unwrap_or_default();
        let (socket, _) = client_async_with_config(request, stream, Some(websocket_config()))
            .await
            .map_err(|error| upgrade_error(host, error))?;
        Ok(Transport::new(socket))
    }

    async fn tunnel(&self, proxy: &Url, url: &Url) -> Result<Box<dyn Wire>, DialError> {
        let stream: Box<dyn Wire> = match proxy.scheme() {
            "http" => Box::new(connect(proxy).await?),
            "https" => self.secure(Box::new(connect(proxy).await?), proxy).await?,
            scheme => {
                let reason = format!("{scheme} proxies are not supported, only http and https");
                return Err(DialError::Proxy { proxy: shown(proxy), reason });
            }
        };
        connect_through(stream, proxy, url).await
    }

    async fn secure(&self, stream: Box<dyn Wire>, url: &Url) -> Result<Box<dyn Wire>, DialError> {
        let host = url.host_str().unwrap_or_default();
        let failed = |reason: String| DialError::Tls { host: host.to_owned(), reason };
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|error| failed(error.to_string()))?;
        let secured = self
            .connector()?
            .connect(name, stream)
            .await
            .map_err(|error| failed(error.to_string()))?;
        Ok(Box::new(secured))
    }

    /// Reads some hundred certificates, which takes milliseconds, until that has worked once.
    fn connector(&self) -> Result<&TlsConnector, DialError> {
        if let Some(made) = self.connector.get() {
            return Ok(made);
        }
        let made = tls::connector(&self.network.bundles)?;
        Ok(self.connector.get_or_init(|| made))
    }
}

impl Dial for Dialer {
    fn dial<'a>(
        &'a self,
        url: &'a Url,
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> BoxFuture<'a, Result<Transport, DialError>> {
        Box::pin(async move {
            timeout(DIAL_LIMIT, self.open(url, headers)).await.unwrap_or_else(|_| {
                let host = url.host_str().unwrap_or_default().to_owned();
                Err(DialError::TimedOut { host, waited: DIAL_LIMIT })
            })
        })
    }
}

pub(super) fn upgrade_request(
    url: &Url,
    headers: Vec<(HeaderName, HeaderValue)>,
) -> Result<Request<()>, DialError> {
    let mut request =
        url.as_str().into_client_request().map_err(|error| bad_address(url, error.to_string()))?;
    for (name, value) in headers {
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

/// Connects to the first address of the host that answers, giving each a head start over the
/// next and alternating families.
async fn connect(url: &Url) -> Result<TcpStream, DialError> {
    let port = url.port_or_known_default().unwrap_or(443);
    let host = url.host_str().unwrap_or_default().to_owned();
    let addresses = match url.host() {
        Some(Host::Ipv4(address)) => vec![SocketAddr::from((address, port))],
        Some(Host::Ipv6(address)) => vec![SocketAddr::from((address, port))],
        Some(Host::Domain(name)) => resolve(name, port).await?,
        None => return Err(bad_address(url, "it names no host".to_owned())),
    };
    let failed = |reason: String| DialError::Connect { host: host.clone(), port, reason };
    let stream = match timeout(CONNECT_LIMIT, connect_any(addresses)).await {
        Ok(connected) => connected.map_err(|error| failed(error.to_string()))?,
        Err(_) => return Err(failed(format!("no answer within {} s", CONNECT_LIMIT.as_secs()))),
    };
    tune(&stream).map_err(|error| failed(error.to_string()))?;
    Ok(stream)
}

async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
    let unresolved = |reason: String| DialError::Name { host: name.to_owned(), reason };
    let found = match timeout(CONNECT_LIMIT, tokio::net::lookup_host((name, port))).await {
        Ok(found) => found.map_err(|error| unresolved(error.to_string()))?,
        Err(_) => return Err(unresolved("the resolver did not answer".to_owned())),
    };
    let addresses = alternate(found.collect());
    if addresses.is_empty() {
        return Err(unresolved("it has no address".to_owned()));
    }
    Ok(addresses)
}

/// Keeps the resolver's order within a family and lets the families take turns.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let leads_with_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == leads_with_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::new();
    loop {
        match (first.next(), second.next()) {
            (None, None) => return ordered,
            (one, other) => ordered.extend(one.into_iter().chain(other)),
        }
    }
}

async fn connect_any(addresses: Vec<SocketAddr>) -> std::io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = None;
    loop {
        match waiting.next() {
            Some(address) => attempts.push(TcpStream::connect(address)),
            None if attempts.is_empty() => {
                return Err(last.unwrap_or_else(|| std::io::ErrorKind::NotFound.into()));
            }
            None => {}
        }
        let has_more = waiting.len() > 0;
        tokio::select! {
            Some(outcome) = attempts.next() => match outcome {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            },
            () = sleep(HEAD_START), if has_more => {}
        }
    }
}

fn tune(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_LIMIT)?;
    Ok(())
}

pub(super) fn upgrade_error(host: &str, error: tungstenite::Error) -> DialError {
    let host = host.to_owned();
    if let tungstenite::Error::Http(response) = &error {
        let body = response.body().as_deref().unwrap_or_default();
        let body: String = String::from_utf8_lossy(body)
            .chars()
            .filter(|letter| !letter.is_control())
            .take(SHOWN_BODY_CHARS)
            .collect();
        return DialError::Upgrade { host, status: response.status().as_u16(), body };
    }
    DialError::Handshake { host, reason: error.to_string() }
}

fn bad_address(url: &Url, reason: String) -> DialError {
    // The query may be presigned: never shown.
    let mut url = url.clone();
    url.set_query(None);
    DialError::Address { url: url.into(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn dial(url: &str) -> Result<Transport, DialError> {
        let dialer = Dialer::new(Network::default());
        let url = Url::parse(url).unwrap();
        timeout(Duration::from_secs(10), dialer.dial(&url, Vec::new())).await.expect("a deadline")
    }

    /// Answers one connection with fixed bytes after the request has arrived.
    async fn answering(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/v1?role=publish_subscribe", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 2048];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer).await;
        });
        url
    }

    #[tokio::test]
    async fn a_refused_upgrade_keeps_status_and_body() {
        let url = answering(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 9\r\n\r\nNo access").await;
        let error = dial(&url).await.err().expect("a refusal");
        let DialError::Upgrade { status, ref body, .. } = error else { panic!("{error}") };
        assert_eq!((status, body.as_str()), (403, "No access"));
        assert!(error.is_refusal() && error.advice().contains("clock"));
    }

    #[tokio::test]
    async fn something_else_than_http_is_named() {
        let url = answering(b"SSH-2.0-OpenSSH_9.7\r\n").await;
        let error = dial(&url).await.err().expect("no websocket");
        assert!(matches!(error, DialError::Handshake { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_closed_port_and_an_unknown_name_differ() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = dial(&format!("ws://{closed}/")).await.err().expect("nobody there");
        assert!(matches!(error, DialError::Connect { .. }), "{error}");
        let error = dial("ws://name.invalid/").await.err().expect("no such name");
        assert!(matches!(error, DialError::Name { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_presigned_query_is_never_shown() {
        let error = dial("ftp://host/path?X-Amz-Signature=abc").await.err().expect("no websocket");
        assert!(!error.to_string().contains("abc"), "{error}");
    }

    #[test]
    fn a_bundle_put_in_its_place_is_found_by_the_next_dial() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("bundle.pem");
        let network = Network { bundles: vec![bundle.clone()], ..Network::default() };
        let dialer = Dialer::new(network);
        let error = dialer.connector().err().expect("nothing there");
        assert!(matches!(error, DialError::Roots { .. }), "{error}");
        let made = rcgen::generate_simple_self_signed(["gateway.test".to_owned()]).unwrap();
        std::fs::write(&bundle, made.cert.pem()).unwrap();
        dialer.connector().map(drop).expect("it is there now");
    }

    #[tokio::test]
    async fn the_next_address_is_tried_when_the_first_refuses() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = open.local_addr().unwrap();
        let stream = connect_any(vec![closed, there]).await.expect("the second answers");
        assert_eq!(stream.peer_addr().unwrap(), there);
    }

    #[test]
    fn families_take_turns() {
        let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        let mixed: Vec<SocketAddr> =
            parse(&["[2001:db8::1]:1", "[2001:db8::2]:1", "192.0.2.1:1", "192.0.2.2:1"]);
        let expected: Vec<SocketAddr> =
            parse(&["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1", "192.0.2.2:1"]);
        assert_eq!(alternate(mixed), expected);
    }
}
