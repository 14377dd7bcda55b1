//! The course stack on an endpoint, whatever it is: rendered, applied by real terraform and wired; then its alarms are
//! forced and the notices received in a queue. Start at [`harness`].

use std::collections::BTreeMap;
use std::time::Duration;

use scaleproof::aws::names::{AlarmName, GroupName, TopicArn};
use scaleproof::aws::{AlarmState, Clients, StaticCredentials, Target};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{Endpoint, Provider, REGION, Workplace, eventually, leave_out};

/// LocalStack has no Canonical images of this decade; this one is in LocalStack and in the sandbox.
const IMAGE: &str = "ami-12c6146b";
/// The first call of a service loads it, on LocalStack in several seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an endpoint without Auto Scaling cannot show.
pub const AUTO_SCALING_STEPS: [&str; 3] =
    ["terraform applies the group and its policies", "the alarm scales the group out", "the group's notice arrives"];

/// Returns the steps that the endpoint does not serve.
pub async fn harness(endpoint: &Endpoint, provider: &Provider) -> Vec<&'static str> {
    let place = Workplace::new(endpoint, provider);
    place.edit("ubuntu-24.04 ", &format!("{IMAGE} "));
    let scales = serves_auto_scaling(&place);
    let left_out = if scales { Vec::new() } else { AUTO_SCALING_STEPS.to_vec() };
    for step in &left_out {
        leave_out(&format!("{} on {}", step, endpoint.name), "Auto Scaling is not served by this endpoint");
    }
    let clients = connect(endpoint).await;
    import_key_pair(&place);
    apply(&place, endpoint, scales);
    wire(&place);
    let topic = topic_of(&clients).await;
    let queue = Queue::subscribed_to(&clients, &topic).await;
    let before = if scales { desired_capacity(&clients).await } else { 0 };

    for alarm in ["course-cpu-high", "course-cpu-warning"] {
        force(&clients, alarm).await;
        queue.receive_notice_of(alarm).await;
    }
    if scales {
        let bigger = async || match desired_capacity(&clients).await {
            capacity if capacity > before => Ok(()),
            capacity => Err(capacity),
        };
        eventually("the alarm scales the group out", PATIENCE, bigger).await;
        queue.receive("the group's notice", |notice| notice["Event"] == "autoscaling:EC2_INSTANCE_LAUNCH").await;
    }
    left_out
}

fn serves_auto_scaling(place: &Workplace) -> bool {
    // Exit 10 is doctor's own verdict on an endpoint that lacks a service.
    let findings = place.scaleproof(&["doctor", "--json"]).json();
    let of = |check: &str| {
        let found = findings.as_array().into_iter().flatten().find(|finding| finding["check"] == check);
        found.unwrap_or_else(|| panic!("doctor says nothing of {check}: {findings}")).clone()
    };
    for service in ["cloudwatch", "ec2", "sns", "sqs"] {
        assert_eq!(of(service)["verdict"], "met", "{findings}");
    }
    let auto_scaling = of("autoscaling");
    let serves = auto_scaling["verdict"] == "met";
    assert!(serves || auto_scaling["found"] == "not served by this endpoint", "{findings}");
    serves
}

/// The course example takes an existing pair; a new account has none.
fn import_key_pair(place: &Workplace) {
    place.edit("key_pair: my-key ", "");
}

/// Renders the stack and applies it, or all of it that needs no Auto Scaling.
fn apply(place: &Workplace, endpoint: &Endpoint, scales: bool) {
    place.scaleproof(&["render", "course.yaml", "-o", "out", "--endpoint", &endpoint.url]).exits(0);
    place.terraform("out", &["init", "-input=false", "-no-color"]).exits(0);
    place.terraform("out", &["plan", "-input=false", "-no-color", "-out=plan"]).exits(0);
    let plan = place.terraform("out", &["show", "-json", "plan"]).exits(0).json();
    let targets: Vec<String> = addresses(&plan)
        .into_iter()
        .filter(|address| scales || !address.starts_with("aws_autoscaling_"))
        .map(|address| format!("-target={address}"))
        .collect();
    assert!(!targets.is_empty(), "nothing to apply: {plan}");
    let mut args = vec!["apply", "-input=false", "-no-color", "-auto-approve"];
    if !scales {
        args.extend(targets.iter().map(String::as_str));
    }
    place.terraform("out", &args).exits(0);
}

