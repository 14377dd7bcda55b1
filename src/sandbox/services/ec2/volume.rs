//! Volumes: those that instances were launched with. There are no others here. Start at [`devices`].

use super::error::refuse;
use super::image_catalogue::public_image;
use super::register::{ask, operation};
use super::select::{Kind, each, one};
use super::zone::zone_id;
use crate::engine::Refusal;
use crate::engine::groups::{Ec2State, Instance};
use crate::engine::ids::Ids;
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{DescribeVolumesInput, DescribeVolumesOutput, Tag, VolumeAttachment};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// What stands in for an image that the catalogue does not know.
const UNKNOWN_ROOT_DEVICE: &str = "/dev/xvda";

/// The name of an instance's root device.
pub fn root_device(region: &Region, instance: &Instance) -> String {
    root_device_of_image(region, &instance.image_id)
}

pub fn root_device_of_image(region: &Region, image: &str) -> String {
    let image = public_image(&region.world.place.region, image);
    image.map_or(UNKNOWN_ROOT_DEVICE, |image| image.line.root_device()).to_string()
}

/// A volume of an instance.
pub struct Device {
    pub name: String,
    pub volume_id: String,
}

/// The volumes of an instance: its root, and what its launch data maps besides.
pub fn devices(region: &Region, instance: &Instance) -> Vec<Device> {
    let root = Device { name: root_device(region, instance), volume_id: instance.root_volume_id.clone() };
    let mappings = instance.launch_data["BlockDeviceMappings"].as_array().into_iter().flatten();
    let mapped = mappings.filter(|mapping| mapping["Ebs"].is_object()).filter_map(|mapping| {
        let name = mapping["DeviceName"].as_str()?.to_string();
        // The id follows from the instance's own, so that nothing has to be kept.
        let volume_id = Ids::new(0, &format!("{} {name}", instance.root_volume_id)).ec2("vol");
        Some(Device { name, volume_id })
    });
    let others: Vec<Device> = mapped.filter(|device| device.name != root.name).collect();
    std::iter::once(root).chain(others).collect()
}

/// The launch data's words on a device, null where it has none.
fn mapping<'a>(instance: &'a Instance, device: &str) -> &'a serde_json::Value {
    let mappings = instance.launch_data["BlockDeviceMappings"].as_array();
    let found = mappings.into_iter().flatten().find(|mapping| mapping["DeviceName"] == device);
    found.map_or(&serde_json::Value::Null, |mapping| &mapping["Ebs"])
}

/// Whether a volume goes with its instance: so unless the launch data says otherwise.
pub fn deletes_on_termination(instance: &Instance, device: &str) -> bool {
    mapping(instance, device)["DeleteOnTermination"].as_bool().unwrap_or(true)
}

fn volume_tags(instance: &Instance) -> Vec<Tag> {
    let specifications = instance.launch_data["TagSpecifications"].as_array().into_iter().flatten();
    let of_volumes = specifications.filter(|specification| specification["ResourceType"] == "volume");
    let tags = of_volumes.flat_map(|specification| specification["Tags"].as_array().into_iter().flatten());
    let text = |value: &serde_json::Value| value.as_str().map(str::to_string);
    tags.map(|tag| Tag { key: text(&tag["Key"]), value: text(&tag["Value"]) }).collect()
}

fn show(region: &Region, instance: &Instance, device: Device) -> model::Volume {
    let place = &region.world.place;
    let mapping = mapping(instance, &device.name);
    let is_root = device.volume_id == instance.root_volume_id;
    let line = public_image(&place.region, &instance.image_id).filter(|_| is_root);
    let text = |key: &str| mapping[key].as_str().map(str::to_string);
    let number = |key: &str| mapping[key].as_i64();
    // "The default volume type is gp2" where the image says nothing.
    let default_type = line.as_ref().map_or("gp2", |image| image.line.volume_type);
    let kind = text("VolumeType").or_else(|| Some(default_type.to_string()));
    let is_gp3 = kind.as_deref() == Some("gp3");
    model::Volume {
        volume_id: Some(device.volume_id.clone()),
        availability_zone: Some(instance.placement.zone.to_string()),
        availability_zone_id: zone_id(&place.region, &instance.placement.zone),
        create_time: Some(instance.launched_at),
        encrypted: Some(mapping["Encrypted"].as_bool().unwrap_or(false)),
        kms_key_id: text("KmsKeyId"),
        iops: number("Iops").or(is_gp3.then_some(3000)),
        throughput: number("Throughput").or(is_gp3.then_some(125)),
        multi_attach_enabled: Some(false),
        size: number("VolumeSize").or(line.as_ref().map(|image| image.line.volume_gib)),
        snapshot_id: text("SnapshotId").or_else(|| line.map(|image| image.snapshot_id)),
        state: Some("in-use".into()),
        volume_type: kind,
        attachments: Some(vec![VolumeAttachment {
            attach_time: Some(instance.launched_at),
            delete_on_termination: Some(deletes_on_termination(instance, &device.name)),
            device: Some(device.name),
            instance_id: Some(instance.id.to_string()),
            state: Some("attached".into()),
            volume_id: Some(device.volume_id),
            ..Default::default()
        }]),
        tags: Some(volume_tags(instance)),
        ..Default::default()
    }
}

const VOLUMES: Kind<model::Volume> = Kind {
    id: |volume| &volume.volume_id,
    id_parameter: "volumeIdSet",
    missing: |ids| refuse("InvalidVolume.NotFound", format!("The volume '{}' does not exist.", ids.join(", "))),
    tags: |volume| &volume.tags,
    filters: &[
        ("attachment.attach-time", |v| each(&v.attachments, |a| &a.attach_time)),
        ("attachment.delete-on-termination", |v| each(&v.attachments, |a| &a.delete_on_termination)),
        ("attachment.device", |v| each(&v.attachments, |a| &a.device)),
        ("attachment.instance-id", |v| each(&v.attachments, |a| &a.instance_id)),
        ("attachment.status", |v| each(&v.attachments, |a| &a.state)),
        ("availability-zone", |v| one(&v.availability_zone)),
        ("availability-zone-id", |v| one(&v.availability_zone_id)),
        ("create-time", |v| one(&v.create_time)),
        ("encrypted", |v| one(&v.encrypted)),
        ("multi-attach-enabled", |v| one(&v.multi_attach_enabled)),
        ("size", |v| one(&v.size)),
        ("snapshot-id", |v| one(&v.snapshot_id)),
        ("status", |v| one(&v.state)),
        ("volume-id", |v| one(&v.volume_id)),
        ("volume-type", |v| one(&v.volume_type)),
    ],
};

fn describe(region: &mut Region, _: &Call, input: DescribeVolumesInput) -> Result<DescribeVolumesOutput, Refusal> {
    let instances = region.world.groups.instances().filter(|instance| instance.state != Ec2State::Terminated);
    let all = instances
        .flat_map(|instance| devices(region, instance).into_iter().map(|device| show(region, instance, device)));
    let (volumes, next_token) = VOLUMES.select(all.collect(), ask!(input.volume_ids))?.set();
    Ok(DescribeVolumesOutput { volumes, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, describe, DescribeVolumesInput "DescribeVolumes":
        "Lists the volumes of instances.",
        takes VolumeIds Filters MaxResults NextToken
    );
}
