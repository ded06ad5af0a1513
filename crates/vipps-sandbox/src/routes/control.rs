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
use super::recurring_json::{agreement_json, charge_json};
use crate::acts::{self, act, clock_json, psp_json};
use crate::faults::Script;
use crate::ledger;
use crate::sandbox::Shared;
use crate::state::World;

pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/clock", get(clock))
        .route("/clock/advance", post(advance))
        .route("/charges", get(charges))
        .route("/charges/run", post(run_charges))
        .route("/customers", get(customers))
        .route("/customers/{phone_number}", get(customer).patch(change_customer))
        .route("/deliveries", get(deliveries))
        .route("/deliveries/mode", get(mode).post(change_mode))
        .route("/events", post(publish_event))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/ledger", get(ledger))
        .route("/requests", get(requests))
        .route("/warnings", get(warnings))
        .route("/webhooks", get(webhooks))
        .route("/settings", get(settings).patch(change_settings))
        .route("/tokens", axum::routing::delete(revoke_tokens))
        .route("/reset", post(reset))
        .route("/payments", get(payments))
        .route("/agreements", get(agreements))
        .route("/sessions", get(sessions))
        .route("/psp", get(psp))
        .route("/{kind}/{id}/{act}", post(act_on))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
}

async fn wrong_method(method: axum::http::Method, uri: axum::http::Uri) -> Refused {
    Refused(StatusCode::METHOD_NOT_ALLOWED, format!("{} is not called with {method}", uri.path()))
}

/// A refusal of the control API: a status and a sentence.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<acts::Refused> for Refused {
    fn from((status, sentence): acts::Refused) -> Self {
        Self(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), sentence)
    }
}

type Answered = Result<Json<Value>, Refused>;

/// A JSON body, or an empty object where there is none.
fn json_body(body: &Bytes) -> Result<Value, Refused> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(body)
        .map_err(|error| Refused(StatusCode::BAD_REQUEST, format!("the body is no JSON: {error}")))
}

/// What the world shows, once everything due has happened.
fn shown(shared: &Shared, show: impl FnOnce(&World) -> Value) -> Json<Value> {
    let mut world = shared.lock();
    world.settle();
    Json(show(&world))
}

