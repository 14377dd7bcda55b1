//! What CreateAutoScalingGroup and UpdateAutoScalingGroup have in common: settings, read from the request's members.

use super::{hooks, mixed, model, not_negative, not_reproduced, word};
use crate::engine::Refusal;
use crate::engine::groups::group::{DEFAULT_COOLDOWN_SECS, Settings};
use crate::engine::groups::mixed::{CapacityType, MixedInstancesPolicy};
use crate::engine::groups::preferences::{MaintenancePolicy, Preferences, ReservationPreference, ZoneDistribution};
use crate::engine::groups::termination::{TerminationPolicy, check_policies};
use crate::engine::groups::{LaunchSource, Placement};
use crate::engine::names::{SubnetId, Zone};
use crate::sandbox::region::Region;

/// Source: User Guide, "Set the default instance warmup": at most an hour.
const LONGEST_DEFAULT_WARMUP_SECS: i64 = 3600;

/// The settings that a request mentions.
#[derive(Default)]
pub struct SettingsRequest {
    pub launch_configuration_name: Option<String>,
    pub launch_template: Option<model::LaunchTemplateSpecification>,
    pub mixed_instances_policy: Option<model::MixedInstancesPolicy>,
    pub vpc_zone_identifier: Option<String>,
    pub availability_zones: Option<Vec<String>>,
    pub default_cooldown: Option<i64>,
    pub default_instance_warmup: Option<i64>,
    pub health_check_type: Option<String>,
    pub health_check_grace_period: Option<i64>,
    pub termination_policies: Option<Vec<String>>,
    pub new_instances_protected_from_scale_in: Option<bool>,
    pub capacity_rebalance: Option<bool>,
    pub service_linked_role_arn: Option<String>,
    pub desired_capacity_type: Option<String>,
    pub preferences: PreferencesRequest,
}

/// The preferences that a request mentions.
#[derive(Default)]
pub struct PreferencesRequest {
    pub max_instance_lifetime: Option<i64>,
    pub maintenance: Option<model::InstanceMaintenancePolicy>,
    pub zone_distribution: Option<model::AvailabilityZoneDistribution>,
    pub reservations: Option<model::CapacityReservationSpecification>,
    pub placement_group: Option<String>,
    pub context: Option<String>,
}

impl SettingsRequest {
    /// The settings of a new group.
    pub fn create(mut self, region: &Region) -> Result<Settings, Refusal> {
        let launch = self.take_launch(region, None)?.ok_or_else(one_launch_source)?;
        let role = "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
        let place = &region.world.place;
        let settings = Settings {
            placements: Vec::new(),
            by_zone: false,
            launch,
            default_cooldown_secs: DEFAULT_COOLDOWN_SECS,
            default_instance_warmup_secs: None,
            health_check_type: "EC2".into(),
            health_check_grace_secs: 0,
            termination_policies: vec![TerminationPolicy::Default],
            protect_new_instances: false,
            capacity_rebalance: None,
            service_linked_role_arn: format!("arn:{}:iam::{}:{role}", place.partition, place.account),
            preferences: Preferences::default(),
        };
        self.change(region, settings)
    }

    /// `settings` with what the request mentions put in.
    pub fn change(mut self, region: &Region, mut settings: Settings) -> Result<Settings, Refusal> {
        if let Some(launch) = self.take_launch(region, Some(&settings.launch))? {
            settings.launch = launch;
        }
        if let Some((placements, by_zone)) = self.placements(region)? {
            (settings.placements, settings.by_zone) = (placements, by_zone);
        }
        if let Some(secs) = self.default_cooldown {
            settings.default_cooldown_secs = not_negative("DefaultCooldown", secs)?;
        }
        match self.default_instance_warmup {
            None => {}
            Some(-1) => settings.default_instance_warmup_secs = None,
            Some(secs) if secs > LONGEST_DEFAULT_WARMUP_SECS => {
                let text = format!("DefaultInstanceWarmup must be between 0 and {LONGEST_DEFAULT_WARMUP_SECS}");
                return Err(Refusal::validation(text));
            }
            Some(secs) => {
                settings.default_instance_warmup_secs = Some(not_negative("DefaultInstanceWarmup", secs)?);
            }
        }
        if let Some(kind) = self.health_check_type {
            settings.health_check_type = kind;
        }
        if let Some(secs) = self.health_check_grace_period {
            settings.health_check_grace_secs = not_negative("HealthCheckGracePeriod", secs)?;
        }
        if let Some(policies) = self.termination_policies {
            settings.termination_policies = termination_policies(&policies)?;
        }
        if let Some(protect) = self.new_instances_protected_from_scale_in {
            settings.protect_new_instances = protect;
        }
        settings.capacity_rebalance = self.capacity_rebalance.or(settings.capacity_rebalance);
        if let Some(arn) = self.service_linked_role_arn {
            settings.service_linked_role_arn = arn;
        }
        settings.preferences = self.preferences.change(region, settings.preferences)?;
        Ok(settings)
    }

