//! Alarms over time: what they say, when they act, what they remember.

use std::time::Duration;

use super::validate::AlarmRequest;
use super::*;
use crate::engine::metrics::{Grid, MetricKey, Resolution, Sample, Values};

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:ops";
const POLICY: &str =
    "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1-2-3:autoScalingGroupName/web:policyName/out";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn request(name: &str) -> AlarmRequest {
    AlarmRequest {
        name: name.into(),
        namespace: Some("Shop".into()),
        metric_name: Some("Latency".into()),
        statistic: Some("Average".into()),
        period_secs: Some(60),
        evaluation_periods: Some(1),
        threshold: Some(50.0),
        comparison: Some("GreaterThanThreshold".into()),
        alarm_actions: vec![TOPIC.into(), POLICY.into()],
        ok_actions: vec![TOPIC.into()],
        ..AlarmRequest::default()
    }
}

/// A world of alarms and metrics alone, stepped from due to due.
struct Bench {
    alarms: Alarms,
    metrics: Metrics,
    now: Timestamp,
    fired: Vec<(Timestamp, Firing)>,
}

impl Bench {
    fn new(now: &str) -> Self {
        let alarms = Alarms::new(&Place::new("us-east-1", "123456789012"), 7);
        Self { alarms, metrics: Metrics::default(), now: at(now), fired: Vec::new() }
    }

    fn put(&mut self, request: AlarmRequest) {
        self.alarms.put(self.now, request.into_alarm().unwrap(), Tags::new());
    }

    fn measure(&mut self, value: f64) {
        let key = MetricKey { namespace: "Shop".into(), name: "Latency".into(), ..MetricKey::default() };
        self.metrics.record(key, self.now, Sample { unit: None, values: Values::Counted(vec![(value, 1.0)]) });
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.alarms.next_due().filter(|due| *due <= end) {
            for firing in self.alarms.run_due(due, &self.metrics) {
                self.alarms.record_action(due, &firing, ActionOutcome::Succeeded { published: None });
                self.fired.push((due, firing));
            }
        }
        self.now = end;
    }

    /// Measures `value` each minute for so many minutes.
    fn load(&mut self, minutes: usize, value: f64) {
        for _ in 0..minutes {
            self.measure(value);
            self.run(secs(60));
        }
    }

    fn state(&self, name: &str) -> AlarmState {
        self.alarms.get(&name.into()).unwrap().state.value
    }

    fn summaries(&self) -> Vec<String> {
        self.alarms.history().since_two_weeks(self.now).map(|item| item.summary()).collect()
    }
}

#[test]
fn a_new_alarm_is_unchecked_until_its_first_evaluation() {
    let mut bench = Bench::new("2026-09-14T05:00:00Z");
    bench.put(request("cpu"));
    let alarm = bench.alarms.get(&"cpu".into()).unwrap();
    assert_eq!(
        (alarm.state.value, alarm.state.reason.as_str()),
        (AlarmState::InsufficientData, reason::INITIAL_REASON)
    );
    assert_eq!(alarm.arn, "arn:aws:cloudwatch:us-east-1:123456789012:alarm:cpu");
    assert!(alarm.due().since(bench.now) <= secs(60));
}

#[test]
fn the_first_evaluation_runs_the_actions_of_the_state_it_finds() {
    let mut bench = Bench::new("2026-09-14T05:00:00Z");
    bench.put(request("cpu"));
    bench.load(3, 10.0);
    assert_eq!(bench.state("cpu"), AlarmState::Ok);
    assert_eq!(bench.fired.iter().map(|(_, f)| f.action_arn.as_str()).collect::<Vec<_>>(), [TOPIC]);
}

/// Source: CloudWatch User Guide: actions run on a change, Auto Scaling actions once per minute while the state lasts.
#[test]
fn a_policy_is_invoked_each_minute_and_a_topic_once() {
    let mut bench = Bench::new("2026-09-14T05:00:00Z");
    bench.put(request("cpu"));
    bench.load(7, 90.0);
    let times = |arn| bench.fired.iter().filter(|(_, f)| f.action_arn == arn).map(|(at, _)| *at).collect::<Vec<_>>();
    assert_eq!(times(TOPIC).len(), 1);
    let invoked = times(POLICY);
    assert!(invoked.len() >= 5, "{invoked:?}");
    assert!(invoked.windows(2).all(|pair| pair[1].since(pair[0]) == secs(60)), "{invoked:?}");
    let Subject::Metric(lasting) = &bench.fired.last().unwrap().1.alarm else { panic!("it is a metric alarm") };
    assert_eq!(
        (lasting.old_state, lasting.new_state, lasting.newest_value),
        (AlarmState::Alarm, AlarmState::Alarm, Some(90.0))
    );
    let executed = bench.summaries().into_iter().filter(|summary| summary.contains(POLICY)).count();
    assert_eq!(executed, 1, "a repetition that fares no differently is not history");
}

