//! Target tracking: the metric that a policy holds at a value, the two alarms that it makes for itself, and how much
//! capacity the metric asks for. Start at [`TargetTracking`]. Leaves out who asks and what follows (`scaling.rs`).
//!
//! Source: Amazon EC2 Auto Scaling User Guide, "Target tracking scaling policies", and a recording of the alarms. What
//! AWS keeps to itself stands here as constants: [`LEAST_LOW_PERCENT`] to [`LOW_PERCENT_STEP`], [`SCALE_IN_PERCENT`].

use serde::{Deserialize, Serialize};

use crate::engine::Refusal;
use crate::engine::alarms::validate::AlarmRequest;
use crate::engine::alarms::{Comparison, MetricAlarm};
use crate::engine::metrics::math::{Queries, Query, Source};
use crate::engine::names::{AlarmName, GroupName, PolicyArn};

/// Minutes above the target until the high alarm. Recorded.
pub const HIGH_PERIODS: u32 = 3;

/// Minutes below the low threshold until the low alarm. Recorded.
pub const LOW_PERIODS: u32 = 15;

const PERIOD_SECS: u32 = 60;

/// The periods that a customized metric may have, in seconds. Source: the service model.
pub const CUSTOMIZED_PERIODS_SECS: &[u32] = &[10, 30, 60];

/// The low alarm's threshold in percent of the target, at least. Observed at a capacity of 2.
pub const LEAST_LOW_PERCENT: u32 = 70;

/// The same at most. Observed wherever the capacity was not 2 or 7, and what the guide means by a metric "usually more
/// than 10 percent lower" than its target.
pub const MOST_LOW_PERCENT: u32 = 90;

/// Between the two, the percentage moves in such steps. See [`low_threshold`].
pub const LOW_PERCENT_STEP: u32 = 5;

/// One scale-in takes at most this share of the capacity away, and at least one instance. Ours: the guide says only that
/// scaling in is more gradual than scaling out.
pub const SCALE_IN_PERCENT: u32 = 10;

/// A policy's own arguments, and the alarms that it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetTracking {
    pub metric: TrackedMetric,
    pub target: f64,
    pub disable_scale_in: bool,
    pub estimated_warmup_secs: Option<u32>,
    /// Given by [`super::Groups::put_policy`].
    pub alarms: AlarmNames,
}

/// A policy keeps the names of its alarms for as long as it lives.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AlarmNames {
    pub high: AlarmName,
    pub low: AlarmName,
    /// The capacity that the low alarm was last set for.
    pub(super) tuned_for: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TrackedMetric {
    Predefined {
        kind: PredefinedMetric,
        resource_label: Option<String>,
    },
    Customized(CustomizedMetric),
    /// Several metrics and expressions, one of which returns the data that are tracked.
    Math {
        queries: Queries,
        /// The ids of metrics whose period nobody chose.
        of_default_period: Vec<String>,
    },
}

/// The predefined metrics, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PredefinedMetric {
    ASGAverageCPUUtilization,
    ASGAverageNetworkIn,
    ASGAverageNetworkOut,
    ALBRequestCountPerTarget,
}

/// One metric of the caller's choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomizedMetric {
    pub name: String,
    pub namespace: String,
    pub dimensions: Vec<(String, String)>,
    pub statistic: String,
    pub unit: Option<String>,
    pub period_secs: Option<u32>,
}

/// Which of a policy's two alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    High,
    Low,
}

impl PredefinedMetric {
    pub const ALL: &[Self] = &[
        Self::ASGAverageCPUUtilization,
        Self::ASGAverageNetworkIn,
        Self::ASGAverageNetworkOut,
        Self::ALBRequestCountPerTarget,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::ASGAverageCPUUtilization => "ASGAverageCPUUtilization",
            Self::ASGAverageNetworkIn => "ASGAverageNetworkIn",
            Self::ASGAverageNetworkOut => "ASGAverageNetworkOut",
            Self::ALBRequestCountPerTarget => "ALBRequestCountPerTarget",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == text)
    }

    /// Namespace, name and statistic of the metric that it stands for.
    fn stands_for(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ASGAverageCPUUtilization => ("AWS/EC2", "CPUUtilization", "Average"),
            Self::ASGAverageNetworkIn => ("AWS/EC2", "NetworkIn", "Average"),
            Self::ASGAverageNetworkOut => ("AWS/EC2", "NetworkOut", "Average"),
            Self::ALBRequestCountPerTarget => ("AWS/ApplicationELB", "RequestCountPerTarget", "Sum"),
        }
    }
}

