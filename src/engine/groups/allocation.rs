//! What a group with a mixed instances policy launches next and gives up first: pure functions of its distribution, what it
//! could launch and what it has. Start at [`next_purchase`] and [`by_preference`].
//!
//! Source: User Guide, "Auto Scaling groups with multiple instance types and purchase options", "Allocation strategies",
//! "Configure an Auto Scaling group to use instance weights" and "Termination policies", mixed instances groups.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::market::{SpotPool, on_demand_price};
use super::mixed::{Distribution, OnDemandStrategy, SpotStrategy};
use crate::engine::names::Zone;

/// How an instance is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Purchase {
    OnDemand,
    Spot,
}

impl Purchase {
    /// As activities name such instances.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OnDemand => "On-Demand",
            Self::Spot => "Spot",
        }
    }
}

/// How much of `capacity` is to be On-Demand: the base, then its percentage of the rest, rounded up.
pub fn on_demand_share(distribution: &Distribution, capacity: u32) -> u32 {
    let base = distribution.on_demand_base.min(capacity);
    let above = u64::from(capacity - base) * u64::from(distribution.on_demand_percent_above_base);
    base + u32::try_from(above.div_ceil(100)).unwrap_or(u32::MAX)
}

/// How the next instance is paid for in a group that is to have `capacity`, `on_demand` of which it has.
pub fn next_purchase(distribution: &Distribution, capacity: u32, on_demand: u32) -> Purchase {
    if on_demand < on_demand_share(distribution, capacity) { Purchase::OnDemand } else { Purchase::Spot }
}

/// Which kind of instance goes first when a group that has `on_demand` and `spot` capacity shrinks to `desired`: the one
/// of which there is more too much. Ours: of equals it is Spot, since AWS says only that it decides.
pub fn purchases_to_give_up(distribution: &Distribution, desired: u32, on_demand: u32, spot: u32) -> [Purchase; 2] {
    let share = on_demand_share(distribution, desired);
    let excess = |has: u32, wants: u32| i64::from(has) - i64::from(wants);
    match excess(on_demand, share) > excess(spot, desired - share) {
        true => [Purchase::OnDemand, Purchase::Spot],
        false => [Purchase::Spot, Purchase::OnDemand],
    }
}

/// An instance type that a policy offers in one zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offered<'a> {
    pub instance_type: &'a str,
    pub weight: u32,
    /// How many Spot Instances of it the group has in this zone.
    pub spot_count: u32,
}

impl Offered<'_> {
    /// The Spot price of a unit of capacity.
    pub fn spot_unit_price(&self, zone: &Zone) -> f64 {
        SpotPool { instance_type: self.instance_type, zone }.price() / f64::from(self.weight)
    }

    fn on_demand_unit_price(&self) -> f64 {
        on_demand_price(self.instance_type) / f64::from(self.weight)
    }

    fn depth(&self, zone: &Zone) -> u32 {
        SpotPool { instance_type: self.instance_type, zone }.depth()
    }
}

