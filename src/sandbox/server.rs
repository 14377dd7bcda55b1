//! The process around the universe: a socket, on the loopback interface unless told otherwise, a clock, one loop. Start at [`Sandbox::start_with`].

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

use super::control;
use super::faults::Strike;
use super::limits::Limits;
use super::respond::{guarded, respond};
use super::restore::restore;
use super::store::{Change, Store, StoreError, What};
use super::universe::{Reply, Universe};
use super::wire::request::Request;
use crate::clock::{Clock, Speed, SystemClock, Timestamp, VirtualClock};
use crate::engine::groups::Timing;
use crate::engine::topics::Delivery;

/// A connection that has sent no complete header by then is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a long poll or an idle loop rests before it looks again, whatever the clock does.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_secs(1);

/// How a sandbox is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The interface to listen on; callers are not asked who they are, so any but loopback lets others in.
    pub listen: IpAddr,
    /// Zero for any free port.
    pub port: u16,
    pub speed: Speed,
    pub timing: Timing,
    pub account: String,
    pub seed: u64,
    /// Request quotas, which a real account has.
    pub limits: Limits,
    /// What the clock shows at the start; later, if a state that was kept is younger.
    pub start: Timestamp,
    /// The file that keeps the state beyond the process.
    pub state: Option<PathBuf>,
    /// The secret of every access key, if signatures are checked.
    pub secret: Option<String>,
}

impl Options {
    /// A free port on 127.0.0.1, real time, realistic instances.
    pub fn at(start: Timestamp) -> Self {
        Self {
            listen: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            speed: Speed::REAL,
            timing: Timing::Realistic,
            account: "123456789012".into(),
            seed: 1,
            limits: Limits::off(),
            start,
            state: None,
            secret: None,
        }
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
    store: Option<Mutex<Store>>,
    /// Of every access key, if signatures are checked.
    pub secret: Option<String>,
    /// Rung when something may have become due earlier than the loop thinks.
    pub changed: Notify,
    /// What the loop waits for, in milliseconds since the epoch; `i64::MAX` where nothing is due.
    awaited: AtomicI64,
}

impl Shared {
    pub fn new(clock: VirtualClock, universe: Universe, store: Option<Store>, secret: Option<String>) -> Self {
        let (universe, store, changed) = (Mutex::new(universe), store.map(Mutex::new), Notify::new());
        Self { clock, universe, store, secret, changed, awaited: AtomicI64::new(i64::MAX) }
    }

    /// Runs one call, and rings the loop if something is due earlier now.
    pub fn answer(&self, request: &Request, now: Timestamp, base_url: &str, strike: &Strike) -> Reply {
        let mut universe = self.universe();
        let reply = universe.answer(request, now, base_url, strike);
        let due = universe.next_due().map_or(i64::MAX, Timestamp::as_millis);
        if due < self.awaited.load(Ordering::Relaxed) {
            self.changed.notify_one();
        }
        reply
    }

    pub fn into_universe(self) -> Universe {
        self.universe.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn universe(&self) -> MutexGuard<'_, Universe> {
        self.universe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a change to the file that keeps the state, if there is one.
    pub fn keep(&self, at: Timestamp, what: impl FnOnce() -> Option<What>) -> Result<(), StoreError> {
        let Some(store) = &self.store else { return Ok(()) };
        let Some(what) = what() else { return Ok(()) };
        let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
        store.add(&Change { at, what })?;
        if store.is_long() { store.begin(self.clock.now(), &self.universe()) } else { Ok(()) }
    }
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot start a thread")]
    Thread { source: io::Error },
    #[error("cannot keep the state of a sandbox in a file")]
    State { source: StoreError },
}

impl Sandbox {
    /// A sandbox for one test: a free port, a world of its own, and a clock that stands at the present until
    /// [`Sandbox::advance`] moves it.
    ///
    /// # Errors
    /// When no port or no thread can be had.
    pub fn start() -> Result<Self, StartError> {
        Self::start_with(&Options { speed: Speed::PAUSED, ..Options::at(SystemClock.now()) })
    }

