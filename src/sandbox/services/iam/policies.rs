//! Managed policies of the account's own, with their versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Tags, check_document, check_name, check_path, conflict, encoded, model, no_match, page, shown_tags, tags_of,
};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Of AWS: versions of one policy.
const MAX_VERSIONS: usize = 5;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Policy {
    id: String,
    name: String,
    path: String,
    created: Timestamp,
    updated: Timestamp,
    /// By number. A number is never given again.
    versions: BTreeMap<u32, Version>,
    default: u32,
    last: u32,
    description: Option<String>,
    tags: Tags,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Version {
    created: Timestamp,
    document: String,
}

impl Policy {
    fn add_version(&mut self, now: Timestamp, document: String, default: bool) -> u32 {
        self.last += 1;
        self.updated = now;
        self.versions.insert(self.last, Version { created: now, document });
        if default {
            self.default = self.last;
        }
        self.last
    }

    fn version(&self, number: u32) -> Option<model::PolicyVersion> {
        let version = self.versions.get(&number)?;
        Some(model::PolicyVersion {
            document: Some(encoded(&version.document)),
            version_id: Some(format!("v{number}")),
            is_default_version: Some(number == self.default),
            create_date: Some(version.created),
        })
    }
}

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "CreatePolicy",
        "Creates a managed policy; it has no effect.",
        &["PolicyName", "Path", "PolicyDocument", "Description", "Tags"],
        create_policy,
    );
    operations.on("GetPolicy", "Describes a managed policy of the account.", &["PolicyArn"], get_policy);
    operations.on(
        "ListPolicies",
        "Lists managed policies of the account; those of AWS are not listed.",
        &["Scope", "OnlyAttached", "PathPrefix", "PolicyUsageFilter", "Marker", "MaxItems"],
        list_policies,
    );
    operations.on(
        "DeletePolicy",
        "Deletes a managed policy that is attached to nothing and has one version.",
        &["PolicyArn"],
        delete_policy,
    );
    operations.on(
        "ListEntitiesForPolicy",
        "Lists the roles and users that a managed policy is attached to.",
        &["PolicyArn", "EntityFilter", "PathPrefix", "PolicyUsageFilter", "Marker", "MaxItems"],
        list_entities_for_policy,
    );
    operations.on("TagPolicy", "Sets tags of a managed policy.", &["PolicyArn", "Tags"], tag_policy);
    operations.on("UntagPolicy", "Removes tags of a managed policy.", &["PolicyArn", "TagKeys"], untag_policy);
    operations.on(
        "ListPolicyTags",
        "Lists tags of a managed policy.",
        &["PolicyArn", "Marker", "MaxItems"],
        list_policy_tags,
    );
    register_versions(operations);
}

fn register_versions(operations: &mut Operations) {
    operations.on(
        "CreatePolicyVersion",
        "Adds a version to a managed policy, up to five.",
        &["PolicyArn", "PolicyDocument", "SetAsDefault"],
        create_policy_version,
    );
    operations.on(
        "GetPolicyVersion",
        "Returns the document of a managed policy.",
        &["PolicyArn", "VersionId"],
        get_policy_version,
    );
    operations.on(
        "ListPolicyVersions",
        "Lists the versions of a managed policy, newest first.",
        &["PolicyArn", "Marker", "MaxItems"],
        list_policy_versions,
    );
    operations.on(
        "SetDefaultPolicyVersion",
        "Makes a version the one in force.",
        &["PolicyArn", "VersionId"],
        set_default_policy_version,
    );
    operations.on(
        "DeletePolicyVersion",
        "Deletes a version that is not in force.",
        &["PolicyArn", "VersionId"],
        delete_policy_version,
    );
}

fn attachments(region: &Region, arn: &String) -> usize {
    let roles = region.iam.roles.values().filter(|role| role.policies.managed.contains(arn)).count();
    roles + region.iam.users.values().filter(|user| user.policies.managed.contains(arn)).count()
}

fn boundaries(region: &Region, arn: &String) -> usize {
    region.iam.roles.values().filter(|role| role.boundary.as_ref() == Some(arn)).count()
}

