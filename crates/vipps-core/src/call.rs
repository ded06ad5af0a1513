//! One call: 1 to n attempts that share a key and a body. The only loop.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use progenitor_client::ResponseValue;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use tracing::Instrument as _;
use vipps_types::IdempotencyKey;

use crate::backoff::Backoff;
use crate::error::{
    Authentication, Error, Indeterminate, NoAnswer, NotSent, Refused, Report, Source, TokenError, Unreadable,
};
use crate::observe::Event;
use crate::operation::{Auth, KeyRule, Operation};
use crate::outcome::{Evidence, Prospect, Verdict, of_answer, verdict};
use crate::problem::Problem;
use crate::response::Response;
use crate::retry::{self, Decision, Failed, decide};
use crate::token::AccessToken;
use crate::transport::Transport;

/// One call of an operation: what is called, under which key, within which limits.
#[derive(Clone, Debug)]
pub struct Call {
    operation: &'static Operation,
    key: Option<IdempotencyKey>,
    deadline: Option<Duration>,
    max_attempts: Option<u32>,
}

impl Call {
    /// A call of `operation` with the limits of the transport.
    #[must_use]
    pub fn new(operation: &'static Operation) -> Self {
        Self { operation, key: None, deadline: None, max_attempts: None }
    }

    /// The key of this call. Every attempt sends it, and it makes a write repeatable.
    #[must_use]
    pub fn key(mut self, key: &IdempotencyKey) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// How long this call may take with all its attempts and waits.
    #[must_use]
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }

    /// Attempts of this call, the first included; 1 means no retry.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    fn check(&self) -> Result<(), Error> {
        let invalid = |rule: &str| Err(Error::invalid(self.operation, Some("Idempotency-Key".into()), rule.into()));
        match (self.operation.key, &self.key) {
            (KeyRule::Required(_), None) => invalid("is required: give the call a key with Call::key"),
            (KeyRule::Unknown, Some(_)) => invalid("is not taken by this operation: remove Call::key"),
            (KeyRule::Required(check) | KeyRule::Optional(check), Some(key)) => {
                check(key.as_str()).map_err(|violation| Error::invalid_request(self.operation, &violation))
            }
            (_, None) => Ok(()),
        }
    }
}

/// What the hooks of a generated client share with the attempt they run in.
struct Attempt {
    token: Option<Arc<AccessToken>>,
    key: Option<HeaderValue>,
    status: Cell<Option<u16>>,
}

tokio::task_local! {
    static ATTEMPT: RefCell<Attempt>;
}

pub(crate) fn current_token() -> Option<Arc<AccessToken>> {
    ATTEMPT.try_with(|attempt| attempt.borrow().token.clone()).ok().flatten()
}

pub(crate) fn current_key() -> Option<HeaderValue> {
    ATTEMPT.try_with(|attempt| attempt.borrow().key.clone()).ok().flatten()
}

pub(crate) fn note_status(status: u16) {
    let _ = ATTEMPT.try_with(|attempt| attempt.borrow().status.set(Some(status)));
}

/// Why an attempt gave no value.
struct Failure {
    evidence: Evidence,
    prospect: Prospect,
    ended: &'static str,
    status: Option<u16>,
    problem: Option<Problem>,
    retry_after: Option<Duration>,
    timeout: Option<Duration>,
    token: Option<TokenError>,
    source: Option<Source>,
}

impl Failure {
    fn new(evidence: Evidence, prospect: Prospect, ended: &'static str) -> Self {
        Self {
            evidence,
            prospect,
            ended,
            status: None,
            problem: None,
            retry_after: None,
            timeout: None,
            token: None,
            source: None,
        }
    }

    fn source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    fn status(mut self, status: Option<u16>) -> Self {
        self.status = status;
        self
    }
}

