//! When an alarm changes its state: the rule for M out of N data points, some of which may be missing.
//! Start at [`evaluate`]; leaves out where the data points come from ([`super::window`]) and what is said about them
//! ([`super::reason`]).

use super::config::{AlarmState, Comparison, TreatMissingData};
use crate::engine::metrics::Point;

/// One slot of the evaluation range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    Missing,
    Breaching,
    NotBreaching,
}

impl Slot {
    pub fn of(point: &Point, comparison: Comparison, threshold: f64) -> Self {
        Self::of_value(point.value, comparison, threshold)
    }

    pub fn of_value(value: Option<f64>, comparison: Comparison, threshold: f64) -> Self {
        match value {
            None => Self::Missing,
            Some(value) if comparison.breaches(value, threshold) => Self::Breaching,
            Some(_) => Self::NotBreaching,
        }
    }
}

/// What an alarm's configuration says about the evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub evaluation_periods: u32,
    pub datapoints_to_alarm: u32,
    pub treat_missing_data: TreatMissingData,
}

/// What an evaluation comes to. The same range always gives the same decision, whatever the state before.
#[must_use = "a decision nobody reads cannot be explained later"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    pub action: Action,
    pub because: Because,
    /// How many of the evaluation periods had no data point, even in the wider range.
    pub filled: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Keep the state, whatever it is.
    Keep,
    SetState(AlarmState),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// No data point in the whole range: the treatment of missing data decides alone.
    NoData,
    /// So many of the last `evaluation_periods` data points breach; missing ones count as the treatment says.
    Breaching { datapoints: u32 },
    /// Only breaching data points, too few and too recent: the missing ones may yet arrive and not breach.
    Premature,
    /// Only breaching data points, too few, and missing data are to be ignored.
    Ignored,
    /// The percentile of too few samples is not to be trusted.
    TooFewSamples,
}

/// Decides about an evaluation range, oldest slot first.
///
/// The range is wider than `evaluation_periods`; older data points fill the gaps of missing ones. When there are still too
/// few, the treatment of missing data fills the rest, except that an alarm with `missing` does not go to ALARM while its
/// oldest breaching data point is younger than `datapoints_to_alarm` slots.
///
/// Source: CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing data". The rule of the age is
/// inferred: it is the one that gives all 40 cells of that page's tables and all recorded evaluations.
pub fn evaluate(range: &[Slot], rule: Rule) -> Decision {
    let (mut real, mut breaching) = (0, 0);
    for slot in range.iter().rev() {
        // What is older than it takes does not count.
        if real == rule.evaluation_periods {
            break;
        }
        real += u32::from(*slot != Slot::Missing);
        breaching += u32::from(*slot == Slot::Breaching);
    }
    let filled = rule.evaluation_periods - real;
    let (action, because) = match real {
        0 => (without_data(rule.treat_missing_data), Because::NoData),
        _ if filled == 0 => threshold_crossed(breaching, rule),
        _ => match rule.treat_missing_data {
            TreatMissingData::Breaching => threshold_crossed(breaching + filled, rule),
            TreatMissingData::NotBreaching => threshold_crossed(breaching, rule),
            _ if breaching >= rule.datapoints_to_alarm || breaching < real => threshold_crossed(breaching, rule),
            _ => only_breaching(range, breaching, rule),
        },
    };
    Decision { action, because, filled }
}

fn without_data(treatment: TreatMissingData) -> Action {
    match treatment {
        TreatMissingData::Missing => Action::SetState(AlarmState::InsufficientData),
        TreatMissingData::Ignore => Action::Keep,
        TreatMissingData::Breaching => Action::SetState(AlarmState::Alarm),
        TreatMissingData::NotBreaching => Action::SetState(AlarmState::Ok),
    }
}

