//! What people and tests do to the sandbox: the same acts behind the control API and the
//! buttons of the page at `/`.

use std::time::Duration;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::agreement::Actor;
use crate::clock::{MINUTE, Millis, rfc3339};
use crate::customer::{self, Approve, CustomerError};
use crate::deliver::Mode;
use crate::faults::{Fault, Script};
use crate::foreign_events;
use crate::options::ClockMode;
use crate::postman;
use crate::psp::PspPayment;
use crate::routes::epayment::payment_json;
use crate::routes::recurring_json::agreement_json;
use crate::sandbox::Shared;
use crate::schema::known_operation;
use crate::session::{Choice, PayBy};
use crate::state::{Home, World};

/// How long an act waits for the webhooks it causes.
const PATIENCE: Duration = Duration::from_millis(300);

/// A status and a sentence.
pub(crate) type Refused = (u16, String);

fn bad(what: impl Into<String>) -> Refused {
    (400, what.into())
}

fn unknown(act: &str, known: &str) -> Refused {
    (404, format!("unknown act `{act}` (known: {known})"))
}

impl From<CustomerError> for Refused {
    fn from(error: CustomerError) -> Self {
        let status = if matches!(error, CustomerError::Unknown(_)) { 404 } else { 409 };
        (status, error.to_string())
    }
}

/// Does something to one thing; gives what the control API answers.
pub(crate) async fn act(
    shared: &Shared,
    kind: &str,
    id: &str,
    act: &str,
    msn: Option<&str>,
    body: &Value,
) -> Result<Value, Refused> {
    let done = match kind {
        "payments" => act_on_payment(shared, id, act, msn, body).await?,
        "agreements" => act_on_agreement(shared, id, act, body)?,
        "sessions" => act_on_session(shared, id, act, msn, body).await?,
        "psp" => act_on_psp(shared, id, act, body).await?,
        "charges" => {
            let mut world = shared.lock();
            let now = world.settle();
            let processed = world.run_charges(now);
            json!({ "processed": processed })
        }
        "deliveries" if act == "mode" => {
            let mode = Mode::from_wire(body["mode"].as_str().unwrap_or_default()).map_err(bad)?;
            let delay = seconds_of(body)?.unwrap_or(MINUTE);
            let mut world = shared.lock();
            world.outbox.mode = mode;
            world.outbox.delay = delay;
            return Ok(json!({ "mode": mode.wire() }));
        }
        "deliveries" => return replay(shared, id).await,
        "events" => publish(shared, body)?,
        "clock" => return advance(shared, body).await,
        "faults" if act == "clear" => {
            shared.lock().faults.clear();
            return Ok(json!([]));
        }
        "faults" => return add_fault(shared, body),
        "reset" => {
            shared.lock().reset();
            return Ok(json!({}));
        }
        other => return Err((404, format!("unknown kind `{other}`"))),
    };
    postman::flush(shared, PATIENCE).await;
    Ok(done)
}

async fn act_on_payment(
    shared: &Shared,
    reference: &str,
    act: &str,
    msn: Option<&str>,
    body: &Value,
) -> Result<Value, Refused> {
    let id = {
        let mut world = shared.lock();
        world.settle();
        customer::find_payment(&world, reference, msn)?
    };
    let text = |name: &str| match &body[name] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match act {
        "approve" => {
            let address = match &body["address"] {
                Value::Null => None,
                address => Some(Home::deserialize(address).map_err(|error| bad(format!("`address` {error}")))?),
            };
            let approve =
                Approve { shipping_option: text("shippingOptionId"), phone_number: text("phoneNumber"), address };
            customer::approve_payment(shared, &id, &approve).await?;
        }
        "abort" => customer::abort_payment(shared, &id)?,
        "hold" => customer::hold_payment(shared, &id, true)?,
        "release" => customer::hold_payment(shared, &id, false)?,
        other => return Err(unknown(other, "approve, abort, hold, release")),
    }
    Ok(payment_json(&shared.lock(), &id))
}

