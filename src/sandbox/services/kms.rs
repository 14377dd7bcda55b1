//! KMS: keys, aliases and key policies, as far as they decide who reaches an encrypted topic or queue. Decided in
//! [`crate::engine::keys`]; here it is translated. Left out: everything that encrypts or signs, grants, and other keys
//! than symmetric ones.

use std::collections::BTreeMap;
use std::time::Duration;

use super::page;
use crate::engine::Refusal;
use crate::engine::keys::{Key, KeyState};
use crate::sandbox::models::kms as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Of AWS.
const ITEMS_PER_PAGE: i64 = 100;
const DEFAULT_WINDOW_DAYS: i64 = 30;
const DEFAULT_ROTATION_DAYS: i64 = 365;
const DEFAULT_POLICY_NAME: &str = "default";

pub fn operations() -> Operations {
    let mut operations = Operations::default();
    register_keys(&mut operations);
    register_the_rest(&mut operations);
    operations
}

fn register_keys(operations: &mut Operations) {
    operations.on(
        "CreateKey",
        "Creates a symmetric key; nothing is encrypted with it, its policy decides who reaches what is under it.",
        &[
            "Policy",
            "Description",
            "KeyUsage",
            "CustomerMasterKeySpec",
            "KeySpec",
            "Origin",
            "BypassPolicyLockoutSafetyCheck",
            "Tags",
        ],
        create_key,
    );
    operations.on("DescribeKey", "Describes a key by id, alias or ARN.", &["KeyId"], describe_key);
    operations.on("ListKeys", "Lists keys.", &["Limit", "Marker"], list_keys);
    operations.on("EnableKey", "Enables a key.", &["KeyId"], enable_key);
    operations.on("DisableKey", "Disables a key: nobody reaches what is under it.", &["KeyId"], disable_key);
    operations.on(
        "ScheduleKeyDeletion",
        "Makes a key unusable and deletes it after 7 to 30 days.",
        &["KeyId", "PendingWindowInDays"],
        schedule_key_deletion,
    );
    operations.on("CancelKeyDeletion", "Keeps a key, disabled.", &["KeyId"], cancel_key_deletion);
    operations.on(
        "UpdateKeyDescription",
        "Changes a key's description.",
        &["KeyId", "Description"],
        update_key_description,
    );
}

fn register_the_rest(operations: &mut Operations) {
    operations.on("GetKeyPolicy", "Returns a key's policy.", &["KeyId", "PolicyName"], get_key_policy);
    operations.on(
        "PutKeyPolicy",
        "Replaces a key's policy.",
        &["KeyId", "PolicyName", "Policy", "BypassPolicyLockoutSafetyCheck"],
        put_key_policy,
    );
    operations.on("ListKeyPolicies", "Names a key's only policy.", &["KeyId", "Limit", "Marker"], list_key_policies);
    operations.on("CreateAlias", "Gives a key a name.", &["AliasName", "TargetKeyId"], create_alias);
    operations.on("UpdateAlias", "Gives a name to another key.", &["AliasName", "TargetKeyId"], update_alias);
    operations.on("DeleteAlias", "Deletes a name.", &["AliasName"], delete_alias);
    operations.on("ListAliases", "Lists names, of all keys or of one.", &["KeyId", "Limit", "Marker"], list_aliases);
    operations.on(
        "EnableKeyRotation",
        "Notes that a key is to rotate.",
        &["KeyId", "RotationPeriodInDays"],
        enable_key_rotation,
    );
    operations.on("DisableKeyRotation", "Notes that a key is not to rotate.", &["KeyId"], disable_key_rotation);
    operations.on("GetKeyRotationStatus", "Says whether a key is to rotate.", &["KeyId"], get_key_rotation_status);
    operations.on("TagResource", "Sets tags of a key.", &["KeyId", "Tags"], tag_resource);
    operations.on("UntagResource", "Removes tags of a key.", &["KeyId", "TagKeys"], untag_resource);
    operations.on("ListResourceTags", "Lists tags of a key.", &["KeyId", "Limit", "Marker"], list_resource_tags);
}

