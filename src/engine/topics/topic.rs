//! One topic: its attributes, tags and policy, and the operations on them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::delivery_policy;
use super::envelope::SignatureVersion;
use super::headers::content_type_of;
use super::message::invalid;
use super::policy::{Policy, PolicyError};
use super::retry::{RetryPolicy, effective_policy};
use super::{Links, Subscription, Topics};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{Place, SubscriptionArn, TopicArn};

/// In the order in which they were put, which AWS keeps.
pub type Tags = Vec<(String, String)>;

/// Of AWS: tags of one topic.
const MAX_TAGS: usize = 50;
/// Of AWS: characters of a display name.
const MAX_DISPLAY_NAME: usize = 100;

/// The actions that a topic's policy may name: those of the topic's owner. A wildcard is refused (recorded in 2026).
const POLICY_ACTIONS: [&str; 12] = [
    "addpermission",
    "deletetopic",
    "getdataprotectionpolicy",
    "gettopicattributes",
    "listsubscriptionsbytopic",
    "listtagsforresource",
    "publish",
    "putdataprotectionpolicy",
    "receive",
    "removepermission",
    "settopicattributes",
    "subscribe",
];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Topic {
    /// As they were set, by AWS's names; defaults are not in it.
    attributes: BTreeMap<String, String>,
    #[serde(rename = "policy_text")]
    policy: Policy,
    tags: Tags,
    pub(super) links: Links,
    pub(super) subscriptions_deleted: u32,
    pub(super) fifo: Option<Fifo>,
}

/// What only a FIFO topic knows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Fifo {
    pub(super) published: u64,
    /// By deduplication id: when, and what the publisher was told.
    pub(super) recent: BTreeMap<String, (Timestamp, super::Published)>,
}

impl Topic {
    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn retry_policy(&self) -> Option<RetryPolicy> {
        RetryPolicy::read(self.delivery_policy()?.get("http")?.get("defaultHealthyRetryPolicy")?).ok()
    }

    pub(super) fn delivery_policy(&self) -> Option<Value> {
        serde_json::from_str(self.attribute("DeliveryPolicy")?).ok()
    }

    /// The content type of its delivery policy.
    pub(super) fn content_type(&self) -> Option<String> {
        content_type_of(self.delivery_policy()?.get("http")?.get("defaultRequestPolicy"))
    }

    pub(super) fn signature_version(&self) -> SignatureVersion {
        match self.attribute("SignatureVersion") {
            Some("2") => SignatureVersion::Sha256,
            _ => SignatureVersion::Sha1,
        }
    }

    /// The key that the topic is encrypted with, as it was named.
    pub(super) fn key(&self) -> Option<&str> {
        self.attribute("KmsMasterKeyId")
    }

