//! Groups: create, update, delete, describe, and their desired capacity.

use std::collections::BTreeMap;

use super::group_request::{PreferencesRequest, SettingsRequest, hook, one_launch_source};
use super::{
    PageRequest, existing, group_name, launch_configurations, model, not_negative, not_reproduced, show, tags, traffic,
    wants,
};
use crate::engine::Refusal;
use crate::engine::groups::policy::Limits;
use crate::engine::groups::{Group, GroupChange, GroupSpec};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// How many groups an answer holds when the caller does not say. Source: the service model.
const GROUPS_PER_PAGE: usize = 50;

pub fn register(operations: &mut Operations) {
    operations.on(
        "CreateAutoScalingGroup",
        "Creates a group, which then launches what it wants.",
        &[
            "AutoScalingGroupName",
            "LaunchConfigurationName",
            "LaunchTemplate",
            "MixedInstancesPolicy",
            "InstanceId",
            "MinSize",
            "MaxSize",
            "DesiredCapacity",
            "DefaultCooldown",
            "AvailabilityZones",
            "HealthCheckType",
            "HealthCheckGracePeriod",
            "VPCZoneIdentifier",
            "TerminationPolicies",
            "NewInstancesProtectedFromScaleIn",
            "CapacityRebalance",
            "LoadBalancerNames",
            "TargetGroupARNs",
            "TrafficSources",
            "LifecycleHookSpecificationList",
            "Tags",
            "ServiceLinkedRoleARN",
            "MaxInstanceLifetime",
            "DefaultInstanceWarmup",
            "AvailabilityZoneDistribution",
            "CapacityReservationSpecification",
            "InstanceMaintenancePolicy",
            "DesiredCapacityType",
            "PlacementGroup",
            "Context",
        ],
        create,
    );
    operations.on(
        "UpdateAutoScalingGroup",
        "Changes a group; what the request leaves out stays.",
        &[
            "AutoScalingGroupName",
            "LaunchConfigurationName",
            "LaunchTemplate",
            "MixedInstancesPolicy",
            "MinSize",
            "MaxSize",
            "DesiredCapacity",
            "DefaultCooldown",
            "AvailabilityZones",
            "HealthCheckType",
            "HealthCheckGracePeriod",
            "VPCZoneIdentifier",
            "TerminationPolicies",
            "NewInstancesProtectedFromScaleIn",
            "CapacityRebalance",
            "ServiceLinkedRoleARN",
            "MaxInstanceLifetime",
            "DefaultInstanceWarmup",
            "AvailabilityZoneDistribution",
            "CapacityReservationSpecification",
            "InstanceMaintenancePolicy",
            "DesiredCapacityType",
            "PlacementGroup",
            "Context",
        ],
        update,
    );
    operations.on(
        "DeleteAutoScalingGroup",
        "Deletes an empty group, or one with its instances if forced.",
        &["AutoScalingGroupName", "ForceDelete"],
        delete,
    );
    operations.view(
        "DescribeAutoScalingGroups",
        "Lists groups with their instances, by name or by tag.",
        &["AutoScalingGroupNames", "IncludeInstances", "NextToken", "MaxRecords", "Filters"],
        describe,
    );
    operations.on(
        "SetDesiredCapacity",
        "Sets how many instances a group wants.",
        &["AutoScalingGroupName", "DesiredCapacity", "HonorCooldown"],
        set_desired_capacity,
    );
    operations.view("DescribeAccountLimits", "Says how many groups there may be.", &[], limits);
}

