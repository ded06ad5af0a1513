//! Waiting for something to be decided: polls as Vipps asks, and listens to hints.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream;
use vipps_core::{Clock, Error};

/// Something that says "look now", such as a webhook.
pub(crate) type Hints = Pin<Box<dyn Stream<Item = ()> + Send>>;

/// A new thing may be unknown for a moment after it was created.
const UNKNOWN_AT_FIRST: Duration = Duration::from_secs(10);

/// The time that a look has in any case, also at the deadline, and at most.
const LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Looks are never closer than this, however many hints come.
const LEAST_GAP: Duration = Duration::from_millis(250);

/// When to look, and for how long.
pub(crate) struct Schedule {
    pub(crate) first: Duration,
    pub(crate) every: Duration,
    pub(crate) deadline: Duration,
    pub(crate) hints: Option<Hints>,
}

impl Schedule {
    /// As Vipps asks for payments: after 5 s, then every 2 s; a minute longer than a customer
    /// has.
    pub(crate) fn of_a_customer() -> Self {
        Self {
            first: Duration::from_secs(5),
            every: Duration::from_secs(2),
            deadline: Duration::from_secs(11 * 60),
            hints: None,
        }
    }

    /// For charges, which may be read ten times a minute.
    #[cfg(feature = "recurring")]
    pub(crate) fn of_a_charge() -> Self {
        Self { every: Duration::from_secs(10), ..Self::of_a_customer() }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule").field("every", &self.every).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Looks until what is seen is settled, or the deadline: then gives what was last seen.
///
/// Each look is told how long it may take; it has two attempts, for a token may have expired
/// meanwhile. An error ends the wait when no later look can
/// succeed, or when none has by the deadline.
pub(crate) async fn watch<T, F, Fut>(
    clock: &dyn Clock,
    schedule: Schedule,
    look: F,
    settled: fn(&T) -> bool,
) -> Result<T, Error>
where
    F: Fn(Duration) -> Fut,
    Fut: Future<Output = Result<T, Error>>,
{
    let Schedule { first, every, deadline, mut hints } = schedule;
    let start = clock.elapsed();
    let (end, young) = (start.saturating_add(deadline), start + UNKNOWN_AT_FIRST);
    // What must pass before the next look, and what a hint cuts short.
    let (mut least, mut wait) = (Duration::ZERO, first);
    let mut seen: Option<T> = None;
    loop {
        let left = end.saturating_sub(clock.elapsed());
        pause(clock, least.min(left), wait.min(left), &mut hints).await;
        (least, wait) = (LEAST_GAP, every.max(LEAST_GAP));
        let left = end.saturating_sub(clock.elapsed());
        match look(left.clamp(LOOK.0, LOOK.1)).await {
            Ok(now) if settled(&now) => return Ok(now),
            Ok(now) => seen = Some(now),
            Err(error) if clock.elapsed() < end && may_pass(&error, clock.elapsed() < young, seen.is_some()) => {
                least = error.retry_after().unwrap_or_default().max(LEAST_GAP);
                wait = wait.max(least);
            }
            Err(error) => return seen.filter(|_| may_pass(&error, false, true)).ok_or(error),
        }
        if clock.elapsed() >= end
            && let Some(seen) = seen.take()
        {
            return Ok(seen);
        }
    }
}

/// Whether a later look, which changes nothing, may succeed.
fn may_pass(error: &Error, young: bool, readable_before: bool) -> bool {
    match error {
        // It broke off. An answer that no look could read counts as unread.
        Error::Unreadable(_) => readable_before,
        Error::Indeterminate(_) | Error::NotSent(_) => true,
        Error::Authentication(error) => error.is_transient(),
        Error::Refused(error) => matches!(error.status(), 408 | 423 | 429 | 500..) || (young && error.status() == 404),
        _ => false,
    }
}

/// Waits for `least`, and then for the rest of `wait` or for a hint, whatever comes first.
async fn pause(clock: &dyn Clock, least: Duration, wait: Duration, hints: &mut Option<Hints>) {
    if !least.is_zero() {
        clock.sleep(least).await;
    }
    let mut timer = clock.sleep(wait.saturating_sub(least));
    poll_fn(|context| {
        if timer.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        while let Some(stream) = hints {
            match stream.as_mut().poll_next(context) {
                Poll::Ready(Some(())) => return Poll::Ready(()),
                // A stream that has ended is not asked again.
                Poll::Ready(None) => *hints = None,
                Poll::Pending => break,
            }
        }
        Poll::Pending
    })
    .await;
}

/// The options of a wait, and how it is awaited.
macro_rules! waits {
    ($name:ident -> $answer:ty, every $every:literal) => {
        impl $name {
            /// The wait before the first look. Default: 5 s, as Vipps asks.
            pub fn first_poll_after(mut self, wait: std::time::Duration) -> Self {
                self.schedule.first = wait;
                self
            }

            /// Looks at once: for a customer who has come back from Vipps.
            pub fn look_now(self) -> Self {
                self.first_poll_after(std::time::Duration::ZERO)
            }

            #[doc = concat!("The wait between looks, 250 ms or more. Default: ", $every)]
            pub fn poll_every(mut self, wait: std::time::Duration) -> Self {
                self.schedule.every = wait;
                self
            }

            /// How long to wait in all. Default: 11 min, a minute more than a customer has. The
            /// last look may take a second more. A look has two attempts and at most 30 s, whatever
            /// the client's own limits are.
            pub fn deadline(mut self, limit: std::time::Duration) -> Self {
                self.schedule.deadline = limit;
                self
            }

            /// A stream each item of which means "look now": a webhook then wakes the wait. From
            /// `HintHub::hints` of `vipps-callbacks`, from [`hints`](crate::hints), or any other.
            /// Looks stay 250 ms apart, and longer where Vipps asks for it. When it ends, polling
            /// goes on.
            pub fn hints(mut self, hints: impl futures_core::Stream<Item = ()> + Send + 'static) -> Self {
                self.schedule.hints = Some(Box::pin(hints));
                self
            }
        }

        /// As `wait`.
        impl std::future::IntoFuture for $name {
            type Output = Result<$answer, vipps_core::Error>;
            type IntoFuture = std::pin::Pin<Box<dyn std::future::Future<Output = Self::Output> + Send>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.wait())
            }
        }
    };
}

pub(crate) use waits;
