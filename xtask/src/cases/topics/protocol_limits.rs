//! `protocol-limits`: how SDKs reach a service, how it refuses, and how often it may be called.

use std::time::Duration;

use http::Request as HttpRequest;
use quick_xml::Reader;
use quick_xml::events::Event;
use regex::Regex;
use scaleproof::sandbox::faults::Strike;
use scaleproof::sandbox::limits::{Quota, TokenBucket, Usage, quota, throttled};
use scaleproof::sandbox::models::SERVICES;
use scaleproof::sandbox::universe::{Reply, operations};
use scaleproof::sandbox::wire::answer::Answer;
use scaleproof::sandbox::wire::request::Request;
use scaleproof::sandbox::wire::shape::{Kind, OperationShape, Protocol, Service};
use serde_json::{Value, json};

use crate::cases::api::{ACCOUNT, Api, REGION};
use crate::cases::case::Case;
use crate::cases::failure::Failure;

pub fn check(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    match () {
        () if given.has("sdk") => check_sdk(case),
        () if given.has("operation") => check_quota(case),
        () if given.has("protocol") => check_error_shape(case),
        () if given.has("bucket") => check_timeline(case),
        () if case.expect.has("code") || case.expect.has("http_status") => check_refusal(case),
        () if case.expect.has("protocols") || case.expect.has("accepts") => check_protocols(case),
        () => Err("given has neither sdk, operation, protocol nor bucket".into()),
    }
}

fn find_service(name: &str) -> Result<&'static Service, Failure> {
    let named = |service: &&&'static Service| service.name == name || service.signing_name == name;
    SERVICES.iter().find(named).copied().ok_or_else(|| format!("the service `{name}` is not served").into())
}

/// Sends what the SDK would send and sees that the wire layer understands it as the case says.
fn check_sdk(case: &Case) -> Result<(), Failure> {
    let sdk = case.given.str("sdk")?;
    if !["Rust", "botocore", "boto3"].contains(&sdk) {
        return Err(format!("given.sdk is not known: {sdk}").into());
    }
    let service = find_service(case.given.str("service")?)?;
    let protocol = *service.protocols.first().ok_or("the service has no protocol")?;
    let operation = easy_operation(service)?;
    let sent = Sent::new(service, protocol, operation.name);
    let (answer, understood) = sent.send()?;
    if answer.status != 200 {
        return Err(format!("{} was answered with status {}", sent.head, answer.status).into());
    }
    case.expect_eq("protocol", understood.protocol.name())?;
    case.expect_if("api_version", understood.service.api_version)?;
    check_request_line(case, &sent.head, operation.name)
}

