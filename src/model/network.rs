//! The network: its block, its zones, and the subnets cut from it. Start at [`build_network`].

use super::build::Builder;
use super::{Network, Zones};
use crate::spec::arguments::NetworkSpec;
use crate::spec::problem::Kind;
use crate::spec::values::{Cidr, ZonesSpec};

const DEFAULT_CIDR: Cidr = Cidr { address: std::net::Ipv4Addr::new(10, 0, 0, 0), prefix: 16 };
const DEFAULT_ZONES: u8 = 2;
/// EC2: a VPC and a subnet are from /16 to /28.
const LARGEST_PREFIX: u8 = 28;
/// Ours: a subnet is a sixteenth of the network where that fits, so that zones can be added without renumbering.
const SUBNET_BITS: u8 = 4;

pub(super) fn build_network(network: Option<&NetworkSpec>, builder: &mut Builder) -> Network {
    let cidr = network.and_then(|n| n.cidr).unwrap_or(DEFAULT_CIDR);
    let zones = match network.and_then(|n| n.zones.as_ref()) {
        None => Zones::Count(DEFAULT_ZONES),
        Some(ZonesSpec::Count(count)) => Zones::Count(*count),
        Some(ZonesSpec::Letters(letters)) => Zones::Letters(letters.clone()),
    };
    check_letters(&zones, builder);
    let count = zones.count();
    let subnet_cidrs = cut_subnets(cidr, count, builder).iter().map(Cidr::to_string).collect();
    Network { cidr: cidr.to_string(), zones, subnet_cidrs }
}

impl Zones {
    /// How many zones there are.
    pub fn count(&self) -> u32 {
        match self {
            Self::Count(count) => u32::from(*count),
            Self::Letters(letters) => u32::try_from(letters.len()).unwrap_or(u32::MAX),
        }
    }
}

fn check_letters(zones: &Zones, builder: &mut Builder) {
    let Zones::Letters(letters) = zones else { return };
    for (index, letter) in letters.iter().enumerate() {
        if letters[..index].contains(letter) {
            let path = format!("network.zones[{index}]");
            builder.problem(
                Kind::DuplicateEntry,
                &path,
                format!("{path} is {letter} again."),
                "Write each letter once.",
            );
        }
    }
}

fn cut_subnets(cidr: Cidr, count: u32, builder: &mut Builder) -> Vec<Cidr> {
    if !(16..=LARGEST_PREFIX).contains(&cidr.prefix) {
        let fact = format!("network.cidr is {cidr}; EC2 takes networks from /16 to /28.");
        let prefix = cidr.prefix.clamp(16, LARGEST_PREFIX);
        builder.problem(Kind::InvalidCidr, "network.cidr", fact, format!("Write a prefix length such as /{prefix}."));
        return Vec::new();
    }
    let prefix = (cidr.prefix + SUBNET_BITS).min(LARGEST_PREFIX);
    let subnets: Option<Vec<Cidr>> = (0..count).map(|index| cidr.subnet(prefix, index)).collect();
    subnets.unwrap_or_else(|| {
        let fact = format!(
            "network.cidr {cidr} has room for {} subnets of /{prefix}, not for {count}.",
            1 << (prefix - cidr.prefix)
        );
        builder.problem(
            Kind::NetworkTooSmall,
            "network.zones",
            fact,
            "Use a larger network, such as 10.0.0.0/16, or fewer zones.",
        );
        Vec::new()
    })
}
