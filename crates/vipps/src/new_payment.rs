//! A payment that is about to be created.

use vipps_core::types::{Amount, Personal, Place, Timestamp, Violation};
use vipps_epayment::enums::{Customer, CustomerInteraction, PaymentMethodType, UserFlow};
use vipps_epayment::{limits, types};

use crate::address::AddressRule;
use crate::receipt::Receipt;

/// A payment to create: by user flow, with what that flow requires.
///
/// ```
/// use vipps::{Amount, NewPayment};
///
/// let order = NewPayment::web_redirect("acme-order-1042", Amount::nok_minor(49_900), "https://acme.example/thanks")
///     .description("Hoodie")
///     .metadata("cart", "7");
/// # let _ = order;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NewPayment {
    request: Box<types::CreatePaymentRequest>,
    http_return_url: bool,
}

impl NewPayment {
    /// The customer's browser is sent to the landing page, or the app opens; afterwards it
    /// returns to `return_url` (https, or the scheme of an app).
    #[must_use]
    pub fn web_redirect(reference: impl Into<String>, amount: Amount, return_url: impl Into<String>) -> Self {
        Self::new(reference, amount, UserFlow::WebRedirect).return_url(return_url)
    }

    /// The customer gets a push message in the app. `phone_number` is country code and
    /// number, digits only: `4712345678`. The sales unit needs approval for this flow.
    #[must_use]
    pub fn push_message(reference: impl Into<String>, amount: Amount, phone_number: impl Into<String>) -> Self {
        Self::new(reference, amount, UserFlow::PushMessage).customer_phone(phone_number)
    }

    /// The customer scans a QR code: its image or target is the redirect URL of the answer.
    #[must_use]
    pub fn qr(reference: impl Into<String>, amount: Amount) -> Self {
        Self::new(reference, amount, UserFlow::Qr).customer_present()
    }

    /// An app opens the Vipps or MobilePay app and gets control back at `return_url`.
    #[must_use]
    pub fn native_redirect(
        reference: impl Into<String>,
        amount: Amount,
        phone_number: impl Into<String>,
        return_url: impl Into<String>,
    ) -> Self {
        Self::new(reference, amount, UserFlow::NativeRedirect).customer_phone(phone_number).return_url(return_url)
    }

    /// A payment of any flow, paid by wallet; what the flow requires is checked when it is
    /// sent.
    ///
    /// # Panics
    ///
    /// Never: every required field is given.
    #[must_use]
    pub fn new(reference: impl Into<String>, amount: Amount, user_flow: UserFlow) -> Self {
        let method: types::PaymentMethod =
            types::PaymentMethod::builder().type_(PaymentMethodType::Wallet).try_into().expect("the type is given");
        let request = types::CreatePaymentRequest::builder()
            .reference(reference.into())
            .amount(amount)
            .payment_method(method)
            .user_flow(user_flow);
        let request: types::CreatePaymentRequest = request.try_into().expect("every required field is given");
        Self { request: Box::new(request), http_return_url: false }
    }

