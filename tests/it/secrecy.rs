use std::cell::Cell;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use vipps::epayment::types;
use vipps::{Amount, Client, Error, NewPayment};
use vipps_sandbox::Fault;
use vipps_tests::{
    CLIENT_ID, CLIENT_SECRET, CheckedSandbox, Reply, SUBSCRIPTION_KEY, ScriptedServer, client_for, credentials,
    quick_retries,
};

const PHONE: &str = "4798765432";
const NAME: &str = "Nordmann";
const EMAIL: &str = "kari@acme.example";

/// Everything that must never be seen.
fn hidden() -> Vec<&'static str> {
    vec![
        CLIENT_ID,
        CLIENT_SECRET,
        SUBSCRIPTION_KEY,
        "f00dfeed",
        PHONE,
        NAME,
        EMAIL,
        "landing-5ecret",
        "callback-5ecret",
    ]
}

fn assert_hidden(text: &str, what: &str) {
    for secret in hidden() {
        assert!(!text.contains(secret), "{what} shows {secret}: {text}");
    }
}

fn order() -> NewPayment {
    NewPayment::push_message("acme-order-1042", Amount::nok_minor(1000), PHONE)
}

fn describe(error: &Error) -> String {
    let mut out = format!("{error} | {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let _ = write!(out, " | {cause} | {cause:?}");
        source = cause.source();
    }
    out
}

#[test]
fn types_do_not_show_what_they_hold() {
    let payment: types::GetPaymentResponse = serde_json::from_value(serde_json::json!({
        "reference": "acme-1", "state": "CREATED", "amount": { "currency": "NOK", "value": 1 },
        "aggregate": { "authorizedAmount": { "currency": "NOK", "value": 0 }, "capturedAmount": { "currency": "NOK", "value": 0 },
            "cancelledAmount": { "currency": "NOK", "value": 0 }, "refundedAmount": { "currency": "NOK", "value": 0 } },
        "redirectUrl": "https://landing.vipps.no?token=landing-5ecret", "profile": { "sub": NAME },
        "userDetails": { "email": EMAIL, "firstName": NAME, "lastName": NAME, "mobileNumber": PHONE, "dateOfBirth": PHONE,
            "addresses": [{ "addressLine1": NAME, "city": NAME, "postCode": PHONE, "country": "NO" }] },
        "shippingDetails": { "address": { "addressLine1": NAME, "addressLine2": NAME, "city": NAME, "postCode": PHONE, "country": "NO" }, "shippingCost": 1 }
    }))
    .unwrap();
    assert_hidden(&format!("{payment:?}"), "a payment");
    assert_hidden(&format!("{:?}", vipps::Payment::from(payment)), "a payment of the facade");
    assert_hidden(&format!("{:?}", order()), "an order");
    let shipping = order().with(|request| {
        request.shipping = serde_json::from_value(serde_json::json!({ "dynamicOptions": { "callbackUrl": "https://a.example", "callbackAuthorizationToken": "callback-5ecret" } })).unwrap();
        request.industry_data = serde_json::from_value(serde_json::json!({ "airlineData": { "agencyInvoiceNumber": "1", "airlineCode": "074", "airlineDesignatorCode": "KL", "passengerName": NAME } })).unwrap();
    });
    assert_hidden(&format!("{shipping:?}"), "an order with shipping");
    let noted = order().metadata("customer", EMAIL);
    assert_hidden(&format!("{noted:?} {:?}", noted.raw()), "an order with metadata");
    let session: vipps::checkout::types::PaymentSession = serde_json::from_value(serde_json::json!({
        "type": "PAYMENT", "reference": "acme-session-1",
        "merchantInfo": { "callbackUrl": "https://a.example/c", "returnUrl": "https://a.example/r", "callbackAuthorizationToken": "callback-5ecret" },
        "transaction": { "amount": { "currency": "NOK", "value": 1000 }, "paymentDescription": "Tea" },
        "prefillCustomer": { "firstName": NAME, "lastName": NAME, "email": EMAIL, "phoneNumber": PHONE, "streetAddress": NAME, "city": NAME, "postalCode": PHONE }
    }))
    .unwrap();
    let client = client_for("http://127.0.0.1:1".parse().unwrap(), credentials()).build().unwrap();
    assert_hidden(&format!("{session:?} {:?}", client.sessions().create(session.clone())), "a session");
    let agreement = vipps::NewAgreement::legacy("Tea", Amount::nok_minor(1), "https://a.example/r").phone_number(PHONE);
    assert_hidden(&format!("{agreement:?} {:?}", client.agreements().draft(agreement.clone())), "a draft");
    let accept = client.agreements().force_accept("agr_1", PHONE);
    assert_hidden(&format!("{accept:?}"), "an acceptance");
    let printed =
        format!("{:?} {client:?} {:?} {:?}", credentials(), client.transport(), client.payments().create(order()));
    assert_hidden(&printed, "a client");
    let epayment = vipps_epayment::Client::with_transport(client.transport());
    assert_hidden(&format!("{epayment:?}"), "a generated client");
    let request = epayment.create_payment().body(order().raw().clone());
    assert_hidden(&format!("{request:?}"), "a generated builder");
}

