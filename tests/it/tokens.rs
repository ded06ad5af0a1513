use std::sync::Arc;

use vipps::{Amount, Effect, Error, NewPayment, NextStep};
use vipps_sandbox::{Fault, Sandbox};
use vipps_tests::{CheckedSandbox, Reply, ScriptedServer, client_for, credentials, quick_retries};

const REFERENCE: &str = "acme-order-1042";

async fn with_payment() -> (CheckedSandbox, vipps::Client) {
    let sandbox = CheckedSandbox::start().await;
    let client = sandbox.client_builder().retry(quick_retries()).build().unwrap();
    let order = NewPayment::web_redirect(REFERENCE, Amount::nok_minor(1000), "https://acme.example/thanks");
    client.payments().create(order).await.unwrap();
    sandbox.customer().approves(REFERENCE).await.unwrap();
    (sandbox, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_first_calls_over_sockets_make_one_token_request() {
    let (sandbox, _) = with_payment().await;
    let before = sandbox.count(TOKEN);
    let fresh = Arc::new(sandbox.client());
    let calls: Vec<_> = (0..500)
        .map(|_| {
            let client = fresh.clone();
            tokio::spawn(async move { client.payments().get(REFERENCE).await.is_ok() })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
    assert_eq!(sandbox.count(TOKEN) - before, 1);
}

const TOKEN: &str = "fetchAuthorizationTokenUsingPost";

#[tokio::test]
async fn a_refused_token_is_refreshed_once_and_money_moves_once() {
    let (sandbox, client) = with_payment().await;
    let before = sandbox.count(TOKEN);
    sandbox.revoke_tokens();
    let captured = client.payments().capture(REFERENCE, Amount::nok_minor(400)).await.unwrap();
    assert_eq!(captured.attempts(), 2);
    assert_eq!(sandbox.count(TOKEN) - before, 1);
    assert_eq!(sandbox.money(REFERENCE, "captured"), Some(400));
}

#[tokio::test]
async fn a_token_refused_by_twenty_calls_at_once_is_refreshed_once() {
    let (sandbox, client) = with_payment().await;
    let before = sandbox.count(TOKEN);
    sandbox.revoke_tokens();
    let calls: Vec<_> = (0..20).map(|_| tokio::spawn(client.payments().get(REFERENCE).send())).collect();
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!(sandbox.count(TOKEN) - before, 1);
}

#[tokio::test]
async fn an_expired_token_of_the_virtual_clock_is_replaced() {
    let (sandbox, client) = with_payment().await;
    sandbox.clock().advance(std::time::Duration::from_secs(3601)).await;
    assert!(client.payments().get(REFERENCE).await.is_ok());
}

#[tokio::test]
async fn a_second_401_ends_the_call() {
    let refused = Reply::json(401, "", r#"{"statusCode":401,"message":"no"}"#);
    let server = ScriptedServer::start(vec![refused]).await;
    let client = client_for(server.environment(), credentials()).retry(quick_retries()).build().unwrap();
    let error = client.payments().capture(REFERENCE, Amount::nok_minor(1)).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(refused) if refused.status() == 401), "{error:?}");
    assert_eq!((server.seen().len(), server.token_requests(), error.attempts()), (2, 2, 2));
    // Another copy of the request may have been let through.
    assert_eq!((error.effect(), error.next_step()), (Effect::Possible, NextStep::FixCredentials));
    let bearers: Vec<bool> = (1..=2).map(|n| server.seen()[n - 1].contains(&format!("Bearer token-{n}-"))).collect();
    assert_eq!(bearers, [true, true]);
}

#[tokio::test]
async fn wrong_keys_end_at_once_and_say_which_keys_to_check() {
    let sandbox = CheckedSandbox::start().await;
    let wrong = vipps::Credentials::new("test-client-id", "wrong", "test-subscription-key", "123456").unwrap();
    let client = client_for(sandbox.environment(), wrong).retry(quick_retries()).build().unwrap();
    let error = client.payments().get(REFERENCE).await.unwrap_err();
    assert!(matches!(&error, Error::Authentication(_)));
    assert_eq!((error.attempts(), error.status()), (1, Some(401)));
    let said = error.to_string();
    assert!(said.starts_with("payments.get (getPayment) was not sent: access token refused with 401"), "{said}");
    assert!(said.contains("check client id, client secret and subscription key"), "{said}");
}

#[tokio::test]
async fn a_token_service_that_fails_for_a_moment_costs_an_attempt() {
    let (sandbox, _) = with_payment().await;
    sandbox.faults().next(TOKEN, Fault::status(503));
    sandbox.faults().next(TOKEN, Fault::reset());
    let client = sandbox.client_builder().retry(quick_retries()).build().unwrap();
    assert_eq!(client.payments().get(REFERENCE).await.unwrap().attempts(), 3);
    sandbox.faults().times(TOKEN, 9, Fault::status(503));
    let client = sandbox.client_builder().retry(quick_retries()).build().unwrap();
    let error = client.payments().capture(REFERENCE, Amount::nok_minor(1)).await.unwrap_err();
    assert!(matches!(error, Error::Authentication(_)) && error.attempts() == 4 && !error.may_have_taken_effect());
}

#[tokio::test]
async fn a_token_service_that_never_answers_leaves_a_write_unsent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let silence = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let client = client_for(address.parse().unwrap(), credentials()).retry(quick_retries());
    let client = client.attempt_timeout(std::time::Duration::from_millis(30)).build().unwrap();
    let error = client.payments().capture(REFERENCE, Amount::nok_minor(1)).await.unwrap_err();
    assert!(matches!(error, Error::NotSent(_)) && !error.may_have_taken_effect(), "{error:?}");
    assert!(error.to_string().contains("access token request got no answer within 30ms"), "{error}");
    silence.abort();
}

#[tokio::test]
async fn numbers_in_the_token_answer_are_read_as_well() {
    let sandbox = Sandbox::start().await.unwrap();
    sandbox.change_settings(&serde_json::json!({ "tokenNumbers": true })).unwrap();
    let client = client_for(sandbox.environment(), sandbox.credentials()).build().unwrap();
    for _ in 0..2 {
        assert!(matches!(client.payments().get(REFERENCE).await, Err(Error::Refused(no)) if no.code() == Some("5090")));
    }
    let fetched = sandbox.requests().iter().filter(|request| request["operation"] == TOKEN).count();
    assert_eq!(fetched, 1, "its life was read, so it was kept");
}

#[tokio::test]
async fn a_token_that_does_not_say_how_long_it_lives_is_kept_for_a_while() {
    use httpmock::prelude::*;
    let odd = [
        serde_json::json!({ "access_token": "t" }),
        serde_json::json!({ "access_token": "t", "expires_in": null }),
        serde_json::json!({ "access_token": "t", "expires_in": "soon" }),
        serde_json::json!({ "access_token": "t", "expires_in": { "seconds": 3600 } }),
        serde_json::json!({ "access_token": "t", "expires_in": 0 }),
    ];
    for answer in odd {
        let server = MockServer::start_async().await;
        let body = format!("\u{feff}{answer}");
        let token = server.mock_async(|when, then| {
            when.path("/accesstoken/get");
            then.status(200).header("content-type", "application/json").body(body);
        });
        let token = token.await;
        let client =
            client_for(server.base_url().parse().unwrap(), credentials()).retry(quick_retries()).build().unwrap();
        for _ in 0..3 {
            let _ = client.payments().get(REFERENCE).max_attempts(1).await;
        }
        assert_eq!(token.calls_async().await, 1, "{answer}");
    }
}