    /// What the customer sees: 3 to 100 characters.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.request.payment_description = Some(text.into());
        self
    }

    /// Where browser or app return to: https or the scheme of an app, at most 2500
    /// characters.
    #[must_use]
    pub fn return_url(mut self, url: impl Into<String>) -> Self {
        self.request.return_url = Some(url.into());
        self
    }

    /// Lets the return URL be `http:` on a host other than this machine. Vipps refuses it
    /// in production.
    #[must_use]
    pub fn allow_http_return_url(mut self) -> Self {
        self.http_return_url = true;
        self
    }

    /// The customer by phone: country code and number, 9 to 15 digits.
    #[must_use]
    pub fn customer_phone(self, phone_number: impl Into<String>) -> Self {
        let builder = types::CustomerPhoneNumber::builder().phone_number(Some(Personal::new(phone_number.into())));
        match types::CustomerPhoneNumber::try_from(builder) {
            Ok(customer) => self.customer(customer),
            Err(_) => self,
        }
    }

    /// The customer by phone, personal QR code or check-in token.
    #[must_use]
    pub fn customer(mut self, customer: impl Into<Customer>) -> Self {
        self.request.customer = Some(customer.into());
        self
    }

    /// The customer is at the point of sale. Default: not present.
    #[must_use]
    pub fn customer_present(mut self) -> Self {
        self.request.customer_interaction = Some(CustomerInteraction::CustomerPresent);
        self
    }

    /// The lines of the order, shown in the app.
    #[must_use]
    pub fn receipt(mut self, receipt: impl Into<types::Receipt>) -> Self {
        self.request.receipt = Some(receipt.into());
        self
    }

    /// Adds an entry that comes back when the payment is read: at most 5 entries, keys of
    /// at most 100 and values of at most 500 characters.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.metadata.get_or_insert_default().insert(key.into(), Personal::new(value.into()));
        self
    }

    /// When an unanswered payment expires: more than 10 minutes and at most 60 days ahead.
    /// Needs a receipt, and approval of the sales unit. Default: 10 minutes after creation.
    #[must_use]
    pub fn expires_at(mut self, at: impl Into<Timestamp>) -> Self {
        self.request.expires_at = Some(at.into().as_str().to_owned());
        self
    }

    /// Asks for profile data, with the customer's consent: words out of `name address email
    /// phoneNumber birthDate nin`.
    ///
    /// # Panics
    ///
    /// Never: every required field is given.
    #[must_use]
    pub fn profile_scope(mut self, scope: impl Into<String>) -> Self {
        let profile = types::ProfileRequest::builder().scope(Some(scope.into()));
        self.request.profile = Some(profile.try_into().expect("the scope is given"));
        self
    }

    /// Makes it an Express payment: the customer chooses address and delivery in the app, and
    /// what the delivery costs is reserved on top. Capture
    /// [`authorized`](crate::Aggregate::authorized), which includes it, not the amount given
    /// here. The customer is asked for their address, beside what
    /// [`profile_scope`](Self::profile_scope) asks for. The sales unit must be approved for it.
    #[must_use]
    pub fn express(mut self, shipping: types::Shipping) -> Self {
        let scope = self.request.profile.as_ref().and_then(|profile| profile.scope.clone()).unwrap_or_default();
        self.request.shipping = Some(shipping);
        match scope.split_whitespace().any(|word| word == "address") {
            true => self,
            false => self.profile_scope(format!("address {scope}").trim_end().to_owned()),
        }
    }

    /// Links to the terms of sale and the privacy policy, both https, which the customer must
    /// accept in the app. The names of these two members on the wire are known second-hand
    /// only; Vipps announced the feature in October 2026.
    ///
    /// # Panics
    ///
    /// Never: nothing is required.
    #[must_use]
    pub fn legal_links(mut self, terms_of_sale: impl Into<String>, privacy_policy: impl Into<String>) -> Self {
        let links = types::MerchantLegalLinks::builder()
            .terms_of_sale_url(Some(terms_of_sale.into()))
            .privacy_policy_url(Some(privacy_policy.into()))
            .extra(std::collections::BTreeMap::new());
        self.request.merchant_legal_links = Some(links.try_into().expect("nothing is required"));
        self
    }

    /// Refuses customers below this age, 0 to 100 years.
    #[must_use]
    pub fn minimum_user_age(mut self, years: i64) -> Self {
        self.request.minimum_user_age = Some(years);
        self
    }

    /// Every field, as the document names it.
    #[must_use]
    pub fn raw(&self) -> &types::CreatePaymentRequest {
        &self.request
    }

    /// Every field, to set what has no method of its own: `shipping`, `card_passthrough`,
    /// `qr_format`, `industry_data`, `receipt_url`, ...
    pub fn raw_mut(&mut self) -> &mut types::CreatePaymentRequest {
        &mut self.request
    }

    /// The same payment, changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut types::CreatePaymentRequest)) -> Self {
        change(&mut self.request);
        self
    }

    pub(crate) fn into_request(self) -> types::CreatePaymentRequest {
        *self.request
    }

    /// Rules of form by the document, and combinations that no state of a sales unit makes
    /// valid.
    pub(crate) fn check(&self, http: bool) -> Result<(), Violation> {
        let request = &*self.request;
        let body = Place::ROOT;
        let at = |name| body.field(name);
        limits::create_payment_request(request, &body)?;
        positive(&request.amount, &at("amount"))?;
        if request.user_flow == UserFlow::WebRedirect && request.return_url.is_none() {
            return Err(at("returnUrl").broken("is required with user flow WEB_REDIRECT"));
        }
        if request.user_flow == UserFlow::PushMessage && request.customer.is_none() {
            return Err(at("customer").broken("is required with user flow PUSH_MESSAGE"));
        }
        if let Some(url) = &request.return_url {
            AddressRule::APP_OR_HTTPS.or_http(http || self.http_return_url).check(url, &at("returnUrl"))?;
        }
        for key in request.metadata.iter().flat_map(|metadata| metadata.keys()) {
            at("metadata").length(key, None, Some(100))?;
        }
        if request.expires_at.is_some() && request.receipt.is_none() {
            return Err(at("receipt").broken("is required with expiresAt"));
        }
        for (index, line) in request.receipt.iter().flat_map(|receipt| &receipt.order_lines).enumerate() {
            if line.tax_rate.is_none() && line.tax_percentage.is_none() {
                let receipt = at("receipt");
                let lines = receipt.field("orderLines");
                return Err(lines.index(index).field("taxRate").broken("is required (hundredths of a per cent)"));
            }
        }
        check_method(request)?;
        check_legal_links(request, http)?;
        check_shipping(request)?;
        check_callbacks(request, http)
    }
}

