//! What the topics about scaling policies share: policies, situations, and a group whose alarm is set by hand.

use std::time::Duration;

use scaleproof::clock::Timestamp;
use scaleproof::engine::alarms::validate::AlarmRequest;
use scaleproof::engine::alarms::{AlarmState, Comparison};
use scaleproof::engine::groups::policy::{
    Action, AdjustmentType, Decision, Limits, Others, Policy, PolicyKind, Situation,
};
use scaleproof::engine::groups::steps::{Breach, Step};
use scaleproof::engine::groups::timing::Delays;
use scaleproof::engine::groups::{GroupSpec, Timing};
use scaleproof::engine::names::{AlarmName, PolicyArn};
use serde_json::{Map, Value, json};

use crate::cases::api::Api;
use crate::cases::case::{Case, Members, compare};
use crate::cases::failure::Failure;
use crate::cases::group_stage::{GroupStage, group};

/// Delays of zero except the boot, so that an instance is in service so many seconds after it is ordered.
pub fn boots_in(secs: u32) -> Delays {
    let none = Duration::ZERO;
    Delays {
        launch: none,
        terminate: none,
        boot: Duration::from_secs(secs.into()),
        in_service: none,
        hook: none,
        shut_down: none,
        draining: none,
        health_check: none,
        replacement: none,
        move_out: none,
        warm_start: none,
        warm_stop: none,
    }
}

/// A group that has settled and is at second 0.
pub fn stage(
    delays: Delays,
    (min, desired, max): (u32, u32, u32),
    change: impl FnOnce(&mut GroupSpec),
) -> Result<GroupStage, Failure> {
    let mut stage = GroupStage::empty(Api::START, Timing::Given(delays))?;
    stage.create(min, desired, max, change)?;
    stage.run_for(7200);
    stage.start = stage.now;
    Ok(stage)
}

pub fn seconds(stage: &GroupStage, at: Timestamp) -> i64 {
    at.as_secs() - stage.start.as_secs()
}

/// Lets time pass until so many seconds after the start.
pub fn run_to(stage: &mut GroupStage, secs: i64) {
    watch_to(stage, secs, |_| {});
}

pub fn watch_to(stage: &mut GroupStage, secs: i64, watch: impl FnMut(&GroupStage)) {
    let span = u64::try_from(secs - seconds(stage, stage.now)).unwrap_or_default();
    stage.watch_for(span, watch);
}

pub fn policy(name: &str, adjustment_type: AdjustmentType, magnitude: Option<u32>, kind: PolicyKind) -> Policy {
    Policy {
        name: name.into(),
        arn: PolicyArn::default(),
        enabled: true,
        adjustment_type,
        min_adjustment_magnitude: magnitude,
        kind,
        last: None,
    }
}

pub fn simple(adjustment: i32, cooldown_secs: Option<u32>) -> PolicyKind {
    PolicyKind::Simple { adjustment, cooldown_secs }
}

pub fn steps_of(steps: &[Value], estimated_warmup_secs: Option<u32>) -> Result<PolicyKind, Failure> {
    Ok(PolicyKind::Step { steps: read_steps(steps)?, aggregation: None, estimated_warmup_secs })
}

pub fn read_steps(steps: &[Value]) -> Result<Vec<Step>, Failure> {
    let read = |step: &Value| {
        let adjustment = whole(&step["ScalingAdjustment"])?;
        let (lower, upper) = (&step["MetricIntervalLowerBound"], &step["MetricIntervalUpperBound"]);
        Ok(Step { lower: lower.as_f64(), upper: upper.as_f64(), adjustment })
    };
    steps.iter().map(read).collect()
}

pub fn whole(value: &Value) -> Result<i32, Failure> {
    let whole =
        value.as_i64().or_else(|| value.as_f64().filter(|value| value.fract() == 0.0).map(|value| value as i64));
    whole.and_then(|value| i32::try_from(value).ok()).ok_or_else(|| format!("`{value}` is no whole number").into())
}

pub fn read_adjustment_type(text: Option<&str>, default: AdjustmentType) -> Result<AdjustmentType, Failure> {
    let Some(text) = text else { return Ok(default) };
    AdjustmentType::parse(text).ok_or_else(|| format!("`{text}` is no adjustment type").into())
}

