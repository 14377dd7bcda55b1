//! Target tracking in a whole world: load → metric → the policy's own alarms → capacity.

use super::*;
use crate::engine::{Event, World};

/// A group `web` whose machines share a load, settled.
struct Tracked {
    world: World,
    now: Timestamp,
}

impl Tracked {
    fn new(min: u32, desired: u32, max: u32) -> Self {
        let stage = Stage::new(Timing::Realistic);
        let mut world = World::new(Place::new("us-east-1", "123456789012"), 7, Timing::Realistic);
        world.groups = stage.groups.clone();
        let (now, spec) = (stage.now, stage.spec("web", min, desired, max));
        world.with_groups(now, |groups| groups.create_group(now, spec)).unwrap();
        let mut tracked = Self { world, now };
        tracked.run_for(600);
        tracked
    }

    fn run_for(&mut self, secs: u64) {
        self.now = self.now + Duration::from_secs(secs);
        self.world.step(self.now, Event::Tick);
    }

    fn load(&mut self, load: Load) {
        self.world.with_groups(self.now, |groups| groups.set_load(self.now, &"web".into(), load)).unwrap();
    }

    fn put(&mut self, name: &str, tracking: TargetTracking, enabled: bool) -> Result<PolicyArn, Refusal> {
        let policy = Policy {
            name: name.into(),
            arn: PolicyArn::default(),
            enabled,
            adjustment_type: AdjustmentType::ChangeInCapacity,
            min_adjustment_magnitude: None,
            kind: PolicyKind::TargetTracking(tracking),
            last: None,
        };
        self.world.with_groups(self.now, |groups| groups.put_policy(&"web".into(), policy))
    }

    fn put_cpu(&mut self) -> PolicyArn {
        self.put("cpu", tracking(PredefinedMetric::ASGAverageCPUUtilization), true).unwrap()
    }

    fn desired(&self) -> u32 {
        self.world.groups.get(&"web".into()).unwrap().desired_capacity
    }

    /// The desired capacities that it goes through in a span.
    fn capacities(&mut self, secs: u64) -> Vec<u32> {
        let mut seen = vec![self.desired()];
        for _ in 0..secs / 10 {
            self.run_for(10);
            seen.push(self.desired());
        }
        seen.dedup();
        seen
    }

    /// State and threshold of the alarms that there are, in the order of their names.
    fn alarms(&self) -> Vec<(AlarmState, f64)> {
        self.world.alarms.from_name("").map(|alarm| (alarm.state.value, alarm.config.threshold)).collect()
    }
}

#[test]
fn a_policy_makes_its_two_alarms_and_takes_them_along() {
    let mut tracked = Tracked::new(1, 2, 10);
    let arn = tracked.put_cpu();
    let names: Vec<String> = tracked.world.alarms.from_name("").map(|alarm| alarm.config.name.to_string()).collect();
    let [high, low] = &names[..] else { panic!("{names:?}") };
    assert!(high.starts_with("TargetTracking-web-AlarmHigh-") && low.starts_with("TargetTracking-web-AlarmLow-"));
    assert_eq!(high.len(), "TargetTracking-web-AlarmHigh-".len() + 36);
    assert_eq!(tracked.alarms(), [(AlarmState::InsufficientData, 50.0), (AlarmState::InsufficientData, 35.0)]);
    // The policy again, without scaling in: the same alarm, and the other one gone.
    let outwards = TargetTracking { disable_scale_in: true, ..tracking(PredefinedMetric::ASGAverageCPUUtilization) };
    assert_eq!(tracked.put("cpu", outwards, true).unwrap(), arn);
    let left: Vec<String> = tracked.world.alarms.from_name("").map(|alarm| alarm.config.name.to_string()).collect();
    assert_eq!(left, names[..1]);
    tracked.world.with_groups(tracked.now, |groups| groups.delete_policy(&"web".into(), &"cpu".into())).unwrap();
    assert_eq!(tracked.alarms(), []);
}

#[test]
fn a_deleted_group_takes_the_alarms_of_its_policies_along() {
    let mut tracked = Tracked::new(0, 1, 10);
    tracked.put_cpu();
    let now = tracked.now;
    tracked.world.with_groups(now, |groups| groups.delete_group(now, &"web".into(), true)).unwrap();
    tracked.run_for(300);
    assert_eq!(tracked.alarms(), []);
}

#[test]
fn capacity_follows_the_load_out_at_once_and_in_step_by_step() {
    let mut tracked = Tracked::new(1, 2, 10);
    tracked.put_cpu();
    tracked.load(Load::Demand(300.0));
    // 2 machines at 100 percent for a target of 50 are 4, and then 4 at 75 are 6.
    assert_eq!(tracked.capacities(900), [2, 4, 6]);
    assert_eq!(tracked.alarms()[1].1, 40.0, "the low alarm is set for six: 5/6 in steps of 5 percent");
    tracked.load(Load::Demand(90.0));
    assert_eq!(tracked.capacities(840), [6], "fifteen minutes have to be low");
    assert_eq!(tracked.capacities(3600), [6, 5, 4, 3, 2], "90 percent of work are two machines at 45");
}

#[test]
fn without_data_nothing_changes_until_data_return() {
    let mut tracked = Tracked::new(1, 4, 10);
    tracked.load(Load::Silent);
    tracked.run_for(1800);
    tracked.put_cpu();
    tracked.run_for(3600);
    assert_eq!(tracked.desired(), 4);
    assert!(tracked.alarms().iter().all(|(state, _)| *state == AlarmState::InsufficientData));
    tracked.load(Load::Cpu(90.0));
    tracked.run_for(300);
    assert!(tracked.desired() > 4);
}

#[test]
fn all_policies_have_to_be_ready_to_scale_in() {
    let mut tracked = Tracked::new(1, 4, 10);
    tracked.put_cpu();
    let network = tracking(PredefinedMetric::ASGAverageNetworkIn);
    tracked.put("network", network.clone(), true).unwrap();
    tracked.load(Load::Cpu(5.0));
    tracked.run_for(3600);
    assert_eq!(tracked.desired(), 4, "the other policy has no data and is not ready");
    let group = tracked.world.groups.get(&"web".into()).unwrap();
    let reason = group.policies["cpu"].last.unwrap().1.because;
    assert_eq!(reason, policy::Reason::OtherPolicyNotReady);
    tracked.put("network", network, false).unwrap();
    tracked.run_for(3600);
    assert_eq!(tracked.desired(), 1, "a disabled policy has no say");
}

#[test]
fn one_policy_for_one_metric_of_a_group() {
    let mut tracked = Tracked::new(1, 1, 10);
    tracked.put_cpu();
    let twice = tracked.put("again", tracking(PredefinedMetric::ASGAverageCPUUtilization), true).unwrap_err();
    assert_eq!(twice.message, "Only one TargetTrackingScaling policy for a given metric specification is allowed.");
    tracked.put("cpu", tracking(PredefinedMetric::ASGAverageCPUUtilization), true).unwrap();
    let executed = tracked
        .world
        .with_groups(tracked.now, |groups| groups.execute_policy(START_AT, &"web".into(), &"cpu".into(), false, None));
    assert!(executed.unwrap_err().message.contains("cannot be executed"));
}

const START_AT: Timestamp = Timestamp::from_secs(START);
