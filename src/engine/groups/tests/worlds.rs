//! Whole worlds under random loads, policies, schedules, hooks and faults: capacity stays within its limits, nothing happens
//! without a cause, and the history does not depend on how the time is cut.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::engine::alarms::Watched;
use crate::engine::groups::hook::{ActionResult, LifecycleHook, Transition};
use crate::engine::groups::notice::NotificationType;
use crate::engine::groups::schedule::{ScheduleRequest, Sizes};
use crate::engine::groups::steps::Step;
use crate::engine::groups::target_tracking::PredefinedMetric;
use crate::engine::groups::workload::Spread;
use crate::engine::topics::{DeliveryOutcome, Links, SubscribeRequest};
use crate::engine::{Effect, Event, World};

/// Something from outside, and how long until the next.
#[derive(Debug, Clone)]
enum Act {
    Load(f64),
    Desired(u32),
    Limits(u32, u32),
    Lose(usize),
    ZoneRunsDry(bool),
    CompleteHooks,
}

/// What is in a world besides a group.
#[derive(Debug, Clone)]
struct Setting {
    seed: u64,
    simple: bool,
    step: bool,
    tracking: bool,
    schedule: Option<Sizes>,
    hooks: (bool, bool),
    metric_delay_secs: u64,
    loss_percent: f64,
}

fn settings() -> impl Strategy<Value = Setting> {
    let size = || prop::option::of(0_u32..7);
    let schedule = prop::option::of((size(), size(), size()));
    let policies = (any::<bool>(), any::<bool>(), any::<bool>());
    (any::<u64>(), policies, schedule, any::<(bool, bool)>(), 0_u64..150, 0.0..30.0).prop_map(
        |(seed, (simple, step, tracking), schedule, hooks, metric_delay_secs, loss_percent)| {
            let schedule = schedule.map(|(min, max, desired)| Sizes { min, max, desired });
            Setting { seed, simple, step, tracking, schedule, hooks, metric_delay_secs, loss_percent }
        },
    )
}

fn acts() -> impl Strategy<Value = Vec<(Act, u64)>> {
    let act = prop_oneof![
        6 => (0.0..400.0).prop_map(Act::Load),
        1 => (0_u32..8).prop_map(Act::Desired),
        1 => (0_u32..4, 2_u32..8).prop_map(|(min, max)| Act::Limits(min, max)),
        1 => (0_usize..4).prop_map(Act::Lose),
        1 => any::<bool>().prop_map(Act::ZoneRunsDry),
        2 => Just(Act::CompleteHooks),
    ];
    prop::collection::vec((act, 1_u64..1500), 1..12)
}

struct Play {
    world: World,
    now: Timestamp,
    /// Every message, as JSON.
    sent: Vec<String>,
}

fn web() -> GroupName {
    "web".into()
}

