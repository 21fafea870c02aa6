//! Port sessions of one connection at a time, and of the SSH form.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use protocol::{PayloadType, SessionFlag};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::dial::Dialer;
use super::input::{Handled, Input};
use super::{TaskResult, Work, ended};

/// The connection of the moment.
#[derive(Clone)]
struct Connection {
    stream: Arc<TcpStream>,
    /// The client has disconnected.
    disconnected: CancellationToken,
}

/// What both ways of a session look at.
#[derive(Clone)]
enum Link {
    Open(Connection),
    /// Disconnected by the client; the reading side has not noticed yet.
    Closing,
    /// Gone; the client's next input connects again.
    Broken,
}

type Shared = Arc<Mutex<Link>>;

/// Runs a session over one connection at a time until it ends. The `forwarding` form connects
/// again when there is new input; the SSH form ends with its connection.
pub(super) async fn run(mut work: Work, dialer: Dialer, forwarding: bool) -> TaskResult {
    let mut ending = work.ending.clone();
    let connected = tokio::select! {
        () = ended(&mut ending) => return TaskResult::success(),
        connected = dialer.dial() => connected,
    };
    let connection = match connected {
        Ok(stream) => Connection::new(stream),
        Err(error) => {
            return TaskResult::failed(format!("Unable to connect to specified port: {error}"));
        }
    };
    let link = Arc::new(Mutex::new(Link::Open(connection.clone())));
    let (redials, redialled) = mpsc::channel(1);
    let terminated = CancellationToken::new();
    let input = BasicInput {
        link: Arc::clone(&link),
        redials,
        dialer,
        terminated: terminated.clone(),
        knows_disconnect: work.capabilities.disconnect_flag,
        knows_terminate: work.capabilities.terminate_flag,
    };
    let (unused, _) = tokio::sync::oneshot::channel();
    let ready = std::mem::replace(&mut work.ready, unused);
    // A reader that is gone hears nothing anyway.
    drop(ready.send(Input::Basic(input)));
    tokio::select! {
        () = ended(&mut ending) => TaskResult::success(),
        () = terminated.cancelled() => TaskResult::success(),
        result = pump(&work, forwarding, connection, &link, redialled) => result,
    }
}

/// Sends what the connection says, and waits for the next connection behind each.
async fn pump(
    work: &Work,
    forwarding: bool,
    mut connection: Connection,
    link: &Shared,
    mut redialled: mpsc::Receiver<Option<Connection>>,
) -> TaskResult {
    let mut pauses = work.tempo.pauses();
    let mut buffer = BytesMut::new();
    loop {
        work.line.active().await;
        buffer.reserve(work.tempo.chunk);
        let read = tokio::select! {
            () = connection.disconnected.cancelled() => Err(io::ErrorKind::NotConnected.into()),
            read = read(&connection.stream, &mut buffer, work.tempo.chunk) => read,
        };
        match read {
            Ok(1..) => {
                let bytes = buffer.split().freeze();
                if work.line.send(PayloadType::Output, bytes).await.is_err() {
                    return TaskResult::failed("");
                }
            }
            Ok(0) if !forwarding => return TaskResult::success(),
            Err(_) if !forwarding => return TaskResult::failed(""),
            Ok(0) | Err(_) => {
                // The client is not told; its next input connects again.
                drop(connection);
                set(link, Link::Broken);
                match redialled.recv().await {
                    Some(Some(next)) => connection = next,
                    Some(None) | None => return TaskResult::failed(""),
                }
                continue;
            }
        }
        pauses.pause().await;
    }
}

async fn read(stream: &TcpStream, buffer: &mut BytesMut, limit: usize) -> io::Result<usize> {
    use bytes::BufMut as _;
    loop {
        stream.readable().await?;
        match stream.try_read_buf(&mut (&mut *buffer).limit(limit)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

async fn write_all(stream: &TcpStream, mut bytes: Bytes) -> io::Result<()> {
    use bytes::Buf as _;
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(&bytes) {
            Ok(count) => bytes.advance(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self { stream: Arc::new(stream), disconnected: CancellationToken::new() }
    }
}

fn set(link: &Shared, to: Link) {
    *link.lock().unwrap_or_else(PoisonError::into_inner) = to;
}

fn state(link: &Shared) -> Link {
    link.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The client's way into the connection.
pub(super) struct BasicInput {
    link: Shared,
    redials: mpsc::Sender<Option<Connection>>,
    dialer: Dialer,
    terminated: CancellationToken,
    knows_disconnect: bool,
    knows_terminate: bool,
}

impl BasicInput {
    pub(super) async fn handle(&mut self, kind: PayloadType, payload: Bytes) -> Handled {
        if kind == PayloadType::Output {
            return self.write(payload).await;
        }
        let flag = SessionFlag::decode(&payload).filter(|_| kind == PayloadType::Flag);
        if flag == Some(SessionFlag::DisconnectToPort) && self.knows_disconnect {
            self.disconnect();
        } else if flag == Some(SessionFlag::TerminateSession) && self.knows_terminate {
            self.terminated.cancel();
        }
        Handled::Done
    }

    fn disconnect(&self) {
        if let Link::Open(connection) = state(&self.link) {
            set(&self.link, Link::Closing);
            connection.disconnected.cancel();
        }
    }

    async fn write(&self, payload: Bytes) -> Handled {
        if self.dialer.is_stalled() {
            std::future::pending::<()>().await;
        }
        let connection = match state(&self.link) {
            Link::Open(connection) => connection,
            // The write fails; the client sends it again until the connection is new.
            Link::Closing => return Handled::Failed,
            Link::Broken => match self.connect_again().await {
                Some(connection) => connection,
                None => return Handled::Failed,
            },
        };
        match write_all(&connection.stream, payload).await {
            Ok(()) => Handled::Done,
            Err(_) => Handled::Failed,
        }
    }

    async fn connect_again(&self) -> Option<Connection> {
        let connection = self.dialer.dial().await.ok().map(Connection::new);
        if let Some(connection) = &connection {
            set(&self.link, Link::Open(connection.clone()));
        }
        // The reading side waits for it, or the session is over.
        drop(self.redials.send(connection.clone()).await);
        connection
    }
}
