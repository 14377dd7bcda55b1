//! Snapshots of volumes: made, copied, listed, deleted. Start at [`Snapshot`].
//! `snapshot_attribute.rs` has who may use them and where they are stored. They are complete at once.

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::error::{invalid_value, refuse, required};
use super::image;
use super::instance::instance;
use super::register::{ask, operation};
use super::select::{Kind, one};
use super::snapshot_attribute::{Storage, Tier};
use super::tag::{Tags, new_tags};
use super::volume::volume;
use super::volume_attachment::{devices, root_device};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    CopySnapshotInput, CopySnapshotOutput, CreateSnapshotInput, CreateSnapshotsInput, CreateSnapshotsOutput,
    DeleteSnapshotInput, DeleteSnapshotOutput, DescribeSnapshotsInput, DescribeSnapshotsOutput, SnapshotInfo,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The volume it was taken of.
    pub volume: String,
    pub gib: i64,
    /// The key that encrypts it; none if nothing does.
    pub kms_key: Option<String>,
    pub description: String,
    pub started_at: Timestamp,
    /// Accounts that may make volumes of it, and `all`.
    pub shared_with: Vec<String>,
    pub storage: Storage,
}

/// "Every snapshot that is created by the CopySnapshot action has an arbitrary volume ID". Source: CopySnapshot.
const VOLUME_OF_A_COPY: &str = "vol-ffffffff";

pub fn missing(ids: &[&str]) -> Refusal {
    match ids {
        [id] => refuse("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist.")),
        ids => refuse("InvalidSnapshot.NotFound", format!("The snapshots '{}' do not exist.", ids.join(", "))),
    }
}

/// Refuses a snapshot that is neither the account's nor that of an image.
pub fn check_known(region: &Region, id: &str) -> Result<(), Refusal> {
    match region.ec2.snapshots.contains_key(id) || image::has_snapshot(region, id) {
        true => Ok(()),
        false => Err(missing(&[id])),
    }
}

impl Ec2 {
    pub fn snapshot(&self, id: &str) -> Result<&Snapshot, Refusal> {
        self.snapshots.get(id).ok_or_else(|| missing(&[id]))
    }

    /// Adds a snapshot and answers its id.
    pub fn keep_snapshot(&mut self, snapshot: Snapshot, tags: Tags) -> String {
        let id = self.ids.ec2("snap");
        self.snapshots.insert(id.clone(), snapshot);
        self.tags.put(&id, tags);
        id
    }

    fn show_snapshot(&self, id: &str, snapshot: &Snapshot) -> model::Snapshot {
        model::Snapshot {
            snapshot_id: Some(id.to_string()),
            volume_id: Some(snapshot.volume.clone()),
            volume_size: Some(snapshot.gib),
            state: Some("completed".into()),
            progress: Some("100%".into()),
            start_time: Some(snapshot.started_at),
            completion_time: Some(snapshot.started_at),
            owner_id: Some(self.place.account.clone()),
            description: Some(snapshot.description.clone()),
            encrypted: Some(snapshot.kms_key.is_some()),
            kms_key_id: snapshot.kms_key.clone(),
            storage_tier: Some(snapshot.storage.tier.name().into()),
            restore_expiry_time: snapshot.storage.restored_until,
            tags: self.tags.of(id),
            ..Default::default()
        }
    }

    /// The snapshot in the words of the call that makes it, when nothing is copied yet.
    fn show_started(&self, id: &str, snapshot: &Snapshot) -> model::Snapshot {
        model::Snapshot {
            state: Some("pending".into()),
            progress: Some(String::new()),
            completion_time: None,
            ..self.show_snapshot(id, snapshot)
        }
    }
}

/// A snapshot of a volume as it is now.
pub fn taken(region: &Region, id: &str, description: String, now: Timestamp) -> Result<Snapshot, Refusal> {
    let volume = volume(region, id)?;
    Ok(Snapshot {
        volume: id.to_string(),
        gib: volume.gib,
        kms_key: volume.kms_key,
        description,
        started_at: super::whole_second(now),
        shared_with: Vec::new(),
        storage: Storage::default(),
    })
}

