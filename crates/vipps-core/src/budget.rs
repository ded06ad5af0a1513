//! The retry budget of a client: when everything fails, retries stop adding to the load.
//!
//! Two buckets: reads and waits never take what writes may need to find out what became of
//! them. Successes alone put something back, so an outage costs a bounded number of retries.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::retry::RetryPolicy;

/// The retries that a client has in store.
#[derive(Debug)]
pub(crate) struct Budget {
    /// In parts of a retry: as many as successes that put one back.
    retry: u64,
    success: u64,
    least: u64,
    reads: AtomicU64,
    writes: Mutex<Writes>,
}

/// The store of writes grows with how many are under way while all is well, so that each of
/// them can repeat once.
#[derive(Debug)]
struct Writes {
    under_way: u64,
    held: u64,
    most: u64,
}

impl Budget {
    pub(crate) fn full(policy: &RetryPolicy) -> Self {
        let retry = u64::from(policy.calls_per_retry.max(1));
        let least = u64::from(policy.budget) * retry;
        Self {
            retry,
            success: u64::from(policy.calls_per_retry > 0),
            least,
            reads: AtomicU64::new(least),
            writes: Mutex::new(Writes { under_way: 0, held: least, most: least }),
        }
    }

    /// A write begins. While nothing was taken from the store, it is as large as there are
    /// writes under way; a store of nothing stays one.
    pub(crate) fn begin_write(&self) {
        let mut writes = self.writes();
        writes.under_way += 1;
        let wanted = writes.under_way.saturating_mul(self.retry);
        if self.least > 0 && writes.held == writes.most && wanted > writes.most {
            (writes.held, writes.most) = (wanted, wanted);
        }
    }

    pub(crate) fn end_write(&self) {
        let mut writes = self.writes();
        writes.under_way = writes.under_way.saturating_sub(1);
    }

    /// A call has succeeded.
    pub(crate) fn earn(&self) {
        let more = |held: u64| Some(held.saturating_add(self.success).min(self.least));
        let _ = self.reads.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let mut writes = self.writes();
        writes.most = if self.least == 0 { 0 } else { self.least.max(writes.under_way.saturating_mul(self.retry)) };
        writes.held = writes.held.saturating_add(self.success).min(writes.most);
    }

    /// Takes one retry, where there is one.
    pub(crate) fn spend(&self, is_read: bool) -> bool {
        if is_read {
            let less = |held: u64| held.checked_sub(self.retry);
            return self.reads.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        }
        let mut writes = self.writes();
        match writes.held.checked_sub(self.retry) {
            Some(left) => {
                writes.held = left;
                true
            }
            None => false,
        }
    }

    fn writes(&self) -> MutexGuard<'_, Writes> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(budget: &Budget, is_read: bool) -> usize {
        (0..1000).filter(|_| budget.spend(is_read)).count()
    }

    #[test]
    fn ten_retries_then_one_for_every_five_successes() {
        for is_read in [true, false] {
            let budget = Budget::full(&RetryPolicy::default());
            budget.earn();
            assert_eq!(spent(&budget, is_read), 10);
            (0..4).for_each(|_| budget.earn());
            assert!(!budget.spend(is_read));
            budget.earn();
            assert!(budget.spend(is_read));
        }
    }

    #[test]
    fn each_of_fifty_writes_under_way_can_repeat_once() {
        let budget = Budget::full(&RetryPolicy::default());
        (0..50).for_each(|_| budget.begin_write());
        assert_eq!(spent(&budget, false), 50);
        // What begins while the store is not full adds nothing to it.
        (0..50).for_each(|_| budget.begin_write());
        assert_eq!(spent(&budget, false), 0);
        (0..100).for_each(|_| budget.end_write());
        (0..1000).for_each(|_| budget.earn());
        assert_eq!(spent(&budget, false), 10, "with nothing under way it is ten again");
    }

    #[test]
    fn reads_take_nothing_from_writes() {
        let budget = Budget::full(&RetryPolicy::default());
        assert_eq!((spent(&budget, true), spent(&budget, false)), (10, 10));
    }

    #[test]
    fn a_budget_of_nothing_allows_no_retry() {
        let budget = Budget::full(&RetryPolicy { budget: 0, ..RetryPolicy::default() });
        budget.begin_write();
        budget.earn();
        assert!(!budget.spend(true) && !budget.spend(false));
        let once = Budget::full(&RetryPolicy { budget: 1, calls_per_retry: 0, ..RetryPolicy::default() });
        assert!(once.spend(false));
        (0..100).for_each(|_| once.earn());
        assert!(!once.spend(false), "nothing is put back");
    }
}
