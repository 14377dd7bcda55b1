//! Which volumes an instance has. Start at [`devices`].
//! As long as an instance has what it was launched with, its volumes follow from its launch arguments and its image, and
//! nothing is kept. The first change takes all of them over into the store ([`keep_volumes_of`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Ec2;
use super::ebs::default_kms_key;
use super::error::{invalid_value, refuse, required};
use super::image;
use super::instance::instance;
use super::register::operation;
use super::tag::Tags;
use super::volume::{Volume, change_volume, is_of, keep_volume, missing, volume};
use super::volume_type::{DEFAULT_TYPE, volume_type};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::groups::{Ec2State, Groups, Instance};
use crate::engine::ids::Ids;
use crate::engine::names::{InstanceId, Place};
use crate::sandbox::models::ec2::{AttachVolumeInput, DetachVolumeInput, VolumeAttachment};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub instance: InstanceId,
    pub device: String,
    pub at: Timestamp,
    pub delete_on_termination: bool,
}

impl Attachment {
    pub fn show(&self, volume: &str, state: &str) -> VolumeAttachment {
        VolumeAttachment {
            attach_time: Some(self.at),
            delete_on_termination: Some(self.delete_on_termination),
            device: Some(self.device.clone()),
            instance_id: Some(self.instance.to_string()),
            state: Some(state.into()),
            volume_id: Some(volume.to_string()),
            ..Default::default()
        }
    }
}

/// What stands in for an image that is not known, or no longer.
const UNKNOWN_ROOT_DEVICE: &str = "/dev/xvda";
const UNKNOWN_ROOT_GIB: i64 = 8;

/// What a volume attached by a launch does when nothing says otherwise, root or not. Source: EC2 User Guide, "Preserve data
/// when an instance is terminated", its table for the CLI.
const DELETES_AT_LAUNCH: bool = true;

pub fn root_device_of_image(region: &Region, id: &str) -> String {
    let found = image::find(region, id).and_then(|image| image.root_device_name);
    found.unwrap_or_else(|| UNKNOWN_ROOT_DEVICE.to_string())
}

/// The name of an instance's root device.
pub fn root_device(region: &Region, instance: &Instance) -> String {
    root_device_of_image(region, &instance.image_id)
}

/// A volume of an instance, and how it has it.
pub struct Device {
    pub volume_id: String,
    pub attachment: Attachment,
}

/// The volumes of an instance, its root first.
pub fn devices(region: &Region, instance: &Instance) -> Vec<Device> {
    let root = root_device(region, instance);
    let mut devices: Vec<Device> = match region.ec2.disks.get(&instance.id) {
        Some(kept) => kept.values().filter_map(|id| region.ec2.kept_device(id, &instance.id)).collect(),
        None => derived(region, instance)
            .into_iter()
            .flat_map(|(id, volume, _)| {
                volume.attachments.into_iter().map(move |attachment| Device { volume_id: id.clone(), attachment })
            })
            .collect(),
    };
    devices.sort_by_key(|device| device.attachment.device != root);
    devices
}

impl Ec2 {
    fn kept_device(&self, id: &str, instance: &InstanceId) -> Option<Device> {
        let attachment =
            self.volumes.get(id)?.attachments.iter().find(|attachment| attachment.instance == *instance)?;
        Some(Device { volume_id: id.to_string(), attachment: attachment.clone() })
    }
}

/// The volumes that an instance was launched with, as long as nothing about them has changed; else none.
pub fn derived(region: &Region, instance: &Instance) -> Vec<(String, Volume, Tags)> {
    if region.ec2.disks.contains_key(&instance.id) {
        return Vec::new();
    }
    let root = root_device(region, instance);
    let tags = volume_tags(instance);
    let place = &region.world.place;
    let encrypts = region.ec2.encrypts_by_default;
    mappings(region, instance, &root)
        .into_iter()
        .map(|(device, ebs)| {
            let is_root = device == root;
            // The id follows from the root's own, so that nothing has to be kept.
            let id = match is_root {
                true => instance.root_volume_id.clone(),
                false => Ids::new(0, &format!("{} {device}", instance.root_volume_id)).ec2("vol"),
            };
            (id, launched(place, instance, device, &ebs, encrypts), tags.clone())
        })
        .collect()
}

