//! Alarms: metrics by their short names, CloudWatch's rules for periods, and whom an action means.
//! Start at [`build_alarms`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::build::Builder;
use super::{ActionRef, Alarm};
use crate::spec::Spec;
use crate::spec::arguments::{AlarmSpec, MetricSpec};
use crate::spec::problem::{Kind, did_you_mean, quote};
use crate::spec::values::{ActionName, MissingData, ShortMetric, Statistic, span_text};

/// CloudWatch: the longest window of an alarm (PutMetricAlarm, `EvaluationPeriods`).
const LONGEST_WINDOW: Duration = Duration::from_secs(604_800);
/// CloudWatch: the longest window when the period is under an hour.
const LONGEST_WINDOW_OF_SHORT_PERIODS: Duration = Duration::from_secs(86_400);
/// CloudWatch: actions per state (PutMetricAlarm, `AlarmActions`).
const MOST_ACTIONS: usize = 5;

pub(super) fn build_alarms(spec: &Spec, builder: &mut Builder) -> Vec<Alarm> {
    check_shared_names(spec, builder);
    let entries = spec.alarms.iter().flat_map(|a| &a.entries);
    entries.map(|(key, alarm)| build_alarm(spec, key, alarm, builder)).collect()
}

/// An action is one word, so a word may not name two things.
fn check_shared_names(spec: &Spec, builder: &mut Builder) {
    let (Some(scaling), Some(notifications)) = (&spec.scaling, &spec.notifications) else { return };
    for name in notifications.names().filter(|name| scaling.contains(name)) {
        let fact = format!("{name} is a policy under scaling and a notification.");
        builder.problem(Kind::AmbiguousAction, &format!("notifications.{name}"), fact, "Rename one of the two.");
    }
}

fn build_alarm(spec: &Spec, key: &str, alarm: &AlarmSpec, builder: &mut Builder) -> Alarm {
    let metric = metric_of(&spec.name.0, &alarm.metric);
    let evaluation_periods = alarm.evaluation_periods.0;
    let datapoints_to_alarm = alarm.datapoints_to_alarm.map_or(evaluation_periods, |d| d.0);
    let period = alarm.period.0;
    check_datapoints(key, datapoints_to_alarm, evaluation_periods, builder);
    check_period(key, period, evaluation_periods, &metric.namespace, builder);
    let mut actions = |argument: &str, names: &Option<Vec<ActionName>>| {
        resolve_actions(spec, &format!("alarms.{key}.{argument}"), names.as_deref().unwrap_or_default(), builder)
    };
    let no_data = if metric.counts() { MissingData::NotBreaching } else { MissingData::Missing };
    let mut built = Alarm {
        key: key.to_owned(),
        name: format!("{}-{key}", spec.name.0),
        description: String::new(),
        namespace: metric.namespace,
        metric_name: metric.name,
        dimensions: metric.dimensions,
        statistic: metric.statistic.word().to_owned(),
        period,
        evaluation_periods,
        datapoints_to_alarm,
        threshold: alarm.threshold.value,
        comparison: alarm.threshold.comparison,
        treat_missing_data: alarm.treat_missing_data.unwrap_or(no_data).word().to_owned(),
        alarm_actions: actions("alarm_actions", &alarm.alarm_actions),
        ok_actions: actions("ok_actions", &alarm.ok_actions),
        insufficient_data_actions: actions("insufficient_data_actions", &alarm.insufficient_data_actions),
    };
    built.description = alarm.description.as_ref().map_or_else(|| rule_in_words(&built), |d| d.0.clone());
    built
}

/// `CPUUtilization Average >= 50 in 2 of 2 periods of 1m`.
pub fn rule_in_words(alarm: &Alarm) -> String {
    format!(
        "{} {} {} {} in {} of {} periods of {}",
        alarm.metric_name,
        alarm.statistic,
        alarm.comparison.sign(),
        alarm.threshold,
        alarm.datapoints_to_alarm,
        alarm.evaluation_periods,
        span_text(alarm.period),
    )
}

/// A metric written out.
pub(super) struct Metric {
    pub namespace: String,
    pub name: String,
    pub statistic: Statistic,
    pub dimensions: BTreeMap<String, String>,
}

impl Metric {
    /// Sums and counts of events: a period without an event has no data and means zero.
    fn counts(&self) -> bool {
        matches!(self.statistic, Statistic::Sum | Statistic::SampleCount)
    }
}

pub(super) fn metric_of(group: &str, metric: &MetricSpec) -> Metric {
    let of_group = || BTreeMap::from([("AutoScalingGroupName".to_owned(), group.to_owned())]);
    match metric {
        MetricSpec::Short(short) => {
            let (name, statistic) = match short {
                ShortMetric::Cpu => ("CPUUtilization", Statistic::Average),
                ShortMetric::NetworkIn => ("NetworkIn", Statistic::Average),
                ShortMetric::NetworkOut => ("NetworkOut", Statistic::Average),
                ShortMetric::StatusCheckFailed => ("StatusCheckFailed", Statistic::Maximum),
            };
            Metric { namespace: "AWS/EC2".into(), name: name.into(), statistic, dimensions: of_group() }
        }
        MetricSpec::Long(long) => {
            let of_groups = matches!(long.namespace.0.as_str(), "AWS/EC2" | "AWS/AutoScaling");
            let dimensions = match &long.dimensions {
                Some(dimensions) => dimensions.0.clone(),
                None if of_groups => of_group(),
                None => BTreeMap::new(),
            };
            Metric {
                namespace: long.namespace.0.clone(),
                name: long.name.0.clone(),
                statistic: long.statistic.unwrap_or(Statistic::Average),
                dimensions,
            }
        }
    }
}