/// An operation that needs no argument.
fn easy_operation(service: &'static Service) -> Result<&'static OperationShape, Failure> {
    let served = operations().get(service.name);
    let is_easy = |operation: &&OperationShape| match operation.input.kind {
        Kind::Structure(members) => {
            members.iter().all(|member| !member.required)
                && ["Describe", "List", "Get"].iter().any(|verb| operation.name.starts_with(verb))
                && served.is_some_and(|served| served.get(operation.name).is_some())
        }
        _ => false,
    };
    let found = service.operations.iter().find(is_easy);
    found.ok_or_else(|| format!("{} has no operation without arguments", service.name).into())
}

/// A request, and how a person would describe it.
struct Sent {
    head: String,
    request: HttpRequest<Vec<u8>>,
}

impl Sent {
    fn new(service: &Service, protocol: Protocol, operation: &str) -> Self {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260914/{REGION}/{}/aws4_request, SignedHeaders=host, Signature=0",
            service.signing_name
        );
        let target = format!("{}.{operation}", service.target_prefix);
        let form = format!("Action={operation}&Version={}", service.api_version);
        let (path, kind, word, body): (String, &str, &str, Vec<u8>) = match protocol {
            Protocol::Query | Protocol::Ec2 => {
                ("/".into(), "application/x-www-form-urlencoded", "form", form.clone().into_bytes())
            }
            Protocol::Json10 => ("/".into(), "application/x-amz-json-1.0", "json", b"{}".to_vec()),
            Protocol::Json11 => ("/".into(), "application/x-amz-json-1.1", "json", b"{}".to_vec()),
            Protocol::Cbor => {
                let path = format!("/service/{}/operation/{operation}", service.target_prefix);
                (path, "application/cbor", "cbor", vec![0xa0])
            }
        };
        let mut builder = HttpRequest::builder()
            .method("POST")
            .uri(&path)
            .header("content-type", kind)
            .header("authorization", scope);
        let mut head = format!("POST {path} {word} {kind}");
        match protocol {
            Protocol::Json10 | Protocol::Json11 => {
                builder = builder.header("x-amz-target", &target);
                head = format!("{head} x-amz-target: {target}");
            }
            Protocol::Cbor => {
                builder = builder.header("smithy-protocol", "rpc-v2-cbor");
                head = format!("{head} smithy-protocol: rpc-v2-cbor");
            }
            Protocol::Query | Protocol::Ec2 => head = format!("{head} {form}"),
        }
        let request = builder.body(body).expect("these headers are plain text; this is a bug in scaleproof");
        Self { head, request }
    }

    fn send(&self) -> Result<(Answer, Request), Failure> {
        let (parts, body) = self.request.clone().into_parts();
        let request = Request::read(&parts, &body).ok_or_else(|| format!("{} reaches no service", self.head))?;
        let mut api = Api::new();
        let now = api.now;
        match api.universe().answer(&request, now, "http://127.0.0.1:4599", &Strike::default()) {
            Reply::Now(answer) | Reply::Later { answer, .. } => Ok((answer, request)),
        }
    }
}

/// Words that describe nothing.
const FILLERS: [&str; 5] = ["with", "header", "body", "and", "in"];

/// Every word of the case's description must be in ours; `<Op>` is the operation.
fn check_request_line(case: &Case, head: &str, operation: &str) -> Result<(), Failure> {
    let Some(expected) = case.expect.opt_str("request")? else { return Ok(()) };
    let words = expected.replace("<Op>", operation).to_lowercase();
    let ours = head.to_lowercase();
    let known = |word: &str| ours.split(' ').any(|one| one.trim_end_matches(':') == word);
    let mut words = words
        .split([' ', ',', '(', ')', '+'])
        .map(|word| word.trim_end_matches(':'))
        .filter(|word| !word.is_empty() && !FILLERS.contains(word));
    if words.all(known) { Ok(()) } else { Err(Failure::differs("request", &json!(expected), &json!(head))) }
}

fn check_quota(case: &Case) -> Result<(), Failure> {
    let given = &case.given;
    let service = find_service(given.str("service")?)?;
    let usage = Usage {
        account: ACCOUNT,
        region: given.opt_str("region")?.unwrap_or(REGION),
        service: service.name,
        operation: given.str("operation")?,
        narrowed: given.opt_bool("filtered")?.unwrap_or(true),
    };
    let quota = quota(&usage);
    let refill = quota.map(|quota| quota.per_second);
    case.expect_if("tps", refill)?;
    for name in ["refill_per_s", "refill", "refill_rate"] {
        case.expect_if(name, refill)?;
    }
    case.expect_if("bucket", quota.map(|quota| quota.burst))?;
    case.expect_if("burst", quota.map(|quota| quota.burst))?;
    let Some(calls) = ["alarms", "calls", "resources"].iter().find_map(|name| case.given.opt_u32(name).ok().flatten())
    else {
        return Ok(());
    };
    // So many calls, one after the other, each as soon as the bucket lets it through.
    let refill = refill.ok_or("the operation has no quota")?;
    let minutes = calls.saturating_sub(quota.map_or(0, |quota| quota.burst)).div_ceil(refill).div_ceil(60);
    case.expect_if("minutes", minutes)?;
    if let Some(least) = case.expect.opt_u32("minutes_at_least")?
        && minutes < least
    {
        return Err(Failure::differs("minutes_at_least", &json!(least), &json!(minutes)));
    }
    Ok(())
}

