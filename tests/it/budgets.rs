use std::time::Duration;

use futures_util::future::join_all;
use vipps::{Amount, Client, ConfigError, Error, NewPayment, NextStep};
use vipps_sandbox::Fault;
use vipps_tests::{CheckedSandbox, Reply, ScriptedServer, SkippingClock, client_for, credentials, quick_retries};

const TOKEN: &str = "fetchAuthorizationTokenUsingPost";

fn name(number: usize) -> String {
    format!("acme-order-{number}")
}

/// A sandbox with so many authorized payments.
async fn payments(count: usize) -> (CheckedSandbox, Client) {
    let sandbox = CheckedSandbox::start().await;
    let client = sandbox.client_builder().clock(SkippingClock::new()).build().unwrap();
    for number in 0..count {
        let order = NewPayment::web_redirect(name(number), Amount::nok_minor(1000), "https://acme.example/t");
        client.payments().create(order).await.unwrap();
        sandbox.customer().approves(&name(number)).await.unwrap();
    }
    (sandbox, client)
}

#[tokio::test]
async fn fifty_captures_in_flight_that_each_lose_one_answer_all_repeat_once() {
    let (sandbox, client) = payments(50).await;
    sandbox.faults().times("capturePayment", 50, Fault::reset_after_effect());
    let captures = (0..50).map(|number| client.payments().capture(name(number), Amount::nok_minor(300)).send());
    for done in join_all(captures).await {
        assert_eq!(done.unwrap().attempts(), 2);
    }
}

#[tokio::test]
async fn reads_under_an_outage_take_nothing_from_writes() {
    let (sandbox, client) = payments(1).await;
    sandbox.faults().times("getPayment", 1000, Fault::status(503));
    for _ in 0..30 {
        client.payments().get(name(0)).await.unwrap_err();
    }
    sandbox.faults().next("capturePayment", Fault::reset_after_effect());
    let done = client.payments().capture(name(0), Amount::nok_minor(300)).await.unwrap();
    assert_eq!(done.attempts(), 2);
}

#[tokio::test]
async fn who_waits_for_a_token_of_others_pays_nothing() {
    // A payment may be read 120 times a minute.
    let (sandbox, _) = payments(5).await;
    let client = sandbox.client_builder().retry(quick_retries()).build().unwrap();
    sandbox.faults().next(TOKEN, Fault::status(503));
    let reads = (0..500).map(|number| client.payments().get(name(number % 5)).send());
    for done in join_all(reads).await {
        done.unwrap();
    }
    assert_eq!(sandbox.count(TOKEN), 1 + 2, "one of the setup, one that failed, one that did not");
}

#[tokio::test]
async fn over_an_outage_of_ten_minutes_there_are_few_requests_for_each_call() {
    let server = ScriptedServer::start(vec![Reply::json(503, "", "")]).await;
    let client = client_for(server.environment(), credentials()).clock(SkippingClock::new()).build().unwrap();
    let mut calls = 0;
    // Twenty at once, thirty times in ten minutes of the clock.
    for _ in 0..30 {
        let wave = (0..20).map(|number| client.payments().capture(name(number), Amount::nok_minor(300)).send());
        calls += join_all(wave).await.len();
        client.transport().clock().sleep(Duration::from_secs(20)).await;
    }
    let requests = server.seen().len();
    assert!(requests * 10 <= calls * 12, "{requests} requests for {calls} calls");
}

#[test]
fn an_attempt_that_takes_as_long_as_its_call_is_refused() {
    let builder = || client_for("http://127.0.0.1:9".parse().unwrap(), credentials());
    let seconds = Duration::from_secs;
    for (attempt, deadline, fits) in [
        (Some(30), Some(10), false),
        (Some(10), Some(10), false),
        (Some(9), Some(10), true),
        (Some(40), None, false),
        (None, Some(4), true),
    ] {
        let mut client = builder();
        if let Some(attempt) = attempt {
            client = client.attempt_timeout(seconds(attempt));
        }
        if let Some(deadline) = deadline {
            client = client.deadline(seconds(deadline));
        }
        let built = client.build();
        let refused = matches!(&built, Err(ConfigError::AttemptTooLong { .. }));
        assert_eq!((built.is_ok(), refused), (fits, !fits), "{attempt:?} {deadline:?}");
    }
}

#[tokio::test]
async fn a_shorter_deadline_of_one_call_leaves_room_for_a_second_attempt() {
    let payment = serde_json::json!({
        "reference": "acme-order-0", "pspReference": "1", "state": "CREATED", "amount": { "currency": "NOK", "value": 1 },
        "aggregate": { "authorizedAmount": { "currency": "NOK", "value": 0 }, "capturedAmount": { "currency": "NOK", "value": 0 },
            "cancelledAmount": { "currency": "NOK", "value": 0 }, "refundedAmount": { "currency": "NOK", "value": 0 } },
        "paymentMethod": { "type": "WALLET" }, "profile": {}
    });
    let server = ScriptedServer::start(vec![Reply::Silence, Reply::success(&payment.to_string())]).await;
    let client = client_for(server.environment(), credentials()).retry(quick_retries()).build().unwrap();
    let read = client.payments().get(name(0)).deadline(Duration::from_millis(400)).await.unwrap();
    assert_eq!(read.attempts(), 2);
}

#[tokio::test]
async fn capture_and_refund_of_everything_take_their_amount_from_the_payment() {
    let (sandbox, client) = payments(1).await;
    let payments = client.payments();
    payments.capture(name(0), Amount::nok_minor(300)).await.unwrap();
    let payment = payments.get(name(0)).await.unwrap();
    payments.capture_all(&payment).unwrap().await.unwrap();
    assert_eq!(sandbox.money(&name(0), "captured"), Some(1000));
    let payment = payments.get(name(0)).await.unwrap();
    payments.refund_all(&payment).unwrap().await.unwrap();
    assert_eq!(sandbox.money(&name(0), "refunded"), Some(1000));
    // There is nothing left, and it is found before anything is sent.
    let payment = payments.get(name(0)).await.unwrap();
    let error: Error = payments.refund_all(&payment).unwrap().await.unwrap_err();
    assert_eq!(error.next_step(), NextStep::FixRequest);
}
