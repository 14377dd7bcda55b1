//! What sends traffic to a group's instances: target groups attached and detached, members registered and deregistered.
//! Start at [`Groups::attach_traffic_sources`]. Leaves out the targets' health, which load balancers tell (`health.rs`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::Groups;
use super::group::{Group, Process, TrafficSource};
use super::instance::{Instance, LifecycleState};
use super::{Outcome, Timing};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::groups::cause::HealthFinding;
use crate::engine::names::{GroupName, InstanceId};

/// Source: User Guide, "Troubleshoot Amazon EC2 Auto Scaling: Load balancer issues".
const TARGET_GROUP_IS_GONE: &str =
    "One or more target groups not found. Validating load balancer configuration failed.";

impl TrafficSource {
    /// A target group of Elastic Load Balancing.
    pub fn target_group(arn: &str) -> Self {
        Self { identifier: arn.to_string(), kind: "elbv2".to_string() }
    }
}

impl Group {
    /// Those whose instances still drain after they were detached.
    pub fn leaving_sources(&self, now: Timestamp) -> impl Iterator<Item = &TrafficSource> {
        self.leaving_sources.iter().filter(move |(_, until)| *until > now).map(|(source, _)| source)
    }

    /// The requests of the minute that began `at`, if they came through a target group.
    pub(super) fn requests(&self, at: Timestamp, per_sec: f64) -> Option<Outcome> {
        let target_groups: Vec<_> = self.traffic_sources.iter().map(|source| source.identifier.clone()).collect();
        (!target_groups.is_empty()).then(|| Outcome::Requests { target_groups, at, count: per_sec * 60.0 })
    }
}

impl Groups {
    /// Attaches load balancers or target groups: they send traffic to its instances, also to those already in service.
    ///
    /// # Errors
    /// `ValidationError` for an unknown group.
    pub fn attach_traffic_sources(&mut self, name: &GroupName, sources: Vec<TrafficSource>) -> Result<(), Refusal> {
        let group = self.group_or_refuse(name)?;
        group.leaving_sources.retain(|(leaving, _)| !sources.contains(leaving));
        let new: Vec<_> = sources.into_iter().filter(|source| !group.traffic_sources.contains(source)).collect();
        group.traffic_sources.extend(new.iter().cloned());
        if group.is_suspended(Process::AddToLoadBalancer) {
            return Ok(());
        }
        for id in group.members.clone() {
            let Some(member) = self.instances.get_mut(&id).and_then(|instance| instance.membership.as_mut()) else {
                continue;
            };
            if member.lifecycle == LifecycleState::InService {
                member.registered = true;
                for source in &new {
                    self.outcomes
                        .push(Outcome::Register { target_group: source.identifier.clone(), instance: id.clone() });
                }
            }
        }
        Ok(())
    }

    /// Detaches traffic sources: their instances drain, and stay in the group.
    ///
    /// # Errors
    /// `ValidationError` for an unknown group, or with `missing` if one of them is not attached.
    pub fn detach_traffic_sources(
        &mut self,
        now: Timestamp,
        name: &GroupName,
        sources: &[TrafficSource],
        missing: &str,
    ) -> Result<(), Refusal> {
        let group = self.group_or_refuse(name)?;
        if sources.iter().any(|source| !group.traffic_sources.contains(source)) {
            return Err(Refusal::validation(missing));
        }
        group.traffic_sources.retain(|source| !sources.contains(source));
        let (left, members) = (group.traffic_sources.is_empty(), group.members.clone());
        let mut drains = false;
        for id in members {
            let Some(member) = self.instances.get_mut(&id).and_then(|instance| instance.membership.as_mut()) else {
                continue;
            };
            if member.registered {
                drains = true;
                member.registered = !left;
                for source in sources {
                    let target_group = source.identifier.clone();
                    self.outcomes.push(Outcome::Deregister { target_group, instance: id.clone() });
                }
            }
        }
        let until = |source: &TrafficSource| now + if drains { self.drains_for(source) } else { Duration::ZERO };
        let leaving: Vec<_> = sources.iter().map(|source| (source.clone(), until(source))).collect();
        let group = self.group_or_refuse(name)?;
        group.leaving_sources.retain(|(_, until)| *until > now);
        group.leaving_sources.extend(leaving);
        Ok(())
    }

    /// Takes in how long each target group drains instances that leave. One that is not named is gone.
    pub fn learn_target_groups(&mut self, delays: BTreeMap<String, Duration>) {
        self.target_groups.values_mut().for_each(|known| *known = None);
        self.target_groups.extend(delays.into_iter().map(|(arn, delay)| (arn, Some(delay))));
    }

    /// Gives a member that enters service its place behind the group's load balancers.
    pub(super) fn register(&mut self, id: &InstanceId, name: &GroupName) {
        let Some(group) = self.groups.get(name).filter(|group| !group.is_suspended(Process::AddToLoadBalancer)) else {
            return;
        };
        let Some(member) = self.instances.get_mut(id).and_then(|instance| instance.membership.as_mut()) else { return };
        member.registered = !group.traffic_sources.is_empty();
        let places = group.traffic_sources.iter().map(|source| source.identifier.clone());
        let registered = places.map(|target_group| Outcome::Register { target_group, instance: id.clone() });
        self.outcomes.extend(registered);
    }

    /// Takes a member from its load balancers. Returns how long the slowest of them drains it; nothing if it was with none.
    pub(super) fn deregister(&mut self, id: &InstanceId) -> Option<Duration> {
        let member = self.instances.get_mut(id)?.membership.as_mut()?;
        if !std::mem::take(&mut member.registered) {
            return None;
        }
        let sources = self.groups.get(&member.group).map(|group| group.traffic_sources.clone()).unwrap_or_default();
        let slowest = sources.iter().map(|source| self.drains_for(source)).max();
        let places = sources.into_iter().map(|source| source.identifier);
        self.outcomes.extend(places.map(|target_group| Outcome::Deregister { target_group, instance: id.clone() }));
        slowest
    }

    fn drains_for(&self, source: &TrafficSource) -> Duration {
        match self.target_groups.get(&source.identifier) {
            _ if self.timing == Timing::Instant => Duration::ZERO,
            None => self.timing.draining(),
            Some(delay) => delay.unwrap_or_default(),
        }
    }

    /// # Errors
    /// The text of the launch that fails because a target group is gone.
    pub(super) fn check_sources(&self, group: &Group) -> Result<(), String> {
        let is_gone = |source: &TrafficSource| self.target_groups.get(&source.identifier) == Some(&None);
        match group.traffic_sources.iter().any(is_gone) {
            true => Err(TARGET_GROUP_IS_GONE.to_string()),
            false => Ok(()),
        }
    }

    /// Whether the software of an instance answers: it runs, has started up and is not broken.
    pub fn answers(&self, now: Timestamp, instance: &Instance) -> bool {
        let broken = |finding: &HealthFinding| *finding == HealthFinding::StatusCheckFailed;
        let is_broken = instance.membership.as_ref().is_some_and(|member| member.failing.iter().any(broken));
        let starts = instance.machine.as_ref().and_then(|machine| machine.ready_at).is_some_and(|ready| ready > now);
        instance.is_running() && !is_broken && !starts
    }
}
