//! Random sequences of operations, each step compared with a small model of the published
//! facts: what is answered, how far the thing went, what money moved, what was told.
//!
//! Where several refusals apply at once the facts give no order: any of them is right. No
//! step falls on the very second of a deadline, and no amount is a magic one.

mod charge;
mod charges;
mod payment;
mod payments;

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use vipps_tests::{Http, Receiver};

use crate::property::{holds, same};
use crate::shop::{self, Shop, WEBHOOKS, registration};

const CASES: u32 = 48;
const MOST_STEPS: usize = 25;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

#[test]
fn payments_do_what_the_facts_say() {
    holds(CASES, steps(payments::step()), async |steps| payments::check(&steps).await);
}

#[test]
fn charges_do_what_the_facts_say() {
    holds(CASES, steps(charges::step()), async |steps| charges::check(&steps).await);
}

/// Steps in their order, printed one a line.
struct Steps<T>(Vec<T>);

impl<T: fmt::Debug> fmt::Debug for Steps<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(number, step)| write!(f, "\n  {number}: {step:?}"))
    }
}

fn steps<T: fmt::Debug>(step: impl Strategy<Value = T>) -> impl Strategy<Value = Steps<T>> {
    vec(step, 1..=MOST_STEPS).prop_map(Steps)
}

/// How much to capture or refund, told before it is known how much is left.
#[derive(Clone, Copy, Debug)]
enum Sum {
    Of(i64),
    Rest,
    MoreThanRest,
}

impl Sum {
    fn any(fixed: Vec<i64>) -> impl Strategy<Value = Self> {
        prop_oneof![4 => select(fixed).prop_map(Self::Of), 2 => Just(Self::Rest), 1 => Just(Self::MoreThanRest)]
    }

    fn of(self, rest: i64) -> i64 {
        match self {
            Self::Of(value) => value,
            Self::Rest => rest,
            Self::MoreThanRest => rest + 100,
        }
    }
}

/// Where the amount stands in a body, and the code of the same key with another amount.
type Variation = (&'static str, &'static str);

/// A request that went out under a key, and its answer.
struct Sent {
    method: &'static str,
    path: String,
    key: String,
    body: Value,
    variation: Option<Variation>,
    answer: (u16, Value),
}

/// A shop that remembers what it sent, and is told everything.
struct Merchant {
    shop: Shop,
    receiver: Receiver,
    sent: Vec<Sent>,
}

impl Merchant {
    async fn start() -> Self {
        let (shop, receiver) = (Shop::open(Http::start_manual().await).await, Receiver::start().await);
        shop.done("POST", WEBHOOKS, None, &registration(&receiver.url("/hooks"))).await;
        Self { shop, receiver, sent: Vec::new() }
    }

    /// The key of the request that goes out next.
    fn next_key(&self) -> String {
        format!("key-{}", self.sent.len())
    }

    async fn send(
        &mut self,
        method: &'static str,
        path: String,
        body: Value,
        variation: Option<Variation>,
    ) -> (u16, Value) {
        let key = self.next_key();
        let answer = self.shop.call(method, &path, Some(&key), &body).await;
        self.sent.push(Sent { method, path, key, body, variation, answer: answer.clone() });
        answer
    }

    /// An earlier request again: its first answer, whatever happened since.
    async fn repeat(&self, at: usize) -> Result<(), String> {
        let Some(sent) = self.earlier(at) else { return Ok(()) };
        let again = self.shop.call(sent.method, &sent.path, Some(&sent.key), &sent.body).await;
        same(&format!("{} {} again", sent.method, sent.path), &again, &sent.answer)
    }

    /// The key of an earlier request with another amount.
    async fn vary(&self, at: usize) -> Result<(), String> {
        let Some(sent) = self.earlier(at) else { return Ok(()) };
        let Some((amount, conflict)) = sent.variation else { return Ok(()) };
        let mut other = sent.body.clone();
        let value = other.pointer(amount).and_then(Value::as_i64).unwrap();
        *other.pointer_mut(amount).unwrap() = (value + 100).into();
        judge(&self.shop.call(sent.method, &sent.path, Some(&sent.key), &other).await, 0, &[conflict])
    }

    fn earlier(&self, at: usize) -> Option<&Sent> {
        self.sent.get(at % self.sent.len().max(1))
    }

    /// The bodies of the webhooks about one thing, in their order.
    fn told(&self, name: &str, value: &str) -> Vec<Value> {
        let all = self.receiver.received().into_iter().map(|received| received.json());
        all.filter(|body| body[name] == value).collect()
    }
}

/// An answer is the success where nothing is refused, else one of the refusals that apply.
fn judge(answer: &(u16, Value), success: u16, refusals: &[&str]) -> Result<(), String> {
    let (status, body) = answer;
    let fits = match refusals {
        [] => *status == success,
        some => shop::code(body).is_some_and(|code| some.contains(&code) && *status == status_of(code)),
    };
    if fits { Ok(()) } else { Err(format!("answered {status} {body}, wanted {success} or refusals {refusals:?}")) }
}

fn status_of(code: &str) -> u16 {
    match code {
        "5090" | "resource-not-found" => 404,
        "4010" | "4020" | "4150" | "conflict" | "idempotency-conflict" => 409,
        _ => 400,
    }
}

/// The entry of one thing in the ledger.
fn entry(ledger: &Value, list: &str, name: &str, value: &str) -> Result<Value, String> {
    let mut entries = ledger[list].as_array().into_iter().flatten();
    entries.find(|entry| entry[name] == value).cloned().ok_or_else(|| format!("{value} is not in the ledger"))
}

/// The values of one kind of effect, in their order.
fn effects(entry: &Value, kind: &str) -> Vec<i64> {
    let effects = entry["effects"].as_array().into_iter().flatten();
    effects.filter(|effect| effect["kind"] == kind).map(|effect| effect["value"].as_i64().unwrap()).collect()
}
