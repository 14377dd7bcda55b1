//! One queue as a value: what is sent, what can be received when, and what a receipt is good for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::checksum::{md5_of, md5_of_attributes};
use super::{invalid_value, missing};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::topics::content_id;
use crate::engine::topics::message::MessageAttribute;

/// Of AWS: how long a FIFO queue takes a message with the same deduplication id for the same message.
const DEDUPLICATION_WINDOW: Duration = Duration::from_secs(5 * 60);
/// Of AWS: how soon a queue may be purged again.
const PURGE_INTERVAL: Duration = Duration::from_secs(60);
/// The first number of a FIFO queue, as AWS counts.
const FIRST_SEQUENCE_NUMBER: u128 = 18_850_000_000_000_000_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    pub arn: String,
    pub created: Timestamp,
    pub modified: Timestamp,
    /// As they were set; defaults are not in it.
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    /// In the order they were sent.
    messages: BTreeMap<u64, Message>,
    sent: u64,
    purged: Option<Timestamp>,
    /// By what makes a message the same as another: when, and what the sender was told.
    recent: BTreeMap<String, (Timestamp, Stored)>,
    /// Of a FIFO queue: when each group that has messages is next, in the order of these numbers.
    turns: BTreeMap<String, u64>,
    last_turn: u64,
}

/// A message that receivers failed with, on its way to the dead-letter queue: it stays the same message.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub id: String,
    /// A FIFO queue counts the time that it keeps a message from when it came in.
    pub sent: Option<Timestamp>,
    pub incoming: Incoming,
}

/// A message that is to be put into a queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incoming {
    pub body: String,
    pub attributes: BTreeMap<String, MessageAttribute>,
    pub trace_header: Option<String>,
    pub sender: String,
    pub group_id: Option<String>,
    pub deduplication_id: Option<String>,
    /// Instead of the queue's own delay.
    pub delay: Option<Duration>,
    /// The queue whose receivers failed with it.
    pub dead_letter_source: Option<String>,
}

/// What a sender is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub message_id: String,
    pub md5_of_body: String,
    pub md5_of_attributes: Option<String>,
    /// Of a FIFO queue.
    pub sequence_number: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Message {
    stored: Stored,
    incoming: Incoming,
    sent: Timestamp,
    visible: Timestamp,
    received: u64,
    first_received: Option<Timestamp>,
}

/// A message as a receiver gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    pub message_id: String,
    pub receipt_handle: String,
    pub body: String,
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// `SentTimestamp` and so on, all of them.
    pub system: BTreeMap<&'static str, String>,
}

impl Queue {
    pub fn new(arn: String, now: Timestamp) -> Self {
        Self {
            arn,
            created: now,
            modified: now,
            attributes: BTreeMap::new(),
            tags: BTreeMap::new(),
            messages: BTreeMap::new(),
            sent: 0,
            purged: None,
            recent: BTreeMap::new(),
            turns: BTreeMap::new(),
            last_turn: 0,
        }
    }

    pub(super) fn send(&mut self, now: Timestamp, letter: Letter) -> Result<Stored, Refusal> {
        let Letter { id, sent, mut incoming } = letter;
        self.check(&incoming)?;
        if self.is_fifo() {
            incoming.deduplication_id = Some(self.deduplication_id(&incoming)?);
            self.recent.retain(|_, (at, _)| now.since(*at) < DEDUPLICATION_WINDOW);
            if let Some((_, first)) = self.recent.get(&self.sameness(&incoming)) {
                return Ok(first.clone());
            }
        }
        let number = self.sent;
        self.sent += 1;
        let stored = Stored {
            message_id: id,
            md5_of_body: md5_of(&incoming.body),
            md5_of_attributes: md5_of_attributes(&incoming.attributes),
            sequence_number: self.is_fifo().then(|| (FIRST_SEQUENCE_NUMBER + u128::from(number)).to_string()),
        };
        if self.is_fifo() {
            self.recent.insert(self.sameness(&incoming), (now, stored.clone()));
            let group = incoming.group_id.clone().unwrap_or_default();
            if !self.turns.contains_key(&group) {
                self.take_turn(group);
            }
        }
        let visible = now + incoming.delay.unwrap_or_else(|| self.delay());
        let message = Message {
            stored: stored.clone(),
            incoming,
            sent: sent.unwrap_or(now),
            visible,
            received: 0,
            first_received: None,
        };
        self.messages.insert(number, message);
        Ok(stored)
    }

