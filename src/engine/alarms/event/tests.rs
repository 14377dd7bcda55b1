//! Expected documents are recordings of 2026 with names made shorter.

use serde_json::{Value, json};

use super::*;
use crate::engine::Event;
use crate::engine::World;
use crate::engine::alarms::composite::validate::CompositeRequest;
use crate::engine::alarms::validate::AlarmRequest;
use crate::engine::alarms::{AlarmState, Tags};
use crate::engine::groups::Timing;
use crate::engine::names::Place;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-09-14T{text}Z")).unwrap()
}

fn alarm(name: &str, threshold: f64) -> AlarmRequest {
    AlarmRequest {
        name: name.into(),
        description: Some("initial".into()),
        alarm_actions: vec![FUNCTION.into()],
        ok_actions: vec![FUNCTION.into()],
        namespace: Some("Shop".into()),
        metric_name: Some("Unpublished".into()),
        dimensions: vec![("Probe".into(), "p".into())],
        statistic: Some("Average".into()),
        period_secs: Some(60),
        evaluation_periods: Some(1),
        datapoints_to_alarm: Some(1),
        threshold: Some(threshold),
        comparison: Some("GreaterThanThreshold".into()),
        treat_missing_data: Some("ignore".into()),
        ..AlarmRequest::default()
    }
}

fn world() -> World {
    World::new(Place::new("us-east-1", "123456789012"), 1, Timing::Instant)
}

fn put(world: &mut World, now: &str, request: AlarmRequest) {
    world.put_metric_alarm(at(now), request.into_alarm().unwrap(), Tags::new()).unwrap();
}

fn set(world: &mut World, now: &str, name: &str, state: AlarmState, reason: &str, data: Option<&str>) {
    world.set_alarm_state(at(now), &name.into(), state, reason, data).unwrap();
}

/// The id of a metric is made up; it is the same as long as the condition is.
fn without_ids(mut value: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.remove("id");
                members.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut value);
    value
}

fn metrics() -> Value {
    json!([{"metricStat": {
        "metric": {"namespace": "Shop", "name": "Unpublished", "dimensions": {"Probe": "p"}},
        "period": 60, "stat": "Average"}, "returnData": true}])
}

