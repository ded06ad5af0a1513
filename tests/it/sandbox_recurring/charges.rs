use serde_json::{Value, json};
use vipps_tests::Http;

use super::{
    AGREEMENTS, act, agreed, assert_shows, charge, draft, drafted, flexible, initial, new_charge, status_of, variable,
    verdict, with,
};

fn unscheduled(amount: i64, transaction_type: &str) -> Value {
    json!({
        "type": "UNSCHEDULED", "amount": amount, "transactionType": transaction_type, "due": null, "retryDays": null
    })
}

/// Seconds from the start of the manual clock, 2026, to a minute of its first months.
fn seconds(minute: &str) -> u64 {
    let parts: Vec<u64> = minute.split(['-', ' ', ':']).map(|part| part.parse().unwrap()).collect();
    let [month, day, hour, minute] = parts[..] else { panic!("{minute} is no minute of a day") };
    let days = [0, 31, 59][usize::try_from(month).unwrap() - 1] + day - 1;
    (days * 24 + hour) * 3600 + minute * 60
}

/// Lets time pass from minute to minute; at each the charge `box-1` has the status beside it.
async fn assert_goes(http: &Http, minutes: &[(&str, &str)]) {
    let mut now = 0;
    for (minute, expected) in minutes {
        http.advance(seconds(minute) - now).await;
        now = seconds(minute);
        assert_eq!(status_of(http, "box-1").await, *expected, "{minute} of {minutes:?}");
    }
}

#[tokio::test]
async fn a_charge_that_breaks_a_rule_is_refused() {
    let (form, early, late) = ("validation-error", "charge-due-too-soon", "charge-due-in-too-long");
    let long = |length: usize| "x".repeat(length);
    let table = [
        (json!({ "due": "2026-01-01" }), 400, early),
        (json!({ "due": "2025-12-31" }), 400, early),
        (json!({ "due": "2028-01-02" }), 400, late),
        (json!({ "due": "2028-01-01" }), 201, ""),
        (json!({ "due": null }), 400, form),
        (json!({ "due": "tomorrow" }), 400, form),
        (json!({ "retryDays": null }), 400, form),
        (json!({ "retryDays": -1 }), 400, form),
        (json!({ "retryDays": 15 }), 400, form),
        (json!({ "retryDays": 14 }), 201, ""),
        (json!({ "amount": null }), 400, form),
        (json!({ "amount": 99 }), 400, form),
        (json!({ "amount": 100.5 }), 400, form),
        (json!({ "amount": 100 }), 201, ""),
        (json!({ "amount": 50_001 }), 400, "charge-amount-too-high"),
        (json!({ "transactionType": null }), 400, form),
        (json!({ "transactionType": "CAPTURE" }), 400, form),
        (json!({ "description": "" }), 400, form),
        (json!({ "description": long(101) }), 400, form),
        (json!({ "description": long(100) }), 201, ""),
        (json!({ "orderId": "box 1" }), 400, form),
        (json!({ "orderId": long(65) }), 400, form),
        (json!({ "orderId": long(64) }), 201, ""),
        (json!({ "externalId": long(65) }), 400, form),
        (json!({ "type": "INITIAL" }), 400, form),
        (json!({ "processingMode": "SINGLE_ATTEMPT", "retryDays": 2 }), 400, form),
        (json!({ "processingMode": "SINGLE_ATTEMPT", "retryDays": 0 }), 201, ""),
    ];
    for (changes, status, problem) in table {
        let http = Http::start_manual().await;
        let id = agreed(&http, &json!({})).await;
        let answer = charge(&http, &id, &changes).await;
        assert_eq!(verdict(&answer), (status, problem), "{changes}: {}", answer.1);
        let (_, list) = http.get(&format!("{AGREEMENTS}/{id}/charges")).await;
        assert_eq!(list.as_array().unwrap().len(), usize::from(status == 201), "{changes}");
    }
}

