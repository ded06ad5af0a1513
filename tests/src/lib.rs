//! What the tests across crates share: a checked sandbox, a client that knows nothing but
//! HTTP, a merchant's server, a server of raw bytes.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

mod clock;
mod http;
mod proxy;
mod receiver;

pub use clock::SkippingClock;
pub use http::Http;
pub use proxy::Proxy;
pub use receiver::{Received, Receiver};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vipps::{Client, ClientBuilder, Credentials, Environment, Operation, System};
use vipps_sandbox::{Options, Sandbox};

/// Secrets that must never be seen anywhere; each is recognisable.
pub const CLIENT_ID: &str = "id-e4b1c0de";
/// As [`CLIENT_ID`].
pub const CLIENT_SECRET: &str = "word-5ec0e7aa";
/// As [`CLIENT_ID`].
pub const SUBSCRIPTION_KEY: &str = "key-0a1b2c3d";

/// Recognisable credentials for servers of the tests' own.
///
/// # Panics
///
/// Never: the parts are well-formed.
#[must_use]
pub fn credentials() -> Credentials {
    Credentials::new(CLIENT_ID, CLIENT_SECRET, SUBSCRIPTION_KEY, "123456").expect("well-formed credentials")
}

/// A client builder whose system headers are the published samples.
pub fn client_for(environment: Environment, credentials: Credentials) -> ClientBuilder {
    Client::builder(environment, credentials).system(System::new("acme", "3.1.2").plugin("acme-webshop", "4.5.6"))
}

/// A sandbox that fails its test when an exchange broke a document.
pub struct CheckedSandbox {
    sandbox: Sandbox,
    tolerant: bool,
}

impl CheckedSandbox {
    /// Starts with the default options.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Starts with options.
    ///
    /// # Panics
    ///
    /// When no port can be had.
    pub async fn start_with(mut options: Options) -> Self {
        options.check_exchanges = true;
        Self { sandbox: Sandbox::start_with(options).await.expect("a free port"), tolerant: false }
    }

    /// The same sandbox for a test that sends what documents forbid and Vipps takes.
    #[must_use]
    pub fn tolerant(mut self) -> Self {
        self.tolerant = true;
        self
    }

    /// A client of it.
    ///
    /// # Panics
    ///
    /// Never: the configuration is complete.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client_builder().build().expect("a complete configuration")
    }

    /// A client of it, to be changed.
    pub fn client_builder(&self) -> ClientBuilder {
        client_for(self.environment(), self.credentials())
    }

    /// How many requests of an operation came in.
    #[must_use]
    pub fn count(&self, operation: &str) -> usize {
        self.requests().iter().filter(|request| request["operation"] == operation).count()
    }

    /// Refusals with a code that the semantics do not know for their operation: the sandbox never
    /// reads those, so each is held against the other.
    fn unknown_refusals(&self) -> Vec<String> {
        let all = every_operation();
        let unknown = self.requests().into_iter().filter_map(|request| {
            let operation = all.iter().find(|operation| request["operation"] == operation.id())?;
            // Where there is no code of its own, PSP repeats the status.
            let code = code_of(&request["refusal"]).filter(|code| code.parse().ok() != request["status"].as_u64())?;
            let known = operation.is_read() || operation.refusal(&code).is_some();
            (!known).then(|| format!("{} {} of {}", request["status"], code, operation.word()))
        });
        let mut unknown: Vec<String> = unknown.collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    /// One figure of the ledger of a payment.
    #[must_use]
    pub fn money(&self, reference: &str, figure: &str) -> Option<i64> {
        let ledger = self.ledger();
        let payments = ledger["payments"].as_array()?;
        payments.iter().find(|payment| payment["reference"] == reference)?[figure].as_i64()
    }
}

impl Deref for CheckedSandbox {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl Drop for CheckedSandbox {
    fn drop(&mut self) {
        let mut violations = self.violations();
        if self.tolerant {
            // What the sandbox answers keeps to the documents in any case.
            violations.retain(|violation| !violation.contains("): request "));
        }
        if !std::thread::panicking() {
            assert!(violations.is_empty(), "exchanges broke the documents: {violations:#?}");
            let unknown = self.unknown_refusals();
            assert!(unknown.is_empty(), "openapi/semantics/ does not know: {unknown:#?}");
        }
    }
}

/// Every operation of the documents that the facade has.
#[must_use]
pub fn every_operation() -> Vec<&'static Operation> {
    [
        vipps::epayment::operations::ALL,
        vipps::recurring::operations::ALL,
        vipps::recurring::v2::operations::ALL,
        vipps::checkout::operations::ALL,
        vipps::psp::operations::ALL,
        vipps::webhooks::operations::ALL,
    ]
    .concat()
}

/// The code of a refusal in the form of any API.
fn code_of(refusal: &Value) -> Option<String> {
    let of_epayment = || {
        let details = refusal["extraDetails"].as_array()?;
        details.iter().find(|detail| detail["name"] == "ErrorCode")?["reason"].as_str()
    };
    let of_recurring = || Some(refusal["type"].as_str()?.split_once('#')?.1);
    let of_psp = || refusal["errorCode"].as_str().or_else(|| refusal[0]["errorCode"].as_str());
    of_epayment().or_else(of_recurring).or_else(of_psp).or_else(|| refusal["code"].as_str()).map(str::to_owned)
}

