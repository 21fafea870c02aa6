//! SSM: managed nodes, their documents, and sessions.

use serde_json::Value;

use super::{ApiError, ApiResult, Call};

mod documents;
mod nodes;
mod sessions;

pub(crate) const OPERATIONS: &[&str] = &[
    "DescribeInstanceInformation",
    "DescribeSessions",
    "GetConnectionStatus",
    "GetDocument",
    "ResumeSession",
    "StartSession",
    "TerminateSession",
];

/// Answers one call.
pub(crate) fn answer(call: &Call<'_>) -> ApiResult<Value> {
    match call.operation {
        "DescribeInstanceInformation" => nodes::describe(call),
        "GetConnectionStatus" => nodes::connection_status(call),
        "GetDocument" => documents::document(call),
        "StartSession" => sessions::start(call),
        "ResumeSession" => sessions::resume(call),
        "TerminateSession" => sessions::terminate(call),
        "DescribeSessions" => sessions::describe(call),
        _ => Err(ApiError::wordless("UnknownOperationException")),
    }
}

/// The pattern of document names.
const DOCUMENT_NAME: &str = "^[a-zA-Z0-9_\\-.:/]{3,128}$";

fn is_document_name(name: &str) -> bool {
    (3..=128).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte))
}

/// Takes the account's own part of a document's ARN off, if it is one.
fn plain_document_name(name: &str) -> &str {
    name.split_once(":document/").map_or(name, |(_, name)| name)
}

fn invalid_document(name: &str) -> ApiError {
    ApiError::bad_request("InvalidDocument", format!("Document with name {name} does not exist."))
}
