//! What PutMetricAlarm accepts. Start at [`AlarmRequest`].

use std::collections::BTreeMap;

use super::config::{AlarmTiming, Comparison, LowSamples, MetricAlarm, MetricStat, TreatMissingData, WarmUp, Watched};
use super::window::EvaluationWindow;
use super::zone::Zone;
use crate::engine::Refusal;
use crate::engine::metrics::math::{Queries, QueryRequest};
use crate::engine::metrics::statistic::Extended;
use crate::engine::metrics::{MetricKey, Statistic};

const DAY_SECS: u64 = 86_400;
const WEEK_SECS: u64 = 7 * DAY_SECS;
const NAME_CHARS: usize = 255;
const DESCRIPTION_CHARS: usize = 1024;
const ACTIONS_PER_STATE: usize = 5;
const DIMENSIONS: usize = 30;

/// Queries of one alarm. Source: CloudWatch API Reference, PutMetricAlarm.
const QUERIES: usize = 10;

/// The longest warm-up. Source: CloudWatch API Reference, WarmUpConfiguration.
const WARM_UP_MINUTES: i64 = 2880;

/// PutMetricAlarm as it came in; nothing is checked yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlarmRequest {
    pub name: String,
    pub description: Option<String>,
    pub actions_enabled: Option<bool>,
    pub ok_actions: Vec<String>,
    pub alarm_actions: Vec<String>,
    pub insufficient_data_actions: Vec<String>,
    pub metric_name: Option<String>,
    pub namespace: Option<String>,
    pub statistic: Option<String>,
    pub extended_statistic: Option<String>,
    pub dimensions: Vec<(String, String)>,
    pub period_secs: Option<i64>,
    pub unit: Option<String>,
    pub evaluation_periods: Option<i64>,
    pub datapoints_to_alarm: Option<i64>,
    pub threshold: Option<f64>,
    pub comparison: Option<String>,
    pub treat_missing_data: Option<String>,
    pub evaluate_low_sample_count_percentile: Option<String>,
    pub metrics: Vec<QueryRequest>,
    pub threshold_metric_id: Option<String>,
    /// The time zone of a wall-clock window, `UTC` when the caller named none; `None` for a sliding window.
    pub wall_clock: Option<String>,
    pub warm_up_minutes: Option<i64>,
    pub whole_warm_up: bool,
}

impl AlarmRequest {
    /// The alarm that was asked for.
    ///
    /// # Errors
    /// The error AWS answers with. Texts recorded from AWS, except where the API's model already forbids the value.
    pub fn into_alarm(mut self) -> Result<MetricAlarm, Refusal> {
        check_name(&self.name)?;
        check_description(self.description.as_deref())?;
        for actions in [&self.ok_actions, &self.alarm_actions, &self.insufficient_data_actions] {
            check_actions(actions)?;
        }
        self.refuse_anomalies()?;
        let (evaluation_periods, datapoints_to_alarm) = self.counts()?;
        let watched = if self.metrics.is_empty() {
            self.metric(evaluation_periods)?.into()
        } else {
            self.math(evaluation_periods)?
        };
        let mut alarm = MetricAlarm {
            comparison: self.comparison()?,
            threshold: self.threshold()?,
            treat_missing_data: self.treatment()?,
            evaluate_low_sample_count_percentile: self
                .low_samples(watched.returned_metric().map(|stat| stat.statistic))?,
            name: self.name.into(),
            description: self.description,
            actions_enabled: self.actions_enabled.unwrap_or(true),
            ok_actions: self.ok_actions,
            alarm_actions: self.alarm_actions,
            insufficient_data_actions: self.insufficient_data_actions,
            watched,
            evaluation_periods,
            datapoints_to_alarm,
            timing: AlarmTiming { window: EvaluationWindow::Sliding, warm_up: None },
        };
        alarm.timing.window = window(self.wall_clock.as_deref(), alarm.period_secs())?;
        alarm.timing.warm_up = warm_up(self.warm_up_minutes, self.whole_warm_up)?;
        Ok(alarm)
    }

    /// Anomaly detection is not reproduced; what it cannot do is said first.
    fn refuse_anomalies(&self) -> Result<(), Refusal> {
        let band =
            |query: &QueryRequest| query.expression.as_ref().is_some_and(|e| e.contains("ANOMALY_DETECTION_BAND"));
        let operator = self.comparison.as_deref().is_some_and(|operator| ANOMALY_OPERATORS.contains(&operator));
        if self.threshold_metric_id.is_none() && !operator && !self.metrics.iter().any(band) {
            return Ok(());
        }
        let mut actions = self.ok_actions.iter().chain(&self.alarm_actions).chain(&self.insufficient_data_actions);
        if actions.any(|arn| arn.split(':').nth(2) == Some("autoscaling")) {
            return Err(Refusal::validation(
                "Alarms based on anomaly detection models cannot have Auto Scaling actions",
            ));
        }
        Err(Refusal::validation("Anomaly detection is not reproduced by this endpoint"))
    }

