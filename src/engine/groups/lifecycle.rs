//! How a group gets the instances it wants: launches, terminations, and the activities that tell of them.
//! Start at [`Groups::converge`]. Leaves out why the desired capacity changes (`scaling.rs`, `manage.rs`) and health
//! (`health.rs`). Not reproduced: rebalancing between zones after the fact; launches and terminations keep the balance.

use std::time::Duration;

use super::Groups;
use super::activity::{Activity, ActivityKind, ActivityStatus, Details};
use super::agenda::Due;
use super::cause::{Cause, What, join};
use super::group::{Cooldown, Group, LaunchSource, Process};
use super::hook::Transition;
use super::instance::{Ec2State, LifecycleState, Placement};
use super::notice::{NotificationType, activity_notice};
use super::termination::{Candidate, choose_termination};
use super::timing::{LAUNCH_FAILURES_END_AFTER, LAUNCH_RETRY, TERMINATED_SHOWN_FOR};
use crate::clock::Timestamp;
use crate::engine::names::{ActivityId, GroupName, InstanceId, TopicArn};
use crate::engine::topics::Notice;

/// Recorded in cancelled launches.
const SHUT_DOWN_WHILE_PENDING: &str = "Instance became unhealthy while waiting for instance to be in InService state. \
                                       Termination Reason: Client.UserInitiatedShutdown: User initiated shutdown";

/// Source: User Guide, "Use instance scale-in protection".
const ALL_PROTECTED: &str =
    "Could not scale to desired capacity because all remaining instances are protected from scale-in.";

impl Groups {
    /// Sets a group's desired capacity and lets instances follow.
    pub(super) fn set_desired(&mut self, now: Timestamp, name: &GroupName, to: u32, what: What) {
        let Some(group) = self.groups.get_mut(name) else { return };
        group.desired_capacity = to;
        group.pending.push(Cause::new(now, what));
        let delay = if to > self.active(name) { self.timing.launch_delay() } else { self.timing.terminate_delay() };
        self.plan_converge(now + delay, name);
    }

    /// Makes sure that the group converges at `at` or earlier.
    pub(super) fn plan_converge(&mut self, at: Timestamp, name: &GroupName) {
        let Some(group) = self.groups.get_mut(name) else { return };
        if group.converge_due.is_some_and(|(due, _)| due <= at) {
            return;
        }
        self.agenda.cancel(&mut group.converge_due);
        group.converge_due = Some(self.agenda.add(at, Due::Converge(name.clone())));
    }

    fn in_states(&self, name: &GroupName, wanted: impl Fn(LifecycleState) -> bool) -> u32 {
        let members = self.groups.get(name).into_iter().flat_map(|group| &group.members);
        let states = members.filter_map(|id| self.instances.get(id)?.lifecycle());
        states.filter(|state| wanted(*state)).count() as u32
    }

    /// Members that are there to stay: pending or in service.
    pub(super) fn active(&self, name: &GroupName) -> u32 {
        self.in_states(name, |state| !state.is_terminating())
    }

    pub(super) fn terminating(&self, name: &GroupName) -> u32 {
        self.in_states(name, LifecycleState::is_terminating)
    }

    /// Whether a launch, a termination or a replacement is under way or about to start.
    pub(super) fn is_busy(&self, name: &GroupName) -> bool {
        let planned = self.groups.get(name).is_some_and(|group| group.converge_due.is_some());
        planned || self.in_states(name, |state| state != LifecycleState::InService) > 0
    }

    /// Compares what a group wants with what it has, and launches or terminates the difference.
    pub(super) fn converge(&mut self, now: Timestamp, name: &GroupName) {
        let Some(group) = self.groups.get_mut(name) else { return };
        group.converge_due = None;
        let (desired, deleting) = (group.desired_capacity, group.deleting);
        let (no_launch, no_terminate) = (group.is_suspended(Process::Launch), group.is_suspended(Process::Terminate));
        let active = self.active(name);
        if desired > active && !deleting && !no_launch {
            self.launch_missing(now, name, active, desired);
        } else if desired < active && !deleting && !no_terminate {
            self.terminate_surplus(now, name, active, desired);
        }
        if let Some(group) = self.groups.get_mut(name).filter(|_| desired == active) {
            group.pending.clear();
            group.invoking_alarms.clear();
            group.replacing = 0;
        }
        self.start_cooldown_when_done(now, name);
    }

