//! The attributes of load balancers, target groups and listeners.

use super::{balancers, listeners, model, target_groups};
use crate::engine::Refusal;
use crate::engine::load_balancers::attributes::Attributes;
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn register(operations: &mut Operations) {
    operations.on(
        "DescribeLoadBalancerAttributes",
        "Lists a load balancer's attributes.",
        &["LoadBalancerArn"],
        describe_balancer,
    );
    operations.on(
        "ModifyLoadBalancerAttributes",
        "Changes a load balancer's attributes. Its protection from deletion has an effect; logs are refused.",
        &["LoadBalancerArn", "Attributes"],
        modify_balancer,
    );
    operations.on(
        "DescribeTargetGroupAttributes",
        "Lists a target group's attributes.",
        &["TargetGroupArn"],
        describe_target_group,
    );
    operations.on(
        "ModifyTargetGroupAttributes",
        "Changes a target group's attributes. Its deregistration delay has an effect.",
        &["TargetGroupArn", "Attributes"],
        modify_target_group,
    );
    operations.on("DescribeListenerAttributes", "Lists a listener's attributes.", &["ListenerArn"], describe_listener);
    operations.on(
        "ModifyListenerAttributes",
        "Changes a listener's attributes, which are about traffic, of which there is none.",
        &["ListenerArn", "Attributes"],
        modify_listener,
    );
}

/// What is to be set and what is shown, of each of the three kinds.
macro_rules! attributes {
    ($read:ident, $show:ident, $kind:ident) => {
        fn $read(attributes: Option<Vec<model::$kind>>) -> Vec<(String, String)> {
            let attributes = attributes.unwrap_or_default().into_iter();
            attributes.map(|one| (one.key.unwrap_or_default(), one.value.unwrap_or_default())).collect()
        }

        fn $show(attributes: &Attributes) -> Option<Vec<model::$kind>> {
            let show = |(key, value): (&str, &str)| model::$kind { key: Some(key.into()), value: Some(value.into()) };
            Some(attributes.iter().map(show).collect())
        }
    };
}

attributes!(read_balancer, show_balancer, LoadBalancerAttribute);
attributes!(read_target_group, show_target_group, TargetGroupAttribute);
attributes!(read_listener, show_listener, ListenerAttribute);

fn describe_balancer(
    region: &mut Region,
    _call: &Call,
    input: model::DescribeLoadBalancerAttributesInput,
) -> Result<model::DescribeLoadBalancerAttributesOutput, Refusal> {
    let balancer = region.world.load_balancers.balancer(&balancers::arn(input.load_balancer_arn)?)?;
    Ok(model::DescribeLoadBalancerAttributesOutput { attributes: show_balancer(&balancer.attributes) })
}

fn modify_balancer(
    region: &mut Region,
    _call: &Call,
    input: model::ModifyLoadBalancerAttributesInput,
) -> Result<model::ModifyLoadBalancerAttributesOutput, Refusal> {
    let balancer = region.world.load_balancers.balancer_mut(&balancers::arn(input.load_balancer_arn)?)?;
    balancer.attributes.set(&read_balancer(input.attributes))?;
    Ok(model::ModifyLoadBalancerAttributesOutput { attributes: show_balancer(&balancer.attributes) })
}

fn describe_target_group(
    region: &mut Region,
    _call: &Call,
    input: model::DescribeTargetGroupAttributesInput,
) -> Result<model::DescribeTargetGroupAttributesOutput, Refusal> {
    let group = region.world.load_balancers.target_group(&target_groups::arn(input.target_group_arn)?)?;
    Ok(model::DescribeTargetGroupAttributesOutput { attributes: show_target_group(&group.attributes) })
}

fn modify_target_group(
    region: &mut Region,
    call: &Call,
    input: model::ModifyTargetGroupAttributesInput,
) -> Result<model::ModifyTargetGroupAttributesOutput, Refusal> {
    let arn = target_groups::arn(input.target_group_arn)?;
    let wanted = read_target_group(input.attributes);
    let attributes = region.world.with_load_balancers(call.now, |balancers, _| {
        let group = balancers.target_group_mut(&arn)?;
        group.set_attributes(&wanted)?;
        Ok(show_target_group(&group.attributes))
    })?;
    Ok(model::ModifyTargetGroupAttributesOutput { attributes })
}

fn describe_listener(
    region: &mut Region,
    _call: &Call,
    input: model::DescribeListenerAttributesInput,
) -> Result<model::DescribeListenerAttributesOutput, Refusal> {
    let listener = region.world.load_balancers.listener(&listeners::arn(input.listener_arn)?)?;
    Ok(model::DescribeListenerAttributesOutput { attributes: show_listener(&listener.attributes) })
}

fn modify_listener(
    region: &mut Region,
    _call: &Call,
    input: model::ModifyListenerAttributesInput,
) -> Result<model::ModifyListenerAttributesOutput, Refusal> {
    let listener = region.world.load_balancers.listener_mut(&listeners::arn(input.listener_arn)?)?;
    listener.attributes.set(&read_listener(input.attributes))?;
    Ok(model::ModifyListenerAttributesOutput { attributes: show_listener(&listener.attributes) })
}
