//! What a load balancer does with a request: listeners, their rules, conditions and actions. Start at [`Listener`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, Owner};
use super::balancer::BalancerKind;
use super::target_group::Protocol;
use super::tls::{Tls, TlsRequest};
use super::{LoadBalancers, MAX_LISTENERS, MAX_RULES, invalid_configuration, no_rule, not_permitted};
use crate::engine::Refusal;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    pub arn: String,
    /// The ARN of its load balancer.
    pub balancer: String,
    pub protocol: Protocol,
    pub port: u16,
    /// What the default rule does.
    pub default_actions: Vec<Action>,
    pub default_rule_arn: String,
    /// Of one that ends TLS.
    pub tls: Option<Tls>,
    /// By priority.
    pub rules: BTreeMap<u32, Rule>,
    pub attributes: Attributes,
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub arn: String,
    pub conditions: Vec<Condition>,
    pub actions: Vec<Action>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    pub field: String,
    /// The header, of `http-header`.
    pub header: Option<String>,
    pub values: Vec<String>,
    /// Key and value, of `query-string`.
    pub pairs: Vec<(Option<String>, String)>,
    /// It came as `Values` beside the field instead of in a configuration of its own.
    pub brief: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    pub order: Option<i64>,
    pub routing: Routing,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Routing {
    Forward {
        /// ARNs and weights.
        to: Vec<(String, i64)>,
        sticky: bool,
        sticky_secs: Option<i64>,
    },
    Redirect {
        protocol: String,
        port: String,
        host: String,
        path: String,
        query: String,
        status: String,
    },
    FixedResponse {
        status: String,
        content_type: Option<String>,
        body: Option<String>,
    },
}

impl Action {
    fn targets(&self) -> impl Iterator<Item = &str> {
        let to = match &self.routing {
            Routing::Forward { to, .. } => to.as_slice(),
            Routing::Redirect { .. } | Routing::FixedResponse { .. } => &[],
        };
        to.iter().map(|(arn, _)| arn.as_str())
    }
}

impl Listener {
    pub fn rule(&self, arn: &str) -> Option<&Rule> {
        self.rules.values().find(|rule| rule.arn == arn)
    }

    pub fn rule_mut(&mut self, arn: &str) -> Option<&mut Rule> {
        self.rules.values_mut().find(|rule| rule.arn == arn)
    }

    /// The target groups that it may send a request to.
    pub fn forwards_to(&self) -> impl Iterator<Item = &str> {
        let of_rules = self.rules.values().flat_map(|rule| &rule.actions);
        self.default_actions.iter().chain(of_rules).flat_map(Action::targets)
    }
}

impl LoadBalancers {
    /// Adds a listener to a load balancer.
    ///
    /// # Errors
    /// `LoadBalancerNotFound`, `DuplicateListener` for a port that is taken, `UnsupportedProtocol`, `TooManyListeners`,
    /// and what is wrong with the actions or the certificate.
    pub fn create_listener(
        &mut self,
        balancer: &str,
        protocol: Protocol,
        tls: TlsRequest,
        port: u16,
        actions: Vec<Action>,
        tags: BTreeMap<String, String>,
    ) -> Result<&Listener, Refusal> {
        let kind = self.balancer(balancer)?.kind;
        check_protocol(kind, protocol)?;
        self.check_port(balancer, port, None)?;
        if self.listeners.values().filter(|other| other.balancer == balancer).count() >= MAX_LISTENERS {
            let text = format!("The maximum number of listeners has been reached on load balancer '{balancer}'");
            return Err(Refusal::new("TooManyListeners", 400, text));
        }
        self.check_actions(balancer, protocol, &actions)?;
        let tls = tls.applied(protocol, None)?;
        let id = self.new_id();
        let arn = format!("{}/{id}", balancer.replacen(":loadbalancer/", ":listener/", 1));
        let listener = Listener {
            default_rule_arn: self.rule_arn(&arn),
            arn: arn.clone(),
            balancer: balancer.to_string(),
            protocol,
            tls,
            port,
            default_actions: actions,
            rules: BTreeMap::new(),
            attributes: Attributes::of(Owner::Listener(kind)),
            tags,
        };
        Ok(self.listeners.entry(arn).or_insert(listener))
    }

