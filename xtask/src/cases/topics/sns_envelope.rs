//! `sns-envelope`: what a subscriber receives, what a subscription shows, and what a topic says of its deliveries.

use scaleproof::engine::topics::DeliveryKind;
use serde_json::{Map, Value, json};

use super::sns::{Queue, Sns, message_attribute, text};
use super::sns_signature::read_kind;
use crate::cases::case::{Case, compare};
use crate::cases::failure::Failure;

pub fn check(case: &Case) -> Result<(), Failure> {
    if let Some(attribute) = case.given.opt_str("attribute")? {
        return check_topic_attribute(case, attribute);
    }
    let request = Request::read(case)?;
    let mut seen = request.play()?;
    if let Some(refused) = seen.refused.take() {
        return case.expect_refusal::<()>(&Err(refused));
    }
    let names: Vec<&str> = case.expect.names().collect();
    names.into_iter().try_for_each(|name| check_member(case, &seen, name))
}

/// An attribute of a topic that nobody has set, which is JSON or a text.
fn check_topic_attribute(case: &Case, attribute: &str) -> Result<(), Failure> {
    let mut sns = Sns::new(&json!({}))?;
    let topic = json!({"TopicArn": sns.topic});
    let shown = sns.api.call("sns", "GetTopicAttributes", topic)?;
    let value = text(&shown["Attributes"], attribute);
    let parsed: Value = serde_json::from_str(&value).unwrap_or_else(|_| json!(value));
    for name in case.expect.names() {
        let found = if name == "value" { &parsed } else { &parsed[name] };
        case.expect_eq(name, found.clone())?;
    }
    Ok(())
}

/// What the case gives, in the words of the API.
struct Request {
    kind: DeliveryKind,
    topic: Value,
    protocols: Vec<String>,
    subscription: Value,
    same_account: bool,
    return_arn: bool,
    publication: Value,
}

impl Request {
    fn read(case: &Case) -> Result<Self, Failure> {
        let given = &case.given;
        let kind = given.opt_str("type")?.map_or(Ok(DeliveryKind::Notification), read_kind)?;
        let topic = topic_attributes(given.opt_str("topic")?.unwrap_or("standard"), given.get("SignatureVersion"))?;
        let fifo = topic.get("FifoTopic").is_some();
        let protocols: Vec<String> = match given.opt_list("protocols")? {
            Some(list) => list.iter().filter_map(|one| one.as_str().map(str::to_string)).collect(),
            None => vec![given.opt_str("protocol")?.unwrap_or(if fifo { "sqs" } else { "http" }).to_string()],
        };
        let raw = given.opt_bool("RawMessageDelivery")?.or(given.opt_bool("raw")?);
        let mut subscription = raw.map_or_else(|| json!({}), |raw| json!({"RawMessageDelivery": raw.to_string()}));
        if let Some(content_type) = given.opt_str("headerContentType")? {
            let policy = json!({"requestPolicy": {"headerContentType": content_type}});
            subscription["DeliveryPolicy"] = policy.to_string().into();
        }
        let same_account = given.opt_bool("same_account")?.unwrap_or(true);
        let return_arn = given.opt_bool("ReturnSubscriptionArn")?.unwrap_or(false);
        let publication = publication(case, fifo)?;
        Ok(Self { kind, topic, protocols, subscription, same_account, return_arn, publication })
    }

