//! The network interfaces that load balancers have in their subnets, and keep subnets and security groups in use by.
//! Start at [`Region::keep_balancer_interfaces`].

use super::Ec2;
use super::interface_calls::{Wish, new_interface};
use super::network_interface::{Attached, Holder, Interface};
use crate::clock::Timestamp;
use crate::engine::load_balancers::{Balancer, BalancerKind};
use crate::engine::names::SubnetId;
use crate::sandbox::region::Region;

impl Ec2 {
    /// Whether a VPC has a way to the internet.
    pub fn has_internet_gateway(&self, vpc: &str) -> bool {
        self.internet_gateways.values().any(|gateway| gateway.vpc.as_ref().is_some_and(|id| id.as_str() == vpc))
    }
}

/// What AWS writes on the interfaces of a load balancer.
fn description(balancer: &Balancer) -> String {
    format!("ELB {}", balancer.full_name())
}

impl Region {
    /// Makes the interfaces of load balancers what they should be: one in each subnet, with the load balancer's groups.
    pub fn keep_balancer_interfaces(&mut self, now: Timestamp) {
        let balancers: Vec<Balancer> = self.world.load_balancers.balancers().cloned().collect();
        let stands = |balancer: &Balancer, kept: &Interface| {
            description(balancer) == kept.description && balancer.zones.iter().any(|zone| zone.subnet == kept.subnet)
        };
        let of_balancers = self.ec2.interfaces.iter().filter(|(_, kept)| kept.is_of_balancer());
        let gone = of_balancers.filter(|(_, kept)| !balancers.iter().any(|balancer| stands(balancer, kept)));
        for id in gone.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.ec2.forget_interface(&id);
        }
        for balancer in &balancers {
            for zone in &balancer.zones {
                self.keep_balancer_interface(now, balancer, &zone.subnet);
            }
        }
        self.ec2.tell_addresses(&mut self.world.groups);
    }

    fn keep_balancer_interface(&mut self, now: Timestamp, balancer: &Balancer, subnet: &SubnetId) {
        let description = description(balancer);
        let mut kept = self.ec2.interfaces.values_mut();
        if let Some(kept) = kept.find(|kept| kept.description == description && kept.subnet == *subnet) {
            kept.groups.clone_from(&balancer.security_groups);
            return;
        }
        let wish = Wish { subnet: subnet.to_string(), description, ..Wish::default() };
        // A subnet without a free address has a node without an interface.
        let Ok(mut interface) = new_interface(self, wish) else { return };
        interface.kind = match balancer.kind {
            BalancerKind::Application => "interface".into(),
            BalancerKind::Network => "network_load_balancer".into(),
        };
        interface.groups.clone_from(&balancer.security_groups);
        interface.attachment = Some(Attached {
            id: self.ec2.ids.ec2("ela-attach"),
            to: Holder::LoadBalancer,
            index: 1,
            at: super::whole_second(now),
            delete_on_termination: false,
        });
        self.ec2.keep_new_interface(interface);
    }
}
