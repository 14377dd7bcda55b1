//! From a publish to the deliveries: who may, what is sent to whom, and in which words.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::envelope::Envelope;
use super::message::{MessageAttribute, Publication, Texts, check_subject, invalid, platform_of};
use super::policy::{Caller, Request, Verdict};
use super::{Delivery, DeliveryKind, FifoOrder, Notice, PublishError, Publisher, Topics};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::faults::Guard;
use crate::engine::keys::Keys;
use crate::engine::names::{SubscriptionArn, TopicArn};
use crate::engine::text::Text;
use crate::hex::hex;

/// Of AWS: how long a FIFO topic takes a message with the same deduplication id for the same message.
const DEDUPLICATION_WINDOW: Duration = Duration::from_secs(5 * 60);
/// The first number of a FIFO topic, as AWS counts.
const FIRST_SEQUENCE_NUMBER: u128 = 10_000_000_000_000_000_000;
/// The subject of a notification by email that has none.
const DEFAULT_SUBJECT: &str = "AWS Notification Message";

/// Publishes as a role of the topic's own account: the managed policy `AutoScalingServiceRolePolicy` of its
/// service-linked role allows `sns:Publish` on every topic, so that only an explicit denial keeps it out.
const AUTO_SCALING: &str = "autoscaling.amazonaws.com";

/// What a publisher is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    pub message_id: String,
    /// Of a FIFO topic.
    pub sequence_number: Option<String>,
}

/// One accepted message, before it is written for each subscriber.
struct Accepted {
    topic: TopicArn,
    published: Published,
    subject: Option<String>,
    texts: Texts,
    attributes: BTreeMap<String, MessageAttribute>,
    order: Option<FifoOrder>,
    /// Of a standard topic.
    group_id: Option<String>,
}

impl Topics {
    /// Publishes for somebody of the account.
    ///
    /// # Errors
    /// AWS's refusal of the message, the topic or the caller.
    pub fn publish(
        &mut self,
        now: Timestamp,
        topic_arn: &str,
        publication: &Publication,
        keys: &Keys,
    ) -> Result<Published, Refusal> {
        let topic = self.find_for("SNS:Publish", topic_arn)?;
        let key = self.topics[&topic].key().filter(|key| !keys.is_managed_for(key, "sns"));
        key.map_or(Ok(()), |key| keys.usable(key))?;
        let texts = publication.check()?;
        let published = Published { message_id: self.ids.uuid(), sequence_number: None };
        let order = self.order(&topic, publication)?;
        let group_id = publication.group_id.clone().filter(|_| order.is_none());
        let (subject, attributes) = (publication.subject.clone(), publication.attributes.clone());
        Ok(self.accept(now, Accepted { topic, published, subject, texts, attributes, order, group_id }))
    }

    /// Publishes for an AWS service: the topic's policy must let `publisher` in.
    ///
    /// # Errors
    /// Why it could not, in words for the alarm's history.
    pub fn publish_from_service(
        &mut self,
        now: Timestamp,
        topic_arn: &str,
        publisher: Publisher<'_>,
        notice: &Notice,
        keys: &Keys,
    ) -> Result<String, PublishError> {
        let Some((topic, _)) = self.topics.get_key_value(topic_arn) else {
            return Err(PublishError::NoSuchTopic(topic_arn.into()));
        };
        let topic = topic.clone();
        let denied = self.faults.strike(|fault| fault.to_publication(&topic));
        if denied == Some(Guard::TopicPolicy) || !self.lets_in(&topic, publisher) {
            return Err(PublishError::NotAuthorized(topic));
        }
        let has_key = |key: &str| self.can_use(keys, key, &topic, publisher);
        if denied == Some(Guard::Key) || !self.topics[&topic].key().is_none_or(has_key) {
            return Err(PublishError::NoKeyAccess(topic));
        }
        let deduplication_id = self.ids.uuid();
        // Everything that goes into a service's message is limited, so that only its subject may be wrong.
        check_subject(notice.subject.as_deref()).map_err(PublishError::Invalid)?;
        let order = self.topics[&topic].fifo.is_some().then(|| FifoOrder {
            // CloudWatch and Auto Scaling group by what they publish about.
            group_id: content_id(publisher.source_arn.unwrap_or(publisher.principal)),
            deduplication_id,
        });
        let published = Published { message_id: self.ids.uuid(), sequence_number: None };
        let texts = Texts::new(notice.message.clone(), notice.by_protocol.clone());
        let (subject, attributes) = (notice.subject.clone(), BTreeMap::new());
        let accepted = Accepted { topic, published, subject, texts, attributes, order, group_id: None };
        Ok(self.accept(now, accepted).message_id)
    }

