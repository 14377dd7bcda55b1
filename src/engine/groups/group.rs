//! An Auto Scaling group's configuration and state, and the checks on what a caller may ask for. Start at [`Group`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::activity::{Activity, in_display_order};
use super::agenda::DueKey;
use super::cause::Cause;
use super::hook::LifecycleHook;
use super::instance::{Load, Placement};
use super::mixed::MixedInstancesPolicy;
use super::notice::NotificationType;
use super::policy::{Limits, Policy, Situation};
use super::preferences::Preferences;
use super::refresh::InstanceRefresh;
use super::schedule::ScheduledAction;
use super::termination::{TerminationPolicy, check_policies};
use super::warm_pool::WarmPool;
use super::workload::{Meter, Minute, Workload};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{GroupName, InstanceId, PolicyName, TopicArn, Zone};

/// `DefaultCooldown` when the caller leaves it out. Source: CreateAutoScalingGroup.
pub const DEFAULT_COOLDOWN_SECS: u32 = 300;

/// `HealthCheckGracePeriod` that AWS's console sends when a person leaves it alone; the API has none.
/// Source: User Guide, "Set the health check grace period".
pub const CONSOLE_GRACE_SECS: u32 = 300;

/// Quotas of one account in one region, or of one group. Source: User Guide, quotas.
pub const MAX_GROUPS: usize = 500;
pub const MAX_LAUNCH_CONFIGURATIONS: usize = 200;
pub const MAX_TOPICS_PER_GROUP: usize = 10;
pub const MAX_POLICIES_PER_GROUP: usize = 50;
pub const MAX_SCHEDULED_ACTIONS_PER_GROUP: usize = 125;
pub const MAX_HOOKS_PER_GROUP: usize = 50;
pub const MAX_INSTANCES_PER_PROTECTION_CALL: usize = 50;
/// Of AttachInstances, DetachInstances, EnterStandby and ExitStandby.
pub const MAX_INSTANCES_PER_MOVE: usize = 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub name: GroupName,
    pub arn: String,
    pub created_at: Timestamp,
    pub limits: Limits,
    pub desired_capacity: u32,
    pub settings: Settings,
    pub tags: BTreeMap<String, GroupTag>,
    /// Suspended processes and AWS's reason text.
    pub suspended: BTreeMap<Process, String>,
    /// Names of the `AWS/AutoScaling` metrics that are collected.
    pub metrics: BTreeSet<String>,
    pub notifications: BTreeMap<TopicArn, BTreeSet<NotificationType>>,
    pub policies: BTreeMap<PolicyName, Policy>,
    /// Scheduled actions by name.
    pub schedules: BTreeMap<String, ScheduledAction>,
    pub hooks: BTreeMap<String, LifecycleHook>,
    pub load: Load,
    #[serde(default)]
    pub workload: Option<Workload>,
    /// How its machines did in the last minute; absent before the first.
    #[serde(default)]
    pub minute: Option<Minute>,
    #[serde(default)]
    pub(super) meter: Meter,
    /// Surplus credits charged for machines that are gone.
    #[serde(default)]
    pub(super) charged_credits: f64,
    /// Oldest first; see [`super::activity::in_display_order`].
    pub activities: VecDeque<Activity>,
    pub members: BTreeSet<InstanceId>,
    /// Load balancers and target groups that its instances get traffic from.
    pub traffic_sources: Vec<TrafficSource>,
    /// Detached, with the end of the draining of its instances.
    #[serde(default)]
    pub(super) leaving_sources: Vec<(TrafficSource, Timestamp)>,
    /// Oldest first; only the last may still go on.
    pub refreshes: Vec<InstanceRefresh>,
    #[serde(default)]
    pub warm_pool: Option<WarmPool>,
    /// Being deleted with its instances.
    pub deleting: bool,
    /// Why the desired capacity is what it is, until instances follow.
    pub(super) pending: Vec<Cause>,
    pub(super) invoking_alarms: Vec<Value>,
    /// Unhealthy instances that still want a replacement.
    pub(super) replacing: u32,
    /// Capacity that an instance refresh took out and that still wants a replacement.
    pub(super) refreshing: u32,
    pub(super) cooldown: Cooldown,
    pub(super) round: Option<Round>,
    pub(super) converge_due: Option<DueKey>,
    pub(super) launch_failing_since: Option<Timestamp>,
    pub(super) launch_failures: u32,
    /// Something asked for less capacity, and there may still be too much of it. Matters with weights alone.
    #[serde(default)]
    pub(super) shrinks: bool,
    /// Why there is an instance more than desired, while zones are balanced.
    pub(super) rebalancing: Option<Cause>,
    pub(super) rebalance_due: Option<DueKey>,
}

