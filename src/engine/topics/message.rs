//! What a publisher may send: attributes, structured messages, subjects, sizes. Start at [`Publication`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::Refusal;
use crate::engine::text::Text;

/// Of AWS: message and attributes together, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 262_144;
/// Of AWS, counted in UTF-16 units: fifty emoji are taken and fifty-one are not (recorded in 2026).
const MAX_SUBJECT_UNITS: usize = 100;

/// A typed value beside a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageAttribute {
    /// `String`, `Number`, `Binary`, `String.Array`, or one of the first three with a suffix of the user's.
    pub data_type: String,
    /// A binary value is Base64.
    pub value: String,
}

impl MessageAttribute {
    /// The type without the user's suffix.
    pub fn base_type(&self) -> &str {
        self.data_type.split('.').next().unwrap_or_default()
    }
}

/// A message as the Publish operation takes it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Publication {
    pub subject: Option<String>,
    pub message: String,
    /// `json` makes `message` an object of texts by protocol.
    pub structure: Option<String>,
    pub attributes: BTreeMap<String, MessageAttribute>,
    pub group_id: Option<String>,
    pub deduplication_id: Option<String>,
}

/// The texts of a message, one per protocol or one for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    default: Text,
    by_protocol: BTreeMap<String, Text>,
}

impl Texts {
    pub fn new(default: Text, by_protocol: BTreeMap<String, Text>) -> Self {
        Self { default, by_protocol }
    }

    pub fn for_protocol(&self, protocol: &str) -> &Text {
        self.by_protocol.get(protocol).unwrap_or(&self.default)
    }

    pub fn default(&self) -> &Text {
        &self.default
    }
}

/// The platform of a device's endpoint, by which a structured message names the text for it: `GCM` of
/// `arn:aws:sns:REGION:ACCOUNT:endpoint/GCM/APPLICATION/ID`.
pub fn platform_of(endpoint: &str) -> &str {
    endpoint.split('/').nth(1).unwrap_or_default()
}

pub fn invalid(reason: impl std::fmt::Display) -> Refusal {
    Refusal::new("InvalidParameter", 400, format!("Invalid parameter: {reason}"))
}

impl Publication {
    /// Checks all that does not depend on the topic, and takes a structured message apart.
    ///
    /// # Errors
    /// AWS's refusal.
    pub fn check(&self) -> Result<Texts, Refusal> {
        if self.message.is_empty() {
            return Err(invalid("Empty message"));
        }
        if self.size() > MAX_MESSAGE_BYTES {
            return Err(invalid("Message too long"));
        }
        check_subject(self.subject.as_deref())?;
        self.attributes.iter().try_for_each(|(name, attribute)| check_attribute(name, attribute))?;
        match self.structure.as_deref() {
            Some("json") => parse_structured(&self.message),
            Some(_) => Err(invalid("Unrecognized MessageStructure value")),
            None => Ok(Texts::new(self.message.as_str().into(), BTreeMap::new())),
        }
    }

    /// Bytes that count against the limit.
    pub fn size(&self) -> usize {
        let attributes = self
            .attributes
            .iter()
            .map(|(name, attribute)| name.len() + attribute.data_type.len() + attribute.value.len());
        self.message.len() + attributes.sum::<usize>()
    }
}

/// # Errors
/// AWS's refusal.
pub fn check_subject(subject: Option<&str>) -> Result<(), Refusal> {
    if subject.is_none_or(subject_is_valid) { Ok(()) } else { Err(invalid("Subject")) }
}

fn subject_is_valid(subject: &str) -> bool {
    !subject.is_empty()
        && subject.encode_utf16().count() <= MAX_SUBJECT_UNITS
        && !subject.chars().any(char::is_control)
        && !subject.starts_with(char::is_whitespace)
}

fn parse_structured(message: &str) -> Result<Texts, Refusal> {
    let refused = |reason: &str| invalid(format!("Message Structure - {reason}"));
    let value: Value = serde_json::from_str(message).map_err(|_| refused("JSON message body failed to parse"))?;
    let by_protocol: BTreeMap<String, Text> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(protocol, text)| Some((protocol.clone(), scalar(text)?.into())))
        .collect();
    let default = by_protocol.get("default").ok_or_else(|| refused("No default entry in JSON message body"))?;
    Ok(Texts::new(default.clone(), by_protocol))
}

/// Recorded: a number or null is taken as its text, a list or an object is no entry.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
        other => Some(other.to_string()),
    }
}

