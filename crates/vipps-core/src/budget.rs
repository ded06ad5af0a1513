//! The retry budget of a client: when everything fails, retries stop adding to the load.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::retry::RetryPolicy;

/// A bucket of retries into which every call puts a part of one back.
#[derive(Debug)]
pub(crate) struct Budget {
    /// In parts: as many as calls that earn one retry.
    held: AtomicU64,
    full: u64,
    retry: u64,
    call: u64,
}

impl Budget {
    pub(crate) fn full(policy: &RetryPolicy) -> Self {
        let retry = u64::from(policy.calls_per_retry.max(1));
        let full = u64::from(policy.budget) * retry;
        let call = u64::from(policy.calls_per_retry > 0);
        Self { held: AtomicU64::new(full), full, retry, call }
    }

    pub(crate) fn earn(&self) {
        let more = |held: u64| Some(held.saturating_add(self.call).min(self.full));
        let _ = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Takes one retry, where there is one.
    pub(crate) fn spend(&self) -> bool {
        let less = |held: u64| held.checked_sub(self.retry);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_retries_then_one_for_every_five_calls() {
        let budget = Budget::full(&RetryPolicy::default());
        budget.earn();
        assert_eq!((0..20).filter(|_| budget.spend()).count(), 10);
        (0..4).for_each(|_| budget.earn());
        assert!(!budget.spend());
        budget.earn();
        assert!(budget.spend());
    }

    #[test]
    fn a_budget_of_nothing_allows_no_retry() {
        let budget = Budget::full(&RetryPolicy { budget: 0, ..RetryPolicy::default() });
        budget.earn();
        assert!(!budget.spend());
        let once = Budget::full(&RetryPolicy { budget: 1, calls_per_retry: 0, ..RetryPolicy::default() });
        assert!(once.spend());
        (0..100).for_each(|_| once.earn());
        assert!(!once.spend(), "nothing is put back");
    }
}
