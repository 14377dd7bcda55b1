//! A document that the engine or the sandbox made, held to whatever a case says of it by name. Start at [`hold`].

use serde_json::Value;

use super::case::{Case, compare, same, text_matches};
use super::failure::Failure;

/// What an expectation's name may end in, besides the forms of a text.
const KEYS: [&str; 3] = ["_keys_in_order", "_keys_absent", "_keys"];
const TEXTS: [&str; 5] = ["_contains", "_prefix", "_suffix", "_regex", "_pattern"];
const LENGTHS: [&str; 2] = ["_max_length", "_length"];

/// Holds every member of `expect` that nobody has read to the first of `documents` that has what it names.
pub fn hold_rest(case: &Case, documents: &[Value]) -> Result<(), Failure> {
    let rest: Vec<String> = case.expect.names_unread();
    rest.iter().try_for_each(|name| hold(case, name, documents))
}

/// A name is that of a member anywhere in a document, written as there or with other separators: `detail_type` finds
/// `detail-type`. `X_keys` are the keys of `X` or of its first item, `X_contains` and its kin are about its text.
pub fn hold(case: &Case, name: &str, documents: &[Value]) -> Result<(), Failure> {
    let find = |stem: &str| documents.iter().find_map(|document| find(document, stem));
    let unread = || Failure::from(format!("nothing here shows expect.{name}"));
    for suffix in KEYS {
        let whole = name == &suffix[1..];
        let Some(stem) = name.strip_suffix(suffix).or(whole.then_some("")) else { continue };
        let of = if whole { documents.first() } else { find(stem) };
        return hold_keys(name, suffix, case.expect.value(name)?, of.ok_or_else(unread)?);
    }
    for suffix in TEXTS {
        let Some(found) = name.strip_suffix(suffix).and_then(find) else { continue };
        return hold_text(name, suffix, case.expect.value(name)?, found);
    }
    for suffix in LENGTHS {
        let Some(found) = name.strip_suffix(suffix).and_then(find) else { continue };
        return hold_length(name, suffix, case.expect.value(name)?, found);
    }
    hold_value(name, case.expect.value(name)?, find(name).ok_or_else(unread)?)
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The member of that name nearest to the root.
fn find<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    let mut level = vec![document];
    while !level.is_empty() {
        let members = || level.iter().filter_map(|value| value.as_object()).flatten();
        if let Some((_, found)) = members().find(|(key, _)| plain(key) == plain(name)) {
            return Some(found);
        }
        let inner = |value: &'a Value| -> Vec<&'a Value> {
            match value {
                Value::Object(members) => members.values().collect(),
                Value::Array(items) => items.iter().collect(),
                _ => Vec::new(),
            }
        };
        level = level.into_iter().flat_map(inner).collect();
    }
    None
}

fn keys(value: &Value) -> Vec<String> {
    let one = value.as_array().and_then(|items| items.first()).unwrap_or(value);
    one.as_object().into_iter().flat_map(|members| members.keys().cloned()).collect()
}

fn hold_keys(name: &str, suffix: &str, expected: &Value, of: &Value) -> Result<(), Failure> {
    let mut wanted: Vec<String> =
        expected.as_array().into_iter().flatten().filter_map(|key| key.as_str().map(str::to_string)).collect();
    let mut got = keys(of);
    if suffix == "_keys_absent" {
        got.retain(|key| wanted.contains(key));
        wanted.clear();
    }
    if suffix != "_keys_in_order" {
        wanted.sort();
        got.sort();
    }
    compare(name, &wanted.into(), &got.into())
}

fn hold_text(name: &str, suffix: &str, expected: &Value, got: &Value) -> Result<(), Failure> {
    let texts = expected.as_array().map_or_else(|| vec![expected], |list| list.iter().collect());
    for text in texts {
        let text = text.as_str().ok_or_else(|| format!("expect.{name} is not text: {text}"))?;
        if !text_matches(suffix, text, got.as_str().unwrap_or_default())? {
            return Err(Failure::differs(name, expected, got));
        }
    }
    Ok(())
}

fn hold_length(name: &str, suffix: &str, expected: &Value, got: &Value) -> Result<(), Failure> {
    let length = got.as_str().map_or_else(|| got.as_array().map_or(0, Vec::len), |text| text.chars().count()) as u64;
    let most = expected.as_u64().unwrap_or_default();
    let holds = if suffix == "_max_length" { length <= most } else { length == most };
    if holds { Ok(()) } else { Err(Failure::differs(name, expected, &length.into())) }
}

/// An object has the members that are expected of it, whatever else it has; a list of texts may stand for its keys; a text
/// in angle brackets stands for any value.
fn hold_value(name: &str, expected: &Value, got: &Value) -> Result<(), Failure> {
    match (expected, got) {
        (Value::Object(members), Value::Object(_)) => members.iter().try_for_each(|(member, expected)| {
            let got = got.get(member).unwrap_or(&Value::Null);
            hold_value(&format!("{name}.{member}"), expected, got)
        }),
        (Value::Array(_), Value::Object(_)) => hold_keys(name, "_keys", expected, got),
        (Value::Array(wanted), Value::Array(items)) if wanted.len() == items.len() => {
            wanted.iter().zip(items).try_for_each(|(expected, got)| hold_value(name, expected, got))
        }
        (Value::String(word), got) if word.starts_with('<') && word.ends_with('>') && !got.is_null() => Ok(()),
        (expected, got) if same(expected, got) => Ok(()),
        (expected, got) => Err(Failure::differs(name, expected, got)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cases::case::Members;

    fn holds(expect: Value, document: Value) -> bool {
        let members = |place, value: &Value| Members::new(place, value.as_object().unwrap().clone());
        let case = Case {
            id: "x".into(),
            topic: "t".into(),
            given: members("given", &json!({})),
            expect: members("expect", &expect),
        };
        hold_rest(&case, &[document]).is_ok() && case.all_read().is_ok()
    }

    #[test]
    fn a_name_finds_its_member_and_its_suffix_says_what_is_asked() {
        let document =
            json!({"detail-type": "Change", "detail": {"state": {"value": "OK"}, "list": [{"a": 1, "b": 2}]}});
        assert!(holds(json!({"detail_type": "Change", "value": "OK"}), document.clone()));
        assert!(holds(json!({"list_keys": ["b", "a"], "detail_keys_in_order": ["state", "list"]}), document.clone()));
        assert!(holds(json!({"detail_type_prefix": "Ch", "detail_type_max_length": 6}), document.clone()));
        assert!(holds(json!({"detail": {"state": {"value": "<state>"}}, "state": ["value"]}), document.clone()));
        assert!(holds(json!({"keys_absent": ["Origin"]}), document.clone()));
        assert!(!holds(json!({"keys": ["detail"]}), document.clone()));
        assert!(!holds(json!({"value": "ALARM"}), document.clone()));
        assert!(!holds(json!({"missing": 1}), document));
    }
}
