use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use vipps::checkout::types as checkout;
use vipps::psp::types as psp;
use vipps::recurring::enums::{ChargeStatus, TimePeriodUnit};
use vipps::recurring::{types as recurring, v2};
use vipps::{
    AgreementRef, Amount, ChargeId, Currency, Error, IdempotencyKey, InitialCharge, NewAgreement, NewCharge, Response,
};
use vipps_core::Operation;

use crate::recorder::Recorder;

pub(crate) fn key() -> IdempotencyKey {
    IdempotencyKey::new("6a1e2c5f-0000-4000-8000-000000000001").unwrap()
}

/// An agreement in kroner of Norway.
fn nok(id: &str) -> AgreementRef {
    AgreementRef::new(id, Currency::Nok)
}

fn typed<T: serde::de::DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).unwrap()
}

/// One call against a recorder that answers with this body; snapshots what was sent.
async fn shape<T>(
    name: &str,
    (status, answer): (u16, Value),
    call: impl AsyncFnOnce(vipps::Client) -> Result<T, Error>,
) -> T {
    let recorder = Recorder::start(status, answer).await;
    let client = if name.starts_with("psp_") { recorder.psp_client() } else { recorder.client() };
    let done = call(client).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    insta::assert_snapshot!(name, recorder.only());
    done
}

const DONE: (u16, Value) = (204, Value::Null);
const OK: (u16, Value) = (200, Value::Null);

fn agreement() -> Value {
    json!({
        "id": "agr_5kSeqz", "uuid": "6b3a2c1d-0000-4000-8000-000000000007", "status": "ACTIVE", "countryCode": "NO",
        "productName": "Tea club", "created": "2026-11-21T08:00:00Z", "merchantRedirectUrl": "https://acme.example/thanks",
        "pricing": { "type": "LEGACY", "amount": 9900, "currency": "NOK" }
    })
}

fn charge() -> Value {
    json!({
        "id": "chr-1", "agreementId": "agr_5kSeqz", "amount": 9900, "currency": "NOK", "status": "CHARGED",
        "description": "December", "due": "2026-12-24T00:00:00Z", "retryDays": 5, "transactionId": "3343121302",
        "type": "RECURRING", "transactionType": "DIRECT_CAPTURE", "processingMode": "MULTIPLE_ATTEMPTS",
        "summary": { "captured": 9900, "refunded": 0, "cancelled": 0 }, "history": []
    })
}

