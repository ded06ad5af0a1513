use std::time::Duration;

use futures_util::stream;
use vipps::epayment::enums::{PaymentEventName, State};
use vipps::{Amount, Client, Decision, Error, MerchantSerialNumber, NewPayment};
use vipps_sandbox::{Fault, Options};
use vipps_tests::{CheckedSandbox, SkippingClock};

const REFERENCE: &str = "acme-order-1042";

fn order() -> NewPayment {
    NewPayment::web_redirect(REFERENCE, Amount::nok_minor(1000), "https://acme.example/thanks")
}

async fn created() -> (CheckedSandbox, Client) {
    let sandbox = CheckedSandbox::start().await;
    let client = sandbox.client();
    client.payments().create(order().metadata("cart", "7")).await.unwrap();
    (sandbox, client)
}

#[tokio::test]
async fn a_payment_from_creation_to_its_closing_figures() {
    let (sandbox, client) = created().await;
    let payments = client.payments();
    let waiting = payments.get(REFERENCE).await.unwrap();
    assert_eq!(waiting.state(), &State::Created);
    assert!(waiting.redirect_url().unwrap().starts_with(sandbox.base_url()));
    assert_eq!(waiting.raw().metadata.as_ref().unwrap()["cart"].reveal(), "7");
    sandbox.customer().approves(REFERENCE).await.unwrap();
    let captured = payments.capture(REFERENCE, Amount::nok_minor(600)).await.unwrap();
    assert_eq!(captured.capturable(), Ok(Amount::nok_minor(400)));
    payments.refund(REFERENCE, Amount::nok_minor(100)).await.unwrap();
    let cancelled = payments.cancel(REFERENCE).await.unwrap();
    assert_eq!(cancelled.aggregate().cancelled(), &Amount::nok_minor(400));
    let names: Vec<_> =
        payments.events(REFERENCE).await.unwrap().iter().map(|event| event.name().cloned().unwrap()).collect();
    use PaymentEventName::{Authorized, Cancelled, Captured, Created, Refunded};
    assert_eq!(names, [Created, Authorized, Captured, Refunded, Cancelled]);
    let closing = payments.get(REFERENCE).await.unwrap();
    let money = closing.aggregate();
    let figures = [money.authorized(), money.captured(), money.cancelled(), money.refunded()].map(Amount::minor_units);
    assert_eq!(figures, [1000, 600, 400, 100]);
    assert_eq!(closing.psp_reference(), captured.psp_reference());
}

#[tokio::test]
async fn two_captures_are_two_operations_and_one_repeated_is_one() {
    let (sandbox, client) = created().await;
    sandbox.customer().approves(REFERENCE).await.unwrap();
    let capture = || client.payments().capture(REFERENCE, Amount::nok_minor(100));
    capture().await.unwrap();
    capture().await.unwrap();
    assert_eq!(sandbox.money(REFERENCE, "captured"), Some(200));
    for _ in 0..3 {
        capture().derived_key(3).await.unwrap();
    }
    assert_eq!(sandbox.money(REFERENCE, "captured"), Some(300));
    client.payments().refund(REFERENCE, Amount::nok_minor(100)).derived_key(3).await.unwrap();
    assert_eq!(sandbox.money(REFERENCE, "refunded"), Some(100), "the same number is another key for another operation");
}

#[tokio::test]
async fn cancel_only_if_not_authorized_leaves_an_authorized_payment_alone() {
    let (sandbox, client) = created().await;
    sandbox.customer().approves(REFERENCE).await.unwrap();
    let error = client.payments().cancel(REFERENCE).only_if_not_authorized().await.unwrap_err();
    assert!(matches!(&error, Error::Refused(no) if no.code() == Some("6060")), "{error:?}");
    assert_eq!(sandbox.money(REFERENCE, "cancelled"), Some(0));
}

