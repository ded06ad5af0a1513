//! The way to Vipps: what every request carries, and the client that sends it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use serde::Deserialize;
use vipps_types::{Credentials, Environment, MerchantSerialNumber, Secret};

use crate::attempt;
use crate::budget::Budget;
use crate::clock::{Clock, SystemClock};
use crate::config_error::ConfigError;
use crate::error::no_connection_because;
use crate::observe::Observer;
use crate::operation::{Auth, Operation};
use crate::problem::Problem;
use crate::reading::{self, End, Seen, SeenAs};
use crate::retry::{self, RetryPolicy};
use crate::system::System;
use crate::token::{AccessToken, TokenCache, TokenFailure, slack};

const SUBSCRIPTION_KEY: HeaderName = HeaderName::from_static("ocp-apim-subscription-key");
const SALES_UNIT: HeaderName = HeaderName::from_static("merchant-serial-number");
const PSP_ID: HeaderName = HeaderName::from_static("psp-id");
const CLIENT_ID: HeaderName = HeaderName::from_static("client_id");
const CLIENT_SECRET: HeaderName = HeaderName::from_static("client_secret");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Tokens live 24 h in production; whatever claims more is asked again after a week.
const LONGEST_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The life of a token that does not say how long it lives.
const UNKNOWN_LIFE: Duration = Duration::from_secs(5 * 60);

/// What is changed at the HTTP client.
type ChangeOfHttp = Box<dyn FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send>;

/// Gives a number below its argument; tests bring their own.
pub type RandomBelow = Arc<dyn Fn(u64) -> u64 + Send + Sync>;

/// A connection to one environment with one set of credentials: headers, tokens, policy.
///
/// Cheap to clone; clones share the connection pool, the access token and the retry budget.
#[derive(Clone)]
pub struct Transport {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    http: reqwest::Client,
    base_url: String,
    /// Path of the base address, without a slash at its end.
    base_path: String,
    credentials: Credentials,
    /// What every request carries, whatever it asks.
    headers: HeaderMap,
    tokens: Arc<TokenCache>,
    budget: Arc<Budget>,
    policy: Policy,
    clock: Arc<dyn Clock>,
    random_below: RandomBelow,
    observer: Option<Arc<dyn Observer>>,
}

/// The limits of calls and attempts.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) retry: RetryPolicy,
    pub(crate) attempt_timeout: Duration,
    pub(crate) deadline: Duration,
    refresh_slack: Option<Duration>,
}

impl Transport {
    /// A builder for `environment`, authenticated by `credentials`.
    pub fn builder(environment: Environment, credentials: Credentials) -> TransportBuilder {
        TransportBuilder {
            environment,
            credentials,
            system: System::default(),
            policy: Policy {
                retry: RetryPolicy::default(),
                attempt_timeout: Duration::from_secs(10),
                deadline: Duration::from_secs(30),
                refresh_slack: None,
            },
            attempt_timeout: None,
            connect_timeout: Duration::from_secs(5),
            http: None,
            plain_http: false,
            clock: Arc::new(SystemClock::new()),
            random_below: Arc::new(|below| fastrand::u64(..below.max(1))),
            observer: None,
        }
    }

    /// The same connection, acting for another sales unit. Needs partner credentials, or
    /// keys that are valid for it.
    #[must_use]
    pub fn with_sales_unit(&self, sales_unit: MerchantSerialNumber) -> Self {
        let mut inner = (*self.inner).clone();
        if let Ok(value) = HeaderValue::from_str(sales_unit.as_str()) {
            inner.headers.insert(SALES_UNIT, value);
        }
        inner.credentials = inner.credentials.with_merchant_serial_number(sales_unit);
        Self { inner: Arc::new(inner) }
    }

    /// The sales unit that calls are made for.
    #[must_use]
    pub fn sales_unit(&self) -> &MerchantSerialNumber {
        self.inner.credentials.merchant_serial_number()
    }

