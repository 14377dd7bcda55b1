//! Actions of listeners and rules, between the service model and the engine.

use super::{model, not_reproduced};
use crate::engine::Refusal;
use crate::engine::load_balancers::{Action, Routing};

/// # Errors
/// `ValidationError` for an action without what its type needs; `InvalidParameterCombination` for one that is not
/// reproduced.
pub fn read(actions: Vec<model::Action>) -> Result<Vec<Action>, Refusal> {
    actions.into_iter().map(read_one).collect()
}

fn read_one(action: model::Action) -> Result<Action, Refusal> {
    let order = action.order;
    let needed = |what: &str| Refusal::validation(format!("{what} must be specified for this type of action"));
    let routing = match action.r#type.as_deref().unwrap_or_default() {
        "forward" => forward(action.target_group_arn, action.forward_config)?,
        "redirect" => redirect(action.redirect_config.ok_or_else(|| needed("A redirect configuration"))?)?,
        "fixed-response" => {
            let config = action.fixed_response_config.ok_or_else(|| needed("A fixed response configuration"))?;
            Routing::FixedResponse {
                status: config.status_code.unwrap_or_default(),
                content_type: config.content_type,
                body: config.message_body,
            }
        }
        other => return Err(not_reproduced(&format!("The action type {other}"))),
    };
    Ok(Action { order, routing })
}

fn forward(one: Option<String>, config: Option<model::ForwardActionConfig>) -> Result<Routing, Refusal> {
    let config = config.unwrap_or_default();
    let to = config.target_groups.unwrap_or_default().into_iter();
    let mut to: Vec<(String, i64)> =
        to.map(|tuple| (tuple.target_group_arn.unwrap_or_default(), tuple.weight.unwrap_or(1))).collect();
    match one {
        Some(arn) if to.is_empty() => to.push((arn, 1)),
        Some(arn) if to.len() > 1 || to[0].0 != arn => {
            let text =
                "You can only specify a target group ARN beside a forward configuration with the same target group";
            return Err(Refusal::validation(text));
        }
        _ => {}
    }
    let sticky = config.target_group_stickiness_config.unwrap_or_default();
    Ok(Routing::Forward { to, sticky: sticky.enabled.unwrap_or(false), sticky_secs: sticky.duration_seconds })
}

fn redirect(config: model::RedirectActionConfig) -> Result<Routing, Refusal> {
    let usual = |value: Option<String>, usual: &str| value.unwrap_or_else(|| usual.to_string());
    let routing = Routing::Redirect {
        protocol: usual(config.protocol, "#{protocol}"),
        port: usual(config.port, "#{port}"),
        host: usual(config.host, "#{host}"),
        path: usual(config.path, "/#{path}"),
        query: usual(config.query, "#{query}"),
        status: config.status_code.unwrap_or_default(),
    };
    match &routing {
        Routing::Redirect { protocol, port, host, path, .. }
            if protocol == "#{protocol}" && port == "#{port}" && host == "#{host}" && path == "/#{path}" =>
        {
            let text = "A redirect must change at least one of protocol, host, port and path, or it would loop";
            Err(crate::engine::load_balancers::invalid_configuration(text))
        }
        _ => Ok(routing),
    }
}

pub fn show(actions: &[Action]) -> Vec<model::Action> {
    actions.iter().map(show_one).collect()
}

fn show_one(action: &Action) -> model::Action {
    let shown = model::Action { order: action.order, ..Default::default() };
    match &action.routing {
        Routing::Forward { to, sticky, sticky_secs } => {
            let tuple = |(arn, weight): &(String, i64)| model::TargetGroupTuple {
                target_group_arn: Some(arn.clone()),
                weight: Some(*weight),
            };
            let stickiness =
                model::TargetGroupStickinessConfig { enabled: Some(*sticky), duration_seconds: *sticky_secs };
            let only = match to.as_slice() {
                [(arn, _)] => Some(arn.clone()),
                _ => None,
            };
            model::Action {
                r#type: Some("forward".into()),
                target_group_arn: only,
                forward_config: Some(model::ForwardActionConfig {
                    target_groups: Some(to.iter().map(tuple).collect()),
                    target_group_stickiness_config: Some(stickiness),
                }),
                ..shown
            }
        }
        Routing::Redirect { protocol, port, host, path, query, status } => model::Action {
            r#type: Some("redirect".into()),
            redirect_config: Some(model::RedirectActionConfig {
                protocol: Some(protocol.clone()),
                port: Some(port.clone()),
                host: Some(host.clone()),
                path: Some(path.clone()),
                query: Some(query.clone()),
                status_code: Some(status.clone()),
            }),
            ..shown
        },
        Routing::FixedResponse { status, content_type, body } => model::Action {
            r#type: Some("fixed-response".into()),
            fixed_response_config: Some(model::FixedResponseActionConfig {
                message_body: body.clone(),
                status_code: Some(status.clone()),
                content_type: content_type.clone(),
            }),
            ..shown
        },
    }
}
