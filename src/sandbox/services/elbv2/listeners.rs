//! Listeners: what a load balancer listens on, and what it does when no rule fits.

use super::balancers::arn as balancer_arn;
use super::target_groups::protocol;
use super::{actions, model, not_reproduced, port, tags};
use crate::engine::Refusal;
use crate::engine::load_balancers::{ArnKind, Listener, Protocol};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn register(operations: &mut Operations) {
    operations.on(
        "CreateListener",
        "Adds a listener to a load balancer; those with a certificate are refused.",
        &["LoadBalancerArn", "Protocol", "Port", "DefaultActions", "Tags"],
        create,
    );
    operations.on(
        "DescribeListeners",
        "Lists listeners, by ARN or by load balancer.",
        &["LoadBalancerArn", "ListenerArns", "Marker", "PageSize"],
        describe,
    );
    operations.on(
        "ModifyListener",
        "Changes a listener; what the request leaves out stays.",
        &["ListenerArn", "Port", "Protocol", "DefaultActions"],
        modify,
    );
    operations.on("DeleteListener", "Deletes a listener and its rules.", &["ListenerArn"], delete);
}

fn plain(name: &str) -> Result<Protocol, Refusal> {
    match protocol(name)? {
        Protocol::Https | Protocol::Tls => {
            Err(not_reproduced(&format!("The protocol {name}, which needs a certificate,")))
        }
        other => Ok(other),
    }
}

fn create(
    region: &mut Region,
    call: &Call,
    input: model::CreateListenerInput,
) -> Result<model::CreateListenerOutput, Refusal> {
    let balancer = balancer_arn(input.load_balancer_arn)?;
    region.world.load_balancers.balancer(&balancer)?;
    let needed = |what: &str| Refusal::validation(format!("A listener {what} must be specified"));
    let protocol = plain(&input.protocol.ok_or_else(|| needed("protocol"))?)?;
    let port = port(input.port.ok_or_else(|| needed("port"))?)?;
    let actions = actions::read(input.default_actions.unwrap_or_default())?;
    let tags = tags::read(input.tags)?;
    let shown = region.world.with_load_balancers(call.now, |balancers, _| {
        balancers.create_listener(&balancer, protocol, port, actions, tags).map(show)
    })?;
    Ok(model::CreateListenerOutput { listeners: Some(vec![shown]) })
}

fn show(listener: &Listener) -> model::Listener {
    model::Listener {
        listener_arn: Some(listener.arn.clone()),
        load_balancer_arn: Some(listener.balancer.clone()),
        port: Some(listener.port.into()),
        protocol: Some(listener.protocol.name().into()),
        default_actions: Some(actions::show(&listener.default_actions)),
        ..Default::default()
    }
}

fn describe(
    region: &mut Region,
    _call: &Call,
    input: model::DescribeListenersInput,
) -> Result<model::DescribeListenersOutput, Refusal> {
    let balancers = &region.world.load_balancers;
    let arns = input.listener_arns.unwrap_or_default();
    if arns.is_empty() == input.load_balancer_arn.is_none() {
        return Err(Refusal::validation("You must specify either listener ARNs or a load balancer ARN"));
    }
    for arn in &arns {
        ArnKind::Listener.check(arn)?;
        balancers.listener(arn)?;
    }
    if let Some(arn) = &input.load_balancer_arn {
        ArnKind::Balancer.check(arn)?;
        balancers.balancer(arn)?;
    }
    let wanted = |listener: &&Listener| {
        (arns.is_empty() || arns.contains(&listener.arn))
            && input.load_balancer_arn.as_ref().is_none_or(|arn| listener.balancer == *arn)
    };
    let found = balancers.listeners().filter(wanted).map(|listener| (listener.arn.clone(), listener));
    let (page, next_marker) = super::cut(found, input.marker.as_deref(), input.page_size)?;
    Ok(model::DescribeListenersOutput { listeners: Some(page.into_iter().map(show).collect()), next_marker })
}

fn modify(
    region: &mut Region,
    call: &Call,
    input: model::ModifyListenerInput,
) -> Result<model::ModifyListenerOutput, Refusal> {
    let arn = arn(input.listener_arn)?;
    region.world.load_balancers.listener(&arn)?;
    let protocol = input.protocol.as_deref().map(plain).transpose()?;
    let port = input.port.map(port).transpose()?;
    let actions = input.default_actions.filter(|actions| !actions.is_empty()).map(actions::read).transpose()?;
    let shown = region.world.with_load_balancers(call.now, |balancers, _| {
        balancers.modify_listener(&arn, protocol, port, actions).map(show)
    })?;
    Ok(model::ModifyListenerOutput { listeners: Some(vec![shown]) })
}

fn delete(
    region: &mut Region,
    call: &Call,
    input: model::DeleteListenerInput,
) -> Result<model::DeleteListenerOutput, Refusal> {
    let arn = arn(input.listener_arn)?;
    region.world.with_load_balancers(call.now, |balancers, _| balancers.delete_listener(&arn))?;
    Ok(model::DeleteListenerOutput {})
}

/// The request's listener.
pub(super) fn arn(arn: Option<String>) -> Result<String, Refusal> {
    let arn = arn.unwrap_or_default();
    ArnKind::Listener.check(&arn).map(|()| arn)
}
