//! A target group: what its targets are, how their health is checked, and who is registered. Start at [`TargetGroup`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, Owner};
use super::health::Target;
use super::{LoadBalancers, MAX_TARGET_GROUPS, MAX_TARGETS, arn, check_name, invalid_configuration};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{Place, Zone};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    Http,
    Https,
    Tcp,
    Tls,
    Udp,
    TcpUdp,
}

impl Protocol {
    const ALL: [Self; 6] = [Self::Http, Self::Https, Self::Tcp, Self::Tls, Self::Udp, Self::TcpUdp];

    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Udp => "UDP",
            Self::TcpUdp => "TCP_UDP",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == text)
    }

    /// Of an application load balancer.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// Whether a listener with this protocol may forward to a target group with that one. Source: Network Load Balancers
    /// user guide, "Routing configuration".
    pub(super) fn forwards_to(self, target_group: Self) -> bool {
        match self {
            Self::Http | Self::Https => target_group.is_http(),
            Self::Tcp => matches!(target_group, Self::Tcp | Self::TcpUdp),
            Self::Tls => matches!(target_group, Self::Tcp | Self::Tls),
            Self::Udp => matches!(target_group, Self::Udp | Self::TcpUdp),
            Self::TcpUdp => target_group == Self::TcpUdp,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetType {
    Instance,
    Ip,
}

impl TargetType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Ip => "ip",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    pub protocol: Protocol,
    /// A number, or `traffic-port`.
    pub port: String,
    pub path: Option<String>,
    /// The answers that count as healthy.
    pub matcher: Option<String>,
    pub interval_secs: u32,
    pub timeout_secs: u32,
    pub healthy_threshold: u32,
    pub unhealthy_threshold: u32,
}

impl HealthCheck {
    /// What a target group with this protocol checks, by `wanted` if that is told. Source: API reference, CreateTargetGroup.
    pub fn default_of(group: Protocol, wanted: Option<Protocol>) -> Self {
        let protocol = wanted.unwrap_or(if group.is_http() { Protocol::Http } else { Protocol::Tcp });
        let (matcher, timeout_secs) = match (group.is_http(), protocol.is_http()) {
            (true, _) => (Some("200"), 5),
            (false, true) => (Some("200-399"), 6),
            (false, false) => (None, 10),
        };
        Self {
            protocol,
            port: "traffic-port".into(),
            path: protocol.is_http().then(|| "/".to_string()),
            matcher: matcher.map(String::from),
            interval_secs: 30,
            timeout_secs,
            healthy_threshold: 5,
            unhealthy_threshold: 2,
        }
    }

    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.interval_secs))
    }

    fn check(&self, group: Protocol) -> Result<(), Refusal> {
        if !matches!(self.protocol, Protocol::Http | Protocol::Https | Protocol::Tcp) {
            let text = format!("Health check protocol '{}' is not supported", self.protocol.name());
            return Err(invalid_configuration(text));
        }
        if group.is_http() && !self.protocol.is_http() {
            let text = format!(
                "Health check protocol '{}' is not supported with target group protocol '{}'",
                self.protocol.name(),
                group.name()
            );
            return Err(invalid_configuration(text));
        }
        if self.protocol == Protocol::Tcp && (self.path.is_some() || self.matcher.is_some()) {
            return Err(invalid_configuration(
                "You cannot specify a health check path or matcher for TCP health checks",
            ));
        }
        if self.timeout_secs > self.interval_secs || (group.is_http() && self.timeout_secs == self.interval_secs) {
            let text = "Health check timeout must be smaller than the interval";
            return Err(Refusal::validation(text));
        }
        if self.path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            return Err(Refusal::validation("Health check path must begin with a '/' character"));
        }
        let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
        if self.port != "traffic-port" && !is_port(&self.port) {
            let text = format!("Health check port '{}' must be 'traffic-port' or between 1 and 65535", self.port);
            return Err(Refusal::validation(text));
        }
        match self.matcher.as_deref() {
            Some(codes) if !are_codes(codes) => {
                let text = format!("Health check matcher HTTP code '{codes}' must be within '200-599' inclusive");
                Err(Refusal::validation(text))
            }
            _ => Ok(()),
        }
    }
}

