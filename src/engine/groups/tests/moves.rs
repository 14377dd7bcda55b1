//! Standby, attaching and detaching, findings of health checks, zones out of balance.

use std::collections::BTreeSet;

use super::*;
use crate::engine::groups::activity::ActivityKind;
use crate::engine::groups::cause::HealthFinding;
use crate::engine::groups::notice::NotificationType;

fn web() -> GroupName {
    "web".into()
}

/// A group behind a load balancer that it asks about health, with `grace_secs` of grace; settled.
fn balanced(desired: u32, grace_secs: u32) -> Stage {
    let mut stage = Stage::new(Timing::Realistic);
    let mut spec = stage.spec("web", 0, desired, 40);
    spec.settings.health_check_type = "ELB".into();
    spec.settings.health_check_grace_secs = grace_secs;
    stage.call(|groups, now| groups.create_group(now, spec)).unwrap();
    let source = TrafficSource { identifier: "arn:tg".into(), kind: "elbv2".into() };
    stage.call(|groups, _| groups.attach_traffic_sources(&web(), vec![source])).unwrap();
    stage.run_for(300);
    stage
}

fn zone_counts(stage: &Stage) -> String {
    let zones = stage.groups.members(stage.group()).filter(|(_, member)| member.lifecycle == LifecycleState::InService);
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for (instance, _) in zones {
        *counts.entry(instance.placement.zone.to_string()).or_default() += 1;
    }
    counts.into_iter().map(|(zone, count)| format!("{zone}:{count}")).collect::<Vec<_>>().join(" ")
}

fn ids_in(stage: &Stage, zone: &str) -> Vec<InstanceId> {
    let members = stage.groups.members(stage.group());
    members.filter(|(it, _)| it.placement.zone.as_str() == zone).map(|(it, _)| it.id.clone()).collect()
}

/// The texts, progress and status codes are those of the API reference's examples.
#[test]
fn standby_takes_an_instance_out_and_back_with_the_capacity_that_it_is() {
    let mut stage = Stage::settled(0, 2, 3);
    let id = stage.member_ids().remove(0);
    let ids = [id.clone()];
    stage.call(|groups, now| groups.enter_standby(now, &web(), &ids, true)).unwrap();
    let activity = stage.group().activities.back().unwrap().clone();
    assert_eq!(activity.description(), format!("Moving EC2 instance to Standby: {id}"));
    assert_eq!((activity.status.name(), activity.progress), ("InProgress", 50));
    assert_eq!(
        relative(&activity.cause),
        format!(
            "At 300 instance {id} was moved to standby in response to a user request, shrinking the capacity from 2 to 1."
        )
    );
    stage.run_for(60);
    assert_eq!(stage.group().desired_capacity, 1);
    let state = |stage: &Stage| stage.groups.instance(&id).unwrap().lifecycle().unwrap();
    assert_eq!(state(&stage), LifecycleState::Standby);
    // Its health is nobody's business now.
    let refused = stage.call(|groups, now| groups.enter_standby(now, &web(), &ids, true)).unwrap_err();
    assert_eq!(refused.message, format!("The instance {id} is not in InService."));

    stage.call(|groups, now| groups.exit_standby(now, &web(), &ids)).unwrap();
    let activity = stage.group().activities.back().unwrap().clone();
    assert_eq!(activity.description(), format!("Moving EC2 instance out of Standby: {id}"));
    assert_eq!((activity.status.name(), activity.progress), ("PreInService", 30));
    assert!(activity.cause.ends_with("in response to a user request, increasing the capacity from 1 to 2."));
    stage.run_for(60);
    assert_eq!((stage.states().as_str(), stage.group().desired_capacity), ("InService InService", 2));
}

