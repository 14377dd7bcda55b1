//! Network interfaces: the first one of each instance, those made by themselves, and those that other services have in a
//! subnet. Start at [`Interface`]; `interface_calls.rs` makes and changes them, `interface_address.rs` their addresses.
//! The first interface of an instance follows from the instance until something about it changes; from then on it is kept
//! here like any other ([`keep_interface`]).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::error::missing_ids;
use super::instance::group_identifiers;
use super::interface_address::ipv6_in;
use super::register::{ask, operation};
use super::select::{Kind, each, one};
use super::zone::zone_id;
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::groups::{Ec2State, Groups, Instance};
use crate::engine::ids::Ids;
use crate::engine::names::{InstanceId, SubnetId, VpcId, Zone};
use crate::sandbox::models::ec2::{
    DescribeNetworkInterfacesInput, DescribeNetworkInterfacesOutput, NetworkInterface, NetworkInterfaceAssociation,
    NetworkInterfaceAttachment, NetworkInterfaceIpv6Address, NetworkInterfacePrivateIpAddress,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    pub subnet: SubnetId,
    pub vpc: VpcId,
    pub zone: Zone,
    pub description: String,
    /// `interface`, `nat_gateway`, `vpc_endpoint` or `network_load_balancer`.
    pub kind: String,
    pub mac_address: String,
    pub groups: Vec<String>,
    pub source_dest_check: bool,
    /// The private IPv4 addresses, the primary one first.
    pub addresses: Vec<String>,
    pub ipv6: Vec<String>,
    pub attachment: Option<Attached>,
    /// The last attachment that a caller ended, and when.
    #[serde(default)]
    pub parted: Option<(Attached, Timestamp)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    pub id: String,
    pub to: Holder,
    pub index: i64,
    pub at: Timestamp,
    pub delete_on_termination: bool,
}

/// What an interface is attached to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holder {
    Instance(InstanceId),
    /// A NAT gateway or an endpoint, which AWS runs.
    Service,
    LoadBalancer,
}

/// How long an attachment that ended is found by its id, as `detached`. Ours: AWS shows it on its way out, and terraform's
/// provider waits until it has seen it.
const SHOWN_DETACHED: Duration = Duration::from_secs(300);

/// The accounts that AWS shows for what a service, or a load balancer, has attached.
const SERVICE_ACCOUNT: &str = "amazon-aws";
const BALANCER_ACCOUNT: &str = "amazon-elb";

pub fn missing(ids: &[&str]) -> Refusal {
    missing_ids("InvalidNetworkInterfaceID.NotFound", "networkInterface", ids)
}

impl Interface {
    pub fn instance(&self) -> Option<&InstanceId> {
        match &self.attachment.as_ref()?.to {
            Holder::Instance(id) => Some(id),
            Holder::Service | Holder::LoadBalancer => None,
        }
    }

    pub fn is_of_service(&self) -> bool {
        self.attachment.as_ref().is_some_and(|attached| attached.to == Holder::Service) || self.is_of_balancer()
    }

    pub fn is_of_balancer(&self) -> bool {
        self.attachment.as_ref().is_some_and(|attached| attached.to == Holder::LoadBalancer)
    }

    /// The first interface of an instance, whose addresses and groups are the instance's.
    fn is_first_of(&self, instance: &InstanceId) -> bool {
        self.instance() == Some(instance) && self.attachment.as_ref().is_some_and(|attached| attached.index == 0)
    }
}

/// The first interface of an instance as its launch made it.
fn derived(instance: &Instance) -> Interface {
    Interface {
        subnet: instance.placement.subnet.clone(),
        vpc: VpcId(instance.placement.vpc.clone()),
        zone: instance.placement.zone.clone(),
        description: String::new(),
        kind: "interface".into(),
        mac_address: instance.mac_address.clone(),
        groups: instance.security_groups.clone(),
        source_dest_check: super::instance::source_dest_check(instance),
        addresses: instance.private_ip.iter().cloned().collect(),
        // The address follows from the interface, so that nothing has to be kept.
        ipv6: instance
            .placement
            .ipv6
            .iter()
            .map(|block| ipv6_in(block, Ids::new(0, &instance.eni_id).next_u64()))
            .collect(),
        attachment: Some(Attached {
            id: instance.eni_attachment_id.clone(),
            to: Holder::Instance(instance.id.clone()),
            index: 0,
            at: super::whole_second(instance.launched_at),
            delete_on_termination: true,
        }),
        parted: None,
    }
}