    /// What to launch from, where the request says; `current` is what the group has.
    fn take_launch(
        &mut self,
        region: &Region,
        current: Option<&LaunchSource>,
    ) -> Result<Option<LaunchSource>, Refusal> {
        let sources =
            (self.launch_configuration_name.take(), self.launch_template.take(), self.mixed_instances_policy.take());
        let counts = mixed::read_counts(self.desired_capacity_type.as_deref(), current)?;
        match sources {
            (None, None, None) => self.recount(current, counts),
            _ if counts.is_some() && sources.2.is_none() && self.desired_capacity_type.is_some() => {
                Err(mixed::counts_parts_only_with_requirements())
            }
            (Some(name), None, None) => Ok(Some(LaunchSource::Configuration { name })),
            (None, Some(template), None) => {
                let (id, name) = (template.launch_template_id.as_deref(), template.launch_template_name.as_deref());
                region.world.groups.launch_source_of_template(id, name, template.version.as_deref()).map(Some)
            }
            (None, None, Some(policy)) => mixed::read(region, policy, current, counts).map(Some),
            _ => Err(one_launch_source()),
        }
    }

    /// The group's source as it is, where a request changes only what the desired capacity counts.
    fn recount(
        &self,
        current: Option<&LaunchSource>,
        counts: Option<CapacityType>,
    ) -> Result<Option<LaunchSource>, Refusal> {
        match (&self.desired_capacity_type, current) {
            (None, _) => Ok(None),
            (Some(_), Some(LaunchSource::Mixed(policy))) => {
                Ok(Some(LaunchSource::Mixed(Box::new(MixedInstancesPolicy { counts, ..(**policy).clone() }))))
            }
            (Some(_), _) => Err(mixed::counts_parts_only_with_requirements()),
        }
    }

    /// Where to launch, and whether that was told in zones.
    fn placements(&self, region: &Region) -> Result<Option<(Vec<Placement>, bool)>, Refusal> {
        let subnets = self.vpc_zone_identifier.as_deref().unwrap_or_default();
        let subnets: Vec<&str> = subnets.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
        let zones = self.availability_zones.as_deref().unwrap_or_default();
        if subnets.is_empty() {
            let placements = zones.iter().map(|zone| default_placement(region, zone)).collect::<Result<Vec<_>, _>>()?;
            return Ok((!placements.is_empty()).then_some((placements, true)));
        }
        let unknown = |id: &str| Refusal::validation(format!("The subnet ID '{id}' does not exist"));
        let found = subnets.iter().map(|id| region.ec2.placement(&SubnetId::from(*id)).ok_or_else(|| unknown(id)));
        let placements = found.collect::<Result<Vec<_>, _>>()?;
        let known = |zone: &&String| placements.iter().any(|placement| placement.zone.as_str() == zone.as_str());
        if !zones.iter().all(|zone| known(&zone)) {
            let text = "The availability zones of the specified subnets and the Auto Scaling group do not match";
            return Err(Refusal::validation(text));
        }
        Ok(Some((placements, false)))
    }
}

pub fn one_launch_source() -> Refusal {
    let text = "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or \
                MixedInstancesPolicy parameter.";
    Refusal::validation(text)
}

