//! `alarm-recorded`: evaluations recorded from AWS, with what was said about them.

use scaleproof::engine::alarms::evaluate::Slot;
use scaleproof::engine::alarms::window::slots;
use scaleproof::engine::metrics::Grid;
use serde_json::{Value, json};

use super::alarm::{Subject, datapoints, instant, prior_state, reason_data, request};
use crate::cases::case::Case;
use crate::cases::failure::Failure;

pub fn check(case: &Case) -> Result<(), Failure> {
    let prior = prior_state(&case.given)?;
    let mut subject = Subject::new(request(&case.given)?, prior)?;
    for (at, value, count) in datapoints(case.given.list("datapoints")?)? {
        subject.measure(at, vec![(value, count)]);
    }
    let query_date = instant(case.given.str("query_date")?)?;
    if let Some(expected) = case.given.get("derived_window") {
        let window = window(&subject, query_date)?;
        if *expected != window {
            return Err(Failure::differs("given.derived_window", expected, &window));
        }
    }
    let change = subject.evaluate(query_date);
    let state = change.as_ref().map_or(prior, |change| change.value);
    case.expect_eq("state", state.as_str())?;
    let Some(change) = change else { return Err("the state did not change, so nothing is said about it".into()) };
    if case.expects_text("state_reason") {
        case.expect_text("state_reason", &change.reason)?;
    }
    let data = reason_data(&change);
    case.expect_if("recent_datapoints", data["recentDatapoints"].clone())?;
    case.expect_if("start_date", data["startDate"].clone())?;
    case.expect_if("evaluated_datapoints", data["evaluatedDatapoints"].clone())
}

/// The slots that the evaluation fetches, in the letters of the cases.
fn window(subject: &Subject, query_date: scaleproof::clock::Timestamp) -> Result<Value, Failure> {
    let alarm = subject.world.alarms.get(&subject.name()).ok_or("there is no alarm")?;
    let config = &alarm.config;
    let slots = slots(config.period_secs(), config.evaluation_periods, query_date, config.is_math());
    let letter = |slot| match slot {
        Slot::Missing => "-",
        Slot::Breaching => "X",
        Slot::NotBreaching => "0",
    };
    let points = config.watched.read(&subject.world.metrics, Grid::Even(slots));
    let of = |point| letter(Slot::of(point, config.comparison, config.threshold));
    Ok(json!(points.iter().map(of).collect::<Vec<_>>()))
}
