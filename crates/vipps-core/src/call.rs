//! One call: 1 to n attempts that share a key and a body. The only loop.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::{Either, select};
use progenitor_client::ResponseValue;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use tracing::Instrument as _;
use vipps_types::{IdempotencyKey, Violation};

use crate::attempt::{ATTEMPT, Attempt, Ended, Failure, not_authenticated, out_of_time};
use crate::backoff::Backoff;
use crate::error::{Error, Indeterminate, InvalidRequest, NotSent, Refused, Report, Source, TokenError, Unreadable};
use crate::observe::Event;
use crate::operation::{Auth, KeyRule, Operation};
use crate::outcome::{Evidence, Prospect, Verdict, of_answer, verdict};
use crate::problem::Problem;
use crate::response::Response;
use crate::retry::{self, Decision, Failed, decide};
use crate::token::{AccessToken, TokenFailure};
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

    /// How long this call may take with all its attempts and waits. Default: as the
    /// transport has it, 30 s; zero is an [`Error::InvalidRequest`].
    #[must_use]
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }

    /// Attempts of this call, the first included; 1 means no retry. Default: as the
    /// transport has it, 4; zero is an [`Error::InvalidRequest`].
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// Lets a rule of form that is kept pass; one that is broken is the error of this call,
    /// before anything is sent.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] with the field, the rule and the key of this call.
    pub fn checked(&self, rule: Result<(), Violation>) -> Result<(), Error> {
        rule.map_err(|violation| self.invalid(&violation))
    }

    /// The error of this call when its request breaks a rule of form: nothing was sent.
    #[must_use]
    pub fn invalid(&self, violation: &Violation) -> Error {
        self.unsent(Some(violation.field()), violation.rule())
    }

    fn unsent(&self, field: Option<&str>, rule: &str) -> Error {
        Error::invalid(self.operation, self.key.clone(), field.map(str::to_owned), rule.to_owned())
    }

    fn check(&self, has_psp_id: bool) -> Result<(), Error> {
        if self.operation.psp_id && !has_psp_id {
            let rule = "is required: set VIPPS_PSP_ID or call Credentials::with_psp_id";
            return Err(self.unsent(Some("Psp-Id"), rule));
        }
        if self.deadline.is_some_and(|limit| limit.is_zero()) || self.max_attempts == Some(0) {
            return Err(self.unsent(None, "deadline and max_attempts must be more than zero"));
        }
        let invalid = |rule: &str| Err(self.unsent(Some("Idempotency-Key"), rule));
        match (self.operation.key, &self.key) {
            (KeyRule::Required(_), None) => invalid("is required: give the call a key with Call::key"),
            (KeyRule::Unknown, Some(_)) => invalid("is not taken by this operation: remove Call::key"),
            (KeyRule::Required(check) | KeyRule::Optional(check), Some(key)) => self.checked(check(key.as_str())),
            (_, None) => Ok(()),
        }
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
        call.check(self.has_psp_id())?;
        let span = tracing::info_span!("vipps.call", operation = call.operation.id, otel.kind = "client");
        // Futures are pinned before they are wrapped, here and below, so that they are not moved.
        pin!(self.attempts(Course::new(self, call), attempt)).instrument(span).await
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
                Err(Ended::Invalid(rule)) if course.nothing_left() => return Err(course.invalid(began, rule)),
                Err(Ended::Invalid(rule)) => Failure::new(Evidence::NotSent, Prospect::Final, "invalid").source(rule),
                Err(Ended::Failed(failure)) => *failure,
            };
            if failure.prospect == Prospect::NewToken
                && let Some(token) = course.token.take()
            {
                // Also when this call ends here: the next one needs another token.
                self.tokens().forget(&token);
            }
            match course.failed(began, &failure) {
                Some(Decision::Refresh) => {}
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
        let current = Arc::new(Attempt::new(operation.id, course.key.clone()));
        let timer = self.clock().limit(limit);
        let exchange = pin!(async {
            if operation.auth == Auth::Bearer {
                let token = self.token().await.map_err(not_authenticated)?;
                course.token = Some(current.token.get_or_init(|| token).clone());
            }
            let result = ATTEMPT.scope(current.clone(), pin!(attempt())).await;
            if let Some(status) = current.status() {
                tracing::Span::current().record("http.response.status_code", status);
            }
            match result {
                Ok(value) => Ok(value),
                Err(error) => Err(Box::pin(self.failure(error, current.status())).await),
            }
        });
        let result = match select(exchange.instrument(span), timer).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(out_of_time(limit, &current, operation.auth).into()),
        };
        let result = match result {
            // What came before the request that was stopped may have been sent.
            Err(Ended::Invalid(rule)) if current.has_begun() => {
                Err(Failure::new(Evidence::Lost, Prospect::Final, "invalid")
                    .status(current.status())
                    .source(rule)
                    .into())
            }
            other => other,
        };
        // Nothing says that a request outside the hook carried the key: it is not repeated.
        course.repeatable &= current.has_begun()
            || matches!(&result, Err(Ended::Failed(failure)) if failure.evidence == Evidence::NotSent);
        result
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

    async fn answered(&self, mut response: reqwest::Response) -> Failure {
        let status = response.status().as_u16();
        let retry_after = self.retry_after(response.headers());
        let mut body = BytesMut::new();
        let mut cut_off = false;
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                // Read as far as it came: the status counts.
                Err(_) => {
                    cut_off = true;
                    break;
                }
            }
        }
        let problem = Problem::read(body.freeze());
        let (evidence, prospect) = of_answer(status, &problem);
        // What was cut off may have been a code that says to come back.
        let prospect = if cut_off && prospect == Prospect::Final { Prospect::Transient } else { prospect };
        // Or that our own first request is still running.
        let evidence = if cut_off && status == 409 { Evidence::Doubtful } else { evidence };
        let mut failure = Failure::new(evidence, prospect, "refused").status(Some(status));
        failure.retry_after = retry_after;
        failure.problem = Some(problem);
        failure.cut_off = cut_off;
        failure
    }

    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        retry::retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, self.clock().wall())
    }
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
    /// The operation may be sent twice: a read, or a write that carries its key.
    repeatable: bool,
    refreshed: bool,
    evidence: Vec<Evidence>,
    /// The last answer other than yes: what a refusal tells when a later attempt told less.
    answer: Option<Answered>,
    /// The status of a yes that could not be read.
    unreadable: Option<u16>,
    backoff: Backoff,
}

