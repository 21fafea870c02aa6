//! Nodes are found and told as they come.

use std::collections::BTreeMap;

use app::{Error, ErrorCode};
use aws::{InventoryEvent, ManagedNode, PingStatus, Platform};
use emulator::Scenario;

use super::Sandbox;

#[tokio::test]
async fn every_node_is_told_with_its_name_and_place() {
    let sandbox = Sandbox::start().await;
    let found = sandbox.account("sandbox-prod").fitting("").await.expect("listed");
    let found: BTreeMap<_, _> = found.iter().map(|node| (node.id.as_str(), node)).collect();
    assert_eq!(found.len(), sandbox.nodes().count());
    for node in sandbox.nodes() {
        let told = found[node.id.as_str()];
        assert_eq!(told.name.as_deref(), Some(node.name.as_str()));
        assert_eq!(told.ping == PingStatus::Online, node.is_online(), "{}", node.name);
        if let Some(instance) = node.instance() {
            assert_eq!(told.availability_zone.as_deref(), Some(instance.zone.as_str()));
            assert_eq!(told.vpc_id.as_deref(), Some(instance.vpc.as_str()));
            assert_eq!(told.tags, node.tags);
        } else {
            assert!(told.id.is_hybrid());
        }
    }
}

#[tokio::test]
async fn machines_that_systems_manager_does_not_know_are_found_when_asked_for() {
    let sandbox = Sandbox::start().await;
    let account = sandbox.account("sandbox-prod");
    let found = account.fitting("ping:unmanaged").await.expect("listed");
    let names: Vec<_> = found.iter().map(ManagedNode::label).collect();
    assert_eq!(names, ["prod-metrics-02"]);
    assert_eq!((found[0].platform, found[0].ping), (Platform::Linux, PingStatus::Unmanaged));
    assert!(account.fitting("metrics-02").await.expect("listed").is_empty());
    assert!(account.find("metrics-0").await.is_ok_and(|node| node.label() == "prod-metrics-01"));
}

#[tokio::test]
async fn the_first_rows_come_long_before_the_last() {
    let sandbox = Sandbox::of(Scenario::with_nodes(2000)).await;
    let mut inventory = sandbox.account("sandbox-prod").inventory();
    let first = inventory.next().await.expect("an event").expect("nodes");
    let asked = sandbox.asked("DescribeInstanceInformation");
    assert!(matches!(first, InventoryEvent::Nodes(nodes) if nodes.len() <= 1000));
    assert!(asked < 2000 / 50, "{asked} pages were read before the first was told");

    let mut known = BTreeMap::new();
    while let Some(event) = inventory.next().await {
        if let InventoryEvent::Nodes(nodes) = event.expect("nodes") {
            known.extend(nodes.into_iter().map(|node| (node.id.clone(), node)));
        }
    }
    assert!(known.values().all(|node| node.name.is_some() && node.vpc_id.is_some()));
    assert_eq!(sandbox.asked("DescribeInstances"), 2);
}

#[tokio::test]
async fn without_permission_for_ec2_the_nodes_come_and_a_notice_says_what_is_missing() {
    let sandbox = Sandbox::start().await;
    let account = sandbox.account("sandbox-operator");
    let mut inventory = account.inventory();
    let mut missing = None;
    let mut nodes: BTreeMap<String, ManagedNode> = BTreeMap::new();
    while let Some(event) = inventory.next().await {
        match event.expect("the nodes come") {
            InventoryEvent::Nodes(page) => {
                nodes.extend(page.into_iter().map(|node| (node.id.to_string(), node)));
            }
            InventoryEvent::WithoutEc2(error) => missing = Some(error),
        }
    }
    assert_eq!(nodes.len(), sandbox.nodes().count());
    let missing = missing.expect("a notice");
    assert!(missing.is_access_denied());
    assert_eq!(missing.advice(), "Ask for the permission ec2:DescribeInstances.");

    let identity = account.identity().await.expect("an assumed role");
    assert!(identity.label().ends_with("(Operator)"), "{}", identity.label());
}

