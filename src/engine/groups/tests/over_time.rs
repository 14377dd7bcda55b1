use std::collections::BTreeSet;

use super::*;
use crate::engine::groups::hook::{ActionResult, LifecycleHook, Transition};
use crate::engine::groups::notice::NotificationType;
use crate::engine::groups::policy::Reason;
use crate::engine::groups::steps::Step;

const STARTED: &str = "an instance was started in response to a difference between desired and actual capacity, increasing \
                       the capacity from";
const TAKEN_OUT: &str = "an instance was taken out of service in response to a difference between desired and actual \
                         capacity, shrinking the capacity from";

fn web() -> GroupName {
    "web".into()
}

#[test]
fn a_new_group_launches_what_it_wants_and_says_why() {
    let mut stage = Stage::new(Timing::Realistic);
    stage.create("web", 1, 1, 3);
    assert_eq!(stage.states(), "");
    stage.run_for(8);
    assert_eq!((stage.states().as_str(), stage.activities()[0].1), ("Pending", "PreInService"));
    stage.run_for(31);
    assert_eq!(stage.states(), "Pending");
    stage.run_for(1);
    assert_eq!(stage.states(), "InService");
    let id = &stage.member_ids()[0];
    let cause = format!(
        "At 0 a user request created an AutoScalingGroup changing the desired capacity from 0 to 1.  At 8 {STARTED} 0 to 1."
    );
    assert_eq!(stage.activities(), [(format!("Launching a new EC2 instance: {id}"), "Successful", cause)]);
    let activity = &stage.group().activities[0];
    let details = activity.details.to_json().to_string();
    assert_eq!(details, r#"{"Subnet ID":"subnet-a","Availability Zone":"us-east-1a"}"#);
    assert_eq!((activity.progress, activity.ended_at), (100, Some(stage.now)));
}

#[test]
fn instances_spread_over_zones_and_get_addresses_tags_and_state() {
    let mut stage = Stage::new(Timing::Realistic);
    let mut spec = stage.spec("web", 2, 2, 3);
    let tag = |propagate_at_launch| GroupTag { value: "v".into(), propagate_at_launch };
    spec.tags = BTreeMap::from([("kept".to_string(), tag(false)), ("passed".to_string(), tag(true))]);
    stage.call(|groups, now| groups.create_group(now, spec)).unwrap();
    stage.run_for(60);
    let zones: BTreeSet<String> =
        stage.groups.instances().map(|instance| instance.placement.zone.to_string()).collect();
    assert_eq!(zones, BTreeSet::from(["us-east-1a".to_string(), "us-east-1b".to_string()]));
    for instance in stage.groups.instances() {
        let prefix = instance.placement.cidr.strip_suffix("0/24").unwrap();
        assert!(instance.private_ip.as_ref().unwrap().starts_with(prefix));
        assert!(instance.public_ip.is_some() && instance.is_running() && instance.detailed_monitoring);
        let tags: Vec<&str> = instance.tags.keys().map(String::as_str).collect();
        let system = "aws:autoscaling:groupName aws:ec2launchtemplate:id aws:ec2launchtemplate:version passed";
        assert_eq!(tags.join(" "), system);
    }
}

#[test]
fn an_alarm_scales_out_and_the_activity_names_alarm_and_policy() {
    let mut stage = Stage::settled(1, 1, 3);
    let arn = stage.put_simple("scale-out", 1, None);
    stage.fire(&arn, 90.0);
    assert_eq!(stage.group().desired_capacity, 2);
    stage.run_for(60);
    let (title, status, cause) = stage.activities().remove(0);
    assert!(title.starts_with("Launching a new EC2 instance: i-0"), "{title}");
    assert_eq!(status, "Successful");
    assert_eq!(
        cause,
        format!(
            "At 300 a monitor alarm cpu-high in state ALARM triggered policy scale-out changing the desired capacity from 1 \
             to 2.  At 308 {STARTED} 1 to 2."
        )
    );
    let newest = stage.group().shown_activities(stage.now)[0].details.to_json();
    let alarm = &newest["InvokingAlarms"][0];
    assert_eq!((&alarm["AlarmName"], &alarm["NewStateValue"]), (&json!("cpu-high"), &json!("ALARM")));
    assert_eq!((&alarm["OldStateValue"], &alarm["AWSAccountId"]), (&json!("ALARM"), &json!("123456789012")));
    assert_eq!(alarm["Trigger"]["MetricName"], "CPUUtilization");
    assert_eq!(alarm["StateChangeTime"], (START + 300) * 1000);
}

#[test]
fn scaling_in_takes_an_instance_out_and_names_it() {
    let mut stage = Stage::settled(1, 2, 3);
    stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 1, false)).unwrap();
    stage.run_for(21);
    assert_eq!(stage.activities()[0].1, "InProgress");
    let going = stage.group().activities.back().unwrap().instance.clone().unwrap();
    assert_eq!(stage.groups.instance(&going).unwrap().state, Ec2State::ShuttingDown);
    stage.run_for(35);
    assert_eq!(
        stage.activities()[0],
        (
            format!("Terminating EC2 instance: {going}"),
            "Successful",
            format!(
                "At 300 a user request explicitly set group desired capacity changing the desired capacity from 2 to 1.  At \
                 321 {TAKEN_OUT} 2 to 1.  At 321 instance {going} was selected for termination."
            )
        )
    );
    assert_eq!(stage.states(), "InService");
    assert_eq!(stage.groups.instance(&going).unwrap().state, Ec2State::Terminated);
    stage.run_for(3600);
    assert_eq!(stage.groups.instance(&going), None, "EC2 shows terminated instances for an hour");
}

