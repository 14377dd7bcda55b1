//! The calls that add, change, remove and list security group rules, in both the older form (permissions) and the newer
//! (rule identifiers).

use super::Ec2;
use super::error::{combination, missing_ids, missing_parameter, refuse, required};
use super::register::{ask, operation};
use super::rule::{Peer, Ports, Rule, read_ipv4, read_ipv6};
use super::select::{Kind, one};
use super::tag::{Tags, new_tags};
use crate::engine::Refusal;
use crate::engine::names::SecurityGroupId;
use crate::sandbox::models::ec2::{
    AuthorizeSecurityGroupEgressInput, AuthorizeSecurityGroupEgressOutput, AuthorizeSecurityGroupIngressInput,
    AuthorizeSecurityGroupIngressOutput, DescribeSecurityGroupRulesInput, DescribeSecurityGroupRulesOutput,
    IpPermission, IpRange, ModifySecurityGroupRulesInput, ModifySecurityGroupRulesOutput,
    RevokeSecurityGroupEgressInput, RevokeSecurityGroupEgressOutput, RevokeSecurityGroupIngressInput,
    RevokeSecurityGroupIngressOutput, RevokedSecurityGroupRule, SecurityGroupRule, SecurityGroupRuleDescription,
    SecurityGroupRuleRequest, UpdateSecurityGroupRuleDescriptionsEgressInput,
    UpdateSecurityGroupRuleDescriptionsEgressOutput, UpdateSecurityGroupRuleDescriptionsIngressInput,
    UpdateSecurityGroupRuleDescriptionsIngressOutput, UserIdGroupPair,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// "Inbound or outbound rules per security group: 60" (Amazon VPC quotas), counted for IPv4 and IPv6 together here.
const MOST_RULES: usize = 60;

fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidSecurityGroupRuleId.NotFound", "security group rule", ids)
}

/// The single rule that the oldest form of these calls spells out in members of its own.
struct Single {
    cidr_ip: Option<String>,
    protocol: Option<String>,
    from_port: Option<i64>,
    to_port: Option<i64>,
    group_name: Option<String>,
    group_owner: Option<String>,
}

/// The members of the oldest form, which four requests have.
macro_rules! single {
    ($input:ident) => {
        Single {
            cidr_ip: $input.cidr_ip,
            protocol: $input.ip_protocol,
            from_port: $input.from_port,
            to_port: $input.to_port,
            group_name: $input.source_security_group_name,
            group_owner: $input.source_security_group_owner_id,
        }
    };
}

/// The permissions of a call in either form.
fn asked(permissions: Option<Vec<IpPermission>>, single: Single) -> Result<Vec<IpPermission>, Refusal> {
    let permissions = permissions.unwrap_or_default();
    let spelled_out = single.cidr_ip.is_some() || single.group_name.is_some() || single.protocol.is_some();
    match (permissions.is_empty(), spelled_out) {
        (false, false) => Ok(permissions),
        (false, true) => Err(combination("Only one of ipPermissions and single rule members can be specified")),
        (true, false) => Err(missing_parameter("ipPermissions")),
        (true, true) => Ok(vec![single.permission()]),
    }
}

impl Single {
    fn permission(self) -> IpPermission {
        let range = self.cidr_ip.map(|cidr| IpRange { cidr_ip: Some(cidr), description: None });
        let pair = self.group_name.map(|name| UserIdGroupPair {
            group_name: Some(name),
            user_id: self.group_owner,
            ..Default::default()
        });
        // The oldest form gives all traffic to a source group that comes without a protocol.
        IpPermission {
            ip_protocol: self.protocol.or_else(|| pair.is_some().then(|| "-1".to_string())),
            from_port: self.from_port,
            to_port: self.to_port,
            ip_ranges: range.map(|range| vec![range]),
            user_id_group_pairs: pair.map(|pair| vec![pair]),
            ..Default::default()
        }
    }
}

