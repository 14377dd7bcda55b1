//! What an instance refresh does next: it replaces as many members as it may, waits, or ends. Start at
//! `Groups::step_refresh`, which runs whenever something of the group changed; how a refresh begins and ends is in
//! `refresh.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Groups;
use super::activity::Details;
use super::cause::{Cause, What, join};
use super::group::{Group, Process};
use super::instance::{Health, LifecycleState};
use super::refresh::{InstanceRefresh, LONGEST_REFRESH, WAIT_FOR_BLOCKED, percent_of};
use super::refresh_preferences::{Blocked, RefreshStatus};
use super::termination::Candidate;
use super::timing::LAUNCH_RETRY;
use crate::clock::Timestamp;
use crate::engine::names::{GroupName, InstanceId};

impl Groups {
    /// Does what a refresh may do now: replace some, wait, or end.
    pub(super) fn step_refresh(&mut self, now: Timestamp, name: &GroupName) {
        let progress = self.refresh_progress(now, name);
        let Some(group) = self.groups.get_mut(name) else { return };
        let paused = [Process::InstanceRefresh, Process::Launch, Process::Terminate]
            .into_iter()
            .any(|process| group.is_suspended(process));
        let Some(refresh) = group.active_refresh_mut() else { return };
        refresh.remaining.retain(|id| progress.replaceable.contains(id));
        let waits = refresh.waits_until.is_some_and(|until| until > now);
        let (status, started_at) = (refresh.status, refresh.started_at);
        if refresh.status.replaces() {
            refresh.update_progress(progress.unready);
        }
        match status {
            RefreshStatus::Cancelling if progress.unready == 0 => {
                let reason = refresh.status_reason.clone();
                self.end_refresh(now, name, RefreshStatus::Cancelled, reason);
            }
            RefreshStatus::Baking if !waits => self.end_refresh(now, name, RefreshStatus::Successful, None),
            _ if now.since(started_at) >= LONGEST_REFRESH => {
                self.fail_refresh(now, name, "The instance refresh took longer than 14 days.".into());
            }
            status if status.replaces() && !paused && !waits => self.go_on(now, name, &progress),
            _ => {}
        }
        let longest = started_at + LONGEST_REFRESH;
        self.plan_refresh(progress.next_ready.map_or(longest, |at| at.min(longest)), name);
    }

    fn go_on(&mut self, now: Timestamp, name: &GroupName, progress: &Progress) {
        let Some(refresh) = self.groups.get_mut(name).and_then(Group::active_refresh_mut) else { return };
        let left = refresh.remaining.len();
        if progress.unready == 0 && left <= refresh.left_at_checkpoint() {
            return self.reach_checkpoint(now, name);
        }
        let may_replace = left.saturating_sub(refresh.left_at_checkpoint());
        if let Some(example) = &progress.example {
            refresh.status_reason = Some(format!(
                "Waiting for instances to warm up before continuing. For example: {example} is warming up."
            ));
        }
        let open = self.replaceable_now(name);
        if open.is_empty() && progress.unready == 0 {
            return self.wait_for_blocked(now, name);
        }
        self.replace_some(now, name, progress, may_replace);
    }

    /// All up to a checkpoint are replaced: the next stretch begins after a pause, or the refresh is done.
    fn reach_checkpoint(&mut self, now: Timestamp, name: &GroupName) {
        let Some(refresh) = self.groups.get_mut(name).and_then(Group::active_refresh_mut) else { return };
        let preferences = &refresh.preferences;
        let secs = |secs: u32| Duration::from_secs(u64::from(secs));
        let last = refresh.passed_checkpoints + 1 >= preferences.checkpoint_percentages.len();
        if refresh.status == RefreshStatus::RollbackInProgress {
            return self.end_refresh(now, name, RefreshStatus::RollbackSuccessful, None);
        }
        let (until, status) = match preferences.bake_secs {
            _ if !last => (now + secs(preferences.checkpoint_delay_secs), RefreshStatus::InProgress),
            0 => return self.end_refresh(now, name, RefreshStatus::Successful, None),
            bake => (now + secs(bake), RefreshStatus::Baking),
        };
        refresh.passed_checkpoints += 1;
        refresh.waits_until = Some(until);
        refresh.status = status;
        refresh.status_reason = (status == RefreshStatus::InProgress)
            .then(|| format!("Waiting for the checkpoint delay at {} percent.", refresh.percentage_complete));
        self.plan_refresh(until, name);
    }