    /// Auto Scaling publishes by its role, CloudWatch under its own name, and each needs the key as that.
    fn can_use(&self, keys: &Keys, key: &str, topic: &TopicArn, publisher: Publisher<'_>) -> bool {
        let role = self.auto_scaling_role();
        let caller = match publisher.principal == AUTO_SCALING {
            true => Caller::Identity { account: &self.place.account, arn: &role },
            false => Caller::Service(publisher.principal),
        };
        let mut about = vec![("kms:EncryptionContext:aws:sns:topicArn", topic.as_str())];
        about.extend(publisher.source_arn.map(|arn| ("aws:SourceArn", arn)));
        keys.lets_in(key, caller, &about)
    }

    fn auto_scaling_role(&self) -> String {
        let (partition, account) = (&self.place.partition, &self.place.account);
        format!("arn:{partition}:iam::{account}:role/aws-service-role/{AUTO_SCALING}/AWSServiceRoleForAutoScaling")
    }

    fn lets_in(&self, topic: &TopicArn, publisher: Publisher<'_>) -> bool {
        let account = self.place.account.as_str();
        let role = self.auto_scaling_role();
        let by_role = publisher.principal == AUTO_SCALING;
        let caller = match by_role {
            true => Caller::Identity { account, arn: &role },
            false => Caller::Service(publisher.principal),
        };
        let mut request = Request::new(caller, "SNS:Publish", topic.as_str())
            .with("aws:SourceAccount", account)
            .with("AWS:SourceOwner", account);
        if let Some(source) = publisher.source_arn {
            request = request.with("aws:SourceArn", source);
        }
        match self.topics[topic].policy().evaluate(&request) {
            Verdict::Allowed => true,
            Verdict::NotAllowed => by_role,
            Verdict::Denied => false,
        }
    }

    fn accept(&mut self, now: Timestamp, mut accepted: Accepted) -> Published {
        if let Some(order) = &accepted.order {
            match self.number(now, &accepted.topic, order, accepted.published.message_id.clone()) {
                Ok(fresh) => accepted.published = fresh,
                Err(duplicate) => return duplicate,
            }
        }
        self.fan_out(now, &accepted);
        accepted.published
    }

    /// The place of a message in a FIFO topic; `None` in a standard topic.
    fn order(&self, topic: &TopicArn, publication: &Publication) -> Result<Option<FifoOrder>, Refusal> {
        let topic = &self.topics[topic];
        if topic.fifo.is_none() && publication.deduplication_id.is_some() {
            return Err(invalid(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid \
                 for this topic type",
            ));
        }
        if topic.fifo.is_none() {
            return Ok(None);
        }
        let Some(group_id) = publication.group_id.clone() else {
            return Err(invalid("The MessageGroupId parameter is required for FIFO topics"));
        };
        let by_content = || topic.deduplicates_by_content().then(|| content_id(&publication.message));
        let deduplication_id = publication.deduplication_id.clone().or_else(by_content).ok_or_else(|| {
            invalid(
                "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                 explicitly",
            )
        })?;
        Ok(Some(FifoOrder { group_id, deduplication_id }))
    }

