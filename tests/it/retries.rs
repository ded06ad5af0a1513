use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use vipps::{Amount, Client, Effect, Error, Event, IdempotencyKey, NewPayment, NextStep, Observer, RetryPolicy};
use vipps_sandbox::Fault;
use vipps_tests::{CheckedSandbox, Reply, ScriptedServer, SkippingClock, client_for, credentials, quick_retries};

const REFERENCE: &str = "acme-order-1042";

fn order() -> NewPayment {
    NewPayment::web_redirect(REFERENCE, Amount::nok_minor(1000), "https://acme.example/thanks")
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Write {
    Create,
    Capture,
    Refund,
    Cancel,
}

impl Write {
    const ALL: [Self; 4] = [Self::Create, Self::Capture, Self::Refund, Self::Cancel];

    fn operation(self) -> &'static str {
        match self {
            Self::Create => "createPayment",
            Self::Capture => "capturePayment",
            Self::Refund => "refundPayment",
            Self::Cancel => "cancelPayment",
        }
    }

    /// Brings the payment where this write is legal.
    async fn prepare(self, client: &Client, sandbox: &CheckedSandbox) {
        if self == Self::Create {
            return;
        }
        client.payments().create(order()).await.unwrap();
        sandbox.customer().approves(REFERENCE).await.unwrap();
        if self == Self::Refund {
            client.payments().capture(REFERENCE, Amount::nok_minor(600)).await.unwrap();
        }
    }

    async fn send(self, client: &Client, key: &IdempotencyKey) -> Result<u32, Error> {
        let (payments, key) = (client.payments(), key.clone());
        match self {
            Self::Create => payments.create(order()).idempotency_key(key).await.map(|done| done.attempts()),
            Self::Capture => payments
                .capture(REFERENCE, Amount::nok_minor(400))
                .idempotency_key(key)
                .await
                .map(|done| done.attempts()),
            Self::Refund => payments
                .refund(REFERENCE, Amount::nok_minor(400))
                .idempotency_key(key)
                .await
                .map(|done| done.attempts()),
            Self::Cancel => payments.cancel(REFERENCE).idempotency_key(key).await.map(|done| done.attempts()),
        }
    }

    /// True when it took effect exactly once; panics when it did twice.
    fn took_effect(self, sandbox: &CheckedSandbox) -> bool {
        let figure = match self {
            Self::Create => return sandbox.money(REFERENCE, "amount").is_some(),
            Self::Capture => "captured",
            Self::Refund => "refunded",
            Self::Cancel => "cancelled",
        };
        let wanted = if self == Self::Cancel { 1000 } else { 400 };
        match sandbox.money(REFERENCE, figure).unwrap() {
            0 => false,
            moved => {
                assert_eq!(moved, wanted, "{self:?} moved money other than once");
                true
            }
        }
    }

    fn requests(self, sandbox: &CheckedSandbox) -> Vec<Value> {
        sandbox.requests().into_iter().filter(|request| request["operation"] == self.operation()).collect()
    }
}

