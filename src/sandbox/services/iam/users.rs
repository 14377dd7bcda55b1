//! Users and their access keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::attached::check_attachable;
use super::{
    Attached, Tags, check_document, check_name, check_path, conflict, encoded, exists, key_id, model, no_such, page,
    page_of_tags, secret, shown_tags, tags_of,
};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::sandbox::operations::{Call, IdentityKind, Operations};
use crate::sandbox::region::Region;

/// Of AWS: keys of one user.
const MAX_KEYS: usize = 2;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct User {
    pub id: String,
    /// Path and name: `/ops/ann`.
    pub full: String,
    created: Timestamp,
    tags: Tags,
    /// Access keys. Secrets are shown once and not kept: no signature is checked.
    pub keys: BTreeMap<String, Key>,
    pub policies: Attached,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Key {
    created: Timestamp,
    /// One that is not is kept, and no caller is known by it.
    pub active: bool,
}

impl Key {
    fn status(&self) -> String {
        if self.active { "Active".into() } else { "Inactive".into() }
    }
}

pub(super) fn register(operations: &mut Operations) {
    operations.on("CreateUser", "Creates a user, who may do everything.", &["Path", "UserName", "Tags"], create_user);
    operations.on("GetUser", "Describes a user, or the caller.", &["UserName"], get_user);
    operations.on("ListUsers", "Lists users by path.", &["PathPrefix", "Marker", "MaxItems"], list_users);
    operations.on("DeleteUser", "Deletes a user without keys.", &["UserName"], delete_user);
    operations.on(
        "CreateAccessKey",
        "Gives a user a key, by which the sandbox then knows the caller.",
        &["UserName"],
        create_access_key,
    );
    operations.on("ListAccessKeys", "Lists a user's keys.", &["UserName", "Marker", "MaxItems"], list_access_keys);
    operations.on(
        "UpdateAccessKey",
        "Makes a user's key active or not.",
        &["UserName", "AccessKeyId", "Status"],
        update_access_key,
    );
    operations.on(
        "UpdateUser",
        "Moves a user to another name or path.",
        &["UserName", "NewPath", "NewUserName"],
        update_user,
    );
    operations.on("TagUser", "Sets tags of a user.", &["UserName", "Tags"], tag_user);
    operations.on("UntagUser", "Removes tags of a user.", &["UserName", "TagKeys"], untag_user);
    operations.on("ListUserTags", "Lists tags of a user.", &["UserName", "Marker", "MaxItems"], list_user_tags);
    operations.on(
        "ListGroupsForUser",
        "Lists a user's groups: none.",
        &["UserName", "Marker", "MaxItems"],
        list_groups_for_user,
    );
    register_policies(operations);
    operations.on("DeleteAccessKey", "Deletes a user's key.", &["UserName", "AccessKeyId"], delete_access_key);
    operations.on(
        "ListAccountAliases",
        "Lists the account's aliases: none.",
        &["Marker", "MaxItems"],
        list_account_aliases,
    );
}

fn register_policies(operations: &mut Operations) {
    operations.on(
        "PutUserPolicy",
        "Keeps a policy in a user; it has no effect.",
        &["UserName", "PolicyName", "PolicyDocument"],
        put_user_policy,
    );
    operations.on("GetUserPolicy", "Returns a policy of a user.", &["UserName", "PolicyName"], get_user_policy);
    operations.on("DeleteUserPolicy", "Deletes a policy of a user.", &["UserName", "PolicyName"], delete_user_policy);
    operations.on(
        "ListUserPolicies",
        "Lists the policies in a user.",
        &["UserName", "Marker", "MaxItems"],
        list_user_policies,
    );
    operations.on(
        "AttachUserPolicy",
        "Attaches a managed policy to a user; it has no effect.",
        &["UserName", "PolicyArn"],
        attach_user_policy,
    );
    operations.on(
        "DetachUserPolicy",
        "Detaches a managed policy from a user.",
        &["UserName", "PolicyArn"],
        detach_user_policy,
    );
    operations.on(
        "ListAttachedUserPolicies",
        "Lists the managed policies of a user.",
        &["UserName", "PathPrefix", "Marker", "MaxItems"],
        list_attached_user_policies,
    );
}

fn shown(region: &Region, name: &str, user: &User) -> model::User {
    model::User {
        path: Some(user.full[..user.full.len() - name.len()].to_string()),
        user_name: Some(name.to_string()),
        user_id: Some(user.id.clone()),
        arn: Some(region.iam.arn(&format!("user{}", user.full))),
        create_date: Some(user.created),
        tags: (!user.tags.is_empty()).then(|| shown_tags(&user.tags)),
        ..Default::default()
    }
}

fn create_user(
    region: &mut Region,
    call: &Call,
    input: model::CreateUserInput,
) -> Result<model::CreateUserOutput, Refusal> {
    let name = input.user_name.unwrap_or_default();
    check_name("userName", &name)?;
    let path = check_path(input.path)?;
    if region.iam.users.contains_key(&name) {
        return Err(exists("User", &name));
    }
    let id = region.iam.unique_id("AIDA");
    let full = format!("{path}{name}");
    let user = User {
        id,
        full,
        created: call.now,
        tags: tags_of(input.tags)?,
        keys: BTreeMap::new(),
        policies: Attached::default(),
    };
    let output = model::CreateUserOutput { user: Some(shown(region, &name, &user)) };
    region.iam.users.insert(name, user);
    Ok(output)
}

/// The user that is named, or the caller.
fn named(call: &Call, name: Option<String>) -> Result<String, Refusal> {
    let own = match &call.caller.kind {
        IdentityKind::Known { service: "iam", resource, .. } => resource.rsplit('/').next().map(str::to_string),
        _ => None,
    };
    name.or(own).ok_or_else(|| Refusal::validation("Must specify userName when calling with non-User credentials"))
}

fn user<'a>(region: &'a mut Region, name: &str) -> Result<&'a mut User, Refusal> {
    region.iam.users.get_mut(name).ok_or_else(|| no_such("user", name))
}

