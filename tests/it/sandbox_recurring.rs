mod charges;
mod requests;

use serde_json::{Value, json};
use vipps_sandbox::{Market, Options};
use vipps_tests::Http;

pub(crate) const AGREEMENTS: &str = "/recurring/v3/agreements";
const PROBLEMS: &str = "https://developer.vippsmobilepay.com/docs/APIs/recurring-api/recurring-api-problems#";

fn draft() -> Value {
    json!({
        "productName": "Vegetable box", "pricing": { "type": "LEGACY", "currency": "NOK", "amount": 10_000 },
        "interval": { "unit": "MONTH", "count": 1 }, "merchantAgreementUrl": "https://acme.example/boxes",
        "merchantRedirectUrl": "https://acme.example/thanks"
    })
}

fn initial(transaction_type: &str, amount: i64) -> Value {
    json!({ "initialCharge": {
        "amount": amount, "description": "First box", "transactionType": transaction_type, "orderId": "box-1"
    }})
}

fn variable(currency: &str, most: i64) -> Value {
    json!({ "pricing": { "type": "VARIABLE", "currency": currency, "suggestedMaxAmount": most } })
}

fn flexible() -> Value {
    json!({ "pricing": { "type": "FLEXIBLE", "currency": "NOK" } })
}

/// Due tomorrow, on the manual clock.
fn new_charge() -> Value {
    json!({
        "amount": 1000, "transactionType": "RESERVE_CAPTURE", "description": "A box", "due": "2026-01-02",
        "retryDays": 0, "orderId": "box-1"
    })
}

/// The object with these members changed; null takes one away.
pub(crate) fn with(mut body: Value, changes: &Value) -> Value {
    let members = body.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    body
}

/// That everything expected is there. An instant may be expected by its seconds alone.
pub(crate) fn assert_shows(found: &Value, expected: &Value) {
    match expected {
        Value::Object(members) => members.iter().for_each(|(name, value)| assert_shows(&found[name], value)),
        Value::String(instant) if instant.len() == 19 && instant.as_bytes()[10] == b'T' => {
            assert!(found.as_str().is_some_and(|found| found.starts_with(instant)), "{found} is not {instant}");
        }
        _ => assert_eq!(found, expected),
    }
}

/// Status and problem; the problem of a success is empty.
fn verdict((status, body): &(u16, Value)) -> (u16, &str) {
    (*status, body["type"].as_str().and_then(|kind| kind.strip_prefix(PROBLEMS)).unwrap_or_default())
}

pub(crate) async fn drafted(http: &Http, changes: &Value) -> String {
    let (status, answer) = http.post(AGREEMENTS, &with(draft(), changes)).await;
    assert_eq!(status, 201, "{answer}");
    answer["agreementId"].as_str().unwrap().to_owned()
}

/// Drafted, and approved in the app.
pub(crate) async fn agreed(http: &Http, changes: &Value) -> String {
    let id = drafted(http, changes).await;
    assert_eq!(http.control("POST", &format!("agreements/{id}/approve"), json!({})).await.0, 200);
    id
}

async fn charge(http: &Http, agreement: &str, changes: &Value) -> (u16, Value) {
    http.post(&format!("{AGREEMENTS}/{agreement}/charges"), &with(new_charge(), changes)).await
}

async fn status_of(http: &Http, charge: &str) -> String {
    let (_, charge) = http.get(&format!("/recurring/v3/charges/{charge}")).await;
    charge["status"].as_str().unwrap_or("none").to_owned()
}

