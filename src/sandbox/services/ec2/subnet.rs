//! Subnets: where in a VPC and in which zone, and how many addresses are left. Start at [`Subnet`].

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::cidr::{Cidr, canonical_ipv6, ipv6_contains};
use super::error::{combination, dependency, invalid_value, missing_ids, refuse, required};
use super::network_interface::interfaces;
use super::register::{ask, operation, operation_without_dry_run};
use super::select::{Kind, each, one};
use super::tag::new_tags;
use super::vpc::{PREFIXES, read_cidr};
use super::vpc_cidr::{CidrAssociation, Disassociated, remember, still_shown};
use super::zone::{zone_id, zones};
use super::{Ec2, error};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{SubnetId, VpcId, Zone};
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    AssociateSubnetCidrBlockInput, AssociateSubnetCidrBlockOutput, AttributeBooleanValue, CreateDefaultSubnetInput,
    CreateDefaultSubnetOutput, CreateSubnetInput, CreateSubnetOutput, DeleteSubnetInput, DeleteSubnetOutput,
    DescribeSubnetsInput, DescribeSubnetsOutput, DisassociateSubnetCidrBlockInput, DisassociateSubnetCidrBlockOutput,
    ModifySubnetAttributeInput, ModifySubnetAttributeOutput, NetworkInterface, PrivateDnsNameOptionsOnLaunch,
    SubnetCidrBlockState, SubnetIpv6CidrBlockAssociation,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subnet {
    pub vpc: VpcId,
    pub zone: Zone,
    pub cidr: Cidr,
    pub default_for_az: bool,
    pub map_public_ip_on_launch: bool,
    pub ipv6: Option<CidrAssociation>,
    /// The IPv6 blocks that it had, for a while.
    #[serde(default)]
    pub gone_ipv6: Vec<Disassociated>,
    /// Interfaces made here get an IPv6 address unless they ask otherwise.
    #[serde(default)]
    pub assign_ipv6: bool,
    #[serde(default)]
    pub dns64: bool,
    #[serde(default)]
    pub names: LaunchNames,
}

/// How machines of a subnet are named in its DNS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchNames {
    /// By resource instead of by address.
    pub by_resource: bool,
    pub a_record: bool,
    pub aaaa_record: bool,
}

/// IPv6 blocks of subnets: "between /44 and /64 in increments of /4".
const IPV6_PREFIXES: std::ops::RangeInclusive<u8> = 44..=64;

/// "The first four IP addresses and the last IP address in each subnet CIDR block are not available."
const RESERVED_ADDRESSES: u64 = 5;

pub fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidSubnetID.NotFound", "subnet", ids)
}

fn outside() -> Refusal {
    refuse("InvalidParameterValue", "Address does not fall within the subnet's address range")
}

impl Ec2 {
    pub fn subnet(&self, id: &str) -> Result<&Subnet, Refusal> {
        self.subnets.get(id).ok_or_else(|| missing(&[id]))
    }

    /// Adds a subnet whose block was checked, and puts it under the VPC's default network ACL.
    pub fn create_subnet(&mut self, vpc: &VpcId, zone: &Zone, cidr: Cidr) -> SubnetId {
        let id = SubnetId(self.ids.ec2("subnet"));
        let subnet = Subnet {
            vpc: vpc.clone(),
            zone: zone.clone(),
            cidr,
            default_for_az: false,
            map_public_ip_on_launch: false,
            ipv6: None,
            gone_ipv6: Vec::new(),
            assign_ipv6: false,
            dns64: false,
            names: LaunchNames::default(),
        };
        self.subnets.insert(id.clone(), subnet);
        self.join_default_network_acl(vpc, &id);
        id
    }

    fn check_block(&self, vpc: &VpcId, text: &str) -> Result<Cidr, Refusal> {
        let cidr = read_cidr(text, "cidrBlock")?;
        if !PREFIXES.contains(&cidr.prefix()) || !self.vpc(vpc.as_str())?.cidrs().any(|own| own.contains(cidr)) {
            return Err(refuse("InvalidSubnet.Range", format!("The CIDR '{text}' is invalid.")));
        }
        if self.subnets.values().any(|other| other.vpc == *vpc && other.cidr.overlaps(cidr)) {
            let message = format!("The CIDR '{text}' conflicts with another subnet");
            return Err(refuse("InvalidSubnet.Conflict", message));
        }
        Ok(cidr)
    }