#[tokio::test]
async fn errors_do_not_repeat_what_was_sent_or_answered() {
    let echo = format!(
        r#"{{"title":"no user {PHONE} ({EMAIL})","detail":"{NAME}","status":400,"traceId":"t","extraDetails":[{{"name":"customer.phoneNumber","reason":"{PHONE} {NAME}"}}]}}"#
    );
    let replies = [
        Reply::json(400, "", &echo),
        Reply::json(401, "", &format!(r#"{{"statusCode":401,"message":"key {SUBSCRIPTION_KEY} is wrong"}}"#)),
        Reply::json(503, "", &echo),
        Reply::json(200, "", &format!(r#"{{"reference":"{NAME}","redirectUrl":5,"{PHONE}":"x"}}"#)),
        Reply::json(200, "", NAME),
        Reply::json(400, "", &format!("<html>{NAME}</html>")),
        Reply::Reset,
    ];
    for reply in replies {
        let server = ScriptedServer::start(vec![reply.clone()]).await;
        let client = client_for(server.environment(), credentials()).retry(quick_retries()).build().unwrap();
        let error = client.payments().create(order()).await.unwrap_err();
        assert_hidden(&describe(&error), &format!("{reply:?}"));
    }
    let client =
        client_for("http://127.0.0.1:1".parse().unwrap(), credentials()).retry(quick_retries()).build().unwrap();
    assert_hidden(&describe(&client.payments().create(order()).await.unwrap_err()), "no connection");
    let bad = client.payments().create(order().customer_phone(format!("+{PHONE}"))).await.unwrap_err();
    assert_hidden(&describe(&bad), "an invalid request");
}

/// Collects what every crate traces.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<u8>>>);

impl Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Collected {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn exercise(client: &Client) {
    let payments = client.payments();
    let _ = payments.create(order()).await;
    let _ = payments.force_approve("acme-order-1042").phone_number(PHONE).await;
    let _ = payments.capture("acme-order-1042", Amount::nok_minor(400)).await;
    let _ = payments.get("acme-order-1042").await;
    let _ = payments.wait_for_decision("acme-order-1042").first_poll_after(Duration::ZERO).await;
}

thread_local! {
    /// Whether this thread's traces are collected.
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// The subscriber is that of the whole process, since callsites remember what an earlier
/// one wanted; it looks at the thread of this test alone.
#[test]
fn traces_of_all_crates_at_the_lowest_level_show_nothing() {
    let collected = Collected::default();
    let layer = tracing_subscriber::fmt::layer()
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(collected.clone())
        .with_filter(dynamic_filter_fn(|_, _| WATCHED.get()));
    tracing_subscriber::registry().with(layer).init();
    WATCHED.set(true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let echo = format!(r#"{{"title":"{PHONE}","detail":"{NAME}","status":503}}"#);
        let server =
            ScriptedServer::start(vec![Reply::json(503, "", &echo), Reply::Reset, Reply::json(200, "", &echo)]).await;
        exercise(&client_for(server.environment(), credentials()).retry(quick_retries()).build().unwrap()).await;
        let sandbox = CheckedSandbox::start().await;
        sandbox.faults().next("capturePayment", Fault::status(503));
        exercise(&sandbox.client_builder().retry(quick_retries()).build().unwrap()).await;
    });
    WATCHED.set(false);
    let text = String::from_utf8(collected.0.lock().unwrap().clone()).unwrap();
    for seen in ["vipps.call", "vipps.attempt", "http.response.status_code", "capturePayment", "hyper"] {
        assert!(text.contains(seen), "the traces have {seen}");
    }
    assert_hidden(&text, "a trace");
    for secret in ["test-client-secret", "test-subscription-key", "landing?token="] {
        assert!(!text.contains(secret), "a trace shows {secret}");
    }
}

#[tokio::test]
async fn a_sandbox_shows_neither_credentials_nor_tokens_nor_secrets_of_webhooks() {
    let mut options = vipps_sandbox::Options::default();
    options.client_secrets = vec!["callback-5ecret".to_owned()];
    options.subscription_keys = vec!["landing-5ecret".to_owned()];
    assert_hidden(&format!("{options:?}"), "Options");
    let sandbox = CheckedSandbox::start_with(options).await;
    let client = client_for(sandbox.environment(), sandbox.credentials()).build().unwrap();
    let registered =
        client.webhooks().register("https://acme.example", ["epayments.payment.created.v1"]).await.unwrap();
    let inner: &vipps_sandbox::Sandbox = &sandbox;
    let shown = format!("{inner:?} {:?} {:?} {:?}", inner.customer(), inner.clock(), inner.faults());
    assert_hidden(&shown, "Sandbox");
    assert!(!shown.contains(registered.secret().reveal().as_str()), "{shown}");
}

#[tokio::test]
#[should_panic(expected = "unknown operation `capturePaymnet` (known operations: ")]
async fn a_fault_of_an_operation_that_no_document_has_ends_the_test() {
    CheckedSandbox::start().await.faults().next("capturePaymnet", Fault::reset());
}
