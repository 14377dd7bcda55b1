//! From a request's bytes to an answer's: who is asked, what faults do to it, what is kept. Start at [`respond`].

use std::io::Read;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request as HttpRequest, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;

use super::faults::{Strike, When, is_read};
use super::server::{LOOK_AGAIN, Shared};
use super::store::{StoreError, What};
use super::universe::Reply;
use super::wire::answer::{self, Answer};
use super::wire::request::Request;
use super::wire::signature;
use super::{console, control};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::engine::Refusal;

/// The largest request that AWS takes is PutMetricData's 1 MB; ten times that bounds memory and surprises nobody.
const LARGEST_BODY: usize = 10 << 20;

/// A connection that breaks without an answer, because a fault says so.
#[derive(Debug, thiserror::Error)]
#[error("a fault dropped the connection")]
pub struct Dropped;

pub async fn respond(
    request: HttpRequest<Incoming>,
    address: SocketAddr,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let (parts, body) = request.into_parts();
    let answer = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => answer(&parts, body.to_bytes(), address, shared).await?,
        Err(_) => plain(413, "the request is larger than 10 MiB, or broke off"),
    };
    Ok(write(answer, shared.clock.now()))
}

async fn answer(parts: &Parts, body: Bytes, address: SocketAddr, shared: &Shared) -> Result<Answer, Dropped> {
    let Some(unpacked) = unpacked(parts, body.clone()) else {
        let text = "the content-encoding is not gzip, or the body is not what it says, or unpacks to more than 10 MiB";
        return Ok(plain(400, text));
    };
    if parts.uri.path() == "/" && parts.method == http::Method::GET && parts.uri.query().is_none() {
        let (content_type, body) = ("text/html;charset=UTF-8", console::PAGE.into());
        return Ok(Answer { status: 200, content_type, headers: Vec::new(), body });
    }
    if parts.uri.path().starts_with("/_scaleproof/") {
        return Ok(guarded(|| order(parts, &unpacked, shared)).unwrap_or_else(|text| plain(500, &text)));
    }
    let Some(request) = Request::read(parts, &unpacked) else {
        return Ok(plain(400, "no AWS service is named: neither an Action, nor X-Amz-Target, nor a signature"));
    };
    if let Err(refusal) = admit(parts, &body, &request, shared) {
        return Ok(answer::refusal(request.service, request.protocol, &refusal, "none"));
    }
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok());
    let base_url = host.map_or_else(|| format!("http://{address}"), |host| format!("http://{host}"));
    call(&request, &base_url, shared).await
}

/// Whether the caller signed the request, as far as that is asked for.
fn admit(parts: &Parts, body: &[u8], request: &Request, shared: &Shared) -> Result<(), Refusal> {
    let Some(secret) = &shared.secret else { return Ok(()) };
    let now = [SystemClock.now(), shared.clock.now()];
    signature::check(parts, body, secret, &now).map_err(|flaw| flaw.refusal(request.service.name, request.protocol))
}

/// Runs an order of the control surface, and keeps it if it changed something.
fn order(parts: &Parts, body: &[u8], shared: &Shared) -> Answer {
    let at = shared.clock.now();
    let answer = control::respond(parts, body, shared);
    let changes = answer.status < 300 && control::changes(parts);
    let what = || {
        changes.then(|| What::Control {
            method: parts.method.to_string(),
            path_and_query: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            body: String::from_utf8_lossy(body).into_owned(),
        })
    };
    shared.keep(at, what).map_or_else(|error| plain(500, &chain(&error)), |()| answer)
}

/// Keeps a call that changed something; if that fails, the caller must not believe that it did.
fn kept(request: &Request, base_url: &str, now: Timestamp, answer: Answer, shared: &Shared) -> Answer {
    let reads = request.call.as_ref().is_ok_and(|(shape, _)| is_read(shape.name));
    if reads || answer.status >= 300 {
        return answer;
    }
    let what = || What::call(request, base_url);
    match shared.keep(now, what) {
        Ok(()) => answer,
        Err(error) => failure(request, &chain(&error), shared),
    }
}

fn failure(request: &Request, text: &str, shared: &Shared) -> Answer {
    let refusal = Refusal::new("InternalFailure", 500, text);
    let request_id = shared.universe().request_id();
    answer::refusal(request.service, request.protocol, &refusal, &request_id)
}

/// An error with its causes.
fn chain(error: &StoreError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Runs what may be broken, so that one call that meets a bug of ours does not take the sandbox with it.
pub fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason is known");
        format!("{text}; this is a bug in scaleproof")
    })
}

/// The body as it was before the SDK compressed it: SDKs do so with large PutMetricData calls.
fn unpacked(parts: &Parts, body: Bytes) -> Option<Bytes> {
    match parts.headers.get("content-encoding").map(http::HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Some(body),
        Some(b"gzip") => {
            let mut plain = Vec::new();
            let most = LARGEST_BODY as u64 + 1;
            flate2::read::GzDecoder::new(body.as_ref()).take(most).read_to_end(&mut plain).ok()?;
            (plain.len() <= LARGEST_BODY).then(|| plain.into())
        }
        Some(_) => None,
    }
}

/// Runs a call as faults let it.
async fn call(request: &Request, base_url: &str, shared: &Shared) -> Result<Answer, Dropped> {
    let strike = shared.universe().strike(request, shared.clock.now());
    if !strike.delay.is_zero() {
        tokio::time::sleep(strike.delay).await;
    }
    if strike.dropped == Some(When::Before) {
        return Err(Dropped);
    }
    let answer = answer_in_time(request, base_url, &strike, shared).await;
    if strike.dropped == Some(When::After) { Err(Dropped) } else { Ok(answer) }
}

/// Runs the call, again and again while it asks to be waited for.
///
/// A long poll waits on the sandbox's clock, and no longer than it asked for on the caller's: on a clock that stands
/// still it would otherwise wait for ever.
async fn answer_in_time(request: &Request, base_url: &str, strike: &Strike, shared: &Shared) -> Answer {
    let (mut deadline, mut waited) = (None, Duration::ZERO);
    loop {
        let now = shared.clock.now();
        let reply = guarded(|| shared.answer(request, now, base_url, strike));
        match reply {
            Ok(Reply::Now(answer)) => return kept(request, base_url, now, answer, shared),
            Ok(Reply::Later { answer, until }) => {
                let (until, longest) = *deadline.get_or_insert((until, until.since(now)));
                let left = shared.clock.real_until(until).unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN);
                if left.is_zero() || waited >= longest {
                    return answer;
                }
                tokio::time::sleep(left).await;
                waited += left;
            }
            Err(text) => return failure(request, &text, shared),
        }
    }
}

pub(super) fn plain(status: u16, text: &str) -> Answer {
    Answer {
        status,
        content_type: "text/plain;charset=UTF-8",
        headers: Vec::new(),
        body: format!("{text}\n").into_bytes(),
    }
}

/// The `Date` is the sandbox's own, so that a client can tell what time it is here.
fn write(answer: Answer, now: Timestamp) -> Response<Full<Bytes>> {
    let mut response = Response::builder()
        .status(answer.status)
        .header("content-type", answer.content_type)
        .header("date", now.http_date());
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(answer.body))).unwrap_or_else(|_| Response::new(Full::default()))
}
