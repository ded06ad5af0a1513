//! The same seed, the same clock and the same requests make the same trace: answers, calls
//! to the merchant, money, identifiers.

use serde_json::{Value, json};
use vipps_sandbox::{ClockMode, Options};
use vipps_tests::{Http, Receiver};

use crate::shop::{
    AGREEMENTS, PAYMENTS, PSP_PAYMENTS, SESSIONS, Shop, WEBHOOKS, agreement, agreement_with_charge, charge,
    modification, order, psp_payment, registration, session,
};

#[tokio::test]
async fn the_same_seed_and_requests_give_the_same_trace() {
    let (first, second) = (trace(7).await, trace(7).await);
    for (one, other) in first.iter().zip(&second) {
        assert_eq!(one, other);
    }
    assert_eq!(first.len(), second.len());
}

#[tokio::test]
async fn another_seed_gives_other_identifiers() {
    let (one, other) = (trace(7).await, trace(8).await);
    assert_eq!(one.len(), other.len());
    for what in ["\"pspReference\":", "\"agreementId\":", "\"sessionId\":", "\"secret\":", "\"traceId\":"] {
        let values = |trace: &[String]| {
            let values = trace.iter().flat_map(|step| step.split(what).skip(1));
            values.filter_map(|rest| rest.split('"').nth(1)).map(str::to_owned).collect::<Vec<_>>()
        };
        let (one, other) = (values(&one), values(&other));
        assert!(!one.is_empty(), "{what} is nowhere in the trace");
        assert!(one.iter().all(|value| !other.contains(value)), "{what}");
    }
}

/// Everything that happens in one life of a sandbox, one text a step.
async fn trace(seed: u64) -> Vec<String> {
    let mut options = Options::default();
    (options.seed, options.clock) = (seed, ClockMode::Manual);
    let mut recorder = Recorder {
        shop: Shop::open(Http::start_with(options).await).await,
        // The first delivery fails, so that a retry is part of the trace.
        hooks: Receiver::answering(vec![(500, Value::Null), (200, json!({}))]).await,
        psp: Receiver::answering(vec![(
            200,
            json!({ "paymentInfo": { "pspTransactionId": "acmepsp1", "status": "OK" } }),
        )])
        .await,
        keys: 0,
        trace: Vec::new(),
    };
    recorder.call("POST", WEBHOOKS, registration(&recorder.hooks.url("/hooks?tenant=7"))).await;
    recorder.payments().await;
    recorder.recurring().await;
    recorder.checkout().await;
    recorder.psp().await;
    recorder.end().await
}

struct Recorder {
    shop: Shop,
    hooks: Receiver,
    psp: Receiver,
    keys: u32,
    trace: Vec<String>,
}

impl Recorder {
    async fn payments(&mut self) {
        let path = format!("{PAYMENTS}/acme-order-1");
        self.call("POST", PAYMENTS, order("acme-order-1", 1000)).await;
        self.call("POST", PAYMENTS, order("acme-order-1", 2000)).await;
        self.call("POST", PAYMENTS, order("acme-order-2", 99)).await;
        self.call("POST", PAYMENTS, order("acme-order-3", 500)).await;
        self.call("POST", &format!("{path}/capture"), modification(100)).await;
        self.control("payments/acme-order-1/approve", json!({})).await;
        for (act, body) in [
            ("capture", modification(250)),
            ("capture", modification(5000)),
            ("refund", modification(100)),
            ("cancel", Value::Null),
        ] {
            self.call("POST", &format!("{path}/{act}"), body).await;
            self.pass(1).await;
        }
        self.pass(660).await;
        for reference in ["acme-order-1", "acme-order-3", "acme-nobody-1"] {
            self.call("GET", &format!("{PAYMENTS}/{reference}"), Value::Null).await;
            self.call("GET", &format!("{PAYMENTS}/{reference}/events"), Value::Null).await;
        }
    }