/// A simple policy of +1 is asked each minute while its alarm is in ALARM; `expected` is when it acts, from 300 s on.
fn check_cooldown(max: u32, policy_cooldown: Option<u32>, minutes: u64, expected: &[i64]) {
    let mut stage = Stage::settled(1, 1, max);
    let arn = stage.put_simple("out", 1, policy_cooldown);
    let mut acted = Vec::new();
    for _ in 0..=minutes {
        let before = stage.group().desired_capacity;
        stage.fire(&arn, 90.0);
        if stage.group().desired_capacity != before {
            acted.push(stage.now.as_secs() - START - 300);
        }
        stage.run_for(60);
    }
    assert_eq!(acted, expected, "cooldown {policy_cooldown:?}");
}

#[test]
fn a_simple_policy_acts_again_at_the_first_minute_after_its_cooldown() {
    // The launch is done after 40 s; the cooldown counts from there.
    check_cooldown(5, None, 15, &[0, 360, 720]);
    check_cooldown(3, Some(60), 10, &[0, 120]);
    check_cooldown(5, Some(0), 3, &[0, 60, 120, 180]);
}

#[test]
fn while_it_waits_a_simple_policy_says_for_what() {
    let mut stage = Stage::settled(1, 1, 2);
    let arn = stage.put_simple("out", 1, None);
    stage.fire(&arn, 90.0);
    stage.run_for(1);
    stage.fire(&arn, 90.0);
    assert_eq!(stage.last_reason("out"), Reason::ActivityInProgress);
    stage.run_for(60);
    stage.fire(&arn, 90.0);
    assert_eq!(stage.last_reason("out"), Reason::InCooldown { until: Timestamp::from_secs(START + 640) });
    stage.run_for(300);
    stage.fire(&arn, 90.0);
    assert_eq!(stage.last_reason("out"), Reason::AtMaxSize);
    stage.call(|groups, now| groups.suspend_processes(now, &web(), &[Process::AlarmNotification])).unwrap();
    stage.fire(&arn, 90.0);
    assert_eq!(stage.last_reason("out"), Reason::AlarmNotificationSuspended);
}

