//! A group over virtual time: what happens when, and in which words it is told.

mod aggregation;
mod inventory;
mod lifetimes;
mod mixed;
mod moves;
mod over_time;

mod properties;
mod refresh;
mod scheduled;
mod tracking;
mod traffic;
mod warm_pool;
mod whole_loop;
mod worlds;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::policy::{AdjustmentType, Limits, Policy, PolicyKind};
use super::target_tracking::{AlarmNames, PredefinedMetric, TargetTracking, TrackedMetric};
use super::*;
use crate::engine::alarms::{AlarmSnapshot, AlarmState, AlarmTiming, Comparison, MetricAlarm, MetricStat};
use crate::engine::metrics::Statistic;
use crate::engine::names::{PolicyArn, SubnetId, Zone};

const START: i64 = 1_789_000_000;

/// Groups under a clock that jumps from one due instant to the next, and all that they did.
struct Stage {
    groups: Groups,
    now: Timestamp,
    outcomes: Vec<(Timestamp, Outcome)>,
}

impl Stage {
    fn new(timing: Timing) -> Self {
        Self::with_seed(timing, 7)
    }

    fn with_seed(timing: Timing, seed: u64) -> Self {
        let mut groups = Groups::new(&Place::new("us-east-1", "123456789012"), seed, timing);
        let now = Timestamp::from_secs(START);
        let data = json!({"ImageId": "ami-1", "InstanceType": "t2.nano", "Monitoring": {"Enabled": true}});
        groups.create_launch_template(now, "web", None, data, BTreeMap::new()).unwrap();
        Self { groups, now, outcomes: Vec::new() }
    }

    /// A group `web` of `min`/`desired`/`max` in two zones, settled.
    fn settled(min: u32, desired: u32, max: u32) -> Self {
        let mut stage = Self::new(Timing::Realistic);
        stage.create("web", min, desired, max);
        stage.run_for(300);
        stage.outcomes.clear();
        stage
    }

    fn spec(&self, name: &str, min: u32, desired: u32, max: u32) -> GroupSpec {
        let placement = |letter: &str, third: u32| Placement {
            subnet: SubnetId(format!("subnet-{letter}")),
            zone: Zone(format!("us-east-1{letter}")),
            cidr: format!("10.0.{third}.0/24"),
            vpc: "vpc-1".into(),
            public_ip: true,
            ipv6: None,
        };
        GroupSpec {
            name: name.into(),
            limits: Limits { min, max },
            desired_capacity: Some(desired),
            settings: Settings {
                placements: vec![placement("a", 0), placement("b", 1)],
                by_zone: false,
                launch: self.groups.launch_source_of_template(None, Some("web"), Some("$Latest")).unwrap(),
                default_cooldown_secs: 300,
                default_instance_warmup_secs: None,
                health_check_type: "EC2".into(),
                health_check_grace_secs: 0,
                termination_policies: vec![termination::TerminationPolicy::Default],
                protect_new_instances: false,
                capacity_rebalance: None,
                service_linked_role_arn: String::new(),
                preferences: preferences::Preferences::default(),
            },
            tags: BTreeMap::new(),
            hooks: Vec::new(),
        }
    }

