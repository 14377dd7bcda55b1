//! Roles, with their inline and attached policies; service-linked roles.

use serde::{Deserialize, Serialize};

use super::attached::check_attachable;
use super::{
    Attached, Tags, check_document, check_name, check_path, check_trust, conflict, encoded, exists, model, no_such,
    page, page_of_tags, shown_tags, tags_of,
};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Of AWS: the longest session of a role that nobody chose one for, in seconds.
const DEFAULT_SESSION_SECS: i64 = 3600;

/// Services and the names of their roles. Source: IAM User Guide, "AWS services that work with IAM", and each service's own.
const LINKED: [(&str, &str); 4] = [
    ("autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling"),
    ("spot.amazonaws.com", "AWSServiceRoleForEC2Spot"),
    ("elasticloadbalancing.amazonaws.com", "AWSServiceRoleForElasticLoadBalancing"),
    ("ec2.amazonaws.com", "AWSServiceRoleForEC2"),
];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Role {
    pub id: String,
    pub max_session_secs: i64,
    pub path: String,
    created: Timestamp,
    trust: String,
    description: Option<String>,
    tags: Tags,
    pub policies: Attached,
    /// The ARN of the policy that bounds its permissions.
    pub boundary: Option<String>,
}

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "CreateRole",
        "Creates a role; its trust policy is kept and not evaluated.",
        &[
            "Path",
            "RoleName",
            "AssumeRolePolicyDocument",
            "Description",
            "MaxSessionDuration",
            "PermissionsBoundary",
            "Tags",
        ],
        create_role,
    );
    operations.on("GetRole", "Describes a role.", &["RoleName"], get_role);
    operations.on("ListRoles", "Lists roles by path.", &["PathPrefix", "Marker", "MaxItems"], list_roles);
    operations.on("DeleteRole", "Deletes a role without policies and instance profiles.", &["RoleName"], delete_role);
    operations.on(
        "UpdateAssumeRolePolicy",
        "Replaces a role's trust policy.",
        &["RoleName", "PolicyDocument"],
        update_assume_role_policy,
    );
    operations.on(
        "UpdateRole",
        "Changes a role's description and its longest session, which is an hour if not given.",
        &["RoleName", "Description", "MaxSessionDuration"],
        update_role,
    );
    operations.on(
        "UpdateRoleDescription",
        "Changes a role's description.",
        &["RoleName", "Description"],
        update_role_description,
    );
    operations.on(
        "PutRolePermissionsBoundary",
        "Bounds a role's permissions; it has no effect.",
        &["RoleName", "PermissionsBoundary"],
        put_role_permissions_boundary,
    );
    operations.on(
        "DeleteRolePermissionsBoundary",
        "Takes a role's boundary away.",
        &["RoleName"],
        delete_role_permissions_boundary,
    );
    operations.on(
        "CreateServiceLinkedRole",
        "Creates the role of a service: Auto Scaling, Spot, ELB or EC2.",
        &["AWSServiceName", "Description", "CustomSuffix"],
        create_service_linked_role,
    );
    operations.on(
        "DeleteServiceLinkedRole",
        "Deletes the role of a service.",
        &["RoleName"],
        delete_service_linked_role,
    );
    operations.on(
        "GetServiceLinkedRoleDeletionStatus",
        "Says that the role of a service is deleted.",
        &["DeletionTaskId"],
        get_service_linked_role_deletion_status,
    );
    operations.on("TagRole", "Sets tags of a role.", &["RoleName", "Tags"], tag_role);
    operations.on("UntagRole", "Removes tags of a role.", &["RoleName", "TagKeys"], untag_role);
    operations.on("ListRoleTags", "Lists tags of a role.", &["RoleName", "Marker", "MaxItems"], list_role_tags);
    register_policies(operations);
}

fn register_policies(operations: &mut Operations) {
    operations.on(
        "PutRolePolicy",
        "Keeps a policy in a role; it has no effect.",
        &["RoleName", "PolicyName", "PolicyDocument"],
        put_role_policy,
    );
    operations.on("GetRolePolicy", "Returns a policy of a role.", &["RoleName", "PolicyName"], get_role_policy);
    operations.on("DeleteRolePolicy", "Deletes a policy of a role.", &["RoleName", "PolicyName"], delete_role_policy);
    operations.on(
        "ListRolePolicies",
        "Lists the policies in a role.",
        &["RoleName", "Marker", "MaxItems"],
        list_role_policies,
    );
    operations.on(
        "AttachRolePolicy",
        "Attaches a managed policy to a role; it has no effect.",
        &["RoleName", "PolicyArn"],
        attach_role_policy,
    );
    operations.on(
        "DetachRolePolicy",
        "Detaches a managed policy from a role.",
        &["RoleName", "PolicyArn"],
        detach_role_policy,
    );
    operations.on(
        "ListAttachedRolePolicies",
        "Lists the managed policies of a role.",
        &["RoleName", "PathPrefix", "Marker", "MaxItems"],
        list_attached_role_policies,
    );
}