    /// Numbers a message of a FIFO topic, or returns as an error what the publisher of its first copy was told.
    fn number(
        &mut self,
        now: Timestamp,
        topic: &TopicArn,
        order: &FifoOrder,
        message_id: String,
    ) -> Result<Published, Published> {
        let topic = self.topics.get_mut(topic).expect("it was found by the caller; this is a bug in scaleproof");
        let fifo = topic.fifo.get_or_insert_default();
        fifo.recent.retain(|_, (at, _)| now.since(*at) < DEDUPLICATION_WINDOW);
        if let Some((_, first)) = fifo.recent.get(&order.deduplication_id) {
            return Err(first.clone());
        }
        let number = FIRST_SEQUENCE_NUMBER + u128::from(fifo.published);
        fifo.published += 1;
        let published = Published { message_id, sequence_number: Some(number.to_string()) };
        fifo.recent.insert(order.deduplication_id.clone(), (now, published.clone()));
        Ok(published)
    }

    fn fan_out(&mut self, now: Timestamp, accepted: &Accepted) {
        let receivers: Vec<SubscriptionArn> = self
            .subscriptions_of(&accepted.topic)
            .filter(|(_, one)| !one.is_pending() && one.wants(&accepted.texts, &accepted.attributes))
            .map(|(arn, _)| arn.clone())
            .collect();
        for arn in receivers {
            let id = self.ids.uuid();
            let delivery = self.notification(now, id, &arn, accepted);
            self.send(delivery);
        }
    }

    fn notification(&self, now: Timestamp, id: String, arn: &SubscriptionArn, accepted: &Accepted) -> Delivery {
        let subscription = &self.subscriptions[arn];
        let topic = &self.topics[&accepted.topic];
        let protocol = subscription.protocol.as_str();
        let message = accepted.texts.for_protocol(match protocol {
            "application" => platform_of(&subscription.endpoint),
            protocol => protocol,
        });
        let raw = subscription.is_raw() && matches!(protocol, "sqs" | "http" | "https");
        let unsubscribe_url = format!("{}{arn}", topic.links.unsubscribe);
        let envelope = Envelope {
            kind: DeliveryKind::Notification,
            message_id: accepted.published.message_id.clone(),
            sequence_number: accepted.published.sequence_number.clone(),
            token: None,
            topic_arn: accepted.topic.to_string(),
            subject: accepted.subject.clone(),
            message: message.clone(),
            subscribe_url: None,
            timestamp: now.iso_millis(),
            signature_version: topic.signature_version(),
            signing_cert_url: topic.links.certificate.clone(),
            unsubscribe_url: Some(unsubscribe_url.clone()),
            message_attributes: accepted.attributes.clone(),
        };
        let (body, envelope) = match protocol {
            _ if raw => (message.clone(), None),
            "sms" | "application" => (message.clone(), None),
            "email" => {
                let message = message.clone();
                (Text::later(move || email_notification(&message, &unsubscribe_url)), None)
            }
            _ => {
                let signed = envelope.is_signed().then(|| Box::new(envelope.clone()));
                (Text::later(move || envelope.body("")), signed)
            }
        };
        let subject = match protocol {
            "email" | "email-json" => accepted.subject.clone().or_else(|| Some(DEFAULT_SUBJECT.into())),
            _ => accepted.subject.clone(),
        };
        Delivery {
            id,
            at: now,
            topic_arn: accepted.topic.clone(),
            subscription_arn: arn.clone(),
            protocol: protocol.to_string(),
            endpoint: subscription.endpoint.clone(),
            kind: DeliveryKind::Notification,
            message_id: accepted.published.message_id.clone(),
            subject,
            body,
            raw,
            envelope,
            attributes: if raw { accepted.attributes.clone() } else { BTreeMap::new() },
            headers: IndexMap::new(),
            // A standard queue is told nothing of a FIFO topic's order (recorded).
            order: accepted.order.clone().filter(|_| subscription.endpoint.ends_with(".fifo")),
            group_id: accepted.group_id.clone(),
            dead_letter: false,
        }
    }

