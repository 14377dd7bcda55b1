//! Route tables and what they are associated with. Start at [`RouteTable`]; `route.rs` has the single routes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::cidr::Cidr;
use super::error::{combination, dependency, missing_ids, missing_parameter, refuse, required};
use super::register::{ask, operation};
use super::route::{self, Origin, Route, Target};
use super::select::{Kind, each, one};
use super::tag::new_tags;
use crate::engine::Refusal;
use crate::engine::names::{InternetGatewayId, RouteTableId, SubnetId, VpcId};
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    AssociateRouteTableInput, AssociateRouteTableOutput, CreateRouteTableInput, CreateRouteTableOutput,
    DeleteRouteTableInput, DeleteRouteTableOutput, DescribeRouteTablesInput, DescribeRouteTablesOutput,
    DisassociateRouteTableInput, DisassociateRouteTableOutput, ReplaceRouteTableAssociationInput,
    ReplaceRouteTableAssociationOutput, RouteTableAssociation, RouteTableAssociationState,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteTable {
    pub vpc: VpcId,
    /// In the order they were made; the local route is the first.
    pub routes: Vec<Route>,
    /// By association id.
    pub associations: BTreeMap<String, Associated>,
}

/// What follows a route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Associated {
    /// Every subnet of the VPC that has no table of its own.
    Main,
    Subnet(SubnetId),
    /// What enters the VPC through an internet gateway.
    Gateway(InternetGatewayId),
}

impl RouteTable {
    pub fn is_main(&self) -> bool {
        self.associations.values().any(|associated| *associated == Associated::Main)
    }
}

pub fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidRouteTableID.NotFound", "routeTable", ids)
}

impl Ec2 {
    pub fn route_table(&self, id: &str) -> Result<&RouteTable, Refusal> {
        self.route_tables.get(id).ok_or_else(|| missing(&[id]))
    }

    fn create_route_table(&mut self, vpc: &VpcId, blocks: &[String]) -> RouteTableId {
        let id = RouteTableId(self.ids.ec2("rtb"));
        let local = |block: &String| {
            let origin = Origin::CreateRouteTable;
            Route { destination: block.clone(), target: Target::Local, origin }
        };
        let routes = blocks.iter().map(local).collect();
        let table = RouteTable { vpc: vpc.clone(), routes, associations: BTreeMap::new() };
        self.route_tables.insert(id.clone(), table);
        id
    }

    pub fn create_main_route_table(&mut self, vpc: &VpcId, cidr: Cidr) {
        let id = self.create_route_table(vpc, &[cidr.to_string()]);
        self.associate(&id, Associated::Main);
    }

    pub fn main_route_table_mut(&mut self, vpc: &VpcId) -> Option<&mut RouteTable> {
        self.route_tables.values_mut().find(|table| table.vpc == *vpc && table.is_main())
    }

    fn associate(&mut self, table: &RouteTableId, associated: Associated) -> String {
        let association = self.ids.ec2("rtbassoc");
        if let Some(table) = self.route_tables.get_mut(table) {
            table.associations.insert(association.clone(), associated);
        }
        association
    }

    fn associate_gateway(&mut self, table: &RouteTableId, id: String) -> Result<AssociateRouteTableOutput, Refusal> {
        let vpc = &self.route_table(table.as_str())?.vpc;
        if self.internet_gateway(&id)?.vpc.as_ref() != Some(vpc) {
            let message = format!("Route table {table} and network gateway {id} belong to different networks");
            return Err(refuse("InvalidParameterValue", message));
        }
        let wanted = Associated::Gateway(InternetGatewayId(id));
        if self.route_tables.values().any(|table| table.associations.values().any(|other| *other == wanted)) {
            let message =
                format!("the specified association for route table {table} conflicts with an existing association");
            return Err(refuse("Resource.AlreadyAssociated", message));
        }
        let association = self.associate(table, wanted);
        Ok(AssociateRouteTableOutput { association_id: Some(association), association_state: associated_state() })
    }

    /// Takes a subnet that is deleted out of all tables.
    pub fn leave_route_tables(&mut self, subnet: &SubnetId) {
        for table in self.route_tables.values_mut() {
            table.associations.retain(|_, associated| *associated != Associated::Subnet(subnet.clone()));
        }
    }

    fn table_of_association(&self, association: &str) -> Result<(RouteTableId, Associated), Refusal> {
        let found = self.route_tables.iter().find_map(|(id, table)| {
            table.associations.get(association).map(|associated| (id.clone(), associated.clone()))
        });
        found.ok_or_else(|| missing_ids("InvalidAssociationID.NotFound", "association", &[association]))
    }

