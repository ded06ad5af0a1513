use serde_json::{Value, json};
use vipps_tests::{Http, Receiver};

use super::{PAYMENT, WORD, act, create, nok, order, poll, set, shipping, shop, without};

fn subscription(merchant: &Receiver) -> Value {
    let body = set(without(order(merchant), "/transaction"), "/type", "SUBSCRIPTION".into());
    let coffee = json!({
        "productName": "Coffee box", "amount": nok(9900), "interval": { "unit": "MONTH", "count": 1 },
        "merchantAgreementUrl": "https://acme.example/box"
    });
    set(body, "/subscription", coffee)
}

#[tokio::test]
async fn a_callback_is_tried_again_three_times_at_most() {
    let table = [
        (vec![(200, json!({}))], 1, "delivered"),
        (vec![(204, Value::Null)], 1, "delivered"),
        (vec![(500, Value::Null), (200, json!({}))], 2, "delivered"),
        (vec![(302, Value::Null), (404, Value::Null), (500, Value::Null), (200, json!({}))], 4, "delivered"),
        (vec![(503, Value::Null)], 4, "failed"),
    ];
    for (answers, attempts, state) in table {
        let (http, merchant) = (Http::start_manual().await, Receiver::answering(answers.clone()).await);
        check_attempts(&http, &merchant, attempts, state).await;
    }
    let (http, merchant) = (Http::start_manual().await, Receiver::silent().await);
    http.control("PATCH", "settings", json!({ "deliveryTimeoutMillis": 50 })).await;
    check_attempts(&http, &merchant, 4, "failed").await;
}

async fn check_attempts(http: &Http, merchant: &Receiver, attempts: usize, state: &str) {
    create(http, &order(merchant)).await;
    act(http, "start").await;
    act(http, "pay").await;
    http.advance(86_400).await;
    let received = merchant.received();
    assert_eq!(received.len(), attempts);
    assert!(received.iter().all(|call| call.body == received[0].body), "always the same words");
    assert!(received.iter().all(|call| call.header("authorization").as_deref() == Some(WORD)));
    let (_, deliveries) = http.control("GET", "deliveries", Value::Null).await;
    let call = deliveries.as_array().unwrap().iter().find(|call| call["kind"] == "checkoutCallback").unwrap();
    assert_eq!((call["state"].as_str(), call["attempts"].as_array().unwrap().len()), (Some(state), attempts));
    let number = |text: &str| text.parse::<i64>().unwrap();
    let at = call["attempts"].as_array().unwrap().iter().map(|attempt| {
        let at = attempt["at"].as_str().unwrap();
        number(&at[8..10]) * 86_400 + number(&at[11..13]) * 3600 + number(&at[14..16]) * 60 + number(&at[17..19])
    });
    let at: Vec<i64> = at.collect();
    let waits: Vec<i64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.windows(2).all(|pair| pair[0] < pair[1]), "each wait is longer: {waits:?}");
}

#[tokio::test]
async fn the_chosen_shipping_is_added_to_the_amount() {
    for (choice, price) in [(json!({ "shippingOptionId": "home" }), 99), (json!({}), 49)] {
        let (http, merchant) = shop().await;
        let options = json!([shipping("home", 99, false), shipping("shop", 49, true)]);
        create(&http, &set(order(&merchant), "/logistics/fixedOptions", options)).await;
        let (status, session) = http.control("POST", "sessions/acme-order-42/complete", choice).await;
        assert_eq!((status, &session["paymentDetails"]["amount"]), (200, &nok(1000 + price)));
        assert_eq!(session["shippingDetails"]["amount"], nok(price));
        assert!(session["userInfo"].is_null(), "nobody asked for it");
        let (_, payment) = http.get(PAYMENT).await;
        for amount in [&payment["amount"], &payment["aggregate"]["authorizedAmount"]] {
            assert_eq!(*amount, nok(1000 + price));
        }
    }
}

#[tokio::test]
async fn dynamic_options_win_and_the_fixed_ones_are_the_fallback() {
    let quick = json!([shipping("quick", 199, true)]);
    let table = [
        (Some((200, quick.clone())), "quick", 199),
        (Some((500, quick)), "fixed", 49),
        (Some((200, Value::Null)), "fixed", 49),
        (Some((200, json!([]))), "fixed", 49),
        (Some((200, json!({ "id": "quick" }))), "fixed", 49),
        (None, "fixed", 49),
    ];
    let customer = json!({
        "firstName": "Ada", "lastName": "Lie", "email": "ada@example.com", "phoneNumber": "4791234567",
        "streetAddress": "Storgata 1", "postalCode": "0155", "city": "Oslo", "country": "NO"
    });
    for (answer, chosen, price) in table {
        let (http, merchant) = shop().await;
        let carrier = match answer.clone() {
            Some(answer) => Receiver::answering(vec![answer]).await,
            None => Receiver::silent().await,
        };
        if answer.is_none() {
            http.control("PATCH", "settings", json!({ "logisticsTimeoutMillis": 50 })).await;
        }
        let dynamic = json!({
            "dynamicOptionsCallback": carrier.url("/rates?cart=9"), "fixedOptions": [shipping("fixed", 49, true)]
        });
        create(&http, &set(order(&merchant), "/logistics", dynamic)).await;
        let path = "sessions/acme-order-42/complete";
        let (status, session) = http.control("POST", path, json!({ "customer": customer })).await;
        assert_eq!((status, &session["shippingDetails"]["shippingMethodId"]), (200, &json!(chosen)), "{answer:?}");
        assert_eq!(session["paymentDetails"]["amount"], nok(1000 + price), "{answer:?}");
        assert_eq!(session["shippingDetails"]["streetAddress"], "Storgata 1");
        let call = &carrier.received()[0];
        assert_eq!((&*call.method, &*call.target), ("POST", "/rates?cart=9"));
        assert_eq!(call.header("authorization").as_deref(), Some(WORD));
        let address = json!({ "streetAddress": "Storgata 1", "postalCode": "0155", "region": "Oslo", "country": "NO" });
        assert_eq!(call.json(), address);
    }
    let (http, merchant) = shop().await;
    let carrier = Receiver::answering(vec![(500, Value::Null)]).await;
    create(&http, &set(order(&merchant), "/logistics/dynamicOptionsCallback", carrier.url("/rates").into())).await;
    assert!(act(&http, "pay").await.0 >= 400, "with no option at all the customer cannot go on");
    assert_eq!(poll(&http).await.1["sessionState"], "SessionCreated");
}

