use reqwest::RequestBuilder;
use serde_json::{Value, json};
use vipps_sandbox::{ClockMode, Options, Profile};
use vipps_tests::{Http, Received, Receiver};

use crate::sandbox_deliveries::is_signed;
use crate::sandbox_webhooks::{AUTHORIZED, CREATED, EXPIRED, PAYMENT_EVENTS, PAYMENTS, order, receipt, register, text};

const REFERENCE: &str = "acme-order-42";
const PATH: &str = "/epayment/v1/payments/acme-order-42";
const PSP_ID: &str = "C948DFD1546347568874C4DDC93A2E3C";

fn money(value: i64) -> Value {
    json!({ "currency": "NOK", "value": value })
}

/// Status and code of an answer.
fn verdict((status, body): &(u16, Value)) -> (u16, Option<&str>) {
    let details = body["extraDetails"].as_array().map(Vec::as_slice).unwrap_or_default();
    let code = details.iter().find(|detail| detail["name"] == "ErrorCode");
    (*status, code.and_then(|detail| detail["reason"].as_str()))
}

async fn approve(http: &Http, choice: Value) -> (u16, Value) {
    http.control("POST", &format!("payments/{REFERENCE}/approve"), choice).await
}

/// The state and the authorized amount: `AUTHORIZED 1000`.
async fn outcome(http: &Http) -> String {
    let (_, payment) = http.get(PATH).await;
    format!("{} {}", text(&payment["state"]), payment["aggregate"]["authorizedAmount"]["value"])
}

/// The event log: `CREATED`, and `AUTHORIZED failed` where there was no success.
async fn log(http: &Http) -> Vec<String> {
    let (_, events) = http.get(&format!("{PATH}/events")).await;
    let entry = |event: &Value| text(&event["name"]) + if event["success"] == true { "" } else { " failed" };
    events.as_array().unwrap().iter().map(entry).collect()
}

/// The state, also when the access token has expired meanwhile.
fn state(http: &Http, reference: &str) -> String {
    let ledger = http.sandbox.ledger();
    let mut payments = ledger["payments"].as_array().unwrap().iter();
    text(&payments.find(|payment| payment["reference"] == reference).unwrap()["state"])
}

fn express(shipping: Value) -> Value {
    let mut body = order(REFERENCE, 1000);
    body["customer"] = json!({ "phoneNumber": "4791234567" });
    body["profile"] = json!({ "scope": "name address email phoneNumber" });
    body["shipping"] = shipping;
    body
}

/// Three options of two groups; the default one costs 3.00.
fn groups() -> Value {
    json!([
        { "type": "HOME_DELIVERY", "brand": "HELTHJEM", "priority": 1, "options": [
            { "id": "door", "name": "To the door", "amount": money(1500) }
        ] },
        { "type": "MAILBOX", "brand": "POSTEN", "isDefault": true, "priority": 0, "options": [
            { "id": "fast", "name": "Tomorrow", "amount": money(900) },
            { "id": "slow", "name": "Some day", "amount": money(300), "isDefault": true }
        ] }
    ])
}

/// A shop that ships everywhere.
async fn shop() -> Receiver {
    Receiver::answering(vec![(200, json!({ "groups": groups() }))]).await
}

fn dynamic(url: &str) -> Value {
    json!({ "dynamicOptions": { "callbackUrl": url, "callbackAuthorizationToken": "Bearer eyJ.acme" } })
}

