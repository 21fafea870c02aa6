//! How fast an agent sends.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock;
use crate::faults::{AgentRules, JoinRule, Pacing, ResendRule};

/// What a real agent reads at a time.
const REAL_CHUNK: usize = 1024;
/// What an unpaced one does.
const UNPACED_CHUNK: usize = 16 * 1024;
/// From one message of a busy source to the next: the millisecond of sleep with its overrun and
/// the work, as measured at real agents (720 to 770 messages a second).
const STEP: Duration = Duration::from_micros(1_333);
/// A late wake-up is made good if it was not later than this; the timer only knows milliseconds.
const CATCH_UP: Duration = Duration::from_millis(10);
/// When a real agent's worker has been started and has connected.
const JOIN_AFTER_MS: u64 = 25;
/// How long a shell is not read, so that its first commands have run.
const SHELL_DELAY: Duration = Duration::from_secs(1);
/// What an unpaced agent has under way at most.
const UNPACED_WINDOW: usize = 4 * 1024 * 1024;

/// The pace of one agent: its rules with every absent one filled in.
#[derive(Clone, Debug)]
pub(super) struct Tempo {
    pub(super) real: bool,
    pub(super) chunk: usize,
    pub(super) shell_delay: Duration,
    pub(super) resend: ResendRule,
    pub(super) window: Option<usize>,
    pub(super) join: JoinRule,
}

impl Tempo {
    pub(super) fn of(rules: &AgentRules) -> Self {
        let real = rules.pacing == Pacing::Real;
        let (chunk, delay, resend, window, join) = if real {
            let join = JoinRule::AfterMs(JOIN_AFTER_MS);
            (REAL_CHUNK, SHELL_DELAY, ResendRule::Head, None, join)
        } else {
            let window = Some(UNPACED_WINDOW);
            (UNPACED_CHUNK, Duration::ZERO, ResendRule::All, window, JoinRule::WithClient)
        };
        Self {
            real,
            chunk: rules.chunk_bytes.unwrap_or(chunk).max(64),
            shell_delay: rules.shell_delay.unwrap_or(delay),
            resend: rules.resend.unwrap_or(resend),
            window: rules.window_bytes.or(window),
            join: rules.join.unwrap_or(join),
        }
    }

    /// The pauses of one source.
    pub(super) fn pauses(&self) -> Pauses {
        Pauses { real: self.real, next: None }
    }
}

/// The pause after each message of one source.
#[derive(Debug)]
pub(super) struct Pauses {
    real: bool,
    next: Option<Instant>,
}

impl Pauses {
    pub(super) async fn pause(&mut self) {
        if !self.real {
            return;
        }
        let now = clock::now();
        let last = self.next.filter(|next| now < *next + CATCH_UP).unwrap_or(now);
        let due = last + STEP;
        self.next = Some(due);
        tokio::time::sleep_until(due).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_busy_source_sends_some_750_messages_a_second() {
        let tempo = Tempo::of(&AgentRules::default());
        let mut pauses = tempo.pauses();
        let start = clock::now();
        for _ in 0..750 {
            pauses.pause().await;
        }
        let took = start.elapsed();
        assert!(
            took >= Duration::from_millis(995) && took < Duration::from_millis(1015),
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_unpaced_one_does_not_wait() {
        let mut pauses = Tempo::of(&AgentRules::unpaced()).pauses();
        let start = clock::now();
        for _ in 0..1000 {
            pauses.pause().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
