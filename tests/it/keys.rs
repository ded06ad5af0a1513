use std::time::Duration;

use serde_json::json;
use vipps::{
    AgreementRef, Amount, ChargeId, Client, Currency, Effect, Error, IdempotencyKey, NewAgreement, NewCharge,
    NewPayment, NextStep,
};
use vipps_sandbox::Fault;
use vipps_tests::{CheckedSandbox, Reply, ScriptedServer, SkippingClock, client_for, credentials, quick_retries};

use crate::other_shapes::batch_charge;

const REFERENCE: &str = "acme-order-42";

fn order() -> NewPayment {
    NewPayment::web_redirect(REFERENCE, Amount::nok_minor(1000), "https://acme.example/thanks")
}

fn offline() -> Client {
    client_for("http://127.0.0.1:9".parse().unwrap(), credentials()).build().unwrap()
}

fn tea() -> NewAgreement {
    NewAgreement::legacy("Tea", Amount::nok_minor(9_900), "https://acme.example/r").external_id("tea-7")
}

async fn authorized() -> (CheckedSandbox, Client) {
    let sandbox = CheckedSandbox::start().await;
    let client = sandbox.client_builder().retry(quick_retries()).build().unwrap();
    client.payments().create(order()).await.unwrap();
    sandbox.customer().approves(REFERENCE).await.unwrap();
    (sandbox, client)
}

/// Worked with Python over the words of `openapi/semantics/`. A change here makes a process that
/// is restarted with a newer version capture, charge or refund twice.
#[test]
fn derived_keys_stay_what_they_are_for_ever() {
    let client = offline();
    let (payments, agreements, charges, sessions) =
        (client.payments(), client.agreements(), client.charges(), client.sessions());
    let money = || Amount::nok_minor(100);
    let tea_club = AgreementRef::new("agr_1", Currency::Nok);
    let december = || ChargeId::new("tea-dec");
    let charge = NewCharge::recurring(money(), "Tea", "2026-12-24", 5).order_id("tea-dec");
    let patch = serde_json::from_value(json!({ "productName": "Tea" })).unwrap();
    let session: vipps::checkout::types::PaymentSession = serde_json::from_value(json!({
        "type": "PAYMENT", "reference": "acme-session-1",
        "merchantInfo": { "callbackUrl": "https://a.example/c", "returnUrl": "https://a.example/r", "callbackAuthorizationToken": "t" },
        "transaction": { "amount": { "currency": "NOK", "value": 1000 }, "paymentDescription": "Tea" }
    }))
    .unwrap();
    let change = serde_json::from_value(
        json!({ "transaction": { "amount": { "currency": "NOK", "value": 1 }, "paymentDescription": "t" } }),
    );
    let batch = ["a-1", "b-2"].map(batch_charge);
    let keys = [
        (payments.create(order()).derived_key(1).key(), "73700166-d582-54f2-8b05-13c4a5a22c97"),
        (payments.capture(REFERENCE, money()).derived_key(1).key(), "14af45e9-985b-5e82-a1f8-62320df5458c"),
        (payments.refund(REFERENCE, money()).derived_key(1).key(), "50886113-f101-5dff-bc20-64159fd68f58"),
        (payments.cancel(REFERENCE).derived_key(1).key(), "072ae251-2a8b-5dfa-9ed0-ab5841333c09"),
        (
            payments.cancel(REFERENCE).only_if_not_authorized().derived_key(1).key(),
            "bad8d77b-511b-5400-9856-af9f2b8b7a8d",
        ),
        (agreements.draft(tea()).derived_key(1).key(), "32a96b0b-8fb3-5bc5-af3c-4e00832f00b4"),
        (agreements.update("agr_1", patch).derived_key(1).key(), "50394da1-355e-5bb4-b001-bee846d181ba"),
        (agreements.stop("agr_1").derived_key(1).key(), "3815f6b8-d989-5918-b83b-fb59ed9d28e5"),
        (agreements.force_accept("agr_1", "4712345678").derived_key(1).key(), "14eeb3fe-99f4-56cb-aad2-0dfabf772132"),
        (charges.create(&tea_club, charge).derived_key(1).key(), "6235d489-97c9-5cc4-994f-6d271f3fc0c6"),
        (charges.cancel("agr_1", december()).derived_key(1).key(), "55ba431a-204d-551f-b3d0-5f8b13d981e3"),
        (charges.capture(&tea_club, december(), money()).derived_key(1).key(), "4677a89e-c12a-55e9-be8d-ce440f63a6f4"),
        (
            charges.refund(&tea_club, december(), money(), "d").derived_key(1).key(),
            "63fc9944-629b-5c04-88b4-c54b2a6ec0dc",
        ),
        (charges.create_many(batch).derived_key(1).key(), "ed4c9dc5-5c62-515f-aaa0-e23d4ccbf561"),
        (sessions.create(session).derived_key(1).key(), "7bb1315a-39ab-5ad4-8aca-ddcb5ffc4970"),
        (
            sessions.update("acme-session-1", change.unwrap()).derived_key(1).key(),
            "b6be011a-7329-57b1-ada6-ecae80d41cba",
        ),
        (sessions.expire("acme-session-1").derived_key(1).key(), "78e0e66e-239f-5018-8fbf-e245cbd06d38"),
    ];
    for (index, (key, pinned)) in keys.iter().enumerate() {
        assert_eq!(key.as_ref().map(IdempotencyKey::as_str), Some(*pinned), "{index}");
    }
}

