//! Calls to merchants: what waits to be sent, when it is tried again, and what came of it.
//! Nothing here touches the network; `postman.rs` does.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::clock::{DAY, HOUR, MINUTE, Millis, SECOND, rfc3339};
use crate::redact::redact;
use crate::webhook::{Notice, Registration};

/// Finished deliveries that are remembered.
const FINISHED_KEPT: usize = 10_000;
/// How long events wait for each other in the mode `reorder`.
const REORDER_WAIT: Millis = SECOND;

/// Why Vipps calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Webhook,
    CheckoutCallback,
    MakePayment,
    CardCallback,
    DynamicShipping,
    DynamicLogistics,
}

impl Kind {
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::CheckoutCallback => "checkoutCallback",
            Self::MakePayment => "makePayment",
            Self::CardCallback => "cardCallback",
            Self::DynamicShipping => "dynamicShipping",
            Self::DynamicLogistics => "dynamicLogistics",
        }
    }
}

/// How a call proves that it comes from Vipps.
#[derive(Clone)]
pub(crate) enum Proof {
    None,
    /// This value as `Authorization`.
    Token(String),
    /// An HMAC with this secret.
    Signature(String),
}

/// How webhooks misbehave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Normal,
    Drop,
    Duplicate,
    Reorder,
    Delay,
    BadSignature,
}

impl Mode {
    const ALL: [(&'static str, Self); 6] = [
        ("normal", Self::Normal),
        ("drop", Self::Drop),
        ("duplicate", Self::Duplicate),
        ("reorder", Self::Reorder),
        ("delay", Self::Delay),
        ("badSignature", Self::BadSignature),
    ];

    pub(crate) fn wire(self) -> &'static str {
        Self::ALL.iter().find(|(_, mode)| *mode == self).map_or("normal", |(name, _)| name)
    }

    pub(crate) fn from_wire(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(|(name, _)| name).join(", ");
        let found = Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode);
        found.ok_or_else(|| format!("unknown mode `{name}` (known modes: {})", known()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending,
    Delivered,
    Failed,
    Dropped,
}

/// What a merchant answered.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// How one attempt ended: an answer, or what went wrong.
pub(crate) type Outcome = Result<Reply, String>;

/// A call to a merchant.
pub(crate) struct Delivery {
    kind: Kind,
    registration: Option<String>,
    event_type: Option<&'static str>,
    sales_unit: String,
    subject: String,
    url: String,
    body: Bytes,
    proof: Proof,
    state: State,
    /// When it is tried next, once those before it in its lane are done.
    next: Option<Millis>,
    attempts: Vec<(Millis, Result<u16, String>)>,
    /// Attempts by the schedule: copies of one, and replays, count once.
    rounds: usize,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("kind", &self.kind).field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// What goes over the wire for one attempt.
#[derive(Clone)]
pub(crate) struct Parcel {
    pub(crate) kind: Kind,
    pub(crate) era: u64,
    pub(crate) number: u64,
    pub(crate) at: Millis,
    /// When it says to be signed.
    pub(crate) signed: Millis,
    pub(crate) url: String,
    pub(crate) body: Bytes,
    pub(crate) proof: Proof,
    /// The registration that a webhook is for.
    pub(crate) registration: Option<String>,
    /// Parcels with the same lane go one after the other.
    pub(crate) lane: String,
    pub(crate) mode: Mode,
}

/// The address and the body are left out: they may hold what is secret.
impl std::fmt::Debug for Parcel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parcel").field("kind", &self.kind).field("number", &self.number).finish_non_exhaustive()
    }
}

/// Everything that Vipps sends to merchants.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    era: u64,
    last: u64,
    deliveries: BTreeMap<u64, Delivery>,
    /// Heads of lanes, by when they are tried.
    due: BTreeSet<(Millis, u64)>,
    /// Deliveries to one registration about one subject, in order.
    lanes: HashMap<(String, String), VecDeque<u64>>,
    finished: VecDeque<u64>,
    pub(crate) mode: Mode,
    /// How long the mode `delay` holds events.
    pub(crate) delay: Millis,
    pub(crate) rules: Rules,
}

