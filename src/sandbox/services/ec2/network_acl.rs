//! Network ACLs: numbered rules that subnets are under, each under one. Start at [`NetworkAcl`].
//! Nothing here drops a packet: the rules are kept and shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::cidr::{Cidr, canonical_ipv6};
use super::error::{combination, dependency, invalid_value, missing_ids, missing_parameter, refuse, required};
use super::register::{ask, operation};
use super::select::{Kind, each, one};
use super::tag::new_tags;
use crate::engine::Refusal;
use crate::engine::names::{NetworkAclId, SubnetId, VpcId};
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    CreateNetworkAclEntryInput, CreateNetworkAclEntryOutput, CreateNetworkAclInput, CreateNetworkAclOutput,
    DeleteNetworkAclEntryInput, DeleteNetworkAclEntryOutput, DeleteNetworkAclInput, DeleteNetworkAclOutput,
    DescribeNetworkAclsInput, DescribeNetworkAclsOutput, IcmpTypeCode, NetworkAclAssociation, NetworkAclEntry,
    PortRange, ReplaceNetworkAclAssociationInput, ReplaceNetworkAclAssociationOutput, ReplaceNetworkAclEntryInput,
    ReplaceNetworkAclEntryOutput,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkAcl {
    pub vpc: VpcId,
    pub is_default: bool,
    /// By number, like the outbound ones.
    inbound: BTreeMap<i64, Entry>,
    outbound: BTreeMap<i64, Entry>,
    /// By association id.
    pub associations: BTreeMap<String, SubnetId>,
}

/// One rule without its direction and number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// An IPv4 or IPv6 block in canonical form.
    block: String,
    protocol: String,
    action: String,
    ports: Option<(i64, i64)>,
    /// ICMP type and code.
    icmp: Option<(i64, i64)>,
}

/// The number that AWS prints as `*`: the last rule, which denies what no other decides.
const LAST: i64 = 32767;

const NUMBERS: std::ops::RangeInclusive<i64> = 1..=32766;

fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidNetworkAclID.NotFound", "networkAcl", ids)
}

impl Entry {
    fn all(action: &str) -> Self {
        let (block, protocol, action) = ("0.0.0.0/0".into(), "-1".into(), action.into());
        Self { block, protocol, action, ports: None, icmp: None }
    }

