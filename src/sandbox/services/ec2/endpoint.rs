//! VPC endpoints: gateway endpoints, which are routes, and interface endpoints, which are interfaces. Start at
//! [`Endpoint`]. They are available, and gone, as soon as one looks.
//! The sandbox has no list of all services that there are: any name is taken, gateway endpoints only for the two services
//! that have them. Left out, and refused: Gateway Load Balancer, resource and service network endpoints.

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::error::{combination, invalid_value, missing_ids, refuse, required};
use super::interface_calls::{Wish, check_groups, new_interface};
use super::network_interface::{Attached, Holder};
use super::prefix_list::gateway_prefix_list;
use super::register::{ask, operation};
use super::route::{Origin, Route, Target};
use super::select::{Kind, one};
use super::tag::new_tags;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{SubnetId, VpcId};
use crate::sandbox::models::ec2::{
    CreateVpcEndpointInput, CreateVpcEndpointOutput, DeleteVpcEndpointsInput, DeleteVpcEndpointsOutput,
    DescribeVpcEndpointsInput, DescribeVpcEndpointsOutput, DnsEntry, DnsOptions, ModifyVpcEndpointInput,
    ModifyVpcEndpointOutput, SecurityGroupIdentifier, UnsuccessfulItem, UnsuccessfulItemError, VpcEndpoint,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    pub vpc: VpcId,
    pub service: String,
    pub kind: EndpointKind,
    pub policy: String,
    pub private_dns: bool,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum EndpointKind {
    /// The route tables that lead to it, through this prefix list.
    Gateway { route_tables: Vec<String>, prefix_list: String },
    /// The subnets that it is in, each with its interface, and its security groups.
    Interface { subnets: Vec<(SubnetId, String)>, groups: Vec<String> },
}

impl EndpointKind {
    fn name(&self) -> &'static str {
        match self {
            Self::Gateway { .. } => "Gateway",
            Self::Interface { .. } => "Interface",
        }
    }
}

/// What an endpoint lets through when nobody says otherwise, as AWS shows it.
const FULL_ACCESS: &str =
    r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

/// The hosted zone of an interface endpoint's names. AWS has one for each region, of which this stands for all: it is that
/// of us-east-1, and nothing is looked up in it here.
const HOSTED_ZONE: &str = "Z7HUB22UULQXV";

pub fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id", ids)
}

impl Ec2 {
    pub fn endpoint(&self, id: &str) -> Result<&Endpoint, Refusal> {
        let message = || refuse("InvalidVpcEndpointId.NotFound", format!("The VpcEndpoint ID '{id}' does not exist"));
        self.endpoints.get(id).ok_or_else(message)
    }

    fn dns_entries(&self, id: &str, endpoint: &Endpoint, zones: &[String]) -> Vec<DnsEntry> {
        let region = &self.place.region;
        let short = endpoint.service.strip_prefix(&format!("com.amazonaws.{region}.")).unwrap_or(&endpoint.service);
        let host = format!("{id}-{}", &id[id.len() - 8..]);
        let entry = |name: String| DnsEntry { dns_name: Some(name), hosted_zone_id: Some(HOSTED_ZONE.into()) };
        let regional = entry(format!("{host}.{short}.{region}.vpce.amazonaws.com"));
        let zonal = zones.iter().map(|zone| entry(format!("{host}-{zone}.{short}.{region}.vpce.amazonaws.com")));
        let private = endpoint.private_dns.then(|| entry(format!("{short}.{region}.amazonaws.com")));
        std::iter::once(regional).chain(zonal).chain(private).collect()
    }

