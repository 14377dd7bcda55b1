use proptest::prelude::*;

use super::*;
use crate::engine::groups::activity::ActivityKind;

/// Something that a user, an alarm or EC2 does.
#[derive(Debug, Clone)]
enum Act {
    Wait(u64),
    SetDesired(u32),
    Update { min: u32, max: u32 },
    Fire { out: bool },
    LoseInstance(usize),
    TerminateMember { at: usize, decrement: bool },
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
        (0_usize..8).prop_map(Act::LoseInstance),
        (0_usize..8, any::<bool>()).prop_map(|(at, decrement)| Act::TerminateMember { at, decrement }),
        any::<bool>().prop_map(Act::Protect),
        Just(Act::SuspendLaunch),
        Just(Act::ResumeAll),
    ]
}

fn play(seed: u64, acts: &[Act]) -> Stage {
    let web: GroupName = "web".into();
    let mut stage = Stage::with_seed(Timing::Realistic, seed);
    stage.create("web", 1, 2, 5);
    let out = stage.put_simple("out", 2, Some(60));
    let within = stage.put_simple("in", -1, Some(30));
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

fn in_service_count(stage: &Stage) -> usize {
    stage.group().members.len()
}
