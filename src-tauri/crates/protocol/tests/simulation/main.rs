//! Two ends in one thread: our engine, a model of the official agent, a path with faults, and a
//! clock that jumps from event to event.
//!
//! Every run is drawn from a seed and repeats exactly. `ADIT_SIM_SEEDS=100000` runs more of
//! them, `ADIT_SIM_SEED=17` one, and `ADIT_SIM_TRACE=1` tells every frame of it.

#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_in_result,
    reason = "what the model does not expect fails the run"
)]

mod agent;
mod dice;
mod mutation;
mod path;
mod plan;
mod plugin;
mod run;
mod speed;
mod user;
mod world;

use mutation::Mutation;

/// What the client calls itself.
const CLIENT_VERSION: &str = "1.2.764.0";

/// Seeds of a default run.
const SEEDS: u64 = 4000;

#[test]
fn nothing_is_lost_repeated_or_stalled() {
    let failures = run::seeds(run::wanted(SEEDS), Mutation::None);
    assert!(failures.is_empty(), "{}", run::report(&failures));
}

#[test]
fn every_mistake_is_noticed() {
    for mutation in mutation::ALL {
        let is_noticed = run::notices(mutation, 0..400);
        assert!(is_noticed, "{mutation:?} survives the simulation");
    }
}
