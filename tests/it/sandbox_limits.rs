//! Whatever comes in, the sandbox answers it, says no more than is true, and serves the next.

mod arbitrary;
mod samples;
mod wire;

use std::net::SocketAddr;

use proptest::collection::vec;
use serde_json::{Value, json};
use vipps_tests::Http;

use crate::property::holds;
use crate::shop::{
    AGREEMENTS, PAYMENTS, PSP_PAYMENTS, SESSIONS, Shop, WEBHOOKS, agreement_with_charge, order, psp_payment,
    registration, session,
};
use arbitrary::{Message, garbage, message};
use samples::NOWHERE;
use wire::{After, Answer, End, answers, ask, exchange, refusal, request};

const CASES: u32 = 64;
const MEBIBYTE: usize = 1024 * 1024;

#[test]
fn every_well_formed_request_is_answered_and_never_with_500() {
    holds(CASES, vec(message(), 1..=12), async |messages| withstands(&messages).await);
}

#[test]
fn what_is_no_request_is_refused_or_hung_up_on() {
    holds(CASES, vec(garbage(), 1..=12), async |all| {
        let http = Http::start().await.tolerant();
        let address = http.sandbox.address();
        for bytes in &all {
            let (heard, end) = exchange(address, bytes, After::HangUp).await;
            let wrong = |why: &str| format!("{why} after {:?}", String::from_utf8_lossy(bytes));
            if end != End::Closed {
                return Err(wrong(&format!("{end:?}")));
            }
            match answers(&heard, bytes.starts_with(b"HEAD ")) {
                Ok(answers) if answers.iter().all(|answer| answer.status != 500) => {}
                Ok(answers) => return Err(wrong(&format!("{answers:?}"))),
                Err(why) => return Err(wrong(&why)),
            }
        }
        serves(address).await
    });
}

/// A world with one thing of each kind, and then these messages.
async fn withstands(messages: &[Message]) -> Result<(), String> {
    let shop = Shop::open(Http::start_manual().await.tolerant()).await;
    let known = furnish(&shop).await;
    let address = shop.http.sandbox.address();
    for message in messages {
        // An earlier message may have reset the sandbox or refused all tokens.
        let credentials = sign_in(address).await?;
        let bytes = message.bytes(&credentials, &known);
        let answer = ask(address, &bytes).await.map_err(|why| format!("{why}\nto {message:?}"))?;
        if answer.status == 500 {
            return Err(format!("500 {}\nto {message:?}", answer.json()));
        }
        let is_json = answer.media.contains("json") && !answer.body.is_empty();
        if is_json && serde_json::from_slice::<Value>(&answer.body).is_err() {
            return Err(format!("{} that is no JSON\nto {message:?}", answer.media));
        }
        if message.may_script() {
            done(address, &request("DELETE", "/__sandbox/faults", "", b"")).await?;
        }
    }
    serves(address).await
}

/// One thing of each kind; gives their names.
async fn furnish(shop: &Shop) -> Vec<String> {
    let webhook = shop.done("POST", WEBHOOKS, None, &registration(NOWHERE)).await;
    let mut qr = order("acme-order-2", 1000);
    qr["userFlow"] = "QR".into();
    shop.done("POST", PAYMENTS, Some("one"), &order("acme-order-1", 1000)).await;
    let qr = shop.done("POST", PAYMENTS, Some("two"), &qr).await;
    let agreement = shop.agree("three", &agreement_with_charge("acme-box-1", 1000)).await;
    shop.done("POST", SESSIONS, Some("four"), &session("acme-session-1", NOWHERE)).await;
    shop.done("POST", &format!("{PSP_PAYMENTS}/init"), Some("five"), &psp_payment("acmepsp1", NOWHERE)).await;
    shop.control("payments/acme-order-1/approve", json!({})).await;
    // The picture of a QR payment is named after its token.
    let token = qr["redirectUrl"].as_str().and_then(|url| url.rsplit('/').next()?.split('.').next());
    let names = ["acme-order-1", "acme-order-2", "acme-box-1", "acme-session-1", "acmepsp1", "1", "123456"];
    let named = names.iter().map(|name| (*name).to_owned());
    named.chain([agreement, webhook["id"].to_string().replace('"', ""), token.unwrap_or("none").to_owned()]).collect()
}

/// The header lines of a merchant who may do everything.
async fn sign_in(address: SocketAddr) -> Result<String, String> {
    let keys = "client_id: test-client-id\r\nclient_secret: test-client-secret\r\n\
                ocp-apim-subscription-key: test-subscription-key\r\n";
    let answer = done(address, &request("POST", "/accesstoken/get", keys, b"")).await?.json();
    let token = answer["access_token"].as_str().ok_or("no access token")?;
    let system = "vipps-system-name: a\r\nvipps-system-version: 1\r\n\
                  vipps-system-plugin-name: a\r\nvipps-system-plugin-version: 1\r\n";
    Ok(format!(
        "{keys}{system}authorization: Bearer {token}\r\nmerchant-serial-number: 123456\r\n\
         psp-id: C948DFD1546347568874C4DDC93A2E3C\r\ncontent-type: application/json\r\n"
    ))
}

