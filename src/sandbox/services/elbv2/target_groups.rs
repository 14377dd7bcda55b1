//! Target groups: create, describe, change their health checks, delete.

use super::{model, not_reproduced, number, port, tags};
use crate::engine::Refusal;
use crate::engine::load_balancers::{
    ArnKind, HealthCheck, LoadBalancers, NewTargetGroup, Protocol, TargetGroup, TargetType,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn register(operations: &mut Operations) {
    operations.on(
        "CreateTargetGroup",
        "Creates a group of targets and says how their health is checked.",
        &[
            "Name",
            "Protocol",
            "ProtocolVersion",
            "Port",
            "VpcId",
            "HealthCheckProtocol",
            "HealthCheckPort",
            "HealthCheckEnabled",
            "HealthCheckPath",
            "HealthCheckIntervalSeconds",
            "HealthCheckTimeoutSeconds",
            "HealthyThresholdCount",
            "UnhealthyThresholdCount",
            "Matcher",
            "TargetType",
            "Tags",
            "IpAddressType",
        ],
        create,
    );
    operations.on(
        "DescribeTargetGroups",
        "Lists target groups, by ARN, by name or by load balancer.",
        &["LoadBalancerArn", "TargetGroupArns", "Names", "Marker", "PageSize"],
        describe,
    );
    operations.on(
        "ModifyTargetGroup",
        "Changes how the health of a group's targets is checked.",
        &[
            "TargetGroupArn",
            "HealthCheckProtocol",
            "HealthCheckPort",
            "HealthCheckPath",
            "HealthCheckEnabled",
            "HealthCheckIntervalSeconds",
            "HealthCheckTimeoutSeconds",
            "HealthyThresholdCount",
            "UnhealthyThresholdCount",
            "Matcher",
        ],
        modify,
    );
    operations.on("DeleteTargetGroup", "Deletes a target group that no listener uses.", &["TargetGroupArn"], delete);
}

/// What CreateTargetGroup and ModifyTargetGroup may say about health checks, taken out of either.
macro_rules! checks_of {
    ($input:ident) => {
        HealthCheckRequest {
            enabled: $input.health_check_enabled,
            protocol: $input.health_check_protocol,
            port: $input.health_check_port,
            path: $input.health_check_path,
            interval: $input.health_check_interval_seconds,
            timeout: $input.health_check_timeout_seconds,
            healthy: $input.healthy_threshold_count,
            unhealthy: $input.unhealthy_threshold_count,
            matcher: $input.matcher,
        }
    };
}

struct HealthCheckRequest {
    enabled: Option<bool>,
    protocol: Option<String>,
    port: Option<String>,
    path: Option<String>,
    interval: Option<i64>,
    timeout: Option<i64>,
    healthy: Option<i64>,
    unhealthy: Option<i64>,
    matcher: Option<model::Matcher>,
}

impl HealthCheckRequest {
    /// `check`, or what is usual with `group`'s protocol, with what the request mentions put in.
    fn read(self, group: Protocol, check: Option<HealthCheck>) -> Result<HealthCheck, Refusal> {
        if self.enabled == Some(false) {
            return Err(Refusal::validation(
                "Health checks must be enabled for target groups with target type 'instance' or 'ip'",
            ));
        }
        let wanted = self.protocol.as_deref().map(protocol).transpose()?;
        let mut check = match (check, wanted) {
            (Some(check), None) => check,
            (Some(check), Some(wanted)) if check.protocol == wanted => check,
            (Some(check), Some(wanted)) => {
                let usual = HealthCheck::default_of(group, Some(wanted));
                HealthCheck { protocol: usual.protocol, path: usual.path, matcher: usual.matcher, ..check }
            }
            (None, wanted) => HealthCheck::default_of(group, wanted),
        };
        if let Some(port) = self.port {
            check.port = port;
        }
        if let Some(path) = self.path {
            check.path = Some(path);
        }
        if let Some(matcher) = self.matcher {
            if matcher.grpc_code.is_some() {
                return Err(not_reproduced("GrpcCode of Matcher"));
            }
            check.matcher = matcher.http_code.or(check.matcher);
        }
        let set = |field: &mut u32, argument: &str, value: Option<i64>| -> Result<(), Refusal> {
            if let Some(value) = value {
                *field = number(argument, value)?;
            }
            Ok(())
        };
        set(&mut check.interval_secs, "HealthCheckIntervalSeconds", self.interval)?;
        set(&mut check.timeout_secs, "HealthCheckTimeoutSeconds", self.timeout)?;
        set(&mut check.healthy_threshold, "HealthyThresholdCount", self.healthy)?;
        set(&mut check.unhealthy_threshold, "UnhealthyThresholdCount", self.unhealthy)?;
        Ok(check)
    }
}

pub(super) fn protocol(name: &str) -> Result<Protocol, Refusal> {
    Protocol::parse(name).ok_or_else(|| not_reproduced(&format!("The protocol {name}")))
}

fn create(
    region: &mut Region,
    call: &Call,
    mut input: model::CreateTargetGroupInput,
) -> Result<model::CreateTargetGroupOutput, Refusal> {
    let target_type = match input.target_type.as_deref() {
        None | Some("instance") => TargetType::Instance,
        Some("ip") => TargetType::Ip,
        Some(other) => return Err(not_reproduced(&format!("The target type {other}"))),
    };
    let needed = |what: &str| Refusal::validation(format!("A {what} must be specified"));
    let protocol = protocol(&input.protocol.take().ok_or_else(|| needed("protocol"))?)?;
    let port = port(input.port.ok_or_else(|| needed("port"))?)?;
    let vpc = input.vpc_id.take().ok_or_else(|| needed("VPC ID"))?;
    if region.ec2.vpc(&vpc).is_err() {
        return Err(Refusal::validation(format!("The VPC ID '{vpc}' is not found")));
    }
    if input.ip_address_type.as_deref() == Some("ipv6") {
        return Err(not_reproduced("The IP address type ipv6 of target groups"));
    }
    let wanted = NewTargetGroup {
        name: input.name.take().unwrap_or_default(),
        protocol,
        protocol_version: version(protocol, input.protocol_version.take())?,
        port,
        vpc,
        target_type,
        ip_address_type: "ipv4".into(),
        tags: tags::read(input.tags.take())?,
        health_check: checks_of!(input).read(protocol, None)?,
    };
    let shown = region.world.with_load_balancers(call.now, |balancers, place| {
        let arn = balancers.create_target_group(place, wanted)?.arn.clone();
        balancers.target_group(&arn).map(|group| show(balancers, group))
    })?;
    Ok(model::CreateTargetGroupOutput { target_groups: Some(vec![shown]) })
}

/// The version of HTTP that a group's targets speak.
fn version(protocol: Protocol, wanted: Option<String>) -> Result<Option<String>, Refusal> {
    // The AWS provider of terraform sends an empty one where it has none.
    let wanted = wanted.filter(|version| !version.is_empty());
    match (protocol.is_http(), wanted.as_deref()) {
        (false, None) => Ok(None),
        (false, Some(_)) => {
            let text = format!("Protocol version is not supported with the protocol '{}'", protocol.name());
            Err(Refusal::validation(text))
        }
        (true, None) => Ok(Some("HTTP1".into())),
        (true, Some("HTTP1" | "HTTP2")) => Ok(wanted),
        (true, Some("GRPC")) => Err(not_reproduced("The protocol version GRPC")),
        (true, Some(other)) => {
            let text = format!("Protocol version '{other}' must be one of 'GRPC, HTTP1, HTTP2'");
            Err(Refusal::validation(text))
        }
    }
}

fn show(balancers: &LoadBalancers, group: &TargetGroup) -> model::TargetGroup {
    let check = &group.health_check;
    model::TargetGroup {
        target_group_arn: Some(group.arn.clone()),
        target_group_name: Some(group.name.clone()),
        protocol: Some(group.protocol.name().into()),
        port: Some(group.port.into()),
        vpc_id: Some(group.vpc.clone()),
        health_check_protocol: Some(check.protocol.name().into()),
        health_check_port: Some(check.port.clone()),
        health_check_enabled: Some(true),
        health_check_interval_seconds: Some(check.interval_secs.into()),
        health_check_timeout_seconds: Some(check.timeout_secs.into()),
        healthy_threshold_count: Some(check.healthy_threshold.into()),
        unhealthy_threshold_count: Some(check.unhealthy_threshold.into()),
        health_check_path: check.path.clone(),
        matcher: check.matcher.clone().map(|codes| model::Matcher { http_code: Some(codes), ..Default::default() }),
        load_balancer_arns: Some(balancers.users_of(&group.arn).into_iter().map(String::from).collect()),
        target_type: Some(group.target_type.name().into()),
        protocol_version: group.protocol_version.clone(),
        ip_address_type: Some(group.ip_address_type.clone()),
        ..Default::default()
    }
}

fn describe(
    region: &mut Region,
    _call: &Call,
    input: model::DescribeTargetGroupsInput,
) -> Result<model::DescribeTargetGroupsOutput, Refusal> {
    let balancers = &region.world.load_balancers;
    let (arns, names) = (input.target_group_arns.unwrap_or_default(), input.names.unwrap_or_default());
    let ways = [!arns.is_empty(), !names.is_empty(), input.load_balancer_arn.is_some()];
    if ways.into_iter().filter(|way| *way).count() > 1 {
        let text = "Target group ARNs, target group names and a load balancer ARN cannot be specified at the same time";
        return Err(Refusal::validation(text));
    }
    for arn in &arns {
        ArnKind::TargetGroup.check(arn)?;
        balancers.target_group(arn)?;
    }
    if names.iter().any(|name| !balancers.target_groups().any(|group| group.name == *name)) {
        return Err(crate::engine::load_balancers::no_target_group());
    }
    if let Some(arn) = &input.load_balancer_arn {
        ArnKind::Balancer.check(arn)?;
        balancers.balancer(arn)?;
    }
    let of_balancer = |group: &TargetGroup| {
        input.load_balancer_arn.as_deref().is_none_or(|arn| balancers.users_of(&group.arn).contains(arn))
    };
    let wanted = |group: &&TargetGroup| {
        (arns.is_empty() || arns.contains(&group.arn))
            && (names.is_empty() || names.contains(&group.name))
            && of_balancer(group)
    };
    let found = balancers.target_groups().filter(wanted).map(|group| (group.arn.clone(), group));
    let (page, next_marker) = super::cut(found, input.marker.as_deref(), input.page_size)?;
    let shown = page.into_iter().map(|group| show(balancers, group)).collect();
    Ok(model::DescribeTargetGroupsOutput { target_groups: Some(shown), next_marker })
}

fn modify(
    region: &mut Region,
    call: &Call,
    mut input: model::ModifyTargetGroupInput,
) -> Result<model::ModifyTargetGroupOutput, Refusal> {
    let arn = arn(input.target_group_arn.take())?;
    let group = region.world.load_balancers.target_group(&arn)?;
    let (protocol, before) = (group.protocol, group.health_check.clone());
    let check = checks_of!(input).read(protocol, Some(before))?;
    let shown = region.world.with_load_balancers(call.now, |balancers, _| {
        balancers.set_health_check(&arn, check)?;
        balancers.target_group(&arn).map(|group| show(balancers, group))
    })?;
    Ok(model::ModifyTargetGroupOutput { target_groups: Some(vec![shown]) })
}

fn delete(
    region: &mut Region,
    call: &Call,
    input: model::DeleteTargetGroupInput,
) -> Result<model::DeleteTargetGroupOutput, Refusal> {
    let arn = arn(input.target_group_arn)?;
    region.world.with_load_balancers(call.now, |balancers, _| balancers.delete_target_group(&arn))?;
    Ok(model::DeleteTargetGroupOutput {})
}

/// The request's target group.
pub(super) fn arn(arn: Option<String>) -> Result<String, Refusal> {
    let arn = arn.unwrap_or_default();
    ArnKind::TargetGroup.check(&arn).map(|()| arn)
}