/// The first interface of an instance, wherever it is kept. What the instance itself has goes before what is kept.
fn first(region: &Region, instance: &Instance) -> Interface {
    let from_launch = derived(instance);
    match region.ec2.interfaces.get(&instance.eni_id) {
        Some(kept) => {
            Interface { groups: from_launch.groups, source_dest_check: from_launch.source_dest_check, ..kept.clone() }
        }
        None => from_launch,
    }
}

/// The interface of this id, wherever it is kept.
pub fn interface(region: &Region, id: &str) -> Result<Interface, Refusal> {
    let of_instance = live_instances(region).find(|instance| instance.eni_id == id);
    let found = of_instance.map(|instance| first(region, instance));
    found.or_else(|| region.ec2.interfaces.get(id).cloned()).ok_or_else(|| missing(&[id]))
}

/// Keeps the interface from now on, since it is to differ from what its instance was launched with.
pub fn keep_interface<'a>(region: &'a mut Region, id: &str) -> Result<&'a mut Interface, Refusal> {
    let kept = interface(region, id)?;
    Ok(region.ec2.interfaces.entry(id.to_string()).or_insert(kept))
}

fn live_instances(region: &Region) -> impl Iterator<Item = &Instance> {
    region.world.groups.instances().filter(|instance| instance.state != Ec2State::Terminated)
}

/// All interfaces of the region: an instance's first one goes when its instance has terminated.
pub fn interfaces(region: &Region) -> Vec<NetworkInterface> {
    let ec2 = &region.ec2;
    let firsts: BTreeSet<&str> = match ec2.interfaces.is_empty() {
        true => BTreeSet::new(),
        false => live_instances(region).map(|instance| instance.eni_id.as_str()).collect(),
    };
    let of_instances = live_instances(region).map(|instance| show(region, &instance.eni_id, &first(region, instance)));
    let others = ec2.interfaces.iter().filter(|(id, _)| !firsts.contains(id.as_str()));
    of_instances.chain(others.map(|(id, kept)| show(region, id, kept))).collect()
}

/// The interfaces of an instance, by device.
pub fn of_instance(region: &Region, instance: &Instance) -> Vec<NetworkInterface> {
    let others = region
        .ec2
        .interfaces
        .iter()
        .filter(|(id, kept)| **id != instance.eni_id && kept.instance() == Some(&instance.id));
    let mut all = vec![show(region, &instance.eni_id, &first(region, instance))];
    all.extend(others.map(|(id, kept)| show(region, id, kept)));
    all.sort_by_key(|shown| shown.attachment.as_ref().and_then(|attached| attached.device_index));
    all
}

/// `ip-10-0-0-4.ap-northeast-2.compute.internal`
pub fn private_dns_name(region: &Region, address: &str) -> String {
    let host = format!("ip-{}", address.replace('.', "-"));
    match region.world.place.region.as_str() {
        "us-east-1" => format!("{host}.ec2.internal"),
        region => format!("{host}.{region}.compute.internal"),
    }
}

/// `ec2-3-34-5-6.ap-northeast-2.compute.amazonaws.com`; none in a VPC without DNS hostnames.
pub fn public_dns_name(region: &Region, vpc: &str, address: &str) -> Option<String> {
    let vpc = region.ec2.vpc(vpc).ok()?;
    let host = format!("ec2-{}", address.replace('.', "-"));
    (vpc.dns_support && vpc.dns_hostnames).then(|| match region.world.place.region.as_str() {
        "us-east-1" => format!("{host}.compute-1.amazonaws.com"),
        region => format!("{host}.{region}.compute.amazonaws.com"),
    })
}

