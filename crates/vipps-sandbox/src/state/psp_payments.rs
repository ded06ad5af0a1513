//! PSP payments: their timers, their batches of updates, and the calls to the PSP.

use serde_json::{Value, json};

use super::{Landing, Subject, World};
use crate::clock::{DAY, Millis, start_of_day};
use crate::deliver::{Kind, NewCall, Outcome, Proof};
use crate::psp::{NetworkToken, Operation, PspPayment, State, card_for};
use crate::settings::PspUpdates;

/// What a PSP reports about one payment.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) id: String,
    pub(crate) operation: Operation,
    pub(crate) amount: i64,
    pub(crate) succeeded: bool,
    pub(crate) text: Option<String>,
    pub(crate) key: Option<String>,
}

impl World {
    pub(crate) fn psp_payment(&self, id: &str) -> Option<&PspPayment> {
        self.psp_payments.get(id)
    }

    pub(crate) fn psp_payments(&self) -> impl DoubleEndedIterator<Item = &PspPayment> {
        self.psp_payments.values()
    }

    pub(crate) fn insert_psp_payment(&mut self, payment: PspPayment) {
        let id = payment.id.clone();
        self.set_timer(payment.next_timer(), Subject::Psp(id.clone()));
        self.landings.insert(payment.landing_token.clone(), Landing::Psp(id.clone()));
        self.psp_payments.insert(id, payment);
    }

    /// Lets something happen to a PSP payment, and keeps its timer.
    pub(crate) fn with_psp_payment<T>(&mut self, id: &str, act: impl FnOnce(&mut PspPayment) -> T) -> Option<T> {
        let payment = self.psp_payments.get_mut(id)?;
        let timer = payment.next_timer();
        let done = act(payment);
        let next = payment.next_timer();
        self.clear_timer(timer, Subject::Psp(id.to_owned()));
        self.set_timer(next, Subject::Psp(id.to_owned()));
        Some(done)
    }

    pub(super) fn ring_psp(&mut self, id: &str, at: Millis) {
        let rings = self.psp_payment(id).and_then(PspPayment::next_timer).is_some_and(|due| at >= due);
        if rings {
            self.end_psp_payment(id, State::TimedOut, at);
        }
    }

    /// The customer cancelled or never came: the PSP is told.
    pub(crate) fn end_psp_payment(&mut self, id: &str, state: State, at: Millis) {
        self.with_psp_payment(id, |payment| payment.state = state);
        if let Some(call) = self.make_payment_call(id) {
            self.outbox.add_call(call, Some(at));
        }
    }

    /// The customer confirms: from now on the PSP is asked. Gives the call to make.
    pub(crate) fn begin_psp_approval(&mut self, id: &str, at: Millis) -> Result<NewCall, String> {
        let payment = self.psp_payment(id).ok_or_else(|| format!("no PSP payment has the id `{id}`"))?;
        if !matches!(payment.state, State::Initiated | State::SoftDeclined) {
            return Err(format!("PSP payment `{id}` is {}, it is not waiting for its customer", payment.state.wire()));
        }
        if card_for(payment.terms.amount).is_none() {
            return Err("the customer has no eligible card (the amount 3100 says so)".into());
        }
        let at_once = self.settings.psp_reserve_at_approval;
        self.with_psp_payment(id, |payment| match at_once {
            true => payment.reserve(at),
            false => payment.state = State::Waiting,
        });
        self.make_payment_call(id).ok_or_else(|| "no such payment".to_owned())
    }

    /// What the PSP answered to makePayment.
    pub(super) fn take_psp_answer(&mut self, request: &[u8], sent: &Outcome, at: Millis) {
        let request: Value = serde_json::from_slice(request).unwrap_or_default();
        let Some(id) = request["pspTransactionId"].as_str() else { return };
        let reply = sent.as_ref().ok().filter(|reply| reply.status == 200);
        let answer: Value = reply.and_then(|reply| serde_json::from_slice(&reply.body).ok()).unwrap_or_default();
        self.with_psp_payment(id, |payment| {
            if payment.state != State::Waiting {
                return;
            }
            let info = &answer["paymentInfo"];
            let url = info["url3dSecure"].as_str().filter(|url| !url.is_empty());
            // After 3-D Secure there is no second soft decline.
            let first = payment.url_3d_secure.is_none();
            let echoes = info["pspTransactionId"].is_null() || info["pspTransactionId"] == id;
            let status = if info["status"].is_null() { Some("OK") } else { info["status"].as_str() };
            match (info.is_object() && echoes, status, url) {
                (true, Some("OK"), _) => payment.reserve(at),
                (true, Some("SOFT_DECLINE"), Some(url)) if first => {
                    payment.state = State::SoftDeclined;
                    payment.declined = at;
                    payment.url_3d_secure = Some(url.to_owned());
                }
                _ => payment.state = State::Failed,
            }
        });
    }

    /// The call to `makePaymentUrl` that tells the state of a payment.
    pub(crate) fn make_payment_call(&self, id: &str) -> Option<NewCall> {
        let payment = self.psp_payment(id)?;
        let state = match payment.state {
            State::TimedOut => "TIMEOUT",
            State::UserCancelled => "USER_CANCEL",
            _ => "ACCEPTED",
        };
        let card = card_for(payment.terms.amount).filter(|_| state == "ACCEPTED");
        let back = |outcome: &str, code: &str| {
            let token = &payment.landing_token;
            let url = format!("{}/psp/3ds?transactionId={id}&responseCode={code}&token={token}", self.base_url);
            json!({ "url": url, "operation": outcome })
        };
        let mut body = json!({
            "pspTransactionId": id,
            "merchantSerialNumber": payment.terms.sales_unit,
            "paymentState": state,
            "paymentInstrument": "TOKEN",
            "binNumber": card.map_or("489537", |card| &card.number[..6]),
            "operations": [back("3dssuccess", "OK"), back("3dscancel", "CANCEL"), back("3dsfailure", "FAILURE")],
        });
        if let Some(card) = card {
            body["networkToken"] = token_json(&card);
        }
        let proof = payment.terms.make_payment_token.clone().map_or(Proof::None, Proof::Token);
        Some(NewCall {
            kind: Kind::MakePayment,
            sales_unit: payment.terms.sales_unit.clone(),
            subject: format!("psp {id}"),
            url: payment.terms.make_payment_url.clone(),
            body,
            proof,
        })
    }

    /// Takes in what a PSP reports: now, at night, or never, as the setting has it.
    pub(crate) fn report_psp(&mut self, updates: Vec<Update>, now: Millis) {
        match self.settings.psp_updates {
            PspUpdates::Never => {}
            PspUpdates::Immediate => {
                self.psp_night.extend(updates);
                self.apply_psp_updates(now);
            }
            PspUpdates::Nightly => {
                self.psp_night.extend(updates);
                self.set_timer(Some(start_of_day(now) + DAY), Subject::PspNight);
            }
        }
    }

    pub(super) fn apply_psp_updates(&mut self, at: Millis) {
        for update in std::mem::take(&mut self.psp_night) {
            let Update { id, operation, amount, succeeded, text, key } = update;
            self.with_psp_payment(&id, |payment| payment.apply(operation, amount, succeeded, text, key, at));
        }
    }
}

fn token_json(card: &NetworkToken) -> Value {
    let (scheme, eci) = if card.is_mastercard() { ("MASTERCARD", "06") } else { ("VISA", "07") };
    json!({
        "number": card.number, "expiryMonth": card.expiry_month, "expiryYear": card.expiry_year,
        "cryptogram": card.cryptogram, "tokenType": scheme, "eci": eci,
    })
}
