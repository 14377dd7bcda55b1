//! What application load balancers tell CloudWatch of a minute. Of all their metrics only the one that scaling goes by.
//!
//! Source: Application Load Balancers user guide, "CloudWatch metrics": `RequestCountPerTarget` is the average number of
//! requests per target, its only statistic is Sum, and its dimensions are TargetGroup with or without LoadBalancer.

use std::collections::BTreeMap;

use super::LoadBalancers;
use super::balancer::BalancerKind;
use crate::clock::Timestamp;
use crate::engine::metrics::{MetricKey, Sample};

impl LoadBalancers {
    /// `count` requests came through these target groups in equal parts, in the minute that ends `now`.
    pub fn measure(&self, now: Timestamp, target_groups: &[String], count: f64) -> Vec<(MetricKey, Sample)> {
        let in_use: Vec<_> = target_groups.iter().filter_map(|arn| self.routed(now, arn)).collect();
        let part = count / in_use.len().max(1) as f64;
        let data = in_use.into_iter().flat_map(|(group, balancer, targets)| {
            let both = [("TargetGroup", group), ("LoadBalancer", balancer)];
            let sample = Sample::one(part / targets as f64, "None");
            [(key(&both[..1]), sample.clone()), (key(&both), sample)]
        });
        data.collect()
    }

    /// The names of a target group and of the application load balancer that sends requests to it, and its healthy targets.
    fn routed(&self, now: Timestamp, arn: &str) -> Option<(&str, &str, usize)> {
        let group = self.target_group(arn).ok()?;
        let users = self.users_of(arn);
        let balancer = users.into_iter().find_map(|user| self.balancers.get(user))?;
        let healthy = group.targets().filter(|target| target.health(now).is_healthy()).count();
        let routes = balancer.kind == BalancerKind::Application && balancer.is_active(now) && healthy > 0;
        routes.then(|| (group.full_name(), balancer.full_name(), healthy))
    }
}

fn key(dimensions: &[(&str, &str)]) -> MetricKey {
    let dimensions = dimensions.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string()));
    MetricKey {
        namespace: "AWS/ApplicationELB".into(),
        name: "RequestCountPerTarget".into(),
        dimensions: dimensions.collect::<BTreeMap<_, _>>(),
    }
}
