//! Metric data: put, list, query.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::time::Duration;

use super::{dimensions, offset, page, pairs, queries, token};
use crate::clock::Timestamp;
use crate::engine::Refusal;
use crate::engine::metrics::math::{Queries, Series};
use crate::engine::metrics::publish::{Datum, StatisticSet};
use crate::engine::metrics::query::{check_datapoints, slots_between};
use crate::engine::metrics::{Bucket, Grid, MetricKey, Statistic};
use crate::sandbox::models::cloudwatch as model;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Source: CloudWatch API Reference, ListMetrics and GetMetricData.
const METRICS_PER_PAGE: usize = 500;
const DATAPOINTS_PER_PAGE: i64 = 100_800;
const QUERIES_PER_CALL: usize = 500;
const RECENT: Duration = Duration::from_secs(3 * 3600);

pub fn register(operations: &mut Operations) {
    operations.on(
        "PutMetricData",
        "Stores data at the resolution of a minute or a second; entities are refused.",
        &["Namespace", "MetricData"],
        put_metric_data,
    );
    operations.on(
        "ListMetrics",
        "Lists metrics with data in the last two weeks, at once instead of after up to 15 minutes.",
        &["Namespace", "MetricName", "Dimensions", "NextToken", "RecentlyActive"],
        list_metrics,
    );
    operations.on(
        "GetMetricStatistics",
        "Gives statistics of one metric by period.",
        &[
            "Namespace",
            "MetricName",
            "Dimensions",
            "StartTime",
            "EndTime",
            "Period",
            "Statistics",
            "ExtendedStatistics",
            "Unit",
        ],
        get_metric_statistics,
    );
    operations.on(
        "GetMetricData",
        "Gives statistics of metrics and expressions by period; dynamic labels and functions outside of the list are refused.",
        &["MetricDataQueries", "StartTime", "EndTime", "NextToken", "ScanBy", "MaxDatapoints"],
        get_metric_data,
    );
}

fn put_metric_data(
    region: &mut Region,
    call: &Call,
    input: model::PutMetricDataInput,
) -> Result<model::PutMetricDataOutput, Refusal> {
    let data = input.metric_data.unwrap_or_default().into_iter().map(datum).collect();
    region.world.put_metric_data(call.now, &input.namespace.unwrap_or_default(), data)?;
    Ok(model::PutMetricDataOutput {})
}

fn datum(datum: model::MetricDatum) -> Datum {
    let set = |set: model::StatisticSet| StatisticSet {
        sample_count: set.sample_count.unwrap_or_default(),
        sum: set.sum.unwrap_or_default(),
        minimum: set.minimum.unwrap_or_default(),
        maximum: set.maximum.unwrap_or_default(),
    };
    Datum {
        name: datum.metric_name.unwrap_or_default(),
        dimensions: pairs(datum.dimensions),
        at: datum.timestamp,
        value: datum.value,
        statistic_values: datum.statistic_values.map(set),
        values: datum.values.unwrap_or_default(),
        counts: datum.counts.unwrap_or_default(),
        unit: datum.unit,
        storage_resolution: datum.storage_resolution,
    }
}

fn list_metrics(
    region: &mut Region,
    call: &Call,
    input: model::ListMetricsInput,
) -> Result<model::ListMetricsOutput, Refusal> {
    let filters = input.dimensions.unwrap_or_default();
    let wanted = |(key, newest): &(&MetricKey, Timestamp)| {
        let has = |filter: &model::DimensionFilter| {
            let value = key.dimensions.get(filter.name.as_deref().unwrap_or_default());
            value.is_some_and(|value| filter.value.as_ref().is_none_or(|wanted| wanted == value))
        };
        input.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
            && input.metric_name.as_ref().is_none_or(|name| *name == key.name)
            && (input.recently_active.is_none() || *newest + RECENT >= call.now)
            && filters.iter().all(has)
    };
    let found = region.world.metrics.listed(call.now).filter(wanted).map(|(key, _)| metric(key));
    let (metrics, next_token) = page(found, offset(input.next_token.as_deref())?, METRICS_PER_PAGE);
    Ok(model::ListMetricsOutput { metrics: Some(metrics), next_token, ..model::ListMetricsOutput::default() })
}

