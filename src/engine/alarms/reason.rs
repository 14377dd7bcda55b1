//! What an alarm says about its change of state: the reason and its machine-readable twin. Start at [`explain`].

use serde::Serialize;

use super::config::{AlarmState, MetricAlarm, TreatMissingData};
use super::evaluate::{Because, Decision, considered};
use crate::clock::Timestamp;
use crate::engine::metrics::{Point, Statistic};

/// The reason that a new alarm stands with until its first evaluation.
pub const INITIAL_REASON: &str = "Unchecked: Initial alarm creation";

/// `StateReason` and `StateReasonData`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub reason: String,
    pub reason_data: String,
}

/// Explains why `decision` took the alarm to `state`. `points` is the evaluation range, oldest first.
///
/// Source: texts and data recorded from AWS.
pub fn explain(
    alarm: &MetricAlarm,
    points: &[Point],
    decision: &Decision,
    state: AlarmState,
    query_date: Timestamp,
) -> Explanation {
    let evidence = Evidence::gather(alarm, points, decision, state);
    Explanation { reason: evidence.reason(), reason_data: evidence.reason_data(points, query_date) }
}

/// The data points that a decision is justified with.
struct Evidence<'a> {
    alarm: &'a MetricAlarm,
    state: AlarmState,
    decision: &'a Decision,
    /// Those that are there and speak for the new state, newest first.
    speaking: Vec<&'a Point>,
    /// How many it takes: M to ALARM, N-M+1 to OK.
    minimum: u32,
}

impl<'a> Evidence<'a> {
    fn gather(alarm: &'a MetricAlarm, points: &'a [Point], decision: &'a Decision, state: AlarmState) -> Self {
        let (n, m) = (alarm.evaluation_periods, alarm.effective_datapoints_to_alarm());
        let minimum = if state == AlarmState::Ok { n - m + 1 } else { m };
        let speaks = |point: &&Point| {
            let breaches = point.value.is_some_and(|value| alarm.comparison.breaches(value, alarm.threshold));
            breaches == (state == AlarmState::Alarm)
        };
        let speaking = considered(points, n).filter(speaks).take(minimum as usize).collect();
        Self { alarm, state, decision, speaking, minimum }
    }

    fn reason(&self) -> String {
        match (self.state, self.decision.because) {
            (AlarmState::InsufficientData, _) => {
                format!("Insufficient Data: {} unknown.", counted(self.minimum, "datapoint"))
            }
            (_, Because::NoData) => self.no_data(),
            _ => self.threshold_crossed(),
        }
    }

    fn no_data(&self) -> String {
        let n = self.alarm.evaluation_periods;
        let periods = if n == 1 { "period" } else { "periods" };
        let missing = counted(n, "missing datapoint");
        format!(
            "Threshold Crossed: no datapoints were received for {n} {periods} and {missing} treated as [{}].",
            self.treated_as().unwrap_or("Missing")
        )
    }

    fn threshold_crossed(&self) -> String {
        let mut text = String::from("Threshold Crossed: ");
        if !self.speaking.is_empty() {
            text += &self.data_points();
        }
        if let (Some(treated_as), 1..) = (self.treated_as(), self.decision.filled) {
            // Without a data point that speaks for the new state AWS's wording is not known; the missing ones then
            // open the sentence.
            let and = if self.speaking.is_empty() { "" } else { " and " };
            text += &format!("{and}{} treated as [{treated_as}]", counted(self.decision.filled, "missing datapoint"));
        }
        text += &self.transition_rule();
        text.push('.');
        text
    }

    fn data_points(&self) -> String {
        let count = self.speaking.len() as u32;
        let counted = match self.alarm.datapoints_to_alarm {
            Some(_) => format!("{count} out of the last {} datapoints", self.alarm.evaluation_periods),
            None if count == 1 => "1 datapoint".to_string(),
            None => format!("{count} datapoints"),
        };
        let values: Vec<String> = self
            .speaking
            .iter()
            .map(|point| {
                format!("{} ({})", java_double(point.value.unwrap_or(0.0)), point.start.format("%d/%m/%y %H:%M:%S"))
            })
            .collect();
        let was = if count == 1 { "was" } else { "were" };
        let not = if self.state == AlarmState::Ok { "not " } else { "" };
        let words = self.alarm.comparison.words();
        format!("{counted} [{}] {was} {not}{words} ({})", values.join(", "), java_double(self.alarm.threshold))
    }

