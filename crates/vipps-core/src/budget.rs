//! The retry budget of a client: when everything fails, retries stop adding to the load.

use std::sync::atomic::{AtomicU64, Ordering};

/// Thousandths of a retry that a client may hold, spend and earn.
const FULL: u64 = 10_000;
const RETRY: u64 = 1_000;
const CALL: u64 = 200;

/// A bucket of 10 retries; each call puts 0.2 back.
#[derive(Debug)]
pub(crate) struct Budget(AtomicU64);

impl Budget {
    pub(crate) fn full() -> Self {
        Self(AtomicU64::new(FULL))
    }

    pub(crate) fn earn(&self) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| Some((held + CALL).min(FULL)));
    }

    /// Takes one retry, where there is one.
    pub(crate) fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| held.checked_sub(RETRY)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_retries_then_one_for_every_five_calls() {
        let budget = Budget::full();
        budget.earn();
        assert_eq!((0..20).filter(|_| budget.spend()).count(), 10);
        (0..4).for_each(|_| budget.earn());
        assert!(!budget.spend());
        budget.earn();
        assert!(budget.spend());
    }
}
