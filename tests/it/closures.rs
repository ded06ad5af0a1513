//! What callers of one API crate may hand to `Transport::run`, and what its errors claim then.

use std::time::Duration;

use vipps::{Amount, Error, IdempotencyKey};
use vipps_core::{Call, Transport};
use vipps_epayment::{Client, operations, types};
use vipps_tests::{Reply, ScriptedServer, credentials};

const REFERENCE: &str = "acme-order-1042";

fn capture_body() -> types::CaptureModificationRequest {
    types::CaptureModificationRequest::builder().modification_amount(Amount::nok_minor(500)).try_into().unwrap()
}

/// A request that left its task is seen by no hook: nothing says that it was not sent.
#[tokio::test]
async fn a_timeout_of_a_request_in_another_task_may_have_taken_effect() {
    let server = ScriptedServer::start(vec![Reply::Silence]).await;
    let transport = Transport::builder(server.environment(), credentials())
        .attempt_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let key = IdempotencyKey::random();
    let api = std::sync::Arc::new(Client::with_transport(&transport));
    let call = Call::new(&operations::CAPTURE_PAYMENT).key(&key);
    let error = transport
        .run(call, || {
            let (api, key) = (api.clone(), key.clone());
            async move {
                let request = async move {
                    let request = api.capture_payment().reference(REFERENCE).idempotency_key(key.as_str());
                    request.body(capture_body()).send().await
                };
                tokio::spawn(request).await.unwrap()
            }
        })
        .await
        .unwrap_err();
    assert!(error.may_have_taken_effect(), "{error}");
    assert_eq!((error.attempts(), server.seen().len()), (1, 1), "it is not sent twice");
}

/// The hook stops what the call does not name; what went before it went.
#[tokio::test]
async fn a_second_operation_in_one_attempt_does_not_hide_the_first() {
    let sums = r#"{"authorizedAmount":{"currency":"NOK","value":500},"capturedAmount":{"currency":"NOK","value":500},
        "cancelledAmount":{"currency":"NOK","value":0},"refundedAmount":{"currency":"NOK","value":0}}"#;
    let modified = format!(
        r#"{{"reference":"{REFERENCE}","pspReference":"1","state":"AUTHORIZED","amount":{{"currency":"NOK","value":500}},"aggregate":{sums}}}"#
    );
    let server = ScriptedServer::start(vec![Reply::success(&modified)]).await;
    let transport = Transport::builder(server.environment(), credentials()).build().unwrap();
    let key = IdempotencyKey::random();
    let api = Client::with_transport(&transport);
    let call = Call::new(&operations::CAPTURE_PAYMENT).key(&key);
    let error = transport
        .run(call, || async {
            let capture = api.capture_payment().reference(REFERENCE).idempotency_key(key.as_str());
            capture.body(capture_body()).send().await?;
            api.get_payment().reference(REFERENCE).send().await
        })
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Indeterminate(_)) && error.may_have_taken_effect(), "{error}");
    assert_eq!(server.seen().len(), 1);
}