#[tokio::test]
async fn shipping_is_authorized_on_top_and_told_with_the_customer() {
    let door = json!({ "shippingOptionId": "door" });
    for (choice, id, name, cost) in [(json!({}), "slow", "Some day", 300), (door, "door", "To the door", 1500)] {
        for is_dynamic in [false, true] {
            let (http, shop, hooks) = (Http::start_manual().await, shop().await, Receiver::start().await);
            register(&http, &hooks.url("/"), &[CREATED, AUTHORIZED]).await;
            let shipping = if is_dynamic { dynamic(&shop.url("/ship")) } else { json!({ "fixedOptions": groups() }) };
            assert_eq!(http.post(PAYMENTS, &express(shipping)).await.0, 201);
            assert_eq!(approve(&http, choice.clone()).await.0, 200);
            http.advance(0).await;
            assert_eq!(shop.received().len(), usize::from(is_dynamic));

            let (_, payment) = http.get(PATH).await;
            assert_eq!((&payment["state"], &payment["amount"]), (&json!("AUTHORIZED"), &money(1000)));
            assert_eq!(payment["aggregate"]["authorizedAmount"], money(1000 + cost));
            let details = &payment["shippingDetails"];
            assert_eq!((&details["shippingOptionId"], &details["shippingOptionName"]), (&json!(id), &json!(name)));
            assert_eq!(details["shippingCost"], cost, "a plain number");
            for part in ["addressLine1", "city", "country", "postCode"] {
                assert!(details["address"][part].is_string(), "{details}");
            }
            let user = &payment["userDetails"];
            assert!(["firstName", "lastName", "email"].iter().all(|name| user[*name].is_string()), "{user}");
            assert_eq!(user["mobileNumber"], "4791234567");
            assert!(payment["profile"]["sub"].is_string());

            let told: Vec<Value> = hooks.received().iter().map(Received::json).collect();
            let [created, authorized] = &told[..] else { panic!("two events: {told:?}") };
            assert_eq!((&authorized["name"], &authorized["amount"]), (&json!("AUTHORIZED"), &money(1000 + cost)));
            for member in ["shippingDetails", "userDetails"] {
                assert_eq!(authorized[member], payment[member], "{member}");
                assert!(created[member].is_null(), "not before the consent: {created}");
            }
            assert_eq!(authorized["sub"], payment["profile"]["sub"]);
            assert!(
                authorized["profile"].is_null() && created["sub"].is_null(),
                "on the top level alone: {authorized}"
            );
            let all = json!({ "modificationAmount": money(1000 + cost) });
            assert_eq!(http.post(&format!("{PATH}/capture"), &all).await.0, 200, "shipping is captured with the rest");
        }
    }
}

#[tokio::test]
async fn the_shop_is_asked_with_the_published_keys_and_its_own_token() {
    for token in [Some("Bearer eyJ.acme"), None] {
        let (http, shop) = (Http::start().await, shop().await);
        let mut shipping = dynamic(&shop.url("/ship?shop=7"));
        if token.is_none() {
            shipping["dynamicOptions"].as_object_mut().unwrap().remove("callbackAuthorizationToken");
        }
        http.post(PAYMENTS, &express(shipping)).await;
        approve(&http, json!({})).await;
        let received = shop.received();
        let [call] = &received[..] else { panic!("one call, not {}", received.len()) };
        assert_eq!((call.method.as_str(), call.target.as_str()), ("POST", "/ship?shop=7"));
        assert_eq!(call.header("authorization").as_deref(), token, "as it was given");
        assert_eq!(call.header("content-type").as_deref(), Some("application/json"));
        let mut question = call.json();
        let (_, payment) = http.get(PATH).await;
        let address = &payment["shippingDetails"]["address"];
        question.as_object_mut().unwrap().remove("AddressLine2");
        let expected = json!({
            "reference": REFERENCE, "AddressLine1": address["addressLine1"], "City": address["city"],
            "PostCode": address["postCode"], "Country": address["country"]
        });
        assert_eq!(question, expected, "a small r, capital letters else");
    }
}

