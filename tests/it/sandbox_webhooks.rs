use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use vipps_callbacks::{EventType, Freshness, Registration, Verifier};
use vipps_sandbox::{ClockMode, Options, Profile};
use vipps_tests::{Http, Received, Receiver};

pub(crate) const WEBHOOKS: &str = "/webhooks/v1/webhooks";
pub(crate) const PAYMENTS: &str = "/epayment/v1/payments";
pub(crate) const CREATED: &str = "epayments.payment.created.v1";
pub(crate) const AUTHORIZED: &str = "epayments.payment.authorized.v1";
pub(crate) const EXPIRED: &str = "epayments.payment.expired.v1";
const CHECKED_IN: &str = "user.checked-in.v1";

pub(crate) const PAYMENT_EVENTS: [&str; 8] = [
    CREATED,
    AUTHORIZED,
    "epayments.payment.aborted.v1",
    EXPIRED,
    "epayments.payment.terminated.v1",
    "epayments.payment.captured.v1",
    "epayments.payment.refunded.v1",
    "epayments.payment.cancelled.v1",
];
const RECURRING_EVENTS: [&str; 10] = [
    "recurring.agreement-activated.v1",
    "recurring.agreement-rejected.v1",
    "recurring.agreement-stopped.v1",
    "recurring.agreement-expired.v1",
    "recurring.charge-reserved.v1",
    "recurring.charge-captured.v1",
    "recurring.charge-canceled.v1",
    "recurring.charge-refunded.v1",
    "recurring.charge-failed.v1",
    "recurring.charge-creation-failed.v1",
];

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn registration(http: &Http, url: &str, events: &[&str]) -> RequestBuilder {
    http.request("POST", WEBHOOKS).json(&json!({ "url": url, "events": events }))
}

/// Registers an address; gives the id and the secret.
pub(crate) async fn register(http: &Http, url: &str, events: &[&str]) -> (String, String) {
    let (status, body) = http.send(registration(http, url, events)).await;
    assert_eq!(status, 201, "{body}");
    (text(&body["id"]), text(&body["secret"]))
}

/// Registers a path of its own for every event type, so that the path tells the type; gives a
/// verifier of all.
async fn register_each(http: &Http, receiver: &Receiver, events: &[&str]) -> Verifier {
    let verifier = verifier();
    for event in events {
        let url = receiver.url(&format!("/{event}"));
        let (id, secret) = register(http, &url, &[*event]).await;
        verifier.add(Registration::new(&url, secret).unwrap().id(id));
    }
    verifier
}

/// A verifier with no registration yet, for the times of a clock that tests move.
pub(crate) fn verifier() -> Verifier {
    Verifier::builder().freshness(Freshness::Window(Duration::MAX)).build()
}

/// Each delivery is verified and is an event of the type that its path says, with a key of its
/// own.
fn assert_verified(verifier: &Verifier, received: &[Received]) {
    let mut keys = BTreeSet::new();
    for call in received {
        let headers = call.headers().iter().map(|(name, value)| (name, value));
        let delivery = verifier.verify(headers, &call.body).unwrap_or_else(|refusal| panic!("{call:?}: {refusal}"));
        let event_type = delivery.event().event_type().unwrap();
        assert_eq!(format!("/{event_type}"), call.target);
        assert!(!matches!(event_type, EventType::Unknown(_)) && delivery.subject().is_some());
        assert_eq!(delivery.event().msn(), Some("123456"));
        assert!(keys.insert(delivery.key().to_string()), "{}", delivery.key());
    }
}

/// The request in the name of this sales unit, or of all of them.
fn for_unit(request: RequestBuilder, unit: Option<&str>) -> RequestBuilder {
    let (client, request) = request.build_split();
    let mut request = request.unwrap();
    request.headers_mut().remove("Merchant-Serial-Number");
    let request = RequestBuilder::from_parts(client, request);
    match unit {
        Some(unit) => request.header("Merchant-Serial-Number", unit),
        None => request,
    }
}

