//! ePayment over HTTP, step by step beside the model.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::payment::{Key, Payment, Refusals};
use super::{DAY, MOST_STEPS, Merchant, Steps, Sum, effects, entry, judge};
use crate::property::same;
use crate::shop::{PAYMENTS, modification, order};

const REFERENCES: [&str; 2] = ["acme-order-1042", "acme-order-2001"];

#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Create(i64),
    Approve,
    Abort,
    ForceApprove,
    Capture(Sum),
    Refund(Sum),
    Cancel,
    CancelTransactionOnly,
    Minutes(i64),
    Days(i64),
    /// An earlier request with its key.
    Repeat(usize),
    /// The key of an earlier request with another amount.
    Vary(usize),
}

/// A payment and what happens to it.
pub(super) type Step = (usize, Act);

pub(super) fn step() -> impl Strategy<Value = Step> {
    let sum = || Sum::any(vec![0, 50, 100, 250, 400, 999]);
    let act = prop_oneof![
        2 => select(vec![1000, 500, 99]).prop_map(Act::Create),
        4 => Just(Act::Approve),
        1 => Just(Act::Abort),
        1 => Just(Act::ForceApprove),
        6 => sum().prop_map(Act::Capture),
        5 => sum().prop_map(Act::Refund),
        2 => Just(Act::Cancel),
        1 => Just(Act::CancelTransactionOnly),
        2 => select(vec![1, 4, 9, 11]).prop_map(Act::Minutes),
        2 => select(vec![1, 30, 90, 179, 181, 366]).prop_map(Act::Days),
        3 => (0..MOST_STEPS).prop_map(Act::Repeat),
        2 => (0..MOST_STEPS).prop_map(Act::Vary),
    ];
    (prop_oneof![4 => Just(0_usize), 1 => Just(1)], act)
}

pub(super) async fn check(steps: &Steps<Step>) -> Result<(), String> {
    let mut run = Run { merchant: Merchant::start().await, payments: [None, None], now: 0 };
    run.step((0, Act::Create(1000))).await?;
    for (number, step) in steps.0.iter().enumerate() {
        let at = |why: String| format!("step {number}, {step:?}: {why}");
        run.step(*step).await.map_err(at)?;
        run.compare().await.map_err(at)?;
    }
    run.end().await
}

struct Run {
    merchant: Merchant,
    payments: [Option<Payment>; 2],
    now: i64,
}

impl Run {
    async fn step(&mut self, (at, act): Step) -> Result<(), String> {
        let path = format!("{PAYMENTS}/{}", REFERENCES[at]);
        let (now, key) = (self.now, self.merchant.next_key());
        match act {
            Act::Create(value) => {
                let applies = [(self.payments[at].is_some(), "4150"), (value < 100, "6010")];
                let refusals: Refusals =
                    applies.iter().filter(|(applies, _)| *applies).map(|(_, code)| *code).collect();
                let body = order(REFERENCES[at], value);
                let variation = Some(("/amount/value", "4020"));
                let answer = self.merchant.send("POST", PAYMENTS.to_owned(), body, variation).await;
                if refusals.is_empty() {
                    self.payments[at] = Some(Payment::create(value, &key, now));
                }
                judge(&answer, 201, &refusals)
            }
            Act::Approve => {
                let refusals = self.with(at, |payment| payment.approve(now));
                self.customer(at, "approve", &refusals).await
            }
            Act::Abort => {
                let refusals = self.with(at, Payment::abort);
                self.customer(at, "abort", &refusals).await
            }
            Act::ForceApprove => {
                let refusals = self.with(at, |payment| payment.approve(now));
                let path = format!("/epayment/v1/test/payments/{}/approve", REFERENCES[at]);
                judge(&self.merchant.shop.call("POST", &path, None, &Value::Null).await, 200, &refusals)
            }
            Act::Capture(sum) => {
                let value = sum.of(self.payments[at].as_ref().map_or(0, Payment::rest));
                let refusals = self.with(at, |payment| payment.capture(value, &key, now));
                let variation = Some(("/modificationAmount/value", "4010"));
                let answer = self.merchant.send("POST", path + "/capture", modification(value), variation).await;
                judge(&answer, 200, &refusals)
            }
            Act::Refund(sum) => {
                let value = sum.of(self.payments[at].as_ref().map_or(0, Payment::refundable));
                let refusals = self.with(at, |payment| payment.refund(value, &key, now));
                let variation = Some(("/modificationAmount/value", "4150"));
                let answer = self.merchant.send("POST", path + "/refund", modification(value), variation).await;
                judge(&answer, 200, &refusals)
            }
            Act::Cancel | Act::CancelTransactionOnly => {
                let only = matches!(act, Act::CancelTransactionOnly);
                let refusals = self.with(at, |payment| payment.cancel(only, now));
                let body = if only { json!({ "cancelTransactionOnly": true }) } else { Value::Null };
                // What another body under the same key does is not documented.
                judge(&self.merchant.send("POST", path + "/cancel", body, None).await, 200, &refusals)
            }
            Act::Minutes(minutes) => {
                self.pass(minutes * 60).await;
                Ok(())
            }
            Act::Days(days) => {
                self.pass(days * DAY).await;
                Ok(())
            }
            Act::Repeat(earlier) => self.merchant.repeat(earlier).await,
            Act::Vary(earlier) => self.merchant.vary(earlier).await,
        }
    }

    fn with(&mut self, at: usize, act: impl FnOnce(&mut Payment) -> Refusals) -> Refusals {
        self.payments[at].as_mut().map_or_else(|| vec!["5090"], act)
    }

