//! The attributes of load balancers, target groups and listeners: which there are, their first values, and what they may
//! be. Start at [`Attributes`].
//!
//! Source: API reference, `LoadBalancerAttribute`, `TargetGroupAttribute` and `ListenerAttribute`. Most of them are about
//! traffic, of which there is none here: they are kept and shown. Logs, which would have to go somewhere, are refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::balancer::BalancerKind;
use super::target_group::TargetType;
use crate::engine::Refusal;

/// Whose attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    Balancer(BalancerKind),
    TargetGroup { http: bool, kind: TargetType },
    Listener(BalancerKind),
}

/// Values by key, with what they may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    owner: Owner,
    values: BTreeMap<String, String>,
}

/// What an attribute may be.
#[derive(Debug, Clone, Copy)]
enum Allowed {
    /// `true` or `false`.
    Flag,
    Number(u64, u64),
    OneOf(&'static [&'static str]),
    Text,
    /// A whole number in this range, or `off`.
    NumberOrOff(u64, u64),
    /// A flag that this sandbox cannot honor.
    OnlyFalse,
}

use Allowed::{Flag, Number, NumberOrOff, OneOf, OnlyFalse, Text};

type Table = &'static [(&'static str, &'static str, Allowed)];

const OF_ALL_BALANCERS: Table = &[
    ("deletion_protection.enabled", "false", Flag),
    ("access_logs.s3.enabled", "false", OnlyFalse),
    ("access_logs.s3.bucket", "", Text),
    ("access_logs.s3.prefix", "", Text),
    ("ipv6.deny_all_igw_traffic", "false", Flag),
    ("zonal_shift.config.enabled", "false", OnlyFalse),
];

const OF_APPLICATION_BALANCERS: Table = &[
    ("load_balancing.cross_zone.enabled", "true", OneOf(&["true"])),
    ("idle_timeout.timeout_seconds", "60", Number(1, 4000)),
    ("client_keep_alive.seconds", "3600", Number(60, 604_800)),
    ("connection_logs.s3.enabled", "false", OnlyFalse),
    ("connection_logs.s3.bucket", "", Text),
    ("connection_logs.s3.prefix", "", Text),
    ("health_check_logs.s3.enabled", "false", OnlyFalse),
    ("health_check_logs.s3.bucket", "", Text),
    ("health_check_logs.s3.prefix", "", Text),
    ("routing.http.desync_mitigation_mode", "defensive", OneOf(&["monitor", "defensive", "strictest"])),
    ("routing.http.drop_invalid_header_fields.enabled", "false", Flag),
    ("routing.http.preserve_host_header.enabled", "false", Flag),
    ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false", Flag),
    ("routing.http.xff_client_port.enabled", "false", Flag),
    ("routing.http.xff_header_processing.mode", "append", OneOf(&["append", "preserve", "remove"])),
    ("routing.http2.enabled", "true", Flag),
    ("waf.fail_open.enabled", "false", Flag),
];

const OF_NETWORK_BALANCERS: Table = &[
    ("load_balancing.cross_zone.enabled", "false", Flag),
    (
        "dns_record.client_routing_policy",
        "any_availability_zone",
        OneOf(&["any_availability_zone", "availability_zone_affinity", "partial_availability_zone_affinity"]),
    ),
    ("secondary_ips.auto_assigned.per_subnet", "0", Number(0, 7)),
];

const OF_ALL_TARGET_GROUPS: Table = &[
    ("deregistration_delay.timeout_seconds", "300", Number(0, 3600)),
    ("stickiness.enabled", "false", Flag),
    (
        "load_balancing.cross_zone.enabled",
        "use_load_balancer_configuration",
        OneOf(&["true", "false", "use_load_balancer_configuration"]),
    ),
    ("target_group_health.dns_failover.minimum_healthy_targets.count", "1", NumberOrOff(1, 1000)),
    ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off", NumberOrOff(1, 100)),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1", Number(1, 1000)),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off", NumberOrOff(1, 100)),
];

const OF_HTTP_TARGET_GROUPS: Table = &[
    ("stickiness.type", "lb_cookie", OneOf(&["lb_cookie", "app_cookie"])),
    ("stickiness.lb_cookie.duration_seconds", "86400", Number(1, 604_800)),
    ("stickiness.app_cookie.cookie_name", "", Text),
    ("stickiness.app_cookie.duration_seconds", "86400", Number(1, 604_800)),
    ("slow_start.duration_seconds", "0", Number(0, 900)),
    (
        "load_balancing.algorithm.type",
        "round_robin",
        OneOf(&["round_robin", "least_outstanding_requests", "weighted_random"]),
    ),
    ("load_balancing.algorithm.anomaly_mitigation", "off", OneOf(&["on", "off"])),
];

const OF_OTHER_TARGET_GROUPS: Table = &[
    ("stickiness.type", "source_ip", OneOf(&["source_ip", "source_ip_dest_ip", "source_ip_dest_ip_proto"])),
    ("deregistration_delay.connection_termination.enabled", "false", Flag),
    ("preserve_client_ip.enabled", "true", Flag),
    ("proxy_protocol_v2.enabled", "false", Flag),
    ("target_health_state.unhealthy.connection_termination.enabled", "true", Flag),
    ("target_health_state.unhealthy.draining_interval_seconds", "0", Number(0, 360_000)),
];

