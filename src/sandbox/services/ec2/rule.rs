//! Security group rules: what a rule is, and how AWS groups rules into permissions. Start at [`Rule`];
//! `rule_calls.rs` has the calls that change them.

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::cidr::{Cidr, canonical_ipv6};
use super::error::{invalid_value, missing_parameter, refuse};
use super::security_group::check_text;
use crate::engine::Refusal;
use crate::engine::names::SecurityGroupId;
use crate::sandbox::models::ec2::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, ReferencedSecurityGroup, SecurityGroupRule, UserIdGroupPair,
};

/// One rule: one protocol, one range of ports, one peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub egress: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a number, or `-1` for all.
    pub protocol: String,
    /// The first port, or the ICMP type; none where the protocol has no ports.
    pub from_port: Option<i64>,
    /// The last port, or the ICMP code.
    pub to_port: Option<i64>,
    pub peer: Peer,
    pub description: Option<String>,
}

/// The other side of the traffic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Peer {
    Ipv4(String),
    Ipv6(String),
    PrefixList(String),
    Group(SecurityGroupId),
}

/// A protocol and ports, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Ports {
    protocol: String,
    from_port: Option<i64>,
    to_port: Option<i64>,
}

impl Ports {
    /// Reads what a caller gave, by AWS's rules: protocols by name or number, ports for TCP and UDP only, and none for
    /// all protocols even if given.
    pub fn read(protocol: Option<&str>, from: Option<i64>, to: Option<i64>) -> Result<Self, Refusal> {
        let given = protocol.ok_or_else(|| missing_parameter("ipProtocol"))?.to_ascii_lowercase();
        let protocol = match given.as_str() {
            "all" => "-1",
            "1" => "icmp",
            "6" => "tcp",
            "17" => "udp",
            "58" => "icmpv6",
            other => other,
        };
        let (from_port, to_port) = match protocol {
            "tcp" | "udp" => check_ports(from, to)?,
            "icmp" | "icmpv6" => (Some(from.unwrap_or(-1)), Some(to.unwrap_or(-1))),
            "-1" => (None, None),
            number if number.parse::<u8>().is_ok() => (None, None),
            _ => return Err(invalid_value(&given, "ipProtocol", "Unknown protocol.")),
        };
        Ok(Self { protocol: protocol.to_string(), from_port, to_port })
    }
}

fn check_ports(from: Option<i64>, to: Option<i64>) -> Result<(Option<i64>, Option<i64>), Refusal> {
    let invalid = |why: String| Err(refuse("InvalidParameterValue", why));
    let (Some(from), Some(to)) = (from, to) else {
        return invalid("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.".into());
    };
    for port in [from, to] {
        if !(0..=65535).contains(&port) {
            return invalid(format!("Invalid value '{port}' for portRange."));
        }
    }
    if from > to {
        return invalid("Invalid value 'from port cannot be greater than to port' for portRange.".into());
    }
    Ok((Some(from), Some(to)))
}

impl Rule {
    /// A rule for all protocols and ports.
    pub fn all(egress: bool, peer: Peer) -> Self {
        Self { egress, protocol: "-1".into(), from_port: None, to_port: None, peer, description: None }
    }

    pub fn new(egress: bool, ports: Ports, peer: Peer, description: Option<String>) -> Result<Self, Refusal> {
        if let Some(text) = &description {
            check_text(text, "description")?;
        }
        let Ports { protocol, from_port, to_port } = ports;
        Ok(Self { egress, protocol, from_port, to_port, peer, description })
    }

    /// Whether both let the same traffic pass; descriptions do not count.
    pub fn is_same(&self, other: &Self) -> bool {
        let plain = |rule: &Self| Self { description: None, ..rule.clone() };
        plain(self) == plain(other)
    }

    /// As AWS writes it in the text of a conflict: `peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW`.
    pub fn in_words(&self) -> String {
        let peer = match &self.peer {
            Peer::Ipv4(text) | Peer::Ipv6(text) | Peer::PrefixList(text) => text.as_str(),
            Peer::Group(id) => id.as_str(),
        };
        let traffic = match (self.protocol.as_str(), self.from_port, self.to_port) {
            ("-1", ..) => "ALL".to_string(),
            ("icmp" | "icmpv6", Some(kind), Some(code)) => {
                format!("{}, type: {}, code: {}", self.protocol.to_uppercase(), any(kind), any(code))
            }
            (protocol, Some(from), Some(to)) => {
                format!("{}, from port: {from}, to port: {to}", protocol.to_uppercase())
            }
            (protocol, ..) => format!("PROTOCOL {protocol}"),
        };
        format!("peer: {peer}, {traffic}, ALLOW")
    }
}

