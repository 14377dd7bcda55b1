//! Input held to its model before a handler sees it: required members, enums, lengths, ranges and, where AWS names them in
//! its refusals, patterns.

use super::pattern;
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
    found.retain(
        |broken| !matches!(broken.constraint, Constraint::Pattern { of, .. } if !tells_pattern(service.name, of)),
    );
    let Some(first) = found.first() else { return Ok(()) };
    Err(match service.name {
        "ec2" => ec2(first),
        "sns" if matches!(first.constraint, Constraint::NotNull) && !first.at.contains('.') => {
            let text =
                format!("Invalid parameter: {} Reason: no value for required parameter", name_of(shape, &first.at));
            Refusal::new("InvalidParameter", 400, text)
        }
        "sqs" if matches!(first.constraint, Constraint::NotNull) && !first.at.contains('.') => {
            let text = format!("The request must contain the parameter {}.", name_of(shape, &first.at));
            Refusal::new("MissingParameter", 400, text)
        }
        name => {
            let word = if found.len() == 1 { "error" } else { "errors" };
            let list: Vec<String> = found.iter().map(|broken| broken.sentence(name)).collect();
            let code = if matches!(name, "kms" | "ssm") { "ValidationException" } else { "ValidationError" };
            Refusal::new(code, 400, format!("{} validation {word} detected: {}", found.len(), list.join("; ")))
        }
    })
}

/// Whether AWS's refusal names the pattern that a value of this shape does not match. Otherwise the service has words of its
/// own, and its handlers check what matters to them.
fn tells_pattern(service: &str, shape: &str) -> bool {
    match service {
        "autoscaling" | "kms" | "ssm" | "sts" => true,
        // Of names and paths IAM says in words what they may contain.
        "iam" => ["tagKeyType", "tagValueType"].contains(&shape),
        _ => false,
    }
}

/// The model's own name of a member that stands in [`Broken::at`].
fn name_of(shape: &Shape, at: &str) -> &'static str {
    let Kind::Structure(members) = shape.kind else { return "" };
    members.iter().find(|member| path("", member.name) == at).map_or("", |member| member.name)
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
    Pattern { pattern: &'static str, of: &'static str },
}

struct Broken {
    at: String,
    value: Option<String>,
    constraint: Constraint,
}

