//! Mixed instances policies as requests write them and answers show them.

use super::{model, not_negative, not_reproduced, show, word};
use crate::engine::Refusal;
use crate::engine::groups::mixed::{
    CapacityType, Distribution, MixedInstancesPolicy, OnDemandStrategy, Override, Requirements, SpotStrategy,
};
use crate::engine::groups::{LaunchArguments, LaunchSource, TemplateRef, TemplateSpecification};
use crate::sandbox::models::autoscaling::INSTANCE_REQUIREMENTS;
use crate::sandbox::region::Region;
use crate::sandbox::services::ec2::launch_data::{self, words};
use crate::sandbox::services::ec2::requirements::matching;

/// The policy that a request asks for. Of `current`, the group's policy so far, what the request leaves out stays; a new
/// policy gets AWS's defaults.
///
/// # Errors
/// `ValidationError` for what AWS refuses, `InvalidParameterCombination` for what is not reproduced.
pub fn read(
    region: &Region,
    asked: model::MixedInstancesPolicy,
    current: Option<&LaunchSource>,
    counts: Option<CapacityType>,
) -> Result<LaunchSource, Refusal> {
    let current = match current {
        Some(LaunchSource::Mixed(policy)) => Some(policy.as_ref()),
        _ => None,
    };
    let launch = asked.launch_template.unwrap_or_default();
    let template = match (launch.launch_template_specification, current) {
        (Some(asked), _) => specification(region, &asked)?,
        (None, Some(current)) => current.template.clone(),
        (None, None) => {
            let text = "A MixedInstancesPolicy must have a LaunchTemplate with a LaunchTemplateSpecification";
            return Err(Refusal::validation(text));
        }
    };
    let overrides = match (launch.overrides, current) {
        (Some(asked), _) => asked
            .into_iter()
            .map(|over| read_override(region, &template, over, counts))
            .collect::<Result<Vec<_>, _>>()?,
        (None, current) => current.map(|policy| policy.overrides.clone()).unwrap_or_default(),
    };
    let mut distribution = current.map(|policy| policy.distribution.clone()).unwrap_or_default();
    if overrides.iter().any(|over: &Override| over.requirements.is_some()) {
        // The only strategy that goes with requirements, and so what they get when nobody says.
        distribution.on_demand_strategy = OnDemandStrategy::LowestPrice;
    }
    let distribution = read_distribution(asked.instances_distribution.unwrap_or_default(), distribution)?;
    Ok(LaunchSource::Mixed(Box::new(MixedInstancesPolicy { template, overrides, distribution, counts })))
}

/// A group without requirements counts instances, or their weights.
pub fn counts_parts_only_with_requirements() -> Refusal {
    Refusal::validation("DesiredCapacityType is supported for attribute-based instance type selection only.")
}

/// What the desired capacity of a group counts: as a request says, else as it was.
pub fn read_counts(asked: Option<&str>, current: Option<&LaunchSource>) -> Result<Option<CapacityType>, Refusal> {
    match (asked, current) {
        (Some(text), _) => word("DesiredCapacityType", text, CapacityType::parse).map(Some),
        (None, Some(LaunchSource::Mixed(policy))) => Ok(policy.counts),
        (None, _) => Ok(None),
    }
}

fn specification(
    region: &Region,
    asked: &model::LaunchTemplateSpecification,
) -> Result<TemplateSpecification, Refusal> {
    let (id, name) = (asked.launch_template_id.as_deref(), asked.launch_template_name.as_deref());
    region.world.groups.template_specification(id, name, asked.version.as_deref())
}

