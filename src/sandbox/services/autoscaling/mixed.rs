//! Mixed instances policies as requests write them and answers show them.

use super::{model, not_negative, not_reproduced, show};
use crate::engine::Refusal;
use crate::engine::groups::mixed::{Distribution, MixedInstancesPolicy, OnDemandStrategy, Override, SpotStrategy};
use crate::engine::groups::{LaunchSource, TemplateSpecification};
use crate::sandbox::region::Region;

/// The policy that a request asks for. Of `current`, the group's policy so far, what the request leaves out stays; a new
/// policy gets AWS's defaults.
///
/// # Errors
/// `ValidationError` for what AWS refuses, `InvalidParameterCombination` for what is not reproduced.
pub fn read(
    region: &Region,
    asked: model::MixedInstancesPolicy,
    current: Option<&LaunchSource>,
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
        (Some(asked), _) => asked.into_iter().map(|over| read_override(region, over)).collect::<Result<Vec<_>, _>>()?,
        (None, current) => current.map(|policy| policy.overrides.clone()).unwrap_or_default(),
    };
    let distribution = current.map(|policy| policy.distribution.clone()).unwrap_or_default();
    let distribution = read_distribution(asked.instances_distribution.unwrap_or_default(), distribution)?;
    Ok(LaunchSource::Mixed(Box::new(MixedInstancesPolicy { template, overrides, distribution })))
}

fn specification(
    region: &Region,
    asked: &model::LaunchTemplateSpecification,
) -> Result<TemplateSpecification, Refusal> {
    let (id, name) = (asked.launch_template_id.as_deref(), asked.launch_template_name.as_deref());
    region.world.groups.template_specification(id, name, asked.version.as_deref())
}

fn read_override(region: &Region, asked: model::LaunchTemplateOverrides) -> Result<Override, Refusal> {
    if asked.instance_requirements.is_some() {
        return Err(not_reproduced("InstanceRequirements in Overrides"));
    }
    let weight = asked.weighted_capacity.filter(|weight| !weight.is_empty());
    let weight = weight.map(|weight| {
        let text = || Refusal::validation(format!("'{weight}' is not a valid WeightedCapacity"));
        weight.parse::<u32>().map_err(|_| text())
    });
    Ok(Override {
        instance_type: asked.instance_type,
        weight: weight.transpose()?,
        template: asked.launch_template_specification.map(|asked| specification(region, &asked)).transpose()?,
        image_id: asked.image_id,
    })
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
        instance_requirements: None,
        image_id: over.image_id.clone(),
    }
}
