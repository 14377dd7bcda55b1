//! Images as EC2 describes them. `image_catalogue.rs` has the public ones, `own_image.rs` those that the account makes.
//! Deprecation times are left out: they would make the course's image vanish from a sandbox whose clock runs ahead.

use super::error::{refuse, required};
use super::image_catalogue::{PublicImage, public_image, public_images};
use super::register::operation;
use super::select::{Ask, Kind, one};
use crate::engine::Refusal;
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    BlockDeviceMapping, DescribeImagesInput, DescribeImagesOutput, EbsBlockDevice, GetInstanceUefiDataInput,
    GetInstanceUefiDataOutput,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn missing(ids: &[&str]) -> Refusal {
    let message = match ids {
        [id] => format!("The image id '[{id}]' does not exist"),
        ids => format!("The image ids '[{}]' do not exist", ids.join(", ")),
    };
    refuse("InvalidAMIID.NotFound", message)
}

/// Refuses what cannot be the id of an image.
pub fn check_id(id: &str) -> Result<(), Refusal> {
    let digits = id.strip_prefix("ami-").unwrap_or_default();
    match !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(()),
        false => Err(refuse("InvalidAMIID.Malformed", format!("Invalid id: \"{id}\" (expecting \"ami-...\")"))),
    }
}

/// The image of this id as a caller sees it: the account's own, or a public one.
pub fn find(region: &Region, id: &str) -> Option<model::Image> {
    let own = region.ec2.images.get(id).map(|image| region.ec2.show_image(id, image));
    own.or_else(|| public_image(&region.world.place.region, id).as_ref().map(show))
}

/// The image of this id.
///
/// # Errors
/// EC2's for what cannot be an id, for one that was deregistered, and for one that is not known.
pub fn known(region: &Region, id: &str) -> Result<model::Image, Refusal> {
    check_id(id)?;
    find(region, id).ok_or_else(|| match region.ec2.deregistered_images.contains(id) {
        true => refuse("InvalidAMIID.Unavailable", format!("The image id '[{id}]' is no longer available")),
        false => missing(&[id]),
    })
}

/// The public image of this id in a region, as it is seen there.
pub fn public_in(region: &str, id: &str) -> Option<model::Image> {
    public_image(region, id).as_ref().map(show)
}

/// Whether a snapshot belongs to a public image.
pub fn has_snapshot(region: &Region, id: &str) -> bool {
    public_images(&region.world.place.region).iter().any(|image| image.snapshot_id == id)
}

fn block_devices(image: &PublicImage) -> Vec<BlockDeviceMapping> {
    let line = image.line;
    let root = BlockDeviceMapping {
        device_name: Some(line.root_device().into()),
        ebs: Some(EbsBlockDevice {
            delete_on_termination: Some(true),
            // gp3 volumes show their default performance, gp2 volumes show none.
            iops: (line.volume_type == "gp3").then_some(3000),
            throughput: (line.volume_type == "gp3").then_some(125),
            snapshot_id: Some(image.snapshot_id.clone()),
            volume_size: Some(line.volume_gib),
            volume_type: Some(line.volume_type.into()),
            encrypted: Some(false),
            ..Default::default()
        }),
        ..Default::default()
    };
    let ephemeral = line.ephemeral_devices().iter().map(|(device, name)| BlockDeviceMapping {
        device_name: Some((*device).into()),
        virtual_name: Some((*name).into()),
        ..Default::default()
    });
    std::iter::once(root).chain(ephemeral).collect()
}

