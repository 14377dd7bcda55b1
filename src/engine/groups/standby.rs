//! Instances that callers move: to standby and back, out of a group and into one. Start at [`Groups::enter_standby`].
//!
//! Lifecycle hooks do not apply to any of these. Source: User Guide, "Temporarily remove instances" and "Detach or attach
//! instances"; wording and progress from the API reference's examples.

use super::Groups;
use super::activity::{ActivityKind, ActivityStatus, Details};
use super::agenda::Due;
use super::cause::{Cause, What};
use super::group::{MAX_INSTANCES_PER_MOVE, Process};
use super::instance::{LaunchedFrom, LifecycleState};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{ActivityId, GroupName, InstanceId};

/// Where a member goes when it leaves service alive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Standby,
    Out,
}

impl Groups {
    /// Takes members out of service without terminating them. Returns the activities, in the order of `ids`.
    ///
    /// # Errors
    /// `ValidationError` if one of them is not in service here, or the smaller capacity would be below `min_size`.
    pub fn enter_standby(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        ids: &[InstanceId],
        decrement: bool,
    ) -> Result<Vec<ActivityId>, Refusal> {
        self.move_out(now, name, ids, decrement, Way::Standby)
    }

    /// Takes members out of their group for good; they go on running.
    pub fn detach_instances(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        ids: &[InstanceId],
        decrement: bool,
    ) -> Result<Vec<ActivityId>, Refusal> {
        self.move_out(now, name, ids, decrement, Way::Out)
    }

    fn move_out(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        ids: &[InstanceId],
        decrement: bool,
        way: Way,
    ) -> Result<Vec<ActivityId>, Refusal> {
        self.check_members(name, ids)?;
        for id in ids {
            self.check_state(id, LifecycleState::InService)?;
        }
        let weight: u32 = ids.iter().map(|id| self.weight_of(id)).sum();
        let group = self.group_or_refuse(name)?;
        let (limits, from) = (group.limits, group.desired_capacity);
        if decrement && from < limits.min.saturating_add(weight) {
            let what = if way == Way::Standby { "place into standby" } else { "detach" };
            return Err(Refusal::validation(format!(
                "AutoScalingGroup {name} has min-size={}, max-size={}, and desired-size={from}. To {what} {} \
                 instance(s), please update the AutoScalingGroup sizes appropriately.",
                limits.min,
                limits.max,
                ids.len()
            )));
        }
        let moved = ids.iter().map(|id| self.begin_move_out(now, name, id, decrement, way)).collect();
        if !decrement {
            self.plan_converge(now + self.timing.launch_delay(), name);
        }
        self.after_change(now, name);
        Ok(moved)
    }

    fn begin_move_out(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        id: &InstanceId,
        decrement: bool,
        way: Way,
    ) -> ActivityId {
        let weight = self.weight_of(id);
        let mut shrinking = None;
        if let Some(group) = self.groups.get_mut(name).filter(|_| decrement) {
            let from = group.desired_capacity;
            group.desired_capacity = from.saturating_sub(weight);
            shrinking = Some((from, group.desired_capacity));
        }
        let instance = id.clone();
        let (state, title, what) = match way {
            Way::Standby => (
                LifecycleState::EnteringStandby,
                format!("Moving EC2 instance to Standby: {id}"),
                What::MovedToStandby { instance, shrinking },
            ),
            Way::Out => (
                LifecycleState::Detaching,
                format!("Detaching EC2 instance: {id}"),
                What::Detached { instance, shrinking },
            ),
        };
        self.set_lifecycle(id, state);
        let (cause, details) = (Cause::new(now, what).to_string(), self.place_of(id));
        let activity = self.begin_activity(now, name, ActivityKind::Terminate, Some(id), title, cause, details);
        let takes = self.deregister(id).unwrap_or_else(|| self.timing.move_out());
        self.set_due(id, now + takes, Due::MovedOut(id.clone()));
        activity
    }

    pub(super) fn on_moved_out(&mut self, now: Timestamp, id: &InstanceId) {
        self.clear_due(id);
        let Some(member) = self.instances.get(id).and_then(|instance| instance.membership.as_ref()) else { return };
        let (name, state) = (member.group.clone(), member.lifecycle);
        self.end_current_activity(now, id, ActivityStatus::Successful, None);
        match state {
            LifecycleState::EnteringStandby => self.set_lifecycle(id, LifecycleState::Standby),
            LifecycleState::Detaching => {
                self.leave_group(id);
                if let Some(instance) = self.instances.get_mut(id) {
                    instance.tags.retain(|key, _| !key.starts_with("aws:autoscaling:"));
                }
            }
            _ => {}
        }
        self.after_change(now, &name);
    }

    /// Puts members on standby back into service; the desired capacity grows by them.
    ///
    /// # Errors
    /// `ValidationError` if one of them is not on standby here, the group would grow beyond `max_size`, or its `Launch`
    /// process is suspended, without which it cannot grow.
    pub fn exit_standby(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        ids: &[InstanceId],
    ) -> Result<Vec<ActivityId>, Refusal> {
        self.check_members(name, ids)?;
        for id in ids {
            self.check_state(id, LifecycleState::Standby)?;
        }
        let weight = ids.iter().map(|id| self.weight_of(id)).sum();
        self.check_growth(name, weight)?;
        let moved = ids.iter().map(|id| self.begin_move_in(now, name, id, true)).collect();
        self.after_change(now, name);
        Ok(moved)
    }

