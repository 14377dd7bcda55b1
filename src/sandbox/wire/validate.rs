//! Input held to its model before a handler sees it: required members, enums, lengths and ranges.
//! Patterns are not checked here; the services check the names that matter to them.

use super::shape::{Kind, Rules, Service, Shape};
use super::value::Value;
use crate::engine::Refusal;

/// Checks `input` and answers as the service does when it does not hold.
///
/// # Errors
/// The refusal for everything that is wrong, or for the first thing where that is AWS's way.
pub fn check(service: &Service, shape: &'static Shape, input: &Value) -> Result<(), Refusal> {
    let mut found = Vec::new();
    walk(shape, input, "", &mut found);
    let Some(first) = found.first() else { return Ok(()) };
    Err(match service.name {
        "ec2" => ec2(first),
        _ => {
            let word = if found.len() == 1 { "error" } else { "errors" };
            let list: Vec<String> = found.iter().map(Broken::sentence).collect();
            Refusal::validation(format!("{} validation {word} detected: {}", found.len(), list.join("; ")))
        }
    })
}

/// Writes values of enumerations as the model does. Chosen for EC2: AWS's documentation says nothing of case, and clients that
/// write `ALLOW` or `interface` (moto's tests among them) mean the value that there is. Names of attributes are taken as they
/// are: EC2 knows no `InstanceType` where it has an `instanceType`.
pub fn spell(shape: &'static Shape, value: &mut Value) {
    match (shape.kind, value) {
        (Kind::Structure(members), Value::Structure(given)) => {
            for (name, value) in given.iter_mut().filter(|(name, _)| *name != "Attribute") {
                if let Some(member) = members.iter().find(|member| member.name == *name) {
                    spell(member.shape, value);
                }
            }
        }
        (Kind::List { of, .. }, Value::List(items)) => items.iter_mut().for_each(|item| spell(of, item)),
        (Kind::String, Value::String(text)) => {
            let mut known = shape.rules.values.iter();
            if let Some(same) = known.find(|known| known.eq_ignore_ascii_case(text)) {
                *text = (*same).to_string();
            }
        }
        _ => {}
    }
}

enum Constraint {
    NotNull,
    Enum(&'static [&'static str]),
    AtLeast(i64),
    AtMost(i64),
    LengthAtLeast(i64),
    LengthAtMost(i64),
}

struct Broken {
    at: String,
    value: Option<String>,
    constraint: Constraint,
}

impl Broken {
    /// As AWS's services phrase it.
    fn sentence(&self) -> String {
        let value = self.value.as_ref().map_or("null".into(), |value| format!("'{value}'"));
        let must = match self.constraint {
            Constraint::NotNull => "Member must not be null".into(),
            Constraint::Enum(values) => format!("Member must satisfy enum value set: [{}]", values.join(", ")),
            Constraint::AtLeast(min) => format!("Member must have value greater than or equal to {min}"),
            Constraint::AtMost(max) => format!("Member must have value less than or equal to {max}"),
            Constraint::LengthAtLeast(min) => format!("Member must have length greater than or equal to {min}"),
            Constraint::LengthAtMost(max) => format!("Member must have length less than or equal to {max}"),
        };
        format!("Value {value} at '{}' failed to satisfy constraint: {must}", self.at)
    }
}

fn ec2(broken: &Broken) -> Refusal {
    match broken.constraint {
        Constraint::NotNull if broken.at == "instanceIds" => {
            Refusal::new("InvalidParameterCombination", 400, "No instances specified")
        }
        Constraint::NotNull => {
            // EC2 calls the list by its own name.
            let name = if broken.at == "resources" { "resourceIdSet" } else { &broken.at };
            Refusal::new("MissingParameter", 400, format!("The request must contain the parameter {name}"))
        }
        Constraint::Enum(_) if broken.at == "attribute" => {
            let value = broken.value.as_deref().unwrap_or_default();
            let message = format!("Value ({value}) for parameter attribute is invalid. Unknown attribute.");
            Refusal::new("InvalidParameterValue", 400, message)
        }
        Constraint::Enum(_) if broken.at.ends_with("member.resourceType") => {
            let value = broken.value.as_deref().unwrap_or_default();
            let message = format!("'{value}' is not a valid taggable resource type for this operation.");
            Refusal::new("InvalidParameterValue", 400, message)
        }
        _ => {
            let value = broken.value.as_deref().unwrap_or_default();
            Refusal::new("InvalidParameterValue", 400, format!("Invalid value '{value}' for {}", broken.at))
        }
    }
}

