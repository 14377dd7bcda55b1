//! Scaling policies and what they decide: pure functions from a group's situation to a [`Decision`].
//! Start at [`Policy::decide`]. Leaves out carrying a decision out (`scaling.rs`) and how much capacity a tracked metric
//! asks for (`target_tracking.rs`).

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::steps::{Breach, Step, choose_step};
use super::target_tracking::{TargetTracking, proportional_capacity};
use crate::clock::Timestamp;
use crate::engine::names::{PolicyArn, PolicyName};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    pub name: PolicyName,
    pub arn: PolicyArn,
    pub enabled: bool,
    /// How the adjustments of a simple or step policy read. Target tracking has none; its changes are in capacity.
    pub adjustment_type: AdjustmentType,
    pub min_adjustment_magnitude: Option<u32>,
    pub kind: PolicyKind,
    /// The last time that something asked it to act, and what it decided.
    pub last: Option<(Timestamp, Decision)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PolicyKind {
    Simple {
        adjustment: i32,
        cooldown_secs: Option<u32>,
    },
    Step {
        steps: Vec<Step>,
        aggregation: Option<String>,
        estimated_warmup_secs: Option<u32>,
    },
    TargetTracking(TargetTracking),
    /// Kept and shown, in the words of `PredictiveScalingConfiguration`. There is never a forecast that it could act by.
    Predictive {
        configuration: Value,
    },
}

/// How an adjustment is to be read, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdjustmentType {
    ChangeInCapacity,
    PercentChangeInCapacity,
    ExactCapacity,
}

impl AdjustmentType {
    pub const ALL: &[Self] = &[Self::ChangeInCapacity, Self::ExactCapacity, Self::PercentChangeInCapacity];

    pub fn name(self) -> &'static str {
        match self {
            Self::ChangeInCapacity => "ChangeInCapacity",
            Self::PercentChangeInCapacity => "PercentChangeInCapacity",
            Self::ExactCapacity => "ExactCapacity",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == text)
    }

    /// How many instances `adjustment` adds to `base`, before limits; negative takes away.
    ///
    /// `min_magnitude` raises the size of a change in percent, but not of none at all.
    pub fn change(self, base: u32, adjustment: i32, min_magnitude: Option<u32>) -> i64 {
        let (base, adjustment) = (i64::from(base), i64::from(adjustment));
        match self {
            Self::ChangeInCapacity => adjustment,
            Self::ExactCapacity => adjustment - base,
            Self::PercentChangeInCapacity => {
                let size = round_percent_change(percent_of(base, adjustment)).abs();
                adjustment.signum() * size.max(min_magnitude.map_or(0, i64::from))
            }
        }
    }
}

/// A change in percent of a capacity, in instances, before it is rounded.
pub fn percent_of(base: i64, percent: i64) -> f64 {
    base as f64 * percent as f64 / 100.0
}

/// Rounds a change in percent to instances: towards zero, but never a change to none.
///
/// Source: Amazon EC2 Auto Scaling User Guide, "Step and simple scaling policies", scaling adjustment types.
pub fn round_percent_change(raw: f64) -> i64 {
    match raw.trunc() as i64 {
        0 if raw > 0.0 => 1,
        0 if raw < 0.0 => -1,
        whole => whole,
    }
}

/// A group's `min_size` and `max_size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub min: u32,
    pub max: u32,
}

impl Limits {
    pub fn clamp(self, capacity: i64) -> u32 {
        u32::try_from(capacity.clamp(i64::from(self.min), i64::from(self.max))).unwrap_or(self.max)
    }
}

/// The desired capacity after `change` is applied to `base`, which differs from `desired` while instances warm up or
/// terminate, or when they have weights. A change never moves `desired` against its own direction: what was ordered
/// already counts.
pub fn capacity_after(limits: Limits, desired: u32, base: u32, change: i64) -> u32 {
    let asked = limits.clamp(i64::from(base) + change);
    match change.signum() {
        1 => asked.max(desired),
        -1 => asked.min(desired),
        _ => desired,
    }
}

