//! The operations that publish.

use std::collections::BTreeSet;

use super::outside::{publish_to_endpoint, publish_to_phone};
use super::{attributes, required};
use crate::engine::Refusal;
use crate::engine::topics::Published;
use crate::engine::topics::message::{MAX_MESSAGE_BYTES, Publication, invalid};
use crate::sandbox::models::sns as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Of AWS: entries of one batch.
const MAX_ENTRIES: usize = 10;

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "Publish",
        "Publishes a message to the subscribers of a topic, to a telephone or to a device",
        &[
            "TopicArn",
            "TargetArn",
            "PhoneNumber",
            "Message",
            "Subject",
            "MessageStructure",
            "MessageAttributes",
            "MessageDeduplicationId",
            "MessageGroupId",
        ],
        publish,
    );
    operations.on(
        "PublishBatch",
        "Publishes up to ten messages to a topic",
        &["TopicArn", "PublishBatchRequestEntries"],
        publish_batch,
    );
}

fn publish(region: &mut Region, call: &Call, input: model::PublishInput) -> Result<model::PublishOutput, Refusal> {
    let publication = Publication {
        subject: input.subject,
        message: input.message.unwrap_or_default(),
        structure: input.message_structure,
        attributes: attributes(input.message_attributes)?,
        group_id: input.message_group_id,
        deduplication_id: input.message_deduplication_id,
    };
    if let Some(number) = input.phone_number {
        let message_id = publish_to_phone(region, call, &number, &publication)?;
        return Ok(model::PublishOutput { message_id: Some(message_id), sequence_number: None });
    }
    let target = required(
        input.topic_arn.or(input.target_arn),
        "TopicArn or TargetArn Reason: no value for required parameter",
    )?;
    if target.split(':').nth(5).is_some_and(|resource| resource.starts_with("endpoint/")) {
        let message_id = publish_to_endpoint(region, call, &target, &publication)?;
        return Ok(model::PublishOutput { message_id: Some(message_id), sequence_number: None });
    }
    let Published { message_id, sequence_number } =
        region.world.topics.publish(call.now, &target, &publication, &region.world.keys)?;
    Ok(model::PublishOutput { message_id: Some(message_id), sequence_number })
}

fn publish_batch(
    region: &mut Region,
    call: &Call,
    input: model::PublishBatchInput,
) -> Result<model::PublishBatchOutput, Refusal> {
    let topic = required(input.topic_arn, "TopicArn")?;
    region.world.topics.topic_attributes(&topic)?;
    let entries = input.publish_batch_request_entries.unwrap_or_default();
    check_ids(&entries)?;
    let entries: Vec<(String, Publication)> = entries.into_iter().map(entry).collect::<Result<_, _>>()?;
    check_sizes(&entries)?;
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, publication) in entries {
        match region.world.topics.publish(call.now, &topic, &publication, &region.world.keys) {
            Ok(Published { message_id, sequence_number }) => successful.push(model::PublishBatchResultEntry {
                id: Some(id),
                message_id: Some(message_id),
                sequence_number,
            }),
            // Attributes, structure and FIFO members concern the request as a whole (recorded); texts only their entry.
            Err(refusal) if !is_the_entrys_own(&refusal) => return Err(refusal),
            Err(refusal) => failed.push(model::BatchResultErrorEntry {
                id: Some(id),
                code: Some(refusal.code),
                message: Some(refusal.message),
                sender_fault: Some(true),
            }),
        }
    }
    Ok(model::PublishBatchOutput { successful: Some(successful), failed: Some(failed) })
}

fn is_the_entrys_own(refusal: &Refusal) -> bool {
    ["Invalid parameter: Subject", "Invalid parameter: Empty message"].contains(&refusal.message.as_str())
}

fn entry(entry: model::PublishBatchRequestEntry) -> Result<(String, Publication), Refusal> {
    let publication = Publication {
        subject: entry.subject,
        message: entry.message.unwrap_or_default(),
        structure: entry.message_structure,
        attributes: attributes(entry.message_attributes)?,
        group_id: entry.message_group_id,
        deduplication_id: entry.message_deduplication_id,
    };
    Ok((entry.id.ok_or_else(|| invalid("Id"))?, publication))
}

fn check_ids(entries: &[model::PublishBatchRequestEntry]) -> Result<(), Refusal> {
    let refused = |code: &str, text: &str| Err(Refusal::new(code, 400, text));
    if entries.is_empty() {
        return refused("EmptyBatchRequest", "The batch request doesn't contain any entries.");
    }
    if entries.len() > MAX_ENTRIES {
        let text = "The batch request contains more entries than permissible.";
        return refused("TooManyEntriesInBatchRequest", text);
    }
    let mut seen = BTreeSet::new();
    for id in entries.iter().map(|entry| entry.id.as_deref().unwrap_or_default()) {
        let valid = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !valid || id.is_empty() || id.len() > 80 {
            let text = "The Id of a batch entry in a batch request doesn't abide by the specification.";
            return refused("InvalidBatchEntryId", text);
        }
        if !seen.insert(id) {
            let text = "Two or more batch entries in the request have the same Id.";
            return refused("BatchEntryIdsNotDistinct", text);
        }
    }
    Ok(())
}

fn check_sizes(entries: &[(String, Publication)]) -> Result<(), Refusal> {
    if entries.iter().map(|(_, publication)| publication.size()).sum::<usize>() > MAX_MESSAGE_BYTES {
        let text = "The length of all the messages put together is more than the limit.";
        return Err(Refusal::new("BatchRequestTooLong", 400, text));
    }
    Ok(())
}