#[test]
fn a_groups_cooldown_holds_back_its_other_simple_policies_but_no_one_else() {
    let mut stage = Stage::settled(1, 1, 4);
    let out = stage.put_simple("out", 1, None);
    let within = stage.put_simple("in", -1, None);
    let step = Step { lower: Some(0.0), upper: None, adjustment: 1 };
    let steps = stage
        .put_policy("steps", PolicyKind::Step { steps: vec![step], aggregation: None, estimated_warmup_secs: Some(0) });
    stage.fire(&out, 90.0);
    stage.run_for(100);
    stage.fire(&within, 10.0);
    assert!(matches!(stage.last_reason("in"), Reason::InCooldown { .. }));
    stage.fire(&steps, 90.0);
    assert_eq!(stage.group().desired_capacity, 3);
    stage.run_for(100);
    stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 4, false)).unwrap();
    let refused = stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 3, true)).unwrap_err();
    assert_eq!(refused.code, "ScalingActivityInProgress");
}

#[test]
fn policies_that_act_at_one_instant_agree_on_the_largest_capacity() {
    let check = |desired: u32, adjustments: &[i32], expected: u32| {
        let mut stage = Stage::settled(0, desired, 20);
        let arns: Vec<PolicyArn> =
            adjustments.iter().enumerate().map(|(at, by)| stage.put_simple(&format!("p{at}"), *by, None)).collect();
        for arn in &arns {
            stage.fire(arn, 90.0);
        }
        assert_eq!(stage.group().desired_capacity, expected, "{adjustments:?} of {desired}");
    };
    check(2, &[1, 2], 4);
    check(8, &[-3, -2], 6);
    check(8, &[-2, -3], 6);
    check(10, &[2, -2], 12);
    check(10, &[-2, 2], 12);
}

#[test]
fn step_policies_count_what_warms_up_as_ordered() {
    // Case: threshold 50, 10 running, warm-up 120 s; 60, 62, 71, 71 each minute.
    let mut stage = Stage::settled(0, 10, 100);
    let step = |lower, upper, adjustment| Step { lower: Some(lower), upper, adjustment };
    let steps = vec![step(0.0, Some(10.0), 0), step(10.0, Some(20.0), 1), step(20.0, None, 3)];
    let kind = PolicyKind::Step { steps, aggregation: None, estimated_warmup_secs: Some(120) };
    let arn = stage.put_policy("steps", kind);
    let mut desired = Vec::new();
    for value in [60.0, 62.0, 71.0, 71.0] {
        stage.fire(&arn, value);
        desired.push(stage.group().desired_capacity);
        stage.run_for(60);
    }
    assert_eq!(desired, [11, 11, 13, 14]);
}

#[test]
fn topics_hear_of_launches_and_terminations_and_first_of_themselves() {
    let mut stage = Stage::settled(1, 1, 3);
    let types = BTreeSet::from([NotificationType::Launch, NotificationType::Terminate]);
    stage.call(|groups, now| groups.put_notification(now, &web(), "arn:topic".into(), types)).unwrap();
    stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 2, false)).unwrap();
    stage.run_for(100);
    stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 1, false)).unwrap();
    stage.run_for(100);
    let told = stage.messages();
    let subjects: Vec<(i64, &str)> = told.iter().map(|(at, subject, _)| (*at, subject.as_str())).collect();
    assert_eq!(
        subjects,
        [
            (300, "Auto Scaling: test notification for group \"web\""),
            (340, "Auto Scaling: launch for group \"web\""),
            (456, "Auto Scaling: termination for group \"web\""),
        ]
    );
    assert_eq!(told[1].2["Event"], "autoscaling:EC2_INSTANCE_LAUNCH");
    assert_eq!(told[1].2["ActivityId"], stage.group().activities[1].id.as_str());
}