fn act_on_agreement(shared: &Shared, id: &str, act: &str, body: &Value) -> Result<Value, Refused> {
    let chosen = match &body["maxAmount"] {
        Value::Null => None,
        amount => Some(
            amount
                .as_i64()
                .filter(|amount| (1..=i64::from(i32::MAX)).contains(amount))
                .ok_or_else(|| bad("`maxAmount` must be a whole number of minor units above 0"))?,
        ),
    };
    match act {
        "approve" => customer::accept_agreement(shared, id, chosen)?,
        "raise" => {
            let most = chosen.ok_or_else(|| bad("`maxAmount` is required"))?;
            let mut world = shared.lock();
            world.settle();
            if world.agreement(id).is_none() {
                return Err((404, format!("no agreement has the id `{id}`")));
            }
            if !world.raise_maximum(id, most) {
                return Err((409, format!("agreement `{id}` is not ACTIVE, or its price does not vary")));
            }
        }
        "reject" => customer::reject_agreement(shared, id)?,
        "stop" => {
            let actor = match body["actor"].as_str() {
                None | Some("USER") => Actor::User,
                Some("ADMIN") => Actor::Admin,
                Some(other) => return Err(bad(format!("unknown actor `{other}` (known: USER, ADMIN)"))),
            };
            customer::stop_agreement(shared, id, actor)?;
        }
        other => return Err(unknown(other, "approve, reject, raise, stop")),
    }
    let world = shared.lock();
    Ok(world.agreement(id).map_or(Value::Null, |agreement| agreement_json(&world, agreement)))
}

async fn act_on_session(
    shared: &Shared,
    reference: &str,
    act: &str,
    msn: Option<&str>,
    body: &Value,
) -> Result<Value, Refused> {
    let id = {
        let mut world = shared.lock();
        world.settle();
        customer::find_session(&world, reference, msn)?
    };
    let choice = || -> Result<Choice, Refused> {
        let pay_by = match body["paymentMethod"].as_str() {
            None => PayBy::default(),
            Some(name) => PayBy::from_wire(name)
                .ok_or_else(|| bad(format!("unknown paymentMethod `{name}` (known: {})", PayBy::NAMES)))?,
        };
        let option = body["shippingOptionId"].as_str().or(body["shippingMethodId"].as_str());
        Ok(Choice {
            pay_by,
            shipping_option: option.map(str::to_owned),
            consent: body["customConsent"].as_bool(),
            customer: Some(body["customer"].clone()).filter(Value::is_object),
        })
    };
    match act {
        "initiate" => customer::initiate_session(shared, &id, choice()?).await?,
        "complete" => customer::complete_session(shared, &id, choice()?).await.map(|_| ())?,
        "abandon" => customer::abandon_session(shared, &id)?,
        other => return Err(unknown(other, "initiate, complete, abandon")),
    }
    Ok(shared.lock().session_json(&id))
}

async fn act_on_psp(shared: &Shared, id: &str, act: &str, body: &Value) -> Result<Value, Refused> {
    match act {
        "approve" => customer::approve_psp(shared, id).await?,
        "cancel" => customer::cancel_psp(shared, id)?,
        "complete-3ds" => {
            customer::complete_3ds(shared, id, body["outcome"].as_str().unwrap_or("success")).await?;
        }
        other => return Err(unknown(other, "approve, cancel, complete-3ds")),
    }
    let world = shared.lock();
    Ok(world.psp_payment(id).map_or(Value::Null, psp_json))
}

/// A PSP payment with the state that no operation of Vipps shows.
pub(crate) fn psp_json(payment: &PspPayment) -> Value {
    let mut shown = crate::routes::psp::details_json(payment);
    shown["msn"] = payment.terms.sales_unit.as_str().into();
    shown["state"] = payment.state.wire().into();
    shown["amount"] = payment.terms.amount.into();
    shown["reserved"] = payment.reserved.into();
    shown["cancelled"] = payment.cancelled.into();
    shown["url3dSecure"] = payment.url_3d_secure.clone().into();
    shown
}

