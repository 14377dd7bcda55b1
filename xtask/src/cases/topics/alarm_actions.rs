//! `alarm-actions`: when actions run, and where it shows that they did.

mod mute_windows;

use std::time::Duration;

use scaleproof::engine::alarms::AlarmState;
use serde_json::{Value, json};

use super::alarm::{BREACHING, NOT_BREACHING, THRESHOLD, instant, state};
use super::sns::text;
use crate::cases::api::{ACCOUNT, Api, REGION};
use crate::cases::case::Case;
use crate::cases::failure::Failure;

const NAME: &str = "subject";
const POLICY: &str =
    "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1-2-3:autoScalingGroupName/web:policyName/out";
const INSTANCE_ACTION: &str = "arn:aws:automate:us-east-1:ec2:stop";
const MINUTE: Duration = Duration::from_secs(60);

pub fn check(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    match () {
        () if given.has("expression") => mute_windows::check(case),
        () if given.has("operation") => check_operation(case),
        () if given.has("from_") => check_repetition(case),
        () if given.has("created_with") => check_first_evaluation(case),
        () if given.has("state_set") => check_set_state(case),
        () if given.has("alarm") || given.has("kind") => check_support(case),
        () if given.has("action") => check_target(case),
        () => Err("given has neither operation, from_, created_with, state_set, alarm nor action".into()),
    }
}

/// An alarm, the topics that there are, and the metric.
struct Stage {
    api: Api,
}

impl Stage {
    /// `actions` run on every change.
    fn new(now: scaleproof::clock::Timestamp, actions: &[String]) -> Result<Self, Failure> {
        let mut api = Api::at(now, REGION);
        api.call("cloudwatch", "PutMetricAlarm", alarm(actions))?;
        Ok(Self { api })
    }

    fn measure(&mut self, value: f64) -> Result<(), Failure> {
        let datum = json!([{"MetricName": "Metric", "Value": value}]);
        self.api.call("cloudwatch", "PutMetricData", json!({"Namespace": "Cases", "MetricData": datum}))?;
        Ok(())
    }

    fn set(&mut self, state: &str) -> Result<(), Failure> {
        let input = json!({"AlarmName": NAME, "StateValue": state, "StateReason": "set by the case"});
        self.api.call("cloudwatch", "SetAlarmState", input)?;
        Ok(())
    }

    fn switch(&mut self, operation: &str) -> Result<(), Failure> {
        self.api.call("cloudwatch", operation, json!({"AlarmNames": [NAME]}))?;
        Ok(())
    }

    fn state(&mut self) -> Result<String, Failure> {
        Ok(text(&self.api.call("cloudwatch", "DescribeAlarms", json!({}))?["MetricAlarms"][0], "StateValue"))
    }

    /// History of one kind, oldest first.
    fn history(&mut self, kind: &str) -> Result<Vec<Value>, Failure> {
        let input = json!({"AlarmName": NAME, "HistoryItemType": kind, "ScanBy": "TimestampAscending"});
        let history = self.api.call("cloudwatch", "DescribeAlarmHistory", input)?;
        Ok(history["AlarmHistoryItems"].as_array().cloned().unwrap_or_default())
    }
}

fn alarm(actions: &[String]) -> Value {
    json!({"AlarmName": NAME, "Namespace": "Cases", "MetricName": "Metric", "Statistic": "Average", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": THRESHOLD, "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "ignore", "AlarmActions": actions, "OKActions": actions, "InsufficientDataActions": actions})
}

fn topic(name: &str) -> String {
    format!("arn:aws:sns:{REGION}:{ACCOUNT}:{name}")
}

/// One of a sequence of calls, with what the alarm was in before. What the call is, its first words say; what it meets stands
/// in parentheses.
fn check_operation(case: &Case) -> Result<(), Failure> {
    let operation = case.given.str("operation")?;
    let (call, meets) = operation.split_once('(').unwrap_or((operation, ""));
    let meets = meets.trim_end_matches(')');
    // The one target is a topic, which lets the alarm publish unless it is not there.
    case.given.skip("alarm_actions_and_ok_actions");
    let mut stage = Stage::new(Api::START, &[topic("ops")])?;
    if !meets.contains("no permission") {
        stage.api.call("sns", "CreateTopic", json!({"Name": "ops"}))?;
    }
    stage.set(case.given.str("state_before")?)?;
    let plain = call.to_lowercase().replace(['-', ' '], "");
    let enables = ["enable", "reenable"].iter().any(|verb| plain.starts_with(verb));
    if meets.contains("actions disabled") || enables {
        stage.switch("DisableAlarmActions")?;
    }
    let counts = |stage: &mut Stage| -> Result<[usize; 3], Failure> {
        Ok([
            stage.history("Action")?.len(),
            stage.history("StateUpdate")?.len(),
            stage.history("ConfigurationUpdate")?.len(),
        ])
    };
    let before = counts(&mut stage)?;
    stage.api.now = stage.api.now + Duration::from_secs(1);
    let words: Vec<&str> = call.split_whitespace().collect();
    match &words[..] {
        ["SetAlarmState", state, ..] => stage.set(state)?,
        _ if enables => stage.switch("EnableAlarmActions")?,
        _ if plain.starts_with("disable") => stage.switch("DisableAlarmActions")?,
        ["PutMetricAlarm", ..] => {
            let mut changed = alarm(&[topic("ops")]);
            changed["AlarmDescription"] = json!("changed");
            stage.api.call("cloudwatch", "PutMetricAlarm", changed)?;
        }
        ["DeleteAlarms", ..] => stage.switch("DeleteAlarms")?,
        _ => return Err(format!("given.operation is not known: {operation}").into()),
    }
    let after = counts(&mut stage)?;
    case.expect_if("state_after", stage.state()?)?;
    let action = match after[0] > before[0] {
        true => {
            let item = stage.history("Action")?.pop().unwrap_or_default();
            let data: Value = serde_json::from_str(&text(&item, "HistoryData")).unwrap_or_default();
            data["actionState"].clone()
        }
        false => Value::Null,
    };
    case.expect_if("history_action", action)?;
    check_event(case, after[1] > before[1], after[2] > before[2])
}

