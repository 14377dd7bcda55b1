//! Scheduled actions, one at a time and in batches.

use super::{PageRequest, existing, group_name, model, wants};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::groups::Group;
use crate::engine::groups::schedule::{ScheduleRequest, ScheduledAction, Sizes};
use crate::engine::names::GroupName;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

const ACTIONS_PER_PAGE: usize = 50;

/// The most actions that one call may put or delete. Source: the service model's descriptions.
const MAX_BATCH: usize = 50;

pub fn register(operations: &mut Operations) {
    operations.on(
        "PutScheduledUpdateGroupAction",
        "Changes a group's sizes at a time, once or again and again.",
        &[
            "AutoScalingGroupName",
            "ScheduledActionName",
            "StartTime",
            "EndTime",
            "Recurrence",
            "MinSize",
            "MaxSize",
            "DesiredCapacity",
            "TimeZone",
        ],
        put,
    );
    operations.on(
        "BatchPutScheduledUpdateGroupAction",
        "Puts scheduled actions and says which could not be.",
        &["AutoScalingGroupName", "ScheduledUpdateGroupActions"],
        batch_put,
    );
    operations.view(
        "DescribeScheduledActions",
        "Lists the scheduled actions that have yet to run.",
        &["AutoScalingGroupName", "ScheduledActionNames", "StartTime", "EndTime", "NextToken", "MaxRecords"],
        describe,
    );
    operations.on(
        "DeleteScheduledAction",
        "Deletes a scheduled action.",
        &["AutoScalingGroupName", "ScheduledActionName"],
        delete,
    );
    operations.on(
        "BatchDeleteScheduledAction",
        "Deletes scheduled actions and says which could not be.",
        &["AutoScalingGroupName", "ScheduledActionNames"],
        batch_delete,
    );
}

fn put(
    region: &mut Region,
    call: &Call,
    input: model::PutScheduledUpdateGroupActionInput,
) -> Result<model::PutScheduledUpdateGroupActionOutput, Refusal> {
    let request = model::ScheduledUpdateGroupActionRequest {
        scheduled_action_name: input.scheduled_action_name,
        start_time: input.start_time,
        end_time: input.end_time,
        recurrence: input.recurrence,
        min_size: input.min_size,
        max_size: input.max_size,
        desired_capacity: input.desired_capacity,
        time_zone: input.time_zone,
    };
    put_one(region, call.now, &group_name(input.auto_scaling_group_name.as_deref()), request)?;
    Ok(model::PutScheduledUpdateGroupActionOutput {})
}

fn put_one(
    region: &mut Region,
    now: Timestamp,
    group: &GroupName,
    request: model::ScheduledUpdateGroupActionRequest,
) -> Result<(), Refusal> {
    let size = |name: &str, size: Option<i64>| {
        let negative = || Refusal::validation(format!("{name} must be non-negative"));
        size.map(|size| u32::try_from(size).map_err(|_| negative())).transpose()
    };
    let sizes = Sizes {
        min: size("Min size", request.min_size)?,
        max: size("Max size", request.max_size)?,
        desired: size("Desired capacity", request.desired_capacity)?,
    };
    let request = ScheduleRequest {
        name: request.scheduled_action_name.unwrap_or_default(),
        start: request.start_time,
        end: request.end_time,
        recurrence: request.recurrence,
        time_zone: request.time_zone,
        sizes,
    };
    region.world.with_groups(now, |groups| groups.put_scheduled_action(now, group, request))
}

fn batch_put(
    region: &mut Region,
    call: &Call,
    input: model::BatchPutScheduledUpdateGroupActionInput,
) -> Result<model::BatchPutScheduledUpdateGroupActionOutput, Refusal> {
    let group = existing(region, input.auto_scaling_group_name.as_deref())?.name.clone();
    let requests = input.scheduled_update_group_actions.unwrap_or_default();
    check_batch(requests.len())?;
    let failed = requests.into_iter().filter_map(|request| {
        let name = request.scheduled_action_name.clone().unwrap_or_default();
        put_one(region, call.now, &group, request).err().map(|refusal| failure(name, refusal))
    });
    Ok(model::BatchPutScheduledUpdateGroupActionOutput {
        failed_scheduled_update_group_actions: Some(failed.collect()),
    })
}