fn any(number: i64) -> String {
    if number == -1 { "ALL".into() } else { number.to_string() }
}

/// Rules as DescribeSecurityGroups shows them: one entry for each protocol and range of ports.
pub fn permissions<'a>(rules: impl Iterator<Item = &'a Rule>, account: &str) -> Vec<IpPermission> {
    let mut permissions: Vec<IpPermission> = Vec::new();
    for rule in rules {
        let key = (Some(&rule.protocol), rule.from_port, rule.to_port);
        let at = permissions.iter().position(|p| (p.ip_protocol.as_ref(), p.from_port, p.to_port) == key);
        let at = at.unwrap_or_else(|| {
            permissions.push(empty_permission(rule));
            permissions.len() - 1
        });
        add_peer(&mut permissions[at], rule, account);
    }
    permissions
}

fn empty_permission(rule: &Rule) -> IpPermission {
    IpPermission {
        ip_protocol: Some(rule.protocol.clone()),
        from_port: rule.from_port,
        to_port: rule.to_port,
        user_id_group_pairs: Some(Vec::new()),
        ip_ranges: Some(Vec::new()),
        ipv6_ranges: Some(Vec::new()),
        prefix_list_ids: Some(Vec::new()),
    }
}

fn add_peer(permission: &mut IpPermission, rule: &Rule, account: &str) {
    let description = rule.description.clone();
    match rule.peer.clone() {
        Peer::Ipv4(cidr) => {
            let range = IpRange { cidr_ip: Some(cidr), description };
            permission.ip_ranges.get_or_insert_default().push(range);
        }
        Peer::Ipv6(cidr) => {
            let range = Ipv6Range { cidr_ipv6: Some(cidr), description };
            permission.ipv6_ranges.get_or_insert_default().push(range);
        }
        Peer::PrefixList(id) => {
            let list = PrefixListId { prefix_list_id: Some(id), description };
            permission.prefix_list_ids.get_or_insert_default().push(list);
        }
        Peer::Group(id) => {
            let user_id = Some(account.to_string());
            let pair = UserIdGroupPair { group_id: Some(id.0), user_id, description, ..Default::default() };
            permission.user_id_group_pairs.get_or_insert_default().push(pair);
        }
    }
}

impl Ec2 {
    /// The rules that a list of permissions stands for.
    pub fn read_permissions(&self, egress: bool, permissions: &[IpPermission]) -> Result<Vec<Rule>, Refusal> {
        let mut rules = Vec::new();
        for permission in permissions {
            let ports = Ports::read(permission.ip_protocol.as_deref(), permission.from_port, permission.to_port)?;
            for (peer, description) in self.read_peers(permission)? {
                rules.push(Rule::new(egress, ports.clone(), peer, description)?);
            }
        }
        Ok(rules)
    }

    fn read_peers(&self, permission: &IpPermission) -> Result<Vec<(Peer, Option<String>)>, Refusal> {
        let mut peers = Vec::new();
        for range in permission.ip_ranges.iter().flatten() {
            peers.push((read_ipv4(range.cidr_ip.as_deref())?, range.description.clone()));
        }
        for range in permission.ipv6_ranges.iter().flatten() {
            peers.push((read_ipv6(range.cidr_ipv6.as_deref())?, range.description.clone()));
        }
        for list in permission.prefix_list_ids.iter().flatten() {
            peers.push((self.read_prefix_list(list.prefix_list_id.as_deref())?, list.description.clone()));
        }
        for pair in permission.user_id_group_pairs.iter().flatten() {
            let group = self.named_group(pair.group_id.clone(), pair.group_name.clone())?;
            peers.push((Peer::Group(group), pair.description.clone()));
        }
        Ok(peers)
    }

    pub fn read_prefix_list(&self, id: Option<&str>) -> Result<Peer, Refusal> {
        let id = id.unwrap_or_default();
        if !self.has_prefix_list(id) {
            let message = format!("The prefix list ID '{id}' does not exist");
            return Err(refuse("InvalidPrefixListID.NotFound", message));
        }
        Ok(Peer::PrefixList(id.to_string()))
    }

