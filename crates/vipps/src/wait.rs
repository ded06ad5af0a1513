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

/// When to look, and for how long.
pub(crate) struct Schedule {
    pub(crate) first: Duration,
    pub(crate) every: Duration,
    pub(crate) deadline: Duration,
    pub(crate) hints: Option<Hints>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            every: Duration::from_secs(2),
            deadline: Duration::from_secs(11 * 60),
            hints: None,
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule").field("every", &self.every).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Looks until what is seen is settled, or the deadline: then gives what was last seen.
///
/// An error ends it when no later look can succeed, or when none has by the deadline.
pub(crate) async fn watch<T, F, Fut>(
    clock: &dyn Clock,
    schedule: Schedule,
    look: F,
    settled: fn(&T) -> bool,
) -> Result<T, Error>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, Error>>,
{
    let Schedule { first, every, deadline, mut hints } = schedule;
    let start = clock.elapsed();
    let (end, young) = (start.saturating_add(deadline), start + UNKNOWN_AT_FIRST);
    let mut wait = first;
    let mut seen: Option<T> = None;
    loop {
        pause(clock, wait.min(end.saturating_sub(clock.elapsed())), hints.as_mut()).await;
        wait = every;
        match look().await {
            Ok(now) if settled(&now) => return Ok(now),
            Ok(now) => seen = Some(now),
            Err(error) if clock.elapsed() < end && may_pass(&error, clock.elapsed() < young) => {
                wait = error.retry_after().unwrap_or(wait).max(wait);
            }
            Err(error) => return seen.filter(|_| may_pass(&error, false)).ok_or(error),
        }
        if clock.elapsed() >= end
            && let Some(seen) = seen.take()
        {
            return Ok(seen);
        }
    }
}

/// Whether a later look, which changes nothing, may succeed.
fn may_pass(error: &Error, young: bool) -> bool {
    match error {
        Error::Indeterminate(_) | Error::NotSent(_) => true,
        Error::Authentication(error) => error.is_transient(),
        Error::Refused(error) => matches!(error.status(), 408 | 423 | 429 | 500..) || (young && error.status() == 404),
        _ => false,
    }
}

/// Waits for the time or for a hint, whatever comes first.
async fn pause(clock: &dyn Clock, wait: Duration, mut hints: Option<&mut Hints>) {
    let mut timer = clock.sleep(wait);
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

/// The options of a wait, and how it is awaited.
macro_rules! waits {
    ($name:ident -> $answer:ty) => {
        impl $name {
            /// The wait before the first look. Default: 5 s, as Vipps asks.
            pub fn first_poll_after(mut self, wait: std::time::Duration) -> Self {
                self.schedule.first = wait;
                self
            }

            /// The wait between looks. Default: 2 s, as Vipps asks.
            pub fn poll_every(mut self, wait: std::time::Duration) -> Self {
                self.schedule.every = wait;
                self
            }

            /// How long to wait in all. Default: 11 min, a minute more than a customer has.
            pub fn deadline(mut self, limit: std::time::Duration) -> Self {
                self.schedule.deadline = limit;
                self
            }

            /// A stream each item of which means "look now": a webhook then wakes the wait.
            /// When it ends, polling goes on.
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
