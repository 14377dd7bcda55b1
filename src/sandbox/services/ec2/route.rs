//! Single routes of a route table. Start at [`Route`].
//! Left out, and refused: transit, virtual private, carrier and local gateways, core networks.

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::cidr::{Cidr, canonical_ipv6};
use super::error::{invalid_value, missing_ids, missing_parameter, refuse, required};
use super::nat_gateway::NatGateway;
use super::network_interface::interface;
use super::peering::State;
use super::register::operation;
use super::route_table::{RouteTable, missing};
use crate::engine::Refusal;
use crate::engine::names::{InternetGatewayId, VpcId};
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    CreateRouteInput, CreateRouteOutput, DeleteRouteInput, DeleteRouteOutput, ReplaceRouteInput, ReplaceRouteOutput,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// An IPv4 or IPv6 block in canonical form, or a prefix list.
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
    NatGateway(String),
    /// An interface, also where the caller named its instance.
    Interface(String),
    Peering(String),
    EgressOnly(String),
    /// A gateway endpoint, which makes its routes itself.
    Endpoint(String),
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

/// The members that can name a destination.
struct Named {
    ipv4: Option<String>,
    ipv6: Option<String>,
    prefix_list: Option<String>,
}

fn destination(ec2: &Ec2, named: Named) -> Result<Destination, Refusal> {
    let invalid = |text: &str, member: &str| invalid_value(text, member, "This is not a valid CIDR block.");
    match (named.ipv4, named.ipv6, named.prefix_list) {
        (Some(text), None, None) => {
            let cidr = Cidr::parse(&text).ok_or_else(|| invalid(&text, "destinationCidrBlock"))?;
            Ok(Destination { block: cidr.to_string(), parameter: "destination-cidr-block" })
        }
        (None, Some(text), None) => {
            let block = canonical_ipv6(&text).ok_or_else(|| invalid(&text, "destinationIpv6CidrBlock"))?;
            Ok(Destination { block, parameter: "destination-ipv6-cidr-block" })
        }
        (None, None, Some(id)) if ec2.has_prefix_list(&id) => {
            Ok(Destination { block: id, parameter: "destination-prefix-list-id" })
        }
        (None, None, Some(id)) => {
            Err(refuse("InvalidPrefixListID.NotFound", format!("The prefix list ID '{id}' does not exist")))
        }
        (None, None, None) => Err(missing_parameter("destinationCidrBlock")),
        _ => Err(refuse("InvalidParameterCombination", "Exactly one destination may be specified")),
    }
}

/// The members that can name a target.
struct Targets {
    gateway: Option<String>,
    nat_gateway: Option<String>,
    interface: Option<String>,
    instance: Option<String>,
    peering: Option<String>,
    egress_only: Option<String>,
    endpoint: Option<String>,
}

macro_rules! targets {
    ($input:ident) => {
        Targets {
            gateway: $input.gateway_id.clone(),
            nat_gateway: $input.nat_gateway_id.clone(),
            interface: $input.network_interface_id.clone(),
            instance: $input.instance_id.clone(),
            peering: $input.vpc_peering_connection_id.clone(),
            egress_only: $input.egress_only_internet_gateway_id.clone(),
            endpoint: $input.vpc_endpoint_id.clone(),
        }
    };
}

macro_rules! named {
    ($input:ident) => {
        Named {
            ipv4: $input.destination_cidr_block,
            ipv6: $input.destination_ipv6_cidr_block,
            prefix_list: $input.destination_prefix_list_id,
        }
    };
}

/// The one target that a call names, as one of the table's network.
fn target(region: &Region, table: &str, named: Targets) -> Result<Target, Refusal> {
    let all = [
        &named.gateway,
        &named.nat_gateway,
        &named.interface,
        &named.instance,
        &named.peering,
        &named.egress_only,
        &named.endpoint,
    ];
    match all.iter().filter(|member| member.is_some()).count() {
        0 => return Err(missing_parameter("gatewayId")),
        1 => {}
        _ => return Err(refuse("InvalidParameterCombination", "Exactly one target may be specified")),
    }
    let ec2 = &region.ec2;
    let vpc = ec2.route_table(table)?.vpc.clone();
    let in_network = |what: &str, id: &str, own: Option<&VpcId>| match own == Some(&vpc) {
        true => Ok(()),
        false => {
            let message = format!("route table {table} and {what} {id} belong to different networks");
            Err(refuse("InvalidParameterValue", message))
        }
    };
    if let Some(id) = named.gateway {
        return match id.split('-').next() {
            _ if id == "local" => Ok(Target::Local),
            Some("igw") => {
                in_network("network gateway", &id, ec2.internet_gateway(&id)?.vpc.as_ref())?;
                Ok(Target::InternetGateway(InternetGatewayId(id)))
            }
            _ => Err(missing_ids("InvalidGatewayID.NotFound", "gateway", &[&id])),
        };
    }
    if let Some(id) = named.nat_gateway {
        let unknown = || missing_ids("InvalidNatGatewayID.NotFound", "natGateway", &[&id]);
        in_network("NAT gateway", &id, Some(&ec2.nat_gateway(&id).map_err(|_| unknown())?.vpc))?;
        return Ok(Target::NatGateway(id));
    }
    if let Some(id) = named.interface {
        in_network("interface", &id, Some(&interface(region, &id)?.vpc))?;
        return Ok(Target::Interface(id));
    }
    if let Some(id) = named.instance {
        let eni = super::address::first_interface(region, &id)?;
        in_network("instance", &id, Some(&interface(region, &eni)?.vpc))?;
        return Ok(Target::Interface(eni));
    }
    if let Some(id) = named.peering {
        let peering = ec2.peering(&id)?;
        let side = if peering.requester == vpc { &peering.requester } else { &peering.accepter };
        in_network("vpc peering connection", &id, Some(side))?;
        return Ok(Target::Peering(id));
    }
    if let Some(id) = named.egress_only {
        let gateway = ec2.egress_only_gateways.get(&id).ok_or_else(|| super::egress_only_gateway::missing(&[&id]))?;
        in_network("network gateway", &id, Some(&gateway.vpc))?;
        return Ok(Target::EgressOnly(id));
    }
    let id = named.endpoint.unwrap_or_default();
    ec2.endpoint(&id)?;
    let message = format!(
        "Route table contains unsupported route target: {id}. VPC Endpoints of this type cannot be used as route targets."
    );
    Err(refuse("RouteNotSupported", message))
}

