//! Scheduled actions over virtual time.

use super::*;
use crate::engine::groups::schedule::{ScheduleRequest, Sizes};

fn web() -> GroupName {
    "web".into()
}

fn desired(to: u32) -> Sizes {
    Sizes { desired: Some(to), ..Sizes::default() }
}

fn once(name: &str, at: Timestamp, sizes: Sizes) -> ScheduleRequest {
    ScheduleRequest { name: name.into(), start: Some(at), sizes, ..ScheduleRequest::default() }
}

fn again(name: &str, recurrence: &str, sizes: Sizes) -> ScheduleRequest {
    ScheduleRequest { name: name.into(), recurrence: Some(recurrence.into()), sizes, ..ScheduleRequest::default() }
}

impl Stage {
    fn schedule(&mut self, request: ScheduleRequest) -> Result<(), Refusal> {
        self.call(|groups, now| groups.put_scheduled_action(now, &web(), request))
    }

    fn sizes(&self) -> (u32, u32, u32) {
        let group = self.group();
        (group.limits.min, group.desired_capacity, group.limits.max)
    }
}

#[test]
fn an_action_changes_the_sizes_at_its_time_and_the_activity_says_so() {
    let mut stage = Stage::settled(1, 1, 3);
    let sizes = Sizes { min: Some(2), max: Some(6), desired: None };
    stage.schedule(once("morning", stage.now + Duration::from_secs(600), sizes)).unwrap();
    stage.run_for(599);
    assert_eq!(stage.sizes(), (1, 1, 3));
    stage.run_for(1);
    assert_eq!(stage.sizes(), (2, 2, 6));
    assert!(stage.group().schedules.is_empty(), "it ran for the only time");
    stage.run_for(60);
    let cause = &stage.activities()[0].2;
    let words = "At 900 a scheduled action update of AutoScalingGroup constraints to min: 2, max: 6, desired: 2 changing the \
                 desired capacity from 1 to 2.";
    assert!(cause.starts_with(words), "{cause}");
}

#[test]
fn a_recurrence_runs_again_and_the_desired_capacity_stays_within_the_limits() {
    let mut stage = Stage::settled(1, 1, 3);
    stage.schedule(again("peak", "0 9 * * *", desired(9))).unwrap();
    stage.run_for(86_400);
    assert_eq!(stage.sizes(), (1, 3, 3));
    stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 1, false)).unwrap();
    stage.run_for(86_400);
    assert_eq!(stage.sizes(), (1, 3, 3));
    stage.call(|groups, _| groups.delete_scheduled_action(&web(), "peak")).unwrap();
    stage.call(|groups, now| groups.set_desired_capacity(now, &web(), 1, false)).unwrap();
    stage.run_for(86_400);
    assert_eq!(stage.sizes(), (1, 1, 3));
}

#[test]
fn what_passed_while_the_process_was_suspended_is_not_made_up_for() {
    let mut stage = Stage::settled(1, 1, 3);
    stage.schedule(once("missed", stage.now + Duration::from_secs(600), desired(3))).unwrap();
    stage.schedule(again("daily", "0 9 * * *", desired(2))).unwrap();
    stage.call(|groups, now| groups.suspend_processes(now, &web(), &[Process::ScheduledActions])).unwrap();
    stage.run_for(86_400);
    stage.call(|groups, now| groups.resume_processes(now, &web(), &[])).unwrap();
    stage.run_for(600);
    assert_eq!(stage.sizes(), (1, 1, 3));
    assert_eq!(stage.group().schedules.keys().collect::<Vec<_>>(), ["daily"]);
    stage.run_for(86_400);
    assert_eq!(stage.sizes(), (1, 2, 3));
}

#[test]
fn an_action_that_is_put_again_keeps_what_is_not_mentioned() {
    let mut stage = Stage::settled(1, 1, 3);
    stage.schedule(again("daily", "0 9 * * *", desired(2))).unwrap();
    let change = ScheduleRequest { name: "daily".into(), sizes: desired(3), ..ScheduleRequest::default() };
    stage.schedule(change).unwrap();
    stage.run_for(86_400);
    assert_eq!(stage.sizes(), (1, 3, 3));
}

#[test]
fn what_makes_no_sense_is_refused_in_awss_words() {
    let mut stage = Stage::settled(1, 1, 3);
    let (past, soon) = (stage.now - Duration::from_secs(1), stage.now + Duration::from_secs(600));
    let mut check = |request: ScheduleRequest, code: &str, words: &str| {
        let refused = stage.schedule(request).unwrap_err();
        assert_eq!((refused.code.as_str(), refused.message.as_str()), (code, words));
    };
    let invalid = "ValidationError";
    check(once("a", past, desired(1)), invalid, "Given start time is in the past");
    let ended = ScheduleRequest { end: Some(past), ..again("a", "0 9 * * *", desired(1)) };
    check(ended, invalid, "Given end time is in the past");
    let backwards = ScheduleRequest { end: Some(soon - Duration::from_secs(60)), ..once("a", soon, desired(1)) };
    check(backwards, invalid, "Given end time must be after start time");
    let never = ScheduleRequest { name: "a".into(), sizes: desired(1), ..ScheduleRequest::default() };
    check(never, invalid, "Scheduled start time must be specified for non-recurrent future group action");
    check(again("a", "cron(0 9 * * *)", desired(1)), invalid, "Given recurrence string: cron(0 9 * * *) is invalid");
    check(again("a", "0 0 31 2 *", desired(1)), invalid, "Given recurrence string: 0 0 31 2 * is invalid");
    let nowhere = ScheduleRequest { time_zone: Some("Mars".into()), ..again("a", "0 9 * * *", desired(1)) };
    check(nowhere, invalid, "Given time zone: Mars is invalid");
    let nothing = "At least one of max size, min size, or desired capacity must be specified";
    check(once("a", soon, Sizes::default()), invalid, nothing);
    let above = Sizes { min: None, max: Some(1), desired: Some(2) };
    check(once("a", soon, above), invalid, "Desired capacity must be less than or equal to max size");
}

#[test]
fn no_two_actions_of_a_group_start_at_the_same_time_and_there_are_125_at_most() {
    let mut stage = Stage::settled(1, 1, 3);
    let at = |stage: &Stage, minute: u64| stage.now + Duration::from_secs(60 * minute);
    stage.schedule(once("0", at(&stage, 1), desired(1))).unwrap();
    let same = stage.schedule(once("other", at(&stage, 1), desired(2))).unwrap_err();
    assert_eq!(same.code, "AlreadyExists");
    stage.schedule(once("0", at(&stage, 1), desired(2))).expect("the action itself may be put again");
    for number in 1..125 {
        stage.schedule(once(&number.to_string(), at(&stage, number + 1), desired(1))).unwrap();
    }
    let full = stage.schedule(once("125", at(&stage, 500), desired(1))).unwrap_err();
    assert_eq!(full.code, "LimitExceeded");
}