#[tokio::test]
async fn a_service_that_throttles_is_waited_for() {
    let sandbox = Sandbox::start().await;
    sandbox.emulator.faults().throttle("DescribeInstanceInformation", 2);
    sandbox.emulator.faults().throttle("DescribeInstances", 1);
    let found = sandbox.account("sandbox-prod").fitting("").await.expect("listed");
    assert_eq!(found.len(), sandbox.nodes().count());
    assert!(found.iter().all(|node| node.id.is_hybrid() || node.vpc_id.is_some()));
}

#[tokio::test]
async fn an_id_is_taken_at_its_word() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.online().id.clone();
    let found = sandbox.account("sandbox-prod").find(&id).await.expect("an id");
    assert_eq!(found.id.as_str(), id);
    assert_eq!(sandbox.emulator.counts().connections, 0);
}

#[tokio::test]
async fn a_name_is_found_without_reading_everything() {
    let sandbox = Sandbox::of(Scenario::with_nodes(2000)).await;
    let node = sandbox.online();
    let found = sandbox.account("sandbox-prod").find(&node.name).await.expect("a name");
    assert_eq!(found.id.as_str(), node.id);
    assert!(found.vpc_id.is_some());
    assert!(sandbox.asked("DescribeInstanceInformation") <= 2);
    assert_eq!(sandbox.asked("DescribeInstances"), 1);
}

#[tokio::test]
async fn a_hybrid_node_is_found_by_its_name() {
    let sandbox = Sandbox::start().await;
    let node = sandbox.nodes().find(|node| node.instance().is_none()).expect("one is hybrid");
    let found = sandbox.account("sandbox-prod").find(&node.name).await.expect("a name");
    assert_eq!(found.id.as_str(), node.id);
}

#[tokio::test]
async fn an_address_or_a_filter_finds_a_node_too() {
    let sandbox = Sandbox::start().await;
    let account = sandbox.account("sandbox-prod");
    let node = sandbox.online();
    for wanted in [node.private_ip.clone(), format!("id:{} ping:online", node.id)] {
        let found = account.find(&wanted).await.expect("found");
        assert_eq!(found.id.as_str(), node.id, "{wanted}");
    }
}

#[tokio::test]
async fn what_fits_several_or_none_is_told_with_names() {
    let sandbox = Sandbox::start().await;
    let account = sandbox.account("sandbox-prod");
    let several = account.find("ping:online").await.expect_err("many are online");
    assert!(matches!(&several, Error::Ambiguous { count, .. } if *count > 1));

    let begun: String = sandbox.online().name.chars().take(4).collect();
    let none = account.find(&format!("{begun}~~")).await.expect_err("no such name");
    assert_eq!(none.code(), ErrorCode::NotFound);
    assert!(none.advice().contains(&sandbox.online().name[..4]), "{}", none.advice());
}

#[tokio::test]
async fn the_account_lists_its_regions_or_they_are_guessed() {
    let sandbox = Sandbox::start().await;
    let regions = sandbox.account("sandbox-prod").regions().await;
    assert!(regions.guessed.is_none());
    assert!(regions.regions.iter().any(|region| region.as_str() == "eu-central-1"));

    let guessed = sandbox.account("sandbox-operator").regions().await;
    assert!(guessed.guessed.expect("EC2 refuses").is_access_denied());
    assert!(guessed.regions.len() > 20);
}

#[tokio::test]
async fn an_inventory_nobody_wants_any_more_is_not_read_on() {
    let sandbox = Sandbox::of(Scenario::with_nodes(5000)).await;
    let account = sandbox.account("sandbox-prod");
    let mut inventory = account.inventory();
    inventory.next().await.expect("an event").expect("nodes");
    drop(inventory);
    // A full listing is a hundred pages; whatever was on its way is long answered by this call.
    account.identity().await.expect("known");
    let asked = sandbox.asked("DescribeInstanceInformation");
    account.identity().await.expect("known");
    assert_eq!(sandbox.asked("DescribeInstanceInformation"), asked);
    assert!(asked < 100);
}
