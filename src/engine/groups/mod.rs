//! Auto Scaling groups, policies, instances and their lifecycle, activities. Start at [`Groups`].

mod agenda;
pub mod hook;
pub mod instance;
pub mod launch_template;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Refusal;
use super::World;
use super::alarms::{AlarmSnapshot, MetricAlarm};
use super::ids::Ids;
use super::metrics::{MetricKey, Sample};
use super::names::{AlarmName, GroupName, InstanceId, Place, TopicArn};
use super::topics::Notice;
use crate::clock::Timestamp;
use agenda::Agenda;
pub use instance::{
    Ec2State, Health, IDLE_CPU_PERCENT, Instance, LaunchedFrom, LifecycleState, Load, Membership, Placement,
};
pub use launch_template::{
    LaunchArguments, LaunchTemplate, LaunchTemplateVersion, LaunchTemplates, TemplateRef, version_or_refuse,
};

/// How long instances take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timing {
    /// Boot, status checks and shut-down take about as long as on AWS.
    Realistic,
    /// Everything is done in the call that asked for it.
    Instant,
}

/// What a group did that concerns another part of the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    Notify { topic_arn: TopicArn, notice: Notice },
    Measured { key: MetricKey, sample: Sample },
    PutAlarm(Box<MetricAlarm>),
    DeleteAlarm(AlarmName),
}

/// The groups, instances and launch templates of one region.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Groups {
    place: Place,
    timing: Timing,
    instances: BTreeMap<InstanceId, Instance>,
    pub launch_templates: LaunchTemplates,
    agenda: Agenda,
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
            instances: BTreeMap::new(),
            launch_templates: LaunchTemplates::default(),
            agenda: Agenda::default(),
            outcomes: Vec::new(),
            ids,
        }
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

    pub fn run_due(&mut self, _due: Timestamp) -> Vec<Outcome> {
        unimplemented!("groups room")
    }

    /// Shuts EC2 instances down, as `TerminateInstances` does. Their groups notice by their health checks.
    ///
    /// # Errors
    /// `InvalidInstanceID.NotFound`, and then nothing is done.
    pub fn terminate_instances(
        &mut self,
        _now: Timestamp,
        _ids: &[InstanceId],
    ) -> Result<Vec<(InstanceId, Ec2State, Ec2State)>, Refusal> {
        unimplemented!("groups room")
    }

    /// Says how busy a group's machines are from now on.
    pub fn set_load(&mut self, _now: Timestamp, _group: &GroupName, _load: Load) -> Result<(), Refusal> {
        unimplemented!("groups room")
    }

    /// An alarm asks a policy to act. The error is the text that CloudWatch writes into the alarm's history.
    pub fn invoke_policy(
        &mut self,
        _now: Timestamp,
        _policy_arn: &str,
        _alarm: &AlarmSnapshot,
    ) -> Result<Vec<Outcome>, String> {
        unimplemented!("groups room")
    }
}

impl World {
    /// Runs one call on the groups and carries what it did to the other parts of the world.
    pub fn with_groups<T>(&mut self, now: Timestamp, call: impl FnOnce(&mut Groups) -> T) -> T {
        let answer = call(&mut self.groups);
        let outcomes = std::mem::take(&mut self.groups.outcomes);
        self.route_outcomes(now, outcomes);
        answer
    }
}