    /// What two messages have in common that are one: the deduplication id, and the group if groups are told apart.
    fn sameness(&self, incoming: &Incoming) -> String {
        let group = incoming.group_id.as_deref().filter(|_| self.tells_groups_apart()).unwrap_or_default();
        format!("{group}/{}", incoming.deduplication_id.as_deref().unwrap_or_default())
    }

    /// Puts a group behind all others.
    fn take_turn(&mut self, group: String) {
        self.last_turn += 1;
        self.turns.insert(group, self.last_turn);
    }

    /// # Errors
    /// What a FIFO queue needs to place a message, which concerns a batch as a whole.
    pub(super) fn check_order(&self, incoming: &Incoming) -> Result<(), Refusal> {
        if !self.is_fifo() {
            return Ok(());
        }
        if incoming.group_id.is_none() {
            return Err(Refusal { code: "InvalidParameterValue".into(), ..missing("MessageGroupId") });
        }
        self.deduplication_id(incoming).map(|_| ())
    }

    fn deduplication_id(&self, incoming: &Incoming) -> Result<String, Refusal> {
        let by_content = || self.deduplicates_by_content().then(|| content_id(&incoming.body));
        incoming.deduplication_id.clone().or_else(by_content).ok_or_else(|| {
            let text = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId \
                        provided explicitly";
            Refusal::new("InvalidParameterValue", 400, text)
        })
    }

    fn check(&self, incoming: &Incoming) -> Result<(), Refusal> {
        if incoming.body.is_empty() {
            return Err(missing("MessageBody"));
        }
        self.check_size(incoming, "are invalid")?;
        if !incoming.body.chars().all(is_text) {
            let text = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | \
                        #xE000 to #xFFFD | #x10000 to #x10FFFF";
            return Err(Refusal::new("InvalidMessageContents", 400, text));
        }
        if self.is_fifo() && incoming.group_id.is_none() {
            return Err(missing("MessageGroupId"));
        }
        if self.is_fifo() && incoming.delay.is_some_and(|delay| !delay.is_zero()) {
            let text = "The request include parameter that is not valid for this queue type.";
            return Err(invalid_value(incoming.delay.unwrap_or_default().as_secs(), "DelaySeconds", text));
        }
        Ok(())
    }

    /// # Errors
    /// `InvalidParameterValue`, in which parameters `are invalid`, or `cannot be validated` for an entry of a batch.
    pub(super) fn check_size(&self, incoming: &Incoming, what: &str) -> Result<(), Refusal> {
        let most = self.max_message_bytes();
        if incoming.bytes() <= most {
            return Ok(());
        }
        let text = format!("One or more parameters {what}. Reason: Message must be shorter than {most} bytes.");
        Err(Refusal::new("InvalidParameterValue", 400, text))
    }

    /// Forgets messages that were kept as long as the queue keeps any.
    fn expire(&mut self, now: Timestamp) {
        let retention = self.retention();
        self.messages.retain(|_, message| now.since(message.sent) < retention);
    }

    /// Hands out up to `most` messages, which nobody else receives for `visibility`.
    pub(super) fn receive(&mut self, now: Timestamp, most: usize, visibility: Option<Duration>) -> Vec<Received> {
        self.expire(now);
        let visibility = visibility.unwrap_or_else(|| self.visibility_timeout());
        let account = self.arn.split(':').nth(4).unwrap_or_default().to_string();
        let numbers: Vec<u64> = self.receivable(now).into_iter().take(most).collect();
        self.pass_turns(&numbers);
        numbers
            .into_iter()
            .filter_map(|number| {
                let message = self.messages.get_mut(&number)?;
                message.received += 1;
                message.first_received.get_or_insert(now);
                message.visible = now + visibility;
                Some(message.handed_out(number, &account))
            })
            .collect()
    }

