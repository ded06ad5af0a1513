//! Many charges at once: what is said of each, and how they are repeated.

use serde_json::json;
use vipps::{BatchResult, Error};
use vipps_tests::{Reply, ScriptedServer, client_for, credentials, quick_retries};

use crate::other_shapes::{batch_charge, key};
use crate::recorder::Recorder;

#[tokio::test]
async fn a_part_of_a_batch_that_never_left_is_not_called_refused() {
    use vipps::BatchOutcome::{NotSent, Unknown};
    let batch = async |environment: vipps::Environment| {
        let client = client_for(environment, credentials()).retry(quick_retries()).build().unwrap();
        client.charges().create_many(vec![batch_charge("acme-1")]).send().await.unwrap()
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let unsent = batch(nowhere.parse().unwrap()).await;
    assert_eq!(unsent.charges, [("acme-1".to_owned(), NotSent)]);
    assert!(matches!(&unsent.errors[..], [Error::NotSent(_)]), "{:?}", unsent.errors);

    let server = ScriptedServer::start(vec![Reply::Reset]).await;
    let lost = batch(server.environment()).await;
    assert_eq!(lost.charges, [("acme-1".to_owned(), Unknown)]);

    let no = r#"{"title":"Forbidden","status":403,"contextId":"c-1"}"#;
    let server = ScriptedServer::start(vec![Reply::json(403, "", no)]).await;
    let refused = batch(server.environment()).await;
    // It may be the answer to a second copy of the request.
    assert_eq!(refused.charges, [("acme-1".to_owned(), Unknown)]);
    assert!(refused.errors[0].to_string().contains("403 Forbidden"), "{refused:?}");
}

#[tokio::test]
async fn a_large_batch_goes_in_parts_with_stable_keys_and_says_what_became_of_each() {
    use vipps::BatchOutcome::{Accepted, NotAccepted, Unknown};
    let refused = serde_json::to_value(batch_charge("o-1")).unwrap();
    let answer = json!({
        "validCharges": ["o-0", "o-2000"],
        "invalidCharges": [{ "chargeBatchItemDto": refused, "errors": ["too low"] }]
    });
    let charges = || (0..2001).map(|n| batch_charge(&format!("o-{n}"))).collect::<Vec<_>>();
    let recorder = Recorder::start(202, answer).await;
    let client = recorder.client();
    let mut keys = Vec::new();
    for _ in 0..2 {
        let result = client.charges().create_many(charges()).idempotency_key(key()).send().await.unwrap();
        let outcome = |at: usize| result.charges[at].1.clone();
        assert_eq!(
            (outcome(0), outcome(1), outcome(2), outcome(2000)),
            (Accepted, NotAccepted(vec!["too low".into()]), Unknown, Accepted)
        );
        let seen = std::mem::take(&mut *recorder.seen.lock().unwrap());
        keys.push(
            seen.iter()
                .map(|shape| shape.lines().find(|line| line.starts_with("idempotency-key")).unwrap().to_owned())
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!((keys[0].len(), &keys[0]), (2, &keys[1]));
    assert_ne!(keys[0][0], keys[0][1]);
}

/// What a batch of one charge says when its part is answered so.
async fn answered(status: u16, headers: &str, body: &str) -> BatchResult {
    let server = ScriptedServer::start(vec![Reply::json(status, headers, body)]).await;
    let client = client_for(server.environment(), credentials()).retry(quick_retries()).build().unwrap();
    client.charges().create_many(vec![batch_charge("acme-1")]).idempotency_key(key()).send().await.unwrap()
}

#[tokio::test]
async fn a_part_that_is_to_come_back_may_have_been_taken_on() {
    use vipps::BatchOutcome::Unknown;
    let later = answered(429, "retry-after: 600\r\n", "{}").await;
    assert_eq!(later.charges, [("acme-1".to_owned(), Unknown)]);
    let conflict = r##"{"title":"t","status":409,"type":"https://x.example#idempotency-conflict"}"##;
    assert_eq!(answered(409, "", conflict).await.charges, [("acme-1".to_owned(), Unknown)]);
}

#[tokio::test]
async fn a_batch_of_one_part_is_repeated_with_the_key_of_its_error() {
    let result = answered(503, "", "{}").await;
    assert_eq!((&result.idempotency_key, result.errors[0].idempotency_key()), (&key(), Some(&key())));
}

#[tokio::test]
async fn a_key_that_the_batch_cannot_have_is_refused_before_sending() {
    let recorder = Recorder::start(202, json!({})).await;
    let slash = vipps::IdempotencyKey::new("batch/2026-12").unwrap();
    let one = recorder.client().charges().create_many(vec![batch_charge("acme-1")]);
    assert!(matches!(one.idempotency_key(slash).send().await, Err(Error::InvalidRequest(_))));
}

#[tokio::test]
async fn two_charges_of_one_order_id_are_refused_before_sending() {
    let recorder = Recorder::start(202, json!({})).await;
    let twice = vec![batch_charge("acme-1"), batch_charge("acme-2"), batch_charge("acme-1")];
    let error = recorder.client().charges().create_many(twice).send().await.unwrap_err();
    let Error::InvalidRequest(no) = error else { panic!("{error:?}") };
    assert_eq!((no.field(), no.rule()), (Some("[2].orderId"), "must not be that of [0]"));
    assert!(recorder.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_charge_that_is_in_both_lists_is_unknown() {
    let both = json!({
        "validCharges": ["acme-1"],
        "invalidCharges": [{ "chargeBatchItemDto": batch_charge("acme-1"), "errors": ["too low"] }]
    });
    let recorder = Recorder::start(202, both).await;
    let result = recorder.client().charges().create_many(vec![batch_charge("acme-1")]).send().await.unwrap();
    assert_eq!(result.charges, [("acme-1".to_owned(), vipps::BatchOutcome::Unknown)]);
}
