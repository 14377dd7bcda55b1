//! Mixed instances policies: several instance types, weights and purchase options in one group, with AWS's defaults and
//! the checks on what a caller may ask for. Start at [`MixedInstancesPolicy`]. What gets launched and terminated by them is
//! decided in `allocation.rs`; which types have what an override requires is told by whoever knows the types.
//!
//! Source: the API reference (MixedInstancesPolicy, InstancesDistribution, LaunchTemplateOverrides) and the User Guide,
//! "Auto Scaling groups with multiple instance types and purchase options". "Create a mixed instances group using
//! attribute-based instance type selection". Left out, and refused by the sandbox: DistributionSegments.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::group::{TemplateSpecification, limit_exceeded};
use crate::engine::Refusal;

/// Quotas of one group. Source: LaunchTemplateOverrides.
pub const MAX_INSTANCE_TYPES: usize = 40;
pub const MAX_LAUNCH_TEMPLATES: usize = 20;

/// Source: LaunchTemplateOverrides.
pub const WEIGHTS: RangeInclusive<u32> = 1..=999;

/// Source: InstancesDistribution.
pub const SPOT_POOLS: RangeInclusive<u32> = 1..=20;
const DEFAULT_SPOT_POOLS: u32 = 2;
const LEAST_SPOT_MAX_PRICE: f64 = 0.001;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MixedInstancesPolicy {
    pub template: TemplateSpecification,
    /// In the order of their priority, best first. Without any, the template's own type is the only one.
    pub overrides: Vec<Override>,
    pub distribution: Distribution,
    /// What the desired capacity counts; instances, if nobody says.
    #[serde(default)]
    pub counts: Option<CapacityType>,
}

/// What a unit of capacity is in a group whose overrides have requirements, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CapacityType {
    Units,
    Vcpu,
    MemoryMib,
}

/// What is launched instead of what the policy's template says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    pub instance_type: Option<String>,
    /// How much of the group's capacity such an instance is: one, if no override says.
    pub weight: Option<u32>,
    pub template: Option<TemplateSpecification>,
    pub image_id: Option<String>,
    #[serde(default)]
    pub requirements: Option<Requirements>,
}

/// What instance types must have, instead of the name of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirements {
    /// As given, in the words of `InstanceRequirements`; returned as is.
    pub given: Value,
    /// The types that have all of it, the cheapest first.
    pub matching: Vec<Matching>,
}

/// An instance type that meets requirements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matching {
    pub instance_type: String,
    pub vcpus: u32,
    pub memory_mib: u32,
    /// Whether its price is within what the requirements allow, by purchase option.
    pub on_demand: bool,
    pub spot: bool,
}

impl CapacityType {
    pub const ALL: &[Self] = &[Self::Units, Self::Vcpu, Self::MemoryMib];

    pub fn name(self) -> &'static str {
        match self {
            Self::Units => "units",
            Self::Vcpu => "vcpu",
            Self::MemoryMib => "memory-mib",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == text)
    }

    /// How much of its group's capacity an instance of such a type is, where its override gives it no weight.
    fn weight(self, of: &Matching) -> u32 {
        match self {
            Self::Units => 1,
            Self::Vcpu => of.vcpus,
            Self::MemoryMib => of.memory_mib,
        }
    }
}

/// How capacity is spread over purchase options and instance types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    pub on_demand_strategy: OnDemandStrategy,
    /// In units of capacity.
    pub on_demand_base: u32,
    pub on_demand_percent_above_base: u32,
    pub spot_strategy: SpotStrategy,
    /// How many pools `lowest-price` uses. No other strategy has any.
    pub spot_pools: Option<u32>,
    /// US dollars for an hour of one unit of capacity, as the caller wrote it. Left out: the On-Demand price.
    pub spot_max_price: Option<String>,
}

/// In AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDemandStrategy {
    LowestPrice,
    Prioritized,
}

/// In AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpotStrategy {
    CapacityOptimized,
    CapacityOptimizedPrioritized,
    LowestPrice,
    PriceCapacityOptimized,
}

impl OnDemandStrategy {
    pub const ALL: &[Self] = &[Self::LowestPrice, Self::Prioritized];

