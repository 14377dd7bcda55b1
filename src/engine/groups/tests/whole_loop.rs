//! The whole control loop in one world: load → metric → alarm → policy → activity → notice, and back.

use std::collections::{BTreeSet, VecDeque};

use super::*;
use crate::engine::alarms::Watched;
use crate::engine::groups::notice::NotificationType;

use crate::engine::topics::{DeliveryOutcome, Links, SubscribeRequest};
use crate::engine::{Effect, Event, World};

const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:inbox";

/// The course: a group of 1/1/3, alarms at 50 and 40 percent, and a topic that hears of everything.
struct Course {
    world: World,
    now: Timestamp,
    /// Subjects received, with seconds from the start.
    received: Vec<(i64, String)>,
}

impl Course {
    fn new() -> Self {
        let place = Place::new("us-east-1", "123456789012");
        let stage = Stage::new(Timing::Realistic);
        let mut world = World::new(place.clone(), 7, Timing::Realistic);
        world.groups = stage.groups.clone();
        let mut course = Self { world, now: stage.now, received: Vec::new() };
        let none = BTreeMap::new();
        let topic = course.world.topics.create_topic("ops", &none, &Vec::new(), Links::of_aws(&place)).unwrap();
        let request = SubscribeRequest {
            topic_arn: topic.to_string(),
            protocol: "sqs".into(),
            endpoint: QUEUE.into(),
            attributes: BTreeMap::new(),
        };
        course.world.topics.subscribe(course.now, &request).unwrap();
        let types = BTreeSet::from([NotificationType::Launch, NotificationType::Terminate]);
        let now = course.now;
        let spec = stage.spec("web", 1, 1, 3);
        course.world.with_groups(now, |groups| groups.create_group(now, spec)).unwrap();
        course.world.with_groups(now, |groups| groups.put_notification(now, &"web".into(), topic, types)).unwrap();
        course.alarm("cpu-high", Comparison::GreaterThanOrEqualToThreshold, 50.0, "scale-out", 1);
        course.alarm("cpu-low", Comparison::LessThanOrEqualToThreshold, 40.0, "scale-in", -1);
        course
    }

    fn alarm(&mut self, name: &str, comparison: Comparison, threshold: f64, policy_name: &str, adjustment: i32) {
        let policy = Policy {
            name: policy_name.into(),
            arn: PolicyArn::default(),
            enabled: true,
            adjustment_type: AdjustmentType::ChangeInCapacity,
            min_adjustment_magnitude: None,
            kind: PolicyKind::Simple { adjustment, cooldown_secs: None },
            last: None,
        };
        let arn = self.world.with_groups(self.now, |groups| groups.put_policy(&"web".into(), policy)).unwrap();
        let mut config = (*alarm(self.now, 0.0).config).clone();
        config.name = name.into();
        let Watched::Metric(stat) = &mut config.watched else { panic!("the alarm is on one metric") };
        stat.key.dimensions = BTreeMap::from([("AutoScalingGroupName".to_string(), "web".to_string())]);
        config.evaluation_periods = 2;
        config.comparison = comparison;
        config.threshold = threshold;
        config.alarm_actions = vec![arn.to_string()];
        self.world.alarms.put(self.now, config, BTreeMap::new());
    }

    fn load(&mut self, load: Load) {
        self.world.with_groups(self.now, |groups| groups.set_load(self.now, &"web".into(), load)).unwrap();
    }

    /// Runs for so many seconds in steps of `step`; every message is taken.
    fn run_for(&mut self, secs: u64, step: u64) {
        let end = self.now + Duration::from_secs(secs);
        while self.now < end {
            self.now = end.min(self.now + Duration::from_secs(step));
            let mut effects = VecDeque::from(self.world.step(self.now, Event::Tick));
            while let Some(Effect::Deliver(delivery)) = effects.pop_front() {
                self.received.push((delivery.at.as_secs() - START, delivery.subject.clone().unwrap_or_default()));
                let delivered = Event::Delivered { delivery: delivery.id, outcome: DeliveryOutcome::Accepted };
                effects.extend(self.world.step(self.now, delivered));
            }
        }
    }

    fn desired(&self) -> u32 {
        self.world.groups.get(&"web".into()).unwrap().desired_capacity
    }

    fn causes(&self) -> Vec<String> {
        let group = self.world.groups.get(&"web".into()).unwrap();
        group.shown_activities(self.now).iter().map(|activity| relative(&activity.cause)).collect()
    }
}

#[test]
fn load_scales_the_course_out_and_in_and_every_step_is_told() {
    let mut course = Course::new();
    course.load(Load::Cpu(90.0));
    course.run_for(1200, 5);
    assert_eq!(course.desired(), 3, "two cooldowns of five minutes fit");
    course.load(Load::Idle);
    course.run_for(1800, 5);
    assert_eq!(course.desired(), 1);
    let causes = course.causes();
    let named = |alarm: &str, policy: &str| {
        let words = format!("a monitor alarm {alarm} in state ALARM triggered policy {policy}");
        causes.iter().filter(|cause| cause.contains(&words)).count()
    };
    assert_eq!((named("cpu-high", "scale-out"), named("cpu-low", "scale-in")), (2, 2), "{causes:#?}");
    let heard = |what: &str| course.received.iter().filter(|(_, subject)| subject.contains(what)).count();
    assert_eq!((heard("test notification"), heard("launch"), heard("termination")), (1, 3, 2));
}

#[test]
fn stepping_by_seconds_and_jumping_ahead_give_one_history() {
    let history = |step: u64| {
        let mut course = Course::new();
        course.load(Load::Demand(120.0));
        course.run_for(3600, step);
        (course.causes(), course.received)
    };
    assert_eq!(history(1), history(3600));
}
