use reqwest::RequestBuilder;
use serde_json::{Value, json};
use vipps_sandbox::Options;
use vipps_tests::{Http, Receiver};

/// What happens beyond the session's own API: callbacks, logistics, the payment or agreement behind.
mod beyond;
/// Where its rules end.
mod edges;

const SESSIONS: &str = "/checkout/v3/session";
const SESSION: &str = "/checkout/v3/session/acme-order-42";
const PAYMENT: &str = "/epayment/v1/payments/acme-order-42";
/// No `Bearer`: the value goes back as it came.
const WORD: &str = "acme-callback-8d1f";

/// A sandbox whose clock stands still, and the merchant it calls.
async fn shop() -> (Http, Receiver) {
    (Http::start_manual().await, Receiver::start().await)
}

fn nok(value: i64) -> Value {
    json!({ "currency": "NOK", "value": value })
}

fn order(merchant: &Receiver) -> Value {
    json!({
        "type": "PAYMENT", "reference": "acme-order-42",
        "transaction": { "amount": nok(1000), "paymentDescription": "Two mugs" },
        "merchantInfo": {
            "callbackUrl": merchant.url("/checkout/done?shop=7"), "returnUrl": "https://acme.example/thanks",
            "callbackAuthorizationToken": WORD
        }
    })
}

fn shipping(id: &str, price: i64, preselected: bool) -> Value {
    json!({
        "id": id, "priority": 0, "isDefault": preselected, "brand": "OTHER", "title": id, "amount": nok(price)
    })
}

/// Taxed the older way, by a percentage.
fn line() -> Value {
    json!({
        "name": "Mug", "id": "mug", "totalAmount": 1000, "totalAmountExcludingTax": 800, "totalTaxAmount": 200,
        "taxPercentage": 25
    })
}

fn set(mut body: Value, path: &str, value: Value) -> Value {
    *path.split('/').skip(1).fold(&mut body, |at, name| &mut at[name]) = value;
    body
}

fn without(mut body: Value, path: &str) -> Value {
    let (parent, name) = path.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
    body
}

async fn create(http: &Http, body: &Value) -> Value {
    let (status, created) = http.checkout("POST", SESSIONS, body).await;
    assert_eq!(status, 200, "{created}");
    created
}

async fn poll(http: &Http) -> (u16, Value) {
    http.checkout("GET", SESSION, &Value::Null).await
}

