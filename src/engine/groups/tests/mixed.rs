//! Groups with mixed instances policies: weights, purchase options, types.

use proptest::prelude::*;

use super::*;
use crate::engine::groups::allocation::Purchase;
use crate::engine::groups::mixed::{Distribution, MixedInstancesPolicy, OnDemandStrategy, Override, SpotStrategy};
use crate::engine::groups::refresh::RefreshPreferences;
use crate::engine::groups::termination::TerminationPolicy;

fn web() -> GroupName {
    "web".into()
}

/// `type` or `type:weight`, separated by spaces.
fn overrides(types: &str) -> Vec<Override> {
    let over = |word: &str| {
        let (kind, weight) = word.split_once(':').map_or((word, None), |(kind, weight)| (kind, Some(weight)));
        let weight = weight.map(|weight| weight.parse().unwrap());
        Override { instance_type: Some(kind.into()), weight, ..Override::default() }
    };
    types.split_whitespace().map(over).collect()
}

fn distribution(base: u32, percent: u32) -> Distribution {
    Distribution { on_demand_base: base, on_demand_percent_above_base: percent, ..Distribution::default() }
}

impl Stage {
    fn policy(&self, types: &str, distribution: Distribution) -> LaunchSource {
        let template = self.groups.template_specification(None, Some("web"), Some("1")).unwrap();
        LaunchSource::Mixed(Box::new(MixedInstancesPolicy {
            template,
            overrides: overrides(types),
            distribution,
            counts: None,
        }))
    }

    fn create_mixed(&mut self, sizes: (u32, u32, u32), types: &str, distribution: Distribution) {
        let (min, desired, max) = sizes;
        let mut spec = self.spec("web", min, desired, max);
        spec.settings.launch = self.policy(types, distribution);
        self.call(|groups, now| groups.create_group(now, spec)).unwrap();
    }

    fn mixed(sizes: (u32, u32, u32), types: &str, distribution: Distribution) -> Self {
        let mut stage = Self::new(Timing::Realistic);
        stage.create_mixed(sizes, types, distribution);
        stage.run_for(300);
        stage
    }

    fn update_launch(&mut self, launch: LaunchSource) -> Result<(), Refusal> {
        let settings = Settings { launch, ..self.group().settings.clone() };
        let change = GroupChange { min_size: None, max_size: None, desired_capacity: None, settings };
        self.call(|groups, now| groups.update_group(now, &web(), change))
    }

    fn set(&mut self, desired: u32) {
        self.call(|groups, now| groups.set_desired_capacity(now, &web(), desired, false)).unwrap();
    }

    /// Types of members that are there to stay; Spot Instances with an `s`.
    fn types(&self) -> String {
        let members = self.groups.members(self.group());
        let active = members.filter(|(_, member)| member.lifecycle.is_active()).map(|(instance, _)| instance);
        let name = |instance: &Instance| match instance.purchase() {
            Purchase::Spot => format!("{}/s", instance.instance_type),
            Purchase::OnDemand => instance.instance_type.clone(),
        };
        let mut names: Vec<String> = active.map(name).collect();
        names.sort();
        names.join(" ")
    }

    fn capacity(&self) -> u32 {
        self.groups.active(&web())
    }
}

/// Source: the guide's example: 2 and 12 units, 5 left, 7 too much.
#[test]
fn instances_are_launched_until_the_desired_capacity_is_fulfilled() {
    for (types, desired, expected, capacity) in [
        ("c5.2xlarge:2 c5.12xlarge:12", 5, "c5.2xlarge c5.2xlarge c5.2xlarge", 6),
        ("c5.12xlarge:12 c5.2xlarge:2", 5, "c5.12xlarge", 12),
        ("t3.micro t3.small", 3, "t3.micro t3.micro t3.micro", 3),
        ("", 2, "t2.nano t2.nano", 2),
    ] {
        let stage = Stage::mixed((0, desired, 100), types, distribution(0, 100));
        assert_eq!((stage.types().as_str(), stage.capacity()), (expected, capacity), "{types:?} for {desired}");
    }
}

#[test]
fn the_base_is_on_demand_and_the_rest_is_divided() {
    for (base, percent, expected) in [
        (1, 0, "t3.micro t3.micro/s t3.micro/s t3.micro/s"),
        (0, 50, "t3.micro t3.micro t3.micro/s t3.micro/s"),
        (2, 50, "t3.micro t3.micro t3.micro t3.micro/s"),
        (0, 100, "t3.micro t3.micro t3.micro t3.micro"),
    ] {
        let stage = Stage::mixed((0, 4, 9), "t3.micro", distribution(base, percent));
        assert_eq!(stage.types(), expected, "base {base}, {percent} %");
    }
}

