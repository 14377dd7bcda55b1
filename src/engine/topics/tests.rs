use super::message::Publication;
use super::*;
use crate::engine::keys::Keys;
use std::time::Duration;

const AT: Timestamp = Timestamp::from_secs(1_800_000_000);
/// Of a subscription that there is not.
const ID: &str = "5be8bf05-9f3c-4a5e-8f5e-1d1d3ad7a7e4";
const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:inbox";

fn world() -> (Topics, String) {
    let mut topics = Topics::new(&place(), 7);
    let arn = create(&mut topics, "ops", &[]).unwrap();
    (topics, arn)
}

fn place() -> Place {
    Place::new("eu-west-1", "123456789012")
}

fn keys() -> Keys {
    Keys::new(&place(), 7)
}

fn create(topics: &mut Topics, name: &str, attributes: &[(&str, &str)]) -> Result<String, Refusal> {
    let links = Links::of_aws(&place());
    topics.create_topic(name, &map(attributes), &Tags::new(), links).map(|arn| arn.0)
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect()
}

fn subscribe(topics: &mut Topics, topic: &str, protocol: &str, endpoint: &str) -> Result<String, Refusal> {
    subscribe_with(topics, topic, protocol, endpoint, &[])
}

fn subscribe_with(
    topics: &mut Topics,
    topic: &str,
    protocol: &str,
    endpoint: &str,
    attributes: &[(&str, &str)],
) -> Result<String, Refusal> {
    let request = SubscribeRequest {
        topic_arn: topic.into(),
        protocol: protocol.into(),
        endpoint: endpoint.into(),
        attributes: map(attributes),
    };
    topics.subscribe(AT, &request).map(|arn| arn.0)
}

fn publish(topics: &mut Topics, topic: &str, message: &str) -> Result<Published, Refusal> {
    topics.publish(AT, topic, &Publication { message: message.into(), ..Publication::default() }, &keys())
}

fn cloudwatch(source: &str) -> Publisher<'_> {
    Publisher { principal: "cloudwatch.amazonaws.com", source_arn: Some(source) }
}

/// Runs every retry with `Failed` until there is none left, and returns their instants since [`AT`] in seconds.
fn fail_until_given_up(topics: &mut Topics, limit: usize) -> Vec<u64> {
    let mut tries = Vec::new();
    while tries.len() < limit {
        for delivery in topics.take_outbox().into_iter().filter(|one| !one.dead_letter) {
            tries.push(delivery.at.since(AT).as_secs());
            let outcome = DeliveryOutcome::Failed { because: "timeout".into() };
            topics.delivered(delivery.at, &delivery.id, outcome);
        }
        match topics.next_due() {
            Some(due) if !topics.waiting.is_empty() => topics.run_due(due),
            _ => break,
        }
    }
    tries
}

#[test]
fn creating_a_topic_again_returns_it_unless_it_differs() {
    let (mut topics, arn) = world();
    assert_eq!(create(&mut topics, "ops", &[]), Ok(arn.clone()));
    assert_eq!(create(&mut topics, "ops", &[("DisplayName", "")]), Ok(arn));
    let refusal = create(&mut topics, "ops", &[("DisplayName", "Ops")]).unwrap_err();
    let text = "Invalid parameter: Attributes Reason: Topic already exists with different attributes";
    assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("InvalidParameter", text));
    let tag = |key: &str, value: &str| (key.to_string(), value.to_string());
    let mut again =
        |name: &str, tags: &Tags| topics.create_topic(name, &map(&[]), tags, Links::of_aws(&place())).map(|_| ());
    // The tags given may be fewer than the topic has (recorded in October 2025).
    again("tagged", &vec![tag("a", "1"), tag("b", "2")]).unwrap();
    for tags in [vec![], vec![tag("b", "2")], vec![tag("b", "2"), tag("a", "1")]] {
        assert_eq!(again("tagged", &tags), Ok(()), "{tags:?}");
    }
    again("tagged", &vec![tag("b", "1")]).unwrap_err();
    let tags = vec![tag("stage", "test")];
    let refusal = topics.create_topic("ops", &map(&[]), &tags, Links::of_aws(&place())).unwrap_err();
    assert_eq!(refusal.message, "Invalid parameter: Tags Reason: Topic already exists with different tags");
}

