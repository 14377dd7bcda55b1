//! Step adjustments: which ranges are allowed, and which one a breach falls into. Start at [`choose_step`].
//!
//! Source: Amazon EC2 Auto Scaling User Guide, "Step and simple scaling policies", step adjustments.

use serde::{Deserialize, Serialize};

use crate::engine::Refusal;

/// The most steps that one policy may have. AWS's quota.
pub const MAX_STEPS: usize = 20;

/// A range of distances from the threshold, and the adjustment for it. An absent bound is infinity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    pub adjustment: i32,
}

/// A metric value beside the threshold that it was held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breach {
    pub value: f64,
    pub threshold: f64,
    /// Whether the alarm looks for values above its threshold, which decides at the threshold itself. AWS does not
    /// document that point.
    pub alarm_above: bool,
}

impl Breach {
    /// A value that no alarm stands behind, as in ExecutePolicy.
    pub fn reported(value: f64, threshold: f64) -> Self {
        Self { value, threshold, alarm_above: value >= threshold }
    }
}

/// The step that `breach` falls into. Above the threshold a lower bound belongs to its step, below it an upper bound.
pub fn choose_step(steps: &[Step], breach: Breach) -> Option<&Step> {
    let distance = breach.value - breach.threshold;
    let above = distance > 0.0 || (distance == 0.0 && breach.alarm_above);
    steps.iter().find(|step| {
        let (lower, upper) = (step.lower.unwrap_or(f64::NEG_INFINITY), step.upper.unwrap_or(f64::INFINITY));
        if above { lower <= distance && distance < upper } else { lower < distance && distance <= upper }
    })
}

/// # Errors
/// `ValidationError` naming the first rule that the ranges break.
pub fn check_steps(steps: &[Step]) -> Result<(), Refusal> {
    match first_broken_rule(steps) {
        None => Ok(()),
        Some(rule) => Err(Refusal::validation(rule)),
    }
}

fn first_broken_rule(steps: &[Step]) -> Option<String> {
    if steps.is_empty() {
        return Some("You must specify at least one StepAdjustment for a StepScaling policy".into());
    }
    if steps.len() > MAX_STEPS {
        return Some(format!("At most {MAX_STEPS} step adjustments are allowed per policy"));
    }
    if steps.iter().any(|step| step.lower.is_none() && step.upper.is_none()) {
        return Some("MetricIntervalLowerBound and MetricIntervalUpperBound cannot both be null".into());
    }
    if steps.iter().any(|step| matches!((step.lower, step.upper), (Some(lower), Some(upper)) if lower >= upper)) {
        return Some("MetricIntervalLowerBound must be less than MetricIntervalUpperBound".into());
    }
    if steps.iter().filter(|step| step.lower.is_none()).count() > 1 {
        return Some("At most one step adjustment can have a null MetricIntervalLowerBound".into());
    }
    if steps.iter().filter(|step| step.upper.is_none()).count() > 1 {
        return Some("At most one step adjustment can have a null MetricIntervalUpperBound".into());
    }
    broken_sequence(steps)
}

fn broken_sequence(steps: &[Step]) -> Option<String> {
    let lower = |step: &Step| step.lower.unwrap_or(f64::NEG_INFINITY);
    let upper = |step: &Step| step.upper.unwrap_or(f64::INFINITY);
    let mut sorted = steps.to_vec();
    sorted.sort_by(|a, b| lower(a).total_cmp(&lower(b)));
    for pair in sorted.windows(2) {
        if upper(&pair[0]) > lower(&pair[1]) {
            return Some("StepAdjustment ranges cannot overlap".into());
        }
        if upper(&pair[0]) < lower(&pair[1]) {
            return Some("There must be no gap between StepAdjustment ranges".into());
        }
    }
    let (first, last) = (sorted.first()?, sorted.last()?);
    if first.lower.is_some_and(|bound| bound < 0.0) {
        return Some(
            "With a negative MetricIntervalLowerBound, one step adjustment must have a null lower bound".into(),
        );
    }
    if last.upper.is_some_and(|bound| bound > 0.0) {
        return Some(
            "With a positive MetricIntervalUpperBound, one step adjustment must have a null upper bound".into(),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(lower: Option<f64>, upper: Option<f64>) -> Step {
        Step { lower, upper, adjustment: 1 }
    }

    #[test]
    fn ranges_follow_the_documented_rules() {
        let check = |steps: &[(Option<f64>, Option<f64>)], broken: Option<&str>| {
            let steps: Vec<Step> = steps.iter().map(|(lower, upper)| step(*lower, *upper)).collect();
            let answer = check_steps(&steps).err().map(|refusal| refusal.message);
            match broken {
                None => assert_eq!(answer, None, "{steps:?}"),
                Some(word) => {
                    assert!(answer.as_deref().is_some_and(|text| text.contains(word)), "{answer:?} for {steps:?}")
                }
            }
        };
        check(&[(Some(0.0), Some(10.0)), (Some(10.0), None)], None);
        check(&[(None, Some(-20.0)), (Some(-20.0), Some(-10.0)), (Some(-10.0), Some(0.0))], None);
        check(&[(Some(10.0), Some(20.0)), (Some(20.0), None)], None);
        check(&[(None, Some(-10.0)), (Some(-10.0), Some(10.0)), (Some(10.0), None)], None);
        check(&[], Some("at least one"));
        check(&[(None, None)], Some("both be null"));
        check(&[(Some(5.0), Some(5.0))], Some("less than"));
        check(&[(Some(0.0), Some(10.0)), (Some(5.0), None)], Some("overlap"));
        check(&[(Some(0.0), Some(10.0)), (Some(12.0), None)], Some("gap"));
        check(&[(Some(0.0), None), (Some(10.0), None)], Some("null MetricIntervalUpperBound"));
        check(&[(None, Some(-10.0)), (None, Some(0.0))], Some("null MetricIntervalLowerBound"));
        check(&[(Some(-20.0), Some(-10.0)), (Some(-10.0), Some(0.0))], Some("negative"));
        check(&[(Some(0.0), Some(10.0)), (Some(10.0), Some(20.0))], Some("positive"));
        check(&vec![(Some(0.0), None); 21], Some("At most 20"));
    }

    #[test]
    fn a_bound_belongs_to_the_step_farther_from_the_threshold() {
        let out = [step(Some(0.0), Some(10.0)), step(Some(10.0), None)];
        let within = [step(Some(-10.0), Some(0.0)), step(None, Some(-10.0))];
        let chosen = |steps: &[Step], value: f64, alarm_above: bool| {
            let breach = Breach { value, threshold: 50.0, alarm_above };
            choose_step(steps, breach).and_then(|chosen| steps.iter().position(|step| step == chosen))
        };
        assert_eq!(chosen(&out, 59.999, true), Some(0));
        assert_eq!(chosen(&out, 60.0, true), Some(1));
        assert_eq!(chosen(&within, 40.001, false), Some(0));
        assert_eq!(chosen(&within, 40.0, false), Some(1));
        // At the threshold the alarm's side decides.
        assert_eq!(chosen(&out, 50.0, true), Some(0));
        assert_eq!(chosen(&within, 50.0, false), Some(0));
        assert_eq!(chosen(&within, 55.0, false), None);
    }
}
