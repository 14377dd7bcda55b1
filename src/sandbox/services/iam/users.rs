//! Users and their access keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Tags, check_name, check_path, conflict, exists, key_id, model, no_such, page, secret, shown_tags, tags_of,
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
    /// Access keys and when they were made. Secrets are shown once and not kept: no signature is checked.
    pub keys: BTreeMap<String, Timestamp>,
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
    operations.on("DeleteAccessKey", "Deletes a user's key.", &["UserName", "AccessKeyId"], delete_access_key);
    operations.on(
        "ListAccountAliases",
        "Lists the account's aliases: none.",
        &["Marker", "MaxItems"],
        list_account_aliases,
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
    let user = User { id, full, created: call.now, tags: tags_of(input.tags)?, keys: BTreeMap::new() };
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
    user(region, &name)?.keys.insert(key.clone(), call.now);
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
    let shown = keys.into_iter().map(|(key, created)| {
        let metadata = model::AccessKeyMetadata {
            user_name: Some(name.clone()),
            access_key_id: Some(key.clone()),
            status: Some("Active".into()),
            create_date: Some(created),
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