fn check_batch(size: usize) -> Result<(), Refusal> {
    if size <= MAX_BATCH {
        return Ok(());
    }
    Err(Refusal::validation(format!("At most {MAX_BATCH} scheduled actions are allowed per call")))
}

fn failure(name: String, refusal: Refusal) -> model::FailedScheduledUpdateGroupActionRequest {
    model::FailedScheduledUpdateGroupActionRequest {
        scheduled_action_name: Some(name),
        error_code: Some(refusal.code),
        error_message: Some(refusal.message),
    }
}

fn describe(
    region: &Region,
    input: model::DescribeScheduledActionsInput,
) -> Result<model::DescribeScheduledActionsOutput, Refusal> {
    let page = PageRequest::new(input.next_token.as_deref(), input.max_records, ACTIONS_PER_PAGE)?;
    let one_group = input.auto_scaling_group_name.as_deref();
    if one_group.is_some() {
        existing(region, one_group)?;
    }
    let names = input.scheduled_action_names.as_deref();
    // Times do not matter where names are given.
    let by_time = names.is_none_or(<[String]>::is_empty);
    let (from, to) = (input.start_time.filter(|_| by_time), input.end_time.filter(|_| by_time));
    let groups = region.world.groups.iter().filter(|group| one_group.is_none_or(|name| group.name.as_str() == name));
    let actions = groups.flat_map(|group| group.schedules.values().map(move |action| (group, action)));
    let wanted = actions.filter(|(_, action)| {
        let named = wants(names, &action.name) || names.is_some_and(|names| names.contains(&action.arn));
        named && from.is_none_or(|from| action.next_run >= from) && to.is_none_or(|to| action.next_run <= to)
    });
    let (found, next_token) = page.cut(wanted);
    let shown = found.into_iter().map(|(group, action)| show(group, action)).collect();
    Ok(model::DescribeScheduledActionsOutput { scheduled_update_group_actions: Some(shown), next_token })
}

/// AWS shows the next run as the start time, also of an action that was given none.
fn show(group: &Group, action: &ScheduledAction) -> model::ScheduledUpdateGroupAction {
    let ScheduledAction { schedule, sizes, .. } = action;
    model::ScheduledUpdateGroupAction {
        auto_scaling_group_name: Some(group.name.to_string()),
        scheduled_action_name: Some(action.name.clone()),
        scheduled_action_arn: Some(action.arn.clone()),
        time: Some(action.next_run),
        start_time: Some(action.next_run),
        end_time: schedule.end,
        recurrence: schedule.recurrence.as_ref().map(|cron| cron.as_str().to_string()),
        min_size: sizes.min.map(Into::into),
        max_size: sizes.max.map(Into::into),
        desired_capacity: sizes.desired.map(Into::into),
        time_zone: schedule.time_zone.clone(),
    }
}

fn delete(
    region: &mut Region,
    call: &Call,
    input: model::DeleteScheduledActionInput,
) -> Result<model::DeleteScheduledActionOutput, Refusal> {
    let group = group_name(input.auto_scaling_group_name.as_deref());
    let name = input.scheduled_action_name.unwrap_or_default();
    region.world.with_groups(call.now, |groups| groups.delete_scheduled_action(&group, &name))?;
    Ok(model::DeleteScheduledActionOutput {})
}

fn batch_delete(
    region: &mut Region,
    call: &Call,
    input: model::BatchDeleteScheduledActionInput,
) -> Result<model::BatchDeleteScheduledActionOutput, Refusal> {
    let group = existing(region, input.auto_scaling_group_name.as_deref())?.name.clone();
    let names = input.scheduled_action_names.unwrap_or_default();
    check_batch(names.len())?;
    let failed = names.into_iter().filter_map(|name| {
        let answer = region.world.with_groups(call.now, |groups| groups.delete_scheduled_action(&group, &name));
        answer.err().map(|refusal| failure(name, refusal))
    });
    Ok(model::BatchDeleteScheduledActionOutput { failed_scheduled_actions: Some(failed.collect()) })
}
