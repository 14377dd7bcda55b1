//! CloudWatch: metrics and alarms. Everything is decided in [`crate::engine`]; here it is translated.
//!
//! Dashboards and insight rules are documents: kept and checked, never drawn or run. Not reproduced: anomaly detection,
//! PromQL and log alarms, metric streams. Start at [`operations`].

mod alarms;
mod composites;
mod dashboards;
mod history;
mod insight_rules;
mod metrics;
mod mutes;
mod queries;
mod tags;
mod widgets;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use serde::{Deserialize, Serialize};

use crate::engine::Refusal;
use crate::engine::alarms::Tags;
use crate::sandbox::models::cloudwatch as model;
use crate::sandbox::operations::Operations;

/// The most that DescribeAlarms and DescribeAlarmHistory give at once, and what they give when not told.
const RECORDS_PER_PAGE: i64 = 100;

/// What CloudWatch keeps and never evaluates, by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Documents {
    dashboards: BTreeMap<String, dashboards::Dashboard>,
    insight_rules: BTreeMap<String, insight_rules::InsightRule>,
}

impl Documents {
    pub fn dashboard_count(&self) -> usize {
        self.dashboards.len()
    }

    pub fn insight_rule_count(&self) -> usize {
        self.insight_rules.len()
    }
}

pub fn operations() -> Operations {
    let mut operations = Operations::default();
    metrics::register(&mut operations);
    alarms::register(&mut operations);
    composites::register(&mut operations);
    mutes::register(&mut operations);
    history::register(&mut operations);
    tags::register(&mut operations);
    dashboards::register(&mut operations);
    insight_rules::register(&mut operations);
    operations
}

fn pairs(dimensions: Option<Vec<model::Dimension>>) -> Vec<(String, String)> {
    let pair = |d: model::Dimension| (d.name.unwrap_or_default(), d.value.unwrap_or_default());
    dimensions.unwrap_or_default().into_iter().map(pair).collect()
}

fn dimensions<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> Vec<model::Dimension> {
    let dimension =
        |(name, value): (&String, &String)| model::Dimension { name: Some(name.clone()), value: Some(value.clone()) };
    pairs.into_iter().map(dimension).collect()
}

fn pairs_of_tags(list: Option<Vec<model::Tag>>) -> Tags {
    let tag = |tag: model::Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
    list.unwrap_or_default().into_iter().map(tag).collect()
}

/// Where the next page begins, opaque to the caller.
fn token(position: &str) -> String {
    URL_SAFE_NO_PAD.encode(position)
}

fn position(token: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(token) = token else { return Ok(None) };
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Some).ok_or_else(|| Refusal::new("InvalidNextToken", 400, "The next token specified is invalid."))
}

/// A position that is a number of items passed over.
fn offset(token: Option<&str>) -> Result<usize, Refusal> {
    let Some(position) = position(token)? else { return Ok(0) };
    let invalid = |_| Refusal::new("InvalidNextToken", 400, "The next token specified is invalid.");
    position.parse().map_err(invalid)
}

/// One page of `items` and where the next begins.
fn page<T>(items: impl Iterator<Item = T>, from: usize, size: usize) -> (Vec<T>, Option<String>) {
    let mut page: Vec<T> = items.skip(from).take(size + 1).collect();
    let more = page.len() > size;
    page.truncate(size);
    (page, more.then(|| token(&(from + size).to_string())))
}

fn page_size(max_records: Option<i64>) -> usize {
    max_records.unwrap_or(RECORDS_PER_PAGE).clamp(1, RECORDS_PER_PAGE) as usize
}

#[cfg(test)]
mod tests;
