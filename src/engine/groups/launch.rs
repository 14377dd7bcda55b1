//! From launch arguments to an instance: resolving a group's template or configuration, addresses, tags.
//! Start at [`Groups::launch_instance`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Groups;
use super::activity::Way;
use super::address::{free_address, mac_address, public_address};
use super::agenda::Due;
use super::group::{LaunchSource, TemplateSpecification};
use super::instance::{Ec2State, Health, Instance, LaunchedFrom, LifecycleState, Membership, Placement};
use super::launch_template::{LaunchArguments, LaunchTemplate, TemplateRef};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::names::{GroupName, InstanceId};

const BAD_TEMPLATE: &str = "You must use a valid fully-formed launch template.";

impl Groups {
    /// Turns what a caller wrote about a launch template into a source, and checks that it can launch something.
    ///
    /// # Errors
    /// `ValidationError` with EC2's reason.
    pub fn launch_source_of_template(
        &self,
        id: Option<&str>,
        name: Option<&str>,
        version: Option<&str>,
    ) -> Result<LaunchSource, Refusal> {
        self.template_specification(id, name, version).map(LaunchSource::Template)
    }

    /// The same for one of several templates that a group launches from.
    ///
    /// # Errors
    /// `ValidationError` with EC2's reason.
    pub fn template_specification(
        &self,
        id: Option<&str>,
        name: Option<&str>,
        version: Option<&str>,
    ) -> Result<TemplateSpecification, Refusal> {
        let wanted = match (id, name) {
            (Some(id), None) => TemplateRef::Id(id),
            (None, Some(name)) => TemplateRef::Name(name),
            (Some(_), Some(_)) | (None, None) => {
                let text = "Valid requests must contain either launchTemplateId or LaunchTemplateName";
                return Err(Refusal::validation(text));
            }
        };
        let template = self.launch_templates.get(wanted).map_err(|refusal| bad_template(&refusal.message))?;
        let specification = TemplateSpecification {
            id: template.id.clone(),
            name: template.name.clone(),
            version: version.unwrap_or_default().to_string(),
        };
        self.resolve_template(&specification)?;
        Ok(specification)
    }

    /// What `source` launches now. A mixed instances policy launches several things: see [`Groups::resolve_source`].
    pub(super) fn resolve_launch(&self, source: &LaunchSource) -> Result<(LaunchedFrom, Value), Refusal> {
        match source {
            LaunchSource::Configuration { name } => {
                let configuration = self.launch_configurations.get(name).ok_or_else(|| {
                    Refusal::validation(format!(
                        "Launch configuration name not found - Launch configuration {name} not found"
                    ))
                })?;
                let from = LaunchedFrom::Configuration { name: name.clone(), created_at: configuration.created_at };
                Ok((from, configuration.launch_data.clone()))
            }
            LaunchSource::Template(specification) => self.resolve_template(specification),
            LaunchSource::Mixed(policy) => self.resolve_template(&policy.template),
        }
    }

    pub(super) fn resolve_template(
        &self,
        specification: &TemplateSpecification,
    ) -> Result<(LaunchedFrom, Value), Refusal> {
        let template = self.launch_templates.get(TemplateRef::Id(&specification.id));
        let template = template.map_err(|refusal| bad_template(&refusal.message))?;
        resolve_version(template, &specification.version)
    }

    /// Starts an EC2 instance in `placement`; it boots by itself.
    ///
    /// # Errors
    /// What the account's inventory lacks, `InsufficientInstanceCapacity` if EC2 has no machine, `InsufficientFreeAddressesInSubnet` if the subnet is full.
    pub(super) fn launch_instance(
        &mut self,
        now: Timestamp,
        data: Value,
        placement: Placement,
    ) -> Result<InstanceId, Refusal> {
        let arguments = LaunchArguments::read(&data);
        let kind = arguments.instance_type.as_deref().unwrap_or(DEFAULT_INSTANCE_TYPE);
        self.check_there(&arguments, kind, &placement.zone)?;
        if self.faults.strike(|fault| fault.to_launch(&placement.zone, kind)).is_some() {
            return Err(if arguments.spot { no_spot_capacity() } else { no_capacity(kind, placement.zone.as_str()) });
        }
        let wish = self.ids.instances.next_u64();
        let taken: BTreeSet<_> = self
            .instances
            .values()
            .filter(|instance| instance.placement.subnet == placement.subnet)
            .filter_map(|instance| instance.private_ip.as_deref()?.parse().ok())
            .chain(self.taken_addresses.get(&placement.subnet).into_iter().flatten().copied())
            .collect();
        let private_ip = free_address(&placement.cidr, &taken, wish).ok_or_else(|| {
            let subnet = &placement.subnet;
            let text = format!(
                "There are not enough free addresses in subnet '{subnet}' to satisfy the requested number of instances."
            );
            Refusal::new("InsufficientFreeAddressesInSubnet", 400, text)
        })?;
        let has_public_ip = arguments.public_ip.unwrap_or(placement.public_ip);
        let ids = &mut self.ids.instances;
        let instance = Instance {
            id: InstanceId(ids.ec2("i")),
            reservation_id: ids.ec2("r"),
            state: Ec2State::Pending,
            state_reason: None,
            state_changed_at: now,
            launched_at: now,
            image_id: arguments.image_id.unwrap_or_default(),
            instance_type: arguments.instance_type.unwrap_or_else(|| DEFAULT_INSTANCE_TYPE.to_string()),
            key_name: arguments.key_name,
            security_groups: arguments.security_groups,
            detailed_monitoring: arguments.detailed_monitoring,
            placement,
            private_ip: Some(private_ip.to_string()),
            public_ip: has_public_ip.then(|| public_address(wish).to_string()),
            mac_address: mac_address(wish),
            eni_id: ids.ec2("eni"),
            eni_attachment_id: ids.ec2("eni-attach"),
            root_volume_id: ids.ec2("vol"),
            tags: arguments.tags,
            launch_data: data,
            launch_index: 0,
            client_token: None,
            elastic_ip: false,
            spot_request_id: arguments.spot.then(|| format!("sir-{:08x}", ids.next_u64() >> 32)),
            membership: None,
            machine: None,
            due: None,
            health_due: None,
        };
        let id = instance.id.clone();
        self.instances.insert(id.clone(), instance);
        self.set_due(&id, now + self.timing.boot(), Due::Running(id.clone()));
        Ok(id)
    }