    /// A part of the VPC's IPv6 block that no other subnet has.
    fn check_ipv6_block(&self, vpc: &VpcId, text: &str) -> Result<String, Refusal> {
        let block = canonical_ipv6(text)
            .ok_or_else(|| invalid_value(text, "ipv6CidrBlock", "This is not a valid CIDR block."))?;
        let own = self.vpc(vpc.as_str())?.ipv6.as_ref();
        let prefix = block.split_once('/').and_then(|(_, prefix)| prefix.parse::<u8>().ok()).unwrap_or(0);
        let fits = IPV6_PREFIXES.contains(&prefix) && prefix % 4 == 0;
        if !fits || !own.is_some_and(|own| ipv6_contains(&own.block, &block)) {
            return Err(refuse("InvalidSubnet.Range", format!("The CIDR '{text}' is invalid.")));
        }
        let mut others =
            self.subnets.values().filter(|other| other.vpc == *vpc).filter_map(|other| other.ipv6.as_ref());
        if others.any(|other| ipv6_contains(&other.block, &block) || ipv6_contains(&block, &other.block)) {
            let message = format!("The CIDR '{text}' conflicts with another subnet");
            return Err(refuse("InvalidSubnet.Conflict", message));
        }
        Ok(block)
    }

    fn check_zone(&self, name: Option<String>, id: Option<String>) -> Result<Zone, Refusal> {
        let zones = zones(&self.place.region);
        let found = match (&name, &id) {
            (Some(name), _) => zones.iter().find(|zone| zone.name == *name),
            (None, Some(id)) => zones.iter().find(|zone| zone.id == *id),
            // "Amazon Web Services selects one for you."
            (None, None) => zones.first(),
        };
        found.map(|zone| Zone(zone.name.clone())).ok_or_else(|| {
            let (given, parameter, offered) = match (&name, &id) {
                (None, Some(id)) => {
                    (id.as_str(), "availabilityZoneId", zones.iter().map(|z| &z.id).collect::<Vec<_>>())
                }
                _ => (name.as_deref().unwrap_or_default(), "availabilityZone", zones.iter().map(|z| &z.name).collect()),
            };
            let list: Vec<&str> = offered.into_iter().map(String::as_str).collect();
            let why = format!(
                "Subnets can currently only be created in the following availability zones: {}.",
                list.join(", ")
            );
            invalid_value(given, parameter, &why)
        })
    }

    /// The address as a free one of the subnet.
    ///
    /// # Errors
    /// EC2's for what is no address, one outside of the block, one of AWS's own, and one that is taken.
    pub fn check_free_address(&self, region: &Region, id: &SubnetId, text: &str) -> Result<Ipv4Addr, Refusal> {
        let subnet = self.subnet(id.as_str())?;
        let address: Ipv4Addr =
            text.parse().map_err(|_| invalid_value(text, "privateIpAddress", "This is not a valid IPv4 address."))?;
        let last = subnet.cidr.size() - 1;
        let offset = u64::from(u32::from(address)).checked_sub(u64::from(u32::from(subnet.cidr.address(0))));
        match offset {
            Some(offset) if offset > last => Err(outside()),
            None => Err(outside()),
            Some(offset) if offset < 4 || offset == last => {
                Err(refuse("InvalidParameterValue", "Address is in subnet's reserved address range"))
            }
            Some(_) => {
                let taken = interfaces(region).iter().any(|interface| {
                    interface.subnet_id.as_deref() == Some(id.as_str())
                        && interface
                            .private_ip_addresses
                            .iter()
                            .flatten()
                            .any(|ip| ip.private_ip_address.as_deref() == Some(text))
                });
                match taken {
                    true => Err(refuse("InvalidIPAddress.InUse", format!("Address {text} is in use."))),
                    false => Ok(address),
                }
            }
        }
    }

