//! Composite alarms among others. Texts and order recorded from AWS, unless a test says otherwise.

use std::time::Duration;

use super::validate::CompositeRequest;
use super::*;
use crate::engine::World;
use crate::engine::alarms::validate::AlarmRequest;
use crate::engine::groups::Timing;
use crate::engine::names::Place;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:ops";

struct Bench {
    world: World,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        let now = Timestamp::parse("2026-09-14T11:18:50.658Z").unwrap();
        Self { world: World::new(Place::new("us-east-1", "123456789012"), 7, Timing::Instant), now }
    }

    /// A metric alarm that stays in the state it is put in.
    fn child(&mut self, name: &str, state: AlarmState) {
        let request = AlarmRequest {
            name: name.into(),
            namespace: Some("Shop".into()),
            metric_name: Some("None".into()),
            statistic: Some("Sum".into()),
            period_secs: Some(60),
            evaluation_periods: Some(1),
            threshold: Some(1.0),
            comparison: Some("GreaterThanThreshold".into()),
            treat_missing_data: Some("ignore".into()),
            ..AlarmRequest::default()
        };
        self.world.put_metric_alarm(self.now, request.into_alarm().unwrap(), Tags::new()).unwrap();
        self.set(name, state);
    }

    fn set(&mut self, name: &str, state: AlarmState) {
        self.world.set_alarm_state(self.now, &name.into(), state, "by hand", None).unwrap();
    }

    fn try_put(&mut self, request: CompositeRequest) -> Result<(), String> {
        let alarm = request.into_alarm().map_err(|refusal| refusal.message)?;
        self.world.put_composite_alarm(self.now, alarm, Tags::new()).map_err(|refusal| refusal.message)
    }

    fn put(&mut self, name: &str, rule: &str) {
        self.try_put(composite(name, rule)).unwrap();
    }

    fn get(&self, name: &str) -> &Composite {
        self.world.alarms.composites().get(&name.into()).unwrap()
    }

    fn state(&self, name: &str) -> AlarmState {
        self.get(name).state.value
    }

    fn later(&mut self, secs: u64) {
        self.now = self.now + Duration::from_secs(secs);
        let _ = self.world.step(self.now, crate::engine::Event::Tick);
    }

    /// Summaries of the alarm's history, oldest first.
    fn history(&self, name: &str) -> Vec<String> {
        let items = self.world.alarms.history().since_two_weeks(self.now);
        items.filter(|item| item.alarm.as_str() == name).map(|item| item.summary()).collect()
    }

    fn delete(&mut self, names: &[&str]) -> Result<(), String> {
        let names: Vec<AlarmName> = names.iter().map(|name| (*name).into()).collect();
        self.world.delete_alarms(self.now, &names).map_err(|refusal| refusal.message)
    }
}

fn composite(name: &str, rule: &str) -> CompositeRequest {
    CompositeRequest { name: name.into(), rule: rule.into(), alarm_actions: vec![TOPIC.into()], ..Default::default() }
}

fn arn(name: &str) -> String {
    format!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}")
}

#[test]
fn a_new_composite_alarm_is_evaluated_at_once() {
    let mut bench = Bench::new();
    bench.child("child", AlarmState::Ok);
    bench.put("main", "ALARM(\"child\")");
    let main = bench.get("main");
    assert_eq!(main.state.value, AlarmState::Ok);
    assert_eq!(main.state.reason, format!("{} was created and its alarm rule evaluates to OK", arn("main")));
    assert_eq!(
        main.state.reason_data.as_deref(),
        Some(
            "{\"triggeringAlarms\":[{\"arn\":\"arn:aws:cloudwatch:us-east-1:123456789012:alarm:child\",\"state\":{\"value\":\
             \"OK\",\"timestamp\":\"2026-09-14T11:18:50.658+0000\"}}]}"
        )
    );
    assert_eq!(bench.history("main"), ["Alarm \"main\" created", "Alarm updated from INSUFFICIENT_DATA to OK"]);
}

