//! Volumes (EBS): those made by themselves, and those of instances. Start at [`Volume`].
//! A volume of an instance follows from what launched the instance until something about it changes; from then on it is
//! kept here like any other (`volume_attachment.rs`). All are ready at once: nothing is ever `creating` when one looks.

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::ebs::default_kms_key;
use super::error::{invalid_value, missing_parameter, refuse, required};
use super::register::{ask, operation};
use super::select::{Kind, each, one};
use super::tag::{new_tags, tag_set};
use super::volume_attachment::{Attachment, derived};
use super::volume_type::{DEFAULT_TYPE, volume_type};
use super::zone::{zone_id, zones};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::groups::Ec2State;
use crate::engine::names::{InstanceId, Zone};
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    AttributeBooleanValue, CreateVolumeInput, DeleteVolumeInput, DeleteVolumeOutput, DescribeVolumeAttributeInput,
    DescribeVolumeAttributeOutput, DescribeVolumeStatusInput, DescribeVolumeStatusOutput, DescribeVolumesInput,
    DescribeVolumesOutput, ModifyVolumeAttributeInput, ModifyVolumeAttributeOutput, Tag, VolumeStatusDetails,
    VolumeStatusInfo, VolumeStatusItem,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    pub zone: Zone,
    pub gib: i64,
    pub kind: String,
    pub iops: Option<i64>,
    /// In MiB a second.
    pub throughput: Option<i64>,
    /// The key that encrypts it; none if nothing does.
    pub kms_key: Option<String>,
    pub snapshot: Option<String>,
    pub multi_attach: bool,
    pub auto_enable_io: bool,
    pub created_at: Timestamp,
    pub attachments: Vec<Attachment>,
    /// The last change of its size or performance.
    pub modification: Option<super::volume_change::Modification>,
}

pub fn missing(ids: &[&str]) -> Refusal {
    match ids {
        [id] => refuse("InvalidVolume.NotFound", format!("The volume '{id}' does not exist.")),
        ids => refuse("InvalidVolume.NotFound", format!("The volumes '{}' do not exist.", ids.join(", "))),
    }
}

/// A volume with its id and tags, wherever it is kept.
pub struct Found {
    pub id: String,
    pub volume: Volume,
    pub tags: Option<Vec<Tag>>,
}

