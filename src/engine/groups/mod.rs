//! Auto Scaling groups, policies, instances and their lifecycle, activities. Start at [`Groups`].
//!
//! `policy`, `steps`, `target_tracking`, `cron`, `allocation`, `termination`, `cause` and `notice` are pure functions: what
//! is decided, and in which words it is told. `lifecycle`, `passage`, `health`, `hook`, `standby`, `rebalance`, `refresh`, `scaling` and
//! `schedule` carry it out over time, `traffic` registers members with load balancers, `manage` takes callers' requests, `measure` makes the metrics, from how machines work
//! (`workload`, `credits`). `warm_pool` and its neighbours keep instances prepared beside a group. Left out, and refused by
//! the sandbox: predictive scaling.

pub mod activity;
mod activity_log;
pub mod address;
mod agenda;
pub mod allocation;
pub mod cause;
pub mod credits;
pub mod cron;
mod fleet;
pub mod group;
pub mod health;
pub mod hook;
pub mod instance;
pub mod inventory;
mod launch;
pub mod launch_configuration;
pub mod launch_template;
mod lifecycle;
mod manage;
pub mod market;
pub mod measure;
pub mod mixed;
pub mod notice;
mod passage;
pub mod policy;
pub mod preferences;
pub mod rebalance;
pub mod refresh;
mod refresh_preferences;
mod refresh_steps;
mod scaling;
pub mod schedule;
mod standalone;
mod standby;
pub mod steps;
pub mod target_tracking;
pub mod termination;
pub mod timing;
pub mod traffic;
pub mod warm_pool;
mod warm_pool_health;
mod warm_pool_passage;
pub mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Refusal;
use super::World;
use super::alarms::MetricAlarm;
use super::faults::Plan;
use super::ids::Ids;
use super::metrics::{MetricKey, Sample};
use super::names::{AlarmName, GroupName, InstanceId, Place, SubnetId, TopicArn};
use super::shared;
use super::topics::Notice;
use crate::clock::Timestamp;
use agenda::{Agenda, Due, DueKey};
pub use group::{
    Group, GroupChange, GroupSpec, GroupTag, LaunchSource, Process, Settings, TemplateSpecification, TrafficSource,
};
use hook::HookTarget;
pub use instance::{
    Ec2State, Health, IDLE_CPU_PERCENT, Instance, LaunchedFrom, LifecycleState, Load, Membership, Placement,
};
pub use inventory::{ImageFacts, Inventory, MachineFacts};
pub use launch_configuration::LaunchConfiguration;
pub use launch_template::{
    LaunchArguments, LaunchTemplate, LaunchTemplateVersion, LaunchTemplates, TemplateRef, version_or_refuse,
};
use measure::Touched;
pub use standalone::Launch;
pub use timing::Timing;
pub use warm_pool::{PoolState, WarmPool, WarmPoolChange};
pub use workload::{Requests, Workload};

/// What a group did that concerns another part of the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    Notify {
        topic_arn: TopicArn,
        notice: Notice,
    },
    /// A message for a queue.
    Send {
        queue_arn: String,
        body: String,
    },
    /// A datum with the time that it is about.
    Measured {
        #[serde(with = "shared")]
        key: Arc<MetricKey>,
        at: Timestamp,
        sample: Sample,
    },
    PutAlarm(Box<MetricAlarm>),
    DeleteAlarm(AlarmName),
    /// A member takes its place behind a load balancer.
    Register {
        target_group: String,
        instance: InstanceId,
    },
    Deregister {
        target_group: String,
        instance: InstanceId,
    },
    /// So many requests came to the group's instances, through its target groups, in the minute from `at` on.
    Requests {
        target_groups: Vec<String>,
        at: Timestamp,
        count: f64,
    },
}

/// The groups, instances and launch templates of one region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Groups {
    place: Place,
    timing: Timing,
    groups: BTreeMap<GroupName, Group>,
    instances: BTreeMap<InstanceId, Instance>,
    pub launch_templates: LaunchTemplates,
    launch_configurations: BTreeMap<String, LaunchConfiguration>,
    agenda: Agenda,
    minute_due: Option<DueKey>,
    /// Whether each instance has metrics of its own, beside the share in its group's. A driver whose instances are nobody's
    /// to look at turns them off: every instance that ever ran would leave a series behind.
    #[serde(default = "yes")]
    pub measures_instances: bool,
    /// Whether the quotas hold that an account can have raised: those on groups and launch configurations.
    #[serde(default = "yes")]
    pub has_default_quotas: bool,
    /// Groups with an instance refresh that goes on.
    refreshing: BTreeSet<GroupName>,
    /// How long target groups drain an instance that leaves; nothing of one that is deleted.
    #[serde(default)]
    target_groups: BTreeMap<String, Option<Duration>>,
    /// What goes wrong with launches.
    #[serde(default)]
    pub(super) faults: Plan,
    /// Addresses that are in use by something else than instances launched here.
    #[serde(default)]
    pub taken_addresses: BTreeMap<SubnetId, BTreeSet<Ipv4Addr>>,
    /// What launches may name.
    #[serde(default)]
    pub inventory: Option<Inventory>,
    /// How often a policy was asked by an alarm, so that an observer knows when to look.
    #[serde(default)]
    pub policies_asked: u64,
    /// What was done since the outcomes were last taken; empty between calls.
    outcomes: Vec<Outcome>,
    pub ids: GroupIds,
}

