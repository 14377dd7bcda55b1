//! Query and EC2 Query input: `Filter.1.Value.2=x` pairs into a value, by shape.

use indexmap::IndexMap;

use super::shape::{Kind, Member, Shape};
use super::value::Value;
use crate::clock::Timestamp;
use base64::Engine as _;

/// Deeper keys than any model has are refused before they cost anything.
const DEEPEST: usize = 32;

/// A form's dotted keys as a tree.
#[derive(Debug, Default)]
pub struct Node {
    text: Option<String>,
    children: IndexMap<String, Node>,
}

/// A value that its shape cannot hold: where and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub at: String,
    pub because: String,
}

impl Node {
    pub fn from_pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut root = Node::default();
        for (key, text) in pairs.filter(|(key, _)| key.split('.').count() <= DEEPEST) {
            let leaf = key.split('.').fold(&mut root, |node, step| node.children.entry(step.to_string()).or_default());
            leaf.text = Some(text.to_string());
        }
        root
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.children.get(key)?.text.as_deref()
    }

    /// Reads this node as `shape`.
    ///
    /// # Errors
    /// [`Unreadable`] for a text that is no number, time, boolean or base64.
    pub fn decode(&self, shape: &'static Shape, at: &str) -> Result<Value, Unreadable> {
        match shape.kind {
            Kind::Structure(members) => self.structure(members, at),
            Kind::List { of, item, .. } => {
                let items = self.numbered(item).map(|(nth, node)| node.decode(of, &format!("{at}.{nth}")));
                items.collect::<Result<_, _>>().map(Value::List)
            }
            Kind::Map { value, key_name, value_name, item, .. } => {
                let mut map = IndexMap::new();
                for (nth, entry) in self.numbered(item) {
                    let key = entry.text(key_name).unwrap_or_default().to_string();
                    let empty = Node { text: Some(String::new()), ..Node::default() };
                    let node = entry.children.get(value_name).unwrap_or(&empty);
                    map.insert(key, node.decode(value, &format!("{at}.{nth}"))?);
                }
                Ok(Value::Map(map))
            }
            _ => scalar(shape, self.text.as_deref().unwrap_or_default(), at),
        }
    }

    fn structure(&self, members: &'static [Member], at: &str) -> Result<Value, Unreadable> {
        let mut found = Vec::new();
        for member in members {
            let Some(node) = self.child(member) else { continue };
            let path =
                if at.is_empty() { member.form_name().to_string() } else { format!("{at}.{}", member.form_name()) };
            found.push((member.name, node.decode(member.shape, &path)?));
        }
        Ok(Value::Structure(found))
    }

    /// A flattened list may stand under its elements' name instead of its own.
    fn child(&self, member: &Member) -> Option<&Node> {
        let flat_item = match member.shape.kind {
            Kind::List { item, flattened: true, .. } | Kind::Map { item, flattened: true, .. } => Some(item),
            _ => None,
        };
        self.children.get(member.form_name()).or_else(|| self.children.get(flat_item?))
    }

    /// The numbered children, in the order of their numbers, below an element named `item` or here.
    fn numbered(&self, item: &str) -> impl Iterator<Item = (u32, &Node)> {
        let holder = self.children.get(item).filter(|node| !node.children.is_empty()).unwrap_or(self);
        let mut found: Vec<(u32, &Node)> =
            holder.children.iter().filter_map(|(key, node)| Some((key.parse().ok()?, node))).collect();
        found.sort_by_key(|(nth, _)| *nth);
        found.into_iter()
    }
}

/// Reads a text as a scalar of `shape`.
fn scalar(shape: &Shape, text: &str, at: &str) -> Result<Value, Unreadable> {
    let unreadable = |what: &str| Unreadable { at: at.into(), because: format!("`{text}` is not {what}") };
    match shape.kind {
        Kind::Boolean => match text {
            "true" | "True" | "1" => Ok(Value::Bool(true)),
            "false" | "False" | "0" => Ok(Value::Bool(false)),
            _ => Err(unreadable("a boolean")),
        },
        Kind::Integer => text.trim().parse().map(Value::Integer).map_err(|_| unreadable("an integer")),
        Kind::Double => text.trim().parse().map(Value::Double).map_err(|_| unreadable("a number")),
        Kind::Timestamp => read_time(text).map(Value::Timestamp).ok_or_else(|| unreadable("a timestamp")),
        Kind::Blob => {
            base64::engine::general_purpose::STANDARD.decode(text).map(Value::Blob).map_err(|_| unreadable("base64"))
        }
        _ => Ok(Value::String(text.to_string())),
    }
}

/// ISO 8601 with or without a zone, or seconds since the epoch.
pub fn read_time(text: &str) -> Option<Timestamp> {
    let seconds = || text.parse::<f64>().ok().map(|secs| Timestamp::from_millis((secs * 1000.0).round() as i64));
    Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}Z"))).or_else(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::models::{sns, sqs};

    /// Forms as botocore writes them, whose models name the keys and values of some maps.
    #[test]
    fn a_maps_keys_and_values_go_by_the_models_names() {
        let check = |shape: &'static Shape, pairs: &[(&str, &str)], expected: &[(&str, Value)]| {
            let node = Node::from_pairs(pairs.iter().copied());
            let map = expected.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
            assert_eq!(node.decode(shape, ""), Ok(Value::Map(map)));
        };
        let attribute = |kind: &str, text: &str| {
            let (kind, text) = (Value::String(kind.into()), Value::String(text.into()));
            Value::Structure(vec![("DataType", kind), ("StringValue", text)])
        };
        let pairs =
            [("entry.1.Name", "store"), ("entry.1.Value.DataType", "String"), ("entry.1.Value.StringValue", "a")];
        check(&sns::MESSAGE_ATTRIBUTE_MAP, &pairs, &[("store", attribute("String", "a"))]);
        let pairs = [("entry.1.key", "DisplayName"), ("entry.1.value", "Ops")];
        check(&sns::TOPIC_ATTRIBUTES_MAP, &pairs, &[("DisplayName", Value::String("Ops".into()))]);
        let pairs = [("1.Name", "DelaySeconds"), ("1.Value", "5")];
        check(&sqs::QUEUE_ATTRIBUTE_MAP, &pairs, &[("DelaySeconds", Value::String("5".into()))]);
    }
}