#[test]
fn it_changes_at_the_instant_at_which_its_child_does_and_says_so() {
    let mut bench = Bench::new();
    bench.child("child", AlarmState::Ok);
    bench.child("other", AlarmState::Ok);
    bench.put("main", "ALARM(child) OR ALARM(other)");
    bench.later(2);
    bench.set("child", AlarmState::Alarm);
    let main = bench.get("main");
    let reason = format!("{} transitioned to ALARM at Monday 14 September, 2026 11:18:52 UTC", arn("child"));
    assert_eq!((main.state.value, main.state_updated_at), (AlarmState::Alarm, bench.now));
    assert_eq!(main.state.reason, reason);
    assert_eq!(main.triggering.iter().map(|child| child.arn.clone()).collect::<Vec<_>>(), [arn("child")]);
    let before = bench.history("main");
    bench.set("other", AlarmState::Alarm);
    assert_eq!(bench.history("main"), before, "a second child changes nothing");
}

#[test]
fn an_update_evaluates_the_new_rule_and_keeps_what_was_said_of_a_state_that_stays() {
    let mut bench = Bench::new();
    bench.child("A", AlarmState::Alarm);
    bench.put("C", "FALSE");
    let created = bench.get("C").state.reason.clone();
    bench.put("C", "NOT ALARM(A)");
    assert_eq!(bench.get("C").state.reason, created);
    bench.put("C", "ALARM(A)");
    assert_eq!(
        bench.get("C").state.reason,
        format!("{} was updated and its new alarm rule evaluates to ALARM", arn("C"))
    );
}

/// C names D and D names C: the evaluation stops where it comes back, and FALSE breaks the cycle.
#[test]
fn a_cycle_is_evaluated_once_around_and_cannot_be_deleted_until_it_is_broken() {
    let mut bench = Bench::new();
    bench.child("A", AlarmState::Alarm);
    bench.put("C", "FALSE");
    bench.put("D", "ALARM(C)");
    bench.put("C", "ALARM(D) OR ALARM(A)");
    assert_eq!((bench.state("C"), bench.state("D")), (AlarmState::Alarm, AlarmState::Alarm));
    let refused = |name: &str| Err(format!("Cannot delete {name} as there are composite alarm(s) depending on it."));
    assert_eq!(bench.delete(&["D"]), refused("D"));
    assert_eq!(bench.delete(&["C"]), refused("C"));
    bench.put("C", "FALSE");
    assert_eq!((bench.state("C"), bench.state("D")), (AlarmState::Ok, AlarmState::Ok));
    assert!(bench.get("D").state.reason.starts_with(&format!("{} transitioned to OK at", arn("C"))));
    assert_eq!(bench.delete(&["D"]), Ok(()));
}

#[test]
fn what_a_composite_alarm_names_must_be_there_and_stays_as_long_as_it_does() {
    let mut bench = Bench::new();
    bench.child("metric", AlarmState::Ok);
    bench.put("main", "ALARM(metric)");
    let mut refused = |name: &str, rule: &str| bench.try_put(composite(name, rule)).unwrap_err();
    assert_eq!(
        refused("x", "ALARM(\"a)b\")"),
        format!("Could not save the composite alarm as alarms [{}] in the alarm rule do not exist", arn("a)b"))
    );
    assert_eq!(
        refused("x", "ALARM(arn:aws:cloudwatch:us-east-1:111111111111:alarm:missing)"),
        "A composite alarm cannot have a child relation with alarms from another AWS account"
    );
    assert_eq!(
        refused("x", "ALARM(arn:aws:cloudwatch:us-west-2:123456789012:alarm:missing)"),
        "Error in AlarmRule [Wrong ARN region, it was us-west-2 but us-east-1 was expected instead]"
    );
    assert_eq!(
        refused("x", "ALARM(x)"),
        "A composite alarm cannot have a child relation with itself via its AlarmRule, as it would introduce a circular \
         dependency"
    );
    assert_eq!(refused("metric", "TRUE"), "AlarmName [metric] is already used by another alarm of a different type");
    let depends = Err("Cannot delete metric as there are composite alarm(s) depending on it.".to_string());
    assert_eq!(bench.delete(&["metric", "main"]), depends);
    bench.put("second", "TRUE");
    assert!(bench.delete(&["main", "second"]).is_err(), "one composite alarm a call");
    assert_eq!(bench.delete(&["main"]), Ok(()));
    assert_eq!(bench.delete(&["metric", "second"]), Ok(()));
}