fn addresses(plan: &Value) -> Vec<String> {
    let changes = plan["resource_changes"].as_array().into_iter().flatten();
    changes
        .filter(|change| change["mode"] == "managed")
        .filter_map(|change| Some(change["address"].as_str()?.to_string()))
        .collect()
}

fn wire(place: &Workplace) {
    place.scaleproof(&["wire", "course.yaml", "--yes"]).exits(0);
}

pub async fn connect(endpoint: &Endpoint) -> Clients {
    let target = Target {
        region: REGION.into(),
        endpoint_url: Some(endpoint.url.clone()),
        credentials: Some(StaticCredentials { access_key_id: "test".into(), secret_access_key: "test".into() }),
    };
    Clients::connect(&target).await.expect("static credentials are enough")
}

async fn topic_of(clients: &Clients) -> TopicArn {
    let topics = clients.sns.list_topics().await.expect("topics are listed");
    topics.into_iter().find(|topic| topic.as_str().ends_with(":course-ops")).expect("wire made the topic")
}

async fn desired_capacity(clients: &Clients) -> u32 {
    let group = clients.autoscaling.describe_auto_scaling_groups(&GroupName::from("course")).await;
    group.expect("groups are described").expect("the group is there").desired_capacity
}

async fn force(clients: &Clients, alarm: &str) {
    let name = AlarmName::from(alarm);
    for state in [AlarmState::Ok, AlarmState::Alarm] {
        clients.cloudwatch.set_alarm_state(&name, state, "forced by a test", None).await.expect("the alarm is forced");
    }
}

/// A queue that hears everything that is published to a topic.
struct Queue<'a> {
    clients: &'a Clients,
    url: String,
    /// All that was received: what is looked for later may come together with what is looked for now.
    seen: Mutex<Vec<String>>,
}

impl<'a> Queue<'a> {
    async fn subscribed_to(clients: &'a Clients, topic: &TopicArn) -> Self {
        const NAME: &str = "receipts";
        let account = topic.as_str().split(':').nth(4).expect("an ARN names its account");
        let arn = format!("arn:aws:sqs:{REGION}:{account}:{NAME}");
        let policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": "sns.amazonaws.com" },
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": { "ArnEquals": { "aws:SourceArn": topic.as_str() } },
            }],
        });
        let attributes = BTreeMap::from([("Policy".to_string(), policy.to_string())]);
        let url = clients.sqs.create_queue(NAME, &attributes, &BTreeMap::new()).await.expect("the queue is made");
        clients.sns.subscribe(topic, "sqs", &arn).await.expect("the queue is subscribed");
        Self { clients, url, seen: Mutex::default() }
    }

    async fn receive_notice_of(&self, alarm: &str) {
        let is_ours = |notice: &Value| notice["AlarmName"] == alarm && notice["NewStateValue"] == "ALARM";
        self.receive(&format!("the notice of {alarm}"), is_ours).await;
    }

    /// Takes messages until one carries what is looked for, whatever was looked for when it came.
    async fn receive(&self, what: &str, is_it: impl Fn(&Value) -> bool) {
        let probe = async || {
            let mut seen = self.seen.lock().await;
            for message in self.clients.sqs.receive_message(&self.url).await.expect("messages are received") {
                self.clients
                    .sqs
                    .delete_message(&self.url, &message.receipt_handle)
                    .await
                    .expect("a message is deleted");
                let envelope: Value = serde_json::from_str(&message.body).expect("SNS writes JSON");
                let text = envelope["Message"].as_str().unwrap_or_default().to_string();
                seen.push(text);
            }
            let found = seen.iter().filter_map(|text| serde_json::from_str::<Value>(text).ok()).any(|n| is_it(&n));
            if found { Ok(()) } else { Err(seen.clone()) }
        };
        eventually(what, PATIENCE, probe).await;
    }
}
