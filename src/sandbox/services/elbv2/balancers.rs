//! Load balancers: create, describe, change where they stand, delete.

use super::{hosted_zones, model, not_reproduced, tags};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::load_balancers::{
    ArnKind, Balancer, BalancerKind, BalancerZone, IpAddressType, NewBalancer, invalid_configuration,
};
use crate::engine::names::{Place, SubnetId};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn register(operations: &mut Operations) {
    operations.on(
        "CreateLoadBalancer",
        "Creates an application or network load balancer, which becomes active by itself. It carries no traffic.",
        &["Name", "Subnets", "SubnetMappings", "SecurityGroups", "Scheme", "Tags", "Type", "IpAddressType"],
        create,
    );
    operations.on(
        "DescribeLoadBalancers",
        "Lists load balancers, by ARN or by name.",
        &["LoadBalancerArns", "Names", "Marker", "PageSize"],
        describe,
    );
    operations.on("DeleteLoadBalancer", "Deletes a load balancer and its listeners.", &["LoadBalancerArn"], delete);
    operations.on(
        "SetSubnets",
        "Moves a load balancer to other subnets.",
        &["LoadBalancerArn", "Subnets", "SubnetMappings", "IpAddressType"],
        set_subnets,
    );
    operations.on(
        "SetSecurityGroups",
        "Replaces a load balancer's security groups.",
        &["LoadBalancerArn", "SecurityGroups"],
        set_security_groups,
    );
    operations.on(
        "SetIpAddressType",
        "Says which kinds of addresses a load balancer has.",
        &["LoadBalancerArn", "IpAddressType"],
        set_ip_address_type,
    );
    operations.on(
        "DescribeCapacityReservation",
        "Describes a load balancer's reserved capacity: none.",
        &["LoadBalancerArn"],
        capacity_reservation,
    );
}

fn create(
    region: &mut Region,
    call: &Call,
    input: model::CreateLoadBalancerInput,
) -> Result<model::CreateLoadBalancerOutput, Refusal> {
    let kind = match input.r#type.as_deref() {
        None | Some("application") => BalancerKind::Application,
        Some("network") => BalancerKind::Network,
        Some(other) => return Err(not_reproduced(&format!("The type {other} of load balancers"))),
    };
    let internal = input.scheme.as_deref() == Some("internal");
    let zones = zones(region, input.subnets, input.subnet_mappings)?;
    if let Some(zone) = zones.first().filter(|_| !internal)
        && !region.ec2.has_internet_gateway(&zone.vpc)
    {
        return Err(Refusal::new("InvalidSubnet", 400, format!("VPC {} has no internet gateway", zone.vpc)));
    }
    let vpc = zones.first().map(|zone| zone.vpc.clone()).unwrap_or_default();
    let wanted = NewBalancer {
        name: input.name.unwrap_or_default(),
        kind,
        internal,
        security_groups: security_groups(region, kind, &vpc, input.security_groups.unwrap_or_default())?,
        zones,
        ip_address_type: input.ip_address_type.as_deref().and_then(IpAddressType::parse).unwrap_or(IpAddressType::Ipv4),
        tags: tags::read(input.tags)?,
    };
    let arn = region.world.with_load_balancers(call.now, |balancers, place| {
        balancers.create_balancer(call.now, place, wanted).map(|balancer| balancer.arn.clone())
    })?;
    region.keep_balancer_interfaces(call.now);
    let shown = show(&region.world.place, call.now, region.world.load_balancers.balancer(&arn)?);
    Ok(model::CreateLoadBalancerOutput { load_balancers: Some(vec![shown]) })
}

/// The subnets that a request names, one way or the other.
fn zones(
    region: &Region,
    subnets: Option<Vec<String>>,
    mappings: Option<Vec<model::SubnetMapping>>,
) -> Result<Vec<BalancerZone>, Refusal> {
    let (subnets, mappings) = (subnets.unwrap_or_default(), mappings.unwrap_or_default());
    if !subnets.is_empty() && !mappings.is_empty() {
        return Err(Refusal::validation("You must specify either subnets or subnet mappings, not both"));
    }
    let mapped = mappings.into_iter().map(|mapping| {
        let chosen = [
            ("AllocationId", &mapping.allocation_id),
            ("PrivateIPv4Address", &mapping.private_i_pv4_address),
            ("IPv6Address", &mapping.i_pv6_address),
            ("SourceNatIpv6Prefix", &mapping.source_nat_ipv6_prefix),
        ];
        match chosen.into_iter().find(|(_, value)| value.is_some()) {
            Some((name, _)) => Err(not_reproduced(&format!("{name} of SubnetMappings"))),
            None => Ok(mapping.subnet_id.unwrap_or_default()),
        }
    });
    let subnets = subnets.into_iter().map(Ok).chain(mapped).collect::<Result<Vec<_>, _>>()?;
    subnets.into_iter().map(|id| zone(region, SubnetId(id))).collect()
}

