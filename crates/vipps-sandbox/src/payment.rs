//! A payment: its states, its money and its events. Pure: no HTTP, no JSON, no clock.
//!
//! Amounts are minor units of the payment's currency. Times are milliseconds since 1970.

use vipps_types::Currency;

use crate::clock::{DAY, MINUTE, Millis};
use crate::magic::Magic;
use crate::refusal::Refusal;

/// How far authorization went. Captures, refunds and cancels show in the money, not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Created,
    Authorized,
    Aborted,
    Expired,
    Terminated,
}

impl State {
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Authorized => "AUTHORIZED",
            Self::Aborted => "ABORTED",
            Self::Expired => "EXPIRED",
            Self::Terminated => "TERMINATED",
        }
    }
}

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventName {
    Created,
    Authorized,
    Captured,
    Refunded,
    Cancelled,
    Aborted,
    Expired,
    Terminated,
}

impl EventName {
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Authorized => "AUTHORIZED",
            Self::Captured => "CAPTURED",
            Self::Refunded => "REFUNDED",
            Self::Cancelled => "CANCELLED",
            Self::Aborted => "ABORTED",
            Self::Expired => "EXPIRED",
            Self::Terminated => "TERMINATED",
        }
    }
}

impl EventName {
    /// The name of the webhook event.
    pub(crate) fn event_type(self) -> &'static str {
        match self {
            Self::Created => "epayments.payment.created.v1",
            Self::Authorized => "epayments.payment.authorized.v1",
            Self::Captured => "epayments.payment.captured.v1",
            Self::Refunded => "epayments.payment.refunded.v1",
            Self::Cancelled => "epayments.payment.cancelled.v1",
            Self::Aborted => "epayments.payment.aborted.v1",
            Self::Expired => "epayments.payment.expired.v1",
            Self::Terminated => "epayments.payment.terminated.v1",
        }
    }
}

/// One line of the event log.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: EventName,
    pub(crate) value: i64,
    pub(crate) at: Millis,
    pub(crate) psp_reference: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) success: bool,
}

impl Event {
    /// The key as events show it: samples of CANCELLED carry none, whoever caused it.
    pub(crate) fn shown_key(&self) -> Option<&str> {
        self.idempotency_key.as_deref().filter(|_| self.name != EventName::Cancelled)
    }
}

/// Money moved so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aggregate {
    pub(crate) authorized: i64,
    pub(crate) captured: i64,
    pub(crate) cancelled: i64,
    pub(crate) refunded: i64,
}

/// The rules that depend on the sales unit, the market and the profile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Days from authorization within which money is captured or released.
    pub(crate) capture_days: i64,
    /// Days from the last capture within which money is refunded.
    pub(crate) refund_days: i64,
    /// They count from the reservation instead.
    pub(crate) refund_from_reservation: bool,
    /// The sales unit may capture in parts.
    pub(crate) partial_capture: bool,
    /// Refunds of magic amounts are refused.
    pub(crate) magic: Magic,
}

/// What distinguishes payments beside their money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Wallet,
    Card,
    CardPassthrough,
}

/// A payment.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) state: State,
    pub(crate) value: i64,
    pub(crate) currency: Currency,
    pub(crate) aggregate: Aggregate,
    pub(crate) events: Vec<Event>,
    pub(crate) method: Method,
    /// Express payments cannot be approved by force.
    pub(crate) express: bool,
    /// What the chosen shipping costs on top, for Express.
    pub(crate) shipping_cost: i64,
    /// The customer's card is asked for right now.
    pub(crate) authorizing: bool,
    pub(crate) expires_at: Millis,
    /// The customer is paying right now: it can neither expire nor be cancelled.
    pub(crate) processing_until: Option<Millis>,
    pub(crate) authorized_at: Option<Millis>,
    last_capture_at: Option<Millis>,
}

/// Whoever gives events their own references, and the time of what happens now.
pub(crate) struct Moment<'a> {
    pub(crate) at: Millis,
    pub(crate) psp_reference: &'a mut dyn FnMut() -> String,
}

/// What came of the customer's approval in the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Approval {
    Authorized,
    /// The attempt failed; the customer may try again until the payment expires.
    Failed,
    /// The outcome is known an hour later.
    Pending,
}