    /// Sends the message that a new subscriber confirms with.
    pub(super) fn ask_for_confirmation(&mut self, now: Timestamp, arn: &SubscriptionArn) {
        let text = |topic: &TopicArn| {
            format!(
                "You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the \
                 SubscribeURL included in this message."
            )
        };
        let email = |topic: &TopicArn, link: &str| {
            format!(
                "You have chosen to subscribe to the topic:\n{topic}\n\nTo confirm this subscription, click or visit \
                 the link below (If this was in error no action is necessary):\n{link}\n\nPlease do not reply directly \
                 to this email."
            )
        };
        self.send_confirmation(now, arn, DeliveryKind::SubscriptionConfirmation, text, email);
    }

    /// Tells an HTTP endpoint that it was unsubscribed. The way back that AWS offers in this message (a token that
    /// subscribes again) is not served: the token is nobody's.
    pub(super) fn say_goodbye(&mut self, now: Timestamp, arn: &SubscriptionArn) {
        if !self.subscriptions.get(arn).is_some_and(|one| matches!(one.protocol.as_str(), "http" | "https")) {
            return;
        }
        let text = |_: &TopicArn| {
            format!(
                "You have chosen to deactivate subscription {arn}.\nTo cancel this operation and restore the \
                 subscription, visit the SubscribeURL included in this message."
            )
        };
        self.send_confirmation(now, arn, DeliveryKind::UnsubscribeConfirmation, text, |_, link| link.to_string());
    }

    fn send_confirmation(
        &mut self,
        now: Timestamp,
        arn: &SubscriptionArn,
        kind: DeliveryKind,
        text: impl Fn(&TopicArn) -> String,
        email: impl Fn(&TopicArn, &str) -> String,
    ) {
        let (id, message_id) = (self.ids.uuid(), self.ids.uuid());
        let Some(subscription) = self.subscriptions.get(arn) else { return };
        let topic_arn = subscription.topic_arn.clone();
        let links = self.links_of(&topic_arn);
        let link = format!("{}TopicArn={topic_arn}&Token={}", links.confirm, subscription.token());
        let envelope = Envelope {
            kind,
            message_id: message_id.clone(),
            sequence_number: None,
            token: Some(subscription.token().to_string()),
            topic_arn: topic_arn.to_string(),
            subject: None,
            message: text(&topic_arn).into(),
            subscribe_url: Some(link.clone()),
            timestamp: now.iso_millis(),
            signature_version: self.topics.get(&topic_arn).map(super::Topic::signature_version).unwrap_or_default(),
            signing_cert_url: links.certificate,
            unsubscribe_url: None,
            message_attributes: BTreeMap::new(),
        };
        let is_email = subscription.protocol == "email";
        let delivery = Delivery {
            id,
            at: now,
            topic_arn: topic_arn.clone(),
            subscription_arn: arn.clone(),
            protocol: subscription.protocol.clone(),
            endpoint: subscription.endpoint.clone(),
            kind,
            message_id,
            subject: is_email.then(|| "AWS Notification - Subscription Confirmation".to_string()),
            body: if is_email { email(&topic_arn, &link) } else { envelope.body("") }.into(),
            raw: false,
            envelope: (!is_email).then(|| Box::new(envelope)),
            attributes: BTreeMap::new(),
            headers: IndexMap::new(),
            order: None,
            group_id: None,
            dead_letter: false,
        };
        self.send(delivery);
    }
}

fn email_notification(message: &str, unsubscribe_url: &str) -> String {
    format!(
        "{message}\n\n--\nIf you wish to stop receiving notifications from this topic, please click or visit the link \
         below to unsubscribe:\n{unsubscribe_url}\n\nPlease do not reply directly to this email."
    )
}

/// SHA-256 in hexadecimal, as a FIFO topic makes a deduplication id of a message.
pub fn content_id(text: &str) -> String {
    hex(Sha256::digest(text.as_bytes()))
}