    /// Subscribes, publishes, and looks.
    fn play(&self) -> Result<Seen, Failure> {
        let mut sns = Sns::new(&self.topic)?;
        let mut seen = Seen { published: self.publication["Message"].clone(), ..Seen::default() };
        let mut queues = Vec::new();
        for protocol in &self.protocols {
            let (endpoint, queue) = self.endpoint(&mut sns, protocol)?;
            queues.push(queue);
            seen.told = match sns.subscribe(protocol, &endpoint, &self.subscription, self.return_arn) {
                Ok(told) => told,
                Err(refusal) => return Ok(Seen { refused: Some(refusal), ..seen }),
            };
            // Subscribing again changes nothing and names the subscription.
            let arn = sns.subscribe(protocol, &endpoint, &self.subscription, true)?;
            let shown = sns.api.call("sns", "GetSubscriptionAttributes", json!({"SubscriptionArn": arn}))?;
            seen.subscription = shown["Attributes"].clone();
        }
        if self.kind != DeliveryKind::SubscriptionConfirmation {
            sns.confirm_all();
        }
        match self.kind {
            DeliveryKind::SubscriptionConfirmation => {}
            DeliveryKind::UnsubscribeConfirmation => {
                let arn = seen.subscription["SubscriptionArn"].clone();
                sns.api.call("sns", "Unsubscribe", json!({"SubscriptionArn": arn}))?;
            }
            DeliveryKind::Notification => {
                if let Err(refusal) = sns.publish(self.publication.clone()) {
                    return Ok(Seen { refused: Some(refusal), ..seen });
                }
            }
        }
        for (protocol, queue) in self.protocols.iter().zip(queues) {
            seen.arrived.extend(self.arrived(&mut sns, protocol, queue)?);
        }
        Ok(seen)
    }

    fn endpoint(&self, sns: &mut Sns, protocol: &str) -> Result<(String, Option<Queue>), Failure> {
        Ok(match protocol {
            "sqs" if !self.same_account => {
                (format!("arn:aws:sqs:us-east-1:210987654321:{}", sns.queue_name("q")), None)
            }
            "sqs" => {
                let queue = sns.queue("inbox")?;
                (queue.arn.clone(), Some(queue))
            }
            "email" | "email-json" => ("ops@example.com".into(), None),
            "sms" => ("+15555550100".into(), None),
            _ => (format!("{protocol}://example.com/"), None),
        })
    }

    fn arrived(&self, sns: &mut Sns, protocol: &str, queue: Option<Queue>) -> Result<Option<Arrived>, Failure> {
        if let Some(queue) = queue {
            let message = sns.receive(&queue)?.into_iter().next();
            return Ok(message.map(|message| Arrived {
                protocol: protocol.into(),
                body: text(&message, "Body"),
                beside: message["MessageAttributes"].clone(),
                system: message["Attributes"].clone(),
                headers: Vec::new(),
            }));
        }
        let last = sns.mailbox().into_iter().rfind(|one| one.protocol == protocol && one.kind == self.kind);
        Ok(last.map(|delivery| Arrived {
            protocol: protocol.into(),
            body: delivery.body.to_string(),
            beside: Value::Null,
            system: json!({"Subject": delivery.subject}),
            headers: delivery.headers.into_iter().collect(),
        }))
    }
}

/// `FIFO`, `FIFO ContentBasedDeduplication`, `standard`.
fn topic_attributes(words: &str, signature_version: Option<&Value>) -> Result<Value, Failure> {
    let mut attributes = Map::new();
    for word in words.split(' ') {
        match word {
            "FIFO" => attributes.insert("FifoTopic".into(), "true".into()),
            "ContentBasedDeduplication" => attributes.insert(word.into(), "true".into()),
            "standard" => None,
            other => return Err(format!("given.topic is not known: {other}").into()),
        };
    }
    if let Some(version) = signature_version {
        let text = version.as_str().map_or_else(|| version.to_string(), str::to_string);
        attributes.insert("SignatureVersion".into(), text.into());
    }
    Ok(Value::Object(attributes))
}