fn metadata(key: &Key, account: &str) -> model::KeyMetadata {
    let (state, deletion_date) = match key.state {
        KeyState::Enabled => ("Enabled", None),
        KeyState::Disabled => ("Disabled", None),
        KeyState::PendingDeletion { at, .. } => ("PendingDeletion", Some(at)),
    };
    model::KeyMetadata {
        aws_account_id: Some(account.to_string()),
        key_id: Some(key.id.clone()),
        arn: Some(key.arn.clone()),
        creation_date: Some(key.created),
        enabled: Some(key.state == KeyState::Enabled),
        description: Some(key.description.clone()),
        key_usage: Some("ENCRYPT_DECRYPT".into()),
        key_state: Some(state.into()),
        deletion_date,
        origin: Some("AWS_KMS".into()),
        key_manager: Some("CUSTOMER".into()),
        customer_master_key_spec: Some("SYMMETRIC_DEFAULT".into()),
        key_spec: Some("SYMMETRIC_DEFAULT".into()),
        encryption_algorithms: Some(vec!["SYMMETRIC_DEFAULT".into()]),
        multi_region: Some(false),
        ..Default::default()
    }
}

fn id(key_id: Option<String>) -> String {
    key_id.unwrap_or_default()
}

fn pairs(tags: Option<Vec<model::Tag>>) -> BTreeMap<String, String> {
    let pair = |tag: model::Tag| (tag.tag_key.unwrap_or_default(), tag.tag_value.unwrap_or_default());
    tags.unwrap_or_default().into_iter().map(pair).collect()
}

/// One page of `items`, named by their keys, and where the next begins.
fn listed<T>(
    items: impl Iterator<Item = (String, T)>,
    limit: Option<i64>,
    marker: Option<String>,
) -> Result<(Vec<T>, Option<String>), Refusal> {
    let invalid = || Refusal::new("InvalidMarkerException", 400, "The marker is not one of this list.");
    let size = limit.unwrap_or(ITEMS_PER_PAGE).max(1) as usize;
    let (page, next) = page::after(items, marker.as_deref(), size, invalid)?;
    Ok((page.into_iter().map(|(_, item)| item).collect(), next))
}

/// # Errors
/// `KMSInvalidStateException` for a key that is to be deleted.
fn alive(key: &mut Key) -> Result<&mut Key, Refusal> {
    match key.state {
        KeyState::PendingDeletion { .. } => {
            Err(Refusal::new("KMSInvalidStateException", 400, format!("{} is pending deletion.", key.arn)))
        }
        _ => Ok(key),
    }
}

fn create_key(
    region: &mut Region,
    call: &Call,
    input: model::CreateKeyInput,
) -> Result<model::CreateKeyOutput, Refusal> {
    let refused = |what: &str, value: &str| {
        let text = format!("The {what} {value} is not reproduced by scaleproof's sandbox");
        Err(Refusal::new("UnsupportedOperationException", 400, text))
    };
    let only = |asked: Option<String>, only: &str| asked.filter(|asked| asked != only);
    if let Some(usage) = only(input.key_usage, "ENCRYPT_DECRYPT") {
        return refused("key usage", &usage);
    }
    if let Some(spec) = only(input.key_spec.or(input.customer_master_key_spec), "SYMMETRIC_DEFAULT") {
        return refused("key spec", &spec);
    }
    if let Some(origin) = only(input.origin, "AWS_KMS") {
        return refused("origin", &origin);
    }
    let account = region.world.place.account.clone();
    let locks_out = input.bypass_policy_lockout_safety_check.unwrap_or(false);
    let (description, tags) = (input.description.unwrap_or_default(), pairs(input.tags));
    let key = region.world.keys.create(call.now, description, input.policy.as_deref(), locks_out, tags)?;
    Ok(model::CreateKeyOutput { key_metadata: Some(metadata(key, &account)) })
}

fn describe_key(
    region: &mut Region,
    call: &Call,
    input: model::DescribeKeyInput,
) -> Result<model::DescribeKeyOutput, Refusal> {
    region.world.keys.purge(call.now);
    let key = region.world.keys.find(&id(input.key_id))?;
    Ok(model::DescribeKeyOutput { key_metadata: Some(metadata(key, &region.world.place.account)) })
}

fn list_keys(region: &mut Region, call: &Call, input: model::ListKeysInput) -> Result<model::ListKeysOutput, Refusal> {
    region.world.keys.purge(call.now);
    let shown = |key: &Key| {
        let entry = model::KeyListEntry { key_id: Some(key.id.clone()), key_arn: Some(key.arn.clone()) };
        (key.id.clone(), entry)
    };
    let (keys, next_marker) = listed(region.world.keys.iter().map(shown), input.limit, input.marker)?;
    Ok(model::ListKeysOutput { keys: Some(keys), truncated: Some(next_marker.is_some()), next_marker })
}

