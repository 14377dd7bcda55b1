//! Instance refreshes: a group's instances replaced a few at a time by ones of a newer configuration. Start at
//! [`Groups::start_instance_refresh`]; how it goes on from there is in `refresh_steps.rs`.
//!
//! Source: User Guide, "Use an instance refresh to update instances in an Auto Scaling group", and the API reference.
//! Left out, and refused by the sandbox: the strategy ReplaceRootVolume. With `MaxHealthyPercentage` above 100 instances
//! are launched before others terminate; at 100 they terminate first.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Groups;
use super::agenda::{Due, DueKey};
use super::group::{Group, LaunchSource};
use super::instance::LifecycleState;
pub use super::refresh_preferences::{Blocked, RefreshPreferences, RefreshStatus};
use super::timing::{REFRESH_START, Timing};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{AlarmName, GroupName, InstanceId};

/// The longest that a refresh may take. Source: User Guide, "Instance refresh".
pub const LONGEST_REFRESH: Duration = Duration::from_secs(14 * 24 * 3600);

/// How long a refresh waits for protected instances and those on standby. Source: RefreshPreferences.
pub const WAIT_FOR_BLOCKED: Duration = Duration::from_secs(3600);

/// How long refreshes that ended are shown. Source: User Guide, "Check the status of an instance refresh": six weeks.
const SHOWN_FOR: Duration = Duration::from_secs(42 * 24 * 3600);

/// What a refresh had done when it was rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    pub reason: String,
    pub started_at: Timestamp,
    pub percentage_on_rollback: u32,
    pub instances_on_rollback: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRefresh {
    pub id: String,
    pub status: RefreshStatus,
    pub status_reason: Option<String>,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub preferences: RefreshPreferences,
    /// What its instances are launched from, if the caller asked for something else than the group has.
    pub desired: Option<LaunchSource>,
    pub rollback: Option<Rollback>,
    pub percentage_complete: u32,
    pub instances_to_update: u32,
    /// What the group launched from before.
    previous: LaunchSource,
    /// Members when it began, which a rollback does not touch.
    pub(super) old: BTreeSet<InstanceId>,
    /// Members that are still to be replaced.
    pub(super) remaining: BTreeSet<InstanceId>,
    pub(super) total: u32,
    /// Capacity launched ahead of the terminations that it is for.
    pub(super) ahead: u32,
    /// Instances of the warm pool that are to be replaced once its group's are.
    pub pool: Option<PoolShare>,
    pub(super) passed_checkpoints: usize,
    pub(super) waits_until: Option<Timestamp>,
    pub(super) blocked_since: Option<Timestamp>,
    pub(super) due: Option<DueKey>,
}

/// The warm pool's share of a refresh. Its group's instances come first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolShare {
    /// In the pool when the refresh began, which a rollback does not touch.
    pub(super) old: BTreeSet<InstanceId>,
    pub(super) remaining: BTreeSet<InstanceId>,
    pub(super) total: u32,
    /// The group's own share, as far as it is done.
    pub live_percentage: u32,
    pub live_to_update: u32,
}

impl PoolShare {
    /// Instances that are still to be replaced.
    pub fn instances_to_update(&self) -> u32 {
        u32::try_from(self.remaining.len()).unwrap_or(u32::MAX).min(self.total)
    }

    pub fn percentage_complete(&self) -> u32 {
        ((self.total - self.instances_to_update()) * 100).checked_div(self.total).unwrap_or(100)
    }
}

impl InstanceRefresh {
    /// One that returns to the warm pool before its turn has it there.
    pub(super) fn hand_to_pool(&mut self, id: &InstanceId) {
        if let Some(share) = self.pool.as_mut().filter(|_| self.remaining.remove(id)) {
            share.remaining.insert(id.clone());
            share.total += 1;
        }
    }

    pub fn is_active(&self) -> bool {
        self.ended_at.is_none()
    }

    /// What new instances are launched from.
    fn source(&self) -> Option<&LaunchSource> {
        match self.status {
            RefreshStatus::RollbackInProgress => Some(&self.previous),
            RefreshStatus::InProgress | RefreshStatus::Baking => self.desired.as_ref(),
            _ => None,
        }
    }

    /// Members not yet replaced when its next checkpoint is reached.
    pub(super) fn left_at_checkpoint(&self) -> usize {
        let percent = self.preferences.checkpoint_percentages.get(self.passed_checkpoints).copied().unwrap_or(100);
        let rolling_back = self.status == RefreshStatus::RollbackInProgress;
        let percent = if rolling_back { 100 } else { percent };
        (self.total - percent_of(self.total, percent)) as usize
    }
}