async fn replay(shared: &Shared, id: &str) -> Result<Value, Refused> {
    let missing = || (404, format!("no delivery has the id `{id}`"));
    let number: u64 = id.parse().map_err(|_| missing())?;
    let parcel = {
        let mut world = shared.lock();
        let now = world.settle();
        world.outbox.unschedule(number);
        world.outbox.parcel(number, now)
    };
    let parcel = parcel.ok_or_else(missing)?;
    postman::attempt(shared, parcel).await;
    shared.lock().outbox.delivery_json(number).ok_or_else(missing)
}

pub(crate) fn clock_json(world: &World) -> Value {
    let mode = if world.clock.mode() == ClockMode::Manual { "manual" } else { "real" };
    json!({ "now": rfc3339(world.clock.now()), "mode": mode, "offsetSeconds": world.clock.offset() / 1000 })
}

async fn advance(shared: &Shared, body: &Value) -> Result<Value, Refused> {
    let seconds = seconds_of(body)?.ok_or_else(|| bad("`seconds` is required"))?;
    postman::advance(shared, seconds).await;
    Ok(clock_json(&shared.lock()))
}

/// `seconds` of a body, in milliseconds: a hundred years are more than any timer needs.
fn seconds_of(body: &Value) -> Result<Option<Millis>, Refused> {
    const MOST: f64 = 3_155_760_000.0;
    if body["seconds"].is_null() {
        return Ok(None);
    }
    let seconds = body["seconds"].as_f64().filter(|seconds| (0.0..=MOST).contains(seconds));
    let seconds = seconds.ok_or_else(|| bad("`seconds` must be a number from 0 to 3155760000"))?;
    #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
    Ok(Some((seconds * 1000.0) as Millis))
}

/// A misspelt member would script another failure than was meant.
fn known_members(body: &Value, known: &[&str]) -> Result<(), Refused> {
    let mut names = body.as_object().into_iter().flat_map(|members| members.keys());
    match names.find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(bad(format!("unknown member `{name}` (known members: {})", known.join(", ")))),
        None => Ok(()),
    }
}

/// Says that something happened at a product that is not played here.
fn publish(shared: &Shared, body: &Value) -> Result<Value, Refused> {
    known_members(body, &["eventType", "msn", "body"])?;
    let members = match &body["body"] {
        Value::Null => serde_json::Map::new(),
        Value::Object(members) => members.clone(),
        _ => return Err(bad("`body` must be an object of members")),
    };
    let mut world = shared.lock();
    let msn = match body["msn"].as_str() {
        Some(msn) if !world.options.merchant_serial_numbers.iter().any(|known| known == msn) => {
            return Err(bad(format!("unknown sales unit `{msn}`")));
        }
        Some(msn) => msn.to_owned(),
        None => world.options.merchant_serial_numbers.first().cloned().unwrap_or_default(),
    };
    foreign_events::publish(&mut world, body["eventType"].as_str().unwrap_or_default(), &msn, &members).map_err(bad)
}

fn add_fault(shared: &Shared, body: &Value) -> Result<Value, Refused> {
    known_members(body, &["operation", "count", "fault"])?;
    known_members(&body["fault"], &["kind", "status", "body", "retryAfter", "when", "seconds", "code"])?;
    let operation = body["operation"].as_str().map(str::to_owned);
    if let Some(wanted) = &operation {
        known_operation(wanted).map_err(bad)?;
    }
    let count = match &body["count"] {
        Value::Null => 1,
        count => count
            .as_u64()
            .and_then(|count| u32::try_from(count).ok())
            .filter(|count| *count > 0)
            .ok_or_else(|| bad("`count` must be a whole number above 0"))?,
    };
    let fault = Fault::from_json(&body["fault"]).map_err(bad)?;
    let script = Script { operation, left: count, fault };
    let shown = script.to_json();
    shared.lock().faults.add(script);
    Ok(shown)
}
