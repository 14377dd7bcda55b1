//! An alarm in the words of programs: what a Lambda function is invoked with, and the events that EventBridge gets.
//! Start at [`Alarms::invocation`] and [`Alarms::events`].
//!
//! Keys and values as recorded from AWS in 2026. Events are a view of the history, which has an item for each of them; those
//! about a suppressor alone, without a change of state, are left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::history::{Happening, HistoryItem, StateSummary};
use super::{Alarms, Firing, Subject};
use crate::clock::Timestamp;
use crate::engine::ids::Ids;
use crate::engine::names::AlarmName;

/// One call of a function by an alarm. AWS does not wait for what comes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invocation {
    pub at: Timestamp,
    pub function_arn: String,
    pub payload: Value,
}

/// A state, when it began, and what then held its actions back.
struct Shown<'a> {
    state: &'a StateSummary,
    at: Timestamp,
    suppressed: Option<(&'static str, String)>,
}

impl Shown<'_> {
    fn document(&self) -> Value {
        let mut document = Map::new();
        if let Some((by, reason)) = &self.suppressed {
            document.insert("actionsSuppressedBy".into(), (*by).into());
            document.insert("actionsSuppressedReason".into(), reason.clone().into());
        }
        document.insert("value".into(), json!(self.state.value));
        document.insert("reason".into(), self.state.reason.as_str().into());
        if let Some(data) = &self.state.reason_data {
            document.insert("reasonData".into(), data.as_str().into());
        }
        document.insert("timestamp".into(), self.at.cloudwatch_millis().into());
        Value::Object(document)
    }
}

impl Alarms {
    /// What an action that is a Lambda function is invoked with at `now`, just after the change that it is about.
    pub fn invocation(&self, now: Timestamp, firing: &Firing) -> Invocation {
        let name = firing.alarm.name();
        let (state, previous) = self.states(now, firing);
        let configuration = self.described(name).map(|about| self.configuration(name, &about, Extent::Watched));
        let payload = json!({
            "source": "aws.cloudwatch",
            "alarmArn": firing.alarm.arn(),
            "accountId": self.place.account,
            "time": now.cloudwatch_millis(),
            "region": self.place.region,
            "alarmData": {
                "alarmName": name,
                "state": state,
                "previousState": previous,
                "configuration": configuration,
            },
        });
        Invocation { at: now, function_arn: firing.action_arn.clone(), payload }
    }

    /// The state that an action is about and the one before. An action that a suppressor held back is about one state
    /// twice: while it was held, and since it is not.
    fn states(&self, now: Timestamp, firing: &Firing) -> (Value, Value) {
        let name = firing.alarm.name();
        let changes = self.history.since_two_weeks(now).rev().filter(|item| item.alarm == *name);
        let mut changes = changes.filter_map(|item| match &item.what {
            Happening::StateUpdate { old, new } => Some((item.at, old, new)),
            _ => None,
        });
        let Some((at, old, new)) = changes.next() else { return (Value::Null, Value::Null) };
        if let Subject::Composite(alarm) = &firing.alarm
            && let Some((by, since)) = alarm.held
        {
            let suppressed = Some((by, self.suppressed_reason(name, by)));
            return (
                Shown { state: new, at: now, suppressed: None }.document(),
                Shown { state: new, at: since, suppressed }.document(),
            );
        }
        let before = changes.next().map(|(at, ..)| at).or_else(|| self.created_at(name)).unwrap_or(at);
        let plain = |state, at| Shown { state, at, suppressed: None }.document();
        (plain(new, at), plain(old, before))
    }

    fn created_at(&self, name: &AlarmName) -> Option<Timestamp> {
        let is_creation =
            |item: &&HistoryItem| item.alarm == *name && matches!(item.what, Happening::ConfigurationUpdate { .. });
        self.history.all().find(is_creation).map(|item| item.at)
    }

    /// An alarm as its history describes it.
    fn described(&self, name: &AlarmName) -> Option<Value> {
        let metric = self.get(name).map(super::state::about);
        metric.or_else(|| self.composites.get(name).map(super::Composite::about))
    }

    /// What EventBridge got of these alarms in the last two weeks, oldest first.
    pub fn events(&self, now: Timestamp) -> Vec<Value> {
        let mut known: BTreeMap<&AlarmName, Known> = BTreeMap::new();
        let mut events = Vec::new();
        for (place, item) in self.history.since_two_weeks(now).enumerate() {
            let known = known.entry(&item.alarm).or_default();
            let (kind, detail) = match &item.what {
                Happening::StateUpdate { old, new } => {
                    ("CloudWatch Alarm State Change", self.state_change(item, known, old, new))
                }
                Happening::ConfigurationUpdate { data, .. } => {
                    ("CloudWatch Alarm Configuration Change", self.configuration_change(item, known, data))
                }
                Happening::Action { .. } => continue,
            };
            events.push(json!({
                "version": "0",
                "id": Ids::new(self.seed, &format!("event {place} {} {}", item.alarm, item.at)).uuid(),
                "detail-type": kind,
                "source": "aws.cloudwatch",
                "account": self.place.account,
                "time": item.at.iso_secs(),
                "region": self.place.region,
                "resources": [self.place.arn("cloudwatch", &format!("alarm:{}", item.alarm))],
                "detail": detail,
            }));
        }
        events
    }

