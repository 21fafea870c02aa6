//! GetDocument.

use serde_json::{Value, json};
use time::Duration;

use super::{DOCUMENT_NAME, invalid_document, is_document_name, plain_document_name};
use crate::services::json::{Members, timestamp};
use crate::services::{ApiError, ApiResult, Call};

/// Every document here has one version.
const VERSION: &str = "1";

pub(super) fn document(call: &Call<'_>) -> ApiResult<Value> {
    let mut members = Members::parse(call)?;
    let name = members.required("Name")?;
    members.pattern("Name", &name, DOCUMENT_NAME, is_document_name(&name));
    let version = members.string("DocumentVersion")?;
    let version_name = members.string("VersionName")?;
    let format = members.string("DocumentFormat")?.unwrap_or_else(|| "JSON".to_owned());
    members.one_of("DocumentFormat", &format, &["YAML", "JSON", "TEXT"]);
    members.finish()?;

    let plain = plain_document_name(&name);
    let region = call.region();
    let owner = if plain.starts_with("AWS-") { "" } else { call.account() };
    call.authorize(&format!("arn:aws:ssm:{region}:{owner}:document/{plain}"), None)?;
    let document = call
        .world
        .scenario
        .document(call.account(), region, plain)
        .ok_or_else(|| invalid_document(&name))?;
    let current = |version: &str| matches!(version, VERSION | "$LATEST" | "$DEFAULT");
    if version_name.is_some() || version.is_some_and(|version| !current(&version)) {
        return Err(ApiError::bad_request(
            "InvalidDocumentVersion",
            "The document version is not valid or does not exist.",
        ));
    }
    // JSON is YAML as well, so one text serves every format.
    let content = serde_json::to_string_pretty(&document.content()).unwrap_or_default();
    Ok(json!({
        "Name": plain,
        "CreatedDate": timestamp(call.world.started - Duration::days(412)),
        "DocumentVersion": VERSION,
        "Status": "Active",
        "Content": content,
        "DocumentType": "Session",
        "DocumentFormat": format,
    }))
}
