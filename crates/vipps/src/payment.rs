//! What is known of a payment.

use vipps_core::types::{Amount, AmountError, Timestamp};
use vipps_epayment::enums::{PaymentEventName, State};
use vipps_epayment::types;

/// A payment as [`Payments::get`](crate::Payments::get) reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Payment(Box<types::GetPaymentResponse>);

/// A payment after a capture, refund or cancel.
#[derive(Clone, Debug, PartialEq)]
pub struct Modification(Box<types::ModificationResponse>);

/// A payment that was just created.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatedPayment(types::CreatePaymentResponse);

/// One event of a payment: what happened, when, and under which key.
#[derive(Clone, Debug, PartialEq)]
pub struct PaymentEvent(types::PaymentEvent);

/// The money moved so far, in the payment's currency.
///
/// On a terminated payment more is cancelled than was ever authorized: subtract with
/// [`Amount::checked_sub`], or ask [`Payment::capturable`].
#[derive(Clone, Copy, Debug)]
pub struct Aggregate<'a>(&'a types::Aggregate);

impl Aggregate<'_> {
    /// Reserved on the customer's account so far.
    #[must_use]
    pub fn authorized(&self) -> &Amount {
        &self.0.authorized_amount
    }

    /// Taken so far, refunds not subtracted.
    #[must_use]
    pub fn captured(&self) -> &Amount {
        &self.0.captured_amount
    }

    /// Released so far.
    #[must_use]
    pub fn cancelled(&self) -> &Amount {
        &self.0.cancelled_amount
    }

    /// Given back so far.
    #[must_use]
    pub fn refunded(&self) -> &Amount {
        &self.0.refunded_amount
    }

    fn capturable(&self, state: &State) -> Result<Amount, AmountError> {
        match state {
            State::Authorized => self.authorized().checked_sub(self.captured())?.checked_sub(self.cancelled()),
            _ => Ok(Amount::new(0, self.authorized().currency().clone())),
        }
    }
}

macro_rules! shared_accessors {
    ($name:ident, $raw:ty) => {
        impl $name {
            /// The merchant's reference.
            #[must_use]
            pub fn reference(&self) -> &str {
                &self.0.reference
            }

            /// Vipps' reference of the payment: that of its first event. Later events have
            /// their own.
            #[must_use]
            pub fn psp_reference(&self) -> Option<&str> {
                self.0.psp_reference.as_deref()
            }

            /// How far authorization went. Captures, refunds and cancels do not change it:
            /// they show in [`aggregate`](Self::aggregate).
            #[must_use]
            pub fn state(&self) -> &State {
                &self.0.state
            }

            /// The original amount of the payment.
            #[must_use]
            pub fn amount(&self) -> &Amount {
                &self.0.amount
            }

            /// The money moved so far.
            #[must_use]
            pub fn aggregate(&self) -> Aggregate<'_> {
                Aggregate(&self.0.aggregate)
            }

            /// What can still be captured; nothing unless authorized.
            ///
            /// # Errors
            ///
            /// [`AmountError`] when the answer mixes currencies.
            pub fn capturable(&self) -> Result<Amount, AmountError> {
                self.aggregate().capturable(self.state())
            }

            /// What can still be refunded: captured less refunded.
            ///
            /// # Errors
            ///
            /// [`AmountError`] when the answer mixes currencies.
            pub fn refundable(&self) -> Result<Amount, AmountError> {
                self.aggregate().captured().checked_sub(self.aggregate().refunded())
            }

            /// Everything the answer held, as the document names it.
            #[must_use]
            pub fn raw(&self) -> &$raw {
                &self.0
            }
        }
    };
}

shared_accessors!(Payment, types::GetPaymentResponse);
shared_accessors!(Modification, types::ModificationResponse);

impl Payment {
    /// Where the customer is sent, while the payment waits for them.
    #[must_use]
    pub fn redirect_url(&self) -> Option<&str> {
        self.0.redirect_url.as_ref().map(|url| url.reveal().as_str())
    }

    /// Until when the capture is guaranteed, where Vipps says so.
    #[must_use]
    pub fn capture_guaranteed_until(&self) -> Option<&Timestamp> {
        self.0.capture_guaranteed_until.as_ref()
    }
}

impl CreatedPayment {
    /// The merchant's reference.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.0.reference
    }

    /// Where to send the customer, unchanged; the image or target for a QR payment. Absent
    /// for a push message.
    #[must_use]
    pub fn redirect_url(&self) -> Option<&str> {
        self.0.redirect_url.as_ref().map(|url| url.reveal().as_str())
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::CreatePaymentResponse {
        &self.0
    }
}

impl PaymentEvent {
    /// What happened; `None` where an old answer does not say.
    #[must_use]
    pub fn name(&self) -> Option<&PaymentEventName> {
        self.0.name.as_ref()
    }

    /// The amount of this event alone.
    #[must_use]
    pub fn amount(&self) -> &Amount {
        &self.0.amount
    }

    /// When it happened.
    #[must_use]
    pub fn timestamp(&self) -> Option<&Timestamp> {
        self.0.timestamp.as_ref()
    }

    /// Whether it succeeded; a failed attempt is logged too.
    #[must_use]
    pub fn success(&self) -> Option<bool> {
        self.0.success
    }

    /// Vipps' reference of this event.
    #[must_use]
    pub fn psp_reference(&self) -> Option<&str> {
        self.0.psp_reference.as_deref()
    }

    /// The idempotency key of the request behind it, where there was one.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&str> {
        self.0.idempotency_key.as_deref()
    }

    /// Everything the answer held, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::PaymentEvent {
        &self.0
    }
}

impl From<types::GetPaymentResponse> for Payment {
    fn from(raw: types::GetPaymentResponse) -> Self {
        Self(Box::new(raw))
    }
}

impl From<types::ModificationResponse> for Modification {
    fn from(raw: types::ModificationResponse) -> Self {
        Self(Box::new(raw))
    }
}

impl From<types::CreatePaymentResponse> for CreatedPayment {
    fn from(raw: types::CreatePaymentResponse) -> Self {
        Self(raw)
    }
}

impl From<types::PaymentEvent> for PaymentEvent {
    fn from(raw: types::PaymentEvent) -> Self {
        Self(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(state: &str, [authorized, captured, cancelled, refunded]: [i64; 4]) -> Payment {
        let money = |value: i64| serde_json::json!({ "currency": "DKK", "value": value });
        let raw: types::GetPaymentResponse = serde_json::from_value(serde_json::json!({
            "reference": "acme-1", "state": state, "amount": money(1000),
            "aggregate": {
                "authorizedAmount": money(authorized), "capturedAmount": money(captured),
                "cancelledAmount": money(cancelled), "refundedAmount": money(refunded),
            }
        }))
        .unwrap();
        raw.into()
    }

    #[test]
    fn what_is_left_never_goes_below_zero() {
        let cases = [
            ("CREATED", [0, 0, 0, 0], 0, 0),
            ("AUTHORIZED", [1000, 250, 0, 100], 750, 150),
            ("AUTHORIZED", [1000, 250, 750, 0], 0, 250),
            ("TERMINATED", [0, 0, 1000, 0], 0, 0),
            ("FROZEN", [1000, 0, 0, 0], 0, 0),
        ];
        for (state, money, capturable, refundable) in cases {
            let payment = payment(state, money);
            assert_eq!(payment.capturable(), Ok(Amount::dkk_minor(capturable)), "{state}");
            assert_eq!(payment.refundable(), Ok(Amount::dkk_minor(refundable)), "{state}");
        }
    }
}
