//! The operations on queues themselves.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::attributes::{QUEUE_ATTRIBUTES, check_names};
use super::queue::Queue;
use super::{missing, no_such_queue, queue_url};
use crate::engine::Refusal;
use crate::engine::topics::policy::Policy;
use crate::sandbox::models::sqs as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Of AWS: what ListQueues gives at once, and gives when not told.
const URLS_PER_PAGE: usize = 1000;
/// Of AWS: tags of a queue, and actions that one AddPermission names.
const MAX_TAGS: usize = 50;
const MAX_ACTIONS: usize = 7;
/// What AddPermission can let other accounts do; the rest is the owner's (SQS Developer Guide, "Amazon SQS API
/// permissions").
const SHARED_ACTIONS: [&str; 9] = [
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
];

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "CreateQueue",
        "Creates a standard or FIFO queue, or returns the one that exists with the same attributes",
        &["QueueName", "Attributes", "tags"],
        create_queue,
    );
    operations.on("GetQueueUrl", "Returns the URL of a queue", &["QueueName", "QueueOwnerAWSAccountId"], get_queue_url);
    operations.on(
        "ListQueues",
        "Lists the URLs of queues whose names begin with a prefix",
        &["QueueNamePrefix", "NextToken", "MaxResults"],
        list_queues,
    );
    operations.on(
        "GetQueueAttributes",
        "Returns what was set, the defaults of the rest, and counts of messages",
        &["QueueUrl", "AttributeNames"],
        get_queue_attributes,
    );
    operations.on(
        "SetQueueAttributes",
        "Sets attributes; the policy decides which topics may deliver",
        &["QueueUrl", "Attributes"],
        set_queue_attributes,
    );
    operations.on("DeleteQueue", "Deletes a queue and its messages", &["QueueUrl"], delete_queue);
    operations.on("PurgeQueue", "Deletes the messages of a queue, once a minute at most", &["QueueUrl"], purge_queue);
    operations.on("ListQueueTags", "Lists the tags of a queue", &["QueueUrl"], list_queue_tags);
    operations.on("TagQueue", "Sets tags of a queue", &["QueueUrl", "Tags"], tag_queue);
    operations.on("UntagQueue", "Removes tags of a queue", &["QueueUrl", "TagKeys"], untag_queue);
    operations.on(
        "AddPermission",
        "Adds a statement for other accounts to the queue's policy",
        &["QueueUrl", "Label", "AWSAccountIds", "Actions"],
        add_permission,
    );
    operations.on(
        "RemovePermission",
        "Removes a statement from the queue's policy",
        &["QueueUrl", "Label"],
        remove_permission,
    );
    operations.on(
        "ListDeadLetterSourceQueues",
        "Lists the queues whose dead letters go to a queue",
        &["QueueUrl", "NextToken", "MaxResults"],
        list_dead_letter_source_queues,
    );
}

fn create_queue(
    region: &mut Region,
    call: &Call,
    input: model::CreateQueueInput,
) -> Result<model::CreateQueueOutput, Refusal> {
    let name = input.queue_name.ok_or_else(|| missing("QueueName"))?;
    let wanted: BTreeMap<String, String> = input.attributes.unwrap_or_default().into_iter().collect();
    check_name(&name, wanted.get("FifoQueue").is_some_and(|value| value == "true"))?;
    let sqs = &mut region.sqs;
    let output = model::CreateQueueOutput { queue_url: Some(queue_url(call, &sqs.place, &name)) };
    if let Some(queue) = sqs.queues.get(&name) {
        check_same(queue, &wanted)?;
        return Ok(output);
    }
    let mut queue = Queue::new(sqs.place.arn("sqs", &name), call.now);
    queue.set_attributes(&wanted)?;
    check_redrive(sqs, &queue.arn, wanted.get("RedrivePolicy"))?;
    queue.tags = input.tags.unwrap_or_default().into_iter().collect();
    check_tag_count(&name, queue.tags.len())?;
    sqs.queues.insert(name, queue);
    Ok(output)
}