fn show(image: &PublicImage) -> model::Image {
    let line = image.line;
    let publisher = line.owner_alias().unwrap_or(line.owner());
    model::Image {
        image_id: Some(image.id.clone()),
        image_location: Some(format!("{publisher}/{}", image.name)),
        image_type: Some("machine".into()),
        image_owner_alias: line.owner_alias().map(Into::into),
        owner_id: Some(line.owner().into()),
        name: Some(image.name.clone()),
        description: Some(image.description.clone()),
        architecture: Some(image.architecture.ec2().into()),
        creation_date: Some(image.creation_date.clone()),
        public: Some(true),
        state: Some("available".into()),
        platform: line.platform().map(Into::into),
        platform_details: Some(line.platform_details().into()),
        usage_operation: Some(line.usage_operation().into()),
        block_device_mappings: Some(block_devices(image)),
        product_codes: Some(Vec::new()),
        ena_support: Some(line.has_ena()),
        sriov_net_support: Some("simple".into()),
        hypervisor: Some("xen".into()),
        virtualization_type: Some(line.virtualization().into()),
        root_device_name: Some(line.root_device().into()),
        root_device_type: Some("ebs".into()),
        boot_mode: line.boot_mode(image.architecture).map(Into::into),
        imds_support: line.imds_v2.then(|| "v2.0".into()),
        deregistration_protection: Some("disabled".into()),
        tags: Some(Vec::new()),
        ..Default::default()
    }
}

/// Values of the EBS volumes in an image's block devices.
fn volumes<V: ToString>(image: &model::Image, value: impl Fn(&EbsBlockDevice) -> &Option<V>) -> Vec<String> {
    let volumes = image.block_device_mappings.iter().flatten().filter_map(|device| device.ebs.as_ref());
    volumes.flat_map(|volume| one(value(volume))).collect()
}

const IMAGES: Kind<model::Image> = Kind {
    id: |image| &image.image_id,
    id_parameter: "imageIdSet",
    missing,
    tags: |image| &image.tags,
    filters: &[
        ("architecture", |i| one(&i.architecture)),
        ("block-device-mapping.delete-on-termination", |i| volumes(i, |v| &v.delete_on_termination)),
        ("block-device-mapping.device-name", |i| {
            i.block_device_mappings.iter().flatten().flat_map(|device| one(&device.device_name)).collect()
        }),
        ("block-device-mapping.encrypted", |i| volumes(i, |v| &v.encrypted)),
        ("block-device-mapping.snapshot-id", |i| volumes(i, |v| &v.snapshot_id)),
        ("block-device-mapping.volume-size", |i| volumes(i, |v| &v.volume_size)),
        ("block-device-mapping.volume-type", |i| volumes(i, |v| &v.volume_type)),
        ("creation-date", |i| one(&i.creation_date)),
        ("description", |i| one(&i.description)),
        ("ena-support", |i| one(&i.ena_support)),
        ("hypervisor", |i| one(&i.hypervisor)),
        ("image-allowed", |i| one(&i.image_allowed)),
        ("image-id", |i| one(&i.image_id)),
        ("image-type", |i| one(&i.image_type)),
        ("is-public", |i| one(&i.public)),
        ("kernel-id", |i| one(&i.kernel_id)),
        ("manifest-location", |i| one(&i.image_location)),
        ("name", |i| one(&i.name)),
        ("owner-alias", |i| one(&i.image_owner_alias)),
        ("owner-id", |i| one(&i.owner_id)),
        ("platform", |i| one(&i.platform)),
        ("product-code", |_| Vec::new()),
        ("product-code.type", |_| Vec::new()),
        ("ramdisk-id", |i| one(&i.ramdisk_id)),
        ("root-device-name", |i| one(&i.root_device_name)),
        ("root-device-type", |i| one(&i.root_device_type)),
        ("source-image-id", |i| one(&i.source_image_id)),
        ("source-image-region", |i| one(&i.source_image_region)),
        ("source-instance-id", |i| one(&i.source_instance_id)),
        ("sriov-net-support", |i| one(&i.sriov_net_support)),
        ("state", |i| one(&i.state)),
        ("state-reason-code", |_| Vec::new()),
        ("state-reason-message", |_| Vec::new()),
        ("virtualization-type", |i| one(&i.virtualization_type)),
    ],
};

/// Whether one of `owners` (account ids, `amazon`, `self`, `aws-marketplace`) publishes the image.
fn is_of(image: &model::Image, owners: &[String], account: &str) -> bool {
    let is = |owner: &String| {
        let owner = if owner == "self" { account } else { owner };
        image.owner_id.as_deref() == Some(owner) || image.image_owner_alias.as_deref() == Some(owner)
    };
    owners.is_empty() || owners.iter().any(is)
}

