//! Who may use a snapshot, and in which storage tier it is. Start at [`Storage`].
//! Archiving and restoring are over at once, where AWS takes hours to days.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::{combination, invalid_value, refuse, required};
use super::register::{ask, operation};
use super::select::{Kind, one};
use super::snapshot::{Snapshot, missing};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::sandbox::models::ec2::{
    CreateVolumePermission, DescribeSnapshotAttributeInput, DescribeSnapshotAttributeOutput,
    DescribeSnapshotTierStatusInput, DescribeSnapshotTierStatusOutput, ModifySnapshotAttributeInput,
    ModifySnapshotAttributeOutput, ModifySnapshotTierInput, ModifySnapshotTierOutput, ResetSnapshotAttributeInput,
    ResetSnapshotAttributeOutput, RestoreSnapshotTierInput, RestoreSnapshotTierOutput, SnapshotTierStatus,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tier {
    #[default]
    Standard,
    Archive,
}

impl Tier {
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Archive => "archive",
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    pub tier: Tier,
    /// When an archived one that was restored for a time goes back.
    pub restored_until: Option<Timestamp>,
    /// The last move: when, and what EC2 says of it.
    pub last_move: Option<(Timestamp, String)>,
}

/// Whether this names an account in one of the ways that a list of snapshots takes.
pub fn is_account(text: &str, own: &str) -> bool {
    text == "self" || text == "all" || text == own || (text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()))
}

/// The permissions that the two forms of the call add and take away.
struct Permissions {
    add: Vec<String>,
    remove: Vec<String>,
}

fn permissions(input: &ModifySnapshotAttributeInput) -> Result<Permissions, Refusal> {
    let flat = |list: Option<Vec<CreateVolumePermission>>| -> Vec<String> {
        list.into_iter().flatten().filter_map(|permission| permission.group.or(permission.user_id)).collect()
    };
    let given = input.create_volume_permission.clone().unwrap_or_default();
    let (mut add, mut remove) = (flat(given.add), flat(given.remove));
    let groups = input.group_names.iter().flatten();
    if let Some(group) = groups.clone().find(|group| *group != "all") {
        let message = format!("Invalid attribute item value \"{group}\" for userGroup item type.");
        return Err(refuse("InvalidAMIAttributeItemValue", message));
    }
    let named: Vec<String> = groups.chain(input.user_ids.iter().flatten()).cloned().collect();
    match input.operation_type.as_deref() {
        _ if named.is_empty() => {}
        Some("remove") => remove.extend(named),
        _ => add.extend(named),
    }
    if add.is_empty() && remove.is_empty() {
        return Err(combination("No create volume permission was specified"));
    }
    Ok(Permissions { add, remove })
}

fn snapshot_mut<'a>(region: &'a mut Region, id: &str) -> Result<&'a mut Snapshot, Refusal> {
    region.ec2.snapshots.get_mut(id).ok_or_else(|| missing(&[id]))
}

fn modify(
    region: &mut Region,
    _: &Call,
    input: ModifySnapshotAttributeInput,
) -> Result<ModifySnapshotAttributeOutput, Refusal> {
    let id = required(input.snapshot_id.clone(), "snapshotId")?;
    let snapshot = snapshot_mut(region, &id)?;
    if let Some(other) = input.attribute.as_deref().filter(|name| *name != "createVolumePermission") {
        return Err(invalid_value(other, "attribute", "Only createVolumePermission can be modified."));
    }
    let Permissions { add, remove } = permissions(&input)?;
    for user in add {
        if !snapshot.shared_with.contains(&user) {
            snapshot.shared_with.push(user);
        }
    }
    snapshot.shared_with.retain(|user| !remove.contains(user));
    Ok(ModifySnapshotAttributeOutput::default())
}

fn reset(
    region: &mut Region,
    _: &Call,
    input: ResetSnapshotAttributeInput,
) -> Result<ResetSnapshotAttributeOutput, Refusal> {
    let id = required(input.snapshot_id, "snapshotId")?;
    let snapshot = snapshot_mut(region, &id)?;
    match required(input.attribute, "attribute")?.as_str() {
        "createVolumePermission" => snapshot.shared_with.clear(),
        other => return Err(invalid_value(other, "attribute", "Only createVolumePermission can be reset.")),
    }
    Ok(ResetSnapshotAttributeOutput::default())
}

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeSnapshotAttributeInput,
) -> Result<DescribeSnapshotAttributeOutput, Refusal> {
    let id = required(input.snapshot_id, "snapshotId")?;
    let snapshot = region.ec2.snapshot(&id)?;
    let mut output = DescribeSnapshotAttributeOutput { snapshot_id: Some(id), ..Default::default() };
    match required(input.attribute, "attribute")?.as_str() {
        "createVolumePermission" => {
            let show = |user: &String| match user.as_str() {
                "all" => CreateVolumePermission { group: Some("all".into()), user_id: None },
                user => CreateVolumePermission { group: None, user_id: Some(user.into()) },
            };
            output.create_volume_permissions = Some(snapshot.shared_with.iter().map(show).collect());
        }
        "productCodes" => output.product_codes = Some(Vec::new()),
        other => return Err(invalid_value(other, "attribute", "Unknown attribute.")),
    }
    Ok(output)
}

