//! Lifecycle hooks and the actions that wait for them.

use super::{existing, group_name, model, not_negative, wants, word};
use crate::engine::Refusal;
use crate::engine::groups::hook::{
    ActionResult, DEFAULT_HEARTBEAT_SECS, HookTarget, LifecycleHook, Transition, global_timeout,
};
use crate::engine::names::{GroupName, InstanceId, TopicArn};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn register(operations: &mut Operations) {
    operations.on(
        "PutLifecycleHook",
        "Holds instances up when they launch or terminate.",
        &[
            "LifecycleHookName",
            "AutoScalingGroupName",
            "LifecycleTransition",
            "RoleARN",
            "NotificationTargetARN",
            "NotificationMetadata",
            "HeartbeatTimeout",
            "DefaultResult",
        ],
        put,
    );
    operations.view(
        "DescribeLifecycleHooks",
        "Lists a group's hooks.",
        &["AutoScalingGroupName", "LifecycleHookNames"],
        describe,
    );
    operations.on(
        "DeleteLifecycleHook",
        "Deletes a hook; who waits for it goes on.",
        &["LifecycleHookName", "AutoScalingGroupName"],
        delete,
    );
    operations.on(
        "CompleteLifecycleAction",
        "Lets an instance go on, or not.",
        &["LifecycleHookName", "AutoScalingGroupName", "LifecycleActionToken", "LifecycleActionResult", "InstanceId"],
        complete,
    );
    operations.on(
        "RecordLifecycleActionHeartbeat",
        "Gives an instance more time.",
        &["LifecycleHookName", "AutoScalingGroupName", "LifecycleActionToken", "InstanceId"],
        heartbeat,
    );
    operations.view("DescribeLifecycleHookTypes", "Lists the transitions with hooks.", &[], types);
}

/// A hook as a request writes it.
pub struct HookRequest {
    pub name: Option<String>,
    pub transition: Option<String>,
    pub heartbeat: Option<i64>,
    pub default_result: Option<String>,
    pub target: Option<String>,
    pub role: Option<String>,
    pub metadata: Option<String>,
}

impl HookRequest {
    /// The hook; what the request leaves out stays as it is in `known`.
    pub fn read(self, known: Option<&LifecycleHook>) -> Result<LifecycleHook, Refusal> {
        let transition =
            self.transition.map(|text| word("LifecycleTransition", &text, Transition::parse)).transpose()?;
        let missing = || Refusal::validation("LifecycleTransition is required for a new lifecycle hook");
        let result = self.default_result.map(|text| word("DefaultResult", &text, ActionResult::parse)).transpose()?;
        Ok(LifecycleHook {
            name: self.name.unwrap_or_default(),
            transition: transition.or(known.map(|hook| hook.transition)).ok_or_else(missing)?,
            heartbeat_secs: match self.heartbeat {
                Some(secs) => heartbeat_secs(secs)?,
                None => known.map_or(DEFAULT_HEARTBEAT_SECS, |hook| hook.heartbeat_secs),
            },
            default_result: result.or(known.map(|hook| hook.default_result)).unwrap_or(ActionResult::Abandon),
            target: match self.target {
                Some(arn) => target(arn)?,
                None => known.and_then(|hook| hook.target.clone()),
            },
            role_arn: self.role.or(known.and_then(|hook| hook.role_arn.clone())),
            metadata: self.metadata.or(known.and_then(|hook| hook.metadata.clone())),
        })
    }
}

fn heartbeat_secs(secs: i64) -> Result<u32, Refusal> {
    let secs = not_negative("HeartbeatTimeout", secs)?;
    match secs {
        30..=7200 => Ok(secs),
        _ => Err(Refusal::validation("HeartbeatTimeout must be between 30 and 7200 seconds")),
    }
}

/// A topic or a queue; an empty target takes it away.
fn target(target: String) -> Result<Option<HookTarget>, Refusal> {
    match target.split(':').nth(2) {
        _ if target.is_empty() => Ok(None),
        Some("sns") => Ok(Some(HookTarget::Topic(TopicArn(target)))),
        Some("sqs") => Ok(Some(HookTarget::Queue(target))),
        _ => Err(Refusal::validation("NotificationTargetARN must be the ARN of an SNS topic or of an SQS queue")),
    }
}

