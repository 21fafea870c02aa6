//! Port sessions of many connections: the server of smux version 1.
//!
//! Frames of all streams share one budget for what has arrived and is not written yet; past it
//! nothing more is taken, of any stream, and nothing is acknowledged. Connections are dialled one
//! after the other, so a destination that never answers holds up all later ones.

mod stream;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use protocol::mux::frame::{Command, Frame, FrameDecoder, StreamId};
use protocol::{PayloadType, SessionFlag};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::dial::Dialer;
use super::input::{Handled, Input};
use super::{TaskResult, Work, ended};
use crate::clock;
use stream::{Inlet, carry};

/// Bytes that may have arrived without being written, over all streams.
const RECEIVE_BUDGET: isize = 4 * 1024 * 1024;
/// Streams that wait to be dialled.
const ACCEPT_BACKLOG: usize = 1024;
/// Frames on their way out: what the socket inside a real agent holds, some 200 KB.
const OUTGOING_FRAMES: usize = 8;
/// What the same socket still takes when nobody reads it any more.
const SOCKET_BYTES: usize = 208 * 1024;
/// How often a keep-alive is sent, and how often one is looked for.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_LIMIT: Duration = Duration::from_secs(30);

/// What the streams of a session share.
struct Shared {
    state: Mutex<State>,
    /// Told when budget is paid back.
    repaid: Notify,
    /// Cancelled at the first frame that is none.
    broken: CancellationToken,
}

struct State {
    budget: isize,
    streams: BTreeMap<StreamId, Arc<Inlet>>,
    /// Whether any frame came since the keep-alive last looked.
    heard: bool,
}

impl Shared {
    /// The lock is never held over an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn repay(&self, bytes: usize) {
        self.state().budget += isize::try_from(bytes).unwrap_or(isize::MAX);
        self.repaid.notify_waiters();
    }

    /// Forgets a stream; what it still held is paid back.
    fn forget(&self, id: StreamId) {
        let inlet = self.state().streams.remove(&id);
        if let Some(inlet) = inlet {
            self.repay(inlet.take().iter().map(Bytes::len).sum());
        }
    }
}

/// Runs a muxed session until it ends.
pub(super) async fn run(mut work: Work, dialer: Dialer) -> TaskResult {
    let shared = Arc::new(Shared {
        state: Mutex::new(State { budget: RECEIVE_BUDGET, streams: BTreeMap::new(), heard: false }),
        repaid: Notify::new(),
        broken: CancellationToken::new(),
    });
    let (accepted, backlog) = mpsc::channel(ACCEPT_BACKLOG);
    let (outgoing, frames) = mpsc::channel(OUTGOING_FRAMES);
    let terminated = CancellationToken::new();
    let input = MuxInput {
        shared: Arc::clone(&shared),
        decoder: FrameDecoder::new(),
        accepted,
        terminated: terminated.clone(),
        knows_terminate: work.capabilities.terminate_flag,
        after_break: 0,
    };
    let (unused, _) = tokio::sync::oneshot::channel();
    let ready = std::mem::replace(&mut work.ready, unused);
    // A reader that is gone hears nothing anyway.
    drop(ready.send(Input::Mux(input)));

    let keep_alive = work.capabilities.mux_keep_alive(&work.client_version);
    let mut ending = work.ending.clone();
    tokio::select! {
        () = ended(&mut ending) => TaskResult::success(),
        () = terminated.cancelled() => TaskResult::success(),
        () = pump(&work, frames, &shared) => TaskResult::failed(""),
        () = serve(&work, dialer, backlog, &outgoing, &shared) => TaskResult::failed(""),
        () = stay_alive(&outgoing, &shared), if keep_alive => TaskResult::failed(""),
    }
}

/// Sends the frames of all streams as one row of bytes. Ends when there is nobody to send to, or
/// at the first bytes after the mux is broken.
async fn pump(work: &Work, mut frames: mpsc::Receiver<Bytes>, shared: &Shared) {
    let mut pauses = work.tempo.pauses();
    let mut rest = Bytes::new();
    let chunk = work.tempo.chunk;
    loop {
        work.line.active().await;
        if rest.is_empty() {
            match frames.recv().await {
                Some(frame) => rest = frame,
                None => return,
            }
        }
        if shared.broken.is_cancelled() {
            return;
        }
        let mut payload = rest.split_to(rest.len().min(chunk));
        if payload.len() < chunk
            && let Ok(next) = frames.try_recv()
        {
            let mut whole = BytesMut::with_capacity(chunk);
            whole.extend_from_slice(&payload);
            rest = next;
            loop {
                let room = chunk - whole.len();
                whole.extend_from_slice(&rest.split_to(rest.len().min(room)));
                if whole.len() == chunk {
                    break;
                }
                match frames.try_recv() {
                    Ok(next) => rest = next,
                    Err(_) => break,
                }
            }
            payload = whole.freeze();
        }
        if work.line.send(PayloadType::Output, payload).await.is_err() {
            return;
        }
        pauses.pause().await;
    }
}

