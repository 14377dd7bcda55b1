//! Placement groups. Start at [`PlacementGroup`]. They place nothing: no machine stands beside another here.

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::error::{combination, invalid_value, refuse, required};
use super::register::operation;
use super::select::{Ask, Kind, one};
use super::tag::new_tags;
use crate::engine::Refusal;
use crate::engine::groups::Ec2State;
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    CreatePlacementGroupInput, CreatePlacementGroupOutput, DeletePlacementGroupInput, DeletePlacementGroupOutput,
    DescribePlacementGroupsInput, DescribePlacementGroupsOutput,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementGroup {
    pub id: String,
    pub strategy: String,
    pub partition_count: Option<i64>,
    pub spread_level: Option<String>,
}

fn missing(names: &[&str]) -> Refusal {
    refuse("InvalidPlacementGroup.Unknown", format!("The Placement Group '{}' is unknown.", names.join(", ")))
}

/// "A maximum of seven partitions per Availability Zone." Without a number there are two.
const MOST_PARTITIONS: i64 = 7;
const PARTITIONS: i64 = 2;

impl Ec2 {
    /// Refuses a placement group that is not there.
    pub fn check_placement_group(&self, name: &str) -> Result<(), Refusal> {
        match self.placement_groups.contains_key(name) {
            true => Ok(()),
            false => Err(missing(&[name])),
        }
    }

    fn show_placement_group(&self, name: &str, group: &PlacementGroup) -> model::PlacementGroup {
        model::PlacementGroup {
            group_name: Some(name.to_string()),
            group_id: Some(group.id.clone()),
            group_arn: Some(self.place.arn("ec2", &format!("placement-group/{name}"))),
            state: Some("available".into()),
            strategy: Some(group.strategy.clone()),
            partition_count: group.partition_count,
            spread_level: group.spread_level.clone(),
            tags: self.tags.of(&group.id),
            ..Default::default()
        }
    }
}

fn create(
    region: &mut Region,
    _: &Call,
    input: CreatePlacementGroupInput,
) -> Result<CreatePlacementGroupOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "placement-group")?;
    let name = required(input.group_name, "groupName")?;
    let strategy = input.strategy.unwrap_or_else(|| "cluster".into());
    let ec2 = &mut region.ec2;
    if ec2.placement_groups.contains_key(&name) {
        let message = format!("The Placement Group '{name}' already exists.");
        return Err(refuse("InvalidPlacementGroup.Duplicate", message));
    }
    let partition_count = match (strategy.as_str(), input.partition_count) {
        ("partition", None) => Some(PARTITIONS),
        ("partition", Some(count)) if (1..=MOST_PARTITIONS).contains(&count) => Some(count),
        ("partition", Some(count)) => return Err(invalid_value(count, "partitionCount", "Expecting 1 to 7.")),
        (_, Some(_)) => return Err(combination("PartitionCount is valid only with the partition strategy")),
        (_, None) => None,
    };
    let spread_level = match (strategy.as_str(), input.spread_level) {
        ("spread", level) => Some(level.unwrap_or_else(|| "rack".into())),
        (_, Some(_)) => return Err(combination("SpreadLevel is valid only with the spread strategy")),
        (_, None) => None,
    };
    let id = ec2.ids.ec2("pg");
    let group = PlacementGroup { id: id.clone(), strategy, partition_count, spread_level };
    ec2.tags.put(&id, tags);
    ec2.placement_groups.insert(name.clone(), group.clone());
    Ok(CreatePlacementGroupOutput { placement_group: Some(ec2.show_placement_group(&name, &group)) })
}

fn delete(
    region: &mut Region,
    _: &Call,
    input: DeletePlacementGroupInput,
) -> Result<DeletePlacementGroupOutput, Refusal> {
    let name = required(input.group_name, "groupName")?;
    region.ec2.check_placement_group(&name)?;
    let mut instances = region.world.groups.instances();
    let used = instances.any(|instance| {
        instance.state != Ec2State::Terminated && instance.launch_data["Placement"]["GroupName"] == name.as_str()
    });
    if used {
        let message = format!("The placement group '{name}' is in use and may not be deleted.");
        return Err(refuse("InvalidPlacementGroup.InUse", message));
    }
    let ec2 = &mut region.ec2;
    if let Some(group) = ec2.placement_groups.remove(&name) {
        ec2.tags.forget(&group.id);
    }
    Ok(DeletePlacementGroupOutput::default())
}

const GROUPS: Kind<model::PlacementGroup> = Kind {
    id: |group| &group.group_name,
    id_parameter: "groupName",
    missing,
    tags: |group| &group.tags,
    filters: &[
        ("group-arn", |g| one(&g.group_arn)),
        ("group-name", |g| one(&g.group_name)),
        ("spread-level", |g| one(&g.spread_level)),
        ("state", |g| one(&g.state)),
        ("strategy", |g| one(&g.strategy)),
    ],
};

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribePlacementGroupsInput,
) -> Result<DescribePlacementGroupsOutput, Refusal> {
    let ec2 = &region.ec2;
    let mut names = input.group_names.unwrap_or_default();
    for id in input.group_ids.into_iter().flatten() {
        let named = ec2.placement_groups.iter().find(|(_, group)| group.id == id).map(|(name, _)| name.clone());
        names.push(named.ok_or_else(|| missing(&[&id]))?);
    }
    let all = ec2.placement_groups.iter().map(|(name, group)| ec2.show_placement_group(name, group)).collect();
    let ask = Ask { ids: Some(names), filters: input.filters, ..Default::default() };
    Ok(DescribePlacementGroupsOutput { placement_groups: GROUPS.select(all, ask)?.set().0 })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreatePlacementGroupInput "CreatePlacementGroup":
        "Creates a placement group, which places nothing.",
        takes GroupName PartitionCount SpreadLevel Strategy TagSpecifications
    );
    operation!(operations, delete, DeletePlacementGroupInput "DeletePlacementGroup":
        "Deletes a placement group without instances.",
        takes GroupName
    );
    operation!(operations, describe, DescribePlacementGroupsInput "DescribePlacementGroups":
        "Lists placement groups.",
        takes Filters GroupIds GroupNames
    );
}
