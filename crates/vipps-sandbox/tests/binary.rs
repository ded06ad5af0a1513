//! The binary on machines that lack something.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

struct Running {
    child: Child,
    address: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts it by a shell, which may take something away first.
fn start(before: &str) -> Running {
    let command = format!("{before}; exec \"$0\" --listen 127.0.0.1:0");
    let mut child = Command::new("sh")
        .args(["-c", &command, env!("CARGO_BIN_EXE_vipps-sandbox")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    Running { child, address }
}

impl Running {
    /// Sends one request; gives status and body.
    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        write!(stream, "{head}{headers}content-length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

const KEYS: &str = "client_id: test-client-id\r\nclient_secret: test-client-secret\r\nocp-apim-subscription-key: test-subscription-key\r\n";

#[test]
fn with_too_many_connections_it_says_so_once_and_goes_on_when_some_are_closed() {
    let mut running = start("ulimit -n 64");
    let idle: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(&running.address).unwrap()).collect();
    let mut told = String::new();
    let mut errors = BufReader::new(running.child.stderr.take().unwrap());
    errors.read_line(&mut told).unwrap();
    assert!(told.starts_with("warning: cannot accept a connection") && told.contains("ulimit -n"), "{told}");
    drop(idle);
    assert_eq!(running.send("POST", "/accesstoken/get", KEYS, "").0, 200);
    drop(running);
    told.clear();
    errors.read_to_string(&mut told).unwrap();
    assert_eq!(told, "", "it is said once");
}

#[test]
fn a_connection_takes_one_descriptor() {
    let running = start("ulimit -n 64");
    // Some forty are left beside what it has open anyway; with two for each they would not do.
    let idle: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(&running.address).unwrap()).collect();
    assert_eq!(running.send("POST", "/accesstoken/get", KEYS, "").0, 200);
    drop(idle);
}

#[test]
fn without_certificates_it_delivers_over_http() {
    let running = start("export SSL_CERT_FILE=/nowhere SSL_CERT_DIR=/nowhere");
    let (status, token) = running.send("POST", "/accesstoken/get", KEYS, "");
    assert_eq!(status, 200, "{token}");
    let token = token.split("\"access_token\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let headers = format!(
        "authorization: Bearer {token}\r\n{KEYS}merchant-serial-number: 123456\r\ncontent-type: application/json\r\n"
    );
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hooks", receiver.local_addr().unwrap());
    let hook = format!(r#"{{"url":"{url}","events":["epayments.payment.created.v1"]}}"#);
    assert_eq!(running.send("POST", "/webhooks/v1/webhooks", &headers, &hook).0, 201);
    let payment = r#"{"amount":{"currency":"NOK","value":1000},"reference":"acme-order-42","paymentMethod":{"type":"WALLET"},"userFlow":"WEB_REDIRECT","returnUrl":"https://acme.example/thanks"}"#;
    let keyed = format!("{headers}idempotency-key: k-1\r\n");
    assert_eq!(running.send("POST", "/epayment/v1/payments", &keyed, payment).0, 201);
    let (mut delivery, _) = receiver.accept().unwrap();
    let mut start = [0; 11];
    delivery.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"POST /hooks");
}
