//! Events of payments.

use vipps_types::{Amount, EventType, Personal, Timestamp};

use super::{Members, every_event, msn_of};
use crate::EventKey;
use crate::key::KeyParts;

vipps_types::open_enum! {
    /// What happened to a payment.
    pub enum PaymentEventName {
        /// It was created.
        Created = "CREATED",
        /// The customer approved it: the money is reserved.
        Authorized = "AUTHORIZED",
        /// The customer declined it.
        Aborted = "ABORTED",
        /// The customer did nothing in time.
        Expired = "EXPIRED",
        /// The merchant cancelled it before it was approved.
        Terminated = "TERMINATED",
        /// A capture, whole or in part.
        Captured = "CAPTURED",
        /// A refund, whole or in part.
        Refunded = "REFUNDED",
        /// The merchant released what was reserved.
        Cancelled = "CANCELLED",
    }
}

impl PaymentEventName {
    fn event_type(&self) -> EventType {
        match self {
            Self::Created => EventType::PaymentCreated,
            Self::Authorized => EventType::PaymentAuthorized,
            Self::Aborted => EventType::PaymentAborted,
            Self::Expired => EventType::PaymentExpired,
            Self::Terminated => EventType::PaymentTerminated,
            Self::Captured => EventType::PaymentCaptured,
            Self::Refunded => EventType::PaymentRefunded,
            Self::Cancelled => EventType::PaymentCancelled,
            Self::Unknown(name) => EventType::Unknown(format!("epayments.payment.{}.v1", name.to_ascii_lowercase())),
        }
    }
}

/// Something that happened to a payment; the events of Checkout's payments are these too.
///
/// It says what happened once. What the payment has come to is for `payments().get` to say.
#[derive(Clone, PartialEq)]
pub struct PaymentEvent {
    members: Members,
    msn: Option<String>,
    reference: String,
    name: PaymentEventName,
    key: EventKey,
}

every_event!(PaymentEvent);

impl PaymentEvent {
    pub(super) fn new(members: Members, body: &[u8]) -> Self {
        let msn = msn_of(&members);
        let reference = members.loose_text("reference").unwrap_or_default().into_owned();
        let name = PaymentEventName::from(members.text("name").unwrap_or_default());
        let key = KeyParts::of("payment", body)
            .part(msn.as_deref())
            .part(Some(&reference))
            .part(Some(name.as_str()))
            .part(members.loose_text("pspReference").as_deref())
            .key();
        Self { members, msn, reference, name, key }
    }

    /// What happened. Look at [`success`](Self::success) too.
    #[must_use]
    pub fn name(&self) -> &PaymentEventName {
        &self.name
    }

    /// The name under which it is registered for.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        self.name.event_type()
    }

    /// The merchant's reference of the payment.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Vipps' id of this event, unlike the one in answers of the API.
    #[must_use]
    pub fn psp_reference(&self) -> Option<&str> {
        self.members.text("pspReference")
    }

    /// The amount of this event: of this capture, not of all.
    #[must_use]
    pub fn amount(&self) -> Option<Amount> {
        self.members.amount("amount")
    }

    /// When it happened.
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.members.time("timestamp")
    }

    /// Whether it succeeded. `Some(false)`: it was attempted, and nothing changed. `None`: it is
    /// not said; read the payment.
    #[must_use]
    pub fn success(&self) -> Option<bool> {
        self.members.truth("success")
    }

    /// The idempotency key of the request behind it; `None` where no request of the merchant
    /// caused it, and on CANCELLED.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&str> {
        self.members.text("idempotencyKey")
    }

    /// The customer's id for Userinfo, on AUTHORIZED with consent.
    #[must_use]
    pub fn customer_sub(&self) -> Option<Personal<String>> {
        self.members.personal("sub").or_else(|| self.members.object("profile")?.personal("sub"))
    }

    /// What the customer agreed to share, on AUTHORIZED.
    #[must_use]
    pub fn user_details(&self) -> Option<UserDetails> {
        self.members.object("userDetails").map(UserDetails)
    }

    /// Where an Express payment goes, on AUTHORIZED.
    #[must_use]
    pub fn shipping_details(&self) -> Option<ShippingDetails> {
        self.members.object("shippingDetails").map(ShippingDetails)
    }

    /// Until when a capture is guaranteed, on AUTHORIZED; since 2026-08.
    #[must_use]
    pub fn capture_guaranteed_until(&self) -> Option<Timestamp> {
        self.members.time("captureGuaranteedUntil")
    }
}

/// What a customer agreed to share; only what the consent covers is there.
#[derive(Clone, PartialEq)]
pub struct UserDetails(Members);

impl UserDetails {
    /// The given name.
    #[must_use]
    pub fn first_name(&self) -> Option<Personal<String>> {
        self.0.personal("firstName")
    }

    /// The family name.
    #[must_use]
    pub fn last_name(&self) -> Option<Personal<String>> {
        self.0.personal("lastName")
    }

    /// The e-mail address.
    #[must_use]
    pub fn email(&self) -> Option<Personal<String>> {
        self.0.personal("email")
    }

    /// The phone number with its country code, digits only.
    #[must_use]
    pub fn mobile_number(&self) -> Option<Personal<String>> {
        self.0.personal("mobileNumber")
    }

    /// The birth date.
    #[must_use]
    pub fn date_of_birth(&self) -> Option<Personal<String>> {
        self.0.personal("dateOfBirth")
    }

    /// The addresses that the customer has registered.
    #[must_use]
    pub fn addresses(&self) -> Vec<PostalAddress> {
        self.0.objects("addresses").into_iter().map(PostalAddress).collect()
    }
}

/// The address and delivery that the customer of an Express payment chose.
#[derive(Clone, PartialEq)]
pub struct ShippingDetails(Members);

impl ShippingDetails {
    /// Where to.
    #[must_use]
    pub fn address(&self) -> Option<PostalAddress> {
        self.0.object("address").map(PostalAddress)
    }

    /// The merchant's id of the option.
    #[must_use]
    pub fn option_id(&self) -> Option<&str> {
        self.0.text("shippingOptionId")
    }

    /// The name of the option.
    #[must_use]
    pub fn option_name(&self) -> Option<&str> {
        self.0.text("shippingOptionName")
    }

    /// The cost in minor units of the payment's currency; part of what was reserved.
    #[must_use]
    pub fn cost_minor_units(&self) -> Option<i64> {
        self.0.integer("shippingCost")
    }
}

/// A postal address.
#[derive(Clone, PartialEq)]
pub struct PostalAddress(Members);

impl PostalAddress {
    /// The street.
    #[must_use]
    pub fn address_line_1(&self) -> Option<Personal<String>> {
        self.0.personal("addressLine1")
    }

    /// What else the street needs.
    #[must_use]
    pub fn address_line_2(&self) -> Option<Personal<String>> {
        self.0.personal("addressLine2")
    }

    /// The postal code.
    #[must_use]
    pub fn post_code(&self) -> Option<Personal<String>> {
        self.0.personal("postCode")
    }

    /// The city.
    #[must_use]
    pub fn city(&self) -> Option<Personal<String>> {
        self.0.personal("city")
    }

    /// The country, as it came: mostly two letters.
    #[must_use]
    pub fn country(&self) -> Option<&str> {
        self.0.text("country")
    }
}

macro_rules! personal_debug {
    ($($name:ident),*) => { $(
        /// Shows nothing: it is all personal data.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )* };
}

personal_debug!(UserDetails, ShippingDetails, PostalAddress);
