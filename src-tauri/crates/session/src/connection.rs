//! One local socket and its seat in a port session: bytes up as credit allows, bytes down as
//! fast as the program reads, and an end that loses neither side's last words.
//!
//! The wire has no half close, so when the local program shuts down its sending side we keep
//! the stream open and go on delivering until the far side ends it or falls silent. When the
//! far side could not be reached or is lost, the socket is reset: a clean end would be a lie.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use protocol::mux::frame::StreamId;
use protocol::{Outgoing, Segment};
use socket2::SockRef;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::tunnel::listener::LocalStream;

/// Bytes a connection may have waiting on our side of the window: enough to keep the largest
/// messages coming, little enough that a thousand connections fit in memory.
pub(crate) const CREDIT_BYTES: usize = 256 * 1024;
/// Most bytes taken from a socket at once; also the largest mux frame.
const READ_BYTES: u32 = 32 * 1024;
/// What is shorter is copied, so that a keystroke does not hold the room of a whole read.
const SHORT_BYTES: usize = 4 * 1024;
/// Deliveries taken from the queue at once.
const BATCH: usize = 64;
/// How long a program may go on sending after the far side has ended the stream, unread.
const DISCARD_LIMIT: Duration = Duration::from_secs(5);

/// Names one connection within a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(pub(crate) u64);

/// What connections tell their port session.
#[derive(Debug)]
pub(crate) enum ToPort {
    /// A connection wants a stream; its first bytes travel with the stream's opening.
    Open { key: Key, place: Place, first: Option<Outgoing> },
    /// Bytes from the local program. Their credit comes back when they leave for the wire.
    Data { key: Key, bytes: Outgoing },
    /// The local program has said all it will, and still listens.
    Finish { key: Key },
    /// This many delivered bytes have been written to the local socket.
    Consumed { key: Key, bytes: usize },
    /// The connection is done with its stream.
    Close { key: Key },
}

/// A port session's side of a seat.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) deliveries: mpsc::Sender<Delivery>,
    pub(crate) credit: Arc<Semaphore>,
    pub(crate) framing: Arc<Framing>,
    /// Overtakes all deliveries; dropping it means [`Breach::Lost`].
    pub(crate) breach: oneshot::Sender<Breach>,
}

/// What a connection has to know to read its bytes into the messages they will be.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    /// Its stream; 0 while it has none.
    stream: AtomicU32,
    /// The most bytes that make one message; 0 where they do not make one by themselves.
    message_bytes: AtomicUsize,
}

impl Framing {
    pub(crate) fn set_stream(&self, stream: StreamId) {
        self.stream.store(stream.0, Ordering::Relaxed);
    }

    pub(crate) fn set_message_bytes(&self, bytes: usize) {
        self.message_bytes.store(bytes, Ordering::Relaxed);
    }

    /// How much to read at once.
    fn read_bytes(&self) -> usize {
        let most = READ_BYTES as usize;
        match self.message_bytes.load(Ordering::Relaxed) {
            0 => most,
            bytes => bytes.clamp(SHORT_BYTES, most),
        }
    }

    /// Makes a message of a segment that is as long as one may be. It has taken a read that was
    /// full: more is likely to follow, and the session's task will have enough to do.
    fn apply(&self, segment: &mut Segment) {
        let stream = self.stream.load(Ordering::Relaxed);
        let is_whole = segment.bytes().len() == self.message_bytes.load(Ordering::Relaxed);
        if stream != 0 && is_whole {
            segment.frame_for(StreamId(stream));
        }
    }
}

/// What a port session tells a connection.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// Bytes for the local program.
    Data(Bytes),
    /// The far side has ended the stream.
    Finished,
}

/// Why a local socket has to be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// The node could not reach the destination.
    Refused,
    /// The program did not read while others needed the session.
    ReaderTooSlow,
    /// The session ended.
    Lost,
}

