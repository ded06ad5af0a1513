use serde_json::{Value, json};
use vipps_sandbox::{Market, Options, Profile};
use vipps_tests::Http;

use crate::sandbox_recurring::{AGREEMENTS as V3, agreed, assert_shows, drafted, with};

const V2: &str = "/recurring/v2/agreements";

/// With an initial charge, for the document wants a `chargeId` in the answer to every draft.
fn draft() -> Value {
    json!({
        "productName": "Vegetable box", "productDescription": "Weekly", "price": 10_000, "currency": "NOK",
        "interval": "MONTH", "intervalCount": 1, "merchantAgreementUrl": "https://acme.example/boxes",
        "merchantRedirectUrl": "https://acme.example/thanks",
        "initialCharge": {
            "amount": 100, "currency": "NOK", "description": "Delivery", "transactionType": "DIRECT_CAPTURE"
        }
    })
}

fn first_box(transaction_type: &str) -> Value {
    json!({ "initialCharge": {
        "amount": 500, "currency": "NOK", "description": "First box", "transactionType": transaction_type,
        "orderId": "box-1"
    }})
}

/// Due tomorrow, on the manual clock.
fn new_charge() -> Value {
    json!({
        "amount": 1000, "currency": "NOK", "description": "A box", "due": "2026-01-02", "retryDays": 0,
        "orderId": "box-1"
    })
}

/// Without a key, which nine of the twelve operations do not know.
async fn call(http: &Http, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = http.request(method, path);
    http.send(if body.is_null() { request } else { request.json(body) }).await
}

async fn draft_with(http: &Http, changes: &Value) -> String {
    let (status, answer) = call(http, "POST", V2, &with(draft(), changes)).await;
    assert_eq!(status, 201, "{answer}");
    answer["agreementId"].as_str().unwrap().to_owned()
}

async fn agree(http: &Http, changes: &Value) -> String {
    let id = draft_with(http, changes).await;
    assert_eq!(act(http, &id, "approve").await.0, 200);
    id
}

/// That a refusal is an array of errors for people and support; gives its first code.
fn refused((status, body): &(u16, Value), expected: u16) -> &str {
    assert_eq!(*status, expected, "{body}");
    let first = &body.as_array().unwrap_or_else(|| panic!("{body} is no array"))[0];
    assert!(first["message"].is_string() && first["contextId"].is_string(), "{body}");
    first["code"].as_str().unwrap_or_default()
}

/// Lets somebody do something with the agreement or its charge `box-1`.
async fn act(http: &Http, agreement: &str, act: &str) -> (u16, Value) {
    let (name, number) = act.split_once(' ').map_or((act, 0), |(name, number)| (name, number.parse().unwrap()));
    let path = format!("{V2}/{agreement}");
    let charge = format!("{path}/charges/box-1");
    match name {
        "approve" | "reject" => http.control("POST", &format!("agreements/{agreement}/{name}"), json!({})).await,
        "accept" => {
            call(http, "PATCH", &format!("{path}/accept"), &json!({ "customerPhoneNumber": "4712345678" })).await
        }
        "stop" => call(http, "PATCH", &path, &json!({ "status": "STOPPED" })).await,
        "rename" => call(http, "PUT", &path, &json!({ "productName": "Fruit box" })).await,
        "charge" => http.post(&format!("{path}/charges"), &new_charge()).await,
        "capture" => http.write("POST", &format!("{charge}/capture"), &Value::Null).await,
        "refund" => http.post(&format!("{charge}/refund"), &json!({ "amount": number, "description": "Wilted" })).await,
        "cancel" => call(http, "DELETE", &charge, &Value::Null).await,
        "minutes" => http.control("POST", "clock/advance", json!({ "seconds": number * 60 })).await,
        "days" => http.control("POST", "clock/advance", json!({ "seconds": number * 86_400 + 60 })).await,
        other => panic!("unknown act {other}"),
    }
}