#[test]
fn no_two_operations_share_a_word() {
    let all = vipps_tests::every_operation();
    let mut words: Vec<&str> = all.iter().map(|operation| operation.word()).collect();
    assert!(all.iter().all(|operation| operation.word() != operation.id()), "{words:?}");
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), all.len());
}

#[tokio::test]
async fn a_draft_without_a_name_of_the_merchants_has_no_derived_key() {
    let nameless = NewAgreement::legacy("Tea", Amount::nok_minor(9_900), "https://acme.example/r");
    let draft = offline().agreements().draft(nameless).derived_key(1);
    assert_eq!(draft.key(), None);
    let Error::InvalidRequest(no) = draft.await.unwrap_err() else { panic!("not refused") };
    assert_eq!(no.field(), Some("externalId"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clone_is_the_same_call() {
    let (sandbox, client) = authorized().await;
    let call = client.payments().capture(REFERENCE, Amount::nok_minor(300));
    let key = call.key();
    assert!(key.is_some() && client.payments().get(REFERENCE).key().is_none());
    for _ in 0..3 {
        call.clone().await.unwrap();
    }
    assert_eq!((sandbox.money(REFERENCE, "captured"), call.key()), (Some(300), key));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "a merchant's own timeout, in real time")]
async fn a_call_that_was_dropped_in_a_timeout_is_repeated_under_its_key() {
    let (sandbox, _) = authorized().await;
    let client = sandbox.client();
    sandbox.faults().next("capturePayment", Fault::stall(Duration::from_millis(300)).after_effect());
    let call = client.payments().capture(REFERENCE, Amount::nok_minor(300));
    let limit = Duration::from_millis(100);
    tokio::time::timeout(limit, call.clone().send()).await.expect_err("it stalls");
    // The clone knows that its twin may have been sent.
    let bad = call.clone().max_attempts(0).await.unwrap_err();
    assert_eq!(bad.effect(), Effect::Possible);
    call.await.unwrap();
    assert_eq!(sandbox.money(REFERENCE, "captured"), Some(300));
}

/// A client whose second call meets `then`.
async fn after_a_lost_call(then: Reply) -> (Error, Error) {
    let server = ScriptedServer::start(vec![Reply::Reset, then]).await;
    let client = client_for(server.environment(), credentials()).clock(SkippingClock::new()).build().unwrap();
    let call = client.payments().capture(REFERENCE, Amount::nok_minor(300)).max_attempts(1);
    (call.clone().await.unwrap_err(), call.await.unwrap_err())
}

#[tokio::test]
async fn what_a_repetition_meets_does_not_undo_what_an_earlier_call_may_have_done() {
    for status in [429, 403, 401, 404, 409, 423] {
        let (first, second) = after_a_lost_call(Reply::json(status, "", "{}")).await;
        assert!(matches!(first, Error::Indeterminate(_)), "{first:?}");
        assert_eq!((first.effect(), second.effect()), (Effect::Possible, Effect::Possible), "{status}: {second}");
        assert!(second.may_have_taken_effect() && second.idempotency_key() == first.idempotency_key());
    }
}

#[tokio::test]
async fn a_repetition_that_was_not_sent_says_both_halves() {
    let server = ScriptedServer::start(vec![Reply::Reset]).await;
    let client = client_for(server.environment(), credentials()).clock(SkippingClock::new()).build().unwrap();
    let call = client.payments().capture(REFERENCE, Amount::nok_minor(300)).max_attempts(1);
    call.clone().await.unwrap_err();
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // A restarted process: the key is all that it has; and there is no connection, so no token either.
    let restarted = client_for(format!("http://{nowhere}").parse().unwrap(), credentials());
    let restarted = restarted.clock(SkippingClock::new()).build().unwrap();
    let key = call.key().unwrap();
    let again = restarted.payments().capture(REFERENCE, Amount::nok_minor(300)).idempotency_key(key.clone());
    let error = again.await.unwrap_err();
    assert!(matches!(&error, Error::NotSent(_)), "{error:?}");
    assert_eq!((error.effect(), error.next_step()), (Effect::Possible, NextStep::Repeat { after: None }));
    let said = error.to_string();
    let both = format!("an earlier call with this key may have taken effect: repeat with idempotency key {key}");
    assert!(said.contains("was not sent") && said.ends_with(&both), "{said}");
}

#[tokio::test]
async fn a_first_use_that_was_not_sent_has_no_effect() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = client_for(format!("http://{nowhere}").parse().unwrap(), credentials());
    let client = client.clock(SkippingClock::new()).build().unwrap();
    let capture = || client.payments().capture(REFERENCE, Amount::nok_minor(300));
    for (call, effect) in [
        (capture(), Effect::None),
        (capture().derived_key(1), Effect::Possible),
        (capture().derived_key(1).first_use(), Effect::None),
        (capture().idempotency_key(IdempotencyKey::random()), Effect::Possible),
        (capture().idempotency_key(IdempotencyKey::random()).first_use(), Effect::None),
    ] {
        assert_eq!(call.await.unwrap_err().effect(), effect);
    }
}

/// The recipe of the README for three in the night.
async fn settle(call: vipps::Capture, payments: &vipps::Payments, asked: i64) -> String {
    for _ in 0..10 {
        let Err(error) = call.clone().await else { return "captured".into() };
        match error.next_step() {
            NextStep::Repeat { .. } => {}
            NextStep::ReadFirst | NextStep::Done => {
                let Ok(payment) = payments.get(REFERENCE).await else { continue };
                let captured = payment.aggregate().captured().minor_units();
                return if captured >= asked { "captured".into() } else { format!("not captured: {error}") };
            }
            // The keys are to be fixed first; then the same call, with the same key.
            NextStep::FixCredentials if error.may_have_taken_effect() => return "open".into(),
            _ => return format!("not captured: {error}"),
        }
    }
    "open".into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recipe_for_three_in_the_night_never_tells_a_lie() {
    let faults = [
        Fault::reset(),
        Fault::reset_after_effect(),
        Fault::status(503).after_effect(),
        Fault::status(429).after_effect(),
        Fault::status(404).html().after_effect(),
        Fault::status(403).after_effect(),
        Fault::truncated(200).after_effect(),
        Fault::status(404),
        Fault::status(503),
    ];
    for first in &faults {
        for second in &faults {
            let (sandbox, client) = authorized().await;
            let call = client.payments().capture(REFERENCE, Amount::nok_minor(300)).max_attempts(1);
            sandbox.faults().next("capturePayment", first.clone());
            sandbox.faults().next("capturePayment", second.clone());
            let told = settle(call, &client.payments(), 300).await;
            let captured = sandbox.money(REFERENCE, "captured");
            let what = format!("{first:?} then {second:?}: {told}");
            match told.as_str() {
                "captured" => assert_eq!(captured, Some(300), "{what}"),
                "open" => assert!(what.contains("status: 403"), "{what}"),
                _ => assert_eq!(captured, Some(0), "{what}"),
            }
        }
    }
}

#[tokio::test]
async fn the_money_of_a_charge_is_in_the_currency_of_its_agreement() {
    let client = offline();
    let charges = client.charges();
    let danish = AgreementRef::new("agr_1", Currency::Dkk);
    let euros = || Amount::eur_minor(9_900);
    let charge = || NewCharge::recurring(euros(), "Tea", "2026-12-24", 5).order_id("tea-dec");
    let refused = [
        charges.create(&danish, charge()).await.unwrap_err(),
        charges.capture(&danish, ChargeId::new("c"), euros()).await.unwrap_err(),
        charges.refund(&danish, ChargeId::new("c"), euros(), "d").await.unwrap_err(),
        charges.create_many([(&danish, charge())]).send().await.unwrap_err(),
    ];
    for error in refused {
        let said = error.to_string();
        assert!(said.contains("must be in DKK, the currency of the agreement, and is in EUR"), "{said}");
        assert_eq!(error.next_step(), NextStep::FixRequest);
    }
    let stored = serde_json::to_string(&danish).unwrap();
    assert_eq!(stored, r#"{"id":"agr_1","currency":"DKK"}"#);
    assert_eq!(serde_json::from_str::<AgreementRef>(&stored).unwrap(), danish);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agreement_is_known_by_id_and_currency_from_draft_get_and_list() {
    use futures_util::TryStreamExt as _;
    let sandbox = CheckedSandbox::start().await;
    let agreements = sandbox.client().agreements();
    let draft = tea().monthly().agreement_url("https://acme.example/tea");
    let drafted = agreements.draft(draft).derived_key(1).await.unwrap().agreement_ref();
    sandbox.customer().accepts_agreement(drafted.id()).await.unwrap();
    assert_eq!(agreements.get(&drafted).await.unwrap().agreement_ref(), Some(drafted.clone()));
    let listed: Vec<_> = agreements.list().stream().try_collect().await.unwrap();
    assert_eq!(listed[0].agreement_ref(), Some(drafted));
    let sent = sandbox.requests().into_iter().find(|request| request["operation"] == "DraftAgreementV3").unwrap();
    let key = IdempotencyKey::derived("123456", "agreements.draft", "tea-7", 1);
    assert_eq!(sent["headers"]["idempotency-key"], key.as_str());
}

/// The calls of each worker, in order, with what each moves.
const STORY: [(&str, i64); 3] = [("capture", 300), ("capture", 200), ("refund", 100)];

/// One call of the story; both workers derive the same key for it.
async fn step(worker: Client, number: usize) -> Result<(), Error> {
    let (kind, value) = STORY[number];
    let (payments, money) = (worker.payments(), Amount::nok_minor(value));
    let sequence = number as u64;
    match kind {
        "capture" => payments.capture(REFERENCE, money).derived_key(sequence).max_attempts(1).await.map(drop),
        _ => payments.refund(REFERENCE, money).derived_key(sequence).max_attempts(1).await.map(drop),
    }
}

/// Holds an end of one call against the effects of its key.
fn is_true(sandbox: &CheckedSandbox, number: usize, end: &Result<(), Error>) -> bool {
    let operation = format!("payments.{}", STORY[number].0);
    let key = IdempotencyKey::derived("123456", &operation, REFERENCE, number as u64);
    let ledger = sandbox.ledger();
    let effects = ledger["payments"][0]["effects"].as_array().unwrap();
    let count = effects.iter().filter(|effect| effect["idempotencyKey"] == key.as_str()).count();
    assert!(count <= 1, "{operation} moved money {count} times");
    match end {
        Ok(()) => count == 1,
        Err(error) => match error.effect() {
            Effect::None => count == 0,
            Effect::Certain => count == 1,
            Effect::Possible => true,
        },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_interleaving_of_two_workers_a_key_has_one_effect_and_no_claim_is_false() {
    let faults =
        [None, Some(Fault::reset()), Some(Fault::reset_after_effect()), Some(Fault::status(423).after_effect())];
    // Which worker goes next, six times: three steps of each.
    for order in (0_u32..64).filter(|order| order.count_ones() == 3) {
        for fault in &faults {
            let (sandbox, first) = authorized().await;
            let second = sandbox.client_builder().retry(quick_retries()).build().unwrap();
            let workers = [first, second];
            let mut next = [0; 2];
            for turn in 0..6 {
                let who = usize::from(order >> turn & 1 == 1);
                if let Some(fault) = fault.clone().filter(|_| turn % 2 == 0) {
                    sandbox.faults().clear();
                    sandbox.faults().next("capturePayment", fault);
                }
                let end = step(workers[who].clone(), next[who]).await;
                assert!(is_true(&sandbox, next[who], &end), "{order:06b} {fault:?} turn {turn}: {end:?}");
                next[who] += 1;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_at_once_move_money_once_and_neither_tells_a_lie() {
    for fault in [None, Some(Fault::stall(Duration::from_millis(20)).after_effect()), Some(Fault::reset_after_effect())]
    {
        let (sandbox, first) = authorized().await;
        let second = sandbox.client_builder().retry(quick_retries()).build().unwrap();
        if let Some(fault) = fault {
            sandbox.faults().next("capturePayment", fault);
        }
        let ends = tokio::join!(tokio::spawn(step(first, 0)), tokio::spawn(step(second, 0)));
        for end in [ends.0.unwrap(), ends.1.unwrap()] {
            assert!(is_true(&sandbox, 0, &end), "{end:?}");
        }
    }
}
