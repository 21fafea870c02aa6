//! One stream of a mux and the connection it stands for.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use protocol::mux::frame::{Command, FRAME_HEADER_LEN, Frame, MAX_FRAME_PAYLOAD, StreamId};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};

use super::{Shared, close};

/// What has come of one stream and is not written yet. The mux's budget bounds it.
#[derive(Default)]
pub(super) struct Inlet {
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Default)]
struct Queue {
    bytes: VecDeque<Bytes>,
    finished: bool,
}

impl Inlet {
    pub(super) fn push(&self, bytes: Bytes) {
        self.queue().bytes.push_back(bytes);
        self.changed.notify_one();
    }

    /// Nothing more comes.
    pub(super) fn finish(&self) {
        self.queue().finished = true;
        self.changed.notify_one();
    }

    /// Empties and ends it.
    pub(super) fn take(&self) -> VecDeque<Bytes> {
        let mut queue = self.queue();
        queue.finished = true;
        std::mem::take(&mut queue.bytes)
    }

    /// The next bytes; none at the end. For one reader.
    async fn next(&self) -> Option<Bytes> {
        loop {
            {
                let mut queue = self.queue();
                if let Some(bytes) = queue.bytes.pop_front() {
                    return Some(bytes);
                }
                if queue.finished {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries bytes both ways until either way ends; that closes the stream and the connection as a
/// whole, as both official ends do. What the client had sent by then is still written.
pub(super) async fn carry(
    id: StreamId,
    connection: TcpStream,
    inlet: &Inlet,
    outgoing: &mpsc::Sender<Bytes>,
    shared: &Shared,
    stalled: bool,
) {
    let (read, mut write) = connection.into_split();
    let remote_ended = tokio::select! {
        () = read_remote(id, read, outgoing) => true,
        _ = write_remote(&mut write, inlet, shared, stalled) => false,
    };
    if !remote_ended {
        drop(write);
        return close(id, outgoing, shared).await;
    }
    let rest = inlet.take();
    close(id, outgoing, shared).await;
    for bytes in rest {
        let written = write.write_all(&bytes).await;
        shared.repay(bytes.len());
        // A remote side that is gone for this way too takes none of the rest.
        drop(written);
    }
}

async fn read_remote(
    id: StreamId,
    mut read: impl AsyncRead + Unpin,
    outgoing: &mpsc::Sender<Bytes>,
) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(MAX_FRAME_PAYLOAD);
        match (&mut read).take(MAX_FRAME_PAYLOAD as u64).read_buf(&mut buffer).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        let payload = buffer.split().freeze();
        let mut bytes = BytesMut::with_capacity(FRAME_HEADER_LEN + payload.len());
        Frame { command: Command::Psh, stream: id, payload }.encode(&mut bytes);
        if outgoing.send(bytes.freeze()).await.is_err() {
            return;
        }
    }
}

async fn write_remote(
    write: &mut (impl AsyncWrite + Unpin),
    inlet: &Inlet,
    shared: &Shared,
    stalled: bool,
) -> io::Result<()> {
    if stalled {
        std::future::pending::<()>().await;
    }
    while let Some(bytes) = inlet.next().await {
        let written = write.write_all(&bytes).await;
        shared.repay(bytes.len());
        written?;
    }
    Ok(())
}
