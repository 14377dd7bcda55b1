//! Simple Notification Service: topics, their policies, their subscribers.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_sns::types;

use super::AwsError;
use super::names::{SubscriptionArn, TopicArn};
use super::watch::Watch;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subscription {
    /// `None` until the subscriber has confirmed.
    pub arn: Option<SubscriptionArn>,
    pub protocol: String,
    pub endpoint: String,
}

#[async_trait]
pub trait Sns: Send + Sync {
    /// All topics of the account in the region, over all pages.
    async fn list_topics(&self) -> Result<Vec<TopicArn>, AwsError>;
    /// The topic's attributes (`Policy`, `KmsMasterKeyId` and so on), or `None` if there is no such topic.
    async fn get_topic_attributes(&self, topic: &TopicArn) -> Result<Option<BTreeMap<String, String>>, AwsError>;
    async fn list_tags_for_resource(&self, topic: &TopicArn) -> Result<BTreeMap<String, String>, AwsError>;
    async fn list_subscriptions_by_topic(&self, topic: &TopicArn) -> Result<Vec<Subscription>, AwsError>;
    async fn create_topic(&self, name: &str, tags: &BTreeMap<String, String>) -> Result<TopicArn, AwsError>;
    async fn set_topic_attributes(&self, topic: &TopicArn, name: &str, value: &str) -> Result<(), AwsError>;
    async fn tag_resource(&self, topic: &TopicArn, tags: &BTreeMap<String, String>) -> Result<(), AwsError>;
    /// The subscription's ARN, or `None` while it waits for the subscriber to confirm.
    async fn subscribe(
        &self,
        topic: &TopicArn,
        protocol: &str,
        endpoint: &str,
    ) -> Result<Option<SubscriptionArn>, AwsError>;
    async fn unsubscribe(&self, subscription: &SubscriptionArn) -> Result<(), AwsError>;
    /// Removes the topic and its subscriptions.
    async fn delete_topic(&self, topic: &TopicArn) -> Result<(), AwsError>;
}

pub(super) struct SdkSns {
    client: aws_sdk_sns::Client,
    watch: Watch,
}

impl SdkSns {
    pub fn new(config: &aws_config::SdkConfig, watch: Watch) -> Self {
        let config = aws_sdk_sns::config::Builder::from(config).interceptor(watch.clone()).build();
        Self { client: aws_sdk_sns::Client::from_conf(config), watch }
    }
}

#[async_trait]
impl Sns for SdkSns {
    async fn list_topics(&self) -> Result<Vec<TopicArn>, AwsError> {
        let topics: Result<Vec<types::Topic>, _> =
            self.client.list_topics().into_paginator().items().send().collect().await;
        let topics = topics.map_err(self.watch.failed("sns:ListTopics"))?;
        Ok(topics.into_iter().filter_map(|topic| topic.topic_arn).map(TopicArn).collect())
    }

    async fn get_topic_attributes(&self, topic: &TopicArn) -> Result<Option<BTreeMap<String, String>>, AwsError> {
        let answer = self.client.get_topic_attributes().topic_arn(topic.as_str()).send().await;
        match answer.map_err(self.watch.failed("sns:GetTopicAttributes")) {
            Ok(answer) => Ok(Some(answer.attributes.unwrap_or_default().into_iter().collect())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list_tags_for_resource(&self, topic: &TopicArn) -> Result<BTreeMap<String, String>, AwsError> {
        let call = self.client.list_tags_for_resource().resource_arn(topic.as_str());
        let answer = call.send().await.map_err(self.watch.failed("sns:ListTagsForResource"))?;
        Ok(answer.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect())
    }

    async fn list_subscriptions_by_topic(&self, topic: &TopicArn) -> Result<Vec<Subscription>, AwsError> {
        let pages = self.client.list_subscriptions_by_topic().topic_arn(topic.as_str()).into_paginator();
        let found: Result<Vec<types::Subscription>, _> = pages.items().send().collect().await;
        let found = found.map_err(self.watch.failed("sns:ListSubscriptionsByTopic"))?;
        let own = |s: types::Subscription| Subscription {
            arn: confirmed(s.subscription_arn),
            protocol: s.protocol.unwrap_or_default(),
            endpoint: s.endpoint.unwrap_or_default(),
        };
        Ok(found.into_iter().map(own).collect())
    }

    async fn create_topic(&self, name: &str, tags: &BTreeMap<String, String>) -> Result<TopicArn, AwsError> {
        let call = self.client.create_topic().name(name).set_tags(Some(sdk_tags(tags)));
        let answer = call.send().await.map_err(self.watch.failed("sns:CreateTopic"))?;
        Ok(TopicArn(answer.topic_arn.unwrap_or_default()))
    }

    async fn set_topic_attributes(&self, topic: &TopicArn, name: &str, value: &str) -> Result<(), AwsError> {
        let call =
            self.client.set_topic_attributes().topic_arn(topic.as_str()).attribute_name(name).attribute_value(value);
        call.send().await.map_err(self.watch.failed("sns:SetTopicAttributes"))?;
        Ok(())
    }

    async fn tag_resource(&self, topic: &TopicArn, tags: &BTreeMap<String, String>) -> Result<(), AwsError> {
        let call = self.client.tag_resource().resource_arn(topic.as_str()).set_tags(Some(sdk_tags(tags)));
        call.send().await.map_err(self.watch.failed("sns:TagResource"))?;
        Ok(())
    }

    async fn subscribe(
        &self,
        topic: &TopicArn,
        protocol: &str,
        endpoint: &str,
    ) -> Result<Option<SubscriptionArn>, AwsError> {
        let call = self.client.subscribe().topic_arn(topic.as_str()).protocol(protocol).endpoint(endpoint);
        let answer = call.send().await.map_err(self.watch.failed("sns:Subscribe"))?;
        Ok(confirmed(answer.subscription_arn))
    }

    async fn unsubscribe(&self, subscription: &SubscriptionArn) -> Result<(), AwsError> {
        let call = self.client.unsubscribe().subscription_arn(subscription.as_str());
        call.send().await.map_err(self.watch.failed("sns:Unsubscribe"))?;
        Ok(())
    }

    async fn delete_topic(&self, topic: &TopicArn) -> Result<(), AwsError> {
        let call = self.client.delete_topic().topic_arn(topic.as_str());
        call.send().await.map_err(self.watch.failed("sns:DeleteTopic"))?;
        Ok(())
    }
}

/// Lists say `PendingConfirmation`, Subscribe says `pending confirmation`, a removed one says `Deleted`.
fn confirmed(arn: Option<String>) -> Option<SubscriptionArn> {
    arn.filter(|arn| arn.starts_with("arn:")).map(SubscriptionArn)
}

fn sdk_tags(tags: &BTreeMap<String, String>) -> Vec<types::Tag> {
    let sdk = |(key, value): (&String, &String)| types::Tag::builder().key(key).value(value).build();
    // Building fails only without key or value, and both are here.
    tags.iter().filter_map(|tag| sdk(tag).ok()).collect()
}
