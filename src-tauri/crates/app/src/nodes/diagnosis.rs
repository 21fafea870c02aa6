//! Why a node can't be reached: what AWS knows of it, looked at from the likeliest cause on.

use std::time::Duration;

use aws::{CallError, ManagedNode, NodeId, PingStatus, WayOut};

use crate::accounts::Accounts;
use crate::clock;
use crate::error::length;
use crate::view::{AppError, CheckOutcome, CheckView, DiagnosisView, ErrorCode, TargetView};

/// Finds out why a node can't be reached.
///
/// # Errors
///
/// [`ErrorCode::NotFound`] for an account that is gone, [`ErrorCode::Invalid`] for an id that is
/// none. What AWS refuses to tell is part of the answer.
pub(crate) async fn diagnose(
    accounts: &Accounts,
    target: &TargetView,
) -> Result<DiagnosisView, AppError> {
    let account = accounts.open(&target.profile_id, &target.region).await?;
    let id: NodeId = target.node_id.parse().map_err(|error: aws::NotANodeId| AppError {
        code: ErrorCode::Invalid,
        message: crate::error::sentence(&error.to_string()),
        detail: None,
    })?;
    let client = account.client();
    let instance = async {
        match id.is_hybrid() {
            true => Ok(None),
            false => client.instance(&id).await,
        }
    };
    let (instance, node) = tokio::join!(instance, client.node(&id));
    let (instance, node) =
        (instance.as_ref().map(Option::as_ref), node.as_ref().map(Option::as_ref));
    let mut checks = Vec::new();
    if !id.is_hybrid() {
        checks.push(of_instance(instance, target));
        checks.push(of_role(instance, matches!(node, Ok(None))));
        if let Ok(Some(instance)) = instance
            && let (Some(vpc), Some(subnet)) = (&instance.vpc_id, &instance.subnet_id)
        {
            let way_out = client.way_out(vpc, subnet).await;
            checks.push(of_network(way_out.as_ref(), instance));
        }
    }
    checks.extend(of_agent(node));
    let name = if target.node_name.is_empty() { &target.node_id } else { &target.node_name };
    Ok(DiagnosisView { summary: summary(name, &checks), checks })
}

type Seen<'a> = Result<Option<&'a ManagedNode>, &'a CallError>;

fn check(title: &str, outcome: CheckOutcome, found: String, advice: Option<&str>) -> CheckView {
    let advice = advice.map(str::to_owned);
    CheckView { title: title.to_owned(), outcome, found, advice }
}

fn unknown(title: &str, error: &CallError) -> CheckView {
    let found = format!("It could not be looked at: {error}");
    CheckView {
        title: title.to_owned(),
        outcome: CheckOutcome::Unknown,
        found,
        advice: Some(error.advice()),
    }
}

fn of_instance(instance: Seen<'_>, target: &TargetView) -> CheckView {
    const TITLE: &str = "The instance is running";
    let instance = match instance {
        Err(error) => return unknown(TITLE, error),
        Ok(None) => {
            let found = format!("There is no instance {} in {}.", target.node_id, target.region);
            let advice = "Check the account and the region; the instance may be terminated.";
            return check(TITLE, CheckOutcome::Bad, found, Some(advice));
        }
        Ok(Some(instance)) => instance,
    };
    match instance.instance_state.as_deref() {
        Some("running") => {
            check(TITLE, CheckOutcome::Good, "EC2 says that it is running.".to_owned(), None)
        }
        state => {
            let found = format!("EC2 says that it is {}.", state.unwrap_or("in no known state"));
            check(TITLE, CheckOutcome::Bad, found, Some("Start the instance."))
        }
    }
}

