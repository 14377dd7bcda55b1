//! A file of cases: `{set, group, format, cases}`.

use std::fs;

use serde_json::{Map, Value};

use super::case::{Case, Members};

/// The only format there is.
const FORMAT: &str = "aws-semantics-cases/1";

/// Reads every case of the file at `path`.
///
/// # Errors
/// Names the file, and within it the case and the member that is wrong.
pub fn read(path: &str) -> Result<Vec<Case>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read `{path}`: {error}"))?;
    parse(&text).map_err(|problem| format!("`{path}` is no file of cases: {problem}"))
}

fn parse(text: &str) -> Result<Vec<Case>, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match file.get("format").and_then(Value::as_str) {
        Some(FORMAT) => {}
        Some(other) => return Err(format!("its format is `{other}`, not `{FORMAT}`")),
        None => return Err("it has no `format`".into()),
    }
    let cases = file.get("cases").and_then(Value::as_array).ok_or("it has no list `cases`")?;
    cases
        .iter()
        .enumerate()
        .map(|(nth, case)| read_case(case).map_err(|why| format!("case {}: {why}", nth + 1)))
        .collect()
}

fn read_case(case: &Value) -> Result<Case, String> {
    let text = |name: &str| {
        case.get(name).and_then(Value::as_str).map(str::to_string).ok_or_else(|| format!("it has no text `{name}`"))
    };
    let members = |name: &'static str| {
        let found: Option<&Map<String, Value>> = case.get(name).and_then(Value::as_object);
        found.map(|found| Members::new(name, found.clone())).ok_or_else(|| format!("it has no object `{name}`"))
    };
    Ok(Case { id: text("id")?, topic: text("topic")?, given: members("given")?, expect: members("expect")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_none_is_refused_with_what_is_wrong() {
        let problem = |text: &str| parse(text).err().unwrap_or_default();
        assert!(problem("[").starts_with("EOF while parsing"), "{}", problem("["));
        assert_eq!(problem("{}"), "it has no `format`");
        assert_eq!(problem(r#"{"format": "2"}"#), "its format is `2`, not `aws-semantics-cases/1`");
        let one = r#"{"format": "aws-semantics-cases/1", "cases": [{"id": "a", "topic": "t", "given": {}}]}"#;
        assert_eq!(problem(one), "case 1: it has no object `expect`");
    }
}