#[test]
fn a_lost_instance_is_noticed_terminated_and_replaced() {
    let mut stage = Stage::settled(1, 1, 3);
    let lost = stage.member_ids().remove(0);
    let change = stage.call(|groups, now| groups.terminate_instances(now, std::slice::from_ref(&lost))).unwrap();
    assert_eq!(change, [(lost.clone(), Ec2State::Running, Ec2State::ShuttingDown)]);
    stage.run_for(120);
    assert_eq!(stage.states(), "InService");
    let [launch, termination, _] = stage.activities().try_into().unwrap();
    assert_eq!(
        launch.2,
        "At 316 an instance was launched in response to an unhealthy instance needing to be replaced."
    );
    assert_eq!(termination.0, format!("Terminating EC2 instance: {lost}"));
    assert_eq!(
        termination.2,
        "At 315 an instance was taken out of service in response to an EC2 health check indicating it has been terminated \
         or stopped."
    );
}

#[test]
fn suspended_processes_wait_until_they_are_resumed() {
    let mut stage = Stage::settled(1, 1, 3);
    let suspend = |stage: &mut Stage, process| {
        stage.call(|groups, now| groups.suspend_processes(now, &web(), &[process])).unwrap();
    };
    let resume = |stage: &mut Stage| stage.call(|groups, now| groups.resume_processes(now, &web(), &[])).unwrap();
    suspend(&mut stage, Process::Launch);
    stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 2, false)).unwrap();
    stage.run_for(300);
    assert_eq!((stage.states().as_str(), stage.group().desired_capacity), ("InService", 2));
    assert_eq!(stage.group().suspended[&Process::Launch], "User suspended at 2026-09-10T00:31:40Z");
    resume(&mut stage);
    stage.run_for(300);
    assert_eq!(stage.states(), "InService InService");

    suspend(&mut stage, Process::ReplaceUnhealthy);
    let lost = stage.member_ids().remove(0);
    stage.call(|groups, now| groups.terminate_instances(now, std::slice::from_ref(&lost))).unwrap();
    stage.run_for(300);
    let member = stage.groups.instance(&lost).unwrap().membership.clone().unwrap();
    assert_eq!((member.health, member.lifecycle), (Health::Unhealthy, LifecycleState::InService));
    resume(&mut stage);
    stage.run_for(300);
    assert_eq!(stage.states(), "InService InService");
    assert!(!stage.member_ids().contains(&lost));
}

#[test]
fn a_group_of_protected_instances_wants_less_but_terminates_none() {
    let mut stage = Stage::settled(0, 2, 3);
    let ids = stage.member_ids();
    stage.call(|groups, now| groups.set_instance_protection(now, &web(), &ids, true)).unwrap();
    stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 1, false)).unwrap();
    stage.run_for(300);
    assert_eq!((stage.states().as_str(), stage.group().desired_capacity), ("InService InService", 1));
    assert_eq!(
        stage.activities()[0].0,
        "Could not scale to desired capacity because all remaining instances are protected from scale-in."
    );
    assert_eq!(stage.activities().len(), 3);
    stage.call(|groups, now| groups.set_instance_protection(now, &web(), &ids, false)).unwrap();
    stage.run_for(300);
    assert_eq!(stage.states(), "InService");
}

#[test]
fn a_caller_can_terminate_a_member_with_and_without_replacement() {
    let mut stage = Stage::settled(1, 2, 3);
    let id = stage.member_ids().remove(0);
    stage.call(|groups, now| groups.terminate_member(now, &id, true)).unwrap();
    stage.run_for(300);
    assert_eq!(
        stage.activities()[0].2,
        format!(
            "At 300 instance {id} was taken out of service in response to a user request, shrinking the capacity from 2 to 1."
        )
    );
    let id = stage.member_ids().remove(0);
    let refused = stage.call(|groups, now| groups.terminate_member(now, &id, true)).unwrap_err();
    assert!(refused.message.starts_with("Currently, desiredSize equals minSize (1)."), "{refused}");
    stage.call(|groups, now| groups.terminate_member(now, &id, false)).unwrap();
    stage.run_for(300);
    assert_eq!(stage.activities()[0].2, format!("At 608 {STARTED} 0 to 1."));
    assert_eq!(stage.states(), "InService");
}