    fn show_endpoint(&self, id: &str, endpoint: &Endpoint) -> VpcEndpoint {
        let mut shown = VpcEndpoint {
            vpc_endpoint_id: Some(id.to_string()),
            vpc_endpoint_type: Some(endpoint.kind.name().into()),
            vpc_id: Some(endpoint.vpc.to_string()),
            service_name: Some(endpoint.service.clone()),
            service_region: Some(self.place.region.clone()),
            state: Some("available".into()),
            policy_document: Some(endpoint.policy.clone()),
            route_table_ids: Some(Vec::new()),
            subnet_ids: Some(Vec::new()),
            groups: Some(Vec::new()),
            private_dns_enabled: Some(endpoint.private_dns),
            requester_managed: Some(false),
            network_interface_ids: Some(Vec::new()),
            dns_entries: Some(Vec::new()),
            ip_address_type: Some("ipv4".into()),
            creation_timestamp: Some(endpoint.created_at),
            owner_id: Some(self.place.account.clone()),
            tags: self.tags.of(id),
            ..Default::default()
        };
        match &endpoint.kind {
            EndpointKind::Gateway { route_tables, .. } => shown.route_table_ids = Some(route_tables.clone()),
            EndpointKind::Interface { subnets, groups } => {
                let zones: Vec<String> = subnets
                    .iter()
                    .filter_map(|(subnet, _)| self.subnets.get(subnet).map(|subnet| subnet.zone.to_string()))
                    .collect();
                shown.dns_entries = Some(self.dns_entries(id, endpoint, &zones));
                shown.dns_options = Some(DnsOptions { dns_record_ip_type: Some("ipv4".into()), ..Default::default() });
                shown.subnet_ids = Some(subnets.iter().map(|(subnet, _)| subnet.to_string()).collect());
                shown.network_interface_ids = Some(subnets.iter().map(|(_, eni)| eni.clone()).collect());
                let group = |id: &String| SecurityGroupIdentifier {
                    group_id: Some(id.clone()),
                    group_name: self.security_group(id).ok().map(|group| group.name.clone()),
                };
                shown.groups = Some(groups.iter().map(group).collect());
            }
        }
        shown
    }

    /// Whether an endpoint keeps a VPC in use.
    pub fn has_endpoint_in(&self, vpc: &VpcId) -> bool {
        self.endpoints.values().any(|endpoint| endpoint.vpc == *vpc)
    }

    fn check_route_tables(&self, vpc: &VpcId, ids: &[String]) -> Result<(), Refusal> {
        for id in ids {
            if self.route_table(id)?.vpc != *vpc {
                let message = format!("route table {id} and vpc {vpc} belong to different networks");
                return Err(refuse("InvalidParameter", message));
            }
        }
        Ok(())
    }

    /// Lets the route tables lead to the endpoint, and no others.
    fn route_to_endpoint(&mut self, endpoint: &str, prefix_list: &str, tables: &[String]) {
        for (id, table) in &mut self.route_tables {
            table.routes.retain(|route| route.target != Target::Endpoint(endpoint.to_string()));
            if tables.iter().any(|wanted| wanted == id.as_str()) {
                table.routes.push(Route {
                    destination: prefix_list.to_string(),
                    target: Target::Endpoint(endpoint.to_string()),
                    origin: Origin::CreateRoute,
                });
            }
        }
    }
}

/// Puts an interface of the endpoint into each subnet.
fn enter_subnets(
    region: &mut Region,
    now: Timestamp,
    id: &str,
    vpc: &VpcId,
    groups: &[String],
    subnets: &[String],
) -> Result<Vec<(SubnetId, String)>, Refusal> {
    for subnet in subnets {
        if region.ec2.subnet(subnet)?.vpc != *vpc {
            let message = format!("The subnet ID '{subnet}' does not belong to VPC '{vpc}'");
            return Err(refuse("InvalidParameter", message));
        }
    }
    let zones: Vec<_> = subnets.iter().filter_map(|id| region.ec2.subnets.get(id.as_str()).map(|s| &s.zone)).collect();
    if zones.iter().enumerate().any(|(at, zone)| zones[..at].contains(zone)) {
        return Err(refuse(
            "DuplicateSubnetsInSameZone",
            "Found another VPC endpoint subnet in the availability zone.",
        ));
    }
    let mut entered = Vec::new();
    for subnet in subnets {
        let description = format!("VPC Endpoint Interface {id}");
        let wish = Wish { subnet: subnet.clone(), description, groups: groups.to_vec(), ..Wish::default() };
        let mut interface = new_interface(region, wish)?;
        interface.kind = "vpc_endpoint".into();
        interface.attachment = Some(Attached {
            id: region.ec2.ids.ec2("ela-attach"),
            to: Holder::Service,
            index: 1,
            at: now,
            delete_on_termination: false,
        });
        entered.push((SubnetId(subnet.clone()), region.ec2.keep_new_interface(interface)));
    }
    region.ec2.tell_addresses(&mut region.world.groups);
    Ok(entered)
}