fn threshold_crossed(datapoints: u32, rule: Rule) -> (Action, Because) {
    let state = if datapoints >= rule.datapoints_to_alarm { AlarmState::Alarm } else { AlarmState::Ok };
    (Action::SetState(state), Because::Breaching { datapoints })
}

fn only_breaching(range: &[Slot], datapoints: u32, rule: Rule) -> (Action, Because) {
    let oldest = range.iter().position(|slot| *slot == Slot::Breaching).unwrap_or(range.len());
    let age = (range.len() - oldest) as u32;
    match rule.treat_missing_data {
        _ if age < rule.datapoints_to_alarm => (Action::Keep, Because::Premature),
        TreatMissingData::Ignore => (Action::Keep, Because::Ignored),
        _ => (Action::SetState(AlarmState::Alarm), Because::Breaching { datapoints }),
    }
}

/// The data points that the decision rests on, newest first: the newest `evaluation_periods` that are there.
pub fn considered(points: &[Point], evaluation_periods: u32) -> impl Iterator<Item = &Point> {
    points.iter().rev().filter(|point| point.value.is_some()).take(evaluation_periods as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::TreatMissingData::{Breaching, Ignore, Missing, NotBreaching};
    use super::*;

    fn parse(range: &str) -> Vec<Slot> {
        let slot = |word| match word {
            "-" => Slot::Missing,
            "X" => Slot::Breaching,
            "0" => Slot::NotBreaching,
            other => panic!("`{other}` is no slot"),
        };
        range.split_whitespace().map(slot).collect()
    }

    /// The state after, `keep` for none.
    fn outcome(range: &str, (m, n): (u32, u32), treat_missing_data: TreatMissingData) -> (&'static str, u32) {
        let rule = Rule { evaluation_periods: n, datapoints_to_alarm: m, treat_missing_data };
        let decision = evaluate(&parse(range), rule);
        let state = match decision.action {
            Action::Keep => "keep",
            Action::SetState(state) => state.as_str(),
        };
        (state, decision.filled)
    }

    /// One row: range, filled, then the outcome for missing, ignore, breaching, notBreaching.
    fn check(m_of_n: (u32, u32), rows: &[(&str, u32, [&str; 4])]) {
        for (range, filled, states) in rows {
            for (treatment, state) in [Missing, Ignore, Breaching, NotBreaching].into_iter().zip(states) {
                assert_eq!(outcome(range, m_of_n, treatment), (*state, *filled), "{range} {m_of_n:?} {treatment}");
            }
        }
    }

    /// Source: CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing data", both tables.
    #[test]
    fn the_documented_tables_hold() {
        let insufficient = "INSUFFICIENT_DATA";
        check(
            (3, 3),
            &[
                ("0 - X - X", 0, ["OK", "OK", "OK", "OK"]),
                ("0 - - - -", 2, ["OK", "OK", "OK", "OK"]),
                ("- - - - -", 3, [insufficient, "keep", "ALARM", "OK"]),
                ("0 X X - X", 0, ["ALARM", "ALARM", "ALARM", "ALARM"]),
                ("- - X - -", 2, ["ALARM", "keep", "ALARM", "OK"]),
            ],
        );
        check(
            (2, 3),
            &[
                ("0 - X - X", 0, ["ALARM", "ALARM", "ALARM", "ALARM"]),
                ("0 0 X 0 X", 0, ["ALARM", "ALARM", "ALARM", "ALARM"]),
                ("0 - X - -", 1, ["OK", "OK", "ALARM", "OK"]),
                ("- - - - 0", 2, ["OK", "OK", "ALARM", "OK"]),
                ("- - - X -", 2, ["ALARM", "keep", "ALARM", "OK"]),
            ],
        );
    }

    /// Source: the same page, "Avoiding premature transitions to alarm state".
    #[test]
    fn young_breaching_data_alone_do_not_alarm() {
        for (range, state) in [("- - - - X", "keep"), ("- - - X -", "keep"), ("- - X - -", "ALARM")] {
            assert_eq!(outcome(range, (3, 3), Missing).0, state, "{range}");
        }
    }

    /// Ranges recorded from AWS: 10 s alarms, three periods, a range of nine slots.
    #[test]
    fn recorded_evaluations_hold() {
        for (range, m, treatment, state) in [
            ("- - - - - - X 0 X", 2, Missing, "ALARM"),
            ("- - - - - - X - -", 3, Missing, "ALARM"),
            ("- - - - - - - - -", 3, Missing, "INSUFFICIENT_DATA"),
            ("- - - - - 0 - X -", 3, Missing, "OK"),
            ("- X - X - - - - -", 3, Missing, "ALARM"),
            ("- - - - - - - - 0", 3, Breaching, "OK"),
            ("- - - - - - - - 0", 2, Missing, "OK"),
            ("- - - - - - - - -", 3, Breaching, "ALARM"),
        ] {
            assert_eq!(outcome(range, (m, 3), treatment).0, state, "{range} {m} {treatment}");
        }
    }

    fn slots(with_missing: bool) -> impl Strategy<Value = Vec<Slot>> {
        let slot = match with_missing {
            true => prop_oneof![Just(Slot::Missing), Just(Slot::Breaching), Just(Slot::NotBreaching)].boxed(),
            false => prop_oneof![Just(Slot::Breaching), Just(Slot::NotBreaching)].boxed(),
        };
        proptest::collection::vec(slot, 3..12)
    }

    fn treatments() -> impl Strategy<Value = TreatMissingData> {
        proptest::sample::select(TreatMissingData::ALL)
    }

    proptest! {
        /// With all data there, the naive reading of M out of N is the whole rule.
        #[test]
        fn m_of_n_without_gaps(range in slots(false), n in 1_u32..=10, m in 1_u32..=10, treatment in treatments()) {
            let n = n.min(range.len() as u32 - 2);
            let m = m.min(n);
            let breaching = range[range.len() - n as usize..].iter().filter(|s| **s == Slot::Breaching).count();
            let expected = if breaching >= m as usize { AlarmState::Alarm } else { AlarmState::Ok };
            let rule = Rule { evaluation_periods: n, datapoints_to_alarm: m, treat_missing_data: treatment };
            prop_assert_eq!(evaluate(&range, rule).action, Action::SetState(expected));
        }

        /// Breaching and notBreaching are what they say: the missing slots written out.
        #[test]
        fn a_treatment_is_its_slots_written_out(range in slots(true), n in 1_u32..=6, m in 1_u32..=6) {
            let n = n.min(range.len() as u32 - 2);
            let m = m.min(n);
            for (treat_missing_data, filler) in [(Breaching, Slot::Breaching), (NotBreaching, Slot::NotBreaching)] {
                let real: Vec<Slot> = range.iter().copied().filter(|s| *s != Slot::Missing).collect();
                let mut written = vec![filler; (n as usize).saturating_sub(real.len())];
                written.extend(&real[real.len().saturating_sub(n as usize)..]);
                let rule = Rule { evaluation_periods: n, datapoints_to_alarm: m, treat_missing_data };
                prop_assert_eq!(evaluate(&range, rule).action, evaluate(&written, rule).action);
            }
        }

        /// No treatment makes an alarm of data that do not breach, and none but `ignore` keeps silent without data.
        #[test]
        fn data_that_do_not_breach_never_alarm(range in slots(true), n in 1_u32..=6, treatment in treatments()) {
            let range: Vec<Slot> =
                range.into_iter().map(|s| if s == Slot::Breaching { Slot::NotBreaching } else { s }).collect();
            prop_assume!(range.contains(&Slot::NotBreaching));
            let rule = Rule { evaluation_periods: n, datapoints_to_alarm: n, treat_missing_data: treatment };
            prop_assert_eq!(evaluate(&range, rule).action, Action::SetState(AlarmState::Ok));
        }
    }
}
