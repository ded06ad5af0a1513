//! Recurring over HTTP, step by step beside the model: one agreement and its charges.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::charge::{Charge, RUN, Refusals};
use super::{DAY, HOUR, MOST_STEPS, Merchant, Steps, Sum, effects, entry, judge};
use crate::property::same;
use crate::shop::{AGREEMENTS, agreement, charge};

const AMOUNT: i64 = 1000;
const IN_AMOUNT: &str = "/amount";

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Charge {
        direct: bool,
        days_ahead: i64,
    },
    /// A new charge with the id of the first.
    ChargeAgain,
    Capture(usize, Sum),
    Refund(usize, Sum),
    Cancel(usize),
    StopByMerchant,
    StopByCustomer,
    /// A processing run on demand.
    Run,
    Minutes(i64),
    Days(i64),
    /// An earlier request with its key.
    Repeat(usize),
    /// The key of an earlier request with another amount.
    Vary(usize),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    // One source asks for at least 100, so nothing smaller is sent.
    let sum = || (0..4_usize, Sum::any(vec![100, 300, 500, 900]));
    let charge = (proptest::bool::weighted(0.3), select(vec![1, 1, 2, 5, 29, 31, 40]));
    prop_oneof![
        5 => charge.prop_map(|(direct, days_ahead)| Step::Charge { direct, days_ahead }),
        1 => Just(Step::ChargeAgain),
        6 => sum().prop_map(|(at, sum)| Step::Capture(at, sum)),
        5 => sum().prop_map(|(at, sum)| Step::Refund(at, sum)),
        3 => (0..4_usize).prop_map(Step::Cancel),
        1 => Just(Step::StopByMerchant),
        1 => Just(Step::StopByCustomer),
        2 => Just(Step::Run),
        1 => select(vec![5, 60, 400]).prop_map(Step::Minutes),
        5 => select(vec![1, 2, 2, 7, 31, 90, 181, 366]).prop_map(Step::Days),
        3 => (0..MOST_STEPS).prop_map(Step::Repeat),
        2 => (0..MOST_STEPS).prop_map(Step::Vary),
    ]
}

pub(super) async fn check(steps: &Steps<Step>) -> Result<(), String> {
    let mut run = Run::start().await;
    for (number, step) in steps.0.iter().enumerate() {
        let at = |why: String| format!("step {number}, {step:?}: {why}");
        run.step(*step).await.map_err(at)?;
        run.compare().await.map_err(at)?;
    }
    run.end().await
}

struct Run {
    merchant: Merchant,
    agreement: String,
    /// Who stopped it.
    stopped_by: Option<&'static str>,
    charges: Vec<Charge>,
    /// Seconds since midnight of 2026-01-01.
    now: i64,
}

impl Run {
    async fn start() -> Self {
        let merchant = Merchant::start().await;
        let hours = json!({ "chargeRunHours": [RUN / HOUR], "chargeVisibleDays": 30 });
        assert_eq!(merchant.shop.http.control("PATCH", "settings", hours).await.0, 200);
        let agreement = merchant.shop.agree("draft", &agreement()).await;
        let mut run = Self { merchant, agreement, stopped_by: None, charges: Vec::new(), now: 0 };
        run.pass(0).await;
        run
    }

