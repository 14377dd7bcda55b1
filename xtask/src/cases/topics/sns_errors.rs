//! `sns-errors`: one call to a topic's account, with what the case names in place of what works, and its answer.

use scaleproof::sandbox::models::sns::SERVICE;
use scaleproof::sandbox::wire::shape::Kind;
use serde_json::{Map, Value, json};

use super::sns::Sns;
use crate::cases::case::{Case, same};
use crate::cases::failure::Failure;

const UNKNOWN_TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:unknown";
const UNKNOWN_SUBSCRIPTION: &str = "arn:aws:sns:us-east-1:123456789012:ops:00000000-0000-4000-8000-000000000000";

pub fn check(case: &Case) -> Result<(), Failure> {
    let operation = case.given.str("api")?;
    let fifo = case.given.opt_bool("fifo")?.unwrap_or(false);
    let mut scene = Scene::new(fifo, case.given.opt_bool("PendingConfirmation")?.unwrap_or(false))?;
    let mut input = scene.working_input(operation)?;
    for name in case.given.names().filter(|name| !["api", "fifo", "PendingConfirmation"].contains(name)) {
        let value = case.given.value(name)?;
        scene.change(operation, &mut input, name, value)?;
    }
    input.retain(|_, value| !value.is_null());
    let answer = scene.sns.api.call("sns", operation, Value::Object(input));
    case.expect_refusal(&answer)?;
    let Ok(output) = answer else { return Ok(()) };
    check_output(case, &scene, &output)
}

/// `same` stands for the resource that was there before.
fn check_output(case: &Case, scene: &Scene, output: &Value) -> Result<(), Failure> {
    for name in case.expect.names().filter(|name| !["http_status", "code", "message"].contains(name)) {
        let expected = match (case.expect.value(name)?, name) {
            (Value::String(word), "TopicArn") if word == "same" => json!(scene.sns.topic),
            (Value::String(word), "SubscriptionArn") if word == "same" => json!(scene.subscription),
            (value, _) => value.clone(),
        };
        if !same(&expected, &output[name]) {
            return Err(Failure::differs(name, &expected, &output[name]));
        }
    }
    Ok(())
}

/// A topic, a queue that subscribes to it, and a statement in its policy.
struct Scene {
    sns: Sns,
    endpoint: String,
    subscription: String,
}

impl Scene {
    fn new(fifo: bool, pending: bool) -> Result<Self, Failure> {
        let mut sns = Sns::new(&if fifo { json!({"FifoTopic": "true"}) } else { json!({}) })?;
        let endpoint = sns.queue("inbox")?.arn;
        let subscription = match pending {
            true => sns.subscribe("http", "http://example.com/", &json!({}), true)?,
            false => sns.subscribe("sqs", &endpoint, &json!({}), true)?,
        };
        let permission = json!({"TopicArn": sns.topic, "Label": "existing", "AWSAccountId": ["210987654321"],
            "ActionName": ["Publish"]});
        sns.api.call("sns", "AddPermission", permission)?;
        Ok(Self { sns, endpoint, subscription })
    }

    /// Members with which the operation succeeds.
    fn working_input(&mut self, operation: &str) -> Result<Map<String, Value>, Failure> {
        let topic = &self.sns.topic;
        let subscription = &self.subscription;
        let input = match operation {
            "Publish" if self.sns.fifo => json!({"TopicArn": topic, "Message": "m", "MessageGroupId": "g",
                "MessageDeduplicationId": "d"}),
            "Publish" => json!({"TopicArn": topic, "Message": "m"}),
            "PublishBatch" => json!({"TopicArn": topic, "PublishBatchRequestEntries": [entry("1", "m")]}),
            "CreateTopic" => json!({"Name": topic.rsplit(':').next()}),
            "Subscribe" => json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": self.endpoint}),
            "AddPermission" => json!({"TopicArn": topic, "Label": "new", "AWSAccountId": ["111122223333"],
                "ActionName": ["Publish"]}),
            "RemovePermission" => json!({"TopicArn": topic, "Label": "existing"}),
            "ConfirmSubscription" => json!({"TopicArn": topic, "Token": "0".repeat(256)}),
            "SetTopicAttributes" => {
                json!({"TopicArn": topic, "AttributeName": "DisplayName", "AttributeValue": "Operations"})
            }
            "SetSubscriptionAttributes" => json!({"SubscriptionArn": subscription,
                "AttributeName": "RawMessageDelivery", "AttributeValue": "true"}),
            "GetTopicAttributes" | "DeleteTopic" | "ListSubscriptionsByTopic" => json!({"TopicArn": topic}),
            "GetSubscriptionAttributes" | "Unsubscribe" => json!({"SubscriptionArn": subscription}),
            "TagResource" => json!({"ResourceArn": topic, "Tags": [{"Key": "team", "Value": "ops"}]}),
            "UntagResource" => json!({"ResourceArn": topic, "TagKeys": ["team"]}),
            "ListTagsForResource" => json!({"ResourceArn": topic}),
            "ListTopics" | "ListSubscriptions" => json!({}),
            other => return Err(format!("given.api is not known: {other}").into()),
        };
        Ok(input.as_object().cloned().unwrap_or_default())
    }

