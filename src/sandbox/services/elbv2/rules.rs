//! Rules of an application load balancer's listeners.

use super::listeners::arn as listener_arn;
use super::{actions, conditions, model, not_reproduced, number, tags};
use crate::engine::Refusal;
use crate::engine::load_balancers::{ArnKind, Listener, Rule};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

pub fn register(operations: &mut Operations) {
    operations.on(
        "CreateRule",
        "Adds a rule to a listener of an application load balancer. There are no requests that it could route.",
        &["ListenerArn", "Conditions", "Priority", "Actions", "Tags"],
        create,
    );
    operations.on(
        "DescribeRules",
        "Lists rules, by ARN or by listener, the default one last.",
        &["ListenerArn", "RuleArns", "Marker", "PageSize"],
        describe,
    );
    operations.on(
        "ModifyRule",
        "Changes a rule; what the request leaves out stays.",
        &["RuleArn", "Conditions", "Actions"],
        modify,
    );
    operations.on("DeleteRule", "Deletes a rule.", &["RuleArn"], delete);
    operations.on("SetRulePriorities", "Moves rules to other priorities.", &["RulePriorities"], set_priorities);
}

fn create(region: &mut Region, call: &Call, input: model::CreateRuleInput) -> Result<model::CreateRuleOutput, Refusal> {
    let listener = listener_arn(input.listener_arn)?;
    let priority = number("Priority", input.priority.unwrap_or_default())?;
    let conditions = conditions::read(input.conditions.unwrap_or_default())?;
    let actions = actions::read(input.actions.unwrap_or_default())?;
    let tags = tags::read(input.tags)?;
    let shown = region.world.with_load_balancers(call.now, |balancers, _| {
        let rule = balancers.create_rule(&listener, priority, conditions, actions, tags)?;
        Ok(show(priority, rule))
    })?;
    Ok(model::CreateRuleOutput { rules: Some(vec![shown]) })
}

fn show(priority: u32, rule: &Rule) -> model::Rule {
    model::Rule {
        rule_arn: Some(rule.arn.clone()),
        priority: Some(priority.to_string()),
        conditions: Some(conditions::show(&rule.conditions)),
        actions: Some(actions::show(&rule.actions)),
        is_default: Some(false),
        ..Default::default()
    }
}

fn show_default(listener: &Listener) -> model::Rule {
    model::Rule {
        rule_arn: Some(listener.default_rule_arn.clone()),
        priority: Some("default".into()),
        conditions: Some(Vec::new()),
        actions: Some(actions::show(&listener.default_actions)),
        is_default: Some(true),
        ..Default::default()
    }
}

/// A listener's rules, the default one last, each with a name by which they are in order.
fn rules_of(listener: &Listener) -> impl Iterator<Item = (String, model::Rule)> {
    let place = |priority: &u32| format!("{} {priority:05}", listener.arn);
    let rules = listener.rules.iter().map(move |(priority, rule)| (place(priority), show(*priority, rule)));
    rules.chain([(format!("{} default", listener.arn), show_default(listener))])
}

fn describe(
    region: &mut Region,
    _call: &Call,
    input: model::DescribeRulesInput,
) -> Result<model::DescribeRulesOutput, Refusal> {
    let balancers = &region.world.load_balancers;
    let arns = input.rule_arns.unwrap_or_default();
    if arns.is_empty() == input.listener_arn.is_none() {
        return Err(Refusal::validation("You must specify either listener rule ARNs or a listener ARN"));
    }
    if let Some(arn) = &input.listener_arn {
        ArnKind::Listener.check(arn)?;
        balancers.listener(arn)?;
    }
    for arn in &arns {
        ArnKind::Rule.check(arn)?;
        if !balancers.listeners().any(|listener| listener.default_rule_arn == *arn) {
            balancers.rule(arn)?;
        }
    }
    let named = |rule: &model::Rule| rule.rule_arn.as_ref().is_some_and(|arn| arns.contains(arn));
    let of_listener = |listener: &&Listener| input.listener_arn.as_ref().is_none_or(|arn| listener.arn == *arn);
    let found = balancers.listeners().filter(of_listener).flat_map(rules_of);
    let found = found.filter(|(_, rule)| arns.is_empty() || named(rule));
    let (rules, next_marker) = super::cut(found, input.marker.as_deref(), input.page_size)?;
    Ok(model::DescribeRulesOutput { rules: Some(rules), next_marker })
}

fn modify(region: &mut Region, call: &Call, input: model::ModifyRuleInput) -> Result<model::ModifyRuleOutput, Refusal> {
    let arn = arn(input.rule_arn)?;
    let given = |list: &Vec<model::RuleCondition>| !list.is_empty();
    let conditions = input.conditions.filter(given).map(conditions::read).transpose()?;
    let actions = input.actions.filter(|actions| !actions.is_empty()).map(actions::read).transpose()?;
    region.world.with_load_balancers(call.now, |balancers, _| balancers.modify_rule(&arn, conditions, actions))?;
    Ok(model::ModifyRuleOutput { rules: Some(shown(region, &[arn])) })
}

/// The rules of these ARNs, in their order.
fn shown(region: &Region, arns: &[String]) -> Vec<model::Rule> {
    let show = |arn: &String| {
        let (listener, rule) = region.world.load_balancers.rule(arn).ok()?;
        let (priority, _) = listener.rules.iter().find(|(_, other)| other.arn == rule.arn)?;
        Some(show(*priority, rule))
    };
    arns.iter().filter_map(show).collect()
}

fn delete(region: &mut Region, call: &Call, input: model::DeleteRuleInput) -> Result<model::DeleteRuleOutput, Refusal> {
    let arn = arn(input.rule_arn)?;
    region.world.with_load_balancers(call.now, |balancers, _| balancers.delete_rule(&arn))?;
    Ok(model::DeleteRuleOutput {})
}

fn set_priorities(
    region: &mut Region,
    call: &Call,
    input: model::SetRulePrioritiesInput,
) -> Result<model::SetRulePrioritiesOutput, Refusal> {
    let read = |pair: model::RulePriorityPair| {
        let priority = pair.priority.ok_or_else(|| not_reproduced("RulePriorities without a priority"))?;
        Ok((arn(pair.rule_arn)?, number("Priority", priority)?))
    };
    let wanted = input.rule_priorities.unwrap_or_default().into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    region.world.with_load_balancers(call.now, |balancers, _| balancers.set_rule_priorities(&wanted))?;
    let arns: Vec<String> = wanted.into_iter().map(|(arn, _)| arn).collect();
    Ok(model::SetRulePrioritiesOutput { rules: Some(shown(region, &arns)) })
}

fn arn(arn: Option<String>) -> Result<String, Refusal> {
    let arn = arn.unwrap_or_default();
    ArnKind::Rule.check(&arn).map(|()| arn)
}
