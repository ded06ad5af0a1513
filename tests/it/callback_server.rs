//! A merchant's and a PSP's server on vipps-callbacks, called by the sandbox.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::json;
use tokio::net::TcpListener;
use vipps_callbacks::axum::{Called, Unauthenticated};
use vipps_callbacks::{
    Amount, CardAnswer, CardCall, Carrier, Event, EventType, Freshness, HintHub, LogisticsAnswer, LogisticsOption,
    LogisticsRequest, MakePayment, MakePaymentAnswer, PaymentFailure, Refusal, Registration, SessionCompleted,
    ShippingAnswer, ShippingBrand, ShippingGroup, ShippingOption, ShippingRequest, ShippingType, Subject, TokenAuth,
    Verifier,
};
use vipps_tests::{Http, Receiver};

use crate::sandbox_webhooks::{PAYMENT_EVENTS, PAYMENTS, act, act_on_agreement, draft, order, register, verifier};

const TOKEN: &str = "callback-token-1";
const PSP_ID: &str = "C948DFD1546347568874C4DDC93A2E3C";

/// What happened, in words.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn say(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[derive(Clone, FromRef)]
struct Server {
    auth: TokenAuth,
    verifier: Verifier,
    log: Log,
}

async fn pay(State(log): State<Log>, Called(call): Called<MakePayment>) -> MakePaymentAnswer {
    match call {
        MakePayment::Accepted(payment) => {
            assert!(payment.network_token().unwrap().cryptogram().is_some());
            log.say(format!("pay {}", payment.psp_transaction_id()));
            match payment.psp_transaction_id() {
                "acmedeclined" => payment.fail(PaymentFailure::insufficient_funds()),
                "acmesoft" if log.0.lock().unwrap().len() == 1 => {
                    payment.soft_decline("https://psp.example/3ds").unwrap()
                }
                _ => payment.ok(),
            }
        }
        MakePayment::Cancelled(call) => {
            log.say(format!("cancelled {}", call.psp_transaction_id()));
            call.acknowledge()
        }
        MakePayment::TimedOut(call) | MakePayment::Unknown(call) => call.acknowledge(),
    }
}

async fn card(State(log): State<Log>, call: CardCall) -> CardAnswer {
    log.say(format!("card {} {}", call.psp_reference().unwrap(), call.amount().unwrap()));
    match log.0.lock().unwrap().len() {
        1 => call.soft_decline("https://psp.example/3ds").unwrap(),
        _ => call.reserve("ntr-1").unwrap(),
    }
}

async fn ship(State(log): State<Log>, Called(asked): Called<ShippingRequest>) -> ShippingAnswer {
    log.say(format!("ship {} to {}", asked.reference(), asked.country().unwrap()));
    let home = ShippingOption::new("home", "To your door", Amount::nok_minor(4900));
    let group = ShippingGroup::new(ShippingType::HomeDelivery, ShippingBrand::Posten, home);
    ShippingAnswer::groups([group]).unwrap()
}

async fn logistics(
    State(log): State<Log>,
    Unauthenticated(asked): Unauthenticated<LogisticsRequest>,
) -> LogisticsAnswer {
    log.say(format!("options for {}", asked.country().unwrap()));
    let van = LogisticsOption::new("van", Carrier::Other, Amount::nok_minor(9900)).title("Our van");
    LogisticsAnswer::options([van]).unwrap()
}

async fn completed(State(log): State<Log>, Called(session): Called<SessionCompleted>) -> StatusCode {
    log.say(format!("{} {} {}", session.reference(), session.state(), session.amount().unwrap()));
    StatusCode::OK
}

/// Serves all of it; gives its address.
async fn serve() -> (String, Log, Verifier) {
    let (log, verifier) = (Log::default(), verifier());
    let server = Server { auth: TokenAuth::new(TOKEN).unwrap(), verifier: verifier.clone(), log: log.clone() };
    let router = Router::new()
        .route("/pay", post(pay))
        .route("/card", post(card))
        .route("/ship", post(ship))
        .route("/logistics", post(logistics))
        .route("/completed", post(completed))
        .with_state(server);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, log, verifier)
}

