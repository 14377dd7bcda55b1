//! The spec's JSON Schema, and its words on single arguments. Start at [`json_schema`].

use serde_json::{Map, Value};

use super::arguments::Spec;
use super::problem::nearest;

/// The JSON Schema of a spec, draft 2020-12.
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(Spec).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".into(), "scaleproof spec".into());
    }
    schema
}

/// One argument, as `explain` shows it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Explanation {
    /// Where it stands; `NAME` stands for a name of the user's.
    pub path: String,
    pub description: String,
    pub form: String,
    pub required: bool,
    /// The arguments inside, if it is a block.
    pub arguments: Vec<String>,
}

/// Returns every argument that `key` names: a whole path (`alarms.NAME.period`, any name for `NAME`) or its end.
///
/// # Errors
/// The nearest argument's path, where one is near.
pub fn explain(key: &str) -> Result<Vec<Explanation>, Option<String>> {
    let schema = json_schema();
    let mut all = Vec::new();
    collect(&schema, &schema, "", &mut all);
    let wanted: Vec<&str> = key.split('.').collect();
    let found: Vec<Explanation> = all.iter().filter(|e| ends_like(&e.path, &wanted)).cloned().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let names: Vec<&str> =
        all.iter().flat_map(|e| [e.path.as_str(), e.path.rsplit('.').next().unwrap_or_default()]).collect();
    Err(nearest(key, names).map(str::to_owned))
}

/// The paths of all arguments; `NAME` stands for a name of the user's.
pub(super) fn paths() -> Vec<String> {
    let schema = json_schema();
    let mut all = Vec::new();
    collect(&schema, &schema, "", &mut all);
    all.into_iter().map(|explanation| explanation.path).collect()
}

fn ends_like(path: &str, wanted: &[&str]) -> bool {
    let path: Vec<&str> = path.split('.').collect();
    path.len() >= wanted.len()
        && path.iter().rev().zip(wanted.iter().rev()).all(|(have, want)| {
            let want = want.split('[').next().unwrap_or_default();
            *have == want || *have == "NAME" && !want.is_empty() && wanted.len() > 1
        })
}

fn collect(root: &Value, schema: &Value, path: &str, all: &mut Vec<Explanation>) {
    for block in blocks_of(root, schema) {
        let required: Vec<&str> =
            block["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, argument) in block["properties"].as_object().unwrap_or(&Map::new()) {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let explanation = Explanation {
                description: argument["description"].as_str().unwrap_or_default().to_owned(),
                form: form_of(root, argument),
                required: required.contains(&name.as_str()),
                arguments: inner_names(root, argument),
                path: path.clone(),
            };
            // Kinds of one block share arguments, which are explained once.
            match all.iter_mut().find(|known| known.path == path) {
                Some(known) => known.merge(explanation),
                None => {
                    all.push(explanation);
                    collect(root, argument, &path, all);
                }
            }
        }
        if block["additionalProperties"].is_object() {
            collect(root, &block["additionalProperties"], &format!("{path}.NAME"), all);
        }
    }
}

impl Explanation {
    /// Takes in what another kind of the block says of the same argument.
    fn merge(&mut self, other: Self) {
        if let (Some(words), Some(more)) = (self.form.strip_prefix("one of "), other.form.strip_prefix("one of ")) {
            let mut words: Vec<&str> = words.split(", ").collect();
            words.extend(more.split(", ").filter(|word| !self.form.contains(word)));
            self.form = format!("one of {}", words.join(", "));
        }
        self.required &= other.required;
    }
}

/// Follows references, lists and alternatives to the blocks of arguments inside; what has none is returned itself.
fn blocks_of<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
        return blocks_of(root, &root["$defs"][name]);
    }
    if schema["items"].is_object() {
        return blocks_of(root, &schema["items"]);
    }
    let alternatives = schema["anyOf"].as_array().into_iter().flatten().flat_map(|a| blocks_of(root, a));
    let with_arguments: Vec<&Value> =
        alternatives.filter(|a| a["properties"].is_object() || a["additionalProperties"].is_object()).collect();
    if with_arguments.is_empty() { vec![schema] } else { with_arguments }
}

fn inner_names(root: &Value, argument: &Value) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for block in blocks_of(root, argument) {
        let inner = if block["additionalProperties"].is_object() {
            blocks_of(root, &block["additionalProperties"])
        } else {
            vec![block]
        };
        let arguments = inner.iter().filter_map(|block| block["properties"].as_object()).flat_map(Map::keys);
        for name in arguments {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    names
}

fn form_of(root: &Value, schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
        return form_of(root, &root["$defs"][name]);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let forms: Vec<String> = any.iter().filter(|a| a["type"] != "null").map(|a| form_of(root, a)).collect();
        return forms.join(", or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        return format!("one of {}", words.join(", "));
    }
    match type_of(schema) {
        "integer" => format!("a whole number from {} to {}", schema["minimum"], schema["maximum"]),
        "number" if schema["minimum"].as_f64().is_some_and(|least| least < -1e9) => "a number".into(),
        "number" => format!("a number from {} to {}", schema["minimum"], schema["maximum"]),
        "boolean" => "true or false".into(),
        "array" => format!("a list; each {}", form_of(root, &schema["items"])),
        "object" if schema["additionalProperties"].is_object() => "a block by names of your own".into(),
        "object" => "a block of arguments".into(),
        _ => "text".into(),
    }
}

fn type_of(schema: &Value) -> &str {
    match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|t| *t != "null").unwrap_or_default(),
        one => one.as_str().unwrap_or_default(),
    }
}
