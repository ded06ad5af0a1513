use std::time::Duration;

use serde_json::{Value, json};
use vipps_sandbox::{Market, Options, Profile};
use vipps_tests::Http;

const PATH: &str = "/epayment/v1/payments/acme-order-42";

fn money(value: i64) -> Value {
    json!({ "currency": "NOK", "value": value })
}

fn order() -> Value {
    json!({
        "amount": money(1000), "reference": "acme-order-42", "paymentMethod": { "type": "WALLET" },
        "userFlow": "WEB_REDIRECT", "returnUrl": "https://acme.example/thanks"
    })
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut body = order();
    change(&mut body);
    body
}

/// Status and code of an answer; no code for a malformed field.
fn verdict((status, body): &(u16, Value)) -> (u16, Option<&str>) {
    let details = body["extraDetails"].as_array().map(Vec::as_slice).unwrap_or_default();
    let code = details.iter().find(|detail| detail["name"] == "ErrorCode");
    (*status, code.and_then(|detail| detail["reason"].as_str()))
}

async fn act(http: &Http, act: &str) -> (u16, Value) {
    let (name, value) = act.split_once(' ').map_or((act, 0), |(name, value)| (name, value.parse().unwrap()));
    match name {
        "approve" | "abort" => http.control("POST", &format!("payments/acme-order-42/{name}"), json!({})).await,
        "force" => http.send(http.request("POST", "/epayment/v1/test/payments/acme-order-42/approve")).await,
        "capture" | "refund" => {
            http.post(&format!("{PATH}/{name}"), &json!({ "modificationAmount": money(value) })).await
        }
        "cancel" => http.send(http.request("POST", &format!("{PATH}/cancel"))).await,
        "cancel-only" => http.post(&format!("{PATH}/cancel"), &json!({ "cancelTransactionOnly": true })).await,
        "minutes" => http.control("POST", "clock/advance", json!({ "seconds": value * 60 })).await,
        "days" => {
            http.sandbox.clock().advance(Duration::from_secs(u64::try_from(value).unwrap() * 86_400)).await;
            (200, Value::Null)
        }
        other => panic!("unknown act {other}"),
    }
}

/// Acts; status, code, state; authorized, captured, cancelled, refunded.
type Row = (&'static [&'static str], u16, Option<&'static str>, &'static str, [i64; 4]);

