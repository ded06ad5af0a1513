use reqwest::RequestBuilder;
use serde_json::{Value, json};
use vipps_tests::{Http, Receiver};

/// What the PSP reports, and what becomes of it.
mod updates;

const INIT: &str = "/psp/v3/psppayments/init";
const UPDATE: &str = "/psp/v3/psppayments/updatestatus";
const DETAILS: &str = "/psp/v3/psppayments/acme7a3/details";
const FORCE: &str = "/psp/v3/integration-test/psppayments/acme7a3/approve";
const PSP_ID: &str = "C948DFD1546347568874C4DDC93A2E3C";
/// What Vipps sends back as `Authorization`, as it is.
const WORD: &str = "psp-word-31";

fn payment(psp: &Receiver) -> Value {
    json!({
        "pspTransactionId": "acme7a3", "merchantOrderId": "acme-order-42", "customerMobileNumber": "91234567",
        "amount": 49_900, "currency": "NOK", "paymentText": "Two mugs", "pspRedirectUrl": "https://psp.example/back",
        "makePaymentUrl": psp.url("/make-payment?shop=7"), "makePaymentToken": WORD
    })
}

/// Another payment for another order.
fn second(psp: &Receiver) -> Value {
    let body = set(payment(psp), "pspTransactionId", "acme7a4".into());
    set(body, "merchantOrderId", "acme-order-43".into())
}