#[tokio::test]
async fn where_the_shop_cannot_ship_the_customer_cannot_pay_but_may_try_again() {
    // None: no answer within the limit.
    let answers = [
        Some((400, json!({}))),
        Some((404, json!({}))),
        Some((500, Value::Null)),
        Some((200, Value::Null)),
        Some((200, json!({ "groups": "none" }))),
        None,
    ];
    for answer in answers {
        let http = Http::start().await;
        let limit = if answer.is_some() { 8_000 } else { 50 };
        http.control("PATCH", "settings", json!({ "shippingTimeoutMillis": limit })).await;
        let shop = match &answer {
            Some(answer) => Receiver::answering(vec![answer.clone(), (200, json!({ "groups": groups() }))]).await,
            None => Receiver::silent().await,
        };
        http.post(PAYMENTS, &express(dynamic(&shop.url("/ship")))).await;
        assert_eq!(approve(&http, json!({})).await.0, 409, "{answer:?}");
        assert_eq!(outcome(&http).await, "CREATED 0", "{answer:?}");
        assert_eq!(log(&http).await, ["CREATED"], "{answer:?}: nothing was attempted");
        if answer.is_some() {
            assert_eq!(approve(&http, json!({})).await.0, 200, "{answer:?}");
            assert_eq!(outcome(&http).await, "AUTHORIZED 1300", "{answer:?}");
        }
    }
}

#[tokio::test]
async fn the_seed_asks_for_all_four_scopes_and_tells_the_customer_in_both_places() {
    let mut options = Options::default();
    (options.clock, options.profile) = (ClockMode::Manual, Profile::Seed);
    let (http, hooks) = (Http::start_with(options).await, Receiver::start().await);
    register(&http, &hooks.url("/"), &[AUTHORIZED]).await;
    let asked = |scope: &str| {
        let mut body = express(json!({ "fixedOptions": groups() }));
        body["profile"] = json!({ "scope": scope });
        body
    };
    for scope in ["address", "name address email phoneNumber birthDate"] {
        assert_eq!(verdict(&http.post(PAYMENTS, &asked(scope)).await), (400, Some("4080")), "{scope}");
    }
    assert_eq!(http.post(PAYMENTS, &asked("phoneNumber email address name")).await.0, 201, "in any order");
    approve(&http, json!({})).await;
    http.advance(0).await;
    let told = hooks.received()[0].json();
    assert!(told["sub"].is_string() && told["profile"]["sub"] == told["sub"], "{told}");
}

#[tokio::test]
async fn the_customer_s_details_are_those_that_were_consented_to() {
    for (scope, wanted) in [
        ("address", &["addresses"][..]),
        ("address email", &["addresses", "email"]),
        ("birthDate address name", &["addresses", "dateOfBirth", "firstName", "lastName"]),
    ] {
        let http = Http::start_manual().await;
        let mut body = express(json!({ "fixedOptions": groups() }));
        body["profile"] = json!({ "scope": scope });
        assert_eq!(http.post(PAYMENTS, &body).await.0, 201);
        approve(&http, json!({})).await;
        let (_, payment) = http.get(PATH).await;
        let mut members: Vec<&String> = payment["userDetails"].as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(members, wanted, "{scope}");
    }
}

#[tokio::test]
async fn the_app_stops_a_customer_in_a_country_that_is_not_shipped_to() {
    let home = |country: &str| json!({ "address": { "addressLine1": "Street 1", "city": "Town", "postCode": "1000", "country": country } });
    // Allowed countries, the customer's, and whether the payment goes on.
    let table = [
        (None, "NO", true),
        (None, "SE", false),
        (Some(json!(["SE", "DK"])), "SE", true),
        (Some(json!(["SE", "DK"])), "NO", false),
    ];
    for (allowed, country, goes_on) in table {
        let (http, shop) = (Http::start_manual().await, shop().await);
        let mut shipping = dynamic(&shop.url("/ship"));
        if let Some(allowed) = &allowed {
            shipping["allowedCountries"] = allowed.clone();
        }
        assert_eq!(http.post(PAYMENTS, &express(shipping)).await.0, 201);
        let (status, answer) = approve(&http, home(country)).await;
        assert_eq!(status, if goes_on { 200 } else { 409 }, "{allowed:?} {country}: {answer}");
        assert_eq!(shop.received().len(), usize::from(goes_on), "the merchant is asked for allowed addresses alone");
        if goes_on {
            assert_eq!(answer["shippingDetails"]["address"]["country"], country);
        } else {
            assert_eq!(outcome(&http).await, "CREATED 0");
            let error = text(&answer["error"]);
            assert!(error.contains(country) && error.contains("allowed countries: "), "{error}");
        }
    }
    let http = Http::start_tolerant().await;
    for malformed in [json!(["Norway"]), json!(["no"]), json!([])] {
        let body = express(json!({ "fixedOptions": groups(), "allowedCountries": malformed }));
        let (status, refused) = http.post(PAYMENTS, &body).await;
        let name = text(&refused["extraDetails"][0]["name"]);
        assert!(status == 400 && name.starts_with("shipping.allowedCountries"), "{malformed}: {refused}");
    }
}

