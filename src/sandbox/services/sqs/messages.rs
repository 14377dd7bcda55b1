//! The operations on single messages, and what batches share with them.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;

use super::attributes::{MESSAGE_ATTRIBUTES, check_names};
use super::checksum::{md5_of, md5_of_attributes};
use super::queue::{Incoming, Received, Stored, is_text};
use super::{invalid_value, missing};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::topics::message::MessageAttribute;
use crate::sandbox::models::sqs as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Of AWS, in seconds.
const MAX_DELAY: i64 = 900;
const MAX_VISIBILITY: i64 = 43_200;
const MAX_WAIT: i64 = 20;
/// Of AWS: characters of a group's or deduplication id.
const MAX_ID: usize = 128;

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "SendMessage",
        "Puts a message into a queue",
        &[
            "QueueUrl",
            "MessageBody",
            "DelaySeconds",
            "MessageAttributes",
            "MessageSystemAttributes",
            "MessageDeduplicationId",
            "MessageGroupId",
        ],
        send_message,
    );
    operations.on(
        "ReceiveMessage",
        "Hands out messages, waiting for them by the sandbox's clock if asked to",
        &[
            "QueueUrl",
            "AttributeNames",
            "MessageSystemAttributeNames",
            "MessageAttributeNames",
            "MaxNumberOfMessages",
            "VisibilityTimeout",
            "WaitTimeSeconds",
        ],
        receive_message,
    );
    operations.on("DeleteMessage", "Deletes a message by its receipt", &["QueueUrl", "ReceiptHandle"], delete_message);
    operations.on(
        "ChangeMessageVisibility",
        "Sets when a message that was received can be received again",
        &["QueueUrl", "ReceiptHandle", "VisibilityTimeout"],
        change_message_visibility,
    );
}

/// One message to send, alone or in a batch.
#[derive(Default)]
pub(super) struct Entry {
    pub body: Option<String>,
    pub delay_seconds: Option<i64>,
    pub attributes: Option<IndexMap<String, model::MessageAttributeValue>>,
    pub system: Option<IndexMap<String, model::MessageSystemAttributeValue>>,
    pub deduplication_id: Option<String>,
    pub group_id: Option<String>,
}

impl Entry {
    pub(super) fn incoming(self) -> Result<Incoming, Refusal> {
        for (parameter, id) in [("MessageDeduplicationId", &self.deduplication_id), ("MessageGroupId", &self.group_id)]
        {
            id.as_deref().map_or(Ok(()), |id| check_id(parameter, id))?;
        }
        let delay = self.delay_seconds.map(|secs| seconds("DelaySeconds", secs, MAX_DELAY)).transpose()?;
        let attributes = self.attributes.unwrap_or_default();
        if attributes.len() > MAX_ATTRIBUTES {
            let text = format!(
                "Number of message attributes [{}] exceeds the allowed maximum [{MAX_ATTRIBUTES}].",
                attributes.len()
            );
            return Err(Refusal::new("InvalidParameterValue", 400, text));
        }
        let attributes = attributes.into_iter();
        let attributes = attributes.map(|(name, value)| attribute(name, value)).collect::<Result<_, _>>()?;
        let trace = self.system.unwrap_or_default().swap_remove("AWSTraceHeader").and_then(|value| value.string_value);
        Ok(Incoming {
            body: self.body.ok_or_else(|| missing("MessageBody"))?,
            attributes,
            trace_header: trace,
            sender: String::new(),
            group_id: self.group_id,
            deduplication_id: self.deduplication_id,
            delay,
            dead_letter_source: None,
        })
    }
}

fn check_id(parameter: &str, id: &str) -> Result<(), Refusal> {
    if (1..=MAX_ID).contains(&id.len()) && id.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(());
    }
    let reason =
        format!("{parameter} can only include alphanumeric and punctuation characters. 1 to {MAX_ID} in length.");
    Err(invalid_value(id, parameter, &reason))
}

fn seconds(parameter: &str, value: i64, most: i64) -> Result<Duration, Refusal> {
    match u64::try_from(value) {
        Ok(secs) if value <= most => Ok(Duration::from_secs(secs)),
        _ => Err(invalid_value(value, parameter, &format!("Must be between 0 and {most}, if provided."))),
    }
}

