//! The service as a client sees it, below the codecs.

use super::*;
use crate::clock::Timestamp;
use crate::engine::groups::Timing;
use crate::engine::names::Place;
use crate::sandbox::operations::Call;
use crate::sandbox::region::Region;
use crate::sandbox::wire::value::{FromValue, IntoValue};

const NOW: Timestamp = Timestamp::from_secs(1_789_348_480);
const ARN: &str = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:cpu";

fn region() -> Region {
    Region::new(Place::new("us-east-1", "123456789012"), 7, Timing::Instant)
}

/// Calls an operation the way the wire does.
fn ask<I: IntoValue, O: FromValue>(region: &mut Region, operation: &str, input: I) -> Result<O, Refusal> {
    let operations = operations();
    let operation = operations.get(operation).unwrap();
    let call = Call::new(NOW, "request".into(), "http://127.0.0.1".into());
    (operation.handler)(region, &call, input.into_value()).map(O::from_value)
}

fn alarm(name: &str) -> model::PutMetricAlarmInput {
    model::PutMetricAlarmInput {
        alarm_name: Some(name.into()),
        namespace: Some("Shop".into()),
        metric_name: Some("Latency".into()),
        statistic: Some("Average".into()),
        period: Some(60),
        evaluation_periods: Some(2),
        threshold: Some(50.0),
        comparison_operator: Some("GreaterThanThreshold".into()),
        ..Default::default()
    }
}

fn put(region: &mut Region, input: model::PutMetricAlarmInput) {
    let _: model::PutMetricAlarmOutput = ask(region, "PutMetricAlarm", input).unwrap();
}

fn names(region: &mut Region, input: model::DescribeAlarmsInput) -> (Vec<String>, Option<String>) {
    let output: model::DescribeAlarmsOutput = ask(region, "DescribeAlarms", input).unwrap();
    let alarms = output.metric_alarms.unwrap();
    (alarms.into_iter().map(|alarm| alarm.alarm_name.unwrap()).collect(), output.next_token)
}

fn publish(region: &mut Region, metric: &str, seconds_ago: i64, value: f64) {
    let datum = model::MetricDatum {
        metric_name: Some(metric.into()),
        value: Some(value),
        timestamp: Some(Timestamp::from_secs(NOW.as_secs() - seconds_ago)),
        ..Default::default()
    };
    let input = model::PutMetricDataInput {
        namespace: Some("Shop".into()),
        metric_data: Some(vec![datum]),
        ..Default::default()
    };
    let _: model::PutMetricDataOutput = ask(region, "PutMetricData", input).unwrap();
}

/// The members as recorded from AWS for an alarm that sets nothing optional.
#[test]
fn a_described_alarm_says_what_was_put_and_nothing_more() {
    let mut region = region();
    put(&mut region, alarm("cpu"));
    let output: model::DescribeAlarmsOutput =
        ask(&mut region, "DescribeAlarms", model::DescribeAlarmsInput::default()).unwrap();
    let expected = model::MetricAlarm {
        alarm_name: Some("cpu".into()),
        alarm_arn: Some(ARN.into()),
        alarm_configuration_updated_timestamp: Some(NOW),
        actions_enabled: Some(true),
        ok_actions: Some(vec![]),
        alarm_actions: Some(vec![]),
        insufficient_data_actions: Some(vec![]),
        state_value: Some("INSUFFICIENT_DATA".into()),
        state_reason: Some("Unchecked: Initial alarm creation".into()),
        state_updated_timestamp: Some(NOW),
        state_transitioned_timestamp: Some(NOW),
        metric_name: Some("Latency".into()),
        namespace: Some("Shop".into()),
        statistic: Some("Average".into()),
        dimensions: Some(vec![]),
        period: Some(60),
        evaluation_periods: Some(2),
        threshold: Some(50.0),
        comparison_operator: Some("GreaterThanThreshold".into()),
        ..Default::default()
    };
    assert_eq!(output.metric_alarms, Some(vec![expected]));
    assert_eq!(output.composite_alarms, Some(vec![]));
}

