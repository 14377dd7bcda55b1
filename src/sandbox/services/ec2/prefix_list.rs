//! Prefix lists: AWS's own, those of the gateway endpoints, and customer-managed ones. Start at [`OwnPrefixList`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::cidr::{Cidr, canonical_ipv6};
use super::error::{combination, dependency, invalid_value, missing_ids, missing_parameter, refuse, required};
use super::register::{ask, operation};
use super::select::{Kind, one, page};
use super::tag::new_tags;
use crate::engine::Refusal;
use crate::engine::ids::Ids;
use crate::sandbox::models::ec2::{
    AddPrefixListEntry, CreateManagedPrefixListInput, CreateManagedPrefixListOutput, DeleteManagedPrefixListInput,
    DeleteManagedPrefixListOutput, DescribeManagedPrefixListsInput, DescribeManagedPrefixListsOutput,
    DescribePrefixListsInput, DescribePrefixListsOutput, GetManagedPrefixListEntriesInput,
    GetManagedPrefixListEntriesOutput, ManagedPrefixList, ModifyManagedPrefixListInput, ModifyManagedPrefixListOutput,
    PrefixList, PrefixListEntry, RemovePrefixListEntry,
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

/// The calls for managed lists write the code in another way, which terraform's provider waits for.
fn missing_managed(ids: &[&str]) -> Refusal {
    missing_ids("InvalidPrefixListID.NotFound", "prefix list", ids)
}

/// The list of a service that has gateway endpoints.
pub fn gateway_prefix_list(region: &str, service: &str) -> Option<String> {
    let found = lists(region).into_iter().find(|list| list.prefix_list_name.as_deref() == Some(service));
    found.and_then(|list| list.prefix_list_id)
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnPrefixList {
    pub name: String,
    /// `IPv4` or `IPv6`.
    pub family: String,
    pub most: i64,
    pub version: i64,
    /// Descriptions by block, in canonical form.
    pub entries: BTreeMap<String, Option<String>>,
    /// The entries of versions that were, oldest first.
    pub past: Vec<BTreeMap<String, Option<String>>>,
}

impl OwnPrefixList {
    fn block(&self, text: &str) -> Result<String, Refusal> {
        let block = match self.family.as_str() {
            "IPv4" => Cidr::parse(text).map(|cidr| cidr.to_string()),
            _ => canonical_ipv6(text),
        };
        block.ok_or_else(|| invalid_value(text, "Cidr", "This is not a valid CIDR block of the list's address family."))
    }

    /// The entries after a change.
    fn changed(
        &self,
        add: Vec<AddPrefixListEntry>,
        remove: Vec<RemovePrefixListEntry>,
    ) -> Result<BTreeMap<String, Option<String>>, Refusal> {
        let removed: Vec<&String> = remove.iter().flat_map(|entry| &entry.cidr).collect();
        if let Some(both) = add.iter().flat_map(|entry| &entry.cidr).find(|block| removed.contains(block)) {
            let message =
                format!("Request cannot contain Cidr {both} in both AddPrefixListEntries and RemovePrefixListEntries");
            return Err(refuse("InvalidParameterValue", message));
        }
        let mut entries = self.entries.clone();
        for entry in remove {
            let block = self.block(&required(entry.cidr, "Cidr")?)?;
            if entries.remove(&block).is_none() {
                let message = format!("The prefix list does not contain the entry {block}.");
                return Err(refuse("InvalidPrefixListModification", message));
            }
        }
        for entry in add {
            entries.insert(self.block(&required(entry.cidr, "Cidr")?)?, entry.description);
        }
        Ok(entries)
    }
}

impl Ec2 {
    /// Whether rules and routes may name this list.
    pub fn has_prefix_list(&self, id: &str) -> bool {
        self.prefix_lists.contains_key(id)
            || lists(&self.place.region).iter().any(|list| list.prefix_list_id.as_deref() == Some(id))
    }

    fn show_prefix_list(&self, id: &str, list: &OwnPrefixList, state: &str) -> ManagedPrefixList {
        ManagedPrefixList {
            prefix_list_id: Some(id.to_string()),
            address_family: Some(list.family.clone()),
            state: Some(state.into()),
            prefix_list_arn: Some(self.place.arn("ec2", &format!("prefix-list/{id}"))),
            prefix_list_name: Some(list.name.clone()),
            max_entries: Some(list.most),
            version: Some(list.version),
            owner_id: Some(self.place.account.clone()),
            tags: self.tags.of(id),
            ..Default::default()
        }
    }

    fn own_prefix_list(&self, id: &str) -> Result<&OwnPrefixList, Refusal> {
        self.prefix_lists.get(id).ok_or_else(|| match self.has_prefix_list(id) {
            true => refuse("OperationNotPermitted", format!("The prefix list '{id}' is managed by AWS.")),
            false => missing_managed(&[id]),
        })
    }
}

fn check_size(list: &OwnPrefixList) -> Result<(), Refusal> {
    let count = list.entries.len();
    if i64::try_from(count).is_ok_and(|count| count > list.most) {
        let message = format!("You've reached the maximum number of entries for the prefix list: {}.", list.most);
        return Err(refuse("PrefixListMaxEntriesExceeded", message));
    }
    Ok(())
}

fn create(
    region: &mut Region,
    _: &Call,
    input: CreateManagedPrefixListInput,
) -> Result<CreateManagedPrefixListOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "prefix-list")?;
    let name = required(input.prefix_list_name, "PrefixListName")?;
    if name.starts_with("com.amazonaws") {
        return Err(invalid_value(name, "PrefixListName", "The name cannot start with com.amazonaws."));
    }
    let mut list = OwnPrefixList {
        name,
        family: required(input.address_family, "AddressFamily")?,
        most: required(input.max_entries, "MaxEntries")?,
        version: 1,
        entries: BTreeMap::new(),
        past: Vec::new(),
    };
    list.entries = list.changed(input.entries.unwrap_or_default(), Vec::new())?;
    check_size(&list)?;
    let ec2 = &mut region.ec2;
    let id = match ec2.made_before(&input.client_token) {
        Some(id) => id,
        None => {
            let id = ec2.ids.ec2("pl");
            ec2.prefix_lists.insert(id.clone(), list);
            ec2.remember_token(input.client_token, &id);
            ec2.tags.put(&id, tags);
            id
        }
    };
    let shown = ec2.show_prefix_list(&id, ec2.own_prefix_list(&id)?, "create-in-progress");
    Ok(CreateManagedPrefixListOutput { prefix_list: Some(shown) })
}

