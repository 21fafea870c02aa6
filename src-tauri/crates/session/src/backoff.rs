//! When to try again. Pure: it is told nothing but that an attempt failed.

use std::time::Duration;

/// The first delay's upper bound; short, because most interruptions are over at once.
const FLOOR: Duration = Duration::from_millis(250);
/// The last delay's upper bound: what a user still takes for "at once" after an outage.
const CEILING: Duration = Duration::from_secs(15);
/// No delay is shorter, so that a far end that fails instantly does not make a busy loop.
const LEAST: Duration = Duration::from_millis(25);

/// Counts failed attempts and spreads the next ones: at once, then full jitter up to 15 s.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    attempt: u32,
    random: u64,
}

impl Backoff {
    /// Starts with no failure behind it. Different seeds keep many sessions from trying in step.
    pub(crate) fn new(seed: u64) -> Self {
        Self { attempt: 0, random: seed }
    }

    /// Says how many attempts have been made since the last success.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Forgets the failures: an attempt has proved itself.
    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
    }

    /// Counts one more attempt and says how long to wait before it. The first waits for nothing.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let doublings = self.attempt.checked_sub(1);
        self.attempt = self.attempt.saturating_add(1);
        let Some(doublings) = doublings else { return Duration::ZERO };
        let bound = FLOOR.saturating_mul(1 << doublings.min(16)).min(CEILING);
        bound.mul_f64(self.next_fraction()).max(LEAST)
    }

    /// SplitMix64: spread is all that is asked of it.
    fn next_fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.random;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        f64::from(u32::try_from(word >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_is_made_at_once_and_again_after_a_reset() {
        let mut backoff = Backoff::new(7);
        assert_eq!(backoff.next_delay(), Duration::ZERO);
        assert!(backoff.next_delay() > Duration::ZERO);
        backoff.reset();
        assert_eq!(backoff.next_delay(), Duration::ZERO);
    }

    #[test]
    fn delays_stay_under_a_bound_that_doubles_up_to_the_ceiling() {
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed);
            backoff.next_delay();
            let mut bound = FLOOR;
            for _ in 0..100 {
                let delay = backoff.next_delay();
                assert!(delay >= LEAST && delay <= bound, "{delay:?} over {bound:?}");
                bound = (bound * 2).min(CEILING);
            }
        }
    }

    #[test]
    fn delays_differ_from_seed_to_seed() {
        let third = |seed| {
            let mut backoff = Backoff::new(seed);
            (backoff.next_delay(), backoff.next_delay(), backoff.next_delay()).2
        };
        let distinct: std::collections::BTreeSet<_> = (0..50).map(third).collect();
        assert!(distinct.len() > 40);
    }
}
