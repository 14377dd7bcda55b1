//! Scaling activities: what a group did to one instance, as DescribeScalingActivities tells it. Start at [`Activity`].

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::engine::names::{ActivityId, GroupName, InstanceId, SubnetId, Zone};

/// How long activities are shown. Source: User Guide, "Verify a scaling activity".
pub const KEPT_FOR: Duration = Duration::from_secs(42 * 24 * 3600);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    pub id: ActivityId,
    pub group: GroupName,
    pub group_arn: String,
    pub kind: ActivityKind,
    #[serde(default)]
    pub way: Way,
    /// Empty for an activity that never got as far as an instance.
    pub instance: Option<InstanceId>,
    /// Without the status reason; see [`Activity::description`].
    pub title: String,
    pub cause: String,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub status: ActivityStatus,
    pub status_message: Option<String>,
    pub progress: u8,
    /// A terminating hook held it up.
    pub(super) held_by_hook: bool,
    pub details: Details,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActivityKind {
    Launch,
    Terminate,
}

/// Where instances are, in the words of a message's `Origin` and `Destination`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    Ec2,
    Group,
    WarmPool,
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ec2 => "EC2",
            Self::Group => "AutoScalingGroup",
            Self::WarmPool => "WarmPool",
        }
    }
}

/// From where to where an instance is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    pub from: Side,
    pub to: Side,
}

/// What a state that was kept before there were warm pools means.
impl Default for Way {
    fn default() -> Self {
        Self::LAUNCH
    }
}

impl Way {
    pub const LAUNCH: Self = Self { from: Side::Ec2, to: Side::Group };
    pub const TERMINATION: Self = Self { from: Side::Group, to: Side::Ec2 };
    pub const INTO_POOL: Self = Self { from: Side::Ec2, to: Side::WarmPool };
    pub const OUT_OF_POOL: Self = Self { from: Side::WarmPool, to: Side::Group };
    pub const BACK_TO_POOL: Self = Self { from: Side::Group, to: Side::WarmPool };
    pub const END_OF_POOLED: Self = Self { from: Side::WarmPool, to: Side::Ec2 };

    /// What leads away from a group, or to an instance's end, is a termination.
    pub fn kind(self) -> ActivityKind {
        match self.from == Side::Group || self.to == Side::Ec2 {
            true => ActivityKind::Terminate,
            false => ActivityKind::Launch,
        }
    }
}

/// The status codes that this engine gives, printed as AWS prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActivityStatus {
    PreInService,
    MidLifecycleAction,
    InProgress,
    WaitingForELBConnectionDraining,
    Successful,
    Failed,
    Cancelled,
}

impl ActivityStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::PreInService => "PreInService",
            Self::MidLifecycleAction => "MidLifecycleAction",
            Self::InProgress => "InProgress",
            Self::WaitingForELBConnectionDraining => "WaitingForELBConnectionDraining",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }
}

/// Where it happened, and the alarms that set it off.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub subnet: Option<SubnetId>,
    pub zone: Option<Zone>,
    pub invoking_alarms: Vec<Value>,
}

impl Details {
    pub fn to_json(&self) -> Value {
        let mut details = serde_json::Map::new();
        if let Some(subnet) = &self.subnet {
            details.insert("Subnet ID".into(), json!(subnet));
        }
        if let Some(zone) = &self.zone {
            details.insert("Availability Zone".into(), json!(zone));
        }
        if !self.invoking_alarms.is_empty() {
            details.insert("InvokingAlarms".into(), json!(self.invoking_alarms));
        }
        Value::Object(details)
    }
}

impl Activity {
    pub fn is_in_progress(&self) -> bool {
        self.ended_at.is_none()
    }

    pub(super) fn is_shown(&self, now: Timestamp) -> bool {
        self.ended_at.is_none_or(|end| now.since(end) < KEPT_FOR)
    }

    /// What it did; a failure says why.
    pub fn description(&self) -> String {
        match &self.status_message {
            None if self.status == ActivityStatus::WaitingForELBConnectionDraining => {
                format!("{} - Waiting For ELB Connection Draining.", self.title)
            }
            None => self.title.clone(),
            Some(reason) => format!("{}.  Status Reason: {reason}", self.title),
        }
    }

    pub(super) fn end(&mut self, now: Timestamp, status: ActivityStatus, message: Option<String>) {
        self.ended_at = Some(now);
        self.progress = 100;
        self.status = status;
        self.status_message = message;
    }
}

/// In progress first, then the newest first.
pub fn in_display_order<'a>(activities: impl IntoIterator<Item = &'a Activity>) -> Vec<&'a Activity> {
    // Stable, so that activities which started at the same instant keep the order they have, the later one first.
    let mut sorted: Vec<&Activity> = activities.into_iter().collect();
    sorted.reverse();
    sorted.sort_by_key(|activity| (activity.ended_at.is_some(), std::cmp::Reverse(activity.started_at)));
    sorted
}