/// The arguments that CreateAutoScalingGroup and UpdateAutoScalingGroup have in common, checked and taken out of either.
macro_rules! settings_of {
    ($input:ident) => {{
        SettingsRequest {
            launch_configuration_name: $input.launch_configuration_name,
            launch_template: $input.launch_template,
            mixed_instances_policy: $input.mixed_instances_policy,
            vpc_zone_identifier: $input.vpc_zone_identifier,
            availability_zones: $input.availability_zones,
            default_cooldown: $input.default_cooldown,
            default_instance_warmup: $input.default_instance_warmup,
            health_check_type: $input.health_check_type,
            health_check_grace_period: $input.health_check_grace_period,
            termination_policies: $input.termination_policies,
            new_instances_protected_from_scale_in: $input.new_instances_protected_from_scale_in,
            capacity_rebalance: $input.capacity_rebalance,
            service_linked_role_arn: $input.service_linked_role_arn,
            desired_capacity_type: $input.desired_capacity_type,
            preferences: PreferencesRequest {
                max_instance_lifetime: $input.max_instance_lifetime,
                maintenance: $input.instance_maintenance_policy,
                zone_distribution: $input.availability_zone_distribution,
                reservations: $input.capacity_reservation_specification,
                placement_group: $input.placement_group,
                context: $input.context,
            },
        }
    }};
}

fn create(
    region: &mut Region,
    call: &Call,
    mut input: model::CreateAutoScalingGroupInput,
) -> Result<model::CreateAutoScalingGroupOutput, Refusal> {
    let Some(instance) = input.instance_id.take() else { return create_from_source(region, call, input) };
    let sources = (&input.launch_configuration_name, &input.launch_template, &input.mixed_instances_policy);
    if !matches!(sources, (None, None, None)) {
        return Err(one_launch_source());
    }
    let name = group_name(input.auto_scaling_group_name.as_deref()).to_string();
    let subnet = launch_configurations::create_like(region, call, &name, &instance)?;
    input.launch_configuration_name = Some(name.clone());
    if input.vpc_zone_identifier.is_none() && input.availability_zones.is_none() {
        input.vpc_zone_identifier = Some(subnet.to_string());
    }
    create_from_source(region, call, input).inspect_err(|_| {
        // It was made a moment ago, and no group launches from it.
        let _ = region.world.groups.delete_launch_configuration(&name);
    })
}

fn create_from_source(
    region: &mut Region,
    call: &Call,
    input: model::CreateAutoScalingGroupInput,
) -> Result<model::CreateAutoScalingGroupOutput, Refusal> {
    let settings = settings_of!(input);
    let spec = GroupSpec {
        name: group_name(input.auto_scaling_group_name.as_deref()),
        limits: Limits {
            min: not_negative("MinSize", input.min_size.unwrap_or_default())?,
            max: not_negative("MaxSize", input.max_size.unwrap_or_default())?,
        },
        desired_capacity: input.desired_capacity.map(|size| not_negative("DesiredCapacity", size)).transpose()?,
        settings: settings.create(region)?,
        tags: input.tags.unwrap_or_default().into_iter().map(tags::read).collect::<Result<BTreeMap<_, _>, _>>()?,
        hooks: input
            .lifecycle_hook_specification_list
            .unwrap_or_default()
            .into_iter()
            .map(hook)
            .collect::<Result<Vec<_>, _>>()?,
    };
    let (name, named) = (spec.name.clone(), (input.load_balancer_names, input.target_group_arns));
    let sources = traffic::of_new_group(region, named.0, named.1, input.traffic_sources)?;
    region.world.with_groups(call.now, |groups| {
        groups.create_group(call.now, spec)?;
        groups.attach_traffic_sources(&name, sources)
    })?;
    Ok(model::CreateAutoScalingGroupOutput {})
}

fn update(
    region: &mut Region,
    call: &Call,
    input: model::UpdateAutoScalingGroupInput,
) -> Result<model::UpdateAutoScalingGroupOutput, Refusal> {
    let request = settings_of!(input);
    let group = existing_or_null(region, input.auto_scaling_group_name.as_deref())?;
    let (name, settings) = (group.name.clone(), group.settings.clone());
    let size = |argument: &str, size: Option<i64>| size.map(|size| not_negative(argument, size)).transpose();
    let change = GroupChange {
        min_size: size("MinSize", input.min_size)?,
        max_size: size("MaxSize", input.max_size)?,
        desired_capacity: size("DesiredCapacity", input.desired_capacity)?,
        settings: request.change(region, settings)?,
    };
    region.world.with_groups(call.now, |groups| groups.update_group(call.now, &name, change))?;
    Ok(model::UpdateAutoScalingGroupOutput {})
}