    pub(super) fn deduplicates_by_content(&self) -> bool {
        self.attribute("ContentBasedDeduplication") == Some("true")
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

impl Topics {
    /// Creates a topic, or returns the one that exists with these attributes and tags, and perhaps others (recorded).
    ///
    /// # Errors
    /// `InvalidParameter` for a wrong name or attribute, or where a topic of that name differs.
    pub fn create_topic(
        &mut self,
        name: &str,
        attributes: &BTreeMap<String, String>,
        tags: &Tags,
        links: Links,
    ) -> Result<TopicArn, Refusal> {
        let fifo = attributes.get("FifoTopic").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        check_name(name, fifo)?;
        check_tags(tags)?;
        let arn = TopicArn(self.place.arn("sns", name));
        if self.topics.contains_key(&arn) {
            self.check_same(&arn, attributes, tags)?;
            return Ok(arn);
        }
        let mut topic = Topic {
            attributes: BTreeMap::new(),
            policy: Policy::from_document(default_policy(&self.place, &arn))
                .expect("the default policy is one; this is a bug in scaleproof"),
            tags: tags.clone(),
            links,
            subscriptions_deleted: 0,
            fifo: fifo.then(Fifo::default),
        };
        for (name, value) in attributes {
            set_attribute(&mut topic, name, value).map_err(|reason| invalid(format!("Attributes Reason: {reason}")))?;
        }
        self.topics.insert(arn.clone(), topic);
        Ok(arn)
    }

    fn check_same(&self, arn: &TopicArn, attributes: &BTreeMap<String, String>, tags: &Tags) -> Result<(), Refusal> {
        let topic = &self.topics[arn];
        let shown = self.shown_attributes(arn);
        let same = |(name, value): (&String, &String)| match name.as_str() {
            "Policy" => Policy::parse(value).is_ok_and(|policy| policy.to_text() == topic.policy.to_text()),
            "DeliveryPolicy" if !value.is_empty() => {
                delivery_policy::of_topic(value).is_ok_and(|policy| topic.delivery_policy() == Some(policy))
            }
            "FifoTopic" | "ContentBasedDeduplication" if shown.contains_key(name) => {
                shown[name].eq_ignore_ascii_case(value)
            }
            _ => shown.get(name) == Some(value) || (value.is_empty() && !shown.contains_key(name)),
        };
        if !attributes.iter().all(same) {
            return Err(invalid("Attributes Reason: Topic already exists with different attributes"));
        }
        if !tags.iter().all(|tag| topic.tags.contains(tag)) {
            return Err(invalid("Tags Reason: Topic already exists with different tags"));
        }
        Ok(())
    }

    /// Deletes a topic and its subscriptions. A topic that is not there is deleted already.
    ///
    /// # Errors
    /// `InvalidParameter` if the text is no ARN, `AuthorizationError` if the topic's policy denies it.
    pub fn delete_topic(&mut self, arn: &str) -> Result<(), Refusal> {
        let arn = match self.find_for("SNS:DeleteTopic", arn) {
            Err(refusal) if refusal.code == "NotFound" => return Ok(()),
            found => found?,
        };
        self.topics.remove(&arn);
        let gone: Vec<SubscriptionArn> = self.subscriptions_of(&arn).map(|(arn, _)| arn.clone()).collect();
        gone.iter().for_each(|subscription| self.forget(subscription));
        Ok(())
    }

    /// Every topic, in the order of their ARNs.
    pub fn topic_arns(&self) -> impl Iterator<Item = &TopicArn> {
        self.topics.keys()
    }

    /// # Errors
    /// `InvalidParameter`, `NotFound` or `AuthorizationError`.
    pub fn topic_attributes(&self, arn: &str) -> Result<BTreeMap<String, String>, Refusal> {
        let arn = self.find_for("SNS:GetTopicAttributes", arn)?;
        Ok(self.shown_attributes(&arn))
    }

    fn shown_attributes(&self, arn: &TopicArn) -> BTreeMap<String, String> {
        let topic = &self.topics[arn];
        let count = |pending: bool| self.subscriptions_of(arn).filter(|(_, one)| one.is_pending() == pending).count();
        let mut shown = topic.attributes.clone();
        shown.entry("DisplayName".into()).or_default();
        if topic.fifo.is_some() {
            shown.entry("ContentBasedDeduplication".into()).or_insert_with(|| "false".into());
        }
        shown.extend(
            [
                ("TopicArn", arn.to_string()),
                ("Owner", self.place.account.clone()),
                ("Policy", topic.policy.to_text()),
                ("SubscriptionsConfirmed", count(false).to_string()),
                ("SubscriptionsPending", count(true).to_string()),
                ("SubscriptionsDeleted", topic.subscriptions_deleted.to_string()),
                ("EffectiveDeliveryPolicy", effective_policy(topic.delivery_policy().as_ref()).to_string()),
            ]
            .map(|(name, value)| (name.to_string(), value)),
        );
        shown
    }

    /// # Errors
    /// `InvalidParameter` for an unknown attribute or a wrong value, `NotFound`, `AuthorizationError`.
    pub fn set_topic_attribute(&mut self, arn: &str, name: &str, value: &str) -> Result<(), Refusal> {
        let arn = self.find_for("SNS:SetTopicAttributes", arn)?;
        let topic = self.topics.get_mut(&arn).expect("it was found above; this is a bug in scaleproof");
        if name == "FifoTopic" {
            return Err(invalid("AttributeName"));
        }
        set_attribute(topic, name, value).map_err(invalid)
    }

    /// Adds a statement that lets accounts act on the topic. Adding the very same again changes nothing (recorded).
    ///
    /// # Errors
    /// `InvalidParameter` if another statement has the label, or an action is not one of a topic.
    pub fn add_permission(
        &mut self,
        arn: &str,
        label: &str,
        accounts: &[String],
        actions: &[String],
    ) -> Result<(), Refusal> {
        let arn = self.find_for("SNS:AddPermission", arn)?;
        if actions.iter().any(|action| !is_policy_action(action)) {
            return Err(out_of_scope());
        }
        let roots = accounts.iter().map(|account| format!("arn:{}:iam::{account}:root", self.place.partition));
        let statement = json!({
            "Sid": label,
            "Effect": "Allow",
            "Principal": {"AWS": one_or_list(roots.collect())},
            "Action": one_or_list(actions.iter().map(|action| format!("SNS:{action}")).collect()),
            "Resource": arn.as_str(),
        });
        let topic = self.topics.get_mut(&arn).expect("it was found above; this is a bug in scaleproof");
        match topic.policy.statement(label) {
            Some(present) if *present == statement => {}
            Some(_) => return Err(invalid("Statement already exists")),
            None => topic.policy.add_statement(statement),
        }
        Ok(())
    }

    /// # Errors
    /// `InvalidParameter`, `NotFound` or `AuthorizationError`. A label that is not there is no error (recorded).
    pub fn remove_permission(&mut self, arn: &str, label: &str) -> Result<(), Refusal> {
        let arn = self.find_for("SNS:RemovePermission", arn)?;
        let topic = self.topics.get_mut(&arn).expect("it was found above; this is a bug in scaleproof");
        topic.policy.remove_statement(label);
        Ok(())
    }

    /// # Errors
    /// `ResourceNotFound` if there is no such topic.
    pub fn tags(&self, arn: &str) -> Result<&Tags, Refusal> {
        self.topics.get(arn).map(|topic| &topic.tags).ok_or_else(no_resource)
    }

    /// # Errors
    /// `ResourceNotFound`, `InvalidParameter` for a key given twice, `TagLimitExceeded`.
    pub fn tag(&mut self, arn: &str, tags: &Tags) -> Result<(), Refusal> {
        check_tags(tags)?;
        let topic = self.topics.get_mut(arn).ok_or_else(no_resource)?;
        let mut merged = topic.tags.clone();
        for (key, value) in tags {
            match merged.iter_mut().find(|(present, _)| present == key) {
                Some((_, present)) => present.clone_from(value),
                None => merged.push((key.clone(), value.clone())),
            }
        }
        check_tags(&merged)?;
        topic.tags = merged;
        Ok(())
    }

    /// # Errors
    /// `ResourceNotFound` if there is no such topic.
    pub fn untag(&mut self, arn: &str, keys: &[String]) -> Result<(), Refusal> {
        let topic = self.topics.get_mut(arn).ok_or_else(no_resource)?;
        topic.tags.retain(|(key, _)| !keys.contains(key));
        Ok(())
    }

    pub(super) fn subscriptions_of<'a>(
        &'a self,
        topic: &'a TopicArn,
    ) -> impl Iterator<Item = (&'a SubscriptionArn, &'a Subscription)> {
        self.subscriptions.iter().filter(move |(_, subscription)| subscription.topic_arn == *topic)
    }
}

/// The policy that a topic has until somebody sets another: whoever is of the owner's account, and services acting
/// for it.
pub fn default_policy(place: &Place, arn: &TopicArn) -> Value {
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [
                "SNS:GetTopicAttributes",
                "SNS:SetTopicAttributes",
                "SNS:AddPermission",
                "SNS:RemovePermission",
                "SNS:DeleteTopic",
                "SNS:Subscribe",
                "SNS:ListSubscriptionsByTopic",
                "SNS:Publish",
            ],
            "Resource": arn.as_str(),
            "Condition": {"StringEquals": {"AWS:SourceOwner": place.account}},
        }],
    })
}

