//! `target-tracking`: the alarms that a policy makes, how much it changes, and when it does nothing.

use std::time::Duration;

use scaleproof::engine::alarms::{AlarmState, MetricAlarm};
use scaleproof::engine::groups::policy::{AdjustmentType, Policy, PolicyKind};
use scaleproof::engine::groups::steps::Breach;
use scaleproof::engine::groups::target_tracking::{
    AlarmNames, PredefinedMetric, Readiness, TargetTracking, TrackedMetric, Tracker, low_threshold, ready_together,
    round_change_up,
};
use scaleproof::engine::groups::{Load, Process, Timing};
use scaleproof::engine::metrics::Sample;
use serde_json::{Value, json};

use super::lifecycle_health::api_with_group;
use super::scaling::{boots_in, calm, compare_members, decide, desired, expect_capacity, limits, policy, put};
use crate::cases::api::Api;
use crate::cases::case::Case;
use crate::cases::failure::Failure;
use crate::cases::group_stage::{GroupStage, group};

pub fn check(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let minutes = given.names().find(|name| name.starts_with("last_") && name.ends_with("_minutes"));
    match () {
        () if case.expect.has("accepted") => acceptance(case),
        () if case.expect.has("low_threshold") => low(case),
        () if minutes.is_some() => alarm_states(case, minutes.unwrap_or_default()),
        () if given.has("computed_add") || given.has("computed_remove") => rounding(case),
        () if given.has("alarm_state") => without_data(case),
        () if given.has("policies") => together(case),
        () if given.has("metric") => metric(case),
        () if case.expect.names().any(|name| name.contains("_name")) => calls(case),
        () if given.has("api") || given.opt_str("policy")? == Some("deleted") => calls(case),
        () => alarms(case),
    }
}

fn tracking(kind: PredefinedMetric, target: f64, disable_scale_in: bool) -> TargetTracking {
    let label = "app/balancer/50dc6c495c0c9188/targetgroup/targets/943f017f100becff";
    let labelled = kind == PredefinedMetric::ALBRequestCountPerTarget;
    TargetTracking {
        metric: TrackedMetric::Predefined { kind, resource_label: labelled.then(|| label.to_string()) },
        target,
        disable_scale_in,
        estimated_warmup_secs: None,
        alarms: AlarmNames::default(),
    }
}

fn tracker(name: &str, tracking: TargetTracking) -> Policy {
    policy(name, AdjustmentType::ChangeInCapacity, None, PolicyKind::TargetTracking(tracking))
}

/// A policy that holds the group's CPU utilization.
pub fn tracking_cpu(name: &str, target: f64, disable_scale_in: bool) -> Policy {
    tracker(name, tracking(PredefinedMetric::ASGAverageCPUUtilization, target, disable_scale_in))
}

fn low(case: &Case) -> Result<(), Failure> {
    let target = case.given.f64("target")?;
    let threshold = low_threshold(target, case.given.opt_u32("capacity")?);
    case.expect_eq("low_threshold", threshold)?;
    case.expect_if("ratio", threshold / target)
}

fn rounding(case: &Case) -> Result<(), Failure> {
    if let Some(raw) = case.given.opt_f64("computed_add")? {
        case.expect_if("added", round_change_up(raw))?;
    }
    if let Some(raw) = case.given.opt_f64("computed_remove")? {
        case.expect_if("removed", -round_change_up(-raw))?;
    }
    Ok(())
}