pub(crate) fn order(reference: &str, value: i64) -> Value {
    json!({
        "amount": { "currency": "NOK", "value": value }, "reference": reference,
        "paymentMethod": { "type": "WALLET" }, "userFlow": "WEB_REDIRECT", "returnUrl": "https://acme.example/thanks"
    })
}

pub(crate) fn receipt() -> Value {
    json!({
        "orderLines": [{
            "name": "Hoodie", "id": "hoodie-1", "totalAmount": 1000, "totalAmountExcludingTax": 800,
            "totalTaxAmount": 200, "taxRate": 2500
        }],
        "bottomLine": { "currency": "NOK" }
    })
}

/// Lets something happen to a payment and waits for what is sent because of it. Keys name
/// the payment and the act.
pub(crate) async fn act(http: &Http, reference: &str, act: &str) {
    let (name, value) = act.split_once(' ').map_or((act, 0), |(name, value)| (name, value.parse().unwrap()));
    let path = format!("{PAYMENTS}/{reference}");
    let key = format!("{reference}-{}", act.replace(' ', "-"));
    let part = json!({ "modificationAmount": { "currency": "NOK", "value": value } });
    let (status, body) = match name {
        "create" => http.keyed("POST", PAYMENTS, &key, &order(reference, 1000)).await,
        "approve" | "abort" => http.control("POST", &format!("payments/{reference}/{name}"), json!({})).await,
        "force" => http.send(http.request("POST", &format!("/epayment/v1/test/payments/{reference}/approve"))).await,
        "capture" | "refund" => http.keyed("POST", &format!("{path}/{name}"), &key, &part).await,
        "cancel" => http.keyed("POST", &format!("{path}/cancel"), &key, &json!({})).await,
        "cancel-without-key" => http.send(http.request("POST", &format!("{path}/cancel"))).await,
        "ten-minutes" => {
            http.advance(600).await;
            (200, Value::Null)
        }
        other => panic!("unknown act {other}"),
    };
    assert!(status < 300, "{act}: {status} {body}");
    http.advance(0).await;
}

#[tokio::test]
async fn a_registration_is_listed_without_its_secret_until_it_is_deleted() {
    let http = Http::start().await;
    let (id, secret) = register(&http, "https://acme.example/hooks?tenant=7", &[CREATED, AUTHORIZED]).await;
    assert!(id.len() == 36 && id.split('-').count() == 5, "{id} is no UUID");
    assert!(!secret.is_empty());
    let registered = json!({ "id": id, "url": "https://acme.example/hooks?tenant=7", "events": [CREATED, AUTHORIZED] });
    assert_eq!(http.get(WEBHOOKS).await, (200, json!({ "webhooks": [registered] })));
    let one = format!("{WEBHOOKS}/{id}");
    assert_eq!(http.get(&one).await.0, 405, "one alone cannot be read");
    assert_eq!(http.send(http.request("DELETE", &one)).await, (204, Value::Null));
    assert_eq!(http.get(WEBHOOKS).await, (200, json!({ "webhooks": [] })));
    assert_eq!(http.send(http.request("DELETE", &one)).await.0, 404);
}