impl TrackedMetric {
    /// The metric's part of an alarm.
    fn request(&self, group: &GroupName) -> Result<AlarmRequest, Refusal> {
        match self {
            Self::Predefined { kind, resource_label } => {
                let (namespace, name, statistic) = kind.stands_for();
                Ok(AlarmRequest {
                    namespace: Some(namespace.into()),
                    metric_name: Some(name.into()),
                    statistic: Some(statistic.into()),
                    dimensions: predefined_dimensions(*kind, resource_label.as_deref(), group)?,
                    period_secs: Some(PERIOD_SECS.into()),
                    ..AlarmRequest::default()
                })
            }
            Self::Customized(metric) => Ok(AlarmRequest {
                namespace: Some(metric.namespace.clone()),
                metric_name: Some(metric.name.clone()),
                statistic: Some(metric.statistic.clone()),
                dimensions: metric.dimensions.clone(),
                unit: metric.unit.clone(),
                period_secs: Some(metric.period_secs.unwrap_or(PERIOD_SECS).into()),
                ..AlarmRequest::default()
            }),
            Self::Math { queries, .. } => {
                Ok(AlarmRequest { metrics: queries.iter().map(Into::into).collect(), ..AlarmRequest::default() })
            }
        }
    }

    /// The periods that somebody chose, in seconds.
    fn periods_secs(&self) -> Vec<u32> {
        match self {
            Self::Predefined { .. } => Vec::new(),
            Self::Customized(metric) => metric.period_secs.into_iter().collect(),
            Self::Math { queries, .. } => queries.iter().filter_map(period_secs).collect(),
        }
    }
}

fn period_secs(query: &Query) -> Option<u32> {
    match &query.source {
        Source::Stat(stat) => Some(stat.period_secs),
        Source::Expression { period_secs, .. } => *period_secs,
    }
}

fn predefined_dimensions(
    kind: PredefinedMetric,
    label: Option<&str>,
    group: &GroupName,
) -> Result<Vec<(String, String)>, Refusal> {
    match (kind, label) {
        (PredefinedMetric::ALBRequestCountPerTarget, None) => {
            Err(Refusal::validation("ResourceLabel must be specified with the ALBRequestCountPerTarget metric type"))
        }
        (PredefinedMetric::ALBRequestCountPerTarget, Some(label)) => read_resource_label(label),
        (_, None) => Ok(vec![("AutoScalingGroupName".into(), group.to_string())]),
        (kind, Some(_)) => {
            let text = format!("ResourceLabel is not supported for the {} metric type", kind.name());
            Err(Refusal::validation(text))
        }
    }
}

/// `app/NAME/ID/targetgroup/NAME/ID`: the ends of the load balancer's and the target group's ARNs.
fn read_resource_label(label: &str) -> Result<Vec<(String, String)>, Refusal> {
    let parts: Vec<&str> = label.split('/').collect();
    match parts[..] {
        ["app", load_balancer, id, "targetgroup", target_group, group_id]
            if [load_balancer, id, target_group, group_id].iter().all(|part| !part.is_empty()) =>
        {
            Ok(vec![
                ("LoadBalancer".into(), format!("app/{load_balancer}/{id}")),
                ("TargetGroup".into(), format!("targetgroup/{target_group}/{group_id}")),
            ])
        }
        _ => Err(Refusal::validation(format!("The resource label '{label}' is invalid"))),
    }
}

impl TargetTracking {
    /// # Errors
    /// `ValidationError` for a target or a metric that cannot be tracked.
    pub(super) fn check(&self, group: &GroupName) -> Result<(), Refusal> {
        if !self.target.is_finite() || self.target <= 0.0 {
            return Err(Refusal::validation("TargetValue must be greater than 0"));
        }
        let periods = self.metric.periods_secs();
        if let Some(period) = periods.iter().find(|period| !CUSTOMIZED_PERIODS_SECS.contains(period)) {
            return Err(Refusal::validation(format!("Period must be one of 10, 30 and 60, not {period}")));
        }
        // An alarm that could not be made would leave the policy without a trigger.
        self.alarms(group, &PolicyArn::default(), None).map(|_| ())
    }

    /// The names of new alarms; two identifiers, because AWS gives each alarm its own.
    pub(super) fn name_alarms(&mut self, group: &GroupName, high_id: &str, low_id: &str) {
        self.alarms = AlarmNames {
            high: AlarmName(format!("TargetTracking-{group}-AlarmHigh-{high_id}")),
            low: AlarmName(format!("TargetTracking-{group}-AlarmLow-{low_id}")),
            tuned_for: None,
        };
    }