    /// Changes what of a listener is given.
    ///
    /// # Errors
    /// Those of [`LoadBalancers::create_listener`] and `ListenerNotFound`.
    pub fn modify_listener(
        &mut self,
        arn: &str,
        protocol: Option<Protocol>,
        tls: TlsRequest,
        port: Option<u16>,
        actions: Option<Vec<Action>>,
    ) -> Result<&Listener, Refusal> {
        let listener = self.listener(arn)?;
        let before = listener.tls.clone();
        let (balancer, protocol) = (listener.balancer.clone(), protocol.unwrap_or(listener.protocol));
        let port = port.unwrap_or(listener.port);
        let actions = actions.unwrap_or_else(|| listener.default_actions.clone());
        check_protocol(self.balancer(&balancer)?.kind, protocol)?;
        self.check_port(&balancer, port, Some(arn))?;
        self.check_actions(&balancer, protocol, &actions)?;
        let tls = tls.applied(protocol, before.as_ref())?;
        let listener = self.listener_mut(arn)?;
        (listener.protocol, listener.port, listener.default_actions) = (protocol, port, actions);
        listener.tls = tls;
        Ok(listener)
    }

    /// # Errors
    /// `ListenerNotFound`.
    pub fn delete_listener(&mut self, arn: &str) -> Result<(), Refusal> {
        self.listeners.remove(arn).map(drop).ok_or_else(super::no_listener)
    }

    /// Adds a rule at a priority that is free.
    ///
    /// # Errors
    /// `ListenerNotFound`, `PriorityInUse`, `TooManyRules`, `OperationNotPermitted` for a network load balancer's listener,
    /// and what is wrong with the conditions or actions.
    pub fn create_rule(
        &mut self,
        listener: &str,
        priority: u32,
        conditions: Vec<Condition>,
        actions: Vec<Action>,
        tags: BTreeMap<String, String>,
    ) -> Result<&Rule, Refusal> {
        let found = self.listener(listener)?;
        let balancer = found.balancer.clone();
        if self.balancer(&balancer)?.kind == BalancerKind::Network {
            return Err(not_permitted("Rules are unsupported for Network Load Balancer listeners"));
        }
        if found.rules.contains_key(&priority) {
            return Err(priority_in_use(priority));
        }
        let on_balancer = self.listeners.values().filter(|other| other.balancer == balancer);
        if on_balancer.map(|other| other.rules.len()).sum::<usize>() >= MAX_RULES {
            let text = format!("The maximum number of rules on load balancer '{balancer}' has been reached");
            return Err(Refusal::new("TooManyRules", 400, text));
        }
        check_conditions(&conditions)?;
        self.check_actions(&balancer, found.protocol, &actions)?;
        let arn = self.rule_arn(listener);
        let rule = Rule { arn, conditions, actions, tags };
        Ok(self.listener_mut(listener)?.rules.entry(priority).or_insert(rule))
    }

    /// Changes what of a rule is given. The default rule changes with its listener.
    ///
    /// # Errors
    /// `RuleNotFound`, `OperationNotPermitted` for a default rule, and what is wrong with the conditions or actions.
    pub fn modify_rule(
        &mut self,
        arn: &str,
        conditions: Option<Vec<Condition>>,
        actions: Option<Vec<Action>>,
    ) -> Result<(), Refusal> {
        self.refuse_default(arn, "modified")?;
        let (listener, _) = self.rule(arn)?;
        if let Some(conditions) = &conditions {
            check_conditions(conditions)?;
        }
        if let Some(actions) = &actions {
            self.check_actions(&listener.balancer, listener.protocol, actions)?;
        }
        let rule = self.rule_mut(arn)?;
        rule.conditions = conditions.unwrap_or_else(|| rule.conditions.clone());
        rule.actions = actions.unwrap_or_else(|| rule.actions.clone());
        Ok(())
    }