    async fn recurring(&mut self) {
        let first = self.call("POST", AGREEMENTS, agreement_with_charge("box-0", 1500)).await;
        let second = self.call("POST", AGREEMENTS, agreement()).await;
        let third = self.call("POST", AGREEMENTS, agreement()).await;
        let id = |drafted: &Value| drafted["agreementId"].as_str().unwrap().to_owned();
        self.control(&format!("agreements/{}/approve", id(&first)), json!({})).await;
        self.control(&format!("agreements/{}/approve", id(&second)), json!({})).await;
        self.control(&format!("agreements/{}/reject", id(&third)), json!({})).await;
        let charges = format!("{AGREEMENTS}/{}/charges", id(&second));
        self.call("POST", &charges, charge("box-1", true, "2026-01-03")).await;
        self.call("POST", &charges, charge("box-2", false, "2026-01-05")).await;
        self.call("POST", &charges, charge("box-3", false, "2026-03-01")).await;
        let mut unnamed = charge("", true, "2026-01-04");
        unnamed.as_object_mut().unwrap().remove("orderId");
        self.call("POST", &charges, unnamed).await;
        self.pass(6 * 86_400).await;
        let amount = |amount: i64| json!({ "amount": amount, "description": "Box" });
        self.call("POST", &format!("{charges}/box-2/capture"), amount(400)).await;
        self.call("POST", &format!("{charges}/box-1/refund"), amount(100)).await;
        self.call("DELETE", &format!("{charges}/box-2"), Value::Null).await;
        self.call("POST", &format!("{charges}/box-2/capture"), amount(100)).await;
        self.call("PATCH", &format!("{AGREEMENTS}/{}", id(&second)), json!({ "status": "STOPPED" })).await;
        self.call("GET", &charges, Value::Null).await;
        for status in ["ACTIVE", "STOPPED"] {
            self.call("GET", &format!("{AGREEMENTS}?status={status}"), Value::Null).await;
        }
    }

    async fn checkout(&mut self) {
        let callback = self.hooks.url("/checkout");
        for (reference, act) in [("acme-session-1", "complete"), ("acme-session-2", "abandon")] {
            let path = format!("{SESSIONS}/{reference}");
            self.call("POST", SESSIONS, session(reference, &callback)).await;
            self.call("GET", &path, Value::Null).await;
            self.control(&format!("sessions/{reference}/initiate"), json!({})).await;
            self.control(&format!("sessions/{reference}/{act}"), json!({})).await;
            self.pass(1).await;
            self.call("GET", &path, Value::Null).await;
        }
        self.call("POST", SESSIONS, json!({ "type": "PAYMENT" })).await;
    }

    async fn psp(&mut self) {
        let make_payment = self.psp.url("/make-payment");
        self.call("POST", &format!("{PSP_PAYMENTS}/init"), psp_payment("acmepsp1", &make_payment)).await;
        self.call("POST", &format!("{PSP_PAYMENTS}/init"), psp_payment("acmepsp1", &make_payment)).await;
        self.control("psp/acmepsp1/approve", json!({})).await;
        let captured =
            json!({ "pspTransactionId": "acmepsp1", "status": "CAPTURED", "amount": 400, "currency": "NOK" });
        self.call("POST", &format!("{PSP_PAYMENTS}/updatestatus"), json!({ "transactions": [captured] })).await;
        self.call("GET", &format!("{PSP_PAYMENTS}/acmepsp1/details"), Value::Null).await;
    }

    /// What the sandbox and its merchant remember at the end.
    async fn end(mut self) -> Vec<String> {
        self.pass(86_400).await;
        let sandbox = &self.shop.http.sandbox;
        let mut remembered = vec![sandbox.ledger()];
        remembered.extend([sandbox.deliveries(), sandbox.requests(), sandbox.warnings()].concat());
        // Different endpoints may be called at the same time: each has its own order.
        let mut received = [self.hooks.received(), self.psp.received()].map(|all| {
            let told = all.iter().map(|one| json!([one.target, one.header("x-ms-date"), one.json()]));
            told.collect::<Vec<_>>()
        });
        received.iter_mut().for_each(|all| all.sort_by_key(|one| one[0].to_string()));
        remembered.extend(received.concat());
        remembered.iter().for_each(|value| self.note(value));
        self.trace
    }

    async fn call(&mut self, method: &str, path: &str, body: Value) -> Value {
        self.keys += 1;
        let key = Some(format!("key-{}", self.keys)).filter(|_| method != "GET");
        let (status, answer) = self.shop.call(method, path, key.as_deref(), &body).await;
        self.note(&json!([method, path, status, answer]));
        self.settle().await;
        answer
    }

    async fn control(&mut self, path: &str, body: Value) {
        let (status, answer) = self.shop.control(path, body).await;
        self.note(&json!([path, status, answer]));
        self.settle().await;
    }

    async fn pass(&mut self, seconds: i64) {
        self.shop.pass(seconds).await;
    }

    /// Lets everything that is due now be delivered before the next step.
    async fn settle(&self) {
        self.shop.pass(0).await;
    }

    /// Ports are not the sandbox's to choose.
    fn note(&mut self, value: &Value) {
        let mut text = value.to_string();
        for (url, name) in [
            (self.shop.http.sandbox.base_url().to_owned(), "sandbox"),
            (self.hooks.url(""), "hooks"),
            (self.psp.url(""), "psp"),
        ] {
            let authority = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
            text = text.replace(&authority, name);
        }
        self.trace.push(text);
    }
}
