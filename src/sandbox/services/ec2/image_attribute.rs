//! Attributes of images: shown one at a time; who may launch from the account's own. Start at [`Permission`].

use serde::{Deserialize, Serialize};

use super::error::{combination, refuse, required};
use super::image::known;
use super::own_image::{own_mut, unknown_attribute};
use super::register::operation;
use crate::engine::Refusal;
use crate::sandbox::models::ec2::{
    AttributeValue, DescribeImageAttributeInput, DescribeImageAttributeOutput, LaunchPermission,
    ModifyImageAttributeInput, ModifyImageAttributeOutput, ResetImageAttributeInput, ResetImageAttributeOutput,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Who may launch from an image besides its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permission {
    Everyone,
    Account(String),
    Organization(String),
    OrganizationalUnit(String),
}

impl Permission {
    fn read(given: LaunchPermission) -> Result<Self, Refusal> {
        match (given.group, given.user_id, given.organization_arn, given.organizational_unit_arn) {
            (Some(group), ..) if group == "all" => Ok(Self::Everyone),
            (Some(group), ..) => Err(invalid_item(&group, "userGroup")),
            (_, Some(id), ..) => match id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()) {
                true => Ok(Self::Account(id)),
                false => Err(invalid_item(&id, "userId")),
            },
            (_, _, Some(arn), _) => Ok(Self::Organization(arn)),
            (.., Some(arn)) => Ok(Self::OrganizationalUnit(arn)),
            _ => Err(combination("A launch permission names a group, an account or an organization")),
        }
    }

    fn show(&self) -> LaunchPermission {
        let nobody = LaunchPermission::default();
        match self.clone() {
            Self::Everyone => LaunchPermission { group: Some("all".into()), ..nobody },
            Self::Account(id) => LaunchPermission { user_id: Some(id), ..nobody },
            Self::Organization(arn) => LaunchPermission { organization_arn: Some(arn), ..nobody },
            Self::OrganizationalUnit(arn) => LaunchPermission { organizational_unit_arn: Some(arn), ..nobody },
        }
    }
}

fn invalid_item(value: &str, kind: &str) -> Refusal {
    let message = format!("Invalid attribute item value \"{value}\" for {kind} item type.");
    refuse("InvalidAMIAttributeItemValue", message)
}

/// The permissions that the call's lists name in its older form.
fn listed(input: &ModifyImageAttributeInput) -> Vec<LaunchPermission> {
    let nobody = LaunchPermission::default;
    let all = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let groups = all(&input.user_groups).into_iter().map(|it| LaunchPermission { group: Some(it), ..nobody() });
    let users = all(&input.user_ids).into_iter().map(|it| LaunchPermission { user_id: Some(it), ..nobody() });
    let organizations =
        all(&input.organization_arns).into_iter().map(|it| LaunchPermission { organization_arn: Some(it), ..nobody() });
    let units = all(&input.organizational_unit_arns)
        .into_iter()
        .map(|it| LaunchPermission { organizational_unit_arn: Some(it), ..nobody() });
    groups.chain(users).chain(organizations).chain(units).collect()
}

fn modify(
    region: &mut Region,
    _: &Call,
    input: ModifyImageAttributeInput,
) -> Result<ModifyImageAttributeOutput, Refusal> {
    let id = required(input.image_id.clone(), "imageId")?;
    let image = own_mut(region, &id)?;
    let listed = listed(&input);
    let given = input.launch_permission.unwrap_or_default();
    let (mut add, mut remove) = (given.add.unwrap_or_default(), given.remove.unwrap_or_default());
    match input.operation_type.as_deref() {
        Some("remove") => remove.extend(listed),
        _ => add.extend(listed),
    }
    // All are read before any is changed.
    let add = add.into_iter().map(Permission::read).collect::<Result<Vec<_>, _>>()?;
    let remove = remove.into_iter().map(Permission::read).collect::<Result<Vec<_>, _>>()?;
    let named = input.attribute.as_deref();
    let description = input.description.and_then(|value| value.value);
    let description = description.or(input.value.clone().filter(|_| named == Some("description")));
    let imds = input.imds_support.and_then(|value| value.value);
    let imds = imds.or(input.value.filter(|_| named == Some("imdsSupport")));
    if add.is_empty() && remove.is_empty() && description.is_none() && imds.is_none() {
        return Err(combination("No attributes specified."));
    }
    for permission in add {
        if !image.permissions.contains(&permission) {
            image.permissions.push(permission);
        }
    }
    image.permissions.retain(|permission| !remove.contains(permission));
    if description.is_some() {
        image.description = description;
    }
    if imds.is_some() {
        image.imds_support = imds;
    }
    Ok(ModifyImageAttributeOutput::default())
}

fn reset(region: &mut Region, _: &Call, input: ResetImageAttributeInput) -> Result<ResetImageAttributeOutput, Refusal> {
    let id = required(input.image_id, "imageId")?;
    let image = own_mut(region, &id)?;
    match required(input.attribute, "attribute")?.as_str() {
        "launchPermission" => image.permissions.clear(),
        other => return Err(unknown_attribute(other)),
    }
    Ok(ResetImageAttributeOutput::default())
}

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeImageAttributeInput,
) -> Result<DescribeImageAttributeOutput, Refusal> {
    let id = required(input.image_id, "imageId")?;
    let image = known(region, &id)?;
    let own = region.ec2.images.get(&id);
    let mut output = DescribeImageAttributeOutput { image_id: Some(id.clone()), ..Default::default() };
    let text = |value: Option<String>| Some(AttributeValue { value });
    match required(input.attribute, "attribute")?.as_str() {
        "description" => output.description = text(image.description),
        "bootMode" => output.boot_mode = text(image.boot_mode),
        "imdsSupport" => output.imds_support = text(image.imds_support),
        "tpmSupport" => output.tpm_support = text(image.tpm_support),
        "kernel" => output.kernel_id = text(image.kernel_id),
        "ramdisk" => output.ramdisk_id = text(image.ramdisk_id),
        "sriovNetSupport" => output.sriov_net_support = text(image.sriov_net_support),
        "deregistrationProtection" => output.deregistration_protection = text(image.deregistration_protection),
        "blockDeviceMapping" => output.block_device_mappings = image.block_device_mappings,
        "productCodes" => output.product_codes = Some(Vec::new()),
        "launchPermission" => {
            let everyone = vec![Permission::Everyone];
            let permissions = own.map_or(&everyone, |own| &own.permissions);
            output.launch_permissions = Some(permissions.iter().map(Permission::show).collect());
        }
        other => return Err(unknown_attribute(other)),
    }
    Ok(output)
}

pub fn register(operations: &mut Operations) {
    operation!(operations, modify, ModifyImageAttributeInput "ModifyImageAttribute":
        "Sets who may launch from an image, and its description.",
        takes Attribute Description ImageId ImdsSupport LaunchPermission OperationType OrganizationArns
            OrganizationalUnitArns UserGroups UserIds Value
    );
    operation!(operations, reset, ResetImageAttributeInput "ResetImageAttribute":
        "Shares an image with nobody again.",
        takes ImageId Attribute
    );
    operation!(operations, describe, DescribeImageAttributeInput "DescribeImageAttribute":
        "Shows one attribute of an image.",
        takes ImageId Attribute
    );
}
