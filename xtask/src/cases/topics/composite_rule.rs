//! `composite-rule`: rules of composite alarms, put over alarms in the states that the case gives.

use std::collections::BTreeMap;

use scaleproof::engine::Refusal;
use serde_json::{Value, json};

use super::sns::text;
use crate::cases::api::{ACCOUNT, Api, REGION};
use crate::cases::case::Case;
use crate::cases::failure::Failure;

const NAME: &str = "composite";

pub fn check(case: &Case) -> Result<(), Failure> {
    match () {
        () if case.given.has("alarm_rule") => check_rule(case),
        () => check_limits(case),
    }
}

fn check_rule(case: &Case) -> Result<(), Failure> {
    let mut stage = Stage::new();
    let mut rule = case.given.str("alarm_rule")?.to_string();
    if let Some(children) = case.given.get("children") {
        for (child, state) in children.as_object().into_iter().flatten() {
            stage.child(child.trim_matches(['<', '>']), state.as_str().unwrap_or_default())?;
            if child.starts_with('<') {
                rule = rule.replace(child, &arn(child.trim_matches(['<', '>'])));
            }
        }
    }
    if let Some(state) = case.given.opt_str("child_state")? {
        stage.child("child", state)?;
    }
    // The operation is the only one that takes a rule.
    case.given.skip("api");
    let answer = stage.put(case.given.opt_str("alarm_name")?.unwrap_or(NAME), &rule);
    case.expect_if("accepted", answer.is_ok())?;
    if case.expect.has("code") || case.expects_text("message") {
        return case.expect_refusal(&answer);
    }
    case.expect_if("http_status", answer.as_ref().map_or_else(|refusal| refusal.status, |_| 200))?;
    if case.expect.opt_bool("accepted")? == Some(false) {
        return Ok(());
    }
    answer?;
    let alarm = stage.described()?;
    case.expect_if("state", alarm["StateValue"].clone())?;
    case.expect_if("rule_true", alarm["StateValue"] == "ALARM")?;
    check_history(case, &mut stage, &alarm)
}

/// What the alarm remembers of its first evaluation.
fn check_history(case: &Case, stage: &mut Stage, alarm: &Value) -> Result<(), Failure> {
    let input = json!({"AlarmName": NAME, "AlarmTypes": ["CompositeAlarm"], "HistoryItemType": "StateUpdate",
        "ScanBy": "TimestampAscending"});
    let history = stage.api.call("cloudwatch", "DescribeAlarmHistory", input)?;
    let items: Vec<Value> = history["AlarmHistoryItems"].as_array().cloned().unwrap_or_default();
    let data = |item: &Value| serde_json::from_str::<Value>(&text(item, "HistoryData")).unwrap_or_default();
    let change =
        |data: Value| format!("{}->{}", text(&data["oldState"], "stateValue"), text(&data["newState"], "stateValue"));
    case.expect_if("history", json!(items.iter().map(data).map(change).collect::<Vec<_>>()))?;
    let first = items.first().map(data).unwrap_or_default();
    case.expect_if("old_reason", first["oldState"]["stateReason"].clone())?;
    let own_arn = |reason: String| reason.replace(&arn(NAME), "<composite ARN>");
    case.expect_if("new_reason", own_arn(text(&first["newState"], "stateReason")))?;
    match case.expect.opt_str("triggering_alarms")? {
        None => Ok(()),
        Some("all children with their states") => {
            let reason_data: Value = serde_json::from_str(&text(alarm, "StateReasonData")).unwrap_or_default();
            let named = reason_data["triggeringAlarms"].as_array().cloned().unwrap_or_default();
            let named: BTreeMap<String, String> =
                named.iter().map(|child| (text(child, "arn"), text(&child["state"], "value"))).collect();
            let expected: BTreeMap<String, String> =
                stage.children.iter().map(|(name, state)| (arn(name), state.clone())).collect();
            if named == expected {
                Ok(())
            } else {
                Err(Failure::differs("triggering_alarms", &json!(expected), &json!(named)))
            }
        }
        Some(other) => Err(format!("expect.triggering_alarms is not known: {other}").into()),
    }
}

/// The limits, each found by going up to it and one over.
fn check_limits(case: &Case) -> Result<(), Failure> {
    let mut stage = Stage::new();
    if let Some(most) = case.expect.opt_u32("max_children")? {
        let names: Vec<String> = (0..=most).map(|n| format!("c{n}")).collect();
        for name in &names {
            stage.child(name, "INSUFFICIENT_DATA")?;
        }
        let rule = |count: usize| {
            let all: Vec<String> = names[..count].iter().map(|name| format!("OK({name})")).collect();
            all.join(" OR ")
        };
        at_most(most, |count| stage.put("many", &rule(count as usize)))?;
    }
    if let Some(most) = case.expect.opt_u32("alarm_rule_max_chars")? {
        at_most(most, |count| stage.put("long", &format!("TRUE{}OR TRUE", " ".repeat(count as usize - 11))))?;
    }
    if let Some(most) = case.expect.opt_u32("max_parents_per_child")? {
        stage.child("popular", "OK")?;
        for n in 1..most {
            stage.put(&format!("p{n}"), "OK(popular)")?;
        }
        let mut next = most - 1;
        at_most(most, |_| {
            next += 1;
            stage.put(&format!("p{next}"), "OK(popular)")
        })?;
    }
    if let Some(most) = case.expect.opt_u32("max_elements")? {
        let rule = |count: u32| vec!["TRUE"; count as usize].join(" OR ");
        at_most(most, |count| stage.put("elements", &rule(count)))?;
    }
    Ok(())
}

/// `most` is accepted and one more is not.
fn at_most(most: u32, mut put: impl FnMut(u32) -> Result<Value, Refusal>) -> Result<(), Failure> {
    put(most)?;
    match put(most + 1) {
        Ok(_) => Err(format!("{} is accepted", most + 1).into()),
        Err(_) => Ok(()),
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}")
}

/// Child alarms that stay as they are put, and composite alarms over them.
struct Stage {
    api: Api,
    children: BTreeMap<String, String>,
}

impl Stage {
    fn new() -> Self {
        Self { api: Api::new(), children: BTreeMap::new() }
    }

    fn child(&mut self, name: &str, state: &str) -> Result<(), Failure> {
        let input = json!({"AlarmName": name, "Namespace": "Cases", "MetricName": "None", "Statistic": "Sum", "Period": 60,
            "EvaluationPeriods": 1, "Threshold": 0.0, "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "ignore"});
        self.api.call("cloudwatch", "PutMetricAlarm", input)?;
        let input = json!({"AlarmName": name, "StateValue": state, "StateReason": "set by the case"});
        self.api.call("cloudwatch", "SetAlarmState", input)?;
        self.children.insert(name.to_string(), state.to_string());
        Ok(())
    }

    fn put(&mut self, name: &str, rule: &str) -> Result<Value, Refusal> {
        self.api.call("cloudwatch", "PutCompositeAlarm", json!({"AlarmName": name, "AlarmRule": rule}))
    }

    fn described(&mut self) -> Result<Value, Failure> {
        let input = json!({"AlarmTypes": ["CompositeAlarm"]});
        let output = self.api.call("cloudwatch", "DescribeAlarms", input)?;
        Ok(output["CompositeAlarms"][0].clone())
    }
}
