//! `scaleproof status`: the stack on one screen.

use clap::Args;
use serde::Serialize;

use super::connection::{Connection, aws_failure};
use super::{Exit, Failure};
use crate::aws::names::{AlarmName, GroupName, InstanceId};
use crate::aws::{AlarmSelection, AwsError, Clients};
use crate::model::Stack;
use crate::wire::{self, Pending};

/// Show a stack on one screen: capacity, instances, alarms, subscribers, last activities
///
/// Exits 10 when nothing of the stack is there.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    connection: Connection,
    /// Print the status as JSON
    #[arg(long)]
    json: bool,
}

/// So many activities fit beside the rest.
const ACTIVITIES: usize = 5;

#[derive(Debug, Serialize)]
struct Screen {
    stack: String,
    endpoint: String,
    group: Option<GroupLine>,
    alarms: Vec<AlarmLine>,
    topics: Vec<TopicLine>,
    unconfirmed: Vec<Pending>,
    activities: Vec<ActivityLine>,
    /// Each operation that this endpoint does not have.
    not_served: Vec<String>,
}

impl Screen {
    /// Whether neither the group nor any of its alerting is there, as far as could be asked.
    fn is_nothing(&self) -> bool {
        self.group.is_none()
            && self.not_served.is_empty()
            && self.alarms.iter().all(|alarm| alarm.state.is_none())
            && self.topics.iter().all(|topic| !topic.exists)
    }
}

#[derive(Debug, Serialize)]
struct GroupLine {
    name: String,
    min_size: u32,
    desired_capacity: u32,
    max_size: u32,
    instances: Vec<InstanceLine>,
}

#[derive(Debug, Serialize)]
struct InstanceLine {
    id: String,
    lifecycle_state: String,
    health_status: String,
    zone: String,
    public_ip: Option<String>,
}

#[derive(Debug, Serialize)]
struct AlarmLine {
    name: String,
    /// Absent where the alarm is.
    state: Option<&'static str>,
    reason: String,
}

#[derive(Debug, Serialize)]
struct TopicLine {
    name: String,
    exists: bool,
    confirmed: usize,
}

#[derive(Debug, Serialize)]
struct ActivityLine {
    start: String,
    status: String,
    description: String,
    cause: String,
}

pub async fn run(args: &Status) -> Result<Exit, Failure> {
    let (loaded, clients) = args.connection.open().await?;
    let screen = read(&clients, &loaded.stack).await.map_err(|error| aws_failure("show", &loaded.stack, error))?;
    if args.json {
        let json = serde_json::to_string_pretty(&screen).map_err(|error| Failure::new(Exit::Bug, error))?;
        anstream::println!("{json}");
    } else {
        anstream::print!("{}", text(&screen));
    }
    if screen.is_nothing() {
        let failure = Failure::new(Exit::NotMet, format!("there is nothing of the stack `{}` there", screen.stack));
        let hint = "--endpoint says where to look instead; to see what it takes to make it, run:";
        return Err(failure.hint(hint).run(format!("scaleproof plan {}", loaded.map.file)));
    }
    Ok(Exit::Done)
}

async fn read(clients: &Clients, stack: &Stack) -> Result<Screen, AwsError> {
    let found = wire::find(clients, stack).await?;
    let mut screen = Screen {
        stack: stack.name.clone(),
        endpoint: clients.endpoint.to_string(),
        group: None,
        alarms: alarms(clients, stack).await?,
        topics: topics(stack, &found),
        unconfirmed: wire::plan(stack, &found).unconfirmed,
        activities: Vec::new(),
        not_served: Vec::new(),
    };
    match group(clients, stack).await {
        Ok(Some((group, activities))) => {
            screen.group = Some(group);
            screen.activities = activities;
        }
        Ok(None) => {}
        Err(error) if error.is_not_served() => screen.not_served.push(error.to_string()),
        Err(error) => return Err(error),
    }
    Ok(screen)
}