#[tokio::test]
async fn force_approve_by_phone_and_by_token() {
    let (sandbox, client) = created().await;
    client.payments().force_approve(REFERENCE).phone_number("4712345678").await.unwrap();
    assert_eq!(sandbox.money(REFERENCE, "authorized"), Some(1000));
    let other = "acme-order-1043";
    let order = NewPayment::web_redirect(other, Amount::nok_minor(1000), "https://acme.example/thanks");
    let created = client.payments().create(order).await.unwrap();
    let token = created.redirect_url().unwrap().split("token=").nth(1).unwrap().to_owned();
    let wrong = client.payments().force_approve(other).token("not-this-one").await.unwrap_err();
    assert_eq!(wrong.code(), Some("10010"));
    client.payments().force_approve(other).token(token).await.unwrap();
    assert_eq!(sandbox.money(other, "authorized"), Some(1000));
    let again = client.payments().force_approve(REFERENCE).await.unwrap_err();
    assert_eq!(again.code(), Some("6230"));
}

/// What ends a wait, before it begins.
async fn decided(act: impl AsyncFnOnce(&CheckedSandbox, &Client)) -> Decision {
    let (sandbox, client) = created().await;
    act(&sandbox, &client).await;
    let wait = client.payments().wait_for_decision(REFERENCE).first_poll_after(Duration::from_millis(1));
    wait.poll_every(Duration::from_millis(5)).deadline(Duration::from_millis(60)).await.unwrap()
}

#[tokio::test]
async fn a_wait_ends_with_what_was_decided() {
    let authorized = decided(async |sandbox, _| sandbox.customer().approves(REFERENCE).await.unwrap()).await;
    assert!(matches!(authorized, Decision::Authorized(payment) if payment.capturable() == Ok(Amount::nok_minor(1000))));
    assert_eq!(
        decided(async |sandbox, _| sandbox.customer().aborts(REFERENCE).await.unwrap()).await,
        Decision::Aborted
    );
    assert_eq!(
        decided(async |sandbox, _| sandbox.clock().advance(Duration::from_secs(600)).await).await,
        Decision::Expired
    );
    let cancelled = decided(async |_, client| drop(client.payments().cancel(REFERENCE).await.unwrap())).await;
    assert_eq!(cancelled, Decision::Terminated);
    let undecided = decided(async |_, _| {}).await;
    assert!(matches!(undecided, Decision::Undecided(payment) if payment.state() == &State::Created));
}

#[tokio::test]
async fn a_hint_wakes_the_wait_before_its_time() {
    let (sandbox, client) = created().await;
    let customer = sandbox.customer();
    let hints = stream::once(async move { customer.approves(REFERENCE).await.unwrap() });
    // Without the hint this would take an hour.
    let wait = client
        .payments()
        .wait_for_decision(REFERENCE)
        .first_poll_after(Duration::from_secs(3600))
        .deadline(Duration::from_secs(7200));
    assert!(matches!(wait.hints(hints).await, Ok(Decision::Authorized(_))));
}

#[tokio::test]
async fn a_wait_outlives_faults_and_a_payment_that_is_not_there_yet() {
    let (sandbox, _) = created().await;
    let client = sandbox.client_builder().clock(SkippingClock::new()).build().unwrap();
    sandbox.customer().approves(REFERENCE).await.unwrap();
    sandbox.faults().times("getPayment", 2, Fault::status(404));
    sandbox.faults().times("getPayment", 5, Fault::status(503));
    let wait = client.payments().wait_for_decision(REFERENCE);
    assert!(matches!(wait.await, Ok(Decision::Authorized(_))));
    let error = client.payments().wait_for_decision("acme-nobody-1").await.unwrap_err();
    assert_eq!(error.code(), Some("5090"));
}

#[tokio::test]
async fn one_client_acts_for_several_sales_units_with_one_token() {
    let mut options = Options::default();
    options.merchant_serial_numbers = vec!["123456".into(), "654321".into()];
    let sandbox = CheckedSandbox::start_with(options).await;
    let client = sandbox.client();
    let other = client.with_sales_unit(MerchantSerialNumber::new("654321").unwrap());
    client.payments().create(order()).await.unwrap();
    other.payments().create(order()).await.unwrap();
    sandbox.customer().of("654321").approves(REFERENCE).await.unwrap();
    assert_eq!(client.payments().get(REFERENCE).await.unwrap().state(), &State::Created);
    assert_eq!(other.payments().get(REFERENCE).await.unwrap().state(), &State::Authorized);
    assert_eq!(sandbox.count("fetchAuthorizationTokenUsingPost"), 1);
}

