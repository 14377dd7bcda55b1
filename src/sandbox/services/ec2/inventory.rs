//! What EC2 has, told to whoever launches instances for groups. Start at [`Ec2::tell_inventory`].

use super::Ec2;
use super::instance_type::names_not_offered_in;
use super::zone::{ZoneFacts, zones};
use crate::engine::groups::{Groups, Inventory};
use crate::engine::names::Zone;

impl Ec2 {
    /// To be called after everything that changes what launches may name.
    pub fn tell_inventory(&self, groups: &mut Groups) {
        let inventory = groups.inventory.get_or_insert_with(|| self.zones_alone());
        inventory.key_pairs = self.key_pairs.keys().cloned().collect();
        inventory.security_groups = self.security_groups.keys().map(ToString::to_string).collect();
        inventory.images_gone.clone_from(&self.deregistered_images);
    }

    fn zones_alone(&self) -> Inventory {
        let region = &self.place.region;
        let lacking = |zone: ZoneFacts| {
            let names = names_not_offered_in(region, &zone).collect();
            (Zone(zone.name), names)
        };
        Inventory { zones: zones(region).into_iter().map(lacking).collect(), ..Inventory::default() }
    }
}
