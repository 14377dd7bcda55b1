//! Warm pools: instances that a group keeps prepared beside it. What a pool is, how large it should be, and what callers
//! do to it. Start at [`WarmPool`]; how its instances come and go is in `warm_pool_passage.rs`.
//!
//! Source: User Guide, "Decrease latency for applications with long boot times using warm pools", and the API reference.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Groups;
use super::agenda::{Due, DueKey};
use super::group::{Group, LaunchSource};
use super::instance::{Instance, LifecycleState, Membership};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{GroupName, InstanceId};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmPool {
    /// `MaxGroupPreparedCapacity`; `None` is the group's maximum size.
    pub max_prepared: Option<u32>,
    pub min_size: u32,
    pub state: PoolState,
    /// `ReuseOnScaleIn`, once somebody set it.
    pub reuse_on_scale_in: Option<bool>,
    /// AWS's `PendingDelete`: it goes when its last instance has gone.
    pub deleting: bool,
    pub(super) members: BTreeSet<InstanceId>,
    pub(super) due: Option<DueKey>,
    pub(super) launch_failures: u32,
}

/// What becomes of an instance once it is prepared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PoolState {
    #[default]
    Stopped,
    Running,
    Hibernated,
}

impl PoolState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "Stopped",
            Self::Running => "Running",
            Self::Hibernated => "Hibernated",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Stopped, Self::Running, Self::Hibernated].into_iter().find(|state| state.name() == text)
    }

    pub(super) fn lifecycle(self) -> LifecycleState {
        match self {
            Self::Stopped => LifecycleState::WarmedStopped,
            Self::Running => LifecycleState::WarmedRunning,
            Self::Hibernated => LifecycleState::WarmedHibernated,
        }
    }
}

/// What PutWarmPool asks for; what is absent stays, or has AWS's default in a new pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WarmPoolChange {
    /// `Some(None)` is AWS's -1: as many as the group may have.
    pub max_prepared: Option<Option<u32>>,
    pub min_size: Option<u32>,
    pub state: Option<PoolState>,
    pub reuse_on_scale_in: Option<bool>,
}

/// Capacity of a warm pool by the part of its life that it is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PoolCount {
    pub pending: u32,
    pub warmed: u32,
    pub terminating: u32,
}

impl PoolCount {
    /// What is there to stay.
    pub fn active(self) -> u32 {
        self.pending + self.warmed
    }

    pub fn total(self) -> u32 {
        self.active() + self.terminating
    }
}

/// How much a pool should hold, beside a group that wants `desired` and of which `prepared` may be ready in all.
///
/// Source: PutWarmPool, `MaxGroupPreparedCapacity` and `MinSize`.
pub fn pool_size(min_size: u32, prepared: u32, desired: u32) -> u32 {
    prepared.saturating_sub(desired).max(min_size)
}

impl Group {
    /// How much its warm pool should hold; nothing without one.
    pub(super) fn wanted_pool_size(&self) -> u32 {
        let pool = self.warm_pool.as_ref().filter(|pool| !pool.deleting && !self.deleting);
        pool.map_or(0, |pool| pool_size(pool.min_size, self.prepared(pool), self.desired_capacity))
    }

    pub(super) fn prepared(&self, pool: &WarmPool) -> u32 {
        pool.max_prepared.unwrap_or(self.limits.max)
    }

    /// Its instances and those of its warm pool.
    pub(super) fn everyone(&self) -> impl Iterator<Item = &InstanceId> {
        self.members.iter().chain(self.pooled())
    }

    pub(super) fn pooled(&self) -> impl Iterator<Item = &InstanceId> {
        self.warm_pool.iter().flat_map(|pool| &pool.members)
    }
}

impl Groups {
    /// The instances of a group's warm pool, by id.
    pub fn pool_members<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = (&'a Instance, &'a Membership)> {
        let instances = group.pooled().filter_map(|id| self.instances.get(id));
        instances.filter_map(|instance| Some((instance, instance.membership.as_ref()?)))
    }

    pub(super) fn pool_count(&self, group: &Group) -> PoolCount {
        let mut count = PoolCount::default();
        for (_, member) in self.pool_members(group) {
            let place = match member.lifecycle {
                state if state.is_warmed() => &mut count.warmed,
                state if state.is_terminating() => &mut count.terminating,
                _ => &mut count.pending,
            };
            *place += member.weight;
        }
        count
    }