#[test]
fn scaling_in_never_goes_below_the_desired_capacity() {
    let mut stage = Stage::mixed((0, 12, 20), "c5.large:4", distribution(0, 100));
    for (desired, capacity) in [(11, 12), (9, 12), (8, 8), (1, 4), (0, 0)] {
        stage.set(desired);
        stage.run_for(600);
        assert_eq!(stage.capacity(), capacity, "desired {desired}");
    }
}

#[test]
fn what_a_large_weight_was_too_much_stays_until_less_is_asked_for() {
    let distribution = distribution(0, 0).with_spot_strategy(SpotStrategy::LowestPrice);
    // Two pools in turn: the desired 3 are met by 1 + 4, and the small one is not taken away again.
    let mut stage = Stage::new(Timing::Realistic);
    let mut spec = stage.spec("web", 0, 3, 20);
    spec.settings.placements.truncate(1);
    spec.settings.launch = stage.policy("t3.nano:1 t3.micro:4", distribution);
    stage.call(|groups, now| groups.create_group(now, spec)).unwrap();
    stage.run_for(7200);
    let before = stage.types();
    assert!(before == "t3.micro/s" || before == "t3.micro/s t3.nano/s", "{before}");
    stage.set(2);
    stage.run_for(600);
    assert_eq!(stage.types(), "t3.micro/s");
}

#[test]
fn a_type_that_a_zone_lacks_leaves_the_launch_to_the_next_type() {
    let mut stage = Stage::new(Timing::Realistic);
    stage.groups.set_type_capacity("t3.micro", zone_of('a'), false);
    stage.create_mixed((0, 2, 4), "t3.micro t3.small", distribution(0, 100));
    stage.run_for(300);
    assert_eq!(stage.types(), "t3.micro t3.small", "zone a has small ones only");
}

fn zone_of(letter: char) -> Zone {
    Zone(format!("us-east-1{letter}"))
}

#[test]
fn without_spot_capacity_nothing_is_launched_on_demand_instead() {
    let mut stage = Stage::new(Timing::Realistic);
    for letter in ['a', 'b'] {
        stage.groups.set_type_capacity("t3.micro", zone_of(letter), false);
    }
    stage.create_mixed((0, 1, 4), "t3.micro", distribution(0, 0));
    stage.run_for(30);
    let (description, status, _) = stage.activities().remove(0);
    assert_eq!(
        (description.as_str(), status),
        (
            "Launching a new EC2 instance.  Status Reason: Could not launch Spot Instances. \
             InsufficientInstanceCapacity - There is no Spot capacity available that matches your request. Launching EC2 \
             instance failed.",
            "Failed"
        )
    );
    assert_eq!(stage.types(), "");
    stage.groups.set_type_capacity("t3.micro", zone_of('a'), true);
    stage.run_for(300);
    assert_eq!(stage.types(), "t3.micro/s");
}

#[test]
fn a_price_below_the_market_launches_nothing() {
    let cheap = Distribution { spot_max_price: Some("0.001".into()), ..distribution(0, 0) };
    let mut stage = Stage::new(Timing::Realistic);
    stage.create_mixed((0, 1, 4), "m5.large", cheap);
    stage.run_for(30);
    let (description, _, _) = stage.activities().remove(0);
    assert!(
        description.contains("SpotMaxPriceTooLow - Your Spot request price of 0.001 is lower than"),
        "{description}"
    );
}

#[test]
fn the_purchase_option_in_excess_goes_first() {
    let mut stage = Stage::mixed((0, 4, 9), "t3.micro t3.small", distribution(0, 50));
    assert_eq!(stage.types().matches("/s").count(), 2, "{}", stage.types());
    let launch = stage.policy("t3.small t3.micro", distribution(0, 100));
    stage.update_launch(launch).unwrap();
    stage.set(3);
    stage.run_for(300);
    assert_eq!(stage.types().matches("/s").count(), 1, "Spot is in excess: {}", stage.types());
    stage.set(2);
    stage.run_for(300);
    assert_eq!(stage.types(), "t3.micro t3.micro");
}

/// Source: the guide, "Default termination policy and mixed instances groups": the order of the types was changed.
#[test]
fn scaling_in_shifts_a_group_to_the_preferred_type() {
    for policy in [TerminationPolicy::Default, TerminationPolicy::AllocationStrategy] {
        let mut stage = Stage::mixed((0, 2, 9), "t3.micro t3.small", distribution(0, 100));
        let launch = stage.policy("t3.small t3.micro", distribution(0, 100));
        stage.update_launch(launch).unwrap();
        stage.set(4);
        stage.run_for(300);
        assert_eq!(stage.types(), "t3.micro t3.micro t3.small t3.small");
        let mut settings = stage.group().settings.clone();
        settings.termination_policies = vec![policy];
        let change = GroupChange { min_size: None, max_size: None, desired_capacity: Some(2), settings };
        stage.call(|groups, now| groups.update_group(now, &web(), change)).unwrap();
        stage.run_for(300);
        assert_eq!(stage.types(), "t3.small t3.small", "{policy:?}");
    }
}

