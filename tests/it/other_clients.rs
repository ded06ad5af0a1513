//! What clients that nobody here wrote send: small samples of our own of what was seen.

use serde_json::{Value, json};
use vipps_tests::Http;

use crate::sandbox_webhooks::{PAYMENTS, order};

const AGREEMENTS: &str = "/recurring/v3/agreements";

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

fn agreement() -> Value {
    json!({
        "productName": "Vegetable box", "pricing": { "type": "LEGACY", "amount": 10_000, "currency": "NOK" },
        "interval": { "unit": "MONTH", "count": 1 }, "merchantAgreementUrl": "https://acme.example/agreement",
        "merchantRedirectUrl": "https://acme.example/thanks"
    })
}

fn is_warned(http: &Http, of: &str) -> bool {
    http.sandbox.warnings().iter().any(|warning| warning.to_string().contains(of))
}

#[tokio::test]
async fn a_customer_who_is_not_named_is_taken_as_none() {
    // A plugin puts the interaction where it does not belong, and has no phone number.
    let interaction = json!({ "customerInteraction": "CUSTOMER_NOT_PRESENT" });
    for customer in [interaction.clone(), with(interaction, "phoneNumber", Value::Null)] {
        let http = Http::start().await.tolerant();
        let body = with(order("acme-order-42", 1000), "customer", customer.clone());
        let (status, answer) = http.post(PAYMENTS, &body).await;
        assert_eq!(status, 201, "{customer}: {answer}");
        assert!(is_warned(&http, "`customer` names nobody"), "{customer}");
    }
    let http = Http::start().await.tolerant();
    let pushed = with(order("acme-order-42", 1000), "userFlow", "PUSH_MESSAGE".into());
    let pushed = with(pushed, "customer", json!({ "customerInteraction": "CUSTOMER_PRESENT" }));
    assert_eq!(http.post(PAYMENTS, &pushed).await.0, 400, "nobody can be pushed to");
    let both =
        with(order("acme-order-42", 1000), "customer", json!({ "phoneNumber": "4712345678", "personalQr": "q" }));
    assert_eq!(http.post(PAYMENTS, &both).await.0, 400, "two names are no leniency");
}

#[tokio::test]
async fn null_for_what_is_left_out_is_taken_as_left_out() {
    let http = Http::start_manual().await.tolerant();
    let id = http.post(AGREEMENTS, &agreement()).await.1["agreementId"].as_str().unwrap().to_owned();
    http.control("POST", &format!("agreements/{id}/approve"), json!({})).await;
    for name in ["interval", "pricing", "productName", "status", "externalId"] {
        let change = with(json!({ "productDescription": "Fresh" }), name, Value::Null);
        let (status, answer) = http.write("PATCH", &format!("{AGREEMENTS}/{id}"), &change).await;
        assert_eq!(status, 204, "{name}: {answer}");
    }
    assert!(is_warned(&http, "`interval` is null"));
    for (name, value) in [("receipt", Value::Null), ("returnUrl", Value::Null), ("expiresAt", Value::Null)] {
        let body = with(with(order("acme-order-42", 1000), "userFlow", "QR".into()), name, value);
        let (status, answer) = http.post(PAYMENTS, &with(body, "reference", format!("acme-null-{name}").into())).await;
        assert_eq!(status, 201, "{name}: {answer}");
    }
    // What is required stays required.
    for name in ["amount", "reference", "paymentMethod", "userFlow"] {
        let body = with(order("acme-order-43", 1000), name, Value::Null);
        assert_eq!(http.post(PAYMENTS, &body).await.0, 400, "{name}");
    }
}

#[tokio::test]
async fn a_strict_sandbox_takes_neither() {
    let mut options = vipps_sandbox::Options::default();
    options.strict = true;
    let http = Http::start_with(options).await;
    let customer = json!({ "customerInteraction": "CUSTOMER_NOT_PRESENT" });
    assert_eq!(http.post(PAYMENTS, &with(order("acme-order-42", 1000), "customer", customer)).await.0, 400);
    assert_eq!(http.post(PAYMENTS, &with(order("acme-order-42", 1000), "receipt", Value::Null)).await.0, 400);
}

