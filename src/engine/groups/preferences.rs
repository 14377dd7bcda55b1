//! Settings of a group that nobody has to give: how long instances may serve, how many may be out of service during
//! maintenance, what zones get when one has no capacity, where instances stand. Start at [`Preferences`], whose `Default` is
//! AWS's. Their effects are where instances are launched (`lifecycle.rs`), replaced (`health.rs`) and refreshed.
//!
//! Source: the API reference (CreateAutoScalingGroup, InstanceMaintenancePolicy, AvailabilityZoneDistribution,
//! CapacityReservationSpecification).

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::Refusal;

/// `MaxInstanceLifetime`, in seconds: a day to a year. Source: User Guide, "Replace Auto Scaling instances based on maximum
/// instance lifetime".
pub const LIFETIMES_SECS: RangeInclusive<u32> = 86_400..=31_536_000;

/// Between the percentages of a maintenance policy. Source: InstanceMaintenancePolicy.
const WIDEST_MAINTENANCE: u32 = 100;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// How long an instance may be in service before it is replaced.
    pub max_instance_lifetime_secs: Option<u32>,
    pub maintenance: Option<MaintenancePolicy>,
    pub zone_distribution: ZoneDistribution,
    pub reservations: ReservationPreference,
    /// The placement group that instances are launched into.
    pub placement_group: Option<String>,
    /// "Reserved."
    pub context: Option<String>,
}

/// How many healthy instances there are to be while some are replaced, in percent of the desired capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenancePolicy {
    pub min_healthy_percentage: u32,
    pub max_healthy_percentage: u32,
}

/// What happens to capacity that the zone with fewest instances has none for, in AWS's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZoneDistribution {
    /// Another zone is tried.
    #[default]
    BalancedBestEffort,
    /// The launch fails.
    BalancedOnly,
}

/// Which of an account's capacity reservations instances use, in AWS's words. Without any, all of these launch alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReservationPreference {
    #[default]
    Default,
    None,
    CapacityReservationsFirst,
}

impl ZoneDistribution {
    pub const ALL: &[Self] = &[Self::BalancedBestEffort, Self::BalancedOnly];

    pub fn name(self) -> &'static str {
        match self {
            Self::BalancedBestEffort => "balanced-best-effort",
            Self::BalancedOnly => "balanced-only",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|strategy| strategy.name() == text)
    }
}

impl ReservationPreference {
    pub const ALL: &[Self] = &[Self::Default, Self::None, Self::CapacityReservationsFirst];

    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::None => "none",
            Self::CapacityReservationsFirst => "capacity-reservations-first",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|preference| preference.name() == text)
    }
}

impl MaintenancePolicy {
    /// # Errors
    /// `ValidationError` for percentages out of range or too far apart.
    pub fn check(self) -> Result<Self, Refusal> {
        let Self { min_healthy_percentage: min, max_healthy_percentage: max } = self;
        let broken = match () {
            () if min > 100 => "MinHealthyPercentage must be between 0 and 100",
            () if !(100..=200).contains(&max) => "MaxHealthyPercentage must be between 100 and 200",
            () if max - min > WIDEST_MAINTENANCE => {
                "The difference between MaxHealthyPercentage and MinHealthyPercentage cannot be greater than 100"
            }
            () => return Ok(self),
        };
        Err(Refusal::validation(broken))
    }
}

impl Preferences {
    pub(super) fn max_instance_lifetime(&self) -> Option<Duration> {
        self.max_instance_lifetime_secs.map(|secs| Duration::from_secs(secs.into()))
    }

    /// # Errors
    /// `ValidationError` for what no group can have.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.max_instance_lifetime_secs.is_some_and(|secs| !LIFETIMES_SECS.contains(&secs)) {
            let (least, most) = (LIFETIMES_SECS.start(), LIFETIMES_SECS.end());
            let text = format!("MaxInstanceLifetime must be 0 or between {least} and {most} seconds");
            return Err(Refusal::validation(text));
        }
        self.maintenance.map_or(Ok(()), |policy| policy.check().map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maintenance_policy_stays_within_its_bounds() {
        let check = |min_healthy_percentage, max_healthy_percentage, valid| {
            let policy = MaintenancePolicy { min_healthy_percentage, max_healthy_percentage };
            assert_eq!(policy.check().is_ok(), valid, "{policy:?}");
        };
        check(90, 120, true);
        check(100, 200, true);
        check(0, 100, true);
        check(90, 191, false);
        check(101, 120, false);
        check(90, 99, false);
    }

    #[test]
    fn an_instance_serves_a_day_to_a_year() {
        let check = |secs, valid| {
            let preferences = Preferences { max_instance_lifetime_secs: secs, ..Preferences::default() };
            assert_eq!(preferences.check().is_ok(), valid, "{secs:?}");
        };
        check(None, true);
        check(Some(86_400), true);
        check(Some(31_536_000), true);
        check(Some(86_399), false);
        check(Some(31_536_001), false);
    }
}