#[tokio::test]
async fn every_transition_has_the_published_status_code_and_money() {
    let table: &[Row] = &[
        (&["approve"], 200, None, "AUTHORIZED", [1000, 0, 0, 0]),
        (&["force"], 200, None, "AUTHORIZED", [1000, 0, 0, 0]),
        (&["abort"], 200, None, "ABORTED", [0, 0, 0, 0]),
        (&["minutes 10"], 200, None, "EXPIRED", [0, 0, 0, 0]),
        (&["cancel"], 200, None, "TERMINATED", [0, 0, 1000, 0]),
        (&["cancel-only"], 200, None, "TERMINATED", [0, 0, 1000, 0]),
        (&["approve", "capture 250", "cancel"], 200, None, "AUTHORIZED", [1000, 250, 750, 0]),
        (&["approve", "capture 250", "refund 100"], 200, None, "AUTHORIZED", [1000, 250, 0, 100]),
        (&["capture 100"], 400, Some("6080"), "CREATED", [0, 0, 0, 0]),
        (&["abort", "capture 100"], 400, Some("6200"), "ABORTED", [0, 0, 0, 0]),
        (&["cancel", "capture 100"], 400, Some("6200"), "TERMINATED", [0, 0, 1000, 0]),
        (&["minutes 10", "capture 100"], 400, Some("6200"), "EXPIRED", [0, 0, 0, 0]),
        (&["approve", "cancel", "capture 100"], 400, Some("6070"), "AUTHORIZED", [1000, 0, 1000, 0]),
        (&["approve", "capture 1000", "capture 1"], 400, Some("6170"), "AUTHORIZED", [1000, 1000, 0, 0]),
        (&["approve", "capture 1001"], 400, Some("6090"), "AUTHORIZED", [1000, 0, 0, 0]),
        (&["approve", "capture 0"], 400, Some("4040"), "AUTHORIZED", [1000, 0, 0, 0]),
        (&["approve", "capture -1"], 400, Some("4040"), "AUTHORIZED", [1000, 0, 0, 0]),
        (&["refund 100"], 400, Some("6020"), "CREATED", [0, 0, 0, 0]),
        (&["abort", "refund 100"], 400, Some("6210"), "ABORTED", [0, 0, 0, 0]),
        (&["approve", "refund 100"], 400, Some("6150"), "AUTHORIZED", [1000, 0, 0, 0]),
        (&["approve", "capture 500", "refund 501"], 400, Some("6150"), "AUTHORIZED", [1000, 500, 0, 0]),
        (&["approve", "capture 500", "refund 500", "refund 1"], 400, Some("6180"), "AUTHORIZED", [1000, 500, 0, 500]),
        (&["approve", "capture 500", "refund 123"], 400, Some("6210"), "AUTHORIZED", [1000, 500, 0, 0]),
        (&["approve", "capture 500", "refund 124"], 400, Some("6220"), "AUTHORIZED", [1000, 500, 0, 0]),
        (&["approve", "capture 1000", "cancel"], 400, Some("6040"), "AUTHORIZED", [1000, 1000, 0, 0]),
        (&["approve", "cancel", "cancel"], 400, Some("6190"), "AUTHORIZED", [1000, 0, 1000, 0]),
        (&["approve", "cancel-only"], 400, Some("6060"), "AUTHORIZED", [1000, 0, 0, 0]),
        (&["abort", "cancel"], 400, Some("6050"), "ABORTED", [0, 0, 0, 0]),
        (&["minutes 10", "cancel"], 400, Some("6050"), "EXPIRED", [0, 0, 0, 0]),
        (&["cancel", "cancel"], 400, Some("6050"), "TERMINATED", [0, 0, 1000, 0]),
        (&["approve", "force"], 400, Some("6230"), "AUTHORIZED", [1000, 0, 0, 0]),
        (&["abort", "force"], 400, Some("10010"), "ABORTED", [0, 0, 0, 0]),
    ];
    for (acts, status, code, state, money) in table {
        let http = Http::start().await;
        assert_eq!(http.create(&order()).await.0, 201);
        let mut last = (0, Value::Null);
        for step in *acts {
            last = act(&http, step).await;
        }
        assert_eq!(verdict(&last), (*status, *code), "{acts:?}: {}", last.1);
        let (_, payment) = http.get(PATH).await;
        let figures = ["authorizedAmount", "capturedAmount", "cancelledAmount", "refundedAmount"];
        let found = figures.map(|name| payment["aggregate"][name]["value"].as_i64().unwrap());
        assert_eq!((payment["state"].as_str().unwrap(), found), (*state, *money), "{acts:?}");
        assert_eq!(payment["amount"]["value"], 1000, "the original amount");
    }
}

#[tokio::test]
async fn deadlines_depend_on_the_market() {
    for (market, currency, last_day) in
        [(Market::Norway, "NOK", 180), (Market::Denmark, "DKK", 14), (Market::Finland, "EUR", 14)]
    {
        let mut options = Options::default();
        options.market = market;
        let http = Http::start_with(options).await;
        let amount = json!({ "currency": currency, "value": 1000 });
        assert_eq!(http.create(&changed(|body| body["amount"] = amount.clone())).await.0, 201, "{currency}");
        act(&http, "approve").await;
        http.sandbox.clock().advance(Duration::from_secs(last_day * 86_400 - 60)).await;
        let http = http.with_new_token().await;
        let capture = |value: i64| json!({ "modificationAmount": { "currency": currency, "value": value } });
        assert_eq!(http.post(&format!("{PATH}/capture"), &capture(400)).await.0, 200, "{currency}: on the last day");
        act(&http, "minutes 2").await;
        assert_eq!(
            verdict(&http.post(&format!("{PATH}/capture"), &capture(1)).await),
            (400, Some("6100")),
            "{currency}"
        );
        assert_eq!(verdict(&act(&http, "cancel").await), (400, Some("6030")), "{currency}");
        let (_, payment) = http.get(PATH).await;
        assert_eq!(payment["aggregate"]["cancelledAmount"]["value"], 600, "the rest went back by itself");
        act(&http, "days 366").await;
        let http = http.with_new_token().await;
        assert_eq!(
            verdict(&http.post(&format!("{PATH}/refund"), &capture(1)).await),
            (400, Some("6220")),
            "{currency}"
        );
    }
}

