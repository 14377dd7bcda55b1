//! Tags, of alarms and of insight rules.

use super::insight_rules::InsightRule;
use super::{model, pairs_of_tags};
use crate::engine::Refusal;
use crate::engine::alarms::{Tags, check_tags};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn register(operations: &mut Operations) {
    operations.on(
        "TagResource",
        "Adds or changes the tags of an alarm or an insight rule.",
        &["ResourceARN", "Tags"],
        tag_resource,
    );
    operations.on(
        "UntagResource",
        "Removes tags from an alarm or an insight rule.",
        &["ResourceARN", "TagKeys"],
        untag_resource,
    );
    operations.view(
        "ListTagsForResource",
        "Lists the tags of an alarm or an insight rule.",
        &["ResourceARN"],
        list_tags_for_resource,
    );
}

/// What the insight rule of this ARN is called.
fn rule_name<'a>(region: &Region, arn: &'a str) -> Option<&'a str> {
    arn.strip_prefix(&region.world.place.arn("cloudwatch", "insight-rule/"))
}

/// The insight rule of this ARN.
fn rule<'a>(region: &'a mut Region, arn: &str) -> Option<&'a mut InsightRule> {
    let name = rule_name(region, arn)?;
    region.cloudwatch.insight_rules.get_mut(name)
}

fn tag_resource(
    region: &mut Region,
    _call: &Call,
    input: model::TagResourceInput,
) -> Result<model::TagResourceOutput, Refusal> {
    let (arn, tags) = (input.resource_arn.unwrap_or_default(), pairs_of_tags(input.tags));
    match rule(region, &arn) {
        Some(rule) => {
            let mut all = rule.tags.clone();
            all.extend(tags);
            check_tags(&all)?;
            rule.tags = all;
        }
        None => region.world.tag_alarm(&arn, tags)?,
    }
    Ok(model::TagResourceOutput {})
}

fn untag_resource(
    region: &mut Region,
    _call: &Call,
    input: model::UntagResourceInput,
) -> Result<model::UntagResourceOutput, Refusal> {
    let (arn, keys) = (input.resource_arn.unwrap_or_default(), input.tag_keys.unwrap_or_default());
    match rule(region, &arn) {
        Some(rule) => rule.tags.retain(|key, _| !keys.contains(key)),
        None => region.world.untag_alarm(&arn, &keys)?,
    }
    Ok(model::UntagResourceOutput {})
}

fn list_tags_for_resource(
    region: &Region,
    input: model::ListTagsForResourceInput,
) -> Result<model::ListTagsForResourceOutput, Refusal> {
    let arn = input.resource_arn.unwrap_or_default();
    let rule = rule_name(region, &arn).and_then(|name| region.cloudwatch.insight_rules.get(name));
    let tags: Tags = match rule {
        Some(rule) => rule.tags.clone(),
        None => region.world.alarm_tags(&arn)?.clone(),
    };
    let tag = |(key, value)| model::Tag { key: Some(key), value: Some(value) };
    Ok(model::ListTagsForResourceOutput { tags: Some(tags.into_iter().map(tag).collect()) })
}
