//! A payment of the PSP API as Vipps sees it: its states, its money and its log. Pure: no
//! HTTP, no JSON, no clock.
//!
//! Amounts are minor units, NOK only.

use crate::clock::{MINUTE, Millis};

/// A customer has this long to confirm.
const CONFIRM_WITHIN: Millis = 10 * MINUTE;

/// How far a payment went. No operation shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Initiated,
    /// The customer confirmed; the PSP is asked.
    Waiting,
    /// The PSP wants 3-D Secure.
    SoftDeclined,
    Reserved,
    Failed,
    UserCancelled,
    TimedOut,
}

impl State {
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Initiated => "INITIATED",
            Self::Waiting => "WAITING",
            Self::SoftDeclined => "SOFT_DECLINED",
            Self::Reserved => "RESERVED",
            Self::Failed => "FAILED",
            Self::UserCancelled => "USER_CANCEL",
            Self::TimedOut => "TIMEOUT",
        }
    }
}

/// What a PSP reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Reserved,
    Captured,
    Cancelled,
    Refunded,
}

impl Operation {
    pub(crate) fn from_wire(name: &str) -> Option<Self> {
        Some(match name {
            "RESERVED" => Self::Reserved,
            "CAPTURED" => Self::Captured,
            "CANCELLED" => Self::Cancelled,
            "REFUNDED" => Self::Refunded,
            _ => return None,
        })
    }

    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Reserved => "RESERVED",
            Self::Captured => "CAPTURED",
            Self::Cancelled => "CANCELLED",
            Self::Refunded => "REFUNDED",
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) operation: Operation,
    pub(crate) amount: i64,
    pub(crate) text: Option<String>,
    pub(crate) at: Millis,
    pub(crate) success: bool,
    pub(crate) idempotency_key: Option<String>,
}

/// What the PSP said about the payment.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) sales_unit: String,
    pub(crate) order_id: String,
    pub(crate) amount: i64,
    pub(crate) redirect_url: String,
    pub(crate) make_payment_url: String,
    pub(crate) make_payment_token: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) phone_number: Option<String>,
}

/// A PSP payment.
#[derive(Clone, Debug)]
pub(crate) struct PspPayment {
    pub(crate) id: String,
    pub(crate) terms: Terms,
    pub(crate) state: State,
    pub(crate) reserved: i64,
    pub(crate) captured: i64,
    pub(crate) cancelled: i64,
    pub(crate) refunded: i64,
    pub(crate) log: Vec<Entry>,
    pub(crate) created: Millis,
    pub(crate) landing_token: String,
    /// Where the PSP wants the customer for 3-D Secure.
    pub(crate) url_3d_secure: Option<String>,
    /// When the PSP wanted that.
    pub(crate) declined: Millis,
}

impl PspPayment {
    pub(crate) fn new(id: String, terms: Terms, landing_token: String, created: Millis) -> Self {
        Self {
            id,
            terms,
            state: State::Initiated,
            reserved: 0,
            captured: 0,
            cancelled: 0,
            refunded: 0,
            log: Vec::new(),
            created,
            landing_token,
            url_3d_secure: None,
            declined: created,
        }
    }

    /// When it ends by itself.
    pub(crate) fn next_timer(&self) -> Option<Millis> {
        match self.state {
            State::Initiated => Some(self.created + CONFIRM_WITHIN),
            State::SoftDeclined => Some(self.declined + CONFIRM_WITHIN),
            _ => None,
        }
    }

    pub(crate) fn left_to_capture(&self) -> i64 {
        self.reserved - self.captured - self.cancelled
    }

    pub(crate) fn left_to_refund(&self) -> i64 {
        self.captured - self.refunded
    }

    pub(crate) fn reserve(&mut self, at: Millis) {
        self.state = State::Reserved;
        self.reserved = self.terms.amount;
        let text = self.terms.text.clone();
        let (operation, amount) = (Operation::Reserved, self.terms.amount);
        self.log.push(Entry { operation, amount, text, at, success: true, idempotency_key: None });
    }

