//! AWS's request quotas: how often one account may call an operation in one region. Off unless asked for
//! (`scaleproof sandbox --limits aws`); then a call over its quota is answered as the service does, and clients back off.
//!
//! Operations without a published quota are not held back: Auto Scaling, SQS and STS name none. Start at [`quota`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::faults::is_read;
use crate::clock::Timestamp;
use crate::engine::Refusal;

/// A token bucket's size, and how many tokens come back every second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    pub burst: u32,
    pub per_second: u32,
}

impl Quota {
    const fn new(burst: u32, per_second: u32) -> Self {
        Self { burst, per_second }
    }

    /// So many calls a second, at once or spread.
    const fn tps(per_second: u32) -> Self {
        Self::new(per_second, per_second)
    }
}

/// A call as the quotas see it.
#[derive(Debug, Clone, Copy)]
pub struct Usage<'a> {
    pub account: &'a str,
    pub region: &'a str,
    /// botocore's name.
    pub service: &'a str,
    pub operation: &'a str,
    /// Whether the caller asks for particular resources: by ids, filters or pages.
    pub narrowed: bool,
}

/// The default quota of an operation; `None` where AWS publishes none.
pub fn quota(usage: &Usage<'_>) -> Option<Quota> {
    match usage.service {
        "cloudwatch" => cloudwatch(usage.operation),
        "sns" => sns(usage.operation, usage.region),
        "ec2" => Some(ec2(usage.operation, usage.narrowed)),
        _ => None,
    }
}

/// Source: Amazon CloudWatch user guide, "CloudWatch service quotas".
fn cloudwatch(operation: &str) -> Option<Quota> {
    Some(Quota::tps(match operation {
        "PutMetricAlarm" | "PutCompositeAlarm" | "DeleteAlarms" | "SetAlarmState" => 3,
        "EnableAlarmActions" | "DisableAlarmActions" => 3,
        "DeleteAnomalyDetector" => 5,
        "DescribeAlarms" | "DescribeAlarmsForMetric" => 9,
        "ListTagsForResource" => 10,
        "PutDashboard" | "GetDashboard" | "ListDashboards" | "DeleteDashboards" => 10,
        "PutAnomalyDetector" | "DescribeAnomalyDetectors" => 10,
        "DescribeAlarmHistory" | "TagResource" | "UntagResource" | "GetMetricWidgetImage" => 20,
        "ListMetrics" => 25,
        "GetMetricStatistics" => 400,
        "PutMetricData" | "GetMetricData" => 500,
        _ => return None,
    }))
}

/// Source: AWS general reference, "Amazon Simple Notification Service endpoints and quotas".
fn sns(operation: &str, region: &str) -> Option<Quota> {
    let size = RegionSize::of(region);
    Some(Quota::tps(match operation {
        "CreateTopic" | "DeleteTopic" | "GetTopicAttributes" | "SetTopicAttributes" => size.topic_calls(),
        "Publish" | "PublishBatch" => size.messages(),
        "Subscribe" | "Unsubscribe" | "ConfirmSubscription" => 100,
        "ListTopics" | "ListSubscriptions" | "ListSubscriptionsByTopic" => 30,
        "TagResource" | "UntagResource" | "ListTagsForResource" => 10,
        _ => return None,
    }))
}

/// How SNS sorts its regions.
#[derive(Clone, Copy)]
enum RegionSize {
    Largest,
    Large,
    Medium,
    Small,
}

impl RegionSize {
    fn of(region: &str) -> Self {
        match region {
            "us-east-1" => Self::Largest,
            "us-west-2" | "eu-west-1" => Self::Large,
            "us-east-2" | "us-west-1" | "ap-south-1" | "ap-northeast-2" | "ap-southeast-1" | "ap-southeast-2"
            | "ap-northeast-1" | "eu-central-1" => Self::Medium,
            _ => Self::Small,
        }
    }

    fn topic_calls(self) -> u32 {
        match self {
            Self::Largest => 3000,
            Self::Large => 900,
            Self::Medium => 150,
            Self::Small => 30,
        }
    }

    fn messages(self) -> u32 {
        self.topic_calls() * 10
    }
}

/// Source: Amazon EC2 developer guide, "Request throttling for the Amazon EC2 API". Its resource buckets, which count
/// instances, are not modelled.
fn ec2(operation: &str, narrowed: bool) -> Quota {
    let reads = is_read(operation);
    match operation {
        "CreateTags" => Quota::new(100, 10),
        "CreateLaunchTemplateVersion" => Quota::new(100, 5),
        _ if reads && narrowed => Quota::new(100, 20),
        _ if reads => Quota::new(50, 10),
        _ => Quota::new(50, 5),
    }
}

/// The tokens of one operation. Whole seconds bring tokens back, as the guide describes it; a full bucket loses them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenBucket {
    quota: Quota,
    tokens: u32,
    refilled_at: Timestamp,
}

impl TokenBucket {
    pub fn new(quota: Quota, now: Timestamp) -> Self {
        Self { quota, tokens: quota.burst, refilled_at: now }
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, now: Timestamp) -> bool {
        let seconds = now.since(self.refilled_at).as_secs();
        let refill = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(self.quota.per_second);
        self.tokens = self.tokens.saturating_add(refill).min(self.quota.burst);
        self.refilled_at = self.refilled_at + std::time::Duration::from_secs(seconds);
        let taken = self.tokens > 0;
        self.tokens -= u32::from(taken);
        taken
    }
}

