//! The calls of Checkout: a session's payment has ended, and delivery options for an address.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use vipps_types::{Amount, OpaqueJson, Personal};

use crate::event::{Members, msn_of};
use crate::token_auth::{Callback, sealed};
use crate::{Answer, AnswerError, Refusal, Subject};

vipps_types::open_enum! {
    /// How far a Checkout session is.
    pub enum SessionState {
        /// The customer has not begun to pay.
        Created = "SessionCreated",
        /// The customer is paying.
        PaymentInitiated = "PaymentInitiated",
        /// It was not paid in time, or was expired.
        Expired = "SessionExpired",
        /// The money is reserved. Final.
        PaymentSuccessful = "PaymentSuccessful",
        /// The customer declined, or did nothing in time. Final.
        PaymentTerminated = "PaymentTerminated",
    }
}

/// The payment of a Checkout session has ended: what `merchantInfo.callbackUrl` is sent.
///
/// Answer 2xx with any body; anything else makes it come again, three times at most. Delivery
/// is not guaranteed, so read the session as well.
#[derive(Clone, PartialEq)]
pub struct SessionCompleted {
    members: Members,
    msn: Option<String>,
    reference: String,
    state: SessionState,
}

impl sealed::Sealed for SessionCompleted {}

impl Callback for SessionCompleted {
    fn read(body: &[u8]) -> Result<Self, Refusal> {
        let unreadable = |why| Refusal::Unreadable { why };
        let members = Members::read(body).ok_or(unreadable("it is no JSON object"))?;
        let reference = members.loose_text("reference").ok_or(unreadable("it has no reference"))?.into_owned();
        let state = members.text("sessionState").ok_or(unreadable("it has no sessionState"))?.into();
        Ok(Self { msn: msn_of(&members), reference, state, members })
    }
}

impl SessionCompleted {
    /// The merchant's reference of session and payment: captures and refunds go to ePayment
    /// under it.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The session and its payment; their events of ePayment have the same subject.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject::payment(&self.reference).of(self.msn.as_deref())
    }

    /// How the session ended.
    #[must_use]
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// Vipps' id of the session.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.members.text("sessionId")
    }

    /// The sales unit (MSN).
    #[must_use]
    pub fn msn(&self) -> Option<&str> {
        self.msn.as_deref()
    }

    /// How it was paid: `Wallet` or `Card`, or a method that came later.
    #[must_use]
    pub fn payment_method(&self) -> Option<&str> {
        self.members.text("paymentMethod")
    }

    /// The amount of the payment, delivery included. It is reserved where the session is
    /// PaymentSuccessful.
    #[must_use]
    pub fn amount(&self) -> Option<Amount> {
        self.members.object("paymentDetails")?.amount("amount")
    }

    /// How far the payment is: `AUTHORIZED`, `TERMINATED`.
    #[must_use]
    pub fn payment_state(&self) -> Option<String> {
        Some(self.members.object("paymentDetails")?.text("state")?.to_owned())
    }

    /// What is reserved of the payment.
    #[must_use]
    pub fn authorized_amount(&self) -> Option<Amount> {
        self.members.object("paymentDetails")?.object("aggregate")?.amount("authorizedAmount")
    }

    /// The customer's id for Userinfo.
    #[must_use]
    pub fn customer_sub(&self) -> Option<Personal<String>> {
        self.members.object("userInfo")?.personal("sub")
    }

    /// How far the agreement of a session for a subscription is.
    #[must_use]
    pub fn subscription_state(&self) -> Option<String> {
        Some(self.members.object("subscriptionDetails")?.text("state")?.to_owned())
    }

    /// The price of the delivery.
    #[must_use]
    pub fn shipping_amount(&self) -> Option<Amount> {
        self.members.object("shippingDetails")?.amount("amount")
    }

    /// The pickup point that the customer chose, by the carrier's id.
    #[must_use]
    pub fn pickup_point_id(&self) -> Option<String> {
        Some(self.members.object("shippingDetails")?.object("pickupPoint")?.loose_text("id")?.into_owned())
    }

    /// The time slot that the customer chose, by the merchant's id.
    #[must_use]
    pub fn timeslot_id(&self) -> Option<String> {
        Some(self.members.object("shippingDetails")?.object("timeslot")?.loose_text("id")?.into_owned())
    }

    /// The agreement of a session for a subscription.
    #[must_use]
    pub fn agreement_id(&self) -> Option<String> {
        Some(self.members.object("subscriptionDetails")?.loose_text("agreementId")?.into_owned())
    }

    /// The delivery option that the customer chose, by the merchant's id.
    #[must_use]
    pub fn shipping_method_id(&self) -> Option<String> {
        Some(self.members.object("shippingDetails")?.loose_text("shippingMethodId")?.into_owned())
    }

    /// Where it is delivered.
    #[must_use]
    pub fn shipping_details(&self) -> Option<Contact> {
        self.members.object("shippingDetails").map(Contact)
    }

    /// Who pays.
    #[must_use]
    pub fn billing_details(&self) -> Option<Contact> {
        self.members.object("billingDetails").map(Contact)
    }

    /// Whether the customer ticked the merchant's own consent.
    #[must_use]
    pub fn custom_consent_provided(&self) -> Option<bool> {
        self.members.truth("customConsentProvided")
    }

    /// The whole body.
    #[must_use]
    pub fn raw(&self) -> &OpaqueJson {
        self.members.raw()
    }

    /// The whole body as a type of the caller's, such as `vipps::checkout::types::SessionResponse`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unreadable`] where it is no such type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_value(self.raw().as_value().clone())
            .map_err(|_| Refusal::Unreadable { why: "it is not of the type asked for" })
    }
}

