//! Listeners: what a load balancer listens on, and what it does when no rule fits.

use super::balancers::arn as balancer_arn;
use super::target_groups::protocol;
use super::{actions, model, not_reproduced, port, tags};
use crate::engine::Refusal;
use crate::engine::load_balancers::{ArnKind, Listener, Protocol, TlsRequest};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn register(operations: &mut Operations) {
    operations.on(
        "CreateListener",
        "Adds a listener to a load balancer; certificates and policies are taken by their form.",
        &[
            "LoadBalancerArn",
            "Protocol",
            "Port",
            "SslPolicy",
            "Certificates",
            "DefaultActions",
            "AlpnPolicy",
            "Tags",
            "MutualAuthentication",
        ],
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
        &[
            "ListenerArn",
            "Port",
            "Protocol",
            "SslPolicy",
            "Certificates",
            "DefaultActions",
            "AlpnPolicy",
            "MutualAuthentication",
        ],
        modify,
    );
    operations.on(
        "DescribeListenerCertificates",
        "Lists a listener's certificates, the default one first.",
        &["ListenerArn", "Marker", "PageSize"],
        describe_certificates,
    );
    operations.on(
        "AddListenerCertificates",
        "Adds certificates beside a listener's default one.",
        &["ListenerArn", "Certificates"],
        add_certificates,
    );
    operations.on(
        "RemoveListenerCertificates",
        "Takes certificates from a listener, but not its default one.",
        &["ListenerArn", "Certificates"],
        remove_certificates,
    );
    operations.on("DeleteListener", "Deletes a listener and its rules.", &["ListenerArn"], delete);
}

/// What the request says of TLS. What would check clients is refused.
fn tls(policy: Option<String>, certificates: Option<Vec<model::Certificate>>, alpn: Option<Vec<String>>) -> TlsRequest {
    let arns = |given: Vec<model::Certificate>| given.into_iter().filter_map(|one| one.certificate_arn).collect();
    TlsRequest { policy, certificates: certificates.map(arns), alpn: alpn.and_then(|names| names.into_iter().next()) }
}

/// # Errors
/// Clients that have to show a certificate: nobody connects.
fn refuse_mutual(asked: Option<model::MutualAuthenticationAttributes>) -> Result<(), Refusal> {
    match asked.and_then(|mutual| mutual.mode).as_deref() {
        None | Some("off") => Ok(()),
        Some(_) => Err(not_reproduced("MutualAuthentication")),
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
    let protocol = protocol(&input.protocol.ok_or_else(|| needed("protocol"))?)?;
    refuse_mutual(input.mutual_authentication)?;
    let tls = tls(input.ssl_policy, input.certificates, input.alpn_policy);
    let port = port(input.port.ok_or_else(|| needed("port"))?)?;
    let actions = actions::read(input.default_actions.unwrap_or_default())?;
    let tags = tags::read(input.tags)?;
    let shown = region.world.with_load_balancers(call.now, |balancers, _| {
        balancers.create_listener(&balancer, protocol, tls, port, actions, tags).map(show)
    })?;
    Ok(model::CreateListenerOutput { listeners: Some(vec![shown]) })
}

fn certificate(arn: &str, is_default: Option<bool>) -> model::Certificate {
    model::Certificate { certificate_arn: Some(arn.to_string()), is_default }
}

fn show(listener: &Listener) -> model::Listener {
    let tls = listener.tls.as_ref();
    model::Listener {
        listener_arn: Some(listener.arn.clone()),
        load_balancer_arn: Some(listener.balancer.clone()),
        port: Some(listener.port.into()),
        protocol: Some(listener.protocol.name().into()),
        certificates: tls.map(|tls| vec![certificate(&tls.certificate, None)]),
        ssl_policy: tls.map(|tls| tls.policy.clone()),
        alpn_policy: tls.and_then(|tls| tls.alpn.clone()).map(|name| vec![name]),
        mutual_authentication: (listener.protocol == Protocol::Https)
            .then(|| model::MutualAuthenticationAttributes { mode: Some("off".into()), ..Default::default() }),
        default_actions: Some(actions::show(&listener.default_actions)),
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
    let protocol = input.protocol.as_deref().map(protocol).transpose()?;
    refuse_mutual(input.mutual_authentication)?;
    let tls = tls(input.ssl_policy, input.certificates, input.alpn_policy);
    let port = input.port.map(port).transpose()?;
    let actions = input.default_actions.filter(|actions| !actions.is_empty()).map(actions::read).transpose()?;
    let shown = region.world.with_load_balancers(call.now, |balancers, _| {
        balancers.modify_listener(&arn, protocol, tls, port, actions).map(show)
    })?;
    Ok(model::ModifyListenerOutput { listeners: Some(vec![shown]) })
}

fn describe_certificates(
    region: &mut Region,
    _call: &Call,
    input: model::DescribeListenerCertificatesInput,
) -> Result<model::DescribeListenerCertificatesOutput, Refusal> {
    let found = region.world.load_balancers.listener(&arn(input.listener_arn)?)?;
    let tls = found.tls.iter();
    let all = tls.flat_map(|tls| {
        let more = tls.more.iter().map(|arn| certificate(arn, Some(false)));
        std::iter::once(certificate(&tls.certificate, Some(true))).chain(more)
    });
    let numbered = all.enumerate().map(|(number, one)| (format!("{number:03}"), one));
    let (page, next_marker) = super::cut(numbered, input.marker.as_deref(), input.page_size)?;
    Ok(model::DescribeListenerCertificatesOutput { certificates: Some(page), next_marker })
}

/// The ARNs of the certificates that a request names.
fn named(certificates: Option<Vec<model::Certificate>>) -> Vec<String> {
    certificates.unwrap_or_default().into_iter().filter_map(|one| one.certificate_arn).collect()
}

fn add_certificates(
    region: &mut Region,
    _call: &Call,
    input: model::AddListenerCertificatesInput,
) -> Result<model::AddListenerCertificatesOutput, Refusal> {
    let (arn, wanted) = (arn(input.listener_arn)?, named(input.certificates));
    region.world.load_balancers.add_certificates(&arn, &wanted)?;
    let shown = wanted.iter().map(|arn| certificate(arn, Some(false))).collect();
    Ok(model::AddListenerCertificatesOutput { certificates: Some(shown) })
}

fn remove_certificates(
    region: &mut Region,
    _call: &Call,
    input: model::RemoveListenerCertificatesInput,
) -> Result<model::RemoveListenerCertificatesOutput, Refusal> {
    let (arn, unwanted) = (arn(input.listener_arn)?, named(input.certificates));
    region.world.load_balancers.remove_certificates(&arn, &unwanted)?;
    Ok(model::RemoveListenerCertificatesOutput {})
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
