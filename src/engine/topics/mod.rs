//! Topics, subscriptions, and the deliveries that follow a publish.
//!
//! A publish is judged by the topic's [`policy`], checked by [`message`], fanned out by each subscription's [`filter`],
//! written as an [`envelope`] and tried again by the protocol's [`retry`] schedule. Messages leave through an outbox; who
//! drives the world hands them over and reports back. Signatures are not made here: a delivery carries what to sign.
//! Left out: functions and streams, which are refused on subscribing; archiving; delivery
//! status logs. Start at [`Topics`].

mod delivery_policy;
pub mod envelope;
pub mod filter;
pub mod headers;
mod json;
pub mod message;
pub mod policy;
mod publish;
pub mod retry;
mod subscription;
mod topic;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Refusal;
use super::faults::Plan;
use super::ids::Ids;
use super::names::{Place, SubscriptionArn, TopicArn};
use super::text::Text;
use crate::clock::Timestamp;
use envelope::Envelope;
use message::{MessageAttribute, invalid};
use policy::{Caller, Request, Verdict};
pub use publish::{Published, content_id};
pub use subscription::{SubscribeRequest, Subscription};
pub use topic::{Tags, Topic, default_policy};

/// A message as a publisher hands it over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notice {
    pub subject: Option<String>,
    pub message: Text,
    /// What subscribers of one protocol (`email`, `sms`) are sent instead of `message`, as CloudWatch does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_protocol: BTreeMap<String, Text>,
}

impl Notice {
    /// One text for every subscriber.
    pub fn new(subject: impl Into<String>, message: impl Into<Text>) -> Self {
        Self { subject: Some(subject.into()), message: message.into(), by_protocol: BTreeMap::new() }
    }
}

/// An AWS service that publishes, as a topic's policy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publisher<'a> {
    /// `cloudwatch.amazonaws.com`
    pub principal: &'a str,
    /// What it publishes about, for conditions on `aws:SourceArn`: the alarm's ARN.
    pub source_arn: Option<&'a str>,
}

pub type DeliveryId = String;

/// One message on its way to one subscriber. The driver hands it over and reports the outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: DeliveryId,
    pub at: Timestamp,
    pub topic_arn: TopicArn,
    pub subscription_arn: SubscriptionArn,
    /// `sqs`, `email`, `email-json`, `sms`, `application`, `http` or `https`.
    pub protocol: String,
    pub endpoint: String,
    pub kind: DeliveryKind,
    pub message_id: String,
    pub subject: Option<String>,
    /// The body as the subscriber receives it, before a signature is put in: the envelope, or the raw message.
    pub body: Text,
    pub raw: bool,
    /// What a signature is made over; `None` where the body carries none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<Box<Envelope>>,
    /// Raw messages to a queue carry the attributes beside the body.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// Of the POST to an HTTP endpoint.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, String>,
    /// Of a FIFO topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<FifoOrder>,
    /// The group that the publisher to a standard topic named, which a standard queue shows to its receivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// Given up on: on its way to the subscription's dead-letter queue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dead_letter: bool,
}

/// What a FIFO queue needs to keep a message in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FifoOrder {
    pub group_id: String,
    pub deduplication_id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryKind {
    Notification,
    SubscriptionConfirmation,
    UnsubscribeConfirmation,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryOutcome {
    Accepted,
    /// Worth another try: a timeout, a 5xx, a 429.
    Failed {
        because: String,
    },
    /// Never worth another try: another 4xx, a queue that does not exist.
    Refused {
        because: String,
    },
}

/// Why a service could not publish to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishError {
    NoSuchTopic(TopicArn),
    /// The topic's policy does not let this service principal publish.
    NotAuthorized(TopicArn),
    /// The topic is encrypted with a key that services cannot use.
    NoKeyAccess(TopicArn),
    Invalid(Refusal),
}

impl PublishError {
    /// The text CloudWatch puts in the alarm's history.
    pub fn for_alarm_history(&self) -> String {
        match self {
            // What AWS writes here is not recorded; CloudWatch passes on the answer of SNS.
            Self::NoSuchTopic(_) => "Topic does not exist".into(),
            Self::NotAuthorized(arn) => {
                format!("CloudWatch Alarms is not authorized to perform: SNS:Publish on resource:{arn}")
            }
            // CloudWatch user guide, "Notifying users on alarm changes", on encrypted topics.
            Self::NoKeyAccess(_) => {
                "CloudWatch Alarms does not have authorization to access the SNS topic encryption key.".into()
            }
            Self::Invalid(refusal) => refusal.message.clone(),
        }
    }
}