/// Lets somebody do something with the agreement or its charge `box-1`.
async fn act(http: &Http, agreement: &str, act: &str) -> (u16, Value) {
    let (name, number) = act.split_once(' ').map_or((act, 0), |(name, number)| (name, number.parse().unwrap()));
    let path = format!("{AGREEMENTS}/{agreement}");
    let charge_path = format!("{path}/charges/box-1");
    let app = async |name: &str, body| http.control("POST", &format!("agreements/{agreement}/{name}"), body).await;
    match name {
        "approve" | "reject" => app(name, json!({})).await,
        "stop-by-user" => app("stop", json!({})).await,
        "seed" => http.control("PATCH", "settings", json!({ "stoppedAgreementsStopAgain": false })).await,
        "stop-by-admin" => app("stop", json!({ "actor": "ADMIN" })).await,
        "stop" => http.write("PATCH", &path, &json!({ "status": "STOPPED" })).await,
        "rename" => http.write("PATCH", &path, &json!({ "productName": "Fruit box" })).await,
        "accept" => http.write("PATCH", &format!("{path}/accept"), &json!({ "phoneNumber": "4712345678" })).await,
        "charge" => charge(http, agreement, &json!({ "orderId": "box-2" })).await,
        "capture" => http.post(&format!("{charge_path}/capture"), &json!({ "amount": number })).await,
        "refund" => {
            let body = json!({ "amount": number, "description": "Wilted" });
            http.post(&format!("{charge_path}/refund"), &body).await
        }
        "cancel" => http.write("DELETE", &charge_path, &Value::Null).await,
        "minutes" => http.control("POST", "clock/advance", json!({ "seconds": number * 60 })).await,
        "days" => http.control("POST", "clock/advance", json!({ "seconds": number * 86_400 + 60 })).await,
        other => panic!("unknown act {other}"),
    }
}

#[tokio::test]
async fn a_draft_names_the_agreement_its_address_and_its_initial_charge() {
    let http = Http::start_manual().await;
    let (_, plain) = http.post(AGREEMENTS, &draft()).await;
    assert!(plain["agreementId"].as_str().unwrap().starts_with("agr_") && plain["chargeId"].is_null(), "{plain}");
    let (_, named) = http.post(AGREEMENTS, &with(draft(), &initial("DIRECT_CAPTURE", 500))).await;
    assert_eq!(named["chargeId"], "box-1");
    let mut unnamed = with(draft(), &initial("DIRECT_CAPTURE", 500));
    unnamed["initialCharge"].as_object_mut().unwrap().remove("orderId");
    let (_, unnamed) = http.post(AGREEMENTS, &unnamed).await;
    assert!(unnamed["chargeId"].as_str().unwrap().starts_with("chr-"), "{unnamed}");
    let in_app = json!({ "isApp": true, "merchantAgreementUrl": "acme://boxes", "merchantRedirectUrl": "acme://back" });
    let (_, in_app) = http.post(AGREEMENTS, &with(draft(), &in_app)).await;
    assert!(!in_app["vippsConfirmationUrl"].as_str().unwrap().starts_with("http"), "a deeplink: {in_app}");

    let path = format!("{AGREEMENTS}/{}", plain["agreementId"].as_str().unwrap());
    let (_, pending) = http.get(&path).await;
    assert_shows(&pending, &draft());
    assert_shows(
        &pending,
        &json!({
            "id": plain["agreementId"], "uuid": plain["uuid"], "status": "PENDING", "created": "2026-01-01T00:00:00",
            "start": null, "stop": null, "campaign": null, "countryCode": "NO", "sub": null, "userinfoUrl": null,
            "vippsConfirmationUrl": plain["vippsConfirmationUrl"]
        }),
    );
    let asks = json!({ "scope": "name email", "externalId": "customer-311", "productDescription": "Weekly" });
    let (_, active) = http.get(&format!("{AGREEMENTS}/{}", agreed(&http, &asks).await)).await;
    assert!(active["sub"].is_string() && active["userinfoUrl"].is_string(), "{active}");
    assert!(active["vippsConfirmationUrl"].is_null(), "only while it is pending: {active}");
    assert_shows(&active, &json!({ "externalId": "customer-311", "productDescription": "Weekly", "status": "ACTIVE" }));
}

#[tokio::test]
async fn every_pricing_is_shown_and_a_variable_one_with_the_customers_ceiling() {
    let unnamed = json!({ "pricing": { "currency": "NOK", "amount": 10_000 } });
    let legacy = json!({ "type": "LEGACY", "currency": "NOK", "amount": 10_000 });
    let capped = |most: i64| with(variable("NOK", 20_000)["pricing"].clone(), &json!({ "maxAmount": most }));
    let table = [
        (json!({}), json!({}), legacy.clone()),
        (unnamed, json!({}), legacy),
        (variable("NOK", 20_000), json!({}), capped(20_000)),
        (variable("NOK", 20_000), json!({ "maxAmount": 5000 }), capped(5000)),
        (variable("NOK", 20_000), json!({ "maxAmount": 30_000 }), capped(30_000)),
        (flexible(), json!({}), flexible()["pricing"].clone()),
    ];
    for (changes, approval, active) in table {
        let http = Http::start_manual().await;
        let id = drafted(&http, &changes).await;
        let pending = with(active.clone(), &json!({ "maxAmount": null }));
        assert_eq!(http.get(&format!("{AGREEMENTS}/{id}")).await.1["pricing"], pending);
        http.control("POST", &format!("agreements/{id}/approve"), approval).await;
        assert_eq!(http.get(&format!("{AGREEMENTS}/{id}")).await.1["pricing"], active);
    }
}

