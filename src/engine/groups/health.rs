//! Which instances are unhealthy, and when they are replaced. Start at `Groups::check_health`.
//!
//! An instance that does not run, and one that `SetInstanceHealth` condemns, are replaced at once. One that fails EC2's
//! status checks or its load balancer's health checks first has its grace period, and then waits for its turn. So does one
//! that has been in service for as long as its group allows.
//!
//! Source: User Guide, "Health checks for instances in an Auto Scaling group" and "Replace Auto Scaling instances based on
//! maximum instance lifetime".

use std::time::Duration;

use super::Groups;
use super::agenda::Due;
use super::cause::{Cause, HealthFinding, What};
use super::group::Process;
use super::instance::{Ec2State, Health, LifecycleState};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{GroupName, InstanceId};

/// How many instances that fail checks are replaced at a time: a tenth of the group, and at least one.
///
/// Source: User Guide, "Health checks". Instances that do not run, or that a user calls unhealthy, do not wait.
pub fn replaced_at_once(desired_capacity: u32) -> u32 {
    (desired_capacity / 10).max(1)
}

impl HealthFinding {
    /// Found by a check that may err, so that grace and turns apply.
    fn waits(self) -> bool {
        matches!(self, Self::StatusCheckFailed | Self::ScheduledReboot | Self::LoadBalancer | Self::MaxLifetime)
    }
}

/// What `TerminateInstances` answers for one instance: its state before and now.
pub type StateChange = (InstanceId, Ec2State, Ec2State);

impl Groups {
    /// Shuts EC2 instances down, as `TerminateInstances` does. Their groups notice by their health checks.
    ///
    /// # Errors
    /// `InvalidInstanceID.NotFound`, and then nothing is done.
    pub fn terminate_instances(&mut self, now: Timestamp, ids: &[InstanceId]) -> Result<Vec<StateChange>, Refusal> {
        if let Some(unknown) = ids.iter().find(|id| !self.instances.contains_key(*id)) {
            let text = format!("The instance ID '{unknown}' does not exist");
            return Err(Refusal::new("InvalidInstanceID.NotFound", 400, text));
        }
        Ok(ids.iter().map(|id| self.terminate_instance(now, id)).collect())
    }

    fn terminate_instance(&mut self, now: Timestamp, id: &InstanceId) -> StateChange {
        let state = |groups: &Self| groups.instances.get(id).map_or(Ec2State::Terminated, |instance| instance.state);
        let before = state(self);
        if !matches!(before, Ec2State::ShuttingDown | Ec2State::Terminated) {
            let lifecycle = self.instances.get(id).and_then(|instance| instance.lifecycle());
            if lifecycle.is_some_and(LifecycleState::is_moving_out) {
                self.on_moved_out(now, id);
            }
            self.shut_down(now, id);
            match lifecycle {
                Some(lifecycle) if lifecycle.is_pending() || lifecycle.is_warming() => {
                    self.abandon_launch_of_shut_down(now, id)
                }
                Some(_) => self.plan_health_check(now + self.timing.health_check(), id),
                None => {}
            }
        }
        (id.clone(), before, state(self))
    }

