//! What the facade costs over the same call by bare reqwest: the same bytes sent, an equal
//! type decoded, a warm connection to a server in another process.
//!
//! `cargo bench -p vipps` prints the ratio of wall time, and of instructions where
//! valgrind's callgrind is installed. Goal: at most 1.10 and 1.15 for `get` and `capture`.
#![expect(clippy::print_stdout, clippy::disallowed_methods, clippy::expect_used, reason = "a measuring program")]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vipps::epayment::types;
use vipps::{Amount, Client, Credentials, IdempotencyKey};

const REFERENCE: &str = "acme-order-42";
/// Of a comparison, and the calls of each side in one.
const ROUNDS: usize = 301;
const CALLS: u32 = 50;
const KEY: &str = "6a1e2c5f-0000-4000-8000-000000000001";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match (after("--serve"), after("--calls")) {
        (Some(_), _) => runtime.block_on(serve()),
        (None, Some(count)) => {
            let (who, what) = (after("--who").expect("who"), after("--what").expect("what"));
            let calls = count.parse().expect("a number of calls");
            let address = after("--address").expect("an address").clone();
            runtime.block_on(Clients::new(&address).call(who, what, calls));
        }
        _ => runtime.block_on(compare()),
    }
}

/// Answers every request on a connection with a token or a payment, and never closes it.
async fn serve() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("an address"));
    loop {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                // Requests here are small: one read is one request.
                let body = if buffer[..count].starts_with(b"POST /accesstoken") { token() } else { payment() };
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                if stream.write_all((head + &body).as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

fn token() -> String {
    json!({ "token_type": "Bearer", "expires_in": "86400", "access_token": "token" }).to_string()
}

fn payment() -> String {
    let money = |value: i64| json!({ "currency": "NOK", "value": value });
    json!({
        "aggregate": { "authorizedAmount": money(49_900), "cancelledAmount": money(0), "capturedAmount": money(500), "refundedAmount": money(0) },
        "amount": money(49_900), "state": "AUTHORIZED", "paymentMethod": { "type": "WALLET", "cardBin": "540185" },
        "profile": {}, "pspReference": "4410027719", "reference": REFERENCE
    })
    .to_string()
}

/// The same call by hand: the headers that the facade sends, a typed body, a typed answer.
struct Bare {
    client: reqwest::Client,
    base: String,
    headers: HeaderMap,
}

impl Bare {
    fn new(base: &str) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("accept", "application/json"),
            ("authorization", "Bearer token"),
            ("ocp-apim-subscription-key", "key"),
            ("merchant-serial-number", "123456"),
            ("vipps-system-name", "vipps"),
            ("vipps-system-version", "0.1.0"),
            ("vipps-system-plugin-name", "vipps"),
            ("vipps-system-plugin-version", "0.1.0"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.user_agent("vipps-core/0.1.0").build().expect("a client");
        Self { client, base: base.to_owned(), headers }
    }

    async fn get(&self) -> types::GetPaymentResponse {
        let url = format!("{}/epayment/v1/payments/{REFERENCE}", self.base);
        let response = self.client.get(url).headers(self.headers.clone()).send().await.expect("an answer");
        response.json().await.expect("a payment")
    }

    async fn capture(&self) -> types::ModificationResponse {
        let url = format!("{}/epayment/v1/payments/{REFERENCE}/capture", self.base);
        let body = types::CaptureModificationRequest::builder().modification_amount(Amount::nok_minor(500));
        let body: types::CaptureModificationRequest = body.try_into().expect("every field");
        let request = self.client.post(url).headers(self.headers.clone()).header("idempotency-key", KEY).json(&body);
        request.send().await.expect("an answer").json().await.expect("a payment")
    }
}

/// Both clients, each with its connection.
struct Clients {
    facade: Client,
    bare: Bare,
    key: IdempotencyKey,
}

impl Clients {
    fn new(address: &str) -> Self {
        let base = format!("http://{address}");
        let credentials = Credentials::new("id", "word", "key", "123456").expect("credentials");
        let facade = Client::builder(base.parse().expect("an address"), credentials).build().expect("a client");
        Self { facade, bare: Bare::new(&base), key: IdempotencyKey::new(KEY).expect("a key") }
    }

    /// So many calls, one after the other.
    async fn call(&self, who: &str, what: &str, calls: u32) -> Duration {
        let payments = self.facade.payments();
        let began = Instant::now();
        for _ in 0..calls {
            match (who, what) {
                ("facade", "get") => drop(payments.get(REFERENCE).send().await.expect("a payment")),
                ("bare", "get") => drop(self.bare.get().await),
                ("facade", _) => {
                    let capture = payments.capture(REFERENCE, Amount::nok_minor(500));
                    drop(capture.idempotency_key(self.key.clone()).send().await.expect("a payment"));
                }
                _ => drop(self.bare.capture().await),
            }
        }
        began.elapsed()
    }
}

async fn compare() {
    let mut server = Command::new(std::env::current_exe().expect("this program"))
        .args(["--serve", "now"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs twice");
    let address = first_line(&mut server);
    let clients = Clients::new(&address);
    println!("facade over bare reqwest, one connection each, server in another process:");
    for what in ["get", "capture"] {
        clients.call("facade", what, CALLS).await;
        clients.call("bare", what, CALLS).await;
        // Rounds of some milliseconds, so that both sides of one share whatever else the machine
        // does; who begins alternates.
        let mut rounds: Vec<[Duration; 2]> = Vec::new();
        for round in 0..ROUNDS {
            let order = if round % 2 == 0 { ["facade", "bare"] } else { ["bare", "facade"] };
            let times = [clients.call(order[0], what, CALLS).await, clients.call(order[1], what, CALLS).await];
            rounds.push(if round % 2 == 0 { times } else { [times[1], times[0]] });
        }
        let mut ratios: Vec<f64> =
            rounds.iter().map(|[facade, bare]| facade.as_secs_f64() / bare.as_secs_f64()).collect();
        ratios.sort_by(f64::total_cmp);
        let best = |side: usize| rounds.iter().map(|round| round[side]).min().expect("rounds") / CALLS;
        println!(
            "  {what:<8} wall time      {:.3} x (median of {ROUNDS} rounds; best {:?} and {:?} a call)",
            ratios[ROUNDS / 2],
            best(0),
            best(1)
        );
        match (instructions("facade", what, &address), instructions("bare", what, &address)) {
            (Some(facade), Some(bare)) => {
                println!(
                    "  {what:<8} instructions   {:.3} x ({facade} and {bare} a call)",
                    facade as f64 / bare as f64
                );
            }
            _ => println!("  {what:<8} instructions   not counted: valgrind is not installed"),
        }
    }
    let _ = server.kill();
    let _ = server.wait();
}

fn first_line(child: &mut Child) -> String {
    use std::io::BufRead as _;
    let mut line = String::new();
    let stdout = child.stdout.take().expect("a pipe");
    std::io::BufReader::new(stdout).read_line(&mut line).expect("an address");
    line.trim().to_owned()
}

/// Instructions of one call in this process: the difference between many and few.
fn instructions(who: &str, what: &str, address: &str) -> Option<u64> {
    let count = |calls: &str| -> Option<u64> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().ok()?)
            .args(["--who", who, "--what", what, "--calls", calls, "--address", address])
            .output()
            .ok()?;
        let said = String::from_utf8(output.stderr).ok()?;
        said.lines().find_map(|line| line.split("Collected : ").nth(1))?.trim().parse().ok()
    };
    Some((count("1200")? - count("200")?) / 1000)
}