/// Whether one of `users` may launch the image by name: "all" asks for public images, an account for those that are
/// shared with exactly it.
fn is_executable_by(region: &Region, image: &model::Image, users: &[String]) -> bool {
    let own = image.image_id.as_ref().and_then(|id| region.ec2.images.get(id));
    let may = |user: &String| match user.as_str() {
        "all" => image.public == Some(true),
        "self" => own.is_some_and(|image| image.is_shared_with(&region.world.place.account)),
        user => own.is_some_and(|image| image.is_shared_with(user)),
    };
    users.is_empty() || users.iter().any(may)
}

fn describe(region: &mut Region, _: &Call, input: DescribeImagesInput) -> Result<DescribeImagesOutput, Refusal> {
    input.image_ids.iter().flatten().try_for_each(|id| check_id(id))?;
    let owners = input.owners.unwrap_or_default();
    let users = input.executable_users.unwrap_or_default();
    let mut ids = input.image_ids;
    if let Some(ids) = &mut ids {
        let before = ids.len();
        // "Recently deregistered images ... return empty results."
        ids.retain(|id| !region.ec2.deregistered_images.contains(id));
        if ids.is_empty() && before > 0 {
            return Ok(DescribeImagesOutput { images: Some(Vec::new()), next_token: None });
        }
    }
    let ec2 = &region.ec2;
    let own = ec2.images.iter().map(|(id, image)| ec2.show_image(id, image));
    let public = public_images(&region.world.place.region);
    let all = own
        .chain(public.iter().map(show))
        .filter(|image| is_of(image, &owners, &ec2.place.account) && is_executable_by(region, image, &users));
    let ask = Ask { ids, filters: input.filters, max_results: input.max_results, next_token: input.next_token };
    let (images, next_token) = IMAGES.select(all.collect(), ask)?.set();
    Ok(DescribeImagesOutput { images, next_token })
}

/// The AWS provider asks this of an image and takes the refusal that AWS gives.
fn uefi_data(
    region: &mut Region,
    _: &Call,
    input: GetInstanceUefiDataInput,
) -> Result<GetInstanceUefiDataOutput, Refusal> {
    let id = required(input.instance_id, "instanceId")?;
    if !id.starts_with("i-") {
        let message = format!("Invalid id: \"{id}\" (expecting \"i-...\")");
        return Err(refuse("InvalidInstanceID.Malformed", message));
    }
    super::instance::instance(region, &id)?;
    Ok(GetInstanceUefiDataOutput { instance_id: Some(id), uefi_data: None })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, describe, DescribeImagesInput "DescribeImages":
        "Lists the account's images, Canonical's LTS images and Amazon Linux.",
        takes ImageIds Owners ExecutableUsers IncludeDeprecated IncludeDisabled Filters MaxResults NextToken
    );
    operation!(operations, uefi_data, GetInstanceUefiDataInput "GetInstanceUefiData":
        "Shows no UEFI variables.",
        takes InstanceId
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_noble_image_is_found_as_terraform_asks_for_it() {
        let ask = |name: &str, value: &str| model::Filter { name: Some(name.into()), values: Some(vec![value.into()]) };
        let filters = [
            ask("name", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"),
            ask("virtualization-type", "hvm"),
        ];
        let all: Vec<_> = public_images("ap-northeast-2").iter().map(show).collect();
        let owned: Vec<_> =
            all.into_iter().filter(|image| is_of(image, &["099720109477".to_string()], "123456789012")).collect();
        let found = IMAGES.filtered(owned, &filters).unwrap();
        let newest = found.iter().max_by_key(|image| image.creation_date.clone()).unwrap();
        assert_eq!(newest.name.as_deref(), Some("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20250821"));
        assert_eq!(newest.architecture.as_deref(), Some("x86_64"));
    }
}