    /// A check finds an instance unhealthy, or healthy again: EC2's status checks, its load balancer.
    pub fn report_check(&mut self, now: Timestamp, id: &InstanceId, finding: HealthFinding, fails: bool) {
        let Some(member) = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut()) else { return };
        let changed = if fails { member.failing.insert(finding) } else { member.failing.remove(&finding) };
        if changed {
            self.check_health(now, id);
        }
    }

    pub(super) fn plan_health_check(&mut self, at: Timestamp, id: &InstanceId) {
        if let Some(instance) = self.instances.get_mut(id) {
            self.agenda.cancel(&mut instance.health_due);
            instance.health_due = Some(self.agenda.add(at, Due::HealthCheck(id.clone())));
        }
    }

    pub(super) fn on_health_check(&mut self, now: Timestamp, id: &InstanceId) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.health_due = None;
        }
        self.check_health(now, id);
    }

    /// Whether a check that its group asks finds it unhealthy.
    pub(super) fn is_failing(&self, id: &InstanceId) -> bool {
        self.failed_check(id).is_some()
    }

    fn failed_check(&self, id: &InstanceId) -> Option<HealthFinding> {
        let member = self.instances.get(id)?.membership.as_ref()?;
        let asks_load_balancers = self.groups.get(&member.group)?.settings.asks_load_balancers();
        let counts = |finding: &&HealthFinding| match finding {
            HealthFinding::LoadBalancer => asks_load_balancers && member.registered,
            _ => true,
        };
        member.failing.iter().find(counts).copied()
    }

    /// When an instance's grace period ends; none before it is in service.
    fn grace_ends(&self, id: &InstanceId) -> Option<Timestamp> {
        let member = self.instances.get(id)?.membership.as_ref()?;
        let grace_secs = self.groups.get(&member.group)?.settings.health_check_grace_secs;
        Some(member.in_service_since? + Duration::from_secs(u64::from(grace_secs)))
    }

    /// When an instance has been in service for as long as its group lets it; protected ones may stay.
    fn life_ends(&self, id: &InstanceId) -> Option<Timestamp> {
        let member = self.instances.get(id)?.membership.as_ref()?;
        let lifetime = self.groups.get(&member.group)?.settings.preferences.max_instance_lifetime()?;
        Some(member.in_service_since.filter(|_| !member.protected_from_scale_in)? + lifetime)
    }

    /// Makes sure that somebody looks at an instance when its time is over.
    pub(super) fn plan_end_of_life(&mut self, id: &InstanceId) {
        if let Some(end) = self.life_ends(id) {
            self.plan_health_check(end, id);
        }
    }

    /// Looks at a member in service; marks it if it is unhealthy, and replaces it as far as processes are not suspended.
    pub(super) fn check_health(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(instance) = self.instances.get(id) else { return };
        if instance.lifecycle().is_some_and(LifecycleState::is_warmed) {
            return self.check_pool_health(now, id);
        }
        let Some(member) = instance.membership.as_ref().filter(|it| it.lifecycle == LifecycleState::InService) else {
            return;
        };
        let name = member.group.clone();
        let checks = self.groups.get(&name).is_some_and(|group| !group.is_suspended(Process::HealthCheck));
        let grace_ends = self.grace_ends(id).filter(|end| *end > now);
        let found = match self.failed_check(id) {
            _ if !instance.is_running() => Some(HealthFinding::TerminatedOrStopped),
            Some(_) if grace_ends.is_some() => None,
            failed => failed,
        };
        let grace_ends = grace_ends.filter(|_| found.is_none() && self.is_failing(id));
        let life_ends = self.life_ends(id).filter(|end| found.is_none() && *end > now);
        if let Some(next) = grace_ends.into_iter().chain(life_ends).min() {
            self.plan_health_check(next, id);
        }
        self.mark(id, found.filter(|_| checks));
        self.replace_unhealthy(now, &name);
    }

    pub(super) fn mark(&mut self, id: &InstanceId, found: Option<HealthFinding>) {
        let Some(member) = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut()) else { return };
        if let Some(finding) = found.filter(|_| member.health == Health::Healthy) {
            member.health = Health::Unhealthy;
            member.health_finding = Some(finding);
        }
    }

    /// Replaces unhealthy members, those found by checks only as far as their turn has come.
    pub(super) fn replace_unhealthy(&mut self, now: Timestamp, name: &GroupName) {
        let Some(group) = self.groups.get(name) else { return };
        if group.deleting || group.is_suspended(Process::ReplaceUnhealthy) || group.is_suspended(Process::Terminate) {
            return;
        }
        let unhealthy = group.members.iter().filter_map(|id| {
            let member = self.instances.get(id)?.membership.as_ref()?;
            let finding = match member.health {
                Health::Unhealthy => Some(member.health_finding.unwrap_or(HealthFinding::ByUser)),
                Health::Healthy => self.life_ends(id).filter(|end| *end <= now).map(|_| HealthFinding::MaxLifetime),
            };
            Some((id.clone(), finding.filter(|_| member.lifecycle == LifecycleState::InService)?))
        });
        let unhealthy: Vec<(InstanceId, HealthFinding)> = unhealthy.collect();
        for (id, finding) in unhealthy {
            if !finding.waits() || self.may_replace_another(name) {
                self.replace(now, &id, finding);
            }
        }
        self.replace_unhealthy_pooled(now, name);
    }

    /// Whether fewer instances are missing from service than may be replaced at a time.
    fn may_replace_another(&self, name: &GroupName) -> bool {
        let desired = self.groups.get(name).map_or(0, |group| group.desired_capacity);
        let in_service = self.in_states(name, |state| state == LifecycleState::InService);
        desired.saturating_sub(in_service) < replaced_at_once(desired)
    }

    fn replace(&mut self, now: Timestamp, id: &InstanceId, finding: HealthFinding) {
        let Some(name) = self.instances.get(id).and_then(|instance| instance.group()).cloned() else { return };
        let weight = self.weight_of(id);
        if let Some(group) = self.groups.get_mut(&name) {
            group.replacing += weight;
        }
        let cause = Cause::new(now, What::Unhealthy(finding)).to_string();
        self.begin_termination(now, id, cause, Vec::new());
        self.plan_converge(now + self.timing.replacement(), &name);
    }

    /// Looks at every member again, after a process was resumed.
    pub(super) fn check_group_health(&mut self, now: Timestamp, name: &GroupName) {
        let members: Vec<InstanceId> =
            self.groups.get(name).into_iter().flat_map(|group| group.everyone().cloned()).collect();
        for id in members {
            self.check_health(now, &id);
        }
    }

    /// `SetInstanceHealth`. Within the grace period an unhealthy verdict is ignored if `respect_grace`.
    pub fn set_instance_health(
        &mut self,
        now: Timestamp,
        id: &InstanceId,
        health: Health,
        respect_grace: bool,
    ) -> Result<(), Refusal> {
        let pooled =
            self.instances.get(id).and_then(|instance| instance.lifecycle()).is_some_and(LifecycleState::is_warmed);
        let in_grace = !pooled && self.grace_ends(id).is_none_or(|end| now < end);
        let member = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut());
        let member = member.ok_or_else(|| no_managed_instance(id))?;
        if health == Health::Unhealthy && respect_grace && in_grace {
            return Ok(());
        }
        member.health = health;
        member.health_finding = (health == Health::Unhealthy).then_some(HealthFinding::ByUser);
        self.check_health(now, id);
        Ok(())
    }
}

pub(super) fn no_managed_instance(id: &InstanceId) -> Refusal {
    Refusal::validation(format!("Instance Id not found - No managed instance found for instance ID: {id}"))
}