/// What ends a call at once: a failed attempt, or a request that was never valid.
enum Ended {
    Failed(Box<Failure>),
    Invalid(String),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl Transport {
    /// Runs one call: `attempt` makes one attempt each time it is asked, always the same.
    ///
    /// # Errors
    ///
    /// [`Error`], by what the attempts together prove about the effect of the call.
    pub async fn run<T, F, Fut>(&self, call: Call, attempt: F) -> Result<Response<T>, Error>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<ResponseValue<T>, progenitor_client::Error<()>>>,
    {
        call.check()?;
        let span = tracing::info_span!("vipps.call", operation = call.operation.id, otel.kind = "client");
        self.attempts(Course::new(self, call), attempt).instrument(span).await
    }

    async fn attempts<T, F, Fut>(&self, mut course: Course<'_>, attempt: F) -> Result<Response<T>, Error>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<ResponseValue<T>, progenitor_client::Error<()>>>,
    {
        loop {
            let (began, limit) = course.begin();
            let failure = match self.attempt(&mut course, limit, &attempt).await {
                Ok(value) => return Ok(course.done(began, value)),
                Err(Ended::Invalid(rule)) => return Err(Error::invalid(course.call.operation, None, rule)),
                Err(Ended::Failed(failure)) => *failure,
            };
            match course.failed(began, &failure) {
                Some(Decision::Refresh) => {
                    if let Some(token) = course.token.take() {
                        self.tokens().forget(&token);
                    }
                }
                Some(Decision::Again(Some(wait))) => self.clock().sleep(wait).await,
                _ => return Err(course.error(failure)),
            }
        }
    }

    /// One attempt: a token, one exchange, and what it proves.
    async fn attempt<T, F, Fut>(
        &self,
        course: &mut Course<'_>,
        limit: Duration,
        attempt: &F,
    ) -> Result<ResponseValue<T>, Ended>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<ResponseValue<T>, progenitor_client::Error<()>>>,
    {
        let operation = course.call.operation;
        let span = tracing::debug_span!(
            "vipps.attempt",
            operation = operation.id,
            http.request.method = operation.method,
            url.path = operation.path,
            attempt = course.attempts,
            http.response.status_code = tracing::field::Empty,
        );
        let exchange = async {
            if operation.auth == Auth::Bearer {
                course.token = Some(self.token().await.map_err(not_authenticated)?);
            }
            let context = Attempt { token: course.token.clone(), key: course.key.clone(), status: Cell::new(None) };
            let mut request = pin!(ATTEMPT.scope(RefCell::new(context), attempt()));
            let result = request.as_mut().await;
            let status = request.take_value().and_then(|context| context.borrow().status.get());
            if let Some(status) = status {
                tracing::Span::current().record("http.response.status_code", status);
            }
            match result {
                Ok(value) => Ok(value),
                Err(error) => Err(self.failure(error, status).await),
            }
        }
        .instrument(span);
        match select(pin!(exchange), self.clock().limit(limit)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => {
                let mut failure = Failure::new(Evidence::Lost, Prospect::Transient, "timeout");
                failure.timeout = Some(limit);
                Err(failure.into())
            }
        }
    }

    /// What a failed exchange proves; reads the body of an error answer.
    async fn failure(&self, error: progenitor_client::Error<()>, status: Option<u16>) -> Ended {
        use progenitor_client::Error as Generated;
        let failure = match error {
            Generated::InvalidRequest(rule) | Generated::Custom(rule) => return Ended::Invalid(rule),
            Generated::CommunicationError(error) if error.is_builder() => {
                return Ended::Invalid(format!("the request cannot be built: {}", error.without_url()));
            }
            Generated::CommunicationError(error) | Generated::InvalidUpgrade(error) => {
                let (evidence, ended) = match error.is_connect() {
                    true => (Evidence::NotSent, "not-sent"),
                    false => (Evidence::Lost, "lost"),
                };
                Failure::new(evidence, Prospect::Transient, ended).source(error.without_url())
            }
            Generated::ResponseBodyError(error) => Failure::new(Evidence::Unreadable, Prospect::Transient, "cut-off")
                .status(status)
                .source(error.without_url()),
            Generated::InvalidResponsePayload(_, error) => {
                // A body that ends early was cut off; one that is whole will not improve.
                let prospect = if error.is_eof() { Prospect::Transient } else { Prospect::Final };
                let what = format!("line {} column {}: {:?} error", error.line(), error.column(), error.classify());
                Failure::new(Evidence::Unreadable, prospect, "unreadable").status(status).source(what)
            }
            Generated::UnexpectedResponse(response) => self.answered(response).await,
            Generated::ErrorResponse(answer) => {
                let (evidence, prospect) = of_answer(answer.status().as_u16(), &Problem::default());
                Failure::new(evidence, prospect, "refused").status(Some(answer.status().as_u16()))
            }
        };
        failure.into()
    }

    async fn answered(&self, response: reqwest::Response) -> Failure {
        let status = response.status().as_u16();
        let retry_after = self.retry_after(response.headers());
        // An error body that breaks off is read as far as it came: the status counts.
        let problem = Problem::read(response.bytes().await.unwrap_or_else(|_| Bytes::new()));
        let (evidence, prospect) = of_answer(status, &problem);
        let mut failure = Failure::new(evidence, prospect, "refused").status(Some(status));
        failure.retry_after = retry_after;
        failure.problem = Some(problem);
        failure
    }

    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        retry::retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, self.clock().wall())
    }
}

