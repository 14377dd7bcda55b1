//! How a group gets the instances it wants: launches and terminations by the difference of what it wants and what it has.
//! Start at [`Groups::converge`]. Leaves out why the desired capacity changes (`scaling.rs`, `manage.rs`), health
//! (`health.rs`), the balance of zones after the fact (`rebalance.rs`) and what then happens to each instance
//! (`passage.rs`).

use std::time::Duration;

use serde_json::Value;

use super::Groups;
use super::activity::{ActivityKind, ActivityStatus, Details};
use super::agenda::Due;
use super::allocation::{Misfit, Purchase};
use super::cause::{Cause, What, join};
use super::fleet::launch_failure;
use super::group::{Cooldown, Group, Process, group_not_found};
use super::instance::{LifecycleState, Placement};
use super::preferences::ZoneDistribution;
use super::termination::{Candidate, choose_termination};
use super::timing::{LAUNCH_FAILURES_END_AFTER, Timing};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{GroupName, InstanceId};

/// Source: User Guide, "Use instance scale-in protection".
const ALL_PROTECTED: &str =
    "Could not scale to desired capacity because all remaining instances are protected from scale-in.";

impl Groups {
    /// Sets a group's desired capacity and lets instances follow.
    pub(super) fn set_desired(&mut self, now: Timestamp, name: &GroupName, to: u32, what: What) {
        let Some(group) = self.groups.get_mut(name) else { return };
        group.shrinks |= to < group.desired_capacity;
        group.desired_capacity = to;
        group.pending.push(Cause::new(now, what));
        self.tune_alarms(name);
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

    /// The capacity of the members in the states that are wanted.
    pub(super) fn in_states(&self, name: &GroupName, wanted: impl Fn(LifecycleState) -> bool) -> u32 {
        let members = self.groups.get(name).into_iter().flat_map(|group| &group.members);
        let members = members.filter_map(|id| self.instances.get(id)?.membership.as_ref());
        members.filter(|member| wanted(member.lifecycle)).map(|member| member.weight).sum()
    }

    /// The capacity that is there to stay: pending or in service.
    pub(super) fn active(&self, name: &GroupName) -> u32 {
        self.in_states(name, LifecycleState::is_active)
    }

    pub(super) fn terminating(&self, name: &GroupName) -> u32 {
        self.in_states(name, LifecycleState::is_terminating)
    }

    /// Whether a launch, a termination or a replacement is under way or about to start.
    pub(super) fn is_busy(&self, name: &GroupName) -> bool {
        let planned = self.groups.get(name).is_some_and(|group| group.converge_due.is_some());
        planned || self.in_states(name, |state| !state.is_settled()) > 0
    }

    /// Compares what a group wants with what it has, and launches or terminates the difference.
    pub(super) fn converge(&mut self, now: Timestamp, name: &GroupName) {
        let Some(group) = self.groups.get_mut(name) else { return };
        group.converge_due = None;
        let (desired, deleting) = (group.target(), group.deleting);
        let (no_launch, no_terminate) = (group.is_suspended(Process::Launch), group.is_suspended(Process::Terminate));
        let active = self.active(name);
        if desired > active && !deleting && !no_launch {
            self.launch_missing(now, name, active, desired);
        } else if desired < active && !deleting && !no_terminate {
            self.terminate_surplus(now, name, active, desired);
        }
        if let Some(group) = self.groups.get_mut(name).filter(|_| desired == active) {
            group.rest();
        }
        // In the same instant, so that what starts cold for the group is not also prepared in the pool.
        self.converge_pool(now, name);
        self.start_cooldown_when_done(now, name);
        self.plan_rebalance(now, name);
    }

    fn launch_missing(&mut self, now: Timestamp, name: &GroupName, active: u32, desired: u32) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let mut causes = std::mem::take(&mut group.pending);
        let alarms = std::mem::take(&mut group.invoking_alarms);
        let replacing = std::mem::take(&mut group.replacing).min(desired - active);
        let refreshing = std::mem::take(&mut group.refreshing).min(desired - active - replacing);
        causes.push(Cause::new(now, What::Started { from: active + replacing + refreshing, to: desired }));
        let mut capacity = active;
        while capacity < desired {
            let (cause, alarms) = match capacity - active {
                of_all if of_all < replacing => (Cause::new(now, What::Replacement).to_string(), Vec::new()),
                of_all if of_all < replacing + refreshing => {
                    (Cause::new(now, What::RefreshLaunch).to_string(), Vec::new())
                }
                _ => (join(&causes), alarms.clone()),
            };
            let details = Details { invoking_alarms: alarms, ..Details::default() };
            let placements = self.groups.get(name).map(|group| self.next_placements(group)).unwrap_or_default();
            match self.launch_warm_or_cold(now, name, placements, cause.clone(), details.clone()) {
                Ok(id) => capacity += self.weight_of(&id),
                Err(reason) => return self.launch_failed(now, name, cause, details, reason),
            }
        }
        self.launches_succeed(name);
    }

