//! One alarm between its evaluations: its state, and when it has to do something. Start at [`Alarm`].

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::choices::REPEATED_EVERY;
use super::config::{AlarmState, Comparison, LowSamples, MetricAlarm, WarmUp, Watched};
use super::evaluate::{Action, Because, Decision, Rule, Slot, considered, evaluate};
use super::history::{Change, StateSummary};
use super::mute::{MuteRules, Muted};
use super::window::{Cadence, EvaluationClock, EvaluationWindow, complete_periods, evaluation_range, slots};
use super::{AlarmSnapshot, Firing, Subject, Tags, message, reason};
use crate::clock::Timestamp;
use crate::engine::metrics::{FEW_SLOTS, Grid, MetricId, Metrics, Point, Slots, Statistic, Totals};
use crate::engine::names::Place;
use crate::engine::shared;
use crate::engine::text::Text;

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
    /// Until then the alarm says nothing; `None` once it has warmed up.
    #[serde(default)]
    warming: Option<Warming>,
    /// An action that a mute rule keeps back.
    #[serde(default)]
    pub(super) muted: Option<Muted>,
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

/// A warm-up that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Warming {
    since: Timestamp,
    until: Timestamp,
    /// Data for a whole evaluation do not end it.
    whole: bool,
}

impl Warming {
    fn new(since: Timestamp, warm_up: WarmUp) -> Self {
        let length = Duration::from_secs(60 * u64::from(warm_up.minutes));
        Self { since, until: since + length, whole: warm_up.whole }
    }
}