    /// Text of the first refusal recorded from AWS.
    fn math(&mut self, evaluation_periods: u32) -> Result<Watched, Refusal> {
        let alone = [
            ("MetricName", self.metric_name.is_some()),
            ("Namespace", self.namespace.is_some()),
            ("Dimensions", !self.dimensions.is_empty()),
            ("Period", self.period_secs.is_some()),
            ("Unit", self.unit.is_some()),
            ("Statistic", self.statistic.is_some()),
            ("ExtendedStatistic", self.extended_statistic.is_some()),
        ];
        if let Some((name, _)) = alone.into_iter().find(|(_, is_set)| *is_set) {
            return Err(Refusal::validation(format!("{name} should not be set if list of Metrics is set.")));
        }
        if self.metrics.len() > QUERIES {
            return Err(Refusal::validation(format!(
                "The list of Metrics must not have more than {QUERIES} elements."
            )));
        }
        let queries = Queries::check(std::mem::take(&mut self.metrics), "Metrics")?;
        let place = queries.watched()?;
        check_period(queries.period_secs(place).into(), evaluation_periods)?;
        Ok(Watched::Math { queries, place })
    }

    fn counts(&self) -> Result<(u32, Option<u32>), Refusal> {
        let periods = self
            .evaluation_periods
            .ok_or_else(|| Refusal::validation("PutMetricAlarm request should have an EvaluationPeriods parameter"))?;
        let periods = at_least_one("evaluationPeriods", periods)?;
        let datapoints = self.datapoints_to_alarm.map(|m| at_least_one("datapointsToAlarm", m)).transpose()?;
        if datapoints.is_some_and(|m| m > periods) {
            return Err(Refusal::validation("DatapointsToAlarm must be less than or equal to EvaluationPeriods"));
        }
        Ok((periods, datapoints))
    }

    fn metric(&self, evaluation_periods: u32) -> Result<MetricStat, Refusal> {
        let missing =
            |name: &str| Refusal::validation(format!("PutMetricAlarm request should have a {name} parameter"));
        let name = self.metric_name.clone().ok_or_else(|| missing("MetricName"))?;
        let namespace = self.namespace.clone().ok_or_else(|| missing("Namespace"))?;
        let statistic = self.statistic()?;
        let period = self.period_secs.ok_or_else(|| missing("Period"))?;
        Ok(MetricStat {
            key: MetricKey { namespace, name, dimensions: check_dimensions(&self.dimensions)? },
            statistic,
            period_secs: check_period(period, evaluation_periods)?,
            unit: self.unit.clone(),
        })
    }

    fn statistic(&self) -> Result<Statistic, Refusal> {
        let (text, parameter) = match (&self.statistic, &self.extended_statistic) {
            (Some(_), Some(_)) => {
                return Err(Refusal::validation(
                    "PutMetricAlarm request can not be made with both Statistic and ExtendedStatistic parameters. \
                     Only one of them should be present",
                ));
            }
            (None, None) => {
                return Err(Refusal::validation("PutMetricAlarm request should have a Statistic parameter"));
            }
            (Some(plain), None) => (plain, "Statistic"),
            (None, Some(extended)) => (extended, "ExtendedStatistic"),
        };
        Statistic::parse(text)
            .filter(|statistic| statistic.is_extended() == (parameter == "ExtendedStatistic"))
            .ok_or_else(|| {
                let text = format!("The value {text} for parameter {parameter} is not supported.");
                Refusal::new("InvalidParameterValue", 400, text)
            })
    }

    fn comparison(&self) -> Result<Comparison, Refusal> {
        self.comparison.as_deref().and_then(Comparison::parse).ok_or_else(|| {
            Refusal::validation("PutMetricAlarm request should have a valid ComparisonOperator parameter")
        })
    }

    fn threshold(&self) -> Result<f64, Refusal> {
        let threshold = self.threshold.filter(|threshold| threshold.is_finite());
        threshold.ok_or_else(|| Refusal::validation("PutMetricAlarm request should have valid Threshold parameter"))
    }

    fn treatment(&self) -> Result<Option<TreatMissingData>, Refusal> {
        let parse = |text: &String| {
            TreatMissingData::parse(text).ok_or_else(|| {
                Refusal::validation(
                    "Supported values for TreatMissingData are breaching, notBreaching, ignore, and missing.",
                )
            })
        };
        self.treat_missing_data.as_ref().map(parse).transpose()
    }

    /// `statistic` is `None` for an expression.
    fn low_samples(&self, statistic: Option<Statistic>) -> Result<Option<LowSamples>, Refusal> {
        let Some(text) = &self.evaluate_low_sample_count_percentile else { return Ok(None) };
        let low_samples = LowSamples::parse(text).ok_or_else(|| {
            Refusal::validation(format!(
                "Option {text} is not supported. Supported options for parameter EvaluateLowSampleCountPercentile are \
                 evaluate and ignore."
            ))
        })?;
        if !matches!(statistic, Some(Statistic::Extended(Extended::Percentile(_)))) {
            let statistic = statistic.map_or("an expression".to_string(), |statistic| statistic.to_string());
            return Err(Refusal::validation(format!(
                "Option evaluateLowSampleCountPercentile can not be applied with statistic {statistic}. \
                 This option is enabled only for percentile statistics."
            )));
        }
        Ok(Some(low_samples))
    }
}

