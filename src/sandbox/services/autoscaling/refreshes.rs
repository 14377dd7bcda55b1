//! Instance refreshes: start, cancel, roll back, describe.

use super::{PageRequest, existing, group_name, mixed, model, not_negative, not_reproduced, show, wants};
use crate::engine::Refusal;
use crate::engine::groups::LaunchSource;
use crate::engine::groups::preferences::MaintenancePolicy;
use crate::engine::groups::refresh::{Blocked, InstanceRefresh, PoolShare, RefreshPreferences};
use crate::engine::names::AlarmName;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

const REFRESHES_PER_PAGE: usize = 50;
const ROLLING: &str = "Rolling";

pub fn register(operations: &mut Operations) {
    operations.on(
        "StartInstanceRefresh",
        "Replaces a group's instances a few at a time.",
        &["AutoScalingGroupName", "Strategy", "DesiredConfiguration", "Preferences"],
        start,
    );
    operations.on(
        "CancelInstanceRefresh",
        "Stops a refresh; what it replaced stays.",
        &["AutoScalingGroupName", "WaitForTransitioningInstances"],
        cancel,
    );
    operations.on(
        "RollbackInstanceRefresh",
        "Replaces what a refresh replaced by what was there before.",
        &["AutoScalingGroupName"],
        rollback,
    );
    operations.view(
        "DescribeInstanceRefreshes",
        "Lists a group's instance refreshes of the last six weeks, newest first.",
        &["AutoScalingGroupName", "InstanceRefreshIds", "NextToken", "MaxRecords"],
        describe,
    );
}

fn start(
    region: &mut Region,
    call: &Call,
    input: model::StartInstanceRefreshInput,
) -> Result<model::StartInstanceRefreshOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    if input.strategy.as_deref().is_some_and(|strategy| strategy != ROLLING) {
        return Err(not_reproduced("A Strategy other than Rolling"));
    }
    let settings = &existing(region, input.auto_scaling_group_name.as_deref())?.settings;
    let desired =
        input.desired_configuration.map(|desired| desired_source(region, desired, &settings.launch)).transpose()?;
    let preferences = read_preferences(input.preferences.unwrap_or_default(), settings.preferences.maintenance)?;
    let id = region
        .world
        .with_groups(call.now, |groups| groups.start_instance_refresh(call.now, &name, desired, preferences))?;
    Ok(model::StartInstanceRefreshOutput { instance_refresh_id: Some(id) })
}

fn desired_source(
    region: &Region,
    desired: model::DesiredConfiguration,
    current: &LaunchSource,
) -> Result<LaunchSource, Refusal> {
    match (desired.launch_template, desired.mixed_instances_policy) {
        (Some(template), None) => {
            let (id, name) = (template.launch_template_id.as_deref(), template.launch_template_name.as_deref());
            region.world.groups.launch_source_of_template(id, name, template.version.as_deref())
        }
        // What a desired policy leaves out goes back to its default. Source: the guide, "Skip matching".
        (None, Some(policy)) => mixed::read(region, policy, None, mixed::read_counts(None, Some(current))?),
        _ => {
            let text = "DesiredConfiguration must contain either a LaunchTemplate or a MixedInstancesPolicy";
            Err(Refusal::validation(text))
        }
    }
}

/// A group's maintenance policy is what the percentages are when nobody says otherwise.
///
/// Source: User Guide, "Understand the default values for an instance refresh".
fn read_preferences(
    input: model::RefreshPreferences,
    maintenance: Option<MaintenancePolicy>,
) -> Result<RefreshPreferences, Refusal> {
    let mut default = RefreshPreferences::default();
    if let Some(policy) = maintenance {
        (default.min_healthy_percentage, default.max_healthy_percentage) =
            (policy.min_healthy_percentage, policy.max_healthy_percentage);
    }
    if input.min_healthy_percentage.is_some() {
        default.max_healthy_percentage = RefreshPreferences::default().max_healthy_percentage;
    }
    let number = |name: &str, value: Option<i64>, default: u32| match value {
        Some(value) => not_negative(name, value),
        None => Ok(default),
    };
    if input.max_healthy_percentage.is_some() && input.min_healthy_percentage.is_none() {
        let text = "If you specify MaxHealthyPercentage, you must also specify MinHealthyPercentage";
        return Err(Refusal::validation(text));
    }
    let checkpoints = input.checkpoint_percentages.unwrap_or_default();
    if input.checkpoint_delay.is_some() && checkpoints.is_empty() {
        let text = "If you specify CheckpointDelay, you must also specify CheckpointPercentages";
        return Err(Refusal::validation(text));
    }
    let blocked = |word: Option<String>| match word.as_deref() {
        Some("Refresh" | "Terminate") => Blocked::Replace,
        Some("Ignore") => Blocked::Ignore,
        _ => Blocked::Wait,
    };
    Ok(RefreshPreferences {
        min_healthy_percentage: number(
            "MinHealthyPercentage",
            input.min_healthy_percentage,
            default.min_healthy_percentage,
        )?,
        max_healthy_percentage: number(
            "MaxHealthyPercentage",
            input.max_healthy_percentage,
            default.max_healthy_percentage,
        )?,
        instance_warmup_secs: input.instance_warmup.map(|secs| not_negative("InstanceWarmup", secs)).transpose()?,
        checkpoint_percentages: checkpoints
            .into_iter()
            .map(|percent| not_negative("CheckpointPercentages", percent))
            .collect::<Result<_, _>>()?,
        checkpoint_delay_secs: number("CheckpointDelay", input.checkpoint_delay, default.checkpoint_delay_secs)?,
        skip_matching: input.skip_matching.unwrap_or(default.skip_matching),
        auto_rollback: input.auto_rollback.unwrap_or(default.auto_rollback),
        protected_instances: blocked(input.scale_in_protected_instances),
        standby_instances: blocked(input.standby_instances),
        alarms: input
            .alarm_specification
            .and_then(|alarms| alarms.alarms)
            .unwrap_or_default()
            .into_iter()
            .map(AlarmName)
            .collect(),
        bake_secs: number("BakeTime", input.bake_time, default.bake_secs)?,
    })
}

