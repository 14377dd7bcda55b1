use proptest::prelude::*;

use super::*;
use crate::engine::groups::activity::{ActivityKind, Way};
use crate::engine::groups::cause::HealthFinding;
use crate::engine::groups::hook::{ActionResult, LifecycleHook, Transition};
use crate::engine::groups::rebalance::temporary_max;
use crate::engine::groups::refresh::RefreshPreferences;
use crate::engine::groups::schedule::{ScheduleRequest, Sizes};
use crate::engine::groups::target_tracking::PredefinedMetric;

/// The largest `max_size` that an act asks for.
const LARGEST_MAX: u32 = 7;

/// Something that a user, an alarm, a load balancer or EC2 does.
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
        sizes: Sizes,
        minutes: u64,
        daily: bool,
    },
    LoseInstance(usize),
    TerminateMember {
        at: usize,
        decrement: bool,
    },
    Protect(bool),
    Standby {
        at: usize,
        decrement: bool,
    },
    LeaveStandby,
    Detach {
        at: usize,
        decrement: bool,
    },
    AttachAll,
    FailsCheck {
        at: usize,
        fails: bool,
    },
    ZoneRunsDry {
        second: bool,
        dry: bool,
    },
    PutHook {
        launching: bool,
    },
    CompleteHooks,
    Refresh,
    CancelRefresh,
    Suspend(usize),
    ResumeAll,
    PutPool {
        max_prepared: Option<u32>,
        min_size: u32,
        state: PoolState,
        reuse: bool,
    },
    DeletePool {
        force: bool,
    },
    LosePooled(usize),
    PooledFails(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (1_u64..200).prop_map(Act::Wait),
        2 => (0_u32..8).prop_map(Act::SetDesired),
        1 => (0_u32..4, 0_u32..8).prop_map(|(min, max)| Act::Update { min, max }),
        2 => any::<bool>().prop_map(|out| Act::Fire { out }),
        1 => (any::<bool>(), 0_u8..100).prop_map(|(above, percent)| Act::Track { above, percent }),
        1 => schedule(),
        1 => (0_usize..8).prop_map(Act::LoseInstance),
        1 => (0_usize..8, any::<bool>()).prop_map(|(at, decrement)| Act::TerminateMember { at, decrement }),
        1 => any::<bool>().prop_map(Act::Protect),
        1 => (0_usize..8, any::<bool>()).prop_map(|(at, decrement)| Act::Standby { at, decrement }),
        1 => Just(Act::LeaveStandby),
        1 => (0_usize..8, any::<bool>()).prop_map(|(at, decrement)| Act::Detach { at, decrement }),
        1 => Just(Act::AttachAll),
        1 => (0_usize..8, any::<bool>()).prop_map(|(at, fails)| Act::FailsCheck { at, fails }),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(second, dry)| Act::ZoneRunsDry { second, dry }),
        1 => any::<bool>().prop_map(|launching| Act::PutHook { launching }),
        1 => Just(Act::CompleteHooks),
        1 => Just(Act::Refresh),
        1 => Just(Act::CancelRefresh),
        1 => (0_usize..Process::ALL.len()).prop_map(Act::Suspend),
        1 => Just(Act::ResumeAll),
        2 => pool(),
        1 => any::<bool>().prop_map(|force| Act::DeletePool { force }),
        1 => (0_usize..4).prop_map(Act::LosePooled),
        1 => (0_usize..4).prop_map(Act::PooledFails),
    ]
}

fn pool() -> impl Strategy<Value = Act> {
    let states = prop_oneof![Just(PoolState::Stopped), Just(PoolState::Running), Just(PoolState::Hibernated)];
    (prop::option::of(0_u32..9), 0_u32..3, states, any::<bool>())
        .prop_map(|(max_prepared, min_size, state, reuse)| Act::PutPool { max_prepared, min_size, state, reuse })
}

