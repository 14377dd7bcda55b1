//! Which instances of a warm pool are unhealthy, and their replacement. Start at `Groups::check_pool_health`; the group's
//! own are in `health.rs`.
//!
//! Source: User Guide, "View health check status and the reason for health check failures" of warm pools.

use super::Groups;
use super::cause::{Cause, HealthFinding, What};
use super::group::Process;
use super::instance::{Ec2State, Health, LifecycleState};
use crate::clock::Timestamp;
use crate::engine::names::{GroupName, InstanceId};

impl Groups {
    /// Looks at a pool's instance; marks it if it is unhealthy, and replaces it as far as processes are not suspended.
    /// It has no grace period, and is not looked at before it is ready.
    pub(super) fn check_pool_health(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(instance) = self.instances.get(id) else { return };
        let Some(member) = instance.membership.as_ref().filter(|member| member.lifecycle.is_warmed()) else { return };
        let name = member.group.clone();
        let checks = self.groups.get(&name).is_some_and(|group| !group.is_suspended(Process::HealthCheck));
        let awake = member.lifecycle == LifecycleState::WarmedRunning;
        let gone = matches!(instance.state, Ec2State::ShuttingDown | Ec2State::Terminated);
        let failed = |finding: &&HealthFinding| match finding {
            HealthFinding::LoadBalancer => false,
            HealthFinding::EbsVolume => !awake,
            _ => awake,
        };
        let found = match gone || (awake && !instance.is_running()) {
            true => Some(HealthFinding::TerminatedOrStopped),
            false => member.failing.iter().find(failed).copied(),
        };
        self.mark(id, found.filter(|_| checks));
        self.replace_unhealthy_pooled(now, &name);
    }

    pub(super) fn replace_unhealthy_pooled(&mut self, now: Timestamp, name: &GroupName) {
        let Some(group) = self.groups.get(name) else { return };
        if group.deleting || group.is_suspended(Process::ReplaceUnhealthy) || group.is_suspended(Process::Terminate) {
            return;
        }
        let unhealthy = self.pool_members(group).filter_map(|(instance, member)| {
            let found = member.health_finding.unwrap_or(HealthFinding::ByUser);
            let unhealthy = member.lifecycle.is_warmed() && member.health == Health::Unhealthy;
            unhealthy.then(|| (instance.id.clone(), found))
        });
        let unhealthy: Vec<(InstanceId, HealthFinding)> = unhealthy.collect();
        for (id, finding) in unhealthy {
            self.begin_pool_termination(now, &id, Cause::new(now, What::Unhealthy(finding)).to_string());
            self.plan_pool(now + self.timing.replacement(), name);
        }
    }
}