/// Asks for what must succeed.
async fn done(address: SocketAddr, request: &[u8]) -> Result<Answer, String> {
    let answer = ask(address, request).await?;
    match answer.status {
        200..300 => Ok(answer),
        status => Err(format!("{status} {} to {:?}", answer.json(), String::from_utf8_lossy(request))),
    }
}

/// Emptied, it takes a payment and lets time pass.
async fn serves(address: SocketAddr) -> Result<(), String> {
    done(address, &request("POST", "/__sandbox/reset", "", b"{}")).await?;
    takes_a_payment(address).await?;
    done(address, &request("POST", "/__sandbox/clock/advance", "", br#"{"seconds":660}"#)).await.map(drop)
}

async fn takes_a_payment(address: SocketAddr) -> Result<(), String> {
    let credentials = sign_in(address).await?;
    let body = order("acme-order-9", 1000).to_string();
    done(address, &request("POST", PAYMENTS, &credentials, body.as_bytes())).await.map(drop)
}

/// A sandbox, where it is, and the credentials for it.
async fn started() -> (Http, SocketAddr, String) {
    let http = Http::start().await.tolerant();
    let address = http.sandbox.address();
    let credentials = sign_in(address).await.unwrap();
    (http, address, credentials)
}

/// The doors that take JSON.
const DOORS: [(&str, &str); 6] = [
    ("POST", PAYMENTS),
    ("POST", AGREEMENTS),
    ("POST", SESSIONS),
    ("POST", "/psp/v3/psppayments/init"),
    ("POST", WEBHOOKS),
    ("POST", "/__sandbox/clock/advance"),
];

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused() {
    let (_http, address, credentials) = started().await;
    let deep = |open: &str, close: &str| (open.repeat(10_000) + "1" + &close.repeat(10_000)).into_bytes();
    let bodies: [(&str, Vec<u8>); 9] = [
        ("10 000 arrays deep", deep("[", "]")),
        ("10 000 objects deep", deep("{\"a\":", "}")),
        ("10 000 arrays deep in a member", [&b"{\"amount\":"[..], &deep("[", "]"), b"}"].concat()),
        ("never closed", b"{\"a\":[".to_vec()),
        ("not UTF-8", b"{\"reference\":\"\xff\xfe\"}".to_vec()),
        ("half a surrogate pair", br#"{"reference":"\ud800"}"#.to_vec()),
        ("a number out of range", b"{\"amount\":{\"value\":1e999}}".to_vec()),
        ("two values", b"{}{}".to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec()),
    ];
    for (method, path) in DOORS {
        for (what, body) in &bodies {
            let answer = ask(address, &request(method, path, &credentials, body)).await.unwrap();
            assert_eq!(answer.status, 400, "{path}: {what}");
        }
    }
    takes_a_payment(address).await.unwrap();
}

#[tokio::test]
async fn a_body_of_one_mebibyte_is_read_and_a_byte_more_is_not() {
    let (_http, address, credentials) = started().await;
    for (method, path) in DOORS {
        let body = |length: usize| [b"{}".to_vec(), vec![b' '; length - 2]].concat();
        for (length, too_large) in [(MEBIBYTE, false), (MEBIBYTE + 1, true), (4 * MEBIBYTE, true)] {
            let status = refusal(address, &request(method, path, &credentials, &body(length))).await.unwrap();
            assert_eq!(status == 413, too_large, "{path}: {length} bytes are answered {status}");
        }
    }
    takes_a_payment(address).await.unwrap();
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let (_http, address, credentials) = started().await;
    let lines = |count: usize, length: usize| -> String {
        (0..count).map(|number| format!("x-{number}: {}\r\n", "a".repeat(length))).collect()
    };
    let (clock, long) = ("/__sandbox/clock", format!("/{}", "a".repeat(17 * 1024)));
    let cases: [(&str, &str, String, &[u16]); 4] = [
        ("8 KiB", clock, lines(8, 1000), &[200]),
        ("17 KiB in one line", clock, lines(1, 17 * 1024), &[431]),
        ("17 KiB in 17 lines", clock, lines(17, 1024), &[431]),
        ("a target of 17 KiB", &long, String::new(), &[414, 431]),
    ];
    for (what, target, lines, statuses) in cases {
        let head = request("GET", target, &format!("{credentials}{lines}"), b"");
        let status = refusal(address, &head).await.unwrap();
        assert!(statuses.contains(&status), "{what}: {status}");
    }
    takes_a_payment(address).await.unwrap();
}

#[tokio::test]
async fn headers_and_paths_that_are_no_text_are_refused() {
    let (_http, address, credentials) = started().await;
    let with = |name: &str| {
        let mark = format!("{name}: ");
        let mut bytes = request("POST", PAYMENTS, &credentials, order("acme-order-1", 1000).to_string().as_bytes());
        let at = bytes.windows(mark.len()).position(|window| window == mark.as_bytes()).unwrap() + mark.len();
        bytes[at] = 0xff;
        bytes
    };
    let headers: [(&str, &[u16]); 4] = [
        ("authorization", &[401]),
        ("ocp-apim-subscription-key", &[401]),
        ("merchant-serial-number", &[400, 401]),
        ("idempotency-key", &[400]),
    ];
    for (name, statuses) in headers {
        let answer = ask(address, &with(name)).await.unwrap();
        assert!(statuses.contains(&answer.status), "{name}: {}", answer.status);
    }
    for reference in ["%ff%fe%fd%fc%fb%fa%f9%f8", "%00%00%00%00%00%00%00%00", "%2e%2e%2f%2e%2e%2f", "..%2F..%2F..%2F"] {
        let answer =
            ask(address, &request("GET", &format!("{PAYMENTS}/{reference}"), &credentials, b"")).await.unwrap();
        assert!(matches!(answer.status, 400 | 404), "{reference}: {}", answer.status);
    }
    takes_a_payment(address).await.unwrap();
}

#[tokio::test]
async fn absurd_numbers_are_refused_by_every_api() {
    let (_http, address, credentials) = started().await;
    let agreement = agreement_with_charge("acme-box-1", 7_777_777).to_string();
    let session = session("acme-session-1", NOWHERE).to_string().replace("\"value\":1000", "\"value\":7777777");
    let psp = psp_payment("acmepsp1", NOWHERE).to_string().replace("\"amount\":1000", "\"amount\":7777777");
    let bodies = [
        (PAYMENTS, order("acme-order-1", 7_777_777).to_string()),
        (AGREEMENTS, agreement),
        (SESSIONS, session),
        ("/psp/v3/psppayments/init", psp),
        ("/__sandbox/clock/advance", json!({ "seconds": 7_777_777 }).to_string()),
    ];
    let numbers = [
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "1000000000000000000000000000000",
        "1e999",
        "-1e999",
        "1e308",
        "-1",
        "null",
        "\"many\"",
        "[1000]",
        "{}",
    ];
    for (path, body) in &bodies {
        assert_eq!(body.matches("7777777").count(), 1, "{body}");
        for number in numbers {
            let body = body.replace("7777777", number);
            let answer = ask(address, &request("POST", path, &credentials, body.as_bytes())).await.unwrap();
            assert_eq!(answer.status, 400, "{path} {number}: {}", answer.json());
        }
    }
    takes_a_payment(address).await.unwrap();
}

/// Clients that take their time, or never come to the end.
mod slow {
    #![expect(clippy::disallowed_methods, reason = "slowness is real time")]

    use std::time::{Duration, Instant};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    /// Nobody else waits longer than this for an answer.
    const AT_ONCE: Duration = Duration::from_secs(2);

    async fn everybody_else_is_served_at_once(address: SocketAddr, credentials: &str) {
        for _ in 0..20 {
            let began = Instant::now();
            let get = request("GET", &format!("{PAYMENTS}/acme-order-9"), credentials, b"");
            assert_eq!(ask(address, &get).await.unwrap().status, 200);
            let took = began.elapsed();
            assert!(took < AT_ONCE, "took {took:?}");
        }
    }

    #[tokio::test]
    async fn a_client_that_sends_a_byte_at_a_time_is_served_and_holds_nobody_up() {
        let (_http, address, credentials) = started().await;
        takes_a_payment(address).await.unwrap();
        let body = br#"{"modificationAmount":{"currency":"NOK","value":100}}"#;
        let capture = request("POST", &format!("{PAYMENTS}/acme-order-9/capture"), &credentials, body);
        let slow = tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            for byte in capture {
                stream.write_all(&[byte]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.unwrap();
            answers(&heard, false).unwrap()[0].status
        });
        everybody_else_is_served_at_once(address, &credentials).await;
        assert!(!slow.is_finished(), "the slow client was not slow enough");
        assert_eq!(slow.await.unwrap(), 400, "read to its end: nothing is reserved yet");
    }

    #[tokio::test]
    async fn a_body_that_was_announced_and_never_comes_is_refused_and_holds_nobody_up() {
        let (_http, address, credentials) = started().await;
        takes_a_payment(address).await.unwrap();
        let whole = request("POST", PAYMENTS, &credentials, &[b' '; 1000]);
        let mut waiting = Vec::new();
        for _ in 0..50 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(&whole[..whole.len() - 500]).await.unwrap();
            waiting.push(stream);
        }
        everybody_else_is_served_at_once(address, &credentials).await;
        for mut stream in waiting {
            stream.shutdown().await.unwrap();
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.unwrap();
            let answers = answers(&heard, false).unwrap();
            assert!(matches!(answers[0].status, 400 | 408 | 413), "{answers:?}");
        }
        everybody_else_is_served_at_once(address, &credentials).await;
    }

    #[tokio::test]
    async fn clients_that_connect_and_say_nothing_hold_nobody_up() {
        let (_http, address, credentials) = started().await;
        takes_a_payment(address).await.unwrap();
        let mut silent = Vec::new();
        for sent in ["", "GET", "GET / HTTP/1.1\r\nhost: "].repeat(40) {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            silent.push(stream);
        }
        everybody_else_is_served_at_once(address, &credentials).await;
        drop(silent);
        everybody_else_is_served_at_once(address, &credentials).await;
    }
}
