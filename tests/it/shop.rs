//! A merchant over plain HTTP whose token outlives every clock, and the bodies it sends.

use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use vipps_tests::Http;

/// A hundred years, in seconds.
const FOR_EVER: u64 = 3_155_760_000;
const PSP_ID: &str = "C948DFD1546347568874C4DDC93A2E3C";

pub(crate) const PAYMENTS: &str = "/epayment/v1/payments";
pub(crate) const AGREEMENTS: &str = "/recurring/v3/agreements";
pub(crate) const SESSIONS: &str = "/checkout/v3/session";
pub(crate) const PSP_PAYMENTS: &str = "/psp/v3/psppayments";
pub(crate) const WEBHOOKS: &str = "/webhooks/v1/webhooks";

pub(crate) struct Shop {
    pub(crate) http: Http,
    bearer: HeaderMap,
}

impl Shop {
    pub(crate) async fn open(http: Http) -> Self {
        let lasting = json!({ "tokenLifetimeSeconds": FOR_EVER });
        assert_eq!(http.control("PATCH", "settings", lasting).await.0, 200);
        let request = http.request("POST", "/accesstoken/get");
        let request = request.header("client_id", "test-client-id").header("client_secret", "test-client-secret");
        let (_, answer) = http.send(request).await;
        let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
        let bearer = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&bearer).unwrap())]);
        Self { http, bearer }
    }

    /// A request with what its API wants of credentials; `Value::Null` is no body.
    pub(crate) fn request(&self, method: &str, path: &str, key: Option<&str>, body: &Value) -> RequestBuilder {
        // In place of the token of the harness, which lives for an hour of the clock.
        let mut request = self.http.request(method, path).headers(self.bearer.clone());
        if path.starts_with("/checkout/") {
            request = request.header("client_id", "test-client-id").header("client_secret", "test-client-secret");
            for (name, value) in [("Name", "acme"), ("Version", "1"), ("Plugin-Name", "acme"), ("Plugin-Version", "1")]
            {
                request = request.header(format!("Vipps-System-{name}"), value);
            }
        }
        if path.starts_with("/psp/") {
            request = request.header("Psp-Id", PSP_ID);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if body.is_null() { request } else { request.json(body) }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
        self.http.send(self.request(method, path, key, body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, None, &Value::Null).await
    }

    /// A call that must succeed; gives its answer.
    pub(crate) async fn done(&self, method: &str, path: &str, key: Option<&str>, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, key, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// What somebody else does through the control API.
    pub(crate) async fn control(&self, path: &str, body: Value) -> (u16, Value) {
        self.http.control("POST", path, body).await
    }

    /// Lets time pass; what is due on the way is delivered before this returns.
    pub(crate) async fn pass(&self, seconds: i64) {
        let (status, answer) = self.control("clock/advance", json!({ "seconds": seconds })).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// An accepted agreement; gives its id.
    pub(crate) async fn agree(&self, key: &str, agreement: &Value) -> String {
        let drafted = self.done("POST", AGREEMENTS, Some(key), agreement).await;
        let id = drafted["agreementId"].as_str().unwrap().to_owned();
        let (status, answer) = self.control(&format!("agreements/{id}/approve"), json!({})).await;
        assert_eq!(status, 200, "{answer}");
        id
    }
}

pub(crate) fn order(reference: &str, value: i64) -> Value {
    json!({
        "amount": { "currency": "NOK", "value": value }, "reference": reference,
        "paymentMethod": { "type": "WALLET" }, "userFlow": "WEB_REDIRECT", "returnUrl": "https://acme.example/thanks"
    })
}

pub(crate) fn modification(value: i64) -> Value {
    json!({ "modificationAmount": { "currency": "NOK", "value": value } })
}

/// A price high enough for every charge of a test: the ceiling is five times as much.
pub(crate) fn agreement() -> Value {
    json!({
        "pricing": { "type": "LEGACY", "currency": "NOK", "amount": 100_000 },
        "interval": { "unit": "MONTH", "count": 1 }, "productName": "Vegetable box",
        "merchantRedirectUrl": "https://acme.example/back", "merchantAgreementUrl": "https://acme.example/boxes"
    })
}

/// The same with a charge that is reserved when the customer accepts.
pub(crate) fn agreement_with_charge(order_id: &str, amount: i64) -> Value {
    let mut body = agreement();
    body["initialCharge"] = json!({
        "amount": amount, "description": "First box", "transactionType": "RESERVE_CAPTURE", "orderId": order_id
    });
    body
}

pub(crate) fn charge(order_id: &str, direct: bool, due: &str) -> Value {
    json!({
        "orderId": order_id, "amount": 1000, "description": "Box", "due": due, "retryDays": 0,
        "transactionType": if direct { "DIRECT_CAPTURE" } else { "RESERVE_CAPTURE" }
    })
}

pub(crate) fn session(reference: &str, callback_url: &str) -> Value {
    json!({
        "type": "PAYMENT", "reference": reference,
        "transaction": { "amount": { "currency": "NOK", "value": 1000 }, "paymentDescription": "Hoodie" },
        "merchantInfo": {
            "callbackUrl": callback_url, "returnUrl": "https://acme.example/thanks",
            "callbackAuthorizationToken": "from-checkout"
        }
    })
}

pub(crate) fn psp_payment(id: &str, make_payment_url: &str) -> Value {
    json!({
        "pspTransactionId": id, "merchantOrderId": format!("order-{id}"), "amount": 1000, "currency": "NOK",
        "pspRedirectUrl": "https://psp.example/back", "makePaymentUrl": make_payment_url,
        "makePaymentToken": "from-vipps"
    })
}

/// A registration for everything that is told of payments, agreements and charges.
pub(crate) fn registration(url: &str) -> Value {
    let payments = ["created", "authorized", "aborted", "expired", "terminated", "captured", "refunded", "cancelled"];
    let recurring = [
        "agreement-activated",
        "agreement-rejected",
        "agreement-stopped",
        "agreement-expired",
        "charge-reserved",
        "charge-captured",
        "charge-canceled",
        "charge-refunded",
        "charge-failed",
        "charge-creation-failed",
    ];
    let payments = payments.iter().map(|name| format!("epayments.payment.{name}.v1"));
    let events: Vec<String> = payments.chain(recurring.iter().map(|name| format!("recurring.{name}.v1"))).collect();
    json!({ "url": url, "events": events })
}

/// The code of an ePayment refusal, or the identifier of a Recurring one.
pub(crate) fn code(body: &Value) -> Option<&str> {
    let details = body["extraDetails"].as_array().into_iter().flatten();
    let named = details.filter(|detail| detail["name"] == "ErrorCode").find_map(|detail| detail["reason"].as_str());
    named.or_else(|| body["type"].as_str()?.split_once('#').map(|(_, identifier)| identifier))
}
