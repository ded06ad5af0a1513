use serde_json::{Value, json};
use vipps::epayment::enums::{PaymentEventName, PaymentMethodType, State};
use vipps::epayment::types;
use vipps::{Amount, Currency};
use vipps_access_token::types::AuthorizationTokenResponse;

/// The sample of the published reference page, members and values as printed there.
fn published_payment() -> Value {
    let money = json!({ "currency": "NOK", "value": 1000 });
    json!({
        "aggregate": { "authorizedAmount": money, "cancelledAmount": money, "capturedAmount": money, "refundedAmount": money },
        "amount": money, "state": "CREATED", "paymentMethod": { "type": "WALLET", "cardBin": "540185" },
        "profile": { "sub": "string" }, "pspReference": "string", "reference": "reference-string"
    })
}

fn payment(body: &Value) -> types::GetPaymentResponse {
    serde_json::from_value(body.clone()).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn the_published_samples_decode_and_come_back_as_they_were() {
    let decoded = payment(&published_payment());
    assert_eq!(decoded.aggregate.captured_amount, Amount::nok_minor(1000));
    assert_eq!(serde_json::to_value(&decoded).unwrap(), published_payment());

    let created = json!({ "redirectUrl": "https://landing.vipps.no?token=eyJ0", "reference": "reference-string" });
    let decoded: types::CreatePaymentResponse = serde_json::from_value(created.clone()).unwrap();
    assert_eq!(serde_json::to_value(&decoded).unwrap(), created);

    let events = json!([{
        "reference": "reference-string", "pspReference": "string", "name": "AUTHORIZED", "paymentAction": "CREATE",
        "amount": { "currency": "NOK", "value": 1000 }, "timestamp": "2019-08-24T14:15:22Z",
        "processedAt": "2019-08-24T14:15:22Z", "idempotencyKey": "string", "success": true
    }]);
    let decoded: Vec<types::PaymentEvent> = serde_json::from_value(events.clone()).unwrap();
    assert_eq!(decoded[0].name, Some(PaymentEventName::Authorized));
    assert_eq!(serde_json::to_value(&decoded).unwrap(), events);
}

/// The samples of the other reference pages, as far as the pages print them.
#[test]
fn the_published_samples_of_the_other_apis_decode_and_come_back() {
    use vipps::recurring::{types as recurring, v2::types as v2};
    use vipps::{checkout::types as checkout, psp::types as psp};
    fn same<T: serde::de::DeserializeOwned + serde::Serialize>(sample: Value) {
        let decoded: T = serde_json::from_value(sample.clone()).unwrap_or_else(|error| panic!("{error}: {sample}"));
        assert_eq!(serde_json::to_value(decoded).unwrap(), sample);
    }
    same::<recurring::ChargeResponseV3>(json!({
        "amount": 19900, "currency": "NOK", "description": "Premier League subscription: September",
        "due": "2019-06-01T00:00:00Z", "id": "chr_WCVbcA", "agreementId": "agr_5kSeqz", "externalId": "external-id-2468",
        "externalAgreementId": "external-id-2468", "retryDays": 5, "status": "PENDING", "transactionId": "5001419121",
        "type": "RECURRING", "transactionType": "DIRECT_CAPTURE", "failureReason": "user_action_required",
        "failureDescription": "User action required", "summary": {}, "history": []
    }));
    same::<recurring::ChargeReference>(json!({ "chargeId": "chg_WCVbcAbRCmu2zk" }));
    same::<recurring::AsyncChargeResponse>(json!({ "invalidCharges": [], "validCharges": [] }));
    same::<v2::ChargeResponseV2>(json!({
        "amount": 19900, "amountRefunded": 0, "description": "Premier League subscription: September",
        "due": "2019-06-01T00:00:00Z", "id": "chr_WCVbcA", "status": "PENDING", "transactionId": "5001419121",
        "type": "RECURRING", "failureReason": "user_action_required", "failureDescription": "User action required"
    }));
    same::<v2::AgreementReference>(json!({ "agreementId": "agr_asdf123" }));
    same::<v2::ChargeReference>(json!({ "chargeId": "chg_WCVbcAbRCmu2zk" }));
    same::<checkout::InitiateSessionResponse>(
        json!({ "token": "string", "checkoutFrontendUrl": "string", "pollingUrl": "string" }),
    );
    same::<checkout::SessionResponse>(json!({
        "sessionId": "string", "merchantSerialNumber": "string", "reference": "string", "sessionState": "SessionCreated",
        "paymentMethod": "Wallet", "subscriptionDetails": {}, "paymentDetails": {}, "userInfo": {}, "shippingDetails": {},
        "billingDetails": {}, "customConsentProvided": true
    }));
    same::<psp::PaymentDetailsRepresentation>(json!({
        "pspTransactionId": "abcABC12345", "merchantOrderId": "abcABC-12345",
        "transactionSummary": { "capturedAmount": 49900, "remainingAmountToCapture": 0, "refundedAmount": 0, "remainingAmountToRefund": 49900 },
        "transactionLogHistory": [{}]
    }));
}

#[test]
fn unknown_values_and_members_never_break_a_payment() {
    let mut body = published_payment();
    body["state"] = "FROZEN".into();
    body["amount"]["currency"] = "ISK".into();
    body["paymentMethod"]["type"] = "BARTER".into();
    body["colour"] = json!({ "deep": [1, 2] });
    let decoded = payment(&body);
    assert_eq!(decoded.state, State::Unknown("FROZEN".into()));
    assert_eq!(decoded.amount.currency(), &Currency::Unknown("ISK".into()));
    assert_eq!(decoded.payment_method.unwrap().type_, Some(PaymentMethodType::Unknown("BARTER".into())));
}

/// Every member of the sample in turn missing, and null, except what an answer cannot do
/// without.
#[test]
fn optional_members_may_be_missing_or_null() {
    let indispensable = ["aggregate", "amount", "state", "reference"];
    let members: Vec<String> = published_payment().as_object().unwrap().keys().cloned().collect();
    for name in members {
        let mut missing = published_payment();
        missing.as_object_mut().unwrap().remove(&name);
        let mut null = published_payment();
        null[&name] = Value::Null;
        for body in [missing, null] {
            let decoded = serde_json::from_value::<types::GetPaymentResponse>(body);
            assert_eq!(decoded.is_err(), indispensable.contains(&name.as_str()), "{name}");
        }
    }
    for name in ["metadata", "userDetails", "shippingDetails", "captureGuaranteedUntil", "redirectUrl"] {
        let mut null = published_payment();
        null[name] = Value::Null;
        payment(&null);
    }
}

#[test]
fn a_missing_aggregate_never_reads_as_zero() {
    for name in ["authorizedAmount", "cancelledAmount", "capturedAmount", "refundedAmount"] {
        let mut body = published_payment();
        body["aggregate"].as_object_mut().unwrap().remove(name);
        assert!(serde_json::from_value::<types::GetPaymentResponse>(body).is_err(), "{name}");
    }
}

#[test]
fn limits_of_requests_are_not_checked_on_answers() {
    let mut body = published_payment();
    body["reference"] = "x".into();
    body["amount"]["value"] = (-5).into();
    body["paymentMethod"]["cardBin"] = "no card".into();
    body["captureGuaranteedUntil"] = "some day".into();
    body["metadata"] = json!({ "a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": "6" });
    let decoded = payment(&body);
    assert_eq!(decoded.capture_guaranteed_until.unwrap().unix_millis(), None);
}

#[test]
fn the_published_history_of_an_agreement_decodes_and_may_hold_more_or_nothing() {
    use vipps::recurring::enums::{AgreementActor, AgreementEventName};
    use vipps::recurring::types::AgreementResponseV3;
    let read = |history: Value| -> Vec<_> {
        let mut body = json!({ "id": "agr_5kSeqz", "status": "ACTIVE" });
        body["history"] = history;
        let agreement = vipps::Agreement::from(serde_json::from_value::<AgreementResponseV3>(body).unwrap());
        agreement.history().map(|one| (one.name().cloned(), one.actor().cloned(), one.occurred().is_some())).collect()
    };
    let published = json!([
        { "occurred": "2026-09-01T08:00:00Z", "event": "CREATE", "actor": "MERCHANT" },
        { "occurred": "2026-09-01T08:02:11Z", "event": "ACTIVATE", "actor": "USER" }
    ]);
    assert_eq!(
        read(published),
        [
            (Some(AgreementEventName::Create), Some(AgreementActor::Merchant), true),
            (Some(AgreementEventName::Activate), Some(AgreementActor::User), true),
        ]
    );
    let odd = json!([{ "event": "PAUSE", "actor": "BANK", "why": 1 }, {}]);
    assert_eq!(read(odd), [(Some("PAUSE".into()), Some("BANK".into()), false), (None, None, false)]);
    assert!(read(Value::Null).is_empty() && read(json!([])).is_empty());
}

#[test]
fn a_customer_s_details_decode_with_any_of_their_members() {
    for member in ["email", "firstName", "lastName", "mobileNumber", "dateOfBirth", "addresses"] {
        let mut body = published_payment();
        let value = if member == "addresses" { json!([{ "city": "Oslo" }]) } else { "x".into() };
        body["userDetails"] = json!({ member: value });
        let decoded = payment(&body);
        assert_eq!(serde_json::to_value(&decoded).unwrap()["userDetails"], body["userDetails"], "{member} alone");
    }
}

#[test]
fn customers_of_each_kind_keep_their_kind() {
    use vipps::epayment::enums::Customer;
    let read = |body: Value| serde_json::from_value::<Customer>(body).unwrap();
    assert!(matches!(read(json!({ "phoneNumber": "4712345678" })), Customer::CustomerPhoneNumber(_)));
    assert!(matches!(read(json!({ "personalQr": "https://qr" })), Customer::PersonalQrCode(_)));
    assert!(matches!(read(json!({ "customerToken": "t" })), Customer::CustomerToken(_)));
    let new = json!({ "faceScan": { "id": 1 } });
    assert!(matches!(read(new.clone()), Customer::Unknown(_)));
    assert_eq!(serde_json::to_value(read(new.clone())).unwrap(), new);
}

#[test]
fn token_answers_decode_with_texts_and_with_numbers() {
    let published = json!({
        "token_type": "Bearer", "expires_in": "3600", "ext_expires_in": "3600", "expires_on": "1547823408",
        "not_before": "1547819508", "resource": "00000002-0000-0000-c000-000000000000", "access_token": "jwt"
    });
    let numbers = json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": "jwt" });
    for body in [published, numbers] {
        let token: AuthorizationTokenResponse = serde_json::from_value(body).unwrap();
        assert_eq!(token.expires_in.unwrap().as_str(), "3600");
        assert_eq!(token.access_token.reveal(), "jwt");
    }
}

#[test]
fn a_request_keeps_exactly_what_was_set() {
    let body = json!({
        "amount": { "currency": "NOK", "value": 49900 }, "reference": "acme-order-42", "userFlow": "QR", "paymentMethod": { "type": "WALLET" },
        "metadata": { "z": "1", "a": "2" }, "qrFormat": { "format": "IMAGE/PNG", "size": 100 }, "minimumUserAge": 18,
        "receipt": { "orderLines": [{ "name": "n", "id": "i", "totalAmount": -1, "totalAmountExcludingTax": -1, "totalTaxAmount": 0,
            "unitInfo": { "unitPrice": null, "quantity": "1.5", "quantityUnit": "KG" } }], "bottomLine": { "currency": "NOK" } },
        "shipping": { "dynamicOptions": { "callbackUrl": "https://a.example", "callbackAuthorizationToken": "Bearer x" } }
    });
    let request: types::CreatePaymentRequest = serde_json::from_value(body.clone()).unwrap();
    assert_eq!(serde_json::to_value(&request).unwrap(), body);
}