#[test]
fn a_user_health_check_respects_the_grace_period() {
    let mut stage = Stage::settled(1, 1, 3);
    let mut settings = stage.group().settings.clone();
    settings.health_check_grace_secs = 400;
    let change = GroupChange { min_size: None, max_size: None, desired_capacity: None, settings };
    stage.call(|groups, now| groups.update_group(now, &web(), change)).unwrap();
    let id = stage.member_ids().remove(0);
    stage.call(|groups, now| groups.set_instance_health(now, &id, Health::Unhealthy, true)).unwrap();
    stage.run_for(10);
    assert_eq!(stage.states(), "InService", "in service for 260 s only");
    stage.call(|groups, now| groups.set_instance_health(now, &id, Health::Unhealthy, false)).unwrap();
    stage.run_for(120);
    let (_, _, cause) = stage.activities().remove(1);
    assert_eq!(cause, "At 310 an instance was taken out of service in response to a user health-check.");
}

#[test]
fn deleting_wants_an_empty_group_or_force_and_leaves_nothing() {
    let mut stage = Stage::settled(1, 1, 3);
    let delete = |stage: &mut Stage, force| stage.call(|groups, now| groups.delete_group(now, &web(), force));
    assert_eq!(delete(&mut stage, false).unwrap_err().code, "ResourceInUse");
    let settings = stage.group().settings.clone();
    let nothing = GroupChange { min_size: Some(0), max_size: Some(0), desired_capacity: Some(0), settings };
    stage.call(|groups, now| groups.update_group(now, &web(), nothing)).unwrap();
    stage.run_for(30);
    assert_eq!(delete(&mut stage, false).unwrap_err().code, "ScalingActivityInProgress");
    stage.run_for(30);
    delete(&mut stage, false).unwrap();
    assert_eq!(stage.groups.get(&web()), None);

    stage.create("web", 2, 2, 3);
    stage.run_for(20);
    delete(&mut stage, true).unwrap();
    stage.run_for(4000);
    stage.groups.launch_templates.delete(TemplateRef::Name("web")).unwrap();
    let mut new = Groups::new(&Place::new("us-east-1", "123456789012"), 7, Timing::Realistic);
    new.ids = stage.groups.ids.clone();
    assert_eq!(stage.groups, new, "an emptied world is like a new one");
}

#[test]
fn a_group_being_deleted_by_force_shows_its_instances_until_they_are_gone() {
    let mut stage = Stage::settled(1, 1, 3);
    stage.call(|groups, now| groups.delete_group(now, &web(), true)).unwrap();
    assert_eq!((stage.states().as_str(), stage.group().deleting), ("Terminating", true));
    stage.run_for(35);
    assert_eq!(stage.groups.get(&web()), None);
}

#[test]
fn a_launch_without_a_template_fails_says_why_and_is_tried_again() {
    let mut stage = Stage::settled(0, 0, 3);
    let types = BTreeSet::from([NotificationType::LaunchError]);
    stage.call(|groups, now| groups.put_notification(now, &web(), "arn:topic".into(), types)).unwrap();
    let data = stage.groups.launch_templates.delete(TemplateRef::Name("web")).unwrap();
    stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 1, false)).unwrap();
    stage.run_for(10);
    let (title, status, _) = stage.activities().remove(0);
    let reason = format!(
        "You must use a valid fully-formed launch template. The specified launch template, with template ID {}, does not \
         exist.",
        data.id
    );
    assert_eq!((title, status), (format!("Launching a new EC2 instance.  Status Reason: {reason}"), "Failed"));
    assert_eq!(stage.messages()[1].1, "Auto Scaling: failed launch for group \"web\"");
    stage.run_for(60);
    assert_eq!(stage.activities().len(), 2);
    stage.run_for(25 * 3600);
    assert!(stage.group().suspended[&Process::Launch].starts_with("Administratively suspended"));
}

