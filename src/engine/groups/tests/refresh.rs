//! Instance refreshes over time.

use super::*;
use crate::engine::groups::refresh::{Blocked, InstanceRefresh, RefreshPreferences, RefreshStatus};

fn web() -> GroupName {
    "web".into()
}

fn new_version(stage: &mut Stage, instance_type: &str) -> LaunchSource {
    let data = json!({"ImageId": "ami-2", "InstanceType": instance_type});
    let web = TemplateRef::Name("web");
    let (_, version) = stage.groups.launch_templates.create_version(stage.now, web, None, None, data).unwrap();
    let version = version.number.to_string();
    stage.groups.launch_source_of_template(None, Some("web"), Some(&version)).unwrap()
}

/// A group of `desired` from version 1 of its template, settled.
fn pinned(desired: u32) -> Stage {
    let mut stage = Stage::new(Timing::Realistic);
    let mut spec = stage.spec("web", 0, desired, 40);
    spec.settings.launch = stage.groups.launch_source_of_template(None, Some("web"), Some("1")).unwrap();
    stage.call(|groups, now| groups.create_group(now, spec)).unwrap();
    stage.run_for(300);
    stage
}

fn start(stage: &mut Stage, change: impl FnOnce(&mut RefreshPreferences)) {
    let desired = new_version(stage, "t3.nano");
    let mut preferences = RefreshPreferences { instance_warmup_secs: Some(60), ..RefreshPreferences::default() };
    change(&mut preferences);
    stage.call(|groups, now| groups.start_instance_refresh(now, &web(), Some(desired), preferences)).unwrap();
}

fn refresh(stage: &Stage) -> &InstanceRefresh {
    stage.group().refreshes.last().unwrap()
}

fn types(stage: &Stage) -> String {
    let members = stage.groups.members(stage.group()).filter(|(_, member)| member.lifecycle.is_active());
    let mut types: Vec<String> = members.map(|(instance, _)| instance.instance_type.clone()).collect();
    types.sort();
    types.join(" ")
}

/// The fewest and most instances in service while time passes.
fn watch(stage: &mut Stage, secs: u64) -> (u32, u32) {
    let (mut fewest, mut most) = (u32::MAX, 0);
    for _ in 0..secs {
        stage.run_for(1);
        let count = stage.groups.in_states(&web(), |state| state == LifecycleState::InService);
        (fewest, most) = (fewest.min(count), most.max(count));
    }
    (fewest, most)
}

#[test]
fn a_refresh_replaces_a_tenth_at_a_time_and_then_the_group_is_the_new_one() {
    let mut stage = pinned(20);
    start(&mut stage, |_| {});
    assert_eq!(refresh(&stage).status, RefreshStatus::Pending);
    let (fewest, most) = watch(&mut stage, 3600);
    assert_eq!((fewest, most), (18, 20));
    let done = refresh(&stage);
    assert_eq!((done.status, done.percentage_complete, done.instances_to_update), (RefreshStatus::Successful, 100, 0));
    assert_eq!(types(&stage), ["t3.nano"; 20].join(" "));
    assert!(matches!(&stage.group().settings.launch, LaunchSource::Template(template) if template.version == "2"));
    let causes: Vec<String> = stage.activities().into_iter().map(|(_, _, cause)| cause).collect();
    assert!(causes.iter().any(|it| it.ends_with("an instance was launched in response to an instance refresh.")));
    let out = "an instance was taken out of service in response to an instance refresh.  At ";
    assert!(causes.iter().any(|it| it.contains(out) && it.ends_with(" was selected for termination.")));
}

#[test]
fn with_room_above_the_desired_capacity_instances_are_launched_first() {
    let mut stage = pinned(4);
    start(&mut stage, |it| {
        it.min_healthy_percentage = 100;
        it.max_healthy_percentage = 150;
    });
    let (fewest, most) = watch(&mut stage, 1800);
    assert_eq!((fewest, most), (4, 6));
    assert_eq!((refresh(&stage).status, types(&stage)), (RefreshStatus::Successful, ["t3.nano"; 4].join(" ")));
    assert_eq!(stage.group().desired_capacity, 4);
}

#[test]
fn a_checkpoint_holds_a_refresh_up() {
    let mut stage = pinned(4);
    start(&mut stage, |it| {
        it.checkpoint_percentages = vec![50, 100];
        it.checkpoint_delay_secs = 1800;
    });
    stage.run_for(1000);
    assert_eq!((refresh(&stage).percentage_complete, types(&stage).as_str()), (50, "t2.nano t2.nano t3.nano t3.nano"));
    stage.run_for(600);
    assert_eq!(refresh(&stage).status, RefreshStatus::InProgress);
    stage.run_for(2000);
    assert_eq!(refresh(&stage).status, RefreshStatus::Successful);
}