/// The settings that deliveries follow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// Failed deliveries are tried again at once, so to speak.
    pub(crate) fast: bool,
    /// 200 alone is a success.
    pub(crate) needs_200: bool,
    /// Every attempt carries the date of the first.
    pub(crate) signed_once: bool,
}

impl Rules {
    fn is_success(self, outcome: &Result<u16, String>) -> bool {
        match outcome {
            Ok(status) => {
                if self.needs_200 {
                    *status == 200
                } else {
                    (200..300).contains(status)
                }
            }
            Err(_) => false,
        }
    }
}

/// A call other than a webhook.
pub(crate) struct NewCall {
    pub(crate) kind: Kind,
    pub(crate) sales_unit: String,
    pub(crate) subject: String,
    pub(crate) url: String,
    pub(crate) body: Value,
    pub(crate) proof: Proof,
}

impl Outbox {
    /// Counts resets, so that what was sent before one is not noted after it.
    pub(crate) fn era(&self) -> u64 {
        self.era
    }

    pub(crate) fn begin_era(&mut self, era: u64) {
        self.era = era;
    }

    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(crate) fn add_webhook(&mut self, registration: &Registration, notice: &Notice) {
        let wait = match self.mode {
            Mode::Reorder => REORDER_WAIT,
            Mode::Delay => self.delay,
            _ => 0,
        };
        let due = notice.at.saturating_add(wait);
        let delivery = Delivery {
            kind: Kind::Webhook,
            registration: Some(registration.id.clone()),
            event_type: Some(notice.event_type),
            sales_unit: notice.sales_unit.clone(),
            subject: notice.subject.clone(),
            url: registration.url.clone(),
            body: notice.body.to_string().into(),
            proof: Proof::Signature(registration.secret.clone()),
            state: State::Pending,
            next: Some(due),
            attempts: Vec::new(),
            rounds: 0,
        };
        let number = self.insert(delivery);
        if self.mode == Mode::Reorder {
            // No order to keep: it is due by itself.
            self.due.insert((due, number));
            return;
        }
        let lane = self.lanes.entry((registration.id.clone(), notice.subject.clone())).or_default();
        lane.push_back(number);
        if lane.len() == 1 {
            self.due.insert((due, number));
        }
    }

    /// Another call; `at` is when it is sent by itself, `None` when its cause sends it.
    pub(crate) fn add_call(&mut self, call: NewCall, at: Option<Millis>) -> u64 {
        let number = self.insert(Delivery {
            kind: call.kind,
            registration: None,
            event_type: None,
            sales_unit: call.sales_unit,
            subject: call.subject,
            url: call.url,
            body: call.body.to_string().into(),
            proof: call.proof,
            state: State::Pending,
            next: at,
            attempts: Vec::new(),
            rounds: 0,
        });
        self.due.extend(at.map(|at| (at, number)));
        number
    }

    fn insert(&mut self, delivery: Delivery) -> u64 {
        self.last += 1;
        self.deliveries.insert(self.last, delivery);
        self.last
    }

    /// Everything due by now, in order; what is taken is under way until it is noted.
    pub(crate) fn take_due(&mut self, now: Millis) -> Vec<Parcel> {
        let mut taken = Vec::new();
        while let Some((at, number)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_first();
            taken.extend(self.parcel(number, at));
        }
        if self.mode == Mode::Reorder {
            taken.reverse();
        }
        taken
    }

    /// One attempt of a delivery, whatever became of it before.
    pub(crate) fn parcel(&self, number: u64, at: Millis) -> Option<Parcel> {
        let delivery = self.deliveries.get(&number)?;
        Some(Parcel {
            kind: delivery.kind,
            era: self.era,
            number,
            at,
            signed: delivery.attempts.first().filter(|_| self.rules.signed_once).map_or(at, |(first, _)| *first),
            url: delivery.url.clone(),
            body: delivery.body.clone(),
            proof: delivery.proof.clone(),
            registration: delivery.registration.clone(),
            lane: match &delivery.registration {
                Some(registration) => format!("{} {registration}", self.era),
                None => format!("{} call {number}", self.era),
            },
            mode: if delivery.kind == Kind::Webhook { self.mode } else { Mode::Normal },
        })
    }