/// The alarms as they are made, whole or in parts.
fn alarms(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let name = given.opt_str("group")?.unwrap_or("g");
    let arn = given.opt_str("policy_arn")?.unwrap_or("arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:p");
    let disable_scale_in = given.opt_bool("DisableScaleIn")?.unwrap_or(false);
    let policy = tracking(
        PredefinedMetric::ASGAverageCPUUtilization,
        given.opt_f64("target")?.unwrap_or(50.0),
        disable_scale_in,
    );
    let made = policy.alarms(&name.into(), &arn.into(), given.opt_u32("capacity")?)?;
    let sides: Vec<&str> = ["AlarmHigh", "AlarmLow"].into_iter().take(made.len()).collect();
    case.expect_if("alarms", sides)?;
    case.given.get("policy");
    for name in ["number_of_alarms", "alarms_created", "alarm_count"] {
        case.expect_if(name, made.len())?;
    }
    for (alarm, names) in made.iter().zip([["alarm_high", "AlarmHigh", "high"], ["alarm_low", "AlarmLow", "low"]]) {
        case.expect_if("alarm_description", alarm.description.clone())?;
        case.expect_if("actions", alarm.alarm_actions.clone())?;
        let unit = alarm.watched.metric().and_then(|stat| stat.unit.clone());
        case.expect_if("unit", unset(unit))?;
        for stem in names.iter().map(|name| format!("{name}_name")).filter(|stem| case.expects_text(stem)) {
            case.expect_text(&stem, alarm.name.as_str())?;
        }
        case.expect_if("treat_missing_data", unset(alarm.treat_missing_data.map(|word| word.to_string())))?;
        for name in names {
            if let Some(expected) = case.expect.get(name).and_then(Value::as_object) {
                compare_members(name, expected, &show(alarm))?;
            }
        }
    }
    Ok(())
}

/// What PutScalingPolicy answers, and what DeletePolicy leaves.
fn calls(case: &Case) -> Result<(), Failure> {
    // The group and the policy go by the names of the cases.
    ["policy", "group", "target"].iter().for_each(|name| case.given.skip(name));
    let operation = case.given.opt_str("api")?.unwrap_or("DeletePolicy");
    let mut api = api_with_group(&json!({}))?;
    let input = json!({
        "AutoScalingGroupName": "g", "PolicyName": "p", "PolicyType": "TargetTrackingScaling",
        "TargetTrackingConfiguration": {"TargetValue": 50.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}},
    });
    let answer = api.call("autoscaling", "PutScalingPolicy", input)?;
    if operation == "DeletePolicy" {
        api.call("autoscaling", "DeletePolicy", json!({"AutoScalingGroupName": "g", "PolicyName": "p"}))?;
    }
    let left: Vec<String> = api.world().alarms.from_name("").map(|alarm| alarm.config.name.0.clone()).collect();
    for (stem, name) in ["alarm_high_name", "alarm_low_name"].iter().zip(&left) {
        if case.expects_text(stem) {
            case.expect_text(stem, name)?;
        }
    }
    case.expect_if("alarms_deleted", left.is_empty())?;
    case.expect_if("alarms", json!(left))?;
    for name in ["returns", "keys"] {
        let Some(expected) = case.expect.opt_list(name)? else { continue };
        let missing = expected.iter().find(|key| key.as_str().is_none_or(|key| answer.get(key).is_none()));
        if let Some(missing) = missing {
            return Err(Failure::differs(name, missing, &answer));
        }
    }
    Ok(())
}

fn unset(value: Option<String>) -> String {
    value.unwrap_or_else(|| "unset".into())
}

/// An alarm in the API's words and in those of the cases.
fn show(alarm: &MetricAlarm) -> Value {
    let periods = alarm.evaluation_periods;
    let (comparison, threshold) = (alarm.comparison.to_string(), alarm.threshold);
    let statistic = alarm.watched.metric().map(|stat| stat.statistic);
    json!({
        "ComparisonOperator": comparison, "comparison_operator": comparison, "comparison": comparison,
        "EvaluationPeriods": periods, "evaluation_periods": periods,
        "Threshold": threshold, "threshold": threshold,
        "Period": 60, "period": 60,
        "Statistic": statistic, "statistic": statistic, "name": alarm.name, "AlarmName": alarm.name,
        "description": alarm.description, "AlarmDescription": alarm.description,
        "TreatMissingData": unset(alarm.treat_missing_data.map(|word| word.to_string())),
        "AlarmActions": alarm.alarm_actions, "actions": alarm.alarm_actions,
    })
}

fn together(case: &Case) -> Result<(), Failure> {
    let read = |policy: &Value| {
        let ready = match policy["ready"].as_str() {
            Some("out") => Readiness::ScaleOut,
            Some("in") => Readiness::ScaleIn,
            Some("none" | "INSUFFICIENT_DATA" | "no data") => Readiness::Neither,
            other => return Err(Failure::from(format!("`{other:?}` is no readiness"))),
        };
        let enabled = ["Enabled", "enabled"].iter().all(|name| policy[*name] != json!(false));
        Ok(Tracker { ready, enabled, scales_in: policy["DisableScaleIn"] != json!(true) })
    };
    let trackers = case.given.list("policies")?.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let action = match ready_together(&trackers) {
        Readiness::ScaleOut => "scale out",
        Readiness::ScaleIn => "scale in",
        Readiness::Neither => "none",
    };
    case.expect_eq("action", action)
}

