//! A fault as a caller writes it, in JSON. Start at [`read`].

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value as Json;

use super::{CallFault, Kind, Order, Scope, When};
use crate::engine::faults::{Arrival, Chance, Delivered, Fault, Guard};
use crate::engine::names::TopicArn;
use crate::sandbox::models::SERVICES;
use crate::sandbox::wire::shape::Service;

/// The kinds of faults with the members that each needs, and those that it may have besides.
const KINDS: [(&str, &[&str], &[&str]); 14] = [
    ("error", &["code"], &["service", "operation", "status", "message"]),
    ("throttle", &[], &["service", "operation"]),
    ("latency", &["by"], &["service", "operation"]),
    ("drop", &[], &["service", "operation", "when"]),
    ("small_pages", &["size"], &["service", "operation"]),
    ("stale_reads", &["by"], &["service", "operation"]),
    ("no_capacity", &[], &["zone", "instance_type"]),
    ("never_in_service", &[], &["group"]),
    ("metric_late", &["by"], &["namespace", "metric"]),
    ("metric_lost", &[], &["namespace", "metric"]),
    ("notice_late", &["by"], &["topic", "protocol"]),
    ("notice_twice", &[], &["topic", "protocol"]),
    ("notice_lost", &[], &["topic", "protocol"]),
    ("publish_denied", &[], &["topic", "because"]),
];
/// What every fault may have.
const COMMON: [&str; 7] = ["fault", "account", "region", "times", "skip", "probability", "seed"];

