//! Expressions against the guide's own examples, and any text at all.

use proptest::prelude::*;

use super::evaluate::{Scene, evaluate};
use super::*;
use crate::clock::Timestamp;
use crate::engine::metrics::{Grid, MetricKey, Metrics, Sample, Slots};

/// `m1` and so on, each a row of numbers and `-`.
fn compute(text: &str, metrics: &[(&str, &str)]) -> Result<String, String> {
    let parse = |row: &str| -> Vec<Option<f64>> { row.split_whitespace().map(|word| word.parse().ok()).collect() };
    let series: Vec<(String, Series)> = metrics
        .iter()
        .map(|(id, row)| (id.to_string(), Series { label: id.to_string(), values: parse(row) }))
        .collect();
    let find = |id: &str| series.iter().find(|(name, _)| name == id).map(|(_, series)| Value::Series(series.clone()));
    let scene = Scene {
        period_secs: 60,
        slots: series.first().map_or(3, |(_, series)| series.values.len()),
        named: &find,
        metrics: &|| series.clone(),
        is_metric: &|id| find(id).is_some(),
    };
    let value = Expression::parse(text).and_then(|expression| evaluate(&expression, &scene)).map_err(|e| e.0)?;
    let row = |series: &Series| {
        let word = |value: &Option<f64>| value.map_or("-".to_string(), |value| value.to_string());
        series.values.iter().map(word).collect::<Vec<_>>().join(" ")
    };
    Ok(match &value {
        Value::Scalar(number) => format!("scalar {number}"),
        Value::Series(series) => row(series),
        Value::Array(all) => all.iter().map(row).collect::<Vec<_>>().join(" | "),
        other => other.kind().to_string(),
    })
}

fn check(metrics: &[(&str, &str)], rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        assert_eq!(compute(text, metrics).as_deref(), Ok(*expected), "{text} of {metrics:?}");
    }
}

fn refused(text: &str, message: &str) {
    assert_eq!(compute(text, &[("m1", "1 2 3"), ("m2", "4 5 6")]), Err(message.to_string()), "{text}");
}

/// Source: CloudWatch User Guide, "Using metric math", "Comparison and logical operators".
#[test]
fn operators_compare_slot_by_slot() {
    check(
        &[("metric1", "30 20 0 0"), ("metric2", "20 - 20 -")],
        &[
            ("(metric1 < metric2)", "0 0 1 0"),
            ("(metric1 >= 30)", "1 0 0 0"),
            ("(metric1 > 15 AND metric2 > 15)", "1 0 0 0"),
            ("(metric1 > 15 && metric2 > 15)", "1 0 0 0"),
            ("metric1 == 0 || metric2 == 20", "1 0 1 1"),
        ],
    );
}

/// Source: the same page, "Using IF expressions", its three tables.
#[test]
fn if_chooses_slot_by_slot() {
    check(
        &[("metric1", "1 1 0 0 -"), ("metric2", "30 - 0 0 30"), ("metric3", "0 0 20 - 20")],
        &[
            ("IF(metric1, metric2, metric3)", "30 0 20 - -"),
            ("IF(metric1, 5, metric3)", "5 5 20 - -"),
            ("IF(metric1, metric2, 5)", "30 0 5 5 -"),
            ("IF(1, metric2, metric3)", "30 - 0 0 30"),
            ("IF(0, metric2)", "- - - - -"),
            ("IF(metric2 < 10, 10, 2)", "2 - 10 10 2"),
        ],
    );
}

/// Source: the same page: missing values are 0 between series, and what is divided by zero is dropped.
#[test]
fn arithmetic_fills_gaps_between_series_and_drops_divisions_by_zero() {
    check(
        &[("m1", "6 - 3 -"), ("m2", "2 4 0 -")],
        &[
            ("m1 + m2", "8 4 3 -"),
            ("m1 + 1", "7 - 4 -"),
            ("100 * m1 / m2", "300 0 - -"),
            ("-m1", "-6 - -3 -"),
            ("2 + 3 * m2 ^ 2", "14 50 2 -"),
            ("-m2 ^ 2", "-4 -16 -0 -"),
            ("2 ^ 3 ^ 2 + m2", "514 516 512 -"),
            ("[m1, m2] / 2", "3 - 1.5 - | 1 2 0 -"),
            ("METRICS() * m2", "12 0 0 - | 4 16 0 -"),
        ],
    );
}

