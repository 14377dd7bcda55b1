//! A group behind a target group: in one world, members are registered, checked, replaced and drained.

use std::collections::BTreeMap;

use super::*;
use crate::engine::groups::cause::HealthFinding;
use crate::engine::load_balancers::{
    Action, BalancerKind, BalancerZone, HealthCheck, IpAddressType, NewBalancer, NewTargetGroup, Protocol, Routing,
    TargetType, TlsRequest,
};
use crate::engine::{Event, World};

fn web() -> GroupName {
    "web".into()
}

struct Scene {
    world: World,
    now: Timestamp,
    target_group: String,
}

impl Scene {
    /// A group of `desired` that asks its load balancer about health, behind a listener since `settled` seconds.
    fn new(timing: Timing, desired: u32, settled: u64) -> Self {
        let place = Place::new("us-east-1", "123456789012");
        let stage = Stage::new(timing);
        let mut world = World::new(place, 7, timing);
        world.groups = stage.groups.clone();
        let mut spec = stage.spec("web", 0, desired, 9);
        spec.settings.health_check_type = "ELB".into();
        let zones = spec.settings.placements.iter().map(|placement| BalancerZone {
            zone: placement.zone.clone(),
            subnet: placement.subnet.clone(),
            vpc: placement.vpc.clone(),
            has_ipv6: false,
        });
        let balancer = NewBalancer {
            name: "web".into(),
            kind: BalancerKind::Application,
            internal: false,
            zones: zones.collect(),
            security_groups: vec!["sg-1".into()],
            ip_address_type: IpAddressType::Ipv4,
            tags: BTreeMap::new(),
        };
        let target_group = NewTargetGroup {
            name: "web".into(),
            protocol: Protocol::Http,
            protocol_version: None,
            port: 80,
            vpc: "vpc-1".into(),
            target_type: TargetType::Instance,
            ip_address_type: "ipv4".into(),
            health_check: HealthCheck::default_of(Protocol::Http, None),
            tags: BTreeMap::new(),
        };
        let made = world.with_load_balancers(stage.now, |balancers, place| {
            let arn = balancers.create_balancer(stage.now, place, balancer)?.arn.clone();
            let group = balancers.create_target_group(place, target_group)?.arn.clone();
            let routing = Routing::Forward { to: vec![(group.clone(), 1)], sticky: false, sticky_secs: None };
            let actions = vec![Action { order: None, routing }];
            balancers.create_listener(&arn, Protocol::Http, TlsRequest::default(), 80, actions, BTreeMap::new())?;
            Ok(group)
        });
        let mut scene = Self { world, now: stage.now, target_group: made.unwrap() };
        let source = TrafficSource::target_group(&scene.target_group);
        scene.call(|groups, now| {
            groups.create_group(now, spec).unwrap();
            groups.attach_traffic_sources(&web(), vec![source]).unwrap();
        });
        scene.run_for(settled);
        scene
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Groups, Timestamp) -> T) -> T {
        let now = self.now;
        self.world.with_groups(now, |groups| call(groups, now))
    }

    fn run_for(&mut self, secs: u64) {
        self.now = self.now + Duration::from_secs(secs);
        self.world.step(self.now, Event::Tick);
    }

    /// States of all targets, in the order of their registration.
    fn targets(&self) -> String {
        let group = self.world.load_balancers.target_group(&self.target_group).unwrap();
        group.targets().map(|target| target.health(self.now).state).collect::<Vec<_>>().join(" ")
    }

    fn group(&self) -> &Group {
        self.world.groups.get(&web()).unwrap()
    }

    /// The ends of the ARNs of the load balancer and the target group, as metrics and resource labels have them.
    fn names(&self) -> (&str, &str) {
        let balancers = &self.world.load_balancers;
        let balancer = balancers.balancers().next().unwrap();
        (balancer.full_name(), balancers.target_group(&self.target_group).unwrap().full_name())
    }

    /// So many requests a second reach the group, of which a machine can serve 100.
    fn ask_per_second(&mut self, requests: f64) {
        let workload = Workload {
            requests_per_sec: 100.0,
            base_cpu: 2.0,
            boot: workload::Spread::fixed(Duration::ZERO),
            service_ms: 10.0,
            latency_cap_ms: 1000.0,
            credits: None,
            metric_delay: Duration::ZERO,
            metric_loss_percent: 0.0,
            seed: 7,
        };
        self.call(|groups, now| {
            groups.set_workload(now, &web(), workload).unwrap();
            groups.set_load(now, &web(), Load::Requests(requests)).unwrap();
        });
    }

    fn members(&self) -> Vec<InstanceId> {
        self.group().members.iter().cloned().collect()
    }

    /// The newest activity of this beginning: description, status and cause.
    fn activity(&self, beginning: &str) -> (String, &'static str, String) {
        let found = self.group().activities.iter().rev().find(|activity| activity.description().starts_with(beginning));
        found.map(|one| (one.description(), one.status.name(), relative(&one.cause))).unwrap()
    }
}