    fn launch_missing(&mut self, now: Timestamp, name: &GroupName, active: u32, desired: u32) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let mut causes = std::mem::take(&mut group.pending);
        let alarms = std::mem::take(&mut group.invoking_alarms);
        let replacements = std::mem::take(&mut group.replacing).min(desired - active);
        causes.push(Cause::new(now, What::Started { from: active + replacements, to: desired }));
        for number in 0..desired - active {
            let replacement = [Cause::new(now, What::Replacement)];
            let (cause, alarms) = match number < replacements {
                true => (join(&replacement), Vec::new()),
                false => (join(&causes), alarms.clone()),
            };
            let details = Details { invoking_alarms: alarms, ..Details::default() };
            if let Err(reason) = self.launch_member(now, name, cause.clone(), details.clone()) {
                self.launch_failed(now, name, cause, details, reason);
                return;
            }
        }
        if let Some(group) = self.groups.get_mut(name) {
            group.launch_failing_since = None;
        }
    }

    /// The subnet for the next instance: in the zone with fewest members, then the subnet with fewest.
    fn next_placement(&self, group: &Group) -> Option<Placement> {
        let members = || {
            group
                .members
                .iter()
                .filter_map(|id| self.instances.get(id))
                .filter(|instance| instance.lifecycle().is_some_and(|state| !state.is_terminating()))
        };
        let crowd = |placement: &&Placement| {
            let zone = members().filter(|instance| instance.placement.zone == placement.zone).count();
            let subnet = members().filter(|instance| instance.placement.subnet == placement.subnet).count();
            (zone, subnet)
        };
        group.settings.placements.iter().min_by_key(crowd).cloned()
    }

    fn launch_member(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        cause: String,
        mut details: Details,
    ) -> Result<(), String> {
        let group = self.groups.get(name).ok_or("the group is gone")?;
        let (launched_from, data) = self.resolve_launch(&group.settings.launch).map_err(|refusal| refusal.message)?;
        let placement = self.next_placement(group).ok_or("No subnet is left to launch in")?;
        details.subnet = Some(placement.subnet.clone());
        details.zone = Some(placement.zone.clone());
        let id = self.launch_instance(now, data, placement)?;
        self.join_group(&id, name, launched_from);
        let title = format!("Launching a new EC2 instance: {id}");
        self.begin_activity(now, name, ActivityKind::Launch, Some(&id), title, cause, details);
        self.update_activity(&id, ActivityStatus::PreInService, 30);
        Ok(())
    }

    fn launch_failed(&mut self, now: Timestamp, name: &GroupName, cause: String, details: Details, reason: String) {
        let title = "Launching a new EC2 instance".to_string();
        let id = self.begin_activity(now, name, ActivityKind::Launch, None, title, cause, details);
        self.end_activity(now, name, &id, ActivityStatus::Failed, Some(reason));
        let Some(group) = self.groups.get_mut(name) else { return };
        let since = *group.launch_failing_since.get_or_insert(now);
        if now.since(since) >= LAUNCH_FAILURES_END_AFTER {
            let reason = format!("Administratively suspended at {}", now.iso_secs());
            group.suspended.insert(Process::Launch, reason);
        } else {
            self.plan_converge(now + LAUNCH_RETRY, name);
        }
    }

    fn terminate_surplus(&mut self, now: Timestamp, name: &GroupName, active: u32, desired: u32) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let causes = std::mem::take(&mut group.pending);
        let alarms = std::mem::take(&mut group.invoking_alarms);
        for gone in 0..active - desired {
            let candidates = self.candidates(name);
            match self.choose(now, name, &candidates) {
                Some(id) => {
                    let mut causes = causes.clone();
                    causes.push(Cause::new(now, What::TakenOut { from: active, to: desired }));
                    causes.push(Cause::new(now, What::Selected(id.clone())));
                    self.begin_termination(now, &id, join(&causes), alarms.clone());
                }
                // Instances that still launch are looked at again once they are in service.
                None if self.in_states(name, LifecycleState::is_pending) > 0 => {
                    if let Some(group) = self.groups.get_mut(name).filter(|_| gone == 0) {
                        group.pending = causes;
                        group.invoking_alarms = alarms;
                    }
                    return;
                }
                None if causes.is_empty() || candidates.is_empty() => return,
                None => {
                    let details = Details { invoking_alarms: alarms, ..Details::default() };
                    let (title, cause) = (ALL_PROTECTED.to_string(), join(&causes));
                    let id = self.begin_activity(now, name, ActivityKind::Terminate, None, title, cause, details);
                    self.end_activity(now, name, &id, ActivityStatus::Failed, None);
                    return;
                }
            }
        }
    }

    fn candidates(&self, name: &GroupName) -> Vec<Candidate> {
        let members = self.groups.get(name).into_iter().flat_map(|group| &group.members);
        let in_service = members.filter_map(|id| self.instances.get(id)).filter_map(|instance| {
            let member = instance.membership.as_ref().filter(|member| member.lifecycle == LifecycleState::InService)?;
            Some(Candidate {
                id: instance.id.clone(),
                zone: instance.placement.zone.clone(),
                launched_at: instance.launched_at,
                launched_from: member.launched_from.clone(),
                protected: member.protected_from_scale_in,
            })
        });
        in_service.collect()
    }

    fn choose(&mut self, now: Timestamp, name: &GroupName, candidates: &[Candidate]) -> Option<InstanceId> {
        let settings = &self.groups.get(name)?.settings;
        let template = match &settings.launch {
            LaunchSource::Template { id, .. } => Some(id.as_str()),
            LaunchSource::Configuration { .. } => None,
        };
        let ids = &mut self.ids.choices;
        let pick = |count: usize| usize::try_from(ids.next_u64() % count as u64).unwrap_or_default();
        choose_termination(&settings.termination_policies, candidates, template, now, pick)
    }

    /// Takes a member out: an activity, the hooks, the shut-down.
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
        self.set_lifecycle(id, LifecycleState::Terminating);
        let title = format!("Terminating EC2 instance: {id}");
        self.begin_activity(now, &name, ActivityKind::Terminate, Some(id), title, cause, details);
        let deleting = self.groups.get(&name).is_some_and(|group| group.deleting);
        if deleting || !self.enter_hook(now, id, Transition::Terminating, "") {
            self.shut_down(now, id);
        }
        self.start_cooldown_when_done(now, &name);
    }

    /// A launch that comes to nothing: its activity is cancelled, the instance leaves and shuts down.
    pub(super) fn abandon_launch(&mut self, now: Timestamp, id: &InstanceId, reason: String) {
        let Some(member) = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut()) else { return };
        let (name, activity) = (member.group.clone(), member.activity.take());
        if let Some(activity) = activity {
            self.end_activity(now, &name, &activity, ActivityStatus::Cancelled, Some(reason));
        }
        self.leave_group(id);
        self.shut_down(now, id);
        self.plan_converge(now + self.timing.replacement(), &name);
    }

    /// Ends the launch activity of an instance that is to terminate instead.
    pub(super) fn cancel_launch_activity(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(member) = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut()) else { return };
        let (name, activity) = (member.group.clone(), member.activity.take());
        member.lifecycle_action = None;
        if let Some(activity) = activity {
            let reason = "Instance was terminated before it was in service".to_string();
            self.end_activity(now, &name, &activity, ActivityStatus::Cancelled, Some(reason));
        }
    }

    pub(super) fn abandon_launch_of_shut_down(&mut self, now: Timestamp, id: &InstanceId) {
        self.abandon_launch(now, id, SHUT_DOWN_WHILE_PENDING.to_string());
    }

    pub(super) fn shut_down(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let takes = match instance.state {
            Ec2State::ShuttingDown => return,
            Ec2State::Terminated => Duration::ZERO,
            Ec2State::Pending | Ec2State::Running => {
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
        instance.state = Ec2State::Running;
        instance.state_changed_at = now;
        instance.due = None;
        let is_member = instance.membership.is_some();
        if is_member && !self.enter_hook(now, id, Transition::Launching, "") {
            self.set_due(id, now + self.timing.in_service(), Due::InService(id.clone()));
        }
        self.plan_minute(now);
    }

    pub(super) fn on_in_service(&mut self, now: Timestamp, id: &InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.due = None;
        let Some(member) = instance.membership.as_mut() else { return };
        member.lifecycle = LifecycleState::InService;
        member.in_service_since = Some(now);
        let (name, activity) = (member.group.clone(), member.activity.take());
        if let Some(activity) = activity {
            self.end_activity(now, &name, &activity, ActivityStatus::Successful, None);
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
        let (name, activity) = (member.group.clone(), member.activity.take());
        if let Some(activity) = activity {
            self.end_activity(now, &name, &activity, ActivityStatus::Successful, None);
        }
        self.leave_group(id);
        self.forget_later(now, id);
        match self.groups.get(&name) {
            Some(group) if group.deleting && group.members.is_empty() => self.remove_group(&name),
            _ => self.after_change(now, &name),
        }
    }

    fn forget_later(&mut self, now: Timestamp, id: &InstanceId) {
        self.set_due(id, now + TERMINATED_SHOWN_FOR, Due::Forget(id.clone()));
    }

    /// An activity ended: perhaps more is to do, perhaps the cooldown starts.
    fn after_change(&mut self, now: Timestamp, name: &GroupName) {
        let Some(group) = self.groups.get(name) else { return };
        if group.desired_capacity != self.active(name) && group.converge_due.is_none() && !self.only_protected(name) {
            self.plan_converge(now, name);
        }
        self.start_cooldown_when_done(now, name);
    }

    fn only_protected(&self, name: &GroupName) -> bool {
        let surplus = self.groups.get(name).is_some_and(|group| group.desired_capacity < self.active(name));
        surplus && self.candidates(name).iter().all(|candidate| candidate.protected)
    }

    /// Starts a cooldown that waits for its activity if the last instance is done. It does not wait for terminating hooks.
    fn start_cooldown_when_done(&mut self, now: Timestamp, name: &GroupName) {
        let at_work = self.in_states(name, |state| state.is_pending() || state == LifecycleState::Terminating) > 0;
        let Some(group) = self.groups.get_mut(name) else { return };
        if let (Cooldown::AfterActivity { secs }, None, false) = (group.cooldown, group.converge_due, at_work) {
            group.cooldown = Cooldown::Until(now + Duration::from_secs(u64::from(secs)));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "an activity is told everything when it begins")]
    fn begin_activity(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        kind: ActivityKind,
        instance: Option<&InstanceId>,
        title: String,
        cause: String,
        details: Details,
    ) -> ActivityId {
        let id = ActivityId(self.ids.activities.uuid());
        if let Some(member) =
            instance.and_then(|id| self.instances.get_mut(id)).and_then(|instance| instance.membership.as_mut())
        {
            member.activity = Some(id.clone());
        }
        if let Some(group) = self.groups.get_mut(name) {
            group.drop_old_activities(now);
            group.activities.push_back(Activity {
                id: id.clone(),
                group: name.clone(),
                group_arn: group.arn.clone(),
                kind,
                instance: instance.cloned(),
                title,
                cause,
                started_at: now,
                ended_at: None,
                status: ActivityStatus::InProgress,
                status_message: None,
                progress: 50,
                details,
            });
        }
        id
    }

    /// Moves the activity that an instance is in to another status.
    pub(super) fn update_activity(&mut self, id: &InstanceId, status: ActivityStatus, progress: u8) {
        let Some(member) = self.instances.get(id).and_then(|instance| instance.membership.as_ref()) else { return };
        let activity = member
            .activity
            .as_ref()
            .and_then(|activity| self.groups.get_mut(&member.group)?.activity_mut(activity.as_str()));
        if let Some(activity) = activity {
            activity.status = status;
            activity.progress = progress;
        }
    }

    fn end_activity(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        id: &ActivityId,
        status: ActivityStatus,
        message: Option<String>,
    ) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let hooked = group.hooks.values().any(|hook| hook.transition == Transition::Terminating);
        let Some(activity) = group.activity_mut(id.as_str()) else { return };
        activity.end(now, status, message);
        let kind = NotificationType::of(activity);
        let after_hook = hooked && activity.kind == ActivityKind::Terminate;
        let notice = activity_notice(&self.place, activity, after_hook);
        self.announce(name, kind, &notice);
    }

    fn announce(&mut self, name: &GroupName, kind: NotificationType, notice: &Notice) {
        let Some(group) = self.groups.get(name) else { return };
        let topics = group.notifications.iter().filter(|(_, kinds)| kinds.contains(&kind));
        let topics: Vec<TopicArn> = topics.map(|(topic, _)| topic.clone()).collect();
        for topic_arn in topics {
            self.notify(topic_arn, notice.clone());
        }
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

    fn leave_group(&mut self, id: &InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        self.agenda.cancel(&mut instance.health_due);
        let Some(member) = instance.membership.take() else { return };
        if let Some(group) = self.groups.get_mut(&member.group) {
            group.members.remove(id);
        }
    }

    pub(super) fn forget(&mut self, id: &InstanceId) {
        self.instances.remove(id);
    }
}