/// A role as an instance profile shows it, which is less than the role itself does (recorded).
pub(super) fn shown(region: &Region, name: &str, role: &Role) -> model::Role {
    model::Role {
        path: Some(role.path.clone()),
        role_name: Some(name.to_string()),
        role_id: Some(role.id.clone()),
        arn: Some(region.iam.arn(&format!("role{}{name}", role.path))),
        create_date: Some(role.created),
        assume_role_policy_document: Some(encoded(&role.trust)),
        description: role.description.clone(),
        ..Default::default()
    }
}

fn role<'a>(region: &'a mut Region, name: &str) -> Result<&'a mut Role, Refusal> {
    region.iam.roles.get_mut(name).ok_or_else(|| no_such("role", name))
}

fn with_tags(region: &Region, name: &str, role: &Role) -> model::Role {
    let tags = (!role.tags.is_empty()).then(|| shown_tags(&role.tags));
    let permissions_boundary = role.boundary.clone().map(|arn| model::AttachedPermissionsBoundary {
        permissions_boundary_type: Some("Policy".into()),
        permissions_boundary_arn: Some(arn),
    });
    model::Role { tags, permissions_boundary, ..shown(region, name, role) }
}

fn insert(region: &mut Region, name: String, role: Role) -> Result<model::Role, Refusal> {
    if region.iam.roles.contains_key(&name) {
        return Err(exists("Role", &name));
    }
    let output = with_tags(region, &name, &role);
    region.iam.roles.insert(name, role);
    Ok(output)
}

fn create_role(
    region: &mut Region,
    call: &Call,
    input: model::CreateRoleInput,
) -> Result<model::CreateRoleOutput, Refusal> {
    let (name, trust) = (input.role_name.unwrap_or_default(), input.assume_role_policy_document.unwrap_or_default());
    check_name("roleName", &name)?;
    check_trust(&trust)?;
    // Terraform's provider sends an empty boundary where there is none.
    let boundary = input.permissions_boundary.filter(|arn| !arn.is_empty());
    boundary.as_deref().map_or(Ok(()), |arn| check_attachable(region, arn))?;
    let role = Role {
        id: region.iam.unique_id("AROA"),
        max_session_secs: input.max_session_duration.unwrap_or(DEFAULT_SESSION_SECS),
        path: check_path(input.path)?,
        created: call.now,
        trust,
        description: input.description,
        tags: tags_of(input.tags)?,
        policies: Attached::default(),
        boundary,
    };
    // AWS does not tell the duration that it assumes (recorded).
    let created = model::Role { max_session_duration: input.max_session_duration, ..insert(region, name, role)? };
    Ok(model::CreateRoleOutput { role: Some(created) })
}

fn get_role(region: &mut Region, _: &Call, input: model::GetRoleInput) -> Result<model::GetRoleOutput, Refusal> {
    let name = input.role_name.unwrap_or_default();
    let role = role(region, &name)?.clone();
    let found = model::Role {
        max_session_duration: Some(role.max_session_secs),
        role_last_used: Some(model::RoleLastUsed::default()),
        ..with_tags(region, &name, &role)
    };
    Ok(model::GetRoleOutput { role: Some(found) })
}

fn list_roles(region: &mut Region, _: &Call, input: model::ListRolesInput) -> Result<model::ListRolesOutput, Refusal> {
    let prefix = input.path_prefix.unwrap_or_else(|| "/".into());
    let found = region.iam.roles.iter().filter(|(_, role)| role.path.starts_with(&prefix));
    let found = found.map(|(name, role)| {
        let max_session_duration = Some(role.max_session_secs);
        (name.clone(), model::Role { max_session_duration, ..shown(region, name, role) })
    });
    let page = page(found, input.max_items, input.marker)?;
    Ok(model::ListRolesOutput { roles: Some(page.items), is_truncated: Some(page.truncated), marker: page.marker })
}