/// A refusal that every service has: of a caller who comes too often, or one who only asks whether he may.
fn check_refusal(case: &Case) -> Result<(), Failure> {
    let dry = case.given.has("DryRun") || case.given.opt_str("api")?.is_some_and(|words| words.contains("DryRun"));
    for name in ["DryRun", "allowed", "throttled", "api"] {
        case.given.get(name);
    }
    let service = find_service(case.given.opt_str("service")?.unwrap_or("ec2"))?;
    let refusal = match dry {
        true => {
            let answer = Api::new().call("ec2", "CreateVpc", json!({"CidrBlock": "10.0.0.0/16", "DryRun": true}));
            answer.err().ok_or("a dry run is carried out")?
        }
        false => throttled(service.name),
    };
    case.expect_refusal::<()>(&Err(refusal))
}

/// The protocols in which a service is called, in its model's order.
fn check_protocols(case: &Case) -> Result<(), Failure> {
    case.given.get("accepts");
    let service = find_service(case.given.str("service")?)?;
    let easy = easy_operation(service)?;
    for protocol in service.protocols {
        let (answer, _) = Sent::new(service, *protocol, easy.name).send()?;
        if answer.status != 200 {
            return Err(format!("{} is answered with {}", protocol.name(), answer.status).into());
        }
    }
    let plain = |name: &str| -> &'static str {
        match name.to_lowercase().replace([' ', '.', '_'], "") {
            name if name.contains("cbor") => "rpcv2Cbor",
            name if name.contains("json") => "awsJson1_0",
            name if name.contains("ec2") => "ec2Query",
            _ => "awsQuery",
        }
    };
    for name in case.expect.names() {
        let mut expected: Vec<&str> = case.expect.list(name)?.iter().filter_map(Value::as_str).map(plain).collect();
        let mut got: Vec<&str> = service.protocols.iter().map(|protocol| plain(protocol.name())).collect();
        expected.sort_unstable();
        got.sort_unstable();
        if expected != got {
            return Err(Failure::differs(name, &json!(expected), &json!(got)));
        }
    }
    Ok(())
}

/// A bucket's life: `100 at t=0 then 10/s for 10 s`.
fn check_timeline(case: &Case) -> Result<(), Failure> {
    let quota = Quota { burst: case.given.u32("bucket")?, per_second: case.given.u32("refill_per_s")? };
    let text = case.given.str("requests")?;
    let pattern = Regex::new(r"^(\d+) at t=0(?: then (\d+)/s for (\d+) s)?$").map_err(|error| error.to_string())?;
    let found = pattern.captures(text).ok_or_else(|| format!("given.requests is not known: {text}"))?;
    let number = |nth: usize| found.get(nth).and_then(|number| number.as_str().parse().ok()).unwrap_or(0);
    let (first, each, seconds) = (number(1), number(2), number(3));
    let mut bucket = TokenBucket::new(quota, Api::START);
    let mut accepted = |second: u64, requests: u64| {
        (0..requests).filter(|_| bucket.take(Api::START + Duration::from_secs(second))).count() as u64
    };
    let at_once = accepted(0, first);
    let later: Vec<u64> = (1..=seconds).map(|second| accepted(second, each)).collect();
    case.expect_if("accepted_at_t0", at_once)?;
    case.expect_if("rejected_at_t0", first - at_once)?;
    case.expect_if("accepted_total", at_once + later.iter().sum::<u64>())?;
    let steady = later.windows(2).all(|pair| pair[0] == pair[1]);
    let each = if steady { json!(later.first()) } else { json!(later) };
    case.expect_if("accepted_each_following_second", each)
}

