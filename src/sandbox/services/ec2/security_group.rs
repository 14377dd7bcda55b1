//! Security groups. Start at [`SecurityGroup`]; `rule.rs` has the rules and the calls that change them.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Ec2;
use super::error::{dependency, invalid_value, missing_parameter, refuse, required};
use super::network_interface::interfaces;
use super::register::operation;
use super::rule::{Peer, Rule, permissions};
use super::select::{Ask, Kind, one};
use super::tag::new_tags;
use crate::engine::Refusal;
use crate::engine::names::{SecurityGroupId, VpcId};
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    CreateSecurityGroupInput, CreateSecurityGroupOutput, DeleteSecurityGroupInput, DeleteSecurityGroupOutput,
    DescribeSecurityGroupsInput, DescribeSecurityGroupsOutput, IpPermission,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroup {
    pub name: String,
    pub description: String,
    pub vpc: VpcId,
    /// By id, in the order they were made.
    pub rules: IndexMap<String, Rule>,
}

impl SecurityGroup {
    /// Whether it came with its VPC and goes with it.
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT_NAME
    }
}

const DEFAULT_NAME: &str = "default";

pub fn missing(ids: &[&str]) -> Refusal {
    let message = match ids {
        [id] => format!("The security group '{id}' does not exist"),
        ids => format!("The security groups '{}' do not exist", ids.join(", ")),
    };
    refuse("InvalidGroup.NotFound", message)
}

impl Ec2 {
    pub fn security_group(&self, id: &str) -> Result<&SecurityGroup, Refusal> {
        self.security_groups.get(id).ok_or_else(|| missing(&[id]))
    }

    fn create_security_group(&mut self, vpc: &VpcId, name: &str, description: &str) -> SecurityGroupId {
        let id = SecurityGroupId(self.ids.ec2("sg"));
        let everything_out = Rule::all(true, Peer::Ipv4("0.0.0.0/0".into()));
        let group = SecurityGroup {
            name: name.to_string(),
            description: description.to_string(),
            vpc: vpc.clone(),
            rules: IndexMap::from([(self.ids.ec2("sgr"), everything_out)]),
        };
        self.security_groups.insert(id.clone(), group);
        if self.vpcs.get(vpc).is_some_and(|vpc| vpc.ipv6.is_some()) {
            self.let_ipv6_out(&id);
        }
        id
    }

    /// "If you have modified outbound rules for your security group, we do not automatically add an outbound rule for IPv6
    /// traffic when you associate an IPv6 block with your VPC." Source: VPC User Guide, "Security group rules".
    pub fn let_ipv6_out(&mut self, id: &SecurityGroupId) {
        let rule = self.ids.ec2("sgr");
        let Some(group) = self.security_groups.get_mut(id) else { return };
        let as_made = Rule::all(true, Peer::Ipv4("0.0.0.0/0".into()));
        if group.rules.values().filter(|rule| rule.egress).eq([&as_made]) {
            group.rules.insert(rule, Rule::all(true, Peer::Ipv6("::/0".into())));
        }
    }

    pub fn create_default_security_group(&mut self, vpc: &VpcId) {
        let id = self.create_security_group(vpc, DEFAULT_NAME, "default VPC security group");
        let rule = self.ids.ec2("sgr");
        if let Some(group) = self.security_groups.get_mut(&id) {
            group.rules.insert(rule, Rule::all(false, Peer::Group(id)));
        }
    }

    /// Takes a group and the tags of its rules away.
    pub fn forget_security_group(&mut self, id: &SecurityGroupId) {
        if let Some(group) = self.security_groups.remove(id) {
            for rule in group.rules.keys() {
                self.tags.forget(rule);
            }
        }
        self.tags.forget(id.as_str());
    }

    /// The group that a call names by id or, in the default VPC, by name.
    pub fn named_group(&self, id: Option<String>, name: Option<String>) -> Result<SecurityGroupId, Refusal> {
        match (id, name) {
            (Some(id), _) => self.security_group(&id).map(|_| SecurityGroupId(id)),
            (None, Some(name)) => self.group_in_default_vpc(&name),
            (None, None) => Err(missing_parameter("groupName or groupId")),
        }
    }

    pub fn group_in_default_vpc(&self, name: &str) -> Result<SecurityGroupId, Refusal> {
        let Some(vpc) = self.default_vpc() else {
            return Err(refuse("VPCIdNotSpecified", "No default VPC for this user"));
        };
        let found = self.security_groups.iter().find(|(_, group)| group.vpc == *vpc && group.name == name);
        found.map(|(id, _)| id.clone()).ok_or_else(|| {
            let message = format!("The security group '{name}' does not exist in default VPC '{vpc}'");
            refuse("InvalidGroup.NotFound", message)
        })
    }

