//! `alarm-window`: sliding and wall-clock windows, warm-up, and the periods that go with them.

use std::time::Duration;

use scaleproof::clock::Timestamp;
use scaleproof::engine::alarms::window::{EvaluationWindow, complete_periods, newest_slot};
use scaleproof::engine::alarms::zone::Zone;
use serde_json::{Value, json};

use super::alarm::{instant, treatment};
use crate::cases::api::Api;
use crate::cases::case::Case;
use crate::cases::failure::Failure;

const NAME: &str = "subject";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:ops";

pub fn check(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    match () {
        () if given.has("evaluated_at") => check_periods(case),
        () if given.has("policy") => check_policy(case),
        () if given.has("WarmUpPeriodDurationInMinutes") => check_warm_up(case),
        () => check_window(case),
    }
}

fn alarm() -> Value {
    json!({"AlarmName": NAME, "Namespace": "Cases", "MetricName": "Metric", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 50.0, "ComparisonOperator": "GreaterThanThreshold", "AlarmActions": [TOPIC],
        "OKActions": [TOPIC], "InsufficientDataActions": [TOPIC]})
}

/// Whether an alarm with this window is accepted, and how its window then lies.
fn check_window(case: &Case) -> Result<(), Failure> {
    let kind = case.given.opt_str("kind")?.unwrap_or("");
    let mut input = alarm();
    if kind.contains("high-resolution") {
        input["Period"] = json!(10);
    }
    if let Some(period) = case.given.opt_i64("Period")? {
        input["Period"] = json!(period);
    }
    if let Some(n) = case.given.opt_i64("EvaluationPeriods")? {
        input["EvaluationPeriods"] = json!(n);
    }
    match case.given.value("EvaluationWindow")? {
        Value::Null => {}
        Value::String(name) => input["EvaluationWindow"] = json!({(name): {}}),
        window => input["EvaluationWindow"] = window.clone(),
    }
    let mut api = Api::new();
    let operation = if kind.contains("composite") { "PutCompositeAlarm" } else { "PutMetricAlarm" };
    if operation == "PutCompositeAlarm" {
        input = json!({"AlarmName": NAME, "AlarmRule": "TRUE", "EvaluationWindow": input["EvaluationWindow"]});
    }
    if kind.contains("PromQL") {
        input = json!({"AlarmName": NAME, "EvaluationWindow": input["EvaluationWindow"], "EvaluationInterval": 60,
            "EvaluationCriteria": {"PromQLCriteria": {"Query": "up"}}});
    }
    let answer = api.call("cloudwatch", operation, input);
    case.expect_if("accepted", answer.is_ok())?;
    case.expect_if("supported", answer.is_ok())?;
    if answer.is_err() && (case.expect.has("code") || case.expect.has("http_status") || case.expects_text("message")) {
        return case.expect_refusal(&answer);
    }
    let alarms = &api.world().alarms;
    let Some(alarm) = alarms.get(&NAME.into()) else { return Ok(()) };
    let window = &alarm.config.timing.window;
    case.expect_if("window", window.name())?;
    let advances = match window {
        EvaluationWindow::Sliding => {
            let newest = |at: &str| instant(at).map(|at| newest_slot(300, 1, at, false));
            if newest("12:15:00")? < newest("12:16:00")? { "each evaluation" } else { "never" }
        }
        EvaluationWindow::WallClock(zone) => {
            let ends = |at: &str| instant(at).map(|at| complete_periods(zone, 300, 1, at)[0].end);
            if ends("12:15:00")? < ends("12:16:00")? { "each evaluation" } else { "each period" }
        }
    };
    case.expect_if("advances", advances)
}

/// The complete periods of a clock, as pairs of start and end.
fn check_periods(case: &Case) -> Result<(), Failure> {
    let clock = &case.given.value("EvaluationWindow")?["WallClockWindow"];
    let zone = clock["Timezone"].as_str().unwrap_or("UTC");
    let zone = Zone::parse(zone).ok_or_else(|| format!("`{zone}` is no time zone"))?;
    let (period, n) = (case.given.u32("Period")?, case.given.opt_u32("EvaluationPeriods")?.unwrap_or(1));
    let mut periods = complete_periods(&zone, period, n, instant(case.given.str("evaluated_at")?)?);
    periods.reverse();
    let pairs: Vec<[String; 2]> =
        periods.iter().map(|period| [period.start.iso_secs(), period.end.iso_secs()]).collect();
    case.expect_eq("complete_periods_newest_first", json!(pairs))
}

