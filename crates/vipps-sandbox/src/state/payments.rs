//! Payments of the ePayment API, and what the merchant said about them.

use serde_json::{Value, json};

use super::customers::{Person, sub_of};
use super::{Landing, Subject, World};
use crate::agreement::{Interval, Unit};
use crate::clock::{DAY, Millis, rfc3339};
use crate::payment::{Event, EventName, Moment, Payment, State, Terms};
use crate::webhook::Notice;

/// A payment is known by its sales unit and the merchant's reference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PaymentId {
    pub(crate) sales_unit: String,
    pub(crate) reference: String,
}

/// A payment and what the merchant said about it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) payment: Payment,
    pub(crate) return_url: Option<String>,
    pub(crate) redirect: Redirect,
    pub(crate) landing_token: String,
    pub(crate) description: Option<String>,
    pub(crate) phone_number: Option<String>,
    /// The customer as the request names them.
    pub(crate) customer: Option<Box<Value>>,
    /// Years that the customer must have lived.
    pub(crate) minimum_age: Option<i64>,
    /// The profile data asked for, as words.
    pub(crate) scope: Option<String>,
    pub(crate) metadata: Option<Value>,
    /// Express: where the options come from, as the request has it.
    pub(crate) shipping: Option<Box<Value>>,
    /// Express: what the customer chose, as `shippingDetails`.
    pub(crate) shipping_details: Option<Box<Value>>,
    /// Card passthrough, as the request has it.
    pub(crate) card_passthrough: Option<Box<Value>>,
}

/// Where the customer is sent, by user flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redirect {
    Nowhere,
    App,
    Landing,
    QrSvg,
    /// Side length in pixels.
    QrPng(u16),
}

impl Record {
    /// Where the customer is sent.
    pub(crate) fn redirect_url(&self, base_url: &str) -> Option<String> {
        let token = &self.landing_token;
        match self.redirect {
            Redirect::Nowhere => None,
            Redirect::App => Some(format!("vippsMT://?token={token}")),
            Redirect::Landing => Some(format!("{base_url}/landing?token={token}")),
            Redirect::QrSvg => Some(format!("{base_url}/qr/{token}.svg")),
            Redirect::QrPng(size) => Some(format!("{base_url}/qr/{token}.png?size={size}")),
        }
    }

    /// Whether the customer is younger than the merchant wants.
    pub(crate) fn is_too_young(&self, now: Millis) -> bool {
        let year = Interval { unit: Unit::Year, count: self.minimum_age.unwrap_or(0) };
        self.minimum_age.is_some_and(|years| years > 0) && now < year.after(Person::BORN)
    }
}

impl World {
    /// The terms of payments at a sales unit.
    pub(crate) fn terms(&self, sales_unit: &str) -> Terms {
        let by_market = || self.market_of(sales_unit).capture_days();
        Terms {
            capture_days: self.settings.capture_days.unwrap_or_else(by_market),
            refund_days: self.settings.refund_days,
            refund_from_reservation: self.settings.refund_from_reservation,
            partial_capture: self.settings.partial_capture_allowed,
            magic: self.magic(sales_unit),
        }
    }

    /// The customer of a payment.
    pub(crate) fn payer(&self, id: &PaymentId, record: &Record) -> Person {
        self.person(&id.sales_unit, record.phone_number.as_deref())
    }

    /// What is known of the customer once the payment is authorized: members of the answer
    /// and of the event.
    pub(crate) fn consented(&self, id: &PaymentId, record: &Record) -> Vec<(&'static str, Value)> {
        let Some(_) = record.payment.authorized_at else { return Vec::new() };
        let mut members = Vec::new();
        members.extend(record.shipping_details.as_ref().map(|details| ("shippingDetails", (**details).clone())));
        let details = record.scope.as_deref().and_then(|scope| self.payer(id, record).user_details(scope));
        members.extend(details.map(|details| ("userDetails", details)));
        members
    }

    /// The id of the customer at this merchant, where profile data was consented to.
    pub(crate) fn payer_sub(&self, id: &PaymentId, record: &Record) -> Option<String> {
        let consented = record.payment.authorized_at?;
        record.scope.as_ref().filter(|_| self.shows_sub(consented))?;
        Some(sub_of(&id.sales_unit, &self.payer(id, record).phone_number))
    }

    pub(crate) fn payment(&self, id: &PaymentId) -> Option<&Record> {
        self.payments.get(id).map(|record| &**record)
    }

