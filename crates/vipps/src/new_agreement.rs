//! An agreement that is about to be drafted, and the first charge in it.

use vipps_core::types::{Amount, Currency, Personal, Place, Timestamp, Violation};
use vipps_recurring::enums::{
    BlockedPaymentSources, CampaignV3, InitialChargeV3TransactionType, PricingRequestV3, TimePeriodUnit,
};
use vipps_recurring::{limits, types};

/// An agreement to draft: by the kind of its pricing. All its amounts are in the currency of
/// the pricing.
///
/// ```
/// use vipps::{Amount, InitialCharge, NewAgreement};
///
/// let tea = NewAgreement::legacy("Tea club", Amount::nok_minor(9_900), "https://acme.example/thanks")
///     .monthly()
///     .agreement_url("https://acme.example/tea")
///     .initial_charge(InitialCharge::new(Amount::nok_minor(4_900), "A pot to begin with"));
/// # let _ = tea;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NewAgreement {
    draft: Box<types::DraftAgreementV3>,
    /// The currencies of amounts whose value alone is sent.
    initial_charge_in: Option<Currency>,
    campaign_in: Option<Currency>,
}

/// A first charge, which the customer approves together with the agreement. No ceiling of the
/// pricing applies to it.
#[derive(Clone, Debug, PartialEq)]
pub struct InitialCharge {
    charge: types::InitialChargeV3,
    currency: Currency,
}

impl NewAgreement {
    /// The same price every interval; a charge may be at most five times it.
    ///
    /// # Panics
    ///
    /// Never: every required field is given.
    #[must_use]
    pub fn legacy(product_name: impl Into<String>, price: Amount, redirect_url: impl Into<String>) -> Self {
        let pricing =
            types::LegacyPricingRequestV3::builder().amount(price.minor_units()).currency(price.currency().clone());
        let pricing: types::LegacyPricingRequestV3 = pricing.try_into().expect("every required field is given");
        Self::new(product_name, pricing, redirect_url)
    }

    /// A price that differs from charge to charge, up to what the customer chooses; the
    /// suggestion is shown to them.
    ///
    /// # Panics
    ///
    /// Never: every required field is given.
    #[must_use]
    pub fn variable(product_name: impl Into<String>, suggested_max: Amount, redirect_url: impl Into<String>) -> Self {
        let pricing = types::VariablePricingRequestV3::builder()
            .suggested_max_amount(suggested_max.minor_units())
            .currency(suggested_max.currency().clone());
        let pricing: types::VariablePricingRequestV3 = pricing.try_into().expect("every required field is given");
        Self::new(product_name, pricing, redirect_url)
    }

    /// Any price at any time.
    ///
    /// # Panics
    ///
    /// Never: every required field is given.
    #[must_use]
    pub fn flexible(product_name: impl Into<String>, currency: Currency, redirect_url: impl Into<String>) -> Self {
        let pricing = types::FlexiblePricingRequestV3::builder().currency(currency);
        let pricing: types::FlexiblePricingRequestV3 = pricing.try_into().expect("every required field is given");
        Self::new(product_name, pricing, redirect_url)
    }

    fn new(
        product_name: impl Into<String>,
        pricing: impl Into<PricingRequestV3>,
        redirect_url: impl Into<String>,
    ) -> Self {
        let draft = types::DraftAgreementV3::builder()
            .product_name(product_name.into())
            .pricing(pricing.into())
            .merchant_redirect_url(redirect_url.into());
        let draft: types::DraftAgreementV3 = draft.try_into().expect("every required field is given");
        Self { draft: Box::new(draft), initial_charge_in: None, campaign_in: None }
    }

    /// One interval is this many days, weeks, months or years: 1 to 31.
    ///
    /// # Panics
    ///
    /// Never: every required field is given.
    #[must_use]
    pub fn interval(mut self, count: i64, unit: TimePeriodUnit) -> Self {
        self.draft.interval = Some(period(count, unit));
        self
    }

    /// One interval is a month.
    #[must_use]
    pub fn monthly(self) -> Self {
        self.interval(1, TimePeriodUnit::Month)
    }

    /// Where the customer sees and ends the agreement at the merchant's: https. Norwegian
    /// merchants must have one.
    #[must_use]
    pub fn agreement_url(mut self, url: impl Into<String>) -> Self {
        self.draft.merchant_agreement_url = Some(url.into());
        self
    }

