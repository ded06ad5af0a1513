//! What can go wrong, split by what the reader does next.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use vipps_types::{IdempotencyKey, Violation};

use crate::operation::Operation;
use crate::problem::Problem;

pub(crate) type Source = Box<dyn StdError + Send + Sync>;

/// Why a call gave no answer that could be used.
///
/// The split is by what to do next; above all, by whether money may have moved:
///
/// ```
/// # fn decide(error: vipps_core::Error) {
/// use vipps_core::Error;
///
/// match error {
///     e if e.may_have_taken_effect() => { /* keep e.idempotency_key(), repeat with it, or read the state back */ }
///     Error::Refused(no) => { /* tell the customer; give no.support_id() to Vipps' support */ }
///     e => { /* nothing happened */ }
/// }
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Never sent: the request breaks a rule of its document. Fix the code.
    InvalidRequest(Box<InvalidRequest>),
    /// Never sent: no access token could be had. Fix the keys, or wait for Vipps.
    Authentication(Box<Authentication>),
    /// No attempt reached Vipps: safe to repeat, with or without the key.
    NotSent(Box<NotSent>),
    /// A read got no answer: nothing can have taken effect, repeat it freely.
    NoAnswer(Box<NoAnswer>),
    /// Vipps answered no: status, code, support id and body are there.
    Refused(Box<Refused>),
    /// A write that MAY have taken effect: repeat it with its key, or read the state back.
    Indeterminate(Box<Indeterminate>),
    /// Vipps said yes and the answer cannot be read: a write HAS taken effect.
    Unreadable(Box<Unreadable>),
}

/// What every error knows of its call.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) operation: &'static str,
    pub(crate) is_read: bool,
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
    pub(crate) idempotency_key: Option<IdempotencyKey>,
}

impl Report {
    /// The operation: `capturePayment`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// How many attempts were made, the first included; 0 when nothing was tried.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How long the call took.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The key that every attempt carried, to repeat the call with.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.idempotency_key.as_ref()
    }

    fn tried(&self) -> String {
        if self.attempts == 1 { "1 attempt".into() } else { format!("{} attempts", self.attempts) }
    }
}

macro_rules! reported {
    ($($name:ident),*) => { $(
        impl Deref for $name {
            type Target = Report;

            fn deref(&self) -> &Report {
                &self.report
            }
        }
    )* };
}

reported!(InvalidRequest, Authentication, NotSent, NoAnswer, Refused, Indeterminate, Unreadable);

/// A request that cannot be valid, found before it was sent.
#[derive(Debug)]
pub struct InvalidRequest {
    pub(crate) report: Report,
    pub(crate) field: Option<String>,
    pub(crate) rule: String,
}

impl InvalidRequest {
    /// The field by its wire name, such as `receipt.orderLines[0].taxRate`.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// What is allowed there.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

/// No access token could be had, so that nothing was sent.
#[derive(Debug)]
pub struct Authentication {
    pub(crate) report: Report,
    pub(crate) source: TokenError,
}

impl Authentication {
    /// What the token request came to.
    #[must_use]
    pub fn token_error(&self) -> &TokenError {
        &self.source
    }
}

/// No connection could be made.
#[derive(Debug)]
pub struct NotSent {
    pub(crate) report: Report,
    pub(crate) source: Option<Source>,
}

/// A read that nobody answered.
#[derive(Debug)]
pub struct NoAnswer {
    pub(crate) report: Report,
    pub(crate) timeout: Option<Duration>,
    pub(crate) source: Option<Source>,
}

/// An answer other than yes.
#[derive(Debug)]
pub struct Refused {
    pub(crate) report: Report,
    pub(crate) status: u16,
    pub(crate) problem: Problem,
    pub(crate) retry_after: Option<Duration>,
}

impl Refused {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The whole error body, decoded as far as it could be.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The error code, as [`Problem::code`].
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.problem.code()
    }

    /// The id for Vipps' support, as [`Problem::support_id`].
    #[must_use]
    pub fn support_id(&self) -> Option<&str> {
        self.problem.support_id()
    }
}

/// A write whose effect is not known.
#[derive(Debug)]
pub struct Indeterminate {
    pub(crate) report: Report,
    pub(crate) timeout: Option<Duration>,
    pub(crate) status: Option<u16>,
    pub(crate) problem: Option<Problem>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) source: Option<Source>,
}

