//! The magic amounts of the test environment, in minor units: what the customer's approval
//! of them comes to.

/// Which magic amounts act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Magic {
    None,
    /// Those of every market.
    Common,
    /// Those of Norway too.
    Norwegian,
}

impl Magic {
    /// The customer's card refuses the amount.
    pub(crate) fn refuses(self, amount: i64) -> bool {
        match amount {
            151 | 182 | 183 | 184 | 186 | 187 => self != Self::None,
            197 | 202 => self == Self::Norwegian,
            _ => false,
        }
    }

    /// A refund of this amount is refused with this code, whatever the payment is.
    pub(crate) fn refuses_refund(self, amount: i64) -> Option<u16> {
        match amount {
            123 if self != Self::None => Some(6210),
            124 if self != Self::None => Some(6220),
            _ => None,
        }
    }

    /// The outcome is known an hour later.
    pub(crate) fn delays(self, amount: i64) -> bool {
        amount == 201 && self != Self::None
    }
}