/// The EBS mappings of an instance by device: its image's, with what the launch says in their place.
fn mappings(region: &Region, instance: &Instance, root: &str) -> BTreeMap<String, Json> {
    let mut mappings = BTreeMap::from([(root.to_string(), Json::Object(Default::default()))]);
    let image = image::find(region, &instance.image_id);
    for device in image.and_then(|image| image.block_device_mappings).unwrap_or_default() {
        if let (Some(name), Some(ebs)) = (device.device_name, device.ebs) {
            mappings.insert(name, super::launch_data::words(ebs));
        }
    }
    for mapping in instance.launch_data["BlockDeviceMappings"].as_array().into_iter().flatten() {
        let Some(name) = mapping["DeviceName"].as_str() else { continue };
        if !mapping["NoDevice"].is_null() && name != root {
            mappings.remove(name);
        }
        if let Some(given) = mapping["Ebs"].as_object() {
            let entry = mappings.entry(name.to_string()).or_insert_with(|| Json::Object(Default::default()));
            if let Some(known) = entry.as_object_mut() {
                // Another type has a performance of its own.
                if given.contains_key("VolumeType") {
                    known.remove("Iops");
                    known.remove("Throughput");
                }
                known.extend(given.clone());
            }
        }
    }
    mappings
}

fn launched(place: &Place, instance: &Instance, device: String, ebs: &Json, encrypts: bool) -> Volume {
    let text = |key: &str| ebs[key].as_str().map(str::to_string);
    let gib = ebs["VolumeSize"].as_i64().unwrap_or(UNKNOWN_ROOT_GIB);
    let kind = volume_type(ebs["VolumeType"].as_str().unwrap_or(DEFAULT_TYPE));
    let kind = kind.unwrap_or_else(|_| volume_type(DEFAULT_TYPE).expect("in the table; this is a bug in scaleproof"));
    let encrypted = encrypts || ebs["Encrypted"] == true;
    // What a launch asks for and a type does not have was for RunInstances to refuse.
    let iops = kind.iops(gib, ebs["Iops"].as_i64()).unwrap_or(ebs["Iops"].as_i64());
    let throughput = kind.throughput(ebs["Throughput"].as_i64()).unwrap_or(None);
    Volume {
        zone: instance.placement.zone.clone(),
        gib,
        kind: kind.name.to_string(),
        iops,
        throughput,
        kms_key: encrypted.then(|| text("KmsKeyId").unwrap_or_else(|| default_kms_key(place))),
        snapshot: text("SnapshotId"),
        multi_attach: false,
        auto_enable_io: false,
        created_at: instance.launched_at,
        attachments: vec![Attachment {
            instance: instance.id.clone(),
            device,
            at: super::whole_second(instance.launched_at),
            delete_on_termination: ebs["DeleteOnTermination"].as_bool().unwrap_or(DELETES_AT_LAUNCH),
        }],
        modification: None,
    }
}

fn volume_tags(instance: &Instance) -> Tags {
    let specifications = instance.launch_data["TagSpecifications"].as_array().into_iter().flatten();
    let of_volumes = specifications.filter(|specification| specification["ResourceType"] == "volume");
    let tags = of_volumes.flat_map(|specification| specification["Tags"].as_array().into_iter().flatten());
    let text = |value: &Json| value.as_str().unwrap_or_default().to_string();
    tags.map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect()
}

/// Keeps all volumes of an instance from now on, since one of them is to differ from what it was launched with.
pub fn keep_volumes_of(region: &mut Region, id: &InstanceId) {
    let Some(instance) = region.world.groups.instance(id) else { return };
    let volumes = derived(region, instance);
    let ec2 = &mut region.ec2;
    let disks = ec2.disks.entry(id.clone()).or_default();
    for (volume_id, volume, tags) in volumes {
        for attachment in &volume.attachments {
            disks.insert(attachment.device.clone(), volume_id.clone());
        }
        ec2.volumes.insert(volume_id.clone(), volume);
        ec2.tags.put(&volume_id, tags);
    }
}

/// Whether any volume of the instance outlives it.
pub fn keeps_a_volume(region: &Region, instance: &Instance) -> bool {
    devices(region, instance).iter().any(|device| !device.attachment.delete_on_termination)
}

