//! How instances come into a warm pool, rest there, leave it for their group, return to it, and end. Start at
//! `Groups::converge_pool`.
//!
//! Source: User Guide, "Use lifecycle hooks with a warm pool". Titles of activities: published by users for launches into
//! and from a pool and terminations from it; that of a return, and the sentences about a pool's capacity, are ours.

use std::collections::BTreeMap;

use super::Groups;
use super::activity::{ActivityKind, ActivityStatus, Details, Way};
use super::agenda::Due;
use super::cause::{Cause, What, join};
use super::group::{Group, Process};
use super::instance::{Ec2State, Health, Instance, LifecycleState, Placement};
use super::timing::Timing;
use super::warm_pool::PoolState;
use crate::clock::Timestamp;
use crate::engine::names::{GroupName, InstanceId, Zone};

impl Groups {
    pub(super) fn on_warm_pool(&mut self, now: Timestamp, name: &GroupName) {
        if let Some(pool) = self.groups.get_mut(name).and_then(|group| group.warm_pool.as_mut()) {
            pool.due = None;
        }
        self.converge_pool(now, name);
        self.step_refresh(now, name);
    }

    /// Compares what a pool should hold with what it has, and launches or terminates the difference.
    pub(super) fn converge_pool(&mut self, now: Timestamp, name: &GroupName) {
        let Some(group) = self.groups.get(name).filter(|group| group.warm_pool.is_some()) else { return };
        let (wanted, active) = (group.wanted_pool_size(), self.pool_count(group).active());
        if active < wanted && !group.is_suspended(Process::Launch) {
            self.fill_pool(now, name, wanted);
        } else if active > wanted && !group.is_suspended(Process::Terminate) {
            self.drain_pool(now, name, active, wanted);
        }
    }

    /// Whether a pool has a difference that something can be done about now.
    pub(super) fn pool_differs(&self, name: &GroupName) -> bool {
        let Some(group) = self.groups.get(name).filter(|group| group.warm_pool.is_some()) else { return false };
        let (wanted, active) = (group.wanted_pool_size(), self.pool_count(group).active());
        match active < wanted {
            true => !group.is_suspended(Process::Launch) && self.may_fill(group),
            false => active > wanted && !group.is_suspended(Process::Terminate),
        }
    }

    /// Whether the pool may get another instance: up to its minimum always, and beyond as far as no more are prepared than
    /// there may be, in any state of both.
    fn may_fill(&self, group: &Group) -> bool {
        let Some(pool) = &group.warm_pool else { return false };
        let everyone: u32 = group.everyone().map(|id| self.weight_of(id)).sum();
        self.pool_count(group).active() < pool.min_size || everyone < group.prepared(pool)
    }

    fn fill_pool(&mut self, now: Timestamp, name: &GroupName, wanted: u32) {
        let from = self.groups.get(name).map_or(0, |group| self.pool_count(group).active());
        let cause = Cause::new(now, What::PoolStarted { from, to: wanted }).to_string();
        loop {
            let Some(group) = self.groups.get(name) else { return };
            if self.pool_count(group).active() >= wanted || !self.may_fill(group) {
                return;
            }
            let placements = self.pool_placements(group);
            if let Err(reason) = self.launch_into_pool(now, name, placements, &cause) {
                return self.pool_launch_failed(now, name, cause, reason);
            }
        }
    }

    /// The subnets for the pool's next instance: in the zone with fewest instances of the group and its pool.
    fn pool_placements(&self, group: &Group) -> Vec<Placement> {
        let mut crowds: BTreeMap<&Zone, usize> = BTreeMap::new();
        for instance in group.everyone().filter_map(|id| self.instances.get(id)) {
            *crowds.entry(&instance.placement.zone).or_default() += 1;
        }
        let mut placements = group.settings.placements.clone();
        placements.sort_by_key(|placement| crowds.get(&placement.zone).copied().unwrap_or_default());
        placements
    }