/// Shows no personal data.
impl fmt::Debug for SessionCompleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCompleted")
            .field("reference", &self.reference)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// A person with an address, as the customer gave it.
#[derive(Clone, PartialEq)]
pub struct Contact(Members);

macro_rules! contact {
    ($($(#[$meta:meta])* $method:ident = $member:literal),* $(,)?) => {
        impl Contact { $(
            $(#[$meta])*
            #[must_use]
            pub fn $method(&self) -> Option<Personal<String>> {
                self.0.personal($member)
            }
        )* }
    };
}

contact! {
    /// The given name.
    first_name = "firstName",
    /// The family name.
    last_name = "lastName",
    /// The e-mail address.
    email = "email",
    /// The phone number.
    phone_number = "phoneNumber",
    /// Street and number.
    street_address = "streetAddress",
    /// The postal code.
    postal_code = "postalCode",
    /// The city.
    city = "city",
    /// The country.
    country = "country",
}

/// Shows nothing: it is all personal data.
impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact(..)")
    }
}

/// Which delivery options an address may have: what `logistics.dynamicOptionsCallback` is asked.
///
/// Answer with a [`LogisticsAnswer`] within 8 s; a later one, or any other, is replaced by
/// `logistics.fixedOptions`. No authorization is documented for this call: take
/// [`TokenAuth::anyone`](crate::TokenAuth::anyone), or a query of your own in the address.
#[derive(Clone, PartialEq)]
pub struct LogisticsRequest(Members);

impl sealed::Sealed for LogisticsRequest {}

impl Callback for LogisticsRequest {
    fn read(body: &[u8]) -> Result<Self, Refusal> {
        Members::read(body).map(Self).ok_or(Refusal::Unreadable { why: "it is no JSON object" })
    }
}

impl LogisticsRequest {
    /// Street and number.
    #[must_use]
    pub fn street_address(&self) -> Option<Personal<String>> {
        self.0.personal("streetAddress")
    }

    /// The postal code.
    #[must_use]
    pub fn postal_code(&self) -> Option<Personal<String>> {
        self.0.personal("postalCode")
    }

    /// The city.
    #[must_use]
    pub fn region(&self) -> Option<Personal<String>> {
        self.0.personal("region")
    }

    /// The country, as it came.
    #[must_use]
    pub fn country(&self) -> Option<&str> {
        self.0.text("country")
    }

    /// The whole body.
    #[must_use]
    pub fn raw(&self) -> &OpaqueJson {
        self.0.raw()
    }
}

/// Shows nothing: it is an address.
impl fmt::Debug for LogisticsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogisticsRequest(..)")
    }
}

