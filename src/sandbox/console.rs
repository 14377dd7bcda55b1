//! The page at `/`: what is going on in the sandbox, live, with buttons for the control surface.
//!
//! The page is one file with nothing from elsewhere; it asks for [`view`] once a second. Start at [`PAGE`].

use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;

use super::region::Region;
use super::universe::Universe;
use crate::clock::{Speed, Timestamp};
use crate::engine::alarms::Alarm;
use crate::engine::alarms::composite::Composite;
use crate::engine::groups::activity::{Activity, ActivityKind, ActivityStatus, in_display_order};
use crate::engine::groups::{Group, Groups, Load};
use crate::engine::metrics::{Grid, Slots};

pub const PAGE: &str = include_str!("console/page.html");

/// How far back the charts go.
const SHOWN: Duration = Duration::from_secs(3 * 3600);
const ACTIVITIES_SHOWN: usize = 100;
const MESSAGES_SHOWN: usize = 100;
/// A chart has no more points than this.
const MOST_POINTS: u32 = 180;

#[derive(Debug, Serialize)]
pub struct View<'a> {
    clock: ClockView,
    regions: Vec<RegionView<'a>>,
}

#[derive(Debug, Serialize)]
struct ClockView {
    now: Timestamp,
    speed: f64,
    paused: bool,
}

#[derive(Debug, Serialize)]
struct RegionView<'a> {
    account: &'a str,
    region: &'a str,
    groups: Vec<GroupView<'a>>,
    alarms: Vec<AlarmView<'a>>,
    activities: Vec<ActivityView<'a>>,
    pending: Vec<PendingView<'a>>,
    mailbox: Vec<MessageView<'a>>,
}

#[derive(Debug, Serialize)]
struct GroupView<'a> {
    name: &'a str,
    min: u32,
    max: u32,
    desired: u32,
    in_service: usize,
    suspended: Vec<&'static str>,
    load: Json,
    instances: Vec<InstanceView<'a>>,
    /// When the number of instances in service changed, and to what; oldest first.
    capacity: Vec<(Timestamp, i64)>,
}

#[derive(Debug, Serialize)]
struct InstanceView<'a> {
    id: &'a str,
    zone: &'a str,
    instance_type: &'a str,
    state: &'static str,
    lifecycle: String,
    health: String,
}

#[derive(Debug, Serialize)]
struct AlarmView<'a> {
    name: &'a str,
    state: &'static str,
    since: Timestamp,
    reason: &'a str,
    actions_enabled: bool,
    /// `Average CPUUtilization`, `math`, or a composite alarm's rule.
    watches: String,
    threshold: Option<f64>,
    comparison: Option<&'static str>,
    /// Oldest first; gaps have no value.
    points: Vec<(Timestamp, Option<f64>)>,
}

#[derive(Debug, Serialize)]
struct ActivityView<'a> {
    id: &'a str,
    group: &'a str,
    at: Timestamp,
    ended: Option<Timestamp>,
    status: &'static str,
    description: String,
    cause: &'a str,
}

#[derive(Debug, Serialize)]
struct PendingView<'a> {
    protocol: &'a str,
    endpoint: &'a str,
    topic: &'a str,
    /// For `GET /_scaleproof/confirm?…`
    confirm: String,
}

#[derive(Debug, Serialize)]
struct MessageView<'a> {
    id: String,
    at: Timestamp,
    protocol: &'a str,
    endpoint: &'a str,
    subject: Option<&'a str>,
    body: &'a str,
}

/// Everything that the page shows, at `now`.
pub fn view(universe: &Universe, now: Timestamp, Speed(speed): Speed) -> View<'_> {
    let clock = ClockView { now, speed, paused: speed == 0.0 };
    View { clock, regions: universe.regions().map(|region| region_view(region, now)).collect() }
}

fn region_view(region: &Region, now: Timestamp) -> RegionView<'_> {
    let world = &region.world;
    let metric_alarms = world.alarms.from_name("").map(|alarm| alarm_view(region, alarm, now));
    let composites = world.alarms.composites().from_name("").map(composite_view);
    RegionView {
        account: &world.place.account,
        region: &world.place.region,
        groups: world.groups.iter().map(|group| group_view(&world.groups, group, now)).collect(),
        alarms: metric_alarms.chain(composites).collect(),
        activities: activities(&world.groups),
        pending: pending(region),
        mailbox: messages(region),
    }
}

fn group_view<'a>(groups: &'a Groups, group: &'a Group, now: Timestamp) -> GroupView<'a> {
    let instances: Vec<InstanceView<'a>> = groups
        .members(group)
        .map(|(instance, member)| InstanceView {
            id: instance.id.as_str(),
            zone: instance.placement.zone.as_str(),
            instance_type: &instance.instance_type,
            state: instance.state.name(),
            lifecycle: member.lifecycle.to_string(),
            health: member.health.name().to_string(),
        })
        .collect();
    let in_service = instances.iter().filter(|instance| instance.lifecycle == "InService").count();
    GroupView {
        name: group.name.as_str(),
        min: group.limits.min,
        max: group.limits.max,
        desired: group.desired_capacity,
        in_service,
        suspended: group.suspended.keys().map(|process| process.name()).collect(),
        load: load(group.load),
        capacity: capacity(group.activities.iter(), in_service as i64, now),
        instances,
    }
}