/// Of AWS: attributes of a message. Source: SQS Developer Guide, "Amazon SQS message metadata".
pub(super) const MAX_ATTRIBUTES: usize = 10;
/// Of AWS: characters of an attribute's name and of its type.
const MAX_ATTRIBUTE_NAME: usize = 256;

/// Letters of any script are letters to AWS (recorded in LocalStack's tests).
fn is_attribute_name(name: &str) -> bool {
    let lowered = name.to_lowercase();
    let reserved = ["aws.", "amazon."].iter().any(|prefix| lowered.starts_with(prefix));
    let allowed = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    let dots = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    (1..=MAX_ATTRIBUTE_NAME).contains(&name.len()) && name.chars().all(allowed) && !dots && !reserved
}

fn attribute(name: String, value: model::MessageAttributeValue) -> Result<(String, MessageAttribute), Refusal> {
    let refused = |text: String| Err(Refusal::new("InvalidParameterValue", 400, text));
    if !is_attribute_name(&name) {
        return refused(format!(
            "The message attribute name '{name}' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), \
             hyphen (-), and period (.) characters."
        ));
    }
    let data_type = value.data_type.unwrap_or_default();
    if data_type.len() > MAX_ATTRIBUTE_NAME {
        return refused(format!("Length of message attribute type must be less than {MAX_ATTRIBUTE_NAME} bytes."));
    }
    let text = match data_type.split('.').next() {
        Some("Binary") => value.binary_value.map(|bytes| STANDARD.encode(bytes)),
        Some("String" | "Number") => value.string_value,
        _ => {
            return refused(format!(
                "The message attribute '{name}' has an invalid message attribute type, the set of supported type \
                 prefixes is Binary, Number, and String."
            ));
        }
    };
    match text.filter(|text| !text.is_empty()) {
        Some(value) if !data_type.starts_with("Binary") && !value.chars().all(is_text) => {
            refused(format!("Message (user) attribute '{name}' value contains invalid characters."))
        }
        Some(value) => Ok((name, MessageAttribute { data_type, value })),
        None => {
            refused(format!("Message (user) attribute '{name}' must contain a non-empty value of type '{data_type}'."))
        }
    }
}

fn send_message(
    region: &mut Region,
    call: &Call,
    input: model::SendMessageInput,
) -> Result<model::SendMessageOutput, Refusal> {
    let entry = Entry {
        body: input.message_body,
        delay_seconds: input.delay_seconds,
        attributes: input.message_attributes,
        system: input.message_system_attributes,
        deduplication_id: input.message_deduplication_id,
        group_id: input.message_group_id,
    };
    let incoming = entry.incoming()?;
    let trace = md5_of_trace(&incoming);
    let stored = send(region, call.now, input.queue_url.as_ref(), incoming)?;
    Ok(model::SendMessageOutput {
        md5_of_message_body: Some(stored.md5_of_body),
        md5_of_message_attributes: stored.md5_of_attributes,
        md5_of_message_system_attributes: trace,
        message_id: Some(stored.message_id),
        sequence_number: stored.sequence_number,
    })
}

pub(super) fn send(
    region: &mut Region,
    now: Timestamp,
    url: Option<&String>,
    incoming: Incoming,
) -> Result<Stored, Refusal> {
    region.sqs.queue_for("SendMessage", url)?;
    let name = region.sqs.name_in(url)?;
    region.sqs.send(now, &name, incoming)
}

pub(super) fn md5_of_trace(incoming: &Incoming) -> Option<String> {
    let value = incoming.trace_header.clone()?;
    let attribute = MessageAttribute { data_type: "String".into(), value };
    md5_of_attributes([(&"AWSTraceHeader".to_string(), &attribute)])
}

