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
use super::refresh::{InstanceRefresh, LONGEST_REFRESH, WAIT_FOR_BLOCKED, percent_of, replaced_at_once};
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

    /// Replaces a warm pool's instances, as few at a time as the group's. Returns whether that is done.
    fn pool_is_replaced(&mut self, now: Timestamp, name: &GroupName) -> bool {
        let Some(group) = self.groups.get(name) else { return true };
        let count = self.pool_count(group);
        let stays = |id: &InstanceId| self.lifecycle_of(id).is_some_and(|state| !state.is_terminating());
        let pooled: BTreeSet<InstanceId> = group.pooled().filter(|id| stays(id)).cloned().collect();
        let wanted = group.wanted_pool_size();
        let Some(refresh) = self.groups.get_mut(name).and_then(Group::active_refresh_mut) else { return true };
        let at_once = replaced_at_once(wanted, refresh.preferences.min_healthy_percentage);
        let Some(share) = &mut refresh.pool else { return true };
        share.remaining.retain(|id| pooled.contains(id));
        let open: Vec<InstanceId> = share.remaining.iter().cloned().collect();
        if open.is_empty() {
            return count.pending == 0 && count.terminating == 0 && !self.pool_differs(name);
        }
        let mut missing = wanted.saturating_sub(count.warmed);
        for id in open {
            let weight = self.weight_of(&id);
            let ready = self.lifecycle_of(&id).is_some_and(LifecycleState::is_warmed);
            if ready && missing.saturating_add(weight) > at_once.max(weight) {
                break;
            }
            missing += if ready { weight } else { 0 };
            let causes = [Cause::new(now, What::RefreshTermination), Cause::new(now, What::Selected(id.clone()))];
            self.begin_pool_termination(now, &id, join(&causes));
        }
        false
    }

    /// All up to a checkpoint are replaced: the next stretch begins after a pause, or the refresh is done.
    fn reach_checkpoint(&mut self, now: Timestamp, name: &GroupName) {
        let is_last =
            self.groups.get(name).and_then(Group::active_refresh).is_some_and(InstanceRefresh::is_in_last_stretch);
        if is_last && !self.pool_is_replaced(now, name) {
            return;
        }
        let Some(refresh) = self.groups.get_mut(name).and_then(Group::active_refresh_mut) else { return };
        let preferences = &refresh.preferences;
        let secs = |secs: u32| Duration::from_secs(u64::from(secs));
        let last = refresh.is_in_last_stretch();
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

    fn launch_ahead(&mut self, now: Timestamp, name: &GroupName, capacity: u32) {
        let mut launched = 0;
        while launched < capacity {
            let placements = self.groups.get(name).map(|group| self.next_placements(group)).unwrap_or_default();
            let cause = Cause::new(now, What::RefreshLaunch).to_string();
            match self.launch_member(now, name, placements, cause.clone(), Details::default()) {
                Ok(id) => {
                    let weight = self.weight_of(&id);
                    launched += weight;
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
        let warmup = Duration::from_secs(u64::from(refresh.preferences.effective_warmup_secs(settings)));
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
    /// Whether no checkpoint is left before its end.
    fn is_in_last_stretch(&self) -> bool {
        let rolling_back = self.status == RefreshStatus::RollbackInProgress;
        rolling_back || self.passed_checkpoints + 1 >= self.preferences.checkpoint_percentages.len()
    }

    fn update_progress(&mut self, unready: u32) {
        let left = u32::try_from(self.remaining.len()).unwrap_or(u32::MAX).saturating_add(unready).min(self.total);
        let percent_of_all = |left: u32, total: u32| ((total - left) * 100).checked_div(total).unwrap_or(100);
        let (mut to_update, mut total) = (left, self.total);
        if let Some(share) = &mut self.pool {
            (share.live_percentage, share.live_to_update) = (percent_of_all(left, self.total), left);
            to_update += share.instances_to_update();
            total += share.total;
        }
        let percent = percent_of_all(to_update, total);
        match &self.rollback {
            None => (self.percentage_complete, self.instances_to_update) = (percent, to_update),
            // Goes back to nothing as the instances of before come back.
            Some(rollback) => {
                let undone = percent * rollback.percentage_on_rollback / 100;
                self.percentage_complete = rollback.percentage_on_rollback - undone;
            }
        }
    }
}