    /// The group that came with the VPC.
    pub fn default_security_group(&self, vpc: &str) -> Option<String> {
        let mut groups = self.security_groups.iter().filter(|(_, group)| group.vpc.as_str() == vpc);
        groups.find(|(_, group)| group.is_default()).map(|(id, _)| id.to_string())
    }

    fn show_group(&self, id: &SecurityGroupId, group: &SecurityGroup) -> model::SecurityGroup {
        let of = |egress: bool| {
            let rules = group.rules.values().filter(|rule| rule.egress == egress);
            Some(permissions(rules, &self.place.account))
        };
        model::SecurityGroup {
            group_id: Some(id.to_string()),
            group_name: Some(group.name.clone()),
            description: Some(group.description.clone()),
            owner_id: Some(self.place.account.clone()),
            vpc_id: Some(group.vpc.to_string()),
            security_group_arn: Some(self.place.arn("ec2", &format!("security-group/{id}"))),
            ip_permissions: of(false),
            ip_permissions_egress: of(true),
            tags: self.tags.of(id.as_str()),
        }
    }
}

fn from<T>(
    permissions: &Option<Vec<IpPermission>>,
    list: impl Fn(&IpPermission) -> &Option<Vec<T>>,
    value: impl Fn(&T) -> &Option<String>,
) -> Vec<String> {
    let items = permissions.iter().flatten().flat_map(|permission| list(permission).iter().flatten());
    items.flat_map(|item| one(value(item))).collect()
}

fn port(permissions: &Option<Vec<IpPermission>>, port: impl Fn(&IpPermission) -> &Option<i64>) -> Vec<String> {
    permissions.iter().flatten().flat_map(|permission| one(port(permission))).collect()
}

const GROUPS: Kind<model::SecurityGroup> = Kind {
    id: |group| &group.group_id,
    id_parameter: "groupIdSet",
    missing,
    tags: |group| &group.tags,
    filters: &[
        ("description", |g| one(&g.description)),
        ("egress.ip-permission.cidr", |g| from(&g.ip_permissions_egress, |p| &p.ip_ranges, |r| &r.cidr_ip)),
        ("egress.ip-permission.from-port", |g| port(&g.ip_permissions_egress, |p| &p.from_port)),
        ("egress.ip-permission.group-id", |g| {
            from(&g.ip_permissions_egress, |p| &p.user_id_group_pairs, |r| &r.group_id)
        }),
        ("egress.ip-permission.group-name", |g| {
            from(&g.ip_permissions_egress, |p| &p.user_id_group_pairs, |r| &r.group_name)
        }),
        ("egress.ip-permission.ipv6-cidr", |g| from(&g.ip_permissions_egress, |p| &p.ipv6_ranges, |r| &r.cidr_ipv6)),
        ("egress.ip-permission.prefix-list-id", |g| {
            from(&g.ip_permissions_egress, |p| &p.prefix_list_ids, |r| &r.prefix_list_id)
        }),
        ("egress.ip-permission.protocol", |g| {
            g.ip_permissions_egress.iter().flatten().flat_map(|p| one(&p.ip_protocol)).collect()
        }),
        ("egress.ip-permission.to-port", |g| port(&g.ip_permissions_egress, |p| &p.to_port)),
        ("egress.ip-permission.user-id", |g| {
            from(&g.ip_permissions_egress, |p| &p.user_id_group_pairs, |r| &r.user_id)
        }),
        ("group-id", |g| one(&g.group_id)),
        ("group-name", |g| one(&g.group_name)),
        ("ip-permission.cidr", |g| from(&g.ip_permissions, |p| &p.ip_ranges, |r| &r.cidr_ip)),
        ("ip-permission.from-port", |g| port(&g.ip_permissions, |p| &p.from_port)),
        ("ip-permission.group-id", |g| from(&g.ip_permissions, |p| &p.user_id_group_pairs, |r| &r.group_id)),
        ("ip-permission.group-name", |g| from(&g.ip_permissions, |p| &p.user_id_group_pairs, |r| &r.group_name)),
        ("ip-permission.ipv6-cidr", |g| from(&g.ip_permissions, |p| &p.ipv6_ranges, |r| &r.cidr_ipv6)),
        ("ip-permission.prefix-list-id", |g| from(&g.ip_permissions, |p| &p.prefix_list_ids, |r| &r.prefix_list_id)),
        ("ip-permission.protocol", |g| g.ip_permissions.iter().flatten().flat_map(|p| one(&p.ip_protocol)).collect()),
        ("ip-permission.to-port", |g| port(&g.ip_permissions, |p| &p.to_port)),
        ("ip-permission.user-id", |g| from(&g.ip_permissions, |p| &p.user_id_group_pairs, |r| &r.user_id)),
        ("owner-id", |g| one(&g.owner_id)),
        ("vpc-id", |g| one(&g.vpc_id)),
    ],
};

