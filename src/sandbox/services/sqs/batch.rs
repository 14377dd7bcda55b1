//! The operations that take up to ten messages at once, each with its own outcome.

use std::collections::BTreeSet;

use super::Incoming;
use super::messages::{Entry, change_visibility, md5_of_trace, send};
use super::missing;
use crate::engine::Refusal;
use crate::sandbox::models::sqs as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Of AWS: entries of one request.
const MAX_ENTRIES: usize = 10;
/// Of AWS: bytes of all messages of one request.
const MAX_BYTES: usize = 1_048_576;

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "SendMessageBatch",
        "Puts up to ten messages into a queue",
        &["QueueUrl", "Entries"],
        send_message_batch,
    );
    operations.on(
        "DeleteMessageBatch",
        "Deletes up to ten messages by their receipts",
        &["QueueUrl", "Entries"],
        delete_message_batch,
    );
    operations.on(
        "ChangeMessageVisibilityBatch",
        "Sets when up to ten messages can be received again",
        &["QueueUrl", "Entries"],
        change_message_visibility_batch,
    );
}

/// # Errors
/// What AWS says of a batch as a whole: empty, too many entries, an id that is wrong or given twice.
fn check_ids(kind: &str, ids: &[Option<String>]) -> Result<(), Refusal> {
    let refused = |code: &str, text: String| Err(Refusal::new(format!("AWS.SimpleQueueService.{code}"), 400, text));
    if ids.is_empty() {
        let text = format!("There should be at least one {kind}RequestEntry in the request.");
        return refused("EmptyBatchRequest", text);
    }
    if ids.len() > MAX_ENTRIES {
        let text = format!("Maximum number of entries per request are {MAX_ENTRIES}. You have sent {}.", ids.len());
        return refused("TooManyEntriesInBatchRequest", text);
    }
    let mut seen = BTreeSet::new();
    for id in ids.iter().map(|id| id.as_deref().unwrap_or_default()) {
        let valid = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !valid || id.is_empty() || id.len() > 80 {
            let text = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can \
                        be at most 80 letters long.";
            return refused("InvalidBatchEntryId", text.into());
        }
        if !seen.insert(id) {
            return refused("BatchEntryIdsNotDistinct", format!("Id {id} repeated."));
        }
    }
    Ok(())
}

fn failed(id: Option<String>, refusal: Refusal) -> model::BatchResultErrorEntry {
    model::BatchResultErrorEntry {
        id,
        sender_fault: Some(true),
        code: Some(refusal.code),
        message: Some(refusal.message),
    }
}

/// Splits outcomes; a list that is empty is absent.
fn split<T>(
    outcomes: Vec<(Option<String>, Result<T, Refusal>)>,
) -> (Option<Vec<T>>, Option<Vec<model::BatchResultErrorEntry>>) {
    let (mut successful, mut failures) = (Vec::new(), Vec::new());
    for (id, outcome) in outcomes {
        match outcome {
            Ok(entry) => successful.push(entry),
            Err(refusal) => failures.push(failed(id, refusal)),
        }
    }
    ((!successful.is_empty()).then_some(successful), (!failures.is_empty()).then_some(failures))
}

fn send_message_batch(
    region: &mut Region,
    call: &Call,
    input: model::SendMessageBatchInput,
) -> Result<model::SendMessageBatchOutput, Refusal> {
    let url = input.queue_url;
    region.sqs.queue_for("SendMessage", url.as_ref())?;
    let entries = input.entries.unwrap_or_default();
    check_ids("SendMessageBatch", &entries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>())?;
    let entries: Vec<_> = entries.into_iter().map(|entry| (entry.id.clone(), incoming(entry))).collect();
    let bytes: usize = entries.iter().filter_map(|(_, entry)| entry.as_ref().ok()).map(Incoming::bytes).sum();
    if bytes > MAX_BYTES {
        let text = format!("Batch requests cannot be longer than {MAX_BYTES} bytes. You have sent {bytes} bytes.");
        return Err(Refusal::new("AWS.SimpleQueueService.BatchRequestTooLong", 400, text));
    }
    let queue = region.sqs.queue_for("SendMessage", url.as_ref())?;
    entries.iter().filter_map(|(_, entry)| entry.as_ref().ok()).try_for_each(|entry| queue.check_order(entry))?;
    let outcomes = entries.into_iter().map(|(id, entry)| {
        let sent = entry.and_then(|entry| send_entry(region, call, url.as_ref(), id.clone(), entry));
        (id, sent)
    });
    let (successful, failed) = split(outcomes.collect());
    Ok(model::SendMessageBatchOutput { successful, failed })
}

fn incoming(entry: model::SendMessageBatchRequestEntry) -> Result<Incoming, Refusal> {
    Entry {
        body: entry.message_body,
        delay_seconds: entry.delay_seconds,
        attributes: entry.message_attributes,
        system: entry.message_system_attributes,
        deduplication_id: entry.message_deduplication_id,
        group_id: entry.message_group_id,
    }
    .incoming()
}

fn send_entry(
    region: &mut Region,
    call: &Call,
    url: Option<&String>,
    id: Option<String>,
    incoming: Incoming,
) -> Result<model::SendMessageBatchResultEntry, Refusal> {
    let trace = md5_of_trace(&incoming);
    region.sqs.queue_for("SendMessage", url)?.check_size(&incoming, "cannot be validated")?;
    let stored = send(region, call.now, url, incoming)?;
    Ok(model::SendMessageBatchResultEntry {
        id,
        message_id: Some(stored.message_id),
        md5_of_message_body: Some(stored.md5_of_body),
        md5_of_message_attributes: stored.md5_of_attributes,
        md5_of_message_system_attributes: trace,
        sequence_number: stored.sequence_number,
    })
}

fn delete_message_batch(
    region: &mut Region,
    call: &Call,
    input: model::DeleteMessageBatchInput,
) -> Result<model::DeleteMessageBatchOutput, Refusal> {
    let queue = region.sqs.queue_for("DeleteMessage", input.queue_url.as_ref())?;
    let entries = input.entries.unwrap_or_default();
    check_ids("DeleteMessageBatch", &entries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>())?;
    let outcomes = entries.into_iter().map(|entry| {
        let receipt = entry.receipt_handle.ok_or_else(|| missing("ReceiptHandle"));
        let outcome = receipt.and_then(|receipt| queue.delete(call.now, &receipt));
        (entry.id.clone(), outcome.map(|()| model::DeleteMessageBatchResultEntry { id: entry.id }))
    });
    let (successful, failed) = split(outcomes.collect());
    Ok(model::DeleteMessageBatchOutput { successful, failed })
}

fn change_message_visibility_batch(
    region: &mut Region,
    call: &Call,
    input: model::ChangeMessageVisibilityBatchInput,
) -> Result<model::ChangeMessageVisibilityBatchOutput, Refusal> {
    let url = input.queue_url;
    region.sqs.queue_for("ChangeMessageVisibility", url.as_ref())?;
    let entries = input.entries.unwrap_or_default();
    check_ids("ChangeMessageVisibilityBatch", &entries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>())?;
    let outcomes = entries.into_iter().map(|entry| {
        let outcome = change_visibility(region, call, url.as_ref(), entry.receipt_handle, entry.visibility_timeout);
        (entry.id.clone(), outcome.map(|()| model::ChangeMessageVisibilityBatchResultEntry { id: entry.id }))
    });
    let (successful, failed) = split(outcomes.collect());
    Ok(model::ChangeMessageVisibilityBatchOutput { successful, failed })
}
