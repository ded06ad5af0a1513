use vipps_callbacks::{
    Amount, Answer, CardCall, Carrier, DeliveryType, LogisticsAnswer, LogisticsOption, LogisticsRequest, MakePayment,
    PaymentFailure, Refusal, Registration, SessionCompleted, SessionState, ShippingAnswer, ShippingBrand,
    ShippingGroup, ShippingOption, ShippingRequest, ShippingType, ThreeDSecureResult, TokenAuth, Verifier,
};

use crate::{now, signed};

const TOKEN: &str = "callback-token-1";

fn with_token() -> [(&'static str, &'static str); 1] {
    [("AUTHORIZATION", TOKEN)]
}

fn auth() -> TokenAuth {
    TokenAuth::new(TOKEN).unwrap()
}

fn make_payment(state: &str) -> String {
    format!(
        r#"{{"pspTransactionId":"7686f778","merchantSerialNumber":"123456","paymentState":"{state}","paymentInstrument":"TOKEN","binNumber":"492556","operations":[{{"url":"https://x.example/?responsecode=OK","operation":"3dssuccess"}},{{"operation":"odd"}}],"networkToken":{{"number":"4895370013193500","expiryMonth":"12","expiryYear":2030,"cryptogram":"AA==","tokenType":"VISA","eci":"07"}}}}"#
    )
}

/// The order of members is not ours: a feature of serde_json decides it.
fn assert_answers(answer: impl Into<Answer>, expected: &str) {
    let answer = answer.into();
    assert_eq!(answer.status(), 200);
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parsed(answer.body()), parsed(expected));
}

#[test]
fn a_call_gets_in_by_its_token_alone() {
    let body = make_payment("ACCEPTED");
    let call = |headers: &[(&str, &str)]| auth().receive::<MakePayment, _, _>(headers.iter().copied(), body.as_bytes());
    assert!(call(&with_token()).is_ok());
    let name = "authorization";
    assert_eq!(call(&[]), Err(Refusal::MissingHeader { name }));
    assert_eq!(call(&[("authorization", TOKEN), ("Authorization", TOKEN)]), Err(Refusal::RepeatedHeader { name }));
    for wrong in ["", "callback-token-2", "callback-token-1x", "callback-token-", "Bearer callback-token-1"] {
        assert_eq!(call(&[("authorization", wrong)]), Err(Refusal::Token), "{wrong}");
    }
    let two = TokenAuth::new("old").unwrap().or(TOKEN).unwrap();
    assert!(two.receive::<MakePayment, _, _>(with_token(), body.as_bytes()).is_ok());
    assert!(two.receive::<MakePayment, _, _>([("authorization", "old")], body.as_bytes()).is_ok());
    let none: [(&str, &str); 0] = [];
    assert!(TokenAuth::anyone().receive::<MakePayment, _, _>(none, body.as_bytes()).is_ok());
    for empty in ["", " "] {
        assert!(TokenAuth::new(empty).is_err());
    }
}

#[test]
fn a_body_is_looked_at_only_after_the_token() {
    let call = |headers: [(&'static str, &'static str); 1], body: &str| {
        auth().receive::<SessionCompleted, _, _>(headers, body.as_bytes()).unwrap_err()
    };
    assert_eq!(call([("authorization", "wrong")], "no json"), Refusal::Token);
    for body in ["no json", "[]", "{}", r#"{"reference":"a"}"#, r#"{"reference":null,"sessionState":"x"}"#] {
        assert!(matches!(call(with_token(), body), Refusal::Unreadable { .. }), "{body}");
    }
}

