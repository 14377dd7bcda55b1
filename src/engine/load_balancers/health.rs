//! The life of a target: registered, checked, in or out of service, drained. Start at [`LoadBalancers::follow`].
//!
//! A load balancer asks a target at every interval from the end of its registration on. One passed check brings a new
//! target into service; after that as many checks in a row count as the thresholds say. Targets of a group that no
//! listener forwards to are not checked.
//!
//! Source: Elastic Load Balancing user guides, "Health checks for your target groups", "Target health status" and
//! "Deregistration delay". That a target's checks come at equal distances, and all load balancer nodes at once, is ours.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::LoadBalancers;
use super::target_group::HealthCheck;
use crate::clock::Timestamp;
use crate::engine::names::Zone;

/// From RegisterTargets, from the first listener that forwards to the group, or from an active load balancer to the first
/// interval of checks. Ours: AWS says that it takes "a few minutes" at most, and samples show seconds.
pub const REGISTRATION: Duration = Duration::from_secs(5);

/// What a load balancer finds when it asks a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vital {
    Answers,
    /// It runs, or is about to, and does not answer.
    Silent,
    Stopped,
    /// It exists no longer.
    Gone,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub id: String,
    pub port: u16,
    pub zone: Option<Zone>,
    pub(super) stage: Stage,
    /// When its registration with the load balancers that use it began.
    began: Timestamp,
    /// Whether it answers, and since when that is so.
    answers: bool,
    since: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    Unused(Unused),
    Initial,
    Healthy,
    Unhealthy,
    Draining { until: Timestamp },
}

/// Why a target gets no traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Unused {
    NoListener,
    OtherZone,
    Stopped,
}

/// Of a target, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    pub state: &'static str,
    pub reason: Option<Reason>,
}

/// Why a target is in its state: AWS's code and text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    RegistrationInProgress,
    InitialHealthChecking,
    FailedHealthChecks,
    NotRegistered,
    NotInUse,
    ZoneNotEnabled,
    Stopped,
    DeregistrationInProgress,
}

impl Reason {
    pub fn code(self) -> &'static str {
        match self {
            Self::RegistrationInProgress => "Elb.RegistrationInProgress",
            Self::InitialHealthChecking => "Elb.InitialHealthChecking",
            Self::FailedHealthChecks => "Target.FailedHealthChecks",
            Self::NotRegistered => "Target.NotRegistered",
            Self::NotInUse | Self::ZoneNotEnabled => "Target.NotInUse",
            Self::Stopped => "Target.InvalidState",
            Self::DeregistrationInProgress => "Target.DeregistrationInProgress",
        }
    }

    pub fn description(self) -> &'static str {
        match self {
            Self::RegistrationInProgress => "Target registration is in progress",
            Self::InitialHealthChecking => "Initial health checks in progress",
            Self::FailedHealthChecks => "Health checks failed",
            Self::NotRegistered => "Target is not registered to the target group",
            Self::NotInUse => "Target group is not configured to receive traffic from the load balancer",
            Self::ZoneNotEnabled => "Target is in an Availability Zone that is not enabled for the load balancer",
            Self::Stopped => "Target is in the stopped state",
            Self::DeregistrationInProgress => "Target deregistration is in progress",
        }
    }
}

impl Health {
    /// Of a target that is not there.
    pub const NOT_REGISTERED: Self = Self { state: "unused", reason: Some(Reason::NotRegistered) };

    pub fn is_healthy(self) -> bool {
        self.state == "healthy"
    }
}

impl Target {
    pub(super) fn new(now: Timestamp, id: String, port: u16, zone: Option<Zone>) -> Self {
        let stage = Stage::Unused(Unused::NoListener);
        Self { id, port, zone, stage, began: now, answers: false, since: now }
    }

    pub(super) fn is_draining(&self) -> bool {
        matches!(self.stage, Stage::Draining { .. })
    }

    pub(super) fn drain(&mut self, until: Timestamp) {
        if !self.is_draining() {
            self.stage = Stage::Draining { until };
        }
    }

    pub fn health(&self, now: Timestamp) -> Health {
        let because = |state, reason| Health { state, reason: Some(reason) };
        match self.stage {
            Stage::Unused(Unused::NoListener) => because("unused", Reason::NotInUse),
            Stage::Unused(Unused::OtherZone) => because("unused", Reason::ZoneNotEnabled),
            Stage::Unused(Unused::Stopped) => because("unused", Reason::Stopped),
            Stage::Initial if now < self.checked_from() => because("initial", Reason::RegistrationInProgress),
            Stage::Initial => because("initial", Reason::InitialHealthChecking),
            Stage::Healthy => Health { state: "healthy", reason: None },
            Stage::Unhealthy => because("unhealthy", Reason::FailedHealthChecks),
            Stage::Draining { .. } => because("draining", Reason::DeregistrationInProgress),
        }
    }

