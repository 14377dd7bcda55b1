//! Tags of load balancers, target groups, listeners and rules.

use std::collections::BTreeMap;

use super::model;
use crate::engine::Refusal;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Source: user guide, "Tag restrictions".
const MAX_TAGS: usize = 50;

pub fn register(operations: &mut Operations) {
    operations.on("AddTags", "Adds tags, or changes their values.", &["ResourceArns", "Tags"], add);
    operations.on("RemoveTags", "Removes tags.", &["ResourceArns", "TagKeys"], remove);
    operations.on("DescribeTags", "Lists the tags of resources.", &["ResourceArns"], describe);
}

/// # Errors
/// `DuplicateTagKeys`, `TooManyTags`, `ValidationError` for a key that is AWS's.
pub fn read(tags: Option<Vec<model::Tag>>) -> Result<BTreeMap<String, String>, Refusal> {
    let mut read = BTreeMap::new();
    for tag in tags.unwrap_or_default() {
        let key = tag.key.unwrap_or_default();
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(Refusal::validation(format!("The tag key '{key}' cannot begin with 'aws:'")));
        }
        if read.insert(key.clone(), tag.value.unwrap_or_default()).is_some() {
            let text = format!("Tag keys must be unique, and '{key}' was specified more than once");
            return Err(Refusal::new("DuplicateTagKeys", 400, text));
        }
    }
    check_count(&read).map(|()| read)
}

fn check_count(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    match tags.len() {
        0..=MAX_TAGS => Ok(()),
        _ => Err(Refusal::new("TooManyTags", 400, format!("A resource can have at most {MAX_TAGS} tags"))),
    }
}

fn add(region: &mut Region, _call: &Call, input: model::AddTagsInput) -> Result<model::AddTagsOutput, Refusal> {
    let tags = read(input.tags)?;
    let arns = input.resource_arns.unwrap_or_default();
    for arn in &arns {
        let mut all = region.world.load_balancers.tags_mut(arn)?.clone();
        all.extend(tags.clone());
        check_count(&all)?;
    }
    for arn in &arns {
        region.world.load_balancers.tags_mut(arn)?.extend(tags.clone());
    }
    Ok(model::AddTagsOutput {})
}

fn remove(
    region: &mut Region,
    _call: &Call,
    input: model::RemoveTagsInput,
) -> Result<model::RemoveTagsOutput, Refusal> {
    let keys = input.tag_keys.unwrap_or_default();
    let arns = input.resource_arns.unwrap_or_default();
    for arn in &arns {
        region.world.load_balancers.tags_mut(arn)?;
    }
    for arn in &arns {
        region.world.load_balancers.tags_mut(arn)?.retain(|key, _| !keys.contains(key));
    }
    Ok(model::RemoveTagsOutput {})
}

fn describe(
    region: &mut Region,
    _call: &Call,
    input: model::DescribeTagsInput,
) -> Result<model::DescribeTagsOutput, Refusal> {
    let balancers = &mut region.world.load_balancers;
    let mut described = Vec::new();
    for arn in input.resource_arns.unwrap_or_default() {
        let tag = |(key, value): (&String, &String)| model::Tag { key: Some(key.clone()), value: Some(value.clone()) };
        let tags = balancers.tags_mut(&arn)?.iter().map(tag).collect();
        described.push(model::TagDescription { resource_arn: Some(arn), tags: Some(tags) });
    }
    Ok(model::DescribeTagsOutput { tag_descriptions: Some(described) })
}