fn check_datapoints(key: &str, datapoints: u32, periods: u32, builder: &mut Builder) {
    if datapoints > periods {
        let path = format!("alarms.{key}.datapoints_to_alarm");
        let fact = format!("alarms.{key} asks for {datapoints} breaching datapoints out of {periods}.");
        let remedy =
            format!("Lower datapoints_to_alarm to {periods} or raise evaluation_periods to at least {datapoints}.");
        builder.problem(Kind::DatapointsTooMany, &path, fact, remedy);
    }
}

fn check_period(key: &str, period: Duration, periods: u32, namespace: &str, builder: &mut Builder) {
    let (path, seconds, shown) = (format!("alarms.{key}.period"), period.as_secs(), span_text(period));
    let high_resolution = matches!(seconds, 10 | 20 | 30);
    if !high_resolution && (seconds == 0 || seconds % 60 != 0) {
        let minutes = seconds.div_ceil(60).max(1);
        // All that is allowed for this metric at once, so that the next try is the last.
        let remedy = match namespace.starts_with("AWS/") {
            true => format!("Write whole minutes, such as {minutes}m; {namespace} has one datapoint a minute at most."),
            false => format!("Write 10s, 20s, 30s or whole minutes, such as {minutes}m."),
        };
        builder.problem(Kind::InvalidPeriod, &path, format!("{path} is {shown}."), remedy);
    } else if high_resolution && namespace.starts_with("AWS/") {
        let fact = format!("{path} is {shown}, but {namespace} has one datapoint a minute at most.");
        builder.problem(Kind::InvalidPeriod, &path, fact, "Write whole minutes, 1m or more.");
    }
    let longest = if seconds < 3_600 { LONGEST_WINDOW_OF_SHORT_PERIODS } else { LONGEST_WINDOW };
    if period.saturating_mul(periods) > longest {
        let fact = format!(
            "alarms.{key} looks back {periods} × {shown}; CloudWatch allows {} for such periods.",
            span_text(longest)
        );
        builder.problem(Kind::WindowTooLong, &path, fact, "Lower evaluation_periods or period.");
    }
}

fn resolve_actions(spec: &Spec, path: &str, names: &[ActionName], builder: &mut Builder) -> Vec<ActionRef> {
    let mut actions = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let Some(action) = resolve_action(spec, &format!("{path}[{index}]"), &name.0, builder) else { continue };
        if actions.contains(&action) {
            let path = format!("{path}[{index}]");
            builder.problem(
                Kind::DuplicateEntry,
                &path,
                format!("{path} is {} again.", quote(&name.0)),
                "Keep one of the two.",
            );
        } else {
            actions.push(action);
        }
    }
    if names.len() > MOST_ACTIONS {
        let fact = format!("{path} has {} actions; CloudWatch takes {MOST_ACTIONS}.", names.len());
        builder.problem(Kind::TooManyActions, path, fact, "Put the receivers behind one notification.");
    }
    actions
}

fn resolve_action(spec: &Spec, path: &str, name: &str, builder: &mut Builder) -> Option<ActionRef> {
    if spec.scaling.as_ref().is_some_and(|s| s.contains(name)) {
        check_is_set_off(spec, path, name, builder);
        return Some(ActionRef::Policy(name.to_owned()));
    }
    if spec.notifications.as_ref().is_some_and(|n| n.contains(name)) {
        return Some(ActionRef::Topic(name.to_owned()));
    }
    if is_arn(name) {
        return Some(ActionRef::Arn(name.to_owned()));
    }
    let names = spec.scaling.iter().flat_map(|s| s.names()).chain(spec.notifications.iter().flat_map(|n| n.names()));
    let known: Vec<&str> = names.collect();
    let otherwise = match known.as_slice() {
        [] => "Add it under scaling or notifications, or write a whole ARN.".to_owned(),
        known => format!("Write one of {}, or a whole ARN.", known.join(", ")),
    };
    let remedy = did_you_mean(name, known.iter().copied(), &otherwise);
    let fact = format!("{path} is {}, which is neither a policy nor a notification of this spec.", quote(name));
    builder.problem(Kind::UnknownAction, path, fact, remedy);
    None
}

/// Target tracking and scheduled actions wait for no alarm of the spec.
fn check_is_set_off(spec: &Spec, path: &str, name: &str, builder: &mut Builder) {
    let entry = spec.scaling.as_ref().and_then(|scaling| scaling.entries.get(name));
    if entry.is_some_and(|entry| !entry.is_set_off_by_alarms()) {
        let fact = format!("{path} is {}, which acts by itself.", quote(name));
        let remedy = "Name a simple or a step policy, or leave the action out.";
        builder.problem(Kind::RunsByItself, path, fact, remedy);
    }
}

/// `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`, with the first three and the last not empty.
fn is_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    parts.len() == 6 && parts[0] == "arn" && [1, 2, 5].iter().all(|i| !parts[*i].is_empty())
}
