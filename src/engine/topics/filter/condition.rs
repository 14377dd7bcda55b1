//! One value in a filter policy: a literal, or an operator with its operand. Start at [`Condition`].

use std::net::IpAddr;

use serde_json::Value;

use crate::engine::topics::json::{Node, Token, Wrong};
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
    pub fn parse(value: &Token) -> Result<Self, Wrong> {
        match &value.node {
            Node::Array(_) => Err(value.wrong("Match value must be String, number, true, false, or null")),
            Node::Object(members) => {
                let (operator, operand) = only_member(value, members)?;
                operation(operator, operand)
            }
            Node::Leaf(literal) => Ok(Self::Exactly(literal.clone())),
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

fn only_member<'a>(object: &Token, members: &'a [(String, Token)]) -> Result<(&'a str, &'a Token), Wrong> {
    match members {
        [(name, value)] => Ok((name, value)),
        // AWS stops at the second key, and has then read into its value.
        [_, (_, second), ..] => Err(second.wrong("Only one key allowed in match expression")),
        [] => Err(Wrong::at("Only one key allowed in match expression", object.end)),
    }
}

fn operation(operator: &str, operand: &Token) -> Result<Condition, Wrong> {
    let text = || {
        let wrong = || operand.wrong(format!("{operator} match pattern must be a string"));
        operand.as_str().map(str::to_string).ok_or_else(wrong)
    };
    match operator {
        "prefix" => text().map(Condition::Prefix),
        "suffix" => text().map(Condition::Suffix),
        "equals-ignore-case" => text().map(Condition::EqualsIgnoreCase),
        "wildcard" => text().map(Condition::Wildcard),
        "cidr" => cidr(operand).map_err(|reason| operand.wrong(reason)),
        "numeric" => numeric(operand).map(Condition::Numeric),
        "anything-but" => anything_but(operand).map(Condition::AnythingBut),
        "exists" => {
            let wanted = operand.leaf().and_then(Value::as_bool).map(Condition::Exists);
            wanted.ok_or_else(|| operand.wrong("exists match pattern must be either true or false."))
        }
        other => Err(operand.wrong(format!("Unrecognized match type {other}"))),
    }
}

fn cidr(operand: &Token) -> Result<Condition, String> {
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

fn anything_but(operand: &Token) -> Result<Vec<Condition>, Wrong> {
    let wrong = || operand.wrong("Value of anything-but must be an array or single string/number value.");
    match &operand.node {
        Node::Leaf(value @ (Value::String(_) | Value::Number(_))) => Ok(vec![Condition::Exactly(value.clone())]),
        Node::Array(items) => {
            let values: Vec<&Value> = items.iter().filter_map(Token::leaf).collect();
            let alike = values.iter().all(|value| value.is_string()) || values.iter().all(|value| value.is_number());
            match (values.len() == items.len() && alike, items.is_empty()) {
                (_, true) => Err(wrong()),
                (true, false) => Ok(values.into_iter().cloned().map(Condition::Exactly).collect()),
                (false, false) => Err(operand.wrong(
                    "Inside anything but list, either all values are number or string, mixed type is not supported",
                )),
            }
        }
        Node::Object(members) => match only_member(operand, members)? {
            (operator @ ("prefix" | "equals-ignore-case" | "wildcard"), operand) => {
                operation(operator, operand).map(|condition| vec![condition])
            }
            // Also `suffix`, which stands alone but not in here (recorded).
            (operator, operand) => Err(operand.wrong(format!("Unsupported anything-but pattern: {operator}"))),
        },
        Node::Leaf(_) => Err(wrong()),
    }
}

/// AWS reads the list from left to right and stops at the first thing that does not fit.
fn numeric(operand: &Token) -> Result<Vec<(Comparison, f64)>, Wrong> {
    let Node::Array(terms) = &operand.node else { return Err(operand.wrong("Value of numeric must be an array.")) };
    // Where the reader stands with a term, or with the bracket after the last.
    let at = |place: usize| terms.get(place).map_or(operand.end, |term| term.seen);
    let Some(first) = terms.first() else { return Err(Wrong::at("Invalid member in numeric match: ]", at(0))) };
    let Some(operator) = first.as_str() else {
        return Err(Wrong::at(format!("Invalid member in numeric match: {}", first.text()), at(0)));
    };
    let unknown = || Wrong::at(format!("Unrecognized numeric range operator: {operator}"), at(1));
    let comparison = Comparison::parse(operator).ok_or_else(unknown)?;
    let number = |place: usize, operator: &str| {
        let name = if operator == "=" { "equals" } else { operator };
        let number = terms.get(place).and_then(Token::leaf).and_then(Value::as_f64);
        number.ok_or_else(|| Wrong::at(format!("Value of {name} must be numeric"), at(place)))
    };
    let bound = number(1, operator)?;
    let Some(second) = terms.get(2) else { return Ok(vec![(comparison, bound)]) };
    if !matches!(comparison, Comparison::Greater | Comparison::GreaterOrEqual) {
        return Err(Wrong::at("Too many elements in numeric expression", at(2)));
    }
    let Some(operator) = second.as_str() else {
        return Err(Wrong::at(format!("Bad value in numeric range: {}", second.text()), at(2)));
    };
    let upper = match Comparison::parse(operator) {
        Some(upper @ (Comparison::Less | Comparison::LessOrEqual)) => upper,
        _ => return Err(Wrong::at(format!("Bad numeric range operator: {operator}"), second.end)),
    };
    let top = number(3, operator)?;
    match () {
        () if bound >= top => Err(Wrong::at("Bottom must be less than top", at(4))),
        () if terms.len() > 4 => Err(Wrong::at("Too many terms in numeric range expression", at(4))),
        () => Ok(vec![(comparison, bound), (upper, top)]),
    }
}