#[tokio::test]
async fn recurring_version_3() {
    let tea = || {
        NewAgreement::legacy("Tea club", Amount::nok_minor(9_900), "https://acme.example/thanks")
            .monthly()
            .agreement_url("https://acme.example/tea")
            .phone_number("4712345678")
            .external_id("club-7")
            .product_description("Tea every month")
    };
    let drafted = (
        201,
        json!({ "agreementId": "agr_5kSeqz", "vippsConfirmationUrl": "https://x", "uuid": "6b3a2c1d-0000-4000-8000-000000000007" }),
    );
    let first = InitialCharge::new(Amount::nok_minor(100), "First");
    shape("recurring_draft_legacy", drafted.clone(), async |client| {
        client.agreements().draft(tea().initial_charge(first)).idempotency_key(key()).await
    })
    .await;
    let variable = NewAgreement::variable("Power", Amount::nok_minor(200_000), "acme://thanks")
        .agreement_url("https://a.example/p");
    shape("recurring_draft_variable", drafted.clone(), async |client| {
        client.agreements().draft(variable).idempotency_key(key()).await
    })
    .await;
    let flexible = NewAgreement::flexible("Parking", Currency::Dkk, "https://a.example/t").period_campaign(
        Amount::dkk_minor(100),
        2,
        TimePeriodUnit::Week,
    );
    shape("recurring_draft_flexible_period", drafted.clone(), async |client| {
        client.agreements().draft(flexible).idempotency_key(key()).await
    })
    .await;
    let blocking = NewAgreement::flexible("Parking", Currency::Dkk, "https://a.example/t").block_commercial_cards();
    shape("recurring_draft_blocking_cards", drafted.clone(), async |client| {
        client.agreements().draft(blocking).idempotency_key(key()).await
    })
    .await;
    shape("recurring_draft_price_campaign", drafted.clone(), async |client| {
        let tea = tea().price_campaign(Amount::nok_minor(100), "2027-01-01T00:00:00Z");
        client.agreements().draft(tea).idempotency_key(key()).await
    })
    .await;
    shape("recurring_draft_event_campaign", drafted, async |client| {
        let tea = tea().event_campaign(Amount::nok_minor(100), "2027-01-01T00:00:00Z", "until Christmas");
        client.agreements().draft(tea).idempotency_key(key()).await
    })
    .await;
    let read = shape("recurring_get_agreement", (200, agreement()), async |client| {
        client.agreements().get("agr_5kSeqz").await
    })
    .await;
    assert_eq!(read.id(), "agr_5kSeqz");
    let listed: Vec<_> = shape("recurring_list_agreements", (200, json!([agreement()])), async |client| {
        client.agreements().list().created_after(1_700_000_000_000).stream().try_collect().await
    })
    .await;
    assert_eq!(listed.len(), 1);
    let change: recurring::PatchAgreementV3 = typed(json!({ "productName": "Tea and cake" }));
    shape("recurring_update_agreement", DONE, async |client| {
        client.agreements().update("agr_5kSeqz", change).idempotency_key(key()).await
    })
    .await;
    shape("recurring_stop_agreement", DONE, async |client| {
        client.agreements().stop("agr_5kSeqz").idempotency_key(key()).await
    })
    .await;
    shape("recurring_force_accept", DONE, async |client| {
        client.agreements().force_accept("agr_5kSeqz", "4712345678").idempotency_key(key()).await
    })
    .await;

    let created = |id: &str| (201, json!({ "chargeId": id }));
    shape("recurring_create_charge", created("acme-42"), async |client| {
        let charge = NewCharge::recurring(Amount::nok_minor(9_900), "December", "2026-12-24", 5).order_id("acme-42");
        client.charges().create(nok("agr_5kSeqz"), charge).idempotency_key(key()).await
    })
    .await;
    shape("recurring_create_unscheduled", created("chr-1"), async |client| {
        let charge = NewCharge::unscheduled(Amount::nok_minor(500), "Extra").reserve();
        client.charges().create(nok("agr_5kSeqz"), charge).idempotency_key(key()).await
    })
    .await;
    let split = json!({ "validCharges": ["acme-1"], "invalidCharges": [] });
    shape("recurring_create_many", (202, split), async |client| {
        client.charges().create_many(vec![batch_charge("acme-1")]).idempotency_key(key()).send().await
    })
    .await;
    shape("recurring_get_charge", (200, charge()), async |client| {
        client.charges().get("agr_5kSeqz", ChargeId::new("chr-1")).await
    })
    .await;
    shape("recurring_get_charge_by_id", (200, charge()), async |client| {
        client.charges().get_by_id(ChargeId::new("chr-1")).await
    })
    .await;
    let listed: Vec<_> = shape("recurring_list_charges", (200, json!([charge()])), async |client| {
        client.charges().list("agr_5kSeqz").status(ChargeStatus::Charged).stream().try_collect().await
    })
    .await;
    assert_eq!(listed.len(), 1);
    shape("recurring_cancel_charge", DONE, async |client| {
        client.charges().cancel("agr_5kSeqz", ChargeId::new("chr-1")).idempotency_key(key()).await
    })
    .await;
    shape("recurring_capture_charge", DONE, async |client| {
        client
            .charges()
            .capture(nok("agr_5kSeqz"), ChargeId::new("chr-1"), Amount::nok_minor(500))
            .idempotency_key(key())
            .await
    })
    .await;
    shape("recurring_refund_charge", DONE, async |client| {
        client
            .charges()
            .refund(nok("agr_5kSeqz"), ChargeId::new("chr-1"), Amount::nok_minor(500), "Sorry")
            .idempotency_key(key())
            .await
    })
    .await;
}

pub(crate) fn batch_charge(order_id: &str) -> recurring::CreateChargeAsyncV3 {
    typed(json!({
        "agreementId": "agr_5kSeqz", "amount": 100, "description": "d", "due": "2026-12-24", "orderId": order_id,
        "retryDays": 0, "transactionType": "DIRECT_CAPTURE"
    }))
}

