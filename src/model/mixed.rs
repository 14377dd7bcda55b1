//! Several instance types in one group: what the spec says about them, with its rules. Start at [`build_mixed`].

use super::build::{Builder, architecture_of};
use super::{MixedInstances, MixedType};
use crate::spec::arguments::{LaunchSpec, MixedInstancesSpec};
use crate::spec::problem::Kind;
use crate::spec::values::{OnDemandStrategyWord, SpotStrategyWord};

/// Of one group. Source: the API reference, LaunchTemplateOverrides.
const MAX_TYPES: usize = 40;

const PATH: &str = "launch.mixed_instances";

pub(super) fn build_mixed(launch: &LaunchSpec, builder: &mut Builder) -> Option<MixedInstances> {
    let mixed = launch.mixed_instances.as_ref()?;
    check_types(&launch.instance_type.0, mixed, builder);
    check_weights(mixed, builder);
    let strategy = mixed.spot_allocation_strategy.unwrap_or(SpotStrategyWord::PriceCapacityOptimized);
    if mixed.spot_instance_pools.is_some() && strategy != SpotStrategyWord::LowestPrice {
        let path = format!("{PATH}.spot_instance_pools");
        let fact = format!("{path} is set, and {} takes no number of pools.", strategy.word());
        let remedy = "Leave spot_instance_pools out, or write spot_allocation_strategy: lowest-price.";
        builder.problem(Kind::InvalidValue, &path, fact, remedy);
    }
    Some(MixedInstances {
        instance_types: mixed
            .instance_types
            .iter()
            .map(|one| MixedType {
                instance_type: one.instance_type.0.clone(),
                weighted_capacity: one.weighted_capacity.map(|weight| weight.0),
            })
            .collect(),
        on_demand_base_capacity: mixed.on_demand_base_capacity.map_or(0, |size| size.0),
        on_demand_percentage_above_base_capacity: mixed
            .on_demand_percentage_above_base_capacity
            .map_or(100, |percent| percent.0),
        on_demand_allocation_strategy: mixed.on_demand_allocation_strategy.unwrap_or(OnDemandStrategyWord::Prioritized),
        spot_allocation_strategy: strategy,
        spot_instance_pools: mixed.spot_instance_pools.map(|pools| pools.0),
        spot_max_price: mixed.spot_max_price.map(|price| price.0),
    })
}

fn check_types(own: &str, mixed: &MixedInstancesSpec, builder: &mut Builder) {
    let path = format!("{PATH}.instance_types");
    let names: Vec<&str> = mixed.instance_types.iter().map(|one| one.instance_type.0.as_str()).collect();
    if !names.contains(&own) {
        let fact = format!("{path} does not name {own}, which launch.instance_type does.");
        builder.problem(Kind::InvalidValue, &path, fact, "Add it, or make instance_type one of the list.");
    }
    if names.len() > MAX_TYPES {
        let fact = format!("{path} has {} types.", names.len());
        builder.problem(Kind::InvalidValue, &path, fact, "Auto Scaling takes 40 in one group.");
    }
    for (index, name) in names.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if names[..index].contains(name) {
            let fact = format!("{path} is {name} again.");
            builder.problem(Kind::DuplicateEntry, &path, fact, "Keep one of the two.");
        }
        if architecture_of(name) != architecture_of(own) {
            let fact = format!("{path} is {name}, whose processor cannot run the image of {own}.");
            let remedy = "Keep to types with one kind of processor: all or none with a g after the generation.";
            builder.problem(Kind::InvalidValue, &path, fact, remedy);
        }
    }
}

fn check_weights(mixed: &MixedInstancesSpec, builder: &mut Builder) {
    let with = mixed.instance_types.iter().filter(|one| one.weighted_capacity.is_some()).count();
    if with > 0 && with < mixed.instance_types.len() {
        let path = format!("{PATH}.instance_types");
        let fact = format!(
            "{path} has {with} types with weighted_capacity and {} without.",
            mixed.instance_types.len() - with
        );
        let remedy = "Add weighted_capacity to all of them or to none; Auto Scaling refuses a mixture.";
        builder.problem(Kind::MissingArgument, &path, fact, remedy);
    }
}
