//! An instance's way through its states: booting, hooks, service, draining, shutting down, and out of its group.
//! Start at [`Groups::on_running`] and [`Groups::begin_termination`].

use std::time::Duration;

use super::Groups;
use super::activity::{ActivityKind, ActivityStatus, Details, Side, Way};
use super::agenda::Due;
use super::group::Group;
use super::hook::Transition;
use super::instance::{Ec2State, LifecycleState};
use super::timing::TERMINATED_SHOWN_FOR;
use crate::clock::Timestamp;
use crate::engine::names::InstanceId;

/// Recorded in cancelled launches.
const SHUT_DOWN_WHILE_PENDING: &str = "Instance became unhealthy while waiting for instance to be in InService state. \
                                       Termination Reason: Client.UserInitiatedShutdown: User initiated shutdown";

impl Groups {
    /// Takes a member out: an activity, the load balancer, the hooks, the shut-down.
    pub(super) fn begin_termination(
        &mut self,
        now: Timestamp,
        id: &InstanceId,
        cause: String,
        invoking_alarms: Vec<serde_json::Value>,
    ) {
        let Some(instance) = self.instances.get(id) else { return };
        let Some(name) = instance.group().cloned() else { return };
        let details = Details {
            subnet: Some(instance.placement.subnet.clone()),
            zone: Some(instance.placement.zone.clone()),
            invoking_alarms,
        };
        self.set_way(id, Way::TERMINATION);
        self.set_lifecycle(id, LifecycleState::Terminating);
        let title = format!("Terminating EC2 instance: {id}");
        self.begin_activity(now, &name, ActivityKind::Terminate, Some(id), title, cause, details);
        let deleting = self.groups.get(&name).is_some_and(|group| group.deleting);
        if deleting {
            self.shut_down(now, id);
        } else {
            self.drain(now, id);
        }
        self.start_cooldown_when_done(now, &name);
    }

    /// Sends a member that leaves no more traffic, and goes on when the last has reached it.
    pub(super) fn drain(&mut self, now: Timestamp, id: &InstanceId) {
        match self.deregister(id) {
            Some(takes) => {
                self.update_activity(id, ActivityStatus::WaitingForELBConnectionDraining, 50);
                self.set_due(id, now + takes, Due::Drained(id.clone()));
            }
            None => self.on_drained(now, id),
        }
    }

    /// No more traffic reaches a member that terminates.
    pub(super) fn on_drained(&mut self, now: Timestamp, id: &InstanceId) {
        self.update_activity(id, ActivityStatus::InProgress, 50);
        let group = self.instances.get(id).and_then(|instance| self.groups.get(instance.group()?));
        let hooked = |group: &Group| group.hooks.values().any(|hook| hook.transition == Transition::Terminating);
        if group.is_some_and(hooked) {
            self.set_due(id, now + self.timing.hook(), Due::TerminatingHook(id.clone()));
        } else {
            self.on_hooks_done(now, id);
        }
    }

    pub(super) fn on_terminating_hook(&mut self, now: Timestamp, id: &InstanceId) {
        self.clear_due(id);
        if !self.enter_hook(now, id, Transition::Terminating, "") {
            self.on_hooks_done(now, id);
        }
        if let Some(name) = self.instances.get(id).and_then(|instance| instance.group()).cloned() {
            self.start_cooldown_when_done(now, &name);
        }
    }

    /// A launch that comes to nothing: its activity is cancelled, the instance leaves and shuts down.
    pub(super) fn abandon_launch(&mut self, now: Timestamp, id: &InstanceId, reason: String) {
        let Some(name) = self.instances.get(id).and_then(|instance| instance.group()).cloned() else { return };
        let pooled = self.way_of(id).to == Side::WarmPool;
        self.end_current_activity(now, id, ActivityStatus::Cancelled, Some(reason));
        self.leave_group(id);
        self.shut_down(now, id);
        if pooled {
            self.plan_pool(now + self.timing.replacement(), &name);
        } else {
            self.plan_converge(now + self.timing.replacement(), &name);
        }
    }

