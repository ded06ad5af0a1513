//! Where rules of Checkout end: money with shipping, kinds of sessions, payment under way.

use super::*;

/// What one dynamic answer makes of a session whose fixed option costs 900.
async fn paid_with(options: Value) -> Value {
    let merchant = Receiver::answering(vec![(200, options)]).await;
    let http = Http::start_manual().await;
    let logistics = json!({
        "dynamicOptionsCallback": merchant.url("/options"), "fixedOptions": [shipping("fixed", 900, true)]
    });
    create(&http, &set(order(&merchant), "/logistics", logistics)).await;
    let (status, session) = http.control("POST", "sessions/acme-order-42/complete", json!({})).await;
    assert_eq!(status, 200, "{session}");
    session["paymentDetails"]["amount"]["value"].clone()
}

#[tokio::test]
async fn options_that_break_the_contract_leave_the_fixed_ones() {
    assert_eq!(paid_with(json!([shipping("dyn", 300, true)])).await, 1300);
    for broken in [
        json!([{ "id": "dyn" }]),
        json!([shipping("dyn", -500, true)]),
        json!([set(shipping("dyn", 300, true), "/amount/value", "300".into())]),
        json!([set(shipping("dyn", 300, true), "/amount/value", json!(2_147_483_648_u64))]),
        json!([set(shipping("dyn", 300, true), "/amount/currency", "EUR".into())]),
        json!([set(shipping("dyn", 300, true), "/brand", "DHL".into())]),
    ] {
        assert_eq!(paid_with(broken.clone()).await, 1900, "{broken}");
    }
}

#[tokio::test]
async fn shipping_is_in_the_currency_of_the_transaction_and_their_sum_is_bounded() {
    let (http, merchant) = shop().await;
    let http = http.tolerant();
    let with = |option: Value| set(order(&merchant), "/logistics", json!({ "fixedOptions": [option] }));
    for (body, field) in [
        (
            with(set(shipping("a", 100, true), "/amount/currency", "EUR".into())),
            "Logistics.FixedOptions[0].Amount.Currency",
        ),
        (with(shipping("a", i64::from(i32::MAX), true)), "Logistics.FixedOptions[0].Amount.Value"),
        (with(set(shipping("a", 100, true), "/brand", "DHL".into())), "Logistics.FixedOptions[0].Brand"),
        (set(order(&merchant), "/transaction/amount/value", json!(100.0)), "Transaction.Amount.Value"),
    ] {
        let (status, refused) = http.checkout("POST", SESSIONS, &body).await;
        assert_eq!((status, refused["errors"][field].is_array()), (400, true), "{field}: {refused}");
    }
}

#[tokio::test]
async fn an_update_takes_what_a_creation_takes() {
    let (http, merchant) = shop().await;
    let http = http.tolerant();
    create(&http, &order(&merchant)).await;
    let summary = json!({ "orderLines": [line()], "orderBottomLine": { "currency": "NOK" } });
    let transaction = set(order(&merchant)["transaction"].clone(), "/orderSummary", summary);
    let courier = json!({ "id": "p", "priority": 0, "isDefault": true, "brand": "PORTERBUDDY" });
    let change = json!({ "transaction": transaction, "logisticOptions": [courier] });
    assert_eq!(http.checkout("PATCH", SESSION, &change).await.0, 200);
}

fn subscription(merchant: &Receiver) -> Value {
    let terms = json!({
        "productName": "Box", "amount": nok(9900), "interval": { "unit": "MONTH", "count": 1 },
        "merchantAgreementUrl": "https://acme.example/boxes"
    });
    set(set(order(merchant), "/type", "SUBSCRIPTION".into()), "/subscription", terms)
}