    /// # Errors
    /// `RuleNotFound`, `OperationNotPermitted` for a default rule.
    pub fn delete_rule(&mut self, arn: &str) -> Result<(), Refusal> {
        self.refuse_default(arn, "deleted")?;
        self.rule(arn)?;
        for listener in self.listeners.values_mut() {
            listener.rules.retain(|_, rule| rule.arn != arn);
        }
        Ok(())
    }

    /// Moves rules of one listener to other priorities, all at once.
    ///
    /// # Errors
    /// `RuleNotFound`, `PriorityInUse` if another rule is there, `OperationNotPermitted` for a default rule, and then
    /// nothing is moved.
    pub fn set_rule_priorities(&mut self, wanted: &[(String, u32)]) -> Result<(), Refusal> {
        for (arn, _) in wanted {
            self.refuse_default(arn, "modified")?;
        }
        let home = match wanted.first() {
            Some((arn, _)) => self.rule(arn)?.0.arn.clone(),
            None => return Ok(()),
        };
        let mut rules = self.listener(&home)?.rules.clone();
        let mut moved = Vec::new();
        for (arn, priority) in wanted {
            let from = rules.iter().find(|(_, rule)| rule.arn == *arn).map(|(priority, _)| *priority);
            let rule = from.and_then(|from| rules.remove(&from)).ok_or_else(no_rule)?;
            moved.push((*priority, rule));
        }
        for (priority, rule) in moved {
            if rules.insert(priority, rule).is_some() {
                return Err(priority_in_use(priority));
            }
        }
        self.listener_mut(&home)?.rules = rules;
        Ok(())
    }

    fn rule_arn(&mut self, listener: &str) -> String {
        let id = self.new_id();
        format!("{}/{id}", listener.replacen(":listener/", ":listener-rule/", 1))
    }

    fn refuse_default(&self, arn: &str, what: &str) -> Result<(), Refusal> {
        match self.listeners.values().any(|listener| listener.default_rule_arn == arn) {
            true => Err(not_permitted(format!("Default rule '{arn}' cannot be {what}"))),
            false => Ok(()),
        }
    }

    fn check_port(&self, balancer: &str, port: u16, but: Option<&str>) -> Result<(), Refusal> {
        let taken = |other: &&super::Listener| {
            other.balancer == balancer && other.port == port && but.is_none_or(|arn| other.arn != arn)
        };
        match self.listeners.values().find(taken) {
            None => Ok(()),
            Some(_) => {
                let text = format!("A listener already exists on this port for this load balancer '{balancer}'");
                Err(Refusal::new("DuplicateListener", 400, text))
            }
        }
    }

    fn check_actions(&self, balancer: &str, protocol: Protocol, actions: &[Action]) -> Result<(), Refusal> {
        let kind = self.balancer(balancer)?.kind;
        let [action] = actions else {
            let text = "Exactly one action that forwards, redirects or returns a fixed response must be specified";
            return Err(invalid_configuration(text));
        };
        if kind == BalancerKind::Network && !matches!(action.routing, Routing::Forward { .. }) {
            return Err(invalid_configuration("Only forward actions are supported on Network Load Balancers"));
        }
        if let Routing::Forward { to, sticky_secs, .. } = &action.routing {
            check_forward(to, *sticky_secs)?;
        }
        for target_group in action.targets() {
            self.check_association(balancer, protocol, target_group)?;
        }
        Ok(())
    }