#[test]
fn members_are_registered_when_they_enter_service() {
    let mut scene = Scene::new(Timing::Realistic, 2, 20);
    assert_eq!(scene.targets(), "");
    scene.run_for(30);
    assert_eq!(scene.targets(), "initial initial");
    scene.run_for(250);
    assert_eq!(scene.targets(), "healthy healthy");
}

/// Source: User Guide, "Suspend and resume processes": while AddToLoadBalancer is suspended new instances are not added.
#[test]
fn a_member_that_enters_service_while_adding_is_suspended_gets_no_traffic() {
    let mut scene = Scene::new(Timing::Realistic, 1, 300);
    let adding = [group::Process::AddToLoadBalancer];
    scene.call(|groups, now| groups.suspend_processes(now, &web(), &adding)).unwrap();
    scene.call(|groups, now| groups.set_desired_capacity(now, &web(), 2, false)).unwrap();
    scene.run_for(300);
    assert_eq!((scene.members().len(), scene.targets().as_str()), (2, "healthy"));
}

/// The description and the status are those of the documentation's activities while draining.
#[test]
fn a_member_that_leaves_drains_for_the_target_groups_delay() {
    let mut scene = Scene::new(Timing::Realistic, 1, 300);
    let arn = scene.target_group.clone();
    let delay = [("deregistration_delay.timeout_seconds".to_string(), "90".to_string())];
    let now = scene.now;
    scene.world.with_load_balancers(now, |it, _| it.target_group_mut(&arn)?.attributes.set(&delay)).unwrap();
    scene.call(|groups, now| groups.set_desired_capacity(now, &web(), 0, false)).unwrap();
    scene.run_for(21 + 89);
    assert_eq!(scene.targets(), "draining");
    let (description, status, _) = scene.activity("Terminating");
    assert!(description.ends_with(" - Waiting For ELB Connection Draining."), "{description}");
    assert_eq!(status, "WaitingForELBConnectionDraining");
    scene.run_for(1);
    assert_eq!((scene.targets().as_str(), scene.activity("Terminating").1), ("", "InProgress"));
    scene.run_for(60);
    assert_eq!((scene.members().len(), scene.activity("Terminating").1), (0, "Successful"));
}

#[test]
fn standby_takes_a_member_from_the_target_group_and_back() {
    let mut scene = Scene::new(Timing::Realistic, 1, 300);
    let ids = scene.members();
    scene.call(|groups, now| groups.enter_standby(now, &web(), &ids, true)).unwrap();
    assert_eq!(scene.targets(), "draining");
    scene.run_for(301);
    assert_eq!(scene.targets(), "");
    scene.call(|groups, now| groups.exit_standby(now, &web(), &ids)).unwrap();
    scene.run_for(60);
    assert_eq!(scene.targets(), "healthy");
}

/// The cause is recorded.
#[test]
fn a_member_that_the_target_group_finds_unhealthy_is_replaced_after_its_checks() {
    let mut scene = Scene::new(Timing::Realistic, 2, 300);
    let broken = scene.members().remove(0);
    // A group that asks EC2 alone is not told by its load balancer.
    scene.call(|groups, now| {
        groups.groups.get_mut(&web()).unwrap().settings.health_check_grace_secs = 3600;
        groups.report_check(now, &broken, HealthFinding::StatusCheckFailed, true);
    });
    scene.run_for(90);
    assert_eq!(scene.targets().matches("unhealthy").count(), 1);
    assert!(scene.members().contains(&broken), "its grace period is not over");
    scene.call(|groups, now| {
        groups.report_check(now, &broken, HealthFinding::StatusCheckFailed, false);
        groups.groups.get_mut(&web()).unwrap().settings.health_check_grace_secs = 0;
        groups.check_group_health(now, &web());
    });
    let (description, _, cause) = scene.activity("Terminating");
    assert!(description.contains(broken.as_str()), "{description}");
    assert!(
        cause.ends_with("an instance was taken out of service in response to an ELB system health check failure."),
        "{cause}"
    );
    scene.run_for(600);
    assert_eq!((scene.members().len(), scene.targets().as_str()), (2, "healthy healthy"));
    assert!(!scene.members().contains(&broken));
}

#[test]
fn target_groups_are_attached_to_and_detached_from_members_in_service() {
    let mut scene = Scene::new(Timing::Realistic, 2, 300);
    let sources = [TrafficSource::target_group(&scene.target_group)];
    let detach = |scene: &mut Scene| {
        scene.call(|groups, now| groups.detach_traffic_sources(now, &web(), &sources, "not part of the group"))
    };
    detach(&mut scene).unwrap();
    assert_eq!(scene.targets(), "draining draining");
    assert_eq!(scene.group().leaving_sources(scene.now).count(), 1);
    assert_eq!(detach(&mut scene).unwrap_err().message, "not part of the group");
    scene.run_for(300);
    assert_eq!((scene.targets().as_str(), scene.group().leaving_sources(scene.now).count()), ("", 0));
    scene.call(|groups, _| groups.attach_traffic_sources(&web(), sources.to_vec())).unwrap();
    assert_eq!(scene.targets(), "initial initial");
    scene.run_for(40);
    assert_eq!(scene.targets(), "healthy healthy");
}

