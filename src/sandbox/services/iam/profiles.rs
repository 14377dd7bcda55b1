//! Instance profiles: what carries a role to an instance.

use serde::{Deserialize, Serialize};

use super::{Tags, check_name, check_path, conflict, model, no_such, page, page_of_tags, roles, shown_tags, tags_of};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Profile {
    id: String,
    path: String,
    created: Timestamp,
    tags: Tags,
    /// A profile has one role at most.
    pub role: Option<String>,
}

pub(super) fn register(operations: &mut Operations) {
    operations.on(
        "CreateInstanceProfile",
        "Creates an instance profile.",
        &["InstanceProfileName", "Path", "Tags"],
        create_instance_profile,
    );
    operations.on(
        "GetInstanceProfile",
        "Describes an instance profile with its role.",
        &["InstanceProfileName"],
        get_instance_profile,
    );
    operations.on(
        "ListInstanceProfiles",
        "Lists instance profiles by path.",
        &["PathPrefix", "Marker", "MaxItems"],
        list_instance_profiles,
    );
    operations.on(
        "ListInstanceProfilesForRole",
        "Lists the instance profiles of a role.",
        &["RoleName", "Marker", "MaxItems"],
        list_instance_profiles_for_role,
    );
    operations.on(
        "AddRoleToInstanceProfile",
        "Gives an instance profile its role.",
        &["InstanceProfileName", "RoleName"],
        add_role_to_instance_profile,
    );
    operations.on(
        "RemoveRoleFromInstanceProfile",
        "Takes the role from an instance profile.",
        &["InstanceProfileName", "RoleName"],
        remove_role_from_instance_profile,
    );
    operations.on(
        "TagInstanceProfile",
        "Sets tags of an instance profile.",
        &["InstanceProfileName", "Tags"],
        tag_instance_profile,
    );
    operations.on(
        "UntagInstanceProfile",
        "Removes tags of an instance profile.",
        &["InstanceProfileName", "TagKeys"],
        untag_instance_profile,
    );
    operations.on(
        "ListInstanceProfileTags",
        "Lists tags of an instance profile.",
        &["InstanceProfileName", "Marker", "MaxItems"],
        list_instance_profile_tags,
    );
    operations.on(
        "DeleteInstanceProfile",
        "Deletes an instance profile without a role.",
        &["InstanceProfileName"],
        delete_instance_profile,
    );
}

fn shown(region: &Region, name: &str, profile: &Profile) -> model::InstanceProfile {
    let role = profile.role.as_ref().and_then(|role| Some((role, region.iam.roles.get(role)?)));
    model::InstanceProfile {
        path: Some(profile.path.clone()),
        instance_profile_name: Some(name.to_string()),
        instance_profile_id: Some(profile.id.clone()),
        arn: Some(region.iam.arn(&format!("instance-profile{}{name}", profile.path))),
        create_date: Some(profile.created),
        roles: Some(role.map(|(name, role)| roles::shown(region, name, role)).into_iter().collect()),
        tags: (!profile.tags.is_empty()).then(|| shown_tags(&profile.tags)),
    }
}

fn profile<'a>(region: &'a mut Region, name: &str) -> Result<&'a mut Profile, Refusal> {
    region
        .iam
        .profiles
        .get_mut(name)
        .ok_or_else(|| Refusal::new("NoSuchEntity", 404, format!("Instance Profile {name} cannot be found.")))
}

fn create_instance_profile(
    region: &mut Region,
    call: &Call,
    input: model::CreateInstanceProfileInput,
) -> Result<model::CreateInstanceProfileOutput, Refusal> {
    let name = input.instance_profile_name.unwrap_or_default();
    check_name("instanceProfileName", &name)?;
    let path = check_path(input.path)?;
    if region.iam.profiles.contains_key(&name) {
        let text = format!("Instance Profile {name} already exists.");
        return Err(Refusal::new("EntityAlreadyExists", 409, text));
    }
    let (id, tags) = (region.iam.unique_id("AIPA"), tags_of(input.tags)?);
    let profile = Profile { id, path, created: call.now, tags, role: None };
    let output = model::CreateInstanceProfileOutput { instance_profile: Some(shown(region, &name, &profile)) };
    region.iam.profiles.insert(name, profile);
    Ok(output)
}

fn get_instance_profile(
    region: &mut Region,
    _: &Call,
    input: model::GetInstanceProfileInput,
) -> Result<model::GetInstanceProfileOutput, Refusal> {
    let name = input.instance_profile_name.unwrap_or_default();
    let profile = profile(region, &name)?.clone();
    // It alone shows that there are no tags (recorded).
    let found = model::InstanceProfile { tags: Some(shown_tags(&profile.tags)), ..shown(region, &name, &profile) };
    Ok(model::GetInstanceProfileOutput { instance_profile: Some(found) })
}