    /// Every payment, sorted by sales unit and reference.
    pub(crate) fn payments(&self) -> impl Iterator<Item = (&PaymentId, &Record)> {
        let mut all: Vec<_> = self.payments.iter().map(|(id, record)| (id, &**record)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all.into_iter()
    }

    /// Who is there, in no order.
    pub(crate) fn payment_ids(&self) -> impl Iterator<Item = &PaymentId> {
        self.payments.keys()
    }

    pub(crate) fn payment_mut(&mut self, id: &PaymentId) -> Option<&mut Record> {
        self.payments.get_mut(id).map(|record| &mut **record)
    }

    pub(crate) fn insert_payment(&mut self, id: PaymentId, record: Record) {
        let due = record.payment.next_timer(&self.terms(&id.sales_unit));
        self.landings.insert(record.landing_token.clone(), Landing::Payment(id.clone()));
        self.payments.insert(id.clone(), Box::new(record));
        self.set_timer(due, Subject::Payment(id.clone()));
        self.tell_of_payment(&id, 0);
    }

    /// Lets something happen to a payment at a time; keeps its timer, and tells whoever
    /// wants to know.
    pub(crate) fn with_payment<T>(
        &mut self,
        id: &PaymentId,
        at: Millis,
        act: impl FnOnce(&mut Payment, &mut Moment<'_>) -> T,
    ) -> Option<T> {
        let terms = self.terms(&id.sales_unit);
        let payment = &mut self.payments.get_mut(id)?.payment;
        let (timer, told, state) = (payment.next_timer(&terms), payment.events.len(), payment.state);
        let mut psp_reference = || self.ids.psp_reference();
        let done = act(payment, &mut Moment { at, psp_reference: &mut psp_reference });
        let (next, changed) = (payment.next_timer(&terms), payment.state != state);
        if next != timer {
            self.clear_timer(timer, Subject::Payment(id.clone()));
            self.set_timer(next, Subject::Payment(id.clone()));
        }
        self.tell_of_payment(id, told);
        if changed {
            self.follow_payment(id, at);
        }
        Some(done)
    }

    /// Deadlines that counted by other days count by those of now.
    pub(super) fn reset_payment_timers(&mut self, days_before: Option<i64>) {
        let timer = |(id, record): (&PaymentId, &Record)| {
            let terms = self.terms(&id.sales_unit);
            let by_market = || self.market_of(&id.sales_unit).capture_days();
            let before = Terms { capture_days: days_before.unwrap_or_else(by_market), ..terms };
            (id.clone(), record.payment.next_timer(&before), record.payment.next_timer(&terms))
        };
        let changed: Vec<_> = self.payments().map(timer).filter(|(_, old, new)| old != new).collect();
        for (id, old, new) in changed {
            self.clear_timer(old, Subject::Payment(id.clone()));
            self.set_timer(new, Subject::Payment(id));
        }
    }

    pub(super) fn ring_payment(&mut self, id: &PaymentId, at: Millis) {
        let terms = self.terms(&id.sales_unit);
        self.with_payment(id, at, |payment, moment| payment.ring(&terms, moment));
        // The timer that rang is gone; where it still stands the payment set no other.
        let next = self.payment(id).and_then(|record| record.payment.next_timer(&terms));
        self.set_timer(next.filter(|next| *next > at), Subject::Payment(id.clone()));
    }

    /// Publishes the events from this one on.
    fn tell_of_payment(&mut self, id: &PaymentId, from: usize) {
        if self.registrations.is_empty() {
            return;
        }
        let Some(record) = self.payments.get(id) else { return };
        let notices: Vec<Notice> =
            record.payment.events[from..].iter().map(|event| self.notice(id, record, event)).collect();
        for notice in &notices {
            self.publish(notice);
        }
    }

    /// The webhook that tells an event.
    fn notice(&self, id: &PaymentId, record: &Record, event: &Event) -> Notice {
        let mut body = json!({
            "msn": id.sales_unit,
            "reference": id.reference,
            "pspReference": event.psp_reference,
            "name": event.name.wire(),
            "amount": { "currency": record.payment.currency.as_str(), "value": event.value },
            "timestamp": rfc3339(event.at),
            "idempotencyKey": event.shown_key(),
            "success": event.success,
        });
        if event.name == EventName::Authorized && event.success && record.payment.state == State::Authorized {
            for (name, member) in self.consented(id, record) {
                body[name] = member;
            }
            if let Some(sub) = self.payer_sub(id, record) {
                if self.settings.event_profile_sub {
                    body["profile"] = json!({ "sub": sub });
                }
                body["sub"] = sub.into();
            }
            let guaranteed = event.at + self.settings.capture_guarantee_days * DAY;
            body["captureGuaranteedUntil"] = rfc3339(guaranteed).into();
        }
        Notice {
            event_type: event.name.event_type(),
            sales_unit: id.sales_unit.clone(),
            subject: format!("payment {}/{}", id.sales_unit, id.reference),
            at: event.at,
            body,
        }
    }
}