fn leave_subnet(region: &mut Region, eni: &str) {
    region.ec2.forget_interface(eni);
    region.ec2.tell_addresses(&mut region.world.groups);
}

/// Whether the names of the service lead to an interface endpoint: where asked, or by default where the VPC can.
fn private_dns(region: &Region, vpc: &VpcId, asked: Option<bool>) -> Result<bool, Refusal> {
    let kept = region.ec2.vpc(vpc.as_str())?;
    let can = kept.dns_support && kept.dns_hostnames;
    if asked == Some(true) && !can {
        let message = format!(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {vpc}"
        );
        return Err(refuse("InvalidParameter", message));
    }
    Ok(asked.unwrap_or(can))
}

fn gateway(region: &Region, vpc: &VpcId, input: &CreateVpcEndpointInput) -> Result<EndpointKind, Refusal> {
    let of_interfaces = [&input.subnet_ids, &input.security_group_ids];
    if of_interfaces.iter().any(|list| list.as_ref().is_some_and(|list| !list.is_empty())) {
        return Err(combination("Subnets and security groups are for interface endpoints"));
    }
    let service = input.service_name.clone().unwrap_or_default();
    let prefix_list = gateway_prefix_list(&region.world.place.region, &service)
        .ok_or_else(|| refuse("InvalidServiceName", format!("The Vpc Endpoint Service '{service}' does not exist")))?;
    let route_tables = input.route_table_ids.clone().unwrap_or_default();
    region.ec2.check_route_tables(vpc, &route_tables)?;
    for id in &route_tables {
        if region.ec2.route_table(id)?.routes.iter().any(|route| route.destination == prefix_list) {
            let message = format!("route table {id} already has a route with destination-prefix-list-id {prefix_list}");
            return Err(refuse("RouteAlreadyExists", message));
        }
    }
    Ok(EndpointKind::Gateway { route_tables, prefix_list })
}

fn create(region: &mut Region, call: &Call, input: CreateVpcEndpointInput) -> Result<CreateVpcEndpointOutput, Refusal> {
    let tags = new_tags(input.tag_specifications.clone(), "vpc-endpoint")?;
    let vpc = VpcId(required(input.vpc_id.clone(), "vpcId")?);
    region.ec2.vpc(vpc.as_str())?;
    let service = required(input.service_name.clone(), "serviceName")?;
    let token = input.client_token.clone();
    let now = super::whole_second(call.now);
    let id = match region.ec2.made_before(&token) {
        Some(id) => id,
        None => {
            let id = region.ec2.ids.ec2("vpce");
            let (kind, private_dns) = match input.vpc_endpoint_type.as_deref().unwrap_or("Gateway") {
                "Gateway" => (gateway(region, &vpc, &input)?, false),
                "Interface" => {
                    if input.route_table_ids.as_ref().is_some_and(|list| !list.is_empty()) {
                        return Err(combination("Route tables are for gateway endpoints"));
                    }
                    let private_dns = private_dns(region, &vpc, input.private_dns_enabled)?;
                    let wanted = input.security_group_ids.clone().unwrap_or_default();
                    let groups = check_groups(region, wanted, vpc.as_str())?;
                    let subnets = input.subnet_ids.clone().unwrap_or_default();
                    let subnets = enter_subnets(region, now, &id, &vpc, &groups, &subnets)?;
                    (EndpointKind::Interface { subnets, groups }, private_dns)
                }
                other => {
                    let message = format!("VPC endpoints of type {other} are not reproduced by scaleproof's sandbox");
                    return Err(refuse("UnsupportedOperation", message));
                }
            };
            if let EndpointKind::Gateway { route_tables, prefix_list } = &kind {
                region.ec2.route_to_endpoint(&id, prefix_list, route_tables);
            }
            let policy = input.policy_document.unwrap_or_else(|| FULL_ACCESS.into());
            let endpoint = Endpoint { vpc, service, kind, policy, private_dns, created_at: now };
            region.ec2.endpoints.insert(id.clone(), endpoint);
            region.ec2.remember_token(token.clone(), &id);
            region.ec2.tags.put(&id, tags);
            id
        }
    };
    let shown = region.ec2.show_endpoint(&id, region.ec2.endpoint(&id)?);
    // A gateway endpoint is there at once on AWS too; an interface endpoint says `pending` first.
    let state = if shown.vpc_endpoint_type.as_deref() == Some("Gateway") { "available" } else { "pending" };
    let shown = VpcEndpoint { state: Some(state.into()), ..shown };
    Ok(CreateVpcEndpointOutput { vpc_endpoint: Some(shown), client_token: token })
}

