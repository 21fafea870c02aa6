//! EC2: the instances behind the nodes, their networks, and the regions.

use std::collections::BTreeMap;

use super::query::Form;
use super::xml::Xml;
use super::{ApiError, ApiResult, Call};
use crate::scenario::matches;

mod instances;
mod networks;
mod regions;

pub(crate) const OPERATIONS: &[&str] =
    &["DescribeInstances", "DescribeRegions", "DescribeRouteTables", "DescribeVpcEndpoints"];
pub(crate) const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// The most values one request's filters may have together.
const MOST_FILTER_VALUES: usize = 200;

/// Answers one call.
pub(crate) fn answer(call: &Call<'_>, form: Form) -> ApiResult<String> {
    match call.operation {
        "DescribeInstances" => instances::describe(call, form),
        "DescribeRegions" => regions::describe(call, form),
        "DescribeRouteTables" => networks::route_tables(call, form),
        "DescribeVpcEndpoints" => networks::endpoints(call, form),
        other => Err(unknown(other)),
    }
}

pub(crate) fn unknown(operation: &str) -> ApiError {
    ApiError::bad_request(
        "InvalidAction",
        format!("The action {operation} is not valid for this web service."),
    )
}

/// Refuses a request that was only meant to ask whether it would be allowed.
fn refuse_dry_run(dry_run: Option<bool>) -> ApiResult<()> {
    if dry_run == Some(true) {
        return Err(ApiError::new(
            http::StatusCode::PRECONDITION_FAILED,
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.",
        ));
    }
    Ok(())
}

fn respond(call: &Call<'_>, content: impl FnOnce(&mut Xml)) -> String {
    Xml::document(&format!("{}Response", call.operation), Some(NAMESPACE), |xml| {
        xml.text("requestId", call.request_id);
        content(xml);
    })
}

/// The filters of a request: name to patterns, any of which may fit.
struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    fn take(form: &mut Form) -> ApiResult<Self> {
        let mut filters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for mut filter in form.structures("Filter") {
            let name = filter.required("Name")?;
            let values = filter.list("Value");
            if values.is_empty() {
                return Err(invalid(format!("The filter '{name}' has no values")));
            }
            filter.finish()?;
            filters.entry(name).or_default().extend(values);
        }
        if filters.values().map(Vec::len).sum::<usize>() > MOST_FILTER_VALUES {
            return Err(ApiError::bad_request(
                "FilterLimitExceeded",
                "The maximum number of filter values specified on a single call is 200",
            ));
        }
        Ok(Self(filters))
    }

    /// Tells whether every filter fits. `values` yields what a row has under a filter's name, or
    /// `None` when there is no such filter.
    fn fit(&self, values: impl Fn(&str) -> Option<Vec<String>>) -> ApiResult<bool> {
        for (name, patterns) in &self.0 {
            let values =
                values(name).ok_or_else(|| invalid(format!("The filter '{name}' is invalid")))?;
            let fits = values.iter().any(|value| patterns.iter().any(|p| matches(p, value)));
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A text that differs whenever the filters do.
    fn key(&self) -> String {
        format!("{:?}", self.0)
    }
}

fn invalid(message: String) -> ApiError {
    ApiError::bad_request("InvalidParameterValue", message)
}