fn shown(region: &Region, arn: &String, policy: &Policy) -> model::Policy {
    model::Policy {
        policy_name: Some(policy.name.clone()),
        policy_id: Some(policy.id.clone()),
        arn: Some(arn.clone()),
        path: Some(policy.path.clone()),
        default_version_id: Some(format!("v{}", policy.default)),
        attachment_count: Some(attachments(region, arn) as i64),
        permissions_boundary_usage_count: Some(boundaries(region, arn) as i64),
        is_attachable: Some(true),
        description: policy.description.clone(),
        create_date: Some(policy.created),
        update_date: Some(policy.updated),
        tags: Some(shown_tags(&policy.tags)),
    }
}

fn no_policy(arn: &str) -> Refusal {
    Refusal::new("NoSuchEntity", 404, format!("Policy {arn} was not found."))
}

fn policy<'a>(region: &'a Region, arn: &str) -> Result<&'a Policy, Refusal> {
    region.iam.policies.get(arn).ok_or_else(|| no_policy(arn))
}

fn policy_mut<'a>(region: &'a mut Region, arn: &str) -> Result<&'a mut Policy, Refusal> {
    region.iam.policies.get_mut(arn).ok_or_else(|| no_policy(arn))
}

fn create_policy(
    region: &mut Region,
    call: &Call,
    input: model::CreatePolicyInput,
) -> Result<model::CreatePolicyOutput, Refusal> {
    let (name, document) = (input.policy_name.unwrap_or_default(), input.policy_document.unwrap_or_default());
    check_name("policyName", &name)?;
    check_policy(&document)?;
    let path = check_path(input.path)?;
    if region.iam.policies.values().any(|policy| policy.name == name) {
        let text = format!("A policy called {name} already exists. Duplicate names are not allowed.");
        return Err(Refusal::new("EntityAlreadyExists", 409, text));
    }
    let arn = region.iam.arn(&format!("policy{path}{name}"));
    let mut policy = Policy {
        id: region.iam.unique_id("ANPA"),
        name,
        path,
        created: call.now,
        updated: call.now,
        versions: BTreeMap::new(),
        default: 0,
        last: 0,
        description: input.description,
        tags: tags_of(input.tags)?,
    };
    policy.add_version(call.now, document, true);
    let tags = (!policy.tags.is_empty()).then(|| shown_tags(&policy.tags));
    let created = model::Policy { tags, ..shown(region, &arn, &policy) };
    let output = model::CreatePolicyOutput { policy: Some(created) };
    region.iam.policies.insert(arn, policy);
    Ok(output)
}

/// # Errors
/// `MalformedPolicyDocument`: as any, or with a statement that says not what it allows or denies, or on what.
fn check_policy(text: &str) -> Result<(), Refusal> {
    check_document(text)?;
    let document: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let refused = |text: &str| Err(Refusal::new("MalformedPolicyDocument", 400, text));
    for statement in super::each(&document["Statement"]) {
        let has = |names: [&str; 2]| names.iter().any(|name| statement.get(name).is_some());
        if !has(["Action", "NotAction"]) {
            return refused("Policy statement must contain actions.");
        }
        if !has(["Resource", "NotResource"]) {
            return refused("Policy statement must contain resources.");
        }
        if has(["Principal", "NotPrincipal"]) {
            return refused("Policy document should not specify a principal.");
        }
    }
    Ok(())
}

fn get_policy(region: &mut Region, _: &Call, input: model::GetPolicyInput) -> Result<model::GetPolicyOutput, Refusal> {
    let arn = input.policy_arn.unwrap_or_default();
    Ok(model::GetPolicyOutput { policy: Some(shown(region, &arn, policy(region, &arn)?)) })
}

fn list_policies(
    region: &mut Region,
    _: &Call,
    input: model::ListPoliciesInput,
) -> Result<model::ListPoliciesOutput, Refusal> {
    let prefix = input.path_prefix.unwrap_or_else(|| "/".into());
    let of_aws = input.scope.as_deref() == Some("AWS");
    let only_attached = input.only_attached.unwrap_or(false);
    let as_boundary = input.policy_usage_filter.as_deref() == Some("PermissionsBoundary");
    let used = |arn: &String| match as_boundary {
        true => boundaries(region, arn) > 0,
        false => !only_attached || attachments(region, arn) > 0,
    };
    let found =
        region.iam.policies.iter().filter(|(arn, policy)| !of_aws && policy.path.starts_with(&prefix) && used(arn));
    let found = found.map(|(arn, policy)| {
        (arn.clone(), model::Policy { tags: None, description: None, ..shown(region, arn, policy) })
    });
    let page = page(found, input.max_items, input.marker)?;
    Ok(model::ListPoliciesOutput {
        policies: Some(page.items),
        is_truncated: Some(page.truncated),
        marker: page.marker,
    })
}