/// A group whose machines measure nothing, so that the case says what the metric is.
fn silent_stage(sizes: (u32, u32, u32)) -> Result<GroupStage, Failure> {
    let (min, desired, max) = sizes;
    let mut stage = GroupStage::empty(Api::START, Timing::Given(boots_in(0)))?;
    stage.create(min, desired, max, |spec| spec.settings.default_instance_warmup_secs = Some(0))?;
    stage.call(|groups, now| groups.set_load(now, &group(), Load::Silent))?;
    stage.run_for(7200);
    Ok(stage)
}

/// One value of the metric that a policy tracks, for the minute that ends now.
fn measure(stage: &mut GroupStage, value: f64) -> Result<(), Failure> {
    let config = stage.world.alarms.from_name("").next().map(|alarm| alarm.config.clone());
    let config = config.ok_or("the policy has no alarm")?;
    let key = config.watched.returned_metric().ok_or("the policy's alarm watches no metric")?.key.clone();
    stage.world.metrics.record(key, stage.now - Duration::from_secs(60), Sample::one(value, "None"));
    Ok(())
}

/// The metric shows one value for so many minutes.
fn measure_for(stage: &mut GroupStage, minutes: u32, value: f64) -> Result<(), Failure> {
    for _ in 0..minutes {
        stage.run_for(60);
        measure(stage, value)?;
    }
    Ok(())
}

fn alarm_states(case: &Case, member: &str) -> Result<(), Failure> {
    let given = &case.given;
    let target = given.f64("target")?;
    let capacity = given.opt_u32("capacity")?.unwrap_or(10);
    let mut stage = silent_stage((0, capacity, capacity.saturating_mul(10)))?;
    // Nothing is to change the capacity, and with it the low threshold, before all data are there.
    stage.suspend(&[Process::AlarmNotification])?;
    put(&mut stage, tracking_cpu("cpu", target, given.opt_bool("DisableScaleIn")?.unwrap_or(false)))?;
    for value in given.list(member)? {
        stage.run_for(60);
        if let Some(value) = value.as_f64() {
            measure(&mut stage, value)?;
        }
    }
    stage.run_for(59);
    let mut states = stage.world.alarms.from_name("").map(|alarm| alarm.state.value.as_str());
    case.expect_if("alarm_high", states.next())?;
    case.expect_if("alarm_low", states.next())
}

fn without_data(case: &Case) -> Result<(), Failure> {
    let state = case.given.str("alarm_state")?;
    if state != AlarmState::InsufficientData.as_str() {
        return Err(format!("given.alarm_state is unknown: {state}").into());
    }
    let mut stage = silent_stage((1, 4, 20))?;
    put(&mut stage, tracking_cpu("cpu", 50.0, false))?;
    stage.run_for(7200);
    let states: Vec<&str> = stage.world.alarms.from_name("").map(|alarm| alarm.state.value.as_str()).collect();
    if states.iter().any(|got| *got != state) {
        return Err(Failure::differs("the alarms without data", &json!(state), &json!(states)));
    }
    let still = desired(&stage)? == 4;
    measure_for(&mut stage, 5, 90.0)?;
    let scaling = match (still, desired(&stage)? > 4) {
        (true, true) => "none until data points return",
        (true, false) => "none",
        (false, _) => "without data",
    };
    case.expect_eq("scaling", scaling)
}

fn metric(case: &Case) -> Result<(), Failure> {
    match case.given.value("metric")? {
        Value::String(text) => match PredefinedMetric::parse(text) {
            Some(kind) => lasting_value(case, kind),
            None => relation(case, text),
        },
        _ => formula(case),
    }
}

