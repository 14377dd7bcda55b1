//! One case, and the contract between it and the adapters: every member of `given` and `expect` must be read.
//!
//! [`Members`] records what is read, by the first level of names. [`Case::all_read`] fails on what was not.

use std::cell::RefCell;
use std::collections::BTreeSet;

use scaleproof::engine::Refusal;
use serde_json::{Map, Value};

use super::failure::Failure;

/// A case as its file has it.
#[derive(Debug)]
pub struct Case {
    pub id: String,
    pub topic: String,
    pub given: Members,
    pub expect: Members,
}

/// The members of `given` or of `expect`.
#[derive(Debug)]
pub struct Members {
    /// `given` or `expect`, for messages.
    place: &'static str,
    members: Map<String, Value>,
    read: RefCell<BTreeSet<String>>,
}

impl Members {
    pub fn new(place: &'static str, members: Map<String, Value>) -> Self {
        Self { place, members, read: RefCell::default() }
    }

    /// The names there are, in the file's order. Does not count as reading them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// Whether the member is there, `null` included. Does not count as reading it.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// The member as it stands, `null` included.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let value = self.members.get(name)?;
        self.read.borrow_mut().insert(name.to_string());
        Some(value)
    }

    /// Notes a member as read without looking at it, for one that another member's reading already covers, such as the
    /// name of the rule that the case exercises. Say at the call why it adds nothing.
    pub fn skip(&self, name: &str) {
        self.get(name);
    }

    pub fn value(&self, name: &str) -> Result<&Value, Failure> {
        self.get(name).ok_or_else(|| format!("{}.{name} is missing", self.place).into())
    }

    pub fn f64(&self, name: &str) -> Result<f64, Failure> {
        self.required(name, "a number", Value::as_f64)
    }

    pub fn opt_f64(&self, name: &str) -> Result<Option<f64>, Failure> {
        self.optional(name, "a number", Value::as_f64)
    }

    pub fn u32(&self, name: &str) -> Result<u32, Failure> {
        self.required(name, "a whole number", as_u32)
    }

    pub fn opt_u32(&self, name: &str) -> Result<Option<u32>, Failure> {
        self.optional(name, "a whole number", as_u32)
    }

    pub fn i64(&self, name: &str) -> Result<i64, Failure> {
        self.required(name, "an integer", Value::as_i64)
    }

    pub fn opt_i64(&self, name: &str) -> Result<Option<i64>, Failure> {
        self.optional(name, "an integer", Value::as_i64)
    }

    pub fn bool(&self, name: &str) -> Result<bool, Failure> {
        self.required(name, "true or false", Value::as_bool)
    }

    pub fn opt_bool(&self, name: &str) -> Result<Option<bool>, Failure> {
        self.optional(name, "true or false", Value::as_bool)
    }

    pub fn str(&self, name: &str) -> Result<&str, Failure> {
        self.required(name, "a string", Value::as_str)
    }

    pub fn opt_str(&self, name: &str) -> Result<Option<&str>, Failure> {
        self.optional(name, "a string", Value::as_str)
    }

    pub fn list(&self, name: &str) -> Result<&[Value], Failure> {
        self.required(name, "a list", |value| value.as_array().map(Vec::as_slice))
    }

    pub fn opt_list(&self, name: &str) -> Result<Option<&[Value]>, Failure> {
        self.optional(name, "a list", |value| value.as_array().map(Vec::as_slice))
    }

    pub fn object(&self, name: &str) -> Result<&Map<String, Value>, Failure> {
        self.required(name, "an object", Value::as_object)
    }

    fn required<'a, T>(&'a self, name: &str, kind: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<T, Failure> {
        self.optional(name, kind, read)?.ok_or_else(|| format!("{}.{name} is missing", self.place).into())
    }

    /// `null` reads as absent.
    fn optional<'a, T>(
        &'a self,
        name: &str,
        kind: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(read) => Ok(Some(read)),
                None => Err(format!("{}.{name} is not {kind}: {value}", self.place).into()),
            },
        }
    }

    /// The names that nobody has read, in the file's order.
    pub fn names_unread(&self) -> Vec<String> {
        let read = self.read.borrow();
        self.names().filter(|name| !read.contains(*name)).map(str::to_string).collect()
    }

    fn unread(&self) -> Vec<String> {
        self.names_unread().iter().map(|name| format!("{}.{name}", self.place)).collect()
    }
}

/// A whole number written as an integer or as a float.
fn as_u32(value: &Value) -> Option<u32> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0)?;
    (0.0..=f64::from(u32::MAX)).contains(&number).then_some(number as u32)
}

impl Case {
    /// # Errors
    /// Names the members that no adapter has read.
    pub fn all_read(&self) -> Result<(), Failure> {
        let unread = [self.given.unread(), self.expect.unread()].concat();
        if unread.is_empty() {
            return Ok(());
        }
        Err(format!("the adapter does not read {}", unread.join(", ")).into())
    }

    /// Holds `got` to the member `name` of `expect`, which must be there.
    pub fn expect_eq(&self, name: &str, got: impl Into<Value>) -> Result<(), Failure> {
        compare(name, self.expect.value(name)?, &got.into())
    }

    /// Holds `got` to the member `name` of `expect` if the case has it.
    pub fn expect_if(&self, name: &str, got: impl Into<Value>) -> Result<(), Failure> {
        self.expect.get(name).map_or(Ok(()), |expected| compare(name, expected, &got.into()))
    }

