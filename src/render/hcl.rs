//! HCL's text form of single values: the one way that a value of the spec gets into a file. Start at [`quoted`].

use std::borrow::Cow;
use std::fmt::Write as _;

use tera::{Error, Kwargs, State, TeraResult, Value};

/// The `hcl` filter: strings quoted, numbers and booleans bare, lists in brackets.
pub(super) fn hcl_filter(value: &Value, _: Kwargs, _: &State) -> TeraResult<Value> {
    Ok(Value::safe_string(&literal(value)?))
}

/// The `number` filter: a number that a decision made text of, so that a template can tell zero from none.
pub(super) fn number_filter(value: Cow<'_, str>, _: Kwargs, _: &State) -> TeraResult<Value> {
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Value::safe_string(&value)),
        _ => Err(Error::message(format!("`{value}` is no number"))),
    }
}

/// The `label` filter: a name of the spec as the last part of a resource address, `scale-out` as `scale_out`.
///
/// Names have no underscores (`spec::reader::NAME_PATTERN`), so no two become one.
pub(super) fn label_filter(value: Cow<'_, str>, _: Kwargs, _: &State) -> TeraResult<Value> {
    let label = label(&value);
    let ok = label.starts_with(|c: char| c.is_ascii_alphabetic())
        && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if ok { Ok(Value::safe_string(&label)) } else { Err(Error::message(format!("`{value}` is no label"))) }
}

/// `scale-out` as `scale_out`.
pub(super) fn label(name: &str) -> String {
    name.replace('-', "_")
}

/// Stands in for escaping: a template that prints a value without a filter is refused, so no spec can inject HCL.
pub(super) fn refuse_bare(_: &str, _: &mut dyn std::io::Write) -> std::io::Result<()> {
    Err(std::io::Error::other("a value is printed without `| hcl`"))
}

fn literal(value: &Value) -> TeraResult<String> {
    if let Some(text) = value.as_str() {
        return Ok(quoted(text));
    }
    if let Some(items) = value.as_array() {
        let items: Vec<String> = items.iter().map(literal).collect::<TeraResult<_>>()?;
        return Ok(format!("[{}]", items.join(", ")));
    }
    if value.is_number() || value.is_bool() {
        return Ok(value.to_string());
    }
    Err(Error::message("`hcl` takes text, numbers, booleans and lists of them"))
}

/// Returns `text` as a quoted HCL string that evaluates to it again, whatever it holds.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' | '%' if rest.peek() == Some(&'{') => out.extend([c, c]),
            // `$${` would read as an escaped `${`: in a run of signs only the last may stand as itself.
            '$' | '%' if rest.peek() == Some(&c) => push_code(&mut out, c),
            // Line separators and byte order marks are invisible in an editor, and HCL's scanner refuses some.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => push_code(&mut out, c),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn push_code(out: &mut String, c: char) {
    let _ = write!(out, "\\u{:04x}", u32::from(c));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn evaluate(quoted: &str) -> String {
        let body: hcl::Body = hcl::from_str(&format!("x = {quoted}\n")).expect(quoted);
        let body = hcl::eval::Evaluate::evaluate(&body, &hcl::eval::Context::new()).expect(quoted);
        let expr = body.attributes().next().expect("one attribute").expr().clone();
        match expr {
            hcl::Expression::String(text) => text,
            other => panic!("{quoted} is {other:?}"),
        }
    }

    #[test]
    fn strings_come_back_from_hcl_as_they_went_in() {
        for (text, expected) in [
            ("plain", r#""plain""#),
            ("a \"quote\"", r#""a \"quote\"""#),
            ("back\\slash", r#""back\\slash""#),
            ("two\nlines", r#""two\nlines""#),
            ("${var.x}", r#""$${var.x}""#),
            ("%{ if true }", r#""%%{ if true }""#),
            ("$${x}", r#""\u0024$${x}""#),
            ("100%", r#""100%""#),
            ("$5 and 5$", r#""$5 and 5$""#),
            ("\u{7}", r#""\u0007""#),
            ("서울", r#""서울""#),
        ] {
            assert_eq!(quoted(text), expected);
            assert_eq!(evaluate(&quoted(text)), text);
        }
    }

    proptest! {
        #[test]
        fn any_string_comes_back(text in "(?s).{0,40}") {
            prop_assert_eq!(evaluate(&quoted(&text)), text);
        }

        #[test]
        fn any_string_of_hard_signs_comes_back(text in "[$%{}\"\\\\n\n~a]{0,24}") {
            prop_assert_eq!(evaluate(&quoted(&text)), text);
        }
    }
}