    pub(super) fn weight_of(&self, id: &InstanceId) -> u32 {
        let member = self.instances.get(id).and_then(|instance| instance.membership.as_ref());
        member.map_or(1, |member| member.weight.max(1))
    }

    /// The subnets for the next instance, best first: in the zone with fewest members, then the subnet with fewest.
    pub(super) fn next_placements(&self, group: &Group) -> Vec<Placement> {
        let members = || {
            group
                .members
                .iter()
                .filter_map(|id| self.instances.get(id))
                .filter(|instance| instance.lifecycle().is_some_and(LifecycleState::is_active))
        };
        let crowd = |placement: &Placement| {
            let zone = members().filter(|instance| instance.placement.zone == placement.zone).count();
            let subnet = members().filter(|instance| instance.placement.subnet == placement.subnet).count();
            (zone, subnet)
        };
        let mut placements = group.settings.placements.clone();
        placements.sort_by_cached_key(crowd);
        if group.settings.preferences.zone_distribution == ZoneDistribution::BalancedOnly {
            let first = placements.first().map(|placement| placement.zone.clone());
            placements.retain(|placement| Some(&placement.zone) == first.as_ref());
        }
        placements
    }

    /// Launches one instance in the first of `placements` that has room for it.
    ///
    /// # Errors
    /// EC2's text about the last of them.
    pub(super) fn launch_member(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        placements: Vec<Placement>,
        cause: String,
        details: Details,
    ) -> Result<InstanceId, String> {
        let group = self.groups.get(name).ok_or("the group is gone")?;
        self.check_sources(group)?;
        let purchase = self.purchase_of_next(group);
        let mut failure = "No subnet is left to launch in".to_string();
        for placement in placements {
            let (subnet, zone) = (Some(placement.subnet.clone()), Some(placement.zone.clone()));
            match self.launch_at(now, name, purchase, placement) {
                Ok(id) => {
                    let title = format!("Launching a new EC2 instance: {id}");
                    let details = Details { subnet, zone, ..details };
                    self.begin_activity(now, name, ActivityKind::Launch, Some(&id), title, cause, details);
                    self.update_activity(&id, ActivityStatus::PreInService, 30);
                    return Ok(id);
                }
                Err(refusal) => failure = launch_failure(purchase, &refusal),
            }
        }
        Err(failure)
    }

    /// Launches the first thing that the group offers and EC2 has at `placement`.
    ///
    /// # Errors
    /// EC2's refusal of the last of them.
    pub(super) fn launch_at(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        purchase: Option<Purchase>,
        placement: Placement,
    ) -> Result<InstanceId, Refusal> {
        let mut failure = group_not_found(name);
        let offers = self.groups.get(name).map(|group| self.offers(group, purchase, &placement.zone));
        for offer in offers.unwrap_or(Ok(Vec::new()))? {
            let data = self.in_placement_group(name, offer.data);
            match self.launch_instance(now, data, placement.clone()) {
                Ok(id) => {
                    self.join_group(&id, name, offer.from, offer.weight);
                    return Ok(id);
                }
                Err(refusal) => failure = refusal,
            }
        }
        Err(failure)
    }

    /// Launch data with the group's own placement group, which goes before a template's.
    fn in_placement_group(&self, name: &GroupName, mut data: Value) -> Value {
        let preferences = self.groups.get(name).map(|group| &group.settings.preferences);
        if let Some(group) = preferences.and_then(|preferences| preferences.placement_group.as_ref()) {
            data["Placement"]["GroupName"] = Value::from(group.as_str());
        }
        data
    }

    pub(super) fn launches_succeed(&mut self, name: &GroupName) {
        if let Some(group) = self.groups.get_mut(name) {
            group.launch_failing_since = None;
            group.launch_failures = 0;
        }
    }

    /// Records a launch that failed, and tries again later, until it has failed for so long that the process ends.
    fn launch_failed(&mut self, now: Timestamp, name: &GroupName, cause: String, details: Details, reason: String) {
        self.record_failed_launch(now, name, cause, details, reason);
        let Some(group) = self.groups.get_mut(name) else { return };
        let since = *group.launch_failing_since.get_or_insert(now);
        group.launch_failures += 1;
        if now.since(since) >= LAUNCH_FAILURES_END_AFTER {
            let reason = format!("Administratively suspended at {}", now.iso_secs());
            group.suspended.insert(Process::Launch, reason);
        } else {
            let retry = Timing::launch_retry(group.launch_failures);
            self.plan_converge(now + retry, name);
        }
    }

    pub(super) fn record_failed_launch(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        cause: String,
        details: Details,
        reason: String,
    ) {
        let title = "Launching a new EC2 instance".to_string();
        let id = self.begin_activity(now, name, ActivityKind::Launch, None, title, cause, details);
        self.end_activity(now, name, &id, ActivityStatus::Failed, Some(reason));
    }

