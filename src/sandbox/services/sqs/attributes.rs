//! What a queue can be told about itself, and what AWS assumes where it was not told.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value, json};

use super::invalid_value;
use super::queue::Queue;
use crate::engine::Refusal;
use crate::engine::topics::policy::Policy;

/// Attributes that are numbers: their defaults and limits at AWS (SetQueueAttributes, 2025; the largest message grew
/// from 256 KiB to 1 MiB in August 2025).
const NUMBERS: [(&str, u64, RangeInclusive<u64>); 5] = [
    ("DelaySeconds", 0, 0..=900),
    ("MaximumMessageSize", 1_048_576, 1024..=1_048_576),
    ("MessageRetentionPeriod", 345_600, 60..=1_209_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 0..=20),
    ("VisibilityTimeout", 30, 0..=43_200),
];

impl Queue {
    fn number(&self, name: &str) -> u64 {
        let default = NUMBERS.iter().find(|(number, ..)| *number == name).map_or(0, |(_, default, _)| *default);
        self.attributes.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    fn seconds(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    pub(super) fn delay(&self) -> Duration {
        self.seconds("DelaySeconds")
    }

    pub(super) fn max_message_bytes(&self) -> usize {
        usize::try_from(self.number("MaximumMessageSize")).unwrap_or(usize::MAX)
    }

    pub(super) fn retention(&self) -> Duration {
        self.seconds("MessageRetentionPeriod")
    }

    pub(super) fn wait_time(&self) -> Duration {
        self.seconds("ReceiveMessageWaitTimeSeconds")
    }

    pub(super) fn visibility_timeout(&self) -> Duration {
        self.seconds("VisibilityTimeout")
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.attributes.get("FifoQueue").is_some_and(|value| value == "true")
    }

    pub(super) fn deduplicates_by_content(&self) -> bool {
        self.attributes.get("ContentBasedDeduplication").is_some_and(|value| value == "true")
    }

    /// Whether messages of different groups are different ones, whatever their deduplication ids.
    pub(super) fn tells_groups_apart(&self) -> bool {
        self.attributes.get("DeduplicationScope").is_some_and(|scope| scope == "messageGroup")
    }

    pub(super) fn policy(&self) -> Option<Policy> {
        Policy::parse(self.attributes.get("Policy")?).ok()
    }

    /// The key that it is encrypted with, as it was named.
    pub(super) fn key(&self) -> Option<&str> {
        self.attributes.get("KmsMasterKeyId").map(String::as_str)
    }

    /// The ARN of the dead-letter queue and how often a message may be received before it goes there.
    pub(super) fn redrive(&self) -> Option<(String, u64)> {
        let policy: Value = serde_json::from_str(self.attributes.get("RedrivePolicy")?).ok()?;
        let count = &policy["maxReceiveCount"];
        let most = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
        Some((policy["deadLetterTargetArn"].as_str()?.to_string(), most))
    }

    /// What was set, and the defaults of the rest; without the counts of messages.
    pub(super) fn shown_settings(&self) -> BTreeMap<String, String> {
        let mut shown = self.attributes.clone();
        for (name, default, _) in NUMBERS {
            shown.entry(name.into()).or_insert_with(|| default.to_string());
        }
        let managed = !shown.contains_key("KmsMasterKeyId");
        shown.entry("SqsManagedSseEnabled".into()).or_insert_with(|| managed.to_string());
        if self.is_fifo() {
            for (name, default) in [
                ("ContentBasedDeduplication", "false"),
                ("DeduplicationScope", "queue"),
                ("FifoThroughputLimit", "perQueue"),
            ] {
                shown.entry(name.into()).or_insert_with(|| default.into());
            }
        }
        shown
    }

    /// Sets attributes, all or none.
    ///
    /// # Errors
    /// `InvalidAttributeName` or `InvalidAttributeValue`.
    pub(super) fn set_attributes(&mut self, changes: &BTreeMap<String, String>) -> Result<(), Refusal> {
        self.check_attributes(changes)?;
        // Of the two kinds of encryption, the one that is chosen ends the other.
        if is_on(changes, "SqsManagedSseEnabled") {
            self.attributes.retain(|name, _| !name.starts_with("Kms"));
        } else if has_key(changes) {
            self.attributes.remove("SqsManagedSseEnabled");
        }
        for (name, value) in changes {
            if value.is_empty() {
                self.attributes.remove(name);
            } else {
                let stored = match name.as_str() {
                    "Policy" | "RedriveAllowPolicy" => compact(value),
                    "RedrivePolicy" => redrive_text(value),
                    _ => value.clone(),
                };
                self.attributes.insert(name.clone(), stored);
            }
        }
        Ok(())
    }

    /// # Errors
    /// As [`Queue::set_attributes`].
    pub(super) fn check_attributes(&self, changes: &BTreeMap<String, String>) -> Result<(), Refusal> {
        if has_key(changes) && is_on(changes, "SqsManagedSseEnabled") {
            let text = "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE \
                        or SQS SSE.";
            return Err(Refusal::new("InvalidAttributeName", 400, text));
        }
        changes.iter().try_for_each(|(name, value)| check(self, name, value))
    }
}

fn has_key(changes: &BTreeMap<String, String>) -> bool {
    changes.get("KmsMasterKeyId").is_some_and(|key| !key.is_empty())
}

fn is_on(changes: &BTreeMap<String, String>, name: &str) -> bool {
    changes.get(name).is_some_and(|value| value == "true")
}

/// What GetQueueAttributes can be asked for.
pub(super) const QUEUE_ATTRIBUTES: &[&str] = &[
    "All",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "ContentBasedDeduplication",
    "CreatedTimestamp",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "LastModifiedTimestamp",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "QueueArn",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

/// What ReceiveMessage can be asked for besides the message.
pub(super) const MESSAGE_ATTRIBUTES: &[&str] = &[
    "All",
    "AWSTraceHeader",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

/// # Errors
/// `InvalidAttributeName` for the first of `asked` that is not among `known`.
pub(super) fn check_names(asked: &[String], known: &[&str]) -> Result<(), Refusal> {
    asked.iter().find(|name| !known.contains(&name.as_str())).map_or(Ok(()), |name| Err(unknown(name)))
}

fn unknown(name: &str) -> Refusal {
    Refusal::new("InvalidAttributeName", 400, format!("Unknown Attribute {name}."))
}

fn check(queue: &Queue, name: &str, value: &str) -> Result<(), Refusal> {
    let fifo = queue.arn.ends_with(".fifo");
    let boolean = matches!(value, "true" | "false");
    let valid = match name {
        "Policy" => value.is_empty() || Policy::parse(value).is_ok(),
        "RedrivePolicy" if !value.is_empty() => {
            return check_redrive_policy(value).map_err(|reason| invalid_value(value, name, &reason));
        }
        "RedrivePolicy" => true,
        "RedriveAllowPolicy" => value.is_empty() || serde_json::from_str::<Value>(value).is_ok(),
        "KmsMasterKeyId" => true,
        "KmsDataKeyReusePeriodSeconds" => value.parse().is_ok_and(|secs: u32| (60..=86_400).contains(&secs)),
        "SqsManagedSseEnabled" => boolean,
        // A standard queue does not know the attribute, though the API reference lists false among its values.
        "FifoQueue" if queue.is_fifo() && value != "true" => {
            let text =
                format!("Invalid value for the parameter {name}. Reason: Modifying queue type is not supported.");
            return Err(Refusal::new("InvalidAttributeValue", 400, text));
        }
        "FifoQueue" if !fifo || value == "false" => return Err(unknown(name)),
        "FifoQueue" => value == "true",
        "ContentBasedDeduplication" => boolean && (fifo || value == "false"),
        "DeduplicationScope" => matches!(value, "messageGroup" | "queue") && fifo,
        "FifoThroughputLimit" => matches!(value, "perQueue" | "perMessageGroupId") && fifo,
        _ => match NUMBERS.iter().find(|(number, ..)| *number == name) {
            Some((_, _, limits)) => value.parse().is_ok_and(|number: u64| limits.contains(&number)),
            None => return Err(unknown(name)),
        },
    };
    if valid {
        return Ok(());
    }
    Err(Refusal::new("InvalidAttributeValue", 400, format!("Invalid value for the parameter {name}.")))
}

fn check_redrive_policy(text: &str) -> Result<(), String> {
    let Ok(Value::Object(policy)) = serde_json::from_str(text) else {
        return Err("Redrive policy is not a valid JSON map.".into());
    };
    let member = |name: &str| {
        policy.get(name).ok_or_else(|| format!("Redrive policy does not contain mandatory attribute: {name}."))
    };
    let (target, count) = (member("deadLetterTargetArn")?, member("maxReceiveCount")?);
    if target.as_str().is_none_or(|arn| arn.split(':').count() != 6) {
        return Err("Invalid value for deadLetterTargetArn.".into());
    }
    let most = count.as_u64().or_else(|| count.as_str()?.parse().ok());
    if most.is_some_and(|most| (1..=1000).contains(&most)) {
        return Ok(());
    }
    let count = count.as_str().map_or_else(|| count.to_string(), str::to_string);
    Err(format!("Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive."))
}

/// AWS gives a redrive policy back in its own order, without white space, and with the count as a number even where it
/// was set as a text. Source: the example of GetQueueAttributes in the AWS CLI reference.
fn redrive_text(text: &str) -> String {
    let Ok(policy) = serde_json::from_str::<Value>(text) else { return text.to_string() };
    let count = &policy["maxReceiveCount"];
    let count = count.as_str().and_then(|count| count.parse::<u64>().ok()).map_or_else(|| count.clone(), Value::from);
    json!({"deadLetterTargetArn": policy["deadLetterTargetArn"], "maxReceiveCount": count}).to_string()
}

/// AWS gives a policy back without white space.
fn compact(text: &str) -> String {
    serde_json::from_str::<Value>(text).map_or_else(|_| text.to_string(), |value| value.to_string())
}