fn archive(
    region: &mut Region,
    call: &Call,
    input: ModifySnapshotTierInput,
) -> Result<ModifySnapshotTierOutput, Refusal> {
    let id = required(input.snapshot_id, "snapshotId")?;
    let now = super::whole_second(call.now);
    let storage = &mut snapshot_mut(region, &id)?.storage;
    if let Some(other) = input.storage_tier.as_deref().filter(|tier| *tier != "archive") {
        return Err(invalid_value(other, "storageTier", "The value must be archive."));
    }
    if storage.tier == Tier::Archive {
        return Err(refuse("IncorrectState", format!("Snapshot '{id}' is already archived.")));
    }
    *storage =
        Storage { tier: Tier::Archive, restored_until: None, last_move: Some((now, "archival-completed".into())) };
    Ok(ModifySnapshotTierOutput { snapshot_id: Some(id), tiering_start_time: Some(now) })
}

fn restore(
    region: &mut Region,
    call: &Call,
    input: RestoreSnapshotTierInput,
) -> Result<RestoreSnapshotTierOutput, Refusal> {
    let id = required(input.snapshot_id, "snapshotId")?;
    let now = super::whole_second(call.now);
    let storage = &mut snapshot_mut(region, &id)?.storage;
    if storage.tier != Tier::Archive {
        return Err(refuse("IncorrectState", format!("Snapshot '{id}' is not archived.")));
    }
    let permanent = input.permanent_restore == Some(true);
    let days = input.temporary_restore_days;
    match (permanent, days) {
        (true, Some(_)) => {
            return Err(combination("PermanentRestore and TemporaryRestoreDays may not be specified together"));
        }
        (true, None) => {
            let last_move = Some((now, "permanent-restore-completed".into()));
            *storage = Storage { tier: Tier::Standard, restored_until: None, last_move };
        }
        (false, None) => return Err(super::error::missing_parameter("TemporaryRestoreDays")),
        (false, Some(days)) => {
            let days = u64::try_from(days).ok().filter(|days| (1..=180).contains(days));
            let days = days.ok_or_else(|| {
                let why = "Expecting between 1 and 180 days.";
                invalid_value(input.temporary_restore_days.unwrap_or_default(), "temporaryRestoreDays", why)
            })?;
            storage.restored_until = Some(now + Duration::from_secs(days * 24 * 60 * 60));
            storage.last_move = Some((now, "temporary-restore-completed".into()));
        }
    }
    Ok(RestoreSnapshotTierOutput {
        snapshot_id: Some(id),
        restore_start_time: Some(now),
        restore_duration: days,
        is_permanent_restore: Some(permanent),
    })
}

const STATUSES: Kind<SnapshotTierStatus> = Kind {
    id: |status| &status.snapshot_id,
    id_parameter: "snapshotId",
    missing,
    tags: |status| &status.tags,
    filters: &[
        ("last-tiering-operation", |s| one(&s.last_tiering_operation_status)),
        ("snapshot-id", |s| one(&s.snapshot_id)),
        ("volume-id", |s| one(&s.volume_id)),
    ],
};

fn describe_tiers(
    region: &mut Region,
    _: &Call,
    input: DescribeSnapshotTierStatusInput,
) -> Result<DescribeSnapshotTierStatusOutput, Refusal> {
    let ec2 = &region.ec2;
    let show = |(id, snapshot): (&String, &Snapshot)| {
        let storage = &snapshot.storage;
        let moved = storage.last_move.as_ref();
        let archived = storage.tier == Tier::Archive;
        SnapshotTierStatus {
            snapshot_id: Some(id.clone()),
            volume_id: Some(snapshot.volume.clone()),
            status: Some("completed".into()),
            owner_id: Some(ec2.place.account.clone()),
            tags: ec2.tags.of(id),
            storage_tier: Some(storage.tier.name().into()),
            last_tiering_start_time: moved.map(|(at, _)| *at),
            last_tiering_progress: moved.map(|_| 100),
            last_tiering_operation_status: moved.map(|(_, status)| status.clone()),
            archival_complete_time: moved.filter(|_| archived).map(|(at, _)| *at),
            restore_expiry_time: storage.restored_until,
            ..Default::default()
        }
    };
    let (snapshot_tier_statuses, next_token) =
        STATUSES.select(ec2.snapshots.iter().map(show).collect(), ask!(input))?.set();
    Ok(DescribeSnapshotTierStatusOutput { snapshot_tier_statuses, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, modify, ModifySnapshotAttributeInput "ModifySnapshotAttribute":
        "Sets who may make volumes of a snapshot.",
        takes SnapshotId Attribute CreateVolumePermission GroupNames OperationType UserIds
    );
    operation!(operations, reset, ResetSnapshotAttributeInput "ResetSnapshotAttribute":
        "Shares a snapshot with nobody again.",
        takes SnapshotId Attribute
    );
    operation!(operations, describe, DescribeSnapshotAttributeInput "DescribeSnapshotAttribute":
        "Shows who may make volumes of a snapshot.",
        takes SnapshotId Attribute
    );
    operation!(operations, archive, ModifySnapshotTierInput "ModifySnapshotTier":
        "Archives a snapshot.",
        takes SnapshotId StorageTier
    );
    operation!(operations, restore, RestoreSnapshotTierInput "RestoreSnapshotTier":
        "Brings an archived snapshot back, for good or for days.",
        takes SnapshotId PermanentRestore TemporaryRestoreDays
    );
    operation!(operations, describe_tiers, DescribeSnapshotTierStatusInput "DescribeSnapshotTierStatus":
        "Lists where snapshots are stored.",
        takes Filters MaxResults NextToken
    );
}
