//! A group's instances: describe, terminate, call unhealthy, protect.

use super::{PageRequest, group_name, model, show, wants, word};
use crate::engine::Refusal;
use crate::engine::groups::Health;
use crate::engine::names::InstanceId;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

const INSTANCES_PER_PAGE: usize = 50;

pub fn register(operations: &mut Operations) {
    operations.view(
        "DescribeAutoScalingInstances",
        "Lists the instances of all groups.",
        &["InstanceIds", "MaxRecords", "NextToken"],
        describe,
    );
    operations.on(
        "TerminateInstanceInAutoScalingGroup",
        "Terminates one instance, with or without a replacement.",
        &["InstanceId", "ShouldDecrementDesiredCapacity"],
        terminate,
    );
    operations.on(
        "SetInstanceHealth",
        "Calls an instance healthy or not; its group replaces one that is not.",
        &["InstanceId", "HealthStatus", "ShouldRespectGracePeriod"],
        set_health,
    );
    operations.on(
        "SetInstanceProtection",
        "Protects instances from scale-in.",
        &["InstanceIds", "AutoScalingGroupName", "ProtectedFromScaleIn"],
        set_protection,
    );
}

fn describe(
    region: &Region,
    input: model::DescribeAutoScalingInstancesInput,
) -> Result<model::DescribeAutoScalingInstancesOutput, Refusal> {
    let page = PageRequest::new(input.next_token.as_deref(), input.max_records, INSTANCES_PER_PAGE)?;
    let instances = region.world.groups.instances();
    let members = instances.filter_map(|instance| Some((instance, instance.membership.as_ref()?)));
    let wanted = members.filter(|(instance, _)| wants(input.instance_ids.as_deref(), instance.id.as_str()));
    let groups = &region.world.groups;
    let (found, next_token) = page.cut(wanted.map(|(one, member)| show::instance_details(groups, one, member)));
    Ok(model::DescribeAutoScalingInstancesOutput { auto_scaling_instances: Some(found), next_token })
}

fn terminate(
    region: &mut Region,
    call: &Call,
    input: model::TerminateInstanceInAutoScalingGroupInput,
) -> Result<model::TerminateInstanceInAutoScalingGroupOutput, Refusal> {
    let id = InstanceId(input.instance_id.unwrap_or_default());
    let decrement = input.should_decrement_desired_capacity.unwrap_or_default();
    let shown = region.world.with_groups(call.now, |groups| {
        let activity = groups.terminate_member(call.now, &id, decrement)?;
        Ok(show::activity_of(groups, activity.as_str()))
    })?;
    Ok(model::TerminateInstanceInAutoScalingGroupOutput { activity: shown, ..Default::default() })
}

fn set_health(
    region: &mut Region,
    call: &Call,
    input: model::SetInstanceHealthInput,
) -> Result<model::SetInstanceHealthOutput, Refusal> {
    let id = InstanceId(input.instance_id.unwrap_or_default());
    let read = |text: &str| [Health::Healthy, Health::Unhealthy].into_iter().find(|health| health.name() == text);
    let health = word("HealthStatus", input.health_status.as_deref().unwrap_or_default(), read)?;
    let respect_grace = input.should_respect_grace_period.unwrap_or(true);
    region.world.with_groups(call.now, |groups| groups.set_instance_health(call.now, &id, health, respect_grace))?;
    Ok(model::SetInstanceHealthOutput {})
}

fn set_protection(
    region: &mut Region,
    call: &Call,
    input: model::SetInstanceProtectionInput,
) -> Result<model::SetInstanceProtectionOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let ids: Vec<InstanceId> = input.instance_ids.unwrap_or_default().into_iter().map(InstanceId).collect();
    let protected = input.protected_from_scale_in.unwrap_or_default();
    region.world.with_groups(call.now, |groups| groups.set_instance_protection(call.now, &name, &ids, protected))?;
    Ok(model::SetInstanceProtectionOutput {})
}
