//! SQS: queues, and the messages in them, by the sandbox's clock.
//!
//! Standard and FIFO queues, visibility, delay, retention, long polling, dead-letter queues, and the queue policy that
//! lets topics deliver. Left out: encryption (a queue under the key that AWS manages is closed to topics, as at AWS), and
//! the minute during which AWS does not give a deleted queue's name again. Start at [`Sqs`].

mod attributes;
mod batch;
mod checksum;
mod messages;
mod moves;
mod queue;
mod queues;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::ids::Ids;
use crate::engine::keys::Keys;
use crate::engine::names::Place;
use crate::engine::topics::policy::{Caller, Policy, Request, Verdict};
use crate::engine::topics::{Delivery, DeliveryOutcome};
use crate::sandbox::operations::{Call, Operations};
pub use checksum::md5_of_attributes;
use queue::Letter;
pub use queue::{Incoming, Queue, Stored};

/// The queues of one account in one region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sqs {
    place: Place,
    /// By name.
    queues: BTreeMap<String, Queue>,
    /// In the order they were started.
    #[serde(default)]
    moves: Vec<moves::MoveTask>,
    ids: Ids,
}

pub fn operations() -> Operations {
    let mut operations = Operations::default();
    queues::register(&mut operations);
    messages::register(&mut operations);
    batch::register(&mut operations);
    moves::register(&mut operations);
    operations
}

impl Sqs {
    pub fn new(place: &Place, seed: u64) -> Self {
        Self { place: place.clone(), queues: BTreeMap::new(), moves: Vec::new(), ids: Ids::new(seed, "sqs") }
    }

    pub fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// Takes in a message from a topic, if the queue's policy and key let that topic send.
    pub fn receive_from_topic(&mut self, delivery: &Delivery, keys: &Keys) -> DeliveryOutcome {
        let refused = |because: &str| DeliveryOutcome::Refused { because: because.into() };
        let name = delivery.endpoint.rsplit(':').next().unwrap_or_default().to_string();
        let Some(queue) = self.queues.get(&name).filter(|queue| queue.arn == delivery.endpoint) else {
            return refused("the queue does not exist");
        };
        let request = Request::new(Caller::Service("sns.amazonaws.com"), "sqs:SendMessage", &queue.arn)
            .with("aws:SourceArn", delivery.topic_arn.as_str())
            .with("aws:SourceAccount", delivery.topic_arn.as_str().split(':').nth(4).unwrap_or_default());
        if queue.policy().map(|policy| policy.evaluate(&request)) != Some(Verdict::Allowed) {
            return refused("the queue's policy does not let the topic send messages");
        }
        let about = [("kms:EncryptionContext:aws:sqs:arn", queue.arn.as_str())];
        if queue.key().is_some_and(|key| !keys.lets_in(key, Caller::Service("sns.amazonaws.com"), &about)) {
            return refused("the queue is encrypted with a key that topics cannot use");
        }
        // Source: Amazon SNS Developer Guide, "Amazon SNS raw message delivery".
        if delivery.attributes.len() > messages::MAX_ATTRIBUTES {
            return refused("a queue takes messages with ten attributes at most");
        }
        let order = delivery.order.as_ref();
        let incoming = Incoming {
            body: delivery.body.to_string(),
            attributes: delivery.attributes.clone(),
            trace_header: None,
            sender: "AIDAIT2UOQQY3AUEKVGXU".into(),
            group_id: order.map(|order| order.group_id.clone()).or_else(|| delivery.group_id.clone()),
            deduplication_id: order.map(|order| order.deduplication_id.clone()),
            delay: None,
            dead_letter_source: None,
        };
        match self.send(delivery.at, &name, incoming) {
            Ok(_) => DeliveryOutcome::Accepted,
            Err(refusal) => refused(&refusal.message),
        }
    }

    /// Takes in what a service sends in the name of a role that somebody gave it. The queue is this region's or none.
    pub fn receive_from_service(&mut self, now: Timestamp, arn: &str, body: String) {
        let name = arn.rsplit(':').next().unwrap_or_default().to_string();
        if self.queues.get(&name).is_none_or(|queue| queue.arn != arn) {
            return;
        }
        let incoming = Incoming {
            body,
            attributes: Default::default(),
            trace_header: None,
            // Of the role's session.
            sender: "AROA0123456789ABCDEFG:AutoScaling".into(),
            group_id: None,
            deduplication_id: None,
            delay: None,
            dead_letter_source: None,
        };
        // Auto Scaling tells nobody when a queue takes no message.
        let _ = self.send(now, &name, incoming);
    }

    /// Puts a message into a queue that exists.
    fn send(&mut self, now: Timestamp, name: &str, incoming: Incoming) -> Result<Stored, Refusal> {
        let letter = Letter { id: self.ids.uuid(), sent: None, incoming };
        let queue = self.queues.get_mut(name).ok_or_else(no_such_queue)?;
        queue.send(now, letter)
    }

    /// The queue of a URL, for an action that its policy must not deny.
    fn queue_for(&mut self, action: &str, url: Option<&String>) -> Result<&mut Queue, Refusal> {
        let name = self.name_in(url)?;
        let caller = format!("arn:{}:iam::{}:root", self.place.partition, self.place.account);
        let account = self.place.account.clone();
        let queue = self.queues.get_mut(&name).ok_or_else(no_such_queue)?;
        let identity = Caller::Identity { account: &account, arn: &caller };
        let action = format!("sqs:{action}");
        let denied = |policy: Policy| policy.evaluate(&Request::new(identity, &action, &queue.arn)) == Verdict::Denied;
        if queue.policy().is_some_and(denied) {
            let text = format!("Access to the resource {} is denied.", url.map_or("", String::as_str));
            return Err(Refusal::new("AccessDenied", 403, text));
        }
        Ok(queue)
    }

    /// The name at the end of a queue's URL, which must be of this account. AWS also takes a bare name.
    fn name_in(&self, url: Option<&String>) -> Result<String, Refusal> {
        let url = url.ok_or_else(|| missing("QueueUrl"))?;
        let mut parts = url.trim_end_matches('/').rsplit('/');
        match (parts.next(), parts.next()) {
            (Some(name), None) => Ok(name.to_string()),
            (Some(name), Some(account)) if account == self.place.account => Ok(name.to_string()),
            _ => Err(no_such_queue()),
        }
    }

    /// Messages that were received as often as their queue allows go to its dead-letter queue.
    fn move_dead_letters(&mut self, now: Timestamp, name: &str) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let Some((target, letters)) = queue.take_dead_letters(now) else { return };
        let target = target.rsplit(':').next().unwrap_or_default().to_string();
        for letter in letters {
            // AWS drops what the dead-letter queue does not take.
            let _ = self.queues.get_mut(&target).map(|queue| queue.send(now, letter));
        }
    }
}

fn queue_url(call: &Call, place: &Place, name: &str) -> String {
    format!("{}/{}/{name}", call.base_url.trim_end_matches('/'), place.account)
}

fn no_such_queue() -> Refusal {
    Refusal::new("AWS.SimpleQueueService.NonExistentQueue", 400, "The specified queue does not exist.")
}

fn missing(parameter: &str) -> Refusal {
    Refusal::new("MissingParameter", 400, format!("The request must contain the parameter {parameter}."))
}

/// 400 `InvalidParameterValue`: a value that a parameter cannot have.
fn invalid_value(value: impl std::fmt::Display, parameter: &str, reason: &str) -> Refusal {
    let text = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
    Refusal::new("InvalidParameterValue", 400, text)
}

#[cfg(test)]
mod tests;
