//! `asg-errors`: refusals of calls, the codes of the model's faults, defaults and quotas.

use scaleproof::engine::groups::{group, steps};
use scaleproof::sandbox::models::autoscaling;
use serde_json::{Value, json};

use super::lifecycle_health::{api_with_group, enumeration};
use crate::cases::api::Api;
use crate::cases::case::{Case, same};
use crate::cases::document::hold;
use crate::cases::failure::Failure;

pub fn check(case: &Case) -> Result<(), Failure> {
    if let Some(shape) = case.given.opt_str("shape")? {
        return if case.expect.has("values") { enumeration(case) } else { fault(case, shape) };
    }
    match case.given.opt_str("api")? {
        Some(operation) => call(case, operation),
        None => quotas(case),
    }
}

/// A fault by the name of its shape, as the model's table has it.
fn fault(case: &Case, shape: &str) -> Result<(), Failure> {
    let known = autoscaling::SERVICE.errors.iter().find(|error| error.shape == shape);
    let error = known.ok_or_else(|| format!("the model has no fault {shape}"))?;
    case.expect_eq("code", error.code)?;
    case.expect_if("http_status", error.status)
}

/// The state that a case describes, then its call.
fn call(case: &Case, operation: &str) -> Result<(), Failure> {
    let given = &case.given;
    let minimal = given.opt_bool("minimal")?.unwrap_or_default();
    let named = first_text(case, &["name", "AutoScalingGroupName", "group"])?;
    let name = named.as_deref().unwrap_or("g");
    let missing = named.as_deref() == Some("missing") || given.opt_bool("missing")?.unwrap_or_default();
    let (min, max) = (number(case, &["min", "min_size", "MinSize"])?, number(case, &["max", "max_size", "MaxSize"])?);
    let desired = number(case, &["desired", "desired_capacity", "DesiredCapacity"])?;
    let instances = match amount(case, &["instances", "has_instances", "with_instances", "running_instances"])? {
        Some(count) => count,
        None => u32::from(operation == "TerminateInstanceInAutoScalingGroup"),
    };
    let busy = amount(
        case,
        &[
            "activity_in_progress",
            "scaling_activity",
            "activity",
            "activities",
            "in_progress_activity",
            "in_progress",
            "refresh_in_progress",
        ],
    )?
    .unwrap_or_default();
    let twice = amount(case, &["exists", "duplicate", "already_exists", "twice", "existing"])?.unwrap_or_default();
    let told = first_text(case, &["when", "state", "condition", "precondition"])?.unwrap_or_default().to_lowercase();
    let instances = instances.max(u32::from(told.contains("instance")));
    let busy = busy.max(u32::from(told.contains("activit")));
    let twice = twice.max(u32::from(told.contains("exist")));
    let creates = operation == "CreateAutoScalingGroup";
    let mut api = if missing || (creates && twice == 0) {
        api_without_group()?
    } else {
        let limits = json!({
            "AutoScalingGroupName": name, "MinSize": min.unwrap_or(0), "MaxSize": max.unwrap_or(3).max(instances),
            "DesiredCapacity": instances.max(min.unwrap_or(0)),
        });
        api_with_group(&limits)?
    };
    if busy > 0 {
        match operation {
            "StartInstanceRefresh" => _ = api.call("autoscaling", operation, json!({"AutoScalingGroupName": name}))?,
            _ => make_busy(&mut api, name)?,
        }
    }
    if given.opt_bool("in_cooldown")?.unwrap_or_default() {
        cool_down(&mut api, name)?;
    }
    // No refresh is under way unless the case says so.
    given.get("refresh");
    let mut input = working_members(operation);
    match operation {
        "DescribeAutoScalingGroups" => {
            if let Some(names) = given.get("names").or(given.get("AutoScalingGroupNames")) {
                input["AutoScalingGroupNames"] = names.clone();
            }
        }
        "CreateAutoScalingGroup" => {
            input = json!({
                "AutoScalingGroupName": name, "MinSize": min.unwrap_or(0), "MaxSize": max.unwrap_or(1),
                "AvailabilityZones": ["us-east-1a"], "LaunchTemplate": {"LaunchTemplateName": "web"},
            });
        }
        _ => input["AutoScalingGroupName"] = json!(name),
    }
    if let Some(desired) = desired {
        input["DesiredCapacity"] = json!(desired);
    } else if operation == "SetDesiredCapacity" {
        input["DesiredCapacity"] = json!(1);
    }
    if given.opt_bool("force")?.unwrap_or_default() {
        input["ForceDelete"] = json!(true);
    }
    for flag in ["ForceDelete", "HonorCooldown", "NextToken", "MaxRecords"] {
        if let Some(value) = given.get(flag) {
            input[flag] = value.clone();
        }
    }
    let answer = api.call("autoscaling", operation, input);
    if minimal {
        answer?;
        return defaults(case, &mut api);
    }
    case.expect_refusal(&answer)?;
    for (name, value) in answer.as_ref().ok().and_then(Value::as_object).into_iter().flatten() {
        case.expect_if(name, value.clone())?;
    }
    Ok(())
}