fn check_method(request: &types::CreatePaymentRequest) -> Result<(), Violation> {
    let body = Place::ROOT;
    match request.payment_method.type_ {
        PaymentMethodType::Card if request.user_flow != UserFlow::WebRedirect => {
            Err(body.field("userFlow").broken("must be WEB_REDIRECT with payment method CARD"))
        }
        PaymentMethodType::CardPassthrough if request.card_passthrough.is_none() => {
            Err(body.field("cardPassthrough").broken("is required with payment method CARD_PASSTHROUGH"))
        }
        _ => Ok(()),
    }
}

fn check_shipping(request: &types::CreatePaymentRequest) -> Result<(), Violation> {
    let Some(shipping) = &request.shipping else { return Ok(()) };
    let body = Place::ROOT;
    if shipping.fixed_options.is_some() == shipping.dynamic_options.is_some() {
        return Err(body.field("shipping").broken("must have exactly one of fixedOptions and dynamicOptions"));
    }
    if request.payment_method.type_ == PaymentMethodType::Card {
        return Err(body.field("paymentMethod").broken("must be WALLET with shipping, or CARD_PASSTHROUGH of a PSP"));
    }
    let scope = request.profile.as_ref().and_then(|profile| profile.scope.as_deref()).unwrap_or_default();
    if !scope.split_whitespace().any(|word| word == "address") {
        let profile = body.field("profile");
        return Err(profile.field("scope").broken("must hold `address` with shipping"));
    }
    let currency = request.amount.currency();
    let place = body.field("shipping");
    let place = place.field("fixedOptions");
    for (index, group) in
        request.shipping.iter().flat_map(|shipping| shipping.fixed_options.iter().flatten()).enumerate()
    {
        let place = place.index(index);
        let options = place.field("options");
        for (index, option) in group.options.iter().enumerate() {
            if option.amount.currency() != currency {
                let place = options.index(index);
                return Err(place
                    .field("amount")
                    .broken(format!("must be in {currency}, the currency of the payment")));
            }
        }
    }
    Ok(())
}

/// Where Vipps asks for shipping options, and hands over a card.
fn check_callbacks(request: &types::CreatePaymentRequest, http: bool) -> Result<(), Violation> {
    let (body, rule) = (Place::ROOT, AddressRule::HTTPS.or_http(http));
    if let Some(options) = request.shipping.as_ref().and_then(|shipping| shipping.dynamic_options.as_ref()) {
        let place = body.field("shipping");
        rule.check(&options.callback_url, &place.field("dynamicOptions").field("callbackUrl"))?;
    }
    if let Some(card) = &request.card_passthrough {
        rule.check(&card.card_callback_url, &body.field("cardPassthrough").field("cardCallbackUrl"))?;
    }
    Ok(())
}

/// Links that the customer follows in the app.
fn check_legal_links(request: &types::CreatePaymentRequest, http: bool) -> Result<(), Violation> {
    let Some(links) = &request.merchant_legal_links else { return Ok(()) };
    let body = Place::ROOT;
    let place = body.field("merchantLegalLinks");
    for (name, url) in [("termsOfSaleUrl", &links.terms_of_sale_url), ("privacyPolicyUrl", &links.privacy_policy_url)] {
        if let Some(url) = url {
            AddressRule::HTTPS.or_http(http).check(url, &place.field(name))?;
        }
    }
    Ok(())
}

/// An amount of nothing, or less, moves no money.
pub(crate) fn positive(amount: &Amount, at: &Place<'_>) -> Result<(), Violation> {
    if amount.minor_units() > 0 { Ok(()) } else { Err(at.field("value").broken("must be more than 0")) }
}

