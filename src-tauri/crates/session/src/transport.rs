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