    /// What is sold, in more words.
    #[must_use]
    pub fn product_description(mut self, text: impl Into<String>) -> Self {
        self.draft.product_description = Some(text.into());
        self
    }

    /// The customer's phone: country code and number, digits only.
    #[must_use]
    pub fn phone_number(mut self, number: impl Into<String>) -> Self {
        self.draft.phone_number = Some(Personal::new(number.into()));
        self
    }

    /// The merchant's own id of the agreement: 1 to 64 characters, not unique.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.draft.external_id = Some(id.into());
        self
    }

    /// A lower price until a point in time.
    ///
    /// # Panics
    ///
    /// Never: every required field is given.
    #[must_use]
    pub fn price_campaign(self, price: Amount, end: impl Into<Timestamp>) -> Self {
        let campaign = types::PriceCampaignV3::builder().price(price.minor_units()).end(end.into());
        self.campaign(&price, types::PriceCampaignV3::try_from(campaign).expect("every required field is given"))
    }

    /// Another price for a first period.
    ///
    /// # Panics
    ///
    /// Never: every required field is given.
    #[must_use]
    pub fn period_campaign(self, price: Amount, count: i64, unit: TimePeriodUnit) -> Self {
        let campaign = types::PeriodCampaignV3::builder().price(price.minor_units()).period(period(count, unit));
        self.campaign(&price, types::PeriodCampaignV3::try_from(campaign).expect("every required field is given"))
    }

    /// Another price until an event, which the text names.
    ///
    /// # Panics
    ///
    /// Never: every required field is given.
    #[must_use]
    pub fn event_campaign(self, price: Amount, date: impl Into<Timestamp>, text: impl Into<String>) -> Self {
        let campaign = types::EventCampaignV3::builder().price(price.minor_units());
        let campaign = campaign.event_date(date.into()).event_text(text.into());
        self.campaign(&price, types::EventCampaignV3::try_from(campaign).expect("every required field is given"))
    }

    fn campaign(mut self, price: &Amount, campaign: impl Into<CampaignV3>) -> Self {
        self.campaign_in = Some(price.currency().clone());
        self.draft.campaign = Some(campaign.into());
        self
    }

    /// A first charge that the customer approves together with the agreement.
    #[must_use]
    pub fn initial_charge(mut self, charge: InitialCharge) -> Self {
        self.initial_charge_in = Some(charge.currency);
        self.draft.initial_charge = Some(charge.charge);
        self
    }

    /// Refuses commercial cards as the source of its payments: in Denmark and Finland alone, and
    /// from the start alone.
    ///
    /// # Panics
    ///
    /// Never: nothing is required.
    #[must_use]
    pub fn block_commercial_cards(mut self) -> Self {
        let method =
            types::AgreementPaymentMethod::builder().blocked_sources(vec![BlockedPaymentSources::CommercialCards]);
        self.draft.payment_method = Some(method.try_into().expect("nothing is required"));
        self
    }

    /// Every field, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::DraftAgreementV3 {
        &self.draft
    }

    /// Every field, to set what has no method of its own.
    pub fn raw_mut(&mut self) -> &mut types::DraftAgreementV3 {
        &mut self.draft
    }

    /// The merchant's own name of it: the external id.
    pub(crate) fn own_id(&self) -> Option<&str> {
        self.draft.external_id.as_deref()
    }

    /// The currency of the pricing.
    pub(crate) fn currency(&self) -> Currency {
        match &self.draft.pricing {
            PricingRequestV3::Legacy(legacy) => legacy.currency.clone(),
            PricingRequestV3::Variable(variable) => variable.currency.clone(),
            PricingRequestV3::Flexible(flexible) => flexible.currency.clone(),
            // Of a kind that this version does not know.
            _ => Currency::from("XXX"),
        }
    }

    pub(crate) fn into_request(self) -> types::DraftAgreementV3 {
        *self.draft
    }

    /// Rules of form by the document, addresses, and amounts that are in one currency.
    pub(crate) fn check(&self, http: bool) -> Result<(), Violation> {
        let body = Place::ROOT;
        limits::draft_agreement_v3(&self.draft, &body)?;
        let pricing = body.field("pricing");
        let currency = match &self.draft.pricing {
            PricingRequestV3::Legacy(legacy) => {
                pricing.field("amount").range(legacy.amount, Some(1), None)?;
                Some(&legacy.currency)
            }
            PricingRequestV3::Variable(variable) => {
                pricing.field("suggestedMaxAmount").range(variable.suggested_max_amount, Some(1), None)?;
                Some(&variable.currency)
            }
            PricingRequestV3::Flexible(flexible) => Some(&flexible.currency),
            _ => None,
        };
        let (initial, campaign) = (body.field("initialCharge"), body.field("campaign"));
        let amounts =
            [(initial.field("amount"), &self.initial_charge_in), (campaign.field("price"), &self.campaign_in)];
        for (place, given) in amounts {
            if let (Some(currency), Some(given)) = (currency, given)
                && currency != given
            {
                return Err(place.broken(format!("must be in {currency}, the currency of the pricing")));
            }
        }
        if let Some(first) = &self.draft.initial_charge {
            initial.field("amount").range(first.amount, Some(1), None)?;
        }
        let redirect = &self.draft.merchant_redirect_url;
        crate::address::AddressRule::APP_OR_HTTPS.or_http(http).check(redirect, &body.field("merchantRedirectUrl"))?;
        match &self.draft.merchant_agreement_url {
            Some(url) => {
                crate::address::AddressRule::HTTPS.or_http(http).check(url, &body.field("merchantAgreementUrl"))
            }
            None => Ok(()),
        }
    }
}

