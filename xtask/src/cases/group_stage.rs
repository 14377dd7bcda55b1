//! A group in a world of its own under virtual time, for adapters that watch what happens to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use scaleproof::clock::Timestamp;
use scaleproof::engine::alarms::{AlarmSnapshot, AlarmState, AlarmTiming, Comparison, MetricAlarm, MetricStat};
use scaleproof::engine::groups::activity::Activity;
use scaleproof::engine::groups::group::DEFAULT_COOLDOWN_SECS;
use scaleproof::engine::groups::hook::{ActionResult, LifecycleHook, Transition};
use scaleproof::engine::groups::notice::NotificationType;
use scaleproof::engine::groups::policy::{AdjustmentType, Limits, Policy, PolicyKind};
use scaleproof::engine::groups::preferences::Preferences;
use scaleproof::engine::groups::termination::TerminationPolicy;
use scaleproof::engine::groups::{
    Ec2State, Group, GroupSpec, Groups, Membership, Placement, Process, Settings, Timing, TrafficSource,
};
use scaleproof::engine::metrics::{MetricKey, Statistic};
use scaleproof::engine::names::{GroupName, InstanceId, Place, PolicyArn, Zone};
use scaleproof::engine::topics::{DeliveryOutcome, Links, SubscribeRequest};
use scaleproof::engine::{Effect, Event, Refusal, World};
use serde_json::{Value, json};

use super::api::{ACCOUNT, REGION};
use super::failure::Failure;

/// One group, `g`.
pub struct GroupStage {
    pub world: World,
    pub now: Timestamp,
    pub start: Timestamp,
    /// Subjects and messages that the group's topic was told.
    pub heard: Vec<(String, Value)>,
}

pub fn group() -> GroupName {
    "g".into()
}

pub fn zone(letter: &str) -> Zone {
    Zone(format!("{REGION}{letter}"))
}

/// In zones a and b, with AWS's defaults.
pub fn spec(world: &World, min: u32, desired: u32, max: u32) -> Result<GroupSpec, Refusal> {
    let placement = |(third, letter): (usize, &str)| Placement {
        subnet: format!("subnet-{letter}").as_str().into(),
        zone: zone(letter),
        cidr: format!("10.0.{third}.0/24"),
        vpc: "vpc-1".into(),
        public_ip: true,
        ipv6: None,
    };
    Ok(GroupSpec {
        name: group(),
        limits: Limits { min, max },
        desired_capacity: Some(desired),
        settings: Settings {
            placements: ["a", "b"].into_iter().enumerate().map(placement).collect(),
            by_zone: false,
            launch: world.groups.launch_source_of_template(None, Some("t"), Some("$Latest"))?,
            default_cooldown_secs: DEFAULT_COOLDOWN_SECS,
            default_instance_warmup_secs: None,
            health_check_type: "EC2".into(),
            health_check_grace_secs: 0,
            termination_policies: vec![TerminationPolicy::Default],
            protect_new_instances: false,
            capacity_rebalance: None,
            service_linked_role_arn: String::new(),
            preferences: Preferences::default(),
        },
        tags: BTreeMap::new(),
        hooks: Vec::new(),
    })
}

pub fn hook(name: &str, transition: Transition, default_result: ActionResult) -> LifecycleHook {
    LifecycleHook {
        name: name.into(),
        transition,
        heartbeat_secs: 300,
        default_result,
        target: None,
        role_arn: None,
        metadata: None,
    }
}

impl GroupStage {
    /// No group yet.
    pub fn empty(start: Timestamp, timing: Timing) -> Result<Self, Failure> {
        let mut world = World::new(Place::new(REGION, ACCOUNT), 1, timing);
        let data = json!({"ImageId": "ami-1", "InstanceType": "t2.nano", "Monitoring": {"Enabled": true}});
        world.with_groups(start, |groups| {
            groups.create_launch_template(start, "t", None, data, BTreeMap::new()).map(|_| ())
        })?;
        Ok(Self { world, now: start, start, heard: Vec::new() })
    }

