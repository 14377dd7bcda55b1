//! Topics, subscriptions, and the deliveries that follow a publish. Start at [`Topics`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Refusal;
use super::names::{Place, SubscriptionArn, TopicArn};
use crate::clock::Timestamp;

/// A message as a publisher hands it over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notice {
    pub subject: Option<String>,
    pub message: String,
    /// What subscribers of one protocol (`email`, `sms`) are sent instead of `message`, as CloudWatch does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_protocol: BTreeMap<String, String>,
}

impl Notice {
    /// One text for every subscriber.
    pub fn new(subject: impl Into<String>, message: impl Into<String>) -> Self {
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
    /// `sqs`, `email`, `email-json`, `http` or `https`.
    pub protocol: String,
    pub endpoint: String,
    pub kind: DeliveryKind,
    pub message_id: String,
    pub subject: Option<String>,
    /// The body as the subscriber receives it, before a signature is put in: the envelope, or the raw message.
    pub body: String,
    pub raw: bool,
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
    Invalid(Refusal),
}

impl PublishError {
    /// The text CloudWatch puts in the alarm's history.
    pub fn for_alarm_history(&self) -> String {
        unimplemented!("topics room")
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Topics {}

impl Topics {
    pub fn new(_place: &Place, _seed: u64) -> Self {
        Self {}
    }
    pub fn next_due(&self) -> Option<Timestamp> {
        unimplemented!("topics room")
    }
    /// Makes due retries ready in the outbox.
    pub fn run_due(&mut self, _due: Timestamp) {
        unimplemented!("topics room")
    }
    pub fn take_outbox(&mut self) -> Vec<Delivery> {
        unimplemented!("topics room")
    }
    pub fn delivered(&mut self, _now: Timestamp, _delivery: &DeliveryId, _outcome: DeliveryOutcome) {
        unimplemented!("topics room")
    }
    /// Publishes for an AWS service: the topic's policy must let `publisher` in.
    pub fn publish_from_service(
        &mut self,
        _now: Timestamp,
        _topic_arn: &str,
        _publisher: Publisher<'_>,
        _notice: &Notice,
    ) -> Result<String, PublishError> {
        unimplemented!("topics room")
    }
}
