//! The MD5 sums by which clients check that a message arrived as it was sent.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use crate::engine::topics::message::MessageAttribute;
use crate::hex::hex;

pub fn md5_of(text: &str) -> String {
    hex(Md5::digest(text.as_bytes()))
}

/// Over the attributes in the order of their names: each name, type and value with its length before it, and a byte
/// that tells text (1) from binary (2). `None` for a message without attributes, which has no sum.
///
/// Source: Amazon SQS developer guide, "Calculating the MD5 message digest for message attributes".
pub fn md5_of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a MessageAttribute)>,
) -> Option<String> {
    let attributes: BTreeMap<_, _> = attributes.into_iter().collect();
    if attributes.is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    for (name, attribute) in attributes {
        push(&mut bytes, name.as_bytes());
        push(&mut bytes, attribute.data_type.as_bytes());
        if attribute.base_type() == "Binary" {
            bytes.push(2);
            push(&mut bytes, &STANDARD.decode(&attribute.value).unwrap_or_default());
        } else {
            bytes.push(1);
            push(&mut bytes, attribute.value.as_bytes());
        }
    }
    Some(hex(Md5::digest(&bytes)))
}

fn push(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_that_aws_gave() {
        let number = |value: &str| MessageAttribute { data_type: "Number".into(), value: value.into() };
        // Recorded: messages that a topic delivered raw.
        for (attributes, expected) in [
            (vec![("attr1", "99.12")], "d302007e9aa062660afc85fd0a482472"),
            (vec![("attr1", "19.12")], "1f07082409022a373fa2a2601f82b3cb"),
            (vec![("attr2", "109.12"), ("attr1", "99.12")], "9b720b3af309c1c4b0d395c53b08c502"),
        ] {
            let attributes: Vec<(String, MessageAttribute)> =
                attributes.into_iter().map(|(name, value)| (name.to_string(), number(value))).collect();
            let found = md5_of_attributes(attributes.iter().map(|(name, value)| (name, value)));
            assert_eq!(found.as_deref(), Some(expected));
        }
        assert_eq!(md5_of("hello"), "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(md5_of_attributes([]), None);
    }
}