fn read_override(
    region: &Region,
    policy_template: &TemplateSpecification,
    asked: model::LaunchTemplateOverrides,
    counts: Option<CapacityType>,
) -> Result<Override, Refusal> {
    let weight = asked.weighted_capacity.filter(|weight| !weight.is_empty());
    let weight = weight.map(|weight| {
        let text = || Refusal::validation(format!("'{weight}' is not a valid WeightedCapacity"));
        weight.parse::<u32>().map_err(|_| text())
    });
    let template = asked.launch_template_specification.map(|asked| specification(region, &asked)).transpose()?;
    let requirements = asked.instance_requirements.map(|asked_for| {
        let image = asked.image_id.clone().or_else(|| image_of(region, template.as_ref().unwrap_or(policy_template)));
        let matching = matching(region, image.as_deref(), &asked_for, counts.unwrap_or(CapacityType::Units));
        Requirements { given: words(asked_for), matching }
    });
    Ok(Override {
        instance_type: asked.instance_type,
        weight: weight.transpose()?,
        template,
        image_id: asked.image_id,
        requirements,
    })
}

/// The image that a template names now.
fn image_of(region: &Region, template: &TemplateSpecification) -> Option<String> {
    let found = region.world.groups.launch_templates.get(TemplateRef::Id(&template.id)).ok()?;
    let version = if template.version.is_empty() { "$Default" } else { &template.version };
    LaunchArguments::read(&found.version(version)?.data).image_id
}

fn read_distribution(asked: model::InstancesDistribution, current: Distribution) -> Result<Distribution, Refusal> {
    if asked.distribution_segments.is_some_and(|segments| !segments.is_empty()) {
        return Err(not_reproduced("DistributionSegments"));
    }
    let mut read = current;
    if let Some(strategy) = asked.spot_allocation_strategy {
        read = read.with_spot_strategy(SpotStrategy::parse(&strategy)?);
    }
    if let Some(strategy) = asked.on_demand_allocation_strategy {
        read.on_demand_strategy = OnDemandStrategy::parse(&strategy)?;
    }
    if let Some(base) = asked.on_demand_base_capacity {
        read.on_demand_base = not_negative("OnDemandBaseCapacity", base)?;
    }
    if let Some(percent) = asked.on_demand_percentage_above_base_capacity {
        read.on_demand_percent_above_base = not_negative("OnDemandPercentageAboveBaseCapacity", percent)?;
    }
    match (asked.spot_instance_pools, read.spot_strategy) {
        (None, _) => {}
        // Terraform sends none as zero.
        (Some(0), strategy) if strategy != SpotStrategy::LowestPrice => read.spot_pools = None,
        (Some(pools), _) => read.spot_pools = Some(not_negative("SpotInstancePools", pools)?),
    }
    if let Some(price) = asked.spot_max_price {
        // An empty price takes the limit away.
        read.spot_max_price = Some(price).filter(|price| !price.is_empty());
    }
    Ok(read)
}

pub fn show(policy: &MixedInstancesPolicy) -> model::MixedInstancesPolicy {
    let distribution = &policy.distribution;
    model::MixedInstancesPolicy {
        launch_template: Some(model::LaunchTemplate {
            launch_template_specification: Some(show::specification(&policy.template)),
            overrides: Some(policy.overrides.iter().map(show_override).collect()),
        }),
        instances_distribution: Some(model::InstancesDistribution {
            on_demand_allocation_strategy: Some(distribution.on_demand_strategy.name().into()),
            on_demand_base_capacity: Some(distribution.on_demand_base.into()),
            on_demand_percentage_above_base_capacity: Some(distribution.on_demand_percent_above_base.into()),
            spot_allocation_strategy: Some(distribution.spot_strategy.name().into()),
            spot_instance_pools: distribution.spot_pools.map(Into::into),
            spot_max_price: distribution.spot_max_price.clone(),
            distribution_segments: None,
        }),
    }
}

fn show_override(over: &Override) -> model::LaunchTemplateOverrides {
    model::LaunchTemplateOverrides {
        instance_type: over.instance_type.clone(),
        weighted_capacity: over.weight.map(|weight| weight.to_string()),
        launch_template_specification: over.template.as_ref().map(show::specification),
        instance_requirements: over
            .requirements
            .as_ref()
            .map(|requirements| launch_data::read(&INSTANCE_REQUIREMENTS, &requirements.given)),
        image_id: over.image_id.clone(),
    }
}
