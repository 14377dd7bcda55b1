//! Tags: the store of those that EC2 keeps itself, the rules for all, and the calls that work across kinds.
//! Tags of instances and launch templates are kept by the engine with the things they mark. Start at [`TagStore`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::error::{missing_ids, refuse};
use super::register::{ask, operation};
use super::select::{Kind, one};
use crate::engine::Refusal;
use crate::engine::groups::TemplateRef;
use crate::engine::names::InstanceId;
use crate::sandbox::models::ec2::{
    CreateTagsInput, CreateTagsOutput, DeleteTagsInput, DeleteTagsOutput, DescribeTagsInput, DescribeTagsOutput, Tag,
    TagDescription, TagSpecification,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// One resource's tags.
pub type Tags = BTreeMap<String, String>;

/// EC2's limit ("Tag restrictions" in the EC2 User Guide), as are the two lengths.
const MOST_TAGS: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// Tags by the id of what they mark. A resource without tags has no entry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TagStore(BTreeMap<String, Tags>);

impl TagStore {
    pub fn of(&self, id: &str) -> Option<Vec<Tag>> {
        Some(self.0.get(id).map(tag_set).unwrap_or_default())
    }

    /// The tags of one resource, to be copied.
    pub fn all_of(&self, id: &str) -> Tags {
        self.0.get(id).cloned().unwrap_or_default()
    }

    pub fn put(&mut self, id: &str, tags: Tags) {
        if !tags.is_empty() {
            self.0.entry(id.to_string()).or_default().extend(tags);
        }
    }

    /// The resource is gone.
    pub fn forget(&mut self, id: &str) {
        self.0.remove(id);
    }

    fn remove(&mut self, id: &str, wanted: &[Tag]) {
        if let Some(tags) = self.0.get_mut(id) {
            remove_from(tags, wanted);
            if tags.is_empty() {
                self.0.remove(id);
            }
        }
    }
}

/// Tags as answers hold them.
pub fn tag_set(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
}

/// The tags that a create call gives to the new `resource_type`.
///
/// # Errors
/// AWS's for a specification of another type and for tags that break the rules.
pub fn new_tags(specifications: Option<Vec<TagSpecification>>, resource_type: &str) -> Result<Tags, Refusal> {
    // The part of EC2 that keeps networks has a code of its own.
    let network =
        !matches!(resource_type, "volume" | "snapshot" | "image" | "instance" | "launch-template" | "key-pair");
    let code = if network { "InvalidParameter" } else { "InvalidParameterValue" };
    let mut tags = Vec::new();
    for specification in specifications.unwrap_or_default() {
        let Some(given) = specification.resource_type else {
            return Err(refuse("InvalidParameter", "Tag specification resource type must have a value"));
        };
        if given != resource_type {
            let message = format!("'{given}' is not a valid taggable resource type for this operation.");
            return Err(refuse(code, message));
        }
        let own = specification.tags.unwrap_or_default();
        if own.is_empty() {
            return Err(refuse(code, "Tag specification must have at least one tag"));
        }
        tags.extend(own);
    }
    checked(tags)
}

fn checked(given: Vec<Tag>) -> Result<Tags, Refusal> {
    let mut tags = Tags::new();
    for Tag { key, value } in given {
        let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
        check_tag(&key, &value)?;
        if tags.insert(key.clone(), value).is_some() {
            return Err(refuse("InvalidParameterValue", format!("Duplicate tag key '{key}' specified.")));
        }
    }
    check_count(tags.len())?;
    Ok(tags)
}

fn check_tag(key: &str, value: &str) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(refuse("InvalidParameterValue", message));
    match () {
        () if key.is_empty() => invalid("Tag key cannot be empty"),
        () if key.starts_with("aws:") => invalid("Tag keys starting with 'aws:' are reserved for internal use"),
        () if key.chars().count() > LONGEST_KEY => invalid("Tag key exceeds the maximum length of 128 characters"),
        () if value.chars().count() > LONGEST_VALUE => {
            invalid("Tag value exceeds the maximum length of 256 characters")
        }
        () => Ok(()),
    }
}

fn check_count(count: usize) -> Result<(), Refusal> {
    if count > MOST_TAGS {
        return Err(refuse("TagLimitExceeded", "The maximum number of Tags for a resource has been reached."));
    }
    Ok(())
}

fn remove_from(tags: &mut Tags, wanted: &[Tag]) {
    // A tag without a value goes whatever its value is; with one, also the empty one, only if it matches.
    tags.retain(|key, value| {
        !wanted.iter().any(|tag| tag.key.as_ref() == Some(key) && tag.value.as_ref().is_none_or(|v| v == value))
    });
}

