//! What callers do to a group as a whole: create, update, delete, and its tags, topics, processes and metrics.
//! Start at [`Groups::create_group`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Groups;
use super::cause::{Cause, What, join};
use super::group::{
    Cooldown, Group, GroupChange, GroupSpec, GroupTag, MAX_GROUPS, MAX_INSTANCES_PER_PROTECTION_CALL,
    MAX_TOPICS_PER_GROUP, Process, check_sizes, group_not_found, limit_exceeded,
};
use super::health::no_managed_instance;
use super::hook::LifecycleHook;
use super::instance::Load;
use super::measure::GROUP_METRICS;
use super::notice::{NotificationType, test_notice};
use super::policy::Limits;
use super::workload::Meter;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{ActivityId, GroupName, InstanceId, TopicArn};

impl Groups {
    pub(super) fn group_or_refuse(&mut self, name: &GroupName) -> Result<&mut Group, Refusal> {
        match self.groups.get_mut(name) {
            None => Err(group_not_found(name)),
            Some(group) if group.deleting => {
                let text = format!("AutoScalingGroup '{name}' is pending delete");
                Err(Refusal::new("ScalingActivityInProgress", 400, text))
            }
            Some(group) => Ok(group),
        }
    }

    /// # Errors
    /// `AlreadyExists`, `LimitExceeded`, or `ValidationError` for what no group can have.
    pub fn create_group(&mut self, now: Timestamp, spec: GroupSpec) -> Result<(), Refusal> {
        let name = &spec.name;
        if self.groups.contains_key(name) {
            let text =
                format!("AutoScalingGroup by this name already exists - A group with the name {name} already exists");
            return Err(Refusal::new("AlreadyExists", 400, text));
        }
        if self.has_default_quotas && self.groups.len() >= MAX_GROUPS {
            return Err(limit_exceeded("AutoScalingGroups", MAX_GROUPS));
        }
        let desired = spec.desired_capacity.unwrap_or(spec.limits.min);
        check_sizes(spec.limits, desired)?;
        spec.settings.check()?;
        self.check_launch(&spec.settings.launch)?;
        self.check_inventory(&spec.settings.launch)?;
        let resource = format!("autoScalingGroup:{}:autoScalingGroupName/{name}", self.ids.arns.uuid());
        let arn = self.place.arn("autoscaling", &resource);
        let name = name.clone();
        self.groups.insert(name.clone(), Group::new(now, arn, spec));
        if desired > 0 {
            self.set_desired(now, &name, desired, What::Created { to: desired });
        }
        Ok(())
    }

    /// # Errors
    /// `ValidationError` if the sizes contradict each other or the settings are impossible.
    pub fn update_group(&mut self, now: Timestamp, name: &GroupName, change: GroupChange) -> Result<(), Refusal> {
        change.settings.check()?;
        self.check_launch(&change.settings.launch)?;
        let group = self.group_or_refuse(name)?;
        let has_pool = group.warm_pool.is_some();
        if has_pool {
            self.refuse_spot(&change.settings.launch)?;
        }
        if let Some(group) = self.groups.get(name) {
            if group.settings.launch != change.settings.launch {
                self.check_inventory(&change.settings.launch)?;
            }
            self.check_first_weights(group, &change.settings.launch)?;
        }
        let group = self.group_or_refuse(name)?;
        let limits = Limits {
            min: change.min_size.unwrap_or(group.limits.min),
            max: change.max_size.unwrap_or(group.limits.max),
        };
        let from = group.desired_capacity;
        // New limits move a capacity that the caller does not mention.
        let to = change.desired_capacity.unwrap_or_else(|| from.max(limits.min).min(limits.max));
        check_sizes(limits, to)?;
        group.limits = limits;
        group.settings = change.settings;
        if to != from {
            self.set_desired(now, name, to, What::Updated { limits, from, to });
        }
        self.reweigh(now, name);
        self.check_group_health(now, name);
        self.plan_rebalance(now, name);
        self.follow_pool(now, name);
        Ok(())
    }

