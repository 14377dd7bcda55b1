//! The operations on topics.

use super::{links, page, pairs, required};
use crate::engine::Refusal;
use crate::sandbox::models::sns as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "CreateTopic",
        "Creates a standard or FIFO topic, or returns the one that exists with these attributes and tags",
        &["Name", "Attributes", "Tags"],
        create_topic,
    );
    operations.on("DeleteTopic", "Deletes a topic and its subscriptions", &["TopicArn"], delete_topic);
    operations.on("ListTopics", "Lists topics, a hundred at a time", &["NextToken"], list_topics);
    operations.on("GetTopicAttributes", "Returns a topic's attributes", &["TopicArn"], get_topic_attributes);
    operations.on(
        "SetTopicAttributes",
        "Sets an attribute; the policy decides which services may publish",
        &["TopicArn", "AttributeName", "AttributeValue"],
        set_topic_attributes,
    );
    operations.on(
        "AddPermission",
        "Adds a statement for other accounts to the topic's policy",
        &["TopicArn", "Label", "AWSAccountId", "ActionName"],
        add_permission,
    );
    operations.on(
        "RemovePermission",
        "Removes a statement from the topic's policy",
        &["TopicArn", "Label"],
        remove_permission,
    );
    operations.on(
        "GetDataProtectionPolicy",
        "Returns a topic's data protection policy: none",
        &["ResourceArn"],
        get_data_protection_policy,
    );
    operations.on("ListTagsForResource", "Lists the tags of a topic", &["ResourceArn"], list_tags_for_resource);
    operations.on("TagResource", "Sets tags of a topic", &["ResourceArn", "Tags"], tag_resource);
    operations.on("UntagResource", "Removes tags of a topic", &["ResourceArn", "TagKeys"], untag_resource);
}

fn create_topic(
    region: &mut Region,
    call: &Call,
    input: model::CreateTopicInput,
) -> Result<model::CreateTopicOutput, Refusal> {
    let name = required(input.name, "Topic Name")?;
    let attributes = input.attributes.unwrap_or_default().into_iter().collect();
    let arn = region.world.topics.create_topic(&name, &attributes, &pairs(input.tags), links(&call.base_url))?;
    Ok(model::CreateTopicOutput { topic_arn: Some(arn.0) })
}

fn delete_topic(
    region: &mut Region,
    _: &Call,
    input: model::DeleteTopicInput,
) -> Result<model::DeleteTopicOutput, Refusal> {
    region.world.topics.delete_topic(&required(input.topic_arn, "TopicArn")?)?;
    Ok(model::DeleteTopicOutput {})
}

fn list_topics(
    region: &mut Region,
    _: &Call,
    input: model::ListTopicsInput,
) -> Result<model::ListTopicsOutput, Refusal> {
    let arns = region.world.topics.topic_arns().map(|arn| (arn.0.clone(), ()));
    let (arns, next_token) = page(arns, input.next_token.as_deref())?;
    let topics = arns.into_iter().map(|(arn, ())| model::Topic { topic_arn: Some(arn) }).collect();
    Ok(model::ListTopicsOutput { topics: Some(topics), next_token })
}

fn get_topic_attributes(
    region: &mut Region,
    _: &Call,
    input: model::GetTopicAttributesInput,
) -> Result<model::GetTopicAttributesOutput, Refusal> {
    let attributes = region.world.topics.topic_attributes(&required(input.topic_arn, "TopicArn")?)?;
    Ok(model::GetTopicAttributesOutput { attributes: Some(attributes.into_iter().collect()) })
}

fn set_topic_attributes(
    region: &mut Region,
    _: &Call,
    input: model::SetTopicAttributesInput,
) -> Result<model::SetTopicAttributesOutput, Refusal> {
    let arn = required(input.topic_arn, "TopicArn")?;
    let name = required(input.attribute_name, "AttributeName")?;
    region.world.topics.set_topic_attribute(&arn, &name, &input.attribute_value.unwrap_or_default())?;
    Ok(model::SetTopicAttributesOutput {})
}

fn add_permission(
    region: &mut Region,
    _: &Call,
    input: model::AddPermissionInput,
) -> Result<model::AddPermissionOutput, Refusal> {
    let arn = required(input.topic_arn, "TopicArn")?;
    let label = required(input.label, "Label")?;
    let accounts = input.aws_account_id.unwrap_or_default();
    let actions = input.action_name.unwrap_or_default();
    region.world.topics.add_permission(&arn, &label, &accounts, &actions)?;
    Ok(model::AddPermissionOutput {})
}

fn remove_permission(
    region: &mut Region,
    _: &Call,
    input: model::RemovePermissionInput,
) -> Result<model::RemovePermissionOutput, Refusal> {
    let arn = required(input.topic_arn, "TopicArn")?;
    region.world.topics.remove_permission(&arn, &required(input.label, "Label")?)?;
    Ok(model::RemovePermissionOutput {})
}

fn get_data_protection_policy(
    region: &mut Region,
    _: &Call,
    input: model::GetDataProtectionPolicyInput,
) -> Result<model::GetDataProtectionPolicyOutput, Refusal> {
    region.world.topics.topic_attributes(&required(input.resource_arn, "ResourceArn")?)?;
    Ok(model::GetDataProtectionPolicyOutput { data_protection_policy: None })
}

fn list_tags_for_resource(
    region: &mut Region,
    _: &Call,
    input: model::ListTagsForResourceInput,
) -> Result<model::ListTagsForResourceOutput, Refusal> {
    let tags = region.world.topics.tags(&required(input.resource_arn, "ResourceArn")?)?;
    let tag = |(key, value): &(String, String)| model::Tag { key: Some(key.clone()), value: Some(value.clone()) };
    Ok(model::ListTagsForResourceOutput { tags: Some(tags.iter().map(tag).collect()) })
}

fn tag_resource(
    region: &mut Region,
    _: &Call,
    input: model::TagResourceInput,
) -> Result<model::TagResourceOutput, Refusal> {
    region.world.topics.tag(&required(input.resource_arn, "ResourceArn")?, &pairs(input.tags))?;
    Ok(model::TagResourceOutput {})
}

fn untag_resource(
    region: &mut Region,
    _: &Call,
    input: model::UntagResourceInput,
) -> Result<model::UntagResourceOutput, Refusal> {
    let keys = input.tag_keys.unwrap_or_default();
    region.world.topics.untag(&required(input.resource_arn, "ResourceArn")?, &keys)?;
    Ok(model::UntagResourceOutput {})
}
