//! What the topics about alarms share: words of the cases as values of the engine, and an alarm to evaluate.

use std::time::Duration;

use scaleproof::clock::Timestamp;
use scaleproof::engine::alarms::history::StateSummary;
use scaleproof::engine::alarms::validate::AlarmRequest;
use scaleproof::engine::alarms::{AlarmState, TreatMissingData};
use scaleproof::engine::groups::Timing;
use scaleproof::engine::metrics::math::{QueryRequest, StatRequest};
use scaleproof::engine::metrics::{MetricKey, Resolution, Sample, Values};
use scaleproof::engine::names::{AlarmName, Place};
use scaleproof::engine::{Refusal, World};
use serde_json::Value;

use crate::cases::api::{ACCOUNT, REGION};
use crate::cases::case::Members;
use crate::cases::failure::Failure;

/// What breaches an alarm of [`request`] and what does not, unless the case says otherwise.
pub const BREACHING: f64 = 100.0;
pub const NOT_BREACHING: f64 = 0.0;
pub const THRESHOLD: f64 = 50.0;

const NAME: &str = "subject";

/// The day of times that come without one.
const DAY: &str = "2026-01-01";

/// An instant: with or without a zone, or a time of day.
pub fn instant(text: &str) -> Result<Timestamp, Failure> {
    let dated = if text.contains('T') { text.to_string() } else { format!("{DAY}T{text}") };
    let dated = if dated.matches(':').count() == 1 { format!("{dated}:00") } else { dated };
    let zoned = Timestamp::parse(&dated).or_else(|| Timestamp::parse(&format!("{dated}Z")));
    zoned.ok_or_else(|| format!("`{text}` is no time").into())
}

pub fn state(text: &str) -> Result<AlarmState, Failure> {
    AlarmState::parse(text).ok_or_else(|| format!("`{text}` is no alarm state").into())
}

/// The state before; where the case says `any`, one that no evaluation of data ends in.
pub fn prior_state(given: &Members) -> Result<AlarmState, Failure> {
    match given.opt_str("prior_state")? {
        None | Some("any") => Ok(AlarmState::InsufficientData),
        Some(text) => state(text),
    }
}

pub fn treatment(given: &Members) -> Result<TreatMissingData, Failure> {
    let text = given.opt_str("treat_missing_data")?.unwrap_or("missing");
    TreatMissingData::parse(text).ok_or_else(|| format!("`{text}` is no treatment of missing data").into())
}

/// PutMetricAlarm with what the case gives and with what works for the rest.
pub fn request(given: &Members) -> Result<AlarmRequest, Failure> {
    let text = |name: &str| given.opt_str(name).map(|text| text.map(str::to_string));
    let extended_statistic = text("extended_statistic")?;
    let statistic = text("statistic")?;
    let default = extended_statistic.is_none().then(|| "Average".to_string());
    Ok::<_, Failure>(AlarmRequest {
        name: NAME.into(),
        namespace: Some("Cases".into()),
        metric_name: Some("Metric".into()),
        statistic: statistic.or(default),
        extended_statistic,
        period_secs: Some(given.opt_i64("period")?.unwrap_or(60)),
        unit: text("unit")?,
        evaluation_periods: Some(given.opt_i64("evaluation_periods")?.unwrap_or(1)),
        datapoints_to_alarm: given.opt_i64("datapoints_to_alarm")?,
        threshold: Some(given.opt_f64("threshold")?.unwrap_or(THRESHOLD)),
        comparison: text("comparison")?.or(Some("GreaterThanThreshold".into())),
        treat_missing_data: text("treat_missing_data")?,
        evaluate_low_sample_count_percentile: text("evaluate_low_sample_count_percentile")?,
        ..AlarmRequest::default()
    })
    .and_then(|request| with_math(given, request))
}

/// The same on metric math, if the case gives an expression or the API's `Metrics`. Every metric in them is the one that
/// the case measures.
fn with_math(given: &Members, request: AlarmRequest) -> Result<AlarmRequest, Failure> {
    // Reads the words for the kind of alarm, which the rest then says more exactly.
    is_math(given)?;
    let metrics = match given.opt_list("metrics")?.map_or_else(|| given.opt_list("Metrics"), |list| Ok(Some(list)))? {
        Some(list) => list.iter().map(query).collect(),
        None => match expression(given)? {
            Some(expression) => vec![stat_query("m1", &request), expression_query(expression, request.period_secs)],
            None => return Ok(request),
        },
    };
    let period_secs = None;
    let (statistic, extended_statistic, namespace, metric_name, unit) = (None, None, None, None, None);
    Ok(AlarmRequest { metrics, period_secs, statistic, extended_statistic, namespace, metric_name, unit, ..request })
}

/// The expression, under any of its names; `metric_math` may also say only that there is one.
fn expression(given: &Members) -> Result<Option<String>, Failure> {
    for name in ["expression", "Expression", "metric_math"] {
        match given.get(name) {
            Some(Value::String(text)) => return Ok(Some(text.clone())),
            Some(Value::Bool(true)) => return Ok(Some("m1".into())),
            _ => {}
        }
    }
    Ok(is_math(given)?.then(|| "m1 + 0".into()))
}

