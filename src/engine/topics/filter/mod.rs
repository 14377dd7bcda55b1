//! Filter policies: which messages a subscription wants.
//!
//! A policy names keys and, per key, the values it takes: any value of a key suffices, every key must be satisfied,
//! and `$or` makes alternatives. [`FilterPolicy::parse`] checks a policy as AWS does when it is set;
//! [`FilterPolicy::matches_attributes`] and [`FilterPolicy::matches_body`] judge a message. AWS may take up to 15
//! minutes to act on a changed policy ([`MAX_PROPAGATION`]); here it acts at once. Start at [`FilterPolicy`].

mod condition;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::json::{Node, Place, Token, Wrong, read};
use super::message::MessageAttribute;
pub use condition::Condition;

/// How long AWS may take until every message is judged by a changed policy (developer guide, "Message filtering").
pub const MAX_PROPAGATION: Duration = Duration::from_secs(15 * 60);

/// Of AWS: top-level keys of one policy (developer guide, "Filter policy constraints").
const MAX_KEYS: usize = 5;
/// Of AWS: values of all keys multiplied, each key's count times its depth (same page).
const MAX_COMBINATIONS: usize = 150;

/// What a filter policy looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Scope {
    #[default]
    MessageAttributes,
    MessageBody,
}

impl Scope {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "MessageAttributes" => Some(Self::MessageAttributes),
            "MessageBody" => Some(Self::MessageBody),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::MessageAttributes => "MessageAttributes",
            Self::MessageBody => "MessageBody",
        }
    }
}

/// A checked filter policy: alternatives, each a list of dotted keys with the conditions on them.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterPolicy {
    alternatives: Vec<Vec<(String, Vec<Condition>)>>,
}

impl FilterPolicy {
    /// # Errors
    /// What AWS says, as it stands after `Invalid parameter: ` (or `Invalid parameter: Attributes Reason: `).
    pub fn parse(text: &str, scope: Scope) -> Result<Self, String> {
        let document = read(text).map_err(|wrong| format!("FilterPolicy: failed to parse JSON. {wrong}"))?;
        let Some(keys) = document.members() else { return Err("FilterPolicy: Filter is not an object".into()) };
        let mut walk = Walk::default();
        let alternatives =
            walk.keys(keys, "", 1, vec![Vec::new()]).map_err(|error| format!("FilterPolicy: {error}"))?;
        if scope == Scope::MessageAttributes && walk.nested {
            let text = "Filter policy scope MessageAttributes does not support nested filter policy";
            return Err(text.into());
        }
        if keys.len() > MAX_KEYS {
            return Err(format!("FilterPolicy: Filter policy can not have more than {MAX_KEYS} keys"));
        }
        if combinations(keys, 1, 1) > MAX_COMBINATIONS {
            return Err("FilterPolicy: Filter policy is too complex".into());
        }
        Ok(Self { alternatives })
    }

    /// Whether a message with these attributes is wanted.
    pub fn matches_attributes(&self, attributes: &BTreeMap<String, MessageAttribute>) -> bool {
        let found = attributes.iter().map(|(name, attribute)| (name.clone(), values_of(attribute))).collect();
        self.matches(&found)
    }

    /// Whether a message with this body is wanted. A body that is no JSON object is not.
    pub fn matches_body(&self, body: &str) -> bool {
        match serde_json::from_str(body) {
            Ok(Value::Object(members)) => self.matches_object(&members),
            _ => false,
        }
    }

    /// Like [`FilterPolicy::matches_body`], for a body that is parsed already.
    pub fn matches_object(&self, members: &Map<String, Value>) -> bool {
        let mut found = BTreeMap::new();
        members.iter().for_each(|(name, value)| flatten(name, value, &mut found));
        self.matches(&found)
    }

    fn matches(&self, found: &BTreeMap<String, Vec<Value>>) -> bool {
        self.alternatives.iter().any(|keys| {
            keys.iter().all(|(key, conditions)| {
                let values = found.get(key);
                conditions.iter().any(|condition| condition.holds(values.map(Vec::as_slice)))
            })
        })
    }
}