#[tokio::test]
async fn money_moves_through_epayment_under_the_same_reference() {
    let (http, merchant) = shop().await;
    create(&http, &order(&merchant)).await;
    assert_eq!(http.get(PAYMENT).await.0, 404, "no payment yet");
    act(&http, "start").await;
    assert_eq!(http.get(PAYMENT).await.1["state"], "CREATED");
    act(&http, "pay").await;
    let part = |value: i64| json!({ "modificationAmount": nok(value) });
    assert_eq!(http.post(&format!("{PAYMENT}/capture"), &part(400)).await.0, 200);
    assert_eq!(http.write("POST", &format!("{PAYMENT}/cancel"), &Value::Null).await.0, 200);
    assert_eq!(http.post(&format!("{PAYMENT}/refund"), &part(100)).await.0, 200);
    let totals = json!({
        "authorizedAmount": nok(1000), "capturedAmount": nok(400),
        "cancelledAmount": nok(600), "refundedAmount": nok(100)
    });
    assert_eq!(poll(&http).await.1["paymentDetails"]["aggregate"], totals);
    assert_eq!(http.get(PAYMENT).await.1["aggregate"], totals);
    let (http, merchant) = shop().await;
    create(&http, &order(&merchant)).await;
    act(&http, "start").await;
    act(&http, "expire").await;
    assert_eq!(http.get(PAYMENT).await.1["state"], "CREATED", "a session under way is not expired");
    assert_eq!(http.write("POST", &format!("{PAYMENT}/cancel"), &Value::Null).await.0, 200, "its payment is cancelled");
    let (_, payment) = http.get(PAYMENT).await;
    assert_eq!((&payment["state"], &payment["aggregate"]["cancelledAmount"]), (&json!("TERMINATED"), &nok(1000)));
    assert_eq!(poll(&http).await.1["sessionState"], "PaymentTerminated", "which ends the session");
}

#[tokio::test]
async fn a_subscription_becomes_an_agreement() {
    let table = [
        ("pay", "ACTIVE", "PaymentSuccessful"),
        ("quit", "STOPPED", "PaymentTerminated"),
        ("seconds 660", "EXPIRED", "PaymentTerminated"),
    ];
    for (step, status, state) in table {
        let (http, merchant) = shop().await;
        create(&http, &subscription(&merchant)).await;
        assert!(poll(&http).await.1["subscriptionDetails"].is_null());
        act(&http, "start").await;
        let (_, session) = poll(&http).await;
        assert_eq!(session["subscriptionDetails"]["state"], "PENDING");
        act(&http, step).await;
        let id = session["subscriptionDetails"]["agreementId"].as_str().unwrap();
        let (_, agreement) = http.get(&format!("/recurring/v3/agreements/{id}")).await;
        assert_eq!((&agreement["status"], &agreement["productName"]), (&json!(status), &json!("Coffee box")));
        assert_eq!((&agreement["pricing"]["amount"], &agreement["interval"]["unit"]), (&json!(9900), &json!("MONTH")));
        let (_, session) = poll(&http).await;
        assert_eq!(
            (&session["sessionState"], &session["subscriptionDetails"]["state"]),
            (&json!(state), &json!(status))
        );
        http.advance(0).await;
        let told: Vec<Value> = merchant.received().iter().map(|call| call.json()).collect();
        assert_eq!(told, [session]);
    }
    let (http, merchant) = shop().await;
    let first = json!({ "amount": nok(500), "paymentDescription": "First box" });
    create(&http, &set(subscription(&merchant), "/transaction", first)).await;
    act(&http, "start").await;
    act(&http, "pay").await;
    let (_, session) = poll(&http).await;
    let id = session["subscriptionDetails"]["agreementId"].as_str().unwrap();
    let (_, charges) = http.get(&format!("/recurring/v3/agreements/{id}/charges")).await;
    assert_eq!((&charges[0]["type"], &charges[0]["amount"]), (&json!("INITIAL"), &json!(500)));
    assert_eq!(session["paymentDetails"]["amount"], nok(500));
}
