//! A charge of Recurring: its states, its money and its history. Pure: no HTTP, no JSON,
//! no clock.
//!
//! Amounts are minor units of the agreement's currency.

use vipps_types::Currency;

use crate::clock::{DAY, HOUR, Millis, start_of_day};
use crate::magic::Magic;
use crate::refusal::Refusal;

/// How far a charge went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Pending,
    Due,
    Processing,
    Reserved,
    Charged,
    PartiallyCaptured,
    Failed,
    Cancelled,
    PartiallyRefunded,
    Refunded,
}

impl Status {
    pub(crate) const ALL: [Self; 10] = [
        Self::Pending,
        Self::Due,
        Self::Processing,
        Self::Reserved,
        Self::Charged,
        Self::PartiallyCaptured,
        Self::Failed,
        Self::Cancelled,
        Self::PartiallyRefunded,
        Self::Refunded,
    ];

    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Due => "DUE",
            Self::Processing => "PROCESSING",
            Self::Reserved => "RESERVED",
            Self::Charged => "CHARGED",
            Self::PartiallyCaptured => "PARTIALLY_CAPTURED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::PartiallyRefunded => "PARTIALLY_REFUNDED",
            Self::Refunded => "REFUNDED",
        }
    }
}

/// Why there is a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Initial,
    Recurring,
    Unscheduled,
}

impl Kind {
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Initial => "INITIAL",
            Self::Recurring => "RECURRING",
            Self::Unscheduled => "UNSCHEDULED",
        }
    }
}

/// What an entry of the history tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventName {
    Create,
    Reserve,
    Capture,
    Refund,
    Cancel,
    Fail,
}

impl EventName {
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Reserve => "RESERVE",
            Self::Capture => "CAPTURE",
            Self::Refund => "REFUND",
            Self::Cancel => "CANCEL",
            Self::Fail => "FAIL",
        }
    }
}

/// One entry of the history.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: EventName,
    pub(crate) amount: i64,
    pub(crate) at: Millis,
    pub(crate) idempotency_key: String,
    pub(crate) success: bool,
    /// Names this operation where it moved or released money.
    pub(crate) transaction_id: Option<String>,
}

/// The time of what happens now, and whoever names transactions.
pub(crate) struct Moment<'a> {
    pub(crate) at: Millis,
    pub(crate) transaction_id: &'a mut dyn FnMut() -> String,
}

/// Why an attempt failed, as the customer's merchant is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    UserActionRequired,
    AmountTooHigh,
}

impl Failure {
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::UserActionRequired => "user_action_required",
            Self::AmountTooHigh => "charge_amount_too_high",
        }
    }

    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::UserActionRequired => "The customer must do something before the charge can succeed.",
            Self::AmountTooHigh => "The amount is above the customer's maximum.",
        }
    }
}

/// What a merchant asks for.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) amount: i64,
    pub(crate) currency: Currency,
    pub(crate) description: String,
    /// The first instant of the due day.
    pub(crate) due: Millis,
    pub(crate) retry_days: i64,
    pub(crate) kind: Kind,
    /// Taken at once, not reserved first.
    pub(crate) direct: bool,
    pub(crate) single_attempt: bool,
    pub(crate) external_id: Option<String>,
}

/// When charges are processed, and what the market refuses.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    /// Hours of the day, in UTC, in order.
    pub(crate) hours: Vec<i64>,
    /// Days before its due date that a charge is shown to the customer.
    pub(crate) visible_days: i64,
    pub(crate) magic: Magic,
}

impl Runs {
    /// The first run from then on.
    fn next(&self, at: Millis) -> Option<Millis> {
        let today = start_of_day(at);
        let mut all = (0..2).flat_map(|day| self.hours.iter().map(move |hour| today + day * DAY + hour * HOUR));
        all.find(|run| *run >= at)
    }
}

/// Days from a reservation within which it is captured or released.
pub(crate) const CAPTURE_DAYS: i64 = 180;
/// Days from the last capture within which money is refunded.
pub(crate) const REFUND_DAYS: i64 = 365;