fn delete(region: &mut Region, _: &Call, input: DeleteVpcEndpointsInput) -> Result<DeleteVpcEndpointsOutput, Refusal> {
    let mut unsuccessful = Vec::new();
    for id in required(input.vpc_endpoint_ids, "vpcEndpointId")? {
        match region.ec2.endpoint(&id).map(|endpoint| endpoint.kind.clone()) {
            Ok(EndpointKind::Gateway { prefix_list, .. }) => region.ec2.route_to_endpoint(&id, &prefix_list, &[]),
            Ok(EndpointKind::Interface { subnets, .. }) => {
                subnets.iter().for_each(|(_, eni)| leave_subnet(region, eni));
            }
            Err(refusal) => {
                let error = UnsuccessfulItemError { code: Some(refusal.code), message: Some(refusal.message) };
                unsuccessful.push(UnsuccessfulItem { error: Some(error), resource_id: Some(id) });
                continue;
            }
        }
        region.ec2.endpoints.remove(&id);
        region.ec2.tags.forget(&id);
        region.ec2.forget_token_of(&id);
    }
    Ok(DeleteVpcEndpointsOutput { unsuccessful: Some(unsuccessful) })
}

/// A list after what is added and taken away, each once.
fn changed(mut list: Vec<String>, add: Option<Vec<String>>, remove: Option<Vec<String>>) -> Vec<String> {
    for item in add.into_iter().flatten() {
        if !list.contains(&item) {
            list.push(item);
        }
    }
    let remove = remove.unwrap_or_default();
    list.retain(|item| !remove.contains(item));
    list
}