/// What an operation needs besides the name of its group.
fn working_members(operation: &str) -> Value {
    match operation {
        "PutScalingPolicy" => {
            json!({"PolicyName": "p", "AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1})
        }
        "ExecutePolicy" | "DeletePolicy" => json!({"PolicyName": "p"}),
        "AttachInstances" | "DetachInstances" | "EnterStandby" | "ExitStandby" => {
            let flag = if ["DetachInstances", "EnterStandby"].contains(&operation) { Some(true) } else { None };
            let mut input = json!({"InstanceIds": ["i-0123456789abcdef0"]});
            if let Some(flag) = flag {
                input["ShouldDecrementDesiredCapacity"] = json!(flag);
            }
            input
        }
        "SetInstanceProtection" => json!({"InstanceIds": ["i-0123456789abcdef0"], "ProtectedFromScaleIn": true}),
        "PutLifecycleHook" => {
            json!({"LifecycleHookName": "h", "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"})
        }
        "DeleteLifecycleHook" => json!({"LifecycleHookName": "h"}),
        "PutScheduledUpdateGroupAction" => {
            json!({"ScheduledActionName": "s", "Recurrence": "0 9 * * *", "DesiredCapacity": 1})
        }
        "DeleteScheduledAction" => json!({"ScheduledActionName": "s"}),
        "PutNotificationConfiguration" => json!({"TopicARN": "arn:aws:sns:us-east-1:123456789012:ops",
            "NotificationTypes": ["autoscaling:EC2_INSTANCE_LAUNCH"]}),
        "EnableMetricsCollection" => json!({"Granularity": "1Minute"}),
        _ => json!({}),
    }
}

/// A simple policy acts, and its cooldown begins.
fn cool_down(api: &mut Api, name: &str) -> Result<(), Failure> {
    let mut policy = working_members("PutScalingPolicy");
    policy["AutoScalingGroupName"] = json!(name);
    api.call("autoscaling", "PutScalingPolicy", policy)?;
    api.call("autoscaling", "ExecutePolicy", json!({"AutoScalingGroupName": name, "PolicyName": "p"}))?;
    api.advance(std::time::Duration::from_secs(10));
    Ok(())
}

fn first_text(case: &Case, names: &[&str]) -> Result<Option<String>, Failure> {
    for name in names {
        if let Some(text) = case.given.opt_str(name)? {
            return Ok(Some(text.to_string()));
        }
    }
    Ok(None)
}

fn number(case: &Case, names: &[&str]) -> Result<Option<u32>, Failure> {
    for name in names {
        if let Some(number) = case.given.opt_u32(name)? {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// A count, or a flag that stands for one.
fn amount(case: &Case, names: &[&str]) -> Result<Option<u32>, Failure> {
    let named = names.iter().find(|name| case.given.has(name));
    Ok(named.and_then(|name| case.given.get(name)).map(|value| match value {
        Value::Bool(on) => u32::from(*on),
        Value::Number(count) => count.as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
        Value::Array(items) => u32::try_from(items.len()).unwrap_or_default(),
        _ => 1,
    }))
}

fn api_without_group() -> Result<Api, Failure> {
    let mut api = api_with_group(&json!({"AutoScalingGroupName": "other"}))?;
    api.call("autoscaling", "DeleteAutoScalingGroup", json!({"AutoScalingGroupName": "other", "ForceDelete": true}))?;
    Ok(api)
}

/// Holds an instance that is on its way out at a hook, so that an activity goes on and no instance is in service.
fn make_busy(api: &mut Api, name: &str) -> Result<(), Failure> {
    let hook = json!({
        "AutoScalingGroupName": name, "LifecycleHookName": "h",
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
    });
    api.call("autoscaling", "PutLifecycleHook", hook)?;
    for desired in [1, 0] {
        let input = json!({"AutoScalingGroupName": name, "DesiredCapacity": desired});
        api.call("autoscaling", "SetDesiredCapacity", input)?;
    }
    Ok(())
}

fn defaults(case: &Case, api: &mut Api) -> Result<(), Failure> {
    let answer = api.call("autoscaling", "DescribeAutoScalingGroups", json!({}))?;
    let shown = &answer["AutoScalingGroups"][0];
    for name in case.expect.names().filter(|name| *name != "http_status") {
        let expected = case.expect.value(name)?;
        if shown.get(name).is_none() && !expected.is_null() {
            hold(case, name, &[shown.clone(), json!({"http_status": 200})])?;
            continue;
        }
        let got = &shown[name];
        // Answers write what is not set as absent, empty or null.
        let absent = expected.is_null() && got.is_null();
        if !absent && !same(expected, got) {
            return Err(Failure::differs(name, expected, got));
        }
    }
    Ok(())
}

/// Quotas, by the constants that the engine refuses by.
fn quotas(case: &Case) -> Result<(), Failure> {
    for name in case.expect.names() {
        let limit = match name {
            "groups_per_region" | "groups" => group::MAX_GROUPS,
            "launch_configurations" | "launch_configurations_per_region" => group::MAX_LAUNCH_CONFIGURATIONS,
            "policies" | "policies_per_group" => group::MAX_POLICIES_PER_GROUP,
            "steps" | "step_adjustments" => steps::MAX_STEPS,
            "lifecycle_hooks" | "lifecycle_hooks_per_group" => group::MAX_HOOKS_PER_GROUP,
            "sns_topics" | "sns_topics_per_group" => group::MAX_TOPICS_PER_GROUP,
            "scheduled_actions" | "scheduled_actions_per_group" => group::MAX_SCHEDULED_ACTIONS_PER_GROUP,
            "attach_instances" | "detach_instances" | "enter_standby" | "exit_standby" => group::MAX_INSTANCES_PER_MOVE,
            "set_instance_protection" => group::MAX_INSTANCES_PER_PROTECTION_CALL,
            other => return Err(format!("nothing here finds out expect.{other}").into()),
        };
        case.expect_eq(name, limit)?;
    }
    Ok(())
}