/// Without limits in the case there are none that matter.
pub fn limits(given: &Members) -> Result<Limits, Failure> {
    Ok(Limits { min: given.opt_u32("min_size")?.unwrap_or(0), max: given.opt_u32("max_size")?.unwrap_or(u32::MAX) })
}

/// Nothing is under way, and all instances are warm.
pub fn calm(limits: Limits, desired: u32) -> Situation {
    Situation {
        limits,
        desired,
        weighed: None,
        warm: desired,
        terminating: 0,
        busy: false,
        cooldown_until: None,
        others: Others::default(),
    }
}

pub fn decide(policy: &Policy, situation: &Situation, breach: Option<Breach>) -> Decision {
    policy.decide(Api::START, situation, breach, true)
}

/// A value against a threshold, on the side of the alarm's comparison if there is one.
pub fn breach(value: f64, threshold: f64, comparison: Option<&str>) -> Result<Breach, Failure> {
    let Some(text) = comparison else { return Ok(Breach::reported(value, threshold)) };
    let comparison = Comparison::parse(text).ok_or_else(|| format!("`{text}` is no comparison"))?;
    let alarm_above =
        matches!(comparison, Comparison::GreaterThanThreshold | Comparison::GreaterThanOrEqualToThreshold);
    Ok(Breach { value, threshold, alarm_above })
}

/// Holds the capacity that a decision comes to, and the change that it is, to what the case expects of them.
pub fn expect_capacity(case: &Case, before: u32, decision: Decision) -> Result<(), Failure> {
    let after = decision.to().unwrap_or(before);
    let change = i64::from(after) - i64::from(before);
    for name in ["desired", "desired_capacity"] {
        case.expect_if(name, after)?;
    }
    for name in ["change", "applied_change"] {
        case.expect_if(name, change)?;
    }
    case.expect_if("added", change)?;
    case.expect_if("removed", -change)?;
    let action = match decision.action {
        Action::NoOp => "none",
        Action::ScaleOut { .. } => "scale out",
        Action::ScaleIn { .. } => "scale in",
    };
    case.expect_if("action", action)?;
    case.expect_if("scale_out", matches!(decision.action, Action::ScaleOut { .. }))?;
    case.expect_if("scale_in", matches!(decision.action, Action::ScaleIn { .. }))
}

pub fn put(stage: &mut GroupStage, policy: Policy) -> Result<PolicyArn, Failure> {
    Ok(stage.call(|groups, _| groups.put_policy(&group(), policy))?)
}

/// An alarm without data that keeps the state it is put into, and invokes a policy in ALARM.
pub fn alarm_on(stage: &mut GroupStage, name: &str, comparison: Comparison, policy: &PolicyArn) -> Result<(), Failure> {
    let request = AlarmRequest {
        name: name.into(),
        alarm_actions: vec![policy.to_string()],
        namespace: Some("Cases".into()),
        metric_name: Some("Silent".into()),
        statistic: Some("Average".into()),
        period_secs: Some(60),
        evaluation_periods: Some(1),
        threshold: Some(50.0),
        comparison: Some(comparison.to_string()),
        treat_missing_data: Some("ignore".into()),
        ..AlarmRequest::default()
    };
    let alarm = request.into_alarm()?;
    stage.world.alarms.put(stage.now, alarm, std::collections::BTreeMap::new());
    Ok(())
}

/// SetAlarmState, with a value that step and target tracking policies read.
pub fn set_alarm(stage: &mut GroupStage, name: &AlarmName, state: AlarmState, value: f64) -> Result<(), Failure> {
    let now = stage.now;
    let data = json!({"recentDatapoints": [value]}).to_string();
    let firings = stage.world.alarms.set_state(now, name, state, "set by a case", Some(&data))?;
    stage.world.route_firings(now, firings);
    stage.run_for(0);
    Ok(())
}

pub fn desired(stage: &GroupStage) -> Result<u32, Failure> {
    Ok(stage.group()?.desired_capacity)
}

/// Holds an object to the members that are expected of it, whatever else it has.
pub fn compare_members(at: &str, expected: &Map<String, Value>, got: &Value) -> Result<(), Failure> {
    expected.iter().try_for_each(|(name, expected)| match got.get(name) {
        Some(got) => compare(&format!("{at}.{name}"), expected, got),
        None => Err(format!("expect.{at}.{name} is not read").into()),
    })
}
