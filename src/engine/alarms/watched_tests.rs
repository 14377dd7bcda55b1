//! Alarms on expressions, on the periods of a clock, and alarms that warm up; and the laws that hold for all of them.

use std::time::Duration;

use proptest::prelude::*;

use super::evaluate::{Action, Rule, Slot, evaluate};
use super::validate::AlarmRequest;
use super::*;
use crate::engine::groups::Timing;
use crate::engine::metrics::math::{QueryRequest, StatRequest};
use crate::engine::metrics::{MetricKey, Sample};
use crate::engine::{Event, World};

const START: Timestamp = Timestamp::from_secs(1_789_344_000);

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

fn world() -> World {
    World::new(Place::new("us-east-1", "123456789012"), 7, Timing::Instant)
}

fn request(name: &str) -> AlarmRequest {
    AlarmRequest {
        name: name.into(),
        namespace: Some("Shop".into()),
        metric_name: Some("errors".into()),
        statistic: Some("Sum".into()),
        period_secs: Some(60),
        evaluation_periods: Some(2),
        threshold: Some(10.0),
        comparison: Some("GreaterThanThreshold".into()),
        ..AlarmRequest::default()
    }
}

/// Errors in percent of requests.
fn math(name: &str) -> AlarmRequest {
    let stat = |id: &str| QueryRequest {
        id: id.into(),
        stat: Some(StatRequest {
            namespace: "Shop".into(),
            name: id.into(),
            statistic: "Sum".into(),
            period_secs: 60,
            ..StatRequest::default()
        }),
        return_data: Some(false),
        ..QueryRequest::default()
    };
    let rate = QueryRequest {
        id: "rate".into(),
        expression: Some("100 * errors / requests".into()),
        ..QueryRequest::default()
    };
    AlarmRequest {
        name: name.into(),
        namespace: None,
        metric_name: None,
        statistic: None,
        period_secs: None,
        metrics: vec![stat("errors"), stat("requests"), rate],
        ..request(name)
    }
}

fn put(world: &mut World, now: Timestamp, request: AlarmRequest) {
    world.put_metric_alarm(now, request.into_alarm().unwrap(), Tags::new()).unwrap();
}

fn measure(world: &mut World, name: &str, at: Timestamp, value: f64) {
    let key = MetricKey { namespace: "Shop".into(), name: name.into(), ..MetricKey::default() };
    world.metrics.record(key, at, Sample::one(value, "Count"));
}

fn state(world: &World, name: &str) -> AlarmState {
    world.alarms.get(&name.into()).unwrap().state.value
}

#[test]
fn an_alarm_on_an_expression_says_no_statistic_and_no_samples() {
    let mut world = world();
    put(&mut world, START, math("rate"));
    for minute in 0..3 {
        measure(&mut world, "errors", START + minutes(minute), 30.0);
        measure(&mut world, "requests", START + minutes(minute), 100.0);
    }
    let _ = world.step(START + minutes(4), Event::Tick);
    let alarm = world.alarms.get(&"rate".into()).unwrap();
    assert_eq!(alarm.state.value, AlarmState::Alarm);
    assert!(alarm.state.reason.contains("datapoints [30.0 ("), "{}", alarm.state.reason);
    let data: serde_json::Value = serde_json::from_str(alarm.state.reason_data.as_deref().unwrap()).unwrap();
    assert_eq!(
        (&data["statistic"], &data["unit"], &data["period"]),
        (&serde_json::Value::Null, &serde_json::Value::Null, &60.into())
    );
    assert!(data["evaluatedDatapoints"][0].get("sampleCount").is_none(), "{data}");
}

#[test]
fn what_an_alarm_may_not_be_is_said() {
    let message = |request: AlarmRequest| request.into_alarm().unwrap_err().message;
    // Recorded from AWS.
    assert_eq!(
        message(AlarmRequest { metric_name: Some("errors".into()), ..math("x") }),
        "MetricName should not be set if list of Metrics is set."
    );
    let all = AlarmRequest {
        metrics: math("x").metrics.into_iter().map(|q| QueryRequest { return_data: None, ..q }).collect(),
        ..math("x")
    };
    assert_eq!(message(all), "Exactly one element of the metrics list should return data.");
    let many = AlarmRequest { metrics: vec![math("x").metrics.remove(0); 11], ..math("x") };
    assert_eq!(message(many), "The list of Metrics must not have more than 10 elements.");
    let search =
        QueryRequest { expression: Some("SEARCH('x', 'Sum', 60)".into()), id: "e".into(), ..QueryRequest::default() };
    assert_eq!(
        message(AlarmRequest { metrics: vec![search], ..math("x") }),
        "Error in expression 'e': The function SEARCH is not reproduced by this endpoint"
    );
    let policy = "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:autoScalingGroupName/g:policyName/p";
    let anomaly = AlarmRequest { threshold_metric_id: Some("ad1".into()), ..request("x") };
    assert_eq!(message(anomaly.clone()), "Anomaly detection is not reproduced by this endpoint");
    assert_eq!(
        message(AlarmRequest { alarm_actions: vec![policy.into()], ..anomaly }),
        "Alarms based on anomaly detection models cannot have Auto Scaling actions"
    );
    let clock =
        |period, zone: &str| AlarmRequest { period_secs: Some(period), wall_clock: Some(zone.into()), ..request("x") };
    assert!(clock(300, "Asia/Seoul").into_alarm().is_ok());
    assert!(clock(900, "UTC").into_alarm().is_err());
    assert!(clock(10, "UTC").into_alarm().is_err());
    assert!(clock(60, "Nowhere").into_alarm().is_err());
    for (warm_up, is_fine) in [(0, false), (1, true), (2880, true), (2881, false)] {
        let request = AlarmRequest { warm_up_minutes: Some(warm_up), ..request("x") };
        assert_eq!(request.into_alarm().is_ok(), is_fine, "{warm_up}");
    }
}