/// What the members weigh once instances of `weight` have launched until there is `desired` capacity. It may exceed
/// `max_size`, by less than the weight.
///
/// Source: User Guide, "Configure an Auto Scaling group to use instance weights".
pub fn capacity_launched(weighed: u32, desired: u32, weight: u32) -> u32 {
    let instances = desired.saturating_sub(weighed).div_ceil(weight.max(1));
    weighed.saturating_add(instances.saturating_mul(weight.max(1)))
}

/// The capacity that wins when several policies ask at once: the largest, scaling out and in.
///
/// Source: Amazon EC2 Auto Scaling User Guide, "Dynamic scaling", multiple policies.
pub fn largest_capacity(asked: impl IntoIterator<Item = u32>) -> Option<u32> {
    asked.into_iter().max()
}

/// The warm-up in force for a step or target tracking policy, in seconds.
///
/// Source: User Guide, "Available warm-up and cooldown settings".
pub fn effective_warmup_secs(estimated: Option<u32>, default_warmup: Option<u32>, default_cooldown: u32) -> u32 {
    estimated.or(default_warmup).unwrap_or(default_cooldown)
}

/// All that a policy looks at besides itself and the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Situation {
    pub limits: Limits,
    pub desired: u32,
    /// What the members weigh in all, where instances have weights: then adjustments start from that.
    pub weighed: Option<u32>,
    /// Instances in service whose warm-up is over; for step and target tracking policies.
    pub warm: u32,
    pub terminating: u32,
    /// A launch, a termination or a replacement is under way or about to start.
    pub busy: bool,
    pub cooldown_until: Option<Timestamp>,
    pub others: Others,
}

/// What the group's other target tracking policies say when one of them wants to scale in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Others {
    /// One of them is not ready to scale in.
    pub object: bool,
    /// The largest capacity that one of them asks for.
    pub at_least: u32,
}

/// What a policy does, and why.
#[must_use = "a decision nobody reads cannot be explained later"]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub action: Action,
    pub because: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    NoOp,
    ScaleOut { to: u32 },
    ScaleIn { to: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The adjustment asks for this change, before limits.
    Adjusted {
        by: i64,
    },
    /// The adjustment, or the step that matches, asks for no change.
    NoChangeAsked,
    AtMaxSize,
    AtMinSize,
    InCooldown {
        until: Timestamp,
    },
    ActivityInProgress,
    /// Instances that are launching, warming up or terminating already make the change.
    AlreadyUnderWay,
    /// Nothing is taken away while instances warm up.
    WarmingUp,
    /// The metric lies in no step.
    NoStepMatches,
    /// A step or target tracking policy was asked to act without a metric value.
    NoMetricValue,
    /// A predictive policy has no forecast.
    NoForecast,
    /// A target tracking policy has `DisableScaleIn`.
    ScaleInDisabled,
    /// Another target tracking policy of the group is not ready to scale in.
    OtherPolicyNotReady,
    PolicyDisabled,
    /// The group's `AlarmNotification` process is suspended.
    AlarmNotificationSuspended,
}

impl Decision {
    pub fn no_op(because: Reason) -> Self {
        Self { action: Action::NoOp, because }
    }

    /// The desired capacity that it asks for, if it asks for one.
    pub fn to(self) -> Option<u32> {
        match self.action {
            Action::NoOp => None,
            Action::ScaleOut { to } | Action::ScaleIn { to } => Some(to),
        }
    }
}

impl Policy {
    /// What this policy does in `situation`. Step and target tracking policies need a `breach`.
    pub fn decide(
        &self,
        now: Timestamp,
        situation: &Situation,
        breach: Option<Breach>,
        honor_cooldown: bool,
    ) -> Decision {
        if !self.enabled {
            return Decision::no_op(Reason::PolicyDisabled);
        }
        match &self.kind {
            PolicyKind::Simple { adjustment, .. } => match blocked(now, situation) {
                Some(because) if honor_cooldown => Decision::no_op(because),
                _ => self.adjust(situation, *adjustment, situation.weighed.unwrap_or(situation.desired)),
            },
            PolicyKind::Step { steps, .. } => match breach {
                None => Decision::no_op(Reason::NoMetricValue),
                Some(breach) => match choose_step(steps, breach) {
                    None => Decision::no_op(Reason::NoStepMatches),
                    Some(step) => self.take_step(situation, step.adjustment),
                },
            },
            PolicyKind::TargetTracking(tracking) => match breach {
                None => Decision::no_op(Reason::NoMetricValue),
                Some(Breach { value, alarm_above: true, .. }) => track_out(tracking, situation, value),
                Some(Breach { value, .. }) => track_in(tracking, situation, value),
            },
            PolicyKind::Predictive { .. } => Decision::no_op(Reason::NoForecast),
        }
    }