fn get_user(region: &mut Region, call: &Call, input: model::GetUserInput) -> Result<model::GetUserOutput, Refusal> {
    let name = named(call, input.user_name)?;
    let user = user(region, &name)?.clone();
    Ok(model::GetUserOutput { user: Some(shown(region, &name, &user)) })
}

fn list_users(region: &mut Region, _: &Call, input: model::ListUsersInput) -> Result<model::ListUsersOutput, Refusal> {
    let prefix = input.path_prefix.unwrap_or_else(|| "/".into());
    let found = region.iam.users.iter().filter(|(_, user)| user.full.starts_with(&prefix));
    let found = found.map(|(name, user)| (name.clone(), model::User { tags: None, ..shown(region, name, user) }));
    let page = page(found, input.max_items, input.marker)?;
    Ok(model::ListUsersOutput { users: Some(page.items), is_truncated: Some(page.truncated), marker: page.marker })
}

fn delete_user(
    region: &mut Region,
    _: &Call,
    input: model::DeleteUserInput,
) -> Result<model::DeleteUserOutput, Refusal> {
    let name = input.user_name.unwrap_or_default();
    if !user(region, &name)?.keys.is_empty() {
        return Err(conflict("Cannot delete entity, must delete access keys first."));
    }
    let policies = &user(region, &name)?.policies;
    if !policies.managed.is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    if !policies.inline.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    region.iam.users.remove(&name);
    Ok(model::DeleteUserOutput {})
}

fn create_access_key(
    region: &mut Region,
    call: &Call,
    input: model::CreateAccessKeyInput,
) -> Result<model::CreateAccessKeyOutput, Refusal> {
    let name = named(call, input.user_name)?;
    if user(region, &name)?.keys.len() >= MAX_KEYS {
        let text = format!("Cannot exceed quota for AccessKeysPerUser: {MAX_KEYS}");
        return Err(Refusal::new("LimitExceeded", 409, text));
    }
    let (key, secret) = (key_id(&mut region.iam.ids, "AKIA"), secret(&mut region.iam.ids));
    user(region, &name)?.keys.insert(key.clone(), Key { created: call.now, active: true });
    let access_key = model::AccessKey {
        user_name: Some(name),
        access_key_id: Some(key),
        status: Some("Active".into()),
        secret_access_key: Some(secret),
        create_date: Some(call.now),
    };
    Ok(model::CreateAccessKeyOutput { access_key: Some(access_key) })
}