/// So many percent of `total`, rounded up.
///
/// Source: RefreshPreferences, as printed in 2020: "rounded up to the nearest integer".
pub(super) fn percent_of(total: u32, percent: u32) -> u32 {
    u32::try_from((u64::from(total) * u64::from(percent)).div_ceil(100)).unwrap_or(u32::MAX)
}

/// The capacity that may be missing from service while a group of `desired` is refreshed; one instance at least.
pub fn replaced_at_once(desired: u32, min_healthy_percentage: u32) -> u32 {
    desired.saturating_sub(percent_of(desired, min_healthy_percentage)).max(1)
}

impl Group {
    /// The refresh that goes on now.
    pub fn active_refresh(&self) -> Option<&InstanceRefresh> {
        self.refreshes.last().filter(|refresh| refresh.is_active())
    }

    pub(super) fn active_refresh_mut(&mut self) -> Option<&mut InstanceRefresh> {
        self.refreshes.last_mut().filter(|refresh| refresh.is_active())
    }

    /// What its next instance is launched from.
    pub(super) fn launch_source(&self) -> &LaunchSource {
        self.active_refresh().and_then(InstanceRefresh::source).unwrap_or(&self.settings.launch)
    }
}

impl Groups {
    /// Starts to replace a group's instances. Returns the refresh's id.
    ///
    /// # Errors
    /// `InstanceRefreshInProgress`, or `ValidationError` for preferences that contradict each other.
    pub fn start_instance_refresh(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        desired: Option<LaunchSource>,
        preferences: RefreshPreferences,
    ) -> Result<String, Refusal> {
        preferences.check()?;
        let group = self.group_or_refuse(name)?;
        if group.active_refresh().is_some() {
            let text = "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.";
            return Err(Refusal::new("InstanceRefreshInProgress", 400, text));
        }
        if preferences.auto_rollback {
            check_reversible(desired.as_ref(), &group.settings.launch)
                .map_err(|refusal| Refusal::validation(refusal.message))?;
        }
        let previous = group.settings.launch.clone();
        if let Some(source) = &desired {
            self.check_launch(source)?;
            self.check_inventory(source)?;
        }
        let id = self.ids.arns.uuid();
        self.refreshing.insert(name.clone());
        let Some(group) = self.groups.get_mut(name) else { return Ok(id) };
        group.refreshes.retain(|refresh| refresh.ended_at.is_none_or(|end| now.since(end) < SHOWN_FOR));
        group.refreshes.push(InstanceRefresh {
            id: id.clone(),
            status: RefreshStatus::Pending,
            status_reason: None,
            started_at: now,
            ended_at: None,
            preferences,
            desired,
            rollback: None,
            percentage_complete: 0,
            instances_to_update: 0,
            previous,
            old: BTreeSet::new(),
            remaining: BTreeSet::new(),
            total: 0,
            ahead: 0,
            pool: None,
            passed_checkpoints: 0,
            waits_until: None,
            blocked_since: None,
            due: None,
        });
        let delay = if self.timing == Timing::Instant { Duration::ZERO } else { REFRESH_START };
        self.plan_refresh(now + delay, name);
        Ok(id)
    }

    /// Stops a refresh or a rollback; what is under way is finished, and with `wait` that is waited for.
    ///
    /// # Errors
    /// `ActiveInstanceRefreshNotFound`.
    pub fn cancel_instance_refresh(&mut self, now: Timestamp, name: &GroupName, wait: bool) -> Result<String, Refusal> {
        let refresh = self.refresh_or_refuse(name)?;
        let reason = Some("Cancelled due to user request.".to_string());
        refresh.status = RefreshStatus::Cancelling;
        refresh.status_reason.clone_from(&reason);
        let id = refresh.id.clone();
        if wait {
            self.step_refresh(now, name);
        } else {
            self.end_refresh(now, name, RefreshStatus::Cancelled, reason);
        }
        Ok(id)
    }

    /// Replaces what a refresh replaced by what was there before.
    ///
    /// # Errors
    /// `ActiveInstanceRefreshNotFound`, `IrreversibleInstanceRefresh`.
    pub fn rollback_instance_refresh(&mut self, now: Timestamp, name: &GroupName) -> Result<String, Refusal> {
        let refresh = self.refresh_or_refuse(name)?;
        check_reversible(refresh.desired.as_ref(), &refresh.previous)?;
        let id = refresh.id.clone();
        self.begin_rollback(now, name, "Rollback due to user request.".into());
        Ok(id)
    }