const ANOMALY_OPERATORS: &[&str] =
    &["LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold", "GreaterThanUpperThreshold"];

fn window(wall_clock: Option<&str>, period_secs: u32) -> Result<EvaluationWindow, Refusal> {
    let Some(zone) = wall_clock else { return Ok(EvaluationWindow::Sliding) };
    if !EvaluationWindow::WALL_CLOCK_PERIODS.contains(&period_secs) {
        return Err(Refusal::validation(
            "Period must be 60, 300, 3600, 86400 or 604800 when EvaluationWindow is WallClockWindow",
        ));
    }
    let zone = Zone::parse(zone).ok_or_else(|| Refusal::validation(format!("The time zone {zone} is not valid")))?;
    Ok(EvaluationWindow::WallClock(zone))
}

fn warm_up(minutes: Option<i64>, whole: bool) -> Result<Option<WarmUp>, Refusal> {
    let Some(minutes) = minutes else { return Ok(None) };
    let fits = (1..=WARM_UP_MINUTES).contains(&minutes);
    let minutes = u32::try_from(minutes).ok().filter(|_| fits).ok_or_else(|| {
        Refusal::validation(format!("WarmUpPeriodDurationInMinutes must be between 1 and {WARM_UP_MINUTES}"))
    })?;
    Ok(Some(WarmUp { minutes, whole }))
}

pub fn check_description(description: Option<&str>) -> Result<(), Refusal> {
    check_length("alarmDescription", description.unwrap_or(""), DESCRIPTION_CHARS)
}

/// The period in seconds, if an alarm may have it over so many periods.
///
/// Source: CloudWatch API Reference, PutMetricAlarm.
pub fn check_period(period_secs: i64, evaluation_periods: u32) -> Result<u32, Refusal> {
    let fits = matches!(period_secs, 10 | 20 | 30) || (period_secs >= 60 && period_secs % 60 == 0);
    let period = u32::try_from(period_secs).ok().filter(|_| fits);
    let period = period.ok_or_else(|| Refusal::validation("Period must be 10, 20, 30 or a multiple of 60"))?;
    match u64::from(period) * u64::from(evaluation_periods) {
        window if period < 3600 && window > DAY_SECS => Err(Refusal::validation(
            "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400) for alarms \
             using period < 3600",
        )),
        window if window > WEEK_SECS => Err(Refusal::validation(
            "Metrics cannot be checked across more than a week (EvaluationPeriods * Period must be <= 604800) for \
             alarms using period >= 3600",
        )),
        _ => Ok(period),
    }
}

/// 1 to 255 characters, none of them an ASCII control character.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(Refusal::validation(
            "1 validation error detected: Value '' at 'alarmName' failed to satisfy constraint: Member must have length \
             greater than or equal to 1",
        ));
    }
    check_length("alarmName", name, NAME_CHARS)?;
    if name.chars().any(|c| c.is_ascii_control()) {
        return Err(Refusal::validation("AlarmName must not contain ASCII Control characters"));
    }
    Ok(())
}

fn check_length(member: &str, text: &str, most: usize) -> Result<(), Refusal> {
    if text.chars().count() <= most {
        return Ok(());
    }
    Err(Refusal::validation(format!(
        "1 validation error detected: Value '{text}' at '{member}' failed to satisfy constraint: Member must have length \
         less than or equal to {most}"
    )))
}

/// At most five ARNs; whether they exist is seen when they run.
pub fn check_actions(actions: &[String]) -> Result<(), Refusal> {
    if actions.len() > ACTIONS_PER_STATE {
        return Err(Refusal::validation(format!("Only {ACTIONS_PER_STATE} actions are allowed per alarm state")));
    }
    let is_arn = |text: &str| {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        parts.len() == 6 && parts[0] == "arn" && !parts[2].is_empty() && !parts[5].is_empty() && !text.contains(' ')
    };
    match actions.iter().find(|action| !is_arn(action)) {
        Some(action) => Err(Refusal::validation(format!("Invalid arn syntax: {action}"))),
        None => Ok(()),
    }
}

/// The dimension set; a name that comes twice is no set.
pub fn check_dimensions(dimensions: &[(String, String)]) -> Result<BTreeMap<String, String>, Refusal> {
    if dimensions.len() > DIMENSIONS {
        return Err(Refusal::validation(format!("No more than {DIMENSIONS} dimensions are allowed")));
    }
    let set: BTreeMap<String, String> = dimensions.iter().cloned().collect();
    if set.len() < dimensions.len() {
        return Err(Refusal::validation("No dimension name may appear more than once"));
    }
    Ok(set)
}

fn at_least_one(member: &str, value: i64) -> Result<u32, Refusal> {
    u32::try_from(value).ok().filter(|value| *value >= 1).ok_or_else(|| {
        Refusal::validation(format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must have \
             value greater than or equal to 1"
        ))
    })
}
