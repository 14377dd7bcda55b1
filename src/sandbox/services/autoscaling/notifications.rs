//! Which topics hear of a group.

use std::collections::BTreeSet;

use super::{PageRequest, group_name, model, wants, word};
use crate::engine::Refusal;
use crate::engine::groups::notice::NotificationType;
use crate::engine::names::TopicArn;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

const CONFIGURATIONS_PER_PAGE: usize = 50;

pub fn register(operations: &mut Operations) {
    operations.on(
        "PutNotificationConfiguration",
        "Tells a topic of launches and terminations from now on, and at once that it was reached.",
        &["AutoScalingGroupName", "TopicARN", "NotificationTypes"],
        put,
    );
    operations.view(
        "DescribeNotificationConfigurations",
        "Lists topics with what they hear of.",
        &["AutoScalingGroupNames", "NextToken", "MaxRecords"],
        describe,
    );
    operations.on(
        "DeleteNotificationConfiguration",
        "Tells a topic nothing more.",
        &["AutoScalingGroupName", "TopicARN"],
        delete,
    );
    operations.view("DescribeAutoScalingNotificationTypes", "Lists what topics can hear of.", &[], types);
}

fn put(
    region: &mut Region,
    call: &Call,
    input: model::PutNotificationConfigurationInput,
) -> Result<model::PutNotificationConfigurationOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let topic = input.topic_arn.unwrap_or_default();
    if topic.split(':').nth(2) != Some("sns") {
        return Err(Refusal::validation(format!("Invalid SNS topic ARN: {topic}")));
    }
    let read = |text: &String| word("notification type", text, NotificationType::parse);
    let types = input.notification_types.unwrap_or_default();
    let types = types.iter().map(read).collect::<Result<BTreeSet<_>, _>>()?;
    region.world.with_groups(call.now, |groups| groups.put_notification(call.now, &name, TopicArn(topic), types))?;
    Ok(model::PutNotificationConfigurationOutput {})
}

fn describe(
    region: &Region,
    input: model::DescribeNotificationConfigurationsInput,
) -> Result<model::DescribeNotificationConfigurationsOutput, Refusal> {
    let page = PageRequest::new(input.next_token.as_deref(), input.max_records, CONFIGURATIONS_PER_PAGE)?;
    let names = input.auto_scaling_group_names.as_deref();
    let groups = region.world.groups.iter().filter(|group| wants(names, group.name.as_str()));
    let rows = groups.flat_map(|group| {
        let topics = group.notifications.iter();
        topics.flat_map(move |(topic, types)| types.iter().map(move |kind| (group, topic, kind)))
    });
    let shown = rows.map(|(group, topic, kind)| model::NotificationConfiguration {
        auto_scaling_group_name: Some(group.name.to_string()),
        topic_arn: Some(topic.to_string()),
        notification_type: Some(kind.name().into()),
    });
    let (found, next_token) = page.cut(shown);
    Ok(model::DescribeNotificationConfigurationsOutput { notification_configurations: Some(found), next_token })
}

fn delete(
    region: &mut Region,
    call: &Call,
    input: model::DeleteNotificationConfigurationInput,
) -> Result<model::DeleteNotificationConfigurationOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let topic = TopicArn(input.topic_arn.unwrap_or_default());
    region.world.with_groups(call.now, |groups| groups.delete_notification(&name, &topic))?;
    Ok(model::DeleteNotificationConfigurationOutput {})
}

fn types(
    _region: &Region,
    _input: model::DescribeAutoScalingNotificationTypesInput,
) -> Result<model::DescribeAutoScalingNotificationTypesOutput, Refusal> {
    let types = NotificationType::ALL.iter().map(|kind| kind.name().to_string()).collect();
    Ok(model::DescribeAutoScalingNotificationTypesOutput { auto_scaling_notification_types: Some(types) })
}
