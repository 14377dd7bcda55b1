//! Single routes of a route table: local, or to an internet gateway. Start at [`Route`].

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::cidr::{Cidr, canonical_ipv6};
use super::error::{invalid_value, missing_parameter, refuse, required};
use super::register::operation;
use super::route_table::{RouteTable, missing};
use crate::engine::Refusal;
use crate::engine::names::InternetGatewayId;
use crate::sandbox::models::ec2::{
    CreateRouteInput, CreateRouteOutput, DeleteRouteInput, DeleteRouteOutput, ReplaceRouteInput, ReplaceRouteOutput,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// An IPv4 or IPv6 block in canonical form.
    pub destination: String,
    pub target: Target,
    pub origin: Origin,
}

impl Route {
    pub fn is_ipv6(&self) -> bool {
        self.destination.contains(':')
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    Local,
    InternetGateway(InternetGatewayId),
}

impl Target {
    pub fn gateway_id(&self) -> &str {
        match self {
            Self::Local => "local",
            Self::InternetGateway(id) => id.as_str(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    CreateRouteTable,
    CreateRoute,
}

impl Origin {
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateRouteTable => "CreateRouteTable",
            Self::CreateRoute => "CreateRoute",
        }
    }
}

/// The destination that a call names, and the member's name in AWS's words for messages.
struct Destination {
    block: String,
    parameter: &'static str,
}

fn destination(ipv4: Option<String>, ipv6: Option<String>) -> Result<Destination, Refusal> {
    let (text, parameter, block) = match (ipv4, ipv6) {
        (Some(text), None) => {
            let block = Cidr::parse(&text).map(|cidr| cidr.to_string());
            (text, "destination-cidr-block", block)
        }
        (None, Some(text)) => {
            let block = canonical_ipv6(&text);
            (text, "destination-ipv6-cidr-block", block)
        }
        (None, None) => return Err(missing_parameter("destinationCidrBlock")),
        (Some(_), Some(_)) => {
            let message = "Exactly one destination may be specified";
            return Err(refuse("InvalidParameterCombination", message));
        }
    };
    let camel = if parameter.contains("ipv6") { "destinationIpv6CidrBlock" } else { "destinationCidrBlock" };
    let block = block.ok_or_else(|| invalid_value(&text, camel, "This is not a valid CIDR block."))?;
    Ok(Destination { block, parameter })
}

impl Ec2 {
    fn route_target(&self, table: &str, gateway: Option<String>) -> Result<Target, Refusal> {
        let id = required(gateway, "gatewayId")?;
        if id == "local" {
            return Ok(Target::Local);
        }
        let attached = &self.internet_gateway(&id)?.vpc;
        let vpc = self.route_table(table)?.vpc.clone();
        if attached.as_ref() != Some(&vpc) {
            let message = format!("route table {table} and network gateway {id} belong to different networks");
            return Err(refuse("InvalidParameterValue", message));
        }
        Ok(Target::InternetGateway(InternetGatewayId(id)))
    }

    fn route_table_mut(&mut self, id: &str) -> Result<&mut RouteTable, Refusal> {
        self.route_tables.get_mut(id).ok_or_else(|| missing(&[id]))
    }
}

fn place_of(table: &RouteTable, id: &str, destination: &Destination) -> Result<usize, Refusal> {
    table.routes.iter().position(|route| route.destination == destination.block).ok_or_else(|| {
        let (parameter, block) = (destination.parameter, &destination.block);
        refuse("InvalidRoute.NotFound", format!("no route with {parameter} {block} in route table {id}"))
    })
}

fn create(region: &mut Region, _: &Call, input: CreateRouteInput) -> Result<CreateRouteOutput, Refusal> {
    let id = required(input.route_table_id, "routeTableId")?;
    let destination = destination(input.destination_cidr_block, input.destination_ipv6_cidr_block)?;
    region.ec2.route_table(&id)?;
    let target = region.ec2.route_target(&id, input.gateway_id)?;
    let table = region.ec2.route_table_mut(&id)?;
    if let Some(same) = table.routes.iter().find(|route| route.destination == destination.block) {
        // The provider repeats a call whose answer was lost; the same route again is no conflict on AWS.
        if same.target == target {
            return Ok(CreateRouteOutput { r#return: Some(true) });
        }
        let message = format!("The route identified by {} already exists.", destination.block);
        return Err(refuse("RouteAlreadyExists", message));
    }
    table.routes.push(Route { destination: destination.block, target, origin: Origin::CreateRoute });
    Ok(CreateRouteOutput { r#return: Some(true) })
}

fn replace(region: &mut Region, _: &Call, input: ReplaceRouteInput) -> Result<ReplaceRouteOutput, Refusal> {
    let id = required(input.route_table_id, "routeTableId")?;
    let destination = destination(input.destination_cidr_block, input.destination_ipv6_cidr_block)?;
    let place = place_of(region.ec2.route_table(&id)?, &id, &destination)?;
    let target = region.ec2.route_target(&id, input.gateway_id)?;
    region.ec2.route_table_mut(&id)?.routes[place].target = target;
    Ok(ReplaceRouteOutput::default())
}

fn delete(region: &mut Region, _: &Call, input: DeleteRouteInput) -> Result<DeleteRouteOutput, Refusal> {
    let id = required(input.route_table_id, "routeTableId")?;
    let destination = destination(input.destination_cidr_block, input.destination_ipv6_cidr_block)?;
    let table = region.ec2.route_table_mut(&id)?;
    let place = place_of(table, &id, &destination)?;
    if table.routes[place].origin == Origin::CreateRouteTable {
        let message = format!("cannot remove local route {} in route table {id}", destination.block);
        return Err(refuse("InvalidParameterValue", message));
    }
    table.routes.remove(place);
    Ok(DeleteRouteOutput::default())
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateRouteInput "CreateRoute":
        "Adds a route to an internet gateway.",
        takes RouteTableId DestinationCidrBlock DestinationIpv6CidrBlock GatewayId
    );
    operation!(operations, replace, ReplaceRouteInput "ReplaceRoute":
        "Points a route to another target.",
        takes RouteTableId DestinationCidrBlock DestinationIpv6CidrBlock GatewayId
    );
    operation!(operations, delete, DeleteRouteInput "DeleteRoute":
        "Removes a route.",
        takes RouteTableId DestinationCidrBlock DestinationIpv6CidrBlock
    );
}