fn zone(region: &Region, id: SubnetId) -> Result<BalancerZone, Refusal> {
    let Ok(subnet) = region.ec2.subnet(id.as_str()) else {
        return Err(Refusal::new("SubnetNotFound", 400, format!("The subnet ID '{id}' does not exist")));
    };
    Ok(BalancerZone {
        zone: subnet.zone.clone(),
        subnet: id,
        vpc: subnet.vpc.to_string(),
        has_ipv6: subnet.ipv6.is_some(),
    })
}

/// The groups that a request names; an application load balancer without any has its VPC's default one.
fn security_groups(
    region: &Region,
    kind: BalancerKind,
    vpc: &str,
    wanted: Vec<String>,
) -> Result<Vec<String>, Refusal> {
    let is_of_vpc = |id: &String| region.ec2.security_group(id).is_ok_and(|group| group.vpc.as_str() == vpc);
    if !wanted.iter().all(is_of_vpc) {
        return Err(invalid_configuration("One or more security groups are invalid"));
    }
    match (wanted.is_empty(), kind) {
        (true, BalancerKind::Application) => Ok(region.ec2.default_security_group(vpc).into_iter().collect()),
        _ => Ok(wanted),
    }
}

pub(super) fn show(place: &Place, now: Timestamp, balancer: &Balancer) -> model::LoadBalancer {
    let state = if balancer.is_active(now) { "active" } else { "provisioning" };
    let scheme = if balancer.internal { "internal" } else { "internet-facing" };
    let guarded = balancer.kind == BalancerKind::Network && !balancer.security_groups.is_empty();
    let groups = (!balancer.security_groups.is_empty()).then(|| balancer.security_groups.clone());
    model::LoadBalancer {
        load_balancer_arn: Some(balancer.arn.clone()),
        dns_name: Some(balancer.dns_name.clone()),
        canonical_hosted_zone_id: Some(hosted_zones::of(&place.region, balancer.kind).to_string()),
        created_time: Some(balancer.created_at),
        load_balancer_name: Some(balancer.name.clone()),
        scheme: Some(scheme.into()),
        vpc_id: Some(balancer.vpc.clone()),
        state: Some(model::LoadBalancerState { code: Some(state.into()), ..Default::default() }),
        r#type: Some(balancer.kind.name().into()),
        availability_zones: Some(balancer.zones.iter().map(show_zone).collect()),
        security_groups: groups,
        ip_address_type: Some(balancer.ip_address_type.name().into()),
        enforce_security_group_inbound_rules_on_private_link_traffic: guarded.then(|| "on".to_string()),
        enable_prefix_for_ipv6_source_nat: (balancer.kind == BalancerKind::Network).then(|| "off".to_string()),
        ..Default::default()
    }
}

fn show_zone(zone: &BalancerZone) -> model::AvailabilityZone {
    model::AvailabilityZone {
        zone_name: Some(zone.zone.to_string()),
        subnet_id: Some(zone.subnet.to_string()),
        load_balancer_addresses: Some(Vec::new()),
        ..Default::default()
    }
}

