//! Private addresses of network interfaces: chosen, checked, assigned and taken back. Start at [`Wanted`].

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::cidr::{canonical_ipv6, ipv6_contains};
use super::error::{combination, invalid_value, missing_parameter, refuse, required};
use super::network_interface::{interfaces, keep_interface};
use super::register::operation_without_dry_run;
use crate::engine::Refusal;
use crate::engine::groups::address::free_address;
use crate::engine::names::SubnetId;
use crate::sandbox::models::ec2::{
    AssignIpv6AddressesInput, AssignIpv6AddressesOutput, AssignPrivateIpAddressesInput, AssignPrivateIpAddressesOutput,
    AssignedPrivateIpAddress, UnassignIpv6AddressesInput, UnassignIpv6AddressesOutput, UnassignPrivateIpAddressesInput,
    UnassignPrivateIpAddressesOutput,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// The addresses that a caller wants, by name or by number.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub named: Vec<String>,
    pub count: usize,
}

impl Wanted {
    /// Reads the two forms of a call, of which it takes one.
    pub fn read(named: Option<Vec<String>>, count: Option<i64>, what: &str) -> Result<Self, Refusal> {
        let named = named.unwrap_or_default();
        let count = usize::try_from(count.unwrap_or(0))
            .map_err(|_| invalid_value(count.unwrap_or(0), what, "Expecting a number that is not negative."))?;
        if !named.is_empty() && count > 0 {
            return Err(combination(format!("Addresses and {what} may not be specified together")));
        }
        Ok(Self { named, count })
    }

    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.count == 0
    }
}

/// The addresses of a subnet that any interface has.
fn taken(region: &Region, subnet: &SubnetId) -> BTreeSet<Ipv4Addr> {
    let in_subnet = interfaces(region).into_iter().filter(|i| i.subnet_id.as_deref() == Some(subnet.as_str()));
    let addresses = in_subnet.flat_map(|interface| interface.private_ip_addresses.unwrap_or_default());
    addresses.filter_map(|address| address.private_ip_address?.parse().ok()).collect()
}

/// Free addresses of a subnet: the named ones, or any.
pub fn choose(region: &mut Region, subnet: &SubnetId, wanted: &Wanted) -> Result<Vec<String>, Refusal> {
    let mut chosen = Vec::new();
    for text in &wanted.named {
        let address = region.ec2.check_free_address(region, subnet, text)?.to_string();
        if chosen.contains(&address) {
            return Err(refuse("InvalidParameterValue", format!("Address {text} is specified more than once.")));
        }
        chosen.push(address);
    }
    let block = region.ec2.subnet(subnet.as_str())?.cidr.to_string();
    let mut taken = taken(region, subnet);
    for _ in 0..wanted.count {
        let wish = region.ec2.ids.next_u64();
        let address = free_address(&block, &taken, wish).ok_or_else(|| {
            let message =
                format!("The specified subnet {subnet} does not have enough free addresses to satisfy the request.");
            refuse("InsufficientFreeAddressesInSubnet", message)
        })?;
        taken.insert(address);
        chosen.push(address.to_string());
    }
    Ok(chosen)
}

/// Free IPv6 addresses of a subnet.
pub fn choose_ipv6(region: &mut Region, subnet: &SubnetId, wanted: &Wanted) -> Result<Vec<String>, Refusal> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let Some(own) = region.ec2.subnet(subnet.as_str())?.ipv6.clone() else {
        let message = format!("Subnet {subnet} does not have an IPv6 CIDR block");
        return Err(refuse("InvalidParameterValue", message));
    };
    let used: BTreeSet<String> =
        region.ec2.interfaces.values().flat_map(|interface| interface.ipv6.iter().cloned()).collect();
    let mut chosen = Vec::new();
    for text in &wanted.named {
        let address: Ipv6Addr =
            text.parse().map_err(|_| invalid_value(text, "ipv6Addresses", "This is not a valid IPv6 address."))?;
        if !ipv6_contains(&own.block, &format!("{address}/128")) {
            return Err(refuse("InvalidParameterValue", "Address does not fall within the subnet's address range"));
        }
        if used.contains(&address.to_string()) {
            return Err(refuse("InvalidIPAddress.InUse", format!("Address {text} is in use.")));
        }
        chosen.push(address.to_string());
    }
    for _ in 0..wanted.count {
        // A /64 has room for all the draws there will ever be.
        chosen.push(ipv6_in(&own.block, region.ec2.ids.next_u64()));
    }
    Ok(chosen)
}

/// The address of a block with these last bits.
pub fn ipv6_in(block: &str, number: u64) -> String {
    let base = canonical_ipv6(block).and_then(|block| block.split_once('/')?.0.parse::<Ipv6Addr>().ok());
    Ipv6Addr::from(u128::from(base.unwrap_or(Ipv6Addr::UNSPECIFIED)) | u128::from(number)).to_string()
}

/// "Each of the first interface's addresses counts"; here as many as the largest types have.
const MOST_ADDRESSES: usize = 50;