    /// Puts what the case gives into the input: a member of the operation as it stands, or a word for one.
    fn change(
        &mut self,
        operation: &str,
        input: &mut Map<String, Value>,
        name: &str,
        value: &Value,
    ) -> Result<(), Failure> {
        let count = |what: &Value| what.as_u64().map(|count| count as usize);
        match name {
            "message_bytes" => {
                let bytes = count(value).ok_or("given.message_bytes is not a number")?;
                input.insert("Message".into(), "a".repeat(bytes).into());
            }
            "total_bytes" => {
                let bytes = count(value).ok_or("given.total_bytes is not a number")?;
                let entries = json!([entry("1", &"a".repeat(bytes / 2)), entry("2", &"a".repeat(bytes - bytes / 2))]);
                input.insert("PublishBatchRequestEntries".into(), entries);
            }
            "entries" | "batch_entries" | "messages" => {
                let entries = count(value).ok_or("given.entries is not a number")?;
                let entries: Value = (0..entries).map(|nth| entry(&nth.to_string(), "m")).collect();
                input.insert("PublishBatchRequestEntries".into(), entries);
            }
            "Id" | "Ids" | "ids" => {
                let one = [value.clone()];
                let ids = value.as_array().map_or(&one[..], Vec::as_slice);
                let entries: Value = ids.iter().map(|id| entry(id.as_str().unwrap_or_default(), "m")).collect();
                input.insert("PublishBatchRequestEntries".into(), entries);
            }
            "duplicate_ids" => {
                let ids = if value == &json!(true) { ["1", "1"] } else { ["1", "2"] };
                input.insert("PublishBatchRequestEntries".into(), ids.iter().map(|id| entry(id, "m")).collect());
            }
            // The scene has the resource; one that is not there has another name, one that differs an attribute.
            "exists" if value == &json!(false) => {
                input.insert("Name".into(), "another".into());
            }
            "same" if value == &json!(false) => {
                input.insert("Attributes".into(), json!({"DisplayName": "another"}));
            }
            "exists" | "same" => {}
            _ => {
                let (member, list) = member(operation, name)
                    .ok_or_else(|| Failure::from(format!("given.{name} is no member of {operation}")))?;
                let value = known_names(name, value);
                input.insert(member, if list && !value.is_array() { json!([value]) } else { value });
            }
        }
        Ok(())
    }
}

fn entry(id: &str, message: &str) -> Value {
    json!({"Id": id, "Message": message})
}

/// `unknown` stands for a well-formed ARN of nothing.
fn known_names(name: &str, value: &Value) -> Value {
    match (name, value.as_str()) {
        ("TopicArn" | "TargetArn" | "ResourceArn", Some("unknown")) => json!(UNKNOWN_TOPIC),
        ("SubscriptionArn", Some("unknown")) => json!(UNKNOWN_SUBSCRIPTION),
        _ => value.clone(),
    }
}

/// A member of the operation's input by its name, and whether it is a list.
fn member(operation: &str, name: &str) -> Option<(String, bool)> {
    let Kind::Structure(members) = SERVICE.operation(operation)?.input.kind else { return None };
    let found = members.iter().find(|member| member.name.eq_ignore_ascii_case(name))?;
    Some((found.name.to_string(), matches!(found.shape.kind, Kind::List { .. })))
}