/// Whether quotas hold, and what has been used of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    enforced: bool,
    /// By account, region, service and operation.
    buckets: BTreeMap<String, TokenBucket>,
}

impl Limits {
    pub(super) fn are_enforced(&self) -> bool {
        self.enforced
    }

    /// Nothing is held back.
    pub fn off() -> Self {
        Self::default()
    }

    /// AWS's default quotas, unused.
    pub fn aws() -> Self {
        Self { enforced: true, buckets: BTreeMap::new() }
    }

    /// The same limits with everything unused.
    pub(super) fn fresh(&self) -> Self {
        Self { enforced: self.enforced, buckets: BTreeMap::new() }
    }

    /// Counts a call.
    ///
    /// # Errors
    /// The service's own answer to a caller that is too fast.
    pub(super) fn admit(&mut self, now: Timestamp, usage: &Usage<'_>) -> Result<(), Refusal> {
        let Some(quota) = quota(usage).filter(|_| self.enforced) else { return Ok(()) };
        let Usage { account, region, service, operation, .. } = usage;
        let key = format!("{account}/{region}/{service}:{operation}/{}", quota.burst);
        let bucket = self.buckets.entry(key).or_insert_with(|| TokenBucket::new(quota, now));
        if bucket.take(now) { Ok(()) } else { Err(throttled(service)) }
    }
}

/// The service's own answer to a caller that is too fast.
pub fn throttled(service: &str) -> Refusal {
    match service {
        "ec2" => Refusal::new("RequestLimitExceeded", 503, "Request limit exceeded."),
        "sns" => Refusal::new("ThrottlingException", 400, "Rate exceeded"),
        _ => Refusal::new("Throttling", 400, "Rate exceeded"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn usage<'a>(service: &'a str, operation: &'a str, region: &'a str) -> Usage<'a> {
        Usage { account: "123456789012", region, service, operation, narrowed: true }
    }

    #[test]
    fn the_published_quotas_are_known() {
        for (service, operation, region, expected) in [
            ("cloudwatch", "PutMetricAlarm", "us-east-1", Some((3, 3))),
            ("cloudwatch", "DescribeAlarms", "us-east-1", Some((9, 9))),
            ("cloudwatch", "GetMetricStatistics", "us-east-1", Some((400, 400))),
            ("sns", "CreateTopic", "us-east-1", Some((3000, 3000))),
            ("sns", "CreateTopic", "eu-west-1", Some((900, 900))),
            ("sns", "CreateTopic", "ap-northeast-2", Some((150, 150))),
            ("sns", "CreateTopic", "eu-north-1", Some((30, 30))),
            ("sns", "Publish", "eu-central-1", Some((1500, 1500))),
            ("ec2", "DescribeInstances", "us-east-1", Some((100, 20))),
            ("ec2", "AuthorizeSecurityGroupIngress", "us-east-1", Some((50, 5))),
            ("ec2", "CreateTags", "us-east-1", Some((100, 10))),
            ("autoscaling", "PutScalingPolicy", "us-east-1", None),
        ] {
            let found = quota(&usage(service, operation, region)).map(|quota| (quota.burst, quota.per_second));
            assert_eq!(found, expected, "{service}:{operation} in {region}");
        }
        let whole_list = Usage { narrowed: false, ..usage("ec2", "DescribeInstances", "us-east-1") };
        assert_eq!(quota(&whole_list), Some(Quota::new(50, 10)));
    }

    #[test]
    fn a_bucket_empties_at_once_and_refills_by_the_second() {
        let mut bucket = TokenBucket::new(Quota::new(50, 5), NOW);
        let mut accepted = |millis: u64, calls: u32| {
            let at = NOW + Duration::from_millis(millis);
            (0..calls).filter(|_| bucket.take(at)).count()
        };
        assert_eq!(accepted(0, 100), 50);
        assert_eq!(accepted(999, 10), 0);
        assert_eq!(accepted(1000, 10), 5);
        assert_eq!(accepted(3500, 100), 10);
        assert_eq!(accepted(1_000_000, 100), 50, "it holds no more than its size");
    }

    #[test]
    fn limits_hold_an_operation_of_one_account_and_answer_in_the_services_words() {
        let put = usage("cloudwatch", "PutMetricAlarm", "us-east-1");
        let mut limits = Limits::aws();
        let answers: Vec<_> = (0..4).map(|_| limits.admit(NOW, &put).map_err(|refusal| refusal.code)).collect();
        assert_eq!(answers, [Ok(()), Ok(()), Ok(()), Err("Throttling".into())]);
        assert_eq!(limits.admit(NOW, &Usage { account: "210987654321", ..put }), Ok(()));
        assert_eq!(limits.admit(NOW, &Usage { operation: "DeleteAlarms", ..put }), Ok(()));
        let mut off = Limits::off();
        assert!((0..100).all(|_| off.admit(NOW, &put).is_ok()));
    }
}