    /// The address that paths are appended to, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.inner.base_url
    }

    /// The clock of this client, for whoever waits on its behalf.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    #[doc(hidden)]
    #[must_use]
    pub fn http_client(&self) -> &reqwest::Client {
        &self.inner.http
    }

    pub(crate) fn has_psp_id(&self) -> bool {
        self.inner.credentials.psp_id().is_some()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.inner.budget
    }

    pub(crate) fn tokens(&self) -> &TokenCache {
        &self.inner.tokens
    }

    pub(crate) fn random_below(&self) -> &RandomBelow {
        &self.inner.random_below
    }

    pub(crate) fn observer(&self) -> Option<&dyn Observer> {
        self.inner.observer.as_deref()
    }

    /// Completes one request: the headers of the transport, authentication, the key of the
    /// call; refuses a path that left the operation's template.
    #[doc(hidden)]
    pub async fn decorate<E>(
        &self,
        request: &mut reqwest::Request,
        operation: Option<&'static Operation>,
    ) -> Result<(), progenitor_client::Error<E>> {
        let refuse = |why: &str| progenitor_client::Error::Custom(why.to_owned());
        let Some(operation) = operation else { return Err(refuse("the operation is not in its crate's table")) };
        if !attempt::is_called(operation) {
            return Err(refuse("the attempt sends another operation than the call names"));
        }
        if !operation.allows(self.path_of(request.url())) {
            return Err(refuse("a path parameter is empty or leaves the route: it must not be dots alone"));
        }
        if operation.optional_body && request.body().and_then(reqwest::Body::as_bytes) == Some(b"{}") {
            *request.body_mut() = None;
            request.headers_mut().remove(CONTENT_TYPE);
        }
        if attempt::is_rehearsal() {
            return Ok(());
        }
        // Some gateways refuse a write that does not say how long it is.
        let says_no_length = request.body().is_none() && !operation.is_read();
        // The headers of every request are copied as a whole, which hashes nothing; then
        // come the few of this one.
        let own = std::mem::replace(request.headers_mut(), self.inner.headers.clone());
        let headers = request.headers_mut();
        let key = attempt::current_key();
        for (name, value) in own {
            // The key of the call is that of every attempt, whatever the request brought.
            if let Some(name) = name.filter(|name| key.is_none() || *name != IDEMPOTENCY_KEY) {
                headers.insert(name, value);
            }
        }
        if says_no_length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let Some(key) = key {
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        match operation.auth {
            Auth::Bearer => {
                let token = match attempt::current_token() {
                    Some(token) => token,
                    // A request outside `run`: its own token, and no loop around it.
                    None => Box::pin(self.token()).await.map_err(|(error, _)| refuse(&error.to_string()))?,
                };
                request.headers_mut().insert(AUTHORIZATION, token.header.clone());
            }
            Auth::KeyHeaders => {
                headers.remove(PSP_ID);
                self.insert_keys(headers);
            }
        }
        attempt::begin_request();
        Ok(())
    }

    /// Sends one request and reads its answer, here and once: up to a cap, and with a look at
    /// whether it is what the document says, and about what was asked.
    ///
    /// What is no answer of the API is given on as 502, so that nobody takes it for a yes.
    #[doc(hidden)]
    pub async fn exchange(
        &self,
        request: reqwest::Request,
        operation: Option<&'static Operation>,
    ) -> reqwest::Result<reqwest::Response> {
        let Some(operation) = operation else { return self.inner.http.execute(request).await };
        if attempt::is_rehearsal() {
            let url = request.url().clone();
            attempt::rehearse(request);
            return Ok(reading::rebuilt(url, StatusCode::BAD_GATEWAY, HeaderMap::new(), Bytes::new()));
        }
        let asked_in_body = reading::asked_in_body(operation, &request);
        let mut response = self.inner.http.execute(request).await?;
        let status = response.status();
        attempt::note_status(status.as_u16());
        let most = if status.is_success() { reading::MOST_BODY } else { reading::MOST_ERROR };
        let began = |first: &[u8]| {
            if status.is_success() && reading::begins_as_json(first) {
                attempt::note_json_began();
            }
        };
        let (body, end) = reading::body(&mut response, most, began).await;
        let headers = std::mem::take(response.headers_mut());
        let url = response.url().clone();
        let flaw = match end {
            End::Whole if status.is_success() => {
                // No redirect is followed: this is the address that was asked.
                let asked_in_path = reading::asked_in_path(operation, self.path_of(&url));
                let asked = asked_in_path.as_deref().or(asked_in_body.as_deref());
                match reading::check(operation, status.as_u16(), &headers, &body, asked) {
                    Ok(echoed) => {
                        return Ok(reading::rebuilt(url, status, attempt::note_success(echoed, headers), body));
                    }
                    Err(flaw) => flaw,
                }
            }
            end if !status.is_success() => SeenAs::Refusal { broke_off: !matches!(end, End::Whole) },
            end => reading::unfinished(operation, status.as_u16(), &body, &end),
        };
        let retry_after = self.retry_after(&headers);
        let handed_on = if status.is_success() { StatusCode::BAD_GATEWAY } else { status };
        let path = self.path_of(&url).to_owned();
        attempt::note_seen(Seen { path, status: status.as_u16(), body: body.clone(), retry_after, as_what: flaw });
        Ok(reading::rebuilt(url, handed_on, headers, body))
    }

    /// The path of a request below the base address.
    pub(crate) fn path_of<'a>(&self, url: &'a reqwest::Url) -> &'a str {
        url.path().strip_prefix(self.inner.base_path.as_str()).unwrap_or_default()
    }

    pub(crate) fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        retry::retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, self.inner.clock.wall())
    }

    fn insert_keys(&self, headers: &mut HeaderMap) {
        let credentials = &self.inner.credentials;
        for (name, text) in [(CLIENT_ID, credentials.client_id()), (CLIENT_SECRET, credentials.client_secret())] {
            headers.insert(name, secret_value(text));
        }
    }

    /// A good access token; without one, why, and whether this caller asked for it.
    pub(crate) async fn token(&self) -> Result<Arc<AccessToken>, (Arc<TokenFailure>, bool)> {
        let inner = &self.inner;
        inner.tokens.get(inner.clock.elapsed(), || self.clone().fetch_token()).await
    }

    fn fetch_token(self) -> BoxFuture<'static, Result<Arc<AccessToken>, Arc<TokenFailure>>> {
        async move {
            let limit = self.inner.policy.attempt_timeout;
            let timer = self.inner.clock.limit(limit);
            match select(self.request_token().boxed(), timer).await {
                Either::Left((fetched, _)) => fetched.map(Arc::new),
                Either::Right(_) => Err(Arc::new(TokenFailure::out_of_time(limit))),
            }
        }
        .boxed()
    }

    async fn request_token(&self) -> Result<AccessToken, Arc<TokenFailure>> {
        let inner = &self.inner;
        let mut headers = inner.headers.clone();
        headers.remove(PSP_ID);
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        self.insert_keys(&mut headers);
        let started = inner.clock.elapsed();
        let url = format!("{}/accesstoken/get", inner.base_url);
        let mut response = inner.http.post(url).headers(headers).send().await.map_err(|error| {
            let what = match error.is_connect() {
                true => format!("could not be sent: {}", no_connection_because(&error)),
                false => "lost its connection".to_owned(),
            };
            no_token(None, &what, true, Some(error.without_url()))
        })?;
        let status = response.status();
        let (body, end) = reading::body(&mut response, reading::MOST_ERROR, |_| {}).await;
        if !status.is_success() {
            let transient = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
            let failure = TokenFailure {
                status: Some(status.as_u16()),
                problem: Some(Problem::read(body)),
                retry_after: self.retry_after(response.headers()),
                what: String::new(),
                transient,
                source: None,
            };
            return Err(Arc::new(failure));
        }
        if let End::Broken(error) = end {
            return Err(no_token(Some(status.as_u16()), "got half an answer", true, Some(error.without_url())));
        }
        let answer: TokenAnswer = serde_json::from_slice(&body)
            // The parser's text may repeat what it read, so it is not kept.
            .map_err(|_| no_token(None, "got an answer that holds no token", false, None))?;
        let life = answer.expires_in.as_ref().and_then(seconds).filter(|life| *life > 0);
        let life = life.map_or(UNKNOWN_LIFE, Duration::from_secs).min(LONGEST_LIFE);
        let header = HeaderValue::from_str(&format!("Bearer {}", answer.access_token.reveal()))
            .map_err(|_| no_token(None, "got a token that cannot be sent", false, None))?;
        Ok(AccessToken {
            header: sensitive(header),
            refresh_at: started + (life - slack(life, inner.policy.refresh_slack)),
            expires_at: started + life,
        })
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("base_url", &self.inner.base_url)
            .field("sales_unit", self.sales_unit())
            .finish_non_exhaustive()
    }
}

