//! Everything a sandbox knows, behind one lock, and what several things do together.

mod customers;
mod payments;
mod psp_payments;
mod recurring;
mod sessions;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::agreement::Agreement;
use crate::charge::Charge;
use crate::clock::{Clock, Millis, rfc3339};
use crate::deliver::{Kind, Outbox, Outcome, Parcel};
use crate::faults::Faults;
use crate::idempotency::Store;
use crate::identifiers::Identifiers;
use crate::journal::Journal;
use crate::options::Options;
use crate::psp::PspPayment;
use crate::rate_limit::RateLimits;
use crate::session::Session;
use crate::settings::Settings;
use crate::webhook::{Notice, Registrations};

pub(crate) use customers::{Home, Person, Shared, sub_of};
pub(crate) use payments::{PaymentId, Record, Redirect};
pub(crate) use psp_payments::Update;
pub(crate) use recurring::{BatchItem, ChargeId, Draft, Effect, country_of};

/// How many warnings are remembered.
const WARNINGS_KEPT: usize = 1000;
/// The most characters of one that are remembered.
const WARNING_LENGTH: usize = 500;

/// Something to which things happen by themselves as time passes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Payment(PaymentId),
    Agreement(String),
    Charge(ChargeId),
    Session(PaymentId),
    Psp(String),
    /// A batch of charges that was accepted and is not looked at yet.
    Batch(u64),
    /// An effect of Recurring that was put off.
    Effect(u64),
    /// PSP updates that wait for the night.
    PspNight,
    /// A webhook registration whose endpoint fails.
    Registration(String),
}

/// Where a landing page leads.
#[derive(Clone, Debug)]
pub(crate) enum Landing {
    Payment(PaymentId),
    Agreement(String),
    Session(PaymentId),
    Psp(String),
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) base_url: String,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) faults: Faults,
    pub(crate) rate_limits: RateLimits,
    pub(crate) ids: Identifiers,
    /// Things that a scripted stall holds at this moment, by route.
    pub(crate) held: HashMap<String, usize>,
    pub(crate) registrations: Registrations,
    pub(crate) outbox: Outbox,
    pub(crate) violations: Vec<String>,
    payments: HashMap<PaymentId, Box<Record>>,
    agreements: BTreeMap<String, Agreement>,
    charges: BTreeMap<ChargeId, Charge>,
    batches: BTreeMap<u64, Vec<BatchItem>>,
    effects: BTreeMap<u64, Effect>,
    sessions: BTreeMap<PaymentId, Session>,
    sessions_of_agreements: HashMap<String, PaymentId>,
    psp_payments: BTreeMap<String, PspPayment>,
    psp_night: Vec<Update>,
    pages: HashMap<String, (Millis, recurring::Page)>,
    landings: HashMap<String, Landing>,
    /// Profiles that were set, by phone number.
    people: BTreeMap<String, Person>,
    /// What customers share, by their `sub`.
    consents: HashMap<String, customers::Consents>,
    timers: BTreeSet<(Millis, Subject)>,
    tokens: HashMap<String, Millis>,
    journal: Journal,
    warnings: VecDeque<Value>,
}

impl World {
    pub(crate) fn new(options: Options, base_url: String) -> Self {
        Self {
            clock: Clock::new(options.clock),
            settings: Settings::new(&options),
            store: Store::default(),
            faults: Faults::default(),
            rate_limits: RateLimits::default(),
            ids: Identifiers::new(options.seed),
            held: HashMap::new(),
            registrations: Registrations::default(),
            outbox: Outbox::default(),
            violations: Vec::new(),
            payments: HashMap::new(),
            agreements: BTreeMap::new(),
            charges: BTreeMap::new(),
            batches: BTreeMap::new(),
            effects: BTreeMap::new(),
            sessions: BTreeMap::new(),
            sessions_of_agreements: HashMap::new(),
            psp_payments: BTreeMap::new(),
            psp_night: Vec::new(),
            pages: HashMap::new(),
            landings: HashMap::new(),
            people: BTreeMap::new(),
            consents: HashMap::new(),
            timers: BTreeSet::new(),
            tokens: HashMap::new(),
            journal: Journal::default(),
            warnings: VecDeque::new(),
            options,
            base_url,
        }
    }

    /// Empty again, with the same credentials and settings of the start.
    pub(crate) fn reset(&mut self) {
        let era = self.outbox.era() + 1;
        *self = Self::new(self.options.clone(), std::mem::take(&mut self.base_url));
        self.outbox.begin_era(era);
    }

    /// The time now, after everything that was due by then has happened, in order.
    pub(crate) fn settle(&mut self) -> Millis {
        let now = self.clock.now();
        while self.timers.first().is_some_and(|(due, _)| *due <= now) {
            let Some((due, subject)) = self.timers.pop_first() else { break };
            self.ring(&subject, due);
        }
        now
    }