    /// Binds and serves from a thread of its own.
    ///
    /// # Errors
    /// When the address is not this machine's or the port is taken, no thread can be had, or the file with the state is not one.
    pub fn start_with(options: &Options) -> Result<Self, StartError> {
        let (listener, address) = listen(SocketAddr::new(options.listen, options.port))?;
        let shared = Arc::new(restore(options).map_err(|source| StartError::State { source })?);
        let thread = |source| StartError::Thread { source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(thread)?;
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let serve = move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = accept(listener, address, Arc::clone(&served)) => {}
                    () = keep_time(&served) => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("sandbox".into()).spawn(serve).map_err(thread)?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, with the address that was asked for.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Moves the clock on; returns when everything due in that span has happened.
    pub fn advance(&self, span: Duration) -> Timestamp {
        let at = self.now();
        let advanced = control::advance(&self.shared, span);
        // A file that takes no changes any more fails the next call, where somebody is told.
        let _ = self.shared.keep(at, || Some(control::advance_order(span)));
        advanced
    }

    /// What people and webhooks were sent, in all accounts and regions, oldest first.
    pub fn mailbox(&self) -> Vec<Delivery> {
        self.shared.universe().mailbox().into_iter().cloned().collect()
    }

    /// Reads the whole state: groups, activities, alarms and their history.
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

fn listen(address: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), StartError> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|source| StartError::Listen { address, source })
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
        let due = guarded(|| {
            let mut universe = shared.universe();
            universe.advance(shared.clock.now());
            let due = universe.next_due();
            shared.awaited.store(due.map_or(i64::MAX, Timestamp::as_millis), Ordering::Relaxed);
            due
        });
        // The panic has been printed. What is broken may stay so; the calls that do not need it are still answered.
        let due = due.unwrap_or(None);
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
        async move { respond(request, address, &shared).await }
    });
    // A connection that breaks concerns nobody else.
    let _ = http1::Builder::new()
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

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
        Sandbox::start_with(&options).unwrap()
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
    fn it_listens_where_it_is_told_and_says_where_it_cannot() {
        let start = Timestamp::from_secs(1_800_000_000);
        let everywhere = Options { listen: Ipv4Addr::UNSPECIFIED.into(), ..Options::at(start) };
        let sandbox = Sandbox::start_with(&everywhere).unwrap();
        let port = sandbox.address().port();
        assert_eq!(sandbox.url(), format!("http://0.0.0.0:{port}"));
        assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        // An address of documentation (RFC 5737), which no machine has.
        let nowhere = Options { listen: Ipv4Addr::new(192, 0, 2, 1).into(), ..Options::at(start) };
        let error = Sandbox::start_with(&nowhere).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "cannot listen on 192.0.2.1:0");
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

    const TARGET: &str = "x-amz-target: AmazonSQS.";

    fn sqs(sandbox: &Sandbox, operation: &str, body: &str) -> String {
        send(sandbox, &post("/", &format!("{TARGET}{operation}\r\n"), body))
    }

    fn control(sandbox: &Sandbox, path: &str, body: &str) -> String {
        send(sandbox, &post(&format!("/_scaleproof/{path}"), "", body))
    }

    #[test]
    fn a_fault_strikes_a_call_on_its_way_in_or_out() {
        let sandbox = sandbox();
        let error =
            r#"{"fault": "error", "service": "sqs", "operation": "CreateQueue", "code": "InternalError", "times": 1}"#;
        assert!(control(&sandbox, "faults", error).contains("fault-1"));
        let dropped = r#"{"fault": "drop", "service": "sqs", "operation": "CreateQueue", "when": "after", "times": 1, "skip": 1}"#;
        assert!(control(&sandbox, "faults", dropped).contains("fault-2"));
        let create = r#"{"QueueName": "q"}"#;
        assert!(sqs(&sandbox, "CreateQueue", create).starts_with("HTTP/1.1 500"));
        assert_eq!(sqs(&sandbox, "CreateQueue", create), "", "the queue is made, and nobody is told");
        assert!(sqs(&sandbox, "ListQueues", "{}").contains("/q"));
        assert!(sqs(&sandbox, "CreateQueue", create).starts_with("HTTP/1.1 200"));
        let listed = send(&sandbox, b"GET /_scaleproof/faults HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert_eq!(listed.matches("\"hits\":1").count(), 2, "{listed}");
        let ended = send(&sandbox, b"DELETE /_scaleproof/faults HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert!(ended.contains("[\"fault-1\",\"fault-2\"]"), "{ended}");
    }

    #[test]
    fn a_sandbox_that_keeps_its_state_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let start = Timestamp::from_secs(1_800_000_000);
        let options = Options { speed: Speed::PAUSED, state: Some(folder.path().join("state")), ..Options::at(start) };
        let first = Sandbox::start_with(&options).unwrap();
        sqs(&first, "CreateQueue", r#"{"QueueName": "q"}"#);
        first.advance(Duration::from_secs(90));
        sqs(&first, "SendMessage", r#"{"QueueUrl": "http://x/123456789012/q", "MessageBody": "hello"}"#);
        control(&first, "faults", r#"{"fault": "no_capacity", "zone": "us-east-1a"}"#);
        let before = serde_json::to_value(&*first.shared.universe()).unwrap();
        drop(first);
        let second = Sandbox::start_with(&Options { start: Timestamp::from_secs(0), ..options.clone() }).unwrap();
        assert_eq!(second.now(), start + Duration::from_secs(90));
        let mut after = serde_json::to_value(&*second.shared.universe()).unwrap();
        // Identifiers of requests are nobody's state.
        after["request_ids"] = before["request_ids"].clone();
        assert_eq!(after, before);
        drop(second);
        let other = Sandbox::start_with(&Options { seed: 2, ..options }).map(|_| ()).unwrap_err();
        assert!(matches!(other, StartError::State { source: StoreError::OtherSettings { .. } }));
    }
}