    fn wait_for_blocked(&mut self, now: Timestamp, name: &GroupName) {
        let Some(refresh) = self.groups.get_mut(name).and_then(Group::active_refresh_mut) else { return };
        let since = *refresh.blocked_since.get_or_insert(now);
        refresh.status_reason =
            Some("Waiting for instances that are protected from scale in or on standby to become replaceable.".into());
        if now.since(since) >= WAIT_FOR_BLOCKED {
            let reason = "The remaining instances are protected from scale in or on standby.".to_string();
            self.fail_refresh(now, name, reason);
        } else {
            self.plan_refresh(since + WAIT_FOR_BLOCKED, name);
        }
    }

    /// Remaining members that nothing keeps from being replaced.
    fn replaceable_now(&self, name: &GroupName) -> BTreeSet<InstanceId> {
        let Some(refresh) = self.groups.get(name).and_then(Group::active_refresh) else { return BTreeSet::new() };
        let preferences = &refresh.preferences;
        let open = |id: &&InstanceId| {
            let Some(member) = self.instances.get(*id).and_then(|instance| instance.membership.as_ref()) else {
                return false;
            };
            match member.lifecycle {
                LifecycleState::Standby => preferences.standby_instances == Blocked::Replace,
                LifecycleState::InService => {
                    !member.protected_from_scale_in || preferences.protected_instances == Blocked::Replace
                }
                _ => false,
            }
        };
        refresh.remaining.iter().filter(open).cloned().collect()
    }

    fn replace_some(&mut self, now: Timestamp, name: &GroupName, progress: &Progress, may_replace: usize) {
        let Some(group) = self.groups.get(name) else { return };
        let Some(refresh) = group.active_refresh() else { return };
        let (preferences, surplus, desired) = (refresh.preferences.clone(), refresh.ahead, group.desired_capacity);
        let ceiling = u32::try_from(u64::from(desired) * u64::from(preferences.max_healthy_percentage) / 100);
        let extra = match preferences.max_healthy_percentage {
            100 => 0,
            _ => ceiling.unwrap_or(u32::MAX).saturating_sub(desired).max(1),
        };
        // Those launched ahead replace what then goes, so no more are launched than are still to be replaced.
        let ahead = extra.min(u32::try_from(may_replace).unwrap_or(u32::MAX)).saturating_sub(surplus);
        if ahead > 0 && progress.unready == 0 {
            return self.launch_ahead(now, name, ahead);
        }
        let missing_allowed = desired.saturating_sub(percent_of(desired, preferences.min_healthy_percentage));
        let mut allowed = (progress.ready + missing_allowed).saturating_sub(desired);
        if allowed == 0 && extra == 0 && progress.unready == 0 {
            allowed = 1;
        }
        self.terminate_for_refresh(now, name, allowed, may_replace);
    }

    fn launch_ahead(&mut self, now: Timestamp, name: &GroupName, count: u32) {
        for _ in 0..count {
            let placements = self.groups.get(name).map(|group| self.next_placements(group)).unwrap_or_default();
            let cause = Cause::new(now, What::RefreshLaunch).to_string();
            match self.launch_member(now, name, placements, cause.clone(), Details::default()) {
                Ok(id) => {
                    let weight = self.weight_of(&id);
                    if let Some(refresh) = self.groups.get_mut(name).and_then(Group::active_refresh_mut) {
                        refresh.ahead += weight;
                    }
                }
                Err(reason) => {
                    self.record_failed_launch(now, name, cause, Details::default(), reason);
                    return self.plan_refresh(now + LAUNCH_RETRY, name);
                }
            }
        }
    }