#[test]
fn a_state_set_by_hand_lasts_until_the_next_evaluation() {
    let mut bench = Bench::new("2026-09-14T05:00:00Z");
    bench.put(request("cpu"));
    bench.load(3, 10.0);
    let set = |bench: &mut Bench, reason: &str| {
        bench.alarms.set_state(bench.now, &"cpu".into(), AlarmState::Alarm, reason, None).unwrap()
    };
    assert_eq!(set(&mut bench, "drill").len(), 2);
    assert_eq!(set(&mut bench, "again"), [], "the state it already has");
    assert_eq!(bench.alarms.get(&"cpu".into()).unwrap().state.reason, "drill");
    bench.load(1, 10.0);
    assert_eq!(bench.state("cpu"), AlarmState::Ok);
    let changes: Vec<_> =
        bench.summaries().into_iter().filter(|summary| summary.starts_with("Alarm updated")).collect();
    assert_eq!(
        changes,
        [
            "Alarm updated from INSUFFICIENT_DATA to OK",
            "Alarm updated from OK to ALARM",
            "Alarm updated from ALARM to OK"
        ]
    );
}

#[test]
fn setting_the_state_needs_an_alarm_and_json() {
    let mut bench = Bench::new("2026-09-14T05:00:00Z");
    bench.put(request("cpu"));
    let mut set = |name: &str, data| {
        bench.alarms.set_state(bench.now, &name.into(), AlarmState::Ok, "", data).map_err(|e| (e.code, e.status))
    };
    assert_eq!(set("nobody", None), Err(("ResourceNotFound".into(), 404)));
    assert_eq!(set("cpu", Some("{")), Err(("InvalidFormat".into(), 400)));
}

#[test]
fn disabled_actions_do_not_run_and_are_not_made_up_for() {
    let mut bench = Bench::new("2026-09-14T05:00:00Z");
    bench.put(AlarmRequest { alarm_actions: vec![TOPIC.into()], ..request("cpu") });
    bench.alarms.enable_actions(bench.now, &"cpu".into(), false);
    bench.load(3, 90.0);
    bench.alarms.enable_actions(bench.now, &"cpu".into(), true);
    bench.load(3, 90.0);
    assert_eq!(bench.state("cpu"), AlarmState::Alarm);
    assert_eq!(bench.fired, []);
}

#[test]
fn another_configuration_keeps_state_tags_and_second_and_the_same_one_is_no_change() {
    let mut bench = Bench::new("2026-09-14T05:00:00Z");
    bench.put(request("cpu"));
    bench.load(3, 90.0);
    let before = bench.alarms.get(&"cpu".into()).unwrap().clone();
    bench.put(request("cpu"));
    bench.put(AlarmRequest { threshold: Some(60.0), ..request("cpu") });
    let after = bench.alarms.get(&"cpu".into()).unwrap();
    assert_eq!((after.state.clone(), after.tags.clone()), (before.state, before.tags));
    let second = i64::try_from(window::EvaluationClock::new(window::Cadence::Minute, 7, &"cpu".into()).offset_millis);
    assert_eq!(Ok(after.due().as_millis() % 60_000), second);
    let changes: Vec<_> = bench.summaries().into_iter().filter(|summary| summary.starts_with("Alarm \"")).collect();
    assert_eq!(changes, ["Alarm \"cpu\" created", "Alarm \"cpu\" updated"]);
}

#[test]
fn an_alarm_that_is_gone_is_due_no_more_but_remembered() {
    let mut bench = Bench::new("2026-09-14T05:00:00Z");
    bench.put(request("cpu"));
    bench.alarms.delete(bench.now, &"cpu".into());
    bench.alarms.delete(bench.now, &"cpu".into());
    assert_eq!(bench.alarms.next_due(), None);
    assert_eq!(bench.summaries(), ["Alarm \"cpu\" created", "Alarm \"cpu\" deleted"]);
    bench.put(request("cpu"));
    assert_eq!(bench.state("cpu"), AlarmState::InsufficientData);
}

