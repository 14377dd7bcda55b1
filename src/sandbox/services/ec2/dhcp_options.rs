//! DHCP options: sets of what a VPC tells its machines about names and times, and which VPC uses which.
//! Start at [`DhcpSet`].

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::error::{dependency, invalid_value, missing_ids, missing_parameter, refuse, required};
use super::register::{ask, operation};
use super::select::{Kind, one};
use super::tag::new_tags;
use crate::engine::Refusal;
use crate::sandbox::models::ec2::{
    AssociateDhcpOptionsInput, AssociateDhcpOptionsOutput, AttributeValue, CreateDhcpOptionsInput,
    CreateDhcpOptionsOutput, DeleteDhcpOptionsInput, DeleteDhcpOptionsOutput, DescribeDhcpOptionsInput,
    DescribeDhcpOptionsOutput, DhcpConfiguration, DhcpOptions, NewDhcpConfiguration,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Options with their values, in the order they were given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpSet(Vec<(String, Vec<String>)>);

/// What a VPC uses that has no options at all.
const NONE: &str = "default";

/// The options there are. Source: CreateDhcpOptions.
const KEYS: &[&str] = &[
    "domain-name-servers",
    "domain-name",
    "ntp-servers",
    "netbios-name-servers",
    "netbios-node-type",
    "ipv6-address-preferred-lease-time",
];

/// "You can specify up to four."
const MOST_SERVERS: usize = 4;

impl DhcpSet {
    /// The set of a new account: "ec2.internal for us-east-1, region.compute.internal for the others."
    pub fn of_new_account(region: &str) -> Self {
        let domain = match region {
            "us-east-1" => "ec2.internal".to_string(),
            region => format!("{region}.compute.internal"),
        };
        Self(vec![
            ("domain-name".into(), vec![domain]),
            ("domain-name-servers".into(), vec!["AmazonProvidedDNS".into()]),
        ])
    }

    fn read(given: Vec<NewDhcpConfiguration>) -> Result<Self, Refusal> {
        let mut options = Vec::new();
        for configuration in given {
            let key = required(configuration.key, "key")?;
            let values = configuration.values.unwrap_or_default();
            check(&key, &values)?;
            options.push((key, values));
        }
        match options.is_empty() {
            true => Err(missing_parameter("dhcpConfiguration")),
            false => Ok(Self(options)),
        }
    }
}

fn check(key: &str, values: &[String]) -> Result<(), Refusal> {
    if !KEYS.contains(&key) {
        return Err(invalid_value(key, "dhcpConfiguration", &format!("Unknown option {key}")));
    }
    if values.is_empty() {
        return Err(missing_parameter("value"));
    }
    let node_types = ["1", "2", "4", "8"];
    if key == "netbios-node-type" && !(values.len() == 1 && node_types.contains(&values[0].as_str())) {
        return Err(invalid_value(&values[0], "netbios-node-type", "Expecting one of 1, 2, 4 and 8."));
    }
    if key.ends_with("-servers") && values.len() > MOST_SERVERS {
        let message = format!("At most {MOST_SERVERS} servers can be specified for {key}");
        return Err(refuse("InvalidParameterValue", message));
    }
    Ok(())
}

fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidDhcpOptionID.NotFound", "dhcpOption", ids)
}

impl Ec2 {
    fn show_dhcp_options(&self, id: &str, set: &DhcpSet) -> DhcpOptions {
        let configurations = set.0.iter().map(|(key, values)| DhcpConfiguration {
            key: Some(key.clone()),
            values: Some(values.iter().map(|value| AttributeValue { value: Some(value.clone()) }).collect()),
        });
        DhcpOptions {
            owner_id: Some(self.place.account.clone()),
            tags: self.tags.of(id),
            dhcp_options_id: Some(id.to_string()),
            dhcp_configurations: Some(configurations.collect()),
        }
    }
}

