//! The published rate limits: how many requests of a kind about one thing in a minute.

use std::collections::HashMap;

use crate::clock::Millis;

const WINDOW: Millis = 60_000;

/// Requests in the current window of each subject.
#[derive(Debug, Default)]
pub(crate) struct RateLimits {
    windows: HashMap<(String, String), (Millis, u32)>,
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
    /// Counts a request; gives the seconds to wait when it is one too many.
    pub(crate) fn count(&mut self, operation: &str, subject: &str, now: Millis) -> Option<i64> {
        let most = limit_of(operation)?;
        if self.windows.len() > 10_000 {
            self.windows.retain(|_, (start, _)| now < *start + WINDOW);
        }
        let (start, count) = self.windows.entry((operation.to_owned(), subject.to_owned())).or_insert((now, 0));
        if now >= *start + WINDOW {
            (*start, *count) = (now, 0);
        }
        *count += 1;
        (*count > most).then(|| (*start + WINDOW - now + 999) / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_write_in_a_minute_waits_for_the_next() {
        let mut limits = RateLimits::default();
        let mut ask = |subject: &str, now| limits.count("capturePayment", subject, now);
        assert!((0..5).all(|_| ask("a", 0).is_none()));
        assert_eq!((ask("a", 1_000), ask("b", 1_000), ask("a", 59_999)), (Some(59), None, Some(1)));
        assert_eq!(ask("a", 60_000), None);
    }
}