    fn terminate_for_refresh(&mut self, now: Timestamp, name: &GroupName, allowed: u32, most: usize) {
        let mut allowed = allowed;
        for _ in 0..most {
            let open = self.replaceable_now(name);
            let candidates = self.candidates_in(name, LifecycleState::is_settled).into_iter();
            let candidates: Vec<Candidate> = candidates
                .filter(|candidate| open.contains(&candidate.id))
                .map(|candidate| Candidate { protected: false, ..candidate })
                .collect();
            let Some(id) = self.choose(now, name, &candidates) else { return };
            let standby = self.lifecycle_of(&id) == Some(LifecycleState::Standby);
            let weight = self.weight_of(&id);
            if !standby && allowed == 0 {
                return;
            }
            let causes = [Cause::new(now, What::RefreshTermination), Cause::new(now, What::Selected(id.clone()))];
            if let Some(group) = self.groups.get_mut(name) {
                let mut launched_ahead = 0;
                if let Some(refresh) = group.active_refresh_mut() {
                    refresh.remaining.remove(&id);
                    refresh.blocked_since = None;
                    if !standby {
                        launched_ahead = weight.min(refresh.ahead);
                        refresh.ahead -= launched_ahead;
                    }
                }
                if !standby {
                    group.refreshing += weight - launched_ahead;
                    allowed = allowed.saturating_sub(weight);
                }
            }
            self.begin_termination(now, &id, join(&causes), Vec::new());
            self.plan_converge(now + self.timing.replacement(), name);
        }
    }

    fn refresh_progress(&self, now: Timestamp, name: &GroupName) -> Progress {
        let mut progress = Progress::default();
        let Some(group) = self.groups.get(name) else { return progress };
        let Some(refresh) = group.active_refresh() else { return progress };
        let settings = &group.settings;
        let default = settings.default_instance_warmup_secs.unwrap_or(settings.health_check_grace_secs);
        let warmup = Duration::from_secs(u64::from(refresh.preferences.instance_warmup_secs.unwrap_or(default)));
        for id in &group.members {
            let Some(member) = self.instances.get(id).and_then(|instance| instance.membership.as_ref()) else {
                continue;
            };
            let ready_at = match member.in_service_since {
                Some(since) if !refresh.remaining.contains(id) && !refresh.old.contains(id) => since + warmup,
                since => since.unwrap_or(now),
            };
            match member.lifecycle {
                LifecycleState::InService if member.health == Health::Healthy && ready_at <= now => {
                    progress.ready += member.weight;
                    progress.replaceable.insert(id.clone());
                }
                LifecycleState::InService => {
                    progress.replaceable.insert(id.clone());
                    if ready_at > now {
                        progress.next_ready = Some(progress.next_ready.map_or(ready_at, |at| at.min(ready_at)));
                        progress.example = Some(id.clone());
                    }
                }
                LifecycleState::Standby | LifecycleState::EnteringStandby => {
                    progress.replaceable.insert(id.clone());
                }
                state if state.is_pending() => {
                    progress.replaceable.insert(id.clone());
                }
                _ => {}
            }
        }
        progress.unready = group.desired_capacity.max(self.active(name)).saturating_sub(progress.ready);
        progress
    }
}

/// How far a refresh's group is.
#[derive(Debug, Default)]
struct Progress {
    /// Capacity in service, healthy and warm.
    ready: u32,
    /// Capacity that is wanted or on its way and not ready.
    unready: u32,
    /// When the next instance is warm.
    next_ready: Option<Timestamp>,
    /// One that warms up.
    example: Option<InstanceId>,
    /// Members that have not begun to leave.
    replaceable: BTreeSet<InstanceId>,
}

impl InstanceRefresh {
    fn update_progress(&mut self, unready: u32) {
        let left = u32::try_from(self.remaining.len()).unwrap_or(u32::MAX).saturating_add(unready).min(self.total);
        let updated = self.total - left;
        let percent = (updated * 100).checked_div(self.total).unwrap_or(100);
        match &self.rollback {
            None => (self.percentage_complete, self.instances_to_update) = (percent, left),
            // Goes back to nothing as the instances of before come back.
            Some(rollback) => {
                let undone = percent * rollback.percentage_on_rollback / 100;
                self.percentage_complete = rollback.percentage_on_rollback - undone;
            }
        }
    }
}
