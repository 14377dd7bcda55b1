//! `metrics`: what is published and what is then read.

use std::time::Duration;

use scaleproof::clock::Timestamp;
use serde_json::{Value, json};

use super::alarm::{Subject, instant, prior_state, reason_data, request};
use crate::cases::api::Api;
use crate::cases::case::Case;
use crate::cases::failure::Failure;

const STATISTICS: [&str; 5] = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];

/// The unit of a list of values that the case only describes, as in the recording it stands for.
const DEFAULT_UNIT: &str = "Count";

pub fn check(case: &Case) -> Result<(), Failure> {
    match () {
        () if case.given.has("threshold") => check_alarm(case),
        () if case.given.has("points") => check_points(case),
        () if case.given.has("published") => check_identity(case),
        () if case.given.has("Values") || case.given.has("StatisticValues") => check_values(case),
        () => Err("given has neither threshold, points, published nor Values".into()),
    }
}

/// Publishes and reads one metric.
struct Stage {
    api: Api,
}

impl Stage {
    fn new(now: Timestamp) -> Self {
        let mut api = Api::new();
        api.now = now;
        Self { api }
    }

    fn publish(&mut self, datum: Value) -> Result<(), Failure> {
        let mut datum = datum;
        datum["MetricName"] = json!("Metric");
        self.api.call("cloudwatch", "PutMetricData", json!({"Namespace": "Cases", "MetricData": [datum]}))?;
        Ok(())
    }

    /// The data points of the hour before and after now.
    fn read(&mut self, period: i64, dimensions: &Value, unit: Option<&str>) -> Result<Vec<Value>, Failure> {
        let hour = Duration::from_secs(3600);
        let mut input = json!({"Namespace": "Cases", "MetricName": "Metric", "Statistics": STATISTICS, "Period": period,
            "Dimensions": dimensions, "StartTime": (self.api.now - hour).as_secs(), "EndTime": (self.api.now + hour).as_secs()});
        if let Some(unit) = unit {
            input["Unit"] = json!(unit);
        }
        let answer = self.api.call("cloudwatch", "GetMetricStatistics", input)?;
        Ok(answer["Datapoints"].as_array().cloned().unwrap_or_default())
    }
}

fn check_datapoint(case: &Case, datapoint: &Value) -> Result<(), Failure> {
    STATISTICS.iter().try_for_each(|statistic| case.expect_if(statistic, datapoint[*statistic].clone()))?;
    case.expect_if("Unit", datapoint["Unit"].clone())
}

fn check_points(case: &Case) -> Result<(), Failure> {
    let points = super::alarm::datapoints(case.given.list("points")?)?;
    let now = points.iter().map(|(at, ..)| *at).max().ok_or("given.points is empty")?;
    let mut stage = Stage::new(now);
    for (at, value, _) in points {
        stage.publish(json!({"Value": value, "Timestamp": at.as_secs(), "StorageResolution": 1}))?;
    }
    let datapoints = stage.read(case.given.opt_i64("period")?.unwrap_or(60), &json!([]), None)?;
    let [datapoint] = &datapoints[..] else {
        return Err(format!("there is more or less than one: {datapoints:?}").into());
    };
    check_datapoint(case, datapoint)?;
    let Some(expected) = case.expect.opt_str("timestamp")? else { return Ok(()) };
    let at = datapoint["Timestamp"].as_f64().map(|secs| Timestamp::from_secs(secs as i64));
    let at = at.or_else(|| datapoint["Timestamp"].as_str().and_then(Timestamp::parse));
    if at == Some(instant(expected)?) {
        Ok(())
    } else {
        Err(Failure::differs("timestamp", &json!(expected), datapoint))
    }
}

