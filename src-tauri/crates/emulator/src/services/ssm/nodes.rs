//! DescribeInstanceInformation and GetConnectionStatus.

use std::sync::Arc;

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::scenario::{Agent, Home, LATEST_AGENT, Node, Ping};
use crate::services::json::{Members, text, timestamp};
use crate::services::{ApiError, ApiResult, Call, page};

/// The bounds of a page, and its size when nobody says.
const FEWEST: i64 = 5;
const MOST: i64 = 50;

/// The keys of the older of the two filter lists.
const OLD_KEYS: &[&str] = &[
    "InstanceIds",
    "AgentVersion",
    "PingStatus",
    "PlatformTypes",
    "ActivationIds",
    "IamRole",
    "ResourceType",
    "AssociationStatus",
];

pub(super) fn describe(call: &Call<'_>) -> ApiResult<Value> {
    let mut members = Members::parse(call)?;
    let old = members.list("InstanceInformationFilterList")?;
    let new = members.list("Filters")?;
    let most = members.integer("MaxResults")?;
    let token = members.string("NextToken")?.filter(|token| !token.is_empty());
    if let Some(most) = most {
        members.range("MaxResults", most, FEWEST, MOST);
    }
    members.finish()?;
    call.authorize_any()?;
    let filters = match (old, new) {
        (Some(old), Some(new)) if !old.is_empty() && !new.is_empty() => {
            return Err(ApiError::validation(
                "Filters and InstanceInformationFilterList cannot be used together.",
            ));
        }
        (Some(old), _) if !old.is_empty() => filters(old, "key", "valueSet", true)?,
        (_, new) => filters(new.unwrap_or_default(), "Key", "Values", false)?,
    };

    let mut rows = Vec::new();
    for node in call.world.scenario.nodes(call.account(), call.region()) {
        let Some(agent) = &node.agent else { continue };
        if fits(&filters, node, agent)? {
            rows.push((node, agent));
        }
    }
    let listing = format!("nodes {} {} {filters:?}", call.account(), call.region());
    let most = usize::try_from(most.unwrap_or(MOST)).unwrap_or(usize::MAX);
    let (rows, next) = page::cut(rows, &listing, token.as_deref(), most).map_err(|_| {
        ApiError::bad_request("InvalidNextToken", "The specified token isn't valid.")
    })?;
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|(node, agent)| information(node, agent, call.world.started, call.now))
        .collect();
    let mut answer = json!({ "InstanceInformationList": rows });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}

pub(super) fn connection_status(call: &Call<'_>) -> ApiResult<Value> {
    let mut members = Members::parse(call)?;
    let target = members.required_within("Target", 1, 400)?;
    members.finish()?;
    let node = call.world.scenario.node(call.account(), call.region(), &target);
    let resource = node.map_or_else(
        || format!("arn:aws:ec2:{}:{}:instance/{target}", call.region(), call.account()),
        |node| node.arn(),
    );
    call.authorize(&resource, node.map(|node| &node.tags))?;
    let connected = node.is_some_and(|node| node.is_online());
    let status = if connected { "connected" } else { "notconnected" };
    Ok(json!({ "Target": target, "Status": status }))
}

#[derive(Debug)]
struct Filter {
    key: String,
    values: Vec<String>,
}

/// Reads either list; the two differ in the spelling of their members and in what keys they know.
fn filters(list: Vec<Value>, key: &str, values: &str, old: bool) -> ApiResult<Vec<Filter>> {
    let mut filters = Vec::new();
    for value in list {
        let mut members = Members::of(value)?;
        let name = members.required(key)?;
        let found = members.list(values)?.unwrap_or_default();
        let found = found.into_iter().map(text).collect::<ApiResult<Vec<String>>>()?;
        members.count(values, found.len(), 1, 100);
        if old && !name.is_empty() {
            members.one_of(key, &name, OLD_KEYS);
        }
        members.finish()?;
        filters.push(Filter { key: name, values: found });
    }
    Ok(filters)
}

