//! The operations on subscriptions.

use super::{page, required};
use crate::engine::Refusal;
use crate::engine::names::{Place, SubscriptionArn};
use crate::engine::topics::message::invalid;
use crate::engine::topics::{SubscribeRequest, Subscription};
use crate::sandbox::models::sns as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "Subscribe",
        "Subscribes a queue, an email address, a telephone or an HTTP endpoint; the last three are served by the mailbox",
        &["TopicArn", "Protocol", "Endpoint", "Attributes", "ReturnSubscriptionArn"],
        subscribe,
    );
    operations.on(
        "ConfirmSubscription",
        "Confirms a subscription by the token that its endpoint was sent",
        &["TopicArn", "Token", "AuthenticateOnUnsubscribe"],
        confirm_subscription,
    );
    operations.on("Unsubscribe", "Ends a subscription", &["SubscriptionArn"], unsubscribe);
    operations.on("ListSubscriptions", "Lists subscriptions, a hundred at a time", &["NextToken"], list_subscriptions);
    operations.on(
        "ListSubscriptionsByTopic",
        "Lists a topic's subscriptions, a hundred at a time",
        &["TopicArn", "NextToken"],
        list_subscriptions_by_topic,
    );
    operations.on(
        "GetSubscriptionAttributes",
        "Returns a subscription's attributes",
        &["SubscriptionArn"],
        get_subscription_attributes,
    );
    operations.on(
        "SetSubscriptionAttributes",
        "Sets a filter policy, raw delivery, retries or a dead-letter queue",
        &["SubscriptionArn", "AttributeName", "AttributeValue"],
        set_subscription_attributes,
    );
}

fn subscribe(
    region: &mut Region,
    call: &Call,
    input: model::SubscribeInput,
) -> Result<model::SubscribeOutput, Refusal> {
    let request = SubscribeRequest {
        topic_arn: required(input.topic_arn, "TopicArn")?,
        protocol: required(input.protocol, "Protocol")?,
        endpoint: required(input.endpoint, "Endpoint")?,
        attributes: input.attributes.unwrap_or_default().into_iter().collect(),
    };
    if request.protocol == "application" && !region.sns.push.has_endpoint(&request.endpoint) {
        let endpoint = &request.endpoint;
        return Err(invalid(format!("Endpoint Reason: Endpoint does not exist for endpoint arn{endpoint}")));
    }
    let topics = &mut region.world.topics;
    let arn = topics.subscribe(call.now, &request)?;
    let pending = topics.subscriptions().any(|(one, subscription)| *one == arn && subscription.is_pending());
    let told = match pending && !input.return_subscription_arn.unwrap_or_default() {
        true => "pending confirmation".to_string(),
        false => arn.0,
    };
    Ok(model::SubscribeOutput { subscription_arn: Some(told) })
}

fn confirm_subscription(
    region: &mut Region,
    call: &Call,
    input: model::ConfirmSubscriptionInput,
) -> Result<model::ConfirmSubscriptionOutput, Refusal> {
    let (topic, token) = (required(input.topic_arn, "TopicArn")?, required(input.token, "Token")?);
    region.world.topics.check_topic_to_confirm(&topic)?;
    let protect = input.authenticate_on_unsubscribe.is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let topics = &mut region.world.topics;
    let arn = match protect {
        true => topics.confirm_and_protect(call.now, &token)?,
        false => topics.confirm(call.now, &token)?,
    };
    Ok(model::ConfirmSubscriptionOutput { subscription_arn: Some(arn.0) })
}

fn unsubscribe(
    region: &mut Region,
    call: &Call,
    input: model::UnsubscribeInput,
) -> Result<model::UnsubscribeOutput, Refusal> {
    region.world.topics.unsubscribe(call.now, &required(input.subscription_arn, "SubscriptionArn")?)?;
    Ok(model::UnsubscribeOutput {})
}

fn list_subscriptions(
    region: &mut Region,
    _: &Call,
    input: model::ListSubscriptionsInput,
) -> Result<model::ListSubscriptionsOutput, Refusal> {
    let listed = listed(&region.world.place, region.world.topics.subscriptions(), input.next_token.as_deref())?;
    Ok(model::ListSubscriptionsOutput { subscriptions: Some(listed.0), next_token: listed.1 })
}

fn list_subscriptions_by_topic(
    region: &mut Region,
    _: &Call,
    input: model::ListSubscriptionsByTopicInput,
) -> Result<model::ListSubscriptionsByTopicOutput, Refusal> {
    let found = region.world.topics.subscriptions_by_topic(&required(input.topic_arn, "TopicArn")?)?;
    let listed = listed(&region.world.place, found.into_iter(), input.next_token.as_deref())?;
    Ok(model::ListSubscriptionsByTopicOutput { subscriptions: Some(listed.0), next_token: listed.1 })
}

fn listed<'a>(
    place: &Place,
    subscriptions: impl Iterator<Item = (&'a SubscriptionArn, &'a Subscription)>,
    token: Option<&str>,
) -> Result<(Vec<model::Subscription>, Option<String>), Refusal> {
    let shown = |arn: &SubscriptionArn, subscription: &Subscription| model::Subscription {
        // A subscription that awaits its confirmation has no ARN to show.
        subscription_arn: Some(if subscription.is_pending() { "PendingConfirmation".into() } else { arn.0.clone() }),
        owner: Some(place.account.clone()),
        protocol: Some(subscription.protocol.clone()),
        endpoint: Some(subscription.endpoint.clone()),
        topic_arn: Some(subscription.topic_arn.0.clone()),
    };
    let items = subscriptions.map(|(arn, subscription)| (arn.0.clone(), shown(arn, subscription)));
    let (items, next) = page(items, token)?;
    Ok((items.into_iter().map(|(_, subscription)| subscription).collect(), next))
}

fn get_subscription_attributes(
    region: &mut Region,
    _: &Call,
    input: model::GetSubscriptionAttributesInput,
) -> Result<model::GetSubscriptionAttributesOutput, Refusal> {
    let arn = required(input.subscription_arn, "SubscriptionArn")?;
    let attributes = region.world.topics.subscription_attributes(&arn)?;
    Ok(model::GetSubscriptionAttributesOutput { attributes: Some(attributes.into_iter().collect()) })
}

fn set_subscription_attributes(
    region: &mut Region,
    _: &Call,
    input: model::SetSubscriptionAttributesInput,
) -> Result<model::SetSubscriptionAttributesOutput, Refusal> {
    let arn = required(input.subscription_arn, "SubscriptionArn")?;
    let name = required(input.attribute_name, "AttributeName")?;
    region.world.topics.set_subscription_attribute(&arn, &name, &input.attribute_value.unwrap_or_default())?;
    Ok(model::SetSubscriptionAttributesOutput {})
}
