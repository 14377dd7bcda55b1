//! Load balancers of version 2 (application and network): their listeners and rules, target groups, and the health of
//! targets. Start at [`LoadBalancers`].
//!
//! `balancer`, `listener`, `target_group` and `attributes` say what may be configured; `health` is the life of a target,
//! told the time and whether each machine answers. Nothing here carries traffic. Left out, and refused by the sandbox:
//! gateway load balancers, certificates, authentication, Lambda functions and load balancers as targets.

pub mod attributes;
pub mod balancer;
pub mod health;
pub mod listener;
mod measure;
pub mod target_group;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Refusal;
use super::ids::Ids;
use super::names::Place;
use crate::clock::Timestamp;
pub use balancer::{Balancer, BalancerKind, BalancerZone, IpAddressType, NewBalancer};
pub use health::{Health, Reason, Target, Vital};
pub use listener::{Action, Condition, Listener, Routing, Rule};
pub use target_group::{HealthCheck, NewTargetGroup, Protocol, TargetGroup, TargetType};
pub use tls::{Tls, TlsRequest};

/// Quotas of one account in one region, or of one resource. Source: Elastic Load Balancing, quotas of Application Load
/// Balancers and of Network Load Balancers.
pub const MAX_BALANCERS_OF_A_KIND: usize = 50;
pub const MAX_TARGET_GROUPS: usize = 3000;
pub const MAX_LISTENERS: usize = 50;
pub const MAX_RULES: usize = 100;
pub const MAX_TARGETS: usize = 1000;

/// The load balancers, listeners and target groups of one region, by their ARNs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadBalancers {
    /// What takes time on AWS is done at once.
    instant: bool,
    balancers: BTreeMap<String, Balancer>,
    listeners: BTreeMap<String, Listener>,
    target_groups: BTreeMap<String, TargetGroup>,
    /// When the health of a target changes next if nothing else does.
    due: Option<Timestamp>,
    ids: Ids,
}

/// What a state that was kept before there were load balancers has.
impl Default for LoadBalancers {
    fn default() -> Self {
        Self::new(0, false)
    }
}

impl LoadBalancers {
    pub fn new(seed: u64, instant: bool) -> Self {
        Self {
            instant,
            balancers: BTreeMap::new(),
            listeners: BTreeMap::new(),
            target_groups: BTreeMap::new(),
            due: None,
            ids: Ids::new(seed, "load balancers"),
        }
    }

    pub fn balancers(&self) -> impl Iterator<Item = &Balancer> {
        self.balancers.values()
    }

    /// # Errors
    /// `LoadBalancerNotFound`.
    pub fn balancer(&self, arn: &str) -> Result<&Balancer, Refusal> {
        self.balancers.get(arn).ok_or_else(no_balancer)
    }

    /// # Errors
    /// `LoadBalancerNotFound`.
    pub fn balancer_mut(&mut self, arn: &str) -> Result<&mut Balancer, Refusal> {
        self.balancers.get_mut(arn).ok_or_else(no_balancer)
    }

    pub fn target_groups(&self) -> impl Iterator<Item = &TargetGroup> {
        self.target_groups.values()
    }

    /// # Errors
    /// `TargetGroupNotFound`.
    pub fn target_group(&self, arn: &str) -> Result<&TargetGroup, Refusal> {
        self.target_groups.get(arn).ok_or_else(no_target_group)
    }

    /// # Errors
    /// `TargetGroupNotFound`.
    pub fn target_group_mut(&mut self, arn: &str) -> Result<&mut TargetGroup, Refusal> {
        self.target_groups.get_mut(arn).ok_or_else(no_target_group)
    }

    pub fn listeners(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.values()
    }

    /// # Errors
    /// `ListenerNotFound`.
    pub fn listener(&self, arn: &str) -> Result<&Listener, Refusal> {
        self.listeners.get(arn).ok_or_else(no_listener)
    }

    /// # Errors
    /// `ListenerNotFound`.
    pub fn listener_mut(&mut self, arn: &str) -> Result<&mut Listener, Refusal> {
        self.listeners.get_mut(arn).ok_or_else(no_listener)
    }

    /// The listener that has the rule, and the rule.
    ///
    /// # Errors
    /// `RuleNotFound`.
    pub fn rule(&self, arn: &str) -> Result<(&Listener, &Rule), Refusal> {
        let found = |listener| Some((listener, Listener::rule(listener, arn)?));
        self.listeners.values().find_map(found).ok_or_else(no_rule)
    }

    /// # Errors
    /// `RuleNotFound`.
    pub fn rule_mut(&mut self, arn: &str) -> Result<&mut Rule, Refusal> {
        self.listeners.values_mut().find_map(|listener| listener.rule_mut(arn)).ok_or_else(no_rule)
    }

