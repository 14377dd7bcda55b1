//! `step-scaling`: which step a breach falls into, what it changes, and which steps no policy may have.

use scaleproof::engine::groups::policy::{AdjustmentType, percent_of};
use scaleproof::engine::groups::steps::{Step, choose_step};
use serde_json::{Value, json};

use super::lifecycle_health::api_with_group;
use super::scaling::{
    breach, calm, decide, expect_capacity, limits, policy, read_adjustment_type, read_steps, steps_of,
};
use crate::cases::case::Case;
use crate::cases::failure::Failure;

pub fn check(case: &Case) -> Result<(), Failure> {
    if case.expect.has("accepted") { acceptance(case) } else { breached(case) }
}

fn breached(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let adjustment_type = read_adjustment_type(given.opt_str("adjustment_type")?, AdjustmentType::ChangeInCapacity)?;
    let magnitude = given.opt_u32("min_adjustment_magnitude")?;
    let (capacity, listed) = (given.u32("current_capacity")?, given.list("step_adjustments")?);
    let breach = breach(given.f64("metric_value")?, given.f64("threshold")?, given.opt_str("comparison_operator")?)?;
    let steps = read_steps(listed)?;
    let step = choose_step(&steps, breach);
    case.expect_if("step", step.map_or(Value::Null, show))?;
    case.expect_if("raw_change", step.map_or(0, |step| adjustment_type.change(capacity, step.adjustment, magnitude)))?;
    let raw = step.filter(|_| adjustment_type == AdjustmentType::PercentChangeInCapacity);
    case.expect_if("raw", raw.map(|step| percent_of(capacity.into(), step.adjustment.into())))?;
    let policy = policy("steps", adjustment_type, magnitude, steps_of(listed, None)?);
    expect_capacity(case, capacity, decide(&policy, &calm(limits(given)?, capacity), Some(breach)))
}

fn show(step: &Step) -> Value {
    json!({"lower": step.lower, "upper": step.upper, "adjustment": step.adjustment})
}

/// Puts a policy with these steps through the API.
fn acceptance(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let steps = match given.opt_u32("number_of_step_adjustments")? {
        Some(count) => contiguous(count),
        None => given.list("step_adjustments")?.to_vec(),
    };
    let mut input = json!({
        "AutoScalingGroupName": "g",
        "PolicyName": "steps",
        "PolicyType": "StepScaling",
        "AdjustmentType": given.opt_str("adjustment_type")?.unwrap_or("ChangeInCapacity"),
        "StepAdjustments": steps.into_iter().map(without_nulls).collect::<Vec<_>>(),
    });
    if let Some(magnitude) = given.opt_i64("min_adjustment_magnitude")? {
        input["MinAdjustmentMagnitude"] = json!(magnitude);
    }
    let answer = api_with_group(&json!({}))?.call("autoscaling", "PutScalingPolicy", input);
    case.expect_eq("accepted", answer.is_ok())?;
    // In the words of whoever wrote the case; the code says that it is the request's fault.
    case.expect.skip("reason");
    match (&answer, case.expect.has("code")) {
        (Err(_), true) => case.expect_refusal(&answer),
        _ => Ok(()),
    }
}

fn contiguous(count: u32) -> Vec<Value> {
    let step = |number: u32| {
        let upper = (number + 1 < count).then_some(number + 1);
        json!({"MetricIntervalLowerBound": number, "MetricIntervalUpperBound": upper, "ScalingAdjustment": 1})
    };
    (0..count).map(step).collect()
}

/// A bound of `null` is one that a caller leaves out.
fn without_nulls(mut step: Value) -> Value {
    if let Some(members) = step.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    step
}
