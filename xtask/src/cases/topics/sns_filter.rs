//! `sns-filter`: a queue subscribed with the filter policy gets the message or does not, or the policy is refused.

use scaleproof::engine::topics::filter::MAX_PROPAGATION;
use serde_json::{Map, Value, json};

use super::sns::{Sns, message_attribute};
use crate::cases::case::Case;
use crate::cases::failure::Failure;

pub fn check(case: &Case) -> Result<(), Failure> {
    if case.given.has("change") {
        return check_propagation(case);
    }
    let policy = policy(case)?;
    let scope = case.given.opt_str("scope")?;
    let mut sns = Sns::new(&json!({}))?;
    let queue = sns.queue("inbox")?;
    let mut attributes = json!({"FilterPolicy": policy.to_string()});
    if let Some(scope) = scope {
        attributes["FilterPolicyScope"] = scope.into();
    }
    let subscribed = sns.subscribe("sqs", &queue.arn, &attributes, true);
    if case.expect.has("accepted") {
        return case.expect_eq("accepted", subscribed.is_ok());
    }
    if !case.expect.has("delivered") {
        return case.expect_refusal(&subscribed);
    }
    subscribed?;
    sns.publish(publication(scope, case.given.value("message")?)?)?;
    let delivered = !sns.receive(&queue)?.is_empty();
    case.expect_eq("delivered", delivered)
}

/// As the case writes it out, or of so many keys with so many values each.
fn policy(case: &Case) -> Result<Value, Failure> {
    let (keys, values) = (case.given.opt_u32("keys")?, case.given.opt_u32("values")?);
    if keys.is_none() && values.is_none() {
        return Ok(spelled_out(case.given.value("filter_policy")?));
    }
    let list: Value = (0..values.unwrap_or(1)).map(|nth| format!("value{nth}")).collect();
    Ok((0..keys.unwrap_or(1)).map(|nth| (format!("key{nth}"), list.clone())).collect())
}

fn check_propagation(case: &Case) -> Result<(), Failure> {
    match case.given.str("change")? {
        "filter policy" | "filter policy scope" => case.expect_eq("max_delay_minutes", MAX_PROPAGATION.as_secs() / 60),
        other => Err(format!("given.change is not known: {other}").into()),
    }
}

/// The message as the scope looks at it.
fn publication(scope: Option<&str>, message: &Value) -> Result<Value, Failure> {
    let message = as_literals(message);
    if scope == Some("MessageBody") {
        let body = message.as_str().map_or_else(|| message.to_string(), str::to_string);
        return Ok(json!({"Message": body}));
    }
    let members = message.as_object().ok_or("given.message is no object of attributes")?;
    let attributes: Map<String, Value> =
        members.iter().map(|(name, value)| (name.clone(), message_attribute(value))).collect();
    Ok(json!({"Message": "m", "MessageAttributes": attributes}))
}

/// A case file cannot hold the JSON literal `3.015e2` as such and writes it as a text.
fn as_literals(value: &Value) -> Value {
    match value {
        Value::String(text) if text.contains(['e', 'E']) => match serde_json::from_str(text) {
            Ok(Value::Number(number)) => Value::Number(number),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(as_literals).collect(),
        Value::Object(members) => members.iter().map(|(name, inner)| (name.clone(), as_literals(inner))).collect(),
        other => other.clone(),
    }
}

/// A policy that is too long to be written down: `"151 values"` stands for a list, `"6 keys"` for an object.
fn spelled_out(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.split_once(' ').map(|(count, what)| (count.parse::<u32>(), what)) {
            Some((Ok(count), "values")) => (0..count).map(|nth| format!("value{nth}")).collect(),
            Some((Ok(count), "keys")) => (0..count).map(|nth| (format!("key{nth}"), json!(["value"]))).collect(),
            _ => value.clone(),
        },
        Value::Object(members) => members.iter().map(|(name, inner)| (name.clone(), spelled_out(inner))).collect(),
        other => other.clone(),
    }
}
