//! DescribeRegions.

use super::{Filters, refuse_dry_run, respond};
use crate::region::{REGIONS, Region};
use crate::services::query::Form;
use crate::services::{ApiError, ApiResult, Call};

pub(super) fn describe(call: &Call<'_>, mut form: Form) -> ApiResult<String> {
    let all = form.boolean("AllRegions")?.unwrap_or(false);
    let names = form.list("RegionName");
    let dry_run = form.boolean("DryRun")?;
    let filters = Filters::take(&mut form)?;
    form.finish()?;
    call.authorize_any()?;
    refuse_dry_run(dry_run)?;
    if let Some(unknown) = names.iter().find(|name| !crate::region::is_known(name)) {
        return Err(ApiError::bad_request(
            "InvalidParameterValue",
            format!("Invalid region provided: [{unknown}]"),
        ));
    }
    let mut rows = Vec::new();
    for region in REGIONS {
        let asked = names.is_empty() || names.iter().any(|name| name == region.name);
        let shown = all || !region.opt_in;
        if asked && shown && filters.fit(|name| values(region, name))? {
            rows.push(region);
        }
    }
    Ok(respond(call, |xml| {
        xml.items("regionInfo", rows, |xml, region| {
            xml.text("regionName", region.name);
            xml.text("regionEndpoint", endpoint(region));
            xml.text("optInStatus", opt_in(region));
        });
    }))
}

fn values(region: &Region, filter: &str) -> Option<Vec<String>> {
    Some(vec![match filter {
        "region-name" => region.name.to_owned(),
        "endpoint" => endpoint(region),
        "opt-in-status" => opt_in(region).to_owned(),
        _ => return None,
    }])
}

fn endpoint(region: &Region) -> String {
    format!("ec2.{}.amazonaws.com", region.name)
}

fn opt_in(region: &Region) -> &'static str {
    if region.opt_in { "not-opted-in" } else { "opt-in-not-required" }
}
