//! VPCs and their attributes. Start at [`Vpc`].

use serde::{Deserialize, Serialize};

use super::cidr::Cidr;
use super::error::{dependency, invalid_value, missing_ids, refuse, required};
use super::register::{ask, operation, operation_without_dry_run};
use super::select::{Ask, Kind, each, one};
use super::tag::new_tags;
use super::vpc_cidr::{CidrAssociation, Disassociated, still_shown};
use super::{Ec2, error};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::VpcId;
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    AttributeBooleanValue, ClassicLinkDnsSupport, CreateDefaultVpcInput, CreateDefaultVpcOutput, CreateVpcInput,
    CreateVpcOutput, DeleteVpcInput, DeleteVpcOutput, DescribeVpcAttributeInput, DescribeVpcAttributeOutput,
    DescribeVpcClassicLinkDnsSupportInput, DescribeVpcClassicLinkDnsSupportOutput, DescribeVpcClassicLinkInput,
    DescribeVpcClassicLinkOutput, DescribeVpcsInput, DescribeVpcsOutput, ModifyVpcAttributeInput,
    ModifyVpcAttributeOutput, ModifyVpcTenancyInput, ModifyVpcTenancyOutput, VpcClassicLink,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vpc {
    pub cidr: Cidr,
    pub cidr_association: String,
    pub more_cidrs: Vec<CidrAssociation>,
    pub ipv6: Option<CidrAssociation>,
    /// Those that there were besides the first, for a while.
    #[serde(default)]
    pub gone_cidrs: Vec<Disassociated>,
    pub is_default: bool,
    pub tenancy: String,
    pub dns_support: bool,
    pub dns_hostnames: bool,
    pub usage_metrics: bool,
    /// `default` is no set at all.
    pub dhcp_options_id: String,
}

impl Vpc {
    /// All IPv4 blocks.
    pub fn cidrs(&self) -> impl Iterator<Item = Cidr> {
        let more = self.more_cidrs.iter().filter_map(|association| Cidr::parse(&association.block));
        std::iter::once(self.cidr).chain(more)
    }
}

/// The sizes that AWS allows: "between a /28 netmask and /16 netmask".
pub const PREFIXES: std::ops::RangeInclusive<u8> = 16..=28;

pub fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidVpcID.NotFound", "vpc", ids)
}

impl Ec2 {
    pub fn vpc(&self, id: &str) -> Result<&Vpc, Refusal> {
        self.vpcs.get(id).ok_or_else(|| missing(&[id]))
    }

    pub fn default_vpc(&self) -> Option<&VpcId> {
        self.vpcs.iter().find(|(_, vpc)| vpc.is_default).map(|(id, _)| id)
    }

    /// Makes a VPC and what comes with one: main route table, default network ACL, default security group.
    pub fn create_vpc(&mut self, cidr: Cidr, tenancy: &str, is_default: bool) -> VpcId {
        let id = VpcId(self.ids.ec2("vpc"));
        let vpc = Vpc {
            cidr,
            cidr_association: self.ids.ec2("vpc-cidr-assoc"),
            more_cidrs: Vec::new(),
            ipv6: None,
            gone_cidrs: Vec::new(),
            is_default,
            tenancy: tenancy.to_string(),
            dns_support: true,
            // "True for the default VPC, false for others."
            dns_hostnames: is_default,
            usage_metrics: false,
            dhcp_options_id: self.dhcp_options_id.clone(),
        };
        self.vpcs.insert(id.clone(), vpc);
        self.create_main_route_table(&id, cidr);
        self.create_default_network_acl(&id);
        self.create_default_security_group(&id);
        id
    }

    /// What in a VPC besides that which goes with it keeps it from being deleted.
    fn vpc_is_in_use(&self, id: &VpcId) -> bool {
        self.subnets.values().any(|subnet| subnet.vpc == *id)
            || self.internet_gateways.values().any(|gateway| gateway.vpc.as_ref() == Some(id))
            || self.egress_only_gateways.values().any(|gateway| gateway.vpc == *id)
            || self.has_endpoint_in(id)
            || self.is_peered(id)
            || self.route_tables.values().any(|table| table.vpc == *id && !table.is_main())
            || self.network_acls.values().any(|acl| acl.vpc == *id && !acl.is_default)
            || self.security_groups.values().any(|group| group.vpc == *id && !group.is_default())
    }