    /// ` (minimum 2 datapoints for OK -> ALARM transition)`, only when the alarm names its M.
    fn transition_rule(&self) -> String {
        if self.alarm.datapoints_to_alarm.is_none() {
            return String::new();
        }
        let datapoints = if self.minimum == 1 { "datapoint" } else { "datapoints" };
        let transition = if self.state == AlarmState::Ok { "ALARM -> OK" } else { "OK -> ALARM" };
        format!(" (minimum {} {datapoints} for {transition} transition)", self.minimum)
    }

    fn treated_as(&self) -> Option<&'static str> {
        match self.alarm.effective_treat_missing_data() {
            TreatMissingData::Breaching => Some("Breaching"),
            TreatMissingData::NotBreaching => Some("NonBreaching"),
            TreatMissingData::Missing | TreatMissingData::Ignore => None,
        }
    }

    fn reason_data(&self, points: &[Point], query_date: Timestamp) -> String {
        let oldest = considered(points, self.alarm.evaluation_periods).last().map(|point| point.start);
        let recent = points.iter().skip_while(|point| oldest.is_none_or(|oldest| point.start < oldest));
        let mut recent: Vec<Option<f64>> = recent.map(|point| point.value).collect();
        while recent.last() == Some(&None) {
            recent.pop();
        }
        let stat = self.alarm.watched.metric();
        let data = ReasonData {
            version: "1.0",
            query_date: query_date.cloudwatch_millis(),
            start_date: oldest.map(Timestamp::cloudwatch_millis),
            unit: stat.and_then(|stat| stat.unit.as_deref()),
            statistic: stat.map(|stat| stat.statistic),
            period: self.alarm.period_secs(),
            recent_datapoints: recent,
            threshold: self.alarm.threshold,
            evaluated_datapoints: self.evaluated(points),
        };
        serde_json::to_string(&data).unwrap_or_default()
    }

    /// The data points that speak for the new state, and the newest missing ones up to the minimum; newest first.
    fn evaluated(&self, points: &[Point]) -> Vec<EvaluatedDatapoint> {
        let room = (self.minimum as usize).saturating_sub(self.speaking.len());
        let missing = points.iter().rev().filter(|point| point.value.is_none());
        let missing = missing.take(room.min(self.decision.filled as usize));
        let mut listed: Vec<&Point> = self.speaking.iter().copied().chain(missing).collect();
        listed.sort_by_key(|point| std::cmp::Reverse(point.start));
        // What an expression comes to has no samples.
        let has_samples = self.alarm.watched.returned_metric().is_some();
        let entry = |point: &Point| EvaluatedDatapoint {
            timestamp: point.start.cloudwatch_millis(),
            sample_count: point.value.filter(|_| has_samples).map(|_| point.sample_count),
            value: point.value,
        };
        listed.into_iter().map(entry).collect()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReasonData<'a> {
    version: &'static str,
    query_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistic: Option<Statistic>,
    period: u32,
    recent_datapoints: Vec<Option<f64>>,
    threshold: f64,
    evaluated_datapoints: Vec<EvaluatedDatapoint>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EvaluatedDatapoint {
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_count: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
}

/// `1 datapoint was`, `3 datapoints were`.
fn counted(count: u32, noun: &str) -> String {
    if count == 1 { format!("1 {noun} was") } else { format!("{count} {noun}s were") }
}

/// A number as Java prints a double: `50.0`, `1.0E7`, `1.0E-4`.
pub fn java_double(value: f64) -> String {
    let text =
        if value == 0.0 || (1e-3..1e7).contains(&value.abs()) { format!("{value:?}") } else { format!("{value:E}") };
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

/// The newest data point that a `StateReasonData` tells of, which a step policy reads when the state was set by hand.
pub fn newest_value(reason_data: &str) -> Option<f64> {
    let data: serde_json::Value = serde_json::from_str(reason_data).ok()?;
    data.get("recentDatapoints")?.as_array()?.iter().rev().find_map(serde_json::Value::as_f64)
}