#[tokio::test]
async fn a_market_has_its_currency_and_its_highest_suggestion() {
    let markets = [
        (Market::Norway, "NO", "NOK", 2_000_000),
        (Market::Denmark, "DK", "DKK", 30_000_000),
        (Market::Finland, "FI", "EUR", 200_000),
    ];
    for (market, country, currency, most) in markets {
        let mut options = Options::default();
        options.market = market;
        let http = Http::start_with(options).await;
        let id = drafted(&http, &variable(currency, most)).await;
        assert_eq!(http.get(&format!("{AGREEMENTS}/{id}")).await.1["countryCode"], country);
        let refused = http.post(AGREEMENTS, &with(draft(), &variable(currency, most + 1))).await;
        assert_eq!(verdict(&refused), (400, "invalid-suggested-max-amount"), "{currency}");
    }
}

#[tokio::test]
async fn every_campaign_is_shown_and_goes_with_legacy_pricing_alone() {
    let (end, week) = ("2026-06-01T00:00:00Z", json!({ "unit": "WEEK", "count": 2 }));
    let campaigns = [
        json!({ "type": "PRICE_CAMPAIGN", "price": 100, "end": end }),
        json!({ "type": "PERIOD_CAMPAIGN", "price": 100, "period": week }),
        json!({ "type": "EVENT_CAMPAIGN", "price": 100, "eventDate": end, "eventText": "until summer" }),
    ];
    let http = Http::start_manual().await;
    for campaign in campaigns {
        let id = agreed(&http, &json!({ "campaign": campaign })).await;
        let mut expected = campaign.clone();
        for instant in ["end", "eventDate"] {
            if campaign[instant] == end {
                expected[instant] = "2026-06-01T00:00:00".into();
            }
        }
        let (_, agreement) = http.get(&format!("{AGREEMENTS}/{id}")).await;
        assert_shows(&agreement["campaign"], &expected);
        let has_end = campaign["type"] != "EVENT_CAMPAIGN";
        assert_eq!(agreement["campaign"]["end"].is_string(), has_end, "a period's end is worked out: {agreement}");
        for pricing in [variable("NOK", 20_000), flexible()] {
            let body = with(with(draft(), &pricing), &json!({ "campaign": campaign }));
            assert_eq!(verdict(&http.post(AGREEMENTS, &body).await), (400, "validation-error"), "{body}");
        }
    }
    let mut none = draft();
    none["campaign"] = Value::Null;
    assert_eq!(http.post(AGREEMENTS, &none).await.0, 201);
    let refused = [
        json!({ "type": "FULL_FLEX_CAMPAIGN", "price": 100, "interval": week, "end": end }),
        json!({ "type": "EVENT_CAMPAIGN", "price": 100, "eventDate": end, "eventText": "until the summer" }),
        json!({ "type": "PRICE_CAMPAIGN", "price": 100 }),
    ];
    for campaign in refused {
        let answer = http.post(AGREEMENTS, &with(draft(), &json!({ "campaign": campaign }))).await;
        assert_eq!(verdict(&answer), (400, "validation-error"), "{campaign}");
    }
}