#[tokio::test]
async fn legal_links_are_taken_and_echoed_nowhere() {
    let links = json!({ "termsOfSaleUrl": "https://acme.example/t", "privacyPolicyUrl": "https://acme.example/p" });
    let http = Http::start_manual().await;
    let mut body = order(REFERENCE, 1000);
    body["merchantLegalLinks"] = links.clone();
    assert_eq!(http.post(PAYMENTS, &body).await.0, 201);
    assert!(http.get(PATH).await.1["merchantLegalLinks"].is_null());
    assert!(http.sandbox.warnings().is_empty(), "{:?}", http.sandbox.warnings());
    body["merchantLegalLinks"]["termsOfSaleUrl"] = "ftp:nowhere".into();
    body["reference"] = "acme-order-43".into();
    assert_eq!(verdict(&http.post(PAYMENTS, &body).await), (400, Some("4090")));
    body["merchantLegalLinks"] = links;
    body["paymentMethod"] = json!({ "type": "CARD" });
    assert_eq!(http.post(PAYMENTS, &body).await.0, 201);
    let warned = http.sandbox.warnings().iter().any(|one| text(&one["warning"]).contains("merchantLegalLinks"));
    assert!(warned, "a card payment passes no app");
}

#[tokio::test]
async fn express_has_its_rules() {
    let fixed = || express(json!({ "fixedOptions": groups() }));
    let changed = |name: &str, value: Value| {
        let mut body = fixed();
        body[name] = value;
        body
    };
    let both = json!({ "fixedOptions": groups(), "dynamicOptions": { "callbackUrl": "https://acme.example/ship" } });
    // Body, whether the sales unit may use Express, status and code where one is published.
    let table = [
        (fixed(), true, 201, None),
        (fixed(), false, 403, Some("5020")),
        (changed("profile", json!({ "scope": "name email phoneNumber" })), true, 400, Some("4080")),
        (changed("profile", json!({ "scope": "name address email phoneNumber birthDate" })), true, 201, None),
        (changed("profile", json!({ "scope": "address" })), true, 201, None),
        (changed("profile", json!({ "scope": "email address" })), true, 201, None),
        (changed("profile", json!({ "scope": "addresses" })), true, 400, Some("4080")),
        (changed("profile", Value::Null), true, 400, None),
        (changed("shipping", json!({})), true, 400, None),
        (changed("shipping", both), true, 400, None),
    ];
    for (body, allowed, status, code) in table {
        let http = Http::start().await;
        http.control("PATCH", "settings", json!({ "expressAllowed": allowed })).await;
        let answer = http.post(PAYMENTS, &body).await;
        assert_eq!(answer.0, status, "{body}: {}", answer.1);
        assert!(code.is_none() || verdict(&answer).1 == code, "{body}: {}", answer.1);
    }
    let http = Http::start().await;
    http.post(PAYMENTS, &fixed()).await;
    let forced = http.send(http.request("POST", &format!("/epayment/v1/test/payments/{REFERENCE}/approve"))).await;
    assert_eq!(verdict(&forced), (400, Some("10060")), "force approve knows no Express");
    assert!(approve(&http, json!({ "shippingOptionId": "by-drone" })).await.0 >= 400);
    assert_eq!(outcome(&http).await, "CREATED 0", "an option that nobody offered");
}

