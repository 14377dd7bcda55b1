//! Network interfaces: those of the instances, one each. There are no others here.

use super::error::missing_ids;
use super::instance::{group_identifiers, ip_owner, private_dns_name, public_dns_name, source_dest_check};
use super::register::{ask, operation};
use super::select::{Kind, each, one};
use super::zone::zone_id;
use crate::engine::Refusal;
use crate::engine::groups::{Ec2State, Instance};
use crate::sandbox::models::ec2::{
    DescribeNetworkInterfacesInput, DescribeNetworkInterfacesOutput, NetworkInterface, NetworkInterfaceAssociation,
    NetworkInterfaceAttachment, NetworkInterfacePrivateIpAddress,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// The interfaces of all instances that still have one: it goes when its instance has terminated.
pub fn interfaces(region: &Region) -> Vec<NetworkInterface> {
    let instances = region.world.groups.instances();
    instances.filter(|instance| instance.state != Ec2State::Terminated).map(|instance| show(region, instance)).collect()
}

fn show(region: &Region, instance: &Instance) -> NetworkInterface {
    let place = &region.world.place;
    let association = instance.public_ip.as_ref().map(|ip| NetworkInterfaceAssociation {
        ip_owner_id: Some(ip_owner(region, instance)),
        public_dns_name: public_dns_name(region, instance),
        public_ip: Some(ip.clone()),
        ..Default::default()
    });
    let private_dns_name = private_dns_name(region, instance);
    let address = instance.private_ip.as_ref().map(|ip| NetworkInterfacePrivateIpAddress {
        association: association.clone(),
        primary: Some(true),
        private_dns_name: private_dns_name.clone(),
        private_ip_address: Some(ip.clone()),
    });
    NetworkInterface {
        association,
        attachment: Some(NetworkInterfaceAttachment {
            attach_time: Some(instance.launched_at),
            attachment_id: Some(instance.eni_attachment_id.clone()),
            delete_on_termination: Some(true),
            device_index: Some(0),
            network_card_index: Some(0),
            instance_id: Some(instance.id.to_string()),
            instance_owner_id: Some(place.account.clone()),
            status: Some("attached".into()),
            ..Default::default()
        }),
        availability_zone: Some(instance.placement.zone.to_string()),
        availability_zone_id: zone_id(&place.region, &instance.placement.zone),
        description: Some(String::new()),
        groups: Some(group_identifiers(region, &instance.security_groups)),
        interface_type: Some("interface".into()),
        ipv6_addresses: Some(Vec::new()),
        mac_address: Some(instance.mac_address.clone()),
        network_interface_id: Some(instance.eni_id.clone()),
        owner_id: Some(place.account.clone()),
        private_dns_name,
        private_ip_address: instance.private_ip.clone(),
        private_ip_addresses: Some(address.into_iter().collect()),
        requester_managed: Some(false),
        source_dest_check: Some(source_dest_check(instance)),
        status: Some("in-use".into()),
        subnet_id: Some(instance.placement.subnet.to_string()),
        tag_set: Some(Vec::new()),
        vpc_id: Some(instance.placement.vpc.clone()),
        ..Default::default()
    }
}

macro_rules! attachment {
    ($interface:ident.$member:ident) => {
        $interface.attachment.iter().flat_map(|attachment| one(&attachment.$member)).collect()
    };
}

macro_rules! association {
    ($interface:ident.$member:ident) => {
        $interface.association.iter().flat_map(|association| one(&association.$member)).collect()
    };
}

const INTERFACES: Kind<NetworkInterface> = Kind {
    id: |interface| &interface.network_interface_id,
    id_parameter: "networkInterfaceIdSet",
    missing: |ids| missing_ids("InvalidNetworkInterfaceID.NotFound", "networkInterface", ids),
    tags: |interface| &interface.tag_set,
    filters: &[
        ("addresses.association.public-ip", |i| association!(i.public_ip)),
        ("addresses.primary", |i| each(&i.private_ip_addresses, |address| &address.primary)),
        ("addresses.private-ip-address", |i| each(&i.private_ip_addresses, |address| &address.private_ip_address)),
        ("association.ip-owner-id", |i| association!(i.ip_owner_id)),
        ("association.public-dns-name", |i| association!(i.public_dns_name)),
        ("association.public-ip", |i| association!(i.public_ip)),
        ("attachment.attachment-id", |i| attachment!(i.attachment_id)),
        ("attachment.delete-on-termination", |i| attachment!(i.delete_on_termination)),
        ("attachment.device-index", |i| attachment!(i.device_index)),
        ("attachment.instance-id", |i| attachment!(i.instance_id)),
        ("attachment.instance-owner-id", |i| attachment!(i.instance_owner_id)),
        ("attachment.status", |i| attachment!(i.status)),
        ("availability-zone", |i| one(&i.availability_zone)),
        ("availability-zone-id", |i| one(&i.availability_zone_id)),
        ("description", |i| one(&i.description)),
        ("group-id", |i| each(&i.groups, |group| &group.group_id)),
        ("group-name", |i| each(&i.groups, |group| &group.group_name)),
        ("interface-type", |i| one(&i.interface_type)),
        ("ipv6-addresses.ipv6-address", |_| Vec::new()),
        ("mac-address", |i| one(&i.mac_address)),
        ("network-interface-id", |i| one(&i.network_interface_id)),
        ("owner-id", |i| one(&i.owner_id)),
        ("private-dns-name", |i| one(&i.private_dns_name)),
        ("private-ip-address", |i| one(&i.private_ip_address)),
        ("requester-id", |_| Vec::new()),
        ("requester-managed", |i| one(&i.requester_managed)),
        ("source-dest-check", |i| one(&i.source_dest_check)),
        ("status", |i| one(&i.status)),
        ("subnet-id", |i| one(&i.subnet_id)),
        ("vpc-id", |i| one(&i.vpc_id)),
    ],
};

fn describe(
    region: &mut Region,
    _: &Call,
    input: DescribeNetworkInterfacesInput,
) -> Result<DescribeNetworkInterfacesOutput, Refusal> {
    let page = INTERFACES.select(interfaces(region), ask!(input.network_interface_ids))?;
    let (network_interfaces, next_token) = page.set();
    Ok(DescribeNetworkInterfacesOutput { network_interfaces, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, describe, DescribeNetworkInterfacesInput "DescribeNetworkInterfaces":
        "Lists the interfaces of instances.",
        takes NetworkInterfaceIds Filters MaxResults NextToken
    );
}