fn period(count: i64, unit: TimePeriodUnit) -> types::TimePeriod {
    types::TimePeriod::builder().count(count).unit(unit).try_into().expect("every required field is given")
}

impl InitialCharge {
    /// Taken when the customer accepts; the description is shown in the app.
    ///
    /// # Panics
    ///
    /// Never: every required field is given.
    #[must_use]
    pub fn new(amount: Amount, description: impl Into<String>) -> Self {
        let charge = types::InitialChargeV3::builder()
            .amount(amount.minor_units())
            .description(description.into())
            .transaction_type(InitialChargeV3TransactionType::DirectCapture);
        let charge: types::InitialChargeV3 = charge.try_into().expect("every required field is given");
        Self { charge, currency: amount.currency().clone() }
    }

    /// Only reserves the money; capture it with [`Charges::capture`](crate::Charges::capture).
    #[must_use]
    pub fn reserve(mut self) -> Self {
        self.charge.transaction_type = InitialChargeV3TransactionType::ReserveCapture;
        self
    }

    /// The merchant's id of the charge: 1 to 64 letters, digits and hyphens, unique.
    #[must_use]
    pub fn order_id(mut self, id: impl Into<String>) -> Self {
        self.charge.order_id = Some(id.into());
        self
    }

    /// The merchant's id in settlement reports: 1 to 64 characters, not unique.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.charge.external_id = Some(id.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tea() -> NewAgreement {
        NewAgreement::legacy("Tea club", Amount::nok_minor(9_900), "https://acme.example/thanks")
    }

    #[test]
    fn an_amount_in_another_currency_than_the_pricing_is_refused() {
        let euros = || Amount::eur_minor(100);
        let end = "2027-01-01T00:00:00Z";
        let dearer = NewAgreement::variable("Power", Amount::dkk_minor(200_000), "acme://thanks");
        let parking = NewAgreement::flexible("Parking", Currency::Nok, "https://acme.example/thanks");
        let cases = [
            (tea().initial_charge(InitialCharge::new(euros(), "First")), "initialCharge.amount", "NOK"),
            (tea().price_campaign(euros(), end), "campaign.price", "NOK"),
            (tea().event_campaign(euros(), end, "until Christmas"), "campaign.price", "NOK"),
            (parking.period_campaign(euros(), 2, TimePeriodUnit::Week), "campaign.price", "NOK"),
            (dearer.initial_charge(InitialCharge::new(euros(), "First")), "initialCharge.amount", "DKK"),
        ];
        for (agreement, field, currency) in cases {
            let violation = agreement.check(false).expect_err(field);
            let rule = format!("must be in {currency}, the currency of the pricing");
            assert_eq!((violation.field(), violation.rule()), (field, rule.as_str()));
        }
    }

    #[test]
    fn amounts_in_the_currency_of_the_pricing_are_fine_when_they_are_above_zero() {
        let first = |value| tea().initial_charge(InitialCharge::new(Amount::nok_minor(value), "First").reserve());
        assert_eq!(first(4_900).price_campaign(Amount::nok_minor(100), "2027-01-01T00:00:00Z").check(false), Ok(()));
        assert_eq!(first(0).check(false).expect_err("nothing is charged").field(), "initialCharge.amount");
    }
}
