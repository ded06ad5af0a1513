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
    /// Approved: the money is reserved and can be captured.
    Authorized(Payment),
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
            State::Authorized => Decision::Authorized(payment),
            State::Aborted => Decision::Aborted,
            State::Expired => Decision::Expired,
            State::Terminated => Decision::Terminated,
            _ => Decision::Undecided(payment),
        })
    }
}