    /// The alarms that a policy needs at a capacity, the high one first. Without scaling in there is no low one.
    ///
    /// # Errors
    /// `ValidationError` if CloudWatch would not take an alarm on this metric.
    pub fn alarms(
        &self,
        group: &GroupName,
        policy: &PolicyArn,
        capacity: Option<u32>,
    ) -> Result<Vec<MetricAlarm>, Refusal> {
        let sides: &[Side] = if self.disable_scale_in { &[Side::High] } else { &[Side::High, Side::Low] };
        sides.iter().map(|side| self.alarm(*side, group, policy, capacity)).collect()
    }

    fn alarm(
        &self,
        side: Side,
        group: &GroupName,
        policy: &PolicyArn,
        capacity: Option<u32>,
    ) -> Result<MetricAlarm, Refusal> {
        let (name, periods, comparison, threshold) = match side {
            Side::High => (&self.alarms.high, HIGH_PERIODS, Comparison::GreaterThanThreshold, self.target),
            Side::Low => {
                let threshold = low_threshold(self.target, capacity);
                (&self.alarms.low, LOW_PERIODS, Comparison::LessThanThreshold, threshold)
            }
        };
        let request = AlarmRequest {
            // A policy that is only checked has no alarms yet.
            name: if name.as_str().is_empty() { "unnamed".into() } else { name.to_string() },
            evaluation_periods: Some(periods.into()),
            threshold: Some(threshold),
            comparison: Some(comparison.to_string()),
            ..self.metric.request(group)?
        };
        Ok(MetricAlarm {
            description: Some(format!("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy}.")),
            alarm_actions: vec![policy.to_string()],
            ..request.into_alarm()?
        })
    }

    /// The capacity that a value of the metric asks for when scaling in from `base`: in proportion, but gradually.
    pub(super) fn scale_in_capacity(&self, base: u32, value: f64) -> u32 {
        let most = (base.saturating_mul(SCALE_IN_PERCENT) / 100).max(1);
        proportional_capacity(base, value, self.target).max(base.saturating_sub(most))
    }
}

/// Where the low alarm begins, in the metric's unit. `None` where the capacity is not known.
///
/// Observed: 0.70 of the target at a capacity of 2, 0.85 at 7, 0.90 otherwise. The rule between is ours: `n - 1` instances
/// would meet the target where `n` show `(n - 1) / n` of it, so below that one can go; 1/2 and 6/7, rounded down to steps
/// of 5 percent and kept between the least and the most that was seen, are the two observations.
pub fn low_threshold(target: f64, capacity: Option<u32>) -> f64 {
    target * f64::from(low_percent(capacity)) / 100.0
}

fn low_percent(capacity: Option<u32>) -> u32 {
    match capacity {
        None | Some(0) => MOST_LOW_PERCENT,
        Some(n) => {
            let spare = u64::from(n - 1) * 100 / u64::from(n);
            let spare = u32::try_from(spare).unwrap_or(MOST_LOW_PERCENT);
            (spare / LOW_PERCENT_STEP * LOW_PERCENT_STEP).clamp(LEAST_LOW_PERCENT, MOST_LOW_PERCENT)
        }
    }
}

/// The capacity at which a metric would meet its target, if it falls as capacity grows.
///
/// AWS publishes the rounding, not the formula; in proportion is how the guide describes it.
pub fn proportional_capacity(base: u32, value: f64, target: f64) -> u32 {
    let change = round_change_up(f64::from(base) * (value / target - 1.0));
    u32::try_from(i64::from(base).saturating_add(change).max(0)).unwrap_or(u32::MAX)
}

/// Rounds a change so that the capacity is rather too large: 1.5 more are 2, 1.5 fewer are 1.
///
/// Source: User Guide, "Target tracking scaling policies", considerations.
pub fn round_change_up(raw: f64) -> i64 {
    // A change that is whole but for the last digits of the arithmetic is whole.
    const NOISE: f64 = 1e-9;
    (raw - NOISE * raw.abs().max(1.0)).ceil() as i64
}

/// What a target tracking policy is ready to do, by the alarms that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Readiness {
    ScaleOut,
    ScaleIn,
    Neither,
}

/// One of a group's target tracking policies, as far as the others have to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracker {
    pub ready: Readiness,
    pub enabled: bool,
    pub scales_in: bool,
}