fn modify(
    region: &mut Region,
    _: &Call,
    input: ModifyManagedPrefixListInput,
) -> Result<ModifyManagedPrefixListOutput, Refusal> {
    let id = required(input.prefix_list_id, "PrefixListId")?;
    let mut list = region.ec2.own_prefix_list(&id)?.clone();
    let (add, remove) = (input.add_entries.unwrap_or_default(), input.remove_entries.unwrap_or_default());
    let changes_entries = !add.is_empty() || !remove.is_empty();
    if changes_entries && input.max_entries.is_some() {
        let message = "You cannot modify the entries and the maximum entries for the prefix list in the same request.";
        return Err(combination(message));
    }
    if input.current_version.is_some_and(|current| current != list.version) {
        return Err(refuse("PrefixListVersionMismatch", "The prefix list has the incorrect version number."));
    }
    if changes_entries {
        if input.current_version.is_none() {
            return Err(missing_parameter("CurrentVersion"));
        }
        let entries = list.changed(add, remove)?;
        list.past.push(std::mem::replace(&mut list.entries, entries));
        list.version += 1;
    }
    list.name = input.prefix_list_name.unwrap_or(list.name);
    list.most = input.max_entries.unwrap_or(list.most);
    check_size(&list)?;
    let ec2 = &mut region.ec2;
    let shown = ec2.show_prefix_list(&id, &list, "modify-in-progress");
    ec2.prefix_lists.insert(id, list);
    Ok(ModifyManagedPrefixListOutput { prefix_list: Some(shown) })
}

fn delete(
    region: &mut Region,
    _: &Call,
    input: DeleteManagedPrefixListInput,
) -> Result<DeleteManagedPrefixListOutput, Refusal> {
    let id = required(input.prefix_list_id, "PrefixListId")?;
    let ec2 = &mut region.ec2;
    let shown = ec2.show_prefix_list(&id, ec2.own_prefix_list(&id)?, "delete-in-progress");
    let routed = ec2.route_tables.values().any(|table| table.routes.iter().any(|route| route.destination == id));
    if routed {
        return Err(dependency(format!("The prefix list '{id}' is referenced by a route table.")));
    }
    ec2.prefix_lists.remove(&id);
    ec2.tags.forget(&id);
    ec2.forget_token_of(&id);
    Ok(DeleteManagedPrefixListOutput { prefix_list: Some(shown) })
}

