//! Why a machine can't be reached.

use app::view::{CheckOutcome, DiagnosisView};

use super::*;

async fn diagnose(world: &World, desktop: &Desktop, account: &str, name: &str) -> DiagnosisView {
    let node = world.emulator.scenario().node_named(name).expect("there").clone();
    let target = TargetView {
        profile_id: ProfileId(format!("sandbox:sandbox-{account}")),
        region: node.region.clone(),
        node_id: node.id.clone(),
        node_name: name.to_owned(),
    };
    soon(desktop.node_diagnose(target)).await.expect("an answer")
}

#[tokio::test]
async fn a_machine_that_never_registered_is_told_what_it_lacks() {
    let world = World::start().await;
    let (desktop, _events) = world.open();
    let cases = [
        ("prod", "prod-metrics-02", "Systems Manager does not hear of an agent there.", "Install"),
        ("dev", "dev-ci-runner-10", "It has no instance profile", "AmazonSSMManagedInstanceCore"),
        ("data", "prod-notebook-05", "Its subnet has no way out", "endpoints for ssm"),
    ];
    for (account, name, cause, remedy) in cases {
        let told = diagnose(&world, &desktop, account, name).await;
        let words = format!("{name} can't be reached. {cause}");
        assert!(told.summary.starts_with(&words), "{}", told.summary);
        let bad = told.checks.iter().find(|check| check.outcome == CheckOutcome::Bad);
        let advice = bad.and_then(|check| check.advice.as_deref()).expect("advice");
        assert!(advice.contains(remedy), "{advice}");
    }
    soon(desktop.quit()).await;
}

#[tokio::test]
async fn a_machine_that_is_well_is_told_to_be_so() {
    let world = World::start().await;
    let (desktop, _events) = world.open();
    for name in ["prod-storefront-01", "prod-bastion-01"] {
        let told = diagnose(&world, &desktop, "prod", name).await;
        assert_eq!(told.summary, format!("{name} looks well: a session should start."));
    }
    soon(desktop.quit()).await;
}