fn delete_role(
    region: &mut Region,
    _: &Call,
    input: model::DeleteRoleInput,
) -> Result<model::DeleteRoleOutput, Refusal> {
    let name = input.role_name.unwrap_or_default();
    let policies = role(region, &name)?.policies.clone();
    if region.iam.profiles.values().any(|profile| profile.role.as_ref() == Some(&name)) {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    if !policies.managed.is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    if !policies.inline.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    region.iam.roles.remove(&name);
    Ok(model::DeleteRoleOutput {})
}

fn update_assume_role_policy(
    region: &mut Region,
    _: &Call,
    input: model::UpdateAssumeRolePolicyInput,
) -> Result<model::UpdateAssumeRolePolicyOutput, Refusal> {
    let trust = input.policy_document.unwrap_or_default();
    check_trust(&trust)?;
    role(region, &input.role_name.unwrap_or_default())?.trust = trust;
    Ok(model::UpdateAssumeRolePolicyOutput {})
}

/// A session that the request does not give goes back to an hour. Source: IAM API reference, UpdateRole.
fn update_role(
    region: &mut Region,
    _: &Call,
    input: model::UpdateRoleInput,
) -> Result<model::UpdateRoleOutput, Refusal> {
    let role = role(region, &input.role_name.unwrap_or_default())?;
    if let Some(description) = input.description {
        role.description = Some(description).filter(|text| !text.is_empty());
    }
    role.max_session_secs = input.max_session_duration.unwrap_or(DEFAULT_SESSION_SECS);
    Ok(model::UpdateRoleOutput {})
}

fn update_role_description(
    region: &mut Region,
    _: &Call,
    input: model::UpdateRoleDescriptionInput,
) -> Result<model::UpdateRoleDescriptionOutput, Refusal> {
    let name = input.role_name.unwrap_or_default();
    let found = role(region, &name)?;
    found.description = input.description.filter(|text| !text.is_empty());
    let found = found.clone();
    Ok(model::UpdateRoleDescriptionOutput { role: Some(with_tags(region, &name, &found)) })
}

fn put_role_permissions_boundary(
    region: &mut Region,
    _: &Call,
    input: model::PutRolePermissionsBoundaryInput,
) -> Result<model::PutRolePermissionsBoundaryOutput, Refusal> {
    let arn = input.permissions_boundary.unwrap_or_default();
    check_attachable(region, &arn)?;
    role(region, &input.role_name.unwrap_or_default())?.boundary = Some(arn);
    Ok(model::PutRolePermissionsBoundaryOutput {})
}

fn delete_role_permissions_boundary(
    region: &mut Region,
    _: &Call,
    input: model::DeleteRolePermissionsBoundaryInput,
) -> Result<model::DeleteRolePermissionsBoundaryOutput, Refusal> {
    role(region, &input.role_name.unwrap_or_default())?.boundary = None;
    Ok(model::DeleteRolePermissionsBoundaryOutput {})
}

fn create_service_linked_role(
    region: &mut Region,
    call: &Call,
    input: model::CreateServiceLinkedRoleInput,
) -> Result<model::CreateServiceLinkedRoleOutput, Refusal> {
    let service = input.aws_service_name.unwrap_or_default();
    let Some((_, name)) = LINKED.iter().find(|(known, _)| *known == service) else {
        let text = format!("The service-linked role of {service} is not reproduced by scaleproof's sandbox");
        return Err(Refusal::new("InvalidInput", 400, text));
    };
    let name = input.custom_suffix.map_or_else(|| (*name).to_string(), |suffix| format!("{name}_{suffix}"));
    if region.iam.roles.contains_key(&name) {
        let text = format!("Service role name {name} has been taken in this account, please try a different suffix.");
        return Err(Refusal::new("InvalidInput", 400, text));
    }
    let trust = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": [service]}, "Action": ["sts:AssumeRole"]}],
    });
    let role = Role {
        id: region.iam.unique_id("AROA"),
        max_session_secs: DEFAULT_SESSION_SECS,
        path: format!("/aws-service-role/{service}/"),
        created: call.now,
        trust: trust.to_string(),
        description: input.description,
        tags: Tags::new(),
        policies: Attached::default(),
        boundary: None,
    };
    Ok(model::CreateServiceLinkedRoleOutput { role: Some(insert(region, name, role)?) })
}

fn delete_service_linked_role(
    region: &mut Region,
    _: &Call,
    input: model::DeleteServiceLinkedRoleInput,
) -> Result<model::DeleteServiceLinkedRoleOutput, Refusal> {
    let name = input.role_name.unwrap_or_default();
    let path = role(region, &name)?.path.clone();
    region.iam.roles.remove(&name);
    let task = format!("task{path}{name}/{}", region.iam.ids.uuid());
    Ok(model::DeleteServiceLinkedRoleOutput { deletion_task_id: Some(task) })
}

fn get_service_linked_role_deletion_status(
    _: &mut Region,
    _: &Call,
    input: model::GetServiceLinkedRoleDeletionStatusInput,
) -> Result<model::GetServiceLinkedRoleDeletionStatusOutput, Refusal> {
    let task = input.deletion_task_id.unwrap_or_default();
    if !task.starts_with("task/aws-service-role/") {
        return Err(Refusal::new("NoSuchEntity", 404, format!("The deletion task {task} cannot be found.")));
    }
    Ok(model::GetServiceLinkedRoleDeletionStatusOutput { status: Some("SUCCEEDED".into()), reason: None })
}