/// A charge.
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) agreement: String,
    pub(crate) terms: Terms,
    pub(crate) status: Status,
    pub(crate) captured: i64,
    pub(crate) cancelled: i64,
    pub(crate) refunded: i64,
    pub(crate) transaction_id: Option<String>,
    pub(crate) failure: Option<Failure>,
    pub(crate) history: Vec<Event>,
    pub(crate) created: Millis,
    reserved_at: Option<Millis>,
    captured_at: Option<Millis>,
    /// When it is tried next, or its outcome is known.
    next_attempt: Option<Millis>,
}

impl Charge {
    /// A new charge; an initial one waits for its agreement, an unscheduled one is
    /// processed at once.
    pub(crate) fn create(id: String, agreement: String, terms: Terms, key: &str, at: Millis, runs: &Runs) -> Self {
        let mut charge = Self {
            id,
            agreement,
            status: Status::Pending,
            captured: 0,
            cancelled: 0,
            refunded: 0,
            transaction_id: None,
            failure: None,
            history: Vec::new(),
            created: at,
            reserved_at: None,
            captured_at: None,
            next_attempt: None,
            terms,
        };
        charge.log(EventName::Create, charge.terms.amount, key, at, None);
        match charge.terms.kind {
            Kind::Initial => {}
            Kind::Unscheduled => {
                charge.status = Status::Processing;
                charge.next_attempt = Some(at);
            }
            Kind::Recurring => {
                // One that comes after the last run of its only day is still tried once.
                charge.next_attempt = charge.run_after(at, runs).or_else(|| runs.next(at));
                if at >= charge.visible_from(runs) {
                    charge.status = Status::Due;
                }
            }
        }
        charge
    }

    /// What can still be captured or released.
    pub(crate) fn remaining(&self) -> i64 {
        match self.status {
            Status::Reserved | Status::PartiallyCaptured => self.terms.amount - self.captured - self.cancelled,
            _ => 0,
        }
    }

    /// What was reserved or taken of the customer's money.
    pub(crate) fn authorized(&self) -> i64 {
        if self.reserved_at.is_some() || self.captured_at.is_some() { self.terms.amount } else { 0 }
    }

    /// When something next happens to it by itself.
    pub(crate) fn next_timer(&self, runs: &Runs) -> Option<Millis> {
        match self.status {
            Status::Pending if self.terms.kind == Kind::Initial => None,
            Status::Pending => Some(self.visible_from(runs)),
            Status::Due | Status::Processing => self.next_attempt,
            Status::Reserved | Status::PartiallyCaptured => Some(self.reserved_at? + CAPTURE_DAYS * DAY),
            _ => None,
        }
    }

    /// Lets happen what is due: `ceiling` is the customer's own maximum, where there is one.
    /// Gives what is told to the merchant.
    pub(crate) fn ring(&mut self, ceiling: Option<i64>, runs: &Runs, moment: &mut Moment<'_>) -> Option<EventName> {
        if self.next_timer(runs).is_none_or(|due| moment.at < due) {
            return None;
        }
        match self.status {
            Status::Pending => {
                self.status = Status::Due;
                None
            }
            Status::Due | Status::Processing => self.attempt(ceiling, runs, moment),
            Status::Reserved | Status::PartiallyCaptured => {
                let key = self.system_key();
                self.release(&key, moment);
                Some(EventName::Cancel)
            }
            _ => None,
        }
    }

    /// One attempt to take the money; gives what is told to the merchant.
    pub(crate) fn attempt(&mut self, ceiling: Option<i64>, runs: &Runs, moment: &mut Moment<'_>) -> Option<EventName> {
        let (amount, at) = (self.terms.amount, moment.at);
        // Its outcome was unknown for an hour; it is a success.
        let known_now = self.status == Status::Processing && runs.magic.delays(amount) && self.transaction_id.is_some();
        self.failure = if ceiling.is_some_and(|most| amount > most) {
            Some(Failure::AmountTooHigh)
        } else if !known_now && runs.magic.refuses(amount) {
            Some(Failure::UserActionRequired)
        } else {
            None
        };
        if self.failure.is_some() {
            self.next_attempt = match self.terms.kind {
                Kind::Recurring if !self.terms.single_attempt => self.run_after(at + 1, runs),
                _ => None,
            };
            if self.next_attempt.is_some() {
                self.status = Status::Due;
                return None;
            }
            self.status = Status::Failed;
            let key = self.system_key();
            self.history.push(Event {
                name: EventName::Fail,
                amount,
                at,
                idempotency_key: key,
                success: false,
                transaction_id: None,
            });
            return Some(EventName::Fail);
        }
        if runs.magic.delays(amount) && !known_now {
            self.status = Status::Processing;
            self.transaction_id = Some((moment.transaction_id)());
            self.next_attempt = Some(at + HOUR);
            return None;
        }
        Some(self.succeed(moment))
    }

