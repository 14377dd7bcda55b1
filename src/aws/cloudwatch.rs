//! CloudWatch: metric alarms, their history, their metrics.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_cloudwatch::types;
use aws_smithy_types::DateTime;
use serde::Serialize;

use super::AwsError;
use super::autoscaling::timestamp;
use super::names::{AlarmArn, AlarmName};
use super::watch::Watch;
use crate::clock::Timestamp;

/// What PutMetricAlarm sets, for an alarm on one metric.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct MetricAlarm {
    pub name: AlarmName,
    pub description: String,
    pub actions_enabled: bool,
    pub namespace: String,
    pub metric_name: String,
    pub dimensions: BTreeMap<String, String>,
    /// A statistic or, where DescribeAlarms shows one, an extended statistic such as `p99`.
    pub statistic: String,
    pub period: Duration,
    pub evaluation_periods: u32,
    pub datapoints_to_alarm: u32,
    pub threshold: f64,
    pub comparison: String,
    pub treat_missing_data: String,
    /// Unset: all units.
    pub unit: Option<String>,
    pub alarm_actions: Vec<String>,
    pub ok_actions: Vec<String>,
    pub insufficient_data_actions: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DescribedAlarm {
    pub arn: AlarmArn,
    pub config: MetricAlarm,
    pub state: AlarmState,
    pub state_reason: String,
    pub state_updated: Timestamp,
}

/// Printed exactly as AWS prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum AlarmState {
    #[serde(rename = "OK")]
    Ok,
    #[serde(rename = "ALARM")]
    Alarm,
    #[serde(rename = "INSUFFICIENT_DATA")]
    InsufficientData,
}

impl AlarmState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

impl fmt::Display for AlarmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which alarms DescribeAlarms is asked for.
#[derive(Debug, Clone, Copy)]
pub enum AlarmSelection<'a> {
    /// At most [`AlarmSelection::NAMES`] of them.
    Names(&'a [AlarmName]),
    Prefix(&'a str),
}

impl AlarmSelection<'_> {
    /// AWS takes so many names in one call (API reference, DescribeAlarms).
    pub const NAMES: usize = 100;
}

