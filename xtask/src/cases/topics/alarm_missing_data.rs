//! `alarm-missing-data`: what an evaluation range comes to, range by range.

use std::collections::BTreeSet;

use scaleproof::engine::alarms::AlarmState;
use scaleproof::engine::alarms::evaluate::{Action, Decision, Rule, Slot, evaluate};
use scaleproof::engine::alarms::window::evaluation_range;
use serde_json::{Map, Value};

use super::alarm::{prior_state, treatment};
use crate::cases::case::Case;
use crate::cases::failure::Failure;

const PERIOD_SECS: u32 = 60;

pub fn check(case: &Case) -> Result<(), Failure> {
    let rule = rule(case)?;
    let newest_first = match case.given.opt_str("order")? {
        None | Some("oldest-first") => false,
        Some("newest-first") => true,
        Some(other) => return Err(format!("given.order is not known: {other}").into()),
    };
    let range = |value: &Value| range(value, newest_first);
    if let Some(sequence) = case.given.opt_list("sequence")? {
        let ranges: Vec<Vec<Slot>> = sequence.iter().map(range).collect::<Result<_, _>>()?;
        let states = states(&ranges, rule, prior_state(&case.given)?);
        return case.expect_eq("states", states.iter().map(|state| state.as_str()).collect::<Vec<_>>());
    }
    if case.given.has("breaching_periods") {
        return check_periods(case, rule);
    }
    let before = prior_state(&case.given)?;
    let decision = evaluate(&range(case.given.value("evaluation_range")?)?, rule);
    let state = after(&decision, before);
    case.expect_if("state", state.as_str())?;
    case.expect_if("datapoints_to_fill", decision.filled)?;
    case.expect_if("retained", decision.action == Action::Keep)?;
    match case.expect.opt_str("state_is_not")? {
        Some(other) if other == state.as_str() => Err(format!("the state is {other}").into()),
        _ => Ok(()),
    }
}

/// Periods counted from 1, of which some breach and some are missing; the rest is there and does not breach.
fn check_periods(case: &Case, rule: Rule) -> Result<(), Failure> {
    let numbers = |name: &str| -> Result<BTreeSet<u64>, Failure> {
        Ok(case.given.opt_list(name)?.unwrap_or_default().iter().filter_map(Value::as_u64).collect())
    };
    let (breaching, missing) = (numbers("breaching_periods")?, numbers("missing")?);
    // The figure's threshold is what its curve crosses; the periods in which it does are given.
    case.given.skip("threshold");
    let slot = |period: i64| match u64::try_from(period).unwrap_or(0) {
        0 => Slot::Missing,
        period if missing.contains(&period) => Slot::Missing,
        period if breaching.contains(&period) => Slot::Breaching,
        _ => Slot::NotBreaching,
    };
    let width = i64::from(evaluation_range(PERIOD_SECS, rule.evaluation_periods));
    let periods = case.given.i64("periods")?;
    let ranges: Vec<Vec<Slot>> = (1..=periods).map(|last| (last - width + 1..=last).map(slot).collect()).collect();
    let states = states(&ranges, rule, prior_state(&case.given)?);
    let mut got = Map::new();
    for period in case.expect.object("state_after_period")?.keys() {
        let at = period.parse::<usize>().ok().and_then(|period| states.get(period.checked_sub(1)?));
        got.insert(period.clone(), at.map(|state| state.as_str()).into());
    }
    case.expect_eq("state_after_period", got)
}

fn rule(case: &Case) -> Result<Rule, Failure> {
    let evaluation_periods = case.given.u32("evaluation_periods")?;
    let datapoints_to_alarm = case.given.opt_u32("datapoints_to_alarm")?.unwrap_or(evaluation_periods);
    Ok(Rule { evaluation_periods, datapoints_to_alarm, treat_missing_data: treatment(&case.given)? })
}

fn range(value: &Value, newest_first: bool) -> Result<Vec<Slot>, Failure> {
    let slot = |word: &Value| match word.as_str() {
        Some("-") => Ok(Slot::Missing),
        Some("X") => Ok(Slot::Breaching),
        Some("0") => Ok(Slot::NotBreaching),
        _ => Err(format!("{word} is no slot")),
    };
    let mut range = value.as_array().into_iter().flatten().map(slot).collect::<Result<Vec<_>, _>>()?;
    if newest_first {
        range.reverse();
    }
    Ok(range)
}

fn after(decision: &Decision, before: AlarmState) -> AlarmState {
    match decision.action {
        Action::Keep => before,
        Action::SetState(state) => state,
    }
}

/// The state after each range, one evaluation after the other.
fn states(ranges: &[Vec<Slot>], rule: Rule, prior: AlarmState) -> Vec<AlarmState> {
    let mut state = prior;
    let mut next = |range: &Vec<Slot>| {
        state = after(&evaluate(range, rule), state);
        state
    };
    ranges.iter().map(&mut next).collect()
}