#[tokio::test]
async fn merchants_have_the_published_times_to_answer() {
    let (_, settings) = Http::start().await.control("GET", "settings", Value::Null).await;
    for (name, millis) in
        [("deliveryTimeoutMillis", 10_000), ("shippingTimeoutMillis", 8_000), ("cardCallbackTimeoutMillis", 20_000)]
    {
        assert_eq!(settings[name], millis, "{name}");
    }
}

fn card_payment(http: &Http, url: &str, currency: &str) -> RequestBuilder {
    let mut body = order(REFERENCE, 1000);
    body["amount"]["currency"] = currency.into();
    body["paymentMethod"] = json!({ "type": "CARD_PASSTHROUGH" });
    body["cardPassthrough"] =
        json!({ "pspReference": "psp-77", "cardCallbackUrl": url, "allowedCardTypes": ["VISA_DEBIT", "MC_CREDIT"] });
    http.request("POST", PAYMENTS).header("Idempotency-Key", "create").json(&body)
}

async fn start_card_payment(psp: &Receiver) -> Http {
    let http = Http::start().await;
    let create = card_payment(&http, &psp.url("/cards?unit=7"), "NOK").header("Psp-Id", PSP_ID);
    let (status, body) = http.send(create).await;
    assert_eq!(status, 201, "{body}");
    http
}

fn reserve() -> (u16, Value) {
    (200, json!({ "status": "RESERVE", "networkTransactionReference": "ntr-1" }))
}

fn fail() -> (u16, Value) {
    (200, json!({ "status": "FAIL", "errorCode": 300, "errorMessage": "refused by issuer" }))
}

fn soft_decline() -> (u16, Value) {
    (200, json!({ "status": "SOFT_DECLINE", "softDeclineUrl": "https://psp.example/3ds" }))
}

#[tokio::test]
async fn the_psp_gets_the_card_signed_with_its_client_secret() {
    let psp = Receiver::answering(vec![soft_decline(), reserve()]).await;
    let http = start_card_payment(&psp).await;
    approve(&http, json!({})).await;
    let received = psp.received();
    assert_eq!(received.len(), 2, "a soft decline is followed by a second call");
    let calls: Vec<Value> = received.iter().map(Received::json).collect();
    for (raw, call) in received.iter().zip(&calls) {
        assert_eq!((raw.method.as_str(), raw.target.as_str()), ("POST", "/cards?unit=7"));
        assert!(is_signed(raw, &psp.url("/cards?unit=7"), "test-client-secret"));
        assert_eq!((&call["pspReference"], &call["merchantSerialNumber"]), (&json!("psp-77"), &json!("123456")));
        assert_eq!(call["amount"], money(1000));
        assert!(call["softDeclineCompletedRedirectUrl"].is_string(), "{call}");
        let card = &call["cardInfo"];
        assert!(card["maskedCardNumber"].is_string() && card["cardIssuedInCountryCode"].is_string(), "{card}");
        assert!(["VISA_DEBIT", "MC_CREDIT"].contains(&card["cardType"].as_str().unwrap()), "{card}");
        let kind = text(&card["cardDataType"]);
        assert!(["TOKEN", "PAN"].contains(&kind.as_str()), "{card}");
        assert_eq!(card["networkToken"].is_object(), kind == "TOKEN", "{card}");
        assert_eq!(card["encryptedPan"].is_string(), kind == "PAN", "{card}");
    }
    assert!(!text(&calls[0]["authorizationAttemptId"]).is_empty());
    assert_eq!(calls[0]["authorizationAttemptId"], calls[1]["authorizationAttemptId"], "it is the same attempt");
    assert_eq!(calls[0]["cardInfo"]["maskedCardNumber"], calls[1]["cardInfo"]["maskedCardNumber"]);
    assert_ne!(calls[0]["cardInfo"], calls[1]["cardInfo"], "with a new cryptogram");
}

