//! The process around the universe: a socket on the loopback interface, a clock, one loop. Start at [`Sandbox::start`].

use std::convert::Infallible;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request as HttpRequest, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

use super::control;
use super::limits::Limits;
use super::universe::{Reply, Universe};
use super::wire::answer::Answer;
use super::wire::request::Request;
use crate::clock::{Clock, Speed, Timestamp, VirtualClock};
use crate::engine::groups::Timing;

/// The largest request that AWS takes is PutMetricData's 1 MB; ten times that bounds memory and surprises nobody.
const LARGEST_BODY: usize = 10 << 20;
/// A connection that has sent no complete header by then is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a long poll or an idle loop rests before it looks again, whatever the clock does.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_secs(1);

/// How a sandbox is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Zero for any free port.
    pub port: u16,
    pub speed: Speed,
    pub timing: Timing,
    pub account: String,
    pub seed: u64,
    /// Request quotas, which a real account has.
    pub limits: Limits,
    /// What the clock shows at the start.
    pub start: Timestamp,
}

impl Options {
    /// A free port, real time, realistic instances.
    pub fn at(start: Timestamp) -> Self {
        let (speed, timing) = (Speed::REAL, Timing::Realistic);
        Self { port: 0, speed, timing, account: "123456789012".into(), seed: 1, limits: Limits::off(), start }
    }
}

/// A running endpoint. It ends when it is dropped.
pub struct Sandbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the connections, the loop and the owner share.
pub(super) struct Shared {
    pub clock: VirtualClock,
    universe: Mutex<Universe>,
    /// Rung when something may have become due earlier than the loop thinks.
    pub changed: Notify,
}

