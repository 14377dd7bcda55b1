//! `warm-up`: how long instances warm up, and what counts meanwhile.

use std::time::Duration;

use scaleproof::engine::groups::group::DEFAULT_COOLDOWN_SECS;
use scaleproof::engine::groups::measure::counts_from;
use scaleproof::engine::groups::policy::{AdjustmentType, Limits, PolicyKind, Situation, effective_warmup_secs};
use scaleproof::engine::groups::steps::choose_step;
use scaleproof::engine::groups::{GroupSpec, Load};
use serde_json::{Value, json};

use super::lifecycle_health::api_with_group;
use super::scaling::{
    boots_in, breach, calm, decide, desired, expect_capacity, limits, policy, put, read_adjustment_type, read_steps,
    run_to, stage, steps_of,
};
use super::target_tracking::tracking_cpu;
use crate::cases::api::Api;
use crate::cases::case::Case;
use crate::cases::failure::Failure;
use crate::cases::group_stage::{GroupStage, group};

pub fn check(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    match () {
        () if case.expect.has("effective_warmup") => fallback(case),
        () if case.expect.has("contributes_to_group_metric_from") => contribution(case),
        () if given.has("evaluations") => timeline(case),
        () if given.has("metric_from_non_warming") => measured(case),
        () if given.has("step") => same_step(case),
        () if case.expect.has("accepted") => acceptance(case),
        () if !given.has("threshold") && given.has("terminating") => terminating(case),
        () if !given.has("threshold") => scale_in(case),
        () => one_decision(case),
    }
}

/// A warm-up or cooldown as the API has it: -1 is not set.
fn setting(case: &Case, name: &str) -> Result<Option<u32>, Failure> {
    Ok(case.given.opt_i64(name)?.and_then(|secs| u32::try_from(secs).ok()))
}

fn fallback(case: &Case) -> Result<(), Failure> {
    let cooldown = setting(case, "DefaultCooldown")?.unwrap_or(DEFAULT_COOLDOWN_SECS);
    let (estimated, default) = (setting(case, "EstimatedInstanceWarmup")?, setting(case, "DefaultInstanceWarmup")?);
    case.expect_eq("effective_warmup", effective_warmup_secs(estimated, default, cooldown))
}

fn contribution(case: &Case) -> Result<(), Failure> {
    let at = u64::from(case.given.opt_u32("inservice_at")?.unwrap_or(0));
    let since = Api::START + Duration::from_secs(at);
    let from = |warmup| counts_from(since, warmup).since(Api::START).as_secs();
    case.expect_eq("contributes_to_group_metric_from", from(setting(case, "DefaultInstanceWarmup")?))?;
    case.expect_if("without_setting", from(None))
}

/// The documentation's example and its kin: so many instances run, so many warm up, and the metric says this.
fn one_decision(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let (threshold, listed) = (given.f64("threshold")?, given.list("steps")?);
    let kind = read_adjustment_type(given.opt_str("adjustment_type")?, AdjustmentType::PercentChangeInCapacity)?;
    let (magnitude, comparison) = (given.opt_u32("min_adjustment_magnitude")?, given.opt_str("comparison_operator")?);
    let policy = policy("steps", kind, magnitude, steps_of(listed, None)?);
    let warm = given.opt_u32("running")?.map_or_else(|| given.u32("capacity"), Ok)?;
    let limits = limits(given)?;
    let mut wanted = given.opt_u32("desired")?;
    if given.has("first") {
        let first = given.object("first")?;
        let value = first.get("metric").and_then(Value::as_f64).ok_or("given.first.metric is missing")?;
        let decision = decide(&policy, &calm(limits, warm), Some(breach(value, threshold, comparison)?));
        let after = decision.to().unwrap_or(warm);
        for (name, got) in [("desired", i64::from(after)), ("change", i64::from(after) - i64::from(warm))] {
            if first.get(name).is_some_and(|expected| *expected != json!(got)) {
                return Err(Failure::differs(&format!("first.{name}"), &first[name], &json!(got)));
            }
        }
        wanted = Some(after);
    }
    let warming = given.opt_u32("warming")?.unwrap_or(0);
    let terminating = given.opt_u32("terminating")?.unwrap_or(0);
    let wanted = wanted.unwrap_or(warm + warming);
    let situation = Situation { warm, terminating, ..calm(limits, wanted) };
    let member = if given.has("next_metric") { "next_metric" } else { "metric" };
    let breach = breach(given.f64(member)?, threshold, comparison)?;
    let decision = decide(&policy, &situation, Some(breach));
    let steps = read_steps(listed)?;
    let change = choose_step(&steps, breach).map_or(0, |step| kind.change(warm, step.adjustment, magnitude));
    let sign = if change < 0 { '-' } else { '+' };
    case.expect_if("target", format!("{warm} {sign} {} = {}", change.abs(), i64::from(warm) + change))?;
    expect_capacity(case, wanted, decision)
}

