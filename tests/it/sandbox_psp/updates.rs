use serde_json::{Value, json};
use vipps_tests::{Http, Receiver};

use super::{UPDATE, captured, changed, control, details, init, outcome, payment, psp_answering, second, set, summary};

/// A payment that is reserved.
async fn reserved() -> (Http, Receiver) {
    let (http, psp) = psp_answering(vec![(200, outcome("OK"))]).await;
    init(&http, &payment(&psp)).await;
    assert_eq!(control(&http, "approve", json!({})).await, (200, Some("RESERVED".to_owned())));
    (http, psp)
}

async fn update(http: &Http, transactions: Value) -> (u16, Value) {
    http.psp("POST", UPDATE, &json!({ "transactions": transactions })).await
}

#[tokio::test]
async fn updates_move_money_within_what_is_left() {
    const FAILED: &str = "FAILED";
    const SUCCESS: &str = "SUCCESS";
    /// Reports (status, amount, operation status); which of them succeeded; the summary.
    type Row<'a> = (&'a [(&'a str, i64, &'a str)], &'a [bool], [i64; 4]);
    let table: &[Row<'_>] = &[
        (&[("RESERVED", 49_900, SUCCESS)], &[true], [0, 49_900, 0, 0]),
        (&[("CAPTURED", 49_900, SUCCESS)], &[true], [49_900, 0, 0, 49_900]),
        (&[("CAPTURED", 20_000, SUCCESS)], &[true], [20_000, 29_900, 0, 20_000]),
        (&[("CAPTURED", 20_000, FAILED)], &[false], [0, 49_900, 0, 0]),
        (&[("CAPTURED", 49_901, SUCCESS)], &[false], [0, 49_900, 0, 0]),
        (&[("CANCELLED", 49_900, SUCCESS)], &[true], [0, 0, 0, 0]),
        (&[("CANCELLED", 49_901, SUCCESS)], &[false], [0, 49_900, 0, 0]),
        (&[("REFUNDED", 1, SUCCESS)], &[false], [0, 49_900, 0, 0]),
        (&[("CAPTURED", 20_000, SUCCESS), ("CAPTURED", 29_900, SUCCESS)], &[true, true], [49_900, 0, 0, 49_900]),
        (&[("CAPTURED", 20_000, SUCCESS), ("CAPTURED", 29_901, SUCCESS)], &[true, false], [20_000, 29_900, 0, 20_000]),
        (&[("CAPTURED", 20_000, SUCCESS), ("CANCELLED", 29_900, SUCCESS)], &[true, true], [20_000, 0, 0, 20_000]),
        (&[("CAPTURED", 20_000, SUCCESS), ("REFUNDED", 5000, SUCCESS)], &[true, true], [20_000, 29_900, 5000, 15_000]),
        (&[("CAPTURED", 20_000, SUCCESS), ("REFUNDED", 20_001, SUCCESS)], &[true, false], [20_000, 29_900, 0, 20_000]),
        (&[("CAPTURED", 49_900, SUCCESS), ("REFUNDED", 100, FAILED)], &[true, false], [49_900, 0, 0, 49_900]),
    ];
    for (reports, successes, expected) in table {
        let (http, _psp) = reserved().await;
        let report = |(status, amount, success): &(&str, i64, &str)| {
            json!({
                "pspTransactionId": "acme7a3", "status": status, "amount": amount, "currency": "NOK",
                "paymentText": "Two mugs", "operationStatus": success
            })
        };
        let answer = update(&http, reports.iter().map(report).collect()).await;
        let accepted = json!({ "responseInfo": { "responseCode": "9000", "responseMessage": "SUCCESS" } });
        assert_eq!(answer, (200, accepted), "{reports:?}");
        assert_eq!(summary(&http).await, *expected, "{reports:?}");
        let details = details(&http).await;
        assert_eq!(
            (&details["pspTransactionId"], &details["merchantOrderId"]),
            (&json!("acme7a3"), &json!("acme-order-42"))
        );
        // The reservation itself was told by makePayment; its row is not this table's.
        let log = details["transactionLogHistory"].as_array().unwrap().iter();
        let log = log.filter(|row| row["operation"] != "RESERVED").map(|row| {
            assert!(row["timeStamp"].is_string() && row["paymentText"] == "Two mugs", "{row}");
            (row["operation"].as_str().unwrap(), row["amount"].as_i64().unwrap(), row["operationSuccess"] == true)
        });
        let mut log: Vec<_> = log.collect();
        let reported =
            reports.iter().zip(*successes).map(|((status, amount, _), success)| (*status, *amount, *success));
        let mut reported: Vec<_> = reported.filter(|(status, ..)| *status != "RESERVED").collect();
        log.sort_unstable();
        reported.sort_unstable();
        assert_eq!(log, reported, "{reports:?}");
    }
}

#[tokio::test]
async fn a_batch_reports_several_payments_and_strangers_are_passed_over() {
    let (http, psp) = psp_answering(vec![(200, json!({ "paymentInfo": { "status": "OK" } }))]).await;
    for (body, id) in [(payment(&psp), "acme7a3"), (second(&psp), "acme7a4")] {
        init(&http, &body).await;
        http.control("POST", &format!("psp/{id}/approve"), json!({})).await;
    }
    let of = |id: &str, value: i64| set(captured(value), "pspTransactionId", id.into());
    assert_eq!(update(&http, json!([of("acme7a4", 300), of("nobody", 1), captured(200)])).await.0, 200);
    assert_eq!(update(&http, json!([])).await.0, 200);
    assert_eq!(summary(&http).await, [200, 49_700, 0, 200]);
    let (_, details) = http.psp("GET", "/psp/v3/psppayments/acme7a4/details", &Value::Null).await;
    assert_eq!(details["transactionSummary"]["capturedAmount"], 300);
    assert_eq!(http.psp("GET", "/psp/v3/psppayments/nobody/details", &Value::Null).await.0, 404);
    let http = http.tolerant();
    let torn =
        changed(&http, "POST", UPDATE, &[]).header("Content-Type", "application/json").body("{\"transactions\":");
    let (status, answer) = http.send(torn).await;
    assert_eq!((status, answer.is_array()), (400, true), "{answer}");
}

#[tokio::test]
async fn updates_take_effect_when_the_setting_says() {
    for (when, days, expected) in [("immediate", 0, 200), ("nightly", 0, 0), ("nightly", 2, 200), ("never", 2, 0)] {
        let (http, _psp) = reserved().await;
        http.control("PATCH", "settings", json!({ "pspUpdates": when })).await;
        http.advance(1).await;
        assert_eq!(update(&http, json!([captured(200)])).await.0, 200, "accepted at once");
        http.advance(days * 86_400).await;
        let (_, ledger) = http.control("GET", "ledger", Value::Null).await;
        assert_eq!(ledger["pspPayments"][0]["captured"], expected, "{when}, after {days} days");
    }
}
