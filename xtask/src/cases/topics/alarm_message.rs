//! `alarm-message`: what the messages and the history say of an alarm that was put, changed and, if the case says so,
//! disabled.

use std::time::Duration;

use scaleproof::engine::alarms::Comparison;
use serde_json::{Map, Value, json};

use super::sns::text;
use crate::cases::api::{ACCOUNT, Api, REGION};
use crate::cases::case::{Case, same};
use crate::cases::document::hold_rest;
use crate::cases::failure::Failure;

pub fn check(case: &Case) -> Result<(), Failure> {
    if let Some(operator) = case.given.opt_str("op")? {
        let comparison = Comparison::parse(operator).ok_or_else(|| format!("`{operator}` is no operator"))?;
        return case.expect_eq("words", comparison.words());
    }
    let mut stage = Stage::new(case)?;
    stage.change(case)?;
    check_message(case, &mut stage)?;
    check_history(case, &mut stage)?;
    let documents = stage.documents()?;
    hold_rest(case, &documents)
}

/// What is told of the alarm, and to whom.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The message to a topic.
    Message,
    /// What a function is invoked with.
    Function,
    StateEvent,
    ConfigurationEvent,
}

impl Form {
    /// By the words for the kind of document or of action.
    fn of(words: &str) -> Self {
        let words = words.to_lowercase();
        match () {
            () if words.contains("lambda") || words.contains("function") => Self::Function,
            () if words.contains("configuration") => Self::ConfigurationEvent,
            () if words.contains("event") => Self::StateEvent,
            () => Self::Message,
        }
    }
}

/// A topic, a subscriber, and an alarm that acts on every change.
struct Stage {
    api: Api,
    region: String,
    alarm: String,
    kind: &'static str,
    form: Form,
}

impl Stage {
    fn new(case: &Case) -> Result<Self, Failure> {
        let region = case.given.opt_str("region")?.unwrap_or(REGION).to_string();
        let start = case.given.opt_str("state_updated")?.map(super::alarm::instant).transpose()?;
        let mut api = Api::at(start.unwrap_or(Api::START), &region);
        api.call("sns", "CreateTopic", json!({"Name": "ops"}))?;
        let topic = format!("arn:aws:sns:{region}:{ACCOUNT}:ops");
        let input = json!({"TopicArn": topic, "Protocol": "email", "Endpoint": "ops@example.com"});
        api.call("sns", "Subscribe", input)?;
        let now = api.now;
        api.universe().confirm_all(now);
        let length = ["name_length", "alarm_name_length"].iter().find_map(|name| case.given.opt_u32(name).ok()?);
        let name = case.given.opt_str("name")?.unwrap_or("cpu-high").to_string();
        let name = length.map_or(name, |length| "a".repeat(length as usize));
        let kind = case.given.opt_str("kind")?.unwrap_or("metric alarm");
        let action = case.given.opt_str("action")?.unwrap_or_default();
        let mut stage = Self {
            api,
            region,
            alarm: name,
            kind: if kind.contains("composite") { "CompositeAlarm" } else { "MetricAlarm" },
            form: Form::of(&format!("{kind} {action}")),
        };
        let refused = case.given.opt_bool("permission")? == Some(false)
            || ["no permission", "without permission", "not authorized"].iter().any(|words| action.contains(words));
        if refused {
            stage.shut_topic()?;
        }
        stage.put(case, kind)?;
        Ok(stage)
    }

    fn topic(&self) -> String {
        format!("arn:aws:sns:{}:{ACCOUNT}:ops", self.region)
    }

