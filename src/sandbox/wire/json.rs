//! JSON 1.0 and 1.1, by shape.

use base64::Engine as _;
use serde_json::{Map, Number, Value as Json};

use super::form::{Unreadable, read_time};
use super::shape::{Kind, Shape};
use super::value::Value;
use crate::clock::Timestamp;

pub fn decode(json: Json, shape: &'static Shape, at: &str) -> Result<Value, Unreadable> {
    let unreadable = |what: &str| Unreadable { at: at.into(), because: format!("the value is not {what}") };
    match (shape.kind, json) {
        (_, Json::Null) => Ok(Value::Null),
        (Kind::Structure(members), Json::Object(mut found)) => {
            let mut read = Vec::new();
            for member in members {
                match found.remove(member.name) {
                    None | Some(Json::Null) => {}
                    Some(json) => read.push((member.name, decode(json, member.shape, &join(at, member.name))?)),
                }
            }
            Ok(Value::Structure(read))
        }
        (Kind::List { of, .. }, Json::Array(items)) => {
            let items =
                items.into_iter().enumerate().map(|(nth, item)| decode(item, of, &join(at, &(nth + 1).to_string())));
            items.collect::<Result<_, _>>().map(Value::List)
        }
        (Kind::Map { value, .. }, Json::Object(found)) => {
            let entries = found.into_iter().map(|(key, json)| Ok((key.clone(), decode(json, value, &join(at, &key))?)));
            entries.collect::<Result<_, _>>().map(Value::Map)
        }
        (Kind::String, Json::String(text)) => Ok(Value::String(text)),
        (Kind::Boolean, Json::Bool(yes)) => Ok(Value::Bool(yes)),
        (Kind::Integer, Json::Number(number)) => {
            number.as_i64().map(Value::Integer).ok_or_else(|| unreadable("an integer"))
        }
        // JSON has no numbers for these; the protocol writes them as texts.
        (Kind::Double, Json::String(text)) if ["NaN", "Infinity", "-Infinity"].contains(&text.as_str()) => {
            text.parse().map(Value::Double).map_err(|_| unreadable("a number"))
        }
        (Kind::Double, Json::Number(number)) => {
            number.as_f64().map(Value::Double).ok_or_else(|| unreadable("a number"))
        }
        // What JSON has no number for. Source: Smithy, "AWS JSON 1.0 protocol", on floats.
        (Kind::Double, Json::String(text)) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => {
            Ok(Value::Double(text.parse().unwrap_or(f64::NAN)))
        }
        (Kind::Timestamp, Json::Number(number)) => {
            let secs = number.as_f64().ok_or_else(|| unreadable("a timestamp"))?;
            Ok(Value::Timestamp(Timestamp::from_millis((secs * 1000.0).round() as i64)))
        }
        (Kind::Timestamp, Json::String(text)) => {
            read_time(&text).map(Value::Timestamp).ok_or_else(|| unreadable("a timestamp"))
        }
        (Kind::Blob, Json::String(text)) => {
            base64::engine::general_purpose::STANDARD.decode(text).map(Value::Blob).map_err(|_| unreadable("base64"))
        }
        (kind, _) => Err(unreadable(kind_word(kind))),
    }
}

fn join(at: &str, step: &str) -> String {
    if at.is_empty() { step.to_string() } else { format!("{at}.{step}") }
}

pub fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Structure(_) => "a structure",
        Kind::List { .. } => "a list",
        Kind::Map { .. } => "a map",
        Kind::String => "a string",
        Kind::Boolean => "a boolean",
        Kind::Integer => "an integer",
        Kind::Double => "a number",
        Kind::Timestamp => "a timestamp",
        Kind::Blob => "base64",
    }
}

pub fn encode(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(yes) => Json::Bool(yes),
        Value::Integer(number) => Json::Number(number.into()),
        Value::Double(number) => Number::from_f64(number).map_or(Json::Null, Json::Number),
        Value::String(text) => Json::String(text),
        Value::Blob(bytes) => Json::String(base64::engine::general_purpose::STANDARD.encode(bytes)),
        Value::Timestamp(at) => encode(Value::Double(at.as_millis() as f64 / 1000.0)),
        Value::List(items) => Json::Array(items.into_iter().map(encode).collect()),
        Value::Map(entries) => Json::Object(entries.into_iter().map(|(key, value)| (key, encode(value))).collect()),
        Value::Structure(members) => {
            let mut object = Map::new();
            for (name, value) in members {
                object.insert(name.to_string(), encode(value));
            }
            Json::Object(object)
        }
    }
}