/// Places in `offered`, the type to launch next in `zone` first.
pub fn by_preference(
    distribution: &Distribution,
    purchase: Purchase,
    zone: &Zone,
    offered: &[Offered<'_>],
) -> Vec<usize> {
    let mut places = by_strategy(distribution, purchase, zone, offered);
    if let (Purchase::Spot, Some(pools)) = (purchase, distribution.spot_pools) {
        // Evenly over the pools with the lowest prices; the others only if those have nothing left.
        let pools = places.len().min(pools as usize);
        places[..pools].sort_by_key(|place| offered[*place].spot_count);
    }
    places
}

/// Places in `offered` as the strategy ranks them, whatever the group has.
fn by_strategy(distribution: &Distribution, purchase: Purchase, zone: &Zone, offered: &[Offered<'_>]) -> Vec<usize> {
    let cheaper = |a: &Offered<'_>, b: &Offered<'_>| a.on_demand_unit_price().total_cmp(&b.on_demand_unit_price());
    let cheaper_spot = |a: &Offered<'_>, b: &Offered<'_>| a.spot_unit_price(zone).total_cmp(&b.spot_unit_price(zone));
    let deeper = |a: &Offered<'_>, b: &Offered<'_>| b.depth(zone).cmp(&a.depth(zone));
    let order = |a: &Offered<'_>, b: &Offered<'_>| match (purchase, distribution.spot_strategy) {
        (Purchase::OnDemand, _) => match distribution.on_demand_strategy {
            OnDemandStrategy::Prioritized => Ordering::Equal,
            OnDemandStrategy::LowestPrice => cheaper(a, b),
        },
        (Purchase::Spot, SpotStrategy::LowestPrice) => cheaper_spot(a, b),
        // The sort is stable, so that equals keep the order of the overrides, which is their priority.
        (Purchase::Spot, SpotStrategy::CapacityOptimized) => deeper(a, b),
        (Purchase::Spot, SpotStrategy::CapacityOptimizedPrioritized) => {
            coarse(b.depth(zone)).cmp(&coarse(a.depth(zone)))
        }
        (Purchase::Spot, SpotStrategy::PriceCapacityOptimized) => {
            coarse(b.depth(zone)).cmp(&coarse(a.depth(zone))).then_with(|| cheaper_spot(a, b))
        }
    };
    let mut places: Vec<usize> = (0..offered.len()).collect();
    places.sort_by(|a, b| order(&offered[*a], &offered[*b]));
    places
}

/// Whether a pool has plenty. Ours: strategies that look at capacity first and at something else too take all pools of
/// the upper half of the scale for equally good.
fn coarse(depth: u32) -> bool {
    depth > 5
}

/// How badly an instance fits its policy: greater goes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Misfit {
    /// Its type's place in the strategy's order; the types within the pools of `lowest-price` share the first.
    rank: usize,
    /// With `lowest-price`, how many Spot Instances share its pool.
    crowd: u32,
}

/// How badly an instance of a type fits, in its zone.
pub fn misfit(
    distribution: &Distribution,
    purchase: Purchase,
    zone: &Zone,
    offered: &[Offered<'_>],
    instance_type: &str,
) -> Misfit {
    let order = by_strategy(distribution, purchase, zone, offered);
    let place = order.iter().position(|place| offered[*place].instance_type == instance_type);
    let Some(rank) = place else { return Misfit { rank: usize::MAX, crowd: 0 } };
    match (purchase, distribution.spot_pools) {
        // Source: the guide, 2022: not honored by termination policies.
        (Purchase::OnDemand, _) if distribution.on_demand_strategy == OnDemandStrategy::LowestPrice => {
            Misfit::default()
        }
        (Purchase::Spot, Some(pools)) if rank < pools as usize => {
            Misfit { rank: 0, crowd: offered[order[rank]].spot_count }
        }
        _ => Misfit { rank, crowd: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(base: u32, percent: u32) -> Distribution {
        Distribution { on_demand_base: base, on_demand_percent_above_base: percent, ..Distribution::default() }
    }

    fn of_spot(strategy: SpotStrategy) -> Distribution {
        distribution(0, 0).with_spot_strategy(strategy)
    }

    /// Source: the guide's table "Scaling behavior", and its rule that fractions go to On-Demand.
    #[test]
    fn the_on_demand_share_is_the_guides() {
        for (base, percent, shares) in [
            (10, 50, [10, 15, 20, 25]),
            (0, 0, [0, 0, 0, 0]),
            (0, 60, [6, 12, 18, 24]),
            (0, 100, [10, 20, 30, 40]),
            (12, 0, [10, 12, 12, 12]),
            (0, 33, [4, 7, 10, 14]),
        ] {
            let found = [10, 20, 30, 40].map(|capacity| on_demand_share(&distribution(base, percent), capacity));
            assert_eq!(found, shares, "base {base}, {percent} %");
        }
    }

    #[test]
    fn the_base_comes_first_and_the_rest_keeps_its_proportion() {
        let order = |base: u32, percent: u32, count: u32| -> String {
            let (distribution, mut on_demand, mut order) = (distribution(base, percent), 0, String::new());
            for capacity in 1..=count {
                let purchase = next_purchase(&distribution, capacity, on_demand);
                on_demand += u32::from(purchase == Purchase::OnDemand);
                order.push(if purchase == Purchase::OnDemand { 'd' } else { 's' });
            }
            order
        };
        assert_eq!(order(2, 50, 8), "dddsdsds");
        assert_eq!(order(0, 0, 3), "sss");
        assert_eq!(order(0, 100, 3), "ddd");
        assert_eq!(order(0, 25, 8), "dsssdsss");
    }

    #[test]
    fn what_is_most_in_excess_goes_first() {
        for (on_demand, spot, desired, expected) in [
            (5, 5, 9, Purchase::Spot),
            (6, 4, 9, Purchase::OnDemand),
            (4, 6, 9, Purchase::Spot),
            (2, 2, 3, Purchase::Spot),
        ] {
            let [first, _] = purchases_to_give_up(&distribution(0, 50), desired, on_demand, spot);
            assert_eq!(first, expected, "{on_demand} and {spot} to {desired}");
        }
    }

    fn offered<'a>(types: &[(&'a str, u32, u32)]) -> Vec<Offered<'a>> {
        let offer = |(instance_type, weight, spot_count): &(&'a str, u32, u32)| Offered {
            instance_type,
            weight: *weight,
            spot_count: *spot_count,
        };
        types.iter().map(offer).collect()
    }

    #[test]
    fn on_demand_goes_by_priority_or_by_the_price_of_a_unit() {
        let zone = Zone::from("us-east-1a");
        let check = |strategy: OnDemandStrategy, types: &[(&str, u32, u32)], expected: &[usize]| {
            let distribution = Distribution { on_demand_strategy: strategy, ..Distribution::default() };
            let found = by_preference(&distribution, Purchase::OnDemand, &zone, &offered(types));
            assert_eq!(found, expected, "{strategy:?} of {types:?}");
        };
        let types = [("c5.large", 1, 0), ("c4.large", 1, 0), ("t3.micro", 1, 0)];
        check(OnDemandStrategy::Prioritized, &types, &[0, 1, 2]);
        check(OnDemandStrategy::LowestPrice, &types, &[2, 0, 1]);
        // A c5.18xlarge for 18 units costs as much a unit as a c5.large; for 40 units it costs less.
        check(OnDemandStrategy::LowestPrice, &[("c5.large", 1, 0), ("c5.18xlarge", 40, 0)], &[1, 0]);
    }

    #[test]
    fn spot_goes_to_the_cheapest_pools_in_turn() {
        let zone = Zone::from("us-east-1a");
        let types = [("m5.24xlarge", 1, 0), ("t3.nano", 1, 1), ("t3.small", 1, 0), ("c5.large", 1, 0)];
        let found = by_preference(&of_spot(SpotStrategy::LowestPrice), Purchase::Spot, &zone, &offered(&types));
        assert_eq!(found, [2, 1, 3, 0], "two pools, the emptier first, then the next cheapest");
    }

    /// Which pool is deep is ours; that depth decides is AWS's.
    #[test]
    fn spot_goes_to_the_deepest_pool_or_to_the_cheapest_of_the_deep() {
        let zone = Zone::from("us-east-1a");
        let types: Vec<(&str, u32, u32)> =
            ["m5.large", "c5.large", "r5.large", "t3.large", "m4.large", "c4.large"].map(|kind| (kind, 1, 0)).to_vec();
        let offered = offered(&types);
        let depths = |strategy: SpotStrategy| -> Vec<u32> {
            let places = by_preference(&of_spot(strategy), Purchase::Spot, &zone, &offered);
            places.iter().map(|place| offered[*place].depth(&zone)).collect()
        };
        assert!(depths(SpotStrategy::CapacityOptimized).is_sorted_by(|a, b| a >= b));
        let plenty = |depth: &u32| !coarse(*depth);
        assert!(depths(SpotStrategy::PriceCapacityOptimized).is_sorted_by_key(plenty));
        assert!(depths(SpotStrategy::CapacityOptimizedPrioritized).is_sorted_by_key(plenty));
    }

    #[test]
    fn an_instance_of_a_type_that_is_gone_fits_worst() {
        let zone = Zone::from("us-east-1a");
        let types = [("c5.large", 1, 0), ("c4.large", 1, 0)];
        let offered = offered(&types);
        let on_demand = |kind: &str| misfit(&Distribution::default(), Purchase::OnDemand, &zone, &offered, kind);
        assert!(on_demand("c5.large") < on_demand("c4.large"));
        assert!(on_demand("c4.large") < on_demand("c3.large"));
    }

    #[test]
    fn of_the_cheapest_pools_the_fuller_gives_first() {
        let zone = Zone::from("us-east-1a");
        let types = [("t3.nano", 1, 3), ("t3.small", 1, 1), ("m5.24xlarge", 1, 1)];
        let offered = offered(&types);
        let spot = |kind: &str| misfit(&of_spot(SpotStrategy::LowestPrice), Purchase::Spot, &zone, &offered, kind);
        assert!(spot("t3.small") < spot("t3.nano"));
        assert!(spot("t3.nano") < spot("m5.24xlarge"), "a pool beyond the cheapest two");
    }
}
