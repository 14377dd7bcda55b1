//! Instances that callers move: to standby and back, out of a group and into one.

use super::{group_name, model, show};
use crate::engine::Refusal;
use crate::engine::groups::Groups;
use crate::engine::names::{ActivityId, InstanceId};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn register(operations: &mut Operations) {
    let out = &["InstanceIds", "AutoScalingGroupName", "ShouldDecrementDesiredCapacity"];
    let back = &["InstanceIds", "AutoScalingGroupName"];
    operations.on("EnterStandby", "Takes instances out of service; they go on running.", out, enter_standby);
    operations.on("ExitStandby", "Puts instances on standby back into service.", back, exit_standby);
    operations.on("DetachInstances", "Takes instances out of their group; they go on running.", out, detach);
    operations.on("AttachInstances", "Makes running instances part of a group.", back, attach);
}

fn ids(ids: Option<Vec<String>>) -> Vec<InstanceId> {
    ids.unwrap_or_default().into_iter().map(InstanceId).collect()
}

fn show_all(groups: &Groups, activities: &[ActivityId]) -> Option<Vec<model::Activity>> {
    Some(activities.iter().filter_map(|id| show::activity_of(groups, id.as_str())).collect())
}

fn enter_standby(
    region: &mut Region,
    call: &Call,
    input: model::EnterStandbyInput,
) -> Result<model::EnterStandbyOutput, Refusal> {
    let (name, ids) = (group_name(input.auto_scaling_group_name.as_deref()), ids(input.instance_ids));
    let decrement = input.should_decrement_desired_capacity.unwrap_or_default();
    let activities = region.world.with_groups(call.now, |groups| {
        let activities = groups.enter_standby(call.now, &name, &ids, decrement)?;
        Ok(show_all(groups, &activities))
    })?;
    Ok(model::EnterStandbyOutput { activities })
}

fn exit_standby(
    region: &mut Region,
    call: &Call,
    input: model::ExitStandbyInput,
) -> Result<model::ExitStandbyOutput, Refusal> {
    let (name, ids) = (group_name(input.auto_scaling_group_name.as_deref()), ids(input.instance_ids));
    let activities = region.world.with_groups(call.now, |groups| {
        let activities = groups.exit_standby(call.now, &name, &ids)?;
        Ok(show_all(groups, &activities))
    })?;
    Ok(model::ExitStandbyOutput { activities })
}

fn detach(
    region: &mut Region,
    call: &Call,
    input: model::DetachInstancesInput,
) -> Result<model::DetachInstancesOutput, Refusal> {
    let (name, ids) = (group_name(input.auto_scaling_group_name.as_deref()), ids(input.instance_ids));
    let decrement = input.should_decrement_desired_capacity.unwrap_or_default();
    let activities = region.world.with_groups(call.now, |groups| {
        let activities = groups.detach_instances(call.now, &name, &ids, decrement)?;
        Ok(show_all(groups, &activities))
    })?;
    Ok(model::DetachInstancesOutput { activities })
}

fn attach(
    region: &mut Region,
    call: &Call,
    input: model::AttachInstancesInput,
) -> Result<model::AttachInstancesOutput, Refusal> {
    let (name, ids) = (group_name(input.auto_scaling_group_name.as_deref()), ids(input.instance_ids));
    region.world.with_groups(call.now, |groups| groups.attach_instances(call.now, &name, &ids))?;
    Ok(model::AttachInstancesOutput {})
}