    /// When something next happens by itself: a timer, or a call to a merchant.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        let timer = self.timers.first().map(|(due, _)| *due);
        timer.into_iter().chain(self.outbox.next_due()).min()
    }

    fn ring(&mut self, subject: &Subject, at: Millis) {
        match subject {
            Subject::Payment(id) => self.ring_payment(id, at),
            Subject::Agreement(id) => self.ring_agreement(id, at),
            Subject::Charge(id) => self.ring_charge(id, at),
            Subject::Session(id) => self.ring_session(id, at),
            Subject::Psp(id) => self.ring_psp(id, at),
            Subject::Batch(number) => self.create_batch(*number, at),
            Subject::Effect(number) => self.take_effect(*number, at),
            Subject::PspNight => self.apply_psp_updates(at),
            Subject::Registration(id) => {
                if self.registrations.is_dead(id, at) {
                    self.remove_registration(id);
                }
            }
        }
    }

    pub(crate) fn set_timer(&mut self, at: Option<Millis>, subject: Subject) {
        self.timers.extend(at.map(|at| (at, subject)));
    }

    fn clear_timer(&mut self, at: Option<Millis>, subject: Subject) {
        if let Some(at) = at {
            self.timers.remove(&(at, subject));
        }
    }

    /// Tells every registration that asked for it.
    pub(crate) fn publish(&mut self, notice: &Notice) {
        let Self { registrations, outbox, .. } = self;
        for registration in registrations.interested_in(notice) {
            outbox.add_webhook(registration, notice);
        }
    }

    /// Ends a registration and what waits for it.
    pub(crate) fn remove_registration(&mut self, id: &str) -> bool {
        self.outbox.drop_of_registration(id);
        self.registrations.remove(id)
    }

    /// Notes an attempt to call a merchant, and takes in what the merchant said to each copy.
    pub(crate) fn note_delivery(&mut self, parcel: &Parcel, copies: &[Outcome]) {
        let status = |sent: &Outcome| sent.as_ref().map(|reply| reply.status).map_err(Clone::clone);
        let current = parcel.era == self.outbox.era();
        if let Some((registration, succeeded)) = self.outbox.note(parcel, copies.iter().map(status).collect()) {
            let death = self.registrations.note(&registration, succeeded, parcel.at);
            self.set_timer(death, Subject::Registration(registration));
        }
        if let (Kind::MakePayment, Some(sent), true) = (parcel.kind, copies.first(), current) {
            let at = self.clock.now().max(parcel.at);
            self.take_psp_answer(&parcel.body, sent, at);
        }
    }

    /// Changes settings by name, or says what is wrong with the change.
    pub(crate) fn change_settings(&mut self, change: &Value) -> Result<(), String> {
        let days_before = self.settings.capture_days;
        self.settings = self.settings.patched(change)?;
        if days_before != self.settings.capture_days {
            self.reset_payment_timers(days_before);
        }
        self.outbox.rules = self.settings.delivery_rules();
        Ok(())
    }

    pub(crate) fn landing(&self, token: &str) -> Option<&Landing> {
        self.landings.get(token)
    }

    pub(crate) fn issue_token(&mut self, now: Millis) -> (String, Millis) {
        let token = self.ids.secret("token");
        let lifetime = i64::try_from(self.settings.token_lifetime_seconds).unwrap_or(i64::MAX / 2000);
        let expires = now.saturating_add(lifetime.saturating_mul(1000));
        self.tokens.retain(|_, expiry| *expiry > now);
        self.tokens.insert(token.clone(), expires);
        (token, expires)
    }

    pub(crate) fn is_token(&self, token: &str, now: Millis) -> bool {
        self.tokens.get(token).is_some_and(|expires| now < *expires)
    }

    /// Every token is refused from now on, as after a revocation.
    pub(crate) fn forget_tokens(&mut self) {
        self.tokens.clear();
    }

    pub(crate) fn warn(&mut self, operation: &str, warning: impl Into<String>) {
        let mut warning = warning.into();
        // A warning may repeat what was sent, such as the name of a field, of any length.
        if let Some((end, _)) = warning.char_indices().nth(WARNING_LENGTH) {
            warning.truncate(end);
            warning.push('…');
        }
        let entry = json!({ "at": rfc3339(self.clock.now()), "operation": operation, "warning": warning });
        keep(&mut self.warnings, WARNINGS_KEPT, entry);
    }

    pub(crate) fn warnings(&self) -> Vec<Value> {
        self.warnings.iter().cloned().collect()
    }

    pub(crate) fn log_request(
        &mut self,
        operation: Option<&'static str>,
        method: &str,
        path: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> usize {
        self.journal.add(self.clock.now(), operation, method, path, headers, body)
    }

    pub(crate) fn log_answer(&mut self, number: usize, status: u16, body: &Bytes) {
        self.journal.answered(number, status, body);
    }

    pub(crate) fn requests(&self) -> Vec<Value> {
        self.journal.to_json()
    }
}

fn keep(queue: &mut VecDeque<Value>, most: usize, entry: Value) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(entry);
}