impl Ec2 {
    fn authorize(
        &mut self,
        group: &SecurityGroupId,
        egress: bool,
        permissions: &[IpPermission],
        tags: &Tags,
    ) -> Result<Vec<SecurityGroupRule>, Refusal> {
        let rules = self.read_permissions(egress, permissions)?;
        if rules.is_empty() {
            return Err(missing_parameter("ipPermissions"));
        }
        self.check_new_rules(group, egress, &rules)?;
        let mut shown = Vec::new();
        for rule in rules {
            let id = self.ids.ec2("sgr");
            self.tags.put(&id, tags.clone());
            shown.push(self.show_rule(group, &id, &rule));
            if let Some(group) = self.security_groups.get_mut(group) {
                group.rules.insert(id, rule);
            }
        }
        Ok(shown)
    }

    fn check_new_rules(&self, group: &SecurityGroupId, egress: bool, rules: &[Rule]) -> Result<(), Refusal> {
        let kept = &self.security_group(group.as_str())?.rules;
        for (place, rule) in rules.iter().enumerate() {
            if rules[..place].iter().any(|earlier| earlier.is_same(rule)) {
                return Err(refuse("InvalidParameterValue", "The same permission must not appear multiple times"));
            }
            if kept.values().any(|old| old.is_same(rule)) {
                let message = format!("the specified rule \"{}\" already exists", rule.in_words());
                return Err(refuse("InvalidPermission.Duplicate", message));
            }
        }
        let before = kept.values().filter(|rule| rule.egress == egress).count();
        if before + rules.len() > MOST_RULES {
            let message = "The maximum number of rules per security group has been reached.";
            return Err(refuse("RulesPerSecurityGroupLimitExceeded", message));
        }
        Ok(())
    }

    /// The ids of the rules that a revoke or update call means.
    fn find_rules(&self, group: &SecurityGroupId, wanted: &[Rule]) -> Result<Vec<String>, Refusal> {
        let kept = &self.security_group(group.as_str())?.rules;
        let find = |rule: &Rule| {
            let found = kept.iter().find(|(_, old)| old.is_same(rule)).map(|(id, _)| id.clone());
            // AWS's documentation says that a default VPC ignores unknown rules; callers report this error there too.
            found.ok_or_else(|| {
                let message = "The specified rule does not exist in this security group.";
                refuse("InvalidPermission.NotFound", message)
            })
        };
        wanted.iter().map(find).collect()
    }

    fn check_rule_ids(&self, group: &SecurityGroupId, egress: bool, ids: &[String]) -> Result<(), Refusal> {
        let kept = &self.security_group(group.as_str())?.rules;
        match ids.iter().find(|id| kept.get(*id).is_none_or(|rule| rule.egress != egress)) {
            Some(id) => Err(missing(&[id])),
            None => Ok(()),
        }
    }

    fn revoke(
        &mut self,
        group: &SecurityGroupId,
        egress: bool,
        ids: Option<Vec<String>>,
        permissions: impl FnOnce() -> Result<Vec<IpPermission>, Refusal>,
    ) -> Result<Vec<RevokedSecurityGroupRule>, Refusal> {
        let ids = match ids.filter(|ids| !ids.is_empty()) {
            Some(ids) => {
                self.check_rule_ids(group, egress, &ids)?;
                ids
            }
            None => {
                let rules = self.read_permissions(egress, &permissions()?)?;
                self.find_rules(group, &rules)?
            }
        };
        Ok(ids.iter().filter_map(|id| self.remove_rule(group, id)).collect())
    }

    fn remove_rule(&mut self, group: &SecurityGroupId, id: &str) -> Option<RevokedSecurityGroupRule> {
        let rule = self.security_groups.get_mut(group)?.rules.shift_remove(id)?;
        let shown = self.show_rule(group, id, &rule);
        self.tags.forget(id);
        Some(RevokedSecurityGroupRule {
            security_group_rule_id: shown.security_group_rule_id,
            group_id: shown.group_id,
            is_egress: shown.is_egress,
            ip_protocol: shown.ip_protocol,
            from_port: shown.from_port,
            to_port: shown.to_port,
            cidr_ipv4: shown.cidr_ipv4,
            cidr_ipv6: shown.cidr_ipv6,
            prefix_list_id: shown.prefix_list_id,
            referenced_group_id: shown.referenced_group_info.and_then(|info| info.group_id),
            description: shown.description,
        })
    }