#[tokio::test]
async fn a_draft_names_the_agreement_where_it_is_and_its_initial_charge() {
    let http = Http::start_manual().await;
    let (status, answer) = call(&http, "POST", V2, &with(draft(), &first_box("RESERVE_CAPTURE"))).await;
    assert_eq!((status, &answer["chargeId"]), (201, &json!("box-1")));
    let path = format!("{V2}/{}", answer["agreementId"].as_str().unwrap());
    assert!(answer["agreementResource"].as_str().unwrap().ends_with(&path), "{answer}");
    assert!(answer["vippsConfirmationUrl"].is_string(), "{answer}");
    let (_, pending) = http.get(&path).await;
    assert_shows(&pending, &with(draft(), &json!({ "merchantRedirectUrl": null, "initialCharge": null })));
    assert_shows(&pending, &json!({ "status": "PENDING", "start": null, "stop": null, "campaign": null }));
    draft_with(&http, &json!({ "merchantAgreementUrl": "http://acme.example/boxes" })).await;
    let twice = [draft_with(&http, &json!({})).await, draft_with(&http, &json!({})).await];
    assert_ne!(twice[0], twice[1], "without a key every draft is another agreement");
    assert!(!http.sandbox.warnings().is_empty(), "v2 is deprecated");
}

#[tokio::test]
async fn an_agreement_of_v2_has_its_view_in_v3() {
    let (end, seconds) = ("2026-06-01T00:00:00Z", "2026-06-01T00:00:00");
    let variable = json!({ "suggestedMaxAmount": 20_000 });
    let capped = json!({ "suggestedMaxAmount": 20_000, "maxAmount": 20_000 });
    let table = [
        (
            json!({}),
            json!({ "pricing": { "type": "LEGACY", "currency": "NOK", "amount": 10_000 }, "campaign": null }),
            json!({ "price": 10_000, "campaign": null, "variableAmount": null }),
        ),
        (
            json!({ "interval": "WEEK", "intervalCount": 2 }),
            json!({ "interval": { "unit": "WEEK", "count": 2 } }),
            json!({ "interval": "WEEK", "intervalCount": 2 }),
        ),
        (
            json!({ "campaign": { "campaignPrice": 100, "end": end } }),
            json!({ "campaign": { "type": "LEGACY_CAMPAIGN", "price": 100, "end": seconds } }),
            json!({ "campaign": { "campaignPrice": 100, "end": seconds } }),
        ),
        (
            json!({ "price": 0, "variableAmount": variable }),
            json!({ "pricing": with(capped.clone(), &json!({ "type": "VARIABLE", "currency": "NOK" })) }),
            json!({ "price": 0, "variableAmount": capped }),
        ),
    ];
    for (changes, in_v3, in_v2) in table {
        let http = Http::start_manual().await;
        let id = agree(&http, &changes).await;
        let (_, v3) = http.get(&format!("{V3}/{id}")).await;
        assert_shows(&v3, &json!({ "id": id, "status": "ACTIVE", "countryCode": "NO" }));
        assert_shows(&v3, &in_v3);
        let (_, v2) = http.get(&format!("{V2}/{id}")).await;
        let always = json!({ "id": id, "status": "ACTIVE", "start": "2026-01-01T00:00:00", "currency": "NOK" });
        assert_shows(&v2, &always);
        assert_shows(&v2, &in_v2);
    }
}

#[tokio::test]
async fn an_agreement_of_v3_has_its_view_in_v2_where_v2_can_say_it() {
    let pricing = |kind: &str, currency: &str, name: &str| {
        let pricing = json!({ "type": kind, "currency": currency, name: 18_900 });
        json!({ "pricing": pricing })
    };
    let (price, most) = ("amount", "suggestedMaxAmount");
    let weekly = json!({ "interval": { "unit": "WEEK", "count": 2 } });
    let said = [
        (pricing("LEGACY", "NOK", price), json!({ "price": 18_900, "interval": "MONTH", "intervalCount": 1 })),
        (weekly, json!({ "price": 10_000, "interval": "WEEK", "intervalCount": 2 })),
        (pricing("VARIABLE", "NOK", most), json!({ "variableAmount": { most: 18_900, "maxAmount": 18_900 } })),
    ];
    for (changes, expected) in said {
        let http = Http::start_manual().await;
        let id = agreed(&http, &changes).await;
        assert_shows(&http.get(&format!("{V2}/{id}")).await.1, &expected);
    }
    let unsaid = [
        (Market::Norway, json!({ "pricing": { "type": "FLEXIBLE", "currency": "NOK" } })),
        (Market::Denmark, pricing("LEGACY", "DKK", price)),
        (Market::Denmark, pricing("VARIABLE", "DKK", most)),
        (Market::Finland, pricing("LEGACY", "EUR", price)),
    ];
    for (market, changes) in unsaid {
        let mut options = Options::default();
        options.market = market;
        let http = Http::start_with(options).await;
        let id = drafted(&http, &changes).await;
        refused(&http.get(&format!("{V2}/{id}")).await, 400);
        assert_eq!(http.get(&format!("{V3}/{id}")).await.0, 200, "{changes}");
    }
}