    fn show_subnet(&self, id: &SubnetId, subnet: &Subnet, used: u64, now: Timestamp) -> model::Subnet {
        let gone = still_shown(&subnet.gone_ipv6, now).map(|gone| show_ipv6(gone, "disassociated"));
        let ipv6 = subnet.ipv6.iter().map(|own| show_ipv6(own, "associated"));
        let free = subnet.cidr.size().saturating_sub(RESERVED_ADDRESSES).saturating_sub(used);
        model::Subnet {
            subnet_id: Some(id.to_string()),
            subnet_arn: Some(self.place.arn("ec2", &format!("subnet/{id}"))),
            owner_id: Some(self.place.account.clone()),
            vpc_id: Some(subnet.vpc.to_string()),
            state: Some("available".into()),
            availability_zone: Some(subnet.zone.to_string()),
            availability_zone_id: zone_id(&self.place.region, &subnet.zone),
            cidr_block: Some(subnet.cidr.to_string()),
            ipv6_cidr_block_association_set: Some(gone.chain(ipv6).collect()),
            available_ip_address_count: i64::try_from(free).ok(),
            default_for_az: Some(subnet.default_for_az),
            map_public_ip_on_launch: Some(subnet.map_public_ip_on_launch),
            map_customer_owned_ip_on_launch: Some(false),
            assign_ipv6_address_on_creation: Some(subnet.assign_ipv6),
            enable_dns64: Some(subnet.dns64),
            ipv6_native: Some(false),
            private_dns_name_options_on_launch: Some(PrivateDnsNameOptionsOnLaunch {
                hostname_type: Some(if subnet.names.by_resource { "resource-name" } else { "ip-name" }.into()),
                enable_resource_name_dns_a_record: Some(subnet.names.a_record),
                enable_resource_name_dns_aaaa_record: Some(subnet.names.aaaa_record),
            }),
            tags: self.tags.of(id.as_str()),
            ..Default::default()
        }
    }
}

fn show_ipv6(association: &CidrAssociation, state: &str) -> SubnetIpv6CidrBlockAssociation {
    SubnetIpv6CidrBlockAssociation {
        association_id: Some(association.id.clone()),
        ipv6_cidr_block: Some(association.block.clone()),
        ipv6_cidr_block_state: Some(SubnetCidrBlockState { state: Some(state.into()), ..Default::default() }),
        ip_source: Some("amazon".into()),
        ipv6_address_attribute: Some("public".into()),
    }
}

const SUBNETS: Kind<model::Subnet> = Kind {
    id: |subnet| &subnet.subnet_id,
    id_parameter: "subnetIdSet",
    missing,
    tags: |subnet| &subnet.tags,
    filters: &[
        ("availability-zone", |s| one(&s.availability_zone)),
        ("availabilityZone", |s| one(&s.availability_zone)),
        ("availability-zone-id", |s| one(&s.availability_zone_id)),
        ("availabilityZoneId", |s| one(&s.availability_zone_id)),
        ("available-ip-address-count", |s| one(&s.available_ip_address_count)),
        ("cidr", |s| one(&s.cidr_block)),
        ("cidr-block", |s| one(&s.cidr_block)),
        ("cidrBlock", |s| one(&s.cidr_block)),
        ("customer-owned-ipv4-pool", |_| Vec::new()),
        ("default-for-az", |s| one(&s.default_for_az)),
        ("defaultForAz", |s| one(&s.default_for_az)),
        ("enable-dns64", |s| one(&s.enable_dns64)),
        ("ipv6-cidr-block-association.association-id", |s| {
            each(&s.ipv6_cidr_block_association_set, |a| &a.association_id)
        }),
        ("ipv6-cidr-block-association.ipv6-cidr-block", |s| {
            each(&s.ipv6_cidr_block_association_set, |a| &a.ipv6_cidr_block)
        }),
        ("ipv6-cidr-block-association.state", |s| {
            let associations = s.ipv6_cidr_block_association_set.iter().flatten();
            associations.flat_map(|a| a.ipv6_cidr_block_state.iter().flat_map(|state| one(&state.state))).collect()
        }),
        ("ipv6-native", |s| one(&s.ipv6_native)),
        ("map-customer-owned-ip-on-launch", |s| one(&s.map_customer_owned_ip_on_launch)),
        ("map-public-ip-on-launch", |s| one(&s.map_public_ip_on_launch)),
        ("outpost-arn", |_| Vec::new()),
        ("owner-id", |s| one(&s.owner_id)),
        ("private-dns-name-options-on-launch.hostname-type", |s| {
            s.private_dns_name_options_on_launch.iter().flat_map(|options| one(&options.hostname_type)).collect()
        }),
        ("state", |s| one(&s.state)),
        ("subnet-arn", |s| one(&s.subnet_arn)),
        ("subnet-id", |s| one(&s.subnet_id)),
        ("vpc-id", |s| one(&s.vpc_id)),
    ],
};

