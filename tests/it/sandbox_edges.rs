//! Where rules of ePayment, PSP, Recurring and webhooks end: other customers, other sales
//! units, odd answers, clocks that are moved.

use serde_json::{Value, json};
use vipps_sandbox::{ClockMode, Options, Profile};
use vipps_tests::{Http, Receiver};

use crate::sandbox_recurring::{AGREEMENTS, with};

const REFERENCE: &str = "acme-order-42";
const PAYMENT: &str = "/epayment/v1/payments/acme-order-42";

fn order(value: i64) -> Value {
    json!({
        "amount": { "currency": "NOK", "value": value }, "paymentMethod": { "type": "WALLET" },
        "reference": REFERENCE, "userFlow": "WEB_REDIRECT", "returnUrl": "https://acme.example/thanks"
    })
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["extraDetails"][0]["reason"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_payment_is_approved_by_force_for_its_own_customer_alone() {
    let http = Http::start_manual().await;
    let own = with(
        order(1000),
        &json!({ "customer": { "personalQr": "https://qr.example/one" }, "customerInteraction": "CUSTOMER_PRESENT" }),
    );
    assert_eq!(http.create(&own).await.0, 201);
    let path = "/epayment/v1/test/payments/acme-order-42/approve";
    for other in [json!({ "personalQr": "https://qr.example/two" }), json!({ "phoneNumber": "4712345678" })] {
        let answer = http.post(path, &json!({ "customer": other })).await;
        assert_eq!(code(&answer), (400, "7010"), "{other}");
    }
    assert_eq!(http.post(path, &json!({ "customer": { "personalQr": "https://qr.example/one" } })).await.0, 200);
}

#[tokio::test]
async fn whoever_approves_by_force_is_the_customer_that_is_told() {
    let http = Http::start_manual().await;
    let asks = with(order(1000), &json!({ "profile": { "scope": "name email phoneNumber" } }));
    assert_eq!(http.create(&asks).await.0, 201);
    let path = "/epayment/v1/test/payments/acme-order-42/approve";
    assert_eq!(http.post(path, &json!({ "customer": { "phoneNumber": "4798765432" } })).await.0, 200);
    assert_eq!(http.get(PAYMENT).await.1["userDetails"]["mobileNumber"], "4798765432");
}

#[tokio::test]
async fn the_key_of_a_cancel_is_in_its_event_and_in_the_ledger() {
    let http = Http::start_manual().await;
    assert_eq!(http.create(&order(1000)).await.0, 201);
    assert_eq!(http.keyed("POST", &format!("{PAYMENT}/cancel"), "stop-it", &Value::Null).await.0, 200);
    let events = http.get(&format!("{PAYMENT}/events")).await.1;
    assert_eq!((&events[1]["name"], &events[1]["idempotencyKey"]), (&json!("TERMINATED"), &json!("stop-it")));
    let (_, ledger) = http.control("GET", "ledger", Value::Null).await;
    assert_eq!(ledger["payments"][0]["effects"][0]["idempotencyKey"], "stop-it");
    // An empty object is as good as no body.
    assert_eq!(http.keyed("POST", &format!("{PAYMENT}/cancel"), "stop-it", &json!({})).await.0, 200);
}

#[tokio::test]
async fn nobody_hurries_a_payment_whose_outcome_takes_an_hour() {
    let http = Http::start_manual().await;
    assert_eq!(http.create(&order(201)).await.0, 201);
    let act = async |name: &str| http.control("POST", &format!("payments/{REFERENCE}/{name}"), json!({})).await.0;
    assert_eq!([act("approve").await, act("approve").await, act("abort").await], [200, 409, 409]);
    assert_eq!(http.get(PAYMENT).await.1["state"], "CREATED");
    http.advance(3600).await;
    assert_eq!(http.get(PAYMENT).await.1["state"], "AUTHORIZED");
}

#[tokio::test]
async fn a_deadline_that_is_moved_counts_for_payments_that_are_there() {
    let http = Http::start_manual().await;
    assert_eq!(http.create(&order(1000)).await.0, 201);
    assert_eq!(http.control("POST", &format!("payments/{REFERENCE}/approve"), json!({})).await.0, 200);
    assert_eq!(http.control("PATCH", "settings", json!({ "captureDays": 14 })).await.0, 200);
    http.advance(15 * 86_400).await;
    assert_eq!(http.get(PAYMENT).await.1["aggregate"]["cancelledAmount"]["value"], 1000);
}

#[tokio::test]
async fn the_seed_wants_less_than_28_days_and_looks_at_no_body_of_a_cancel() {
    let mut options = Options::default();
    (options.clock, options.profile) = (ClockMode::Manual, Profile::Seed);
    let http = Http::start_with(options).await.tolerant();
    let receipt = json!({
        "orderLines": [{ "name": "Tea", "id": "tea", "totalAmount": 1000, "totalAmountExcludingTax": 800, "totalTaxAmount": 200, "taxRate": 2500 }],
        "bottomLine": { "currency": "NOK" }
    });
    let until = |at: &str| {
        with(
            order(1000),
            &json!({ "userFlow": "QR", "customerInteraction": "CUSTOMER_PRESENT", "expiresAt": at, "receipt": receipt }),
        )
    };
    assert_eq!(code(&http.create(&until("2026-01-29T00:00:00Z")).await), (400, "6110"));
    assert_eq!(http.create(&until("2026-01-28T23:59:59Z")).await.0, 201);
    let odd = json!({ "cancelTransactionOnly": "x" });
    assert_eq!(http.post(&format!("{PAYMENT}/cancel"), &odd).await.0, 200);
}

#[tokio::test]
async fn express_options_are_there_and_in_the_payment_s_currency() {
    let http = Http::start_manual().await.tolerant();
    let group = |currency: &str| {
        json!({ "type": "HOME_DELIVERY", "brand": "POSTEN", "isDefault": true, "priority": 0, "options": [
            { "id": "o1", "amount": { "currency": currency, "value": 5 }, "name": "Home", "isDefault": true, "priority": 0 }
        ] })
    };
    let express = |groups: Value| {
        let scope = json!({ "scope": "name address email phoneNumber" });
        with(order(1000), &json!({ "profile": scope, "shipping": { "fixedOptions": groups } }))
    };
    let (status, refused) = http.create(&express(json!([group("DKK")]))).await;
    let field = &refused["extraDetails"][0]["name"];
    assert_eq!((status, field), (400, &json!("shipping.fixedOptions[0].options[0].amount.currency")));
    assert_eq!(http.create(&express(json!([]))).await.0, 400);
    assert_eq!(http.create(&express(json!([with(group("NOK"), &json!({ "options": [] }))]))).await.0, 400);
    assert_eq!(http.create(&express(json!([group("NOK")]))).await.0, 201);
}

#[tokio::test]
async fn what_a_sales_unit_may_not_do_is_a_setting() {
    let http = Http::start_manual().await;
    let set = async |setting: &str, value: bool| {
        assert_eq!(http.control("PATCH", "settings", json!({ setting: value })).await.0, 200);
    };
    set("bankAccountVerified", false).await;
    assert_eq!(code(&http.create(&order(1000)).await), (403, "5060"));
    set("bankAccountVerified", true).await;
    assert_eq!(http.create(&order(151)).await.0, 201);
    set("magicAmounts", false).await;
    assert_eq!(http.control("POST", &format!("payments/{REFERENCE}/approve"), json!({})).await.0, 200);
    assert_eq!(http.get(PAYMENT).await.1["state"], "AUTHORIZED", "151 is an amount like any other");
    let all = json!({ "modificationAmount": { "currency": "NOK", "value": 151 } });
    assert_eq!(http.post(&format!("{PAYMENT}/capture"), &all).await.0, 200);
    set("refundAllowed", false).await;
    assert_eq!(code(&http.post(&format!("{PAYMENT}/refund"), &all).await), (400, "5100"));
}

#[tokio::test]
async fn a_token_is_for_known_psps_alone() {
    let http = Http::start().await;
    let ask = |psp: &str| http.checkout_request("POST", "/accesstoken/get").header("Psp-Id", psp.to_owned());
    assert_eq!(http.send(ask("XXX")).await.0, 401);
    assert_eq!(http.send(ask("C948DFD1546347568874C4DDC93A2E3C")).await.0, 200);
}

/// A PSP payment whose customer has confirmed, by what the PSP answers to that.
async fn psp_payment(answer: Value) -> (Http, Value) {
    let psp = Receiver::answering(vec![(200, answer)]).await;
    let mut options = Options::default();
    (options.clock, options.merchant_serial_numbers) = (ClockMode::Manual, vec!["123456".into(), "654321".into()]);
    let http = Http::start_with(options).await;
    let body = json!({
        "pspTransactionId": "acme7a3", "merchantOrderId": "acme-order-42", "amount": 49_900, "currency": "NOK",
        "pspRedirectUrl": "https://psp.example/back", "makePaymentUrl": psp.url("/make-payment")
    });
    let psp_request = http.request("POST", "/psp/v3/psppayments/init").header("Psp-Id", PSP_ID).json(&body);
    assert_eq!(http.send(psp_request).await.0, 200);
    let (_, shown) = http.control("POST", "psp/acme7a3/approve", json!({})).await;
    (http, shown["state"].clone())
}

const PSP_ID: &str = "C948DFD1546347568874C4DDC93A2E3C";

#[tokio::test]
async fn an_answer_to_make_payment_that_makes_no_sense_fails_it() {
    for (answer, state) in [
        (json!({ "paymentInfo": {} }), "RESERVED"),
        (json!({ "paymentInfo": { "status": 5 } }), "FAILED"),
        (json!({ "paymentInfo": { "status": "OK", "pspTransactionId": "another" } }), "FAILED"),
        (json!({ "status": "OK" }), "FAILED"),
    ] {
        assert_eq!(psp_payment(answer.clone()).await.1, state, "{answer}");
    }
}

#[tokio::test]
async fn a_psp_payment_is_its_sales_unit_s_and_an_empty_report_is_one() {
    let (http, _) = psp_payment(json!({ "paymentInfo": { "status": "OK" } })).await;
    let as_unit = |method: &str, path: &str, unit: &str| {
        let url = format!("{}/psp/v3/psppayments/{path}", http.sandbox.base_url());
        let request = http.client.request(method.parse().unwrap(), url).header("Psp-Id", PSP_ID);
        let request = request.header("Authorization", format!("Bearer {}", http.token()));
        request
            .header("Ocp-Apim-Subscription-Key", "test-subscription-key")
            .header("Merchant-Serial-Number", unit.to_owned())
    };
    let report = json!({ "transactions": [{ "pspTransactionId": "acme7a3", "status": "CAPTURED", "amount": 49_900 }] });
    assert_eq!(http.send(as_unit("POST", "updatestatus", "654321").json(&report)).await.0, 200);
    assert_eq!(http.send(as_unit("GET", "acme7a3/details", "654321")).await.0, 404);
    let (_, details) = http.send(as_unit("GET", "acme7a3/details", "123456")).await;
    assert_eq!(details["transactionSummary"]["capturedAmount"], 0, "another's report moves nothing");
    assert_eq!(http.send(as_unit("POST", "updatestatus", "123456").json(&json!({}))).await.0, 200);
}

fn draft() -> Value {
    json!({
        "productName": "Vegetable box", "pricing": { "type": "LEGACY", "currency": "NOK", "amount": 10_000 },
        "interval": { "unit": "MONTH", "count": 1 }, "merchantAgreementUrl": "https://acme.example/boxes",
        "merchantRedirectUrl": "https://acme.example/thanks"
    })
}

async fn drafted(http: &Http, changes: Value) -> String {
    let (status, drafted) = http.post(AGREEMENTS, &with(draft(), &changes)).await;
    assert_eq!(status, 201, "{drafted}");
    drafted["agreementId"].as_str().unwrap().to_owned()
}

async fn agreed(http: &Http) -> String {
    let id = drafted(http, json!({})).await;
    assert_eq!(http.control("POST", &format!("agreements/{id}/approve"), json!({})).await.0, 200);
    id
}

#[tokio::test]
async fn the_ceiling_of_an_interval_holds_from_its_first_day() {
    let http = Http::start_manual().await;
    http.advance(10 * 3600).await;
    let id = agreed(&http).await;
    let now =
        json!({ "amount": 50_000, "transactionType": "DIRECT_CAPTURE", "description": "Box", "type": "UNSCHEDULED" });
    let charges = format!("{AGREEMENTS}/{id}/charges");
    assert_eq!(http.post(&charges, &now).await.0, 201);
    let (status, refused) = http.post(&charges, &now).await;
    assert!(status == 400 && refused["type"].as_str().unwrap().ends_with("charge-amount-too-high"), "{refused}");
    // The next interval begins with its day, not with the hour of the acceptance.
    let due = json!({
        "amount": 50_000, "transactionType": "DIRECT_CAPTURE", "description": "Box", "due": "2026-02-01", "retryDays": 0
    });
    assert_eq!(http.post(&charges, &due).await.0, 201);
}

#[tokio::test]
async fn an_agreement_that_was_stopped_while_its_first_charge_waited_is_not_charged() {
    let http = Http::start_manual().await;
    let first = json!({ "initialCharge": {
        "amount": 201, "description": "First", "transactionType": "DIRECT_CAPTURE", "orderId": "box-1"
    } });
    let id = drafted(&http, first).await;
    assert_eq!(http.control("POST", &format!("agreements/{id}/approve"), json!({})).await.0, 200);
    assert_eq!(http.control("POST", &format!("agreements/{id}/reject"), json!({})).await.0, 409, "they have approved");
    assert_eq!(http.write("PATCH", &format!("{AGREEMENTS}/{id}"), &json!({ "status": "STOPPED" })).await.0, 204);
    http.advance(7200).await;
    let charge = http.get(&format!("{AGREEMENTS}/{id}/charges/box-1")).await.1;
    assert_eq!((&charge["status"], &charge["summary"]["captured"]), (&json!("CANCELLED"), &json!(0)), "{charge}");
}

#[tokio::test]
async fn an_update_that_is_put_off_takes_effect_later() {
    let http = Http::start_manual().await;
    let id = agreed(&http).await;
    assert_eq!(http.control("PATCH", "settings", json!({ "recurringEffectSeconds": 60 })).await.0, 200);
    let path = format!("{AGREEMENTS}/{id}");
    assert_eq!(http.write("PATCH", &path, &json!({ "productName": "Later" })).await.0, 202);
    assert_eq!(http.get(&path).await.1["productName"], "Vegetable box");
    http.advance(60).await;
    assert_eq!(http.get(&path).await.1["productName"], "Later");
    assert_eq!(http.write("PATCH", &path, &json!({ "pricing": { "type": "FLEXIBLE" } })).await.0, 400);
}

#[tokio::test]
async fn copies_of_a_delivery_count_once_and_delayed_ones_wait() {
    let http = Http::start_manual().await;
    let merchant = Receiver::answering(vec![(500, json!({}))]).await;
    let hook = json!({ "url": merchant.url("/hook"), "events": ["epayments.payment.created.v1"] });
    assert_eq!(http.post("/webhooks/v1/webhooks", &hook).await.0, 201);
    assert_eq!(http.control("POST", "deliveries/mode", json!({ "mode": "duplicate" })).await.0, 200);
    assert_eq!(http.create(&order(1000)).await.0, 201);
    http.advance(6).await;
    let (_, deliveries) = http.control("GET", "deliveries", Value::Null).await;
    assert_eq!(deliveries[0]["attempts"].as_array().unwrap().len(), 8, "four rounds of two");
    assert_eq!(deliveries[0]["nextAttempt"], "2026-01-01T00:01:06.000Z");
    assert_eq!(http.control("POST", "deliveries/mode", json!({ "mode": "delay", "seconds": 30 })).await.0, 200);
    assert_eq!(http.create(&with(order(1000), &json!({ "reference": "acme-order-43" }))).await.0, 201);
    let (_, deliveries) = http.control("GET", "deliveries", Value::Null).await;
    assert_eq!(deliveries[1]["nextAttempt"], "2026-01-01T00:00:36.000Z");
}

#[tokio::test]
async fn a_webhook_s_address_is_written_as_it_is_called_and_its_id_is_a_uuid() {
    let http = Http::start().await;
    let hook = |url: &str| json!({ "url": url, "events": ["epayments.payment.created.v1"] });
    for odd in ["https://acme.example/a/../b", "https://acme.example/b?q='x'|y"] {
        assert_eq!(http.post("/webhooks/v1/webhooks", &hook(odd)).await.0, 400, "{odd}");
    }
    assert_eq!(http.post("/webhooks/v1/webhooks", &hook("https://acme.example")).await.0, 201);
    assert_eq!(http.write("DELETE", "/webhooks/v1/webhooks/abc", &Value::Null).await.0, 400);
}