#[expect(deprecated, reason = "its shapes are kept all the same")]
#[tokio::test]
async fn recurring_version_2() {
    let agreement = json!({
        "id": "agr_1", "status": "ACTIVE", "price": 9900, "interval": "MONTH", "intervalCount": 1,
        "productName": "Tea club", "productDescription": "Tea every month"
    });
    let charge = || {
        let charge = json!({
            "id": "chr_1", "status": "CHARGED", "amount": 100, "amountRefunded": 0, "description": "December",
            "due": "2026-12-24T00:00:00Z", "transactionId": "3343121302", "type": "RECURRING"
        });
        (200, charge)
    };
    let changed = || (200, json!({ "agreementId": "agr_1" }));
    shape("v2_list_agreements", (200, json!([])), async |client| client.v2().list_agreements(None, Some(1)).await)
        .await;
    let draft: v2::types::DraftAgreementV2 = typed(json!({
        "currency": "NOK", "price": 9900, "productName": "Tea", "interval": "MONTH", "intervalCount": 1, "isApp": false,
        "merchantAgreementUrl": "https://a.example", "merchantRedirectUrl": "https://a.example"
    }));
    shape(
        "v2_draft_agreement",
        (201, json!({ "agreementId": "agr_1", "agreementResource": "https://r", "vippsConfirmationUrl": "https://u", "chargeId": "chr-1" })),
        async |client| client.v2().draft_agreement(draft).await,
    )
    .await;
    shape("v2_fetch_agreement", (200, agreement), async |client| client.v2().fetch_agreement("agr_1").await).await;
    let change = || typed::<v2::types::PatchAgreementV2>(json!({ "productName": "Cake" }));
    shape("v2_put_agreement", changed(), async |client| client.v2().put_agreement("agr_1", change()).await).await;
    shape("v2_patch_agreement", changed(), async |client| client.v2().patch_agreement("agr_1", change()).await).await;
    let accept: v2::types::ForceAcceptAgreement = typed(json!({ "customerPhoneNumber": "4712345678" }));
    shape("v2_force_accept", (200, json!({})), async |client| client.v2().force_accept("agr_1", accept).await).await;
    shape("v2_list_charges", (200, json!([])), async |client| client.v2().list_charges("agr_1", None).await).await;
    let new: v2::types::CreateChargeV2 =
        typed(json!({ "amount": 100, "currency": "NOK", "description": "d", "due": "2026-12-24", "retryDays": 5 }));
    shape("v2_create_charge", (201, json!({ "chargeId": "chr_1" })), async |client| {
        client.v2().create_charge("agr_1", new, &key()).await
    })
    .await;
    shape("v2_fetch_charge", charge(), async |client| client.v2().fetch_charge("agr_1", "chr_1").await).await;
    shape("v2_cancel_charge", charge(), async |client| client.v2().cancel_charge("agr_1", "chr_1").await).await;
    shape("v2_capture_charge", (200, json!({})), async |client| {
        client.v2().capture_charge("agr_1", "chr_1", &key()).await
    })
    .await;
    let refund: v2::types::RefundRequest = typed(json!({ "amount": 100, "description": "Sorry" }));
    shape("v2_refund_charge", (200, json!({})), async |client| {
        client.v2().refund_charge("agr_1", "chr_1", refund, &key()).await
    })
    .await;
}

#[tokio::test]
async fn checkout_psp_and_webhooks() {
    let session: checkout::PaymentSession = typed(json!({
        "type": "PAYMENT", "reference": "acme-session-1",
        "merchantInfo": { "callbackUrl": "https://a.example/c", "returnUrl": "https://a.example/r", "callbackAuthorizationToken": "t0ken" },
        "transaction": { "amount": { "currency": "NOK", "value": 1000 }, "paymentDescription": "Tea" }
    }));
    let created = (200, json!({ "token": "t", "checkoutFrontendUrl": "https://c", "pollingUrl": "https://p" }));
    shape("checkout_create_session", created, async |client| {
        client.sessions().create(session).idempotency_key(key()).await
    })
    .await;
    shape(
        "checkout_get_session",
        (200, json!({ "sessionId": "s-1", "reference": "acme-session-1", "sessionState": "SessionCreated" })),
        async |client| client.sessions().get("acme-session-1").await,
    )
    .await;
    let change: checkout::UpdateSessionRequest = typed(
        json!({ "transaction": { "amount": { "currency": "NOK", "value": 2000 }, "paymentDescription": "More tea" } }),
    );
    shape("checkout_update_session", OK, async |client| {
        client.sessions().update("acme-session-1", change).idempotency_key(key()).await
    })
    .await;
    shape("checkout_expire_session", OK, async |client| {
        client.sessions().expire("acme-session-1").idempotency_key(key()).await
    })
    .await;

    let payment: psp::InitiatePaymentRequest = typed(json!({
        "pspTransactionId": "abcABC12345", "merchantOrderId": "order-1", "customerMobileNumber": "12345678", "currency": "NOK", "amount": 49900,
        "paymentText": "Tea", "makePaymentToken": "word", "makePaymentUrl": "https://a.example/m", "pspRedirectUrl": "https://a.example/r", "isApp": false
    }));
    let begun =
        json!({ "pspTransactionId": "abcABC12345", "merchantOrderId": "order-1", "vippsRedirectUrl": "https://l" });
    shape("psp_initiate", (200, begun), async |client| client.psp().initiate(payment).await).await;
    let statuses: psp::PaymentStatus = typed(
        json!({ "transactions": [{ "pspTransactionId": "abcABC12345", "status": "CAPTURED", "amount": 49900, "currency": "NOK" }] }),
    );
    shape("psp_update_status", (200, json!({})), async |client| client.psp().update_status(statuses).await).await;
    shape("psp_details", (200, json!({ "pspTransactionId": "abcABC12345" })), async |client| {
        client.psp().details("abcABC12345").await
    })
    .await;
    let approval: psp::ForceApproveRequest = typed(json!({ "customerPhoneNumber": "12345678", "token": "t" }));
    shape("psp_force_approve", OK, async |client| client.psp().force_approve("abcABC12345", approval).await).await;

    shape("webhooks_list", (200, json!({ "webhooks": [] })), async |client| client.webhooks().list().await).await;
    shape("webhooks_register", (201, json!({ "id": "w-1", "secret": "s" })), async |client| {
        client.webhooks().register("https://a.example/w", ["epayments.payment.authorized.v1"]).await
    })
    .await;
    shape("webhooks_delete", DONE, async |client| client.webhooks().delete("w-1").await).await;
}

