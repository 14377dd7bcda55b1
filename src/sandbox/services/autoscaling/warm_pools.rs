//! Warm pools: put, delete, describe.

use super::{PageRequest, existing, group_name, model, not_negative, show, word};
use crate::engine::Refusal;
use crate::engine::groups::{PoolState, WarmPoolChange};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// The most instances of an answer, also when the caller does not say. Source: the service model.
const INSTANCES_PER_PAGE: i64 = 50;

/// What removes a maximum prepared capacity that was set. Source: PutWarmPool.
const NO_MAX: i64 = -1;

pub fn register(operations: &mut Operations) {
    operations.on(
        "PutWarmPool",
        "Keeps instances prepared beside a group; what the request leaves out stays.",
        &["AutoScalingGroupName", "MaxGroupPreparedCapacity", "MinSize", "PoolState", "InstanceReusePolicy"],
        put,
    );
    operations.on(
        "DeleteWarmPool",
        "Deletes an empty warm pool, or one with its instances if forced.",
        &["AutoScalingGroupName", "ForceDelete"],
        delete,
    );
    operations.view(
        "DescribeWarmPool",
        "Shows a group's warm pool and the instances in it.",
        &["AutoScalingGroupName", "NextToken", "MaxRecords"],
        describe,
    );
}

fn put(region: &mut Region, call: &Call, input: model::PutWarmPoolInput) -> Result<model::PutWarmPoolOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let prepared = |most: i64| match most {
        NO_MAX => Ok(None),
        most => not_negative("MaxGroupPreparedCapacity", most).map(Some),
    };
    let change = WarmPoolChange {
        max_prepared: input.max_group_prepared_capacity.map(prepared).transpose()?,
        min_size: input.min_size.map(|size| not_negative("MinSize", size)).transpose()?,
        state: input.pool_state.map(|state| word("pool state", &state, PoolState::parse)).transpose()?,
        reuse_on_scale_in: input.instance_reuse_policy.and_then(|policy| policy.reuse_on_scale_in),
    };
    region.world.with_groups(call.now, |groups| groups.put_warm_pool(call.now, &name, change))?;
    Ok(model::PutWarmPoolOutput {})
}

fn delete(
    region: &mut Region,
    call: &Call,
    input: model::DeleteWarmPoolInput,
) -> Result<model::DeleteWarmPoolOutput, Refusal> {
    let name = group_name(input.auto_scaling_group_name.as_deref());
    let force = input.force_delete.unwrap_or_default();
    region.world.with_groups(call.now, |groups| groups.delete_warm_pool(call.now, &name, force))?;
    Ok(model::DeleteWarmPoolOutput {})
}

fn describe(region: &Region, input: model::DescribeWarmPoolInput) -> Result<model::DescribeWarmPoolOutput, Refusal> {
    let group = existing(region, input.auto_scaling_group_name.as_deref())?;
    let most = input.max_records.unwrap_or(INSTANCES_PER_PAGE).min(INSTANCES_PER_PAGE);
    let page = PageRequest::new(input.next_token.as_deref(), Some(most), 0)?;
    let (found, next_token) = page.cut(region.world.groups.pool_members(group));
    Ok(model::DescribeWarmPoolOutput {
        warm_pool_configuration: show::warm_pool(group),
        instances: Some(found.into_iter().map(|(instance, member)| show::instance(group, instance, member)).collect()),
        next_token,
    })
}
