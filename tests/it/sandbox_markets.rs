//! Markets: four of them, and several in one sandbox.

use serde_json::{Value, json};
use vipps_sandbox::{ClockMode, Market, Options, RateLimitWindow};
use vipps_tests::Http;

use crate::sandbox_recurring::AGREEMENTS;
use crate::sandbox_webhooks::{PAYMENTS, order, text};

const DAY: u64 = 86_400;

/// One sandbox with a sales unit in each market.
async fn nordic() -> Http {
    let mut options = Options::default();
    options.clock = ClockMode::Manual;
    options.merchant_serial_numbers = ["123456", "111111", "222222", "333333"].map(str::to_owned).to_vec();
    options.markets.insert("111111".into(), Market::Denmark);
    options.markets.insert("222222".into(), Market::Finland);
    options.markets.insert("333333".into(), Market::Sweden);
    let http = Http::start_with(options).await;
    http.control("PATCH", "settings", json!({ "tokenLifetimeSeconds": 3_155_760_000_u64 })).await;
    http.with_new_token().await
}

/// A request in the name of a sales unit; null is no body.
async fn write(http: &Http, unit: &str, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}{path}", http.sandbox.base_url());
    let request = http
        .client
        .post(url)
        .header("Authorization", format!("Bearer {}", http.token()))
        .header("Ocp-Apim-Subscription-Key", "test-subscription-key")
        .header("Merchant-Serial-Number", unit)
        .header("Idempotency-Key", http.new_key());
    http.send(request.json(body)).await
}

fn payment(currency: &str, value: i64) -> Value {
    let mut body = order("acme-order-42", value);
    body["amount"] = json!({ "currency": currency, "value": value });
    body
}

#[tokio::test]
async fn each_sales_unit_has_the_currency_the_least_amount_and_the_deadline_of_its_market() {
    // Sales unit, its currency, its least amount, its days to capture.
    let table =
        [("123456", "NOK", 100, 180), ("111111", "DKK", 1, 14), ("222222", "EUR", 1, 14), ("333333", "SEK", 100, 180)];
    for (unit, currency, least, days) in table {
        let http = nordic().await;
        for (_, other, ..) in table.iter().filter(|(_, other, ..)| *other != currency) {
            let (status, refused) = write(&http, unit, PAYMENTS, &payment(other, 1000)).await;
            assert_eq!((status, text(&refused["extraDetails"][0]["reason"]).as_str()), (400, "5040"), "{unit} {other}");
        }
        if least > 1 {
            let (status, refused) = write(&http, unit, PAYMENTS, &payment(currency, least - 1)).await;
            assert_eq!((status, text(&refused["extraDetails"][0]["reason"]).as_str()), (400, "6010"), "{currency}");
        }
        assert_eq!(write(&http, unit, PAYMENTS, &payment(currency, 1000)).await.0, 201, "{currency}");
        assert_eq!(http.control("POST", "payments/acme-order-42/approve", json!({})).await.0, 200);
        http.advance(days * DAY - 1).await;
        let capture = json!({ "modificationAmount": { "currency": currency, "value": 1 } });
        let path = format!("{PAYMENTS}/acme-order-42/capture");
        assert_eq!(write(&http, unit, &path, &capture).await.0, 200, "{currency}: within {days} days");
        http.advance(1).await;
        let (status, refused) = write(&http, unit, &path, &capture).await;
        assert_eq!((status, text(&refused["extraDetails"][0]["reason"]).as_str()), (400, "6100"), "{currency}");
    }
}

#[tokio::test]
async fn the_setting_of_the_days_counts_for_every_market_until_it_is_taken_back() {
    let http = nordic().await;
    assert_eq!(write(&http, "111111", PAYMENTS, &payment("DKK", 1000)).await.0, 201);
    http.control("POST", "payments/acme-order-42/approve", json!({})).await;
    http.control("PATCH", "settings", json!({ "captureDays": 30 })).await;
    http.advance(20 * DAY).await;
    let figure = |name: &str| http.sandbox.money("acme-order-42", name);
    assert_eq!(figure("cancelled"), Some(0), "30 days by the setting");
    http.control("PATCH", "settings", json!({ "captureDays": null })).await;
    http.advance(0).await;
    assert_eq!(figure("cancelled"), Some(1000), "14 days by the market, which are over");
}

#[tokio::test]
async fn sweden_has_no_recurring() {
    let http = nordic().await;
    let draft = json!({
        "productName": "Box", "pricing": { "type": "LEGACY", "currency": "NOK", "amount": 10_000 },
        "merchantAgreementUrl": "https://acme.example/boxes", "merchantRedirectUrl": "https://acme.example/thanks"
    });
    let (status, refused) = write(&http, "333333", AGREEMENTS, &draft).await;
    assert!(status == 403 && text(&refused["type"]).ends_with("#invalid-sale-unit"), "{refused}");
    assert_eq!(write(&http, "123456", AGREEMENTS, &draft).await.0, 201);
    http.control("PATCH", "settings", json!({ "recurringAllowed": false })).await;
    assert_eq!(write(&http, "123456", AGREEMENTS, &draft).await.0, 403);
}