#[test]
fn new_weights_count_for_instances_that_run_and_leave_out_none_of_them() {
    let mut stage = Stage::mixed((0, 4, 20), "t3.micro t3.small", distribution(0, 100));
    let without = stage.policy("t3.small:2", distribution(0, 100));
    let refusal = stage.update_launch(without).unwrap_err();
    assert_eq!(
        refusal.message,
        "Cannot configure weights because instance type [t3.micro] is not in the overrides but is currently running in \
         the group. Add [t3.micro] to the overrides, specify a weight, and try again."
    );
    let weighted = stage.policy("t3.micro:2 t3.small:2", distribution(0, 100));
    stage.update_launch(weighted).unwrap();
    assert_eq!(stage.capacity(), 8);
    stage.run_for(600);
    assert_eq!(stage.types(), "t3.micro t3.micro", "4 units of 2 each");
    // A type that is taken out keeps its last weight.
    let other = stage.policy("t3.small:3", distribution(0, 100));
    stage.update_launch(other).unwrap();
    assert_eq!(stage.capacity(), 4);
}

#[test]
fn nothing_is_attached_to_a_group_with_weights() {
    let mut stage = Stage::mixed((0, 4, 20), "t3.micro:2", distribution(0, 100));
    let id = stage.member_ids().remove(0);
    stage.call(|groups, now| groups.detach_instances(now, &web(), std::slice::from_ref(&id), true)).unwrap();
    stage.run_for(60);
    assert_eq!(stage.group().desired_capacity, 2);
    let refusal = stage.call(|groups, now| groups.attach_instances(now, &web(), &[id])).unwrap_err();
    assert_eq!(refusal.code, "ValidationError");
}

#[test]
fn a_refresh_that_skips_what_matches_replaces_types_that_are_no_longer_wanted() {
    let mut stage = Stage::new(Timing::Realistic);
    stage.groups.set_type_capacity("t3.micro", zone_of('a'), false);
    stage.create_mixed((0, 2, 4), "t3.micro t3.small", distribution(0, 100));
    stage.run_for(300);
    stage.groups.set_type_capacity("t3.micro", zone_of('a'), true);
    let kept: Vec<InstanceId> = {
        let micro = |(instance, _): &(&Instance, &Membership)| instance.instance_type == "t3.micro";
        stage.groups.members(stage.group()).filter(micro).map(|(instance, _)| instance.id.clone()).collect()
    };
    let desired = stage.policy("t3.micro", distribution(0, 100));
    let preferences = RefreshPreferences { skip_matching: true, ..RefreshPreferences::default() };
    stage.call(|groups, now| groups.start_instance_refresh(now, &web(), Some(desired), preferences)).unwrap();
    stage.run_for(3600);
    assert_eq!(stage.types(), "t3.micro t3.micro");
    assert_eq!(kept.len(), 1);
    assert!(stage.group().members.contains(&kept[0]), "what matched stayed");
}

#[test]
fn a_template_that_asks_for_spot_itself_is_refused() {
    let mut stage = Stage::new(Timing::Realistic);
    let data = json!({"ImageId": "ami-1", "InstanceMarketOptions": {"MarketType": "spot"}});
    let now = stage.now;
    stage.groups.create_launch_template(now, "spot", None, data, BTreeMap::new()).unwrap();
    let mut spec = stage.spec("web", 0, 1, 1);
    let template = stage.groups.template_specification(None, Some("spot"), None).unwrap();
    let distribution = distribution(0, 0);
    spec.settings.launch = LaunchSource::Mixed(Box::new(MixedInstancesPolicy {
        template,
        overrides: Vec::new(),
        distribution,
        counts: None,
    }));
    let refusal = stage.call(|groups, now| groups.create_group(now, spec)).unwrap_err();
    assert_eq!(refusal.code, "InvalidQueryParameter");
    assert!(refusal.message.starts_with("Incompatible launch template: "), "{}", refusal.message);
}

fn any_policy() -> impl Strategy<Value = (Vec<Override>, Distribution)> {
    let types = prop::sample::subsequence(vec!["t3.micro", "c5.large", "m5.large", "r5.2xlarge"], 1..=4);
    let weights = prop::option::of(prop::collection::vec(1_u32..10, 4));
    let spot = prop::sample::select(SpotStrategy::ALL);
    let on_demand = prop::sample::select(OnDemandStrategy::ALL);
    (types, weights, spot, on_demand, 0_u32..10, 0_u32..=100, 1_u32..4).prop_map(
        |(types, weights, spot, on_demand, base, percent, pools)| {
            let over = |(place, kind): (usize, &str)| Override {
                instance_type: Some(kind.into()),
                weight: weights.as_ref().map(|weights| weights[place]),
                ..Override::default()
            };
            let mut distribution =
                Distribution { on_demand_strategy: on_demand, ..distribution(base, percent) }.with_spot_strategy(spot);
            distribution.spot_pools = distribution.spot_pools.map(|_| pools);
            (types.into_iter().enumerate().map(over).collect(), distribution)
        },
    )
}

