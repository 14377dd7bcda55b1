//! Auto Scaling groups, policies, instances and their lifecycle, activities. Start at [`Groups`].

use serde::{Deserialize, Serialize};

use super::alarms::{AlarmSnapshot, MetricAlarm};
use super::metrics::{MetricKey, Sample};
use super::names::{AlarmName, Place, TopicArn};
use super::topics::Notice;
use crate::clock::Timestamp;

/// How long instances take. The groups room completes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timing {
    /// Boot, status checks and shut-down take about as long as on AWS.
    Realistic,
    /// Everything is done in the call that asked for it.
    Instant,
}

/// What a group did that concerns another part of the world.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Notify { topic_arn: TopicArn, notice: Notice },
    Measured { key: MetricKey, sample: Sample },
    PutAlarm(Box<MetricAlarm>),
    DeleteAlarm(AlarmName),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Groups {}

impl Groups {
    pub fn new(_place: &Place, _seed: u64, _timing: Timing) -> Self {
        Self {}
    }
    pub fn next_due(&self) -> Option<Timestamp> {
        unimplemented!("groups room")
    }
    pub fn run_due(&mut self, _due: Timestamp) -> Vec<Outcome> {
        unimplemented!("groups room")
    }
    /// An alarm asks a policy to act. The error is the text that CloudWatch writes into the alarm's history.
    pub fn invoke_policy(
        &mut self,
        _now: Timestamp,
        _policy_arn: &str,
        _alarm: &AlarmSnapshot,
    ) -> Result<Vec<Outcome>, String> {
        unimplemented!("groups room")
    }
}