#[test]
fn hooks_hold_instances_until_they_are_completed_or_time_out() {
    let mut stage = Stage::new(Timing::Realistic);
    let hook = |name: &str, transition, default_result| LifecycleHook {
        name: name.into(),
        transition,
        heartbeat_secs: 600,
        default_result,
        target: None,
        role_arn: None,
        metadata: None,
    };
    let mut spec = stage.spec("web", 1, 1, 3);
    spec.hooks = vec![
        hook("in", Transition::Launching, ActionResult::Abandon),
        hook("out", Transition::Terminating, ActionResult::Continue),
    ];
    stage.call(|groups, now| groups.create_group(now, spec)).unwrap();
    stage.run_for(100);
    assert_eq!((stage.states().as_str(), stage.activities()[0].1), ("Pending:Wait", "MidLifecycleAction"));
    let id = stage.member_ids().remove(0);
    let complete = |stage: &mut Stage, hook: &str, id: &InstanceId| {
        stage.call(|groups, now| {
            groups.complete_lifecycle_action(now, &web(), hook, None, Some(id), ActionResult::Continue)
        })
    };
    complete(&mut stage, "in", &id).unwrap();
    assert_eq!(stage.states(), "Pending:Proceed");
    stage.run_for(20);
    assert_eq!(stage.states(), "InService");
    assert!(complete(&mut stage, "in", &id).unwrap_err().message.contains("No active Lifecycle Action found"));
    stage.call(|groups, now| groups.terminate_member(now, &id, false)).unwrap();
    assert_eq!(stage.states(), "Terminating");
    stage.run_for(1);
    assert_eq!(stage.states(), "Terminating:Wait");
    stage.run_for(9);
    let replacement = stage.member_ids().into_iter().find(|member| *member != id).unwrap();
    // Nobody completes either hook: the old instance goes, the new one is abandoned and another one tried.
    stage.run_for(639);
    let of_replacement =
        stage.group().activities.iter().find(|activity| activity.instance.as_ref() == Some(&replacement));
    let abandoned = of_replacement.unwrap();
    assert_eq!(abandoned.status.name(), "Cancelled");
    let description = abandoned.description();
    assert!(description.starts_with(&format!(
        "Launching a new EC2 instance: {replacement}.  Status Reason: Instance failed to complete user's Lifecycle Action: \
         Lifecycle Action with token "
    )));
    assert!(description.ends_with(" was abandoned: Heartbeat Timeout"), "{description}");
    assert!(!stage.member_ids().contains(&id) && !stage.member_ids().contains(&replacement));
}

#[test]
fn each_minute_is_measured_when_it_is_over() {
    let mut stage = Stage::settled(1, 2, 3);
    stage.call(|groups, now| groups.enable_metrics(now, &web(), &["GroupInServiceInstances".to_string()])).unwrap();
    stage.run_for(50);
    stage.outcomes.clear();
    // The minute that ends at 380 s: 30 s at rest and 30 s with 45 % each.
    stage.call(|groups, now| groups.set_load(now, &web(), Load::Demand(90.0))).unwrap();
    stage.run_for(30);
    assert_eq!(stage.values("CPUUtilization", "AutoScalingGroupName"), [(320, 23.5), (320, 23.5)]);
    assert_eq!(stage.values("CPUUtilization", "InstanceId"), [(320, 23.5), (320, 23.5)]);
    assert_eq!(stage.values("GroupInServiceInstances", "AutoScalingGroupName"), [(320, 2.0)]);
    stage.outcomes.clear();
    stage.call(|groups, now| groups.set_load(now, &web(), Load::Cpu(130.0))).unwrap();
    stage.run_for(60);
    assert_eq!(stage.values("CPUUtilization", "AutoScalingGroupName"), [(380, 100.0), (380, 100.0)]);
    let refused = stage.call(|groups, now| groups.set_load(now, &web(), Load::Cpu(f64::NAN)));
    assert_eq!(refused.unwrap_err().code, "ValidationError");
}

