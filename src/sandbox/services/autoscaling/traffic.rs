//! What sends traffic to a group's instances: target groups of Elastic Load Balancing, in either of the two ways in which
//! callers name them. Classic Load Balancers cannot exist here; VPC Lattice is refused by name.

use super::{PageRequest, existing, group_name, model, not_reproduced};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::groups::{Group, TrafficSource};
use crate::engine::load_balancers::{Reason, TargetType};
use crate::engine::names::GroupName;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// How many sources an answer holds when the caller does not say. Source: the service model.
const SOURCES_PER_PAGE: usize = 100;

/// Published by users of AttachLoadBalancerTargetGroups and AttachLoadBalancers.
const NO_TARGET_GROUP: &str = "Provided Target Groups may not be valid. Please ensure they exist and try again.";
const NO_LOAD_BALANCER: &str = "Provided Load Balancers may not be valid. Please ensure they exist and try again.";
/// Published by users of the operations that detach.
const TARGET_GROUP_NOT_ATTACHED: &str = "Trying to remove Target Groups that are not part of the group";
const LOAD_BALANCER_NOT_ATTACHED: &str = "Trying to remove Load Balancers that are not part of the group";

pub fn register(operations: &mut Operations) {
    let groups = &["AutoScalingGroupName", "TargetGroupARNs"];
    let sources = &["AutoScalingGroupName", "TrafficSources"];
    let names = &["AutoScalingGroupName", "LoadBalancerNames"];
    let of_group = &["AutoScalingGroupName", "NextToken", "MaxRecords"];
    operations.on(
        "AttachLoadBalancerTargetGroups",
        "Attaches target groups: the group's instances are registered with them.",
        groups,
        attach_target_groups,
    );
    operations.on(
        "DetachLoadBalancerTargetGroups",
        "Detaches target groups: the group's instances drain.",
        groups,
        detach_target_groups,
    );
    operations.on(
        "DescribeLoadBalancerTargetGroups",
        "Lists a group's target groups and how far their registration is.",
        of_group,
        target_groups,
    );
    operations.on("AttachTrafficSources", "Attaches target groups (elbv2).", sources, attach_sources);
    operations.on("DetachTrafficSources", "Detaches target groups (elbv2).", sources, detach_sources);
    operations.on(
        "DescribeTrafficSources",
        "Lists a group's target groups and how far their registration is.",
        &["AutoScalingGroupName", "TrafficSourceType", "NextToken", "MaxRecords"],
        traffic_sources,
    );
    operations.on(
        "AttachLoadBalancers",
        "Refuses Classic Load Balancers: there are none here.",
        names,
        attach_load_balancers,
    );
    operations.on(
        "DetachLoadBalancers",
        "Refuses Classic Load Balancers: there are none here.",
        names,
        detach_load_balancers,
    );
    operations.view("DescribeLoadBalancers", "Lists a group's Classic Load Balancers: none.", of_group, load_balancers);
}

/// What CreateAutoScalingGroup names, in any of the three ways.
pub fn of_new_group(
    region: &Region,
    load_balancers: Option<Vec<String>>,
    target_groups: Option<Vec<String>>,
    sources: Option<Vec<model::TrafficSourceIdentifier>>,
) -> Result<Vec<TrafficSource>, Refusal> {
    refuse_load_balancers(load_balancers)?;
    let named = target_groups.unwrap_or_default().into_iter().map(|arn| TrafficSource::target_group(&arn));
    let sources: Vec<_> = named.chain(read(sources)?).collect();
    check(region, &sources)?;
    Ok(sources)
}

fn refuse_load_balancers(names: Option<Vec<String>>) -> Result<(), Refusal> {
    match names.is_some_and(|names| !names.is_empty()) {
        true => Err(Refusal::validation(NO_LOAD_BALANCER)),
        false => Ok(()),
    }
}