/// The resource types that can be tagged here, by the prefix of their ids, with the code and noun of a missing one.
const TAGGABLE: &[(&str, &str, &str, &str)] = &[
    ("ami", "image", "InvalidAMIID.NotFound", "image"),
    ("acl", "network-acl", "InvalidNetworkAclID.NotFound", "networkAcl"),
    ("dopt", "dhcp-options", "InvalidDhcpOptionID.NotFound", "dhcpOption"),
    ("eipalloc", "elastic-ip", "InvalidAllocationID.NotFound", "allocation"),
    ("eni", "network-interface", "InvalidNetworkInterfaceID.NotFound", "networkInterface"),
    ("eigw", "egress-only-internet-gateway", "InvalidGatewayID.NotFound", "eigw"),
    ("i", "instance", "InvalidInstanceID.NotFound", "instance"),
    ("igw", "internet-gateway", "InvalidInternetGatewayID.NotFound", "internetGateway"),
    ("key", "key-pair", "InvalidKeyPair.NotFound", "key"),
    ("lt", "launch-template", "InvalidLaunchTemplateId.NotFound", "launchTemplate"),
    ("nat", "natgateway", "InvalidNatGatewayID.NotFound", "natGateway"),
    ("pcx", "vpc-peering-connection", "InvalidVpcPeeringConnectionID.NotFound", "vpcPeeringConnection"),
    ("pg", "placement-group", "InvalidPlacementGroupId.NotFound", "placement group"),
    ("pl", "prefix-list", "InvalidPrefixListID.NotFound", "prefix list"),
    ("rtb", "route-table", "InvalidRouteTableID.NotFound", "routeTable"),
    ("scr", "subnet-cidr-reservation", "InvalidSubnetCidrReservationID.NotFound", "subnet-cidr-reservation"),
    ("sg", "security-group", "InvalidGroup.NotFound", "security group"),
    ("sgr", "security-group-rule", "InvalidSecurityGroupRuleId.NotFound", "security group rule"),
    ("snap", "snapshot", "InvalidSnapshot.NotFound", "snapshot"),
    ("subnet", "subnet", "InvalidSubnetID.NotFound", "subnet"),
    ("vol", "volume", "InvalidVolume.NotFound", "volume"),
    ("vpce", "vpc-endpoint", "InvalidVpcEndpointId.NotFound", "VpcEndpoint"),
    ("vpc", "vpc", "InvalidVpcID.NotFound", "vpc"),
];

fn prefix_of(id: &str) -> &str {
    id.split_once('-').map_or("", |(prefix, _)| prefix)
}

fn resource_type(id: &str) -> &'static str {
    TAGGABLE.iter().find(|(prefix, ..)| *prefix == prefix_of(id)).map_or("", |(_, name, ..)| name)
}

impl Ec2 {
    fn exists(&self, id: &str) -> bool {
        match prefix_of(id) {
            "ami" => self.images.contains_key(id),
            "acl" => self.network_acls.contains_key(id),
            "dopt" => self.dhcp_options.contains_key(id),
            "eipalloc" => self.addresses.contains_key(id),
            "eigw" => self.egress_only_gateways.contains_key(id),
            "eni" => self.interfaces.contains_key(id),
            "igw" => self.internet_gateways.contains_key(id),
            "key" => self.key_pairs.values().any(|pair| pair.id == id),
            "nat" => self.nat_gateways.contains_key(id),
            "pcx" => self.peerings.contains_key(id),
            "pg" => self.placement_groups.values().any(|group| group.id == id),
            "pl" => self.prefix_lists.contains_key(id),
            "rtb" => self.route_tables.contains_key(id),
            "scr" => self.cidr_reservations.contains_key(id),
            "sg" => self.security_groups.contains_key(id),
            "sgr" => self.security_groups.values().any(|group| group.rules.contains_key(id)),
            "snap" => self.snapshots.contains_key(id),
            "subnet" => self.subnets.contains_key(id),
            "vol" => self.volumes.contains_key(id),
            "vpce" => self.endpoints.contains_key(id),
            "vpc" => self.vpcs.contains_key(id),
            _ => false,
        }
    }
}

/// The tags of an instance or launch template, which the engine keeps.
fn engine_tags<'a>(region: &'a mut Region, id: &str) -> Option<&'a mut Tags> {
    let groups = &mut region.world.groups;
    match prefix_of(id) {
        "i" => groups.instance_mut(&InstanceId::from(id)).map(|instance| &mut instance.tags),
        "lt" => groups.launch_templates.get_mut(TemplateRef::Id(id)).ok().map(|template| &mut template.tags),
        _ => None,
    }
}

fn check_resources(region: &mut Region, ids: &[String]) -> Result<(), Refusal> {
    for id in ids {
        let digits = id.rsplit('-').next().unwrap_or_default();
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(refuse("InvalidID", format!("The ID '{id}' is not valid")));
        }
        let Some((_, _, code, noun)) = TAGGABLE.iter().find(|(prefix, ..)| *prefix == prefix_of(id)) else {
            return Err(refuse("InvalidID", format!("The ID '{id}' is not valid")));
        };
        // What an instance was launched with is kept from its first tag on.
        match prefix_of(id) {
            "vol" => super::volume::keep_volume(region, id)?,
            "eni" => {
                super::network_interface::keep_interface(region, id)?;
            }
            _ => {}
        }
        if engine_tags(region, id).is_none() && !region.ec2.exists(id) {
            return Err(missing_ids(code, noun, &[id]));
        }
    }
    Ok(())
}

