//! Whether the far end is there to take data, and whether it knows that we are.

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
        /// How often we have looked.
        probes: u32,
    },
}

impl Pause {
    /// True if this is news.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        if self.is_away() {
            return false;
        }
        *self = Self::Away { probe_at: Some(now + PROBE_INTERVAL), probes: 0 };
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
            Self::Away { probe_at, .. } => {
                probe_at.take_if(|at| *at <= now);
                probe_at.is_none()
            }
        }
    }

    /// Notes that one is on its way. True for every second.
    pub(super) fn probed(&mut self, now: Instant) -> bool {
        match self {
            Self::Present => false,
            Self::Away { probe_at, probes } => {
                *probe_at = Some(now + PROBE_INTERVAL);
                *probes = probes.wrapping_add(1);
                *probes % 2 == 0
            }
        }
    }

    pub(super) fn next_probe(&self) -> Option<Instant> {
        match self {
            Self::Present => None,
            Self::Away { probe_at, .. } => *probe_at,
        }
    }
}

/// When to speak up on a connection on which the agent is silent.
const NUDGES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];

/// What is heard sooner than this may have been said before the agent was told to pause.
const STALE: Duration = Duration::from_secs(1);

/// An agent that was told to pause sends nothing until it is told to go on, or hears from the
/// client. The word to go on may be lost, and a client that only listens would wait for ever.
#[derive(Debug, Default)]
pub(super) struct Nudge {
    since: Option<Instant>,
    due: Vec<Instant>,
}

impl Nudge {
    /// The agent may be paused.
    pub(super) fn begin(&mut self, now: Instant) {
        self.since = Some(now);
        self.due = NUDGES.iter().rev().map(|after| now + *after).collect();
    }

    /// The agent was heard.
    pub(super) fn heard(&mut self, now: Instant) {
        if self.since.is_some_and(|since| now >= since + STALE) {
            self.end();
        }
    }

    /// There is no connection to speak on.
    pub(super) fn end(&mut self) {
        self.since = None;
        self.due.clear();
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.due.last().copied()
    }

    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        self.due.pop_if(|at| *at <= now).is_some()
    }
}
