//! `alarm-validation`: what CloudWatch's calls accept. Each is sent with what the case gives in place of what works.

use std::time::Duration;

use scaleproof::sandbox::models::cloudwatch::SERVICE;
use scaleproof::sandbox::wire::answer;
use scaleproof::sandbox::wire::shape::Protocol;
use serde_json::{Value, json};

use crate::cases::api::Api;
use crate::cases::case::Case;
use crate::cases::failure::Failure;

const ALARM: &str = "subject";

/// The members of `expect` that are about the text of a refusal.
const MESSAGE_FORMS: [&str; 5] = ["message", "message_contains", "message_prefix", "message_suffix", "message_regex"];

pub fn check(case: &Case) -> Result<(), Failure> {
    let operation = case.given.opt_str("api")?.unwrap_or("PutMetricAlarm");
    let mut api = Api::new();
    api.call("cloudwatch", "PutMetricAlarm", working_input(&api, "PutMetricAlarm"))?;
    let mut input = working_input(&api, operation);
    for name in case.given.names().filter(|name| *name != "api") {
        change(&api, &mut input, name, case.given.value(name)?)?;
    }
    let answer = api.call("cloudwatch", operation, input);
    case.expect_if("accepted", answer.is_ok())?;
    case.expect_if("http_status", answer.as_ref().map_or_else(|refusal| refusal.status, |_| 200))?;
    let refusal = match answer {
        Err(refusal) => refusal,
        Ok(_) if case.expect.has("code") => return Err("the call is accepted".into()),
        Ok(_) => return Ok(()),
    };
    case.expect_if("code", refusal.code.as_str())?;
    if MESSAGE_FORMS.iter().any(|form| case.expect.has(form)) {
        case.expect_text("message", &refusal.message)?;
    }
    let query = answer::refusal(&SERVICE, Protocol::Query, &refusal, "request");
    let query = String::from_utf8_lossy(&query.body).into_owned();
    if let Some(kind) = case.expect.opt_str("type")?
        && !query.contains(&format!("<Type>{kind}</Type>"))
    {
        return Err(Failure::differs("type", &json!(kind), &json!(query)));
    }
    case.expect_if("message_element_absent_in_query", !query.contains("<Message"))
}

/// Members with which the operation succeeds.
fn working_input(api: &Api, operation: &str) -> Value {
    let (start, end) = (api.now.as_secs() - 3600, api.now.as_secs());
    match operation {
        "PutMetricAlarm" => {
            json!({"AlarmName": ALARM, "Namespace": "Cases", "MetricName": "Metric", "Statistic": "Average",
            "Period": 60, "EvaluationPeriods": 1, "Threshold": 50.0, "ComparisonOperator": "GreaterThanThreshold"})
        }
        "PutCompositeAlarm" => json!({"AlarmName": "composite", "AlarmRule": format!("ALARM({ALARM})")}),
        "SetAlarmState" => json!({"AlarmName": ALARM, "StateValue": "OK", "StateReason": "set by the case"}),
        "PutMetricData" => json!({"Namespace": "Cases", "MetricData": [datum()]}),
        "GetMetricStatistics" => {
            json!({"Namespace": "Cases", "MetricName": "Metric", "Statistics": ["Sum"], "Period": 60,
            "StartTime": start, "EndTime": end})
        }
        "GetMetricData" => json!({"StartTime": start, "EndTime": end, "MetricDataQueries": [{"Id": "m1", "MetricStat":
            {"Metric": {"Namespace": "Cases", "MetricName": "Metric"}, "Period": 60, "Stat": "Sum"}}]}),
        "DeleteAlarms" | "EnableAlarmActions" | "DisableAlarmActions" => json!({"AlarmNames": [ALARM]}),
        _ => json!({}),
    }
}

fn datum() -> Value {
    json!({"MetricName": "Metric", "Value": 1.0})
}

