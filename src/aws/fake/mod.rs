//! A small AWS in memory, for tests of what stands on the traits. Start at [`FakeAws`].
//!
//! It answers like an endpoint that works: an alarm set to ALARM runs its actions, a policy moves the group, what happens is
//! announced. Its clock moves a second with every call, so that tests wait for nothing. It is no second engine: one group,
//! one step at a time, no metrics, no cooldowns. Tests make it misbehave by the fields of [`State`].

mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::json;

use super::names::{ActivityId, AlarmArn, AlarmName, InstanceId, Place, SubscriptionArn, TopicArn, Zone};
use super::{
    Activity, AlarmState, AwsError, Clients, DescribedAlarm, Endpoint, Group, HistoryItem, HistoryItemType, Instance,
    Message, MetricAlarm, Operation, Policy, ServerClock, StepAdjustment, Subscription, Trouble,
};
use crate::clock::Timestamp;

pub const ACCOUNT: &str = "123456789012";

/// Handed out as every client of [`Clients`].
pub struct FakeAws {
    state: Mutex<State>,
    clock: Arc<ServerClock>,
}

/// The world; tests read and bend it between calls.
pub struct State {
    pub now: Timestamp,
    pub place: Place,
    pub group: Option<Group>,
    pub policies: Vec<Policy>,
    pub activities: Vec<Activity>,
    pub alarms: BTreeMap<AlarmName, FakeAlarm>,
    pub topics: BTreeMap<TopicArn, FakeTopic>,
    /// Messages by queue URL.
    pub queues: BTreeMap<String, Vec<Message>>,
    /// Which events each topic hears.
    pub notifications: BTreeMap<TopicArn, BTreeSet<String>>,
    /// Every call, in order.
    pub calls: Vec<&'static str>,
    /// These operations, or all of a service (`autoscaling:`), are refused.
    pub refused: BTreeMap<&'static str, Trouble>,
    /// Off: alarms run their actions and nothing follows.
    pub policies_act: bool,
    pub notices_arrive: bool,
    /// What the last SetAlarmState carried.
    pub reason_data: Option<String>,
    due: Vec<(Timestamp, Due)>,
    last_id: u32,
}

pub struct FakeAlarm {
    pub described: DescribedAlarm,
    pub tags: BTreeMap<String, String>,
    pub history: Vec<HistoryItem>,
}

#[derive(Default)]
pub struct FakeTopic {
    pub attributes: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub subscriptions: Vec<Subscription>,
}

enum Due {
    Start { cause: String, launch: bool },
    End { activity: ActivityId, launch: bool },
}

/// What a launch or a termination takes here.
const ACTIVITY_TAKES: Duration = Duration::from_secs(40);
const DECISION_TAKES: Duration = Duration::from_secs(5);