/// What an attribute says: an array's elements, else its one value. Binary values cannot be filtered on.
fn values_of(attribute: &MessageAttribute) -> Vec<Value> {
    match attribute.base_type() {
        "Number" => attribute.value.parse::<f64>().ok().map(Value::from).into_iter().collect(),
        "String" if attribute.data_type == "String.Array" => match serde_json::from_str(&attribute.value) {
            Ok(Value::Array(values)) => values,
            Ok(single) => vec![single],
            Err(_) => Vec::new(),
        },
        "String" => vec![Value::from(attribute.value.as_str())],
        _ => Vec::new(),
    }
}

/// A body's leaves under dotted keys. AWS compares flattened keys: `{"a.b": 1}` and `{"a": {"b": 1}}` are one.
fn flatten(key: &str, value: &Value, found: &mut BTreeMap<String, Vec<Value>>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| flatten(&format!("{key}.{name}"), value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| flatten(key, item, found)),
        leaf => found.entry(key.to_string()).or_default().push(leaf.clone()),
    }
}

/// Collects the alternatives of a policy and notes whether any key is nested.
#[derive(Default)]
struct Walk {
    nested: bool,
}

type Alternatives = Vec<Vec<(String, Vec<Condition>)>>;

impl Walk {
    fn keys(
        &mut self,
        keys: &[(String, Token)],
        parent: &str,
        depth: usize,
        mut so_far: Alternatives,
    ) -> Result<Alternatives, Wrong> {
        for (name, value) in keys {
            let path = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
            so_far = match &value.node {
                Node::Array(choices) if is_or(name, choices) => self.choices(choices, parent, depth, &so_far)?,
                Node::Array(values) => {
                    let conditions = conditions(values, value.end)?;
                    so_far.iter_mut().for_each(|keys| keys.push((path.clone(), conditions.clone())));
                    so_far
                }
                Node::Object(members) if members.is_empty() => {
                    return Err(Wrong::at("Empty objects are not allowed", value.end));
                }
                Node::Object(members) => {
                    self.nested = true;
                    self.keys(members, &path, depth + 1, so_far)?
                }
                Node::Leaf(_) => return Err(value.wrong(format!("\"{name}\" must be an object or an array"))),
            };
        }
        Ok(so_far)
    }

    fn choices(
        &mut self,
        choices: &[Token],
        parent: &str,
        depth: usize,
        so_far: &Alternatives,
    ) -> Result<Alternatives, Wrong> {
        let mut all = Vec::new();
        for choice in choices.iter().filter_map(Token::members) {
            all.extend(self.keys(choice, parent, depth, so_far.clone())?);
        }
        Ok(all)
    }
}

/// `$or` means alternatives when it holds two or more objects; otherwise it is a key like any other.
fn is_or(name: &str, choices: &[Token]) -> bool {
    name == "$or" && choices.len() > 1 && choices.iter().all(|choice| choice.members().is_some())
}

fn conditions(values: &[Token], end: Place) -> Result<Vec<Condition>, Wrong> {
    if values.is_empty() {
        return Err(Wrong::at("Empty arrays are not allowed", end));
    }
    values.iter().map(Condition::parse).collect()
}