#[test]
fn without_a_decrement_standby_instances_are_replaced_and_may_not_come_back_beyond_the_maximum() {
    let mut stage = Stage::settled(2, 2, 2);
    let ids = vec![stage.member_ids().remove(0)];
    let refused = stage.call(|groups, now| groups.enter_standby(now, &web(), &ids, true)).unwrap_err();
    assert!(refused.message.starts_with("AutoScalingGroup web has min-size=2, max-size=2, and desired-size=2."));
    stage.call(|groups, now| groups.enter_standby(now, &web(), &ids, false)).unwrap();
    stage.run_for(120);
    let mut states: Vec<&str> =
        stage.groups.members(stage.group()).map(|(_, member)| member.lifecycle.name()).collect();
    states.sort_unstable();
    assert_eq!(states, ["InService", "InService", "Standby"]);
    assert!(stage.call(|groups, now| groups.exit_standby(now, &web(), &ids)).is_err());
    let undeletable = stage.call(|groups, now| groups.delete_group(now, &web(), false)).unwrap_err();
    assert_eq!(undeletable.code, "ResourceInUse");
}

#[test]
fn an_instance_can_be_detached_and_attached_again() {
    let mut stage = Stage::settled(0, 2, 2);
    let ids = vec![stage.member_ids().remove(0)];
    let types = BTreeSet::from([NotificationType::Launch, NotificationType::Terminate]);
    stage.call(|groups, now| groups.put_notification(now, &web(), "arn:topic".into(), types)).unwrap();
    stage.call(|groups, now| groups.detach_instances(now, &web(), &ids, true)).unwrap();
    assert_eq!(stage.group().activities.back().unwrap().description(), format!("Detaching EC2 instance: {}", ids[0]));
    stage.run_for(60);
    let free = stage.groups.instance(&ids[0]).unwrap();
    assert!(free.is_running() && free.membership.is_none() && !free.tags.contains_key("aws:autoscaling:groupName"));
    assert_eq!((stage.states().as_str(), stage.group().desired_capacity), ("InService", 1));

    stage.call(|groups, now| groups.attach_instances(now, &web(), &ids)).unwrap();
    let activity = stage.group().activities.back().unwrap().clone();
    assert_eq!(activity.description(), format!("Attaching an existing EC2 instance: {}", ids[0]));
    assert_eq!(
        relative(&activity.cause),
        "At 360 an instance was added in response to user request. Keeping the capacity at the new 2."
    );
    stage.run_for(60);
    assert_eq!((stage.states().as_str(), stage.group().desired_capacity), ("InService InService", 2));
    let heard: Vec<String> = stage.messages().into_iter().map(|(_, subject, _)| subject).collect();
    assert_eq!(heard.len(), 3, "{heard:?}");
    let refused = stage.call(|groups, now| groups.attach_instances(now, &web(), &ids)).unwrap_err();
    assert!(refused.message.contains("already part of AutoScalingGroup web"), "{refused}");
}

#[test]
fn a_load_balancers_verdict_waits_for_the_end_of_the_grace_period() {
    let mut stage = balanced(1, 300);
    let id = stage.member_ids().remove(0);
    // In service since 40 s.
    stage.call(|groups, now| groups.report_check(now, &id, HealthFinding::LoadBalancer, true));
    stage.run_for(39);
    assert_eq!(stage.states(), "InService");
    stage.run_for(2);
    let (title, status, cause) = stage.activities().pop().map(|_| stage.activities().remove(0)).unwrap();
    assert!(title.starts_with("Launching"), "the replacement does not wait for the draining: {title} {status}");
    assert!(cause.contains("an unhealthy instance needing to be replaced"));
    let (title, status, cause) = stage.activities().remove(1);
    assert_eq!(title, format!("Terminating EC2 instance: {id} - Waiting For ELB Connection Draining."));
    assert_eq!(status, "WaitingForELBConnectionDraining");
    assert_eq!(cause, "At 340 an instance was taken out of service in response to an ELB system health check failure.");
    stage.run_for(400);
    assert_eq!(stage.states(), "InService");
}

