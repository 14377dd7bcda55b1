use std::time::Duration;

use super::*;
use crate::clock::Timestamp;
use crate::engine::groups::Timing;
use crate::engine::names::Place;
use crate::sandbox::operations::Call;
use crate::sandbox::region::Region;
use crate::sandbox::wire::value::{FromValue, IntoValue};

fn region() -> Region {
    Region::new(Place::new("eu-west-1", "123456789012"), 7, Timing::Instant)
}

fn ask<O: FromValue>(region: &mut Region, name: &str, input: impl IntoValue) -> Result<O, Refusal> {
    let now = Timestamp::from_secs(1_800_000_000) + Duration::from_secs(1);
    let call = Call::new(now, "id".into(), "http://127.0.0.1:4599".into());
    let operations = operations();
    let output = (operations.get(name).expect(name).handler)(region, &call, input.into_value());
    region.advance(now);
    output.map(O::from_value)
}

fn create(region: &mut Region) -> String {
    let input = model::CreateTopicInput { name: Some("ops".into()), ..Default::default() };
    ask::<model::CreateTopicOutput>(region, "CreateTopic", input).unwrap().topic_arn.unwrap()
}

#[test]
fn a_pending_subscription_shows_no_arn_unless_asked_for() {
    let mut region = region();
    let topic = create(&mut region);
    let mut subscribe = |arn: Option<bool>| {
        let input = model::SubscribeInput {
            topic_arn: Some(topic.clone()),
            protocol: Some("email".into()),
            endpoint: Some("ops@example.com".into()),
            return_subscription_arn: arn,
            ..Default::default()
        };
        ask::<model::SubscribeOutput>(&mut region, "Subscribe", input).unwrap().subscription_arn.unwrap()
    };
    assert_eq!(subscribe(None), "pending confirmation");
    assert!(subscribe(Some(true)).starts_with(&topic));
    let input = model::ListSubscriptionsInput::default();
    let listed: model::ListSubscriptionsOutput = ask(&mut region, "ListSubscriptions", input).unwrap();
    assert_eq!(listed.subscriptions.unwrap()[0].subscription_arn.as_deref(), Some("PendingConfirmation"));
    let link = "http://127.0.0.1:4599/_scaleproof/confirm?TopicArn=";
    assert!(region.mailbox[0].body.contains(link), "{}", region.mailbox[0].body);
}

#[test]
fn a_batch_tells_texts_from_requests_that_are_wrong() {
    let mut region = region();
    let topic = create(&mut region);
    let entry = |id: &str, message: &str| model::PublishBatchRequestEntry {
        id: Some(id.into()),
        message: Some(message.into()),
        ..Default::default()
    };
    let mut batch = |entries: Vec<model::PublishBatchRequestEntry>| {
        let input =
            model::PublishBatchInput { topic_arn: Some(topic.clone()), publish_batch_request_entries: Some(entries) };
        ask::<model::PublishBatchOutput>(&mut region, "PublishBatch", input)
    };
    let output = batch(vec![entry("good", "m"), entry("empty", "")]).unwrap();
    assert_eq!(output.successful.unwrap()[0].id.as_deref(), Some("good"));
    assert_eq!(output.failed.unwrap()[0].message.as_deref(), Some("Invalid parameter: Empty message"));
    let long = "a".repeat(131_073);
    for (entries, code) in [
        (vec![], "EmptyBatchRequest"),
        ((0..11).map(|n| entry(&n.to_string(), "m")).collect(), "TooManyEntriesInBatchRequest"),
        (vec![entry("a", "m"), entry("a", "m")], "BatchEntryIdsNotDistinct"),
        (vec![entry("message.id", "m")], "InvalidBatchEntryId"),
        (vec![entry("a", &long), entry("b", &long)], "BatchRequestTooLong"),
    ] {
        assert_eq!(batch(entries).unwrap_err().code, code);
    }
}

#[test]
fn a_list_is_given_a_hundred_at_a_time() {
    let mut region = region();
    for number in 0..101 {
        let input = model::CreateTopicInput { name: Some(format!("t{number:03}")), ..Default::default() };
        ask::<model::CreateTopicOutput>(&mut region, "CreateTopic", input).unwrap();
    }
    let first: model::ListTopicsOutput = ask(&mut region, "ListTopics", model::ListTopicsInput::default()).unwrap();
    assert_eq!(first.topics.unwrap().len(), 100);
    let input = model::ListTopicsInput { next_token: first.next_token };
    let second: model::ListTopicsOutput = ask(&mut region, "ListTopics", input).unwrap();
    assert_eq!((second.topics.unwrap().len(), second.next_token), (1, None));
}