    /// # Errors
    /// `ValidationError` outside the group's limits; `ScalingActivityInProgress` in a cooldown that is to be honored.
    pub fn set_desired_capacity(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        to: u32,
        honor_cooldown: bool,
    ) -> Result<(), Refusal> {
        let group = self.group_or_refuse(name)?;
        let (limits, from) = (group.limits, group.desired_capacity);
        let beyond = match to {
            to if to > limits.max => Some(format!("above max value {}", limits.max)),
            to if to < limits.min => Some(format!("below min value {}", limits.min)),
            _ => None,
        };
        if let Some(beyond) = beyond {
            let text = format!("New SetDesiredCapacity value {to} is {beyond} for the AutoScalingGroup.");
            return Err(Refusal::validation(text));
        }
        if honor_cooldown {
            self.refuse_in_cooldown(now, name)?;
        }
        if to != from {
            self.set_desired(now, name, to, What::DesiredCapacitySet { from, to });
        }
        Ok(())
    }

    /// Deletes a group; with `force` its instances go too, without lifecycle hooks, and the group when they are gone.
    ///
    /// # Errors
    /// `ResourceInUse` with instances, `ScalingActivityInProgress` with activities, unless forced.
    pub fn delete_group(&mut self, now: Timestamp, name: &GroupName, force: bool) -> Result<(), Refusal> {
        let pooled = self.groups.get(name).map_or(0, |group| self.pool_count(group).total());
        let remaining = self.in_states(name, |state| !state.is_terminating()) + pooled;
        let busy = self.is_busy(name);
        let group = self.groups.get_mut(name).ok_or_else(|| group_not_found(name))?;
        if !force && remaining > 0 {
            let text = "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance \
                        request(s) still in the group.";
            return Err(Refusal::new("ResourceInUse", 400, text));
        }
        if !force && busy {
            let text =
                "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.";
            return Err(Refusal::new("ScalingActivityInProgress", 400, text));
        }
        group.deleting = true;
        let from = group.desired_capacity;
        group.limits.min = 0;
        group.desired_capacity = 0;
        self.terminate_all(now, name, from);
        self.empty_pool(now, name);
        if self.groups.get(name).is_some_and(|group| group.everyone().next().is_none()) {
            self.remove_group(name);
        }
        Ok(())
    }

    fn terminate_all(&mut self, now: Timestamp, name: &GroupName, from: u32) {
        let members: Vec<InstanceId> =
            self.groups.get(name).into_iter().flat_map(|group| group.members.iter().cloned()).collect();
        for id in members {
            let Some(state) = self.instances.get(&id).and_then(|instance| instance.lifecycle()) else { continue };
            if state.is_pending() {
                self.abandon_launch(now, &id, "The AutoScalingGroup is being deleted".to_string());
            } else if state.is_terminating() {
                self.shut_down(now, &id);
            } else {
                self.cancel_launch_activity(now, &id);
                let out = Cause::new(now, What::TakenOut { from, to: 0 });
                let causes = [out, Cause::new(now, What::Selected(id.clone()))];
                self.begin_termination(now, &id, join(&causes), Vec::new());
            }
        }
    }

    /// Takes a group off with everything that it planned.
    pub(super) fn remove_group(&mut self, name: &GroupName) {
        let Some(mut group) = self.groups.remove(name) else { return };
        self.agenda.cancel(&mut group.converge_due);
        self.agenda.cancel(&mut group.rebalance_due);
        self.refreshing.remove(name);
        if let Some(pool) = &mut group.warm_pool {
            self.agenda.cancel(&mut pool.due);
        }
        for refresh in &mut group.refreshes {
            self.agenda.cancel(&mut refresh.due);
        }
        let measured = self.groups.values().any(|group| !group.metrics.is_empty());
        if !measured && !self.instances.values().any(super::Instance::is_running) {
            self.agenda.cancel(&mut self.minute_due);
        }
        self.forget_scaling(group);
    }