    fn table_of_subnet(&self, subnet: &SubnetId) -> Option<(&RouteTableId, &String)> {
        let wanted = Associated::Subnet(subnet.clone());
        self.route_tables.iter().find_map(|(id, table)| {
            table.associations.iter().find(|(_, associated)| **associated == wanted).map(|(key, _)| (id, key))
        })
    }
}

fn show(region: &Region, id: &RouteTableId, table: &RouteTable) -> model::RouteTable {
    let associations = table.associations.iter().map(|(association, associated)| {
        let (subnet, gateway) = match associated {
            Associated::Main => (None, None),
            Associated::Subnet(subnet) => (Some(subnet.to_string()), None),
            Associated::Gateway(gateway) => (None, Some(gateway.to_string())),
        };
        RouteTableAssociation {
            main: Some(*associated == Associated::Main),
            route_table_association_id: Some(association.clone()),
            route_table_id: Some(id.to_string()),
            subnet_id: subnet,
            gateway_id: gateway,
            association_state: associated_state(),
            ..Default::default()
        }
    });
    model::RouteTable {
        associations: Some(associations.collect()),
        propagating_vgws: Some(Vec::new()),
        route_table_id: Some(id.to_string()),
        routes: Some(table.routes.iter().map(|route| route::show(region, table, route)).collect()),
        tags: region.ec2.tags.of(id.as_str()),
        vpc_id: Some(table.vpc.to_string()),
        owner_id: Some(region.world.place.account.clone()),
    }
}

fn associated_state() -> Option<RouteTableAssociationState> {
    Some(RouteTableAssociationState { state: Some("associated".into()), ..Default::default() })
}

const ROUTE_TABLES: Kind<model::RouteTable> = Kind {
    id: |table| &table.route_table_id,
    id_parameter: "routeTableIdSet",
    missing,
    tags: |table| &table.tags,
    filters: &[
        ("association.gateway-id", |t| each(&t.associations, |a| &a.gateway_id)),
        ("association.main", |t| each(&t.associations, |a| &a.main)),
        ("association.route-table-association-id", |t| each(&t.associations, |a| &a.route_table_association_id)),
        ("association.route-table-id", |t| each(&t.associations, |a| &a.route_table_id)),
        ("association.subnet-id", |t| each(&t.associations, |a| &a.subnet_id)),
        ("owner-id", |t| one(&t.owner_id)),
        ("route-table-id", |t| one(&t.route_table_id)),
        ("route.destination-cidr-block", |t| each(&t.routes, |r| &r.destination_cidr_block)),
        ("route.destination-ipv6-cidr-block", |t| each(&t.routes, |r| &r.destination_ipv6_cidr_block)),
        ("route.destination-prefix-list-id", |t| each(&t.routes, |r| &r.destination_prefix_list_id)),
        ("route.egress-only-internet-gateway-id", |t| each(&t.routes, |r| &r.egress_only_internet_gateway_id)),
        ("route.gateway-id", |t| each(&t.routes, |r| &r.gateway_id)),
        ("route.instance-id", |t| each(&t.routes, |r| &r.instance_id)),
        ("route.nat-gateway-id", |t| each(&t.routes, |r| &r.nat_gateway_id)),
        ("route.origin", |t| each(&t.routes, |r| &r.origin)),
        ("route.state", |t| each(&t.routes, |r| &r.state)),
        ("route.transit-gateway-id", |_| Vec::new()),
        ("route.vpc-peering-connection-id", |t| each(&t.routes, |r| &r.vpc_peering_connection_id)),
        ("vpc-id", |t| one(&t.vpc_id)),
    ],
};

fn create(region: &mut Region, _: &Call, input: CreateRouteTableInput) -> Result<CreateRouteTableOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "route-table")?;
    let vpc = VpcId(required(input.vpc_id, "vpcId")?);
    let ec2 = &mut region.ec2;
    let own = ec2.vpc(vpc.as_str())?;
    let ipv6 = own.ipv6.iter().map(|association| association.block.clone());
    let blocks: Vec<String> = own.cidrs().map(|cidr| cidr.to_string()).chain(ipv6).collect();
    let id = match ec2.made_before(&input.client_token) {
        Some(id) => RouteTableId(id),
        None => ec2.create_route_table(&vpc, &blocks),
    };
    ec2.remember_token(input.client_token.clone(), id.as_str());
    ec2.tags.put(id.as_str(), tags);
    let shown = show(region, &id, region.ec2.route_table(id.as_str())?);
    Ok(CreateRouteTableOutput { route_table: Some(shown), client_token: input.client_token })
}