/// Dials for one stream after the other, and carries each that is connected.
async fn serve(
    work: &Work,
    dialer: Dialer,
    mut backlog: mpsc::Receiver<(StreamId, Arc<Inlet>)>,
    outgoing: &mpsc::Sender<Bytes>,
    shared: &Arc<Shared>,
) {
    let mut carriers = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = backlog.recv() => accepted,
            () = shared.broken.cancelled() => None,
            Some(_) = carriers.join_next() => continue,
        };
        let Some((id, inlet)) = accepted else {
            // The real agent's other half does not notice until it next has something to send.
            std::future::pending::<()>().await;
            return;
        };
        match dialer.dial().await {
            Ok(connection) => {
                let stalled = dialer.is_stalled();
                let (outgoing, shared) = (outgoing.clone(), Arc::clone(shared));
                carriers.spawn(async move {
                    carry(id, connection, &inlet, &outgoing, &shared, stalled).await;
                });
            }
            Err(error) => {
                tracing::debug!(%error, stream = id.0, "destination refused");
                let flag = SessionFlag::ConnectToPortError.encode();
                if work.line.send(PayloadType::Flag, flag).await.is_err() {
                    return;
                }
                close(id, outgoing, shared).await;
            }
        }
    }
}

/// Ends a stream both ways: the other side is told, and nothing more of it is taken.
async fn close(id: StreamId, outgoing: &mpsc::Sender<Bytes>, shared: &Shared) {
    shared.forget(id);
    // With nobody to tell the session is over.
    drop(outgoing.send(encoded(&Frame::bare(Command::Fin, id))).await);
}

fn encoded(frame: &Frame) -> Bytes {
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    bytes.freeze()
}

/// Sends a sign of life every ten seconds; ends when none came for thirty.
async fn stay_alive(outgoing: &mpsc::Sender<Bytes>, shared: &Shared) {
    let start = clock::now();
    let mut send = tokio::time::interval_at(start + KEEP_ALIVE_INTERVAL, KEEP_ALIVE_INTERVAL);
    let mut look = tokio::time::interval_at(start + KEEP_ALIVE_LIMIT, KEEP_ALIVE_LIMIT);
    loop {
        tokio::select! {
            _ = send.tick() => {
                if outgoing.send(encoded(&Frame::bare(Command::Nop, StreamId(0)))).await.is_err() {
                    return;
                }
            }
            _ = look.tick() => {
                if !std::mem::take(&mut shared.state().heard) {
                    return;
                }
            }
        }
    }
}

/// The client's way into the mux.
pub(super) struct MuxInput {
    shared: Arc<Shared>,
    decoder: FrameDecoder,
    accepted: mpsc::Sender<(StreamId, Arc<Inlet>)>,
    terminated: CancellationToken,
    knows_terminate: bool,
    /// Bytes that came after the mux was broken.
    after_break: usize,
}

impl MuxInput {
    pub(super) async fn handle(&mut self, kind: PayloadType, payload: Bytes) -> Handled {
        if kind == PayloadType::Output {
            self.take(payload).await;
        } else if kind == PayloadType::Flag
            && self.knows_terminate
            && SessionFlag::decode(&payload) == Some(SessionFlag::TerminateSession)
        {
            self.terminated.cancel();
        }
        Handled::Done
    }

    async fn take(&mut self, payload: Bytes) {
        if self.shared.broken.is_cancelled() {
            self.after_break += payload.len();
            if self.after_break > SOCKET_BYTES {
                std::future::pending::<()>().await;
            }
            return;
        }
        self.decoder.push(payload);
        loop {
            match self.decoder.next() {
                Ok(None) => return,
                Ok(Some(frame)) => {
                    self.budget_left().await;
                    self.frame(frame).await;
                }
                Err(error) => {
                    tracing::debug!(%error, "mux is broken");
                    return self.shared.broken.cancel();
                }
            }
        }
    }

    async fn frame(&mut self, frame: Frame) {
        let id = frame.stream;
        let opened = {
            let mut state = self.shared.state();
            state.heard = true;
            match frame.command {
                Command::Syn if !state.streams.contains_key(&id) => {
                    let inlet = Arc::new(Inlet::default());
                    state.streams.insert(id, Arc::clone(&inlet));
                    Some(inlet)
                }
                Command::Psh => {
                    // Of a stream nobody knows it is read and forgotten.
                    if let Some(inlet) = state.streams.get(&id).map(Arc::clone) {
                        state.budget -= isize::try_from(frame.payload.len()).unwrap_or(isize::MAX);
                        inlet.push(frame.payload);
                    }
                    None
                }
                Command::Fin => {
                    if let Some(inlet) = state.streams.get(&id) {
                        inlet.finish();
                    }
                    None
                }
                Command::Syn | Command::Nop => None,
            }
        };
        if let Some(inlet) = opened {
            // The backlog is read for as long as the session lasts.
            drop(self.accepted.send((id, inlet)).await);
        }
    }

    async fn budget_left(&self) {
        loop {
            let repaid = self.shared.repaid.notified();
            if self.shared.state().budget > 0 {
                return;
            }
            repaid.await;
        }
    }
}
