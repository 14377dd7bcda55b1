//! DHCP options: the one default set that every VPC uses.

use super::error::missing_ids;
use super::register::{ask, operation};
use super::select::{Kind, one};
use crate::engine::Refusal;
use crate::sandbox::models::ec2::{
    AttributeValue, DescribeDhcpOptionsInput, DescribeDhcpOptionsOutput, DhcpConfiguration, DhcpOptions,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

const DHCP_OPTIONS: Kind<DhcpOptions> = Kind {
    id: |options| &options.dhcp_options_id,
    id_parameter: "dhcpOptionsSet",
    missing: |ids| missing_ids("InvalidDhcpOptionID.NotFound", "dhcpOption", ids),
    tags: |options| &options.tags,
    filters: &[
        ("dhcp-options-id", |o| one(&o.dhcp_options_id)),
        ("key", |o| o.dhcp_configurations.iter().flatten().flat_map(|c| one(&c.key)).collect()),
        ("owner-id", |o| one(&o.owner_id)),
        ("value", |o| {
            let values = o.dhcp_configurations.iter().flatten().flat_map(|c| c.values.iter().flatten());
            values.flat_map(|value| one(&value.value)).collect()
        }),
    ],
};

fn configuration(key: &str, value: &str) -> DhcpConfiguration {
    DhcpConfiguration { key: Some(key.into()), values: Some(vec![AttributeValue { value: Some(value.into()) }]) }
}

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeDhcpOptionsInput,
) -> Result<DescribeDhcpOptionsOutput, Refusal> {
    let ec2 = &region.ec2;
    // "ec2.internal for us-east-1, region.compute.internal for the others."
    let domain = match ec2.place.region.as_str() {
        "us-east-1" => "ec2.internal".to_string(),
        region => format!("{region}.compute.internal"),
    };
    let only = DhcpOptions {
        owner_id: Some(ec2.place.account.clone()),
        tags: ec2.tags.of(&ec2.dhcp_options_id),
        dhcp_options_id: Some(ec2.dhcp_options_id.clone()),
        dhcp_configurations: Some(vec![
            configuration("domain-name", &domain),
            configuration("domain-name-servers", "AmazonProvidedDNS"),
        ]),
    };
    let (dhcp_options, next_token) = DHCP_OPTIONS.select(vec![only], ask!(input.dhcp_options_ids))?.set();
    Ok(DescribeDhcpOptionsOutput { dhcp_options, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, describe, DescribeDhcpOptionsInput "DescribeDhcpOptions":
        "Shows the default set.",
        takes DhcpOptionsIds Filters MaxResults NextToken
    );
}