    /// Lets nobody publish to the topic but its owner.
    fn shut_topic(&mut self) -> Result<(), Failure> {
        let topic = self.topic();
        let policy = json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "SNS:Publish",
            "Resource": topic}]});
        let input = json!({"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy.to_string()});
        self.api.call("sns", "SetTopicAttributes", input)?;
        Ok(())
    }

    fn target(&self) -> String {
        match self.form {
            Form::Function => format!("arn:aws:lambda:{}:{ACCOUNT}:function:page", self.region),
            _ => self.topic(),
        }
    }

    fn put(&mut self, case: &Case, kind: &str) -> Result<(), Failure> {
        let topic = json!([self.target()]);
        let mut input = json!({"AlarmName": self.alarm, "AlarmActions": topic, "OKActions": topic,
            "InsufficientDataActions": topic});
        let operation = match kind {
            kind if kind.contains("composite") => {
                self.put_child("child")?;
                input["AlarmRule"] = json!("ALARM(child)");
                if kind.contains("suppress") {
                    self.put_child("suppressor")?;
                    input["ActionsSuppressor"] = json!("suppressor");
                    input["ActionsSuppressorWaitPeriod"] = json!(0);
                    input["ActionsSuppressorExtensionPeriod"] = json!(0);
                }
                "PutCompositeAlarm"
            }
            kind if kind.contains("math") => {
                merge(&mut input, math());
                "PutMetricAlarm"
            }
            kind if kind.contains("alarm") || self.form != Form::Message => {
                merge(&mut input, metric());
                "PutMetricAlarm"
            }
            other => return Err(format!("given.kind is not known: {other}").into()),
        };
        for name in case.given.names().filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase())) {
            input[name] = case.given.value(name)?.clone();
        }
        if !input["ExtendedStatistic"].is_null() {
            input.as_object_mut().map(|members| members.remove("Statistic"));
        }
        input.as_object_mut().into_iter().for_each(|members| members.retain(|_, value| !value.is_null()));
        self.api.call("cloudwatch", operation, input)?;
        Ok(())
    }

    fn put_child(&mut self, name: &str) -> Result<(), Failure> {
        let mut input = metric();
        input["AlarmName"] = json!(name);
        self.api.call("cloudwatch", "PutMetricAlarm", input)?;
        Ok(())
    }

    /// Goes to the state that the case is about, over the one it comes from.
    fn change(&mut self, case: &Case) -> Result<(), Failure> {
        let transition = case.given.opt_str("transition")?.and_then(|transition| transition.split_once("->"));
        let to = case.given.opt_str("state")?.or(transition.map(|(_, to)| to)).unwrap_or("ALARM");
        let from = transition.map_or(if to == "ALARM" { "OK" } else { "ALARM" }, |(from, _)| from);
        // Only the last change is looked at; the one before it is not to be heard of.
        self.set(from)?;
        self.api.region().mailbox.clear();
        self.set(to)
    }

    fn set(&mut self, state: &str) -> Result<(), Failure> {
        let name = if self.kind == "CompositeAlarm" { "child" } else { &self.alarm };
        let input = json!({"AlarmName": name, "StateValue": state, "StateReason": "set by the case"});
        self.api.call("cloudwatch", "SetAlarmState", input)?;
        self.api.advance(Duration::ZERO);
        Ok(())
    }

    fn history(&mut self, kind: &str) -> Result<Vec<Value>, Failure> {
        let input = json!({"AlarmName": self.alarm, "AlarmTypes": [self.kind], "HistoryItemType": kind});
        let history = self.api.call("cloudwatch", "DescribeAlarmHistory", input)?;
        Ok(history["AlarmHistoryItems"].as_array().cloned().unwrap_or_default())
    }

    /// The document of the case's form about the last change.
    fn document(&mut self) -> Result<Value, Failure> {
        let now = self.api.now;
        let events = self.api.world().alarms.events(now);
        let of = |kind: &str| events.iter().rev().find(|event| event["detail-type"] == kind).cloned();
        Ok(match self.form {
            Form::Message => self.published()?.unwrap_or_default(),
            Form::Function => {
                self.api.world().invocations.last().map(|invocation| invocation.payload.clone()).unwrap_or_default()
            }
            Form::StateEvent => of("CloudWatch Alarm State Change").unwrap_or_default(),
            Form::ConfigurationEvent => of("CloudWatch Alarm Configuration Change").unwrap_or_default(),
        })
    }

    /// Everything that is told of the last change, what the case asks about first.
    fn documents(&mut self) -> Result<Vec<Value>, Failure> {
        let item = self.history("Action")?.first().cloned().unwrap_or_default();
        // The cases call the target <arn>.
        let plain = |text: String, arn: &str| text.replace(arn, "<arn>");
        let target = self.target();
        let data: Value = serde_json::from_str(&plain(text(&item, "HistoryData"), &target)).unwrap_or_default();
        let published = data["publishedMessage"].as_str().and_then(|texts| serde_json::from_str::<Value>(texts).ok());
        let subject = self.api.region().mailbox.last().and_then(|delivery| delivery.subject.clone());
        let summary = plain(text(&item, "HistorySummary"), &target);
        Ok(vec![
            self.document()?,
            json!({"Subject": subject, "HistorySummary": summary, "publishedMessage": published}),
            data,
        ])
    }

    /// What the last action published, from the history: the document for programs.
    fn published(&mut self) -> Result<Option<Value>, Failure> {
        let Some(item) = self.history("Action")?.first().cloned() else { return Ok(None) };
        let data: Value = serde_json::from_str(&text(&item, "HistoryData")).unwrap_or_default();
        let texts: Value = serde_json::from_str(&text(&data, "publishedMessage")).unwrap_or_default();
        Ok(serde_json::from_str(&text(&texts, "default")).ok())
    }
}

fn merge(into: &mut Value, other: Value) {
    if let (Some(into), Value::Object(other)) = (into.as_object_mut(), other) {
        into.extend(other);
    }
}

fn metric() -> Value {
    json!({"Namespace": "Cases", "MetricName": "Metric", "Statistic": "Average", "Period": 60, "EvaluationPeriods": 1,
        "Threshold": 50.0, "ComparisonOperator": "GreaterThanThreshold"})
}

fn math() -> Value {
    let stat = json!({"Metric": {"Namespace": "Cases", "MetricName": "Metric"}, "Period": 60, "Stat": "Average"});
    json!({"EvaluationPeriods": 1, "DatapointsToAlarm": 1, "Threshold": 50.0, "ComparisonOperator": "GreaterThanThreshold",
        "Metrics": [{"Id": "m1", "MetricStat": stat, "ReturnData": false},
            {"Id": "e1", "Expression": "m1 + 0", "Label": "sum", "Period": 60, "ReturnData": true}]})
}

