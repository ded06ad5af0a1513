//! Userinfo: what a customer shares, with whom, and for how long.

use serde_json::{Value, json};
use vipps_tests::Http;

use crate::sandbox_recurring::{AGREEMENTS, agreed};
use crate::sandbox_webhooks::{PAYMENTS, order, text};

const HOUR: u64 = 3600;

/// Reads a profile as it must be read: with the token alone.
async fn read(http: &Http, path: &str) -> (u16, Value) {
    let url = format!("{}{path}", http.sandbox.base_url());
    let request = http.client.get(url).header("Authorization", format!("Bearer {}", http.token()));
    http.send(request.header("Merchant-Serial-Number", "123456")).await
}

fn path(sub: &str) -> String {
    format!("/vipps-userinfo-api/userinfo/{sub}")
}

/// A payment whose customer consented to a scope; gives their `sub`.
async fn consented(http: &Http, reference: &str, phone: &str, scope: &str) -> String {
    let mut body = order(reference, 1000);
    body["customer"] = json!({ "phoneNumber": phone });
    body["profile"] = json!({ "scope": scope });
    assert_eq!(http.post(PAYMENTS, &body).await.0, 201);
    assert_eq!(http.control("POST", &format!("payments/{reference}/approve"), json!({})).await.0, 200);
    text(&http.get(&format!("{PAYMENTS}/{reference}")).await.1["profile"]["sub"])
}