    fn launch_into_pool(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        placements: Vec<Placement>,
        cause: &str,
    ) -> Result<(), String> {
        let group = self.groups.get(name).ok_or("the group is gone")?;
        let purchase = self.purchase_of_next(group);
        let mut failure = "No subnet is left to launch in".to_string();
        for placement in placements {
            match self.launch_at(now, name, purchase, placement) {
                Ok(id) => {
                    self.move_to_pool(&id, Way::INTO_POOL);
                    let title = format!("Launching a new EC2 instance into warm pool: {id}");
                    self.begin_pool_activity(now, &id, title, cause.to_string(), Vec::new());
                    self.update_activity(&id, ActivityStatus::PreInService, 30);
                    return Ok(());
                }
                Err(refusal) => failure = refusal.message,
            }
        }
        Err(failure)
    }

    fn pool_launch_failed(&mut self, now: Timestamp, name: &GroupName, cause: String, reason: String) {
        let title = "Launching a new EC2 instance into warm pool".to_string();
        let id = self.begin_activity(now, name, ActivityKind::Launch, None, title, cause, Details::default());
        let Some(group) = self.groups.get_mut(name) else { return };
        if let Some(activity) = group.activity_mut(id.as_str()) {
            activity.way = Way::INTO_POOL;
        }
        let failures = group.warm_pool.as_mut().map_or(1, |pool| {
            pool.launch_failures += 1;
            pool.launch_failures
        });
        self.end_activity(now, name, &id, ActivityStatus::Failed, Some(reason));
        self.plan_pool(now + Timing::launch_retry(failures), name);
    }

    /// Begins what takes an instance into its pool, out of it or to its end, from where its way says.
    fn begin_pool_activity(
        &mut self,
        now: Timestamp,
        id: &InstanceId,
        title: String,
        cause: String,
        invoking_alarms: Vec<serde_json::Value>,
    ) {
        let Some(instance) = self.instances.get(id) else { return };
        let Some(member) = &instance.membership else { return };
        let (name, way) = (member.group.clone(), member.way);
        let details = Details {
            subnet: Some(instance.placement.subnet.clone()),
            zone: Some(instance.placement.zone.clone()),
            invoking_alarms,
        };
        self.begin_activity(now, &name, way.kind(), Some(id), title, cause, details);
        if let Some(activity) = self.current_activity(id) {
            activity.way = way;
        }
    }

