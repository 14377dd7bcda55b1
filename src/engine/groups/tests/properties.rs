use proptest::prelude::*;

use super::*;
use crate::engine::groups::activity::ActivityKind;
use crate::engine::groups::schedule::{ScheduleRequest, Sizes};
use crate::engine::groups::target_tracking::PredefinedMetric;

/// Something that a user, an alarm or EC2 does.
#[derive(Debug, Clone)]
enum Act {
    Wait(u64),
    SetDesired(u32),
    Update {
        min: u32,
        max: u32,
    },
    Fire {
        out: bool,
    },
    /// An alarm of the target tracking policy asks, with this value of the metric.
    Track {
        above: bool,
        percent: u8,
    },
    Schedule {
        min: Option<u32>,
        max: Option<u32>,
        desired: Option<u32>,
        minutes: u64,
        daily: bool,
    },
    LoseInstance(usize),
    TerminateMember {
        at: usize,
        decrement: bool,
    },
    Protect(bool),
    SuspendLaunch,
    ResumeAll,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (1_u64..200).prop_map(Act::Wait),
        (0_u32..8).prop_map(Act::SetDesired),
        (0_u32..4, 0_u32..8).prop_map(|(min, max)| Act::Update { min, max }),
        any::<bool>().prop_map(|out| Act::Fire { out }),
        (any::<bool>(), 0_u8..100).prop_map(|(above, percent)| Act::Track { above, percent }),
        schedule(),
        (0_usize..8).prop_map(Act::LoseInstance),
        (0_usize..8, any::<bool>()).prop_map(|(at, decrement)| Act::TerminateMember { at, decrement }),
        any::<bool>().prop_map(Act::Protect),
        Just(Act::SuspendLaunch),
        Just(Act::ResumeAll),
    ]
}

fn schedule() -> impl Strategy<Value = Act> {
    let size = || prop::option::of(0_u32..8);
    (size(), size(), size(), 1_u64..20, any::<bool>()).prop_map(|(min, max, desired, minutes, daily)| Act::Schedule {
        min,
        max,
        desired,
        minutes,
        daily,
    })
}