fn formula(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let (capacity, value, target) = (given.u32("capacity")?, given.f64("metric")?, given.f64("target")?);
    let policy = tracking_cpu("cpu", target, given.opt_bool("DisableScaleIn")?.unwrap_or(false));
    let breach = Breach { value, threshold: target, alarm_above: value > target };
    let decision = decide(&policy, &calm(limits(given)?, capacity), Some(breach));
    let after = decision.to().unwrap_or(capacity);
    if let Some(least) = case.expect.opt_u32("desired_at_least")?
        && after < least
    {
        return Err(Failure::differs("desired_at_least", &json!(least), &json!(after)));
    }
    if let Some(most) = case.expect.opt_u32("desired_at_most")?
        && after > most
    {
        return Err(Failure::differs("desired_at_most", &json!(most), &json!(after)));
    }
    // What else the case says about its expectation is for people.
    case.expect.skip("note");
    expect_capacity(case, capacity, decision)
}

/// An hour during which the metric stands this way to its target.
fn relation(case: &Case, text: &str) -> Result<(), Failure> {
    let value = match text {
        "below target" => 30.0,
        "at target" => 50.0,
        "above target" => 90.0,
        _ => return Err(format!("given.metric is unknown: {text}").into()),
    };
    let mut stage = silent_stage((1, 4, 20))?;
    put(&mut stage, tracking_cpu("cpu", 50.0, case.given.opt_bool("DisableScaleIn")?.unwrap_or(false)))?;
    let (mut out, mut within) = (false, false);
    for _ in 0..60 {
        let before = desired(&stage)?;
        measure_for(&mut stage, 1, value)?;
        out |= desired(&stage)? > before;
        within |= desired(&stage)? < before;
    }
    case.expect_if("scale_out", out)?;
    case.expect_if("scale_in", within)
}

/// A predefined metric shows one value until the group has settled.
fn lasting_value(case: &Case, kind: PredefinedMetric) -> Result<(), Failure> {
    let given = &case.given;
    let (min, max) = (given.opt_u32("min_size")?.unwrap_or(0), given.opt_u32("max_size")?.unwrap_or(20));
    let capacity = given.opt_u32("capacity")?.unwrap_or(min + 3).min(max);
    let mut stage = silent_stage((min, capacity, max))?;
    let target = given.opt_f64("target")?.unwrap_or(100.0);
    put(&mut stage, tracker("tracking", tracking(kind, target, false)))?;
    match given.opt_f64("value")? {
        Some(value) => measure_for(&mut stage, 180, value)?,
        None => stage.run_for(180 * 60),
    }
    case.expect_if("may_scale_in_to", desired(&stage)?)?;
    case.expect_if("desired", desired(&stage)?)?;
    case.expect_if("scale_in", desired(&stage)? < capacity)
}

/// Puts the policy that the case describes, in the API's words, through the API.
fn acceptance(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let target = given.opt_f64("TargetValue")?.or(given.opt_f64("target")?).unwrap_or(50.0);
    let mut configuration = json!({"TargetValue": target});
    if let Some(disabled) = given.opt_bool("DisableScaleIn")? {
        configuration["DisableScaleIn"] = json!(disabled);
    }
    let names = ["PredefinedMetricType", "metric_type", "metric"];
    let predefined = names.iter().find_map(|name| given.opt_str(name).ok().flatten());
    match predefined {
        Some(kind) => {
            let mut specification = json!({"PredefinedMetricType": kind});
            for member in ["ResourceLabel", "resource_label"] {
                if let Some(label) = given.opt_str(member)? {
                    specification["ResourceLabel"] = json!(label);
                }
            }
            configuration["PredefinedMetricSpecification"] = specification;
        }
        None => {
            let mut specification = json!({"MetricName": "Backlog", "Namespace": "Cases", "Statistic": "Average"});
            for (member, argument) in [("Period", "Period"), ("period", "Period")] {
                if let Some(period) = given.opt_i64(member)? {
                    specification[argument] = json!(period);
                }
            }
            configuration["CustomizedMetricSpecification"] = specification;
        }
    }
    let input = json!({
        "AutoScalingGroupName": "g", "PolicyName": "p", "PolicyType": "TargetTrackingScaling",
        "TargetTrackingConfiguration": configuration,
    });
    let answer = api_with_group(&json!({}))?.call("autoscaling", "PutScalingPolicy", input);
    case.expect_eq("accepted", answer.is_ok())?;
    match (&answer, case.expect.has("code")) {
        (Err(_), true) => case.expect_refusal(&answer),
        _ => Ok(()),
    }
}
