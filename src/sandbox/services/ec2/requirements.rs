//! Which instance types have what an Auto Scaling group requires of them. Start at [`matching`].
//!
//! Source: the API reference, InstanceRequirements. The types that are looked at are those with a price in `market.rs`, none
//! of which has accelerators. Not looked at, because the tables do not tell them: bandwidths, hibernation and baseline
//! performance.

use super::image;
use super::instance_type::{InstanceType, offered};
use crate::engine::groups::market::{has_price, on_demand_price};
use crate::engine::groups::mixed::{CapacityType, Matching};
use crate::sandbox::models::autoscaling::InstanceRequirements;
use crate::sandbox::region::Region;

/// How much more than the cheapest matching type another may cost, in percent. Source: InstanceRequirements.
const ON_DEMAND_PERCENT_OVER_LOWEST: i64 = 20;
const SPOT_PERCENT_OVER_LOWEST: i64 = 100;

/// The types that meet requirements and that an image runs on, the cheapest first.
pub fn matching(
    region: &Region,
    image: Option<&str>,
    asked: &InstanceRequirements,
    counts: CapacityType,
) -> Vec<Matching> {
    let architecture = image.and_then(|id| image::known(region, id).ok()).and_then(|image| image.architecture);
    let runs = |kind: &InstanceType| match &architecture {
        Some(wanted) => kind.architectures().contains(&wanted.as_str()),
        None => true,
    };
    let found = candidates(&region.world.place.region).filter(|kind| runs(kind) && meets(kind, asked));
    within_prices(found.collect(), asked, counts)
}

/// Types without a price cannot be held against others.
fn candidates(region: &str) -> impl Iterator<Item = InstanceType> {
    offered(region).into_iter().filter(|kind| has_price(&kind.name))
}

fn meets(kind: &InstanceType, asked: &InstanceRequirements) -> bool {
    let needs_accelerators = [
        asked.accelerator_count.as_ref().is_some_and(|count| count.min.is_some_and(|least| least > 0)),
        asked.accelerator_types.is_some(),
        asked.accelerator_names.is_some(),
        asked.accelerator_manufacturers.is_some(),
        asked.accelerator_total_memory_mi_b.is_some(),
    ];
    let memory_gib_per_vcpu = kind.memory_mib as f64 / 1024.0 / kind.vcpus as f64;
    let local_gb = kind.disks().map_or(0.0, |disks| (disks.count * disks.gb) as f64);
    let manufacturer = match kind.manufacturer() {
        "AWS" => "amazon-web-services",
        "AMD" => "amd",
        _ => "intel",
    };
    let named = |patterns: &Option<Vec<String>>| {
        patterns.as_ref().map(|all| all.iter().any(|pattern| matches_pattern(pattern, &kind.name)))
    };
    [
        asked.v_cpu_count.as_ref().is_none_or(|range| within(kind.vcpus, range.min, range.max)),
        asked.memory_mi_b.as_ref().is_none_or(|range| within(kind.memory_mib, range.min, range.max)),
        asked.memory_gi_b_per_v_cpu.as_ref().is_none_or(|range| within(memory_gib_per_vcpu, range.min, range.max)),
        asked.network_interface_count.as_ref().is_none_or(|range| within(kind.most_interfaces(), range.min, range.max)),
        lists(&asked.cpu_manufacturers, manufacturer),
        lists(&asked.instance_generations, if kind.is_current() { "current" } else { "previous" }),
        allows(asked.burstable_performance.as_deref().unwrap_or("excluded"), kind.is_burstable()),
        allows(asked.bare_metal.as_deref().unwrap_or("excluded"), kind.is_metal()),
        allows(asked.local_storage.as_deref().unwrap_or("included"), kind.disks().is_some()),
        asked.total_local_storage_gb.as_ref().is_none_or(|range| within(local_gb, range.min, range.max)),
        kind.has_gpus() == needs_accelerators.contains(&true),
        named(&asked.excluded_instance_types) != Some(true),
        named(&asked.allowed_instance_types) != Some(false),
    ]
    .into_iter()
    .all(|met| met)
}

fn within<T: PartialOrd>(value: T, least: Option<T>, most: Option<T>) -> bool {
    least.is_none_or(|least| value >= least) && most.is_none_or(|most| value <= most)
}

/// An absent or empty list takes everything.
fn lists(wanted: &Option<Vec<String>>, value: &str) -> bool {
    wanted.as_ref().is_none_or(|all| all.is_empty() || all.iter().any(|one| one == value))
}

/// `excluded`, `included` or `required`.
fn allows(wanted: &str, has: bool) -> bool {
    match wanted {
        "excluded" => !has,
        "required" => has,
        _ => true,
    }
}

/// Names with asterisks in them: `c5*`, `m5a.*`, `*3*`.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|left| {
            let starts = left.char_indices().map(|(at, _)| at).chain([left.len()]);
            starts.into_iter().any(|at| matches_pattern(rest, &left[at..]))
        }),
    }
}