fn check_name(name: &str, fifo: bool) -> Result<(), Refusal> {
    let plain = name.strip_suffix(".fifo").unwrap_or(name);
    let valid = !plain.is_empty()
        && name.len() <= 256
        && plain.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    match (valid, fifo, name.ends_with(".fifo")) {
        (true, true, true) | (true, false, false) => Ok(()),
        (_, true, _) => Err(invalid(
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, \
             numbers, underscores, and hyphens, and must be between 1 and 256 characters long.",
        )),
        _ => Err(invalid("Topic Name")),
    }
}

fn check_tags(tags: &Tags) -> Result<(), Refusal> {
    let distinct: std::collections::BTreeSet<&str> = tags.iter().map(|(key, _)| key.as_str()).collect();
    if distinct.len() < tags.len() {
        return Err(invalid("Duplicated keys are not allowed."));
    }
    if tags.len() > MAX_TAGS {
        let text = "Could not complete request: tag quota of per resource exceeded";
        return Err(Refusal::new("TagLimitExceeded", 400, text));
    }
    Ok(())
}

/// Sets one attribute, or says why not as it stands after `Invalid parameter: `.
fn set_attribute(topic: &mut Topic, name: &str, value: &str) -> Result<(), String> {
    let fifo = topic.fifo.is_some();
    let lowered = value.to_ascii_lowercase();
    let delivery = match name {
        "DeliveryPolicy" if !value.is_empty() => Some(delivery_policy::of_topic(value)?.to_string()),
        _ => None,
    };
    let value = match name {
        "FifoTopic" | "ContentBasedDeduplication" => lowered.as_str(),
        _ => delivery.as_deref().unwrap_or(value),
    };
    match name {
        "Policy" => {
            topic.policy = checked_policy(value)?;
            return Ok(());
        }
        "DisplayName" if value.chars().count() > MAX_DISPLAY_NAME => return Err("DisplayName".into()),
        "SignatureVersion" if !matches!(value, "1" | "2") => return Err("SignatureVersion".into()),
        "TracingConfig" if !matches!(value, "" | "PassThrough" | "Active") => return Err("TracingConfig".into()),
        "FifoTopic" | "ContentBasedDeduplication" if !matches!(value, "true" | "false") => return Err(name.into()),
        // A topic that is not FIFO can say so; the attribute is shown for FIFO topics alone.
        "FifoTopic" if value == "false" => return Ok(()),
        "ContentBasedDeduplication" | "FifoThroughputScope" if !fifo => {
            return Err(format!("{name} is an attribute of FIFO topics"));
        }
        "DisplayName"
        | "DeliveryPolicy"
        | "SignatureVersion"
        | "KmsMasterKeyId"
        | "TracingConfig"
        | "FifoTopic"
        | "ContentBasedDeduplication"
        | "FifoThroughputScope" => {}
        _ if is_feedback(name) => return set_feedback(topic, name, value),
        "ArchivePolicy" | "DataProtectionPolicy" => {
            return Err(format!("AttributeName Reason: {name} has no effect on this endpoint"));
        }
        _ => return Err("AttributeName".into()),
    }
    if value.is_empty() {
        topic.attributes.remove(name);
    } else {
        topic.attributes.insert(name.into(), value.into());
    }
    Ok(())
}