fn cancel(
    region: &mut Region,
    call: &Call,
    input: model::CancelInstanceRefreshInput,
) -> Result<model::CancelInstanceRefreshOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let wait = input.wait_for_transitioning_instances.unwrap_or(true);
    let id = region.world.with_groups(call.now, |groups| groups.cancel_instance_refresh(call.now, &name, wait))?;
    Ok(model::CancelInstanceRefreshOutput { instance_refresh_id: Some(id) })
}

fn rollback(
    region: &mut Region,
    call: &Call,
    input: model::RollbackInstanceRefreshInput,
) -> Result<model::RollbackInstanceRefreshOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let id = region.world.with_groups(call.now, |groups| groups.rollback_instance_refresh(call.now, &name))?;
    Ok(model::RollbackInstanceRefreshOutput { instance_refresh_id: Some(id) })
}

fn describe(
    region: &Region,
    input: model::DescribeInstanceRefreshesInput,
) -> Result<model::DescribeInstanceRefreshesOutput, Refusal> {
    let group = existing(region, input.auto_scaling_group_name.as_deref())?;
    let page = PageRequest::new(input.next_token.as_deref(), input.max_records, REFRESHES_PER_PAGE)?;
    let ids = input.instance_refresh_ids.as_deref();
    let wanted = group.refreshes.iter().rev().filter(|refresh| wants(ids, &refresh.id));
    let (found, next_token) = page.cut(wanted.map(|refresh| show_refresh(group.name.as_str(), refresh)));
    Ok(model::DescribeInstanceRefreshesOutput { instance_refreshes: Some(found), next_token })
}

fn show_refresh(group: &str, refresh: &InstanceRefresh) -> model::InstanceRefresh {
    let rollback = refresh.rollback.as_ref().map(|rollback| model::RollbackDetails {
        rollback_reason: Some(rollback.reason.clone()),
        rollback_start_time: Some(rollback.started_at),
        percentage_complete_on_rollback: Some(rollback.percentage_on_rollback.into()),
        instances_to_update_on_rollback: Some(rollback.instances_on_rollback.into()),
        progress_details_on_rollback: None,
    });
    model::InstanceRefresh {
        instance_refresh_id: Some(refresh.id.clone()),
        auto_scaling_group_name: Some(group.into()),
        status: Some(refresh.status.name().into()),
        status_reason: refresh.status_reason.clone(),
        start_time: Some(refresh.started_at),
        end_time: refresh.ended_at,
        percentage_complete: Some(refresh.percentage_complete.into()),
        instances_to_update: Some(refresh.instances_to_update.into()),
        progress_details: refresh.pool.as_ref().map(show_progress),
        preferences: Some(show_preferences(&refresh.preferences)),
        desired_configuration: refresh.desired.as_ref().map(|source| model::DesiredConfiguration {
            launch_template: show::launch_template(source),
            mixed_instances_policy: show::mixed_instances_policy(source),
        }),
        rollback_details: rollback,
        strategy: Some(ROLLING.into()),
    }
}

fn show_progress(share: &PoolShare) -> model::InstanceRefreshProgressDetails {
    model::InstanceRefreshProgressDetails {
        live_pool_progress: Some(model::InstanceRefreshLivePoolProgress {
            percentage_complete: Some(share.live_percentage.into()),
            instances_to_update: Some(share.live_to_update.into()),
        }),
        warm_pool_progress: Some(model::InstanceRefreshWarmPoolProgress {
            percentage_complete: Some(share.percentage_complete().into()),
            instances_to_update: Some(share.instances_to_update().into()),
        }),
    }
}

fn show_preferences(preferences: &RefreshPreferences) -> model::RefreshPreferences {
    let word = |blocked: Blocked, replace: &str| match blocked {
        Blocked::Replace => replace.to_string(),
        Blocked::Ignore => "Ignore".into(),
        Blocked::Wait => "Wait".into(),
    };
    let checkpoints = &preferences.checkpoint_percentages;
    let has_checkpoints = !checkpoints.is_empty();
    let alarms: Vec<String> = preferences.alarms.iter().map(ToString::to_string).collect();
    model::RefreshPreferences {
        min_healthy_percentage: Some(preferences.min_healthy_percentage.into()),
        instance_warmup: preferences.instance_warmup_secs.map(Into::into),
        checkpoint_percentages: has_checkpoints.then(|| checkpoints.iter().map(|percent| (*percent).into()).collect()),
        checkpoint_delay: has_checkpoints.then_some(preferences.checkpoint_delay_secs.into()),
        skip_matching: Some(preferences.skip_matching),
        auto_rollback: Some(preferences.auto_rollback),
        scale_in_protected_instances: Some(word(preferences.protected_instances, "Refresh")),
        standby_instances: Some(word(preferences.standby_instances, "Terminate")),
        alarm_specification: (!alarms.is_empty()).then_some(model::AlarmSpecification { alarms: Some(alarms) }),
        max_healthy_percentage: Some(preferences.max_healthy_percentage.into()),
        bake_time: Some(preferences.bake_secs.into()),
    }
}
