//! Output on its way from a session to whoever reads it: gathered into pieces worth handing
//! over, and counted until the reader says it is done with them.
//!
//! What is counted and not yet acknowledged is the window. When it is full the driver stops
//! reading its socket, and so the far side stops producing: nothing piles up here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

/// Largest piece handed over.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces ready before the reader has taken the last: the rest is gathered further.
const PIECES_READY: usize = 2;

/// How output is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputFlow {
    /// Bytes handed over and not acknowledged at which the session stops reading.
    pub window_bytes: usize,
    /// How long output may be held to make larger pieces. The first output after a pause is
    /// never held.
    pub gather: Duration,
}

impl Default for OutputFlow {
    /// Suits a window that draws: pieces of a screen frame's part, a megabyte ahead at most.
    fn default() -> Self {
        Self { window_bytes: 1024 * 1024, gather: Duration::from_millis(4) }
    }
}

/// Which of the far side's two outputs bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or the terminal.
    Output,
    /// Standard error of a command without a terminal.
    Error,
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it came from.
    pub stream: Stream,
    /// The bytes, never empty.
    pub bytes: Bytes,
}

/// Counts what the reader has not acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    outstanding: AtomicUsize,
    driver: AtomicWaker,
}

impl Meter {
    /// The reader is done with this many bytes.
    pub(crate) fn acknowledge(&self, bytes: usize) {
        let subtract = |count: usize| Some(count.saturating_sub(bytes));
        // The update cannot fail: the closure always answers.
        let _ = self.outstanding.fetch_update(Ordering::AcqRel, Ordering::Acquire, subtract);
        self.driver.wake();
    }

    /// Wakes the driver, as something else changed on the reader's side.
    pub(crate) fn wake(&self) {
        self.driver.wake();
    }

    fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Acquire)
    }
}

/// The driver's end.
#[derive(Debug)]
pub(crate) struct Outflow {
    flow: OutputFlow,
    meter: Arc<Meter>,
    pieces: Option<PollSender<Piece>>,
    gathered: VecDeque<Piece>,
    gathered_bytes: usize,
    not_before: Option<Instant>,
}

impl Outflow {
    pub(crate) fn new(flow: OutputFlow) -> (Self, mpsc::Receiver<Piece>, Arc<Meter>) {
        let (pieces, reader) = mpsc::channel(PIECES_READY);
        let meter = Arc::new(Meter::default());
        let outflow = Self {
            flow,
            meter: Arc::clone(&meter),
            pieces: Some(PollSender::new(pieces)),
            gathered: VecDeque::new(),
            gathered_bytes: 0,
            not_before: None,
        };
        (outflow, reader, meter)
    }

    /// Takes output in. Never refuses: the driver looks at [`Self::has_room`] before it reads.
    pub(crate) fn push(&mut self, stream: Stream, bytes: Bytes) {
        if self.pieces.is_none() || bytes.is_empty() {
            return;
        }
        self.meter.outstanding.fetch_add(bytes.len(), Ordering::AcqRel);
        self.gathered_bytes += bytes.len();
        self.gathered.push_back(Piece { stream, bytes });
    }

    /// Says whether the window has room.
    pub(crate) fn has_room(&self) -> bool {
        self.pieces.is_none() || self.meter.outstanding() < self.flow.window_bytes
    }

    /// Hands over what is due and fits; registers the waker for the rest.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>, now: Instant) {
        self.meter.driver.register(cx.waker());
        while self.is_due(now) {
            let Some(pieces) = &mut self.pieces else { return };
            match pieces.poll_reserve(cx) {
                Poll::Pending => return,
                Poll::Ready(Err(_)) => return self.discard(),
                Poll::Ready(Ok(())) => {
                    let Some(piece) = self.gather() else { return };
                    let Some(pieces) = &mut self.pieces else { return };
                    if pieces.send_item(piece).is_err() {
                        return self.discard();
                    }
                    self.not_before = Some(now + self.flow.gather);
                }
            }
        }
    }

    /// Answers when gathered output has to go at the latest.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let is_waiting = !self.gathered.is_empty() && self.gathered_bytes < PIECE_BYTES;
        // While the reader's queue is full, its waker is what counts.
        let is_blocked = self
            .pieces
            .as_ref()
            .is_some_and(|pieces| pieces.get_ref().is_some_and(|sender| sender.capacity() == 0));
        if is_waiting && !is_blocked { self.not_before } else { None }
    }

    /// Stops taking output in; what is left is for [`Rest::deliver`].
    pub(crate) fn close(&mut self) -> Rest {
        let pieces = self.pieces.take();
        let mut left = Vec::new();
        while let Some(piece) = self.gather() {
            left.push(piece);
        }
        Rest { sender: pieces.and_then(|pieces| pieces.get_ref().cloned()), left }
    }

    fn is_due(&self, now: Instant) -> bool {
        !self.gathered.is_empty()
            && (self.gathered_bytes >= PIECE_BYTES || self.not_before.is_none_or(|at| at <= now))
    }

    /// Joins what came from one stream in a row.
    fn gather(&mut self) -> Option<Piece> {
        let Piece { stream, bytes } = self.gathered.pop_front()?;
        let follows = |next: &Piece| next.stream == stream;
        let piece = if self.gathered.front().is_some_and(follows) {
            let mut joined = BytesMut::with_capacity(self.gathered_bytes.min(2 * PIECE_BYTES));
            joined.extend_from_slice(&bytes);
            while joined.len() < PIECE_BYTES
                && let Some(next) = self.gathered.pop_front_if(|next| follows(next))
            {
                joined.extend_from_slice(&next.bytes);
            }
            joined.freeze()
        } else {
            bytes
        };
        self.gathered_bytes -= piece.len();
        Some(Piece { stream, bytes: piece })
    }

    /// Nobody reads any more: what is left is nobody's.
    fn discard(&mut self) {
        self.pieces = None;
        self.meter.acknowledge(self.gathered_bytes);
        self.gathered.clear();
        self.gathered_bytes = 0;
    }
}

