//! What a step policy has to be told when nobody but a drill says that its alarm went off. Start at [`Told`].
//!
//! A step policy answers by how far the metric lies from the threshold. CloudWatch tells it with the alarm's data points;
//! SetAlarmState has none, and AWS asks for them in StateReasonData, "to enable the policy to take the correct action" (API
//! reference, SetAlarmState). The form is the one that CloudWatch itself writes. The metric is not touched: a data point
//! that was put once cannot be removed, and a drill leaves nothing behind.

use serde_json::json;

use super::evidence::Direction;
use crate::aws::{MetricAlarm, Policy, StepAdjustment};
use crate::clock::Timestamp;

/// A value of the metric for which a step policy moves the group the wanted way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Told {
    pub value: f64,
    /// How many instances that adds, or removes when negative, for a group of the given size.
    pub change: i64,
}

impl Told {
    /// In the step nearest to the threshold that the alarm can reach and that changes the group the wanted way; `None` if
    /// there is no such step, so that no breach of this alarm moves the group that way.
    pub fn nearest(policy: &Policy, alarm: &MetricAlarm, direction: Direction, capacity: u32) -> Option<Self> {
        let above = alarm.comparison.starts_with("GreaterThan");
        let told = policy.steps.iter().filter_map(|step| {
            let distance = inside(step, above, alarm.threshold)?;
            let change = change_of(step, &policy.adjustment_type, capacity);
            let fits = match direction {
                Direction::Out => change > 0,
                Direction::In => change < 0,
            };
            fits.then_some((distance, change))
        });
        let (distance, change) = told.min_by(|a, b| a.0.abs().total_cmp(&b.0.abs()))?;
        Some(Self { value: alarm.threshold + distance, change })
    }

    /// StateReasonData as CloudWatch writes it (recorded), with as many data points as make the alarm go off.
    pub fn reason_data(self, alarm: &MetricAlarm, now: Timestamp) -> String {
        let points = vec![self.value; alarm.datapoints_to_alarm.clamp(1, MOST_POINTS) as usize];
        let start = now - alarm.period * alarm.datapoints_to_alarm.max(1);
        json!({
            "version": "1.0",
            "queryDate": now.cloudwatch_millis(),
            "startDate": start.cloudwatch_millis(),
            "statistic": alarm.statistic,
            "period": alarm.period.as_secs(),
            "recentDatapoints": points,
            "threshold": alarm.threshold,
        })
        .to_string()
    }
}

/// StateReasonData takes 4000 characters.
const MOST_POINTS: u32 = 100;

/// A distance from the threshold in the middle of what the step and the alarm's side of the threshold have in common.
fn inside(step: &StepAdjustment, above: bool, threshold: f64) -> Option<f64> {
    let (mut lower, mut upper) = (step.lower_bound, step.upper_bound);
    if above {
        lower = Some(lower.unwrap_or(0.0).max(0.0));
    } else {
        upper = Some(upper.unwrap_or(0.0).min(0.0));
    }
    // Where a side is open, a tenth of the threshold is well inside.
    let reach = (threshold.abs() / 10.0).max(1.0);
    match (lower, upper) {
        (Some(lower), Some(upper)) => (lower < upper).then(|| f64::midpoint(lower, upper)),
        (Some(lower), None) => Some(lower + reach),
        (None, Some(upper)) => Some(upper - reach),
        (None, None) => None,
    }
}

/// A share of less than one instance counts as one (User Guide, "Scaling adjustment types").
fn change_of(step: &StepAdjustment, adjustment_type: &str, capacity: u32) -> i64 {
    let adjustment = i64::from(step.adjustment);
    match adjustment_type {
        "ExactCapacity" => adjustment - i64::from(capacity),
        "PercentChangeInCapacity" if adjustment != 0 => {
            let share = adjustment * i64::from(capacity) / 100;
            if share == 0 { adjustment.signum() } else { share }
        }
        _ => adjustment,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn alarm(comparison: &str, threshold: f64) -> MetricAlarm {
        MetricAlarm {
            comparison: comparison.into(),
            threshold,
            datapoints_to_alarm: 2,
            period: Duration::from_secs(60),
            statistic: "Average".into(),
            ..MetricAlarm::default()
        }
    }

    fn policy(adjustment_type: &str, steps: &[(Option<f64>, Option<f64>, i32)]) -> Policy {
        let step = |(lower_bound, upper_bound, adjustment): &(Option<f64>, Option<f64>, i32)| StepAdjustment {
            lower_bound: *lower_bound,
            upper_bound: *upper_bound,
            adjustment: *adjustment,
        };
        Policy {
            name: "p".into(),
            arn: "arn".into(),
            policy_type: "StepScaling".into(),
            scaling_adjustment: None,
            adjustment_type: adjustment_type.into(),
            steps: steps.iter().map(step).collect(),
            cooldown: None,
            estimated_instance_warmup: None,
            enabled: true,
        }
    }

    /// Bounds are distances from the threshold (User Guide, "Step adjustments for step scaling").
    #[test]
    fn a_drill_tells_of_the_nearest_step_that_moves_the_group_its_way() {
        let (up, down) = ("GreaterThanOrEqualToThreshold", "LessThanThreshold");
        let ladder: &[_] = &[(Some(15.0), Some(30.0), 2), (Some(0.0), Some(15.0), 1), (Some(30.0), None, 4)];
        for (steps, kind, comparison, direction, told) in [
            (ladder, "ChangeInCapacity", up, Direction::Out, Some((67.5, 1))),
            (&[(Some(20.0), None, 2)], "ChangeInCapacity", up, Direction::Out, Some((86.0, 2))),
            // Nothing near the threshold: the first step that does something.
            (
                &[(Some(0.0), Some(9.0), 0), (Some(9.0), None, 3)],
                "ChangeInCapacity",
                up,
                Direction::Out,
                Some((75.0, 3)),
            ),
            (&[(None, Some(0.0), -10)], "PercentChangeInCapacity", down, Direction::In, Some((54.0, -1))),
            (&[(None, Some(0.0), -50)], "PercentChangeInCapacity", down, Direction::In, Some((54.0, -2))),
            (&[(Some(0.0), None, 2)], "ExactCapacity", up, Direction::In, Some((66.0, -2))),
            // Only its own half of a step across the threshold is where the alarm goes off.
            (&[(Some(-10.0), Some(20.0), 1)], "ChangeInCapacity", up, Direction::Out, Some((70.0, 1))),
            // The steps lie where the alarm is quiet.
            (&[(None, Some(0.0), 1)], "ChangeInCapacity", up, Direction::Out, None),
            (ladder, "ChangeInCapacity", up, Direction::In, None),
        ] {
            let found = Told::nearest(&policy(kind, steps), &alarm(comparison, 60.0), direction, 4);
            assert_eq!(found.map(|told| (told.value, told.change)), told, "{steps:?} {direction:?}");
        }
    }

    #[test]
    fn it_is_told_in_the_form_that_cloudwatch_writes() {
        let told = Told { value: 67.5, change: 1 };
        let data = told.reason_data(&alarm("GreaterThanThreshold", 60.0), Timestamp::from_secs(1_789_000_000));
        let data: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert_eq!(data["recentDatapoints"], json!([67.5, 67.5]));
        assert_eq!((&data["version"], &data["threshold"], &data["period"]), (&json!("1.0"), &json!(60.0), &json!(60)));
        assert_eq!(data["startDate"], "2026-09-10T00:24:40.000+0000");
    }
}