fn list_access_keys(
    region: &mut Region,
    call: &Call,
    input: model::ListAccessKeysInput,
) -> Result<model::ListAccessKeysOutput, Refusal> {
    let name = named(call, input.user_name)?;
    let keys = user(region, &name)?.keys.clone();
    let shown = keys.into_iter().map(|(key, found)| {
        let metadata = model::AccessKeyMetadata {
            user_name: Some(name.clone()),
            access_key_id: Some(key.clone()),
            status: Some(found.status()),
            create_date: Some(found.created),
        };
        (key, metadata)
    });
    let page = page(shown, input.max_items, input.marker)?;
    Ok(model::ListAccessKeysOutput {
        access_key_metadata: Some(page.items),
        is_truncated: Some(page.truncated),
        marker: page.marker,
    })
}

fn delete_access_key(
    region: &mut Region,
    call: &Call,
    input: model::DeleteAccessKeyInput,
) -> Result<model::DeleteAccessKeyOutput, Refusal> {
    let name = named(call, input.user_name)?;
    let key = input.access_key_id.unwrap_or_default();
    let missing = || Refusal::new("NoSuchEntity", 404, format!("The Access Key with id {key} cannot be found."));
    user(region, &name)?.keys.remove(&key).ok_or_else(missing)?;
    Ok(model::DeleteAccessKeyOutput {})
}

fn list_account_aliases(
    _: &mut Region,
    _: &Call,
    _: model::ListAccountAliasesInput,
) -> Result<model::ListAccountAliasesOutput, Refusal> {
    Ok(model::ListAccountAliasesOutput { account_aliases: Some(Vec::new()), is_truncated: Some(false), marker: None })
}

fn update_access_key(
    region: &mut Region,
    call: &Call,
    input: model::UpdateAccessKeyInput,
) -> Result<model::UpdateAccessKeyOutput, Refusal> {
    let name = named(call, input.user_name)?;
    let key = input.access_key_id.unwrap_or_default();
    let missing = || Refusal::new("NoSuchEntity", 404, format!("The Access Key with id {key} cannot be found."));
    user(region, &name)?.keys.get_mut(&key).ok_or_else(missing)?.active = input.status.as_deref() == Some("Active");
    Ok(model::UpdateAccessKeyOutput {})
}

fn update_user(
    region: &mut Region,
    _: &Call,
    input: model::UpdateUserInput,
) -> Result<model::UpdateUserOutput, Refusal> {
    let name = input.user_name.unwrap_or_default();
    let mut moved = user(region, &name)?.clone();
    let new_name = input.new_user_name.unwrap_or_else(|| name.clone());
    check_name("newUserName", &new_name)?;
    if new_name != name && region.iam.users.contains_key(&new_name) {
        return Err(exists("User", &new_name));
    }
    let path = match input.new_path {
        Some(path) => check_path(Some(path))?,
        None => moved.full[..moved.full.len() - name.len()].to_string(),
    };
    moved.full = format!("{path}{new_name}");
    region.iam.users.remove(&name);
    region.iam.users.insert(new_name, moved);
    Ok(model::UpdateUserOutput {})
}

fn tag_user(region: &mut Region, _: &Call, input: model::TagUserInput) -> Result<model::TagUserOutput, Refusal> {
    let tags = tags_of(input.tags)?;
    user(region, &input.user_name.unwrap_or_default())?.tags.extend(tags);
    Ok(model::TagUserOutput {})
}

fn untag_user(region: &mut Region, _: &Call, input: model::UntagUserInput) -> Result<model::UntagUserOutput, Refusal> {
    let keys = input.tag_keys.unwrap_or_default();
    user(region, &input.user_name.unwrap_or_default())?.tags.retain(|key, _| !keys.contains(key));
    Ok(model::UntagUserOutput {})
}

