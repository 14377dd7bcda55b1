use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;

use super::*;
use crate::engine::groups::Timing;
use crate::engine::names::TopicArn;
use crate::engine::topics::{Links, SubscribeRequest, Tags, message::Publication};
use crate::sandbox::models::sqs as model;
use crate::sandbox::region::Region;
use crate::sandbox::wire::value::{FromValue, IntoValue};

const AT: Timestamp = Timestamp::from_secs(1_800_000_000);
const URL: &str = "http://127.0.0.1:4599/123456789012/inbox";
const ARN: &str = "arn:aws:sqs:eu-west-1:123456789012:inbox";

fn place() -> Place {
    Place::new("eu-west-1", "123456789012")
}

fn call(secs: u64) -> Call {
    Call::new(AT + Duration::from_secs(secs), "id".into(), "http://127.0.0.1:4599".into())
}

fn ask<O: FromValue>(region: &mut Region, call: &Call, name: &str, input: impl IntoValue) -> Result<O, Refusal> {
    let operations = operations();
    let operation = operations.get(name).expect(name);
    (operation.handler)(region, call, input.into_value()).map(O::from_value)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_string())
}

fn with_queue(attributes: &[(&str, &str)]) -> Region {
    let mut region = Region::new(place(), 7, Timing::Instant);
    create(&mut region, "inbox", attributes).unwrap();
    region
}

fn create(region: &mut Region, name: &str, attributes: &[(&str, &str)]) -> Result<String, Refusal> {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
    let input = model::CreateQueueInput { queue_name: some(name), attributes: Some(attributes), tags: None };
    ask(region, &call(0), "CreateQueue", input).map(|output: model::CreateQueueOutput| output.queue_url.unwrap())
}

fn set(region: &mut Region, url: &str, name: &str, value: &str) {
    let attributes = IndexMap::from([(name.to_string(), value.to_string())]);
    let input = model::SetQueueAttributesInput { queue_url: some(url), attributes: Some(attributes) };
    ask::<model::SetQueueAttributesOutput>(region, &call(0), "SetQueueAttributes", input).unwrap();
}

fn send(region: &mut Region, at: u64, url: &str, body: &str, group: Option<&str>) -> Result<String, Refusal> {
    let input = model::SendMessageInput {
        queue_url: some(url),
        message_body: some(body),
        message_group_id: group.map(str::to_string),
        message_deduplication_id: group.map(|_| body.to_string()),
        ..Default::default()
    };
    ask(region, &call(at), "SendMessage", input).map(|output: model::SendMessageOutput| output.message_id.unwrap())
}

fn receive(region: &mut Region, at: u64, url: &str) -> Vec<model::Message> {
    let input = model::ReceiveMessageInput {
        queue_url: some(url),
        max_number_of_messages: Some(10),
        message_system_attribute_names: Some(vec!["All".into()]),
        message_attribute_names: Some(vec!["All".into()]),
        ..Default::default()
    };
    let output: model::ReceiveMessageOutput = ask(region, &call(at), "ReceiveMessage", input).unwrap();
    output.messages.unwrap_or_default()
}

fn bodies(messages: &[model::Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_deref().unwrap_or_default()).collect()
}

fn delete(region: &mut Region, at: u64, message: &model::Message) {
    let input = model::DeleteMessageInput { queue_url: some(URL), receipt_handle: message.receipt_handle.clone() };
    ask::<model::DeleteMessageOutput>(region, &call(at), "DeleteMessage", input).unwrap();
}

#[test]
fn creating_a_queue_again_returns_it_unless_it_differs() {
    let mut region = with_queue(&[("VisibilityTimeout", "60")]);
    assert_eq!(create(&mut region, "inbox", &[]), Ok(URL.to_string()));
    assert_eq!(create(&mut region, "inbox", &[("VisibilityTimeout", "60")]), Ok(URL.to_string()));
    let refusal = create(&mut region, "inbox", &[("VisibilityTimeout", "61")]).unwrap_err();
    assert_eq!(refusal.code, "QueueAlreadyExists");
    for (name, attributes, code) in [
        ("a b", [("DelaySeconds", "1")], "InvalidParameterValue"),
        ("a.fifo", [("DelaySeconds", "1")], "InvalidParameterValue"),
        ("a", [("DelaySeconds", "901")], "InvalidAttributeValue"),
        ("a", [("Nonsense", "1")], "InvalidAttributeName"),
        ("a", [("Policy", "{")], "InvalidAttributeValue"),
    ] {
        assert_eq!(create(&mut region, name, &attributes).unwrap_err().code, code, "{name} {attributes:?}");
    }
}