    pub fn show_rule(&self, group: &SecurityGroupId, id: &str, rule: &Rule) -> SecurityGroupRule {
        let mut shown = SecurityGroupRule {
            security_group_rule_id: Some(id.to_string()),
            security_group_rule_arn: Some(self.place.arn("ec2", &format!("security-group-rule/{id}"))),
            group_id: Some(group.to_string()),
            group_owner_id: Some(self.place.account.clone()),
            is_egress: Some(rule.egress),
            ip_protocol: Some(rule.protocol.clone()),
            // The rules API writes -1 where the older one leaves ports out.
            from_port: Some(rule.from_port.unwrap_or(-1)),
            to_port: Some(rule.to_port.unwrap_or(-1)),
            description: rule.description.clone(),
            tags: self.tags.of(id),
            ..Default::default()
        };
        match rule.peer.clone() {
            Peer::Ipv4(cidr) => shown.cidr_ipv4 = Some(cidr),
            Peer::Ipv6(cidr) => shown.cidr_ipv6 = Some(cidr),
            Peer::PrefixList(list) => shown.prefix_list_id = Some(list),
            Peer::Group(peer) => {
                let user_id = Some(self.place.account.clone());
                let named = ReferencedSecurityGroup { group_id: Some(peer.0), user_id, ..Default::default() };
                shown.referenced_group_info = Some(named);
            }
        }
        shown
    }
}

pub fn read_ipv4(text: Option<&str>) -> Result<Peer, Refusal> {
    let text = text.unwrap_or_default();
    let cidr = Cidr::parse(text).ok_or_else(|| malformed(text))?;
    Ok(Peer::Ipv4(cidr.to_string()))
}

pub fn read_ipv6(text: Option<&str>) -> Result<Peer, Refusal> {
    let text = text.unwrap_or_default();
    Ok(Peer::Ipv6(canonical_ipv6(text).ok_or_else(|| malformed(text))?))
}

fn malformed(text: &str) -> Refusal {
    refuse("InvalidParameterValue", format!("CIDR block {text} is malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(protocol: &str, from: Option<i64>, to: Option<i64>, expected: Option<(&str, Option<i64>, Option<i64>)>) {
        let read = Ports::read(Some(protocol), from, to).ok().map(|p| (p.protocol, p.from_port, p.to_port));
        let expected = expected.map(|(protocol, from, to)| (protocol.to_string(), from, to));
        assert_eq!(read, expected, "{protocol} {from:?} {to:?}");
    }

    #[test]
    fn ports_belong_to_protocols_that_have_them() {
        check("tcp", Some(22), Some(22), Some(("tcp", Some(22), Some(22))));
        check("6", Some(80), Some(443), Some(("tcp", Some(80), Some(443))));
        check("TCP", Some(0), Some(65535), Some(("tcp", Some(0), Some(65535))));
        check("-1", Some(0), Some(0), Some(("-1", None, None)));
        check("icmp", Some(8), Some(-1), Some(("icmp", Some(8), Some(-1))));
        check("58", None, None, Some(("icmpv6", Some(-1), Some(-1))));
        check("50", Some(1), Some(2), Some(("50", None, None)));
        for (protocol, from, to) in [
            ("tcp", None, Some(22)),
            ("tcp", Some(23), Some(22)),
            ("udp", Some(0), Some(65536)),
            ("tcp", Some(-1), Some(-1)),
            ("256", None, None),
            ("smtp", None, None),
        ] {
            check(protocol, from, to, None);
        }
    }

    #[test]
    fn rules_with_the_same_ports_share_a_permission() {
        let rule = |port: i64, cidr: &str| {
            let ports = Ports::read(Some("tcp"), Some(port), Some(port)).unwrap();
            Rule::new(false, ports, Peer::Ipv4(cidr.into()), None).unwrap()
        };
        let rules = [rule(22, "10.0.0.0/8"), rule(80, "0.0.0.0/0"), rule(22, "192.168.0.0/16")];
        let shown = permissions(rules.iter(), "123456789012");
        let counts: Vec<_> = shown.iter().map(|p| (p.from_port, p.ip_ranges.as_ref().map(Vec::len))).collect();
        assert_eq!(counts, [(Some(22), Some(2)), (Some(80), Some(1))]);
    }

    #[test]
    fn a_conflict_is_told_in_awss_words() {
        let ports = Ports::read(Some("tcp"), Some(22), Some(22)).unwrap();
        let rule = Rule::new(false, ports, Peer::Ipv4("0.0.0.0/0".into()), None).unwrap();
        assert_eq!(rule.in_words(), "peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW");
    }
}