    fn delete_vpc(&mut self, id: &VpcId) -> Result<(), Refusal> {
        self.vpc(id.as_str())?;
        if self.vpc_is_in_use(id) {
            return Err(dependency(format!("The vpc '{id}' has dependencies and cannot be deleted.")));
        }
        let tables: Vec<_> = self.route_tables.iter().filter(|(_, t)| t.vpc == *id).map(|(id, _)| id.clone()).collect();
        for table in tables {
            self.route_tables.remove(&table);
            self.tags.forget(table.as_str());
        }
        let acls: Vec<_> = self.network_acls.iter().filter(|(_, a)| a.vpc == *id).map(|(id, _)| id.clone()).collect();
        for acl in acls {
            self.network_acls.remove(&acl);
            self.tags.forget(acl.as_str());
        }
        let groups: Vec<_> =
            self.security_groups.iter().filter(|(_, g)| g.vpc == *id).map(|(id, _)| id.clone()).collect();
        for group in groups {
            self.forget_security_group(&group);
        }
        self.vpcs.remove(id);
        self.tags.forget(id.as_str());
        Ok(())
    }

    fn show_vpc(&self, id: &VpcId, vpc: &Vpc, now: Timestamp) -> model::Vpc {
        let first = CidrAssociation { id: vpc.cidr_association.clone(), block: vpc.cidr.to_string() };
        let region = &self.place.region;
        let (gone_ipv6, gone): (Vec<_>, Vec<_>) =
            still_shown(&vpc.gone_cidrs, now).partition(|association| association.block.contains(':'));
        let gone = gone.into_iter().map(|gone| gone.show("disassociated"));
        let more = vpc.more_cidrs.iter().map(|own| own.show("associated"));
        let associations = std::iter::once(first.show("associated")).chain(gone).chain(more);
        let gone_ipv6 = gone_ipv6.into_iter().map(|gone| gone.show_ipv6("disassociated", region));
        let ipv6: Vec<_> = gone_ipv6.chain(vpc.ipv6.iter().map(|own| own.show_ipv6("associated", region))).collect();
        model::Vpc {
            vpc_id: Some(id.to_string()),
            owner_id: Some(self.place.account.clone()),
            state: Some("available".into()),
            cidr_block: Some(vpc.cidr.to_string()),
            cidr_block_association_set: Some(associations.collect()),
            ipv6_cidr_block_association_set: Some(ipv6).filter(|list| !list.is_empty()),
            dhcp_options_id: Some(vpc.dhcp_options_id.clone()),
            instance_tenancy: Some(vpc.tenancy.clone()),
            is_default: Some(vpc.is_default),
            tags: self.tags.of(id.as_str()),
            ..Default::default()
        }
    }

    fn shown_vpcs(&self, now: Timestamp) -> Vec<model::Vpc> {
        self.vpcs.iter().map(|(id, vpc)| self.show_vpc(id, vpc, now)).collect()
    }
}

const VPCS: Kind<model::Vpc> = Kind {
    id: |vpc| &vpc.vpc_id,
    id_parameter: "vpcIdSet",
    missing,
    tags: |vpc| &vpc.tags,
    filters: &[
        ("cidr", |vpc| one(&vpc.cidr_block)),
        ("cidr-block", |vpc| one(&vpc.cidr_block)),
        ("cidrBlock", |vpc| one(&vpc.cidr_block)),
        ("cidr-block-association.association-id", |vpc| each(&vpc.cidr_block_association_set, |a| &a.association_id)),
        ("cidr-block-association.cidr-block", |vpc| each(&vpc.cidr_block_association_set, |a| &a.cidr_block)),
        ("cidr-block-association.state", |vpc| {
            vpc.cidr_block_association_set
                .iter()
                .flatten()
                .flat_map(|a| a.cidr_block_state.iter().flat_map(|s| one(&s.state)))
                .collect()
        }),
        ("dhcp-options-id", |vpc| one(&vpc.dhcp_options_id)),
        ("dhcpOptionsId", |vpc| one(&vpc.dhcp_options_id)),
        ("ipv6-cidr-block-association.association-id", |vpc| {
            each(&vpc.ipv6_cidr_block_association_set, |a| &a.association_id)
        }),
        ("ipv6-cidr-block-association.ipv6-cidr-block", |vpc| {
            each(&vpc.ipv6_cidr_block_association_set, |a| &a.ipv6_cidr_block)
        }),
        ("ipv6-cidr-block-association.ipv6-pool", |vpc| each(&vpc.ipv6_cidr_block_association_set, |a| &a.ipv6_pool)),
        ("ipv6-cidr-block-association.state", |vpc| {
            let associations = vpc.ipv6_cidr_block_association_set.iter().flatten();
            associations.flat_map(|a| a.ipv6_cidr_block_state.iter().flat_map(|s| one(&s.state))).collect()
        }),
        ("is-default", |vpc| one(&vpc.is_default)),
        ("isDefault", |vpc| one(&vpc.is_default)),
        ("owner-id", |vpc| one(&vpc.owner_id)),
        ("state", |vpc| one(&vpc.state)),
        ("vpc-id", |vpc| one(&vpc.vpc_id)),
    ],
};

