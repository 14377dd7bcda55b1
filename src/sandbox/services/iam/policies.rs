//! Managed policies of the account's own, each with one version.

use serde::{Deserialize, Serialize};

use super::{
    Tags, check_document, check_name, check_path, conflict, encoded, model, no_match, page, shown_tags, tags_of,
};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

const ONLY_VERSION: &str = "v1";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Policy {
    id: String,
    name: String,
    path: String,
    created: Timestamp,
    document: String,
    description: Option<String>,
    tags: Tags,
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
        "GetPolicyVersion",
        "Returns the document of a managed policy.",
        &["PolicyArn", "VersionId"],
        get_policy_version,
    );
    operations.on(
        "ListPolicyVersions",
        "Lists the only version of a managed policy.",
        &["PolicyArn", "Marker", "MaxItems"],
        list_policy_versions,
    );
    operations.on(
        "DeletePolicy",
        "Deletes a managed policy that is attached to nothing.",
        &["PolicyArn"],
        delete_policy,
    );
}

fn attachments(region: &Region, arn: &String) -> usize {
    region.iam.roles.values().filter(|role| role.policies.managed.contains(arn)).count()
}

fn shown(region: &Region, arn: &String, policy: &Policy) -> model::Policy {
    model::Policy {
        policy_name: Some(policy.name.clone()),
        policy_id: Some(policy.id.clone()),
        arn: Some(arn.clone()),
        path: Some(policy.path.clone()),
        default_version_id: Some(ONLY_VERSION.into()),
        attachment_count: Some(attachments(region, arn) as i64),
        permissions_boundary_usage_count: Some(0),
        is_attachable: Some(true),
        description: policy.description.clone(),
        create_date: Some(policy.created),
        update_date: Some(policy.created),
        tags: Some(shown_tags(&policy.tags)),
    }
}

fn policy<'a>(region: &'a Region, arn: &str) -> Result<&'a Policy, Refusal> {
    let missing = || Refusal::new("NoSuchEntity", 404, format!("Policy {arn} was not found."));
    region.iam.policies.get(arn).ok_or_else(missing)
}

fn create_policy(
    region: &mut Region,
    call: &Call,
    input: model::CreatePolicyInput,
) -> Result<model::CreatePolicyOutput, Refusal> {
    let (name, document) = (input.policy_name.unwrap_or_default(), input.policy_document.unwrap_or_default());
    check_name("policyName", &name)?;
    check_document(&document)?;
    let path = check_path(input.path)?;
    if region.iam.policies.values().any(|policy| policy.name == name) {
        let text = format!("A policy called {name} already exists. Duplicate names are not allowed.");
        return Err(Refusal::new("EntityAlreadyExists", 409, text));
    }
    let arn = region.iam.arn(&format!("policy{path}{name}"));
    let (id, tags, description) = (region.iam.unique_id("ANPA"), tags_of(input.tags)?, input.description);
    let policy = Policy { id, name, path, created: call.now, document, description, tags };
    let tags = (!policy.tags.is_empty()).then(|| shown_tags(&policy.tags));
    let created = model::Policy { tags, ..shown(region, &arn, &policy) };
    let output = model::CreatePolicyOutput { policy: Some(created) };
    region.iam.policies.insert(arn, policy);
    Ok(output)
}

fn get_policy(region: &mut Region, _: &Call, input: model::GetPolicyInput) -> Result<model::GetPolicyOutput, Refusal> {
    let arn = input.policy_arn.unwrap_or_default();
    Ok(model::GetPolicyOutput { policy: Some(shown(region, &arn, policy(region, &arn)?)) })
}

fn version(policy: &Policy, document: bool) -> model::PolicyVersion {
    model::PolicyVersion {
        document: document.then(|| encoded(&policy.document)),
        version_id: Some(ONLY_VERSION.into()),
        is_default_version: Some(true),
        create_date: Some(policy.created),
    }
}

fn get_policy_version(
    region: &mut Region,
    _: &Call,
    input: model::GetPolicyVersionInput,
) -> Result<model::GetPolicyVersionOutput, Refusal> {
    let (arn, asked) = (input.policy_arn.unwrap_or_default(), input.version_id.unwrap_or_default());
    if !is_version(&asked) {
        return Err(no_match("versionId", r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?"));
    }
    let policy = policy(region, &arn)?;
    if asked != ONLY_VERSION {
        let text = format!("Policy {arn} version {asked} does not exist or is not attachable.");
        return Err(Refusal::new("NoSuchEntity", 404, text));
    }
    Ok(model::GetPolicyVersionOutput { policy_version: Some(version(policy, true)) })
}

fn is_version(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('v') else { return false };
    let (number, suffix) = rest.split_once('.').unwrap_or((rest, ""));
    let digits = !number.is_empty() && !number.starts_with('0') && number.bytes().all(|b| b.is_ascii_digit());
    digits && suffix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn list_policy_versions(
    region: &mut Region,
    _: &Call,
    input: model::ListPolicyVersionsInput,
) -> Result<model::ListPolicyVersionsOutput, Refusal> {
    let only = version(policy(region, &input.policy_arn.unwrap_or_default())?, false);
    let page = page(std::iter::once((ONLY_VERSION.to_string(), only)), input.max_items, input.marker)?;
    Ok(model::ListPolicyVersionsOutput {
        versions: Some(page.items),
        is_truncated: Some(page.truncated),
        marker: page.marker,
    })
}

fn delete_policy(
    region: &mut Region,
    _: &Call,
    input: model::DeletePolicyInput,
) -> Result<model::DeletePolicyOutput, Refusal> {
    let arn = input.policy_arn.unwrap_or_default();
    policy(region, &arn)?;
    if attachments(region, &arn) > 0 {
        return Err(conflict("Cannot delete a policy attached to entities."));
    }
    region.iam.policies.remove(&arn);
    Ok(model::DeletePolicyOutput {})
}
