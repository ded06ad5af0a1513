//! The control API under `/__sandbox/`: what tests and people do to the sandbox itself.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::epayment::payment_json;
use crate::clock::rfc3339;
use crate::customer::{self, CustomerError};
use crate::faults::{Fault, Script};
use crate::options::ClockMode;
use crate::payment::{Aggregate, EventName};
use crate::sandbox::Shared;
use crate::schema::operations;
use crate::state::World;

pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/clock", get(clock))
        .route("/clock/advance", post(advance))
        .route("/payments", get(payments))
        .route("/payments/{reference}/{act}", post(act_on_payment))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/ledger", get(ledger))
        .route("/requests", get(requests))
        .route("/warnings", get(warnings))
        .route("/settings", get(settings).patch(change_settings))
        .route("/tokens", axum::routing::delete(revoke_tokens))
        .route("/reset", post(reset))
        .fallback(unknown)
}

/// A refusal of the control API: a status and a sentence.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<CustomerError> for Refused {
    fn from(error: CustomerError) -> Self {
        let status = match error {
            CustomerError::Unknown(_) => StatusCode::NOT_FOUND,
            _ => StatusCode::CONFLICT,
        };
        Self(status, error.to_string())
    }
}

fn bad(what: impl Into<String>) -> Refused {
    Refused(StatusCode::BAD_REQUEST, what.into())
}

/// A JSON body, or an empty object where there is none.
fn json_body(body: &Bytes) -> Result<Value, Refused> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(body).map_err(|error| bad(format!("the body is no JSON: {error}")))
}

fn clock_json(world: &World) -> Value {
    let mode = if world.clock.mode() == ClockMode::Manual { "manual" } else { "real" };
    json!({ "now": rfc3339(world.clock.now()), "mode": mode, "offsetSeconds": world.clock.offset() / 1000 })
}

async fn clock(State(shared): State<Shared>) -> Json<Value> {
    let mut world = shared.lock();
    world.settle();
    Json(clock_json(&world))
}

async fn advance(State(shared): State<Shared>, body: Bytes) -> Result<Json<Value>, Refused> {
    // A hundred years at once are more than any timer needs.
    const MOST: f64 = 3_155_760_000.0;
    let body = json_body(&body)?;
    let seconds = body["seconds"].as_f64().filter(|seconds| (0.0..=MOST).contains(seconds));
    let seconds = seconds.ok_or_else(|| bad("`seconds` must be a number from 0 to 3155760000"))?;
    #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
    let millis = (seconds * 1000.0) as i64;
    let mut world = shared.lock();
    world.advance(millis);
    Ok(Json(clock_json(&world)))
}

async fn payments(State(shared): State<Shared>) -> Json<Value> {
    let mut world = shared.lock();
    world.settle();
    let all = world.payments().map(|(id, _)| json!({ "msn": id.sales_unit, "payment": payment_json(&world, id) }));
    Json(json!({ "payments": all.collect::<Vec<_>>() }))
}

async fn act_on_payment(
    State(shared): State<Shared>,
    Path((reference, act)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Value>, Refused> {
    let mut world = shared.lock();
    let id = customer::find(&mut world, &reference, query.get("msn").map(String::as_str))?;
    match act.as_str() {
        "approve" => customer::approve(&mut world, &id).map(|_| ())?,
        "abort" => customer::abort(&mut world, &id)?,
        other => return Err(Refused(StatusCode::NOT_FOUND, format!("unknown act `{other}` (known: approve, abort)"))),
    }
    Ok(Json(payment_json(&world, &id)))
}

async fn faults(State(shared): State<Shared>) -> Json<Value> {
    Json(shared.lock().faults.list().iter().map(Script::to_json).collect())
}

async fn add_fault(State(shared): State<Shared>, body: Bytes) -> Result<(StatusCode, Json<Value>), Refused> {
    let body = json_body(&body)?;
    let operation = body["operation"].as_str().map(str::to_owned);
    if let Some(wanted) = operation.as_ref().filter(|wanted| !operations().iter().any(|op| op.id == **wanted)) {
        let known: Vec<&str> = operations().iter().map(|op| op.id.as_str()).collect();
        return Err(bad(format!("unknown operation `{wanted}` (known operations: {})", known.join(", "))));
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
    Ok((StatusCode::CREATED, Json(shown)))
}

async fn clear_faults(State(shared): State<Shared>) -> Json<Value> {
    shared.lock().faults.clear();
    Json(json!([]))
}

async fn ledger(State(shared): State<Shared>) -> Json<Value> {
    let mut world = shared.lock();
    world.settle();
    Json(ledger_json(&world))
}

/// The money of every payment and the effects that moved it.
pub(crate) fn ledger_json(world: &World) -> Value {
    let entry = |(id, record): (&crate::state::PaymentId, &crate::state::Record)| {
        let Aggregate { authorized, captured, cancelled, refunded } = record.payment.aggregate;
        let effect = |event: &crate::payment::Event| {
            let kind = match event.name {
                EventName::Authorized if event.success => "authorize",
                EventName::Captured => "capture",
                EventName::Refunded => "refund",
                EventName::Cancelled | EventName::Terminated => "cancel",
                _ => return None,
            };
            Some(
                json!({ "kind": kind, "value": event.value, "idempotencyKey": event.idempotency_key, "at": rfc3339(event.at) }),
            )
        };
        let effects: Vec<Value> = record.payment.events.iter().filter_map(effect).collect();
        json!({
            "msn": id.sales_unit, "reference": id.reference, "state": record.payment.state.wire(),
            "currency": record.payment.currency.as_str(), "amount": record.payment.value,
            "authorized": authorized, "captured": captured, "refunded": refunded, "cancelled": cancelled,
            "effectCount": effects.len(), "effects": effects,
        })
    };
    json!({ "payments": world.payments().map(entry).collect::<Vec<_>>() })
}

async fn requests(State(shared): State<Shared>) -> Json<Value> {
    Json(shared.lock().requests().into())
}

async fn warnings(State(shared): State<Shared>) -> Json<Value> {
    Json(shared.lock().warnings().into())
}

async fn settings(State(shared): State<Shared>) -> Result<Json<Value>, Refused> {
    serde_json::to_value(&shared.lock().settings).map(Json).map_err(|error| bad(error.to_string()))
}

async fn change_settings(State(shared): State<Shared>, body: Bytes) -> Result<Json<Value>, Refused> {
    let change = json_body(&body)?;
    let mut world = shared.lock();
    world.settings = world.settings.patched(&change).map_err(bad)?;
    serde_json::to_value(&world.settings).map(Json).map_err(|error| bad(error.to_string()))
}

async fn revoke_tokens(State(shared): State<Shared>) -> Json<Value> {
    shared.lock().forget_tokens();
    Json(json!({}))
}

async fn reset(State(shared): State<Shared>) -> Json<Value> {
    let mut world = shared.lock();
    world.reset();
    Json(json!({}))
}

async fn unknown() -> Refused {
    Refused(StatusCode::NOT_FOUND, "unknown call (see the control API in the documentation of vipps-sandbox)".into())
}