#[tokio::test]
async fn a_draft_that_breaks_a_rule_is_refused() {
    let long = |length: usize| "x".repeat(length);
    let first = |order_id: &str| {
        let mut changes = initial("DIRECT_CAPTURE", 500);
        changes["initialCharge"]["orderId"] = order_id.into();
        changes
    };
    let refused = [
        json!({ "productName": null }),
        json!({ "productName": long(46) }),
        json!({ "productDescription": long(101) }),
        json!({ "pricing": null }),
        json!({ "pricing": { "currency": "NOK" } }),
        json!({ "pricing": { "amount": 10_000 } }),
        json!({ "pricing": { "currency": "NOK", "amount": 100.5 } }),
        json!({ "pricing": { "type": "VARIABLE", "currency": "NOK" } }),
        json!({ "pricing": { "type": "FIXED", "currency": "NOK", "amount": 10_000 } }),
        json!({ "interval": { "unit": "MONTH", "count": 0 } }),
        json!({ "interval": { "unit": "MONTH", "count": 32 } }),
        json!({ "interval": { "unit": "HOUR", "count": 1 } }),
        json!({ "merchantRedirectUrl": null }),
        json!({ "merchantRedirectUrl": format!("https://acme.example/{}", long(2030)) }),
        json!({ "merchantAgreementUrl": null }),
        json!({ "merchantAgreementUrl": "http://acme.example/boxes" }),
        json!({ "externalId": "" }),
        json!({ "externalId": long(65) }),
        json!({ "initialCharge": { "amount": 500, "transactionType": "DIRECT_CAPTURE" } }),
        json!({ "initialCharge": { "amount": 500, "description": "First box" } }),
        first("box 1"),
        first(&long(65)),
    ];
    let http = Http::start_manual().await;
    for changes in refused {
        let answer = http.post(AGREEMENTS, &with(draft(), &changes)).await;
        assert_eq!(verdict(&answer), (400, "validation-error"), "{changes}: {}", answer.1);
        assert!(answer.1["extraDetails"][0]["name"].is_string(), "it names the field: {}", answer.1);
    }
    assert_eq!(http.get(&format!("{AGREEMENTS}?status=PENDING")).await.1, json!([]), "nothing was drafted");
    let taken = [
        json!({ "interval": null }),
        json!({ "merchantRedirectUrl": "acme://back" }),
        json!({ "countryCode": "NO", "phoneNumber": "4712345678", "skipLandingPage": true }),
    ];
    for changes in taken {
        drafted(&http, &changes).await;
    }
    let mut with_currency = initial("DIRECT_CAPTURE", 500);
    with_currency["initialCharge"]["currency"] = "NOK".into();
    drafted(&http, &with_currency).await;
    assert!(!http.sandbox.warnings().is_empty(), "no document has a currency there");
    http.control("PATCH", "settings", json!({ "skipLandingPageAllowed": false })).await;
    assert_eq!(http.post(AGREEMENTS, &with(draft(), &json!({ "skipLandingPage": true }))).await.0, 403);
}