/// A connection's side of its place in a port session.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) key: Key,
    pub(crate) to_port: mpsc::Sender<ToPort>,
    pub(crate) deliveries: mpsc::Receiver<Delivery>,
    pub(crate) credit: Arc<Semaphore>,
    pub(crate) framing: Arc<Framing>,
    pub(crate) breach: oneshot::Receiver<Breach>,
}

impl Seat {
    /// Makes both sides of a place in the session behind `to_port`.
    pub(crate) fn new(key: Key, to_port: mpsc::Sender<ToPort>) -> (Self, Place) {
        let credit = Arc::new(Semaphore::new(CREDIT_BYTES));
        let (sender, deliveries) = mpsc::channel(2 * BATCH);
        let (breach, breached) = oneshot::channel();
        let framing = Arc::new(Framing::default());
        let place = Place {
            deliveries: sender,
            credit: Arc::clone(&credit),
            framing: Arc::clone(&framing),
            breach,
        };
        (Self { key, to_port, deliveries, credit, framing, breach: breached }, place)
    }
}

/// Serves one local socket until both sides are done with it.
///
/// # Errors
/// The [`Breach`] for which the socket was reset.
pub(crate) async fn serve(stream: LocalStream, seat: Seat, place: Place) -> Result<(), Breach> {
    let Seat { key, to_port, mut deliveries, credit, framing, mut breach } = seat;
    // A program that speaks first often has by now: its bytes then share the opening's message.
    tokio::task::yield_now().await;
    let first = first_bytes(&stream, &credit);
    let is_told = to_port.send(ToPort::Open { key, place, first }).await.is_ok();
    let relayed = async {
        let up = send_up(&stream, key, &to_port, &credit, &framing);
        let down = deliver(&stream, key, &to_port, &mut deliveries);
        relay(up, down).await
    };
    let outcome = tokio::select! {
        biased;
        breach = &mut breach, if is_told => Err(Stop::Breach(breach.unwrap_or(Breach::Lost))),
        outcome = relayed, if is_told => outcome,
        else => Err(Stop::Breach(Breach::Lost)),
    };
    if let Err(Stop::Breach(_)) = outcome {
        stream.reset_on_close();
    }
    let _ = to_port.send(ToPort::Close { key }).await;
    match outcome {
        Ok(()) => {
            discard(&stream).await;
            Ok(())
        }
        Err(Stop::Local) => Ok(()),
        Err(Stop::Breach(breach)) => Err(breach),
    }
}

/// Resets a socket that never got a seat.
pub(crate) fn refuse(stream: &LocalStream) {
    stream.reset_on_close();
}

enum Stop {
    /// The local socket failed.
    Local,
    Breach(Breach),
}

impl From<Breach> for Stop {
    fn from(breach: Breach) -> Self {
        Self::Breach(breach)
    }
}

/// Carries both ways; `Ok` when the far side has ended the stream and everything is written.
/// How long it has for that once the program has said all it will is the port session's to
/// measure.
async fn relay(
    up: impl Future<Output = Result<(), Stop>>,
    down: impl Future<Output = Result<(), Stop>>,
) -> Result<(), Stop> {
    let (mut up, mut down) = (pin!(up), pin!(down));
    let mut has_more = true;
    loop {
        tokio::select! {
            biased;
            ended = &mut down => return ended,
            ended = &mut up, if has_more => {
                ended?;
                has_more = false;
            }
        }
    }
}

/// Takes what the program has already sent, if it has, within a fresh credit.
fn first_bytes(stream: &LocalStream, credit: &Semaphore) -> Option<Outgoing> {
    let mut segment = Segment::with_capacity(READ_BYTES as usize);
    let count = stream.try_read(segment.tail()).ok().filter(|count| *count > 0)?;
    if let Ok(permits) = credit.try_acquire_many(u32::try_from(count).ok()?) {
        permits.forget();
    }
    Some(Bytes::copy_from_slice(segment.bytes()).into())
}