#[tokio::test]
async fn the_answer_of_the_psp_decides() {
    let authorized = ("AUTHORIZED 1000", "AUTHORIZED");
    let failed = ("CREATED 0", "AUTHORIZED failed");
    let aborted = ("ABORTED 0", "ABORTED");
    // Answers, none meaning silence; outcome and last event; calls.
    let table = [
        (vec![reserve()], authorized, 1),
        (vec![fail()], failed, 1),
        (vec![soft_decline(), reserve()], authorized, 2),
        (vec![soft_decline(), fail()], failed, 2),
        (vec![soft_decline(), soft_decline()], aborted, 2),
        (vec![(500, Value::Null)], aborted, 1),
        (vec![(200, Value::Null)], aborted, 1),
        (vec![(200, json!({ "status": "MAYBE" }))], aborted, 1),
        (vec![], aborted, 1),
    ];
    for (answers, (expected, last), calls) in table {
        let what = format!("{answers:?}");
        let silent = answers.is_empty();
        let psp = if silent { Receiver::silent().await } else { Receiver::answering(answers).await };
        let http = start_card_payment(&psp).await;
        if silent {
            http.control("PATCH", "settings", json!({ "cardCallbackTimeoutMillis": 50 })).await;
        }
        approve(&http, json!({})).await;
        assert_eq!(outcome(&http).await, expected, "{what}");
        assert_eq!(log(&http).await, ["CREATED", last], "{what}");
        if !silent {
            assert_eq!(psp.received().len(), calls, "{what}");
        }
    }
}

#[tokio::test]
async fn a_refused_card_leaves_the_customer_another_attempt_and_no_answer_does_not() {
    let psp = Receiver::answering(vec![fail(), reserve()]).await;
    let http = start_card_payment(&psp).await;
    approve(&http, json!({})).await;
    assert_eq!(approve(&http, json!({})).await.0, 200);
    assert_eq!(outcome(&http).await, "AUTHORIZED 1000");
    let calls: Vec<Value> = psp.received().iter().map(Received::json).collect();
    assert_ne!(calls[0]["authorizationAttemptId"], calls[1]["authorizationAttemptId"], "another attempt, another id");

    let psp = Receiver::answering(vec![(500, Value::Null), reserve()]).await;
    let http = start_card_payment(&psp).await;
    approve(&http, json!({})).await;
    assert_eq!(approve(&http, json!({})).await.0, 409, "it is over");
    assert_eq!((outcome(&http).await.as_str(), psp.received().len()), ("ABORTED 0", 1));
}

#[tokio::test]
async fn card_passthrough_has_its_rules() {
    let url = "https://psp.example/cards";
    // Nobody else may take these currencies.
    for currency in ["SEK", "USD", "GBP"] {
        let http = Http::start().await;
        let mut wallet = order(REFERENCE, 1000);
        wallet["amount"]["currency"] = currency.into();
        assert_eq!(verdict(&http.post(PAYMENTS, &wallet).await), (400, Some("5040")), "{currency}");
        assert_eq!(http.send(card_payment(&http, url, currency).header("Psp-Id", PSP_ID)).await.0, 201, "{currency}");
    }
    let http = Http::start().await;
    let without_psp_id = http.send(card_payment(&http, url, "NOK")).await;
    assert!(matches!(verdict(&without_psp_id), (400, Some("4140" | "4160"))), "{without_psp_id:?}");
    let psp = Receiver::start().await;
    let http = start_card_payment(&psp).await;
    assert_eq!(http.control("POST", &format!("payments/{REFERENCE}/abort"), json!({})).await.0, 200);
    assert_eq!((outcome(&http).await.as_str(), psp.received().len()), ("ABORTED 0", 0), "no card without approval");
}

fn long_living(reference: &str, flow: &str, expires_at: &str) -> Value {
    let mut body = order(reference, 1000);
    body["userFlow"] = flow.into();
    body["customer"] = json!({ "phoneNumber": "4791234567" });
    body["expiresAt"] = expires_at.into();
    body["receipt"] = receipt();
    body
}