/// What a scripted server does with one request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends an answer that must be one of the documents: status and JSON body.
    Answer(u16, String),
    /// Resets the connection after reading the request.
    Reset,
    /// Reads the request and says nothing until the client gives up.
    Silence,
}

impl Reply {
    /// A success as the documents have it; the test fails where they do not.
    #[must_use]
    pub fn success(body: &str) -> Self {
        Self::Answer(200, body.to_owned())
    }

    /// A whole answer with a JSON body and other header lines (each ended by `\r\n`), as odd
    /// as the test wants it.
    #[must_use]
    pub fn json(status: u16, headers: &str, body: &str) -> Self {
        let head =
            format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
        Self::Bytes(format!("{head}{headers}connection: close\r\n\r\n{body}").into_bytes())
    }

    /// An answer that announces more than it sends.
    #[must_use]
    pub fn cut_off(status: u16) -> Self {
        Self::Bytes(
            format!("HTTP/1.1 {status} X\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{{\"a\":").into_bytes(),
        )
    }
}

/// A server of raw bytes: it answers token requests by itself, everything else by script,
/// and keeps what came in byte for byte.
pub struct ScriptedServer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    tokens: Arc<Mutex<u32>>,
    closing: Arc<AtomicBool>,
    violations: Arc<Mutex<Vec<String>>>,
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        let violations = lock(&self.violations).clone();
        if !std::thread::panicking() {
            assert!(violations.is_empty(), "exchanges broke the documents: {violations:#?}");
        }
    }
}

impl ScriptedServer {
    /// Starts with the replies to the requests to come; the last is repeated for ever.
    ///
    /// # Panics
    ///
    /// When no port can be had.
    pub async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let (seen, tokens) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let (requests, token_requests) = (seen.clone(), tokens.clone());
        let closing = Arc::new(AtomicBool::new(false));
        let closes = closing.clone();
        let violations = Arc::new(Mutex::new(Vec::new()));
        let broken = violations.clone();
        tokio::spawn(async move {
            let replies = Arc::new(Mutex::new((0, replies)));
            while let Ok((stream, _)) = listener.accept().await {
                let served = answer(stream, replies.clone(), requests.clone(), token_requests.clone(), broken.clone());
                if closes.load(Ordering::SeqCst) {
                    drop(listener);
                    served.await;
                    return;
                }
                tokio::spawn(served);
            }
        });
        Self { address, seen, tokens, closing, violations }
    }

    /// The environment of its clients.
    ///
    /// # Panics
    ///
    /// Never: a socket's address is a base address.
    #[must_use]
    pub fn environment(&self) -> Environment {
        format!("http://{}", self.address).parse().expect("a base address")
    }

    /// Answers one more connection and is gone then.
    pub fn close_after_next(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// The requests other than those for tokens, byte for byte.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        lock(&self.seen).clone()
    }

    /// How many token requests came in.
    #[must_use]
    pub fn token_requests(&self) -> u32 {
        *lock(&self.tokens)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(
    mut stream: TcpStream,
    replies: Arc<Mutex<(usize, Vec<Reply>)>>,
    seen: Arc<Mutex<Vec<String>>>,
    tokens: Arc<Mutex<u32>>,
    violations: Arc<Mutex<Vec<String>>>,
) {
    let Some(request) = read_request(&mut stream).await else { return };
    if request.to_ascii_lowercase().starts_with("post /accesstoken/get") {
        let number = {
            let mut count = lock(&tokens);
            *count += 1;
            *count
        };
        let body = format!(r#"{{"token_type":"Bearer","expires_in":"3600","access_token":"token-{number}-f00dfeed"}}"#);
        if let Reply::Bytes(bytes) = Reply::json(200, "", &body) {
            let _ = stream.write_all(&bytes).await;
        }
        return;
    }
    lock(&seen).push(request.clone());
    let reply = {
        let mut replies = lock(&replies);
        let at = replies.0.min(replies.1.len().saturating_sub(1));
        replies.0 += 1;
        replies.1[at].clone()
    };
    let reply = match reply {
        Reply::Answer(status, body) => {
            lock(&violations).extend(exchange(&request, status, &body));
            Reply::json(status, "", &body)
        }
        other => other,
    };
    match reply {
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Answer(..) => {}
        Reply::Reset => {
            // Closing with unread or unsent data, without lingering, sends a reset.
            let _ = stream.set_zero_linger();
        }
        Reply::Silence => {
            let mut nothing = [0; 1];
            let _ = stream.read(&mut nothing).await;
        }
    }
}

/// What one exchange breaks of the documents.
fn exchange(request: &str, status: u16, answer: &str) -> Vec<String> {
    let (head, body) = request.split_once("\r\n\r\n").unwrap_or((request, ""));
    let mut first = head.split(' ');
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    vipps_sandbox::exchange_violations(method, target, body.as_bytes(), status, answer.as_bytes())
}

/// A whole request as text: head and body.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase();
            let length = length
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.lines().next()?.trim().parse::<usize>().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// A retry policy without waits worth mentioning.
#[must_use]
pub fn quick_retries() -> vipps::RetryPolicy {
    vipps::RetryPolicy {
        base_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(2),
        ..Default::default()
    }
}

/// The examples of the README, compiled as doctests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
