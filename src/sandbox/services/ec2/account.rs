//! What an account may do, and addresses of its own, of which it has none.

use super::error::{invalid_value, missing_ids, refuse};
use super::register::operation;
use super::select::{Kind, one};
use crate::engine::Refusal;
use crate::sandbox::models::ec2::{
    AccountAttribute, AccountAttributeValue, Address, DescribeAccountAttributesInput, DescribeAccountAttributesOutput,
    DescribeAddressesInput, DescribeAddressesOutput,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

fn describe_attributes(
    region: &mut Region,
    _: &Call,
    input: DescribeAccountAttributesInput,
) -> Result<DescribeAccountAttributesOutput, Refusal> {
    let default_vpc = region.ec2.default_vpc().map_or("none".to_string(), ToString::to_string);
    // The numbers are AWS's defaults for a new account.
    let all = [
        ("supported-platforms", "VPC"),
        ("vpc-max-security-groups-per-interface", "5"),
        ("max-elastic-ips", "5"),
        ("max-instances", "20"),
        ("vpc-max-elastic-ips", "5"),
        ("default-vpc", &default_vpc),
    ];
    let wanted = input.attribute_names.unwrap_or_default();
    if let Some(unknown) = wanted.iter().find(|name| !all.iter().any(|(known, _)| known == name)) {
        return Err(invalid_value(unknown, "attributeName", "Unknown attribute."));
    }
    let kept = all.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name));
    let shown = kept.map(|(name, value)| AccountAttribute {
        attribute_name: Some((*name).to_string()),
        attribute_values: Some(vec![AccountAttributeValue { attribute_value: Some((*value).to_string()) }]),
    });
    Ok(DescribeAccountAttributesOutput { account_attributes: Some(shown.collect()) })
}

const ADDRESSES: Kind<Address> = Kind {
    id: |address| &address.allocation_id,
    id_parameter: "allocationIdSet",
    missing: |ids| missing_ids("InvalidAllocationID.NotFound", "allocation", ids),
    tags: |address| &address.tags,
    filters: &[
        ("allocation-id", |a| one(&a.allocation_id)),
        ("association-id", |a| one(&a.association_id)),
        ("domain", |a| one(&a.domain)),
        ("instance-id", |a| one(&a.instance_id)),
        ("network-border-group", |a| one(&a.network_border_group)),
        ("network-interface-id", |a| one(&a.network_interface_id)),
        ("network-interface-owner-id", |a| one(&a.network_interface_owner_id)),
        ("private-ip-address", |a| one(&a.private_ip_address)),
        ("public-ip", |a| one(&a.public_ip)),
    ],
};

fn describe_addresses(
    _: &mut Region,
    _: &Call,
    input: DescribeAddressesInput,
) -> Result<DescribeAddressesOutput, Refusal> {
    if let Some(ip) = input.public_ips.iter().flatten().next() {
        return Err(refuse("InvalidAddress.NotFound", format!("Address '{ip}' not found.")));
    }
    let ask = super::select::Ask { ids: input.allocation_ids, filters: input.filters, ..Default::default() };
    Ok(DescribeAddressesOutput { addresses: ADDRESSES.select(Vec::new(), ask)?.set().0 })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, describe_attributes, DescribeAccountAttributesInput "DescribeAccountAttributes":
        "Shows the account's default VPC and limits.",
        takes AttributeNames
    );
    operation!(operations, describe_addresses, DescribeAddressesInput "DescribeAddresses":
        "Lists Elastic IP addresses: there are none.",
        takes AllocationIds PublicIps Filters
    );
}