    /// The money is taken or reserved.
    pub(crate) fn succeed(&mut self, moment: &mut Moment<'_>) -> EventName {
        let (amount, key, at) = (self.terms.amount, self.system_key(), moment.at);
        let transaction = self.transaction_id.get_or_insert_with(|| (moment.transaction_id)()).clone();
        self.next_attempt = None;
        let name = if self.terms.direct {
            (self.captured, self.captured_at, self.status) = (amount, Some(at), Status::Charged);
            EventName::Capture
        } else {
            (self.reserved_at, self.status) = (Some(at), Status::Reserved);
            EventName::Reserve
        };
        self.log(name, amount, &key, at, Some(transaction));
        name
    }

    /// The merchant takes reserved money, in whole or in part.
    pub(crate) fn capture(&mut self, amount: i64, key: &str, moment: &mut Moment<'_>) -> Result<(), Refusal> {
        let at = moment.at;
        let refuse = |why: String| Err(Refusal::problem("charge-capture-failed", why));
        if !matches!(self.status, Status::Reserved | Status::PartiallyCaptured) {
            return refuse(format!("Cannot capture a charge with status {}.", self.status.wire()));
        }
        if self.reserved_at.is_some_and(|reserved| at >= reserved + CAPTURE_DAYS * DAY) {
            return refuse(format!("The reservation is older than {CAPTURE_DAYS} days."));
        }
        if amount <= 0 || amount > self.remaining() {
            return refuse(format!("The amount is above the remaining {}.", self.remaining()));
        }
        self.captured += amount;
        self.captured_at = Some(at);
        self.settle_status();
        self.log(EventName::Capture, amount, key, at, Some((moment.transaction_id)()));
        Ok(())
    }

    /// The merchant gives captured money back.
    pub(crate) fn refund(&mut self, amount: i64, key: &str, moment: &mut Moment<'_>) -> Result<(), Refusal> {
        let at = moment.at;
        let refuse = |why: String| Err(Refusal::problem("operation-failed", why));
        if self.captured == 0 {
            return refuse(format!("Cannot refund a charge with status {}: nothing is captured.", self.status.wire()));
        }
        if self.captured_at.is_some_and(|captured| at > captured + REFUND_DAYS * DAY) {
            return refuse(format!("The capture is older than {REFUND_DAYS} days."));
        }
        let left = self.captured - self.refunded;
        if amount <= 0 || amount > left {
            let status = self.status.wire();
            return refuse(format!("The amount is above the refundable {left} of a charge with status {status}."));
        }
        self.refunded += amount;
        if self.status != Status::PartiallyCaptured {
            self.settle_status();
        }
        self.log(EventName::Refund, amount, key, at, Some((moment.transaction_id)()));
        Ok(())
    }

    /// The merchant gives up a charge, or what is not captured of it.
    pub(crate) fn cancel(&mut self, key: &str, moment: &mut Moment<'_>) -> Result<(), Refusal> {
        match self.status {
            Status::Pending | Status::Due | Status::Reserved | Status::PartiallyCaptured => {
                self.release(key, moment);
                Ok(())
            }
            status => {
                let detail = format!("Cannot cancel a charge with status {}.", status.wire());
                let status = if status == Status::Processing { 409 } else { 400 };
                Err(Refusal::Problem { identifier: "cancel-charge-failed", status, detail: detail.into() })
            }
        }
    }