fn check_attribute(name: &str, attribute: &MessageAttribute) -> Result<(), Refusal> {
    let refused = |message: String| Err(Refusal::new("ParameterValueInvalid", 400, message));
    check_name(name)?;
    let kind = attribute.data_type.as_str();
    let known = matches!(attribute.base_type(), "String" | "Number" | "Binary");
    if !known || kind.ends_with('.') {
        return refused(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type \
             prefixes is Binary, Number, and String."
        ));
    }
    if attribute.value.is_empty() {
        return refused(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute \
             type '{kind}'."
        ));
    }
    if attribute.base_type() == "Number" {
        check_number(name, &attribute.value)?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let refused = |message: String| Err(Refusal::new("ParameterValueInvalid", 400, message));
    if name.len() > 256 {
        return refused("Length of message attribute name must be less than 256 bytes.".into());
    }
    if let Some(wrong) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.".contains(*c))) {
        return refused(format!(
            "Invalid non-alphanumeric character '#x{:X}' was found in the message attribute name. Can only include \
             alphanumeric characters, hyphens, underscores, or dots.",
            u32::from(wrong)
        ));
    }
    match () {
        () if name.starts_with('.') => {
            refused("Invalid message attribute name starting with character '.' was found.".into())
        }
        () if name.ends_with('.') => {
            refused("Invalid message attribute name ending with character '.' was found.".into())
        }
        () if name.contains("..") => refused("Message attribute name can not have successive '.' character.".into()),
        () => Ok(()),
    }
}

fn check_number(name: &str, value: &str) -> Result<(), Refusal> {
    let refused = |message: String| Err(Refusal::new("ParameterValueInvalid", 400, message));
    let Ok(number) = value.parse::<f64>() else {
        return refused(format!("Could not cast message attribute '{name}' value to number."));
    };
    let zero = value.split(['e', 'E']).next().is_some_and(|digits| digits.chars().all(|c| "+-0.".contains(c)));
    if !number.is_finite() || (!zero && !(1e-128..=1e126).contains(&number.abs())) {
        return refused(format!("Message attribute '{name}' number value [{value}] scale must be 10^-128 and 10^126."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, publication: &Publication, expected: Result<&str, &str>) {
        let found = publication.check();
        let found =
            found.as_ref().map(|texts| texts.for_protocol("sqs").as_str()).map_err(|error| error.message.as_str());
        assert_eq!(found, expected, "{name}");
    }

    fn saying(message: &str) -> Publication {
        Publication { message: message.into(), ..Publication::default() }
    }

    #[test]
    fn messages_are_checked_as_recorded() {
        let subject = |subject: &str| Publication { subject: Some(subject.into()), ..saying("m") };
        check("plain", &saying("m"), Ok("m"));
        check("empty", &saying(""), Err("Invalid parameter: Empty message"));
        check("too long", &saying(&"a".repeat(MAX_MESSAGE_BYTES + 1)), Err("Invalid parameter: Message too long"));
        check("subject", &subject("s"), Ok("m"));
        check("no subject", &subject(""), Err("Invalid parameter: Subject"));
        check("two lines", &subject("a\nb"), Err("Invalid parameter: Subject"));
        check("fifty emoji", &subject(&"😀".repeat(50)), Ok("m"));
        check("fifty-one emoji", &subject(&"😀".repeat(51)), Err("Invalid parameter: Subject"));
    }

    #[test]
    fn a_structured_message_has_a_text_per_protocol() {
        let json = |message: &str| Publication { structure: Some("json".into()), ..saying(message) };
        let missing = Err("Invalid parameter: Message Structure - No default entry in JSON message body");
        check("own entry", &json(r#"{"default": "d", "sqs": "q"}"#), Ok("q"));
        check("default", &json(r#"{"default": "d"}"#), Ok("d"));
        check("empty entry", &json(r#"{"default": "d", "sqs": ""}"#), Ok(""));
        check("null", &json(r#"{"default": null}"#), Ok("null"));
        check("no default", &json(r#"{"sqs": "q"}"#), missing);
        check("object", &json(r#"{"default": {"a": 1}}"#), missing);
        let text = "Invalid parameter: Message Structure - JSON message body failed to parse";
        check("no JSON", &json("{"), Err(text));
    }

    #[test]
    fn attributes_are_checked_as_recorded() {
        for (name, data_type, value, expected) in [
            ("a", "String", "x", None),
            ("a", "Number.float", "0001.23000", None),
            ("a", "Number", "1e3", None),
            ("a", "Number", "1e-100000", Some("number value [1e-100000] scale must be 10^-128 and 10^126.")),
            (
                "a",
                "String",
                "",
                Some("must contain non-empty message attribute value for message attribute type 'String'."),
            ),
            ("a", "Text", "x", Some("the set of supported type prefixes is Binary, Number, and String.")),
            ("a^", "String", "x", Some("character '#x5E' was found in the message attribute name.")),
            (".a", "String", "x", Some("name starting with character '.' was found.")),
            ("a.", "String", "x", Some("name ending with character '.' was found.")),
            ("a..b", "String", "x", Some("can not have successive '.' character.")),
        ] {
            let attribute = MessageAttribute { data_type: data_type.into(), value: value.into() };
            let attributes = BTreeMap::from([(name.to_string(), attribute)]);
            let found = Publication { attributes, ..saying("m") }.check().err();
            match (&found, expected) {
                (None, None) => {}
                (Some(refusal), Some(text)) => {
                    assert_eq!(refusal.code, "ParameterValueInvalid");
                    assert!(refusal.message.contains(text), "{name} {value}: {refusal}");
                }
                _ => panic!("{name} {data_type} {value}: {found:?}, expected {expected:?}"),
            }
        }
    }
}