/// Every volume of the region, by id.
fn all(region: &Region) -> Vec<Found> {
    let ec2 = &region.ec2;
    let instances = region.world.groups.instances().filter(|instance| instance.state != Ec2State::Terminated);
    let followed = instances.flat_map(|instance| derived(region, instance)).map(|(id, volume, tags)| Found {
        id,
        volume,
        tags: Some(tag_set(&tags)),
    });
    let kept =
        ec2.volumes.iter().map(|(id, volume)| Found { id: id.clone(), volume: volume.clone(), tags: ec2.tags.of(id) });
    let mut all: Vec<Found> = followed.chain(kept).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

/// The volume of this id, wherever it is kept.
pub fn volume(region: &Region, id: &str) -> Result<Volume, Refusal> {
    if let Some(kept) = region.ec2.volumes.get(id) {
        return Ok(kept.clone());
    }
    all(region).into_iter().find(|found| found.id == id).map(|found| found.volume).ok_or_else(|| missing(&[id]))
}

/// Lets `change` loose on a volume, which from then on is kept.
pub fn change_volume<T>(
    region: &mut Region,
    id: &str,
    change: impl FnOnce(&mut Volume) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    keep_volume(region, id)?;
    region.ec2.volumes.get_mut(id).ok_or_else(|| missing(&[id])).and_then(change)
}

/// Takes the volume over from what launched its instance, if that is where it is.
pub fn keep_volume(region: &mut Region, id: &str) -> Result<(), Refusal> {
    if !region.ec2.volumes.contains_key(id) {
        let owner = volume(region, id)?.attachments.first().map(|attachment| attachment.instance.clone());
        super::volume_attachment::keep_volumes_of(region, &owner.ok_or_else(|| missing(&[id]))?);
    }
    Ok(())
}

impl Ec2 {
    fn show_volume(&self, id: &str, volume: &Volume, tags: Option<Vec<Tag>>) -> model::Volume {
        model::Volume {
            volume_id: Some(id.to_string()),
            availability_zone: Some(volume.zone.to_string()),
            availability_zone_id: zone_id(&self.place.region, &volume.zone),
            create_time: Some(volume.created_at),
            encrypted: Some(volume.kms_key.is_some()),
            kms_key_id: volume.kms_key.clone(),
            iops: volume.iops,
            throughput: volume.throughput,
            multi_attach_enabled: Some(volume.multi_attach),
            size: Some(volume.gib),
            // Empty where there is none, as in the API reference's example.
            snapshot_id: Some(volume.snapshot.clone().unwrap_or_default()),
            state: Some(if volume.attachments.is_empty() { "available" } else { "in-use" }.into()),
            volume_type: Some(volume.kind.clone()),
            attachments: Some(volume.attachments.iter().map(|attachment| attachment.show(id, "attached")).collect()),
            // A volume without tags shows no set, like an instance.
            tags: tags.filter(|tags| !tags.is_empty()),
            ..Default::default()
        }
    }

    pub fn check_zone_name(&self, name: &str) -> Result<Zone, Refusal> {
        match zones(&self.place.region).iter().any(|zone| zone.name == name) {
            true => Ok(Zone(name.to_string())),
            false => Err(refuse("InvalidZone.NotFound", format!("The zone '{name}' does not exist."))),
        }
    }

    fn wanted_zone(&self, input: &CreateVolumeInput) -> Result<Zone, Refusal> {
        match (&input.availability_zone, &input.availability_zone_id) {
            (Some(name), _) => self.check_zone_name(name),
            (None, Some(id)) => {
                let found = zones(&self.place.region).into_iter().find(|zone| zone.id == *id);
                let unknown = || refuse("InvalidZone.NotFound", format!("The zone '{id}' does not exist."));
                found.map(|zone| Zone(zone.name)).ok_or_else(unknown)
            }
            (None, None) => Err(missing_parameter("availabilityZone")),
        }
    }

    /// The key of a new volume or copy: the one asked for, the source's, or AWS's own where encryption is on.
    pub fn encryption(
        &self,
        encrypted: Option<bool>,
        key: Option<String>,
        source: Option<String>,
    ) -> Result<Option<String>, Refusal> {
        if key.is_some() && encrypted != Some(true) {
            let message = "The parameter KmsKeyId requires the parameter Encrypted to be set.";
            return Err(refuse("InvalidParameterDependency", message));
        }
        if source.is_some() && encrypted == Some(false) {
            let message = "Volumes and copies of an encrypted snapshot are encrypted.";
            return Err(invalid_value("false", "encrypted", message));
        }
        let encrypts = encrypted == Some(true) || self.encrypts_by_default;
        Ok(key.or(source).or_else(|| encrypts.then(|| default_kms_key(&self.place))))
    }

    fn new_volume(&self, input: &CreateVolumeInput, now: Timestamp) -> Result<Volume, Refusal> {
        let zone = self.wanted_zone(input)?;
        let source = input.snapshot_id.as_ref().map(|id| self.snapshot(id)).transpose()?;
        let gib = match (input.size, source) {
            (Some(gib), Some(snapshot)) if gib < snapshot.gib => {
                let id = input.snapshot_id.as_deref().unwrap_or_default();
                let why =
                    format!("Volume of {gib}GiB is smaller than snapshot '{id}', expect size >= {}", snapshot.gib);
                return Err(refuse("InvalidParameterValue", why));
            }
            (Some(gib), _) => gib,
            (None, Some(snapshot)) => snapshot.gib,
            (None, None) => return Err(missing_parameter("size/snapshot")),
        };
        let kind = volume_type(input.volume_type.as_deref().unwrap_or(DEFAULT_TYPE))?;
        kind.check_size(gib)?;
        kind.check_multi_attach(input.multi_attach_enabled == Some(true))?;
        let kms_key = self.encryption(
            input.encrypted,
            input.kms_key_id.clone(),
            source.and_then(|snapshot| snapshot.kms_key.clone()),
        )?;
        Ok(Volume {
            zone,
            gib,
            kind: kind.name.to_string(),
            iops: kind.iops(gib, input.iops)?,
            throughput: kind.throughput(input.throughput)?,
            kms_key,
            snapshot: input.snapshot_id.clone(),
            multi_attach: input.multi_attach_enabled == Some(true),
            auto_enable_io: false,
            created_at: now,
            attachments: Vec::new(),
            modification: None,
        })
    }
}

const VOLUMES: Kind<model::Volume> = Kind {
    id: |volume| &volume.volume_id,
    id_parameter: "volumeIdSet",
    missing,
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
        ("fast-restored", |_| vec!["false".into()]),
        ("multi-attach-enabled", |v| one(&v.multi_attach_enabled)),
        ("size", |v| one(&v.size)),
        ("snapshot-id", |v| one(&v.snapshot_id)),
        ("status", |v| one(&v.state)),
        ("volume-id", |v| one(&v.volume_id)),
        ("volume-type", |v| one(&v.volume_type)),
    ],
};