/// Source: User Guide, "Troubleshoot Amazon EC2 Auto Scaling: Load balancer issues".
#[test]
fn without_its_target_group_a_group_cannot_launch() {
    let mut scene = Scene::new(Timing::Realistic, 0, 300);
    let (now, arn) = (scene.now, scene.target_group.clone());
    scene
        .world
        .with_load_balancers(now, |balancers, _| {
            let balancer = balancers.balancers().next().map(|balancer| balancer.arn.clone()).unwrap_or_default();
            balancers.delete_balancer(&balancer)?;
            balancers.delete_target_group(&arn)
        })
        .unwrap();
    scene.call(|groups, now| groups.set_desired_capacity(now, &web(), 1, false)).unwrap();
    scene.run_for(10);
    let (description, status, _) = scene.activity("Launching");
    assert_eq!(
        (description.as_str(), status),
        (
            "Launching a new EC2 instance.  Status Reason: One or more target groups not found. Validating load balancer \
             configuration failed.",
            "Failed"
        )
    );
}

#[test]
fn with_instant_timing_a_group_is_behind_its_load_balancer_within_the_call() {
    let mut scene = Scene::new(Timing::Instant, 2, 0);
    assert_eq!(scene.targets(), "healthy healthy");
    scene.call(|groups, now| groups.set_desired_capacity(now, &web(), 1, false)).unwrap();
    assert_eq!((scene.members().len(), scene.targets().as_str()), (1, "healthy"));
}

/// Source: Application Load Balancers user guide, "CloudWatch metrics": requests of a minute by the number of targets.
#[test]
fn requests_to_the_group_are_counted_per_healthy_target() {
    let mut scene = Scene::new(Timing::Realistic, 2, 290);
    scene.ask_per_second(50.0);
    scene.run_for(130);
    let (balancer, group) = scene.names();
    let dimensions = [("TargetGroup", group), ("LoadBalancer", balancer)];
    for used in [&dimensions[..1], &dimensions[..]] {
        let key = crate::engine::metrics::MetricKey {
            namespace: "AWS/ApplicationELB".into(),
            name: "RequestCountPerTarget".into(),
            dimensions: used.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect(),
        };
        let stat = MetricStat { key, statistic: Statistic::Sum, ..stat_of_alarm() };
        let config = MetricAlarm { watched: stat.into(), ..(*alarm(scene.now, 0.0).config).clone() };
        let points = config.evaluation_points(scene.now, &scene.world.metrics);
        let newest = points.iter().rev().find_map(|point| point.value);
        // Fifty a second, sixty seconds, two targets.
        assert_eq!(newest, Some(1500.0), "{used:?}");
    }
}

/// Source: Amazon EC2 Auto Scaling user guide, "Target tracking scaling policies": the resource label is the ends of the two
/// ARNs, and the group keeps the requests of a minute per target near the target value.
#[test]
fn a_policy_tracks_the_requests_of_each_target() {
    let mut scene = Scene::new(Timing::Realistic, 2, 290);
    scene.ask_per_second(50.0);
    let (balancer, group) = scene.names();
    let kind = PredefinedMetric::ALBRequestCountPerTarget;
    let metric = TrackedMetric::Predefined { kind, resource_label: Some(format!("{balancer}/{group}")) };
    // 50 a second are 3,000 a minute: four targets have 750 each.
    let tracked = TargetTracking { metric, target: 750.0, ..tracking(kind) };
    let policy = Policy {
        name: "requests".into(),
        arn: PolicyArn::default(),
        enabled: true,
        adjustment_type: AdjustmentType::ChangeInCapacity,
        min_adjustment_magnitude: None,
        kind: PolicyKind::TargetTracking(tracked),
        last: None,
    };
    scene.call(|groups, _| groups.put_policy(&web(), policy)).unwrap();
    (0..60).for_each(|_| scene.run_for(10));
    assert_eq!(scene.group().desired_capacity, 4);
}

fn stat_of_alarm() -> MetricStat {
    alarm(Timestamp::from_secs(START), 0.0).config.watched.metric().unwrap().clone()
}

/// However the time is cut.
#[test]
fn stepping_and_jumping_give_one_history() {
    let play = |step: u64| {
        let mut scene = Scene::new(Timing::Realistic, 2, 0);
        let mut history = Vec::new();
        for minute in 0_u64..12 {
            for _ in 0..60 / step {
                scene.run_for(step);
            }
            if minute == 5 {
                let id = scene.members().remove(0);
                scene.call(|groups, now| groups.report_check(now, &id, HealthFinding::StatusCheckFailed, true));
            }
            history.push(scene.targets());
        }
        let activities: Vec<_> = scene.group().activities.iter().cloned().collect();
        (history, activities)
    };
    assert_eq!(play(1), play(60));
}