    fn describe_anew(
        &mut self,
        group: &SecurityGroupId,
        egress: bool,
        permissions: Option<Vec<IpPermission>>,
        descriptions: Option<Vec<SecurityGroupRuleDescription>>,
    ) -> Result<(), Refusal> {
        let mut changes: Vec<(String, Option<String>)> = Vec::new();
        let rules = self.read_permissions(egress, &permissions.unwrap_or_default())?;
        for (id, rule) in self.find_rules(group, &rules)?.into_iter().zip(rules) {
            changes.push((id, rule.description));
        }
        for change in descriptions.unwrap_or_default() {
            let id = required(change.security_group_rule_id, "securityGroupRuleId")?;
            self.check_rule_ids(group, egress, std::slice::from_ref(&id))?;
            changes.push((id, change.description));
        }
        if changes.is_empty() {
            return Err(missing_parameter("ipPermissions"));
        }
        for (id, description) in changes {
            let group = self.security_groups.get_mut(group);
            if let Some(rule) = group.and_then(|group| group.rules.get_mut(&id)) {
                rule.description = description.filter(|text| !text.is_empty());
            }
        }
        Ok(())
    }

    fn read_rule_request(&self, egress: bool, request: SecurityGroupRuleRequest) -> Result<Rule, Refusal> {
        check_request(&request)?;
        let ports = Ports::read(request.ip_protocol.as_deref(), request.from_port, request.to_port)?;
        let peer = match request {
            SecurityGroupRuleRequest { cidr_ipv4: Some(cidr), .. } => read_ipv4(Some(&cidr))?,
            SecurityGroupRuleRequest { cidr_ipv6: Some(cidr), .. } => read_ipv6(Some(&cidr))?,
            SecurityGroupRuleRequest { prefix_list_id: Some(id), .. } => self.read_prefix_list(Some(&id))?,
            SecurityGroupRuleRequest { referenced_group_id: Some(id), .. } => {
                Peer::Group(self.named_group(Some(id), None)?)
            }
            _ => return Err(missing_parameter("cidrIpv4")),
        };
        Rule::new(egress, ports, peer, request.description)
    }
}

/// What this call refuses in words of its own, as AWS's recorded answers have them.
fn check_request(request: &SecurityGroupRuleRequest) -> Result<(), Refusal> {
    let Some(protocol) = request.ip_protocol.as_deref() else {
        let message = "Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly.";
        return Err(refuse("InvalidParameterValue", message));
    };
    let needs_ports = matches!(protocol, "tcp" | "udp" | "6" | "17");
    if needs_ports && (request.from_port.is_none() || request.to_port.is_none()) {
        let message = "Invalid value for portRange. Must specify both from and to ports with TCP/UDP.";
        return Err(refuse("InvalidParameterValue", message));
    }
    let peers = [&request.cidr_ipv4, &request.cidr_ipv6, &request.prefix_list_id, &request.referenced_group_id];
    match peers.iter().filter(|peer| peer.is_some()).count() {
        0 => {
            let message =
                "The request must contain exactly one of: cidrIp, cidrIpv6, prefixListId, or referencedGroupId";
            Err(refuse("MissingParameter", message))
        }
        1 => Ok(()),
        _ => Err(combination("Only one of cidrIp, cidrIpv6, prefixListId, or referencedGroupId can be specified")),
    }
}