#[tokio::test]
async fn every_rule_of_creation_has_its_code_or_names_its_field() {
    let ahead = |minutes: i64| {
        let now = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let at = now + Duration::from_secs(u64::try_from(minutes).unwrap() * 60);
        vipps_types::Timestamp::from_system_time(at).as_str().to_owned()
    };
    let receipt = json!({
        "orderLines": [{ "name": "n", "id": "i", "totalAmount": 100, "totalAmountExcludingTax": 80, "totalTaxAmount": 20, "taxRate": 2500 }],
        "bottomLine": { "currency": "NOK" }
    });
    let set = |name: &'static str, value: Value| changed(|body| body[name] = value);
    let cases: Vec<(Value, u16, Option<&str>, &str)> = vec![
        (set("returnUrl", Value::Null), 400, Some("4140"), ""),
        (changed(|body| drop(body.as_object_mut().unwrap().remove("returnUrl"))), 400, Some("4140"), ""),
        (set("userFlow", "PUSH_MESSAGE".into()), 400, Some("4140"), ""),
        (set("amount", money(99)), 400, Some("6010"), ""),
        (set("amount", money(0)), 400, Some("6010"), ""),
        (set("amount", money(65_000_001)), 400, Some("4040"), ""),
        (set("amount", money(-1)), 400, Some("4040"), ""),
        (set("amount", json!({ "currency": "NOK", "value": 10.5 })), 400, Some("4040"), ""),
        (set("amount", json!({ "currency": "EUR", "value": 1000 })), 400, Some("5040"), ""),
        (set("amount", json!({ "currency": "NOK" })), 400, None, "amount.value"),
        (set("reference", "short".into()), 400, None, "reference"),
        (set("reference", "under_score_".into()), 400, None, "reference"),
        (set("reference", "a".repeat(65).into()), 400, None, "reference"),
        (set("paymentDescription", "ab".into()), 400, None, "paymentDescription"),
        (set("userFlow", "CARRIER_PIGEON".into()), 400, None, "userFlow"),
        (set("paymentMethod", json!({ "type": "CARD_PASSTHROUGH" })), 400, Some("4140"), ""),
        (
            changed(|body| {
                body["paymentMethod"] = json!({ "type": "CARD" });
                body["userFlow"] = "QR".into();
            }),
            400,
            Some("4160"),
            "",
        ),
        (
            set("paymentMethod", json!({ "type": "WALLET", "blockedSources": ["COMMERCIAL_CARDS"] })),
            400,
            Some("5010"),
            "",
        ),
        (set("customer", json!({})), 400, None, "customer"),
        (set("customer", json!({ "phoneNumber": "4712345678", "personalQr": "https://qr" })), 400, None, "customer"),
        (set("customer", json!({ "phoneNumber": "+4712345678" })), 400, None, "customer.phoneNumber"),
        (set("expiresAt", ahead(10).into()), 400, Some("6120"), ""),
        (set("expiresAt", ahead(60 * 24 * 61).into()), 400, Some("6110"), ""),
        (set("expiresAt", ahead(60).into()), 400, Some("6130"), ""),
        (set("expiresAt", "tomorrow".into()), 400, None, "expiresAt"),
        (set("metadata", json!({ "a": "", "b": "", "c": "", "d": "", "e": "", "f": "" })), 400, Some("4100"), ""),
        (set("metadata", json!({ "k".repeat(101): "" })), 400, Some("4120"), ""),
        (set("metadata", json!({ "k": "v".repeat(501) })), 400, Some("4130"), ""),
        (set("profile", json!({ "scope": "shoeSize" })), 400, Some("4080"), ""),
        (set("shipping", json!({ "fixedOptions": [] })), 400, Some("4080"), ""),
        (set("minimumUserAge", 101.into()), 400, None, "minimumUserAge"),
        (
            set("receipt", json!({ "orderLines": [], "bottomLine": { "currency": "NOK" } })),
            400,
            None,
            "receipt.orderLines",
        ),
        (set("returnUrl", "not an address".into()), 400, Some("4090"), ""),
        (
            changed(|body| {
                body["expiresAt"] = ahead(60).into();
                body["receipt"] = receipt.clone();
            }),
            201,
            None,
            "",
        ),
    ];
    for (body, status, code, field) in cases {
        let mut options = Options::default();
        options.clock = vipps_sandbox::ClockMode::Manual;
        let http = Http::start_with(options).await;
        let answer = http.create(&body).await;
        assert_eq!(verdict(&answer), (status, code), "{body}: {}", answer.1);
        if !field.is_empty() {
            assert_eq!(answer.1["extraDetails"][0]["name"], field, "{}", answer.1);
        }
        if status >= 400 {
            assert_eq!(answer.1["type"], format!("https://httpstatuses.io/{status}"));
            assert_eq!((&answer.1["status"], &answer.1["instance"]), (&json!(status), &json!("/v1/payments")));
            assert!(answer.1["traceId"].as_str().unwrap().starts_with("00-"));
        }
    }
}