#[test]
fn functions_reduce_a_series_to_a_number_and_an_array_to_a_series() {
    check(
        &[("errors1", "1 2 - 5"), ("errors2", "3 - - 7"), ("requests", "10 20 30 40")],
        &[
            ("SUM(errors1)", "scalar 8"),
            ("requests - MIN(requests)", "0 10 20 30"),
            ("MAX(requests) / requests", "4 2 1.3333333333333333 1"),
            ("SUM(METRICS(\"errors\"))", "4 2 - 12"),
            // The guide: in AVG missing values are 0.
            ("AVG([errors1, errors2])", "2 1 - 6"),
            ("MIN([errors1, errors2])", "1 2 - 5"),
            ("MAX(METRICS())", "10 20 30 40"),
            ("SUM(100/[requests, requests])", "20 10 6.666666666666667 5"),
            ("requests/PERIOD(requests)", "0.16666666666666666 0.3333333333333333 0.5 0.6666666666666666"),
            ("TIME_SERIES(MAX(requests))", "40 40 40 40"),
        ],
    );
}

#[test]
fn functions_of_change_look_at_the_data_point_before() {
    check(
        &[("m1", "- 10 - 40 35.5")],
        &[
            ("DIFF(m1)", "- - - 30 -4.5"),
            ("DIFF_TIME(m1)", "- - - 120 60"),
            ("RATE(m1)", "- - - 0.25 -0.075"),
            ("RUNNING_SUM(m1)", "- 10 - 50 85.5"),
            ("FILL(m1, 0)", "0 10 0 40 35.5"),
            ("FILL(m1, REPEAT)", "- 10 10 40 35.5"),
            ("FILL(m1, LINEAR)", "- 10 25 40 35.5"),
            ("FILL(m1, MIN(m1))", "10 10 10 40 35.5"),
            ("FILL(METRICS(), m1 * 2)", "- 10 - 40 35.5"),
            ("CEIL(m1)", "- 10 - 40 36"),
            ("FLOOR(m1)", "- 10 - 40 35"),
            ("ABS(m1 - 36)", "- 26 - 4 0.5"),
        ],
    );
}

#[test]
fn what_cannot_be_computed_is_refused_by_its_name() {
    for name in ["SEARCH", "ANOMALY_DETECTION_BAND", "LOG", "STDDEV", "SORT", "avg"] {
        refused(&format!("{name}(m1)"), &format!("The function {name} is not reproduced by this endpoint"));
    }
    refused("m1 + m9", "`m9` is not defined");
    refused("[m1, m2] > 1", "Unsupported operand type(s) for >: 'Array[TimeSeries]' and 'Scalar'");
    refused("[m1] * [m2]", "Unsupported operand type(s) for *: 'Array[TimeSeries]' and 'Array[TimeSeries]'");
    refused("AVG(3)", "Unsupported argument type(s) for AVG: 'Scalar'");
    refused("FILL(m1)", "Unsupported argument type(s) for FILL: 'TimeSeries'");
    refused("PERIOD(m1 + m2)", "PERIOD takes the id of a metric");
    refused("m1 +", "the expression ends too early");
    refused("m1 m2", "`m2` is not expected");
    refused("m1 $ 2", "`$` is not expected");
    refused("1.2.3", "`1.2.3` is no number");
    refused("\"m1", "a text has no closing quote");
}

#[test]
fn a_long_sum_is_fine_and_deep_nesting_is_refused() {
    let sum = vec!["m1"; 600].join("+");
    assert_eq!(compute(&sum, &[("m1", "1 2")]).as_deref(), Ok("600 1200"));
    let deep = format!("{}m1{}", "(".repeat(500), ")".repeat(500));
    refused(&deep, "an expression nests at most 50 levels");
    refused(&"-".repeat(2000), "the expression ends too early");
    refused(&"1".repeat(2049), "an expression has at most 2048 characters");
}

