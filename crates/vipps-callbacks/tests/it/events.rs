use std::collections::BTreeSet;

use vipps_callbacks::{Actor, Amount, ChargeType, Event, EventType, PaymentEventName};

use crate::CAPTURED;

fn read(json: &str) -> Event {
    Event::read(json.as_bytes())
}

fn payment(psp_reference: &str, amount: i64) -> String {
    CAPTURED.replace("4410027731", psp_reference).replace("8000", &amount.to_string())
}

#[test]
fn a_payment_event_says_what_happened_with_its_own_amount() {
    let Event::Payment(event) = read(CAPTURED) else { panic!("a payment") };
    assert_eq!((event.name(), event.event_type()), (&PaymentEventName::Captured, EventType::PaymentCaptured));
    assert_eq!((event.reference(), event.msn(), event.success()), ("acme-42", Some("123456"), Some(true)));
    assert_eq!(event.amount(), Some(Amount::dkk_minor(8000)));
    assert_eq!(event.idempotency_key(), Some("acme-42-capture-1"));
    assert_eq!(read(CAPTURED).subject().unwrap().to_string(), "payment:123456:acme-42");
}

#[test]
fn what_a_customer_shared_is_read_at_both_places_and_of_the_two_the_top_one_counts() {
    let body = |members: &str| CAPTURED.replace("CAPTURED", "AUTHORIZED").replace("\"success\":true", members);
    for (members, sub) in [
        (r#""sub":"top""#, Some("top")),
        (r#""profile":{"sub":"inner"}"#, Some("inner")),
        (r#""sub":"top","profile":{"sub":"inner"}"#, Some("top")),
        (r#""sub":null,"profile":{"sub":"inner"}"#, Some("inner")),
        (r#""profile":"odd""#, None),
    ] {
        let Event::Payment(event) = read(&body(members)) else { panic!("a payment") };
        assert_eq!(event.customer_sub().map(|sub| sub.into_inner()).as_deref(), sub, "{members}");
        assert_eq!(event.success(), None, "not said is not false");
    }
    let details = r#""userDetails":{"firstName":"Kari","addresses":[{"city":"Oslo"},7]},"shippingDetails":{"address":{"postCode":"0150"},"shippingCost":4900,"shippingOptionId":"home"}"#;
    let Event::Payment(event) = read(&body(details)) else { panic!("a payment") };
    let (user, shipping) = (event.user_details().unwrap(), event.shipping_details().unwrap());
    assert_eq!((user.first_name().unwrap().reveal().as_str(), user.email()), ("Kari", None));
    assert_eq!(user.addresses()[0].city().unwrap().reveal(), "Oslo");
    assert_eq!((shipping.option_id(), shipping.cost_minor_units()), (Some("home"), Some(4900)));
    assert_eq!(shipping.address().unwrap().post_code().unwrap().reveal(), "0150");
}

#[test]
fn a_charge_event_has_the_amounts_of_its_operation_in_its_currency() {
    let body = r#"{"agreementId":"agr_5kSeqz","chargeId":"acme-2026-08","chargeType":"RECURRING","eventType":"recurring.charge-captured.v1","amount":49900,"amountCaptured":20000,"currency":"NOK","occurred":"2026-08-01T10:00:00Z","msn":"123456"}"#;
    let Event::Charge(event) = read(body) else { panic!("a charge") };
    assert_eq!((event.event_type(), event.charge_type()), (&EventType::ChargeCaptured, Some(ChargeType::Recurring)));
    assert_eq!(event.amount(), Some(Amount::nok_minor(49_900)));
    assert_eq!(event.amount_captured(), Some(Amount::nok_minor(20_000)));
    assert_eq!((event.amount_refunded(), event.agreement_id()), (None, Some("agr_5kSeqz")));
    assert_eq!(read(body).subject().unwrap().to_string(), "charge:123456:acme-2026-08");
    let Event::Charge(event) = read(&body.replace("49900", "49900.5").replace("20000", "20000.0")) else {
        panic!("a charge")
    };
    assert_eq!((event.amount(), event.amount_captured()), (None, None), "a float is no amount");
}

#[test]
fn an_agreement_event_says_who_stopped_it_under_both_spellings() {
    for (member, actor) in [
        ("\"actor\":\"USER\"", Some(Actor::User)),
        ("\"Actor\":\"ADMIN\"", Some(Actor::Admin)),
        ("\"actor\":\"ROBOT\"", Some(Actor::Unknown("ROBOT".to_owned()))),
        ("\"x\":1", None),
    ] {
        let body = format!(r#"{{"agreementId":"agr_1","eventType":"recurring.agreement-stopped.v1",{member}}}"#);
        let Event::Agreement(event) = read(&body) else { panic!("an agreement") };
        assert_eq!((event.actor(), event.event_type()), (actor, &EventType::AgreementStopped));
    }
}

#[test]
fn a_member_that_no_value_can_hold_spoils_nothing_else() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for odd in [r#""K\ud83d""#, "1e400", &deep] {
        let body =
            CAPTURED.replace("\"success\":true", &format!("\"userDetails\":{{\"firstName\":{odd}}},\"success\":true"));
        let Event::Payment(event) = read(&body) else { panic!("{odd}") };
        assert_eq!((event.reference(), event.success()), ("acme-42", Some(true)), "{odd}");
        assert_eq!(event.key(), read(CAPTURED).key());
        assert!(event.user_details().is_none() && event.amount().is_some());
    }
}

#[test]
fn the_kind_is_told_by_what_is_there() {
    let cases = [
        (r#"{"reference":"a","name":"FROZEN"}"#, "Payment"),
        (r#"{"eventType":"recurring.agreement-paused.v1","agreementId":"a"}"#, "Agreement"),
        (r#"{"eventType":"recurring.charge-disputed.v1","chargeId":"a"}"#, "Charge"),
        (r#"{"eventType":"recurring.agreement-expired.v1","agreementId":"a","chargeId":"c"}"#, "Agreement"),
        (r#"{"name":"recurring.charge-failed.v1","chargeId":"a"}"#, "Charge"),
        (r#"{"name":"recurring.agreement-activated.v1","reference":"x"}"#, "Agreement"),
        (r#"{"customerToken":"t","merchantQrId":"till-3","MerchantSerialNumber":123456}"#, "UserCheckedIn"),
        (r#"{"auth_req_id":"x"}"#, "LoginPing"),
        (r#"{"eventType":"donations.agreement.started.v1","agreementId":"a"}"#, "Donation"),
        (r#"{"eventType":"gifts.sent.v1"}"#, "Unknown"),
        (r#"{"reference":null,"name":"CAPTURED"}"#, "Unknown"),
        ("{}", "Unknown"),
        ("[1]", "Unknown"),
        ("no json", "Unknown"),
        ("", "Unknown"),
    ];
    for (body, kind) in cases {
        let event = read(body);
        assert!(format!("{event:?}").starts_with(kind), "{body}: {event:?}");
        assert_eq!(format!("{:?}", read(&format!("\u{feff}{body}"))).split('(').next(), Some(kind), "with a mark");
    }
    let Event::UserCheckedIn(event) = read(cases[6].0) else { panic!("a check-in") };
    assert_eq!((event.msn(), event.merchant_qr_id()), (Some("123456"), Some("till-3")));
    let Event::Payment(event) = read(cases[0].0) else { panic!("a payment") };
    assert_eq!(event.event_type().as_str(), "epayments.payment.frozen.v1");
}

#[test]
fn two_events_never_share_a_key_and_a_copy_has_the_same() {
    let charge = |transaction: &str, occurred: &str, amount: &str| {
        format!(
            r#"{{"msn":"123456","chargeId":"c-1","eventType":"recurring.charge-captured.v1",{transaction}{occurred}"currency":"NOK",{amount}"z":1}}"#
        )
    };
    let agreement = |id: &str, kind: &str, at: &str| {
        format!(
            r#"{{"msn":"123456","agreementId":"{id}","eventType":"recurring.agreement-{kind}.v1","occurred":"{at}"}}"#
        )
    };
    let different = [
        payment("psp-1", 100),
        payment("psp-2", 100),
        payment("psp-1", 100).replace("CAPTURED", "REFUNDED"),
        payment("psp-1", 100).replace("123456", "654321"),
        payment("psp-1", 100).replace("\"acme-42\"", "\"acme-43\""),
        payment("", 100),
        payment("", 200),
        charge(r#""transactionId":"t-1","#, "", ""),
        charge(r#""transactionId":"t-2","#, "", ""),
        charge("", r#""occurred":"2026-08-01T10:00:00Z","#, r#""amountCaptured":100,"#),
        charge("", r#""occurred":"2026-08-01T10:00:00Z","#, r#""amountCaptured":200,"#),
        charge("", r#""occurred":"2026-08-01T10:00:01Z","#, r#""amountCaptured":100,"#),
        charge(r#""transactionId":null,"#, "", ""),
        charge("", "", ""),
        agreement("a", "stopped", "1"),
        agreement("a", "stopped", "2"),
        agreement("a", "activated", "1"),
        agreement("b", "stopped", "1"),
        r#"{"customerToken":"t-1"}"#.to_owned(),
        r#"{"customerToken":"t-2"}"#.to_owned(),
        r#"{"auth_req_id":"t-1"}"#.to_owned(),
        r#"{"eventType":"donations.agreement.started.v1","agreementId":"a"}"#.to_owned(),
        r#"{"eventType":"donations.agreement.started.v1","agreementId":"b"}"#.to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        String::new(),
    ];
    let keys: BTreeSet<String> = different.iter().map(|body| read(body).key().to_string()).collect();
    assert_eq!(keys.len(), different.len(), "{keys:#?}");
    // A copy may come with its members in another order, and with members that are new.
    let again = payment("psp-1", 100).replace("\"success\":true}", "\"success\":true,\"new\":[1]}");
    let again = again.replace("{\"msn\":\"123456\",", "{").replace("\"new\":[1]}", "\"new\":[1],\"msn\":\"123456\"}");
    assert_ne!(again, payment("psp-1", 100));
    assert_eq!(read(&again).key(), read(&payment("psp-1", 100)).key());
    let stored: vipps_callbacks::EventKey = read(CAPTURED).key().to_string().into();
    assert_eq!(stored, *read(CAPTURED).key());
    assert_eq!(stored.as_str(), "payment:123456:acme-42:CAPTURED:4410027731", "kept in tables: it never changes");
}
