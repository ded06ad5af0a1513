//! One call: 1 to n attempts that share a key and a body. The only loop.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use progenitor_client::ResponseValue;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use tracing::Instrument as _;
use vipps_types::{IdempotencyKey, Violation};

use crate::attempt::{ATTEMPT, Attempt, Ended, Failure, not_authenticated, out_of_time};
use crate::course::Course;
use crate::error::{Error, Report, Unreadable, no_connection_because};
use crate::key_use::KeyUse;
use crate::operation::{Auth, KeyRule, Operation, Repeat};
use crate::outcome::{Effect, Evidence, NextStep, Prospect, of_answer};
use crate::problem::Problem;
use crate::reading::{OddMember, Seen, SeenAs, Undecodable, decode_without_odd};
use crate::response::Response;
use crate::retry::Decision;
use crate::transport::Transport;

/// One call of an operation: what is called, about what, under which key, within which limits.
/// Clones are the same call: they share its key, and what one of them has sent counts for all.
#[derive(Clone, Debug)]
pub struct Call {
    operation: &'static Operation,
    subject: Option<String>,
    key_use: KeyUse,
    pub(crate) deadline: Option<Duration>,
    pub(crate) max_attempts: Option<u32>,
    /// This request may double, whatever its operation is.
    pub(crate) is_once: bool,
}

impl Call {
    /// A call of `operation` with the limits of the transport.
    #[must_use]
    pub fn new(operation: &'static Operation) -> Self {
        Self::with_key_use(operation, KeyUse::keyless())
    }

    /// A call of `operation` with a key, or none, and what is known of its use.
    #[must_use]
    pub fn with_key_use(operation: &'static Operation, key_use: KeyUse) -> Self {
        Self { operation, subject: None, key_use, deadline: None, max_attempts: None, is_once: false }
    }

    /// The key of this call. Every attempt sends it, and it makes a write repeatable. It counts
    /// as used before, unless the call is also told of its [first use](Call::first_use).
    #[must_use]
    pub fn key(self, key: &IdempotencyKey) -> Self {
        self.key_use(KeyUse::given(key.clone()))
    }

    /// The key of this call, with what is known of its use.
    #[must_use]
    pub fn key_use(mut self, key_use: KeyUse) -> Self {
        self.key_use = key_use;
        self
    }

    /// Nobody has sent a request with this key before: where this call is not sent, or refused
    /// for good, nothing happened.
    #[must_use]
    pub fn first_use(mut self) -> Self {
        self.key_use = self.key_use.first_use();
        self
    }

    /// What it is about, for errors and observers: a reference, an id. Left out where the path
    /// of the operation is personal.
    #[must_use]
    pub fn subject(mut self, name: impl Into<String>) -> Self {
        self.subject = Some(name.into()).filter(|_| !self.operation.has_personal_path());
        self
    }

    /// How long this call may take with all its attempts and waits. Default: as the
    /// transport has it, 30 s; zero is an [`Error::InvalidRequest`]. An attempt then takes at
    /// most half of it, so that a lost one can be repeated.
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

    /// This request may take effect twice where its operation cannot: it lacks what makes it
    /// unique. It is sent once.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.is_once = true;
        self
    }

    /// How it may be repeated: as its operation, unless it lacks what that needs.
    pub(crate) fn repeat(&self) -> Repeat {
        match self.operation.repeat() {
            Repeat::ByKey if self.key_use.key().is_none() => Repeat::Once,
            Repeat::ByKey | Repeat::ByNature if self.is_once => Repeat::Once,
            repeat => repeat,
        }
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

    /// True when a request of this call may have been sent before.
    #[must_use]
    pub fn may_have_been_sent(&self) -> bool {
        self.key_use.may_have_been_sent()
    }

    /// The key that every attempt will carry.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.key_use.key()
    }

    /// The error of this call when what it answered cannot be right, such as a list that does
    /// not go on, or a registration without its secret: a read changes nothing, a write took
    /// effect.
    #[must_use]
    pub fn unreadable(&self, status: u16, why: &str) -> Error {
        let (effect, next_step) = match self.operation.is_read() {
            true => (Effect::None, NextStep::Repeat { after: None }),
            false => (Effect::Certain, NextStep::Done),
        };
        let report = Report { attempts: 1, next_step, effect, ..self.report() };
        Error::Unreadable(Box::new(Unreadable { report, status, source: Some(why.into()) }))
    }

    pub(crate) fn operation(&self) -> &'static Operation {
        self.operation
    }

    pub(crate) fn about(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    pub(crate) fn used(&self) -> &KeyUse {
        &self.key_use
    }

    /// The report of this call before anything was tried.
    pub(crate) fn report(&self) -> Report {
        let was_earlier = !self.operation.is_read() && self.key_use.may_have_been_sent();
        Report {
            operation: self.operation,
            subject: self.subject.clone(),
            attempts: 0,
            elapsed: Duration::ZERO,
            idempotency_key: self.key_use.key().cloned(),
            effect: if was_earlier { Effect::Possible } else { Effect::None },
            next_step: NextStep::FixRequest,
            was_earlier,
        }
    }

    pub(crate) fn unsent(&self, field: Option<&str>, rule: &str) -> Error {
        Error::invalid(self.report(), field.map(str::to_owned), rule.to_owned())
    }

    pub(crate) fn check(&self, has_psp_id: bool) -> Result<(), Error> {
        if self.operation.psp_id && !has_psp_id {
            let rule = "is required: set VIPPS_PSP_ID or call Credentials::with_psp_id";
            return Err(self.unsent(Some("Psp-Id"), rule));
        }
        if self.deadline.is_some_and(|limit| limit.is_zero()) || self.max_attempts == Some(0) {
            return Err(self.unsent(None, "deadline and max_attempts must be more than zero"));
        }
        let invalid = |rule: &str| Err(self.unsent(Some("Idempotency-Key"), rule));
        match (self.operation.key, self.key_use.key()) {
            (KeyRule::Required(_), None) => invalid("is required: give the call a key with Call::key"),
            (KeyRule::Unknown, Some(_)) => invalid("is not taken by this operation: remove Call::key"),
            (KeyRule::Required(check) | KeyRule::Optional(check), Some(key)) => {
                check(key.as_str()).map_err(|violation| {
                    // With such a key nothing can ever have been sent.
                    let report = Report { effect: Effect::None, was_earlier: false, ..self.report() };
                    Error::invalid(report, Some(violation.field().to_owned()), violation.rule().to_owned())
                })
            }
            (_, None) => Ok(()),
        }
    }
}

