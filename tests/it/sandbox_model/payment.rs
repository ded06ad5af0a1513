//! One payment, by the published facts alone. Times are seconds.

use super::DAY;

/// A customer has ten minutes.
const APPROVE_WITHIN: i64 = 600;
/// Norway: money is captured or released within so long after authorization.
const CAPTURE_WITHIN: i64 = 180 * DAY;
/// Money is refunded within so long after the last capture.
const REFUND_WITHIN: i64 = 365 * DAY;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Created,
    Authorized,
    Aborted,
    Expired,
    Terminated,
}

/// Which key an event carries.
#[derive(Debug)]
pub(super) enum Key {
    Of(String),
    None,
    /// No fact says.
    Unsaid,
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) name: &'static str,
    pub(super) value: i64,
    pub(super) key: Key,
}

/// The codes that apply; none of them, and it is done.
pub(super) type Refusals = Vec<&'static str>;

pub(super) struct Payment {
    pub(super) amount: i64,
    pub(super) state: State,
    pub(super) authorized: i64,
    pub(super) captured: i64,
    pub(super) cancelled: i64,
    pub(super) refunded: i64,
    pub(super) events: Vec<Event>,
    key: String,
    created_at: i64,
    authorized_at: i64,
    captured_at: i64,
}

impl Payment {
    pub(super) fn create(amount: i64, key: &str, now: i64) -> Self {
        let mut payment = Self {
            amount,
            state: State::Created,
            authorized: 0,
            captured: 0,
            cancelled: 0,
            refunded: 0,
            events: Vec::new(),
            key: key.to_owned(),
            created_at: now,
            authorized_at: 0,
            captured_at: 0,
        };
        payment.log("CREATED", amount, Key::Of(key.to_owned()));
        payment
    }

    /// What can still be captured or released: nothing unless authorized, as more is
    /// cancelled of a terminated payment than was ever authorized.
    pub(super) fn rest(&self) -> i64 {
        if self.state == State::Authorized { self.authorized - self.captured - self.cancelled } else { 0 }
    }

    pub(super) fn refundable(&self) -> i64 {
        self.captured - self.refunded
    }

    /// What happened by itself until now.
    pub(super) fn wait_until(&mut self, now: i64) {
        if self.state == State::Created && now > self.created_at + APPROVE_WITHIN {
            self.state = State::Expired;
            self.log("EXPIRED", self.amount, Key::None);
        }
        if self.rest() > 0 && self.is_late(now) {
            self.release();
        }
    }

    pub(super) fn approve(&mut self, now: i64) -> Refusals {
        let refusals = match self.state {
            State::Created => vec![],
            State::Authorized => vec!["6230"],
            _ => vec!["10010"],
        };
        if refusals.is_empty() {
            self.state = State::Authorized;
            (self.authorized, self.authorized_at) = (self.amount, now);
            self.log("AUTHORIZED", self.amount, Key::Of(self.key.clone()));
        }
        refusals
    }

    pub(super) fn abort(&mut self) -> Refusals {
        if self.state != State::Created {
            return vec!["no customer is waited for"];
        }
        self.state = State::Aborted;
        self.log("ABORTED", self.amount, Key::None);
        vec![]
    }

    pub(super) fn capture(&mut self, value: i64, key: &str, now: i64) -> Refusals {
        let mut refusals = match self.state {
            State::Created => vec!["6080"],
            State::Authorized if self.is_late(now) => vec!["6100"],
            State::Authorized => vec![],
            _ => vec!["6200"],
        };
        if value <= 0 {
            refusals.push("4040");
        }
        if self.state == State::Authorized {
            match (self.rest(), self.captured, self.cancelled) {
                (0, 0, _) => refusals.push("6070"),
                (0, _, 0) => refusals.push("6170"),
                (0, _, _) => refusals.extend(["6090", "6170"]),
                (rest, _, _) if value > rest => refusals.push("6090"),
                _ => {}
            }
        }
        if refusals.is_empty() {
            self.captured += value;
            self.captured_at = now;
            self.log("CAPTURED", value, Key::Of(key.to_owned()));
        }
        refusals
    }

    pub(super) fn refund(&mut self, value: i64, key: &str, now: i64) -> Refusals {
        let mut refusals = match self.state {
            State::Created => vec!["6020"],
            State::Authorized => vec![],
            _ => vec!["6210"],
        };
        if value <= 0 {
            refusals.push("4040");
        }
        if self.state == State::Authorized {
            if self.captured > 0 && now > self.captured_at + REFUND_WITHIN {
                refusals.push("6220");
            }
            if self.captured > 0 && self.refundable() == 0 {
                refusals.push("6180");
            } else if value > self.refundable() {
                refusals.push("6150");
            }
        }
        if refusals.is_empty() {
            self.refunded += value;
            self.log("REFUNDED", value, Key::Of(key.to_owned()));
        }
        refusals
    }

    pub(super) fn cancel(&mut self, transaction_only: bool, now: i64) -> Refusals {
        match self.state {
            State::Created => {
                self.state = State::Terminated;
                self.cancelled = self.amount;
                self.log("TERMINATED", self.amount, Key::Unsaid);
                return vec![];
            }
            State::Authorized => {}
            _ => return vec!["6050"],
        }
        let applies = [
            (transaction_only, "6060"),
            (self.captured == self.authorized, "6040"),
            (self.is_late(now), "6030"),
            (self.captured < self.authorized && self.rest() == 0, "6190"),
        ];
        let refusals: Refusals = applies.into_iter().filter(|(applies, _)| *applies).map(|(_, code)| code).collect();
        if refusals.is_empty() {
            self.release();
        }
        refusals
    }

    fn is_late(&self, now: i64) -> bool {
        now > self.authorized_at + CAPTURE_WITHIN
    }

    fn release(&mut self) {
        let rest = self.rest();
        self.cancelled += rest;
        self.log("CANCELLED", rest, Key::None);
    }

    fn log(&mut self, name: &'static str, value: i64, key: Key) {
        self.events.push(Event { name, value, key });
    }
}

impl State {
    pub(super) fn wire(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Authorized => "AUTHORIZED",
            Self::Aborted => "ABORTED",
            Self::Expired => "EXPIRED",
            Self::Terminated => "TERMINATED",
        }
    }
}