/// Whether anything still stands behind a route's target.
fn works(region: &Region, table: &RouteTable, target: &Target) -> bool {
    let ec2 = &region.ec2;
    match target {
        Target::Local => true,
        Target::InternetGateway(id) => {
            ec2.internet_gateways.get(id).is_some_and(|gateway| gateway.vpc.as_ref() == Some(&table.vpc))
        }
        Target::NatGateway(id) => ec2.nat_gateway(id).is_ok_and(NatGateway::works),
        Target::Interface(id) => interface(region, id).is_ok_and(|kept| kept.attachment.is_some()),
        Target::Peering(id) => ec2.peering(id).is_ok_and(|peering| peering.state == State::Active),
        Target::EgressOnly(id) => ec2.egress_only_gateways.contains_key(id),
        Target::Endpoint(id) => ec2.endpoint(id).is_ok(),
    }
}

pub fn show(region: &Region, table: &RouteTable, route: &Route) -> model::Route {
    let mut shown = model::Route {
        origin: Some(route.origin.name().into()),
        state: Some(if works(region, table, &route.target) { "active" } else { "blackhole" }.into()),
        ..Default::default()
    };
    let destination = Some(route.destination.clone());
    match () {
        () if route.destination.starts_with("pl-") => shown.destination_prefix_list_id = destination,
        () if route.is_ipv6() => shown.destination_ipv6_cidr_block = destination,
        () => shown.destination_cidr_block = destination,
    }
    match &route.target {
        Target::Local => shown.gateway_id = Some("local".into()),
        Target::InternetGateway(id) => shown.gateway_id = Some(id.to_string()),
        Target::NatGateway(id) => shown.nat_gateway_id = Some(id.clone()),
        Target::Interface(id) => {
            shown.network_interface_id = Some(id.clone());
            let instance = interface(region, id).ok().and_then(|kept| kept.instance().cloned());
            shown.instance_owner_id = instance.as_ref().map(|_| region.world.place.account.clone());
            shown.instance_id = instance.map(|id| id.0);
        }
        Target::Peering(id) => shown.vpc_peering_connection_id = Some(id.clone()),
        Target::EgressOnly(id) => shown.egress_only_internet_gateway_id = Some(id.clone()),
        Target::Endpoint(id) => shown.gateway_id = Some(id.clone()),
    }
    shown
}

impl Ec2 {
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
    region.ec2.route_table(&id)?;
    let targets = targets!(input);
    let destination = destination(&region.ec2, named!(input))?;
    let target = target(region, &id, targets)?;
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
    let targets = targets!(input);
    let local = input.local_target == Some(true);
    let destination = destination(&region.ec2, named!(input))?;
    let place = place_of(region.ec2.route_table(&id)?, &id, &destination)?;
    let target = if local { Target::Local } else { target(region, &id, targets)? };
    region.ec2.route_table_mut(&id)?.routes[place].target = target;
    Ok(ReplaceRouteOutput::default())
}

fn delete(region: &mut Region, _: &Call, input: DeleteRouteInput) -> Result<DeleteRouteOutput, Refusal> {
    let id = required(input.route_table_id, "routeTableId")?;
    let destination = destination(&region.ec2, named!(input))?;
    let table = region.ec2.route_table_mut(&id)?;
    let place = place_of(table, &id, &destination)?;
    if table.routes[place].origin == Origin::CreateRouteTable {
        let message = format!("cannot remove local route {} in route table {id}", destination.block);
        return Err(refuse("InvalidParameterValue", message));
    }
    if let Target::Endpoint(endpoint) = &table.routes[place].target {
        let message = format!("cannot remove VPC endpoint route {endpoint} in route table {id}");
        return Err(refuse("InvalidParameterValue", message));
    }
    table.routes.remove(place);
    Ok(DeleteRouteOutput::default())
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateRouteInput "CreateRoute":
        "Adds a route to a gateway, interface, instance or peering connection.",
        takes RouteTableId DestinationCidrBlock DestinationIpv6CidrBlock DestinationPrefixListId GatewayId
            EgressOnlyInternetGatewayId InstanceId NatGatewayId NetworkInterfaceId VpcEndpointId VpcPeeringConnectionId
    );
    operation!(operations, replace, ReplaceRouteInput "ReplaceRoute":
        "Points a route to another target.",
        takes RouteTableId DestinationCidrBlock DestinationIpv6CidrBlock DestinationPrefixListId GatewayId
            EgressOnlyInternetGatewayId InstanceId LocalTarget NatGatewayId NetworkInterfaceId VpcEndpointId
            VpcPeeringConnectionId
    );
    operation!(operations, delete, DeleteRouteInput "DeleteRoute":
        "Removes a route.",
        takes RouteTableId DestinationCidrBlock DestinationIpv6CidrBlock DestinationPrefixListId
    );
}
