//! Delivery policies as AWS keeps them and gives them back. Start at [`of_topic`] and [`of_subscription`].

use serde_json::{Map, Value, json};

use super::retry::{RetryPolicy, effective_policy};

/// A topic's policy as it is kept: what is null is left out, and whether subscriptions may differ is always said.
///
/// # Errors
/// The reason, as it stands after `Invalid parameter: `.
pub(super) fn of_topic(text: &str) -> Result<Value, String> {
    let policy: Value = serde_json::from_str(text).map_err(|_| refused("failed to parse JSON."))?;
    let Some(Value::Object(http)) = policy.get("http") else { return Err(refused("http is missing")) };
    let mut given: Map<String, Value> =
        http.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut kept = Map::new();
    if let Some(retries) = given.shift_remove("defaultHealthyRetryPolicy") {
        RetryPolicy::read(&retries).map_err(|reason| refused(&reason))?;
        kept.insert("defaultHealthyRetryPolicy".into(), retries);
    }
    let name = "disableSubscriptionOverrides";
    kept.insert(name.into(), given.shift_remove(name).unwrap_or(Value::Bool(false)));
    kept.extend(given);
    Ok(json!({"http": kept}))
}

/// A subscription's policy as it is kept: with every member that there is, null where nothing is said.
///
/// # Errors
/// The reason, as it stands after `Invalid parameter: `.
pub(super) fn of_subscription(text: &str) -> Result<Value, String> {
    let policy: Value = serde_json::from_str(text).map_err(|_| refused("failed to parse JSON."))?;
    let member = |name: &str| policy.get(name).cloned().unwrap_or(Value::Null);
    let retries = member("healthyRetryPolicy");
    if !retries.is_null() {
        RetryPolicy::read(&retries).map_err(|reason| refused(&reason))?;
    }
    Ok(json!({
        "healthyRetryPolicy": retries,
        "sicklyRetryPolicy": member("sicklyRetryPolicy"),
        "throttlePolicy": member("throttlePolicy"),
        "requestPolicy": member("requestPolicy"),
        "guaranteed": policy.get("guaranteed").and_then(Value::as_bool).unwrap_or(false),
    }))
}

/// What holds for a subscription with a policy of its own, both as they are kept.
pub(super) fn effective(own: &Value, topics: Option<&Value>) -> Value {
    let topics = effective_policy(topics);
    let retries = RetryPolicy::read(&own["healthyRetryPolicy"]).map(|policy| json!(policy));
    let mut policy = own.clone();
    policy["healthyRetryPolicy"] = retries.unwrap_or_else(|_| topics["http"]["defaultHealthyRetryPolicy"].clone());
    if policy["requestPolicy"].is_null() {
        policy["requestPolicy"] = topics["http"]["defaultRequestPolicy"].clone();
    }
    policy
}

fn refused(reason: &str) -> String {
    format!("DeliveryPolicy: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What AWS gave back for what it was given (recorded in October 2025).
    #[test]
    fn policies_come_back_as_aws_keeps_them() {
        let json = r#"{"headerContentType":"application/json"}"#;
        for (given, kept) in [
            (
                format!(r#"{{"http":{{"defaultRequestPolicy":{json}}}}}"#),
                format!(r#"{{"http":{{"disableSubscriptionOverrides":false,"defaultRequestPolicy":{json}}}}}"#),
            ),
            (
                r#"{"http":{"defaultHealthyRetryPolicy":null}}"#.into(),
                r#"{"http":{"disableSubscriptionOverrides":false}}"#.into(),
            ),
        ] {
            assert_eq!(of_topic(&given).unwrap().to_string(), kept);
        }
        let own = of_subscription(r#"{"requestPolicy":{"headerContentType":"text/csv"}}"#).unwrap();
        let rest = r#""sicklyRetryPolicy":null,"throttlePolicy":null,"requestPolicy":{"headerContentType":"text/csv"},"guaranteed":false}"#;
        assert_eq!(own.to_string(), format!(r#"{{"healthyRetryPolicy":null,{rest}"#));
        let retries = json!(RetryPolicy::default());
        assert_eq!(effective(&own, None).to_string(), format!(r#"{{"healthyRetryPolicy":{retries},{rest}"#));
        let topics = of_topic(&format!(r#"{{"http":{{"defaultRequestPolicy":{json}}}}}"#)).unwrap();
        let own = of_subscription(r#"{"throttlePolicy":{"maxReceivesPerSecond":1000}}"#).unwrap();
        assert_eq!(effective(&own, Some(&topics))["requestPolicy"].to_string(), json);
        assert_eq!(effective(&own, Some(&topics))["throttlePolicy"]["maxReceivesPerSecond"], 1000);
    }
}
