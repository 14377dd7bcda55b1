//! The engine's values as the service model shows them.

use super::{mixed, model};
use crate::engine::groups::activity::Activity;
use crate::engine::groups::group::Settings;
use crate::engine::groups::{
    Group, Groups, Instance, LaunchSource, LaunchedFrom, Membership, TemplateSpecification, TrafficSource,
};
use crate::sandbox::region::Region;

pub const GRANULARITY: &str = "1Minute";
pub const RESOURCE_TYPE: &str = "auto-scaling-group";

pub fn group(region: &Region, group: &Group, with_instances: bool) -> model::AutoScalingGroup {
    let groups = &region.world.groups;
    let (settings, preferences) = (&group.settings, &group.settings.preferences);
    let (configuration, template) = launch_source(&settings.launch);
    let instances = groups.members(group).filter(|_| with_instances).map(|(one, member)| instance(group, one, member));
    let suspended = group.suspended.iter().map(|(process, reason)| model::SuspendedProcess {
        process_name: Some(process.name().into()),
        suspension_reason: Some(reason.clone()),
    });
    let metric =
        |metric: &String| model::EnabledMetric { metric: Some(metric.clone()), granularity: Some(GRANULARITY.into()) };
    model::AutoScalingGroup {
        auto_scaling_group_name: Some(group.name.to_string()),
        auto_scaling_group_arn: Some(group.arn.clone()),
        launch_configuration_name: configuration,
        launch_template: template,
        mixed_instances_policy: mixed_instances_policy(&settings.launch),
        min_size: Some(group.limits.min.into()),
        max_size: Some(group.limits.max.into()),
        desired_capacity: Some(group.desired_capacity.into()),
        default_cooldown: Some(settings.default_cooldown_secs.into()),
        availability_zones: Some(group.zones().into_iter().map(ToString::to_string).collect()),
        load_balancer_names: Some(Vec::new()),
        target_group_arns: Some(group.traffic_sources.iter().map(|source| source.identifier.clone()).collect()),
        health_check_type: Some(settings.health_check_type.clone()),
        health_check_grace_period: Some(settings.health_check_grace_secs.into()),
        instances: Some(instances.collect()),
        created_time: Some(group.created_at),
        suspended_processes: Some(suspended.collect()),
        vpc_zone_identifier: Some(subnets(settings)),
        enabled_metrics: Some(group.metrics.iter().map(metric).collect()),
        status: group.deleting.then(|| "Delete in progress".to_string()),
        tags: Some(tags(group)),
        termination_policies: Some(settings.termination_policies.iter().map(|policy| policy.name().into()).collect()),
        new_instances_protected_from_scale_in: Some(settings.protect_new_instances),
        capacity_rebalance: settings.capacity_rebalance,
        service_linked_role_arn: Some(settings.service_linked_role_arn.clone()),
        warm_pool_configuration: warm_pool(group),
        warm_pool_size: group.warm_pool.as_ref().and_then(|_| i64::try_from(groups.pool_members(group).count()).ok()),
        max_instance_lifetime: preferences.max_instance_lifetime_secs.map(Into::into),
        instance_maintenance_policy: preferences.maintenance.map(|policy| model::InstanceMaintenancePolicy {
            min_healthy_percentage: Some(policy.min_healthy_percentage.into()),
            max_healthy_percentage: Some(policy.max_healthy_percentage.into()),
        }),
        placement_group: preferences.placement_group.clone(),
        context: preferences.context.clone(),
        desired_capacity_type: desired_capacity_type(&settings.launch),
        default_instance_warmup: settings.default_instance_warmup_secs.map(Into::into),
        traffic_sources: Some(group.traffic_sources.iter().map(traffic_source).collect()),
        availability_zone_distribution: Some(model::AvailabilityZoneDistribution {
            capacity_distribution_strategy: Some(preferences.zone_distribution.name().into()),
        }),
        capacity_reservation_specification: Some(model::CapacityReservationSpecification {
            capacity_reservation_preference: Some(preferences.reservations.name().into()),
            ..Default::default()
        }),
        instance_lifecycle_policy: Some(model::InstanceLifecyclePolicy {
            retention_triggers: Some(model::RetentionTriggers { terminate_hook_abandon: Some("terminate".into()) }),
        }),
        ..Default::default()
    }
}

fn desired_capacity_type(source: &LaunchSource) -> Option<String> {
    match source {
        LaunchSource::Mixed(policy) => policy.counts.map(|counts| counts.name().into()),
        LaunchSource::Configuration { .. } | LaunchSource::Template(_) => None,
    }
}