#[test]
fn a_received_message_is_hidden_until_its_timeout_or_its_deletion() {
    let mut region = with_queue(&[]);
    send(&mut region, 0, URL, "one", None).unwrap();
    let first = receive(&mut region, 1, URL);
    assert_eq!(bodies(&first), ["one"]);
    assert_eq!(first[0].md5_of_body.as_deref(), Some("f97c5d29941bfb1b2fdab0874906ab82"));
    assert_eq!(first[0].attributes.as_ref().unwrap()["SentTimestamp"], AT.as_millis().to_string());
    assert_eq!(bodies(&receive(&mut region, 30, URL)), [""; 0]);
    let again = receive(&mut region, 31, URL);
    assert_eq!(again[0].attributes.as_ref().unwrap()["ApproximateReceiveCount"], "2");
    delete(&mut region, 32, &again[0]);
    delete(&mut region, 33, &first[0]);
    assert_eq!(bodies(&receive(&mut region, 90, URL)), [""; 0]);
}

#[test]
fn messages_are_delayed_and_forgotten_as_the_queue_says() {
    let mut region = with_queue(&[("DelaySeconds", "10"), ("MessageRetentionPeriod", "60")]);
    send(&mut region, 0, URL, "later", None).unwrap();
    assert_eq!(bodies(&receive(&mut region, 9, URL)), [""; 0]);
    assert_eq!(bodies(&receive(&mut region, 10, URL)), ["later"]);
    assert_eq!(bodies(&receive(&mut region, 60, URL)), [""; 0]);
}

#[test]
fn a_long_poll_of_an_empty_queue_is_asked_again() {
    let mut region = with_queue(&[]);
    let input =
        || model::ReceiveMessageInput { queue_url: some(URL), wait_time_seconds: Some(20), ..Default::default() };
    let first = call(0);
    ask::<model::ReceiveMessageOutput>(&mut region, &first, "ReceiveMessage", input()).unwrap();
    assert_eq!(first.waits_until(), Some(AT + Duration::from_secs(20)));
    send(&mut region, 5, URL, "m", None).unwrap();
    let second = call(5);
    let output: model::ReceiveMessageOutput = ask(&mut region, &second, "ReceiveMessage", input()).unwrap();
    assert_eq!((second.waits_until(), output.messages.map(|list| list.len())), (None, Some(1)));
}

#[test]
fn a_fifo_queue_keeps_the_order_of_each_group_and_drops_copies() {
    let mut region = with_queue(&[]);
    let url = create(&mut region, "line.fifo", &[("FifoQueue", "true")]).unwrap();
    assert_eq!(send(&mut region, 0, &url, "x", None).unwrap_err().code, "MissingParameter");
    for body in ["a1", "a2", "b1"] {
        send(&mut region, 0, &url, body, Some(&body[..1])).unwrap();
    }
    send(&mut region, 1, &url, "a1", Some("a")).unwrap();
    let input = model::ReceiveMessageInput { queue_url: Some(url.clone()), ..Default::default() };
    let first: model::ReceiveMessageOutput = ask(&mut region, &call(2), "ReceiveMessage", input).unwrap();
    assert_eq!(bodies(&first.messages.unwrap()), ["a1"]);
    assert_eq!(bodies(&receive(&mut region, 3, &url)), ["b1"], "group a waits for a1");
    assert_eq!(bodies(&receive(&mut region, 40, &url)), ["a1", "a2", "b1"]);
}