    /// Applies what the PSP reports; what cannot be is logged as a failure and moves nothing.
    pub(crate) fn apply(
        &mut self,
        operation: Operation,
        amount: i64,
        succeeded: bool,
        text: Option<String>,
        key: Option<String>,
        at: Millis,
    ) {
        let possible = self.state == State::Reserved && amount > 0;
        let room = match operation {
            // The answer of makePayment has reserved it; to say so again changes nothing.
            Operation::Reserved => self.reserved,
            Operation::Captured | Operation::Cancelled => self.left_to_capture(),
            Operation::Refunded => self.left_to_refund(),
        };
        let success = succeeded && possible && amount <= room;
        if success {
            match operation {
                Operation::Reserved => {}
                Operation::Captured => self.captured += amount,
                Operation::Cancelled => self.cancelled += amount,
                Operation::Refunded => self.refunded += amount,
            }
        }
        self.log.push(Entry { operation, amount, text, at, success, idempotency_key: key });
    }
}

/// The token of the customer's card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NetworkToken {
    pub(crate) number: &'static str,
    pub(crate) expiry_month: &'static str,
    pub(crate) expiry_year: &'static str,
    pub(crate) cryptogram: &'static str,
}

impl NetworkToken {
    pub(crate) fn is_mastercard(&self) -> bool {
        self.number.starts_with('5')
    }
}

/// The card that an amount selects in the test environment; none where it emulates a card
/// that is not eligible.
pub(crate) fn card_for(amount: i64) -> Option<NetworkToken> {
    let token = |number, expiry_month, expiry_year, cryptogram| {
        Some(NetworkToken { number, expiry_month, expiry_year, cryptogram })
    };
    match amount {
        2200 => token("5226603115488031", "05", "2025", "AlhlvxmN2ZKuAAESNFZ4GoABFA=="),
        3100 => None,
        3200 => token("4111111111111111", "03", "2030", "uxToh3Ep6gsR8AAkvZALN19Iz34="),
        4200 => token("4895370013193500", "03", "2030", "AlhlvxmN2ZKuAAESNFZ4GoABFA=="),
        4300 => token("5226603115488031", "03", "2030", "AlhlvxmN2ZKuAAESNFZ4GoABFA=="),
        4400 => token("4895370012792682", "12", "2022", "AgAAAAAAAIR8CQrXSohbQAAAAAA="),
        5100 => token("4268270087302871", "09", "2024", "AgAAAAAAAIR8CQrXSohbQAAAAAA="),
        5200 => token("5413330089010442", "12", "2025", "AgAAAAAAAIR8CQrXSohbQAAAAAA="),
        _ => token("4895370013193500", "05", "2025", "AlhlvxmN2ZKuAAESNFZ4GoABFA=="),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_move_only_money_that_is_there() {
        let terms = Terms {
            sales_unit: "123456".into(),
            order_id: "o".into(),
            amount: 1000,
            redirect_url: String::new(),
            make_payment_url: String::new(),
            make_payment_token: None,
            text: None,
            phone_number: None,
        };
        let mut payment = PspPayment::new("p".into(), terms, "t".into(), 0);
        payment.apply(Operation::Captured, 1000, true, None, None, 0);
        payment.reserve(1);
        // Operation, amount, success at the PSP; then success here, captured, cancelled, refunded.
        let table = [
            (Operation::Captured, 400, true, true, [400, 0, 0]),
            (Operation::Captured, 700, true, false, [400, 0, 0]),
            (Operation::Captured, 100, false, false, [400, 0, 0]),
            (Operation::Refunded, 500, true, false, [400, 0, 0]),
            (Operation::Refunded, 400, true, true, [400, 0, 400]),
            (Operation::Cancelled, 600, true, true, [400, 600, 400]),
            (Operation::Captured, 1, true, false, [400, 600, 400]),
            (Operation::Reserved, 1000, true, true, [400, 600, 400]),
        ];
        assert!(!payment.log[0].success, "nothing was reserved yet");
        for (operation, amount, reported, success, money) in table {
            payment.apply(operation, amount, reported, None, None, 2);
            assert_eq!(payment.log[payment.log.len() - 1].success, success, "{operation:?} {amount}");
            assert_eq!([payment.captured, payment.cancelled, payment.refunded], money);
        }
    }

    #[test]
    fn amounts_select_the_published_cards() {
        assert_eq!(card_for(2200).map(|card| card.is_mastercard()), Some(true));
        assert_eq!(card_for(49_900).map(|card| card.number), Some("4895370013193500"));
        assert_eq!(card_for(3100), None);
    }
}