/// A request with every header, some of them changed or left out.
fn changed(http: &Http, method: &str, path: &str, changes: &[(&'static str, Option<&str>)]) -> RequestBuilder {
    let keys = [
        ("client_id", "test-client-id"),
        ("client_secret", "test-client-secret"),
        ("vipps-system-name", "acme"),
        ("vipps-system-version", "3.1.2"),
        ("vipps-system-plugin-name", "acme-webshop"),
        ("vipps-system-plugin-version", "4.5.6"),
    ];
    let request = keys.iter().fold(http.request(method, path), |request, (name, value)| request.header(*name, *value));
    let mut request = request.build().unwrap();
    for (name, value) in changes {
        request.headers_mut().remove(*name);
        if let Some(value) = value {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
    }
    RequestBuilder::from_parts(reqwest::Client::builder().no_proxy().build().unwrap(), request)
}

async fn act(http: &Http, step: &str) -> (u16, Value) {
    let control = async |verb: &str| http.control("POST", &format!("sessions/acme-order-42/{verb}"), json!({})).await;
    match step.split_once(' ').unwrap_or((step, "")) {
        ("start", _) => control("initiate").await,
        ("pay", _) => control("complete").await,
        ("quit", _) => control("abandon").await,
        ("force", _) => http.send(http.request("POST", "/epayment/v1/test/payments/acme-order-42/approve")).await,
        ("allow-expire", _) => http.control("PATCH", "settings", json!({ "expireInitiatedSessions": true })).await,
        ("expire", _) => http.checkout("POST", &format!("{SESSION}/expire"), &Value::Null).await,
        ("update", _) => {
            let dearer = json!({ "transaction": { "amount": nok(2000), "paymentDescription": "Four mugs" } });
            http.checkout("PATCH", SESSION, &dearer).await
        }
        ("seconds", count) => {
            http.advance(count.parse().unwrap()).await;
            (200, Value::Null)
        }
        _ => panic!("unknown step {step}"),
    }
}

/// Steps; status of the last; state of the session and of its payment; calls to the merchant.
type Row = (&'static [&'static str], u16, &'static str, Option<&'static str>, usize);

#[tokio::test]
async fn every_transition_has_the_published_state_and_callback() {
    let table: &[Row] = &[
        (&["update"], 200, "SessionCreated", None, 0),
        (&["force"], 404, "SessionCreated", None, 0),
        (&["start"], 200, "PaymentInitiated", Some("CREATED"), 0),
        (&["start", "update"], 400, "PaymentInitiated", Some("CREATED"), 0),
        (&["start", "pay"], 200, "PaymentSuccessful", Some("AUTHORIZED"), 1),
        (&["start", "force"], 200, "PaymentSuccessful", Some("AUTHORIZED"), 1),
        (&["start", "pay", "update"], 400, "PaymentSuccessful", Some("AUTHORIZED"), 1),
        (&["start", "pay", "expire"], 400, "PaymentSuccessful", Some("AUTHORIZED"), 1),
        (&["start", "quit"], 200, "PaymentTerminated", Some("TERMINATED"), 1),
        (&["start", "seconds 660"], 200, "PaymentTerminated", Some("TERMINATED"), 1),
        (&["start", "quit", "start"], 409, "PaymentTerminated", Some("TERMINATED"), 1),
        (&["start", "quit", "update"], 400, "PaymentTerminated", Some("TERMINATED"), 1),
        (&["start", "quit", "expire"], 400, "PaymentTerminated", Some("TERMINATED"), 1),
        (&["expire"], 200, "SessionExpired", None, 0),
        (&["expire", "start"], 409, "SessionExpired", None, 0),
        (&["expire", "update"], 400, "SessionExpired", None, 0),
        (&["expire", "expire"], 400, "SessionExpired", None, 0),
        (&["start", "expire"], 400, "PaymentInitiated", Some("CREATED"), 0),
        (&["start", "expire", "pay"], 200, "PaymentSuccessful", Some("AUTHORIZED"), 1),
        (&["allow-expire", "start", "expire"], 200, "SessionExpired", Some("TERMINATED"), 1),
    ];
    for (steps, status, state, payment, calls) in table {
        let (http, merchant) = shop().await;
        create(&http, &order(&merchant)).await;
        let mut last = (0, Value::Null);
        for step in *steps {
            last = act(&http, step).await;
        }
        assert_eq!(last.0, *status, "{steps:?}: {}", last.1);
        http.advance(0).await;
        let (_, session) = poll(&http).await;
        assert_eq!(session["sessionState"], *state, "{steps:?}");
        assert_eq!(session["paymentDetails"]["state"].as_str(), *payment, "{steps:?}");
        let received = merchant.received();
        assert_eq!(received.len(), *calls, "{steps:?}");
        for call in received {
            assert_eq!((&*call.method, &*call.target), ("POST", "/checkout/done?shop=7"), "as given, nothing appended");
            assert_eq!(call.header("authorization").as_deref(), Some(WORD), "as given, no Bearer");
            assert_eq!(call.json(), session, "{steps:?}: the merchant is told what a poll answers");
        }
    }
}

#[tokio::test]
async fn a_created_session_names_its_poll_and_shows_its_parts_once_payment_starts() {
    let (http, merchant) = shop().await;
    let created = create(&http, &order(&merchant)).await;
    assert!(created["token"].is_string() && created["checkoutFrontendUrl"].is_string(), "{created}");
    assert_eq!(created["pollingUrl"], format!("{}{SESSION}", http.sandbox.base_url()));
    let (_, session) = poll(&http).await;
    assert!(session["sessionId"].is_string());
    assert_eq!((&session["reference"], &session["merchantSerialNumber"]), (&json!("acme-order-42"), &json!("123456")));
    for part in ["paymentMethod", "paymentDetails", "userInfo", "shippingDetails", "billingDetails"] {
        assert!(session[part].is_null(), "{part} before the payment");
    }
    act(&http, "start").await;
    let (_, session) = poll(&http).await;
    assert_eq!(session["paymentMethod"], "Wallet");
    assert_eq!(
        (&session["paymentDetails"]["type"], &session["paymentDetails"]["amount"]),
        (&json!("Wallet"), &nok(1000))
    );
    for name in ["firstName", "lastName", "email", "phoneNumber"] {
        assert!(session["billingDetails"][name].is_string(), "{name}");
    }
}

#[tokio::test]
async fn an_unpaid_session_lives_for_an_hour() {
    let table: &[(&[&str], Option<&str>)] = &[
        (&["seconds 3590"], Some("SessionCreated")),
        (&["seconds 3610"], None),
        (&["expire", "seconds 3590"], Some("SessionExpired")),
        (&["expire", "seconds 3610"], None),
        (&["seconds 3590", "start", "seconds 30"], Some("PaymentInitiated")),
        (&["start", "pay", "seconds 3610"], Some("PaymentSuccessful")),
        (&["start", "quit", "seconds 3610"], Some("PaymentTerminated")),
    ];
    for (steps, state) in table {
        let (http, merchant) = shop().await;
        create(&http, &order(&merchant)).await;
        for step in *steps {
            act(&http, step).await;
        }
        let (status, session) = poll(&http).await;
        assert_eq!((status, session["sessionState"].as_str()), (if state.is_some() { 200 } else { 404 }, *state));
        if state.is_none() {
            for answer in [(status, session), act(&http, "update").await, act(&http, "expire").await] {
                assert_eq!((answer.0, &answer.1["errorCode"]), (404, &json!("Session-00100")), "{steps:?}");
            }
            assert!(merchant.received().is_empty(), "nobody is told");
        }
    }
}

#[tokio::test]
async fn an_unknown_reference_of_any_length_is_not_found() {
    let (http, _) = shop().await;
    for reference in ["123123", "acme-nobody-1"] {
        let path = format!("{SESSIONS}/{reference}");
        let expire = format!("{path}/expire");
        for (method, path) in [("GET", &path), ("POST", &expire)] {
            let (status, problem) = http.checkout(method, path, &Value::Null).await;
            assert_eq!((status, &problem["errorCode"]), (404, &json!("Session-00100")), "{method} {path}");
            assert_eq!((&problem["status"], &problem["title"]), (&json!(404), &json!("Session expired or not known.")));
            assert!(problem["instance"].as_str().unwrap().starts_with("urn:uuid:"), "{problem}");
        }
    }
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_named_by_its_path() {
    let (http, merchant) = shop().await;
    let (http, good) = (http.tolerant(), order(&merchant));
    let missing = [
        ("/transaction", "Transaction"),
        ("/transaction/amount", "Transaction.Amount"),
        ("/transaction/amount/currency", "Transaction.Amount.Currency"),
        ("/transaction/paymentDescription", "Transaction.PaymentDescription"),
        ("/merchantInfo", "MerchantInfo"),
        ("/merchantInfo/callbackUrl", "MerchantInfo.CallbackUrl"),
        ("/merchantInfo/returnUrl", "MerchantInfo.ReturnUrl"),
        ("/merchantInfo/callbackAuthorizationToken", "MerchantInfo.CallbackAuthorizationToken"),
    ];
    for (path, name) in missing {
        let (status, problem) = http.checkout("POST", SESSIONS, &without(good.clone(), path)).await;
        assert_eq!((status, &problem["errorCode"]), (400, &json!("Validation-00001")), "{path}: {problem}");
        assert_eq!(problem["title"], "One or more validation errors occurred.");
        let field = name.rsplit('.').next().unwrap();
        assert_eq!(problem["errors"][name], json!([format!("The {field} field is required.")]), "{problem}");
    }
    let receipt = |lines: Value| json!({ "orderLines": lines, "orderBottomLine": { "currency": "NOK" } });
    let untaxed = json!([without(line(), "/taxPercentage")]);
    let negative = json!([set(shipping("home", 99, true), "/priority", json!(-1))]);
    let priceless = json!([without(shipping("home", 99, true), "/amount")]);
    let wrong = [
        ("/reference", json!("short"), "Reference"),
        ("/transaction/amount/value", json!(-1), "Transaction.Amount.Value"),
        ("/transaction/amount/value", json!(10.5), "Transaction.Amount.Value"),
        ("/transaction/amount/value", json!(2_147_483_648_i64), "Transaction.Amount.Value"),
        ("/transaction/paymentDescription", json!("ab"), "Transaction.PaymentDescription"),
        ("/transaction/paymentDescription", json!("a".repeat(101)), "Transaction.PaymentDescription"),
        ("/transaction/orderSummary", receipt(json!([])), "Transaction.OrderSummary.OrderLines"),
        ("/transaction/orderSummary", receipt(untaxed), "Transaction.OrderSummary.OrderLines[0].TaxRate"),
        ("/merchantInfo/returnUrl", json!(""), "MerchantInfo.ReturnUrl"),
        ("/configuration/elements", json!("Everything"), "Configuration.Elements"),
        ("/logistics/fixedOptions", negative, "Logistics.FixedOptions[0].Priority"),
        ("/logistics/fixedOptions", priceless, "Logistics.FixedOptions[0].Amount"),
    ];
    for (path, value, name) in wrong {
        let (status, problem) = http.checkout("POST", SESSIONS, &set(good.clone(), path, value)).await;
        assert_eq!((status, &problem["errorCode"]), (400, &json!("Validation-00001")), "{name}: {problem}");
        assert!(problem["errors"][name].as_array().is_some_and(|texts| !texts.is_empty()), "{name}: {problem}");
    }
    let torn = set(good, "/transaction/reference", "acme-order-43".into());
    assert_eq!(http.checkout("POST", SESSIONS, &torn).await.0, 400, "two references");
    assert_eq!(poll(&http).await.0, 404, "nothing came to be");
}

#[tokio::test]
async fn tolerated_oddities_are_taken_and_some_noted() {
    let receipt = json!({ "orderLines": [line()], "orderBottomLine": { "currency": "NOK" } });
    let brand = |name: &str| set(shipping("home", 99, true), "/brand", name.into());
    let of_type = |name: &str, kind: Value| json!([set(brand(name), "/type", kind)]);
    let table = [
        ("/transaction/orderSummary", receipt, false),
        ("/transaction/reference", json!("acme-order-42"), false),
        ("/logistics", Value::Null, false),
        ("/logistics/fixedOptions", of_type("POSTI", json!("MAILBOX")), false),
        ("/logistics/fixedOptions", of_type("DAO", json!(1)), false),
        ("/logistics/fixedOptions", of_type("DAO", json!("PICKUP_POINT")), false),
        ("/logistics/fixedOptions", json!([without(brand("PORTERBUDDY"), "/amount")]), true),
        ("/colour", json!("blue"), true),
    ];
    let (http, merchant) = shop().await;
    let http = http.tolerant();
    create(&http, &without(order(&merchant), "/type")).await;
    act(&http, "start").await;
    assert_eq!(poll(&http).await.1["paymentDetails"]["state"], "CREATED", "a payment unless it says otherwise");
    for (path, value, noted) in table {
        let (http, merchant) = shop().await;
        let http = http.tolerant();
        // An address on this machine leaves a warning by itself.
        create(&http, &set(order(&merchant), "/reference", "acme-order-41".into())).await;
        let usual = http.sandbox.warnings().len();
        create(&http, &set(order(&merchant), path, value.clone())).await;
        assert!(!noted || http.sandbox.warnings().len() > 2 * usual, "{path} {value} leaves a warning");
    }
}

#[tokio::test]
async fn a_reference_is_used_once_per_sales_unit() {
    let mut options = Options::default();
    options.merchant_serial_numbers = vec!["123456".into(), "654321".into()];
    let (http, merchant) = (Http::start_with(options).await, Receiver::start().await);
    create(&http, &order(&merchant)).await;
    let again = async || http.checkout("POST", SESSIONS, &order(&merchant)).await;
    let (status, problem) = again().await;
    assert_eq!((status, &problem["status"]), (409, &json!(409)));
    assert!(problem["errorCode"].is_string(), "{problem}");
    let other = [("merchant-serial-number", Some("654321"))];
    assert_eq!(http.send(changed(&http, "GET", SESSION, &other)).await.0, 404, "not theirs");
    assert_eq!(http.send(changed(&http, "POST", SESSIONS, &other).json(&order(&merchant))).await.0, 200);
    let first = [("merchant-serial-number", Some("123456"))];
    assert_eq!(http.send(changed(&http, "POST", &format!("{SESSION}/expire"), &first)).await.0, 200);
    assert_eq!(again().await.0, 409, "used is used");
}

#[tokio::test]
async fn without_a_reference_one_is_made() {
    let cuts: [fn(Value) -> Value; 2] =
        [|body| without(body, "/reference"), |body| set(body, "/reference", Value::Null)];
    for cut in cuts {
        let (http, merchant) = shop().await;
        let created = create(&http, &cut(order(&merchant))).await;
        let path = created["pollingUrl"].as_str().unwrap().strip_prefix(http.sandbox.base_url()).unwrap();
        let (status, session) = http.checkout("GET", path, &Value::Null).await;
        assert_eq!((status, session["reference"].as_str()), (200, path.rsplit('/').next()));
    }
}

#[tokio::test]
async fn the_keys_must_be_known_and_the_system_headers_are_wanted() {
    let (http, _) = shop().await;
    let http = http.tolerant();
    let long = "x".repeat(31);
    let table: &[(&'static str, Option<&str>, u16)] = &[
        ("client_id", Some("wrong"), 401),
        ("client_id", None, 401),
        ("client_secret", Some("wrong"), 401),
        ("client_secret", None, 401),
        ("ocp-apim-subscription-key", Some("wrong"), 401),
        ("ocp-apim-subscription-key", None, 401),
        ("merchant-serial-number", Some("999999"), 401),
        ("vipps-system-name", Some(&long), 400),
        ("vipps-system-plugin-version", Some(&long), 400),
        ("authorization", None, 404),
    ];
    for (name, value, status) in table {
        let (found, problem) = http.send(changed(&http, "GET", SESSION, &[(*name, *value)])).await;
        assert_eq!(found, *status, "{name} {value:?}: {problem}");
        assert!(problem["errorCode"].is_string(), "{name} {value:?}: {problem}");
    }
    let noted = http.sandbox.warnings().len();
    let nameless = changed(&http, "GET", SESSION, &[("vipps-system-name", None)]);
    assert_eq!(http.send(nameless).await.0, 404);
    assert_eq!(http.sandbox.warnings().len(), noted + 1);
    let mut options = Options::default();
    options.strict = true;
    let strict = Http::start_with(options).await.tolerant();
    let nameless = changed(&strict, "GET", SESSION, &[("vipps-system-name", None)]);
    assert_eq!(strict.send(nameless).await.0, 400);
}

#[tokio::test]
async fn an_update_replaces_transaction_and_options_but_not_the_currency() {
    let (http, merchant) = shop().await;
    let http = http.tolerant();
    create(&http, &set(order(&merchant), "/logistics/fixedOptions", json!([shipping("old", 49, true)]))).await;
    let patch = async |body: Value| http.checkout("PATCH", SESSION, &body).await;
    assert_eq!(act(&http, "update").await, (200, Value::Null));
    assert_eq!(patch(json!({ "transaction": null, "logisticOptions": [shipping("new", 99, true)] })).await.0, 200);
    let euros = json!({ "amount": { "currency": "EUR", "value": 3000 }, "paymentDescription": "Six mugs" });
    assert_eq!(patch(json!({ "transaction": euros })).await.0, 400);
    assert_eq!(patch(json!({ "transaction": { "amount": nok(3000) } })).await.0, 400, "incomplete");
    let noted = http.sandbox.warnings().len();
    assert_eq!(patch(json!({ "logisticsOptions": [shipping("misspelt", 1, true)] })).await.0, 200);
    assert!(http.sandbox.warnings().len() > noted, "the name has one s");
    act(&http, "pay").await;
    let (_, session) = poll(&http).await;
    assert_eq!(session["shippingDetails"]["shippingMethodId"], "new");
    assert_eq!(session["paymentDetails"]["amount"], nok(2099));
}

#[tokio::test]
async fn method_consent_and_profile_are_as_the_customer_chose() {
    let consent = |required: bool| json!({ "customConsent": { "text": "News by mail", "required": required } });
    let table = [
        (json!({}), json!({ "paymentMethod": "Wallet" }), Some(("Wallet", Value::Null))),
        (json!({}), json!({ "paymentMethod": "Card" }), Some(("Card", Value::Null))),
        (consent(false), json!({ "customConsent": true }), Some(("Wallet", json!(true)))),
        (consent(false), json!({ "customConsent": false }), Some(("Wallet", json!(false)))),
        (consent(true), json!({ "customConsent": true }), Some(("Wallet", json!(true)))),
        (consent(true), json!({ "customConsent": false }), None),
    ];
    for (configuration, choice, expected) in table {
        let (http, merchant) = shop().await;
        let configuration = set(configuration, "/requireUserInfo", true.into());
        create(&http, &set(order(&merchant), "/configuration", configuration)).await;
        let (status, _) = http.control("POST", "sessions/acme-order-42/complete", choice.clone()).await;
        let (_, session) = poll(&http).await;
        let Some((method, given)) = expected else {
            assert!(status >= 400, "the box must be ticked");
            assert_eq!(session["sessionState"], "SessionCreated");
            continue;
        };
        assert_eq!((&session["paymentMethod"], &session["paymentDetails"]["type"]), (&json!(method), &json!(method)));
        assert_eq!(session["customConsentProvided"], given, "{choice}");
        assert!(session["userInfo"]["sub"].is_string(), "asked for");
    }
}

#[tokio::test]
async fn a_key_has_one_effect_and_one_answer() {
    let (http, merchant) = shop().await;
    let http = http.tolerant();
    let keyed = |method: &str, path: &str, key: &str| changed(&http, method, path, &[("idempotency-key", Some(key))]);
    let early = http.send(keyed("POST", &format!("{SESSION}/expire"), "e")).await;
    assert_eq!(early.0, 404);
    let stranger =
        changed(&http, "POST", SESSIONS, &[("idempotency-key", Some("k")), ("client_secret", Some("wrong"))]);
    assert_eq!(http.send(stranger.json(&order(&merchant))).await.0, 401, "and is not kept");
    let first = http.send(keyed("POST", SESSIONS, "k").json(&order(&merchant))).await;
    assert_eq!(first.0, 200);
    let pretty = serde_json::to_string_pretty(&order(&merchant)).unwrap();
    let spaced = keyed("POST", SESSIONS, "k").header("content-type", "application/json").body(pretty);
    assert_eq!(http.send(spaced).await, first, "white space is no difference");
    let dearer = set(order(&merchant), "/transaction/amount", nok(2000));
    assert_eq!(http.send(keyed("POST", SESSIONS, "k").json(&dearer)).await.0, 409);
    assert_eq!(http.send(keyed("POST", SESSIONS, "k").json(&order(&merchant))).await, first, "still kept");
    assert_eq!(http.send(keyed("POST", SESSIONS, "k2").json(&order(&merchant))).await.0, 409, "the reference is used");
    assert_eq!(http.send(keyed("POST", &format!("{SESSION}/expire"), "e")).await, early, "a refusal is kept too");
    assert_eq!(act(&http, "expire").await.0, 200, "without the key it goes through");
    assert_eq!(http.send(keyed("POST", SESSIONS, "k").json(&order(&merchant))).await, first, "whatever came after");
}
