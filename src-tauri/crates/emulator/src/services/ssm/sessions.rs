//! StartSession, ResumeSession, TerminateSession and DescribeSessions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{DOCUMENT_NAME, invalid_document, is_document_name, plain_document_name};
use crate::services::json::{Members, text, timestamp};
use crate::services::{ApiError, ApiResult, Call, page};
use crate::sessions::{SessionRecord, SessionStart, SessionState, SessionStatus, StartRefused};

/// The document of a session nobody named one for.
const DEFAULT_DOCUMENT: &str = "SSM-SessionManagerRunShell";

/// What may name a target: a node's id, or a container as ECS names it.
const TARGET: &str = "^[a-zA-Z0-9_:.-]{1,400}$";

pub(super) fn start(call: &Call<'_>) -> ApiResult<Value> {
    let mut members = Members::parse(call)?;
    let target = members.required_within("Target", 1, 400)?;
    let plausible = |b: u8| b.is_ascii_alphanumeric() || b"-_:.".contains(&b);
    members.pattern("Target", &target, TARGET, target.bytes().all(plausible));
    let document = members.string("DocumentName")?;
    if let Some(name) = &document {
        members.pattern("DocumentName", name, DOCUMENT_NAME, is_document_name(name));
    }
    let reason = members.string("Reason")?;
    if let Some(reason) = &reason {
        members.length("Reason", reason, 1, 256);
    }
    let parameters = parameters(&mut members)?;
    members.finish()?;
    let world = call.world;
    let name = document.as_deref().unwrap_or(DEFAULT_DOCUMENT);
    let node = world.scenario.node(call.account(), call.region(), &target);
    let resource = node.map_or_else(|| guessed_arn(call, &target), |node| node.arn());
    call.authorize(&resource, node.map(|node| &node.tags))?;
    let document = world
        .scenario
        .document(call.account(), call.region(), plain_document_name(name))
        .ok_or_else(|| invalid_document(name))?;
    let connected = node.and_then(|node| Some((node, node.profile()?)));
    let (node, profile) = connected.ok_or_else(|| not_connected(&target))?;
    let started = world
        .sessions
        .start(SessionStart {
            account: call.account().to_owned(),
            region: call.region().to_owned(),
            owner_arn: call.caller.identity.arn.clone(),
            target: profile,
            document: document.clone(),
            parameters,
            reason,
            network: Arc::new(world.destinations.of_node(node)),
        })
        .map_err(|refused| match refused {
            StartRefused::TargetNotConnected { target } => not_connected(&target),
            StartRefused::InvalidParameters(error) => {
                ApiError::bad_request("InvalidParameters", error.to_string())
            }
        })?;
    Ok(json!({
        "SessionId": started.session_id,
        "TokenValue": started.token,
        "StreamUrl": stream_url(call, &started.session_id),
    }))
}

pub(super) fn resume(call: &Call<'_>) -> ApiResult<Value> {
    let id = session_id(call)?;
    let token = call.world.sessions.resume(&id, call.account(), call.region()).map_err(|_| {
        ApiError::bad_request("DoesNotExistException", format!("Session {id} does not exist"))
    })?;
    // A session that is over has neither; clients take that for "timed out".
    let url = token.as_ref().map(|_| stream_url(call, &id));
    Ok(json!({ "SessionId": id, "TokenValue": token, "StreamUrl": url }))
}

pub(super) fn terminate(call: &Call<'_>) -> ApiResult<Value> {
    let id = session_id(call)?;
    // The real service does not tell whether there was such a session.
    if call.world.sessions.terminate(&id, call.account(), call.region()).is_err() {
        tracing::debug!(session = id, "TerminateSession for a session that is not there");
    }
    Ok(json!({ "SessionId": id }))
}

pub(super) fn describe(call: &Call<'_>) -> ApiResult<Value> {
    let mut members = Members::parse(call)?;
    let state = members.required("State")?;
    if !state.is_empty() {
        members.one_of("State", &state, &["Active", "History"]);
    }
    let most = members.integer("MaxResults")?;
    if let Some(most) = most {
        members.range("MaxResults", most, 1, 200);
    }
    let token = members.string("NextToken")?.filter(|token| !token.is_empty());
    let filters = members.list("Filters")?;
    if let Some(filters) = &filters {
        members.count("Filters", filters.len(), 1, 6);
    }
    members.finish()?;
    let filters = filters
        .unwrap_or_default()
        .into_iter()
        .map(SessionFilter::read)
        .collect::<ApiResult<Vec<_>>>()?;
    call.authorize_any()?;

    let half = if state == "Active" { SessionState::Active } else { SessionState::History };
    let mut rows = call.world.sessions.list(call.account(), call.region(), half);
    rows.retain(|record| filters.iter().all(|filter| filter.fits(record)));
    let listing = format!("sessions {} {} {state} {filters:?}", call.account(), call.region());
    let most = usize::try_from(most.unwrap_or(200)).unwrap_or(200);
    let (rows, next) = page::cut(rows, &listing, token.as_deref(), most).map_err(|_| {
        ApiError::bad_request("InvalidNextToken", "The specified token isn't valid.")
    })?;
    let mut answer = json!({ "Sessions": rows.iter().map(session).collect::<Vec<_>>() });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}