/// The group that an update is about.
///
/// # Errors
/// `ValidationError` with AWS's text, as users published it for UpdateAutoScalingGroup and SetDesiredCapacity.
fn existing_or_null<'a>(region: &'a Region, name: Option<&str>) -> Result<&'a Group, Refusal> {
    existing(region, name).map_err(|_| Refusal::validation("AutoScalingGroup name not found - null"))
}

fn delete(
    region: &mut Region,
    call: &Call,
    input: model::DeleteAutoScalingGroupInput,
) -> Result<model::DeleteAutoScalingGroupOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let force = input.force_delete.unwrap_or_default();
    region.world.with_groups(call.now, |groups| groups.delete_group(call.now, &name, force))?;
    Ok(model::DeleteAutoScalingGroupOutput {})
}

fn describe(
    region: &Region,
    input: model::DescribeAutoScalingGroupsInput,
) -> Result<model::DescribeAutoScalingGroupsOutput, Refusal> {
    let filters = input.filters.unwrap_or_default();
    for filter in &filters {
        check_filter(filter)?;
    }
    let names = input.auto_scaling_group_names.as_deref();
    let wanted = |group: &&Group| {
        wants(names, group.name.as_str()) && filters.iter().all(|filter| matches_filter(group, filter))
    };
    let page = PageRequest::new(input.next_token.as_deref(), input.max_records, GROUPS_PER_PAGE)?;
    let (found, next_token) = page.cut(region.world.groups.iter().filter(wanted));
    let with_instances = input.include_instances.unwrap_or(true);
    let shown = found.into_iter().map(|group| show::group(region, group, with_instances)).collect();
    Ok(model::DescribeAutoScalingGroupsOutput { auto_scaling_groups: Some(shown), next_token })
}

fn check_filter(filter: &model::Filter) -> Result<(), Refusal> {
    match filter.name.as_deref().unwrap_or_default() {
        "tag-key" | "tag-value" => Ok(()),
        name if name.starts_with("tag:") => Ok(()),
        name => Err(not_reproduced(&format!("The filter '{name}'"))),
    }
}

/// A filter holds if one of its values does; several filters must all hold.
fn matches_filter(group: &Group, filter: &model::Filter) -> bool {
    let values = filter.values.as_deref().unwrap_or_default();
    let name = filter.name.as_deref().unwrap_or_default();
    let mut tags = group.tags.iter();
    match name {
        "tag-key" => tags.any(|(key, _)| values.contains(key)),
        "tag-value" => tags.any(|(_, tag)| values.contains(&tag.value)),
        name => tags.any(|(key, tag)| name.strip_prefix("tag:") == Some(key) && values.contains(&tag.value)),
    }
}

fn set_desired_capacity(
    region: &mut Region,
    call: &Call,
    input: model::SetDesiredCapacityInput,
) -> Result<model::SetDesiredCapacityOutput, Refusal> {
    let name = existing_or_null(region, input.auto_scaling_group_name.as_deref())?.name.clone();
    let to = not_negative("DesiredCapacity", input.desired_capacity.unwrap_or_default())?;
    let honor = input.honor_cooldown.unwrap_or_default();
    region.world.with_groups(call.now, |groups| groups.set_desired_capacity(call.now, &name, to, honor))?;
    Ok(model::SetDesiredCapacityOutput {})
}

fn limits(
    region: &Region,
    _input: model::DescribeAccountLimitsInput,
) -> Result<model::DescribeAccountLimitsOutput, Refusal> {
    use crate::engine::groups::group::{MAX_GROUPS, MAX_LAUNCH_CONFIGURATIONS};
    let groups = &region.world.groups;
    let number = |count: usize| i64::try_from(count).ok();
    Ok(model::DescribeAccountLimitsOutput {
        max_number_of_auto_scaling_groups: number(MAX_GROUPS),
        max_number_of_launch_configurations: number(MAX_LAUNCH_CONFIGURATIONS),
        number_of_auto_scaling_groups: number(groups.iter().count()),
        number_of_launch_configurations: number(groups.launch_configurations().count()),
    })
}
