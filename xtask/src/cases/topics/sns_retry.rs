//! `sns-retry`: deliveries that fail, in the engine and in the sandbox, until they are retried, given up or moved.

use scaleproof::engine::topics::retry::{self, RetryPolicy, Schedule};
use scaleproof::engine::topics::{Delivery, DeliveryKind, DeliveryOutcome};
use scaleproof::engine::{Effect, Event};
use serde_json::{Map, Value, json};

use super::sns::Sns;
use crate::cases::case::{Case, Members, same};
use crate::cases::failure::Failure;

pub fn check(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    match () {
        () if given.has("endpoint_response") => check_response(case),
        () if given.has("queue_policy") => check_queue_policy(case),
        () if given.has("RedrivePolicy") => check_dead_letter(case),
        () if given.has("protocol") => check_protocol(case),
        () if given.has("policy") => check_policy(case, given.value("policy")?.clone()),
        () => check_policy(case, all_of(given)),
    }
}

fn all_of(members: &Members) -> Value {
    let names: Vec<String> = members.names().map(str::to_string).collect();
    let entries = names.into_iter().filter_map(|name| Some((name.clone(), members.get(&name)?.clone())));
    Value::Object(entries.collect::<Map<_, _>>())
}

/// A webhook with a dead-letter queue gets one message and answers as the case says.
fn check_response(case: &Case) -> Result<(), Failure> {
    let response = case.given.value("endpoint_response")?;
    let status = match (response.as_u64().and_then(|status| u16::try_from(status).ok()), response.as_str()) {
        (Some(status), _) => Some(status),
        (None, Some("timeout" | "no answer" | "connection refused" | "connection failed")) => None,
        _ => return Err(format!("given.endpoint_response is not known: {response}").into()),
    };
    let mut webhook = Webhook::new(&json!({"RedrivePolicy": redrive_policy()}))?;
    let delivery = webhook.first_try()?;
    let left = webhook.report(&delivery, retry::judge_response(status));
    let outcome = match () {
        () if webhook.has_retry() => "retry",
        () if left.iter().any(|one| one.dead_letter) => "permanent",
        () => "delivered",
    };
    case.expect_if("timeout_s", retry::HTTP_TIMEOUT.as_secs())?;
    case.expect_eq("outcome", outcome)
}

const DEAD_LETTERS: &str = "arn:aws:sqs:us-east-1:123456789012:dead-letters";

fn redrive_policy() -> String {
    json!({"deadLetterTargetArn": DEAD_LETTERS}).to_string()
}

fn check_dead_letter(case: &Case) -> Result<(), Failure> {
    let has_policy = !case.given.value("RedrivePolicy")?.is_null();
    let outcome = match case.given.opt_bool("all_retries_failed")? {
        Some(false) => DeliveryOutcome::Accepted,
        _ => DeliveryOutcome::Failed { because: "status 503".into() },
    };
    let with = moved_to(&json!({"RedrivePolicy": redrive_policy()}), &outcome)?;
    let without = moved_to(&json!({}), &outcome)?;
    case.expect_if("message_moved_to", if has_policy { with } else { without })?;
    case.expect_if("without", without)
}

/// Where a message ends that is never taken.
fn moved_to(attributes: &Value, outcome: &DeliveryOutcome) -> Result<&'static str, Failure> {
    let mut webhook = Webhook::new(attributes)?;
    let mut delivery = webhook.first_try()?;
    loop {
        let left = webhook.report(&delivery, outcome.clone());
        match left.into_iter().next() {
            Some(dead) if dead.dead_letter && dead.endpoint == DEAD_LETTERS => return Ok("dead-letter queue"),
            Some(other) => return Err(format!("an unexpected delivery to {}", other.endpoint).into()),
            None => match webhook.next_try() {
                Some(next) => delivery = next,
                None => return Ok(if *outcome == DeliveryOutcome::Accepted { "delivered" } else { "discarded" }),
            },
        }
    }
}

