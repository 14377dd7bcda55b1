//! Metric samples by identity and second, and the statistics that alarms and queries read.
//! Start at [`Metrics`]; leaves out alarms and who may publish.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A metric's identity: the dimension set is part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MetricKey {
    pub namespace: String,
    pub name: String,
    pub dimensions: BTreeMap<String, String>,
}

/// What one PutMetricData datum says: a value and how often it occurred, or a statistic set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub unit: Option<String>,
    pub values: Values,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Values {
    /// Pairs of value and count.
    Counted(Vec<(f64, f64)>),
    Set {
        sample_count: f64,
        sum: f64,
        minimum: f64,
        maximum: f64,
    },
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Metrics {}

impl Metrics {
    pub fn record(&mut self, key: MetricKey, at: Timestamp, sample: Sample) {
        let _ = (key, at, sample);
        unimplemented!("alarms room")
    }
}
