//! Network ACLs: each VPC's default one, which every subnet is under. Start at [`NetworkAcl`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::error::missing_ids;
use super::register::{ask, operation};
use super::select::{Kind, each, one};
use crate::engine::Refusal;
use crate::engine::names::{NetworkAclId, SubnetId, VpcId};
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    DescribeNetworkAclsInput, DescribeNetworkAclsOutput, NetworkAclAssociation, NetworkAclEntry,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// A list that lets everything pass: no other can be made here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkAcl {
    pub vpc: VpcId,
    pub is_default: bool,
    /// By association id.
    pub associations: BTreeMap<String, SubnetId>,
}

fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidNetworkAclID.NotFound", "networkAcl", ids)
}

impl Ec2 {
    pub fn create_default_network_acl(&mut self, vpc: &VpcId) {
        let id = NetworkAclId(self.ids.ec2("acl"));
        let acl = NetworkAcl { vpc: vpc.clone(), is_default: true, associations: BTreeMap::new() };
        self.network_acls.insert(id, acl);
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
        model::NetworkAcl {
            associations: Some(associations.collect()),
            entries: Some(default_entries()),
            is_default: Some(acl.is_default),
            network_acl_id: Some(id.to_string()),
            tags: self.tags.of(id.as_str()),
            vpc_id: Some(acl.vpc.to_string()),
            owner_id: Some(self.place.account.clone()),
        }
    }
}

/// "Default network ACL": rule 100 allows all in both directions, and the rule that AWS prints as `*` denies the rest.
fn default_entries() -> Vec<NetworkAclEntry> {
    let entry = |egress, number, action: &str| NetworkAclEntry {
        cidr_block: Some("0.0.0.0/0".into()),
        egress: Some(egress),
        protocol: Some("-1".into()),
        rule_action: Some(action.into()),
        rule_number: Some(number),
        ..Default::default()
    };
    [true, false].into_iter().flat_map(|egress| [entry(egress, 100, "allow"), entry(egress, 32767, "deny")]).collect()
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
        ("entry.icmp.code", |_| Vec::new()),
        ("entry.icmp.type", |_| Vec::new()),
        ("entry.ipv6-cidr", |_| Vec::new()),
        ("entry.port-range.from", |_| Vec::new()),
        ("entry.port-range.to", |_| Vec::new()),
        ("entry.protocol", |a| each(&a.entries, |e| &e.protocol)),
        ("entry.rule-action", |a| each(&a.entries, |e| &e.rule_action)),
        ("entry.rule-number", |a| each(&a.entries, |e| &e.rule_number)),
        ("network-acl-id", |a| one(&a.network_acl_id)),
        ("owner-id", |a| one(&a.owner_id)),
        ("vpc-id", |a| one(&a.vpc_id)),
    ],
};

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
    operation!(operations, describe, DescribeNetworkAclsInput "DescribeNetworkAcls":
        "Lists the default network ACLs.",
        takes NetworkAclIds Filters MaxResults NextToken
    );
}
