//! The balance of zones after the fact: a group whose zones differ launches where it has fewest, then terminates where it
//! has most. Start at `Groups::plan_rebalance`.
//!
//! Source: User Guide, "Availability Zone rebalancing". Launches and scale-in keep the balance by themselves; it is lost
//! when instances are detached, terminated by hand or protected, or when the zones of the group change.

use std::collections::BTreeMap;

use super::Groups;
use super::activity::Details;
use super::agenda::Due;
use super::cause::{Cause, What};
use super::group::{Group, Process};
use super::instance::{LifecycleState, Placement};
use super::termination::Candidate;
use super::timing::{LONGEST_LAUNCH_RETRY, REBALANCE_DELAY};
use crate::clock::Timestamp;
use crate::engine::names::{GroupName, Zone};

/// How many instances a group may have while its zones are balanced: a tenth more than its maximum, and at least one.
///
/// Source: User Guide, "Availability Zone rebalancing".
pub fn temporary_max(max_size: u32) -> u32 {
    max_size.saturating_add((max_size / 10).max(1))
}

/// The zones with fewest of `counts` if moving one instance from a fuller zone would even them out.
///
/// `leaving` says whether a zone no longer belongs to the group: any instance there is one too many.
fn zones_short(counts: &BTreeMap<Zone, (usize, bool)>) -> Vec<Zone> {
    let own = || counts.iter().filter(|(_, (_, leaving))| !leaving);
    let Some(fewest) = own().map(|(_, (count, _))| *count).min() else { return Vec::new() };
    let most = own().map(|(_, (count, _))| *count).max().unwrap_or_default();
    let stray = counts.values().any(|(count, leaving)| *leaving && *count > 0);
    match stray || most > fewest + 1 {
        true => own().filter(|(_, (count, _))| *count == fewest).map(|(zone, _)| zone.clone()).collect(),
        false => Vec::new(),
    }
}

impl Groups {
    /// Looks whether a group at rest is out of balance, and plans to even it out.
    pub(super) fn plan_rebalance(&mut self, now: Timestamp, name: &GroupName) {
        let wanted = self.is_out_of_balance(name);
        let Some(group) = self.groups.get_mut(name) else { return };
        if !wanted {
            self.agenda.cancel(&mut group.rebalance_due);
        } else if group.rebalance_due.is_none() {
            group.rebalance_due = Some(self.agenda.add(now + REBALANCE_DELAY, Due::Rebalance(name.clone())));
        }
    }

    fn is_out_of_balance(&self, name: &GroupName) -> bool {
        let Some(group) = self.groups.get(name) else { return false };
        let suspended = [Process::AZRebalance, Process::Launch].iter().any(|process| group.is_suspended(*process));
        let at_rest = group.converge_due.is_none()
            && group.rebalancing.is_none()
            && group.active_refresh().is_none()
            && self.in_states(name, |state| state.is_pending() || state.is_terminating()) == 0
            && group.desired_capacity <= self.active(name);
        !suspended && !group.deleting && at_rest && !self.short_zones(group).is_empty() && self.has_movable(group)
    }

    fn short_zones(&self, group: &Group) -> Vec<Zone> {
        let mut counts: BTreeMap<Zone, (usize, bool)> =
            group.zones().into_iter().map(|zone| (zone.clone(), (0, false))).collect();
        for instance in group.members.iter().filter_map(|id| self.instances.get(id)) {
            if instance.lifecycle().is_some_and(LifecycleState::is_active) {
                counts.entry(instance.placement.zone.clone()).or_insert((0, true)).0 += 1;
            }
        }
        zones_short(&counts)
    }

    /// Whether a fuller zone has an instance that may go; otherwise balancing would only add to the others.
    fn has_movable(&self, group: &Group) -> bool {
        let candidates = self.candidates(&group.name);
        let zones = group.zones();
        let size = |zone: &Zone| candidates.iter().filter(|candidate| candidate.zone == *zone).count();
        let fewest = zones.iter().map(|zone| size(zone)).min().unwrap_or_default();
        let movable = candidates.iter().filter(|candidate| {
            let stray = !zones.contains(&candidate.zone);
            !candidate.protected && (stray || size(&candidate.zone) > fewest + 1)
        });
        let movable: Vec<&Candidate> = movable.collect();
        let short = self.short_placements(group);
        !movable.is_empty() && short.first().is_some_and(|place| self.swaps_evenly(group, &place.zone, &movable))
    }

    /// Where to launch, best first, in the zones that have too few.
    fn short_placements(&self, group: &Group) -> Vec<Placement> {
        let zones = self.short_zones(group);
        self.next_placements(group).into_iter().filter(|place| zones.contains(&place.zone)).collect()
    }

    /// Launches one instance more than desired, as far as the maximum allows; the surplus goes once it is in service.
    pub(super) fn on_rebalance(&mut self, now: Timestamp, name: &GroupName) {
        let out_of_balance = self.is_out_of_balance(name);
        let active = self.active(name);
        let Some(group) = self.groups.get_mut(name) else { return };
        group.rebalance_due = None;
        if !out_of_balance || active >= temporary_max(group.limits.max) {
            return;
        }
        let Some(group) = self.groups.get(name) else { return };
        let zones = self.short_zones(group);
        let placements = self.short_placements(group);
        let cause = Cause::new(now, What::Rebalanced { zones });
        match self.launch_member(now, name, placements, cause.to_string(), Details::default()) {
            Ok(_) => {
                self.launches_succeed(name);
                if let Some(group) = self.groups.get_mut(name) {
                    group.rebalancing = Some(cause);
                }
            }
            Err(reason) => self.rebalance_failed(now, name, &cause, reason),
        }
    }

    /// The group has what it wants; that it cannot be spread better is tried again, but does not end its launches.
    fn rebalance_failed(&mut self, now: Timestamp, name: &GroupName, cause: &Cause, reason: String) {
        self.record_failed_launch(now, name, cause.to_string(), Details::default(), reason);
        if let Some(group) = self.groups.get_mut(name) {
            let again = now + LONGEST_LAUNCH_RETRY;
            group.rebalance_due = Some(self.agenda.add(again, Due::Rebalance(name.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_a_tenth_or_one_whichever_is_more() {
        for (max, expected) in [(40, 44), (1, 2), (10, 11), (15, 16), (0, 1)] {
            assert_eq!(temporary_max(max), expected, "max {max}");
        }
    }

    #[test]
    fn zones_are_short_when_moving_one_instance_evens_them_out() {
        let check = |counts: &[(&str, usize, bool)], expected: &str| {
            let counts = counts.iter().map(|(zone, count, leaving)| (Zone::from(*zone), (*count, *leaving))).collect();
            let short: Vec<String> = zones_short(&counts).into_iter().map(|zone| zone.0).collect();
            assert_eq!(short.join(" "), expected, "{counts:?}");
        };
        check(&[("a", 2, false), ("b", 1, false)], "");
        check(&[("a", 3, false), ("b", 1, false), ("c", 1, false)], "b c");
        check(&[("a", 1, false), ("b", 1, true)], "a");
        check(&[("a", 1, false), ("b", 0, true)], "");
    }
}