fn read(sources: Option<Vec<model::TrafficSourceIdentifier>>) -> Result<Vec<TrafficSource>, Refusal> {
    let read = |source: model::TrafficSourceIdentifier| {
        let identifier = source.identifier.unwrap_or_default();
        match source.r#type.as_deref() {
            Some("vpc-lattice") => Err(not_reproduced("The traffic source type vpc-lattice")),
            None if identifier.contains(":vpc-lattice:") => Err(not_reproduced("The traffic source type vpc-lattice")),
            Some("elb") => Err(Refusal::validation(NO_LOAD_BALANCER)),
            None | Some("elbv2") => Ok(TrafficSource::target_group(&identifier)),
            Some(other) => Err(Refusal::validation(format!("'{other}' is not a valid traffic source type"))),
        }
    };
    sources.unwrap_or_default().into_iter().map(read).collect()
}

/// Whether these are target groups of instances. AWS takes those of another VPC than the group's.
fn check(region: &Region, sources: &[TrafficSource]) -> Result<(), Refusal> {
    let fits = |source: &TrafficSource| {
        let found = region.world.load_balancers.target_group(&source.identifier);
        found.is_ok_and(|group| group.target_type == TargetType::Instance)
    };
    match sources.iter().all(fits) {
        true => Ok(()),
        false => Err(Refusal::validation(NO_TARGET_GROUP)),
    }
}

fn attach(region: &mut Region, now: Timestamp, name: &GroupName, sources: Vec<TrafficSource>) -> Result<(), Refusal> {
    existing(region, Some(name.as_str()))?;
    check(region, &sources)?;
    region.world.with_groups(now, |groups| groups.attach_traffic_sources(name, sources))
}

fn detach(region: &mut Region, now: Timestamp, name: &GroupName, sources: &[TrafficSource]) -> Result<(), Refusal> {
    region.world.with_groups(now, |groups| groups.detach_traffic_sources(now, name, sources, TARGET_GROUP_NOT_ATTACHED))
}

fn named(arns: Option<Vec<String>>) -> Vec<TrafficSource> {
    arns.unwrap_or_default().iter().map(|arn| TrafficSource::target_group(arn)).collect()
}

fn attach_target_groups(
    region: &mut Region,
    call: &Call,
    input: model::AttachLoadBalancerTargetGroupsInput,
) -> Result<model::AttachLoadBalancerTargetGroupsOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    attach(region, call.now, &name, named(input.target_group_arns))?;
    Ok(model::AttachLoadBalancerTargetGroupsOutput {})
}

fn detach_target_groups(
    region: &mut Region,
    call: &Call,
    input: model::DetachLoadBalancerTargetGroupsInput,
) -> Result<model::DetachLoadBalancerTargetGroupsOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    detach(region, call.now, &name, &named(input.target_group_arns))?;
    Ok(model::DetachLoadBalancerTargetGroupsOutput {})
}

fn attach_sources(
    region: &mut Region,
    call: &Call,
    input: model::AttachTrafficSourcesInput,
) -> Result<model::AttachTrafficSourcesOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    attach(region, call.now, &name, read(input.traffic_sources)?)?;
    Ok(model::AttachTrafficSourcesOutput {})
}

fn detach_sources(
    region: &mut Region,
    call: &Call,
    input: model::DetachTrafficSourcesInput,
) -> Result<model::DetachTrafficSourcesOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let classic = |source: &model::TrafficSourceIdentifier| source.r#type.as_deref() == Some("elb");
    if input.traffic_sources.iter().flatten().any(classic) {
        return Err(Refusal::validation(LOAD_BALANCER_NOT_ATTACHED));
    }
    detach(region, call.now, &name, &read(input.traffic_sources)?)?;
    Ok(model::DetachTrafficSourcesOutput {})
}

/// A group's sources, each with its state in AWS's words.
fn states<'a>(region: &'a Region, now: Timestamp, group: &'a Group) -> Vec<(&'a TrafficSource, &'static str)> {
    let attached = group.traffic_sources.iter().map(|source| (source, state(region, now, group, source)));
    attached.chain(group.leaving_sources(now).map(|source| (source, "Removing"))).collect()
}