#[test]
fn make_payment_has_the_answers_that_fit_what_the_customer_did() {
    let call = |state: &str| auth().receive(with_token(), make_payment(state).as_bytes()).unwrap();
    let MakePayment::Accepted(accepted) = call("ACCEPTED") else { panic!("accepted") };
    let token = accepted.network_token().unwrap();
    assert_eq!(token.number().unwrap().reveal(), "4895370013193500");
    assert_eq!(token.expiry_year().unwrap().reveal(), "2030", "a number in place of a text");
    assert_eq!((token.token_type(), token.eci().as_deref()), (Some("VISA"), Some("07")));
    let [back] = &accepted.return_urls()[..] else { panic!("one with an address") };
    assert_eq!((back.after(), back.url()), (&ThreeDSecureResult::Success, "https://x.example/?responsecode=OK"));
    assert_answers(accepted.ok(), r#"{"paymentInfo":{"pspTransactionId":"7686f778","status":"OK"}}"#);
    assert_answers(
        accepted.fail(PaymentFailure::refused_by_issuer()),
        r#"{"errorMessage":{"errorId":82,"errorText":"Refused by Issuer"},"paymentInfo":{"pspTransactionId":"7686f778","status":"FAIL"}}"#,
    );
    assert_answers(
        accepted.soft_decline("https://psp.example/3ds/1").unwrap(),
        r#"{"errorMessage":{"errorId":1036,"errorText":"Soft Decline"},"paymentInfo":{"pspTransactionId":"7686f778","status":"SOFT_DECLINE","url3dSecure":"https://psp.example/3ds/1"}}"#,
    );
    assert!(accepted.soft_decline("https://acs.bank.example/app?a=b#/challenge").is_ok(), "a browser goes there");
    for wrong in ["psp.example/3ds", "ftp://psp.example", "https://psp.example/a b", ""] {
        assert!(accepted.soft_decline(wrong).is_err(), "{wrong}");
    }
    let (MakePayment::Cancelled(cancelled), MakePayment::TimedOut(late), MakePayment::Unknown(other)) =
        (call("USER_CANCEL"), call("TIMEOUT"), call("NEW_STATE"))
    else {
        panic!("not paid")
    };
    for (call, text) in [(cancelled, "CANCEL"), (late, "TIMEOUT"), (other, "NO")] {
        let expected = format!(
            r#"{{"errorMessage":{{"errorId":93,"errorText":"Status from Vipps: {text}"}},"paymentInfo":{{"pspTransactionId":"7686f778","status":"FAIL"}}}}"#
        );
        assert_answers(call.acknowledge(), &expected);
    }
}

#[test]
fn a_session_that_ended_says_how_and_what_was_chosen() {
    let body = r#"{"sessionId":"s-1","merchantSerialNumber":123456,"reference":"acme-42","sessionState":"PaymentSuccessful","paymentMethod":"Wallet","paymentDetails":{"type":"Wallet","amount":{"currency":"NOK","value":54900},"state":"AUTHORIZED"},"shippingDetails":{"firstName":"Kari","shippingMethodId":"home"},"billingDetails":null,"customConsentProvided":"yes"}"#;
    let session: SessionCompleted = auth().receive(with_token(), body.as_bytes()).unwrap();
    assert_eq!((session.reference(), session.state()), ("acme-42", &SessionState::PaymentSuccessful));
    assert_eq!((session.amount(), session.msn()), (Some(Amount::nok_minor(54_900)), Some("123456")));
    assert_eq!(session.shipping_method_id().as_deref(), Some("home"));
    assert_eq!(session.shipping_details().unwrap().first_name().unwrap().reveal(), "Kari");
    assert!(session.billing_details().is_none() && session.custom_consent_provided().is_none());
    assert_eq!(session.subject().to_string(), "payment:123456:acme-42");
}

#[test]
fn shipping_is_asked_for_in_either_spelling_and_answered_in_groups() {
    for body in [
        r#"{"reference":"acme-42","AddressLine1":"Street 1","City":"Oslo","PostCode":"0150","Country":"NO"}"#,
        r#"{"Reference":"acme-42","addressLine1":"Street 1","city":"Oslo","postCode":"0150","country":"NO"}"#,
    ] {
        let asked: ShippingRequest = auth().receive(with_token(), body.as_bytes()).unwrap();
        assert_eq!((asked.reference(), asked.country().as_deref()), ("acme-42", Some("NO")));
        assert_eq!(asked.post_code().unwrap().reveal(), "0150");
        assert!(asked.address_line_1().is_some() && asked.address_line_2().is_none());
    }
    let option = |id: &str| ShippingOption::new(id, "At home", Amount::nok_minor(4900));
    let group = |option| ShippingGroup::new(ShippingType::HomeDelivery, ShippingBrand::Posten, option);
    let answer = ShippingAnswer::groups([group(option("home").estimated_delivery("tomorrow"))]).unwrap();
    assert_answers(
        answer,
        r#"{"groups":[{"brand":"POSTEN","isDefault":true,"options":[{"amount":{"currency":"NOK","value":4900},"estimatedDelivery":"tomorrow","id":"home","isDefault":true,"name":"At home","priority":0}],"priority":0,"type":"HOME_DELIVERY"}]}"#,
    );
    let nowhere = Answer::from(ShippingAnswer::cannot_ship());
    assert_eq!((nowhere.status(), nowhere.body()), (400, ""));
    let in_euros = ShippingOption::new("b", "At home", Amount::eur_minor(1));
    let wrong = [
        (vec![], "groups must not be empty"),
        (vec![group(option("a")), group(option("b"))], "groups[1] must not have type and brand"),
        (vec![group(option("a")).option(option("a"))], "groups[0].options[1].id must not be that of another"),
        (vec![group(option("a")).option(in_euros)], "groups[0].options[1].amount must have the currency"),
        (vec![group(option(""))], "groups[0].options[0].id must not be empty"),
        (vec![group(ShippingOption::new("a", "b", Amount::nok_minor(-1)))], "amount must not be negative"),
    ];
    for (groups, expected) in wrong {
        let error = ShippingAnswer::groups(groups).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn logistics_are_answered_by_options_that_a_carrier_has() {
    let body = r#"{"streetAddress":"Street 1","postalCode":"0150","region":"Oslo","country":"NO"}"#;
    let none: [(&str, &str); 0] = [];
    let asked: LogisticsRequest = TokenAuth::anyone().receive(none, body.as_bytes()).unwrap();
    assert_eq!((asked.country(), asked.region().unwrap().reveal().as_str()), (Some("NO"), "Oslo"));
    let option = |id: &str, carrier| LogisticsOption::new(id, carrier, Amount::nok_minor(4900));
    let door = option("door", Carrier::Posten).delivery_type(DeliveryType::HomeDelivery).tax_rate(2500);
    let answer = LogisticsAnswer::options([door.clone(), option("own", Carrier::Other).title("Our van")]).unwrap();
    assert_answers(
        answer,
        r#"[{"amount":{"currency":"NOK","value":4900},"brand":"POSTEN","id":"door","isDefault":true,"priority":0,"taxRate":2500,"type":"HOME_DELIVERY"},{"amount":{"currency":"NOK","value":4900},"brand":"OTHER","id":"own","isDefault":false,"priority":1,"title":"Our van"}]"#,
    );
    assert_answers(LogisticsAnswer::use_fixed_options(), "[]");
    let wrong = [
        (vec![], "options must not be empty"),
        (vec![option("", Carrier::Gls)], "options[0].id must have 1 to 200"),
        (vec![option("a", Carrier::Other)], "options[0].title is required"),
        (vec![option("a", Carrier::Gls).delivery_type(DeliveryType::Mailbox)], "options[0].type is no way"),
        (vec![option("a", Carrier::Gls).tax_rate(10_001)], "options[0].taxRate must be 10000"),
        (vec![option("a", Carrier::Gls).delivery(7)], "options[0].delivery must be an object"),
        (vec![option("a", Carrier::from(""))], "options[0].brand must not be empty"),
        (vec![option("a", Carrier::Other).title("t").custom_type("c")], "options[0].customType is not for"),
        (vec![door.clone(), door], "options[1].id must not be that of another"),
    ];
    for (options, expected) in wrong {
        let error = LogisticsAnswer::options(options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_card_call_is_signed_with_the_client_secret() {
    let registration = Registration::new("https://psp.example/cards", "the-client-secret").unwrap();
    let verifier = Verifier::builder().registration(registration.clone()).clock(now).build();
    let body = r#"{"pspReference":"p-1","authorizationAttemptId":"a-1","merchantSerialNumber":"123456","amount":{"currency":"NOK","value":100},"cardInfo":{"cardType":"VISA_DEBIT","networkToken":{"number":"4895370013193500"}},"softDeclineCompletedRedirectUrl":"https://x.example"}"#;
    let delivery = verifier.verify(signed(registration.clone(), 0, body.as_bytes()), body.as_bytes()).unwrap();
    let call = CardCall::try_from(&delivery).unwrap();
    assert_eq!((call.authorization_attempt_id(), call.psp_reference()), ("a-1", Some("p-1")));
    assert_eq!((call.amount(), call.card_type().as_deref()), (Some(Amount::nok_minor(100)), Some("VISA_DEBIT")));
    assert_eq!(call.network_token().unwrap().number().unwrap().reveal(), "4895370013193500");
    assert_answers(call.reserve("n-1").unwrap(), r#"{"networkTransactionReference":"n-1","status":"RESERVE"}"#);
    assert_answers(call.fail(300, "no"), r#"{"errorCode":300,"errorMessage":"no","status":"FAIL"}"#);
    assert_answers(
        call.soft_decline("https://psp.example/3ds").unwrap(),
        r#"{"softDeclineUrl":"https://psp.example/3ds","status":"SOFT_DECLINE"}"#,
    );
    let other = verifier.verify(signed(registration, 0, b"{}"), b"{}").unwrap();
    assert!(matches!(CardCall::try_from(&other), Err(Refusal::Unreadable { .. })));
}