#[tokio::test]
async fn addresses_are_https_or_local_and_events_are_known() {
    let http = Http::start().await;
    let all: Vec<&str> =
        [&PAYMENT_EVENTS[..], &RECURRING_EVENTS, &[CHECKED_IN, "login.merchant-initiated.ping.v1"]].concat();
    let table: &[(&str, &[&str], u16)] = &[
        ("https://acme.example/hooks", &all, 201),
        ("http://127.0.0.1:9/hooks", &[CREATED], 201),
        ("http://localhost:9/hooks", &[CREATED], 201),
        ("http://[::1]:9/hooks", &[CREATED], 201),
        ("http://acme.example/hooks", &[CREATED], 400),
        ("ftp://acme.example/hooks", &[CREATED], 400),
        ("acme://hooks", &[CREATED], 400),
        ("/hooks", &[CREATED], 400),
        ("https://acme.example/hooks", &["epayments.payment.canceled.v1"], 400),
        ("https://acme.example/hooks", &["recurring.charge-cancelled.v1"], 400),
        ("https://acme.example/hooks", &["epayments.payment.created"], 400),
        ("https://acme.example/hooks", &[CREATED, "epayments.payment.forgotten.v1"], 400),
    ];
    for (url, events, status) in table {
        let (found, body) = http.send(registration(&http, url, events)).await;
        assert_eq!(found, *status, "{url} {events:?}: {body}");
        assert!(found == 201 || body["traceId"].is_string() && body["status"] == 400, "{body}");
    }
    for incomplete in [json!({ "events": [CREATED] }), json!({ "url": "https://acme.example" }), json!({})] {
        assert_eq!(http.send(http.request("POST", WEBHOOKS).json(&incomplete)).await.0, 400, "{incomplete}");
    }
    let refused = registration(&http, "/hooks", &[CREATED]).send().await.unwrap();
    assert!(refused.headers()["content-type"].to_str().unwrap().starts_with("application/problem+json"));
    assert_eq!(http.get(WEBHOOKS).await.1["webhooks"].as_array().unwrap().len(), 4, "refusals leave nothing");
}

#[tokio::test]
async fn there_are_so_many_registrations_per_event_and_sales_unit() {
    let url = "https://acme.example/hooks";
    for (profile, event, most) in
        [(Profile::Current, CREATED, 25), (Profile::Seed, CREATED, 5), (Profile::Current, CHECKED_IN, 1)]
    {
        let mut options = Options::default();
        options.profile = profile;
        options.merchant_serial_numbers = vec!["123456".into(), "654321".into()];
        let http = Http::start_with(options).await;
        let mut last = String::new();
        for _ in 0..most {
            last = register(&http, url, &[event]).await.0;
        }
        let status = async |events: &[&str], unit: Option<&str>| {
            http.send(for_unit(registration(&http, url, events), unit)).await.0
        };
        assert_eq!(status(&[event], Some("123456")).await, 400, "{event}: one more than {most}");
        assert_eq!(status(&[AUTHORIZED, event], Some("123456")).await, 400, "{event}: also among others");
        assert_eq!(status(&[AUTHORIZED], Some("123456")).await, 201, "another event");
        assert_eq!(status(&[event], Some("654321")).await, 201, "another sales unit");
        assert_eq!(status(&[event], None).await, 201, "all sales units have a bucket of their own");
        assert_eq!(http.send(http.request("DELETE", &format!("{WEBHOOKS}/{last}"))).await.0, 204);
        assert_eq!(status(&[event], Some("123456")).await, 201, "{event}: one was deleted");
    }
}

#[tokio::test]
async fn without_a_sales_unit_a_registration_is_for_all_of_them() {
    let mut options = Options::default();
    options.clock = ClockMode::Manual;
    options.merchant_serial_numbers = vec!["123456".into(), "654321".into()];
    let (http, all, one) = (Http::start_with(options).await, Receiver::start().await, Receiver::start().await);
    let for_all = for_unit(registration(&http, &all.url("/all"), &[CREATED]), None);
    assert_eq!(http.send(for_all).await.0, 201);
    register(&http, &one.url("/one"), &[CREATED]).await;
    for unit in ["654321", "123456"] {
        let create = http.request("POST", PAYMENTS).header("Idempotency-Key", "create");
        assert_eq!(http.send(for_unit(create.json(&order("acme-order-42", 1000)), Some(unit))).await.0, 201);
        http.advance(0).await;
    }
    for (receiver, units) in [(&all, &["654321", "123456"][..]), (&one, &["123456"])] {
        let told: Vec<String> = receiver.received().iter().map(|call| text(&call.json()["msn"])).collect();
        assert_eq!(told, units);
    }
}