fn walk(shape: &'static Shape, value: &Value, at: &str, found: &mut Vec<Broken>) {
    match (shape.kind, value) {
        (Kind::Structure(members), Value::Structure(given)) => {
            for member in members {
                let path = path(at, member.name);
                match given.iter().find(|(name, _)| *name == member.name) {
                    Some((_, value)) => walk(member.shape, value, &path, found),
                    None if member.required => {
                        found.push(Broken { at: path, value: None, constraint: Constraint::NotNull })
                    }
                    None => {}
                }
            }
        }
        (Kind::List { of, .. }, Value::List(items)) => {
            length(shape.rules, items.len(), || format!("{} elements", items.len()), at, found);
            for (nth, item) in items.iter().enumerate() {
                walk(of, item, &format!("{at}.{}.member", nth + 1), found);
            }
        }
        (Kind::Map { value: of, .. }, Value::Map(entries)) => {
            for (key, item) in entries {
                walk(of, item, &format!("{at}.{key}.member"), found);
            }
        }
        (Kind::String, Value::String(text)) => {
            let values = shape.rules.values;
            if !values.is_empty() && !values.contains(&text.as_str()) {
                found.push(Broken { at: at.into(), value: Some(text.clone()), constraint: Constraint::Enum(values) });
            }
            length(shape.rules, text.chars().count(), || text.clone(), at, found);
        }
        (_, Value::Integer(number)) => range(shape.rules, *number as f64, &number.to_string(), at, found),
        (_, Value::Double(number)) => range(shape.rules, *number, &number.to_string(), at, found),
        _ => {}
    }
}

/// AWS names members in lower camel case in these sentences.
fn path(at: &str, name: &str) -> String {
    let mut letters = name.chars();
    let lower: String = letters.next().map(|c| c.to_ascii_lowercase()).into_iter().chain(letters).collect();
    if at.is_empty() { lower } else { format!("{at}.{lower}") }
}

fn length(rules: Rules, length: usize, value: impl Fn() -> String, at: &str, found: &mut Vec<Broken>) {
    let length = length as i64;
    if let Some(min) = rules.min.filter(|min| length < *min) {
        found.push(Broken { at: at.into(), value: Some(value()), constraint: Constraint::LengthAtLeast(min) });
    }
    if let Some(max) = rules.max.filter(|max| length > *max) {
        found.push(Broken { at: at.into(), value: Some(value()), constraint: Constraint::LengthAtMost(max) });
    }
}

fn range(rules: Rules, number: f64, text: &str, at: &str, found: &mut Vec<Broken>) {
    if let Some(min) = rules.min.filter(|min| number < *min as f64) {
        found.push(Broken { at: at.into(), value: Some(text.into()), constraint: Constraint::AtLeast(min) });
    }
    if let Some(max) = rules.max.filter(|max| number > *max as f64) {
        found.push(Broken { at: at.into(), value: Some(text.into()), constraint: Constraint::AtMost(max) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ec2_takes_enumerations_in_any_case_and_names_of_attributes_as_they_are() {
        let spelled = |operation: &str, member: &'static str, text: &str| {
            let shape = crate::sandbox::models::ec2::SERVICE.operation(operation).unwrap().input;
            let mut value = Value::Structure(vec![(member, Value::String(text.into()))]);
            spell(shape, &mut value);
            value
        };
        let is = |member: &'static str, text: &str| Value::Structure(vec![(member, Value::String(text.into()))]);
        assert_eq!(spelled("CreateVpcEndpoint", "VpcEndpointType", "interface"), is("VpcEndpointType", "Interface"));
        assert_eq!(spelled("CreateNetworkAclEntry", "RuleAction", "ALLOW"), is("RuleAction", "allow"));
        assert_eq!(spelled("DescribeInstanceAttribute", "Attribute", "InstanceType"), is("Attribute", "InstanceType"));
    }
}