/// Codes and ranges of them, with commas between them, such as `200,202` and `200-299`.
fn are_codes(text: &str) -> bool {
    let code = |text: &str| text.parse::<u16>().ok().filter(|code| (200..=599).contains(code));
    text.split(',').all(|part| match part.split_once('-') {
        None => code(part).is_some(),
        Some((from, to)) => matches!((code(from), code(to)), (Some(from), Some(to)) if from <= to),
    })
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetGroup {
    pub arn: String,
    pub name: String,
    pub protocol: Protocol,
    /// `HTTP1`, `HTTP2` or `GRPC`, of an application load balancer's.
    pub protocol_version: Option<String>,
    pub port: u16,
    pub vpc: String,
    pub target_type: TargetType,
    pub ip_address_type: String,
    pub health_check: HealthCheck,
    pub attributes: Attributes,
    pub tags: BTreeMap<String, String>,
    pub(super) targets: Vec<Target>,
}

/// What CreateTargetGroup asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTargetGroup {
    pub name: String,
    pub protocol: Protocol,
    pub protocol_version: Option<String>,
    pub port: u16,
    pub vpc: String,
    pub target_type: TargetType,
    pub ip_address_type: String,
    pub health_check: HealthCheck,
    pub tags: BTreeMap<String, String>,
}

impl TargetGroup {
    /// Sets attributes, all or nothing.
    ///
    /// # Errors
    /// Those of [`Attributes::set`]; `InvalidConfigurationRequest` for a kind of stickiness that belongs to other protocols.
    pub fn set_attributes(&mut self, wanted: &[(String, String)]) -> Result<(), Refusal> {
        let kind = wanted.iter().find(|(key, _)| key == "stickiness.type").map(|(_, kind)| kind.as_str());
        let elsewhere = match kind {
            Some("lb_cookie" | "app_cookie") => !self.protocol.is_http(),
            Some("source_ip") => self.protocol.is_http(),
            _ => false,
        };
        if let Some(kind) = kind.filter(|_| elsewhere) {
            let protocol = self.protocol.name();
            let text =
                format!("Stickiness type '{kind}' is not supported for target groups with the {protocol} protocol");
            return Err(invalid_configuration(text));
        }
        self.attributes.set(wanted)
    }

    /// Those that are registered, and those that are being deregistered.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter()
    }

    /// The part of its ARN that metrics name it by: `targetgroup/NAME/ID`.
    pub fn full_name(&self) -> &str {
        self.arn.rsplit(':').next().unwrap_or_default()
    }

    pub fn deregistration_delay(&self) -> Duration {
        Duration::from_secs(self.attributes.number("deregistration_delay.timeout_seconds"))
    }

    fn is_like(&self, wanted: &NewTargetGroup) -> bool {
        self.protocol == wanted.protocol
            && self.protocol_version == wanted.protocol_version
            && self.port == wanted.port
            && self.vpc == wanted.vpc
            && self.target_type == wanted.target_type
            && self.ip_address_type == wanted.ip_address_type
            && self.health_check == wanted.health_check
            && self.tags == wanted.tags
    }
}