/// A yes that cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    pub(crate) report: Report,
    pub(crate) status: u16,
    pub(crate) source: Option<Source>,
}

impl Error {
    /// A request that breaks a rule of `operation`, found before anything was sent.
    #[must_use]
    pub fn invalid_request(operation: &Operation, violation: &Violation) -> Self {
        Self::invalid(operation, Some(violation.field().to_owned()), violation.rule().to_owned())
    }

    pub(crate) fn invalid(operation: &Operation, field: Option<String>, rule: String) -> Self {
        let report = Report {
            operation: operation.id,
            is_read: operation.is_read(),
            attempts: 0,
            elapsed: Duration::ZERO,
            idempotency_key: None,
        };
        Self::InvalidRequest(Box::new(InvalidRequest { report, field, rule }))
    }

    /// What is known of the call: operation, attempts, time, key.
    #[must_use]
    pub fn report(&self) -> &Report {
        match self {
            Self::InvalidRequest(error) => &error.report,
            Self::Authentication(error) => &error.report,
            Self::NotSent(error) => &error.report,
            Self::NoAnswer(error) => &error.report,
            Self::Refused(error) => &error.report,
            Self::Indeterminate(error) => &error.report,
            Self::Unreadable(error) => &error.report,
        }
    }

    /// True when a write may have, or has, taken effect: do not repeat it without its key.
    #[must_use]
    pub fn may_have_taken_effect(&self) -> bool {
        match self {
            Self::Indeterminate(_) => true,
            Self::Unreadable(error) => !error.report.is_read,
            _ => false,
        }
    }

    /// The key that every attempt carried, to repeat the call with.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.report().idempotency_key()
    }

    /// The operation: `capturePayment`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.report().operation
    }

    /// How many attempts were made, the first included.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.report().attempts
    }

    /// How long the call took.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.report().elapsed
    }

    /// The last HTTP status, where one arrived.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(error) => Some(error.status),
            Self::Indeterminate(error) => error.status,
            Self::Unreadable(error) => Some(error.status),
            Self::Authentication(error) => error.source.status(),
            _ => None,
        }
    }

    /// The last error body, where one arrived.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(error) => Some(&error.problem),
            Self::Indeterminate(error) => error.problem.as_ref(),
            Self::Authentication(error) => error.source.problem(),
            _ => None,
        }
    }

    /// The error code of the last error body.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.problem()?.code()
    }

    /// The id for Vipps' support, where one came.
    #[must_use]
    pub fn support_id(&self) -> Option<&str> {
        self.problem()?.support_id()
    }

    /// When Vipps asks to come back, where it does.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(error) => error.retry_after,
            Self::Indeterminate(error) => error.retry_after,
            Self::Authentication(error) => error.source.retry_after(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report();
        let operation = report.operation;
        match self {
            Self::InvalidRequest(error) => match &error.field {
                Some(field) => write!(f, "{operation} was not sent: `{field}` {}", error.rule),
                None => write!(f, "{operation} was not sent: {}", error.rule),
            },
            Self::Authentication(_) => write!(f, "{operation} was not sent: no access token could be had"),
            Self::NotSent(_) => {
                write!(
                    f,
                    "{operation} was not sent: no connection could be made ({}); it is safe to repeat",
                    report.tried()
                )
            }
            Self::NoAnswer(error) => {
                write!(
                    f,
                    "{operation} {} ({}); it changes nothing and is safe to repeat",
                    unanswered(error.timeout),
                    report.tried()
                )
            }
            Self::Refused(error) => {
                write!(f, "{operation} refused with {}: {}", status_line(error.status), error.problem)?;
                come_back(f, error.retry_after)
            }
            Self::Indeterminate(error) => {
                match error.status {
                    Some(status) => write!(f, "{operation} was answered {} ", status_line(status))?,
                    None => write!(f, "{operation} {} ", unanswered(error.timeout))?,
                }
                write!(f, "({}); it may have taken effect: ", report.tried())?;
                match &report.idempotency_key {
                    Some(key) => write!(f, "repeat with idempotency key {key} or read the state back")?,
                    None => f.write_str("it has no idempotency key, so read the state back before repeating it")?,
                }
                come_back(f, error.retry_after)
            }
            Self::Unreadable(error) => {
                write!(f, "{operation} was answered {} and the answer cannot be read", status_line(error.status))?;
                if report.is_read { Ok(()) } else { f.write_str("; it has taken effect: read the state back") }
            }
        }
    }
}

