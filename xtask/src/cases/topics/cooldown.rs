//! `cooldown`: when a cooldown begins and ends, and who waits for it.

use std::time::Duration;

use regex::Regex;
use scaleproof::engine::alarms::{AlarmState, Comparison};
use scaleproof::engine::groups::group::DEFAULT_COOLDOWN_SECS;
use scaleproof::engine::groups::hook::{ActionResult, LifecycleHook, Transition};
use scaleproof::engine::groups::policy::{AdjustmentType, PolicyKind};
use scaleproof::engine::groups::schedule::{ScheduleRequest, Sizes};
use scaleproof::engine::groups::steps::Step;
use scaleproof::engine::groups::target_tracking::{AlarmNames, PredefinedMetric, TargetTracking, TrackedMetric};
use scaleproof::engine::groups::timing::Delays;
use scaleproof::engine::groups::{GroupSpec, Health};
use scaleproof::engine::names::{InstanceId, PolicyArn};
use serde_json::{Value, json};

use super::lifecycle_health::api_with_group;
use super::scaling::{
    alarm_on, boots_in, compare_members, desired, policy, put, read_adjustment_type, run_to, seconds, set_alarm,
    simple, stage, watch_to, whole,
};
use crate::cases::case::{Case, compare};
use crate::cases::failure::Failure;
use crate::cases::group_stage::{GroupStage, group, hook};

pub fn check(case: &Case) -> Result<(), Failure> {
    match () {
        () if case.expect.has("effective_cooldown")
            || case.expect.has("default")
            || case.expect.has("DefaultCooldown") =>
        {
            length(case)
        }
        () if case.expect.has("code") => refused(case),
        () if case.expect.has("waits_for_cooldown") => who_waits(case),
        () if case.expect.has("cooldown_from") || case.expect.has("cooldown_until") => start_and_end(case),
        () if case.expect.has("sequence") => sequence(case),
        () if case.given.has("out") => shared(case),
        () => timeline(case),
    }
}

/// Long enough that no case meets the end of it.
const HEARTBEAT_SECS: u32 = 7200;

fn hooked(transition: Transition) -> impl FnOnce(&mut GroupSpec) {
    move |spec| {
        spec.hooks
            .push(LifecycleHook { heartbeat_secs: HEARTBEAT_SECS, ..hook("hold", transition, ActionResult::Continue) })
    }
}

fn complete(stage: &mut GroupStage, id: &InstanceId) -> Result<(), Failure> {
    let result = ActionResult::Continue;
    Ok(stage.call(|groups, now| groups.complete_lifecycle_action(now, &group(), "hold", None, Some(id), result))?)
}

/// Executes a simple policy of `adjustment` instances with this cooldown.
fn execute(stage: &mut GroupStage, adjustment: i32, cooldown: u32) -> Result<(), Failure> {
    let kind = simple(adjustment, Some(cooldown));
    put(stage, policy("first", AdjustmentType::ChangeInCapacity, None, kind))?;
    let name = "first".into();
    let _ = stage.call(|groups, now| groups.execute_policy(now, &group(), &name, false, None))?;
    stage.run_for(0);
    Ok(())
}

fn start_and_end(case: &Case) -> Result<(), Failure> {
    let cooldown = case.given.opt_u32("cooldown")?.unwrap_or(DEFAULT_COOLDOWN_SECS);
    let stage = if case.given.has("terminate_started") {
        after_termination(case, cooldown)?
    } else {
        after_launches(case, cooldown)?
    };
    let until = stage.group()?.cooldown_until().ok_or("no cooldown has begun")?;
    case.expect_if("cooldown_from", seconds(&stage, until) - i64::from(cooldown))?;
    case.expect_if("cooldown_until", seconds(&stage, until))
}

/// Instances that wait in a launch hook, and enter service when the case says.
fn after_launches(case: &Case, cooldown: u32) -> Result<GroupStage, Failure> {
    let given = &case.given;
    let launch_at = given.opt_i64("launch_at")?.unwrap_or(0);
    let completed: Vec<i64> = match given.opt_list("launch_finished_at")? {
        Some(times) => times.iter().filter_map(Value::as_i64).collect(),
        None => vec![given.opt_i64("hook_completed_at")?.map_or_else(|| given.i64("inservice_at"), Ok)?],
    };
    // What lies between the end of the hook and service is as long as the case says.
    let (last, in_service) = (completed.last().copied().unwrap_or_default(), given.opt_i64("inservice_at")?);
    let gap = in_service.map_or(0, |at| u64::try_from(at - last).unwrap_or_default());
    let delays = Delays { in_service: Duration::from_secs(gap), ..boots_in(0) };
    let count = i32::try_from(completed.len()).unwrap_or(i32::MAX);
    let mut stage = stage(delays, (0, 0, u32::MAX), hooked(Transition::Launching))?;
    run_to(&mut stage, launch_at);
    execute(&mut stage, count, cooldown)?;
    for (id, at) in stage.ids().into_iter().zip(completed) {
        run_to(&mut stage, at);
        complete(&mut stage, &id)?;
    }
    stage.run_for(gap);
    Ok(stage)
}