#[test]
fn a_message_that_nobody_manages_goes_to_the_dead_letter_queue() {
    let mut region = with_queue(&[]);
    let dead = create(&mut region, "dead", &[]).unwrap();
    let target = ARN.replace("inbox", "dead");
    let redrive = format!(r#"{{"deadLetterTargetArn":"{target}","maxReceiveCount":"1"}}"#);
    set(&mut region, URL, "RedrivePolicy", &redrive);
    send(&mut region, 0, URL, "hard", None).unwrap();
    assert_eq!(bodies(&receive(&mut region, 0, URL)), ["hard"]);
    assert_eq!(bodies(&receive(&mut region, 30, URL)), [""; 0]);
    let letters = receive(&mut region, 30, &dead);
    assert_eq!(letters[0].attributes.as_ref().unwrap()["DeadLetterQueueSourceArn"], ARN);
}

#[test]
fn a_batch_reports_each_entry() {
    let mut region = with_queue(&[]);
    let entry = |id: &str, body: Option<&str>| model::SendMessageBatchRequestEntry {
        id: some(id),
        message_body: body.map(str::to_string),
        ..Default::default()
    };
    let mut batch = |entries| {
        let input = model::SendMessageBatchInput { queue_url: some(URL), entries: Some(entries) };
        ask::<model::SendMessageBatchOutput>(&mut region, &call(0), "SendMessageBatch", input)
    };
    let output = batch(vec![entry("good", Some("m")), entry("bad", Some("\u{1}"))]).unwrap();
    assert_eq!(output.successful.unwrap()[0].id.as_deref(), Some("good"));
    assert_eq!(output.failed.unwrap()[0].code.as_deref(), Some("InvalidMessageContents"));
    let many = (0..11).map(|n| entry(&n.to_string(), Some("m"))).collect();
    for (entries, code) in [
        (vec![], "EmptyBatchRequest"),
        (many, "TooManyEntriesInBatchRequest"),
        (vec![entry("a", Some("m")), entry("a", Some("m"))], "BatchEntryIdsNotDistinct"),
        (vec![entry("a.b", Some("m"))], "InvalidBatchEntryId"),
    ] {
        assert_eq!(batch(entries).unwrap_err().code, format!("AWS.SimpleQueueService.{code}"));
    }
}

#[test]
fn wrong_receipts_and_queues_are_refused() {
    let mut region = with_queue(&[]);
    send(&mut region, 0, URL, "m", None).unwrap();
    let message = receive(&mut region, 0, URL).remove(0);
    let mut change = |url: &str, receipt: &str, at: u64| {
        let input = model::ChangeMessageVisibilityInput {
            queue_url: some(url),
            receipt_handle: some(receipt),
            visibility_timeout: Some(0),
        };
        ask::<model::ChangeMessageVisibilityOutput>(&mut region, &call(at), "ChangeMessageVisibility", input)
            .map_err(|refusal| refusal.code)
    };
    let receipt = message.receipt_handle.unwrap();
    assert_eq!(change(URL, "nonsense", 1), Err("ReceiptHandleIsInvalid".into()));
    let missing = "AWS.SimpleQueueService.NonExistentQueue".to_string();
    assert_eq!(change("http://127.0.0.1:4599/123456789012/other", &receipt, 1), Err(missing.clone()));
    assert_eq!(change("http://127.0.0.1:4599/999999999999/inbox", &receipt, 1), Err(missing));
    assert_eq!(change(URL, &receipt, 1).map(|_| ()), Ok(()));
    // AWS takes a receipt whose time is over as well (recorded in October 2025).
    assert_eq!(change(URL, &receipt, 2).map(|_| ()), Ok(()), "visible again");
}

/// AWS's answers to a receipt whose time is over, of a FIFO queue (recorded in October 2025).
#[test]
fn an_expired_receipt_deletes_nothing_from_a_fifo_queue() {
    let mut region = with_queue(&[]);
    let url = create(&mut region, "line.fifo", &[("FifoQueue", "true"), ("VisibilityTimeout", "1")]).unwrap();
    send(&mut region, 0, &url, "m", Some("g")).unwrap();
    let delete = |region: &mut Region, at: u64, receipt: &str| {
        let input = model::DeleteMessageInput { queue_url: Some(url.clone()), receipt_handle: some(receipt) };
        ask::<model::DeleteMessageOutput>(region, &call(at), "DeleteMessage", input).map_err(|refusal| refusal.message)
    };
    let mut receipts = Vec::new();
    for at in [0, 3] {
        let receipt = receive(&mut region, at, &url)[0].receipt_handle.clone().unwrap();
        let text =
            format!("Value {receipt} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.");
        assert_eq!(delete(&mut region, at + 1, &receipt), Err(text));
        receipts.push(receipt);
    }
    let last = receive(&mut region, 6, &url)[0].receipt_handle.clone().unwrap();
    delete(&mut region, 6, &receipts[0]).unwrap_err();
    delete(&mut region, 6, &last).unwrap();
    delete(&mut region, 9, &receipts[0]).unwrap();
}

/// AWS's answers to settings and messages that it does not take (recorded in October 2025).
#[test]
fn refusals_have_awss_codes_and_texts() {
    let fifo = "http://127.0.0.1:4599/123456789012/line.fifo";
    let mut region = with_queue(&[("MaximumMessageSize", "1024")]);
    create(&mut region, "line.fifo", &[("FifoQueue", "true")]).unwrap();
    let mut set = |url: &str, attributes: &[(&str, &str)]| {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
        let input = model::SetQueueAttributesInput { queue_url: some(url), attributes: Some(attributes) };
        ask::<model::SetQueueAttributesOutput>(&mut region, &call(0), "SetQueueAttributes", input)
            .map_or_else(|refusal| refusal.to_string(), |_| String::new())
    };
    let redrive = r#"{"deadLetterTargetArn":"dummy","maxReceiveCount":"1"}"#;
    for (url, attributes, expected) in [
        (
            URL,
            &[("RedrivePolicy", redrive)][..],
            format!("InvalidParameterValue: Value {redrive} for parameter RedrivePolicy is invalid. Reason: Invalid value for deadLetterTargetArn."),
        ),
        (
            fifo,
            &[("FifoQueue", "false")],
            "InvalidAttributeValue: Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.".into(),
        ),
        (
            URL,
            &[("KmsMasterKeyId", "k"), ("SqsManagedSseEnabled", "true")],
            "InvalidAttributeName: You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.".into(),
        ),
        (URL, &[("KmsMasterKeyId", "k")], String::new()),
        (URL, &[("SqsManagedSseEnabled", "true")], String::new()),
    ] {
        assert_eq!(set(url, attributes), expected);
    }
    assert_eq!(region.sqs.queues["inbox"].key(), None, "the one encryption ends the other");
    let long = "a".repeat(129);
    let entry = |body: &str, group: Option<&str>| model::SendMessageBatchRequestEntry {
        id: some("a"),
        message_body: some(body),
        message_group_id: group.map(str::to_string),
        ..Default::default()
    };
    for (url, entry, expected) in [
        (fifo, entry("m", None), "InvalidParameterValue: The request must contain the parameter MessageGroupId.".to_string()),
        (
            URL,
            entry(&"m".repeat(1025), None),
            "InvalidParameterValue: One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes.".into(),
        ),
        (
            URL,
            entry("m", Some(&long)),
            format!("InvalidParameterValue: Value {long} for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length."),
        ),
    ] {
        let input = model::SendMessageBatchInput { queue_url: some(url), entries: Some(vec![entry]) };
        let output = ask::<model::SendMessageBatchOutput>(&mut region, &call(0), "SendMessageBatch", input);
        let found = output.map_or_else(
            |refusal| refusal.to_string(),
            |output| {
                let failed = output.failed.unwrap_or_default().remove(0);
                format!("{}: {}", failed.code.unwrap(), failed.message.unwrap())
            },
        );
        assert_eq!(found, expected);
    }
}

/// Publishes to a topic that the queue is subscribed to, and lets the region deliver.
fn deliver(region: &mut Region, raw: bool) -> TopicArn {
    let topics = &mut region.world.topics;
    let topic = topics.create_topic("ops", &BTreeMap::new(), &Tags::new(), Links::of_aws(&place())).unwrap();
    let attributes = BTreeMap::from([("RawMessageDelivery".to_string(), raw.to_string())]);
    let request =
        SubscribeRequest { topic_arn: topic.0.clone(), protocol: "sqs".into(), endpoint: ARN.into(), attributes };
    topics.subscribe(AT, &request).unwrap();
    let publication = Publication { message: "alarm!".into(), ..Publication::default() };
    topics.publish(AT, topic.as_str(), &publication, &region.world.keys).unwrap();
    region.advance(AT);
    topic
}

#[test]
fn a_topic_reaches_a_queue_only_if_the_queues_policy_lets_it() {
    let statement = |source: &str| {
        format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"Service":"sns.amazonaws.com"}},"Action":"sqs:SendMessage","Resource":"{ARN}","Condition":{{"ArnEquals":{{"aws:SourceArn":"{source}"}}}}}}]}}"#
        )
    };
    for (name, policy, expected) in [
        ("no policy", None, 0),
        ("this topic", Some(statement("arn:aws:sns:eu-west-1:123456789012:ops")), 1),
        ("another topic", Some(statement("arn:aws:sns:eu-west-1:123456789012:other")), 0),
    ] {
        let mut region = with_queue(&[]);
        if let Some(policy) = &policy {
            set(&mut region, URL, "Policy", policy);
        }
        deliver(&mut region, true);
        let received = receive(&mut region, 0, URL);
        assert_eq!(received.len(), expected, "{name}");
        assert!(received.iter().all(|message| message.body.as_deref() == Some("alarm!")));
    }
}