#[tokio::test]
async fn every_flow_has_its_redirect() {
    let sandbox = CheckedSandbox::start().await;
    let payments = sandbox.client().payments();
    let amount = || Amount::nok_minor(100);
    let redirect =
        async |payment: NewPayment| payments.create(payment).await.unwrap().redirect_url().map(str::to_owned);
    let landing = format!("{}/landing?token=", sandbox.base_url());
    assert!(
        redirect(NewPayment::web_redirect("acme-web-1", amount(), "https://a.example"))
            .await
            .unwrap()
            .starts_with(&landing)
    );
    assert!(
        redirect(NewPayment::native_redirect("acme-native-1", amount(), "4712345678", "acme://x"))
            .await
            .unwrap()
            .starts_with("vippsMT://")
    );
    assert_eq!(redirect(NewPayment::push_message("acme-push-1", amount(), "4712345678")).await, None);
    assert!(redirect(NewPayment::qr("acme-qr-12", amount())).await.unwrap().ends_with(".svg"));
}

#[tokio::test]
async fn what_cannot_be_valid_is_never_sent() {
    let sandbox = CheckedSandbox::start().await;
    let client = sandbox.client();
    let payments = client.payments();
    let refused = [
        payments.create(NewPayment::web_redirect("x", Amount::nok_minor(1), "https://a.example")).await.err(),
        payments.capture(REFERENCE, Amount::nok_minor(0)).await.err(),
        payments.refund(REFERENCE, Amount::nok_minor(-5)).await.err(),
        payments.capture("acme/order", Amount::nok_minor(1)).await.err(),
        payments.get("").await.err(),
    ];
    let fields: Vec<Option<String>> = refused
        .iter()
        .map(|error| match error {
            Some(Error::InvalidRequest(no)) => no.field().map(str::to_owned),
            other => panic!("{other:?}"),
        })
        .collect();
    let wanted = ["reference", "modificationAmount.value", "modificationAmount.value", "reference", "reference"];
    assert_eq!(fields, wanted.map(|field| Some(field.to_owned())));
    assert!(sandbox.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_tells_apart_what_can_still_be_captured() {
    let sandbox = CheckedSandbox::start().await;
    let payments = sandbox.client().payments();
    let open = async |name: &str| {
        let order = NewPayment::web_redirect(name, Amount::nok_minor(1000), "https://acme.example/thanks");
        payments.create(order).await.unwrap();
        sandbox.customer().approves(name).await.unwrap();
    };
    let decided = async |name: &str| payments.wait_for_decision(name).look_now().await.unwrap();
    let all = Amount::nok_minor(1000);
    for name in ["acme-order-1", "acme-order-2", "acme-order-3", "acme-order-4", "acme-order-5"] {
        open(name).await;
    }
    assert!(matches!(decided("acme-order-1").await, Decision::Authorized(_)));
    payments.capture("acme-order-2", Amount::nok_minor(300)).await.unwrap();
    assert!(matches!(decided("acme-order-2").await, Decision::Authorized(_)), "some of it is left");
    payments.capture("acme-order-3", all.clone()).await.unwrap();
    assert!(matches!(decided("acme-order-3").await, Decision::Captured(_)));
    payments.capture("acme-order-4", all.clone()).await.unwrap();
    payments.refund("acme-order-4", all).await.unwrap();
    assert!(matches!(decided("acme-order-4").await, Decision::Closed(_)), "given back");
    payments.cancel("acme-order-5").await.unwrap();
    let released = decided("acme-order-5").await;
    assert!(matches!(released, Decision::Closed(_) | Decision::Terminated), "released: {released:?}");
}