#[tokio::test]
async fn an_order_id_is_the_charge_id_and_taken_once_per_sales_unit() {
    let http = Http::start_manual().await;
    let first = agreed(&http, &with(initial("DIRECT_CAPTURE", 500), &json!({ "externalId": "customer-311" }))).await;
    let second = agreed(&http, &json!({})).await;
    let external = json!({ "orderId": "box-2", "externalId": "parcel-7" });
    assert_eq!(charge(&http, &first, &external).await, (201, json!({ "chargeId": "box-2" })));
    for (agreement, taken) in [(&first, "box-1"), (&first, "box-2"), (&second, "box-1"), (&second, "box-2")] {
        assert_eq!(
            verdict(&charge(&http, agreement, &json!({ "orderId": taken })).await),
            (409, "conflict"),
            "{taken}"
        );
    }
    let taken = http.post(AGREEMENTS, &with(draft(), &initial("DIRECT_CAPTURE", 500))).await;
    assert_eq!(verdict(&taken), (409, "conflict"));
    assert_eq!(charge(&http, &second, &with(external, &json!({ "orderId": "box-3" }))).await.0, 201, "not unique");
    let (_, unnamed) = charge(&http, &second, &json!({ "orderId": null })).await;
    let unnamed = unnamed["chargeId"].as_str().unwrap().to_owned();
    assert!(unnamed.starts_with("chr-"), "{unnamed}");

    let expected = json!({
        "id": "box-2", "agreementId": first, "externalId": "parcel-7", "externalAgreementId": "customer-311",
        "type": "RECURRING", "transactionType": "RESERVE_CAPTURE", "processingMode": "MULTIPLE_ATTEMPTS",
        "status": "DUE", "amount": 1000, "currency": "NOK", "description": "A box", "due": "2026-01-02T00:00:00",
        "retryDays": 0, "transactionId": null, "failureReason": null,
        "summary": { "captured": 0, "refunded": 0, "cancelled": 0 }
    });
    let (_, shown) = http.get(&format!("{AGREEMENTS}/{first}/charges/box-2")).await;
    assert_shows(&shown, &expected);
    assert_eq!(http.get("/recurring/v3/charges/box-2").await, (200, shown));
    let (_, shown) = http.get(&format!("{AGREEMENTS}/{first}/charges/box-1")).await;
    assert_shows(&shown, &json!({ "type": "INITIAL", "status": "CHARGED", "summary": { "captured": 500 } }));
    let foreign = http.get(&format!("{AGREEMENTS}/{second}/charges/box-2")).await;
    assert_eq!(verdict(&foreign), (404, "resource-not-found"), "it is a charge of another agreement");
}

#[tokio::test]
async fn unscheduled_charges_are_for_approved_sales_units() {
    let http = Http::start_manual().await;
    let id = agreed(&http, &json!({})).await;
    http.control("PATCH", "settings", json!({ "unscheduledAllowed": false })).await;
    let refused = charge(&http, &id, &unscheduled(1000, "DIRECT_CAPTURE")).await;
    assert_eq!(verdict(&refused), (400, "unsupported-feature"));
    assert_eq!(refused.1["detail"], "Cannot create a charge with type 'UNSCHEDULED'");
}

#[tokio::test]
async fn a_charge_is_due_a_month_ahead_and_is_tried_from_its_day_while_days_are_left() {
    let (direct, single) = ("DIRECT_CAPTURE", "SINGLE_ATTEMPT");
    let table: [(Value, &[(&str, &str)]); 12] = [
        (json!({ "due": "2026-01-31" }), &[("01-01 00:01", "DUE")]),
        (
            json!({ "due": "2026-02-15" }),
            &[("01-15 23:59", "PENDING"), ("01-16 00:01", "DUE"), ("02-14 23:59", "DUE"), ("02-15 00:01", "RESERVED")],
        ),
        (json!({ "transactionType": direct }), &[("01-01 23:59", "DUE"), ("01-02 00:01", "CHARGED")]),
        (json!({ "amount": 151 }), &[("01-02 00:01", "DUE"), ("01-02 14:59", "DUE"), ("01-02 15:01", "FAILED")]),
        (
            json!({ "amount": 151, "retryDays": 2 }),
            &[("01-02 15:01", "DUE"), ("01-04 14:59", "DUE"), ("01-04 15:01", "FAILED")],
        ),
        (json!({ "amount": 151, "retryDays": 14 }), &[("01-16 14:59", "DUE"), ("01-16 15:01", "FAILED")]),
        (json!({ "amount": 151, "processingMode": single }), &[("01-01 23:59", "DUE"), ("01-02 00:01", "FAILED")]),
        (json!({ "processingMode": single }), &[("01-01 23:59", "DUE"), ("01-02 00:01", "RESERVED")]),
        // Its outcome is unknown for an hour.
        (json!({ "amount": 201 }), &[("01-02 00:01", "PROCESSING"), ("01-02 01:01", "RESERVED")]),
        (unscheduled(1000, "RESERVE_CAPTURE"), &[("01-01 00:01", "RESERVED")]),
        (unscheduled(1000, direct), &[("01-01 00:01", "CHARGED")]),
        (unscheduled(151, direct), &[("01-01 00:01", "FAILED")]),
    ];
    for (changes, minutes) in table {
        let http = Http::start_manual().await;
        let id = agreed(&http, &json!({})).await;
        assert_eq!(charge(&http, &id, &changes).await.0, 201, "{changes}");
        let (_, shown) = http.get(&format!("{AGREEMENTS}/{id}/charges/box-1")).await;
        assert_eq!(shown["type"], changes.get("type").unwrap_or(&json!("RECURRING")).clone());
        assert_goes(&http, minutes).await;
    }
}

