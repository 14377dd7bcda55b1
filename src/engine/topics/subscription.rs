//! One subscription: who is told, whether it is confirmed, and what it wants; and the operations on it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::delivery_policy;
use super::filter::{FilterPolicy, Scope};
use super::headers::content_type_of;
use super::json;
use super::message::{MessageAttribute, Texts, invalid};
use super::retry::RetryPolicy;
use super::{Links, Topic, Topics, check_subscription_arn};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{SubscriptionArn, TopicArn};

/// Of AWS: how long an unconfirmed subscription is kept (developer guide of 2022).
const PENDING_FOR: Duration = Duration::from_secs(3 * 24 * 3600);
/// Hexadecimal digits of a token (recorded in 2026).
const TOKEN_LENGTH: usize = 256;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    pub topic_arn: TopicArn,
    pub protocol: String,
    pub endpoint: String,
    /// Who must confirm proves it with this.
    token: String,
    confirmed: bool,
    authenticated: bool,
    /// When an unconfirmed subscription is given up.
    expires: Option<Timestamp>,
    raw: bool,
    filter_text: Option<String>,
    scope: Scope,
    redrive_text: Option<String>,
    delivery_text: Option<String>,
}

/// What Subscribe takes.
#[derive(Debug, Clone, Default)]
pub struct SubscribeRequest {
    pub topic_arn: String,
    pub protocol: String,
    pub endpoint: String,
    pub attributes: BTreeMap<String, String>,
}

impl Subscription {
    pub fn is_pending(&self) -> bool {
        !self.confirmed
    }

    pub fn is_raw(&self) -> bool {
        self.raw
    }

    /// What confirms it.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether this message is for it.
    pub(super) fn wants(&self, texts: &Texts, attributes: &BTreeMap<String, MessageAttribute>) -> bool {
        let filter = self.filter_text.as_deref().and_then(|text| FilterPolicy::parse(text, self.scope).ok());
        filter.is_none_or(|filter| match self.scope {
            Scope::MessageAttributes => filter.matches_attributes(attributes),
            Scope::MessageBody => filter.matches_body(texts.for_protocol(&self.protocol)),
        })
    }

    pub(super) fn retry_policy(&self) -> Option<RetryPolicy> {
        RetryPolicy::read(self.delivery_policy()?.get("healthyRetryPolicy")?).ok()
    }

    fn delivery_policy(&self) -> Option<Value> {
        serde_json::from_str(self.delivery_text.as_deref()?).ok()
    }

    /// The content type of its own delivery policy.
    pub(super) fn content_type(&self) -> Option<String> {
        content_type_of(self.delivery_policy()?.get("requestPolicy"))
    }

    pub(super) fn dead_letter_queue(&self) -> Option<String> {
        let policy: Value = serde_json::from_str(self.redrive_text.as_deref()?).ok()?;
        policy.get("deadLetterTargetArn")?.as_str().map(str::to_string)
    }
}

