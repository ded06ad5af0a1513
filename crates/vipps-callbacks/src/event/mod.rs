//! What happened, as the body of a delivery says.

mod members;
mod others;
mod payment;
mod recurring;

use vipps_types::{EventType, OpaqueJson};

pub(crate) use members::Members;
pub use others::{DonationEvent, LoginPing, UnknownEvent, UserCheckedIn};
pub use payment::{PaymentEvent, PaymentEventName, PostalAddress, ShippingDetails, UserDetails};
pub use recurring::{Actor, AgreementEvent, ChargeEvent, ChargeType};

use crate::{EventKey, Subject};

/// What a delivery tells.
///
/// Reading never fails. A member that is missing, null or odd is `None` in its accessor; the
/// body stays in `raw()`, but for members that no JSON value can hold (half of a character, a number
/// beyond all bounds), and byte for byte in [`Delivery::body`](crate::Delivery::body). A body of no known kind, and what is not JSON at all, is
/// [`Event::Unknown`]: answer it with 200 as well, for new events come without notice, and an
/// error would block the registration.
///
/// Its Debug shows ids, kinds and times: no amount, no name, no token.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Something happened to a payment (`epayments.payment.*`).
    Payment(PaymentEvent),
    /// Something happened to an agreement (`recurring.agreement-*`).
    Agreement(AgreementEvent),
    /// Something happened to a charge (`recurring.charge-*`).
    Charge(ChargeEvent),
    /// A customer scanned a QR code (`user.checked-in.v1`). Answer before anything else: the
    /// customer waits in the app, and sees an error where no success comes back.
    UserCheckedIn(UserCheckedIn),
    /// A login was decided (`login.merchant-initiated.ping.v1`).
    LoginPing(LoginPing),
    /// Something happened to a donor's agreement (`donations.agreement.*`).
    Donation(DonationEvent),
    /// Something that this version does not know.
    Unknown(UnknownEvent),
}