#[test]
fn alarms_are_found_by_names_prefix_state_and_action_page_by_page() {
    let mut region = region();
    for name in ["web-b", "web-a", "db", "web-c"] {
        put(&mut region, alarm(name));
    }
    put(
        &mut region,
        model::PutMetricAlarmInput { ok_actions: Some(vec!["arn:aws:sns:us-east-1:1:ops".into()]), ..alarm("db") },
    );
    let all = model::DescribeAlarmsInput::default;
    let mut found = |input| names(&mut region, input).0;
    assert_eq!(found(all()), ["db", "web-a", "web-b", "web-c"]);
    let by_names = Some(vec!["web-c".into(), "nobody".into(), "db".into(), "db".into()]);
    assert_eq!(found(model::DescribeAlarmsInput { alarm_names: by_names, ..all() }), ["db", "web-c"]);
    let web = || model::DescribeAlarmsInput { alarm_name_prefix: Some("web-".into()), ..all() };
    assert_eq!(found(web()), ["web-a", "web-b", "web-c"]);
    assert_eq!(found(model::DescribeAlarmsInput { state_value: Some("OK".into()), ..all() }), [""; 0]);
    let sns = Some("arn:aws:sns".into());
    assert_eq!(found(model::DescribeAlarmsInput { action_prefix: sns, ..all() }), ["db"]);
    let composite = Some(vec!["CompositeAlarm".into()]);
    assert_eq!(found(model::DescribeAlarmsInput { alarm_types: composite, ..all() }), [""; 0]);

    let page = |next_token| model::DescribeAlarmsInput { max_records: Some(2), next_token, ..web() };
    let (first, next) = names(&mut region, page(None));
    let (second, end) = names(&mut region, page(next));
    assert_eq!((first, second, end), (vec!["web-a".into(), "web-b".into()], vec!["web-c".into()], None));
}

#[test]
fn a_token_that_is_none_is_refused() {
    let input = model::DescribeAlarmsInput { next_token: Some("&".into()), ..Default::default() };
    let refusal = ask::<_, model::DescribeAlarmsOutput>(&mut region(), "DescribeAlarms", input).unwrap_err();
    assert_eq!(refusal.code, "InvalidNextToken");
}