/// An agent that has registered has found a role somewhere.
fn of_role(instance: Seen<'_>, is_stranger: bool) -> CheckView {
    const TITLE: &str = "The instance has a role";
    match instance {
        Err(error) => unknown(TITLE, error),
        Ok(Some(ManagedNode { iam_role: Some(role), .. })) => {
            check(TITLE, CheckOutcome::Good, format!("Its instance profile is {role}."), None)
        }
        Ok(Some(_)) if is_stranger => check(
            TITLE,
            CheckOutcome::Bad,
            "It has no instance profile, so its agent may not register.".to_owned(),
            Some(
                "Attach a role with AmazonSSMManagedInstanceCore, or turn on Default Host \
                 Management for the region.",
            ),
        ),
        Ok(_) => check(
            TITLE,
            CheckOutcome::Unknown,
            "It has no instance profile of its own.".to_owned(),
            Some(
                "Attach a role with AmazonSSMManagedInstanceCore, unless the account uses \
                 Default Host Management.",
            ),
        ),
    }
}

/// What agents need to reach; older ones a third, which is given where these are.
const NEEDED: [&str; 2] = ["ssm", "ssmmessages"];

fn of_network(way_out: Result<&WayOut, &CallError>, instance: &ManagedNode) -> CheckView {
    const TITLE: &str = "The network leads to Systems Manager";
    let way_out = match way_out {
        Err(error) => return unknown(TITLE, error),
        Ok(way_out) => way_out,
    };
    let missing: Vec<&str> =
        NEEDED.into_iter().filter(|name| !way_out.endpoints.contains(*name)).collect();
    let found = match &way_out.gateway {
        _ if missing.is_empty() => {
            let found = "Its network has endpoints for ssm and ssmmessages.".to_owned();
            return check(TITLE, CheckOutcome::Good, found, None);
        }
        Some(gateway) if !way_out.needs_public_address() || instance.public_ip.is_some() => {
            let found = format!("Its subnet leads out by {gateway}.");
            return check(TITLE, CheckOutcome::Good, found, None);
        }
        Some(gateway) => format!(
            "Its subnet leads out by {gateway}, but it has no public address to use that with."
        ),
        None => format!(
            "Its subnet has no way out, and its network no endpoint for {}.",
            missing.join(" and ")
        ),
    };
    let advice = "Add endpoints for ssm, ssmmessages and ec2messages to the VPC, or lead the subnet \
                  out through a NAT gateway.";
    check(TITLE, CheckOutcome::Bad, found, Some(advice))
}

fn of_agent(node: Seen<'_>) -> Vec<CheckView> {
    const REGISTERED: &str = "The agent is registered with Systems Manager";
    const PINGS: &str = "The agent pings Systems Manager";
    const RECENT: &str = "The agent is up to date";
    let node = match node {
        Err(error) => return vec![unknown(REGISTERED, error)],
        Ok(None) => {
            return vec![check(
                REGISTERED,
                CheckOutcome::Bad,
                "Systems Manager does not hear of an agent there.".to_owned(),
                Some(
                    "Install the SSM Agent there, or start it. Its log says what keeps it from \
                     registering.",
                ),
            )];
        }
        Ok(Some(node)) => node,
    };
    let version = node.agent_version.as_deref().unwrap_or("of unknown version");
    let mut checks =
        vec![check(REGISTERED, CheckOutcome::Good, format!("It is agent {version}."), None)];
    let ago = node.last_ping.map(|at| {
        let ago = clock::epoch_ms().saturating_sub(clock::ms(at));
        length(Duration::from_millis(ago))
    });
    let found = match ago {
        Some(ago) => format!("It last pinged {ago} ago."),
        None => "It has never pinged.".to_owned(),
    };
    checks.push(match node.ping {
        PingStatus::Online => check(PINGS, CheckOutcome::Good, found, None),
        PingStatus::ConnectionLost | PingStatus::Inactive | PingStatus::Unmanaged => check(
            PINGS,
            CheckOutcome::Bad,
            found,
            Some(
                "Check that the node is up, that the agent runs there, and that the node reaches \
                 the ssm and ssmmessages endpoints of the region.",
            ),
        ),
    });
    checks.push(match node.is_agent_latest {
        Some(true) => {
            check(RECENT, CheckOutcome::Good, format!("{version} is the latest version."), None)
        }
        Some(false) => check(
            RECENT,
            CheckOutcome::Unknown,
            format!("{version} is not the latest version."),
            Some("Update the agent with AWS-UpdateSSMAgent."),
        ),
        None => check(RECENT, CheckOutcome::Unknown, "AWS does not say.".to_owned(), None),
    });
    checks
}