/// What a user or EC2 does to a mixed group.
#[derive(Debug, Clone)]
enum Act {
    Wait(u64),
    SetDesired(u32),
    Lose(usize),
    Detach(usize),
    Lack { kind: usize, second: bool, lacks: bool },
    Become((Vec<Override>, Distribution)),
    Refresh,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1_u64..300).prop_map(Act::Wait),
        4 => (0_u32..40).prop_map(Act::SetDesired),
        1 => (0_usize..12).prop_map(Act::Lose),
        1 => (0_usize..12).prop_map(Act::Detach),
        1 => (0_usize..4, any::<bool>(), any::<bool>()).prop_map(|(kind, second, lacks)| Act::Lack { kind, second, lacks }),
        1 => any_policy().prop_map(Act::Become),
        1 => Just(Act::Refresh),
    ]
}

impl Stage {
    fn mixed_of(&self, (overrides, distribution): &(Vec<Override>, Distribution)) -> LaunchSource {
        let template = self.groups.template_specification(None, Some("web"), Some("1")).unwrap();
        let (overrides, distribution) = (overrides.clone(), distribution.clone());
        LaunchSource::Mixed(Box::new(MixedInstancesPolicy { template, overrides, distribution, counts: None }))
    }

    fn act_mixed(&mut self, act: &Act) {
        match act {
            Act::Wait(secs) => self.run_for(*secs),
            Act::SetDesired(to) => self.set(*to),
            Act::Lose(at) => {
                let ids: Vec<InstanceId> = self.member_ids().get(*at).cloned().into_iter().collect();
                self.call(|groups, now| groups.terminate_instances(now, &ids)).unwrap();
            }
            Act::Detach(at) => {
                let ids: Vec<InstanceId> = self.member_ids().get(*at).cloned().into_iter().collect();
                let _ = self.call(|groups, now| groups.detach_instances(now, &web(), &ids, false));
            }
            Act::Lack { kind, second, lacks } => {
                let kind = ["t3.micro", "c5.large", "m5.large", "r5.2xlarge"][*kind];
                self.groups.set_type_capacity(kind, zone_of(if *second { 'b' } else { 'a' }), !lacks);
            }
            Act::Become(policy) => {
                let launch = self.mixed_of(policy);
                let _ = self.update_launch(launch);
            }
            Act::Refresh => {
                let preferences = RefreshPreferences::default();
                let _ = self.call(|groups, now| groups.start_instance_refresh(now, &web(), None, preferences));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mixed_group_settles_at_its_capacity_and_less_than_an_instance_above_it(
        seed: u64, policy in any_policy(), acts in prop::collection::vec(act(), 0..16),
    ) {
        let mut stage = Stage::with_seed(Timing::Realistic, seed);
        let mut spec = stage.spec("web", 0, 5, 40);
        spec.settings.launch = stage.mixed_of(&policy);
        stage.call(|groups, now| groups.create_group(now, spec)).unwrap();
        for act in &acts {
            stage.act_mixed(act);
            let group = stage.group();
            prop_assert!((group.limits.min..=group.limits.max).contains(&group.desired_capacity));
        }
        for kind in ["t3.micro", "c5.large", "m5.large", "r5.2xlarge"] {
            ['a', 'b'].into_iter().for_each(|letter| stage.groups.set_type_capacity(kind, zone_of(letter), true));
        }
        stage.run_for(16 * 3600);
        let desired = stage.group().desired_capacity;
        let weights: Vec<u32> = stage.groups.members(stage.group()).map(|(_, member)| member.weight).collect();
        let capacity: u32 = weights.iter().sum();
        let largest = weights.iter().copied().max().unwrap_or(1);
        prop_assert!(capacity >= desired, "{weights:?} for {desired}");
        prop_assert!(capacity < desired + largest || capacity == 0, "{weights:?} for {desired}");
        prop_assert!(stage.states().split_whitespace().all(|state| state == "InService"), "{}", stage.states());
        for activity in &stage.group().activities {
            prop_assert!(activity.cause.starts_with("At ") && activity.cause.ends_with('.'), "{:?}", activity);
            prop_assert!(!activity.is_in_progress(), "{:?}", activity);
        }
        let before = stage.group().activities.len();
        stage.run_for(12 * 3600);
        prop_assert_eq!(stage.group().activities.len(), before, "a group at rest does nothing");
    }
}