/// A subject or attributes that are only said to be there get made-up ones.
fn publication(case: &Case, fifo: bool) -> Result<Value, Failure> {
    let given = &case.given;
    let message = given.opt_str("Message")?.or(given.opt_str("message")?).unwrap_or("Hello");
    let mut publication = json!({"Message": message});
    match given.get("subject").or_else(|| given.get("Subject")) {
        Some(Value::Bool(true)) => publication["Subject"] = "Subject".into(),
        Some(Value::String(subject)) => publication["Subject"] = subject.clone().into(),
        _ => {}
    }
    match given.get("attributes").or_else(|| given.get("MessageAttributes")) {
        Some(Value::Bool(true)) => {
            publication["MessageAttributes"] = json!({"attr1": {"DataType": "String", "StringValue": "value"}});
        }
        Some(Value::Object(members)) => {
            let attributes: Map<String, Value> =
                members.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
            publication["MessageAttributes"] = attributes.into();
        }
        _ => {}
    }
    for name in ["MessageStructure", "MessageGroupId", "MessageDeduplicationId"] {
        if let Some(value) = given.opt_str(name)? {
            publication[name] = value.into();
        }
    }
    let by_content = given.opt_str("topic")?.is_some_and(|topic| topic.contains("ContentBasedDeduplication"));
    // A member that the case leaves out on purpose is given as null.
    if fifo && !given.has("MessageGroupId") {
        publication["MessageGroupId"] = "group".into();
    }
    if fifo && !by_content && !given.has("MessageDeduplicationId") {
        publication["MessageDeduplicationId"] = "id".into();
    }
    Ok(publication)
}

/// As an envelope shows it (`Type`, `Value`), as the API takes it, or a plain value.
fn attribute(value: &Value) -> Value {
    match (value.get("Type"), value.get("Value")) {
        (Some(kind), Some(Value::String(content))) if kind == "Binary" => {
            json!({"DataType": kind, "BinaryValue": content})
        }
        (Some(kind), Some(content)) => json!({"DataType": kind, "StringValue": content}),
        _ if value.get("DataType").is_some() => value.clone(),
        _ => message_attribute(value),
    }
}

/// One message at its subscriber.
struct Arrived {
    protocol: String,
    body: String,
    /// The attributes beside the body that a queue holds.
    beside: Value,
    system: Value,
    headers: Vec<(String, String)>,
}

impl Arrived {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    fn keys(&self) -> Vec<String> {
        self.json().as_object().map(|members| members.keys().cloned().collect()).unwrap_or_default()
    }

    /// The text that the publisher sent to this protocol.
    fn message(&self) -> String {
        let json = self.json();
        match json.get("Message").and_then(Value::as_str) {
            Some(message) if json.get("Type").is_some() => message.to_string(),
            // An email ends with how to unsubscribe.
            _ => self.body.split("\n\n--\n").next().unwrap_or_default().to_string(),
        }
    }

    fn header(&self, name: &str) -> Value {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map_or(Value::Null, |(_, value)| value.clone().into())
    }
}

#[derive(Default)]
struct Seen {
    arrived: Vec<Arrived>,
    subscription: Value,
    published: Value,
    /// The ARN that Subscribe answered with, or that there is none yet.
    told: String,
    refused: Option<scaleproof::engine::Refusal>,
}

impl Seen {
    fn first(&self) -> Result<&Arrived, Failure> {
        self.arrived.first().ok_or_else(|| "no message arrived".into())
    }

    /// A member of the body, else of what stands beside it, else of the subscription.
    fn find(&self, name: &str) -> Option<Value> {
        let of_message = self.arrived.first().and_then(|arrived| {
            [arrived.json(), arrived.system.clone()].iter().find_map(|place| place.get(name).cloned())
        });
        of_message.or_else(|| self.subscription.get(name).cloned())
    }
}

fn check_member(case: &Case, seen: &Seen, name: &str) -> Result<(), Failure> {
    match name {
        "http_status" => case.expect_eq(name, 200),
        "code" | "message" | "message_contains" | "message_prefix" => case.expect_refusal::<()>(&Ok(())),
        "body" => check_body(case, seen),
        "header" | "headers" => check_headers(case, seen.first()?, name),
        "content_type" => case.expect_eq(name, seen.first()?.header("Content-Type")),
        "user_agent" => case.expect_eq(name, seen.first()?.header("User-Agent")),
        "MessageAttributes" => check_attributes(case, seen.first()?),
        "SubscriptionArn" => check_told(case, seen),
        _ if name.contains("absent") => check_absent(case, name, seen.first()?),
        _ if name.contains("keys") => check_keys(case, seen.first()?, name),
        _ => match seen.arrived.iter().find(|arrived| arrived.protocol == name) {
            Some(arrived) => case.expect_eq(name, arrived.message()),
            None => case.expect_eq(name, seen.find(name).unwrap_or_default()),
        },
    }
}

