use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use vipps_callbacks::Registration;
use vipps_tests::{Http, Received, Receiver, Reply, ScriptedServer};

use crate::sandbox_webhooks::{
    AUTHORIZED, CREATED, EXPIRED, PAYMENT_EVENTS, PAYMENTS, WEBHOOKS, act, order, receipt, register, text, verifier,
};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

async fn failing() -> Receiver {
    Receiver::answering(vec![(500, Value::Null)]).await
}

async fn failing_once() -> Receiver {
    Receiver::answering(vec![(500, Value::Null), (200, json!({}))]).await
}

/// What a receiver got: references and event names, in order.
fn told(receiver: &Receiver) -> Vec<(String, String)> {
    let events: Vec<Value> = receiver.received().iter().map(Received::json).collect();
    events.iter().map(|event| (text(&event["reference"]), text(&event["name"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(reference, name)| ((*reference).to_owned(), (*name).to_owned())).collect()
}

/// The value of `Authorization` by the published recipe.
fn authorization(secret: &str, url: &str, date: &str, body: &[u8]) -> String {
    let (host, path) = url.split_once("://").unwrap().1.split_once('/').unwrap();
    let hash = STANDARD.encode(Sha256::digest(body));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("POST\n/{path}\n{date};{host};{hash}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    format!("HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}")
}

/// Whether a call to this address is signed with this secret.
pub(crate) fn is_signed(call: &Received, url: &str, secret: &str) -> bool {
    let hash = STANDARD.encode(Sha256::digest(&call.body));
    let wanted = authorization(secret, url, &call.header("x-ms-date").unwrap(), &call.body);
    call.header("x-ms-content-sha256") == Some(hash) && call.header("authorization") == Some(wanted)
}

#[test]
fn the_recipe_of_these_tests_gives_the_published_signatures() {
    let hello = r#"{"some-unique-content":"ee6e441b-cc4a-46f8-895d-a5af79bcc233/hello-world"}"#;
    let payment = r#"{"msn":"123456","reference":"order-acme-0001","pspReference":"7686f7788898767977","name":"AUTHORIZED","amount":{"currency":"NOK","value":49900},"timestamp":"2026-08-01T10:00:00.000Z","idempotencyKey":null,"success":true}"#;
    let vectors = [
        (
            "A0+AeKBRG2KRGvnNwJpQlb6IJFk48CKXCIcrLoHncVJKDILsQSxS6NWCccwWm6r6FhGKhiHTBsG2wo/xU6FY/A==",
            "https://webhook.site/e2cee29b-012e-4f1d-8ef4-e95fd74a7a63",
            "Thu, 30 Mar 2023 08:38:32 GMT",
            hello,
            "agAiSyogQbDHpeucoNwYz+yAr5nJ+v+zasdkSbqzv+U=",
        ),
        (
            "c2FuZGJveC13ZWJob29rLXNlY3JldC0wMDAx",
            "http://localhost:8443/hooks/vipps?tenant=7",
            "Sat, 01 Aug 2026 10:00:00 GMT",
            payment,
            "g/b4JpDygsAKz0cBZvdGAUle30bXyod3YHTypIwupAM=",
        ),
    ];
    for (secret, url, date, body, signature) in vectors {
        let found = authorization(secret, url, date, body.as_bytes());
        assert_eq!(found.split_once("Signature=").unwrap().1, signature, "{url}");
    }
}

#[tokio::test]
async fn the_same_address_twice_gets_everything_twice() {
    let (http, receiver) = (Http::start_manual().await, Receiver::start().await);
    let url = receiver.url("/hooks");
    let secrets = [register(&http, &url, &[CREATED]).await.1, register(&http, &url, &[CREATED]).await.1];
    act(&http, "acme-order-42", "create").await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].body, received[1].body);
    for secret in &secrets {
        assert_eq!(received.iter().filter(|call| is_signed(call, &url, secret)).count(), 1, "each with its own secret");
    }
}

#[tokio::test]
async fn a_delivery_is_signed_over_its_bytes_its_registered_address_and_its_date() {
    let (http, receiver) = (Http::start_manual().await, failing_once().await);
    let url = receiver.url("/hooks/vipps?tenant=7&shop=bl%C3%A5");
    let (_, secret) = register(&http, &url, &[CREATED]).await;
    act(&http, "acme-order-42", "create").await;
    http.advance(2).await;
    let received = receiver.received();
    let dates: Vec<_> = received.iter().filter_map(|call| call.header("x-ms-date")).collect();
    assert_eq!(dates, ["Thu, 01 Jan 2026 00:00:00 GMT", "Thu, 01 Jan 2026 00:00:02 GMT"], "each attempt has its own");
    for call in &received {
        assert_eq!((call.method.as_str(), call.target.as_str()), ("POST", "/hooks/vipps?tenant=7&shop=bl%C3%A5"));
        assert_eq!(call.header("content-type").as_deref(), Some("application/json"));
        assert_eq!(call.header("host").as_deref(), url.split('/').nth(2));
        assert!(is_signed(call, &url, &secret));
        assert!(!is_signed(call, &receiver.url("/hooks/vipps"), &secret), "the query is signed too");
    }
    assert_eq!(received[0].body, received[1].body);
}

/// A time of January 2026, so many seconds after its start.
fn at(seconds: i64) -> String {
    let (day, hour, minute, second) = (seconds / DAY + 1, seconds / HOUR % 24, seconds / 60 % 60, seconds % 60);
    format!("2026-01-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

#[tokio::test]
async fn a_failing_delivery_is_tried_by_the_published_schedule_for_seven_days() {
    let (http, receiver) = (Http::start_manual().await, failing().await);
    register(&http, &receiver.url("/"), &[CREATED]).await;
    act(&http, "acme-order-42", "create").await;
    http.advance(8 * 86_400).await;
    let mut expected = vec![0, 2, 4, 6, 66, 186];
    expected.extend((7..=29).map(|attempt| 186 + (attempt - 6) * HOUR));
    // A seventh day after the last hour would be later than seven days after the first.
    expected.extend((1..=6).map(|day| 186 + 23 * HOUR + day * DAY));
    let deliveries = http.sandbox.deliveries();
    assert_eq!((deliveries.len(), &deliveries[0]["state"]), (1, &json!("failed")));
    let attempts = deliveries[0]["attempts"].as_array().unwrap();
    let times: Vec<String> = attempts.iter().map(|attempt| text(&attempt["at"])).collect();
    assert_eq!(times, expected.into_iter().map(at).collect::<Vec<_>>());
    assert_eq!(receiver.received().len(), 35);
}

#[tokio::test]
async fn only_a_2xx_in_time_is_a_success() {
    // None: no answer at all.
    let answers = [200, 201, 204, 301, 400, 401, 404, 410, 429, 500, 503].map(Some).into_iter().chain([None]);
    for answer in answers {
        let http = Http::start_manual().await;
        let limit = if answer.is_some() { 10_000 } else { 50 };
        http.control("PATCH", "settings", json!({ "deliveryTimeoutMillis": limit })).await;
        let receiver = match answer {
            Some(status) => Receiver::answering(vec![(status, Value::Null)]).await,
            None => Receiver::silent().await,
        };
        register(&http, &receiver.url("/"), &[CREATED]).await;
        act(&http, "acme-order-42", "create").await;
        http.advance(2).await;
        let succeeds = answer.is_some_and(|status| status < 300);
        let delivery = &http.sandbox.deliveries()[0];
        let attempts = delivery["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), if succeeds { 1 } else { 2 }, "{answer:?}: {delivery}");
        assert_eq!(delivery["state"], if succeeds { "delivered" } else { "pending" }, "{answer:?}");
        assert_eq!(delivery["nextAttempt"], if succeeds { Value::Null } else { json!(at(4)) }, "{answer:?}");
        match answer {
            Some(status) => assert_eq!(attempts[0]["status"], status),
            None => assert!(attempts[0]["error"].is_string(), "{delivery}"),
        }
    }
}

#[tokio::test]
async fn redirects_are_failures_and_not_followed() {
    let (http, elsewhere) = (Http::start_manual().await, Receiver::start().await);
    let location = format!("location: {}\r\n", elsewhere.url("/elsewhere"));
    let server = ScriptedServer::start(vec![Reply::json(307, &location, "{}")]).await;
    let url = format!("{}/hooks", server.environment().base_url().trim_end_matches('/'));
    register(&http, &url, &[CREATED]).await;
    act(&http, "acme-order-42", "create").await;
    http.advance(2).await;
    assert_eq!((server.seen().len(), elsewhere.received().len()), (2, 0));
    assert_eq!(http.sandbox.deliveries()[0]["attempts"][0]["status"], 307);
}

#[tokio::test]
async fn a_failing_event_holds_back_later_events_of_its_payment_at_its_registration_only() {
    let http = Http::start_manual().await;
    let (shaky, sound) = (failing_once().await, Receiver::start().await);
    for receiver in [&shaky, &sound] {
        register(&http, &receiver.url("/"), &PAYMENT_EVENTS).await;
    }
    for step in ["create", "approve", "capture 300", "capture 200"] {
        act(&http, "acme-order-42", step).await;
    }
    act(&http, "acme-order-43", "create").await;
    let [created, authorized, captured] = ["CREATED", "AUTHORIZED", "CAPTURED"].map(|name| ("acme-order-42", name));
    let other = ("acme-order-43", "CREATED");
    assert_eq!(told(&sound), pairs(&[created, authorized, captured, captured, other]));
    assert_eq!(told(&shaky), pairs(&[created, other]), "the other payment does not wait");
    http.advance(2).await;
    assert_eq!(told(&shaky), pairs(&[created, other, created, authorized, captured, captured]));
    let amounts = [4, 5].map(|index: usize| shaky.received()[index].json()["amount"]["value"].clone());
    assert_eq!(amounts, [300, 200]);
}

#[tokio::test]
async fn a_registration_is_removed_after_two_weeks_of_failures_alone() {
    let http = Http::start_manual().await;
    let (dead, shaky) = (failing().await, failing_once().await);
    let (dead_id, secret) = register(&http, &dead.url("/"), &[EXPIRED]).await;
    let (shaky_id, _) = register(&http, &shaky.url("/"), &[EXPIRED]).await;
    // Something to tell after 1, 6, 12 and 18 days.
    let expiries = [("acme-order-1", "02"), ("acme-order-6", "07"), ("acme-order-12", "13"), ("acme-order-18", "19")];
    for (reference, day) in expiries {
        let mut body = order(reference, 1000);
        body["expiresAt"] = format!("2026-01-{day}T00:00:00Z").into();
        body["receipt"] = receipt();
        assert_eq!(http.post(PAYMENTS, &body).await.0, 201);
    }
    let registered = async || http.control("GET", "webhooks", Value::Null).await.1.to_string();
    http.advance(15 * 86_400 - 3_600).await;
    let before = registered().await;
    assert!(before.contains(&dead_id) && before.contains(&shaky_id) && !before.contains(&secret), "{before}");
    http.advance(86_400 + 7_200).await;
    let after = registered().await;
    assert!(!after.contains(&dead_id) && after.contains(&shaky_id), "{after}");
    let seen = dead.received().len();
    http.advance(7 * 86_400).await;
    assert_eq!(dead.received().len(), seen, "nothing waits and nothing comes any more");
    let references: Vec<String> = told(&shaky).into_iter().map(|(reference, _)| reference).collect();
    assert_eq!(references, ["acme-order-1", "acme-order-1", "acme-order-6", "acme-order-12", "acme-order-18"]);
}

#[tokio::test]
async fn deleting_a_registration_stops_what_waits_for_it() {
    let (http, receiver) = (Http::start_manual().await, failing().await);
    let (id, _) = register(&http, &receiver.url("/"), &PAYMENT_EVENTS).await;
    act(&http, "acme-order-42", "create").await;
    act(&http, "acme-order-42", "approve").await;
    assert_eq!(http.send(http.request("DELETE", &format!("{WEBHOOKS}/{id}"))).await.0, 204);
    act(&http, "acme-order-42", "capture 100").await;
    http.advance(8 * 86_400).await;
    assert_eq!(told(&receiver), pairs(&[("acme-order-42", "CREATED")]));
    for delivery in http.sandbox.deliveries() {
        assert!(delivery["state"] != "pending" && delivery["nextAttempt"].is_null(), "{delivery}");
    }
}

#[tokio::test]
async fn a_delivery_can_be_replayed_whether_it_arrived_or_not() {
    for mode in ["normal", "drop"] {
        let (http, receiver) = (Http::start_manual().await, Receiver::start().await);
        let url = receiver.url("/hooks");
        let (_, secret) = register(&http, &url, &[CREATED]).await;
        http.control("POST", "deliveries/mode", json!({ "mode": mode })).await;
        act(&http, "acme-order-42", "create").await;
        let sent = receiver.received().len();
        assert_eq!(sent, usize::from(mode == "normal"));
        http.control("POST", "deliveries/mode", json!({ "mode": "normal" })).await;
        let id = text(&http.sandbox.deliveries()[0]["id"]);
        let (status, delivery) = http.control("POST", &format!("deliveries/{id}/replay"), json!({})).await;
        let attempts = delivery["attempts"].as_array().unwrap();
        assert_eq!((status, attempts.len(), &delivery["id"]), (200, sent + 1, &json!(id)));
        assert_eq!(attempts[sent]["status"], 200);
        let received = receiver.received();
        assert_eq!(received.len(), sent + 1, "{mode}");
        assert!(received.iter().all(|call| call.body == received[0].body && is_signed(call, &url, &secret)));
        assert_eq!(http.control("POST", "deliveries/nothing/replay", json!({})).await.0, 404);
    }
}

#[tokio::test]
async fn webhooks_misbehave_as_told() {
    let table: &[(&str, &[&str], bool)] = &[
        ("normal", &["CREATED", "AUTHORIZED"], true),
        ("drop", &[], true),
        ("duplicate", &["CREATED", "CREATED", "AUTHORIZED", "AUTHORIZED"], true),
        ("reorder", &["AUTHORIZED", "CREATED"], true),
        ("delay", &["CREATED", "AUTHORIZED"], true),
        ("badSignature", &["CREATED", "AUTHORIZED"], false),
    ];
    for (mode, names, signed) in table {
        let (http, receiver) = (Http::start_manual().await, Receiver::start().await);
        let url = receiver.url("/hooks");
        let (_, secret) = register(&http, &url, &[CREATED, AUTHORIZED]).await;
        assert_eq!(http.control("POST", "deliveries/mode", json!({ "mode": mode })).await.0, 200);
        assert_eq!(http.control("GET", "deliveries/mode", Value::Null).await.1["mode"], *mode);
        act(&http, "acme-order-42", "create").await;
        act(&http, "acme-order-42", "approve").await;
        assert_eq!(receiver.received().is_empty(), ["drop", "reorder", "delay"].contains(mode), "{mode}: held back");
        http.advance(if *mode == "delay" { 60 } else { 1 }).await;
        let received = receiver.received();
        let found: Vec<String> = received.iter().map(|call| text(&call.json()["name"])).collect();
        assert_eq!(found, *names, "{mode}");
        assert!(received.iter().all(|call| is_signed(call, &url, &secret) == *signed), "{mode}");
        let verifier = verifier();
        verifier.add(Registration::new(&url, secret).unwrap());
        let mut keys = BTreeSet::new();
        for call in &received {
            let found = verifier.verify(call.headers().iter().map(|(name, value)| (name, value)), &call.body);
            assert_eq!(found.is_ok(), *signed, "{mode}: {found:?}");
            keys.extend(found.map(|delivery| delivery.key().to_string()));
        }
        let different = BTreeSet::from_iter(&found).len();
        assert_eq!(keys.len(), if *signed { different } else { 0 }, "{mode}: a copy has the same key");
        let state = if *mode == "drop" { "dropped" } else { "delivered" };
        assert!(http.sandbox.deliveries().iter().all(|delivery| delivery["state"] == state), "{mode}");
    }
    let http = Http::start_manual().await;
    assert_eq!(http.control("POST", "deliveries/mode", json!({ "mode": "eat" })).await.0, 400);
}

#[tokio::test]
async fn an_endpoint_that_hangs_holds_up_no_other() {
    let http = Http::start().await;
    let (hanging, quick) = (Receiver::silent().await, Receiver::start().await);
    for receiver in [&hanging, &quick] {
        register(&http, &receiver.url("/hook"), &[CREATED]).await;
    }
    assert_eq!(http.create(&order("acme-order-1", 1000)).await.0, 201);
    assert_eq!(http.create(&order("acme-order-2", 1000)).await.0, 201);
    // Well before the ten seconds that the other may take.
    for _ in 0..2000 {
        if quick.received().len() == 2 {
            break;
        }
        assert_eq!(http.control("GET", "clock", Value::Null).await.0, 200);
    }
    assert_eq!(told(&quick), pairs(&[("acme-order-1", "CREATED"), ("acme-order-2", "CREATED")]));
    assert!(hanging.received().len() <= 1, "it is sent one at a time");
}

/// Waits until a receiver has so many calls, or gives up.
async fn until(http: &Http, receiver: &Receiver, calls: usize) {
    for _ in 0..2000 {
        if receiver.received().len() >= calls {
            return;
        }
        assert_eq!(http.control("GET", "clock", Value::Null).await.0, 200);
    }
}

#[tokio::test]
async fn events_after_an_advance_are_delivered_by_themselves() {
    let http = Http::start_manual().await;
    let merchant = Receiver::start().await;
    register(&http, &merchant.url("/hook"), &[CREATED]).await;
    assert_eq!(http.create(&order("acme-order-1", 1000)).await.0, 201);
    until(&http, &merchant, 1).await;
    // Past the time at which the first would expire, which the clock was sleeping for.
    http.advance(700).await;
    assert_eq!(http.create(&order("acme-order-2", 1000)).await.0, 201);
    until(&http, &merchant, 2).await;
    assert_eq!(merchant.received().len(), 2);
}

#[tokio::test]
async fn what_waits_for_a_hanging_endpoint_is_dropped_with_its_registration() {
    let http = Http::start().await;
    assert_eq!(http.control("PATCH", "settings", json!({ "deliveryTimeoutMillis": 300 })).await.0, 200);
    let hanging = Receiver::silent().await;
    let (id, _) = register(&http, &hanging.url("/hook"), &[CREATED]).await;
    for reference in ["acme-order-1", "acme-order-2", "acme-order-3"] {
        assert_eq!(http.create(&order(reference, 1000)).await.0, 201);
    }
    until(&http, &hanging, 1).await;
    assert_eq!(http.write("DELETE", &format!("{WEBHOOKS}/{id}"), &Value::Null).await.0, 204);
    // Returns once nothing is being sent.
    assert_eq!(http.control("POST", "clock/advance", json!({ "seconds": 0 })).await.0, 200);
    assert_eq!(hanging.received().len(), 1, "the one that was under way");
    let (_, deliveries) = http.control("GET", "deliveries", Value::Null).await;
    let states: Vec<String> = deliveries.as_array().unwrap().iter().map(|one| text(&one["state"])).collect();
    assert_eq!(states[1..], ["dropped", "dropped"]);
}

#[tokio::test]
async fn whatever_ends_a_payment_its_webhook_is_sent_at_once() {
    // Real time: nobody lets it pass, and nobody asks again.
    let (http, receiver) = (Http::start().await, Receiver::start().await);
    register(&http, &receiver.url("/"), &["epayments.payment.cancelled.v1"]).await;
    act(&http, "acme-order-42", "create").await;
    act(&http, "acme-order-42", "approve").await;
    // A real clock can only be put forward: then the payment is older than the new limit.
    http.advance(6 * 86_400).await;
    assert_eq!(receiver.received().len(), 0);
    let http = http.with_new_token().await;
    assert_eq!(http.control("PATCH", "settings", json!({ "captureDays": 5 })).await.0, 200);
    let clock = vipps_tests::client_for(http.sandbox.environment(), http.sandbox.credentials()).build().unwrap();
    let clock = clock.transport().clock().clone();
    let limit = clock.elapsed() + std::time::Duration::from_secs(10);
    while receiver.received().is_empty() {
        assert!(clock.elapsed() < limit, "nobody woke the clock");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_registration_that_is_deleted_while_time_passes_gets_nothing_more() {
    let http = std::sync::Arc::new(Http::start_manual().await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (id, _) = register(&http, &url, &[CREATED]).await;
    http.control("POST", "deliveries/mode", json!({ "mode": "delay", "seconds": 60 })).await;
    for reference in ["acme-order-41", "acme-order-42", "acme-order-43"] {
        assert_eq!(http.post(PAYMENTS, &order(reference, 1000)).await.0, 201);
    }
    let merchant = http.clone();
    let deliveries = tokio::spawn(async move {
        let mut count = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            count += 1;
            let mut buffer = [0; 4096];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await;
            let deleted = merchant.send(merchant.request("DELETE", &format!("{WEBHOOKS}/{id}"))).await.0;
            let answer = "HTTP/1.1 200 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await;
            if deleted == 404 {
                break;
            }
        }
        count
    });
    http.advance(120).await;
    http.advance(120).await;
    deliveries.abort();
    let sent = http.sandbox.deliveries().iter().filter(|one| !one["attempts"].as_array().unwrap().is_empty()).count();
    assert_eq!(sent, 1, "{:?}", http.sandbox.deliveries());
}