/// Sets whether the volume behind a device goes with the instance.
pub fn set_delete_on_termination(region: &mut Region, id: &InstanceId, device: &str, deletes: bool) {
    if !region.ec2.disks.contains_key(id) {
        keep_volumes_of(region, id);
    }
    let ec2 = &mut region.ec2;
    let Some(volume) = ec2.disks.get(id).and_then(|disks| disks.get(device)) else { return };
    let attachments = ec2.volumes.get_mut(volume).into_iter().flat_map(|volume| &mut volume.attachments);
    for attachment in attachments.filter(|attachment| attachment.instance == *id) {
        attachment.delete_on_termination = deletes;
    }
}

impl Ec2 {
    /// Takes kept volumes from instances that have terminated, and deletes those that go with them.
    pub fn part_volumes(&mut self, groups: &Groups) {
        let gone = |id: &InstanceId| groups.instance(id).is_none_or(|instance| instance.state == Ec2State::Terminated);
        let ended: Vec<InstanceId> = self.disks.keys().filter(|id| gone(id)).cloned().collect();
        for id in ended {
            for volume_id in self.disks.remove(&id).unwrap_or_default().into_values() {
                let Some(volume) = self.volumes.get_mut(&volume_id) else { continue };
                let goes = volume.attachments.iter().any(|a| a.instance == id && a.delete_on_termination);
                volume.attachments.retain(|attachment| attachment.instance != id);
                if goes && volume.attachments.is_empty() {
                    self.forget_volume(&volume_id);
                }
            }
        }
    }
}

fn attach(region: &mut Region, call: &Call, input: AttachVolumeInput) -> Result<VolumeAttachment, Refusal> {
    let id = required(input.volume_id, "volumeId")?;
    let device = required(input.device, "device")?;
    let kept = instance(region, &required(input.instance_id, "instanceId")?)?;
    let (owner, zone, state) = (kept.id.clone(), kept.placement.zone.clone(), kept.state);
    let wanted = volume(region, &id)?;
    if !matches!(state, Ec2State::Running | Ec2State::Stopped | Ec2State::Stopping | Ec2State::Pending) {
        let message = format!("Instance '{owner}' is not 'running'.");
        return Err(refuse("IncorrectState", message));
    }
    if wanted.zone != zone {
        let message = format!("The volume '{id}' is not in the same availability zone as instance '{owner}'");
        return Err(refuse("InvalidVolume.ZoneMismatch", message));
    }
    if let Some(attachment) = wanted.attachments.first().filter(|_| !wanted.multi_attach || is_of(&wanted, &owner)) {
        let message = format!("{id} is already attached to an instance ({})", attachment.instance);
        return Err(refuse("VolumeInUse", message));
    }
    keep_volumes_of_once(region, &owner);
    if region.ec2.disks.get(&owner).is_some_and(|disks| disks.contains_key(&device)) {
        let message = format!("Invalid value '{device}' for unixDevice. Attachment point {device} is already in use");
        return Err(refuse("InvalidParameterValue", message));
    }
    let attachment = Attachment {
        instance: owner.clone(),
        device: device.clone(),
        at: super::whole_second(call.now),
        delete_on_termination: false,
    };
    change_volume(region, &id, |volume| {
        volume.attachments.push(attachment.clone());
        Ok(())
    })?;
    region.ec2.disks.entry(owner).or_default().insert(device, id.clone());
    Ok(attachment.show(&id, "attaching"))
}

fn keep_volumes_of_once(region: &mut Region, id: &InstanceId) {
    if !region.ec2.disks.contains_key(id) {
        keep_volumes_of(region, id);
    }
}

/// The attachment that a call means.
fn meant(id: &str, volume: &Volume, input: &DetachVolumeInput) -> Result<Attachment, Refusal> {
    let of = |attachment: &&Attachment| {
        input.instance_id.as_deref().is_none_or(|wanted| attachment.instance.as_str() == wanted)
            && input.device.as_deref().is_none_or(|wanted| attachment.device == wanted)
    };
    if let Some(found) = volume.attachments.iter().find(of) {
        return Ok(found.clone());
    }
    if volume.attachments.is_empty() && input.instance_id.is_none() {
        let message = format!("Volume '{id}' is in the 'available' state.");
        return Err(refuse("IncorrectState", message));
    }
    let instance = input.instance_id.as_deref().unwrap_or_default();
    let message = match &input.device {
        Some(device) => format!("The volume {id} is not attached to instance {instance} as device {device}"),
        None => format!("The volume '{id}' is not attached to instance '{instance}'."),
    };
    Err(refuse("InvalidAttachment.NotFound", message))
}

