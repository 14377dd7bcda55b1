//! DescribeAlarmHistory.

use super::{offset, page, page_size};
use crate::engine::Refusal;
use crate::engine::alarms::history::{AlarmKind, HistoryItem};
use crate::sandbox::models::cloudwatch as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn register(operations: &mut Operations) {
    operations.on(
        "DescribeAlarmHistory",
        "Lists what happened to alarms in the last two weeks, those that are gone included.",
        &["AlarmName", "AlarmTypes", "HistoryItemType", "StartDate", "EndDate", "MaxRecords", "NextToken", "ScanBy"],
        describe_alarm_history,
    );
}

fn describe_alarm_history(
    region: &mut Region,
    call: &Call,
    input: model::DescribeAlarmHistoryInput,
) -> Result<model::DescribeAlarmHistoryOutput, Refusal> {
    // Recorded from AWS: composite alarms are shown only to those who ask for their type.
    let types = input.alarm_types.unwrap_or_else(|| vec![AlarmKind::MetricAlarm.as_str().to_string()]);
    let wanted = |item: &&HistoryItem| {
        types.iter().any(|kind| kind == item.kind.as_str())
            && input.alarm_name.as_ref().is_none_or(|name| *name == item.alarm.0)
            && input.history_item_type.as_ref().is_none_or(|kind| kind == item.item_type())
            && input.start_date.is_none_or(|start| item.at >= start)
            && input.end_date.is_none_or(|end| item.at <= end)
    };
    let from = offset(input.next_token.as_deref())?;
    let size = page_size(input.max_records);
    let items = region.world.alarms.history().since_two_weeks(call.now).filter(wanted);
    let (items, next_token) = match input.scan_by.as_deref() {
        Some("TimestampAscending") => page(items, from, size),
        _ => page(items.rev(), from, size),
    };
    let items = items.into_iter().map(describe).collect();
    Ok(model::DescribeAlarmHistoryOutput { alarm_history_items: Some(items), next_token })
}

fn describe(item: &HistoryItem) -> model::AlarmHistoryItem {
    model::AlarmHistoryItem {
        alarm_name: Some(item.alarm.0.clone()),
        alarm_type: Some(item.kind.as_str().to_string()),
        timestamp: Some(item.at),
        history_item_type: Some(item.item_type().to_string()),
        history_summary: Some(item.summary()),
        history_data: Some(item.data()),
        ..model::AlarmHistoryItem::default()
    }
}
