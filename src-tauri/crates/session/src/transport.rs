//! One websocket: frames out in batches, frames in, and the doubt whether anyone is there.
//!
//! A transport never ends a session. Whatever happens to it is an [`Interruption`], and the
//! driver above answers every one of them by resuming.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::clock;
use crate::state::Interruption;

mod dial;
mod heartbeat;
mod proxy;
mod tls;

pub(crate) use dial::{Dial, Dialer};
pub use dial::{DialError, Network};
use heartbeat::{Beat, Heartbeat};
pub use proxy::Proxies;

/// What the official client puts into its pings.
const PING_PAYLOAD: Bytes = Bytes::from_static(b"keepalive");
/// Far above any message of the service, far below what would hurt.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// The library clears this much for every read, and each transport keeps it: 16 KiB is a dozen
/// messages of the agent, or one TLS record.
const READ_BUFFER_BYTES: usize = 16 * 1024;
/// Frames are gathered up to this before a flush forces them out.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;

/// Anything a websocket can run over.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Why there is no next frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The websocket is lost, the session is not.
    Interruption(Interruption),
    /// The peer sends what nobody could take. It would send it again.
    Oversized {
        /// Bytes.
        len: usize,
        /// The most there may be.
        limit: usize,
    },
}

/// An open websocket to the gateway.
pub(crate) struct Transport {
    socket: WebSocketStream<Box<dyn Wire>>,
    heartbeat: Heartbeat,
    has_unflushed: bool,
}

impl Transport {
    pub(crate) fn new(socket: WebSocketStream<Box<dyn Wire>>) -> Self {
        Self { socket, heartbeat: Heartbeat::new(clock::now()), has_unflushed: false }
    }

    /// Waits until another frame may be queued.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Interruption>> {
        Pin::new(&mut self.socket).poll_ready(cx).map_err(interruption)
    }

    /// Queues one binary frame; it leaves with the next flush.
    pub(crate) fn send_frame(&mut self, frame: Bytes) -> Result<(), Interruption> {
        self.send(Message::Binary(frame))
    }

    /// Queues one text frame; it leaves with the next flush.
    pub(crate) fn send_text(&mut self, text: String) -> Result<(), Interruption> {
        self.send(Message::text(text))
    }

    fn send(&mut self, message: Message) -> Result<(), Interruption> {
        self.has_unflushed = true;
        Pin::new(&mut self.socket).start_send(message).map_err(interruption)
    }

    /// Hands everything queued to the operating system.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Interruption>> {
        if !self.has_unflushed {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.socket).poll_flush(cx).map_err(interruption);
        if flushed.is_ready() {
            self.has_unflushed = false;
        }
        flushed
    }

    /// Answers the next protocol frame. Pings are answered and pongs noted on the way.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Fault>> {
        loop {
            let Some(received) = futures_util::ready!(Pin::new(&mut self.socket).poll_next(cx))
            else {
                return Poll::Ready(Err(Fault::Interruption(Interruption::Broken {
                    reason: "the connection ended without a close".to_owned(),
                })));
            };
            let message = received.map_err(fault)?;
            self.heartbeat.handle_received();
            match message {
                Message::Binary(frame) => return Poll::Ready(Ok(frame)),
                // The official client takes either kind from the gateway, so do we.
                Message::Text(text) => return Poll::Ready(Ok(text.into())),
                // The library queues the pong itself; it must not wait for our next frame.
                Message::Ping(_) => self.has_unflushed = true,
                Message::Pong(_) | Message::Frame(_) => {}
                Message::Close(close) => {
                    return Poll::Ready(Err(Fault::Interruption(Interruption::Closed {
                        code: close.as_ref().map(|close| close.code.into()),
                        reason: close.map(|close| close.reason.to_string()).unwrap_or_default(),
                    })));
                }
            }
        }
    }

    /// Tells that reading has stopped or goes on: silence counts only while we read.
    pub(crate) fn suspend(&mut self, is_suspended: bool, now: Instant) {
        self.heartbeat.suspend(is_suspended, now);
    }

    /// Doubts the peer: pings at once and gives it three seconds.
    pub(crate) fn probe(&mut self, now: Instant) {
        self.heartbeat.probe(now);
    }

    /// Answers when [`Self::handle_timeout`] wants to be called.
    pub(crate) fn poll_timeout(&self) -> Instant {
        self.heartbeat.poll_timeout()
    }

    /// Sends a ping that is due, or finds the peer dead.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), Interruption> {
        match self.heartbeat.handle_timeout(now) {
            Some(Beat::Ping) => self.send(Message::Ping(PING_PAYLOAD)),
            Some(Beat::Dead) => Err(Interruption::Silent),
            None => Ok(()),
        }
    }

    /// Says goodbye as far as that is possible without waiting.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        let _ = self.send(Message::Close(None));
        let _ = self.poll_flush(cx);
    }
}