fn metric(key: &MetricKey) -> model::Metric {
    model::Metric {
        namespace: Some(key.namespace.clone()),
        metric_name: Some(key.name.clone()),
        dimensions: Some(dimensions(&key.dimensions)),
    }
}

fn get_metric_statistics(
    region: &mut Region,
    call: &Call,
    input: model::GetMetricStatisticsInput,
) -> Result<model::GetMetricStatisticsOutput, Refusal> {
    let name = input.metric_name.unwrap_or_default();
    let key = MetricKey {
        namespace: input.namespace.unwrap_or_default(),
        name: name.clone(),
        dimensions: pairs(input.dimensions).into_iter().collect(),
    };
    let plain = input.statistics.unwrap_or_default();
    let extended = input.extended_statistics.unwrap_or_default();
    if plain.is_empty() && extended.is_empty() {
        let text = "Must specify either Statistics or ExtendedStatistics";
        return Err(Refusal::new("InvalidParameterCombination", 400, text));
    }
    let statistics = parse_statistics(&plain, "Statistics")?;
    let extended = parse_statistics(&extended, "ExtendedStatistics")?;
    let (start, end) = (input.start_time.unwrap_or_default(), input.end_time.unwrap_or_default());
    let slots = slots_between(start, end, input.period.unwrap_or_default(), call.now)?;
    check_datapoints(start, end, slots)?;
    let metrics = &region.world.metrics;
    let mut datapoints = Vec::new();
    if let Some(id) = metrics.find(&key) {
        let units = metrics.units(id).filter(|unit| input.unit.as_ref().is_none_or(|wanted| wanted == unit));
        let units: Vec<&str> = units.collect();
        for start in slots.starts() {
            for unit in &units {
                let bucket = metrics.aggregate(id, Some(unit), start..start + slots.period());
                if !bucket.totals.is_empty() {
                    datapoints.push(datapoint(start, unit, &bucket, &statistics, &extended));
                }
            }
        }
    }
    Ok(model::GetMetricStatisticsOutput { label: Some(name), datapoints: Some(datapoints) })
}

fn parse_statistics(texts: &[String], parameter: &str) -> Result<Vec<Statistic>, Refusal> {
    let parse = |text: &String| {
        Statistic::parse(text).ok_or_else(|| {
            let text = format!("The value {text} for parameter {parameter} is not supported.");
            Refusal::new("InvalidParameterValue", 400, text)
        })
    };
    texts.iter().map(parse).collect()
}

fn datapoint(
    start: Timestamp,
    unit: &str,
    bucket: &Bucket,
    statistics: &[Statistic],
    extended: &[Statistic],
) -> model::Datapoint {
    let of = |statistic: Statistic| statistic.of(bucket).filter(|_| statistics.contains(&statistic));
    let extended: Vec<(String, f64)> =
        extended.iter().filter_map(|statistic| Some((statistic.to_string(), statistic.of(bucket)?))).collect();
    model::Datapoint {
        timestamp: Some(start),
        sample_count: of(Statistic::SampleCount),
        average: of(Statistic::Average),
        sum: of(Statistic::Sum),
        minimum: of(Statistic::Minimum),
        maximum: of(Statistic::Maximum),
        unit: Some(unit.to_string()),
        extended_statistics: (!extended.is_empty()).then(|| extended.into_iter().collect()),
    }
}

