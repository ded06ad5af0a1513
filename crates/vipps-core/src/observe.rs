//! One seam on the loop: for metrics, journals and limiters.

use std::time::Duration;

use vipps_types::IdempotencyKey;

use crate::operation::Operation;
use crate::outcome::Effect;

/// Something that watches calls. It is told in the task of the call: return quickly. A panic
/// in it is logged, and the call goes on.
///
/// Nothing that it sees is a secret or personal data.
pub trait Observer: Send + Sync {
    /// One thing that happened.
    fn observe(&self, event: &Event<'_>);
}

/// Which call an event is about.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallFacts<'a> {
    /// Tells calls of this process apart; counted from 1.
    pub id: u64,
    /// What is called; [`Operation::word`] is its name for metrics.
    pub operation: &'static Operation,
    /// What it is about, by the merchant's or Vipps' name of it: a reference, an agreement id.
    /// None where the operation's path is personal.
    pub subject: Option<&'a str>,
    /// The key that every attempt carries.
    pub idempotency_key: Option<&'a IdempotencyKey>,
}

/// What happens to a call, in this order: one start, attempts with retries between them,
/// one end. A call that is dropped before it has answered has no end: its last attempt may
/// have been sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A call begins; its key is settled.
    #[non_exhaustive]
    CallStarted {
        /// Which.
        call: CallFacts<'a>,
    },
    /// An attempt has ended.
    #[non_exhaustive]
    AttemptFinished {
        /// Of which call.
        call: CallFacts<'a>,
        /// Counted from 1.
        attempt: u32,
        /// The HTTP status, where one arrived.
        status: Option<u16>,
        /// How it ended, in one word: `ok`, `unreadable`, `refused`, `not-sent`, `lost`, ...
        ended: &'static str,
        /// How long it took.
        elapsed: Duration,
    },
    /// Another attempt will follow.
    #[non_exhaustive]
    RetryScheduled {
        /// Of which call.
        call: CallFacts<'a>,
        /// The attempt that will follow, counted from 1.
        attempt: u32,
        /// The wait before it.
        wait: Duration,
    },
    /// The call has ended.
    #[non_exhaustive]
    CallFinished {
        /// Which.
        call: CallFacts<'a>,
        /// Whether it gave an answer that could be read.
        ok: bool,
        /// The last HTTP status, where one arrived.
        status: Option<u16>,
        /// What is known of the effect, over this call and earlier ones under its key. A read
        /// has none.
        effect: Effect,
        /// How many attempts it took.
        attempts: u32,
        /// How long it took.
        elapsed: Duration,
    },
}

impl<'a> Event<'a> {
    /// Which call it is about.
    #[must_use]
    pub fn call(&self) -> CallFacts<'a> {
        match self {
            Self::CallStarted { call }
            | Self::AttemptFinished { call, .. }
            | Self::RetryScheduled { call, .. }
            | Self::CallFinished { call, .. } => *call,
        }
    }
}

/// Tells an observer. One that panics destroys no answer.
pub(crate) fn tell(observer: &dyn Observer, event: &Event<'_>) {
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| observer.observe(event)));
    if told.is_err() {
        tracing::error!(operation = event.call().operation.word(), "the observer panicked");
    }
}