fn traffic_source(source: &TrafficSource) -> model::TrafficSourceIdentifier {
    model::TrafficSourceIdentifier { identifier: Some(source.identifier.clone()), r#type: Some(source.kind.clone()) }
}

/// The warm pool of a group that has one. What nobody set is not shown.
pub fn warm_pool(group: &Group) -> Option<model::WarmPoolConfiguration> {
    let pool = group.warm_pool.as_ref()?;
    Some(model::WarmPoolConfiguration {
        max_group_prepared_capacity: pool.max_prepared.map(Into::into),
        min_size: Some(pool.min_size.into()),
        pool_state: Some(pool.state.name().into()),
        status: pool.deleting.then(|| "PendingDelete".to_string()),
        instance_reuse_policy: pool
            .reuse_on_scale_in
            .map(|reuse| model::InstanceReusePolicy { reuse_on_scale_in: Some(reuse) }),
    })
}

/// A group that was told zones, not subnets, shows none.
fn subnets(settings: &Settings) -> String {
    let subnets = settings.placements.iter().map(|placement| placement.subnet.as_str());
    if settings.by_zone { String::new() } else { subnets.collect::<Vec<_>>().join(",") }
}

fn launch_source(source: &LaunchSource) -> (Option<String>, Option<model::LaunchTemplateSpecification>) {
    match source {
        LaunchSource::Configuration { name } => (Some(name.clone()), None),
        LaunchSource::Template(specification) => (None, Some(self::specification(specification))),
        LaunchSource::Mixed(_) => (None, None),
    }
}

/// The template that a source names, if it names one.
pub fn launch_template(source: &LaunchSource) -> Option<model::LaunchTemplateSpecification> {
    launch_source(source).1
}

pub fn mixed_instances_policy(source: &LaunchSource) -> Option<model::MixedInstancesPolicy> {
    match source {
        LaunchSource::Mixed(policy) => Some(mixed::show(policy)),
        LaunchSource::Configuration { .. } | LaunchSource::Template(_) => None,
    }
}

/// Shown only in groups that count in weights, and on what is left of such.
fn weight(group: Option<&Group>, member: &Membership) -> Option<String> {
    let weighted = group.is_some_and(|group| group.settings.launch.is_weighted());
    (weighted || member.weight > 1).then(|| member.weight.to_string())
}

fn launched_from(from: &LaunchedFrom) -> (Option<String>, Option<model::LaunchTemplateSpecification>) {
    match from {
        LaunchedFrom::Configuration { name, .. } => (Some(name.clone()), None),
        LaunchedFrom::Elsewhere => (None, None),
        LaunchedFrom::Template { id, name, version } => (None, Some(template(id, name, version.to_string()))),
    }
}

pub fn specification(of: &TemplateSpecification) -> model::LaunchTemplateSpecification {
    template(&of.id, &of.name, of.version.clone())
}

fn template(id: &str, name: &str, version: String) -> model::LaunchTemplateSpecification {
    model::LaunchTemplateSpecification {
        launch_template_id: Some(id.into()),
        launch_template_name: Some(name.into()),
        // As on AWS, a version that nobody named is not shown.
        version: (!version.is_empty()).then_some(version),
    }
}

pub fn tags(group: &Group) -> Vec<model::TagDescription> {
    let tags = group.tags.iter().map(|(key, tag)| model::TagDescription {
        resource_id: Some(group.name.to_string()),
        resource_type: Some(RESOURCE_TYPE.into()),
        key: Some(key.clone()),
        value: Some(tag.value.clone()),
        propagate_at_launch: Some(tag.propagate_at_launch),
    });
    tags.collect()
}

pub fn instance(group: &Group, instance: &Instance, member: &Membership) -> model::Instance {
    let (launch_configuration_name, launch_template) = launched_from(&member.launched_from);
    model::Instance {
        instance_id: Some(instance.id.to_string()),
        instance_type: Some(instance.instance_type.clone()),
        availability_zone: Some(instance.placement.zone.to_string()),
        lifecycle_state: Some(member.lifecycle.name().into()),
        health_status: Some(member.health.name().into()),
        launch_configuration_name,
        launch_template,
        protected_from_scale_in: Some(member.protected_from_scale_in),
        weighted_capacity: weight(Some(group), member),
        ..Default::default()
    }
}

pub fn instance_details(
    groups: &Groups,
    instance: &Instance,
    member: &Membership,
) -> model::AutoScalingInstanceDetails {
    let (launch_configuration_name, launch_template) = launched_from(&member.launched_from);
    model::AutoScalingInstanceDetails {
        instance_id: Some(instance.id.to_string()),
        instance_type: Some(instance.instance_type.clone()),
        auto_scaling_group_name: Some(member.group.to_string()),
        availability_zone: Some(instance.placement.zone.to_string()),
        lifecycle_state: Some(member.lifecycle.name().into()),
        // This operation alone writes the status in capitals. Source: its recorded answers.
        health_status: Some(member.health.name().to_uppercase()),
        launch_configuration_name,
        launch_template,
        protected_from_scale_in: Some(member.protected_from_scale_in),
        weighted_capacity: weight(groups.get(&member.group), member),
        ..Default::default()
    }
}

pub fn activity(activity: &Activity) -> model::Activity {
    model::Activity {
        activity_id: Some(activity.id.to_string()),
        auto_scaling_group_name: Some(activity.group.to_string()),
        description: Some(activity.description()),
        cause: Some(activity.cause.clone()),
        start_time: Some(activity.started_at),
        end_time: activity.ended_at,
        status_code: Some(activity.status.name().into()),
        status_message: activity.status_message.clone(),
        progress: Some(activity.progress.into()),
        details: Some(activity.details.to_json().to_string()),
        auto_scaling_group_arn: Some(activity.group_arn.clone()),
        ..Default::default()
    }
}

/// The activity of that id, of whichever group.
pub fn activity_of(groups: &Groups, id: &str) -> Option<model::Activity> {
    groups.iter().flat_map(|group| &group.activities).find(|found| found.id.as_str() == id).map(activity)
}