fn create(region: &mut Region, _: &Call, input: CreateTagsInput) -> Result<CreateTagsOutput, Refusal> {
    let ids = input.resources.unwrap_or_default();
    let tags = checked(input.tags.unwrap_or_default())?;
    check_resources(region, &ids)?;
    for id in &ids {
        let mut after = match engine_tags(region, id) {
            Some(kept) => kept.clone(),
            None => region.ec2.tags.0.get(id).cloned().unwrap_or_default(),
        };
        after.extend(tags.clone());
        check_count(after.keys().filter(|key| !key.starts_with("aws:")).count())?;
        match engine_tags(region, id) {
            Some(kept) => *kept = after,
            None => region.ec2.tags.put(id, after),
        }
    }
    Ok(CreateTagsOutput::default())
}

fn delete(region: &mut Region, _: &Call, input: DeleteTagsInput) -> Result<DeleteTagsOutput, Refusal> {
    let ids = input.resources.unwrap_or_default();
    check_resources(region, &ids)?;
    for id in &ids {
        // Without a list, all tags go that a caller may set.
        let wanted = match &input.tags {
            Some(tags) if !tags.is_empty() => tags.clone(),
            _ => own_tags(&all(region, id)),
        };
        match engine_tags(region, id) {
            Some(kept) => remove_from(kept, &wanted),
            None => region.ec2.tags.remove(id, &wanted),
        }
    }
    Ok(DeleteTagsOutput::default())
}

fn all(region: &mut Region, id: &str) -> Tags {
    match engine_tags(region, id) {
        Some(tags) => tags.clone(),
        None => region.ec2.tags.0.get(id).cloned().unwrap_or_default(),
    }
}

fn own_tags(tags: &Tags) -> Vec<Tag> {
    tag_set(tags).into_iter().filter(|tag| !tag.key.as_deref().unwrap_or_default().starts_with("aws:")).collect()
}

const DESCRIPTIONS: Kind<TagDescription> = Kind {
    id: |tag| &tag.resource_id,
    id_parameter: "resourceId",
    missing: |ids| missing_ids("InvalidID", "resource", ids),
    tags: |_| &None,
    filters: &[
        ("key", |tag| one(&tag.key)),
        ("resource-id", |tag| one(&tag.resource_id)),
        ("resource-type", |tag| one(&tag.resource_type)),
        ("value", |tag| one(&tag.value)),
    ],
};

fn describe(region: &mut Region, _: &Call, input: DescribeTagsInput) -> Result<DescribeTagsOutput, Refusal> {
    let groups = &region.world.groups;
    let kept = region.ec2.tags.0.iter().map(|(id, tags)| (id.clone(), tags));
    let instances = groups.instances().map(|instance| (instance.id.to_string(), &instance.tags));
    let templates = groups.launch_templates.iter().map(|template| (template.id.clone(), &template.tags));
    let mut marked: Vec<(String, &Tags)> = kept.chain(instances).chain(templates).collect();
    marked.sort();
    let all = marked.into_iter().flat_map(|(id, tags)| {
        tags.iter().map(move |(key, value)| TagDescription {
            key: Some(key.clone()),
            resource_id: Some(id.clone()),
            resource_type: Some(resource_type(&id).to_string()),
            value: Some(value.clone()),
        })
    });
    let mut filters = input.filters.unwrap_or_default();
    let page = {
        // Here `tag:KEY` picks single tags, not resources: it is short for a key and its values.
        let by_key: Vec<_> =
            filters.extract_if(.., |filter| filter.name.as_deref().unwrap_or("").starts_with("tag:")).collect();
        let picked = all.filter(|tag| {
            by_key.iter().all(|filter| {
                filter.name.as_deref().and_then(|name| name.strip_prefix("tag:")) == tag.key.as_deref()
                    && filter
                        .values
                        .iter()
                        .flatten()
                        .any(|p| super::select::matches(p, tag.value.as_deref().unwrap_or("")))
            })
        });
        let input = DescribeTagsInput { filters: Some(filters), ..input };
        DESCRIPTIONS.select(picked.collect(), ask!(input))?
    };
    let (tags, next_token) = page.set();
    Ok(DescribeTagsOutput { tags, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateTagsInput "CreateTags":
        "Adds or replaces tags.",
        takes Resources Tags
    );
    operation!(operations, delete, DeleteTagsInput "DeleteTags":
        "Removes tags by key, or by key and value.",
        takes Resources Tags
    );
    operation!(operations, describe, DescribeTagsInput "DescribeTags":
        "Lists tags of all resources.",
        takes Filters MaxResults NextToken
    );
}