fn not_authenticated(error: TokenError) -> Ended {
    let prospect = if error.is_transient() { Prospect::Transient } else { Prospect::Final };
    let mut failure = Failure::new(Evidence::NotSent, prospect, "no-token");
    failure.retry_after = error.retry_after();
    failure.token = Some(error);
    failure.into()
}

/// Where a call stands.
struct Course<'a> {
    transport: &'a Transport,
    call: Call,
    key: Option<HeaderValue>,
    token: Option<Arc<AccessToken>>,
    started: Duration,
    deadline: Duration,
    attempts: u32,
    refreshed: bool,
    evidence: Vec<Evidence>,
    backoff: Backoff,
}

impl<'a> Course<'a> {
    fn new(transport: &'a Transport, call: Call) -> Self {
        let policy = transport.policy();
        let started = transport.clock().elapsed();
        transport.budget().earn();
        let course = Self {
            transport,
            key: call.key.as_ref().and_then(|key| HeaderValue::from_str(key.as_str()).ok()),
            token: None,
            started,
            deadline: started + call.deadline.unwrap_or(policy.deadline),
            attempts: 0,
            refreshed: false,
            evidence: Vec::new(),
            backoff: Backoff::new(policy.retry.base_backoff, policy.retry.max_backoff),
            call,
        };
        course
            .tell(&Event::CallStarted { operation: course.call.operation, idempotency_key: course.call.key.as_ref() });
        course
    }

    /// Begins an attempt: when, and how long it may take.
    fn begin(&mut self) -> (Duration, Duration) {
        self.attempts += 1;
        let now = self.now();
        (now, self.transport.policy().attempt_timeout.min(self.deadline.saturating_sub(now)))
    }

    fn done<T>(&self, began: Duration, value: ResponseValue<T>) -> Response<T> {
        let status = value.status().as_u16();
        self.tell_attempt(began, Some(status), "ok");
        self.tell_end(true, false);
        let headers = value.headers().clone();
        Response::new(value.into_inner(), status, headers, self.attempts)
    }

