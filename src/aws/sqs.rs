//! Simple Queue Service: the temporary queue in which `verify` receives what a person would.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};

use super::AwsError;
use super::watch::Watch;
use crate::clock::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: String,
    pub body: String,
    pub receipt_handle: String,
    /// When the queue took the message in.
    pub sent: Timestamp,
}

#[async_trait]
pub trait Sqs: Send + Sync {
    /// Returns the queue's URL.
    async fn create_queue(
        &self,
        name: &str,
        attributes: &BTreeMap<String, String>,
        tags: &BTreeMap<String, String>,
    ) -> Result<String, AwsError>;
    /// The queue's URL, or `None` if there is no queue of this name.
    async fn get_queue_url(&self, name: &str) -> Result<Option<String>, AwsError>;
    /// Up to ten messages, without waiting for them.
    async fn receive_message(&self, url: &str) -> Result<Vec<Message>, AwsError>;
    async fn delete_message(&self, url: &str, receipt_handle: &str) -> Result<(), AwsError>;
    async fn delete_queue(&self, url: &str) -> Result<(), AwsError>;
}

pub(super) struct SdkSqs {
    client: aws_sdk_sqs::Client,
    watch: Watch,
}

impl SdkSqs {
    pub fn new(config: &aws_config::SdkConfig, watch: Watch) -> Self {
        let config = aws_sdk_sqs::config::Builder::from(config).interceptor(watch.clone()).build();
        Self { client: aws_sdk_sqs::Client::from_conf(config), watch }
    }
}

#[async_trait]
impl Sqs for SdkSqs {
    async fn create_queue(
        &self,
        name: &str,
        attributes: &BTreeMap<String, String>,
        tags: &BTreeMap<String, String>,
    ) -> Result<String, AwsError> {
        let attributes = attributes.iter().map(|(key, value)| (QueueAttributeName::from(key.as_str()), value.clone()));
        let call = self
            .client
            .create_queue()
            .queue_name(name)
            .set_attributes(Some(attributes.collect()))
            .set_tags(Some(tags.clone().into_iter().collect()));
        let answer = call.send().await.map_err(self.watch.failed("sqs:CreateQueue"))?;
        Ok(answer.queue_url.unwrap_or_default())
    }

    async fn get_queue_url(&self, name: &str) -> Result<Option<String>, AwsError> {
        let answer = self.client.get_queue_url().queue_name(name).send().await;
        match answer.map_err(self.watch.failed("sqs:GetQueueUrl")) {
            Ok(answer) => Ok(answer.queue_url),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn receive_message(&self, url: &str) -> Result<Vec<Message>, AwsError> {
        let call = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .wait_time_seconds(0)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let answer = call.send().await.map_err(self.watch.failed("sqs:ReceiveMessage"))?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(read_message).collect())
    }

    async fn delete_message(&self, url: &str, receipt_handle: &str) -> Result<(), AwsError> {
        let call = self.client.delete_message().queue_url(url).receipt_handle(receipt_handle);
        call.send().await.map_err(self.watch.failed("sqs:DeleteMessage"))?;
        Ok(())
    }

    async fn delete_queue(&self, url: &str) -> Result<(), AwsError> {
        let call = self.client.delete_queue().queue_url(url);
        call.send().await.map_err(self.watch.failed("sqs:DeleteQueue"))?;
        Ok(())
    }
}

fn read_message(message: aws_sdk_sqs::types::Message) -> Message {
    let attributes = message.attributes.unwrap_or_default();
    let sent = attributes.get(&MessageSystemAttributeName::SentTimestamp).and_then(|millis| millis.parse().ok());
    Message {
        id: message.message_id.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        receipt_handle: message.receipt_handle.unwrap_or_default(),
        sent: Timestamp::from_millis(sent.unwrap_or_default()),
    }
}