/// Each of several dimension sets is published, and one is asked for.
fn check_identity(case: &Case) -> Result<(), Failure> {
    let dimensions = |set: &Value| -> Value {
        let pairs = set.as_object().into_iter().flatten();
        json!(pairs.map(|(name, value)| json!({"Name": name, "Value": value})).collect::<Vec<_>>())
    };
    let mut stage = Stage::new(Api::START);
    for set in case.given.list("published")? {
        stage.publish(json!({"Value": 1.0, "Dimensions": dimensions(set)}))?;
    }
    let found = stage.read(60, &dimensions(case.given.value("query")?), None)?;
    let word = match (found.first(), case.expect.value("statistics")?) {
        (None, _) => json!("none"),
        // Any word but that for nothing.
        (Some(_), Value::String(word)) if word != "none" => json!(word),
        (Some(found), _) => found.clone(),
    };
    match case.expect.value("statistics")? {
        Value::Object(_) => {
            STATISTICS.iter().try_for_each(|statistic| case.expect_if(statistic, word[*statistic].clone()))
        }
        _ => case.expect_eq("statistics", word),
    }
}

fn check_values(case: &Case) -> Result<(), Failure> {
    let mut datum = json!({"Unit": case.given.opt_str("Unit")?.unwrap_or(DEFAULT_UNIT)});
    match case.given.get("StatisticValues") {
        Some(set) => datum["StatisticValues"] = set.clone(),
        None => {
            let (values, counts) = values(case)?;
            datum["Values"] = values;
            if let Some(counts) = counts {
                datum["Counts"] = counts;
            }
        }
    }
    let mut stage = Stage::new(Api::START);
    stage.publish(datum)?;
    let datapoints = stage.read(60, &json!([]), None)?;
    let [datapoint] = &datapoints[..] else {
        return Err(format!("there is more or less than one: {datapoints:?}").into());
    };
    check_datapoint(case, datapoint)
}

/// The values as they stand, or as many as the case says with its sum and maximum.
fn values(case: &Case) -> Result<(Value, Option<Value>), Failure> {
    let given = case.given.value("Values")?;
    if given.is_array() {
        return Ok((given.clone(), case.given.get("Counts").cloned()));
    }
    let words = given.as_str().unwrap_or_default();
    let count = words.split_whitespace().find_map(|word| word.parse::<u32>().ok());
    let count = count.filter(|count| *count > 1).ok_or_else(|| format!("given.Values is not known: {given}"))?;
    let (sum, max) = (case.given.f64("sum")?, case.given.f64("max")?);
    let rest = (sum - max) / f64::from(count - 1);
    let mut values = vec![rest; count as usize - 1];
    values.push(max);
    Ok((json!(values), None))
}

/// Samples with one average, which an alarm then evaluates.
fn check_alarm(case: &Case) -> Result<(), Failure> {
    let prior = prior_state(&case.given)?;
    let mut subject = Subject::new(request(&case.given)?, prior)?;
    let (samples, average) = (case.given.f64("samples")?, case.given.f64("average")?);
    let now = instant("12:00:25")?;
    // Two values about the average: as many samples as the case says, with its average.
    let half = samples / 2.0;
    subject.measure(instant("12:00:00")?, vec![(average - 0.5, half), (average + 0.5, samples - half)]);
    let change = subject.evaluate(now).ok_or("the state does not change")?;
    case.expect_if("state", change.value.as_str())?;
    if let Some(pattern) = case.expect.opt_str("state_reason_pattern")? {
        let at = instant("12:00:00")?.format("%d/%m/%y %H:%M:%S");
        let expected = pattern.replace("<dd/MM/yy HH:mm:ss>", &at);
        if change.reason != expected {
            return Err(Failure::differs("state_reason_pattern", &json!(expected), &json!(change.reason)));
        }
    }
    let mut evaluated = reason_data(&change)["evaluatedDatapoints"].as_array().cloned().unwrap_or_default();
    for point in &mut evaluated {
        point.as_object_mut().map(|members| members.remove("timestamp"));
    }
    case.expect_if("evaluated_datapoints", json!(evaluated))
}