fn set(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

fn without(mut body: Value, name: &str) -> Value {
    body.as_object_mut().unwrap().remove(name);
    body
}

fn outcome(status: &str) -> Value {
    json!({ "paymentInfo": { "pspTransactionId": "acme7a3", "status": status } })
}

fn refused(error_id: Value) -> Value {
    set(outcome("FAIL"), "errorMessage", json!({ "errorId": error_id, "errorText": "Refused by Issuer" }))
}

/// A soft decline without the address of the bank is no answer.
fn soft_decline(bank: Option<&str>) -> Value {
    let mut answer =
        set(outcome("SOFT_DECLINE"), "errorMessage", json!({ "errorId": 1036, "errorText": "Soft Decline" }));
    if let Some(bank) = bank {
        answer["paymentInfo"]["url3dSecure"] = bank.into();
    }
    answer
}

async fn psp_answering(answers: Vec<(u16, Value)>) -> (Http, Receiver) {
    (Http::start_manual().await, Receiver::answering(answers).await)
}

async fn init(http: &Http, body: &Value) -> Value {
    let (status, answer) = http.psp("POST", INIT, body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// What the customer does; the state after it.
async fn control(http: &Http, verb: &str, body: Value) -> (u16, Option<String>) {
    let (status, answer) = http.control("POST", &format!("psp/acme7a3/{verb}"), body).await;
    (status, answer["state"].as_str().map(str::to_owned))
}

async fn details(http: &Http) -> Value {
    let (status, details) = http.psp("GET", DETAILS, &Value::Null).await;
    assert_eq!(status, 200, "{details}");
    details
}

/// Captured, left to capture, refunded, left to refund.
async fn summary(http: &Http) -> [i64; 4] {
    let details = details(http).await;
    ["capturedAmount", "remainingAmountToCapture", "refundedAmount", "remainingAmountToRefund"]
        .map(|name| details["transactionSummary"][name].as_i64().unwrap())
}

fn captured(value: i64) -> Value {
    json!({ "pspTransactionId": "acme7a3", "status": "CAPTURED", "amount": value, "currency": "NOK" })
}

/// A request with every header, some of them changed or left out.
fn changed(http: &Http, method: &str, path: &str, changes: &[(&'static str, Option<&str>)]) -> RequestBuilder {
    let mut request = http.request(method, path).header("Psp-Id", PSP_ID).build().unwrap();
    for (name, value) in changes {
        request.headers_mut().remove(*name);
        if let Some(value) = value {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
    }
    RequestBuilder::from_parts(reqwest::Client::builder().no_proxy().build().unwrap(), request)
}

/// The code and the text of the only error.
fn error(answer: &Value) -> (&str, &str) {
    let errors = answer.as_array().unwrap();
    assert_eq!(errors.len(), 1, "{answer}");
    assert!(errors[0]["contextId"].is_string(), "{answer}");
    (errors[0]["errorCode"].as_str().unwrap(), errors[0]["errorMessage"].as_str().unwrap())
}

#[tokio::test]
async fn init_echoes_its_ids_and_sends_the_customer_on() {
    let (http, psp) = psp_answering(vec![(200, outcome("OK"))]).await;
    let answer = init(&http, &payment(&psp)).await;
    assert_eq!((&answer["pspTransactionId"], &answer["merchantOrderId"]), (&json!("acme7a3"), &json!("acme-order-42")));
    assert!(answer["vippsRedirectUrl"].as_str().unwrap().starts_with("http"), "{answer}");
    assert_eq!(summary(&http).await, [0, 0, 0, 0], "nothing is reserved yet");
    let answer = init(&http, &set(second(&psp), "isApp", true.into())).await;
    assert!(!answer["vippsRedirectUrl"].as_str().unwrap().starts_with("http"), "a link into the app: {answer}");
    assert!(psp.received().is_empty(), "nobody has confirmed");
}

#[tokio::test]
async fn every_bad_init_has_the_published_code() {
    let (http, psp) = psp_answering(vec![(200, outcome("OK"))]).await;
    let http = http.tolerant();
    let good = payment(&psp);
    let set = |name: &str, value: Value| set(good.clone(), name, value);
    let table = [
        (set("amount", 99.into()), "amount", "amount.less.than.one"),
        (set("amount", 0.into()), "amount", "amount.less.than.one"),
        (set("amount", (-1).into()), "amount", "amount.less.than.one"),
        (set("currency", "EUR".into()), "currency", "transaction.currency.invalid"),
        (set("makePaymentUrl", "nowhere".into()), "makePaymentUrl", ""),
        (set("pspRedirectUrl", "nowhere".into()), "51", ""),
        (set("pspTransactionId", "a".repeat(37).into()), "51", ""),
        (set("merchantOrderId", "acme#42".into()), "51", ""),
        (set("merchantOrderId", "a".repeat(51).into()), "51", ""),
        (set("customerMobileNumber", "4791234567".into()), "51", ""),
        (set("makePaymentToken", "a".repeat(256).into()), "51", ""),
        (without(good.clone(), "pspTransactionId"), "51", ""),
        (without(good.clone(), "merchantOrderId"), "51", ""),
    ];
    for (body, code, text) in table {
        let (status, answer) = http.psp("POST", INIT, &body).await;
        assert_eq!((status, error(&answer).0), (400, code), "{body}: {answer}");
        assert!(text.is_empty() || error(&answer).1 == text, "{answer}");
    }
    init(&http, &good).await;
    let (_, same) = http.psp("POST", INIT, &set("merchantOrderId", "acme-order-43".into())).await;
    assert_eq!(error(&same), ("44", "PSP Transaction ID already exists"));
    let (_, same) = http.psp("POST", INIT, &set("pspTransactionId", "acme7a4".into())).await;
    assert_eq!(error(&same).0, "99");
}

#[tokio::test]
async fn tolerated_spellings_mean_the_same() {
    let paths = [
        (INIT, UPDATE),
        ("/psp/v3/psppayments/init/", "/psp/v3/psppayments/updateStatus"),
        ("/psp/v3/pspPayments/Init", "/psp/v3/psppayments/UPDATESTATUS"),
    ];
    for (init, update) in paths {
        let (http, psp) = psp_answering(vec![(200, outcome("OK"))]).await;
        let http = http.tolerant();
        let (status, answer) = http.psp("POST", init, &set(payment(&psp), "amount", "49900".into())).await;
        assert_eq!(status, 200, "{init}: {answer}");
        control(&http, "approve", json!({})).await;
        let part = json!({ "transactions": [set(captured(0), "amount", "20000".into())] });
        assert_eq!(http.psp("POST", update, &part).await.0, 200, "{update}");
        assert_eq!(summary(&http).await, [20_000, 29_900, 0, 20_000], "numbers in the answer");
    }
    for (index, id) in ["abcABC12345", "acme-7a3", "0"].into_iter().enumerate() {
        let (http, psp) = psp_answering(vec![(200, outcome("OK"))]).await;
        let body = set(payment(&psp), "merchantOrderId", format!("order-{index}").into());
        init(&http, &set(body, "pspTransactionId", id.into())).await;
    }
}

#[tokio::test]
async fn the_keys_must_be_known_and_the_sales_unit_may_be_missing() {
    let http = Http::start_manual().await.tolerant();
    let table: &[(&'static str, Option<&str>, u16)] = &[
        ("authorization", None, 401),
        ("authorization", Some("Bearer wrong"), 401),
        ("ocp-apim-subscription-key", None, 401),
        ("ocp-apim-subscription-key", Some("wrong"), 401),
        ("psp-id", None, 401),
        ("psp-id", Some("wrong"), 401),
        ("merchant-serial-number", Some("999999"), 401),
        ("vipps-system-name", Some("acme"), 404),
        ("merchant-serial-number", None, 404),
    ];
    for (name, value, status) in table {
        let noted = http.sandbox.warnings().len();
        let (found, body) = http.send(changed(&http, "GET", DETAILS, &[(*name, *value)])).await;
        assert_eq!(found, *status, "{name} {value:?}");
        assert!(found != 401 || body.is_null(), "401 has no body: {body}");
        let tolerated = (*name, *value) == ("merchant-serial-number", None);
        assert!(!tolerated || http.sandbox.warnings().len() > noted, "the missing sales unit leaves a warning");
    }
}

#[tokio::test]
async fn approval_hands_over_the_token_that_the_amount_selects() {
    let visa = |number, expiry, cryptogram| (number, expiry, cryptogram, "VISA", "07");
    let mastercard = |number, expiry, cryptogram| (number, expiry, cryptogram, "MASTERCARD", "06");
    let usual = visa("4895370013193500", ("05", "2025"), "AlhlvxmN2ZKuAAESNFZ4GoABFA==");
    let table = [
        (2200, mastercard("5226603115488031", ("05", "2025"), "AlhlvxmN2ZKuAAESNFZ4GoABFA==")),
        (3200, visa("4111111111111111", ("03", "2030"), "uxToh3Ep6gsR8AAkvZALN19Iz34=")),
        (4200, visa("4895370013193500", ("03", "2030"), "AlhlvxmN2ZKuAAESNFZ4GoABFA==")),
        (4300, mastercard("5226603115488031", ("03", "2030"), "AlhlvxmN2ZKuAAESNFZ4GoABFA==")),
        (4400, visa("4895370012792682", ("12", "2022"), "AgAAAAAAAIR8CQrXSohbQAAAAAA=")),
        (5100, visa("4268270087302871", ("09", "2024"), "AgAAAAAAAIR8CQrXSohbQAAAAAA=")),
        (5200, mastercard("5413330089010442", ("12", "2025"), "AgAAAAAAAIR8CQrXSohbQAAAAAA=")),
        (100, usual),
        (49_900, usual),
    ];
    for (amount, (number, (month, year), cryptogram, scheme, eci)) in table {
        let (http, psp) = psp_answering(vec![(200, outcome("OK"))]).await;
        init(&http, &set(payment(&psp), "amount", amount.into())).await;
        assert_eq!(control(&http, "approve", json!({})).await, (200, Some("RESERVED".to_owned())));
        assert_eq!(summary(&http).await, [0, amount, 0, 0]);
        let calls = psp.received();
        let [call] = &calls[..] else { panic!("one call for {amount}") };
        assert_eq!((&*call.method, &*call.target), ("POST", "/make-payment?shop=7"));
        assert_eq!(call.header("authorization").as_deref(), Some(WORD), "no Bearer");
        let body = call.json();
        let fixed = ["pspTransactionId", "merchantSerialNumber", "paymentState", "paymentInstrument"];
        assert_eq!(fixed.map(|name| body[name].as_str().unwrap()), ["acme7a3", "123456", "ACCEPTED", "TOKEN"]);
        assert!(body["binNumber"].is_string());
        let token = json!({
            "number": number, "expiryMonth": month, "expiryYear": year, "cryptogram": cryptogram,
            "tokenType": scheme, "eci": eci
        });
        assert_eq!(body["networkToken"], token, "{amount}");
        for way in ["3dssuccess", "3dscancel", "3dsfailure"] {
            let found = body["operations"].as_array().unwrap().iter().find(|back| back["operation"] == way).unwrap();
            assert!(found["url"].as_str().unwrap().to_lowercase().contains("responsecode="), "{found}");
        }
    }
    let (http, psp) = psp_answering(vec![(200, refused(93.into()))]).await;
    init(&http, &set(payment(&psp), "amount", 3100.into())).await;
    control(&http, "approve", json!({})).await;
    assert!(psp.received().iter().all(|call| call.json()["networkToken"].is_null()), "the card is not eligible");
    assert_eq!(summary(&http).await, [0, 0, 0, 0]);
    let (http, psp) = psp_answering(vec![(200, outcome("OK"))]).await;
    init(&http, &without(payment(&psp), "makePaymentToken")).await;
    control(&http, "approve", json!({})).await;
    assert_eq!(psp.received()[0].header("authorization"), None, "no token given, none sent");
}

#[tokio::test]
async fn only_200_with_ok_reserves() {
    let ok = json!({ "paymentInfo": { "pspTransactionId": "acme7a3" } });
    let table = [
        ((200, outcome("OK")), "RESERVED"),
        ((200, ok), "RESERVED"),
        ((200, refused(82.into())), "FAILED"),
        ((200, refused("82".into())), "FAILED"),
        ((200, soft_decline(None)), "FAILED"),
        ((200, outcome("MAYBE")), "FAILED"),
        ((200, json!("OK")), "FAILED"),
        ((200, json!([])), "FAILED"),
        ((200, Value::Null), "FAILED"),
        ((201, outcome("OK")), "FAILED"),
        ((302, outcome("OK")), "FAILED"),
        ((500, outcome("OK")), "FAILED"),
    ];
    for (answer, state) in table {
        let (http, psp) = psp_answering(vec![answer.clone(), (200, outcome("OK"))]).await;
        init(&http, &payment(&psp)).await;
        assert_eq!(control(&http, "approve", json!({})).await, (200, Some(state.to_owned())), "{answer:?}");
        let reserved = if state == "RESERVED" { 49_900 } else { 0 };
        assert_eq!(summary(&http).await, [0, reserved, 0, 0], "{answer:?}");
        assert_eq!(control(&http, "approve", json!({})).await.0, 409, "it is settled");
        http.advance(1200).await;
        assert_eq!(psp.received().len(), 1, "asked once, never again");
    }
    let (http, psp) = (Http::start_manual().await, Receiver::silent().await);
    http.control("PATCH", "settings", json!({ "makePaymentTimeoutMillis": 50 })).await;
    init(&http, &payment(&psp)).await;
    assert_eq!(control(&http, "approve", json!({})).await, (200, Some("FAILED".to_owned())), "no answer in time");
}

#[tokio::test]
async fn a_soft_decline_leads_to_a_second_call_that_settles() {
    let bank = "https://psp.example/3ds/1";
    let table = [
        ("success", outcome("OK"), "RESERVED"),
        ("success", refused(82.into()), "FAILED"),
        ("success", soft_decline(Some(bank)), "FAILED"),
        ("cancel", refused(94.into()), "FAILED"),
        ("failure", refused(94.into()), "FAILED"),
    ];
    for (back, second, state) in table {
        let (http, psp) = psp_answering(vec![(200, soft_decline(Some(bank))), (200, second.clone())]).await;
        init(&http, &payment(&psp)).await;
        let (status, between) = control(&http, "approve", json!({})).await;
        assert!(status == 200 && !["RESERVED", "FAILED"].contains(&&*between.unwrap()), "the customer is at the bank");
        assert_eq!(summary(&http).await, [0, 0, 0, 0]);
        let settled = control(&http, "complete-3ds", json!({ "outcome": back })).await;
        assert_eq!(settled, (200, Some(state.to_owned())), "{back}, then {second}");
        let calls = psp.received();
        assert_eq!(calls.len(), 2, "{back}");
        assert_eq!(calls[1].header("authorization").as_deref(), Some(WORD));
        assert_eq!(calls[1].json()["pspTransactionId"], "acme7a3");
        assert_eq!(summary(&http).await[1], if state == "RESERVED" { 49_900 } else { 0 });
    }
}

#[tokio::test]
async fn a_cancelling_or_absent_customer_is_told_to_the_psp_without_a_token() {
    for (state, answer) in [
        ("USER_CANCEL", refused(93.into())),
        ("TIMEOUT", refused(93.into())),
        ("USER_CANCEL", outcome("OK")),
        ("TIMEOUT", outcome("OK")),
    ] {
        let (http, psp) = psp_answering(vec![(200, answer.clone())]).await;
        init(&http, &payment(&psp)).await;
        http.advance(590).await;
        assert!(psp.received().is_empty(), "within ten minutes");
        if state == "TIMEOUT" {
            http.advance(20).await;
        } else {
            assert_eq!(control(&http, "cancel", json!({})).await.0, 200);
        }
        let calls = psp.received();
        let [call] = &calls[..] else { panic!("one call for {state}") };
        assert_eq!(call.header("authorization").as_deref(), Some(WORD));
        let body = call.json();
        assert_eq!((&body["paymentState"], &body["pspTransactionId"]), (&json!(state), &json!("acme7a3")));
        assert!(body.get("networkToken").is_none(), "no token unless ACCEPTED");
        assert_eq!(summary(&http).await, [0, 0, 0, 0], "whatever the PSP answers");
        for verb in ["approve", "cancel"] {
            assert_eq!(control(&http, verb, json!({})).await.0, 409, "{verb} after {state}");
        }
        http.advance(1200).await;
        assert_eq!(psp.received().len(), 1, "told once");
    }
}

#[tokio::test]
async fn the_test_approval_stands_in_for_the_customer() {
    let (http, psp) = psp_answering(vec![(200, outcome("OK"))]).await;
    let http = http.tolerant();
    let answer = init(&http, &payment(&psp)).await;
    let (_, token) = answer["vippsRedirectUrl"].as_str().unwrap().split_once("token=").unwrap();
    let approval = |phone: &str, token: &str| json!({ "customerPhoneNumber": phone, "token": token });
    for (body, status, calls) in [
        (approval("4791234567", token), 400, 0),
        (approval("91234567", "wrong"), 400, 0),
        (json!({ "token": token }), 400, 0),
        (approval("91234567", token), 200, 1),
        (approval("91234567", token), 400, 1),
    ] {
        assert_eq!(http.psp("POST", FORCE, &body).await, (status, Value::Null), "{body}");
        http.advance(0).await;
        assert_eq!(psp.received().len(), calls, "{body}");
    }
    assert_eq!(psp.received()[0].json()["paymentState"], "ACCEPTED");
    assert_eq!(summary(&http).await, [0, 49_900, 0, 0]);
}

#[tokio::test]
async fn a_key_has_one_effect_and_one_answer() {
    for header in ["idempotency-key", "request-id"] {
        let (http, psp) = psp_answering(vec![(200, outcome("OK"))]).await;
        let http = http.tolerant();
        let keyed = async |path: &str, key: &str, body: Value| {
            http.send(changed(&http, "POST", path, &[(header, Some(key))]).json(&body)).await
        };
        let first = keyed(INIT, "k", payment(&psp)).await;
        assert_eq!(first.0, 200);
        assert_eq!(keyed(INIT, "k", payment(&psp)).await, first, "no error 44");
        assert_eq!(keyed(INIT, "k", set(payment(&psp), "amount", 100.into())).await.0, 400, "another request");
        let taken = keyed(INIT, "k2", payment(&psp)).await;
        assert_eq!((taken.0, error(&taken.1).0), (400, "44"));
        assert_eq!(keyed(INIT, "k2", payment(&psp)).await, taken, "a refusal is kept, to its support id");
        control(&http, "approve", json!({})).await;
        let part = json!({ "transactions": [captured(200)] });
        for _ in 0..2 {
            assert_eq!(keyed(UPDATE, "k", part.clone()).await.0, 200, "the key of the init is another key here");
        }
        assert_eq!(summary(&http).await, [200, 49_700, 0, 200], "applied once");
        for _ in 0..2 {
            assert_eq!(http.send(changed(&http, "POST", UPDATE, &[]).json(&part)).await.0, 200);
        }
        assert_eq!(summary(&http).await, [600, 49_300, 0, 600], "without a key each one counts");
    }
}