fn modify(region: &mut Region, call: &Call, input: ModifyVpcEndpointInput) -> Result<ModifyVpcEndpointOutput, Refusal> {
    let id = required(input.vpc_endpoint_id, "vpcEndpointId")?;
    let mut endpoint = region.ec2.endpoint(&id)?.clone();
    let given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let of_gateways = given(&input.add_route_table_ids) || given(&input.remove_route_table_ids);
    let of_interfaces = given(&input.add_subnet_ids)
        || given(&input.remove_subnet_ids)
        || given(&input.add_security_group_ids)
        || given(&input.remove_security_group_ids);
    match &mut endpoint.kind {
        EndpointKind::Gateway { .. } if of_interfaces || input.private_dns_enabled == Some(true) => {
            return Err(combination("Subnets, security groups and private DNS are for interface endpoints"));
        }
        EndpointKind::Interface { .. } if of_gateways => {
            return Err(combination("Route tables are for gateway endpoints"));
        }
        EndpointKind::Gateway { route_tables, prefix_list } => {
            *route_tables = changed(route_tables.clone(), input.add_route_table_ids, input.remove_route_table_ids);
            region.ec2.check_route_tables(&endpoint.vpc, route_tables)?;
            region.ec2.route_to_endpoint(&id, prefix_list, route_tables);
        }
        EndpointKind::Interface { subnets, groups } => {
            let wanted = changed(groups.clone(), input.add_security_group_ids, input.remove_security_group_ids);
            if wanted.is_empty() {
                return Err(invalid_value(
                    "",
                    "removeSecurityGroupIds",
                    "An endpoint has at least one security group.",
                ));
            }
            *groups = check_groups(region, wanted, endpoint.vpc.as_str())?;
            let has = |subnet: &String| subnets.iter().any(|(own, _)| own.as_str() == subnet);
            let new: Vec<String> = input.add_subnet_ids.into_iter().flatten().filter(|subnet| !has(subnet)).collect();
            let entered = enter_subnets(region, call.now, &id, &endpoint.vpc, groups, &new)?;
            subnets.extend(entered);
            let left = input.remove_subnet_ids.unwrap_or_default();
            for (_, eni) in subnets.extract_if(.., |(subnet, _)| left.iter().any(|id| id == subnet.as_str())) {
                leave_subnet(region, &eni);
            }
            for (_, eni) in subnets.iter() {
                if let Some(interface) = region.ec2.interfaces.get_mut(eni) {
                    interface.groups.clone_from(groups);
                }
            }
            if input.private_dns_enabled.is_some() {
                endpoint.private_dns = private_dns(region, &endpoint.vpc, input.private_dns_enabled)?;
            }
        }
    }
    if input.reset_policy == Some(true) {
        endpoint.policy = FULL_ACCESS.into();
    } else if let Some(policy) = input.policy_document {
        endpoint.policy = policy;
    }
    region.ec2.endpoints.insert(id, endpoint);
    Ok(ModifyVpcEndpointOutput { r#return: Some(true) })
}

const ENDPOINTS: Kind<VpcEndpoint> = Kind {
    id: |endpoint| &endpoint.vpc_endpoint_id,
    id_parameter: "vpcEndpointIdSet",
    missing,
    tags: |endpoint| &endpoint.tags,
    filters: &[
        ("ip-address-type", |e| one(&e.ip_address_type)),
        ("service-name", |e| one(&e.service_name)),
        ("service-region", |e| one(&e.service_region)),
        ("vpc-endpoint-id", |e| one(&e.vpc_endpoint_id)),
        ("vpc-endpoint-state", |e| one(&e.state)),
        ("vpc-endpoint-type", |e| one(&e.vpc_endpoint_type)),
        ("vpc-id", |e| one(&e.vpc_id)),
    ],
};

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeVpcEndpointsInput,
) -> Result<DescribeVpcEndpointsOutput, Refusal> {
    let ec2 = &region.ec2;
    let all = ec2.endpoints.iter().map(|(id, endpoint)| ec2.show_endpoint(id, endpoint)).collect();
    let (vpc_endpoints, next_token) = ENDPOINTS.select(all, ask!(input.vpc_endpoint_ids))?.set();
    Ok(DescribeVpcEndpointsOutput { vpc_endpoints, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateVpcEndpointInput "CreateVpcEndpoint":
        "Creates a gateway or an interface endpoint.",
        takes ClientToken PolicyDocument PrivateDnsEnabled RouteTableIds SecurityGroupIds ServiceName SubnetIds
            TagSpecifications VpcEndpointType VpcId
    );
    operation!(operations, delete, DeleteVpcEndpointsInput "DeleteVpcEndpoints":
        "Deletes endpoints with their routes and interfaces.",
        takes VpcEndpointIds
    );
    operation!(operations, modify, ModifyVpcEndpointInput "ModifyVpcEndpoint":
        "Changes an endpoint's policy, routes, subnets, security groups and names.",
        takes AddRouteTableIds AddSecurityGroupIds AddSubnetIds PolicyDocument PrivateDnsEnabled RemoveRouteTableIds
            RemoveSecurityGroupIds RemoveSubnetIds ResetPolicy VpcEndpointId
    );
    operation!(operations, describe, DescribeVpcEndpointsInput "DescribeVpcEndpoints":
        "Lists endpoints.",
        takes Filters MaxResults NextToken VpcEndpointIds
    );
}
