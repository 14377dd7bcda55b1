//! Instances that do not run, or that someone calls unhealthy, and their replacement. Start at `Groups::check_health`.
//!
//! Only findings that are acted on at once are reproduced: an instance that EC2 shut down, and `SetInstanceHealth`.

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
        if matches!(before, Ec2State::Pending | Ec2State::Running) {
            self.shut_down(now, id);
            match self.instances.get(id).and_then(|instance| instance.lifecycle()) {
                Some(lifecycle) if lifecycle.is_pending() => self.abandon_launch_of_shut_down(now, id),
                Some(_) => self.plan_health_check(now + self.timing.health_check(), id),
                None => {}
            }
        }
        (id.clone(), before, state(self))
    }

    fn plan_health_check(&mut self, at: Timestamp, id: &InstanceId) {
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

    /// Looks whether a member in service runs; marks and replaces it if not, as far as processes are not suspended.
    pub(super) fn check_health(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let runs = instance.is_running();
        let Some(member) = instance.membership.as_mut() else { return };
        if member.lifecycle != LifecycleState::InService {
            return;
        }
        let checks = self.groups.get(&member.group).is_some_and(|group| !group.is_suspended(Process::HealthCheck));
        if !runs && checks && member.health == Health::Healthy {
            member.health = Health::Unhealthy;
            member.health_finding = Some(HealthFinding::TerminatedOrStopped);
        }
        if member.health == Health::Unhealthy {
            self.replace(now, id);
        }
    }

    fn replace(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(member) = self.instances.get(id).and_then(|instance| instance.membership.as_ref()) else { return };
        let (name, finding) = (member.group.clone(), member.health_finding.unwrap_or(HealthFinding::ByUser));
        let Some(group) = self.groups.get_mut(&name) else { return };
        if group.is_suspended(Process::ReplaceUnhealthy) || group.is_suspended(Process::Terminate) {
            return;
        }
        group.replacing += 1;
        let cause = Cause::new(now, What::Unhealthy(finding)).to_string();
        self.begin_termination(now, id, cause, Vec::new());
        self.plan_converge(now + self.timing.replacement(), &name);
    }

    /// Looks at every member again, after a process was resumed.
    pub(super) fn check_group_health(&mut self, now: Timestamp, name: &GroupName) {
        let members: Vec<InstanceId> =
            self.groups.get(name).into_iter().flat_map(|group| group.members.iter().cloned()).collect();
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
        let member = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut());
        let member = member.ok_or_else(|| no_managed_instance(id))?;
        let grace_secs = self.groups.get(&member.group).map_or(0, |group| group.settings.health_check_grace_secs);
        let grace = Duration::from_secs(u64::from(grace_secs));
        let in_grace = member.in_service_since.is_none_or(|since| now < since + grace);
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