impl Play {
    fn new(setting: &Setting) -> Self {
        let place = Place::new("us-east-1", "123456789012");
        let stage = Stage::with_seed(Timing::Realistic, setting.seed);
        let mut world = World::new(place.clone(), setting.seed, Timing::Realistic);
        world.groups = stage.groups.clone();
        let mut play = Self { world, now: stage.now, sent: Vec::new() };
        play.call(|groups, now| groups.create_group(now, stage.spec("web", 1, 2, 6))).unwrap();
        let topic = play.make_topic(&place);
        play.call(|groups, now| groups.set_workload(now, &web(), workload(setting))).unwrap();
        let types =
            BTreeSet::from([NotificationType::Launch, NotificationType::Terminate, NotificationType::LaunchError]);
        play.call(|groups, now| groups.put_notification(now, &web(), topic.clone(), types)).unwrap();
        play.put_policies(setting, topic.as_str());
        if let Some(sizes) = setting.schedule {
            let recurrence = Some("*/25 * * * *".to_string());
            let request = ScheduleRequest { name: "often".into(), recurrence, sizes, ..ScheduleRequest::default() };
            let _ = play.call(|groups, now| groups.put_scheduled_action(now, &web(), request));
        }
        let (launching, terminating) = setting.hooks;
        for (wanted, transition) in [(launching, Transition::Launching), (terminating, Transition::Terminating)] {
            if wanted {
                play.call(|groups, now| groups.put_lifecycle_hook(now, &web(), hook(transition))).unwrap();
            }
        }
        play
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Groups, Timestamp) -> T) -> T {
        let now = self.now;
        self.world.with_groups(now, |groups| call(groups, now))
    }

    fn make_topic(&mut self, place: &Place) -> TopicArn {
        let topics = &mut self.world.topics;
        let topic = topics.create_topic("ops", &BTreeMap::new(), &Vec::new(), Links::of_aws(place)).unwrap();
        let request = SubscribeRequest {
            topic_arn: topic.to_string(),
            protocol: "sqs".into(),
            endpoint: place.arn("sqs", "inbox"),
            attributes: BTreeMap::new(),
        };
        topics.subscribe(self.now, &request).unwrap();
        topic
    }

    fn put_policies(&mut self, setting: &Setting, topic: &str) {
        use Comparison::{GreaterThanOrEqualToThreshold as Above, LessThanOrEqualToThreshold as Below};
        let step = |lower, upper, adjustment| Step { lower, upper, adjustment };
        let simple = |adjustment| PolicyKind::Simple { adjustment, cooldown_secs: Some(120) };
        let steps = vec![step(Some(0.0), Some(15.0), 1), step(Some(15.0), None, 2)];
        let stepped = PolicyKind::Step { steps, aggregation: None, estimated_warmup_secs: Some(90) };
        let mut alarms = vec![("watch", Above, 55.0, None)];
        if setting.simple {
            alarms.push(("out", Above, 70.0, Some(simple(1))));
            alarms.push(("in", Below, 25.0, Some(simple(-1))));
        }
        if setting.step {
            alarms.push(("steps", Above, 65.0, Some(stepped)));
        }
        for (name, comparison, threshold, policy) in alarms {
            let policy = policy.map(|kind| self.put_policy(name, kind).to_string());
            let mut config = (*alarm(self.now, threshold).config).clone();
            let Watched::Metric(stat) = &mut config.watched else { panic!("the alarm is on one metric") };
            stat.key.dimensions = BTreeMap::from([("AutoScalingGroupName".to_string(), "web".to_string())]);
            config.name = name.into();
            (config.comparison, config.threshold, config.evaluation_periods) = (comparison, threshold, 2);
            config.alarm_actions = policy.into_iter().chain([topic.to_string()]).collect();
            config.ok_actions = vec![topic.to_string()];
            self.world.alarms.put(self.now, config, BTreeMap::new());
        }
        if setting.tracking {
            self.put_policy("track", PolicyKind::TargetTracking(tracking(PredefinedMetric::ASGAverageCPUUtilization)));
        }
    }

    fn put_policy(&mut self, name: &str, kind: PolicyKind) -> PolicyArn {
        let (arn, adjustment_type) = (PolicyArn::default(), AdjustmentType::ChangeInCapacity);
        let name = name.into();
        let policy =
            Policy { name, arn, enabled: true, adjustment_type, min_adjustment_magnitude: None, kind, last: None };
        self.call(|groups, _| groups.put_policy(&web(), policy)).unwrap()
    }

    /// Some of these are refused.
    fn act(&mut self, act: &Act) {
        let ids: Vec<InstanceId> = self.group().members.iter().cloned().collect();
        match act {
            Act::Load(requests) => {
                self.call(|groups, now| groups.set_load(now, &web(), Load::Requests(*requests))).unwrap();
            }
            Act::Desired(to) => {
                let _ = self.call(|groups, now| groups.set_desired_capacity(now, &web(), *to, false));
            }
            Act::Limits(min, max) => {
                let settings = self.group().settings.clone();
                let (min_size, max_size) = (Some(*min), Some(*max));
                let change = GroupChange { min_size, max_size, desired_capacity: None, settings };
                let _ = self.call(|groups, now| groups.update_group(now, &web(), change));
            }
            Act::Lose(at) => {
                let lost: Vec<InstanceId> = ids.get(*at).cloned().into_iter().collect();
                let _ = self.call(|groups, now| groups.terminate_instances(now, &lost));
            }
            Act::ZoneRunsDry(dry) => self.world.groups.set_zone_capacity("us-east-1a".into(), !dry),
            Act::CompleteHooks => {
                let hooks: Vec<String> = self.group().hooks.keys().cloned().collect();
                for (id, hook) in ids.iter().flat_map(|id| hooks.iter().map(move |hook| (id, hook))) {
                    let done = ActionResult::Continue;
                    let _ = self
                        .call(|groups, now| groups.complete_lifecycle_action(now, &web(), hook, None, Some(id), done));
                }
            }
        }
    }

    /// Every message is taken.
    fn run_for(&mut self, secs: u64, step: u64) {
        let end = self.now + Duration::from_secs(secs);
        while self.now < end {
            self.now = end.min(self.now + Duration::from_secs(step));
            let mut effects = VecDeque::from(self.world.step(self.now, Event::Tick));
            while let Some(Effect::Deliver(delivery)) = effects.pop_front() {
                self.sent.push(serde_json::to_string(&delivery).unwrap());
                let taken = Event::Delivered { delivery: delivery.id, outcome: DeliveryOutcome::Accepted };
                effects.extend(self.world.step(self.now, taken));
            }
            let (limits, desired) = (self.group().limits, self.group().desired_capacity);
            assert!((limits.min..=limits.max).contains(&desired), "{desired} is not within {limits:?}");
        }
    }

    fn group(&self) -> &Group {
        self.world.groups.get(&web()).unwrap()
    }

    fn of(setting: &Setting, acts: &[(Act, u64)], step: u64) -> Self {
        let mut play = Self::new(setting);
        for (act, wait) in acts {
            play.act(act);
            play.run_for(*wait, step);
        }
        play
    }

    fn bytes(&self) -> String {
        serde_json::to_string(&self.world).unwrap()
    }
}