    fn checked_from(&self) -> Timestamp {
        self.began + REGISTRATION
    }

    /// What its checks make of it next, and when; nothing if they go on as they are.
    fn verdict(&self, check: &HealthCheck, instant: bool) -> Option<(Timestamp, Stage)> {
        let (stage, in_a_row) = match (self.stage, self.answers) {
            (Stage::Initial, true) => (Stage::Healthy, 1),
            (Stage::Unhealthy, true) => (Stage::Healthy, check.healthy_threshold),
            (Stage::Initial | Stage::Healthy, false) => (Stage::Unhealthy, check.unhealthy_threshold),
            _ => return None,
        };
        if instant && stage == Stage::Healthy {
            return Some((self.since.max(self.began), stage));
        }
        Some((nth_check(self.checked_from(), check.interval(), self.since, in_a_row), stage))
    }
}

/// When the `nth` check at or after `since` comes, of those that come at every `interval` after `from`.
pub(super) fn nth_check(from: Timestamp, interval: Duration, since: Timestamp, nth: u32) -> Timestamp {
    let late = if since > from { since.since(from) } else { Duration::ZERO };
    let first = late.as_millis().div_ceil(interval.as_millis().max(1)).max(1);
    let first = u32::try_from(first).unwrap_or(u32::MAX);
    from + interval.saturating_mul(first.saturating_add(nth.saturating_sub(1)))
}

impl LoadBalancers {
    /// When a target's health changes next by itself, or a load balancer that targets wait for becomes active.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Whether any target group calls this target unhealthy.
    pub fn calls_unhealthy(&self, id: &str) -> bool {
        let mut targets = self.target_groups.values().flat_map(|group| &group.targets);
        targets.any(|target| target.id == id && target.stage == Stage::Unhealthy)
    }

    /// Brings every target up to `now`. Returns those whose health changed or that are gone.
    ///
    /// `vital` says what asking a target finds at this moment. Nothing may have changed since the last call but at `now`.
    pub fn follow(&mut self, now: Timestamp, vital: &dyn Fn(&str) -> Vital) -> BTreeSet<String> {
        self.due = None;
        let mut changed = BTreeSet::new();
        if self.target_groups.values().all(|group| group.targets.is_empty()) {
            return changed;
        }
        let users: Vec<(String, Vec<String>)> = self
            .uses()
            .into_iter()
            .map(|(group, users)| (group.into(), users.into_iter().map(String::from).collect()))
            .collect();
        for (arn, group) in &mut self.target_groups {
            let users = users.iter().find(|(used, _)| used == arn).map_or(&[][..], |(_, users)| users);
            let users: Vec<_> = users.iter().filter_map(|user| self.balancers.get(user)).collect();
            let active_at = users.iter().map(|user| user.active_at).min();
            let (check, instant) = (&group.health_check, self.instant);
            let mut due = None;
            group.targets.retain_mut(|target| {
                let before = target.stage;
                let found = vital(&target.id);
                let reached = users.iter().any(|user| user.reaches(target.zone.as_ref()));
                let kept = target.follow(now, found, active_at, reached);
                if kept && let Some(at) = target.judge(now, check, instant) {
                    due = Some(due.map_or(at, |due: Timestamp| due.min(at)));
                }
                if !kept || target.stage != before {
                    changed.insert(target.id.clone());
                }
                kept
            });
            self.due = self.due.into_iter().chain(due).min();
        }
        changed
    }
}

impl Target {
    /// Takes in what is so at `now`. Returns whether it is still a target.
    fn follow(&mut self, now: Timestamp, found: Vital, active_at: Option<Timestamp>, reached: bool) -> bool {
        match self.stage {
            Stage::Draining { until } => return until > now && found != Vital::Gone,
            _ if found == Vital::Gone => return false,
            _ => {}
        }
        let unused = match active_at {
            None => Some(Unused::NoListener),
            Some(_) if !reached => Some(Unused::OtherZone),
            Some(_) if found == Vital::Stopped => Some(Unused::Stopped),
            Some(_) => None,
        };
        if let Some(why) = unused {
            self.stage = Stage::Unused(why);
            return true;
        }
        let answers = found == Vital::Answers;
        if let Stage::Unused(_) = self.stage {
            self.stage = Stage::Initial;
            self.began = active_at.map_or(now, |active| active.max(now));
            (self.answers, self.since) = (answers, now);
        }
        if self.answers != answers {
            (self.answers, self.since) = (answers, now);
        }
        true
    }

    /// Draws the consequences of the checks up to `now`. Returns when there will be some.
    fn judge(&mut self, now: Timestamp, check: &HealthCheck, instant: bool) -> Option<Timestamp> {
        if let Stage::Draining { until } = self.stage {
            return Some(until);
        }
        match self.verdict(check, instant)? {
            (at, stage) if at <= now => {
                self.stage = stage;
                None
            }
            (at, _) => Some(at),
        }
    }
}