    /// Nothing of it is taken any more.
    pub(crate) fn release(&mut self, key: &str, moment: &mut Moment<'_>) {
        let rest = self.terms.amount - self.captured - self.cancelled;
        self.cancelled += rest;
        self.next_attempt = None;
        self.settle_status();
        // Only what was reserved has a transaction to be released.
        let transaction = self.reserved_at.map(|_| (moment.transaction_id)());
        self.log(EventName::Cancel, rest, key, moment.at, transaction);
    }

    /// The key in the history of what Vipps does by itself.
    pub(crate) fn system_key(&self) -> String {
        format!("{}-{}-ProcessPayment", self.id, self.agreement)
    }

    /// The status that the money says.
    fn settle_status(&mut self) {
        let rest = self.terms.amount - self.captured - self.cancelled;
        self.status = match (rest, self.captured, self.refunded) {
            (1.., _, _) => Status::PartiallyCaptured,
            (_, 0, _) => Status::Cancelled,
            (_, _, 0) => Status::Charged,
            (_, captured, refunded) if refunded == captured => Status::Refunded,
            _ => Status::PartiallyRefunded,
        };
    }

    fn visible_from(&self, runs: &Runs) -> Millis {
        self.terms.due - runs.visible_days * DAY
    }

    /// The first processing run from then on that is still for this charge.
    fn run_after(&self, at: Millis, runs: &Runs) -> Option<Millis> {
        let days = 0..=self.terms.retry_days;
        let mut all = days.flat_map(|day| runs.hours.iter().map(move |hour| day * DAY + hour * HOUR));
        all.find(|offset| self.terms.due + offset >= at).map(|offset| self.terms.due + offset)
    }