/// What sends traffic to a group's instances: a target group, a Classic Load Balancer, a VPC Lattice target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficSource {
    pub identifier: String,
    /// `elbv2`, `elb` or `vpc-lattice`.
    pub kind: String,
}

/// The part of a group that Create and Update set alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub placements: Vec<Placement>,
    /// The caller named zones; the subnets are the zones' default ones.
    pub by_zone: bool,
    pub launch: LaunchSource,
    pub default_cooldown_secs: u32,
    /// `None` is AWS's -1: not set.
    pub default_instance_warmup_secs: Option<u32>,
    /// `EC2`, `ELB`, `VPC_LATTICE` or `EBS`, or several with commas between them. EC2's checks are always on.
    pub health_check_type: String,
    pub health_check_grace_secs: u32,
    pub termination_policies: Vec<TerminationPolicy>,
    pub protect_new_instances: bool,
    /// As it was given. Spot Instances are never interrupted here, so that there is never a reason to rebalance capacity.
    #[serde(default)]
    pub capacity_rebalance: Option<bool>,
    pub service_linked_role_arn: String,
    #[serde(default)]
    pub preferences: Preferences,
}

/// What new instances are launched from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LaunchSource {
    Template(TemplateSpecification),
    Configuration { name: String },
    Mixed(Box<MixedInstancesPolicy>),
}

/// A launch template, by both its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateSpecification {
    pub id: String,
    pub name: String,
    /// A number, `$Latest`, `$Default`, or nothing, which means the default one; resolved at each launch.
    pub version: String,
}

impl TemplateSpecification {
    /// Whether what it launches changes without the group's owner saying so.
    pub fn is_floating(&self) -> bool {
        matches!(self.version.as_str(), "" | "$Latest" | "$Default")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupTag {
    pub value: String,
    pub propagate_at_launch: bool,
}

/// What CreateAutoScalingGroup asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupSpec {
    pub name: GroupName,
    pub limits: Limits,
    /// `min_size` when left out.
    pub desired_capacity: Option<u32>,
    pub settings: Settings,
    pub tags: BTreeMap<String, GroupTag>,
    pub hooks: Vec<LifecycleHook>,
}

/// What UpdateAutoScalingGroup asks for; absent sizes stay.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupChange {
    pub min_size: Option<u32>,
    pub max_size: Option<u32>,
    pub desired_capacity: Option<u32>,
    pub settings: Settings,
}

/// The scaling processes, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Process {
    Launch,
    Terminate,
    AddToLoadBalancer,
    AlarmNotification,
    AZRebalance,
    HealthCheck,
    InstanceRefresh,
    ReplaceUnhealthy,
    ScheduledActions,
}

impl Process {
    pub const ALL: &[Self] = &[
        Self::Launch,
        Self::Terminate,
        Self::AddToLoadBalancer,
        Self::AlarmNotification,
        Self::AZRebalance,
        Self::HealthCheck,
        Self::InstanceRefresh,
        Self::ReplaceUnhealthy,
        Self::ScheduledActions,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Launch => "Launch",
            Self::Terminate => "Terminate",
            Self::AddToLoadBalancer => "AddToLoadBalancer",
            Self::AlarmNotification => "AlarmNotification",
            Self::AZRebalance => "AZRebalance",
            Self::HealthCheck => "HealthCheck",
            Self::InstanceRefresh => "InstanceRefresh",
            Self::ReplaceUnhealthy => "ReplaceUnhealthy",
            Self::ScheduledActions => "ScheduledActions",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|process| process.name() == text)
    }
}