impl Shared {
    pub fn universe(&self) -> MutexGuard<'_, Universe> {
        self.universe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sandbox {
    /// Binds to 127.0.0.1 and serves from a thread of its own.
    ///
    /// # Errors
    /// When the port is taken or no thread can be had.
    pub fn start(options: &Options) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let universe =
            Universe::new(&options.account, options.seed, options.timing).with_limits(options.limits.clone());
        let shared = Arc::new(Shared {
            clock: VirtualClock::new(options.start, options.speed),
            universe: Mutex::new(universe),
            changed: Notify::new(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("sandbox".into()).spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = accept(listener, address, Arc::clone(&served)) => {}
                    () = keep_time(&served) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Moves the clock on; returns when everything due in that span has happened.
    pub fn advance(&self, span: Duration) -> Timestamp {
        control::advance(&self.shared, span)
    }

    /// Reads the whole state.
    pub fn inspect<T>(&self, read: impl FnOnce(&mut Universe) -> T) -> T {
        read(&mut self.shared.universe())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, address: SocketAddr, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, address, Arc::clone(&shared)));
            }
            // Out of file handles, most likely: connections that end will free some.
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// Lets things happen when they are due.
async fn keep_time(shared: &Shared) {
    loop {
        let due = {
            let mut universe = shared.universe();
            universe.advance(shared.clock.now());
            universe.next_due()
        };
        let rest = due.and_then(|due| shared.clock.real_until(due)).unwrap_or(IDLE).min(IDLE);
        tokio::select! {
            () = tokio::time::sleep(rest.max(Duration::from_millis(1))) => {}
            () = shared.changed.notified() => {}
        }
    }
}

async fn serve(stream: TcpStream, address: SocketAddr, shared: Arc<Shared>) {
    // Answers are small and somebody waits for each.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(request, address, &shared).await) }
    });
    // A connection that breaks concerns nobody else.
    let _ = http1::Builder::new()
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn respond(request: HttpRequest<Incoming>, address: SocketAddr, shared: &Shared) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else {
        return write(plain(413, "the request is larger than 10 MiB, or broke off"), shared.clock.now());
    };
    let Some(body) = unpacked(&parts, body.to_bytes()) else {
        let text = "the content-encoding is not gzip, or the body is not what it says, or unpacks to more than 10 MiB";
        return write(plain(400, text), shared.clock.now());
    };
    if parts.uri.path() == "/" && parts.method == http::Method::GET && parts.uri.query().is_none() {
        return write(plain(200, "scaleproof sandbox: see /_scaleproof/health"), shared.clock.now());
    }
    if parts.uri.path().starts_with("/_scaleproof/") {
        return write(control::respond(&parts, &body, shared), shared.clock.now());
    }
    let Some(request) = Request::read(&parts, &body) else {
        return write(
            plain(400, "no AWS service is named: neither an Action, nor X-Amz-Target, nor a signature"),
            shared.clock.now(),
        );
    };
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok());
    let base_url = host.map_or_else(|| format!("http://{address}"), |host| format!("http://{host}"));
    let answer = answer(&request, &base_url, shared).await;
    write(answer, shared.clock.now())
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

/// Runs the call, again and again while it asks to be waited for.
///
/// A long poll waits on the sandbox's clock, and no longer than it asked for on the caller's: on a clock that stands
/// still it would otherwise wait for ever.
async fn answer(request: &Request, base_url: &str, shared: &Shared) -> Answer {
    let (mut deadline, mut waited) = (None, Duration::ZERO);
    loop {
        let now = shared.clock.now();
        let reply = shared.universe().answer(request, now, base_url);
        shared.changed.notify_one();
        match reply {
            Reply::Now(answer) => return answer,
            Reply::Later { answer, until } => {
                let (until, longest) = *deadline.get_or_insert((until, until.since(now)));
                let left = shared.clock.real_until(until).unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN);
                if left.is_zero() || waited >= longest {
                    return answer;
                }
                tokio::time::sleep(left).await;
                waited += left;
            }
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
        .header("date", now.format("%a, %d %b %Y %H:%M:%S GMT"));
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(answer.body))).unwrap_or_else(|_| Response::new(Full::default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Sends bytes, reads until the other side closes.
    fn send(sandbox: &Sandbox, bytes: &[u8]) -> String {
        let mut stream = std::net::TcpStream::connect(sandbox.address()).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn sandbox() -> Sandbox {
        let options = Options { speed: Speed::PAUSED, ..Options::at(Timestamp::from_secs(1_800_000_000)) };
        Sandbox::start(&options).unwrap()
    }

    fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    #[test]
    fn any_bytes_get_an_answer_or_a_closed_connection() {
        let sandbox = sandbox();
        for bytes in [&b"\0\xff\0\xff"[..], b"GET", b"POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n"] {
            send(&sandbox, bytes);
        }
        for (path, headers, body) in [
            ("/", "", "Action=%00&Version=..&a.b.c.d=1"),
            ("/service/GraniteServiceVersion20100801/operation/DescribeAlarms", "", "\u{1}\u{2}\u{3}"),
            ("/", "x-amz-target: AmazonSQS.SendMessage\r\n", "{\"QueueUrl\":1}"),
            (
                "/",
                "authorization: AWS4-HMAC-SHA256 Credential=a/b\r\n",
                "Action=DescribeVpcs&Version=2016-11-15&VpcId.x=1",
            ),
        ] {
            let answer = send(&sandbox, &post(path, headers, body));
            assert!(answer.starts_with("HTTP/1.1 "), "{path} {body}: {answer}");
            assert!(!answer.starts_with("HTTP/1.1 5"), "{path} {body}: {answer}");
        }
    }

    #[test]
    fn an_operation_that_is_not_there_is_an_error_that_names_it() {
        let sandbox = sandbox();
        let answer = send(&sandbox, &post("/", "", "Action=LaunchRockets&Version=2010-08-01"));
        assert!(answer.contains("<Code>InvalidAction</Code>"), "{answer}");
        assert!(answer.contains("LaunchRockets"), "{answer}");
    }

    #[test]
    fn a_gzip_body_is_read_and_a_broken_one_is_refused() {
        let sandbox = sandbox();
        let call = b"Action=DescribeAlarms&Version=2010-08-01";
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(call).unwrap();
        let packed = packed.finish().unwrap();
        let check = |encoding: &str, body: &[u8], status: &str| {
            let head = format!(
                "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let answer = send(&sandbox, &[head.as_bytes(), body].concat());
            assert!(answer.starts_with(status), "{encoding}: {answer}");
        };
        check("gzip", &packed, "HTTP/1.1 200");
        check("gzip", call, "HTTP/1.1 400");
        check("br", &packed, "HTTP/1.1 400");
    }

    #[test]
    fn a_long_poll_on_a_paused_clock_ends() {
        let sandbox = sandbox();
        let target = |operation| format!("x-amz-target: AmazonSQS.{operation}\r\n");
        send(&sandbox, &post("/", &target("CreateQueue"), r#"{"QueueName": "q"}"#));
        let url = "http://x/123456789012/q";
        let body = format!(r#"{{"QueueUrl": "{url}", "WaitTimeSeconds": 1}}"#);
        let answer = send(&sandbox, &post("/", &target("ReceiveMessage"), &body));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    #[test]
    fn the_date_header_is_the_sandboxs_own_and_moves_when_told() {
        let sandbox = sandbox();
        let before = send(&sandbox, b"GET /_scaleproof/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert!(before.contains("date: Fri, 15 Jan 2027 08:00:00 GMT"), "{before}");
        sandbox.advance(Duration::from_secs(300));
        let after = send(&sandbox, b"GET /_scaleproof/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert!(after.contains("date: Fri, 15 Jan 2027 08:05:00 GMT"), "{after}");
    }

    #[test]
    fn sandboxes_stand_side_by_side_and_end_with_their_owner() {
        let many: Vec<Sandbox> = (0..20).map(|_| sandbox()).collect();
        let address = many[0].address();
        drop(many);
        assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
    }
}
