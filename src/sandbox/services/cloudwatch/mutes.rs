//! Mute rules: put, get, list, delete.

use super::{offset, page, page_size, pairs_of_tags};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::alarms::mute::{MuteRequest, MuteRule};
use crate::engine::names::Place;
use crate::sandbox::models::cloudwatch as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn register(operations: &mut Operations) {
    operations.on(
        "PutAlarmMuteRule",
        "Creates a rule that mutes alarms' actions in windows of time, or replaces it; its tags then stay.",
        &["Name", "Description", "Rule", "MuteTargets", "Tags", "StartDate", "ExpireDate"],
        put_alarm_mute_rule,
    );
    operations.on("GetAlarmMuteRule", "Shows a mute rule.", &["AlarmMuteRuleName"], get_alarm_mute_rule);
    operations.on(
        "ListAlarmMuteRules",
        "Lists mute rules by alarm and status, in the order of their names.",
        &["AlarmName", "Statuses", "MaxRecords", "NextToken"],
        list_alarm_mute_rules,
    );
    operations.on(
        "DeleteAlarmMuteRule",
        "Deletes a mute rule; what it mutes is heard at once.",
        &["AlarmMuteRuleName"],
        delete_alarm_mute_rule,
    );
}

fn put_alarm_mute_rule(
    region: &mut Region,
    call: &Call,
    input: model::PutAlarmMuteRuleInput,
) -> Result<model::PutAlarmMuteRuleOutput, Refusal> {
    let tags = pairs_of_tags(input.tags);
    let schedule = input.rule.unwrap_or_default().schedule.unwrap_or_default();
    let request = MuteRequest {
        name: input.name.unwrap_or_default(),
        description: input.description,
        expression: schedule.expression.unwrap_or_default(),
        duration: schedule.duration.unwrap_or_default(),
        zone: schedule.timezone,
        targets: input.mute_targets.and_then(|targets| targets.alarm_names).unwrap_or_default(),
        start: input.start_date,
        expire: input.expire_date,
    };
    let rule = MuteRule::check(request, call.now)?;
    region.world.put_mute_rule(call.now, rule, tags)?;
    Ok(model::PutAlarmMuteRuleOutput {})
}

fn get_alarm_mute_rule(
    region: &mut Region,
    call: &Call,
    input: model::GetAlarmMuteRuleInput,
) -> Result<model::GetAlarmMuteRuleOutput, Refusal> {
    let rule = region.world.alarms.mute_rules().get(&input.alarm_mute_rule_name.unwrap_or_default());
    let rule = rule.ok_or_else(|| Refusal::new("ResourceNotFoundException", 404, ""))?;
    let schedule = model::Schedule {
        expression: Some(rule.schedule.expression.as_str().to_string()),
        duration: Some(rule.schedule.duration.as_str().to_string()),
        timezone: rule.schedule.zone.as_ref().map(|zone| zone.as_str().to_string()),
    };
    let targets: Vec<String> = rule.targets.iter().map(|name| name.0.clone()).collect();
    let summary = summary(rule, &region.world.place, call.now);
    Ok(model::GetAlarmMuteRuleOutput {
        name: Some(rule.name.clone()),
        alarm_mute_rule_arn: summary.alarm_mute_rule_arn,
        description: rule.description.clone(),
        rule: Some(model::Rule { schedule: Some(schedule) }),
        mute_targets: (!targets.is_empty()).then_some(model::MuteTargets { alarm_names: Some(targets) }),
        start_date: rule.start,
        expire_date: rule.expire,
        status: summary.status,
        last_updated_timestamp: Some(rule.updated_at),
        mute_type: summary.mute_type,
    })
}

fn summary(rule: &MuteRule, place: &Place, now: Timestamp) -> model::AlarmMuteRuleSummary {
    let mute_type = if rule.schedule.expression.recurs() { "RECURRING" } else { "ONE_TIME" };
    model::AlarmMuteRuleSummary {
        alarm_mute_rule_arn: Some(rule.arn(place)),
        expire_date: rule.expire,
        status: Some(rule.status(now).as_str().to_string()),
        mute_type: Some(mute_type.to_string()),
        last_updated_timestamp: Some(rule.updated_at),
    }
}

fn list_alarm_mute_rules(
    region: &mut Region,
    call: &Call,
    input: model::ListAlarmMuteRulesInput,
) -> Result<model::ListAlarmMuteRulesOutput, Refusal> {
    let wanted = |rule: &&MuteRule| {
        let status = rule.status(call.now).as_str();
        input.alarm_name.as_ref().is_none_or(|name| rule.targets.contains(name.as_str()))
            && input.statuses.as_ref().is_none_or(|statuses| statuses.iter().any(|wanted| wanted == status))
    };
    let place = &region.world.place;
    let found = region.world.alarms.mute_rules().iter().filter(wanted).map(|rule| summary(rule, place, call.now));
    let (summaries, next_token) = page(found, offset(input.next_token.as_deref())?, page_size(input.max_records));
    Ok(model::ListAlarmMuteRulesOutput { alarm_mute_rule_summaries: Some(summaries), next_token })
}

fn delete_alarm_mute_rule(
    region: &mut Region,
    call: &Call,
    input: model::DeleteAlarmMuteRuleInput,
) -> Result<model::DeleteAlarmMuteRuleOutput, Refusal> {
    region.world.alarms.delete_mute_rule(call.now, &input.alarm_mute_rule_name.unwrap_or_default());
    Ok(model::DeleteAlarmMuteRuleOutput {})
}