/// The types with the prices that the requirements allow, each for what it may be bought for.
///
/// Source: InstanceRequirements: the cheapest matching type of the general, compute and memory families is the measure, or the
/// cheapest of all if there is none; a price is that of a vCPU or of memory where the capacity counts those.
fn within_prices(mut found: Vec<InstanceType>, asked: &InstanceRequirements, counts: CapacityType) -> Vec<Matching> {
    let price = |kind: &InstanceType| {
        on_demand_price(&kind.name)
            / match counts {
                CapacityType::Units => 1.0,
                CapacityType::Vcpu => kind.vcpus as f64,
                CapacityType::MemoryMib => kind.memory_mib as f64,
            }
    };
    found.sort_by(|a, b| price(a).total_cmp(&price(b)).then_with(|| a.name.cmp(&b.name)));
    let measure = found.iter().find(|kind| kind.name.starts_with(['c', 'm', 'r'])).or(found.first()).map(price);
    let Some(measure) = measure else { return Vec::new() };
    let over = |percent: i64| measure * (1.0 + percent as f64 / 100.0) + f64::EPSILON;
    let most_on_demand =
        over(asked.on_demand_max_price_percentage_over_lowest_price.unwrap_or(ON_DEMAND_PERCENT_OVER_LOWEST));
    let most_spot = match asked.max_spot_price_as_percentage_of_optimal_on_demand_price {
        Some(percent) => over(percent - 100),
        None => over(asked.spot_max_price_percentage_over_lowest_price.unwrap_or(SPOT_PERCENT_OVER_LOWEST)),
    };
    let small = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let shown = found.iter().map(|kind| Matching {
        instance_type: kind.name.clone(),
        vcpus: small(kind.vcpus),
        memory_mib: small(kind.memory_mib),
        on_demand: price(kind) <= most_on_demand,
        spot: price(kind) <= most_spot,
    });
    shown.filter(|kind| kind.on_demand || kind.spot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::models::autoscaling::{AcceleratorCountRequest, MemoryMiBRequest, VCpuCountRequest};

    fn at_least(vcpus: i64, memory_mib: i64) -> InstanceRequirements {
        InstanceRequirements {
            v_cpu_count: Some(VCpuCountRequest { min: Some(vcpus), max: None }),
            memory_mi_b: Some(MemoryMiBRequest { min: Some(memory_mib), max: None }),
            ..Default::default()
        }
    }

    fn names(asked: &InstanceRequirements) -> Vec<String> {
        candidates("us-east-1").filter(|kind| meets(kind, asked)).map(|kind| kind.name).collect()
    }

    #[test]
    fn burstable_types_are_left_out_unless_they_are_asked_for() {
        let asked = at_least(2, 4096);
        assert!(names(&asked).iter().all(|name| !name.starts_with('t')));
        let required = InstanceRequirements { burstable_performance: Some("required".into()), ..at_least(2, 4096) };
        assert!(!names(&required).is_empty() && names(&required).iter().all(|name| name.starts_with('t')));
        assert!(names(&asked).contains(&"c5.large".to_string()));
        assert!(!names(&at_least(4, 4096)).contains(&"c5.large".to_string()));
    }

    #[test]
    fn what_no_type_here_has_leaves_none() {
        let count = |min, max| Some(AcceleratorCountRequest { min, max });
        let none = [
            InstanceRequirements { accelerator_count: count(Some(1), None), ..at_least(1, 512) },
            InstanceRequirements { accelerator_types: Some(vec!["gpu".into()]), ..at_least(1, 512) },
        ];
        assert!(none.iter().all(|asked| names(asked).is_empty()));
        let metal = InstanceRequirements { bare_metal: Some("required".into()), ..at_least(1, 512) };
        assert!(names(&metal).iter().all(|name| name.contains("metal")));
        assert!(names(&at_least(1, 512)).iter().all(|name| !name.contains("metal")));
        // Zero at most is what they all have.
        assert!(
            !names(&InstanceRequirements { accelerator_count: count(None, Some(0)), ..at_least(1, 512) }).is_empty()
        );
    }

    #[test]
    fn patterns_take_sizes_and_families() {
        for (pattern, name, matches) in [
            ("m5.large", "m5.large", true),
            ("m5.*", "m5.large", true),
            ("m5.*", "m5a.large", false),
            ("m5*", "m5a.large", true),
            ("*5*", "c5.xlarge", true),
            ("*nano", "t3.nano", true),
            ("*nano", "t3.micro", false),
        ] {
            assert_eq!(matches_pattern(pattern, name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn prices_are_held_against_the_cheapest_match() {
        let of = |asked: &InstanceRequirements, counts| {
            let found = candidates("us-east-1").filter(|kind| meets(kind, asked)).collect();
            within_prices(found, asked, counts)
        };
        let asked = InstanceRequirements { cpu_manufacturers: Some(vec!["intel".into()]), ..at_least(2, 4096) };
        let found = of(&asked, CapacityType::Units);
        assert_eq!(found[0].instance_type, "c5.large");
        let on_demand: Vec<&str> =
            found.iter().filter(|kind| kind.on_demand).map(|kind| kind.instance_type.as_str()).collect();
        // 0.085 and 20 percent of it: the large sizes of c5, c6i, c7i, m4, m5, m6i and m7i, and not r5 at 0.126.
        assert_eq!(on_demand, ["c5.large", "c6i.large", "c7i.large", "m5.large", "m6i.large", "m4.large", "m7i.large"]);
        assert!(found.iter().any(|kind| kind.instance_type == "r5.large" && kind.spot));
        assert!(found.iter().all(|kind| kind.instance_type != "c5.4xlarge"));
        // Sizes of a family cost the same for each vCPU.
        assert!(of(&asked, CapacityType::Vcpu).iter().any(|kind| kind.instance_type == "c5.4xlarge"));
    }
}
