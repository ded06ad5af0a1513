//! Lists that come in pages.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use vipps::{Amount, NewAgreement, NewCharge};
use vipps_tests::{CheckedSandbox, Reply, ScriptedServer, SkippingClock, client_for, credentials};

fn agreement(id: &str) -> Value {
    json!({
        "id": id, "uuid": "6b3a2c1d-0000-4000-8000-000000000007", "status": "ACTIVE", "countryCode": "NO",
        "productName": "Tea club", "created": "2026-11-21T08:00:00Z", "merchantRedirectUrl": "https://acme.example/thanks",
        "pricing": { "type": "LEGACY", "amount": 9900, "currency": "NOK" }
    })
}

/// A server that knows page numbers and no tokens, as the reference page has it.
#[tokio::test]
async fn agreements_beyond_the_first_page_are_listed_without_a_token() {
    let page =
        |ids: &[&str]| Reply::success(&Value::from(ids.iter().map(|id| agreement(id)).collect::<Vec<_>>()).to_string());
    let server = ScriptedServer::start(vec![
        page(&["agr_1", "agr_2"]),
        page(&["agr_3"]),
        page(&["agr_1", "agr_2"]),
        page(&["agr_3"]),
    ])
    .await;
    let client = client_for(server.environment(), credentials()).build().unwrap();
    let all: Vec<_> = client.agreements().list().page_size(2).stream().try_collect().await.unwrap();
    let ids: Vec<&str> = all.iter().map(vipps::Agreement::id).collect();
    assert_eq!(ids, ["agr_1", "agr_2", "agr_3"]);
    let queries: Vec<String> = server.seen().iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
    assert!(queries[0].contains("pageNumber=1") && queries[0].contains("pageSize=2"), "{queries:?}");
    assert!(queries[1].contains("pageNumber=2"), "{queries:?}");
    // A list of several pages is read until a whole round shows nothing new.
    assert_eq!(queries[..2], queries[2..]);
}

#[tokio::test]
async fn a_server_that_counts_no_pages_or_goes_by_tokens_ends_its_list() {
    let page = |id: &str| Reply::success(&json!([agreement(id)]).to_string());
    let list = async |replies: Vec<Reply>| {
        let server = ScriptedServer::start(replies).await;
        let client = client_for(server.environment(), credentials()).build().unwrap();
        let all: Vec<_> = client.agreements().list().page_size(1).stream().try_collect().await.unwrap();
        (all.len(), server.seen().len())
    };
    assert_eq!(list(vec![page("agr_1"), page("agr_1")]).await, (1, 4), "the same page again");
    let with_token = Reply::json(200, "continuation-token: t-1\r\n", &json!([agreement("agr_1")]).to_string());
    assert_eq!(list(vec![with_token, page("agr_2")]).await, (2, 2), "the last page has no token");
}

#[tokio::test]
async fn a_list_waits_between_its_pages_as_long_as_it_is_asked_to() {
    let page = |id: &str| Reply::success(&json!([agreement(id)]).to_string());
    let busy = Reply::json(429, "retry-after: 45\r\n", "{}");
    let server = ScriptedServer::start(vec![page("agr_1"), busy, page("agr_2"), Reply::success("[]")]).await;
    let clock = SkippingClock::new();
    let client = client_for(server.environment(), credentials()).clock(clock.clone()).build().unwrap();
    let all: Vec<_> = client.agreements().list().page_size(1).stream().try_collect().await.unwrap();
    assert_eq!((all.len(), clock.waits()), (2, vec![Duration::from_secs(45)]));
}

#[tokio::test]
async fn charges_are_listed_by_their_tokens_to_the_last() {
    let sandbox = CheckedSandbox::start().await;
    sandbox.change_settings(&json!({ "chargePageSize": 2 })).unwrap();
    let client = sandbox.client();
    let club = NewAgreement::legacy("Tea club", Amount::nok_minor(100_000), "https://acme.example/thanks")
        .monthly()
        .agreement_url("https://acme.example/tea");
    let agreement = client.agreements().draft(club).await.unwrap().agreement_ref();
    sandbox.customer().accepts_agreement(agreement.id()).await.unwrap();
    for number in 1..=5 {
        let charge = NewCharge::unscheduled(Amount::nok_minor(100), "Cake").order_id(format!("cake-{number}"));
        client.charges().create(&agreement, charge).derived_key(1).await.unwrap();
    }
    let all: Vec<_> = client.charges().list(&agreement).stream().try_collect().await.unwrap();
    let mut ids: Vec<String> = all.iter().map(|charge| charge.id().to_string()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["cake-1", "cake-2", "cake-3", "cake-4", "cake-5"]);
    assert_eq!(sandbox.count("ListChargesV3"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_changes_while_it_is_read_shows_everything_that_was_in_it() {
    use futures_util::StreamExt as _;
    let sandbox = CheckedSandbox::start().await;
    let client = sandbox.client_builder().clock(SkippingClock::new()).build().unwrap();
    for number in 0..6 {
        let club = NewAgreement::legacy("Tea club", Amount::nok_minor(100_000), "https://acme.example/thanks")
            .monthly()
            .agreement_url("https://acme.example/tea")
            .external_id(format!("tea-{number}"));
        let id = client.agreements().draft(club).await.unwrap().id().to_owned();
        sandbox.customer().accepts_agreement(&id).await.unwrap();
    }
    let mut list = std::pin::pin!(client.agreements().list().page_size(2).stream());
    let mut seen = Vec::new();
    while let Some(agreement) = list.next().await {
        let id = agreement.unwrap().id().to_owned();
        client.agreements().stop(&id).await.unwrap();
        seen.push(id);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 6, "{seen:?}");
}

#[tokio::test]
async fn no_list_hangs_or_goes_in_a_circle() {
    let charge = json!({ "id": "chr-1", "status": "DUE", "amount": 100, "description": "d", "due": "2026-12-24", "type": "RECURRING" });
    let circle = Reply::json(200, "continuation-token: t-1\r\n", &json!([charge]).to_string());
    let later = Reply::json(429, "retry-after: 4000000000\r\n", "{}");
    let at_once = Reply::json(429, "retry-after: 0\r\n", "{}");
    for (reply, said) in [(circle, "the same continuation token twice"), (later, "come back in"), (at_once, "429")] {
        let server = ScriptedServer::start(vec![reply]).await;
        let client = client_for(server.environment(), credentials()).clock(SkippingClock::new()).build().unwrap();
        let charges: Result<Vec<_>, _> = client.charges().list("agr_1").stream().try_collect().await;
        let error = charges.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        let agreements: Result<Vec<_>, _> =
            client.agreements().list().page_size(1).max_attempts(2).stream().try_collect().await;
        assert!(agreements.is_err(), "{agreements:?}");
        assert!(server.seen().len() <= 8, "{} requests", server.seen().len());
    }
}
