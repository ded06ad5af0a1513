//! Waiting for the customer.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream;
use vipps_core::{Clock, Error};
use vipps_epayment::enums::State;

use crate::payment::Payment;
use crate::payments::Payments;

/// What the customer decided, or time did.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// Approved: the money is reserved and can be captured.
    Authorized(Payment),
    /// The customer declined.
    Aborted,
    /// Nobody decided in time.
    Expired,
    /// The merchant cancelled it first.
    Terminated,
    /// Not decided by the deadline, or in a state that this version does not know: as it
    /// was last seen. Look again later; do not cancel the order because of it.
    Undecided(Payment),
}

/// Something that says "look now", such as a webhook.
type Hints = Pin<Box<dyn Stream<Item = ()> + Send>>;

/// See [`Payments::wait_for_decision`].
#[must_use = "nothing is sent before `.await`"]
pub struct WaitForDecision {
    payments: Payments,
    reference: String,
    first_poll_after: Duration,
    poll_every: Duration,
    deadline: Duration,
    hints: Option<Hints>,
}

/// A payment may be unknown for a moment after it was created.
const UNKNOWN_AT_FIRST: Duration = Duration::from_secs(10);

impl WaitForDecision {
    pub(crate) fn new(payments: Payments, reference: String) -> Self {
        Self {
            payments,
            reference,
            first_poll_after: Duration::from_secs(5),
            poll_every: Duration::from_secs(2),
            deadline: Duration::from_secs(11 * 60),
            hints: None,
        }
    }

    /// The wait before the first look. Default: 5 s, as Vipps asks.
    pub fn first_poll_after(mut self, wait: Duration) -> Self {
        self.first_poll_after = wait;
        self
    }

    /// The wait between looks. Default: 2 s, as Vipps asks; at most 120 looks a minute are
    /// allowed.
    pub fn poll_every(mut self, wait: Duration) -> Self {
        self.poll_every = wait;
        self
    }

    /// How long to wait in all. Default: 11 min, a minute more than a payment lives.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = limit;
        self
    }

    /// A stream each item of which means "look now": a webhook then wakes the wait. When it
    /// ends, polling goes on.
    pub fn hints(mut self, hints: impl Stream<Item = ()> + Send + 'static) -> Self {
        self.hints = Some(Box::pin(hints));
        self
    }

    /// Waits.
    ///
    /// # Errors
    ///
    /// [`Error`] of a look that cannot end otherwise (no such payment, wrong keys), or of
    /// the last look when none has succeeded by the deadline.
    pub async fn wait(mut self) -> Result<Decision, Error> {
        let clock = self.payments.client().transport().clock().clone();
        let end = clock.elapsed() + self.deadline;
        let young = clock.elapsed() + UNKNOWN_AT_FIRST;
        let mut wait = self.first_poll_after;
        let mut seen: Option<Payment> = None;
        loop {
            let left = end.saturating_sub(clock.elapsed());
            pause(&*clock, wait.min(left), self.hints.as_mut()).await;
            wait = self.poll_every;
            match self.payments.get(self.reference.as_str()).send().await {
                Ok(payment) => {
                    let payment = payment.into_inner();
                    match payment.state() {
                        State::Created => seen = Some(payment),
                        State::Authorized => return Ok(Decision::Authorized(payment)),
                        State::Aborted => return Ok(Decision::Aborted),
                        State::Expired => return Ok(Decision::Expired),
                        State::Terminated => return Ok(Decision::Terminated),
                        _ => return Ok(Decision::Undecided(payment)),
                    }
                }
                Err(error) if clock.elapsed() < end && may_pass(&error, clock.elapsed() < young) => {
                    wait = error.retry_after().unwrap_or(wait).max(wait);
                }
                Err(error) => return seen.filter(|_| may_pass(&error, false)).map(Decision::Undecided).ok_or(error),
            }
            if let (true, Some(payment)) = (clock.elapsed() >= end, &seen) {
                return Ok(Decision::Undecided(payment.clone()));
            }
        }
    }
}

/// Whether a later look may succeed.
fn may_pass(error: &Error, young: bool) -> bool {
    match error {
        Error::NoAnswer(_) | Error::NotSent(_) => true,
        Error::Authentication(error) => error.token_error().is_transient(),
        Error::Refused(error) => matches!(error.status(), 408 | 423 | 429 | 500..) || (young && error.status() == 404),
        _ => false,
    }
}

/// Waits for the time or for a hint, whatever comes first. Hints that came meanwhile are
/// used up by one look.
async fn pause(clock: &dyn Clock, wait: Duration, hints: Option<&mut Hints>) {
    let mut timer = clock.sleep(wait);
    let mut hints = hints;
    poll_fn(|context| {
        if timer.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        while let Some(stream) = hints.as_mut() {
            match stream.as_mut().poll_next(context) {
                Poll::Ready(Some(())) => return Poll::Ready(()),
                Poll::Ready(None) => hints = None,
                Poll::Pending => break,
            }
        }
        Poll::Pending
    })
    .await;
}

/// As [`WaitForDecision::wait`].
impl IntoFuture for WaitForDecision {
    type Output = Result<Decision, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.wait())
    }
}

impl fmt::Debug for WaitForDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForDecision").field("reference", &self.reference).finish_non_exhaustive()
    }
}