fn put(
    region: &mut Region,
    call: &Call,
    input: model::PutLifecycleHookInput,
) -> Result<model::PutLifecycleHookOutput, Refusal> {
    let group = existing(region, input.auto_scaling_group_name.as_deref())?;
    let known = input.lifecycle_hook_name.as_deref().and_then(|name| group.hooks.get(name));
    let request = HookRequest {
        name: input.lifecycle_hook_name.clone(),
        transition: input.lifecycle_transition,
        heartbeat: input.heartbeat_timeout,
        default_result: input.default_result,
        target: input.notification_target_arn,
        role: input.role_arn,
        metadata: input.notification_metadata,
    };
    let (hook, name) = (request.read(known)?, group.name.clone());
    region.world.with_groups(call.now, |groups| groups.put_lifecycle_hook(call.now, &name, hook))?;
    Ok(model::PutLifecycleHookOutput {})
}

fn describe(
    region: &Region,
    input: model::DescribeLifecycleHooksInput,
) -> Result<model::DescribeLifecycleHooksOutput, Refusal> {
    let group = existing(region, input.auto_scaling_group_name.as_deref())?;
    let wanted = group.hooks.values().filter(|hook| wants(input.lifecycle_hook_names.as_deref(), &hook.name));
    let shown = wanted.map(|hook| show_hook(&group.name, hook)).collect();
    Ok(model::DescribeLifecycleHooksOutput { lifecycle_hooks: Some(shown) })
}

fn show_hook(group: &GroupName, hook: &LifecycleHook) -> model::LifecycleHook {
    model::LifecycleHook {
        lifecycle_hook_name: Some(hook.name.clone()),
        auto_scaling_group_name: Some(group.to_string()),
        lifecycle_transition: Some(hook.transition.name().into()),
        notification_target_arn: hook.target.as_ref().map(|target| target.arn().into()),
        role_arn: hook.role_arn.clone(),
        notification_metadata: hook.metadata.clone(),
        heartbeat_timeout: Some(hook.heartbeat_secs.into()),
        global_timeout: i64::try_from(global_timeout(hook.heartbeat_secs).as_secs()).ok(),
        default_result: Some(hook.default_result.name().into()),
    }
}

fn delete(
    region: &mut Region,
    call: &Call,
    input: model::DeleteLifecycleHookInput,
) -> Result<model::DeleteLifecycleHookOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let hook = input.lifecycle_hook_name.unwrap_or_default();
    region.world.with_groups(call.now, |groups| groups.delete_lifecycle_hook(call.now, &name, &hook))?;
    Ok(model::DeleteLifecycleHookOutput {})
}

fn complete(
    region: &mut Region,
    call: &Call,
    input: model::CompleteLifecycleActionInput,
) -> Result<model::CompleteLifecycleActionOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let hook = input.lifecycle_hook_name.unwrap_or_default();
    let result = input.lifecycle_action_result.unwrap_or_default();
    let result = word("LifecycleActionResult", &result, ActionResult::parse)?;
    let (token, instance) = (input.lifecycle_action_token.as_deref(), input.instance_id.map(InstanceId));
    region.world.with_groups(call.now, |groups| {
        groups.complete_lifecycle_action(call.now, &name, &hook, token, instance.as_ref(), result)
    })?;
    Ok(model::CompleteLifecycleActionOutput {})
}

fn heartbeat(
    region: &mut Region,
    call: &Call,
    input: model::RecordLifecycleActionHeartbeatInput,
) -> Result<model::RecordLifecycleActionHeartbeatOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let hook = input.lifecycle_hook_name.unwrap_or_default();
    let (token, instance) = (input.lifecycle_action_token.as_deref(), input.instance_id.map(InstanceId));
    region.world.with_groups(call.now, |groups| {
        groups.record_lifecycle_heartbeat(call.now, &name, &hook, token, instance.as_ref())
    })?;
    Ok(model::RecordLifecycleActionHeartbeatOutput {})
}

fn types(
    _region: &Region,
    _input: model::DescribeLifecycleHookTypesInput,
) -> Result<model::DescribeLifecycleHookTypesOutput, Refusal> {
    let types = [Transition::Launching, Transition::Terminating].map(|transition| transition.name().to_string());
    Ok(model::DescribeLifecycleHookTypesOutput { lifecycle_hook_types: Some(types.to_vec()) })
}