/// Reads a block for `parameter`.
pub fn read_cidr(text: &str, parameter: &str) -> Result<Cidr, Refusal> {
    Cidr::parse(text).ok_or_else(|| invalid_value(text, parameter, "This is not a valid CIDR block."))
}

fn create(region: &mut Region, call: &Call, input: CreateVpcInput) -> Result<CreateVpcOutput, Refusal> {
    let text = required(input.cidr_block, "cidrBlock")?;
    let cidr = read_cidr(&text, "cidrBlock")?;
    if !PREFIXES.contains(&cidr.prefix()) {
        return Err(refuse("InvalidVpc.Range", format!("The CIDR '{text}' is invalid.")));
    }
    let tags = new_tags(input.tag_specifications, "vpc")?;
    let ec2 = &mut region.ec2;
    let id = ec2.create_vpc(cidr, input.instance_tenancy.as_deref().unwrap_or("default"), false);
    ec2.tags.put(id.as_str(), tags);
    if input.amazon_provided_ipv6_cidr_block == Some(true) {
        ec2.associate_ipv6(&id)?;
    }
    let mut shown = ec2.vpc(id.as_str()).map(|vpc| ec2.show_vpc(&id, vpc, call.now))?;
    shown.state = Some("pending".into());
    // The answer lists blocks that there are none of, and leaves tags out (recorded).
    shown.ipv6_cidr_block_association_set.get_or_insert_default();
    shown.tags = shown.tags.filter(|tags| !tags.is_empty());
    Ok(CreateVpcOutput { vpc: Some(shown) })
}

fn create_default(
    region: &mut Region,
    call: &Call,
    _: CreateDefaultVpcInput,
) -> Result<CreateDefaultVpcOutput, Refusal> {
    let ec2 = &mut region.ec2;
    if ec2.default_vpc().is_some() {
        let message = "A Default VPC already exists for this account in this region.";
        return Err(refuse("DefaultVpcAlreadyExists", message));
    }
    let id = ec2.create_default_network();
    let vpc = ec2.vpc(id.as_str()).map(|vpc| ec2.show_vpc(&id, vpc, call.now))?;
    Ok(CreateDefaultVpcOutput { vpc: Some(vpc) })
}

fn delete(region: &mut Region, _: &Call, input: DeleteVpcInput) -> Result<DeleteVpcOutput, Refusal> {
    let id = required(input.vpc_id, "vpcId")?;
    region.ec2.delete_vpc(&VpcId(id))?;
    Ok(DeleteVpcOutput::default())
}

fn describe(region: &mut Region, call: &Call, input: DescribeVpcsInput) -> Result<DescribeVpcsOutput, Refusal> {
    let (vpcs, next_token) = VPCS.select(region.ec2.shown_vpcs(call.now), ask!(input.vpc_ids))?.set();
    Ok(DescribeVpcsOutput { vpcs, next_token })
}

fn value(value: bool) -> Option<AttributeBooleanValue> {
    Some(AttributeBooleanValue { value: Some(value) })
}

fn describe_attribute(
    region: &mut Region,
    _: &Call,
    input: DescribeVpcAttributeInput,
) -> Result<DescribeVpcAttributeOutput, Refusal> {
    let id = required(input.vpc_id, "vpcId")?;
    let vpc = region.ec2.vpc(&id)?;
    let mut output = DescribeVpcAttributeOutput { vpc_id: Some(id), ..Default::default() };
    match required(input.attribute, "attribute")?.as_str() {
        "enableDnsSupport" => output.enable_dns_support = value(vpc.dns_support),
        "enableDnsHostnames" => output.enable_dns_hostnames = value(vpc.dns_hostnames),
        "enableNetworkAddressUsageMetrics" => output.enable_network_address_usage_metrics = value(vpc.usage_metrics),
        other => return Err(invalid_value(other, "attribute", "Unknown attribute.")),
    }
    Ok(output)
}

fn modify_attribute(
    region: &mut Region,
    _: &Call,
    input: ModifyVpcAttributeInput,
) -> Result<ModifyVpcAttributeOutput, Refusal> {
    let id = required(input.vpc_id, "vpcId")?;
    let given = |attribute: Option<AttributeBooleanValue>| attribute.and_then(|attribute| attribute.value);
    let support = given(input.enable_dns_support);
    let hostnames = given(input.enable_dns_hostnames);
    let metrics = given(input.enable_network_address_usage_metrics);
    // "You can only modify one attribute at a time" (ModifyVpcAttribute for the DNS attributes).
    if [support, hostnames, metrics].iter().flatten().count() != 1 {
        return Err(error::combination("Exactly one attribute can be modified in a call"));
    }
    let vpc = region.ec2.vpcs.get_mut(id.as_str()).ok_or_else(|| missing(&[&id]))?;
    vpc.dns_support = support.unwrap_or(vpc.dns_support);
    vpc.dns_hostnames = hostnames.unwrap_or(vpc.dns_hostnames);
    vpc.usage_metrics = metrics.unwrap_or(vpc.usage_metrics);
    Ok(ModifyVpcAttributeOutput::default())
}