/// The members of all kinds; [`KINDS`] says which belong together.
#[derive(Debug, Clone, Default, Deserialize)]
struct Written {
    fault: String,
    account: Option<String>,
    region: Option<String>,
    times: Option<u32>,
    skip: Option<u32>,
    probability: Option<f64>,
    seed: Option<u64>,
    service: Option<String>,
    operation: Option<String>,
    code: Option<String>,
    status: Option<u16>,
    message: Option<String>,
    by: Option<String>,
    when: Option<When>,
    size: Option<i64>,
    zone: Option<String>,
    instance_type: Option<String>,
    group: Option<String>,
    namespace: Option<String>,
    metric: Option<String>,
    topic: Option<String>,
    protocol: Option<String>,
    because: Option<Because>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Because {
    Policy,
    Key,
}

/// Reads one fault.
///
/// # Errors
/// Everything that is wrong with it, in words.
pub fn read(said: Json) -> Result<Order, String> {
    check_members(&said)?;
    let written: Written = serde_json::from_value(said.clone()).map_err(|error| error.to_string())?;
    let problems = written.problems();
    if !problems.is_empty() {
        return Err(problems.join("; "));
    }
    let Written { skip, times, probability, seed, .. } = &written;
    let chance = Chance::new(skip.unwrap_or(0), *times, probability.unwrap_or(1.0), seed.unwrap_or(1), &written.fault);
    Ok(Order { scope: written.scope(), kind: written.kind(), chance, said })
}

fn check_members(said: &Json) -> Result<(), String> {
    let members = said.as_object().ok_or("a fault is an object such as {\"fault\": \"throttle\", \"times\": 3}")?;
    let kind = members.get("fault").and_then(Json::as_str).unwrap_or_default();
    let Some((_, needed, allowed)) = KINDS.iter().find(|(name, ..)| *name == kind) else {
        let names: Vec<&str> = KINDS.iter().map(|(name, ..)| *name).collect();
        return Err(format!("`fault` is one of {}", names.join(", ")));
    };
    let known = |member: &str| [*needed, *allowed, &COMMON].iter().any(|list| list.contains(&member));
    let strange = members.keys().filter(|member| !known(member)).map(|member| format!("`{kind}` has no `{member}`"));
    let missing = needed.iter().filter(|member| !members.contains_key(**member));
    let problems: Vec<String> = strange.chain(missing.map(|member| format!("`{kind}` needs `{member}`"))).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

impl Written {
    fn problems(&self) -> Vec<String> {
        let service = self.service.as_deref();
        let operation_is_there = match (service.map(find_service), self.operation.as_deref()) {
            (Some(None), _) => Some(format!("there is no service `{}` here", service.unwrap_or_default())),
            (None, Some(_)) => Some("an `operation` needs its `service`".into()),
            (Some(Some(found)), Some(operation)) if found.operation(operation).is_none() => {
                Some(format!("{} has no operation `{operation}` here", found.name))
            }
            _ => None,
        };
        let fraction = self.probability.is_some_and(|p| !(0.0..=1.0).contains(&p));
        let checks = [
            operation_is_there,
            fraction.then(|| "a `probability` lies between 0 and 1".into()),
            (self.by.is_some() && self.span().is_none()).then(|| "`by` is a duration such as 500ms, 90s or 5m".into()),
            self.size.is_some_and(|size| size < 1).then(|| "`size` is 1 at least".into()),
            self.status.is_some_and(|status| !(400..600).contains(&status)).then(|| "`status` is 400 to 599".into()),
        ];
        checks.into_iter().flatten().collect()
    }

    fn span(&self) -> Option<Duration> {
        let span: jiff::SignedDuration = self.by.as_deref()?.parse().ok()?;
        Duration::try_from(span).ok()
    }

    fn scope(&self) -> Scope {
        let service = self.service.as_deref().and_then(find_service).map(|service| service.name.to_string());
        Scope { account: self.account.clone(), region: self.region.clone(), service, operation: self.operation.clone() }
    }

    fn kind(&self) -> Kind {
        let by = self.span().unwrap_or_default();
        let metric = |happens| {
            let (namespace, metric) = (self.namespace.clone(), self.metric.clone());
            Kind::World(Fault::Metric { namespace, metric, happens })
        };
        let topic = || self.topic.as_deref().map(TopicArn::from);
        let notice = |happens| Kind::World(Fault::Notice { topic: topic(), protocol: self.protocol.clone(), happens });
        match self.fault.as_str() {
            "error" => Kind::Call(self.error()),
            "throttle" => Kind::Call(CallFault::Throttle),
            "latency" => Kind::Call(CallFault::Latency(by)),
            "drop" => Kind::Call(CallFault::Drop(self.when.unwrap_or(When::Before))),
            "small_pages" => Kind::Call(CallFault::SmallPages(self.size.unwrap_or(1))),
            "stale_reads" => Kind::Call(CallFault::StaleReads(by)),
            "no_capacity" => Kind::World(Fault::NoCapacity {
                zone: self.zone.as_deref().map(Into::into),
                instance_type: self.instance_type.clone(),
            }),
            "never_in_service" => Kind::World(Fault::NeverInService { group: self.group.as_deref().map(Into::into) }),
            "metric_late" => metric(Arrival::Late(by)),
            "metric_lost" => metric(Arrival::Never),
            "notice_late" => notice(Delivered::Late(by)),
            "notice_twice" => notice(Delivered::Twice),
            "notice_lost" => notice(Delivered::Never),
            _ => Kind::World(Fault::PublishDenied {
                topic: topic(),
                by: match self.because {
                    Some(Because::Key) => Guard::Key,
                    Some(Because::Policy) | None => Guard::TopicPolicy,
                },
            }),
        }
    }

    /// The status is the service's own for that code, where its model has it.
    fn error(&self) -> CallFault {
        let code = self.code.clone().unwrap_or_default();
        let modelled = || Some(find_service(self.service.as_deref()?)?.error(&code)?.status);
        let status = self.status.or_else(modelled).unwrap_or(if code.starts_with("Internal") { 500 } else { 400 });
        let message = self.message.clone().unwrap_or_else(|| "A fault that was asked for.".into());
        CallFault::Error { code, status, message }
    }
}

fn find_service(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.name == name || service.signing_name == name).copied()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_wrong_with_a_fault_is_said_at_once() {
        let check = |order: Json, expected: &str| {
            assert_eq!(read(order.clone()).map(|_| ()).unwrap_err(), expected, "{order}");
        };
        check(json!(7), "a fault is an object such as {\"fault\": \"throttle\", \"times\": 3}");
        check(
            json!({"fault": "latency", "code": "X", "tims": 1}),
            "`latency` has no `code`; `latency` has no `tims`; `latency` needs `by`",
        );
        check(
            json!({"fault": "latency", "by": "soon", "service": "s3", "probability": 2}),
            "there is no service `s3` here; a `probability` lies between 0 and 1; `by` is a duration such as 500ms, 90s or 5m",
        );
        check(
            json!({"fault": "throttle", "service": "ec2", "operation": "Launch"}),
            "ec2 has no operation `Launch` here",
        );
        check(json!({"fault": "throttle", "operation": "RunInstances"}), "an `operation` needs its `service`");
        let unknown = read(json!({"fault": "sabotage"})).unwrap_err();
        assert!(unknown.starts_with("`fault` is one of error, throttle, "), "{unknown}");
    }

    #[test]
    fn an_error_has_the_status_of_its_service() {
        let check = |order: Json, expected: u16| {
            let Kind::Call(CallFault::Error { status, .. }) = read(order.clone()).unwrap().kind else { panic!() };
            assert_eq!(status, expected, "{order}");
        };
        check(json!({"fault": "error", "service": "autoscaling", "code": "ResourceContention"}), 500);
        check(json!({"fault": "error", "service": "autoscaling", "code": "LimitExceeded"}), 400);
        check(json!({"fault": "error", "code": "InternalFailure"}), 500);
        check(json!({"fault": "error", "code": "Whatever", "status": 503}), 503);
    }
}