fn members(profile: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = profile.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn the_address_of_an_agreement_leads_to_what_was_consented_to() {
    let http = Http::start_manual().await;
    let id = agreed(&http, &json!({ "scope": "name phoneNumber" })).await;
    let (_, agreement) = http.get(&format!("{AGREEMENTS}/{id}")).await;
    let url = text(&agreement["userinfoUrl"]);
    let path = url.strip_prefix(http.sandbox.base_url()).unwrap();
    let (status, profile) = read(&http, path).await;
    assert_eq!(status, 200, "{profile}");
    let wanted = ["family_name", "given_name", "name", "phone_number", "phone_number_verified", "sub"];
    assert_eq!(members(&profile), wanted);
    assert_eq!(profile["sub"], agreement["sub"]);
}

#[tokio::test]
async fn each_scope_has_its_members() {
    let address = &["address", "other_addresses"][..];
    let table = [
        ("name", &["family_name", "given_name", "name"][..]),
        ("email", &["email", "email_verified"]),
        ("phoneNumber", &["phone_number", "phone_number_verified"]),
        ("birthDate", &["birthdate"]),
        ("address", address),
        // A national id comes only where the customer was given one.
        ("address nin", address),
    ];
    for (scope, wanted) in table {
        let http = Http::start_manual().await;
        let sub = consented(&http, "acme-order-42", "4791234567", scope).await;
        let (_, mut profile) = read(&http, &path(&sub)).await;
        assert_eq!(profile["sub"], json!(sub));
        profile.as_object_mut().unwrap().remove("sub");
        assert_eq!(members(&profile), wanted, "{scope}");
    }
}

#[tokio::test]
async fn the_profile_is_the_customer_s_of_this_moment() {
    let http = Http::start_manual().await;
    let sub = consented(&http, "acme-order-42", "4791234567", "name address nin").await;
    let change = json!({ "firstName": "Kari", "lastName": "Nordmann", "nin": "01019012345", "address": null });
    let (status, person) = http.control("PATCH", "customers/4791234567", change).await;
    assert_eq!((status, &person["firstName"]), (200, &json!("Kari")));
    let (_, profile) = read(&http, &path(&sub)).await;
    assert_eq!((&profile["name"], &profile["nin"]), (&json!("Kari Nordmann"), &json!("01019012345")));
    let address = profile["address"].as_object().unwrap();
    assert!(address.values().all(|part| part == ""), "none registered: empty texts, {profile}");
    let (_, payment) = http.get(&format!("{PAYMENTS}/acme-order-42")).await;
    assert_eq!(payment["userDetails"]["firstName"], "Kari", "the payment shows the same person");
    for wrong in
        [json!({ "age": 3 }), json!({ "phoneNumber": "1" }), json!({ "address": { "country": "no" } }), json!([])]
    {
        assert_eq!(http.control("PATCH", "customers/4791234567", wrong.clone()).await.0, 400, "{wrong}");
    }
    assert_eq!(http.control("PATCH", "customers/kari", json!({})).await.0, 400);
}

#[tokio::test]
async fn a_customer_has_one_sub_at_a_sales_unit_and_consents_add_up() {
    let http = Http::start_manual().await;
    let first = consented(&http, "acme-order-42", "4791234567", "name").await;
    let second = consented(&http, "acme-order-43", "4791234567", "email").await;
    let other = consented(&http, "acme-order-44", "4798765432", "email").await;
    assert_eq!(first, second);
    assert_ne!(first, other);
    let (_, profile) = read(&http, &path(&first)).await;
    assert!(profile["name"].is_string() && profile["email"].is_string(), "{profile}");
}

#[tokio::test]
async fn after_168_hours_nothing_can_be_read() {
    let cases = [(None, 403), (Some("expiredTexts"), 200), (Some("unknown"), 404)];
    for (setting, wanted) in cases {
        let http = Http::start_manual().await;
        if let Some(setting) = setting {
            http.control("PATCH", "settings", json!({ "expiredUserinfo": setting })).await;
        }
        let sub = consented(&http, "acme-order-42", "4791234567", "name address").await;
        http.advance(168 * HOUR - 1).await;
        assert_eq!(read(&http, &path(&sub)).await.0, 200, "{setting:?}");
        http.advance(1).await;
        let (status, body) = read(&http, &path(&sub)).await;
        assert_eq!(status, wanted, "{setting:?}: {body}");
        if wanted == 200 {
            assert_eq!((&body["name"], &body["sub"]), (&json!("[Expired]"), &json!(sub)));
            assert_eq!(body["address"]["country"], "[Expired]");
        }
        consented(&http, "acme-order-43", "4791234567", "name").await;
        assert_eq!(read(&http, &path(&sub)).await.0, 200, "a new consent counts anew");
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_has_its_status() {
    let http = Http::start_manual().await;
    let sub = consented(&http, "acme-order-42", "4791234567", "name").await;
    let with = |name: &'static str, value: String| {
        let url = format!("{}{}", http.sandbox.base_url(), path(&sub));
        http.client.get(url).header(name, value)
    };
    assert_eq!(http.send(with("x-nothing", "1".into())).await.0, 401, "no token");
    assert_eq!(http.send(with("Authorization", format!("bearer {}", http.token()))).await.0, 401, "the word is Bearer");
    assert_eq!(http.get(&path(&sub)).await.0, 401, "a subscription key is refused");
    for (sub, status) in [("", 400), ("a%2Fb", 400), (&"a".repeat(256), 400), ("nobody", 404), (&"a".repeat(255), 404)]
    {
        let (found, body) = read(&http, &path(sub)).await;
        assert_eq!((found, &body["status"]), (status, &json!(status)), "{sub:?}: {body}");
    }
    http.control("PATCH", "settings", json!({ "userinfoRefusesKey": false })).await;
    assert_eq!(http.get(&path(&sub)).await.0, 200, "taken, with a warning");
    assert!(http.sandbox.warnings().iter().any(|one| text(&one["warning"]).contains("subscription key")));
    http.control("PATCH", "settings", json!({ "userinfoAllowed": false })).await;
    assert_eq!(read(&http, &path(&sub)).await.0, 403);
}

#[tokio::test]
async fn a_sub_may_come_late() {
    let http = Http::start_manual().await;
    http.control("PATCH", "settings", json!({ "subDelaySeconds": 5 })).await;
    let mut body = order("acme-order-42", 1000);
    body["profile"] = json!({ "scope": "name" });
    assert_eq!(http.post(PAYMENTS, &body).await.0, 201);
    http.control("POST", "payments/acme-order-42/approve", json!({})).await;
    let payment = format!("{PAYMENTS}/acme-order-42");
    assert_eq!(http.get(&payment).await.1["profile"], json!({}), "an empty object until then");
    http.advance(5).await;
    assert!(http.get(&payment).await.1["profile"]["sub"].is_string());
}