/// The pause after a simple policy's activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cooldown {
    None,
    /// Starts when the last instance of the activity is done.
    AfterActivity {
        secs: u32,
    },
    Until(Timestamp),
}

/// The policies that acted at one instant: all see the group as the first one found it, and the largest capacity wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Round {
    pub at: Timestamp,
    pub situation: Situation,
    pub asked: Option<u32>,
}

impl Group {
    pub fn is_suspended(&self, process: Process) -> bool {
        self.suspended.contains_key(&process)
    }

    /// The zones of its subnets, each once.
    pub fn zones(&self) -> BTreeSet<&Zone> {
        self.settings.placements.iter().map(|placement| &placement.zone).collect()
    }

    /// The activities that are still shown, as AWS orders them.
    pub fn shown_activities(&self, now: Timestamp) -> Vec<&Activity> {
        in_display_order(self.activities.iter().filter(|activity| activity.is_shown(now)))
    }

    pub(super) fn drop_old_activities(&mut self, now: Timestamp) {
        while self.activities.front().is_some_and(|activity| !activity.is_shown(now)) {
            self.activities.pop_front();
        }
    }

    pub(super) fn activity_mut(&mut self, id: &str) -> Option<&mut Activity> {
        self.activities.iter_mut().rev().find(|activity| activity.id.as_str() == id)
    }

    /// When the cooldown ends that is on or was on last; `None` before its activity is done.
    pub fn cooldown_until(&self) -> Option<Timestamp> {
        match self.cooldown {
            Cooldown::Until(until) => Some(until),
            Cooldown::None | Cooldown::AfterActivity { .. } => None,
        }
    }

    /// The capacity that it aims for: the desired one, and what a refresh launched ahead of terminations.
    pub(super) fn target(&self) -> u32 {
        self.desired_capacity + self.active_refresh().map_or(0, |refresh| refresh.ahead)
    }

    /// It has what it wants: nothing that led here matters any longer.
    pub(super) fn rest(&mut self) {
        self.pending.clear();
        self.invoking_alarms.clear();
        self.replacing = 0;
        self.refreshing = 0;
        self.rebalancing = None;
    }

    /// Whether a cooldown, or the activity before it, is still on.
    pub(super) fn is_cooling_down(&self, now: Timestamp) -> bool {
        match self.cooldown {
            Cooldown::None => false,
            Cooldown::AfterActivity { .. } => true,
            Cooldown::Until(until) => until > now,
        }
    }
}

impl Settings {
    pub fn health_check_types(&self) -> impl Iterator<Item = &str> {
        self.health_check_type.split(',').map(str::trim)
    }

    /// Whether what its load balancers find makes an instance unhealthy.
    pub(super) fn asks_load_balancers(&self) -> bool {
        self.health_check_types().any(|kind| matches!(kind, "ELB" | "VPC_LATTICE"))
    }

    /// # Errors
    /// `ValidationError` for what no group can have.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.placements.is_empty() {
            return Err(Refusal::validation("At least one Availability Zone or VPC Subnet is required."));
        }
        if !self.health_check_types().all(|kind| matches!(kind, "EC2" | "ELB" | "VPC_LATTICE")) {
            let text = format!("Unsupported health check type: {}", self.health_check_type);
            return Err(Refusal::validation(text));
        }
        self.preferences.check()?;
        let names = self.termination_policies.iter().map(|policy| policy.name().to_string());
        check_policies(&names.collect::<Vec<_>>())
    }
}

/// # Errors
/// `ValidationError` if the sizes contradict each other.
pub fn check_sizes(limits: Limits, desired: u32) -> Result<(), Refusal> {
    let Limits { min, max } = limits;
    if max < min {
        let text = format!("Max bound, {max}, must be greater than or equal to min bound, {min}");
        return Err(Refusal::validation(text));
    }
    if desired < min || desired > max {
        let text =
            format!("Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}");
        return Err(Refusal::validation(text));
    }
    Ok(())
}

pub fn group_not_found(name: &GroupName) -> Refusal {
    Refusal::validation(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"))
}

pub fn limit_exceeded(what: &str, limit: usize) -> Refusal {
    Refusal::new("LimitExceeded", 400, format!("You've reached the limit of {limit} {what}"))
}