#[test]
fn a_function_is_told_both_states_and_what_is_watched() {
    let mut world = world();
    put(&mut world, "05:42:25.543", alarm("a", 10.0));
    set(&mut world, "05:43:17.764", "a", AlarmState::Alarm, "disabled", Some(r#"{"probe":1}"#));
    set(&mut world, "05:45:02.890", "a", AlarmState::Ok, "enabled", None);
    let [first, second] = &world.invocations[..] else { panic!("{:?}", world.invocations) };
    assert_eq!((first.function_arn.as_str(), second.at), (FUNCTION, at("05:45:02.890")));
    let arn = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a";
    assert_eq!(
        without_ids(second.payload.clone()),
        json!({
            "source": "aws.cloudwatch", "alarmArn": arn, "accountId": "123456789012",
            "time": "2026-09-14T05:45:02.890+0000", "region": "us-east-1",
            "alarmData": {
                "alarmName": "a",
                "state": {"value": "OK", "reason": "enabled", "timestamp": "2026-09-14T05:45:02.890+0000"},
                "previousState": {"value": "ALARM", "reason": "disabled", "reasonData": "{\"probe\":1}",
                    "timestamp": "2026-09-14T05:43:17.764+0000"},
                "configuration": {"metrics": metrics(), "description": "initial"},
            },
        })
    );
    let previous = &first.payload["alarmData"]["previousState"];
    assert_eq!(
        *previous,
        json!({"value": "INSUFFICIENT_DATA", "reason": "Unchecked: Initial alarm creation",
            "timestamp": "2026-09-14T05:42:25.543+0000"})
    );
}

#[test]
fn events_tell_each_change_of_state_and_of_configuration() {
    let mut world = world();
    put(&mut world, "05:42:25.543", alarm("a", 10.0));
    set(&mut world, "05:42:42.142", "a", AlarmState::Alarm, "set", None);
    put(&mut world, "05:46:16.142", AlarmRequest { description: Some("updated".into()), ..alarm("a", 20.0) });
    world.delete_alarms(at("05:46:46"), &["a".into()]).unwrap();
    let events = world.alarms.events(at("06:00:00"));
    let told = |event: &Value| (event["detail-type"].clone(), event["detail"]["operation"].clone());
    let (state, configuration) = ("CloudWatch Alarm State Change", "CloudWatch Alarm Configuration Change");
    let expected = [
        (configuration, json!("create")),
        (state, Value::Null),
        (configuration, json!("update")),
        (configuration, json!("delete")),
    ];
    assert_eq!(events.iter().map(told).collect::<Vec<_>>(), expected.map(|(kind, what)| (json!(kind), what)));
    assert_eq!(events[1]["time"], "2026-09-14T05:42:42Z");
    assert_eq!(events[1]["resources"], json!(["arn:aws:cloudwatch:us-east-1:123456789012:alarm:a"]));
    let whole = |threshold: f64, description: &str, at: &str| {
        json!({
            "evaluationPeriods": 1, "datapointsToAlarm": 1, "threshold": threshold,
            "comparisonOperator": "GreaterThanThreshold", "treatMissingData": "ignore", "metrics": metrics(),
            "alarmName": "a", "description": description, "actionsEnabled": true,
            "timestamp": format!("2026-09-14T{at}+0000"), "okActions": [FUNCTION], "alarmActions": [FUNCTION],
            "insufficientDataActions": [],
        })
    };
    assert_eq!(
        without_ids(events[2]["detail"].clone()),
        json!({
            "alarmName": "a", "operation": "update",
            "state": {"value": "ALARM", "timestamp": "2026-09-14T05:42:42.142+0000"},
            "configuration": whole(20.0, "updated", "05:46:16.142"),
            "previousConfiguration": whole(10.0, "initial", "05:42:25.543"),
        })
    );
    assert_eq!(events[3]["detail"]["state"]["reason"], "set");
    let id = |event: &Value| event["detail"]["configuration"]["metrics"][0]["id"].clone();
    assert_eq!(id(&events[0]), id(&events[1]));
    assert_ne!(id(&events[1]), id(&events[2]));
}

#[test]
fn what_a_suppressor_held_back_is_about_one_state_twice() {
    let mut world = world();
    for name in ["child", "suppressor"] {
        put(&mut world, "06:41:40.000", AlarmRequest { alarm_actions: Vec::new(), ..alarm(name, 1.0) });
        set(&mut world, "06:41:40.710", name, AlarmState::Ok, "set", None);
    }
    world.invocations.clear();
    let request = CompositeRequest {
        name: "c".into(),
        rule: "ALARM(child)".into(),
        alarm_actions: vec![FUNCTION.into()],
        suppressor: Some("suppressor".into()),
        wait_secs: Some(5),
        extension_secs: Some(5),
        ..CompositeRequest::default()
    };
    world.put_composite_alarm(at("06:41:43.225"), request.into_alarm().unwrap(), Tags::new()).unwrap();
    world.step(at("06:42:00"), Event::Tick);
    set(&mut world, "06:42:02.864", "child", AlarmState::Alarm, "set", None);
    world.step(at("06:42:08"), Event::Tick);
    let [invocation] = &world.invocations[..] else { panic!("{:?}", world.invocations) };
    let data = &invocation.payload["alarmData"];
    assert_eq!(data["state"]["timestamp"], "2026-09-14T06:42:07.864+0000");
    assert_eq!(data["state"]["actionsSuppressedBy"], Value::Null);
    let previous = &data["previousState"];
    assert_eq!(previous["timestamp"], "2026-09-14T06:42:02.864+0000");
    assert_eq!(previous["actionsSuppressedBy"], "WaitPeriod");
    assert_eq!(previous["actionsSuppressedReason"], "Actions suppressed by WaitPeriod");
    assert_eq!((&previous["value"], &previous["reason"]), (&data["state"]["value"], &data["state"]["reason"]));
    assert_eq!(
        data["configuration"],
        json!({"alarmRule": "ALARM(child)", "actionsSuppressor": "suppressor", "actionsSuppressorWaitPeriod": 5,
            "actionsSuppressorExtensionPeriod": 5})
    );
    set(&mut world, "06:42:31.856", "suppressor", AlarmState::Alarm, "set", None);
    assert_eq!(
        world.alarms.suppressed_reason(&"c".into(), "Alarm"),
        "Actions suppressed by arn:aws:cloudwatch:us-east-1:123456789012:alarm:suppressor that transitioned to ALARM at \
         Monday 14 September, 2026 06:42:31 UTC"
    );
}