    fn terminate_surplus(&mut self, now: Timestamp, name: &GroupName, active: u32, desired: u32) {
        let pending = self.in_states(name, LifecycleState::is_pending);
        let gives_up = self.gives_up(name, active - desired);
        let Some(group) = self.groups.get_mut(name) else { return };
        if !gives_up {
            return group.rest();
        }
        if group.rebalancing.is_some() && pending > 0 {
            return;
        }
        let mut causes: Vec<Cause> = group.rebalancing.take().into_iter().collect();
        causes.append(&mut group.pending);
        let alarms = std::mem::take(&mut group.invoking_alarms);
        let mut capacity = active;
        group.shrinks = false;
        while capacity > desired {
            let candidates = self.candidates(name);
            let fitting = self.candidates_within(&candidates, capacity - desired);
            match self.choose(now, name, &fitting) {
                Some(id) => {
                    capacity -= self.weight_of(&id);
                    let mut causes = causes.clone();
                    causes.push(Cause::new(now, What::TakenOut { from: active, to: desired }));
                    causes.push(Cause::new(now, What::Selected(id.clone())));
                    self.scale_in(now, &id, join(&causes), alarms.clone());
                }
                // Instances that still launch are looked at again once they are in service.
                None if pending > 0 => {
                    let Some(group) = self.groups.get_mut(name) else { return };
                    group.shrinks = true;
                    if capacity == active {
                        group.pending = causes;
                        group.invoking_alarms = alarms;
                    }
                    return;
                }
                None if causes.is_empty() || !all_protected(&candidates) => return,
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

    pub(super) fn candidates(&self, name: &GroupName) -> Vec<Candidate> {
        self.candidates_in(name, |state| state == LifecycleState::InService)
    }

    pub(super) fn candidates_in(&self, name: &GroupName, wanted: impl Fn(LifecycleState) -> bool) -> Vec<Candidate> {
        let members = self.groups.get(name).into_iter().flat_map(|group| &group.members);
        let found = members.filter_map(|id| self.instances.get(id)).filter_map(|instance| {
            let member = instance.membership.as_ref().filter(|member| wanted(member.lifecycle))?;
            Some(Candidate {
                id: instance.id.clone(),
                zone: instance.placement.zone.clone(),
                launched_at: instance.launched_at,
                launched_from: member.launched_from.clone(),
                protected: member.protected_from_scale_in,
                purchase: instance.purchase(),
                misfit: Misfit::default(),
            })
        });
        found.collect()
    }

    /// Those whose weight does not take more than `surplus` away; the others count as protected.
    fn candidates_within(&self, candidates: &[Candidate], surplus: u32) -> Vec<Candidate> {
        let fit = |candidate: &Candidate| Candidate {
            protected: candidate.protected || self.weight_of(&candidate.id) > surplus,
            ..candidate.clone()
        };
        candidates.iter().map(fit).collect()
    }

    pub(super) fn choose(&mut self, now: Timestamp, name: &GroupName, candidates: &[Candidate]) -> Option<InstanceId> {
        let group = self.groups.get(name)?;
        let candidates = self.as_policy_sees(group, candidates);
        let settings = &group.settings;
        let ids = &mut self.ids.choices;
        let pick = |count: usize| usize::try_from(ids.next_u64() % count as u64).unwrap_or_default();
        choose_termination(&settings.termination_policies, &candidates, &settings.launch.templates(), now, pick)
    }

    /// An activity ended: perhaps more is to do, perhaps the cooldown starts.
    pub(super) fn after_change(&mut self, now: Timestamp, name: &GroupName) {
        self.replace_unhealthy(now, name);
        let Some(group) = self.groups.get(name) else { return };
        if group.target() != self.active(name) && group.converge_due.is_none() && !self.only_protected(name) {
            self.plan_converge(now, name);
        }
        self.start_cooldown_when_done(now, name);
        self.plan_rebalance(now, name);
        self.follow_pool(now, name);
        self.step_refresh(now, name);
    }

    fn only_protected(&self, name: &GroupName) -> bool {
        let surplus = self.groups.get(name).is_some_and(|group| group.target() < self.active(name));
        surplus && all_protected(&self.candidates(name))
    }

    /// Starts a cooldown that waits for its activity if the last instance is done. It does not wait for terminating hooks.
    pub(super) fn start_cooldown_when_done(&mut self, now: Timestamp, name: &GroupName) {
        let at_work = self.in_states(name, |state| state.is_pending() || state == LifecycleState::Terminating) > 0;
        let Some(group) = self.groups.get_mut(name) else { return };
        if let (Cooldown::AfterActivity { secs }, None, false) = (group.cooldown, group.converge_due, at_work) {
            group.cooldown = Cooldown::Until(now + Duration::from_secs(u64::from(secs)));
        }
    }
}

fn all_protected(candidates: &[Candidate]) -> bool {
    !candidates.is_empty() && candidates.iter().all(|candidate| candidate.protected)
}
