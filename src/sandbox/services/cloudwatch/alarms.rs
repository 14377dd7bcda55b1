//! Alarms: put, describe, set, delete, tag.

use super::{dimensions, page_size, pairs, position, tags, token};
use crate::engine::Refusal;
use crate::engine::alarms::validate::AlarmRequest;
use crate::engine::alarms::{Alarm, AlarmState};
use crate::engine::metrics::{MetricKey, Statistic};
use crate::engine::names::AlarmName;
use crate::sandbox::models::cloudwatch as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

const METRIC_ALARM: &str = "MetricAlarm";

pub fn register(operations: &mut Operations) {
    operations.on(
        "PutMetricAlarm",
        "Creates an alarm on one metric or replaces its configuration; metric math, anomaly detection and PromQL are refused.",
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
            "Tags",
        ],
        put_metric_alarm,
    );
    operations.on(
        "DescribeAlarms",
        "Lists alarms by names, prefix, state or action, in the order of their names.",
        &["AlarmNames", "AlarmNamePrefix", "AlarmTypes", "StateValue", "ActionPrefix", "MaxRecords", "NextToken"],
        describe_alarms,
    );
    operations.on(
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
    operations.on("TagResource", "Adds or changes an alarm's tags.", &["ResourceARN", "Tags"], tag_resource);
    operations.on("UntagResource", "Removes tags from an alarm.", &["ResourceARN", "TagKeys"], untag_resource);
    operations.on("ListTagsForResource", "Lists an alarm's tags.", &["ResourceARN"], list_tags_for_resource);
}

fn put_metric_alarm(
    region: &mut Region,
    call: &Call,
    input: model::PutMetricAlarmInput,
) -> Result<model::PutMetricAlarmOutput, Refusal> {
    let tags = tags(input.tags);
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
    };
    region.world.put_metric_alarm(call.now, request.into_alarm()?, tags)?;
    Ok(model::PutMetricAlarmOutput {})
}

fn describe_alarms(
    region: &mut Region,
    _call: &Call,
    input: model::DescribeAlarmsInput,
) -> Result<model::DescribeAlarmsOutput, Refusal> {
    let names = input.alarm_names.unwrap_or_default();
    let prefix = input.alarm_name_prefix.unwrap_or_default();
    let state = input.state_value.as_deref().map(parse_state).transpose()?;
    let metric_alarms = input.alarm_types.is_none_or(|types| types.iter().any(|kind| kind == METRIC_ALARM));
    let wanted = |alarm: &&Alarm| {
        let config = &alarm.config;
        let acts = |prefix: &String| {
            AlarmState::ALL
                .iter()
                .any(|state| config.actions(*state).iter().any(|arn| arn.starts_with(prefix.as_str())))
        };
        metric_alarms
            && (names.is_empty() || names.iter().any(|name| *name == config.name.0))
            && config.name.0.starts_with(&prefix)
            && state.is_none_or(|state| state == alarm.state.value)
            && input.action_prefix.as_ref().is_none_or(acts)
    };
    let first = position(input.next_token.as_deref())?.unwrap_or_else(|| prefix.clone());
    let size = page_size(input.max_records);
    let all = region.world.alarms.from_name(&first);
    let near = all.take_while(|alarm| prefix.is_empty() || alarm.config.name.0.starts_with(&prefix));
    let mut found: Vec<&Alarm> = near.filter(wanted).take(size + 1).collect();
    let next = found.get(size).map(|alarm| token(alarm.config.name.as_str()));
    found.truncate(size);
    Ok(model::DescribeAlarmsOutput {
        composite_alarms: Some(Vec::new()),
        metric_alarms: Some(found.into_iter().map(describe).collect()),
        log_alarms: Some(Vec::new()),
        next_token: next,
    })
}

fn describe(alarm: &Alarm) -> model::MetricAlarm {
    let (config, stat) = (&alarm.config, &alarm.config.metric);
    let statistic = Some(stat.statistic.to_string());
    let (plain, extended) = if stat.statistic.is_extended() { (None, statistic) } else { (statistic, None) };
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
        state_reason: Some(alarm.state.reason.clone()),
        state_reason_data: alarm.state.reason_data.clone(),
        state_updated_timestamp: Some(alarm.state_updated_at),
        state_transitioned_timestamp: Some(alarm.state_updated_at),
        metric_name: Some(stat.key.name.clone()),
        namespace: Some(stat.key.namespace.clone()),
        statistic: plain,
        extended_statistic: extended,
        dimensions: Some(dimensions(&stat.key.dimensions)),
        period: Some(stat.period_secs.into()),
        unit: stat.unit.clone(),
        evaluation_periods: Some(config.evaluation_periods.into()),
        datapoints_to_alarm: config.datapoints_to_alarm.map(Into::into),
        threshold: Some(config.threshold),
        comparison_operator: Some(config.comparison.to_string()),
        treat_missing_data: config.treat_missing_data.map(|treatment| treatment.to_string()),
        evaluate_low_sample_count_percentile: config.evaluate_low_sample_count_percentile.map(|low| low.to_string()),
        ..model::MetricAlarm::default()
    }
}

fn describe_alarms_for_metric(
    region: &mut Region,
    _call: &Call,
    input: model::DescribeAlarmsForMetricInput,
) -> Result<model::DescribeAlarmsForMetricOutput, Refusal> {
    let key = MetricKey {
        namespace: input.namespace.unwrap_or_default(),
        name: input.metric_name.unwrap_or_default(),
        dimensions: pairs(input.dimensions).into_iter().collect(),
    };
    let statistic = input.statistic.or(input.extended_statistic).map(|text| Statistic::parse(&text));
    let wanted = |alarm: &&Alarm| {
        let stat = &alarm.config.metric;
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

fn tag_resource(
    region: &mut Region,
    _call: &Call,
    input: model::TagResourceInput,
) -> Result<model::TagResourceOutput, Refusal> {
    region.world.tag_alarm(&input.resource_arn.unwrap_or_default(), tags(input.tags))?;
    Ok(model::TagResourceOutput {})
}

fn untag_resource(
    region: &mut Region,
    _call: &Call,
    input: model::UntagResourceInput,
) -> Result<model::UntagResourceOutput, Refusal> {
    region.world.untag_alarm(&input.resource_arn.unwrap_or_default(), &input.tag_keys.unwrap_or_default())?;
    Ok(model::UntagResourceOutput {})
}

fn list_tags_for_resource(
    region: &mut Region,
    _call: &Call,
    input: model::ListTagsForResourceInput,
) -> Result<model::ListTagsForResourceOutput, Refusal> {
    let tags = region.world.alarm_tags(&input.resource_arn.unwrap_or_default())?;
    let tag = |(key, value): (&String, &String)| model::Tag { key: Some(key.clone()), value: Some(value.clone()) };
    Ok(model::ListTagsForResourceOutput { tags: Some(tags.iter().map(tag).collect()) })
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