    /// Takes a failed attempt into account; `None` means that the call ends here.
    fn failed(&mut self, began: Duration, failure: &Failure) -> Option<Decision> {
        self.evidence.push(failure.evidence);
        self.tell_attempt(began, failure.status, failure.ended);
        let operation = self.call.operation;
        let policy = self.transport.policy();
        let decision = decide(&Failed {
            evidence: failure.evidence,
            prospect: match operation.auth {
                // There is no token to renew: the keys themselves were refused.
                Auth::KeyHeaders if failure.prospect == Prospect::NewToken => Prospect::Final,
                _ => failure.prospect,
            },
            repeatable: operation.is_read() || self.call.key.is_some(),
            refreshed: self.refreshed,
            attempts: self.attempts,
            max_attempts: self.call.max_attempts.unwrap_or(policy.retry.max_attempts),
            retry_after: failure.retry_after,
            left: self.deadline.saturating_sub(self.now()),
        });
        let wait = match decision {
            Decision::Stop => return None,
            Decision::Refresh => {
                self.refreshed = true;
                Duration::ZERO
            }
            Decision::Again(wait) => {
                let wait = wait.unwrap_or_else(|| self.backoff.next(&**self.transport.random_below()));
                if self.now() + wait >= self.deadline || !self.transport.budget().spend() {
                    return None;
                }
                wait
            }
        };
        self.tell(&Event::RetryScheduled { operation, attempt: self.attempts + 1, wait });
        tracing::debug!(
            operation = operation.id,
            attempt = self.attempts,
            ended = failure.ended,
            ?wait,
            "will be repeated"
        );
        match decision {
            Decision::Again(_) => Some(Decision::Again(Some(wait))),
            other => Some(other),
        }
    }

    /// The error of a call that has ended, by all its attempts.
    fn error(&self, last: Failure) -> Error {
        let operation = self.call.operation;
        let report = Report {
            operation: operation.id,
            is_read: operation.is_read(),
            attempts: self.attempts,
            elapsed: self.now().saturating_sub(self.started),
            idempotency_key: self.call.key.clone(),
        };
        let Failure { status, problem, retry_after, timeout, token, source, .. } = last;
        let token_source = |token: Option<TokenError>| token.map(|token| Box::new(token) as Source);
        let error = match (verdict(&self.evidence, operation.is_read()), token) {
            (Verdict::NotSent, Some(source)) => Error::Authentication(Box::new(Authentication { report, source })),
            (Verdict::NotSent, None) => Error::NotSent(Box::new(NotSent { report, source })),
            (Verdict::NoAnswer, token) => {
                Error::NoAnswer(Box::new(NoAnswer { report, timeout, source: source.or(token_source(token)) }))
            }
            (Verdict::Refused, _) => {
                let problem = problem.unwrap_or_default();
                Error::Refused(Box::new(Refused { report, status: status.unwrap_or_default(), problem, retry_after }))
            }
            (Verdict::Indeterminate, token) => Error::Indeterminate(Box::new(Indeterminate {
                report,
                timeout,
                status,
                problem,
                retry_after,
                source: source.or(token_source(token)),
            })),
            (Verdict::Unreadable, token) => {
                let source = source.or(token_source(token));
                Error::Unreadable(Box::new(Unreadable { report, status: status.unwrap_or(200), source }))
            }
        };
        self.tell_end(false, error.may_have_taken_effect());
        error
    }

    fn now(&self) -> Duration {
        self.transport.clock().elapsed()
    }

    fn tell(&self, event: &Event<'_>) {
        if let Some(observer) = self.transport.observer() {
            observer.observe(event);
        }
    }

    fn tell_attempt(&self, began: Duration, status: Option<u16>, ended: &'static str) {
        let elapsed = self.now().saturating_sub(began);
        self.tell(&Event::AttemptFinished {
            operation: self.call.operation,
            attempt: self.attempts,
            status,
            ended,
            elapsed,
        });
    }

    fn tell_end(&self, ok: bool, may_have_taken_effect: bool) {
        let elapsed = self.now().saturating_sub(self.started);
        let (operation, attempts) = (self.call.operation, self.attempts);
        self.tell(&Event::CallFinished { operation, ok, may_have_taken_effect, attempts, elapsed });
    }
}
