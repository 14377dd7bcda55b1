//! EC2: networks, security groups, launch templates, images, key pairs and zones, and a view of the engine's instances.
//!
//! Start at [`Ec2`], the state. Each kind of resource has a file with its store type, its rules and the handlers of its
//! operations; `select.rs` is the part that all Describe calls share, `tag.rs` knows where the tags of what are kept.
//! Launch templates and instances are the engine's ([`crate::engine::groups`]), since groups launch from them; the
//! files here only speak EC2 for them.
//!
//! Left out on purpose, and refused: transit gateways, virtual private networks, spot requests, dedicated hosts, capacity
//! reservations, address pools.

mod account;
mod address;
mod balancer_interface;
mod cidr;
mod cidr_reservation;
mod console;
mod create_key;
mod default_network;
mod dhcp_options;
mod ebs;
mod egress_only_gateway;
mod endpoint;
mod endpoint_service;
mod error;
mod gateway;
mod image;
mod image_attribute;
pub mod image_catalogue;
mod instance;
mod instance_attribute;
mod instance_families;
mod instance_profile;
mod instance_state;
mod instance_status;
mod instance_type;
mod interface_address;
mod interface_calls;
mod inventory;
mod key_pair;
mod launch_cards;
pub mod launch_data;
mod launch_template;
mod nat_gateway;
mod network_acl;
mod network_interface;
mod own_image;
mod peering;
mod placement_group;
mod prefix_list;
mod register;
pub mod requirements;
mod route;
mod route_table;
mod rule;
mod rule_calls;
mod run_instances;
mod security_group;
mod select;
mod snapshot;
mod snapshot_attribute;
mod subnet;
mod tag;
#[cfg(test)]
mod testing;
mod token;
mod volume;
mod volume_attachment;
mod volume_change;
mod volume_type;
mod vpc;
mod vpc_cidr;
mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::engine::groups::{Groups, Placement};
use crate::engine::ids::Ids;
use crate::engine::names::{
    InstanceId, InternetGatewayId, NetworkAclId, Place, RouteTableId, SecurityGroupId, SubnetId, VpcId, Zone,
};
use crate::sandbox::operations::Operations;
use address::ElasticIp;
pub use cidr::Cidr;
use cidr_reservation::Reservation;
use dhcp_options::DhcpSet;
use egress_only_gateway::EgressOnlyGateway;
use endpoint::Endpoint;
use gateway::InternetGateway;
use instance_profile::ProfileAssociation;
pub use instance_type::is_offered;
use key_pair::KeyPair;
use nat_gateway::NatGateway;
use network_acl::NetworkAcl;
use network_interface::Interface;
use own_image::OwnImage;
use peering::Peering;
use placement_group::PlacementGroup;
use prefix_list::OwnPrefixList;
use route_table::RouteTable;
use security_group::SecurityGroup;
use snapshot::Snapshot;
use subnet::Subnet;
use tag::TagStore;
use token::Tokens;
use volume::Volume;
use vpc::Vpc;
pub use zone::zones;

/// What EC2 keeps of one account in one region. A new one holds the default network; once everything else is deleted
/// it equals a new one but for `ids`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ec2 {
    place: Place,
    /// The set of DHCP options that a new VPC uses.
    dhcp_options_id: String,
    dhcp_options: BTreeMap<String, DhcpSet>,
    /// By allocation id.
    addresses: BTreeMap<String, ElasticIp>,
    vpcs: BTreeMap<VpcId, Vpc>,
    subnets: BTreeMap<SubnetId, Subnet>,
    internet_gateways: BTreeMap<InternetGatewayId, InternetGateway>,
    route_tables: BTreeMap<RouteTableId, RouteTable>,
    security_groups: BTreeMap<SecurityGroupId, SecurityGroup>,
    network_acls: BTreeMap<NetworkAclId, NetworkAcl>,
    nat_gateways: BTreeMap<String, NatGateway>,
    egress_only_gateways: BTreeMap<String, EgressOnlyGateway>,
    peerings: BTreeMap<String, Peering>,
    endpoints: BTreeMap<String, Endpoint>,
    prefix_lists: BTreeMap<String, OwnPrefixList>,
    cidr_reservations: BTreeMap<String, Reservation>,
    /// By name.
    placement_groups: BTreeMap<String, PlacementGroup>,
    /// Those that are not as a launch made them.
    interfaces: BTreeMap<String, Interface>,
    /// Those that do not follow from what launched an instance.
    volumes: BTreeMap<String, Volume>,
    /// The volumes, by device, of the instances whose volumes are kept here.
    disks: BTreeMap<InstanceId, BTreeMap<String, String>>,
    /// The ids of instance profile associations that were made after the launch.
    #[serde(default)]
    profile_associations: BTreeMap<InstanceId, ProfileAssociation>,
    encrypts_by_default: bool,
    snapshots: BTreeMap<String, Snapshot>,
    images: BTreeMap<String, OwnImage>,
    /// The ids of images that there were: AWS remembers them too.
    deregistered_images: BTreeSet<String>,
    /// By name.
    key_pairs: BTreeMap<String, KeyPair>,
    tags: TagStore,
    tokens: Tokens,
    pub ids: Ids,
}