#[test]
fn a_new_topic_has_awss_default_attributes() {
    let (topics, arn) = world();
    let shown = topics.topic_attributes(&arn).unwrap();
    let policy = format!(
        r#"{{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{{"Sid":"__default_statement_ID","Effect":"Allow","Principal":{{"AWS":"*"}},"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes","SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe","SNS:ListSubscriptionsByTopic","SNS:Publish"],"Resource":"{arn}","Condition":{{"StringEquals":{{"AWS:SourceOwner":"123456789012"}}}}}}]}}"#
    );
    let delivery = r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}"#;
    let expected = map(&[
        ("DisplayName", ""),
        ("EffectiveDeliveryPolicy", delivery),
        ("Owner", "123456789012"),
        ("Policy", &policy),
        ("SubscriptionsConfirmed", "0"),
        ("SubscriptionsDeleted", "0"),
        ("SubscriptionsPending", "0"),
        ("TopicArn", &arn),
    ]);
    assert_eq!(shown, expected);
}

#[test]
fn wrong_calls_are_refused_in_awss_words() {
    let (mut topics, arn) = world();
    let t = &mut topics;
    let policy = |action: &str| {
        format!(r#"{{"Statement":[{{"Effect":"Allow","Principal":"*","Action":"{action}","Resource":"{arn}"}}]}}"#)
    };
    let other = "arn:aws:sns:eu-west-1:123456789012:other";
    let mut outcomes: Vec<(Result<(), Refusal>, &str)> = vec![
        (publish(t, other, "m").map(|_| ()), "NotFound: Topic does not exist"),
        (
            publish(t, "ops", "m").map(|_| ()),
            "InvalidParameter: Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1",
        ),
        (create(t, "a b", &[]).map(|_| ()), "InvalidParameter: Invalid parameter: Topic Name"),
        (
            create(t, "x", &[("Nonsense", "1")]).map(|_| ()),
            "InvalidParameter: Invalid parameter: Attributes Reason: AttributeName",
        ),
        (t.set_topic_attribute(&arn, "Nonsense", "1"), "InvalidParameter: Invalid parameter: AttributeName"),
        (t.set_topic_attribute(&arn, "Policy", "{bad"), "InvalidParameter: Invalid parameter: Policy Error: null"),
        (
            t.set_topic_attribute(&arn, "Policy", &policy("sns:*")),
            "InvalidParameter: Invalid parameter: Policy statement action out of service scope!",
        ),
        (
            t.add_permission(&arn, "l", &["1".into()], &["CreateTopic".into()]),
            "InvalidParameter: Invalid parameter: Policy statement action out of service scope!",
        ),
        (t.subscription_attributes(&format!("{arn}:{ID}")).map(|_| ()), "NotFound: Subscription does not exist"),
        // AWS looks at the ARN before it looks for the subscription or the topic (recorded in May 2025).
        (
            t.subscription_attributes(&format!("{arn}:x")).map(|_| ()),
            "InvalidParameter: Invalid parameter: SubscriptionId",
        ),
        (t.subscription_attributes(&arn).map(|_| ()), "InvalidParameter: Invalid parameter: SubscriptionId"),
        (
            publish(t, "arn:aws:sns:us-east-1:123456789012:ops", "m").map(|_| ()),
            "InvalidParameter: Invalid parameter: TopicArn",
        ),
        (t.check_topic_to_confirm("abc"), "InvalidParameter: Invalid parameter: Topic"),
        (
            t.check_topic_to_confirm("arn:aws:sns:us-east-1:123456789012:ops"),
            "InvalidParameter: Invalid parameter: Topic",
        ),
        (t.confirm(AT, "abc123").map(|_| ()), "InvalidParameter: Invalid parameter: Token"),
        (
            t.tag(&arn, &vec![("k".into(), "1".into()), ("k".into(), "2".into())]),
            "InvalidParameter: Invalid parameter: Duplicated keys are not allowed.",
        ),
        (t.confirm(AT, "randomtoken").map(|_| ()), "InvalidParameter: Invalid token"),
        (t.confirm(AT, &"a".repeat(256)).map(|_| ()), "InvalidParameter: Invalid parameter: Token"),
    ];
    for (protocol, endpoint, expected) in [
        (
            "test-protocol",
            "x",
            "InvalidParameter: Invalid parameter: Amazon SNS does not support this protocol string: test-protocol",
        ),
        ("sqs", "http://localhost/123/inbox", "InvalidParameter: Invalid parameter: SQS endpoint ARN"),
        ("email", "nobody", "InvalidParameter: Invalid parameter: Email address"),
        ("http", "https://x", "InvalidParameter: Invalid parameter: Endpoint must match the specified protocol"),
        ("sms", "NAA+15551234567", "InvalidParameter: Invalid SMS endpoint: NAA+15551234567"),
    ] {
        outcomes.push((subscribe(t, &arn, protocol, endpoint).map(|_| ()), expected));
    }
    for (outcome, expected) in outcomes {
        assert_eq!(outcome.expect_err(expected).to_string(), expected);
    }
}

#[test]
fn permissions_come_and_go_by_label() {
    let (mut topics, arn) = world();
    let before = topics.topic_attributes(&arn).unwrap();
    let account = ["999999999999".to_string()];
    topics.add_permission(&arn, "l", &account, &["Publish".into()]).unwrap();
    let statement = format!(
        r#",{{"Sid":"l","Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::999999999999:root"}},"Action":"SNS:Publish","Resource":"{arn}"}}]}}"#
    );
    assert!(topics.topic_attributes(&arn).unwrap()["Policy"].ends_with(&statement));
    assert_eq!(topics.add_permission(&arn, "l", &account, &["Publish".into()]), Ok(()));
    let refusal = topics.add_permission(&arn, "l", &account, &["Subscribe".into()]).unwrap_err();
    assert_eq!(refusal.message, "Invalid parameter: Statement already exists");
    topics.remove_permission(&arn, "l").unwrap();
    assert_eq!(topics.remove_permission(&arn, "l"), Ok(()));
    assert_eq!(topics.topic_attributes(&arn).unwrap(), before);
}

#[test]
fn a_service_publishes_only_where_the_policy_lets_it() {
    let alarm = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:cpu";
    let (mut topics, arn) = world();
    let notice = Notice::new("s", "m");
    let unknown =
        topics.publish_from_service(AT, "arn:aws:sns:eu-west-1:123456789012:x", cloudwatch(alarm), &notice, &keys());
    assert!(matches!(unknown, Err(PublishError::NoSuchTopic(_))));
    assert!(topics.publish_from_service(AT, &arn, cloudwatch(alarm), &notice, &keys()).is_ok());
    let only = |source: &str| {
        format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"Service":"cloudwatch.amazonaws.com"}},"Action":"sns:Publish","Resource":"{arn}","Condition":{{"ArnLike":{{"aws:SourceArn":"{source}"}}}}}}]}}"#
        )
    };
    topics.set_topic_attribute(&arn, "Policy", &only("arn:aws:cloudwatch:*:*:alarm:*")).unwrap();
    assert!(topics.publish_from_service(AT, &arn, cloudwatch(alarm), &notice, &keys()).is_ok());
    let autoscaling = Publisher { principal: AUTO_SCALING, source_arn: None };
    assert!(topics.publish_from_service(AT, &arn, autoscaling, &notice, &keys()).is_ok(), "by its service-linked role");
    topics.set_topic_attribute(&arn, "Policy", &only("arn:aws:cloudwatch:*:*:alarm:web")).unwrap();
    let refused = topics.publish_from_service(AT, &arn, cloudwatch(alarm), &notice, &keys()).unwrap_err();
    let text = format!("CloudWatch Alarms is not authorized to perform: SNS:Publish on resource:{arn}");
    assert_eq!(refused.for_alarm_history(), text);
}

