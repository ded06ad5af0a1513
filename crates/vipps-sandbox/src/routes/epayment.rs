//! ePayment API: reads a request, asks the domain once, renders the answer.

use serde_json::{Map, Value, json};
use vipps_types::Currency;

use super::api::Request;
use super::body;
use super::new_payment::{create, customer};
use crate::answer::{Answer, PROBLEM};
use crate::card::Card;
use crate::clock::{DAY, Millis, rfc3339};
use crate::payment::{Aggregate, Method, Moment, Payment, State};
use crate::refusal::Refusal;
use crate::state::{PaymentId, Record, World};

const MOST: i64 = 65_000_000;

pub(crate) fn answer(
    world: &mut World,
    request: &Request<'_>,
    key: Option<&str>,
    now: Millis,
) -> Result<Answer, Refusal> {
    // What the seed's contract does not know is not looked at.
    let ignored = request.id() == "cancelPayment" && !world.settings.cancel_honours_body;
    let body = if ignored { Value::Null } else { body::read(world, request)? };
    let reference = request.parameters.first().cloned().unwrap_or_default();
    let id = PaymentId { sales_unit: request.sales_unit(world).to_owned(), reference };
    if request.operation.id == "createPayment" {
        return create(world, request, body, key, now);
    }
    if world.payment(&id).is_none() {
        return Err(Refusal::Code(5090));
    }
    let terms = world.terms(&id.sales_unit);
    match request.operation.id.as_str() {
        "getPayment" => Ok(Answer::json(200, &payment_json(world, &id))),
        "getPaymentEventLog" => Ok(Answer::json(200, &events_json(world, &id))),
        "capturePayment" => {
            let value = modification(world, request, &id, &body)?;
            modified(world, &id, now, |payment, moment| payment.capture(value, key, &terms, moment))
        }
        "refundPayment" => {
            let value = modification(world, request, &id, &body)?;
            if !world.settings.refund_allowed {
                return Err(Refusal::Code(5100));
            }
            modified(world, &id, now, |payment, moment| payment.refund(value, key, &terms, moment))
        }
        "cancelPayment" => {
            if !body.is_null() {
                check_shape(world, request, &body)?;
            }
            let only = body["cancelTransactionOnly"] == true;
            modified(world, &id, now, |payment, moment| payment.cancel(only, key, &terms, moment))
        }
        "forceApprove" => force_approve(world, request, &id, &body, now),
        _ => Err(Refusal::Code(3010)),
    }
}

pub(super) fn check_shape(world: &mut World, request: &Request<'_>, body: &Value) -> Result<(), Refusal> {
    let mut violations = request.operation.body_violations(body);
    // The limit of the profile, which the newest document does not have.
    let longest = world.settings.reference_max_length;
    if let Some(reference) = body["reference"].as_str()
        && reference.chars().count() as u64 > longest
        && !violations.iter().any(|(name, _)| name == "reference")
    {
        violations.push(("reference".into(), format!("must have at most {longest} characters")));
    }
    if violations.is_empty() { Ok(()) } else { Err(Refusal::Fields(violations)) }
}

/// Numbers where texts belong, as some published samples show them.
pub(super) fn tolerate(world: &mut World, request: &Request<'_>, body: &mut Value) {
    if world.settings.strict {
        return;
    }
    body::numbers_as_texts(world, request, body, &["/reference", "/customer/phoneNumber"]);
    let mut told = Vec::new();
    for (name, value) in body["metadata"].as_object_mut().into_iter().flatten() {
        if value.is_number() || value.is_boolean() {
            *value = value.to_string().into();
            told.push(format!("`metadata.{name}` is no string; it is stored as one"));
        }
    }
    for warning in told {
        world.warn(request.id(), warning);
    }
}

/// An amount's value and currency. Decimals, negatives and too much are no amount at all.
pub(super) fn amount(amount: &Value) -> Result<Option<(i64, String)>, Refusal> {
    let value = &amount["value"];
    if value.is_number() && !value.as_i64().is_some_and(|value| (0..=MOST).contains(&value)) {
        return Err(Refusal::Code(4040));
    }
    Ok(value.as_i64().zip(amount["currency"].as_str().map(str::to_owned)))
}

fn modification(world: &mut World, request: &Request<'_>, id: &PaymentId, body: &Value) -> Result<i64, Refusal> {
    let given = amount(&body["modificationAmount"])?;
    check_shape(world, request, body)?;
    let (value, currency) = given.ok_or(Refusal::Code(4040))?;
    let own = world.payment(id).map(|record| record.payment.currency.as_str().to_owned());
    if own.as_deref() != Some(currency.as_str()) {
        return Err(Refusal::Code(4040));
    }
    Ok(value)
}