const OF_APPLICATION_LISTENERS: Table = &[
    ("routing.http.response.server.enabled", "true", Flag),
    ("routing.http.response.strict_transport_security.header_value", "", Text),
    ("routing.http.response.access_control_allow_origin.header_value", "", Text),
    ("routing.http.response.access_control_allow_methods.header_value", "", Text),
    ("routing.http.response.access_control_allow_headers.header_value", "", Text),
    ("routing.http.response.access_control_allow_credentials.header_value", "", Text),
    ("routing.http.response.access_control_expose_headers.header_value", "", Text),
    ("routing.http.response.access_control_max_age.header_value", "", Text),
    ("routing.http.response.content_security_policy.header_value", "", Text),
    ("routing.http.response.x_content_type_options.header_value", "", Text),
    ("routing.http.response.x_frame_options.header_value", "", Text),
];

const OF_NETWORK_LISTENERS: Table = &[("tcp.idle_timeout.seconds", "350", Number(60, 6000))];

impl Owner {
    fn tables(self) -> [Table; 2] {
        match self {
            Self::Balancer(BalancerKind::Application) => [OF_ALL_BALANCERS, OF_APPLICATION_BALANCERS],
            Self::Balancer(BalancerKind::Network) => [OF_ALL_BALANCERS, OF_NETWORK_BALANCERS],
            Self::TargetGroup { http: true, .. } => [OF_ALL_TARGET_GROUPS, OF_HTTP_TARGET_GROUPS],
            Self::TargetGroup { http: false, .. } => [OF_ALL_TARGET_GROUPS, OF_OTHER_TARGET_GROUPS],
            Self::Listener(BalancerKind::Application) => [OF_APPLICATION_LISTENERS, &[]],
            Self::Listener(BalancerKind::Network) => [OF_NETWORK_LISTENERS, &[]],
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Balancer(_) => "Load balancer",
            Self::TargetGroup { .. } => "Target group",
            Self::Listener(_) => "Listener",
        }
    }

    fn allowed(self, key: &str) -> Option<Allowed> {
        self.tables().into_iter().flatten().find(|(name, ..)| *name == key).map(|(_, _, allowed)| *allowed)
    }
}

impl Attributes {
    /// Those that AWS gives at first.
    pub fn of(owner: Owner) -> Self {
        let first = |(key, value, _): &(&str, &str, Allowed)| {
            // Source: Network Load Balancers user guide, "Client IP preservation".
            let by_address = matches!(owner, Owner::TargetGroup { kind: TargetType::Ip, .. });
            let value = if by_address && *key == "preserve_client_ip.enabled" { "false" } else { value };
            ((*key).to_string(), value.to_string())
        };
        Self { owner, values: owner.tables().into_iter().flatten().map(first).collect() }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    pub(super) fn is(&self, key: &str, value: &str) -> bool {
        self.values.get(key).is_some_and(|found| found == value)
    }

    pub(super) fn number(&self, key: &str) -> u64 {
        self.values.get(key).and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    /// Sets what is given, all or nothing.
    ///
    /// # Errors
    /// `ValidationError` for a key that there is not and a value that it cannot have; `InvalidParameterCombination` for a
    /// value that would have no effect here.
    pub fn set(&mut self, wanted: &[(String, String)]) -> Result<(), Refusal> {
        let what = self.owner.what();
        for (key, value) in wanted {
            let Some(allowed) = self.owner.allowed(key) else {
                return Err(Refusal::validation(format!("{what} attribute key '{key}' is not recognized")));
            };
            allowed.check(what, key, value)?;
        }
        self.values.extend(wanted.iter().cloned());
        Ok(())
    }
}

impl Allowed {
    fn check(self, what: &str, key: &str, value: &str) -> Result<(), Refusal> {
        let within = |from, to| value.parse().is_ok_and(|number: u64| (from..=to).contains(&number));
        let must = match self {
            OnlyFalse if value == "true" => {
                let text = format!("{what} attribute '{key}' is not reproduced by scaleproof's sandbox");
                return Err(Refusal::new("InvalidParameterCombination", 400, text));
            }
            Text => return Ok(()),
            Flag | OnlyFalse if matches!(value, "true" | "false") => return Ok(()),
            Number(from, to) | NumberOrOff(from, to) if within(from, to) => return Ok(()),
            NumberOrOff(..) if value == "off" => return Ok(()),
            OneOf(values) if values.contains(&value) => return Ok(()),
            Flag | OnlyFalse => "must be 'true' or 'false'".to_string(),
            Number(from, to) => format!("must be between '{from}' and '{to}' inclusive"),
            NumberOrOff(from, to) => format!("must be 'off' or between '{from}' and '{to}' inclusive"),
            OneOf(values) => format!("must be one of '{}'", values.join(", ")),
        };
        Err(Refusal::validation(format!("{what} attribute value '{value}' of '{key}' {must}")))
    }
}
