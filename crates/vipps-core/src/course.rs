//! Where one call stands: its attempts so far, what they prove, and what it ends with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use progenitor_client::ResponseValue;
use reqwest::header::{HeaderMap, HeaderValue};

use crate::attempt::{Attempt, Failure};
use crate::backoff::Backoff;
use crate::call::Call;
use crate::error::{
    Error, Indeterminate, InvalidRequest, Mismatched, NotSent, Refused, Report, Source, TokenError, Unreadable,
};
use crate::observe::{CallFacts, Event, tell};
use crate::operation::{Auth, Repeat};
use crate::outcome::{Effect, Ending, Evidence, Prospect, Verdict, effect, next_step, verdict};
use crate::problem::Problem;
use crate::reading::OddMember;
use crate::response::Response;
use crate::retry::{Decision, Failed, decide};
use crate::token::{AccessToken, TokenFailure};
use crate::transport::Transport;

/// Counts the calls of this process, so that observers can tell them apart.
static CALLS: AtomicU64 = AtomicU64::new(0);

pub(crate) struct Course<'a> {
    id: u64,
    transport: &'a Transport,
    pub(crate) call: &'a Call,
    key: Option<HeaderValue>,
    pub(crate) token: Option<Arc<AccessToken>>,
    /// Of the answer that ends the call well.
    pub(crate) headers: HeaderMap,
    pub(crate) odd_members: Vec<OddMember>,
    started: Duration,
    deadline: Duration,
    attempt_limit: Duration,
    attempts: u32,
    max_attempts: u32,
    /// The operation may be sent twice: a read, a write that carries its key, or one that
    /// cannot double.
    repeatable: bool,
    refreshed: bool,
    /// Requests of this call that may have been sent.
    sent: usize,
    evidence: Vec<Evidence>,
    /// The last answer other than yes: what a refusal tells when a later attempt told less.
    answer: Option<Answered>,
    /// The last status of any answer.
    status: Option<u16>,
    /// The status of a yes that could not be read.
    unreadable: Option<u16>,
    backoff: Backoff,
}

/// What an answer other than yes said, and proves.
#[derive(Clone)]
struct Answered {
    status: u16,
    problem: Problem,
    retry_after: Option<Duration>,
    evidence: Evidence,
    prospect: Prospect,
}

