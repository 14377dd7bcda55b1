//! Targets: registered, deregistered, and how they are.

use std::net::Ipv4Addr;

use super::target_groups::arn;
use super::{model, not_reproduced, port};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::groups::Ec2State;
use crate::engine::load_balancers::{Health, Target, TargetGroup, TargetType};
use crate::engine::names::{InstanceId, Zone};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn register(operations: &mut Operations) {
    let of_targets = &["TargetGroupArn", "Targets"];
    operations.on("RegisterTargets", "Registers running instances, or addresses.", of_targets, register_targets);
    operations.on("DeregisterTargets", "Deregisters targets, which then drain.", of_targets, deregister_targets);
    operations.on(
        "DescribeTargetHealth",
        "Says how targets are, as their checks find them.",
        of_targets,
        describe_target_health,
    );
}

fn register_targets(
    region: &mut Region,
    call: &Call,
    input: model::RegisterTargetsInput,
) -> Result<model::RegisterTargetsOutput, Refusal> {
    let arn = arn(input.target_group_arn)?;
    let group = region.world.load_balancers.target_group(&arn)?;
    let targets = input.targets.unwrap_or_default();
    if targets.is_empty() {
        return Err(Refusal::validation("At least one target must be specified"));
    }
    let targets = targets.into_iter().map(|target| check(region, group, target)).collect::<Result<Vec<_>, _>>()?;
    region.world.with_load_balancers(call.now, |balancers, _| balancers.register(call.now, &arn, targets))?;
    Ok(model::RegisterTargetsOutput {})
}

/// A target that may be registered: its id, port and zone.
fn check(
    region: &Region,
    group: &TargetGroup,
    target: model::TargetDescription,
) -> Result<(String, Option<u16>, Option<Zone>), Refusal> {
    if target.quic_server_id.is_some() {
        return Err(not_reproduced("QuicServerId"));
    }
    let id = target.id.unwrap_or_default();
    let port = target.port.map(port).transpose()?;
    let zone = match group.target_type {
        TargetType::Instance if target.availability_zone.is_some() => {
            let text = "You cannot specify an Availability Zone for targets of type 'instance'";
            return Err(Refusal::validation(text));
        }
        TargetType::Instance => Some(zone_of_instance(region, group, &id)?),
        TargetType::Ip => zone_of_address(region, group, &id, target.availability_zone)?,
    };
    Ok((id, port, zone))
}

fn zone_of_instance(region: &Region, group: &TargetGroup, id: &str) -> Result<Zone, Refusal> {
    let Some(instance) = region.world.groups.instance(&InstanceId::from(id)) else {
        return Err(invalid_target(format!("Instance ID '{id}' is not valid")));
    };
    if instance.placement.vpc != group.vpc {
        let text = format!("The following targets are not in the target group VPC '{}': '{id}'", group.vpc);
        return Err(invalid_target(text));
    }
    if instance.state != Ec2State::Running {
        let text = format!("The following targets are not in a running state and cannot be registered: '{id}'");
        return Err(invalid_target(text));
    }
    Ok(instance.placement.zone.clone())
}

/// The zone of an address: that of its subnet, or the one it was given if it lies outside the VPC.
fn zone_of_address(
    region: &Region,
    group: &TargetGroup,
    id: &str,
    given: Option<String>,
) -> Result<Option<Zone>, Refusal> {
    let Ok(address) = id.parse::<Ipv4Addr>() else {
        return Err(Refusal::validation(format!("The IP address '{id}' is not a valid IPv4 address")));
    };
    match (region.ec2.zone_of_address(&group.vpc, address), given.as_deref()) {
        (_, Some("all")) => Ok(None),
        (Some(zone), _) => Ok(Some(zone)),
        (None, Some(zone)) => Ok(Some(Zone::from(zone))),
        (None, None) => {
            let text = format!(
                "You must specify an Availability Zone for the IP address '{id}', which is outside the VPC '{}'",
                group.vpc
            );
            Err(Refusal::validation(text))
        }
    }
}

fn invalid_target(text: String) -> Refusal {
    Refusal::new("InvalidTarget", 400, text)
}

fn deregister_targets(
    region: &mut Region,
    call: &Call,
    input: model::DeregisterTargetsInput,
) -> Result<model::DeregisterTargetsOutput, Refusal> {
    let arn = arn(input.target_group_arn)?;
    let targets = read(input.targets)?;
    region.world.with_load_balancers(call.now, |balancers, _| balancers.deregister(call.now, &arn, &targets))?;
    Ok(model::DeregisterTargetsOutput {})
}

fn read(targets: Option<Vec<model::TargetDescription>>) -> Result<Vec<(String, Option<u16>)>, Refusal> {
    let read =
        |target: model::TargetDescription| Ok((target.id.unwrap_or_default(), target.port.map(port).transpose()?));
    targets.unwrap_or_default().into_iter().map(read).collect()
}

fn describe_target_health(
    region: &mut Region,
    call: &Call,
    input: model::DescribeTargetHealthInput,
) -> Result<model::DescribeTargetHealthOutput, Refusal> {
    let group = region.world.load_balancers.target_group(&arn(input.target_group_arn)?)?;
    let wanted = read(input.targets)?;
    let shown: Vec<_> = if wanted.is_empty() {
        group.targets().map(|target| show(group, call.now, target)).collect()
    } else {
        wanted.iter().flat_map(|(id, port)| show_wanted(group, call.now, id, *port)).collect()
    };
    Ok(model::DescribeTargetHealthOutput { target_health_descriptions: Some(shown) })
}

/// The target that a request names, at all its ports if it names none; one that is not registered is unused.
fn show_wanted(
    group: &TargetGroup,
    now: Timestamp,
    id: &str,
    port: Option<u16>,
) -> Vec<model::TargetHealthDescription> {
    let meant = |target: &&Target| target.id == id && port.is_none_or(|port| port == target.port);
    let found: Vec<_> = group.targets().filter(meant).map(|target| show(group, now, target)).collect();
    if !found.is_empty() {
        return found;
    }
    let target = model::TargetDescription {
        id: Some(id.to_string()),
        port: Some(port.unwrap_or(group.port).into()),
        ..Default::default()
    };
    let health = Some(show_health(Health::NOT_REGISTERED));
    vec![model::TargetHealthDescription { target: Some(target), target_health: health, ..Default::default() }]
}

fn show(group: &TargetGroup, now: Timestamp, target: &Target) -> model::TargetHealthDescription {
    let check = match group.health_check.port.as_str() {
        "traffic-port" => target.port.to_string(),
        port => port.to_string(),
    };
    let zone = target.zone.as_ref().map_or_else(|| "all".to_string(), ToString::to_string);
    model::TargetHealthDescription {
        target: Some(model::TargetDescription {
            id: Some(target.id.clone()),
            port: Some(target.port.into()),
            availability_zone: (group.target_type == TargetType::Ip).then_some(zone),
            ..Default::default()
        }),
        health_check_port: Some(check),
        target_health: Some(show_health(target.health(now))),
        ..Default::default()
    }
}

fn show_health(health: Health) -> model::TargetHealth {
    model::TargetHealth {
        state: Some(health.state.into()),
        reason: health.reason.map(|reason| reason.code().into()),
        description: health.reason.map(|reason| reason.description().into()),
    }
}
