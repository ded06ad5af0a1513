//! What can go wrong, split by what the reader does next.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use vipps_types::{IdempotencyKey, MerchantSerialNumber};

use crate::operation::Operation;
use crate::outcome::{Effect, Evidence, NextStep, Prospect};
use crate::problem::Problem;
use crate::token::TokenFailure;

pub(crate) type Source = Box<dyn StdError + Send + Sync>;

/// Why a call gave no answer that could be used.
///
/// The variant says what this call met. What it means for the money is said by
/// [`Error::effect`], over this call and earlier ones under its key; what to do, by
/// [`Error::next_step`]:
///
/// ```
/// # fn decide(error: vipps_core::Error) {
/// use vipps_core::NextStep;
///
/// match error.next_step() {
///     NextStep::Repeat { after } => { /* the same call with error.idempotency_key(), after that long */ }
///     NextStep::ReadFirst => { /* read the state back before anything else */ }
///     NextStep::Final => { /* nothing happened: tell the customer; another try takes a new key */ }
///     NextStep::KeyTaken => { /* the key was used for another request */ }
///     NextStep::FixRequest | NextStep::FixCredentials => { /* a defect or a setting: error says which */ }
///     NextStep::Done => { /* it took effect: read the state back */ }
///     _ => { /* a step of a later version: treat it as ReadFirst */ }
/// }
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Not sent: the request breaks a rule of its document. Fix the code.
    InvalidRequest(Box<InvalidRequest>),
    /// Not sent: Vipps gave no access token. Fix the keys, or wait for Vipps.
    Authentication(Box<TokenError>),
    /// No attempt of this call reached Vipps. Whether an earlier one under its key did is in
    /// [`Error::effect`].
    NotSent(Box<NotSent>),
    /// Vipps answered no: status, code, support id and body are there. Only a refusal that is
    /// known to prove it means that nothing happened: see [`Error::effect`].
    Refused(Box<Refused>),
    /// No answer settles it: a write MAY have taken effect, so repeat it with its key or read
    /// the state back. A read has changed nothing: repeat it freely.
    Indeterminate(Box<Indeterminate>),
    /// Vipps said yes and the answer cannot be read: a write HAS taken effect where
    /// [`Error::effect`] says so, and may have where nothing in the answer shows that it is
    /// about this request.
    Unreadable(Box<Unreadable>),
    /// The answer is about something else than was asked: a write may have taken effect.
    Mismatched(Box<Mismatched>),
}

/// What every error knows of its call.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) operation: &'static Operation,
    pub(crate) subject: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
    pub(crate) idempotency_key: Option<IdempotencyKey>,
    pub(crate) effect: Effect,
    pub(crate) next_step: NextStep,
    /// What may have taken effect is an earlier call under the key, not this one.
    pub(crate) was_earlier: bool,
}

impl Report {
    /// The operation by its word: `payments.capture`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation.word()
    }

    /// The operation by its id in the document: `capturePayment`.
    #[must_use]
    pub fn operation_id(&self) -> &'static str {
        self.operation.id()
    }

    /// What it was about: a reference, an agreement id. None where that is personal.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
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

    /// What the call means for the money and what to do, as the end of a sentence.
    fn advice(&self) -> String {
        if self.operation.is_read() {
            return match self.next_step {
                NextStep::Repeat { .. } => "; it changes nothing and is safe to repeat".into(),
                _ => String::new(),
            };
        }
        let with_key = match &self.idempotency_key {
            Some(key) => format!(" with idempotency key {key}"),
            None => String::new(),
        };
        let effect = match (self.effect, self.was_earlier) {
            (Effect::None, _) => "; nothing happened",
            (Effect::Possible, true) => "; an earlier call with this key may have taken effect",
            (Effect::Possible, false) => "; it may have taken effect",
            (Effect::Certain, _) => "; it has taken effect",
        };
        let step = match self.next_step {
            NextStep::Repeat { .. } if self.effect == Effect::None => ": it is safe to repeat".into(),
            NextStep::Repeat { .. } if self.was_earlier => format!(": repeat{with_key}"),
            NextStep::Repeat { .. } if self.idempotency_key.is_none() => {
                ": repeat it, or read the state back".to_owned()
            }
            NextStep::Repeat { .. } => format!(": repeat{with_key} or read the state back"),
            NextStep::ReadFirst if self.idempotency_key.is_none() => {
                ": it has no idempotency key, so read the state back before repeating it".to_owned()
            }
            NextStep::ReadFirst => format!(": read the state back before repeating it{with_key}"),
            NextStep::Done => ": read the state back".to_owned(),
            NextStep::KeyTaken => {
                format!("; an earlier request{with_key} did something else: take the key of this one, or a new one")
            }
            NextStep::FixCredentials if self.effect == Effect::None => String::new(),
            NextStep::FixCredentials | NextStep::FixRequest if self.effect == Effect::Possible => {
                format!(": once it is fixed, repeat{with_key}")
            }
            NextStep::Final | NextStep::FixRequest | NextStep::FixCredentials => String::new(),
        };
        // That nothing happened goes without saying where Vipps said no, or nothing was sent.
        match (self.effect, step.is_empty()) {
            (Effect::None, true) => String::new(),
            _ if self.next_step == NextStep::KeyTaken => step,
            _ => format!("{effect}{step}"),
        }
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

reported!(InvalidRequest, TokenError, NotSent, Refused, Indeterminate, Unreadable, Mismatched);

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
    /// Why, in a few words.
    pub(crate) why: String,
    pub(crate) source: Option<Source>,
}

