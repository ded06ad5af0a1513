use serde_json::json;
use vipps::{Client, Ensured, Error, EventType};
use vipps_callbacks::{Freshness, Registration, Verifier};
use vipps_sandbox::{Fault, Profile};
use vipps_tests::{CheckedSandbox, Http, Receiver, Reply, ScriptedServer, client_for, credentials};

use crate::sandbox_webhooks::{PAYMENTS, act, order};

const URL: &str = "https://acme.example/hooks";
const EVENTS: [EventType; 2] = [EventType::PaymentCreated, EventType::PaymentAuthorized];
const NONE: [&str; 0] = [];

fn client(sandbox: &CheckedSandbox) -> Client {
    client_for(sandbox.environment(), sandbox.credentials()).build().unwrap()
}

/// The ids that are registered, in order.
async fn ids(client: &Client) -> Vec<String> {
    client.webhooks().list().await.unwrap().iter().map(|webhook| webhook.id().unwrap().to_owned()).collect()
}

async fn register(client: &Client, url: &str, events: &[EventType]) -> String {
    client.webhooks().register(url, events.to_vec()).await.unwrap().id().to_owned()
}

/// What was found or made: whether its secret is new, and how many it replaces and left.
fn outcome(ensured: &Ensured) -> (bool, &[String], &[String]) {
    (ensured.secret().is_some(), ensured.replaces(), ensured.left_over())
}

#[tokio::test]
async fn an_address_is_registered_once_and_kept_while_its_id_is_known() {
    let sandbox = CheckedSandbox::start().await;
    let client = client(&sandbox);
    let first = client.webhooks().ensure(URL, EVENTS, NONE).await.unwrap();
    assert_eq!(outcome(&first), (true, &[][..], &[][..]));
    for _ in 0..2 {
        let again = client.webhooks().ensure(URL, EVENTS, [first.id()]).await.unwrap();
        assert_eq!((again.id(), outcome(&again)), (first.id(), (false, &[][..], &[][..])));
    }
    let fewer = client.webhooks().ensure(URL, [EventType::PaymentCreated], [first.id()]).await.unwrap();
    assert_eq!(fewer.id(), first.id(), "more than what is asked for will do");
    assert_eq!(ids(&client).await, [first.id()]);
}

#[tokio::test]
async fn a_registration_whose_secret_nobody_has_is_replaced() {
    let sandbox = CheckedSandbox::start().await;
    let client = client(&sandbox);
    let other = register(&client, "https://acme.example/other", &EVENTS).await;
    // A process ended before it stored the secrets of these.
    for url in [URL, "https://ACME.example:443/hooks"] {
        register(&client, url, &EVENTS).await;
    }
    let ensured = client.webhooks().ensure(URL, EVENTS, NONE).await.unwrap();
    assert_eq!(outcome(&ensured), (true, &[][..], &[][..]));
    assert_eq!(ids(&client).await, [other.as_str(), ensured.id()], "another address is not touched");
}

#[tokio::test]
async fn an_id_that_is_known_and_gone_is_registered_anew() {
    let sandbox = CheckedSandbox::start().await;
    let client = client(&sandbox);
    let first = register(&client, URL, &EVENTS).await;
    client.webhooks().delete(&first).await.unwrap();
    let ensured = client.webhooks().ensure(URL, EVENTS, [&first]).await.unwrap();
    assert!(ensured.secret().is_some() && ensured.id() != first && ensured.replaces().is_empty());
}

#[tokio::test]
async fn what_covers_too_little_is_replaced_and_delivers_until_it_is_retired() {
    let sandbox = CheckedSandbox::start().await;
    let client = client(&sandbox);
    let (one, two) = (register(&client, URL, &EVENTS[..1]).await, register(&client, URL, &EVENTS[1..]).await);
    let known = [one.as_str(), two.as_str()];
    let ensured = client.webhooks().ensure(URL, EVENTS, known).await.unwrap();
    assert_eq!(outcome(&ensured), (true, &[one.clone(), two.clone()][..], &[][..]));
    // The process ends before the old ones are retired: the next run says so again.
    let all = [one.as_str(), two.as_str(), ensured.id()];
    let again = client.webhooks().ensure(URL, EVENTS, all).await.unwrap();
    assert_eq!((again.id(), outcome(&again)), (ensured.id(), (false, &[one.clone(), two.clone()][..], &[][..])));
    assert_eq!(ids(&client).await, all);
    client.webhooks().retire(again.replaces()).await.unwrap();
    client.webhooks().retire(again.replaces()).await.expect("what is gone is as good as deleted");
    assert_eq!(ids(&client).await, [ensured.id()]);
}

