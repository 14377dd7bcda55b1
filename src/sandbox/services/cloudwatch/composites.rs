//! Composite alarms: put and describe.

use super::pairs_of_tags;
use crate::engine::Refusal;
use crate::engine::alarms::composite::validate::CompositeRequest;
use crate::engine::alarms::{Alarms, Composite};
use crate::sandbox::models::cloudwatch as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn register(operations: &mut Operations) {
    operations.on(
        "PutCompositeAlarm",
        "Creates an alarm on the states of other alarms or replaces its configuration, and evaluates it at once.",
        &[
            "AlarmName",
            "AlarmDescription",
            "ActionsEnabled",
            "OKActions",
            "AlarmActions",
            "InsufficientDataActions",
            "AlarmRule",
            "Tags",
            "ActionsSuppressor",
            "ActionsSuppressorWaitPeriod",
            "ActionsSuppressorExtensionPeriod",
        ],
        put_composite_alarm,
    );
}

fn put_composite_alarm(
    region: &mut Region,
    call: &Call,
    input: model::PutCompositeAlarmInput,
) -> Result<model::PutCompositeAlarmOutput, Refusal> {
    let tags = pairs_of_tags(input.tags);
    let request = CompositeRequest {
        name: input.alarm_name.unwrap_or_default(),
        description: input.alarm_description,
        actions_enabled: input.actions_enabled,
        ok_actions: input.ok_actions.unwrap_or_default(),
        alarm_actions: input.alarm_actions.unwrap_or_default(),
        insufficient_data_actions: input.insufficient_data_actions.unwrap_or_default(),
        rule: input.alarm_rule.unwrap_or_default(),
        suppressor: input.actions_suppressor,
        wait_secs: input.actions_suppressor_wait_period,
        extension_secs: input.actions_suppressor_extension_period,
    };
    region.world.put_composite_alarm(call.now, request.into_alarm()?, tags)?;
    Ok(model::PutCompositeAlarmOutput {})
}

pub fn describe(alarms: &Alarms, composite: &Composite) -> model::CompositeAlarm {
    let config = &composite.config;
    let suppressed_by = composite.suppression.and_then(|suppression| suppression.suppressed_by());
    let suppressor = config.suppressor.as_ref();
    model::CompositeAlarm {
        alarm_name: Some(config.name.0.clone()),
        alarm_arn: Some(composite.arn.clone()),
        alarm_description: config.description.clone(),
        alarm_configuration_updated_timestamp: Some(composite.configuration_updated_at),
        alarm_rule: Some(config.rule.as_str().to_string()),
        actions_enabled: Some(config.actions_enabled),
        ok_actions: Some(config.ok_actions.clone()),
        alarm_actions: Some(config.alarm_actions.clone()),
        insufficient_data_actions: Some(config.insufficient_data_actions.clone()),
        state_value: Some(composite.state.value.to_string()),
        state_reason: Some(composite.state.reason.to_string()),
        state_reason_data: composite.state.reason_data.as_deref().map(str::to_string),
        state_updated_timestamp: Some(composite.state_updated_at),
        state_transitioned_timestamp: Some(composite.state_updated_at),
        actions_suppressed_by: suppressed_by.map(str::to_string),
        actions_suppressed_reason: suppressed_by.map(|by| alarms.suppressed_reason(&config.name, by)),
        actions_suppressor: suppressor.map(|suppressor| suppressor.alarm.clone()),
        actions_suppressor_wait_period: suppressor.map(|suppressor| suppressor.wait_secs.into()),
        actions_suppressor_extension_period: suppressor.map(|suppressor| suppressor.extension_secs.into()),
    }
}

/// What DescribeAlarms says of a child: no configuration.
///
/// Source: CloudWatch API Reference, DescribeAlarms, `ChildrenOfAlarmName`.
pub fn as_child(alarm: model::CompositeAlarm) -> model::CompositeAlarm {
    model::CompositeAlarm {
        state_value: alarm.state_value,
        state_updated_timestamp: alarm.state_updated_timestamp,
        ..as_parent(model::CompositeAlarm {
            alarm_name: alarm.alarm_name,
            alarm_arn: alarm.alarm_arn,
            ..Default::default()
        })
    }
}

/// What DescribeAlarms says of a parent: its name and ARN.
///
/// Source: CloudWatch API Reference, DescribeAlarms, `ParentsOfAlarmName`.
pub fn as_parent(alarm: model::CompositeAlarm) -> model::CompositeAlarm {
    model::CompositeAlarm { alarm_name: alarm.alarm_name, alarm_arn: alarm.alarm_arn, ..Default::default() }
}