impl Ec2 {
    pub fn new(place: &Place, seed: u64) -> Self {
        let stream = |purpose: &str| Ids::new(seed, &format!("ec2 {purpose} {} {}", place.account, place.region));
        // The default network draws from a stream of its own, so that what is made later does not depend on it.
        let mut ids = stream("default network");
        let dhcp_options_id = ids.ec2("dopt");
        let mut ec2 = Self {
            place: place.clone(),
            dhcp_options: BTreeMap::from([(dhcp_options_id.clone(), DhcpSet::of_new_account(&place.region))]),
            dhcp_options_id,
            addresses: BTreeMap::new(),
            vpcs: BTreeMap::new(),
            subnets: BTreeMap::new(),
            internet_gateways: BTreeMap::new(),
            route_tables: BTreeMap::new(),
            security_groups: BTreeMap::new(),
            network_acls: BTreeMap::new(),
            nat_gateways: BTreeMap::new(),
            egress_only_gateways: BTreeMap::new(),
            peerings: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            prefix_lists: BTreeMap::new(),
            cidr_reservations: BTreeMap::new(),
            placement_groups: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            volumes: BTreeMap::new(),
            disks: BTreeMap::new(),
            profile_associations: BTreeMap::new(),
            encrypts_by_default: false,
            snapshots: BTreeMap::new(),
            images: BTreeMap::new(),
            deregistered_images: BTreeSet::new(),
            key_pairs: BTreeMap::new(),
            tags: TagStore::default(),
            tokens: Tokens::default(),
            ids,
        };
        ec2.create_default_network();
        ec2.ids = stream("resources");
        ec2
    }

    /// How many resources of each kind there are besides those of `fresh`, which holds the default network.
    pub fn made_since(&self, fresh: &Ec2) -> Vec<(&'static str, usize)> {
        fn more<K: Ord, V>(now: &BTreeMap<K, V>, fresh: &BTreeMap<K, V>) -> usize {
            now.keys().filter(|id| !fresh.contains_key(id)).count()
        }
        vec![
            ("VPC", more(&self.vpcs, &fresh.vpcs)),
            ("subnet", more(&self.subnets, &fresh.subnets)),
            ("internet gateway", more(&self.internet_gateways, &fresh.internet_gateways)),
            ("route table", more(&self.route_tables, &fresh.route_tables)),
            ("security group", more(&self.security_groups, &fresh.security_groups)),
            ("network ACL", more(&self.network_acls, &fresh.network_acls)),
            ("set of DHCP options", more(&self.dhcp_options, &fresh.dhcp_options)),
            ("Elastic IP address", more(&self.addresses, &fresh.addresses)),
            // What is gone and still shown does not remain.
            ("NAT gateway", self.nat_gateways.values().filter(|gateway| gateway.works()).count()),
            ("peering connection", self.peerings.values().filter(|peering| peering.is_open()).count()),
            ("egress-only internet gateway", more(&self.egress_only_gateways, &fresh.egress_only_gateways)),
            ("VPC endpoint", more(&self.endpoints, &fresh.endpoints)),
            ("prefix list", more(&self.prefix_lists, &fresh.prefix_lists)),
            ("placement group", more(&self.placement_groups, &fresh.placement_groups)),
            ("network interface", more(&self.interfaces, &fresh.interfaces)),
            ("volume", more(&self.volumes, &fresh.volumes)),
            ("snapshot", more(&self.snapshots, &fresh.snapshots)),
            ("image", more(&self.images, &fresh.images)),
            ("key pair", more(&self.key_pairs, &fresh.key_pairs)),
        ]
    }