/// Decodes an answer that the generated client could not.
type Decode<T> = fn(&[u8]) -> Result<(T, Vec<OddMember>), Undecodable>;

impl Transport {
    /// Runs one call: `attempt` makes one attempt each time it is asked, always the same.
    ///
    /// # Errors
    ///
    /// [`Error`], by what the attempts together prove about the effect of the call.
    pub async fn run<T, F, Fut>(&self, call: Call, attempt: F) -> Result<Response<T>, Error>
    where
        T: DeserializeOwned,
        F: Fn() -> Fut,
        Fut: Future<Output = Result<ResponseValue<T>, progenitor_client::Error<()>>>,
    {
        self.run_decoding(call, attempt, decode_without_odd::<T>).await
    }

    pub(crate) async fn run_decoding<T, F, Fut>(
        &self,
        call: Call,
        attempt: F,
        decode: Decode<T>,
    ) -> Result<Response<T>, Error>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<ResponseValue<T>, progenitor_client::Error<()>>>,
    {
        call.check(self.has_psp_id())?;
        let course = Course::new(self, &call);
        let span = tracing::info_span!(
            "vipps.call",
            operation = call.operation.word(),
            operation.id = call.operation.id(),
            call = course.id(),
            otel.kind = "client"
        );
        // Futures are pinned before they are wrapped, here and below, so that they are not moved.
        pin!(self.attempts(course, attempt, decode)).instrument(span).await
    }

