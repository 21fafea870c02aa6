//! Whether the far end is there to take data.

use std::time::{Duration, Instant};

/// `start_publication` may never come; this is how often we look ourselves.
const PROBE_INTERVAL: Duration = Duration::from_secs(3);

/// ```text
/// Present ──pause_publication──► Away ──start_publication, or anything from the agent──► Present
/// ```
#[derive(Debug, Default)]
pub(super) enum Pause {
    #[default]
    Present,
    Away {
        /// When to look again; `None` once that is due.
        probe_at: Option<Instant>,
    },
}

impl Pause {
    /// True if this is news.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        if self.is_away() {
            return false;
        }
        *self = Self::Away { probe_at: Some(now + PROBE_INTERVAL) };
        true
    }

    /// True if this is news.
    pub(super) fn end(&mut self) -> bool {
        let is_news = self.is_away();
        *self = Self::Present;
        is_news
    }

    pub(super) fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    /// Whether one message may go out to see if the far end is back.
    pub(super) fn is_probe_due(&mut self, now: Instant) -> bool {
        match self {
            Self::Present => false,
            Self::Away { probe_at } => {
                probe_at.take_if(|at| *at <= now);
                probe_at.is_none()
            }
        }
    }

    pub(super) fn probed(&mut self, now: Instant) {
        if let Self::Away { probe_at } = self {
            *probe_at = Some(now + PROBE_INTERVAL);
        }
    }

    pub(super) fn next_probe(&self) -> Option<Instant> {
        match self {
            Self::Present => None,
            Self::Away { probe_at } => *probe_at,
        }
    }
}