#[test]
fn nothing_is_left_when_every_queue_is_deleted() {
    let mut region = with_queue(&[("DelaySeconds", "5")]);
    send(&mut region, 0, URL, "m", None).unwrap();
    let input = model::DeleteQueueInput { queue_url: some(URL) };
    ask::<model::DeleteQueueOutput>(&mut region, &call(0), "DeleteQueue", input).unwrap();
    assert_eq!(region.sqs, Sqs { ids: region.sqs.ids.clone(), ..Sqs::new(&place(), 7) });
}

const DEAD: &str = "http://127.0.0.1:4599/123456789012/dead";
const DEAD_ARN: &str = "arn:aws:sqs:eu-west-1:123456789012:dead";

/// A queue whose dead-letter queue holds so many letters, each received once.
fn with_letters(count: u64) -> Region {
    let mut region = Region::new(place(), 7, Timing::Instant);
    create(&mut region, "dead", &[]).unwrap();
    create(&mut region, "elsewhere", &[]).unwrap();
    let redrive = format!(r#"{{"maxReceiveCount": "1", "deadLetterTargetArn": "{DEAD_ARN}"}}"#);
    create(&mut region, "inbox", &[("RedrivePolicy", &redrive), ("VisibilityTimeout", "1")]).unwrap();
    for number in 0..count {
        send(&mut region, 0, URL, &format!("m{number}"), None).unwrap();
    }
    receive(&mut region, 0, URL);
    assert_eq!(receive(&mut region, 2, URL).len(), 0, "they are dead letters by now");
    region
}

fn start(region: &mut Region, to: Option<&str>, rate: Option<i64>) -> Result<String, Refusal> {
    let input = model::StartMessageMoveTaskInput {
        source_arn: some(DEAD_ARN),
        destination_arn: to.map(|name| format!("arn:aws:sqs:eu-west-1:123456789012:{name}")),
        max_number_of_messages_per_second: rate,
    };
    let output: model::StartMessageMoveTaskOutput = ask(region, &call(2), "StartMessageMoveTask", input)?;
    Ok(output.task_handle.unwrap())
}

/// Status, messages moved, and why it failed.
fn task(region: &mut Region, at: u64) -> String {
    region.advance(AT + Duration::from_secs(at));
    let input = model::ListMessageMoveTasksInput { source_arn: some(DEAD_ARN), max_results: None };
    let output: model::ListMessageMoveTasksOutput = ask(region, &call(at), "ListMessageMoveTasks", input).unwrap();
    let task = output.results.unwrap().remove(0);
    let (moved, all) = (task.approximate_number_of_messages_moved, task.approximate_number_of_messages_to_move);
    assert_eq!(task.task_handle.is_some(), task.status.as_deref() == Some("RUNNING"));
    let failure = task.failure_reason.map_or(String::new(), |reason| format!(" {reason}"));
    format!("{} {} of {}{failure}", task.status.unwrap(), moved.unwrap(), all.unwrap())
}

/// Expected values are what AWS answered LocalStack's tests of move tasks in 2024.
#[test]
fn a_move_task_brings_dead_letters_back_or_elsewhere() {
    for (name, to, holder) in
        [("back", None, URL), ("elsewhere", Some("elsewhere"), &URL.replace("inbox", "elsewhere"))]
    {
        let mut region = with_letters(3);
        let before = receive(&mut region, 2, DEAD);
        assert_eq!(bodies(&before), ["m0", "m1", "m2"]);
        region.advance(AT + Duration::from_secs(40));
        let input = model::StartMessageMoveTaskInput {
            source_arn: some(DEAD_ARN),
            destination_arn: to.map(|name: &str| format!("arn:aws:sqs:eu-west-1:123456789012:{name}")),
            max_number_of_messages_per_second: None,
        };
        ask::<model::StartMessageMoveTaskOutput>(&mut region, &call(40), "StartMessageMoveTask", input).unwrap();
        assert_eq!(task(&mut region, 40), "COMPLETED 3 of 3", "{name}");
        let after = receive(&mut region, 40, holder);
        assert_eq!(bodies(&after), ["m0", "m1", "m2"], "{name}");
        let system = after[0].attributes.as_ref().unwrap();
        assert_ne!(after[0].message_id, before[0].message_id, "{name}: moved messages are new ones");
        assert_eq!(system.get("DeadLetterQueueSourceArn"), None, "{name}");
        assert_eq!(system["ApproximateReceiveCount"], "1", "{name}");
        assert_eq!(receive(&mut region, 80, DEAD).len(), 0, "{name}");
    }
}

#[test]
fn a_move_task_keeps_to_its_rate_and_can_be_cancelled() {
    let mut region = with_letters(4);
    let handle = start(&mut region, None, Some(1)).unwrap();
    assert_eq!(task(&mut region, 2), "RUNNING 1 of 4");
    assert_eq!(task(&mut region, 3), "RUNNING 2 of 4");
    let again = start(&mut region, None, None).unwrap_err();
    let text =
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time.";
    assert_eq!((again.code.as_str(), again.message.as_str()), ("InvalidParameterValue", text));
    let cancel = |region: &mut Region| {
        let input = model::CancelMessageMoveTaskInput { task_handle: Some(handle.clone()) };
        ask::<model::CancelMessageMoveTaskOutput>(region, &call(3), "CancelMessageMoveTask", input)
    };
    assert_eq!(cancel(&mut region).unwrap().approximate_number_of_messages_moved, Some(2));
    assert_eq!(task(&mut region, 60), "CANCELLED 2 of 4");
    assert_eq!(receive(&mut region, 60, DEAD).len(), 2);
    assert_eq!(cancel(&mut region).unwrap_err().message, "Only active tasks can be cancelled.");
    // The first message at once, the last after three seconds.
    let mut region = with_letters(4);
    start(&mut region, None, Some(1)).unwrap();
    assert_eq!(task(&mut region, 4), "RUNNING 3 of 4");
    assert_eq!(task(&mut region, 5), "COMPLETED 4 of 4");
}

#[test]
fn a_move_task_that_cannot_go_on_says_why() {
    let mut region = with_letters(2);
    start(&mut region, Some("elsewhere"), Some(1)).unwrap();
    let input = model::DeleteQueueInput { queue_url: Some(URL.replace("inbox", "elsewhere")) };
    ask::<model::DeleteQueueOutput>(&mut region, &call(2), "DeleteQueue", input).unwrap();
    assert_eq!(task(&mut region, 3), "FAILED 1 of 2 AWS.SimpleQueueService.NonExistentQueue");
    assert_eq!(receive(&mut region, 3, DEAD).len(), 1, "it stays where it was");

    let mut region = with_letters(0);
    send(&mut region, 2, DEAD, "of no queue", None).unwrap();
    start(&mut region, None, None).unwrap();
    assert_eq!(task(&mut region, 2), "FAILED 0 of 1 CouldNotDetermineMessageSource");
}

#[test]
fn a_move_task_that_cannot_begin_is_refused() {
    let mut region = with_letters(1);
    let arn = |name: &str| format!("arn:aws:sqs:eu-west-1:123456789012:{name}");
    for (source, destination, expected) in [
        ("inbox", None, "InvalidParameterValue: Source queue must be configured as a Dead Letter Queue."),
        (
            "none",
            None,
            "ResourceNotFoundException: The resource that you specified for the SourceArn parameter doesn't exist.",
        ),
        (
            "dead",
            Some("none"),
            "ResourceNotFoundException: The resource that you specified for the DestinationArn parameter doesn't exist.",
        ),
    ] {
        let input = model::StartMessageMoveTaskInput {
            source_arn: Some(arn(source)),
            destination_arn: destination.map(arn),
            max_number_of_messages_per_second: None,
        };
        let found = ask::<model::StartMessageMoveTaskOutput>(&mut region, &call(2), "StartMessageMoveTask", input);
        assert_eq!(found.unwrap_err().to_string(), expected);
    }
    let handle = |task: &str, source: &str| {
        use base64::Engine as _;
        let text = format!(r#"{{"taskId":"{task}","sourceArn":"{}"}}"#, arn(source));
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    for (handle, expected) in [
        ("foobared".to_string(), "InvalidParameterValue: Value for parameter TaskHandle is invalid."),
        (
            handle("10f57157-fc38-4da9-a113-4de7e12d05dd", "none"),
            "ResourceNotFoundException: The resource that you specified for the SourceArn parameter doesn't exist.",
        ),
        (handle("10f57157-fc38-4da9-a113-4de7e12d05aa", "dead"), "ResourceNotFoundException: Task does not exist."),
    ] {
        let input = model::CancelMessageMoveTaskInput { task_handle: Some(handle) };
        let found = ask::<model::CancelMessageMoveTaskOutput>(&mut region, &call(2), "CancelMessageMoveTask", input);
        assert_eq!(found.unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_redrive_policy_is_given_back_in_aws_order_without_white_space() {
    let mut region = with_letters(0);
    let policy = format!("{{\n  \"maxReceiveCount\": \"3\",\n  \"deadLetterTargetArn\": \"{DEAD_ARN}\"\n}}");
    set(&mut region, URL, "RedrivePolicy", &policy);
    let input =
        model::GetQueueAttributesInput { queue_url: some(URL), attribute_names: Some(vec!["RedrivePolicy".into()]) };
    let output: model::GetQueueAttributesOutput = ask(&mut region, &call(0), "GetQueueAttributes", input).unwrap();
    let expected = format!(r#"{{"deadLetterTargetArn":"{DEAD_ARN}","maxReceiveCount":3}}"#);
    assert_eq!(output.attributes.unwrap()["RedrivePolicy"], expected);
}

/// What AWS answered LocalStack's tests of FIFO queues: a queue gives all of a group before any of the next, and a group
/// that somebody was given of goes behind the others.
#[test]
fn a_fifo_queue_gives_one_group_after_the_other() {
    let fifo = URL.replace("inbox", "q.fifo");
    let with = |sent: &str| {
        let mut region = Region::new(place(), 7, Timing::Instant);
        create(&mut region, "q.fifo", &[("FifoQueue", "true")]).unwrap();
        for body in sent.split(' ') {
            send(&mut region, 0, &fifo, body, Some(&body[..2])).unwrap();
        }
        region
    };
    let take = |region: &mut Region, most: i64, secs: i64| {
        let input = model::ReceiveMessageInput {
            queue_url: some(&fifo),
            max_number_of_messages: Some(most),
            visibility_timeout: Some(secs),
            ..Default::default()
        };
        let output: model::ReceiveMessageOutput = ask(region, &call(1), "ReceiveMessage", input).unwrap();
        output.messages.unwrap_or_default()
    };
    let mut region = with("g1-m1 g2-m1 g1-m2 g1-m3");
    assert_eq!(bodies(&take(&mut region, 10, 30)), ["g1-m1", "g1-m2", "g1-m3", "g2-m1"]);

    let mut region = with("g1-m1 g2-m1 g2-m2 g3-m1 g1-m2");
    assert_eq!(bodies(&take(&mut region, 3, 0)), ["g1-m1", "g1-m2", "g2-m1"]);
    assert_eq!(bodies(&take(&mut region, 10, 0)), ["g3-m1", "g1-m1", "g1-m2", "g2-m1", "g2-m2"]);

    let mut region = with("g1-m1 g1-m2 g2-m1");
    let taken = take(&mut region, 2, 30);
    let input = model::ChangeMessageVisibilityInput {
        queue_url: some(&fifo),
        receipt_handle: taken[0].receipt_handle.clone(),
        visibility_timeout: Some(0),
    };
    ask::<model::ChangeMessageVisibilityOutput>(&mut region, &call(1), "ChangeMessageVisibility", input).unwrap();
    assert_eq!(bodies(&take(&mut region, 3, 30)), ["g2-m1", "g1-m1"]);
}

#[test]
fn messages_of_different_groups_are_the_same_unless_the_queue_tells_groups_apart() {
    let fifo = URL.replace("inbox", "q.fifo");
    for (scope, expected) in [("queue", 1), ("messageGroup", 2)] {
        let mut region = Region::new(place(), 7, Timing::Instant);
        create(&mut region, "q.fifo", &[("FifoQueue", "true"), ("DeduplicationScope", scope)]).unwrap();
        for group in ["a", "b"] {
            send(&mut region, 0, &fifo, "m", Some(group)).unwrap();
        }
        assert_eq!(receive(&mut region, 0, &fifo).len(), expected, "{scope}");
        // A purged queue has forgotten what it took (recorded in LocalStack's tests).
        let input = model::PurgeQueueInput { queue_url: some(&fifo) };
        ask::<model::PurgeQueueOutput>(&mut region, &call(1), "PurgeQueue", input).unwrap();
        send(&mut region, 1, &fifo, "m", Some("a")).unwrap();
        assert_eq!(receive(&mut region, 1, &fifo).len(), 1, "{scope}");
    }
}

/// Source: SQS Developer Guide, "Using dead-letter queues": the time at which a message came in is unchanged.
#[test]
fn a_dead_letter_stays_the_same_message() {
    let mut region = with_letters(0);
    let id = send(&mut region, 10, URL, "m", None).unwrap();
    receive(&mut region, 10, URL);
    receive(&mut region, 20, URL);
    let letters = receive(&mut region, 20, DEAD);
    assert_eq!(letters[0].message_id, Some(id));
    let sent = (AT + Duration::from_secs(10)).as_millis().to_string();
    assert_eq!(letters[0].attributes.as_ref().unwrap()["SentTimestamp"], sent);
}

/// What AWS answered LocalStack's tests of attributes, and the limits of the developer guide.
#[test]
fn attributes_of_messages_are_named_and_counted_as_at_aws() {
    let attribute = |name: &str, data_type: &str, value: &str| {
        let value = model::MessageAttributeValue {
            data_type: some(data_type),
            string_value: some(value),
            ..Default::default()
        };
        (name.to_string(), value)
    };
    let many =
        |count: usize| (0..count).map(|n| attribute(&format!("a{n}"), "String", "x")).collect::<IndexMap<_, _>>();
    let long = "L".repeat(257);
    for (attributes, taken) in [
        (IndexMap::from([attribute("attr.1øßä", "String", "x")]), true),
        (IndexMap::from([attribute("aWs.-attr", "String", "x")]), false),
        (IndexMap::from([attribute("AMAZON.-attr", "String", "x")]), false),
        (IndexMap::from([attribute(".attr", "String", "x")]), false),
        (IndexMap::from([attribute("attr.", "String", "x")]), false),
        (IndexMap::from([attribute("a§b", "String", "x")]), false),
        (IndexMap::from([attribute(&long, "String", "x")]), false),
        (IndexMap::from([attribute("a", &format!("Number.{long}"), "1")]), false),
        (IndexMap::from([attribute("a", "String", "Invalid-\u{8}")]), false),
        (many(10), true),
        (many(11), false),
    ] {
        let mut region = with_queue(&[]);
        let input = model::SendMessageInput {
            queue_url: some(URL),
            message_body: some("m"),
            message_attributes: Some(attributes.clone()),
            ..Default::default()
        };
        let found = ask::<model::SendMessageOutput>(&mut region, &call(0), "SendMessage", input);
        assert_eq!(found.map(|_| true).unwrap_or_default(), taken, "{:?}", attributes.keys().collect::<Vec<_>>());
    }
}