    /// Ends the launch activity of an instance that is to terminate instead.
    pub(super) fn cancel_launch_activity(&mut self, now: Timestamp, id: &InstanceId) {
        if let Some(member) = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut()) {
            member.lifecycle_action = None;
        }
        let reason = "Instance was terminated before it was in service".to_string();
        self.end_current_activity(now, id, ActivityStatus::Cancelled, Some(reason));
    }

    pub(super) fn abandon_launch_of_shut_down(&mut self, now: Timestamp, id: &InstanceId) {
        self.abandon_launch(now, id, SHUT_DOWN_WHILE_PENDING.to_string());
    }

    pub(super) fn shut_down(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let takes = match instance.state {
            // Its end is planned, unless something else was planned for it in the meantime.
            Ec2State::ShuttingDown => self.timing.shut_down().saturating_sub(now.since(instance.state_changed_at)),
            Ec2State::Terminated => Duration::ZERO,
            Ec2State::Pending | Ec2State::Running | Ec2State::Stopping | Ec2State::Stopped => {
                instance.state = Ec2State::ShuttingDown;
                instance.state_changed_at = now;
                let text = "Client.UserInitiatedShutdown: User initiated shutdown";
                instance.state_reason = Some(("Client.UserInitiatedShutdown".into(), text.into()));
                self.timing.shut_down()
            }
        };
        self.set_due(id, now + takes, Due::Terminated(id.clone()));
    }

    pub(super) fn on_running(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.due = None;
        if instance.group().is_some_and(|group| self.faults.strike(|fault| fault.to_start_of(group)).is_some()) {
            return;
        }
        instance.state = Ec2State::Running;
        instance.state_changed_at = now;
        // A user may stop and start an instance that has long been where it belongs.
        let arrives = matches!(instance.lifecycle(), Some(LifecycleState::Pending | LifecycleState::WarmedPending));
        if arrives {
            self.begin_hooks(now, id);
        }
        self.plan_minute(now);
    }

    /// An instance runs that is on its way into its group or warm pool.
    pub(super) fn begin_hooks(&mut self, now: Timestamp, id: &InstanceId) {
        if !self.enter_hook(now, id, Transition::Launching, "") {
            self.on_hooks_done(now, id);
        }
    }

    /// Nothing holds an instance up any longer on its way.
    pub(super) fn on_hooks_done(&mut self, now: Timestamp, id: &InstanceId) {
        match self.way_of(id).to {
            Side::Group => self.set_due(id, now + self.timing.in_service(), Due::InService(id.clone())),
            Side::WarmPool => self.rest(now, id),
            Side::Ec2 => self.shut_down(now, id),
        }
    }

    pub(super) fn way_of(&self, id: &InstanceId) -> Way {
        let member = self.instances.get(id).and_then(|instance| instance.membership.as_ref());
        member.map_or(Way::LAUNCH, |member| member.way)
    }

    fn set_way(&mut self, id: &InstanceId, way: Way) {
        if let Some(member) = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut()) {
            member.way = way;
        }
    }

    pub(super) fn on_in_service(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.due = None;
        let runs = instance.is_running();
        let Some(member) = instance.membership.as_mut() else { return };
        let name = member.group.clone();
        member.lifecycle = LifecycleState::InService;
        member.in_service_since = Some(now);
        self.register(id, &name);
        self.end_current_activity(now, id, ActivityStatus::Successful, None);
        if !runs || self.is_failing(id) {
            self.plan_health_check(now, id);
        } else {
            self.plan_end_of_life(id);
        }
        self.after_change(now, &name);
    }

    pub(super) fn on_terminated(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.due = None;
        if instance.state != Ec2State::Terminated {
            instance.state = Ec2State::Terminated;
            instance.state_changed_at = now;
            instance.private_ip = None;
            instance.public_ip = None;
        }
        let Some(member) = instance.membership.as_mut() else { return self.forget_later(now, id) };
        if !member.lifecycle.is_terminating() {
            return;
        }
        let name = member.group.clone();
        self.end_current_activity(now, id, ActivityStatus::Successful, None);
        self.leave_group(id);
        self.forget_later(now, id);
        match self.groups.get(&name) {
            Some(group) if group.deleting && group.everyone().next().is_none() => self.remove_group(&name),
            _ => {
                self.forget_empty_pool(&name);
                self.after_change(now, &name);
            }
        }
    }

    pub(super) fn forget_later(&mut self, now: Timestamp, id: &InstanceId) {
        self.set_due(id, now + TERMINATED_SHOWN_FOR, Due::Forget(id.clone()));
    }

    pub(super) fn set_lifecycle(&mut self, id: &InstanceId, state: LifecycleState) {
        if let Some(member) = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut()) {
            member.lifecycle = state;
        }
    }

    /// Plans the one next thing that an instance waits for.
    pub(super) fn set_due(&mut self, id: &InstanceId, at: Timestamp, due: Due) {
        if let Some(instance) = self.instances.get_mut(id) {
            self.agenda.cancel(&mut instance.due);
            instance.due = Some(self.agenda.add(at, due));
        }
    }

    pub(super) fn clear_due(&mut self, id: &InstanceId) {
        if let Some(instance) = self.instances.get_mut(id) {
            self.agenda.cancel(&mut instance.due);
        }
    }

    pub(super) fn leave_group(&mut self, id: &InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        self.agenda.cancel(&mut instance.health_due);
        let Some(member) = instance.membership.take() else { return };
        if let Some(group) = self.groups.get_mut(&member.group) {
            group.members.remove(id);
            if let Some(pool) = &mut group.warm_pool {
                pool.members.remove(id);
            }
        }
    }

    pub(super) fn forget(&mut self, id: &InstanceId) {
        self.instances.remove(id);
    }
}