    fn show(&self, egress: bool, number: i64) -> NetworkAclEntry {
        let (ipv4, ipv6) = match self.block.contains(':') {
            false => (Some(self.block.clone()), None),
            true => (None, Some(self.block.clone())),
        };
        NetworkAclEntry {
            cidr_block: ipv4,
            ipv6_cidr_block: ipv6,
            egress: Some(egress),
            icmp_type_code: self.icmp.map(|(r#type, code)| IcmpTypeCode { code: Some(code), r#type: Some(r#type) }),
            port_range: self.ports.map(|(from, to)| PortRange { from: Some(from), to: Some(to) }),
            protocol: Some(self.protocol.clone()),
            rule_action: Some(self.action.clone()),
            rule_number: Some(number),
        }
    }
}

impl NetworkAcl {
    /// "Default network ACL": rule 100 allows all in both directions; every ACL's last rule denies the rest.
    fn new(vpc: &VpcId, is_default: bool) -> Self {
        let mut rules = BTreeMap::from([(LAST, Entry::all("deny"))]);
        if is_default {
            rules.insert(100, Entry::all("allow"));
        }
        Self { vpc: vpc.clone(), is_default, inbound: rules.clone(), outbound: rules, associations: BTreeMap::new() }
    }

    fn rules_mut(&mut self, egress: bool) -> &mut BTreeMap<i64, Entry> {
        if egress { &mut self.outbound } else { &mut self.inbound }
    }
}

impl Ec2 {
    fn network_acl(&self, id: &str) -> Result<&NetworkAcl, Refusal> {
        self.network_acls.get(id).ok_or_else(|| missing(&[id]))
    }

    fn network_acl_mut(&mut self, id: &str) -> Result<&mut NetworkAcl, Refusal> {
        self.network_acls.get_mut(id).ok_or_else(|| missing(&[id]))
    }

    pub fn create_default_network_acl(&mut self, vpc: &VpcId) {
        let id = NetworkAclId(self.ids.ec2("acl"));
        self.network_acls.insert(id, NetworkAcl::new(vpc, true));
    }

    pub fn join_default_network_acl(&mut self, vpc: &VpcId, subnet: &SubnetId) {
        let association = self.ids.ec2("aclassoc");
        if let Some(acl) = self.network_acls.values_mut().find(|acl| acl.vpc == *vpc && acl.is_default) {
            acl.associations.insert(association, subnet.clone());
        }
    }

    pub fn leave_network_acls(&mut self, subnet: &SubnetId) {
        for acl in self.network_acls.values_mut() {
            acl.associations.retain(|_, associated| associated != subnet);
        }
    }

    fn show_network_acl(&self, id: &NetworkAclId, acl: &NetworkAcl) -> model::NetworkAcl {
        let associations = acl.associations.iter().map(|(association, subnet)| NetworkAclAssociation {
            network_acl_association_id: Some(association.clone()),
            network_acl_id: Some(id.to_string()),
            subnet_id: Some(subnet.to_string()),
        });
        // Outbound rules first, as AWS lists them.
        let outbound = acl.outbound.iter().map(|(number, entry)| entry.show(true, *number));
        let inbound = acl.inbound.iter().map(|(number, entry)| entry.show(false, *number));
        model::NetworkAcl {
            associations: Some(associations.collect()),
            entries: Some(outbound.chain(inbound).collect()),
            is_default: Some(acl.is_default),
            network_acl_id: Some(id.to_string()),
            tags: self.tags.of(id.as_str()),
            vpc_id: Some(acl.vpc.to_string()),
            owner_id: Some(self.place.account.clone()),
        }
    }
}

const NETWORK_ACLS: Kind<model::NetworkAcl> = Kind {
    id: |acl| &acl.network_acl_id,
    id_parameter: "networkAclIdSet",
    missing,
    tags: |acl| &acl.tags,
    filters: &[
        ("association.association-id", |a| each(&a.associations, |x| &x.network_acl_association_id)),
        ("association.network-acl-id", |a| each(&a.associations, |x| &x.network_acl_id)),
        ("association.subnet-id", |a| each(&a.associations, |x| &x.subnet_id)),
        ("default", |a| one(&a.is_default)),
        ("entry.cidr", |a| each(&a.entries, |e| &e.cidr_block)),
        ("entry.egress", |a| each(&a.entries, |e| &e.egress)),
        ("entry.icmp.code", |a| icmp(a, |code| code.code)),
        ("entry.icmp.type", |a| icmp(a, |code| code.r#type)),
        ("entry.ipv6-cidr", |a| each(&a.entries, |e| &e.ipv6_cidr_block)),
        ("entry.port-range.from", |a| ports(a, |range| range.from)),
        ("entry.port-range.to", |a| ports(a, |range| range.to)),
        ("entry.protocol", |a| each(&a.entries, |e| &e.protocol)),
        ("entry.rule-action", |a| each(&a.entries, |e| &e.rule_action)),
        ("entry.rule-number", |a| each(&a.entries, |e| &e.rule_number)),
        ("network-acl-id", |a| one(&a.network_acl_id)),
        ("owner-id", |a| one(&a.owner_id)),
        ("vpc-id", |a| one(&a.vpc_id)),
    ],
};

fn icmp(acl: &model::NetworkAcl, part: fn(&IcmpTypeCode) -> Option<i64>) -> Vec<String> {
    let codes = acl.entries.iter().flatten().filter_map(|entry| entry.icmp_type_code.as_ref());
    codes.flat_map(|code| one(&part(code))).collect()
}

fn ports(acl: &model::NetworkAcl, part: fn(&PortRange) -> Option<i64>) -> Vec<String> {
    let ranges = acl.entries.iter().flatten().filter_map(|entry| entry.port_range.as_ref());
    ranges.flat_map(|range| one(&part(range))).collect()
}

/// The rule that a call describes. Creating and replacing take the same members.
fn read_entry(input: &ReplaceNetworkAclEntryInput) -> Result<((bool, i64), Entry), Refusal> {
    let number = required(input.rule_number, "ruleNumber")?;
    if !NUMBERS.contains(&number) {
        return Err(invalid_value(number, "ruleNumber", "Expecting a number between 1 and 32766."));
    }
    let egress = required(input.egress, "egress")?;
    let protocol = required(input.protocol.clone(), "protocol")?;
    let protocol = match protocol.as_str() {
        "tcp" => "6".to_string(),
        "udp" => "17".to_string(),
        "icmp" => "1".to_string(),
        "icmpv6" => "58".to_string(),
        "all" => "-1".to_string(),
        other if other == "-1" || other.parse::<u8>().is_ok() => other.to_string(),
        other => return Err(invalid_value(other, "protocol", "Unknown protocol.")),
    };
    let range = |range: &PortRange| Some((range.from?, range.to?));
    let ports = input.port_range.as_ref().and_then(range);
    let code = |code: &IcmpTypeCode| Some((code.r#type?, code.code?));
    let icmp = input.icmp_type_code.as_ref().and_then(code);
    match protocol.as_str() {
        "6" | "17" if ports.is_none() => return Err(missing_parameter("portRange")),
        "1" | "58" if icmp.is_none() => return Err(missing_parameter("icmpTypeCode")),
        _ => {}
    }
    let action = required(input.rule_action.clone(), "ruleAction")?;
    let block = block(input.cidr_block.as_deref(), input.ipv6_cidr_block.as_deref())?;
    Ok(((egress, number), Entry { block, protocol, action, ports, icmp }))
}

fn block(ipv4: Option<&str>, ipv6: Option<&str>) -> Result<String, Refusal> {
    match (ipv4, ipv6) {
        (Some(text), None) => Cidr::parse(text)
            .map(|cidr| cidr.to_string())
            .ok_or_else(|| invalid_value(text, "cidrBlock", "This is not a valid CIDR block.")),
        (None, Some(text)) => {
            canonical_ipv6(text).ok_or_else(|| invalid_value(text, "ipv6CidrBlock", "This is not a valid CIDR block."))
        }
        (None, None) => Err(missing_parameter("cidrBlock")),
        (Some(_), Some(_)) => Err(combination("Only one of cidrBlock and ipv6CidrBlock can be specified")),
    }
}

fn no_entry(id: &str, (egress, number): (bool, i64)) -> Refusal {
    let way = if egress { "egress" } else { "ingress" };
    let message = format!("network acl entry not found for {way} rule {number} in {id}");
    refuse("InvalidNetworkAclEntry.NotFound", message)
}

fn create(region: &mut Region, _: &Call, input: CreateNetworkAclInput) -> Result<CreateNetworkAclOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "network-acl")?;
    let vpc = VpcId(required(input.vpc_id, "vpcId")?);
    let ec2 = &mut region.ec2;
    ec2.vpc(vpc.as_str())?;
    let id = match ec2.made_before(&input.client_token) {
        Some(id) => NetworkAclId(id),
        None => {
            let id = NetworkAclId(ec2.ids.ec2("acl"));
            ec2.network_acls.insert(id.clone(), NetworkAcl::new(&vpc, false));
            id
        }
    };
    ec2.remember_token(input.client_token.clone(), id.as_str());
    ec2.tags.put(id.as_str(), tags);
    let shown = ec2.show_network_acl(&id, ec2.network_acl(id.as_str())?);
    Ok(CreateNetworkAclOutput { network_acl: Some(shown), client_token: input.client_token })
}

fn delete(region: &mut Region, _: &Call, input: DeleteNetworkAclInput) -> Result<DeleteNetworkAclOutput, Refusal> {
    let id = required(input.network_acl_id, "networkAclId")?;
    let ec2 = &mut region.ec2;
    let acl = ec2.network_acl(&id)?;
    if acl.is_default {
        return Err(refuse("InvalidParameterValue", format!("cannot delete default network ACL {id}")));
    }
    if !acl.associations.is_empty() {
        return Err(dependency(format!("The networkAcl '{id}' has dependencies and cannot be deleted.")));
    }
    ec2.network_acls.remove(id.as_str());
    ec2.tags.forget(&id);
    ec2.forget_token_of(&id);
    Ok(DeleteNetworkAclOutput::default())
}

fn create_entry(
    region: &mut Region,
    _: &Call,
    input: CreateNetworkAclEntryInput,
) -> Result<CreateNetworkAclEntryOutput, Refusal> {
    let input = ReplaceNetworkAclEntryInput {
        dry_run: None,
        network_acl_id: input.network_acl_id,
        rule_number: input.rule_number,
        protocol: input.protocol,
        rule_action: input.rule_action,
        egress: input.egress,
        cidr_block: input.cidr_block,
        ipv6_cidr_block: input.ipv6_cidr_block,
        icmp_type_code: input.icmp_type_code,
        port_range: input.port_range,
    };
    let (place, entry) = read_entry(&input)?;
    let acl = region.ec2.network_acl_mut(&required(input.network_acl_id, "networkAclId")?)?;
    if acl.rules_mut(place.0).contains_key(&place.1) {
        let message = format!("The network acl entry identified by {} already exists.", place.1);
        return Err(refuse("NetworkAclEntryAlreadyExists", message));
    }
    acl.rules_mut(place.0).insert(place.1, entry);
    Ok(CreateNetworkAclEntryOutput::default())
}

fn replace_entry(
    region: &mut Region,
    _: &Call,
    input: ReplaceNetworkAclEntryInput,
) -> Result<ReplaceNetworkAclEntryOutput, Refusal> {
    let (place, entry) = read_entry(&input)?;
    let id = required(input.network_acl_id, "networkAclId")?;
    let acl = region.ec2.network_acl_mut(&id)?;
    let kept = acl.rules_mut(place.0).get_mut(&place.1).ok_or_else(|| no_entry(&id, place))?;
    *kept = entry;
    Ok(ReplaceNetworkAclEntryOutput::default())
}

fn delete_entry(
    region: &mut Region,
    _: &Call,
    input: DeleteNetworkAclEntryInput,
) -> Result<DeleteNetworkAclEntryOutput, Refusal> {
    let id = required(input.network_acl_id, "networkAclId")?;
    let place = (required(input.egress, "egress")?, required(input.rule_number, "ruleNumber")?);
    let acl = region.ec2.network_acl_mut(&id)?;
    if place.1 == LAST || acl.rules_mut(place.0).remove(&place.1).is_none() {
        return Err(no_entry(&id, place));
    }
    Ok(DeleteNetworkAclEntryOutput::default())
}

fn replace_association(
    region: &mut Region,
    _: &Call,
    input: ReplaceNetworkAclAssociationInput,
) -> Result<ReplaceNetworkAclAssociationOutput, Refusal> {
    let association = required(input.association_id, "associationId")?;
    let id = required(input.network_acl_id, "networkAclId")?;
    let ec2 = &mut region.ec2;
    let vpc = ec2.network_acl(&id)?.vpc.clone();
    let held = ec2.network_acls.values_mut().find(|acl| acl.associations.contains_key(&association));
    let Some(holder) = held else {
        return Err(missing_ids("InvalidAssociationID.NotFound", "association", &[&association]));
    };
    if holder.vpc != vpc {
        let message = format!("network acl {id} and the associated subnet belong to different networks");
        return Err(refuse("InvalidParameterValue", message));
    }
    let subnet = holder.associations.remove(&association);
    let new_association = ec2.ids.ec2("aclassoc");
    if let Some(subnet) = subnet {
        ec2.network_acl_mut(&id)?.associations.insert(new_association.clone(), subnet);
    }
    Ok(ReplaceNetworkAclAssociationOutput { new_association_id: Some(new_association) })
}

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeNetworkAclsInput,
) -> Result<DescribeNetworkAclsOutput, Refusal> {
    let ec2 = &region.ec2;
    let all = ec2.network_acls.iter().map(|(id, acl)| ec2.show_network_acl(id, acl)).collect();
    let (network_acls, next_token) = NETWORK_ACLS.select(all, ask!(input.network_acl_ids))?.set();
    Ok(DescribeNetworkAclsOutput { network_acls, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateNetworkAclInput "CreateNetworkAcl":
        "Creates a network ACL that denies everything.",
        takes VpcId TagSpecifications ClientToken
    );
    operation!(operations, delete, DeleteNetworkAclInput "DeleteNetworkAcl":
        "Deletes a network ACL that no subnet is under.",
        takes NetworkAclId
    );
    operation!(operations, create_entry, CreateNetworkAclEntryInput "CreateNetworkAclEntry":
        "Adds a numbered rule.",
        takes NetworkAclId RuleNumber Protocol RuleAction Egress CidrBlock Ipv6CidrBlock IcmpTypeCode PortRange
    );
    operation!(operations, replace_entry, ReplaceNetworkAclEntryInput "ReplaceNetworkAclEntry":
        "Puts another rule in the place of a numbered one.",
        takes NetworkAclId RuleNumber Protocol RuleAction Egress CidrBlock Ipv6CidrBlock IcmpTypeCode PortRange
    );
    operation!(operations, delete_entry, DeleteNetworkAclEntryInput "DeleteNetworkAclEntry":
        "Removes a numbered rule.",
        takes NetworkAclId RuleNumber Egress
    );
    operation!(operations, replace_association, ReplaceNetworkAclAssociationInput "ReplaceNetworkAclAssociation":
        "Puts a subnet under another network ACL.",
        takes AssociationId NetworkAclId
    );
    operation!(operations, describe, DescribeNetworkAclsInput "DescribeNetworkAcls":
        "Lists network ACLs.",
        takes NetworkAclIds Filters MaxResults NextToken
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::services::ec2::testing::{call, region};

    fn entry(acl: &str, number: i64) -> ReplaceNetworkAclEntryInput {
        ReplaceNetworkAclEntryInput {
            network_acl_id: Some(acl.into()),
            rule_number: Some(number),
            protocol: Some("6".into()),
            rule_action: Some("allow".into()),
            egress: Some(false),
            cidr_block: Some("10.0.0.9/8".into()),
            port_range: Some(PortRange { from: Some(443), to: Some(443) }),
            ..Default::default()
        }
    }

    #[test]
    fn a_new_acl_denies_everything_and_its_last_rule_stays() {
        let mut region = region();
        let vpc_id = region.ec2.default_vpc().map(ToString::to_string);
        let made = create(&mut region, &call(), CreateNetworkAclInput { vpc_id, ..Default::default() }).unwrap();
        let acl = made.network_acl.unwrap();
        let rules: Vec<_> = acl.entries.iter().flatten().map(|entry| (entry.rule_number, &entry.rule_action)).collect();
        assert_eq!(rules, [(Some(32767), &Some("deny".to_string())), (Some(32767), &Some("deny".to_string()))]);
        let id = acl.network_acl_id.unwrap();
        let refused = replace_entry(&mut region, &call(), entry(&id, 100)).unwrap_err();
        assert_eq!(refused.code, "InvalidNetworkAclEntry.NotFound");
        let delete = DeleteNetworkAclEntryInput {
            network_acl_id: Some(id),
            egress: Some(true),
            rule_number: Some(32767),
            ..Default::default()
        };
        assert!(delete_entry(&mut region, &call(), delete).is_err());
    }

    #[test]
    fn rules_are_read_in_canonical_form_and_checked() {
        let ((egress, number), read) = read_entry(&entry("acl-1", 100)).unwrap();
        assert_eq!((egress, number, read.block.as_str(), read.ports), (false, 100, "10.0.0.0/8", Some((443, 443))));
        let code = |input: ReplaceNetworkAclEntryInput| read_entry(&input).unwrap_err().code;
        assert_eq!(code(entry("acl-1", 32767)), "InvalidParameterValue");
        assert_eq!(code(ReplaceNetworkAclEntryInput { port_range: None, ..entry("acl-1", 1) }), "MissingParameter");
        assert_eq!(
            code(ReplaceNetworkAclEntryInput { cidr_block: Some("x".into()), ..entry("acl-1", 1) }),
            "InvalidParameterValue"
        );
    }
}
