//! `capacity-limits`: changes within `MinSize` and `MaxSize`, weights, and several policies at once.

use scaleproof::engine::groups::policy::{
    AdjustmentType, Decision, Policy, Reason, Situation, capacity_launched, largest_capacity,
};
use serde_json::{Value, json};

use super::lifecycle_health::api_with_group;
use super::scaling::{calm, decide, expect_capacity, limits, policy, read_adjustment_type, simple, whole};
use crate::cases::case::Case;
use crate::cases::failure::Failure;

pub fn check(case: &Case) -> Result<(), Failure> {
    match () {
        () if case.given.has("api") => call(case),
        () if case.given.has("simultaneous") => simultaneous(case),
        () => one_policy(case),
    }
}

/// What a case may call an instance's weight.
const WEIGHTS: &[&str] =
    &["weight", "instance_weight", "largest_weight", "weights", "instance_weights", "WeightedCapacity"];

/// What a case may call the capacity that the instances have after a change.
const WEIGHED_AFTER: &[&str] = &[
    "current_capacity",
    "capacity",
    "current",
    "actual",
    "actual_capacity",
    "resulting_current_capacity",
    "resulting_capacity",
    "may_reach",
];

fn one_policy(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let current = given.u32("current_capacity")?;
    let desired = given.opt_u32("desired")?.unwrap_or(current);
    let weight = read_weight(case)?;
    let weighted = given.opt_bool("weighted")?.unwrap_or(weight.is_some());
    let policy = adjusting(given.opt_str("adjustment_type")?, given.value("adjustment")?)?;
    let situation = Situation { weighed: weighted.then_some(current), ..calm(limits(given)?, desired) };
    let decision = decide(&policy, &situation, None);
    if let Some(weight) = weight {
        let after = capacity_launched(current, decision.to().unwrap_or(desired), weight);
        WEIGHED_AFTER.iter().try_for_each(|name| case.expect_if(name, after))?;
    }
    expect_capacity(case, desired, decision)
}

/// The weight of the largest instance.
fn read_weight(case: &Case) -> Result<Option<u32>, Failure> {
    let Some(name) = WEIGHTS.iter().find(|name| case.given.has(name)) else { return Ok(None) };
    match case.given.value(name)? {
        Value::Array(weights) => {
            let weights = weights.iter().map(whole).collect::<Result<Vec<_>, _>>()?;
            Ok(weights.into_iter().filter_map(|weight| u32::try_from(weight).ok()).max())
        }
        _ => case.given.opt_u32(name),
    }
}

fn adjusting(kind: Option<&str>, adjustment: &Value) -> Result<Policy, Failure> {
    let kind = read_adjustment_type(kind, AdjustmentType::ChangeInCapacity)?;
    Ok(policy("adjusting", kind, None, simple(whole(adjustment)?, None)))
}

/// Policies that are asked at one instant.
fn simultaneous(case: &Case) -> Result<(), Failure> {
    let capacity = case.given.u32("current_capacity")?;
    let situation = calm(limits(&case.given)?, capacity);
    let mut decisions = Vec::new();
    for asked in case.given.list("simultaneous")? {
        let policy = adjusting(asked["adjustment_type"].as_str(), &asked["adjustment"])?;
        decisions.push((asked["policy"].clone(), decide(&policy, &situation, None)));
    }
    let winner = largest_capacity(decisions.iter().filter_map(|(_, decision)| decision.to()));
    let won = decisions.iter().find(|(_, decision)| winner.is_some() && decision.to() == winner);
    case.expect_if("winner", won.map_or(Value::Null, |(name, _)| name.clone()))?;
    case.expect_if("policy", won.map_or(Value::Null, |(name, _)| name.clone()))?;
    let decision = won.map_or(Decision::no_op(Reason::NoChangeAsked), |(_, decision)| *decision);
    expect_capacity(case, capacity, decision)
}

/// A call that asks for a capacity outside the limits.
fn call(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let (min, max) = (given.opt_u32("min_size")?.unwrap_or(0), given.opt_u32("max_size")?.unwrap_or(10));
    let mut api = api_with_group(&json!({"MinSize": min, "MaxSize": max}))?;
    let operation = given.str("api")?;
    let mut input = json!({"AutoScalingGroupName": "g"});
    for (member, argument) in [("desired", "DesiredCapacity"), ("desired_capacity", "DesiredCapacity")] {
        if let Some(desired) = given.opt_i64(member)? {
            input[argument] = json!(desired);
        }
    }
    case.expect_refusal(&api.call("autoscaling", operation, input))
}