    /// Makes running instances members; the desired capacity grows by them.
    ///
    /// # Errors
    /// `ValidationError` for an instance that does not run, is a member somewhere or stands in another zone, for a group
    /// that would grow beyond `max_size`, and for one with weights.
    pub fn attach_instances(&mut self, now: Timestamp, name: &GroupName, ids: &[InstanceId]) -> Result<(), Refusal> {
        check_count(ids)?;
        if self.group_or_refuse(name)?.settings.launch.is_weighted() {
            let text = format!("Instances cannot be attached to AutoScalingGroup {name}, which uses instance weights.");
            return Err(Refusal::validation(text));
        }
        for id in ids {
            self.check_attachable(name, id)?;
        }
        self.check_growth(name, u32::try_from(ids.len()).unwrap_or(u32::MAX))?;
        for id in ids {
            self.join_group(id, name, LaunchedFrom::Elsewhere, 1);
            self.begin_move_in(now, name, id, false);
        }
        self.after_change(now, name);
        Ok(())
    }

    fn begin_move_in(&mut self, now: Timestamp, name: &GroupName, id: &InstanceId, from_standby: bool) -> ActivityId {
        let weight = self.weight_of(id);
        let (mut from, mut to) = (0, 0);
        if let Some(group) = self.groups.get_mut(name) {
            (from, to) = (group.desired_capacity, group.desired_capacity + weight);
            group.desired_capacity = to;
        }
        let (title, what) = match from_standby {
            true => (
                format!("Moving EC2 instance out of Standby: {id}"),
                What::MovedOutOfStandby { instance: id.clone(), from, to },
            ),
            false => (format!("Attaching an existing EC2 instance: {id}"), What::Attached { to }),
        };
        self.set_lifecycle(id, LifecycleState::Pending);
        let (cause, details) = (Cause::new(now, what).to_string(), self.place_of(id));
        let activity = self.begin_activity(now, name, ActivityKind::Launch, Some(id), title, cause, details);
        self.update_activity(id, ActivityStatus::PreInService, 30);
        self.set_due(id, now + self.timing.in_service(), Due::InService(id.clone()));
        activity
    }

    fn place_of(&self, id: &InstanceId) -> Details {
        let place = self.instances.get(id).map(|instance| &instance.placement);
        Details {
            subnet: place.map(|place| place.subnet.clone()),
            zone: place.map(|place| place.zone.clone()),
            invoking_alarms: Vec::new(),
        }
    }

    fn check_members(&mut self, name: &GroupName, ids: &[InstanceId]) -> Result<(), Refusal> {
        check_count(ids)?;
        let members = &self.group_or_refuse(name)?.members;
        match ids.iter().find(|id| !members.contains(*id)) {
            None => Ok(()),
            Some(stranger) => {
                let text = format!("The instance {stranger} is not part of Auto Scaling group {name}.");
                Err(Refusal::validation(text))
            }
        }
    }

    fn check_state(&self, id: &InstanceId, wanted: LifecycleState) -> Result<(), Refusal> {
        match self.instances.get(id).and_then(|instance| instance.lifecycle()) {
            Some(state) if state == wanted => Ok(()),
            _ => Err(Refusal::validation(format!("The instance {id} is not in {wanted}."))),
        }
    }

    fn check_growth(&mut self, name: &GroupName, by: u32) -> Result<(), Refusal> {
        let group = self.group_or_refuse(name)?;
        if group.is_suspended(Process::Launch) {
            let text = format!("The Launch process of AutoScalingGroup {name} is suspended, so the group cannot grow.");
            return Err(Refusal::validation(text));
        }
        let (limits, desired) = (group.limits, group.desired_capacity);
        if desired.saturating_add(by) > limits.max {
            return Err(Refusal::validation(format!(
                "AutoScalingGroup {name} has min-size={}, max-size={}, and desired-size={desired}. To add {by} to its \
                 capacity, please update the AutoScalingGroup sizes appropriately.",
                limits.min, limits.max
            )));
        }
        Ok(())
    }

    fn check_attachable(&mut self, name: &GroupName, id: &InstanceId) -> Result<(), Refusal> {
        let zones: Vec<_> = self.group_or_refuse(name)?.zones().into_iter().cloned().collect();
        let Some(instance) = self.instances.get(id) else {
            return Err(Refusal::validation(format!("Invalid Instance ID(s): [{id}] specified")));
        };
        let because = match &instance.membership {
            Some(member) => format!("it is already part of AutoScalingGroup {}", member.group),
            None if !instance.is_running() => "it is not running".to_string(),
            None if !zones.contains(&instance.placement.zone) => {
                format!("its Availability Zone {} is not one of the group's", instance.placement.zone)
            }
            None => return Ok(()),
        };
        Err(Refusal::validation(format!("The instance {id} cannot be attached to {name}: {because}.")))
    }
}

fn check_count(ids: &[InstanceId]) -> Result<(), Refusal> {
    match ids.len() {
        0 => Err(Refusal::validation("At least one instance ID is required")),
        1..=MAX_INSTANCES_PER_MOVE => Ok(()),
        _ => Err(Refusal::validation(format!("At most {MAX_INSTANCES_PER_MOVE} instances are allowed per call"))),
    }
}
