//! The drill that moves nothing: is everything there that the other drills, and a real breach, will need?
//! Start at [`judge_preflight`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::drill::Scene;
use super::evidence::Seen;
use super::report::{Drill, DrillReport, Step, Verdict};
use super::wait::{Look, Stop, Waited};
use crate::aws::names::{AlarmName, GroupName, TopicArn};
use crate::aws::{
    AlarmSelection, AwsError, DescribedAlarm, Group, Notification, Policy, StatisticsQuery, Subscription,
};
use crate::clock::Clock;
use crate::model::{Alarm, Stack, Topic};
use crate::wire;

#[derive(Debug, Clone, PartialEq)]
pub struct PreflightEvidence {
    pub account: String,
    pub group: Seen<Group>,
    pub policies: Seen<Vec<Policy>>,
    pub notifications: Seen<Vec<Notification>>,
    /// What `wire` would change, each in a sentence, and what it cannot tell.
    pub differences: Vec<String>,
    pub undecided: Vec<String>,
    /// By name.
    pub alarms: BTreeMap<String, AlarmEvidence>,
    /// By ARN, the stack's and those that its alarms name.
    pub topics: BTreeMap<TopicArn, Seen<TopicEvidence>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AlarmEvidence {
    pub described: Seen<DescribedAlarm>,
    /// How many datapoints the metric has in the last quarter of an hour.
    pub datapoints: Seen<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TopicEvidence {
    pub policy: String,
    pub key: Option<String>,
    pub subscriptions: Vec<Subscription>,
}

/// How far back to look for data: three periods of the usual five minutes.
const DATA_WINDOW: Duration = Duration::from_secs(900);

/// A new group's metric needs a while: instances publish a minute or five after they start.
const DATA_PATIENCE: Duration = Duration::from_secs(420);

/// A refusal that means "not here" is an answer; any other ends the run.
fn answered<T>(result: Result<Option<T>, AwsError>, missing: &str) -> Result<Seen<T>, AwsError> {
    match result {
        Ok(Some(value)) => Ok(Seen::Yes(value)),
        Ok(None) => Ok(Seen::No { last: missing.into() }),
        Err(error) if error.is_not_served() => Ok(Seen::Unknown { because: error.to_string() }),
        Err(error) => Err(error),
    }
}

pub(super) async fn observe(scene: &mut Scene<'_>) -> Result<PreflightEvidence, Stop> {
    let (clients, stack) = (scene.clients, scene.stack);
    let name = GroupName(stack.group.name.clone());
    let group = answered(clients.autoscaling.describe_auto_scaling_groups(&name).await, "it does not exist")?;
    let (policies, notifications) = match &group {
        Seen::Yes(_) => (
            answered(clients.autoscaling.describe_policies(&name).await.map(Some), "")?,
            answered(clients.autoscaling.describe_notification_configurations(&name).await.map(Some), "")?,
        ),
        Seen::No { last } => (Seen::No { last: last.clone() }, Seen::No { last: last.clone() }),
        Seen::Unknown { because } => {
            (Seen::Unknown { because: because.clone() }, Seen::Unknown { because: because.clone() })
        }
    };
    let found = wire::find(clients, stack).await?;
    let plan = wire::plan(stack, &found);
    let alarms = alarms(scene).await?;
    Ok(PreflightEvidence {
        account: scene.place.account.clone(),
        group,
        policies,
        notifications,
        differences: differences(&plan),
        undecided: plan.left_out.clone(),
        topics: topics(scene, &alarms).await?,
        alarms,
    })
}

fn differences(plan: &wire::Plan) -> Vec<String> {
    let changes = plan.doing().map(|change| format!("{} {}", change.resource, change.because));
    let conflicts = plan.conflicts.iter().map(ToString::to_string);
    let policies = plan.missing_policies.iter().map(|policy| format!("policy {policy} does not exist"));
    changes.chain(conflicts).chain(policies).collect()
}

async fn alarms(scene: &mut Scene<'_>) -> Result<BTreeMap<String, AlarmEvidence>, Stop> {
    let clients = scene.clients;
    let names: Vec<AlarmName> = scene.stack.alerting.alarms.iter().map(|alarm| AlarmName(alarm.name.clone())).collect();
    let mut described = BTreeMap::new();
    for names in names.chunks(AlarmSelection::NAMES) {
        for alarm in clients.cloudwatch.describe_alarms(AlarmSelection::Names(names)).await? {
            described.insert(alarm.config.name.0.clone(), alarm);
        }
    }
    let mut counted: BTreeMap<Metric, Seen<usize>> = BTreeMap::new();
    let mut seen = BTreeMap::new();
    for alarm in &scene.stack.alerting.alarms {
        let datapoints = match counted.get(&metric_of(alarm)) {
            Some(known) => known.clone(),
            None => {
                let count = datapoints(scene, alarm).await?;
                counted.insert(metric_of(alarm), count.clone());
                count
            }
        };
        let described = answered(Ok(described.remove(&alarm.name)), "it does not exist")?;
        seen.insert(alarm.name.clone(), AlarmEvidence { described, datapoints });
    }
    Ok(seen)
}

type Metric = (String, String, BTreeMap<String, String>, String, Duration);

/// Alarms on the same metric need only one look.
fn metric_of(alarm: &Alarm) -> Metric {
    let Alarm { namespace, metric_name, dimensions, statistic, period, .. } = alarm;
    (namespace.clone(), metric_name.clone(), dimensions.clone(), statistic.clone(), *period)
}

async fn datapoints(scene: &mut Scene<'_>, alarm: &Alarm) -> Result<Seen<usize>, Stop> {
    let clients = scene.clients;
    (scene.progress)(&format!("looking for data of {} {}", alarm.namespace, alarm.metric_name));
    let deadline = (clients.clock.now() + DATA_PATIENCE).min(scene.end);
    let look = async || {
        let now = clients.clock.now();
        let query = StatisticsQuery {
            namespace: alarm.namespace.clone(),
            metric_name: alarm.metric_name.clone(),
            dimensions: alarm.dimensions.clone(),
            statistic: alarm.statistic.clone(),
            // Finer data than a minute is gone after three hours and cannot be asked for on every metric.
            period: alarm.period.max(Duration::from_secs(60)),
            start: (now - DATA_WINDOW.max(3 * alarm.period)).floor_to(Duration::from_secs(60)),
            end: now,
        };
        match clients.cloudwatch.get_metric_statistics(&query).await {
            Ok(points) if points.is_empty() => Ok(Look::NotYet("no data in the last quarter of an hour".into())),
            Ok(points) => Ok(Look::Done(Seen::Yes(points.len()))),
            Err(error) if error.is_not_served() => Ok(Look::Done(Seen::Unknown { because: error.to_string() })),
            Err(error) => Err(error.into()),
        }
    };
    match scene.wait.until(deadline, look).await? {
        Waited::Done(seen) => Ok(seen),
        Waited::GaveUp { last } => Ok(Seen::No { last }),
    }
}

async fn topics(
    scene: &Scene<'_>,
    alarms: &BTreeMap<String, AlarmEvidence>,
) -> Result<BTreeMap<TopicArn, Seen<TopicEvidence>>, AwsError> {
    let sns = &scene.clients.sns;
    let own = scene.stack.alerting.topics.iter().map(|topic| scene.place.arn("sns", &topic.name));
    let described = alarms.values().filter_map(|alarm| alarm.described.yes());
    let named = described.flat_map(actions_of).filter(|arn| arn.contains(":sns:")).cloned();
    let mut seen = BTreeMap::new();
    for arn in own.chain(named).map(TopicArn).collect::<BTreeSet<_>>() {
        let there = match sns.get_topic_attributes(&arn).await? {
            None => Seen::No { last: "it does not exist".into() },
            Some(attributes) => Seen::Yes(TopicEvidence {
                policy: attributes.get("Policy").cloned().unwrap_or_default(),
                key: attributes.get("KmsMasterKeyId").filter(|key| !key.is_empty()).cloned(),
                subscriptions: sns.list_subscriptions_by_topic(&arn).await?,
            }),
        };
        seen.insert(arn, there);
    }
    Ok(seen)
}

fn actions_of(alarm: &DescribedAlarm) -> impl Iterator<Item = &String> {
    let config = &alarm.config;
    config.alarm_actions.iter().chain(&config.ok_actions).chain(&config.insufficient_data_actions)
}

/// Every check of the preflight, each with its verdict.
pub fn judge_preflight(stack: &Stack, seen: &PreflightEvidence) -> DrillReport {
    let mut steps = vec![group_step(stack, seen), alerting_step(seen)];
    for alarm in &stack.alerting.alarms {
        if let Some(evidence) = seen.alarms.get(&alarm.name) {
            steps.push(alarm_step(stack, seen, alarm, evidence));
            steps.push(data_step(alarm, evidence));
        }
    }
    for topic in &stack.alerting.topics {
        let suffix = format!(":{}", topic.name);
        if let Some((arn, evidence)) = seen.topics.iter().find(|(arn, _)| arn.as_str().ends_with(&suffix)) {
            steps.extend(topic_steps(seen, topic, arn, evidence));
        }
        steps.extend(events_step(seen, topic));
    }
    let verdict = Verdict::all(steps.iter().map(|step| step.verdict));
    let failing = steps.iter().filter(|step| step.verdict != Verdict::Met).count();
    let summary = match failing {
        0 => format!("All {} checks hold.", steps.len()),
        _ => format!("{failing} of {} checks do not hold or cannot be decided.", steps.len()),
    };
    DrillReport { drill: Drill::Preflight, verdict, summary, breach: None, steps }
}

fn check(step: String, verdict: Verdict, detail: impl Into<String>) -> Step {
    Step { step, at: None, offset: None, latency: None, limit: None, verdict, detail: detail.into() }
}

/// Met if nothing is wrong.
fn faults(step: String, faults: &[String], fine: impl Into<String>) -> Step {
    if faults.is_empty() { check(step, Verdict::Met, fine) } else { check(step, Verdict::NotMet, faults.join("; ")) }
}

/// The step for what is not there to be looked at.
fn absent<T>(step: String, seen: &Seen<T>) -> Result<&T, Step> {
    match seen {
        Seen::Yes(value) => Ok(value),
        Seen::No { last } => Err(check(step, Verdict::NotMet, last)),
        Seen::Unknown { because } => Err(check(step, Verdict::CouldNotTell, because)),
    }
}

/// Without these a breach changes nothing.
const NEEDED_PROCESSES: [&str; 3] = ["Launch", "Terminate", "AlarmNotification"];

fn group_step(stack: &Stack, seen: &PreflightEvidence) -> Step {
    let step = format!("group {} is as specified", stack.group.name);
    let group = match absent(step.clone(), &seen.group) {
        Ok(group) => group,
        Err(step) => return step,
    };
    let mut wrong = Vec::new();
    for (what, is, wanted) in
        [("min_size", group.min_size, stack.group.min_size), ("max_size", group.max_size, stack.group.max_size)]
    {
        if is != wanted {
            wrong.push(format!("{what} is {is}, not {wanted}"));
        }
    }
    let suspended = group.suspended_processes.iter().filter(|process| NEEDED_PROCESSES.contains(&process.as_str()));
    wrong.extend(suspended.map(|process| format!("the process {process} is suspended")));
    wrong.extend(group.status.iter().map(|status| format!("its status is {status}")));
    let serving = group.instances.iter().filter(|instance| instance.is_in_service()).count();
    let fine = format!("{serving} of {} instances in service", group.desired_capacity);
    faults(step, &wrong, fine)
}

fn alerting_step(seen: &PreflightEvidence) -> Step {
    let step = "alerting is as specified".to_string();
    match (seen.differences.as_slice(), seen.undecided.as_slice()) {
        ([], []) => check(step, Verdict::Met, "wire has nothing to do"),
        ([], undecided) => check(step, Verdict::CouldNotTell, undecided.join("; ")),
        (differences, _) => check(step, Verdict::NotMet, differences.join("; ")),
    }
}

fn alarm_step(stack: &Stack, seen: &PreflightEvidence, alarm: &Alarm, evidence: &AlarmEvidence) -> Step {
    let step = format!("{} can act", alarm.name);
    let described = match absent(step.clone(), &evidence.described) {
        Ok(described) => described,
        Err(step) => return step,
    };
    let mut wrong = Vec::new();
    if !described.config.actions_enabled {
        wrong.push("its actions are disabled".to_string());
    }
    if let Some(group) =
        described.config.dimensions.get("AutoScalingGroupName").filter(|name| **name != stack.group.name)
    {
        wrong.push(format!("it watches the group {group}"));
    }
    let mut undecided = Vec::new();
    for arn in actions_of(described) {
        match exists(seen, arn) {
            Some(true) => {}
            Some(false) => wrong.push(format!("{arn} does not exist")),
            None => undecided.push(arn.clone()),
        }
    }
    match undecided.as_slice() {
        [first, ..] if wrong.is_empty() => {
            check(step, Verdict::CouldNotTell, format!("whether {first} exists cannot be asked"))
        }
        _ => faults(step, &wrong, format!("{} actions, all there", actions_of(described).count())),
    }
}

/// Whether an action's target exists; `None` if nobody could be asked.
fn exists(seen: &PreflightEvidence, arn: &str) -> Option<bool> {
    if arn.contains(":autoscaling:") {
        return seen.policies.yes().map(|policies| policies.iter().any(|policy| policy.arn.as_str() == arn));
    }
    match seen.topics.get(&TopicArn::from(arn)) {
        Some(Seen::Yes(_)) => Some(true),
        Some(Seen::No { .. }) => Some(false),
        Some(Seen::Unknown { .. }) | None => None,
    }
}

fn data_step(alarm: &Alarm, evidence: &AlarmEvidence) -> Step {
    let step = format!("{} has data", alarm.name);
    match absent(step.clone(), &evidence.datapoints) {
        Ok(count) => {
            check(step, Verdict::Met, format!("{count} datapoints of {} {}", alarm.namespace, alarm.metric_name))
        }
        Err(step) => step,
    }
}

fn topic_steps(seen: &PreflightEvidence, topic: &Topic, arn: &TopicArn, evidence: &Seen<TopicEvidence>) -> Vec<Step> {
    let step = format!("{} lets CloudWatch publish", topic.name);
    let there = match absent(step.clone(), evidence) {
        Ok(there) => there,
        Err(step) => return vec![step],
    };
    let allowed = wire::lets_publish(&there.policy, arn, &seen.account);
    let publish = match there.key.as_deref() {
        _ if !allowed => check(step, Verdict::NotMet, "its policy has no statement that does"),
        // CloudWatch may not use the key that AWS manages for SNS, and its policy cannot be changed.
        Some(key) if key.ends_with("alias/aws/sns") => {
            check(step, Verdict::NotMet, "it is encrypted with alias/aws/sns, which CloudWatch may not use")
        }
        Some(key) => {
            check(step, Verdict::CouldNotTell, format!("it is encrypted with {key}, whose policy is not read"))
        }
        None => check(step, Verdict::Met, "its policy does, and it has no key"),
    };
    vec![publish, subscribers_step(topic, there)]
}

fn subscribers_step(topic: &Topic, there: &TopicEvidence) -> Step {
    let step = format!("{} reaches its subscribers", topic.name);
    let confirmed = there.subscriptions.iter().filter(|subscription| subscription.arn.is_some()).count();
    let mut wrong: Vec<String> = Vec::new();
    for email in &topic.emails {
        match there.subscriptions.iter().find(|subscription| subscription.endpoint == *email) {
            None => wrong.push(format!("{email} is not subscribed")),
            Some(subscription) if subscription.arn.is_none() => {
                wrong.push(format!("{email} has not followed the link in its mail"))
            }
            Some(_) => {}
        }
    }
    if confirmed == 0 && wrong.is_empty() {
        wrong.push("nobody is subscribed".into());
    }
    faults(step, &wrong, format!("{confirmed} confirmed"))
}

fn events_step(seen: &PreflightEvidence, topic: &Topic) -> Option<Step> {
    if topic.group_events.is_empty() {
        return None;
    }
    let step = format!("{} hears of the group", topic.name);
    let heard = match absent(step.clone(), &seen.notifications) {
        Ok(heard) => heard,
        Err(step) => return Some(step),
    };
    let suffix = format!(":{}", topic.name);
    let hears = |event: &str| {
        heard.iter().any(|heard| heard.topic_arn.as_str().ends_with(&suffix) && heard.notification_type == event)
    };
    let missing: Vec<String> = topic
        .group_events
        .iter()
        .map(|event| event.notification_type())
        .filter(|event| !hears(event))
        .map(|event| format!("{event} is not announced"))
        .collect();
    Some(faults(step, &missing, format!("{} kinds of events", topic.group_events.len())))
}