#[derive(Debug, Clone, PartialEq)]
pub struct HistoryItem {
    pub at: Timestamp,
    pub kind: HistoryItemType,
    pub summary: String,
    /// A JSON text.
    pub data: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryItemType {
    ConfigurationUpdate,
    StateUpdate,
    Action,
    Other,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StatisticsQuery {
    pub namespace: String,
    pub metric_name: String,
    pub dimensions: BTreeMap<String, String>,
    pub statistic: String,
    pub period: Duration,
    pub start: Timestamp,
    pub end: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Datapoint {
    pub at: Timestamp,
    pub value: f64,
}

#[async_trait]
pub trait CloudWatch: Send + Sync {
    /// All metric alarms of the selection, over all pages.
    async fn describe_alarms(&self, selection: AlarmSelection<'_>) -> Result<Vec<DescribedAlarm>, AwsError>;
    /// The alarm's history since `start`, newest first.
    async fn describe_alarm_history(&self, alarm: &AlarmName, start: Timestamp) -> Result<Vec<HistoryItem>, AwsError>;
    /// Creates the alarm or overwrites its configuration. AWS ignores `tags` for an alarm that exists.
    async fn put_metric_alarm(&self, alarm: &MetricAlarm, tags: &BTreeMap<String, String>) -> Result<(), AwsError>;
    /// At most a hundred names.
    async fn delete_alarms(&self, names: &[AlarmName]) -> Result<(), AwsError>;
    /// `reason_data` is a JSON text in the form of StateReasonData; a step policy that the alarm sets off reads its data point.
    async fn set_alarm_state(
        &self,
        alarm: &AlarmName,
        state: AlarmState,
        reason: &str,
        reason_data: Option<&str>,
    ) -> Result<(), AwsError>;
    async fn list_tags_for_resource(&self, alarm: &AlarmArn) -> Result<BTreeMap<String, String>, AwsError>;
    async fn tag_resource(&self, alarm: &AlarmArn, tags: &BTreeMap<String, String>) -> Result<(), AwsError>;
    async fn get_metric_statistics(&self, query: &StatisticsQuery) -> Result<Vec<Datapoint>, AwsError>;
}

pub(super) struct SdkCloudWatch {
    client: aws_sdk_cloudwatch::Client,
    watch: Watch,
}

impl SdkCloudWatch {
    pub fn new(config: &aws_config::SdkConfig, watch: Watch) -> Self {
        let config = aws_sdk_cloudwatch::config::Builder::from(config).interceptor(watch.clone()).build();
        Self { client: aws_sdk_cloudwatch::Client::from_conf(config), watch }
    }
}

#[async_trait]
impl CloudWatch for SdkCloudWatch {
    async fn describe_alarms(&self, selection: AlarmSelection<'_>) -> Result<Vec<DescribedAlarm>, AwsError> {
        let call = self.client.describe_alarms().alarm_types(types::AlarmType::MetricAlarm).max_records(100);
        let call = match selection {
            // An empty list of names would mean all alarms of the account.
            AlarmSelection::Names([]) => return Ok(Vec::new()),
            AlarmSelection::Names(names) => call.set_alarm_names(Some(texts(names))),
            AlarmSelection::Prefix(prefix) => call.alarm_name_prefix(prefix),
        };
        let pages: Result<Vec<_>, _> = call.into_paginator().send().collect().await;
        let pages = pages.map_err(self.watch.failed("cloudwatch:DescribeAlarms"))?;
        let alarms = pages.into_iter().flat_map(|page| page.metric_alarms.unwrap_or_default());
        Ok(alarms.map(DescribedAlarm::from).collect())
    }

    async fn describe_alarm_history(&self, alarm: &AlarmName, start: Timestamp) -> Result<Vec<HistoryItem>, AwsError> {
        let call = self
            .client
            .describe_alarm_history()
            .alarm_name(alarm.as_str())
            .start_date(DateTime::from_millis(start.as_millis()))
            .max_records(100);
        let items: Result<Vec<_>, _> = call.into_paginator().items().send().collect().await;
        let items = items.map_err(self.watch.failed("cloudwatch:DescribeAlarmHistory"))?;
        let mut items: Vec<HistoryItem> = items.into_iter().map(HistoryItem::from).collect();
        items.sort_by_key(|item| std::cmp::Reverse(item.at));
        Ok(items)
    }

    async fn put_metric_alarm(&self, alarm: &MetricAlarm, tags: &BTreeMap<String, String>) -> Result<(), AwsError> {
        let dimension = |(name, value): (&String, &String)| types::Dimension::builder().name(name).value(value).build();
        let call = self
            .client
            .put_metric_alarm()
            .alarm_name(alarm.name.as_str())
            .alarm_description(&alarm.description)
            .actions_enabled(alarm.actions_enabled)
            .namespace(&alarm.namespace)
            .metric_name(&alarm.metric_name)
            .set_dimensions(Some(alarm.dimensions.iter().map(dimension).collect()))
            .statistic(alarm.statistic.as_str().into())
            .period(alarm.period.as_secs().try_into().unwrap_or(i32::MAX))
            .set_unit(alarm.unit.as_deref().map(Into::into))
            .evaluation_periods(alarm.evaluation_periods.try_into().unwrap_or(i32::MAX))
            .datapoints_to_alarm(alarm.datapoints_to_alarm.try_into().unwrap_or(i32::MAX))
            .threshold(alarm.threshold)
            .comparison_operator(alarm.comparison.as_str().into())
            .treat_missing_data(&alarm.treat_missing_data)
            .set_alarm_actions(Some(alarm.alarm_actions.clone()))
            .set_ok_actions(Some(alarm.ok_actions.clone()))
            .set_insufficient_data_actions(Some(alarm.insufficient_data_actions.clone()))
            .set_tags(Some(sdk_tags(tags)));
        call.send().await.map_err(self.watch.failed("cloudwatch:PutMetricAlarm"))?;
        Ok(())
    }

    async fn delete_alarms(&self, names: &[AlarmName]) -> Result<(), AwsError> {
        let call = self.client.delete_alarms().set_alarm_names(Some(texts(names)));
        call.send().await.map_err(self.watch.failed("cloudwatch:DeleteAlarms"))?;
        Ok(())
    }

    async fn set_alarm_state(
        &self,
        alarm: &AlarmName,
        state: AlarmState,
        reason: &str,
        reason_data: Option<&str>,
    ) -> Result<(), AwsError> {
        let call = self
            .client
            .set_alarm_state()
            .alarm_name(alarm.as_str())
            .state_value(state.as_str().into())
            .state_reason(reason)
            .set_state_reason_data(reason_data.map(str::to_string));
        call.send().await.map_err(self.watch.failed("cloudwatch:SetAlarmState"))?;
        Ok(())
    }

    async fn list_tags_for_resource(&self, alarm: &AlarmArn) -> Result<BTreeMap<String, String>, AwsError> {
        let call = self.client.list_tags_for_resource().resource_arn(alarm.as_str());
        let answer = call.send().await.map_err(self.watch.failed("cloudwatch:ListTagsForResource"))?;
        let tags = answer.tags.unwrap_or_default().into_iter();
        Ok(tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect())
    }

    async fn tag_resource(&self, alarm: &AlarmArn, tags: &BTreeMap<String, String>) -> Result<(), AwsError> {
        let call = self.client.tag_resource().resource_arn(alarm.as_str()).set_tags(Some(sdk_tags(tags)));
        call.send().await.map_err(self.watch.failed("cloudwatch:TagResource"))?;
        Ok(())
    }

    async fn get_metric_statistics(&self, query: &StatisticsQuery) -> Result<Vec<Datapoint>, AwsError> {
        let dimension = |(name, value): (&String, &String)| types::Dimension::builder().name(name).value(value).build();
        let call = self
            .client
            .get_metric_statistics()
            .namespace(&query.namespace)
            .metric_name(&query.metric_name)
            .set_dimensions(Some(query.dimensions.iter().map(dimension).collect()))
            .statistics(query.statistic.as_str().into())
            .period(query.period.as_secs().try_into().unwrap_or(i32::MAX))
            .start_time(DateTime::from_millis(query.start.as_millis()))
            .end_time(DateTime::from_millis(query.end.as_millis()));
        let answer = call.send().await.map_err(self.watch.failed("cloudwatch:GetMetricStatistics"))?;
        let mut points: Vec<Datapoint> =
            answer.datapoints.unwrap_or_default().iter().filter_map(read_datapoint).collect();
        points.sort_by_key(|point| point.at);
        Ok(points)
    }
}

fn texts(names: &[AlarmName]) -> Vec<String> {
    names.iter().map(|name| name.0.clone()).collect()
}

fn sdk_tags(tags: &BTreeMap<String, String>) -> Vec<types::Tag> {
    tags.iter().map(|(key, value)| types::Tag::builder().key(key).value(value).build()).collect()
}

/// A datapoint carries only the statistic that was asked for.
fn read_datapoint(point: &types::Datapoint) -> Option<Datapoint> {
    let value = point.average.or(point.sum).or(point.maximum).or(point.minimum).or(point.sample_count)?;
    Some(Datapoint { at: timestamp(point.timestamp?), value })
}

fn count(number: Option<i32>) -> u32 {
    number.and_then(|n| u32::try_from(n).ok()).unwrap_or_default()
}

impl From<types::MetricAlarm> for DescribedAlarm {
    fn from(alarm: types::MetricAlarm) -> Self {
        let state = match alarm.state_value {
            Some(types::StateValue::Alarm) => AlarmState::Alarm,
            Some(types::StateValue::Ok) => AlarmState::Ok,
            _ => AlarmState::InsufficientData,
        };
        Self {
            arn: AlarmArn(alarm.alarm_arn.clone().unwrap_or_default()),
            state,
            state_reason: alarm.state_reason.clone().unwrap_or_default(),
            state_updated: alarm.state_updated_timestamp.map(timestamp).unwrap_or_default(),
            config: alarm.into(),
        }
    }
}

impl From<types::MetricAlarm> for MetricAlarm {
    fn from(alarm: types::MetricAlarm) -> Self {
        let dimensions = alarm.dimensions.unwrap_or_default().into_iter();
        let statistic = alarm.statistic.map(|statistic| statistic.as_str().to_string());
        Self {
            name: AlarmName(alarm.alarm_name.unwrap_or_default()),
            description: alarm.alarm_description.unwrap_or_default(),
            actions_enabled: alarm.actions_enabled.unwrap_or(true),
            namespace: alarm.namespace.unwrap_or_default(),
            metric_name: alarm.metric_name.unwrap_or_default(),
            dimensions: dimensions.filter_map(|d| Some((d.name?, d.value?))).collect(),
            statistic: statistic.or(alarm.extended_statistic).unwrap_or_default(),
            period: Duration::from_secs(count(alarm.period).into()),
            evaluation_periods: count(alarm.evaluation_periods),
            // AWS leaves it out where it equals the evaluation periods because nobody set it.
            datapoints_to_alarm: count(alarm.datapoints_to_alarm.or(alarm.evaluation_periods)),
            threshold: alarm.threshold.unwrap_or_default(),
            comparison: alarm.comparison_operator.map_or_else(String::new, |operator| operator.as_str().into()),
            treat_missing_data: alarm.treat_missing_data.unwrap_or_else(|| "missing".into()),
            unit: alarm.unit.map(|unit| unit.as_str().into()),
            alarm_actions: alarm.alarm_actions.unwrap_or_default(),
            ok_actions: alarm.ok_actions.unwrap_or_default(),
            insufficient_data_actions: alarm.insufficient_data_actions.unwrap_or_default(),
        }
    }
}

impl From<types::AlarmHistoryItem> for HistoryItem {
    fn from(item: types::AlarmHistoryItem) -> Self {
        let kind = match item.history_item_type {
            Some(types::HistoryItemType::ConfigurationUpdate) => HistoryItemType::ConfigurationUpdate,
            Some(types::HistoryItemType::StateUpdate) => HistoryItemType::StateUpdate,
            Some(types::HistoryItemType::Action) => HistoryItemType::Action,
            _ => HistoryItemType::Other,
        };
        Self {
            at: item.timestamp.map(timestamp).unwrap_or_default(),
            kind,
            summary: item.history_summary.unwrap_or_default(),
            data: item.history_data.unwrap_or_default(),
        }
    }
}