#[tokio::test]
async fn a_key_has_one_effect_and_one_answer() {
    let http = Http::start().await;
    let send = async |path: &str, key: &str, body: Value| {
        let request = http.request("POST", path).header("Idempotency-Key", key).json(&body);
        http.send(request).await
    };
    let first = send("/epayment/v1/payments", "k", order()).await;
    assert_eq!(send("/epayment/v1/payments", "k", order()).await, first);
    assert_eq!(
        verdict(&send("/epayment/v1/payments", "k", changed(|body| body["amount"] = money(2000))).await),
        (409, Some("4020"))
    );
    assert_eq!(verdict(&send("/epayment/v1/payments", "k2", order()).await), (409, Some("4150")));
    let capture = format!("{PATH}/capture");
    let part = |value: i64| json!({ "modificationAmount": money(value) });
    let early = send(&capture, "c", part(100)).await;
    assert_eq!(verdict(&early), (400, Some("6080")));
    act(&http, "approve").await;
    assert_eq!(verdict(&send(&capture, "c", part(100)).await), (400, Some("6080")), "a refusal is kept under its key");
    let done = send(&capture, "k", part(100)).await;
    assert_eq!(done.0, 200, "the key of the creation is another key here");
    let reordered = "{\"modificationAmount\" : {\"value\":100, \"currency\":\"NOK\"}}";
    let request = http
        .request("POST", &capture)
        .header("Idempotency-Key", "k")
        .header("Content-Type", "application/json")
        .body(reordered);
    assert_eq!(http.send(request).await, done);
    assert_eq!(verdict(&send(&capture, "k", part(200)).await), (409, Some("4010")));
    let refund = format!("{PATH}/refund");
    assert_eq!(send(&refund, "r", part(10)).await.0, 200);
    assert_eq!(verdict(&send(&refund, "r", part(20)).await), (409, Some("4150")));
    assert_eq!(verdict(&send(&capture, &"k".repeat(51), part(1)).await), (400, None));
    let unkeyed = http.send(http.request("POST", &capture).json(&part(1))).await;
    assert_eq!((verdict(&unkeyed), &unkeyed.1["extraDetails"][0]["name"]), ((400, None), &json!("Idempotency-Key")));
    let (_, payment) = http.get(PATH).await;
    assert_eq!(
        (&payment["aggregate"]["capturedAmount"]["value"], &payment["aggregate"]["refundedAmount"]["value"]),
        (&json!(100), &json!(10))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_copies_at_once_have_one_effect_and_one_answer() {
    let http = Http::start().await;
    http.create(&order()).await;
    act(&http, "approve").await;
    let copies: Vec<_> = (0..500)
        .map(|_| {
            let request = http.request("POST", &format!("{PATH}/capture")).header("Idempotency-Key", "one");
            let request = request.json(&json!({ "modificationAmount": money(100) }));
            tokio::spawn(async move {
                let response = request.send().await.unwrap();
                (response.status().as_u16(), response.text().await.unwrap())
            })
        })
        .collect();
    let mut answers = std::collections::BTreeSet::new();
    for copy in copies {
        answers.insert(copy.await.unwrap());
    }
    assert_eq!(answers.len(), 1);
    assert_eq!(http.get(PATH).await.1["aggregate"]["capturedAmount"]["value"], 100);
}

#[tokio::test]
async fn while_a_stall_holds_a_payment_other_writes_are_locked_out() {
    let http = Http::start().await;
    http.create(&order()).await;
    act(&http, "approve").await;
    http.control(
        "POST",
        "faults",
        json!({ "operation": "capturePayment", "fault": { "kind": "stall", "seconds": 0.3 } }),
    )
    .await;
    let slow = http
        .request("POST", &format!("{PATH}/capture"))
        .header("Idempotency-Key", "slow")
        .json(&json!({ "modificationAmount": money(100) }));
    let slow = tokio::spawn(async move { slow.send().await.unwrap().status().as_u16() });
    while http.sandbox.requests().iter().all(|request| request["operation"] != "capturePayment") {
        tokio::task::yield_now().await;
    }
    assert_eq!(verdict(&act(&http, "capture 100").await), (423, Some("6160")));
    assert_eq!(http.get(PATH).await.0, 200, "reads go on");
    assert_eq!(slow.await.unwrap(), 200);
    assert_eq!(act(&http, "capture 100").await.0, 200);
}

#[tokio::test]
async fn only_configured_credentials_are_accepted() {
    let http = Http::start_tolerant().await;
    let url = format!("{}{PATH}", http.sandbox.base_url());
    let good = [
        ("Authorization", format!("Bearer {}", http.token())),
        ("Ocp-Apim-Subscription-Key", "test-subscription-key".to_owned()),
        ("Merchant-Serial-Number", "123456".to_owned()),
    ];
    let with = |name: &str, value: Option<&str>| {
        let mut request = http.client.get(&url);
        for (header, kept) in &good {
            match (*header == name, value) {
                (true, Some(value)) => request = request.header(*header, value),
                (true, None) => {}
                (false, _) => request = request.header(*header, kept),
            }
        }
        request
    };
    let bearer = format!("bearer {}", http.token());
    let cases = [
        ("Authorization", None, 401),
        ("Authorization", Some("Bearer wrong"), 401),
        ("Authorization", Some(bearer.as_str()), 401),
        ("Ocp-Apim-Subscription-Key", None, 401),
        ("Ocp-Apim-Subscription-Key", Some("wrong"), 401),
        ("Merchant-Serial-Number", Some("999999"), 401),
        ("Merchant-Serial-Number", None, 400),
        ("none", None, 404),
    ];
    for (name, value, status) in cases {
        assert_eq!(http.send(with(name, value)).await.0, status, "{name} {value:?}");
    }
    http.sandbox.clock().advance(Duration::from_secs(3600)).await;
    assert_eq!(http.get(PATH).await.0, 401, "the token has expired");
}

#[tokio::test]
async fn the_profile_of_the_reference_pages_differs_where_they_do() {
    let mut options = Options::default();
    options.profile = Profile::Seed;
    let http = Http::start_with(options).await;
    assert_eq!(verdict(&http.create(&changed(|body| body["reference"] = "a".repeat(51).into())).await), (400, None));
    http.create(&order()).await;
    let unkeyed = act(&http, "cancel").await;
    assert_eq!((verdict(&unkeyed), &unkeyed.1["extraDetails"][0]["name"]), ((400, None), &json!("Idempotency-Key")));
    act(&http, "approve").await;
    let (_, events) = http.get(&format!("{PATH}/events")).await;
    assert_eq!(events[0]["paymentAction"], "CREATE");
    assert_eq!(act(&http, "cancel-only").await.0, 200, "the body is ignored");
}

#[tokio::test]
async fn strict_mode_refuses_what_is_otherwise_tolerated() {
    let mut options = Options::default();
    options.strict = true;
    let http = Http::start_with(options).await;
    let cases = [
        (changed(|body| body["reference"] = 58_712_432.into()), None),
        (changed(|body| body["colour"] = "blue".into()), None),
        (changed(|body| body["returnUrl"] = "http://acme.example".into()), Some("4090")),
    ];
    for (body, code) in cases {
        assert_eq!(verdict(&http.create(&body).await), (400, code), "{body}");
    }
    let lenient = Http::start_tolerant().await;
    let odd = changed(|body| {
        body["reference"] = 58_712_432.into();
        body["colour"] = "blue".into();
    });
    assert_eq!(lenient.create(&odd).await.0, 201);
    assert_eq!(lenient.sandbox.warnings().len(), 2, "{:?}", lenient.sandbox.warnings());
    let number = changed(|body| {
        body["reference"] = "acme-phone-as-number".into();
        body["customer"] = json!({ "phoneNumber": 4_712_345_678_i64 });
    });
    assert_eq!(lenient.create(&number).await.0, 201);
}

#[tokio::test]
async fn a_person_approves_or_aborts_on_the_landing_page() {
    for (choice, state) in [("approve", "AUTHORIZED"), ("abort", "ABORTED")] {
        let http = Http::start().await;
        let nasty = changed(|body| body["paymentDescription"] = "<script>alert('x')</script>".into());
        let (_, created) = http.create(&nasty).await;
        let url = created["redirectUrl"].as_str().unwrap();
        let page = http.client.get(url).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("10.00 NOK") && page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");
        let token = url.split("token=").nth(1).unwrap();
        let form = http.client.post(format!("{}/landing/{choice}", http.sandbox.base_url()));
        let form = form.header("Content-Type", "application/x-www-form-urlencoded").body(format!("token={token}"));
        let answer = form.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()),
            (303, "https://acme.example/thanks")
        );
        assert_eq!(http.get(PATH).await.1["state"], state);
        let after = http.client.get(url).send().await.unwrap().text().await.unwrap();
        assert!(after.contains(state) && !after.contains("<button"), "{after}");
    }
}