fn show(region: &Region, id: &SubnetId, now: Timestamp) -> Result<model::Subnet, Refusal> {
    let subnet = region.ec2.subnet(id.as_str())?;
    Ok(region.ec2.show_subnet(id, subnet, used(&interfaces(region), id), now))
}

/// How many addresses of a subnet its interfaces have.
fn used(interfaces: &[NetworkInterface], id: &SubnetId) -> u64 {
    let in_subnet = interfaces.iter().filter(|interface| interface.subnet_id.as_deref() == Some(id.as_str()));
    in_subnet.map(|interface| interface.private_ip_addresses.as_ref().map_or(0, |list| list.len() as u64)).sum()
}

/// Terraform's provider 3 sends an empty name where its configuration has none.
fn named(zone: Option<String>) -> Option<String> {
    zone.filter(|zone| !zone.is_empty())
}

fn create(region: &mut Region, call: &Call, input: CreateSubnetInput) -> Result<CreateSubnetOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "subnet")?;
    let ec2 = &mut region.ec2;
    let vpc = VpcId(required(input.vpc_id, "vpcId")?);
    ec2.vpc(vpc.as_str())?;
    if input.ipv6_native == Some(true) {
        return Err(ipv6_only(&input.cidr_block, &input.ipv6_cidr_block));
    }
    let zone = ec2.check_zone(named(input.availability_zone), named(input.availability_zone_id))?;
    let cidr = ec2.check_block(&vpc, &required(input.cidr_block, "cidrBlock")?)?;
    let ipv6 = input.ipv6_cidr_block.map(|text| ec2.check_ipv6_block(&vpc, &text)).transpose()?;
    let id = ec2.create_subnet(&vpc, &zone, cidr);
    if let Some(block) = ipv6 {
        let association = CidrAssociation { id: ec2.ids.ec2("subnet-cidr-assoc"), block };
        if let Some(subnet) = ec2.subnets.get_mut(&id) {
            subnet.ipv6 = Some(association);
        }
    }
    ec2.tags.put(id.as_str(), tags);
    Ok(CreateSubnetOutput { subnet: Some(show(region, &id, call.now)?) })
}

/// Subnets without IPv4 are not reproduced; what AWS refuses about them is.
fn ipv6_only(ipv4: &Option<String>, ipv6: &Option<String>) -> Refusal {
    match (ipv4, ipv6) {
        (_, None) => refuse("MissingParameter", "Either 'ipv6CidrBlock' or 'ipv6IpamPoolId' should be provided."),
        (Some(_), Some(_)) => combination(
            "When specifying ipv4 parameters, cidrBlock or ipv4IpamPoolId, you cannot set ipv6Native to true.",
        ),
        (None, Some(_)) => {
            let message = "The argument Ipv6Native of CreateSubnet is not reproduced by scaleproof's sandbox";
            refuse("UnsupportedOperation", message)
        }
    }
}

fn create_default(
    region: &mut Region,
    call: &Call,
    input: CreateDefaultSubnetInput,
) -> Result<CreateDefaultSubnetOutput, Refusal> {
    let ec2 = &mut region.ec2;
    let zone = ec2.check_zone(input.availability_zone, input.availability_zone_id)?;
    let Some(vpc) = ec2.default_vpc().cloned() else {
        return Err(refuse("DefaultVpcDoesNotExist", "No default VPC exists for this account in this region."));
    };
    if let Some(there) = ec2.default_subnet(&zone) {
        let message = format!("'{there}' is already the default subnet in {zone}.");
        return Err(refuse("DefaultSubnetAlreadyExistsInAvailabilityZone", message));
    }
    let cidr = ec2.vpc(vpc.as_str())?.cidr;
    let free = (0..)
        .map_while(|index| cidr.subnet(20, index))
        .find(|block| !ec2.subnets.values().any(|other| other.vpc == vpc && other.cidr.overlaps(*block)));
    let block = free.ok_or_else(|| refuse("InvalidSubnet.Conflict", "No block is free for a default subnet"))?;
    let id = ec2.create_default_subnet(&vpc, &zone, block);
    Ok(CreateDefaultSubnetOutput { subnet: Some(show(region, &id, call.now)?) })
}

