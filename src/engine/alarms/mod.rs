//! Metric alarms: windows, missing data, states, reasons, history, actions. Start at [`Alarms`].

pub mod config;
mod shared;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use config::{AlarmState, Comparison, LowSamples, MetricAlarm, MetricStat, TreatMissingData};

use super::metrics::Metrics;
use super::names::{AlarmName, Place};
use super::topics::Notice;
use crate::clock::Timestamp;

/// One action to run: which alarm, in what state, which ARN.
#[derive(Debug, Clone, PartialEq)]
pub struct Firing {
    pub action_arn: String,
    pub alarm: AlarmSnapshot,
}

/// The alarm as it stood when its action ran: all that a policy decision, an activity's cause, an
/// `InvokingAlarms` entry or an alarm message says about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlarmSnapshot {
    #[serde(with = "shared")]
    pub config: Arc<MetricAlarm>,
    pub arn: String,
    pub old_state: AlarmState,
    pub new_state: AlarmState,
    pub reason: String,
    pub state_changed_at: Timestamp,
    pub configuration_updated_at: Timestamp,
    /// The newest aggregated data point of the evaluation, which step and target tracking policies read.
    pub newest_value: Option<f64>,
}

impl Firing {
    /// The message an SNS action publishes.
    pub fn notice(&self, _place: &Place) -> Notice {
        unimplemented!("alarms room")
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum ActionOutcome {
    Succeeded { published: Option<Notice> },
    Failed { error: String },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Alarms {}

impl Alarms {
    pub fn new(_place: &Place, _seed: u64) -> Self {
        Self {}
    }
    pub fn next_due(&self) -> Option<Timestamp> {
        unimplemented!("alarms room")
    }
    /// Evaluates every alarm due at `due` and says which actions to run, in order.
    pub fn run_due(&mut self, _due: Timestamp, _metrics: &Metrics) -> Vec<Firing> {
        unimplemented!("alarms room")
    }
    /// Writes the `Action` history item.
    pub fn record_action(&mut self, _now: Timestamp, _firing: &Firing, _outcome: ActionOutcome) {
        unimplemented!("alarms room")
    }
    /// Creates or replaces an alarm that another part of the world owns (target tracking).
    pub fn put_managed(&mut self, _now: Timestamp, _alarm: MetricAlarm) {
        unimplemented!("alarms room")
    }
    pub fn delete_managed(&mut self, _now: Timestamp, _name: &AlarmName) {
        unimplemented!("alarms room")
    }
}