/// Name, amount and the act whose key it carries.
type Told = (&'static str, i64, Option<&'static str>);

#[tokio::test]
async fn every_event_of_a_payment_is_told_with_its_own_amount_key_and_psp_reference() {
    let created = ("CREATED", 1000, Some("create"));
    // An approval repeats the key of the creation.
    let authorized = ("AUTHORIZED", 1000, Some("create"));
    let table: &[(&[&str], &[Told])] = &[
        (
            &["create", "approve", "capture 250", "refund 100", "cancel"],
            &[
                created,
                authorized,
                ("CAPTURED", 250, Some("capture-250")),
                ("REFUNDED", 100, Some("refund-100")),
                ("CANCELLED", 750, None),
            ],
        ),
        (&["create", "force"], &[created, authorized]),
        (&["create", "abort"], &[created, ("ABORTED", 1000, None)]),
        (&["create", "ten-minutes"], &[created, ("EXPIRED", 1000, None)]),
        (&["create", "cancel-without-key"], &[created, ("TERMINATED", 1000, None)]),
    ];
    for (acts, expected) in table {
        let (http, receiver) = (Http::start_manual().await, Receiver::start().await);
        let verifier = register_each(&http, &receiver, &PAYMENT_EVENTS).await;
        for step in *acts {
            act(&http, "acme-order-42", step).await;
        }
        let received = receiver.received();
        assert_eq!(received.len(), expected.len(), "{acts:?}");
        assert_verified(&verifier, &received);
        for (call, (name, value, key)) in received.iter().zip(*expected) {
            let event = call.json();
            assert_eq!(call.target, format!("/epayments.payment.{}.v1", name.to_lowercase()));
            assert_eq!((&event["msn"], &event["reference"]), (&json!("123456"), &json!("acme-order-42")));
            assert_eq!((&event["name"], &event["success"]), (&json!(name), &json!(true)));
            assert_eq!(event["amount"], json!({ "currency": "NOK", "value": value }), "{name}");
            let key = key.map(|act| format!("acme-order-42-{act}"));
            assert_eq!(event["idempotencyKey"].as_str(), key.as_deref(), "{name}");
            let at = if *name == "EXPIRED" { "2026-01-01T00:10:00" } else { "2026-01-01T00:00:00" };
            assert!(text(&event["timestamp"]).starts_with(at), "{event}");
            assert_eq!(event["captureGuaranteedUntil"].is_string(), *name == "AUTHORIZED", "{event}");
            for personal in ["userDetails", "shippingDetails", "profile", "sub"] {
                assert!(event[personal].is_null(), "nothing was asked for: {event}");
            }
        }
        let own: BTreeSet<String> = received.iter().map(|call| text(&call.json()["pspReference"])).collect();
        assert_eq!(own.len(), expected.len(), "every event has its own");
        let (_, payment) = http.get(&format!("{PAYMENTS}/acme-order-42")).await;
        assert_eq!(payment["pspReference"], received[0].json()["pspReference"], "the payment has that of CREATED");
    }
}

#[tokio::test]
async fn an_approval_that_fails_is_told_without_success_and_the_customer_may_try_again() {
    for value in [151, 182, 183, 184, 186, 187, 197, 202] {
        let (http, receiver) = (Http::start_manual().await, Receiver::start().await);
        register(&http, &receiver.url("/"), &[AUTHORIZED]).await;
        assert_eq!(http.post(PAYMENTS, &order("acme-order-42", value)).await.0, 201);
        act(&http, "acme-order-42", "approve").await;
        assert_eq!(http.get(&format!("{PAYMENTS}/acme-order-42")).await.1["state"], "CREATED", "{value}");
        let events: Vec<Value> = receiver.received().iter().map(Received::json).collect();
        assert_eq!(events.len(), 1, "{value}");
        assert_eq!((&events[0]["name"], &events[0]["success"]), (&json!("AUTHORIZED"), &json!(false)), "{value}");
        act(&http, "acme-order-42", "force").await;
        assert_eq!(receiver.received()[1].json()["success"], true, "{value}: force approve knows no magic");
    }
}

