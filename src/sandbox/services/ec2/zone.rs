//! Regions and their availability zones. Start at [`zones`].
//!
//! AWS gives the letters to each account in its own order; ours follow the order of the zone ids, but for `us-east-1`
//! and the regions whose first zones new accounts no longer see.

use super::error::{invalid_value, refuse};
use super::register::operation;
use super::select::{Kind, one};
use crate::engine::Refusal;
use crate::engine::names::Zone;
use crate::sandbox::models::ec2 as model;
use crate::sandbox::models::ec2::{
    AvailabilityZone, DescribeAvailabilityZonesInput, DescribeAvailabilityZonesOutput, DescribeRegionsInput,
    DescribeRegionsOutput,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// A region: its name, the prefix of its zone ids, whether an account must opt in, and its zones as letter and number.
struct RegionFacts {
    name: &'static str,
    prefix: &'static str,
    opt_in: bool,
    zones: &'static [(char, u8)],
}

const fn region(name: &'static str, prefix: &'static str, opt_in: bool, zones: &'static [(char, u8)]) -> RegionFacts {
    RegionFacts { name, prefix, opt_in, zones }
}

const ABC: &[(char, u8)] = &[('a', 1), ('b', 2), ('c', 3)];
const ABCD: &[(char, u8)] = &[('a', 1), ('b', 2), ('c', 3), ('d', 4)];

const REGIONS: &[RegionFacts] = &[
    region("af-south-1", "afs1", true, ABC),
    region("ap-east-1", "ape1", true, ABC),
    region("ap-east-2", "ape2", true, ABC),
    region("ap-northeast-1", "apne1", false, &[('a', 4), ('c', 1), ('d', 2)]),
    region("ap-northeast-2", "apne2", false, ABCD),
    region("ap-northeast-3", "apne3", false, ABC),
    region("ap-south-1", "aps1", false, ABC),
    region("ap-south-2", "aps2", true, ABC),
    region("ap-southeast-1", "apse1", false, ABC),
    region("ap-southeast-2", "apse2", false, ABC),
    region("ap-southeast-3", "apse3", true, ABC),
    region("ap-southeast-5", "apse5", true, ABC),
    region("ap-southeast-7", "apse7", true, ABC),
    region("ap-southeast-4", "apse4", true, ABC),
    region("ca-central-1", "cac1", false, &[('a', 1), ('b', 2), ('d', 4)]),
    region("ca-west-1", "caw1", true, ABC),
    region("cn-north-1", "cnn1", false, &[('a', 1), ('b', 2), ('d', 4)]),
    region("cn-northwest-1", "cnnw1", false, ABC),
    region("eu-central-1", "euc1", false, &[('a', 2), ('b', 3), ('c', 1)]),
    region("eu-central-2", "euc2", true, ABC),
    region("eu-north-1", "eun1", false, ABC),
    region("eu-south-1", "eus1", true, ABC),
    region("eu-south-2", "eus2", true, ABC),
    region("eu-west-1", "euw1", false, ABC),
    region("eu-west-2", "euw2", false, &[('a', 2), ('b', 3), ('c', 1)]),
    region("eu-west-3", "euw3", false, ABC),
    region("il-central-1", "ilc1", true, ABC),
    region("me-central-1", "mec1", true, ABC),
    region("me-south-1", "mes1", true, ABC),
    region("mx-central-1", "mxc1", true, ABC),
    region("sa-east-1", "sae1", false, ABC),
    region("us-east-1", "use1", false, &[('a', 6), ('b', 1), ('c', 2), ('d', 4), ('e', 3), ('f', 5)]),
    region("us-east-2", "use2", false, ABC),
    region("us-gov-east-1", "usge1", false, ABC),
    region("us-gov-west-1", "usgw1", false, ABC),
    region("us-west-1", "usw1", false, &[('a', 3), ('b', 1)]),
    region("us-west-2", "usw2", false, ABCD),
];

/// A zone's name and the id that is the same in every account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneFacts {
    pub name: String,
    pub id: String,
}

/// The zones of a region, by letter. A region that is not in the list, such as one that AWS opened later, gets three.
pub fn zones(region: &str) -> Vec<ZoneFacts> {
    let known = REGIONS.iter().find(|facts| facts.name == region);
    let (prefix, zones) =
        known.map_or_else(|| (region.replace('-', ""), ABC), |facts| (facts.prefix.into(), facts.zones));
    let facts = |(letter, number): &(char, u8)| ZoneFacts {
        name: format!("{region}{letter}"),
        id: format!("{prefix}-az{number}"),
    };
    zones.iter().map(facts).collect()
}

pub fn zone_id(region: &str, zone: &Zone) -> Option<String> {
    zones(region).into_iter().find(|facts| facts.name == zone.0).map(|facts| facts.id)
}