#[tokio::test]
async fn a_subscription_has_no_shipping_and_the_currency_of_its_market() {
    let (http, merchant) = shop().await;
    let http = http.tolerant();
    let logistics = json!({ "fixedOptions": [shipping("post", 700, true)] });
    create(&http, &set(subscription(&merchant), "/logistics", logistics)).await;
    let options = json!({ "logisticOptions": [shipping("post", 700, true)] });
    assert_eq!(http.checkout("PATCH", SESSION, &options).await.0, 400);
    let (_, session) = http.control("POST", "sessions/acme-order-42/complete", json!({})).await;
    assert_eq!(
        (&session["paymentDetails"]["amount"]["value"], &session["shippingDetails"]),
        (&json!(1000), &Value::Null)
    );
    let foreign = set(subscription(&merchant), "/subscription/amount/currency", "DKK".into());
    let foreign = set(foreign, "/reference", "acme-order-43".into());
    let (status, refused) = http.checkout("POST", SESSIONS, &foreign).await;
    assert_eq!((status, refused["errors"]["Subscription.Amount.Currency"].is_array()), (400, true), "{refused}");
}

#[tokio::test]
async fn a_reference_in_the_old_place_has_the_length_of_one() {
    let (http, merchant) = shop().await;
    let http = http.tolerant();
    let body = set(without(order(&merchant), "/reference"), "/transaction/reference", "abc".into());
    assert_eq!(http.checkout("POST", SESSIONS, &body).await.0, 400);
    let empty = set(subscription(&merchant), "/reference", "".into());
    assert_eq!(http.checkout("POST", SESSIONS, &empty).await.0, 400);
}

#[tokio::test]
async fn where_sessions_under_way_can_be_expired_one_is_not_while_its_customer_pays() {
    let (http, merchant) = shop().await;
    http.control("PATCH", "settings", json!({ "expireInitiatedSessions": true })).await;
    create(&http, &order(&merchant)).await;
    let act = async |name: &str| http.control("POST", name, json!({})).await.0;
    assert_eq!(act("sessions/acme-order-42/initiate").await, 200);
    assert_eq!(act("payments/acme-order-42/hold").await, 200);
    let expire = format!("{SESSION}/expire");
    let (status, refused) = http.checkout("POST", &expire, &Value::Null).await;
    assert_eq!((status, &refused["errorCode"]), (400, &json!("Session-00400")));
    assert_eq!(poll(&http).await.1["sessionState"], "PaymentInitiated");
    assert_eq!(act("payments/acme-order-42/release").await, 200);
    assert_eq!(http.checkout("POST", &expire, &Value::Null).await.0, 200);
    let session = poll(&http).await.1;
    assert_eq!(
        (&session["sessionState"], &session["paymentDetails"]["state"]),
        (&json!("SessionExpired"), &json!("TERMINATED"))
    );
}

#[tokio::test]
async fn a_customer_gives_up_without_choosing_how_to_have_it_sent() {
    let (http, merchant) = shop().await;
    let logistics = json!({ "dynamicOptionsCallback": merchant.url("/options") });
    create(&http, &set(order(&merchant), "/logistics", logistics)).await;
    assert_eq!(http.control("POST", "sessions/acme-order-42/abandon", json!({})).await.0, 200);
    assert_eq!(poll(&http).await.1["sessionState"], "PaymentTerminated");
}

#[tokio::test]
async fn a_bank_transfer_has_no_payment_behind_it() {
    let (http, merchant) = shop().await;
    create(&http, &order(&merchant)).await;
    let (_, session) =
        http.control("POST", "sessions/acme-order-42/complete", json!({ "paymentMethod": "BankTransfer" })).await;
    assert_eq!(session["sessionState"], "PaymentSuccessful");
    assert_eq!(session["paymentDetails"], json!({ "type": "BankTransfer", "amount": nok(1000) }));
    assert_eq!(http.get(PAYMENT).await.0, 404);
}

#[tokio::test]
async fn what_is_prefilled_and_cannot_be_true_is_asked_for_again() {
    let (http, merchant) = shop().await;
    let odd = json!({ "firstName": "Kari", "phoneNumber": "not a phone", "email": "nope", "country": "Narnia" });
    create(&http, &set(order(&merchant), "/prefillCustomer", odd)).await;
    let (_, session) = http.control("POST", "sessions/acme-order-42/complete", json!({})).await;
    let billing = &session["billingDetails"];
    assert_eq!((&billing["firstName"], &billing["country"]), (&json!("Kari"), &json!("NO")));
    assert!(billing["email"].as_str().unwrap().contains('@'), "{billing}");
}
