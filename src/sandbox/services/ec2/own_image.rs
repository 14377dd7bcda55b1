//! Images of the account's own: made of an instance, registered, copied, deregistered. Start at [`OwnImage`].
//! `image_attribute.rs` has who may launch from them. They are available at once.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Ec2;
use super::error::{invalid_value, missing_parameter, refuse, required};
use super::image::{self, check_id, known, missing};
use super::image_attribute::Permission;
use super::instance::instance;
use super::launch_data::{read, words};
use super::register::operation;
use super::snapshot::{Snapshot, taken};
use super::snapshot_attribute::Storage;
use super::tag::{Tags, new_tags};
use super::volume::volume;
use super::volume_attachment::{devices, root_device};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    BLOCK_DEVICE_MAPPING, BlockDeviceMapping, CopyImageInput, CopyImageOutput, CreateImageInput, CreateImageOutput,
    DeleteSnapshotReturnCode, DeregisterImageInput, DeregisterImageOutput, EbsBlockDevice, RegisterImageInput,
    RegisterImageOutput, TagSpecification,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnImage {
    pub name: String,
    pub description: Option<String>,
    pub architecture: String,
    pub virtualization_type: String,
    pub root_device: String,
    /// In the words of the service model.
    pub block_devices: Vec<Json>,
    pub platform: Option<String>,
    pub platform_details: String,
    pub usage_operation: String,
    pub boot_mode: Option<String>,
    pub imds_support: Option<String>,
    pub tpm_support: Option<String>,
    pub ena_support: bool,
    pub sriov_net_support: Option<String>,
    pub kernel_id: Option<String>,
    pub ramdisk_id: Option<String>,
    pub source_instance: Option<String>,
    /// Image and region.
    pub source_image: Option<(String, String)>,
    pub created_at: Timestamp,
    pub permissions: Vec<Permission>,
}

/// "/dev/sda1", where a registration names none.
const DEFAULT_ROOT_DEVICE: &str = "/dev/sda1";

impl OwnImage {
    pub fn is_public(&self) -> bool {
        self.permissions.contains(&Permission::Everyone)
    }

    pub fn is_shared_with(&self, account: &str) -> bool {
        self.permissions.contains(&Permission::Account(account.to_string()))
    }

    fn devices(&self) -> Vec<BlockDeviceMapping> {
        self.block_devices.iter().map(|mapping| read(&BLOCK_DEVICE_MAPPING, mapping)).collect()
    }

    fn snapshots(&self) -> impl Iterator<Item = &str> {
        self.block_devices.iter().filter_map(|mapping| mapping["Ebs"]["SnapshotId"].as_str())
    }
}

impl Ec2 {
    pub fn show_image(&self, id: &str, image: &OwnImage) -> model::Image {
        let account = &self.place.account;
        let (source_id, source_region) = image.source_image.clone().unzip();
        model::Image {
            image_id: Some(id.to_string()),
            image_location: Some(format!("{account}/{}", image.name)),
            image_type: Some("machine".into()),
            owner_id: Some(account.clone()),
            name: Some(image.name.clone()),
            description: image.description.clone(),
            architecture: Some(image.architecture.clone()),
            creation_date: Some(image.created_at.iso_millis()),
            public: Some(image.is_public()),
            state: Some("available".into()),
            platform: image.platform.clone(),
            platform_details: Some(image.platform_details.clone()),
            usage_operation: Some(image.usage_operation.clone()),
            block_device_mappings: Some(image.devices()),
            product_codes: Some(Vec::new()),
            ena_support: Some(image.ena_support),
            sriov_net_support: image.sriov_net_support.clone(),
            hypervisor: Some("xen".into()),
            virtualization_type: Some(image.virtualization_type.clone()),
            root_device_name: Some(image.root_device.clone()),
            root_device_type: Some("ebs".into()),
            boot_mode: image.boot_mode.clone(),
            imds_support: image.imds_support.clone(),
            tpm_support: image.tpm_support.clone(),
            kernel_id: image.kernel_id.clone(),
            ramdisk_id: image.ramdisk_id.clone(),
            source_instance_id: image.source_instance.clone(),
            source_image_id: source_id,
            source_image_region: source_region,
            deregistration_protection: Some("disabled".into()),
            tags: self.tags.of(id).filter(|tags| !tags.is_empty()),
            ..Default::default()
        }
    }

    /// The image that a snapshot belongs to.
    pub fn image_from_snapshot(&self, snapshot: &str) -> Option<&str> {
        let found = self.images.iter().find(|(_, image)| image.snapshots().any(|id| id == snapshot));
        found.map(|(id, _)| id.as_str())
    }