#[tokio::test]
async fn a_swedish_customer_lives_in_sweden_and_magic_amounts_act_as_in_norway() {
    let http = nordic().await;
    let mut body = payment("SEK", 197);
    body["profile"] = json!({ "scope": "address phoneNumber" });
    assert_eq!(write(&http, "333333", PAYMENTS, &body).await.0, 201);
    http.control("POST", "payments/acme-order-42/approve", json!({})).await;
    assert_eq!(http.sandbox.money("acme-order-42", "authorized"), Some(0), "3-D Secure was denied");
    body["reference"] = "acme-order-43".into();
    body["amount"]["value"] = 1000.into();
    assert_eq!(write(&http, "333333", PAYMENTS, &body).await.0, 201);
    let (_, paid) = http.control("POST", "payments/acme-order-43/approve", json!({})).await;
    assert!(text(&paid["userDetails"]["mobileNumber"]).starts_with("46"), "{paid}");
    assert_eq!(paid["userDetails"]["addresses"][0]["country"], "SE");
}

/// Creates charges one after the other, each a charge of its own, until one is limited.
async fn charges_taken(http: &Http, agreement: &str, from: usize, most: usize) -> usize {
    for number in from..from + most {
        let charge = json!({
            "amount": 100, "transactionType": "DIRECT_CAPTURE", "description": "A box", "due": "2026-03-01",
            "retryDays": 0, "orderId": format!("box-{number}")
        });
        let status = http.post(&format!("{AGREEMENTS}/{agreement}/charges"), &charge).await.0;
        match status {
            201 => {}
            429 => return number - from,
            other => panic!("{other}"),
        }
    }
    most
}

#[tokio::test]
async fn a_sales_unit_creates_so_many_charges_a_minute_of_both_kinds() {
    for (window, freed) in [(RateLimitWindow::Sliding, 4), (RateLimitWindow::Fixed, 10)] {
        let mut options = Options::default();
        (options.clock, options.rate_limits, options.rate_limit_window) = (ClockMode::Manual, true, window);
        let http = Http::start_with(options).await;
        assert_eq!(http.control("GET", "settings", Value::Null).await.1["chargesPerMinute"], 500);
        http.control("PATCH", "settings", json!({ "chargesPerMinute": 10 })).await;
        let flexible = json!({ "pricing": { "type": "FLEXIBLE", "currency": "NOK" } });
        let agreement = crate::sandbox_recurring::agreed(&http, &flexible).await;
        assert_eq!(charges_taken(&http, &agreement, 0, 4).await, 4);
        http.advance(30).await;
        let unscheduled = json!({
            "amount": 100, "transactionType": "DIRECT_CAPTURE", "description": "A box", "type": "UNSCHEDULED",
            "orderId": "box-now"
        });
        assert_eq!(http.post(&format!("{AGREEMENTS}/{agreement}/charges"), &unscheduled).await.0, 201);
        assert_eq!(charges_taken(&http, &agreement, 10, 10).await, 5, "{window:?}: ten of both kinds together");
        http.advance(30).await;
        assert_eq!(charges_taken(&http, &agreement, 30, 20).await, freed, "{window:?}: a minute after the first");
    }
}

#[tokio::test]
async fn keys_are_forgotten_when_the_setting_says_so() {
    let http = Http::start_manual().await;
    let create = || order("acme-order-42", 1000);
    assert_eq!(http.keyed("POST", PAYMENTS, "key-a", &create()).await.0, 201);
    http.advance(400 * DAY).await;
    assert_eq!(
        http.keyed("POST", PAYMENTS, "key-a", &create()).await.0,
        201,
        "never by default: the first answer again"
    );
    http.control("PATCH", "settings", json!({ "idempotencyKeySeconds": 86_400 })).await;
    let (status, refused) = http.keyed("POST", PAYMENTS, "key-a", &create()).await;
    assert_eq!((status, text(&refused["extraDetails"][0]["reason"]).as_str()), (409, "4150"), "the key is new again");
}

#[tokio::test]
async fn members_may_be_added_without_notice() {
    let http = Http::start_manual().await;
    http.control("PATCH", "settings", json!({ "unknownMembers": true })).await;
    let (status, created) = http.post(PAYMENTS, &order("acme-order-42", 1000)).await;
    assert!(status == 201 && created["addedWithoutNotice"].is_object(), "{created}");
    let client = http.sandbox.client();
    assert_eq!(client.payments().get("acme-order-42").await.unwrap().reference(), "acme-order-42");
}
