//! What the sandbox costs: requests per second beside a bare axum handler with an equal body,
//! time to its first line, resident memory. Both servers are processes of their own, and take
//! turns in one run.
//!
//! `cargo bench -p vipps-sandbox`. Goals: 0.5 x of the handler for get, 0.3 x for create;
//! ready in 50 ms; 30 MB idle, 250 MB with 100 000 payments.
#![expect(clippy::print_stdout, clippy::disallowed_methods, clippy::expect_used, reason = "a measuring program")]

use std::io::BufRead as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PATH: &str = "/epayment/v1/payments";
const CONNECTIONS: u64 = 16;
const ROUNDS: usize = 15;
const MANY: u64 = 100_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match arguments.iter().position(|word| word == "--bare") {
        Some(at) => runtime.block_on(bare(arguments[at + 1].clone(), arguments[at + 2].clone())),
        None => runtime.block_on(measure()),
    }
}

/// The same answers without a thought: the yardstick.
async fn bare(payment: String, created: String) {
    let (payment, created) = (Bytes::from(payment), Bytes::from(created));
    let read = move || async move { (json_type(), payment) };
    let create = move |body: Bytes| async move {
        std::hint::black_box(body);
        (StatusCode::CREATED, json_type(), created)
    };
    let router = axum::Router::new().route(PATH, post(create)).route(&format!("{PATH}/{{reference}}"), get(read));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("a bare handler is ready at http://{}", listener.local_addr().expect("an address"));
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await.expect("serves until it is stopped");
}

fn json_type() -> [(HeaderName, &'static str); 1] {
    [(CONTENT_TYPE, "application/json")]
}

/// A server of its own, stopped when it is dropped.
struct Server {
    process: Child,
    address: SocketAddr,
    /// From its start to its first line.
    ready_after: Duration,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let began = Instant::now();
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("a pipe");
        std::io::BufReader::new(stdout).read_line(&mut line).expect("a first line");
        let ready_after = began.elapsed();
        let address = line.trim().rsplit("http://").next().and_then(|address| address.parse().ok());
        Self { process, address: address.expect("the line ends with an address"), ready_after }
    }

    fn sandbox() -> Self {
        Self::start(Command::new(env!("CARGO_BIN_EXE_vipps-sandbox")).args(["--listen", "127.0.0.1:0"]))
    }

    fn bare(payment: &str, created: &str) -> Self {
        let this = std::env::current_exe().expect("this program");
        Self::start(Command::new(this).args(["--bare", payment, created]))
    }

    /// Resident memory in megabytes, where the system tells.
    fn resident(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024.0 / 1e6)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection that is kept: one request after the other, whole answers.
struct Connection {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, heard: Vec::with_capacity(8 * 1024) }
    }

    /// Sends a request; gives the body of its answer, which must have this status.
    async fn call(&mut self, request: &[u8], status: &str) -> &[u8] {
        self.stream.write_all(request).await.expect("a request");
        self.heard.clear();
        loop {
            let count = self.stream.read_buf(&mut self.heard).await.expect("an answer");
            assert_ne!(count, 0, "the connection was closed");
            if let Some(body) = body_of(&self.heard) {
                let fits = self.heard.get(9..12) == Some(status.as_bytes());
                assert!(fits, "not {status}: {}", String::from_utf8_lossy(&self.heard));
                return &self.heard[body..];
            }
        }
    }
}

/// Where the body of an answer begins, once all of it is there.
fn body_of(heard: &[u8]) -> Option<usize> {
    let end = heard.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&heard[..end]).ok()?;
    let length = head.lines().filter_map(|line| line.split_once(':'));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.next()?.1.trim().parse().ok()?;
    (heard.len() >= end + length).then_some(end)
}

/// Requests as bytes, with the credentials of one sandbox.
struct Requests {
    headers: String,
}

impl Requests {
    async fn sign_in(address: SocketAddr) -> Self {
        let keys = "client_id: test-client-id\r\nclient_secret: test-client-secret\r\n\
                    Ocp-Apim-Subscription-Key: test-subscription-key\r\n";
        let request = format!("POST /accesstoken/get HTTP/1.1\r\nhost: bench\r\ncontent-length: 0\r\n{keys}\r\n");
        let mut connection = Connection::open(address).await;
        let answer: Value = serde_json::from_slice(connection.call(request.as_bytes(), "200").await).expect("JSON");
        let token = answer["access_token"].as_str().expect("a token");
        let headers = format!(
            "host: bench\r\nauthorization: Bearer {token}\r\nocp-apim-subscription-key: test-subscription-key\r\n\
             merchant-serial-number: 123456\r\n"
        );
        Self { headers }
    }

    fn get(&self, number: u64) -> Vec<u8> {
        format!("GET {PATH}/{} HTTP/1.1\r\n{}\r\n", reference(number), self.headers).into_bytes()
    }