    pub fn name(self) -> &'static str {
        match self {
            Self::LowestPrice => "lowest-price",
            Self::Prioritized => "prioritized",
        }
    }

    /// # Errors
    /// AWS's refusal of a strategy that is none.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.iter().copied().find(|strategy| strategy.name() == text);
        found.ok_or_else(|| Self::not_valid(Self::ALL))
    }

    fn not_valid(options: &[Self]) -> Refusal {
        not_valid("OnDemandAllocationStrategy", options.iter().map(|it| it.name()))
    }
}

impl SpotStrategy {
    pub const ALL: &[Self] =
        &[Self::CapacityOptimized, Self::CapacityOptimizedPrioritized, Self::LowestPrice, Self::PriceCapacityOptimized];

    pub fn name(self) -> &'static str {
        match self {
            Self::CapacityOptimized => "capacity-optimized",
            Self::CapacityOptimizedPrioritized => "capacity-optimized-prioritized",
            Self::LowestPrice => "lowest-price",
            Self::PriceCapacityOptimized => "price-capacity-optimized",
        }
    }

    /// # Errors
    /// AWS's refusal of a strategy that is none.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.iter().copied().find(|strategy| strategy.name() == text);
        found.ok_or_else(|| Self::not_valid(Self::ALL))
    }

    fn not_valid(options: &[Self]) -> Refusal {
        not_valid("SpotAllocationStrategy", options.iter().map(|it| it.name()))
    }
}

/// The form in which AWS refuses `prioritized` for groups with instance requirements.
fn not_valid(argument: &str, options: impl Iterator<Item = &'static str>) -> Refusal {
    let options = options.collect::<Vec<_>>().join(", ");
    Refusal::validation(format!("The specified {argument} is not valid. Valid options are [{options}]."))
}

impl Default for Distribution {
    /// Source: InstancesDistribution, and a recorded answer of DescribeAutoScalingGroups.
    fn default() -> Self {
        Self {
            on_demand_strategy: OnDemandStrategy::Prioritized,
            on_demand_base: 0,
            on_demand_percent_above_base: 100,
            spot_strategy: SpotStrategy::LowestPrice,
            spot_pools: Some(DEFAULT_SPOT_POOLS),
            spot_max_price: None,
        }
    }
}

impl Distribution {
    /// With another strategy for Spot Instances, which brings its number of pools.
    #[must_use]
    pub fn with_spot_strategy(self, strategy: SpotStrategy) -> Self {
        let kept = self.spot_pools.or(Some(DEFAULT_SPOT_POOLS));
        let spot_pools = kept.filter(|_| strategy == SpotStrategy::LowestPrice);
        Self { spot_strategy: strategy, spot_pools, ..self }
    }

    /// The most that a unit of capacity may cost in an hour.
    pub(super) fn max_price(&self) -> Option<f64> {
        self.spot_max_price.as_ref()?.parse().ok()
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.on_demand_percent_above_base > 100 {
            return Err(Refusal::validation("OnDemandPercentageAboveBaseCapacity must be between 0 and 100"));
        }
        match (self.spot_strategy, self.spot_pools) {
            (SpotStrategy::LowestPrice, Some(pools)) if !SPOT_POOLS.contains(&pools) => {
                let text = format!("SpotInstancePools must be between {} and {}", SPOT_POOLS.start(), SPOT_POOLS.end());
                return Err(Refusal::validation(text));
            }
            (SpotStrategy::LowestPrice, _) | (_, None) => {}
            // Recorded.
            (_, Some(_)) => {
                let text = "SpotInstancePools option is only available with the lowest-price allocation strategy.";
                return Err(Refusal::validation(text));
            }
        }
        let price = self.spot_max_price.as_ref().map(|price| price.parse::<f64>());
        match price {
            None => Ok(()),
            Some(Ok(price)) if price.is_finite() && price >= LEAST_SPOT_MAX_PRICE => Ok(()),
            Some(_) => {
                let text = format!("SpotMaxPrice must be a price of at least {LEAST_SPOT_MAX_PRICE}");
                Err(Refusal::validation(text))
            }
        }
    }
}