pub(crate) fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
}

fn fault(error: tungstenite::Error) -> Fault {
    if let tungstenite::Error::Capacity(CapacityError::MessageTooLong { size, max_size }) = error {
        return Fault::Oversized { len: size, limit: max_size };
    }
    Fault::Interruption(interruption(error))
}

fn interruption(error: tungstenite::Error) -> Interruption {
    Interruption::Broken { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::path::PathBuf;
    use std::sync::Arc;

    use futures_util::{SinkExt, StreamExt};
    use rustls::ServerConfig;
    use rustls::crypto::ring;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::TlsAcceptor;
    use url::Url;

    use super::*;

    /// A websocket server behind TLS that echoes one message; its port and its certificate.
    async fn secure_echo(name: &str) -> (u16, String) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a usable certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                let mut socket = tokio_tungstenite::accept_async(stream).await.expect("an upgrade");
                let message = socket.next().await.expect("a message").expect("a message");
                socket.send(message).await.expect("a reader");
            }
        });
        (port, made.cert.pem())
    }

    /// A proxy that leads every CONNECT to one port here, whatever it asks for.
    async fn proxy_to(port: u16) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let count = near.read(&mut request).await.expect("a request");
                let asked = String::from_utf8_lossy(&request[..count]).into_owned();
                assert!(asked.starts_with("CONNECT gateway.test:443 HTTP/1.1"), "{asked}");
                let mut far = TcpStream::connect(("127.0.0.1", port)).await.expect("the server");
                near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("a reader");
                tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
            }
        });
        Url::parse(&format!("http://{address}")).expect("an address")
    }

    fn network(proxy: &Url, bundle: Option<PathBuf>) -> Network {
        let proxies =
            Proxies::from_environment(|name| (name == "HTTPS_PROXY").then(|| proxy.to_string()));
        Network { proxies, bundles: bundle.into_iter().collect() }
    }

    async fn dial(network: Network) -> Result<Transport, DialError> {
        let dialer = Dialer::new(network);
        let url = Url::parse("wss://gateway.test/v1/data-channel/s").expect("a URL");
        let dialled = dialer.dial(&url, Vec::new());
        tokio::time::timeout(std::time::Duration::from_secs(30), dialled).await.expect("in time")
    }

    #[tokio::test]
    async fn through_a_proxy_and_a_certificate_of_ones_own() {
        let (port, certificate) = secure_echo("gateway.test").await;
        let proxy = proxy_to(port).await;
        let folder = tempfile::tempdir().expect("a folder");
        let bundle = folder.path().join("bundle.pem");
        std::fs::write(&bundle, certificate).expect("a file");
        let mut transport = dial(network(&proxy, Some(bundle))).await.expect("a websocket");
        transport.send_frame(Bytes::from_static(b"frame")).expect("an open websocket");
        poll_fn(|cx| transport.poll_flush(cx)).await.expect("an open websocket");
        let echoed = poll_fn(|cx| transport.poll_receive(cx)).await.expect("an echo");
        assert_eq!(echoed, "frame");
    }

    #[tokio::test]
    async fn a_certificate_nobody_vouches_for_is_refused() {
        let (port, _) = secure_echo("gateway.test").await;
        let (_, other) = secure_echo("gateway.test").await;
        let proxy = proxy_to(port).await;
        let folder = tempfile::tempdir().expect("a folder");
        let bundle = folder.path().join("bundle.pem");
        std::fs::write(&bundle, other).expect("a file");
        let error = dial(network(&proxy, Some(bundle))).await.err().expect("no trust");
        assert!(matches!(error, DialError::Tls { .. }), "{error}");
        assert!(error.advice().contains("AWS_CA_BUNDLE"));
    }
}