/// An instance that leaves a load balancer, if there is one, and then waits in a terminate hook, if there is one.
fn after_termination(case: &Case, cooldown: u32) -> Result<GroupStage, Failure> {
    let given = &case.given;
    let (started, hook_finished) = (given.i64("terminate_started")?, given.opt_i64("hook_finished")?);
    let drained = given.opt_i64("drain_finished")?.unwrap_or(started);
    let draining = Duration::from_secs(u64::try_from(drained - started).unwrap_or_default());
    // Without a load balancer or a hook, the activity ends with the instance.
    let ended = given.opt_i64("terminate_finished")?.or(given.opt_i64("terminated_at")?);
    let shut_down = Duration::from_secs(ended.map_or(0, |at| u64::try_from(at - drained).unwrap_or_default()));
    let delays = Delays { draining, shut_down, ..boots_in(0) };
    let with_hook = |spec: &mut GroupSpec| {
        if hook_finished.is_some() {
            hooked(Transition::Terminating)(spec);
        }
    };
    let mut stage = stage(delays, (0, 1, 2), with_hook)?;
    if given.opt_bool("elb")?.unwrap_or(given.has("drain_finished")) {
        stage.balance()?;
    }
    let id = stage.first()?;
    run_to(&mut stage, started);
    execute(&mut stage, -1, cooldown)?;
    run_to(&mut stage, ended.unwrap_or(drained));
    if let Some(at) = hook_finished {
        run_to(&mut stage, at);
        complete(&mut stage, &id)?;
    }
    Ok(stage)
}

/// How long the cooldown of a policy lasts, measured on the group that it scales.
fn length(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let read = |names: &[&str]| -> Result<Option<u32>, Failure> {
        let mut found = None;
        for name in names {
            found = found.or(given.opt_u32(name)?);
        }
        Ok(found)
    };
    let own = read(&["policy_cooldown", "Cooldown", "cooldown"])?;
    let of_group = read(&["default_cooldown", "DefaultCooldown"])?;
    let settings = of_group.map_or(json!({}), |secs| json!({"DefaultCooldown": secs}));
    let mut api = api_with_group(&settings)?;
    let shown = api.call("autoscaling", "DescribeAutoScalingGroups", json!({}))?;
    for name in ["default", "DefaultCooldown"] {
        case.expect_if(name, shown["AutoScalingGroups"][0]["DefaultCooldown"].clone())?;
    }
    let default = shown["AutoScalingGroups"][0]["DefaultCooldown"].as_u64().unwrap_or_default() as u32;
    let set = |spec: &mut GroupSpec| spec.settings.default_cooldown_secs = default;
    let mut stage = stage(boots_in(0), (0, 1, 3), set)?;
    put(&mut stage, policy("first", AdjustmentType::ChangeInCapacity, None, simple(1, own)))?;
    let _ = stage.call(|groups, now| groups.execute_policy(now, &group(), &"first".into(), false, None))?;
    stage.run_for(0);
    let until = stage.group()?.cooldown_until().map_or(0, |until| seconds(&stage, until));
    case.expect_if("effective_cooldown", until)
}

/// A manual change that honours a cooldown under way.
fn refused(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    given.get("in_cooldown");
    let operation = given.opt_str("trigger")?.or(given.opt_str("api")?).unwrap_or("SetDesiredCapacity");
    let mut api = api_with_group(&json!({"MinSize": 1}))?;
    let policy = json!({"AutoScalingGroupName": "g", "PolicyName": "p", "AdjustmentType": "ChangeInCapacity",
        "ScalingAdjustment": 1});
    api.call("autoscaling", "PutScalingPolicy", policy)?;
    api.call("autoscaling", "ExecutePolicy", json!({"AutoScalingGroupName": "g", "PolicyName": "p"}))?;
    api.advance(Duration::from_secs(10));
    let mut input = json!({"AutoScalingGroupName": "g"});
    match operation {
        "SetDesiredCapacity" => input["DesiredCapacity"] = json!(3),
        "ExecutePolicy" => input["PolicyName"] = json!("p"),
        other => return Err(format!("given.trigger is unknown: {other}").into()),
    }
    if let Some(honour) = given.opt_bool("HonorCooldown")? {
        input["HonorCooldown"] = json!(honour);
    }
    case.expect_refusal(&api.call("autoscaling", operation, input))
}