vipps_types::open_enum! {
    /// Who delivers.
    pub enum Carrier {
        /// Posten.
        Posten = "POSTEN",
        /// Bring.
        Bring = "BRING",
        /// PostNord.
        Postnord = "POSTNORD",
        /// Porterbuddy.
        Porterbuddy = "PORTERBUDDY",
        /// Helthjem.
        Helthjem = "HELTHJEM",
        /// Posti.
        Posti = "POSTI",
        /// GLS.
        Gls = "GLS",
        /// DAO.
        Dao = "DAO",
        /// Anyone else; its options need a title.
        Other = "OTHER",
    }
}

vipps_types::open_enum! {
    /// How it is delivered.
    pub enum DeliveryType {
        /// Into the mailbox.
        Mailbox = "MAILBOX",
        /// To a pickup point.
        PickupPoint = "PICKUP_POINT",
        /// To the door.
        HomeDelivery = "HOME_DELIVERY",
    }
}

impl Carrier {
    /// The ways of delivery that the documents give it; all for one that is not known.
    fn delivers(&self, how: &DeliveryType) -> bool {
        use DeliveryType::{HomeDelivery, Mailbox, PickupPoint};
        let known: &[DeliveryType] = match self {
            Self::Posten | Self::Bring => &[Mailbox, PickupPoint, HomeDelivery],
            Self::Postnord | Self::Helthjem | Self::Other => &[PickupPoint, HomeDelivery],
            Self::Porterbuddy => &[HomeDelivery],
            Self::Posti => &[PickupPoint, Mailbox],
            Self::Gls => &[PickupPoint],
            Self::Dao | Self::Unknown(_) => return true,
        };
        known.contains(how)
    }
}

/// A delivery option of Checkout.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticsOption {
    id: String,
    carrier: Carrier,
    amount: Amount,
    delivery_type: Option<DeliveryType>,
    title: Option<String>,
    description: Option<String>,
    tax_rate: Option<u32>,
    more: serde_json::Map<String, Value>,
}

impl LogisticsOption {
    /// An option by the merchant's id (1 to 200 characters), which comes back as
    /// `shippingMethodId`, and its price with tax, which is added to the payment.
    pub fn new(id: impl Into<String>, carrier: Carrier, amount: Amount) -> Self {
        let (id, more) = (id.into(), serde_json::Map::new());
        Self { id, carrier, amount, delivery_type: None, title: None, description: None, tax_rate: None, more }
    }

    /// How it is delivered. Default: not said.
    #[must_use]
    pub fn delivery_type(mut self, how: DeliveryType) -> Self {
        self.delivery_type = Some(how);
        self
    }

    /// The title that is shown, 1 to 200 characters; required for [`Carrier::Other`].
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// More about it. Default: nothing.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// The tax in its price, in hundredths of a per cent, 0 to 10000: 2500 is 25 %.
    #[must_use]
    pub fn tax_rate(mut self, hundredths_of_a_per_cent: u32) -> Self {
        self.tax_rate = Some(hundredths_of_a_per_cent);
        self
    }

    /// Pickup points, time slots and lead time: the object `delivery` of the document.
    #[must_use]
    pub fn delivery(mut self, json: impl Into<Value>) -> Self {
        self.more.insert("delivery".to_owned(), json.into());
        self
    }

    /// A label of one's own for the way of delivery; not for [`Carrier::Other`].
    #[must_use]
    pub fn custom_type(mut self, label: impl Into<String>) -> Self {
        self.more.insert("customType".to_owned(), label.into().into());
        self
    }

