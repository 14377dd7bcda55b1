//! The control surface under `/_scaleproof/`: health, reset, clock, load, mailbox, state. JSON in, JSON out.
//! A public contract; `docs/sandbox.md` is its page.

use std::time::Duration;

use http::Method;
use http::request::Parts;
use serde_json::{Value, json};

use super::server::Shared;
use super::services::sns;
use super::store::What;
use super::universe::Universe;
use super::wire::answer::Answer;
use super::{console, faults, load};
use crate::clock::{Clock, Speed, Timestamp};
use crate::engine::groups::cause::HealthFinding;
use crate::engine::names::InstanceId;

/// The longest span that one `advance` may cover: a year of evaluations takes a while.
const LONGEST_ADVANCE: Duration = Duration::from_secs(366 * 86_400);
const FASTEST: f64 = 100_000.0;

pub fn respond(parts: &Parts, body: &[u8], shared: &Shared) -> Answer {
    let path = parts.uri.path().strip_prefix("/_scaleproof/").unwrap_or_default();
    match (&parts.method, path) {
        (&Method::GET, "health") => answer(200, &health(shared)),
        (&Method::POST, "reset") => {
            shared.universe().reset();
            answer(200, &json!({ "reset": true }))
        }
        (&Method::GET, "clock") => answer(200, &clock(shared)),
        (&Method::POST, "clock") => read(body).and_then(|order| set_clock(shared, &order)).map_or_else(bad, |()| {
            shared.changed.notify_one();
            answer(200, &clock(shared))
        }),
        (&Method::POST, "load") => read(body).and_then(|order| set_load(shared, order)).map_or_else(bad, |region| {
            shared.changed.notify_one();
            answer(200, &json!({ "region": region }))
        }),
        (&Method::GET, "faults") => answer(200, &json!({ "faults": shared.universe().list_faults() })),
        (&Method::POST, "faults") => read(body)
            .and_then(faults::read)
            .map_or_else(bad, |order| answer(200, &json!({ "id": shared.universe().add_fault(order) }))),
        (&Method::DELETE, "faults") => answer(200, &json!({ "removed": shared.universe().remove_faults(None) })),
        (&Method::DELETE, path) if path.starts_with("faults/") => remove_fault(shared, path),
        (&Method::POST, "break") => {
            read(body).and_then(|order| break_instance(shared, &order)).map_or_else(bad, |()| {
                shared.changed.notify_one();
                answer(200, &json!({ "broken": true }))
            })
        }
        (&Method::GET, "view") => {
            let (universe, now) = (shared.universe(), shared.clock.now());
            answer(200, &json!(console::view(&universe, now, shared.clock.speed())))
        }
        (&Method::GET, "mailbox") => answer(200, &mailbox(shared)),
        (&Method::GET, "events") => answer(200, &events(shared)),
        (&Method::GET, "state") => answer(200, &json!(*shared.universe())),
        (&Method::PUT, "state") => read(body).and_then(|state| bring_back(shared, state)).map_or_else(bad, |()| {
            shared.changed.notify_one();
            answer(200, &json!({ "loaded": true }))
        }),
        (&Method::GET, path) => match visit(parts, shared, path) {
            Some(page) => page,
            None => unknown(parts, path),
        },
        _ => unknown(parts, path),
    }
}

fn remove_fault(shared: &Shared, path: &str) -> Answer {
    let named = path.strip_prefix("faults/").and_then(faults::number);
    let removed = named.map(|number| shared.universe().remove_faults(Some(number))).unwrap_or_default();
    let status = if removed.is_empty() { 404 } else { 200 };
    answer(status, &json!({ "removed": removed }))
}

/// The links in messages, which a person opens in a browser.
fn visit(parts: &Parts, shared: &Shared, path: &str) -> Option<Answer> {
    let now = shared.clock.now();
    let page = sns::visit(&mut shared.universe(), now, path, parts.uri.query().unwrap_or_default())?;
    Some(match page {
        Ok(sns::Page::Subscription(arn)) => answer(200, &json!({ "subscription": arn })),
        Ok(sns::Page::Certificate(pem)) => {
            Answer { status: 200, content_type: "application/x-pem-file", headers: Vec::new(), body: pem.into_bytes() }
        }
        Err(refusal) => answer(refusal.status, &json!({ "code": refusal.code, "error": refusal.message })),
    })
}

fn unknown(parts: &Parts, path: &str) -> Answer {
    answer(
        404,
        &json!({
            "error": format!("there is no {} /_scaleproof/{path}", parts.method),
            "served": ["GET health", "POST reset", "GET clock", "POST clock", "POST load", "POST break", "GET view", "GET faults", "POST faults", "DELETE faults", "GET mailbox", "GET events", "GET confirm", "GET unsubscribe", "GET state", "PUT state"],
        }),
    )
}

