//! One alarm between its evaluations: its state, and when it has to do something. Start at [`Alarm`].

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::config::{AlarmState, Comparison, LowSamples, MetricAlarm};
use super::evaluate::{Action, Because, Decision, Rule, Slot, considered, evaluate};
use super::history::{Change, StateSummary};
use super::window::{Cadence, EvaluationClock, slots};
use super::{AlarmSnapshot, Firing, Tags, message, reason, shared};
use crate::clock::Timestamp;
use crate::engine::metrics::{MetricId, Metrics, Point, Statistic};
use crate::engine::names::Place;

/// How often an Auto Scaling action is invoked while the state lasts.
///
/// Source: CloudWatch User Guide, "Alarm actions".
const REPEATED_EVERY: Duration = Duration::from_secs(60);

/// A metric alarm and the state it is in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Alarm {
    #[serde(with = "shared")]
    pub config: Arc<MetricAlarm>,
    pub arn: String,
    pub tags: Tags,
    pub configuration_updated_at: Timestamp,
    pub state: StateSummary,
    pub state_updated_at: Timestamp,
    /// The newest data point of the last evaluation that found one.
    pub newest_value: Option<f64>,
    clock: EvaluationClock,
    next_evaluation: Timestamp,
    /// When Auto Scaling actions are invoked again, if the state has any.
    next_repetition: Option<Timestamp>,
    /// Found at the first evaluation with data, so that later ones need not search.
    #[serde(skip)]
    metric: Option<MetricId>,
    /// Made at the first evaluation of a configuration.
    #[serde(skip)]
    plan: Option<Plan>,
}

impl Alarm {
    pub(super) fn new(now: Timestamp, config: MetricAlarm, tags: Tags, place: &Place, seed: u64) -> Self {
        let clock = evaluation_clock(&config, seed);
        let reason = reason::INITIAL_REASON.to_string();
        Self {
            arn: place.arn("cloudwatch", &format!("alarm:{}", config.name)),
            tags,
            configuration_updated_at: now,
            state: StateSummary { value: AlarmState::InsufficientData, reason, reason_data: None },
            state_updated_at: now,
            newest_value: None,
            next_evaluation: clock.next_after(now),
            clock,
            next_repetition: None,
            metric: None,
            plan: None,
            config: Arc::new(config),
        }
    }

    /// Takes another configuration; the state stays what it is.
    pub(super) fn configure(&mut self, now: Timestamp, config: MetricAlarm, seed: u64) {
        self.clock = evaluation_clock(&config, seed);
        self.config = Arc::new(config);
        self.configuration_updated_at = now;
        self.next_evaluation = self.clock.next_after(now);
        self.metric = None;
        self.plan = None;
        self.schedule_repetition(self.next_repetition.unwrap_or(now + REPEATED_EVERY));
    }

    /// When it next has something to do.
    pub fn due(&self) -> Timestamp {
        self.next_repetition.map_or(self.next_evaluation, |repetition| repetition.min(self.next_evaluation))
    }

    /// Does what is due at `now`: evaluates, and runs the actions of a new state or repeats those of a lasting one.
    /// Returns the old and the new state when it changed.
    pub(super) fn run(
        &mut self,
        now: Timestamp,
        metrics: &Metrics,
        points: &mut Vec<Point>,
        firings: &mut Vec<Firing>,
    ) -> Option<(StateSummary, StateSummary)> {
        if self.next_evaluation <= now {
            self.next_evaluation = self.clock.next_after(now);
            if let Some(new) = self.evaluate(now, metrics, points) {
                return Some(self.change_state(now, new, firings));
            }
        }
        if self.next_repetition.is_some_and(|repetition| repetition <= now) {
            self.fire(self.state.value, is_repeated, firings);
            self.schedule_repetition(now + REPEATED_EVERY);
        }
        None
    }

    /// The state that the data ask for, if it is another one.
    fn evaluate(&mut self, now: Timestamp, metrics: &Metrics, points: &mut Vec<Point>) -> Option<StateSummary> {
        let plan = *self.plan.get_or_insert_with(|| Plan::of(&self.config));
        self.fetch(&plan, now, metrics, points);
        if let Some(value) = points.iter().rev().find_map(|point| point.value) {
            self.newest_value = Some(value);
        }
        let decision = plan.decide(points);
        match decision.action {
            Action::SetState(value) if value != self.state.value => {
                let explanation = reason::explain(&self.config, points, &decision, value, now);
                let (reason, reason_data) = (explanation.reason, Some(explanation.reason_data));
                Some(StateSummary { value, reason, reason_data })
            }
            _ => None,
        }
    }

    fn fetch(&mut self, plan: &Plan, now: Timestamp, metrics: &Metrics, points: &mut Vec<Point>) {
        let slots = slots(plan.period_secs, plan.rule.evaluation_periods, now);
        self.metric = self.metric.or_else(|| metrics.find(&self.config.metric.key));
        match self.metric {
            Some(id) => metrics.read(id, self.config.metric.unit.as_deref(), plan.statistic, slots, points),
            None => {
                points.clear();
                points.extend(slots.starts().map(|start| Point { start, value: None, sample_count: 0.0 }));
            }
        }
    }

    /// Goes to another state and runs its actions. Returns the old state and the new one.
    pub(super) fn change_state(
        &mut self,
        now: Timestamp,
        new: StateSummary,
        firings: &mut Vec<Firing>,
    ) -> (StateSummary, StateSummary) {
        let old = std::mem::replace(&mut self.state, new.clone());
        self.state_updated_at = now;
        self.fire(old.value, |_| true, firings);
        self.schedule_repetition(now + REPEATED_EVERY);
        (old, new)
    }

