//! What EC2 has, told to whoever launches instances for groups. Start at [`Ec2::tell_inventory`].

use super::Ec2;
use super::image_catalogue::{PublicImage, public_images};
use super::instance_type::{InstanceType, names_not_offered_in, offered};
use super::zone::{ZoneFacts, zones};
use crate::engine::groups::{Groups, ImageFacts, Inventory, MachineFacts};
use crate::engine::names::Zone;

impl Ec2 {
    /// To be called after everything that changes what launches may name.
    pub fn tell_inventory(&self, groups: &mut Groups) {
        let inventory = groups.inventory.get_or_insert_with(|| self.zones_alone());
        inventory.key_pairs = self.key_pairs.keys().cloned().collect();
        inventory.security_groups = self.security_groups.keys().map(ToString::to_string).collect();
        inventory.images_gone.clone_from(&self.deregistered_images);
        let clusters = self.placement_groups.iter().filter(|(_, group)| group.strategy == "cluster");
        inventory.clusters = clusters.map(|(name, _)| name.clone()).collect();
        let own = self.images.iter().map(|(id, image)| {
            let facts = ImageFacts { architecture: image.architecture.clone(), ena: image.ena_support };
            (id.clone(), facts)
        });
        inventory.images.extend(own);
    }

    fn zones_alone(&self) -> Inventory {
        let region = &self.place.region;
        let lacking = |zone: ZoneFacts| {
            let names = names_not_offered_in(region, &zone).collect();
            (Zone(zone.name), names)
        };
        let machine = |kind: InstanceType| {
            let facts = MachineFacts {
                architectures: kind.architectures().iter().map(ToString::to_string).collect(),
                needs_ena: kind.needs_ena(),
                clusters: !kind.is_burstable(),
            };
            (kind.name, facts)
        };
        let image = |image: PublicImage| {
            let facts = ImageFacts { architecture: image.architecture.ec2().into(), ena: image.line.has_ena() };
            (image.id, facts)
        };
        Inventory {
            zones: zones(region).into_iter().map(lacking).collect(),
            types: offered(region).into_iter().map(machine).collect(),
            images: public_images(region).into_iter().map(image).collect(),
            ..Inventory::default()
        }
    }
}