fn list_instance_profiles(
    region: &mut Region,
    _: &Call,
    input: model::ListInstanceProfilesInput,
) -> Result<model::ListInstanceProfilesOutput, Refusal> {
    let prefix = input.path_prefix.unwrap_or_else(|| "/".into());
    let found = region.iam.profiles.iter().filter(|(_, profile)| profile.path.starts_with(&prefix));
    let page =
        page(found.map(|(name, profile)| (name.clone(), shown(region, name, profile))), input.max_items, input.marker)?;
    Ok(model::ListInstanceProfilesOutput {
        instance_profiles: Some(page.items),
        is_truncated: Some(page.truncated),
        marker: page.marker,
    })
}

fn list_instance_profiles_for_role(
    region: &mut Region,
    _: &Call,
    input: model::ListInstanceProfilesForRoleInput,
) -> Result<model::ListInstanceProfilesForRoleOutput, Refusal> {
    let role = input.role_name.unwrap_or_default();
    if !region.iam.roles.contains_key(&role) {
        return Err(no_such("role", &role));
    }
    let found = region.iam.profiles.iter().filter(|(_, profile)| profile.role.as_ref() == Some(&role));
    let page =
        page(found.map(|(name, profile)| (name.clone(), shown(region, name, profile))), input.max_items, input.marker)?;
    Ok(model::ListInstanceProfilesForRoleOutput {
        instance_profiles: Some(page.items),
        is_truncated: Some(page.truncated),
        marker: page.marker,
    })
}

fn add_role_to_instance_profile(
    region: &mut Region,
    _: &Call,
    input: model::AddRoleToInstanceProfileInput,
) -> Result<model::AddRoleToInstanceProfileOutput, Refusal> {
    let role = input.role_name.unwrap_or_default();
    if !region.iam.roles.contains_key(&role) {
        return Err(no_such("role", &role));
    }
    let profile = profile(region, &input.instance_profile_name.unwrap_or_default())?;
    if profile.role.is_some() {
        let text = "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1";
        return Err(Refusal::new("LimitExceeded", 409, text));
    }
    profile.role = Some(role);
    Ok(model::AddRoleToInstanceProfileOutput {})
}

fn remove_role_from_instance_profile(
    region: &mut Region,
    _: &Call,
    input: model::RemoveRoleFromInstanceProfileInput,
) -> Result<model::RemoveRoleFromInstanceProfileOutput, Refusal> {
    let (name, role) = (input.instance_profile_name.unwrap_or_default(), input.role_name.unwrap_or_default());
    let known = region.iam.roles.contains_key(&role);
    let profile = profile(region, &name)?;
    if !known {
        return Err(no_such("role", &role));
    }
    if profile.role.as_ref() != Some(&role) {
        let text = format!("Role {role} in Instance Profile {name} cannot be found.");
        return Err(Refusal::new("NoSuchEntity", 404, text));
    }
    profile.role = None;
    Ok(model::RemoveRoleFromInstanceProfileOutput {})
}

fn delete_instance_profile(
    region: &mut Region,
    _: &Call,
    input: model::DeleteInstanceProfileInput,
) -> Result<model::DeleteInstanceProfileOutput, Refusal> {
    let name = input.instance_profile_name.unwrap_or_default();
    if profile(region, &name)?.role.is_some() {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    region.iam.profiles.remove(&name);
    Ok(model::DeleteInstanceProfileOutput {})
}

fn tag_instance_profile(
    region: &mut Region,
    _: &Call,
    input: model::TagInstanceProfileInput,
) -> Result<model::TagInstanceProfileOutput, Refusal> {
    let tags = tags_of(input.tags)?;
    profile(region, &input.instance_profile_name.unwrap_or_default())?.tags.extend(tags);
    Ok(model::TagInstanceProfileOutput {})
}

fn untag_instance_profile(
    region: &mut Region,
    _: &Call,
    input: model::UntagInstanceProfileInput,
) -> Result<model::UntagInstanceProfileOutput, Refusal> {
    let keys = input.tag_keys.unwrap_or_default();
    profile(region, &input.instance_profile_name.unwrap_or_default())?.tags.retain(|key, _| !keys.contains(key));
    Ok(model::UntagInstanceProfileOutput {})
}

fn list_instance_profile_tags(
    region: &mut Region,
    _: &Call,
    input: model::ListInstanceProfileTagsInput,
) -> Result<model::ListInstanceProfileTagsOutput, Refusal> {
    let tags = profile(region, &input.instance_profile_name.unwrap_or_default())?.tags.clone();
    let page = page_of_tags(&tags, input.max_items, input.marker)?;
    Ok(model::ListInstanceProfileTagsOutput {
        tags: Some(page.items),
        is_truncated: Some(page.truncated),
        marker: page.marker,
    })
}