#[tokio::test]
async fn a_qr_payment_has_its_image_or_its_target() {
    let formats = [
        (json!({ "format": "IMAGE/SVG+XML" }), "image/svg+xml"),
        (json!({ "format": "IMAGE/PNG", "size": 300 }), "image/png"),
        (json!({ "format": "TEXT/TARGETURL" }), "text/html; charset=utf-8"),
        (Value::Null, "image/svg+xml"),
    ];
    for (format, media) in formats {
        let http = Http::start().await;
        let qr = changed(|body| {
            body["userFlow"] = "QR".into();
            body["qrFormat"] = format.clone();
        });
        let (_, created) = http.create(&qr).await;
        let answer = http.client.get(created["redirectUrl"].as_str().unwrap()).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
            (200, media),
            "{format}"
        );
        let bytes = answer.bytes().await.unwrap();
        if media == "image/png" {
            // Width and height stand big-endian at offset 16 of a PNG.
            assert_eq!((&bytes[16..20], &bytes[20..24]), (&[0, 0, 1, 44][..], &[0, 0, 1, 44][..]));
        }
    }
}

#[tokio::test]
async fn the_same_seed_and_requests_give_the_same_trace() {
    let trace = async || {
        let mut options = Options::default();
        options.clock = vipps_sandbox::ClockMode::Manual;
        let http = Http::start_with(options).await;
        let mut trace = vec![http.create(&order()).await.1];
        for step in ["approve", "capture 250", "capture 5000", "minutes 5", "refund 100", "cancel"] {
            trace.push(act(&http, step).await.1);
        }
        trace.push(http.get(&format!("{PATH}/events")).await.1);
        let text = serde_json::to_string(&trace).unwrap();
        text.replace(http.sandbox.base_url(), "")
    };
    assert_eq!(trace().await, trace().await);
}

