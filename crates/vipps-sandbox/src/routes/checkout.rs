//! Checkout API v3: reads a request, asks the domain once, renders the answer.

use serde_json::{Value, json};

use super::api::Request;
use super::body::{self, Address, address, text};
use crate::answer::Answer;
use crate::clock::Millis;
use crate::refusal::Refusal;
use crate::session::{LEAST_TOTAL, Session, State, complete_option, option_violation};
use crate::state::{PaymentId, World};

/// The shortest reference, as of ePayment.
const LEAST_REFERENCE: u64 = 8;

const UNKNOWN: Refusal =
    Refusal::Session { status: 404, code: "Session-00100", title: "Session expired or not known." };

pub(super) fn answer(world: &mut World, request: &Request<'_>, now: Millis) -> Result<Answer, Refusal> {
    let body = body::read(world, request)?;
    if !world.settings.checkout_allowed {
        let title = "Checkout is not available to the sales unit.";
        return Err(Refusal::Session { status: 403, code: "Forbidden-00001", title });
    }
    if request.id() == "createSession" {
        return create(world, request, body, now);
    }
    let id = PaymentId { sales_unit: request.sales_unit(world).to_owned(), reference: request.parameter(0).to_owned() };
    let at_once = world.settings.expired_sessions_unknown;
    let forgotten = |session: &Session| session.is_forgotten(now) || at_once && session.state == State::Expired;
    let session = world.session(&id).filter(|session| !forgotten(session)).ok_or(UNKNOWN)?;
    match request.id() {
        "getSession" => Ok(Answer::json(200, &world.session_json(&id))),
        "updateSession" => {
            session.must_be_new()?;
            update(world, request, &id, body)
        }
        _ => {
            let refused = |title| Err(Refusal::Session { status: 400, code: "Session-00400", title });
            match session.state {
                State::Created => {}
                State::Initiated if world.settings.expire_initiated_sessions => {}
                State::Initiated => return refused("The session is already being paid."),
                _ => return refused("The session is finished."),
            }
            match world.expire_session(&id, now) {
                true => Ok(Answer::empty(200)),
                false => refused("The customer is just paying."),
            }
        }
    }
}

fn create(world: &mut World, request: &Request<'_>, mut body: Value, now: Millis) -> Result<Answer, Refusal> {
    body::numbers_as_texts(world, request, &mut body, &["/reference", "/prefillCustomer/phoneNumber"]);
    if body["type"].is_null() {
        // Older documents have no kinds of sessions.
        body["type"] = "PAYMENT".into();
    }
    let kind = match body["type"].as_str() {
        Some("PAYMENT") => "PaymentSession",
        Some("SUBSCRIPTION") => "SubscriptionSession",
        _ => return Err(Refusal::field("type", "must be PAYMENT or SUBSCRIPTION")),
    };
    body::tell_unknown(world, request, request.operation.unknown_members_of(kind, &body))?;
    tolerate_older_forms(world, request, &mut body);
    let violations = request.operation.schema_violations(kind, &body);
    if !violations.is_empty() {
        return Err(Refusal::Fields(violations));
    }
    one_reference(&mut body)?;
    merchant_addresses(world, request, &body)?;
    amount_rules(world, request, &body)?;
    let sales_unit = request.sales_unit(world).to_owned();
    let reference = match text(&body, "reference") {
        Some(reference) => {
            let longest = world.settings.reference_max_length;
            if !(LEAST_REFERENCE..=longest).contains(&(reference.chars().count() as u64)) {
                let rule = format!("must have {LEAST_REFERENCE} to {longest} characters");
                return Err(Refusal::field("reference", rule));
            }
            reference
        }
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
    let list =
        |body: &mut Value, place: &str| body.pointer_mut(place).and_then(Value::as_array_mut).map(std::mem::take);
    let own = world.market_of(request.sales_unit(world)).currency();
    let mut told = Vec::new();
    for place in ["/transaction/orderSummary/orderLines", "/logistics/fixedOptions", "/logisticOptions"] {
        let Some(mut items) = list(body, place) else { continue };
        for item in &mut items {
            if let (Value::Null, Some(percent)) = (&item["taxRate"], item["taxPercentage"].as_i64()) {
                item["taxRate"] = percent.saturating_mul(100).into();
                told.push("an order line has `taxPercentage` alone; send `taxRate`");
            }
            if complete_option(item, own) {
                told.push("a PORTERBUDDY option has no `amount`");
            }
        }
        if let Some(place) = body.pointer_mut(place) {
            *place = items.into();
        }
    }
    if !body["logistics"]["integrations"]["helthjem"].is_null() {
        told.push("`logistics.integrations.helthjem` is ignored: the integration was removed in 2025-09");
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

/// What no schema says of money: a market has one currency, and shipping is paid with the
/// rest.
fn amount_rules(world: &mut World, request: &Request<'_>, session: &Value) -> Result<(), Refusal> {
    let own = world.market_of(request.sales_unit(world)).currency();
    for place in ["transaction", "subscription"] {
        let currency = &session[place]["amount"]["currency"];
        let rule = match currency.as_str() {
            None => continue,
            Some(currency) if currency == own => continue,
            Some("NOK" | "DKK" | "EUR" | "SEK") => format!("must be {own}, as in the sales unit's market"),
            Some(_) => "must be one of NOK, DKK, EUR, SEK".to_owned(),
        };
        return Err(Refusal::field(&format!("{place}.amount.currency"), rule));
    }
    let transaction = &session["transaction"];
    for (index, option) in session["logistics"]["fixedOptions"].as_array().into_iter().flatten().enumerate() {
        if let Some((member, rule)) = option_violation(option, transaction) {
            return Err(Refusal::field(&format!("logistics.fixedOptions[{index}].amount.{member}"), rule));
        }
    }
    if transaction["amount"]["value"].as_i64().is_some_and(|value| value < LEAST_TOTAL) {
        if world.settings.strict {
            return Err(Refusal::field("transaction.amount.value", format!("must be at least {LEAST_TOTAL}")));
        }
        world.warn(request.id(), "`transaction.amount.value` is below 100, which a payment needs");
    }
    Ok(())
}

fn update(world: &mut World, request: &Request<'_>, id: &PaymentId, mut body: Value) -> Result<Answer, Refusal> {
    tolerate_older_forms(world, request, &mut body);
    body::check(request, &body)?;
    let Some(session) = world.session(id) else { return Err(UNKNOWN) };
    let is_subscription = session.is_subscription();
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
        if is_subscription {
            return Err(Refusal::field("logisticOptions", "must not be sent: a subscription has no shipping"));
        }
        if !changed["logistics"].is_object() {
            changed["logistics"] = json!({});
        }
        changed["logistics"]["fixedOptions"] = body["logisticOptions"].take();
    }
    amount_rules(world, request, &changed)?;
    if let Some(session) = world.session_mut(id).filter(|session| session.state == State::Created) {
        session.request = changed;
        session.offered = None;
    }
    Ok(Answer::empty(200))
}