    /// `TerminateInstanceInAutoScalingGroup`. Returns the activity's id.
    ///
    /// # Errors
    /// `ValidationError` if no group has the instance, or the smaller capacity would be below `min_size`.
    pub fn terminate_member(
        &mut self,
        now: Timestamp,
        id: &InstanceId,
        decrement: bool,
    ) -> Result<ActivityId, Refusal> {
        let member = self.instances.get(id).and_then(|instance| instance.membership.as_ref());
        let member = member.ok_or_else(|| no_managed_instance(id))?;
        let name = member.group.clone();
        if self.groups.get(&name).is_some_and(|group| !group.members.contains(id)) {
            let text =
                format!("The instance {id} is in the warm pool of {name}, where this operation cannot be called");
            return Err(Refusal::validation(text));
        }
        if member.lifecycle.is_terminating() {
            return member.activity.clone().ok_or_else(|| no_managed_instance(id));
        }
        let (state, in_activity) = (member.lifecycle, member.activity.is_some());
        if decrement && !state.is_active() {
            let text = format!("The instance {id} is in {state}, where it is no part of the desired capacity");
            return Err(Refusal::validation(text));
        }
        let weight = member.weight;
        let group = self.group_or_refuse(&name)?;
        let (from, min) = (group.desired_capacity, group.limits.min);
        if decrement && from < min.saturating_add(weight) {
            return Err(Refusal::validation(format!(
                "Currently, desiredSize equals minSize ({min}). Terminating instance without replacement will violate \
                 group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's \
                 min size."
            )));
        }
        if decrement {
            group.desired_capacity -= weight;
        }
        if in_activity {
            self.cancel_launch_activity(now, id);
        }
        let shrinking = decrement.then_some((from, from.saturating_sub(weight)));
        let cause = Cause::new(now, What::UserTerminated { instance: id.clone(), shrinking }).to_string();
        self.begin_termination(now, id, cause, Vec::new());
        self.plan_converge(now + self.timing.launch_delay(), &name);
        let member = self.instances.get(id).and_then(|instance| instance.membership.as_ref());
        member.and_then(|member| member.activity.clone()).ok_or_else(|| no_managed_instance(id))
    }