#[test]
fn history_is_kept_for_two_weeks() {
    let mut bench = Bench::new("2026-09-14T05:00:00Z");
    bench.put(request("cpu"));
    assert_eq!(bench.alarms.history().since_two_weeks(bench.now + secs(14 * 86_400)).count(), 1);
    assert_eq!(bench.alarms.history().since_two_weeks(bench.now + secs(14 * 86_400 + 1)).count(), 0);
}

#[test]
fn a_dump_goes_on_where_the_alarms_stood() {
    let mut bench = Bench::new("2026-09-14T05:00:00Z");
    for name in ["b", "a", "c"] {
        bench.put(request(name));
    }
    bench.alarms.delete(bench.now, &"a".into());
    bench.load(3, 90.0);
    let dump = serde_json::to_string(&bench.alarms).unwrap();
    let mut back: Alarms = serde_json::from_str(&dump).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), dump);
    for _ in 0..10 {
        let due = bench.alarms.next_due().unwrap();
        assert_eq!(back.next_due(), Some(due));
        assert_eq!(back.run_due(due, &bench.metrics), bench.alarms.run_due(due, &bench.metrics));
    }
}

#[test]
fn ten_thousand_alarms_are_each_evaluated_once_a_minute() {
    let mut bench = Bench::new("2026-09-14T05:00:00Z");
    for n in 0..10_000 {
        bench.put(AlarmRequest { alarm_actions: vec![], ok_actions: vec![TOPIC.into()], ..request(&format!("a{n}")) });
    }
    bench.load(2, 10.0);
    bench.run(secs(60));
    assert_eq!(bench.fired.len(), 10_000);
}

