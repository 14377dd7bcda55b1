//! What a caller may ask of an instance refresh, and the states that one passes through. Start at [`RefreshPreferences`].

use serde::{Deserialize, Serialize};

use super::group::Settings;
use crate::engine::Refusal;
use crate::engine::names::AlarmName;

/// What to do with an instance that may not simply be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Blocked {
    /// Replace it all the same: AWS's `Refresh` or `Terminate`.
    Replace,
    Ignore,
    Wait,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshPreferences {
    pub min_healthy_percentage: u32,
    pub max_healthy_percentage: u32,
    /// The group's default warm-up, or else its grace period, when left out.
    pub instance_warmup_secs: Option<u32>,
    pub checkpoint_percentages: Vec<u32>,
    pub checkpoint_delay_secs: u32,
    pub skip_matching: bool,
    pub auto_rollback: bool,
    pub protected_instances: Blocked,
    pub standby_instances: Blocked,
    /// Alarms that fail the refresh when they are in ALARM.
    pub alarms: Vec<AlarmName>,
    pub bake_secs: u32,
}

impl Default for RefreshPreferences {
    /// Source: User Guide, "Understand the default values for an instance refresh".
    fn default() -> Self {
        Self {
            min_healthy_percentage: 90,
            max_healthy_percentage: 100,
            instance_warmup_secs: None,
            checkpoint_percentages: Vec::new(),
            checkpoint_delay_secs: 3600,
            skip_matching: false,
            auto_rollback: false,
            protected_instances: Blocked::Wait,
            standby_instances: Blocked::Wait,
            alarms: Vec::new(),
            bake_secs: 0,
        }
    }
}

impl RefreshPreferences {
    /// How long new instances warm up: as asked, else as long as the group's, else its grace period.
    ///
    /// Source: User Guide, "Understand the default values for an instance refresh".
    pub fn effective_warmup_secs(&self, settings: &Settings) -> u32 {
        let default = settings.default_instance_warmup_secs.unwrap_or(settings.health_check_grace_secs);
        self.instance_warmup_secs.unwrap_or(default)
    }

    /// # Errors
    /// `ValidationError` for what contradicts itself.
    pub fn check(&self) -> Result<(), Refusal> {
        let ascending = self.checkpoint_percentages.windows(2).all(|pair| pair[0] < pair[1]);
        let broken = match self {
            it if it.min_healthy_percentage > 100 => "MinHealthyPercentage must be between 0 and 100",
            it if !(100..=200).contains(&it.max_healthy_percentage) => {
                "MaxHealthyPercentage must be between 100 and 200"
            }
            it if it.max_healthy_percentage - it.min_healthy_percentage > 100 => {
                "The difference between MaxHealthyPercentage and MinHealthyPercentage cannot be greater than 100"
            }
            it if !ascending || it.checkpoint_percentages.iter().any(|percent| !(1..=100).contains(percent)) => {
                "CheckpointPercentages must be unique, in ascending order, and between 1 and 100"
            }
            _ => return Ok(()),
        };
        Err(Refusal::validation(broken))
    }
}

/// A refresh's status in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefreshStatus {
    Pending,
    InProgress,
    Successful,
    Failed,
    Cancelling,
    Cancelled,
    RollbackInProgress,
    RollbackFailed,
    RollbackSuccessful,
    Baking,
}

impl RefreshStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Cancelling => "Cancelling",
            Self::Cancelled => "Cancelled",
            Self::RollbackInProgress => "RollbackInProgress",
            Self::RollbackFailed => "RollbackFailed",
            Self::RollbackSuccessful => "RollbackSuccessful",
            Self::Baking => "Baking",
        }
    }

    pub(super) fn replaces(self) -> bool {
        matches!(self, Self::InProgress | Self::RollbackInProgress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_that_contradict_themselves_are_refused() {
        let check = |change: &dyn Fn(&mut RefreshPreferences), valid: bool| {
            let mut preferences = RefreshPreferences::default();
            change(&mut preferences);
            assert_eq!(preferences.check().is_ok(), valid, "{preferences:?}");
        };
        check(&|_| {}, true);
        check(&|it| it.max_healthy_percentage = 191, false);
        check(&|it| it.max_healthy_percentage = 190, true);
        check(&|it| it.max_healthy_percentage = 99, false);
        check(&|it| it.checkpoint_percentages = vec![20, 50, 100], true);
        check(&|it| it.checkpoint_percentages = vec![50, 20], false);
    }
}
