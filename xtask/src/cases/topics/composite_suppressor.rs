//! `composite-suppressor`: when a composite alarm with a suppressor acts, second by second.

use std::collections::BTreeMap;
use std::time::Duration;

use scaleproof::engine::alarms::composite::suppression::Phase;
use serde_json::{Value, json};

use crate::cases::api::Api;
use crate::cases::case::Case;
use crate::cases::failure::Failure;

const CHILD: &str = "child";
const SUPPRESSOR: &str = "suppressor";
const COMPOSITE: &str = "composite";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:ops";
const SECOND: Duration = Duration::from_secs(1);

/// Seconds observed after the last event and the periods.
const AFTERWARDS: u64 = 10;

pub fn check(case: &Case) -> Result<(), Failure> {
    if case.given.has("active") { check_replacement(case) } else { check_timeline(case) }
}

/// Seconds by their number or with a `t` before it.
struct Labels {
    prefix: &'static str,
}

impl Labels {
    fn parse(label: &str) -> Result<u64, Failure> {
        label.trim_start_matches('t').parse().map_err(|_| format!("`{label}` is no instant").into())
    }

    fn show(&self, second: u64) -> Value {
        if self.prefix.is_empty() { json!(second) } else { json!(format!("{}{second}", self.prefix)) }
    }
}

fn check_timeline(case: &Case) -> Result<(), Failure> {
    let (wait, extension) = (case.given.u32("wait_period")?, case.given.u32("extension_period")?);
    let timeline = case.given.value("timeline")?;
    let (composite, suppressor) = (events(&timeline["composite"])?, events(&timeline["suppressor"])?);
    let has_letters = timeline.to_string().contains("\"t");
    let labels = Labels { prefix: if has_letters { "t" } else { "" } };
    let initial = case.given.get("initial").cloned().unwrap_or_default();
    let state = |name: &str| initial[name].as_str().unwrap_or("OK").to_string();
    let mut stage = Stage::new(&state("composite"), &state(SUPPRESSOR), wait, extension)?;
    let last = composite.keys().chain(suppressor.keys()).max().copied().unwrap_or(0);
    let mut seen = Seen { actions: stage.actions()?.len(), ..Seen::default() };
    for second in 0..=last + u64::from(wait + extension) + AFTERWARDS {
        seen.look(second, &mut stage)?;
        // The suppressor first: a composite alarm that changes in the same second finds it as it then is.
        if let Some(state) = suppressor.get(&second) {
            stage.set(SUPPRESSOR, state)?;
        }
        if let Some(state) = composite.get(&second) {
            stage.set(CHILD, state)?;
        }
        seen.look(second, &mut stage)?;
        stage.api.advance(SECOND);
    }
    let spans = |spans: &[Span]| json!(spans.iter().map(|span| span.show(&labels)).collect::<Vec<_>>());
    case.expect_if("wait", spans(&seen.waits))?;
    case.expect_if("extension", spans(&seen.extensions))?;
    case.expect_if("actions_at", json!(seen.acted.iter().map(|(at, _)| labels.show(*at)).collect::<Vec<_>>()))?;
    case.expect_if("action_state", seen.acted.last().map(|(_, state)| state.clone()))?;
    case.expect_if("suppressed_by_after", stage.described()?["ActionsSuppressedBy"].clone())
}

fn events(value: &Value) -> Result<BTreeMap<u64, String>, Failure> {
    let event = |(label, state): (&String, &Value)| {
        Ok((Labels::parse(label)?, state.as_str().ok_or_else(|| format!("{state} is no state"))?.to_string()))
    };
    value.as_object().into_iter().flatten().map(event).collect()
}

/// The period under way, if there is one, is gone with the suppressor that it waits for.
fn check_replacement(case: &Case) -> Result<(), Failure> {
    let active = case.given.str("active")?;
    let words = case.given.str("change")?.to_lowercase();
    let change = match () {
        () if words.contains("remove") || words.contains("deleted") => Change::Removed,
        () if words.contains("replace") || words.contains("suppressor changed") => Change::Replaced,
        () if words.contains("period") || words.contains("length") => Change::Lengths,
        () => return Err(format!("given.change is not known: {words}").into()),
    };
    for period in ["WaitPeriod", "ExtensionPeriod"].into_iter().filter(|period| active.contains(period)) {
        let mut stage = Stage::new("OK", "OK", 60, 60)?;
        if period == "ExtensionPeriod" {
            stage.set(SUPPRESSOR, "ALARM")?;
        }
        stage.set(CHILD, "ALARM")?;
        stage.set(SUPPRESSOR, "OK")?;
        let before = stage.described()?["ActionsSuppressedBy"].clone();
        if before != period {
            return Err(Failure::differs("the period before", &json!(period), &before));
        }
        match change {
            Change::Replaced => {
                stage.child("other", "OK")?;
                stage.put("other", 60, 60)?;
            }
            Change::Removed => stage.put_without()?,
            Change::Lengths => stage.put(SUPPRESSOR, 90, 90)?,
        }
        let after = stage.described()?["ActionsSuppressedBy"].clone();
        let kept = case.expect.opt_str("active_period")?.filter(|words| words.contains("keep")).unwrap_or("kept");
        case.expect_if("active_period", if after.is_null() { "discarded" } else { kept })?;
    }
    Ok(())
}

/// What is done to a composite alarm while a period is under way.
#[derive(Clone, Copy)]
enum Change {
    Replaced,
    Removed,
    Lengths,
}