fn enable_key(region: &mut Region, _: &Call, input: model::EnableKeyInput) -> Result<model::EnableKeyOutput, Refusal> {
    alive(region.world.keys.find_mut(&id(input.key_id))?)?.state = KeyState::Enabled;
    Ok(model::EnableKeyOutput {})
}

fn disable_key(
    region: &mut Region,
    _: &Call,
    input: model::DisableKeyInput,
) -> Result<model::DisableKeyOutput, Refusal> {
    alive(region.world.keys.find_mut(&id(input.key_id))?)?.state = KeyState::Disabled;
    Ok(model::DisableKeyOutput {})
}

fn schedule_key_deletion(
    region: &mut Region,
    call: &Call,
    input: model::ScheduleKeyDeletionInput,
) -> Result<model::ScheduleKeyDeletionOutput, Refusal> {
    let days = input.pending_window_in_days.unwrap_or(DEFAULT_WINDOW_DAYS);
    if !(7..=30).contains(&days) {
        let text = format!("PendingWindowInDays is {days}; it must be between 7 and 30 (inclusive)");
        return Err(Refusal::new("ValidationException", 400, text));
    }
    let key = alive(region.world.keys.find_mut(&id(input.key_id))?)?;
    let at = call.now + Duration::from_secs(days as u64 * 86_400);
    key.state = KeyState::PendingDeletion { at, days: days as u32 };
    Ok(model::ScheduleKeyDeletionOutput {
        key_id: Some(key.arn.clone()),
        deletion_date: Some(at),
        key_state: Some("PendingDeletion".into()),
        pending_window_in_days: Some(days),
    })
}

fn cancel_key_deletion(
    region: &mut Region,
    call: &Call,
    input: model::CancelKeyDeletionInput,
) -> Result<model::CancelKeyDeletionOutput, Refusal> {
    region.world.keys.purge(call.now);
    let key = region.world.keys.find_mut(&id(input.key_id))?;
    if !matches!(key.state, KeyState::PendingDeletion { .. }) {
        let text = format!("{} is not pending deletion.", key.arn);
        return Err(Refusal::new("KMSInvalidStateException", 400, text));
    }
    key.state = KeyState::Disabled;
    Ok(model::CancelKeyDeletionOutput { key_id: Some(key.arn.clone()) })
}

fn update_key_description(
    region: &mut Region,
    _: &Call,
    input: model::UpdateKeyDescriptionInput,
) -> Result<model::UpdateKeyDescriptionOutput, Refusal> {
    alive(region.world.keys.find_mut(&id(input.key_id))?)?.description = input.description.unwrap_or_default();
    Ok(model::UpdateKeyDescriptionOutput {})
}

fn default_only(name: Option<&String>) -> Result<(), Refusal> {
    match name.filter(|name| *name != DEFAULT_POLICY_NAME) {
        None => Ok(()),
        Some(_) => Err(Refusal::new("NotFoundException", 400, "No such policy exists")),
    }
}

fn get_key_policy(
    region: &mut Region,
    _: &Call,
    input: model::GetKeyPolicyInput,
) -> Result<model::GetKeyPolicyOutput, Refusal> {
    default_only(input.policy_name.as_ref())?;
    let policy = region.world.keys.find(&id(input.key_id))?.policy().to_string();
    Ok(model::GetKeyPolicyOutput { policy: Some(policy), policy_name: Some(DEFAULT_POLICY_NAME.into()) })
}

fn put_key_policy(
    region: &mut Region,
    _: &Call,
    input: model::PutKeyPolicyInput,
) -> Result<model::PutKeyPolicyOutput, Refusal> {
    default_only(input.policy_name.as_ref())?;
    let locks_out = input.bypass_policy_lockout_safety_check.unwrap_or(false);
    region.world.keys.put_policy(&id(input.key_id), &input.policy.unwrap_or_default(), locks_out)?;
    Ok(model::PutKeyPolicyOutput {})
}

fn list_key_policies(
    region: &mut Region,
    _: &Call,
    input: model::ListKeyPoliciesInput,
) -> Result<model::ListKeyPoliciesOutput, Refusal> {
    region.world.keys.find(&id(input.key_id))?;
    let names = Some(vec![DEFAULT_POLICY_NAME.to_string()]);
    Ok(model::ListKeyPoliciesOutput { policy_names: names, next_marker: None, truncated: Some(false) })
}

fn create_alias(
    region: &mut Region,
    call: &Call,
    input: model::CreateAliasInput,
) -> Result<model::CreateAliasOutput, Refusal> {
    region.world.keys.put_alias(call.now, &id(input.alias_name), &id(input.target_key_id), false)?;
    Ok(model::CreateAliasOutput {})
}