async fn act_on(
    State(shared): State<Shared>,
    Path((kind, id, name)): Path<(String, String, String)>,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Answered {
    if !matches!(
        (kind.as_str(), name.as_str()),
        ("payments" | "agreements" | "sessions" | "psp", _) | ("deliveries", "replay")
    ) {
        return Err(unknown().await);
    }
    let body = json_body(&body)?;
    Ok(Json(act(&shared, &kind, &id, &name, query.get("msn").map(String::as_str), &body).await?))
}

async fn clock(State(shared): State<Shared>) -> Json<Value> {
    shown(&shared, clock_json)
}

async fn advance(State(shared): State<Shared>, body: Bytes) -> Answered {
    Ok(Json(act(&shared, "clock", "", "advance", None, &json_body(&body)?).await?))
}

async fn publish_event(State(shared): State<Shared>, body: Bytes) -> Answered {
    Ok(Json(act(&shared, "events", "", "publish", None, &json_body(&body)?).await?))
}

async fn run_charges(State(shared): State<Shared>) -> Answered {
    Ok(Json(act(&shared, "charges", "", "run", None, &Value::Null).await?))
}

async fn payments(State(shared): State<Shared>) -> Json<Value> {
    shown(&shared, |world| {
        let one = |id: &crate::state::PaymentId| json!({ "msn": id.sales_unit, "payment": payment_json(world, id) });
        json!({ "payments": world.payments().map(|(id, _)| one(id)).collect::<Vec<_>>() })
    })
}

async fn agreements(State(shared): State<Shared>) -> Json<Value> {
    shown(&shared, |world| {
        let one = |agreement: &crate::agreement::Agreement| json!({ "msn": agreement.terms.sales_unit, "agreement": agreement_json(world, agreement) });
        json!({ "agreements": world.agreements().map(one).collect::<Vec<_>>() })
    })
}

async fn charges(State(shared): State<Shared>) -> Json<Value> {
    shown(&shared, |world| {
        let all =
            world.charges().map(|(id, charge)| json!({ "msn": id.sales_unit, "charge": charge_json(world, charge) }));
        json!({ "charges": all.collect::<Vec<_>>() })
    })
}

async fn sessions(State(shared): State<Shared>) -> Json<Value> {
    shown(&shared, |world| {
        let all = world.sessions().map(|(id, _)| json!({ "msn": id.sales_unit, "session": world.session_json(id) }));
        json!({ "sessions": all.collect::<Vec<_>>() })
    })
}

async fn psp(State(shared): State<Shared>) -> Json<Value> {
    shown(&shared, |world| json!({ "psp": world.psp_payments().map(psp_json).collect::<Vec<_>>() }))
}

async fn webhooks(State(shared): State<Shared>) -> Json<Value> {
    shown(&shared, |world| {
        let all = world
            .registrations
            .iter()
            .map(|one| json!({ "id": one.id, "msn": one.sales_unit, "url": one.url, "events": one.events }));
        json!({ "webhooks": all.collect::<Vec<_>>() })
    })
}

async fn customers(State(shared): State<Shared>) -> Json<Value> {
    shown(&shared, |world| json!({ "customers": world.people().collect::<Vec<_>>() }))
}

async fn customer(State(shared): State<Shared>, Path(phone_number): Path<String>) -> Json<Value> {
    shown(&shared, |world| json!(world.person_of_phone(&phone_number)))
}

async fn change_customer(State(shared): State<Shared>, Path(phone_number): Path<String>, body: Bytes) -> Answered {
    let change = json_body(&body)?;
    let changed = shared.lock().change_person(&phone_number, &change);
    Ok(Json(json!(changed.map_err(|what| Refused(StatusCode::BAD_REQUEST, what))?)))
}

async fn deliveries(State(shared): State<Shared>) -> Json<Value> {
    shown(&shared, |world| world.outbox.to_json().into())
}

async fn mode(State(shared): State<Shared>) -> Json<Value> {
    Json(json!({ "mode": shared.lock().outbox.mode.wire() }))
}

async fn change_mode(State(shared): State<Shared>, body: Bytes) -> Answered {
    Ok(Json(act(&shared, "deliveries", "", "mode", None, &json_body(&body)?).await?))
}

async fn faults(State(shared): State<Shared>) -> Json<Value> {
    Json(shared.lock().faults.list().iter().map(Script::to_json).collect())
}

async fn add_fault(State(shared): State<Shared>, body: Bytes) -> Result<(StatusCode, Json<Value>), Refused> {
    Ok((StatusCode::CREATED, Json(act(&shared, "faults", "", "add", None, &json_body(&body)?).await?)))
}

async fn clear_faults(State(shared): State<Shared>) -> Answered {
    Ok(Json(act(&shared, "faults", "", "clear", None, &Value::Null).await?))
}

async fn ledger(State(shared): State<Shared>) -> Json<Value> {
    shown(&shared, ledger::to_json)
}

async fn requests(State(shared): State<Shared>) -> Json<Value> {
    Json(shared.lock().requests().into())
}

async fn warnings(State(shared): State<Shared>) -> Json<Value> {
    Json(shared.lock().warnings().into())
}

fn settings_json(world: &World) -> Value {
    serde_json::to_value(&world.settings).unwrap_or_default()
}

async fn settings(State(shared): State<Shared>) -> Json<Value> {
    Json(settings_json(&shared.lock()))
}

async fn change_settings(State(shared): State<Shared>, body: Bytes) -> Answered {
    let change = json_body(&body)?;
    let mut world = shared.lock();
    world.change_settings(&change).map_err(|what| Refused(StatusCode::BAD_REQUEST, what))?;
    Ok(Json(settings_json(&world)))
}

async fn revoke_tokens(State(shared): State<Shared>) -> Json<Value> {
    shared.lock().forget_tokens();
    Json(json!({}))
}

async fn reset(State(shared): State<Shared>) -> Answered {
    Ok(Json(act(&shared, "reset", "", "reset", None, &Value::Null).await?))
}

async fn unknown() -> Refused {
    let sentence = "unknown call (see the control API in the documentation of vipps-sandbox)";
    Refused(StatusCode::NOT_FOUND, sentence.into())
}
