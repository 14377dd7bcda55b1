//! The metrics of each minute: CPU utilization per instance and per group, and the groups' own. Start at
//! `Groups::on_minute`.
//!
//! A minute is measured when it is over, and its data carry the time it began, as CloudWatch shows them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Groups;
use super::Outcome;
use super::agenda::Due;
use super::group::Group;
use super::instance::{IDLE_CPU_PERCENT, Instance, LifecycleState, Load, Membership};
use super::warm_pool::PoolCount;
use super::workload::{Machine, Meter, Requests, Workload};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::metrics::{MetricKey, Sample, Values};
use crate::engine::names::GroupName;

const MINUTE: Duration = Duration::from_secs(60);

/// How often instances without detailed monitoring report. Source: EC2 User Guide, "Basic monitoring".
const BASIC_MONITORING: Duration = Duration::from_secs(300);

/// The metrics of `EnableMetricsCollection`. Source: DescribeMetricCollectionTypes.
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
    standby: u32,
    terminating: u32,
}

/// What machines show in CloudWatch, each for itself and all of a group together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    name: &'static str,
    unit: &'static str,
    /// How long a datum is about.
    span: Duration,
}

impl Shown {
    pub(super) fn key(self, dimension: &str, of: &str) -> Arc<MetricKey> {
        Arc::new(key("AWS/EC2", self.name, dimension, of))
    }

    /// What was shown in the span that ends `now`, as pairs of value and count.
    fn datum(self, now: Timestamp, key: Arc<MetricKey>, values: Vec<(f64, f64)>) -> Outcome {
        let sample = Sample { unit: Some(self.unit.to_string()), values: Values::Counted(values) };
        Outcome::Measured { key, at: now - self.span, sample }
    }
}