const DHCP_OPTIONS: Kind<DhcpOptions> = Kind {
    id: |options| &options.dhcp_options_id,
    id_parameter: "dhcpOptionsSet",
    missing,
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

fn create(region: &mut Region, _: &Call, input: CreateDhcpOptionsInput) -> Result<CreateDhcpOptionsOutput, Refusal> {
    let tags = new_tags(input.tag_specifications, "dhcp-options")?;
    let set = DhcpSet::read(input.dhcp_configurations.unwrap_or_default())?;
    let ec2 = &mut region.ec2;
    let id = ec2.ids.ec2("dopt");
    ec2.tags.put(&id, tags);
    let shown = ec2.show_dhcp_options(&id, &set);
    ec2.dhcp_options.insert(id, set);
    Ok(CreateDhcpOptionsOutput { dhcp_options: Some(shown) })
}

fn associate(
    region: &mut Region,
    _: &Call,
    input: AssociateDhcpOptionsInput,
) -> Result<AssociateDhcpOptionsOutput, Refusal> {
    let id = required(input.dhcp_options_id, "dhcpOptionsId")?;
    let vpc = required(input.vpc_id, "vpcId")?;
    let ec2 = &mut region.ec2;
    if id != NONE && !ec2.dhcp_options.contains_key(&id) {
        return Err(missing(&[&id]));
    }
    let vpc = ec2.vpcs.get_mut(vpc.as_str()).ok_or_else(|| super::vpc::missing(&[&vpc]))?;
    vpc.dhcp_options_id = id;
    Ok(AssociateDhcpOptionsOutput::default())
}

fn delete(region: &mut Region, _: &Call, input: DeleteDhcpOptionsInput) -> Result<DeleteDhcpOptionsOutput, Refusal> {
    let id = required(input.dhcp_options_id, "dhcpOptionsId")?;
    if !id.starts_with("dopt-") {
        let message = format!("Invalid id: \"{id}\" (expecting \"dopt-...\")");
        return Err(refuse("InvalidDhcpOptionsId.Malformed", message));
    }
    let ec2 = &mut region.ec2;
    if !ec2.dhcp_options.contains_key(&id) {
        return Err(missing(&[&id]));
    }
    // The default set stays for the VPCs to come.
    if id == ec2.dhcp_options_id || ec2.vpcs.values().any(|vpc| vpc.dhcp_options_id == id) {
        return Err(dependency(format!("The dhcpOptions '{id}' has dependencies and cannot be deleted.")));
    }
    ec2.dhcp_options.remove(&id);
    ec2.tags.forget(&id);
    Ok(DeleteDhcpOptionsOutput::default())
}

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeDhcpOptionsInput,
) -> Result<DescribeDhcpOptionsOutput, Refusal> {
    let ec2 = &region.ec2;
    let all = ec2.dhcp_options.iter().map(|(id, set)| ec2.show_dhcp_options(id, set)).collect();
    let (dhcp_options, next_token) = DHCP_OPTIONS.select(all, ask!(input.dhcp_options_ids))?.set();
    Ok(DescribeDhcpOptionsOutput { dhcp_options, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, create, CreateDhcpOptionsInput "CreateDhcpOptions":
        "Creates a set of DHCP options.",
        takes DhcpConfigurations TagSpecifications
    );
    operation!(operations, associate, AssociateDhcpOptionsInput "AssociateDhcpOptions":
        "Makes a VPC use a set, or none.",
        takes DhcpOptionsId VpcId
    );
    operation!(operations, delete, DeleteDhcpOptionsInput "DeleteDhcpOptions":
        "Deletes a set that no VPC uses.",
        takes DhcpOptionsId
    );
    operation!(operations, describe, DescribeDhcpOptionsInput "DescribeDhcpOptions":
        "Lists sets of DHCP options.",
        takes DhcpOptionsIds Filters MaxResults NextToken
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(key: &str, values: &[&str], code: Option<&str>) {
        let values = values.iter().map(ToString::to_string).collect();
        let given = NewDhcpConfiguration { key: Some(key.into()), values: Some(values) };
        assert_eq!(DhcpSet::read(vec![given]).err().map(|refusal| refusal.code).as_deref(), code, "{key}");
    }

    #[test]
    fn options_follow_the_documented_rules() {
        check_refused("domain-name", &["example.com"], None);
        check_refused("ntp-servers", &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"], None);
        check_refused("ntp-servers", &["1", "2", "3", "4", "5"], Some("InvalidParameterValue"));
        check_refused("netbios-node-type", &["2"], None);
        check_refused("netbios-node-type", &["3"], Some("InvalidParameterValue"));
        check_refused("invalid", &["x"], Some("InvalidParameterValue"));
    }
}
