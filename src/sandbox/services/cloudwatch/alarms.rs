//! Alarms: put, describe, set, delete, tag.

use super::{composites, dimensions, page_size, pairs, pairs_of_tags, position, queries, token};
use crate::engine::Refusal;
use crate::engine::alarms::composite::name_of;
use crate::engine::alarms::validate::AlarmRequest;
use crate::engine::alarms::window::EvaluationWindow;
use crate::engine::alarms::{Alarm, AlarmState, Composite};
use crate::engine::metrics::{MetricKey, Statistic};
use crate::engine::names::AlarmName;
use crate::sandbox::models::cloudwatch as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

const METRIC_ALARM: &str = "MetricAlarm";
const COMPOSITE_ALARM: &str = "CompositeAlarm";

pub fn register(operations: &mut Operations) {
    operations.on(
        "PutMetricAlarm",
        "Creates an alarm on a metric or an expression or replaces its configuration; anomaly detection and PromQL are refused.",
        &[
            "AlarmName",
            "AlarmDescription",
            "ActionsEnabled",
            "OKActions",
            "AlarmActions",
            "InsufficientDataActions",
            "MetricName",
            "Namespace",
            "Statistic",
            "ExtendedStatistic",
            "Dimensions",
            "Period",
            "Unit",
            "EvaluationPeriods",
            "DatapointsToAlarm",
            "Threshold",
            "ComparisonOperator",
            "TreatMissingData",
            "EvaluateLowSampleCountPercentile",
            "Metrics",
            "ThresholdMetricId",
            "EvaluationWindow",
            "WarmUpConfiguration",
            "Tags",
        ],
        put_metric_alarm,
    );
    operations.view(
        "DescribeAlarms",
        "Lists alarms by names, prefix, type, state, action, parent or child, in the order of their names.",
        &[
            "AlarmNames",
            "AlarmNamePrefix",
            "AlarmTypes",
            "ChildrenOfAlarmName",
            "ParentsOfAlarmName",
            "StateValue",
            "ActionPrefix",
            "MaxRecords",
            "NextToken",
        ],
        describe_alarms,
    );
    operations.view(
        "DescribeAlarmsForMetric",
        "Lists the alarms on one metric.",
        &["MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit"],
        describe_alarms_for_metric,
    );
    operations.on("DeleteAlarms", "Deletes alarms; their history stays for two weeks.", &["AlarmNames"], delete_alarms);
    operations.on(
        "SetAlarmState",
        "Puts an alarm into a state until its next evaluation and runs that state's actions.",
        &["AlarmName", "StateValue", "StateReason", "StateReasonData"],
        set_alarm_state,
    );
    operations.on("EnableAlarmActions", "Turns alarms' actions on.", &["AlarmNames"], enable_alarm_actions);
    operations.on("DisableAlarmActions", "Turns alarms' actions off.", &["AlarmNames"], disable_alarm_actions);
}

fn put_metric_alarm(
    region: &mut Region,
    call: &Call,
    input: model::PutMetricAlarmInput,
) -> Result<model::PutMetricAlarmOutput, Refusal> {
    let tags = pairs_of_tags(input.tags);
    let wall_clock = input.evaluation_window.map(wall_clock).transpose()?.flatten();
    let (warm_up_minutes, whole_warm_up) = input.warm_up_configuration.map_or((None, false), |warm_up| {
        let whole = warm_up.only_start_evaluating_after_warm_up_period_ends.unwrap_or(false);
        (warm_up.warm_up_period_duration_in_minutes, whole)
    });
    let request = AlarmRequest {
        name: input.alarm_name.unwrap_or_default(),
        description: input.alarm_description,
        actions_enabled: input.actions_enabled,
        ok_actions: input.ok_actions.unwrap_or_default(),
        alarm_actions: input.alarm_actions.unwrap_or_default(),
        insufficient_data_actions: input.insufficient_data_actions.unwrap_or_default(),
        metric_name: input.metric_name,
        namespace: input.namespace,
        statistic: input.statistic,
        extended_statistic: input.extended_statistic,
        dimensions: pairs(input.dimensions),
        period_secs: input.period,
        unit: input.unit,
        evaluation_periods: input.evaluation_periods,
        datapoints_to_alarm: input.datapoints_to_alarm,
        threshold: input.threshold,
        comparison: input.comparison_operator,
        treat_missing_data: input.treat_missing_data,
        evaluate_low_sample_count_percentile: input.evaluate_low_sample_count_percentile,
        metrics: queries::requests(input.metrics.unwrap_or_default(), &region.world.place.account)?,
        threshold_metric_id: input.threshold_metric_id,
        wall_clock,
        warm_up_minutes,
        whole_warm_up,
    };
    region.world.put_metric_alarm(call.now, request.into_alarm()?, tags)?;
    Ok(model::PutMetricAlarmOutput {})
}

