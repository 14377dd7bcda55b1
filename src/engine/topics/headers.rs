//! The headers of a POST to an HTTP endpoint. Host and length are the client's own. Start at [`headers`].

use indexmap::IndexMap;
use serde_json::Value;

use super::{Delivery, DeliveryKind};

/// What a topic's or a subscription's delivery policy may change (`headerContentType`).
pub const DEFAULT_CONTENT_TYPE: &str = "text/plain; charset=UTF-8";
const USER_AGENT: &str = "Amazon Simple Notification Service Agent";

/// Source: Amazon SNS developer guide, "HTTP/HTTPS headers" and "Raw message delivery".
pub fn headers(delivery: &Delivery, content_type: &str) -> IndexMap<String, String> {
    let mut headers = vec![
        ("x-amz-sns-message-type", delivery.kind.as_str()),
        ("x-amz-sns-message-id", &delivery.message_id),
        ("x-amz-sns-topic-arn", delivery.topic_arn.as_str()),
    ];
    // Whoever has yet to confirm is not told the subscription's ARN.
    if delivery.kind != DeliveryKind::SubscriptionConfirmation {
        headers.push(("x-amz-sns-subscription-arn", delivery.subscription_arn.as_str()));
    }
    if delivery.raw {
        headers.push(("x-amz-sns-rawdelivery", "true"));
    }
    headers.extend([("Content-Type", content_type), ("User-Agent", USER_AGENT)]);
    headers.into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// The `headerContentType` of a request policy.
pub fn content_type_of(request_policy: Option<&Value>) -> Option<String> {
    request_policy?.get("headerContentType")?.as_str().map(str::to_string)
}