impl Payment {
    /// A new payment; `key` is the idempotency key of its creation.
    pub(crate) fn create(
        value: i64,
        currency: Currency,
        method: Method,
        express: bool,
        expires_at: Option<Millis>,
        key: Option<&str>,
        moment: &mut Moment<'_>,
    ) -> Self {
        let mut payment = Self {
            state: State::Created,
            value,
            currency,
            aggregate: Aggregate::default(),
            events: Vec::new(),
            method,
            express,
            shipping_cost: 0,
            authorizing: false,
            expires_at: expires_at.unwrap_or(moment.at + 10 * MINUTE),
            processing_until: None,
            authorized_at: None,
            last_capture_at: None,
        };
        payment.log(EventName::Created, value, key, true, moment);
        payment
    }

    /// The id of the payment: that of its first event.
    pub(crate) fn psp_reference(&self) -> &str {
        self.events.first().map(|event| event.psp_reference.as_str()).unwrap_or_default()
    }

    /// What can still be captured or cancelled; nothing unless authorized. On TERMINATED
    /// more is cancelled than was ever authorized.
    pub(crate) fn remaining(&self) -> i64 {
        match self.state {
            State::Authorized => {
                (self.aggregate.authorized - self.aggregate.captured - self.aggregate.cancelled).max(0)
            }
            _ => 0,
        }
    }

    /// The customer approves in the app. Magic amounts act here, and only here.
    pub(crate) fn approve(&mut self, magic: Magic, moment: &mut Moment<'_>) -> Result<Approval, Refusal> {
        self.must_be_created()?;
        if magic.refuses(self.value) {
            self.fail_attempt(moment);
            return Ok(Approval::Failed);
        }
        if magic.delays(self.value) {
            self.processing_until.get_or_insert(moment.at + 60 * MINUTE);
            return Ok(Approval::Pending);
        }
        self.authorize(moment);
        Ok(Approval::Authorized)
    }

    /// An attempt to authorize failed; the customer may try again until the payment expires.
    pub(crate) fn fail_attempt(&mut self, moment: &mut Moment<'_>) {
        self.log_with_create_key(EventName::Authorized, self.value, false, moment);
    }

    /// The approval of a test without the app.
    pub(crate) fn force_approve(&mut self, moment: &mut Moment<'_>) -> Result<(), Refusal> {
        match self.state {
            State::Authorized => Err(Refusal::Code(6230)),
            State::Aborted | State::Expired | State::Terminated => Err(Refusal::Code(10010)),
            State::Created if self.express || self.method == Method::Card => Err(Refusal::Code(10060)),
            State::Created => {
                self.authorize(moment);
                Ok(())
            }
        }
    }

    /// The customer declines, or closes the landing page for good.
    pub(crate) fn abort(&mut self, moment: &mut Moment<'_>) -> Result<(), Refusal> {
        self.must_be_created()?;
        if self.is_being_paid() {
            return Err(Refusal::Code(6250));
        }
        self.state = State::Aborted;
        self.log(EventName::Aborted, self.value, None, true, moment);
        Ok(())
    }

    /// The merchant takes money.
    pub(crate) fn capture(
        &mut self,
        value: i64,
        key: Option<&str>,
        terms: &Terms,
        moment: &mut Moment<'_>,
    ) -> Result<(), Refusal> {
        let refuse = |code| Err(Refusal::Code(code));
        match self.state {
            State::Created => return refuse(6080),
            State::Aborted | State::Expired | State::Terminated => return refuse(6200),
            State::Authorized => {}
        }
        if value <= 0 {
            return refuse(4040);
        }
        if self.is_past_capture(terms, moment.at) {
            return refuse(6100);
        }
        let Aggregate { captured, .. } = self.aggregate;
        match self.remaining() {
            0 if captured == 0 => return refuse(6070),
            0 => return refuse(6170),
            remaining if value > remaining => return refuse(6090),
            remaining if value < remaining && !terms.partial_capture => return refuse(6140),
            _ => {}
        }
        self.aggregate.captured += value;
        self.last_capture_at = Some(moment.at);
        self.log(EventName::Captured, value, key, true, moment);
        Ok(())
    }

    /// The merchant gives captured money back.
    pub(crate) fn refund(
        &mut self,
        value: i64,
        key: Option<&str>,
        terms: &Terms,
        moment: &mut Moment<'_>,
    ) -> Result<(), Refusal> {
        let refuse = |code| Err(Refusal::Code(code));
        match self.state {
            State::Created => return refuse(6020),
            State::Aborted | State::Expired | State::Terminated => return refuse(6210),
            State::Authorized => {}
        }
        if value <= 0 {
            return refuse(4040);
        }
        if let Some(code) = terms.magic.refuses_refund(value) {
            return refuse(code);
        }
        let Aggregate { captured, refunded, .. } = self.aggregate;
        let counted_from = if terms.refund_from_reservation { self.authorized_at } else { self.last_capture_at };
        if counted_from.is_some_and(|start| moment.at > start + terms.refund_days * DAY) {
            return refuse(6220);
        }
        if captured > 0 && captured == refunded {
            return refuse(6180);
        }
        if value > captured - refunded {
            return refuse(6150);
        }
        self.aggregate.refunded += value;
        self.log(EventName::Refunded, value, key, true, moment);
        Ok(())
    }

