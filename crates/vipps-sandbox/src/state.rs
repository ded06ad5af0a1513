//! Everything a sandbox knows, behind one lock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock::{Clock, rfc3339};
use crate::faults::Faults;
use crate::idempotency::Store;
use crate::options::Options;
use crate::payment::{Millis, Moment, Payment, Terms};
use crate::rate_limit::RateLimits;
use crate::settings::Settings;

/// How many requests are remembered for `GET /__sandbox/requests`.
const REQUESTS_KEPT: usize = 1000;
/// How many warnings are remembered.
const WARNINGS_KEPT: usize = 1000;

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
    pub(crate) redirect_url: Option<String>,
    pub(crate) landing_token: String,
    pub(crate) description: Option<String>,
    pub(crate) phone_number: Option<String>,
    pub(crate) wants_profile: bool,
    pub(crate) metadata: Option<Value>,
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
    /// Payments that a scripted stall holds at this moment.
    pub(crate) held: HashSet<PaymentId>,
    payments: BTreeMap<PaymentId, Record>,
    landing: HashMap<String, PaymentId>,
    timers: BTreeSet<(Millis, PaymentId)>,
    tokens: HashMap<String, Millis>,
    requests: VecDeque<Value>,
    warnings: VecDeque<Value>,
    pub(crate) violations: Vec<String>,
    counter: u64,
}

impl World {
    pub(crate) fn new(options: Options, base_url: String) -> Self {
        Self {
            clock: Clock::new(options.clock),
            settings: Settings::new(&options),
            store: Store::default(),
            faults: Faults::default(),
            rate_limits: RateLimits::default(),
            held: HashSet::new(),
            payments: BTreeMap::new(),
            landing: HashMap::new(),
            timers: BTreeSet::new(),
            tokens: HashMap::new(),
            requests: VecDeque::new(),
            warnings: VecDeque::new(),
            violations: Vec::new(),
            counter: 0,
            options,
            base_url,
        }
    }

    /// Empty again, with the same credentials and settings of the start.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.options.clone(), std::mem::take(&mut self.base_url));
    }

    /// The time now, after everything that was due by then has happened, in order.
    pub(crate) fn settle(&mut self) -> Millis {
        let now = self.clock.now();
        while let Some((due, id)) = self.timers.first().filter(|(due, _)| *due <= now).cloned() {
            self.timers.pop_first();
            let terms = self.terms();
            self.with_payment(&id, due, |payment, moment| payment.ring(&terms, moment));
        }
        now
    }

    /// Lets time pass; everything due on the way happens at its own time.
    pub(crate) fn advance(&mut self, by: Millis) -> Millis {
        self.clock.advance(by);
        self.settle()
    }

    pub(crate) fn terms(&self) -> Terms {
        Terms {
            capture_days: self.settings.capture_days,
            refund_days: self.settings.refund_days,
            partial_capture: self.settings.partial_capture_allowed,
        }
    }

    pub(crate) fn payment(&self, id: &PaymentId) -> Option<&Record> {
        self.payments.get(id)
    }

    pub(crate) fn payments(&self) -> impl Iterator<Item = (&PaymentId, &Record)> {
        self.payments.iter()
    }

    /// The payment behind a landing page.
    pub(crate) fn landing(&self, token: &str) -> Option<(&PaymentId, &Record)> {
        let id = self.landing.get(token)?;
        Some((id, self.payments.get(id)?))
    }

    pub(crate) fn insert(&mut self, id: PaymentId, record: Record) {
        let terms = self.terms();
        self.landing.insert(record.landing_token.clone(), id.clone());
        self.timers.extend(record.payment.next_timer(&terms).map(|due| (due, id.clone())));
        self.payments.insert(id, record);
    }

    /// Lets something happen to a payment at a time, and keeps its timer.
    pub(crate) fn with_payment<T>(
        &mut self,
        id: &PaymentId,
        at: Millis,
        act: impl FnOnce(&mut Payment, &mut Moment<'_>) -> T,
    ) -> Option<T> {
        let terms = self.terms();
        let Self { payments, timers, counter, options, .. } = self;
        let payment = &mut payments.get_mut(id)?.payment;
        if let Some(due) = payment.next_timer(&terms) {
            timers.remove(&(due, id.clone()));
        }
        let mut psp_reference = || psp_reference(options.seed, counter);
        let done = act(payment, &mut Moment { at, psp_reference: &mut psp_reference });
        timers.extend(payment.next_timer(&terms).map(|due| (due, id.clone())));
        Some(done)
    }

    /// A new reference of Vipps' own: ten digits, each once.
    pub(crate) fn next_psp_reference(&mut self) -> String {
        psp_reference(self.options.seed, &mut self.counter)
    }

    /// A text that nobody guesses, the same for the same seed.
    pub(crate) fn next_secret(&mut self, purpose: &str) -> String {
        self.counter += 1;
        let mut hash = Sha256::new();
        hash.update(self.options.seed.to_be_bytes());
        hash.update(self.counter.to_be_bytes());
        hash.update(purpose.as_bytes());
        hash.finalize().iter().take(24).map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn next_trace_id(&mut self) -> String {
        let hex = self.next_secret("trace");
        format!("00-{}-{}-01", &hex[..32], &hex[32..48])
    }

    pub(crate) fn issue_token(&mut self, now: Millis) -> (String, Millis) {
        let token = self.next_secret("token");
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

    pub(crate) fn warn(&mut self, operation: &str, warning: String) {
        let at = rfc3339(self.clock.now());
        keep(&mut self.warnings, WARNINGS_KEPT, json!({ "at": at, "operation": operation, "warning": warning }));
    }

    pub(crate) fn warnings(&self) -> Vec<Value> {
        self.warnings.iter().cloned().collect()
    }

    pub(crate) fn log_request(&mut self, request: Value) {
        keep(&mut self.requests, REQUESTS_KEPT, request);
    }

    pub(crate) fn requests(&self) -> Vec<Value> {
        self.requests.iter().cloned().collect()
    }
}

fn keep(queue: &mut VecDeque<Value>, most: usize, entry: Value) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(entry);
}

/// Ten digits that no other counter gives: the multiplier is prime to the range.
fn psp_reference(seed: u64, counter: &mut u64) -> String {
    const RANGE: u64 = 9_000_000_000;
    *counter += 1;
    let mixed = (counter.wrapping_add(seed.wrapping_mul(7919)) % RANGE).wrapping_mul(2_654_435_761 % RANGE);
    (1_000_000_000 + mixed % RANGE).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_identifiers_and_each_once() {
        let world = || World::new(Options::default(), String::new());
        let (mut one, mut two) = (world(), world());
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            let reference = one.next_psp_reference();
            assert_eq!(reference, two.next_psp_reference());
            assert!(reference.len() == 10 && seen.insert(reference));
        }
        assert_eq!(one.next_secret("a"), two.next_secret("a"));
        assert_ne!(one.next_secret("a"), one.next_secret("a"));
    }
}
