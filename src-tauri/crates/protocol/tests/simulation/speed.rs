//! How fast a session is back to work after its path was bad, by the simulation's clock.

use std::time::Duration;

use crate::mutation::Mutation;
use crate::plan::{AgentPlan, Cut, PathPlan, Plan, StreamEnding, StreamMode, StreamPlan, Work};
use crate::world::World;

/// Until the path is well.
const CALM_AFTER: Duration = Duration::from_secs(1);

/// A download of so many bytes over a path that is well but for what a test does to it.
fn download(bytes: usize) -> Plan {
    let stream = StreamPlan {
        at: Duration::ZERO,
        mode: StreamMode::Source,
        bytes,
        ending: StreamEnding::Far,
    };
    Plan {
        seed: 7,
        work: Work::Mux { streams: vec![stream] },
        agent: AgentPlan {
            version: "3.3.1142.0",
            joins_at: Duration::ZERO,
            settles_after: Duration::ZERO,
            ready_after: Duration::ZERO,
            encryption: None,
            cuts: Vec::new(),
        },
        path: PathPlan {
            latency: Duration::from_millis(10),
            jitter: Duration::ZERO,
            is_reordering: false,
            loss: (0, 0),
            repeats: 0,
            cuts: Vec::new(),
            pauses: Vec::new(),
            tells_absence: false,
            limit: None,
        },
        payload_limit: 1024,
        rate: None,
        calm_after: CALM_AFTER,
    }
}

fn time_of(plan: Plan) -> Duration {
    World::new(plan, Mutation::None).run().unwrap_or_else(|error| panic!("{error}"))
}

/// The agent repeats ten messages a second, the oldest first: of the hundreds whose
/// acknowledgements were lost, only the first few may be repeated, or this takes half a minute.
#[test]
fn lost_acknowledgements_hold_up_a_download_only_for_a_moment() {
    let bytes = 2 * 1024 * 1024;
    let undisturbed = time_of(download(bytes));
    let mut plan = download(bytes);
    plan.path.loss = (400, 0);
    plan.path.cuts =
        vec![Cut { at: CALM_AFTER, away: Duration::from_millis(20), expired_tokens: 0 }];
    let disturbed = time_of(plan);
    let limit = undisturbed + Duration::from_secs(4);
    assert!(disturbed < limit, "{disturbed:?}, undisturbed {undisturbed:?}");
}