/// "You can change the instance tenancy attribute of a VPC to `default` only."
fn modify_tenancy(
    region: &mut Region,
    _: &Call,
    input: ModifyVpcTenancyInput,
) -> Result<ModifyVpcTenancyOutput, Refusal> {
    let id = required(input.vpc_id, "vpcId")?;
    let wanted = required(input.instance_tenancy, "instanceTenancy")?;
    let vpc = region.ec2.vpcs.get_mut(id.as_str()).ok_or_else(|| missing(&[&id]))?;
    vpc.tenancy = wanted;
    Ok(ModifyVpcTenancyOutput { return_value: Some(true) })
}

const CLASSIC_LINKS: Kind<VpcClassicLink> = Kind {
    id: |vpc| &vpc.vpc_id,
    id_parameter: "vpcIdSet",
    missing,
    tags: |vpc| &vpc.tags,
    filters: &[("is-classic-link-enabled", |vpc| one(&vpc.classic_link_enabled))],
};

/// ClassicLink is retired; AWS provider 3.39 still asks. Every VPC answers that it has none.
fn describe_classic_link(
    region: &mut Region,
    call: &Call,
    input: DescribeVpcClassicLinkInput,
) -> Result<DescribeVpcClassicLinkOutput, Refusal> {
    let all = region.ec2.shown_vpcs(call.now).into_iter().map(|vpc| VpcClassicLink {
        classic_link_enabled: Some(false),
        tags: vpc.tags,
        vpc_id: vpc.vpc_id,
    });
    let ask = Ask { ids: input.vpc_ids, filters: input.filters, ..Ask::default() };
    Ok(DescribeVpcClassicLinkOutput { vpcs: CLASSIC_LINKS.select(all.collect(), ask)?.set().0 })
}

fn describe_classic_link_dns_support(
    region: &mut Region,
    call: &Call,
    input: DescribeVpcClassicLinkDnsSupportInput,
) -> Result<DescribeVpcClassicLinkDnsSupportOutput, Refusal> {
    let ask =
        Ask { ids: input.vpc_ids, max_results: input.max_results, next_token: input.next_token, ..Ask::default() };
    let page = VPCS.select(region.ec2.shown_vpcs(call.now), ask)?;
    let vpcs = page
        .items
        .into_iter()
        .map(|vpc| ClassicLinkDnsSupport { classic_link_dns_supported: Some(false), vpc_id: vpc.vpc_id });
    Ok(DescribeVpcClassicLinkDnsSupportOutput { vpcs: Some(vpcs.collect()), next_token: page.next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateVpcInput "CreateVpc":
        "Creates a VPC with its main route table, default network ACL and default security group.",
        takes CidrBlock AmazonProvidedIpv6CidrBlock InstanceTenancy TagSpecifications
    );
    operation!(operations, create_default, CreateDefaultVpcInput "CreateDefaultVpc":
        "Brings back a default VPC that was deleted.",
        takes
    );
    operation!(operations, delete, DeleteVpcInput "DeleteVpc":
        "Deletes a VPC that nothing stands in.",
        takes VpcId
    );
    operation!(operations, describe, DescribeVpcsInput "DescribeVpcs":
        "Lists VPCs.",
        takes VpcIds Filters MaxResults NextToken
    );
    operation!(operations, describe_attribute, DescribeVpcAttributeInput "DescribeVpcAttribute":
        "Shows one of the attributes for DNS and usage metrics.",
        takes VpcId Attribute
    );
    operation_without_dry_run!(operations, modify_attribute, "ModifyVpcAttribute":
        "Sets one of those attributes.",
        takes VpcId EnableDnsSupport EnableDnsHostnames EnableNetworkAddressUsageMetrics
    );
    operation!(operations, modify_tenancy, ModifyVpcTenancyInput "ModifyVpcTenancy":
        "Lets instances of a VPC share hardware again.",
        takes VpcId InstanceTenancy
    );
    operation!(operations, describe_classic_link, DescribeVpcClassicLinkInput "DescribeVpcClassicLink":
        "Says that no VPC has ClassicLink.",
        takes VpcIds Filters
    );
    operation_without_dry_run!(operations, describe_classic_link_dns_support, "DescribeVpcClassicLinkDnsSupport":
        "Says that no VPC has ClassicLink.",
        takes VpcIds MaxResults NextToken
    );
}