/// The time zone of a wall-clock window.
fn wall_clock(window: model::EvaluationWindow) -> Result<Option<String>, Refusal> {
    match (window.sliding_window, window.wall_clock_window) {
        (Some(_), None) => Ok(None),
        (None, Some(clock)) => Ok(Some(clock.timezone.unwrap_or_else(|| "UTC".to_string()))),
        _ => Err(Refusal::validation("Exactly one member of EvaluationWindow must be set")),
    }
}

/// An alarm of either kind.
enum Either<'a> {
    Metric(&'a Alarm),
    Composite(&'a Composite),
}

impl Either<'_> {
    fn name(&self) -> &AlarmName {
        match self {
            Self::Metric(alarm) => &alarm.config.name,
            Self::Composite(alarm) => &alarm.config.name,
        }
    }

    fn state(&self) -> AlarmState {
        match self {
            Self::Metric(alarm) => alarm.state.value,
            Self::Composite(alarm) => alarm.state.value,
        }
    }

    fn acts(&self, prefix: &str) -> bool {
        let actions = |state: &AlarmState| match self {
            Self::Metric(alarm) => alarm.config.actions(*state),
            Self::Composite(alarm) => alarm.config.actions(*state),
        };
        AlarmState::ALL.iter().flat_map(actions).any(|arn| arn.starts_with(prefix))
    }

    fn is(&self, kind: &str) -> bool {
        match self {
            Self::Metric(_) => kind == METRIC_ALARM,
            Self::Composite(_) => kind == COMPOSITE_ALARM,
        }
    }
}

/// All alarms of both kinds in the order of their names, from `first` on.
fn all<'a>(region: &'a Region, first: &str) -> impl Iterator<Item = Either<'a>> {
    let mut metric = region.world.alarms.from_name(first).peekable();
    let mut composite = region.world.alarms.composites().from_name(first).peekable();
    std::iter::from_fn(move || match (metric.peek(), composite.peek()) {
        (Some(a), Some(b)) if a.config.name < b.config.name => metric.next().map(Either::Metric),
        (_, Some(_)) => composite.next().map(Either::Composite),
        _ => metric.next().map(Either::Metric),
    })
}

fn describe_alarms(region: &Region, input: model::DescribeAlarmsInput) -> Result<model::DescribeAlarmsOutput, Refusal> {
    if input.children_of_alarm_name.is_some() || input.parents_of_alarm_name.is_some() {
        return describe_relatives(region, input);
    }
    let names = input.alarm_names.unwrap_or_default();
    let prefix = input.alarm_name_prefix.unwrap_or_default();
    let state = input.state_value.as_deref().map(parse_state).transpose()?;
    // Recorded from AWS: composite alarms are shown only to those who ask for their type.
    let types = input.alarm_types.unwrap_or_else(|| vec![METRIC_ALARM.to_string()]);
    let wanted = |alarm: &Either<'_>| {
        let name = alarm.name();
        types.iter().any(|kind| alarm.is(kind))
            && (names.is_empty() || names.contains(&name.0))
            && name.0.starts_with(&prefix)
            && state.is_none_or(|state| state == alarm.state())
            && input.action_prefix.as_ref().is_none_or(|prefix| alarm.acts(prefix))
    };
    let first = position(input.next_token.as_deref())?.unwrap_or_else(|| prefix.clone());
    let near = all(region, &first).take_while(|alarm| prefix.is_empty() || alarm.name().0.starts_with(&prefix));
    Ok(page_of(region, near.filter(wanted), page_size(input.max_records)))
}