/// An answer other than yes.
#[derive(Debug)]
pub struct Refused {
    pub(crate) report: Report,
    pub(crate) status: u16,
    pub(crate) problem: Problem,
    pub(crate) retry_after: Option<Duration>,
    /// The sales unit that the call was for.
    pub(crate) sales_unit: MerchantSerialNumber,
    pub(crate) evidence: Evidence,
    pub(crate) prospect: Prospect,
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

    /// True when this refusal is known of the operation and of the kind that is kept under the
    /// key: the same call again would get the same answer, whatever has changed meanwhile, and
    /// nothing happened. Take a new key, or count up a derived one. False for whatever says
    /// nothing of the key: 401, 403, 409, 423, 429, codes such as 6280, a code that nobody
    /// knows, a gateway's page, an answer that broke off. Then stay with the key: it may be
    /// that of an earlier attempt whose effect is open.
    #[must_use]
    pub fn key_is_spent(&self) -> bool {
        (self.evidence, self.prospect) == (Evidence::Refused, Prospect::Final)
    }

    /// True when the same call may be answered otherwise a little later.
    #[must_use]
    pub fn is_for_now(&self) -> bool {
        self.prospect != Prospect::Final
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

/// An answer about something else than was asked.
#[derive(Debug)]
pub struct Mismatched {
    pub(crate) report: Report,
    pub(crate) status: u16,
    pub(crate) member: String,
}

impl Mismatched {
    /// The member of the answer that names something else, such as `reference`.
    #[must_use]
    pub fn member(&self) -> &str {
        &self.member
    }
}

impl Error {
    /// A request that breaks a rule, found before anything was sent.
    pub(crate) fn invalid(report: Report, field: Option<String>, rule: String) -> Self {
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
            Self::Mismatched(error) => &error.report,
        }
    }

    /// Whether the write has taken effect, over this call and earlier ones under its key. A
    /// read has none.
    ///
    /// A key that was given or derived counts as used before, unless the call was told that
    /// this is its first use.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.report().effect
    }

    /// What to do.
    #[must_use]
    pub fn next_step(&self) -> NextStep {
        self.report().next_step
    }

    /// True when a write may have, or has, taken effect: [`Error::effect`] is not
    /// [`Effect::None`]. Do not repeat it without its key.
    #[must_use]
    pub fn may_have_taken_effect(&self) -> bool {
        self.effect() != Effect::None
    }

    /// The key of a write, which every attempt carried: repeat the call with it, unless the
    /// answer was final ([`Refused::key_is_spent`]).
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.report().idempotency_key()
    }

    /// The operation by its word, which never changes: `payments.capture`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.report().operation()
    }

    /// The operation by its id in the document: `capturePayment`.
    #[must_use]
    pub fn operation_id(&self) -> &'static str {
        self.report().operation_id()
    }

    /// What it was about: a reference, an agreement id. None where that is personal.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.report().subject()
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
            Self::Mismatched(error) => Some(error.status),
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
        f.write_str(report.operation.word())?;
        if report.operation.id() != report.operation.word() {
            write!(f, " ({})", report.operation.id())?;
        }
        match self {
            Self::InvalidRequest(error) => match &error.field {
                Some(field) => write!(f, " was not sent: `{field}` {}", error.rule)?,
                None => write!(f, " was not sent: {}", error.rule)?,
            },
            Self::Authentication(error) => {
                let what = if error.answered { "taken" } else { "sent" };
                write!(f, " was not {what}: {}", error.failure)?;
            }
            Self::NotSent(error) => write!(f, " was not sent: {} ({})", error.why, report.tried())?,
            Self::Refused(error) => {
                write!(f, " refused with {}: {}", status_line(error.status), error.problem)?;
                if matches!(error.status, 401 | 403) {
                    let unit = &error.sales_unit;
                    write!(f, "; check that the keys are of this environment and may act for sales unit {unit}")?;
                }
            }
            Self::Indeterminate(error) => {
                match error.status {
                    Some(status) => write!(f, " was answered {} ", status_line(status))?,
                    None => write!(f, " {} ", unanswered(error.timeout))?,
                }
                write!(f, "({})", report.tried())?;
                if let Some(why) = error.source.as_ref().filter(|_| error.status.is_some()) {
                    write!(f, ": {why}")?;
                }
            }
            Self::Unreadable(error) => {
                write!(f, " was answered {} and the answer cannot be read", status_line(error.status))?;
                if let Some(why) = &error.source {
                    write!(f, ": {why}")?;
                }
            }
            Self::Mismatched(error) => write!(
                f,
                " was answered {} about something else: `{}` is not what was asked for",
                status_line(error.status),
                error.member
            )?,
        }
        f.write_str(&report.advice())?;
        match self {
            // Its own sentence has said it.
            Self::Authentication(_) => Ok(()),
            _ => come_back(f, self.retry_after()),
        }
    }
}