/// Source: CloudWatch User Guide, "Alarm warm-up periods".
#[test]
fn a_warm_up_ends_with_its_time_or_with_enough_data_unless_all_of_it_is_wanted() {
    let after = |warm_up: i64, whole: bool, data_from: u64, minute: u64| {
        let mut world = world();
        let request = AlarmRequest {
            treat_missing_data: Some("breaching".into()),
            warm_up_minutes: Some(warm_up),
            whole_warm_up: whole,
            ..request("cpu")
        };
        put(&mut world, START, request);
        (data_from..100).for_each(|minute| measure(&mut world, "errors", START + minutes(minute), 0.0));
        let _ = world.step(START + minutes(minute), Event::Tick);
        state(&world, "cpu").as_str()
    };
    assert_eq!(after(30, false, 100, 30), "INSUFFICIENT_DATA");
    assert_eq!(after(30, false, 100, 31), "ALARM");
    assert_eq!(after(30, false, 5, 6), "INSUFFICIENT_DATA");
    assert_eq!(after(30, false, 5, 9), "OK");
    assert_eq!(after(30, true, 5, 30), "INSUFFICIENT_DATA");
    assert_eq!(after(30, true, 5, 31), "OK");
}

/// Source: CloudWatch User Guide, "Alarm evaluation window": a backup a day, though more than 24 hours apart.
#[test]
fn a_daily_window_judges_each_day_by_itself() {
    let daily = |name: &str, wall_clock: Option<&str>| AlarmRequest {
        period_secs: Some(86_400),
        evaluation_periods: Some(1),
        threshold: Some(1.0),
        comparison: Some("LessThanThreshold".into()),
        treat_missing_data: Some("breaching".into()),
        wall_clock: wall_clock.map(str::to_string),
        ..request(name)
    };
    let day = |day: u64, hour: u64| START.floor_to(minutes(24 * 60)) + minutes(60 * (24 * day + hour));
    let mut world = world();
    put(&mut world, day(0, 0), daily("clock", Some("UTC")));
    for at in [day(0, 2), day(1, 5), day(3, 2)] {
        measure(&mut world, "errors", at, 1.0);
    }
    let mut states = Vec::new();
    for day_of_interest in 1..=4 {
        let _ = world.step(day(day_of_interest, 1), Event::Tick);
        states.push(state(&world, "clock").as_str());
    }
    assert_eq!(states, ["OK", "OK", "ALARM", "OK"], "the third day has no backup");
}

/// The rule of M out of N, read anew from the guide: fill the newest N with what there is, oldest data last, and what is
/// still missing as the treatment says.
fn oracle(range: &[Slot], n: usize, m: usize, treatment: TreatMissingData, before: AlarmState) -> AlarmState {
    let mut newest: Vec<Slot> = Vec::new();
    for slot in range.iter().rev() {
        if *slot != Slot::Missing && newest.len() < n {
            newest.push(*slot);
        }
    }
    if newest.is_empty() {
        return match treatment {
            TreatMissingData::Missing => AlarmState::InsufficientData,
            TreatMissingData::Ignore => before,
            TreatMissingData::Breaching => AlarmState::Alarm,
            TreatMissingData::NotBreaching => AlarmState::Ok,
        };
    }
    let has_good = newest.contains(&Slot::NotBreaching);
    let short = newest.len() < n;
    match treatment {
        TreatMissingData::Breaching => newest.resize(n, Slot::Breaching),
        TreatMissingData::NotBreaching => newest.resize(n, Slot::NotBreaching),
        _ => {}
    }
    let bad = newest.iter().filter(|slot| **slot == Slot::Breaching).count();
    let undecided =
        short && bad < m && !has_good && matches!(treatment, TreatMissingData::Missing | TreatMissingData::Ignore);
    if !undecided {
        return if bad >= m { AlarmState::Alarm } else { AlarmState::Ok };
    }
    let first_bad_from_the_end =
        range.iter().rev().enumerate().filter(|(_, s)| **s == Slot::Breaching).map(|(at, _)| at + 1).max();
    match treatment {
        TreatMissingData::Missing if first_bad_from_the_end.is_some_and(|age| age >= m) => AlarmState::Alarm,
        _ => before,
    }
}

