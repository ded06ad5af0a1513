//! One attempt: what the hooks of a generated client see of it, and what it proves when it
//! fails.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::HeaderValue;

use crate::error::Source;
use crate::operation::Auth;
use crate::outcome::{Evidence, Prospect, of_answer};
use crate::problem::Problem;
use crate::token::{AccessToken, TokenFailure};

/// One attempt, as the hooks of a generated client see it; how far it came is also known
/// when it is cut short.
pub(crate) struct Attempt {
    operation: &'static str,
    key: Option<HeaderValue>,
    pub(crate) token: OnceLock<Arc<AccessToken>>,
    /// A request of the call's own operation went through the hook, with its key.
    begun: AtomicBool,
    /// The status of the answer, 0 before it.
    status: AtomicU16,
}

impl Attempt {
    pub(crate) fn new(operation: &'static str, key: Option<HeaderValue>) -> Self {
        let (token, begun, status) = (OnceLock::new(), AtomicBool::new(false), AtomicU16::new(0));
        Self { operation, key, token, begun, status }
    }

    /// True when nothing can have been sent: an access token was still waited for.
    fn waits_for_token(&self, auth: Auth) -> bool {
        auth == Auth::Bearer && self.token.get().is_none()
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    pub(crate) fn status(&self) -> Option<u16> {
        Some(self.status.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }
}

tokio::task_local! {
    pub(crate) static ATTEMPT: Arc<Attempt>;
}

/// Whether the call names this operation. Outside of a call there is nothing to compare with.
pub(crate) fn is_called(operation: &'static str) -> bool {
    ATTEMPT.try_with(|attempt| attempt.operation == operation).unwrap_or(true)
}

/// A request of the call is complete and about to be sent.
pub(crate) fn begin_request() {
    let _ = ATTEMPT.try_with(|attempt| attempt.begun.store(true, Ordering::Relaxed));
}

pub(crate) fn current_token() -> Option<Arc<AccessToken>> {
    ATTEMPT.try_with(|attempt| attempt.token.get().cloned()).ok().flatten()
}

pub(crate) fn current_key() -> Option<HeaderValue> {
    ATTEMPT.try_with(|attempt| attempt.key.clone()).ok().flatten()
}

pub(crate) fn note_status(status: u16) {
    let _ = ATTEMPT.try_with(|attempt| attempt.status.store(status, Ordering::Relaxed));
}

/// Why an attempt gave no value.
pub(crate) struct Failure {
    pub(crate) evidence: Evidence,
    pub(crate) prospect: Prospect,
    pub(crate) ended: &'static str,
    pub(crate) status: Option<u16>,
    pub(crate) problem: Option<Problem>,
    /// The body of the answer broke off.
    pub(crate) cut_off: bool,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) token: Option<Arc<TokenFailure>>,
    pub(crate) source: Option<Source>,
}

impl Failure {
    pub(crate) fn new(evidence: Evidence, prospect: Prospect, ended: &'static str) -> Self {
        Self {
            evidence,
            prospect,
            ended,
            status: None,
            problem: None,
            cut_off: false,
            retry_after: None,
            timeout: None,
            token: None,
            source: None,
        }
    }

    pub(crate) fn source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn status(mut self, status: Option<u16>) -> Self {
        self.status = status;
        self
    }
}

/// What ends a call at once: a failed attempt, or a request that was never valid.
pub(crate) enum Ended {
    Failed(Box<Failure>),
    Invalid(String),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

/// An attempt that did not end within its limit: what is known decides what it proves.
pub(crate) fn out_of_time(limit: Duration, attempt: &Attempt, auth: Auth) -> Failure {
    let (evidence, ended) = match attempt.status() {
        Some(200..=299) => (Evidence::Unreadable, "cut-off"),
        // It may say that our own first request is still running.
        Some(409) => (Evidence::Doubtful, "cut-off"),
        Some(status) => (of_answer(status, &Problem::default()).0, "cut-off"),
        None if attempt.waits_for_token(auth) => (Evidence::NotSent, "no-token"),
        // Also where no hook saw a request: it may have been sent past the hooks.
        None => (Evidence::Lost, "timeout"),
    };
    let mut failure = Failure::new(evidence, Prospect::Transient, ended).status(attempt.status());
    failure.cut_off = failure.status.is_some();
    failure.timeout = Some(limit);
    if failure.evidence == Evidence::NotSent {
        failure.token = Some(Arc::new(TokenFailure::out_of_time(limit)));
    }
    failure
}

pub(crate) fn not_authenticated(token: Arc<TokenFailure>) -> Ended {
    let prospect = if token.transient { Prospect::Transient } else { Prospect::Final };
    let mut failure = Failure::new(Evidence::NotSent, prospect, "no-token");
    failure.retry_after = token.retry_after;
    failure.token = Some(token);
    failure.into()
}