    /// The merchant ends a payment, or releases what is not captured.
    pub(crate) fn cancel(
        &mut self,
        only_if_not_authorized: bool,
        key: Option<&str>,
        terms: &Terms,
        moment: &mut Moment<'_>,
    ) -> Result<(), Refusal> {
        let refuse = |code| Err(Refusal::Code(code));
        match self.state {
            State::Created if self.is_being_paid() => refuse(6250),
            State::Created => {
                self.state = State::Terminated;
                self.aggregate.cancelled = self.value;
                self.log(EventName::Terminated, self.value, key, true, moment);
                Ok(())
            }
            State::Aborted | State::Expired | State::Terminated => refuse(6050),
            State::Authorized if only_if_not_authorized => refuse(6060),
            State::Authorized if self.aggregate.captured == self.aggregate.authorized => refuse(6040),
            State::Authorized if self.is_past_capture(terms, moment.at) => refuse(6030),
            State::Authorized if self.remaining() == 0 => refuse(6190),
            State::Authorized => {
                self.release(key, moment);
                Ok(())
            }
        }
    }

    /// When something next happens to it by itself.
    pub(crate) fn next_timer(&self, terms: &Terms) -> Option<Millis> {
        match self.state {
            State::Created if self.authorizing => None,
            State::Created => Some(self.processing_until.unwrap_or(self.expires_at)),
            State::Authorized if self.remaining() > 0 => Some(self.authorized_at? + terms.capture_days * DAY),
            _ => None,
        }
    }

    /// Lets happen what is due at this moment.
    pub(crate) fn ring(&mut self, terms: &Terms, moment: &mut Moment<'_>) {
        if self.next_timer(terms).is_none_or(|due| moment.at < due) {
            return;
        }
        match self.state {
            State::Created if self.processing_until.is_some() => self.authorize(moment),
            State::Created => {
                self.state = State::Expired;
                self.log(EventName::Expired, self.value, None, true, moment);
            }
            State::Authorized => self.release(None, moment),
            _ => {}
        }
    }

    /// Whether it waits for its customer.
    pub(crate) fn must_be_created(&self) -> Result<(), Refusal> {
        match self.state {
            State::Created => Ok(()),
            State::Authorized => Err(Refusal::Code(6230)),
            _ => Err(Refusal::Code(10010)),
        }
    }

    /// The money is reserved, shipping included.
    pub(crate) fn authorize(&mut self, moment: &mut Moment<'_>) {
        self.state = State::Authorized;
        self.processing_until = None;
        self.authorizing = false;
        self.aggregate.authorized = self.value + self.shipping_cost;
        self.authorized_at = Some(moment.at);
        self.log_with_create_key(EventName::Authorized, self.aggregate.authorized, true, moment);
    }

    /// Gives everything that is not captured back to the customer, for good.
    fn release(&mut self, key: Option<&str>, moment: &mut Moment<'_>) {
        let remaining = self.remaining();
        self.aggregate.cancelled += remaining;
        self.log(EventName::Cancelled, remaining, key, true, moment);
    }

    /// The customer's money is asked for right now.
    pub(crate) fn is_being_paid(&self) -> bool {
        self.authorizing || self.processing_until.is_some()
    }

    /// Somebody holds it in the middle of being paid, or lets it go: a time that ran out
    /// meanwhile has run out now.
    pub(crate) fn hold(&mut self, held: bool, at: Millis) {
        self.authorizing = held;
        self.expires_at = self.expires_at.max(if held { self.expires_at } else { at });
    }

    fn is_past_capture(&self, terms: &Terms, at: Millis) -> bool {
        self.authorized_at.is_some_and(|authorized_at| at >= authorized_at + terms.capture_days * DAY)
    }

    fn log_with_create_key(&mut self, name: EventName, value: i64, success: bool, moment: &mut Moment<'_>) {
        let key = self.events.first().and_then(|event| event.idempotency_key.clone());
        self.log(name, value, key.as_deref(), success, moment);
    }