/// # Errors
/// A dead-letter queue that does not exist, or of another kind than the queue. One of another region is not looked for.
fn check_redrive(sqs: &super::Sqs, source: &str, policy: Option<&String>) -> Result<(), Refusal> {
    let Some(policy) = policy.filter(|policy| !policy.is_empty()) else { return Ok(()) };
    let target = serde_json::from_str::<serde_json::Value>(policy).unwrap_or_default();
    let target = target["deadLetterTargetArn"].as_str().unwrap_or_default();
    if !sqs.queues.values().any(|queue| queue.arn == target) {
        return Err(super::invalid_value(policy, "RedrivePolicy", "Dead letter target does not exist."));
    }
    if target.ends_with(".fifo") != source.ends_with(".fifo") {
        let reason = "Dead-letter queue must be same type of queue as the source.";
        return Err(super::invalid_value(policy, "RedrivePolicy", reason));
    }
    Ok(())
}

fn check_tag_count(name: &str, count: usize) -> Result<(), Refusal> {
    if count <= MAX_TAGS {
        return Ok(());
    }
    Err(Refusal::new("InvalidParameterValue", 400, format!("Too many tags added for queue {name}.")))
}

fn check_name(name: &str, fifo: bool) -> Result<(), Refusal> {
    let plain = if fifo { name.strip_suffix(".fifo").unwrap_or_default() } else { name };
    let valid = plain.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if valid && !plain.is_empty() && name.len() <= 80 {
        return Ok(());
    }
    let text = match fifo {
        true => {
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end \
                 with .fifo suffix and be 1 to 80 in length"
        }
        false => "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    };
    Err(Refusal::new("InvalidParameterValue", 400, text))
}

fn check_same(queue: &Queue, wanted: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let mut probe = queue.clone();
    probe.set_attributes(wanted)?;
    let (before, after) = (queue.shown_settings(), probe.shown_settings());
    match wanted.keys().find(|name| before.get(*name) != after.get(*name)) {
        None => Ok(()),
        Some(name) => {
            let text = format!("A queue already exists with the same name and a different value for attribute {name}");
            Err(Refusal::new("QueueAlreadyExists", 400, text))
        }
    }
}

fn get_queue_url(
    region: &mut Region,
    call: &Call,
    input: model::GetQueueUrlInput,
) -> Result<model::GetQueueUrlOutput, Refusal> {
    let name = input.queue_name.ok_or_else(|| missing("QueueName"))?;
    let sqs = &region.sqs;
    let ours = input.queue_owner_aws_account_id.is_none_or(|account| account == sqs.place.account);
    if !ours || !sqs.queues.contains_key(&name) {
        return Err(no_such_queue());
    }
    Ok(model::GetQueueUrlOutput { queue_url: Some(queue_url(call, &sqs.place, &name)) })
}

fn list_queues(
    region: &mut Region,
    call: &Call,
    input: model::ListQueuesInput,
) -> Result<model::ListQueuesOutput, Refusal> {
    let prefix = input.queue_name_prefix.unwrap_or_default();
    let names: Vec<&String> = region.sqs.queues.keys().filter(|name| name.starts_with(&prefix)).collect();
    let (names, next_token) = page(names, input.next_token.as_deref(), input.max_results)?;
    let urls: Vec<String> = names.into_iter().map(|name| queue_url(call, &region.sqs.place, name)).collect();
    Ok(model::ListQueuesOutput { queue_urls: (!urls.is_empty()).then_some(urls), next_token })
}

fn list_dead_letter_source_queues(
    region: &mut Region,
    call: &Call,
    input: model::ListDeadLetterSourceQueuesInput,
) -> Result<model::ListDeadLetterSourceQueuesOutput, Refusal> {
    let arn = region.sqs.queue_for("ListDeadLetterSourceQueues", input.queue_url.as_ref())?.arn.clone();
    let sqs = &region.sqs;
    let feeds = |queue: &Queue| queue.redrive().is_some_and(|(target, _)| target == arn);
    let names: Vec<&String> = sqs.queues.iter().filter(|(_, queue)| feeds(queue)).map(|(name, _)| name).collect();
    let (names, next_token) = page(names, input.next_token.as_deref(), input.max_results)?;
    let urls = names.into_iter().map(|name| queue_url(call, &sqs.place, name)).collect();
    Ok(model::ListDeadLetterSourceQueuesOutput { queue_urls: Some(urls), next_token })
}

/// One page of names. AWS gives a token for the next only to callers that ask for pages.
fn page<'a>(
    names: Vec<&'a String>,
    token: Option<&str>,
    max_results: Option<i64>,
) -> Result<(Vec<&'a String>, Option<String>), Refusal> {
    let invalid = || Refusal::new("InvalidParameterValue", 400, "Invalid or expired next token.");
    let after = match token {
        Some(token) => {
            let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
            Some(String::from_utf8(bytes).map_err(|_| invalid())?)
        }
        None => None,
    };
    let size = max_results.and_then(|size| usize::try_from(size).ok()).unwrap_or(URLS_PER_PAGE).clamp(1, URLS_PER_PAGE);
    let mut rest: Vec<&String> =
        names.into_iter().filter(|name| after.as_ref().is_none_or(|after| *name > after)).collect();
    let more = max_results.is_some() && rest.len() > size;
    rest.truncate(size);
    let next = rest.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(last));
    Ok((rest, next))
}