/// Reads the socket as far as credit goes, until the program ends its side.
async fn send_up(
    stream: &LocalStream,
    key: Key,
    to_port: &mpsc::Sender<ToPort>,
    credit: &Semaphore,
    framing: &Framing,
) -> Result<(), Stop> {
    // While nothing comes there is none: a thousand idle connections should hold no buffers.
    let mut ready: Option<Segment> = None;
    loop {
        let mut permits = credit.acquire_many(READ_BYTES).await.map_err(|_| Breach::Lost)?;
        stream.readable().await.map_err(|_| Stop::Local)?;
        let mut segment =
            ready.take().unwrap_or_else(|| Segment::with_capacity(framing.read_bytes()));
        let count = match stream.try_read(segment.tail()) {
            Ok(0) => {
                let told = to_port.send(ToPort::Finish { key }).await;
                return told.map_err(|_| Breach::Lost.into());
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return Err(Stop::Local),
        };
        if let Some(used) = permits.split(count) {
            used.forget();
        }
        drop(permits);
        let bytes = if count < SHORT_BYTES {
            let bytes = Bytes::copy_from_slice(segment.bytes());
            segment.clear();
            ready = Some(segment);
            bytes.into()
        } else {
            framing.apply(&mut segment);
            segment.into()
        };
        to_port.send(ToPort::Data { key, bytes }).await.map_err(|_| Breach::Lost)?;
    }
}

/// Writes what arrives until the far side ends the stream.
async fn deliver(
    stream: &LocalStream,
    key: Key,
    to_port: &mpsc::Sender<ToPort>,
    deliveries: &mut mpsc::Receiver<Delivery>,
) -> Result<(), Stop> {
    let mut batch = Vec::new();
    loop {
        if deliveries.recv_many(&mut batch, BATCH).await == 0 {
            return Err(Breach::Lost.into());
        }
        let mut pieces = VecDeque::with_capacity(batch.len());
        let mut is_end = false;
        for delivery in batch.drain(..) {
            match delivery {
                Delivery::Data(bytes) => pieces.push_back(bytes),
                Delivery::Finished => is_end = true,
            }
        }
        let bytes = pieces.iter().map(Bytes::len).sum();
        write_all(stream, pieces).await.map_err(|_| Stop::Local)?;
        if is_end {
            return Ok(());
        }
        to_port.send(ToPort::Consumed { key, bytes }).await.map_err(|_| Breach::Lost)?;
    }
}

async fn write_all(stream: &LocalStream, mut pieces: VecDeque<Bytes>) -> io::Result<()> {
    while !pieces.is_empty() {
        let slices: Vec<IoSlice<'_>> =
            pieces.iter().take(BATCH).map(|piece| IoSlice::new(piece)).collect();
        let mut written = match stream.try_write_vectored(&slices) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.writable().await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        while let Some(piece) = pieces.front_mut() {
            let step = written.min(piece.len());
            piece.advance(step);
            written -= step;
            if !piece.is_empty() {
                break;
            }
            pieces.pop_front();
        }
    }
    Ok(())
}

/// Ends our sending side and reads what the program still sends, so that closing does not reset
/// a connection whose last bytes it has yet to read.
async fn discard(stream: &LocalStream) {
    stream.shut_down_sending();
    let mut buffer = BytesMut::new();
    let _ = timeout(DISCARD_LIMIT, async {
        loop {
            stream.readable().await?;
            buffer.clear();
            buffer.reserve(4096);
            match stream.try_read(&mut buffer) {
                Ok(0) => return io::Result::Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    })
    .await;
}

impl LocalStream {
    async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            #[cfg(unix)]
            Self::Unix(stream) => stream.readable().await,
        }
    }

    async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            #[cfg(unix)]
            Self::Unix(stream) => stream.writable().await,
        }
    }

    fn try_read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read_buf(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_read_buf(buffer),
        }
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(slices),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_write_vectored(slices),
        }
    }

    fn shut_down_sending(&self) {
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    /// Makes the coming close a reset, where the family has such a thing.
    fn reset_on_close(&self) {
        let _ = self.socket().set_linger(Some(Duration::ZERO));
    }

    fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream),
            #[cfg(unix)]
            Self::Unix(stream) => SockRef::from(stream),
        }
    }
}
