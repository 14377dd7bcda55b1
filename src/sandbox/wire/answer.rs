//! An output or a refusal as an HTTP answer in the caller's protocol.

use super::shape::{OperationShape, Protocol, Service};
use super::value::Value;
use super::{cbor, json, xml};
use crate::engine::Refusal;

/// What goes back, save the headers that every answer has.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

fn content_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Query | Protocol::Ec2 => "text/xml;charset=UTF-8",
        Protocol::Json10 => "application/x-amz-json-1.0",
        Protocol::Json11 => "application/x-amz-json-1.1",
        Protocol::Cbor => "application/cbor",
    }
}

fn headers(protocol: Protocol, request_id: &str) -> Vec<(&'static str, String)> {
    let mut headers = vec![("x-amzn-requestid", request_id.to_string())];
    if protocol == Protocol::Cbor {
        headers.push(("smithy-protocol", "rpc-v2-cbor".into()));
    }
    headers
}

pub fn output(
    service: &Service,
    operation: &OperationShape,
    protocol: Protocol,
    value: Value,
    request_id: &str,
) -> Answer {
    let body = match protocol {
        Protocol::Query | Protocol::Ec2 => xml::answer(service, operation, protocol, &value, request_id).into_bytes(),
        Protocol::Json10 | Protocol::Json11 => json::encode(value).to_string().into_bytes(),
        Protocol::Cbor => cbor::encode(&value),
    };
    Answer { status: 200, content_type: content_type(protocol), headers: headers(protocol, request_id), body }
}

/// JSON and CBOR name an error by its shape, and by its Query code in a header for clients that came from there.
pub fn refusal(service: &Service, protocol: Protocol, refusal: &Refusal, request_id: &str) -> Answer {
    let mut headers = headers(protocol, request_id);
    let known = service.error(&refusal.code);
    let shape = known.map_or(refusal.code.as_str(), |error| error.shape);
    let code = known.map_or(refusal.code.as_str(), |error| error.code);
    let body = match protocol {
        Protocol::Query | Protocol::Ec2 => {
            let mut refusal = Refusal { code: code.to_string(), ..refusal.clone() };
            if code == "AWS.SimpleQueueService.NonExistentQueue" {
                refusal.message = "The specified queue does not exist for this wsdl version.".into();
            }
            xml::refusal(service.xml_namespace, protocol, &refusal, request_id).into_bytes()
        }
        _ => {
            let blame = if refusal.status < 500 { "Sender" } else { "Receiver" };
            headers.push(("x-amzn-query-error", format!("{};{blame}", header_safe(code))));
            let namespace = if service.name == "sqs" { "com.amazonaws.sqs" } else { "com.amazon.coral.service" };
            let value = Value::Structure(vec![
                ("__type", Value::String(format!("{namespace}#{shape}"))),
                ("message", Value::String(refusal.message.clone())),
            ]);
            if protocol == Protocol::Cbor { cbor::encode(&value) } else { json::encode(value).to_string().into_bytes() }
        }
    };
    Answer { status: refusal.status, content_type: content_type(protocol), headers, body }
}

fn header_safe(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::models;

    /// What AWS answered in each protocol (recorded in 2025).
    #[test]
    fn one_refusal_has_a_name_and_a_text_for_each_protocol() {
        let queue = Refusal::new("AWS.SimpleQueueService.NonExistentQueue", 400, "The specified queue does not exist.");
        for (service, protocol, refusal, parts) in [
            (
                &models::sqs::SERVICE,
                Protocol::Query,
                &queue,
                [
                    "AWS.SimpleQueueService.NonExistentQueue",
                    "The specified queue does not exist for this wsdl version.",
                ],
            ),
            (
                &models::sqs::SERVICE,
                Protocol::Json10,
                &queue,
                ["#QueueDoesNotExist", "\"The specified queue does not exist.\""],
            ),
        ] {
            let body = String::from_utf8(super::refusal(service, protocol, refusal, "id").body).unwrap();
            assert!(parts.iter().all(|part| body.contains(part)), "{body}");
        }
    }
}