/// What logs the fate of messages to CloudWatch Logs, by the kind of endpoint. Nothing else shows it, so it is kept as it
/// is. Source: Amazon SNS API reference, SetTopicAttributes.
fn is_feedback(name: &str) -> bool {
    let kinds = ["Application", "Firehose", "HTTP", "Lambda", "SQS"];
    let rest = kinds.iter().find_map(|kind| name.strip_prefix(kind));
    matches!(rest, Some("SuccessFeedbackRoleArn" | "SuccessFeedbackSampleRate" | "FailureFeedbackRoleArn"))
}

fn set_feedback(topic: &mut Topic, name: &str, value: &str) -> Result<(), String> {
    let valid = match name.ends_with("SampleRate") {
        true => value.is_empty() || value.parse().is_ok_and(|percent: u8| percent <= 100),
        false => {
            value.is_empty() || (value.starts_with("arn:") && value.contains(":iam::") && value.contains(":role/"))
        }
    };
    if !valid {
        return Err(name.into());
    }
    if value.is_empty() {
        topic.attributes.remove(name);
    } else {
        topic.attributes.insert(name.into(), value.into());
    }
    Ok(())
}

/// # Errors
/// What AWS says of a policy that it does not take, as it stands after `Invalid parameter: `.
pub(super) fn checked_policy(text: &str) -> Result<Policy, String> {
    let policy = Policy::parse(text).map_err(|error| match error {
        PolicyError::Malformed => "Policy Error: null".to_string(),
        PolicyError::Operator(operator) => {
            format!("Policy Error: the condition operator {operator} is not evaluated by this endpoint")
        }
    })?;
    let in_scope = |action: &str| {
        action
            .split_once(':')
            .is_some_and(|(service, action)| service.eq_ignore_ascii_case("sns") && is_policy_action(action))
    };
    if policy.actions().all(in_scope) { Ok(policy) } else { Err(OUT_OF_SCOPE.into()) }
}

const OUT_OF_SCOPE: &str = "Policy statement action out of service scope!";

fn out_of_scope() -> Refusal {
    invalid(OUT_OF_SCOPE)
}

fn is_policy_action(action: &str) -> bool {
    POLICY_ACTIONS.contains(&action.to_ascii_lowercase().as_str())
}

fn one_or_list(mut items: Vec<String>) -> Value {
    if items.len() == 1 { Value::from(items.remove(0)) } else { Value::from(items) }
}

fn no_resource() -> Refusal {
    Refusal::new("ResourceNotFound", 404, "Resource does not exist")
}