#[test]
fn a_verdict_that_is_withdrawn_within_the_grace_period_is_forgotten() {
    let mut stage = balanced(1, 300);
    let id = stage.member_ids().remove(0);
    stage.call(|groups, now| groups.report_check(now, &id, HealthFinding::LoadBalancer, true));
    stage.run_for(10);
    stage.call(|groups, now| groups.report_check(now, &id, HealthFinding::LoadBalancer, false));
    stage.run_for(600);
    assert_eq!(stage.member_ids(), [id]);
}

/// Documented: ten percent of the desired capacity at a time, one if that is less than one.
#[test]
fn instances_that_fail_checks_are_replaced_a_tenth_at_a_time() {
    let check = |desired: u32, at_once: usize| {
        let mut stage = balanced(desired, 0);
        let first = stage.member_ids();
        for id in &first {
            stage.call(|groups, now| groups.report_check(now, id, HealthFinding::LoadBalancer, true));
        }
        let leaving =
            |stage: &Stage| stage.groups.members(stage.group()).filter(|(_, it)| it.lifecycle.is_terminating()).count();
        assert_eq!(leaving(&stage), at_once, "of {desired}");
        stage.run_for(7200);
        assert!(stage.member_ids().iter().all(|id| !first.contains(id)), "in the end all are replaced");
        assert_eq!(stage.member_ids().len(), desired as usize);
    };
    check(1, 1);
    check(5, 1);
    check(20, 2);
}

#[test]
fn zones_out_of_balance_are_evened_out_launching_first() {
    let mut stage = Stage::settled(0, 4, 4);
    let emptied = ids_in(&stage, "us-east-1b");
    stage.call(|groups, now| groups.detach_instances(now, &web(), &emptied, true)).unwrap();
    stage.run_for(20);
    assert_eq!(zone_counts(&stage), "us-east-1a:2");
    let seen = stage.group().activities.len();
    stage.run_for(600);
    assert_eq!(zone_counts(&stage), "us-east-1a:1 us-east-1b:1");
    let kinds: Vec<ActivityKind> = stage.group().activities.iter().skip(seen).map(|activity| activity.kind).collect();
    assert_eq!(kinds, [ActivityKind::Launch, ActivityKind::Terminate]);
    let launch = &stage.group().activities[seen];
    assert!(launch.cause.contains("to balance instances in zones us-east-1b with other zones"), "{}", launch.cause);
    let before = stage.group().activities.len();
    stage.run_for(7200);
    assert_eq!(stage.group().activities.len(), before, "a balanced group rests");
}

#[test]
fn a_zone_without_capacity_leaves_launches_to_the_others() {
    let mut stage = Stage::settled(0, 0, 4);
    stage.groups.set_zone_capacity("us-east-1a".into(), false);
    stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 2, false)).unwrap();
    stage.run_for(120);
    assert_eq!(zone_counts(&stage), "us-east-1b:2");
    // Rebalancing tries and says why it cannot, now and then.
    stage.run_for(1000);
    assert!(stage.activities()[0].0.contains("sufficient t2.nano capacity in the Availability Zone you requested"));
    stage.groups.set_zone_capacity("us-east-1a".into(), true);
    stage.run_for(3600);
    assert_eq!(zone_counts(&stage), "us-east-1a:1 us-east-1b:1");
}

#[test]
fn launches_that_fail_are_tried_less_and_less_often() {
    let mut stage = Stage::settled(0, 0, 3);
    for zone in ["us-east-1a", "us-east-1b"] {
        stage.groups.set_zone_capacity(zone.into(), false);
    }
    stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 1, false)).unwrap();
    stage.run_for(3600);
    let tries: Vec<i64> =
        stage.group().activities.iter().map(|activity| activity.started_at.as_secs() - START - 308).collect();
    assert_eq!(tries, [0, 60, 180, 420, 900, 1800, 2700]);
}