    /// "AMI names must be between 3 and 128 characters", and one account has each only once.
    fn check_image_name(&self, name: &str) -> Result<(), Refusal> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
        if !(3..=128).contains(&name.len()) || !name.chars().all(allowed) {
            let message = "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', \
                           ')', '.', '-', '/' and '_'";
            return Err(refuse("InvalidAMIName.Malformed", message));
        }
        match self.images.iter().find(|(_, image)| image.name == name) {
            Some((id, _)) => {
                let message = format!("AMI name {name} is already in use by AMI {id}");
                Err(refuse("InvalidAMIName.Duplicate", message))
            }
            None => Ok(()),
        }
    }

    fn keep_image(&mut self, id: String, image: OwnImage, tags: Tags) -> String {
        self.images.insert(id.clone(), image);
        self.tags.put(&id, tags);
        id
    }
}

/// The tags that a call gives to the image and to its snapshots.
fn both_tags(specifications: Option<Vec<TagSpecification>>) -> Result<(Tags, Tags), Refusal> {
    let given = specifications.unwrap_or_default();
    let (of_snapshots, of_image): (Vec<_>, Vec<_>) =
        given.into_iter().partition(|given| given.resource_type.as_deref() == Some("snapshot"));
    Ok((new_tags(Some(of_image), "image")?, new_tags(Some(of_snapshots), "snapshot")?))
}

