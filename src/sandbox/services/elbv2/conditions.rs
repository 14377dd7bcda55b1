//! Conditions of rules, between the service model and the engine.

use super::{model, not_reproduced};
use crate::engine::Refusal;
use crate::engine::load_balancers::Condition;

/// # Errors
/// `InvalidParameterCombination` for regular expressions, which are not reproduced.
pub fn read(conditions: Vec<model::RuleCondition>) -> Result<Vec<Condition>, Refusal> {
    conditions.into_iter().map(read_one).collect()
}

fn read_one(condition: model::RuleCondition) -> Result<Condition, Refusal> {
    let regular = |values: Option<Vec<String>>| match values.is_some_and(|values| !values.is_empty()) {
        true => Err(not_reproduced("RegexValues of Conditions")),
        false => Ok(()),
    };
    regular(condition.regex_values)?;
    let mut found = Condition {
        field: condition.field.unwrap_or_default(),
        header: None,
        values: condition.values.unwrap_or_default(),
        pairs: Vec::new(),
        brief: true,
    };
    found.brief = !found.values.is_empty();
    if let Some(config) = condition.host_header_config {
        regular(config.regex_values)?;
        found.values.extend(config.values.unwrap_or_default());
    }
    if let Some(config) = condition.path_pattern_config {
        regular(config.regex_values)?;
        found.values.extend(config.values.unwrap_or_default());
    }
    if let Some(config) = condition.http_header_config {
        regular(config.regex_values)?;
        found.header = config.http_header_name;
        found.values.extend(config.values.unwrap_or_default());
    }
    if let Some(config) = condition.query_string_config {
        let pairs = config.values.unwrap_or_default().into_iter();
        found.pairs = pairs.map(|pair| (pair.key, pair.value.unwrap_or_default())).collect();
    }
    if let Some(config) = condition.http_request_method_config {
        found.values.extend(config.values.unwrap_or_default());
    }
    if let Some(config) = condition.source_ip_config {
        found.values.extend(config.values.unwrap_or_default());
    }
    Ok(found)
}

/// AWS shows host and path conditions both ways, whichever way they came.
pub fn show(conditions: &[Condition]) -> Vec<model::RuleCondition> {
    conditions.iter().map(show_one).collect()
}

fn show_one(condition: &Condition) -> model::RuleCondition {
    let values = || Some(condition.values.clone());
    let shown = model::RuleCondition { field: Some(condition.field.clone()), ..Default::default() };
    match condition.field.as_str() {
        "host-header" => model::RuleCondition {
            values: values(),
            host_header_config: Some(model::HostHeaderConditionConfig { values: values(), ..Default::default() }),
            ..shown
        },
        "path-pattern" => model::RuleCondition {
            values: values(),
            path_pattern_config: Some(model::PathPatternConditionConfig { values: values(), ..Default::default() }),
            ..shown
        },
        "http-header" => model::RuleCondition {
            http_header_config: Some(model::HttpHeaderConditionConfig {
                http_header_name: condition.header.clone(),
                values: values(),
                ..Default::default()
            }),
            ..shown
        },
        "query-string" => {
            let pair = |(key, value): &(Option<String>, String)| model::QueryStringKeyValuePair {
                key: key.clone(),
                value: Some(value.clone()),
            };
            let pairs = condition.pairs.iter().map(pair).collect();
            model::RuleCondition {
                query_string_config: Some(model::QueryStringConditionConfig { values: Some(pairs) }),
                ..shown
            }
        }
        "http-request-method" => model::RuleCondition {
            http_request_method_config: Some(model::HttpRequestMethodConditionConfig { values: values() }),
            ..shown
        },
        _ => model::RuleCondition {
            source_ip_config: Some(model::SourceIpConditionConfig { values: values(), ..Default::default() }),
            ..shown
        },
    }
}