/// The number of a version's name.
///
/// # Errors
/// `ValidationError` if it is no such name.
fn number_of(asked: &str) -> Result<u32, Refusal> {
    if !is_version(asked) {
        return Err(no_match("versionId", r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?"));
    }
    Ok(asked.trim_start_matches('v').parse().unwrap_or_default())
}

fn is_version(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('v') else { return false };
    let (number, suffix) = rest.split_once('.').unwrap_or((rest, ""));
    let digits = !number.is_empty() && !number.starts_with('0') && number.bytes().all(|b| b.is_ascii_digit());
    digits && suffix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn no_version(arn: &str, asked: &str) -> Refusal {
    Refusal::new("NoSuchEntity", 404, format!("Policy {arn} version {asked} does not exist or is not attachable."))
}

fn create_policy_version(
    region: &mut Region,
    call: &Call,
    input: model::CreatePolicyVersionInput,
) -> Result<model::CreatePolicyVersionOutput, Refusal> {
    let document = input.policy_document.unwrap_or_default();
    check_policy(&document)?;
    let policy = policy_mut(region, &input.policy_arn.unwrap_or_default())?;
    if policy.versions.len() >= MAX_VERSIONS {
        let text = "A managed policy can have up to 5 versions. Before you create a new version, you must delete an \
                    existing version.";
        return Err(Refusal::new("LimitExceeded", 409, text));
    }
    let number = policy.add_version(call.now, document, input.set_as_default.unwrap_or(false));
    let created = policy.version(number).map(|version| model::PolicyVersion { document: None, ..version });
    Ok(model::CreatePolicyVersionOutput { policy_version: created })
}

fn get_policy_version(
    region: &mut Region,
    _: &Call,
    input: model::GetPolicyVersionInput,
) -> Result<model::GetPolicyVersionOutput, Refusal> {
    let (arn, asked) = (input.policy_arn.unwrap_or_default(), input.version_id.unwrap_or_default());
    let number = number_of(&asked)?;
    let found = policy(region, &arn)?.version(number).ok_or_else(|| no_version(&arn, &asked))?;
    Ok(model::GetPolicyVersionOutput { policy_version: Some(found) })
}

fn list_policy_versions(
    region: &mut Region,
    _: &Call,
    input: model::ListPolicyVersionsInput,
) -> Result<model::ListPolicyVersionsOutput, Refusal> {
    let policy = policy(region, &input.policy_arn.unwrap_or_default())?;
    let newest_first = policy.versions.keys().rev().filter_map(|number| {
        let version = model::PolicyVersion { document: None, ..policy.version(*number)? };
        // Markers are in the order of the list.
        Some((format!("{:010}", u32::MAX - number), version))
    });
    let page = page(newest_first, input.max_items, input.marker)?;
    Ok(model::ListPolicyVersionsOutput {
        versions: Some(page.items),
        is_truncated: Some(page.truncated),
        marker: page.marker,
    })
}

fn set_default_policy_version(
    region: &mut Region,
    call: &Call,
    input: model::SetDefaultPolicyVersionInput,
) -> Result<model::SetDefaultPolicyVersionOutput, Refusal> {
    let (arn, asked) = (input.policy_arn.unwrap_or_default(), input.version_id.unwrap_or_default());
    let number = number_of(&asked)?;
    let policy = policy_mut(region, &arn)?;
    if !policy.versions.contains_key(&number) {
        return Err(no_version(&arn, &asked));
    }
    (policy.default, policy.updated) = (number, call.now);
    Ok(model::SetDefaultPolicyVersionOutput {})
}

fn delete_policy_version(
    region: &mut Region,
    call: &Call,
    input: model::DeletePolicyVersionInput,
) -> Result<model::DeletePolicyVersionOutput, Refusal> {
    let (arn, asked) = (input.policy_arn.unwrap_or_default(), input.version_id.unwrap_or_default());
    let number = number_of(&asked)?;
    let policy = policy_mut(region, &arn)?;
    if policy.default == number {
        return Err(conflict("Cannot delete the default version of a policy."));
    }
    policy.versions.remove(&number).ok_or_else(|| no_version(&arn, &asked))?;
    policy.updated = call.now;
    Ok(model::DeletePolicyVersionOutput {})
}

fn delete_policy(
    region: &mut Region,
    _: &Call,
    input: model::DeletePolicyInput,
) -> Result<model::DeletePolicyOutput, Refusal> {
    let arn = input.policy_arn.unwrap_or_default();
    let versions = policy(region, &arn)?.versions.len();
    if attachments(region, &arn) + boundaries(region, &arn) > 0 {
        return Err(conflict("Cannot delete a policy attached to entities."));
    }
    if versions > 1 {
        let text = "This policy has more than one version. Before you delete a policy, you must delete the policy's \
                    versions. The default version is deleted with the policy.";
        return Err(conflict(text));
    }
    region.iam.policies.remove(&arn);
    Ok(model::DeletePolicyOutput {})
}

fn list_entities_for_policy(
    region: &mut Region,
    _: &Call,
    input: model::ListEntitiesForPolicyInput,
) -> Result<model::ListEntitiesForPolicyOutput, Refusal> {
    let arn = input.policy_arn.unwrap_or_default();
    if !arn.contains(":iam::aws:policy/") {
        policy(region, &arn)?;
    }
    let prefix = input.path_prefix.unwrap_or_else(|| "/".into());
    let wanted = |kind: &str| input.entity_filter.as_deref().is_none_or(|filter| filter == kind);
    let as_boundary = input.policy_usage_filter.as_deref() == Some("PermissionsBoundary");
    let roles = region.iam.roles.iter().filter(|(_, role)| {
        let uses =
            if as_boundary { role.boundary.as_ref() == Some(&arn) } else { role.policies.managed.contains(&arn) };
        wanted("Role") && uses && role.path.starts_with(&prefix)
    });
    let users = region.iam.users.iter().filter(|(_, user)| {
        wanted("User") && !as_boundary && user.policies.managed.contains(&arn) && user.full.starts_with(&prefix)
    });
    // A page has users and roles together, one after the other.
    let users = users.map(|(name, user)| (format!("user {name}"), (true, (name, &user.id))));
    let roles = roles.map(|(name, role)| (format!("role {name}"), (false, (name, &role.id))));
    let page = page(roles.chain(users), input.max_items, input.marker)?;
    let (of_users, of_roles): (Vec<_>, Vec<_>) = page.items.into_iter().partition(|(is_user, _)| *is_user);
    let user = |(_, (name, id)): (bool, (&String, &String))| model::PolicyUser {
        user_name: Some(name.clone()),
        user_id: Some(id.clone()),
    };
    let role = |(_, (name, id)): (bool, (&String, &String))| model::PolicyRole {
        role_name: Some(name.clone()),
        role_id: Some(id.clone()),
    };
    Ok(model::ListEntitiesForPolicyOutput {
        policy_groups: Some(Vec::new()),
        policy_users: Some(of_users.into_iter().map(user).collect()),
        policy_roles: Some(of_roles.into_iter().map(role).collect()),
        is_truncated: Some(page.truncated),
        marker: page.marker,
    })
}

fn tag_policy(region: &mut Region, _: &Call, input: model::TagPolicyInput) -> Result<model::TagPolicyOutput, Refusal> {
    let tags = tags_of(input.tags)?;
    policy_mut(region, &input.policy_arn.unwrap_or_default())?.tags.extend(tags);
    Ok(model::TagPolicyOutput {})
}

fn untag_policy(
    region: &mut Region,
    _: &Call,
    input: model::UntagPolicyInput,
) -> Result<model::UntagPolicyOutput, Refusal> {
    let keys = input.tag_keys.unwrap_or_default();
    policy_mut(region, &input.policy_arn.unwrap_or_default())?.tags.retain(|key, _| !keys.contains(key));
    Ok(model::UntagPolicyOutput {})
}

fn list_policy_tags(
    region: &mut Region,
    _: &Call,
    input: model::ListPolicyTagsInput,
) -> Result<model::ListPolicyTagsOutput, Refusal> {
    let tags = policy(region, &input.policy_arn.unwrap_or_default())?.tags.clone();
    let page = super::page_of_tags(&tags, input.max_items, input.marker)?;
    Ok(model::ListPolicyTagsOutput { tags: Some(page.items), is_truncated: Some(page.truncated), marker: page.marker })
}