fn update_alias(
    region: &mut Region,
    call: &Call,
    input: model::UpdateAliasInput,
) -> Result<model::UpdateAliasOutput, Refusal> {
    region.world.keys.put_alias(call.now, &id(input.alias_name), &id(input.target_key_id), true)?;
    Ok(model::UpdateAliasOutput {})
}

fn delete_alias(
    region: &mut Region,
    _: &Call,
    input: model::DeleteAliasInput,
) -> Result<model::DeleteAliasOutput, Refusal> {
    region.world.keys.delete_alias(&id(input.alias_name))?;
    Ok(model::DeleteAliasOutput {})
}

fn list_aliases(
    region: &mut Region,
    _: &Call,
    input: model::ListAliasesInput,
) -> Result<model::ListAliasesOutput, Refusal> {
    let keys = &region.world.keys;
    let of = input.key_id.map(|name| keys.find(&name).map(|key| key.id.clone())).transpose()?;
    let found =
        keys.aliases().filter(|(_, alias)| of.as_ref().is_none_or(|id| *id == alias.key)).map(|(name, alias)| {
            let entry = model::AliasListEntry {
                alias_name: Some(name.clone()),
                alias_arn: Some(keys.alias_arn(name)),
                target_key_id: Some(alias.key.clone()),
                creation_date: Some(alias.created),
                last_updated_date: Some(alias.updated),
            };
            (name.clone(), entry)
        });
    let (aliases, next_marker) = listed(found, input.limit, input.marker)?;
    Ok(model::ListAliasesOutput { aliases: Some(aliases), truncated: Some(next_marker.is_some()), next_marker })
}

fn enable_key_rotation(
    region: &mut Region,
    _: &Call,
    input: model::EnableKeyRotationInput,
) -> Result<model::EnableKeyRotationOutput, Refusal> {
    let days = input.rotation_period_in_days.unwrap_or(DEFAULT_ROTATION_DAYS);
    alive(region.world.keys.find_mut(&id(input.key_id))?)?.rotation_days = Some(days as u32);
    Ok(model::EnableKeyRotationOutput {})
}

fn disable_key_rotation(
    region: &mut Region,
    _: &Call,
    input: model::DisableKeyRotationInput,
) -> Result<model::DisableKeyRotationOutput, Refusal> {
    alive(region.world.keys.find_mut(&id(input.key_id))?)?.rotation_days = None;
    Ok(model::DisableKeyRotationOutput {})
}

fn get_key_rotation_status(
    region: &mut Region,
    _: &Call,
    input: model::GetKeyRotationStatusInput,
) -> Result<model::GetKeyRotationStatusOutput, Refusal> {
    let key = region.world.keys.find(&id(input.key_id))?;
    Ok(model::GetKeyRotationStatusOutput {
        key_rotation_enabled: Some(key.rotation_days.is_some()),
        key_id: Some(key.arn.clone()),
        rotation_period_in_days: key.rotation_days.map(Into::into),
        ..Default::default()
    })
}

fn tag_resource(
    region: &mut Region,
    _: &Call,
    input: model::TagResourceInput,
) -> Result<model::TagResourceOutput, Refusal> {
    alive(region.world.keys.find_mut(&id(input.key_id))?)?.tags.extend(pairs(input.tags));
    Ok(model::TagResourceOutput {})
}

fn untag_resource(
    region: &mut Region,
    _: &Call,
    input: model::UntagResourceInput,
) -> Result<model::UntagResourceOutput, Refusal> {
    let keys = input.tag_keys.unwrap_or_default();
    alive(region.world.keys.find_mut(&id(input.key_id))?)?.tags.retain(|key, _| !keys.contains(key));
    Ok(model::UntagResourceOutput {})
}

fn list_resource_tags(
    region: &mut Region,
    _: &Call,
    input: model::ListResourceTagsInput,
) -> Result<model::ListResourceTagsOutput, Refusal> {
    let key = region.world.keys.find(&id(input.key_id))?;
    let shown = |(key, value): (&String, &String)| {
        (key.clone(), model::Tag { tag_key: Some(key.clone()), tag_value: Some(value.clone()) })
    };
    let (tags, next_marker) = listed(key.tags.iter().map(shown), input.limit, input.marker)?;
    Ok(model::ListResourceTagsOutput { tags: Some(tags), truncated: Some(next_marker.is_some()), next_marker })
}
