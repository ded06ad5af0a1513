//! What can go wrong, split by what the reader does next.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use vipps_types::IdempotencyKey;

use crate::operation::Operation;
use crate::outcome::{Evidence, Prospect, of_answer};
use crate::problem::Problem;
use crate::token::TokenFailure;

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
    Authentication(Box<TokenError>),
    /// No attempt reached Vipps: safe to repeat, with or without the key.
    NotSent(Box<NotSent>),
    /// Vipps answered no: status, code, support id and body are there.
    Refused(Box<Refused>),
    /// No answer settles it: a write MAY have taken effect, so repeat it with its key or read
    /// the state back. A read has changed nothing: repeat it freely.
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

    /// The key of a write, which every attempt carried: repeat the call with it, unless the
    /// answer was final ([`Refused::key_is_spent`]).
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

reported!(InvalidRequest, TokenError, NotSent, Refused, Indeterminate, Unreadable);

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

/// Why no access token could be had, so that nothing was taken on.
#[derive(Clone, Debug)]
pub struct TokenError {
    pub(crate) report: Report,
    pub(crate) failure: Arc<TokenFailure>,
    /// An attempt before was answered with a refusal.
    pub(crate) answered: bool,
}

impl TokenError {
    /// The HTTP status, where one arrived.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.failure.status
    }

    /// The error body, where one arrived.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        self.failure.problem.as_ref()
    }

    /// When Vipps asks to come back, where it does.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.failure.retry_after
    }

    /// True when the same keys may get a token a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.failure.transient
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.failure, f)
    }
}

impl StdError for TokenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.failure.source()
    }
}

/// No connection could be made.
#[derive(Debug)]
pub struct NotSent {
    pub(crate) report: Report,
    pub(crate) source: Option<Source>,
}

/// An answer other than yes.
#[derive(Debug)]
pub struct Refused {
    pub(crate) report: Report,
    pub(crate) status: u16,
    pub(crate) problem: Problem,
    pub(crate) retry_after: Option<Duration>,
    /// The body broke off: what it said of the key is not known.
    pub(crate) cut_off: bool,
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

    /// True when the API itself said no to this operation under this key, which is kept: the
    /// same call again would get the same answer, whatever has changed meanwhile. Take a new
    /// key, or count up a derived one. False for whatever says nothing of the key: 401, 403,
    /// 409, 423, 429, codes such as 6280, a gateway's page, an answer that broke off. Then
    /// stay with the key: it may be that of an earlier attempt whose effect is open.
    #[must_use]
    pub fn key_is_spent(&self) -> bool {
        !self.cut_off && of_answer(self.status, &self.problem) == (Evidence::Refused, Prospect::Final)
    }

    /// True when the same call may be answered otherwise a little later.
    #[must_use]
    pub fn is_for_now(&self) -> bool {
        self.cut_off || of_answer(self.status, &self.problem).1 != Prospect::Final
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

/// A call that no answer settles.
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
    /// A request that breaks a rule, found before anything was sent.
    pub(crate) fn invalid(
        operation: &Operation,
        idempotency_key: Option<IdempotencyKey>,
        field: Option<String>,
        rule: String,
    ) -> Self {
        let report = Report {
            operation: operation.id,
            is_read: operation.is_read(),
            attempts: 0,
            elapsed: Duration::ZERO,
            idempotency_key,
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
            Self::Refused(error) => &error.report,
            Self::Indeterminate(error) => &error.report,
            Self::Unreadable(error) => &error.report,
        }
    }

    /// True when a write may have, or has, taken effect: do not repeat it without its key.
    #[must_use]
    pub fn may_have_taken_effect(&self) -> bool {
        match self {
            Self::Indeterminate(_) | Self::Unreadable(_) => !self.report().is_read,
            _ => false,
        }
    }

    /// The key of a write, which every attempt carried: repeat the call with it, unless the
    /// answer was final ([`Refused::key_is_spent`]).
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
            Self::Authentication(error) => error.status(),
            _ => None,
        }
    }

    /// The last error body, where one arrived.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(error) => Some(&error.problem),
            Self::Indeterminate(error) => error.problem.as_ref(),
            Self::Authentication(error) => error.problem(),
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
            Self::Authentication(error) => error.retry_after(),
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
            Self::Authentication(error) => match error.answered {
                false => write!(f, "{operation} was not sent: no access token could be had"),
                true => write!(f, "{operation} was not taken: no access token could be had"),
            },
            Self::NotSent(_) => {
                write!(
                    f,
                    "{operation} was not sent: no connection could be made ({}); it is safe to repeat",
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
                write!(f, "({}); ", report.tried())?;
                if report.is_read {
                    f.write_str("it changes nothing and is safe to repeat")?;
                } else {
                    f.write_str("it may have taken effect: ")?;
                    match &report.idempotency_key {
                        Some(key) => write!(f, "repeat with idempotency key {key} or read the state back")?,
                        None => f.write_str("it has no idempotency key, so read the state back before repeating it")?,
                    }
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

pub(crate) fn come_back(f: &mut fmt::Formatter<'_>, after: Option<Duration>) -> fmt::Result {
    match after {
        Some(after) => write!(f, "; come back in {after:?}"),
        None => Ok(()),
    }
}

pub(crate) fn status_line(status: u16) -> String {
    let reason = reqwest::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    reason.map_or_else(|| status.to_string(), |reason| format!("{status} {reason}"))
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        fn opaque(source: &Option<Source>) -> Option<&(dyn StdError + 'static)> {
            source.as_deref().map(|source| source as &(dyn StdError + 'static))
        }
        match self {
            Self::Authentication(error) => Some(&**error),
            Self::NotSent(error) => opaque(&error.source),
            Self::Indeterminate(error) => opaque(&error.source),
            Self::Unreadable(error) => opaque(&error.source),
            Self::InvalidRequest(_) | Self::Refused(_) => None,
        }
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
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up; on a machine without certificates, install `ca-certificates`")]
    HttpClient(#[source] Source),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indeterminate(is_read: bool, key: Option<&str>) -> Error {
        let report = Report {
            operation: if is_read { "getPayment" } else { "capturePayment" },
            is_read,
            attempts: 3,
            elapsed: Duration::from_secs(30),
            idempotency_key: key.map(|key| IdempotencyKey::new(key).unwrap()),
        };
        Error::Indeterminate(Box::new(Indeterminate {
            report,
            timeout: Some(Duration::from_secs(10)),
            status: None,
            problem: None,
            retry_after: None,
            source: None,
        }))
    }

    #[test]
    fn a_read_without_an_answer_claims_no_effect() {
        let cases = [
            (true, None, "getPayment got no answer within 10s (3 attempts); it changes nothing and is safe to repeat"),
            (
                false,
                Some("6a1e"),
                "capturePayment got no answer within 10s (3 attempts); it may have taken effect: \
                 repeat with idempotency key 6a1e or read the state back",
            ),
            (
                false,
                None,
                "capturePayment got no answer within 10s (3 attempts); it may have taken effect: \
                 it has no idempotency key, so read the state back before repeating it",
            ),
        ];
        for (is_read, key, said) in cases {
            let error = indeterminate(is_read, key);
            assert_eq!((error.may_have_taken_effect(), error.to_string().as_str()), (!is_read, said));
        }
    }
}