/// The children or the parents of one composite alarm, of which AWS says little more than their names.
fn describe_relatives(
    region: &Region,
    input: model::DescribeAlarmsInput,
) -> Result<model::DescribeAlarmsOutput, Refusal> {
    let others = [
        input.alarm_names.is_some(),
        input.alarm_name_prefix.is_some(),
        input.alarm_types.is_some(),
        input.state_value.is_some(),
        input.action_prefix.is_some(),
        input.children_of_alarm_name.is_some() && input.parents_of_alarm_name.is_some(),
    ];
    if others.contains(&true) {
        return Err(Refusal::validation(
            "ChildrenOfAlarmName and ParentsOfAlarmName cannot be used with other parameters than MaxRecords and NextToken",
        ));
    }
    let composites = region.world.alarms.composites();
    let child_of = input.children_of_alarm_name.map(|name| name_of(&name));
    let parent_of = input.parents_of_alarm_name.map(|name| name_of(&name));
    let children: Vec<AlarmName> = match child_of.as_ref().map(|name| composites.get(name)) {
        Some(Some(parent)) => parent.config.rule.children().into_iter().map(name_of).collect(),
        Some(None) => return Err(Refusal::new("ResourceNotFound", 404, "")),
        None => Vec::new(),
    };
    let wanted = |alarm: &Either<'_>| match (alarm, &parent_of) {
        (Either::Composite(parent), Some(child)) => {
            parent.config.rule.children().iter().any(|name| name_of(name) == *child)
        }
        (alarm, None) => children.contains(alarm.name()),
        _ => false,
    };
    let first = position(input.next_token.as_deref())?.unwrap_or_default();
    let mut output = page_of(region, all(region, &first).filter(wanted), page_size(input.max_records));
    let of_composite = if parent_of.is_some() { composites::as_parent } else { composites::as_child };
    output.composite_alarms = output.composite_alarms.map(|all| all.into_iter().map(of_composite).collect());
    output.metric_alarms = output.metric_alarms.map(|all| all.into_iter().map(as_child).collect());
    Ok(output)
}

fn as_child(alarm: model::MetricAlarm) -> model::MetricAlarm {
    model::MetricAlarm {
        alarm_name: alarm.alarm_name,
        alarm_arn: alarm.alarm_arn,
        state_value: alarm.state_value,
        state_updated_timestamp: alarm.state_updated_timestamp,
        ..model::MetricAlarm::default()
    }
}

fn page_of<'a>(region: &Region, wanted: impl Iterator<Item = Either<'a>>, size: usize) -> model::DescribeAlarmsOutput {
    let mut found: Vec<Either<'_>> = wanted.take(size + 1).collect();
    let next_token = found.get(size).map(|alarm| token(alarm.name().as_str()));
    found.truncate(size);
    let (mut metric_alarms, mut composite_alarms) = (Vec::new(), Vec::new());
    for alarm in found {
        match alarm {
            Either::Metric(alarm) => metric_alarms.push(describe(alarm)),
            Either::Composite(alarm) => composite_alarms.push(composites::describe(&region.world.alarms, alarm)),
        }
    }
    model::DescribeAlarmsOutput {
        composite_alarms: Some(composite_alarms),
        metric_alarms: Some(metric_alarms),
        log_alarms: Some(Vec::new()),
        next_token,
    }
}

fn describe(alarm: &Alarm) -> model::MetricAlarm {
    let config = &alarm.config;
    let stat = config.watched.metric();
    let statistic = stat.map(|stat| stat.statistic.to_string());
    let is_extended = stat.is_some_and(|stat| stat.statistic.is_extended());
    let (plain, extended) = if is_extended { (None, statistic) } else { (statistic, None) };
    model::MetricAlarm {
        alarm_name: Some(config.name.0.clone()),
        alarm_arn: Some(alarm.arn.clone()),
        alarm_description: config.description.clone(),
        alarm_configuration_updated_timestamp: Some(alarm.configuration_updated_at),
        actions_enabled: Some(config.actions_enabled),
        ok_actions: Some(config.ok_actions.clone()),
        alarm_actions: Some(config.alarm_actions.clone()),
        insufficient_data_actions: Some(config.insufficient_data_actions.clone()),
        state_value: Some(alarm.state.value.to_string()),
        state_reason: Some(alarm.state.reason.to_string()),
        state_reason_data: alarm.state.reason_data.as_deref().map(str::to_string),
        state_updated_timestamp: Some(alarm.state_updated_at),
        state_transitioned_timestamp: Some(alarm.state_updated_at),
        metric_name: stat.map(|stat| stat.key.name.clone()),
        namespace: stat.map(|stat| stat.key.namespace.clone()),
        statistic: plain,
        extended_statistic: extended,
        dimensions: Some(stat.map_or_else(Vec::new, |stat| dimensions(&stat.key.dimensions))),
        period: stat.map(|stat| stat.period_secs.into()),
        unit: stat.and_then(|stat| stat.unit.clone()),
        metrics: config.watched.queries().map(|all| all.map(queries::describe).collect()),
        evaluation_window: evaluation_window(&config.timing.window),
        warm_up_configuration: config.timing.warm_up.map(|warm_up| model::WarmUpConfiguration {
            warm_up_period_duration_in_minutes: Some(warm_up.minutes.into()),
            only_start_evaluating_after_warm_up_period_ends: Some(warm_up.whole),
        }),
        evaluation_periods: Some(config.evaluation_periods.into()),
        datapoints_to_alarm: config.datapoints_to_alarm.map(Into::into),
        threshold: Some(config.threshold),
        comparison_operator: Some(config.comparison.to_string()),
        treat_missing_data: config.treat_missing_data.map(|treatment| treatment.to_string()),
        evaluate_low_sample_count_percentile: config.evaluate_low_sample_count_percentile.map(|low| low.to_string()),
        ..model::MetricAlarm::default()
    }
}

