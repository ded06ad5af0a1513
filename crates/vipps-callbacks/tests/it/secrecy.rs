use vipps_callbacks::{
    CardCall, Event, LogisticsRequest, MakePayment, Registration, SessionCompleted, ShippingRequest, Signer, TokenAuth,
    Verifier,
};

use crate::{URL, now, signed};

const MARK: &str = "canary-4798765432";

fn assert_hidden(shown: &str, place: &str) {
    assert!(!shown.contains("canary"), "{place} shows it: {shown}");
}

#[test]
fn no_secret_and_no_token_is_printed() {
    let registration = Registration::new(&format!("{URL}&token={MARK}"), MARK).unwrap().id("r-1");
    let verifier = Verifier::builder().registration(registration.clone()).clock(now).diagnose();
    assert_hidden(&format!("{verifier:?}"), "VerifierBuilder");
    let verifier = verifier.build();
    let auth = TokenAuth::new(MARK).unwrap();
    let signer = Signer::new(registration.clone());
    assert_hidden(&format!("{verifier:?} {registration:?} {auth:?} {signer:?}"), "Debug");
    assert_hidden(&format!("{:?}", Registration::new(MARK, "x").unwrap_err()), "RegistrationError");
    let fields = signed(registration, 0, b"{}");
    let mut bodies = vec![(fields.clone(), &b"{\"canary\":1}"[..])];
    for index in 0..fields.len() {
        for value in [String::new(), MARK.to_owned(), format!("HMAC-SHA256 SignedHeaders={MARK}")] {
            let mut changed = fields.clone();
            changed[index].1 = value;
            bodies.push((changed, b"{}"));
        }
    }
    for (fields, body) in bodies {
        if let Err(refusal) = verifier.verify(fields, body) {
            assert_hidden(&format!("{refusal} {refusal:?}"), "Refusal");
        }
    }
    let headers = [("authorization", "canary-of-another")];
    let refusal = auth.receive::<MakePayment, _, _>(headers, MARK.as_bytes()).unwrap_err();
    assert_hidden(&format!("{refusal} {refusal:?}"), "Refusal");
}

/// Every text of a body but its ids is marked.
#[test]
fn no_personal_member_of_a_body_is_printed() {
    let members = [
        "sub",
        "customerToken",
        "auth_req_id",
        "idempotencyKey",
        "paymentMethod",
        "streetAddress",
        "postalCode",
        "region",
        "AddressLine1",
        "City",
        "PostCode",
        "userToken",
        "binNumber",
        "failureText",
        "unheardOf",
        "softDeclineCompletedRedirectUrl",
    ];
    let texts: Vec<String> = members.iter().map(|name| format!(r#""{name}":"{MARK}""#)).collect();
    let objects =
        ["userDetails", "shippingDetails", "billingDetails", "userInfo", "profile", "networkToken", "cardInfo"];
    let objects = objects.map(|name| format!(r#""{name}":{{"firstName":"{MARK}","number":"{MARK}","sub":"{MARK}"}}"#));
    let personal = format!("{},{}", texts.join(","), objects.join(","));
    let operations = format!(r#""operations":[{{"operation":"3dssuccess","url":"https://{MARK}"}}]"#);
    let kinds = [
        r#""reference":"a","name":"AUTHORIZED""#,
        r#""eventType":"recurring.charge-failed.v1","chargeId":"c""#,
        r#""eventType":"recurring.agreement-stopped.v1""#,
        r#""eventType":"donations.agreement.started.v1""#,
        r#""merchantQrId":"till""#,
        r#""eventType":"login.merchant-initiated.ping.v1""#,
        r#""eventType":"gifts.sent.v1""#,
    ];
    let registration = Registration::new(URL, "secret").unwrap();
    let verifier = Verifier::builder().registration(registration.clone()).clock(now).build();
    for kind in kinds {
        let body = format!("{{{kind},{personal}}}");
        let event = Event::read(body.as_bytes());
        let (key, subject) = (event.key().to_string(), event.subject());
        assert_hidden(&format!("{event:?} {event:#?} {key} {subject:?}"), kind);
        if let Event::Payment(event) = &event {
            let shown = format!("{:?} {:?} {:?}", event.user_details(), event.shipping_details(), event.customer_sub());
            assert_hidden(&shown, "details");
        }
        let delivery = verifier.verify(signed(registration.clone(), 0, body.as_bytes()), body.as_bytes()).unwrap();
        assert_hidden(&format!("{delivery:?}"), "Delivery");
    }
    let body = format!(
        r#"{{"reference":"a","sessionState":"SessionExpired","pspTransactionId":"p","paymentState":"ACCEPTED","authorizationAttemptId":"a",{operations},{personal}}}"#
    );
    let (auth, none): (_, [(&str, &str); 0]) = (TokenAuth::anyone(), []);
    let session: SessionCompleted = auth.receive(none, body.as_bytes()).unwrap();
    let shipping: ShippingRequest = auth.receive(none, body.as_bytes()).unwrap();
    let logistics: LogisticsRequest = auth.receive(none, body.as_bytes()).unwrap();
    let payment: MakePayment = auth.receive(none, body.as_bytes()).unwrap();
    assert_hidden(&format!("{session:?} {:?} {:?}", session.shipping_details(), session.raw()), "SessionCompleted");
    assert_hidden(&format!("{shipping:?} {logistics:?} {payment:?}"), "calls");
    let MakePayment::Accepted(accepted) = payment else { panic!("accepted") };
    let answer = accepted.soft_decline(&format!("https://psp.example/3ds?session={MARK}")).unwrap();
    assert_hidden(&format!("{answer:?} {:?}", vipps_callbacks::Answer::from(answer.clone())), "MakePaymentAnswer");
    let (token, urls) = (accepted.network_token().unwrap(), accepted.return_urls());
    assert_hidden(&format!("{accepted:?} {token:?} {:?} {urls:?}", token.number()), "AcceptedPayment");
    let delivery = verifier.verify(signed(registration, 0, body.as_bytes()), body.as_bytes()).unwrap();
    let card = CardCall::try_from(&delivery).unwrap();
    let shown = format!("{card:?} {:?} {:?}", card.network_token(), card.soft_decline_completed_redirect_url());
    assert_hidden(&shown, "CardCall");
}
