//! Every sample of what Vipps sends, made from the documents, is read: whole, and odd in one place.

use serde_json::{Value, json};
use vipps_callbacks::{
    CardCall, Delivery, Event, EventType, Freshness, LogisticsRequest, MakePayment, Registration, SessionCompleted,
    ShippingRequest, Signer, TokenAuth, Verifier,
};

fn samples(component: &str) -> (Value, Vec<(String, Value)>) {
    let all: Value = serde_json::from_str(include_str!(concat!(env!("OUT_DIR"), "/callbacks.json"))).unwrap();
    let odd = all[component]["odd"].as_array().unwrap().iter();
    let odd = odd.map(|odd| (odd[0].as_str().unwrap().to_owned(), odd[1].clone())).collect();
    (all[component]["full"].clone(), odd)
}

fn event(body: &Value) -> Event {
    Event::read(body.to_string().as_bytes())
}

/// The kind of an event, as its Debug begins.
fn kind(event: &Event) -> String {
    format!("{event:?}").split('(').next().unwrap_or_default().to_owned()
}

#[test]
fn every_event_keeps_its_kind_and_its_members_in_every_oddity() {
    let components = [
        ("WebhookEvent", "Payment", &[".reference", ".name"][..]),
        ("RecurringAgreementEvent", "Agreement", &[".eventType"]),
        ("RecurringChargeEvent", "Charge", &[".eventType"]),
        ("QrCheckInEvent", "UserCheckedIn", &[".customerToken"]),
        ("LoginPingEvent", "LoginPing", &[".auth_req_id"]),
    ];
    let mut count = 0;
    for (component, expected, telling) in components {
        let (full, odd) = samples(component);
        assert_eq!(kind(&event(&full)), expected);
        for (note, body) in odd {
            let found = event(&body);
            assert_eq!(found.raw().unwrap().as_value(), &body, "nothing is lost");
            // What tells the kind is missing or new: then it is an event of no known kind.
            let tells = telling.iter().any(|place| note.starts_with(place));
            assert!(tells || kind(&found) == expected, "{component} {note}: {found:?}");
            assert!(!found.key().as_str().is_empty());
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

/// Also what an answer cannot do without, for nothing is indispensable in an event.
#[test]
fn each_member_may_be_missing_null_or_of_another_type() {
    for component in
        ["WebhookEvent", "RecurringAgreementEvent", "RecurringChargeEvent", "QrCheckInEvent", "LoginPingEvent"]
    {
        let (full, _) = samples(component);
        for name in full.as_object().unwrap().keys() {
            let mut missing = full.clone();
            missing.as_object_mut().unwrap().remove(name);
            let odd = [json!(null), json!(7), json!([1]), json!({ "a": 1 }), json!(""), json!(true)];
            let odd = odd.into_iter().map(|value| {
                let mut body = full.clone();
                body[name] = value;
                body
            });
            for body in odd.chain([missing]) {
                let found = event(&body);
                assert_eq!(found.raw().unwrap().as_value(), &body);
                let (key, again) = (found.key().clone(), event(&body));
                assert!(again.key() == &key && format!("{found:?} {:?}", found.subject()).len() > 10, "{name}");
            }
        }
    }
}

#[test]
fn every_member_of_the_documents_has_an_accessor() {
    let (full, _) = samples("WebhookEvent");
    let Event::Payment(payment) = event(&full) else { panic!("{full}") };
    let (user, shipping) = (payment.user_details().unwrap(), payment.shipping_details().unwrap());
    let (home, chosen) = (&user.addresses()[0], shipping.address().unwrap());
    let there = [
        payment.msn().is_some(),
        payment.psp_reference().is_some(),
        payment.amount().is_some(),
        payment.timestamp().is_some_and(|at| at.unix_millis().is_some()),
        payment.idempotency_key().is_some(),
        payment.success().is_some(),
        payment.customer_sub().is_some(),
        payment.capture_guaranteed_until().is_some(),
        user.first_name().and(user.last_name()).and(user.email()).is_some(),
        user.mobile_number().and(user.date_of_birth()).is_some(),
        home.address_line_1().and(home.address_line_2()).and(home.city()).and(home.post_code()).is_some(),
        chosen.country().is_some(),
        shipping.option_id().and(shipping.option_name()).is_some(),
        shipping.cost_minor_units().is_some(),
    ];
    assert_eq!(there, [true; 14]);

    let (full, _) = samples("RecurringChargeEvent");
    let Event::Charge(charge) = event(&full) else { panic!("{full}") };
    let texts =
        [charge.msn(), charge.agreement_id(), charge.charge_id(), charge.external_id(), charge.transaction_id()];
    assert!(
        texts.iter().all(Option::is_some)
            && charge.failure_reason().and(charge.failure_code()).and(charge.failure_text()).is_some()
    );
    let amounts = [charge.amount(), charge.amount_captured(), charge.amount_cancelled(), charge.amount_refunded()];
    assert!(amounts.iter().all(Option::is_some), "{amounts:?}");
    assert!(charge.charge_type().is_some() && charge.occurred().is_some());

    let (full, _) = samples("RecurringAgreementEvent");
    let Event::Agreement(agreement) = event(&full) else { panic!("{full}") };
    let texts = [agreement.msn(), agreement.agreement_id(), agreement.agreement_uuid(), agreement.external_id()];
    assert!(texts.iter().all(Option::is_some) && agreement.actor().is_some() && agreement.occurred().is_some());

    let (full, _) = samples("QrCheckInEvent");
    let Event::UserCheckedIn(check_in) = event(&full) else { panic!("{full}") };
    assert!(check_in.customer_token().is_some() && check_in.initiated_at().is_some());
    assert!(check_in.merchant_qr_id().and(check_in.msn()).is_some());
}

/// A delivery that is signed right.
fn delivered(body: &Value) -> Delivery {
    let registration = Registration::new("https://psp.example/cards", "client-secret").unwrap();
    let verifier = Verifier::builder().registration(registration.clone());
    let verifier = verifier.freshness(Freshness::Window(std::time::Duration::MAX)).build();
    let body = body.to_string();
    let headers = Signer::new(registration).sign(std::time::SystemTime::UNIX_EPOCH, body.as_bytes());
    verifier.verify(headers, body.as_bytes()).unwrap()
}

#[test]
fn every_other_call_is_read_in_every_oddity_that_leaves_what_it_is_about() {
    let none: [(&str, &str); 0] = [];
    let read = |component: &str, body: &Value| {
        let (auth, bytes) = (TokenAuth::anyone(), body.to_string());
        let bytes = bytes.as_bytes();
        match component {
            "DynamicShippingGroupsRequest" => auth.receive::<ShippingRequest, _, _>(none, bytes).map(drop),
            "MerchantLogisticsCallbackRequestBody" => auth.receive::<LogisticsRequest, _, _>(none, bytes).map(drop),
            "SessionResponse" => auth.receive::<SessionCompleted, _, _>(none, bytes).map(drop),
            "MakePaymentRequest" => auth.receive::<MakePayment, _, _>(none, bytes).map(drop),
            _ => CardCall::try_from(&delivered(body)).map(drop),
        }
    };
    let components = [
        ("DynamicShippingGroupsRequest", &[".reference"][..]),
        ("MerchantLogisticsCallbackRequestBody", &[]),
        ("SessionResponse", &[".reference", ".sessionState"]),
        ("MakePaymentRequest", &[".pspTransactionId", ".paymentState"]),
        ("CardCallbackRequest", &[".authorizationAttemptId"]),
    ];
    for (component, needed) in components {
        let (full, odd) = samples(component);
        assert_eq!(read(component, &full), Ok(()), "{component}");
        for (note, body) in odd {
            let needs = needed.iter().any(|place| note.starts_with(place));
            assert!(needs || read(component, &body).is_ok(), "{component} {note}");
        }
    }
    let call = CardCall::try_from(&delivered(&samples("CardCallbackRequest").0)).unwrap();
    assert!(call.psp_reference().and(call.msn()).is_some() && call.amount().is_some());
    assert!(call.card_type().and(call.issuing_country()).is_some() && call.masked_card_number().is_some());
    assert!(call.card_data_type().is_some());
    assert!(call.encrypted_pan().is_some() && call.soft_decline_completed_redirect_url().is_some());
    let accepted: MakePayment =
        TokenAuth::anyone().receive(none, samples("MakePaymentRequest").0.to_string().as_bytes()).unwrap();
    let MakePayment::Accepted(accepted) = accepted else { panic!("accepted") };
    let token = accepted.network_token().unwrap();
    assert!(token.number().and(token.cryptogram()).and(token.expiry_month()).and(token.expiry_year()).is_some());
    assert!(accepted.payment_instrument().is_some() && accepted.user_token().is_some());
    assert!(token.token_type().is_some() && token.eci().is_some() && accepted.bin_number().is_some());
}

/// The names stand in the document's prose, since new ones come without notice.
#[test]
fn event_types_are_those_of_the_document() {
    let document = include_str!("../../openapi/webhooks.yaml");
    let prose = document.split("Event types to deliver.").nth(1).unwrap().split("items:").next().unwrap();
    let named = prose.split('`').filter(|word| word.ends_with(".v1"));
    let mut named: Vec<&str> = named.collect();
    let mut known = EventType::KNOWN.to_vec();
    named.sort_unstable();
    known.sort_unstable();
    assert_eq!(known, named);
}

#[test]
fn a_session_that_ended_is_the_type_that_the_facade_reads() {
    let none: [(&str, &str); 0] = [];
    let (full, _) = samples("SessionResponse");
    let session: SessionCompleted = TokenAuth::anyone().receive(none, full.to_string().as_bytes()).unwrap();
    let decoded: vipps::checkout::types::SessionResponse = session.decode().unwrap();
    assert_eq!(json!(decoded.reference), json!(session.reference()));
    assert!(session.amount().is_some() && session.session_id().and(session.payment_method()).is_some());
    assert!(session.agreement_id().and(session.shipping_method_id()).and(session.subscription_state()).is_some());
    assert!(session.authorized_amount().and(session.shipping_amount()).is_some());
    assert!(session.payment_state().and(session.pickup_point_id()).and(session.timeslot_id()).is_some());
    assert!(session.customer_sub().is_some());
    let (to, who) = (session.shipping_details().unwrap(), session.billing_details().unwrap());
    assert!(to.first_name().and(to.last_name()).and(to.email()).and(to.phone_number()).is_some());
    assert!(who.street_address().and(who.postal_code()).and(who.city()).and(who.country()).is_some());
}