/// Whether words of the case say that its alarm is on metric math.
pub fn is_math(given: &Members) -> Result<bool, Failure> {
    for name in ["kind", "alarm", "metrics", "Metrics", "expression", "metric_math"] {
        match given.get(name) {
            Some(Value::String(text)) if name.starts_with("metric_") || name == "expression" => {
                return Ok(!text.is_empty());
            }
            Some(Value::String(text)) => return Ok(text.contains("math") || text.contains("expression")),
            Some(Value::Array(_) | Value::Bool(true)) => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}

fn stat_query(id: &str, request: &AlarmRequest) -> QueryRequest {
    QueryRequest {
        id: id.into(),
        stat: Some(StatRequest {
            namespace: "Cases".into(),
            name: "Metric".into(),
            statistic: request.extended_statistic.clone().or(request.statistic.clone()).unwrap_or_default(),
            period_secs: request.period_secs.unwrap_or(60),
            unit: request.unit.clone(),
            ..StatRequest::default()
        }),
        return_data: Some(false),
        ..QueryRequest::default()
    }
}

fn expression_query(expression: String, period_secs: Option<i64>) -> QueryRequest {
    QueryRequest { id: "e1".into(), expression: Some(expression), period_secs, ..QueryRequest::default() }
}

/// One of `Metrics`, as the API has it.
fn query(query: &Value) -> QueryRequest {
    let text = |value: &Value| value.as_str().map(str::to_string);
    let stat = query.get("MetricStat").map(|stat| StatRequest {
        namespace: "Cases".into(),
        name: "Metric".into(),
        statistic: text(&stat["Stat"]).unwrap_or_default(),
        period_secs: stat["Period"].as_i64().unwrap_or(60),
        unit: text(&stat["Unit"]),
        ..StatRequest::default()
    });
    QueryRequest {
        id: text(&query["Id"]).unwrap_or_default(),
        expression: text(&query["Expression"]),
        stat,
        label: text(&query["Label"]),
        return_data: query["ReturnData"].as_bool(),
        period_secs: query["Period"].as_i64(),
        ..QueryRequest::default()
    }
}

/// One alarm in a world of its own.
pub struct Subject {
    pub world: World,
    unit: Option<String>,
}

impl Subject {
    pub fn new(request: AlarmRequest, prior: AlarmState) -> Result<Self, Refusal> {
        let mut world = World::new(Place::new(REGION, ACCOUNT), 1, Timing::Instant);
        let start = Timestamp::from_secs(0);
        let unit = request.unit.clone();
        world.put_metric_alarm(start, request.into_alarm()?, std::collections::BTreeMap::new())?;
        let mut subject = Self { world, unit };
        subject.set_state(start, prior)?;
        Ok(subject)
    }

    pub fn name(&self) -> AlarmName {
        NAME.into()
    }

    pub fn set_state(&mut self, now: Timestamp, state: AlarmState) -> Result<(), Refusal> {
        self.world.set_alarm_state(now, &NAME.into(), state, "set by the case", None)
    }

    pub fn measure(&mut self, at: Timestamp, values: Vec<(f64, f64)>) {
        let key = MetricKey { namespace: "Cases".into(), name: "Metric".into(), ..MetricKey::default() };
        let sample = Sample { unit: self.unit.clone(), values: Values::Counted(values) };
        self.world.metrics.record_at(&key, at, &sample, Resolution::High);
    }

    /// The state that an evaluation at `at` goes to, with what it says; `None` when it stays.
    pub fn evaluate(&self, at: Timestamp) -> Option<StateSummary> {
        self.world.alarms.preview(&NAME.into(), at, &self.world.metrics)
    }

    /// Evaluates each `every` from `first` to `last` until the state changes.
    pub fn first_change(
        &self,
        first: Timestamp,
        every: Duration,
        last: Timestamp,
    ) -> Option<(Timestamp, StateSummary)> {
        let mut at = first;
        while at <= last {
            if let Some(change) = self.evaluate(at) {
                return Some((at, change));
            }
            at = at + every;
        }
        None
    }
}

/// Data points as pairs of time and value, or as objects with `timestamp`, `value` and `count`.
pub fn datapoints(list: &[Value]) -> Result<Vec<(Timestamp, f64, f64)>, Failure> {
    let read = |point: &Value| -> Option<(String, f64, f64)> {
        let (at, value, count) = match point {
            Value::Array(pair) => (pair.first()?, pair.get(1)?, None),
            _ => (point.get("timestamp")?, point.get("value")?, point.get("count")),
        };
        Some((at.as_str()?.to_string(), value.as_f64()?, count.map_or(Some(1.0), Value::as_f64)?))
    };
    let parse = |point: &Value| {
        let (at, value, count) = read(point).ok_or_else(|| format!("{point} is no data point"))?;
        Ok((instant(&at)?, value, count))
    };
    list.iter().map(parse).collect()
}

/// The `StateReasonData` of a change as JSON.
pub fn reason_data(change: &StateSummary) -> Value {
    change.reason_data.as_deref().and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default()
}