impl Topics {
    /// Subscribes an endpoint, or returns the subscription that it has. A queue of the same account and a telephone are
    /// confirmed at once; others are sent a message to confirm with.
    ///
    /// # Errors
    /// `InvalidParameter` for a wrong protocol, endpoint or attribute; `NotFound`.
    pub fn subscribe(&mut self, now: Timestamp, request: &SubscribeRequest) -> Result<SubscriptionArn, Refusal> {
        let topic_arn = self.find_for("SNS:Subscribe", &request.topic_arn)?;
        self.check_endpoint(&topic_arn, &request.protocol, &request.endpoint)?;
        let confirmed = self.is_confirmed_at_once(&request.protocol, &request.endpoint);
        let mut subscription = Subscription {
            topic_arn: topic_arn.clone(),
            protocol: request.protocol.clone(),
            endpoint: request.endpoint.clone(),
            token: String::new(),
            confirmed,
            authenticated: confirmed,
            expires: (!confirmed).then(|| now + PENDING_FOR),
            raw: false,
            filter_text: None,
            scope: Scope::default(),
            redrive_text: None,
            delivery_text: None,
        };
        self.set_attributes(&mut subscription, &request.attributes)
            .map_err(|reason| invalid(format!("Attributes Reason: {reason}")))?;
        let present = self
            .subscriptions_of(&topic_arn)
            .find(|(_, one)| one.protocol == subscription.protocol && one.endpoint == subscription.endpoint)
            .map(|(arn, _)| arn.clone());
        if let Some(arn) = present {
            return self.subscribe_again(now, arn, &subscription, &request.attributes);
        }
        subscription.token = (0..TOKEN_LENGTH / 16).map(|_| format!("{:016x}", self.ids.next_u64())).collect();
        let arn = SubscriptionArn(format!("{topic_arn}:{}", self.ids.uuid()));
        if let Some(expires) = subscription.expires {
            self.expiring.insert((expires, arn.clone()));
        }
        self.subscriptions.insert(arn.clone(), subscription);
        if !confirmed {
            self.ask_for_confirmation(now, &arn);
        }
        Ok(arn)
    }

    fn subscribe_again(
        &mut self,
        now: Timestamp,
        arn: SubscriptionArn,
        wanted: &Subscription,
        given: &BTreeMap<String, String>,
    ) -> Result<SubscriptionArn, Refusal> {
        let present = &self.subscriptions[&arn];
        // Only what is named is compared (recorded).
        let same = |name: &String| match name.as_str() {
            "RawMessageDelivery" => present.raw == wanted.raw,
            "FilterPolicy" => present.filter_text == wanted.filter_text,
            "FilterPolicyScope" => present.scope == wanted.scope,
            "RedrivePolicy" => present.redrive_text == wanted.redrive_text,
            _ => present.delivery_text == wanted.delivery_text,
        };
        if !given.keys().all(same) {
            return Err(invalid("Attributes Reason: Subscription already exists with different attributes"));
        }
        if present.is_pending() {
            self.ask_for_confirmation(now, &arn);
        }
        Ok(arn)
    }

    /// What ConfirmSubscription wants of the topic's ARN: it need not be that of the token, nor of any topic (recorded).
    ///
    /// # Errors
    /// `InvalidParameter` if it is no ARN of this region.
    pub fn check_topic_to_confirm(&self, arn: &str) -> Result<(), Refusal> {
        let valid = arn.split(':').count() >= 6 && self.is_of_this_region(arn);
        if valid { Ok(()) } else { Err(invalid("Topic")) }
    }