/// What several target tracking policies do together: out if any is ready to, in only if all that may scale in are.
///
/// Source: User Guide, "Target tracking scaling policies", considerations. Disabled policies have no say.
pub fn ready_together(trackers: &[Tracker]) -> Readiness {
    let enabled = || trackers.iter().filter(|tracker| tracker.enabled);
    if enabled().any(|tracker| tracker.ready == Readiness::ScaleOut) {
        return Readiness::ScaleOut;
    }
    let mut scaling_in = enabled().filter(|tracker| tracker.scales_in).peekable();
    match scaling_in.peek().is_some() && scaling_in.all(|tracker| tracker.ready == Readiness::ScaleIn) {
        true => Readiness::ScaleIn,
        false => Readiness::Neither,
    }
}

/// What an alarm shows at the moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    pub in_alarm: bool,
    pub newest_value: Option<f64>,
}

/// The alarms as they stand while policies act.
pub type Readings<'a> = &'a dyn Fn(&AlarmName) -> Option<Reading>;

impl TargetTracking {
    pub(super) fn readiness(&self, readings: Readings<'_>) -> Readiness {
        let in_alarm = |name: &AlarmName| readings(name).is_some_and(|reading| reading.in_alarm);
        match () {
            () if in_alarm(&self.alarms.high) => Readiness::ScaleOut,
            () if !self.disable_scale_in && in_alarm(&self.alarms.low) => Readiness::ScaleIn,
            () => Readiness::Neither,
        }
    }

