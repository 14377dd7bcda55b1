//! What a spec means: defaults filled, names derived, rules that span fields checked. Start at [`Stack`].
//!
//! Every later stage reads a `Stack` and none reads the spec, so that a decision is made once. [`build_stack`] makes
//! it and reports every broken rule; [`lint_stack`] warns of what AWS would take and nobody wants.

mod alarms;
mod build;
mod lints;
mod load;
mod mixed;
mod network;
mod policies;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

pub use crate::spec::values::{
    AdjustmentType, Comparison, GroupEvent, OnDemandStrategyWord, PoolStateWord, SpotStrategyWord,
};
pub use alarms::rule_in_words;
pub use build::{Files, build_stack};
pub use lints::lint_stack;
pub use load::{Boot, CreditModeWord, LoadModel, Slo};

/// The tag that says which stack a resource belongs to.
pub const STACK_TAG: &str = "scaleproof:stack";

/// Everything that terraform and the alerting plan need to know about one stack.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stack {
    pub name: String,
    pub region: String,
    pub network: Network,
    pub launch: Launch,
    pub group: Group,
    /// In the order of their names.
    pub policies: Vec<ScalingPolicy>,
    /// In the order of their names.
    pub schedules: Vec<ScheduledAction>,
    pub alerting: Alerting,
    /// Put on every resource, `scaleproof:stack` among them.
    pub tags: BTreeMap<String, String>,
    /// For the laboratory alone.
    pub load: LoadModel,
    /// For the laboratory alone; absent when nothing is promised.
    pub slo: Option<Slo>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Network {
    pub cidr: String,
    pub zones: Zones,
    /// One per zone, cut from `cidr` in order.
    pub subnet_cidrs: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Zones {
    /// The first so many zones of the region, by name, that offer the instance type.
    Count(u8),
    /// Zones by their letters.
    Letters(Vec<char>),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Launch {
    pub image: Image,
    pub instance_type: String,
    pub mixed: Option<MixedInstances>,
    pub key_pair: Option<KeyPair>,
    pub inbound: Vec<Inbound>,
    /// The text itself, read by whoever loaded the spec.
    pub user_data: Option<String>,
    /// On when some alarm on the group's EC2 metrics has a period under five minutes.
    pub detailed_monitoring: bool,
    pub architecture: Architecture,
}

/// Several instance types and purchase options, in AWS's words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MixedInstances {
    /// The preferred one first.
    pub instance_types: Vec<MixedType>,
    pub on_demand_base_capacity: u32,
    pub on_demand_percentage_above_base_capacity: u32,
    pub on_demand_allocation_strategy: OnDemandStrategyWord,
    pub spot_allocation_strategy: SpotStrategyWord,
    /// With `lowest-price` alone.
    pub spot_instance_pools: Option<u32>,
    /// US dollars for an hour of one unit of capacity.
    pub spot_max_price: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MixedType {
    pub instance_type: String,
    /// For all types or for none.
    pub weighted_capacity: Option<u32>,
}

impl MixedInstances {
    /// Whether any capacity of a group of up to `max_size` is Spot.
    pub fn uses_spot(&self, max_size: u32) -> bool {
        self.on_demand_percentage_above_base_capacity < 100 && self.on_demand_base_capacity < max_size
    }

    pub fn largest_weight(&self) -> u32 {
        self.instance_types.iter().filter_map(|one| one.weighted_capacity).max().unwrap_or(1)
    }
}

/// The processor that the instance type has, in the words of Canonical's image names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    Amd64,
    Arm64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Image {
    /// The newest Canonical LTS image of this release (`24.04`).
    Ubuntu {
        release: String,
        codename: String,
    },
    Id(String),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum KeyPair {
    Existing(String),
    /// The public key's text, to be imported under the stack's name.
    Import {
        public_key: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inbound {
    pub port: u16,
    /// A CIDR block.
    pub from: String,
    pub description: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The group's name at AWS, which is the stack's name.
    pub name: String,
    pub min_size: u32,
    pub desired_capacity: u32,
    pub max_size: u32,
    /// Whether terraform may set the desired capacity on every apply. Off unless asked.
    pub own_desired_capacity: bool,
    pub health_check_grace_period: Duration,
    pub warm_pool: Option<WarmPool>,
}

/// Machines that stand prepared beside the group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WarmPool {
    pub pool_state: PoolStateWord,
    pub min_size: u32,
    /// As many as the group may have when left out.
    pub max_group_prepared_capacity: Option<u32>,
    pub reuse_on_scale_in: bool,
}

/// A scaling policy; `name` is its key under `scaling:` and its name at AWS, where policy names are the group's own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScalingPolicy {
    pub name: String,
    pub kind: PolicyKind,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum PolicyKind {
    Simple { adjustment: i32, cooldown: Duration },
    Step(StepPolicy),
    TargetTracking(TargetTracking),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepPolicy {
    pub adjustment_type: AdjustmentType,
    /// By their lower bounds, from the lowest.
    pub steps: Vec<Step>,
    /// Of a change in percent alone.
    pub min_adjustment_magnitude: Option<u32>,
    /// `Average`, `Minimum` or `Maximum`.
    pub metric_aggregation_type: String,
    pub estimated_instance_warmup: Option<Duration>,
}

/// A range of distances from the alarm's threshold; an absent bound is infinity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Step {
    pub lower_bound: Option<f64>,
    pub upper_bound: Option<f64>,
    pub adjustment: i32,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetTracking {
    pub metric: TrackedMetric,
    pub target_value: f64,
    pub disable_scale_in: bool,
    pub estimated_instance_warmup: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum TrackedMetric {
    /// `ASGAverageCPUUtilization` and so on.
    Predefined(&'static str),
    Custom {
        namespace: String,
        metric_name: String,
        dimensions: BTreeMap<String, String>,
        statistic: String,
    },
}

/// A change of the group's sizes by the clock; `name` is its key under `scaling:` and its name at AWS.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScheduledAction {
    pub name: String,
    /// A cron expression of five fields.
    pub recurrence: Option<String>,
    /// UTC where there is none.
    pub time_zone: Option<String>,
    /// `2026-12-01T08:00:00Z`
    pub start_time: Option<String>,
    pub end_time: Option<String>,
    pub min_size: Option<u32>,
    pub max_size: Option<u32>,
    pub desired_capacity: Option<u32>,
}

impl ScalingPolicy {
    /// Whether every answer that the policy has for an alarm adds machines.
    pub fn scales_out(&self) -> bool {
        self.all_changes(|change| change > 0)
    }

    /// Whether every answer that the policy has for an alarm takes machines away.
    pub fn scales_in(&self) -> bool {
        self.all_changes(|change| change < 0)
    }

    /// An exact capacity adds or removes by what there is, and target tracking asks no alarm of the spec.
    fn all_changes(&self, wanted: impl Fn(i32) -> bool) -> bool {
        match &self.kind {
            PolicyKind::Simple { adjustment, .. } => wanted(*adjustment),
            PolicyKind::Step(policy) => {
                policy.adjustment_type != AdjustmentType::ExactCapacity
                    && policy.steps.iter().all(|step| wanted(step.adjustment))
            }
            PolicyKind::TargetTracking(_) => false,
        }
    }
}

/// What `wire` owns: who is told, and what raises an alarm. One value for the SDK and for HCL.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Alerting {
    pub topics: Vec<Topic>,
    pub alarms: Vec<Alarm>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Topic {
    /// Its key under `notifications:`.
    pub key: String,
    /// Its name at AWS, `STACK-KEY`.
    pub name: String,
    pub emails: Vec<String>,
    pub group_events: Vec<GroupEvent>,
}

impl GroupEvent {
    /// `autoscaling:EC2_INSTANCE_LAUNCH` and so on.
    pub fn notification_type(self) -> &'static str {
        match self {
            Self::Launch => "autoscaling:EC2_INSTANCE_LAUNCH",
            Self::Terminate => "autoscaling:EC2_INSTANCE_TERMINATE",
            Self::LaunchError => "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
            Self::TerminateError => "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alarm {
    /// Its key under `alarms:`.
    pub key: String,
    /// Its name at AWS, `STACK-KEY`.
    pub name: String,
    pub description: String,
    pub namespace: String,
    pub metric_name: String,
    pub dimensions: BTreeMap<String, String>,
    /// `Average`, `Sum`, `Minimum`, `Maximum` or `SampleCount`.
    pub statistic: String,
    pub period: Duration,
    pub evaluation_periods: u32,
    pub datapoints_to_alarm: u32,
    pub threshold: f64,
    pub comparison: Comparison,
    /// `missing`, `ignore`, `breaching` or `notBreaching`.
    pub treat_missing_data: String,
    pub alarm_actions: Vec<ActionRef>,
    pub ok_actions: Vec<ActionRef>,
    pub insufficient_data_actions: Vec<ActionRef>,
}

/// What an alarm sets off, named so that the ARN can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ActionRef {
    /// A scaling policy of this stack, by its name at AWS.
    Policy(String),
    /// A topic of this stack, by its key.
    Topic(String),
    /// Anything else, written out.
    Arn(String),
}