    /// Visible messages. A FIFO queue gives all of a group before any of the next, and a group waits for each of its
    /// messages that somebody works on (recorded in LocalStack's tests).
    fn receivable(&self, now: Timestamp) -> Vec<u64> {
        if !self.is_fifo() {
            let visible = self.messages.iter().filter(|(_, message)| message.visible <= now);
            return visible.map(|(number, _)| *number).collect();
        }
        let mut blocked: BTreeSet<&str> = BTreeSet::new();
        let mut by_turn: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (number, message) in &self.messages {
            let group = message.incoming.group_id.as_deref().unwrap_or_default();
            if message.visible > now {
                blocked.insert(group);
            } else if !blocked.contains(group) {
                by_turn.entry(self.turns.get(group).copied().unwrap_or_default()).or_default().push(*number);
            }
        }
        by_turn.into_values().flatten().collect()
    }

    /// The groups of messages that are handed out go behind those that were not asked, in the order they had.
    fn pass_turns(&mut self, numbers: &[u64]) {
        if !self.is_fifo() {
            return;
        }
        let mut present: BTreeSet<String> = BTreeSet::new();
        present.extend(self.messages.values().filter_map(|message| message.incoming.group_id.clone()));
        self.turns.retain(|group, _| present.contains(group));
        let mut passed = BTreeSet::new();
        let groups: Vec<String> = numbers
            .iter()
            .filter_map(|number| self.messages.get(number)?.incoming.group_id.clone())
            .filter(|group| passed.insert(group.clone()))
            .collect();
        groups.into_iter().for_each(|group| self.take_turn(group));
    }

    /// # Errors
    /// `ReceiptHandleIsInvalid` if it is no receipt of this queue; `InvalidParameterValue` if another may have received the
    /// message of a FIFO queue since. One whose message is gone is no error.
    pub(super) fn delete(&mut self, now: Timestamp, receipt: &str) -> Result<(), Refusal> {
        let number = self.number_of(receipt)?;
        let expired = |message: &Message| message.visible <= now || message.receipt(number) != receipt;
        if self.is_fifo() && self.messages.get(&number).is_some_and(expired) {
            return Err(invalid_value(receipt, "ReceiptHandle", "The receipt handle has expired."));
        }
        self.messages.remove(&number);
        Ok(())
    }

    /// # Errors
    /// `ReceiptHandleIsInvalid`; `InvalidParameterValue` if the message is gone, or nobody works on one of a FIFO queue.
    pub(super) fn change_visibility(&mut self, now: Timestamp, receipt: &str, to: Duration) -> Result<(), Refusal> {
        let number = self.number_of(receipt)?;
        let fifo = self.is_fifo();
        match self.messages.get_mut(&number) {
            Some(message) if message.received > 0 && (message.visible > now || !fifo) => {
                message.visible = now + to;
                Ok(())
            }
            _ => Err(invalid_value(
                receipt,
                "ReceiptHandle",
                "Message does not exist or is not available for visibility timeout change.",
            )),
        }
    }

    fn number_of(&self, receipt: &str) -> Result<u64, Refusal> {
        let invalid = || {
            let text = format!("The input receipt handle \"{receipt}\" is not a valid receipt handle.");
            Refusal::new("ReceiptHandleIsInvalid", 404, text)
        };
        let bytes =
            STANDARD.decode(receipt.strip_prefix(RECEIPT_PREFIX).ok_or_else(invalid)?).map_err(|_| invalid())?;
        let text = String::from_utf8(bytes).map_err(|_| invalid())?;
        text.split(' ').next().and_then(|number| number.parse().ok()).ok_or_else(invalid)
    }