#[tokio::test]
async fn what_delivers_something_else_as_well_is_not_replaced() {
    let sandbox = CheckedSandbox::start().await;
    let client = client(&sandbox);
    let payments = register(&client, URL, &EVENTS).await;
    let others = register(&client, URL, &[EventType::ChargeCaptured, EventType::PaymentCreated]).await;
    let known = [others.as_str(), payments.as_str()];
    let ensured = client.webhooks().ensure(URL, EVENTS, known).await.unwrap();
    assert_eq!((ensured.id(), outcome(&ensured)), (payments.as_str(), (false, &[][..], &[][..])));
    let captured = client.webhooks().ensure(URL, [EventType::PaymentCaptured], known).await.unwrap();
    assert_eq!(outcome(&captured), (true, &[][..], &[][..]));
    assert_eq!(ids(&client).await, [payments.as_str(), others.as_str(), captured.id()]);
}

#[tokio::test]
async fn ids_are_known_in_capitals_too() {
    let sandbox = CheckedSandbox::start().await;
    let client = client(&sandbox);
    let id = register(&client, URL, &EVENTS).await;
    let ensured = client.webhooks().ensure(URL, EVENTS, [id.to_uppercase()]).await.unwrap();
    assert_eq!((ensured.id(), outcome(&ensured)), (id.as_str(), (false, &[][..], &[][..])));
    client.webhooks().retire([id.to_uppercase()]).await.unwrap();
    assert!(ids(&client).await.is_empty());
}

#[tokio::test]
async fn the_one_registration_of_check_ins_gives_way_to_its_successor() {
    let sandbox = CheckedSandbox::start().await;
    let client = client(&sandbox);
    let old = register(&client, URL, &[EventType::UserCheckedIn]).await;
    // A request that is refused for something else deletes nothing.
    let unheard_of = [EventType::UserCheckedIn, EventType::from("user.checked-out.v1")];
    client.webhooks().ensure(URL, unheard_of, [&old]).await.unwrap_err();
    assert_eq!(ids(&client).await, [old.as_str()]);
    let events = [EventType::UserCheckedIn, EventType::PaymentCaptured];
    let ensured = client.webhooks().ensure(URL, events.clone(), [&old]).await.unwrap();
    assert!(ensured.secret().is_some());
    assert_eq!(ids(&client).await, [ensured.id()]);
    client.webhooks().retire(ensured.replaces()).await.unwrap();
    // At another address it is not touched.
    let error = client.webhooks().ensure("https://acme.example/till", events, NONE).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
    assert_eq!(ids(&client).await, [ensured.id()]);
}

#[tokio::test]
async fn an_address_that_could_never_be_verified_is_not_registered() {
    let sandbox = CheckedSandbox::start().await;
    let client = client(&sandbox);
    for url in ["https://shop.example/blåbær", "https://u:p@shop.example/hooks", "https://shop.example/hooks#a"] {
        let error = client.webhooks().ensure(url, EVENTS, NONE).await.unwrap_err();
        assert!(matches!(&error, Error::InvalidRequest(no) if no.field() == Some("url")), "{url}: {error}");
    }
    assert!(ids(&client).await.is_empty());
}

#[tokio::test]
async fn of_two_that_cover_all_the_later_one_is_kept() {
    let sandbox = CheckedSandbox::start().await;
    let client = client(&sandbox);
    let (old, new) = (register(&client, URL, &EVENTS).await, register(&client, URL, &EVENTS).await);
    let ensured = client.webhooks().ensure(URL, EVENTS, [&old, &new]).await.unwrap();
    assert_eq!((ensured.id(), outcome(&ensured)), (new.as_str(), (false, &[old][..], &[][..])));
}