fn unanswered(timeout: Option<Duration>) -> String {
    match timeout {
        Some(limit) => format!("got no answer within {limit:?}"),
        None => "lost its connection before an answer".into(),
    }
}

fn come_back(f: &mut fmt::Formatter<'_>, after: Option<Duration>) -> fmt::Result {
    match after {
        Some(after) => write!(f, "; come back in {after:?}"),
        None => Ok(()),
    }
}

fn status_line(status: u16) -> String {
    let reason = reqwest::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    reason.map_or_else(|| status.to_string(), |reason| format!("{status} {reason}"))
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        fn opaque(source: &Option<Source>) -> Option<&(dyn StdError + 'static)> {
            source.as_deref().map(|source| source as &(dyn StdError + 'static))
        }
        match self {
            Self::Authentication(error) => Some(&error.source),
            Self::NotSent(error) => opaque(&error.source),
            Self::NoAnswer(error) => opaque(&error.source),
            Self::Indeterminate(error) => opaque(&error.source),
            Self::Unreadable(error) => opaque(&error.source),
            Self::InvalidRequest(_) | Self::Refused(_) => None,
        }
    }
}

/// Why no access token could be had. Cheap to clone: every waiting call gets one.
#[derive(Clone, Debug)]
pub struct TokenError {
    pub(crate) inner: std::sync::Arc<TokenFailure>,
}

#[derive(Debug)]
pub(crate) struct TokenFailure {
    pub(crate) status: Option<u16>,
    pub(crate) problem: Option<Problem>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) what: String,
    pub(crate) transient: bool,
    pub(crate) source: Option<Source>,
}

impl TokenError {
    /// The runtime that was fetching has ended.
    pub(crate) fn of_a_lost_task() -> Self {
        let what = "ended with the runtime that made it".into();
        let failure =
            TokenFailure { status: None, problem: None, retry_after: None, what, transient: true, source: None };
        Self { inner: std::sync::Arc::new(failure) }
    }

    /// No token came within the limit of an attempt.
    pub(crate) fn out_of_time(limit: Duration) -> Self {
        let what = format!("got no answer within {limit:?}");
        let failure =
            TokenFailure { status: None, problem: None, retry_after: None, what, transient: true, source: None };
        Self { inner: std::sync::Arc::new(failure) }
    }

    /// The HTTP status, where one arrived.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.inner.status
    }

    /// The error body, where one arrived.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        self.inner.problem.as_ref()
    }

    /// When Vipps asks to come back, where it does.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.retry_after
    }

    /// True when the same keys may get a token a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.inner.transient
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.inner.status, &self.inner.problem) {
            (Some(status), Some(problem)) => write!(f, "access token refused with {}: {problem}", status_line(status))?,
            _ => write!(f, "access token request {}", self.inner.what)?,
        }
        if matches!(self.inner.status, Some(400 | 401 | 403)) {
            f.write_str(
                "; check client id, client secret and subscription key, and that they are of this environment",
            )?;
        }
        come_back(f, self.inner.retry_after)
    }
}

impl StdError for TokenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// A client that cannot be built. Found without any network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A `Vipps-System-*` value must be 1 to 30 visible ASCII characters.
    #[error("`{header}` must be 1 to 30 visible ASCII characters: shorten System's names and versions")]
    System {
        /// The header in question.
        header: &'static str,
    },
    /// A cached token would never be fresh.
    #[error("refresh slack {0:?} is too long: it must be below 30 min, since test tokens live 1 h")]
    SlackTooLong(Duration),
    /// A limit of zero would fail every call.
    #[error("{0} must be more than zero")]
    Zero(&'static str),
    /// The environment is https and this build has no TLS.
    #[error("{0} needs TLS: turn on the feature `rustls`, or hand in a client of your own")]
    NoTls(String),
    /// The base address carries a password, a query, or a scheme other than http and https.
    #[error(transparent)]
    Environment(#[from] vipps_types::EnvironmentError),
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up; on a machine without certificates, install `ca-certificates`")]
    HttpClient(#[source] Source),
}
