//! Instances that have served their time, and zones without capacity in a group that may only be balanced.

use super::*;
use crate::engine::groups::preferences::{Preferences, ZoneDistribution};

const DAY_SECS: u64 = 86_400;

fn stage_with(preferences: Preferences, desired: u32) -> Stage {
    let mut stage = Stage::new(Timing::Realistic);
    let mut spec = stage.spec("web", 0, desired, 10);
    spec.settings.preferences = preferences;
    stage.call(|groups, now| groups.create_group(now, spec)).unwrap();
    stage
}

/// Source: User Guide, "Replace Auto Scaling instances based on maximum instance lifetime": one at a time, and not those that
/// are protected.
#[test]
fn an_instance_is_replaced_when_its_time_is_over() {
    let preferences = Preferences { max_instance_lifetime_secs: Some(86_400), ..Preferences::default() };
    let mut stage = stage_with(preferences, 2);
    stage.run_for(600);
    let before = stage.member_ids();
    stage.call(|groups, now| groups.set_instance_protection(now, &"web".into(), &before[..1], true)).unwrap();
    stage.run_for(DAY_SECS - 1200);
    assert_eq!(stage.member_ids(), before);
    stage.run_for(3600);
    let after = stage.member_ids();
    assert!(after.contains(&before[0]) && !after.contains(&before[1]) && after.len() == 2, "{before:?} {after:?}");
    let causes: Vec<String> = stage.activities().into_iter().map(|(_, _, cause)| cause).collect();
    let lifetime = "an instance was taken out of service in response to reaching the maximum instance lifetime.";
    assert!(causes.iter().any(|cause| cause.contains(lifetime)), "{causes:#?}");
}

#[test]
fn a_group_that_may_only_be_balanced_does_not_launch_in_another_zone() {
    for (distribution, launched) in [(ZoneDistribution::BalancedBestEffort, 2), (ZoneDistribution::BalancedOnly, 0)] {
        let preferences = Preferences { zone_distribution: distribution, ..Preferences::default() };
        let mut stage = stage_with(preferences, 0);
        stage.call(|groups, _| {
            let lacks = |zone: &str, types: &[&str]| {
                (Zone::from(zone), types.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
            };
            groups.inventory = Some(Inventory {
                zones: BTreeMap::from([lacks("us-east-1a", &["t2.nano"]), lacks("us-east-1b", &[])]),
                ..Inventory::default()
            });
        });
        stage.call(|groups, now| groups.set_desired_capacity(now, &"web".into(), 2, false)).unwrap();
        stage.run_for(30);
        assert_eq!(stage.member_ids().len(), launched, "{distribution:?}");
    }
}
