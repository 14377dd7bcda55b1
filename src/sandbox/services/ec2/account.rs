//! What an account may do.

use super::error::invalid_value;
use super::register::operation;
use crate::engine::Refusal;
use crate::sandbox::models::ec2::{
    AccountAttribute, AccountAttributeValue, DescribeAccountAttributesInput, DescribeAccountAttributesOutput,
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

pub fn register(operations: &mut Operations) {
    operation!(operations, describe_attributes, DescribeAccountAttributesInput "DescribeAccountAttributes":
        "Shows the account's default VPC and limits.",
        takes AttributeNames
    );
}