/// The addresses that messages of a topic point to. AWS's own are under `sns.REGION.amazonaws.com`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// Followed by `TopicArn=…&Token=…`.
    pub confirm: String,
    /// Followed by the subscription's ARN.
    pub unsubscribe: String,
    pub certificate: String,
}

impl Links {
    pub fn of_aws(place: &Place) -> Self {
        let host = format!("https://sns.{}.amazonaws.com", place.region);
        Self {
            confirm: format!("{host}/?Action=ConfirmSubscription&"),
            unsubscribe: format!("{host}/?Action=Unsubscribe&SubscriptionArn="),
            certificate: format!("{host}/SimpleNotificationService.pem"),
        }
    }
}

/// A delivery that nobody has accepted yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Attempt {
    delivery: Delivery,
    /// Tries after the first.
    retries: u32,
}

/// All topics of one account in one region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Topics {
    place: Place,
    topics: BTreeMap<TopicArn, Topic>,
    subscriptions: BTreeMap<SubscriptionArn, Subscription>,
    attempts: BTreeMap<DeliveryId, Attempt>,
    /// Retries by the time they are due.
    waiting: BTreeSet<(Timestamp, DeliveryId)>,
    /// Unconfirmed subscriptions by the time they are given up.
    expiring: BTreeSet<(Timestamp, SubscriptionArn)>,
    outbox: Vec<DeliveryId>,
    /// Who is kept from publishing on purpose.
    #[serde(default)]
    pub(super) faults: Plan,
    ids: Ids,
}

impl Topics {
    pub fn new(place: &Place, seed: u64) -> Self {
        Self {
            place: place.clone(),
            topics: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            attempts: BTreeMap::new(),
            waiting: BTreeSet::new(),
            expiring: BTreeSet::new(),
            outbox: Vec::new(),
            faults: Plan::default(),
            ids: Ids::new(seed, "topics"),
        }
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        let retry = self.waiting.first().map(|(due, _)| *due);
        let expiry = self.expiring.first().map(|(due, _)| *due);
        [retry, expiry].into_iter().flatten().min()
    }

    /// Makes due retries ready in the outbox, and gives up subscriptions that nobody confirmed.
    pub fn run_due(&mut self, due: Timestamp) {
        while self.waiting.first().is_some_and(|(at, _)| *at <= due) {
            let Some((at, id)) = self.waiting.pop_first() else { break };
            if let Some(attempt) = self.attempts.get_mut(&id) {
                attempt.delivery.at = at;
                self.outbox.push(id);
            }
        }
        while self.expiring.first().is_some_and(|(at, _)| *at <= due) {
            let Some((_, arn)) = self.expiring.pop_first() else { break };
            self.subscriptions.remove(&arn);
        }
    }

    pub fn take_outbox(&mut self) -> Vec<Delivery> {
        let ready = std::mem::take(&mut self.outbox);
        ready.iter().filter_map(|id| self.attempts.get(id)).map(|attempt| attempt.delivery.clone()).collect()
    }

    /// Takes in what became of a delivery, and plans the next try.
    pub fn delivered(&mut self, now: Timestamp, delivery: &DeliveryId, outcome: DeliveryOutcome) {
        let Some(mut attempt) = self.attempts.remove(delivery) else { return };
        let retry = match outcome {
            DeliveryOutcome::Accepted => return,
            DeliveryOutcome::Refused { .. } => None,
            DeliveryOutcome::Failed { .. } => self.schedule(&attempt.delivery).delay(attempt.retries),
        };
        match retry {
            Some(delay) => {
                attempt.retries += 1;
                self.waiting.insert((now + delay, delivery.clone()));
                self.attempts.insert(delivery.clone(), attempt);
            }
            None => self.give_up(now, attempt.delivery),
        }
    }