/// One stream of identifiers per kind of thing. Apart from the rest, because it alone differs in a world that was emptied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupIds {
    pub instances: Ids,
    pub arns: Ids,
    pub activities: Ids,
    pub launch_templates: Ids,
    pub choices: Ids,
}

impl Groups {
    pub fn new(place: &Place, seed: u64, timing: Timing) -> Self {
        let ids = GroupIds {
            instances: Ids::new(seed, "instances"),
            arns: Ids::new(seed, "group arns"),
            activities: Ids::new(seed, "activities"),
            launch_templates: Ids::new(seed, "launch templates"),
            choices: Ids::new(seed, "choices"),
        };
        Self {
            place: place.clone(),
            timing,
            groups: BTreeMap::new(),
            instances: BTreeMap::new(),
            launch_templates: LaunchTemplates::default(),
            launch_configurations: BTreeMap::new(),
            agenda: Agenda::default(),
            minute_due: None,
            measures_instances: true,
            has_default_quotas: true,
            refreshing: BTreeSet::new(),
            target_groups: BTreeMap::new(),
            faults: Plan::default(),
            taken_addresses: BTreeMap::new(),
            inventory: None,
            policies_asked: 0,
            outcomes: Vec::new(),
            ids,
        }
    }

    /// The groups by name.
    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    pub fn get(&self, name: &GroupName) -> Option<&Group> {
        self.groups.get(name)
    }

    /// A group's instances, by id.
    pub fn members<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = (&'a Instance, &'a Membership)> {
        let instances = group.members.iter().filter_map(|id| self.instances.get(id));
        instances.filter_map(|instance| Some((instance, instance.membership.as_ref()?)))
    }

    /// Every instance, also those that terminated within the last hour.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values()
    }

    pub fn instance(&self, id: &InstanceId) -> Option<&Instance> {
        self.instances.get(id)
    }

    pub fn instance_mut(&mut self, id: &InstanceId) -> Option<&mut Instance> {
        self.instances.get_mut(id)
    }

    /// Creates a launch template; see [`LaunchTemplates::create`].
    pub fn create_launch_template(
        &mut self,
        now: Timestamp,
        name: &str,
        description: Option<String>,
        data: serde_json::Value,
        tags: BTreeMap<String, String>,
    ) -> Result<&LaunchTemplate, Refusal> {
        self.launch_templates.create(now, &mut self.ids.launch_templates, name, description, data, tags)
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        self.agenda.next_due()
    }

    /// Does what is due at or before `due`, also what comes due by doing it.
    pub fn run_due(&mut self, due: Timestamp) -> Vec<Outcome> {
        self.run_agenda(due);
        std::mem::take(&mut self.outcomes)
    }

    fn run_agenda(&mut self, now: Timestamp) {
        while let Some(due) = self.agenda.take_due(now) {
            let touched = self.touched_by(&due);
            match due {
                Due::Converge(group) => self.converge(now, &group),
                Due::Running(id) => self.on_running(now, &id),
                Due::InService(id) => self.on_in_service(now, &id),
                Due::Stopped(id) => self.on_stopped(now, &id),
                Due::Terminated(id) => self.on_terminated(now, &id),
                Due::Forget(id) => self.forget(&id),
                Due::HealthCheck(id) => self.on_health_check(now, &id),
                Due::Drained(id) => self.on_drained(now, &id),
                Due::TerminatingHook(id) => self.on_terminating_hook(now, &id),
                Due::MovedOut(id) => self.on_moved_out(now, &id),
                Due::Rebalance(group) => self.on_rebalance(now, &group),
                Due::Refresh(group) => self.on_refresh(now, &group),
                Due::WarmPool(group) => self.on_warm_pool(now, &group),
                Due::Warmed(id) => self.on_warmed(now, &id),
                Due::HookTimeout(id) => self.on_hook_timeout(now, &id),
                Due::Scheduled { group, action } => self.on_scheduled(now, &group, &action),
                Due::Minute => self.on_minute(now),
                Due::Serves(_) => {}
                Due::Arrives(metrics) => self.outcomes.extend(metrics),
            }
            self.follow_members(now, &touched);
        }
    }

    /// With [`Timing::Instant`], finishes what a call began.
    fn settle(&mut self, now: Timestamp) {
        if self.timing == Timing::Instant {
            self.run_agenda(now);
        }
    }

    /// A queue gets the message alone; subjects are for topics.
    fn tell(&mut self, target: HookTarget, notice: Notice) {
        match target {
            HookTarget::Topic(topic_arn) => self.notify(topic_arn, notice),
            HookTarget::Queue(queue_arn) => {
                self.outcomes.push(Outcome::Send { queue_arn, body: notice.message.to_string() })
            }
        }
    }

    fn notify(&mut self, topic_arn: TopicArn, notice: Notice) {
        self.outcomes.push(Outcome::Notify { topic_arn, notice });
    }
}

fn yes() -> bool {
    true
}

impl World {
    /// Runs one call on the groups and carries what it did to the other parts of the world.
    pub fn with_groups<T>(&mut self, now: Timestamp, call: impl FnOnce(&mut Groups) -> T) -> T {
        let answer = self.call_groups(now, call);
        self.follow_targets(now);
        answer
    }

    pub(super) fn call_groups<T>(&mut self, now: Timestamp, call: impl FnOnce(&mut Groups) -> T) -> T {
        let answer = call(&mut self.groups);
        self.groups.settle(now);
        self.groups.follow_members(now, &Touched::All);
        let outcomes = std::mem::take(&mut self.groups.outcomes);
        self.route_outcomes(now, outcomes);
        answer
    }
}

#[cfg(test)]
mod tests;