/// An HTTP subscription whose deliveries the adapter takes in the endpoint's place.
struct Webhook {
    sns: Sns,
}

impl Webhook {
    fn new(attributes: &Value) -> Result<Self, Failure> {
        let mut sns = Sns::new(&json!({}))?;
        sns.subscribe("http", "http://example.com/", attributes, true)?;
        sns.confirm_all();
        Ok(Self { sns })
    }

    fn first_try(&mut self) -> Result<Delivery, Failure> {
        let (now, topic) = (self.sns.api.now, self.sns.topic.clone());
        let publication =
            scaleproof::engine::topics::message::Publication { message: "m".into(), ..Default::default() };
        let world = self.sns.api.world();
        world.topics.publish(now, &topic, &publication, &world.keys)?;
        self.step(Event::Tick).pop().ok_or_else(|| "the message was not sent".into())
    }

    /// The deliveries that follow at once.
    fn report(&mut self, delivery: &Delivery, outcome: DeliveryOutcome) -> Vec<Delivery> {
        self.step(Event::Delivered { delivery: delivery.id.clone(), outcome })
    }

    fn has_retry(&mut self) -> bool {
        self.sns.api.world().topics.next_due().is_some()
    }

    /// Waits for the next retry.
    fn next_try(&mut self) -> Option<Delivery> {
        self.sns.api.now = self.sns.api.world().topics.next_due()?;
        self.step(Event::Tick).pop()
    }

    fn step(&mut self, event: Event) -> Vec<Delivery> {
        let now = self.sns.api.now;
        let effects = self.sns.api.world().step(now, event).into_iter();
        effects.map(|Effect::Deliver(delivery)| delivery).filter(|one| one.kind == DeliveryKind::Notification).collect()
    }
}

/// Whether a queue with this policy gets the message, and that what the case says it needs is needed.
fn check_queue_policy(case: &Case) -> Result<(), Failure> {
    let protocol = case.given.opt_str("protocol")?.unwrap_or("sqs");
    if protocol != "sqs" {
        return Err(format!("a queue's policy says nothing about {protocol}").into());
    }
    let policy = case.given.value("queue_policy")?;
    case.expect_if("delivered", is_delivered(|_| (!policy.is_null()).then(|| policy.clone()))?)?;
    let Some(needs) = case.expect.get("needs") else { return Ok(()) };
    let whole = is_delivered(|topic| statement(needs, topic, None))?;
    if !whole {
        return Err(format!("a policy with {needs} does not suffice").into());
    }
    for part in needs.as_object().into_iter().flatten().map(|(name, _)| name) {
        if is_delivered(|topic| statement(needs, topic, Some(part)))? {
            return Err(format!("a policy that differs in {part} suffices too").into());
        }
    }
    Ok(())
}

fn is_delivered(policy: impl Fn(&str) -> Option<Value>) -> Result<bool, Failure> {
    let mut sns = Sns::new(&json!({}))?;
    let policy = policy(&sns.topic);
    let queue = sns.queue_with_policy("inbox", policy.as_ref())?;
    sns.subscribe("sqs", &queue.arn, &json!({}), true)?;
    sns.publish(json!({"Message": "m"}))?;
    Ok(!sns.receive(&queue)?.is_empty())
}

/// A policy of the parts that `needs` names, one of them made wrong: `ArnEquals aws:SourceArn topic` is a condition.
fn statement(needs: &Value, topic: &str, wrong: Option<&str>) -> Option<Value> {
    let part = |name: &str, other: &str| {
        let text = needs.get(name)?.as_str()?;
        Some(if wrong == Some(name) { other.to_string() } else { text.to_string() })
    };
    let condition = part("Condition", "ArnEquals aws:SourceArn another")?;
    let words: Vec<&str> = condition.split(' ').collect();
    let [operator, key, target] = words.as_slice() else { return None };
    let target = if *target == "topic" { topic.to_string() } else { format!("{topic}-{target}") };
    Some(json!({"Statement": [{
        "Effect": "Allow",
        "Principal": {"Service": part("Principal", "s3.amazonaws.com")?},
        "Action": part("Action", "sqs:ReceiveMessage")?,
        "Resource": "*",
        "Condition": {*operator: {*key: target}},
    }]}))
}

