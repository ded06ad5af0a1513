//! PSP API v3: reads a request, asks the domain once, renders the answer.

use serde_json::{Value, json};

use super::api::Request;
use super::body::{self, Address, address, text};
use crate::answer::Answer;
use crate::clock::{Millis, rfc3339};
use crate::psp::{Operation, PspPayment, State, Terms};
use crate::refusal::Refusal;
use crate::state::{Update, World};

/// The smallest amount: 1.00 NOK.
const LEAST: i64 = 100;

pub(super) fn answer(
    world: &mut World,
    request: &Request<'_>,
    key: Option<&str>,
    now: Millis,
) -> Result<Answer, Refusal> {
    let mut body = body::read(world, request)?;
    match request.id() {
        "initiatePaymentV3UsingPOST" => {
            texts_as_amounts(world, request, &mut body);
            init(world, request, &body, now)
        }
        "updatestatusUsingPOST" => {
            texts_as_amounts(world, request, &mut body);
            update(world, request, &body, key, now)
        }
        "getPSPPaymentDetailsUsingGET" => {
            let payment = of_sales_unit(world, request, request.parameter(0)).ok_or(Refusal::Unknown)?;
            Ok(Answer::json(200, &details_json(payment)))
        }
        _ => test_approve(world, request, &body, now),
    }
}

/// A payment, unless the request names another sales unit than its own.
fn of_sales_unit<'a>(world: &'a World, request: &Request<'_>, id: &str) -> Option<&'a PspPayment> {
    let named = request.header("merchant-serial-number");
    world.psp_payment(id).filter(|payment| named.is_none_or(|unit| unit == payment.terms.sales_unit))
}

/// Amounts that a published sample has as text, at the top and in transactions.
fn texts_as_amounts(world: &mut World, request: &Request<'_>, body: &mut Value) {
    let mut told = Vec::new();
    let mut convert = |holder: &mut Value, place: String| {
        let number = holder["amount"].as_str().and_then(|digits| digits.parse::<i64>().ok());
        if let (Some(number), Some(amount)) = (number, holder.get_mut("amount")) {
            *amount = number.into();
            told.push(format!("`{place}` is a text; send a number"));
        }
    };
    if body["amount"].is_string() {
        convert(body, "amount".into());
    }
    let transactions = body.get_mut("transactions").and_then(Value::as_array_mut);
    for (index, transaction) in transactions.into_iter().flatten().enumerate() {
        if transaction["amount"].is_string() {
            convert(transaction, format!("transactions[{index}].amount"));
        }
    }
    for warning in told {
        world.warn(request.id(), warning);
    }
}

fn init(world: &mut World, request: &Request<'_>, body: &Value, now: Millis) -> Result<Answer, Refusal> {
    let amount_error = || Refusal::psp("amount", "amount.less.than.one");
    if !body["amount"].is_null() && body["amount"].as_i64().is_none_or(|amount| amount < 1) {
        return Err(amount_error());
    }
    if body["currency"].as_str().is_some_and(|currency| currency != "NOK") {
        return Err(Refusal::psp("currency", "transaction.currency.invalid"));
    }
    body::check(request, body)?;
    let amount = body["amount"].as_i64().unwrap_or_default();
    if amount < LEAST {
        return Err(amount_error());
    }
    let address_of = |name: &str| text(body, name).unwrap_or_default();
    let (redirect_url, make_payment_url) = (address_of("pspRedirectUrl"), address_of("makePaymentUrl"));
    // This machine by https is refused in the test environment of Vipps, too.
    let is_secure = redirect_url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
    match address(&redirect_url) {
        Address::Unusable => return Err(Refusal::psp("51", "Invalid pspRedirectUrl")),
        Address::Local if is_secure => return Err(Refusal::psp("51", "Invalid pspRedirectUrl")),
        Address::Http | Address::Local => {
            world.warn(request.id(), "`pspRedirectUrl` would be rejected in production: it must be public https");
        }
        Address::Https | Address::App => {}
    }
    match address(&make_payment_url) {
        Address::Https => {}
        Address::Local => {
            world.warn(request.id(), "`makePaymentUrl` would be rejected in production: it must be public https");
        }
        _ => return Err(Refusal::psp("makePaymentUrl", "Invalid makePaymentUrl")),
    }
    let (id, order_id) = (address_of("pspTransactionId"), address_of("merchantOrderId"));
    if world.psp_payment(&id).is_some() {
        return Err(Refusal::psp("44", "PSP Transaction ID already exists"));
    }
    let sales_unit = request.sales_unit(world).to_owned();
    let used = world
        .psp_payments()
        .any(|payment| payment.terms.order_id == order_id && payment.terms.sales_unit == sales_unit);
    if used {
        return Err(Refusal::psp("99", "OrderId already exists"));
    }
    if body["skipLandingPage"] == true {
        world.warn(request.id(), "`skipLandingPage` is for approved sales units; the landing page is not skipped");
    }
    let token = world.ids.secret("psp landing");
    let url = match body["isApp"] == true {
        true => format!("vippsMT://?token={token}"),
        false => format!("{}/psp/landing?token={token}", world.base_url),
    };
    let terms = Terms {
        sales_unit,
        order_id: order_id.clone(),
        amount,
        redirect_url,
        make_payment_url,
        make_payment_token: text(body, "makePaymentToken").filter(|token| !token.is_empty()),
        text: text(body, "paymentText"),
        phone_number: text(body, "customerMobileNumber").filter(|number| !number.is_empty()),
    };
    world.insert_psp_payment(PspPayment::new(id.clone(), terms, token, now));
    Ok(Answer::json(200, &json!({ "pspTransactionId": id, "merchantOrderId": order_id, "vippsRedirectUrl": url })))
}