/// A change of state and a change of configuration are events exactly when the history has them.
fn check_event(case: &Case, changed: bool, configured: bool) -> Result<(), Failure> {
    match case.expect.get("event") {
        Some(Value::String(kind)) => {
            let got = match (changed, configured) {
                (true, _) => "state",
                (_, true) => "configuration",
                _ => "none",
            };
            if kind.to_lowercase().contains(got) {
                Ok(())
            } else {
                Err(Failure::differs("event", &json!(kind), &json!(got)))
            }
        }
        Some(_) => case.expect_eq("event", changed || configured),
        None => Ok(()),
    }
}

/// A state that lasts, and how often each kind of action runs.
fn check_repetition(case: &Case) -> Result<(), Failure> {
    let lasting = state(case.given.str("state")?)?;
    let (from, until) = (instant(case.given.str("from_")?)?, instant(case.given.str("until")?)?);
    case.given.skip("evaluation");
    let mut actions = Vec::new();
    for words in case.given.list("actions")? {
        actions.push(match words.as_str().unwrap_or_default() {
            words if words.contains("autoscaling") => POLICY.to_string(),
            words if words.contains("SNS") => topic("ops"),
            other => return Err(format!("given.actions is not known: {other}").into()),
        });
    }
    let mut api = Api::at(from - MINUTE, REGION);
    let mut input = alarm(&[]);
    input[list_of(lasting)] = json!(actions);
    api.call("cloudwatch", "PutMetricAlarm", input)?;
    api.call("sns", "CreateTopic", json!({"Name": "ops"}))?;
    let mut stage = Stage { api };
    let value = if lasting == AlarmState::Alarm { BREACHING } else { NOT_BREACHING };
    stage.set(if lasting == AlarmState::Alarm { "OK" } else { "ALARM" })?;
    stage.measure(value)?;
    let mut runs: Vec<(String, String)> = Vec::new();
    // Every run is asked for at its instant: the history has one item for repetitions of one outcome.
    while stage.api.now < until + MINUTE {
        let due = stage.api.world().alarms.next_due().unwrap_or(until + MINUTE).min(until + MINUTE);
        let metrics = stage.api.world().metrics.clone();
        let firings = stage.api.world().alarms.run_due(due, &metrics);
        runs.extend(firings.into_iter().filter(|_| due < until + MINUTE).map(|f| (f.action_arn, due.format("%H:%M"))));
        if due.floor_to(MINUTE) > stage.api.now.floor_to(MINUTE) {
            stage.api.now = due;
            stage.measure(value)?;
        }
        stage.api.now = due;
    }
    let of = |arn: &str| json!(runs.iter().filter(|(a, _)| a == arn).map(|(_, at)| at.clone()).collect::<Vec<_>>());
    case.expect_if("autoscaling_invocations", of(POLICY))?;
    case.expect_if("sns_publishes", of(&topic("ops")))
}

/// The member of PutMetricAlarm that lists the actions of a state.
fn list_of(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Alarm => "AlarmActions",
        AlarmState::Ok => "OKActions",
        AlarmState::InsufficientData => "InsufficientDataActions",
    }
}