    async fn step(&mut self, step: Step) -> Result<(), String> {
        let (now, key) = (self.now, self.merchant.next_key());
        match step {
            Step::Charge { direct, days_ahead } => {
                let due = now.div_euclid(DAY) + days_ahead;
                let id = format!("box-{}", self.charges.len());
                let refusals = self.stopped_by.map_or(vec![], |_| vec!["charge-creation-failed"]);
                let answer = self.create(charge(&id, direct, &date(due))).await;
                if refusals.is_empty() {
                    self.charges.push(Charge::create(id, AMOUNT, direct, due * DAY, &key, now));
                }
                judge(&answer, 201, &refusals)
            }
            Step::ChargeAgain => {
                let Some(first) = self.charges.first() else { return Ok(()) };
                let applies = [Some("conflict"), self.stopped_by.map(|_| "charge-creation-failed")];
                let refusals: Refusals = applies.into_iter().flatten().collect();
                let body = charge(&first.id, false, &date(now.div_euclid(DAY) + 2));
                judge(&self.create(body).await, 201, &refusals)
            }
            Step::Capture(at, sum) => {
                let Some(at) = self.existing(at) else { return Ok(()) };
                let amount = sum.of(self.charges[at].rest()).max(100);
                let refusals = self.charges[at].capture(amount, &key, now);
                let path = self.path(at) + "/capture";
                let body = json!({ "amount": amount, "description": "Delivered" });
                judge(&self.merchant.send("POST", path, body, conflict()).await, 204, &refusals)
            }
            Step::Refund(at, sum) => {
                let Some(at) = self.existing(at) else { return Ok(()) };
                let amount = sum.of(self.charges[at].refundable()).max(100);
                let refusals = self.charges[at].refund(amount, &key, now);
                let path = self.path(at) + "/refund";
                let body = json!({ "amount": amount, "description": "Returned" });
                judge(&self.merchant.send("POST", path, body, conflict()).await, 204, &refusals)
            }
            Step::Cancel(at) => {
                let Some(at) = self.existing(at) else { return Ok(()) };
                let refusals = self.charges[at].cancel(&key);
                let path = self.path(at);
                judge(&self.merchant.send("DELETE", path, Value::Null, None).await, 204, &refusals)
            }
            Step::StopByMerchant => {
                // Stopping what is stopped succeeds, and changes nothing.
                self.stop("MERCHANT");
                let path = format!("{AGREEMENTS}/{}", self.agreement);
                let answer = self.merchant.send("PATCH", path, json!({ "status": "STOPPED" }), None).await;
                judge(&answer, 204, &[])
            }
            Step::StopByCustomer => {
                let wanted = if self.stopped_by.is_some() { 409 } else { 200 };
                self.stop("USER");
                let path = format!("agreements/{}/stop", self.agreement);
                same("the customer", self.merchant.shop.control(&path, json!({})).await.0, wanted)
            }
            Step::Run => {
                let processed =
                    self.charges.iter_mut().map(|charge| charge.run(now)).filter(|took_part| *took_part).count();
                let (_, answer) = self.merchant.shop.control("charges/run", json!({})).await;
                same("processed", answer["processed"].as_u64(), Some(processed as u64))
            }
            Step::Minutes(minutes) => {
                self.pass(minutes * 60).await;
                Ok(())
            }
            Step::Days(days) => {
                self.pass(days * DAY).await;
                Ok(())
            }
            Step::Repeat(earlier) => self.merchant.repeat(earlier).await,
            Step::Vary(earlier) => self.merchant.vary(earlier).await,
        }
    }

    async fn create(&mut self, body: Value) -> (u16, Value) {
        let path = format!("{AGREEMENTS}/{}/charges", self.agreement);
        self.merchant.send("POST", path, body, conflict()).await
    }

    fn existing(&self, at: usize) -> Option<usize> {
        (!self.charges.is_empty()).then(|| at % self.charges.len())
    }

    fn path(&self, at: usize) -> String {
        format!("{AGREEMENTS}/{}/charges/{}", self.agreement, self.charges[at].id)
    }

    fn stop(&mut self, actor: &'static str) {
        if self.stopped_by.is_none() {
            self.stopped_by = Some(actor);
            self.charges.iter_mut().for_each(|charge| charge.stop(actor == "MERCHANT"));
        }
    }

    /// A second more each time, so that no deadline is met on the second.
    async fn pass(&mut self, seconds: i64) {
        self.merchant.shop.pass(seconds + 1).await;
        self.now += seconds + 1;
        for charge in &mut self.charges {
            charge.wait_until(self.now);
        }
    }

    async fn compare(&self) -> Result<(), String> {
        for (at, charge) in self.charges.iter().enumerate() {
            let answer = self.merchant.shop.get(&self.path(at)).await;
            judge(&answer, 200, &[])?;
            let figure = |name: &str| answer.1["summary"][name].as_i64().unwrap_or(i64::MIN);
            let [captured, cancelled, refunded] = ["captured", "cancelled", "refunded"].map(figure);
            same(&charge.id, answer.1["status"].as_str(), Some(charge.status.wire()))?;
            same(&charge.id, [captured, cancelled, refunded], [charge.captured, charge.cancelled, charge.refunded])?;
            if !(0 <= refunded && refunded <= captured && 0 <= cancelled && captured + cancelled <= AMOUNT) {
                return Err(format!("captured {captured}, cancelled {cancelled} and refunded {refunded} of {AMOUNT}"));
            }
        }
        let (_, agreement) = self.merchant.shop.get(&format!("{AGREEMENTS}/{}", self.agreement)).await;
        let wanted = if self.stopped_by.is_some() { "STOPPED" } else { "ACTIVE" };
        same("the agreement", agreement["status"].as_str(), Some(wanted))
    }