/// Calls an operation that is not there, and describes the answer's structure.
fn check_error_shape(case: &Case) -> Result<(), Failure> {
    let name = case.given.str("protocol")?;
    let spoken = |service: &&&'static Service| service.protocols.iter().any(|protocol| protocol.name() == name);
    let service = match case.given.opt_str("service")? {
        Some(service) => find_service(service)?,
        None => SERVICES.iter().find(spoken).copied().ok_or_else(|| format!("nothing speaks {name}"))?,
    };
    let protocol = service.protocols.iter().find(|protocol| protocol.name() == name);
    let protocol = *protocol.ok_or_else(|| format!("{} does not speak {name}", service.name))?;
    let (answer, _) = Sent::new(service, protocol, "NoSuchOperation").send()?;
    for name in case.expect.names() {
        let expected = case.expect.value(name)?;
        let got = match name {
            "xml" => xml_outline(&answer.body)?,
            "json" | "cbor" | "body" => keys_outline(protocol, &answer.body)?,
            "header" => query_error(&answer),
            "content_type" => answer.content_type.to_string(),
            other => return Err(format!("expect.{other} is not known").into()),
        };
        if outline_of(name, expected) != got.replace(' ', "") {
            return Err(Failure::differs(name, expected, &json!(got)));
        }
    }
    Ok(())
}

/// A case writes a body as an object, or as a text with or without what its keys hold.
fn outline_of(name: &str, expected: &Value) -> String {
    if let Some(members) = expected.as_object() {
        let keys: Vec<&str> = members.keys().map(String::as_str).collect();
        return format!("{{{}}}", keys.join(","));
    }
    let text = expected.as_str().unwrap_or_default().replace([' ', '"'], "");
    if !["json", "cbor", "body"].contains(&name) {
        return text;
    }
    let keys = text.trim_matches(['{', '}']).split(',').filter_map(|part| part.split(':').next());
    format!("{{{}}}", keys.collect::<Vec<_>>().join(","))
}

fn query_error(answer: &Answer) -> String {
    let header = answer.headers.iter().find(|(name, _)| *name == "x-amzn-query-error");
    header.map_or_else(String::new, |(name, value)| {
        let blame = value.rsplit(';').next().unwrap_or_default();
        format!("{name}: <Code>;{blame}")
    })
}

/// `{__type,message}`
fn keys_outline(protocol: Protocol, body: &[u8]) -> Result<String, Failure> {
    let keys: Vec<String> = if protocol == Protocol::Cbor {
        let mut decoder = minicbor::Decoder::new(body);
        let pairs = decoder.map_iter::<String, String>().map_err(|error| format!("no CBOR map: {error}"))?;
        pairs.filter_map(|pair| pair.ok().map(|(key, _)| key)).collect()
    } else {
        let json: Value = serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
        json.as_object().map(|members| members.keys().cloned().collect()).unwrap_or_default()
    };
    Ok(format!("{{{}}}", keys.join(",")))
}

/// An element and its children by name.
#[derive(Default)]
struct Element {
    name: String,
    children: Vec<Element>,
}

impl Element {
    /// `Response/Errors/Error{Code,Message}/RequestID`: leaves side by side stand in braces.
    fn outline(&self) -> String {
        if self.children.is_empty() {
            return self.name.clone();
        }
        if self.children.len() > 1 && self.children.iter().all(|child| child.children.is_empty()) {
            let leaves: Vec<&str> = self.children.iter().map(|child| child.name.as_str()).collect();
            return format!("{}{{{}}}", self.name, leaves.join(","));
        }
        let children: Vec<String> = self.children.iter().map(Element::outline).collect();
        format!("{}/{}", self.name, children.join("/"))
    }
}

fn xml_outline(body: &[u8]) -> Result<String, Failure> {
    let mut reader = Reader::from_reader(body);
    let mut buffer = Vec::new();
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event_into(&mut buffer).map_err(|error| format!("no XML: {error}"))?;
        match event {
            Event::Start(tag) => {
                let name = tag.local_name().as_ref().to_string();
                open.push(Element { name, children: Vec::new() });
            }
            Event::Empty(tag) => {
                let name = tag.local_name().as_ref().to_string();
                if let Some(parent) = open.last_mut() {
                    parent.children.push(Element { name, children: Vec::new() });
                }
            }
            Event::End(_) => {
                let closed = open.pop().ok_or("an element ends that never began")?;
                open.last_mut().ok_or("an element stands outside")?.children.push(closed);
            }
            Event::Eof => break,
            _ => {}
        }
        buffer.clear();
    }
    let root = open.pop().and_then(|mut document| document.children.pop());
    root.map(|root| root.outline()).ok_or_else(|| "the document is empty".into())
}