    /// Parts what instances had from those that have terminated: what goes with them is deleted.
    pub fn part_with_terminated(&mut self, groups: &mut Groups) {
        self.part_volumes(groups);
        self.part_interfaces(groups);
        self.part_profiles(groups);
    }

    /// A subnet as whoever launches instances needs to know it.
    pub fn placement(&self, id: &SubnetId) -> Option<Placement> {
        let subnet = self.subnets.get(id)?;
        Some(Placement {
            subnet: id.clone(),
            zone: subnet.zone.clone(),
            cidr: subnet.cidr.to_string(),
            vpc: subnet.vpc.0.clone(),
            public_ip: subnet.map_public_ip_on_launch,
            ipv6: subnet.ipv6.as_ref().filter(|_| subnet.assign_ipv6).map(|own| own.block.clone()),
        })
    }

    /// The zone of the subnet of a VPC that an address lies in.
    pub fn zone_of_address(&self, vpc: &str, address: Ipv4Addr) -> Option<Zone> {
        let mut subnets = self.subnets.values().filter(|subnet| subnet.vpc.as_str() == vpc);
        let alone = Cidr::parse(&format!("{address}/32"))?;
        subnets.find(|subnet| subnet.cidr.contains(alone)).map(|subnet| subnet.zone.clone())
    }

    pub fn subnet_zone(&self, id: &SubnetId) -> Option<Zone> {
        self.subnets.get(id).map(|subnet| subnet.zone.clone())
    }

    pub fn subnet_cidr(&self, id: &SubnetId) -> Option<Cidr> {
        self.subnets.get(id).map(|subnet| subnet.cidr)
    }

    /// The default subnet of a zone, where a group without subnets launches.
    pub fn default_subnet(&self, zone: &Zone) -> Option<SubnetId> {
        let found = self.subnets.iter().find(|(_, subnet)| subnet.default_for_az && subnet.zone == *zone);
        found.map(|(id, _)| id.clone())
    }

    pub fn has_security_group(&self, id: &str) -> bool {
        self.security_groups.contains_key(id)
    }

    pub fn has_key_pair(&self, name: &str) -> bool {
        self.key_pairs.contains_key(name)
    }
}

/// EBS and interfaces tell times in whole seconds, as AWS's examples show them.
fn whole_second(at: Timestamp) -> Timestamp {
    at.floor_to(Duration::from_secs(1))
}

/// The operations of EC2 that the sandbox answers.
pub fn operations() -> Operations {
    let mut operations = Operations::default();
    account::register(&mut operations);
    address::register(&mut operations);
    vpc::register(&mut operations);
    vpc_cidr::register(&mut operations);
    subnet::register(&mut operations);
    gateway::register(&mut operations);
    route_table::register(&mut operations);
    route::register(&mut operations);
    security_group::register(&mut operations);
    rule_calls::register(&mut operations);
    network_acl::register(&mut operations);
    dhcp_options::register(&mut operations);
    prefix_list::register(&mut operations);
    key_pair::register(&mut operations);
    image::register(&mut operations);
    image_attribute::register(&mut operations);
    own_image::register(&mut operations);
    launch_template::register(&mut operations);
    instance::register(&mut operations);
    instance_attribute::register(&mut operations);
    instance_profile::register(&mut operations);
    instance_state::register(&mut operations);
    run_instances::register(&mut operations);
    instance_status::register(&mut operations);
    instance_type::register(&mut operations);
    nat_gateway::register(&mut operations);
    egress_only_gateway::register(&mut operations);
    peering::register(&mut operations);
    endpoint::register(&mut operations);
    endpoint_service::register(&mut operations);
    cidr_reservation::register(&mut operations);
    placement_group::register(&mut operations);
    console::register(&mut operations);
    network_interface::register(&mut operations);
    interface_calls::register(&mut operations);
    interface_address::register(&mut operations);
    volume::register(&mut operations);
    volume_attachment::register(&mut operations);
    volume_change::register(&mut operations);
    snapshot::register(&mut operations);
    snapshot_attribute::register(&mut operations);
    ebs::register(&mut operations);
    tag::register(&mut operations);
    zone::register(&mut operations);
    operations
}