/// Initial charge, acts; status and problem of the last; states of agreement and charge.
type AgreementRow =
    (Option<(&'static str, i64)>, &'static [&'static str], u16, &'static str, &'static str, &'static str);

#[tokio::test]
async fn every_transition_of_an_agreement_has_its_status_problem_and_charge() {
    let (direct, reserve) = (Some(("DIRECT_CAPTURE", 500)), Some(("RESERVE_CAPTURE", 500)));
    // The amount of a card without money, known to the app alone.
    let magic = Some(("DIRECT_CAPTURE", 151));
    let high = Some(("DIRECT_CAPTURE", 60_000));
    let (illegal, failed) = ("illegal-agreement-update", "operation-failed");
    let table: &[AgreementRow] = &[
        (reserve, &["minutes 9"], 200, "", "PENDING", "PENDING"),
        (reserve, &["minutes 10"], 200, "", "EXPIRED", "CANCELLED"),
        (None, &["approve"], 200, "", "ACTIVE", "none"),
        (direct, &["approve"], 200, "", "ACTIVE", "CHARGED"),
        (reserve, &["approve"], 200, "", "ACTIVE", "RESERVED"),
        (high, &["approve"], 200, "", "ACTIVE", "CHARGED"),
        (magic, &["approve"], 200, "", "EXPIRED", "FAILED"),
        (direct, &["accept"], 204, "", "ACTIVE", "CHARGED"),
        (magic, &["accept"], 204, "", "ACTIVE", "CHARGED"),
        (reserve, &["reject"], 200, "", "STOPPED", "CANCELLED"),
        (reserve, &["stop"], 204, "", "STOPPED", "CANCELLED"),
        (reserve, &["approve", "stop"], 204, "", "STOPPED", "CANCELLED"),
        (reserve, &["approve", "stop-by-user"], 200, "", "STOPPED", "RESERVED"),
        (reserve, &["approve", "stop-by-admin"], 200, "", "STOPPED", "RESERVED"),
        (direct, &["approve", "stop"], 204, "", "STOPPED", "CHARGED"),
        (None, &["rename"], 400, illegal, "PENDING", "none"),
        (None, &["approve", "stop", "rename"], 400, illegal, "STOPPED", "none"),
        (None, &["approve", "stop", "stop"], 204, "", "STOPPED", "none"),
        (None, &["approve", "stop-by-user", "stop"], 204, "", "STOPPED", "none"),
        (None, &["reject", "stop"], 204, "", "STOPPED", "none"),
        (None, &["approve", "stop", "seed", "stop"], 400, illegal, "STOPPED", "none"),
        (None, &["minutes 10", "rename"], 400, illegal, "EXPIRED", "none"),
        (None, &["minutes 10", "stop"], 400, illegal, "EXPIRED", "none"),
        (None, &["approve", "accept"], 400, failed, "ACTIVE", "none"),
        (None, &["reject", "accept"], 400, failed, "STOPPED", "none"),
        (None, &["minutes 10", "accept"], 400, failed, "EXPIRED", "none"),
        (None, &["charge"], 400, "charge-creation-failed", "PENDING", "none"),
        (None, &["approve", "stop", "charge"], 400, "charge-creation-failed", "STOPPED", "none"),
        (None, &["minutes 10", "charge"], 400, "charge-creation-failed", "EXPIRED", "none"),
    ];
    for (first, acts, status, problem, state, charge) in table {
        let http = Http::start_manual().await;
        let changes = first.map_or_else(|| json!({}), |(kind, amount)| initial(kind, amount));
        let id = drafted(&http, &changes).await;
        let mut last = (0, Value::Null);
        for step in *acts {
            last = act(&http, &id, step).await;
        }
        assert_eq!(verdict(&last), (*status, *problem), "{acts:?}: {}", last.1);
        let (_, agreement) = http.get(&format!("{AGREEMENTS}/{id}")).await;
        assert_eq!((agreement["status"].as_str().unwrap(), &*status_of(&http, "box-1").await), (*state, *charge));
        let was_active = ["approve", "accept"].contains(&acts[0]) && *state != "EXPIRED";
        assert_eq!((agreement["start"].is_string(), agreement["stop"].is_string()), (was_active, *state == "STOPPED"));
    }
}

#[tokio::test]
async fn a_second_stop_leaves_the_agreement_as_it_was() {
    let http = Http::start_manual().await;
    let path = format!("{AGREEMENTS}/{}", agreed(&http, &json!({})).await);
    let stop = json!({ "status": "STOPPED" });
    assert_eq!(http.write("PATCH", &path, &stop).await.0, 204);
    let before = http.get(&path).await.1;
    http.advance(3600).await;
    assert_eq!(http.write("PATCH", &path, &stop).await.0, 204, "under another key");
    assert_eq!(http.get(&path).await.1, before);
    let more = json!({ "status": "STOPPED", "productName": "Fruit box" });
    assert_eq!(http.write("PATCH", &path, &more).await.0, 400, "any other member is refused");
}

/// Acts, and the entries of the history: what, and who.
type HistoryRow = (&'static [&'static str], &'static [(&'static str, &'static str)]);

#[tokio::test]
async fn the_history_of_an_agreement_tells_what_happened_and_who_did_it() {
    let table: &[HistoryRow] = &[
        (&[], &[("CREATE", "MERCHANT")]),
        (&["approve"], &[("CREATE", "MERCHANT"), ("ACTIVATE", "USER")]),
        (&["accept"], &[("CREATE", "MERCHANT"), ("ACTIVATE", "USER")]),
        (&["reject"], &[("CREATE", "MERCHANT"), ("REJECT", "USER")]),
        (&["minutes 10"], &[("CREATE", "MERCHANT"), ("EXPIRE", "SYSTEM")]),
        (&["approve", "rename", "stop"], &[("CREATE", "MERCHANT"), ("ACTIVATE", "USER"), ("STOP", "MERCHANT")]),
        (&["approve", "stop-by-user"], &[("CREATE", "MERCHANT"), ("ACTIVATE", "USER"), ("STOP", "USER")]),
        (&["approve", "stop-by-admin"], &[("CREATE", "MERCHANT"), ("ACTIVATE", "USER"), ("STOP", "ADMIN")]),
    ];
    for (acts, expected) in table {
        let http = Http::start_manual().await;
        let id = drafted(&http, &json!({})).await;
        for step in *acts {
            act(&http, &id, step).await;
        }
        let (_, agreement) = http.get(&format!("{AGREEMENTS}/{id}")).await;
        let history = agreement["history"].as_array().unwrap();
        let told: Vec<(&str, &str)> =
            history.iter().map(|event| (event["event"].as_str().unwrap(), event["actor"].as_str().unwrap())).collect();
        assert_eq!(told, *expected, "{acts:?}");
        assert!(history.iter().all(|event| event["occurred"].is_string()), "{agreement}");
    }
}

#[tokio::test]
async fn commercial_cards_are_blocked_in_denmark_and_finland_alone() {
    let blocked = |sources: Value| json!({ "paymentMethod": { "blockedSources": sources } });
    for (market, currency, taken) in
        [(Market::Norway, "NOK", false), (Market::Denmark, "DKK", true), (Market::Finland, "EUR", true)]
    {
        let mut options = Options::default();
        options.market = market;
        let http = Http::start_with(options).await.tolerant();
        let draft = |sources: Value| {
            let pricing = json!({ "pricing": { "type": "LEGACY", "currency": currency, "amount": 10_000 } });
            with(with(draft(), &pricing), &blocked(sources))
        };
        let answer = http.post(AGREEMENTS, &draft(json!(["COMMERCIAL_CARDS"]))).await;
        assert_eq!(answer.0, if taken { 201 } else { 400 }, "{market:?}: {}", answer.1);
        assert!(taken || answer.1["extraDetails"][0]["name"] == "paymentMethod.blockedSources", "{}", answer.1);
        assert_eq!(http.post(AGREEMENTS, &draft(json!([]))).await.0, 201, "{market:?}");
        assert_eq!(http.post(AGREEMENTS, &draft(json!(["PRIVATE_CARDS"]))).await.0, 201, "with a warning");
        assert!(http.sandbox.warnings().iter().any(|one| one["warning"].as_str().unwrap().contains("PRIVATE_CARDS")));
        http.control("PATCH", "settings", json!({ "strict": true })).await;
        assert_eq!(http.post(AGREEMENTS, &draft(json!(["PRIVATE_CARDS"]))).await.0, 400, "{market:?}, strict");
    }
}

#[tokio::test]
async fn a_phone_number_is_checked_where_it_is_pushed_to() {
    let http = Http::start_manual().await.tolerant();
    for (phone, valid) in [("4712345678", true), ("4712345678901234", false), ("+4712345678", false), ("", false)] {
        let number = json!({ "phoneNumber": phone });
        assert_eq!(http.post(AGREEMENTS, &with(draft(), &number)).await.0, 201, "{phone:?} is filled in, or ignored");
        let pushed = with(with(draft(), &number), &json!({ "skipLandingPage": true }));
        let answer = http.post(AGREEMENTS, &pushed).await;
        assert_eq!(answer.0, if valid { 201 } else { 400 }, "{phone:?}: {}", answer.1);
        if !valid {
            assert_eq!((verdict(&answer).1, &answer.1["detail"]), ("validation-error", &json!("Invalid phone number")));
        }
    }
}

#[tokio::test]
async fn whoever_accepts_no_json_is_told_so() {
    let http = Http::start_manual().await;
    for (accept, taken) in [
        ("application/json", true),
        ("*/*", true),
        ("text/html, application/problem+json;q=0.5", true),
        ("text/html", false),
        ("application/json;q=0", false),
    ] {
        let request = http.request("GET", AGREEMENTS).header("accept", accept);
        let answer = http.send(request).await;
        let wanted = if taken { (200, "") } else { (406, "not-acceptable") };
        assert_eq!(verdict(&answer), wanted, "{accept}");
    }
}

#[tokio::test]
async fn a_stop_cancels_what_waits_and_the_merchants_also_what_is_reserved() {
    for (stop, reserved) in [("stop", "CANCELLED"), ("stop-by-user", "RESERVED"), ("stop-by-admin", "RESERVED")] {
        let http = Http::start_manual().await;
        let id = agreed(&http, &json!({})).await;
        let table = [
            ("pending", json!({ "due": "2026-03-15" }), "CANCELLED"),
            ("due", json!({ "due": "2026-01-10" }), "CANCELLED"),
            ("reserved", json!({}), reserved),
            ("charged", json!({ "transactionType": "DIRECT_CAPTURE" }), "CHARGED"),
            ("failed", json!({ "amount": 151 }), "FAILED"),
        ];
        for (name, changes, _) in &table {
            assert_eq!(charge(&http, &id, &with(changes.clone(), &json!({ "orderId": name }))).await.0, 201);
        }
        act(&http, &id, "days 2").await;
        act(&http, &id, stop).await;
        for (name, _, expected) in table {
            assert_eq!(status_of(&http, name).await, expected, "{stop}: {name}");
        }
        if reserved == "RESERVED" {
            let path = format!("{AGREEMENTS}/{id}/charges/reserved/capture");
            assert_eq!(http.post(&path, &json!({ "amount": 1000 })).await.0, 204, "it was agreed before the stop");
        }
    }
}

#[tokio::test]
async fn an_update_changes_what_its_pricing_and_interval_allow() {
    let (legacy, variable, flexible) = (json!({}), variable("NOK", 20_000), flexible());
    let weeks = json!({ "unit": "WEEK", "count": 2 });
    let price = json!({ "pricing": { "amount": 18_900 } });
    let ceiling = |most: i64| json!({ "pricing": { "suggestedMaxAmount": most } });
    let interval =
        |kind: &str, period: &Value| json!({ "interval": with(json!({ "type": kind }), &json!({ "period": period })) });
    let plain = [
        json!({ "productName": "Fruit box" }),
        json!({ "productDescription": "Every Monday" }),
        json!({ "merchantAgreementUrl": "https://acme.example/fruit" }),
        json!({ "externalId": "customer-312" }),
    ];
    let mut table: Vec<(&Value, Value, u16, &str, Value)> = vec![
        (&legacy, price.clone(), 204, "", price.clone()),
        (&variable, ceiling(25_000), 204, "", ceiling(25_000)),
        (&legacy, interval("RECURRING", &weeks), 204, "", json!({ "interval": weeks })),
        (&legacy, json!({ "interval": { "period": weeks } }), 204, "", json!({ "interval": weeks })),
        (&legacy, interval("FLEXIBLE", &Value::Null), 204, "", json!({ "interval": null })),
        (&variable, price.clone(), 400, "illegal-agreement-update", json!({})),
        (&flexible, price, 400, "illegal-agreement-update", json!({})),
        (&legacy, ceiling(25_000), 400, "illegal-agreement-update", json!({})),
        (&flexible, ceiling(25_000), 400, "illegal-agreement-update", json!({})),
        (&variable, ceiling(2_000_001), 400, "invalid-suggested-max-amount", json!({})),
        (&legacy, interval("RECURRING", &Value::Null), 400, "validation-error", json!({})),
        (&legacy, interval("FLEXIBLE", &weeks), 400, "validation-error", json!({})),
        (&legacy, json!({ "status": "STOPPED", "productName": "Fruit box" }), 400, "validation-error", json!({})),
        (&legacy, json!({ "status": "ACTIVE" }), 400, "validation-error", json!({})),
        (&legacy, json!({ "productName": "x".repeat(46) }), 400, "validation-error", json!({})),
        (&legacy, json!({ "merchantAgreementUrl": "http://acme.example" }), 400, "validation-error", json!({})),
    ];
    table.extend(plain.map(|change| (&legacy, change.clone(), 204, "", change)));
    for (pricing, change, status, problem, expected) in table {
        let http = Http::start_manual().await;
        let path = format!("{AGREEMENTS}/{}", agreed(&http, pricing).await);
        let (_, before) = http.get(&path).await;
        let answer = http.write("PATCH", &path, &change).await;
        assert_eq!(verdict(&answer), (status, problem), "{change}: {}", answer.1);
        let (_, after) = http.get(&path).await;
        assert_shows(&after, &expected);
        assert!(status == 204 || after == before, "a refused update changes nothing: {after}");
    }
}
