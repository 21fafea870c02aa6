//! The websocket a client has at the moment.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink as _, SinkExt as _, StreamExt as _};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Socket;
use super::meter::Meter;

/// How long a closed websocket is read for the other side's close frame.
const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// How many messages are handed to the websocket before the next look around.
const BATCH: usize = 64;

/// A websocket in use.
pub(super) struct Client {
    socket: Socket,
    /// What is to be written, in order.
    outbox: VecDeque<Message>,
    unflushed: bool,
    pub(super) since: Instant,
    pub(super) meter: Meter,
    /// Messages either way.
    pub(super) frames: u64,
}

/// What a websocket did.
#[derive(Debug)]
pub(super) enum Happening {
    /// The client sent something.
    Received(Message),
    /// Everything to be written is written.
    Written,
    /// It is of no more use; a message that was too long says so.
    Gone {
        /// Whether a message was longer than anything the gateway reads.
        too_long: bool,
    },
}

impl Client {
    pub(super) fn new(socket: Socket, now: Instant) -> Self {
        Self {
            socket,
            outbox: VecDeque::new(),
            unflushed: false,
            since: now,
            meter: Meter::new(now),
            frames: 0,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.outbox.len() < BATCH
    }

    pub(super) fn push(&mut self, message: Message) {
        self.outbox.push_back(message);
    }

    /// Writes and, if `read`, reads, until something happens. Dropping the future loses nothing.
    pub(super) async fn next(&mut self, read: bool) -> Happening {
        std::future::poll_fn(|cx| self.poll(read, cx)).await
    }

    /// A further message, if one has come already.
    pub(super) fn try_read(&mut self) -> Option<Happening> {
        let next = futures_util::FutureExt::now_or_never(self.socket.next())?;
        Some(received(next))
    }

    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }

    fn poll(&mut self, read: bool, cx: &mut Context<'_>) -> Poll<Happening> {
        match self.poll_write(cx) {
            Poll::Ready(Err(_)) => return Poll::Ready(Happening::Gone { too_long: false }),
            Poll::Ready(Ok(true)) => return Poll::Ready(Happening::Written),
            Poll::Ready(Ok(false)) | Poll::Pending => {}
        }
        if read { self.socket.poll_next_unpin(cx).map(received) } else { Poll::Pending }
    }

    /// True when something was written just now and nothing is left.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        let mut socket = std::pin::Pin::new(&mut self.socket);
        while !self.outbox.is_empty() {
            match socket.as_mut().poll_ready(cx)? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => {
                    if let Some(message) = self.outbox.pop_front() {
                        socket.as_mut().start_send(message)?;
                        self.unflushed = true;
                    }
                }
            }
        }
        if !self.unflushed {
            return Poll::Ready(Ok(false));
        }
        match socket.poll_flush(cx)? {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                self.unflushed = false;
                Poll::Ready(Ok(true))
            }
        }
    }
}

fn received(next: Option<Result<Message, Error>>) -> Happening {
    match next {
        Some(Ok(message)) => Happening::Received(message),
        Some(Err(Error::Capacity(_))) => Happening::Gone { too_long: true },
        Some(Err(_)) | None => Happening::Gone { too_long: false },
    }
}

/// Says goodbye, and waits a little for the answer.
pub(super) async fn close(mut socket: Socket, code: u16, reason: &str) {
    let frame = CloseFrame { code: code.into(), reason: reason.into() };
    let goodbye = async {
        socket.send(Message::Close(Some(frame))).await?;
        while socket.next().await.transpose()?.is_some() {}
        Ok::<(), Error>(())
    };
    // Either way the socket is dropped here.
    drop(tokio::time::timeout(CLOSE_WAIT, goodbye).await);
}