const SNAPSHOTS: Kind<model::Snapshot> = Kind {
    id: |snapshot| &snapshot.snapshot_id,
    id_parameter: "snapshotIdSet",
    missing,
    tags: |snapshot| &snapshot.tags,
    filters: &[
        ("description", |s| one(&s.description)),
        ("encrypted", |s| one(&s.encrypted)),
        ("kms-key-id", |s| one(&s.kms_key_id)),
        ("owner-alias", |s| one(&s.owner_alias)),
        ("owner-id", |s| one(&s.owner_id)),
        ("progress", |s| one(&s.progress)),
        ("snapshot-id", |s| one(&s.snapshot_id)),
        ("start-time", |s| one(&s.start_time)),
        ("status", |s| one(&s.state)),
        ("storage-tier", |s| one(&s.storage_tier)),
        ("transfer-type", |_| vec!["standard".into()]),
        ("volume-id", |s| one(&s.volume_id)),
        ("volume-size", |s| one(&s.volume_size)),
    ],
};

fn create(region: &mut Region, call: &Call, input: CreateSnapshotInput) -> Result<model::Snapshot, Refusal> {
    let tags = new_tags(input.tag_specifications, "snapshot")?;
    let id = required(input.volume_id, "volumeId")?;
    let snapshot = taken(region, &id, input.description.unwrap_or_default(), call.now)?;
    let ec2 = &mut region.ec2;
    let id = ec2.keep_snapshot(snapshot.clone(), tags);
    Ok(ec2.show_started(&id, &snapshot))
}

fn create_of_instance(
    region: &mut Region,
    call: &Call,
    input: CreateSnapshotsInput,
) -> Result<CreateSnapshotsOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "snapshot")?;
    let wanted = required(input.instance_specification, "instanceSpecification")?;
    let kept = instance(region, &required(wanted.instance_id, "instanceId")?)?;
    let left_out = wanted.exclude_data_volume_ids.unwrap_or_default();
    let root = root_device(region, kept);
    let without_root = wanted.exclude_boot_volume == Some(true);
    let volumes: Vec<String> = devices(region, kept)
        .into_iter()
        .filter(|device| !(without_root && device.attachment.device == root))
        .map(|device| device.volume_id)
        .filter(|id| !left_out.contains(id))
        .collect();
    let description = input.description.unwrap_or_default();
    let copies_tags = input.copy_tags_from_source.as_deref() == Some("volume");
    let mut snapshots = Vec::new();
    for id in volumes {
        let snapshot = taken(region, &id, description.clone(), call.now)?;
        if copies_tags {
            super::volume::keep_volume(region, &id)?;
        }
        let ec2 = &mut region.ec2;
        let mut all_tags = if copies_tags { ec2.tags.all_of(&id) } else { Tags::new() };
        all_tags.extend(tags.clone());
        let id = ec2.keep_snapshot(snapshot.clone(), all_tags);
        snapshots.push(info(ec2.show_started(&id, &snapshot)));
    }
    Ok(CreateSnapshotsOutput { snapshots: Some(snapshots) })
}

fn info(shown: model::Snapshot) -> SnapshotInfo {
    SnapshotInfo {
        description: shown.description,
        tags: Some(shown.tags.unwrap_or_default()),
        encrypted: shown.encrypted,
        volume_id: shown.volume_id,
        state: shown.state,
        volume_size: shown.volume_size,
        start_time: shown.start_time,
        progress: shown.progress,
        owner_id: shown.owner_id,
        snapshot_id: shown.snapshot_id,
        ..Default::default()
    }
}

