//! One charge of an agreement, by the published facts alone. Times are seconds; a charge is
//! processed at six o'clock of its due day, as the test sets it.

use super::{DAY, HOUR};

/// A charge is seen by its customer so long before it is due.
const VISIBLE: i64 = 30 * DAY;
/// Reserved money is captured or released within so long.
const CAPTURE_WITHIN: i64 = 180 * DAY;
/// Money is refunded within so long after the last capture.
const REFUND_WITHIN: i64 = 365 * DAY;
/// The only processing run of a day.
pub(super) const RUN: i64 = 6 * HOUR;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Due,
    Reserved,
    Charged,
    PartiallyCaptured,
    Cancelled,
    PartiallyRefunded,
    Refunded,
}

/// An entry of the history; `key` is that of the request, where a request made it.
pub(super) struct Entry {
    pub(super) event: &'static str,
    pub(super) amount: i64,
    pub(super) key: Option<String>,
}

/// The problems that apply; none of them, and it is done.
pub(super) type Refusals = Vec<&'static str>;

pub(super) struct Charge {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) status: Status,
    pub(super) captured: i64,
    pub(super) cancelled: i64,
    pub(super) refunded: i64,
    pub(super) history: Vec<Entry>,
    direct: bool,
    due: i64,
    reserved_at: i64,
    captured_at: i64,
}

impl Charge {
    pub(super) fn create(id: String, amount: i64, direct: bool, due: i64, key: &str, now: i64) -> Self {
        let mut charge = Self {
            id,
            amount,
            status: Status::Pending,
            captured: 0,
            cancelled: 0,
            refunded: 0,
            history: Vec::new(),
            direct,
            due,
            reserved_at: 0,
            captured_at: 0,
        };
        charge.log("CREATE", amount, Some(key));
        charge.wait_until(now);
        charge
    }

    pub(super) fn rest(&self) -> i64 {
        if self.is_reserved() { self.amount - self.captured - self.cancelled } else { 0 }
    }

    pub(super) fn refundable(&self) -> i64 {
        self.captured - self.refunded
    }

    /// What happened by itself until now.
    pub(super) fn wait_until(&mut self, now: i64) {
        if self.status == Status::Pending && now > self.due - VISIBLE {
            self.status = Status::Due;
        }
        if self.status == Status::Due && now > self.due + RUN {
            self.process(self.due + RUN);
        }
        if self.is_reserved() && now > self.reserved_at + CAPTURE_WITHIN {
            self.release(None);
        }
    }

    /// A processing run on demand; gives whether this charge took part.
    pub(super) fn run(&mut self, now: i64) -> bool {
        let takes_part = self.status == Status::Due && self.due <= now;
        if takes_part {
            self.process(now);
        }
        takes_part
    }

    pub(super) fn capture(&mut self, amount: i64, key: &str, now: i64) -> Refusals {
        if !self.is_reserved() || amount > self.rest() {
            return vec!["charge-capture-failed"];
        }
        self.captured += amount;
        self.captured_at = now;
        self.log("CAPTURE", amount, Some(key));
        self.status =
            if self.amount == self.captured + self.cancelled { self.closed() } else { Status::PartiallyCaptured };
        vec![]
    }

    pub(super) fn refund(&mut self, amount: i64, key: &str, now: i64) -> Refusals {
        if amount > self.refundable() || now > self.captured_at + REFUND_WITHIN {
            return vec!["operation-failed"];
        }
        self.refunded += amount;
        self.log("REFUND", amount, Some(key));
        if self.status != Status::PartiallyCaptured {
            self.status = self.closed();
        }
        vec![]
    }

    pub(super) fn cancel(&mut self, key: &str) -> Refusals {
        if !matches!(self.status, Status::Pending | Status::Due) && !self.is_reserved() {
            return vec!["cancel-charge-failed"];
        }
        self.release(Some(key));
        vec![]
    }

    /// The agreement ended: a merchant's stop releases what is reserved, a customer's does not.
    pub(super) fn stop(&mut self, by_merchant: bool) {
        match self.status {
            Status::Pending | Status::Due => self.release(None),
            Status::Reserved if by_merchant => self.release(None),
            _ => {}
        }
    }

    fn is_reserved(&self) -> bool {
        matches!(self.status, Status::Reserved | Status::PartiallyCaptured)
    }

    fn process(&mut self, at: i64) {
        if self.direct {
            (self.status, self.captured, self.captured_at) = (Status::Charged, self.amount, at);
            self.log("CAPTURE", self.amount, None);
        } else {
            (self.status, self.reserved_at) = (Status::Reserved, at);
            self.log("RESERVE", self.amount, None);
        }
    }

    fn release(&mut self, key: Option<&str>) {
        let rest = self.amount - self.captured;
        self.cancelled = rest;
        self.status = self.closed();
        self.log("CANCEL", rest, key);
    }

    /// The status when nothing is left to capture.
    fn closed(&self) -> Status {
        match (self.captured, self.refunded) {
            (0, _) => Status::Cancelled,
            (_, 0) => Status::Charged,
            (captured, refunded) if captured == refunded => Status::Refunded,
            _ => Status::PartiallyRefunded,
        }
    }

    fn log(&mut self, event: &'static str, amount: i64, key: Option<&str>) {
        self.history.push(Entry { event, amount, key: key.map(str::to_owned) });
    }
}

impl Status {
    pub(super) fn wire(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Due => "DUE",
            Self::Reserved => "RESERVED",
            Self::Charged => "CHARGED",
            Self::PartiallyCaptured => "PARTIALLY_CAPTURED",
            Self::Cancelled => "CANCELLED",
            Self::PartiallyRefunded => "PARTIALLY_REFUNDED",
            Self::Refunded => "REFUNDED",
        }
    }
}
