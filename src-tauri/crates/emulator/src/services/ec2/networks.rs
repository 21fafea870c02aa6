//! DescribeRouteTables and DescribeVpcEndpoints: how the instances reach anything.

use std::collections::BTreeMap;

use super::{Filters, invalid, refuse_dry_run, respond};
use crate::scenario::WayOut;
use crate::services::query::Form;
use crate::services::{ApiError, ApiResult, Call, page};

/// What a request gets when it does not say how much.
const MOST: i64 = 1000;

/// One route table; the main one of its network has no subnets of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Table {
    id: String,
    vpc: String,
    /// The network's addresses.
    block: String,
    subnets: Vec<String>,
    is_main: bool,
    gateway: Option<String>,
}

/// One gateway endpoint of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Endpoint {
    id: String,
    vpc: String,
    service: String,
}

pub(super) fn route_tables(call: &Call<'_>, form: Form) -> ApiResult<String> {
    let asked = Asked::take(call, form, "RouteTableId")?;
    let rows = asked.named(tables(call), |table| &table.id).map_err(|unknown| {
        let message = format!("The routeTable ID '{unknown}' does not exist");
        ApiError::bad_request("InvalidRouteTableID.NotFound", message)
    })?;
    let (rows, next) = asked.cut(call, rows, table_values)?;
    Ok(respond(call, |xml| {
        xml.items("routeTableSet", rows, |xml, table| {
            xml.text("routeTableId", &table.id);
            xml.text("vpcId", &table.vpc);
            xml.text("ownerId", call.account());
            let local = (table.block.as_str(), "local");
            let out = table.gateway.as_deref().map(|gateway| ("0.0.0.0/0", gateway));
            xml.items("routeSet", [local].into_iter().chain(out), |xml, (block, gateway)| {
                xml.text("destinationCidrBlock", block);
                let kind = if gateway.starts_with("nat-") { "natGatewayId" } else { "gatewayId" };
                xml.text(kind, gateway);
                xml.text("state", "active");
                xml.text(
                    "origin",
                    if gateway == "local" { "CreateRouteTable" } else { "CreateRoute" },
                );
            });
            let main = table.is_main.then_some(None);
            let own = table.subnets.iter().map(Some);
            xml.items("associationSet", main.into_iter().chain(own), |xml, subnet| {
                let of = subnet.unwrap_or(&table.vpc);
                xml.text("routeTableAssociationId", format!("rtbassoc-{}", tail(of)));
                xml.text("routeTableId", &table.id);
                if let Some(subnet) = subnet {
                    xml.text("subnetId", subnet);
                }
                xml.text("main", if subnet.is_none() { "true" } else { "false" });
            });
            xml.text("propagatingVgwSet", "");
            xml.text("tagSet", "");
        });
        if let Some(next) = next {
            xml.text("nextToken", next);
        }
    }))
}

pub(super) fn endpoints(call: &Call<'_>, form: Form) -> ApiResult<String> {
    let asked = Asked::take(call, form, "VpcEndpointId")?;
    let rows = asked.named(all_endpoints(call), |endpoint| &endpoint.id).map_err(|unknown| {
        let message = format!("The Vpc Endpoint Id '{unknown}' does not exist");
        ApiError::bad_request("InvalidVpcEndpointId.NotFound", message)
    })?;
    let (rows, next) = asked.cut(call, rows, endpoint_values)?;
    Ok(respond(call, |xml| {
        xml.items("vpcEndpointSet", rows, |xml, endpoint| {
            xml.text("vpcEndpointId", &endpoint.id);
            xml.text("vpcEndpointType", "Gateway");
            xml.text("vpcId", &endpoint.vpc);
            xml.text("serviceName", &endpoint.service);
            xml.text("state", "available");
        });
        if let Some(next) = next {
            xml.text("nextToken", next);
        }
    }))
}

/// What both requests have in common.
struct Asked {
    ids: Vec<String>,
    filters: Filters,
    most: usize,
    token: Option<String>,
}

impl Asked {
    fn take(call: &Call<'_>, mut form: Form, ids: &str) -> ApiResult<Self> {
        let ids = form.list(ids);
        let most = form.integer("MaxResults")?.unwrap_or(MOST);
        let token = form.take("NextToken").filter(|token| !token.is_empty());
        let dry_run = form.boolean("DryRun")?;
        let filters = Filters::take(&mut form)?;
        form.finish()?;
        call.authorize_any()?;
        refuse_dry_run(dry_run)?;
        let most = usize::try_from(most.min(MOST)).unwrap_or(0);
        if most == 0 {
            return Err(invalid("The parameter MaxResults must be positive.".to_owned()));
        }
        Ok(Self { ids, filters, most, token })
    }

