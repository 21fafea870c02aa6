//! What the UI may be told, and the queue it is told through.
//!
//! An event carries the whole new value of one thing, so of several that wait only the last one
//! counts: the queue keeps one place for each thing. What must not be lost (batches of nodes) is
//! put by whoever can wait for room; what may be asked for again (lines of a log) gives way.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::view::{
    BookmarksView, InventoryView, NoticeView, ProfilesView, SettingsView, TerminalStateView,
    TunnelLogView, TunnelTrafficView, TunnelView,
};

/// Events that may wait before whoever can wait does so, and others make room.
const MOST_WAITING: usize = 1024;

/// Something the UI may be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The accounts.
    Profiles(ProfilesView),
    /// A batch of nodes.
    Inventory(InventoryView),
    /// A terminal.
    Terminal(TerminalStateView),
    /// A tunnel.
    Tunnel(TunnelView),
    /// What tunnels moved in the last second.
    TunnelTraffic(TunnelTrafficView),
    /// A new line of a tunnel's log.
    TunnelLog(TunnelLogView),
    /// The bookmarks.
    Bookmarks(BookmarksView),
    /// The settings.
    Settings(SettingsView),
    /// Something that belongs to no place on screen.
    Notice(NoticeView),
}

impl Event {
    /// Says whether `later` makes this one pointless.
    fn gives_way_to(&self, later: &Self) -> bool {
        match (self, later) {
            (Self::Profiles(_), Self::Profiles(_))
            | (Self::Bookmarks(_), Self::Bookmarks(_))
            | (Self::Settings(_), Self::Settings(_)) => true,
            (Self::Terminal(earlier), Self::Terminal(later)) => earlier.id == later.id,
            (Self::Tunnel(earlier), Self::Tunnel(later)) => earlier.id == later.id,
            (Self::Notice(earlier), Self::Notice(later)) => earlier.id == later.id,
            _ => false,
        }
    }

    /// Says whether the UI can do without it.
    fn is_spare(&self) -> bool {
        matches!(self, Self::TunnelLog(_) | Self::TunnelTraffic(_))
    }
}

/// The end of the queue that events come out of. One per [`crate::Desktop`].
pub struct Events {
    queue: Arc<Queue>,
}

impl Events {
    /// Answers the next event; none once the product is closed and all has been told. Cancel
    /// safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let filled = self.queue.filled.notified();
            {
                let mut waiting = self.queue.lock();
                if let Some(event) = waiting.events.pop_front() {
                    drop(waiting);
                    self.queue.taken.notify_waiters();
                    return Some(event);
                }
                if waiting.is_closed {
                    return None;
                }
            }
            filled.await;
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Events").finish_non_exhaustive()
    }
}

/// The end of the queue that events are put into.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: Arc<Queue>,
}

struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
    taken: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_one();
        self.taken.notify_waiters();
    }
}

impl Outbox {
    /// Makes a queue and shows its two ends.
    pub(crate) fn new() -> (Self, Events) {
        let queue = Arc::new(Queue {
            waiting: Mutex::default(),
            filled: Notify::new(),
            taken: Notify::new(),
        });
        (Self { queue: Arc::clone(&queue) }, Events { queue })
    }

    /// Puts an event. Never waits, so that it can be called by whoever holds the thing it is
    /// about: events then come in the order of the changes.
    pub(crate) fn put(&self, event: Event) {
        let mut waiting = self.queue.lock();
        if waiting.is_closed {
            return;
        }
        let earlier = waiting.events.iter_mut().find(|earlier| earlier.gives_way_to(&event));
        match earlier {
            Some(earlier) => *earlier = event,
            None => {
                if waiting.events.len() >= MOST_WAITING
                    && let Some(spare) = waiting.events.iter().position(Event::is_spare)
                {
                    waiting.events.remove(spare);
                }
                waiting.events.push_back(event);
            }
        }
        drop(waiting);
        self.queue.filled.notify_one();
    }

    /// Waits until there is room for more. Cancel safe.
    pub(crate) async fn room(&self) {
        loop {
            let taken = self.queue.taken.notified();
            tokio::pin!(taken);
            taken.as_mut().enable();
            {
                let waiting = self.queue.lock();
                if waiting.is_closed || waiting.events.len() < MOST_WAITING / 2 {
                    return;
                }
            }
            taken.await;
        }
    }

    /// Ends the queue; what waits is still told.
    pub(crate) fn close(&self) {
        self.queue.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{NoticeId, Severity, TunnelId};

    fn notice(id: &str, text: &str) -> Event {
        let (error, profile_id) = (None, None);
        let id = NoticeId(id.to_owned());
        Event::Notice(NoticeView {
            id,
            severity: Severity::Info,
            text: text.to_owned(),
            error,
            profile_id,
        })
    }

    fn line(text: usize) -> Event {
        Event::TunnelLog(TunnelLogView {
            id: TunnelId("t".to_owned()),
            at_ms: 0,
            severity: Severity::Info,
            text: text.to_string(),
        })
    }

    #[tokio::test]
    async fn of_one_thing_only_the_last_value_is_told() {
        let (outbox, mut events) = Outbox::new();
        outbox.put(notice("a", "first"));
        outbox.put(notice("b", "other"));
        outbox.put(notice("a", "last"));
        outbox.close();
        assert_eq!(events.next().await, Some(notice("a", "last")));
        assert_eq!(events.next().await, Some(notice("b", "other")));
        assert_eq!(events.next().await, None);
    }

    #[tokio::test]
    async fn a_reader_that_is_away_costs_no_memory_and_loses_only_what_it_can_ask_for() {
        let (outbox, mut events) = Outbox::new();
        outbox.put(notice("a", "kept"));
        for text in 0..3 * MOST_WAITING {
            outbox.put(line(text));
        }
        assert_eq!(outbox.queue.lock().events.len(), MOST_WAITING);
        assert_eq!(events.next().await, Some(notice("a", "kept")));
        assert_eq!(events.next().await, Some(line(2 * MOST_WAITING + 1)));
        assert!(futures_util::FutureExt::now_or_never(outbox.room()).is_none());
        while events.queue.lock().events.len() > MOST_WAITING / 3 {
            events.next().await;
        }
        outbox.room().await;
    }
}
