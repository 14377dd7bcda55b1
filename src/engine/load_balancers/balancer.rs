//! A load balancer: where it stands, and what may be changed about it. Start at [`Balancer`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, Owner};
use super::{LoadBalancers, MAX_BALANCERS_OF_A_KIND, arn, check_name, invalid_configuration, not_permitted};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{Place, SubnetId, Zone};

/// From CreateLoadBalancer to `active`. Ours: AWS promises no time; consoles show `provisioning` for two to three minutes.
pub const PROVISIONING: Duration = Duration::from_secs(150);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BalancerKind {
    Application,
    Network,
}

impl BalancerKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Network => "network",
        }
    }

    /// What stands for it in ARNs.
    fn in_arn(self) -> &'static str {
        match self {
            Self::Application => "app",
            Self::Network => "net",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IpAddressType {
    Ipv4,
    Dualstack,
    DualstackWithoutPublicIpv4,
}

impl IpAddressType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Dualstack => "dualstack",
            Self::DualstackWithoutPublicIpv4 => "dualstack-without-public-ipv4",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ipv4, Self::Dualstack, Self::DualstackWithoutPublicIpv4].into_iter().find(|kind| kind.name() == text)
    }
}

/// A subnet that a load balancer has a node in, as EC2 describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancerZone {
    pub zone: Zone,
    pub subnet: SubnetId,
    pub vpc: String,
    pub has_ipv6: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Balancer {
    pub arn: String,
    pub name: String,
    pub kind: BalancerKind,
    pub internal: bool,
    pub vpc: String,
    /// In the order of their names.
    pub zones: Vec<BalancerZone>,
    pub security_groups: Vec<String>,
    pub ip_address_type: IpAddressType,
    pub dns_name: String,
    pub created_at: Timestamp,
    pub active_at: Timestamp,
    pub attributes: Attributes,
    pub tags: BTreeMap<String, String>,
}

/// What CreateLoadBalancer asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct NewBalancer {
    pub name: String,
    pub kind: BalancerKind,
    pub internal: bool,
    pub zones: Vec<BalancerZone>,
    pub security_groups: Vec<String>,
    pub ip_address_type: IpAddressType,
    pub tags: BTreeMap<String, String>,
}

impl Balancer {
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.active_at <= now
    }

    /// The part of its ARN that listeners and metrics name it by: `app/NAME/ID`.
    pub fn full_name(&self) -> &str {
        self.arn.split_once(":loadbalancer/").map_or("", |(_, name)| name)
    }

    /// Whether it has a node in `zone`. A target that is in no particular zone is reached from any.
    pub fn reaches(&self, zone: Option<&Zone>) -> bool {
        zone.is_none_or(|zone| self.zones.iter().any(|own| own.zone == *zone))
    }

    fn is_like(&self, wanted: &NewBalancer) -> bool {
        self.kind == wanted.kind
            && self.internal == wanted.internal
            && self.zones == wanted.zones
            && self.security_groups == wanted.security_groups
            && self.ip_address_type == wanted.ip_address_type
            && self.tags == wanted.tags
    }
}

impl LoadBalancers {
    /// Creates a load balancer, or returns the one that is just like it. It becomes active by itself.
    ///
    /// # Errors
    /// `ValidationError` for a name or zones that it cannot have, `InvalidConfigurationRequest` for two subnets of a zone,
    /// `DuplicateLoadBalancerName` for the name of another one, `TooManyLoadBalancers`.
    pub fn create_balancer(
        &mut self,
        now: Timestamp,
        place: &Place,
        mut wanted: NewBalancer,
    ) -> Result<&Balancer, Refusal> {
        check_name("Load balancer", &wanted.name)?;
        if wanted.name.starts_with("internal-") {
            let text = format!("Load balancer name '{}' cannot begin with 'internal-'", wanted.name);
            return Err(Refusal::validation(text));
        }
        wanted.zones.sort_by(|one, other| one.zone.cmp(&other.zone));
        check_zones(wanted.kind, &wanted.zones)?;
        check_addresses(wanted.kind, wanted.internal, wanted.ip_address_type, &wanted.zones)?;
        if let Some(twin) = self.balancers.values().find(|other| other.name == wanted.name) {
            if !twin.is_like(&wanted) {
                let text =
                    format!("A load balancer with the same name '{}' exists, but with different settings", wanted.name);
                return Err(Refusal::new("DuplicateLoadBalancerName", 400, text));
            }
            let arn = twin.arn.clone();
            return self.balancer(&arn);
        }
        if self.balancers.values().filter(|other| other.kind == wanted.kind).count() >= MAX_BALANCERS_OF_A_KIND {
            let text = format!("The maximum number of load balancers has been reached: {MAX_BALANCERS_OF_A_KIND}");
            return Err(Refusal::new("TooManyLoadBalancers", 400, text));
        }
        let id = self.new_id();
        let number = self.ids.next_u64();
        let arn = arn(place, &format!("loadbalancer/{}/{}/{id}", wanted.kind.in_arn(), wanted.name));
        let takes = if self.instant { Duration::ZERO } else { PROVISIONING };
        let balancer = Balancer {
            dns_name: dns_name(place, &wanted, &id, number),
            vpc: wanted.zones.first().map(|zone| zone.vpc.clone()).unwrap_or_default(),
            attributes: Attributes::of(Owner::Balancer(wanted.kind)),
            arn: arn.clone(),
            name: wanted.name,
            kind: wanted.kind,
            internal: wanted.internal,
            zones: wanted.zones,
            security_groups: wanted.security_groups,
            ip_address_type: wanted.ip_address_type,
            created_at: now,
            active_at: now + takes,
            tags: wanted.tags,
        };
        Ok(self.balancers.entry(arn).or_insert(balancer))
    }