const CHARGE: &str = "acme-box-1";

pub(crate) async fn draft(http: &Http, initial: Option<(&str, i64)>) -> Value {
    let mut body = json!({
        "productName": "Vegetable box", "pricing": { "type": "LEGACY", "amount": 10_000, "currency": "NOK" },
        "interval": { "unit": "MONTH", "count": 1 }, "merchantAgreementUrl": "https://acme.example/agreement",
        "merchantRedirectUrl": "https://acme.example/thanks"
    });
    if let Some((transaction_type, amount)) = initial {
        body["initialCharge"] = json!({
            "amount": amount, "description": "First box", "transactionType": transaction_type, "orderId": CHARGE
        });
    }
    let (status, agreement) = http.post("/recurring/v3/agreements", &body).await;
    assert_eq!(status, 201, "{agreement}");
    agreement
}

pub(crate) async fn act_on_agreement(http: &Http, id: &str, act: &str) {
    let (name, rest) = act.split_once(' ').unwrap_or((act, ""));
    let amount: i64 = rest.parse().unwrap_or_default();
    let path = format!("/recurring/v3/agreements/{id}");
    let charge = format!("{path}/charges/{CHARGE}");
    let mut new_charge = json!({
        "amount": amount, "transactionType": "DIRECT_CAPTURE", "description": "A box", "due": "2026-01-03",
        "retryDays": 0, "orderId": CHARGE
    });
    let (status, body) = match name {
        "approve" | "reject" => http.control("POST", &format!("agreements/{id}/{name}"), json!({})).await,
        "stop" if rest == "MERCHANT" => http.write("PATCH", &path, &json!({ "status": "STOPPED" })).await,
        "stop" => http.control("POST", &format!("agreements/{id}/stop"), json!({ "actor": rest })).await,
        "capture" => http.post(&format!("{charge}/capture"), &json!({ "amount": amount })).await,
        "refund" => http.post(&format!("{charge}/refund"), &json!({ "amount": amount, "description": "Bad" })).await,
        "cancel" => http.write("DELETE", &charge, &Value::Null).await,
        "charge" => http.post(&format!("{path}/charges"), &new_charge).await,
        "batch" => {
            new_charge["agreementId"] = id.into();
            http.post("/recurring/v3/agreements/charges", &json!([new_charge])).await
        }
        "ten-minutes" => {
            http.advance(600).await;
            (200, Value::Null)
        }
        "until-charged" => {
            http.advance(5 * 86_400).await;
            (200, Value::Null)
        }
        other => panic!("unknown act {other}"),
    };
    assert!(status < 300, "{act}: {status} {body}");
    http.advance(0).await;
}

/// An event in words: its name, who did it or which charge, and what the operation moved.
fn in_words(event: &Value) -> String {
    let name = text(&event["eventType"]).replace("recurring.", "").replace(".v1", "");
    let members = ["actor", "chargeType", "amountCaptured", "amountRefunded", "amountCanceled"];
    let said = members.iter().map(|member| &event[*member]).filter(|value| !value.is_null());
    said.fold(name, |words, value| format!("{words} {}", value.to_string().trim_matches('"')))
}