fn default_placement(region: &Region, zone: &str) -> Result<Placement, Refusal> {
    let subnet = region.ec2.default_subnet(&Zone::from(zone));
    let placement = subnet.and_then(|subnet| region.ec2.placement(&subnet));
    placement.ok_or_else(|| Refusal::validation(format!("No default subnet found in Availability Zone: {zone}")))
}

fn termination_policies(names: &[String]) -> Result<Vec<TerminationPolicy>, Refusal> {
    check_policies(names)?;
    let read = |name: &String| match name.starts_with("arn:") {
        true => Err(not_reproduced("A Lambda function in TerminationPolicies")),
        false => word("termination policy", name, TerminationPolicy::parse),
    };
    let policies = names.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(if policies.is_empty() { vec![TerminationPolicy::Default] } else { policies })
}

impl PreferencesRequest {
    /// `preferences` with what the request mentions put in.
    fn change(self, region: &Region, mut preferences: Preferences) -> Result<Preferences, Refusal> {
        match self.max_instance_lifetime {
            None => {}
            Some(0) => preferences.max_instance_lifetime_secs = None,
            Some(secs) => {
                preferences.max_instance_lifetime_secs = Some(not_negative("MaxInstanceLifetime", secs)?);
            }
        }
        if let Some(policy) = self.maintenance {
            preferences.maintenance = maintenance(&policy)?;
        }
        let strategy = self.zone_distribution.and_then(|distribution| distribution.capacity_distribution_strategy);
        if let Some(strategy) = strategy {
            preferences.zone_distribution = word("CapacityDistributionStrategy", &strategy, ZoneDistribution::parse)?;
        }
        if let Some(reservations) = self.reservations {
            preferences.reservations = reservation_preference(&reservations)?;
        }
        if let Some(name) = self.placement_group {
            // An empty name takes the group out of its placement group.
            preferences.placement_group = Some(name).filter(|name| !name.is_empty());
            if let Some(name) = &preferences.placement_group {
                let found = region.ec2.check_placement_group(name);
                found.map_err(|refusal| Refusal::validation(refusal.message))?;
            }
        }
        preferences.context = self.context.or(preferences.context);
        Ok(preferences)
    }
}

/// Both percentages, or -1 for both, which takes the policy away. Source: InstanceMaintenancePolicy.
fn maintenance(policy: &model::InstanceMaintenancePolicy) -> Result<Option<MaintenancePolicy>, Refusal> {
    match (policy.min_healthy_percentage, policy.max_healthy_percentage) {
        (Some(-1), Some(-1)) => Ok(None),
        (Some(min), Some(max)) => {
            let min_healthy_percentage = not_negative("MinHealthyPercentage", min)?;
            let max_healthy_percentage = not_negative("MaxHealthyPercentage", max)?;
            MaintenancePolicy { min_healthy_percentage, max_healthy_percentage }.check().map(Some)
        }
        _ => {
            let text = "InstanceMaintenancePolicy must have both MinHealthyPercentage and MaxHealthyPercentage";
            Err(Refusal::validation(text))
        }
    }
}

/// There are no reservations here, so that only those preferences can be kept that launch without any.
fn reservation_preference(
    specification: &model::CapacityReservationSpecification,
) -> Result<ReservationPreference, Refusal> {
    if specification.capacity_reservation_target.is_some() {
        return Err(not_reproduced("CapacityReservationTarget"));
    }
    match specification.capacity_reservation_preference.as_deref() {
        None => Ok(ReservationPreference::Default),
        Some("capacity-reservations-only") => {
            Err(not_reproduced("CapacityReservationPreference capacity-reservations-only"))
        }
        Some(text) => word("CapacityReservationPreference", text, ReservationPreference::parse),
    }
}

/// A hook that comes with the group.
pub fn hook(
    specification: model::LifecycleHookSpecification,
) -> Result<crate::engine::groups::hook::LifecycleHook, Refusal> {
    hooks::HookRequest {
        name: specification.lifecycle_hook_name,
        transition: specification.lifecycle_transition,
        heartbeat: specification.heartbeat_timeout,
        default_result: specification.default_result,
        target: specification.notification_target_arn,
        role: specification.role_arn,
        metadata: specification.notification_metadata,
    }
    .read(None)
}