fn list_user_tags(
    region: &mut Region,
    _: &Call,
    input: model::ListUserTagsInput,
) -> Result<model::ListUserTagsOutput, Refusal> {
    let tags = &user(region, &input.user_name.unwrap_or_default())?.tags;
    let page = page_of_tags(tags, input.max_items, input.marker)?;
    Ok(model::ListUserTagsOutput { tags: Some(page.items), is_truncated: Some(page.truncated), marker: page.marker })
}

fn list_groups_for_user(
    region: &mut Region,
    _: &Call,
    input: model::ListGroupsForUserInput,
) -> Result<model::ListGroupsForUserOutput, Refusal> {
    user(region, &input.user_name.unwrap_or_default())?;
    Ok(model::ListGroupsForUserOutput { groups: Some(Vec::new()), is_truncated: Some(false), marker: None })
}

fn put_user_policy(
    region: &mut Region,
    _: &Call,
    input: model::PutUserPolicyInput,
) -> Result<model::PutUserPolicyOutput, Refusal> {
    let (name, document) = (input.policy_name.unwrap_or_default(), input.policy_document.unwrap_or_default());
    check_name("policyName", &name)?;
    check_document(&document)?;
    user(region, &input.user_name.unwrap_or_default())?.policies.inline.insert(name, document);
    Ok(model::PutUserPolicyOutput {})
}

fn get_user_policy(
    region: &mut Region,
    _: &Call,
    input: model::GetUserPolicyInput,
) -> Result<model::GetUserPolicyOutput, Refusal> {
    let (user_name, name) = (input.user_name.unwrap_or_default(), input.policy_name.unwrap_or_default());
    let document = user(region, &user_name)?.policies.inline.get(&name).map(|text| encoded(text));
    let document = document.ok_or_else(|| no_such("user policy", &name))?;
    let (user_name, policy_name) = (Some(user_name), Some(name));
    Ok(model::GetUserPolicyOutput { user_name, policy_name, policy_document: Some(document) })
}

fn delete_user_policy(
    region: &mut Region,
    _: &Call,
    input: model::DeleteUserPolicyInput,
) -> Result<model::DeleteUserPolicyOutput, Refusal> {
    let name = input.policy_name.unwrap_or_default();
    let user = user(region, &input.user_name.unwrap_or_default())?;
    user.policies.inline.remove(&name).ok_or_else(|| no_such("user policy", &name))?;
    Ok(model::DeleteUserPolicyOutput {})
}

fn list_user_policies(
    region: &mut Region,
    _: &Call,
    input: model::ListUserPoliciesInput,
) -> Result<model::ListUserPoliciesOutput, Refusal> {
    let names = user(region, &input.user_name.unwrap_or_default())?.policies.inline.keys();
    let page = page(names.map(|name| (name.clone(), name.clone())), input.max_items, input.marker)?;
    Ok(model::ListUserPoliciesOutput {
        policy_names: Some(page.items),
        is_truncated: Some(page.truncated),
        marker: page.marker,
    })
}

fn attach_user_policy(
    region: &mut Region,
    _: &Call,
    input: model::AttachUserPolicyInput,
) -> Result<model::AttachUserPolicyOutput, Refusal> {
    let arn = input.policy_arn.unwrap_or_default();
    check_attachable(region, &arn)?;
    user(region, &input.user_name.unwrap_or_default())?.policies.attach(arn);
    Ok(model::AttachUserPolicyOutput {})
}

fn detach_user_policy(
    region: &mut Region,
    _: &Call,
    input: model::DetachUserPolicyInput,
) -> Result<model::DetachUserPolicyOutput, Refusal> {
    let arn = input.policy_arn.unwrap_or_default();
    user(region, &input.user_name.unwrap_or_default())?.policies.detach(&arn)?;
    Ok(model::DetachUserPolicyOutput {})
}

fn list_attached_user_policies(
    region: &mut Region,
    _: &Call,
    input: model::ListAttachedUserPoliciesInput,
) -> Result<model::ListAttachedUserPoliciesOutput, Refusal> {
    let policies = &user(region, &input.user_name.unwrap_or_default())?.policies;
    let page = policies.listed(input.path_prefix, input.max_items, input.marker)?;
    Ok(model::ListAttachedUserPoliciesOutput {
        attached_policies: Some(page.items),
        is_truncated: Some(page.truncated),
        marker: page.marker,
    })
}
