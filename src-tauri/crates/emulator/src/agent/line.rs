//! The agent's data channel in use: numbered, kept, handed to the gateway.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use protocol::{Message, PayloadType};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use super::tempo::Tempo;
use crate::clock;
use crate::data_channel::{DataChannel, Place, RESEND_TICK};
use crate::gateway::{Item, Parcel, TaskResult};

/// Data messages that wait for the gateway; its full queue is what stops a source that outruns
/// its client's websocket.
const ROOM: usize = 256;
/// How long the end of a session waits for its last acknowledgements, and how often it looks.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// The gateway's end is gone: the session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;

/// A handle to the data channel. Clones share it.
#[derive(Clone)]
pub(super) struct Line {
    shared: Arc<Shared>,
}

struct Shared {
    channel: Mutex<DataChannel>,
    down: mpsc::Sender<Parcel>,
    room: Arc<Semaphore>,
    window: Option<usize>,
    paused: watch::Sender<bool>,
    /// Told when the first of a row of messages is unacknowledged.
    undrained: Notify,
    /// Told of every acknowledgement.
    acknowledged: Notify,
}

impl Line {
    pub(super) fn new(down: mpsc::Sender<Parcel>, tempo: &Tempo, reacks: bool) -> Self {
        Self {
            shared: Arc::new(Shared {
                channel: Mutex::new(DataChannel::new(tempo.resend, reacks)),
                down,
                room: Arc::new(Semaphore::new(ROOM)),
                window: tempo.window,
                paused: watch::Sender::new(false),
                undrained: Notify::new(),
                acknowledged: Notify::new(),
            }),
        }
    }

    /// Sends one payload; an empty one is nothing. Waits only for room towards the gateway, never
    /// for an acknowledgement, unless a window was asked for.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the session is over.
    pub(super) async fn send(
        &self,
        payload_type: PayloadType,
        payload: Bytes,
    ) -> Result<(), Closed> {
        if payload.is_empty() {
            return Ok(());
        }
        self.window_open().await;
        let room = Arc::clone(&self.shared.room).acquire_owned().await.map_err(|_| Closed)?;
        let was_drained = {
            let mut channel = self.channel();
            let was_drained = channel.is_drained();
            if let Some(frame) = channel.send(payload_type, payload, clock::now()) {
                // Within the lock, so that messages leave in the order of their numbers.
                let parcel = Parcel { item: Item::Frame(frame), room: Some(room) };
                if let Err(TrySendError::Closed(_)) = self.shared.down.try_send(parcel) {
                    return Err(Closed);
                }
            }
            was_drained
        };
        if was_drained {
            self.shared.undrained.notify_one();
        }
        Ok(())
    }

    /// Acknowledges `message`. Lost if there is no room: acknowledgements are never waited for.
    pub(super) fn acknowledge(&self, message: &Message) {
        let frame = self.channel().acknowledgement(message);
        // Without room or gateway the client sends the message again, or nobody does.
        drop(self.shared.down.try_send(Item::Frame(frame).into()));
    }

    /// Tells the gateway that the session goes on, or is about to end.
    pub(super) async fn tell_state(&self, terminating: bool) {
        // A gateway that is gone needs no telling.
        drop(self.shared.down.send(Item::State { terminating }.into()).await);
    }

    /// Tells the service how the task ended.
    pub(super) async fn tell_result(&self, result: TaskResult) {
        drop(self.shared.down.send(Item::Done(result).into()).await);
    }

    pub(super) fn acknowledged(&self, sequence: i64) {
        self.channel().acknowledged(sequence, clock::now());
        self.shared.acknowledged.notify_waiters();
    }

    pub(super) fn place(&self, message: &Message) -> Place {
        self.channel().place(message)
    }

    pub(super) fn advance(&self) {
        self.channel().advance();
    }

    pub(super) fn next_early(&self) -> Option<Message> {
        self.channel().next_early()
    }

    pub(super) fn set_paused(&self, paused: bool) {
        let changed = self.shared.paused.send_if_modified(|now| {
            let changed = *now != paused;
            *now = paused;
            changed
        });
        if changed {
            self.channel().set_paused(paused);
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        *self.shared.paused.borrow()
    }

    /// Waits until sources may be read.
    pub(super) async fn active(&self) {
        if self.is_paused() {
            // The sender lives as long as this handle.
            drop(self.shared.paused.subscribe().wait_for(|paused| !paused).await);
        }
    }

    /// Waits, not for long, until everything is acknowledged.
    pub(super) async fn drained(&self) {
        let looks = async {
            while !self.channel().is_drained() {
                tokio::time::sleep(DRAIN_LOOK).await;
            }
        };
        // What is left is lost with the session.
        drop(tokio::time::timeout(DRAIN_LIMIT, looks).await);
    }

    /// Sends again what is not acknowledged in time, for ever. Sleeps while there is nothing.
    pub(super) async fn resend(self) {
        let start = clock::now();
        loop {
            while self.channel().is_drained() {
                self.shared.undrained.notified().await;
            }
            let ticks = start.elapsed().as_millis() / RESEND_TICK.as_millis() + 1;
            let next = start + RESEND_TICK * u32::try_from(ticks).unwrap_or(u32::MAX);
            tokio::time::sleep_until(next).await;
            let frames = self.channel().tick(clock::now());
            for frame in frames {
                // Without room the next tick tries again.
                drop(self.shared.down.try_send(Item::Frame(frame).into()));
            }
        }
    }

    /// The lock is never held over an await.
    pub(super) fn channel(&self) -> MutexGuard<'_, DataChannel> {
        self.shared.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn window_open(&self) {
        let Some(window) = self.shared.window else { return };
        loop {
            let acknowledged = self.shared.acknowledged.notified();
            if self.channel().unacknowledged_bytes() < window {
                return;
            }
            acknowledged.await;
        }
    }
}