fn stat(id: &str, period_secs: i64, return_data: bool) -> QueryRequest {
    let stat = StatRequest {
        namespace: "Shop".into(),
        name: id.into(),
        statistic: "Sum".into(),
        period_secs,
        ..Default::default()
    };
    QueryRequest { id: id.into(), stat: Some(stat), return_data: Some(return_data), ..Default::default() }
}

fn expression(id: &str, text: &str, return_data: bool) -> QueryRequest {
    QueryRequest { id: id.into(), expression: Some(text.into()), return_data: Some(return_data), ..Default::default() }
}

#[test]
fn queries_name_each_other_in_any_order_but_not_in_a_circle() {
    let list = vec![
        expression("rate", "100 * errors / total", true),
        expression("total", "errors + good", false),
        stat("errors", 60, false),
        stat("good", 300, false),
    ];
    let queries = Queries::check(list, "Metrics").unwrap();
    assert_eq!((queries.watched(), queries.period_secs(0), queries.period_secs(2)), (Ok(0), 300, 60));
    let mut metrics = Metrics::default();
    for (name, value) in [("errors", 1.0), ("good", 3.0)] {
        let key = MetricKey { namespace: "Shop".into(), name: name.into(), ..Default::default() };
        metrics.record(key, Timestamp::from_secs(90), Sample::one(value, "Count"));
    }
    let slots = Slots { first: Timestamp::from_secs(0), period_secs: 300, count: 2 };
    let values: Vec<_> = queries.points(0, &metrics, Grid::Even(slots)).iter().map(|point| point.value).collect();
    assert_eq!(values, [Some(25.0), None]);
    let text = serde_json::to_string(&queries).unwrap();
    assert_eq!(serde_json::from_str::<Queries>(&text).unwrap(), queries);

    let message = |list: Vec<QueryRequest>| Queries::check(list, "Metrics").unwrap_err().message;
    let circle = vec![expression("a", "b + 1", true), expression("b", "a + 1", false)];
    assert_eq!(message(circle), "Error in expression 'a': The expression names itself");
    assert_eq!(message(vec![expression("a", "x", true)]), "Error in expression 'a': `x` is not defined");
    assert_eq!(
        message(vec![stat("a", 60, true), stat("a", 60, true)]),
        "The values for parameter id in Metrics are not unique."
    );
    let watched = |list: Vec<QueryRequest>| Queries::check(list, "Metrics").unwrap().watched().unwrap_err().message;
    let two = vec![stat("a", 60, true), stat("b", 60, true)];
    assert_eq!(watched(two), "Exactly one element of the metrics list should return data.");
    let number = vec![stat("a", 60, false), expression("e", "SUM(a)", true)];
    assert_eq!(watched(number), "Error in expression 'e': The result must be a time series, not 'Scalar'");
}

proptest! {
    /// Any text gives a value or an error, and so does any text of the right words.
    #[test]
    fn no_text_is_a_panic(text in ".{0,80}", words in proptest::collection::vec(proptest::sample::select(WORDS), 0..40)) {
        let metrics = [("m1", "1 - 3"), ("m2", "- 5 0")];
        let _ = compute(&text, &metrics);
        let _ = compute(&words.concat(), &metrics);
    }

    /// The text is the value: what was read is written the same and read again.
    #[test]
    fn an_expression_survives_its_text(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..12)) {
        if let Ok(expression) = Expression::parse(&words.concat()) {
            let text = String::from(expression.clone());
            prop_assert_eq!(Expression::parse(&text), Ok(expression));
        }
    }
}

const WORDS: &[&str] = &[
    "m1",
    "m2",
    "1",
    "0",
    ".5",
    "2e3",
    "+",
    "-",
    "*",
    "/",
    "^",
    "(",
    ")",
    "[",
    "]",
    ",",
    "<",
    "==",
    " AND ",
    "||",
    "SUM(",
    "AVG(",
    "METRICS()",
    "IF(",
    "FILL(",
    "REPEAT",
    "RATE(",
    "PERIOD(",
    "TIME_SERIES(",
    "\"a\"",
    "é",
];