/// Whose members a due entry, or a call, may have moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Touched {
    None,
    One(GroupName),
    All,
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
            || self.groups.values().any(|group| !group.metrics.is_empty() || group.workload.is_some());
        if anything {
            self.plan_minute(now);
        }
    }

    /// Says how busy a group's machines are from now on.
    ///
    /// # Errors
    /// `ValidationError` for an unknown group, a load that is no number of percent or requests, or requests to a group
    /// of which nobody said how many it can take.
    pub fn set_load(&mut self, now: Timestamp, name: &GroupName, load: Load) -> Result<(), Refusal> {
        let group = self.group_or_refuse(name)?;
        if let Load::Cpu(amount) | Load::Demand(amount) | Load::Requests(amount) = load {
            is_amount(amount).then_some(()).ok_or_else(no_amount)?;
        }
        let model = match load {
            Load::Requests(_) => Some(group.workload.as_ref().ok_or_else(nobody_said)?),
            _ => group.workload.as_ref(),
        };
        group.load = load;
        group.meter.change(now, load, model, group.meter.serving());
        Ok(())
    }

    /// The same for requests that change again and again, the first of them not before what the group was told last, and
    /// none after what is due next.
    ///
    /// # Errors
    /// Those of [`Groups::set_load`]; then nothing changes.
    pub fn set_requests(&mut self, name: &GroupName, run: Requests<'_>) -> Result<(), Refusal> {
        let group = self.group_or_refuse(name)?;
        let model = group.workload.as_ref().ok_or_else(nobody_said)?;
        if !run.per_sec.iter().all(|amount| is_amount(*amount)) {
            return Err(no_amount());
        }
        let Some(last) = run.per_sec.last() else { return Ok(()) };
        group.load = Load::Requests(*last);
        group.meter.follow(run, model, group.meter.serving());
        Ok(())
    }

    /// Says what a group's machines are like. Those that run already keep the credits that they have.
    ///
    /// # Errors
    /// `ValidationError` for an unknown group.
    pub fn set_workload(&mut self, now: Timestamp, name: &GroupName, workload: Workload) -> Result<(), Refusal> {
        let group = self.group_or_refuse(name)?;
        group.meter.learn(&workload);
        group.workload = Some(workload);
        group.meter.change(now, group.load, group.workload.as_ref(), group.meter.serving());
        self.plan_minute(now);
        Ok(())
    }

    /// Drops activities that ended before `at`, for a driver that has read them.
    pub fn forget_activities_before(&mut self, at: Timestamp) {
        for group in self.groups.values_mut() {
            group.activities.retain(|activity| activity.ended_at.is_none_or(|ended| ended >= at));
        }
    }

    pub(super) fn touched_by(&self, due: &Due) -> Touched {
        match due {
            Due::Minute | Due::Arrives(_) | Due::Forget(_) => Touched::None,
            Due::Converge(name) | Due::Rebalance(name) | Due::Refresh(name) | Due::WarmPool(name) => {
                Touched::One(name.clone())
            }
            Due::Running(id)
            | Due::InService(id)
            | Due::Serves(id)
            | Due::Drained(id)
            | Due::TerminatingHook(id)
            | Due::MovedOut(id)
            | Due::Warmed(id)
            | Due::Terminated(id) => match self.instances.get(id).and_then(Instance::group) {
                Some(name) => Touched::One(name.clone()),
                None => Touched::None,
            },
            _ => Touched::All,
        }
    }

    /// Sees which members serve now, and shares the load among those.
    pub(super) fn follow_members(&mut self, now: Timestamp, touched: &Touched) {
        let names: Vec<GroupName> = match touched {
            Touched::None => return,
            Touched::One(name) => vec![name.clone()],
            Touched::All => self.groups.keys().cloned().collect(),
        };
        for name in names {
            self.follow_members_of(now, &name);
        }
    }

    fn follow_members_of(&mut self, now: Timestamp, name: &GroupName) {
        let Some(group) = self.groups.get_mut(name) else { return };
        group.meter.advance(now);
        let (mut serving, mut starting) = (0, Vec::new());
        for id in &group.members {
            let Some(instance) = self.instances.get_mut(id) else { continue };
            if !instance.is_running() {
                let gone = instance.machine.take();
                group.charged_credits += gone.map_or(0.0, |machine| machine.charged_at_end(group.workload.as_ref()));
                continue;
            }
            let in_service = instance.lifecycle() == Some(LifecycleState::InService);
            let (launched_at, began) = (instance.launched_at, instance.state_changed_at);
            let model = group.workload.as_ref();
            let machine = instance.machine.get_or_insert_with(|| Machine::new(began, model));
            if in_service && machine.ready_at.is_none() {
                // What comes from the warm pool has booted there.
                let warmed = instance.membership.as_ref().is_some_and(|member| member.warmed);
                let boot = model.filter(|_| !warmed).map_or(Duration::ZERO, |model| model.boot_of(id.as_str()));
                let ready_at = (launched_at + boot).max(now);
                machine.ready_at = Some(ready_at);
                if ready_at > now {
                    starting.push((ready_at, id.clone()));
                }
            }
            let serves = in_service && machine.ready_at.is_some_and(|ready_at| ready_at <= now);
            machine.set_serves(now, &group.meter, idle_percent(model), serves);
            // Work is shared in proportion to weights.
            serving += if serves { instance.weight() } else { 0 };
        }
        group.meter.change(now, group.load, group.workload.as_ref(), serving);
        for (at, id) in starting {
            self.agenda.add(at, Due::Serves(id));
        }
    }

    fn measure_instances(&mut self, now: Timestamp) {
        let basic_is_due = now.floor_to(BASIC_MONITORING) == now;
        for group in self.groups.values_mut() {
            group.meter.advance(now);
        }
        let nobody = Meter::default();
        let mut measured = Vec::new();
        for instance in self.instances.values_mut().filter(|instance| instance.is_running()) {
            let mut group = instance.membership.as_ref().and_then(|member| self.groups.get_mut(&member.group));
            let model = group.as_deref().and_then(|group| group.workload.as_ref());
            let meter = group.as_deref().map_or(&nobody, |group| &group.meter);
            let began = instance.state_changed_at;
            let machine = instance.machine.get_or_insert_with(|| Machine::new(began, model));
            machine.count_credits(now, meter, idle_percent(model), model);
            let span = if instance.detailed_monitoring { MINUTE } else { BASIC_MONITORING };
            let percent = (instance.detailed_monitoring || basic_is_due).then(|| machine.take_percent(now));
            let credits = machine.credits.filter(|_| basic_is_due).map(|balance| balance.credits());
            if let Some(group) = &mut group {
                let in_service = instance.lifecycle() == Some(LifecycleState::InService);
                let (meter, model) = (&mut group.meter, group.workload.as_ref());
                let weight = instance.weight();
                instance.machine.iter().for_each(|machine| meter.tally(machine, weight, in_service, model));
            }
            let data = percent.map(|value| (Shown { name: "CPUUtilization", unit: "Percent", span }, value));
            let balance = Shown { name: "CPUCreditBalance", unit: "Count", span: BASIC_MONITORING };
            let data = data.into_iter().chain(credits.map(|value| (balance, value)));
            if group.as_deref().is_some_and(|group| group.load == Load::Silent) {
                continue;
            }
            let model = group.as_deref().and_then(|group| group.workload.as_ref());
            if model.is_some_and(|model| model.loses(instance.id.as_str(), now)) {
                continue;
            }
            let delay = model.map_or(Duration::ZERO, |model| model.metric_delay);
            let mut group = group.filter(|group| counts_for_group(instance, group, now));
            for (shown, value) in data {
                if self.measures_instances {
                    let key = shown.key("InstanceId", instance.id.as_str());
                    measured.push((delay, shown.datum(now, key, vec![(value, 1.0)])));
                }
                if let Some(group) = &mut group {
                    group.meter.gather(shown, value);
                }
            }
        }
        for group in self.groups.values_mut() {
            let (load, has_model) = (group.load, group.workload.is_some());
            group.minute = Some(group.meter.close_minute(now, load, has_model, group.charged_credits));
            let delay = group.workload.as_ref().map_or(Duration::ZERO, |model| model.metric_delay);
            for (shown, key, values) in group.meter.take_gathered(&group.name) {
                measured.push((delay, shown.datum(now, key, values)));
            }
            let per_sec = group.minute.and_then(|minute| minute.requests_per_sec);
            measured.extend(per_sec.and_then(|per_sec| group.requests(now - MINUTE, per_sec)).map(|it| (delay, it)));
        }
        self.publish(now, measured);
    }

    /// Hands data over, or keeps those that are late until they arrive.
    fn publish(&mut self, now: Timestamp, measured: Vec<(Duration, Outcome)>) {
        for (delay, datum) in measured {
            match delay {
                Duration::ZERO => self.outcomes.push(datum),
                delay => drop(self.agenda.add(now + delay, Due::Arrives(vec![datum]))),
            }
        }
    }

    /// Counts members, each as many times as `weight` says.
    fn count(&self, group: &Group, weight: impl Fn(&Membership) -> u32) -> Headcount {
        let mut count = Headcount::default();
        for member in group.members.iter().filter_map(|id| self.instances.get(id)?.membership.as_ref()) {
            let place = match member.lifecycle {
                LifecycleState::InService => &mut count.in_service,
                LifecycleState::Standby => &mut count.standby,
                state if state.is_pending() => &mut count.pending,
                _ => &mut count.terminating,
            };
            *place += weight(member);
        }
        count
    }

    fn headcount(&self, group: &Group) -> Headcount {
        self.count(group, |_| 1)
    }

    fn measure_groups(&mut self, at: Timestamp) {
        let mut measured = Vec::new();
        for group in self.groups.values().filter(|group| !group.metrics.is_empty()) {
            let counts = Counts {
                instances: self.headcount(group),
                capacity: self.count(group, |member| member.weight),
                pool: self.pool_count(group),
            };
            for metric in &group.metrics {
                let key = key("AWS/AutoScaling", metric, "AutoScalingGroupName", group.name.as_str());
                let sample = Sample::one(f64::from(group_metric(metric, group, counts)), "None");
                measured.push(Outcome::Measured { key: Arc::new(key), at, sample });
            }
        }
        self.outcomes.extend(measured);
    }
}