    fn refresh_or_refuse(&mut self, name: &GroupName) -> Result<&mut InstanceRefresh, Refusal> {
        let missing = Refusal::new(
            "ActiveInstanceRefreshNotFound",
            400,
            format!("No in progress or pending Instance Refresh found for Auto Scaling group {name}"),
        );
        self.group_or_refuse(name)?.active_refresh_mut().ok_or(missing)
    }

    /// The alarms that refreshes watch, with their groups.
    pub fn watched_alarms(&self) -> Vec<(GroupName, AlarmName)> {
        let groups = self.refreshing.iter().filter_map(|name| self.groups.get(name));
        let active = groups.filter_map(|group| Some((group, group.active_refresh()?)));
        let watched =
            active.filter(|(_, refresh)| matches!(refresh.status, RefreshStatus::InProgress | RefreshStatus::Baking));
        watched
            .flat_map(|(group, refresh)| {
                refresh.preferences.alarms.iter().map(move |alarm| (group.name.clone(), alarm.clone()))
            })
            .collect()
    }

    /// An alarm that a refresh watches is in ALARM: the refresh fails, and is rolled back if its caller wants that.
    pub fn refresh_alarmed(&mut self, now: Timestamp, name: &GroupName, alarm: &AlarmName) {
        self.fail_refresh(now, name, format!("The CloudWatch alarm {alarm} is in the ALARM state."));
    }

    pub(super) fn fail_refresh(&mut self, now: Timestamp, name: &GroupName, reason: String) {
        let Some(refresh) = self.groups.get_mut(name).and_then(Group::active_refresh_mut) else { return };
        match refresh.status {
            RefreshStatus::RollbackInProgress => {
                self.end_refresh(now, name, RefreshStatus::RollbackFailed, Some(reason))
            }
            _ if refresh.preferences.auto_rollback => self.begin_rollback(now, name, reason),
            _ => self.end_refresh(now, name, RefreshStatus::Failed, Some(reason)),
        }
    }

    fn begin_rollback(&mut self, now: Timestamp, name: &GroupName, reason: String) {
        let members: BTreeSet<InstanceId> = self.active_members(name);
        let pooled: BTreeSet<InstanceId> = self.groups.get(name).into_iter().flat_map(Group::pooled).cloned().collect();
        let Some(refresh) = self.groups.get_mut(name).and_then(Group::active_refresh_mut) else { return };
        refresh.rollback = Some(Rollback {
            reason: reason.clone(),
            started_at: now,
            percentage_on_rollback: refresh.percentage_complete,
            instances_on_rollback: refresh.instances_to_update,
        });
        refresh.status = RefreshStatus::RollbackInProgress;
        refresh.status_reason = Some(reason);
        refresh.waits_until = None;
        refresh.blocked_since = None;
        refresh.remaining = members.difference(&refresh.old).cloned().collect();
        if let Some(share) = &mut refresh.pool {
            share.remaining =
                pooled.into_iter().filter(|id| !share.old.contains(id) && !refresh.old.contains(id)).collect();
        }
        self.step_refresh(now, name);
    }

