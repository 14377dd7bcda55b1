//! Contributor Insights rules: kept, listed, switched on and off. No log is read, so that no report is given.

use serde::{Deserialize, Serialize};

use super::{model, offset, page, pairs_of_tags};
use crate::engine::Refusal;
use crate::engine::alarms::{Tags, check_tags};
use crate::sandbox::operations::{Call, Operations};
use crate::sandbox::region::Region;

/// Of AWS: what DescribeInsightRules gives at most (API Reference).
const RULES_PER_PAGE: i64 = 500;
const STATES: [&str; 2] = ["ENABLED", "DISABLED"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InsightRule {
    definition: String,
    enabled: bool,
    pub(super) tags: Tags,
}

pub fn register(operations: &mut Operations) {
    operations.on(
        "PutInsightRule",
        "Creates or replaces a Contributor Insights rule, which is kept and not run.",
        &["RuleName", "RuleState", "RuleDefinition", "Tags"],
        put_insight_rule,
    );
    operations.view("DescribeInsightRules", "Lists rules.", &["NextToken", "MaxResults"], describe_insight_rules);
    operations.on(
        "DeleteInsightRules",
        "Deletes rules and says which are not there.",
        &["RuleNames"],
        delete_insight_rules,
    );
    operations.on(
        "EnableInsightRules",
        "Enables rules and says which are not there.",
        &["RuleNames"],
        enable_insight_rules,
    );
    operations.on(
        "DisableInsightRules",
        "Disables rules and says which are not there.",
        &["RuleNames"],
        disable_insight_rules,
    );
}

/// The schema of a definition as AWS shows it: `CloudWatchLogRule/1` (recorded).
fn schema(definition: &str) -> Option<String> {
    let parsed: serde_json::Value = serde_json::from_str(definition).ok()?;
    let schema = parsed.get("Schema")?;
    let name = schema.as_str().or_else(|| schema.get("Name")?.as_str())?;
    let version = schema.get("Version").and_then(serde_json::Value::as_i64).unwrap_or(1);
    Some(format!("{name}/{version}"))
}

fn put_insight_rule(
    region: &mut Region,
    _call: &Call,
    input: model::PutInsightRuleInput,
) -> Result<model::PutInsightRuleOutput, Refusal> {
    let refused = |text: &str| Err(Refusal::new("InvalidParameterValue", 400, text));
    let (name, definition) = (input.rule_name.unwrap_or_default(), input.rule_definition.unwrap_or_default());
    let state = input.rule_state.unwrap_or_else(|| STATES[0].to_string());
    if !STATES.contains(&state.as_str()) {
        return refused("The parameter RuleState must be a value in the set [ ENABLED, DISABLED ].");
    }
    if schema(&definition).is_none() {
        return refused("The parameter RuleDefinition must be a JSON object with a Schema.");
    }
    let present = region.cloudwatch.insight_rules.get(&name).map(|rule| rule.tags.clone());
    // Tags of a rule that exists stay as they are (API Reference, PutInsightRule).
    let tags = present.unwrap_or_else(|| pairs_of_tags(input.tags));
    check_tags(&tags)?;
    region.cloudwatch.insight_rules.insert(name, InsightRule { definition, enabled: state == STATES[0], tags });
    Ok(model::PutInsightRuleOutput {})
}

fn describe_insight_rules(
    region: &Region,
    input: model::DescribeInsightRulesInput,
) -> Result<model::DescribeInsightRulesOutput, Refusal> {
    let shown = |(name, rule): (&String, &InsightRule)| model::InsightRule {
        name: Some(name.clone()),
        state: Some(STATES[usize::from(!rule.enabled)].to_string()),
        schema: schema(&rule.definition),
        definition: Some(rule.definition.clone()),
        managed_rule: Some(false),
        apply_on_transformed_logs: None,
    };
    let size = input.max_results.unwrap_or(RULES_PER_PAGE) as usize;
    let rules = region.cloudwatch.insight_rules.iter().map(shown);
    let (rules, next_token) = page(rules, offset(input.next_token.as_deref())?, size);
    Ok(model::DescribeInsightRulesOutput { next_token, insight_rules: Some(rules) })
}

/// Does `act` to each rule that is there; a failure for each that is not.
fn each(
    region: &mut Region,
    operation: &str,
    names: Option<Vec<String>>,
    act: impl Fn(&mut Region, &String),
) -> Vec<model::PartialFailure> {
    let mut failures = Vec::new();
    for name in names.unwrap_or_default() {
        if region.cloudwatch.insight_rules.contains_key(&name) {
            act(region, &name);
            continue;
        }
        failures.push(model::PartialFailure {
            failure_resource: Some(name),
            exception_type: Some("ResourceNotFoundException".into()),
            failure_code: Some("ResourceNotFoundException".into()),
            failure_description: Some(format!("{operation}: the rule does not exist")),
        });
    }
    failures
}

fn switch(enabled: bool) -> impl Fn(&mut Region, &String) {
    move |region, name| {
        if let Some(rule) = region.cloudwatch.insight_rules.get_mut(name) {
            rule.enabled = enabled;
        }
    }
}

fn delete_insight_rules(
    region: &mut Region,
    _call: &Call,
    input: model::DeleteInsightRulesInput,
) -> Result<model::DeleteInsightRulesOutput, Refusal> {
    let failures = each(region, "DeleteInsightRules", input.rule_names, |region, name| {
        region.cloudwatch.insight_rules.remove(name);
    });
    Ok(model::DeleteInsightRulesOutput { failures: Some(failures) })
}

fn enable_insight_rules(
    region: &mut Region,
    _call: &Call,
    input: model::EnableInsightRulesInput,
) -> Result<model::EnableInsightRulesOutput, Refusal> {
    let failures = each(region, "EnableInsightRules", input.rule_names, switch(true));
    Ok(model::EnableInsightRulesOutput { failures: Some(failures) })
}

fn disable_insight_rules(
    region: &mut Region,
    _call: &Call,
    input: model::DisableInsightRulesInput,
) -> Result<model::DisableInsightRulesOutput, Refusal> {
    let failures = each(region, "DisableInsightRules", input.rule_names, switch(false));
    Ok(model::DisableInsightRulesOutput { failures: Some(failures) })
}