    /// `PutWarmPool`: gives a group a warm pool, or changes the one it has. Instances that are there stay as they are.
    ///
    /// # Errors
    /// `ValidationError` for an unknown group and one that launches Spot Instances, `InstanceRefreshInProgress`, and
    /// `ScalingActivityInProgress` while the pool is being deleted.
    pub fn put_warm_pool(&mut self, now: Timestamp, name: &GroupName, change: WarmPoolChange) -> Result<(), Refusal> {
        if !self.groups.contains_key(name) {
            // As users published it; the other operations word it differently.
            let text = format!("AutoScalingGroup name not found - No such Auto Scaling group: {name}");
            return Err(Refusal::validation(text));
        }
        let group = self.group_or_refuse(name)?;
        if group.active_refresh().is_some() {
            let text = "An Instance Refresh is already in progress and blocks the execution of this request.";
            return Err(Refusal::new("InstanceRefreshInProgress", 400, text));
        }
        if group.warm_pool.as_ref().is_some_and(|pool| pool.deleting) {
            let text = format!("The warm pool of AutoScalingGroup {name} is pending delete.");
            return Err(Refusal::new("ScalingActivityInProgress", 400, text));
        }
        let source = group.settings.launch.clone();
        self.refuse_spot(&source)?;
        let group = self.group_or_refuse(name)?;
        let pool = group.warm_pool.get_or_insert_default();
        pool.max_prepared = change.max_prepared.unwrap_or(pool.max_prepared);
        pool.min_size = change.min_size.unwrap_or(pool.min_size);
        pool.state = change.state.unwrap_or(pool.state);
        pool.reuse_on_scale_in = change.reuse_on_scale_in.or(pool.reuse_on_scale_in);
        pool.launch_failures = 0;
        self.plan_pool(now + self.timing.launch_delay(), name);
        Ok(())
    }

    /// Source: PutWarmPool as documented until 2025; mixed instances policies without Spot have been allowed since.
    pub(super) fn refuse_spot(&self, source: &LaunchSource) -> Result<(), Refusal> {
        let market = "/InstanceMarketOptions/MarketType";
        let launches_spot = match source {
            LaunchSource::Mixed(policy) => policy.distribution.on_demand_percent_above_base < 100,
            _ => self.resolve_launch(source)?.1.pointer(market).is_some_and(|kind| kind == "spot"),
        };
        if !launches_spot {
            return Ok(());
        }
        let text = "You cannot add a warm pool to an Auto Scaling group that launches Spot Instances.";
        Err(Refusal::validation(text))
    }

    /// `DeleteWarmPool`. With `force` its instances go too, without lifecycle hooks, and the pool when they are gone.
    ///
    /// # Errors
    /// `ValidationError` for an unknown group; `ResourceInUse` with instances and `ScalingActivityInProgress` with
    /// activities, unless forced. A group without a pool has nothing to delete.
    pub fn delete_warm_pool(&mut self, now: Timestamp, name: &GroupName, force: bool) -> Result<(), Refusal> {
        self.group_or_refuse(name)?;
        let Some(group) = self.groups.get(name) else { return Ok(()) };
        let count = self.pool_count(group);
        if !force && count.warmed > 0 {
            let text = "You cannot delete a warm pool while there are instances still in the warm pool.";
            return Err(Refusal::new("ResourceInUse", 400, text));
        }
        if !force && count.total() > 0 {
            let text = "You cannot delete a warm pool while there are scaling activities in progress for it.";
            return Err(Refusal::new("ScalingActivityInProgress", 400, text));
        }
        if let Some(pool) = self.groups.get_mut(name).and_then(|group| group.warm_pool.as_mut()) {
            pool.deleting = true;
            self.empty_pool(now, name);
            self.forget_empty_pool(name);
        }
        Ok(())
    }

    /// Takes a pool off that was to be deleted and has no instances left.
    pub(super) fn forget_empty_pool(&mut self, name: &GroupName) {
        let Some(group) = self.groups.get_mut(name) else { return };
        if group.warm_pool.as_ref().is_some_and(|pool| pool.deleting && pool.members.is_empty())
            && let Some(mut pool) = group.warm_pool.take()
        {
            self.agenda.cancel(&mut pool.due);
        }
    }

    /// Lets a pool follow what its group wants now. One whose launches fail waits for its next try.
    pub(super) fn follow_pool(&mut self, now: Timestamp, name: &GroupName) {
        let waits =
            self.groups.get(name).and_then(|group| group.warm_pool.as_ref()).is_none_or(|pool| pool.due.is_some());
        if !waits && self.pool_differs(name) {
            self.plan_pool(now + self.timing.launch_delay(), name);
        }
    }

    /// Makes sure that a pool is compared with the size it should have at `at` or earlier.
    pub(super) fn plan_pool(&mut self, at: Timestamp, name: &GroupName) {
        let Some(pool) = self.groups.get_mut(name).and_then(|group| group.warm_pool.as_mut()) else { return };
        if pool.due.is_some_and(|(due, _)| due <= at) {
            return;
        }
        self.agenda.cancel(&mut pool.due);
        pool.due = Some(self.agenda.add(at, Due::WarmPool(name.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_what_may_be_prepared_less_what_is_wanted_and_at_least_the_minimum() {
        // The user guide's examples: 6 of at most 10; 6 with 8 prepared; 800 with 900; an absolute size of 10.
        for ((min_size, prepared, desired), expected) in [
            ((0, 10, 6), 4),
            ((0, 8, 6), 2),
            ((0, 900, 800), 100),
            ((25, 900, 890), 25),
            ((10, 10, 0), 10),
            ((10, 10, 7), 10),
            // The desired capacity is higher than the maximum prepared capacity.
            ((0, 4, 6), 0),
            ((2, 4, 6), 2),
        ] {
            assert_eq!(pool_size(min_size, prepared, desired), expected, "{min_size} {prepared} {desired}");
        }
    }
}
