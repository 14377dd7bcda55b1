//! The network interfaces that a launch asks for: those it brings, and what its own are to be like. Start at [`Cards`].

use serde_json::{Map, Value as Json};

use super::address::follow_interface;
use super::error::{combination, invalid_value, refuse};
use super::interface_address::{Wanted, choose, choose_ipv6};
use super::interface_calls::{Wish, attach_interface, marked, new_interface};
use super::network_interface::{interface, keep_interface};
use super::tag::{Tags, new_tags};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{InstanceId, SubnetId};
use crate::sandbox::models::ec2::{PrivateIpAddressSpecification, RunInstancesInput};
use crate::sandbox::region::Region;

/// Members of an interface that have an effect here.
const KNOWN: &[&str] = &[
    "AssociatePublicIpAddress",
    "DeleteOnTermination",
    "Description",
    "DeviceIndex",
    "Groups",
    "InterfaceType",
    "Ipv6AddressCount",
    "Ipv6Addresses",
    "NetworkCardIndex",
    "NetworkInterfaceId",
    "PrivateIpAddress",
    "PrivateIpAddresses",
    "SecondaryPrivateIpAddressCount",
    "SubnetId",
];

/// The interfaces of a launch, the first one apart.
pub struct Cards {
    /// The primary private address of the only instance.
    pub primary: Option<String>,
    first: Card,
    others: Vec<Card>,
    tags: Tags,
}

/// One interface that a launch asks for.
#[derive(Default)]
struct Card {
    /// One that there is already.
    brought: Option<String>,
    subnet: Option<String>,
    groups: Vec<String>,
    index: i64,
    delete_on_termination: Option<bool>,
    description: String,
    primary: Option<String>,
    secondary: Wanted,
    ipv6: Wanted,
}

fn texts(list: &Json, member: Option<&str>) -> Vec<String> {
    let text = |item: &Json| match member {
        Some(member) => item[member].as_str().map(str::to_string),
        None => item.as_str().map(str::to_string),
    };
    list.as_array().into_iter().flatten().filter_map(text).collect()
}

impl Card {
    fn read(data: &Json) -> Result<Self, Refusal> {
        let text = |key: &str| data[key].as_str().map(str::to_string);
        if let Some(kind) = data["InterfaceType"].as_str().filter(|kind| *kind != "interface") {
            return Err(invalid_value(kind, "interfaceType", "The sandbox reproduces plain interfaces only."));
        }
        if let Some(card) = data["NetworkCardIndex"].as_i64().filter(|card| *card != 0) {
            return Err(invalid_value(card, "networkCardIndex", "The instance type has one network card."));
        }
        let list = data["PrivateIpAddresses"].as_array().cloned().unwrap_or_default();
        let specifications = list.iter().map(|given| PrivateIpAddressSpecification {
            primary: given["Primary"].as_bool(),
            private_ip_address: given["PrivateIpAddress"].as_str().map(str::to_string),
        });
        let (primary, secondary) = marked(text("PrivateIpAddress"), Some(specifications.collect()))?;
        let count = data["SecondaryPrivateIpAddressCount"].as_i64();
        Ok(Self {
            brought: text("NetworkInterfaceId"),
            subnet: text("SubnetId"),
            groups: texts(&data["Groups"], None),
            index: data["DeviceIndex"].as_i64().unwrap_or(0),
            delete_on_termination: data["DeleteOnTermination"].as_bool(),
            description: text("Description").unwrap_or_default(),
            primary,
            secondary: Wanted::read(Some(secondary), count, "secondaryPrivateIpAddressCount")?,
            ipv6: Wanted::read(
                Some(texts(&data["Ipv6Addresses"], Some("Ipv6Address"))),
                data["Ipv6AddressCount"].as_i64(),
                "ipv6AddressCount",
            )?,
        })
    }

    /// Whether the interface is what every launch makes.
    fn is_plain(&self) -> bool {
        self.brought.is_none()
            && self.delete_on_termination != Some(false)
            && self.description.is_empty()
            && self.secondary.is_empty()
            && self.ipv6.is_empty()
    }
}