#[tokio::test]
async fn put_and_patch_change_what_is_sent_and_nothing_else() {
    let (legacy, variable) = (json!({}), json!({ "price": 0, "variableAmount": { "suggestedMaxAmount": 20_000 } }));
    let campaign = |end: &str| json!({ "campaign": { "campaignPrice": 100, "end": end } });
    let table = [
        (&legacy, json!({ "productName": "Fruit box" }), 200, json!({ "productName": "Fruit box" })),
        (&legacy, json!({ "productDescription": "Daily" }), 200, json!({ "productDescription": "Daily" })),
        (&legacy, json!({ "price": 18_900 }), 200, json!({ "price": 18_900, "productName": "Vegetable box" })),
        (&legacy, campaign("2026-06-01T00:00:00Z"), 200, campaign("2026-06-01T00:00:00")),
        (&legacy, json!({ "merchantAgreementUrl": "http://acme.example" }), 200, json!({ "price": 10_000 })),
        (&legacy, json!({ "status": "STOPPED" }), 200, json!({ "status": "STOPPED", "stop": "2026-01-01T00:00:00" })),
        (
            &variable,
            json!({ "suggestedMaxAmount": 25_000 }),
            200,
            json!({ "variableAmount": { "suggestedMaxAmount": 25_000, "maxAmount": 20_000 } }),
        ),
        (&legacy, json!({ "suggestedMaxAmount": 25_000 }), 400, json!({ "variableAmount": null })),
        (&variable, json!({ "suggestedMaxAmount": 2_000_001 }), 400, json!({ "status": "ACTIVE" })),
        (&legacy, json!({ "price": -1 }), 400, json!({ "price": 10_000 })),
        (&legacy, json!({ "productName": "x".repeat(46) }), 400, json!({ "productName": "Vegetable box" })),
        (&legacy, json!({ "status": "ACTIVE" }), 400, json!({ "status": "ACTIVE" })),
        (&legacy, json!({ "status": "STOPPED", "price": 18_900 }), 400, json!({ "status": "ACTIVE", "price": 10_000 })),
    ];
    for method in ["PUT", "PATCH"] {
        for (pricing, change, status, expected) in &table {
            let http = Http::start_manual().await;
            let id = agree(&http, pricing).await;
            let answer = call(&http, method, &format!("{V2}/{id}"), change).await;
            if *status == 200 {
                assert_eq!(answer, (200, json!({ "agreementId": id })), "{method} {change}");
            } else {
                refused(&answer, *status);
            }
            assert_shows(&http.get(&format!("{V2}/{id}")).await.1, expected);
        }
    }
}

#[tokio::test]
async fn the_profile_of_the_reference_pages_stops_together_with_other_changes() {
    let mut options = Options::default();
    options.profile = Profile::Seed;
    let http = Http::start_with(options).await;
    let id = agree(&http, &json!({})).await;
    let change = json!({ "status": "STOPPED", "productName": "Fruit box" });
    assert_eq!(call(&http, "PATCH", &format!("{V2}/{id}"), &change).await.0, 200);
    let (_, agreement) = http.get(&format!("{V2}/{id}")).await;
    assert_shows(&agreement, &json!({ "status": "STOPPED", "productName": "Fruit box" }));
}

