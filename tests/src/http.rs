//! A client that knows nothing but HTTP: expectations of its tests come from the facts.

use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use vipps_sandbox::{ClockMode, Options};

use crate::CheckedSandbox;

/// A client of a sandbox of its own.
pub struct Http {
    /// The sandbox.
    pub sandbox: CheckedSandbox,
    /// Without a proxy, and it follows no redirects.
    pub client: reqwest::Client,
    token: String,
    keys: AtomicU32,
}

impl Http {
    /// With the default options: real time passes.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// On a clock that only [`Http::advance`] moves, from 2026-01-01T00:00:00Z. Tokens live
    /// for ever, so that a test may let years pass.
    pub async fn start_manual() -> Self {
        let mut options = Options::default();
        options.clock = ClockMode::Manual;
        let http = Self::start_with(options).await;
        let (status, _) = http.control("PATCH", "settings", json!({ "tokenLifetimeSeconds": 3_155_760_000_u64 })).await;
        assert_eq!(status, 200);
        http.with_new_token().await
    }

    /// With a new access token, where the old one may have died.
    #[must_use]
    pub async fn with_new_token(mut self) -> Self {
        self.token = token(&self.client, self.sandbox.base_url()).await;
        self
    }

    /// The access token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// For what documents forbid and Vipps takes.
    pub async fn start_tolerant() -> Self {
        Self::start().await.tolerant()
    }

    /// With these options.
    ///
    /// # Panics
    ///
    /// When no sandbox can be started.
    pub async fn start_with(options: Options) -> Self {
        let sandbox = CheckedSandbox::start_with(options).await;
        let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = builder.build().expect("a client");
        let token = token(&client, sandbox.base_url()).await;
        Self { sandbox, client, token, keys: AtomicU32::new(0) }
    }

    /// The same for a test that sends what the documents forbid.
    #[must_use]
    pub fn tolerant(mut self) -> Self {
        self.sandbox = self.sandbox.tolerant();
        self
    }

    fn bare(&self, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse().expect("a method");
        self.client.request(method, format!("{}{path}", self.sandbox.base_url()))
    }

    /// A request with bearer token, subscription key and sales unit.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.bare(method, path)
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Ocp-Apim-Subscription-Key", "test-subscription-key")
            .header("Merchant-Serial-Number", "123456")
    }

    /// Status and body; null for an empty body or one that is no JSON.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    pub async fn send(&self, request: RequestBuilder) -> (u16, Value) {
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let body = response.bytes().await.expect("a whole body");
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// A key that no request had before.
    pub fn new_key(&self) -> String {
        format!("key-{}", self.keys.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.request("GET", path)).await
    }

    /// Posts with a new key.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.write("POST", path, body).await
    }

    /// Writes with a new key; null is no body.
    pub async fn write(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.keyed(method, path, &self.new_key(), body).await
    }

    /// Writes with this key; null is no body.
    pub async fn keyed(&self, method: &str, path: &str, key: &str, body: &Value) -> (u16, Value) {
        self.send(with_body(self.request(method, path).header("Idempotency-Key", key), body)).await
    }

    /// Creates a payment with a new key.
    pub async fn create(&self, body: &Value) -> (u16, Value) {
        self.post("/epayment/v1/payments", body).await
    }

    /// A request to Checkout: key headers instead of a bearer token.
    pub fn checkout_request(&self, method: &str, path: &str) -> RequestBuilder {
        self.bare(method, path)
            .header("client_id", "test-client-id")
            .header("client_secret", "test-client-secret")
            .header("Ocp-Apim-Subscription-Key", "test-subscription-key")
            .header("Merchant-Serial-Number", "123456")
            .header("Vipps-System-Name", "acme")
            .header("Vipps-System-Version", "3.1.2")
            .header("Vipps-System-Plugin-Name", "acme-webshop")
            .header("Vipps-System-Plugin-Version", "4.5.6")
    }

    /// Asks Checkout; null is no body.
    pub async fn checkout(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.send(with_body(self.checkout_request(method, path), body)).await
    }

    /// Asks the PSP API; null is no body.
    pub async fn psp(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = self.request(method, path).header("Psp-Id", "C948DFD1546347568874C4DDC93A2E3C");
        self.send(with_body(request, body)).await
    }

    /// Asks the control API; null is no body.
    pub async fn control(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.send(with_body(self.bare(method, &format!("/__sandbox/{path}")), &body)).await
    }

    /// Lets time pass; waits for what is due on the way.
    ///
    /// # Panics
    ///
    /// When the sandbox refuses.
    pub async fn advance(&self, seconds: u64) {
        let (status, answer) = self.control("POST", "clock/advance", json!({ "seconds": seconds })).await;
        assert_eq!(status, 200, "{answer}");
    }
}

fn with_body(request: RequestBuilder, body: &Value) -> RequestBuilder {
    if body.is_null() { request } else { request.json(body) }
}

async fn token(client: &reqwest::Client, base_url: &str) -> String {
    let answer = client
        .post(format!("{base_url}/accesstoken/get"))
        .header("client_id", "test-client-id")
        .header("client_secret", "test-client-secret")
        .header("Ocp-Apim-Subscription-Key", "test-subscription-key")
        .send()
        .await
        .expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    answer["access_token"].as_str().expect("a token").to_owned()
}