async fn group(clients: &Clients, stack: &Stack) -> Result<Option<(GroupLine, Vec<ActivityLine>)>, AwsError> {
    let name = GroupName(stack.group.name.clone());
    let Some(group) = clients.autoscaling.describe_auto_scaling_groups(&name).await? else { return Ok(None) };
    let ids: Vec<InstanceId> = group.instances.iter().map(|instance| instance.id.clone()).collect();
    let described = match clients.ec2.describe_instances(&ids).await {
        // An address is a nicety; an instance may be gone, or the endpoint without EC2.
        Err(error) if error.is_not_served() || error.code().is_some() => Vec::new(),
        other => other?,
    };
    let ip_of =
        |id: &InstanceId| described.iter().find(|there| there.id == *id).and_then(|there| there.public_ip.clone());
    let instances = group.instances.iter().map(|instance| InstanceLine {
        id: instance.id.0.clone(),
        lifecycle_state: instance.lifecycle_state.clone(),
        health_status: instance.health_status.clone(),
        zone: instance.zone.0.clone(),
        public_ip: ip_of(&instance.id),
    });
    let line = GroupLine {
        name: group.name.0.clone(),
        min_size: group.min_size,
        desired_capacity: group.desired_capacity,
        max_size: group.max_size,
        instances: instances.collect(),
    };
    let activities = clients.autoscaling.describe_scaling_activities(&name).await?;
    let activities = activities.into_iter().take(ACTIVITIES).map(|activity| ActivityLine {
        start: activity.start_time.iso_secs(),
        status: activity.status_code,
        description: activity.description,
        cause: activity.cause,
    });
    Ok(Some((line, activities.collect())))
}

async fn alarms(clients: &Clients, stack: &Stack) -> Result<Vec<AlarmLine>, AwsError> {
    let names: Vec<AlarmName> = stack.alerting.alarms.iter().map(|alarm| AlarmName(alarm.name.clone())).collect();
    let mut lines = Vec::with_capacity(names.len());
    for names in names.chunks(AlarmSelection::NAMES) {
        let described = clients.cloudwatch.describe_alarms(AlarmSelection::Names(names)).await?;
        lines.extend(names.iter().map(|name| {
            let there = described.iter().find(|alarm| alarm.config.name == *name);
            AlarmLine {
                name: name.0.clone(),
                state: there.map(|alarm| alarm.state.as_str()),
                reason: there.map_or_else(|| "it does not exist".into(), |alarm| alarm.state_reason.clone()),
            }
        }));
    }
    Ok(lines)
}

fn topics(stack: &Stack, found: &wire::Found) -> Vec<TopicLine> {
    let line = |topic: &crate::model::Topic| {
        let there = found.topics.iter().find(|(arn, _)| arn.as_str().ends_with(&format!(":{}", topic.name)));
        let subscriptions = there.map(|(_, topic)| topic.subscriptions.as_slice()).unwrap_or_default();
        let confirmed = subscriptions.iter().filter(|subscription| subscription.arn.is_some()).count();
        TopicLine { name: topic.name.clone(), exists: there.is_some(), confirmed }
    };
    stack.alerting.topics.iter().map(line).collect()
}

fn text(screen: &Screen) -> String {
    let mut text = format!("{} on {}\n", screen.stack, screen.endpoint);
    text += &group_text(screen);
    for alarm in &screen.alarms {
        text += &format!("alarm  {:<24} {:<18} {}\n", alarm.name, alarm.state.unwrap_or("-"), alarm.reason);
    }
    for topic in &screen.topics {
        let state = if topic.exists { format!("{} confirmed", topic.confirmed) } else { "does not exist".into() };
        text += &format!("topic  {:<24} {state}\n", topic.name);
    }
    for pending in &screen.unconfirmed {
        text += &format!("       {} has not confirmed\n", pending.email);
    }
    for activity in &screen.activities {
        text += &format!("{}  {:<11} {}\n", activity.start, activity.status, activity.description);
    }
    text.extend(screen.not_served.iter().map(|operation| format!("{operation}\n")));
    text
}

fn group_text(screen: &Screen) -> String {
    let Some(group) = &screen.group else {
        return if screen.not_served.is_empty() { "group  does not exist\n".into() } else { String::new() };
    };
    let GroupLine { name, min_size, desired_capacity, max_size, instances } = group;
    let mut text = format!("group  {name:<24} min {min_size}, desired {desired_capacity}, max {max_size}\n");
    for instance in instances {
        let InstanceLine { id, lifecycle_state, health_status, zone, public_ip } = instance;
        let ip = public_ip.as_deref().unwrap_or("");
        text += &format!("       {id:<24} {lifecycle_state:<18} {health_status:<10} {zone} {ip}\n");
    }
    text
}
