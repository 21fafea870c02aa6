//! What message sizes an endpoint is known to take, learned by any session and used by all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The sizes tried, in user bytes per message. The first is what every gateway takes; the last
/// is as large as a mux frame gets.
const LADDER: [usize; 4] = [1024, 8 * 1024, 16 * 1024, 32 * 1024];

/// After two cut connections a size is left alone for twice this, and twice as long each time.
const DOUBT: Duration = Duration::from_secs(5);

/// How large messages may become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayloadSize {
    /// As large as the endpoint takes, found out upwards.
    #[default]
    Probed,
    /// This many user bytes, tried once and never exceeded.
    AtMost(usize),
}

/// Remembers by endpoint, for as long as the process lives.
#[derive(Clone, Debug)]
pub(crate) struct Payloads {
    size: PayloadSize,
    /// Held for the length of a map operation only.
    known: Arc<Mutex<BTreeMap<String, Known>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    proven: usize,
    refused: Option<Refused>,
}

/// A size that was not taken, or seemed not to be.
#[derive(Clone, Copy, Debug)]
struct Refused {
    bytes: usize,
    /// When it may have been two cut connections after all. None: the endpoint said so.
    retry_at: Option<Instant>,
    times: u32,
}

impl Payloads {
    pub(crate) fn new(size: PayloadSize) -> Self {
        Self { size, known: Arc::default() }
    }

    /// Answers the next size to try with `endpoint`: the largest proven one, or the step above.
    pub(crate) fn next(&self, endpoint: &str, now: Instant) -> usize {
        let known = self.with(endpoint, |known| *known);
        let largest = match self.size {
            PayloadSize::Probed => usize::MAX,
            PayloadSize::AtMost(bytes) => bytes.max(1),
        };
        let ladder = LADDER.iter().copied().map(|step| step.min(largest));
        let bound = known.refused.filter(|bad| bad.retry_at.is_none_or(|at| now < at));
        let mut allowed = ladder.take_while(|step| bound.is_none_or(|bad| *step < bad.bytes));
        let first = allowed.next().unwrap_or(LADDER[0]).max(known.proven.min(largest));
        allowed.find(|step| *step > known.proven).unwrap_or(first)
    }

    /// A message of this size was acknowledged.
    pub(crate) fn note_proven(&self, endpoint: &str, bytes: usize) {
        self.with(endpoint, |known| known.proven = known.proven.max(bytes));
    }

    /// A message of this size was not taken: for certain, or as far as two connections cut
    /// under it tell.
    pub(crate) fn note_refused(
        &self,
        endpoint: &str,
        bytes: usize,
        is_certain: bool,
        now: Instant,
    ) {
        tracing::info!(endpoint, bytes, is_certain, "messages of this size are not taken");
        self.with(endpoint, |known| {
            let times = known.refused.map_or(0, |earlier| earlier.times) + 1;
            let pause = DOUBT.saturating_mul(1 << times.min(8));
            let retry_at = (!is_certain).then(|| now + pause);
            known.refused = Some(Refused { bytes, retry_at, times });
        });
    }

    fn with<T>(&self, endpoint: &str, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        change(known.entry(endpoint.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_climb_as_they_are_proven() {
        let now = Instant::now();
        let payloads = Payloads::new(PayloadSize::Probed);
        let mut tried = Vec::new();
        for _ in 0..5 {
            let size = payloads.next("a", now);
            tried.push(size);
            payloads.note_proven("a", size);
        }
        assert_eq!(tried, [8192, 16384, 32768, 32768, 32768]);
        assert_eq!(payloads.next("b", now), 8192, "endpoints differ");
    }

    #[test]
    fn a_refused_size_is_never_tried_again_and_a_doubtful_one_later() {
        let now = Instant::now();
        let later = now + Duration::from_secs(3600);
        let payloads = Payloads::new(PayloadSize::Probed);
        payloads.note_proven("a", 8192);
        payloads.note_refused("a", 16384, true, now);
        assert_eq!((payloads.next("a", now), payloads.next("a", later)), (8192, 8192));
        payloads.note_refused("b", 8192, false, now);
        assert_eq!((payloads.next("b", now), payloads.next("b", later)), (1024, 8192));
    }

    #[test]
    fn a_fixed_size_is_not_exceeded() {
        let now = Instant::now();
        let next = |bytes| Payloads::new(PayloadSize::AtMost(bytes)).next("a", now);
        assert_eq!((next(512), next(1024), next(1536), next(20_000)), (512, 1024, 1536, 8192));
        let payloads = Payloads::new(PayloadSize::AtMost(20_000));
        payloads.note_proven("a", 16384);
        assert_eq!(payloads.next("a", now), 20_000);
    }
}
