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
    /// What machines of each type need; nothing is known of others.
    #[serde(default)]
    pub types: BTreeMap<String, MachineFacts>,
    #[serde(default)]
    pub images: BTreeMap<String, ImageFacts>,
    /// Placement groups whose machines stand close together.
    #[serde(default)]
    pub clusters: BTreeSet<String>,
}

/// What a machine of some type can run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFacts {
    pub architectures: Vec<String>,
    /// Whether its image must have drivers for the Elastic Network Adapter.
    pub needs_ena: bool,
    /// Whether it may stand in a cluster.
    pub clusters: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    pub architecture: String,
    pub ena: bool,
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

    /// Whether a machine of this type runs the image and may stand where it is to.
    ///
    /// # Errors
    /// EC2's, in its words as HashiCorp's tests of their AWS provider expect them of failed launches.
    pub fn check_machine(&self, arguments: &LaunchArguments, instance_type: &str) -> Result<(), Refusal> {
        let Some(machine) = self.types.get(instance_type) else { return Ok(()) };
        let unsupported = |code: &str, text: String| Err(Refusal::new(code, 400, text));
        let clustered = arguments.placement_group.as_ref().is_some_and(|name| self.clusters.contains(name));
        if clustered && !machine.clusters {
            let text = format!(
                "Cluster placement groups are not supported by the '{instance_type}' instance type. Specify a supported \
                 instance type or change the placement group strategy, and try your request again."
            );
            return unsupported("InvalidParameterCombination", text);
        }
        let Some(image) = arguments.image_id.as_ref().and_then(|id| self.images.get(id)) else { return Ok(()) };
        if !machine.architectures.contains(&image.architecture) {
            let (of_type, of_image) = (machine.architectures.join(", "), &image.architecture);
            let text = format!(
                "The architecture '{of_type}' of the specified instance type does not match the architecture \
                 '{of_image}' of the specified AMI. Specify an instance type and an AMI that have matching \
                 architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover \
                 the architecture of the instance type or AMI."
            );
            return unsupported("InvalidParameterValue", text);
        }
        match machine.needs_ena && !image.ena {
            false => Ok(()),
            true => unsupported(
                "InvalidParameterCombination",
                format!(
                    "Enhanced networking with the Elastic Network Adapter (ENA) is required for the '{instance_type}' \
                 instance type. Ensure that you are using an AMI that is enabled for ENA."
                ),
            ),
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
        let found = inventory
            .check(arguments)
            .and_then(|()| inventory.check_zone(kind, zone))
            .and_then(|()| inventory.check_machine(arguments, kind));
        found.map_err(|refusal| {
            let text = refusal.message.trim_end_matches('.');
            Refusal { message: format!("{text}. Launching EC2 instance failed."), ..refusal }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        let machine = |architecture: &str, needs_ena, clusters| MachineFacts {
            architectures: vec![architecture.into()],
            needs_ena,
            clusters,
        };
        let image = |architecture: &str, ena| ImageFacts { architecture: architecture.into(), ena };
        Inventory {
            types: BTreeMap::from([
                ("t2.micro".into(), machine("x86_64", false, false)),
                ("t3.micro".into(), machine("x86_64", true, false)),
                ("t4g.micro".into(), machine("arm64", true, false)),
                ("m5.large".into(), machine("x86_64", true, true)),
            ]),
            images: BTreeMap::from([
                ("ami-old".into(), image("x86_64", false)),
                ("ami-new".into(), image("x86_64", true)),
            ]),
            clusters: BTreeSet::from(["near".to_string()]),
            ..Inventory::default()
        }
    }

    /// Source: TestAccAutoScalingGroup_withError… of HashiCorp's AWS provider.
    #[test]
    fn a_machine_that_cannot_run_the_image_or_stand_in_the_cluster_is_refused() {
        let check = |kind: &str, image: &str, group: Option<&str>, words: &str| {
            let arguments = LaunchArguments {
                image_id: Some(image.into()),
                placement_group: group.map(Into::into),
                ..LaunchArguments::default()
            };
            let text = inventory().check_machine(&arguments, kind).err().map_or(String::new(), |it| it.message);
            assert!(text.starts_with(words) && text.is_empty() == words.is_empty(), "{kind} {image}: {text}");
        };
        check("t2.micro", "ami-old", None, "");
        check("t3.micro", "ami-new", None, "");
        check("m5.large", "ami-new", Some("near"), "");
        check("t2.micro", "ami-old", Some("apart"), "");
        check("x9.unknown", "ami-old", Some("near"), "");
        check("t3.micro", "ami-unknown", None, "");
        check(
            "t3.micro",
            "ami-old",
            None,
            "Enhanced networking with the Elastic Network Adapter (ENA) is required for the 't3.micro'",
        );
        check(
            "t4g.micro",
            "ami-old",
            None,
            "The architecture 'arm64' of the specified instance type does not match the architecture 'x86_64'",
        );
        check(
            "t2.micro",
            "ami-old",
            Some("near"),
            "Cluster placement groups are not supported by the 't2.micro' instance type.",
        );
    }
}