impl Broken {
    /// As AWS's services phrase it. IAM does not repeat the value (recorded in 2026).
    fn sentence(&self, service: &str) -> String {
        let value = match (&self.value, service) {
            (_, "iam") => String::new(),
            (Some(value), _) => format!(" '{value}'"),
            (None, _) => " null".into(),
        };
        let must = match self.constraint {
            Constraint::NotNull => "Member must not be null".into(),
            Constraint::Enum(values) => format!("Member must satisfy enum value set: [{}]", values.join(", ")),
            Constraint::AtLeast(min) => format!("Member must have value greater than or equal to {min}"),
            Constraint::AtMost(max) => format!("Member must have value less than or equal to {max}"),
            Constraint::LengthAtLeast(min) => format!("Member must have length greater than or equal to {min}"),
            Constraint::LengthAtMost(max) => format!("Member must have length less than or equal to {max}"),
            Constraint::Pattern { pattern, .. } => format!("Member must satisfy regular expression pattern: {pattern}"),
        };
        format!("Value{value} at '{}' failed to satisfy constraint: {must}", self.at)
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
        // ModifyVpcTenancy takes one tenancy only, and has a code of its own for the others.
        Constraint::Enum(["default"]) if broken.at == "instanceTenancy" => {
            let value = broken.value.as_deref().unwrap_or_default();
            Refusal::new("UnsupportedTenancy", 400, format!("The tenancy value {value} is not supported."))
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
            let (pattern, of) = (shape.rules.pattern, shape.name);
            if !pattern.is_empty() && !pattern::matches(pattern, text) {
                let constraint = Constraint::Pattern { pattern, of };
                found.push(Broken { at: at.into(), value: Some(text.clone()), constraint });
            }
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
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;
    use crate::engine::groups::Timing;
    use crate::sandbox::universe::Universe;

    #[test]
    fn a_refusal_names_the_pattern_where_awss_does() {
        let check = |service: &str, operation: &str, input: serde_json::Value, expected: Option<&str>| {
            let mut universe = Universe::new("123456789012", 1, Timing::Instant);
            let now = Timestamp::from_secs(1_800_000_000);
            let answer = universe.call(now, "eu-west-1", service, operation, input);
            let told = answer.err().map(|refusal| refusal.message).filter(|text| text.contains("regular expression"));
            assert_eq!(told.as_deref(), expected, "{service}:{operation}");
        };
        // As users published it.
        let text = "1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must \
                     satisfy regular expression pattern: [\\w+=,.@-]*";
        let role = "arn:aws:iam::123456789012:role/r";
        check("sts", "AssumeRole", json!({"RoleArn": role, "RoleSessionName": "a b"}), Some(text));
        check("sts", "AssumeRole", json!({"RoleArn": role, "RoleSessionName": "a@b"}), None);
        let alias = |name: &str| json!({"AliasName": name, "TargetKeyId": "1234abcd-12ab-34cd-56ef-1234567890ab"});
        let text = "1 validation error detected: Value 'alias/a b' at 'aliasName' failed to satisfy constraint: Member must \
                    satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$";
        check("kms", "CreateAlias", alias("alias/a b"), Some(text));
        check("kms", "CreateAlias", alias("alias/a-b"), None);
        // IAM says it in words.
        check("iam", "GetRole", json!({"RoleName": "a b"}), None);
    }

    #[test]
    fn ec2_has_codes_of_its_own_for_some_values() {
        let mut universe = Universe::new("123456789012", 1, Timing::Instant);
        let mut call = |operation: &str, input: serde_json::Value| {
            universe.call(Timestamp::from_secs(1_800_000_000), "eu-west-1", "ec2", operation, input)
        };
        let vpc = call("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"})).unwrap()["Vpc"]["VpcId"].clone();
        let gateway = call("CreateInternetGateway", json!({})).unwrap()["InternetGateway"]["InternetGatewayId"].clone();
        let of = |kind: &str, tags: serde_json::Value| {
            let specification = json!({"ResourceType": kind, "Tags": tags});
            json!({"VpcId": vpc, "CidrBlock": "10.0.0.0/24", "TagSpecifications": [specification]})
        };
        let tag = json!([{"Key": "k", "Value": "v"}]);
        let volume = json!({"Size": 1, "AvailabilityZone": "eu-west-1a",
            "TagSpecifications": [{"ResourceType": "subnet", "Tags": tag}]});
        let detach = json!({"InternetGatewayId": gateway, "VpcId": "vpc-0123456789abcdef0"});
        let tenancy = |text: &str| json!({"VpcId": vpc, "InstanceTenancy": text});
        for (operation, input, code) in [
            ("ModifyVpcTenancy", tenancy("dedicated"), "UnsupportedTenancy"),
            ("ModifyVpcTenancy", tenancy("default"), ""),
            ("CreateVpc", json!({"CidrBlock": "10.0.0.0/16", "InstanceTenancy": "none"}), "InvalidParameterValue"),
            ("CreateSubnet", of("snapshot", tag.clone()), "InvalidParameter"),
            ("CreateSubnet", of("subnet", json!([])), "InvalidParameter"),
            ("CreateVolume", volume, "InvalidParameterValue"),
            ("DetachInternetGateway", detach, "Gateway.NotAttached"),
        ] {
            let told = call(operation, input.clone()).err().map(|refusal| refusal.code).unwrap_or_default();
            assert_eq!(told, code, "{operation} {input}");
        }
    }

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
