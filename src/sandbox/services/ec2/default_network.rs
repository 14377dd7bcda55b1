//! The network that AWS lays in every region of a new account.
//! Source: Amazon VPC User Guide, "Default VPCs": 172.31.0.0/16, a /20 subnet with public addresses in each zone, an
//! internet gateway, and a main route table that sends everything else to it.

use super::Ec2;
use super::cidr::Cidr;
use super::route::{Origin, Route, Target};
use super::zone::zones;
use crate::engine::names::{VpcId, Zone};

const SUBNET_PREFIX: u8 = 20;

impl Ec2 {
    /// Lays the default network and answers its VPC.
    pub fn create_default_network(&mut self) -> VpcId {
        let cidr = Cidr::parse("172.31.0.0/16").expect("a literal; this is a bug in scaleproof");
        let vpc = self.create_vpc(cidr, "default", true);
        for (index, zone) in (0..).zip(zones(&self.place.region)) {
            if let Some(block) = cidr.subnet(SUBNET_PREFIX, index) {
                self.create_default_subnet(&vpc, &Zone(zone.name), block);
            }
        }
        let gateway = self.create_internet_gateway();
        if let Some(gateway) = self.internet_gateways.get_mut(&gateway) {
            gateway.vpc = Some(vpc.clone());
        }
        if let Some(main) = self.main_route_table_mut(&vpc) {
            main.routes.push(Route {
                destination: "0.0.0.0/0".into(),
                target: Target::InternetGateway(gateway),
                origin: Origin::CreateRoute,
            });
        }
        vpc
    }

    pub fn create_default_subnet(&mut self, vpc: &VpcId, zone: &Zone, block: Cidr) -> crate::engine::names::SubnetId {
        let id = self.create_subnet(vpc, zone, block);
        if let Some(subnet) = self.subnets.get_mut(&id) {
            subnet.default_for_az = true;
            subnet.map_public_ip_on_launch = true;
        }
        id
    }
}
