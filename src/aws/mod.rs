//! The only door to AWS: one small trait per service, with methods named like its operations.
//!
//! A trait takes and returns plain types of ours; only the `Sdk…` types behind it know the SDK, so that a change of ours
//! never rebuilds it and a test never needs it. Waiting, comparing and pacing are left to the callers.
//! Start at [`Clients`].

mod autoscaling;
mod cloudwatch;
mod connect;
mod ec2;
mod error;
#[cfg(test)]
pub mod fake;
mod server_clock;
mod sns;
mod sqs;
mod sts;
mod watch;

use std::sync::Arc;

pub use autoscaling::{Activity, AutoScaling, Group, Instance, Notification, Policy, StepAdjustment};
pub use cloudwatch::{
    AlarmSelection, AlarmState, CloudWatch, Datapoint, DescribedAlarm, HistoryItem, HistoryItemType, MetricAlarm,
    StatisticsQuery,
};
pub use connect::{ConnectError, StaticCredentials, Target};
pub use ec2::{Ec2, RunningInstance};
pub use error::{AwsError, Operation, Trouble};
pub use server_clock::ServerClock;
pub use sns::{Sns, Subscription};
pub use sqs::{Message, Sqs};
pub use sts::{Identity, Sts};

pub use crate::engine::names;

/// One client per service, all for one endpoint and region.
#[derive(Clone)]
pub struct Clients {
    pub autoscaling: Arc<dyn AutoScaling>,
    pub cloudwatch: Arc<dyn CloudWatch>,
    pub ec2: Arc<dyn Ec2>,
    pub sns: Arc<dyn Sns>,
    pub sqs: Arc<dyn Sqs>,
    pub sts: Arc<dyn Sts>,
    /// The endpoint's time, as its answers tell it.
    pub clock: Arc<ServerClock>,
    pub endpoint: Endpoint,
}

/// Where the clients call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub region: String,
    /// An endpoint that is not AWS's own.
    pub url: Option<String>,
}

impl Endpoint {
    /// Whether calls go to AWS itself, where they cost money and count against quotas.
    pub fn is_aws(&self) -> bool {
        self.url
            .as_deref()
            .is_none_or(|url| host(url).ends_with(".amazonaws.com") || host(url).ends_with(".amazonaws.com.cn"))
    }

    pub fn is_loopback(&self) -> bool {
        self.url.as_deref().is_some_and(|url| {
            let host = host(url);
            host == "localhost" || host == "[::1]" || host.starts_with("127.") || host.ends_with(".localhost")
        })
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.url {
            Some(url) => write!(f, "{url} ({})", self.region),
            None => write!(f, "AWS {}", self.region),
        }
    }
}

/// The host of a URL, without scheme, port and path.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    match authority.strip_prefix('[').and_then(|inside| inside.find(']')) {
        Some(end) => &authority[..end + 2],
        None => authority.split(':').next().unwrap_or(authority),
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn only_amazons_hosts_are_aws_and_only_this_machine_is_loopback() {
        let cases = [
            (None, true, false),
            (Some("https://monitoring.ap-northeast-2.amazonaws.com"), true, false),
            (Some("http://127.0.0.1:4599"), false, true),
            (Some("http://[::1]:4599/"), false, true),
            (Some("http://localhost:4566"), false, true),
            (Some("http://localstack:4566"), false, false),
            (Some("https://amazonaws.com.example.org"), false, false),
        ];
        for (url, aws, loopback) in cases {
            let endpoint = Endpoint { region: "ap-northeast-2".into(), url: url.map(Into::into) };
            assert_eq!((endpoint.is_aws(), endpoint.is_loopback()), (aws, loopback), "{url:?}");
        }
    }
}