/// Initial charge, acts, and what is told: sorted, for agreement and charge are two things.
type Row = (Option<(&'static str, i64)>, &'static [&'static str], &'static [&'static str]);

#[tokio::test]
async fn every_event_of_agreements_and_charges_is_told() {
    let (reserve, direct) = ("RESERVE_CAPTURE", "DIRECT_CAPTURE");
    let table: &[Row] = &[
        (
            Some((reserve, 500)),
            &["approve", "capture 300", "refund 100", "cancel"],
            &[
                "agreement-activated",
                "charge-canceled INITIAL 200",
                "charge-captured INITIAL 300",
                "charge-refunded INITIAL 100",
                "charge-reserved INITIAL",
            ],
        ),
        (Some((direct, 500)), &["approve"], &["agreement-activated", "charge-captured INITIAL 500"]),
        (Some((direct, 151)), &["approve"], &["agreement-expired", "charge-failed INITIAL"]),
        (None, &["reject"], &["agreement-rejected"]),
        (None, &["ten-minutes"], &["agreement-expired"]),
        (None, &["approve", "stop USER"], &["agreement-activated", "agreement-stopped USER"]),
        (None, &["approve", "stop ADMIN"], &["agreement-activated", "agreement-stopped ADMIN"]),
        (
            Some((reserve, 500)),
            &["approve", "stop MERCHANT"],
            &[
                "agreement-activated",
                "agreement-stopped MERCHANT",
                "charge-canceled INITIAL 500",
                "charge-reserved INITIAL",
            ],
        ),
        (
            Some((reserve, 500)),
            &["approve", "stop USER"],
            &["agreement-activated", "agreement-stopped USER", "charge-reserved INITIAL"],
        ),
        (None, &["approve", "charge 500", "until-charged"], &["agreement-activated", "charge-captured RECURRING 500"]),
        (None, &["approve", "charge 151", "until-charged"], &["agreement-activated", "charge-failed RECURRING"]),
        (
            None,
            &["approve", "stop MERCHANT", "batch 500"],
            &["agreement-activated", "agreement-stopped MERCHANT", "charge-creation-failed RECURRING"],
        ),
    ];
    for (initial, acts, expected) in table {
        let (http, receiver) = (Http::start_manual().await, Receiver::start().await);
        let verifier = register_each(&http, &receiver, &RECURRING_EVENTS).await;
        let agreement = draft(&http, *initial).await;
        let id = text(&agreement["agreementId"]);
        for step in *acts {
            act_on_agreement(&http, &id, step).await;
        }
        let received = receiver.received();
        let mut words: Vec<String> = received.iter().map(|call| in_words(&call.json())).collect();
        words.sort();
        assert_eq!(words, *expected, "{initial:?} {acts:?}");
        assert_verified(&verifier, &received);
        for call in &received {
            let event = call.json();
            assert_eq!(call.target, format!("/{}", text(&event["eventType"])));
            assert_eq!((&event["agreementId"], &event["msn"]), (&json!(id), &json!("123456")), "{event}");
            assert!(text(&event["occurred"]).starts_with("2026-01-0") && event["name"].is_null(), "{event}");
            if call.target.contains("agreement-") {
                assert_eq!((&event["agreementUUID"], &event["chargeId"]), (&agreement["uuid"], &Value::Null));
            } else {
                assert_eq!((&event["chargeId"], &event["currency"]), (&json!(CHARGE), &json!("NOK")), "{event}");
                assert!(event["amount"].is_i64(), "plain minor units: {event}");
            }
            assert_eq!(event["failureReason"].is_string(), call.target.contains("failed"), "{event}");
            let nulls = event.as_object().unwrap().values().filter(|member| member.is_null()).count();
            assert_eq!(nulls, 0, "what is not there is left out: {event}");
        }
    }
}

#[tokio::test]
async fn each_operation_on_a_charge_has_a_transaction_of_its_own_as_in_the_history() {
    let (http, receiver) = (Http::start_manual().await, Receiver::start().await);
    register(&http, &receiver.url("/"), &RECURRING_EVENTS).await;
    let agreement = text(&draft(&http, Some(("RESERVE_CAPTURE", 500))).await["agreementId"]);
    act_on_agreement(&http, &agreement, "approve").await;
    let charge = format!("/recurring/v3/agreements/{agreement}/charges/{CHARGE}");
    for (verb, body) in [
        ("capture", json!({ "amount": 100 })),
        ("capture", json!({ "amount": 200 })),
        ("refund", json!({ "amount": 100, "description": "Wilted" })),
    ] {
        assert_eq!(http.post(&format!("{charge}/{verb}"), &body).await.0, 204);
    }
    assert_eq!(http.write("DELETE", &charge, &Value::Null).await.0, 204);
    http.advance(0).await;
    let events: Vec<Value> = receiver.received().iter().map(Received::json).collect();
    let told: Vec<String> = events.iter().filter_map(|one| Some(one["transactionId"].as_str()?.to_owned())).collect();
    let (_, charge) = http.get(&charge).await;
    let history = charge["history"].as_array().unwrap();
    let kept: Vec<String> = history.iter().filter_map(|one| Some(one["transactionId"].as_str()?.to_owned())).collect();
    assert_eq!(told, kept, "in the order of the history: {charge}");
    let mut apart = told.clone();
    apart.sort();
    apart.dedup();
    assert_eq!((told.len(), apart.len()), (5, 5), "reserve, two captures, a refund, a release: {told:?}");
    assert!(history[0]["transactionId"].is_null(), "nothing moved when it was created");
}

#[tokio::test]
async fn a_charge_that_fails_is_told_with_the_reasons_of_the_charge_itself() {
    let (http, receiver) = (Http::start_manual().await, Receiver::start().await);
    register(&http, &receiver.url("/"), &RECURRING_EVENTS).await;
    let agreement = text(&draft(&http, None).await["agreementId"]);
    act_on_agreement(&http, &agreement, "approve").await;
    let charge = json!({
        "amount": 151, "transactionType": "DIRECT_CAPTURE", "description": "A box", "due": "2026-01-02",
        "retryDays": 0, "orderId": "box-151"
    });
    assert_eq!(http.post(&format!("/recurring/v3/agreements/{agreement}/charges"), &charge).await.0, 201);
    http.advance(3 * 86_400).await;
    let failed = receiver.received().iter().map(Received::json).find(|one| one["chargeId"] == "box-151").unwrap();
    let (_, charge) = http.get(&format!("/recurring/v3/agreements/{agreement}/charges/box-151")).await;
    assert_eq!(
        (&failed["failureReason"], &charge["failureReason"]),
        (&json!("user_action_required"), &json!("user_action_required"))
    );
    assert!(failed.get("transactionId").is_none(), "no money moved: {failed}");
}

#[tokio::test]
async fn a_delivery_names_its_registration_and_its_sender() {
    let (http, receiver) = (Http::start_manual().await, Receiver::start().await);
    let (id, _) = register(&http, &receiver.url("/a"), &[CREATED]).await;
    assert_eq!(http.post(PAYMENTS, &order("acme-order-42", 1000)).await.0, 201);
    http.advance(0).await;
    let [call] = &receiver.received()[..] else { panic!("one delivery") };
    assert_eq!(call.header("webhook-id"), Some(id));
    assert_eq!(call.header("user-agent").as_deref(), Some("Vipps MobilePay/1.0 Webhooks/1.0"));
    assert!(!call.header("authorization").unwrap().contains("webhook-id"), "it is not signed");
}

#[tokio::test]
async fn events_of_donations_can_be_registered() {
    let http = Http::start().await;
    let kinds = ["started", "stopped", "withdrawal-day-changed", "amount-changed"];
    let events = kinds.map(|kind| format!("donations.agreement.{kind}.v1"));
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    register(&http, "https://acme.example/hooks", &events).await;
    let unknown = registration(&http, "https://acme.example/hooks", &["donations.agreement.doubled.v1"]);
    assert_eq!(http.send(unknown).await.0, 400);
}