fn play(seed: u64, acts: &[Act]) -> Stage {
    let web: GroupName = "web".into();
    let mut stage = Stage::with_seed(Timing::Realistic, seed);
    stage.create("web", 1, 2, 5);
    let out = stage.put_simple("out", 2, Some(60));
    let within = stage.put_simple("in", -1, Some(30));
    let track =
        stage.put_policy("track", PolicyKind::TargetTracking(tracking(PredefinedMetric::ASGAverageCPUUtilization)));
    for act in acts {
        let nth = |stage: &Stage, at: usize| stage.member_ids().get(at).cloned();
        // Some of these are refused; then nothing may change.
        match act {
            Act::Wait(secs) => stage.run_for(*secs),
            Act::SetDesired(to) => {
                let _ = stage.call(|groups, now| groups.set_desired_capacity(now, &web, *to, false));
            }
            Act::Update { min, max } => {
                let settings = stage.group().settings.clone();
                let change =
                    GroupChange { min_size: Some(*min), max_size: Some(*max), desired_capacity: None, settings };
                let _ = stage.call(|groups, now| groups.update_group(now, &web, change));
            }
            Act::Fire { out: true } => stage.fire(&out, 90.0),
            Act::Fire { out: false } => stage.fire(&within, 10.0),
            Act::Track { above, percent } => {
                let side = if *above { "high" } else { "low" };
                stage.ask(&track, tracked_alarm(stage.now, side, f64::from(*percent)));
            }
            Act::Schedule { min, max, desired, minutes, daily } => {
                let request = ScheduleRequest {
                    name: format!("in-{minutes}"),
                    start: Some(stage.now + Duration::from_secs(minutes * 60)),
                    recurrence: daily.then(|| "0 9 * * *".to_string()),
                    sizes: Sizes { min: *min, max: *max, desired: *desired },
                    ..ScheduleRequest::default()
                };
                let _ = stage.call(|groups, now| groups.put_scheduled_action(now, &web, request));
            }
            Act::LoseInstance(at) => {
                if let Some(id) = nth(&stage, *at) {
                    stage.call(|groups, now| groups.terminate_instances(now, &[id])).unwrap();
                }
            }
            Act::TerminateMember { at, decrement } => {
                if let Some(id) = nth(&stage, *at) {
                    let _ = stage.call(|groups, now| groups.terminate_member(now, &id, *decrement));
                }
            }
            Act::Protect(on) => {
                let ids = stage.member_ids();
                stage.call(|groups, now| groups.set_instance_protection(now, &web, &ids, *on)).unwrap();
            }
            Act::SuspendLaunch => {
                stage.call(|groups, now| groups.suspend_processes(now, &web, &[Process::Launch])).unwrap();
            }
            Act::ResumeAll => stage.call(|groups, now| groups.resume_processes(now, &web, &[])).unwrap(),
        }
        let group = stage.group();
        assert!(group.schedules.values().all(|action| action.next_run > stage.now), "seed={seed} after {act:?}");
        assert!((group.limits.min..=group.limits.max).contains(&group.desired_capacity), "seed={seed} after {act:?}");
    }
    stage
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_group_settles_where_it_wants_to_be(seed: u64, acts in prop::collection::vec(act(), 0..25)) {
        let web: GroupName = "web".into();
        let mut stage = play(seed, &acts);
        let ids = stage.member_ids();
        stage.call(|groups, now| groups.set_instance_protection(now, &web, &ids, false)).unwrap();
        stage.call(|groups, now| groups.resume_processes(now, &web, &[])).unwrap();
        let planned: Vec<String> = stage.group().schedules.keys().cloned().collect();
        for name in planned {
            stage.call(|groups, _| groups.delete_scheduled_action(&web, &name)).unwrap();
        }
        stage.run_for(1800);
        let group = stage.group();
        let in_service = vec!["InService"; group.desired_capacity as usize].join(" ");
        prop_assert_eq!(stage.states(), in_service);
        for activity in &group.activities {
            prop_assert!(activity.cause.starts_with("At ") && activity.cause.ends_with('.'), "{:?}", activity);
            prop_assert!(!activity.is_in_progress(), "{:?}", activity);
            prop_assert!(activity.ended_at >= Some(activity.started_at));
        }
        let count = |kind| group.activities.iter().filter(|activity| activity.kind == kind).count();
        prop_assert!(count(ActivityKind::Launch) >= in_service_count(&stage));
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes(seed: u64, acts in prop::collection::vec(act(), 0..15)) {
        let bytes = |stage: &Stage| serde_json::to_string(&stage.groups).unwrap();
        let (first, second) = (play(seed, &acts), play(seed, &acts));
        prop_assert_eq!(bytes(&first), bytes(&second));
        let read: Groups = serde_json::from_str(&bytes(&first)).unwrap();
        prop_assert_eq!(read, first.groups, "a dump reads back as it was");
    }
}

/// A policy that wants `adjustment` instances more, less, or exactly.
fn any_simple() -> impl Strategy<Value = (AdjustmentType, i32)> {
    prop_oneof![
        (-6_i32..6).prop_map(|by| (AdjustmentType::ChangeInCapacity, by)),
        (-90_i32..90).prop_map(|percent| (AdjustmentType::PercentChangeInCapacity, percent)),
        (0_i32..12).prop_map(|to| (AdjustmentType::ExactCapacity, to)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_largest_capacity_wins_in_any_order_of_invocation(
        policies in prop::collection::vec(any_simple(), 1..5),
        order in Just((0..5_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let after = |order: &[usize]| {
            let mut stage = Stage::settled(1, 5, 12);
            let arns: Vec<PolicyArn> = policies.iter().enumerate().map(|(number, (adjustment_type, adjustment))| {
                let kind = PolicyKind::Simple { adjustment: *adjustment, cooldown_secs: None };
                stage.put_policy_of(&format!("p{number}"), *adjustment_type, kind)
            }).collect();
            order.iter().filter_map(|number| arns.get(*number)).for_each(|arn| stage.fire(arn, 90.0));
            let decisions = stage.group().policies.values().map(|policy| policy.last.unwrap().1.to());
            (stage.group().desired_capacity, decisions.flatten().max())
        };
        let (desired, largest) = after(&[0, 1, 2, 3, 4]);
        prop_assert_eq!(desired, largest.unwrap_or(5));
        prop_assert_eq!(after(&order).0, desired, "{:?} in the order {:?}", policies, order);
    }
}

fn in_service_count(stage: &Stage) -> usize {
    stage.group().members.len()
}