    /// Deletes a load balancer with its listeners. One that does not exist is deleted already.
    ///
    /// # Errors
    /// `OperationNotPermitted` while it is protected.
    pub fn delete_balancer(&mut self, arn: &str) -> Result<(), Refusal> {
        let Some(balancer) = self.balancers.get(arn) else { return Ok(()) };
        if balancer.attributes.is("deletion_protection.enabled", "true") {
            let text = format!("Load balancer '{arn}' cannot be deleted because deletion protection is enabled");
            return Err(not_permitted(text));
        }
        self.balancers.remove(arn);
        self.listeners.retain(|_, listener| listener.balancer != arn);
        Ok(())
    }

    /// Moves a load balancer to other subnets of its VPC.
    ///
    /// # Errors
    /// `LoadBalancerNotFound`, and what [`LoadBalancers::create_balancer`] says of zones.
    pub fn set_subnets(
        &mut self,
        arn: &str,
        mut zones: Vec<BalancerZone>,
        ip_address_type: Option<IpAddressType>,
    ) -> Result<&Balancer, Refusal> {
        let balancer = self.balancer_mut(arn)?;
        zones.sort_by(|one, other| one.zone.cmp(&other.zone));
        check_zones(balancer.kind, &zones)?;
        if zones.iter().any(|zone| zone.vpc != balancer.vpc) {
            return Err(invalid_configuration(format!("All subnets must belong to the VPC '{}'", balancer.vpc)));
        }
        let addresses = ip_address_type.unwrap_or(balancer.ip_address_type);
        check_addresses(balancer.kind, balancer.internal, addresses, &zones)?;
        balancer.ip_address_type = addresses;
        balancer.zones = zones;
        Ok(balancer)
    }

    /// # Errors
    /// `LoadBalancerNotFound`; `InvalidSubnet` if a subnet has no IPv6 block that is to have one.
    pub fn set_ip_address_type(&mut self, arn: &str, wanted: IpAddressType) -> Result<(), Refusal> {
        let balancer = self.balancer_mut(arn)?;
        check_addresses(balancer.kind, balancer.internal, wanted, &balancer.zones)?;
        balancer.ip_address_type = wanted;
        Ok(())
    }

    /// # Errors
    /// `LoadBalancerNotFound`; `InvalidConfigurationRequest` for a network load balancer that was made without any, or a
    /// load balancer that is to be left without.
    pub fn set_security_groups(&mut self, arn: &str, groups: Vec<String>) -> Result<(), Refusal> {
        let balancer = self.balancer_mut(arn)?;
        if balancer.kind == BalancerKind::Network && balancer.security_groups.is_empty() {
            let text =
                "Security groups cannot be set on a Network Load Balancer that was created without security groups";
            return Err(invalid_configuration(text));
        }
        if groups.is_empty() {
            return Err(Refusal::validation("At least one security group must be specified"));
        }
        balancer.security_groups = groups;
        Ok(())
    }
}

fn check_zones(kind: BalancerKind, zones: &[BalancerZone]) -> Result<(), Refusal> {
    let names: BTreeSet<&Zone> = zones.iter().map(|zone| &zone.zone).collect();
    if names.len() < zones.len() {
        let text = "A load balancer cannot be attached to multiple subnets in the same Availability Zone";
        return Err(invalid_configuration(text));
    }
    if kind == BalancerKind::Application && zones.len() < 2 {
        let text = "At least two subnets in two different Availability Zones must be specified";
        return Err(Refusal::validation(text));
    }
    if zones.is_empty() {
        return Err(Refusal::validation("At least one subnet must be specified"));
    }
    if zones.iter().any(|zone| zone.vpc != zones[0].vpc) {
        return Err(invalid_configuration("All subnets must belong to the same VPC"));
    }
    Ok(())
}

fn check_addresses(
    kind: BalancerKind,
    internal: bool,
    addresses: IpAddressType,
    zones: &[BalancerZone],
) -> Result<(), Refusal> {
    if addresses == IpAddressType::DualstackWithoutPublicIpv4 && (kind != BalancerKind::Application || internal) {
        let text = "The IP address type 'dualstack-without-public-ipv4' is only supported on internet-facing Application \
                    Load Balancers";
        return Err(invalid_configuration(text));
    }
    match zones.iter().find(|zone| addresses != IpAddressType::Ipv4 && !zone.has_ipv6) {
        None => Ok(()),
        Some(zone) => {
            let text = format!("The subnet '{}' has no IPv6 CIDR block", zone.subnet);
            Err(Refusal::new("InvalidSubnet", 400, text))
        }
    }
}

/// The shape of the names in the documentation's examples: `NAME-424835706.us-west-2.elb.amazonaws.com` and
/// `NAME-50dc6c495c0c9188.elb.us-west-2.amazonaws.com`.
fn dns_name(place: &Place, wanted: &NewBalancer, id: &str, number: u64) -> String {
    let suffix = if place.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let (name, region) = (&wanted.name, &place.region);
    match wanted.kind {
        BalancerKind::Application => {
            let internal = if wanted.internal { "internal-" } else { "" };
            format!("{internal}{name}-{}.{region}.elb.{suffix}", number % 2_000_000_000)
        }
        BalancerKind::Network => format!("{name}-{id}.elb.{region}.{suffix}"),
    }
}
