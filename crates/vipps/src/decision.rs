//! Waiting for the customer.

use vipps_core::Error;
use vipps_epayment::enums::State;

use crate::payment::Payment;
use crate::payments::Payments;
use crate::wait::{Schedule, waits, watch};

/// What the customer decided, or time did. Complete on purpose: a state that is added later
/// is `Undecided`.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Approved: money is reserved, and some of it can still be captured.
    Authorized(Payment),
    /// Approved and captured: the merchant has money of it, and nothing is left to capture.
    Captured(Payment),
    /// Approved once, and over: all of the money was released or given back.
    Closed(Payment),
    /// The customer declined.
    Aborted,
    /// Nobody decided in time.
    Expired,
    /// The merchant cancelled it first.
    Terminated,
    /// Not decided by the deadline, or in a state that this version does not know: as it
    /// was last seen. Look again later; do not cancel the order because of it.
    Undecided(Payment),
}

/// See [`Payments::wait_for_decision`].
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct WaitForDecision {
    payments: Payments,
    reference: String,
    schedule: Schedule,
}

waits!(WaitForDecision -> Decision, every "2 s, as Vipps asks.");

impl WaitForDecision {
    pub(crate) fn new(payments: Payments, reference: String) -> Self {
        Self { payments, reference, schedule: Schedule::of_a_customer() }
    }

    /// Waits.
    ///
    /// # Errors
    ///
    /// [`Error`] of a look that cannot end otherwise (no such payment, wrong keys), or of
    /// the last look when none has succeeded by the deadline.
    pub async fn wait(self) -> Result<Decision, Error> {
        let Self { payments, reference, schedule } = self;
        let clock = payments.client().transport().clock().clone();
        let look = |limit| {
            let get = payments.get(reference.as_str()).max_attempts(2).deadline(limit);
            async move { get.send().await.map(vipps_core::Response::into_inner) }
        };
        let payment: Payment = watch(&*clock, schedule, look, |payment| payment.state() != &State::Created).await?;
        Ok(match payment.state() {
            State::Authorized => match (payment.capturable(), payment.refundable()) {
                (Ok(left), _) if left.minor_units() > 0 || is_untouched(&payment) => Decision::Authorized(payment),
                (Ok(_), Ok(kept)) if kept.minor_units() > 0 => Decision::Captured(payment),
                (Ok(_), Ok(_)) => Decision::Closed(payment),
                // An answer that mixes currencies says nothing of the money.
                _ => Decision::Undecided(payment),
            },
            State::Aborted => Decision::Aborted,
            State::Expired => Decision::Expired,
            State::Terminated => Decision::Terminated,
            _ => Decision::Undecided(payment),
        })
    }
}

/// Nothing was captured or released: sums that lag behind the state say nothing else.
fn is_untouched(payment: &Payment) -> bool {
    payment.aggregate().captured().is_zero() && payment.aggregate().cancelled().is_zero()
}
