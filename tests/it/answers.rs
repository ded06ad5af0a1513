use std::time::Duration;

use serde_json::json;
use vipps::psp::types as psp;
use vipps::{
    AgreementRef, Amount, ChargeId, Client, Credentials, Currency, Effect, Error, IdempotencyKey, NextStep, Payment,
    Response,
};
use vipps_tests::{Reply, ScriptedServer, SkippingClock, client_for, credentials};

use crate::other_shapes::{batch_charge, key};

const REFERENCE: &str = "acme-order-1042";

async fn scripted(replies: Vec<Reply>) -> (ScriptedServer, Client) {
    let server = ScriptedServer::start(replies).await;
    let credentials = psp_credentials();
    let client = client_for(server.environment(), credentials).clock(SkippingClock::new()).build().unwrap();
    (server, client)
}

fn psp_credentials() -> Credentials {
    credentials().with_psp_id("C948DFD1546347568874C4DDC93A2E3C").unwrap()
}

fn modified(reference: &str) -> String {
    let money = |value: i64| json!({ "currency": "NOK", "value": value });
    json!({
        "reference": reference, "pspReference": "4410027719", "state": "AUTHORIZED", "amount": money(1000),
        "aggregate": {
            "authorizedAmount": money(1000), "capturedAmount": money(300),
            "cancelledAmount": money(0), "refundedAmount": money(0)
        }
    })
    .to_string()
}

async fn capture(client: &Client) -> Result<Response<vipps::Modification>, Error> {
    client.payments().capture(REFERENCE, Amount::nok_minor(300)).await
}

fn nok(id: &str) -> AgreementRef {
    AgreementRef::new(id, Currency::Nok)
}