fn delete(region: &mut Region, _: &Call, input: DeleteRouteTableInput) -> Result<DeleteRouteTableOutput, Refusal> {
    let id = required(input.route_table_id, "routeTableId")?;
    let ec2 = &mut region.ec2;
    if !ec2.route_table(&id)?.associations.is_empty() {
        return Err(dependency(format!("The routeTable '{id}' has dependencies and cannot be deleted.")));
    }
    ec2.route_tables.remove(id.as_str());
    ec2.tags.forget(&id);
    ec2.forget_token_of(&id);
    Ok(DeleteRouteTableOutput::default())
}

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeRouteTablesInput,
) -> Result<DescribeRouteTablesOutput, Refusal> {
    let ec2 = &region.ec2;
    let all = ec2.route_tables.iter().map(|(id, table)| show(region, id, table)).collect();
    let (route_tables, next_token) = ROUTE_TABLES.select(all, ask!(input.route_table_ids))?.set();
    Ok(DescribeRouteTablesOutput { route_tables, next_token })
}

fn associate(
    region: &mut Region,
    _: &Call,
    input: AssociateRouteTableInput,
) -> Result<AssociateRouteTableOutput, Refusal> {
    let table = RouteTableId(required(input.route_table_id, "routeTableId")?);
    let ec2 = &mut region.ec2;
    if let Some(gateway) = input.gateway_id {
        return ec2.associate_gateway(&table, gateway);
    }
    let subnet = SubnetId(required(input.subnet_id, "subnetId")?);
    let of_table = &ec2.route_table(table.as_str())?.vpc;
    if *of_table != ec2.subnet(subnet.as_str())?.vpc {
        let message = format!("Route table {table} and subnet {subnet} belong to different networks");
        return Err(refuse("InvalidParameterValue", message));
    }
    let association = match ec2.table_of_subnet(&subnet) {
        // The same association again is answered with the one that is there.
        Some((other, association)) if *other == table => association.clone(),
        Some(_) => {
            let message =
                format!("the specified association for route table {table} conflicts with an existing association");
            return Err(refuse("Resource.AlreadyAssociated", message));
        }
        None => ec2.associate(&table, Associated::Subnet(subnet)),
    };
    Ok(AssociateRouteTableOutput { association_id: Some(association), association_state: associated_state() })
}

fn disassociate(
    region: &mut Region,
    _: &Call,
    input: DisassociateRouteTableInput,
) -> Result<DisassociateRouteTableOutput, Refusal> {
    let association = required(input.association_id, "associationId")?;
    let (table, associated) = region.ec2.table_of_association(&association)?;
    if associated == Associated::Main {
        let message = format!("cannot disassociate the main route table association {association}");
        return Err(refuse("InvalidParameterValue", message));
    }
    if let Some(table) = region.ec2.route_tables.get_mut(&table) {
        table.associations.remove(&association);
    }
    Ok(DisassociateRouteTableOutput::default())
}

fn replace_association(
    region: &mut Region,
    _: &Call,
    input: ReplaceRouteTableAssociationInput,
) -> Result<ReplaceRouteTableAssociationOutput, Refusal> {
    let association = input.association_id.ok_or_else(|| missing_parameter("associationId"))?;
    let wanted = RouteTableId(required(input.route_table_id, "routeTableId")?);
    let ec2 = &mut region.ec2;
    let (from, associated) = ec2.table_of_association(&association)?;
    if ec2.route_table(wanted.as_str())?.vpc != ec2.route_table(from.as_str())?.vpc {
        let message = format!("route table {wanted} and association {association} belong to different networks");
        return Err(combination(message));
    }
    // The association keeps its id when nothing changes; else a new one takes its place.
    let new_association_id = match from == wanted {
        true => association,
        false => {
            if let Some(table) = ec2.route_tables.get_mut(&from) {
                table.associations.remove(&association);
            }
            ec2.associate(&wanted, associated)
        }
    };
    Ok(ReplaceRouteTableAssociationOutput {
        new_association_id: Some(new_association_id),
        association_state: associated_state(),
    })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateRouteTableInput "CreateRouteTable":
        "Creates a route table with its local route.",
        takes VpcId TagSpecifications ClientToken
    );
    operation!(operations, delete, DeleteRouteTableInput "DeleteRouteTable":
        "Deletes a route table that nothing follows.",
        takes RouteTableId
    );
    operation!(operations, describe, DescribeRouteTablesInput "DescribeRouteTables":
        "Lists route tables with their routes and associations.",
        takes RouteTableIds Filters MaxResults NextToken
    );
    operation!(operations, associate, AssociateRouteTableInput "AssociateRouteTable":
        "Lets a subnet, or what enters through an internet gateway, follow a route table.",
        takes RouteTableId SubnetId GatewayId
    );
    operation!(operations, disassociate, DisassociateRouteTableInput "DisassociateRouteTable":
        "Lets a subnet follow the main route table again.",
        takes AssociationId
    );
    operation!(operations, replace_association, ReplaceRouteTableAssociationInput "ReplaceRouteTableAssociation":
        "Moves an association, also the main one, to another table.",
        takes AssociationId RouteTableId
    );
}
