use httpmock::MockServer;
use httpmock::prelude::HttpMockRequest;
use serde_json::{Value, json};
use vipps::epayment::{enums, types};
use vipps::{Amount, Currency, IdempotencyKey, NewPayment, OrderLine, Receipt};
use vipps_core::Call;
use vipps_tests::{CLIENT_ID, CLIENT_SECRET, Reply, SUBSCRIPTION_KEY, ScriptedServer, client_for, credentials};

use crate::recorder::{Recorder, shape};

fn key() -> IdempotencyKey {
    IdempotencyKey::new("6a1e2c5f-0000-4000-8000-000000000001").unwrap()
}

fn money(value: i64) -> Value {
    json!({ "currency": "NOK", "value": value })
}

fn modified() -> Value {
    let aggregate = json!({
        "authorizedAmount": money(49_900), "capturedAmount": money(500),
        "cancelledAmount": money(0), "refundedAmount": money(0),
    });
    json!({ "reference": "acme-order-42", "pspReference": "1", "state": "AUTHORIZED", "amount": money(49_900), "aggregate": aggregate })
}

fn payment() -> Value {
    let mut payment = modified();
    payment["paymentMethod"] = json!({ "type": "WALLET" });
    payment["profile"] = json!({});
    payment
}

#[tokio::test]
async fn access_token() {
    let recorder = Recorder::start(200, Value::Null).await;
    let server = MockServer::start_async().await;
    let seen = recorder.seen.clone();
    server
        .mock_async(move |when, then| {
            when.is_true(move |request: &HttpMockRequest| {
                seen.lock().unwrap().push(shape(request));
                true
            });
            then.status(200).json_body(json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": "f00d" }));
        })
        .await;
    let client = client_for(server.base_url().parse().unwrap(), credentials()).build().unwrap();
    let api = vipps_access_token::Client::with_transport(client.transport());
    let call = Call::new(&vipps_access_token::operations::FETCH_AUTHORIZATION_TOKEN);
    let token = client.transport().run(call, || api.fetch_authorization_token().send()).await.unwrap();
    assert_eq!(token.expires_in.as_ref().unwrap().as_str(), "3600");
    insta::assert_snapshot!("access_token_raw", recorder.only());

    recorder.seen.lock().unwrap().clear();
    // The token call that the transport makes by itself has the same shape.
    let _ = client.payments().get("acme-order-42").max_attempts(1).await;
    let own = recorder.seen.lock().unwrap().first().cloned().unwrap();
    insta::assert_snapshot!("access_token_own", own);
}

#[tokio::test]
async fn create_payment_of_the_published_sample() {
    let recorder =
        Recorder::start(201, json!({ "reference": "58712432", "redirectUrl": "https://landing.vipps.no?token=x" }))
            .await;
    let hoodie = OrderLine::with_amounts("hoodie1234", "Hoodie", 49_900, 37_425, 12_475, 2_550);
    let receipt = Receipt::new(Currency::Nok).line(hoodie).pos_id("pos_122").receipt_number("789267");
    let order = NewPayment::web_redirect(
        "58712432",
        Amount::nok_minor(49_900),
        "https://example.com/redirect?reference=58712432",
    )
    .customer_phone("4712345678")
    .with(|request| request.customer_interaction = Some(enums::CustomerInteraction::CustomerNotPresent))
    .receipt(receipt)
    .description("Hoodie");
    let created = recorder.client().payments().create(order).idempotency_key(key()).await.unwrap();
    assert_eq!(created.redirect_url(), Some("https://landing.vipps.no?token=x"));
    assert_eq!((created.http_status(), created.attempts()), (201, 1));
    insta::assert_snapshot!(recorder.only());
}

#[tokio::test]
async fn create_payment_with_every_kind_of_field() {
    let recorder = Recorder::start(
        201,
        json!({ "reference": "acme-order-42", "redirectUrl": "https://landing.vipps.no?token=x" }),
    )
    .await;
    let body: types::CreatePaymentRequest = serde_json::from_value(json!({
        "amount": money(49_900), "reference": "acme-order-42", "userFlow": "WEB_REDIRECT",
        "returnUrl": "https://acme.example/thanks", "paymentMethod": { "type": "WALLET", "blockedSources": ["COMMERCIAL_CARDS"] },
        "customer": { "personalQr": "https://qr.example/abc" }, "customerInteraction": "CUSTOMER_PRESENT",
        "industryData": { "airlineData": { "agencyInvoiceNumber": "A1", "airlineCode": "074", "airlineDesignatorCode": "KL", "passengerName": "FLYER / MARY MS.", "ticketNumber": "T1" } },
        "profile": { "scope": "name address email phoneNumber" }, "expiresAt": "2030-02-26T17:32:28Z",
        "qrFormat": { "format": "IMAGE/PNG", "size": 1024 }, "paymentDescription": "Everything", "receiptUrl": "https://acme.example/r/1",
        "metadata": { "cart": "7", "shop": "oslo" }, "minimumUserAge": 18,
        "receipt": {
            "orderLines": [{ "name": "Tea", "id": "tea", "totalAmount": 1000, "totalAmountExcludingTax": 800, "totalTaxAmount": 200, "taxRate": 2500,
                "unitInfo": { "unitPrice": 500, "quantity": "2", "quantityUnit": "PCS" }, "discount": 0, "productUrl": "https://acme.example/tea", "isReturn": false, "isShipping": false }],
            "bottomLine": { "currency": "NOK", "tipAmount": 10, "posId": "p", "paymentSources": { "giftCard": 1, "card": 2, "voucher": 3, "cash": 4 },
                "barcode": { "format": "EAN-13", "data": "123" }, "receiptNumber": "9" }
        },
        "shipping": { "fixedOptions": [{ "type": "HOME_DELIVERY", "brand": "POSTEN", "isDefault": true, "priority": 0,
            "options": [{ "id": "o1", "amount": money(900), "name": "Home", "isDefault": true, "priority": 0, "meta": "m", "estimatedDelivery": "soon" }] }] }
    }))
    .unwrap();
    let order =
        NewPayment::new("acme-order-42", Amount::nok_minor(1), enums::UserFlow::Qr).with(|request| *request = body);
    recorder.client().payments().create(order).idempotency_key(key()).await.unwrap();
    insta::assert_snapshot!(recorder.only());
}

#[tokio::test]
async fn create_payment_of_express_with_legal_links() {
    let answer = json!({ "reference": "acme-order-42", "redirectUrl": "https://landing.vipps.no?token=x" });
    let recorder = Recorder::start(201, answer).await;
    let shipping: types::Shipping = serde_json::from_value(json!({
        "allowedCountries": ["NO", "SE"],
        "dynamicOptions": { "callbackUrl": "https://acme.example/ship", "callbackAuthorizationToken": "word" }
    }))
    .unwrap();
    let order = NewPayment::web_redirect("acme-order-42", Amount::nok_minor(49_900), "https://acme.example/thanks")
        .profile_scope("email")
        .express(shipping)
        .legal_links("https://acme.example/terms", "https://acme.example/privacy");
    recorder.client().payments().create(order).idempotency_key(key()).await.unwrap();
    insta::assert_snapshot!(recorder.only());
}

#[tokio::test]
async fn get_payment() {
    let recorder = Recorder::start(200, payment()).await;
    recorder.client().payments().get("acme-order-42").await.unwrap();
    insta::assert_snapshot!(recorder.only());
}

#[tokio::test]
async fn get_payment_event_log() {
    let recorder = Recorder::start(200, json!([])).await;
    recorder.client().payments().events("acme-order-42").await.unwrap();
    insta::assert_snapshot!(recorder.only());
}

#[tokio::test]
async fn cancel_payment() {
    let recorder = Recorder::start(200, modified()).await;
    recorder.client().payments().cancel("acme-order-42").idempotency_key(key()).await.unwrap();
    insta::assert_snapshot!(recorder.only());
}

#[tokio::test]
async fn cancel_payment_only_if_not_authorized() {
    let recorder = Recorder::start(200, modified()).await;
    recorder.client().payments().cancel("acme-order-42").only_if_not_authorized().idempotency_key(key()).await.unwrap();
    insta::assert_snapshot!(recorder.only());
}

#[tokio::test]
async fn capture_payment() {
    let recorder = Recorder::start(200, modified()).await;
    let answer = recorder
        .client()
        .payments()
        .capture("acme-order-42", Amount::nok_minor(500))
        .idempotency_key(key())
        .await
        .unwrap();
    assert_eq!(answer.aggregate().captured(), &Amount::nok_minor(500));
    insta::assert_snapshot!(recorder.only());
}

#[tokio::test]
async fn refund_payment() {
    let recorder = Recorder::start(200, modified()).await;
    recorder.client().payments().refund("acme-order-42", Amount::nok_minor(500)).idempotency_key(key()).await.unwrap();
    insta::assert_snapshot!(recorder.only());
}

#[tokio::test]
async fn force_approve() {
    let recorder = Recorder::start(200, Value::Null).await;
    recorder.client().payments().force_approve("acme-order-42").phone_number("4712345678").token("abc").await.unwrap();
    insta::assert_snapshot!(recorder.only());
}

#[tokio::test]
async fn force_approve_without_a_customer_has_no_body() {
    let recorder = Recorder::start(200, Value::Null).await;
    recorder.client().payments().force_approve("acme-order-42").await.unwrap();
    assert!(!recorder.only().contains('{') && !recorder.only().contains("content-type"));
}

#[tokio::test]
async fn another_sales_unit_and_a_psp_id_change_their_headers_alone() {
    let recorder = Recorder::start(200, payment()).await;
    let psp = credentials().with_psp_id("psp-1").unwrap();
    let client = client_for(recorder.server.base_url().parse().unwrap(), psp).build().unwrap();
    let other = client.with_sales_unit(vipps::MerchantSerialNumber::new("654321").unwrap());
    other.payments().get("acme-order-42").await.unwrap();
    let shape = recorder.only();
    assert!(shape.contains("merchant-serial-number: 654321\n") && shape.contains("psp-id: psp-1\n"), "{shape}");
}

/// Bytes on the wire, read by nothing but a socket: independent of every HTTP library here.
#[tokio::test]
async fn raw_witness_of_a_capture() {
    let server = ScriptedServer::start(vec![Reply::success(&modified().to_string())]).await;
    let client = client_for(server.environment(), credentials()).build().unwrap();
    client.payments().capture("acme-order-42", Amount::nok_minor(500)).idempotency_key(key()).await.unwrap();
    let seen = server.seen();
    let (head, body) = seen[0].split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("POST /epayment/v1/payments/acme-order-42/capture HTTP/1.1"));
    let mut headers: Vec<String> = lines.map(str::to_owned).filter(|line| !line.starts_with("host: ")).collect();
    headers.sort();
    assert_eq!(
        headers,
        [
            "accept: application/json".to_owned(),
            "authorization: Bearer token-1-f00dfeed".to_owned(),
            "content-length: 53".to_owned(),
            "content-type: application/json".to_owned(),
            "idempotency-key: 6a1e2c5f-0000-4000-8000-000000000001".to_owned(),
            "merchant-serial-number: 123456".to_owned(),
            format!("ocp-apim-subscription-key: {SUBSCRIPTION_KEY}"),
            format!("user-agent: vipps-core/{}", env!("CARGO_PKG_VERSION")),
            "vipps-system-name: acme".to_owned(),
            "vipps-system-plugin-name: acme-webshop".to_owned(),
            "vipps-system-plugin-version: 4.5.6".to_owned(),
            "vipps-system-version: 3.1.2".to_owned(),
        ]
    );
    assert_eq!(body, r#"{"modificationAmount":{"currency":"NOK","value":500}}"#);
    assert!(!seen[0].contains(CLIENT_SECRET) && !seen[0].contains(CLIENT_ID));
}