fn check_first_evaluation(case: &Case) -> Result<(), Failure> {
    let lists = case.given.list("created_with")?;
    let to = state(case.given.str("first_evaluation")?)?;
    let mut input = alarm(&[]);
    for list in lists {
        input[list.as_str().unwrap_or_default()] = json!([topic("ops")]);
    }
    let mut api = Api::new();
    api.call("sns", "CreateTopic", json!({"Name": "ops"}))?;
    api.call("cloudwatch", "PutMetricAlarm", input)?;
    let mut stage = Stage { api };
    match to {
        AlarmState::Alarm => stage.measure(BREACHING)?,
        AlarmState::Ok => stage.measure(NOT_BREACHING)?,
        AlarmState::InsufficientData => {}
    }
    stage.api.advance(MINUTE * 2);
    if stage.state()? != to.as_str() {
        return Err("the first evaluation goes elsewhere".into());
    }
    let ran = !stage.history("Action")?.is_empty();
    for (name, state) in [
        ("ok_actions_executed", AlarmState::Ok),
        ("alarm_actions_executed", AlarmState::Alarm),
        ("insufficient_data_actions_executed", AlarmState::InsufficientData),
    ] {
        case.expect_if(name, ran && to == state)?;
    }
    Ok(())
}

/// A state that is set against what the data say.
fn check_set_state(case: &Case) -> Result<(), Failure> {
    // The operation is the only one that sets a state.
    case.given.skip("api");
    let value = match case.given.str("metric")? {
        "not breaching" => NOT_BREACHING,
        "breaching" => BREACHING,
        other => return Err(format!("given.metric is not known: {other}").into()),
    };
    let set = case.given.str("state_set")?.to_string();
    let mut stage = Stage::new(Api::START, &[])?;
    for _ in 0..3 {
        stage.measure(value)?;
        stage.api.advance(MINUTE);
    }
    stage.measure(value)?;
    stage.set(&set)?;
    if stage.state()? != set {
        return Err("the state is not set".into());
    }
    let next = stage.api.world().alarms.next_due().ok_or("nothing is due")?;
    stage.api.advance(next.since(stage.api.now) - Duration::from_millis(1));
    let kept = stage.state()? == set;
    stage.api.advance(Duration::from_millis(1));
    let then = stage.state()?;
    let lasts = if kept && then != set { "next evaluation" } else { "something else" };
    case.expect_if("lasts_until", lasts)?;
    case.expect_if("then", then)
}

/// A kind of alarm with a kind of action.
fn check_support(case: &Case) -> Result<(), Failure> {
    let kind = case.given.opt_str("alarm")?.or(case.given.opt_str("kind")?).unwrap_or_default().to_lowercase();
    let words = case.given.str("action")?;
    let action = match words {
        words if words.contains("scalingPolicy") || words.contains("Auto Scaling") || words.contains("autoscaling") => {
            POLICY.into()
        }
        words if words.contains("EC2") || words.contains("ec2") => INSTANCE_ACTION.into(),
        words if words.contains("SNS") => topic("ops"),
        words if words.contains("Lambda") => format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:page"),
        other => return Err(format!("given.action is not known: {other}").into()),
    };
    let mut api = Api::new();
    let answer = if kind.contains("composite") {
        api.call(
            "cloudwatch",
            "PutCompositeAlarm",
            json!({"AlarmName": NAME, "AlarmRule": "TRUE", "AlarmActions": [action]}),
        )
    } else if kind.contains("thresholdmetricid") || kind.contains("anomaly") {
        let stat = json!({"Metric": {"Namespace": "Cases", "MetricName": "Metric"}, "Period": 60, "Stat": "Average"});
        let input = json!({"AlarmName": NAME, "EvaluationPeriods": 1, "ThresholdMetricId": "ad1",
            "ComparisonOperator": "GreaterThanUpperThreshold", "AlarmActions": [action], "Metrics": [
                {"Id": "m1", "MetricStat": stat, "ReturnData": true},
                {"Id": "ad1", "Expression": "ANOMALY_DETECTION_BAND(m1, 2)", "ReturnData": true}]});
        api.call("cloudwatch", "PutMetricAlarm", input)
    } else {
        api.call("cloudwatch", "PutMetricAlarm", alarm(&[action]))
    };
    case.expect_eq("supported", answer.is_ok())
}

/// A target that is not there is found out when the action runs.
fn check_target(case: &Case) -> Result<(), Failure> {
    let words = case.given.str("action")?;
    if !words.contains("does not exist") {
        return Err(format!("given.action is not known: {words}").into());
    }
    let action = match words {
        words if words.contains("SNS") => topic("unknown"),
        words if words.contains("policy") => POLICY.to_string(),
        words if words.contains("Lambda") => format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:unknown"),
        other => return Err(format!("given.action is not known: {other}").into()),
    };
    let mut api = Api::new();
    let answer = api.call("cloudwatch", "PutMetricAlarm", alarm(&[action]));
    case.expect_if("put_metric_alarm", if answer.is_ok() { "accepted" } else { "refused" })?;
    let mut stage = Stage { api };
    stage.set("ALARM")?;
    let item = stage.history("Action")?.pop().unwrap_or_default();
    let failed = text(&item, "HistorySummary").starts_with("Failed to execute action");
    case.expect_if("error_surfaced_in", if failed { "alarm history Action item" } else { "nothing" })
}
