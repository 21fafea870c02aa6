//! Prints how many simulated sessions pass, and how many mistakes the simulation overlooks.
//!
//! `ADIT_SIM_SEEDS` says how many sessions, 10,000 if it says nothing.

#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_in_result,
    reason = "what the model does not expect fails the run"
)]

#[path = "../tests/simulation/agent.rs"]
mod agent;
#[path = "../tests/simulation/dice.rs"]
mod dice;
#[path = "../tests/simulation/mutation.rs"]
mod mutation;
#[path = "../tests/simulation/path.rs"]
mod path;
#[path = "../tests/simulation/plan.rs"]
mod plan;
#[path = "../tests/simulation/plugin.rs"]
mod plugin;
#[path = "../tests/simulation/run.rs"]
mod run;
#[path = "../tests/simulation/user.rs"]
mod user;
#[path = "../tests/simulation/world.rs"]
mod world;

use std::io::Write as _;

use mutation::Mutation;

/// What the client calls itself.
const CLIENT_VERSION: &str = "1.2.764.0";

const SEEDS: u64 = 10_000;

fn main() -> std::io::Result<()> {
    let wanted = run::wanted(SEEDS);
    let failures = run::seeds(wanted.clone(), Mutation::None);
    if !failures.is_empty() {
        write!(std::io::stderr(), "{}", run::report(&failures))?;
    }
    let passed = (wanted.end - wanted.start) - failures.len() as u64;
    let survivors = mutation::ALL.into_iter().filter(|mutation| !run::notices(*mutation, 0..400));
    let mut out = std::io::stdout();
    writeln!(out, "simulation_seeds_passed {passed} count")?;
    writeln!(out, "simulation_mutations_survived {} count", survivors.count())
}
