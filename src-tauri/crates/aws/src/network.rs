//! Whether a subnet leads to Systems Manager.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Filter, Route, RouteState, RouteTable};

use crate::client::Client;
use crate::endpoints::Service;
use crate::error::CallError;

/// Where everything goes that has no route of its own.
const EVERYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// How a subnet leads out of its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayOut {
    /// The gateway that everything without a route of its own goes to, by id: `nat-…`, `igw-…`.
    pub gateway: Option<String>,
    /// Services that have an endpoint in the network, by their last name: `ssm`, `ssmmessages`.
    pub endpoints: BTreeSet<String>,
}

impl WayOut {
    /// Says whether an instance needs an address of its own on the internet to use the gateway.
    pub fn needs_public_address(&self) -> bool {
        self.gateway.as_ref().is_some_and(|gateway| gateway.starts_with("igw-"))
    }
}

impl Client {
    /// Reads how a subnet leads out of its network. Safe to drop.
    ///
    /// # Errors
    ///
    /// [`CallError`] when EC2 will not tell of routes or endpoints.
    pub async fn way_out(&self, vpc: &str, subnet: &str) -> Result<WayOut, CallError> {
        let (tables, endpoints) =
            tokio::try_join!(self.routes_of(vpc, subnet), self.endpoints_in(vpc))?;
        let gateway = tables.iter().flat_map(RouteTable::routes).find_map(gateway);
        Ok(WayOut { gateway, endpoints })
    }

    /// Reads the route table of a subnet, which is the network's main one unless it was given one.
    async fn routes_of(&self, vpc: &str, subnet: &str) -> Result<Vec<RouteTable>, CallError> {
        let own = self.route_tables(vec![filter("association.subnet-id", subnet)]).await?;
        if !own.is_empty() {
            return Ok(own);
        }
        self.route_tables(vec![filter("vpc-id", vpc), filter("association.main", "true")]).await
    }

    async fn route_tables(&self, filters: Vec<Filter>) -> Result<Vec<RouteTable>, CallError> {
        let call = self.call(Service::Ec2, "DescribeRouteTables");
        let asked = || self.ec2().describe_route_tables().set_filters(Some(filters.clone())).send();
        Ok(call.run(asked).await?.route_tables.unwrap_or_default())
    }

    async fn endpoints_in(&self, vpc: &str) -> Result<BTreeSet<String>, CallError> {
        let call = self.call(Service::Ec2, "DescribeVpcEndpoints");
        let filters = vec![filter("vpc-id", vpc), filter("vpc-endpoint-state", "available")];
        let asked =
            || self.ec2().describe_vpc_endpoints().set_filters(Some(filters.clone())).send();
        let output = call.run(asked).await?;
        let names = output.vpc_endpoints().iter().filter_map(|endpoint| endpoint.service_name());
        Ok(names.filter_map(|name| name.rsplit('.').next()).map(str::to_owned).collect())
    }
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// Names what a route for everything leads to; none for other routes and dead ones.
fn gateway(route: &Route) -> Option<String> {
    let to = [route.destination_cidr_block(), route.destination_ipv6_cidr_block()];
    let is_for_all = to.into_iter().flatten().any(|block| EVERYWHERE.contains(&block));
    if !is_for_all || route.state() == Some(&RouteState::Blackhole) {
        return None;
    }
    let gateways = [
        route.gateway_id(),
        route.nat_gateway_id(),
        route.transit_gateway_id(),
        route.network_interface_id(),
        route.egress_only_internet_gateway_id(),
        route.vpc_peering_connection_id(),
        route.local_gateway_id(),
        route.carrier_gateway_id(),
        route.core_network_arn(),
    ];
    gateways.into_iter().flatten().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_living_route_for_everything_leads_out() {
        let route = || Route::builder().destination_cidr_block("0.0.0.0/0").nat_gateway_id("nat-1");
        assert_eq!(gateway(&route().build()).as_deref(), Some("nat-1"));
        assert_eq!(gateway(&route().state(RouteState::Blackhole).build()), None);
        let local = Route::builder().destination_cidr_block("10.0.0.0/16").gateway_id("local");
        assert_eq!(gateway(&local.build()), None);
    }
}