fn combinations(keys: &[(String, Token)], depth: usize, so_far: usize) -> usize {
    keys.iter().fold(so_far, |so_far, (name, value)| match &value.node {
        Node::Array(choices) if is_or(name, choices) => {
            choices.iter().filter_map(Token::members).map(|choice| combinations(choice, depth, so_far)).sum()
        }
        Node::Array(values) => so_far.saturating_mul(values.len()).saturating_mul(depth),
        Node::Object(members) => combinations(members, depth + 1, so_far),
        Node::Leaf(_) => so_far,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attributes as a JSON object: strings, numbers and arrays.
    fn attributes(message: &str) -> BTreeMap<String, MessageAttribute> {
        let members: Map<String, Value> = serde_json::from_str(message).unwrap();
        let attribute = |value: &Value| match value {
            Value::String(text) => MessageAttribute { data_type: "String".into(), value: text.clone() },
            Value::Number(number) => MessageAttribute { data_type: "Number".into(), value: number.to_string() },
            other => MessageAttribute { data_type: "String.Array".into(), value: other.to_string() },
        };
        members.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
    }

    fn check(scope: Scope, policy: &str, rows: &[(&str, bool)]) {
        let filter = FilterPolicy::parse(policy, scope).unwrap();
        for (message, wanted) in rows {
            let found = match scope {
                Scope::MessageAttributes => filter.matches_attributes(&attributes(message)),
                Scope::MessageBody => filter.matches_body(message),
            };
            assert_eq!(found, *wanted, "{policy} on {message}");
        }
    }

    #[test]
    fn values_are_alternatives_and_keys_are_demands() {
        let scope = Scope::MessageAttributes;
        check(
            scope,
            r#"{"sport": ["rugby", "tennis"]}"#,
            &[
                (r#"{"sport": "rugby"}"#, true),
                (r#"{"sport": ["golf", "tennis"]}"#, true),
                (r#"{"sport": "golf"}"#, false),
                (r#"{"other": "rugby"}"#, false),
            ],
        );
        check(
            scope,
            r#"{"sport": ["rugby"], "price": [{"numeric": [">", 100]}]}"#,
            &[
                (r#"{"sport": "rugby", "price": 101}"#, true),
                (r#"{"sport": "rugby", "price": 100}"#, false),
                (r#"{"sport": "golf", "price": 200}"#, false),
                (r#"{"sport": "rugby"}"#, false),
            ],
        );
        check(
            scope,
            r#"{"source": ["a"], "$or": [{"x": ["1"]}, {"y": ["2"]}]}"#,
            &[
                (r#"{"source": "a", "x": "1"}"#, true),
                (r#"{"source": "a", "y": "2"}"#, true),
                (r#"{"source": "a", "y": "1"}"#, false),
                (r#"{"x": "1"}"#, false),
            ],
        );
        check(scope, "{}", &[("{}", true), (r#"{"any": "thing"}"#, true)]);
    }

    #[test]
    fn every_operator_judges_as_documented() {
        let scope = Scope::MessageAttributes;
        check(
            scope,
            r#"{"k": [{"prefix": "bas"}]}"#,
            &[(r#"{"k": "basketball"}"#, true), (r#"{"k": "rugby"}"#, false)],
        );
        check(scope, r#"{"k": [{"suffix": "ball"}]}"#, &[(r#"{"k": "baseball"}"#, true), (r#"{"k": "rugby"}"#, false)]);
        check(
            scope,
            r#"{"k": [{"equals-ignore-case": "Tennis"}]}"#,
            &[(r#"{"k": "tENNIS"}"#, true), (r#"{"k": "x"}"#, false)],
        );
        check(
            scope,
            r#"{"k": [{"wildcard": "*ball"}]}"#,
            &[(r#"{"k": "football"}"#, true), (r#"{"k": "ballet"}"#, false)],
        );
        check(
            scope,
            r#"{"k": [{"anything-but": ["rugby", "tennis"]}]}"#,
            &[
                (r#"{"k": "baseball"}"#, true),
                (r#"{"k": ["rugby", "baseball"]}"#, true),
                (r#"{"k": ["rugby"]}"#, false),
                (r#"{"k": "tennis"}"#, false),
                ("{}", false),
            ],
        );
        check(
            scope,
            r#"{"k": [{"anything-but": {"prefix": "bas"}}]}"#,
            &[(r#"{"k": "rugby"}"#, true), (r#"{"k": "baseball"}"#, false)],
        );
        check(
            scope,
            r#"{"k": [{"anything-but": [100, 500]}]}"#,
            &[
                (r#"{"k": 100.1}"#, true),
                (r#"{"k": 100}"#, false),
                (r#"{"k": 100.0}"#, false),
                (r#"{"k": [100, 50]}"#, true),
            ],
        );
        check(scope, r#"{"k": [100.123456789]}"#, &[(r#"{"k": 100.1234567}"#, true), (r#"{"k": 100.1236}"#, false)]);
        check(scope, r#"{"k": [{"numeric": ["=", 301.5]}]}"#, &[(r#"{"k": 3.015e2}"#, true), (r#"{"k": 300}"#, false)]);
        check(
            scope,
            r#"{"k": [{"numeric": [">", 0, "<=", 150]}]}"#,
            &[
                (r#"{"k": 0.01}"#, true),
                (r#"{"k": 150}"#, true),
                (r#"{"k": 0}"#, false),
                (r#"{"k": 151}"#, false),
                (r#"{"k": "15"}"#, false),
            ],
        );
        check(scope, r#"{"k": [{"exists": true}]}"#, &[(r#"{"k": "x"}"#, true), ("{}", false)]);
        check(scope, r#"{"k": [{"exists": false}]}"#, &[(r#"{"k": "x"}"#, false), (r#"{"o": ["x"]}"#, true)]);
        check(
            scope,
            r#"{"k": [{"cidr": "10.0.0.0/24"}]}"#,
            &[(r#"{"k": "10.0.0.255"}"#, true), (r#"{"k": "10.0.1.0"}"#, false), (r#"{"k": "10.0.0"}"#, false)],
        );
        check(
            scope,
            r#"{"k": [{"cidr": "2001:db8::/32"}]}"#,
            &[(r#"{"k": "2001:db8::1"}"#, true), (r#"{"k": "2001:db9::1"}"#, false)],
        );
        // Recorded: a message without the attribute is wanted neither by null nor by anything-but.
        check(scope, r#"{"k": [null, {"anything-but": "whatever"}]}"#, &[("{}", false), (r#"{"k": "x"}"#, true)]);
    }

    #[test]
    fn the_body_is_matched_at_any_depth() {
        let scope = Scope::MessageBody;
        check(
            scope,
            r#"{"headers": {"route-to": ["queue2"]}}"#,
            &[
                (r#"{"headers": {"route-to": ["queue1", "queue2"]}}"#, true),
                (r#"{"headers": {"route-to": "queue2"}}"#, true),
                (r#"{"headers.route-to": "queue2"}"#, true),
                (r#"{"headers": {"route-to": ["queue1"]}}"#, false),
                ("queue2", false),
                (r#"["queue2"]"#, false),
            ],
        );
        check(
            scope,
            r#"{"on": [false], "n": [null], "i": [5]}"#,
            &[(r#"{"on": false, "n": null, "i": 5.0}"#, true), (r#"{"on": true, "n": null, "i": 5}"#, false)],
        );
    }

    fn refuse(policy: &str, expected: &str) {
        assert_eq!(FilterPolicy::parse(policy, Scope::MessageAttributes), Err(expected.to_string()), "{policy}");
    }

    fn refuse_at(policy: &str, expected: &str, column: usize) {
        let source = "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)";
        refuse(policy, &format!("FilterPolicy: {expected}\n at [Source: {source}; line: 1, column: {column}]"));
    }

    /// Texts and columns as AWS answered in May 2024; how it writes the source is of October 2025.
    #[test]
    fn a_wrong_policy_is_refused_in_awss_words() {
        for (policy, expected, column) in [
            (r#"{"key":[["value"]]}"#, "Match value must be String, number, true, false, or null", 10),
            (r#"{"key":[{"wrong":true}]}"#, "Unrecognized match type wrong", 22),
            (r#"{"key":[{"suffix":"value","prefix":"value2"}]}"#, "Only one key allowed in match expression", 37),
            (r#"{"key":[{"suffix":100}]}"#, "suffix match pattern must be a string", 22),
            (r#"{"key":[{"suffix":null}]}"#, "suffix match pattern must be a string", 23),
            (r#"{"key":[{"suffix":[]}]}"#, "suffix match pattern must be a string", 20),
            (r#"{"key":{"suffix":"value"}}"#, "\"suffix\" must be an object or an array", 19),
            (r#"{"key_a":"value_one"}"#, "\"key_a\" must be an object or an array", 11),
            (r#"{"key":[{"exists":null}]}"#, "exists match pattern must be either true or false.", 23),
            (r#"{"key":[{"exists":"no"}]}"#, "exists match pattern must be either true or false.", 20),
            (
                r#"{"key":[{"anything-but":{"wrong-operator":null}}]}"#,
                "Unsupported anything-but pattern: wrong-operator",
                47,
            ),
            (r#"{"key":[{"anything-but":{"suffix":"test"}}]}"#, "Unsupported anything-but pattern: suffix", 36),
            (r#"{"key":[{"anything-but":{"exists":false}}]}"#, "Unsupported anything-but pattern: exists", 40),
            (r#"{"key":[{"anything-but":{"prefix":false}}]}"#, "prefix match pattern must be a string", 40),
        ] {
            refuse_at(policy, expected, column);
        }
        for (numeric, expected, column) in [
            (r#"[]"#, "Invalid member in numeric match: ]", 22),
            (r#"["operator"]"#, "Unrecognized numeric range operator: operator", 32),
            (r#"[1,"<="]"#, "Invalid member in numeric match: 1", 22),
            (r#"["=","000"]"#, "Value of equals must be numeric", 26),
            (r#"[">="]"#, "Value of >= must be numeric", 26),
            (r#"["<",100,">",10]"#, "Too many elements in numeric expression", 30),
            (r#"[">=",1,">",2]"#, "Bad numeric range operator: >", 31),
            (r#"[">",3,"<",1]"#, "Bottom must be less than top", 33),
            (r#"[">",20,"<="]"#, "Value of <= must be numeric", 33),
            (r#"[">",20,30]"#, "Bad value in numeric range: 30", 30),
            (r#"[">",20,"test"]"#, "Bad numeric range operator: test", 34),
            (r#"[">","20","<","30"]"#, "Value of > must be numeric", 26),
            (r#"[">",20,"<","30"]"#, "Value of < must be numeric", 33),
            (r#"[">",20,"<",30,"<",50]"#, "Too many terms in numeric range expression", 36),
        ] {
            refuse_at(&format!(r#"{{"key":[{{"numeric":{numeric}}}]}}"#), expected, column);
        }
        refuse_at(r#"{"key":[]}"#, "Empty arrays are not allowed", 10);
        refuse(r#"{"a":{"b":["c"]}}"#, "Filter policy scope MessageAttributes does not support nested filter policy");
    }

    #[test]
    fn a_policy_may_have_five_keys_and_a_hundred_and_fifty_combinations() {
        let list = |count: usize| serde_json::to_string(&(0..count).collect::<Vec<_>>()).unwrap();
        let keys = |count: usize| {
            let keys: Vec<String> = (0..count).map(|key| format!("\"k{key}\":[1]")).collect();
            format!("{{{}}}", keys.join(","))
        };
        let verdict = |policy: &str| FilterPolicy::parse(policy, Scope::MessageBody).map(|_| ());
        let complex = Err("FilterPolicy: Filter policy is too complex".to_string());
        assert_eq!(verdict(&keys(5)), Ok(()));
        assert_eq!(verdict(&keys(6)), Err("FilterPolicy: Filter policy can not have more than 5 keys".into()));
        assert_eq!(verdict(&format!(r#"{{"k":{}}}"#, list(150))), Ok(()));
        assert_eq!(verdict(&format!(r#"{{"k":{}}}"#, list(151))), complex);
        assert_eq!(verdict(&format!(r#"{{"a":{},"b":{}}}"#, list(16), list(10))), complex);
        // Three levels times four values times two levels times three values: 72, the guide's own example.
        assert_eq!(verdict(&format!(r#"{{"a":{{"b":{{"c":{}}}}},"d":{{"e":{}}}}}"#, list(4), list(3))), Ok(()));
        assert_eq!(verdict(&format!(r#"{{"a":{{"b":{{"c":{}}}}},"d":{{"e":{}}}}}"#, list(9), list(3))), complex);
        assert_eq!(verdict(&format!(r#"{{"$or":[{{"a":{}}},{{"b":{}}}]}}"#, list(100), list(51))), complex);
    }
}