/// Members of the API stand for themselves; the others say how many or how long.
fn change(api: &Api, input: &mut Value, name: &str, value: &Value) -> Result<(), Failure> {
    let count = value.as_u64().unwrap_or(0) as usize;
    let arns = || json!(vec!["arn:aws:sns:us-east-1:123456789012:ops"; count]);
    let pairs = || json!((0..count).map(|n| json!({"Name": format!("d{n}"), "Value": "v"})).collect::<Vec<_>>());
    let numbers = || json!(vec![1.0; count]);
    match name {
        "period" => input["Period"] = value.clone(),
        "evaluation_periods" => input["EvaluationPeriods"] = value.clone(),
        "datapoints_to_alarm" => input["DatapointsToAlarm"] = value.clone(),
        "alarm_actions_count" => input["AlarmActions"] = arns(),
        "ok_actions_count" => input["OKActions"] = arns(),
        "insufficient_data_actions_count" => input["InsufficientDataActions"] = arns(),
        "alarm_name_length" => input["AlarmName"] = json!("a".repeat(count)),
        "alarm_name" => input["AlarmName"] = value.clone(),
        "alarm_description_length" | "description_length" => input["AlarmDescription"] = json!("a".repeat(count)),
        "metric_data_items" => input["MetricData"] = json!(vec![datum(); count]),
        "dimensions" | "dimensions_count" | "dimension_count" | "number_of_dimensions" | "dimensions_per_metric"
            if value.is_u64() =>
        {
            match input.get("MetricData") {
                Some(_) => input["MetricData"][0]["Dimensions"] = pairs(),
                None => input["Dimensions"] = pairs(),
            }
        }
        "statistic" => input["Statistic"] = value.clone(),
        "extended_statistic" => input["ExtendedStatistic"] = value.clone(),
        "comparison" | "comparison_operator" => input["ComparisonOperator"] = value.clone(),
        "treat_missing_data" => input["TreatMissingData"] = value.clone(),
        "threshold" => input["Threshold"] = value.clone(),
        "unit" => input["Unit"] = value.clone(),
        "alarm_names_count" | "alarm_names" if value.is_u64() => {
            input["AlarmNames"] = json!((0..count).map(|n| format!("alarm-{n}")).collect::<Vec<_>>());
        }
        "values" | "number_of_values" | "values_count" | "values_per_datum" if value.is_u64() => {
            input["MetricData"] = json!([{"MetricName": "Metric", "Values": numbers(), "Counts": numbers()}]);
        }
        "requested_datapoints" => {
            // One data point each second, back from now.
            input["Period"] = json!(1);
            input["StartTime"] = json!((api.now - Duration::from_secs(count as u64)).as_secs());
            input["EndTime"] = json!(api.now.as_secs());
        }
        "datum" => {
            let mut datum = json!({"MetricName": "Metric"});
            for (member, value) in value.as_object().into_iter().flatten() {
                datum[member] = whole(member, value);
            }
            input["MetricData"] = json!([datum]);
        }
        "timestamp_hours_ahead" | "timestamp_ahead_hours" | "timestamp_in_future_hours" => {
            let ahead = Duration::from_secs(count as u64 * 3600);
            input["MetricData"][0]["Timestamp"] = json!((api.now + ahead).as_secs());
        }
        "timestamp_age_days" => {
            let age = Duration::from_secs(count as u64 * 86_400 + 60);
            input["MetricData"][0]["Timestamp"] = json!((api.now - age).as_secs());
        }
        "StartTime" if value.as_str().is_some_and(|text| text.ends_with("EndTime") && !text.contains('<')) => {
            input["StartTime"] = input["EndTime"].clone()
        }
        name if name.starts_with(|c: char| c.is_ascii_uppercase()) => input[name] = value.clone(),
        other => return Err(format!("given.{other} is not known").into()),
    }
    Ok(())
}

/// A statistic set that the case leaves empty is any.
fn whole(member: &str, value: &Value) -> Value {
    match (member, value.as_object()) {
        ("StatisticValues", Some(set)) if set.is_empty() => {
            json!({"SampleCount": 1.0, "Sum": 1.0, "Minimum": 1.0, "Maximum": 1.0})
        }
        _ => value.clone(),
    }
}