#[test]
fn alarms_of_a_metric_are_those_of_its_very_dimensions() {
    let mut region = region();
    let one = |name: &str, value: &str| model::Dimension { name: Some(name.into()), value: Some(value.into()) };
    put(&mut region, alarm("all"));
    let dimensions = Some(vec![one("A", "1"), one("B", "2")]);
    put(&mut region, model::PutMetricAlarmInput { dimensions, ..alarm("one") });
    let mut found = |dimensions, statistic: Option<&str>| {
        let input = model::DescribeAlarmsForMetricInput {
            namespace: Some("Shop".into()),
            metric_name: Some("Latency".into()),
            dimensions,
            statistic: statistic.map(Into::into),
            ..Default::default()
        };
        let output: model::DescribeAlarmsForMetricOutput = ask(&mut region, "DescribeAlarmsForMetric", input).unwrap();
        output.metric_alarms.unwrap().into_iter().map(|alarm| alarm.alarm_name.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(found(None, None), ["all"]);
    assert_eq!(found(Some(vec![one("B", "2"), one("A", "1")]), None), ["one"]);
    assert_eq!(found(Some(vec![one("A", "1")]), None), [""; 0]);
    assert_eq!(found(None, Some("Sum")), [""; 0]);
}

/// As recorded from AWS: a missing action target is seen only in the history.
#[test]
fn setting_a_state_runs_actions_and_becomes_history() {
    let mut region = region();
    let topic = "arn:aws:sns:us-east-1:123456789012:nowhere";
    put(&mut region, model::PutMetricAlarmInput { alarm_actions: Some(vec![topic.into()]), ..alarm("cpu") });
    let set = model::SetAlarmStateInput {
        alarm_name: Some("cpu".into()),
        state_value: Some("ALARM".into()),
        state_reason: Some("drill".into()),
        state_reason_data: Some("{\"recentDatapoints\":[70.0]}".into()),
    };
    let _: model::SetAlarmStateOutput = ask(&mut region, "SetAlarmState", set).unwrap();
    let mut history = |input| {
        let output: model::DescribeAlarmHistoryOutput = ask(&mut region, "DescribeAlarmHistory", input).unwrap();
        output.alarm_history_items.unwrap()
    };
    let summaries = |items: Vec<model::AlarmHistoryItem>| {
        items.into_iter().map(|item| item.history_summary.unwrap()).collect::<Vec<_>>()
    };
    let ascending = Some("TimestampAscending".to_string());
    let input = model::DescribeAlarmHistoryInput { scan_by: ascending, ..Default::default() };
    assert_eq!(
        summaries(history(input)),
        [
            "Alarm \"cpu\" created".to_string(),
            "Alarm updated from INSUFFICIENT_DATA to ALARM".into(),
            format!("Failed to execute action {topic}")
        ]
    );
    let kind = Some("StateUpdate".to_string());
    let update = history(model::DescribeAlarmHistoryInput { history_item_type: kind, ..Default::default() }).remove(0);
    let data: serde_json::Value = serde_json::from_str(&update.history_data.unwrap()).unwrap();
    assert_eq!(data["oldState"]["stateValue"], "INSUFFICIENT_DATA");
    assert_eq!(data["newState"]["stateReasonData"]["recentDatapoints"][0], 70.0);
}

#[test]
fn actions_are_enabled_and_disabled_and_unknown_alarms_passed_over() {
    let mut region = region();
    put(&mut region, alarm("cpu"));
    let both = Some(vec!["cpu".to_string(), "nobody".to_string()]);
    let input = model::DisableAlarmActionsInput { alarm_names: both.clone() };
    let _: model::DisableAlarmActionsOutput = ask(&mut region, "DisableAlarmActions", input).unwrap();
    assert!(!region.world.alarms.get(&"cpu".into()).unwrap().config.actions_enabled);
    let input = model::EnableAlarmActionsInput { alarm_names: both.clone() };
    let _: model::EnableAlarmActionsOutput = ask(&mut region, "EnableAlarmActions", input).unwrap();
    assert!(region.world.alarms.get(&"cpu".into()).unwrap().config.actions_enabled);
    let _: model::DeleteAlarmsOutput =
        ask(&mut region, "DeleteAlarms", model::DeleteAlarmsInput { alarm_names: both }).unwrap();
    assert!(region.world.alarms.get(&"cpu".into()).is_none());
}

/// Answers as recorded from AWS.
#[test]
fn tags_are_given_at_creation_and_changed_by_arn() {
    let mut region = region();
    let list = |tags: &[(&str, &str)]| {
        let tag = |(key, value): &(&str, &str)| model::Tag { key: Some((*key).into()), value: Some((*value).into()) };
        Some(tags.iter().map(tag).collect::<Vec<_>>())
    };
    put(
        &mut region,
        model::PutMetricAlarmInput { tags: list(&[("create", "original"), ("keep", "yes")]), ..alarm("cpu") },
    );
    put(&mut region, model::PutMetricAlarmInput { tags: list(&[("create", "ignored")]), ..alarm("cpu") });
    let mut tag = |arn: &str, tags| {
        let input = model::TagResourceInput { resource_arn: Some(arn.into()), tags };
        ask::<_, model::TagResourceOutput>(&mut region, "TagResource", input).map_err(|e| (e.code, e.status))
    };
    assert!(tag(ARN, list(&[("create", "replaced"), ("added", "")])).is_ok());
    assert_eq!(tag(ARN, list(&[("good", "1"), ("aws:bad", "1")])), Err(("AccessDenied".into(), 403)));
    assert_eq!(tag("arn:aws:s3:::x", list(&[("a", "1")])), Err(("ResourceNotFoundException".into(), 404)));
    let untag = model::UntagResourceInput {
        resource_arn: Some(ARN.into()),
        tag_keys: Some(vec!["added".into(), "never".into()]),
    };
    let _: model::UntagResourceOutput = ask(&mut region, "UntagResource", untag).unwrap();
    let input = model::ListTagsForResourceInput { resource_arn: Some(ARN.into()) };
    let output: model::ListTagsForResourceOutput = ask(&mut region, "ListTagsForResource", input).unwrap();
    assert_eq!(output.tags, list(&[("create", "replaced"), ("keep", "yes")]));
}

#[test]
fn statistics_come_by_period_and_unit() {
    let mut region = region();
    for (ago, value) in [(170, 2.0), (165, 4.0), (60, 8.0)] {
        publish(&mut region, "Latency", ago, value);
    }
    let input = model::GetMetricStatisticsInput {
        namespace: Some("Shop".into()),
        metric_name: Some("Latency".into()),
        start_time: Some(Timestamp::from_secs(NOW.as_secs() - 600)),
        end_time: Some(NOW),
        period: Some(60),
        statistics: Some(vec!["Sum".into(), "SampleCount".into()]),
        extended_statistics: Some(vec!["p100".into()]),
        ..Default::default()
    };
    let output: model::GetMetricStatisticsOutput = ask(&mut region, "GetMetricStatistics", input).unwrap();
    let points: Vec<_> = output
        .datapoints
        .unwrap()
        .into_iter()
        .map(|p| (p.sum, p.sample_count, p.average, p.unit.unwrap(), p.extended_statistics.unwrap()["p100"]))
        .collect();
    assert_eq!(
        points,
        [(Some(6.0), Some(2.0), None, "None".to_string(), 4.0), (Some(8.0), Some(1.0), None, "None".into(), 8.0)]
    );
}

fn query(id: &str, metric: &str) -> model::MetricDataQuery {
    let metric = model::Metric { namespace: Some("Shop".into()), metric_name: Some(metric.into()), dimensions: None };
    let stat = model::MetricStat { metric: Some(metric), period: Some(60), stat: Some("Sum".into()), unit: None };
    model::MetricDataQuery { id: Some(id.into()), metric_stat: Some(stat), ..Default::default() }
}

fn data(region: &mut Region, queries: Vec<model::MetricDataQuery>) -> Result<Vec<(String, Vec<f64>)>, Refusal> {
    let mut collected: Vec<(String, Vec<f64>)> = Vec::new();
    let mut next_token = None;
    loop {
        let input = model::GetMetricDataInput {
            metric_data_queries: Some(queries.clone()),
            start_time: Some(Timestamp::from_secs(NOW.as_secs() - 600)),
            end_time: Some(NOW),
            max_datapoints: Some(2),
            next_token,
            ..Default::default()
        };
        let output: model::GetMetricDataOutput = ask(region, "GetMetricData", input)?;
        for result in output.metric_data_results.unwrap() {
            let label = result.label.unwrap();
            match collected.iter_mut().find(|(other, _)| *other == label) {
                Some((_, values)) => values.extend(result.values.unwrap()),
                None => collected.push((label, result.values.unwrap())),
            }
        }
        next_token = output.next_token;
        if next_token.is_none() {
            return Ok(collected);
        }
    }
}

/// What AWS answered about a metric with data of several units, asked for without one (recorded in 2025).
#[test]
fn metric_data_of_several_units_are_those_of_the_first() {
    for (published, value, units) in [
        (vec![("Seconds", 60.0)], 60.0, None),
        (vec![("Seconds", 60.0), ("Milliseconds", 60_000.0)], 60_000.0, Some("[Milliseconds, Seconds]")),
        (
            vec![("Milliseconds", 60_000.0), ("Seconds", 60.0), ("Count", 5.0)],
            5.0,
            Some("[Count, Milliseconds, Seconds]"),
        ),
    ] {
        let mut region = region();
        let datum = |(unit, value): (&str, f64)| model::MetricDatum {
            metric_name: Some("a".into()),
            unit: Some(unit.into()),
            value: Some(value),
            timestamp: Some(Timestamp::from_secs(NOW.as_secs() - 100)),
            ..Default::default()
        };
        let input = model::PutMetricDataInput {
            namespace: Some("Shop".into()),
            metric_data: Some(published.into_iter().map(datum).collect()),
            ..Default::default()
        };
        let _: model::PutMetricDataOutput = ask(&mut region, "PutMetricData", input).unwrap();
        let input = model::GetMetricDataInput {
            metric_data_queries: Some(vec![query("q1", "a")]),
            start_time: Some(Timestamp::from_secs(NOW.as_secs() - 600)),
            end_time: Some(NOW),
            ..Default::default()
        };
        let output: model::GetMetricDataOutput = ask(&mut region, "GetMetricData", input).unwrap();
        let result = output.metric_data_results.unwrap().remove(0);
        assert_eq!(result.values, Some(vec![value]));
        let text = result.messages.map(|messages| messages[0].value.clone().unwrap());
        assert_eq!(text, units.map(|units| format!("Multiple units returned: '{units}'")));
    }
}

#[test]
fn metric_data_come_newest_first_and_whole_over_pages() {
    let mut region = region();
    for (metric, ago, value) in [("a", 300, 1.0), ("a", 200, 2.0), ("a", 100, 3.0), ("b", 300, 4.0), ("b", 100, 5.0)] {
        publish(&mut region, metric, ago, value);
    }
    let hidden = model::MetricDataQuery { return_data: Some(false), ..query("q3", "a") };
    let queries = vec![query("q1", "a"), query("q2", "b"), hidden];
    assert_eq!(
        data(&mut region, queries).unwrap(),
        [("a".to_string(), vec![3.0, 2.0, 1.0]), ("b".to_string(), vec![5.0, 4.0])]
    );
}

#[test]
fn expressions_are_computed_from_the_other_queries_an_array_as_several_results() {
    let mut region = region();
    for (metric, ago, value) in [("a", 300, 1.0), ("a", 100, 3.0), ("b", 300, 4.0)] {
        publish(&mut region, metric, ago, value);
    }
    let hidden = |id, metric| model::MetricDataQuery { return_data: Some(false), ..query(id, metric) };
    let math = |id: &str, text: &str| model::MetricDataQuery {
        id: Some(id.into()),
        expression: Some(text.into()),
        label: Some(id.into()),
        ..Default::default()
    };
    let queries = vec![hidden("a", "a"), hidden("b", "b"), math("sum", "a + b"), math("twice", "METRICS() * 2")];
    let expected = [
        ("sum".to_string(), vec![3.0, 5.0]),
        ("twice a".to_string(), vec![6.0, 2.0]),
        ("twice b".to_string(), vec![8.0]),
    ];
    let all: std::collections::BTreeMap<_, _> = data(&mut region, queries).unwrap().into_iter().collect();
    assert_eq!(all, expected.into_iter().collect());
}

#[test]
fn a_query_that_is_not_reproduced_is_refused_by_name() {
    let math = model::MetricDataQuery { metric_stat: None, expression: Some("LOG(a)".into()), ..query("e1", "a") };
    let dynamic = model::MetricDataQuery { label: Some("${AVG}".into()), ..query("q1", "a") };
    for (queries, text) in [
        (vec![math], "Error in expression 'e1': The function LOG is not reproduced by this endpoint"),
        (vec![dynamic], "A dynamic MetricDataQueries.member.1.Label is not reproduced by this endpoint."),
        (vec![query("q", "a"), query("q", "b")], "The values for parameter id in MetricDataQueries are not unique."),
    ] {
        assert_eq!(data(&mut region(), queries).unwrap_err().message, text);
    }
}

#[test]
fn metrics_are_listed_once_by_filter_and_page() {
    let mut region = region();
    for n in 0..501 {
        publish(&mut region, &format!("m{n:03}"), 0, 1.0);
        publish(&mut region, "m000", 60, 1.0);
    }
    let mut list = |input| -> model::ListMetricsOutput { ask(&mut region, "ListMetrics", input).unwrap() };
    let first = list(model::ListMetricsInput::default());
    assert_eq!(first.metrics.unwrap().len(), 500);
    let second = list(model::ListMetricsInput { next_token: first.next_token, ..Default::default() });
    assert_eq!((second.metrics.unwrap().len(), second.next_token), (1, None));
    let by_name = list(model::ListMetricsInput { metric_name: Some("m007".into()), ..Default::default() });
    assert_eq!(by_name.metrics.unwrap().len(), 1);
    let other = list(model::ListMetricsInput { namespace: Some("Other".into()), ..Default::default() });
    assert_eq!(other.metrics, Some(vec![]));
}