/// In the words of `POST /_scaleproof/load`.
fn load(load: Load) -> Json {
    match load {
        Load::Cpu(percent) => serde_json::json!({ "cpu": percent }),
        Load::Demand(percent) => serde_json::json!({ "demand": percent }),
        Load::Requests(_) | Load::Idle | Load::Silent => serde_json::json!({ "idle": true }),
    }
}

/// How many instances were in service, told backwards from now: a launch counts from its end, a termination from its
/// start.
fn capacity<'a>(
    activities: impl DoubleEndedIterator<Item = &'a Activity>,
    in_service: i64,
    now: Timestamp,
) -> Vec<(Timestamp, i64)> {
    let mut changes: Vec<(Timestamp, i64)> = activities.filter_map(change).collect();
    changes.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let mut count = in_service;
    let mut told = vec![(now, count)];
    for (at, by) in changes.into_iter().take_while(|(at, _)| now.since(*at) <= SHOWN) {
        told.push((at, count));
        count -= by;
        told.push((at, count));
    }
    told.push((now - SHOWN, count));
    told.reverse();
    told
}

fn change(activity: &Activity) -> Option<(Timestamp, i64)> {
    match activity.kind {
        ActivityKind::Launch if activity.status == ActivityStatus::Successful => Some((activity.ended_at?, 1)),
        ActivityKind::Terminate if activity.instance.is_some() => Some((activity.started_at, -1)),
        _ => None,
    }
}

fn alarm_view<'a>(region: &'a Region, alarm: &'a Alarm, now: Timestamp) -> AlarmView<'a> {
    let config = &alarm.config;
    let period_secs = config.period_secs().max(1);
    let count = (SHOWN.as_secs() as u32 / period_secs).clamp(1, MOST_POINTS);
    let period = Duration::from_secs(period_secs.into());
    let first = now.floor_to(Duration::from_secs(period_secs.min(60).into())) - period * count;
    let grid = Grid::Even(Slots { first, period_secs, count });
    let points = config.watched.read(&region.world.metrics, grid);
    let watches = config.watched.metric().map(|stat| format!("{} {}", stat.statistic, stat.key.name));
    AlarmView {
        name: config.name.as_str(),
        state: alarm.state.value.as_str(),
        since: alarm.state_updated_at,
        reason: &alarm.state.reason,
        actions_enabled: config.actions_enabled,
        watches: watches.unwrap_or_else(|| "math".into()),
        threshold: Some(config.threshold),
        comparison: Some(config.comparison.as_str()),
        points: points.into_iter().map(|point| (point.start, point.value)).collect(),
    }
}

fn composite_view(alarm: &Composite) -> AlarmView<'_> {
    AlarmView {
        name: alarm.config.name.as_str(),
        state: alarm.state.value.as_str(),
        since: alarm.state_updated_at,
        reason: &alarm.state.reason,
        actions_enabled: alarm.config.actions_enabled,
        watches: alarm.config.rule.as_str().to_string(),
        threshold: None,
        comparison: None,
        points: Vec::new(),
    }
}

fn activities(groups: &Groups) -> Vec<ActivityView<'_>> {
    let all = in_display_order(groups.iter().flat_map(|group| &group.activities));
    let shown = all.into_iter().take(ACTIVITIES_SHOWN);
    shown
        .map(|activity| ActivityView {
            id: activity.id.as_str(),
            group: activity.group.as_str(),
            at: activity.started_at,
            ended: activity.ended_at,
            status: activity.status.name(),
            description: activity.description(),
            cause: &activity.cause,
        })
        .collect()
}

fn pending(region: &Region) -> Vec<PendingView<'_>> {
    let waiting = region.world.topics.subscriptions().filter(|(_, subscription)| subscription.is_pending());
    waiting
        .map(|(_, subscription)| {
            let topic = subscription.topic_arn.as_str();
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("TopicArn", topic)
                .append_pair("Token", subscription.token())
                .finish();
            PendingView { protocol: &subscription.protocol, endpoint: &subscription.endpoint, topic, confirm: query }
        })
        .collect()
}

/// Newest first.
fn messages(region: &Region) -> Vec<MessageView<'_>> {
    // A message that is delivered twice has one identifier.
    let newest = region.mailbox.iter().enumerate().rev().take(MESSAGES_SHOWN);
    newest
        .map(|(nth, message)| MessageView {
            id: format!("{nth} {}", message.id),
            at: message.at,
            protocol: &message.protocol,
            endpoint: &message.endpoint,
            subject: message.subject.as_deref(),
            body: &message.body,
        })
        .collect()
}