/// What an answer other than yes said.
#[derive(Clone)]
struct Answered {
    status: u16,
    problem: Problem,
    retry_after: Option<Duration>,
    cut_off: bool,
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
            deadline: started.saturating_add(call.deadline.unwrap_or(policy.deadline)),
            attempts: 0,
            repeatable: call.operation.is_read() || call.key.is_some(),
            refreshed: false,
            evidence: Vec::new(),
            answer: None,
            unreadable: None,
            backoff: Backoff::new(policy.retry.base_backoff, policy.retry.max_backoff),
            call,
        };
        course.tell(|call| Event::CallStarted { operation: call.operation, idempotency_key: call.key.as_ref() });
        course
    }

    /// Begins an attempt: when, and how long it may take.
    fn begin(&mut self) -> (Duration, Duration) {
        self.attempts += 1;
        let now = self.now();
        (now, self.transport.policy().attempt_timeout.min(self.deadline.saturating_sub(now)))
    }

    /// No attempt so far has reached Vipps.
    fn nothing_left(&self) -> bool {
        self.evidence.iter().all(|evidence| *evidence == Evidence::NotSent)
    }

    fn done<T>(&self, began: Duration, value: ResponseValue<T>) -> Response<T> {
        self.tell_attempt(began, Some(value.status().as_u16()), "ok");
        self.tell_end(true, false);
        Response::new(value, self.attempts)
    }

    /// Takes a failed attempt into account; `None` means that the call ends here.
    fn failed(&mut self, began: Duration, failure: &Failure) -> Option<Decision> {
        self.evidence.push(failure.evidence);
        match (failure.evidence, failure.status) {
            (Evidence::Unreadable, status) => self.unreadable = status.or(self.unreadable),
            (_, Some(status)) => {
                let problem = failure.problem.clone().unwrap_or_default();
                let (retry_after, cut_off) = (failure.retry_after, failure.cut_off);
                self.answer = Some(Answered { status, problem, retry_after, cut_off });
            }
            (_, None) => {}
        }
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
            repeatable: self.repeatable,
            refreshed: self.refreshed,
            attempts: self.attempts,
            max_attempts: self.call.max_attempts.unwrap_or(policy.retry.max_attempts),
            retry_after: failure.retry_after,
            left: self.deadline.saturating_sub(self.now()),
        });
        let wait = match decision {
            Decision::Stop => return None,
            Decision::Refresh => Duration::ZERO,
            // A server that says "at once" is not asked in a tight loop.
            Decision::Again(Some(wait)) => wait.max(policy.retry.base_backoff),
            Decision::Again(None) => self.backoff.next(&**self.transport.random_below()),
        };
        // An attempt that begins with next to no time left could only be lost.
        let enough = policy.attempt_timeout / 20;
        if self.now().saturating_add(wait).saturating_add(enough) >= self.deadline {
            return None;
        }
        match decision {
            Decision::Refresh => self.refreshed = true,
            _ if !self.transport.budget().spend() => return None,
            _ => {}
        }
        self.tell(|_| Event::RetryScheduled { operation, attempt: self.attempts + 1, wait });
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

    /// A request that was never valid: nothing was sent by this attempt.
    fn invalid(&self, began: Duration, rule: String) -> Error {
        self.tell_attempt(began, None, "invalid");
        self.tell_end(false, false);
        Error::InvalidRequest(Box::new(InvalidRequest { report: self.report(), field: None, rule }))
    }

    fn report(&self) -> Report {
        Report {
            operation: self.call.operation.id,
            is_read: self.call.operation.is_read(),
            attempts: self.attempts,
            elapsed: self.now().saturating_sub(self.started),
            idempotency_key: self.call.key.clone(),
        }
    }

    /// The error of a call that has ended, by all its attempts.
    fn error(&self, last: Failure) -> Error {
        let operation = self.call.operation;
        let report = self.report();
        let Failure { status, problem, retry_after, timeout, token, source, .. } = last;
        let token_source = |token: Option<Arc<TokenFailure>>| token.map(|token| Box::new(token) as Source);
        let error = match (verdict(&self.evidence, operation.is_read()), token) {
            // Whatever was answered before: the keys are what to look at.
            (Verdict::NotSent | Verdict::Refused, Some(failure)) => {
                let answered = !self.nothing_left();
                Error::Authentication(Box::new(TokenError { report, failure, answered }))
            }
            (Verdict::NotSent, None) => Error::NotSent(Box::new(NotSent { report, source })),
            (Verdict::Refused, None) => {
                // There was an answer, or the verdict would be another.
                let unknown = || Answered { status: 0, problem: Problem::default(), retry_after: None, cut_off: false };
                let Answered { status, problem, retry_after, cut_off } = self.answer.clone().unwrap_or_else(unknown);
                Error::Refused(Box::new(Refused { report, status, problem, retry_after, cut_off }))
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
                Error::Unreadable(Box::new(Unreadable { report, status: self.unreadable.unwrap_or(200), source }))
            }
        };
        self.tell_end(false, error.may_have_taken_effect());
        error
    }

    fn now(&self) -> Duration {
        self.transport.clock().elapsed()
    }

    /// Nothing is worked out where nobody watches.
    fn tell<'b>(&'b self, event: impl FnOnce(&'b Call) -> Event<'b>) {
        if let Some(observer) = self.transport.observer() {
            observer.observe(&event(&self.call));
        }
    }

    fn tell_attempt(&self, began: Duration, status: Option<u16>, ended: &'static str) {
        self.tell(|call| Event::AttemptFinished {
            operation: call.operation,
            attempt: self.attempts,
            status,
            ended,
            elapsed: self.now().saturating_sub(began),
        });
    }

    fn tell_end(&self, ok: bool, may_have_taken_effect: bool) {
        self.tell(|call| Event::CallFinished {
            operation: call.operation,
            ok,
            may_have_taken_effect,
            attempts: self.attempts,
            elapsed: self.now().saturating_sub(self.started),
        });
    }
}