impl Alarm {
    pub(super) fn new(now: Timestamp, config: MetricAlarm, tags: Tags, place: &Place, seed: u64) -> Self {
        let clock = evaluation_clock(&config, seed);
        let reason = reason::INITIAL_REASON.into();
        Self {
            arn: place.arn("cloudwatch", &format!("alarm:{}", config.name)),
            tags,
            configuration_updated_at: now,
            state: StateSummary { value: AlarmState::InsufficientData, reason, reason_data: None },
            state_updated_at: now,
            newest_value: None,
            warming: config.timing.warm_up.map(|warm_up| Warming::new(now, warm_up)),
            muted: None,
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
        self.rewarm(now, config.timing.warm_up);
        self.config = Arc::new(config);
        self.configuration_updated_at = now;
        self.next_evaluation = self.clock.next_after(now);
        self.metric = None;
        self.plan = None;
        self.schedule_repetition(self.next_repetition.unwrap_or(now + REPEATED_EVERY));
    }

    /// A warm-up that is over does not begin again; one that an alarm did not have before begins with the update.
    fn rewarm(&mut self, now: Timestamp, warm_up: Option<WarmUp>) {
        let had = self.config.timing.warm_up.is_some();
        self.warming = match (warm_up, self.warming) {
            (Some(warm_up), Some(warming)) => Some(Warming::new(warming.since, warm_up)),
            (Some(warm_up), None) if !had => Some(Warming::new(now, warm_up)),
            _ => None,
        };
    }

    /// When it next has something to do.
    pub fn due(&self) -> Timestamp {
        let due = self.next_repetition.map_or(self.next_evaluation, |repetition| repetition.min(self.next_evaluation));
        self.muted.map_or(due, |muted| muted.until.min(due))
    }

    /// Whether it still warms up, so that it neither is evaluated nor acts.
    pub fn is_warming_up(&self) -> bool {
        self.warming.is_some()
    }

    /// Does what is due at `now`: evaluates, and runs the actions of a new state or repeats those of a lasting one.
    /// Returns the old and the new state when it changed.
    pub(super) fn run(
        &mut self,
        now: Timestamp,
        metrics: &Metrics,
        points: &mut Vec<Point>,
        mutes: &MuteRules,
        firings: &mut Vec<Firing>,
    ) -> Option<(StateSummary, StateSummary)> {
        if self.next_evaluation <= now {
            self.next_evaluation = self.clock.next_after(now);
            if let Some(new) = self.evaluate(now, metrics, points) {
                return Some(self.change_state(now, new, mutes, firings));
            }
        }
        if self.next_repetition.is_some_and(|repetition| repetition <= now) {
            // A repetition that is muted is not made up for: the next one comes within a minute.
            if mutes.muted_until(&self.config.name, now).is_none() {
                self.fire(self.state.value, is_repeated, None, firings);
            }
            self.schedule_repetition(now + REPEATED_EVERY);
        }
        self.unmute(now, mutes, firings);
        None
    }

    /// Passes an evaluation at `now` that leaves the alarm as it is. `false`, and nothing is done, where [`Alarm::run`] has to
    /// see to it. Nearly all evaluations pass here, so this is what alarms spend their time on.
    pub(super) fn pass(&mut self, now: Timestamp, metrics: &Metrics, totals: &mut Vec<Totals>) -> bool {
        let (Some(plan), Some(metric)) = (&self.plan, self.metric) else { return false };
        let Some(back) = plan.plain_reach else { return false };
        let also_due = self.next_repetition.is_some_and(|repetition| repetition <= now);
        if self.next_evaluation != now || also_due || self.muted.is_some() || self.warming.is_some() {
            return false;
        }
        totals.clear();
        totals.resize(plan.slots as usize, Totals::default());
        let first = Timestamp::from_millis(now.as_millis() - back);
        metrics.totals(metric, None, Slots { first, period_secs: plan.period_secs, count: plan.slots }, totals);
        let mut range = [Slot::Missing; FEW_SLOTS];
        let mut newest = None;
        for (slot, totals) in range.iter_mut().zip(&*totals) {
            let value = plan.statistic.of_totals(totals);
            *slot = Slot::of_value(value, plan.comparison, plan.threshold);
            newest = value.or(newest);
        }
        let stays = match evaluate(&range[..totals.len()], plan.rule).action {
            Action::Keep => true,
            Action::SetState(value) => value == self.state.value,
        };
        if stays {
            self.newest_value = newest.or(self.newest_value);
            self.next_evaluation = now + self.clock.cadence.every();
        }
        stays
    }

    /// How often it is evaluated.
    pub(super) fn cadence(&self) -> Cadence {
        self.clock.cadence
    }

    /// The state that the data ask for, if it is another one.
    pub(super) fn evaluate(
        &mut self,
        now: Timestamp,
        metrics: &Metrics,
        points: &mut Vec<Point>,
    ) -> Option<StateSummary> {
        let plan = *self.plan.get_or_insert_with(|| Plan::in_turn(&self.config, self.clock));
        self.fetch(&plan, now, metrics, points);
        if self.warming.is_some() && !self.warms_up_at(now, points) {
            return None;
        }
        if let Some(value) = points.iter().rev().find_map(|point| point.value) {
            self.newest_value = Some(value);
        }
        let decision = plan.decide(points);
        match decision.action {
            Action::SetState(value) if value != self.state.value => {
                let said = Arc::new(Explained {
                    config: Arc::clone(&self.config),
                    points: points.clone(),
                    decision,
                    value,
                    now,
                });
                let same = Arc::clone(&said);
                let (reason, data) = (Text::later(move || said.explain().reason), move || same.explain().reason_data);
                Some(StateSummary { value, reason, reason_data: Some(Text::later(data)) })
            }
            _ => None,
        }
    }

    /// Ends the warm-up when its time has come or, unless all of it is to be waited for, when there are enough data.
    fn warms_up_at(&mut self, now: Timestamp, points: &[Point]) -> bool {
        let Some(warming) = self.warming else { return true };
        let filled = points.iter().filter(|point| point.value.is_some()).count();
        let over = now >= warming.until || (!warming.whole && filled >= self.config.evaluation_periods as usize);
        if over {
            self.warming = None;
        }
        over
    }

    fn fetch(&mut self, plan: &Plan, now: Timestamp, metrics: &Metrics, points: &mut Vec<Point>) {
        let config = &*self.config;
        let (Watched::Metric(stat), EvaluationWindow::Sliding) = (&config.watched, &config.timing.window) else {
            *points = config.evaluation_points(now, metrics);
            return;
        };
        let slots = slots(plan.period_secs, plan.rule.evaluation_periods, now, false);
        self.metric = self.metric.or_else(|| metrics.find(&stat.key));
        match self.metric {
            Some(id) => metrics.read(id, stat.unit.as_deref(), plan.statistic, slots, points),
            None => slots.without_data(points),
        }
    }

    /// Goes to another state and runs its actions. Returns the old state and the new one.
    pub(super) fn change_state(
        &mut self,
        now: Timestamp,
        new: StateSummary,
        mutes: &MuteRules,
        firings: &mut Vec<Firing>,
    ) -> (StateSummary, StateSummary) {
        let old = std::mem::replace(&mut self.state, new.clone());
        self.state_updated_at = now;
        let until = mutes.muted_until(&self.config.name, now);
        self.muted = until.map(|until| Muted { until, old_state: old.value });
        if until.is_none() {
            self.fire(old.value, |_| true, None, firings);
        }
        self.schedule_repetition(now + REPEATED_EVERY);
        (old, new)
    }

    /// Runs what was muted, once no window mutes it any longer.
    fn unmute(&mut self, now: Timestamp, mutes: &MuteRules, firings: &mut Vec<Firing>) {
        let Some(muted) = self.muted.filter(|muted| muted.until <= now) else { return };
        match mutes.muted_until(&self.config.name, now) {
            Some(until) => self.muted = Some(Muted { until, ..muted }),
            None => {
                self.muted = None;
                self.fire(muted.old_state, |_| true, Some(muted.until), firings);
            }
        }
    }

    fn fire(
        &self,
        old_state: AlarmState,
        wanted: fn(&str) -> bool,
        after_mute_window: Option<Timestamp>,
        firings: &mut Vec<Firing>,
    ) {
        if !self.config.actions_enabled || self.is_warming_up() {
            return;
        }
        for arn in self.config.actions(self.state.value).iter().filter(|arn| wanted(arn)) {
            let alarm = Subject::Metric(self.snapshot(old_state));
            firings.push(Firing { action_arn: arn.clone(), alarm, after_mute_window });
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

impl MetricAlarm {
    /// What an evaluation at `now` looks at, oldest first; periods without data included.
    pub fn evaluation_points(&self, now: Timestamp, metrics: &Metrics) -> Vec<Point> {
        let (period, n) = (self.period_secs(), self.evaluation_periods);
        match &self.timing.window {
            EvaluationWindow::Sliding => self.watched.read(metrics, Grid::Even(slots(period, n, now, self.is_math()))),
            // Each period of a clock stands for itself: the guide has every day judged by its own data, so that older
            // periods do not fill gaps here.
            EvaluationWindow::WallClock(zone) => {
                let periods: Vec<Range<Timestamp>> = complete_periods(zone, period, n, now);
                self.watched.read(metrics, Grid::Uneven(&periods))
            }
        }
    }
}

/// What an evaluation came to, for those who ask why.
struct Explained {
    config: Arc<MetricAlarm>,
    points: Vec<Point>,
    decision: Decision,
    value: AlarmState,
    now: Timestamp,
}

impl Explained {
    fn explain(&self) -> reason::Explanation {
        reason::explain(&self.config, &self.points, &self.decision, self.value, self.now)
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
    /// How many an evaluation looks at.
    slots: u32,
    /// For an alarm with nothing out of the ordinary, how many milliseconds before an evaluation in its turn its first slot
    /// begins.
    plain_reach: Option<i64>,
}

impl Plan {
    fn of(config: &MetricAlarm) -> Self {
        let ignores = config.evaluate_low_sample_count_percentile == Some(LowSamples::Ignore);
        let rule = Rule {
            evaluation_periods: config.evaluation_periods,
            datapoints_to_alarm: config.effective_datapoints_to_alarm(),
            treat_missing_data: config.effective_treat_missing_data(),
        };
        let statistic = config.watched.returned_metric().map_or(Statistic::Average, |stat| stat.statistic);
        Self {
            rule,
            comparison: config.comparison,
            threshold: config.threshold,
            statistic,
            period_secs: config.period_secs(),
            least_samples: statistic.low_sample_count().filter(|_| ignores),
            slots: evaluation_range(config.period_secs(), config.evaluation_periods),
            plain_reach: None,
        }
    }

    /// The same for an alarm that `clock` calls.
    fn in_turn(config: &MetricAlarm, clock: EvaluationClock) -> Self {
        let plan = Self::of(config);
        let is_plain = config.watched.metric().is_some_and(|stat| stat.unit.is_none())
            && config.timing.window == EvaluationWindow::Sliding
            && !plan.statistic.is_extended()
            && plan.slots as usize <= FEW_SLOTS;
        // It is the same whenever the alarm's turn comes.
        let turn = clock.next_after(Timestamp::default());
        let first = slots(plan.period_secs, plan.rule.evaluation_periods, turn, false).first;
        Self { plain_reach: is_plain.then(|| turn.as_millis() - first.as_millis()), ..plan }
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
            count @ ..=FEW_SLOTS => {
                let mut range = [Slot::Missing; FEW_SLOTS];
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
    let cadence = Cadence::of(config.period_secs(), config.evaluation_periods);
    EvaluationClock::new(cadence, seed, &config.name)
}

/// The history's document about a change of configuration, with AWS's keys.
pub(super) fn configuration_document(alarm: &Alarm, change: Change) -> String {
    change_document(change, about(alarm))
}

/// The alarm as its history describes it; what it does not have is null.
pub(super) fn about(alarm: &Alarm) -> Value {
    let config = &alarm.config;
    let stat = config.watched.metric();
    // Recorded from AWS: a statistic beyond the plain five has a key of its own.
    let statistic = |extended: bool| stat.map(|stat| stat.statistic).filter(|one| one.is_extended() == extended);
    json!({
        "alarmName": config.name,
        "alarmDescription": config.description,
        "alarmArn": alarm.arn,
        "alarmConfigurationUpdatedTimestamp": alarm.configuration_updated_at.cloudwatch_millis(),
        "namespace": stat.map(|stat| &stat.key.namespace),
        "metricName": stat.map(|stat| &stat.key.name),
        "statistic": statistic(false),
        "extendedStatistic": statistic(true),
        "period": stat.map(|stat| stat.period_secs),
        "dimensions": stat.map_or_else(Vec::new, message::dimensions),
        "metrics": config.watched.queries().map(|queries| queries.map(message::query_in_history).collect::<Vec<_>>()),
        "unit": stat.and_then(|stat| stat.unit.as_ref()),
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
    })
}

/// What the history says of a change: the alarm as it is now, without what it does not have.
pub(super) fn change_document(change: Change, mut about: Value) -> String {
    if let Some(members) = about.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    let (kind, member) = match change {
        Change::Created => ("Create", "createdAlarm"),
        Change::Updated => ("Update", "updatedAlarm"),
        Change::Deleted => ("Delete", "deletedAlarm"),
    };
    let mut document = Map::new();
    document.insert("version".into(), "1.0".into());
    document.insert("type".into(), kind.into());
    document.insert(member.into(), about);
    Value::Object(document).to_string()
}
