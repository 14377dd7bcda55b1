//! The account's quotas.

use super::model;
use crate::engine::Refusal;
use crate::engine::load_balancers::{
    MAX_BALANCERS_OF_A_KIND, MAX_LISTENERS, MAX_RULES, MAX_TARGET_GROUPS, MAX_TARGETS,
};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Those that the engine holds callers to, by the names of DescribeAccountLimits.
const LIMITS: [(&str, usize); 8] = [
    ("application-load-balancers", MAX_BALANCERS_OF_A_KIND),
    ("listeners-per-application-load-balancer", MAX_LISTENERS),
    ("listeners-per-network-load-balancer", MAX_LISTENERS),
    ("network-load-balancers", MAX_BALANCERS_OF_A_KIND),
    ("rules-per-application-load-balancer", MAX_RULES),
    ("target-groups", MAX_TARGET_GROUPS),
    ("targets-per-application-load-balancer", MAX_TARGETS),
    ("targets-per-network-load-balancer", MAX_TARGETS),
];

pub fn register(operations: &mut Operations) {
    operations.on("DescribeAccountLimits", "Lists the quotas that hold here.", &["Marker", "PageSize"], describe);
}

fn describe(
    _region: &mut Region,
    _call: &Call,
    input: model::DescribeAccountLimitsInput,
) -> Result<model::DescribeAccountLimitsOutput, Refusal> {
    let show = |(name, max): (&str, usize)| {
        (name.to_string(), model::Limit { name: Some(name.into()), max: Some(max.to_string()) })
    };
    let (limits, next_marker) = super::cut(LIMITS.into_iter().map(show), input.marker.as_deref(), input.page_size)?;
    Ok(model::DescribeAccountLimitsOutput { limits: Some(limits), next_marker })
}
