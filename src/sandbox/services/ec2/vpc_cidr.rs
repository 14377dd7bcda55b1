//! The further blocks of a VPC: more IPv4 blocks, and one IPv6 block of Amazon's. Start at [`CidrAssociation`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::error::{combination, missing_parameter, refuse, required};
use super::register::operation_without_dry_run;
use super::route::{Origin, Route, Target};
use super::vpc::{PREFIXES, missing, read_cidr};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::VpcId;
use crate::sandbox::models::ec2::{
    AssociateVpcCidrBlockInput, AssociateVpcCidrBlockOutput, DisassociateVpcCidrBlockInput,
    DisassociateVpcCidrBlockOutput, VpcCidrBlockAssociation, VpcCidrBlockState, VpcIpv6CidrBlockAssociation,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// A block with the id under which the VPC has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CidrAssociation {
    pub id: String,
    /// IPv4 or IPv6, in canonical form.
    pub block: String,
}

/// A block that its VPC or subnet had. Describe calls go on showing it as `disassociated`, and clients wait until they
/// do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disassociated {
    pub association: CidrAssociation,
    pub at: Timestamp,
}

/// AWS does not say how long it shows them: people report half an hour, and more than an hour.
const SHOWN_FOR: Duration = Duration::from_secs(60 * 60);

/// Those that are still shown.
pub fn still_shown(gone: &[Disassociated], now: Timestamp) -> impl Iterator<Item = &CidrAssociation> {
    gone.iter().filter(move |gone| now < gone.at + SHOWN_FOR).map(|gone| &gone.association)
}

/// Keeps what was just taken away, and nothing that is no longer shown.
pub fn remember(gone: &mut Vec<Disassociated>, association: CidrAssociation, now: Timestamp) {
    gone.retain(|gone| now < gone.at + SHOWN_FOR);
    gone.push(Disassociated { association, at: now });
}

/// "IPv4 CIDR blocks per VPC: 5", "IPv6 CIDR blocks per VPC: 1" of Amazon's. Source: VPC quotas.
const MOST_IPV4: usize = 5;
const MOST_IPV6: usize = 1;

fn state(name: &str) -> Option<VpcCidrBlockState> {
    Some(VpcCidrBlockState { state: Some(name.into()), ..Default::default() })
}

impl CidrAssociation {
    pub fn show(&self, state_name: &str) -> VpcCidrBlockAssociation {
        VpcCidrBlockAssociation {
            association_id: Some(self.id.clone()),
            cidr_block: Some(self.block.clone()),
            cidr_block_state: state(state_name),
        }
    }

    pub fn show_ipv6(&self, state_name: &str, region: &str) -> VpcIpv6CidrBlockAssociation {
        VpcIpv6CidrBlockAssociation {
            association_id: Some(self.id.clone()),
            ipv6_cidr_block: Some(self.block.clone()),
            ipv6_cidr_block_state: state(state_name),
            network_border_group: Some(region.to_string()),
            ipv6_pool: Some("Amazon".into()),
            ip_source: Some("amazon".into()),
            ipv6_address_attribute: Some("public".into()),
        }
    }
}

fn too_many(vpc: &VpcId, most: usize) -> Refusal {
    refuse("CidrLimitExceeded", format!("This network {vpc} has met its maximum number of allowed CIDRs: {most}"))
}

impl Ec2 {
    /// Gives a VPC a /56 of its own: of the block for documentation, which nobody routes (RFC 3849).
    pub fn associate_ipv6(&mut self, vpc: &VpcId) -> Result<CidrAssociation, Refusal> {
        let id = self.ids.ec2("vpc-cidr-assoc");
        let [.., a, b, c] = self.ids.next_u64().to_be_bytes();
        let base = u128::from(u32::from_be_bytes([0, a, b, c])) << 72 | 0x2001_0db8 << 96;
        let block = format!("{}/56", std::net::Ipv6Addr::from_bits(base));
        let kept = self.vpcs.get_mut(vpc).ok_or_else(|| missing(&[vpc.as_str()]))?;
        if kept.ipv6.is_some() {
            return Err(too_many(vpc, MOST_IPV6));
        }
        let association = CidrAssociation { id, block };
        kept.ipv6 = Some(association.clone());
        let groups: Vec<_> =
            self.security_groups.iter().filter(|(_, group)| group.vpc == *vpc).map(|(id, _)| id.clone()).collect();
        groups.iter().for_each(|group| self.let_ipv6_out(group));
        self.add_local_route(vpc, &association.block);
        Ok(association)
    }