/// A stretch in which actions waited, and how it ended.
#[derive(Debug)]
struct Span {
    from: u64,
    to: Option<u64>,
    discarded: bool,
}

impl Span {
    fn show(&self, labels: &Labels) -> Value {
        let end = match (self.to, self.discarded) {
            (None, _) => json!("open"),
            (Some(to), false) => labels.show(to),
            (Some(to), true) => json!(format!("discarded {}{to}", labels.prefix)),
        };
        json!([labels.show(self.from), end])
    }
}

#[derive(Debug, Default)]
struct Seen {
    waits: Vec<Span>,
    extensions: Vec<Span>,
    acted: Vec<(u64, Value)>,
    phase: Option<Phase>,
    actions: usize,
}

impl Seen {
    fn look(&mut self, second: u64, stage: &mut Stage) -> Result<(), Failure> {
        let phase = stage.phase();
        if self.phase.is_some_and(|before| before != phase) {
            self.close(second, stage);
        }
        if self.phase != Some(phase) {
            self.open(second, phase);
        }
        for state in stage.actions()?.into_iter().skip(self.actions) {
            self.actions += 1;
            self.acted.push((second, state));
        }
        Ok(())
    }

    fn close(&mut self, second: u64, stage: &Stage) {
        let expired = match self.phase {
            Some(Phase::WaitPeriod { until } | Phase::ExtensionPeriod { until }) => until <= stage.api.now,
            _ => return,
        };
        let all =
            if matches!(self.phase, Some(Phase::WaitPeriod { .. })) { &mut self.waits } else { &mut self.extensions };
        if let Some(span) = all.last_mut().filter(|span| span.to.is_none()) {
            (span.to, span.discarded) = (Some(second), !expired);
        }
    }

    fn open(&mut self, second: u64, phase: Phase) {
        self.phase = Some(phase);
        let span = Span { from: second, to: None, discarded: false };
        match phase {
            Phase::WaitPeriod { .. } => self.waits.push(span),
            Phase::ExtensionPeriod { .. } => self.extensions.push(span),
            Phase::Open | Phase::Alarm => {}
        }
    }
}

/// A composite alarm that is in ALARM while its child is, and its suppressor.
struct Stage {
    api: Api,
}

impl Stage {
    fn new(composite: &str, suppressor: &str, wait: u32, extension: u32) -> Result<Self, Failure> {
        let mut stage = Self { api: Api::new() };
        stage.child(CHILD, composite)?;
        stage.child(SUPPRESSOR, suppressor)?;
        stage.put(SUPPRESSOR, wait, extension)?;
        // What the creation set off is over when the case begins.
        stage.api.advance(Duration::from_secs(u64::from(wait + extension) + 1));
        Ok(stage)
    }

    fn child(&mut self, name: &str, state: &str) -> Result<(), Failure> {
        let input = json!({"AlarmName": name, "Namespace": "Cases", "MetricName": "None", "Statistic": "Sum", "Period": 60,
            "EvaluationPeriods": 1, "Threshold": 0.0, "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "ignore"});
        self.api.call("cloudwatch", "PutMetricAlarm", input)?;
        self.set(name, state)
    }

    fn put(&mut self, suppressor: &str, wait: u32, extension: u32) -> Result<(), Failure> {
        let input = json!({"AlarmName": COMPOSITE, "AlarmRule": format!("ALARM({CHILD})"), "AlarmActions": [TOPIC],
            "OKActions": [TOPIC], "ActionsSuppressor": suppressor, "ActionsSuppressorWaitPeriod": wait,
            "ActionsSuppressorExtensionPeriod": extension});
        self.api.call("cloudwatch", "PutCompositeAlarm", input)?;
        Ok(())
    }

    /// The same alarm without a suppressor.
    fn put_without(&mut self) -> Result<(), Failure> {
        let input = json!({"AlarmName": COMPOSITE, "AlarmRule": format!("ALARM({CHILD})"), "AlarmActions": [TOPIC],
            "OKActions": [TOPIC]});
        self.api.call("cloudwatch", "PutCompositeAlarm", input)?;
        Ok(())
    }

    fn set(&mut self, name: &str, state: &str) -> Result<(), Failure> {
        let input = json!({"AlarmName": name, "StateValue": state, "StateReason": "set by the case"});
        self.api.call("cloudwatch", "SetAlarmState", input)?;
        Ok(())
    }

    fn described(&mut self) -> Result<Value, Failure> {
        let input = json!({"AlarmTypes": ["CompositeAlarm"]});
        Ok(self.api.call("cloudwatch", "DescribeAlarms", input)?["CompositeAlarms"][0].clone())
    }

    fn phase(&mut self) -> Phase {
        let alarms = &self.api.world().alarms;
        let composite = alarms.composites().get(&COMPOSITE.into());
        composite.and_then(|composite| composite.suppression).map_or(Phase::Open, |suppression| suppression.phase())
    }

    /// As many as there were actions, each the state that the alarm is in now.
    fn actions(&mut self) -> Result<Vec<Value>, Failure> {
        let input = json!({"AlarmName": COMPOSITE, "AlarmTypes": ["CompositeAlarm"], "HistoryItemType": "Action",
            "ScanBy": "TimestampAscending"});
        let history = self.api.call("cloudwatch", "DescribeAlarmHistory", input)?;
        let state = self.described()?["StateValue"].clone();
        let count = history["AlarmHistoryItems"].as_array().map_or(0, Vec::len);
        // The newest is of this second, in which the alarm is in the state that it acted for.
        Ok(vec![state; count])
    }
}
