//! Events of agreements and charges.

use vipps_types::{Amount, EventType, Timestamp};

use super::{Members, every_event, msn_of};
use crate::EventKey;
use crate::key::KeyParts;

vipps_types::open_enum! {
    /// Who stopped an agreement.
    pub enum Actor {
        /// The merchant.
        Merchant = "MERCHANT",
        /// The customer, in the app.
        User = "USER",
        /// Vipps; also for a profile that was deleted, and then often for many at once.
        Admin = "ADMIN",
    }
}

vipps_types::open_enum! {
    /// What kind of charge it is.
    pub enum ChargeType {
        /// The first one of an agreement.
        Initial = "INITIAL",
        /// A planned one.
        Recurring = "RECURRING",
        /// An unplanned one.
        Unscheduled = "UNSCHEDULED",
    }
}

/// Something that happened to an agreement.
#[derive(Clone, PartialEq)]
pub struct AgreementEvent {
    members: Members,
    msn: Option<String>,
    event_type: EventType,
    key: EventKey,
}

every_event!(AgreementEvent);

impl AgreementEvent {
    pub(super) fn new(event_type: EventType, members: Members, body: &[u8]) -> Self {
        let msn = msn_of(&members);
        let key = KeyParts::of("agreement", body)
            .part(msn.as_deref())
            .part(members.loose_text("agreementId").as_deref())
            .part(Some(event_type.as_str()))
            .part(members.text("occurred"))
            .key();
        Self { members, msn, event_type, key }
    }

    /// What happened.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// The agreement.
    #[must_use]
    pub fn agreement_id(&self) -> Option<&str> {
        self.members.text("agreementId")
    }

    /// The agreement's id as a UUID.
    #[must_use]
    pub fn agreement_uuid(&self) -> Option<&str> {
        self.members.text("agreementUUID")
    }

    /// The merchant's own id of the agreement.
    #[must_use]
    pub fn external_id(&self) -> Option<&str> {
        self.members.text("agreementExternalId")
    }

    /// Who stopped it, on stopped.
    #[must_use]
    pub fn actor(&self) -> Option<Actor> {
        self.members.text_of(["actor", "Actor"]).map(|actor| Actor::from(&*actor))
    }

    /// When it happened.
    #[must_use]
    pub fn occurred(&self) -> Option<Timestamp> {
        self.members.time("occurred")
    }
}

/// Something that happened to a charge.
#[derive(Clone, PartialEq)]
pub struct ChargeEvent {
    members: Members,
    msn: Option<String>,
    event_type: EventType,
    key: EventKey,
}

every_event!(ChargeEvent);

impl ChargeEvent {
    pub(super) fn new(event_type: EventType, members: Members, body: &[u8]) -> Self {
        let msn = msn_of(&members);
        let charge = members.loose_text("chargeId");
        // Without a transaction id two captures of one moment are told apart by their amounts.
        let moved = ["amountCaptured", "amountRefunded", "amountCanceled"].map(|name| members.integer(name));
        let moved: Vec<String> = moved.iter().flatten().map(i64::to_string).collect();
        let moment = members.text("occurred").map(|occurred| format!("{occurred}/{}", moved.join("/")));
        let of_one_operation = members.text("transactionId").or(moment.as_deref());
        let key = KeyParts::of("charge", body)
            .part(msn.as_deref())
            .part(charge.as_deref())
            .part(Some(event_type.as_str()))
            .part(of_one_operation)
            .key();
        Self { members, msn, event_type, key }
    }

    /// What happened.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// The agreement that the charge belongs to.
    #[must_use]
    pub fn agreement_id(&self) -> Option<&str> {
        self.members.text("agreementId")
    }

    /// The charge.
    #[must_use]
    pub fn charge_id(&self) -> Option<&str> {
        self.members.text("chargeId")
    }

    /// What kind of charge it is.
    #[must_use]
    pub fn charge_type(&self) -> Option<ChargeType> {
        self.members.text("chargeType").map(ChargeType::from)
    }

    /// The merchant's own id of the charge.
    #[must_use]
    pub fn external_id(&self) -> Option<&str> {
        self.members.text("chargeExternalId")
    }

    /// Names this one operation, on reserved, captured, refunded and canceled; since 2025-12, and
    /// not always.
    #[must_use]
    pub fn transaction_id(&self) -> Option<&str> {
        self.members.text("transactionId")
    }

    /// The amount of the charge. `None` where amount or currency is missing.
    #[must_use]
    pub fn amount(&self) -> Option<Amount> {
        self.members.minor_units("amount", "currency")
    }

    /// The amount of this capture, on captured.
    #[must_use]
    pub fn amount_captured(&self) -> Option<Amount> {
        self.members.minor_units("amountCaptured", "currency")
    }

    /// The amount that was cancelled, on canceled.
    #[must_use]
    pub fn amount_cancelled(&self) -> Option<Amount> {
        self.members.minor_units("amountCanceled", "currency")
    }

    /// The amount of this refund, on refunded.
    #[must_use]
    pub fn amount_refunded(&self) -> Option<Amount> {
        self.members.minor_units("amountRefunded", "currency")
    }

    /// Why it failed, with the values of the charge itself (`insufficient_funds`); on failed and
    /// creation-failed.
    #[must_use]
    pub fn failure_reason(&self) -> Option<&str> {
        self.members.text("failureReason")
    }

    /// The reason in words, deprecated since 2025-01.
    #[must_use]
    pub fn failure_text(&self) -> Option<&str> {
        self.members.text("failureText")
    }

    /// The reason in its older form.
    #[must_use]
    pub fn failure_code(&self) -> Option<&str> {
        self.members.text("failureCode")
    }

    /// When it happened.
    #[must_use]
    pub fn occurred(&self) -> Option<Timestamp> {
        self.members.time("occurred")
    }
}