/// Whether accounts have to opt into a region: those are also the ones that opened without the t2 family.
pub fn is_opt_in(region: &str) -> bool {
    REGIONS.iter().any(|facts| facts.name == region && facts.opt_in)
}

const ZONES: Kind<AvailabilityZone> = Kind {
    id: |zone| &zone.zone_name,
    id_parameter: "zoneName",
    missing: |ids| refuse("InvalidParameterValue", format!("Invalid availability zone: [{}]", ids.join(", "))),
    tags: |_| &None,
    filters: &[
        ("group-long-name", |z| one(&z.group_long_name)),
        ("group-name", |z| one(&z.group_name)),
        ("message", |_| Vec::new()),
        ("opt-in-status", |z| one(&z.opt_in_status)),
        ("parent-zone-id", |z| one(&z.parent_zone_id)),
        ("parent-zone-name", |z| one(&z.parent_zone_name)),
        ("region-name", |z| one(&z.region_name)),
        ("state", |z| one(&z.state)),
        ("zone-id", |z| one(&z.zone_id)),
        ("zone-name", |z| one(&z.zone_name)),
        ("zone-type", |z| one(&z.zone_type)),
    ],
};

fn shown_zones(region: &str) -> Vec<AvailabilityZone> {
    let show = |zone: ZoneFacts| AvailabilityZone {
        opt_in_status: Some("opt-in-not-required".into()),
        messages: Some(Vec::new()),
        region_name: Some(region.to_string()),
        zone_name: Some(zone.name),
        zone_id: Some(zone.id),
        group_name: Some(format!("{region}-zg-1")),
        network_border_group: Some(region.to_string()),
        zone_type: Some("availability-zone".into()),
        state: Some("available".into()),
        ..Default::default()
    };
    zones(region).into_iter().map(show).collect()
}

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeAvailabilityZonesInput,
) -> Result<DescribeAvailabilityZonesOutput, Refusal> {
    let all = shown_zones(&region.world.place.region);
    let mut names = input.zone_names.unwrap_or_default();
    for id in input.zone_ids.unwrap_or_default() {
        let named = all.iter().find(|zone| zone.zone_id.as_ref() == Some(&id)).and_then(|zone| zone.zone_name.clone());
        names.push(
            named.ok_or_else(|| refuse("InvalidParameterValue", format!("Invalid availability zone-id: [{id}]")))?,
        );
    }
    // `AllAvailabilityZones` adds zones that wait for an opt-in; there are none here.
    let ask = super::select::Ask { ids: Some(names), filters: input.filters, ..Default::default() };
    Ok(DescribeAvailabilityZonesOutput { availability_zones: ZONES.select(all, ask)?.set().0 })
}

const REGION_KIND: Kind<model::Region> = Kind {
    id: |region| &region.region_name,
    id_parameter: "regionName",
    missing: |ids| invalid_value(ids.join(", "), "regionName", "Unknown region."),
    tags: |_| &None,
    filters: &[
        ("endpoint", |r| one(&r.endpoint)),
        ("opt-in-status", |r| one(&r.opt_in_status)),
        ("region-name", |r| one(&r.region_name)),
    ],
};

fn describe_regions(
    region: &mut Region,
    _: &Call,
    input: DescribeRegionsInput,
) -> Result<DescribeRegionsOutput, Refusal> {
    let place = &region.world.place;
    let suffix = if place.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let partition = |name: &str| crate::engine::names::Place::new(name, "").partition;
    let wanted = input.region_names.unwrap_or_default();
    let all_regions = input.all_regions == Some(true);
    let listed = REGIONS.iter().filter(|facts| partition(facts.name) == place.partition).filter(|facts| {
        // The caller's own region is enabled, since the call arrived there.
        all_regions || !facts.opt_in || facts.name == place.region || wanted.iter().any(|name| name == facts.name)
    });
    let all = listed.map(|facts| model::Region {
        opt_in_status: Some(
            match (facts.opt_in, facts.name == place.region) {
                (false, _) => "opt-in-not-required",
                (true, true) => "opted-in",
                (true, false) => "not-opted-in",
            }
            .into(),
        ),
        region_name: Some(facts.name.into()),
        endpoint: Some(format!("ec2.{}.{suffix}", facts.name)),
        ..Default::default()
    });
    let ask = super::select::Ask { ids: Some(wanted.clone()), filters: input.filters, ..Default::default() };
    Ok(DescribeRegionsOutput { regions: REGION_KIND.select(all.collect(), ask)?.set().0 })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, describe, DescribeAvailabilityZonesInput "DescribeAvailabilityZones":
        "Lists the region's zones.",
        takes ZoneNames ZoneIds AllAvailabilityZones Filters
    );
    operation!(operations, describe_regions, DescribeRegionsInput "DescribeRegions":
        "Lists regions.",
        takes RegionNames AllRegions Filters
    );
}