/// Words for a body that is the published text and nothing else.
const RAW_BODY: [&str; 4] = ["message text only", "message only", "raw message", "the message"];

fn check_body(case: &Case, seen: &Seen) -> Result<(), Failure> {
    let body = &seen.first()?.body;
    match case.expect.str("body")? {
        words if RAW_BODY.contains(&words) => compare("body", &seen.published, &json!(body)),
        text => compare("body", &json!(text), &json!(body)),
    }
}

/// `pending confirmation`, or in words that it is an ARN.
fn check_told(case: &Case, seen: &Seen) -> Result<(), Failure> {
    match case.expect.str("SubscriptionArn")? {
        words if words.to_lowercase().contains("arn") && !words.starts_with("arn:") => {
            let is_arn = seen.told.starts_with("arn:");
            if is_arn { Ok(()) } else { Err(Failure::differs("SubscriptionArn", &json!(words), &json!(seen.told))) }
        }
        text => compare("SubscriptionArn", &json!(text), &json!(seen.told)),
    }
}

fn check_headers(case: &Case, arrived: &Arrived, name: &str) -> Result<(), Failure> {
    match case.expect.value(name)? {
        Value::Array(names) => names.iter().filter_map(Value::as_str).try_for_each(|header| {
            let missing = || Failure::differs(name, &json!(header), &json!(arrived.headers));
            if arrived.header(header).is_null() { Err(missing()) } else { Ok(()) }
        }),
        Value::Object(headers) => headers
            .iter()
            .try_for_each(|(header, expected)| compare(&format!("{name}.{header}"), expected, &arrived.header(header))),
        other => Err(format!("expect.{name} is neither names nor values: {other}").into()),
    }
}

/// One name or several that are neither a header nor a key of the body.
fn check_absent(case: &Case, name: &str, arrived: &Arrived) -> Result<(), Failure> {
    let value = case.expect.value(name)?;
    let names = value.as_array().map_or_else(|| vec![value], |list| list.iter().collect());
    let found = |absent: &str| match arrived.header(absent) {
        Value::Null => arrived.json()[absent].clone(),
        header => header,
    };
    names.into_iter().filter_map(Value::as_str).try_for_each(|absent| match found(absent) {
        Value::Null => Ok(()),
        found => Err(Failure::differs(&format!("{name}.{absent}"), &Value::Null, &found)),
    })
}

fn check_keys(case: &Case, arrived: &Arrived, name: &str) -> Result<(), Failure> {
    let expected = case.expect.list(name)?;
    let mut expected: Vec<&str> = expected.iter().filter_map(Value::as_str).collect();
    let mut got = arrived.keys();
    if !name.ends_with("in_order") {
        expected.sort_unstable();
        got.sort_unstable();
    }
    compare(name, &json!(expected), &json!(got))
}

/// In the envelope as `Type` and `Value`; beside a raw body as the queue's own attributes.
fn check_attributes(case: &Case, arrived: &Arrived) -> Result<(), Failure> {
    let enveloped = arrived.json().get("MessageAttributes").cloned();
    let as_envelope = case.expect.object("MessageAttributes")?.values().any(|one| one.get("Type").is_some());
    let beside: Map<String, Value> = arrived
        .beside
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, attribute)| {
            let members = attribute.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
            let name_of = |member: &str| match member {
                "DataType" if as_envelope => "Type".to_string(),
                "StringValue" | "BinaryValue" if as_envelope => "Value".to_string(),
                other => other.to_string(),
            };
            (name.clone(), members.map(|(member, value)| (name_of(member), value.clone())).collect())
        })
        .collect();
    case.expect_eq("MessageAttributes", enveloped.unwrap_or(Value::Object(beside)))
}