    /// Holds a text to every form of `stem` that the case has: itself, `_contains` (one text or several), `_prefix`,
    /// `_suffix`, `_regex` and `_pattern`. At least one must be there.
    pub fn expect_text(&self, stem: &str, got: &str) -> Result<(), Failure> {
        let mut asked = 0;
        for suffix in ["", "_contains", "_prefix", "_suffix", "_regex", "_pattern"] {
            let name = format!("{stem}{suffix}");
            let Some(expected) = self.expect.get(&name) else { continue };
            asked += 1;
            let texts = expected.as_array().map_or_else(|| vec![expected], |list| list.iter().collect());
            for text in texts {
                let text = text.as_str().ok_or_else(|| format!("expect.{name} is not text: {text}"))?;
                if !text_matches(suffix, text, got)? {
                    return Err(Failure::differs(&name, expected, &got.into()));
                }
            }
        }
        if asked == 0 { Err(format!("expect.{stem} is missing in all its forms").into()) } else { Ok(()) }
    }

    /// Whether the case says anything about the text `stem`, in any form.
    pub fn expects_text(&self, stem: &str) -> bool {
        self.expect
            .names()
            .any(|name| name.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')))
    }

    /// Holds an answer to `code`, `http_status` and `message` of `expect`, as far as they are there: an answer that is no
    /// refusal fails unless the case asks for status 200 alone.
    pub fn expect_refusal<T: std::fmt::Debug>(&self, answer: &Result<T, Refusal>) -> Result<(), Failure> {
        let status = answer.as_ref().map_or_else(|refusal| refusal.status, |_| 200);
        self.expect_if("http_status", status)?;
        match answer {
            Ok(output) if self.expect.has("code") || self.expects_text("message") => Err(Failure::Differs {
                at: "the answer".into(),
                expected: "a refusal".into(),
                got: format!("{output:?}"),
            }),
            Ok(_) => Ok(()),
            Err(refusal) => {
                let got = || format!("{} ({}): {}", refusal.code, refusal.status, refusal.message);
                if !self.expect.has("code") && !self.expects_text("message") {
                    return Err(Failure::Differs {
                        at: "the answer".into(),
                        expected: "no refusal".into(),
                        got: got(),
                    });
                }
                self.expect_if("code", refusal.code.as_str())?;
                if self.expects_text("message") { self.expect_text("message", &refusal.message) } else { Ok(()) }
            }
        }
    }
}

pub fn text_matches(suffix: &str, text: &str, got: &str) -> Result<bool, Failure> {
    Ok(match suffix {
        "" => got == text,
        "_contains" => got.contains(text),
        "_prefix" => got.starts_with(text),
        "_suffix" => got.ends_with(text),
        _ => regex::Regex::new(text).map_err(|error| format!("`{text}` is no pattern: {error}"))?.is_match(got),
    })
}

/// Compares numbers by value, however they are written; the order of an object's members does not matter.
pub fn compare(at: &str, expected: &Value, got: &Value) -> Result<(), Failure> {
    if same(expected, got) { Ok(()) } else { Err(Failure::differs(at, expected, got)) }
}

/// The last digits of a number that took another way may differ.
const TOLERANCE: f64 = 1e-9;

pub fn same(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1.0),
            _ => a == b,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn case(given: &Value, expect: &Value) -> Case {
        let members = |place, value: &Value| Members::new(place, value.as_object().unwrap().clone());
        Case { id: "x".into(), topic: "t".into(), given: members("given", given), expect: members("expect", expect) }
    }

    #[test]
    fn a_member_that_was_not_read_fails_the_case_by_its_name() {
        let case = case(&json!({"period": 60, "odd": 1}), &json!({"state": "OK", "note": "?"}));
        assert_eq!(case.given.u32("period"), Ok(60));
        assert_eq!(case.expect_eq("state", "OK"), Ok(()));
        assert!(case.given.has("odd"), "looking is not reading");
        assert_eq!(case.all_read(), Err("the adapter does not read given.odd, expect.note".into()));
    }

    #[test]
    fn getters_name_the_place_and_the_fact() {
        let case = case(&json!({"period": "60", "no": null}), &json!({}));
        assert_eq!(case.given.u32("period"), Err("given.period is not a whole number: \"60\"".into()));
        assert_eq!(case.given.str("no"), Err("given.no is missing".into()));
        assert_eq!(case.given.opt_str("no"), Ok(None));
        assert_eq!(case.expect_eq("state", "OK"), Err("expect.state is missing".into()));
    }

    #[test]
    fn numbers_are_compared_by_value_and_texts_in_all_their_forms() {
        let case = case(
            &json!({}),
            &json!({"n": 5.0, "text_contains": ["a", "c"], "text_prefix": "a", "text_regex": "^a.c$", "other": "x"}),
        );
        assert_eq!(case.expect_eq("n", 5), Ok(()));
        assert_eq!(case.expect_text("text", "abc"), Ok(()));
        assert_eq!(case.expect_text("other", "y"), Err(Failure::differs("other", &json!("x"), &json!("y"))));
    }

    #[test]
    fn a_refusal_is_held_to_code_status_and_message() {
        let refused: Result<(), _> = Err(Refusal::new("NotFound", 404, "Topic does not exist"));
        let check =
            |expect: Value, answer: &Result<(), Refusal>| case(&json!({}), &expect).expect_refusal(answer).is_ok();
        assert!(check(json!({"code": "NotFound", "http_status": 404, "message_prefix": "Topic"}), &refused));
        assert!(!check(json!({"code": "NotFound", "http_status": 400}), &refused));
        assert!(!check(json!({"code": "NotFound"}), &Ok(())));
        assert!(check(json!({"http_status": 200}), &Ok(())));
        assert!(!check(json!({}), &refused), "nothing was said of a refusal");
    }
}
