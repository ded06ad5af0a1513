//! Waiting: when it looks, what it takes for settled, and when it ends.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use vipps::checkout::enums::ExternalSessionState;
use vipps::{AgreementDecision, Client, Decision};
use vipps_tests::{Reply, ScriptedServer, SkippingClock, client_for, credentials};

const REFERENCE: &str = "acme-order-1042";

async fn scripted(replies: Vec<Reply>) -> (ScriptedServer, Client, std::sync::Arc<SkippingClock>) {
    let server = ScriptedServer::start(replies).await;
    let clock = SkippingClock::new();
    let client = client_for(server.environment(), credentials()).clock(clock.clone()).build().unwrap();
    (server, client, clock)
}

fn payment(state: &str) -> Reply {
    let money = |value: i64| json!({ "currency": "NOK", "value": value });
    let sums = json!({
        "authorizedAmount": money(0), "capturedAmount": money(0), "cancelledAmount": money(0), "refundedAmount": money(0)
    });
    let payment = json!({
        "reference": REFERENCE, "pspReference": "1", "state": state, "amount": money(1000), "aggregate": sums,
        "paymentMethod": { "type": "WALLET" }, "profile": {}
    });
    Reply::success(&payment.to_string())
}

#[tokio::test]
async fn a_wait_goes_on_by_itself_when_its_hints_have_ended() {
    let (server, client, _) = scripted(vec![payment("CREATED"), payment("CREATED"), payment("AUTHORIZED")]).await;
    // A stream of this kind panics when it is asked again after its end.
    let hints = stream::unfold(1, async |left| (left > 0).then_some(((), left - 1)));
    let decided = client.payments().wait_for_decision(REFERENCE).hints(hints.boxed()).await;
    assert!(matches!(decided, Ok(Decision::Authorized(_))));
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn looks_keep_their_distance_and_come_back_when_they_are_told_to() {
    // More than a look may take, so that it is the wait that comes back.
    let busy = Reply::json(429, "retry-after: 40\r\n", "{}");
    let (server, client, clock) = scripted(vec![payment("CREATED"), busy, payment("AUTHORIZED")]).await;
    let wait = client.payments().wait_for_decision(REFERENCE).poll_every(Duration::ZERO);
    // A webhook that comes all the time.
    let decided = wait.hints(stream::repeat(())).await;
    assert!(matches!(decided, Ok(Decision::Authorized(_))));
    assert_eq!(server.seen().len(), 3);
    // The first wait is for hints alone; then each look has its distance, and hints after it.
    assert_eq!(clock.waits(), [5_000, 250, 0, 40_000, 0].map(Duration::from_millis));
}

#[tokio::test]
async fn a_session_that_is_gone_after_it_was_seen_has_expired() {
    let session = json!({ "sessionId": "s-1", "reference": "acme-session-1", "sessionState": "SessionCreated" });
    let gone = Reply::json(404, "", r#"{"errorCode":"Session-00100","title":"t","status":404,"errors":{}}"#);
    let (_server, client, _) = scripted(vec![Reply::success(&session.to_string()), gone.clone()]).await;
    let seen = client.sessions().wait_until_finished("acme-session-1").await.unwrap();
    assert_eq!((seen.state(), seen.is_finished()), (Some(&ExternalSessionState::SessionExpired), true));
    let (_server, client, _) = scripted(vec![gone]).await;
    let never = client.sessions().wait_until_finished("acme-session-1").await.unwrap_err();
    assert_eq!(never.code(), Some("Session-00100"));
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_looked_at_again() {
    // A look has two attempts: the third is another look.
    let cut_off = || Reply::cut_off(200);
    let replies = vec![payment("CREATED"), cut_off(), cut_off(), cut_off(), payment("AUTHORIZED")];
    let (server, client, _) = scripted(replies).await;
    assert!(matches!(client.payments().wait_for_decision(REFERENCE).await, Ok(Decision::Authorized(_))));
    assert_eq!(server.seen().len(), 5);
    let never = scripted(vec![Reply::json(200, "", "{}")]).await;
    let error = never.1.payments().wait_for_decision(REFERENCE).await.unwrap_err();
    assert!(matches!(error, vipps::Error::Unreadable(_)), "what never could be read is no reason to wait");
}

fn charge(status: &str) -> Reply {
    let charge = json!({
        "id": "chr-1", "agreementId": "agr_5kSeqz", "amount": 9900, "currency": "NOK", "status": status,
        "description": "December", "due": "2026-12-24T00:00:00Z", "retryDays": 5, "transactionId": "3343121302",
        "type": "RECURRING", "transactionType": "DIRECT_CAPTURE", "processingMode": "MULTIPLE_ATTEMPTS",
        "summary": { "captured": 0, "refunded": 0, "cancelled": 0 }, "history": Value::Array(Vec::new())
    });
    Reply::json(200, "", &charge.to_string())
}

#[tokio::test]
async fn a_charge_is_looked_at_six_times_a_minute_and_an_unknown_status_settles_nothing() {
    let (server, client, clock) = scripted(vec![charge("UNKNOWN"), charge("SETTLING"), charge("CHARGED")]).await;
    let charge = client.charges().wait_until_processed("agr_5kSeqz", vipps::ChargeId::new("chr-1")).await.unwrap();
    assert_eq!((charge.status().to_string().as_str(), server.seen().len()), ("CHARGED", 3));
    assert_eq!(clock.waits().iter().sum::<Duration>(), Duration::from_secs(25));
}

#[tokio::test]
async fn an_agreement_that_ended_is_not_active() {
    for (status, active) in [("ACTIVE", true), ("STOPPED", false), ("EXPIRED", false)] {
        let agreement = json!({
            "id": "agr_1", "uuid": "6b3a2c1d-0000-4000-8000-000000000007", "status": status, "countryCode": "NO",
            "productName": "Tea club", "created": "2026-11-21T08:00:00Z", "merchantRedirectUrl": "https://acme.example/thanks",
            "pricing": { "type": "LEGACY", "amount": 9900, "currency": "NOK" }
        });
        let (_server, client, _) = scripted(vec![Reply::success(&agreement.to_string())]).await;
        let decided = client.agreements().wait_until_active("agr_1").look_now().await.unwrap();
        let found =
            (matches!(decided, AgreementDecision::Active(_)), matches!(decided, AgreementDecision::NotActive(_)));
        assert_eq!(found, (active, !active), "{status}");
    }
}