fn authorize_ingress(
    region: &mut Region,
    _: &Call,
    input: AuthorizeSecurityGroupIngressInput,
) -> Result<AuthorizeSecurityGroupIngressOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "security-group-rule")?;
    let group = region.ec2.named_group(input.group_id, input.group_name)?;
    let permissions = asked(input.ip_permissions, single!(input))?;
    let rules = region.ec2.authorize(&group, false, &permissions, &tags)?;
    Ok(AuthorizeSecurityGroupIngressOutput { r#return: Some(true), security_group_rules: Some(rules) })
}

fn authorize_egress(
    region: &mut Region,
    _: &Call,
    input: AuthorizeSecurityGroupEgressInput,
) -> Result<AuthorizeSecurityGroupEgressOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "security-group-rule")?;
    let group = region.ec2.named_group(input.group_id, None)?;
    let permissions = asked(input.ip_permissions, single!(input))?;
    let rules = region.ec2.authorize(&group, true, &permissions, &tags)?;
    Ok(AuthorizeSecurityGroupEgressOutput { r#return: Some(true), security_group_rules: Some(rules) })
}

fn revoke_ingress(
    region: &mut Region,
    _: &Call,
    input: RevokeSecurityGroupIngressInput,
) -> Result<RevokeSecurityGroupIngressOutput, Refusal> {
    let group = region.ec2.named_group(input.group_id, input.group_name)?;
    let (ids, permissions, single) = (input.security_group_rule_ids, input.ip_permissions, single!(input));
    let revoked = region.ec2.revoke(&group, false, ids, || asked(permissions, single))?;
    Ok(RevokeSecurityGroupIngressOutput {
        r#return: Some(true),
        unknown_ip_permissions: Some(Vec::new()),
        revoked_security_group_rules: Some(revoked),
    })
}

fn revoke_egress(
    region: &mut Region,
    _: &Call,
    input: RevokeSecurityGroupEgressInput,
) -> Result<RevokeSecurityGroupEgressOutput, Refusal> {
    let group = region.ec2.named_group(input.group_id, None)?;
    let (ids, permissions, single) = (input.security_group_rule_ids, input.ip_permissions, single!(input));
    let revoked = region.ec2.revoke(&group, true, ids, || asked(permissions, single))?;
    Ok(RevokeSecurityGroupEgressOutput {
        r#return: Some(true),
        unknown_ip_permissions: Some(Vec::new()),
        revoked_security_group_rules: Some(revoked),
    })
}

fn describe_ingress_anew(
    region: &mut Region,
    _: &Call,
    input: UpdateSecurityGroupRuleDescriptionsIngressInput,
) -> Result<UpdateSecurityGroupRuleDescriptionsIngressOutput, Refusal> {
    let group = region.ec2.named_group(input.group_id, input.group_name)?;
    region.ec2.describe_anew(&group, false, input.ip_permissions, input.security_group_rule_descriptions)?;
    Ok(UpdateSecurityGroupRuleDescriptionsIngressOutput { r#return: Some(true) })
}

fn describe_egress_anew(
    region: &mut Region,
    _: &Call,
    input: UpdateSecurityGroupRuleDescriptionsEgressInput,
) -> Result<UpdateSecurityGroupRuleDescriptionsEgressOutput, Refusal> {
    let group = region.ec2.named_group(input.group_id, input.group_name)?;
    region.ec2.describe_anew(&group, true, input.ip_permissions, input.security_group_rule_descriptions)?;
    Ok(UpdateSecurityGroupRuleDescriptionsEgressOutput { r#return: Some(true) })
}

fn modify(
    region: &mut Region,
    _: &Call,
    input: ModifySecurityGroupRulesInput,
) -> Result<ModifySecurityGroupRulesOutput, Refusal> {
    let ec2 = &mut region.ec2;
    let group = ec2.named_group(input.group_id, None)?;
    let mut after = ec2.security_group(group.as_str())?.rules.clone();
    for update in input.security_group_rules.unwrap_or_default() {
        let id = required(update.security_group_rule_id, "securityGroupRuleId")?;
        let Some(kept) = after.get_mut(&id) else { return Err(missing(&[&id])) };
        let request = required(update.security_group_rule, "securityGroupRule")?;
        *kept = ec2.read_rule_request(kept.egress, request)?;
    }
    let rules: Vec<&Rule> = after.values().collect();
    for (place, rule) in rules.iter().enumerate() {
        if rules[..place].iter().any(|earlier| earlier.is_same(rule)) {
            let message = format!("the specified rule \"{}\" already exists", rule.in_words());
            return Err(refuse("InvalidPermission.Duplicate", message));
        }
    }
    if let Some(group) = ec2.security_groups.get_mut(&group) {
        group.rules = after;
    }
    Ok(ModifySecurityGroupRulesOutput { r#return: Some(true) })
}

const RULES: Kind<SecurityGroupRule> = Kind {
    id: |rule| &rule.security_group_rule_id,
    id_parameter: "securityGroupRuleIds",
    missing,
    tags: |rule| &rule.tags,
    filters: &[
        ("group-id", |rule| one(&rule.group_id)),
        ("security-group-rule-id", |rule| one(&rule.security_group_rule_id)),
    ],
};

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeSecurityGroupRulesInput,
) -> Result<DescribeSecurityGroupRulesOutput, Refusal> {
    for filter in input.filters.iter().flatten().filter(|filter| filter.name.as_deref() == Some("group-id")) {
        if let Some(id) = filter.values.iter().flatten().find(|id| !id.starts_with("sg-")) {
            let message = format!("The security group ID '{id}' is malformed");
            return Err(refuse("InvalidGroupId.Malformed", message));
        }
    }
    let ec2 = &region.ec2;
    let rules = ec2.security_groups.iter().flat_map(|(group, kept)| kept.rules.iter().map(move |rule| (group, rule)));
    let all = rules.map(|(group, (id, rule))| ec2.show_rule(group, id, rule)).collect();
    let (security_group_rules, next_token) = RULES.select(all, ask!(input.security_group_rule_ids))?.set();
    Ok(DescribeSecurityGroupRulesOutput { security_group_rules, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, authorize_ingress, AuthorizeSecurityGroupIngressInput "AuthorizeSecurityGroupIngress":
        "Adds inbound rules.",
        takes GroupId GroupName IpPermissions IpProtocol FromPort ToPort CidrIp SourceSecurityGroupName
        SourceSecurityGroupOwnerId TagSpecifications
    );
    operation!(operations, authorize_egress, AuthorizeSecurityGroupEgressInput "AuthorizeSecurityGroupEgress":
        "Adds outbound rules.",
        takes GroupId IpPermissions IpProtocol FromPort ToPort CidrIp SourceSecurityGroupName
        SourceSecurityGroupOwnerId TagSpecifications
    );
    operation!(operations, revoke_ingress, RevokeSecurityGroupIngressInput "RevokeSecurityGroupIngress":
        "Removes inbound rules.",
        takes GroupId GroupName SecurityGroupRuleIds IpPermissions IpProtocol FromPort ToPort CidrIp
        SourceSecurityGroupName SourceSecurityGroupOwnerId
    );
    operation!(operations, revoke_egress, RevokeSecurityGroupEgressInput "RevokeSecurityGroupEgress":
        "Removes outbound rules.",
        takes GroupId SecurityGroupRuleIds IpPermissions IpProtocol FromPort ToPort CidrIp SourceSecurityGroupName
        SourceSecurityGroupOwnerId
    );
    operation!(
        operations, describe_ingress_anew,
        UpdateSecurityGroupRuleDescriptionsIngressInput "UpdateSecurityGroupRuleDescriptionsIngress":
        "Changes what inbound rules say about themselves.",
        takes GroupId GroupName IpPermissions SecurityGroupRuleDescriptions
    );
    operation!(
        operations, describe_egress_anew,
        UpdateSecurityGroupRuleDescriptionsEgressInput "UpdateSecurityGroupRuleDescriptionsEgress":
        "Changes what outbound rules say about themselves.",
        takes GroupId GroupName IpPermissions SecurityGroupRuleDescriptions
    );
    operation!(operations, modify, ModifySecurityGroupRulesInput "ModifySecurityGroupRules":
        "Replaces rules by identifier.",
        takes GroupId SecurityGroupRules
    );
    operation!(operations, describe, DescribeSecurityGroupRulesInput "DescribeSecurityGroupRules":
        "Lists single rules.",
        takes SecurityGroupRuleIds Filters MaxResults NextToken
    );
}