    /// Leaves the rows asked for by name, if any are; or the name that none has.
    fn named<T>(&self, mut rows: Vec<T>, id: fn(&T) -> &String) -> Result<Vec<T>, &str> {
        if let Some(unknown) =
            self.ids.iter().find(|asked| rows.iter().all(|row| id(row) != *asked))
        {
            return Err(unknown);
        }
        rows.retain(|row| self.ids.is_empty() || self.ids.contains(id(row)));
        Ok(rows)
    }

    /// Leaves what the filters let through, and cuts a page of it.
    fn cut<T>(
        &self,
        call: &Call<'_>,
        rows: Vec<T>,
        values: fn(&T, &str) -> Option<Vec<String>>,
    ) -> ApiResult<(Vec<T>, Option<String>)> {
        let mut fitting = Vec::new();
        for row in rows {
            if self.filters.fit(|name| values(&row, name))? {
                fitting.push(row);
            }
        }
        let (account, region) = (call.account(), call.region());
        let listing = format!("{} {account} {region} {}", call.operation, self.filters.key());
        page::cut(fitting, &listing, self.token.as_deref(), self.most)
            .map_err(|page::NotAToken| invalid("Invalid NextToken value".to_owned()))
    }
}

/// The route tables of a place: each network's main one, and one for each subnet that leads to the
/// internet.
fn tables(call: &Call<'_>) -> Vec<Table> {
    let mut main: BTreeMap<&str, Table> = BTreeMap::new();
    let mut own: BTreeMap<&str, Table> = BTreeMap::new();
    for node in call.world.scenario.nodes(call.account(), call.region()) {
        let Some(instance) = node.instance() else { continue };
        let (vpc, subnet) = (instance.vpc.as_str(), instance.subnet.as_str());
        let table = |of: &str| Table {
            id: format!("rtb-{}", tail(of)),
            vpc: vpc.to_owned(),
            block: block_of(&node.private_ip),
            subnets: Vec::new(),
            is_main: false,
            gateway: None,
        };
        let whole = main.entry(vpc).or_insert_with(|| Table { is_main: true, ..table(vpc) });
        match instance.way_out {
            WayOut::Nat => whole.gateway = Some(format!("nat-{}", tail(vpc))),
            WayOut::Internet => {
                own.entry(subnet).or_insert_with(|| Table {
                    subnets: vec![subnet.to_owned()],
                    gateway: Some(format!("igw-{}", tail(vpc))),
                    ..table(subnet)
                });
            }
            WayOut::None => {}
        }
    }
    main.into_values().chain(own.into_values()).collect()
}

fn table_values(table: &Table, filter: &str) -> Option<Vec<String>> {
    Some(match filter {
        "route-table-id" => vec![table.id.clone()],
        "vpc-id" => vec![table.vpc.clone()],
        "association.subnet-id" => table.subnets.clone(),
        "association.main" => vec![table.is_main.to_string()],
        _ => return None,
    })
}

/// A network that leads nowhere has an endpoint for S3, to have its packages from.
fn all_endpoints(call: &Call<'_>) -> Vec<Endpoint> {
    let tables = tables(call).into_iter().filter(|table| table.gateway.is_none());
    let endpoint = |table: Table| Endpoint {
        id: format!("vpce-{}", tail(&table.vpc)),
        service: format!("com.amazonaws.{}.s3", call.region()),
        vpc: table.vpc,
    };
    tables.map(endpoint).collect()
}

fn endpoint_values(endpoint: &Endpoint, filter: &str) -> Option<Vec<String>> {
    Some(vec![match filter {
        "vpc-endpoint-id" => endpoint.id.clone(),
        "vpc-id" => endpoint.vpc.clone(),
        "service-name" => endpoint.service.clone(),
        "vpc-endpoint-type" => "Gateway".to_owned(),
        "vpc-endpoint-state" => "available".to_owned(),
        _ => return None,
    }])
}

/// What stands behind the kind in an id.
fn tail(id: &str) -> &str {
    id.split_once('-').map_or(id, |(_, tail)| tail)
}

/// The network an address is in; all are as large.
fn block_of(address: &str) -> String {
    let first: Vec<&str> = address.split('.').take(2).collect();
    format!("{}.0.0/16", first.join("."))
}