/// The public side of a private address: an Elastic IP address, or what AWS gave its instance.
fn association(region: &Region, id: &str, kept: &Interface, address: &str) -> Option<NetworkInterfaceAssociation> {
    let public_dns_name = |ip: &str| public_dns_name(region, kept.vpc.as_str(), ip);
    if let Some((allocation, elastic)) = region.ec2.address_of(id, address) {
        return Some(NetworkInterfaceAssociation {
            allocation_id: Some(allocation.to_string()),
            association_id: elastic.association.as_ref().map(|association| association.id.clone()),
            ip_owner_id: Some(region.world.place.account.clone()),
            public_dns_name: public_dns_name(&elastic.public_ip),
            public_ip: Some(elastic.public_ip.clone()),
            ..Default::default()
        });
    }
    let instance = kept.instance().filter(|owner| kept.is_first_of(owner))?;
    let instance = region.world.groups.instance(instance)?;
    let ip = instance.public_ip.as_ref().filter(|_| instance.private_ip.as_deref() == Some(address))?;
    Some(NetworkInterfaceAssociation {
        ip_owner_id: Some("amazon".into()),
        public_dns_name: public_dns_name(ip),
        public_ip: Some(ip.clone()),
        ..Default::default()
    })
}

pub fn show_attachment(region: &Region, attached: &Attached) -> NetworkInterfaceAttachment {
    let (instance, owner) = match &attached.to {
        Holder::Instance(id) => (Some(id.to_string()), region.world.place.account.clone()),
        Holder::Service => (None, SERVICE_ACCOUNT.to_string()),
        Holder::LoadBalancer => (None, BALANCER_ACCOUNT.to_string()),
    };
    NetworkInterfaceAttachment {
        attach_time: Some(attached.at),
        attachment_id: Some(attached.id.clone()),
        delete_on_termination: Some(attached.delete_on_termination),
        device_index: Some(attached.index),
        network_card_index: Some(0),
        instance_id: instance,
        instance_owner_id: Some(owner),
        status: Some("attached".into()),
        ..Default::default()
    }
}

pub fn show(region: &Region, id: &str, kept: &Interface) -> NetworkInterface {
    let place = &region.world.place;
    let addresses: Vec<NetworkInterfacePrivateIpAddress> = (0..)
        .zip(&kept.addresses)
        .map(|(index, address)| NetworkInterfacePrivateIpAddress {
            association: association(region, id, kept, address),
            primary: Some(index == 0),
            private_dns_name: Some(private_dns_name(region, address)),
            private_ip_address: Some(address.clone()),
        })
        .collect();
    let first = addresses.first().cloned().unwrap_or_default();
    let ipv6 = kept.ipv6.iter().map(|address| NetworkInterfaceIpv6Address {
        ipv6_address: Some(address.clone()),
        is_primary_ipv6: Some(false),
        ..Default::default()
    });
    NetworkInterface {
        association: first.association,
        attachment: kept.attachment.as_ref().map(|attached| show_attachment(region, attached)),
        availability_zone: Some(kept.zone.to_string()),
        availability_zone_id: zone_id(&place.region, &kept.zone),
        description: Some(kept.description.clone()),
        groups: Some(group_identifiers(region, &kept.groups)),
        interface_type: Some(kept.kind.clone()),
        ipv6_addresses: Some(ipv6.collect()),
        ipv6_address: kept.ipv6.first().cloned(),
        mac_address: Some(kept.mac_address.clone()),
        network_interface_id: Some(id.to_string()),
        owner_id: Some(place.account.clone()),
        private_dns_name: first.private_dns_name,
        private_ip_address: first.private_ip_address,
        private_ip_addresses: Some(addresses),
        requester_id: requester(kept),
        requester_managed: Some(kept.is_of_service()),
        source_dest_check: Some(kept.source_dest_check),
        status: Some(if kept.attachment.is_some() { "in-use" } else { "available" }.into()),
        subnet_id: Some(kept.subnet.to_string()),
        tag_set: region.ec2.tags.of(id),
        vpc_id: Some(kept.vpc.to_string()),
        ..Default::default()
    }
}

/// The account for which an interface is managed.
fn requester(kept: &Interface) -> Option<String> {
    let account = if kept.is_of_balancer() { BALANCER_ACCOUNT } else { SERVICE_ACCOUNT };
    kept.is_of_service().then(|| account.to_string())
}

impl Ec2 {
    /// Adds an interface and answers its id.
    pub fn keep_new_interface(&mut self, interface: Interface) -> String {
        let id = self.ids.ec2("eni");
        self.interfaces.insert(id.clone(), interface);
        id
    }

    pub fn forget_interface(&mut self, id: &str) {
        self.interfaces.remove(id);
        self.tags.forget(id);
        self.forget_token_of(id);
        self.end_associations_of(id);
    }

