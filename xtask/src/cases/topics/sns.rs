//! What the topics about SNS share: a topic, queues that it may send to, and a look at what arrived.

use scaleproof::engine::Refusal;
use scaleproof::engine::topics::Delivery;
use serde_json::{Value, json};

use crate::cases::api::{ACCOUNT, Api, REGION};
use crate::cases::failure::Failure;

/// One topic and what subscribes to it.
pub struct Sns {
    pub api: Api,
    pub topic: String,
    pub fifo: bool,
}

/// A queue by its two names.
pub struct Queue {
    pub url: String,
    pub arn: String,
}

impl Sns {
    /// A topic with these attributes; `FifoTopic` decides its name.
    pub fn new(attributes: &Value) -> Result<Self, Failure> {
        let mut api = Api::new();
        let fifo = attributes.get("FifoTopic").is_some_and(|value| value == "true");
        let name = if fifo { "ops.fifo" } else { "ops" };
        let created = api.call("sns", "CreateTopic", json!({"Name": name, "Attributes": attributes}))?;
        Ok(Self { api, topic: text(&created, "TopicArn"), fifo })
    }

    /// The name of a queue of the topic's kind.
    pub fn queue_name(&self, name: &str) -> String {
        if self.fifo { format!("{name}.fifo") } else { name.to_string() }
    }

    /// Makes a queue whose policy lets the topic send.
    pub fn queue(&mut self, name: &str) -> Result<Queue, Failure> {
        let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{}", self.queue_name(name));
        let policy = json!({"Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}},
        }]});
        self.queue_with_policy(name, Some(&policy))
    }

    pub fn queue_with_policy(&mut self, name: &str, policy: Option<&Value>) -> Result<Queue, Failure> {
        let name = self.queue_name(name);
        let mut attributes = serde_json::Map::new();
        if self.fifo {
            attributes.insert("FifoQueue".into(), "true".into());
        }
        if let Some(policy) = policy {
            attributes.insert("Policy".into(), policy.to_string().into());
        }
        let created = self.api.call("sqs", "CreateQueue", json!({"QueueName": name, "Attributes": attributes}))?;
        Ok(Queue { url: text(&created, "QueueUrl"), arn: format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}") })
    }

    /// Subscribes and returns what Subscribe answers.
    pub fn subscribe(
        &mut self,
        protocol: &str,
        endpoint: &str,
        attributes: &Value,
        return_arn: bool,
    ) -> Result<String, Refusal> {
        let input = json!({"TopicArn": self.topic, "Protocol": protocol, "Endpoint": endpoint,
            "Attributes": attributes, "ReturnSubscriptionArn": return_arn});
        self.api.call("sns", "Subscribe", input).map(|answer| text(&answer, "SubscriptionArn"))
    }

    /// Whoever has been asked to confirm does.
    pub fn confirm_all(&mut self) {
        let now = self.api.now;
        self.api.universe().confirm_all(now);
    }

    /// Publishes to the topic with these members besides.
    pub fn publish(&mut self, members: Value) -> Result<Value, Refusal> {
        let mut input = members;
        input["TopicArn"] = self.topic.clone().into();
        self.api.call("sns", "Publish", input)
    }

    /// The messages in a queue with everything that comes with them.
    pub fn receive(&mut self, queue: &Queue) -> Result<Vec<Value>, Failure> {
        let input = json!({"QueueUrl": queue.url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"],
            "MessageSystemAttributeNames": ["All"]});
        let answer = self.api.call("sqs", "ReceiveMessage", input)?;
        Ok(answer["Messages"].as_array().cloned().unwrap_or_default())
    }

    /// What left for people and webhooks, oldest first.
    pub fn mailbox(&mut self) -> Vec<Delivery> {
        self.api.region().mailbox.clone()
    }
}

/// The text of a member; empty where there is none.
pub fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_string()
}

/// An attribute of a message from JSON: texts, numbers, and anything else as an array, which keeps its types.
pub fn message_attribute(value: &Value) -> Value {
    match value {
        Value::String(text) => json!({"DataType": "String", "StringValue": text}),
        Value::Number(number) => json!({"DataType": "Number", "StringValue": number.to_string()}),
        Value::Array(_) => json!({"DataType": "String.Array", "StringValue": value.to_string()}),
        scalar => json!({"DataType": "String.Array", "StringValue": json!([scalar]).to_string()}),
    }
}