fn check_message(case: &Case, stage: &mut Stage) -> Result<(), Failure> {
    let message = stage.document()?;
    let is_trigger =
        |keys: &Value| keys.to_string().contains("\"ComparisonOperator\"") && message["Trigger"].is_object();
    for name in ["keys_in_order", "keys"] {
        let Some(expected) = case.expect.get(name) else { continue };
        let of = if is_trigger(expected) { &message["Trigger"] } else { &message };
        let mut keys: Vec<String> = of.as_object().into_iter().flat_map(Map::keys).cloned().collect();
        let mut expected: Vec<String> =
            expected.as_array().into_iter().flatten().filter_map(|key| key.as_str().map(str::to_string)).collect();
        if case.given.opt_str("era")? == Some("before mute rules") {
            // The one key that came with mute rules.
            keys.retain(|key| key != "ActionExecutedAfterMuteWindow");
        }
        if name == "keys" {
            keys.sort();
            expected.sort();
        }
        if keys != expected {
            return Err(Failure::differs(name, &json!(expected), &json!(keys)));
        }
    }
    check_datapoints_key(case, stage)?;
    for name in [
        "Region",
        "StateChangeTime",
        "AlarmConfigurationUpdatedTimestamp",
        "AlarmName",
        "NewStateValue",
        "OldStateValue",
    ] {
        if !message[name].is_null() {
            case.expect_if(name, message[name].clone())?;
        }
    }
    if ["Subject", "Subject_contains", "Subject_prefix", "Subject_suffix", "Subject_regex"]
        .iter()
        .any(|name| case.expect.has(name))
    {
        let mailbox = stage.api.region().mailbox.clone();
        let subject = mailbox.last().and_then(|delivery| delivery.subject.clone()).unwrap_or_default();
        case.expect_text("Subject", &subject)?;
    }
    if let Some(expected) = case.expect.get("Trigger") {
        for (name, value) in expected.as_object().into_iter().flatten() {
            let got = message["Trigger"].get(name).cloned().unwrap_or(json!("absent"));
            if !same(value, &got) {
                return Err(Failure::differs(&format!("Trigger.{name}"), value, &got));
            }
        }
    }
    Ok(())
}

/// Where `DatapointsToAlarm` stands when it is set.
fn check_datapoints_key(case: &Case, stage: &mut Stage) -> Result<(), Failure> {
    if !case.expect.has("with_datapoints_to_alarm_after") {
        return Ok(());
    }
    let mut input = metric();
    merge(&mut input, json!({"AlarmName": "with-datapoints", "DatapointsToAlarm": 1, "AlarmActions": [stage.topic()]}));
    stage.api.call("cloudwatch", "PutMetricAlarm", input)?;
    let before = std::mem::replace(&mut stage.alarm, "with-datapoints".into());
    stage.set("ALARM")?;
    let message = stage.published()?.unwrap_or_default();
    stage.alarm = before;
    let keys: Vec<String> = message["Trigger"].as_object().into_iter().flat_map(Map::keys).cloned().collect();
    let at = keys.iter().position(|key| key == "DatapointsToAlarm").and_then(|at| at.checked_sub(1));
    case.expect_eq("with_datapoints_to_alarm_after", at.map_or("absent".to_string(), |at| keys[at].clone()))
}

fn check_history(case: &Case, stage: &mut Stage) -> Result<(), Failure> {
    case.expect_if("published", stage.api.region().mailbox.len())?;
    let described = stage.api.call(
        "cloudwatch",
        "DescribeAlarms",
        json!({"AlarmNames": [stage.alarm], "AlarmTypes": [stage.kind]}),
    )?;
    let alarms = [&described["MetricAlarms"], &described["CompositeAlarms"]];
    let state = alarms.iter().find_map(|alarms| alarms[0]["StateValue"].as_str()).unwrap_or_default();
    case.expect_if("state", state)?;
    // A change of state is an event exactly when the history has it.
    let changes = stage.history("StateUpdate")?;
    case.expect_if("eventbridge", changes.first().is_some_and(|item| text(item, "HistorySummary").ends_with(state)))?;
    let kind = match case.expect.opt_str("HistoryItemType")? {
        Some(kind) => kind,
        None => match case.given.opt_str("history")? {
            Some(kind) => kind,
            None => return Ok(()),
        },
    };
    let item = stage.history(kind)?.first().cloned().unwrap_or_default();
    let known = [(stage.target(), "<arn>")];
    let summary = known.iter().fold(text(&item, "HistorySummary"), |text, (arn, word)| text.replace(arn, word));
    if case.expects_text("HistorySummary") {
        case.expect_text("HistorySummary", &summary)?;
    }
    let Some(expected) = case.expect.opt_list("HistoryData_keys")? else { return Ok(()) };
    let data: Value = serde_json::from_str(&text(&item, "HistoryData")).unwrap_or_default();
    match expected.iter().find(|key| key.as_str().is_none_or(|key| data.get(key).is_none())) {
        Some(key) => Err(format!("HistoryData has no key {key}: {data}").into()),
        None => Ok(()),
    }
}