fn get_metric_data(
    region: &mut Region,
    call: &Call,
    input: model::GetMetricDataInput,
) -> Result<model::GetMetricDataOutput, Refusal> {
    let requests = input.metric_data_queries.unwrap_or_default();
    if requests.len() > QUERIES_PER_CALL {
        let text = format!("The collection MetricDataQueries must not have a size greater than {QUERIES_PER_CALL}.");
        return Err(Refusal::validation(text));
    }
    let dynamic = |query: &model::MetricDataQuery| query.label.as_ref().is_some_and(|label| label.contains("${"));
    if let Some(at) = requests.iter().position(dynamic) {
        let member = format!("MetricDataQueries.member.{}", at + 1);
        return Err(Refusal::validation(format!("A dynamic {member}.Label is not reproduced by this endpoint.")));
    }
    let requests = queries::requests(requests, &region.world.place.account)?;
    let mut queries = Queries::check(requests, "MetricDataQueries")?;
    let (start, end) = (input.start_time.unwrap_or_default(), input.end_time.unwrap_or_default());
    check_span(start, end)?;
    let slots = |period_secs: u32| {
        let slots = slots_between(start, end, period_secs.into(), call.now);
        slots.map_err(|refusal| Refusal::validation(refusal.message))
    };
    let ascending = input.scan_by.as_deref() == Some("TimestampAscending");
    let units = queries.settle_units(&region.world.metrics, &(slots(60)?.first..end));
    let mut results = Vec::new();
    for place in (0..queries.len()).filter(|place| queries.get(*place).returns_data()) {
        let slots = slots(queries.period_secs(place))?;
        let (grid, series) = queries.results(place, &region.world.metrics, &|_| Grid::Even(slots))?;
        let starts = grid.starts();
        let messages = units.get(&place).map(several_units);
        results.extend(series.into_iter().map(|series| model::MetricDataResult {
            messages: messages.clone(),
            ..result(&queries.get(place).id, series, &starts, ascending)
        }));
    }
    let from = offset(input.next_token.as_deref())?;
    let size = input.max_datapoints.unwrap_or(DATAPOINTS_PER_PAGE).clamp(1, DATAPOINTS_PER_PAGE) as usize;
    let next_token = cut(&mut results, from, size);
    Ok(model::GetMetricDataOutput { metric_data_results: Some(results), next_token, messages: Some(Vec::new()) })
}

fn several_units(units: &BTreeSet<String>) -> Vec<model::MessageData> {
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    let value = format!("Multiple units returned: '[{}]'", units.join(", "));
    vec![model::MessageData { code: Some("MultipleUnits".into()), value: Some(value) }]
}

/// GetMetricData's own words for a span that is none, in whole seconds.
fn check_span(start: Timestamp, end: Timestamp) -> Result<(), Refusal> {
    match start.as_secs().cmp(&end.as_secs()) {
        Ordering::Less => Ok(()),
        Ordering::Equal => Err(Refusal::validation("The parameter StartTime must not equal parameter EndTime.")),
        Ordering::Greater => Err(Refusal::validation("The parameter EndTime must be greater than StartTime.")),
    }
}

fn result(id: &str, series: Series, starts: &[Timestamp], ascending: bool) -> model::MetricDataResult {
    let present = starts.iter().zip(series.values).filter_map(|(start, value)| Some((*start, value?)));
    let mut points: Vec<(Timestamp, f64)> = present.collect();
    if !ascending {
        points.reverse();
    }
    let (timestamps, values) = points.into_iter().unzip();
    model::MetricDataResult {
        id: Some(id.to_string()),
        label: Some(series.label),
        timestamps: Some(timestamps),
        values: Some(values),
        status_code: Some("Complete".to_string()),
        messages: None,
    }
}

/// Keeps the data points of one page, counted through all results; those that go on later are `PartialData`.
fn cut(results: &mut [model::MetricDataResult], from: usize, size: usize) -> Option<String> {
    let (mut skip, mut room) = (from, size);
    let mut more = false;
    for result in results {
        let (Some(timestamps), Some(values)) = (&mut result.timestamps, &mut result.values) else { continue };
        let gone = skip.min(values.len());
        timestamps.drain(..gone);
        values.drain(..gone);
        skip -= gone;
        if values.len() > room {
            timestamps.truncate(room);
            values.truncate(room);
            result.status_code = Some("PartialData".to_string());
            more = true;
        }
        room -= values.len();
    }
    more.then(|| token(&(from + size).to_string()))
}