#[tokio::test]
async fn every_magic_amount_ends_as_a_failure_that_the_user_must_act_on() {
    let http = Http::start_manual().await;
    let id = agreed(&http, &json!({})).await;
    for amount in [151, 182, 183, 184, 186, 187, 197, 202] {
        let magic = json!({ "amount": amount, "orderId": format!("box-{amount}"), "processingMode": "SINGLE_ATTEMPT" });
        assert_eq!(charge(&http, &id, &magic).await.0, 201);
    }
    act(&http, &id, "days 1").await;
    let (_, failed) = http.get(&format!("{AGREEMENTS}/{id}/charges?status=FAILED")).await;
    assert_eq!(failed.as_array().unwrap().len(), 8);
    for charge in failed.as_array().unwrap() {
        assert_shows(
            charge,
            &json!({
                "failureReason": "user_action_required", "summary": { "captured": 0, "refunded": 0, "cancelled": 0 }
            }),
        );
        let history = charge["history"].as_array().unwrap();
        assert_shows(&history[0], &json!({ "event": "CREATE", "success": true }));
        assert_eq!(history.last().unwrap()["event"], "FAIL");
    }
}

#[tokio::test]
async fn above_the_customers_ceiling_a_charge_waits_for_a_higher_one_and_fails() {
    let http = Http::start_manual().await;
    let id = drafted(&http, &variable("NOK", 20_000)).await;
    http.control("POST", &format!("agreements/{id}/approve"), json!({ "maxAmount": 5000 })).await;
    assert_eq!(charge(&http, &id, &json!({ "amount": 6000, "retryDays": 1 })).await.0, 201);
    assert_goes(&http, &[("01-02 15:01", "DUE"), ("01-03 14:59", "DUE"), ("01-03 15:01", "FAILED")]).await;
    let (_, charge) = http.get(&format!("{AGREEMENTS}/{id}/charges/box-1")).await;
    assert_eq!(charge["failureReason"], "charge_amount_too_high");
}

#[tokio::test]
async fn a_run_on_demand_tries_what_is_due_by_its_date_once() {
    let http = Http::start_manual().await;
    let id = agreed(&http, &json!({})).await;
    let run = async || http.control("POST", "charges/run", json!({})).await;
    charge(&http, &id, &json!({ "amount": 151, "retryDays": 1 })).await;
    charge(&http, &id, &json!({ "orderId": "box-2", "due": "2026-01-09" })).await;
    assert_eq!(run().await, (200, json!({ "processed": 0 })), "the day before");
    act(&http, &id, "days 1").await;
    assert_eq!(run().await, (200, json!({ "processed": 1 })), "tried again, and the other one is not yet due");
    assert_eq!((status_of(&http, "box-1").await, status_of(&http, "box-2").await), ("DUE".into(), "DUE".into()));
}