/// The last output of a session that is over.
#[derive(Debug)]
pub(crate) struct Rest {
    sender: Option<mpsc::Sender<Piece>>,
    left: Vec<Piece>,
}

impl Rest {
    /// Waits for the reader to take it all, or to go away.
    pub(crate) async fn deliver(self) {
        let Some(sender) = self.sender else { return };
        for piece in self.left {
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::clock;

    async fn flush(outflow: &mut Outflow) {
        poll_fn(|cx| {
            outflow.poll_flush(cx, clock::now());
            Poll::Ready(())
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_piece_leaves_at_once_and_the_next_ones_together() {
        let (mut outflow, mut reader, _meter) = Outflow::new(OutputFlow::default());
        outflow.push(Stream::Output, "a".into());
        flush(&mut outflow).await;
        assert_eq!(reader.try_recv().expect("no delay").bytes, "a");
        for text in ["b", "c", "d"] {
            outflow.push(Stream::Output, text.into());
            flush(&mut outflow).await;
        }
        assert!(reader.try_recv().is_err());
        clock::sleep_until(outflow.poll_timeout().expect("a deadline")).await;
        flush(&mut outflow).await;
        assert_eq!(reader.try_recv().expect("gathered").bytes, "bcd");
    }

    #[tokio::test(start_paused = true)]
    async fn streams_are_not_mixed() {
        let flow = OutputFlow { gather: Duration::ZERO, ..OutputFlow::default() };
        let (mut outflow, mut reader, _meter) = Outflow::new(flow);
        for (stream, text) in [(Stream::Output, "a"), (Stream::Output, "b"), (Stream::Error, "c")] {
            outflow.push(stream, text.into());
        }
        flush(&mut outflow).await;
        assert_eq!(reader.recv().await.unwrap().bytes, "ab");
        assert_eq!(reader.recv().await.unwrap().stream, Stream::Error);
    }

    #[tokio::test(start_paused = true)]
    async fn the_window_opens_with_acknowledgements() {
        let flow = OutputFlow { window_bytes: 100, gather: Duration::ZERO };
        let (mut outflow, mut reader, meter) = Outflow::new(flow);
        outflow.push(Stream::Output, Bytes::from_static(&[7; 100]));
        assert!(!outflow.has_room());
        flush(&mut outflow).await;
        let piece = reader.recv().await.unwrap();
        assert!(!outflow.has_room(), "taking is not acknowledging");
        meter.acknowledge(piece.bytes.len());
        assert!(outflow.has_room());
    }

    #[tokio::test(start_paused = true)]
    async fn large_output_comes_in_bounded_pieces_and_the_rest_follows() {
        let (mut outflow, mut reader, _meter) = Outflow::new(OutputFlow::default());
        for _ in 0..400 {
            outflow.push(Stream::Output, Bytes::from_static(&[7; 1024]));
        }
        flush(&mut outflow).await;
        let rest = tokio::spawn(outflow.close().deliver());
        let mut total = 0;
        while let Some(piece) = reader.recv().await {
            assert!(piece.bytes.len() < PIECE_BYTES + 1024);
            total += piece.bytes.len();
            if total == 400 * 1024 {
                break;
            }
        }
        rest.await.unwrap();
        assert_eq!(total, 400 * 1024);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_left_holds_nothing_up() {
        let flow = OutputFlow { window_bytes: 10, gather: Duration::ZERO };
        let (mut outflow, reader, _meter) = Outflow::new(flow);
        drop(reader);
        outflow.push(Stream::Output, Bytes::from_static(&[7; 100]));
        flush(&mut outflow).await;
        outflow.push(Stream::Output, Bytes::from_static(&[7; 100]));
        assert!(outflow.has_room());
    }
}