    fn log(&mut self, name: EventName, value: i64, key: Option<&str>, success: bool, moment: &mut Moment<'_>) {
        let idempotency_key = key.map(str::to_owned);
        let psp_reference = (moment.psp_reference)();
        self.events.push(Event { name, value, at: moment.at, psp_reference, idempotency_key, success });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        capture_days: 180,
        refund_days: 365,
        refund_from_reservation: false,
        partial_capture: true,
        magic: Magic::Norwegian,
    };

    /// Acts on a payment of 1000 created at 0; each act is told its own time.
    fn after(acts: &[&str]) -> (Payment, Option<u16>) {
        let mut count = 0;
        let mut next = || {
            count += 1;
            format!("{count}")
        };
        let mut at = 0;
        let mut payment = Payment::create(
            1000,
            Currency::Nok,
            Method::Wallet,
            false,
            None,
            Some("k-create"),
            &mut Moment { at, psp_reference: &mut next },
        );
        let mut last = None;
        for act in acts {
            let (name, number) =
                act.split_once(' ').map_or((*act, 0), |(name, number)| (name, number.parse().unwrap()));
            let mut moment = Moment { at, psp_reference: &mut next };
            let done = match name {
                "approve" => payment.approve(Magic::Norwegian, &mut moment).map(|_| ()),
                "force" => payment.force_approve(&mut moment),
                "abort" => payment.abort(&mut moment),
                "capture" => payment.capture(number, Some("k-capture"), &TERMS, &mut moment),
                "refund" => payment.refund(number, Some("k-refund"), &TERMS, &mut moment),
                "cancel" => payment.cancel(false, None, &TERMS, &mut moment),
                "cancel-only" => payment.cancel(true, None, &TERMS, &mut moment),
                "days" => {
                    at += number * DAY;
                    payment.ring(&TERMS, &mut Moment { at, psp_reference: &mut next });
                    Ok(())
                }
                "minutes" => {
                    at += number * MINUTE;
                    payment.ring(&TERMS, &mut Moment { at, psp_reference: &mut next });
                    Ok(())
                }
                other => panic!("unknown act {other}"),
            };
            last = done.err().map(|refusal| match refusal {
                Refusal::Code(code) => code,
                _ => 0,
            });
        }
        (payment, last)
    }

    #[test]
    fn every_legal_transition_moves_state_and_money() {
        // Acts, state, authorized / captured / cancelled / refunded, last event.
        let cases: &[(&[&str], &str, [i64; 4], &str)] = &[
            (&[], "CREATED", [0, 0, 0, 0], "CREATED"),
            (&["approve"], "AUTHORIZED", [1000, 0, 0, 0], "AUTHORIZED"),
            (&["force"], "AUTHORIZED", [1000, 0, 0, 0], "AUTHORIZED"),
            (&["abort"], "ABORTED", [0, 0, 0, 0], "ABORTED"),
            (&["minutes 10"], "EXPIRED", [0, 0, 0, 0], "EXPIRED"),
            (&["cancel"], "TERMINATED", [0, 0, 1000, 0], "TERMINATED"),
            (&["cancel-only"], "TERMINATED", [0, 0, 1000, 0], "TERMINATED"),
            (&["approve", "capture 250"], "AUTHORIZED", [1000, 250, 0, 0], "CAPTURED"),
            (&["approve", "capture 250", "cancel"], "AUTHORIZED", [1000, 250, 750, 0], "CANCELLED"),
            (&["approve", "cancel"], "AUTHORIZED", [1000, 0, 1000, 0], "CANCELLED"),
            (&["approve", "capture 250", "capture 750"], "AUTHORIZED", [1000, 1000, 0, 0], "CAPTURED"),
            (&["approve", "capture 500", "refund 200"], "AUTHORIZED", [1000, 500, 0, 200], "REFUNDED"),
            (&["approve", "capture 500", "refund 500", "cancel"], "AUTHORIZED", [1000, 500, 500, 500], "CANCELLED"),
            (&["approve", "capture 500", "days 180"], "AUTHORIZED", [1000, 500, 500, 0], "CANCELLED"),
        ];
        for (acts, state, money, event) in cases {
            let (payment, refused) = after(acts);
            let Aggregate { authorized, captured, cancelled, refunded } = payment.aggregate;
            assert_eq!(refused, None, "{acts:?}");
            assert_eq!(
                (payment.state.wire(), [authorized, captured, cancelled, refunded]),
                (*state, *money),
                "{acts:?}"
            );
            assert_eq!(payment.events.last().unwrap().name.wire(), *event, "{acts:?}");
        }
    }

