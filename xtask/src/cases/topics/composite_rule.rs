//! `composite-rule`: rules of composite alarms, put over alarms in the states that the case gives.

use std::collections::BTreeMap;

use scaleproof::engine::Refusal;
use serde_json::{Value, json};

use super::sns::text;
use crate::cases::api::{ACCOUNT, Api, REGION};
use crate::cases::case::Case;
use crate::cases::failure::Failure;

const NAME: &str = "composite";

/// What a case calls the change that its last child brings about.
const LAST_CHILD: [&str; 6] =
    ["transition", "new_transition", "notification", "new_notification", "notified", "state_changed"];

pub fn check(case: &Case) -> Result<(), Failure> {
    match () {
        () if case.given.has("alarm_rule") => check_rule(case),
        () if case.expect.has("accepted") => check_count(case),
        () => check_limits(case),
    }
}

fn check_rule(case: &Case) -> Result<(), Failure> {
    let mut stage = Stage::new();
    let mut rule = case.given.str("alarm_rule")?.to_string();
    // Where the case asks what a further child changes, the last one comes after the alarm.
    let asks_of_last = case.expect.names().any(|name| LAST_CHILD.contains(&name));
    let mut last = None;
    if let Some(children) = case.given.get("children") {
        let count = children.as_object().map_or(0, serde_json::Map::len);
        for (nth, (child, state)) in children.as_object().into_iter().flatten().enumerate() {
            let (name, state) = (child.trim_matches(['<', '>']), state.as_str().unwrap_or_default());
            let is_last = asks_of_last && nth + 1 == count;
            stage.child(name, if is_last { "INSUFFICIENT_DATA" } else { state })?;
            if is_last {
                last = Some((name.to_string(), state.to_string()));
            }
            if child.starts_with('<') {
                rule = rule.replace(child, &arn(child.trim_matches(['<', '>'])));
            }
        }
    }
    let transition = case.given.opt_str("child_transition")?.and_then(|words| words.split_once("->"));
    if let Some(state) = case.given.opt_str("child_state")?.or(transition.map(|(from, _)| from)) {
        stage.child("child", state)?;
    }
    let later = case.given.opt_str("then")?.or(transition.map(|(_, to)| to)).map(str::to_string);
    let at = case.given.opt_str("at")?.map(super::alarm::instant).transpose()?;
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
    if let Some(state) = later {
        stage.api.now = at.unwrap_or(stage.api.now + std::time::Duration::from_secs(1));
        stage.set("child", &state)?;
    }
    if let Some((name, state)) = last {
        let before = stage.described()?["StateUpdatedTimestamp"].clone();
        stage.api.now = stage.api.now + std::time::Duration::from_secs(1);
        stage.set(&name, &state)?;
        let changed = stage.described()?["StateUpdatedTimestamp"] != before;
        LAST_CHILD.iter().try_for_each(|name| case.expect_if(name, changed))?;
    }
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
    let in_words = |reason: String| reason.replace(&arn(NAME), "<composite ARN>").replace(&arn("child"), "<child ARN>");
    let last = items.last().map(data).unwrap_or_default();
    for stem in ["new_reason", "reason", "StateReason", "state_reason"] {
        if case.expects_text(stem) {
            case.expect_text(stem, &in_words(text(&last["newState"], "stateReason")))?;
        }
    }
    case.expect_if("transitions", items.len())?;
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

/// A rule of so many children or so many characters, or one call that deletes so many composite alarms.
fn check_count(case: &Case) -> Result<(), Failure> {
    let mut stage = Stage::new();
    let count = |names: &[&str]| names.iter().find_map(|name| case.given.opt_u32(name).ok().flatten());
    let answer = if let Some(children) = count(&["children_count", "number_of_children", "children"]) {
        let names: Vec<String> = (0..children).map(|n| format!("c{n}")).collect();
        names.iter().try_for_each(|name| stage.child(name, "OK"))?;
        let all: Vec<String> = names.iter().map(|name| format!("OK({name})")).collect();
        stage.put(NAME, &all.join(" OR "))
    } else if let Some(chars) = count(&["rule_length", "alarm_rule_length", "alarm_rule_chars"]) {
        stage.put(NAME, &format!("TRUE{}OR TRUE", " ".repeat((chars as usize).saturating_sub(11))))
    } else if case.given.opt_str("api")? == Some("DeleteAlarms") {
        let composites = count(&["composite_alarms", "composites", "count"]).unwrap_or(2);
        case.given.get("names");
        let names: Vec<String> = (0..composites).map(|n| format!("composite{n}")).collect();
        for name in &names {
            stage.put(name, "TRUE")?;
        }
        stage.api.call("cloudwatch", "DeleteAlarms", json!({"AlarmNames": names}))
    } else {
        return Err("given has neither a rule nor a count".into());
    };
    case.expect_if("accepted", answer.is_ok())?;
    match case.expect.has("code") || case.expects_text("message") {
        true => case.expect_refusal(&answer),
        false => case.expect_if("http_status", answer.as_ref().map_or_else(|refusal| refusal.status, |_| 200)),
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
        self.set(name, state)
    }

    fn set(&mut self, name: &str, state: &str) -> Result<(), Failure> {
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