fn is_amount(amount: f64) -> bool {
    amount.is_finite() && amount >= 0.0
}

fn no_amount() -> Refusal {
    Refusal::validation("A load is a number of percent or requests, zero or more")
}

fn nobody_said() -> Refusal {
    Refusal::validation("Nobody said how many requests a machine of this group can take")
}

/// What a machine without work shows.
fn idle_percent(model: Option<&Workload>) -> f64 {
    model.map_or(IDLE_CPU_PERCENT, |model| model.base_cpu)
}

/// Whether an instance's data go into its group's by now.
fn counts_for_group(instance: &Instance, group: &Group, now: Timestamp) -> bool {
    let member = instance.membership.as_ref();
    let since = member.filter(|member| member.lifecycle == LifecycleState::InService);
    let since = since.and_then(|member| member.in_service_since);
    since.is_some_and(|since| counts_from(since, group.settings.default_instance_warmup_secs) <= now)
}

/// When an instance's data begin to go into its group's: once in service and, with a default warm-up, once that is over.
///
/// Source: User Guide, "Set the default instance warmup".
pub fn counts_from(in_service_since: Timestamp, default_warmup_secs: Option<u32>) -> Timestamp {
    in_service_since + Duration::from_secs(u64::from(default_warmup_secs.unwrap_or_default()))
}

impl Headcount {
    /// Source: User Guide, "Auto Scaling group metrics": in service, pending and terminating; recorded without standby.
    fn total(self) -> u32 {
        self.in_service + self.pending + self.terminating
    }
}

/// What a group and its warm pool have, in instances and in units of capacity.
#[derive(Debug, Clone, Copy)]
struct Counts {
    instances: Headcount,
    capacity: Headcount,
    pool: PoolCount,
}

fn group_metric(metric: &str, group: &Group, counts: Counts) -> u32 {
    let Counts { instances, capacity, pool } = counts;
    match metric {
        "GroupMinSize" => group.limits.min,
        "GroupMaxSize" => group.limits.max,
        "GroupDesiredCapacity" => group.desired_capacity,
        "GroupInServiceInstances" => instances.in_service,
        "GroupPendingInstances" => instances.pending,
        "GroupStandbyInstances" => instances.standby,
        "GroupTerminatingInstances" => instances.terminating,
        "GroupTotalInstances" => instances.total(),
        "GroupInServiceCapacity" => capacity.in_service,
        "GroupPendingCapacity" => capacity.pending,
        "GroupStandbyCapacity" => capacity.standby,
        "GroupTerminatingCapacity" => capacity.terminating,
        "GroupTotalCapacity" => capacity.total(),
        "WarmPoolDesiredCapacity" => group.wanted_pool_size(),
        "WarmPoolWarmedCapacity" => pool.warmed,
        "WarmPoolPendingCapacity" => pool.pending,
        "WarmPoolTerminatingCapacity" => pool.terminating,
        "WarmPoolTotalCapacity" => pool.total(),
        "GroupAndWarmPoolDesiredCapacity" => group.desired_capacity + group.wanted_pool_size(),
        "GroupAndWarmPoolTotalCapacity" => capacity.total() + pool.total(),
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