#[tokio::test]
async fn malformed_requests_get_a_clear_refusal() {
    let http = Http::start().await;
    let post = |body: Vec<u8>| {
        http.request("POST", "/epayment/v1/payments")
            .header("Idempotency-Key", http.new_key())
            .header("Content-Type", "application/json")
            .body(body)
    };
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for body in [
        b"{\"a\":1,}".to_vec(),
        b"".to_vec(),
        vec![0xff, 0xfe],
        b"[]".to_vec(),
        b"null".to_vec(),
        deep.into_bytes(),
        b"{\"amount\":{\"value\":1e999}}".to_vec(),
    ] {
        assert_eq!(http.send(post(body.clone())).await.0, 400, "{:?}", &body[..body.len().min(20)]);
    }
    assert_eq!(http.send(post(vec![b' '; 1024 * 1024 + 1])).await.0, 413);
    assert_eq!(http.get("/epayment/v1/nothing").await.0, 404);
    assert_eq!(http.send(http.request("DELETE", PATH)).await.0, 405);
    assert_eq!(verdict(&http.get("/epayment/v1/payments/acme-nobody-1").await), (404, Some("5090")));
    assert_eq!(verdict(&http.get(&format!("/epayment/v1/payments/{}", "a".repeat(500))).await), (404, Some("5090")));
    let (status, body) =
        http.control("POST", "faults", json!({ "operation": "flyAway", "fault": { "kind": "reset" } })).await;
    assert_eq!(status, 400);
    assert!(body["error"].as_str().unwrap().starts_with("unknown operation `flyAway` (known operations: "), "{body}");
    assert_eq!(http.create(&order()).await.0, 201, "and it still serves");
}