    fn create(&self, number: u64) -> Vec<u8> {
        let body = json!({
            "amount": { "currency": "NOK", "value": 49_900 }, "reference": reference(number),
            "paymentMethod": { "type": "WALLET" }, "userFlow": "WEB_REDIRECT",
            "returnUrl": "https://acme.example/thanks", "paymentDescription": "Hoodie"
        })
        .to_string();
        let (length, headers) = (body.len(), &self.headers);
        let key = format!("idempotency-key: key-{number:09}\r\ncontent-type: application/json\r\n");
        format!("POST {PATH} HTTP/1.1\r\n{headers}{key}content-length: {length}\r\n\r\n{body}").into_bytes()
    }
}

fn reference(number: u64) -> String {
    format!("acme-order-{number:09}")
}

#[derive(Clone, Copy)]
enum What {
    Get,
    Create,
}

impl What {
    /// Requests of one connection in one round. What is created stays, so there are fewer.
    fn each(self) -> u64 {
        match self {
            Self::Get => 500,
            Self::Create => 125,
        }
    }

    fn status(self) -> &'static str {
        match self {
            Self::Get => "200",
            Self::Create => "201",
        }
    }
}

/// Both servers, and how many payments the sandbox has.
struct Bench {
    sandbox: Server,
    bare: Server,
    requests: Requests,
    payments: u64,
}

impl Bench {
    async fn start() -> Self {
        let sandbox = Server::sandbox();
        let requests = Requests::sign_in(sandbox.address).await;
        let mut connection = Connection::open(sandbox.address).await;
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        let created = text(connection.call(&requests.create(0), "201").await);
        let payment = text(connection.call(&requests.get(0), "200").await);
        let bare = Server::bare(&payment, &created);
        Self { sandbox, bare, requests, payments: 1 }
    }

    /// Requests per second of one round. Gets go through the payments there are in strides,
    /// creates make new ones.
    async fn round(&self, address: SocketAddr, what: What, each: u64) -> f64 {
        let request = |number: u64| match what {
            What::Get => self.requests.get(number * 7919 % self.payments),
            What::Create => self.requests.create(self.payments + number),
        };
        let mut lanes = Vec::new();
        for lane in 0..CONNECTIONS {
            let requests: Vec<Vec<u8>> = (lane * each..(lane + 1) * each).map(request).collect();
            lanes.push((Connection::open(address).await, requests));
        }
        let began = Instant::now();
        let running = lanes.into_iter().map(|(mut connection, requests)| {
            tokio::spawn(async move {
                for request in &requests {
                    connection.call(request, what.status()).await;
                }
            })
        });
        for lane in running.collect::<Vec<_>>() {
            lane.await.expect("every answer as it must be");
        }
        (CONNECTIONS * each) as f64 / began.elapsed().as_secs_f64()
    }

    /// Alternating rounds share whatever else the machine does.
    async fn compare(&mut self, name: &str, what: What, goal: f64) {
        let (mut ratios, mut sandbox, mut bare) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let each = what.each();
            let rates =
                (self.round(self.sandbox.address, what, each).await, self.round(self.bare.address, what, each).await);
            if matches!(what, What::Create) {
                self.payments += CONNECTIONS * each;
            }
            // The first round warms up.
            if round > 0 {
                ratios.push(rates.0 / rates.1);
                sandbox.push(rates.0);
                bare.push(rates.1);
            }
        }
        let [ratio, sandbox, bare] = [ratios, sandbox, bare].map(median);
        println!(
            "  {name:<8} {ratio:.2} x (goal: at least {goal:.2} x; median of {ROUNDS} rounds; sandbox {sandbox:.0}/s, \
             bare {bare:.0}/s)"
        );
    }

    /// Creates payments until there are so many.
    async fn fill(&mut self, wanted: u64) {
        while self.payments < wanted {
            let each = (wanted - self.payments).div_ceil(CONNECTIONS).min(500);
            self.round(self.sandbox.address, What::Create, each).await;
            self.payments += CONNECTIONS * each;
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print_memory(when: &str, server: &Server, goal: f64) {
    match server.resident() {
        Some(megabytes) => println!("  {when:<24} {megabytes:.1} MB (goal: at most {goal:.0} MB)"),
        None => println!("  {when:<24} not read: the system has no /proc"),
    }
}

async fn measure() {
    let starts = (0..11).map(|_| Server::sandbox().ready_after.as_secs_f64() * 1000.0).collect();
    println!("start to ready: {:.1} ms (goal: at most 50 ms; median of 11 starts)", median(starts));

    println!("resident memory:");
    print_memory("idle", &Server::sandbox(), 30.0);
    let mut full = Bench::start().await;
    full.fill(MANY).await;
    print_memory("with 100 000 payments", &full.sandbox, 250.0);

    println!("requests per second over a bare axum handler, {CONNECTIONS} kept connections:");
    let mut fresh = Bench::start().await;
    fresh.compare("get", What::Get, 0.5).await;
    fresh.compare("create", What::Create, 0.3).await;
    drop(fresh);
    println!("the same with 100 000 payments there:");
    full.compare("get", What::Get, 0.5).await;
    full.compare("create", What::Create, 0.3).await;
}