#[tokio::test]
async fn answers_to_make_payment_decide_as_they_say() {
    for (id, act, state, said) in [
        ("acmepaid", "approve", "RESERVED", &["pay acmepaid"][..]),
        ("acmedeclined", "approve", "FAILED", &["pay acmedeclined"]),
        ("acmesoft", "approve", "RESERVED", &["pay acmesoft", "pay acmesoft"]),
        ("acmegone", "cancel", "USER_CANCEL", &["cancelled acmegone"]),
    ] {
        let (http, (address, log, _)) = (Http::start_manual().await, serve().await);
        let body = json!({
            "pspTransactionId": id, "merchantOrderId": "acme-order-42", "customerMobileNumber": "91234567",
            "amount": 49_900, "currency": "NOK", "paymentText": "Two mugs", "makePaymentUrl": format!("{address}/pay"),
            "pspRedirectUrl": "https://psp.example/back", "makePaymentToken": TOKEN
        });
        let (status, answer) = http.psp("POST", "/psp/v3/psppayments/init", &body).await;
        assert_eq!(status, 200, "{answer}");
        let (mut status, mut answer) = http.control("POST", &format!("psp/{id}/{act}"), json!({})).await;
        if answer["state"] == "SOFT_DECLINED" {
            assert_eq!(answer["url3dSecure"], "https://psp.example/3ds");
            let outcome = json!({ "outcome": "success" });
            (status, answer) = http.control("POST", &format!("psp/{id}/complete-3ds"), outcome).await;
        }
        assert_eq!((status, &answer["state"]), (200, &json!(state)), "{id}: {answer}");
        assert_eq!(log.take(), said, "{id}");
    }
}

#[tokio::test]
async fn a_card_is_reserved_after_a_soft_decline() {
    let (http, (address, log, verifier)) = (Http::start_manual().await, serve().await);
    let url = format!("{address}/card");
    verifier.add(Registration::new(&url, "test-client-secret").unwrap());
    let mut body = order("acme-order-42", 1000);
    body["paymentMethod"] = json!({ "type": "CARD_PASSTHROUGH" });
    body["cardPassthrough"] =
        json!({ "pspReference": "psp-77", "cardCallbackUrl": url, "allowedCardTypes": ["VISA_DEBIT"] });
    let create = http.request("POST", PAYMENTS).header("Idempotency-Key", "create").header("Psp-Id", PSP_ID);
    assert_eq!(http.send(create.json(&body)).await.0, 201);
    act(&http, "acme-order-42", "approve").await;
    assert_eq!(log.take(), ["card psp-77 10.00 NOK", "card psp-77 10.00 NOK"]);
    assert_eq!(http.get(&format!("{PAYMENTS}/acme-order-42")).await.1["state"], "AUTHORIZED");
}

#[tokio::test]
async fn shipping_options_are_offered_and_charged() {
    let (http, (address, log, _)) = (Http::start_manual().await, serve().await);
    let mut body = order("acme-order-42", 1000);
    body["profile"] = json!({ "scope": "name address email phoneNumber" });
    body["shipping"] = json!({
        "dynamicOptions": { "callbackUrl": format!("{address}/ship"), "callbackAuthorizationToken": TOKEN }
    });
    assert_eq!(http.post(PAYMENTS, &body).await.0, 201);
    act(&http, "acme-order-42", "approve").await;
    assert_eq!(log.take(), ["ship acme-order-42 to NO"]);
    let payment = http.get(&format!("{PAYMENTS}/acme-order-42")).await.1;
    assert_eq!(
        (&payment["state"], &payment["aggregate"]["authorizedAmount"]["value"]),
        (&json!("AUTHORIZED"), &json!(5900))
    );
}