fn faults() -> Vec<(&'static str, Fault)> {
    let kinds = [
        ("429", Fault::status(429)),
        ("500", Fault::status(500)),
        ("502 html", Fault::status(502).html()),
        ("503", Fault::status(503)),
        ("504 empty", Fault::status(504).empty()),
        ("408", Fault::status(408)),
        ("423", Fault::status(423)),
        ("reset", Fault::reset()),
        ("stall", Fault::stall(Duration::from_millis(120))),
    ];
    let after = kinds.clone().into_iter().map(|(name, fault)| (name, fault.after_effect()));
    let cut_off = ("200 cut off", Fault::truncated(200).after_effect());
    kinds.into_iter().chain(after).chain([cut_off]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_takes_effect_once_under_every_single_fault() {
    for write in Write::ALL {
        for (name, fault) in faults() {
            let what = format!("{write:?} {name} {fault:?}");
            let sandbox = CheckedSandbox::start().await;
            let retry = RetryPolicy {
                base_backoff: Duration::from_millis(40),
                max_backoff: Duration::from_millis(120),
                ..RetryPolicy::default()
            };
            let client =
                sandbox.client_builder().retry(retry).attempt_timeout(Duration::from_millis(60)).build().unwrap();
            write.prepare(&sandbox.client(), &sandbox).await;
            client.payments().get(REFERENCE).deadline(Duration::from_secs(5)).await.ok();
            let key = IdempotencyKey::random();
            sandbox.faults().next(write.operation(), fault);
            let done = write.send(&client, &key).await;
            let attempts = done.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(attempts >= 2, "{what}: the fault was met");
            assert!(write.took_effect(&sandbox), "{what}");
            let sent: Vec<(Value, Value)> = write
                .requests(&sandbox)
                .into_iter()
                .map(|r| (r["headers"]["idempotency-key"].clone(), r["body"].clone()))
                .collect();
            let last = &sent[sent.len() - attempts as usize..];
            assert!(
                last.iter().all(|request| *request == last[0] && request.0 == key.as_str()),
                "{what}: one key and one body"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_fault_stays_the_claim_is_true_and_the_key_repairs_it() {
    for write in Write::ALL {
        for (name, fault) in faults() {
            let what = format!("{write:?} {name}");
            let sandbox = CheckedSandbox::start().await;
            let client = sandbox
                .client_builder()
                .retry(quick_retries())
                .attempt_timeout(Duration::from_millis(60))
                .build()
                .unwrap();
            write.prepare(&sandbox.client(), &sandbox).await;
            client.payments().get(REFERENCE).deadline(Duration::from_secs(5)).await.ok();
            let key = IdempotencyKey::random();
            let wanted = (matches!(name, "429" | "423"), fault.clone());
            sandbox.faults().times(write.operation(), 50, fault);
            let error = write.send(&client, &key).await.expect_err(&what);
            let happened = write.took_effect(&sandbox);
            assert!(!happened || error.may_have_taken_effect() || wanted.0, "{what}: {error} although it took effect");
            if wanted.0 && wanted.1 == Fault::status(429) {
                assert!(matches!(&error, Error::Refused(no) if no.status() == 429), "{what}: {error:?}");
            }
            if matches!(name, "reset" | "stall" | "503" | "500" | "408") {
                assert!(matches!(error, Error::Indeterminate(_)), "{what}: {error:?}");
                assert_eq!(error.idempotency_key(), Some(&key));
            }
            sandbox.faults().clear();
            let patient = sandbox.client();
            write.send(&patient, &key).await.unwrap_or_else(|error| panic!("{what}, repeated: {error}"));
            assert!(write.took_effect(&sandbox), "{what}");
        }
    }
}

fn modified() -> String {
    let money = |value: i64| serde_json::json!({ "currency": "NOK", "value": value });
    serde_json::json!({
        "reference": REFERENCE, "pspReference": "4410027719", "state": "AUTHORIZED", "amount": money(1000),
        "aggregate": { "authorizedAmount": money(1000), "capturedAmount": money(400), "cancelledAmount": money(0), "refundedAmount": money(0) }
    })
    .to_string()
}

async fn scripted(replies: Vec<Reply>) -> (ScriptedServer, Client, Arc<SkippingClock>) {
    let server = ScriptedServer::start(replies).await;
    let clock = SkippingClock::new();
    let client = client_for(server.environment(), credentials())
        .clock(clock.clone())
        .attempt_timeout(Duration::from_millis(80))
        .transport(|transport| transport.random(Arc::new(|below| below / 2)))
        .build()
        .unwrap();
    (server, client, clock)
}

async fn capture(client: &Client) -> Result<vipps::Response<vipps::Modification>, Error> {
    client.payments().capture(REFERENCE, Amount::nok_minor(400)).await
}

#[tokio::test]
async fn every_attempt_sends_the_same_bytes() {
    let replies = vec![Reply::Reset, Reply::json(503, "", "{}"), Reply::Silence, Reply::success(&modified())];
    let (server, client, clock) = scripted(replies).await;
    let done = capture(&client).await.unwrap();
    let seen = server.seen();
    assert_eq!((done.attempts(), seen.len(), server.token_requests()), (4, 4, 1));
    assert!(seen.iter().all(|request| *request == seen[0]));
    // Decorrelated jitter with chance in the middle: 200, 350, 575 ms.
    assert_eq!(clock.waits(), [200, 350, 575].map(Duration::from_millis));
}

#[tokio::test]
async fn retry_after_wins_over_our_own_wait() {
    for (value, wait) in [("2", 2_000), ("Sun, 06 Nov 1994 08:49:47 GMT", 10_000), ("0", 100)] {
        let header = format!("retry-after: {value}\r\n");
        let (_, client, clock) = scripted(vec![Reply::json(429, &header, "{}"), Reply::success(&modified())]).await;
        assert_eq!(capture(&client).await.unwrap().attempts(), 2);
        assert_eq!(clock.waits(), [Duration::from_millis(wait)], "{value}");
    }
}

#[tokio::test]
async fn retry_after_beyond_the_deadline_fails_at_once_and_says_when() {
    let (server, client, clock) = scripted(vec![Reply::json(429, "retry-after: 60\r\n", "{}")]).await;
    let error = capture(&client).await.unwrap_err();
    assert_eq!((error.attempts(), server.seen().len(), clock.waits().len()), (1, 1, 0));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    assert_eq!(
        error.to_string(),
        format!(
            "payments.capture (capturePayment) refused with 429 Too Many Requests: no reason given; \
             it may have taken effect: repeat with idempotency key {} or read the state back; come back in 60s",
            error.idempotency_key().unwrap()
        )
    );
}

#[tokio::test]
async fn codes_that_say_to_come_back_are_repeated_and_other_refusals_are_not() {
    let coded = |status: u16, code: &str| {
        Reply::json(
            status,
            "",
            &format!(
                r#"{{"title":"t","status":{status},"traceId":"x","extraDetails":[{{"name":"ErrorCode","reason":"{code}"}}]}}"#
            ),
        )
    };
    for (status, code, attempts) in
        [(400, "6280", 2), (409, "6250", 2), (423, "6160", 2), (400, "6090", 1), (409, "4010", 1), (404, "5090", 1)]
    {
        let (_, client, _) = scripted(vec![coded(status, code), Reply::success(&modified())]).await;
        match capture(&client).await {
            Ok(done) => assert_eq!((done.attempts(), attempts), (2, 2), "{code}"),
            Err(error) => {
                assert_eq!((error.attempts(), error.code(), attempts), (1, Some(code), 1));
                // The key was used for another request, whose effect is not known.
                assert_eq!(error.may_have_taken_effect(), code == "4010");
            }
        }
    }
}

#[tokio::test]
async fn only_an_answer_of_the_api_settles_a_lost_attempt() {
    let problem = r#"{"title":"Capture amount too high","status":400,"traceId":"x","extraDetails":[{"name":"ErrorCode","reason":"6090"}]}"#;
    let cases = [
        (Reply::json(400, "", problem), false),
        (Reply::json(403, "", r#"{"statusCode":403,"message":"Forbidden"}"#), true),
        (Reply::json(400, "", "<html>Bad gateway</html>"), true),
        (Reply::json(404, "", ""), true),
        // A conflict may be with our own lost attempt, and a missing permission says nothing of it.
        (Reply::json(409, "", r#"{"title":"Conflict","status":409,"traceId":"x"}"#), true),
        (Reply::json(403, "", r#"{"title":"Forbidden","status":403,"traceId":"x"}"#), true),
    ];
    for (last, open) in cases {
        let (_, client, _) = scripted(vec![Reply::Reset, last.clone()]).await;
        let error = capture(&client).await.unwrap_err();
        assert_eq!((error.attempts(), error.may_have_taken_effect()), (2, open), "{last:?}: {error}");
    }
}

#[tokio::test]
async fn a_yes_that_cannot_be_read_has_taken_effect() {
    let cases = [
        (Reply::json(200, "", r#"{"reference":"acme-order-1042","state":"AUTHORIZED"}"#), 1),
        (Reply::cut_off(200), 4),
        (Reply::json(200, "", r#"{"reference":"acme"#), 4),
    ];
    for (reply, attempts) in cases {
        let (_, client, _) = scripted(vec![reply.clone()]).await;
        let error = capture(&client).await.unwrap_err();
        assert!(matches!(&error, Error::Unreadable(_)), "{reply:?}: {error:?}");
        assert_eq!((error.attempts(), error.status()), (attempts, Some(200)));
        assert_eq!((error.effect(), error.next_step()), (Effect::Certain, NextStep::Done));
    }
    let (_, client, _) = scripted(vec![Reply::cut_off(200), Reply::Reset]).await;
    assert!(
        matches!(capture(&client).await, Err(Error::Unreadable(_))),
        "a lost repeat does not make it doubtful again"
    );
}

#[tokio::test]
async fn a_write_that_may_double_is_sent_once() {
    let unauthorized = Reply::json(401, "", r#"{"statusCode":401,"message":"no"}"#);
    for reply in [Reply::Reset, Reply::Silence, Reply::json(503, "", ""), Reply::json(429, "", ""), unauthorized] {
        let (server, client, _) = scripted(vec![reply.clone()]).await;
        let events = ["epayments.payment.captured.v1"];
        let error = client.webhooks().register("https://acme.example/hooks", events).await.unwrap_err();
        assert_eq!((server.seen().len(), error.attempts(), error.idempotency_key()), (1, 1, None), "{reply:?}");
        assert_eq!(error.effect(), Effect::Possible, "{reply:?}");
        if error.next_step() == NextStep::ReadFirst {
            assert!(error.to_string().ends_with("so read the state back before repeating it"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_session_without_a_reference_may_double_and_is_sent_once() {
    let session = |reference: Option<&str>| -> vipps::checkout::types::PaymentSession {
        serde_json::from_value(serde_json::json!({
            "type": "PAYMENT", "reference": reference,
            "merchantInfo": { "callbackUrl": "https://a.example/c", "returnUrl": "https://a.example/r", "callbackAuthorizationToken": "t" },
            "transaction": { "amount": { "currency": "NOK", "value": 1000 }, "paymentDescription": "Tea" }
        }))
        .unwrap()
    };
    for (reference, sent) in [(None, 1), (Some("acme-session-1"), 4)] {
        let (server, client, _) = scripted(vec![Reply::Reset]).await;
        let error = client.sessions().create(session(reference)).await.unwrap_err();
        assert_eq!((server.seen().len(), error.effect()), (sent, Effect::Possible), "{reference:?}");
    }
}

#[tokio::test]
async fn a_write_that_cannot_double_is_repeated_without_a_key() {
    let (server, client, _) = scripted(vec![Reply::Reset, Reply::json(200, "", "")]).await;
    client.payments().force_approve(REFERENCE).await.unwrap();
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let client = client_for(format!("http://{free}").parse().unwrap(), credentials())
        .clock(SkippingClock::new())
        .build()
        .unwrap();
    let error = capture(&client).await.unwrap_err();
    assert!(matches!(error, Error::NotSent(_)), "nobody has said anything about the keys: {error:?}");
    assert!(error.to_string().contains("nobody listens at the address"), "{error}");
    assert_eq!((error.attempts(), error.may_have_taken_effect()), (4, false));
}

#[tokio::test]
async fn a_refusal_is_told_also_when_later_attempts_found_no_connection() {
    let (server, client, _) = scripted(vec![Reply::json(429, "", r#"{"statusCode":429,"message":"slow down"}"#)]).await;
    // The token is there; then the host goes away.
    client.payments().get(REFERENCE).max_attempts(1).await.unwrap_err();
    server.close_after_next();
    let error = capture(&client).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(no) if no.status() == 429), "{error:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = ScriptedServer::start(vec![Reply::success(&modified())]).await;
    let header = format!("location: {}/epayment/v1/payments/x\r\n", elsewhere.environment());
    let (_, client, _) = scripted(vec![Reply::json(307, &header, "")]).await;
    let error = capture(&client).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(no) if no.status() == 307), "{error:?}");
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_read_never_claims_an_effect() {
    for reply in [Reply::Reset, Reply::Silence, Reply::json(503, "", ""), Reply::cut_off(200)] {
        let (server, client, _) = scripted(vec![reply.clone()]).await;
        let error = client.payments().get(REFERENCE).await.unwrap_err();
        assert_eq!((server.seen().len(), error.may_have_taken_effect()), (4, false), "{reply:?}");
    }
}

#[tokio::test]
async fn the_deadline_ends_a_call_that_would_go_on() {
    let server = ScriptedServer::start(vec![Reply::Silence]).await;
    let client = client_for(server.environment(), credentials())
        .retry(quick_retries())
        .attempt_timeout(Duration::from_millis(40))
        .build()
        .unwrap();
    let error = client
        .payments()
        .capture(REFERENCE, Amount::nok_minor(1))
        .deadline(Duration::from_millis(90))
        .max_attempts(50)
        .await
        .unwrap_err();
    assert!(error.attempts() <= 3 && error.elapsed() < Duration::from_secs(2), "{error:?}");
    assert!(matches!(error, Error::Indeterminate(_)));
}

#[tokio::test]
async fn the_retry_budget_of_a_client_runs_dry() {
    let (server, client, _) = scripted(vec![Reply::json(503, "", "")]).await;
    for _ in 0..10 {
        let _ = capture(&client).await;
    }
    // Ten retries, not three for each of the ten calls: only a success puts something back.
    assert_eq!(server.seen().len(), 10 + 10);
}

#[tokio::test]
async fn what_is_said_names_the_thing_and_the_way_out() {
    let key = IdempotencyKey::new("6a1e").unwrap();
    let said = |error: Error| error.to_string();
    let problem = r#"{"title":"Capture amount too high","status":400,"traceId":"4bf92f","extraDetails":[{"name":"ErrorCode","reason":"6090"}]}"#;
    let (_, client, _) = scripted(vec![Reply::json(400, "", problem)]).await;
    assert_eq!(
        said(capture(&client).await.unwrap_err()),
        "payments.capture (capturePayment) refused with 400 Bad Request: Capture amount too high (code 6090) (support id 4bf92f)"
    );
    let (_, client, _) = scripted(vec![Reply::Silence]).await;
    let lost =
        client.payments().capture(REFERENCE, Amount::nok_minor(400)).idempotency_key(key.clone()).await.unwrap_err();
    assert_eq!(
        said(lost),
        "payments.capture (capturePayment) got no answer within 80ms (4 attempts); it may have taken effect: \
         repeat with idempotency key 6a1e or read the state back"
    );
    let (_, client, _) = scripted(vec![Reply::json(200, "", r#"{"reference":"acme-order-1042"}"#)]).await;
    assert_eq!(
        said(capture(&client).await.unwrap_err()),
        "payments.capture (capturePayment) was answered 200 OK and the answer cannot be read: \
         missing field `aggregate`; it has taken effect: read the state back"
    );
    assert_eq!(
        said(client.payments().capture("..", Amount::nok_minor(1)).await.unwrap_err()),
        "payments.capture (capturePayment) was not sent: `reference` must have 8 to 64 characters, has 2"
    );
}

#[derive(Default)]
struct Journal(Mutex<Vec<String>>);

impl Observer for Journal {
    fn observe(&self, event: &Event<'_>) {
        let line = match event {
            Event::CallStarted { call, .. } => {
                let subject = call.subject.unwrap_or("?");
                format!("start {} {subject} keyed={}", call.operation.word(), call.idempotency_key.is_some())
            }
            Event::AttemptFinished { attempt, status, ended, .. } => format!("attempt {attempt} {ended} {status:?}"),
            Event::RetryScheduled { attempt, wait, .. } => format!("again {attempt} in {wait:?}"),
            Event::CallFinished { ok, status, effect, attempts, .. } => {
                format!("end ok={ok} {status:?} {effect:?} {attempts}")
            }
            _ => "?".into(),
        };
        self.0.lock().unwrap().push(line);
    }
}

#[tokio::test]
async fn an_observer_sees_the_call_in_order() {
    let server = ScriptedServer::start(vec![Reply::json(503, "", ""), Reply::success(&modified())]).await;
    let journal = Arc::new(Journal::default());
    let client = client_for(server.environment(), credentials())
        .clock(SkippingClock::new())
        .observer(journal.clone())
        .transport(|transport| transport.random(Arc::new(|_| 0)))
        .build()
        .unwrap();
    capture(&client).await.unwrap();
    let seen = journal.0.lock().unwrap().clone();
    assert_eq!(
        seen,
        [
            "start payments.capture acme-order-1042 keyed=true",
            "attempt 1 refused Some(503)",
            "again 2 in 100ms",
            "attempt 2 ok Some(200)",
            "end ok=true Some(200) Certain 2"
        ]
    );
}

#[tokio::test]
async fn an_attempt_of_another_operation_is_not_sent() {
    let (server, client, _) = scripted(vec![Reply::Reset]).await;
    let epayment = vipps_epayment::Client::with_transport(client.transport());
    let body = vipps_epayment::types::CaptureModificationRequest::builder().modification_amount(Amount::nok_minor(1));
    let capture = epayment.capture_payment().reference(REFERENCE).body(body);
    let read = vipps_core::Call::new(&vipps_epayment::operations::GET_PAYMENT);
    let error = client.transport().run(read, || capture.clone().send()).await.unwrap_err();
    assert!(matches!(error, Error::InvalidRequest(_)) && server.seen().is_empty());
}

#[tokio::test]
async fn limits_of_any_size_are_no_panic() {
    let (_, client, _) = scripted(vec![Reply::success(&modified())]).await;
    client.payments().get(REFERENCE).deadline(Duration::MAX).await.unwrap();
    let zero = client.payments().get(REFERENCE).deadline(Duration::ZERO).await.unwrap_err();
    assert!(matches!(zero, Error::InvalidRequest(_)));
}

#[tokio::test]
async fn a_path_cannot_leave_its_route() {
    let (server, client, _) = scripted(vec![Reply::json(200, "", &modified())]).await;
    // Below the facade's checks: the API crate alone, where any text is a reference.
    let epayment = vipps_epayment::Client::with_transport(client.transport());
    for reference in
        ["..", ".", "", "../..", "%2e%2e", "a/../../b", "a?b", "a#b", "..%2f..", "x\\..\\victim", "..\\..\\x"]
    {
        let call = vipps_core::Call::new(&vipps_epayment::operations::GET_PAYMENT);
        let answer = client.transport().run(call, || epayment.get_payment().reference(reference).send()).await;
        for request in server.seen() {
            let path = request.split(' ').nth(1).unwrap().to_owned();
            assert!(
                path.starts_with("/epayment/v1/payments/") && !path.ends_with('/') && path.split('/').count() == 5,
                "{reference}: {path}"
            );
        }
        if matches!(reference, ".." | "." | "") {
            assert!(matches!(answer, Err(Error::InvalidRequest(_))), "{reference}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn keys_are_checked_before_anything_is_sent() {
    let (server, client, _) = scripted(vec![Reply::success(&modified())]).await;
    let long = IdempotencyKey::new("k".repeat(51)).unwrap();
    let error = client.payments().capture(REFERENCE, Amount::nok_minor(1)).idempotency_key(long).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "payments.capture (capturePayment) was not sent: `Idempotency-Key` must have 1 to 50 characters, has 51"
    );
    let epayment = vipps_epayment::Client::with_transport(client.transport());
    let unkeyed = vipps_core::Call::new(&vipps_epayment::operations::CAPTURE_PAYMENT);
    let body = vipps_epayment::types::CaptureModificationRequest::builder().modification_amount(Amount::nok_minor(1));
    let request = epayment.capture_payment().reference(REFERENCE).body(body);
    let error = client.transport().run(unkeyed, || request.clone().send()).await.unwrap_err();
    assert!(matches!(&error, Error::InvalidRequest(no) if no.field() == Some("Idempotency-Key")));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_key_is_spent_by_the_answer_of_the_api_alone() {
    let problem = r#"{"title":"t","status":400,"traceId":"x","extraDetails":[{"name":"ErrorCode","reason":"6080"}]}"#;
    let running = r#"{"title":"t","status":409,"traceId":"x","extraDetails":[{"name":"ErrorCode","reason":"6250"}]}"#;
    for (reply, spent) in [
        (Reply::json(400, "", problem), true),
        (Reply::json(409, "", running), false),
        (Reply::json(403, "", r#"{"statusCode":403,"message":"m"}"#), false),
        (Reply::json(400, "", "<html>no</html>"), false),
        (Reply::json(429, "retry-after: 600\r\n", "{}"), false),
        (Reply::cut_off(400), false),
    ] {
        let what = format!("{reply:?}");
        let (_server, client, _) = scripted(vec![reply]).await;
        let Error::Refused(no) = capture(&client).await.unwrap_err() else { panic!("{what}") };
        assert_eq!(no.key_is_spent(), spent, "{what}");
    }
}

struct Panics;

impl Observer for Panics {
    fn observe(&self, event: &Event<'_>) {
        assert_eq!(event.call().id, 0, "as planned");
    }
}

#[tokio::test]
async fn an_observer_that_panics_destroys_no_answer() {
    let server = ScriptedServer::start(vec![Reply::success(&modified())]).await;
    let client = client_for(server.environment(), credentials()).observer(Arc::new(Panics)).build().unwrap();
    assert_eq!(capture(&client).await.unwrap().attempts(), 1);
}

#[tokio::test]
async fn three_captures_at_once_can_be_told_apart_by_their_events() {
    type Seen = (u64, String, String, Option<u16>);
    #[derive(Default)]
    struct Calls(Mutex<Vec<Seen>>);
    impl Observer for Calls {
        fn observe(&self, event: &Event<'_>) {
            if let Event::CallFinished { call, status, .. } = event {
                let key = call.idempotency_key.unwrap().to_string();
                self.0.lock().unwrap().push((call.id, call.subject.unwrap().to_owned(), key, *status));
            }
        }
    }
    let server = ScriptedServer::start(vec![Reply::json(503, "", "")]).await;
    let calls = Arc::new(Calls::default());
    let client = client_for(server.environment(), credentials()).observer(calls.clone()).build().unwrap();
    let names = ["acme-order-1", "acme-order-2", "acme-order-3"];
    let captures = names.map(|name| client.payments().capture(name, Amount::nok_minor(1)).max_attempts(1));
    let keys = captures.each_ref().map(|capture| capture.key().unwrap().to_string());
    futures_util::future::join_all(captures.map(vipps::Capture::send)).await;
    let mut seen = calls.0.lock().unwrap().clone();
    seen.sort_by(|a, b| a.1.cmp(&b.1));
    let ids: std::collections::BTreeSet<u64> = seen.iter().map(|call| call.0).collect();
    assert_eq!((ids.len(), seen.iter().map(|call| call.1.as_str()).collect::<Vec<_>>()), (3, names.to_vec()));
    assert!(seen.iter().zip(&keys).all(|(call, key)| call.2 == *key && call.3 == Some(503)), "{seen:?}");
}