#[tokio::test]
async fn a_scripted_code_says_to_come_back_and_the_key_is_free() {
    let http = Http::start().await;
    http.create(&order()).await;
    act(&http, "approve").await;
    let fault = json!({ "operation": "capturePayment", "fault": { "kind": "status", "status": 400, "code": "6280" } });
    assert_eq!(http.control("POST", "faults", fault).await.0, 201);
    let capture = json!({ "modificationAmount": money(400) });
    let path = format!("{PATH}/capture");
    assert_eq!(verdict(&http.keyed("POST", &path, "one", &capture).await), (400, Some("6280")));
    assert_eq!(http.keyed("POST", &path, "one", &capture).await.0, 200);
    let misspelt = json!({ "fault": { "kind": "status", "status": 400, "kode": "6280" } });
    let (status, body) = http.control("POST", "faults", misspelt).await;
    assert!(status == 400 && body["error"].as_str().unwrap().contains("kode"), "{body}");
}

#[tokio::test]
async fn a_payment_that_is_being_authorized_is_not_cancelled_and_a_child_does_not_pay() {
    let http = Http::start_tolerant().await;
    http.create(&changed(|body| body["minimumUserAge"] = 99.into())).await;
    assert_eq!(act(&http, "approve").await.0, 409);
    assert_eq!(verdict(&act(&http, "force").await), (400, Some("7010")));
    let act_on = async |name: &str| http.control("POST", &format!("payments/acme-order-42/{name}"), json!({})).await.0;
    assert_eq!(act_on("hold").await, 200);
    assert_eq!(verdict(&act(&http, "cancel").await), (409, Some("6250")));
    assert_eq!(act_on("release").await, 200);
    assert_eq!(act(&http, "cancel").await.0, 200);
}

#[tokio::test]
async fn a_name_twice_in_metadata_is_found_in_the_raw_body() {
    let http = Http::start_tolerant().await;
    let body = order().to_string().replacen('{', r#"{"metadata":{"cart":"1","cart":"2"},"#, 1);
    let request = http.request("POST", "/epayment/v1/payments").header("Idempotency-Key", "k");
    let answer = http.send(request.header("Content-Type", "application/json").body(body)).await;
    assert_eq!(verdict(&answer), (400, Some("4110")));
}

#[tokio::test]
async fn what_came_in_is_shown_with_its_answer() {
    let http = Http::start_tolerant().await;
    let wrong = http.request("DELETE", PATH).send().await.unwrap();
    assert_eq!((wrong.status().as_u16(), wrong.headers()["allow"].to_str().unwrap()), (405, "GET"));
    let (_, requests) = http.control("GET", "requests", Value::Null).await;
    let statuses: Vec<&Value> = requests.as_array().unwrap().iter().map(|request| &request["status"]).collect();
    assert_eq!(statuses, [200, 405]);
}