/// What is needed of a token answer; the other members differ from host to host.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Secret<String>,
    /// Seconds, as text or a number by host; anything else is no reason to go without a token.
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
}

fn seconds(value: &serde_json::Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// A token request that brought no error body.
fn no_token(status: Option<u16>, what: &str, transient: bool, source: Option<reqwest::Error>) -> Arc<TokenFailure> {
    let source = source.map(|source| Box::new(source) as crate::error::Source);
    let what = what.to_owned();
    Arc::new(TokenFailure { status, problem: None, retry_after: None, what, transient, source })
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// A header value that is never printed. Credentials are checked when they are made, so
/// there is no value that cannot stand in a header.
fn secret_value(text: &str) -> HeaderValue {
    sensitive(HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("")))
}

/// Options of a [`Transport`]; all checks happen in [`TransportBuilder::build`].
#[must_use]
pub struct TransportBuilder {
    environment: Environment,
    credentials: Credentials,
    system: System,
    policy: Policy,
    attempt_timeout: Option<Duration>,
    connect_timeout: Duration,
    http: Option<ChangeOfHttp>,
    plain_http: bool,
    clock: Arc<dyn Clock>,
    random_below: RandomBelow,
    observer: Option<Arc<dyn Observer>>,
}

impl TransportBuilder {
    /// Which system is calling. Default: this library's name and version.
    pub fn system(mut self, system: System) -> Self {
        self.system = system;
        self
    }

    /// How often attempts are repeated. Default: 4 attempts, 100 ms to 5 s between them.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.policy.retry = retry;
        self
    }

    /// How long one attempt may take, its body included; shorter than the deadline, or a lost
    /// attempt could never be repeated. Default: 10 s, or half of a shorter deadline; zero is a
    /// [`ConfigError::Zero`] from `build`, and one that is not shorter than the deadline a
    /// [`ConfigError::AttemptTooLong`].
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    /// How long a connection may take to be made. Default: 5 s. What has not been connected was
    /// not sent; zero is a [`ConfigError::Zero`] from `build`.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long a call may take with all its attempts and waits. Default: 30 s; zero is a
    /// [`ConfigError::Zero`] from `build`.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.policy.deadline = limit;
        self
    }

    /// How early before expiry a cached access token is replaced.
    ///
    /// Default: the larger of 120 s and 5 % of its life. Tokens live 1 h in the test
    /// environment and 24 h in production, so a call (30 s) always fits inside the slack.
    /// More than half of a token's life counts as half.
    ///
    /// # Errors
    ///
    /// [`ConfigError::SlackTooLong`] from `build` if it is 30 min or more.
    pub fn refresh_slack(mut self, slack: Duration) -> Self {
        self.policy.refresh_slack = Some(slack);
        self
    }

    /// Changes the HTTP client: a proxy, certificates, a pool.
    ///
    /// What must hold is set afterwards, whatever `change` does: it follows no redirects, which
    /// would carry the keys to another host, retries nothing by itself, and uses no proxy for
    /// this machine.
    ///
    /// The one option that takes a type of a dependency: a [`reqwest::ClientBuilder`] of reqwest
    /// 0.13. A later reqwest changes this method, and nothing else of the interface.
    pub fn http(
        mut self,
        change: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + 'static,
    ) -> Self {
        self.http = Some(Box::new(change));
        self
    }

    /// Lets a base address without TLS be one of another machine, which everybody on the way
    /// can read: keys, tokens, customers. Only for a network of your own, such as that of the
    /// containers of a test. Default: such an address is a [`ConfigError::PlainHttp`].
    pub fn allow_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// Where time comes from. Default: the clock of the machine.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where the jitter of waits comes from. Default: a fast generator of the thread.
    pub fn random(mut self, random_below: RandomBelow) -> Self {
        self.random_below = random_below;
        self
    }

    /// Something that watches every call. Default: nothing.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Checks everything and builds; the network is not touched.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: a system name that is too long, a limit of zero, an attempt as long as
    /// a call, a slack of 30 min or more, https without TLS, http to another machine, or an
    /// HTTP client that cannot be set up.
    pub fn build(mut self) -> Result<Transport, ConfigError> {
        self.system.check()?;
        let policy = &mut self.policy;
        policy.attempt_timeout = self.attempt_timeout.unwrap_or(policy.attempt_timeout.min(policy.deadline / 2));
        if policy.retry.max_attempts == 0 {
            return Err(ConfigError::Zero("max_attempts"));
        }
        for (name, limit) in [
            ("deadline", policy.deadline),
            ("attempt_timeout", policy.attempt_timeout),
            ("connect_timeout", self.connect_timeout),
        ] {
            if limit.is_zero() {
                return Err(ConfigError::Zero(name));
            }
        }
        if policy.attempt_timeout >= policy.deadline {
            return Err(ConfigError::AttemptTooLong { attempt: policy.attempt_timeout, deadline: policy.deadline });
        }
        if let Some(slack) = policy.refresh_slack.filter(|slack| *slack >= Duration::from_secs(30 * 60)) {
            return Err(ConfigError::SlackTooLong(slack));
        }
        let base_url = self.environment.base_url().to_owned();
        if base_url.starts_with("http:") && !self.environment.is_loopback() && !self.plain_http {
            return Err(ConfigError::PlainHttp(base_url));
        }
        let http = http_client(&self.environment, self.connect_timeout, self.http)?;
        let base_path = reqwest::Url::parse(&base_url).map(|url| url.path().trim_end_matches('/').to_owned());
        let credentials = self.credentials;
        let mut headers = HeaderMap::new();
        headers.insert(SUBSCRIPTION_KEY, secret_value(credentials.subscription_key()));
        if let Ok(value) = HeaderValue::from_str(credentials.merchant_serial_number().as_str()) {
            headers.insert(SALES_UNIT, value);
        }
        if let Some(psp_id) = credentials.psp_id() {
            headers.insert(PSP_ID, secret_value(psp_id));
        }
        for (name, value) in self.system.headers() {
            let value = HeaderValue::from_str(value).map_err(|_| ConfigError::System { header: name })?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let inner = Inner {
            http,
            base_url,
            base_path: base_path.unwrap_or_default(),
            credentials,
            headers,
            tokens: Arc::default(),
            budget: Arc::new(Budget::full(&self.policy.retry)),
            policy: self.policy,
            clock: self.clock,
            random_below: self.random_below,
            observer: self.observer,
        };
        Ok(Transport { inner: Arc::new(inner) })
    }
}

fn http_client(
    environment: &Environment,
    connect_timeout: Duration,
    change: Option<ChangeOfHttp>,
) -> Result<reqwest::Client, ConfigError> {
    // A change may bring TLS of its own.
    if cfg!(not(feature = "rustls")) && environment.base_url().starts_with("https:") && change.is_none() {
        return Err(ConfigError::NoTls(environment.base_url().to_owned()));
    }
    let builder = reqwest::Client::builder().connect_timeout(connect_timeout).user_agent(concat!(
        env!("CARGO_PKG_NAME"),
        "/",
        env!("CARGO_PKG_VERSION")
    ));
    let mut builder = match change {
        Some(change) => change(builder),
        None => builder,
    }
    // A redirect to another host would carry our keys along.
    .redirect(reqwest::redirect::Policy::none())
    // The loop in `call.rs` is the only one.
    .retry(reqwest::retry::never());
    if environment.is_loopback() {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| ConfigError::HttpClient(Box::new(error)))
}