    async fn attempts<T, F, Fut>(
        &self,
        mut course: Course<'_>,
        attempt: F,
        decode: Decode<T>,
    ) -> Result<Response<T>, Error>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<ResponseValue<T>, progenitor_client::Error<()>>>,
    {
        // An answer is large: it goes straight to its place, past the layers between.
        let mut answer = None;
        loop {
            let (began, limit) = course.begin();
            let ended = self.attempt(&mut course, limit, &attempt, decode, &mut answer).await;
            let failure = match ended {
                Ok(()) => match answer {
                    Some(value) => return Ok(course.done(began, value)),
                    // An attempt that ended well has left its answer.
                    None => Failure::new(Evidence::Lost, Prospect::Final, "unseen"),
                },
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
        decode: Decode<T>,
        answer: &mut Option<ResponseValue<T>>,
    ) -> Result<(), Ended>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<ResponseValue<T>, progenitor_client::Error<()>>>,
    {
        let operation = course.call.operation;
        let span = tracing::debug_span!(
            "vipps.attempt",
            operation = operation.word(),
            http.request.method = operation.method(),
            url.path = operation.path(),
            attempt = course.attempts(),
            http.response.status_code = tracing::field::Empty,
        );
        let current = Arc::new(course.new_attempt());
        let timer = self.clock().limit(limit);
        let exchange = pin!(async {
            if operation.auth == Auth::Bearer {
                let token = self.token().await.map_err(not_authenticated)?;
                current.token.get_or_init(|| token);
            }
            let ended = ATTEMPT
                .scope(current.clone(), pin!(async { attempt().await.map(|value| *answer = Some(value)) }))
                .await;
            if let Some(status) = current.status() {
                tracing::Span::current().record("http.response.status_code", status);
            }
            ended.or_else(|error| failed(operation, error, &current, decode).map(|value| *answer = Some(value)))
        });
        let result = match select(exchange.instrument(span), timer).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(out_of_time(limit, &current, operation).into()),
        };
        course.token = current.token.get().cloned();
        (course.headers, course.odd_members) = current.take_beside();
        course.count_sent(&current, matches!(&result, Err(Ended::Failed(f)) if f.evidence == Evidence::NotSent));
        match result {
            // What came before the request that was stopped may have been sent.
            Err(Ended::Invalid(rule)) if current.has_begun() => {
                Err(Failure::new(Evidence::Lost, Prospect::Final, "invalid")
                    .status(current.status())
                    .source(rule)
                    .into())
            }
            other => other,
        }
    }
}

/// What a failed exchange proves, or the value that it holds all the same.
fn failed<T>(
    operation: &Operation,
    error: progenitor_client::Error<()>,
    attempt: &Attempt,
    decode: Decode<T>,
) -> Result<ResponseValue<T>, Ended> {
    use progenitor_client::Error as Generated;
    if let Some(seen) = attempt.take_seen() {
        return Err(of_seen(operation, *seen).into());
    }
    let status = attempt.status();
    let failure = match error {
        Generated::InvalidRequest(rule) | Generated::Custom(rule) => return Err(Ended::Invalid(rule)),
        Generated::CommunicationError(error) if error.is_builder() => {
            return Err(Ended::Invalid(format!("the request cannot be built: {}", error.without_url())));
        }
        Generated::CommunicationError(error) | Generated::InvalidUpgrade(error) if error.is_connect() => {
            let mut failure = Failure::new(Evidence::NotSent, Prospect::Transient, "not-sent");
            failure.unconnected = Some(no_connection_because(&error));
            failure.source(error.without_url())
        }
        Generated::CommunicationError(error)
        | Generated::InvalidUpgrade(error)
        | Generated::ResponseBodyError(error) => {
            Failure::new(Evidence::Lost, Prospect::Transient, "lost").source(error.without_url())
        }
        // It begins as the API's yes does.
        Generated::InvalidResponsePayload(_, error) if error.is_eof() => {
            Failure::new(Evidence::Unreadable, Prospect::Transient, "cut-off").source("it broke off")
        }
        Generated::InvalidResponsePayload(body, _) => match decode(&body) {
            Ok((value, odd)) => {
                let status = status.and_then(|status| status.try_into().ok()).unwrap_or_default();
                attempt.note_odd_members(odd);
                return Ok(ResponseValue::new(value, status, HeaderMap::new()));
            }
            Err(why) => undecodable(operation, attempt.is_echoed(), why),
        },
        Generated::UnexpectedResponse(answer) => {
            // An answer past the hooks.
            Failure::new(Evidence::Lost, Prospect::Final, "unseen").status(Some(answer.status().as_u16()))
        }
        Generated::ErrorResponse(answer) => {
            Failure::new(Evidence::Lost, Prospect::Final, "unseen").status(Some(answer.status().as_u16()))
        }
    };
    let known = failure.status.or(status);
    Err(failure.status(known).into())
}

/// A whole JSON answer that is not of the document's form: only an answer that names what was
/// asked is surely the API's yes to it.
fn undecodable(operation: &Operation, echoed: bool, why: Undecodable) -> Failure {
    let certain = echoed || operation.is_read();
    let evidence = if certain { Evidence::Unreadable } else { Evidence::Doubtful };
    let mut failure = Failure::new(evidence, Prospect::Final, "unreadable").source(why);
    failure.is_undecodable = !certain;
    failure
}

/// What an answer proves that is no success.
fn of_seen(operation: &Operation, seen: Seen) -> Failure {
    let Seen { path, status, body, retry_after, as_what } = seen;
    // A read is unsettled as well, and nothing else.
    let doubtful = if operation.is_read() { Evidence::Unreadable } else { Evidence::Doubtful };
    let mut failure = match as_what {
        SeenAs::Refusal { broke_off } => {
            let problem = Problem::read(body);
            let (evidence, prospect) = of_answer(operation, &path, status, &problem);
            // What was cut off may have been a code that says to come back,
            let prospect = if broke_off && prospect == Prospect::Final { Prospect::Transient } else { prospect };
            // and that of a conflict, that our own first request is still running.
            let evidence = match (broke_off, evidence) {
                (true, Evidence::Refused | Evidence::KeyTaken) => Evidence::Turned,
                (true, _) if status == 409 => Evidence::Doubtful,
                (_, evidence) => evidence,
            };
            let mut failure = Failure::new(evidence, prospect, "refused");
            failure.problem = Some(problem);
            failure
        }
        SeenAs::NotTheApi(why) => Failure::new(doubtful, Prospect::Transient, "not-the-api").source(why),
        SeenAs::BrokeOff => Failure::new(Evidence::Unreadable, Prospect::Transient, "cut-off").source("it broke off"),
        SeenAs::TooLarge => Failure::new(Evidence::Unreadable, Prospect::Final, "too-large")
            .source("it is larger than the 8 MiB that are read"),
        SeenAs::Mismatched(member) => {
            let mut failure = Failure::new(doubtful, Prospect::Final, "mismatched");
            failure.mismatched = Some(member);
            failure
        }
    };
    failure.retry_after = retry_after;
    failure.status(Some(status))
}