/// Recorded from AWS: alarms of 10 s with three periods, all on one series of data points.
#[test]
fn recorded_reasons_are_told_word_by_word() {
    let series: &[(&str, f64)] = &[
        ("05:42:25", 100.0),
        ("05:42:35", 0.0),
        ("05:42:45", 100.0),
        ("05:46:55", 100.0),
        ("05:50:55", 0.0),
        ("05:51:15", 100.0),
        ("05:51:35", 100.0),
        ("05:54:15", 0.0),
    ];
    let check = |query: &str, m: i64, treatment: &str, reason: &str, recent: &str, evaluated: &[&str]| {
        let config = AlarmRequest {
            period_secs: Some(10),
            evaluation_periods: Some(3),
            datapoints_to_alarm: Some(m),
            treat_missing_data: Some(treatment.into()),
            ..request("recorded")
        };
        let config = config.into_alarm().unwrap();
        let query = at(&format!("2026-09-14T{query}Z"));
        let mut metrics = Metrics::default();
        for (time, value) in series {
            let time = at(&format!("2026-09-14T{time}Z"));
            if time < query {
                let key = config.watched.metric().unwrap().key.clone();
                metrics.record_at(&key, time, &Sample::one(*value, "Count"), Resolution::High);
            }
        }
        let points = config.watched.read(&metrics, Grid::Even(window::slots(10, 3, query, false)));
        let decision = state::decide(&config, &points);
        let evaluate::Action::SetState(state) = decision.action else { panic!("{query}: {decision:?}") };
        let explanation = reason::explain(&config, &points, &decision, state, query);
        let data: serde_json::Value = serde_json::from_str(&explanation.reason_data).unwrap();
        assert_eq!(explanation.reason, reason, "{query}");
        assert_eq!(data["recentDatapoints"].to_string(), recent, "{query}");
        let listed: Vec<&str> = data["evaluatedDatapoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| &p["timestamp"].as_str().unwrap()[11..19])
            .collect();
        assert_eq!(listed, evaluated, "{query}");
    };
    check(
        "05:43:07.551",
        2,
        "missing",
        "Threshold Crossed: 2 out of the last 3 datapoints [100.0 (14/09/26 05:42:40), 100.0 (14/09/26 05:42:20)] were \
         greater than the threshold (50.0) (minimum 2 datapoints for OK -> ALARM transition).",
        "[100.0,0.0,100.0]",
        &["05:42:40", "05:42:20"],
    );
    check(
        "05:47:38.775",
        3,
        "missing",
        "Threshold Crossed: 1 out of the last 3 datapoints [100.0 (14/09/26 05:46:50)] was greater than the threshold \
         (50.0) (minimum 3 datapoints for OK -> ALARM transition).",
        "[100.0]",
        &["05:47:10", "05:47:00", "05:46:50"],
    );
    check(
        "05:48:48.774",
        3,
        "missing",
        "Insufficient Data: 3 datapoints were unknown.",
        "[]",
        &["05:48:20", "05:48:10", "05:48:00"],
    );
    check(
        "05:51:48.775",
        3,
        "missing",
        "Threshold Crossed: 1 out of the last 3 datapoints [0.0 (14/09/26 05:50:50)] was not greater than the threshold \
         (50.0) (minimum 1 datapoint for ALARM -> OK transition).",
        "[0.0,null,100.0]",
        &["05:50:50"],
    );
    check(
        "05:52:48.775",
        3,
        "missing",
        "Threshold Crossed: 2 out of the last 3 datapoints [100.0 (14/09/26 05:51:30), 100.0 (14/09/26 05:51:10)] were \
         greater than the threshold (50.0) (minimum 3 datapoints for OK -> ALARM transition).",
        "[100.0,null,100.0]",
        &["05:52:20", "05:51:30", "05:51:10"],
    );
    check(
        "05:54:34.473",
        3,
        "breaching",
        "Threshold Crossed: 1 out of the last 3 datapoints [0.0 (14/09/26 05:54:10)] was not greater than the threshold \
         (50.0) and 2 missing datapoints were treated as [Breaching] (minimum 1 datapoint for ALARM -> OK transition).",
        "[0.0]",
        &["05:54:10"],
    );
    check(
        "05:54:37.550",
        2,
        "missing",
        "Threshold Crossed: 1 out of the last 3 datapoints [0.0 (14/09/26 05:54:10)] was not greater than the threshold \
         (50.0) (minimum 2 datapoints for ALARM -> OK transition).",
        "[0.0]",
        &["05:54:10", "05:54:00"],
    );
    check(
        "05:56:04.474",
        3,
        "breaching",
        "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as \
         [Breaching].",
        "[]",
        &["05:55:40", "05:55:30", "05:55:20"],
    );
}

/// From a field report: `Sum <= 0` over eight times 900 s, missing data breaching, M not given.
#[test]
fn a_reason_without_m_counts_the_missing_data_points() {
    let config = AlarmRequest {
        period_secs: Some(900),
        evaluation_periods: Some(8),
        statistic: Some("Sum".into()),
        threshold: Some(0.0),
        comparison: Some("LessThanOrEqualToThreshold".into()),
        treat_missing_data: Some("breaching".into()),
        ..request("field")
    };
    let config = config.into_alarm().unwrap();
    let query = at("2026-08-19T09:51:49Z");
    let mut metrics = Metrics::default();
    for time in ["2026-08-19T09:50:20Z", "2026-08-19T09:50:35Z"] {
        metrics.record(config.watched.metric().unwrap().key.clone(), at(time), Sample::one(1.0, "Count"));
    }
    let points = config.watched.read(&metrics, Grid::Even(window::slots(900, 8, query, false)));
    let decision = state::decide(&config, &points);
    let explanation = reason::explain(&config, &points, &decision, AlarmState::Ok, query);
    assert_eq!(decision.action, evaluate::Action::SetState(AlarmState::Ok));
    assert_eq!(
        explanation.reason,
        "Threshold Crossed: 1 datapoint [2.0 (19/08/26 09:36:00)] was not less than or equal to the threshold (0.0) and 7 \
         missing datapoints were treated as [Breaching]."
    );
}

/// Recorded from AWS: with `ignore`, a p90 decides from 100 samples on.
#[test]
fn a_percentile_of_too_few_samples_keeps_the_state_when_told_to() {
    for (count, treatment, decides) in [(99.0, "ignore", false), (99.0, "evaluate", true), (100.0, "ignore", true)] {
        let config = AlarmRequest {
            statistic: None,
            extended_statistic: Some("p90".into()),
            evaluate_low_sample_count_percentile: Some(treatment.into()),
            ..request("p90")
        };
        let point = Point { start: at("2026-09-14T06:43:00Z"), value: Some(60.0), sample_count: count };
        let decision = state::decide(&config.into_alarm().unwrap(), &[point]);
        assert_eq!(decision.action != evaluate::Action::Keep, decides, "{count} {treatment}");
    }
}

#[test]
fn numbers_print_as_java_prints_doubles() {
    for (value, text) in [
        (50.0, "50.0"),
        (0.0, "0.0"),
        (-2.5, "-2.5"),
        (21.05, "21.05"),
        (0.001, "0.001"),
        (0.000_12, "1.2E-4"),
        (1e7, "1.0E7"),
        (12_345_678.9, "1.23456789E7"),
        (9_999_999.0, "9999999.0"),
    ] {
        assert_eq!(reason::java_double(value), text);
    }
}

mod messages {
    use super::*;

    fn snapshot(request: AlarmRequest) -> AlarmSnapshot {
        AlarmSnapshot {
            arn: "arn:aws:cloudwatch:us-east-1:123456789012:alarm:cpu".into(),
            config: Arc::new(request.into_alarm().unwrap()),
            old_state: AlarmState::Ok,
            new_state: AlarmState::Alarm,
            reason: "because".into(),
            state_changed_at: at("2026-09-14T11:18:52.496Z"),
            configuration_updated_at: at("2026-09-14T11:00:00Z"),
            newest_value: None,
        }
    }

    fn notice(request: AlarmRequest) -> Notice {
        let alarm = Subject::Metric(snapshot(request));
        let firing = Firing { action_arn: String::new(), alarm, after_mute_window: None };
        firing.notice(&Place::new("us-east-1", "123456789012"))
    }

    fn message(request: AlarmRequest) -> String {
        notice(request).message.to_string()
    }

    /// The order of the keys as recorded from AWS.
    #[test]
    fn the_message_has_aws_keys_in_aws_order() {
        let request = AlarmRequest {
            dimensions: vec![("InstanceId".into(), "i-1".into())],
            alarm_actions: vec![TOPIC.into()],
            ..request("cpu")
        };
        assert_eq!(
            message(request),
            concat!(
                r#"{"AlarmName":"cpu","AlarmDescription":null,"AWSAccountId":"123456789012","#,
                r#""AlarmConfigurationUpdatedTimestamp":"2026-09-14T11:00:00.000+0000","NewStateValue":"ALARM","#,
                r#""NewStateReason":"because","StateChangeTime":"2026-09-14T11:18:52.496+0000","#,
                r#""Region":"US East (N. Virginia)","#,
                r#""AlarmArn":"arn:aws:cloudwatch:us-east-1:123456789012:alarm:cpu","OldStateValue":"OK","#,
                r#""ActionExecutedAfterMuteWindow":false,"OKActions":["arn:aws:sns:us-east-1:123456789012:ops"],"#,
                r#""AlarmActions":["arn:aws:sns:us-east-1:123456789012:ops"],"InsufficientDataActions":[],"#,
                r#""Trigger":{"MetricName":"Latency","Namespace":"Shop","StatisticType":"Statistic","#,
                r#""Statistic":"AVERAGE","Unit":null,"Dimensions":[{"value":"i-1","name":"InstanceId"}],"Period":60,"#,
                r#""EvaluationPeriods":1,"ComparisonOperator":"GreaterThanThreshold","Threshold":50.0,"#,
                r#""TreatMissingData":"","EvaluateLowSampleCountPercentile":""}}"#
            )
        );
    }

    #[test]
    fn the_trigger_names_what_is_set() {
        let request = AlarmRequest {
            statistic: None,
            extended_statistic: Some("p90".into()),
            datapoints_to_alarm: Some(1),
            treat_missing_data: Some("notBreaching".into()),
            evaluate_low_sample_count_percentile: Some("ignore".into()),
            ..request("cpu")
        };
        let message = message(request);
        for part in [
            r#""StatisticType":"ExtendedStatistic","ExtendedStatistic":"p90","Unit""#,
            r#""EvaluationPeriods":1,"DatapointsToAlarm":1,"ComparisonOperator""#,
            r#""TreatMissingData":"notBreaching","EvaluateLowSampleCountPercentile":"ignore""#,
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }

    #[test]
    fn a_subject_fits_and_is_ascii() {
        let subject = |name: &str| message::subject(AlarmState::Ok, name, "us-east-1");
        assert_eq!(subject("cpu-high"), "OK: \"cpu-high\" in US East (N. Virginia)");
        assert_eq!(subject("한글 경보"), "OK: \"_ _\" in US East (N. Virginia)");
        let long = subject(&"x".repeat(255));
        assert_eq!(long.len(), 100);
        assert!(long.ends_with("x...\" in US East (N. Virginia)"), "{long}");
    }

    #[test]
    fn email_subscribers_get_a_text_for_people() {
        let notice = notice(request("cpu"));
        let email = &notice.by_protocol["email"];
        assert!(email.contains(
            "has entered the ALARM state, because \"because\" at \"Monday 14 September, 2026 11:18:52 UTC\""
        ));
        let published: serde_json::Value = serde_json::from_str(&message::published(&notice)).unwrap();
        assert_eq!(published["default"], notice.message.as_str());
        assert_eq!(published.as_object().unwrap().keys().collect::<Vec<_>>(), ["default", "sms", "email"]);
    }
}

mod validation {
    use super::*;

    fn check(what: &str, request: AlarmRequest, expected: Result<(), &str>) {
        let answer = request.into_alarm().map(drop).map_err(|refusal| refusal.message);
        match (&answer, expected) {
            (Ok(()), Ok(())) => {}
            (Err(message), Err(part)) => assert!(message.contains(part), "{what}: {message}"),
            _ => panic!("{what}: {answer:?}"),
        }
    }

    /// Source: CloudWatch API Reference, PutMetricAlarm.
    #[test]
    fn periods_and_windows_have_limits() {
        for (period, n, expected) in [
            (10, 1, Ok(())),
            (20, 1, Ok(())),
            (30, 1, Ok(())),
            (60, 1, Ok(())),
            (120, 1, Ok(())),
            (0, 1, Err("Period must be")),
            (15, 1, Err("Period must be")),
            (45, 1, Err("Period must be")),
            (-60, 1, Err("Period must be")),
            (60, 1440, Ok(())),
            (60, 1441, Err("more than a day")),
            (10, 8640, Ok(())),
            (10, 8641, Err("more than a day")),
            (1800, 48, Ok(())),
            (1800, 49, Err("more than a day")),
            (3600, 168, Ok(())),
            (3600, 169, Err("more than a week")),
            (86_400, 7, Ok(())),
            (604_800, 1, Ok(())),
            (604_800, 2, Err("more than a week")),
            (60, 0, Err("evaluationPeriods")),
        ] {
            let request = AlarmRequest { period_secs: Some(period), evaluation_periods: Some(n), ..request("a") };
            check(&format!("{period} x {n}"), request, expected);
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let five = vec![TOPIC.to_string(); 5];
        let six = vec![TOPIC.to_string(); 6];
        let name = |chars: usize| request(&"n".repeat(chars));
        check("255", name(255), Ok(()));
        check("256", name(256), Err("less than or equal to 255"));
        check("empty", name(0), Err("alarmName"));
        check("control", request("a\tb"), Err("ASCII Control"));
        check("5 actions", AlarmRequest { ok_actions: five, ..request("a") }, Ok(()));
        check("6 actions", AlarmRequest { ok_actions: six, ..request("a") }, Err("5 actions"));
        check(
            "no arn",
            AlarmRequest { ok_actions: vec!["ops".into()], ..request("a") },
            Err("Invalid arn syntax: ops"),
        );
        check(
            "m > n",
            AlarmRequest { datapoints_to_alarm: Some(2), ..request("a") },
            Err("DatapointsToAlarm must be less"),
        );
        let both = AlarmRequest { extended_statistic: Some("p90".into()), ..request("a") };
        check("both statistics", both, Err("both Statistic and ExtendedStatistic"));
        check("no statistic", AlarmRequest { statistic: None, ..request("a") }, Err("should have a Statistic"));
        let p101 = AlarmRequest { statistic: None, extended_statistic: Some("p101".into()), ..request("a") };
        check("p101", p101, Err("The value p101 for parameter ExtendedStatistic is not supported."));
        let low = AlarmRequest { evaluate_low_sample_count_percentile: Some("ignore".into()), ..request("a") };
        check("low samples of an average", low, Err("enabled only for percentile statistics"));
        check("no threshold", AlarmRequest { threshold: None, ..request("a") }, Err("valid Threshold"));
        check("NaN", AlarmRequest { threshold: Some(f64::NAN), ..request("a") }, Err("valid Threshold"));
        let twice =
            AlarmRequest { dimensions: vec![("a".into(), "1".into()), ("a".into(), "2".into())], ..request("a") };
        check("a dimension twice", twice, Err("more than once"));
    }
}