#[tokio::test]
async fn after_a_lost_attempt_a_refusal_that_nobody_knows_settles_nothing() {
    let aspnet = r#"{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.5","title":"Not Found","status":404,"traceId":"00-1-2-00"}"#;
    let foreign =
        r#"{"type":"about:blank","title":"Not Found","status":404,"instance":"/v1/payments/acme-order-9/capture"}"#;
    let unknown = r#"{"title":"t","traceId":"t","extraDetails":[{"name":"ErrorCode","reason":"9999"}]}"#;
    let cases = [
        (404, r#"{"title":"Not Found","traceId":"t"}"#),
        (404, aspnet),
        (404, foreign),
        (404, r#"{"errorCode":"ROUTE"}"#),
        (400, unknown),
        (413, ""),
        (415, ""),
        (405, ""),
        (421, "<html>misdirected</html>"),
        (403, r#"{"title":"Forbidden","traceId":"t"}"#),
        (409, r#"{"title":"Conflict","traceId":"t"}"#),
    ];
    for (status, body) in cases {
        let (_server, client) = scripted(vec![Reply::Reset, Reply::json(status, "", body)]).await;
        let error = capture(&client).await.unwrap_err();
        assert_eq!(error.effect(), Effect::Possible, "{status} {body}: {error}");
        assert!(
            matches!(error.next_step(), NextStep::ReadFirst | NextStep::FixCredentials),
            "{status} {body}: {error}"
        );
    }
}

#[tokio::test]
async fn a_refusal_that_is_known_settles_at_whatever_4xx_it_comes() {
    let coded = r#"{"title":"t","traceId":"t","extraDetails":[{"name":"ErrorCode","reason":"6090"}]}"#;
    let own = r#"{"type":"about:blank","title":"t","instance":"/v1/payments/acme-order-1042/capture"}"#;
    let field = r#"{"title":"t","traceId":"t","extraDetails":[{"name":"modificationAmount","reason":"too low"}]}"#;
    for (status, body, step) in [
        (400, coded, NextStep::Final),
        (422, coded, NextStep::Final),
        (404, coded, NextStep::Final),
        // Recurring and some of ePayment send no code: then the route must be that of this request.
        (400, own, NextStep::Final),
        (400, field, NextStep::FixRequest),
    ] {
        let (_server, client) = scripted(vec![Reply::Reset, Reply::json(status, "", body)]).await;
        let error = capture(&client).await.unwrap_err();
        assert_eq!((error.effect(), error.next_step()), (Effect::None, step), "{status} {body}: {error}");
    }
}

#[tokio::test]
async fn a_link_to_an_rfc_is_no_code() {
    for (kind, code) in [
        ("https://tools.ietf.org/html/rfc7231#section-6.5.4", None),
        ("https://evilvippsmobilepay.com/p#charge-amount-too-high", None),
        ("https://developer.vippsmobilepay.com/docs/problem#charge-amount-too-high", Some("charge-amount-too-high")),
    ] {
        let body = json!({ "title": "t", "type": kind, "status": 400 }).to_string();
        let (_server, client) = scripted(vec![Reply::json(400, "", &body)]).await;
        assert_eq!(capture(&client).await.unwrap_err().code(), code, "{kind}");
    }
}

fn initiation() -> psp::InitiatePaymentRequest {
    serde_json::from_value(json!({
        "pspTransactionId": "abcABC12345", "merchantOrderId": "abcABC-12345", "customerMobileNumber": "12345678",
        "amount": 49900, "currency": "NOK", "paymentText": "Hoodie", "isApp": false,
        "makePaymentUrl": "https://acme.example/makePayment", "pspRedirectUrl": "https://acme.example/thanks",
        "makePaymentToken": "t0ken"
    }))
    .unwrap()
}

#[tokio::test]
async fn the_only_answer_may_be_that_to_a_second_copy() {
    let code = |code: &str| format!(r#"[{{"errorGroup":"Payments","errorCode":"{code}","errorMessage":"m"}}]"#);
    for status in [423, 429, 401, 403, 404, 409, 303] {
        let (_server, client) = scripted(vec![Reply::json(status, "", "{}")]).await;
        let error = client.payments().capture(REFERENCE, Amount::nok_minor(300)).max_attempts(1).await.unwrap_err();
        assert_eq!(error.effect(), Effect::Possible, "capture, {status}: {error}");
    }
    let (_server, client) = scripted(vec![Reply::json(400, "", &code("44"))]).await;
    let error = client.psp().initiate(initiation()).await.unwrap_err();
    assert_eq!((error.effect(), error.next_step()), (Effect::Possible, NextStep::ReadFirst), "{error}");
    let conflict = r#"{"title":"t","status":409,"type":"https://developer.vippsmobilepay.com/p#conflict"}"#;
    #[expect(deprecated, reason = "Recurring v2 is what is tested")]
    let v2 = |client: &Client| client.v2();
    let (server, client) = scripted(vec![Reply::json(409, "", conflict)]).await;
    let draft = serde_json::from_value(json!({
        "currency": "NOK", "price": 9900, "interval": "MONTH", "intervalCount": 1, "productName": "Tea",
        "merchantRedirectUrl": "https://a.example/r", "merchantAgreementUrl": "https://a.example/a"
    }));
    let error = v2(&client).draft_agreement(draft.unwrap()).await.unwrap_err();
    assert_eq!((error.effect(), server.seen().len()), (Effect::Possible, 1), "{error}");
    let (_server, client) = scripted(vec![Reply::json(400, "", "{}")]).await;
    let error = v2(&client).cancel_charge("agr_1", "chr-1").await.unwrap_err();
    assert_eq!(error.effect(), Effect::Possible, "{error}");
}

/// Every operation that answers without a body.
async fn without_a_body(client: &Client, which: usize) -> Option<Result<Response<()>, Error>> {
    let (charges, agreements) = (client.charges(), client.agreements());
    let chr = || ChargeId::new("chr-1");
    let money = || Amount::nok_minor(300);
    let update = |text: &str| serde_json::from_value(json!({ "productName": text })).unwrap();
    let session = serde_json::from_value(json!({
        "transaction": { "amount": { "currency": "NOK", "value": 2000 }, "paymentDescription": "More tea" }
    }));
    Some(match which {
        0 => charges.capture(nok("agr_1"), chr(), money()).await,
        1 => charges.refund(nok("agr_1"), chr(), money(), "d").await,
        2 => charges.cancel("agr_1", chr()).await,
        3 => agreements.stop("agr_1").await,
        4 => agreements.update("agr_1", update("Tea")).await,
        5 => client.sessions().update("acme-session-1", session.unwrap()).await,
        6 => client.sessions().expire("acme-session-1").await,
        7 => client.webhooks().delete("6b3a2c1d-0000-4000-8000-000000000007").await,
        8 => client.payments().force_approve(REFERENCE).await,
        9 => agreements.force_accept("agr_1", "4712345678").await,
        _ => return None,
    })
}

#[tokio::test]
async fn a_page_of_a_proxy_is_no_success() {
    let page =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\nconnection: close\r\n\r\n<html>hi</html>";
    let reply = Reply::Bytes(page.to_vec());
    for which in 0.. {
        let (server, client) = scripted(vec![reply.clone()]).await;
        let Some(done) = without_a_body(&client, which).await else { break };
        let error = done.expect_err(&which.to_string());
        assert_eq!(error.effect(), Effect::Possible, "{which}: {error}");
        assert!(matches!(error.next_step(), NextStep::Repeat { .. }), "{which}: {error}");
        assert_eq!(server.seen().len(), 4, "{which} is repeated");
    }
    for empty in [&b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"[..], page] {
        let (_server, client) = scripted(vec![Reply::Bytes(empty.to_vec())]).await;
        let error = capture(&client).await.unwrap_err();
        assert_eq!(error.effect(), Effect::Possible, "{error}");
        assert!(matches!(error.next_step(), NextStep::Repeat { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_operation_without_a_body_takes_an_empty_answer_or_json_at_its_statuses() {
    let empty = |status: u16| Reply::Bytes(format!("HTTP/1.1 {status} X\r\nconnection: close\r\n\r\n").into_bytes());
    for (reply, ok) in [
        (empty(204), true),
        (empty(202), true),
        (Reply::json(204, "", ""), true),
        (Reply::json(202, "", "{}"), true),
        (empty(206), false),
    ] {
        let (_server, client) = scripted(vec![reply.clone()]).await;
        let done = client.charges().capture(nok("agr_1"), ChargeId::new("chr-1"), Amount::nok_minor(1)).await;
        assert_eq!(done.is_ok(), ok, "{reply:?}: {done:?}");
    }
}

#[tokio::test]
async fn an_answer_about_something_else_is_an_error_of_its_own() {
    let (server, client) = scripted(vec![Reply::json(200, "", &modified("acme-order-9"))]).await;
    let error = capture(&client).await.unwrap_err();
    let Error::Mismatched(wrong) = &error else { panic!("{error:?}") };
    assert_eq!((wrong.member(), server.seen().len()), ("reference", 1));
    assert_eq!((error.effect(), error.next_step()), (Effect::Possible, NextStep::ReadFirst));
    let read: Result<Response<Payment>, Error> = client.payments().get(REFERENCE).await;
    let error = read.unwrap_err();
    assert!(matches!(error, Error::Mismatched(_)), "{error:?}");
    assert_eq!(error.effect(), Effect::None);
}

#[tokio::test]
async fn a_byte_order_mark_is_skipped_in_answers_refusals_and_tokens() {
    let marked = |status: u16, body: &str| {
        let body = format!("\u{feff}{body}");
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
        Reply::Bytes(format!("{head}\r\nconnection: close\r\n\r\n{body}").into_bytes())
    };
    let (_server, client) = scripted(vec![marked(200, &modified(REFERENCE))]).await;
    assert_eq!(capture(&client).await.unwrap().reference(), REFERENCE);
    let no = r#"{"title":"t","traceId":"t","extraDetails":[{"name":"ErrorCode","reason":"6090"}]}"#;
    let (_server, client) = scripted(vec![marked(400, no)]).await;
    assert_eq!(capture(&client).await.unwrap_err().code(), Some("6090"));
}

#[tokio::test]
async fn no_more_is_read_of_an_answer_than_anybody_needs() {
    let long = |status: u16, size: usize| Reply::json(status, "", &format!(r#"{{"title":"{}"}}"#, "x".repeat(size)));
    let (_server, client) = scripted(vec![long(400, 200_000)]).await;
    let error = client.payments().get(REFERENCE).max_attempts(1).await.unwrap_err();
    assert!(error.problem().unwrap().raw().len() <= 64 * 1024, "{}", error.problem().unwrap().raw().len());
    let (server, client) = scripted(vec![long(200, 9 * 1024 * 1024)]).await;
    let error = client.payments().get(REFERENCE).await.unwrap_err();
    assert!(error.to_string().contains("larger than the 8 MiB"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn one_odd_member_in_an_optional_place_never_hides_an_answer() {
    let mut odd: serde_json::Value = serde_json::from_str(&modified(REFERENCE)).unwrap();
    odd["pspReference"] = json!({ "was": "a text" });
    let (_server, client) = scripted(vec![Reply::json(200, "x-request-id: r-1\r\n", &odd.to_string())]).await;
    let done = capture(&client).await.unwrap();
    assert_eq!((done.psp_reference(), done.aggregate().captured()), (None, &Amount::nok_minor(300)));
    let kept: Vec<_> = done.odd_members().iter().map(|one| (one.place(), one.json())).collect();
    assert_eq!(kept, [("pspReference", r#"{"was":"a text"}"#)]);
    assert_eq!((done.http_status(), done.header("x-request-id")), (200, Some("r-1")));
}

#[tokio::test]
async fn an_unreadable_answer_says_where_and_what_was_expected_and_no_value() {
    let mut odd: serde_json::Value = serde_json::from_str(&modified(REFERENCE)).unwrap();
    odd["aggregate"]["capturedAmount"]["value"] = json!("Kari Nordmann");
    let (_server, client) = scripted(vec![Reply::json(200, "", &odd.to_string())]).await;
    let error = capture(&client).await.unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(said.contains("at `aggregate.capturedAmount.value`: expected i64"), "{said}");
    assert!(!said.contains("Kari"), "{said}");
    assert_eq!((error.effect(), error.next_step()), (Effect::Certain, NextStep::Done));
}

#[tokio::test]
async fn fields_and_their_reasons_are_in_the_sentence_and_so_is_a_wrong_sales_unit() {
    let fields = r#"{"title":"Bad Request","traceId":"t","extraDetails":[{"name":"modificationAmount.value","reason":"must be at least 100"}]}"#;
    let (_server, client) = scripted(vec![Reply::json(400, "", fields)]).await;
    let said = capture(&client).await.unwrap_err().to_string();
    assert!(said.contains("`modificationAmount.value` must be at least 100"), "{said}");
    let (_server, client) = scripted(vec![Reply::json(403, "", r#"{"title":"Forbidden","traceId":"t"}"#)]).await;
    let said = capture(&client).await.unwrap_err().to_string();
    assert!(said.contains("may act for sales unit 123456"), "{said}");
}

#[tokio::test]
async fn a_batch_never_says_refused_for_a_charge_that_may_exist() {
    use vipps::BatchOutcome::{NotAccepted, NotSent, Unknown};
    let used = "the order id was used before";
    let repeated = json!({
        "validCharges": [],
        "invalidCharges": [{ "chargeBatchItemDto": batch_charge("acme-1"), "errors": [used] }]
    });
    let charge = json!({ "id": "acme-1", "status": "PENDING", "amount": 100, "description": "d", "due": "2026-12-24", "type": "RECURRING" });
    let gone = Reply::json(404, "", r#"{"title":"Not Found","status":404,"contextId":"c"}"#);
    for (then, exists) in [(Reply::json(200, "", &charge.to_string()), true), (gone, false)] {
        let (_server, client) = scripted(vec![Reply::json(202, "", &repeated.to_string()), then]).await;
        let charges = client.charges();
        let result = charges.create_many(vec![batch_charge("acme-1")]).derived_key(1).send().await.unwrap();
        assert_eq!(result.charges, [("acme-1".to_owned(), NotAccepted(vec![used.to_owned()]))]);
        let settled = charges.settle(&result).await;
        assert_eq!(matches!(&settled[..], [(id, vipps::Settled::Exists(_))] if id == "acme-1"), exists, "{settled:?}");
    }
    for status in [429, 403] {
        let (_server, client) = scripted(vec![Reply::Reset, Reply::json(status, "", "{}")]).await;
        let charges = client.charges();
        let batch = || charges.create_many(vec![batch_charge("acme-1")]).idempotency_key(key()).max_attempts(1);
        let outcomes =
            [batch().send().await.unwrap(), batch().send().await.unwrap()].map(|one| one.charges[0].1.clone());
        assert_eq!(outcomes, [Unknown, Unknown], "{status}");
    }
    // A first use that nobody can have answered.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = client_for(format!("http://{nowhere}").parse().unwrap(), credentials());
    let client = client.clock(SkippingClock::new()).build().unwrap();
    let first = client.charges().create_many(vec![batch_charge("acme-1")]).send().await.unwrap();
    assert_eq!(first.charges[0].1, NotSent);
}

#[tokio::test]
async fn a_broken_refusal_settles_nothing() {
    let half = b"HTTP/1.1 400 X\r\ncontent-length: 200\r\nconnection: close\r\n\r\n{\"title\":\"t\",\"traceId\":\"t\",\"extraDetails\":[{\"name\":\"ErrorCode\",\"reason\":\"6090\"}]}";
    let (_server, client) = scripted(vec![Reply::Bytes(half.to_vec())]).await;
    let error = client.payments().capture(REFERENCE, Amount::nok_minor(300)).max_attempts(1).await.unwrap_err();
    assert_eq!(error.effect(), Effect::Possible, "{error}");
}

#[tokio::test]
async fn a_prepared_request_is_what_would_be_sent_and_is_sent_like_every_call() {
    const CAPTURE: &vipps::Operation = &vipps_epayment::operations::CAPTURE_PAYMENT;
    let (server, client) = scripted(vec![Reply::Reset, Reply::json(200, "", &modified(REFERENCE))]).await;
    let epayment = vipps_epayment::Client::with_transport(client.transport());
    let body = vipps_epayment::types::CaptureModificationRequest::builder().modification_amount(Amount::nok_minor(300));
    let key = IdempotencyKey::new("6a1e").unwrap();
    let build = || epayment.capture_payment().reference(REFERENCE).idempotency_key("6a1e").body(body.clone()).send();
    let prepared = client.transport().prepare(&vipps::Call::new(CAPTURE).key(&key), build).unwrap();
    assert!(server.seen().is_empty() && server.token_requests() == 0, "nothing is sent");
    assert_eq!(prepared.path(), "/epayment/v1/payments/acme-order-1042/capture");
    assert_eq!(prepared.body(), Some(&br#"{"modificationAmount":{"currency":"NOK","value":300}}"#[..]));
    assert!(!format!("{prepared:?}").contains("acme"));

    let answer =
        client.raw(CAPTURE, prepared).idempotency_key(key.clone()).deadline(Duration::from_secs(20)).await.unwrap();
    assert_eq!((answer.attempts(), answer.as_slice()), (2, modified(REFERENCE).as_bytes()));
    let by_the_facade = client.payments().capture(REFERENCE, Amount::nok_minor(300)).idempotency_key(key);
    by_the_facade.await.unwrap();
    let seen = server.seen();
    assert!(seen.iter().all(|request| *request == seen[0]), "{seen:#?}");
}