#[tokio::test]
async fn every_pricing_has_its_ceiling() {
    let (legacy, variable, flexible) = (json!({}), variable("NOK", 20_000), flexible());
    let yes = |day, amount| (day, amount, 201, "");
    let no = |day, amount| (day, amount, 400, "charge-amount-too-high");
    let january = "2026-01-20";
    // Pricing, the customer's own ceiling, whether an interval has one ceiling; the charges.
    let table = [
        // Five times the price in all of an interval.
        (
            &legacy,
            0,
            true,
            vec![yes("2026-01-05", 30_000), yes(january, 20_000), no(january, 100), yes("2026-02-20", 50_000)],
        ),
        (&legacy, 0, false, vec![yes(january, 50_000), yes(january, 50_000), no(january, 50_001)]),
        // The higher of what was suggested and what the customer chose, for each.
        (&variable, 5000, true, vec![yes(january, 20_000), yes(january, 20_000), no(january, 20_001)]),
        (&variable, 30_000, true, vec![yes(january, 30_000), no(january, 30_001)]),
        (&flexible, 0, true, vec![yes(january, 100_000_000), yes(january, i64::from(i32::MAX))]),
    ];
    for (pricing, own, cumulative, charges) in table {
        let http = Http::start_manual().await;
        http.control("PATCH", "settings", json!({ "legacyCeilingCumulative": cumulative })).await;
        let id = drafted(&http, pricing).await;
        let approval = if own > 0 { json!({ "maxAmount": own }) } else { json!({}) };
        http.control("POST", &format!("agreements/{id}/approve"), approval).await;
        for (due, amount, status, problem) in charges {
            let changes = json!({ "due": due, "amount": amount, "orderId": null });
            assert_eq!(verdict(&charge(&http, &id, &changes).await), (status, problem), "{pricing}: {changes}");
        }
    }
}