    fn associate_ipv4(&mut self, vpc: &VpcId, text: &str) -> Result<CidrAssociation, Refusal> {
        let cidr = read_cidr(text, "cidrBlock")?;
        let id = self.ids.ec2("vpc-cidr-assoc");
        let kept = self.vpcs.get_mut(vpc).ok_or_else(|| missing(&[vpc.as_str()]))?;
        if !PREFIXES.contains(&cidr.prefix()) {
            return Err(refuse("InvalidVpc.Range", format!("The CIDR '{text}' is invalid.")));
        }
        if kept.more_cidrs.len() + 1 >= MOST_IPV4 {
            return Err(too_many(vpc, MOST_IPV4));
        }
        if kept.cidrs().any(|own| own.overlaps(cidr)) {
            let message = format!("The CIDR '{text}' conflicts with another CIDR of {vpc}");
            return Err(refuse("InvalidVpc.Conflict", message));
        }
        let association = CidrAssociation { id, block: cidr.to_string() };
        kept.more_cidrs.push(association.clone());
        self.add_local_route(vpc, &association.block);
        Ok(association)
    }

    /// Every route table of a VPC reaches all its blocks.
    fn add_local_route(&mut self, vpc: &VpcId, block: &str) {
        for table in self.route_tables.values_mut().filter(|table| table.vpc == *vpc) {
            let origin = Origin::CreateRouteTable;
            table.routes.push(Route { destination: block.to_string(), target: Target::Local, origin });
        }
    }

    fn remove_local_route(&mut self, vpc: &VpcId, block: &str) {
        for table in self.route_tables.values_mut().filter(|table| table.vpc == *vpc) {
            table.routes.retain(|route| route.destination != block || route.target != Target::Local);
        }
    }

    /// Whether a subnet has addresses of the block.
    fn is_used(&self, vpc: &VpcId, block: &str) -> bool {
        let mut subnets = self.subnets.values().filter(|subnet| subnet.vpc == *vpc);
        match super::cidr::Cidr::parse(block) {
            Some(cidr) => subnets.any(|subnet| cidr.contains(subnet.cidr)),
            None => subnets.any(|subnet| subnet.ipv6.is_some()),
        }
    }
}

fn associate(
    region: &mut Region,
    _: &Call,
    input: AssociateVpcCidrBlockInput,
) -> Result<AssociateVpcCidrBlockOutput, Refusal> {
    let vpc = VpcId(required(input.vpc_id, "vpcId")?);
    region.ec2.vpc(vpc.as_str())?;
    let vpc_id = Some(vpc.to_string());
    match (input.cidr_block, input.amazon_provided_ipv6_cidr_block == Some(true)) {
        (Some(block), false) => {
            let association = region.ec2.associate_ipv4(&vpc, &block)?;
            let cidr_block_association = Some(association.show("associating"));
            Ok(AssociateVpcCidrBlockOutput { cidr_block_association, vpc_id, ..Default::default() })
        }
        (None, true) => {
            let association = region.ec2.associate_ipv6(&vpc)?;
            let shown = association.show_ipv6("associating", &region.world.place.region);
            Ok(AssociateVpcCidrBlockOutput { ipv6_cidr_block_association: Some(shown), vpc_id, ..Default::default() })
        }
        (None, false) => Err(missing_parameter("cidrBlock")),
        (Some(_), true) => Err(combination("Only one of cidrBlock and amazonProvidedIpv6CidrBlock can be specified")),
    }
}

fn disassociate(
    region: &mut Region,
    call: &Call,
    input: DisassociateVpcCidrBlockInput,
) -> Result<DisassociateVpcCidrBlockOutput, Refusal> {
    let id = required(input.association_id, "associationId")?;
    let ec2 = &mut region.ec2;
    if let Some((vpc, _)) = ec2.vpcs.iter().find(|(_, vpc)| vpc.cidr_association == id) {
        let message = format!(
            "The vpc CIDR block with association ID {id} may not be disassociated. It is the primary IPv4 CIDR \
                     block of the VPC {vpc}"
        );
        return Err(refuse("OperationNotPermitted", message));
    }
    let found = ec2.vpcs.iter().find_map(|(vpc_id, vpc)| {
        let own = vpc.more_cidrs.iter().chain(&vpc.ipv6).find(|association| association.id == id)?;
        Some((vpc_id.clone(), own.clone()))
    });
    let Some((vpc, association)) = found else {
        let message = format!("The vpc CIDR block association ID '{id}' does not exist");
        return Err(refuse("InvalidVpcCidrBlockAssociationID.NotFound", message));
    };
    if ec2.is_used(&vpc, &association.block) {
        let message = format!("The vpc {vpc} currently has a subnet within CIDR block {}", association.block);
        return Err(refuse("InvalidCidrBlock.InUse", message));
    }
    if let Some(kept) = ec2.vpcs.get_mut(&vpc) {
        kept.more_cidrs.retain(|own| own.id != id);
        kept.ipv6.take_if(|own| own.id == id);
        remember(&mut kept.gone_cidrs, association.clone(), call.now);
    }
    ec2.remove_local_route(&vpc, &association.block);
    let is_ipv6 = association.block.contains(':');
    let name = &region.world.place.region;
    Ok(DisassociateVpcCidrBlockOutput {
        cidr_block_association: (!is_ipv6).then(|| association.show("disassociating")),
        ipv6_cidr_block_association: is_ipv6.then(|| association.show_ipv6("disassociating", name)),
        vpc_id: Some(vpc.to_string()),
    })
}