    /// A message that cannot be delivered goes to the dead-letter queue, if the subscription names one, or is lost.
    fn give_up(&mut self, now: Timestamp, delivery: Delivery) {
        let subscription = self.subscriptions.get(&delivery.subscription_arn);
        let Some(queue) = subscription.and_then(Subscription::dead_letter_queue) else { return };
        if delivery.dead_letter || delivery.kind != DeliveryKind::Notification {
            return;
        }
        let endpoint = queue.to_string();
        let id = self.ids.uuid();
        let (protocol, headers) = ("sqs".into(), IndexMap::new());
        self.send(Delivery { id, at: now, protocol, endpoint, headers, dead_letter: true, ..delivery });
    }

    fn content_type(&self, delivery: &Delivery) -> String {
        let own = self.subscriptions.get(&delivery.subscription_arn).and_then(Subscription::content_type);
        let topics = || self.topics.get(&delivery.topic_arn).and_then(Topic::content_type);
        own.or_else(topics).unwrap_or_else(|| headers::DEFAULT_CONTENT_TYPE.into())
    }

    fn schedule(&self, delivery: &Delivery) -> retry::Schedule {
        let own = self.subscriptions.get(&delivery.subscription_arn).and_then(Subscription::retry_policy);
        let topics = self.topics.get(&delivery.topic_arn).and_then(Topic::retry_policy);
        retry::schedule_for(&delivery.protocol, &own.or(topics).unwrap_or_default())
    }

    fn send(&mut self, mut delivery: Delivery) {
        if matches!(delivery.protocol.as_str(), "http" | "https") {
            delivery.headers = headers::headers(&delivery, &self.content_type(&delivery));
        }
        self.outbox.push(delivery.id.clone());
        self.attempts.insert(delivery.id.clone(), Attempt { delivery, retries: 0 });
    }

    /// The account's root user, whom this endpoint takes every API caller for.
    fn caller_arn(&self) -> String {
        format!("arn:{}:iam::{}:root", self.place.partition, self.place.account)
    }

    /// The topic of an ARN as a caller writes it.
    ///
    /// # Errors
    /// `InvalidParameter` if it is no ARN or of another region, `NotFound` if there is no such topic.
    fn find(&self, arn: &str) -> Result<TopicArn, Refusal> {
        check_arn("TopicArn", arn)?;
        if !self.is_of_this_region(arn) {
            return Err(invalid("TopicArn"));
        }
        match self.topics.get_key_value(arn) {
            Some((arn, _)) => Ok(arn.clone()),
            None => Err(Refusal::new("NotFound", 404, "Topic does not exist")),
        }
    }

    fn is_of_this_region(&self, arn: &str) -> bool {
        arn.split(':').nth(3) == Some(self.place.region.as_str())
    }

    /// Like [`Topics::find`], for an action that the topic's policy must not deny. Somebody of the topic's own account
    /// needs no statement that allows it.
    fn find_for(&self, action: &str, arn: &str) -> Result<TopicArn, Refusal> {
        let arn = self.find(arn)?;
        let caller = self.caller_arn();
        let identity = Caller::Identity { account: &self.place.account, arn: &caller };
        match self.topics[&arn].policy().evaluate(&Request::new(identity, action, arn.as_str())) {
            Verdict::Denied => Err(Refusal::new(
                "AuthorizationError",
                403,
                format!(
                    "User: {caller} is not authorized to perform: {action} on resource: {arn} with an explicit deny \
                     in a resource-based policy"
                ),
            )),
            Verdict::Allowed | Verdict::NotAllowed => Ok(arn),
        }
    }
}

/// # Errors
/// `InvalidParameter` naming `parameter` if the text has fewer than six elements.
fn check_arn(parameter: &str, text: &str) -> Result<(), Refusal> {
    match text.split(':').count() {
        0..=5 => {
            let found = text.split(':').count();
            Err(invalid(format!("{parameter} Reason: An ARN must have at least 6 elements, not {found}")))
        }
        _ => Ok(()),
    }
}

/// # Errors
/// `InvalidParameter` if the text is no ARN of a subscription, which ends in a UUID.
fn check_subscription_arn(text: &str) -> Result<(), Refusal> {
    check_arn("SubscriptionArn", text)?;
    match text.split(':').nth(6).is_some_and(is_uuid) {
        true => Ok(()),
        false => Err(invalid("SubscriptionId")),
    }
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &&str| part.bytes().all(|b| b.is_ascii_hexdigit());
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(hex)
}

#[cfg(test)]
mod tests;