    /// Confirms by the token that the endpoint was sent.
    ///
    /// # Errors
    /// `InvalidParameter` if it is no token, or nobody's.
    pub fn confirm(&mut self, _now: Timestamp, token: &str) -> Result<SubscriptionArn, Refusal> {
        if !token.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Refusal::new("InvalidParameter", 400, "Invalid token"));
        }
        let found = self.subscriptions.iter_mut().find(|(_, subscription)| subscription.token == token);
        let (arn, subscription) = found.ok_or_else(|| invalid("Token"))?;
        subscription.confirmed = true;
        if let Some(expires) = subscription.expires.take() {
            self.expiring.remove(&(expires, arn.clone()));
        }
        Ok(arn.clone())
    }

    /// Like [`Topics::confirm`], and nobody may unsubscribe afterwards without AWS credentials.
    ///
    /// # Errors
    /// As [`Topics::confirm`]; `AuthorizationError` if it is confirmed already (recorded).
    pub fn confirm_and_protect(&mut self, now: Timestamp, token: &str) -> Result<SubscriptionArn, Refusal> {
        if self.subscriptions.values().any(|subscription| subscription.token == token && subscription.confirmed) {
            return Err(Refusal::new("AuthorizationError", 403, "Subscription already confirmed"));
        }
        let arn = self.confirm(now, token)?;
        if let Some(subscription) = self.subscriptions.get_mut(&arn) {
            subscription.authenticated = true;
        }
        Ok(arn)
    }

    /// The tokens of everyone who has been asked and has not confirmed.
    pub fn pending_tokens(&self) -> Vec<String> {
        self.subscriptions.values().filter(|found| found.is_pending()).map(|found| found.token.clone()).collect()
    }

    /// Ends a subscription; one that is not there has ended already.
    ///
    /// # Errors
    /// `InvalidParameter` if the text is no ARN, or the subscription awaits its confirmation.
    pub fn unsubscribe(&mut self, now: Timestamp, arn: &str) -> Result<(), Refusal> {
        check_subscription_arn(arn)?;
        let Some((arn, subscription)) = self.subscriptions.get_key_value(arn) else { return Ok(()) };
        if subscription.is_pending() {
            let text = "SubscriptionArn Reason: Cannot unsubscribe a subscription that is pending confirmation";
            return Err(invalid(text));
        }
        let arn = arn.clone();
        self.say_goodbye(now, &arn);
        if let Some(topic) = self.topics.get_mut(&self.subscriptions[&arn].topic_arn) {
            topic.subscriptions_deleted += 1;
        }
        self.forget(&arn);
        Ok(())
    }

    /// Ends a subscription by the link in a message, which needs no credentials.
    ///
    /// # Errors
    /// `AuthorizationError` if it was confirmed with `AuthenticateOnUnsubscribe` or is a queue's.
    pub fn unsubscribe_by_link(&mut self, now: Timestamp, arn: &str) -> Result<(), Refusal> {
        if self.subscriptions.get(arn).is_some_and(|subscription| subscription.authenticated) {
            let text = "The subscription can only be deleted with AWS credentials of its owner";
            return Err(Refusal::new("AuthorizationError", 403, text));
        }
        self.unsubscribe(now, arn)
    }

    pub(super) fn forget(&mut self, arn: &SubscriptionArn) {
        let Some(subscription) = self.subscriptions.remove(arn) else { return };
        if let Some(expires) = subscription.expires {
            self.expiring.remove(&(expires, arn.clone()));
        }
        let waiting = |id: &String| self.waiting.iter().any(|(_, waiting)| waiting == id);
        let retries =
            self.attempts.iter().filter(|(id, attempt)| attempt.delivery.subscription_arn == *arn && waiting(id));
        let gone: Vec<String> = retries.map(|(id, _)| id.clone()).collect();
        self.waiting.retain(|(_, id)| !gone.contains(id));
        gone.iter().for_each(|id| {
            self.attempts.remove(id);
        });
    }

    /// Every subscription, in the order of their ARNs.
    pub fn subscriptions(&self) -> impl Iterator<Item = (&SubscriptionArn, &Subscription)> {
        self.subscriptions.iter()
    }

    /// # Errors
    /// `InvalidParameter`, `NotFound` or `AuthorizationError`.
    pub fn subscriptions_by_topic(&self, arn: &str) -> Result<Vec<(&SubscriptionArn, &Subscription)>, Refusal> {
        let topic = self.find_for("SNS:ListSubscriptionsByTopic", arn)?;
        Ok(self.subscriptions.iter().filter(|(_, subscription)| subscription.topic_arn == topic).collect())
    }

    /// # Errors
    /// `InvalidParameter` if the text is no ARN, `NotFound` if there is no such subscription.
    pub fn subscription_attributes(&self, arn: &str) -> Result<BTreeMap<String, String>, Refusal> {
        check_subscription_arn(arn)?;
        let subscription = self.subscriptions.get(arn).ok_or_else(no_subscription)?;
        let flag = |value: bool| value.to_string();
        let mut shown: BTreeMap<String, String> = [
            ("SubscriptionArn", arn.to_string()),
            ("TopicArn", subscription.topic_arn.to_string()),
            ("Owner", self.place.account.clone()),
            ("Protocol", subscription.protocol.clone()),
            ("Endpoint", subscription.endpoint.clone()),
            ("SubscriptionPrincipal", self.caller_arn()),
            ("PendingConfirmation", flag(subscription.is_pending())),
            ("ConfirmationWasAuthenticated", flag(subscription.authenticated)),
            ("RawMessageDelivery", flag(subscription.raw)),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .into();
        if let Some(filter) = &subscription.filter_text {
            shown.insert("FilterPolicy".into(), filter.clone());
            shown.insert("FilterPolicyScope".into(), subscription.scope.as_str().into());
        }
        shown.extend(subscription.redrive_text.clone().map(|text| ("RedrivePolicy".to_string(), text)));
        if let Some(own) = subscription.delivery_policy() {
            let topics = self.topics.get(&subscription.topic_arn).and_then(Topic::delivery_policy);
            let effective = delivery_policy::effective(&own, topics.as_ref());
            shown.insert("DeliveryPolicy".into(), own.to_string());
            shown.insert("EffectiveDeliveryPolicy".into(), effective.to_string());
        }
        Ok(shown)
    }

    /// # Errors
    /// `InvalidParameter` for an unknown attribute or a wrong value, `NotFound`.
    pub fn set_subscription_attribute(&mut self, arn: &str, name: &str, value: &str) -> Result<(), Refusal> {
        check_subscription_arn(arn)?;
        let mut subscription = self.subscriptions.get(arn).ok_or_else(no_subscription)?.clone();
        let one = BTreeMap::from([(name.to_string(), value.to_string())]);
        self.set_attributes(&mut subscription, &one).map_err(invalid)?;
        self.subscriptions.insert(arn.into(), subscription);
        Ok(())
    }

    /// Sets attributes together, since a filter policy is judged by its scope. Says why not as it stands after
    /// `Invalid parameter: `.
    fn set_attributes(
        &self,
        subscription: &mut Subscription,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        if let Some(scope) = attributes.get("FilterPolicyScope") {
            subscription.scope = Scope::parse(scope).ok_or_else(|| {
                format!(
                    "FilterPolicyScope: Invalid value [{scope}]. Please use either MessageBody or MessageAttributes"
                )
            })?;
        }
        for (name, value) in attributes {
            let text = (!value.is_empty()).then(|| value.clone());
            match name.as_str() {
                "FilterPolicyScope" => {}
                "RawMessageDelivery" => {
                    let parsed = value.to_ascii_lowercase().parse();
                    let wrong = |_| format!("RawMessageDelivery: Invalid value [{value}]. Must be true or false.");
                    subscription.raw = parsed.map_err(wrong)?;
                }
                // A policy that asks for nothing is none, which is how one is removed. Source: Amazon SNS Developer Guide,
                // "Removing a subscription filter policy".
                "FilterPolicy" => {
                    subscription.filter_text = text.map(|text| compact(&text)).filter(|text| text != "{}")
                }
                "RedrivePolicy" => {
                    self.check_redrive(subscription, text.as_deref())?;
                    subscription.redrive_text = text.map(|text| compact(&text));
                }
                "DeliveryPolicy" => {
                    let policy = text.map(|text| delivery_policy::of_subscription(&text)).transpose()?;
                    subscription.delivery_text = policy.map(|policy| policy.to_string());
                }
                "SubscriptionRoleArn" | "ReplayPolicy" => {
                    return Err(format!("AttributeName Reason: {name} has no effect on this endpoint"));
                }
                _ => return Err("AttributeName".into()),
            }
        }
        let filter = subscription.filter_text.as_deref();
        filter.map_or(Ok(()), |text| FilterPolicy::parse(text, subscription.scope).map(|_| ()))
    }

    fn check_redrive(&self, subscription: &Subscription, text: Option<&str>) -> Result<(), String> {
        let Some(text) = text else { return Ok(()) };
        let policy = json::read(text).map_err(|wrong| format!("RedrivePolicy: failed to parse JSON. {wrong}"))?;
        let named = |(name, _): &&(String, json::Token)| name == "deadLetterTargetArn";
        let target = policy.members().and_then(|members| members.iter().find(named)?.1.as_str()).unwrap_or_default();
        if !is_queue_arn(target) {
            return Err("RedrivePolicy: deadLetterTargetArn is an invalid arn".into());
        }
        let fifo = subscription.topic_arn.as_str().ends_with(".fifo") && subscription.endpoint.ends_with(".fifo");
        if fifo && !target.ends_with(".fifo") {
            return Err("RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.".into());
        }
        Ok(())
    }

    fn is_confirmed_at_once(&self, protocol: &str, endpoint: &str) -> bool {
        match protocol {
            "sqs" => endpoint.split(':').nth(4) == Some(self.place.account.as_str()),
            "sms" | "application" => true,
            _ => false,
        }
    }

    fn check_endpoint(&self, topic: &TopicArn, protocol: &str, endpoint: &str) -> Result<(), Refusal> {
        let fifo = topic.as_str().ends_with(".fifo");
        let mismatch = || Err(invalid("Endpoint must match the specified protocol"));
        match protocol {
            "http" | "https" if !endpoint.starts_with(&format!("{protocol}://")) => mismatch(),
            "email" | "email-json" if !is_email(endpoint) => Err(invalid("Email address")),
            "sms" if !is_telephone(endpoint) => {
                Err(Refusal::new("InvalidParameter", 400, format!("Invalid SMS endpoint: {endpoint}")))
            }
            "sqs" if !is_queue_arn(endpoint) => Err(invalid("SQS endpoint ARN")),
            "sqs" if endpoint.ends_with(".fifo") && !fifo => Err(invalid(
                "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
            )),
            "sqs" => Ok(()),
            "application" if !is_device_arn(endpoint) => Err(invalid("Application endpoint arn invalid")),
            "http" | "https" | "email" | "email-json" | "sms" | "application" if fifo => {
                Err(invalid("Protocol Reason: FIFO topics deliver to SQS queues"))
            }
            "http" | "https" | "email" | "email-json" | "sms" | "application" => Ok(()),
            "lambda" | "firehose" => {
                Err(invalid(format!("Protocol Reason: {protocol} subscriptions are not served by this endpoint")))
            }
            _ => Err(invalid(format!("Amazon SNS does not support this protocol string: {protocol}"))),
        }
    }

    pub(super) fn links_of(&self, topic: &TopicArn) -> Links {
        self.topics.get(topic).map_or_else(|| Links::of_aws(&self.place), |topic| topic.links.clone())
    }
}

/// AWS gives JSON attributes back without white space (recorded in 2026). What does not parse is refused later.
fn compact(text: &str) -> String {
    serde_json::from_str::<Value>(text).map_or_else(|_| text.to_string(), |value| value.to_string())
}

fn is_email(endpoint: &str) -> bool {
    endpoint.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        && !endpoint.contains(char::is_whitespace)
}

/// Digits, with single dashes, dots and slashes between them.
fn is_telephone(endpoint: &str) -> bool {
    let digits = endpoint.strip_prefix('+').unwrap_or(endpoint);
    let parted = digits.split(['-', '.', '/']).all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    parted && (2..=20).contains(&digits.len())
}

fn is_device_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    matches!(parts.as_slice(), ["arn", _, "sns", _, _, resource]
        if resource.starts_with("endpoint/") && resource.split('/').count() == 4)
}

fn is_queue_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    matches!(parts.as_slice(), ["arn", _, "sqs", region, account, name]
        if !region.is_empty() && !account.is_empty() && !name.is_empty())
}

fn no_subscription() -> Refusal {
    Refusal::new("NotFound", 404, "Subscription does not exist")
}