fn unanswered(timeout: Option<Duration>) -> String {
    match timeout {
        Some(limit) => format!("got no answer within {limit:?}"),
        None => "lost its connection before an answer".into(),
    }
}

/// Why a connection could not be made, by what its errors say.
pub(crate) fn no_connection_because(error: &(dyn StdError + 'static)) -> &'static str {
    let mut next = Some(error);
    let mut said = String::new();
    while let Some(error) = next {
        match error.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
            Some(std::io::ErrorKind::ConnectionRefused) => return "nobody listens at the address",
            Some(std::io::ErrorKind::TimedOut) => return "no connection came about in time",
            _ => {}
        }
        said.push_str(&error.to_string().to_ascii_lowercase());
        next = error.source();
    }
    match said {
        said if said.contains("dns") || said.contains("lookup") => "the name of the host is not known",
        said if said.contains("certificate") || said.contains("tls") => "TLS could not be agreed on",
        said if said.contains("timed out") => "no connection came about in time",
        said if said.contains("unreachable") => "the network cannot be reached",
        _ => "no connection could be made",
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
            // Their own sentences have said what these say.
            Self::Authentication(error) => error.failure.source(),
            Self::NotSent(error) => opaque(&error.source).and_then(|source| {
                source.downcast_ref::<Arc<TokenFailure>>().map_or(Some(source), |failure| failure.source())
            }),
            Self::Indeterminate(error) => opaque(&error.source),
            Self::Unreadable(error) => opaque(&error.source),
            Self::InvalidRequest(_) | Self::Refused(_) | Self::Mismatched(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Auth, KeyRule};

    const GET: Operation =
        Operation::new("getPayment", "GET", "/a", KeyRule::Unknown, Auth::Bearer).with_word("payments.get");
    const CAPTURE: Operation =
        Operation::new("capturePayment", "POST", "/a", KeyRule::Unknown, Auth::Bearer).with_word("payments.capture");

    fn report(operation: &'static Operation, key: Option<&str>, effect: Effect, next_step: NextStep) -> Report {
        Report {
            operation,
            subject: Some("acme-1".into()),
            attempts: 3,
            elapsed: Duration::from_secs(30),
            idempotency_key: key.map(|key| IdempotencyKey::new(key).unwrap()),
            effect,
            next_step,
            was_earlier: false,
        }
    }

    fn indeterminate(report: Report) -> Error {
        let timeout = Some(Duration::from_secs(10));
        let (status, problem, retry_after, source) = (None, None, None, None);
        Error::Indeterminate(Box::new(Indeterminate { report, timeout, status, problem, retry_after, source }))
    }

    fn not_sent(report: Report) -> Error {
        Error::NotSent(Box::new(NotSent { report, why: "nobody listens at the address".into(), source: None }))
    }

    #[test]
    fn an_error_says_what_the_call_met_what_it_means_and_what_to_do() {
        let again = NextStep::Repeat { after: None };
        let earlier = |mut report: Report| {
            report.was_earlier = true;
            report
        };
        let cases = [
            (
                indeterminate(report(&GET, None, Effect::None, again)),
                "payments.get (getPayment) got no answer within 10s (3 attempts); \
                 it changes nothing and is safe to repeat",
            ),
            (
                indeterminate(report(&CAPTURE, Some("6a1e"), Effect::Possible, again)),
                "payments.capture (capturePayment) got no answer within 10s (3 attempts); it may have taken effect: \
                 repeat with idempotency key 6a1e or read the state back",
            ),
            (
                indeterminate(report(&CAPTURE, None, Effect::Possible, NextStep::ReadFirst)),
                "payments.capture (capturePayment) got no answer within 10s (3 attempts); it may have taken effect: \
                 it has no idempotency key, so read the state back before repeating it",
            ),
            (
                not_sent(report(&CAPTURE, Some("6a1e"), Effect::None, again)),
                "payments.capture (capturePayment) was not sent: nobody listens at the address (3 attempts); \
                 nothing happened: it is safe to repeat",
            ),
            (
                not_sent(earlier(report(&CAPTURE, Some("6a1e"), Effect::Possible, again))),
                "payments.capture (capturePayment) was not sent: nobody listens at the address (3 attempts); \
                 an earlier call with this key may have taken effect: repeat with idempotency key 6a1e",
            ),
        ];
        for (error, said) in cases {
            assert_eq!(error.to_string(), said);
        }
    }
}