#[tokio::test]
async fn a_long_life_has_its_bounds() {
    let (current, seed) = (Profile::Current, Profile::Seed);
    let table = [
        (current, "WEB_REDIRECT", "2026-01-01T00:10:00Z", 400, Some("6120")),
        (current, "WEB_REDIRECT", "2026-01-01T00:10:01Z", 201, None),
        (current, "WEB_REDIRECT", "2026-01-01T01:10:00+01:00", 400, Some("6120")),
        (current, "WEB_REDIRECT", "2026-03-02T00:00:00Z", 201, None),
        (current, "WEB_REDIRECT", "2026-03-02T00:00:01Z", 400, Some("6110")),
        (current, "WEB_REDIRECT", "2026-03-01T23:00:00-02:00", 400, Some("6110")),
        (seed, "PUSH_MESSAGE", "2026-01-28T00:00:00Z", 201, None),
        (seed, "QR", "2026-01-28T00:00:00Z", 201, None),
        (seed, "PUSH_MESSAGE", "2026-01-30T00:00:00Z", 400, Some("6110")),
    ];
    for (profile, flow, expires_at, status, code) in table {
        let mut options = Options::default();
        (options.clock, options.profile) = (ClockMode::Manual, profile);
        let http = Http::start_with(options).await;
        let answer = http.post(PAYMENTS, &long_living(REFERENCE, flow, expires_at)).await;
        assert_eq!(verdict(&answer), (status, code), "{flow} {expires_at}: {}", answer.1);
    }
    let mut options = Options::default();
    (options.clock, options.profile) = (ClockMode::Manual, seed);
    let http = Http::start_with(options).await;
    let other_flow = http.post(PAYMENTS, &long_living(REFERENCE, "WEB_REDIRECT", "2026-01-28T00:00:00Z")).await;
    assert!((400..500).contains(&other_flow.0), "the reference pages allow it for push and QR alone");
    let http = Http::start_manual().await;
    http.control("PATCH", "settings", json!({ "longLivingPaymentsAllowed": false })).await;
    let refused = http.post(PAYMENTS, &long_living(REFERENCE, "WEB_REDIRECT", "2026-01-21T00:00:00Z")).await;
    assert_eq!(verdict(&refused), (403, Some("5050")));
}

#[tokio::test]
async fn a_long_living_payment_waits_until_its_own_time() {
    let (http, hooks) = (Http::start_manual().await, Receiver::start().await);
    register(&http, &hooks.url("/"), &[EXPIRED]).await;
    let late = [(REFERENCE, "2026-01-21T00:00:00Z"), ("acme-order-43", "2026-01-21T02:00:00+02:00")];
    for (reference, expires_at) in late {
        assert_eq!(http.post(PAYMENTS, &long_living(reference, "WEB_REDIRECT", expires_at)).await.0, 201);
    }
    http.advance(20 * 86_400 - 60).await;
    assert_eq!(late.map(|(reference, _)| state(&http, reference)), ["CREATED", "CREATED"]);
    assert_eq!(approve(&http, json!({})).await.0, 200, "in the last minute of twenty days");
    http.advance(60).await;
    assert_eq!(late.map(|(reference, _)| state(&http, reference)), ["AUTHORIZED", "EXPIRED"]);
    let told: Vec<Value> = hooks.received().iter().map(Received::json).collect();
    assert_eq!((told.len(), &told[0]["reference"]), (1, &json!("acme-order-43")));
    assert!(text(&told[0]["timestamp"]).starts_with("2026-01-21T00:00:00"), "{}", told[0]);
}

fn modify(http: &Http, reference: &str, act: &str, key: &str) -> RequestBuilder {
    let request = http.request("POST", &format!("{PAYMENTS}/{reference}/{act}")).header("Idempotency-Key", key);
    if act == "cancel" { request } else { request.json(&json!({ "modificationAmount": money(100) })) }
}

