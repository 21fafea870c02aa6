//! DescribeInstances.

use std::sync::Arc;

use time::OffsetDateTime;
use time::macros::format_description;

use super::{Filters, invalid, refuse_dry_run, respond};
use crate::scenario::{Instance, InstanceState, Node, Platform};
use crate::services::query::Form;
use crate::services::xml::Xml;
use crate::services::{ApiError, ApiResult, Call, page};

/// What a request may ask for in one page, and what it gets when it does not ask.
const FEWEST: i64 = 5;
const MOST: i64 = 1000;

pub(super) fn describe(call: &Call<'_>, mut form: Form) -> ApiResult<String> {
    let ids = form.list("InstanceId");
    let most = form.integer("MaxResults")?;
    let token = form.take("NextToken").filter(|token| !token.is_empty());
    let dry_run = form.boolean("DryRun")?;
    form.boolean("IncludeManagedResources")?;
    let filters = Filters::take(&mut form)?;
    form.finish()?;
    call.authorize_any()?;
    refuse_dry_run(dry_run)?;
    if let Some(most) = most {
        if !ids.is_empty() {
            return Err(ApiError::bad_request(
                "InvalidParameterCombination",
                "The parameter instancesSet cannot be used with the parameter maxResults",
            ));
        }
        if !(FEWEST..=MOST).contains(&most) {
            return Err(invalid(format!(
                "Value ( {most} ) for parameter maxResults is invalid. Expecting a value between \
                 {FEWEST} and {MOST}."
            )));
        }
    }
    check_ids(call, &ids)?;

    let started = call.world.started;
    let mut rows = Vec::new();
    for node in call.world.scenario.nodes(call.account(), call.region()) {
        let Some(instance) = node.instance() else { continue };
        let asked = ids.is_empty() || ids.contains(&node.id);
        if asked && filters.fit(|name| values(node, instance, started, name))? {
            rows.push((node, instance));
        }
    }
    let listing = format!("instances {} {} {}", call.account(), call.region(), filters.key());
    let most = usize::try_from(most.unwrap_or(MOST)).unwrap_or(usize::MAX);
    let (rows, next) = page::cut(rows, &listing, token.as_deref(), most)
        .map_err(|page::NotAToken| invalid("Invalid NextToken value".to_owned()))?;
    Ok(respond(call, |xml| {
        xml.items("reservationSet", rows, |xml, (node, instance)| {
            reservation(xml, node, instance, started);
        });
        if let Some(next) = next {
            xml.text("nextToken", next);
        }
    }))
}

fn check_ids(call: &Call<'_>, ids: &[String]) -> ApiResult<()> {
    let malformed = |id: &&String| {
        id.strip_prefix("i-").is_none_or(|hex| {
            !matches!(hex.len(), 8 | 17) || !hex.chars().all(|c| c.is_ascii_hexdigit())
        })
    };
    if let Some(id) = ids.iter().find(malformed) {
        return Err(ApiError::bad_request(
            "InvalidInstanceID.Malformed",
            format!("Invalid id: \"{id}\""),
        ));
    }
    let known =
        |id: &&String| call.world.scenario.node(call.account(), call.region(), id).is_some();
    let unknown: Vec<&str> = ids.iter().filter(|id| !known(id)).map(String::as_str).collect();
    let message = match unknown[..] {
        [] => return Ok(()),
        [id] => format!("The instance ID '{id}' does not exist"),
        [_, ..] => format!("The instance IDs '{}' do not exist", unknown.join(", ")),
    };
    Err(ApiError::bad_request("InvalidInstanceID.NotFound", message))
}

/// What an instance has under a filter's name; nothing when there is no such filter.
fn values(
    node: &Node,
    instance: &Instance,
    started: OffsetDateTime,
    filter: &str,
) -> Option<Vec<String>> {
    let one = |text: &str| Some(vec![text.to_owned()]);
    let (code, state) = instance.state.code();
    if let Some(tag) = filter.strip_prefix("tag:") {
        return Some(node.tags.get(tag).cloned().into_iter().collect());
    }
    match filter {
        "instance-id" => one(&node.id),
        "instance-state-name" => one(state),
        "instance-state-code" => one(&code.to_string()),
        "instance-type" => one(instance.kind),
        "availability-zone" => one(&instance.zone),
        "vpc-id" => one(&instance.vpc),
        "subnet-id" => one(&instance.subnet),
        "image-id" => one(&instance.image),
        "private-ip-address" | "network-interface.addresses.private-ip-address" => {
            one(&node.private_ip)
        }
        "private-dns-name" => one(&private_dns_name(node)),
        "ip-address" => Some(instance.public_ip.clone().into_iter().collect()),
        "architecture" => one(architecture(instance)),
        "owner-id" => one(&node.account),
        "platform" => Some(platform(node.platform).map(str::to_owned).into_iter().collect()),
        "platform-details" => one(node.platform.details()),
        "iam-instance-profile.arn" => Some(profile_arn(node, instance).into_iter().collect()),
        "instance.group-id" => one(&instance.group.0),
        "instance.group-name" => one(&instance.group.1),
        "launch-time" => one(&date(started - instance.launched_ago)),
        "tag-key" => Some(node.tags.keys().cloned().collect()),
        "tag-value" => Some(node.tags.values().cloned().collect()),
        _ => None,
    }
}

