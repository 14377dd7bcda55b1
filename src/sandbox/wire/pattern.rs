//! The regular expressions of the service models: whether a whole text matches one. Start at [`matches()`].
//!
//! The models' are Java's. `regex-lite` runs them in time that is linear in the text. What only Java has is read as something
//! wider, so that nothing is refused that AWS takes.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex_lite::Regex;

/// Those that somebody asked for, by the text in the model; `None` for one that cannot be read.
static READ: LazyLock<Mutex<HashMap<&'static str, Option<Regex>>>> = LazyLock::new(Mutex::default);

/// Whether `pattern` matches all of `text`. One that cannot be read matches everything; a test sees to it that there is none.
pub fn matches(pattern: &'static str, text: &str) -> bool {
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let regex = read.entry(pattern).or_insert_with(|| Regex::new(&translated(pattern)).ok()).clone();
    drop(read);
    regex.is_none_or(|regex| regex.is_match(text))
}

/// Letters, spaces and digits of all scripts become those of ASCII and everything beyond it; a surrogate pair becomes what it
/// stands for.
fn translated(pattern: &str) -> String {
    let wider = pattern
        .replace(r"\p{L}", r"a-zA-Z\x{80}-\x{10FFFF}")
        .replace(r"\p{Z}", " ")
        .replace(r"\p{N}", "0-9")
        .replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\x{10000}-\x{10FFFF}");
    format!("^(?:{wider})$")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::models::SERVICES;
    use crate::sandbox::wire::shape::{Kind, Shape};

    fn patterns(shape: &'static Shape, seen: &mut Vec<&'static Shape>, found: &mut Vec<&'static str>) {
        if seen.iter().any(|other| std::ptr::eq(*other, shape)) {
            return;
        }
        seen.push(shape);
        match shape.kind {
            Kind::Structure(members) => members.iter().for_each(|member| patterns(member.shape, seen, found)),
            Kind::List { of, .. } => patterns(of, seen, found),
            Kind::Map { value, .. } => patterns(value, seen, found),
            _ => found.push(shape.rules.pattern),
        }
    }

    #[test]
    fn every_pattern_of_the_models_can_be_read() {
        let (mut seen, mut found) = (Vec::new(), Vec::new());
        for operation in SERVICES.iter().flat_map(|service| service.operations) {
            patterns(operation.input, &mut seen, &mut found);
        }
        found.retain(|pattern| !pattern.is_empty());
        assert!(found.len() > 40, "{}", found.len());
        for pattern in found {
            let read = Regex::new(&translated(pattern));
            assert!(read.is_ok(), "{pattern}: {read:?}");
        }
    }

    #[test]
    fn a_pattern_matches_the_whole_text_or_not_at_all() {
        const TAG: &str = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*";
        const XML: &str = r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*";
        for (pattern, text, expected) in [
            (TAG, "", true),
            (TAG, "Größe 1", true),
            (TAG, "a#b", false),
            (XML, "a 😀 b\n", true),
            (XML, "a\u{0}b", false),
            (r"[\w+=,.@-]*", "me@here", true),
            (r"[\w+=,.@-]*", "zwölf", false),
            (r"^(\+[0-9]{8,}|[0-9]{0,9})$", "+12345678", true),
            (r"^(\+[0-9]{8,}|[0-9]{0,9})$", "+1234567 ", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text:?}");
        }
    }
}