    /// The histories, the webhooks and the ledger tell the same story as the model.
    async fn end(self) -> Result<(), String> {
        self.merchant.shop.pass(0).await;
        let ledger = self.merchant.shop.http.sandbox.ledger();
        let mut told = self.end_of_agreement()?;
        for (at, charge) in self.charges.iter().enumerate() {
            let (_, shown) = self.merchant.shop.get(&self.path(at)).await;
            let history = shown["history"].as_array().cloned().unwrap_or_default();
            follows(&history, charge)?;
            let webhooks = self.merchant.told("chargeId", &charge.id);
            told += webhooks.len();
            same("webhooks", webhooks.iter().map(fact).collect::<Vec<_>>(), history.iter().filter_map(news).collect())?;
            agrees(&entry(&ledger, "charges", "chargeId", &charge.id)?, charge)?;
        }
        same("webhooks about other things", self.merchant.receiver.received().len() - told, 0)
    }

    /// How much was told of the agreement itself.
    fn end_of_agreement(&self) -> Result<usize, String> {
        let told = self.merchant.told("agreementId", &self.agreement);
        let told: Vec<_> = told.iter().filter(|body| body["chargeId"].is_null()).collect();
        let found = told.iter().map(|body| (body["eventType"].as_str(), body["actor"].as_str()));
        let stopped = self.stopped_by.map(|actor| (Some("recurring.agreement-stopped.v1"), Some(actor)));
        let wanted = [Some((Some("recurring.agreement-activated.v1"), None)), stopped];
        same("agreement", found.collect::<Vec<_>>(), wanted.into_iter().flatten().collect())?;
        Ok(told.len())
    }
}

fn conflict() -> Option<super::Variation> {
    Some((IN_AMOUNT, "idempotency-conflict"))
}

/// What a webhook says: its type, when, and the amount of the operation where it has one.
fn fact(body: &Value) -> (String, String, Option<i64>) {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let amounts = ["amountCaptured", "amountCanceled", "amountRefunded"];
    (text("eventType"), text("occurred"), amounts.iter().find_map(|name| body[*name].as_i64()))
}

/// What must be told of an entry of the history.
fn news(entry: &Value) -> Option<(String, String, Option<i64>)> {
    let (name, has_amount) = match entry["event"].as_str()? {
        "RESERVE" => ("reserved", false),
        "CAPTURE" => ("captured", true),
        "CANCEL" => ("canceled", true),
        "REFUND" => ("refunded", true),
        _ => return None,
    };
    let amount = entry["amount"].as_i64().filter(|_| has_amount);
    Some((format!("recurring.charge-{name}.v1"), entry["occurred"].as_str()?.to_owned(), amount))
}

fn follows(history: &[Value], charge: &Charge) -> Result<(), String> {
    let found: Vec<_> = history.iter().map(|entry| (entry["event"].as_str(), entry["amount"].as_i64())).collect();
    let wanted: Vec<_> = charge.history.iter().map(|entry| (Some(entry.event), Some(entry.amount))).collect();
    same(&charge.id, found, wanted)?;
    for (found, wanted) in history.iter().zip(&charge.history) {
        same(wanted.event, &found["success"], &Value::Bool(true))?;
        let key = found["idempotencyKey"].as_str().unwrap_or_default();
        match wanted.key.as_deref() {
            Some(wanted_key) => same(wanted.event, key, wanted_key)?,
            None if key.is_empty() => return Err(format!("{} has no key, not even the system's", wanted.event)),
            None => {}
        }
    }
    Ok(())
}

fn agrees(entry: &Value, charge: &Charge) -> Result<(), String> {
    let figure = |name: &str| entry[name].as_i64().unwrap_or(i64::MIN);
    same("ledger, state", entry["state"].as_str(), Some(charge.status.wire()))?;
    same(
        "ledger",
        ["amount", "captured", "cancelled", "refunded"].map(figure),
        [charge.amount, charge.captured, charge.cancelled, charge.refunded],
    )?;
    for (kind, event) in [("capture", "CAPTURE"), ("refund", "REFUND")] {
        let entries = charge.history.iter().filter(|entry| entry.event == event);
        same(kind, effects(entry, kind), entries.map(|entry| entry.amount).collect())?;
    }
    Ok(())
}

/// A day of the calendar, counted from 2026-01-01.
fn date(mut days: i64) -> String {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut month) = (2026, 1);
    loop {
        let length = match month {
            2 if is_leap(year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if days < length {
            return format!("{year}-{month:02}-{:02}", days + 1);
        }
        days -= length;
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
}