/// What is charged, acts; status and problem of the last; state; captured, cancelled, refunded.
type Row = (&'static str, &'static [&'static str], u16, &'static str, &'static str, [i64; 3]);

#[tokio::test]
async fn every_transition_of_a_charge_has_its_status_problem_and_money() {
    let (no_capture, no_cancel, no_refund) = ("charge-capture-failed", "cancel-charge-failed", "operation-failed");
    let table: &[Row] = &[
        ("reserve", &["cancel"], 204, "", "CANCELLED", [0, 1000, 0]),
        ("later", &["cancel"], 204, "", "CANCELLED", [0, 1000, 0]),
        ("reserve", &["days 1", "cancel"], 204, "", "CANCELLED", [0, 1000, 0]),
        ("reserve", &["days 1", "capture 1000"], 204, "", "CHARGED", [1000, 0, 0]),
        ("reserve", &["days 1", "capture 400"], 204, "", "PARTIALLY_CAPTURED", [400, 0, 0]),
        ("reserve", &["days 1", "capture 400", "capture 600"], 204, "", "CHARGED", [1000, 0, 0]),
        ("reserve", &["days 1", "capture 400", "cancel"], 204, "", "CHARGED", [400, 600, 0]),
        ("reserve", &["days 1", "capture 400", "refund 100"], 204, "", "PARTIALLY_CAPTURED", [400, 0, 100]),
        ("reserve", &["days 1", "capture 400", "refund 400"], 204, "", "PARTIALLY_CAPTURED", [400, 0, 400]),
        (
            "reserve",
            &["days 1", "capture 400", "refund 100", "capture 600"],
            204,
            "",
            "PARTIALLY_REFUNDED",
            [1000, 0, 100],
        ),
        ("reserve", &["days 1", "capture 400", "refund 100", "cancel"], 204, "", "PARTIALLY_REFUNDED", [400, 600, 100]),
        ("reserve", &["days 1", "capture 400", "refund 400", "cancel"], 204, "", "REFUNDED", [400, 600, 400]),
        ("direct", &["days 1", "refund 400"], 204, "", "PARTIALLY_REFUNDED", [1000, 0, 400]),
        ("direct", &["days 1", "refund 400", "refund 600"], 204, "", "REFUNDED", [1000, 0, 1000]),
        ("direct", &["days 1", "days 364", "refund 100"], 204, "", "PARTIALLY_REFUNDED", [1000, 0, 100]),
        ("reserve", &["days 1", "days 179", "capture 1000"], 204, "", "CHARGED", [1000, 0, 0]),
        ("reserve", &["days 1", "days 180"], 200, "", "CANCELLED", [0, 1000, 0]),
        ("reserve", &["days 1", "days 180", "capture 1000"], 400, no_capture, "CANCELLED", [0, 1000, 0]),
        ("later", &["capture 100"], 400, no_capture, "PENDING", [0, 0, 0]),
        ("reserve", &["capture 100"], 400, no_capture, "DUE", [0, 0, 0]),
        ("direct", &["days 1", "capture 100"], 400, no_capture, "CHARGED", [1000, 0, 0]),
        ("failing", &["days 2", "capture 100"], 400, no_capture, "FAILED", [0, 0, 0]),
        ("reserve", &["cancel", "capture 100"], 400, no_capture, "CANCELLED", [0, 1000, 0]),
        ("reserve", &["days 1", "capture 1001"], 400, no_capture, "RESERVED", [0, 0, 0]),
        ("reserve", &["days 1", "capture 400", "capture 601"], 400, no_capture, "PARTIALLY_CAPTURED", [400, 0, 0]),
        ("reserve", &["days 1", "capture 400", "cancel", "capture 100"], 400, no_capture, "CHARGED", [400, 600, 0]),
        ("reserve", &["days 1", "capture 1000", "capture 100"], 400, no_capture, "CHARGED", [1000, 0, 0]),
        ("direct", &["days 1", "cancel"], 400, no_cancel, "CHARGED", [1000, 0, 0]),
        ("direct", &["days 1", "refund 400", "cancel"], 400, no_cancel, "PARTIALLY_REFUNDED", [1000, 0, 400]),
        ("direct", &["days 1", "refund 1000", "cancel"], 400, no_cancel, "REFUNDED", [1000, 0, 1000]),
        ("unknown", &["days 1", "cancel"], 409, no_cancel, "PROCESSING", [0, 0, 0]),
        ("failing", &["days 2", "cancel"], 400, no_cancel, "FAILED", [0, 0, 0]),
        ("reserve", &["cancel", "cancel"], 400, no_cancel, "CANCELLED", [0, 1000, 0]),
        ("reserve", &["refund 100"], 400, no_refund, "DUE", [0, 0, 0]),
        ("reserve", &["days 1", "refund 100"], 400, no_refund, "RESERVED", [0, 0, 0]),
        ("reserve", &["cancel", "refund 100"], 400, no_refund, "CANCELLED", [0, 1000, 0]),
        ("failing", &["days 2", "refund 100"], 400, no_refund, "FAILED", [0, 0, 0]),
        ("reserve", &["days 1", "capture 400", "refund 401"], 400, no_refund, "PARTIALLY_CAPTURED", [400, 0, 0]),
        ("direct", &["days 1", "refund 1000", "refund 100"], 400, no_refund, "REFUNDED", [1000, 0, 1000]),
        ("direct", &["days 1", "days 365", "refund 100"], 400, no_refund, "CHARGED", [1000, 0, 0]),
    ];
    for (kind, acts, status, problem, state, money) in table {
        let http = Http::start_manual().await;
        let id = agreed(&http, &json!({})).await;
        let changes = match *kind {
            "direct" => json!({ "transactionType": "DIRECT_CAPTURE" }),
            "failing" => json!({ "amount": 151 }),
            "unknown" => json!({ "amount": 201 }),
            "later" => json!({ "due": "2026-03-01" }),
            _ => json!({}),
        };
        assert_eq!(charge(&http, &id, &changes).await.0, 201);
        let mut last = (0, Value::Null);
        for step in *acts {
            last = act(&http, &id, step).await;
        }
        assert_eq!(verdict(&last), (*status, *problem), "{kind} {acts:?}: {}", last.1);
        let (_, charge) = http.get(&format!("{AGREEMENTS}/{id}/charges/box-1")).await;
        let found = ["captured", "cancelled", "refunded"].map(|name| charge["summary"][name].as_i64().unwrap());
        assert_eq!((charge["status"].as_str().unwrap(), found), (*state, *money), "{kind} {acts:?}");
        assert!(*problem != no_cancel || last.1["detail"].as_str().unwrap().contains(state), "names it: {}", last.1);
    }
}

#[tokio::test]
async fn captures_and_refunds_have_an_amount_and_refunds_a_description() {
    let http = Http::start_manual().await;
    let id = agreed(&http, &initial("RESERVE_CAPTURE", 1000)).await;
    let path = format!("{AGREEMENTS}/{id}/charges/box-1");
    let table = [
        ("capture", json!({}), 400),
        ("capture", json!({ "amount": 99 }), 400),
        ("capture", json!({ "amount": 0 }), 400),
        ("capture", json!({ "amount": -100 }), 400),
        ("capture", json!({ "amount": 100.5 }), 400),
        ("capture", json!({ "amount": 400, "description": "Ignored" }), 204),
        ("refund", json!({ "description": "Wilted" }), 400),
        ("refund", json!({ "amount": 99, "description": "Wilted" }), 400),
        ("refund", json!({ "amount": 100 }), 400),
        ("refund", json!({ "amount": 100, "description": "" }), 400),
        ("refund", json!({ "amount": 100, "description": "x".repeat(101) }), 400),
        ("refund", json!({ "amount": 100, "description": "x".repeat(100) }), 204),
    ];
    for (name, body, status) in table {
        let answer = http.post(&format!("{path}/{name}"), &body).await;
        let problem = if status == 400 { "validation-error" } else { "" };
        assert_eq!(verdict(&answer), (status, problem), "{name} {body}: {}", answer.1);
    }
}

#[tokio::test]
async fn the_history_has_every_event_with_its_amount_and_key() {
    let http = Http::start_manual().await;
    let id = agreed(&http, &json!({})).await;
    let charges = format!("{AGREEMENTS}/{id}/charges");
    let changes = [json!({ "orderId": null }), json!({ "orderId": null, "transactionType": "DIRECT_CAPTURE" })];
    let mut paths = Vec::new();
    for (changes, key) in changes.iter().zip(["create", "create-direct"]) {
        let (_, created) = http.keyed("POST", &charges, key, &with(new_charge(), changes)).await;
        paths.push(created["chargeId"].as_str().unwrap().to_owned());
    }
    act(&http, &id, "days 1").await;
    let path = format!("{charges}/{}", paths[0]);
    http.keyed("POST", &format!("{path}/capture"), "capture", &json!({ "amount": 400 })).await;
    let refund = json!({ "amount": 100, "description": "Wilted" });
    http.keyed("POST", &format!("{path}/refund"), "refund", &refund).await;
    http.keyed("DELETE", &path, "cancel", &Value::Null).await;
    let system = |charge: &str| format!("{charge}-{id}-ProcessPayment");
    let expected = [
        vec![
            ("CREATE", 1000, "create".to_owned(), "2026-01-01T00:00:00"),
            ("RESERVE", 1000, system(&paths[0]), "2026-01-02T00:00:00"),
            ("CAPTURE", 400, "capture".to_owned(), "2026-01-02T00:01:00"),
            ("REFUND", 100, "refund".to_owned(), "2026-01-02T00:01:00"),
            ("CANCEL", 600, "cancel".to_owned(), "2026-01-02T00:01:00"),
        ],
        vec![
            ("CREATE", 1000, "create-direct".to_owned(), "2026-01-01T00:00:00"),
            ("CAPTURE", 1000, system(&paths[1]), "2026-01-02T00:00:00"),
        ],
    ];
    for (charge, expected) in paths.iter().zip(expected) {
        let (_, charge) = http.get(&format!("{charges}/{charge}")).await;
        let history = charge["history"].as_array().unwrap();
        assert_eq!(history.len(), expected.len(), "{history:?}");
        for (found, (event, amount, key, occurred)) in history.iter().zip(expected) {
            let expected = json!({ "event": event, "amount": amount, "idempotencyKey": key, "success": true });
            assert_shows(found, &with(expected, &json!({ "occurred": occurred })));
        }
        let transaction = charge["transactionId"].as_str().unwrap();
        assert!(transaction.len() >= 10 && transaction.bytes().all(|byte| byte.is_ascii_digit()), "{transaction}");
    }
}

#[tokio::test]
async fn accepted_with_202_it_takes_effect_later() {
    let http = Http::start_manual().await;
    let id = agreed(&http, &initial("RESERVE_CAPTURE", 1000)).await;
    http.control("PATCH", "settings", json!({ "recurringEffectSeconds": 60 })).await;
    assert_eq!(act(&http, &id, "capture 1000").await, (202, Value::Null));
    assert_eq!(status_of(&http, "box-1").await, "RESERVED");
    http.advance(60).await;
    assert_eq!(status_of(&http, "box-1").await, "CHARGED");
}

#[tokio::test]
async fn effects_that_are_put_off_answer_202() {
    let http = Http::start_manual().await;
    let agreement = agreed(&http, &json!({})).await;
    let charges = format!("{AGREEMENTS}/{agreement}/charges");
    assert_eq!(http.post(&charges, &new_charge()).await.0, 201);
    http.advance(2 * 86_400).await;
    http.control("PATCH", "settings", json!({ "recurringEffectSeconds": 60 })).await;
    let (path, capture) = (format!("{charges}/box-1"), format!("{charges}/box-1/capture"));
    assert_eq!(http.post(&capture, &json!({ "amount": 400 })).await.0, 202);
    assert_eq!(http.get(&path).await.1["summary"]["captured"], 0);
    http.advance(60).await;
    assert_eq!(http.get(&path).await.1["summary"]["captured"], 400);
    assert_eq!(http.post(&capture, &json!({ "amount": 601 })).await.0, 400, "what cannot be is refused at once");
}

#[tokio::test]
async fn an_initial_charge_that_was_cancelled_stays_cancelled() {
    for transaction_type in ["RESERVE_CAPTURE", "DIRECT_CAPTURE"] {
        let http = Http::start_manual().await;
        let agreement = drafted(&http, &initial(transaction_type, 500)).await;
        let path = format!("{AGREEMENTS}/{agreement}/charges/box-1");
        assert_eq!(http.write("DELETE", &path, &Value::Null).await.0, 204);
        assert_eq!(http.control("POST", &format!("agreements/{agreement}/approve"), json!({})).await.0, 200);
        let (_, charge) = http.get(&path).await;
        assert_eq!((&charge["status"], &charge["summary"]["captured"]), (&json!("CANCELLED"), &json!(0)), "{charge}");
        assert_eq!(charge["history"].as_array().unwrap().len(), 2, "{charge}");
    }
}

#[tokio::test]
async fn a_raised_maximum_lets_a_waiting_charge_through() {
    let http = Http::start_manual().await;
    let agreement = drafted(&http, &variable("NOK", 100_000)).await;
    let act = async |name: &str, most: i64| {
        http.control("POST", &format!("agreements/{agreement}/{name}"), json!({ "maxAmount": most })).await.0
    };
    assert_eq!(act("raise", 5_000).await, 409, "nobody accepted it yet");
    assert_eq!(act("approve", 500).await, 200);
    let charge = with(new_charge(), &json!({ "retryDays": 2 }));
    assert_eq!(http.post(&format!("{AGREEMENTS}/{agreement}/charges"), &charge).await.0, 201);
    http.advance(86_400).await;
    assert_eq!(status_of(&http, "box-1").await, "DUE");
    assert_eq!(act("raise", 5_000).await, 200);
    http.advance(86_400).await;
    assert_eq!(status_of(&http, "box-1").await, "RESERVED");
}

#[tokio::test]
async fn a_key_is_for_one_request_of_any_operation() {
    let http = Http::start_manual().await;
    let agreement = agreed(&http, &json!({})).await;
    let path = format!("{AGREEMENTS}/{agreement}");
    assert_eq!(http.keyed("POST", &format!("{path}/charges"), "one", &new_charge()).await.0, 201);
    let other = http.keyed("PATCH", &path, "one", &json!({ "productName": "Box" })).await;
    assert_eq!(verdict(&other), (409, "idempotency-conflict"));
}

#[tokio::test]
async fn a_campaign_has_instants_and_is_shown_until_it_ends() {
    let http = Http::start_manual().await.tolerant();
    let until = |end: &str| json!({ "campaign": { "type": "PRICE_CAMPAIGN", "price": 100, "end": end } });
    let refused = http.post(AGREEMENTS, &with(draft(), &until("soon"))).await;
    assert_eq!(verdict(&refused), (400, "validation-error"));
    let agreement = agreed(&http, &until("2026-01-02T00:00:00Z")).await;
    let campaign = async || http.get(&format!("{AGREEMENTS}/{agreement}")).await.1["campaign"].clone();
    assert_eq!(campaign().await["price"], 100);
    http.advance(86_400).await;
    assert_eq!(campaign().await, Value::Null);
}