fn detach(region: &mut Region, _: &Call, input: DetachVolumeInput) -> Result<VolumeAttachment, Refusal> {
    let id = required(input.volume_id.clone(), "volumeId")?;
    if let Some(named) = &input.instance_id {
        instance(region, named)?;
    }
    let found = volume(region, &id)?;
    let attachment = meant(&id, &found, &input)?;
    let kept = instance(region, attachment.instance.as_str())?;
    if kept.state != Ec2State::Stopped && attachment.device == root_device(region, kept) {
        let message = format!("Unable to detach root volume '{id}' from instance '{}'", kept.id);
        return Err(refuse("OperationNotPermitted", message));
    }
    keep_volume(region, &id)?;
    let ec2 = &mut region.ec2;
    let volume = ec2.volumes.get_mut(&id).ok_or_else(|| missing(&[&id]))?;
    volume.attachments.retain(|other| *other != attachment);
    if let Some(disks) = ec2.disks.get_mut(&attachment.instance) {
        disks.remove(&attachment.device);
    }
    Ok(attachment.show(&id, "detaching"))
}

/// The volume that a mapping of a launch asks for, checked as CreateVolume would.
pub fn check_mapping(region: &Region, ebs: &Json) -> Result<(), Refusal> {
    if let Some(id) = ebs["SnapshotId"].as_str() {
        super::snapshot::check_known(region, id)?;
    }
    let Some(name) = ebs["VolumeType"].as_str() else { return Ok(()) };
    let kind = volume_type(name).map_err(|_| invalid_value(name, "volumeType", "Unknown volume type."))?;
    if let Some(gib) = ebs["VolumeSize"].as_i64() {
        kind.check_size(gib)?;
        kind.iops(gib, ebs["Iops"].as_i64())?;
    }
    kind.throughput(ebs["Throughput"].as_i64()).map(|_| ())
}

pub fn register(operations: &mut Operations) {
    operation!(operations, attach, AttachVolumeInput "AttachVolume":
        "Gives an instance a volume of its zone.",
        takes VolumeId InstanceId Device
    );
    operation!(operations, detach, DetachVolumeInput "DetachVolume":
        "Takes a volume from its instance.",
        takes VolumeId InstanceId Device Force
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::services::ec2::testing::{call, launched, region, terminate};

    fn devices_of(region: &Region, id: &InstanceId) -> Vec<String> {
        let kept = region.world.groups.instance(id).unwrap();
        devices(region, kept).into_iter().map(|device| device.attachment.device).collect()
    }

    #[test]
    fn volumes_follow_from_the_launch_until_one_is_taken_away() {
        let mut region = region();
        let mapping = json!({"BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5}}]});
        let id = launched(&mut region, mapping);
        assert_eq!(devices_of(&region, &id), ["/dev/sda1", "/dev/sdf"]);
        assert!(region.ec2.volumes.is_empty());
        let data = devices(&region, region.world.groups.instance(&id).unwrap()).remove(1).volume_id;
        let input = DetachVolumeInput { volume_id: Some(data.clone()), ..Default::default() };
        detach(&mut region, &call(), input).unwrap();
        assert_eq!(devices_of(&region, &id), ["/dev/sda1"]);
        let root = devices(&region, region.world.groups.instance(&id).unwrap()).remove(0).volume_id;
        let input = DetachVolumeInput { volume_id: Some(root), ..Default::default() };
        assert_eq!(detach(&mut region, &call(), input).unwrap_err().code, "OperationNotPermitted");
        terminate(&mut region, &id);
        assert_eq!(region.ec2.volumes.keys().collect::<Vec<_>>(), [&data]);
    }

    #[test]
    fn a_volume_that_is_to_stay_outlives_its_instance() {
        let mut region = region();
        let id = launched(&mut region, json!({}));
        let root = region.world.groups.instance(&id).unwrap().root_volume_id.clone();
        set_delete_on_termination(&mut region, &id, "/dev/sda1", false);
        terminate(&mut region, &id);
        assert!(region.ec2.volumes[&root].attachments.is_empty());
        assert!(region.ec2.disks.is_empty());
    }
}