/// The first policy acted, then something else asks for a change at once.
fn who_waits(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let no_warmup = |spec: &mut GroupSpec| spec.settings.default_instance_warmup_secs = Some(0);
    let mut stage = stage(boots_in(0), (0, 2, 20), no_warmup)?;
    execute(&mut stage, 1, DEFAULT_COOLDOWN_SECS)?;
    // Policies that are asked in one second would be weighed against each other.
    stage.run_for(30);
    if !given.opt_bool("in_cooldown")?.unwrap_or(true) {
        stage.run_for(u64::from(DEFAULT_COOLDOWN_SECS) + 1);
    }
    let honor = given.opt_bool("HonorCooldown")?.unwrap_or(false);
    let trigger = given.opt_str("trigger")?.unwrap_or("alarm ALARM");
    let (before, launched) = (desired(&stage)?, stage.activity_count());
    let lower = trigger.to_lowercase();
    match () {
        () if trigger == "SetDesiredCapacity" => {
            let answer = stage.call(|groups, now| groups.set_desired_capacity(now, &group(), before + 1, honor));
            if case.expect.has("code") {
                case.expect_refusal(&answer)?;
            }
        }
        () if trigger == "ExecutePolicy" => {
            let name = "first".into();
            let answer = stage.call(|groups, now| groups.execute_policy(now, &group(), &name, honor, None));
            if case.expect.has("code") {
                case.expect_refusal(&answer)?;
            }
        }
        () if lower.contains("schedule") => schedule(&mut stage, before + 1)?,
        () if lower.contains("health") => {
            let id = stage.first()?;
            stage.call(|groups, now| groups.set_instance_health(now, &id, Health::Unhealthy, false))?;
            stage.run_for(60);
        }
        () if lower.contains("alarm") || given.has("policy_type") => {
            let kind = given.opt_str("policy_type")?.unwrap_or("SimpleScaling");
            fire(&mut stage, kind)?;
        }
        () => return Err(format!("given.trigger is unknown: {trigger}").into()),
    }
    given.skip("policy_type");
    let acted = desired(&stage)? != before || stage.activity_count() > launched;
    case.expect_eq("waits_for_cooldown", !acted)
}

fn schedule(stage: &mut GroupStage, to: u32) -> Result<(), Failure> {
    let request = ScheduleRequest {
        name: "soon".into(),
        start: Some(stage.now + Duration::from_secs(60)),
        sizes: Sizes { desired: Some(to), ..Sizes::default() },
        ..ScheduleRequest::default()
    };
    stage.call(|groups, now| groups.put_scheduled_action(now, &group(), request))?;
    stage.run_for(60);
    Ok(())
}

/// A policy of this type is asked by an alarm that is far above its threshold.
fn fire(stage: &mut GroupStage, policy_type: &str) -> Result<(), Failure> {
    let kind = match policy_type {
        "SimpleScaling" => simple(1, None),
        "StepScaling" => {
            let steps = vec![Step { lower: Some(0.0), upper: None, adjustment: 1 }];
            PolicyKind::Step { steps, aggregation: None, estimated_warmup_secs: None }
        }
        "TargetTrackingScaling" => PolicyKind::TargetTracking(TargetTracking {
            metric: TrackedMetric::Predefined {
                kind: PredefinedMetric::ASGAverageCPUUtilization,
                resource_label: None,
            },
            target: 50.0,
            disable_scale_in: false,
            estimated_warmup_secs: None,
            alarms: AlarmNames::default(),
        }),
        other => return Err(format!("`{other}` is no policy type that can be asked").into()),
    };
    let arn = put(stage, policy("asked", AdjustmentType::ChangeInCapacity, None, kind))?;
    alarm_on(stage, "high", Comparison::GreaterThanThreshold, &arn)?;
    set_alarm(stage, &"high".into(), AlarmState::Alarm, 90.0)
}