pub fn register(operations: &mut Operations) {
    operation_without_dry_run!(operations, associate, "AssociateVpcCidrBlock":
        "Gives a VPC another IPv4 block, or an IPv6 block of Amazon's.",
        takes VpcId CidrBlock AmazonProvidedIpv6CidrBlock
    );
    operation_without_dry_run!(operations, disassociate, "DisassociateVpcCidrBlock":
        "Takes such a block away that no subnet uses.",
        takes AssociationId
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use crate::clock::Timestamp;
    use crate::engine::groups::Timing;
    use crate::sandbox::services::ec2::cidr::Cidr;
    use crate::sandbox::services::ec2::testing::region;
    use crate::sandbox::universe::Universe;

    /// The states in which the blocks of a list are shown.
    fn states<'a>(list: &'a Value, member: &str) -> Vec<&'a str> {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|association| association[member]["State"].as_str().unwrap()).collect()
    }

    #[test]
    fn a_block_that_was_taken_away_is_shown_for_a_while_before_the_next_one() {
        let mut universe = Universe::new("123456789012", 1, Timing::Instant);
        let start = Timestamp::from_secs(1_800_000_000);
        let mut call = |minutes: u64, operation: &str, input: Value| {
            let now = start + Duration::from_secs(minutes * 60);
            universe.call(now, "eu-west-1", "ec2", operation, input).unwrap()
        };
        let block = json!({"CidrBlock": "10.0.0.0/16", "AmazonProvidedIpv6CidrBlock": true});
        let vpc = call(0, "CreateVpc", block)["Vpc"].clone();
        let association = &vpc["Ipv6CidrBlockAssociationSet"][0];
        let text = association["Ipv6CidrBlock"].as_str().unwrap().replace("/56", "/64");
        let subnet = json!({"VpcId": vpc["VpcId"], "CidrBlock": "10.0.0.0/24", "Ipv6CidrBlock": text});
        let subnet = call(0, "CreateSubnet", subnet)["Subnet"].clone();
        let taken = json!({"AssociationId": subnet["Ipv6CidrBlockAssociationSet"][0]["AssociationId"]});
        call(0, "DisassociateSubnetCidrBlock", taken);
        call(0, "DisassociateVpcCidrBlock", json!({"AssociationId": association["AssociationId"]}));
        call(1, "AssociateVpcCidrBlock", json!({"VpcId": vpc["VpcId"], "AmazonProvidedIpv6CidrBlock": true}));
        for (minutes, of_vpc, of_subnet) in
            [(2, vec!["disassociated", "associated"], vec!["disassociated"]), (61, vec!["associated"], vec![])]
        {
            let shown = call(minutes, "DescribeVpcs", json!({"VpcIds": [vpc["VpcId"]]}));
            let blocks = &shown["Vpcs"][0]["Ipv6CidrBlockAssociationSet"];
            assert_eq!(states(blocks, "Ipv6CidrBlockState"), of_vpc, "after {minutes} minutes");
            let shown = call(minutes, "DescribeSubnets", json!({"SubnetIds": [subnet["SubnetId"]]}));
            let blocks = &shown["Subnets"][0]["Ipv6CidrBlockAssociationSet"];
            assert_eq!(states(blocks, "Ipv6CidrBlockState"), of_subnet, "after {minutes} minutes");
        }
    }

    #[test]
    fn a_vpc_has_five_blocks_at_most_and_a_route_to_each() {
        let mut region = region();
        let ec2 = &mut region.ec2;
        let vpc = ec2.create_vpc(Cidr::parse("10.10.42.0/24").unwrap(), "default", false);
        for third in 43..=46 {
            ec2.associate_ipv4(&vpc, &format!("10.10.{third}.0/24")).unwrap();
        }
        assert_eq!(ec2.associate_ipv4(&vpc, "10.10.50.0/24").unwrap_err().code, "CidrLimitExceeded");
        ec2.associate_ipv6(&vpc).unwrap();
        assert_eq!(ec2.associate_ipv6(&vpc).unwrap_err().code, "CidrLimitExceeded");
        assert_eq!(ec2.main_route_table_mut(&vpc).unwrap().routes.len(), 6);
    }
}