/// Transaction type of `box-1` where it is the initial charge, acts; status of the last, state of
/// the agreement, state of `box-1` and what was refunded of it.
type Row = (Option<&'static str>, &'static [&'static str], u16, &'static str, Option<(&'static str, i64)>);

#[tokio::test]
async fn every_transition_has_the_status_that_it_has_in_v3() {
    let (none, reserve) = (None, Some("RESERVE_CAPTURE"));
    let box_is = |status, refunded| Some((status, refunded));
    let table: &[Row] = &[
        (none, &["accept"], 200, "ACTIVE", None),
        (Some("DIRECT_CAPTURE"), &["accept"], 200, "ACTIVE", box_is("CHARGED", 0)),
        (reserve, &["accept"], 200, "ACTIVE", box_is("RESERVED", 0)),
        (reserve, &["minutes 10"], 200, "EXPIRED", box_is("CANCELLED", 0)),
        (none, &["approve", "stop"], 200, "STOPPED", None),
        (reserve, &["approve", "stop"], 200, "STOPPED", box_is("CANCELLED", 0)),
        (reserve, &["approve", "capture"], 200, "ACTIVE", box_is("CHARGED", 0)),
        (reserve, &["approve", "capture", "refund 100"], 200, "ACTIVE", box_is("PARTIALLY_REFUNDED", 100)),
        (reserve, &["approve", "capture", "refund 500"], 200, "ACTIVE", box_is("REFUNDED", 500)),
        (reserve, &["approve", "cancel"], 200, "ACTIVE", box_is("CANCELLED", 0)),
        (none, &["approve", "charge"], 201, "ACTIVE", box_is("DUE", 0)),
        (none, &["approve", "charge", "cancel"], 200, "ACTIVE", box_is("CANCELLED", 0)),
        (none, &["approve", "charge", "days 1"], 200, "ACTIVE", box_is("CHARGED", 0)),
        (none, &["approve", "charge", "days 1", "refund 1000"], 200, "ACTIVE", box_is("REFUNDED", 1000)),
        (none, &["approve", "accept"], 400, "ACTIVE", None),
        (none, &["rename"], 400, "PENDING", None),
        (none, &["approve", "stop", "rename"], 400, "STOPPED", None),
        (none, &["approve", "stop", "stop"], 400, "STOPPED", None),
        (none, &["minutes 10", "accept"], 400, "EXPIRED", None),
        (none, &["charge"], 400, "PENDING", None),
        (none, &["approve", "stop", "charge"], 400, "STOPPED", None),
        (reserve, &["approve", "charge"], 409, "ACTIVE", box_is("RESERVED", 0)),
        (reserve, &["approve", "refund 100"], 400, "ACTIVE", box_is("RESERVED", 0)),
        (reserve, &["approve", "capture", "capture"], 400, "ACTIVE", box_is("CHARGED", 0)),
        (reserve, &["approve", "capture", "refund 501"], 400, "ACTIVE", box_is("CHARGED", 0)),
        (reserve, &["approve", "capture", "cancel"], 400, "ACTIVE", box_is("CHARGED", 0)),
        (reserve, &["approve", "cancel", "capture"], 400, "ACTIVE", box_is("CANCELLED", 0)),
        (reserve, &["approve", "cancel", "cancel"], 400, "ACTIVE", box_is("CANCELLED", 0)),
        (none, &["approve", "charge", "capture"], 400, "ACTIVE", box_is("DUE", 0)),
        (none, &["approve", "charge", "days 1", "capture"], 400, "ACTIVE", box_is("CHARGED", 0)),
        (none, &["approve", "charge", "days 1", "cancel"], 400, "ACTIVE", box_is("CHARGED", 0)),
    ];
    for (first, acts, status, state, charge) in table {
        let http = Http::start_manual().await;
        let id = draft_with(&http, &first.map_or_else(|| json!({}), first_box)).await;
        let mut last = (0, Value::Null);
        for step in *acts {
            last = act(&http, &id, step).await;
        }
        assert_eq!(last.0, *status, "{acts:?}: {}", last.1);
        let kind = acts.last().unwrap().split(' ').next().unwrap();
        match (last.0, kind) {
            (400.., _) => _ = refused(&last, *status),
            (_, "accept" | "capture" | "refund") => assert_eq!(last.1, json!({})),
            (_, "cancel") => assert_shows(&last.1, &json!({ "id": "box-1", "status": "CANCELLED" })),
            (_, "charge") => assert_eq!(last.1, json!({ "chargeId": "box-1" })),
            (_, "stop") => assert_eq!(last.1, json!({ "agreementId": id })),
            _ => {}
        }
        assert_eq!(http.get(&format!("{V2}/{id}")).await.1["status"], *state, "{acts:?}");
        let (_, found) = http.get(&format!("{V2}/{id}/charges/box-1")).await;
        if let Some((status, refunded)) = charge {
            assert_shows(&found, &json!({ "status": status, "amountRefunded": refunded }));
        } else {
            assert!(found.is_array(), "there is none: {found}");
        }
    }
}

#[tokio::test]
async fn a_charge_of_v2_is_captured_directly_and_seen_in_both_views() {
    let http = Http::start_manual().await;
    let id = agree(&http, &first_box("RESERVE_CAPTURE")).await;
    let path = format!("{V2}/{id}/charges");
    let magic = json!({ "orderId": "box-3", "amount": 151 });
    for changes in [json!({ "orderId": "box-2" }), magic, json!({ "orderId": "box-4", "due": "2026-03-01" })] {
        http.advance(60).await;
        assert_eq!(http.post(&path, &with(new_charge(), &changes)).await.0, 201, "{changes}");
    }
    let (_, waiting) = http.get(&format!("{path}/box-2")).await;
    let expected = json!({
        "id": "box-2", "amount": 1000, "amountRefunded": 0, "description": "A box", "due": "2026-01-02T00:00:00",
        "status": "DUE", "transactionId": null, "type": "RECURRING"
    });
    assert_shows(&waiting, &expected);
    let (_, in_v3) = http.get(&format!("{V3}/{id}/charges/box-2")).await;
    assert_shows(&in_v3, &json!({ "type": "RECURRING", "transactionType": "DIRECT_CAPTURE", "retryDays": 0 }));

    act(&http, &id, "days 2").await;
    let (_, failed) = http.get(&format!("{path}/box-3")).await;
    assert_shows(&failed, &json!({ "status": "FAILED", "failureReason": "user_action_required" }));
    let (_, charged) = http.get(&format!("{path}/box-2")).await;
    assert!(charged["transactionId"].as_str().unwrap().len() >= 10, "{charged}");
    let table: [(&str, &[&str]); 6] = [
        ("", &["box-4", "box-3", "box-2", "box-1"]),
        ("?chargeStatus=CHARGED", &["box-2"]),
        ("?chargeStatus=FAILED", &["box-3"]),
        ("?chargeStatus=PENDING", &["box-4"]),
        ("?chargeStatus=RESERVED", &["box-1"]),
        ("?chargeStatus=REFUNDED", &[]),
    ];
    for (query, expected) in table {
        let (_, list) = http.get(&format!("{path}{query}")).await;
        let found: Vec<&str> = list.as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
    }
    refused(&http.get(&format!("{path}?chargeStatus=LATE")).await, 400);
}

#[tokio::test]
async fn agreements_are_listed_by_status_and_from_an_instant() {
    let http = Http::start_manual().await;
    let first = agree(&http, &json!({})).await;
    http.advance(60).await;
    // Drafted through v3: there is one store.
    let second = agreed(&http, &json!({})).await;
    let pending = draft_with(&http, &json!({})).await;
    let table: [(&str, &[&str]); 5] = [
        ("", &[&second, &first]),
        ("?status=ACTIVE", &[&second, &first]),
        ("?status=PENDING", &[&pending]),
        ("?status=STOPPED", &[]),
        // Half a minute after the first.
        ("?createdAfter=1767225630000", &[&second]),
    ];
    for (query, expected) in table {
        let (_, list) = http.get(&format!("{V2}{query}")).await;
        let found: Vec<&str> = list.as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
    }
    refused(&http.get(&format!("{V2}?status=REJECTED")).await, 400);
}

#[tokio::test]
async fn what_breaks_a_rule_of_form_is_told_by_its_field() {
    let http = Http::start_manual().await;
    let id = agree(&http, &json!({})).await;
    let drafts = [
        ("productName", json!(null)),
        ("productName", json!("x".repeat(46))),
        ("price", json!(null)),
        ("currency", json!("EUR")),
        ("interval", json!("HOUR")),
        ("intervalCount", json!(0)),
        ("intervalCount", json!(32)),
        ("merchantAgreementUrl", json!(null)),
        ("merchantRedirectUrl", json!(null)),
        ("customerPhoneNumber", json!("+4712345678")),
    ];
    let charges = [
        ("amount", json!(99)),
        ("amount", json!(null)),
        ("currency", json!("EUR")),
        ("description", json!("")),
        ("description", json!("x".repeat(46))),
        ("due", json!("tomorrow")),
        ("retryDays", json!(15)),
        ("retryDays", json!(null)),
        ("orderId", json!("x".repeat(51))),
    ];
    let drafts = drafts.map(|(field, value)| (V2.to_owned(), draft(), field, value));
    let charges = charges.map(|(field, value)| (format!("{V2}/{id}/charges"), new_charge(), field, value));
    for (path, body, field, value) in drafts.into_iter().chain(charges) {
        let answer = http.post(&path, &with(body, &json!({ field: value }))).await;
        refused(&answer, 400);
        assert_eq!(answer.1[0]["field"], field, "{value}: {}", answer.1);
    }
    for due in ["2026-01-01", "2028-01-02"] {
        refused(&http.post(&format!("{V2}/{id}/charges"), &with(new_charge(), &json!({ "due": due }))).await, 400);
    }
}

#[tokio::test]
async fn known_refusals_have_their_observed_codes() {
    let http = Http::start_manual().await;
    let id = draft_with(&http, &json!({})).await;
    let charges = format!("{V2}/{id}/charges");
    let early = http.post(&charges, &new_charge()).await;
    assert_eq!(refused(&early, 400), "recurring.core.charges.create.invalid_agreement");
    let bad = json!({ "merchantAgreementUrl": "not an address" });
    let bad = call(&http, "POST", V2, &with(draft(), &bad)).await;
    assert_eq!(refused(&bad, 400), "merchantagreementurl.apacheurlvalidation");
    let nobody = format!("{V2}/agr_5kSeqz");
    for path in [nobody.clone(), format!("{nobody}/charges"), format!("{charges}/box-9")] {
        refused(&http.get(&path).await, 404);
    }
    refused(&call(&http, "PATCH", &nobody, &json!({ "productName": "Fruit box" })).await, 404);
    refused(&call(&http, "DELETE", &format!("{charges}/box-9"), &Value::Null).await, 404);
    refused(&http.post(&format!("{nobody}/charges"), &new_charge()).await, 404);
}

#[tokio::test]
async fn three_operations_need_a_key_which_has_one_effect_and_one_answer() {
    let http = Http::start_manual().await;
    let id = agree(&http, &first_box("RESERVE_CAPTURE")).await;
    let path = format!("{V2}/{id}/charges");
    let refund = |amount: i64| json!({ "amount": amount, "description": "Wilted" });
    let named = |order_id: &str| with(new_charge(), &json!({ "orderId": order_id }));
    let table = [
        (path.clone(), named("box-2"), named("box-3")),
        (format!("{path}/box-1/capture"), Value::Null, Value::Null),
        (format!("{path}/box-1/refund"), refund(100), refund(200)),
    ];
    for (number, (path, body, other)) in table.iter().enumerate() {
        refused(&call(&http, "POST", path, body).await, 400);
        refused(&http.keyed("POST", path, &"k".repeat(41), body).await, 400);
        refused(&http.keyed("POST", path, "a/b", body).await, 400);
        let key = format!("write-{number}");
        let first = http.keyed("POST", path, &key, body).await;
        assert!(first.0 < 300, "{path}: {first:?}");
        if !other.is_null() {
            let conflict = http.keyed("POST", path, &key, other).await;
            assert_eq!(refused(&conflict, 409), "idempotentkey.hash.mismatch");
        }
        assert_eq!(http.keyed("POST", path, &key, body).await, first, "{path}");
    }
    let (_, list) = http.get(&path).await;
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_shows(&http.get(&format!("{path}/box-1")).await.1, &json!({ "amountRefunded": 100 }));
    // A refusal is kept under its key.
    let late = draft_with(&http, &json!({})).await;
    let charges = format!("{V2}/{late}/charges");
    let early = http.keyed("POST", &charges, "early", &named("box-3")).await;
    refused(&early, 400);
    act(&http, &late, "approve").await;
    assert_eq!(http.keyed("POST", &charges, "early", &named("box-3")).await, early);
    assert_eq!(http.keyed("POST", &charges, "later", &named("box-3")).await.0, 201);
}

#[tokio::test]
async fn v2_takes_the_short_number_of_its_own_sample_and_has_no_later_operations() {
    // Tolerant: the document forbids the number, and wants a charge where there is none.
    let http = Http::start_manual().await.tolerant();
    let short = json!({ "customerPhoneNumber": "12345678", "initialCharge": null });
    let (status, drafted) = call(&http, "POST", V2, &with(draft(), &short)).await;
    assert!(status == 201 && drafted["chargeId"].is_null(), "{status} {drafted}");
    let told = http.sandbox.warnings();
    assert!(format!("{told:?}").contains("customerPhoneNumber"), "{told:?}");
    for (method, path) in [("GET", "/recurring/v2/charges/box-1"), ("POST", "/recurring/v2/agreements/charges")] {
        let status = http.write(method, path, &Value::Null).await.0;
        assert!([404, 405].contains(&status), "{method} {path}: {status}");
    }
    assert_eq!(http.control("PATCH", "settings", json!({ "recurringV2Available": false })).await.0, 200);
    assert_eq!(http.get(V2).await.0, 404, "it was switched off");
    assert_eq!(http.get(V3).await.0, 200);
}