fn describe(
    region: &mut Region,
    call: &Call,
    input: model::DescribeLoadBalancersInput,
) -> Result<model::DescribeLoadBalancersOutput, Refusal> {
    let balancers = &region.world.load_balancers;
    let arns = input.load_balancer_arns.unwrap_or_default();
    let names = input.names.unwrap_or_default();
    if !arns.is_empty() && !names.is_empty() {
        let text = "Load balancer names and load balancer ARNs cannot be specified at the same time";
        return Err(Refusal::validation(text));
    }
    for arn in &arns {
        ArnKind::Balancer.check(arn)?;
        balancers.balancer(arn)?;
    }
    let unknown = |name: &&String| !balancers.balancers().any(|balancer| balancer.name == **name);
    let unknown: Vec<&str> = names.iter().filter(unknown).map(String::as_str).collect();
    if !unknown.is_empty() {
        let text = format!("Load balancers '[{}]' not found", unknown.join(", "));
        return Err(Refusal::new("LoadBalancerNotFound", 400, text));
    }
    let wanted = |balancer: &&Balancer| {
        (arns.is_empty() || arns.contains(&balancer.arn)) && (names.is_empty() || names.contains(&balancer.name))
    };
    let found = balancers.balancers().filter(wanted).map(|balancer| (balancer.arn.clone(), balancer));
    let (page, next_marker) = super::cut(found, input.marker.as_deref(), input.page_size)?;
    let shown = page.into_iter().map(|balancer| show(&region.world.place, call.now, balancer)).collect();
    Ok(model::DescribeLoadBalancersOutput { load_balancers: Some(shown), next_marker })
}

fn delete(
    region: &mut Region,
    call: &Call,
    input: model::DeleteLoadBalancerInput,
) -> Result<model::DeleteLoadBalancerOutput, Refusal> {
    let arn = arn(input.load_balancer_arn)?;
    region.world.with_load_balancers(call.now, |balancers, _| balancers.delete_balancer(&arn))?;
    region.keep_balancer_interfaces(call.now);
    Ok(model::DeleteLoadBalancerOutput {})
}

fn set_subnets(
    region: &mut Region,
    call: &Call,
    input: model::SetSubnetsInput,
) -> Result<model::SetSubnetsOutput, Refusal> {
    let arn = arn(input.load_balancer_arn)?;
    let zones = zones(region, input.subnets, input.subnet_mappings)?;
    let addresses = input.ip_address_type.as_deref().and_then(IpAddressType::parse);
    let (zones, addresses) = region.world.with_load_balancers(call.now, |balancers, _| {
        let balancer = balancers.set_subnets(&arn, zones, addresses)?;
        Ok((balancer.zones.iter().map(show_zone).collect(), balancer.ip_address_type.name()))
    })?;
    region.keep_balancer_interfaces(call.now);
    Ok(model::SetSubnetsOutput {
        availability_zones: Some(zones),
        ip_address_type: Some(addresses.into()),
        ..Default::default()
    })
}

fn set_security_groups(
    region: &mut Region,
    call: &Call,
    input: model::SetSecurityGroupsInput,
) -> Result<model::SetSecurityGroupsOutput, Refusal> {
    let arn = arn(input.load_balancer_arn)?;
    let balancer = region.world.load_balancers.balancer(&arn)?;
    let vpc = balancer.vpc.clone();
    let groups = security_groups(region, BalancerKind::Network, &vpc, input.security_groups.unwrap_or_default())?;
    let set = groups.clone();
    region.world.with_load_balancers(call.now, |balancers, _| balancers.set_security_groups(&arn, groups))?;
    region.keep_balancer_interfaces(call.now);
    Ok(model::SetSecurityGroupsOutput { security_group_ids: Some(set), ..Default::default() })
}

fn set_ip_address_type(
    region: &mut Region,
    call: &Call,
    input: model::SetIpAddressTypeInput,
) -> Result<model::SetIpAddressTypeOutput, Refusal> {
    let arn = arn(input.load_balancer_arn)?;
    let wanted = input.ip_address_type.as_deref().and_then(IpAddressType::parse).unwrap_or(IpAddressType::Ipv4);
    region.world.with_load_balancers(call.now, |balancers, _| balancers.set_ip_address_type(&arn, wanted))?;
    Ok(model::SetIpAddressTypeOutput { ip_address_type: Some(wanted.name().into()) })
}

fn capacity_reservation(
    region: &mut Region,
    _call: &Call,
    input: model::DescribeCapacityReservationInput,
) -> Result<model::DescribeCapacityReservationOutput, Refusal> {
    region.world.load_balancers.balancer(&arn(input.load_balancer_arn)?)?;
    Ok(model::DescribeCapacityReservationOutput::default())
}

/// The request's load balancer.
pub(super) fn arn(arn: Option<String>) -> Result<String, Refusal> {
    let arn = arn.unwrap_or_default();
    ArnKind::Balancer.check(&arn).map(|()| arn)
}