fn receive_message(
    region: &mut Region,
    call: &Call,
    input: model::ReceiveMessageInput,
) -> Result<model::ReceiveMessageOutput, Refusal> {
    let name = region.sqs.name_in(input.queue_url.as_ref())?;
    region.sqs.move_dead_letters(call.now, &name);
    let queue = region.sqs.queue_for("ReceiveMessage", input.queue_url.as_ref())?;
    let most = match input.max_number_of_messages.unwrap_or(1) {
        most @ 1..=10 => most as usize,
        other => {
            let reason = "Must be between 1 and 10, if provided.";
            return Err(invalid_value(other, "MaxNumberOfMessages", reason));
        }
    };
    let visibility =
        input.visibility_timeout.map(|secs| seconds("VisibilityTimeout", secs, MAX_VISIBILITY)).transpose()?;
    let wait = input.wait_time_seconds.map(|secs| seconds("WaitTimeSeconds", secs, MAX_WAIT)).transpose()?;
    let wait = wait.unwrap_or_else(|| queue.wait_time());
    let system: Vec<String> = [input.attribute_names, input.message_system_attribute_names]
        .into_iter()
        .flat_map(Option::unwrap_or_default)
        .collect();
    check_names(&system, MESSAGE_ATTRIBUTES)?;
    let received = queue.receive(call.now, most, visibility);
    if received.is_empty() && !wait.is_zero() {
        call.come_back_until(call.now + wait);
    }
    let wanted = input.message_attribute_names.unwrap_or_default();
    let messages: Vec<model::Message> = received.into_iter().map(|message| shown(message, &system, &wanted)).collect();
    Ok(model::ReceiveMessageOutput { messages: (!messages.is_empty()).then_some(messages) })
}

fn shown(message: Received, system: &[String], wanted: &[String]) -> model::Message {
    let asked = |name: &str| system.iter().any(|asked| asked == "All" || asked == name);
    let system: IndexMap<String, String> = message
        .system
        .iter()
        .filter(|(name, _)| asked(name))
        .map(|(name, value)| ((*name).to_string(), value.clone()))
        .collect();
    let attributes: BTreeMap<String, MessageAttribute> =
        message.attributes.into_iter().filter(|(name, _)| wanted.iter().any(|wanted| names(wanted, name))).collect();
    model::Message {
        message_id: Some(message.message_id),
        receipt_handle: Some(message.receipt_handle),
        md5_of_body: Some(md5_of(&message.body)),
        body: Some(message.body),
        attributes: (!system.is_empty()).then_some(system),
        md5_of_message_attributes: md5_of_attributes(&attributes),
        message_attributes: (!attributes.is_empty())
            .then(|| attributes.into_iter().map(|(name, value)| (name, attribute_value(value))).collect()),
    }
}

/// A name, `All`, `*`, or a prefix before `.*`.
fn names(wanted: &str, name: &str) -> bool {
    match wanted.strip_suffix(".*") {
        Some(prefix) => name.starts_with(prefix),
        None => matches!(wanted, "All" | "*") || wanted == name,
    }
}

fn attribute_value(attribute: MessageAttribute) -> model::MessageAttributeValue {
    let binary = attribute.base_type() == "Binary";
    let bytes = || STANDARD.decode(&attribute.value).unwrap_or_default();
    model::MessageAttributeValue {
        binary_value: binary.then(bytes),
        string_value: (!binary).then(|| attribute.value.clone()),
        data_type: Some(attribute.data_type),
        ..Default::default()
    }
}

fn delete_message(
    region: &mut Region,
    call: &Call,
    input: model::DeleteMessageInput,
) -> Result<model::DeleteMessageOutput, Refusal> {
    let queue = region.sqs.queue_for("DeleteMessage", input.queue_url.as_ref())?;
    queue.delete(call.now, &input.receipt_handle.ok_or_else(|| missing("ReceiptHandle"))?)?;
    Ok(model::DeleteMessageOutput {})
}

fn change_message_visibility(
    region: &mut Region,
    call: &Call,
    input: model::ChangeMessageVisibilityInput,
) -> Result<model::ChangeMessageVisibilityOutput, Refusal> {
    change_visibility(region, call, input.queue_url.as_ref(), input.receipt_handle, input.visibility_timeout)?;
    Ok(model::ChangeMessageVisibilityOutput {})
}

pub(super) fn change_visibility(
    region: &mut Region,
    call: &Call,
    url: Option<&String>,
    receipt: Option<String>,
    to: Option<i64>,
) -> Result<(), Refusal> {
    let queue = region.sqs.queue_for("ChangeMessageVisibility", url)?;
    let to = seconds("VisibilityTimeout", to.ok_or_else(|| missing("VisibilityTimeout"))?, MAX_VISIBILITY)?;
    queue.change_visibility(call.now, &receipt.ok_or_else(|| missing("ReceiptHandle"))?, to)
}