/// Source: API reference, `LoadBalancerTargetGroupState`.
fn state(region: &Region, now: Timestamp, group: &Group, source: &TrafficSource) -> &'static str {
    let Ok(target_group) = region.world.load_balancers.target_group(&source.identifier) else { return "Added" };
    let of_group = |id: &str| group.members.iter().any(|member| member.as_str() == id);
    let targets = target_group.targets().filter(|target| of_group(&target.id));
    let health: Vec<_> = targets.map(|target| target.health(now)).collect();
    if health.iter().any(|health| health.is_healthy()) {
        "InService"
    } else if health.iter().any(|health| health.reason == Some(Reason::RegistrationInProgress)) {
        "Adding"
    } else {
        "Added"
    }
}

fn target_groups(
    region: &mut Region,
    call: &Call,
    input: model::DescribeLoadBalancerTargetGroupsInput,
) -> Result<model::DescribeLoadBalancerTargetGroupsOutput, Refusal> {
    let group = existing(region, input.auto_scaling_group_name.as_deref())?;
    let page = PageRequest::new(input.next_token.as_deref(), input.max_records, SOURCES_PER_PAGE)?;
    let show = |(source, state): (&TrafficSource, &str)| model::LoadBalancerTargetGroupState {
        load_balancer_target_group_arn: Some(source.identifier.clone()),
        state: Some(state.into()),
    };
    let (found, next_token) = page.cut(states(region, call.now, group));
    let found = found.into_iter().map(show).collect();
    Ok(model::DescribeLoadBalancerTargetGroupsOutput { load_balancer_target_groups: Some(found), next_token })
}

fn traffic_sources(
    region: &mut Region,
    call: &Call,
    input: model::DescribeTrafficSourcesInput,
) -> Result<model::DescribeTrafficSourcesOutput, Refusal> {
    let group = existing(region, input.auto_scaling_group_name.as_deref())?;
    let page = PageRequest::new(input.next_token.as_deref(), input.max_records, SOURCES_PER_PAGE)?;
    let kind = input.traffic_source_type;
    let wanted = |(source, _): &(&TrafficSource, &str)| kind.as_ref().is_none_or(|kind| *kind == source.kind);
    let show = |(source, state): (&TrafficSource, &str)| model::TrafficSourceState {
        traffic_source: Some(source.identifier.clone()),
        state: Some(state.into()),
        identifier: Some(source.identifier.clone()),
        r#type: Some(source.kind.clone()),
    };
    let (found, next_token) = page.cut(states(region, call.now, group).into_iter().filter(wanted));
    Ok(model::DescribeTrafficSourcesOutput { traffic_sources: Some(found.into_iter().map(show).collect()), next_token })
}

fn attach_load_balancers(
    region: &mut Region,
    _call: &Call,
    input: model::AttachLoadBalancersInput,
) -> Result<model::AttachLoadBalancersOutput, Refusal> {
    existing(region, input.auto_scaling_group_name.as_deref())?;
    refuse_load_balancers(input.load_balancer_names)?;
    Ok(model::AttachLoadBalancersOutput {})
}

fn detach_load_balancers(
    region: &mut Region,
    _call: &Call,
    input: model::DetachLoadBalancersInput,
) -> Result<model::DetachLoadBalancersOutput, Refusal> {
    existing(region, input.auto_scaling_group_name.as_deref())?;
    match input.load_balancer_names.is_some_and(|names| !names.is_empty()) {
        true => Err(Refusal::validation(LOAD_BALANCER_NOT_ATTACHED)),
        false => Ok(model::DetachLoadBalancersOutput {}),
    }
}

fn load_balancers(
    region: &Region,
    input: model::DescribeLoadBalancersInput,
) -> Result<model::DescribeLoadBalancersOutput, Refusal> {
    existing(region, input.auto_scaling_group_name.as_deref())?;
    Ok(model::DescribeLoadBalancersOutput { load_balancers: Some(Vec::new()), next_token: None })
}
