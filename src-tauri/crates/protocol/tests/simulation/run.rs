//! Many runs, on all cores.

use std::fmt::Write as _;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::mutation::Mutation;
use crate::plan::Plan;
use crate::world::World;

/// A seed, and what went wrong with it.
pub(crate) type Failure = (u64, String);

/// The seeds to run: what the environment says, or the first `default`.
pub(crate) fn wanted(default: u64) -> Range<u64> {
    let number = |name: &str| -> Option<u64> {
        let text = std::env::var(name).ok()?;
        Some(text.parse().expect("a number of seeds"))
    };
    match number("ADIT_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ADIT_SIM_SEEDS").unwrap_or(default),
    }
}

/// One run; answers how long it took by the simulation's clock.
pub(crate) fn seed(seed: u64, mutation: Mutation) -> Result<Duration, String> {
    let run = AssertUnwindSafe(|| World::new(Plan::draw(seed), mutation).run());
    catch_unwind(run).unwrap_or_else(|_| Err("a panic".to_owned()))
}

/// Runs all seeds and returns those that fail.
pub(crate) fn seeds(range: Range<u64>, mutation: Mutation) -> Vec<Failure> {
    let next = AtomicU64::new(range.start);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut failures = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= range.end {
                return failures;
            }
            if let Err(error) = seed(number, mutation) {
                failures.push((number, error));
            }
        }
    };
    let mut failures: Vec<Failure> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("panics are caught")).collect()
    });
    failures.sort();
    failures
}

/// Whether any of the seeds fails.
pub(crate) fn notices(mutation: Mutation, mut range: Range<u64>) -> bool {
    range.any(|number| seed(number, mutation).is_err())
}

/// The first failures, each with the way to see it again.
pub(crate) fn report(failures: &[Failure]) -> String {
    let mut text = format!("{} seeds fail\n", failures.len());
    for (seed, error) in failures.iter().take(5) {
        writeln!(text, "ADIT_SIM_SEED={seed} cargo test -p protocol --test simulation\n  {error}")
            .expect("writing to memory cannot fail");
    }
    text
}