impl From<Receipt> for Option<types::Receipt> {
    fn from(receipt: Receipt) -> Self {
        Some(receipt.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Currency, OrderLine};

    fn order() -> NewPayment {
        NewPayment::web_redirect("acme-order-1042", Amount::nok_minor(49_900), "https://acme.example/thanks")
    }

    #[test]
    fn what_cannot_be_valid_is_refused_with_its_field() {
        let push = NewPayment::new("acme-order-1042", Amount::nok_minor(100), UserFlow::PushMessage);
        let lines = Receipt::new(Currency::Nok).line(OrderLine::new("id", "name", 100, 2500));
        let mut untaxed = lines.clone();
        untaxed.raw_mut().order_lines[0].tax_rate = None;
        let cases: Vec<(NewPayment, &str)> = vec![
            (order().with(|request| request.reference = "short".into()), "reference"),
            (order().with(|request| request.reference = "acme/order/1042".into()), "reference"),
            (order().with(|request| request.reference = "a".repeat(65)), "reference"),
            (order().with(|request| request.amount = Amount::nok_minor(0)), "amount.value"),
            (order().with(|request| request.amount = Amount::nok_minor(-1)), "amount.value"),
            (order().with(|request| request.amount = Amount::nok_minor(65_000_001)), "amount.value"),
            (order().with(|request| request.return_url = None), "returnUrl"),
            (order().return_url("http://acme.example/thanks"), "returnUrl"),
            (order().return_url("acme.example/thanks"), "returnUrl"),
            (order().return_url("javascript:alert(1)"), "returnUrl"),
            (order().return_url(format!("https://acme.example/{}", "a".repeat(2500))), "returnUrl"),
            (push, "customer"),
            (order().customer_phone("+4712345678"), "customer.phoneNumber"),
            (order().description("ab"), "paymentDescription"),
            (order().description("a".repeat(101)), "paymentDescription"),
            (order().minimum_user_age(101), "minimumUserAge"),
            (order().metadata("k".repeat(101), "v"), "metadata"),
            (order().metadata("k", "v".repeat(501)), "metadata.k"),
            ((0..6).fold(order(), |order, n| order.metadata(n.to_string(), "v")), "metadata"),
            (order().expires_at("2030-01-01T00:00:00Z"), "receipt"),
            (order().receipt(Receipt::new(Currency::Nok)), "receipt.orderLines"),
            (order().receipt(untaxed), "receipt.orderLines[0].taxRate"),
            (
                NewPayment::qr("acme-order-1042", Amount::nok_minor(100))
                    .with(|r| r.payment_method.type_ = PaymentMethodType::Card),
                "userFlow",
            ),
            (
                order().with(|request| request.payment_method.type_ = PaymentMethodType::CardPassthrough),
                "cardPassthrough",
            ),
        ];
        for (payment, field) in cases {
            let violation = payment.check(false).expect_err(field);
            assert_eq!(violation.field(), field, "{violation}");
        }
    }

    #[test]
    fn what_the_flows_need_is_enough() {
        let amount = Amount::nok_minor(100);
        let fine = [
            order(),
            order().return_url("http://localhost:3000/thanks"),
            order().return_url("http://[::1]:3000/thanks"),
            order().return_url("acmeapp://thanks"),
            order().return_url("http://acme.example/thanks").allow_http_return_url(),
            NewPayment::push_message("acme-order-1042", amount.clone(), "4712345678"),
            NewPayment::qr("acme-order-1042", amount.clone()),
            NewPayment::native_redirect("acme-order-1042", amount, "4712345678", "acmeapp://thanks"),
        ];
        for payment in fine {
            assert_eq!(payment.check(false), Ok(()));
        }
    }

    fn shipping(currency: Currency) -> types::Shipping {
        let option = serde_json::json!({
            "allowedCountries": ["NO", "SE"],
            "fixedOptions": [{
                "type": "HOME_DELIVERY", "brand": "POSTEN",
                "options": [{ "id": "home", "name": "Home", "amount": Amount::new(4_900, currency) }],
            }],
        });
        serde_json::from_value(option).unwrap()
    }

    #[test]
    fn express_asks_for_the_address_beside_what_is_asked_for() {
        let scope = |payment: NewPayment| payment.raw().profile.clone().and_then(|profile| profile.scope);
        let nok = || shipping(Currency::Nok);
        assert_eq!(scope(order().express(nok())).as_deref(), Some("address"));
        assert_eq!(scope(order().profile_scope("email name").express(nok())).as_deref(), Some("address email name"));
        assert_eq!(scope(order().profile_scope("email address").express(nok())).as_deref(), Some("email address"));
        assert_eq!(order().express(nok()).check(false), Ok(()));
    }

    #[test]
    fn express_is_refused_where_it_cannot_be_valid() {
        let cases = [
            (order().express(shipping(Currency::Eur)), "shipping.fixedOptions[0].options[0].amount"),
            (order().express(shipping(Currency::Nok)).profile_scope("name email"), "profile.scope"),
            (
                order().express(shipping(Currency::Nok)).with(|request| {
                    request.shipping.as_mut().unwrap().allowed_countries = Some(vec!["Norway".into()]);
                }),
                "shipping.allowedCountries[0]",
            ),
            (
                order().legal_links("http://acme.example/terms", "https://acme.example/privacy"),
                "merchantLegalLinks.termsOfSaleUrl",
            ),
        ];
        for (payment, field) in cases {
            assert_eq!(payment.check(false).expect_err(field).field(), field);
        }
    }

    #[test]
    fn debug_shows_no_phone_number() {
        assert!(!format!("{:?}", order().customer_phone("4712345678")).contains("4712345678"));
    }
}