/// Moves the clock on and lets everything in between happen.
pub fn advance(shared: &Shared, span: Duration) -> Timestamp {
    let mut universe = shared.universe();
    let to = shared.clock.now() + span;
    shared.clock.move_to(to);
    universe.advance(to);
    to
}

/// Whether a request may change something: what is sent does, and so do the links in messages.
pub fn changes(parts: &Parts) -> bool {
    parts.method != Method::GET || parts.uri.query().is_some()
}

/// [`advance`], as one asks for it over HTTP.
pub fn advance_order(span: Duration) -> What {
    let body = json!({ "advance": format!("PT{}S", span.as_secs_f64()) }).to_string();
    What::Control { method: "POST".into(), path_and_query: "/_scaleproof/clock".into(), body }
}

fn answer(status: u16, json: &Value) -> Answer {
    let body = format!("{json}\n").into_bytes();
    Answer { status, content_type: "application/json", headers: Vec::new(), body }
}

fn bad(error: String) -> Answer {
    answer(400, &json!({ "error": error }))
}

fn read(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))
}

fn health(shared: &Shared) -> Value {
    let (regions, resources) = {
        let universe = shared.universe();
        (universe.regions().count(), universe.remains())
    };
    let (version, now) = (env!("CARGO_PKG_VERSION"), shared.clock.now());
    json!({ "status": "running", "version": version, "now": now, "regions": regions, "resources": resources })
}

fn clock(shared: &Shared) -> Value {
    let Speed(speed) = shared.clock.speed();
    json!({ "now": shared.clock.now(), "speed": speed, "paused": speed == 0.0 })
}

/// One of `{"speed": 60}`, `{"pause": true}` and `{"advance": "5m"}`.
fn set_clock(shared: &Shared, order: &Value) -> Result<(), String> {
    let what = "say one of {\"speed\": 60}, {\"pause\": true}, {\"advance\": \"5m\"}";
    let members = order.as_object().filter(|members| members.len() == 1).ok_or(what)?;
    match members.iter().next() {
        Some((key, Value::Number(speed))) if key == "speed" => {
            let speed = speed.as_f64().filter(|speed| (0.0..=FASTEST).contains(speed));
            shared.clock.set_speed(Speed(speed.ok_or("a speed lies between 0 and 100000")?));
        }
        Some((key, Value::Bool(pause))) if key == "pause" => {
            shared.clock.set_speed(if *pause { Speed::PAUSED } else { Speed::REAL });
        }
        Some((key, Value::String(span))) if key == "advance" => {
            let parsed: Option<jiff::SignedDuration> = span.parse().ok();
            let span = parsed.and_then(|span| Duration::try_from(span).ok()).filter(|span| *span <= LONGEST_ADVANCE);
            advance(shared, span.ok_or("an advance is a duration such as 90s, 5m or 2h, a year at most")?);
        }
        _ => return Err(what.into()),
    }
    Ok(())
}

/// EC2's status checks fail from now on: the group finds out and replaces the instance.
fn break_instance(shared: &Shared, order: &Value) -> Result<(), String> {
    let instance = order.get("instance").and_then(Value::as_str).ok_or("say which {\"instance\": \"i-…\"}")?;
    let (id, now) = (InstanceId::from(instance), shared.clock.now());
    let mut universe = shared.universe();
    universe.advance(now);
    let found = universe
        .regions_mut()
        .find(|region| region.world.groups.instance(&id).is_some_and(|instance| instance.group().is_some()));
    let region = found.ok_or_else(|| format!("there is no instance `{instance}` in a group here"))?;
    region.world.with_groups(now, |groups| groups.report_check(now, &id, HealthFinding::StatusCheckFailed, true));
    Ok(())
}

fn set_load(shared: &Shared, order: Value) -> Result<String, String> {
    let order: load::Order = serde_json::from_value(order).map_err(|error| error.to_string())?;
    let now = shared.clock.now();
    load::set(&mut shared.universe(), now, &order)
}

/// Messages that left for people and webhooks, and what alarms invoked functions with, each oldest first.
fn mailbox(shared: &Shared) -> Value {
    let universe = shared.universe();
    let mut invocations: Vec<_> = universe.regions().flat_map(|region| &region.world.invocations).collect();
    invocations.sort_by_key(|invocation| invocation.at);
    json!({ "messages": universe.mailbox(), "invocations": invocations })
}

/// What EventBridge would get about alarms, oldest first within a region.
fn events(shared: &Shared) -> Value {
    let now = shared.clock.now();
    let universe = shared.universe();
    json!({ "events": universe.regions().flat_map(|region| region.world.alarms.events(now)).collect::<Vec<_>>() })
}

fn bring_back(shared: &Shared, state: Value) -> Result<(), String> {
    let loaded: Universe =
        serde_json::from_value(state).map_err(|error| format!("not a state of this version: {error}"))?;
    *shared.universe() = loaded;
    Ok(())
}