/// A mapping of a volume as an image keeps it.
fn mapping(device: String, volume: &super::volume::Volume, deletes: bool, snapshot: String) -> BlockDeviceMapping {
    BlockDeviceMapping {
        device_name: Some(device),
        ebs: Some(EbsBlockDevice {
            delete_on_termination: Some(deletes),
            // A gp2 volume's follow from its size and are not kept.
            iops: volume.iops.filter(|_| volume.kind != "gp2"),
            throughput: volume.throughput,
            snapshot_id: Some(snapshot),
            volume_size: Some(volume.gib),
            volume_type: Some(volume.kind.clone()),
            encrypted: Some(volume.kms_key.is_some()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn create(region: &mut Region, call: &Call, input: CreateImageInput) -> Result<CreateImageOutput, Refusal> {
    let (tags, snapshot_tags) = both_tags(input.tag_specifications)?;
    let kept = instance(region, &required(input.instance_id, "instanceId")?)?.clone();
    let name = required(input.name, "name")?;
    region.ec2.check_image_name(&name)?;
    let base = image::find(region, &kept.image_id).unwrap_or_default();
    let id = region.ec2.ids.ec2("ami");
    let given = input.block_device_mappings.unwrap_or_default();
    let left_out = |device: &str| {
        given.iter().any(|other| other.device_name.as_deref() == Some(device) && other.no_device.is_some())
    };
    let mut block_devices = Vec::new();
    for device in devices(region, &kept) {
        let name = device.attachment.device;
        if left_out(&name) {
            continue;
        }
        let description = format!("Created by CreateImage({}) for {id}", kept.id);
        let of = volume(region, &device.volume_id)?;
        let snapshot = taken(region, &device.volume_id, description, call.now)?;
        let snapshot = region.ec2.keep_snapshot(snapshot, snapshot_tags.clone());
        block_devices.push(words(mapping(name, &of, device.attachment.delete_on_termination, snapshot)));
    }
    merge(&mut block_devices, given);
    let image = OwnImage {
        name,
        description: input.description,
        architecture: base.architecture.unwrap_or_else(|| "x86_64".into()),
        virtualization_type: base.virtualization_type.unwrap_or_else(|| "hvm".into()),
        root_device: root_device(region, &kept),
        block_devices,
        platform: base.platform,
        platform_details: base.platform_details.unwrap_or_else(|| "Linux/UNIX".into()),
        usage_operation: base.usage_operation.unwrap_or_else(|| "RunInstances".into()),
        boot_mode: base.boot_mode,
        imds_support: base.imds_support,
        tpm_support: base.tpm_support,
        ena_support: base.ena_support.unwrap_or(true),
        sriov_net_support: base.sriov_net_support,
        kernel_id: None,
        ramdisk_id: None,
        source_instance: Some(kept.id.to_string()),
        source_image: None,
        created_at: super::whole_second(call.now),
        permissions: Vec::new(),
    };
    Ok(CreateImageOutput { image_id: Some(region.ec2.keep_image(id, image, tags)) })
}

/// Puts what a caller maps besides or instead into the mappings of an image.
fn merge(block_devices: &mut Vec<Json>, given: Vec<BlockDeviceMapping>) {
    for mapping in given.into_iter().filter(|mapping| mapping.no_device.is_none()) {
        let mapping = words(mapping);
        match block_devices.iter_mut().find(|known| known["DeviceName"] == mapping["DeviceName"]) {
            Some(known) => match (known["Ebs"].as_object_mut(), mapping["Ebs"].as_object()) {
                (Some(known), Some(given)) => known.extend(given.clone()),
                _ => *known = mapping,
            },
            None => block_devices.push(mapping),
        }
    }
}

fn register_image(region: &mut Region, call: &Call, input: RegisterImageInput) -> Result<RegisterImageOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "image")?;
    let name = required(input.name, "name")?;
    let ec2 = &mut region.ec2;
    ec2.check_image_name(&name)?;
    let root_device = input.root_device_name.unwrap_or_else(|| DEFAULT_ROOT_DEVICE.into());
    let mut block_devices = Vec::new();
    for mut mapping in input.block_device_mappings.unwrap_or_default() {
        if let Some(ebs) = &mut mapping.ebs {
            let source = ebs.snapshot_id.as_ref().map(|id| ec2.snapshot(id)).transpose()?;
            ebs.volume_size = ebs.volume_size.or(source.map(|snapshot| snapshot.gib));
            ebs.encrypted = Some(source.is_some_and(|snapshot| snapshot.kms_key.is_some()));
            ebs.delete_on_termination = ebs.delete_on_termination.or(Some(true));
            ebs.volume_type.get_or_insert_with(|| super::volume_type::DEFAULT_TYPE.into());
            if ebs.volume_size.is_none() {
                return Err(missing_parameter("size/snapshot"));
            }
        }
        block_devices.push(words(mapping));
    }
    let image = OwnImage {
        name,
        description: input.description,
        architecture: input.architecture.unwrap_or_else(|| "i386".into()),
        virtualization_type: input.virtualization_type.unwrap_or_else(|| "paravirtual".into()),
        root_device,
        block_devices,
        platform: None,
        platform_details: "Linux/UNIX".into(),
        usage_operation: "RunInstances".into(),
        boot_mode: input.boot_mode,
        imds_support: input.imds_support,
        tpm_support: input.tpm_support,
        ena_support: input.ena_support.unwrap_or(false),
        sriov_net_support: input.sriov_net_support,
        kernel_id: input.kernel_id,
        ramdisk_id: input.ramdisk_id,
        source_instance: None,
        source_image: None,
        created_at: super::whole_second(call.now),
        permissions: Vec::new(),
    };
    let id = ec2.ids.ec2("ami");
    Ok(RegisterImageOutput { image_id: Some(ec2.keep_image(id, image, tags)) })
}

/// An image to copy, with the snapshots behind its devices as far as they can be read.
fn source(region: &Region, call: &Call, id: &str, from: &str) -> Result<(model::Image, Tags), Refusal> {
    check_id(id)?;
    let here = from == region.world.place.region;
    let found = match here {
        true => Some((known(region, id)?, region.ec2.tags.all_of(id))),
        false => {
            let own = call.elsewhere().and_then(|ec2| {
                let image = ec2.images.get(id)?;
                Some((ec2.show_image(id, image), ec2.tags.all_of(id)))
            });
            own.or_else(|| image::public_in(from, id).map(|image| (image, Tags::new())))
        }
    };
    found.ok_or_else(|| missing(&[id]))
}

fn copy(region: &mut Region, call: &Call, input: CopyImageInput) -> Result<CopyImageOutput, Refusal> {
    let (mut tags, snapshot_tags) = both_tags(input.tag_specifications)?;
    if let Some(made) = region.ec2.made_before(&input.client_token) {
        return Ok(CopyImageOutput { image_id: Some(made) });
    }
    let (source_id, from) =
        (required(input.source_image_id, "sourceImageId")?, required(input.source_region, "sourceRegion")?);
    let name = required(input.name, "name")?;
    region.ec2.check_image_name(&name)?;
    let (base, source_tags) = source(region, call, &source_id, &from)?;
    if input.copy_image_tags == Some(true) {
        tags = source_tags.into_iter().chain(tags).collect();
    }
    let id = region.ec2.ids.ec2("ami");
    let created_at = super::whole_second(call.now);
    let mut block_devices = Vec::new();
    for mut mapping in base.block_device_mappings.clone().unwrap_or_default() {
        if let Some(ebs) = &mut mapping.ebs {
            let was_encrypted = ebs.encrypted == Some(true);
            let asked = input.encrypted.or((was_encrypted || input.kms_key_id.is_some()).then_some(true));
            let source_snapshot = ebs.snapshot_id.clone().unwrap_or_default();
            let snapshot = Snapshot {
                volume: "vol-ffffffff".into(),
                gib: ebs.volume_size.unwrap_or(0),
                kms_key: region.ec2.encryption(asked, input.kms_key_id.clone(), None)?,
                description: format!(
                    "Copied for DestinationAmi {id} from SourceAmi {source_id} for SourceSnapshot {source_snapshot}."
                ),
                started_at: created_at,
                shared_with: Vec::new(),
                storage: Storage::default(),
            };
            ebs.encrypted = Some(snapshot.kms_key.is_some());
            ebs.snapshot_id = Some(region.ec2.keep_snapshot(snapshot, snapshot_tags.clone()));
        }
        block_devices.push(words(mapping));
    }
    let image = OwnImage {
        name,
        description: input.description.or(base.description),
        architecture: base.architecture.unwrap_or_default(),
        virtualization_type: base.virtualization_type.unwrap_or_default(),
        root_device: base.root_device_name.unwrap_or_default(),
        block_devices,
        platform: base.platform,
        platform_details: base.platform_details.unwrap_or_default(),
        usage_operation: base.usage_operation.unwrap_or_default(),
        boot_mode: base.boot_mode,
        imds_support: base.imds_support,
        tpm_support: base.tpm_support,
        ena_support: base.ena_support == Some(true),
        sriov_net_support: base.sriov_net_support,
        kernel_id: base.kernel_id,
        ramdisk_id: base.ramdisk_id,
        source_instance: None,
        source_image: Some((source_id, from)),
        created_at,
        permissions: Vec::new(),
    };
    region.ec2.remember_token(input.client_token, &id);
    Ok(CopyImageOutput { image_id: Some(region.ec2.keep_image(id, image, tags)) })
}

/// The account's own image of this id.
pub fn own_mut<'a>(region: &'a mut Region, id: &str) -> Result<&'a mut OwnImage, Refusal> {
    known(region, id)?;
    region.ec2.images.get_mut(id).ok_or_else(|| refuse("AuthFailure", format!("Not authorized for image:{id}")))
}

fn deregister(region: &mut Region, _: &Call, input: DeregisterImageInput) -> Result<DeregisterImageOutput, Refusal> {
    let id = required(input.image_id, "imageId")?;
    let image = own_mut(region, &id)?.clone();
    let ec2 = &mut region.ec2;
    ec2.images.remove(&id);
    ec2.tags.forget(&id);
    ec2.forget_token_of(&id);
    ec2.deregistered_images.insert(id);
    let mut deleted = Vec::new();
    if input.delete_associated_snapshots == Some(true) {
        for snapshot in image.snapshots() {
            let used = ec2.image_from_snapshot(snapshot).is_some();
            if !used {
                ec2.forget_snapshot(snapshot);
            }
            let return_code = if used { "skipped" } else { "success" };
            deleted.push(DeleteSnapshotReturnCode {
                snapshot_id: Some(snapshot.to_string()),
                return_code: Some(return_code.into()),
            });
        }
    }
    let results = Some(deleted).filter(|deleted| !deleted.is_empty());
    Ok(DeregisterImageOutput { r#return: Some(true), delete_snapshot_results: results })
}

/// Refuses an attribute by its name.
pub fn unknown_attribute(name: &str) -> Refusal {
    invalid_value(name, "attribute", "Unknown attribute.")
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateImageInput "CreateImage":
        "Makes an image of an instance, with snapshots of its volumes.",
        takes InstanceId Name Description NoReboot BlockDeviceMappings TagSpecifications
    );
    operation!(operations, register_image, RegisterImageInput "RegisterImage":
        "Registers an image of snapshots.",
        takes Name Description Architecture BlockDeviceMappings BootMode EnaSupport ImdsSupport KernelId RamdiskId
            RootDeviceName SriovNetSupport TagSpecifications TpmSupport VirtualizationType
    );
    operation!(operations, copy, CopyImageInput "CopyImage":
        "Copies an image within a region or from another one.",
        takes ClientToken CopyImageTags Description Encrypted KmsKeyId Name SourceImageId SourceRegion TagSpecifications
    );
    operation!(operations, deregister, DeregisterImageInput "DeregisterImage":
        "Deregisters an image, with its snapshots if asked.",
        takes ImageId DeleteAssociatedSnapshots
    );
}
