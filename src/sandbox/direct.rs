//! Calls without a socket or a codec's bytes: an operation's input as JSON by the names of the service model, the output
//! likewise, for tools that hold the sandbox to what AWS documents. Start at [`Universe::call`].

use serde_json::Value as Json;

use super::faults::Strike;
use super::models::SERVICES;
use super::operations::Call;
use super::universe::Universe;
use super::wire::request::{self, Request};
use super::wire::shape::{Kind, OperationShape, Protocol, Service, Shape};
use super::wire::value::Value;
use super::wire::{json, validate};
use crate::clock::Timestamp;
use crate::engine::Refusal;

/// Whom a direct call reaches: no host was named.
const BASE_URL: &str = "http://127.0.0.1:4599";

impl Universe {
    /// Runs `operation` of `service` (botocore's names) for the default account in `region` at `now`. Timestamps are
    /// seconds since the epoch, and RFC 3339 is read too.
    ///
    /// # Errors
    /// What a client would be answered, with the code as the Query protocol writes it. A member that the model does not
    /// have is refused too: over the wire AWS overlooks it, here it is a mistake of the caller's.
    pub fn call(
        &mut self,
        now: Timestamp,
        region: &str,
        service: &str,
        operation: &str,
        input: Json,
    ) -> Result<Json, Refusal> {
        let caller = Caller { access_key: "", region, base_url: BASE_URL };
        self.call_as(now, &caller, service, operation, input)
    }

    /// The same for any caller.
    ///
    /// # Errors
    /// Those of [`Universe::call`].
    pub(super) fn call_as(
        &mut self,
        now: Timestamp,
        caller: &Caller<'_>,
        service: &str,
        operation: &str,
        input: Json,
    ) -> Result<Json, Refusal> {
        let service = find(service)?;
        let done = read(service, operation, input).and_then(|(shape, input)| {
            let request = Request {
                service,
                protocol: Protocol::Json10,
                region: caller.region.into(),
                access_key: caller.access_key.into(),
                call: Ok((shape, input.clone())),
            };
            let mut call = Call::new(now, "direct".into(), caller.base_url.into());
            self.run(&request, shape, input, &mut call, &Strike::default())
        });
        done.map(json::encode).map_err(|refusal| in_query_words(service, refusal))
    }
}

/// Who calls, where, and by which address of the endpoint.
pub(super) struct Caller<'a> {
    pub access_key: &'a str,
    pub region: &'a str,
    pub base_url: &'a str,
}

fn find(name: &str) -> Result<&'static Service, Refusal> {
    let named = |service: &&&'static Service| service.name == name || service.signing_name == name;
    SERVICES.iter().find(named).copied().ok_or_else(|| {
        Refusal::new("InvalidAction", 400, format!("The service {name} is not reproduced by scaleproof's sandbox"))
    })
}

fn read(service: &'static Service, operation: &str, input: Json) -> Result<(&'static OperationShape, Value), Refusal> {
    let shape = service.operation(operation).ok_or_else(|| request::unknown(service, operation))?;
    if let Some(stranger) = stranger(&input, shape.input) {
        return Err(Refusal::new("UnknownMember", 400, format!("{operation} has no member {stranger}")));
    }
    let value = json::decode(input, shape.input, "")
        .map_err(|error| Refusal::new("SerializationException", 400, format!("{}: {}", error.at, error.because)))?;
    validate::check(service, shape.input, &value)?;
    Ok((shape, value))
}

/// The path of the first member that `shape` does not have.
fn stranger(input: &Json, shape: &Shape) -> Option<String> {
    match (shape.kind, input) {
        (Kind::Structure(members), Json::Object(found)) => found.iter().find_map(|(name, inner)| {
            let Some(member) = members.iter().find(|member| member.name == name) else { return Some(name.clone()) };
            stranger(inner, member.shape).map(|rest| format!("{name}.{rest}"))
        }),
        (Kind::List { of, .. }, Json::Array(items)) => items.iter().find_map(|item| stranger(item, of)),
        (Kind::Map { value, .. }, Json::Object(found)) => found.values().find_map(|inner| stranger(inner, value)),
        _ => None,
    }
}

fn in_query_words(service: &Service, refusal: Refusal) -> Refusal {
    let code = service.error(&refusal.code).map_or(refusal.code.as_str(), |error| error.code).to_string();
    Refusal { code, ..refusal }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::groups::Timing;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn call(service: &str, operation: &str, input: Json) -> Result<Json, String> {
        let mut universe = Universe::new("123456789012", 1, Timing::Instant);
        universe.call(NOW, "eu-west-1", service, operation, input).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_direct_call_is_answered_as_over_the_wire() {
        let topic = json!({"TopicArn": "arn:aws:sns:eu-west-1:123456789012:ops"});
        assert_eq!(call("sns", "CreateTopic", json!({"Name": "ops"})), Ok(topic));
        let refused = call("sqs", "GetQueueUrl", json!({"QueueName": "no"})).unwrap_err();
        assert!(refused.starts_with("AWS.SimpleQueueService.NonExistentQueue: "), "{refused}");
    }

    #[test]
    fn a_direct_call_with_a_member_that_the_model_does_not_have_is_refused() {
        let tags = json!({"Name": "ops", "Tags": [{"Key": "a", "Val": "b"}]});
        assert_eq!(call("sns", "CreateTopic", tags), Err("UnknownMember: CreateTopic has no member Tags.Val".into()));
        let refused = call("s3", "ListBuckets", json!({})).unwrap_err();
        assert!(refused.starts_with("InvalidAction: The service s3"), "{refused}");
    }
}