/// EC2's limit for names and descriptions, and the characters it lets a VPC's groups have:
/// "a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*".
const LONGEST_TEXT: usize = 255;

pub fn check_text(text: &str, parameter: &str) -> Result<(), Refusal> {
    if !text.is_ascii() {
        return Err(invalid_value(text, parameter, "Character sets beyond ASCII are not supported."));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if !text.chars().all(allowed) || text.len() > LONGEST_TEXT {
        let why = "Allowed are up to 255 characters of a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*";
        return Err(refuse("InvalidParameterValue", format!("Invalid value '{text}' for {parameter}. {why}")));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Refusal> {
    check_text(name, "GroupName")?;
    if name == DEFAULT_NAME {
        return Err(refuse("InvalidParameterValue", "Cannot use reserved security group name: default"));
    }
    if name.starts_with("sg-") {
        return Err(invalid_value(name, "GroupName", "Group names may not be in the format sg-*."));
    }
    Ok(())
}

fn create(
    region: &mut Region,
    _: &Call,
    input: CreateSecurityGroupInput,
) -> Result<CreateSecurityGroupOutput, Refusal> {
    let name = required(input.group_name.filter(|name| !name.is_empty()), "groupName")?;
    let description = required(input.description.filter(|text| !text.is_empty()), "GroupDescription")?;
    check_name(&name)?;
    check_text(&description, "GroupDescription")?;
    let tags = new_tags(input.tag_specifications, "security-group")?;
    let ec2 = &mut region.ec2;
    let vpc = match input.vpc_id {
        Some(id) => ec2.vpc(&id).map(|_| VpcId(id))?,
        None => match ec2.default_vpc() {
            Some(id) => id.clone(),
            None => return Err(refuse("VPCIdNotSpecified", "No default VPC for this user")),
        },
    };
    if ec2.security_groups.values().any(|group| group.vpc == vpc && group.name == name) {
        let message = format!("The security group '{name}' already exists for VPC '{vpc}'");
        return Err(refuse("InvalidGroup.Duplicate", message));
    }
    let id = ec2.create_security_group(&vpc, &name, &description);
    ec2.tags.put(id.as_str(), tags);
    Ok(CreateSecurityGroupOutput {
        tags: ec2.tags.of(id.as_str()).filter(|tags| !tags.is_empty()),
        security_group_arn: Some(ec2.place.arn("ec2", &format!("security-group/{id}"))),
        group_id: Some(id.0),
    })
}

fn delete(
    region: &mut Region,
    _: &Call,
    input: DeleteSecurityGroupInput,
) -> Result<DeleteSecurityGroupOutput, Refusal> {
    let id = region.ec2.named_group(input.group_id, input.group_name)?;
    let group = region.ec2.security_group(id.as_str())?;
    if group.is_default() {
        let message = format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user");
        return Err(refuse("CannotDelete", message));
    }
    let others = region.ec2.security_groups.iter().filter(|(other, _)| **other != id);
    let named = others.flat_map(|(_, group)| group.rules.values()).any(|rule| rule.peer == Peer::Group(id.clone()));
    let worn = interfaces(region)
        .iter()
        .any(|interface| interface.groups.iter().flatten().any(|group| group.group_id.as_deref() == Some(id.as_str())));
    if named || worn {
        return Err(dependency(format!("resource {id} has a dependent object")));
    }
    region.ec2.forget_security_group(&id);
    Ok(DeleteSecurityGroupOutput { r#return: Some(true), group_id: Some(id.0) })
}

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeSecurityGroupsInput,
) -> Result<DescribeSecurityGroupsOutput, Refusal> {
    let ec2 = &region.ec2;
    let mut ids = input.group_ids.unwrap_or_default();
    for name in input.group_names.unwrap_or_default() {
        ids.push(ec2.group_in_default_vpc(&name)?.0);
    }
    let all = ec2.security_groups.iter().map(|(id, group)| ec2.show_group(id, group)).collect();
    let ask =
        Ask { ids: Some(ids), filters: input.filters, max_results: input.max_results, next_token: input.next_token };
    let (security_groups, next_token) = GROUPS.select(all, ask)?.set();
    Ok(DescribeSecurityGroupsOutput { security_groups, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateSecurityGroupInput "CreateSecurityGroup":
        "Creates a security group that lets everything out.",
        takes GroupName Description VpcId TagSpecifications
    );
    operation!(operations, delete, DeleteSecurityGroupInput "DeleteSecurityGroup":
        "Deletes a group that no instance and no rule of another group uses.",
        takes GroupId GroupName
    );
    operation!(operations, describe, DescribeSecurityGroupsInput "DescribeSecurityGroups":
        "Lists security groups with their rules.",
        takes GroupIds GroupNames Filters MaxResults NextToken
    );
}