fn fits(filters: &[Filter], node: &Arc<Node>, agent: &Agent) -> ApiResult<bool> {
    for filter in filters {
        let words = |allowed: &[&str], has: &str| {
            let unknown = filter.values.iter().find(|value| !allowed.contains(&value.as_str()));
            match unknown {
                Some(value) => Err(ApiError::bad_request(
                    "InvalidInstanceInformationFilterValue",
                    format!("{value} is not a valid value for the filter {}.", filter.key),
                )),
                None => Ok(filter.values.iter().any(|value| value == has)),
            }
        };
        let is = |has: Option<&str>| {
            has.is_some_and(|has| filter.values.iter().any(|value| value == has))
        };
        let fits = match filter.key.as_str() {
            "InstanceIds" => is_one_of_the_ids(filter, node)?,
            "PingStatus" => words(&["Online", "ConnectionLost", "Inactive"], ping_status(agent))?,
            "PlatformTypes" => words(&["Linux", "Windows", "MacOS"], node.platform.kind())?,
            "ResourceType" => {
                words(
                    &[
                        "EC2Instance",
                        "ManagedInstance",
                        "AWS::EC2::Instance",
                        "AWS::SSM::ManagedInstance",
                        "AWS::IoT::Thing",
                    ],
                    resource_type(node),
                )? || filter.values.iter().any(|value| {
                    // The same kinds under the names other services give them.
                    matches!(
                        (value.as_str(), resource_type(node)),
                        ("AWS::EC2::Instance", "EC2Instance")
                            | ("AWS::SSM::ManagedInstance", "ManagedInstance")
                    )
                })
            }
            "AgentVersion" => is(Some(agent.version)),
            "ActivationIds" => is(activation(node).map(|activation| activation.0)),
            "IamRole" => is(activation(node).map(|activation| activation.1)),
            "AssociationStatus" => is(Some("Success")),
            "SourceIds" | "SourceTypes" => false,
            "tag-key" => node.tags.keys().any(|key| is(Some(key))),
            key => match key.strip_prefix("tag:") {
                Some(tag) => is(node.tags.get(tag).map(String::as_str)),
                None => return Err(ApiError::wordless("InvalidFilterKey")),
            },
        };
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_one_of_the_ids(filter: &Filter, node: &Node) -> ApiResult<bool> {
    let malformed = |id: &&String| !(id.starts_with("i-") || id.starts_with("mi-"));
    if let Some(id) = filter.values.iter().find(malformed) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{id}' at 'instanceInformationFilterList' failed \
             to satisfy constraint: Member must satisfy regular expression pattern: \
             (^i-(\\w{{8}}|\\w{{17}})$)|(^mi-\\w{{17}}$)"
        )));
    }
    Ok(filter.values.contains(&node.id))
}

fn ping_status(agent: &Agent) -> &'static str {
    match agent.ping {
        Ping::Online { .. } => "Online",
        Ping::Lost { .. } => "ConnectionLost",
    }
}

fn resource_type(node: &Node) -> &'static str {
    match node.home {
        Home::Ec2(_) => "EC2Instance",
        Home::Hybrid(_) => "ManagedInstance",
    }
}

fn activation(node: &Node) -> Option<(&str, &str)> {
    match &node.home {
        Home::Ec2(_) => None,
        Home::Hybrid(activation) => Some((&activation.id, &activation.role)),
    }
}

fn information(node: &Node, agent: &Agent, started: OffsetDateTime, now: OffsetDateTime) -> Value {
    let last_ping = match agent.ping {
        // An agent pings every five minutes: the latest is always younger than that.
        Ping::Online { age } => {
            let since = (now - started + age).whole_seconds().rem_euclid(300);
            now - Duration::seconds(since)
        }
        Ping::Lost { ago } => started - ago,
    };
    let associated = last_ping - Duration::minutes(17);
    let mut row = json!({
        "InstanceId": node.id,
        "PingStatus": ping_status(agent),
        "LastPingDateTime": timestamp(last_ping),
        "AgentVersion": agent.version,
        "IsLatestVersion": agent.version == LATEST_AGENT,
        "PlatformType": node.platform.kind(),
        "PlatformName": node.platform.name,
        "PlatformVersion": node.platform.version,
        "ResourceType": resource_type(node),
        "IPAddress": node.private_ip,
        "ComputerName": node.host_name,
        "AssociationStatus": "Success",
        "LastAssociationExecutionDate": timestamp(associated),
        "LastSuccessfulAssociationExecutionDate": timestamp(associated),
        "AssociationOverview": {
            "DetailedStatus": "Success",
            "InstanceAssociationStatusAggregatedCount": {"Success": 1},
        },
        "SourceId": node.id,
        "SourceType": match node.home {
            Home::Ec2(_) => "AWS::EC2::Instance",
            Home::Hybrid(_) => "AWS::SSM::ManagedInstance",
        },
    });
    if let Some((id, role)) = activation(node) {
        row["ActivationId"] = id.into();
        row["IamRole"] = role.into();
        row["RegistrationDate"] = timestamp(started - agent.registered_ago);
        row["Name"] = node.name.clone().into();
    }
    row
}