    #[test]
    fn every_illegal_transition_has_its_code_and_changes_nothing() {
        let cases: &[(&[&str], u16)] = &[
            (&["capture 100"], 6080),
            (&["abort", "capture 100"], 6200),
            (&["minutes 10", "capture 100"], 6200),
            (&["cancel", "capture 100"], 6200),
            (&["approve", "cancel", "capture 100"], 6070),
            (&["approve", "capture 1000", "capture 1"], 6170),
            (&["approve", "capture 1001"], 6090),
            (&["approve", "capture 600", "capture 401"], 6090),
            (&["approve", "days 180", "capture 100"], 6100),
            (&["approve", "capture 0"], 4040),
            (&["approve", "capture -1"], 4040),
            (&["refund 100"], 6020),
            (&["abort", "refund 100"], 6210),
            (&["minutes 10", "refund 100"], 6210),
            (&["cancel", "refund 100"], 6210),
            (&["approve", "refund 100"], 6150),
            (&["approve", "capture 500", "refund 501"], 6150),
            (&["approve", "capture 500", "refund 500", "refund 1"], 6180),
            (&["approve", "capture 500", "refund 0"], 4040),
            (&["approve", "capture 500", "refund 123"], 6210),
            (&["approve", "capture 500", "refund 124"], 6220),
            (&["approve", "capture 500", "days 366", "refund 100"], 6220),
            (&["approve", "capture 1000", "cancel"], 6040),
            (&["approve", "cancel", "cancel"], 6190),
            (&["approve", "capture 500", "cancel", "cancel"], 6190),
            (&["approve", "cancel-only"], 6060),
            (&["approve", "days 180", "cancel"], 6030),
            (&["abort", "cancel"], 6050),
            (&["minutes 10", "cancel"], 6050),
            (&["cancel", "cancel"], 6050),
            (&["approve", "force"], 6230),
            (&["abort", "force"], 10010),
            (&["minutes 10", "force"], 10010),
            (&["cancel", "force"], 10010),
        ];
        for (acts, code) in cases {
            let (payment, refused) = after(acts);
            let (before, _) = after(&acts[..acts.len() - 1]);
            assert_eq!(refused, Some(*code), "{acts:?}");
            assert_eq!(
                (payment.state, payment.aggregate, payment.events.len()),
                (before.state, before.aggregate, before.events.len()),
                "{acts:?}"
            );
        }
    }

    #[test]
    fn events_carry_the_keys_that_the_published_log_shows() {
        let (payment, _) = after(&["approve", "capture 500", "refund 100", "cancel"]);
        let keys: Vec<_> =
            payment.events.iter().map(|event| (event.name.wire(), event.idempotency_key.as_deref())).collect();
        assert_eq!(
            keys,
            [
                ("CREATED", Some("k-create")),
                ("AUTHORIZED", Some("k-create")),
                ("CAPTURED", Some("k-capture")),
                ("REFUNDED", Some("k-refund")),
                ("CANCELLED", None),
            ]
        );
        assert_eq!(payment.psp_reference(), payment.events[0].psp_reference);
    }

    #[test]
    fn magic_amounts_act_on_approval_in_the_app_alone() {
        let mut next = || "1".to_owned();
        let mut moment = Moment { at: 0, psp_reference: &mut next };
        let mut create = |value| Payment::create(value, Currency::Nok, Method::Wallet, false, None, None, &mut moment);
        let (mut refused, mut abroad, mut forced, mut slow) = (create(151), create(197), create(182), create(201));
        assert_eq!(refused.approve(Magic::Norwegian, &mut moment), Ok(Approval::Failed));
        assert_eq!((refused.state, refused.events.last().unwrap().success), (State::Created, false));
        assert_eq!(abroad.approve(Magic::Common, &mut moment), Ok(Approval::Authorized), "197 is Norwegian");
        assert_eq!(forced.force_approve(&mut moment), Ok(()));
        assert_eq!(slow.approve(Magic::Norwegian, &mut moment), Ok(Approval::Pending));
        assert_eq!(slow.cancel(false, None, &TERMS, &mut moment), Err(Refusal::Code(6250)));
        moment.at = 59 * MINUTE;
        slow.ring(&TERMS, &mut moment);
        assert_eq!(slow.state, State::Created, "it does not expire while its outcome is open");
        moment.at = 60 * MINUTE;
        slow.ring(&TERMS, &mut moment);
        assert_eq!(slow.state, State::Authorized);
    }
}