    /// Whether a listener with this protocol may forward to the target group.
    fn check_association(&self, balancer: &str, protocol: Protocol, target_group: &str) -> Result<(), Refusal> {
        super::ArnKind::TargetGroup.check(target_group)?;
        let group = self.target_group(target_group)?;
        if !protocol.forwards_to(group.protocol) {
            return Err(invalid_configuration(format!(
                "Listener protocol '{}' is not supported with a target group with the protocol '{}'",
                protocol.name(),
                group.protocol.name()
            )));
        }
        let vpc = &self.balancer(balancer)?.vpc;
        if group.vpc != *vpc {
            return Err(invalid_configuration(format!(
                "The target group '{target_group}' is not in the load balancer's VPC '{vpc}'"
            )));
        }
        if self.users_of(target_group).iter().any(|user| *user != balancer) {
            let text = format!(
                "The following target groups cannot be associated with more than one load balancer: {target_group}"
            );
            return Err(Refusal::new("TargetGroupAssociationLimit", 400, text));
        }
        Ok(())
    }
}

fn check_protocol(kind: BalancerKind, protocol: Protocol) -> Result<(), Refusal> {
    let offered: &[Protocol] = match kind {
        BalancerKind::Application => &[Protocol::Http, Protocol::Https],
        BalancerKind::Network => &[Protocol::Tcp, Protocol::Tls, Protocol::Udp, Protocol::TcpUdp],
    };
    if offered.contains(&protocol) {
        return Ok(());
    }
    let names: Vec<&str> = offered.iter().map(|one| one.name()).collect();
    let text = format!("Listener protocol '{}' must be one of '{}'", protocol.name(), names.join(", "));
    Err(Refusal::new("UnsupportedProtocol", 400, text))
}

/// Source: API reference, `ForwardActionConfig`: at most five target groups, weights 0 to 999, stickiness 1 s to 7 days.
fn check_forward(to: &[(String, i64)], sticky_secs: Option<i64>) -> Result<(), Refusal> {
    if to.is_empty() || to.len() > 5 {
        return Err(Refusal::validation("A forward action must have between 1 and 5 target groups"));
    }
    let distinct: BTreeSet<&str> = to.iter().map(|(arn, _)| arn.as_str()).collect();
    if distinct.len() < to.len() {
        return Err(Refusal::validation("A target group cannot be specified more than once in a forward action"));
    }
    if to.iter().any(|(_, weight)| !(0..=999).contains(weight)) {
        return Err(Refusal::validation("A target group's weight must be between 0 and 999"));
    }
    if sticky_secs.is_some_and(|secs| !(1..=604_800).contains(&secs)) {
        return Err(Refusal::validation("Target group stickiness duration must be between 1 and 604800 seconds"));
    }
    Ok(())
}

/// Source: API reference, `RuleCondition`, and the user guide's limits: five values a rule.
fn check_conditions(conditions: &[Condition]) -> Result<(), Refusal> {
    const FIELDS: [&str; 6] =
        ["host-header", "path-pattern", "http-header", "query-string", "http-request-method", "source-ip"];
    /// Those of which a rule may have several.
    const REPEATED: [&str; 2] = ["http-header", "query-string"];
    if conditions.is_empty() {
        return Err(Refusal::validation("A condition must be specified"));
    }
    let mut seen = BTreeSet::new();
    for condition in conditions {
        let field = condition.field.as_str();
        if !FIELDS.contains(&field) {
            let text = format!("Condition field '{field}' must be one of '[{}]'", FIELDS.join(", "));
            return Err(Refusal::validation(text));
        }
        if !seen.insert(field) && !REPEATED.contains(&field) {
            return Err(Refusal::validation(format!("Only one '{field}' condition can be specified in a rule")));
        }
        if condition.values.is_empty() && condition.pairs.is_empty() {
            return Err(Refusal::validation("A condition value must be specified"));
        }
        if condition.values.iter().any(|value| value.is_empty() || value.chars().count() > 128) {
            return Err(Refusal::validation("The condition value must be between 1 and 128 characters long"));
        }
    }
    if conditions.iter().map(|condition| condition.values.len() + condition.pairs.len()).sum::<usize>() > 5 {
        return Err(Refusal::validation("A rule can only have '5' condition values"));
    }
    Ok(())
}

fn priority_in_use(priority: u32) -> Refusal {
    Refusal::new("PriorityInUse", 400, format!("Priority '{priority}' is currently in use"))
}