#[tokio::test]
async fn a_refusal_explains_the_form_that_the_tag_names() {
    let http = Http::start().await;
    let campaign = |tag: &str| json!({ "type": tag, "price": 100, "eventDate": "2027-01-01T00:00:00Z", "eventText": "a text that is too long" });
    let fields = async |campaign: Value| {
        let (status, answer) = http.post(AGREEMENTS, &with(agreement(), "campaign", campaign)).await;
        assert_eq!(status, 400);
        let mut fields: Vec<String> = answer["extraDetails"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect();
        fields.sort();
        fields
    };
    assert_eq!(fields(campaign("EVENT_CAMPAIGN")).await, ["campaign.eventText"]);
    assert_eq!(fields(campaign("PRICE_CAMPAIGN")).await, ["campaign.end"]);
    assert_eq!(fields(campaign("PERIOD_CAMPAIGN")).await, ["campaign.period"]);
    assert_eq!(fields(campaign("GIFT_CAMPAIGN")).await, ["campaign.type"]);
}

#[tokio::test]
async fn half_of_a_character_is_told_from_broken_json() {
    let http = Http::start().await;
    for (body, said) in [(r#"{"reference":"\ud800"}"#, "half of a character"), (r#"{"reference":"#, "not valid JSON")] {
        let request = http
            .request("POST", PAYMENTS)
            .header("Idempotency-Key", http.new_key())
            .header("content-type", "application/json");
        let (status, answer) = http.send(request.body(body)).await;
        assert!(status == 400 && answer.to_string().contains(said), "{status} {answer}");
    }
}

#[tokio::test]
async fn without_magic_amounts_none_is_magic() {
    for (magic, codes) in [(true, [Some("6210"), Some("6220")]), (false, [None, None])] {
        let http = Http::start_manual().await;
        http.control("PATCH", "settings", json!({ "magicAmounts": magic })).await;
        assert_eq!(http.post(PAYMENTS, &order("acme-order-42", 1000)).await.0, 201);
        http.control("POST", "payments/acme-order-42/approve", json!({})).await;
        let part = |value: i64| json!({ "modificationAmount": { "currency": "NOK", "value": value } });
        let path = format!("{PAYMENTS}/acme-order-42");
        assert_eq!(http.post(&format!("{path}/capture"), &part(1000)).await.0, 200);
        for (value, code) in [123, 124].into_iter().zip(codes) {
            let (status, answer) = http.post(&format!("{path}/refund"), &part(value)).await;
            assert_eq!(status, if code.is_some() { 400 } else { 200 }, "{value}: {answer}");
            assert!(code.is_none_or(|code| answer.to_string().contains(code)), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_draft_of_version_2_has_a_charge_id_that_is_null_without_a_first_charge() {
    let http = Http::start().await;
    let draft = json!({
        "currency": "NOK", "price": 9900, "productName": "Tea", "interval": "MONTH", "intervalCount": 1,
        "merchantAgreementUrl": "https://acme.example/tea", "merchantRedirectUrl": "https://acme.example/r"
    });
    let (status, answer) = http.post("/recurring/v2/agreements", &draft).await;
    assert_eq!((status, answer.get("chargeId")), (201, Some(&Value::Null)), "{answer}");
}

#[tokio::test]
async fn a_warning_of_a_name_without_end_is_remembered_in_part() {
    let http = Http::start().await.tolerant();
    let body = with(order("acme-order-42", 1000), &"å".repeat(300_000), json!(1));
    assert_eq!(http.post(PAYMENTS, &body).await.0, 201);
    let warnings = http.sandbox.warnings();
    let text = warnings[0]["warning"].as_str().unwrap();
    assert!(text.starts_with("unknown field `ååå") && text.chars().count() == 501, "{}", text.len());
}