    pub(super) fn end_refresh(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        status: RefreshStatus,
        reason: Option<String>,
    ) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let Some(refresh) = group.active_refresh_mut() else { return };
        self.refreshing.remove(name);
        refresh.status = status;
        refresh.status_reason = reason;
        refresh.ended_at = Some(now);
        refresh.ahead = 0;
        let (mut due, desired) = (refresh.due.take(), refresh.desired.clone());
        group.shrinks = true;
        if let Some(desired) = desired.filter(|_| status == RefreshStatus::Successful) {
            group.settings.launch = desired;
            self.reweigh(now, name);
        }
        self.agenda.cancel(&mut due);
        // What was launched ahead and what was taken out without a replacement evens itself out.
        if self.groups.get(name).is_some_and(|group| group.desired_capacity != self.active(name)) {
            self.plan_converge(now + self.timing.replacement(), name);
        }
    }

    pub(super) fn plan_refresh(&mut self, at: Timestamp, name: &GroupName) {
        let Some(refresh) = self.groups.get_mut(name).and_then(Group::active_refresh_mut) else { return };
        if refresh.due.is_some_and(|(due, _)| due <= at) {
            return;
        }
        let mut old = refresh.due.take();
        self.agenda.cancel(&mut old);
        let due = self.agenda.add(at, Due::Refresh(name.clone()));
        if let Some(refresh) = self.groups.get_mut(name).and_then(Group::active_refresh_mut) {
            refresh.due = Some(due);
        }
    }

    pub(super) fn on_refresh(&mut self, now: Timestamp, name: &GroupName) {
        let Some(refresh) = self.groups.get_mut(name).and_then(Group::active_refresh_mut) else { return };
        refresh.due = None;
        if refresh.status == RefreshStatus::Pending {
            self.begin_refresh(name);
        }
        self.step_refresh(now, name);
    }

    fn begin_refresh(&mut self, name: &GroupName) {
        let old = self.active_members(name);
        let Some(group) = self.groups.get(name) else { return };
        let Some(refresh) = group.active_refresh() else { return };
        let wanted = refresh.desired.as_ref().unwrap_or(&group.settings.launch);
        let wanted = self.resolve_source(wanted).ok().filter(|_| refresh.preferences.skip_matching).unwrap_or_default();
        let matches = |id: &InstanceId| {
            let Some(instance) = self.instances.get(id) else { return false };
            let from = instance.membership.as_ref().map(|member| &member.launched_from);
            wanted.iter().any(|offer| from == Some(&offer.from) && instance.instance_type == offer.instance_type())
        };
        let pooled: BTreeSet<InstanceId> = group.pooled().cloned().collect();
        let pool = group.warm_pool.as_ref().map(|_| {
            let remaining: BTreeSet<InstanceId> = pooled.iter().filter(|id| !matches(id)).cloned().collect();
            let total = u32::try_from(remaining.len()).unwrap_or(u32::MAX);
            PoolShare { old: pooled, remaining, total, ..PoolShare::default() }
        });
        let standby = self.members_in(name, LifecycleState::Standby);
        let standby = standby.into_iter().filter(|_| refresh.preferences.standby_instances != Blocked::Ignore);
        let remaining: BTreeSet<InstanceId> =
            old.iter().cloned().chain(standby).filter(|id| !matches(id) && !self.is_ignored(refresh, id)).collect();
        let Some(refresh) = self.groups.get_mut(name).and_then(Group::active_refresh_mut) else { return };
        refresh.status = RefreshStatus::InProgress;
        refresh.total = u32::try_from(remaining.len()).unwrap_or(u32::MAX);
        refresh.remaining = remaining;
        refresh.old = old;
        refresh.pool = pool;
    }

    fn is_ignored(&self, refresh: &InstanceRefresh, id: &InstanceId) -> bool {
        let member = self.instances.get(id).and_then(|instance| instance.membership.as_ref());
        let protected = member.is_some_and(|member| member.protected_from_scale_in);
        protected && refresh.preferences.protected_instances == Blocked::Ignore
    }

    fn members_in(&self, name: &GroupName, state: LifecycleState) -> BTreeSet<InstanceId> {
        let members = self.groups.get(name).into_iter().flat_map(|group| &group.members);
        members.filter(|id| self.lifecycle_of(id) == Some(state)).cloned().collect()
    }

    pub(super) fn active_members(&self, name: &GroupName) -> BTreeSet<InstanceId> {
        let members = self.groups.get(name).into_iter().flat_map(|group| &group.members);
        members.filter(|id| self.lifecycle_of(id).is_some_and(LifecycleState::is_active)).cloned().collect()
    }

    pub(super) fn lifecycle_of(&self, id: &InstanceId) -> Option<LifecycleState> {
        self.instances.get(id)?.lifecycle()
    }
}

/// # Errors
/// `IrreversibleInstanceRefresh` where there is nothing fixed to go back to.
fn check_reversible(desired: Option<&LaunchSource>, previous: &LaunchSource) -> Result<(), Refusal> {
    let because = match desired {
        None => "it has no desired configuration",
        Some(_) if previous.is_floating() => {
            "the Auto Scaling group uses the launch template's $Latest or $Default version"
        }
        Some(_) => return Ok(()),
    };
    let text = format!("The instance refresh cannot be rolled back: {because}.");
    Err(Refusal::new("IrreversibleInstanceRefresh", 400, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_healthy_percentage_rounds_up_and_one_is_replaced_at_least() {
        for (desired, percent, expected) in [(20, 90, 2), (4, 90, 1), (10, 50, 5), (1, 90, 1), (3, 100, 1), (10, 0, 10)]
        {
            assert_eq!(replaced_at_once(desired, percent), expected, "{percent} % of {desired}");
        }
    }
}