    fn create(&mut self, name: &str, min: u32, desired: u32, max: u32) {
        let spec = self.spec(name, min, desired, max);
        self.call(|groups, now| groups.create_group(now, spec)).unwrap();
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Groups, Timestamp) -> T) -> T {
        let answer = call(&mut self.groups, self.now);
        self.groups.settle(self.now);
        let outcomes = std::mem::take(&mut self.groups.outcomes);
        self.keep(outcomes);
        answer
    }

    fn keep(&mut self, outcomes: Vec<Outcome>) {
        self.outcomes.extend(outcomes.into_iter().map(|outcome| (self.now, outcome)));
    }

    fn run_for(&mut self, secs: u64) {
        let end = self.now + Duration::from_secs(secs);
        while let Some(due) = self.groups.next_due().filter(|due| *due <= end) {
            self.now = due;
            let outcomes = self.groups.run_due(due);
            self.keep(outcomes);
        }
        self.now = end;
    }

    fn group(&self) -> &Group {
        self.groups.get(&"web".into()).unwrap()
    }

    /// Life cycle states of all members.
    fn states(&self) -> String {
        let states = self.groups.members(self.group()).map(|(_, member)| member.lifecycle.name());
        states.collect::<Vec<_>>().join(" ")
    }

    fn member_ids(&self) -> Vec<InstanceId> {
        self.group().members.iter().cloned().collect()
    }

    fn pooled_ids(&self) -> Vec<InstanceId> {
        self.group().pooled().cloned().collect()
    }

    /// Life cycle states of the warm pool's instances.
    fn pool_states(&self) -> Vec<LifecycleState> {
        self.groups.pool_members(self.group()).map(|(_, member)| member.lifecycle).collect()
    }

    /// Title, status, and cause with its times as seconds from the start, newest first.
    fn activities(&self) -> Vec<(String, &'static str, String)> {
        let shown = self.group().shown_activities(self.now);
        shown
            .iter()
            .map(|activity| (activity.description(), activity.status.name(), relative(&activity.cause)))
            .collect()
    }

    /// Messages to topics: seconds from the start, subject, message.
    fn messages(&self) -> Vec<(i64, String, Value)> {
        let told = self.outcomes.iter().filter_map(|(at, outcome)| match outcome {
            Outcome::Notify { notice, .. } => {
                let message = serde_json::from_str(&notice.message).unwrap();
                Some((at.as_secs() - START, notice.subject.clone().unwrap(), message))
            }
            _ => None,
        });
        told.collect()
    }

    /// Values of a metric: seconds from the start of the minute that each is about, and the value.
    fn values(&self, name: &str, dimension: &str) -> Vec<(i64, f64)> {
        let mut measured = Vec::new();
        for (_, outcome) in &self.outcomes {
            if let Outcome::Measured { key, at, sample } = outcome
                && key.name == name
                && key.dimensions.contains_key(dimension)
                && let crate::engine::metrics::Values::Counted(values) = &sample.values
            {
                measured.extend(values.iter().map(|(value, _)| (at.as_secs() - START, *value)));
            }
        }
        measured
    }

    fn put_simple(&mut self, name: &str, adjustment: i32, cooldown_secs: Option<u32>) -> PolicyArn {
        self.put_policy(name, PolicyKind::Simple { adjustment, cooldown_secs })
    }

    fn put_policy(&mut self, name: &str, kind: PolicyKind) -> PolicyArn {
        self.put_policy_of(name, AdjustmentType::ChangeInCapacity, kind)
    }

    fn put_policy_of(&mut self, name: &str, adjustment_type: AdjustmentType, kind: PolicyKind) -> PolicyArn {
        let policy = Policy {
            name: name.into(),
            arn: PolicyArn::default(),
            enabled: true,
            adjustment_type,
            min_adjustment_magnitude: None,
            kind,
            last: None,
        };
        self.call(|groups, _| groups.put_policy(&"web".into(), policy)).unwrap()
    }

    /// The alarm `cpu-high` (threshold 50) in ALARM invokes a policy.
    fn fire(&mut self, arn: &PolicyArn, value: f64) {
        self.ask(arn, alarm(self.now, value));
    }

    fn ask(&mut self, arn: &PolicyArn, alarm: AlarmSnapshot) {
        let outcomes = self.groups.invoke_policy(self.now, arn.as_str(), &alarm, &|_| None).unwrap();
        self.keep(outcomes);
    }

    fn last_reason(&self, policy: &str) -> policy::Reason {
        self.group().policies[policy].last.unwrap().1.because
    }
}

/// A policy that holds a metric at 50.
fn tracking(kind: PredefinedMetric) -> TargetTracking {
    TargetTracking {
        metric: TrackedMetric::Predefined { kind, resource_label: None },
        target: 50.0,
        disable_scale_in: false,
        estimated_warmup_secs: Some(60),
        alarms: AlarmNames::default(),
    }
}

/// An alarm of such a policy, on the `high` or the `low` side.
fn tracked_alarm(now: Timestamp, side: &str, value: f64) -> AlarmSnapshot {
    let mut snapshot = alarm(now, value);
    let mut config = (*snapshot.config).clone();
    config.name = side.into();
    config.comparison = if side == "high" { Comparison::GreaterThanThreshold } else { Comparison::LessThanThreshold };
    snapshot.config = Arc::new(config);
    snapshot
}

fn alarm(now: Timestamp, value: f64) -> AlarmSnapshot {
    let metric = MetricStat {
        key: MetricKey { namespace: "AWS/EC2".into(), name: "CPUUtilization".into(), dimensions: BTreeMap::new() },
        statistic: Statistic::Average,
        period_secs: 60,
        unit: None,
    };
    let config = MetricAlarm {
        name: "cpu-high".into(),
        description: None,
        actions_enabled: true,
        ok_actions: vec![],
        alarm_actions: vec![],
        insufficient_data_actions: vec![],
        watched: metric.into(),
        evaluation_periods: 1,
        datapoints_to_alarm: None,
        threshold: 50.0,
        comparison: Comparison::GreaterThanOrEqualToThreshold,
        treat_missing_data: None,
        evaluate_low_sample_count_percentile: None,
        timing: AlarmTiming::default(),
    };
    AlarmSnapshot {
        config: Arc::new(config),
        arn: "arn:aws:cloudwatch:us-east-1:123456789012:alarm:cpu-high".into(),
        old_state: AlarmState::Ok,
        new_state: AlarmState::Alarm,
        reason: "".into(),
        state_changed_at: now,
        configuration_updated_at: now,
        newest_value: Some(value),
    }
}

/// Writes each `At 2026-...Z` as seconds from the start.
fn relative(cause: &str) -> String {
    let mut words = Vec::new();
    for word in cause.split(' ') {
        match Timestamp::parse(word) {
            Some(at) => words.push((at.as_secs() - START).to_string()),
            None => words.push(word.to_string()),
        }
    }
    words.join(" ")
}
