//! The metrics of each minute: CPU utilization per instance and per group, and the groups' own. Start at
//! `Groups::on_minute`.
//!
//! A minute is measured when it is over, and its data carry the time it began, as CloudWatch shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Groups;
use super::Outcome;
use super::agenda::Due;
use super::group::Group;
use super::instance::{Instance, LifecycleState, Load};
use crate::clock::Timestamp;
use crate::engine::metrics::{MetricKey, Sample};

const MINUTE: Duration = Duration::from_secs(60);

/// How often instances without detailed monitoring report. Source: EC2 User Guide, "Basic monitoring".
const BASIC_MONITORING: Duration = Duration::from_secs(300);

/// The metrics of `EnableMetricsCollection`. Source: DescribeMetricCollectionTypes. There are no warm pools here, so
/// those of warm pools are zero.
pub const GROUP_METRICS: &[&str] = &[
    "GroupMinSize",
    "GroupMaxSize",
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
    "GroupInServiceCapacity",
    "GroupPendingCapacity",
    "GroupStandbyCapacity",
    "GroupTerminatingCapacity",
    "GroupTotalCapacity",
    "WarmPoolDesiredCapacity",
    "WarmPoolWarmedCapacity",
    "WarmPoolPendingCapacity",
    "WarmPoolTerminatingCapacity",
    "WarmPoolTotalCapacity",
    "GroupAndWarmPoolDesiredCapacity",
    "GroupAndWarmPoolTotalCapacity",
];

/// How many members of a group are in which part of their life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Headcount {
    pending: u32,
    in_service: u32,
    terminating: u32,
}

impl Groups {
    /// Plans the end of the current minute, unless it is planned.
    pub(super) fn plan_minute(&mut self, now: Timestamp) {
        if self.minute_due.is_none() {
            self.minute_due = Some(self.agenda.add(now.floor_to(MINUTE) + MINUTE, Due::Minute));
        }
    }

    pub(super) fn on_minute(&mut self, now: Timestamp) {
        self.minute_due = None;
        self.measure_instances(now);
        self.measure_groups(now - MINUTE);
        let anything = self.instances.values().any(Instance::is_running)
            || self.groups.values().any(|group| !group.metrics.is_empty());
        if anything {
            self.plan_minute(now);
        }
    }

    fn measure_instances(&mut self, now: Timestamp) {
        let basic_is_due = now.floor_to(BASIC_MONITORING) == now;
        let mut measured = Vec::new();
        for instance in self.instances.values().filter(|instance| instance.is_running()) {
            let span = match instance.detailed_monitoring {
                true => MINUTE,
                false if basic_is_due => BASIC_MONITORING,
                false => continue,
            };
            let group = instance.group().and_then(|name| self.groups.get(name));
            if group.is_some_and(|group| group.load == Load::Silent) {
                continue;
            }
            let percent = match group {
                Some(group) => group.load.cpu_percent(self.headcount(group).in_service as usize),
                None => Load::Idle.cpu_percent(1),
            };
            let mut record = |dimension: &str, value: &str| {
                let key = key("AWS/EC2", "CPUUtilization", dimension, value);
                let sample = Sample::one(percent, "Percent");
                measured.push(Outcome::Measured { key, at: now - span, sample });
            };
            record("InstanceId", instance.id.as_str());
            if let Some(group) = group.filter(|group| counts_for_group(instance, group, now)) {
                record("AutoScalingGroupName", group.name.as_str());
            }
        }
        self.outcomes.extend(measured);
    }

    fn headcount(&self, group: &Group) -> Headcount {
        let mut count = Headcount::default();
        for state in group.members.iter().filter_map(|id| self.instances.get(id)?.lifecycle()) {
            match state {
                LifecycleState::InService => count.in_service += 1,
                state if state.is_pending() => count.pending += 1,
                _ => count.terminating += 1,
            }
        }
        count
    }

    fn measure_groups(&mut self, at: Timestamp) {
        let mut measured = Vec::new();
        for group in self.groups.values().filter(|group| !group.metrics.is_empty()) {
            let count = self.headcount(group);
            for metric in &group.metrics {
                let key = key("AWS/AutoScaling", metric, "AutoScalingGroupName", group.name.as_str());
                let sample = Sample::one(f64::from(group_metric(metric, group, count)), "None");
                measured.push(Outcome::Measured { key, at, sample });
            }
        }
        self.outcomes.extend(measured);
    }
}

/// Whether an instance's data go into its group's: once in service and, with a default warm-up, once that is over.
///
/// Source: User Guide, "Set the default instance warmup".
fn counts_for_group(instance: &Instance, group: &Group, now: Timestamp) -> bool {
    let warmup = Duration::from_secs(u64::from(group.settings.default_instance_warmup_secs.unwrap_or_default()));
    let member = instance.membership.as_ref();
    let since = member.filter(|member| member.lifecycle == LifecycleState::InService);
    since.and_then(|member| member.in_service_since).is_some_and(|since| since + warmup <= now)
}

fn group_metric(metric: &str, group: &Group, count: Headcount) -> u32 {
    let total = count.in_service + count.pending + count.terminating;
    match metric {
        "GroupMinSize" => group.limits.min,
        "GroupMaxSize" => group.limits.max,
        "GroupDesiredCapacity" | "GroupAndWarmPoolDesiredCapacity" => group.desired_capacity,
        "GroupInServiceInstances" | "GroupInServiceCapacity" => count.in_service,
        "GroupPendingInstances" | "GroupPendingCapacity" => count.pending,
        "GroupTerminatingInstances" | "GroupTerminatingCapacity" => count.terminating,
        "GroupTotalInstances" | "GroupTotalCapacity" | "GroupAndWarmPoolTotalCapacity" => total,
        _ => 0,
    }
}

fn key(namespace: &str, name: &str, dimension: &str, value: &str) -> MetricKey {
    MetricKey {
        namespace: namespace.into(),
        name: name.into(),
        dimensions: BTreeMap::from([(dimension.to_string(), value.to_string())]),
    }
}
