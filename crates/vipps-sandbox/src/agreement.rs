//! An agreement of Recurring: its states and its pricing. Pure: no HTTP, no JSON, no clock.
//!
//! Amounts are minor units of the agreement's currency.

use jiff::{Span, ToSpan as _, tz::TimeZone};
use vipps_types::Currency;

use crate::clock::{MINUTE, Millis};
use crate::refusal::Refusal;

/// A customer has this long to accept.
const ACCEPT_WITHIN: Millis = 10 * MINUTE;
/// A LEGACY agreement may be charged at most so many times its price in an interval.
pub(crate) const LEGACY_FACTOR: i64 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Pending,
    Active,
    Stopped,
    Expired,
}

impl Status {
    pub(crate) const ALL: [Self; 4] = [Self::Pending, Self::Active, Self::Stopped, Self::Expired];

    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Active => "ACTIVE",
            Self::Stopped => "STOPPED",
            Self::Expired => "EXPIRED",
        }
    }
}

/// How much may be charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pricing {
    Legacy { price: i64 },
    Variable { suggested: i64, chosen: Option<i64> },
    Flexible,
}

impl Pricing {
    pub(crate) fn wire(&self) -> &'static str {
        match self {
            Self::Legacy { .. } => "LEGACY",
            Self::Variable { .. } => "VARIABLE",
            Self::Flexible => "FLEXIBLE",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Year,
    Month,
    Week,
    Day,
}

impl Unit {
    pub(crate) fn from_wire(name: &str) -> Option<Self> {
        Some(match name {
            "YEAR" => Self::Year,
            "MONTH" => Self::Month,
            "WEEK" => Self::Week,
            "DAY" => Self::Day,
            _ => return None,
        })
    }

    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Year => "YEAR",
            Self::Month => "MONTH",
            Self::Week => "WEEK",
            Self::Day => "DAY",
        }
    }
}

/// How often the customer is told that they pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) unit: Unit,
    pub(crate) count: i64,
}

impl Interval {
    /// `every 2 months`.
    pub(crate) fn text(&self) -> String {
        let unit = self.unit.wire().to_lowercase();
        if self.count == 1 { format!("every {unit}") } else { format!("every {} {unit}s", self.count) }
    }

    fn span(&self, times: i64) -> Span {
        let count = self.count.saturating_mul(times).clamp(-19_000, 19_000);
        match self.unit {
            Unit::Year => count.clamp(-19_000, 19_000).years(),
            Unit::Month => count.months(),
            Unit::Week => count.weeks(),
            Unit::Day => count.days(),
        }
    }

    /// The end of a first period that begins then.
    pub(crate) fn after(&self, at: Millis) -> Millis {
        self.boundary(at, 1).unwrap_or(Millis::MAX)
    }

    fn boundary(&self, start: Millis, times: i64) -> Option<Millis> {
        let start = jiff::Timestamp::from_millisecond(start).ok()?.to_zoned(TimeZone::UTC);
        Some(start.checked_add(self.span(times)).ok()?.timestamp().as_millisecond())
    }

    /// The interval around an instant, counted from a start: from, and up to but not.
    pub(crate) fn around(&self, start: Millis, at: Millis) -> (Millis, Millis) {
        let mut from = start;
        for times in 1..=19_000 {
            match self.boundary(start, times) {
                Some(end) if at >= end => from = end,
                Some(end) => return (from, end),
                None => break,
            }
        }
        (from, Millis::MAX)
    }
}

/// An introductory price. It informs the customer; charges are what the merchant makes them.
#[derive(Clone, Debug)]
pub(crate) enum Campaign {
    Price {
        price: i64,
        end: String,
    },
    Period {
        price: i64,
        period: Interval,
    },
    Event {
        price: i64,
        date: String,
        text: String,
    },
    /// As version 2 drafts it.
    Legacy {
        price: i64,
        end: String,
    },
}

/// What a merchant and a customer agree on.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) sales_unit: String,
    pub(crate) currency: Currency,
    pub(crate) pricing: Pricing,
    pub(crate) interval: Option<Interval>,
    pub(crate) campaign: Option<Campaign>,
    pub(crate) product_name: String,
    pub(crate) product_description: Option<String>,
    pub(crate) agreement_url: Option<String>,
    pub(crate) redirect_url: String,
    pub(crate) external_id: Option<String>,
    pub(crate) scope: Option<String>,
}

/// Who did something to an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    Merchant,
    User,
    Admin,
    System,
}

impl Actor {
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Merchant => "MERCHANT",
            Self::User => "USER",
            Self::Admin => "ADMIN",
            Self::System => "SYSTEM",
        }
    }
}

/// What an entry of the history tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventName {
    Create,
    Activate,
    Reject,
    Expire,
    Stop,
}

impl EventName {
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Activate => "ACTIVATE",
            Self::Reject => "REJECT",
            Self::Expire => "EXPIRE",
            Self::Stop => "STOP",
        }
    }
}

/// One entry of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: EventName,
    pub(crate) at: Millis,
    pub(crate) actor: Actor,
}

