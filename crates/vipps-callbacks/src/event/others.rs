//! Events of other products, and those that are not known.

use std::fmt;

use vipps_types::{EventType, OpaqueJson, Secret, Timestamp};

use super::{Members, every_event, msn_of};
use crate::EventKey;
use crate::key::KeyParts;

/// A customer scanned a merchant's QR code and waits in the app: answer first, then act.
#[derive(Clone, PartialEq)]
pub struct UserCheckedIn {
    members: Members,
    msn: Option<String>,
    key: EventKey,
}

every_event!(UserCheckedIn);

impl UserCheckedIn {
    pub(super) fn new(members: Members, body: &[u8]) -> Self {
        let msn = msn_of(&members);
        let key = KeyParts::of("check-in", body)
            .part(msn.as_deref())
            .secret(members.loose_text("customerToken").as_deref())
            .key();
        Self { members, msn, key }
    }

    /// Names the customer for 15 min; goes into a new payment as its customer.
    #[must_use]
    pub fn customer_token(&self) -> Option<Secret<String>> {
        self.members.loose_text("customerToken").map(|token| token.into_owned().into())
    }

    /// The merchant's id of the QR code.
    #[must_use]
    pub fn merchant_qr_id(&self) -> Option<&str> {
        self.members.text("merchantQrId")
    }

    /// When it was scanned.
    #[must_use]
    pub fn initiated_at(&self) -> Option<Timestamp> {
        self.members.time("initiatedAt")
    }
}

/// A login that the merchant began was decided: ask the Login API for it.
#[derive(Clone, PartialEq)]
pub struct LoginPing {
    members: Members,
    msn: Option<String>,
    key: EventKey,
}

every_event!(LoginPing);

impl LoginPing {
    pub(super) fn new(members: Members, body: &[u8]) -> Self {
        let msn = msn_of(&members);
        let key = KeyParts::of("login", body).secret(members.loose_text("auth_req_id").as_deref()).key();
        Self { members, msn, key }
    }

    /// The id of the login, which lets its holder ask for the outcome.
    #[must_use]
    pub fn auth_req_id(&self) -> Option<Secret<String>> {
        self.members.loose_text("auth_req_id").map(|id| id.into_owned().into())
    }
}

/// Something happened to a donor's agreement. No fields are published: read the agreement.
#[derive(Clone, PartialEq)]
pub struct DonationEvent {
    members: Members,
    msn: Option<String>,
    event_type: EventType,
    key: EventKey,
}

every_event!(DonationEvent);

impl DonationEvent {
    pub(super) fn new(event_type: EventType, members: Members, body: &[u8]) -> Self {
        let msn = msn_of(&members);
        let key = KeyParts::of("donation", body).part(Some(event_type.as_str())).part(None).key();
        Self { members, msn, event_type, key }
    }

    /// What happened.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// The agreement, where it is named as those of Recurring are.
    #[must_use]
    pub fn agreement_id(&self) -> Option<&str> {
        self.members.text("agreementId")
    }
}

/// Something that this version does not know: kept as it came. No error.
#[derive(Clone, PartialEq)]
pub struct UnknownEvent {
    members: Option<Members>,
    msn: Option<String>,
    event_type: Option<EventType>,
    key: EventKey,
}

impl UnknownEvent {
    pub(super) fn new(event_type: Option<EventType>, members: Option<Members>, body: &[u8]) -> Self {
        let msn = members.as_ref().and_then(msn_of);
        Self { members, msn, event_type, key: KeyParts::of("unknown", body).part(None).key() }
    }

    /// What makes it one event: the hash of its body.
    #[must_use]
    pub fn key(&self) -> &EventKey {
        &self.key
    }

    /// The sales unit (MSN), where it says so as others do.
    #[must_use]
    pub fn msn(&self) -> Option<&str> {
        self.msn.as_deref()
    }

    /// What it calls itself.
    #[must_use]
    pub fn event_type(&self) -> Option<&EventType> {
        self.event_type.as_ref()
    }

    /// The whole body; `None` where it is no JSON object.
    #[must_use]
    pub fn raw(&self) -> Option<&OpaqueJson> {
        self.members.as_ref().map(Members::raw)
    }
}

/// Shows nothing that the body says.
impl fmt::Debug for UnknownEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnknownEvent").field("key", &self.key.as_str()).finish_non_exhaustive()
    }
}