/// A valid request is a success, whatever becomes of its transactions.
fn update(
    world: &mut World,
    request: &Request<'_>,
    body: &Value,
    key: Option<&str>,
    now: Millis,
) -> Result<Answer, Refusal> {
    body::check(request, body)?;
    let mut updates = Vec::new();
    for transaction in body["transactions"].as_array().into_iter().flatten() {
        let id = text(transaction, "pspTransactionId").unwrap_or_default();
        if of_sales_unit(world, request, &id).is_none() {
            world.warn(request.id(), "an update is for no known pspTransactionId; it is ignored");
            continue;
        }
        let norwegian = transaction["currency"].as_str().is_none_or(|currency| currency == "NOK");
        if !norwegian {
            world.warn(request.id(), "an update is in another currency than NOK; it fails");
        }
        let Some(operation) = transaction["status"].as_str().and_then(Operation::from_wire) else { continue };
        updates.push(Update {
            id,
            operation,
            amount: transaction["amount"].as_i64().unwrap_or_default(),
            succeeded: norwegian && transaction["operationStatus"] != "FAILED",
            text: text(transaction, "paymentText"),
            key: key.map(str::to_owned),
        });
    }
    world.report_psp(updates, now);
    Ok(Answer::json(200, &json!({ "responseInfo": { "responseCode": "9000", "responseMessage": "SUCCESS" } })))
}

/// The approval of a test: the customer confirms, and the PSP is asked.
fn test_approve(world: &mut World, request: &Request<'_>, body: &Value, now: Millis) -> Result<Answer, Refusal> {
    body::check(request, body)?;
    let id = request.parameter(0);
    let payment = of_sales_unit(world, request, id).ok_or(Refusal::Unknown)?;
    let given = body["token"].as_str().unwrap_or_default();
    let phone = body["customerPhoneNumber"].as_str().unwrap_or_default();
    let other_phone = payment.terms.phone_number.as_deref().is_some_and(|own| own != phone);
    if payment.state != State::Initiated || given != payment.landing_token || other_phone {
        return Err(Refusal::psp("51", "Invalid request"));
    }
    let call = world.begin_psp_approval(id, now).map_err(|_| Refusal::psp("51", "Invalid request"))?;
    // The card goes to the PSP by itself: this call does not wait for it.
    world.outbox.add_call(call, Some(now));
    Ok(Answer::empty(200))
}

/// `PaymentDetailsRepresentation`.
pub(crate) fn details_json(payment: &PspPayment) -> Value {
    let entry = |entry: &crate::psp::Entry| {
        let mut line = json!({
            "amount": entry.amount, "operation": entry.operation.wire(), "operationSuccess": entry.success,
            "timeStamp": rfc3339(entry.at),
        });
        if let Some(text) = &entry.text {
            line["paymentText"] = text.as_str().into();
        }
        line
    };
    json!({
        "pspTransactionId": payment.id,
        "merchantOrderId": payment.terms.order_id,
        "transactionSummary": {
            "capturedAmount": payment.captured,
            "remainingAmountToCapture": payment.left_to_capture(),
            "refundedAmount": payment.refunded,
            "remainingAmountToRefund": payment.left_to_refund(),
        },
        "transactionLogHistory": payment.log.iter().map(entry).collect::<Vec<_>>(),
    })
}