    /// A parcel that waited in its lane, as it is to be sent now; none where it was dropped,
    /// delivered by hand or forgotten meanwhile.
    pub(crate) fn refreshed(&self, parcel: &Parcel) -> Option<Parcel> {
        let waits = self.deliveries.get(&parcel.number).is_some_and(|delivery| delivery.state == State::Pending);
        if parcel.era == self.era && waits { self.parcel(parcel.number, parcel.at) } else { None }
    }

    /// Notes an attempt with the answers to all its copies, none where it was dropped.
    /// Gives the registration that it was for, and whether one of them was a success.
    pub(crate) fn note(&mut self, parcel: &Parcel, outcomes: Vec<Result<u16, String>>) -> Option<(String, bool)> {
        if parcel.era != self.era {
            return None;
        }
        let rules = self.rules;
        self.unschedule(parcel.number);
        let delivery = self.deliveries.get_mut(&parcel.number)?;
        let was_pending = delivery.state == State::Pending;
        if outcomes.is_empty() {
            delivery.state = State::Dropped;
            delivery.next = None;
            self.finish(parcel.number, parcel.at);
            return None;
        }
        let succeeded = outcomes.iter().any(|outcome| rules.is_success(outcome));
        delivery.attempts.extend(outcomes.into_iter().map(|outcome| (parcel.at, outcome)));
        if was_pending {
            delivery.rounds += 1;
            let attempts = delivery.rounds;
            let first = delivery.attempts[0].0;
            let again = match delivery.kind {
                _ if succeeded => None,
                Kind::Webhook => retry_at(attempts, first, parcel.at, rules.fast),
                Kind::CheckoutCallback => (attempts <= 3).then(|| parcel.at + (SECOND << attempts)),
                _ => None,
            };
            delivery.next = again;
            match again {
                Some(at) => {
                    self.due.insert((at, parcel.number));
                }
                None => {
                    delivery.state = if succeeded { State::Delivered } else { State::Failed };
                    self.finish(parcel.number, parcel.at);
                }
            }
        } else if succeeded && let Some(delivery) = self.deliveries.get_mut(&parcel.number) {
            delivery.state = State::Delivered;
        }
        Some((self.deliveries.get(&parcel.number)?.registration.clone()?, succeeded))
    }

    /// The next in the lane may go.
    fn finish(&mut self, number: u64, at: Millis) {
        let Some(delivery) = self.deliveries.get(&number) else { return };
        if let Some(registration) = &delivery.registration {
            let key = (registration.clone(), delivery.subject.clone());
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.retain(|waiting| *waiting != number);
                match lane.front() {
                    Some(next) => {
                        self.due.insert((at, *next));
                    }
                    None => {
                        self.lanes.remove(&key);
                    }
                }
            }
        }
        self.finished.push_back(number);
        if self.finished.len() > FINISHED_KEPT
            && let Some(oldest) = self.finished.pop_front()
        {
            self.deliveries.remove(&oldest);
        }
    }

    /// A registration is gone, and what waits for it with it.
    pub(crate) fn drop_of_registration(&mut self, id: &str) {
        self.lanes.retain(|(registration, _), _| registration != id);
        let waiting = self
            .deliveries
            .iter_mut()
            .filter(|(_, delivery)| delivery.state == State::Pending && delivery.registration.as_deref() == Some(id));
        for (number, delivery) in waiting {
            self.due.retain(|(_, due)| due != number);
            delivery.state = State::Dropped;
            delivery.next = None;
            self.finished.push_back(*number);
        }
    }

    /// Takes a delivery from the schedule: whoever does so sends it.
    pub(crate) fn unschedule(&mut self, number: u64) {
        self.due.retain(|(_, due)| *due != number);
    }

    pub(crate) fn to_json(&self) -> Vec<Value> {
        self.deliveries.keys().filter_map(|number| self.delivery_json(*number)).collect()
    }

    /// The last ones, newest first.
    pub(crate) fn newest(&self, most: usize) -> Vec<Value> {
        self.deliveries.keys().rev().take(most).filter_map(|number| self.delivery_json(*number)).collect()
    }

    pub(crate) fn delivery_json(&self, number: u64) -> Option<Value> {
        let delivery = self.deliveries.get(&number)?;
        let state = match delivery.state {
            State::Pending => "pending",
            State::Delivered => "delivered",
            State::Failed => "failed",
            State::Dropped => "dropped",
        };
        let attempt = |(at, outcome): &(Millis, Result<u16, String>)| match outcome {
            Ok(status) => json!({ "at": rfc3339(*at), "status": status }),
            Err(error) => json!({ "at": rfc3339(*at), "error": error }),
        };
        let mut body = serde_json::from_slice::<Value>(&delivery.body).unwrap_or(Value::Null);
        redact(&mut body);
        Some(json!({
            "id": number.to_string(),
            "kind": delivery.kind.wire(),
            "webhookId": delivery.registration,
            "eventType": delivery.event_type,
            "msn": delivery.sales_unit,
            "subject": delivery.subject,
            "url": delivery.url,
            "state": state,
            "nextAttempt": delivery.next.map(rfc3339),
            "body": body,
            "attempts": delivery.attempts.iter().map(attempt).collect::<Vec<_>>(),
        }))
    }
}