fn delete(region: &mut Region, _: &Call, input: DeleteSubnetInput) -> Result<DeleteSubnetOutput, Refusal> {
    let id = SubnetId(required(input.subnet_id, "subnetId")?);
    region.ec2.subnet(id.as_str())?;
    if interfaces(region).iter().any(|interface| interface.subnet_id.as_deref() == Some(id.as_str())) {
        return Err(dependency(format!("The subnet '{id}' has dependencies and cannot be deleted.")));
    }
    let ec2 = &mut region.ec2;
    // A subnet's place in route tables and network ACLs goes with it.
    ec2.leave_route_tables(&id);
    ec2.leave_network_acls(&id);
    ec2.forget_reservations_of(id.as_str());
    ec2.subnets.remove(&id);
    ec2.tags.forget(id.as_str());
    Ok(DeleteSubnetOutput::default())
}

fn describe(region: &mut Region, call: &Call, input: DescribeSubnetsInput) -> Result<DescribeSubnetsOutput, Refusal> {
    let taken = interfaces(region);
    let ec2 = &region.ec2;
    let all = ec2.subnets.iter().map(|(id, subnet)| ec2.show_subnet(id, subnet, used(&taken, id), call.now)).collect();
    let (subnets, next_token) = SUBNETS.select(all, ask!(input.subnet_ids))?.set();
    Ok(DescribeSubnetsOutput { subnets, next_token })
}

fn modify_attribute(
    region: &mut Region,
    _: &Call,
    input: ModifySubnetAttributeInput,
) -> Result<ModifySubnetAttributeOutput, Refusal> {
    let id = required(input.subnet_id, "subnetId")?;
    let subnet = region.ec2.subnets.get_mut(id.as_str()).ok_or_else(|| missing(&[&id]))?;
    let given = |attribute: Option<AttributeBooleanValue>| attribute.and_then(|attribute| attribute.value);
    let public_ip = given(input.map_public_ip_on_launch);
    let ipv6 = given(input.assign_ipv6_address_on_creation);
    let dns64 = given(input.enable_dns64);
    let a_record = given(input.enable_resource_name_dns_a_record_on_launch);
    let aaaa_record = given(input.enable_resource_name_dns_aaaa_record_on_launch);
    let hostname = input.private_dns_hostname_type_on_launch;
    if [public_ip, ipv6, dns64, a_record, aaaa_record].iter().flatten().count() == 0 && hostname.is_none() {
        return Err(error::missing_parameter("attribute"));
    }
    if ipv6 == Some(true) && subnet.ipv6.is_none() {
        let message = format!(
            "Invalid value 'true' for assign-ipv6-address-on-creation. Cannot set assign-ipv6-address-on-creation to \
             true unless the subnet ({id}) has an IPv6 CIDR block associated with it."
        );
        return Err(refuse("InvalidParameterValue", message));
    }
    subnet.map_public_ip_on_launch = public_ip.unwrap_or(subnet.map_public_ip_on_launch);
    subnet.assign_ipv6 = ipv6.unwrap_or(subnet.assign_ipv6);
    subnet.dns64 = dns64.unwrap_or(subnet.dns64);
    subnet.names.a_record = a_record.unwrap_or(subnet.names.a_record);
    subnet.names.aaaa_record = aaaa_record.unwrap_or(subnet.names.aaaa_record);
    subnet.names.by_resource = hostname.map_or(subnet.names.by_resource, |kind| kind == "resource-name");
    Ok(ModifySubnetAttributeOutput::default())
}

fn associate_block(
    region: &mut Region,
    _: &Call,
    input: AssociateSubnetCidrBlockInput,
) -> Result<AssociateSubnetCidrBlockOutput, Refusal> {
    let id = required(input.subnet_id, "subnetId")?;
    let text = required(input.ipv6_cidr_block, "ipv6CidrBlock")?;
    let ec2 = &mut region.ec2;
    let subnet = ec2.subnet(&id)?;
    if subnet.ipv6.is_some() {
        let message = format!("This subnet {id} has met its maximum number of allowed CIDRs: 1");
        return Err(refuse("SubnetIpv6CidrBlockLimitExceeded", message));
    }
    let block = ec2.check_ipv6_block(&subnet.vpc.clone(), &text)?;
    let association = CidrAssociation { id: ec2.ids.ec2("subnet-cidr-assoc"), block };
    let shown = show_ipv6(&association, "associating");
    if let Some(subnet) = ec2.subnets.get_mut(id.as_str()) {
        subnet.ipv6 = Some(association);
    }
    Ok(AssociateSubnetCidrBlockOutput { ipv6_cidr_block_association: Some(shown), subnet_id: Some(id) })
}