fn assign(
    region: &mut Region,
    _: &Call,
    input: AssignPrivateIpAddressesInput,
) -> Result<AssignPrivateIpAddressesOutput, Refusal> {
    let id = required(input.network_interface_id, "networkInterfaceId")?;
    let kept = super::network_interface::interface(region, &id)?;
    let count = "secondaryPrivateIpAddressCount";
    let mut wanted = Wanted::read(input.private_ip_addresses, input.secondary_private_ip_address_count, count)?;
    if wanted.is_empty() {
        return Err(missing_parameter("privateIpAddresses"));
    }
    // Once more is no change.
    wanted.named.retain(|address| !kept.addresses.contains(address));
    if input.allow_reassignment == Some(true) {
        take_from_others(region, &id, &kept.subnet, &wanted.named)?;
    }
    if kept.addresses.len() + wanted.named.len() + wanted.count > MOST_ADDRESSES {
        let message = format!("Number of private addresses will exceed limit of {MOST_ADDRESSES}.");
        return Err(refuse("PrivateIpAddressLimitExceeded", message));
    }
    let chosen = choose(region, &kept.subnet, &wanted)?;
    keep_interface(region, &id)?.addresses.extend(chosen.clone());
    region.ec2.tell_addresses(&mut region.world.groups);
    let assigned = chosen.into_iter().map(|address| AssignedPrivateIpAddress { private_ip_address: Some(address) });
    Ok(AssignPrivateIpAddressesOutput {
        network_interface_id: Some(id),
        assigned_private_ip_addresses: Some(assigned.collect()),
        ..Default::default()
    })
}

/// "Whether to allow an IP address that is already assigned to another network interface to be reassigned", unless it is
/// that interface's primary one.
fn take_from_others(region: &mut Region, id: &str, subnet: &SubnetId, wanted: &[String]) -> Result<(), Refusal> {
    let holders: Vec<String> = region
        .ec2
        .interfaces
        .iter()
        .filter(|(other, kept)| other.as_str() != id && kept.subnet == *subnet)
        .filter(|(_, kept)| kept.addresses.iter().skip(1).any(|address| wanted.contains(address)))
        .map(|(other, _)| other.clone())
        .collect();
    for other in holders {
        let kept = keep_interface(region, &other)?;
        let primary = kept.addresses.first().cloned();
        kept.addresses.retain(|address| Some(address) == primary.as_ref() || !wanted.contains(address));
    }
    Ok(())
}

fn unassign(
    region: &mut Region,
    _: &Call,
    input: UnassignPrivateIpAddressesInput,
) -> Result<UnassignPrivateIpAddressesOutput, Refusal> {
    let id = required(input.network_interface_id, "networkInterfaceId")?;
    let wanted = required(input.private_ip_addresses, "privateIpAddresses")?;
    let kept = keep_interface(region, &id)?;
    if let Some(stranger) = wanted.iter().find(|address| !kept.addresses.iter().skip(1).any(|own| own == *address)) {
        let message = format!("Some of the addresses [{stranger}] are not assigned to interface {id}");
        return Err(refuse("InvalidParameterValue", message));
    }
    kept.addresses.retain(|address| !wanted.contains(address));
    region.ec2.end_associations_with(&id, &wanted);
    region.ec2.tell_addresses(&mut region.world.groups);
    Ok(UnassignPrivateIpAddressesOutput::default())
}

fn assign_ipv6(
    region: &mut Region,
    _: &Call,
    input: AssignIpv6AddressesInput,
) -> Result<AssignIpv6AddressesOutput, Refusal> {
    let id = required(input.network_interface_id, "networkInterfaceId")?;
    let kept = super::network_interface::interface(region, &id)?;
    let wanted = Wanted::read(input.ipv6_addresses, input.ipv6_address_count, "ipv6AddressCount")?;
    if wanted.is_empty() {
        return Err(missing_parameter("ipv6Addresses"));
    }
    let chosen = choose_ipv6(region, &kept.subnet, &wanted)?;
    keep_interface(region, &id)?.ipv6.extend(chosen.clone());
    Ok(AssignIpv6AddressesOutput {
        network_interface_id: Some(id),
        assigned_ipv6_addresses: Some(chosen),
        ..Default::default()
    })
}

fn unassign_ipv6(
    region: &mut Region,
    _: &Call,
    input: UnassignIpv6AddressesInput,
) -> Result<UnassignIpv6AddressesOutput, Refusal> {
    let id = required(input.network_interface_id, "networkInterfaceId")?;
    let wanted = required(input.ipv6_addresses, "ipv6Addresses")?;
    let kept = keep_interface(region, &id)?;
    if let Some(stranger) = wanted.iter().find(|address| !kept.ipv6.contains(address)) {
        let message = format!("Some of the addresses [{stranger}] are not assigned to interface {id}");
        return Err(refuse("InvalidParameterValue", message));
    }
    kept.ipv6.retain(|address| !wanted.contains(address));
    Ok(UnassignIpv6AddressesOutput {
        network_interface_id: Some(id),
        unassigned_ipv6_addresses: Some(wanted),
        ..Default::default()
    })
}

pub fn register(operations: &mut Operations) {
    operation_without_dry_run!(operations, assign, "AssignPrivateIpAddresses":
        "Gives an interface more private addresses.",
        takes AllowReassignment NetworkInterfaceId PrivateIpAddresses SecondaryPrivateIpAddressCount
    );
    operation_without_dry_run!(operations, unassign, "UnassignPrivateIpAddresses":
        "Takes secondary addresses from an interface.",
        takes NetworkInterfaceId PrivateIpAddresses
    );
    operation_without_dry_run!(operations, assign_ipv6, "AssignIpv6Addresses":
        "Gives an interface IPv6 addresses of its subnet.",
        takes NetworkInterfaceId Ipv6Addresses Ipv6AddressCount
    );
    operation_without_dry_run!(operations, unassign_ipv6, "UnassignIpv6Addresses":
        "Takes IPv6 addresses from an interface.",
        takes NetworkInterfaceId Ipv6Addresses
    );
}
