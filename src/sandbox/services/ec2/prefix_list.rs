//! AWS's own prefix lists, those of the gateway endpoints.

use super::error::missing_ids;
use super::register::{ask, operation};
use super::select::{Kind, one};
use crate::engine::Refusal;
use crate::engine::ids::Ids;
use crate::sandbox::models::ec2::{
    DescribeManagedPrefixListsInput, DescribeManagedPrefixListsOutput, DescribePrefixListsInput,
    DescribePrefixListsOutput, ManagedPrefixList, PrefixList,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Gateway endpoints exist for these two services. The blocks stand for AWS's, which change often.
const SERVICES: &[(&str, &[&str])] =
    &[("dynamodb", &["52.94.0.0/22", "52.119.192.0/21"]), ("s3", &["3.5.0.0/19", "52.216.0.0/15"])];

fn lists(region: &str) -> Vec<PrefixList> {
    let show = |(service, blocks): &(&str, &[&str])| {
        let name = format!("com.amazonaws.{region}.{service}");
        let number = Ids::new(0, &name).next_u64();
        PrefixList {
            cidrs: Some(blocks.iter().map(ToString::to_string).collect()),
            prefix_list_id: Some(format!("pl-{:08x}", number >> 32)),
            prefix_list_name: Some(name),
        }
    };
    SERVICES.iter().map(show).collect()
}

fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidPrefixListId.NotFound", "prefix list", ids)
}

/// Whether rules may name this list.
pub fn prefix_list_exists(region: &str, id: &str) -> bool {
    lists(region).iter().any(|list| list.prefix_list_id.as_deref() == Some(id))
}

const PREFIX_LISTS: Kind<PrefixList> = Kind {
    id: |list| &list.prefix_list_id,
    id_parameter: "prefixListIdSet",
    missing,
    tags: |_| &None,
    filters: &[
        ("prefix-list-id", |list| one(&list.prefix_list_id)),
        ("prefix-list-name", |list| one(&list.prefix_list_name)),
    ],
};

const MANAGED_PREFIX_LISTS: Kind<ManagedPrefixList> = Kind {
    id: |list| &list.prefix_list_id,
    id_parameter: "prefixListIdSet",
    missing,
    tags: |list| &list.tags,
    filters: &[
        ("owner-id", |list| one(&list.owner_id)),
        ("prefix-list-id", |list| one(&list.prefix_list_id)),
        ("prefix-list-name", |list| one(&list.prefix_list_name)),
    ],
};

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribePrefixListsInput,
) -> Result<DescribePrefixListsOutput, Refusal> {
    let all = lists(&region.world.place.region);
    let (prefix_lists, next_token) = PREFIX_LISTS.select(all, ask!(input.prefix_list_ids))?.set();
    Ok(DescribePrefixListsOutput { prefix_lists, next_token })
}

fn describe_managed(
    region: &mut Region,
    _: &Call,
    input: DescribeManagedPrefixListsInput,
) -> Result<DescribeManagedPrefixListsOutput, Refusal> {
    let place = &region.world.place;
    let all = lists(&place.region).into_iter().map(|list| ManagedPrefixList {
        address_family: Some("IPv4".into()),
        owner_id: Some("AWS".into()),
        prefix_list_arn: list
            .prefix_list_id
            .as_ref()
            .map(|id| format!("arn:{}:ec2:{}:aws:prefix-list/{id}", place.partition, place.region)),
        prefix_list_id: list.prefix_list_id,
        prefix_list_name: list.prefix_list_name,
        state: Some("create-complete".into()),
        tags: Some(Vec::new()),
        ..Default::default()
    });
    let page = MANAGED_PREFIX_LISTS.select(all.collect(), ask!(input.prefix_list_ids))?;
    let (prefix_lists, next_token) = page.set();
    Ok(DescribeManagedPrefixListsOutput { prefix_lists, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, describe, DescribePrefixListsInput "DescribePrefixLists":
        "Lists the prefix lists of S3 and DynamoDB.",
        takes PrefixListIds Filters MaxResults NextToken
    );
    operation!(operations, describe_managed, DescribeManagedPrefixListsInput "DescribeManagedPrefixLists":
        "Lists the same as managed lists.",
        takes PrefixListIds Filters MaxResults NextToken
    );
}