/// What a group did: when, by how much, and until when its cooldown then lasts.
#[derive(Default)]
struct Log {
    executions: Vec<Value>,
    /// When a policy was asked.
    asked: Vec<i64>,
    desired: u32,
    until: Option<i64>,
}

impl Log {
    fn of(stage: &GroupStage) -> Result<Self, Failure> {
        Ok(Self { desired: desired(stage)?, ..Self::default() })
    }

    fn look(&mut self, stage: &GroupStage) {
        let Ok(group) = stage.group() else { return };
        let now = seconds(stage, stage.now);
        for at in group.policies.values().filter_map(|policy| policy.last).map(|(at, _)| seconds(stage, at)) {
            if !self.asked.contains(&at) {
                self.asked.push(at);
            }
        }
        if group.desired_capacity != self.desired {
            let change = i64::from(group.desired_capacity) - i64::from(self.desired);
            self.desired = group.desired_capacity;
            // The tick that acts is the first that finds the cooldown over.
            let over = self.until.unwrap_or(now);
            self.executions
                .push(json!({"t": now, "change": change, "desired": self.desired, "first_tick_at_or_after": over}));
        }
        let until = group.cooldown_until().map(|until| seconds(stage, until));
        if until.is_some() && until != self.until {
            self.until = until;
            if let Some(last) = self.executions.last_mut() {
                last["activity_done"] = json!(now);
                last["cooldown_until"] = json!(until);
            }
        }
    }
}

/// Puts an alarm into ALARM and back, and writes down what happens meanwhile.
fn in_alarm(stage: &mut GroupStage, log: &mut Log, name: &str, (from, to): (i64, i64)) -> Result<(), Failure> {
    watch_to(stage, from, |stage| log.look(stage));
    set_alarm(stage, &name.into(), AlarmState::Alarm, 90.0)?;
    log.look(stage);
    // What AWS does in the second in which the state changes back is not said.
    watch_to(stage, to - 1, |stage| log.look(stage));
    set_alarm(stage, &name.into(), AlarmState::Ok, 10.0)?;
    log.look(stage);
    Ok(())
}

fn expect_executions(case: &Case, log: &Log) -> Result<(), Failure> {
    let expected = case.expect.list("executions")?;
    compare("executions", &json!(expected.len()), &json!(log.executions.len()))
        .map_err(|_| Failure::differs("executions", &json!(expected), &json!(log.executions)))?;
    expected.iter().zip(&log.executions).try_for_each(|(expected, got)| {
        let expected = expected.as_object().ok_or("an execution is no object")?;
        compare_members("executions", expected, got)
    })
}

fn timeline(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let asked = given.object("policy")?;
    let text = |name: &str| asked.get(name).and_then(Value::as_str);
    if text("type").is_some_and(|kind| kind != "SimpleScaling") {
        return Err(format!("given.policy is of a type that has no cooldown: {:?}", text("type")).into());
    }
    let kind = read_adjustment_type(text("adjustment_type"), AdjustmentType::ChangeInCapacity)?;
    let adjustment = whole(asked.get("adjustment").unwrap_or(&Value::Null))?;
    let cooldown = asked.get("cooldown").and_then(Value::as_u64).and_then(|secs| u32::try_from(secs).ok());
    let launch = given.opt_u32("instance_launch_seconds")?.unwrap_or(0);
    let terminate = given.opt_u32("instance_terminate_seconds")?.unwrap_or(0);
    let delays = Delays { shut_down: Duration::from_secs(terminate.into()), ..boots_in(launch) };
    let start = given.opt_u32("start_capacity")?.unwrap_or(1);
    let sizes = (given.opt_u32("min_size")?.unwrap_or(0), start, given.opt_u32("max_size")?.unwrap_or(u32::MAX));
    let default_cooldown = given.opt_u32("default_cooldown")?.unwrap_or(DEFAULT_COOLDOWN_SECS);
    let mut stage = stage(delays, sizes, |spec| spec.settings.default_cooldown_secs = default_cooldown)?;
    let arn = put(&mut stage, policy("asked", kind, None, simple(adjustment, cooldown)))?;
    alarm_on(&mut stage, "alarm", Comparison::GreaterThanThreshold, &arn)?;
    let mut log = Log::of(&stage)?;
    let span = read_span(given.list("alarm_in_ALARM")?)?;
    in_alarm(&mut stage, &mut log, "alarm", span)?;
    stage.watch_for(3600, |stage| log.look(stage));
    if let (Some(every), [first, second, ..]) = (given.opt_i64("action_repeat_seconds")?, &log.asked[..]) {
        compare("action_repeat_seconds", &json!(every), &json!(second - first))?;
    }
    expect_executions(case, &log)
}

