//! What instances cost and how much of each type EC2 has to spare: enough to order instance types by price and by
//! capacity, the same on every run. Start at [`on_demand_price`] and [`SpotPool`].
//!
//! AWS publishes no rule for the Spot market. Here each pool, a type in a zone, has a price and a depth that never change
//! and follow from its name. Nothing is charged by these figures; what a run costs is told from list prices.

use crate::engine::ids::Ids;
use crate::engine::names::Zone;

/// The bounds of a Spot price in percent of the On-Demand price.
///
/// Source: the example prices of the User Guide, "Configure an Auto Scaling group to use instance weights": 38 to 56 percent.
const SPOT_PERCENT: std::ops::RangeInclusive<u32> = 38..=56;

/// The bounds of a pool's depth. Ours: the scale of EC2's Spot placement scores.
const SPOT_DEPTH: std::ops::RangeInclusive<u32> = 1..=10;

/// US dollars an hour for the size `large` of the families in common use, On-Demand, Linux, US East (N. Virginia).
///
/// Source: aws.amazon.com/ec2/pricing/on-demand, 2025. Only their order matters.
const LARGE: &[(&str, f64)] = &[
    ("t2", 0.0928),
    ("t3", 0.0832),
    ("t3a", 0.0752),
    ("t4g", 0.0672),
    ("m4", 0.1),
    ("m5", 0.096),
    ("m5a", 0.086),
    ("m6a", 0.0864),
    ("m6g", 0.077),
    ("m6i", 0.096),
    ("m7a", 0.11592),
    ("m7g", 0.0816),
    ("m7i", 0.1008),
    ("c4", 0.1),
    ("c5", 0.085),
    ("c5a", 0.077),
    ("c6a", 0.0765),
    ("c6g", 0.068),
    ("c6i", 0.085),
    ("c7a", 0.10264),
    ("c7g", 0.0725),
    ("c7i", 0.08925),
    ("r4", 0.133),
    ("r5", 0.126),
    ("r5a", 0.113),
    ("r6a", 0.1134),
    ("r6g", 0.1008),
    ("r6i", 0.126),
    ("r7g", 0.1071),
    ("r7i", 0.1323),
];

/// What a family that is not listed counts for. Ours: between the general and the memory families.
const UNLISTED_LARGE: f64 = 0.1;

/// US dollars an hour On-Demand. Within a family the price doubles with the size.
pub fn on_demand_price(instance_type: &str) -> f64 {
    let (family, size) = instance_type.split_once('.').unwrap_or((instance_type, "large"));
    let large = LARGE.iter().find(|(name, _)| *name == family).map_or(UNLISTED_LARGE, |(_, price)| *price);
    large * times_large(size)
}

/// Whether the family of a type is listed.
pub fn has_price(instance_type: &str) -> bool {
    let family = instance_type.split('.').next().unwrap_or_default();
    LARGE.iter().any(|(name, _)| *name == family)
}

/// How many times a `large` a size is.
fn times_large(size: &str) -> f64 {
    match size {
        "nano" => 1.0 / 16.0,
        "micro" => 1.0 / 8.0,
        "small" => 1.0 / 4.0,
        "medium" => 1.0 / 2.0,
        "large" => 1.0,
        "xlarge" => 2.0,
        // The largest size of most families.
        size if size.starts_with("metal") => 48.0,
        size => {
            size.strip_suffix("xlarge").and_then(|times| times.parse::<f64>().ok()).map_or(1.0, |times| 2.0 * times)
        }
    }
}

/// Instances of one type that EC2 has unused in one zone.
#[derive(Debug, Clone, Copy)]
pub struct SpotPool<'a> {
    pub instance_type: &'a str,
    pub zone: &'a Zone,
}

impl SpotPool<'_> {
    /// US dollars an hour.
    pub fn price(self) -> f64 {
        on_demand_price(self.instance_type) * f64::from(self.percent()) / 100.0
    }

    /// The price in percent of the On-Demand price.
    pub fn percent(self) -> u32 {
        self.draw("price", &SPOT_PERCENT)
    }

    /// How much the pool has to spare; more is better.
    pub fn depth(self) -> u32 {
        self.draw("depth", &SPOT_DEPTH)
    }

    /// A number in `range` that follows from the pool's name alone.
    fn draw(self, what: &str, range: &std::ops::RangeInclusive<u32>) -> u32 {
        let purpose = format!("spot {what} {} {}", self.instance_type, self.zone);
        let span = u64::from(range.end() - range.start() + 1);
        range.start() + u32::try_from(Ids::new(0, &purpose).next_u64() % span).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: aws.amazon.com/ec2/pricing/on-demand.
    #[test]
    fn prices_double_with_the_size() {
        for (instance_type, price) in [
            ("t3.nano", 0.0052),
            ("t3.micro", 0.0104),
            ("c5.large", 0.085),
            ("c5.18xlarge", 3.06),
            ("m5.24xlarge", 4.608),
        ] {
            let found = on_demand_price(instance_type);
            assert!((found - price).abs() < 1e-9, "{instance_type}: {found}");
        }
    }

    #[test]
    fn a_pool_keeps_its_price_and_its_depth_and_costs_less_than_on_demand() {
        let zone = Zone::from("us-east-1a");
        for instance_type in ["t3.micro", "c5.large", "m5.24xlarge", "q1.odd"] {
            let pool = SpotPool { instance_type, zone: &zone };
            assert!((38..=56).contains(&pool.percent()) && (1..=10).contains(&pool.depth()), "{pool:?}");
            assert!(pool.price() < on_demand_price(instance_type), "{pool:?}");
            assert_eq!((pool.percent(), pool.depth()), (pool.percent(), pool.depth()));
        }
    }
}