fn disassociate_block(
    region: &mut Region,
    call: &Call,
    input: DisassociateSubnetCidrBlockInput,
) -> Result<DisassociateSubnetCidrBlockOutput, Refusal> {
    let association = required(input.association_id, "associationId")?;
    let of = |subnet: &Subnet| subnet.ipv6.as_ref().is_some_and(|own| own.id == association);
    let Some((id, _)) = region.ec2.subnets.iter().find(|(_, subnet)| of(subnet)) else {
        return Err(missing_ids(
            "InvalidSubnetCidrBlockAssociationID.NotFound",
            "subnet CIDR block association",
            &[&association],
        ));
    };
    let id = id.clone();
    if region.ec2.interfaces.values().any(|interface| interface.subnet == id && !interface.ipv6.is_empty()) {
        return Err(dependency(format!("The IPv6 block of subnet '{id}' is in use.")));
    }
    let subnet = region.ec2.subnets.get_mut(&id).ok_or_else(|| missing(&[id.as_str()]))?;
    let Some(kept) = subnet.ipv6.take() else { return Ok(DisassociateSubnetCidrBlockOutput::default()) };
    subnet.assign_ipv6 = false;
    let shown = show_ipv6(&kept, "disassociating");
    remember(&mut subnet.gone_ipv6, kept, call.now);
    Ok(DisassociateSubnetCidrBlockOutput { ipv6_cidr_block_association: Some(shown), subnet_id: Some(id.0) })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateSubnetInput "CreateSubnet":
        "Creates a subnet in one zone.",
        takes VpcId CidrBlock Ipv6CidrBlock AvailabilityZone AvailabilityZoneId TagSpecifications Ipv6Native
    );
    operation!(operations, create_default, CreateDefaultSubnetInput "CreateDefaultSubnet":
        "Brings back the default subnet of a zone.",
        takes AvailabilityZone AvailabilityZoneId
    );
    operation!(operations, delete, DeleteSubnetInput "DeleteSubnet":
        "Deletes a subnet without instances.",
        takes SubnetId
    );
    operation!(operations, describe, DescribeSubnetsInput "DescribeSubnets":
        "Lists subnets.",
        takes SubnetIds Filters MaxResults NextToken
    );
    operation_without_dry_run!(operations, modify_attribute, "ModifySubnetAttribute":
        "Sets which addresses and names machines get.",
        takes SubnetId MapPublicIpOnLaunch AssignIpv6AddressOnCreation EnableDns64 PrivateDnsHostnameTypeOnLaunch
            EnableResourceNameDnsARecordOnLaunch EnableResourceNameDnsAAAARecordOnLaunch
    );
    operation_without_dry_run!(operations, associate_block, "AssociateSubnetCidrBlock":
        "Gives a subnet an IPv6 block of its VPC.",
        takes SubnetId Ipv6CidrBlock
    );
    operation_without_dry_run!(operations, disassociate_block, "DisassociateSubnetCidrBlock":
        "Takes a subnet's IPv6 block.",
        takes AssociationId
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::clock::Timestamp;
    use crate::engine::groups::Timing;
    use crate::sandbox::universe::Universe;

    #[test]
    fn an_empty_zone_is_none() {
        let mut universe = Universe::new("123456789012", 1, Timing::Instant);
        let mut call = |operation: &str, input| {
            universe.call(Timestamp::from_secs(1_800_000_000), "eu-west-1", "ec2", operation, input)
        };
        let vpc = call("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"})).unwrap()["Vpc"]["VpcId"].clone();
        let empty = json!({"VpcId": vpc, "CidrBlock": "10.0.0.0/24", "AvailabilityZone": "", "AvailabilityZoneId": ""});
        let zone = call("CreateSubnet", empty).unwrap()["Subnet"]["AvailabilityZone"].clone();
        assert!(zone.as_str().is_some_and(|zone| zone.starts_with("eu-west-1")), "{zone}");
    }
}