impl MixedInstancesPolicy {
    /// # Errors
    /// `ValidationError` for what contradicts itself.
    pub fn check(&self) -> Result<(), Refusal> {
        let weights = self.overrides.iter().filter_map(|over| over.weight);
        if weights.clone().any(|weight| !WEIGHTS.contains(&weight)) {
            let text = format!("WeightedCapacity must be between {} and {}", WEIGHTS.start(), WEIGHTS.end());
            return Err(Refusal::validation(text));
        }
        if !matches!(weights.count(), 0) && self.overrides.iter().any(|over| over.weight.is_none()) {
            let text = "WeightedCapacity must be specified for all instance types in the overrides or for none of them";
            return Err(Refusal::validation(text));
        }
        if self.overrides.len() > MAX_INSTANCE_TYPES {
            return Err(limit_exceeded("instance types per group", MAX_INSTANCE_TYPES));
        }
        if self.templates().collect::<BTreeSet<_>>().len() > MAX_LAUNCH_TEMPLATES {
            return Err(limit_exceeded("launch templates per group", MAX_LAUNCH_TEMPLATES));
        }
        self.check_requirements()?;
        self.distribution.check()
    }

    /// Priorities need an order that requirements do not have.
    ///
    /// Source: the guide, "Create a mixed instances group using attribute-based instance type selection", prerequisites
    /// and limitations.
    fn check_requirements(&self) -> Result<(), Refusal> {
        if !self.has_requirements() {
            return match self.counts {
                None | Some(CapacityType::Units) => Ok(()),
                Some(_) => {
                    let text = "DesiredCapacityType is supported for attribute-based instance type selection only.";
                    Err(Refusal::validation(text))
                }
            };
        }
        if self.overrides.iter().any(|over| over.instance_type.is_some()) {
            let text = "InstanceType and InstanceRequirements cannot both be specified in the overrides of a group.";
            return Err(Refusal::validation(text));
        }
        if self.distribution.on_demand_strategy == OnDemandStrategy::Prioritized {
            return Err(OnDemandStrategy::not_valid(&[OnDemandStrategy::LowestPrice]));
        }
        let prioritized = SpotStrategy::CapacityOptimizedPrioritized;
        if self.distribution.spot_strategy == prioritized {
            let options: Vec<_> = SpotStrategy::ALL.iter().copied().filter(|it| *it != prioritized).collect();
            return Err(SpotStrategy::not_valid(&options));
        }
        Ok(())
    }

    pub fn has_requirements(&self) -> bool {
        self.overrides.iter().any(|over| over.requirements.is_some())
    }

    pub fn is_weighted(&self) -> bool {
        let counts_parts = matches!(self.counts, Some(CapacityType::Vcpu | CapacityType::MemoryMib));
        counts_parts || self.overrides.iter().any(|over| over.weight.is_some())
    }

    /// The largest weight that an instance may have.
    pub(super) fn largest_weight(&self) -> u32 {
        self.overrides.iter().flat_map(|over| self.types_of(over)).map(|(_, weight)| weight).max().unwrap_or(1)
    }

    /// What instances of this type weigh, if it is one of the overrides'.
    pub(super) fn weight_of_type(&self, instance_type: &str) -> Option<u32> {
        let mut types = self.overrides.iter().flat_map(|over| self.types_of(over));
        types.find(|(kind, _)| *kind == Some(instance_type)).map(|(_, weight)| weight)
    }