impl FakeAws {
    /// Clients of a world with one group of one instance, 1 to 3, and the policies `scale-out` and `scale-in`.
    pub fn clients() -> (Arc<FakeAws>, Clients) {
        let clock = Arc::new(ServerClock::default());
        let start = Timestamp::from_secs(1_789_000_000);
        clock.note(start);
        let fake = Arc::new(FakeAws { state: Mutex::new(State::new(start)), clock: Arc::clone(&clock) });
        let endpoint = Endpoint { region: "ap-northeast-2".into(), url: Some("http://127.0.0.1:1".into()) };
        let clients = Clients {
            autoscaling: fake.clone(),
            cloudwatch: fake.clone(),
            ec2: fake.clone(),
            sns: fake.clone(),
            sqs: fake.clone(),
            sts: fake.clone(),
            clock,
            endpoint,
        };
        (fake, clients)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A call: a second passes, what is due happens, and it is refused if a test says so.
    fn call(&self, operation: &'static str) -> Result<MutexGuard<'_, State>, AwsError> {
        let mut state = self.state();
        state.now = state.now + Duration::from_secs(1);
        self.clock.note(state.now);
        state.calls.push(operation);
        state.run_due();
        let service = operation.split_inclusive(':').next().unwrap_or(operation);
        match state.refused.get(operation).or_else(|| state.refused.get(service)).cloned() {
            Some(trouble) => {
                Err(AwsError { operation: Operation(operation), endpoint: "http://127.0.0.1:1".into(), trouble })
            }
            None => Ok(state),
        }
    }
}

impl State {
    fn new(now: Timestamp) -> Self {
        let place = Place::new("ap-northeast-2", ACCOUNT);
        let policy = |name: &str, adjustment: i32| Policy {
            name: name.into(),
            arn: place
                .arn("autoscaling", &format!("scalingPolicy:1:autoScalingGroupName/course:policyName/{name}"))
                .into(),
            policy_type: "SimpleScaling".into(),
            scaling_adjustment: Some(adjustment),
            adjustment_type: "ChangeInCapacity".into(),
            steps: Vec::new(),
            estimated_instance_warmup: None,
            cooldown: Some(Duration::from_secs(300)),
            enabled: true,
        };
        let group = Group {
            name: "course".into(),
            min_size: 1,
            desired_capacity: 1,
            max_size: 3,
            instances: vec![instance("i-00")],
            ..Group::default()
        };
        Self {
            now,
            policies: vec![policy("scale-in", -1), policy("scale-out", 1)],
            place,
            group: Some(group),
            activities: Vec::new(),
            alarms: BTreeMap::new(),
            topics: BTreeMap::new(),
            queues: BTreeMap::new(),
            notifications: BTreeMap::new(),
            calls: Vec::new(),
            refused: BTreeMap::new(),
            policies_act: true,
            notices_arrive: true,
            reason_data: None,
            due: Vec::new(),
            last_id: 0,
        }
    }

    fn id(&mut self) -> String {
        self.last_id += 1;
        format!("{:02}", self.last_id)
    }

    fn run_due(&mut self) {
        loop {
            self.due.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
            match self.due.last() {
                Some((at, _)) if *at <= self.now => {}
                _ => return,
            }
            let Some((at, due)) = self.due.pop() else { return };
            match due {
                Due::Start { cause, launch } => self.start(at, cause, launch),
                Due::End { activity, launch } => self.end(at, &activity, launch),
            }
        }
    }

    fn start(&mut self, at: Timestamp, cause: String, launch: bool) {
        let activity = ActivityId(self.id());
        let new = format!("i-{}", activity.as_str());
        let Some(group) = &mut self.group else { return };
        let (verb, id) = if launch {
            group.instances.push(Instance { lifecycle_state: "Pending".into(), ..instance(&new) });
            ("Launching a new", new)
        } else {
            let Some(oldest) = group.instances.first_mut() else { return };
            oldest.lifecycle_state = "Terminating".into();
            ("Terminating", oldest.id.0.clone())
        };
        let entry = Activity {
            id: activity.clone(),
            description: format!("{verb} EC2 instance: {id}"),
            cause,
            start_time: at,
            end_time: None,
            status_code: "InProgress".into(),
            status_message: String::new(),
            details: "{}".into(),
        };
        self.activities.insert(0, entry);
        self.due.push((at + ACTIVITY_TAKES, Due::End { activity, launch }));
    }

    fn end(&mut self, at: Timestamp, activity: &ActivityId, launch: bool) {
        let Some(entry) = self.activities.iter_mut().find(|entry| entry.id == *activity) else { return };
        entry.end_time = Some(at);
        entry.status_code = "Successful".into();
        let id = entry.instance_id().unwrap_or_default();
        if let Some(group) = &mut self.group {
            match launch {
                true => group
                    .instances
                    .iter_mut()
                    .filter(|i| i.id == id)
                    .for_each(|i| i.lifecycle_state = "InService".into()),
                false => group.instances.retain(|instance| instance.id != id),
            }
        }
        let event = if launch { "autoscaling:EC2_INSTANCE_LAUNCH" } else { "autoscaling:EC2_INSTANCE_TERMINATE" };
        let heard: Vec<TopicArn> = self
            .notifications
            .iter()
            .filter(|(_, events)| events.contains(event))
            .map(|(topic, _)| topic.clone())
            .collect();
        let body = json!({ "AutoScalingGroupName": "course", "Event": event, "EC2InstanceId": id.as_str() });
        for topic in heard {
            self.publish(at, &topic, event, &body.to_string());
        }
    }

    fn publish(&mut self, at: Timestamp, topic: &TopicArn, subject: &str, message: &str) {
        let message_id = self.id();
        let Some(there) = self.topics.get(topic).filter(|_| self.notices_arrive) else { return };
        let envelope = json!({ "Type": "Notification", "MessageId": message_id, "TopicArn": topic.as_str(),
                               "Subject": subject, "Message": message });
        for subscription in there.subscriptions.iter().filter(|subscription| subscription.protocol == "sqs") {
            let name = subscription.endpoint.rsplit(':').next().unwrap_or_default();
            let message = Message {
                id: message_id.clone(),
                body: envelope.to_string(),
                receipt_handle: message_id.clone(),
                sent: at + Duration::from_millis(250),
            };
            self.queues.entry(queue_url(name)).or_default().push(message);
        }
    }

    /// Sets the group's wish and starts what follows from it, at once or after the time that a decision takes.
    fn set_desired(&mut self, desired: u32, sentence: &str) {
        let Some(group) = &mut self.group else { return };
        let before = group.desired_capacity;
        group.desired_capacity = desired;
        let cause =
            format!("At {} {sentence} changing the desired capacity from {before} to {desired}.", self.now.iso_secs());
        for _ in 0..before.abs_diff(desired) {
            self.due.push((self.now + DECISION_TAKES, Due::Start { cause: cause.clone(), launch: desired > before }));
        }
    }

    fn set_alarm(&mut self, name: &AlarmName, state: AlarmState) {
        let now = self.now;
        let Some(alarm) = self.alarms.get_mut(name) else { return };
        let old = std::mem::replace(&mut alarm.described.state, state);
        if old == state {
            return;
        }
        alarm.described.state_updated = now;
        alarm.note(now, HistoryItemType::StateUpdate, format!("Alarm updated from {old} to {state}"));
        if state == AlarmState::Alarm {
            self.act(name);
        }
    }

    fn act(&mut self, name: &AlarmName) {
        let now = self.now;
        let Some(alarm) = self.alarms.get_mut(name) else { return };
        for arn in alarm.described.config.alarm_actions.clone() {
            let Some(alarm) = self.alarms.get_mut(name) else { return };
            alarm.note(now, HistoryItemType::Action, format!("Successfully executed action {arn}"));
            if let Some(policy) = self.policies.iter().find(|policy| policy.arn.as_str() == arn).cloned() {
                self.invoke(name, &policy);
            } else {
                let body = json!({ "AlarmName": name.as_str(), "NewStateValue": "ALARM" }).to_string();
                self.publish(now, &TopicArn(arn), &format!("ALARM: \"{name}\""), &body);
            }
        }
    }

    fn invoke(&mut self, alarm: &AlarmName, policy: &Policy) {
        let Some(group) = self.group.as_ref().filter(|_| self.policies_act) else { return };
        let Some(change) = policy.scaling_adjustment.or_else(|| self.step_change(alarm, policy)) else { return };
        let wished = group.desired_capacity.saturating_add_signed(change);
        let desired = wished.clamp(group.min_size, group.max_size);
        self.set_desired(desired, &format!("a monitor alarm {alarm} in state ALARM triggered policy {}", policy.name));
    }

    /// What a step policy makes of the newest data point that SetAlarmState told of.
    fn step_change(&self, alarm: &AlarmName, policy: &Policy) -> Option<i32> {
        let data: serde_json::Value = serde_json::from_str(self.reason_data.as_deref()?).ok()?;
        let value = data["recentDatapoints"].as_array()?.last()?.as_f64()?;
        let distance = value - self.alarms.get(alarm)?.described.config.threshold;
        let fits = |step: &&StepAdjustment| {
            step.lower_bound.is_none_or(|bound| bound <= distance)
                && step.upper_bound.is_none_or(|bound| distance < bound)
        };
        policy.steps.iter().find(fits).map(|step| step.adjustment)
    }

    fn put_alarm(&mut self, config: &MetricAlarm, tags: &BTreeMap<String, String>) {
        let arn = AlarmArn(self.place.arn("cloudwatch", &format!("alarm:{}", config.name)));
        let now = self.now;
        let fresh = || FakeAlarm {
            described: DescribedAlarm {
                arn,
                config: config.clone(),
                state: AlarmState::Ok,
                state_reason: String::new(),
                state_updated: now,
            },
            // AWS takes tags only for a new alarm.
            tags: tags.clone(),
            history: Vec::new(),
        };
        self.alarms.entry(config.name.clone()).or_insert_with(fresh).described.config = config.clone();
    }

    fn subscribe(&mut self, topic: &TopicArn, protocol: &str, endpoint: &str) -> Option<SubscriptionArn> {
        let id = self.id();
        let arn = (protocol == "sqs").then(|| SubscriptionArn(format!("{topic}:{id}")));
        let subscription = Subscription { arn: arn.clone(), protocol: protocol.into(), endpoint: endpoint.into() };
        self.topics.get_mut(topic)?.subscriptions.push(subscription);
        arn
    }
}

impl FakeAlarm {
    fn note(&mut self, at: Timestamp, kind: HistoryItemType, summary: String) {
        self.history.insert(0, HistoryItem { at, kind, summary, data: "{}".into() });
    }
}

pub fn queue_url(name: &str) -> String {
    format!("http://127.0.0.1:1/{ACCOUNT}/{name}")
}

fn instance(id: &str) -> Instance {
    Instance {
        id: InstanceId::from(id),
        lifecycle_state: "InService".into(),
        health_status: "Healthy".into(),
        zone: Zone::from("ap-northeast-2a"),
    }
}
