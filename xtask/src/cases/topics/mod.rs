//! The adapters, one file per topic. An adapter reads every member of `given` and `expect` that its topic may have,
//! translates, asks the engine or the sandbox, and compares; the rules themselves are theirs.

mod alarm;
mod alarm_actions;
mod alarm_message;
mod alarm_missing_data;
mod alarm_percentile;
mod alarm_recorded;
mod alarm_timing;
mod alarm_validation;
mod alarm_window;
mod asg_activity;
mod asg_errors;
mod asg_notification;
mod capacity_limits;
mod composite_rule;
mod composite_suppressor;
mod cooldown;
mod lifecycle_health;
mod metrics;
mod percent_rounding;
mod protocol_limits;
mod scaling;
mod scheduled_cron;
mod sns;
mod sns_envelope;
mod sns_errors;
mod sns_filter;
mod sns_retry;
mod sns_signature;
mod step_scaling;
mod target_tracking;
mod termination;
mod terraform_calls;
mod warm_up;

use super::case::Case;
use super::failure::Failure;

/// Asks the engine or the sandbox what the case asks, and holds the answer to what it expects.
pub type Adapter = fn(&Case) -> Result<(), Failure>;

/// By topic; sorted.
const ADAPTERS: &[(&str, Adapter)] = &[
    ("alarm-actions", alarm_actions::check),
    ("alarm-message", alarm_message::check),
    ("alarm-missing-data", alarm_missing_data::check),
    ("alarm-percentile", alarm_percentile::check),
    ("alarm-recorded", alarm_recorded::check),
    ("alarm-timing", alarm_timing::check),
    ("alarm-validation", alarm_validation::check),
    ("alarm-window", alarm_window::check),
    ("asg-activity", asg_activity::check),
    ("asg-errors", asg_errors::check),
    ("asg-notification", asg_notification::check),
    ("capacity-limits", capacity_limits::check),
    ("composite-rule", composite_rule::check),
    ("composite-suppressor", composite_suppressor::check),
    ("cooldown", cooldown::check),
    ("lifecycle-health", lifecycle_health::check),
    ("metrics", metrics::check),
    ("percent-rounding", percent_rounding::check),
    ("protocol-limits", protocol_limits::check),
    ("scheduled-cron", scheduled_cron::check),
    ("sns-envelope", sns_envelope::check),
    ("sns-errors", sns_errors::check),
    ("sns-filter", sns_filter::check),
    ("sns-retry", sns_retry::check),
    ("sns-signature", sns_signature::check),
    ("step-scaling", step_scaling::check),
    ("target-tracking", target_tracking::check),
    ("termination", termination::check),
    ("terraform-calls", terraform_calls::check),
    ("warm-up", warm_up::check),
];

pub fn adapter(topic: &str) -> Option<Adapter> {
    ADAPTERS.iter().find(|(name, _)| *name == topic).map(|(_, adapter)| *adapter)
}