    fn fire(&self, old_state: AlarmState, wanted: fn(&str) -> bool, firings: &mut Vec<Firing>) {
        if !self.config.actions_enabled {
            return;
        }
        for arn in self.config.actions(self.state.value).iter().filter(|arn| wanted(arn)) {
            firings.push(Firing { action_arn: arn.clone(), alarm: self.snapshot(old_state) });
        }
    }

    fn schedule_repetition(&mut self, at: Timestamp) {
        let config = &self.config;
        let repeats = config.actions_enabled && config.actions(self.state.value).iter().any(|arn| is_repeated(arn));
        self.next_repetition = repeats.then_some(at);
    }

    fn snapshot(&self, old_state: AlarmState) -> AlarmSnapshot {
        AlarmSnapshot {
            config: Arc::clone(&self.config),
            arn: self.arn.clone(),
            old_state,
            new_state: self.state.value,
            reason: self.state.reason.clone(),
            state_changed_at: self.state_updated_at,
            configuration_updated_at: self.configuration_updated_at,
            newest_value: self.newest_value,
        }
    }
}

/// What an evaluation has to know of a configuration, side by side in memory.
#[derive(Debug, Clone, Copy)]
struct Plan {
    rule: Rule,
    comparison: Comparison,
    threshold: f64,
    statistic: Statistic,
    period_secs: u32,
    /// Fewer samples than this decide nothing: a percentile with `EvaluateLowSampleCountPercentile` set to `ignore`.
    least_samples: Option<f64>,
}

impl Plan {
    fn of(config: &MetricAlarm) -> Self {
        let ignores = config.evaluate_low_sample_count_percentile == Some(LowSamples::Ignore);
        let rule = Rule {
            evaluation_periods: config.evaluation_periods,
            datapoints_to_alarm: config.effective_datapoints_to_alarm(),
            treat_missing_data: config.effective_treat_missing_data(),
        };
        Self {
            rule,
            comparison: config.comparison,
            threshold: config.threshold,
            statistic: config.metric.statistic,
            period_secs: config.metric.period_secs,
            least_samples: config.metric.statistic.low_sample_count().filter(|_| ignores),
        }
    }

    fn decide(&self, points: &[Point]) -> Decision {
        let periods = self.rule.evaluation_periods;
        if self.least_samples.is_some_and(|least| considered(points, periods).any(|p| p.sample_count < least)) {
            let real = points.iter().filter(|point| point.value.is_some()).count() as u32;
            let filled = periods.saturating_sub(real);
            return Decision { action: Action::Keep, because: Because::TooFewSamples, filled };
        }
        let slot = |point: &Point| Slot::of(point, self.comparison, self.threshold);
        match points.len() {
            // Nearly all alarms look at a few slots only; those need no memory of their own.
            count @ ..=16 => {
                let mut range = [Slot::Missing; 16];
                range.iter_mut().zip(points).for_each(|(to, point)| *to = slot(point));
                evaluate(&range[..count], self.rule)
            }
            _ => evaluate(&points.iter().map(slot).collect::<Vec<_>>(), self.rule),
        }
    }
}

/// The decision on an evaluation range, oldest point first.
pub fn decide(config: &MetricAlarm, points: &[Point]) -> Decision {
    Plan::of(config).decide(points)
}

fn is_repeated(arn: &str) -> bool {
    arn.split(':').nth(2) == Some("autoscaling")
}

fn evaluation_clock(config: &MetricAlarm, seed: u64) -> EvaluationClock {
    let cadence = Cadence::of(config.metric.period_secs, config.evaluation_periods);
    EvaluationClock::new(cadence, seed, &config.name)
}

/// The history's document about a change of configuration, with AWS's keys.
pub(super) fn configuration_document(alarm: &Alarm, change: Change) -> String {
    let (config, stat) = (&alarm.config, &alarm.config.metric);
    let mut about = json!({
        "alarmName": config.name,
        "alarmDescription": config.description,
        "alarmArn": alarm.arn,
        "alarmConfigurationUpdatedTimestamp": alarm.configuration_updated_at.cloudwatch_millis(),
        "namespace": stat.key.namespace,
        "metricName": stat.key.name,
        "statistic": stat.statistic,
        "period": stat.period_secs,
        "dimensions": message::dimensions(config),
        "unit": stat.unit,
        "threshold": config.threshold,
        "comparisonOperator": config.comparison,
        "evaluationPeriods": config.evaluation_periods,
        "datapointsToAlarm": config.datapoints_to_alarm,
        "treatMissingData": config.treat_missing_data,
        "evaluateLowSampleCountPercentile": config.evaluate_low_sample_count_percentile,
        "stateValue": alarm.state.value,
        "stateUpdatedTimestamp": alarm.state_updated_at.cloudwatch_millis(),
        "actionsEnabled": config.actions_enabled,
        "alarmActions": config.alarm_actions,
        "insufficientDataActions": config.insufficient_data_actions,
        "okactions": config.ok_actions,
    });
    if let Some(members) = about.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    let (kind, member) = match change {
        Change::Created => ("Create", "createdAlarm"),
        Change::Updated => ("Update", "updatedAlarm"),
        Change::Deleted => ("Delete", "deletedAlarm"),
    };
    json!({ "version": "1.0", "type": kind, member: about }).to_string()
}
