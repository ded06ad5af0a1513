use std::collections::BTreeSet;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use vipps_tests::{Http, Receiver};

use super::{
    AGREEMENTS, PROBLEMS, act, agreed, assert_shows, charge, draft, drafted, flexible, initial, new_charge, status_of,
    verdict, with,
};

const BATCH: &str = "/recurring/v3/agreements/charges";
const NOBODY: &str = "/recurring/v3/agreements/agr_5kSeqz";

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()).collect()
}

/// A write without a key.
fn unkeyed(http: &Http, method: &str, path: &str, body: &Value) -> RequestBuilder {
    let request = http.request(method, path);
    if body.is_null() { request } else { request.json(body) }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_of_the_published_shape() {
    let http = Http::start_manual().await;
    let id = agreed(&http, &json!({})).await;
    let unknown = format!("{AGREEMENTS}/{id}/charges/box-9");
    let (refund, capture) = (json!({ "amount": 100, "description": "Wilted" }), json!({ "amount": 100 }));
    let table = [
        ("GET", NOBODY.to_owned(), Value::Null),
        ("PATCH", NOBODY.to_owned(), json!({ "productName": "Fruit box" })),
        ("PATCH", format!("{NOBODY}/accept"), json!({ "phoneNumber": "4712345678" })),
        ("GET", format!("{NOBODY}/charges"), Value::Null),
        ("POST", format!("{NOBODY}/charges"), new_charge()),
        ("GET", unknown.clone(), Value::Null),
        ("DELETE", unknown.clone(), Value::Null),
        ("POST", format!("{unknown}/capture"), capture),
        ("POST", format!("{unknown}/refund"), refund),
        ("GET", "/recurring/v3/charges/box-9".to_owned(), Value::Null),
    ];
    for (method, path, body) in table {
        let answer = http.write(method, &path, &body).await;
        assert_eq!(verdict(&answer), (404, "resource-not-found"), "{method} {path}: {}", answer.1);
    }
    let answer = http.request("GET", NOBODY).send().await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/problem+json"));
    let body: Value = answer.json().await.unwrap();
    assert_shows(
        &body,
        &json!({
            "type": format!("{PROBLEMS}resource-not-found"), "title": "Not Found", "status": 404,
            "detail": "Agreement not found.", "instance": "/vipps-recurring-merchant-api/v3/agreements/agr_5kSeqz"
        }),
    );
    assert_eq!(body["contextId"].as_str().unwrap().split('-').count(), 5, "a UUID: {body}");
    http.control("PATCH", "settings", json!({ "problemTypeAboutBlank": true })).await;
    assert_eq!(http.get(NOBODY).await.1["type"], "about:blank");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_before_the_rules_of_state() {
    // No document has the status of a wrong media type.
    let http = Http::start_manual().await.tolerant();
    let raw = |media: &str, body: &'static str| {
        let request = http.request("POST", AGREEMENTS).header("Idempotency-Key", http.new_key());
        request.header("Content-Type", media).body(body)
    };
    assert_eq!(verdict(&http.send(raw("application/json", "{\"amount\": 1,}")).await), (400, "invalid-json"));
    assert_eq!(verdict(&http.send(raw("text/plain", "{}")).await), (415, "unsupported-media-type"));
    for malformed in ["5kSeqz".to_owned(), format!("agr_{}", "5".repeat(33))] {
        let answer = http.get(&format!("{AGREEMENTS}/{malformed}")).await;
        assert_eq!(verdict(&answer), (400, "invalid-agreement-id"), "{malformed}");
    }
    let stranger = http.client.get(format!("{}{NOBODY}", http.sandbox.base_url()));
    let stranger = stranger.header("Authorization", "Bearer wrong").header("Merchant-Serial-Number", "123456");
    let stranger = stranger.header("Ocp-Apim-Subscription-Key", "test-subscription-key");
    assert_eq!(verdict(&http.send(stranger).await), (401, "not-authorized"));
}

#[tokio::test]
async fn agreements_are_listed_by_status_newest_first_and_by_page() {
    let http = Http::start_manual().await;
    let expired = drafted(&http, &json!({})).await;
    http.advance(600).await;
    let mut active = Vec::new();
    for _ in 0..3 {
        http.advance(60).await;
        active.insert(0, agreed(&http, &json!({})).await);
    }
    let stopped = active.pop().unwrap();
    act(&http, &stopped, "stop").await;
    let pending = drafted(&http, &json!({})).await;
    let (newer, older) = (active[0].as_str(), active[1].as_str());
    // 2026-01-01T00:12:30Z, between the second and the third of them.
    let late = "createdAfter=1767226350000";
    let table: [(&str, &[&str]); 10] = [
        ("", &[newer, older]),
        ("?status=ACTIVE", &[newer, older]),
        ("?status=PENDING", &[&pending]),
        ("?status=STOPPED", &[&stopped]),
        ("?status=EXPIRED", &[&expired]),
        (&format!("?{late}"), &[newer]),
        (&format!("?status=STOPPED&{late}"), &[]),
        ("?pageNumber=1&pageSize=1", &[newer]),
        ("?pageNumber=2&pageSize=1", &[older]),
        ("?pageNumber=3&pageSize=1", &[]),
    ];
    for (query, expected) in table {
        let (status, list) = http.get(&format!("{AGREEMENTS}{query}")).await;
        assert_eq!((status, ids(&list).as_slice()), (200, expected), "{query}");
    }
    for query in ["status=REJECTED", "pageNumber=0&pageSize=1", "pageNumber=1&pageSize=0", "pageNumber=1&pageSize=2001"]
    {
        assert_eq!(verdict(&http.get(&format!("{AGREEMENTS}?{query}")).await), (400, "validation-error"), "{query}");
    }
}

#[tokio::test]
async fn charges_are_listed_with_the_initial_one_and_by_status() {
    let http = Http::start_manual().await;
    let id = agreed(&http, &initial("DIRECT_CAPTURE", 500)).await;
    for (name, due) in [("box-2", "2026-01-02"), ("box-3", "2026-03-01")] {
        http.advance(60).await;
        charge(&http, &id, &json!({ "orderId": name, "due": due })).await;
    }
    let table: [(&str, &[&str]); 5] = [
        ("", &["box-3", "box-2", "box-1"]),
        ("?status=CHARGED", &["box-1"]),
        ("?status=DUE", &["box-2"]),
        ("?status=PENDING", &["box-3"]),
        ("?status=REFUNDED", &[]),
    ];
    let path = format!("{AGREEMENTS}/{id}/charges");
    for (query, expected) in table {
        assert_eq!(ids(&http.get(&format!("{path}{query}")).await.1), expected, "{query}");
    }
    assert_eq!(verdict(&http.get(&format!("{path}?status=LATE")).await), (400, "validation-error"));
}

/// One page of a list, and the token of the next.
async fn page(http: &Http, path: &str, token: Option<&str>) -> (Vec<String>, Option<String>) {
    let request = http.request("GET", path);
    let request = if let Some(token) = token { request.header("Continuation-Token", token) } else { request };
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let next = answer.headers().get("continuation-token").map(|token| token.to_str().unwrap().to_owned());
    let list: Value = answer.json().await.unwrap();
    (ids(&list).into_iter().map(str::to_owned).collect(), next)
}

#[tokio::test]
async fn many_charges_come_in_pages_by_tokens_that_live_for_ten_minutes() {
    let http = Http::start_manual().await;
    let id = agreed(&http, &flexible()).await;
    let item = |number: i64| with(new_charge(), &json!({ "agreementId": id, "orderId": format!("box-{number}") }));
    assert_eq!(http.post(BATCH, &(0..250).map(item).collect()).await.0, 202);
    http.advance(60).await;
    let path = format!("{AGREEMENTS}/{id}/charges");
    let (mut sizes, mut seen, mut token) = (Vec::new(), BTreeSet::new(), None::<String>);
    loop {
        let (found, next) = page(&http, &path, token.as_deref()).await;
        sizes.push(found.len());
        seen.extend(found);
        token = next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!((sizes, seen.len()), (vec![100, 100, 50], 250));
    let with_token = |token: &str| http.request("GET", &path).header("Continuation-Token", token);
    let (_, token) = page(&http, &path, None).await;
    let token = token.unwrap();
    http.advance(601).await;
    for stale in [token.as_str(), "6a1e2c9e-1b52-4a0f-9d50-3f1f7b0b7c11", "next"] {
        assert_eq!(http.send(with_token(stale)).await.0, 400, "{stale}");
    }
}

#[tokio::test]
async fn a_batch_is_split_at_once_and_some_of_it_fails_later() {
    // Tolerant: with a batch that is accepted goes an item that no document allows.
    let (http, receiver) = (Http::start_manual().await.tolerant(), Receiver::start().await);
    let events = ["recurring.charge-creation-failed.v1"];
    let registration = json!({ "url": receiver.url("/hooks"), "events": events });
    assert_eq!(http.send(http.request("POST", "/webhooks/v1/webhooks").json(&registration)).await.0, 201);
    let (active, stopped) = (agreed(&http, &json!({})).await, agreed(&http, &json!({})).await);
    act(&http, &stopped, "stop").await;
    assert_eq!(charge(&http, &active, &json!({ "orderId": "taken" })).await.0, 201);
    // Changes, whether it is taken at first, whether it becomes a charge.
    let table = [
        ("good", json!({ "agreementId": active }), true, true),
        ("external", json!({ "agreementId": active, "externalId": "parcel-7" }), true, true),
        ("stopped", json!({ "agreementId": stopped }), true, false),
        ("high", json!({ "agreementId": active, "amount": 50_001 }), true, false),
        ("small", json!({ "agreementId": active, "amount": 99 }), false, false),
        ("stubborn", json!({ "agreementId": active, "retryDays": 15 }), false, false),
        ("unknown", json!({ "agreementId": "agr_5kSeqz" }), false, false),
        ("taken", json!({ "agreementId": active }), false, true),
        ("good", json!({ "agreementId": active }), false, true),
    ];
    let item = |name: &str, changes: &Value| with(with(new_charge(), &json!({ "orderId": name })), changes);
    let batch: Value = table.iter().map(|(name, changes, ..)| item(name, changes)).collect();
    let (status, answer) = http.post(BATCH, &batch).await;
    assert_eq!(status, 202, "{answer}");
    let valid: Vec<&str> = table.iter().filter(|(_, _, valid, _)| *valid).map(|(name, ..)| *name).collect();
    assert_eq!(answer["validCharges"], json!(valid));
    let refused: Vec<_> = table.iter().filter(|(_, _, valid, _)| !valid).collect();
    let invalid = answer["invalidCharges"].as_array().unwrap();
    assert_eq!(invalid.len(), refused.len(), "{answer}");
    for (found, (name, changes, ..)) in invalid.iter().zip(refused) {
        assert_shows(&found["chargeBatchItemDto"], &item(name, changes));
        assert!(found["errors"][0].is_string(), "with the reasons: {found}");
    }
    http.advance(60).await;
    for (name, _, _, exists) in &table {
        assert_eq!(status_of(&http, name).await, if *exists { "DUE" } else { "none" }, "{name}");
    }
    let failed: BTreeSet<String> =
        receiver.received().iter().map(|call| call.json()["chargeId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(failed, BTreeSet::from(["high".to_owned(), "stopped".to_owned()]));
    let many: Value = (0..2001).map(|_| item("many", &json!({ "agreementId": active }))).collect();
    for batch in [json!([]), many, json!({})] {
        assert_eq!(verdict(&http.post(BATCH, &batch).await), (400, "validation-error"));
    }
}

/// Method, path, body, and another body for the same key.
type Write = (&'static str, String, Value, Value);

/// Every write of Recurring in an order in which each is done; the agreement is drafted with
/// an initial charge to reserve.
fn writes(agreement: &str) -> Vec<Write> {
    let path = format!("{AGREEMENTS}/{agreement}");
    let charge = format!("{path}/charges/box-1");
    let phone = |number: &str| json!({ "phoneNumber": number });
    let refund = |amount: i64| json!({ "amount": amount, "description": "Wilted" });
    let item = |order_id: &str| json!([with(new_charge(), &json!({ "orderId": order_id, "agreementId": agreement }))]);
    let new_charge = |order_id: &str| with(new_charge(), &json!({ "orderId": order_id }));
    vec![
        ("POST", AGREEMENTS.to_owned(), draft(), with(draft(), &json!({ "productName": "Fruit box" }))),
        ("PATCH", format!("{path}/accept"), phone("4712345678"), phone("4787654321")),
        ("POST", format!("{charge}/capture"), json!({ "amount": 400 }), json!({ "amount": 500 })),
        ("POST", format!("{charge}/refund"), refund(100), refund(200)),
        ("DELETE", charge, Value::Null, Value::Null),
        ("POST", format!("{path}/charges"), new_charge("box-2"), new_charge("box-3")),
        ("POST", BATCH.to_owned(), item("box-4"), item("box-5")),
        ("PATCH", path.clone(), json!({ "productName": "Bread" }), json!({ "productName": "Fish" })),
        ("PATCH", path, json!({ "status": "STOPPED" }), json!({ "productName": "Fish" })),
    ]
}

#[tokio::test]
async fn a_key_has_one_effect_and_one_answer_whatever_happens_later() {
    let http = Http::start_manual().await;
    let id = drafted(&http, &initial("RESERVE_CAPTURE", 1000)).await;
    let mut answers = Vec::new();
    for (number, (method, path, body, other)) in writes(&id).iter().enumerate() {
        let key = format!("write-{number}");
        let first = http.keyed(method, path, &key, body).await;
        assert!(first.0 < 300, "{method} {path}: {first:?}");
        assert_eq!(http.keyed(method, path, &key, body).await, first, "{method} {path}");
        if !other.is_null() {
            let conflict = http.keyed(method, path, &key, other).await;
            assert_eq!(verdict(&conflict), (409, "idempotency-conflict"), "{method} {path}: {}", conflict.1);
        }
        answers.push(first);
        // A batch is carried out in the background.
        http.advance(1).await;
    }
    for (number, (method, path, body, _)) in writes(&id).iter().enumerate() {
        let again = http.keyed(method, path, &format!("write-{number}"), body).await;
        assert_eq!(again, answers[number], "{method} {path}: as at first");
    }
    http.advance(1).await;
    assert_eq!(ids(&http.get(&format!("{AGREEMENTS}?status=PENDING")).await.1).len(), 1);
    let (_, agreement) = http.get(&format!("{AGREEMENTS}/{id}")).await;
    assert_shows(&agreement, &json!({ "productName": "Bread", "status": "STOPPED" }));
    let (_, charge) = http.get("/recurring/v3/charges/box-1").await;
    assert_eq!(charge["summary"], json!({ "captured": 400, "refunded": 100, "cancelled": 600 }));
    let (_, charges) = http.get(&format!("{AGREEMENTS}/{id}/charges")).await;
    assert_eq!(ids(&charges).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(["box-1", "box-2", "box-4"]));
}

#[tokio::test]
async fn a_key_is_for_one_request_and_a_refusal_is_kept_under_it() {
    let http = Http::start_manual().await;
    let (id, other) = (drafted(&http, &json!({})).await, agreed(&http, &json!({})).await);
    let charges = format!("{AGREEMENTS}/{id}/charges");
    let early = http.keyed("POST", &charges, "early", &new_charge()).await;
    assert_eq!(verdict(&early), (400, "charge-creation-failed"));
    act(&http, &id, "approve").await;
    assert_eq!(http.keyed("POST", &charges, "early", &new_charge()).await, early, "whatever was agreed since");
    let done = http.keyed("POST", &charges, "new", &new_charge()).await;
    assert_eq!(done.0, 201, "a new key is a new request");
    let elsewhere = http.keyed("POST", &format!("{AGREEMENTS}/{other}/charges"), "new", &new_charge()).await;
    assert_eq!(verdict(&elsewhere), (409, "idempotency-conflict"), "another agreement is another request");
    let reordered = r#"{ "retryDays":0, "orderId":"box-1", "due":"2026-01-02", "description":"A box",
        "transactionType":"RESERVE_CAPTURE", "amount":1000 }"#;
    let reordered = http.request("POST", &charges).header("Idempotency-Key", "new").body(reordered);
    assert_eq!(http.send(reordered.header("Content-Type", "application/json")).await, done, "the same JSON");
}

#[tokio::test]
async fn every_write_needs_a_well_formed_key() {
    let http = Http::start_manual().await;
    let id = drafted(&http, &initial("RESERVE_CAPTURE", 1000)).await;
    for (method, path, body, _) in writes(&id) {
        let answer = http.send(unkeyed(&http, method, &path, &body)).await;
        let problems = ["idempotency-key-header", "missing-request-header"];
        assert!(answer.0 == 400 && problems.contains(&verdict(&answer).1), "{method} {path}: {answer:?}");
        for key in ["k".repeat(41).as_str(), "a#b", "a?b", "a/b", "a\\b"] {
            let answer = http.keyed(method, &path, key, &body).await;
            assert_eq!(verdict(&answer), (400, "idempotency-key-header"), "{method} {path} {key}");
        }
    }
    assert_eq!(status_of(&http, "box-1").await, "PENDING", "nothing was done");
    assert_eq!(http.keyed("POST", AGREEMENTS, &"k".repeat(40), &draft()).await.0, 201);
}

#[tokio::test]
async fn what_never_reached_the_domain_or_never_came_back_is_repeated_under_its_key() {
    for when in ["before", "after"] {
        let http = Http::start_manual().await;
        let charges = format!("{AGREEMENTS}/{}/charges", agreed(&http, &json!({})).await);
        let unnamed = with(new_charge(), &json!({ "orderId": null }));
        let fault = json!({ "kind": "status", "status": 503, "when": when });
        http.control("POST", "faults", json!({ "operation": "CreateChargeV3", "fault": fault })).await;
        let statuses = [
            http.keyed("POST", &charges, "one", &unnamed).await.0,
            http.keyed("POST", &charges, "one", &unnamed).await.0,
        ];
        assert_eq!(statuses, [503, 201], "{when}");
        assert_eq!(ids(&http.get(&charges).await.1).len(), 1, "{when}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_copies_of_a_charge_at_once_are_one_charge_and_get_one_answer() {
    let http = Http::start_manual().await;
    let charges = format!("{AGREEMENTS}/{}/charges", agreed(&http, &json!({})).await);
    // Without an order id nothing but the key tells the copies from new charges.
    let unnamed = with(new_charge(), &json!({ "orderId": null }));
    let copy = || http.request("POST", &charges).header("Idempotency-Key", "one").json(&unnamed).send();
    let copies: Vec<_> = (0..500).map(|_| tokio::spawn(copy())).collect();
    let mut answers = BTreeSet::new();
    for copy in copies {
        let answer = copy.await.unwrap().unwrap();
        answers.insert((answer.status().as_u16(), answer.text().await.unwrap()));
    }
    let (_, list) = http.get(&charges).await;
    let [charge] = ids(&list)[..] else { panic!("more than one charge: {list}") };
    let answers: Vec<_> = answers.into_iter().collect();
    let [(201, answer)] = &answers[..] else { panic!("more than one answer: {answers:?}") };
    assert_eq!(serde_json::from_str::<Value>(answer).unwrap(), json!({ "chargeId": charge }));
}