fn create(region: &mut Region, call: &Call, input: CreateVolumeInput) -> Result<model::Volume, Refusal> {
    let tags = new_tags(input.tag_specifications.clone(), "volume")?;
    let ec2 = &mut region.ec2;
    let id = match ec2.made_before(&input.client_token) {
        Some(id) => id,
        None => {
            let volume = ec2.new_volume(&input, super::whole_second(call.now))?;
            let id = ec2.ids.ec2("vol");
            ec2.volumes.insert(id.clone(), volume);
            ec2.remember_token(input.client_token, &id);
            ec2.tags.put(&id, tags);
            id
        }
    };
    let kept = ec2.volumes.get(&id).ok_or_else(|| missing(&[&id]))?;
    // The answer is about the moment of the call.
    Ok(model::Volume { state: Some("creating".into()), ..ec2.show_volume(&id, kept, ec2.tags.of(&id)) })
}

fn delete(region: &mut Region, _: &Call, input: DeleteVolumeInput) -> Result<DeleteVolumeOutput, Refusal> {
    let id = required(input.volume_id, "volumeId")?;
    if let Some(attachment) = volume(region, &id)?.attachments.first() {
        let message = format!("Volume {id} is currently attached to {}", attachment.instance);
        return Err(refuse("VolumeInUse", message));
    }
    region.ec2.forget_volume(&id);
    Ok(DeleteVolumeOutput::default())
}

impl Ec2 {
    pub fn forget_volume(&mut self, id: &str) {
        self.volumes.remove(id);
        self.tags.forget(id);
        self.forget_token_of(id);
    }
}

fn describe(region: &mut Region, _: &Call, input: DescribeVolumesInput) -> Result<DescribeVolumesOutput, Refusal> {
    let ec2 = &region.ec2;
    let all = all(region).into_iter().map(|found| ec2.show_volume(&found.id, &found.volume, found.tags));
    let (volumes, next_token) = VOLUMES.select(all.collect(), ask!(input.volume_ids))?.set();
    Ok(DescribeVolumesOutput { volumes, next_token })
}

const STATUSES: Kind<VolumeStatusItem> = Kind {
    id: |status| &status.volume_id,
    id_parameter: "volumeId",
    missing,
    tags: |_| &None,
    filters: &[
        ("action.code", |_| Vec::new()),
        ("action.description", |_| Vec::new()),
        ("action.event-id", |_| Vec::new()),
        ("availability-zone", |s| one(&s.availability_zone)),
        ("availability-zone-id", |s| one(&s.availability_zone_id)),
        ("event.description", |_| Vec::new()),
        ("event.event-id", |_| Vec::new()),
        ("event.event-type", |_| Vec::new()),
        ("volume-status.details-name", |s| {
            s.volume_status.iter().flat_map(|status| each(&status.details, |detail| &detail.name)).collect()
        }),
        ("volume-status.details-status", |s| {
            s.volume_status.iter().flat_map(|status| each(&status.details, |detail| &detail.status)).collect()
        }),
        ("volume-status.status", |s| s.volume_status.iter().flat_map(|status| one(&status.status)).collect()),
    ],
};