fn evaluation_window(window: &EvaluationWindow) -> Option<model::EvaluationWindow> {
    match window {
        EvaluationWindow::Sliding => None,
        EvaluationWindow::WallClock(zone) => Some(model::EvaluationWindow {
            wall_clock_window: Some(model::WallClockWindow { timezone: Some(zone.as_str().to_string()) }),
            sliding_window: None,
        }),
    }
}

fn describe_alarms_for_metric(
    region: &Region,
    input: model::DescribeAlarmsForMetricInput,
) -> Result<model::DescribeAlarmsForMetricOutput, Refusal> {
    let key = MetricKey {
        namespace: input.namespace.unwrap_or_default(),
        name: input.metric_name.unwrap_or_default(),
        dimensions: pairs(input.dimensions).into_iter().collect(),
    };
    let statistic = input.statistic.or(input.extended_statistic).map(|text| Statistic::parse(&text));
    let wanted = |alarm: &&Alarm| {
        let Some(stat) = alarm.config.watched.metric() else { return false };
        stat.key == key
            && statistic.is_none_or(|statistic| statistic == Some(stat.statistic))
            && input.period.is_none_or(|period| period == i64::from(stat.period_secs))
            && input.unit.as_ref().is_none_or(|unit| Some(unit) == stat.unit.as_ref())
    };
    let found = region.world.alarms.from_name("").filter(wanted).map(describe).collect();
    Ok(model::DescribeAlarmsForMetricOutput { metric_alarms: Some(found) })
}

fn delete_alarms(
    region: &mut Region,
    call: &Call,
    input: model::DeleteAlarmsInput,
) -> Result<model::DeleteAlarmsOutput, Refusal> {
    region.world.delete_alarms(call.now, &alarm_names(input.alarm_names))?;
    Ok(model::DeleteAlarmsOutput {})
}

fn set_alarm_state(
    region: &mut Region,
    call: &Call,
    input: model::SetAlarmStateInput,
) -> Result<model::SetAlarmStateOutput, Refusal> {
    let name = AlarmName(input.alarm_name.unwrap_or_default());
    let state = parse_state(&input.state_value.unwrap_or_default())?;
    let reason = input.state_reason.unwrap_or_default();
    region.world.set_alarm_state(call.now, &name, state, &reason, input.state_reason_data.as_deref())?;
    Ok(model::SetAlarmStateOutput {})
}

fn enable_alarm_actions(
    region: &mut Region,
    call: &Call,
    input: model::EnableAlarmActionsInput,
) -> Result<model::EnableAlarmActionsOutput, Refusal> {
    for name in alarm_names(input.alarm_names) {
        region.world.alarms.enable_actions(call.now, &name, true);
    }
    Ok(model::EnableAlarmActionsOutput {})
}

fn disable_alarm_actions(
    region: &mut Region,
    call: &Call,
    input: model::DisableAlarmActionsInput,
) -> Result<model::DisableAlarmActionsOutput, Refusal> {
    for name in alarm_names(input.alarm_names) {
        region.world.alarms.enable_actions(call.now, &name, false);
    }
    Ok(model::DisableAlarmActionsOutput {})
}

fn alarm_names(names: Option<Vec<String>>) -> Vec<AlarmName> {
    names.unwrap_or_default().into_iter().map(AlarmName).collect()
}

fn parse_state(text: &str) -> Result<AlarmState, Refusal> {
    AlarmState::parse(text).ok_or_else(|| {
        Refusal::validation(format!(
            "1 validation error detected: Value '{text}' at 'stateValue' failed to satisfy constraint: Member must \
             satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]"
        ))
    })
}