/// A model of a t2.nano that takes 50 requests a second and starts up in two minutes.
fn nano() -> Workload {
    let size = credits::Burstable::of("t2.nano").unwrap();
    Workload {
        requests_per_sec: 50.0,
        base_cpu: 0.0,
        boot: workload::Spread::fixed(Duration::from_secs(120)),
        service_ms: 20.0,
        latency_cap_ms: 5000.0,
        credits: Some((size, credits::CreditMode::Standard)),
        metric_delay: Duration::ZERO,
        metric_loss_percent: 0.0,
        seed: 1,
    }
}

/// Of the last minute: requests, latency, lowest credits, machines that serve, machines that are held.
fn minute(stage: &Stage) -> (f64, f64, f64, u32, u32) {
    let minute = stage.group().minute.unwrap();
    let (requests, latency) = (minute.requests_per_sec.unwrap_or(-1.0), minute.latency_ms.unwrap_or(-1.0));
    let cents = |value: f64| (value * 100.0).round() / 100.0;
    (cents(requests), cents(latency), cents(minute.lowest_credits.unwrap_or(-1.0)), minute.serving, minute.held)
}

/// 30 launch credits; each hour earns 3 and an hour at full CPU spends 60.
#[test]
fn a_nano_bursts_on_its_launch_credits_and_is_held_to_its_baseline_when_they_are_gone() {
    let mut stage = Stage::new(Timing::Realistic);
    stage.create("web", 1, 1, 1);
    stage.groups.set_workload(stage.now, &web(), nano()).unwrap();
    stage.call(|groups, now| groups.set_load(now, &web(), Load::Requests(25.0))).unwrap();
    stage.run_for(80);
    assert_eq!(minute(&stage).3, 0, "in service, but still starting up");
    stage.run_for(300);
    let (requests, latency, credits, serving, held) = minute(&stage);
    assert_eq!((requests, latency, serving, held), (25.0, 40.0, 1, 0));
    // Half a credit a minute is spent, a twentieth is earned; the first two minutes earned only.
    assert!((28.0..30.0).contains(&credits), "{credits}");
    stage.run_for(5400);
    assert_eq!(minute(&stage), (25.0, 5000.0, 0.0, 1, 1));
    let cpu = stage.values("CPUUtilization", "AutoScalingGroupName");
    assert_eq!((cpu[5].1, cpu.last().unwrap().1), (50.0, 5.0));
    let balance = stage.values("CPUCreditBalance", "AutoScalingGroupName");
    assert!(balance.len() > 10 && balance.last().unwrap().1 == 0.0, "{balance:?}");
}

#[test]
fn metrics_come_late_or_never_as_the_model_says() {
    let heard = |delay: u64, loss: f64| {
        let mut stage = Stage::new(Timing::Realistic);
        stage.create("web", 1, 1, 1);
        stage.groups.measures_instances = false;
        let model = Workload { metric_delay: Duration::from_secs(delay), metric_loss_percent: loss, ..nano() };
        stage.groups.set_workload(stage.now, &web(), model).unwrap();
        stage.run_for(6000);
        let data = stage.values("CPUUtilization", "AutoScalingGroupName");
        assert_eq!(stage.values("CPUUtilization", "InstanceId"), []);
        (data.len(), stage.now.as_secs() - START - data.last().unwrap().0)
    };
    let (all, age) = heard(0, 0.0);
    assert_eq!(heard(120, 0.0), (all - 2, age + 120));
    let (some, _) = heard(0, 50.0);
    assert!((30..70).contains(&some), "{some} of {all}");
}

#[test]
fn requests_need_somebody_who_can_take_them() {
    let mut stage = Stage::settled(1, 1, 1);
    let refused = stage.call(|groups, now| groups.set_load(now, &web(), Load::Requests(5.0)));
    assert_eq!(refused.unwrap_err().code, "ValidationError");
}