    /// The control API refuses by status alone.
    async fn customer(&self, at: usize, act: &str, refusals: &[&str]) -> Result<(), String> {
        let path = format!("payments/{}/{act}", REFERENCES[at]);
        let (status, _) = self.merchant.shop.control(&path, json!({})).await;
        let wanted = match refusals {
            [] => 200,
            ["5090"] => 404,
            _ => 409,
        };
        same("the customer", status, wanted)
    }

    /// A second more each time, so that no deadline is met on the second.
    async fn pass(&mut self, seconds: i64) {
        self.merchant.shop.pass(seconds + 1).await;
        self.now += seconds + 1;
        for payment in self.payments.iter_mut().flatten() {
            payment.wait_until(self.now);
        }
    }

    async fn compare(&self) -> Result<(), String> {
        for (reference, payment) in REFERENCES.iter().zip(&self.payments) {
            let answer = self.merchant.shop.get(&format!("{PAYMENTS}/{reference}")).await;
            let Some(payment) = payment else {
                judge(&answer, 200, &["5090"])?;
                continue;
            };
            judge(&answer, 200, &[])?;
            let figure = |name: &str| answer.1["aggregate"][name]["value"].as_i64().unwrap_or(i64::MIN);
            let [authorized, captured, cancelled, refunded] =
                ["authorizedAmount", "capturedAmount", "cancelledAmount", "refundedAmount"].map(figure);
            let wanted = [payment.authorized, payment.captured, payment.cancelled, payment.refunded];
            same("state", answer.1["state"].as_str(), Some(payment.state.wire()))?;
            same("A, C, X, F", [authorized, captured, cancelled, refunded], wanted)?;
            same("the original amount", answer.1["amount"]["value"].as_i64(), Some(payment.amount))?;
            if !(0 <= refunded && refunded <= captured) {
                return Err(format!("refunded {refunded} of captured {captured}"));
            }
            if answer.1["state"] == "AUTHORIZED" && captured + cancelled > authorized {
                return Err(format!("captured {captured} and cancelled {cancelled} of {authorized}"));
            }
        }
        Ok(())
    }

    /// The event log, the webhooks and the ledger tell the same story as the model.
    async fn end(self) -> Result<(), String> {
        self.merchant.shop.pass(0).await;
        let ledger = self.merchant.shop.http.sandbox.ledger();
        let mut told = 0;
        for (reference, payment) in REFERENCES.iter().zip(&self.payments) {
            let Some(payment) = payment else { continue };
            let (_, log) = self.merchant.shop.get(&format!("{PAYMENTS}/{reference}/events")).await;
            let log = log.as_array().cloned().unwrap_or_default();
            follows(&log, payment)?;
            let webhooks = self.merchant.told("reference", reference);
            told += webhooks.len();
            same("webhooks", webhooks.iter().map(fact).collect::<Vec<_>>(), log.iter().map(fact).collect())?;
            for (webhook, event) in webhooks.iter().zip(&log) {
                let key = &webhook["idempotencyKey"];
                if !key.is_null() && *key != event["idempotencyKey"] {
                    return Err(format!("the webhook {webhook} has another key than the event {event}"));
                }
            }
            agrees(&entry(&ledger, "payments", "reference", reference)?, payment)?;
        }
        same("webhooks about other things", self.merchant.receiver.received().len() - told, 0)
    }
}

/// What an event and its webhook both say.
fn fact(event: &Value) -> (Value, Value, Value, Value, Value) {
    let of = |name: &str| event[name].clone();
    (of("name"), of("amount"), of("success"), of("pspReference"), of("timestamp"))
}

fn follows(log: &[Value], payment: &Payment) -> Result<(), String> {
    let found: Vec<_> = log.iter().map(|event| (event["name"].as_str(), event["amount"]["value"].as_i64())).collect();
    let wanted: Vec<_> = payment.events.iter().map(|event| (Some(event.name), Some(event.value))).collect();
    same("events", found, wanted)?;
    for (found, wanted) in log.iter().zip(&payment.events) {
        same("success", &found["success"], &Value::Bool(true))?;
        match &wanted.key {
            Key::Of(key) => same(wanted.name, found["idempotencyKey"].as_str(), Some(key.as_str()))?,
            Key::None => same(wanted.name, found["idempotencyKey"].as_str(), None)?,
            Key::Unsaid => {}
        }
    }
    Ok(())
}

fn agrees(entry: &Value, payment: &Payment) -> Result<(), String> {
    let figure = |name: &str| entry[name].as_i64().unwrap_or(i64::MIN);
    same("ledger, state", entry["state"].as_str(), Some(payment.state.wire()))?;
    same(
        "ledger",
        ["amount", "authorized", "captured", "cancelled", "refunded"].map(figure),
        [payment.amount, payment.authorized, payment.captured, payment.cancelled, payment.refunded],
    )?;
    let kinds: [(&str, &[&str]); 4] = [
        ("authorize", &["AUTHORIZED"]),
        ("capture", &["CAPTURED"]),
        ("refund", &["REFUNDED"]),
        ("cancel", &["CANCELLED", "TERMINATED"]),
    ];
    for (kind, names) in kinds {
        let events = payment.events.iter().filter(|event| names.contains(&event.name));
        same(kind, effects(entry, kind), events.map(|event| event.value).collect())?;
    }
    let moves = payment.events.iter().filter(|event| !matches!(event.name, "CREATED" | "ABORTED" | "EXPIRED"));
    same("effectCount", entry["effectCount"].as_u64(), Some(moves.count() as u64))
}
