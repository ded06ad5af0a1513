//! One attempt: what the hooks of a generated client see of it, and what it proves when it
//! fails.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::Request;
use reqwest::header::{HeaderMap, HeaderValue};

use crate::error::Source;
use crate::key_use::KeyUse;
use crate::operation::{Auth, Operation};
use crate::outcome::{Evidence, Prospect, of_answer};
use crate::problem::Problem;
use crate::reading::{OddMember, Seen};
use crate::token::{AccessToken, TokenFailure};

/// One attempt, as the hooks of a generated client see it; how far it came is also known
/// when it is cut short.
pub(crate) struct Attempt {
    operation: &'static Operation,
    /// A preparation sends nothing: it ends with the request as it would be sent.
    is_rehearsal: bool,
    key_use: KeyUse,
    key: Option<HeaderValue>,
    pub(crate) token: OnceLock<Arc<AccessToken>>,
    /// A request of the call's own operation went through the hook, with its key.
    begun: AtomicBool,
    /// The status of the answer, 0 before it.
    status: AtomicU16,
    /// The body of a success began as JSON.
    json_began: AtomicBool,
    /// The answer repeats what was asked.
    echoed: AtomicBool,
    seen: Mutex<Saw>,
}

/// What was read of the answer.
#[derive(Default)]
struct Saw {
    seen: Option<Box<Seen>>,
    headers: HeaderMap,
    odd_members: Vec<OddMember>,
    rehearsed: Option<Box<Request>>,
}

impl Attempt {
    pub(crate) fn new(operation: &'static Operation, key_use: KeyUse, key: Option<HeaderValue>) -> Self {
        Self {
            operation,
            is_rehearsal: false,
            key_use,
            key,
            token: OnceLock::new(),
            begun: AtomicBool::new(false),
            status: AtomicU16::new(0),
            json_began: AtomicBool::new(false),
            echoed: AtomicBool::new(false),
            seen: Mutex::default(),
        }
    }

    pub(crate) fn rehearsal(operation: &'static Operation) -> Self {
        Self { is_rehearsal: true, ..Self::new(operation, KeyUse::keyless(), None) }
    }

    /// True when nothing can have been sent: an access token was still waited for.
    fn waits_for_token(&self) -> bool {
        self.operation.auth == Auth::Bearer && self.token.get().is_none()
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    pub(crate) fn status(&self) -> Option<u16> {
        Some(self.status.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    pub(crate) fn is_echoed(&self) -> bool {
        self.echoed.load(Ordering::Relaxed)
    }

    /// An answer that is not simply a success.
    pub(crate) fn take_seen(&self) -> Option<Box<Seen>> {
        self.saw().seen.take()
    }

    /// What was left out of the answer so that the rest could be decoded.
    pub(crate) fn note_odd_members(&self, odd: Vec<OddMember>) {
        self.saw().odd_members = odd;
    }

    /// What belongs to an answer beside its value: headers, and members that were left out.
    pub(crate) fn take_beside(&self) -> (HeaderMap, Vec<OddMember>) {
        let mut saw = self.saw();
        (std::mem::take(&mut saw.headers), std::mem::take(&mut saw.odd_members))
    }

    pub(crate) fn take_rehearsed(&self) -> Option<Box<Request>> {
        self.saw().rehearsed.take()
    }

    fn saw(&self) -> MutexGuard<'_, Saw> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

tokio::task_local! {
    pub(crate) static ATTEMPT: Arc<Attempt>;
}

/// Whether the call names this operation. Outside of a call there is nothing to compare with.
pub(crate) fn is_called(operation: &Operation) -> bool {
    ATTEMPT.try_with(|attempt| attempt.operation.id() == operation.id()).unwrap_or(true)
}

pub(crate) fn is_rehearsal() -> bool {
    ATTEMPT.try_with(|attempt| attempt.is_rehearsal).unwrap_or(false)
}

/// Keeps a request that is not to be sent.
pub(crate) fn rehearse(request: Request) {
    let _ = ATTEMPT.try_with(|attempt| attempt.saw().rehearsed = Some(Box::new(request)));
}

/// A request of the call is complete and about to be sent.
pub(crate) fn begin_request() {
    let _ = ATTEMPT.try_with(|attempt| {
        if !attempt.begun.swap(true, Ordering::Relaxed) {
            attempt.key_use.count_sent();
        }
    });
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

/// The first bytes of a success are JSON.
pub(crate) fn note_json_began() {
    let _ = ATTEMPT.try_with(|attempt| attempt.json_began.store(true, Ordering::Relaxed));
}

/// A success as it should be. Its headers wait in the attempt, so that nobody copies them;
/// outside of a call they are given back.
pub(crate) fn note_success(echoed: bool, headers: HeaderMap) -> HeaderMap {
    let mut headers = Some(headers);
    let _ = ATTEMPT.try_with(|attempt| {
        attempt.echoed.store(echoed, Ordering::Relaxed);
        attempt.saw().headers = headers.take().unwrap_or_default();
    });
    headers.unwrap_or_default()
}

/// An answer that is not simply a success.
pub(crate) fn note_seen(seen: Seen) {
    let _ = ATTEMPT.try_with(|attempt| attempt.saw().seen = Some(Box::new(seen)));
}

/// Why an attempt gave no value.
pub(crate) struct Failure {
    pub(crate) evidence: Evidence,
    pub(crate) prospect: Prospect,
    pub(crate) ended: &'static str,
    pub(crate) status: Option<u16>,
    pub(crate) problem: Option<Problem>,
    /// A yes that cannot be decoded, and of which nothing says that it is about this request.
    pub(crate) is_undecodable: bool,
    /// The answer was about something else: the member that says so.
    pub(crate) mismatched: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    /// Why no connection could be made.
    pub(crate) unconnected: Option<&'static str>,
    /// Why there was no token, and whether this call made the request for it.
    pub(crate) token: Option<(Arc<TokenFailure>, bool)>,
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
            is_undecodable: false,
            mismatched: None,
            retry_after: None,
            timeout: None,
            unconnected: None,
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
pub(crate) fn out_of_time(limit: Duration, attempt: &Attempt, operation: &Operation) -> Failure {
    let (evidence, ended) = match attempt.status() {
        // Only what began as the API's own yes is one.
        Some(status @ 200..=299) if operation.succeeds_with(status) && attempt.json_began.load(Ordering::Relaxed) => {
            (Evidence::Unreadable, "cut-off")
        }
        Some(200..=299) => (Evidence::Doubtful, "cut-off"),
        Some(status) => (of_answer(operation, "", status, &Problem::default()).0, "cut-off"),
        None if attempt.waits_for_token() => (Evidence::NotSent, "no-token"),
        // Also where no hook saw a request: it may have been sent past the hooks.
        None => (Evidence::Lost, "timeout"),
    };
    let mut failure = Failure::new(evidence, Prospect::Transient, ended).status(attempt.status());
    failure.timeout = Some(limit);
    if failure.evidence == Evidence::NotSent {
        failure.token = Some((Arc::new(TokenFailure::out_of_time(limit)), true));
    }
    failure
}

pub(crate) fn not_authenticated((token, led): (Arc<TokenFailure>, bool)) -> Ended {
    let prospect = if token.transient { Prospect::Transient } else { Prospect::Final };
    let mut failure = Failure::new(Evidence::NotSent, prospect, "no-token");
    failure.retry_after = token.retry_after;
    failure.token = Some((token, led));
    failure.into()
}