    pub fn set_instance_protection(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        ids: &[InstanceId],
        protected: bool,
    ) -> Result<(), Refusal> {
        if ids.len() > MAX_INSTANCES_PER_PROTECTION_CALL {
            return Err(limit_exceeded("instances per call", MAX_INSTANCES_PER_PROTECTION_CALL));
        }
        let members = &self.group_or_refuse(name)?.members;
        if let Some(stranger) = ids.iter().find(|id| !members.contains(*id)) {
            return Err(Refusal::validation(format!(
                "The instance {stranger} is not part of Auto Scaling group {name}."
            )));
        }
        for id in ids {
            if let Some(member) = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut()) {
                member.protected_from_scale_in = protected;
            }
        }
        if !protected {
            if let Some(group) = self.groups.get_mut(name) {
                group.shrinks = true;
            }
            self.plan_converge(now + self.timing.terminate_delay(), name);
        }
        Ok(())
    }

    /// `PutNotificationConfiguration`: the topic hears of `types`, and at once that it was reached.
    pub fn put_notification(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        topic_arn: TopicArn,
        types: BTreeSet<NotificationType>,
    ) -> Result<(), Refusal> {
        let request_id = self.ids.activities.uuid();
        let group = self.group_or_refuse(name)?;
        if !group.notifications.contains_key(&topic_arn) && group.notifications.len() >= MAX_TOPICS_PER_GROUP {
            return Err(limit_exceeded("SNS topics per group", MAX_TOPICS_PER_GROUP));
        }
        group.notifications.insert(topic_arn.clone(), types);
        let arn = group.arn.clone();
        let notice = test_notice(&self.place, now, name, &arn, &request_id);
        self.notify(topic_arn, notice);
        Ok(())
    }

    /// Deleting what is not there succeeds, as on AWS.
    pub fn delete_notification(&mut self, name: &GroupName, topic_arn: &TopicArn) -> Result<(), Refusal> {
        self.group_or_refuse(name)?.notifications.remove(topic_arn);
        Ok(())
    }

    /// Suspends `processes`, or all of them if none is named.
    pub fn suspend_processes(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        processes: &[Process],
    ) -> Result<(), Refusal> {
        let group = self.group_or_refuse(name)?;
        for process in all_if_none(processes, Process::ALL) {
            group.suspended.entry(*process).or_insert_with(|| format!("User suspended at {}", now.iso_secs()));
        }
        Ok(())
    }

    /// Resumes `processes`, or all of them if none is named, and does what waited for them.
    pub fn resume_processes(&mut self, now: Timestamp, name: &GroupName, processes: &[Process]) -> Result<(), Refusal> {
        let group = self.group_or_refuse(name)?;
        for process in all_if_none(processes, Process::ALL) {
            group.suspended.remove(process);
        }
        group.launch_failing_since = None;
        group.launch_failures = 0;
        self.check_group_health(now, name);
        if self.groups.get(name).is_some_and(|group| group.target() != self.active(name)) {
            self.plan_converge(now + self.timing.launch_delay(), name);
        }
        self.plan_rebalance(now, name);
        self.follow_pool(now, name);
        self.step_refresh(now, name);
        Ok(())
    }

    /// Collects `metrics`, or all of them if none is named.
    pub fn enable_metrics(&mut self, now: Timestamp, name: &GroupName, metrics: &[String]) -> Result<(), Refusal> {
        if let Some(unknown) = metrics.iter().find(|metric| !GROUP_METRICS.contains(&metric.as_str())) {
            return Err(Refusal::validation(format!("'{unknown}' is not a valid metric")));
        }
        let group = self.group_or_refuse(name)?;
        match metrics {
            [] => group.metrics.extend(GROUP_METRICS.iter().map(|metric| (*metric).to_string())),
            named => group.metrics.extend(named.iter().cloned()),
        }
        self.plan_minute(now);
        Ok(())
    }

    pub fn disable_metrics(&mut self, name: &GroupName, metrics: &[String]) -> Result<(), Refusal> {
        let group = self.group_or_refuse(name)?;
        group.metrics.retain(|metric| !metrics.is_empty() && !metrics.contains(metric));
        Ok(())
    }

    pub fn put_tags(&mut self, name: &GroupName, tags: BTreeMap<String, GroupTag>) -> Result<(), Refusal> {
        self.group_or_refuse(name)?.tags.extend(tags);
        Ok(())
    }

    pub fn delete_tags(&mut self, name: &GroupName, keys: &[String]) -> Result<(), Refusal> {
        self.group_or_refuse(name)?.tags.retain(|key, _| !keys.contains(key));
        Ok(())
    }
}

fn all_if_none<'a>(named: &'a [Process], all: &'a [Process]) -> &'a [Process] {
    if named.is_empty() { all } else { named }
}

impl Group {
    fn new(now: Timestamp, arn: String, spec: GroupSpec) -> Self {
        let named = |hook: LifecycleHook| (hook.name.clone(), hook);
        Self {
            name: spec.name,
            arn,
            created_at: now,
            limits: spec.limits,
            desired_capacity: 0,
            settings: spec.settings,
            tags: spec.tags,
            suspended: BTreeMap::new(),
            metrics: BTreeSet::new(),
            notifications: BTreeMap::new(),
            policies: BTreeMap::new(),
            schedules: BTreeMap::new(),
            hooks: spec.hooks.into_iter().map(named).collect(),
            load: Load::Idle,
            workload: None,
            minute: None,
            meter: Meter::default(),
            charged_credits: 0.0,
            activities: VecDeque::new(),
            members: BTreeSet::new(),
            warm_pool: None,
            deleting: false,
            pending: Vec::new(),
            invoking_alarms: Vec::new(),
            replacing: 0,
            refreshing: 0,
            refreshes: Vec::new(),
            cooldown: Cooldown::None,
            round: None,
            converge_due: None,
            launch_failing_since: None,
            launch_failures: 0,
            traffic_sources: Vec::new(),
            leaving_sources: Vec::new(),
            shrinks: false,
            rebalancing: None,
            rebalance_due: None,
        }
    }
}
