//! The key of a write, and whether a request with it may have been sent before.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use vipps_types::IdempotencyKey;

/// The idempotency key of one write, or that it has none, with what is known of earlier
/// requests of the same write. Clones are the same write: what one of them has sent counts
/// for all.
///
/// What an error may claim depends on it. Where an earlier request under the same key may
/// have been sent, "this one was not sent" does not mean that nothing happened.
#[derive(Clone, Debug)]
pub struct KeyUse {
    key: Key,
    /// Somebody else may have used it: another process, or this one before it was restarted.
    used_elsewhere: bool,
    shared: Arc<Shared>,
}

#[derive(Clone, Debug)]
enum Key {
    None,
    Given(IdempotencyKey),
    /// Drawn once for all clones, when somebody first looks at it.
    Drawn,
}

#[derive(Debug, Default)]
struct Shared {
    drawn: OnceLock<IdempotencyKey>,
    /// Requests with the key that may have been sent.
    sent: AtomicUsize,
}

impl KeyUse {
    /// A new random key, which nobody has used.
    #[must_use]
    pub fn drawn() -> Self {
        Self { key: Key::Drawn, ..Self::keyless() }
    }

    /// A key that may have been used before: one that was given, or derived.
    #[must_use]
    pub fn given(key: IdempotencyKey) -> Self {
        Self { used_elsewhere: true, ..Self::first(key) }
    }

    /// A key of which the caller knows that no request with it was ever sent.
    #[must_use]
    pub fn first(key: IdempotencyKey) -> Self {
        Self { key: Key::Given(key), ..Self::keyless() }
    }

    /// A write without a key.
    #[must_use]
    pub fn keyless() -> Self {
        Self { key: Key::None, used_elsewhere: false, shared: Arc::default() }
    }

    /// The same key, of which the caller knows that no request with it was sent elsewhere.
    #[must_use]
    pub fn first_use(mut self) -> Self {
        self.used_elsewhere = false;
        self
    }

    /// The same write under this key, which may have been used before.
    #[must_use]
    pub fn under(mut self, key: IdempotencyKey) -> Self {
        (self.key, self.used_elsewhere) = (Key::Given(key), true);
        self
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> Option<&IdempotencyKey> {
        match &self.key {
            Key::None => None,
            Key::Given(key) => Some(key),
            Key::Drawn => Some(self.shared.drawn.get_or_init(IdempotencyKey::random)),
        }
    }

    /// True when a request of this write may have been sent before.
    #[must_use]
    pub fn may_have_been_sent(&self) -> bool {
        self.is_used_beside(0)
    }

    /// True when a request may have been sent beside so many of one's own.
    pub(crate) fn is_used_beside(&self, own: usize) -> bool {
        self.used_elsewhere || self.shared.sent.load(Ordering::SeqCst) > own
    }

    pub(crate) fn count_sent(&self) {
        self.shared.sent.fetch_add(1, Ordering::SeqCst);
    }

    /// One that was counted turned out not to have been sent.
    pub(crate) fn count_unsent(&self) {
        self.shared.sent.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_clone_has_sent_counts_for_all() {
        let key = KeyUse::drawn();
        let clone = key.clone();
        assert_eq!(clone.key(), key.key());
        assert!(!key.may_have_been_sent());
        clone.count_sent();
        assert!(key.may_have_been_sent() && !clone.is_used_beside(1));
        clone.count_unsent();
        assert!(!key.may_have_been_sent());
    }

    #[test]
    fn a_given_key_counts_as_used_unless_the_caller_knows_better() {
        let key = IdempotencyKey::random();
        assert!(KeyUse::given(key.clone()).may_have_been_sent());
        assert!(!KeyUse::first(key).may_have_been_sent());
    }
}
