//! One seam on the loop: for metrics, journals and limiters.

use std::time::Duration;

use vipps_types::IdempotencyKey;

use crate::operation::Operation;

/// Something that watches calls. It is told in the task of the call: return quickly.
///
/// Nothing that it sees is a secret or personal data.
pub trait Observer: Send + Sync {
    /// One thing that happened.
    fn observe(&self, event: &Event<'_>);
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
        /// What is called.
        operation: &'static Operation,
        /// The key that every attempt will carry.
        idempotency_key: Option<&'a IdempotencyKey>,
    },
    /// An attempt has ended.
    #[non_exhaustive]
    AttemptFinished {
        /// What is called.
        operation: &'static Operation,
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
        /// What is called.
        operation: &'static Operation,
        /// The attempt that will follow, counted from 1.
        attempt: u32,
        /// The wait before it.
        wait: Duration,
    },
    /// The call has ended.
    #[non_exhaustive]
    CallFinished {
        /// What was called.
        operation: &'static Operation,
        /// Whether it gave an answer that could be read.
        ok: bool,
        /// True when it failed and may have taken effect all the same.
        may_have_taken_effect: bool,
        /// How many attempts it took.
        attempts: u32,
        /// How long it took.
        elapsed: Duration,
    },
}