fn tag_role(region: &mut Region, _: &Call, input: model::TagRoleInput) -> Result<model::TagRoleOutput, Refusal> {
    let tags = tags_of(input.tags)?;
    role(region, &input.role_name.unwrap_or_default())?.tags.extend(tags);
    Ok(model::TagRoleOutput {})
}

fn untag_role(region: &mut Region, _: &Call, input: model::UntagRoleInput) -> Result<model::UntagRoleOutput, Refusal> {
    let keys = input.tag_keys.unwrap_or_default();
    role(region, &input.role_name.unwrap_or_default())?.tags.retain(|key, _| !keys.contains(key));
    Ok(model::UntagRoleOutput {})
}

fn list_role_tags(
    region: &mut Region,
    _: &Call,
    input: model::ListRoleTagsInput,
) -> Result<model::ListRoleTagsOutput, Refusal> {
    let tags = &role(region, &input.role_name.unwrap_or_default())?.tags;
    let page = page_of_tags(tags, input.max_items, input.marker)?;
    Ok(model::ListRoleTagsOutput { tags: Some(page.items), is_truncated: Some(page.truncated), marker: page.marker })
}

fn put_role_policy(
    region: &mut Region,
    _: &Call,
    input: model::PutRolePolicyInput,
) -> Result<model::PutRolePolicyOutput, Refusal> {
    let (name, document) = (input.policy_name.unwrap_or_default(), input.policy_document.unwrap_or_default());
    check_name("policyName", &name)?;
    check_document(&document)?;
    role(region, &input.role_name.unwrap_or_default())?.policies.inline.insert(name, document);
    Ok(model::PutRolePolicyOutput {})
}

fn get_role_policy(
    region: &mut Region,
    _: &Call,
    input: model::GetRolePolicyInput,
) -> Result<model::GetRolePolicyOutput, Refusal> {
    let (role_name, name) = (input.role_name.unwrap_or_default(), input.policy_name.unwrap_or_default());
    let document = role(region, &role_name)?.policies.inline.get(&name).map(|text| encoded(text));
    let document = document.ok_or_else(|| no_such("role policy", &name))?;
    let (role_name, policy_name) = (Some(role_name), Some(name));
    Ok(model::GetRolePolicyOutput { role_name, policy_name, policy_document: Some(document) })
}

fn delete_role_policy(
    region: &mut Region,
    _: &Call,
    input: model::DeleteRolePolicyInput,
) -> Result<model::DeleteRolePolicyOutput, Refusal> {
    let name = input.policy_name.unwrap_or_default();
    let role = role(region, &input.role_name.unwrap_or_default())?;
    role.policies.inline.remove(&name).ok_or_else(|| no_such("role policy", &name))?;
    Ok(model::DeleteRolePolicyOutput {})
}

fn list_role_policies(
    region: &mut Region,
    _: &Call,
    input: model::ListRolePoliciesInput,
) -> Result<model::ListRolePoliciesOutput, Refusal> {
    let names = role(region, &input.role_name.unwrap_or_default())?.policies.inline.keys();
    let page = page(names.map(|name| (name.clone(), name.clone())), input.max_items, input.marker)?;
    Ok(model::ListRolePoliciesOutput {
        policy_names: Some(page.items),
        is_truncated: Some(page.truncated),
        marker: page.marker,
    })
}

fn attach_role_policy(
    region: &mut Region,
    _: &Call,
    input: model::AttachRolePolicyInput,
) -> Result<model::AttachRolePolicyOutput, Refusal> {
    let arn = input.policy_arn.unwrap_or_default();
    check_attachable(region, &arn)?;
    role(region, &input.role_name.unwrap_or_default())?.policies.attach(arn);
    Ok(model::AttachRolePolicyOutput {})
}

fn detach_role_policy(
    region: &mut Region,
    _: &Call,
    input: model::DetachRolePolicyInput,
) -> Result<model::DetachRolePolicyOutput, Refusal> {
    let arn = input.policy_arn.unwrap_or_default();
    role(region, &input.role_name.unwrap_or_default())?.policies.detach(&arn)?;
    Ok(model::DetachRolePolicyOutput {})
}

fn list_attached_role_policies(
    region: &mut Region,
    _: &Call,
    input: model::ListAttachedRolePoliciesInput,
) -> Result<model::ListAttachedRolePoliciesOutput, Refusal> {
    let policies = &role(region, &input.role_name.unwrap_or_default())?.policies;
    let page = policies.listed(input.path_prefix, input.max_items, input.marker)?;
    Ok(model::ListAttachedRolePoliciesOutput {
        attached_policies: Some(page.items),
        is_truncated: Some(page.truncated),
        marker: page.marker,
    })
}