    fn log(&mut self, name: EventName, amount: i64, key: &str, at: Millis, transaction_id: Option<String>) {
        let idempotency_key = key.to_owned();
        self.history.push(Event { name, amount, at, idempotency_key, success: true, transaction_id });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> Runs {
        Runs { hours: vec![0, 7, 15], visible_days: 30, magic: Magic::Norwegian }
    }

    fn charge(amount: i64, direct: bool, due_day: i64, retry_days: i64) -> Charge {
        let terms = Terms {
            amount,
            currency: Currency::Nok,
            description: "Box".into(),
            due: due_day * DAY,
            retry_days,
            kind: Kind::Recurring,
            direct,
            single_attempt: false,
            external_id: None,
        };
        Charge::create("c".into(), "a".into(), terms, "create", 0, &runs())
    }

    /// Lets something happen at a time; transactions are counted by the history.
    fn at<T>(at: Millis, charge: &mut Charge, act: impl FnOnce(&mut Charge, &mut Moment<'_>) -> T) -> T {
        let mut last = 1_000_000_000 + charge.history.len();
        let mut transaction_id = || {
            last += 1;
            last.to_string()
        };
        act(charge, &mut Moment { at, transaction_id: &mut transaction_id })
    }

    /// Lets time pass up to a day; gives what was told.
    fn pass(charge: &mut Charge, day: i64) -> Vec<(i64, EventName)> {
        let mut told = Vec::new();
        while let Some(due) = charge.next_timer(&runs()).filter(|at| *at <= day * DAY) {
            let name = at(due, charge, |charge, moment| charge.ring(None, &runs(), moment));
            told.extend(name.map(|name| (due, name)));
        }
        told
    }

    #[test]
    fn every_operation_on_money_has_a_transaction_of_its_own() {
        let mut charge = charge(1000, false, 2, 0);
        pass(&mut charge, 2);
        for amount in [300, 200] {
            at(3 * DAY, &mut charge, |charge, moment| charge.capture(amount, "k", moment)).unwrap();
        }
        at(3 * DAY, &mut charge, |charge, moment| charge.refund(100, "k", moment)).unwrap();
        at(3 * DAY, &mut charge, |charge, moment| charge.cancel("k", moment)).unwrap();
        let told: Vec<&str> = charge.history.iter().filter_map(|event| event.transaction_id.as_deref()).collect();
        assert_eq!(told.len(), 5, "reserve, two captures, a refund and a release");
        assert_eq!(told.iter().collect::<std::collections::HashSet<_>>().len(), 5);
        assert_eq!(charge.history[0].transaction_id, None, "nothing moved when it was created");
    }

    #[test]
    fn what_was_never_reserved_is_cancelled_without_a_transaction() {
        let mut charge = charge(1000, false, 2, 0);
        at(0, &mut charge, |charge, moment| charge.cancel("k", moment)).unwrap();
        assert!(charge.history.iter().all(|event| event.transaction_id.is_none()));
    }

    #[test]
    fn a_charge_is_seen_thirty_days_before_and_taken_on_its_day() {
        let mut early = charge(1000, true, 40, 0);
        assert_eq!(early.status, Status::Pending);
        pass(&mut early, 10);
        assert_eq!(early.status, Status::Due);
        assert_eq!(pass(&mut early, 40), [(40 * DAY, EventName::Capture)]);
        assert_eq!((early.status, early.captured), (Status::Charged, 1000));
    }

    #[test]
    fn a_refused_charge_is_tried_until_its_last_day_is_over() {
        let mut refused = charge(151, true, 2, 1);
        assert!(pass(&mut refused, 3).is_empty());
        assert_eq!((refused.status, refused.failure), (Status::Due, Some(Failure::UserActionRequired)));
        assert_eq!(pass(&mut refused, 4), [(3 * DAY + 15 * HOUR, EventName::Fail)]);
        assert_eq!(refused.status, Status::Failed);
    }

    #[test]
    fn the_money_says_the_status() {
        // Acts on a reserved charge of 1000, then its status, captured, cancelled, refunded.
        let cases: [(&[&str], Status, [i64; 3]); 9] = [
            (&["capture 400"], Status::PartiallyCaptured, [400, 0, 0]),
            (&["capture 1000"], Status::Charged, [1000, 0, 0]),
            (&["capture 400", "capture 600"], Status::Charged, [1000, 0, 0]),
            (&["cancel"], Status::Cancelled, [0, 1000, 0]),
            (&["capture 400", "cancel"], Status::Charged, [400, 600, 0]),
            (&["capture 400", "refund 400"], Status::PartiallyCaptured, [400, 0, 400]),
            (&["capture 400", "refund 400", "cancel"], Status::Refunded, [400, 600, 400]),
            (&["capture 400", "refund 100", "capture 600"], Status::PartiallyRefunded, [1000, 0, 100]),
            (&["capture 1000", "refund 300", "refund 700"], Status::Refunded, [1000, 0, 1000]),
        ];
        for (acts, status, money) in cases {
            let mut charge = charge(1000, false, 2, 0);
            pass(&mut charge, 2);
            assert_eq!(charge.status, Status::Reserved);
            for act in acts {
                let (name, amount) = act.split_once(' ').map_or((*act, 0), |(name, n)| (name, n.parse().unwrap()));
                let done = at(3 * DAY, &mut charge, |charge, moment| match name {
                    "capture" => charge.capture(amount, "k", moment),
                    "refund" => charge.refund(amount, "k", moment),
                    _ => charge.cancel("k", moment),
                });
                done.unwrap();
            }
            assert_eq!(charge.status, status, "{acts:?}");
            assert_eq!([charge.captured, charge.cancelled, charge.refunded], money, "{acts:?}");
        }
    }

    #[test]
    fn a_reservation_is_released_after_180_days() {
        let mut reserved = charge(1000, false, 2, 0);
        assert_eq!(pass(&mut reserved, 182), [(2 * DAY, EventName::Reserve), (182 * DAY, EventName::Cancel)]);
        assert_eq!(reserved.status, Status::Cancelled);
    }

    #[test]
    fn an_unknown_outcome_is_known_an_hour_later() {
        let mut unknown = charge(201, true, 2, 0);
        pass(&mut unknown, 2);
        assert_eq!(unknown.status, Status::Processing);
        assert!(at(2 * DAY, &mut unknown, |charge, moment| charge.cancel("k", moment)).is_err());
        assert_eq!(pass(&mut unknown, 3), [(2 * DAY + HOUR, EventName::Capture)]);
    }
}