    fn check(&self, place: &str) -> Result<(), AnswerError> {
        let wrong = |member: &str, why| Err(AnswerError::new(format!("{place}.{member}"), why));
        let is_long = |text: &str| text.chars().count() > 200;
        match self {
            Self { id, .. } if id.is_empty() || is_long(id) => wrong("id", "must have 1 to 200 characters"),
            Self { carrier, .. } if carrier.as_str().is_empty() => wrong("brand", "must not be empty"),
            Self { more, .. } if more.get("delivery").is_some_and(|json| !json.is_object()) => {
                wrong("delivery", "must be an object")
            }
            Self { more, carrier: Carrier::Other, .. } if more.contains_key("customType") => {
                wrong("customType", "is not for the carrier OTHER")
            }
            Self { amount, .. } if amount.minor_units() < 0 => wrong("amount", "must not be negative"),
            Self { title: None, carrier: Carrier::Other, .. } => wrong("title", "is required for the carrier OTHER"),
            Self { title: Some(title), .. } if title.is_empty() || is_long(title) => {
                wrong("title", "must have 1 to 200 characters")
            }
            Self { tax_rate: Some(10_001..), .. } => wrong("taxRate", "must be 10000 (100 %) or less"),
            Self { delivery_type: Some(how), carrier, .. } if !carrier.delivers(how) => {
                wrong("type", "is no way in which this carrier delivers")
            }
            _ => Ok(()),
        }
    }

    fn json(&self, index: usize) -> Value {
        let mut members = self.more.clone();
        let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
        set("id", self.id.as_str().into());
        set("brand", self.carrier.as_str().into());
        set("amount", json!({ "value": self.amount.minor_units(), "currency": self.amount.currency().as_str() }));
        set("priority", index.into());
        set("isDefault", (index == 0).into());
        for (name, text) in [("title", &self.title), ("description", &self.description)] {
            if let Some(text) = text {
                set(name, text.as_str().into());
            }
        }
        if let Some(how) = &self.delivery_type {
            set("type", how.as_str().into());
        }
        if let Some(rate) = self.tax_rate {
            set("taxRate", rate.into());
        }
        members.into()
    }
}

/// The answer to a [`LogisticsRequest`].
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticsAnswer(Answer);

impl LogisticsAnswer {
    /// These options, in this order; the first is chosen beforehand.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] naming the member, for what Vipps would not take: no option at all, an id
    /// twice, two currencies, a text that is too long, a way in which the carrier does not deliver.
    pub fn options(options: impl IntoIterator<Item = LogisticsOption>) -> Result<Self, AnswerError> {
        let options: Vec<LogisticsOption> = options.into_iter().collect();
        let Some(first) = options.first() else {
            return Err(AnswerError::new("options", "must not be empty: say use_fixed_options"));
        };
        let mut ids = BTreeSet::new();
        for (index, option) in options.iter().enumerate() {
            let place = format!("options[{index}]");
            option.check(&place)?;
            if option.amount.currency() != first.amount.currency() {
                return Err(AnswerError::new(format!("{place}.amount"), "must have the currency of the others"));
            }
            if !ids.insert(&option.id) {
                return Err(AnswerError::new(format!("{place}.id"), "must not be that of another option"));
            }
        }
        let json: Vec<Value> = options.iter().enumerate().map(|(index, option)| option.json(index)).collect();
        Ok(Self(Answer::ok(&json.into())))
    }

    /// No options of its own for this address: the session's `fixedOptions` are shown. Where it
    /// has none, the customer sees an error and cannot go on.
    #[must_use]
    pub fn use_fixed_options() -> Self {
        Self(Answer::ok(&json!([])))
    }
}

impl From<LogisticsAnswer> for Answer {
    fn from(answer: LogisticsAnswer) -> Self {
        answer.0
    }
}