fn get_queue_attributes(
    region: &mut Region,
    call: &Call,
    input: model::GetQueueAttributesInput,
) -> Result<model::GetQueueAttributesOutput, Refusal> {
    let name = region.sqs.name_in(input.queue_url.as_ref())?;
    region.sqs.move_dead_letters(call.now, &name);
    let queue = region.sqs.queue_for("GetQueueAttributes", input.queue_url.as_ref())?;
    let names = input.attribute_names.unwrap_or_default();
    check_names(&names, QUEUE_ATTRIBUTES)?;
    let (visible, taken, delayed) = queue.counts(call.now);
    let mut shown = queue.shown_settings();
    shown.extend(
        [
            ("QueueArn", queue.arn.clone()),
            ("CreatedTimestamp", queue.created.as_secs().to_string()),
            ("LastModifiedTimestamp", queue.modified.as_secs().to_string()),
            ("ApproximateNumberOfMessages", visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", taken.to_string()),
            ("ApproximateNumberOfMessagesDelayed", delayed.to_string()),
        ]
        .map(|(name, value)| (name.to_string(), value)),
    );
    let wanted = |name: &String| names.iter().any(|wanted| wanted == "All" || wanted == name);
    let attributes: indexmap::IndexMap<String, String> = shown.into_iter().filter(|(name, _)| wanted(name)).collect();
    Ok(model::GetQueueAttributesOutput { attributes: (!attributes.is_empty()).then_some(attributes) })
}

fn set_queue_attributes(
    region: &mut Region,
    call: &Call,
    input: model::SetQueueAttributesInput,
) -> Result<model::SetQueueAttributesOutput, Refusal> {
    let changes: BTreeMap<String, String> = input.attributes.unwrap_or_default().into_iter().collect();
    let queue = region.sqs.queue_for("SetQueueAttributes", input.queue_url.as_ref())?;
    queue.check_attributes(&changes)?;
    let arn = queue.arn.clone();
    check_redrive(&region.sqs, &arn, changes.get("RedrivePolicy"))?;
    let queue = region.sqs.queue_for("SetQueueAttributes", input.queue_url.as_ref())?;
    queue.set_attributes(&changes)?;
    queue.modified = call.now;
    Ok(model::SetQueueAttributesOutput {})
}

fn delete_queue(
    region: &mut Region,
    _: &Call,
    input: model::DeleteQueueInput,
) -> Result<model::DeleteQueueOutput, Refusal> {
    region.sqs.queue_for("DeleteQueue", input.queue_url.as_ref())?;
    let name = region.sqs.name_in(input.queue_url.as_ref())?;
    region.sqs.queues.remove(&name);
    Ok(model::DeleteQueueOutput {})
}

fn purge_queue(
    region: &mut Region,
    call: &Call,
    input: model::PurgeQueueInput,
) -> Result<model::PurgeQueueOutput, Refusal> {
    region.sqs.queue_for("PurgeQueue", input.queue_url.as_ref())?.purge(call.now)?;
    Ok(model::PurgeQueueOutput {})
}

fn list_queue_tags(
    region: &mut Region,
    _: &Call,
    input: model::ListQueueTagsInput,
) -> Result<model::ListQueueTagsOutput, Refusal> {
    let queue = region.sqs.queue_for("ListQueueTags", input.queue_url.as_ref())?;
    let tags = (!queue.tags.is_empty()).then(|| queue.tags.clone().into_iter().collect());
    Ok(model::ListQueueTagsOutput { tags })
}

fn tag_queue(region: &mut Region, _: &Call, input: model::TagQueueInput) -> Result<model::TagQueueOutput, Refusal> {
    let tags = input.tags.filter(|tags| !tags.is_empty()).ok_or_else(|| missing("Tags"))?;
    let name = region.sqs.name_in(input.queue_url.as_ref())?;
    let queue = region.sqs.queue_for("TagQueue", input.queue_url.as_ref())?;
    let mut all = queue.tags.clone();
    all.extend(tags);
    check_tag_count(&name, all.len())?;
    queue.tags = all;
    Ok(model::TagQueueOutput {})
}

fn untag_queue(
    region: &mut Region,
    _: &Call,
    input: model::UntagQueueInput,
) -> Result<model::UntagQueueOutput, Refusal> {
    let keys = input.tag_keys.unwrap_or_default();
    if keys.is_empty() || keys.iter().any(|key| !(1..=128).contains(&key.chars().count())) {
        let text = "Tag keys must be between 1 and 128 characters in length.";
        return Err(Refusal::new("InvalidParameterValue", 400, text));
    }
    region.sqs.queue_for("UntagQueue", input.queue_url.as_ref())?.tags.retain(|key, _| !keys.contains(key));
    Ok(model::UntagQueueOutput {})
}

fn add_permission(
    region: &mut Region,
    _: &Call,
    input: model::AddPermissionInput,
) -> Result<model::AddPermissionOutput, Refusal> {
    let partition = region.sqs.place.partition.clone();
    let queue = region.sqs.queue_for("AddPermission", input.queue_url.as_ref())?;
    let label = input.label.ok_or_else(|| missing("Label"))?;
    let (accounts, actions) = (input.aws_account_ids.unwrap_or_default(), input.actions.unwrap_or_default());
    check_shared(&accounts, &actions)?;
    let roots: Vec<String> = accounts.iter().map(|account| format!("arn:{partition}:iam::{account}:root")).collect();
    let actions: Vec<String> = actions.iter().map(|action| format!("SQS:{action}")).collect();
    let id = format!("{}/SQSDefaultPolicy", queue.arn);
    let empty = json!({"Version": "2008-10-17", "Id": id, "Statement": []}).to_string();
    let mut policy = queue.policy().or_else(|| Policy::parse(&empty).ok()).ok_or_else(|| missing("Policy"))?;
    if policy.statement(&label).is_some() {
        return Err(super::invalid_value(label, "Label", "Already exists."));
    }
    policy.add_statement(json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": one_or_list(roots)},
        "Action": one_or_list(actions),
        "Resource": queue.arn,
    }));
    queue.set_attributes(&BTreeMap::from([("Policy".to_string(), policy.to_text())]))?;
    Ok(model::AddPermissionOutput {})
}