    /// The types that an override stands for, where it names any, with what each weighs.
    fn types_of<'a>(&'a self, over: &'a Override) -> Vec<(Option<&'a str>, u32)> {
        match &over.requirements {
            None => vec![(over.instance_type.as_deref(), over.weight.unwrap_or(1))],
            Some(requirements) => {
                let of = |kind: &'a Matching| (Some(kind.instance_type.as_str()), self.weight_of_matching(over, kind));
                requirements.matching.iter().map(of).collect()
            }
        }
    }

    /// What an instance of a type that meets an override's requirements weighs.
    pub(super) fn weight_of_matching(&self, over: &Override, kind: &Matching) -> u32 {
        over.weight.unwrap_or_else(|| self.counts.unwrap_or(CapacityType::Units).weight(kind))
    }

    /// The ids of all launch templates that it launches from.
    pub(super) fn templates(&self) -> impl Iterator<Item = &str> {
        let own = self.overrides.iter().filter_map(|over| over.template.as_ref());
        std::iter::once(&self.template).chain(own).map(|template| template.id.as_str())
    }

    /// Whether what it launches changes without the group's owner saying so.
    pub(super) fn is_floating(&self) -> bool {
        let own = self.overrides.iter().filter_map(|over| over.template.as_ref());
        std::iter::once(&self.template).chain(own).any(TemplateSpecification::is_floating)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(overrides: &[(&str, Option<u32>)], distribution: Distribution) -> MixedInstancesPolicy {
        let template = TemplateSpecification { id: "lt-1".into(), name: "web".into(), version: "1".into() };
        let over = |(kind, weight): &(&str, Option<u32>)| Override {
            instance_type: Some((*kind).to_string()),
            weight: *weight,
            ..Override::default()
        };
        MixedInstancesPolicy { template, overrides: overrides.iter().map(over).collect(), distribution, counts: None }
    }

    fn check(overrides: &[(&str, Option<u32>)], change: impl FnOnce(&mut Distribution), expected: &str) {
        let mut distribution = Distribution::default();
        change(&mut distribution);
        let policy = policy(overrides, distribution);
        let found = policy.check().err().map_or(String::new(), |refusal| refusal.message);
        assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{policy:?}: {found}");
    }

    #[test]
    fn weights_are_for_all_types_or_for_none_and_have_bounds() {
        check(&[], |_| {}, "");
        check(&[("a.large", None), ("b.large", None)], |_| {}, "");
        check(&[("a.large", Some(1)), ("b.large", Some(999))], |_| {}, "");
        check(&[("a.large", Some(1)), ("b.large", None)], |_| {}, "for all instance types");
        check(&[("a.large", Some(0))], |_| {}, "between 1 and 999");
        check(&[("a.large", Some(1000))], |_| {}, "between 1 and 999");
        check(&[("a.large", None); 41], |_| {}, "40 instance types");
    }

    #[test]
    fn a_distribution_does_not_contradict_itself() {
        check(&[], |it| it.spot_pools = Some(20), "");
        check(&[], |it| it.spot_pools = Some(21), "between 1 and 20");
        let pools = "SpotInstancePools option is only available with the lowest-price allocation strategy.";
        check(&[], |it| it.spot_strategy = SpotStrategy::CapacityOptimized, pools);
        check(&[], |it| *it = it.clone().with_spot_strategy(SpotStrategy::CapacityOptimized), "");
        check(&[], |it| it.on_demand_percent_above_base = 101, "between 0 and 100");
        check(&[], |it| it.spot_max_price = Some("0.05".into()), "");
        for price in ["0.0005", "cheap", "inf"] {
            check(&[], |it| it.spot_max_price = Some(price.into()), "at least 0.001");
        }
    }

    /// Source: the guide, "Create a mixed instances group using attribute-based instance type selection".
    #[test]
    fn requirements_stand_for_types_and_leave_no_room_for_priorities() {
        let kind = |name: &str, vcpus, memory_mib| Matching {
            instance_type: name.into(),
            vcpus,
            memory_mib,
            on_demand: true,
            spot: true,
        };
        let matching = vec![kind("c5.large", 2, 4096), kind("m5.xlarge", 4, 16_384)];
        let mut policy = policy(&[], Distribution::default());
        policy.overrides =
            vec![Override { requirements: Some(Requirements { given: Value::Null, matching }), ..Override::default() }];
        let refusal = |policy: &MixedInstancesPolicy| policy.check().unwrap_err().message;
        assert!(refusal(&policy).contains("Valid options are [lowest-price]."));
        policy.distribution.on_demand_strategy = OnDemandStrategy::LowestPrice;
        assert!(policy.check().is_ok());
        for (counts, weighted, weights) in [
            (None, false, [1, 1]),
            (Some(CapacityType::Units), false, [1, 1]),
            (Some(CapacityType::Vcpu), true, [2, 4]),
            (Some(CapacityType::MemoryMib), true, [4096, 16_384]),
        ] {
            policy.counts = counts;
            let found = ["c5.large", "m5.xlarge"].map(|kind| policy.weight_of_type(kind).unwrap());
            assert_eq!((policy.is_weighted(), found, policy.largest_weight()), (weighted, weights, weights[1]));
        }
        policy.distribution = policy.distribution.with_spot_strategy(SpotStrategy::CapacityOptimizedPrioritized);
        assert!(refusal(&policy).contains("SpotAllocationStrategy is not valid"));
        policy.overrides.clear();
        assert!(refusal(&policy).contains("DesiredCapacityType"));
    }

    #[test]
    fn pools_come_and_go_with_their_strategy() {
        let optimized = Distribution::default().with_spot_strategy(SpotStrategy::PriceCapacityOptimized);
        assert_eq!(optimized.spot_pools, None);
        assert_eq!(optimized.with_spot_strategy(SpotStrategy::LowestPrice).spot_pools, Some(2));
        assert!(SpotStrategy::parse("diversified").unwrap_err().message.contains("[capacity-optimized, "));
    }
}
