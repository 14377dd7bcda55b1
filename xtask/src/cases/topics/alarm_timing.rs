//! `alarm-timing`: when alarms are evaluated, which slots they look at, and when a state therefore changes.

use std::time::Duration;

use scaleproof::clock::Timestamp;
use scaleproof::engine::alarms::AlarmState;
use scaleproof::engine::alarms::validate::AlarmRequest;
use scaleproof::engine::alarms::window::{Cadence, evaluation_range, newest_slot, slots};
use serde_json::{Value, json};

use super::alarm::{
    BREACHING, NOT_BREACHING, Subject, datapoints, instant, is_math, prior_state, reason_data, request,
};
use crate::cases::case::Case;
use crate::cases::failure::Failure;

/// How long a state is waited for.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);

pub fn check(case: &Case) -> Result<(), Failure> {
    let (given, expect) = (&case.given, &case.expect);
    // How the expected instant was found, in words.
    expect.skip("rule");
    match () {
        () if given.has("evaluations") => check_transition(case),
        () if given.has("datapoints") => check_evaluation(case),
        () => check_slots(case),
    }
}

struct Shape {
    period_secs: u32,
    evaluation_periods: u32,
    math: bool,
}

impl Shape {
    fn of(case: &Case) -> Result<Self, Failure> {
        Ok(Self {
            period_secs: case.given.u32("period")?,
            evaluation_periods: case.given.opt_u32("evaluation_periods")?.unwrap_or(1),
            math: is_math(&case.given)?,
        })
    }

    /// The starts of the newest `evaluation_periods` slots, oldest first.
    fn evaluated(&self, query_date: Timestamp) -> Vec<Timestamp> {
        let slots = slots(self.period_secs, self.evaluation_periods, query_date, self.math);
        slots.starts().skip((slots.count - self.evaluation_periods) as usize).collect()
    }
}

fn check_slots(case: &Case) -> Result<(), Failure> {
    let shape = Shape::of(case)?;
    let (period, n) = (shape.period_secs, shape.evaluation_periods);
    case.expect_if("evaluation_every_seconds", Cadence::of(period, n).every().as_secs())?;
    case.expect_if("evaluation_range_periods", evaluation_range(period, n))?;
    if let Some(text) = case.given.opt_str("query_date")? {
        let newest = newest_slot(period, n, instant(text)?, shape.math);
        case.expect_eq("newest_datapoint_start", newest.format("%Y-%m-%dT%H:%M:%S"))?;
    }
    if let Some(text) = case.given.opt_str("evaluation_at")? {
        let starts = shape.evaluated(instant(text)?);
        let format = if text.contains('T') { "%Y-%m-%dT%H:%M:%S" } else { "%H:%M:%S" };
        case.expect_if("expected_timestamps", json!(starts.iter().map(|at| at.format(format)).collect::<Vec<_>>()))?;
        // Data count up to the end of the newest slot.
        let end = starts.last().map(|start| *start + Duration::from_secs(period.into()));
        for name in ["sees_data_until", "data_until", "newest_data"] {
            case.expect_if(name, end.map(|end| end.format(format)))?;
        }
    }
    if let Some(minute) = case.given.opt_i64("evaluated_at_end_of_minute")? {
        // Minutes are counted from 1: minute m covers the seconds from 60 (m - 1) to 60 m of the day.
        let starts = shape.evaluated(instant("00:00:00")? + Duration::from_secs(minute.unsigned_abs() * 60));
        let first = starts.first().map_or(0, |start| (start.as_secs() - day_start()).div_euclid(60) + 1);
        case.expect_eq("data_minutes", json!([first, first + i64::from(n * period / 60) - 1]))?;
    }
    Ok(())
}

fn day_start() -> i64 {
    instant("00:00:00").map_or(0, Timestamp::as_secs)
}

fn check_evaluation(case: &Case) -> Result<(), Failure> {
    let prior = prior_state(&case.given)?;
    let mut subject = Subject::new(reported(case)?, prior)?;
    for (at, value, count) in datapoints(case.given.list("datapoints")?)? {
        subject.measure(at, vec![(value, count)]);
    }
    let change = subject.evaluate(instant(case.given.str("query_date")?)?);
    case.expect_eq("state", change.as_ref().map_or(prior, |change| change.value).as_str())?;
    if case.expects_text("state_reason") {
        case.expect_text("state_reason", change.as_ref().map_or("", |change| &change.reason))?;
    }
    Ok(())
}

/// The alarm of a report from the field. Such reports give the number of data points to alarm that is in force; where it is
/// that of all periods, the alarm was put without one, as its reason then shows.
fn reported(case: &Case) -> Result<AlarmRequest, Failure> {
    let request = request(&case.given)?;
    let named = request.datapoints_to_alarm.filter(|m| Some(*m) != request.evaluation_periods);
    Ok(AlarmRequest { datapoints_to_alarm: named, ..request })
}

/// A last data point that speaks for the state before, and evaluations until the state changes.
fn check_transition(case: &Case) -> Result<(), Failure> {
    let prior = prior_state(&case.given)?;
    let mut subject = Subject::new(reported(case)?, prior)?;
    let last = instant(case.given.str("last_datapoint")?)?;
    let value = if prior == AlarmState::Alarm { BREACHING } else { NOT_BREACHING };
    let shape = Shape::of(case)?;
    // The last of many: the state before has its data.
    let range = evaluation_range(shape.period_secs, shape.evaluation_periods) * shape.period_secs;
    for seconds in (0..range).step_by(60) {
        subject.measure(last - Duration::from_secs(seconds.into()), vec![(value, 1.0)]);
    }
    let cadence = Cadence::of(shape.period_secs, shape.evaluation_periods);
    let first = first_evaluation(case.given.str("evaluations")?, last)?;
    let (at, change) =
        subject.first_change(first, cadence.every(), last + PATIENCE).ok_or("the state does not change")?;
    let expected = case.expect.str("transition_at")?;
    let format = if expected.contains('T') { "%Y-%m-%dT%H:%M:%S" } else { "%H:%M:%S" };
    case.expect_eq("transition_at", at.format(format))?;
    case.expect_eq("state", change.value.as_str())?;
    case.expect_if("implied_range_periods", evaluation_range(shape.period_secs, shape.evaluation_periods))?;
    if let Some(text) = case.expect.opt_str("not_before")?
        && at <= instant(text)?
    {
        return Err(format!("the state changes at {at}, not after {text}").into());
    }
    if case.expects_text("state_reason") {
        case.expect_text("state_reason", &change.reason)?;
    }
    case.expect_if("evaluated_slots", evaluated_slots(&reason_data(&change)))
}

/// `every minute at :49.3`: the first instant at that second after `last`.
fn first_evaluation(text: &str, last: Timestamp) -> Result<Timestamp, Failure> {
    let second = text.rsplit(':').next().and_then(|second| second.parse::<f64>().ok());
    let second = second.ok_or_else(|| format!("given.evaluations is not known: {text}"))?;
    let offset = Duration::from_millis((second * 1000.0).round() as u64);
    let minute = last.floor_to(Duration::from_secs(60));
    let at = minute + offset;
    Ok(if at > last { at } else { at + Duration::from_secs(60) })
}

fn evaluated_slots(data: &Value) -> Value {
    let listed = data["evaluatedDatapoints"].as_array().cloned().unwrap_or_default();
    let time = |point: &Value| point["timestamp"].as_str().and_then(Timestamp::parse).map(|at| at.format("%H:%M"));
    json!(listed.iter().map(time).collect::<Vec<_>>())
}