    fn state_change(&self, item: &HistoryItem, known: &mut Known, old: &StateSummary, new: &StateSummary) -> Value {
        let since = known.state_at.replace(item.at).unwrap_or(item.at);
        known.reason = Some(new.reason.to_string());
        let about = known.about.clone().or_else(|| self.described(&item.alarm)).unwrap_or_default();
        json!({
            "alarmName": item.alarm,
            "state": Shown { state: new, at: item.at, suppressed: None }.document(),
            "previousState": Shown { state: old, at: since, suppressed: None }.document(),
            "configuration": self.configuration(&item.alarm, &about, Extent::Watched),
        })
    }

    fn configuration_change(&self, item: &HistoryItem, known: &mut Known, data: &str) -> Value {
        let change: Value = serde_json::from_str(data).unwrap_or_default();
        let operation = change["type"].as_str().unwrap_or_default().to_lowercase();
        let about = change[format!("{operation}dAlarm")].clone();
        let mut state = json!({"value": about["stateValue"]});
        if let Some(reason) = known.reason.as_ref().filter(|_| operation == "delete") {
            state["reason"] = reason.clone().into();
        }
        state["timestamp"] = about["stateUpdatedTimestamp"].clone();
        let whole = |about: &Value| self.configuration(&item.alarm, about, Extent::Whole);
        let mut detail = json!({
            "alarmName": item.alarm,
            "operation": operation,
            "state": state,
            "configuration": whole(&about),
        });
        if let Some(before) = known.about.as_ref().filter(|_| operation == "update") {
            detail["previousConfiguration"] = whole(before);
        }
        known.state_at.get_or_insert(item.at);
        *known = match operation.as_str() {
            "delete" => Known::default(),
            _ => Known { about: Some(about), ..std::mem::take(known) },
        };
        detail
    }

    /// The configuration in an event's keys, from the history's.
    fn configuration(&self, alarm: &AlarmName, about: &Value, extent: Extent) -> Value {
        let mut document = Map::new();
        let mut put = |name: &str, value: &Value| {
            if !value.is_null() {
                document.insert(name.into(), value.clone());
            }
        };
        let whole = extent == Extent::Whole;
        for name in CONDITION.iter().filter(|_| whole) {
            put(name, &about[name]);
        }
        match about["alarmRule"].is_null() {
            true => put("metrics", &self.metrics(alarm, about)),
            false => COMPOSITE.iter().for_each(|name| put(name, &about[name])),
        }
        for (name, from) in WHOLE.iter().filter(|_| whole) {
            put(name, &about[from]);
        }
        put("description", &about["alarmDescription"]);
        Value::Object(document)
    }

    fn metrics(&self, alarm: &AlarmName, about: &Value) -> Value {
        if let Some(queries) = about["metrics"].as_array() {
            return queries.iter().map(query).collect();
        }
        let stat = json!({
            "metric": metric(about),
            "period": about["period"],
            "stat": if about["statistic"].is_null() { &about["extendedStatistic"] } else { &about["statistic"] },
            "unit": about["unit"],
        });
        // Recorded: it is another one when the condition is.
        let what = format!("metric of {alarm}: {stat} {}", about["threshold"]);
        json!([{"id": Ids::new(self.seed, &what).uuid(), "metricStat": present(stat), "returnData": true}])
    }
}

/// What is known of an alarm while its history is read.
#[derive(Default)]
struct Known {
    about: Option<Value>,
    reason: Option<String>,
    state_at: Option<Timestamp>,
}

/// How much of a configuration an event shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// What is watched.
    Watched,
    Whole,
}

const CONDITION: [&str; 6] = [
    "evaluationPeriods",
    "datapointsToAlarm",
    "threshold",
    "comparisonOperator",
    "treatMissingData",
    "evaluateLowSampleCountPercentile",
];
const COMPOSITE: [&str; 4] =
    ["alarmRule", "actionsSuppressor", "actionsSuppressorWaitPeriod", "actionsSuppressorExtensionPeriod"];
/// An event's key and the history's.
const WHOLE: [(&str, &str); 6] = [
    ("alarmName", "alarmName"),
    ("actionsEnabled", "actionsEnabled"),
    ("timestamp", "alarmConfigurationUpdatedTimestamp"),
    ("okActions", "okactions"),
    ("alarmActions", "alarmActions"),
    ("insufficientDataActions", "insufficientDataActions"),
];

/// `namespace`, `name` and `dimensions` of a metric in the history's keys.
fn metric(about: &Value) -> Value {
    let dimension = |one: &Value| Some((one["name"].as_str()?.to_string(), one["value"].clone()));
    let dimensions: Map<String, Value> =
        about["dimensions"].as_array().into_iter().flatten().filter_map(dimension).collect();
    json!({"namespace": about["namespace"], "name": about["metricName"], "dimensions": dimensions})
}

fn query(query: &Value) -> Value {
    let mut query = query.clone();
    if query["metricStat"].is_object() {
        query["metricStat"]["metric"] = metric(&query["metricStat"]["metric"]);
    }
    query
}

fn present(mut value: Value) -> Value {
    value.as_object_mut().into_iter().for_each(|members| members.retain(|_, value| !value.is_null()));
    value
}

#[cfg(test)]
mod tests;
