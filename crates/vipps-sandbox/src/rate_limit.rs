//! The published rate limits: how many requests of a kind about one subject in a minute.

use std::collections::{HashMap, VecDeque};

use crate::clock::Millis;
use crate::options::RateLimitWindow;

const MINUTE: Millis = 60_000;

/// Requests of the last minute, or of the current one, by what they are counted as.
#[derive(Debug, Default)]
pub(crate) struct RateLimits {
    taken: HashMap<String, VecDeque<Millis>>,
}

/// Requests a minute of an operation, by the published table.
pub(crate) fn limit_of(operation: &str) -> Option<u32> {
    match operation {
        "createPayment" | "capturePayment" | "cancelPayment" | "refundPayment" => Some(5),
        "getPayment" | "getPaymentEventLog" | "FetchAgreementV3" | "FetchAgreement" => Some(120),
        "CreateChargeV3" | "CreateCharge" => Some(2),
        "CancelChargeV3" | "CancelCharge" | "CaptureChargeV3" | "CaptureCharge" => Some(5),
        "RefundChargeV3" | "RefundCharge" | "ListAgreementsV3" | "ListAgreements" => Some(5),
        "UpdateAgreementPatchV3" | "UpdateAgreementPatch" | "UpdateAgreementPut" => Some(5),
        "FetchChargeV3" | "FetchCharge" | "ListChargesV3" | "ListCharges" => Some(10),
        "FetchChargeByIdV3" => Some(100),
        "DraftAgreementV3" | "DraftAgreement" => Some(300),
        _ => None,
    }
}

impl RateLimits {
    /// Counts a request against each of its limits, a name and a number; where it is one too
    /// many for any of them it counts for none, and the seconds to wait come back.
    pub(crate) fn count(&mut self, limits: &[(String, u32)], window: RateLimitWindow, now: Millis) -> Option<i64> {
        if self.taken.len() > 10_000 {
            self.taken.retain(|_, taken| taken.back().is_some_and(|last| now < *last + MINUTE));
        }
        let mut free_at = now;
        for (subject, most) in limits {
            let taken = self.taken.entry(subject.clone()).or_default();
            match window {
                RateLimitWindow::Sliding => {
                    while taken.front().is_some_and(|first| now >= *first + MINUTE) {
                        taken.pop_front();
                    }
                }
                RateLimitWindow::Fixed => {
                    if taken.front().is_some_and(|first| now >= *first + MINUTE) {
                        taken.clear();
                    }
                }
            }
            if taken.len() >= *most as usize {
                free_at = free_at.max(taken.front().map_or(now, |first| first + MINUTE));
            }
        }
        if free_at > now {
            return Some((free_at - now + 999) / 1000);
        }
        for (subject, _) in limits {
            self.taken.entry(subject.clone()).or_default().push_back(now);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(limits: &mut RateLimits, window: RateLimitWindow, subject: &str, now: Millis) -> Option<i64> {
        limits.count(&[(subject.to_owned(), 5)], window, now)
    }

    #[test]
    fn a_sliding_minute_frees_a_place_when_its_request_is_a_minute_old() {
        let mut limits = RateLimits::default();
        let mut ask = |subject: &str, now| ask(&mut limits, RateLimitWindow::Sliding, subject, now);
        assert!([0, 0, 0, 40_000, 40_000].iter().all(|now| ask("a", *now).is_none()));
        assert_eq!((ask("a", 41_000), ask("b", 41_000)), (Some(19), None));
        // Three are free again, and no more: the window slides.
        assert_eq!([60_000; 4].map(|now| ask("a", now)), [None, None, None, Some(40)]);
    }

    #[test]
    fn a_fixed_minute_begins_with_its_first_request_and_ends_for_all() {
        let mut limits = RateLimits::default();
        let mut ask = |now| ask(&mut limits, RateLimitWindow::Fixed, "a", now);
        assert!([0, 0, 0, 59_000, 59_000].iter().all(|now| ask(*now).is_none()));
        assert_eq!(ask(59_999), Some(1));
        assert!((0..5).all(|_| ask(60_000).is_none()), "all five are free at once");
    }

    #[test]
    fn a_request_over_one_limit_counts_for_none() {
        let mut limits = RateLimits::default();
        let both = [("charge".to_owned(), 1), ("unit".to_owned(), 3)];
        assert_eq!(limits.count(&both, RateLimitWindow::Sliding, 0), None);
        assert_eq!(limits.count(&both, RateLimitWindow::Sliding, 1_000), Some(59));
        let other = [("other charge".to_owned(), 5), ("unit".to_owned(), 3)];
        assert_eq!([0; 3].map(|_| limits.count(&other, RateLimitWindow::Sliding, 2_000)), [None, None, Some(58)]);
    }
}