/// # Errors
/// Nobody or nothing named, more actions than AWS takes, or one that is the owner's.
fn check_shared(accounts: &[String], actions: &[String]) -> Result<(), Refusal> {
    if actions.is_empty() {
        return Err(missing("Actions"));
    }
    if accounts.is_empty() {
        return Err(super::invalid_value("[]", "PrincipalId", "Unable to verify."));
    }
    if let Some(owners) = actions.iter().find(|action| !SHARED_ACTIONS.contains(&action.as_str())) {
        let reason = "Only the queue owner is allowed to invoke this action.";
        return Err(super::invalid_value(format!("SQS:{owners}"), "ActionName", reason));
    }
    if actions.len() > MAX_ACTIONS {
        let text = format!("{} Actions were found, maximum allowed is {MAX_ACTIONS}.", actions.len());
        return Err(Refusal::new("OverLimit", 403, text));
    }
    Ok(())
}

fn one_or_list(mut items: Vec<String>) -> serde_json::Value {
    if items.len() == 1 { items.remove(0).into() } else { items.into() }
}

fn remove_permission(
    region: &mut Region,
    _: &Call,
    input: model::RemovePermissionInput,
) -> Result<model::RemovePermissionOutput, Refusal> {
    let queue = region.sqs.queue_for("RemovePermission", input.queue_url.as_ref())?;
    let label = input.label.ok_or_else(|| missing("Label"))?;
    let absent = |reason: &str| super::invalid_value(&label, "Label", reason);
    let mut policy = queue.policy().ok_or_else(|| absent("can't find label."))?;
    if !policy.remove_statement(&label) {
        return Err(absent("can't find label on existing policy."));
    }
    let text = if policy.actions().next().is_none() { String::new() } else { policy.to_text() };
    queue.set_attributes(&BTreeMap::from([("Policy".to_string(), text)]))?;
    Ok(model::RemovePermissionOutput {})
}
