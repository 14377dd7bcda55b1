//! Lists of what no group here has. Clients read them to see that there is nothing; the operations that would make
//! something are refused.

use super::{existing, model};
use crate::engine::Refusal;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn register(operations: &mut Operations) {
    let of_group = &["AutoScalingGroupName", "NextToken", "MaxRecords"];
    operations.on("DescribeLoadBalancers", "Lists a group's load balancers: none.", of_group, load_balancers);
    operations.on("DescribeLoadBalancerTargetGroups", "Lists a group's target groups: none.", of_group, target_groups);
    operations.on(
        "DescribeTrafficSources",
        "Lists a group's traffic sources: none.",
        &["AutoScalingGroupName", "TrafficSourceType", "NextToken", "MaxRecords"],
        traffic_sources,
    );
}

fn load_balancers(
    region: &mut Region,
    _call: &Call,
    input: model::DescribeLoadBalancersInput,
) -> Result<model::DescribeLoadBalancersOutput, Refusal> {
    existing(region, input.auto_scaling_group_name.as_deref())?;
    Ok(model::DescribeLoadBalancersOutput { load_balancers: Some(Vec::new()), next_token: None })
}

fn target_groups(
    region: &mut Region,
    _call: &Call,
    input: model::DescribeLoadBalancerTargetGroupsInput,
) -> Result<model::DescribeLoadBalancerTargetGroupsOutput, Refusal> {
    existing(region, input.auto_scaling_group_name.as_deref())?;
    Ok(model::DescribeLoadBalancerTargetGroupsOutput {
        load_balancer_target_groups: Some(Vec::new()),
        next_token: None,
    })
}

fn traffic_sources(
    region: &mut Region,
    _call: &Call,
    input: model::DescribeTrafficSourcesInput,
) -> Result<model::DescribeTrafficSourcesOutput, Refusal> {
    existing(region, input.auto_scaling_group_name.as_deref())?;
    Ok(model::DescribeTrafficSourcesOutput { traffic_sources: Some(Vec::new()), next_token: None })
}
