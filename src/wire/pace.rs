//! Not faster than AWS allows: a token bucket per operation. Start at [`TokenBucket`].

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::aws::Endpoint;
use crate::clock::{Clock, SystemClock, Timestamp};

/// Whether calls are held to AWS's quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// The published default quotas; an operation without one gets a careful guess.
    AwsLimits,
    Off,
}

impl Pacing {
    /// AWS is paced, anything else is not: an emulator has no quotas.
    pub fn for_endpoint(endpoint: &Endpoint) -> Self {
        if endpoint.is_aws() { Self::AwsLimits } else { Self::Off }
    }
}

/// Calls a second that AWS takes per account and region.
///
/// Sources: CloudWatch service quotas (PutMetricAlarm, DeleteAlarms 3; DescribeAlarms 9; ListTagsForResource 10;
/// TagResource 20); SNS quotas of the smallest regions (CreateTopic, topic attributes and lists 30; tags 10;
/// Subscribe 100). Auto Scaling publishes none; five leaves room for others.
pub(super) fn per_second(operation: &'static str) -> u32 {
    match operation {
        "cloudwatch:PutMetricAlarm" | "cloudwatch:DeleteAlarms" => 3,
        "cloudwatch:DescribeAlarms" => 9,
        "cloudwatch:ListTagsForResource" | "sns:ListTagsForResource" | "sns:TagResource" => 10,
        "cloudwatch:TagResource" => 20,
        "sns:Subscribe" | "sns:Unsubscribe" => 100,
        operation if operation.starts_with("sns:") => 30,
        _ => 5,
    }
}

/// So many calls at once after a pause, and `per_second` in the long run.
#[derive(Debug, Clone)]
pub(super) struct TokenBucket {
    per_second: u32,
    /// When the bucket will be, or was, full again.
    full_at: Timestamp,
}

impl TokenBucket {
    pub fn new(per_second: u32, now: Timestamp) -> Self {
        Self { per_second, full_at: now }
    }

    /// Takes one token and returns how long to wait before using it. One second's worth may go at once.
    pub fn take(&mut self, now: Timestamp) -> Duration {
        // Rounded up to whole milliseconds, so that the quota is never exceeded.
        let one = Duration::from_millis(1000u32.div_ceil(self.per_second).into());
        self.full_at = self.full_at.max(now) + one;
        self.full_at.since(now).saturating_sub(one * self.per_second)
    }
}

/// The buckets of one run. Waiting is by the machine's clock: AWS counts real seconds.
#[derive(Debug)]
pub(super) struct Pacer {
    pacing: Pacing,
    buckets: Mutex<BTreeMap<&'static str, TokenBucket>>,
}

impl Pacer {
    pub fn new(pacing: Pacing) -> Self {
        Self { pacing, buckets: Mutex::default() }
    }

    /// Returns when `operation` may be called.
    pub async fn turn(&self, operation: &'static str) {
        if self.pacing == Pacing::Off {
            return;
        }
        let now = SystemClock.now();
        let wait = {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            buckets.entry(operation).or_insert_with(|| TokenBucket::new(per_second(operation), now)).take(now)
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// How long these calls take at the least; `None` when nothing holds them back.
    pub fn eta(&self, operations: impl Iterator<Item = &'static str>) -> Option<Duration> {
        if self.pacing == Pacing::Off {
            return None;
        }
        let mut counts: BTreeMap<&'static str, u32> = BTreeMap::new();
        for operation in operations {
            *counts.entry(operation).or_default() += 1;
        }
        counts.iter().map(|(operation, count)| Duration::from_secs(1) * *count / per_second(operation)).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_calls_goes_at_once_and_the_rest_at_the_quota() {
        let start = Timestamp::from_secs(100);
        let mut bucket = TokenBucket::new(3, start);
        let waits: Vec<u64> = (0..6).map(|_| bucket.take(start).as_millis() as u64).collect();
        assert_eq!(waits, [0, 0, 0, 334, 668, 1002]);
        // A pause fills the bucket again, but never beyond a second's worth.
        let later = start + Duration::from_secs(60);
        let waits: Vec<u64> = (0..4).map(|_| bucket.take(later).as_millis() as u64).collect();
        assert_eq!(waits, [0, 0, 0, 334]);
    }

    #[test]
    fn a_thousand_alarms_take_the_five_and_a_half_minutes_that_the_quota_asks_for() {
        let thousand = || std::iter::repeat_n("cloudwatch:PutMetricAlarm", 1000).chain(["sns:CreateTopic"]);
        let eta = Pacer::new(Pacing::AwsLimits).eta(thousand()).unwrap();
        assert_eq!(eta.as_secs(), 333);
        assert_eq!(Pacer::new(Pacing::Off).eta(thousand()), None);
    }
}
