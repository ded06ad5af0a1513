//! Records requests through httpmock, as text for snapshots.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use httpmock::MockServer;
use httpmock::prelude::HttpMockRequest;
use serde_json::{Value, json};
use vipps::Client;
use vipps_tests::{client_for, credentials};

/// Records every request as text: method, path, sorted headers, pretty body.
///
/// Its test fails when an exchange breaks a document, answers included.
pub(crate) struct Recorder {
    pub(crate) server: MockServer,
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
    violations: Arc<Mutex<Vec<String>>>,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let violations = self.violations.lock().unwrap();
            assert!(violations.is_empty(), "exchanges broke the documents: {violations:#?}");
        }
    }
}

impl Recorder {
    /// Answers every request with this status and body, and token requests with a token.
    pub(crate) async fn start(status: u16, answer: Value) -> Self {
        let server = MockServer::start_async().await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        server
            .mock_async(|when, then| {
                when.path("/accesstoken/get");
                then.status(200)
                    .json_body(json!({ "token_type": "Bearer", "expires_in": "3600", "access_token": "f00d" }));
            })
            .await;
        let requests = seen.clone();
        let violations = Arc::new(Mutex::new(Vec::new()));
        let (broken, body) = (violations.clone(), answer.clone());
        server
            .mock_async(move |when, then| {
                let record = move |request: &HttpMockRequest| {
                    if request.uri().path() == "/accesstoken/get" {
                        return false;
                    }
                    broken.lock().unwrap().extend(exchange(request, status, &body));
                    requests.lock().unwrap().push(shape(request));
                    true
                };
                when.is_true(record);
                let then = then.status(status);
                if !answer.is_null() {
                    then.json_body(answer);
                }
            })
            .await;
        Self { server, seen, violations }
    }

    pub(crate) fn client(&self) -> Client {
        client_for(self.server.base_url().parse().unwrap(), credentials()).build().unwrap()
    }

    /// A client with the PSP id of the published samples.
    pub(crate) fn psp_client(&self) -> Client {
        let credentials = credentials().with_psp_id("C948DFD1546347568874C4DDC93A2E3C").unwrap();
        client_for(self.server.base_url().parse().unwrap(), credentials).build().unwrap()
    }

    pub(crate) fn only(&self) -> String {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.len(), 1, "one attempt");
        seen[0].clone()
    }
}

/// What a request and its answer break of the documents; no body where the answer is null.
fn exchange(request: &HttpMockRequest, status: u16, answer: &Value) -> Vec<String> {
    let (method, uri) = (request.method(), request.uri());
    let answer = if answer.is_null() { String::new() } else { answer.to_string() };
    vipps_sandbox::exchange_violations(method.as_str(), uri.path(), request.body_ref(), status, answer.as_bytes())
}

pub(crate) fn shape(request: &HttpMockRequest) -> String {
    let names: Vec<String> = request.headers_vec().iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    let has = |name: &str| names.contains(&name.to_ascii_lowercase());
    let (method, uri) = (request.method(), request.uri());
    let violations = vipps_sandbox::request_violations(method.as_str(), uri.path(), has, request.body_ref());
    let mut out = String::new();
    for violation in violations {
        // A shape that breaks its document shows in the snapshot, which then differs.
        let _ = writeln!(out, "BREAKS THE DOCUMENT: {violation}");
    }
    let mut headers: Vec<(String, String)> = request
        .headers_vec()
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .map(|(name, value)| match name.as_str() {
            "host" => (name, "[host]".into()),
            "authorization" => (name, value.replace("f00d", "[token]")),
            "client_id" | "client_secret" | "ocp-apim-subscription-key" => (name, "[redacted]".into()),
            "user-agent" => (name, value.replace(env!("CARGO_PKG_VERSION"), "[version]")),
            _ => (name, value),
        })
        .collect();
    headers.sort();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let _ = writeln!(out, "{method} {}{query}", uri.path());
    for (name, value) in headers {
        let _ = writeln!(out, "{name}: {value}");
    }
    match serde_json::from_slice::<Value>(request.body_ref()) {
        Ok(body) => {
            let _ = write!(out, "\n{}", serde_json::to_string_pretty(&sorted(body)).unwrap());
        }
        Err(_) => assert!(request.body_ref().is_empty(), "a body that is no JSON"),
    }
    out
}

/// Members in the order of their names, whatever order the map keeps.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            members.into_iter().collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        scalar => scalar,
    }
}