/// An alarm that warms up, minute by minute, with data or without.
fn check_warm_up(case: &Case) -> Result<(), Failure> {
    let mut input = alarm();
    let minutes = case.given.value("WarmUpPeriodDurationInMinutes")?.clone();
    let mut warm_up = json!({"WarmUpPeriodDurationInMinutes": minutes});
    if let Some(whole) = case.given.opt_bool("OnlyStartEvaluatingAfterWarmUpPeriodEnds")? {
        warm_up["OnlyStartEvaluatingAfterWarmUpPeriodEnds"] = json!(whole);
    }
    input["WarmUpConfiguration"] = warm_up;
    input["TreatMissingData"] = json!(treatment(&case.given)?.as_str());
    for (name, member) in [("period", "Period"), ("evaluation_periods", "EvaluationPeriods")] {
        if let Some(value) = case.given.opt_i64(name)? {
            input[member] = json!(value);
        }
    }
    let mut api = Api::new();
    let created_at = case.given.opt_i64("created_at")?.unwrap_or(0);
    api.advance(Duration::from_secs(created_at.unsigned_abs() * 60));
    let start = api.now;
    let answer = api.call("cloudwatch", "PutMetricAlarm", input);
    case.expect_if("accepted", answer.is_ok())?;
    if answer.is_err() {
        return case.expect_if("state_until_minute_0", "refused");
    }
    let value = match case.given.opt_str("metric")? {
        None | Some("missing") => None,
        Some(words) if words.contains("missing") || words.contains("no data") => None,
        Some("breaching") => Some(100.0),
        Some(words) if ["not", "ok", "present", "data", "window", "every"].iter().any(|word| words.contains(word)) => {
            Some(0.0)
        }
        Some(other) => return Err(format!("given.metric is not known: {other}").into()),
    };
    let until: u32 = case.expect.names().filter_map(|name| name.rsplit('_').next()?.parse().ok()).max().unwrap_or(0);
    let states = minute_by_minute(&mut api, value, start, until.max(minutes.as_u64().unwrap_or(0) as u32))?;
    for name in case.expect.names().filter(|name| name.starts_with("state_")).map(str::to_string).collect::<Vec<_>>() {
        let minute: usize =
            name.rsplit('_').next().and_then(|minute| minute.parse().ok()).ok_or("expect has no minute")?;
        let until = name.starts_with("state_until_");
        let seen = if until { &states[..minute.min(states.len())] } else { &states[minute..=minute] };
        let expected = case.expect.str(&name)?;
        if let Some(other) = seen.iter().find(|state| *state != expected) {
            return Err(Failure::differs(&name, &json!(expected), &json!(other)));
        }
    }
    let within = &states[..(minutes.as_u64().unwrap_or(0) as usize).min(states.len())];
    let early = within.iter().any(|state| state != "INSUFFICIENT_DATA");
    for name in case.expect.names().filter(|name| name.contains("early") || name.contains("before_minute")) {
        case.expect_eq(name, early)?;
    }
    let history = json!({"AlarmName": NAME, "HistoryItemType": "Action", "EndDate":
        (start + Duration::from_secs(u64::from(until) * 60)).as_secs()});
    let history = api.call("cloudwatch", "DescribeAlarmHistory", history)?;
    case.expect_if("actions", history["AlarmHistoryItems"].as_array().map_or(0, Vec::len))
}

/// The state just before the end of each minute.
fn minute_by_minute(api: &mut Api, value: Option<f64>, start: Timestamp, minutes: u32) -> Result<Vec<String>, Failure> {
    let mut states = Vec::new();
    for minute in 1..=minutes + 1 {
        if let Some(value) = value {
            let datum = json!([{"MetricName": "Metric", "Value": value}]);
            api.call("cloudwatch", "PutMetricData", json!({"Namespace": "Cases", "MetricData": datum}))?;
        }
        let end = start + Duration::from_secs(u64::from(minute) * 60) - Duration::from_millis(1);
        api.advance(end.since(api.now));
        let described = api.call("cloudwatch", "DescribeAlarms", json!({}))?;
        states.push(described["MetricAlarms"][0]["StateValue"].as_str().unwrap_or_default().to_string());
        api.advance(Duration::from_millis(1));
    }
    Ok(states)
}

/// The values that one member of a target tracking policy takes, found by asking.
fn check_policy(case: &Case) -> Result<(), Failure> {
    let kind = case.given.str("policy")?.to_string();
    let field = case.given.str("field")?.to_string();
    let mut api = Api::new();
    let configuration =
        json!({"LaunchConfigurationName": "web", "ImageId": "ami-1234567890abcdef0", "InstanceType": "t3.micro"});
    api.call("autoscaling", "CreateLaunchConfiguration", configuration)?;
    let group = json!({"AutoScalingGroupName": "web", "MinSize": 0, "MaxSize": 1, "LaunchConfigurationName": "web",
        "AvailabilityZones": ["us-east-1a"]});
    api.call("autoscaling", "CreateAutoScalingGroup", group)?;
    let mut takes = |value: u32| {
        let metric =
            json!({"MetricName": "Metric", "Namespace": "Cases", "Statistic": "Average", (field.clone()): value});
        let input = json!({"AutoScalingGroupName": "web", "PolicyName": "track", "PolicyType": kind,
            "TargetTrackingConfiguration": {"TargetValue": 50.0, "CustomizedMetricSpecification": metric}});
        api.call("autoscaling", "PutScalingPolicy", input).is_ok()
    };
    let accepted: Vec<u32> = (1..=300).filter(|value| takes(*value)).collect();
    case.expect_if("minimum", accepted.first().copied())?;
    case.expect_if("maximum", accepted.last().copied())?;
    let above = if accepted.iter().any(|value| *value > 60) { "supported" } else { "not supported" };
    case.expect_if("above_60", above)
}