fn workload(setting: &Setting) -> Workload {
    let secs = Duration::from_secs;
    Workload {
        requests_per_sec: 50.0,
        base_cpu: 2.0,
        boot: Spread { min: secs(40), typical: secs(60), max: secs(150) },
        service_ms: 20.0,
        latency_cap_ms: 5000.0,
        credits: None,
        metric_delay: secs(setting.metric_delay_secs),
        metric_loss_percent: setting.loss_percent,
        seed: setting.seed,
    }
}

fn hook(transition: Transition) -> LifecycleHook {
    LifecycleHook {
        name: transition.name().replace(':', "-"),
        transition,
        heartbeat_secs: 240,
        default_result: ActionResult::Continue,
        target: None,
        role_arn: None,
        metadata: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_world_does_not_depend_on_how_its_time_is_cut(setting in settings(), acts in acts(), step in 1_u64..400) {
        let (steps, leap) = (Play::of(&setting, &acts, step), Play::of(&setting, &acts, u64::MAX / 2000));
        prop_assert_eq!(&steps.sent, &leap.sent);
        prop_assert_eq!(steps.bytes(), leap.bytes());
        for activity in &leap.group().activities {
            prop_assert!(activity.cause.starts_with("At ") && activity.cause.ends_with('.'), "{:?}", activity);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_world(setting in settings(), acts in acts()) {
        let (first, second) = (Play::of(&setting, &acts, 60), Play::of(&setting, &acts, 60));
        prop_assert_eq!(first.bytes(), second.bytes());
        let read: World = serde_json::from_str(&first.bytes()).unwrap();
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), first.bytes(), "a dump reads back as it was");
    }
}