fn reservation(xml: &mut Xml, node: &Arc<Node>, instance: &Instance, started: OffsetDateTime) {
    // Every instance was launched alone, so its reservation can be told from its id.
    xml.text("reservationId", format!("r-{}", node.id.trim_start_matches("i-")));
    xml.text("ownerId", &node.account);
    xml.items("groupSet", [(); 0], |_, ()| {});
    xml.items("instancesSet", [()], |xml, ()| describe_one(xml, node, instance, started));
}

fn describe_one(xml: &mut Xml, node: &Node, instance: &Instance, started: OffsetDateTime) {
    let (code, state) = instance.state.code();
    let launched = date(started - instance.launched_ago);
    xml.text("instanceId", &node.id);
    xml.text("imageId", &instance.image);
    xml.element("instanceState", |xml| {
        xml.text("code", code.to_string());
        xml.text("name", state);
    });
    xml.text("privateDnsName", private_dns_name(node));
    xml.text(
        "dnsName",
        instance.public_ip.as_deref().map_or_else(String::new, |ip| {
            format!("ec2-{}.{}.compute.amazonaws.com", ip.replace('.', "-"), node.region)
        }),
    );
    let stopped = instance.state == InstanceState::Stopped;
    xml.text("reason", if stopped { "User initiated" } else { "" });
    xml.text("amiLaunchIndex", "0");
    xml.text("productCodes", "");
    xml.text("instanceType", instance.kind);
    xml.text("launchTime", &launched);
    xml.element("placement", |xml| {
        xml.text("availabilityZone", &instance.zone);
        xml.text("groupName", "");
        xml.text("tenancy", if instance.kind.ends_with(".metal") { "host" } else { "default" });
    });
    if let Some(platform) = platform(node.platform) {
        xml.text("platform", platform);
    }
    xml.element("monitoring", |xml| xml.text("state", "disabled"));
    xml.text("subnetId", &instance.subnet);
    xml.text("vpcId", &instance.vpc);
    xml.text("privateIpAddress", &node.private_ip);
    if let Some(ip) = &instance.public_ip {
        xml.text("ipAddress", ip);
    }
    xml.text("sourceDestCheck", "true");
    xml.items("groupSet", [&instance.group], |xml, (id, name)| {
        xml.text("groupId", id);
        xml.text("groupName", name);
    });
    if stopped {
        xml.element("stateReason", |xml| {
            xml.text("code", "Client.UserInitiatedShutdown");
            xml.text("message", "Client.UserInitiatedShutdown: User initiated shutdown");
        });
    }
    xml.text("architecture", architecture(instance));
    xml.text("rootDeviceType", "ebs");
    xml.text("rootDeviceName", "/dev/xvda");
    xml.text("blockDeviceMapping", "");
    xml.text("virtualizationType", "hvm");
    xml.text("clientToken", "");
    xml.items("tagSet", &node.tags, |xml, (key, value)| {
        xml.text("key", key);
        xml.text("value", value);
    });
    xml.text("hypervisor", "xen");
    xml.items("networkInterfaceSet", [(); 0], |_, ()| {});
    if let Some(arn) = profile_arn(node, instance) {
        xml.element("iamInstanceProfile", |xml| {
            xml.text("arn", arn);
            xml.text("id", format!("AIPA{}", node.id.trim_start_matches("i-").to_uppercase()));
        });
    }
    xml.text("ebsOptimized", "true");
    xml.text("enaSupport", "true");
    xml.text("platformDetails", node.platform.details());
    xml.text("usageOperation", "RunInstances");
    xml.text("usageOperationUpdateTime", launched);
}

fn private_dns_name(node: &Node) -> String {
    // Windows names itself otherwise than its network does.
    let dashed = node.private_ip.replace('.', "-");
    match node.region.as_str() {
        "us-east-1" => format!("ip-{dashed}.ec2.internal"),
        region => format!("ip-{dashed}.{region}.compute.internal"),
    }
}

fn profile_arn(node: &Node, instance: &Instance) -> Option<String> {
    let role = instance.role.as_ref()?;
    Some(format!("arn:aws:iam::{}:instance-profile/{role}", node.account))
}

fn platform(platform: Platform) -> Option<&'static str> {
    (platform.kind() == "Windows").then_some("windows")
}

/// Graviton types have a `g` after their generation.
fn architecture(instance: &Instance) -> &'static str {
    let family = instance.kind.split('.').next().unwrap_or_default();
    if family == "mac2" {
        "arm64_mac"
    } else if family.ends_with('g') {
        "arm64"
    } else {
        "x86_64"
    }
}

fn date(at: OffsetDateTime) -> String {
    at.format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].000Z"))
        .unwrap_or_default()
}