    /// Makes a new instance a member, with the tags that say so.
    pub(super) fn join_group(&mut self, id: &InstanceId, name: &GroupName, launched_from: LaunchedFrom, weight: u32) {
        let (Some(group), Some(instance)) = (self.groups.get_mut(name), self.instances.get_mut(id)) else { return };
        let propagated = group.tags.iter().filter(|(_, tag)| tag.propagate_at_launch);
        instance.tags.extend(propagated.map(|(key, tag)| (key.clone(), tag.value.clone())));
        instance.tags.extend(system_tags(name, &launched_from));
        instance.membership = Some(Membership {
            group: name.clone(),
            lifecycle: LifecycleState::Pending,
            health: Health::Healthy,
            health_finding: None,
            failing: BTreeSet::new(),
            registered: false,
            weight,
            protected_from_scale_in: group.settings.protect_new_instances,
            launched_from,
            in_service_since: None,
            activity: None,
            way: Way::LAUNCH,
            warmed: false,
            lifecycle_action: None,
        });
        group.members.insert(id.clone());
    }
}

/// What EC2 launches when nothing says otherwise. Source: RunInstances.
pub(super) const DEFAULT_INSTANCE_TYPE: &str = "m1.small";

fn resolve_version(template: &LaunchTemplate, wanted: &str) -> Result<(LaunchedFrom, Value), Refusal> {
    let wanted = if wanted.is_empty() { "$Default" } else { wanted };
    let version = super::version_or_refuse(template, wanted).map_err(|refusal| match refusal.code.as_str() {
        "InvalidParameterValue" => Refusal::validation(refusal.message),
        _ => bad_template(&refusal.message),
    })?;
    if LaunchArguments::read(&version.data).image_id.is_none() {
        return Err(bad_template("The request must contain the parameter ImageId"));
    }
    let from = LaunchedFrom::Template { id: template.id.clone(), name: template.name.clone(), version: version.number };
    Ok((from, version.data.clone()))
}

/// Source: EC2 User Guide, "Troubleshoot instance launch issues", insufficient instance capacity.
fn no_capacity(instance_type: &str, zone: &str) -> Refusal {
    let text = format!(
        "We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested ({zone}). Our \
         system will be working on provisioning additional capacity. You can currently get {instance_type} capacity by not \
         specifying an Availability Zone in your request. Launching EC2 instance failed."
    );
    Refusal::new("InsufficientInstanceCapacity", 500, text)
}

/// Recorded in activities of 2020.
fn no_spot_capacity() -> Refusal {
    let text = "There is no Spot capacity available that matches your request. Launching EC2 instance failed.";
    Refusal::new("InsufficientInstanceCapacity", 500, text)
}

pub(super) fn bad_template(reason: &str) -> Refusal {
    Refusal::validation(format!("{BAD_TEMPLATE} {reason}"))
}

/// The tags that Auto Scaling and EC2 put on a member themselves.
fn system_tags(group: &GroupName, launched_from: &LaunchedFrom) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::from([("aws:autoscaling:groupName".to_string(), group.to_string())]);
    if let LaunchedFrom::Template { id, version, .. } = launched_from {
        tags.insert("aws:ec2launchtemplate:id".into(), id.clone());
        tags.insert("aws:ec2launchtemplate:version".into(), version.to_string());
    }
    tags
}
