//! A temporary queue that stands where a person would: what arrives in it has really been delivered. Start at [`Inbox`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::evidence::Received;
use super::journal::{Entry, Journal};
use super::wait::Stop;
use crate::aws::names::{Place, TopicArn};
use crate::aws::{AwsError, Clients, Message};
use crate::clock::Clock;
use crate::wire::OWNER_TAG;

pub(super) struct Inbox {
    url: String,
    /// The topics that it is subscribed to.
    topics: BTreeSet<TopicArn>,
    arrived: Vec<Arrived>,
    /// Standard topics deliver at least once. The first copy of a message counts; a late double would make the
    /// notification look slower than it was.
    known: BTreeSet<(TopicArn, String)>,
}

/// One notification.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arrived {
    pub topic: TopicArn,
    pub received: Received,
    pub body: Value,
}

impl Arrived {
    pub fn is_alarm(&self, alarm: &str) -> bool {
        self.body["AlarmName"] == alarm && self.body["NewStateValue"] == "ALARM"
    }

    pub fn is_group_event(&self, group: &str, event: &str, instance: &str) -> bool {
        self.body["AutoScalingGroupName"] == group
            && self.body["Event"] == event
            && self.body["EC2InstanceId"] == instance
    }
}

/// A queue that a crashed run left behind keeps its messages no longer than this.
const RETENTION_SECS: &str = "3600";

impl Inbox {
    /// Makes the queue and subscribes it to those of `topics` that exist. Everything is in the journal first.
    pub async fn open(
        clients: &Clients,
        place: &Place,
        stack: &str,
        topics: &[TopicArn],
        journal: &mut Journal,
    ) -> Result<Self, Stop> {
        let name = queue_name(stack, clients.clock.now().as_millis());
        let queue_arn = place.arn("sqs", &name);
        journal.record(Entry::Queue { name: name.clone() })?;
        let attributes = BTreeMap::from([
            ("Policy".to_string(), queue_policy(&queue_arn, topics)),
            ("MessageRetentionPeriod".to_string(), RETENTION_SECS.to_string()),
        ]);
        let tags = BTreeMap::from([(OWNER_TAG.to_string(), stack.to_string())]);
        let url = clients.sqs.create_queue(&name, &attributes, &tags).await?;
        let mut inbox = Self { url, topics: BTreeSet::new(), arrived: Vec::new(), known: BTreeSet::new() };
        for topic in topics {
            journal.record(Entry::Subscription { topic: topic.clone(), queue_arn: queue_arn.clone() })?;
            match clients.sns.subscribe(topic, "sqs", &queue_arn).await {
                Ok(_) => drop(inbox.topics.insert(topic.clone())),
                // Whoever expects a message from it will say that it does not exist.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(inbox)
    }

    pub fn hears(&self, topic: &TopicArn) -> bool {
        self.topics.contains(topic)
    }

    /// Takes in what has arrived since the last look.
    pub async fn look(&mut self, clients: &Clients) -> Result<(), AwsError> {
        loop {
            let messages = clients.sqs.receive_message(&self.url).await?;
            if messages.is_empty() {
                return Ok(());
            }
            for message in &messages {
                clients.sqs.delete_message(&self.url, &message.receipt_handle).await?;
                self.take(message);
            }
        }
    }

    fn take(&mut self, message: &Message) {
        let Some((id, arrived)) = read_envelope(message) else { return };
        if self.known.insert((arrived.topic.clone(), id)) {
            self.arrived.push(arrived);
        }
    }

    /// The first message on `topic` that fits.
    pub fn find(&self, topic: &TopicArn, fits: impl Fn(&Arrived) -> bool) -> Option<&Received> {
        let on_topic = self.arrived.iter().filter(|arrived| arrived.topic == *topic && fits(arrived));
        on_topic.map(|arrived| &arrived.received).min_by_key(|received| received.at)
    }

    /// What has come on `topic`, for whom waited in vain.
    pub fn describe(&self, topic: &TopicArn) -> String {
        let subjects: Vec<&str> = self
            .arrived
            .iter()
            .filter(|arrived| arrived.topic == *topic)
            .map(|arrived| arrived.received.subject.as_str())
            .collect();
        match subjects.as_slice() {
            [] => "nothing has come".into(),
            [.., last] => format!("{} other messages have come, the last one `{last}`", subjects.len()),
        }
    }
}

/// A queue's name has at most 80 characters of a small set.
fn queue_name(stack: &str, millis: i64) -> String {
    let safe: String = stack.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
    format!("scaleproof-verify-{safe}-{millis}")
}

/// Without it SNS drops its messages without a word.
fn queue_policy(queue_arn: &str, topics: &[TopicArn]) -> String {
    let topics: Vec<&str> = topics.iter().map(TopicArn::as_str).collect();
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "sns.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": { "ArnEquals": { "aws:SourceArn": topics } },
        }],
    })
    .to_string()
}

/// The id that SNS gave the notification, and the notification. The message inside is JSON for all we wait for.
fn read_envelope(message: &Message) -> Option<(String, Arrived)> {
    let envelope: Value = serde_json::from_str(&message.body).ok()?;
    let text = |key: &str| envelope[key].as_str().map(str::to_string);
    let arrived = Arrived {
        topic: TopicArn(text("TopicArn")?),
        received: Received { at: message.sent, subject: text("Subject").unwrap_or_default() },
        body: serde_json::from_str(&text("Message")?).unwrap_or(Value::Null),
    };
    Some((text("MessageId")?, arrived))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn message(id: &str, at: i64, body: Value) -> Message {
        let envelope = json!({ "Type": "Notification", "MessageId": id, "TopicArn": "arn:t", "Subject": id,
                               "Message": body.to_string() });
        Message {
            id: "m".into(),
            body: envelope.to_string(),
            receipt_handle: "r".into(),
            sent: Timestamp::from_secs(at),
        }
    }

    #[test]
    fn the_first_copy_of_a_doubled_message_counts() {
        let mut inbox =
            Inbox { url: String::new(), topics: BTreeSet::new(), arrived: Vec::new(), known: BTreeSet::new() };
        let alarm = json!({ "AlarmName": "course-cpu-high", "NewStateValue": "ALARM" });
        for at in [10, 70] {
            inbox.take(&message("one", at, alarm.clone()));
        }
        inbox.take(&message("two", 20, json!({ "AlarmName": "course-cpu-high", "NewStateValue": "OK" })));
        inbox.take(&Message { body: "not an envelope".into(), ..message("", 0, json!(null)) });
        let topic = TopicArn::from("arn:t");
        let found = inbox.find(&topic, |arrived| arrived.is_alarm("course-cpu-high")).unwrap();
        assert_eq!(found.at, Timestamp::from_secs(10));
        assert_eq!(inbox.find(&topic, |arrived| arrived.is_alarm("course-cpu-low")), None);
        assert_eq!(inbox.describe(&topic), "2 other messages have come, the last one `two`");
    }

    #[test]
    fn a_queue_gets_a_name_that_sqs_takes_whatever_the_stack_is_called() {
        let name = queue_name(&"한글.web".repeat(20), 1_789_000_000_000);
        assert!(name.len() <= 80 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
    }
}
