//! The names of agreements and charges, which are easily taken for each other, and the currency
//! that goes with an agreement.

use std::fmt;

use serde::{Deserialize, Serialize};
use vipps_core::types::{Amount, Currency, Place, Violation};

/// Vipps' id of an agreement: `agr_5kSeqz`. Made of a text, or of an [`AgreementRef`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AgreementId(pub(crate) String);

/// An agreement as charges need to know it: its id, and the currency that all its charges are
/// in. Requests carry the value of an amount alone, so this is what tells 99.00 EUR from
/// 99.00 NOK before they are sent.
///
/// Made by the draft, and by every agreement that is read. It can be stored:
///
/// ```
/// use vipps::{AgreementRef, Currency};
///
/// let agreement = AgreementRef::new("agr_5kSeqz", Currency::Nok);
/// assert_eq!((agreement.id(), agreement.currency()), ("agr_5kSeqz", &Currency::Nok));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AgreementRef {
    id: String,
    currency: Currency,
}

/// The id of a charge under its agreement: the merchant's order id where one was given.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChargeId(String);

impl AgreementRef {
    /// An agreement from what was stored of it.
    pub fn new(id: impl Into<String>, currency: Currency) -> Self {
        Self { id: id.into(), currency }
    }

    /// Vipps' id of the agreement.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The currency of its price and of all its charges.
    #[must_use]
    pub fn currency(&self) -> &Currency {
        &self.currency
    }

    /// Lets an amount in the currency of the agreement pass.
    pub(crate) fn fits(&self, currency: &Currency, at: &Place<'_>) -> Result<(), Violation> {
        if *currency == self.currency {
            return Ok(());
        }
        Err(at.broken(format!("must be in {}, the currency of the agreement, and is in {currency}", self.currency)))
    }

    pub(crate) fn fits_amount(&self, amount: &Amount, at: &Place<'_>) -> Result<(), Violation> {
        self.fits(amount.currency(), at)
    }
}

impl ChargeId {
    /// The id of a charge, from what was stored of it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChargeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&ChargeId> for ChargeId {
    fn from(id: &ChargeId) -> Self {
        id.clone()
    }
}

impl From<&AgreementRef> for AgreementRef {
    fn from(agreement: &AgreementRef) -> Self {
        agreement.clone()
    }
}

impl From<&str> for AgreementId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl From<&String> for AgreementId {
    fn from(id: &String) -> Self {
        Self(id.clone())
    }
}

impl From<String> for AgreementId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl From<AgreementRef> for AgreementId {
    fn from(agreement: AgreementRef) -> Self {
        Self(agreement.id)
    }
}

impl From<&AgreementRef> for AgreementId {
    fn from(agreement: &AgreementRef) -> Self {
        Self(agreement.id.clone())
    }
}

impl From<&AgreementId> for AgreementId {
    fn from(id: &AgreementId) -> Self {
        id.clone()
    }
}
