//! Checkout API v3: reads a request, asks the domain once, renders the answer.

use serde_json::{Value, json};

use super::api::Request;
use super::body::{self, Address, address, text};
use crate::answer::Answer;
use crate::clock::Millis;
use crate::refusal::Refusal;
use crate::session::{Session, State};
use crate::state::{PaymentId, World};

const UNKNOWN: Refusal =
    Refusal::Session { status: 404, code: "Session-00100", title: "Session expired or not known." };

pub(super) fn answer(world: &mut World, request: &Request<'_>, now: Millis) -> Result<Answer, Refusal> {
    let body = body::read(world, request)?;
    if request.id() == "createSession" {
        return create(world, request, body, now);
    }
    let id = PaymentId { sales_unit: request.sales_unit(world).to_owned(), reference: request.parameter(0).to_owned() };
    let session = world.session(&id).filter(|session| !session.is_forgotten(now)).ok_or(UNKNOWN)?;
    match request.id() {
        "getSession" => Ok(Answer::json(200, &world.session_json(&id))),
        "updateSession" => {
            session.must_be_new()?;
            update(world, request, &id, &body)
        }
        _ => {
            if session.state.is_final() {
                return Err(Refusal::Session { status: 400, code: "Session-00400", title: "The session is finished." });
            }
            world.expire_session(&id, now);
            Ok(Answer::empty(200))
        }
    }
}

fn create(world: &mut World, request: &Request<'_>, mut body: Value, now: Millis) -> Result<Answer, Refusal> {
    body::numbers_as_texts(world, request, &mut body, &["/reference", "/prefillCustomer/phoneNumber"]);
    let kind = match body["type"].as_str() {
        None if body["type"].is_null() => {
            // Older documents have no kinds of sessions.
            body["type"] = "PAYMENT".into();
            "PaymentSession"
        }
        Some("PAYMENT") => "PaymentSession",
        Some("SUBSCRIPTION") => "SubscriptionSession",
        _ => return Err(Refusal::field("type", "must be PAYMENT or SUBSCRIPTION")),
    };
    tolerate_older_forms(world, request, &mut body);
    let violations = request.operation.schema_violations(kind, &body);
    if !violations.is_empty() {
        return Err(Refusal::Fields(violations));
    }
    one_reference(&mut body)?;
    merchant_addresses(world, request, &body)?;
    transaction_rules(world, request, &body["transaction"])?;
    let sales_unit = request.sales_unit(world).to_owned();
    let longest = world.settings.reference_max_length;
    if body["reference"].as_str().is_some_and(|reference| reference.chars().count() as u64 > longest) {
        return Err(Refusal::field("reference", format!("must have at most {longest} characters")));
    }
    let reference = match text(&body, "reference") {
        Some(reference) => reference,
        None => {
            world.warn(request.id(), "`reference` is missing; one is made up");
            world.ids.uuid("session reference")
        }
    };
    let id = PaymentId { sales_unit, reference };
    if world.session(&id).is_some() || world.payment(&id).is_some() {
        let title = "A session with this reference exists.";
        return Err(Refusal::Session { status: 409, code: "Session-00409", title });
    }
    let (session_id, token) = (world.ids.uuid("session"), world.ids.secret("session token"));
    let answer = json!({
        "token": token,
        "checkoutFrontendUrl": format!("{}/checkout-page/{token}", world.base_url),
        "pollingUrl": format!("{}/checkout/v3/session/{}", world.base_url, path_segment(&id.reference)),
    });
    world.insert_session(id, Session::new(session_id, token, body, now));
    Ok(Answer::json(200, &answer))
}

/// A reference as a segment of a path, whatever characters it has.
fn path_segment(reference: &str) -> String {
    url::form_urlencoded::byte_serialize(reference.as_bytes()).collect::<String>().replace('+', "%20")
}