    /// Takes kept interfaces from instances that have terminated, and deletes those that go with them.
    pub fn part_interfaces(&mut self, groups: &mut Groups) {
        let gone = |id: &InstanceId| groups.instance(id).is_none_or(|instance| instance.state == Ec2State::Terminated);
        let parted: Vec<String> = self
            .interfaces
            .iter()
            .filter(|(_, kept)| kept.instance().is_some_and(gone))
            .map(|(id, _)| id.clone())
            .collect();
        for id in &parted {
            let Some(kept) = self.interfaces.get_mut(id) else { continue };
            if kept.attachment.take().is_some_and(|attached| attached.delete_on_termination) {
                self.forget_interface(id);
            }
        }
        self.part_addresses(groups);
        if !parted.is_empty() {
            self.tell_addresses(groups);
        }
    }

    /// Tells whoever launches instances which addresses are taken by interfaces that are not theirs.
    pub fn tell_addresses(&self, groups: &mut Groups) {
        groups.taken_addresses.clear();
        for kept in self.interfaces.values() {
            let taken = groups.taken_addresses.entry(kept.subnet.clone()).or_default();
            taken.extend(kept.addresses.iter().filter_map(|address| address.parse::<Ipv4Addr>().ok()));
        }
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

fn of_addresses(
    interface: &NetworkInterface,
    value: fn(&NetworkInterfaceAssociation) -> &Option<String>,
) -> Vec<String> {
    let addresses = interface.private_ip_addresses.iter().flatten();
    addresses.filter_map(|address| address.association.as_ref()).flat_map(|found| one(value(found))).collect()
}

const INTERFACES: Kind<NetworkInterface> = Kind {
    id: |interface| &interface.network_interface_id,
    id_parameter: "networkInterfaceIdSet",
    missing,
    tags: |interface| &interface.tag_set,
    filters: &[
        ("addresses.association.allocation-id", |i| of_addresses(i, |a| &a.allocation_id)),
        ("addresses.association.association-id", |i| of_addresses(i, |a| &a.association_id)),
        ("addresses.association.owner-id", |i| of_addresses(i, |a| &a.ip_owner_id)),
        ("addresses.association.public-ip", |i| of_addresses(i, |a| &a.public_ip)),
        ("addresses.primary", |i| each(&i.private_ip_addresses, |address| &address.primary)),
        ("addresses.private-ip-address", |i| each(&i.private_ip_addresses, |address| &address.private_ip_address)),
        ("association.allocation-id", |i| association!(i.allocation_id)),
        ("association.association-id", |i| association!(i.association_id)),
        ("association.ip-owner-id", |i| association!(i.ip_owner_id)),
        ("association.public-dns-name", |i| association!(i.public_dns_name)),
        ("association.public-ip", |i| association!(i.public_ip)),
        ("attachment.attach-time", |i| attachment!(i.attach_time)),
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
        ("ipv6-addresses.ipv6-address", |i| each(&i.ipv6_addresses, |address| &address.ipv6_address)),
        ("mac-address", |i| one(&i.mac_address)),
        ("network-interface-id", |i| one(&i.network_interface_id)),
        ("owner-id", |i| one(&i.owner_id)),
        ("private-dns-name", |i| one(&i.private_dns_name)),
        ("private-ip-address", |i| one(&i.private_ip_address)),
        ("requester-id", |i| one(&i.requester_id)),
        ("requester-managed", |i| one(&i.requester_managed)),
        ("source-dest-check", |i| one(&i.source_dest_check)),
        ("status", |i| one(&i.status)),
        ("subnet-id", |i| one(&i.subnet_id)),
        ("vpc-id", |i| one(&i.vpc_id)),
    ],
};

/// Gives an interface that is free the attachment that it had until lately.
fn show_parted(region: &Region, now: Timestamp, shown: &mut NetworkInterface) {
    let kept = shown.network_interface_id.as_ref().and_then(|id| region.ec2.interfaces.get(id));
    let Some((attached, at)) = kept.and_then(|kept| kept.parted.as_ref()) else { return };
    if shown.attachment.is_none() && now.since(*at) < SHOWN_DETACHED {
        let status = Some("detached".into());
        shown.attachment = Some(NetworkInterfaceAttachment { status, ..show_attachment(region, attached) });
    }
}

fn describe(
    region: &mut Region,
    call: &Call,
    input: DescribeNetworkInterfacesInput,
) -> Result<DescribeNetworkInterfacesOutput, Refusal> {
    let mut all = interfaces(region);
    let filters = input.filters.iter().flatten();
    if filters.clone().any(|filter| filter.name.as_deref() == Some("attachment.attachment-id")) {
        all.iter_mut().for_each(|shown| show_parted(region, call.now, shown));
    }
    let page = INTERFACES.select(all, ask!(input.network_interface_ids))?;
    let (network_interfaces, next_token) = page.set();
    Ok(DescribeNetworkInterfacesOutput { network_interfaces, next_token })
}

pub fn register(operations: &mut Operations) {
    operation!(operations, describe, DescribeNetworkInterfacesInput "DescribeNetworkInterfaces":
        "Lists network interfaces, also those of instances and of other services.",
        takes NetworkInterfaceIds Filters MaxResults NextToken
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::groups::Timing;
    use crate::sandbox::services::ec2::testing::{launched, region, terminate};
    use crate::sandbox::universe::Universe;

    #[test]
    fn a_first_interface_follows_its_instance_until_it_is_kept() {
        let mut region = region();
        let id = launched(&mut region, json!({}));
        let eni = region.world.groups.instance(&id).unwrap().eni_id.clone();
        keep_interface(&mut region, &eni).unwrap().description = "kept".into();
        let groups = vec!["sg-1".to_string()];
        region.world.groups.instance_mut(&id).unwrap().security_groups.clone_from(&groups);
        let now = interface(&region, &eni).unwrap();
        assert_eq!((now.description.as_str(), now.groups), ("kept", groups));
        terminate(&mut region, &id);
        assert_eq!(interface(&region, &eni).unwrap_err().code, "InvalidNetworkInterfaceID.NotFound");
    }

    #[test]
    fn an_interface_that_stays_keeps_its_address_from_later_launches() {
        let mut region = region();
        let id = launched(&mut region, json!({}));
        let (eni, subnet) = {
            let instance = region.world.groups.instance(&id).unwrap();
            (instance.eni_id.clone(), instance.placement.subnet.clone())
        };
        let kept = keep_interface(&mut region, &eni).unwrap();
        kept.attachment.as_mut().unwrap().delete_on_termination = false;
        let address: Ipv4Addr = kept.addresses[0].parse().unwrap();
        terminate(&mut region, &id);
        assert_eq!(interface(&region, &eni).unwrap().attachment, None);
        assert!(region.world.groups.taken_addresses[&subnet].contains(&address));
    }

    /// Terraform's provider asks for an attachment by its id until it is `detached`.
    #[test]
    fn an_attachment_that_ended_is_found_by_its_id_for_a_while() {
        let mut universe = Universe::new("123456789012", 1, Timing::Instant);
        let mut call = |secs: i64, operation: &str, input: serde_json::Value| {
            let now = Timestamp::from_secs(1_800_000_000 + secs);
            universe
                .call(now, "eu-west-1", "ec2", operation, input)
                .unwrap_or_else(|why| panic!("{operation}: {why:?}"))
        };
        let one = json!({"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1});
        let instance = call(0, "RunInstances", one)["Instances"][0].clone();
        let made = call(0, "CreateNetworkInterface", json!({"SubnetId": instance["SubnetId"]}));
        let eni = made["NetworkInterface"]["NetworkInterfaceId"].clone();
        let wish = json!({"NetworkInterfaceId": eni, "InstanceId": instance["InstanceId"], "DeviceIndex": 1});
        let id = call(0, "AttachNetworkInterface", wish)["AttachmentId"].clone();
        call(0, "DetachNetworkInterface", json!({"AttachmentId": id}));
        let by_id = json!({"Filters": [{"Name": "attachment.attachment-id", "Values": [id]}]});
        let found = call(1, "DescribeNetworkInterfaces", by_id.clone())["NetworkInterfaces"][0].clone();
        assert_eq!((&found["NetworkInterfaceId"], &found["Attachment"]["Status"]), (&eni, &json!("detached")));
        let plain = call(1, "DescribeNetworkInterfaces", json!({"NetworkInterfaceIds": [eni]}));
        assert_eq!(plain["NetworkInterfaces"][0]["Attachment"], serde_json::Value::Null);
        assert_eq!(call(300, "DescribeNetworkInterfaces", by_id)["NetworkInterfaces"], json!([]));
    }
}