/// Nothing ever breaks here.
fn show_status(region: &Region, found: Found) -> VolumeStatusItem {
    let detail =
        |name: &str, status: &str| VolumeStatusDetails { name: Some(name.into()), status: Some(status.into()) };
    let measured = matches!(found.volume.kind.as_str(), "io1" | "io2" | "gp3");
    let performance = if measured { "normal" } else { "not-applicable" };
    VolumeStatusItem {
        volume_id: Some(found.id),
        availability_zone: Some(found.volume.zone.to_string()),
        availability_zone_id: zone_id(&region.world.place.region, &found.volume.zone),
        actions: Some(Vec::new()),
        events: Some(Vec::new()),
        volume_status: Some(VolumeStatusInfo {
            status: Some("ok".into()),
            details: Some(vec![detail("io-enabled", "passed"), detail("io-performance", performance)]),
        }),
        ..Default::default()
    }
}

fn describe_status(
    region: &mut Region,
    _: &Call,
    input: DescribeVolumeStatusInput,
) -> Result<DescribeVolumeStatusOutput, Refusal> {
    let all = all(region).into_iter().map(|found| show_status(region, found)).collect();
    let (volume_statuses, next_token) = STATUSES.select(all, ask!(input.volume_ids))?.set();
    Ok(DescribeVolumeStatusOutput { volume_statuses, next_token })
}

fn describe_attribute(
    region: &mut Region,
    _: &Call,
    input: DescribeVolumeAttributeInput,
) -> Result<DescribeVolumeAttributeOutput, Refusal> {
    let id = required(input.volume_id, "volumeId")?;
    let kept = volume(region, &id)?;
    let mut output = DescribeVolumeAttributeOutput { volume_id: Some(id), ..Default::default() };
    match required(input.attribute, "attribute")?.as_str() {
        "autoEnableIO" => output.auto_enable_io = Some(AttributeBooleanValue { value: Some(kept.auto_enable_io) }),
        "productCodes" => output.product_codes = Some(Vec::new()),
        other => return Err(invalid_value(other, "attribute", "Unknown attribute.")),
    }
    Ok(output)
}

fn modify_attribute(
    region: &mut Region,
    _: &Call,
    input: ModifyVolumeAttributeInput,
) -> Result<ModifyVolumeAttributeOutput, Refusal> {
    let id = required(input.volume_id, "volumeId")?;
    let wanted = required(input.auto_enable_io.and_then(|attribute| attribute.value), "autoEnableIO")?;
    change_volume(region, &id, |volume| {
        volume.auto_enable_io = wanted;
        Ok(())
    })?;
    Ok(ModifyVolumeAttributeOutput::default())
}

/// Whether a volume is one of this instance's, as messages need to know.
pub fn is_of(volume: &Volume, instance: &InstanceId) -> bool {
    volume.attachments.iter().any(|attachment| attachment.instance == *instance)
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateVolumeInput "CreateVolume":
        "Creates a volume, empty or from a snapshot.",
        takes AvailabilityZone AvailabilityZoneId ClientToken Encrypted Iops KmsKeyId MultiAttachEnabled Size SnapshotId
            TagSpecifications Throughput VolumeType
    );
    operation!(operations, delete, DeleteVolumeInput "DeleteVolume":
        "Deletes a volume that nothing has attached.",
        takes VolumeId
    );
    operation!(operations, describe, DescribeVolumesInput "DescribeVolumes":
        "Lists volumes, also those of instances.",
        takes VolumeIds Filters MaxResults NextToken
    );
    operation!(operations, describe_status, DescribeVolumeStatusInput "DescribeVolumeStatus":
        "Shows every volume as sound.",
        takes VolumeIds Filters MaxResults NextToken
    );
    operation!(operations, describe_attribute, DescribeVolumeAttributeInput "DescribeVolumeAttribute":
        "Shows one attribute of a volume.",
        takes VolumeId Attribute
    );
    operation!(operations, modify_attribute, ModifyVolumeAttributeInput "ModifyVolumeAttribute":
        "Sets whether a volume goes on after an inconsistency.",
        takes VolumeId AutoEnableIO
    );
}