/// An agreement.
#[derive(Clone, Debug)]
pub(crate) struct Agreement {
    pub(crate) id: String,
    /// Later agreements have higher numbers.
    pub(crate) number: usize,
    pub(crate) uuid: String,
    pub(crate) terms: Terms,
    pub(crate) status: Status,
    pub(crate) created: Millis,
    pub(crate) started: Option<Millis>,
    pub(crate) stopped: Option<Millis>,
    pub(crate) confirmation_url: Option<String>,
    /// Its charges, oldest first; the first may be the initial one.
    pub(crate) charges: Vec<String>,
    pub(crate) initial_charge: Option<String>,
    /// The outcome of the initial charge is not known yet.
    pub(crate) waits_for_charge: bool,
    /// The customer's phone number, where it is known.
    pub(crate) phone_number: Option<String>,
    /// What happened to it, oldest first.
    pub(crate) history: Vec<Event>,
}

impl Agreement {
    /// When it expires by itself.
    pub(crate) fn next_timer(&self) -> Option<Millis> {
        (self.status == Status::Pending && !self.waits_for_charge).then_some(self.created + ACCEPT_WITHIN)
    }

    /// The customer accepted; `chosen` is their own ceiling, where the price varies.
    pub(crate) fn activate(&mut self, chosen: Option<i64>, at: Millis) {
        self.log(EventName::Activate, Actor::User, at);
        self.status = Status::Active;
        self.started = Some(at);
        self.waits_for_charge = false;
        if let Pricing::Variable { suggested, chosen: own } = &mut self.terms.pricing {
            *own = Some(chosen.or(*own).unwrap_or(*suggested));
        }
    }

    pub(crate) fn stop(&mut self, actor: Actor, at: Millis) {
        self.log(EventName::Stop, actor, at);
        (self.status, self.stopped, self.waits_for_charge) = (Status::Stopped, Some(at), false);
    }

    /// The customer declined. There is no status of its own for it.
    pub(crate) fn reject(&mut self, at: Millis) {
        self.log(EventName::Reject, Actor::User, at);
        (self.status, self.stopped) = (Status::Stopped, Some(at));
    }

    pub(crate) fn expire(&mut self, at: Millis) {
        self.log(EventName::Expire, Actor::System, at);
        (self.status, self.waits_for_charge) = (Status::Expired, false);
    }

    fn log(&mut self, name: EventName, actor: Actor, at: Millis) {
        self.history.push(Event { name, at, actor });
    }

    /// The customer's own ceiling for one charge.
    pub(crate) fn chosen_maximum(&self) -> Option<i64> {
        match self.terms.pricing {
            Pricing::Variable { chosen, .. } => chosen,
            _ => None,
        }
    }

    /// The most a merchant may ask for in one charge, and in one interval.
    pub(crate) fn ceiling(&self) -> Option<i64> {
        match self.terms.pricing {
            Pricing::Legacy { price } => Some(price.saturating_mul(LEGACY_FACTOR)),
            Pricing::Variable { suggested, chosen } => Some(suggested.max(chosen.unwrap_or(0))),
            Pricing::Flexible => None,
        }
    }

    /// Changes prices: only what fits the kind of pricing.
    pub(crate) fn change_price(&mut self, price: Option<i64>, suggested: Option<i64>) -> Result<(), Refusal> {
        let illegal = |why: &'static str| Err(Refusal::problem("illegal-agreement-update", why));
        match &mut self.terms.pricing {
            Pricing::Legacy { .. } if suggested.is_some() => illegal("suggestedMaxAmount goes with VARIABLE pricing."),
            Pricing::Variable { .. } if price.is_some() => illegal("amount goes with LEGACY pricing."),
            Pricing::Flexible if price.or(suggested).is_some() => illegal("FLEXIBLE pricing has no amounts."),
            Pricing::Legacy { price: own } => {
                *own = price.unwrap_or(*own);
                Ok(())
            }
            Pricing::Variable { suggested: own, .. } => {
                *own = suggested.unwrap_or(*own);
                Ok(())
            }
            Pricing::Flexible => Ok(()),
        }
    }
}

/// The highest `suggestedMaxAmount` of a currency.
pub(crate) fn most_suggested(currency: &Currency) -> i64 {
    match currency {
        Currency::Dkk => 30_000_000,
        Currency::Eur => 200_000,
        _ => 2_000_000,
    }
}

/// The market of a currency.
pub(crate) fn country(currency: &Currency) -> &'static str {
    match currency {
        Currency::Dkk => "DK",
        Currency::Eur => "FI",
        Currency::Sek => "SE",
        _ => "NO",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_rfc3339;

    #[test]
    fn intervals_are_counted_by_the_calendar_from_the_start() {
        let at = |text: &str| parse_rfc3339(text).unwrap();
        let month = Interval { unit: Unit::Month, count: 1 };
        let start = at("2026-01-31T10:00:00Z");
        // An instant, and the interval it lies in.
        for (instant, from, to) in [
            ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z"),
            ("2026-03-01T00:00:00Z", "2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z"),
            ("2026-12-31T10:00:00Z", "2026-12-31T10:00:00Z", "2027-01-31T10:00:00Z"),
        ] {
            assert_eq!(month.around(start, at(instant)), (at(from), at(to)), "{instant}");
        }
    }

    #[test]
    fn intervals_have_a_text() {
        assert_eq!(Interval { unit: Unit::Month, count: 2 }.text(), "every 2 months");
        assert_eq!(Interval { unit: Unit::Week, count: 1 }.text(), "every week");
    }
}