    /// A group of `min`/`desired`/`max` with what `change` makes of its settings, settled.
    pub fn settled(min: u32, desired: u32, max: u32, change: impl FnOnce(&mut GroupSpec)) -> Result<Self, Failure> {
        let mut stage = Self::empty(super::api::Api::START, Timing::Realistic)?;
        stage.create(min, desired, max, change)?;
        stage.run_for(900);
        Ok(stage)
    }

    pub fn create(
        &mut self,
        min: u32,
        desired: u32,
        max: u32,
        change: impl FnOnce(&mut GroupSpec),
    ) -> Result<(), Failure> {
        let mut spec = spec(&self.world, min, desired, max)?;
        change(&mut spec);
        Ok(self.call(|groups, now| groups.create_group(now, spec))?)
    }

    pub fn call<T>(&mut self, call: impl FnOnce(&mut Groups, Timestamp) -> T) -> T {
        let now = self.now;
        let answer = self.world.with_groups(now, |groups| call(groups, now));
        self.listen(Event::Tick);
        answer
    }

    /// Puts the group behind a load balancer, which finds everything healthy at first.
    pub fn balance(&mut self) -> Result<(), Failure> {
        let source = TrafficSource { identifier: "arn:aws:elasticloadbalancing:tg".into(), kind: "elbv2".into() };
        Ok(self.call(|groups, _| groups.attach_traffic_sources(&group(), vec![source]))?)
    }

    /// Subscribes to everything that the group tells topics.
    pub fn subscribe(&mut self) -> Result<(), Failure> {
        let links = Links::of_aws(&self.world.place.clone());
        let topic = self.world.topics.create_topic("ops", &BTreeMap::new(), &Vec::new(), links)?;
        let request = SubscribeRequest {
            topic_arn: topic.to_string(),
            protocol: "sqs".into(),
            endpoint: format!("arn:aws:sqs:{REGION}:{ACCOUNT}:inbox"),
            attributes: BTreeMap::new(),
        };
        self.world.topics.subscribe(self.now, &request)?;
        let types: BTreeSet<NotificationType> = NotificationType::ALL.iter().copied().collect();
        Ok(self.call(|groups, now| groups.put_notification(now, &group(), topic, types))?)
    }

    fn listen(&mut self, event: Event) {
        let mut effects = self.world.step(self.now, event);
        while let Some(Effect::Deliver(delivery)) = effects.pop() {
            let body: Value = serde_json::from_str(&delivery.body).unwrap_or_default();
            let message = serde_json::from_str(body["Message"].as_str().unwrap_or_default()).unwrap_or_default();
            self.heard.push((delivery.subject.clone().unwrap_or_default(), message));
            let outcome = DeliveryOutcome::Accepted;
            effects.extend(self.world.step(self.now, Event::Delivered { delivery: delivery.id, outcome }));
        }
    }

    /// Lets time pass, from one event to the next; `watch` sees the stage after each.
    pub fn watch_for(&mut self, secs: u64, mut watch: impl FnMut(&Self)) {
        let end = self.now + Duration::from_secs(secs);
        while let Some(due) = self.world.next_due().filter(|due| *due <= end) {
            self.now = due;
            self.listen(Event::Tick);
            watch(self);
        }
        self.now = end;
    }

    pub fn run_for(&mut self, secs: u64) {
        self.watch_for(secs, |_| {});
    }

    pub fn group(&self) -> Result<&Group, Failure> {
        self.world.groups.get(&group()).ok_or_else(|| "the group is gone".into())
    }

    /// A simple policy.
    pub fn put_policy(&mut self, name: &str, adjustment: i32) -> Result<PolicyArn, Failure> {
        let policy = Policy {
            name: name.into(),
            arn: PolicyArn::default(),
            enabled: true,
            adjustment_type: AdjustmentType::ChangeInCapacity,
            min_adjustment_magnitude: None,
            kind: PolicyKind::Simple { adjustment, cooldown_secs: None },
            last: None,
        };
        Ok(self.call(|groups, _| groups.put_policy(&group(), policy))?)
    }

