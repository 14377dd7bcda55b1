//! Changes of a volume's size and performance while it is in use. Start at [`Modification`].
//! They are over at once; AWS's limit of changes a day is left out.

use serde::{Deserialize, Serialize};

use super::error::{combination, refuse, required};
use super::register::{ask, operation};
use super::select::{Kind, one};
use super::volume::{Volume, change_volume, missing, volume};
use super::volume_type::volume_type;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::sandbox::models::ec2::{
    DescribeVolumesModificationsInput, DescribeVolumesModificationsOutput, ModifyVolumeInput, ModifyVolumeOutput,
    VolumeModification,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// What a change concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measures {
    pub gib: i64,
    pub kind: String,
    pub iops: Option<i64>,
    pub throughput: Option<i64>,
    pub multi_attach: bool,
}

impl Measures {
    fn of(volume: &Volume) -> Self {
        Self {
            gib: volume.gib,
            kind: volume.kind.clone(),
            iops: volume.iops,
            throughput: volume.throughput,
            multi_attach: volume.multi_attach,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modification {
    pub at: Timestamp,
    pub from: Measures,
    pub to: Measures,
}

impl Modification {
    fn show(&self, id: &str, state: &str) -> VolumeModification {
        let (from, to) = (&self.from, &self.to);
        let done = state == "completed";
        VolumeModification {
            volume_id: Some(id.to_string()),
            modification_state: Some(state.into()),
            target_size: Some(to.gib),
            target_iops: to.iops,
            target_volume_type: Some(to.kind.clone()),
            target_throughput: to.throughput,
            target_multi_attach_enabled: Some(to.multi_attach),
            original_size: Some(from.gib),
            original_iops: from.iops,
            original_volume_type: Some(from.kind.clone()),
            original_throughput: from.throughput,
            original_multi_attach_enabled: Some(from.multi_attach),
            progress: Some(if done { 100 } else { 0 }),
            start_time: Some(self.at),
            end_time: done.then_some(self.at),
            ..Default::default()
        }
    }
}

fn target(volume: &Volume, input: &ModifyVolumeInput) -> Result<Measures, Refusal> {
    let kind = volume_type(input.volume_type.as_deref().unwrap_or(&volume.kind))?;
    let gib = input.size.unwrap_or(volume.gib);
    if gib < volume.gib {
        let message =
            format!("New size cannot be smaller than existing size. Requested: {gib}GiB, current: {}GiB", volume.gib);
        return Err(refuse("InvalidParameterValue", message));
    }
    kind.check_size(gib)?;
    let multi_attach = input.multi_attach_enabled.unwrap_or(volume.multi_attach);
    kind.check_multi_attach(multi_attach)?;
    // What is not asked for stays, where the type goes on having it.
    let same = kind.name == volume.kind;
    let asked_iops = input.iops.or(volume.iops.filter(|_| same && kind.name != "gp2"));
    let asked_throughput = input.throughput.or(volume.throughput.filter(|_| same));
    Ok(Measures {
        gib,
        kind: kind.name.to_string(),
        iops: kind.iops(gib, asked_iops)?,
        throughput: kind.throughput(asked_throughput)?,
        multi_attach,
    })
}

fn modify(region: &mut Region, call: &Call, input: ModifyVolumeInput) -> Result<ModifyVolumeOutput, Refusal> {
    let id = required(input.volume_id.clone(), "volumeId")?;
    let kept = volume(region, &id)?;
    let asked = [input.size.is_some(), input.iops.is_some(), input.throughput.is_some()];
    if input.volume_type.is_none() && input.multi_attach_enabled.is_none() && !asked.contains(&true) {
        return Err(combination(
            "At least one of size, iops, throughput, multi-attach or volume type must be specified",
        ));
    }
    let to = target(&kept, &input)?;
    let at = super::whole_second(call.now);
    let modification = Modification { at, from: Measures::of(&kept), to: to.clone() };
    change_volume(region, &id, |volume| {
        volume.gib = to.gib;
        volume.kind = to.kind;
        volume.iops = to.iops;
        volume.throughput = to.throughput;
        volume.multi_attach = to.multi_attach;
        volume.modification = Some(modification.clone());
        Ok(())
    })?;
    // The answer is about the moment of the call.
    Ok(ModifyVolumeOutput { volume_modification: Some(modification.show(&id, "modifying")) })
}

const MODIFICATIONS: Kind<VolumeModification> = Kind {
    id: |modification| &modification.volume_id,
    id_parameter: "volumeId",
    missing,
    tags: |_| &None,
    filters: &[
        ("modification-state", |m| one(&m.modification_state)),
        ("original-iops", |m| one(&m.original_iops)),
        ("original-size", |m| one(&m.original_size)),
        ("original-volume-type", |m| one(&m.original_volume_type)),
        ("originalMultiAttachEnabled", |m| one(&m.original_multi_attach_enabled)),
        ("start-time", |m| one(&m.start_time)),
        ("target-iops", |m| one(&m.target_iops)),
        ("target-size", |m| one(&m.target_size)),
        ("target-volume-type", |m| one(&m.target_volume_type)),
        ("targetMultiAttachEnabled", |m| one(&m.target_multi_attach_enabled)),
        ("volume-id", |m| one(&m.volume_id)),
    ],
};

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeVolumesModificationsInput,
) -> Result<DescribeVolumesModificationsOutput, Refusal> {
    for id in input.volume_ids.iter().flatten() {
        if volume(region, id)?.modification.is_none() {
            let message = format!("Modification for volume '{id}' does not exist.");
            return Err(refuse("InvalidVolumeModification.NotFound", message));
        }
    }
    let volumes = region.ec2.volumes.iter();
    let all = volumes.filter_map(|(id, volume)| Some(volume.modification.as_ref()?.show(id, "completed")));
    let (volumes_modifications, next_token) = MODIFICATIONS.select(all.collect(), ask!(input.volume_ids))?.set();
    Ok(DescribeVolumesModificationsOutput { volumes_modifications, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, modify, ModifyVolumeInput "ModifyVolume":
        "Changes a volume's size, type and performance.",
        takes VolumeId Size VolumeType Iops Throughput MultiAttachEnabled
    );
    operation!(operations, describe, DescribeVolumesModificationsInput "DescribeVolumesModifications":
        "Lists the last change of each volume.",
        takes VolumeIds Filters MaxResults NextToken
    );
}
