//! The message gateway: websockets of clients on one side, agents on the other.
//!
//! One [`Relay`] a session owns the client's websocket of the moment and passes messages on
//! unread. Acknowledgements are the ends' own business; what nobody is there to get is dropped,
//! and the ends send it again.

mod client;
mod frames;
mod link;
mod meter;
mod relay;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::StreamExt as _;
use protocol::OpenDataChannel;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

pub(crate) use link::{Item, Link, Parcel, TaskResult};
pub(crate) use relay::Relay;

use crate::sessions::{Ending, Entry, Sessions};

/// Close code for a token or opening message that is not accepted.
const POLICY: u16 = 1008;
/// No message is read past this, whatever the rules say.
const MESSAGE_BYTES_READ: usize = 16 * 1024 * 1024;

/// A byte stream under a websocket.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A client's websocket, of whatever stream.
pub(crate) type Socket = WebSocketStream<Box<dyn Io>>;

/// The agent's end of a session's two directions.
pub(crate) struct Ends {
    /// What the client sends.
    pub(crate) up: Link,
    /// What goes to the client.
    pub(crate) down: mpsc::Sender<Parcel>,
    /// Becomes `Some` when the service has ended the session.
    pub(crate) ending: watch::Receiver<Option<Ending>>,
    /// Becomes true when the first client is there.
    pub(crate) client_seen: watch::Receiver<bool>,
}

/// Serves one upgraded websocket of a client: checks its first message and hands it to the
/// session. Comes back when the session has it, or when it was refused and is closed.
///
/// The first message must be the text `OpenDataChannel` with a token that was not used before.
/// There is no answer to it; a refusal is a close frame.
pub async fn serve_data_channel<S>(sessions: &Sessions, io: S, session_id: &str)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let faults = sessions.faults();
    let mut changes = faults.subscribe_changes();
    let black_hole = || faults.gateway_rules(session_id).black_hole;
    if black_hole() {
        while black_hole() && changes.changed().await.is_ok() {}
        return;
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_READ))
        .max_frame_size(Some(MESSAGE_BYTES_READ));
    let io: Box<dyn Io> = Box::new(io);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let rules = faults.gateway_rules(session_id);
    let refusal = match tokio::time::timeout(rules.open_timeout, first_text(&mut socket)).await {
        Err(_) => "no OpenDataChannel in time",
        Ok(None) => "the first message is not OpenDataChannel",
        Ok(Some(open)) => match accept(sessions, session_id, &open, rules.refuse_tokens) {
            Err(reason) => reason,
            Ok(entry) => match entry.attach(socket).await {
                Ok(()) => return,
                Err(unwanted) => {
                    socket = unwanted;
                    tell_end(&mut socket, &entry).await;
                    client::close(socket, 1000, "session ended").await;
                    return;
                }
            },
        },
    };
    tracing::debug!(session = session_id, refusal, "websocket refused");
    client::close(socket, POLICY, refusal).await;
}

/// The first data message, if it is text. Pings may come before it.
async fn first_text(socket: &mut Socket) -> Option<String> {
    loop {
        match socket.next().await?.ok()? {
            Message::Text(text) => return Some(text.as_str().to_owned()),
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Binary(_) | Message::Close(_) | Message::Frame(_) => return None,
        }
    }
}

fn accept(
    sessions: &Sessions,
    session_id: &str,
    open: &str,
    refuse_tokens: bool,
) -> Result<Arc<Entry>, &'static str> {
    let open = OpenDataChannel::parse(open).map_err(|_| "OpenDataChannel is not readable")?;
    let entry = sessions.entry(session_id).ok_or("no such session")?;
    if entry.spend_token(&open.token_value) && !refuse_tokens {
        Ok(entry)
    } else {
        Err("the token is not valid")
    }
}

/// A client that comes after the end is told of it.
async fn tell_end(socket: &mut Socket, entry: &Entry) {
    let ending = entry.ending().borrow().clone();
    if let Some(Ending { output, .. }) = ending {
        let record = entry.record();
        let closed = frames::channel_closed(&record.id, &record.target, &output);
        // A client that is gone again has nothing to be told.
        drop(futures_util::SinkExt::send(socket, Message::Binary(closed)).await);
    }
}