fn schedule() -> impl Strategy<Value = Act> {
    let size = || prop::option::of(0_u32..8);
    (size(), size(), size(), 1_u64..20, any::<bool>()).prop_map(|(min, max, desired, minutes, daily)| {
        let sizes = Sizes { min, max, desired };
        Act::Schedule { sizes, minutes, daily }
    })
}

fn web() -> GroupName {
    "web".into()
}

fn zone(second: bool) -> Zone {
    if second { "us-east-1b".into() } else { "us-east-1a".into() }
}

struct Play {
    stage: Stage,
    out: PolicyArn,
    within: PolicyArn,
    track: PolicyArn,
}

impl Play {
    fn new(seed: u64) -> Self {
        let mut stage = Stage::with_seed(Timing::Realistic, seed);
        stage.create("web", 1, 2, 5);
        let source = TrafficSource { identifier: "arn:tg".into(), kind: "elbv2".into() };
        stage.call(|groups, _| groups.attach_traffic_sources(&web(), vec![source])).unwrap();
        let out = stage.put_simple("out", 2, Some(60));
        let within = stage.put_simple("in", -1, Some(30));
        let tracking = tracking(PredefinedMetric::ASGAverageCPUUtilization);
        let track = stage.put_policy("track", PolicyKind::TargetTracking(tracking));
        Self { stage, out, within, track }
    }

