//! One value in a filter policy: a literal, or an operator with its operand. Start at [`Condition`].

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::engine::topics::policy::wildcard;

#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// String, number, boolean or null.
    Exactly(Value),
    Prefix(String),
    Suffix(String),
    EqualsIgnoreCase(String),
    Wildcard(String),
    Cidr(IpAddr, u8),
    /// Every operator with its bound must hold.
    Numeric(Vec<(Comparison, f64)>),
    /// None of these.
    AnythingBut(Vec<Condition>),
    Exists(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Condition {
    /// # Errors
    /// What AWS says of a value that is none, as it stands after `FilterPolicy: `.
    pub fn parse(value: &Value) -> Result<Self, String> {
        match value {
            Value::Array(_) => Err("Match value must be String, number, true, false, or null".into()),
            Value::Object(members) => {
                let (operator, operand) = only_member(members)?;
                operation(operator, operand)
            }
            literal => Ok(Self::Exactly(literal.clone())),
        }
    }

    /// Whether any value of a key satisfies it; `None` stands for a key that is not there.
    pub fn holds(&self, values: Option<&[Value]>) -> bool {
        match self {
            Self::Exists(wanted) => values.is_some() == *wanted,
            _ => values.unwrap_or_default().iter().any(|value| self.takes(value)),
        }
    }

    fn takes(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Exactly(wanted) => same(wanted, value),
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Self::EqualsIgnoreCase(wanted) => text.is_some_and(|text| text.to_lowercase() == wanted.to_lowercase()),
            Self::Wildcard(pattern) => text.is_some_and(|text| wildcard(&pattern.replace('?', "\u{0}"), text)),
            Self::Cidr(network, bits) => {
                text.and_then(|text| text.parse().ok()).is_some_and(|ip| in_network(ip, *network, *bits))
            }
            Self::Numeric(bounds) => {
                value.as_f64().is_some_and(|number| bounds.iter().all(|(how, bound)| how.holds(number, *bound)))
            }
            Self::AnythingBut(others) => !value.is_null() && !others.iter().any(|other| other.takes(value)),
            Self::Exists(wanted) => *wanted,
        }
    }
}

