//! Metric queries between the wire and the engine, for GetMetricData and PutMetricAlarm.

use super::{dimensions, pairs};
use crate::engine::Refusal;
use crate::engine::metrics::math::{Query, QueryRequest, Source, StatRequest};
use crate::sandbox::models::cloudwatch as model;

/// Queries as the engine checks them. Metrics of other accounts are refused, since none is linked.
pub fn requests(queries: Vec<model::MetricDataQuery>, account: &str) -> Result<Vec<QueryRequest>, Refusal> {
    if let Some(other) = queries.iter().filter_map(|query| query.account_id.as_deref()).find(|id| *id != account) {
        return Err(Refusal::validation(format!("The account {other} is not linked to this one.")));
    }
    Ok(queries.into_iter().map(request).collect())
}

fn request(query: model::MetricDataQuery) -> QueryRequest {
    QueryRequest {
        id: query.id.unwrap_or_default(),
        expression: query.expression,
        stat: query.metric_stat.map(stat),
        label: query.label,
        return_data: query.return_data,
        period_secs: query.period,
        account_id: query.account_id,
    }
}

fn stat(stat: model::MetricStat) -> StatRequest {
    let metric = stat.metric.unwrap_or_default();
    StatRequest {
        namespace: metric.namespace.unwrap_or_default(),
        name: metric.metric_name.unwrap_or_default(),
        dimensions: pairs(metric.dimensions),
        statistic: stat.stat.unwrap_or_default(),
        period_secs: stat.period.unwrap_or_default(),
        unit: stat.unit,
    }
}

pub fn describe(query: &Query) -> model::MetricDataQuery {
    let (expression, period, metric_stat) = match &query.source {
        Source::Stat(stat) => {
            let metric = model::Metric {
                namespace: Some(stat.key.namespace.clone()),
                metric_name: Some(stat.key.name.clone()),
                dimensions: Some(dimensions(&stat.key.dimensions)),
            };
            let stat = model::MetricStat {
                metric: Some(metric),
                period: Some(stat.period_secs.into()),
                stat: Some(stat.statistic.to_string()),
                unit: stat.unit.clone(),
            };
            (None, None, Some(stat))
        }
        Source::Expression { expression, period_secs } => {
            (Some(expression.as_str().to_string()), period_secs.map(i64::from), None)
        }
    };
    model::MetricDataQuery {
        id: Some(query.id.clone()),
        expression,
        metric_stat,
        label: query.label.clone(),
        return_data: query.return_data,
        period,
        account_id: query.account_id.clone(),
    }
}
