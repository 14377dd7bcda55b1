//! What an account has that launches name and that the engine does not keep: key pairs, security groups, images, and the
//! instance types of each zone. Start at [`Inventory`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Groups;
use super::group::LaunchSource;
use super::launch::bad_template;
use super::launch_template::LaunchArguments;
use crate::engine::Refusal;
use crate::engine::names::Zone;

/// As its keeper told it last. Where nobody tells, as in a simulation, everything that launches name is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    pub key_pairs: BTreeSet<String>,
    pub security_groups: BTreeSet<String>,
    /// Images that were there and are deregistered.
    pub images_gone: BTreeSet<String>,
    /// The region's zones, each with the instance types that it does not have.
    pub zones: BTreeMap<Zone, BTreeSet<String>>,
}

impl Inventory {
    /// Security groups count only by their ids.
    ///
    /// # Errors
    /// EC2's refusal of the first thing that is named and not there.
    pub fn check(&self, arguments: &LaunchArguments) -> Result<(), Refusal> {
        let gone = arguments.image_id.as_ref().filter(|id| self.images_gone.contains(*id));
        if let Some(id) = gone {
            return Err(Refusal::new("InvalidAMIID.NotFound", 400, format!("The image id '[{id}]' does not exist")));
        }
        let key = arguments.key_name.as_ref().filter(|name| !self.key_pairs.contains(*name));
        if let Some(name) = key {
            return Err(Refusal::new("InvalidKeyPair.NotFound", 400, format!("The key pair '{name}' does not exist")));
        }
        let mut groups = arguments.security_groups.iter().filter(|id| id.starts_with("sg-"));
        match groups.find(|id| !self.security_groups.contains(*id)) {
            None => Ok(()),
            Some(id) => {
                Err(Refusal::new("InvalidGroup.NotFound", 400, format!("The security group '{id}' does not exist")))
            }
        }
    }

    /// # Errors
    /// EC2's `Unsupported` for a zone that has no machines of this type.
    pub fn check_zone(&self, instance_type: &str, zone: &Zone) -> Result<(), Refusal> {
        let lacks = |types: &BTreeSet<String>| types.contains(instance_type);
        if !self.zones.get(zone).is_some_and(lacks) {
            return Ok(());
        }
        let others: Vec<&str> =
            self.zones.iter().filter(|(_, types)| !lacks(types)).map(|(zone, _)| zone.as_str()).collect();
        let text = format!(
            "Your requested instance type ({instance_type}) is not supported in your requested Availability Zone ({zone}). \
             Please retry your request by not specifying an Availability Zone or choosing {}.",
            others.join(", ")
        );
        Err(Refusal::new("Unsupported", 400, text))
    }
}

impl Groups {
    /// Whether all is there that a source names, as AWS asks when somebody gives it to a group.
    ///
    /// # Errors
    /// `ValidationError` with EC2's reason.
    pub(super) fn check_inventory(&self, source: &LaunchSource) -> Result<(), Refusal> {
        let Some(inventory) = &self.inventory else { return Ok(()) };
        for offer in self.resolve_source(source)? {
            inventory.check(&LaunchArguments::read(&offer.data)).map_err(|refusal| match source {
                LaunchSource::Configuration { .. } => Refusal::validation(refusal.message),
                LaunchSource::Template(_) | LaunchSource::Mixed(_) => bad_template(&refusal.message),
            })?;
        }
        Ok(())
    }

    /// The same when EC2 is asked to launch.
    ///
    /// # Errors
    /// EC2's, in the words of an activity that failed. Source: User Guide, "Troubleshoot Amazon EC2 Auto Scaling: EC2
    /// instance launch failures".
    pub(super) fn check_there(&self, arguments: &LaunchArguments, kind: &str, zone: &Zone) -> Result<(), Refusal> {
        let Some(inventory) = &self.inventory else { return Ok(()) };
        let found = inventory.check(arguments).and_then(|()| inventory.check_zone(kind, zone));
        found.map_err(|refusal| {
            let text = refusal.message.trim_end_matches('.');
            Refusal { message: format!("{text}. Launching EC2 instance failed."), ..refusal }
        })
    }
}