const AUTO_SCALING: &str = "autoscaling.amazonaws.com";

#[test]
fn a_topic_under_awss_own_key_is_closed_to_alarms() {
    let (mut topics, arn) = world();
    topics.set_topic_attribute(&arn, "KmsMasterKeyId", "alias/aws/sns").unwrap();
    let refused =
        topics.publish_from_service(AT, &arn, cloudwatch("arn:x"), &Notice::new("s", "m"), &keys()).unwrap_err();
    assert!(refused.for_alarm_history().contains("encryption key"), "{refused:?}");
    assert!(publish(&mut topics, &arn, "m").is_ok(), "its owner can still publish");
}

#[test]
fn a_denial_in_the_policy_keeps_the_owner_out() {
    let (mut topics, arn) = world();
    let deny =
        format!(r#"{{"Statement":[{{"Effect":"Deny","Principal":"*","Action":"sns:Publish","Resource":"{arn}"}}]}}"#);
    topics.set_topic_attribute(&arn, "Policy", &deny).unwrap();
    let refusal = publish(&mut topics, &arn, "m").unwrap_err();
    let text = format!(
        "User: arn:aws:iam::123456789012:root is not authorized to perform: SNS:Publish on resource: {arn} with an \
         explicit deny in a resource-based policy"
    );
    assert_eq!((refusal.code.as_str(), refusal.status, refusal.message), ("AuthorizationError", 403, text));
}

#[test]
fn a_queue_is_confirmed_at_once_and_receives_the_envelope() {
    let (mut topics, arn) = world();
    let subscription = subscribe(&mut topics, &arn, "sqs", QUEUE).unwrap();
    assert_eq!(subscribe(&mut topics, &arn, "sqs", QUEUE), Ok(subscription.clone()), "subscribing again");
    let shown = topics.subscription_attributes(&subscription).unwrap();
    for (name, expected) in
        [("PendingConfirmation", "false"), ("ConfirmationWasAuthenticated", "true"), ("RawMessageDelivery", "false")]
    {
        assert_eq!(shown[name], expected, "{name}");
    }
    publish(&mut topics, &arn, "hello").unwrap();
    let [delivery] = topics.take_outbox().try_into().unwrap();
    let body: serde_json::Value = serde_json::from_str(&delivery.body).unwrap();
    assert_eq!((&body["Message"], &body["Timestamp"]), (&"hello".into(), &AT.iso_millis().into()));
    assert_eq!(delivery.endpoint, QUEUE);
    topics.delivered(AT, &delivery.id, DeliveryOutcome::Accepted);
    assert_eq!((topics.take_outbox(), topics.next_due()), (vec![], None));
}

#[test]
fn an_email_address_hears_nothing_until_it_is_confirmed() {
    let (mut topics, arn) = world();
    let subscription = subscribe(&mut topics, &arn, "email", "ops@example.com").unwrap();
    publish(&mut topics, &arn, "early").unwrap();
    let [asked] = topics.take_outbox().try_into().unwrap();
    assert_eq!(asked.kind, DeliveryKind::SubscriptionConfirmation);
    let pending = topics.unsubscribe(AT, &subscription).unwrap_err();
    assert!(pending.message.contains("pending confirmation"), "{pending}");
    let token = asked.body.split("Token=").nth(1).unwrap().lines().next().unwrap().to_string();
    assert_eq!(topics.confirm(AT, &token).map(|arn| arn.0), Ok(subscription.clone()));
    assert_eq!(topics.confirm(AT, &token).map(|arn| arn.0), Ok(subscription.clone()), "twice is no error");
    publish(&mut topics, &arn, "late").unwrap();
    let [told] = topics.take_outbox().try_into().unwrap();
    assert!(told.body.starts_with("late\n"), "{}", told.body);
    assert_eq!(told.subject.as_deref(), Some("AWS Notification Message"));
    topics.unsubscribe(AT, &subscription).unwrap();
    publish(&mut topics, &arn, "too late").unwrap();
    assert_eq!(topics.take_outbox(), vec![]);
}

#[test]
fn an_unconfirmed_subscription_is_given_up_after_three_days() {
    let (mut topics, arn) = world();
    let subscription = subscribe(&mut topics, &arn, "email", "ops@example.com").unwrap();
    let due = AT + Duration::from_secs(3 * 24 * 3600);
    assert_eq!(topics.next_due(), Some(due));
    topics.run_due(due);
    assert!(topics.subscription_attributes(&subscription).is_err());
}

#[test]
fn failed_deliveries_are_tried_again_by_the_schedule_of_their_protocol() {
    let (mut topics, arn) = world();
    let subscription = subscribe(&mut topics, &arn, "http", "http://127.0.0.1:9/hook").unwrap();
    let asked = topics.take_outbox().remove(0);
    topics.delivered(AT, &asked.id, DeliveryOutcome::Accepted);
    let token = asked.envelope.unwrap().token.unwrap();
    topics.confirm(AT, &token).unwrap();
    publish(&mut topics, &arn, "m").unwrap();
    assert_eq!(fail_until_given_up(&mut topics, 100), [0, 20, 40, 60]);
    let own = r#"{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":3,"numRetries":4,"numNoDelayRetries":1}}"#;
    topics.set_subscription_attribute(&subscription, "DeliveryPolicy", own).unwrap();
    publish(&mut topics, &arn, "m").unwrap();
    assert_eq!(fail_until_given_up(&mut topics, 100), [0, 0, 1, 3, 6]);
    subscribe(&mut topics, &arn, "sqs", QUEUE).unwrap();
    topics.unsubscribe(AT, &subscription).unwrap();
    topics.take_outbox();
    publish(&mut topics, &arn, "m").unwrap();
    assert_eq!(fail_until_given_up(&mut topics, 7)[..6], [0, 0, 0, 0, 1, 2]);
}

#[test]
fn a_refused_message_goes_to_the_dead_letter_queue_or_is_lost() {
    let (mut topics, arn) = world();
    let subscription = subscribe(&mut topics, &arn, "sqs", QUEUE).unwrap();
    let refused = || DeliveryOutcome::Refused { because: "no such queue".into() };
    publish(&mut topics, &arn, "lost").unwrap();
    let lost = topics.take_outbox().remove(0);
    topics.delivered(AT, &lost.id, refused());
    assert_eq!((topics.take_outbox(), topics.next_due()), (vec![], None));
    let dead = "arn:aws:sqs:eu-west-1:123456789012:dead";
    let redrive = format!(r#"{{"deadLetterTargetArn": "{dead}"}}"#);
    topics.set_subscription_attribute(&subscription, "RedrivePolicy", &redrive).unwrap();
    publish(&mut topics, &arn, "kept").unwrap();
    let kept = topics.take_outbox().remove(0);
    topics.delivered(AT, &kept.id, refused());
    let [letter] = topics.take_outbox().try_into().unwrap();
    assert_eq!((letter.endpoint.as_str(), &letter.body), (dead, &kept.body));
    topics.delivered(AT, &letter.id, refused());
    assert_eq!(topics.take_outbox(), vec![]);
}

#[test]
fn filters_and_raw_delivery_work_together() {
    let (mut topics, arn) = world();
    let attributes = [("RawMessageDelivery", "true"), ("FilterPolicy", r#"{"kind": ["alarm"]}"#)];
    subscribe_with(&mut topics, &arn, "sqs", QUEUE, &attributes).unwrap();
    publish(&mut topics, &arn, "not wanted").unwrap();
    let kind = MessageAttribute { data_type: "String".into(), value: "alarm".into() };
    let publication = Publication {
        message: "wanted".into(),
        attributes: BTreeMap::from([("kind".to_string(), kind)]),
        ..Publication::default()
    };
    topics.publish(AT, &arn, &publication, &keys()).unwrap();
    let [delivery] = topics.take_outbox().try_into().unwrap();
    assert_eq!((delivery.body.as_str(), delivery.raw, delivery.attributes), ("wanted", true, publication.attributes));
    let nested =
        subscribe_with(&mut topics, &arn, "sqs", &format!("{QUEUE}2"), &[("FilterPolicy", r#"{"a":{"b":["c"]}}"#)]);
    let text = "Invalid parameter: Attributes Reason: Filter policy scope MessageAttributes does not support nested \
                filter policy";
    assert_eq!(nested.unwrap_err().message, text);
}

#[test]
fn wrong_subscription_attributes_are_refused_in_awss_words() {
    let (mut topics, arn) = world();
    let subscription = subscribe(&mut topics, &arn, "sqs", QUEUE).unwrap();
    for (name, value, expected) in [
        ("fake", "1", "Invalid parameter: AttributeName"),
        (
            "RawMessageDelivery",
            "test-ValUe",
            "Invalid parameter: RawMessageDelivery: Invalid value [test-ValUe]. Must be true or false.",
        ),
        ("RawMessageDelivery", "", "Invalid parameter: RawMessageDelivery: Invalid value []. Must be true or false."),
        (
            "RedrivePolicy",
            r#"{"deadLetterTargetArn": "fake"}"#,
            "Invalid parameter: RedrivePolicy: deadLetterTargetArn is an invalid arn",
        ),
        (
            "FilterPolicyScope",
            "RandomValue",
            "Invalid parameter: FilterPolicyScope: Invalid value [RandomValue]. Please use either MessageBody or MessageAttributes",
        ),
        (
            "FilterPolicy",
            r#"{"key_a":"value_one"}"#,
            "Invalid parameter: FilterPolicy: \"key_a\" must be an object or an array\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 11]",
        ),
    ] {
        let refusal = topics.set_subscription_attribute(&subscription, name, value).unwrap_err();
        assert_eq!(refusal.message, expected, "{name}");
    }
}

/// What AWS answered to a second Subscribe for the same queue (recorded in October 2025).
#[test]
fn subscribing_again_compares_what_is_named() {
    let (mut topics, arn) = world();
    let first = subscribe_with(&mut topics, &arn, "sqs", QUEUE, &[("RawMessageDelivery", "true")]).unwrap();
    for (attributes, same) in [
        (vec![("RawMessageDelivery", "true")], true),
        (vec![("RawMessageDelivery", "true"), ("FilterPolicyScope", "MessageAttributes")], true),
        (vec![], true),
        (vec![("FilterPolicyScope", "MessageAttributes")], true),
        (vec![("RawMessageDelivery", "false"), ("FilterPolicyScope", "MessageBody")], false),
    ] {
        let again = subscribe_with(&mut topics, &arn, "sqs", QUEUE, &attributes);
        assert_eq!(again.ok(), same.then(|| first.clone()), "{attributes:?}");
    }
}

/// What AWS's queues were told of a message's group and deduplication (recorded in August 2025).
#[test]
fn a_queue_hears_of_groups_by_its_kind() {
    let publication = Publication {
        message: "m".into(),
        group_id: Some("g".into()),
        deduplication_id: None,
        ..Publication::default()
    };
    let mut topics = Topics::new(&place(), 7);
    let fifo = create(&mut topics, "f.fifo", &[("FifoTopic", "true"), ("ContentBasedDeduplication", "true")]).unwrap();
    let standard = create(&mut topics, "s", &[]).unwrap();
    let mut told = |topic: &str, queue: &str| {
        subscribe(&mut topics, topic, "sqs", queue).unwrap();
        topics.publish(AT, topic, &publication, &keys()).unwrap();
        let sent = topics.take_outbox().pop().unwrap();
        (sent.order.map(|order| order.group_id), sent.group_id)
    };
    assert_eq!(told(&standard, QUEUE), (None, Some("g".into())));
    assert_eq!(told(&fifo, QUEUE), (None, None));
}

#[test]
fn a_fifo_topic_numbers_its_messages_and_drops_copies() {
    let mut topics = Topics::new(&place(), 7);
    let fifo = [("FifoTopic", "true"), ("ContentBasedDeduplication", "true")];
    let arn = create(&mut topics, "ops.fifo", &fifo).unwrap();
    subscribe(&mut topics, &arn, "sqs", &format!("{QUEUE}.fifo")).unwrap();
    let missing = publish(&mut topics, &arn, "Test").unwrap_err();
    assert_eq!(missing.message, "Invalid parameter: The MessageGroupId parameter is required for FIFO topics");
    let publication = Publication { message: "Test".into(), group_id: Some("g".into()), ..Publication::default() };
    let first = topics.publish(AT, &arn, &publication, &keys()).unwrap();
    assert_eq!(topics.publish(AT, &arn, &publication, &keys()), Ok(first), "a copy is told what the first was");
    let [delivery] = topics.take_outbox().try_into().unwrap();
    // SHA-256 of the body, recorded.
    let content = "532eaabd9574880dbf76b9b8cc00832c20a6ec113d682299550d7a6e0f345e25";
    let order = FifoOrder { group_id: "g".into(), deduplication_id: content.into() };
    assert_eq!((delivery.order, delivery.envelope), (Some(order), None));
    assert!(!delivery.body.contains("Signature"), "{}", delivery.body);
    topics.publish(AT + Duration::from_secs(301), &arn, &publication, &keys()).unwrap();
    assert_eq!(topics.take_outbox().len(), 1, "after five minutes it is a new message");
}

#[test]
fn nothing_is_left_when_everything_is_deleted() {
    let (mut topics, arn) = world();
    subscribe(&mut topics, &arn, "email", "ops@example.com").unwrap();
    subscribe(&mut topics, &arn, "sqs", QUEUE).unwrap();
    publish(&mut topics, &arn, "m").unwrap();
    for delivery in topics.take_outbox() {
        topics.delivered(AT, &delivery.id, DeliveryOutcome::Failed { because: "busy".into() });
    }
    topics.delete_topic(&arn).unwrap();
    topics.delete_topic(&arn).unwrap();
    assert_eq!(topics, Topics { ids: topics.ids.clone(), ..Topics::new(&place(), 7) });
}

#[test]
fn the_same_calls_make_the_same_world() {
    let run = || {
        let (mut topics, arn) = world();
        subscribe(&mut topics, &arn, "email", "ops@example.com").unwrap();
        publish(&mut topics, &arn, "m").unwrap();
        serde_json::to_string(&topics).unwrap()
    };
    let text = run();
    assert_eq!(text, run());
    let read: Topics = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
}

#[test]
fn a_post_to_an_endpoint_carries_its_headers() {
    let (mut topics, topic) = world();
    let own = r#"{"requestPolicy":{"headerContentType":"application/json"}}"#;
    let attributes = [("RawMessageDelivery", "true"), ("DeliveryPolicy", own)];
    let arn = subscribe_with(&mut topics, &topic, "https", "https://example.com/", &attributes).unwrap();
    let names = |headers: &IndexMap<String, String>| {
        headers.keys().map(|name| name.trim_start_matches("x-amz-sns-").to_string()).collect::<Vec<_>>().join(" ")
    };
    let asked = topics.take_outbox().remove(0);
    assert_eq!(names(&asked.headers), "message-type message-id topic-arn Content-Type User-Agent");
    topics.confirm(AT, &topics.pending_tokens()[0].clone()).unwrap();
    publish(&mut topics, &topic, "m").unwrap();
    let told = topics.take_outbox().pop().unwrap();
    let expected = "message-type message-id topic-arn subscription-arn rawdelivery Content-Type User-Agent";
    assert_eq!(names(&told.headers), expected);
    let value = |wanted: &str| told.headers[wanted].as_str();
    assert_eq!((value("x-amz-sns-subscription-arn"), value("Content-Type")), (arn.as_str(), "application/json"));
}

/// Sources: Amazon SNS API reference, SetTopicAttributes; Developer Guide, "Message delivery status".
#[test]
fn logs_of_deliveries_and_tracing_are_settings_that_are_kept() {
    let role = "arn:aws:iam::123456789012:role/logs";
    for (name, value, expected) in [
        ("SQSSuccessFeedbackRoleArn", role, Ok(())),
        ("HTTPSuccessFeedbackSampleRate", "80", Ok(())),
        ("FirehoseFailureFeedbackRoleArn", role, Ok(())),
        ("ApplicationSuccessFeedbackSampleRate", "", Ok(())),
        ("TracingConfig", "Active", Ok(())),
        ("LambdaSuccessFeedbackSampleRate", "101", Err("LambdaSuccessFeedbackSampleRate")),
        ("LambdaFailureFeedbackRoleArn", "logs", Err("LambdaFailureFeedbackRoleArn")),
        ("TracingConfig", "Passive", Err("TracingConfig")),
        ("FaxFailureFeedbackRoleArn", role, Err("AttributeName")),
    ] {
        let (mut topics, arn) = world();
        let found = topics.set_topic_attribute(&arn, name, value).map_err(|refusal| refusal.message);
        assert_eq!(found, expected.map_err(|what| format!("Invalid parameter: {what}")), "{name}={value}");
        let shown = topics.topic_attributes(&arn).unwrap();
        let kept = expected.is_ok() && !value.is_empty();
        assert_eq!(shown.get(name).map(String::as_str), kept.then_some(value), "{name}={value}");
    }
}

/// Source: Amazon SNS Developer Guide, "Removing a subscription filter policy".
#[test]
fn an_empty_filter_policy_takes_the_policy_away_with_its_scope() {
    let (mut topics, arn) = world();
    let filter = [("FilterPolicy", r#"{"kind":["alarm"]}"#)];
    let subscription = subscribe_with(&mut topics, &arn, "sqs", QUEUE, &filter).unwrap();
    topics.set_subscription_attribute(&subscription, "FilterPolicy", "{ }").unwrap();
    let shown = topics.subscription_attributes(&subscription).unwrap();
    assert_eq!((shown.get("FilterPolicy"), shown.get("FilterPolicyScope")), (None, None));
    publish(&mut topics, &arn, "for everybody").unwrap();
    assert_eq!(topics.take_outbox().len(), 1);
}