#[test]
fn basic_monitoring_reports_every_five_minutes() {
    let mut stage = Stage::new(Timing::Realistic);
    let web = TemplateRef::Name("web");
    let plain = json!({"ImageId": "ami-1"});
    stage.groups.launch_templates.create_version(stage.now, web, None, None, plain).unwrap();
    stage.create("web", 1, 1, 1);
    stage.run_for(1000);
    let stamps: Vec<i64> =
        stage.values("CPUUtilization", "InstanceId").iter().map(|(at, _)| (START + at) % 300).collect();
    assert_eq!(stamps, [0, 0, 0]);
}

#[test]
fn a_default_warm_up_keeps_new_instances_out_of_the_groups_metric() {
    let mut stage = Stage::new(Timing::Realistic);
    let mut spec = stage.spec("web", 1, 1, 1);
    spec.settings.default_instance_warmup_secs = Some(120);
    stage.call(|groups, now| groups.create_group(now, spec)).unwrap();
    stage.run_for(300);
    let first = |stage: &Stage, dimension| stage.values("CPUUtilization", dimension)[0].0;
    // In service at 40 s, warm at 160 s: minutes end at 20, 80, 140, 200 s.
    assert_eq!((first(&stage, "InstanceId"), first(&stage, "AutoScalingGroupName")), (-20 + 40, 140));
}

#[test]
fn with_instant_timing_everything_is_done_in_the_call() {
    let mut stage = Stage::new(Timing::Instant);
    stage.create("web", 1, 2, 3);
    assert_eq!(stage.states(), "InService InService");
    let arn = stage.put_simple("in", -1, Some(60));
    stage.fire(&arn, 10.0);
    assert_eq!(stage.states(), "InService");
    stage.fire(&arn, 10.0);
    stage.run_for(60);
    stage.fire(&arn, 10.0);
    assert_eq!(stage.last_reason("in"), Reason::AtMinSize);
    let id = stage.member_ids();
    stage.call(|groups, now| groups.terminate_instances(now, &id)).unwrap();
    assert_eq!(stage.states(), "InService");
    assert_ne!(stage.member_ids(), id);
    stage.call(|groups, now| groups.delete_group(now, &web(), true)).unwrap();
    assert_eq!(stage.groups.get(&web()), None);
}

#[test]
fn callers_are_refused_in_awss_words() {
    let mut stage = Stage::settled(1, 1, 3);
    let check = |answer: Result<(), Refusal>, code: &str, message: &str| {
        let refused = answer.unwrap_err();
        assert_eq!((refused.code.as_str(), refused.message.as_str()), (code, message));
    };
    let spec = stage.spec("web", 1, 1, 3);
    check(
        stage.groups.create_group(stage.now, spec),
        "AlreadyExists",
        "AutoScalingGroup by this name already exists - A group with the name web already exists",
    );
    check(
        stage.groups.set_desired_capacity(stage.now, &web(), 4, false),
        "ValidationError",
        "New SetDesiredCapacity value 4 is above max value 3 for the AutoScalingGroup.",
    );
    check(
        stage.groups.set_desired_capacity(stage.now, &web(), 0, false),
        "ValidationError",
        "New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup.",
    );
    let other = stage.groups.set_desired_capacity(stage.now, &"missing".into(), 1, false).unwrap_err();
    assert!(other.message.starts_with("AutoScalingGroup name not found"));
    let settings = stage.group().settings.clone();
    let change = |desired_capacity, max_size| GroupChange {
        min_size: None,
        max_size,
        desired_capacity,
        settings: settings.clone(),
    };
    check(
        stage.groups.update_group(stage.now, &web(), change(Some(9), None)),
        "ValidationError",
        "Desired capacity:9 must be between the specified min size:1 and max size:3",
    );
    check(
        stage.groups.update_group(stage.now, &web(), change(None, Some(0))),
        "ValidationError",
        "Max bound, 0, must be greater than or equal to min bound, 1",
    );
}