fn entries(
    region: &mut Region,
    _: &Call,
    input: GetManagedPrefixListEntriesInput,
) -> Result<GetManagedPrefixListEntriesOutput, Refusal> {
    let id = required(input.prefix_list_id, "PrefixListId")?;
    let ec2 = &region.ec2;
    let of_aws = lists(&ec2.place.region).into_iter().find(|list| list.prefix_list_id.as_ref() == Some(&id));
    let all: Vec<PrefixListEntry> = match of_aws {
        Some(list) => {
            let blocks = list.cidrs.into_iter().flatten();
            blocks.map(|cidr| PrefixListEntry { cidr: Some(cidr), ..Default::default() }).collect()
        }
        None => {
            let list = ec2.own_prefix_list(&id)?;
            let version = input.target_version.unwrap_or(list.version);
            let place = usize::try_from(version - 1).unwrap_or(usize::MAX);
            let entries = if version == list.version { Some(&list.entries) } else { list.past.get(place) };
            let unknown = || invalid_value(version, "TargetVersion", "The prefix list has no such version.");
            let show = |(cidr, description): (&String, &Option<String>)| PrefixListEntry {
                cidr: Some(cidr.clone()),
                description: description.clone(),
            };
            entries.ok_or_else(unknown)?.iter().map(show).collect()
        }
    };
    let (entries, next_token) = page(all, input.max_results, input.next_token)?.set();
    Ok(GetManagedPrefixListEntriesOutput { entries, next_token })
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
    missing: missing_managed,
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
    let ec2 = &region.ec2;
    let complete = |list: &OwnPrefixList| if list.version > 1 { "modify-complete" } else { "create-complete" };
    let own = ec2.prefix_lists.iter().map(|(id, list)| ec2.show_prefix_list(id, list, complete(list)));
    let page = MANAGED_PREFIX_LISTS.select(all.chain(own).collect(), ask!(input.prefix_list_ids))?;
    let (prefix_lists, next_token) = page.set();
    Ok(DescribeManagedPrefixListsOutput { prefix_lists, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateManagedPrefixListInput "CreateManagedPrefixList":
        "Creates a prefix list.",
        takes AddressFamily ClientToken Entries MaxEntries PrefixListName TagSpecifications
    );
    operation!(operations, modify, ModifyManagedPrefixListInput "ModifyManagedPrefixList":
        "Changes a prefix list, which gets a new version with its entries.",
        takes AddEntries CurrentVersion MaxEntries PrefixListId PrefixListName RemoveEntries
    );
    operation!(operations, delete, DeleteManagedPrefixListInput "DeleteManagedPrefixList":
        "Deletes a prefix list that no route names.",
        takes PrefixListId
    );
    operation!(operations, entries, GetManagedPrefixListEntriesInput "GetManagedPrefixListEntries":
        "Lists the blocks of a prefix list, also of a version that was.",
        takes MaxResults NextToken PrefixListId TargetVersion
    );
    operation!(operations, describe, DescribePrefixListsInput "DescribePrefixLists":
        "Lists the prefix lists of S3 and DynamoDB.",
        takes PrefixListIds Filters MaxResults NextToken
    );
    operation!(operations, describe_managed, DescribeManagedPrefixListsInput "DescribeManagedPrefixLists":
        "Lists AWS's prefix lists and the account's own.",
        takes PrefixListIds Filters MaxResults NextToken
    );
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::clock::Timestamp;
    use crate::engine::groups::Timing;
    use crate::sandbox::universe::Universe;

    /// Source: what users of terraform's provider report of AWS's answers, and its comments on them.
    #[test]
    fn a_change_names_the_version_and_each_block_once() {
        let mut universe = Universe::new("123456789012", 1, Timing::Instant);
        let mut call = |operation: &str, input: Value| {
            universe.call(Timestamp::from_secs(1_800_000_000), "eu-west-1", "ec2", operation, input)
        };
        let (one, two) = (json!({"Cidr": "10.0.0.0/16"}), json!({"Cidr": "10.1.0.0/16"}));
        let list = json!({"PrefixListName": "a", "AddressFamily": "IPv4", "MaxEntries": 3, "Entries": [one]});
        let id = call("CreateManagedPrefixList", list).unwrap()["PrefixList"]["PrefixListId"].clone();
        for (change, expected) in [
            (json!({"CurrentVersion": 2, "AddEntries": [two]}), "PrefixListVersionMismatch"),
            (json!({"CurrentVersion": 1, "AddEntries": [two], "MaxEntries": 4}), "InvalidParameterCombination"),
            (json!({"CurrentVersion": 1, "AddEntries": [one], "RemoveEntries": [one]}), "InvalidParameterValue"),
            (json!({"CurrentVersion": 1, "AddEntries": [two], "RemoveEntries": [one]}), "2"),
            (json!({"MaxEntries": 4}), "2"),
        ] {
            let mut input = change.clone();
            input["PrefixListId"] = id.clone();
            let found = match call("ModifyManagedPrefixList", input) {
                Ok(answer) => answer["PrefixList"]["Version"].to_string(),
                Err(refusal) => refusal.code,
            };
            assert_eq!(found, expected, "{change}");
        }
    }
}