#[tokio::test]
async fn a_stalled_write_locks_its_payment_and_no_other() {
    let other = "acme-order-43";
    for (operation, act) in [("capturePayment", "capture"), ("refundPayment", "refund"), ("cancelPayment", "cancel")] {
        let http = Http::start().await;
        for reference in [REFERENCE, other] {
            http.post(PAYMENTS, &order(reference, 1000)).await;
            http.control("POST", &format!("payments/{reference}/approve"), json!({})).await;
            for key in [format!("{reference}-1"), format!("{reference}-2")] {
                assert_eq!(http.send(modify(&http, reference, "capture", &key)).await.0, 200);
            }
        }
        let stall = json!({ "operation": operation, "fault": { "kind": "stall", "seconds": 0.5 } });
        assert_eq!(http.control("POST", "faults", stall).await.0, 201);
        let before = http.sandbox.requests().len();
        let slow = tokio::spawn(modify(&http, REFERENCE, act, "slow").send());
        while http.sandbox.requests().len() == before {
            tokio::task::yield_now().await;
        }
        for locked in ["capture", "refund", "cancel"] {
            let answer = http.send(modify(&http, REFERENCE, locked, "locked")).await;
            assert_eq!(verdict(&answer), (423, Some("6160")), "{locked} during {act}");
        }
        assert_eq!(http.get(PATH).await.0, 200, "reads go on");
        assert_eq!(http.send(modify(&http, other, act, "elsewhere")).await.0, 200, "the other payment is free");
        assert_eq!(slow.await.unwrap().unwrap().status().as_u16(), 200);
        let again = http.send(modify(&http, REFERENCE, "refund", "locked")).await;
        assert_eq!(again.0, 200, "423 is not kept under its key: {}", again.1);
    }
}

#[tokio::test]
async fn while_the_result_is_unknown_nothing_can_be_cancelled_for_an_hour() {
    let (http, hooks) = (Http::start_manual().await, Receiver::start().await);
    register(&http, &hooks.url("/"), &PAYMENT_EVENTS[1..]).await;
    assert_eq!(http.post(PAYMENTS, &order(REFERENCE, 201)).await.0, 201);
    approve(&http, json!({})).await;
    let only = json!({ "cancelTransactionOnly": true });
    for passed in [0, 540, 120, 2_880] {
        // Past its ten minutes, too: the customer has approved in time.
        http.advance(passed).await;
        assert_eq!(outcome(&http).await, "CREATED 0");
        assert_eq!(verdict(&http.send(modify(&http, REFERENCE, "cancel", "same-key")).await), (409, Some("6250")));
        assert_eq!(verdict(&http.post(&format!("{PATH}/cancel"), &only).await), (409, Some("6250")));
    }
    assert!(hooks.received().is_empty(), "nothing has happened yet");
    http.advance(120).await;
    assert_eq!(state(&http, REFERENCE), "AUTHORIZED");
    let told: Vec<Value> = hooks.received().iter().map(Received::json).collect();
    assert_eq!((told.len(), &told[0]["name"], &told[0]["success"]), (1, &json!("AUTHORIZED"), &json!(true)));
    assert!(text(&told[0]["timestamp"]).starts_with("2026-01-01T01:00:00"), "{}", told[0]);
}

#[tokio::test]
async fn an_approval_that_is_refused_leaves_no_trace() {
    let http = Http::start().await;
    let mut payment = express(json!({ "fixedOptions": groups() }));
    payment.as_object_mut().unwrap().remove("customer");
    assert_eq!(http.post(PAYMENTS, &payment).await.0, 201);
    let wrong = json!({ "phoneNumber": "4791234567", "shippingOptionId": "no-such-option" });
    assert_eq!(approve(&http, wrong).await.0, 409);
    let (status, answer) = approve(&http, json!({ "phoneNumber": "4798765432" })).await;
    assert_eq!(status, 200, "nobody has paid it before: {answer}");
}