fn modified(
    world: &mut World,
    id: &PaymentId,
    now: Millis,
    act: impl FnOnce(&mut Payment, &mut Moment<'_>) -> Result<(), Refusal>,
) -> Result<Answer, Refusal> {
    world.with_payment(id, now, act).unwrap_or(Err(Refusal::Code(5090)))?;
    let mut answer = Answer::json(200, &modification_json(world, id));
    if world.settings.problem_media_type_on_success {
        answer.media = PROBLEM;
    }
    Ok(answer)
}

fn force_approve(
    world: &mut World,
    request: &Request<'_>,
    id: &PaymentId,
    body: &Value,
    now: Millis,
) -> Result<Answer, Refusal> {
    let mut body = body.clone();
    tolerate(world, request, &mut body);
    if !body.is_null() {
        check_shape(world, request, &body)?;
        customer(&body, "")?;
    }
    let phone = body["customer"]["phoneNumber"].as_str();
    if let Some(record) = world.payment(id) {
        if record.is_too_young(now) || is_another(record.customer.as_deref(), &body["customer"]) {
            return Err(Refusal::Code(7010));
        }
        if body["token"].as_str().is_some_and(|given| given != record.landing_token)
            && record.payment.state == State::Created
            && phone.is_none()
        {
            return Err(Refusal::Code(10010));
        }
    }
    // Known before it is approved, as the event tells it.
    let waits = world.payment(id).is_some_and(|record| record.payment.must_be_created().is_ok());
    if let Some(record) = world.payment_mut(id).filter(|record| waits && record.phone_number.is_none()) {
        record.phone_number = phone.map(str::to_owned);
    }
    world.with_payment(id, now, |payment, moment| payment.force_approve(moment)).unwrap_or(Err(Refusal::Code(5090)))?;
    Ok(Answer::empty(200))
}

/// Whether a payment for one customer is approved by another.
fn is_another(own: Option<&Value>, given: &Value) -> bool {
    let Some(own) = own.filter(|_| given.is_object()) else { return false };
    ["phoneNumber", "personalQr", "customerToken"]
        .iter()
        .any(|way| own.get(*way).unwrap_or(&Value::Null) != given.get(*way).unwrap_or(&Value::Null))
}

fn money(currency: &Currency, value: i64) -> Value {
    json!({ "currency": currency.as_str(), "value": value })
}

/// What cancel, capture and refund answer; `amount` is always the original one.
fn modification_json(world: &World, id: &PaymentId) -> Value {
    let Some(Record { payment, .. }) = world.payment(id) else { return Value::Null };
    let Aggregate { authorized, captured, cancelled, refunded } = payment.aggregate;
    let of = |value| money(&payment.currency, value);
    json!({
        "reference": id.reference,
        "pspReference": payment.psp_reference(),
        "state": payment.state.wire(),
        "amount": of(payment.value),
        "aggregate": {
            "authorizedAmount": of(authorized),
            "cancelledAmount": of(cancelled),
            "capturedAmount": of(captured),
            "refundedAmount": of(refunded),
        },
    })
}

/// What a read of the payment answers.
pub(crate) fn payment_json(world: &World, id: &PaymentId) -> Value {
    let Some(record) = world.payment(id) else { return Value::Null };
    let payment = &record.payment;
    let mut answer = modification_json(world, id);
    let authorized = payment.state == State::Authorized;
    let mut method = Map::new();
    let kind = match payment.method {
        Method::Wallet => "WALLET",
        Method::Card => "CARD",
        Method::CardPassthrough => "CARD_PASSTHROUGH",
    };
    method.insert("type".into(), kind.into());
    if authorized {
        let card = record.card_passthrough.as_ref().map(|request| Card::of_request(request));
        method.insert("cardBin".into(), card.map_or("540185", |card| card.bin()).into());
    }
    answer["paymentMethod"] = method.into();
    answer["profile"] = world.payer_sub(id, record).map_or(json!({}), |sub| json!({ "sub": sub }));
    for (name, member) in world.consented(id, record) {
        answer[name] = member;
    }
    if let (State::Created, Some(url)) = (payment.state, record.redirect_url(&world.base_url)) {
        answer["redirectUrl"] = url.into();
    }
    if let Some(metadata) = &record.metadata {
        answer["metadata"] = metadata.clone();
    }
    if let Some(at) = payment.authorized_at {
        answer["captureGuaranteedUntil"] = rfc3339(at + world.settings.capture_guarantee_days * DAY).into();
    }
    answer
}

fn events_json(world: &World, id: &PaymentId) -> Value {
    let Some(Record { payment, .. }) = world.payment(id) else { return json!([]) };
    let event = |event: &crate::payment::Event| {
        let mut line = json!({
            "reference": id.reference,
            "pspReference": event.psp_reference,
            "name": event.name.wire(),
            "amount": money(&payment.currency, event.value),
            "timestamp": rfc3339(event.at),
            "success": event.success,
        });
        if let Some(key) = event.shown_key() {
            line["idempotencyKey"] = key.into();
        }
        if world.settings.legacy_event_fields {
            line["paymentAction"] = legacy_action(event.name.wire()).into();
            line["processedAt"] = rfc3339(event.at).into();
        }
        line
    };
    payment.events.iter().map(event).collect()
}

/// `CREATED` was `CREATE` in the member that newer contracts dropped.
fn legacy_action(name: &str) -> &str {
    match name {
        "CREATED" => "CREATE",
        "AUTHORIZED" => "AUTHORIZE",
        "CAPTURED" => "CAPTURE",
        "REFUNDED" => "REFUND",
        "CANCELLED" => "CANCEL",
        "ABORTED" => "ABORT",
        "EXPIRED" => "EXPIRE",
        _ => "TERMINATE",
    }
}
