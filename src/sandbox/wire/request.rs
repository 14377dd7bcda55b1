//! What was called, by whom, where, in which protocol. Start at [`Request::read`].

use std::borrow::Cow;

use http::request::Parts;

use super::form::{Node, Unreadable};
use super::shape::{Kind, OperationShape, Protocol, Service, Shape};
use super::value::Value;
use super::{cbor, json, validate};
use crate::engine::Refusal;
use crate::sandbox::models::SERVICES;

/// A call as it arrived: the service and protocol are known even where the rest is not, so that an error can be written.
pub struct Request {
    pub service: &'static Service,
    pub protocol: Protocol,
    pub region: String,
    /// The access key, which names the account when it has twelve digits.
    pub access_key: String,
    /// The operation and its input, or the refusal.
    pub call: Result<(&'static OperationShape, Value), Refusal>,
}

impl Request {
    /// Reads a request; `None` where nothing says which service is meant.
    pub fn read(parts: &Parts, body: &[u8]) -> Option<Self> {
        let scope = Scope::of(parts);
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some((prefix, operation)) = rpc_path(parts.uri.path()) {
            let service = by_target(prefix)?;
            let decode = |shape| cbor::decode(body, shape);
            return Some(scope.request(service, Protocol::Cbor, operation, decode));
        }
        if let Some((prefix, operation)) = header("x-amz-target").and_then(|target| target.rsplit_once('.')) {
            let service = by_target(prefix)?;
            let json11 = header("content-type").is_some_and(|kind| kind.contains("x-amz-json-1.1"));
            let protocol = if json11 { Protocol::Json11 } else { Protocol::Json10 };
            return Some(scope.request(service, protocol, operation, |shape| {
                let text = if body.is_empty() { b"{}" } else { body };
                let json = serde_json::from_slice(text)
                    .map_err(|error| Unreadable { at: String::new(), because: error.to_string() })?;
                json::decode(json, shape, "")
            }));
        }
        let query = parts.uri.query().unwrap_or_default();
        let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> =
            form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(body)).collect();
        let form = Node::from_pairs(pairs.iter().map(|(key, text)| (key.as_ref(), text.as_ref())));
        let action = form.text("Action")?.to_string();
        let service = by_signature(scope.service.as_deref()).or_else(|| by_version(form.text("Version"), &action))?;
        let protocol = if service.protocols.contains(&Protocol::Ec2) { Protocol::Ec2 } else { Protocol::Query };
        let request = scope.request(service, protocol, &action, |shape| {
            let mut input = form.decode(shape, "")?;
            if service.name == "sqs" {
                add_queue(&mut input, shape, parts.uri.path());
            }
            Ok(input)
        });
        // Classic Load Balancers share a signature's service with those of version 2.
        let is_classic = service.name == "elbv2" && form.text("Version").is_some_and(|it| it != service.api_version);
        Some(if is_classic { Request { call: Err(classic()), ..request } } else { request })
    }
}

/// `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request`, in the header or the query string.
#[derive(Default)]
struct Scope {
    access_key: String,
    region: Option<String>,
    service: Option<String>,
}

impl Scope {
    fn of(parts: &Parts) -> Self {
        let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
        let in_header = header
            .and_then(|text| text.split_once("Credential="))
            .map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default().to_string());
        let in_query = || {
            let query = parts.uri.query().unwrap_or_default();
            form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == "X-Amz-Credential")
                .map(|(_, value)| value.into_owned())
        };
        let Some(credential) = in_header.or_else(in_query) else { return Self::default() };
        let steps: Vec<&str> = credential.split('/').collect();
        let [.., _, region, service, _] = steps.as_slice() else { return Self::default() };
        Self { access_key: steps[0].into(), region: Some((*region).into()), service: Some((*service).into()) }
    }

    fn request(
        self,
        service: &'static Service,
        protocol: Protocol,
        operation: &str,
        decode: impl FnOnce(&'static Shape) -> Result<Value, Unreadable>,
    ) -> Request {
        let region = self.region.filter(|region| is_region(region)).unwrap_or_else(|| "us-east-1".into());
        let call = service.operation(operation).ok_or_else(|| unknown(service, operation)).and_then(|shape| {
            let mut input = decode(shape.input).map_err(|error| unreadable(service, protocol, &error))?;
            if service.name == "ec2" {
                validate::spell(shape.input, &mut input);
            }
            validate::check(service, shape.input, &input)?;
            Ok((shape, input))
        });
        Request { service, protocol, region, access_key: self.access_key, call }
    }
}

/// A queue that is not named is the one that the call was sent to.
fn add_queue(input: &mut Value, shape: &Shape, path: &str) {
    let (Value::Structure(given), Kind::Structure(members)) = (input, shape.kind) else { return };
    let name = "QueueUrl";
    let absent = !given.iter().any(|(other, _)| *other == name) && members.iter().any(|member| member.name == name);
    if absent && path.trim_matches('/').contains('/') {
        given.push((name, Value::String(path.to_string())));
    }
}

/// A region becomes part of names and of the state; anything else than lower-case words with hyphens is none.
fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn rpc_path(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/service/")?.split_once("/operation/")
}

fn by_target(prefix: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| !service.target_prefix.is_empty() && service.target_prefix == prefix).copied()
}

fn by_signature(name: Option<&str>) -> Option<&'static Service> {
    SERVICES.iter().find(|service| Some(service.signing_name) == name).copied()
}

/// For callers that do not sign: versions are almost unique, and operations tell the rest apart.
fn by_version(version: Option<&str>, action: &str) -> Option<&'static Service> {
    let of_version = |service: &&&Service| version.is_none_or(|version| service.api_version == version);
    let mut candidates = SERVICES.iter().filter(of_version);
    candidates.clone().find(|service| service.operation(action).is_some()).or_else(|| candidates.next()).copied()
}

/// An operation that the model or the tables do not have.
pub fn unknown(service: &Service, operation: &str) -> Refusal {
    let operation: String = operation.chars().take(128).collect();
    Refusal::new(
        "InvalidAction",
        400,
        format!("The operation {operation} of {} is not reproduced by scaleproof's sandbox", service.name),
    )
}

fn classic() -> Refusal {
    Refusal::new("InvalidAction", 400, "Classic Load Balancers are not reproduced by scaleproof's sandbox")
}

fn unreadable(service: &Service, protocol: Protocol, error: &Unreadable) -> Refusal {
    let text = if error.at.is_empty() { error.because.clone() } else { format!("{}: {}", error.at, error.because) };
    match (service.name, protocol) {
        ("ec2", _) => Refusal::new("InvalidParameterValue", 400, text),
        (_, Protocol::Query) => Refusal::new("MalformedInput", 400, text),
        _ => Refusal::new("SerializationException", 400, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As AWS took a call of the Query protocol to the URL of a queue (recorded in 2025).
    #[test]
    fn a_call_to_a_queues_url_names_the_queue() {
        for (uri, expected) in [
            ("/123456789012/inbox?Action=ReceiveMessage", Some("/123456789012/inbox")),
            ("/?Action=ReceiveMessage&QueueUrl=http://x/123456789012/inbox", Some("http://x/123456789012/inbox")),
            ("/?Action=ReceiveMessage", None),
        ] {
            let (parts, ()) = http::Request::post(format!("{uri}&Version=2012-11-05")).body(()).unwrap().into_parts();
            let found = Request::read(&parts, b"").unwrap().call.ok().map(|(_, input)| input);
            let expected = expected.map(|url| Value::Structure(vec![("QueueUrl", Value::String(url.into()))]));
            assert_eq!(found, expected, "{uri}");
        }
    }
}