/// What older documents and plugins send, made what the newest document has.
fn tolerate_older_forms(world: &mut World, request: &Request<'_>, body: &mut Value) {
    let mut told = Vec::new();
    for line in
        body.pointer_mut("/transaction/orderSummary/orderLines").and_then(Value::as_array_mut).into_iter().flatten()
    {
        if let (Value::Null, Some(percent)) = (&line["taxRate"], line["taxPercentage"].as_i64()) {
            line["taxRate"] = percent.saturating_mul(100).into();
            told.push("an order line has `taxPercentage` alone; send `taxRate`");
        }
    }
    for option in body.pointer_mut("/logistics/fixedOptions").and_then(Value::as_array_mut).into_iter().flatten() {
        if option["brand"] == "PORTERBUDDY" && option["amount"].is_null() {
            let currency = "NOK";
            option["amount"] = json!({ "value": 0, "currency": currency });
            told.push("a PORTERBUDDY option has no `amount`");
        }
    }
    for warning in told {
        world.warn(request.id(), warning);
    }
}

/// The reference at the top wins; the old place must say the same.
fn one_reference(body: &mut Value) -> Result<(), Refusal> {
    let old = text(&body["transaction"], "reference");
    match (text(body, "reference"), old) {
        (Some(top), Some(old)) if top != old => {
            Err(Refusal::field("transaction.reference", "must be the reference of the session"))
        }
        (None, Some(old)) => {
            body["reference"] = old.into();
            Ok(())
        }
        _ => Ok(()),
    }
}

fn merchant_addresses(world: &mut World, request: &Request<'_>, body: &Value) -> Result<(), Refusal> {
    let places = [
        ("merchantInfo.callbackUrl", &body["merchantInfo"]["callbackUrl"], false),
        ("merchantInfo.returnUrl", &body["merchantInfo"]["returnUrl"], true),
        ("logistics.dynamicOptionsCallback", &body["logistics"]["dynamicOptionsCallback"], false),
    ];
    for (name, value, app_will_do) in places {
        let Some(url) = value.as_str() else { continue };
        match address(url) {
            Address::Https => {}
            Address::App if app_will_do => {}
            Address::Local => {
                world.warn(request.id(), format!("`{name}` would be rejected in production: it must be public https"));
            }
            Address::Http if !world.settings.strict => {
                world.warn(request.id(), format!("`{name}` would be rejected in production: it must be https"));
            }
            _ => return Err(Refusal::field(name, "must be an https address")),
        }
    }
    Ok(())
}

/// What no schema says: a market has one currency.
fn transaction_rules(world: &mut World, request: &Request<'_>, transaction: &Value) -> Result<(), Refusal> {
    if transaction.is_null() {
        return Ok(());
    }
    let currency = transaction["amount"]["currency"].as_str().unwrap_or_default();
    if !matches!(currency, "NOK" | "DKK" | "EUR") {
        return Err(Refusal::field("transaction.amount.currency", "must be one of NOK, DKK, EUR"));
    }
    let own = world.options.market.currency();
    if currency != own {
        return Err(Refusal::field(
            "transaction.amount.currency",
            format!("must be {own}, as in the sales unit's market"),
        ));
    }
    if transaction["amount"]["value"].as_i64().is_some_and(|value| value < 100) {
        world.warn(request.id(), "`transaction.amount.value` is below 100, which a payment needs");
    }
    Ok(())
}

fn update(world: &mut World, request: &Request<'_>, id: &PaymentId, body: &Value) -> Result<Answer, Refusal> {
    let mut body = body.clone();
    body::check(request, &body)?;
    let Some(session) = world.session(id) else { return Err(UNKNOWN) };
    let mut changed = session.request.clone();
    let transaction = &body["transaction"];
    if !transaction.is_null() {
        let differs = |name: &str, value: Option<&str>| {
            transaction.pointer(name).and_then(Value::as_str).is_some_and(|new| value.is_some_and(|old| old != new))
        };
        let currency = changed.pointer("/transaction/amount/currency").and_then(Value::as_str);
        if differs("/amount/currency", currency) {
            return Err(Refusal::field("transaction.amount.currency", "cannot be changed"));
        }
        if differs("/reference", Some(&id.reference)) {
            return Err(Refusal::field("transaction.reference", "cannot be changed"));
        }
        changed["transaction"] = transaction.clone();
    }
    if !body["logisticOptions"].is_null() {
        if !changed["logistics"].is_object() {
            changed["logistics"] = json!({});
        }
        changed["logistics"]["fixedOptions"] = body["logisticOptions"].take();
    }
    transaction_rules(world, request, &changed["transaction"])?;
    if let Some(session) = world.session_mut(id).filter(|session| session.state == State::Created) {
        session.request = changed;
        session.offered = None;
    }
    Ok(Answer::empty(200))
}