fn execute(stage: &mut GroupStage, value: f64, threshold: f64) -> Result<(), Failure> {
    let name = "steps".into();
    let metric = Some((value, threshold));
    let _ = stage.call(|groups, now| groups.execute_policy(now, &group(), &name, false, metric))?;
    stage.run_for(0);
    Ok(())
}

fn timeline(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let kind = read_adjustment_type(given.opt_str("adjustment_type")?, AdjustmentType::PercentChangeInCapacity)?;
    let steps = steps_of(given.list("steps")?, setting(case, "EstimatedInstanceWarmup")?)?;
    let (default_warmup, cooldown) = (setting(case, "DefaultInstanceWarmup")?, setting(case, "DefaultCooldown")?);
    let change = |spec: &mut GroupSpec| {
        spec.settings.default_instance_warmup_secs = default_warmup;
        spec.settings.default_cooldown_secs = cooldown.unwrap_or(DEFAULT_COOLDOWN_SECS);
    };
    let (min, max) = (given.opt_u32("min_size")?.unwrap_or(0), given.opt_u32("max_size")?.unwrap_or(1000));
    let launch = given.opt_u32("launch_seconds")?.unwrap_or(0);
    let mut stage = stage(boots_in(launch), (min, given.u32("running")?, max), change)?;
    put(&mut stage, policy("steps", kind, given.opt_u32("min_adjustment_magnitude")?, steps))?;
    let threshold = given.f64("threshold")?;
    let mut got = Vec::new();
    for evaluation in given.list("evaluations")? {
        let (Some(at), Some(value)) = (evaluation[0].as_i64(), evaluation[1].as_f64()) else {
            return Err(format!("`{evaluation}` is no evaluation").into());
        };
        run_to(&mut stage, at);
        execute(&mut stage, value, threshold)?;
        got.push(json!([at, desired(&stage)?]));
    }
    case.expect_eq("desired", got)
}

/// A group that is created with this default warm-up.
fn acceptance(case: &Case) -> Result<(), Failure> {
    let secs = case.given.i64("DefaultInstanceWarmup")?;
    let answer = api_with_group(&json!({"DefaultInstanceWarmup": secs}));
    case.expect_eq("accepted", answer.is_ok())
}

/// A step policy that takes instances away is asked while one warms up, if the case says so.
fn scale_in(case: &Case) -> Result<(), Failure> {
    // What the case gives besides says that scaling in is asked for.
    let warming = match case.given.get("warming") {
        Some(Value::Bool(warming)) => u32::from(*warming),
        Some(warming) => warming.as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(1),
        None => 1,
    };
    case.given.names().map(str::to_string).collect::<Vec<_>>().iter().for_each(|name| case.given.skip(name));
    let step = json!({"MetricIntervalUpperBound": 0, "ScalingAdjustment": -1});
    let policy = policy("in", AdjustmentType::ChangeInCapacity, None, steps_of(&[step], Some(300))?);
    let situation = Situation { warm: 4, ..calm(Limits { min: 0, max: 100 }, 4 + warming) };
    let decision = decide(&policy, &situation, Some(breach(30.0, 50.0, None)?));
    let blocked = decision.to().is_none();
    for name in ["blocked", "scale_in_blocked"] {
        case.expect_if(name, blocked)?;
    }
    expect_capacity(case, 4 + warming, decision)
}