impl Event {
    /// The event that a body tells.
    ///
    /// For bodies that were verified before, such as stored ones: what comes from outside goes
    /// through [`Verifier::verify`](crate::Verifier::verify).
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let Some(members) = Members::read(body) else { return Self::Unknown(UnknownEvent::new(None, None, body)) };
        // Some readers of recurring events find the type in `name`; a payment's name has no dot.
        let name = members.text("name").filter(|name| name.contains('.'));
        let event_type = members.text("eventType").or(name).map(EventType::from);
        let family = event_type.as_ref().map(EventType::as_str).unwrap_or_default();
        let has = |name| members.text_of([name]).is_some();
        if family.starts_with("recurring.") {
            let event_type = event_type.expect("it has a family");
            // An event of an agreement may name a charge as well.
            let is_of_agreement = event_type.as_str().starts_with("recurring.agreement");
            if !is_of_agreement && (event_type.as_str().starts_with("recurring.charge") || has("chargeId")) {
                Self::Charge(ChargeEvent::new(event_type, members, body))
            } else {
                Self::Agreement(AgreementEvent::new(event_type, members, body))
            }
        } else if family.starts_with("donations.") {
            Self::Donation(DonationEvent::new(event_type.expect("it has a family"), members, body))
        } else if has("reference") && members.text("name").is_some() {
            Self::Payment(PaymentEvent::new(members, body))
        } else if event_type == Some(EventType::UserCheckedIn) || has("customerToken") {
            Self::UserCheckedIn(UserCheckedIn::new(members, body))
        } else if event_type == Some(EventType::LoginPing) || has("auth_req_id") {
            Self::LoginPing(LoginPing::new(members, body))
        } else {
            Self::Unknown(UnknownEvent::new(event_type, Some(members), body))
        }
    }

    /// What makes it one event: a second delivery of it has the same key, and two events never
    /// share one.
    ///
    /// Of a payment: sales unit, reference, name and the PSP reference, which is the event's
    /// own, so that two captures of one payment are two events. Of a charge: sales unit, charge,
    /// type, and its transaction id or the time it occurred. Of an agreement: sales unit,
    /// agreement, type and time. Of a check-in: the hash of its token. The hash of the body
    /// stands for what is missing, and for what is not known: two such events whose bodies are equal
    /// to the byte cannot be told apart. That may be so for donations, whose bodies are not published.
    #[must_use]
    pub fn key(&self) -> &EventKey {
        match self {
            Self::Payment(event) => event.key(),
            Self::Agreement(event) => event.key(),
            Self::Charge(event) => event.key(),
            Self::UserCheckedIn(event) => event.key(),
            Self::LoginPing(event) => event.key(),
            Self::Donation(event) => event.key(),
            Self::Unknown(event) => event.key(),
        }
    }

    /// The payment, agreement or charge that it is about: handle the events of one subject in
    /// the order in which they came. `None` where it names none.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        match self {
            Self::Payment(event) => Some(Subject::payment(event.reference()).of(event.msn())),
            Self::Agreement(event) => Some(Subject::agreement(event.agreement_id()?).of(event.msn())),
            Self::Charge(event) => Some(Subject::charge(event.charge_id()?).of(event.msn())),
            Self::Donation(event) => Some(Subject::agreement(event.agreement_id()?).of(event.msn())),
            Self::UserCheckedIn(_) | Self::LoginPing(_) | Self::Unknown(_) => None,
        }
    }

    /// The name under which it is registered for, where it says so or its kind does.
    #[must_use]
    pub fn event_type(&self) -> Option<EventType> {
        match self {
            Self::Payment(event) => Some(event.event_type()),
            Self::Agreement(event) => Some(event.event_type().clone()),
            Self::Charge(event) => Some(event.event_type().clone()),
            Self::UserCheckedIn(_) => Some(EventType::UserCheckedIn),
            Self::LoginPing(_) => Some(EventType::LoginPing),
            Self::Donation(event) => Some(event.event_type().clone()),
            Self::Unknown(event) => event.event_type().cloned(),
        }
    }

    /// The sales unit (MSN) that it happened to, where it says so.
    #[must_use]
    pub fn msn(&self) -> Option<&str> {
        match self {
            Self::Payment(event) => event.msn(),
            Self::Agreement(event) => event.msn(),
            Self::Charge(event) => event.msn(),
            Self::UserCheckedIn(event) => event.msn(),
            Self::LoginPing(event) => event.msn(),
            Self::Donation(event) => event.msn(),
            Self::Unknown(event) => event.msn(),
        }
    }

    /// The whole body as JSON; `None` where it is no JSON object.
    #[must_use]
    pub fn raw(&self) -> Option<&OpaqueJson> {
        match self {
            Self::Payment(event) => Some(event.raw()),
            Self::Agreement(event) => Some(event.raw()),
            Self::Charge(event) => Some(event.raw()),
            Self::UserCheckedIn(event) => Some(event.raw()),
            Self::LoginPing(event) => Some(event.raw()),
            Self::Donation(event) => Some(event.raw()),
            Self::Unknown(event) => event.raw(),
        }
    }
}

/// The sales unit that a body names, under any of its spellings.
pub(crate) fn msn_of(members: &Members) -> Option<String> {
    members.text_of(["msn", "merchantSerialNumber", "MerchantSerialNumber"]).map(Into::into)
}

/// What every kind of event has.
macro_rules! every_event {
    ($name:ident) => {
        impl $name {
            /// What makes it one event; see [`Event::key`](crate::Event::key).
            #[must_use]
            pub fn key(&self) -> &crate::EventKey {
                &self.key
            }

            /// The sales unit (MSN) that it happened to.
            #[must_use]
            pub fn msn(&self) -> Option<&str> {
                self.msn.as_deref()
            }

            /// The whole body.
            #[must_use]
            pub fn raw(&self) -> &vipps_types::OpaqueJson {
                self.members.raw()
            }
        }

        /// Shows no personal data, no token and no text that the customer sees.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("key", &self.key.as_str()).finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use every_event;