fn parameters(members: &mut Members) -> ApiResult<BTreeMap<String, Vec<String>>> {
    let map = members.map("Parameters")?.unwrap_or_default();
    map.into_iter()
        .map(|(name, value)| {
            let Value::Array(values) = value else {
                return Err(ApiError::wordless("SerializationException"));
            };
            Ok((name, values.into_iter().map(text).collect::<ApiResult<_>>()?))
        })
        .collect()
}

/// Reads and authorises the one member of ResumeSession and TerminateSession.
fn session_id(call: &Call<'_>) -> ApiResult<String> {
    let mut members = Members::parse(call)?;
    let id = members.required_within("SessionId", 1, 96)?;
    members.finish()?;
    let (region, account) = (call.region(), call.account());
    call.authorize(&format!("arn:aws:ssm:{region}:{account}:session/{id}"), None)?;
    Ok(id)
}

fn guessed_arn(call: &Call<'_>, target: &str) -> String {
    let (region, account) = (call.region(), call.account());
    if target.starts_with("mi-") {
        format!("arn:aws:ssm:{region}:{account}:managed-instance/{target}")
    } else {
        format!("arn:aws:ec2:{region}:{account}:instance/{target}")
    }
}

fn not_connected(target: &str) -> ApiError {
    ApiError::bad_request("TargetNotConnected", format!("{target} is not connected."))
}

fn stream_url(call: &Call<'_>, session_id: &str) -> String {
    let websocket = call.world.url.replacen("http", "ws", 1);
    format!("{websocket}/v1/data-channel/{session_id}?role=publish_subscribe")
}

/// One filter of DescribeSessions.
#[derive(Debug)]
enum SessionFilter {
    After(OffsetDateTime),
    Before(OffsetDateTime),
    Target(String),
    Owner(String),
    Status(String),
    Id(String),
    Access(String),
}

impl SessionFilter {
    fn read(value: Value) -> ApiResult<Self> {
        let mut members = Members::of(value)?;
        let key = members.required("key")?;
        let value = members.required_within("value", 1, 400)?;
        members.finish()?;
        let date = |value: &str| {
            OffsetDateTime::parse(value, &Rfc3339).map_err(|_| {
                ApiError::validation(format!("{value} is not a valid value for the filter {key}."))
            })
        };
        Ok(match key.as_str() {
            "InvokedAfter" => Self::After(date(&value)?),
            "InvokedBefore" => Self::Before(date(&value)?),
            "Target" => Self::Target(value),
            "Owner" => Self::Owner(value),
            "Status" => Self::Status(value),
            "SessionId" => Self::Id(value),
            "AccessType" => Self::Access(value),
            _ => return Err(ApiError::wordless("InvalidFilterKey")),
        })
    }

    fn fits(&self, record: &SessionRecord) -> bool {
        match self {
            Self::After(at) => OffsetDateTime::from(record.start) >= *at,
            Self::Before(at) => OffsetDateTime::from(record.start) < *at,
            Self::Target(target) => record.target == *target,
            Self::Owner(owner) => record.owner == *owner,
            Self::Status(status) => status_name(record.status) == status,
            Self::Id(id) => record.id == *id,
            Self::Access(access) => access == "Standard",
        }
    }
}

fn session(record: &SessionRecord) -> Value {
    let date = |at: SystemTime| timestamp(at.into());
    let mut row = json!({
        "SessionId": record.id,
        "Target": record.target,
        "Status": status_name(record.status),
        "StartDate": date(record.start),
        "DocumentName": record.document,
        "Owner": record.owner,
        "AccessType": "Standard",
    });
    if let Some(end) = record.end {
        row["EndDate"] = date(end);
    }
    if let Some(reason) = &record.reason {
        row["Reason"] = reason.clone().into();
    }
    if let Some(most) = record.max_duration {
        row["MaxSessionDuration"] = most.as_secs().div_ceil(60).to_string().into();
    }
    row
}

fn status_name(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Connecting => "Connecting",
        SessionStatus::Connected => "Connected",
        SessionStatus::Disconnected => "Disconnected",
        SessionStatus::Terminated => "Terminated",
        SessionStatus::Failed => "Failed",
    }
}