impl<'a> Course<'a> {
    pub(crate) fn new(transport: &'a Transport, call: &'a Call) -> Self {
        let policy = transport.policy();
        let started = transport.clock().elapsed();
        let max_attempts = call.max_attempts.unwrap_or(policy.retry.max_attempts);
        // A shorter call has room for a second attempt all the same.
        let attempt_limit = match call.deadline {
            Some(limit) if max_attempts > 1 => policy.attempt_timeout.min(limit / 2),
            _ => policy.attempt_timeout,
        };
        let operation = call.operation();
        let key = call.used().key();
        let course = Self {
            id: CALLS.fetch_add(1, Ordering::Relaxed) + 1,
            transport,
            key: key.and_then(|key| HeaderValue::from_str(key.as_str()).ok()),
            token: None,
            headers: HeaderMap::new(),
            odd_members: Vec::new(),
            started,
            deadline: started.saturating_add(call.deadline.unwrap_or(policy.deadline)),
            attempt_limit,
            attempts: 0,
            max_attempts,
            repeatable: call.repeat() != Repeat::Once,
            refreshed: false,
            sent: 0,
            evidence: Vec::new(),
            answer: None,
            status: None,
            unreadable: None,
            backoff: Backoff::new(policy.retry.base_backoff, policy.retry.max_backoff),
            call,
        };
        if !operation.is_read() {
            transport.budget().begin_write();
        }
        course.tell(|call| Event::CallStarted { call });
        course
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Begins an attempt: when, and how long it may take.
    pub(crate) fn begin(&mut self) -> (Duration, Duration) {
        self.attempts += 1;
        let now = self.now();
        (now, self.attempt_limit.min(self.deadline.saturating_sub(now)))
    }

    pub(crate) fn new_attempt(&self) -> Attempt {
        Attempt::new(self.call.operation(), self.call.used().clone(), self.key.clone())
    }

    /// Counts a request that may have been sent, for all clones of the call.
    pub(crate) fn count_sent(&mut self, attempt: &Attempt, is_unsent: bool) {
        match (attempt.has_begun(), is_unsent) {
            (true, true) => self.call.used().count_unsent(),
            (true, false) => self.sent += 1,
            // Nothing says that a request outside the hook carried the key: it is not repeated.
            (false, false) => self.repeatable = false,
            (false, true) => {}
        }
    }

    /// No attempt so far has reached Vipps.
    pub(crate) fn nothing_left(&self) -> bool {
        self.evidence.iter().all(|evidence| *evidence == Evidence::NotSent)
    }

    pub(crate) fn done<T>(&mut self, began: Duration, value: ResponseValue<T>) -> Response<T> {
        self.status = Some(value.status().as_u16());
        self.transport.budget().earn();
        self.tell_attempt(began, self.status, "ok");
        self.tell_end(true, if self.call.operation().is_read() { Effect::None } else { Effect::Certain });
        Response::new(value, std::mem::take(&mut self.headers), self.attempts, std::mem::take(&mut self.odd_members))
    }

    /// Takes a failed attempt into account; `None` means that the call ends here.
    pub(crate) fn failed(&mut self, began: Duration, failure: &Failure) -> Option<Decision> {
        self.evidence.push(failure.evidence);
        self.status = failure.status.or(self.status);
        match (failure.evidence, failure.status) {
            (Evidence::Unreadable, status) => self.unreadable = status.or(self.unreadable),
            (_, Some(status)) => {
                let problem = failure.problem.clone().unwrap_or_default();
                let Failure { retry_after, evidence, prospect, .. } = *failure;
                self.answer = Some(Answered { status, problem, retry_after, evidence, prospect });
            }
            (_, None) => {}
        }
        self.tell_attempt(began, failure.status, failure.ended);
        let operation = self.call.operation();
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
            max_attempts: self.max_attempts,
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
        let enough = self.attempt_limit / 20;
        if self.now().saturating_add(wait).saturating_add(enough) >= self.deadline {
            return None;
        }
        // Who waited for the token of another has cost Vipps nothing.
        let is_free = failure.token.as_ref().is_some_and(|(_, led)| !led);
        match decision {
            Decision::Refresh => self.refreshed = true,
            _ if !is_free && !self.transport.budget().spend(operation.is_read()) => return None,
            _ => {}
        }
        self.tell(|call| Event::RetryScheduled { call, attempt: self.attempts + 1, wait });
        tracing::debug!(
            operation = operation.word(),
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
    pub(crate) fn invalid(&self, began: Duration, rule: String) -> Error {
        self.tell_attempt(began, None, "invalid");
        let report = Report { attempts: self.attempts, elapsed: self.elapsed(), ..self.call.report() };
        self.tell_end(false, report.effect);
        Error::InvalidRequest(Box::new(InvalidRequest { report, field: None, rule }))
    }

    /// What is known at the end of a call that failed, its last attempt in `last`.
    fn report(&self, verdict: Verdict, last: &Failure) -> Report {
        let operation = self.call.operation();
        let used_before = self.call.used().is_used_beside(self.sent);
        let effect_with = |used| if operation.is_read() { Effect::None } else { effect(&self.evidence, used) };
        // A refusal speaks by what it said, whatever could not be sent afterwards.
        let answer = self.answer.as_ref().filter(|_| verdict == Verdict::Refused && last.token.is_none());
        let ending = Ending {
            verdict,
            repeat: self.call.repeat(),
            evidence: answer.map_or(last.evidence, |answer| answer.evidence),
            prospect: answer.map_or(last.prospect, |answer| answer.prospect),
            status: answer.map_or(last.status, |answer| Some(answer.status)),
            has_fields: answer.is_some_and(|answer| answer.problem.has_own_fields()),
            is_mismatched: last.mismatched.is_some(),
            lacks_token: last.token.is_some(),
            retry_after: answer.map_or(last.retry_after, |answer| answer.retry_after),
        };
        Report {
            operation,
            subject: self.call.about().map(str::to_owned),
            attempts: self.attempts,
            elapsed: self.elapsed(),
            idempotency_key: self.call.used().key().cloned(),
            effect: effect_with(used_before),
            next_step: next_step(&ending),
            was_earlier: effect_with(false) == Effect::None,
        }
    }

    /// The error of a call that has ended, by all its attempts.
    pub(crate) fn error(&self, last: Failure) -> Error {
        let verdict = verdict(&self.evidence, self.call.operation().is_read());
        let report = self.report(verdict, &last);
        let Failure { status, problem, retry_after, timeout, token, source, unconnected, .. } = last;
        let token = token.map(|(token, _)| token);
        let token_source = |token: Option<Arc<TokenFailure>>| token.map(|token| Box::new(token) as Source);
        let error = match (verdict, token, last.mismatched) {
            (Verdict::Indeterminate | Verdict::Unreadable, _, Some(member)) => {
                Error::Mismatched(Box::new(Mismatched { report, status: status.unwrap_or_default(), member }))
            }
            // Nobody has said anything about the keys.
            (Verdict::NotSent, Some(failure), _) if failure.status.is_none() && failure.transient => {
                Error::NotSent(Box::new(NotSent {
                    report,
                    why: failure.to_string(),
                    source: token_source(Some(failure)),
                }))
            }
            // Whatever was answered before: the keys are what to look at.
            (Verdict::NotSent | Verdict::Refused, Some(failure), _) => {
                let answered = !self.nothing_left();
                Error::Authentication(Box::new(TokenError { report, failure, answered }))
            }
            (Verdict::NotSent, None, _) => {
                let why = unconnected.unwrap_or("no connection could be made").to_owned();
                Error::NotSent(Box::new(NotSent { report, why, source }))
            }
            (Verdict::Refused, None, _) => {
                let sales_unit = self.transport.sales_unit().clone();
                // There was an answer, or the verdict would be another.
                let Answered { status, problem, retry_after, evidence, prospect } =
                    self.answer.clone().unwrap_or_else(|| Answered {
                        status: 0,
                        problem: Problem::default(),
                        retry_after: None,
                        evidence: Evidence::Turned,
                        prospect: Prospect::Final,
                    });
                Error::Refused(Box::new(Refused {
                    report,
                    status,
                    problem,
                    retry_after,
                    sales_unit,
                    evidence,
                    prospect,
                }))
            }
            (Verdict::Indeterminate, ..) if last.is_undecodable => {
                Error::Unreadable(Box::new(Unreadable { report, status: status.unwrap_or_default(), source }))
            }
            (Verdict::Indeterminate, token, _) => Error::Indeterminate(Box::new(Indeterminate {
                report,
                timeout,
                status,
                problem,
                retry_after,
                source: source.or(token_source(token)),
            })),
            (Verdict::Unreadable, token, _) => {
                let source = source.or(token_source(token));
                Error::Unreadable(Box::new(Unreadable { report, status: self.unreadable.unwrap_or(200), source }))
            }
        };
        self.tell_end(false, error.effect());
        error
    }

    fn now(&self) -> Duration {
        self.transport.clock().elapsed()
    }

    fn elapsed(&self) -> Duration {
        self.now().saturating_sub(self.started)
    }

    /// Nothing is worked out where nobody watches.
    fn tell<'b>(&'b self, event: impl FnOnce(CallFacts<'b>) -> Event<'b>) {
        if let Some(observer) = self.transport.observer() {
            let facts = CallFacts {
                id: self.id,
                operation: self.call.operation(),
                subject: self.call.about(),
                idempotency_key: self.call.used().key(),
            };
            tell(observer, &event(facts));
        }
    }

    fn tell_attempt(&self, began: Duration, status: Option<u16>, ended: &'static str) {
        self.tell(|call| Event::AttemptFinished {
            call,
            attempt: self.attempts,
            status,
            ended,
            elapsed: self.now().saturating_sub(began),
        });
    }

    fn tell_end(&self, ok: bool, effect: Effect) {
        self.tell(|call| Event::CallFinished {
            call,
            ok,
            status: self.status,
            effect,
            attempts: self.attempts,
            elapsed: self.elapsed(),
        });
    }
}

/// Also when a call is dropped before it has answered.
impl Drop for Course<'_> {
    fn drop(&mut self) {
        if !self.call.operation().is_read() {
            self.transport.budget().end_write();
        }
    }
}