/// `sqs or lambda`, `email/sms/mobile push`: every protocol named must have the schedule.
fn check_protocol(case: &Case) -> Result<(), Failure> {
    let named = case.given.str("protocol")?;
    for protocol in named.split(" or ").flat_map(|part| part.split(['/', ','])) {
        let protocol = match protocol.trim() {
            "mobile push" | "push" => "application",
            "HTTP" | "HTTP/S" => "http",
            "email-json" => "email",
            other => other,
        };
        check_schedule(case, &retry::schedule_for(protocol, &RetryPolicy::default()))?;
    }
    Ok(())
}

fn check_schedule(case: &Case, schedule: &Schedule) -> Result<(), Failure> {
    let shape = serde_json::to_value(schedule.shape).unwrap_or_default();
    let backoff = format!("{}..{} {}", schedule.min_secs, schedule.max_secs, shape.as_str().unwrap_or_default());
    case.expect_if("immediate", schedule.immediate)?;
    case.expect_if("pre_backoff", json!([schedule.pre_backoff, schedule.min_secs]))?;
    case.expect_if("backoff", json!([schedule.backoff, backoff]))?;
    case.expect_if("post_backoff", json!([schedule.post_backoff, schedule.max_secs]))?;
    case.expect_if("total_retries", schedule.total_retries())?;
    case.expect_if("total_days", whole(schedule.total_secs() / 86_400.0))?;
    case.expect_if("total_hours", whole(schedule.total_secs() / 3600.0))?;
    case.expect_if("total_seconds", schedule.total_secs())?;
    let delays =
        || (0..schedule.total_retries()).filter_map(|retry| schedule.delay(retry)).map(|one| one.as_secs_f64());
    if case.expect.has("delays") { check_delays(case, &delays().collect::<Vec<_>>()) } else { Ok(()) }
}

/// AWS says `over 23 days` of 23 days and some hours.
fn whole(number: f64) -> f64 {
    number.floor()
}

/// A policy is set on a subscription, whose retries are then counted.
fn check_policy(case: &Case, policy: Value) -> Result<(), Failure> {
    let mut sns = Sns::new(&json!({}))?;
    let delivery = json!({"DeliveryPolicy": json!({"healthyRetryPolicy": policy}).to_string()});
    let subscribed = sns.subscribe("http", "http://example.com/", &delivery, true);
    if case.expect.has("accepted") {
        return case.expect_eq("accepted", subscribed.is_ok());
    }
    if case.expect.has("code") {
        return case.expect_refusal(&subscribed);
    }
    subscribed?;
    let policy = RetryPolicy::read(&policy)?;
    let delays: Vec<f64> = policy.delays().collect();
    case.expect_if("count", delays.len())?;
    case.expect_if("first", delays.first().copied().unwrap_or_default())?;
    case.expect_if("last", delays.last().copied().unwrap_or_default())?;
    case.expect_if("total_seconds", delays.iter().sum::<f64>())?;
    case.expect_if("monotone_non_decreasing", delays.windows(2).all(|pair| pair[0] <= pair[1]))?;
    if case.expect.has("delays") { check_delays(case, &delays) } else { Ok(()) }
}

/// Hundredths of a second are as exact as the files write them.
fn check_delays(case: &Case, delays: &[f64]) -> Result<(), Failure> {
    let rounded = |number: f64| (number * 100.0).round() / 100.0;
    let expected: Vec<f64> = case.expect.list("delays")?.iter().filter_map(Value::as_f64).map(rounded).collect();
    let got: Vec<f64> = delays.iter().copied().map(rounded).collect();
    let (expected, got) = (json!(expected), json!(got));
    if same(&expected, &got) { Ok(()) } else { Err(Failure::differs("delays", &expected, &got)) }
}