fn read_span(span: &[Value]) -> Result<(i64, i64), Failure> {
    match span {
        [from, to] => from.as_i64().zip(to.as_i64()).ok_or_else(|| format!("`{span:?}` are no seconds").into()),
        _ => Err(format!("`{span:?}` is no span").into()),
    }
}

/// A policy in words, such as `SimpleScaling +2`.
struct Words {
    adjustment: i32,
    from: Option<i64>,
    to: Option<i64>,
    launch: Option<u32>,
    cooldown: Option<u32>,
}

fn read_words(text: &str) -> Result<Words, Failure> {
    let found = |pattern: &str| -> Result<Option<String>, Failure> {
        let pattern = Regex::new(pattern).map_err(|error| error.to_string())?;
        Ok(pattern.captures(text).and_then(|found| found.get(1)).map(|found| found.as_str().to_string()))
    };
    let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
    let adjustment = found(r"^SimpleScaling ([+-]\d+)")?.and_then(|text| text.parse().ok());
    Ok(Words {
        adjustment: adjustment.ok_or_else(|| format!("`{text}` is no simple policy in words"))?,
        from: number(found(r"at (\d+)")?),
        to: number(found(r"\.\.(\d+)")?),
        launch: found(r"launch (\d+) s")?.and_then(|text| text.parse().ok()),
        cooldown: found(r"cooldown (\d+)")?.and_then(|text| text.parse().ok()),
    })
}

/// An alarm that stays in ALARM past the cooldown.
fn sequence(case: &Case) -> Result<(), Failure> {
    let words = read_words(case.given.str("policy")?)?;
    let expected = case.expect.list("sequence")?;
    // As many executions as are expected, each of which ends when its cooldown does.
    let executions = i64::try_from(expected.len() / 2 + 1).unwrap_or(1);
    let cooldown = words.cooldown.unwrap_or(DEFAULT_COOLDOWN_SECS);
    let past = (executions - 1) * i64::from(cooldown) + 30;
    let lasts = match case.given.str("alarm")? {
        text if text.contains("past") => past,
        text => return Err(format!("given.alarm is unknown: {text}").into()),
    };
    let mut stage = stage(boots_in(words.launch.unwrap_or(0)), (0, 20, 100), |_| {})?;
    let arn = put(&mut stage, adjusting(&words, "asked"))?;
    alarm_on(&mut stage, "alarm", Comparison::GreaterThanThreshold, &arn)?;
    let mut log = Log::of(&stage)?;
    in_alarm(&mut stage, &mut log, "alarm", (0, lasts))?;
    let mut got: Vec<String> = Vec::new();
    for execution in &log.executions {
        let waited = execution["first_tick_at_or_after"].as_i64() <= execution["t"].as_i64();
        if !got.is_empty() && waited {
            got.push("pause until cooldown end".into());
        }
        got.push(format!("{:+}", execution["change"].as_i64().unwrap_or_default()));
    }
    case.expect_eq("sequence", got)
}

fn adjusting(words: &Words, name: &str) -> scaleproof::engine::groups::policy::Policy {
    policy(name, AdjustmentType::ChangeInCapacity, None, simple(words.adjustment, words.cooldown))
}

/// Two policies with one group's cooldown.
fn shared(case: &Case) -> Result<(), Failure> {
    let (out, scale_in) = (read_words(case.given.str("out")?)?, read_words(case.given.str("scale_in")?)?);
    let mut stage = stage(boots_in(out.launch.unwrap_or(0)), (0, 2, 10), |_| {})?;
    let alarms: [(&str, &Words, Comparison); 2] =
        [("out", &out, Comparison::GreaterThanThreshold), ("scale-in", &scale_in, Comparison::LessThanThreshold)];
    for (name, words, comparison) in alarms {
        let arn: PolicyArn = put(&mut stage, adjusting(words, name))?;
        alarm_on(&mut stage, name, comparison, &arn)?;
    }
    let mut log = Log::of(&stage)?;
    let span = |words: &Words| {
        let from = words.from.unwrap_or(0);
        (from, words.to.unwrap_or(from + 30))
    };
    in_alarm(&mut stage, &mut log, "out", span(&out))?;
    in_alarm(&mut stage, &mut log, "scale-in", span(&scale_in))?;
    expect_executions(case, &log)
}