impl Cards {
    /// Reads and checks what a launch says about its interfaces.
    pub fn read(region: &Region, input: &RunInstancesInput, data: &Json) -> Result<Self, Refusal> {
        let given = data["NetworkInterfaces"].as_array().map_or(&[][..], Vec::as_slice);
        let mut members = given.iter().filter_map(Json::as_object).flat_map(Map::keys);
        if let Some(name) = members.find(|name| !KNOWN.contains(&name.as_str())) {
            let message = format!(
                "The argument NetworkInterfaces.{name} of RunInstances is not reproduced by scaleproof's sandbox"
            );
            return Err(refuse("UnsupportedOperation", message));
        }
        if given.len() > 1 && given.iter().any(|card| card["AssociatePublicIpAddress"] == true) {
            let message = "The associatePublicIPAddress parameter cannot be specified when launching with multiple network \
                           interfaces";
            return Err(combination(message));
        }
        let mut cards = given.iter().map(Card::read).collect::<Result<Vec<_>, _>>()?;
        cards.sort_by_key(|card| card.index);
        if cards.windows(2).any(|pair| pair[0].index == pair[1].index) {
            return Err(invalid_value(cards[0].index, "deviceIndex", "Each device index may be used once."));
        }
        if cards.first().is_some_and(|card| card.index != 0) {
            return Err(invalid_value(cards[0].index, "deviceIndex", "The first device index must be 0."));
        }
        let mut cards = cards.into_iter();
        let mut first = cards.next().unwrap_or_default();
        let ipv6 = input.ipv6_addresses.iter().flatten().filter_map(|given| given.ipv6_address.clone());
        if first.ipv6.is_empty() {
            first.ipv6 = Wanted::read(Some(ipv6.collect()), input.ipv6_address_count, "ipv6AddressCount")?;
        }
        let primary = match &first.brought {
            Some(id) => {
                let brought = interface(region, id)?;
                if brought.attachment.is_some() {
                    let message = format!("Interface: [{id}] in use.");
                    return Err(refuse("InvalidNetworkInterface.InUse", message));
                }
                brought.addresses.first().cloned()
            }
            None => input.private_ip_address.clone().or(first.primary.clone()),
        };
        let of_interfaces = input
            .tag_specifications
            .iter()
            .flatten()
            .filter(|given| given.resource_type.as_deref() == Some("network-interface"));
        let tags = new_tags(Some(of_interfaces.cloned().collect()), "network-interface")?;
        Ok(Self { primary, first, others: cards.collect(), tags })
    }

    /// Whether the first interface is one that there is already.
    pub fn brings_first(&self) -> bool {
        self.first.brought.is_some()
    }

    /// Gives each of the launched instances its interfaces.
    pub fn deal(&self, region: &mut Region, now: Timestamp, ids: &[InstanceId]) -> Result<(), Refusal> {
        for id in ids {
            self.deal_first(region, now, id)?;
            for card in &self.others {
                let eni = match &card.brought {
                    Some(eni) => eni.clone(),
                    None => self.make(region, card, id)?,
                };
                let deletes = card.delete_on_termination.unwrap_or(card.brought.is_none());
                attach_interface(region, now, &eni, id, card.index, deletes)?;
                follow_interface(region, &eni, Some(id));
            }
        }
        region.ec2.tell_addresses(&mut region.world.groups);
        Ok(())
    }

    fn make(&self, region: &mut Region, card: &Card, id: &InstanceId) -> Result<String, Refusal> {
        let own = region.world.groups.instance(id).map(|instance| instance.placement.subnet.to_string());
        let wish = Wish {
            subnet: card.subnet.clone().or(own).unwrap_or_default(),
            description: card.description.clone(),
            groups: card.groups.clone(),
            primary: card.primary.clone(),
            secondary: card.secondary.clone(),
            ipv6: card.ipv6.clone(),
        };
        let made = new_interface(region, wish)?;
        let eni = region.ec2.keep_new_interface(made);
        region.ec2.tags.put(&eni, self.tags.clone());
        Ok(eni)
    }

    fn deal_first(&self, region: &mut Region, now: Timestamp, id: &InstanceId) -> Result<(), Refusal> {
        let card = &self.first;
        if let Some(eni) = &card.brought {
            return bring(region, now, eni, id, card.delete_on_termination.unwrap_or(false));
        }
        if card.is_plain() && self.tags.is_empty() {
            return Ok(());
        }
        let Some(instance) = region.world.groups.instance(id) else { return Ok(()) };
        let (eni, subnet): (String, SubnetId) = (instance.eni_id.clone(), instance.placement.subnet.clone());
        let secondary = choose(region, &subnet, &card.secondary)?;
        let ipv6 = choose_ipv6(region, &subnet, &card.ipv6)?;
        let kept = keep_interface(region, &eni)?;
        kept.description.clone_from(&card.description);
        kept.addresses.extend(secondary);
        if !ipv6.is_empty() {
            kept.ipv6 = ipv6;
        }
        if let Some(attached) = &mut kept.attachment {
            attached.delete_on_termination = card.delete_on_termination.unwrap_or(true);
        }
        region.ec2.tags.put(&eni, self.tags.clone());
        Ok(())
    }
}

/// Makes an interface that there is the first of an instance that was just launched.
fn bring(region: &mut Region, now: Timestamp, eni: &str, id: &InstanceId, deletes: bool) -> Result<(), Refusal> {
    let kept = keep_interface(region, eni)?;
    let (mac, check) = (kept.mac_address.clone(), kept.source_dest_check);
    let Some(instance) = region.world.groups.instance_mut(id) else { return Ok(()) };
    instance.eni_id = eni.to_string();
    instance.mac_address = mac;
    instance.public_ip = None;
    instance.launch_data["SourceDestCheck"] = check.into();
    let attachment = instance.eni_attachment_id.clone();
    if let Some(kept) = region.ec2.interfaces.get_mut(eni) {
        kept.attachment = Some(super::network_interface::Attached {
            id: attachment,
            to: super::network_interface::Holder::Instance(id.clone()),
            index: 0,
            at: super::whole_second(now),
            delete_on_termination: deletes,
        });
    }
    follow_interface(region, eni, Some(id));
    Ok(())
}