#[tokio::test]
async fn a_checkout_session_offers_the_answered_options_and_tells_its_end() {
    let (http, (address, log, _)) = (Http::start_manual().await, serve().await);
    let body = json!({
        "type": "PAYMENT", "reference": "acme-session-1",
        "transaction": {
            "amount": { "currency": "NOK", "value": 1000 }, "paymentDescription": "Two mugs", "reference": "acme-session-1"
        },
        "logistics": { "dynamicOptionsCallback": format!("{address}/logistics") },
        "merchantInfo": {
            "callbackUrl": format!("{address}/completed"), "returnUrl": "https://acme.example/thanks",
            "callbackAuthorizationToken": TOKEN
        }
    });
    let (status, answer) = http.checkout("POST", "/checkout/v3/session", &body).await;
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = http.control("POST", "sessions/acme-session-1/complete", json!({})).await;
    assert_eq!(status, 200, "{answer}");
    http.advance(1).await;
    assert_eq!(log.take(), ["options for NO", "acme-session-1 PaymentSuccessful 109.00 NOK"]);
}

/// Every event type there is, in every mode, through a proxy.
#[tokio::test]
async fn deliveries_verify_behind_a_proxy_that_rewrites_host_and_path() {
    for mode in ["normal", "duplicate", "reorder", "delay", "badSignature"] {
        let (http, receiver) = (Http::start_manual().await, Receiver::start().await);
        let url = format!("http://{}/hooks/vipps?tenant=7", receiver.behind_proxy().await);
        let (id, secret) = register(&http, &url, EventType::KNOWN).await;
        let verifier = verifier();
        verifier.add(Registration::new(&url, secret).unwrap().id(&id));
        assert_eq!(http.control("POST", "deliveries/mode", json!({ "mode": mode })).await.0, 200);
        everything_happens(&http).await;
        http.advance(3_600).await;
        let (mut types, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for call in receiver.received() {
            assert_eq!(
                (call.target.as_str(), call.header("host").as_deref()),
                ("/internal/7", Some("internal.example:8080"))
            );
            let found = verifier.verify(call.headers().iter().map(|(name, value)| (name, value)), &call.body);
            assert_eq!(found.is_ok(), mode != "badSignature", "{mode}: {found:?}");
            let Ok(delivery) = found else { continue };
            assert_eq!((delivery.registration_id(), delivery.url()), (Some(id.as_str()), url.as_str()));
            types.insert(delivery.event().event_type().unwrap().to_string());
            keys.insert(delivery.key().to_string());
        }
        if mode == "badSignature" {
            continue;
        }
        let all: BTreeSet<String> = EventType::KNOWN.iter().map(|known| (*known).to_owned()).collect();
        assert_eq!(types, all, "{mode}");
        let events = receiver.received().len() / if mode == "duplicate" { 2 } else { 1 };
        assert_eq!(keys.len(), events, "{mode}: one key for each event");
    }
}

/// Lets each event type happen once at least.
async fn everything_happens(http: &Http) {
    for (reference, steps) in [
        ("acme-order-1", &["create", "approve", "capture 250", "refund 100", "cancel"][..]),
        ("acme-order-2", &["create", "abort"]),
        ("acme-order-3", &["create", "cancel-without-key"]),
        ("acme-order-4", &["create", "ten-minutes"]),
    ] {
        for step in steps {
            act(http, reference, step).await;
        }
    }
    for (initial, steps) in [
        (Some(("RESERVE_CAPTURE", 500)), &["approve", "capture 300", "refund 100", "cancel", "stop USER"][..]),
        (None, &["reject"]),
        (None, &["ten-minutes"]),
    ] {
        let id = draft(http, initial).await["agreementId"].as_str().unwrap().to_owned();
        for step in steps {
            act_on_agreement(http, &id, step).await;
        }
    }
    // One that fails, and one that a batch brings to an agreement that was stopped.
    let failing = draft(http, None).await["agreementId"].as_str().unwrap().to_owned();
    act_on_agreement(http, &failing, "approve").await;
    let charge = json!({
        "amount": 151, "transactionType": "DIRECT_CAPTURE", "description": "A box", "due": "2026-01-03", "retryDays": 0,
        "orderId": "box-151"
    });
    assert_eq!(http.post(&format!("/recurring/v3/agreements/{failing}/charges"), &charge).await.0, 201);
    http.advance(4 * 86_400).await;
    act_on_agreement(http, &failing, "stop MERCHANT").await;
    let mut late = charge;
    late["orderId"] = "box-late".into();
    late["due"] = "2026-01-09".into();
    late["agreementId"] = failing.into();
    assert_eq!(http.post("/recurring/v3/agreements/charges", &json!([late])).await.0, 202);
    for foreign in
        EventType::KNOWN.iter().filter(|known| !known.starts_with("epayments") && !known.starts_with("recurring"))
    {
        let (status, body) = http.control("POST", "events", json!({ "eventType": foreign })).await;
        assert_eq!(status, 200, "{body}");
    }
}

#[tokio::test]
async fn only_events_of_products_that_are_not_played_are_sent_by_hand() {
    let http = Http::start().await;
    for refused in [
        json!({ "eventType": "epayments.payment.captured.v1" }),
        json!({ "eventType": "user.checked-out.v1" }),
        json!({ "eventType": "user.checked-in.v1", "msn": "999999" }),
        json!({ "eventType": "user.checked-in.v1", "body": 7 }),
        json!({ "eventTyp": "user.checked-in.v1" }),
        json!({}),
    ] {
        assert_eq!(http.control("POST", "events", refused.clone()).await.0, 400, "{refused}");
    }
    let body = json!({ "merchantQrId": "till-9", "new": 1 });
    let (_, sent) = http.control("POST", "events", json!({ "eventType": "user.checked-in.v1", "body": body })).await;
    assert_eq!((&sent["merchantQrId"], &sent["new"], &sent["msn"]), (&json!("till-9"), &json!(1), &json!("123456")));
}

/// An outage of an hour, at whose end the retry comes with the date of the first attempt.
#[tokio::test]
async fn a_retry_that_is_not_signed_anew_is_taken_by_a_receiver_with_an_inbox() {
    let receiver = Receiver::answering(vec![(503, json!(null))]).await;
    let (http, url) = (Http::start_manual().await, receiver.url("/hooks"));
    http.control("PATCH", "settings", json!({ "resignRetries": false })).await;
    let (_, secret) = register(&http, &url, &PAYMENT_EVENTS).await;
    act(&http, "acme-order-42", "create").await;
    http.advance(3_600).await;
    let last = receiver.received().pop().unwrap();
    // 2026-01-01T00:00:00Z and the hour.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600 + 3_600);
    let found = [Freshness::WithInbox, Freshness::default()].map(|freshness| {
        let verifier = Verifier::builder().registration(Registration::new(&url, secret.as_str()).unwrap());
        let verifier = verifier.freshness(freshness).clock(move || now).build();
        verifier.verify(last.headers().iter().map(|(name, value)| (name, value)), &last.body)
    });
    assert!(matches!(&found[0], Ok(delivery) if delivery.is_late()), "{:?}", found[0]);
    assert!(matches!(&found[1], Err(Refusal::Stale { .. })), "{:?}", found[1]);
}

#[tokio::test]
async fn a_wait_looks_when_the_event_of_its_payment_came() {
    let (http, receiver) = (Http::start().await, Receiver::start().await);
    register(&http, &receiver.url("/"), &PAYMENT_EVENTS).await;
    let client = vipps_tests::client_for(http.sandbox.environment(), http.sandbox.credentials()).build().unwrap();
    let (hub, payments) = (HintHub::default(), client.payments());
    assert_eq!(http.post(PAYMENTS, &order("acme-order-42", 1000)).await.0, 201);
    // Without a hint the next look would be a minute away.
    let minute = Duration::from_secs(60);
    let wait = payments.wait_for_decision("acme-order-42").first_poll_after(minute).poll_every(minute);
    let wait = tokio::spawn(wait.hints(hub.hints(Subject::payment("acme-order-42"))).into_future());
    act(&http, "acme-order-42", "approve").await;
    let clock = client.transport().clock();
    let started = clock.elapsed();
    for call in receiver.received() {
        hub.tell(&Event::read(&call.body));
    }
    let decision = wait.await.unwrap().unwrap();
    assert!(matches!(decision, vipps::Decision::Authorized(_)), "{decision:?}");
    assert!(clock.elapsed() - started < minute / 2);
}