fn copy(region: &mut Region, call: &Call, input: CopySnapshotInput) -> Result<CopySnapshotOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "snapshot")?;
    let id = required(input.source_snapshot_id, "sourceSnapshotId")?;
    let from = required(input.source_region, "sourceRegion")?;
    let source = match from == region.world.place.region {
        true => region.ec2.snapshot(&id)?.clone(),
        false => call.elsewhere().and_then(|ec2| ec2.snapshots.get(&id)).cloned().ok_or_else(|| missing(&[&id]))?,
    };
    if source.storage.tier == Tier::Archive {
        return Err(refuse("IncorrectState", format!("Snapshot '{id}' is archived.")));
    }
    // A key of another region encrypts nothing here: there the copy gets this region's own.
    let (source_key, encrypted) = match (&source.kms_key, from == region.world.place.region) {
        (Some(key), true) => (Some(key.clone()), input.encrypted),
        (Some(_), false) => (None, Some(true)),
        // "KmsKeyId ... the encrypted state is implied".
        (None, _) => (None, input.encrypted.or(input.kms_key_id.as_ref().map(|_| true))),
    };
    let snapshot = Snapshot {
        volume: VOLUME_OF_A_COPY.into(),
        kms_key: region.ec2.encryption(encrypted, input.kms_key_id, source_key)?,
        description: input.description.unwrap_or_default(),
        started_at: super::whole_second(call.now),
        shared_with: Vec::new(),
        ..source
    };
    let ec2 = &mut region.ec2;
    let id = ec2.keep_snapshot(snapshot, tags);
    Ok(CopySnapshotOutput { tags: ec2.tags.of(&id), snapshot_id: Some(id) })
}

fn delete(region: &mut Region, _: &Call, input: DeleteSnapshotInput) -> Result<DeleteSnapshotOutput, Refusal> {
    let id = required(input.snapshot_id, "snapshotId")?;
    let ec2 = &mut region.ec2;
    ec2.snapshot(&id)?;
    if let Some(image) = ec2.image_from_snapshot(&id) {
        let message = format!("The snapshot {id} is currently in use by {image}");
        return Err(refuse("InvalidSnapshot.InUse", message));
    }
    ec2.forget_snapshot(&id);
    Ok(DeleteSnapshotOutput::default())
}

impl Ec2 {
    pub fn forget_snapshot(&mut self, id: &str) {
        self.snapshots.remove(id);
        self.tags.forget(id);
    }
}

fn describe(region: &mut Region, _: &Call, input: DescribeSnapshotsInput) -> Result<DescribeSnapshotsOutput, Refusal> {
    let ec2 = &region.ec2;
    let account = &ec2.place.account;
    let owners = input.owner_ids.unwrap_or_default();
    let is_owned = owners.is_empty() || owners.iter().any(|owner| owner == "self" || owner == account);
    let users = input.restorable_by_user_ids.unwrap_or_default();
    if let Some(user) = users.iter().find(|user| !super::snapshot_attribute::is_account(user, account)) {
        return Err(invalid_value(user, "restorableBy", "Expecting an account id, self or all."));
    }
    let restorable = |snapshot: &Snapshot| {
        let open = snapshot.shared_with.iter();
        let may = |user: &String| {
            user == "self" || user == account || open.clone().any(|shared| shared == "all" || shared == user)
        };
        users.is_empty() || users.iter().any(may)
    };
    let kept = ec2.snapshots.iter().filter(|(_, snapshot)| is_owned && restorable(snapshot));
    let all = kept.map(|(id, snapshot)| ec2.show_snapshot(id, snapshot)).collect();
    let (snapshots, next_token) = SNAPSHOTS.select(all, ask!(input.snapshot_ids))?.set();
    Ok(DescribeSnapshotsOutput { snapshots, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateSnapshotInput "CreateSnapshot":
        "Takes a snapshot of a volume.",
        takes VolumeId Description TagSpecifications
    );
    operation!(operations, create_of_instance, CreateSnapshotsInput "CreateSnapshots":
        "Takes snapshots of all volumes of an instance.",
        takes Description InstanceSpecification TagSpecifications CopyTagsFromSource
    );
    operation!(operations, copy, CopySnapshotInput "CopySnapshot":
        "Copies a snapshot within a region or from another one.",
        takes Description Encrypted KmsKeyId SourceRegion SourceSnapshotId TagSpecifications PresignedUrl
            DestinationRegion
    );
    operation!(operations, delete, DeleteSnapshotInput "DeleteSnapshot":
        "Deletes a snapshot that no image needs.",
        takes SnapshotId
    );
    operation!(operations, describe, DescribeSnapshotsInput "DescribeSnapshots":
        "Lists the account's snapshots.",
        takes SnapshotIds OwnerIds RestorableByUserIds Filters MaxResults NextToken
    );
}