impl LoadBalancers {
    /// Creates a target group, or returns the one that is just like it.
    ///
    /// # Errors
    /// `ValidationError` or `InvalidConfigurationRequest` for what no target group can have, `DuplicateTargetGroupName`,
    /// `TooManyTargetGroups`.
    pub fn create_target_group(&mut self, place: &Place, wanted: NewTargetGroup) -> Result<&TargetGroup, Refusal> {
        check_name("Target group", &wanted.name)?;
        wanted.health_check.check(wanted.protocol)?;
        if let Some(twin) = self.target_groups.values().find(|other| other.name == wanted.name) {
            if !twin.is_like(&wanted) {
                let text =
                    format!("A target group with the same name '{}' exists, but with different settings", wanted.name);
                return Err(Refusal::new("DuplicateTargetGroupName", 400, text));
            }
            let arn = twin.arn.clone();
            return self.target_group(&arn);
        }
        if self.target_groups.len() >= MAX_TARGET_GROUPS {
            let text = format!("The maximum number of target groups has been reached: {MAX_TARGET_GROUPS}");
            return Err(Refusal::new("TooManyTargetGroups", 400, text));
        }
        let id = self.new_id();
        let arn = arn(place, &format!("targetgroup/{}/{id}", wanted.name));
        let group = TargetGroup {
            attributes: Attributes::of(Owner::TargetGroup {
                http: wanted.protocol.is_http(),
                kind: wanted.target_type,
            }),
            arn: arn.clone(),
            name: wanted.name,
            protocol: wanted.protocol,
            protocol_version: wanted.protocol_version,
            port: wanted.port,
            vpc: wanted.vpc,
            target_type: wanted.target_type,
            ip_address_type: wanted.ip_address_type,
            health_check: wanted.health_check,
            tags: wanted.tags,
            targets: Vec::new(),
        };
        Ok(self.target_groups.entry(arn).or_insert(group))
    }

    /// Replaces how the health of targets is checked.
    ///
    /// # Errors
    /// `TargetGroupNotFound`, and what [`LoadBalancers::create_target_group`] says of health checks.
    pub fn set_health_check(&mut self, arn: &str, health_check: HealthCheck) -> Result<&TargetGroup, Refusal> {
        let group = self.target_group_mut(arn)?;
        health_check.check(group.protocol)?;
        group.health_check = health_check;
        Ok(group)
    }

    /// # Errors
    /// `ResourceInUse` while a listener or rule forwards to it. One that does not exist is deleted already.
    pub fn delete_target_group(&mut self, arn: &str) -> Result<(), Refusal> {
        if !self.users_of(arn).is_empty() {
            let text = format!("Target group '{arn}' is currently in use by a listener or a rule");
            return Err(Refusal::new("ResourceInUse", 400, text));
        }
        self.target_groups.remove(arn);
        Ok(())
    }

    /// Registers targets, at their own port or the group's. One that is registered stays as it is; one that drains is
    /// back. Whether they exist is for the caller to say, with the zone that each is in.
    ///
    /// # Errors
    /// `TargetGroupNotFound`, `TooManyTargets`.
    pub fn register(
        &mut self,
        now: Timestamp,
        arn: &str,
        targets: Vec<(String, Option<u16>, Option<Zone>)>,
    ) -> Result<(), Refusal> {
        let group = self.target_group_mut(arn)?;
        let port = group.port;
        let targets = targets.into_iter().map(|(id, own, zone)| Target::new(now, id, own.unwrap_or(port), zone));
        for target in targets {
            let same = |other: &Target| other.id == target.id && other.port == target.port;
            match group.targets.iter().position(same) {
                Some(place) if group.targets[place].is_draining() => group.targets[place] = target,
                Some(_) => {}
                None if group.targets.len() >= MAX_TARGETS => {
                    let text = format!("The maximum number of targets has been reached for target group '{arn}'");
                    return Err(Refusal::new("TooManyTargets", 400, text));
                }
                None => group.targets.push(target),
            }
        }
        Ok(())
    }

    /// Deregisters targets, at one port or at all. Those that got traffic drain first.
    ///
    /// # Errors
    /// `TargetGroupNotFound`.
    pub fn deregister(&mut self, now: Timestamp, arn: &str, targets: &[(String, Option<u16>)]) -> Result<(), Refusal> {
        let used = !self.users_of(arn).is_empty();
        let instant = self.instant;
        let group = self.target_group_mut(arn)?;
        let delay = if used && !instant { group.deregistration_delay() } else { Duration::ZERO };
        for target in &mut group.targets {
            let meant =
                |(id, port): &(String, Option<u16>)| *id == target.id && port.is_none_or(|port| port == target.port);
            if targets.iter().any(meant) {
                target.drain(now + delay);
            }
        }
        Ok(())
    }
}