    fn take_step(&self, situation: &Situation, adjustment: i32) -> Decision {
        let scales_in = match self.adjustment_type {
            AdjustmentType::ExactCapacity => i64::from(adjustment) < i64::from(situation.desired),
            _ => adjustment < 0,
        };
        if !scales_in {
            return self.adjust(situation, adjustment, situation.warm.min(situation.desired));
        }
        if situation.warm < situation.desired {
            return Decision::no_op(Reason::WarmingUp);
        }
        self.adjust(situation, adjustment, situation.desired.saturating_add(situation.terminating))
    }

    fn adjust(&self, situation: &Situation, adjustment: i32, base: u32) -> Decision {
        let change = self.adjustment_type.change(base, adjustment, self.min_adjustment_magnitude);
        change_by(situation, base, change)
    }

    /// The cooldown that starts when a change by this policy is done; step policies start none.
    pub fn cooldown_secs(&self, default_cooldown_secs: u32) -> Option<u32> {
        match self.kind {
            PolicyKind::Simple { cooldown_secs, .. } => Some(cooldown_secs.unwrap_or(default_cooldown_secs)),
            PolicyKind::Step { .. } | PolicyKind::TargetTracking(_) | PolicyKind::Predictive { .. } => None,
        }
    }
}

/// The decision that `change` to `base` comes to within the group's limits.
fn change_by(situation: &Situation, base: u32, change: i64) -> Decision {
    let Situation { limits, desired, .. } = *situation;
    let to = capacity_after(limits, desired, base, change);
    let unlimited = i64::from(base) + change;
    match to.cmp(&desired) {
        Ordering::Greater => Decision { action: Action::ScaleOut { to }, because: Reason::Adjusted { by: change } },
        Ordering::Less => Decision { action: Action::ScaleIn { to }, because: Reason::Adjusted { by: change } },
        Ordering::Equal if change == 0 => Decision::no_op(Reason::NoChangeAsked),
        Ordering::Equal if unlimited > i64::from(limits.max) => Decision::no_op(Reason::AtMaxSize),
        Ordering::Equal if unlimited < i64::from(limits.min) => Decision::no_op(Reason::AtMinSize),
        Ordering::Equal => Decision::no_op(Reason::AlreadyUnderWay),
    }
}

/// Scales out in proportion to the metric of the instances that are warm; those that warm up were ordered already.
fn track_out(tracking: &TargetTracking, situation: &Situation, value: f64) -> Decision {
    let base = situation.warm.min(situation.desired);
    let wanted = proportional_capacity(base, value, tracking.target);
    change_by(situation, base, (i64::from(wanted) - i64::from(base)).max(0))
}

/// Scales in gradually, and never against another target tracking policy.
fn track_in(tracking: &TargetTracking, situation: &Situation, value: f64) -> Decision {
    if tracking.disable_scale_in {
        return Decision::no_op(Reason::ScaleInDisabled);
    }
    if situation.warm < situation.desired {
        return Decision::no_op(Reason::WarmingUp);
    }
    if situation.others.object {
        return Decision::no_op(Reason::OtherPolicyNotReady);
    }
    let base = situation.desired.saturating_add(situation.terminating);
    let wanted = tracking.scale_in_capacity(base, value).max(situation.others.at_least);
    change_by(situation, base, (i64::from(wanted) - i64::from(base)).min(0))
}

/// What holds a simple policy back. A cooldown that ends at `now` is over; AWS does not document that instant.
fn blocked(now: Timestamp, situation: &Situation) -> Option<Reason> {
    if situation.busy {
        return Some(Reason::ActivityInProgress);
    }
    let until = situation.cooldown_until.filter(|until| *until > now)?;
    Some(Reason::InCooldown { until })
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