/// Instances that terminate count when a policy scales in.
fn terminating(case: &Case) -> Result<(), Failure> {
    let (warm, terminating) = (case.given.opt_u32("running")?.unwrap_or(9), case.given.u32("terminating")?);
    let steps = |adjustment: i32| json!({"MetricIntervalUpperBound": 0, "ScalingAdjustment": adjustment});
    // A policy that takes one away from what it counts: the rest is one less.
    let policy = policy("in", AdjustmentType::ChangeInCapacity, None, steps_of(&[steps(-2)], Some(0))?);
    let situation = Situation { warm, terminating, ..calm(Limits { min: 0, max: 1000 }, warm) };
    let after = decide(&policy, &situation, Some(breach(30.0, 50.0, None)?)).to().unwrap_or(warm);
    for name in ["counts_as_current", "current_capacity", "base"] {
        case.expect_if(name, after + 2)?;
    }
    Ok(())
}

/// The guide's steps: nothing within 10 of the threshold, 10 percent within 20, 30 percent beyond.
fn documented_steps() -> Result<PolicyKind, Failure> {
    let steps = [(0, Some(10), 0), (10, Some(20), 10), (20, None, 30)];
    let step = |(lower, upper, adjustment): (i32, Option<i32>, i32)| json!({"MetricIntervalLowerBound": lower, "MetricIntervalUpperBound": upper, "ScalingAdjustment": adjustment});
    steps_of(&steps.map(step), Some(300))
}

fn same_step(case: &Case) -> Result<(), Failure> {
    let text = case.given.str("step")?;
    // Both values lie in the step of 10 percent, or the second in the next.
    let (first, second) = match text {
        _ if text.contains("same") => (62.0, 64.0),
        _ if text.contains("higher") => (62.0, 72.0),
        _ => return Err(format!("given.step is unknown: {text}").into()),
    };
    let mut stage = stage(boots_in(30), (0, 10, 100), |_| {})?;
    put(&mut stage, policy("steps", AdjustmentType::PercentChangeInCapacity, None, documented_steps()?))?;
    let seen = stage.activity_count();
    execute(&mut stage, first, 50.0)?;
    stage.run_for(60);
    execute(&mut stage, second, 50.0)?;
    stage.run_for(60);
    case.expect_eq("activities", stage.activities_since(seen).len())
}

/// One instance warms up beside others whose metric stands this way to the high alarm's threshold, which is 50.
fn measured(case: &Case) -> Result<(), Failure> {
    const THRESHOLD: f64 = 50.0;
    let text = case.given.str("metric_from_non_warming")?;
    let value = match text {
        _ if text.starts_with("<=") => THRESHOLD,
        _ if text.starts_with('<') => THRESHOLD - 5.0,
        _ if text.starts_with('>') => THRESHOLD + 40.0,
        _ => return Err(format!("given.metric_from_non_warming is unknown: {text}").into()),
    };
    let change = |spec: &mut GroupSpec| spec.settings.default_instance_warmup_secs = Some(600);
    let mut stage = stage(boots_in(0), (1, 4, 20), change)?;
    stage.call(|groups, now| groups.set_load(now, &group(), Load::Cpu(value)))?;
    stage.run_for(1800);
    let before = if case.given.opt_bool("warming")?.unwrap_or(false) { 5 } else { 4 };
    stage.set_desired(before)?;
    put(&mut stage, tracking_cpu("cpu", THRESHOLD, false))?;
    stage.run_for(300);
    case.expect_if("scale_out", desired(&stage)? > before)?;
    case.expect_if("scale_in", desired(&stage)? < before)
}