    /// The capacity that its own low alarm asks for.
    pub(super) fn asked_by_low_alarm(&self, base: u32, readings: Readings<'_>) -> Option<u32> {
        if self.disable_scale_in {
            return None;
        }
        let value = readings(&self.alarms.low)?.newest_value?;
        Some(self.scale_in_capacity(base, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::alarms::Watched;
    use crate::engine::metrics::math::{QueryRequest, StatRequest};

    fn tracking(metric: TrackedMetric, target: f64) -> TargetTracking {
        let alarms = AlarmNames { high: "high".into(), low: "low".into(), tuned_for: None };
        TargetTracking { metric, target, disable_scale_in: false, estimated_warmup_secs: None, alarms }
    }

    fn predefined(kind: PredefinedMetric, label: Option<&str>) -> TrackedMetric {
        TrackedMetric::Predefined { kind, resource_label: label.map(str::to_string) }
    }

    #[test]
    fn the_alarms_are_those_that_aws_was_recorded_to_make() {
        let policy = tracking(predefined(PredefinedMetric::ASGAverageCPUUtilization, None), 50.0);
        let alarms = policy.alarms(&"web".into(), &"arn:p".into(), Some(7)).unwrap();
        let [high, low] = &alarms[..] else { panic!("{alarms:?}") };
        let shape = |alarm: &MetricAlarm| (alarm.evaluation_periods, alarm.comparison, alarm.threshold);
        assert_eq!(shape(high), (3, Comparison::GreaterThanThreshold, 50.0));
        assert_eq!(shape(low), (15, Comparison::LessThanThreshold, 42.5));
        for alarm in [high, low] {
            let text = "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy arn:p.";
            assert_eq!(alarm.description.as_deref(), Some(text));
            assert_eq!((&alarm.alarm_actions[..], alarm.treat_missing_data), (&["arn:p".to_string()][..], None));
        }
        let outwards = TargetTracking { disable_scale_in: true, ..policy };
        assert_eq!(outwards.alarms(&"web".into(), &"arn:p".into(), None).unwrap().len(), 1);
    }

    #[test]
    fn the_low_threshold_follows_the_observations() {
        let check = |target, capacity, threshold: f64| {
            let got = low_threshold(target, capacity);
            assert!((got - threshold).abs() < 1e-9, "{target} at {capacity:?}: {got}");
        };
        check(50.0, Some(2), 35.0);
        check(50.0, Some(7), 42.5);
        check(70.0, None, 63.0);
        check(60.0, Some(10), 54.0);
        check(60.0, Some(1000), 54.0);
    }

    #[test]
    fn capacity_follows_the_metric_and_rounds_up() {
        let check = |base, value, target, capacity| {
            assert_eq!(proportional_capacity(base, value, target), capacity, "{base} at {value} for {target}");
        };
        check(10, 75.0, 50.0, 15);
        check(5, 90.0, 40.0, 12);
        check(7, 64.0, 60.0, 8);
        check(10, 30.0, 50.0, 6);
        check(3, 20.0, 50.0, 2);
        check(5, 49.0, 50.0, 5);
        check(8, 0.0, 50.0, 0);
        check(10, 0.3, 0.1, 30);
        assert_eq!((round_change_up(1.5), round_change_up(-1.5)), (2, -1));
    }

    #[test]
    fn one_policy_is_enough_to_scale_out_and_all_have_to_agree_to_scale_in() {
        use Readiness::{Neither, ScaleIn, ScaleOut};
        let may = |ready| Tracker { ready, enabled: true, scales_in: true };
        let outwards = |ready| Tracker { scales_in: false, ..may(ready) };
        let disabled = |ready| Tracker { enabled: false, ..may(ready) };
        let check = |trackers: &[Tracker], together| assert_eq!(ready_together(trackers), together, "{trackers:?}");
        check(&[may(ScaleOut), may(ScaleIn)], ScaleOut);
        check(&[may(ScaleIn), may(ScaleIn)], ScaleIn);
        check(&[may(ScaleIn), may(Neither)], Neither);
        check(&[may(ScaleIn), outwards(Neither)], ScaleIn);
        check(&[may(ScaleIn), outwards(ScaleOut)], ScaleOut);
        check(&[may(ScaleIn), disabled(Neither), disabled(ScaleOut)], ScaleIn);
        check(&[outwards(Neither)], Neither);
        check(&[], Neither);
    }

    #[test]
    fn a_metric_that_cannot_be_tracked_is_refused() {
        let check = |metric: TrackedMetric, target: f64, words: Option<&str>| {
            let answer = tracking(metric, target).check(&"web".into()).map_err(|refusal| refusal.message);
            match (answer, words) {
                (Ok(()), None) => {}
                (Err(text), Some(words)) => assert!(text.contains(words), "{text}"),
                (answer, words) => panic!("{answer:?}, not {words:?}"),
            }
        };
        let requests = PredefinedMetric::ALBRequestCountPerTarget;
        let label = "app/my-alb/778d41231b141a0f/targetgroup/my-targets/943f017f100becff";
        check(predefined(requests, Some(label)), 1000.0, None);
        check(predefined(requests, None), 1000.0, Some("ResourceLabel must be specified"));
        check(predefined(requests, Some("app/my-alb/targetgroup/x")), 1000.0, Some("is invalid"));
        check(predefined(PredefinedMetric::ASGAverageNetworkIn, Some(label)), 1000.0, Some("not supported"));
        check(predefined(PredefinedMetric::ASGAverageNetworkOut, None), 0.0, Some("TargetValue"));
        let customized = |period_secs| {
            TrackedMetric::Customized(CustomizedMetric {
                name: "Backlog".into(),
                namespace: "Shop".into(),
                dimensions: vec![("Queue".into(), "orders".into())],
                statistic: "Average".into(),
                unit: None,
                period_secs,
            })
        };
        check(customized(None), 100.0, None);
        check(customized(Some(10)), 100.0, None);
        check(customized(Some(20)), 100.0, Some("Period"));
        check(math("a / b", Some(60)), 100.0, None);
        check(math("a / b", Some(300)), 100.0, Some("Period"));
    }

    /// Source: User Guide, "Create a target tracking scaling policy using metric math": the backlog of a queue for each instance.
    fn math(expression: &str, period_secs: Option<i64>) -> TrackedMetric {
        let stat = |id: &str| QueryRequest {
            id: id.into(),
            stat: Some(StatRequest {
                namespace: "AWS/SQS".into(),
                name: "ApproximateNumberOfMessagesVisible".into(),
                dimensions: vec![("QueueName".into(), id.into())],
                statistic: "Sum".into(),
                period_secs: period_secs.unwrap_or(60),
                unit: None,
            }),
            return_data: Some(false),
            ..QueryRequest::default()
        };
        let whole = QueryRequest {
            id: "e1".into(),
            expression: Some(expression.into()),
            label: Some("Backlog".into()),
            return_data: Some(true),
            ..QueryRequest::default()
        };
        TrackedMetric::Math {
            queries: Queries::check(vec![stat("a"), stat("b"), whole], "Metrics").unwrap(),
            of_default_period: Vec::new(),
        }
    }

    #[test]
    fn the_alarms_of_an_expression_watch_the_expression() {
        let metric = math("a / b", None);
        let TrackedMetric::Math { queries, .. } = &metric else { panic!("{metric:?}") };
        let alarms = tracking(metric.clone(), 100.0).alarms(&"web".into(), &"arn:p".into(), None).unwrap();
        assert_eq!(alarms.len(), 2);
        for alarm in &alarms {
            let Watched::Math { queries: watched, place } = &alarm.watched else { panic!("{alarm:?}") };
            assert_eq!((watched, *place, alarm.period_secs()), (queries, 2, 60));
        }
    }
}