fn summary(name: &str, checks: &[CheckView]) -> String {
    let bad = checks.iter().find(|check| check.outcome == CheckOutcome::Bad);
    let unknown = checks.iter().find(|check| check.outcome == CheckOutcome::Unknown);
    match (bad, unknown) {
        (Some(bad), _) => format!("{name} can't be reached. {}", bad.found),
        (None, Some(_)) => {
            format!("Nothing that could be looked at keeps {name} from being reached.")
        }
        (None, None) => format!("{name} looks well: a session should start."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> ManagedNode {
        ManagedNode::bare("i-01234567".parse().expect("an id"), aws::Region::new("eu-west-1"))
    }

    fn target() -> TargetView {
        TargetView {
            profile_id: crate::view::ProfileId("p".to_owned()),
            region: "eu-west-1".to_owned(),
            node_id: "i-01234567".to_owned(),
            node_name: "web-1".to_owned(),
        }
    }

    #[test]
    fn the_likeliest_cause_comes_first() {
        let mut node = node();
        node.instance_state = Some("stopped".to_owned());
        node.ping = PingStatus::ConnectionLost;
        let mut checks = vec![of_instance(Ok(Some(&node)), &target())];
        checks.extend(of_agent(Ok(Some(&node))));
        let words = "web-1 can't be reached. EC2 says that it is stopped.";
        assert_eq!(summary("web-1", &checks), words);
    }

    #[test]
    fn a_role_is_missed_only_by_an_agent_that_never_registered() {
        let node = node();
        let outcome = |is_stranger| of_role(Ok(Some(&node)), is_stranger).outcome;
        assert_eq!(outcome(true), CheckOutcome::Bad);
        assert_eq!(outcome(false), CheckOutcome::Unknown);
    }

    #[test]
    fn a_way_out_is_one_that_can_be_used() {
        let way = |gateway: Option<&str>, endpoints: &[&str]| WayOut {
            gateway: gateway.map(str::to_owned),
            endpoints: endpoints.iter().map(|&name| name.to_owned()).collect(),
        };
        let (hidden, mut public) = (node(), node());
        public.public_ip = "203.0.113.7".parse().ok();
        let outcome = |way: &WayOut, node| of_network(Ok(way), node).outcome;
        assert_eq!(outcome(&way(Some("nat-1"), &[]), &hidden), CheckOutcome::Good);
        assert_eq!(outcome(&way(None, &["ssm", "ssmmessages"]), &hidden), CheckOutcome::Good);
        assert_eq!(outcome(&way(Some("igw-1"), &[]), &public), CheckOutcome::Good);
        assert_eq!(outcome(&way(Some("igw-1"), &[]), &hidden), CheckOutcome::Bad);
        let cut = of_network(Ok(&way(None, &["ssm", "s3"])), &hidden);
        let words = "Its subnet has no way out, and its network no endpoint for ssmmessages.";
        assert_eq!((cut.outcome, cut.found.as_str()), (CheckOutcome::Bad, words));
        assert!(cut.advice.expect("advice").contains("endpoints"));
    }

    #[test]
    fn an_agent_never_heard_of_is_told_with_what_to_do() {
        let checks = of_agent(Ok(None));
        assert_eq!(checks[0].outcome, CheckOutcome::Bad);
        assert!(checks[0].advice.as_deref().expect("advice").contains("SSM Agent"));
    }
}