fn slot() -> impl Strategy<Value = Slot> {
    prop_oneof![Just(Slot::Missing), Just(Slot::Breaching), Just(Slot::NotBreaching)]
}

proptest! {
    #[test]
    fn m_out_of_n_is_what_a_naive_reading_says(
        range in proptest::collection::vec(slot(), 3..14),
        n in 1_usize..=8,
        m in 1_usize..=8,
        treatment in proptest::sample::select(TreatMissingData::ALL),
        before in proptest::sample::select(AlarmState::ALL),
    ) {
        let n = n.min(range.len());
        let m = m.min(n);
        let rule = Rule { evaluation_periods: n as u32, datapoints_to_alarm: m as u32, treat_missing_data: treatment };
        let state = match evaluate(&range, rule).action {
            Action::Keep => before,
            Action::SetState(state) => state,
        };
        prop_assert_eq!(state, oracle(&range, n, m, treatment, before));
    }

    /// Time passes in steps of a minute or all at once: the alarms remember the same.
    #[test]
    fn small_steps_and_one_leap_give_one_history(
        values in proptest::collection::vec(proptest::option::of(0.0..20.0), 5..60),
        step_secs in 1_u64..600,
        treatment in proptest::sample::select(TreatMissingData::ALL),
    ) {
        let build = || {
            let mut world = world();
            put(&mut world, START, AlarmRequest { treat_missing_data: Some(treatment.to_string()), ..request("plain") });
            put(&mut world, START, math("math"));
            put(&mut world, START, AlarmRequest { warm_up_minutes: Some(7), wall_clock: Some("UTC".into()), ..request("clock") });
            let rule = composite::validate::CompositeRequest {
                name: "both".into(),
                rule: "AT_LEAST(50%, ALARM, (plain, math, clock))".into(),
                suppressor: Some("clock".into()),
                wait_secs: Some(45),
                extension_secs: Some(90),
                ..Default::default()
            };
            world.put_composite_alarm(START, rule.into_alarm().unwrap(), Tags::new()).unwrap();
            for (minute, value) in values.iter().enumerate() {
                let at = START + minutes(minute as u64);
                measure(&mut world, "requests", at, 50.0);
                value.iter().for_each(|value| measure(&mut world, "errors", at, *value));
            }
            world
        };
        let end = START + minutes(values.len() as u64 + 5);
        let (mut small, mut leap) = (build(), build());
        let mut now = START;
        while now < end {
            now = (now + Duration::from_secs(step_secs)).min(end);
            let _ = small.step(now, Event::Tick);
        }
        let _ = leap.step(end, Event::Tick);
        prop_assert_eq!(serde_json::to_string(&small.alarms).unwrap(), serde_json::to_string(&leap.alarms).unwrap());
    }
}

/// Source: CloudWatch User Guide, "How alarm mute rules work": what was muted runs when the window ends with the alarm still in
/// the state, and not if it has left it.
#[test]
fn a_muted_action_runs_at_the_end_of_the_window_if_the_state_lasts() {
    const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:ops";
    let actions = |breaching_until: u64, delete_at: Option<u64>| {
        let mut world = world();
        put(&mut world, START, AlarmRequest { alarm_actions: vec![TOPIC.into()], ..request("cpu") });
        let rule = mute::MuteRequest {
            name: "deploy".into(),
            expression: format!("at({})", (START + minutes(2)).format("%Y-%m-%dT%H:%M")),
            duration: "PT20M".into(),
            targets: vec!["cpu".into()],
            ..Default::default()
        };
        world.alarms.put_mute_rule(START, mute::MuteRule::check(rule, START).unwrap(), Tags::new());
        for minute in 0..40 {
            let value = if minute < breaching_until { 90.0 } else { 0.0 };
            measure(&mut world, "errors", START + minutes(minute), value);
        }
        if let Some(minute) = delete_at {
            let _ = world.step(START + minutes(minute), Event::Tick);
            world.alarms.delete_mute_rule(START + minutes(minute), "deploy");
        }
        let _ = world.step(START + minutes(40), Event::Tick);
        let items = world.alarms.history().since_two_weeks(START + minutes(40));
        let actions = items.filter(|item| item.item_type() == "Action");
        actions.map(|item| (item.at.since(START).as_secs() / 60, item.data())).collect::<Vec<_>>()
    };
    let lasting = actions(40, None);
    assert_eq!(lasting.iter().map(|(minute, _)| *minute).collect::<Vec<_>>(), [22]);
    let end = (START + minutes(22)).as_millis();
    assert!(lasting[0].1.contains(&format!("\"muteWindowEndTimestamp\":{end}")), "{}", lasting[0].1);
    assert_eq!(actions(10, None), [], "the alarm is OK again, and OK has no actions");
    assert_eq!(actions(40, Some(10)).iter().map(|(minute, _)| *minute).collect::<Vec<_>>(), [10]);
}