    fn move_to_pool(&mut self, id: &InstanceId, way: Way) {
        let Some(member) = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut()) else { return };
        member.way = way;
        member.lifecycle = LifecycleState::WarmedPending;
        member.in_service_since = None;
        member.warmed = false;
        member.protected_from_scale_in = false;
        let Some(group) = self.groups.get_mut(&member.group) else { return };
        group.members.remove(id);
        if let Some(pool) = &mut group.warm_pool {
            pool.members.insert(id.clone());
        }
    }

    /// An instance is prepared: it is put into the state that its pool wants.
    pub(super) fn rest(&mut self, now: Timestamp, id: &InstanceId) {
        let state = self.pool_state_of(id);
        let takes = match state {
            PoolState::Running => self.timing.in_service(),
            PoolState::Stopped | PoolState::Hibernated => {
                self.stop_instance(now, id);
                self.timing.warm_stop()
            }
        };
        if let Some(instance) = self.instances.get_mut(id).filter(|_| state == PoolState::Hibernated) {
            let text = "Client.UserInitiatedHibernate: User initiated hibernate";
            instance.state_reason = Some(("Client.UserInitiatedHibernate".into(), text.into()));
        }
        self.set_due(id, now + takes, Due::Warmed(id.clone()));
    }

    fn pool_state_of(&self, id: &InstanceId) -> PoolState {
        let group = self.instances.get(id).and_then(|instance| self.groups.get(instance.group()?));
        group.and_then(|group| group.warm_pool.as_ref()).map(|pool| pool.state).unwrap_or_default()
    }

    pub(super) fn on_warmed(&mut self, now: Timestamp, id: &InstanceId) {
        self.clear_due(id);
        let Some(instance) = self.instances.get(id) else { return };
        let Some(name) = instance.group().cloned() else { return };
        let rests = match instance.state {
            Ec2State::Stopping | Ec2State::Stopped => {
                self.on_stopped(now, id);
                // A pool that changed its mind meanwhile has to take what is there.
                Some(self.pool_state_of(id)).filter(|state| *state != PoolState::Running).unwrap_or_default()
            }
            _ => PoolState::Running,
        };
        if rests != PoolState::Running
            && let Some(instance) = self.instances.get_mut(id)
        {
            instance.machine = None;
        }
        self.set_lifecycle(id, rests.lifecycle());
        if let Some(pool) = self.groups.get_mut(&name).and_then(|group| group.warm_pool.as_mut()) {
            pool.launch_failures = 0;
        }
        self.end_current_activity(now, id, ActivityStatus::Successful, None);
        self.check_health(now, id);
        self.after_change(now, &name);
    }

    /// Launches a group's next instance: from its warm pool if one is ready there, and otherwise a new one.
    ///
    /// # Errors
    /// Those of [`Groups::launch_member`].
    pub(super) fn launch_warm_or_cold(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        placements: Vec<Placement>,
        cause: String,
        details: Details,
    ) -> Result<InstanceId, String> {
        match self.next_warmed(name, &placements) {
            Some(id) => {
                self.begin_warm_start(now, name, &id, cause, details);
                Ok(id)
            }
            None => self.launch_member(now, name, placements, cause, details),
        }
    }

    /// The pool's instance to take next, in the best of `placements` that has one, then anywhere. What a refresh is to
    /// replace stays in the pool.
    fn next_warmed(&self, name: &GroupName, placements: &[Placement]) -> Option<InstanceId> {
        let group = self.groups.get(name)?;
        let share = group.active_refresh().and_then(|refresh| refresh.pool.as_ref());
        let ready: Vec<&Instance> = self
            .pool_members(group)
            .filter(|(_, member)| member.lifecycle.is_warmed() && member.health == Health::Healthy)
            .map(|(instance, _)| instance)
            .filter(|instance| share.is_none_or(|share| !share.remaining.contains(&instance.id)))
            .filter(|instance| self.can_start(instance))
            .collect();
        let best = placements.iter().find_map(|place| ready.iter().find(|it| it.placement.zone == place.zone));
        best.or(ready.first()).map(|instance| instance.id.clone())
    }

    /// Whether EC2 runs it, or would start it now.
    fn can_start(&self, instance: &Instance) -> bool {
        match instance.state {
            Ec2State::Running => true,
            Ec2State::Stopped => {
                let (zone, kind) = (&instance.placement.zone, instance.instance_type.as_str());
                !self.faults.is_sure(|fault| fault.to_launch(zone, kind))
            }
            _ => false,
        }
    }

    fn begin_warm_start(&mut self, now: Timestamp, name: &GroupName, id: &InstanceId, cause: String, details: Details) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let protected = group.settings.protect_new_instances;
        if let Some(pool) = &mut group.warm_pool {
            pool.members.remove(id);
        }
        group.members.insert(id.clone());
        let Some(instance) = self.instances.get_mut(id) else { return };
        self.agenda.cancel(&mut instance.health_due);
        let running = instance.is_running();
        if let Some(member) = &mut instance.membership {
            member.way = Way::OUT_OF_POOL;
            member.lifecycle = LifecycleState::Pending;
            member.protected_from_scale_in = protected;
            member.warmed = true;
        }
        let title = format!("Launching a new EC2 instance from warm pool: {id}");
        self.begin_pool_activity(now, id, title, cause, details.invoking_alarms);
        self.update_activity(id, ActivityStatus::PreInService, 30);
        if running {
            self.begin_hooks(now, id);
        } else {
            self.start_instance(now, id);
            self.set_due(id, now + self.timing.warm_start(), Due::Running(id.clone()));
        }
    }

    /// Takes a member out because its group shrinks: back to the warm pool if that wants it, and otherwise for good.
    pub(super) fn scale_in(
        &mut self,
        now: Timestamp,
        id: &InstanceId,
        cause: String,
        invoking_alarms: Vec<serde_json::Value>,
    ) {
        if self.returns_to_pool(id) {
            self.begin_return(now, id, cause, invoking_alarms);
        } else {
            self.begin_termination(now, id, cause, invoking_alarms);
        }
    }

    fn returns_to_pool(&self, id: &InstanceId) -> bool {
        let Some(instance) = self.instances.get(id).filter(|instance| instance.is_running()) else { return false };
        let Some(group) = instance.group().and_then(|name| self.groups.get(name)) else { return false };
        let reuses = group.warm_pool.as_ref().is_some_and(|pool| pool.reuse_on_scale_in == Some(true));
        reuses && self.pool_count(group).active() < group.wanted_pool_size()
    }

    fn begin_return(
        &mut self,
        now: Timestamp,
        id: &InstanceId,
        cause: String,
        invoking_alarms: Vec<serde_json::Value>,
    ) {
        let Some(name) = self.instances.get(id).and_then(|instance| instance.group()).cloned() else { return };
        self.move_to_pool(id, Way::BACK_TO_POOL);
        if let Some(refresh) = self.groups.get_mut(&name).and_then(Group::active_refresh_mut) {
            refresh.hand_to_pool(id);
        }
        let title = format!("Returning EC2 instance to warm pool: {id}");
        self.begin_pool_activity(now, id, title, cause, invoking_alarms);
        self.drain(now, id);
        self.start_cooldown_when_done(now, &name);
    }

    /// Terminates what a pool has too many of: those that are not ready yet first, then the oldest.
    fn drain_pool(&mut self, now: Timestamp, name: &GroupName, active: u32, wanted: u32) {
        let Some(group) = self.groups.get(name) else { return };
        let members = self.pool_members(group).filter(|(_, member)| !member.lifecycle.is_terminating());
        let mut leaving: Vec<_> = members
            .map(|(instance, member)| {
                let new = member.lifecycle.is_warming() && member.way == Way::INTO_POOL;
                (!new, instance.launched_at, instance.id.clone(), member.weight)
            })
            .collect();
        leaving.sort();
        let mut capacity = active;
        for (_, _, id, weight) in leaving {
            if capacity < wanted.saturating_add(weight) {
                return;
            }
            capacity -= weight;
            let taken_out = Cause::new(now, What::PoolTakenOut { from: active, to: wanted });
            let causes = [taken_out, Cause::new(now, What::Selected(id.clone()))];
            self.begin_pool_termination(now, &id, join(&causes));
        }
    }

    /// Terminates all that is in a pool, for its deletion or its group's.
    pub(super) fn empty_pool(&mut self, now: Timestamp, name: &GroupName) {
        let Some(group) = self.groups.get(name) else { return };
        let from = self.pool_count(group).active();
        let members: Vec<InstanceId> = group.pooled().cloned().collect();
        for id in members {
            if self.instances.get(&id).and_then(Instance::lifecycle).is_some_and(LifecycleState::is_terminating) {
                self.shut_down(now, &id);
                continue;
            }
            let causes =
                [Cause::new(now, What::PoolTakenOut { from, to: 0 }), Cause::new(now, What::Selected(id.clone()))];
            self.begin_pool_termination(now, &id, join(&causes));
        }
    }

    pub(super) fn begin_pool_termination(&mut self, now: Timestamp, id: &InstanceId, cause: String) {
        let Some(member) = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut()) else { return };
        let (name, in_activity) = (member.group.clone(), member.activity.is_some());
        member.way = Way::END_OF_POOLED;
        member.lifecycle = LifecycleState::WarmedTerminating;
        if in_activity {
            self.cancel_launch_activity(now, id);
        }
        let title = format!("Terminating EC2 instance from warm pool: {id}");
        self.begin_pool_activity(now, id, title, cause, Vec::new());
        let Some(group) = self.groups.get(&name) else { return };
        if group.deleting || group.warm_pool.as_ref().is_some_and(|pool| pool.deleting) {
            self.shut_down(now, id);
        } else {
            self.on_drained(now, id);
        }
    }
}