#[test]
fn a_composite_alarm_notifies_but_does_not_scale() {
    let mut bench = Bench::new();
    let request = |action: &str| CompositeRequest { alarm_actions: vec![action.into()], ..composite("main", "TRUE") };
    for action in [
        "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:autoScalingGroupName/g:policyName/p",
        "arn:aws:automate:us-east-1:ec2:stop",
    ] {
        assert!(bench.try_put(request(action)).is_err(), "{action}");
    }
    assert_eq!(bench.try_put(request(TOPIC)), Ok(()));
    let history = bench.history("main");
    assert_eq!(history.last(), Some(&format!("Failed to execute action {TOPIC}")), "{history:?}");
}

#[test]
fn actions_wait_for_the_suppressor_and_then_say_the_state_on_both_sides() {
    let mut bench = Bench::new();
    bench.child("child", AlarmState::Ok);
    bench.child("deploy", AlarmState::Ok);
    let request = CompositeRequest {
        suppressor: Some("deploy".into()),
        wait_secs: Some(60),
        extension_secs: Some(30),
        ..composite("main", "ALARM(child)")
    };
    bench.try_put(request).unwrap();
    bench.later(61);
    bench.set("child", AlarmState::Alarm);
    assert_eq!(bench.get("main").suppression.unwrap().suppressed_by(), Some("WaitPeriod"));
    let waiting = bench.history("main").len();
    bench.later(59);
    assert_eq!(bench.history("main").len(), waiting);
    bench.later(1);
    assert_eq!(bench.history("main").len(), waiting + 1, "{:?}", bench.history("main"));
    assert_eq!(
        bench.delete(&["deploy"]),
        Err("Cannot delete deploy as there are composite alarm(s) depending on it.".into())
    );
}

#[test]
fn a_state_set_by_hand_lasts_until_a_child_changes() {
    let mut bench = Bench::new();
    bench.child("child", AlarmState::Ok);
    bench.put("main", "ALARM(child)");
    bench.put("above", "ALARM(main)");
    bench.set("main", AlarmState::Alarm);
    bench.later(600);
    assert_eq!((bench.state("main"), bench.state("above")), (AlarmState::Alarm, AlarmState::Alarm));
    bench.set("child", AlarmState::InsufficientData);
    assert_eq!((bench.state("main"), bench.state("above")), (AlarmState::Ok, AlarmState::Ok));
}

#[test]
fn a_dump_brings_composite_alarms_back_with_what_they_wait_for() {
    let mut bench = Bench::new();
    bench.child("child", AlarmState::Ok);
    let request = CompositeRequest {
        suppressor: Some("child".into()),
        wait_secs: Some(60),
        extension_secs: Some(30),
        ..composite("main", "OK(child)")
    };
    bench.try_put(request).unwrap();
    let text = serde_json::to_string(&bench.world).unwrap();
    let mut back: World = serde_json::from_str(&text).unwrap();
    assert_eq!(back.alarms.composites().get(&"main".into()), Some(bench.get("main")));
    assert_eq!(back.alarms.next_due(), bench.world.alarms.next_due());
    back.set_alarm_state(bench.now, &"child".into(), AlarmState::Alarm, "by hand", None).unwrap();
    assert_eq!(back.alarms.composites().get(&"main".into()).unwrap().state.value, AlarmState::Ok);
}