#[test]
fn matching_instances_are_skipped() {
    let mut stage = pinned(2);
    start(&mut stage, |_| {});
    stage.run_for(1800);
    let before = stage.member_ids();
    let same = stage.group().settings.launch.clone();
    let preferences = RefreshPreferences { skip_matching: true, ..RefreshPreferences::default() };
    stage.call(|groups, now| groups.start_instance_refresh(now, &web(), Some(same), preferences)).unwrap();
    stage.run_for(600);
    assert_eq!((refresh(&stage).status, stage.member_ids()), (RefreshStatus::Successful, before));
}

#[test]
fn protected_instances_are_waited_for_an_hour_ignored_or_replaced() {
    let check = |blocked: Blocked, status: RefreshStatus, types_then: &str| {
        let mut stage = pinned(2);
        let ids = vec![stage.member_ids().remove(0)];
        stage.call(|groups, now| groups.set_instance_protection(now, &web(), &ids, true)).unwrap();
        start(&mut stage, |it| it.protected_instances = blocked);
        stage.run_for(7200);
        assert_eq!((refresh(&stage).status, types(&stage).as_str()), (status, types_then), "{blocked:?}");
    };
    check(Blocked::Replace, RefreshStatus::Successful, "t3.nano t3.nano");
    check(Blocked::Ignore, RefreshStatus::Successful, "t2.nano t3.nano");
    check(Blocked::Wait, RefreshStatus::Failed, "t2.nano t3.nano");
}

#[test]
fn a_refresh_can_be_cancelled_and_rolled_back() {
    let mut stage = pinned(4);
    start(&mut stage, |_| {});
    stage.run_for(200);
    assert!(types(&stage).contains("t3.nano"));
    let again =
        stage.call(|groups, now| groups.start_instance_refresh(now, &web(), None, RefreshPreferences::default()));
    assert_eq!(again.unwrap_err().code, "InstanceRefreshInProgress");
    stage.call(|groups, now| groups.rollback_instance_refresh(now, &web())).unwrap();
    stage.run_for(1800);
    assert_eq!((refresh(&stage).status, types(&stage)), (RefreshStatus::RollbackSuccessful, ["t2.nano"; 4].join(" ")));
    assert_eq!(refresh(&stage).percentage_complete, 0);
    let none = stage.call(|groups, now| groups.cancel_instance_refresh(now, &web(), true));
    assert_eq!(none.unwrap_err().code, "ActiveInstanceRefreshNotFound");

    start(&mut stage, |_| {});
    stage.run_for(200);
    stage.call(|groups, now| groups.cancel_instance_refresh(now, &web(), true)).unwrap();
    assert_eq!(refresh(&stage).status, RefreshStatus::Cancelling);
    stage.run_for(600);
    assert_eq!(refresh(&stage).status, RefreshStatus::Cancelled);
    assert!(types(&stage).contains("t2.nano") && types(&stage).contains("t3.nano"));
}

#[test]
fn an_alarm_fails_a_refresh_or_rolls_it_back() {
    for (auto_rollback, status) in [(false, RefreshStatus::Failed), (true, RefreshStatus::RollbackSuccessful)] {
        let mut stage = pinned(4);
        start(&mut stage, |it| {
            it.alarms = vec!["errors".into()];
            it.auto_rollback = auto_rollback;
        });
        stage.run_for(200);
        assert_eq!(stage.groups.watched_alarms(), [(web(), "errors".into())]);
        stage.call(|groups, now| groups.refresh_alarmed(now, &web(), &"errors".into()));
        stage.run_for(1800);
        assert_eq!(refresh(&stage).status, status);
        assert_eq!(stage.groups.watched_alarms(), []);
    }
}

#[test]
fn what_cannot_be_undone_is_not_rolled_back() {
    let mut stage = Stage::settled(0, 2, 4);
    stage.call(|groups, now| groups.start_instance_refresh(now, &web(), None, RefreshPreferences::default())).unwrap();
    stage.run_for(30);
    let refused = stage.call(|groups, now| groups.rollback_instance_refresh(now, &web())).unwrap_err();
    assert_eq!(refused.code, "IrreversibleInstanceRefresh");
}

#[test]
fn a_suspended_refresh_pauses_and_goes_on() {
    let mut stage = pinned(2);
    stage.call(|groups, now| groups.suspend_processes(now, &web(), &[Process::InstanceRefresh])).unwrap();
    start(&mut stage, |_| {});
    stage.run_for(3600);
    assert_eq!((refresh(&stage).status, types(&stage).as_str()), (RefreshStatus::InProgress, "t2.nano t2.nano"));
    stage.call(|groups, now| groups.resume_processes(now, &web(), &[])).unwrap();
    stage.run_for(1800);
    assert_eq!(refresh(&stage).status, RefreshStatus::Successful);
}
