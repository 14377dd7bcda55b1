//! Tags of groups.

use std::collections::BTreeMap;

use super::{PageRequest, existing, model, not_reproduced, show};
use crate::engine::Refusal;
use crate::engine::groups::GroupTag;
use crate::engine::names::GroupName;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

const TAGS_PER_PAGE: usize = 50;

pub fn register(operations: &mut Operations) {
    operations.on("CreateOrUpdateTags", "Puts tags on groups.", &["Tags"], put);
    operations.on("DeleteTags", "Takes tags off groups.", &["Tags"], delete);
    operations.view("DescribeTags", "Lists tags of groups.", &["Filters", "NextToken", "MaxRecords"], describe);
}

/// A tag's key and the rest of it.
pub fn read(tag: model::Tag) -> Result<(String, GroupTag), Refusal> {
    let key = tag.key.unwrap_or_default();
    if key.starts_with("aws:") {
        return Err(Refusal::validation("Tag keys starting with 'aws:' are reserved for system use"));
    }
    let propagate_at_launch = tag.propagate_at_launch.unwrap_or_default();
    Ok((key, GroupTag { value: tag.value.unwrap_or_default(), propagate_at_launch }))
}

/// Tags by the group that each names; all groups must exist.
fn by_group(region: &Region, tags: Vec<model::Tag>) -> Result<BTreeMap<GroupName, Vec<model::Tag>>, Refusal> {
    let mut groups: BTreeMap<GroupName, Vec<model::Tag>> = BTreeMap::new();
    for tag in tags {
        if tag.resource_type.as_deref().is_some_and(|kind| kind != show::RESOURCE_TYPE) {
            return Err(Refusal::validation(format!("The only valid ResourceType is {}", show::RESOURCE_TYPE)));
        }
        let name = existing(region, tag.resource_id.as_deref())?.name.clone();
        groups.entry(name).or_default().push(tag);
    }
    Ok(groups)
}

fn put(
    region: &mut Region,
    call: &Call,
    input: model::CreateOrUpdateTagsInput,
) -> Result<model::CreateOrUpdateTagsOutput, Refusal> {
    let groups = by_group(region, input.tags.unwrap_or_default())?;
    for (name, tags) in groups {
        let tags = tags.into_iter().map(read).collect::<Result<BTreeMap<_, _>, _>>()?;
        region.world.with_groups(call.now, |groups| groups.put_tags(&name, tags))?;
    }
    Ok(model::CreateOrUpdateTagsOutput {})
}

fn delete(region: &mut Region, call: &Call, input: model::DeleteTagsInput) -> Result<model::DeleteTagsOutput, Refusal> {
    let groups = by_group(region, input.tags.unwrap_or_default())?;
    for (name, tags) in groups {
        let keys: Vec<String> = tags.into_iter().filter_map(|tag| tag.key).collect();
        region.world.with_groups(call.now, |groups| groups.delete_tags(&name, &keys))?;
    }
    Ok(model::DeleteTagsOutput {})
}

fn describe(region: &Region, input: model::DescribeTagsInput) -> Result<model::DescribeTagsOutput, Refusal> {
    let filters = input.filters.unwrap_or_default();
    let page = PageRequest::new(input.next_token.as_deref(), input.max_records, TAGS_PER_PAGE)?;
    let names = ["auto-scaling-group", "key", "value", "propagate-at-launch"];
    let unknown = filters.iter().filter_map(|filter| filter.name.as_deref()).find(|name| !names.contains(name));
    if let Some(name) = unknown {
        return Err(not_reproduced(&format!("The filter '{name}'")));
    }
    let all = region.world.groups.iter().flat_map(show::tags);
    let (found, next_token) = page.cut(all.filter(|tag| filters.iter().all(|filter| matches(tag, filter))));
    Ok(model::DescribeTagsOutput { tags: Some(found), next_token })
}

fn matches(tag: &model::TagDescription, filter: &model::Filter) -> bool {
    let propagates = tag.propagate_at_launch.map(|on| on.to_string());
    let field = match filter.name.as_deref() {
        Some("auto-scaling-group") => tag.resource_id.as_ref(),
        Some("key") => tag.key.as_ref(),
        Some("value") => tag.value.as_ref(),
        _ => propagates.as_ref(),
    };
    // Letters of either case, since clients write a Boolean as True or true.
    let is = |field: &String, value: &String| match filter.name.as_deref() {
        Some("propagate-at-launch") => field.eq_ignore_ascii_case(value),
        _ => field == value,
    };
    field.is_some_and(|field| filter.values.iter().flatten().any(|value| is(field, value)))
}
