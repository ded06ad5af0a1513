//! The landing page behind `redirectUrl`, where a person approves or aborts in a browser.

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use vipps_types::Amount;

use super::escaped;
use super::layout::{NO_MONEY, document, respond};
use crate::customer::{self, Approve, CustomerError};
use crate::payment::{Approval, State as PaymentState};
use crate::sandbox::Shared;
use crate::state::{Landing, PaymentId, Record};

pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/landing", get(show))
        .route("/landing/approve", post(approve))
        .route("/landing/abort", post(abort))
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
}

/// The payment that a token leads to.
fn payment_of(shared: &Shared, token: &str) -> Option<PaymentId> {
    let mut world = shared.lock();
    world.settle();
    match world.landing(token) {
        Some(Landing::Payment(id)) => Some(id.clone()),
        _ => None,
    }
}

async fn show(State(shared): State<Shared>, Query(Token { token }): Query<Token>) -> Response {
    match payment_of(&shared, &token) {
        Some(id) => shown(&shared, &id, &token, None),
        None => unknown(),
    }
}

fn shown(shared: &Shared, id: &PaymentId, token: &str, message: Option<&str>) -> Response {
    match shared.lock().payment(id) {
        Some(record) => respond(StatusCode::OK, &payment_page(id, record, token, message)),
        None => unknown(),
    }
}

async fn approve(State(shared): State<Shared>, Form(Token { token }): Form<Token>) -> Response {
    let Some(id) = payment_of(&shared, &token) else { return unknown() };
    let message = match customer::approve_payment(&shared, &id, &Approve::default()).await {
        Ok(Approval::Authorized) => return finished(&shared, &id),
        Ok(Approval::Failed) => "The payment was refused. You can try again until it expires.".to_owned(),
        Ok(Approval::Pending) => "The outcome is not known yet.".to_owned(),
        Err(CustomerError::Refused(why)) => format!("You cannot pay: {why}."),
        Err(_) => "This payment is not waiting for you any more.".to_owned(),
    };
    shown(&shared, &id, &token, Some(&message))
}

async fn abort(State(shared): State<Shared>, Form(Token { token }): Form<Token>) -> Response {
    let Some(id) = payment_of(&shared, &token) else { return unknown() };
    match customer::abort_payment(&shared, &id) {
        Ok(()) => finished(&shared, &id),
        Err(_) => shown(&shared, &id, &token, Some("This payment is not waiting for you any more.")),
    }
}

fn finished(shared: &Shared, id: &PaymentId) -> Response {
    let url = shared.lock().payment(id).and_then(|record| record.return_url.clone());
    back(url.as_deref())
}

/// To the merchant's return URL, or to a page that says that it is done.
pub(super) fn back(url: Option<&str>) -> Response {
    match url.and_then(|url| HeaderValue::from_str(url).ok()) {
        Some(url) => (StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response(),
        None => respond(StatusCode::OK, &document("Done", "<h1>Done</h1><p>You can close this page.</p>")),
    }
}

/// A link that leads nowhere.
pub(super) fn unknown() -> Response {
    respond(
        StatusCode::NOT_FOUND,
        &document("Unknown payment", "<h1>Unknown payment</h1><p>This link belongs to no payment.</p>"),
    )
}

fn payment_page(id: &PaymentId, record: &Record, token: &str, message: Option<&str>) -> String {
    let payment = &record.payment;
    let amount = Amount::new(payment.value, payment.currency.clone()).to_string();
    let message =
        message.map(|text| format!("<p role=\"status\"><strong>{}</strong></p>", escaped(text))).unwrap_or_default();
    let description = record.description.as_deref().map(|text| format!("<p>{}</p>", escaped(text))).unwrap_or_default();
    let choices = match payment.state {
        PaymentState::Created => format!(
            "<form method=\"post\" action=\"/landing/approve\"><input type=\"hidden\" name=\"token\" value=\"{token}\">\
             <button id=\"approve\" autofocus>Pay {amount}</button></form>\
             <form method=\"post\" action=\"/landing/abort\"><input type=\"hidden\" name=\"token\" value=\"{token}\">\
             <button id=\"abort\" class=\"quiet\">Cancel</button></form>",
            token = escaped(token),
            amount = escaped(&amount),
        ),
        state => format!("<p>This payment is <strong id=\"state\">{}</strong>.</p>", state.wire()),
    };
    let body = format!(
        "<h1>{}</h1>{description}<dl><dt>Reference</dt><dd>{}</dd><dt>Sales unit</dt><dd>{}</dd></dl>{message}{choices}\
         {NO_MONEY}",
        escaped(&amount),
        escaped(&id.reference),
        escaped(&id.sales_unit),
    );
    document("Payment", &body)
}