    /// An alarm in ALARM asks the policy to act, as it does each minute.
    pub fn fire(&mut self, name: &str, arn: &PolicyArn) -> Result<(), Failure> {
        let metric = MetricStat {
            key: MetricKey { namespace: "AWS/EC2".into(), name: "CPUUtilization".into(), dimensions: BTreeMap::new() },
            statistic: Statistic::Average,
            period_secs: 60,
            unit: None,
        };
        let config = MetricAlarm {
            name: name.into(),
            description: None,
            actions_enabled: true,
            ok_actions: Vec::new(),
            alarm_actions: Vec::new(),
            insufficient_data_actions: Vec::new(),
            watched: metric.into(),
            evaluation_periods: 1,
            datapoints_to_alarm: None,
            threshold: 50.0,
            comparison: Comparison::GreaterThanOrEqualToThreshold,
            treat_missing_data: None,
            evaluate_low_sample_count_percentile: None,
            timing: AlarmTiming::default(),
        };
        let now = self.now;
        let alarm = AlarmSnapshot {
            config: Arc::new(config),
            arn: self.world.place.arn("cloudwatch", &format!("alarm:{name}")),
            old_state: AlarmState::Alarm,
            new_state: AlarmState::Alarm,
            reason: "".into(),
            state_changed_at: now,
            configuration_updated_at: now,
            newest_value: Some(90.0),
        };
        let outcomes = self.world.groups.invoke_policy(now, arn.as_str(), &alarm, &|_| None)?;
        self.world.route_outcomes(now, outcomes);
        Ok(())
    }

    pub fn set_desired(&mut self, to: u32) -> Result<(), Failure> {
        Ok(self.call(|groups, now| groups.set_desired_capacity(now, &group(), to, false))?)
    }

    pub fn suspend(&mut self, processes: &[Process]) -> Result<(), Failure> {
        Ok(self.call(|groups, now| groups.suspend_processes(now, &group(), processes))?)
    }

    pub fn resume(&mut self) -> Result<(), Failure> {
        Ok(self.call(|groups, now| groups.resume_processes(now, &group(), &[]))?)
    }

    pub fn ids(&self) -> Vec<InstanceId> {
        self.group().map(|group| group.members.iter().cloned().collect()).unwrap_or_default()
    }

    pub fn first(&self) -> Result<InstanceId, Failure> {
        self.ids().into_iter().next().ok_or_else(|| "the group has no instance".into())
    }

    pub fn member(&self, id: &InstanceId) -> Option<&Membership> {
        self.world.groups.instance(id)?.membership.as_ref()
    }

    /// The state that an instance is in, also once it has left its group.
    pub fn state(&self, id: &InstanceId) -> Option<&'static str> {
        let instance = self.world.groups.instance(id)?;
        match &instance.membership {
            Some(member) => Some(member.lifecycle.name()),
            None if instance.state == Ec2State::Terminated => Some("Terminated"),
            None => None,
        }
    }

    /// How many members of each zone are there to stay.
    pub fn zones(&self) -> BTreeMap<Zone, usize> {
        let mut zones: BTreeMap<Zone, usize> = BTreeMap::new();
        for id in self.ids() {
            let active = self.member(&id).is_some_and(|member| member.lifecycle.is_active());
            if let Some(instance) = self.world.groups.instance(&id).filter(|_| active) {
                *zones.entry(instance.placement.zone.clone()).or_default() += 1;
            }
        }
        zones
    }

    /// Oldest first, from the `seen`th on.
    pub fn activities_since(&self, seen: usize) -> Vec<&Activity> {
        self.group().map(|group| group.activities.iter().skip(seen).collect()).unwrap_or_default()
    }

    pub fn activity_count(&self) -> usize {
        self.group().map_or(0, |group| group.activities.len())
    }
}

/// A text with each instant in it written as `<T>`.
pub fn timeless(text: &str) -> String {
    let word = |word: &str| match Timestamp::parse(word) {
        Some(_) => "<T>".to_string(),
        None => word.to_string(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