/// The secret that comes back signs what is delivered.
#[tokio::test]
async fn a_lost_answer_ends_with_a_secret_that_verifies() {
    for (lost, left) in [(1, 1), (2, 1)] {
        let (http, receiver) = (Http::start().await, Receiver::start().await);
        let (client, url) = (client(&http.sandbox), receiver.url("/hooks"));
        http.sandbox.faults().times("registerWebhook", lost, Fault::reset_after_effect());
        let ensured = client.webhooks().ensure(&url, EVENTS, NONE).await.unwrap();
        assert_eq!(ids(&client).await.len(), left, "what nobody can verify is gone");
        let registration = Registration::new(&url, ensured.secret().unwrap().clone()).unwrap();
        let verifier = Verifier::builder().registration(registration).freshness(Freshness::WithInbox).build();
        assert_eq!(http.post(PAYMENTS, &order("acme-order-42", 1000)).await.0, 201);
        act(&http, "acme-order-42", "approve").await;
        let received = receiver.received();
        assert_eq!(received.len(), 2);
        for call in received {
            let found = verifier.verify(call.headers().iter().map(|(name, value)| (name, value)), &call.body);
            assert!(found.is_ok(), "{found:?}");
        }
    }
}

#[tokio::test]
async fn answers_that_are_lost_again_and_again_end_in_an_error_and_the_next_run_mends_it() {
    let sandbox = CheckedSandbox::start().await;
    let client = client(&sandbox);
    let known = register(&client, URL, &EVENTS[..1]).await;
    sandbox.faults().times("registerWebhook", 3, Fault::reset_after_effect());
    let error = client.webhooks().ensure(URL, EVENTS, [&known]).await.unwrap_err();
    assert!(matches!(error, Error::Indeterminate(_)), "{error}");
    assert_eq!(ids(&client).await.len(), 2, "the last one is there, and what is known");
    let ensured = client.webhooks().ensure(URL, EVENTS, [&known]).await.unwrap();
    assert_eq!(ids(&client).await, [known.as_str(), ensured.id()]);
    assert_eq!(outcome(&ensured), (true, &[known][..], &[][..]));
}

#[tokio::test]
async fn as_many_as_there_can_be_make_room_where_they_are_of_no_use() {
    let mut options = vipps_sandbox::Options::default();
    options.profile = Profile::Seed;
    let sandbox = CheckedSandbox::start_with(options).await;
    let client = client(&sandbox);
    for _ in 0..5 {
        register(&client, URL, &EVENTS).await;
    }
    let ensured = client.webhooks().ensure(URL, EVENTS, NONE).await.unwrap();
    assert_eq!(ids(&client).await, [ensured.id()]);
    assert!(ensured.secret().is_some());
    let full: Vec<String> = {
        for _ in 0..4 {
            register(&client, URL, &EVENTS[..1]).await;
        }
        ids(&client).await
    };
    // All are known: nothing may be deleted, and there is no room.
    let more = [EventType::PaymentCreated, EventType::PaymentCaptured];
    let error = client.webhooks().ensure(URL, more, &full).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
    assert_eq!(ids(&client).await, full);
}

#[tokio::test]
async fn a_deletion_that_fails_does_not_lose_the_secret() {
    let sandbox = CheckedSandbox::start().await;
    let client = client(&sandbox);
    let lost = register(&client, URL, &EVENTS).await;
    sandbox.faults().times("deleteWebhook", 10, Fault::status(503));
    let ensured = client.webhooks().ensure(URL, EVENTS, NONE).await.unwrap();
    assert_eq!(outcome(&ensured), (true, &[][..], &[lost][..]));
    assert!(client.webhooks().retire([ensured.id()]).await.is_err());
}

#[tokio::test]
async fn a_registration_without_a_secret_is_no_registration() {
    let list = |webhooks: serde_json::Value| Reply::json(200, "", &json!({ "webhooks": webhooks }).to_string());
    let unusable = json!([{ "id": "w-1", "url": URL, "events": ["epayments.payment.created.v1"] }]);
    let deleted = Reply::Bytes(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_vec());
    for answer in [json!({ "id": "w-1" }), json!({ "id": "w-1", "secret": "" }), json!({ "id": "w-1", "secret": null })]
    {
        let replies = vec![
            list(json!([])),
            Reply::json(201, "", &answer.to_string()),
            list(unusable.clone()),
            deleted.clone(),
            Reply::json(201, "", r#"{"id":"w-2","secret":"told-once"}"#),
        ];
        let server = ScriptedServer::start(replies).await;
        let client = client_for(server.environment(), credentials()).build().unwrap();
        let ensured = client.webhooks().ensure(URL, [EventType::PaymentCreated], NONE).await.unwrap();
        assert_eq!((ensured.id(), ensured.secret().unwrap().reveal().as_str()), ("w-2", "told-once"));
        assert!(!format!("{ensured:?}").contains("told-once"));
    }
}