impl Comparison {
    fn parse(operator: &str) -> Option<Self> {
        Some(match operator {
            "=" => Self::Equal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds(self, number: f64, bound: f64) -> bool {
        let (number, bound) = (accurate(number), accurate(bound));
        match self {
            Self::Equal => number == bound,
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Greater => number > bound,
            Self::GreaterOrEqual => number >= bound,
        }
    }
}

/// Five digits past the decimal point count. Source: SNS Developer Guide, "Numeric value matching".
fn accurate(number: f64) -> f64 {
    (number * 1e5).round() / 1e5
}

/// `5` and `5.0` are one number.
fn same(wanted: &Value, found: &Value) -> bool {
    match (wanted.as_f64(), found.as_f64()) {
        (Some(wanted), Some(found)) => accurate(wanted) == accurate(found),
        _ => wanted == found,
    }
}

fn only_member(members: &Map<String, Value>) -> Result<(&str, &Value), String> {
    let mut members = members.iter();
    match (members.next(), members.next()) {
        (Some((name, value)), None) => Ok((name, value)),
        _ => Err("Only one key allowed in match expression".into()),
    }
}

fn operation(operator: &str, operand: &Value) -> Result<Condition, String> {
    let text =
        || operand.as_str().map(str::to_string).ok_or_else(|| format!("{operator} match pattern must be a string"));
    match operator {
        "prefix" => text().map(Condition::Prefix),
        "suffix" => text().map(Condition::Suffix),
        "equals-ignore-case" => text().map(Condition::EqualsIgnoreCase),
        "wildcard" => text().map(Condition::Wildcard),
        "cidr" => cidr(operand),
        "numeric" => numeric(operand).map(Condition::Numeric),
        "anything-but" => anything_but(operand).map(Condition::AnythingBut),
        "exists" => operand
            .as_bool()
            .map(Condition::Exists)
            .ok_or_else(|| "exists match pattern must be either true or false.".to_string()),
        other => Err(format!("Unrecognized match type {other}")),
    }
}

fn cidr(operand: &Value) -> Result<Condition, String> {
    let text = operand.as_str().ok_or("prefix match pattern must be a string")?;
    let malformed = || format!("Malformed CIDR, one '/' required: {text}");
    let (network, bits) = text.split_once('/').ok_or_else(malformed)?;
    let network: IpAddr = network.parse().map_err(|_| malformed())?;
    let bits: u8 = bits.parse().map_err(|_| malformed())?;
    let most = if network.is_ipv4() { 32 } else { 128 };
    if bits > most { Err(malformed()) } else { Ok(Condition::Cidr(network, bits)) }
}

fn in_network(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    let shifted = |value: u128, width: u32| value.checked_shr(width - u32::from(bits)).unwrap_or(0);
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            shifted(ip.to_bits().into(), 32) == shifted(network.to_bits().into(), 32)
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => shifted(ip.to_bits(), 128) == shifted(network.to_bits(), 128),
        _ => false,
    }
}

fn anything_but(operand: &Value) -> Result<Vec<Condition>, String> {
    let wrong = || "Value of anything-but must be an array or single string/number value.".to_string();
    match operand {
        Value::String(_) | Value::Number(_) => Ok(vec![Condition::Exactly(operand.clone())]),
        Value::Array(values) if values.is_empty() => Err(wrong()),
        Value::Array(values) if values.iter().all(Value::is_string) || values.iter().all(Value::is_number) => {
            Ok(values.iter().cloned().map(Condition::Exactly).collect())
        }
        Value::Array(_) => Err("Inside anything but list, either all values are number or string, mixed type is not \
                                supported"
            .into()),
        Value::Object(members) => match only_member(members)? {
            (operator @ ("prefix" | "suffix" | "equals-ignore-case" | "wildcard"), operand) => {
                operation(operator, operand).map(|condition| vec![condition])
            }
            (operator, _) => Err(format!("Unsupported anything-but pattern: {operator}")),
        },
        _ => Err(wrong()),
    }
}

/// AWS reads the list from left to right and stops at the first thing that does not fit.
fn numeric(operand: &Value) -> Result<Vec<(Comparison, f64)>, String> {
    let Value::Array(terms) = operand else { return Err("Value of numeric must be an array.".into()) };
    let first = match terms.first() {
        None => return Err("Invalid member in numeric match: ]".into()),
        Some(Value::String(operator)) => operator,
        Some(other) => return Err(format!("Invalid member in numeric match: {other}")),
    };
    let comparison = Comparison::parse(first).ok_or_else(|| format!("Unrecognized numeric range operator: {first}"))?;
    let bound = number(terms.get(1), first)?;
    match (comparison, terms.len()) {
        (_, 2) => Ok(vec![(comparison, bound)]),
        (Comparison::Greater | Comparison::GreaterOrEqual, _) => {
            let upper = upper_bound(&terms[2..], bound)?;
            Ok(vec![(comparison, bound), upper])
        }
        _ => Err("Too many elements in numeric expression".into()),
    }
}

fn upper_bound(terms: &[Value], bottom: f64) -> Result<(Comparison, f64), String> {
    let Value::String(operator) = &terms[0] else { return Err(format!("Bad value in numeric range: {}", terms[0])) };
    let comparison = match Comparison::parse(operator) {
        Some(comparison @ (Comparison::Less | Comparison::LessOrEqual)) => comparison,
        _ => return Err(format!("Bad numeric range operator: {operator}")),
    };
    let top = number(terms.get(1), operator)?;
    if bottom >= top {
        return Err("Bottom must be less than top".into());
    }
    if terms.len() > 2 {
        return Err("Too many terms in numeric range expression".into());
    }
    Ok((comparison, top))
}

fn number(term: Option<&Value>, operator: &str) -> Result<f64, String> {
    let name = if operator == "=" { "equals" } else { operator };
    term.and_then(Value::as_f64).ok_or_else(|| format!("Value of {name} must be numeric"))
}