/// When a webhook is tried again after so many failed attempts, by the published schedule:
/// 2 s up to the fourth attempt, 60 s, 120 s, hourly up to the 29th, then daily for 7 days.
fn retry_at(attempts: usize, first: Millis, last: Millis, fast: bool) -> Option<Millis> {
    let wait = match attempts {
        _ if fast => 100,
        ..=3 => 2 * SECOND,
        4 => MINUTE,
        5 => 2 * MINUTE,
        6..=28 => HOUR,
        _ => DAY,
    };
    let at = last + wait;
    (at <= first + 7 * DAY && !(fast && attempts >= 35)).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_are_tried_by_the_published_schedule_for_seven_days() {
        let mut times = vec![0];
        while let Some(at) = retry_at(times.len(), 0, times[times.len() - 1], false) {
            times.push(at);
        }
        assert_eq!(times[..7], [0, 2_000, 4_000, 6_000, 66_000, 186_000, 186_000 + HOUR]);
        assert_eq!(times[28], 186_000 + 23 * HOUR, "the 29th attempt");
        assert_eq!(times[29], 186_000 + 23 * HOUR + DAY);
        assert_eq!(times.len(), 35);
        assert!(times[34] <= 7 * DAY && times[34] + DAY > 7 * DAY);
    }

    #[test]
    fn a_failing_event_holds_back_its_own_payment_only() {
        let mut registrations = crate::webhook::Registrations::default();
        let registration = registrations.add("r".into(), b"key", "http://localhost/".into(), Vec::new(), None).clone();
        let mut outbox = Outbox::default();
        for (subject, event_type) in [("a", "one"), ("a", "two"), ("b", "one")] {
            let notice = Notice {
                event_type,
                sales_unit: "123456".into(),
                subject: subject.into(),
                at: 0,
                body: json!({ "subject": subject }),
            };
            outbox.add_webhook(&registration, &notice);
        }
        let numbers = |parcels: &[Parcel]| parcels.iter().map(|parcel| parcel.number).collect::<Vec<_>>();
        let first = outbox.take_due(0);
        assert_eq!(numbers(&first), [1, 3]);
        outbox.note(&first[0], vec![Ok(500)]);
        outbox.note(&first[1], vec![Ok(200)]);
        assert!(outbox.take_due(1_999).is_empty());
        let again = outbox.take_due(2_000);
        assert_eq!(numbers(&again), [1]);
        outbox.note(&again[0], vec![Ok(204)]);
        assert_eq!(numbers(&outbox.take_due(2_000)), [2]);
    }
}
