//! Copies of one request at the same time: one effect, one answer; and what others see
//! while a scripted stall holds the first.

use std::collections::BTreeSet;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use vipps_tests::Http;

use crate::shop::{
    AGREEMENTS, PAYMENTS, PSP_PAYMENTS, SESSIONS, Shop, agreement, agreement_with_charge, charge, code, modification,
    order, psp_payment, session,
};

const COPIES: usize = 500;

/// A write with everything there that it needs.
struct Write {
    shop: Shop,
    operation: &'static str,
    path: String,
    body: Value,
    /// What it answers when it is done.
    status: u16,
}

/// The writes that take a key: operation, and the status of its success.
const WRITES: [(&str, u16); 8] = [
    ("createPayment", 201),
    ("capturePayment", 200),
    ("refundPayment", 200),
    ("DraftAgreementV3", 201),
    ("CreateChargeV3", 201),
    ("CaptureChargeV3", 204),
    ("createSession", 200),
    ("initiatePaymentV3UsingPOST", 200),
];

impl Write {
    async fn prepare(operation: &'static str, status: u16) -> Self {
        let shop = Shop::open(Http::start_manual().await).await;
        let payment = format!("{PAYMENTS}/acme-order-1");
        if matches!(operation, "capturePayment" | "refundPayment") {
            shop.done("POST", PAYMENTS, Some("create"), &order("acme-order-1", 1000)).await;
            assert_eq!(shop.control("payments/acme-order-1/approve", json!({})).await.0, 200);
        }
        if operation == "refundPayment" {
            shop.done("POST", &format!("{payment}/capture"), Some("capture"), &modification(1000)).await;
        }
        let amount = json!({ "amount": 100, "description": "Delivered" });
        let (path, body) = match operation {
            "createPayment" => (PAYMENTS.to_owned(), order("acme-order-1", 1000)),
            "capturePayment" => (format!("{payment}/capture"), modification(100)),
            "refundPayment" => (format!("{payment}/refund"), modification(100)),
            "DraftAgreementV3" => (AGREEMENTS.to_owned(), agreement()),
            "CreateChargeV3" => {
                let id = shop.agree("draft", &agreement()).await;
                (format!("{AGREEMENTS}/{id}/charges"), charge("box-1", true, "2026-01-10"))
            }
            "CaptureChargeV3" => {
                let id = shop.agree("draft", &agreement_with_charge("box-1", 1000)).await;
                (format!("{AGREEMENTS}/{id}/charges/box-1/capture"), amount)
            }
            "createSession" => (SESSIONS.to_owned(), session("acme-session-1", "https://acme.example/callback")),
            _ => (format!("{PSP_PAYMENTS}/init"), psp_payment("acmepsp1", "https://psp.example/make-payment")),
        };
        Self { shop, operation, path, body, status }
    }

    fn request(&self, key: &str) -> RequestBuilder {
        self.shop.request("POST", &self.path, Some(key), &self.body)
    }

    async fn send(&self, key: &str) -> (u16, Value) {
        self.shop.http.send(self.request(key)).await
    }

    /// How often it took effect.
    async fn effects(&self) -> usize {
        let ledger = self.shop.http.sandbox.ledger();
        let moves = |list: &str, kind: &str| {
            let effects = ledger[list].as_array().into_iter().flatten().filter_map(|entry| entry["effects"].as_array());
            effects.flatten().filter(|effect| effect["kind"] == kind && effect["value"] == 100).count()
        };
        match self.operation {
            "createPayment" => entries(&ledger["payments"]),
            "capturePayment" => moves("payments", "capture"),
            "refundPayment" => moves("payments", "refund"),
            "DraftAgreementV3" => entries(&self.shop.get(&format!("{AGREEMENTS}?status=PENDING")).await.1),
            "CreateChargeV3" => entries(&ledger["charges"]),
            "CaptureChargeV3" => moves("charges", "capture"),
            "createSession" => entries(&self.shop.http.control("GET", "sessions", Value::Null).await.1),
            _ => entries(&ledger["pspPayments"]),
        }
    }
}

async fn answer(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// The length of a list, or of the only list in an object.
fn entries(value: &Value) -> usize {
    let list = value.as_array().or_else(|| value.as_object()?.values().find_map(Value::as_array));
    list.map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_copies_at_once_have_one_effect_and_one_answer() {
    for (operation, status) in WRITES {
        let write = Write::prepare(operation, status).await;
        let copies: Vec<_> = (0..COPIES).map(|_| tokio::spawn(answer(write.request("one")))).collect();
        let mut answers = BTreeSet::new();
        for copy in copies {
            answers.insert(copy.await.unwrap());
        }
        assert_eq!(answers.len(), 1, "{operation}: {answers:?}");
        assert_eq!(answers.first().map(|(status, _)| *status), Some(write.status), "{operation}: {answers:?}");
        assert_eq!(write.effects().await, 1, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_stall_holds_a_payment_its_other_writes_get_423() {
    for &(operation, status) in &WRITES[..3] {
        others_are_locked_out(operation, status, (423, "6160")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_stall_holds_an_agreement_or_a_charge_its_other_writes_get_409() {
    for &(operation, status) in &WRITES[3..6] {
        others_are_locked_out(operation, status, (409, "conflict")).await;
    }
}

async fn others_are_locked_out(operation: &'static str, status: u16, locked: (u16, &str)) {
    let write = Write::prepare(operation, status).await;
    let stall = json!({ "operation": operation, "fault": { "kind": "stall", "seconds": 1 } });
    assert_eq!(write.shop.control("faults", stall).await.0, 201);
    let first = write.request("one");
    let first = tokio::spawn(answer(first));
    while write.shop.http.sandbox.requests().iter().all(|request| request["operation"] != operation) {
        tokio::task::yield_now().await;
    }
    // Another key is for the same thing only where the thing is there already.
    let creates = matches!(operation, "createPayment" | "DraftAgreementV3" | "CreateChargeV3");
    for key in ["one", "two"].iter().take(if creates { 1 } else { 2 }) {
        let (status, body) = write.send(key).await;
        assert_eq!((status, code(&body)), (locked.0, Some(locked.1)), "{operation} {key}: {body}");
    }
    assert!(!first.is_finished(), "{operation}: the stall was over too soon");
    let first = first.await.unwrap();
    assert_eq!(first.0, write.status, "{operation}: {first:?}");
    assert_eq!(answer(write.request("one")).await, first, "{operation}: a copy afterwards gets its answer");
    assert_eq!(write.effects().await, 1, "{operation}");
}