    /// Some of these are refused; then nothing may change.
    fn act(&mut self, act: &Act) {
        let stage = &mut self.stage;
        let nth = |stage: &Stage, at: usize| stage.member_ids().get(at).cloned().into_iter().collect::<Vec<_>>();
        match act {
            Act::Wait(secs) => stage.run_for(*secs),
            Act::SetDesired(to) => {
                let _ = stage.call(|groups, now| groups.set_desired_capacity(now, &web(), *to, false));
            }
            Act::Update { min, max } => {
                let settings = stage.group().settings.clone();
                let change =
                    GroupChange { min_size: Some(*min), max_size: Some(*max), desired_capacity: None, settings };
                let _ = stage.call(|groups, now| groups.update_group(now, &web(), change));
            }
            Act::Fire { out: true } => stage.fire(&self.out.clone(), 90.0),
            Act::Fire { out: false } => stage.fire(&self.within.clone(), 10.0),
            Act::Track { above, percent } => {
                let side = if *above { "high" } else { "low" };
                stage.ask(&self.track.clone(), tracked_alarm(stage.now, side, f64::from(*percent)));
            }
            Act::Schedule { sizes, minutes, daily } => {
                let request = ScheduleRequest {
                    name: format!("in-{minutes}"),
                    start: Some(stage.now + Duration::from_secs(minutes * 60)),
                    recurrence: daily.then(|| "0 9 * * *".to_string()),
                    sizes: *sizes,
                    ..ScheduleRequest::default()
                };
                let _ = stage.call(|groups, now| groups.put_scheduled_action(now, &web(), request));
            }
            Act::LoseInstance(at) => {
                let ids = nth(stage, *at);
                stage.call(|groups, now| groups.terminate_instances(now, &ids)).unwrap();
            }
            Act::TerminateMember { at, decrement } => {
                for id in nth(stage, *at) {
                    let _ = stage.call(|groups, now| groups.terminate_member(now, &id, *decrement));
                }
            }
            Act::Protect(on) => {
                let ids = stage.member_ids();
                stage.call(|groups, now| groups.set_instance_protection(now, &web(), &ids, *on)).unwrap();
            }
            Act::Standby { at, decrement } => {
                let ids = nth(stage, *at);
                let _ = stage.call(|groups, now| groups.enter_standby(now, &web(), &ids, *decrement));
            }
            Act::LeaveStandby => {
                for id in stage.member_ids() {
                    let _ = stage.call(|groups, now| groups.exit_standby(now, &web(), &[id]));
                }
            }
            Act::Detach { at, decrement } => {
                let ids = nth(stage, *at);
                let _ = stage.call(|groups, now| groups.detach_instances(now, &web(), &ids, *decrement));
            }
            Act::AttachAll => {
                let ids: Vec<InstanceId> = stage.groups.instances().map(|instance| instance.id.clone()).collect();
                for id in ids {
                    let _ = stage.call(|groups, now| groups.attach_instances(now, &web(), &[id]));
                }
            }
            Act::FailsCheck { at, fails } => {
                for id in nth(stage, *at) {
                    let finding = HealthFinding::StatusCheckFailed;
                    stage.call(|groups, now| groups.report_check(now, &id, finding, *fails));
                }
            }
            Act::ZoneRunsDry { second, dry } => stage.groups.set_zone_capacity(zone(*second), !dry),
            Act::PutHook { launching } => {
                let transition = if *launching { Transition::Launching } else { Transition::Terminating };
                let hook = LifecycleHook {
                    name: transition.name().replace(':', "-"),
                    transition,
                    heartbeat_secs: 120,
                    default_result: ActionResult::Continue,
                    target: None,
                    role_arn: None,
                    metadata: None,
                };
                stage.call(|groups, now| groups.put_lifecycle_hook(now, &web(), hook)).unwrap();
            }
            Act::CompleteHooks => {
                for id in stage.member_ids() {
                    let hooks: Vec<String> = stage.group().hooks.keys().cloned().collect();
                    for hook in hooks {
                        let _ = stage.call(|groups, now| {
                            let done = ActionResult::Continue;
                            groups.complete_lifecycle_action(now, &web(), &hook, None, Some(&id), done)
                        });
                    }
                }
            }
            Act::Refresh => {
                let preferences = RefreshPreferences::default();
                let _ = stage.call(|groups, now| groups.start_instance_refresh(now, &web(), None, preferences));
            }
            Act::CancelRefresh => {
                let _ = stage.call(|groups, now| groups.cancel_instance_refresh(now, &web(), true));
            }
            Act::Suspend(at) => {
                stage.call(|groups, now| groups.suspend_processes(now, &web(), &[Process::ALL[*at]])).unwrap();
            }
            Act::ResumeAll => stage.call(|groups, now| groups.resume_processes(now, &web(), &[])).unwrap(),
            Act::PutPool { max_prepared, min_size, state, reuse } => {
                let change = WarmPoolChange {
                    max_prepared: Some(*max_prepared),
                    min_size: Some(*min_size),
                    state: Some(*state),
                    reuse_on_scale_in: Some(*reuse),
                };
                let _ = stage.call(|groups, now| groups.put_warm_pool(now, &web(), change));
            }
            Act::DeletePool { force } => {
                let _ = stage.call(|groups, now| groups.delete_warm_pool(now, &web(), *force));
            }
            Act::LosePooled(at) => {
                let ids: Vec<InstanceId> = stage.pooled_ids().into_iter().skip(*at).take(1).collect();
                stage.call(|groups, now| groups.terminate_instances(now, &ids)).unwrap();
            }
            Act::PooledFails(at) => {
                for id in stage.pooled_ids().into_iter().skip(*at).take(1) {
                    stage.call(|groups, now| groups.report_check(now, &id, HealthFinding::EbsVolume, true));
                }
            }
        }
    }

    fn of(seed: u64, acts: &[Act]) -> Self {
        let mut play = Self::new(seed);
        for act in acts {
            let before = play.last_activity();
            play.act(act);
            let group = play.stage.group();
            let limits = group.limits;
            assert!((limits.min..=limits.max).contains(&group.desired_capacity), "seed={seed} after {act:?}");
            let now = play.stage.now;
            assert!(group.schedules.values().all(|action| action.next_run > now), "seed={seed} after {act:?}");
            if play.last_activity() != before {
                play.check_prepared(&format!("seed={seed} after {act:?}"));
            }
            let active = play.stage.groups.active(&web());
            assert!(active <= temporary_max(LARGEST_MAX), "seed={seed} after {act:?}: {active} instances");
        }
        play
    }

