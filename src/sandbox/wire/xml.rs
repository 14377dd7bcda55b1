//! Query and EC2 Query output: a value as XML, by shape.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::shape::{Kind, OperationShape, Protocol, Service, Shape};
use super::value::Value;
use crate::engine::Refusal;
use base64::Engine as _;

/// The answer to `operation`.
pub fn answer(
    service: &Service,
    operation: &OperationShape,
    protocol: Protocol,
    value: &Value,
    request_id: &str,
) -> String {
    let mut out = String::with_capacity(4096);
    let name = operation.name;
    // Whole pieces instead of `format!`: an answer has hundreds of elements.
    push(&mut out, &["<", name, "Response xmlns=\"", service.xml_namespace, "\">"]);
    if protocol == Protocol::Ec2 {
        push(&mut out, &["<requestId>", request_id, "</requestId>"]);
        members(&mut out, operation.output, value);
    } else {
        let wrapper = operation.result_wrapper;
        if !wrapper.is_empty() {
            push(&mut out, &["<", wrapper, ">"]);
        }
        members(&mut out, operation.output, value);
        if !wrapper.is_empty() {
            push(&mut out, &["</", wrapper, ">"]);
        }
        push(&mut out, &["<ResponseMetadata><RequestId>", request_id, "</RequestId></ResponseMetadata>"]);
    }
    push(&mut out, &["</", name, "Response>"]);
    out
}

fn push(out: &mut String, pieces: &[&str]) {
    pieces.iter().for_each(|piece| out.push_str(piece));
}

pub fn refusal(namespace: &str, protocol: Protocol, refusal: &Refusal, request_id: &str) -> String {
    let (code, message) = (escape(&refusal.code), escape(&refusal.message));
    let message = if message.is_empty() { String::new() } else { format!("<Message>{message}</Message>") };
    if protocol == Protocol::Ec2 {
        return format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Errors><Error><Code>{code}</Code>{message}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        );
    }
    let blame = if refusal.status < 500 { "Sender" } else { "Receiver" };
    format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{blame}</Type><Code>{code}</Code>{message}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
}

fn members(out: &mut String, shape: &Shape, value: &Value) {
    let Value::Structure(found) = value else { return };
    let known = shape.members();
    // Values come in the order of their model, so that each is found a few steps after the last one.
    let mut next = 0;
    for (name, value) in found {
        let mut onwards = (next..known.len()).chain(0..next);
        if let Some(nth) = onwards.find(|nth| known[*nth].name == *name) {
            element(out, known[nth].xml_name(), known[nth].shape, value);
            next = nth + 1;
        }
    }
}

fn element(out: &mut String, name: &str, shape: &Shape, value: &Value) {
    match (&shape.kind, value) {
        // Without an element around them, entries stand under their own name where they have one: SQS's `<Message>`.
        (Kind::List { of, item, flattened: true }, Value::List(items)) => {
            let name = if *item == "member" { name } else { *item };
            items.iter().for_each(|item| element(out, name, of, item));
        }
        (Kind::Map { value: of, key_name, value_name, item, flattened: true }, Value::Map(entries)) => {
            for (key, value) in entries {
                entry(out, item, (key_name, key), (value_name, of, value));
            }
        }
        (_, Value::Null) => {}
        _ => {
            push(out, &["<", name, ">"]);
            content(out, shape, value);
            push(out, &["</", name, ">"]);
        }
    }
}

fn content(out: &mut String, shape: &Shape, value: &Value) {
    match (&shape.kind, value) {
        (Kind::Structure(_), _) => members(out, shape, value),
        (Kind::List { of, item, .. }, Value::List(items)) => {
            items.iter().for_each(|found| element(out, item, of, found))
        }
        (Kind::Map { value: of, key_name, value_name, item, .. }, Value::Map(entries)) => {
            for (key, value) in entries {
                entry(out, item, (key_name, key), (value_name, of, value));
            }
        }
        (_, Value::Bool(yes)) => out.push_str(if *yes { "true" } else { "false" }),
        (_, Value::Integer(number)) => write(out, format_args!("{number}")),
        (_, Value::Double(number)) => write(out, format_args!("{number:?}")),
        (_, Value::String(text)) => out.push_str(&escape(text)),
        (_, Value::Blob(bytes)) => out.push_str(&base64::engine::general_purpose::STANDARD.encode(bytes)),
        (_, Value::Timestamp(at)) => out.push_str(&at.iso_millis()),
        _ => {}
    }
}

fn entry(out: &mut String, name: &str, (key_name, key): (&str, &str), (value_name, of, value): (&str, &Shape, &Value)) {
    push(out, &["<", name, "><", key_name, ">", &escape(key), "</", key_name, ">"]);
    element(out, value_name, of, value);
    push(out, &["</", name, ">"]);
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    // A string takes any text.
    let _ = out.write_fmt(text);
}

/// Escapes text; most has nothing to escape. Characters that XML 1.0 cannot hold become the replacement character.
fn escape(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte >= b' ' && byte != 0xef && !matches!(byte, b'&' | b'<' | b'>' | b'"');
    if text.bytes().all(is_plain) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(c),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::sandbox::models::sqs;

    /// The form of the answers in the SQS API Reference of the Query protocol, which terraform's provider 3.39 reads.
    #[test]
    fn entries_of_flattened_lists_and_maps_stand_under_their_own_names() {
        let attributes = IndexMap::from([("SenderId".to_string(), Value::String("1".into()))]);
        let message =
            Value::Structure(vec![("MessageId", Value::String("m".into())), ("Attributes", Value::Map(attributes))]);
        let output = Value::Structure(vec![("Messages", Value::List(vec![message]))]);
        let operation = sqs::SERVICE.operation("ReceiveMessage").unwrap();
        let answer = answer(&sqs::SERVICE, operation, Protocol::Query, &output, "r");
        let expected =
            "<Message><MessageId>m</MessageId><Attribute><Name>SenderId</Name><Value>1</Value></Attribute></Message>";
        assert!(answer.contains(expected), "{answer}");
    }
}