    /// The load balancers whose listeners forward to each target group that is forwarded to.
    pub(crate) fn uses(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for listener in self.listeners.values() {
            for target_group in listener.forwards_to() {
                uses.entry(target_group).or_default().insert(&listener.balancer);
            }
        }
        uses
    }

    /// The load balancers that use a target group.
    pub fn users_of(&self, target_group: &str) -> BTreeSet<&str> {
        self.uses().remove(target_group).unwrap_or_default()
    }

    /// How long each target group goes on sending to a target that leaves; not at all if nothing uses it.
    pub fn deregistration_delays(&self) -> BTreeMap<String, Duration> {
        let uses = self.uses();
        let delay = |group: &TargetGroup| match uses.contains_key(group.arn.as_str()) {
            true => group.deregistration_delay(),
            false => Duration::ZERO,
        };
        self.target_groups.values().map(|group| (group.arn.clone(), delay(group))).collect()
    }

    /// Sixteen hexadecimal digits, as load balancing ends its ARNs.
    fn new_id(&mut self) -> String {
        format!("{:016x}", self.ids.next_u64())
    }

    /// The tags of a load balancer, target group, listener or rule.
    ///
    /// # Errors
    /// The `NotFound` of its kind.
    pub fn tags_mut(&mut self, arn: &str) -> Result<&mut BTreeMap<String, String>, Refusal> {
        match ArnKind::of(arn) {
            Some(ArnKind::Balancer) => Ok(&mut self.balancer_mut(arn)?.tags),
            Some(ArnKind::TargetGroup) => Ok(&mut self.target_group_mut(arn)?.tags),
            Some(ArnKind::Listener) => Ok(&mut self.listener_mut(arn)?.tags),
            Some(ArnKind::Rule) => Ok(&mut self.rule_mut(arn)?.tags),
            None => Err(Refusal::validation(format!("'{arn}' is not a valid ARN"))),
        }
    }
}

/// What an ARN of load balancing names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArnKind {
    Balancer,
    TargetGroup,
    Listener,
    Rule,
}

impl ArnKind {
    pub fn of(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (head, service) = (parts.next()?, parts.nth(1)?);
        if head != "arn" || service != "elasticloadbalancing" {
            return None;
        }
        match parts.nth(2)?.split_once('/')?.0 {
            "loadbalancer" => Some(Self::Balancer),
            "targetgroup" => Some(Self::TargetGroup),
            "listener" => Some(Self::Listener),
            "listener-rule" => Some(Self::Rule),
            _ => None,
        }
    }

    /// # Errors
    /// `ValidationError` for what is no ARN of this kind.
    pub fn check(self, arn: &str) -> Result<(), Refusal> {
        let what = match self {
            Self::Balancer => "load balancer",
            Self::TargetGroup => "target group",
            Self::Listener => "listener",
            Self::Rule => "listener rule",
        };
        match Self::of(arn) {
            Some(kind) if kind == self => Ok(()),
            _ => Err(Refusal::validation(format!("'{arn}' is not a valid {what} ARN"))),
        }
    }
}

fn arn(place: &Place, resource: &str) -> String {
    place.arn("elasticloadbalancing", resource)
}

/// # Errors
/// `ValidationError` for a name that no load balancer or target group can have. `what` begins the sentence.
fn check_name(what: &str, name: &str) -> Result<(), Refusal> {
    let problem = if name.is_empty() {
        format!("{what} name cannot be empty")
    } else if name.chars().count() > 32 {
        format!("{what} name '{name}' cannot be longer than '32' characters")
    } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        format!("{what} name '{name}' can only contain characters that are alphanumeric characters and hyphens(-)")
    } else if name.starts_with('-') || name.ends_with('-') {
        format!("{what} name '{name}' cannot begin or end with '-'")
    } else {
        return Ok(());
    };
    Err(Refusal::validation(problem))
}

pub fn no_balancer() -> Refusal {
    Refusal::new("LoadBalancerNotFound", 400, "One or more load balancers not found")
}

pub fn no_target_group() -> Refusal {
    Refusal::new("TargetGroupNotFound", 400, "One or more target groups not found")
}

pub fn no_listener() -> Refusal {
    Refusal::new("ListenerNotFound", 400, "One or more listeners not found")
}

pub fn no_rule() -> Refusal {
    Refusal::new("RuleNotFound", 400, "One or more rules not found")
}

pub fn invalid_configuration(text: impl Into<String>) -> Refusal {
    Refusal::new("InvalidConfigurationRequest", 400, text)
}

fn not_permitted(text: impl Into<String>) -> Refusal {
    Refusal::new("OperationNotPermitted", 400, text)
}

#[cfg(test)]
mod tests;