    /// # Errors
    /// `PurgeQueueInProgress` within a minute of the last time.
    pub(super) fn purge(&mut self, now: Timestamp) -> Result<(), Refusal> {
        if self.purged.is_some_and(|at| now.since(at) < PURGE_INTERVAL) {
            let name = self.arn.rsplit(':').next().unwrap_or_default();
            let text = format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds.");
            return Err(Refusal::new("AWS.SimpleQueueService.PurgeQueueInProgress", 403, text));
        }
        self.purged = Some(now);
        self.messages.clear();
        self.recent.clear();
        self.turns.clear();
        Ok(())
    }

    /// Takes out what was received as often as the redrive policy allows and is visible again.
    pub(super) fn take_dead_letters(&mut self, now: Timestamp) -> Option<(String, Vec<Letter>)> {
        let (target, most) = self.redrive()?;
        let dead = |message: &Message| message.received >= most && message.visible <= now;
        let numbers: Vec<u64> =
            self.messages.iter().filter(|(_, message)| dead(message)).map(|(number, _)| *number).collect();
        let fifo = self.is_fifo();
        let letters = numbers.iter().filter_map(|number| self.messages.remove(number)).map(|message| Letter {
            id: message.stored.message_id,
            sent: (!fifo).then_some(message.sent),
            incoming: Incoming {
                delay: Some(Duration::ZERO),
                dead_letter_source: Some(self.arn.clone()),
                ..message.incoming
            },
        });
        Some((target, letters.collect()))
    }

    /// The first message that could be received, and the queue whose receivers failed with it.
    pub(super) fn first_visible(&mut self, now: Timestamp) -> Option<(u64, Option<String>)> {
        self.expire(now);
        let number = self.receivable(now).first().copied()?;
        Some((number, self.messages.get(&number)?.incoming.dead_letter_source.clone()))
    }

    /// Takes a message out, to be sent elsewhere as a new one.
    pub(super) fn take(&mut self, number: u64) -> Option<Incoming> {
        let message = self.messages.remove(&number)?;
        Some(Incoming { delay: Some(Duration::ZERO), dead_letter_source: None, ..message.incoming })
    }

    /// Visible, worked on, and delayed messages.
    pub(super) fn counts(&self, now: Timestamp) -> (usize, usize, usize) {
        let kept = || self.messages.values().filter(|message| now.since(message.sent) < self.retention());
        let visible = kept().filter(|message| message.visible <= now).count();
        let delayed = kept().filter(|message| message.visible > now && message.received == 0).count();
        (visible, kept().count() - visible - delayed, delayed)
    }
}

/// What a message can hold, as the refusal of anything else says.
pub(super) fn is_text(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}')
}

/// What AWS's receipts begin with.
const RECEIPT_PREFIX: &str = "AQEB";

impl Incoming {
    pub(super) fn bytes(&self) -> usize {
        let attribute = |(name, one): (&String, &MessageAttribute)| name.len() + one.data_type.len() + one.value.len();
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }
}

impl Message {
    fn receipt(&self, number: u64) -> String {
        let text = format!("{number} {} {}", self.received, self.stored.message_id);
        format!("{RECEIPT_PREFIX}{}", STANDARD.encode(text))
    }

    fn handed_out(&self, number: u64, account: &str) -> Received {
        let millis = |at: Timestamp| at.as_millis().to_string();
        let mut system = BTreeMap::from([
            (
                "SenderId",
                if self.incoming.sender.is_empty() { account.to_string() } else { self.incoming.sender.clone() },
            ),
            ("SentTimestamp", millis(self.sent)),
            ("ApproximateReceiveCount", self.received.to_string()),
            ("ApproximateFirstReceiveTimestamp", millis(self.first_received.unwrap_or(self.sent))),
        ]);
        let optional = [
            ("SequenceNumber", &self.stored.sequence_number),
            ("MessageGroupId", &self.incoming.group_id),
            ("MessageDeduplicationId", &self.incoming.deduplication_id),
            ("AWSTraceHeader", &self.incoming.trace_header),
            ("DeadLetterQueueSourceArn", &self.incoming.dead_letter_source),
        ];
        system.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        Received {
            message_id: self.stored.message_id.clone(),
            receipt_handle: self.receipt(number),
            body: self.incoming.body.clone(),
            attributes: self.incoming.attributes.clone(),
            system,
        }
    }
}