    fn last_activity(&self) -> Option<String> {
        self.stage.group().activities.back().map(|last| last.id.to_string())
    }

    /// After a launch into the pool, group and pool together have not more than may be prepared, the minimum apart.
    fn check_prepared(&self, context: &str) {
        let group = self.stage.group();
        let Some(pool) = &group.warm_pool else { return };
        let launched_now = group.activities.back().is_some_and(|last| {
            last.started_at == self.stage.now && last.way == Way::INTO_POOL && last.instance.is_some()
        });
        let everyone = self.stage.member_ids().len() + self.stage.pooled_ids().len();
        let prepared = pool.max_prepared.unwrap_or(group.limits.max).max(group.desired_capacity);
        let most = prepared.max(u32::try_from(self.stage.member_ids().len()).unwrap() + pool.min_size);
        assert!(!launched_now || everyone <= most as usize, "{context}: {everyone} are prepared, not {most}");
    }

    /// Takes every fault and every obstacle away.
    fn calm(&mut self) {
        for second in [false, true] {
            self.stage.groups.set_zone_capacity(zone(second), true);
        }
        self.act(&Act::Protect(false));
        let planned: Vec<String> = self.stage.group().schedules.keys().cloned().collect();
        for name in planned {
            self.stage.call(|groups, _| groups.delete_scheduled_action(&web(), &name)).unwrap();
        }
        self.act(&Act::ResumeAll);
        for id in self.stage.member_ids() {
            let finding = HealthFinding::StatusCheckFailed;
            self.stage.call(|groups, now| groups.report_check(now, &id, finding, false));
        }
        for id in self.stage.pooled_ids() {
            self.stage.call(|groups, now| groups.report_check(now, &id, HealthFinding::EbsVolume, false));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_group_settles_where_it_wants_to_be(seed: u64, acts in prop::collection::vec(act(), 0..30)) {
        let mut play = Play::of(seed, &acts);
        play.calm();
        play.stage.run_for(4 * 3600);
        let stage = &mut play.stage;
        let standby = stage.states().matches("Standby").count();
        let in_service = stage.states().matches("InService").count();
        prop_assert_eq!(in_service, stage.group().desired_capacity as usize, "{}", stage.states());
        prop_assert_eq!(stage.member_ids().len(), in_service + standby, "{}", stage.states());
        for activity in &stage.group().activities {
            prop_assert!(activity.cause.starts_with("At ") && activity.cause.ends_with('.'), "{:?}", activity);
            prop_assert!(!activity.is_in_progress(), "{:?}", activity);
            prop_assert!(activity.ended_at >= Some(activity.started_at));
        }
        let group = stage.group();
        let pool = stage.pool_states();
        let resting = pool.iter().filter(|state| state.is_warmed()).count();
        prop_assert_eq!(pool.len(), resting, "{:?}", pool);
        if standby == 0 {
            prop_assert_eq!(resting, group.wanted_pool_size() as usize, "{:?}", group.warm_pool);
        }
        prop_assert!(!group.warm_pool.as_ref().is_some_and(|pool| pool.deleting));
        let launches = group.activities.iter().filter(|activity| activity.kind == ActivityKind::Launch).count();
        prop_assert!(launches >= in_service);
        prop_assert!(group.active_refresh().is_none() || standby > 0, "{:?}", group.active_refresh());
        let before = group.activities.len();
        stage.run_for(12 * 3600);
        prop_assert_eq!(stage.group().activities.len(), before, "a group at rest does nothing");
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes(seed: u64, acts in prop::collection::vec(act(), 0..15)) {
        let bytes = |play: &Play| serde_json::to_string(&play.stage.groups).unwrap();
        let (first, second) = (Play::of(seed, &acts), Play::of(seed, &acts));
        prop_assert_eq!(bytes(&first), bytes(&second));
        let read: Groups = serde_json::from_str(&bytes(&first)).unwrap();
        prop_assert_eq!(read, first.stage.groups, "a dump reads back as it was");
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