#[tokio::test]
async fn rules_before_sending_name_their_field() {
    let recorder = Recorder::start(200, Value::Null).await;
    let client = recorder.client();
    let field = |error: Error| match error {
        Error::InvalidRequest(no) => no.field().unwrap_or_default().to_owned(),
        other => panic!("{other:?}"),
    };
    let (agreements, charges) = (client.agreements(), client.charges());
    let long = || NewAgreement::legacy("n".repeat(46), Amount::nok_minor(100), "https://a.example");
    assert_eq!(field(agreements.draft(long()).await.unwrap_err()), "productName");
    let http = NewAgreement::legacy("n", Amount::nok_minor(100), "http://a.example");
    assert_eq!(field(agreements.draft(http).await.unwrap_err()), "merchantRedirectUrl");
    let unnamed = NewCharge::recurring(Amount::nok_minor(100), "d", "2026-12-24", 0);
    assert_eq!(field(charges.create(nok("agr_1"), unnamed).derived_key(1).await.unwrap_err()), "orderId");
    let odd_key = IdempotencyKey::new("a/b").unwrap();
    assert_eq!(field(agreements.stop("agr_1").idempotency_key(odd_key).await.unwrap_err()), "Idempotency-Key");
    let both: recurring::PatchAgreementV3 = typed(json!({ "status": "STOPPED", "productName": "x" }));
    assert_eq!(field(agreements.update("agr_1", both).await.unwrap_err()), "status");
    for (change, name) in [
        (json!({ "pricing": { "amount": 0 } }), "pricing.amount"),
        (json!({ "pricing": { "suggestedMaxAmount": -1 } }), "pricing.suggestedMaxAmount"),
        (json!({ "merchantAgreementUrl": "http://a.example" }), "merchantAgreementUrl"),
    ] {
        assert_eq!(field(agreements.update("agr_1", typed(change)).await.unwrap_err()), name);
    }
    assert_eq!(field(agreements.force_accept("agr_1", "+47 12345678").await.unwrap_err()), "phoneNumber");
    let charge = |text: &str, due: &str, days: i64| NewCharge::recurring(Amount::nok_minor(100), text, due, days);
    for (charge, name) in [
        (charge("", "2026-12-24", 0), "description"),
        (charge("d", "24.12.2026", 0), "due"),
        (charge("d", "2026-13-01", 0), "due"),
        (charge("d", "2027-02-29", 0), "due"),
        (charge("d", "+026-+1-+2", 0), "due"),
        (charge("d", "2026-12-24", 15), "retryDays"),
        (charge("d", "2026-12-24", 0).order_id("a_b"), "orderId"),
    ] {
        assert_eq!(field(charges.create(nok("agr_1"), charge).await.unwrap_err()), name);
    }
    assert_eq!(
        field(charges.create_many(vec![batch_charge("a"), batch_charge("a_b")]).send().await.unwrap_err()),
        "[1].orderId"
    );
    let nothing = Amount::nok_minor(0);
    assert_eq!(field(charges.refund(nok("agr_1"), ChargeId::new("chr-1"), nothing, "d").await.unwrap_err()), "amount");
    assert_eq!(field(client.webhooks().register("http://a.example", ["x"]).await.unwrap_err()), "url");
    assert_eq!(field(client.psp().details("abcABC12345").await.unwrap_err()), "Psp-Id");
    let psp = recorder.psp_client().psp();
    for (update, name) in [
        (json!({ "pspTransactionId": "", "status": "CAPTURED", "amount": 1 }), "transactions[0].pspTransactionId"),
        (json!({ "pspTransactionId": "a1", "status": "CAPTURED", "amount": 0 }), "transactions[0].amount"),
        (
            json!({ "pspTransactionId": "a1", "status": "CAPTURED", "amount": 1, "currency": "SEK" }),
            "transactions[0].currency",
        ),
    ] {
        let statuses = typed(json!({ "transactions": [update] }));
        assert_eq!(field(psp.update_status(statuses).await.unwrap_err()), name);
    }
    assert!(recorder.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_error_before_sending_carries_the_key_of_its_write() {
    let recorder = Recorder::start(200, Value::Null).await;
    let client = recorder.client();
    let refund = || client.charges().refund(nok("agr_1"), ChargeId::new("chr-1"), Amount::nok_minor(0), "d");
    let given = refund().idempotency_key(key()).await.unwrap_err();
    assert_eq!(given.idempotency_key(), Some(&key()));
    let derived = refund().derived_key(7).await.unwrap_err();
    let wanted = IdempotencyKey::derived("123456", "charges.refund", "chr-1", 7);
    assert_eq!(derived.idempotency_key(), Some(&wanted));
    assert!(refund().await.unwrap_err().idempotency_key().is_some());
    let short = client.payments().capture("short", Amount::nok_minor(1)).idempotency_key(key()).await.unwrap_err();
    assert_eq!(short.idempotency_key(), Some(&key()));
    let batch = client.charges().create_many(vec![batch_charge("a_b")]).idempotency_key(key()).send().await;
    assert_eq!(batch.unwrap_err().idempotency_key(), Some(&key()));
    // Found by the transport, not by the facade.
    let late = client.agreements().stop("agr_1").idempotency_key(key()).max_attempts(0).await.unwrap_err();
    assert_eq!(late.idempotency_key(), Some(&key()));
    assert!(recorder.seen.lock().unwrap().is_empty());
}

/// Where snapshots are made.
const TESTS: &str = concat!(include_str!("other_shapes.rs"), include_str!("request_shapes.rs"));

/// Every operation of the seven documents has a snapshot, made through the facade.
#[test]
fn every_operation_of_the_documents_has_a_snapshot() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("it/snapshots");
    let mut routes = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        // One that no test makes any more proves nothing.
        let name = path.file_stem().unwrap().to_str().unwrap().rsplit("__").next().unwrap().to_owned();
        assert!(TESTS.contains(&name), "nothing makes the snapshot {name}");
        let text = std::fs::read_to_string(path).unwrap();
        let body = text.splitn(3, "---\n").nth(2).unwrap().to_owned();
        let line = body.lines().next().unwrap();
        routes.push(line.split('?').next().unwrap().to_owned());
    }
    let documents: [(&[&Operation], usize); 7] = [
        (vipps_access_token::operations::ALL, 1),
        (vipps_epayment::operations::ALL, 7),
        (vipps::recurring::operations::ALL, 13),
        (v2::operations::ALL, 12),
        (vipps::checkout::operations::ALL, 4),
        (vipps::psp::operations::ALL, 4),
        (vipps::webhooks::operations::ALL, 3),
    ];
    for (operations, count) in documents {
        assert_eq!(operations.len(), count);
        for operation in operations {
            let fits = |route: &String| {
                let (method, path) = route.split_once(' ').unwrap();
                let (template, path): (Vec<&str>, Vec<&str>) =
                    (operation.path().split('/').collect(), path.split('/').collect());
                method == operation.method()
                    && template.len() == path.len()
                    && template.iter().zip(&path).all(|(wanted, found)| wanted.starts_with('{') || wanted == found)
            };
            assert!(routes.iter().any(fits), "{} {} has no snapshot", operation.method(), operation.path());
        }
    }
}

/// A read keeps the whole answer, its status and its headers.
#[tokio::test]
async fn answers_keep_their_metadata() {
    let recorder = Recorder::start(202, Value::Null).await;
    let done: Response<()> = recorder.client().charges().cancel("agr_1", ChargeId::new("chr-1")).await.unwrap();
    assert_eq!((done.http_status(), done.attempts()), (202, 1));
}
