//! What a metric alarm watches and what it sets off, as PutMetricAlarm says it. Start at [`MetricAlarm`].

use serde::{Deserialize, Serialize};

use super::window::EvaluationWindow;
use crate::engine::metrics::math::{Queries, Query};
use crate::engine::metrics::{Grid, Metrics, Point};
use crate::engine::names::AlarmName;

pub use crate::engine::metrics::MetricStat;

/// Printed exactly as AWS prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AlarmState {
    #[serde(rename = "OK")]
    Ok,
    #[serde(rename = "ALARM")]
    Alarm,
    #[serde(rename = "INSUFFICIENT_DATA")]
    InsufficientData,
}

/// An alarm on one metric or one expression, as PutMetricAlarm checked it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricAlarm {
    pub name: AlarmName,
    pub description: Option<String>,
    pub actions_enabled: bool,
    /// ARNs of what the change to each state sets off.
    pub ok_actions: Vec<String>,
    pub alarm_actions: Vec<String>,
    pub insufficient_data_actions: Vec<String>,
    pub watched: Watched,
    pub evaluation_periods: u32,
    /// `None` when the caller left it out: then all of `evaluation_periods`, and reasons read differently.
    pub datapoints_to_alarm: Option<u32>,
    pub threshold: f64,
    pub comparison: Comparison,
    /// `None` when the caller left it out, which means `missing` except for DynamoDB's metrics.
    pub treat_missing_data: Option<TreatMissingData>,
    pub evaluate_low_sample_count_percentile: Option<LowSamples>,
    #[serde(default)]
    pub timing: AlarmTiming,
}

/// What the data points of an alarm are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Watched {
    Metric(MetricStat),
    /// The `Metrics` of the call, of which one query returns data.
    Math {
        queries: Queries,
        place: usize,
    },
}

impl From<MetricStat> for Watched {
    fn from(stat: MetricStat) -> Self {
        Self::Metric(stat)
    }
}

impl Watched {
    /// The one metric, unless it is math.
    pub fn metric(&self) -> Option<&MetricStat> {
        match self {
            Self::Metric(stat) => Some(stat),
            Self::Math { .. } => None,
        }
    }

    /// The metric that the data points are statistics of: the one metric, or the query that returns data.
    pub fn returned_metric(&self) -> Option<&MetricStat> {
        match self {
            Self::Metric(stat) => Some(stat),
            Self::Math { queries, place } => queries.get(*place).stat(),
        }
    }

    pub fn queries(&self) -> Option<impl Iterator<Item = &Query>> {
        match self {
            Self::Metric(_) => None,
            Self::Math { queries, .. } => Some(queries.iter()),
        }
    }

    /// The data points of `grid`, oldest first.
    pub fn read(&self, metrics: &Metrics, grid: Grid<'_>) -> Vec<Point> {
        match self {
            Self::Metric(stat) => stat.read(metrics, grid),
            Self::Math { queries, place } => queries.points(*place, metrics, grid),
        }
    }
}

/// When an alarm is evaluated, besides its period.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AlarmTiming {
    pub window: EvaluationWindow,
    pub warm_up: Option<WarmUp>,
}

/// How long a new alarm waits before it says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmUp {
    pub minutes: u32,
    /// Wait for all of it even if there is data for a whole evaluation before.
    pub whole: bool,
}

impl MetricAlarm {
    pub fn actions(&self, state: AlarmState) -> &[String] {
        match state {
            AlarmState::Ok => &self.ok_actions,
            AlarmState::Alarm => &self.alarm_actions,
            AlarmState::InsufficientData => &self.insufficient_data_actions,
        }
    }

    /// The period of the data points, in seconds.
    pub fn period_secs(&self) -> u32 {
        match &self.watched {
            Watched::Metric(stat) => stat.period_secs,
            Watched::Math { queries, place } => queries.period_secs(*place),
        }
    }

    pub fn is_math(&self) -> bool {
        matches!(self.watched, Watched::Math { .. })
    }

    /// How many of the last `evaluation_periods` data points must breach.
    pub fn effective_datapoints_to_alarm(&self) -> u32 {
        self.datapoints_to_alarm.unwrap_or(self.evaluation_periods)
    }

    /// The treatment in force when the caller may have left it out.
    pub fn effective_treat_missing_data(&self) -> TreatMissingData {
        let default = match self.watched.metric().map(|stat| stat.key.namespace.as_str()) {
            Some("AWS/DynamoDB") => TreatMissingData::Ignore,
            _ => TreatMissingData::Missing,
        };
        self.treat_missing_data.unwrap_or(default)
    }
}

/// Declares an enum whose variants are words of the API.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $(#[serde(rename = $word)] $variant,)*
        }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

words! {
    /// How a value is held against the threshold; a value for which it holds is breaching.
    Comparison {
        GreaterThanOrEqualToThreshold = "GreaterThanOrEqualToThreshold",
        GreaterThanThreshold = "GreaterThanThreshold",
        LessThanThreshold = "LessThanThreshold",
        LessThanOrEqualToThreshold = "LessThanOrEqualToThreshold",
    }

    /// What stands in for data points that never came.
    TreatMissingData {
        Missing = "missing",
        Ignore = "ignore",
        Breaching = "breaching",
        NotBreaching = "notBreaching",
    }

    /// Whether a percentile of too few samples is evaluated.
    LowSamples {
        Evaluate = "evaluate",
        Ignore = "ignore",
    }
}

impl AlarmState {
    pub const ALL: &[Self] = &[Self::InsufficientData, Self::Alarm, Self::Ok];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.as_str() == text)
    }
}

impl std::fmt::Display for AlarmState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Comparison {
    pub fn breaches(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::GreaterThanOrEqualToThreshold => value >= threshold,
            Self::GreaterThanThreshold => value > threshold,
            Self::LessThanThreshold => value < threshold,
            Self::LessThanOrEqualToThreshold => value <= threshold,
        }
    }

    /// As reasons write it.
    pub fn words(self) -> &'static str {
        match self {
            Self::GreaterThanOrEqualToThreshold => "greater than or equal to the threshold",
            Self::GreaterThanThreshold => "greater than the threshold",
            Self::LessThanThreshold => "less than the threshold",
            Self::LessThanOrEqualToThreshold => "less than or equal to the threshold",
        }
    }
}
